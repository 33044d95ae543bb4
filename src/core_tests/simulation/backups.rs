//! Copies of sites and states, and what putting one back means for what users entered.

use super::both::known;
use super::history::Backup;
use super::matrix;
use super::world::World;
use crate::model::{Side, Sides};
use crate::state::State;

/// Both sites and the state as they were.
pub struct Copies {
    sites: Sides<frappe_sandbox::Site>,
    state: usize,
}

/// The number of the first copy of a state; below are those in use.
const COPIES: usize = 10;

impl World {
    pub fn back_up(&mut self, backup: Backup) {
        self.shared.lock().tell(&format!("{backup:?}"));
        self.has_forgotten |= matches!(backup, Backup::RestoreState | Backup::OtherState);
        match backup {
            Backup::Make => self.make_copies(),
            Backup::RestoreSite(side) => self.restore_site(side),
            Backup::RestoreState => self.restore_state(),
            Backup::OtherState => {
                let mut both = self.shared.lock();
                both.count(matrix::OTHER_STATE, "");
                if both.has_late_creates() {
                    both.count(matrix::LATE_BETWEEN_STATES, "");
                }
                drop(both);
                self.used = 1 - self.used.min(1);
                if !self.state_path().exists() {
                    State::create(&self.state_path()).unwrap();
                }
            }
        }
    }

    fn make_copies(&mut self) {
        let original = self.state_path();
        let both = self.shared.lock();
        let sites = Sides::from_fn(|side| both.sites[side].twin());
        drop(both);
        self.copies = Some(Copies { sites, state: self.used });
        std::fs::copy(original, self.copy_path()).unwrap();
    }

    fn copy_path(&self) -> std::path::PathBuf {
        self.dir.path().join(format!("state_{COPIES}.db"))
    }

    /// What was entered on the site since is lost there, as whoever restores it knows.
    fn restore_site(&mut self, side: Side) {
        let Some(copies) = &self.copies else { return };
        let mut copy = copies.sites[side].twin();
        let mut both = self.shared.lock();
        both.count(matrix::SITE_RESTORED, "");
        copy.clock_offset_ms = both.sites[side].clock_offset_ms;
        let before = both.all(side);
        both.sites[side] = copy;
        for (doctype, doc) in before {
            let mark = known(doctype, &doc).map(|(_, mark)| mark).unwrap_or_default();
            match both.marked(side, doctype, &mark) {
                None => both.gone(side, doctype, &doc),
                Some(now) => both.ledger.note(side, doctype, Some(&doc), Some(&now)),
            }
        }
        drop(both);
        self.is_restored = true;
        self.hook_up();
    }

    fn restore_state(&mut self) {
        let Some(copies) = &self.copies else { return };
        self.used = copies.state;
        self.kept.add(&self.connection());
        std::fs::copy(self.copy_path(), self.state_path()).unwrap();
        self.shared.lock().count(matrix::STATE_RESTORED, "");
    }

    /// A person moves the state away and begins anew, as is said where a side looks wrong.
    pub fn begin_anew(&mut self) {
        self.shared.lock().tell("a person begins with a new state");
        self.has_forgotten = true;
        self.kept.add(&self.connection());
        self.used = (2..COPIES).find(|n| !self.path_of(*n).exists()).unwrap();
        State::create(&self.state_path()).unwrap();
    }

    fn path_of(&self, state: usize) -> std::path::PathBuf {
        self.dir.path().join(format!("state_{state}.db"))
    }
}

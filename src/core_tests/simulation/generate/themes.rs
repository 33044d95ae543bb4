//! Themes that are no event in a run: what people do on the sites, change in the rules and put back
//! from copies, so that a history as a whole is about it.

use jiff::SignedDuration;

use super::{History, ONE_WAY, PRIVATE};
use crate::core_tests::in_process::Kind;
use crate::core_tests::simulation::doctypes::DOCTYPES;
use crate::core_tests::simulation::history::{
    Backup, Does, Event, Fault, On, Plan, Rules, Step, What,
};
use crate::core_tests::simulation::matrix;
use crate::model::Side;

impl History {
    /// Themes that are no event in a run. Whether it was one.
    pub(super) fn theme_of_history(&mut self, event: &str) -> bool {
        let natural = Some(*self.dice.pick(&["Area", "Customer", "Ware"]));
        match event {
            matrix::EDIT_LATE => self.user(None, Does::EditLate),
            matrix::RENAME_TOLD => {
                self.user(natural, Does::Rename);
                self.steps.push(Step::Run(Plan { told: true, ..Plan::default() }));
            }
            matrix::REUSED_NAME => self.user(natural, Does::ReuseName),
            matrix::MERGE => self.user(natural, Does::Merge),
            matrix::TWINS => {
                let doctype = self.dice.chance(50).then_some("Reading");
                self.user(doctype, Does::InsertTwin);
            }
            matrix::NAMESAKES => self.cancel_on_both(),
            matrix::AMENDED => {
                self.user(Some("Bill"), Does::Submit);
                self.user(Some("Bill"), Does::Cancel);
                self.user(Some("Bill"), Does::Amend);
            }
            matrix::LIMIT => {
                let limit = Some(1 + self.dice.below(3));
                self.steps.push(Step::Run(Plan { limit, ..Plan::default() }));
            }
            matrix::ONE_DIRECTION => {
                let direction = Some(*self.dice.pick(&ONE_WAY));
                self.steps.push(Step::Run(Plan { direction, ..Plan::default() }));
            }
            matrix::RULES_CHANGED
            | matrix::FIELDS_CHANGED
            | matrix::FILTERS_CHANGED
            | matrix::DOCTYPES_CHANGED => self.change_rules(event),
            matrix::SETTLED_BY_RULE
            | matrix::SETTLED_BY_PERSON
            | matrix::EDITED_THEN_RESOLVED
            | matrix::TWO_CONFLICTS => self.disagree(event),
            matrix::LEFT_OPEN | matrix::FOUND | matrix::LOST_POST_WITH_HOOKS => {
                self.lose_a_create();
            }
            matrix::SITE_RESTORED => self.restore(None),
            matrix::STATE_RESTORED => self.restore(Some(Backup::RestoreState)),
            matrix::OTHER_STATE => {
                self.steps.push(Step::Backup(Backup::OtherState));
                self.round();
                self.steps.push(Step::Backup(Backup::OtherState));
            }
            matrix::DAY_LISTED | matrix::EARLIER_DAY_LISTED => self.cross_midnight(),
            matrix::LATE_BETWEEN_STATES => self.late_between_states(),
            matrix::HOOKS => {}
            _ => return false,
        }
        true
    }

    /// The answer to a create is lost, and the document is edited before the next run: nothing
    /// of its content tells then which copy is its own.
    fn lose_a_create(&mut self) {
        let doctype = Some(*self.dice.pick(&["Chore", "Reading", "Area", "Ticket"]));
        self.user_on(self.home, doctype, Does::Insert);
        let what = What::Fault(Fault::CutAfter);
        let events = vec![Event { on: On::Kind(Kind::Create), nth: 0, what }];
        self.steps.push(Step::Run(Plan { events, ..Plan::default() }));
        for _ in 0..3 {
            self.user_on(self.home, doctype, Does::Edit);
        }
        self.pause();
    }

    /// A request of the one state is still on its way when the other one is used: what it makes
    /// is a second copy.
    fn late_between_states(&mut self) {
        for _ in 0..3 {
            self.user_on(self.home, Some("Ticket"), Does::Insert);
        }
        let what = What::Fault(Fault::Late(self.dice.seconds(120, 280)));
        let events = vec![Event { on: On::Kind(Kind::Create), nth: 0, what }];
        self.steps.push(Step::Run(Plan { events, ..Plan::default() }));
        self.steps.push(Step::Backup(Backup::OtherState));
        self.run_at_once();
        self.pause();
    }

    /// Sites that are in step count alike: what is new on both has the same name.
    fn cancel_on_both(&mut self) {
        for _ in 0..3 {
            for side in Side::BOTH {
                self.user_on(side, Some("Bill"), Does::InsertCancelled);
            }
        }
        self.steps.push(Step::Run(Plan::default()));
    }

    fn change_rules(&mut self, event: &str) {
        let mut rules = self.rules();
        match event {
            matrix::FIELDS_CHANGED => rules.exclude = Some(*self.dice.pick(&PRIVATE)),
            matrix::FILTERS_CHANGED => rules.filtered = Some(self.dice.pick(&DOCTYPES).name),
            matrix::DOCTYPES_CHANGED => drop(rules.doctypes.pop()),
            _ => {}
        }
        self.steps.push(Step::Rules(rules));
        self.round();
        let back = self.rules();
        self.steps.push(Step::Rules(back));
    }

    /// Days go by on which one side is edited, and only they are listed.
    fn cross_midnight(&mut self) {
        let rules = Rules { list_every: "365d", ..self.rules() };
        self.steps.push(Step::Rules(rules));
        for _ in 0..3 {
            for does in [Does::Insert, Does::Insert, Does::Edit] {
                self.user(None, does);
            }
            self.steps.push(Step::Run(Plan::default()));
            self.steps.push(Step::Wait(SignedDuration::from_hours(26)));
        }
    }

    /// Both sides edit the same documents; a person may have a say.
    fn disagree(&mut self, event: &str) {
        if event != matrix::SETTLED_BY_RULE {
            let rules = Rules { policy: "manual", ..self.rules() };
            self.steps.push(Step::Rules(rules));
        }
        for round in 0..2 {
            for _ in 0..3 {
                let does = *self.dice.pick(&[Does::Edit, Does::Edit, Does::Rows, Does::Delete]);
                let mut act = self.act(None, does);
                self.steps.push(Step::User(act.clone()));
                act.side = act.side.opposite();
                act.does = Does::Edit;
                self.steps.push(Step::User(act));
            }
            self.steps.push(Step::Run(Plan::default()));
            if event == matrix::SETTLED_BY_RULE {
                return;
            }
            for _ in 0..2 {
                let is_edited = event == matrix::EDITED_THEN_RESOLVED && round == 0;
                let edited_before = is_edited.then(|| self.act(None, Does::Edit));
                let (nth, take) = (self.dice.below(4), self.dice.side());
                self.steps.push(Step::Resolve { nth, take, edited_before });
            }
        }
    }

    /// Work goes on after a copy was made, and then the copy is put back.
    fn restore(&mut self, what: Option<Backup>) {
        self.steps.push(Step::Backup(Backup::Make));
        self.steps.push(Step::Wait(SignedDuration::from_hours(5)));
        for _ in 0..4 {
            let does = *self.dice.pick(&[Does::Edit, Does::Edit, Does::Insert, Does::Rows]);
            self.user(None, does);
        }
        self.steps.push(Step::Run(Plan::default()));
        let days = if what.is_some() { 7 } else { 1 };
        self.steps.push(Step::Wait(SignedDuration::from_hours(24 * days)));
        let side = self.dice.side();
        self.steps.push(Step::Backup(what.unwrap_or(Backup::RestoreSite(side))));
    }
}

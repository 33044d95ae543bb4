//! What the sites and the state hold after a history: held against each other, and against what
//! users entered.

use std::collections::{BTreeMap, BTreeSet};

use frappe_sandbox::sites::FULL_USER;
use rusqlite::Connection;
use serde_json::Value;

use super::both::{Both, known as mark_of, name_of};
use super::check::Record;
use super::ledger::{Known, Replaced, numbers};
use super::plain::{Ids, plain};
use super::promises::{Breach, Promise};
use super::world::World;
use crate::model::{Side, Sides};

/// The numbers of users in what states keep of documents.
#[derive(Debug, Default, Clone)]
pub struct Kept {
    conflicts: BTreeSet<u32>,
    logs: BTreeSet<u32>,
    /// What creates have sent that were found not to have happened, and to where.
    lost_creates: BTreeSet<(Side, u32)>,
}

impl Kept {
    /// Takes in what a state keeps.
    pub fn add(&mut self, connection: &Connection) {
        let conflicts = "SELECT cloud_data FROM conflict_records UNION ALL
            SELECT local_data FROM conflict_records";
        let logs = "SELECT changes_json FROM sync_logs WHERE changes_json IS NOT NULL";
        for (sql, kept) in [(conflicts, &mut self.conflicts), (logs, &mut self.logs)] {
            let mut texts = connection.prepare(sql).unwrap();
            let texts = texts.query_map([], |row| row.get::<_, String>(0)).unwrap();
            let read = |text: String| numbers(&serde_json::from_str::<Value>(&text).unwrap());
            kept.extend(texts.flat_map(|text| read(text.unwrap())));
        }
        for side in Side::BOTH {
            let sql = "SELECT sent FROM journal
                WHERE side = ? AND action = 'create' AND state = 'void' AND answer IS NULL
                    AND (outcome LIKE 'not there%' OR outcome LIKE '%has this name')";
            let mut sent = connection.prepare(sql).unwrap();
            let sent = sent.query_map([side.as_str()], |row| row.get::<_, String>(0)).unwrap();
            let read = |text: String| numbers(&serde_json::from_str::<Value>(&text).unwrap());
            let sent = sent.flat_map(|text| read(text.unwrap()));
            self.lost_creates.extend(sent.map(|number| (side, number)));
        }
    }
}

impl World {
    pub fn check_contents(
        &self,
        connection: &Connection,
        records: &[Record],
        broken: &mut Vec<Breach>,
    ) {
        let kept = self.all_kept(connection);
        self.check_pairs(connection, records, broken);
        self.check_values(&kept, broken);
        self.check_replaced(&kept, broken);
        self.check_copies(records, broken);
        self.check_alike(records, broken);
    }

    /// What is kept in all states, those that are used no more among them.
    fn all_kept(&self, connection: &Connection) -> Kept {
        let mut kept = self.kept.clone();
        kept.add(connection);
        for other in [0, 1].into_iter().filter(|other| *other != self.used) {
            let path = self.dir.path().join(format!("state_{other}.db"));
            if path.exists() {
                kept.add(&Connection::open(path).unwrap());
            }
        }
        kept
    }

    /// Documents that are in step are equal, but for what each side alone had edited before it
    /// was cancelled, and for what a site has stored otherwise than it was sent: that is told.
    fn check_pairs(&self, connection: &Connection, records: &[Record], broken: &mut Vec<Breach>) {
        let configured = |doctype: &str| self.rules.doctypes.contains(&doctype);
        let in_step = |one: &&Record| one.status == "synced" && configured(&one.doctype);
        let ids = ids(records);
        for one in records.iter().filter(in_step) {
            let label = format!("{} {} ({:?})", one.doctype, one.docname, one.names);
            let Some(shown) = self.shown(one, &ids) else {
                let what = format!("{label} is in step, but not on both sides");
                broken.push(Promise::InStep.broken(what));
                continue;
            };
            let Sides { cloud, local } = &shown;
            let are_cancelled = [cloud, local].iter().all(|doc| doc["docstatus"] == 2);
            let differing: Vec<String> = differing(&shown)
                .into_iter()
                .filter(|field| !are_cancelled || !is_told(connection, one, field))
                .filter(|field| !is_stored_otherwise(connection, one, field))
                .map(|field| format!("{field}: {:?} / {:?}", cloud.get(field), local.get(field)))
                .collect();
            if !differing.is_empty() {
                let what = format!("{label} is in step, but {}", differing.join(", "));
                broken.push(Promise::InStep.broken(what));
            }
        }
    }

    /// Both documents of a record in the fields that are to be equal.
    pub fn shown(&self, one: &Record, ids: &Ids<'_>) -> Option<Sides<BTreeMap<String, Value>>> {
        let both = self.shared.lock();
        let doc = |side: Side| both.doc(side, &one.doctype, one.names[side].as_deref()?);
        let docs = Sides::new(doc(Side::Cloud)?, doc(Side::Local)?);
        let mut private: Vec<&str> = self.rules.exclude.into_iter().collect();
        if docs.iter().any(|(_, doc)| doc["docstatus"] != 0) {
            // What did not count when it was submitted no update reaches any more.
            private.extend(self.past.iter().filter_map(|past| past.exclude));
        }
        Some(docs.map(|side, doc| plain(&one.doctype, &doc, side, &private, ids)))
    }

    /// What users entered is there.
    fn check_values(&self, kept: &Kept, broken: &mut Vec<Breach>) {
        let both = self.shared.lock();
        let mut there: BTreeSet<u32> = kept.conflicts.union(&kept.logs).copied().collect();
        for side in Side::BOTH {
            there.extend(both.all(side).iter().flat_map(|(_, doc)| numbers(doc)));
        }
        for (number, place) in &both.ledger.live {
            if !there.contains(number) {
                let what = format!("lost: {number}, entered in {place}");
                broken.push(Promise::NothingLost.broken(what));
            }
        }
    }

    /// What users replaced or removed on a side is not there again: neither an older version of
    /// a document nor one that had its name before has come over it. Where both versions were
    /// kept somebody, or a rule, had a say; and a backup brings back what was there.
    fn check_replaced(&self, kept: &Kept, broken: &mut Vec<Breach>) {
        let both = self.shared.lock();
        let recreates = self.past.iter().chain([&self.rules]).any(|one| one.deletes == "recreate");
        let was_lost = |number: u32| {
            Side::BOTH.iter().any(|side| kept.lost_creates.contains(&(*side, number)))
        };
        let may_return = |side: Side, number: u32, replaced: &Replaced| {
            // What went with its document may have been replaced a moment before.
            let is_deleted = |known: &Known| both.ledger.deleted.contains(&(side, known.clone()));
            let with_document =
                replaced.with_document || replaced.known.as_ref().is_some_and(is_deleted);
            // Who enters the same twice may replace it once.
            let made = replaced.known.as_ref().and_then(|known| both.ledger.made.get(known));
            made.is_some_and(|made| *made > 1)
                // A document whose deletion nobody remembers is a new one, and a copy that went
                // before anybody knew of it is none; nor is it one where a hook has rewritten it.
                || with_document
                    && (recreates || self.has_forgotten || was_lost(number))
        };
        for side in Side::BOTH.into_iter().filter(|_| !self.is_restored) {
            let all = both.all(side);
            let alike = |known: &Known| {
                let is_it =
                    |(doctype, doc): &&(&str, Value)| mark_of(doctype, doc).as_ref() == Some(known);
                all.iter().filter(is_it).count()
            };
            // What a state that lost it has made a second time, or what a create made that came
            // to an end under another state, shows the older version beside the newer one.
            let is_beside = |doctype: &str, doc: &Value| {
                mark_of(doctype, doc)
                    .is_some_and(|known| Some(&alike(&known)) > both.ledger.made.get(&known))
            };
            let is_known = |(doctype, doc): &&(&'static str, Value)| {
                !self.has_forgotten
                    || !both.has_unmarked_copy(doctype, doc) && !is_beside(doctype, doc)
            };
            for (doctype, doc) in all.iter().filter(is_known) {
                for number in numbers(doc).difference(&kept.conflicts) {
                    let replaced = both.ledger.replaced.get(&(side, *number));
                    if replaced.is_some_and(|replaced| !may_return(side, *number, replaced)) {
                        let what = format!(
                            "{number} was replaced or removed on {side} and is in {doctype} {} again",
                            name_of(doc)
                        );
                        broken.push(Promise::NothingReturns.broken(what));
                    }
                }
            }
        }
    }

    /// No side has more documents alike than users have made. A state that has lost what an
    /// earlier one knew tells a copy with a name of its own, or with another name since, by its
    /// rows, or by its whole content: where users have edited one of the two and put other rows
    /// into the copy, or renamed one that has none, nothing does. Of some it can say that much,
    /// and a person is to say the rest.
    fn check_copies(&self, records: &[Record], broken: &mut Vec<Breach>) {
        let both = self.shared.lock();
        let waits = |side: Side, doctype: &str, doc: &Value| {
            let name = name_of(doc);
            let is_it =
                |one: &&Record| one.doctype == doctype && one.names[side].as_ref() == Some(&name);
            // For what becomes of itself, or of another that is in its way.
            let waits = |it: &Record| it.status == "conflict" || it.reason.contains(", conflict ");
            self.has_forgotten && records.iter().find(is_it).is_some_and(waits)
        };
        for side in Side::BOTH {
            let mut count = BTreeMap::new();
            for (doctype, doc) in both.all(side) {
                let is_forgotten = self.has_forgotten && both.has_unmarked_copy(doctype, &doc);
                let counts = !is_forgotten && !waits(side, doctype, &doc);
                if let Some(known) = mark_of(doctype, &doc).filter(|_| counts) {
                    count.entry(known).or_insert_with(Vec::new).push(name_of(&doc));
                }
            }
            for (known, names) in count {
                let made = both.ledger.made.get(&known).copied().unwrap_or_default();
                if names.len() > made {
                    let (doctype, mark) = known;
                    broken.push(Promise::NothingTwice.broken(format!(
                        "{doctype} {mark} was made {made} times and is on {side} as {names:?}"
                    )));
                }
            }
        }
    }

    /// There are as many documents as users have made and not removed, however alike they are:
    /// each on one side at least, and only what is known on both is there twice. Where documents
    /// have names that both sites may give, equal ones of one name are one document.
    fn check_alike(&self, records: &[Record], broken: &mut Vec<Breach>) {
        let both = self.shared.lock();
        let mut there: BTreeMap<Known, usize> = BTreeMap::new();
        for side in Side::BOTH {
            for (doctype, doc) in both.all(side) {
                let is_second = side == Side::Local && is_on_both(records, doctype, &name_of(&doc));
                if let Some(known) = mark_of(doctype, &doc).filter(|_| !is_second) {
                    *there.entry(known).or_default() += 1;
                }
            }
        }
        let is_told_apart = |doctype: &str| ["Chore", "Reading"].contains(&doctype);
        for (known, made) in both.ledger.made.iter().filter(|_| !self.is_restored) {
            let gone = both.ledger.gone.get(known).copied().unwrap_or_default();
            let left = there.get(known).copied().unwrap_or_default();
            let (doctype, mark) = known;
            if is_told_apart(doctype) && left + gone < *made {
                broken.push(Promise::NothingJoined.broken(format!(
                    "{doctype} {mark} was made {made} times, removed {gone} times, and there are \
                     {left}"
                )));
            }
        }
    }
}

impl Both {
    /// Whether a document has a copy that no row shows to be one, or is such a copy itself.
    fn has_unmarked_copy(&self, doctype: &str, doc: &Value) -> bool {
        let Some((_, mark)) = mark_of(doctype, doc) else { return false };
        let alike = Side::BOTH.map(|side| {
            let mut docs = self.docs(side, doctype);
            docs.retain(|doc| mark_of(doctype, doc).is_some_and(|known| known.1 == mark));
            docs
        });
        let is_unmarked = |copy: &Value, originals: &[Value]| {
            let mut rows = copy["rows"].as_array().into_iter().flatten();
            let is_originals = |row: &Value| {
                originals.iter().any(|original| original["creation"] == row["creation"])
            };
            copy["owner"] == FULL_USER && !rows.any(is_originals)
        };
        let [cloud, local] = &alike;
        cloud.iter().any(|copy| is_unmarked(copy, local))
            || local.iter().any(|copy| is_unmarked(copy, cloud))
    }
}

/// Whether a document of the local side is known on the other one as well.
fn is_on_both(records: &[Record], doctype: &str, name: &str) -> bool {
    records.iter().any(|one| {
        one.doctype == doctype
            && one.names.local.as_deref() == Some(name)
            && one.names.cloud.is_some()
    })
}

/// The state's own id for each name.
pub fn ids(records: &[Record]) -> Ids<'_> {
    let of = |side: Side| {
        records.iter().filter_map(move |one| {
            let name = one.names[side].as_deref()?;
            Some(((side, one.doctype.as_str(), name), one.docname.as_str()))
        })
    };
    Side::BOTH.into_iter().flat_map(of).collect()
}

/// The fields in which two documents differ.
pub fn differing(shown: &Sides<BTreeMap<String, Value>>) -> BTreeSet<&String> {
    let fields = shown.cloud.keys().chain(shown.local.keys());
    fields.filter(|field| shown.cloud.get(*field) != shown.local.get(*field)).collect()
}

/// Whether the log says that a site has stored a field otherwise than it was sent.
fn is_stored_otherwise(connection: &Connection, one: &Record, field: &str) -> bool {
    let sql = "SELECT 1 FROM sync_logs WHERE doctype = ? AND docname = ?
        AND message LIKE '%stored other values for: %' || ? || '%'";
    connection.prepare(sql).unwrap().exists([&one.doctype, &one.docname, field]).unwrap()
}

/// Whether the log says that one side alone has its edit of a field of a cancelled document.
fn is_told(connection: &Connection, one: &Record, field: &str) -> bool {
    let sql = "SELECT 1 FROM sync_logs WHERE doctype = ? AND docname = ?
        AND message LIKE '%cancelled on %alone has its edit of %' || ? || '%'";
    connection.prepare(sql).unwrap().exists([&one.doctype, &one.docname, field]).unwrap()
}

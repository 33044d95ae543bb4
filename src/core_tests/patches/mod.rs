//! Random documents and edits through the whole pass, between two model sites: what arrives is
//! what was meant, and no request ever holds a recipe for losing data.

mod in_process;
mod intended;
mod recipes;
mod world;

use std::collections::BTreeMap;

use frappe_sandbox::Flavour;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};

use self::in_process::Sent;
use self::intended::Story;
use self::recipes::recipes_in;
use self::world::{DOCTYPES, World};
use super::random::{Edit, body, edit};
use crate::model::{Doc, Side, Sides};
use crate::pass::ActionStatus;

/// How many documents there are of each doctype: large ones, and many small ones with rows.
const DOCUMENTS: [(&str, usize); 2] = [("Order", 20), ("Visit", 60)];
/// The patches that each of two worlds is to see.
const PATCHES: usize = 2_500;
/// Fields of rows that are each site's own.
const PRIVATE: [&str; 6] = ["shelf", "amount", "pin", "lot", "cloud_only", "local_only"];

/// What happens to a document between two passes.
#[derive(Debug, Clone)]
struct Turn {
    edits: Sides<Option<Edit>>,
    /// Whether a side's users fill in what is theirs alone.
    touched: Sides<bool>,
}

fn turn(doctype: &str) -> impl Strategy<Value = Turn> {
    let who = prop_oneof![
        4 => Just((true, false)),
        4 => Just((false, true)),
        2 => Just((true, true)),
        1 => Just((false, false)),
    ];
    let touched = || prop::bool::weighted(0.3);
    (who, edit(doctype), edit(doctype), touched(), touched()).prop_map(
        |((cloud, local), on_cloud, on_local, touch_cloud, touch_local)| Turn {
            edits: Sides::new(cloud.then_some(on_cloud), local.then_some(on_local)),
            touched: Sides::new(touch_cloud, touch_local),
        },
    )
}

/// Random values, the same ones in every run.
struct Random(TestRunner);

impl Random {
    fn new(seed: u8) -> Self {
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
        Self(TestRunner::new_with_rng(ProptestConfig::default(), rng))
    }

    fn pick<S: Strategy>(&mut self, strategy: &S) -> S::Value {
        strategy.new_tree(&mut self.0).unwrap().current()
    }
}

/// What a side's users enter that is theirs alone, in the document and in all its rows.
fn private_values(doc: &Doc, side: Side, text: &str) -> Map<String, Value> {
    let only = format!("{side}_only");
    let mut values = json!({
        "shelf": format!("{side} {text}"), "status": text, "grand_total": text.len(),
        "secret": text, (only.clone()): text,
    });
    for table in ["items", "labels", "notes", "more"] {
        let mut rows: Vec<_> = doc.rows(table).cloned().collect();
        for (row, n) in rows.iter_mut().zip(1..) {
            row.insert("shelf".to_owned(), format!("{side} {text} {n}").into());
            row.insert(only.clone(), format!("{text} {n}").into());
            row.insert("amount".to_owned(), n.into());
            row.insert("pin".to_owned(), "x".repeat(n).into());
            row.insert("lot".to_owned(), format!("{text}{n}").into());
        }
        if doc.0.contains_key(table) {
            values[table] = json!(rows);
        }
    }
    values.as_object().unwrap().clone()
}

/// Two sites and the documents on them, as the last pass left them.
struct Play {
    world: World,
    winner: Side,
    random: Random,
    docs: BTreeMap<(&'static str, String), Sides<Doc>>,
    patches: usize,
}

impl Play {
    /// Documents of either side, and their first pass.
    fn begin(flavour: Flavour, winner: Side, seed: u8) -> Self {
        let world = World::new(flavour, winner);
        let docs = BTreeMap::new();
        let mut play = Self { world, winner, random: Random::new(seed), docs, patches: 0 };
        let mut sources = BTreeMap::new();
        for (doctype, documents) in DOCUMENTS {
            for n in 0..documents {
                let name = format!("D-{n}");
                let source = if n % 2 == 0 { Side::Cloud } else { Side::Local };
                play.enter(source, doctype, &name);
                let doc = play.world.read(source, doctype, &name);
                sources.insert((doctype, name), (source, doc));
            }
        }
        let log = play.pass();
        for ((doctype, name), (source, doc)) in sources {
            let key = (doctype, name);
            let after = play.read(&key);
            let now = Sides::from_fn(|_| doc.clone());
            let sent: Vec<&Sent> = log.iter().collect();
            play.story(&key, &now, &now, &after, &sent).check_create(source.opposite());
            play.docs.insert(key, after);
        }
        play
    }

    /// A user's new document, which may be edited before it is synced.
    fn enter(&mut self, side: Side, doctype: &str, name: &str) {
        let mut values = self.random.pick(&body(doctype));
        values.insert("name".to_owned(), name.into());
        self.world.insert(side, doctype, &values);
        if self.random.pick(&any::<bool>()) {
            let edit = self.random.pick(&edit(doctype));
            let doc = self.world.read(side, doctype, name);
            self.world.edit(side, doctype, name, &edit.body(&doc));
        }
    }

    fn read(&self, (doctype, name): &(&str, String)) -> Sides<Doc> {
        Sides::from_fn(|side| self.world.read(side, doctype, name))
    }

    fn story<'a>(
        &self,
        (doctype, _): &(&'a str, String),
        base: &'a Sides<Doc>,
        now: &'a Sides<Doc>,
        after: &'a Sides<Doc>,
        sent: &'a [&'a Sent],
    ) -> Story<'a> {
        Story { doctype, base, now, after, winner: self.winner, sent }
    }

    /// A pass, all of which succeeds, and what it sent: none of it a recipe.
    fn pass(&mut self) -> Vec<Sent> {
        let summary = self.world.pass(&DOCTYPES);
        let wrong: Vec<_> =
            summary.actions.iter().filter(|line| line.status != ActionStatus::Success).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        for counts in &summary.doctypes {
            let left = counts.failed + counts.skipped + counts.conflicts;
            assert_eq!((left, &counts.error), (0, &None));
        }
        let log = self.world.take_log();
        for sent in &log {
            let recipes = recipes_in(sent, &PRIVATE);
            assert!(recipes.is_empty(), "{recipes:?}: {sent:#?}");
        }
        log
    }

    /// Users edit some documents, a pass follows, and everything is as it was meant.
    fn round(&mut self, number: usize) {
        let turns = DOCTYPES.map(turn);
        let keys: Vec<_> = self.docs.keys().cloned().collect();
        for (doctype, name) in &keys {
            let at = DOCTYPES.iter().position(|known| known == doctype).unwrap();
            let Turn { edits, touched } = self.random.pick(&turns[at]);
            for side in Side::BOTH {
                if touched[side] {
                    let doc = self.world.read(side, doctype, name);
                    let values = private_values(&doc, side, &format!("round {number}"));
                    self.world.edit(side, doctype, name, &values);
                }
                if let Some(edit) = &edits[side] {
                    let doc = self.world.read(side, doctype, name);
                    self.world.edit(side, doctype, name, &edit.body(&doc));
                }
            }
        }
        let now: Vec<_> = keys.iter().map(|key| self.read(key)).collect();
        let log = self.pass();
        for (key, now) in keys.into_iter().zip(now) {
            let after = self.read(&key);
            let is_own = |sent: &&Sent| sent.doctype == key.0 && sent.name == key.1;
            let sent: Vec<&Sent> = log.iter().filter(is_own).collect();
            self.patches += self.story(&key, &self.docs[&key], &now, &after, &sent).check_update();
            self.docs.insert(key, after);
        }
    }
}

fn patches_arrive_as_they_were_meant(flavour: Flavour, winner: Side, seed: u8) {
    let mut play = Play::begin(flavour, winner, seed);
    let mut rounds = 0;
    while play.patches < PATCHES {
        play.round(rounds);
        rounds += 1;
        assert!(rounds < PATCHES / 10, "only {} patches in {rounds} rounds", play.patches);
    }
    // In step: another look at everything writes nothing.
    assert!(play.pass().is_empty());
}

#[test]
fn patches_arrive_as_they_were_meant_on_15_55() {
    patches_arrive_as_they_were_meant(Flavour::V15_55, Side::Cloud, 1);
}

#[test]
fn patches_arrive_as_they_were_meant_on_15_105() {
    patches_arrive_as_they_were_meant(Flavour::V15_105, Side::Local, 2);
}

//! The decision table over HTTP: every row of `tests/cases/decide.json` and its mirror is set
//! up on two sites and run through the program.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use erpsync::model::{Direction, Side, Sides};
use frappe_sandbox::faults::{Action, Match, Refusal};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::bench::{Bench, Ran, SYNC_USER, USER};

const TABLE: &str = include_str!("../cases/decide.json");

/// The document that all rows are about.
const NAME: &str = "Acme";

type Case = Map<String, Value>;

#[test]
fn every_row_and_its_mirror() {
    let cases: Vec<Case> = serde_json::from_str(TABLE).unwrap();
    let jobs: Vec<(usize, bool)> = (0..cases.len())
        .flat_map(|i| [(i, false), (i, true)])
        .filter(|(i, mirrored)| !mirrored || cases[*i].get("mirror") != Some(&json!(false)))
        .collect();
    let (next, ran) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((i, mirrored)) = jobs.get(next.fetch_add(1, Ordering::SeqCst)) {
                    Row { case: &cases[*i], mirrored: *mirrored }.run();
                    ran.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    // A row without a run would be a rule that nobody has seen at work.
    assert_eq!(ran.load(Ordering::SeqCst), jobs.len());
    assert!(jobs.len() > cases.len());
}

struct Row<'a> {
    case: &'a Case,
    mirrored: bool,
}

/// An instant of the story: the base, then the edits.
fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl Row<'_> {
    /// The side of the site that plays the case's `side`.
    fn player(&self, side: Side) -> Side {
        if self.mirrored { side.opposite() } else { side }
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.case.get(key).and_then(Value::as_str)
    }

    fn doctype(&self) -> &'static str {
        if self.is_submittable() {
            "Voucher"
        } else if self.case.contains_key("two_documents") {
            "N Series"
        } else {
            "Probe"
        }
    }

    fn is_submittable(&self) -> bool {
        self.case.contains_key("submittable")
    }

    /// Whether our user loses the right to see the document; it is hidden by its customer.
    fn is_hidden(&self) -> bool {
        Side::BOTH.into_iter().any(|side| self.text(side.as_str()) == Some("hidden"))
    }

    fn run(&self) {
        let bench = Bench::default();
        bench.configure(&self.configuration(true));
        if !self.case["base"].is_null() {
            self.agree(&bench);
        }
        for side in Side::BOTH {
            self.play(&bench, side);
        }
        bench.configure(&self.configuration(false));
        let before = self.contents(&bench);
        bench.clear_logs();
        let full: &[&str] = if self.case.contains_key("new_fields") { &["--full"] } else { &[] };
        let ran = bench.run(&[&["sync-all", "--new-state", "--json"], full].concat());
        self.check(&bench, &ran, &before);
    }

    /// Brings both sides to their bases. Bases differ where a field was not compared yet, or
    /// where a site stores something else than it is sent.
    fn agree(&self, bench: &Bench) {
        let born = at("2026-10-01T08:00:00Z");
        self.insert(bench, self.player(Side::Cloud), &self.base(Side::Cloud), born);
        let local = self.player(Side::Local);
        if self.is_rewritten() {
            let city = self.base(Side::Local)["city"].clone();
            bench.site(local).hooks.before_save("Probe", move |doc| doc.set("stxt", city.clone()));
        } else {
            self.insert(bench, local, &self.base(Side::Local), born);
        }
        bench.sync().expect(0);
        bench.site(local).hooks.clear();
    }

    /// Whether a site stores something else than it is sent.
    fn is_rewritten(&self) -> bool {
        self.case.contains_key("base_local") && !self.case.contains_key("new_fields")
    }

    /// What a side had when both agreed.
    fn base(&self, role: Side) -> Value {
        let own = self.case.get("base_local").filter(|_| role == Side::Local);
        own.unwrap_or(&self.case["base"]).clone()
    }

    /// The configuration, `before` a field that is new to it counts or after.
    fn configuration(&self, before: bool) -> String {
        let swap = |policy: &str| match policy {
            "cloud_wins" if self.mirrored => "local_wins".to_owned(),
            "local_wins" if self.mirrored => "cloud_wins".to_owned(),
            other => other.to_owned(),
        };
        let customer = if self.is_hidden() { "\"Customer\", " } else { "" };
        let mut text = format!("[sync]\ndoctypes = [{customer}\"{}\"]\n", self.doctype());
        for (key, word) in [
            ("conflict_resolution", self.text("policy").map(swap)),
            ("first_meeting", self.text("first_meeting").map(str::to_owned)),
            ("deletes", self.text("deletes").map(str::to_owned)),
        ] {
            if let Some(word) = word {
                let _ = writeln!(text, "{key} = \"{word}\"");
            }
        }
        if before && self.case.contains_key("new_fields") {
            text.push_str("exclude_fields = [\"stxt\"]\n");
        }
        let _ = writeln!(text, "[doctypes.\"{}\"]", self.doctype());
        if let Some(way) = self.text("one_way") {
            let _ = writeln!(text, "direction = \"{}\"", self.direction(way));
        }
        if let Some(rule) = self.text("submitted") {
            let _ = writeln!(text, "submitted = \"{rule}\"");
        }
        text
    }

    fn direction(&self, word: &str) -> String {
        let direction = Direction::parse(word).unwrap();
        let target = direction.target().map(|side| self.player(side));
        target.map_or(direction, Direction::to).to_string()
    }

    fn values(&self, content: &Value) -> Value {
        let city = content.get("city").cloned().unwrap_or(json!(""));
        let phone = content.get("phone").cloned().unwrap_or(json!(""));
        let rows = content.get("rows").cloned().unwrap_or(json!([]));
        match self.doctype() {
            "Probe" => {
                let cust = if self.is_hidden() { "Hidden Co" } else { "" };
                // A time that is left out becomes now, which differs between the sites.
                json!({"title": NAME, "stxt": city, "rows": rows, "cust": cust,
                    "phone": phone, "tm": "10:00:00"})
            }
            "Voucher" => json!({"title": NAME, "stxt": city, "total": content["total"],
                "posting_date": "2026-10-01", "posting_time": "10:00:00"}),
            _ => json!({"title": city, "rows": rows}),
        }
    }

    fn insert(&self, bench: &Bench, side: Side, content: &Value, at: Timestamp) {
        let mut site = bench.site(side);
        for name in ["Hidden Co", "Other Co"] {
            if self.is_hidden() && !site.exists("Customer", name) {
                site.insert_as(USER, "Customer", &json!({"customer_name": name}), at).unwrap();
            }
        }
        site.insert_as(USER, self.doctype(), &self.values(content), at).unwrap();
        for docstatus in 1..=content["docstatus"].as_i64().unwrap_or(0) {
            let step = json!({"docstatus": docstatus});
            site.edit_as(USER, self.doctype(), NAME, &step, at).unwrap();
        }
    }

    /// What users do to a document that can be submitted: they edit, submit and cancel it, and
    /// change by other ways ("Update Items") what a save no longer takes.
    fn go_on(&self, bench: &Bench, side: Side, from: &Value, to: &Value, at: Timestamp) {
        let mut site = bench.site(side);
        let stage = |content: &Value| content["docstatus"].as_i64().unwrap_or(0);
        let mut edit = self.values(to);
        if stage(from) > 0 && from["total"] != to["total"] {
            site.poke("Voucher", NAME, "total", &to["total"]).unwrap();
        }
        // A cancellation takes nothing along: what was edited was edited before.
        let is_edited_before = stage(from) == 1 && from["city"] != to["city"];
        if stage(from) == stage(to) || is_edited_before {
            site.edit_as(USER, "Voucher", NAME, &edit, at).unwrap();
        }
        for docstatus in stage(from) + 1..=stage(to) {
            if docstatus == 2 {
                edit = json!({});
            }
            edit["docstatus"] = docstatus.into();
            site.edit_as(USER, "Voucher", NAME, &edit, at).unwrap();
        }
    }

    /// Brings one side into the state that the case describes.
    fn play(&self, bench: &Bench, role: Side) {
        let side = self.player(role);
        let now = &self.case[role.as_str()];
        let later = self.saved_at(role);
        let is_new = self.case["base"].is_null();
        match now.as_str() {
            Some("absent") if is_new => {}
            Some("absent" | "unknown") => {
                if self.base(role)["docstatus"] == 1 {
                    bench.edit_at(side, "Voucher", NAME, &json!({"docstatus": 2}), later);
                }
                bench.site(side).delete_as(USER, self.doctype(), NAME, later).unwrap();
                if now == "unknown" {
                    // The site lists it no more, and does not say why.
                    let which = Match::on("GET", "frappe.client.get");
                    bench.site(side).faults.always(which, || Action::Refuse(Refusal::Internal));
                }
            }
            Some("hidden") => {
                bench.site(side).restrict_user(SYNC_USER, "Customer", "Other Co", later).unwrap();
            }
            Some(other) => panic!("{other}"),
            None => match now.get("replaced") {
                Some(other) => {
                    bench.site(side).delete_as(USER, self.doctype(), NAME, later).unwrap();
                    self.insert(bench, side, other, later);
                }
                None if is_new => self.insert(bench, side, now, later),
                None if self.is_submittable() => {
                    if *now != self.base(role) {
                        self.go_on(bench, side, &self.base(role), now, later);
                    }
                }
                None => {
                    let touched = self.text("touched") == Some(role.as_str());
                    if touched || *now != self.base(role) {
                        bench.edit_at(side, self.doctype(), NAME, &self.values(now), later);
                    }
                }
            },
        }
    }

    /// When the version of a side was saved. Unclear: at half past one of the night in which
    /// New York's clocks went back, so that the other side's stamp lies between the two
    /// instants that this can mean.
    fn saved_at(&self, role: Side) -> Timestamp {
        if self.is_rewritten() {
            // The first pass has stamped its copy with the time of the test.
            return Timestamp::now();
        }
        let last = self.text("saved_last").unwrap_or("tie");
        match last {
            "unclear" if self.player(role) == Side::Local => at("2026-11-01T05:30:00Z"),
            "unclear" => at("2026-11-01T06:00:00Z"),
            _ if last == role.as_str() => at("2026-11-02T10:00:01Z"),
            _ => at("2026-11-02T10:00:00Z"),
        }
    }

    fn contents(&self, bench: &Bench) -> Sides<Vec<String>> {
        let fields = ["name", "title", "stxt", "total", "docstatus", "rows", "modified"];
        Sides::from_fn(|side| bench.contents(side, self.doctype(), &fields))
    }

    fn check(&self, bench: &Bench, ran: &Ran, before: &Sides<Vec<String>>) {
        let expect = |key: &str| self.case["expect"].get(key).and_then(Value::as_str);
        let what = format!("{} (mirrored: {})\n{ran:?}", self.case["description"], self.mirrored);
        let actions = ran.json()["actions"].as_array().unwrap().clone();
        let mut lines = actions.iter().filter(|line| line["doctype"] == self.doctype());
        let done = lines.clone().find(|line| line["status"] != "skipped");
        let skipped = lines.find(|line| line["status"] == "skipped");
        let action = expect("action").unwrap();
        if self.case["expect"].get("skipped") == Some(&json!(true)) {
            assert!(done.is_none(), "{what}");
            assert!(!skipped.unwrap()["reason"].as_str().unwrap().is_empty(), "{what}");
            assert_eq!(*before, self.contents(bench), "{what}");
            return;
        }
        if action == "noop" {
            assert!(actions.is_empty(), "{what}");
        } else {
            let done = done.unwrap_or_else(|| panic!("{what}"));
            assert_eq!(done["action"], action, "{what}");
            let way = self.direction(expect("direction").unwrap());
            assert_eq!(done["direction"], way, "{what}");
        }
        self.check_sites(bench, action, expect("conflict"), before, &what);
    }

    /// What the sites hold afterwards, and what was stored of a conflict.
    fn check_sites(
        &self,
        bench: &Bench,
        action: &str,
        conflict: Option<&str>,
        before: &Sides<Vec<String>>,
        what: &str,
    ) {
        if ["noop", "adopt", "forget", "conflict"].contains(&action) {
            assert_eq!(*before, self.contents(bench), "{what}");
            assert_eq!(bench.writes(), 0, "{what}");
        } else {
            // Of what is told to stay on one side nothing goes over.
            let is_told = |reason: &str| reason.contains("alone has its edit of total");
            let stays = self.case["expect"]["reason"].as_str().is_some_and(is_told);
            let fields = ["title", "stxt", "docstatus", "total"];
            let compared = if stays { &fields[..3] } else { &fields };
            let content = |side| bench.contents(side, self.doctype(), compared);
            assert_eq!(content(Side::Cloud), content(Side::Local), "{what}");
            // What took a deleted document's place is created besides.
            let replaced =
                Side::BOTH.iter().any(|role| self.case[role.as_str()].get("replaced").is_some());
            let then = self.case["expect"].get("then").is_some();
            assert_eq!(bench.writes(), 1 + usize::from(replaced || then), "{what}");
        }
        if let Some(kind) = conflict {
            let open = action == "conflict";
            let sql = format!(
                "SELECT count(*) FROM conflict_records WHERE kind = '{kind}' AND resolved = {}",
                !open
            );
            assert_eq!(bench.query(&sql), "1", "{what}");
            let kept = bench.query("SELECT cloud_data || local_data FROM conflict_records");
            for role in Side::BOTH {
                let city = self.case[role.as_str()]["city"].as_str();
                assert!(kept.contains(city.unwrap_or("null")), "{what}");
            }
        }
    }
}

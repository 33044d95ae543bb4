//! `erpsync resolve` through the program: what a person decides is written to both sites, and
//! nothing else ever is.

use std::time::Duration;

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match, Refusal};
use jiff::Timestamp;
use rexpect::process::WaitStatus;
use rexpect::session::spawn_command;
use serde_json::{Value, json};

use crate::bench::{Bench, USER};

const MANUAL: &str = "[sync]\ndoctypes = [\"Probe\"]\nconflict_resolution = \"manual\"\n\
    [sync.retry]\nmax_attempts = 2\nbackoff_seconds = 0.01\n";

/// Two sites on which `Acme` was edited on both sides: text and number on the cloud, text and
/// phone on the local site.
fn in_conflict() -> Bench {
    let bench = Bench::default();
    bench.configure(MANUAL);
    let acme = json!({"title": "Acme", "stxt": "base", "tm": "04:05:06",
        "rows": [{"item": "A", "qty": 1}]});
    bench.insert(Side::Cloud, "Probe", &acme);
    bench.sync().expect(0);
    bench.edit(Side::Cloud, "Probe", "Acme", &json!({"stxt": "by cloud", "i": 7}));
    bench.edit(Side::Local, "Probe", "Acme", &json!({"stxt": "by local", "phone": "+91-11"}));
    bench.sync().expect(3);
    bench.clear_logs();
    bench
}

fn fields(bench: &Bench, side: Side) -> (String, i64, String) {
    let doc = bench.doc(side, "Probe", "Acme").unwrap();
    let text = |field: &str| doc[field].as_str().unwrap_or_default().to_owned();
    (text("stxt"), doc["i"].as_i64().unwrap_or(0), text("phone"))
}

fn settled(bench: &Bench, resolution: &str) {
    let sql = "SELECT resolution FROM conflict_records WHERE resolved = TRUE AND id = 1";
    assert_eq!(bench.query(sql), resolution);
    assert_eq!(
        bench.query("SELECT count(*) FROM journal WHERE state IN ('open', 'answered')"),
        "0"
    );
    bench.clear_logs();
    bench.sync().expect(0);
    assert_eq!(bench.writes(), 0, "a pass after it writes nothing");
}

#[test]
fn one_sides_version_is_taken_whole() {
    for (side, resolution) in [("cloud", "cloud_wins"), ("local", "local_wins")] {
        let bench = in_conflict();
        bench.run(&["resolve", "1", "--take", side]).expect(0);
        let expected = match side {
            "cloud" => ("by cloud".to_owned(), 7, String::new()),
            _ => ("by local".to_owned(), 0, "+91-11".to_owned()),
        };
        assert_eq!(fields(&bench, Side::Cloud), expected);
        assert_eq!(fields(&bench, Side::Local), expected);
        settled(&bench, resolution);
        let action = "SELECT action FROM sync_logs ORDER BY id DESC LIMIT 1";
        assert_eq!(bench.query(action), "resolve");
    }
}

#[test]
fn field_by_field_both_edits_are_kept() {
    let bench = in_conflict();
    let arguments = ["resolve", "1", "--field", "stxt=local", "--field", "i=cloud"];
    bench.run(&[&arguments[..], &["--field", "phone=local"]].concat()).expect(0);
    let expected = ("by local".to_owned(), 7, "+91-11".to_owned());
    assert_eq!(fields(&bench, Side::Cloud), expected);
    assert_eq!(fields(&bench, Side::Local), expected);
    settled(&bench, "merge");
}

#[test]
fn fields_that_are_not_named_come_from_the_side_taken() {
    let bench = in_conflict();
    bench.run(&["resolve", "1", "--field", "phone=local", "--take", "cloud"]).expect(0);
    let expected = ("by cloud".to_owned(), 7, "+91-11".to_owned());
    assert_eq!(fields(&bench, Side::Cloud), expected);
    assert_eq!(fields(&bench, Side::Local), expected);
    let rewritten = "SELECT count(*) FROM sync_logs WHERE message LIKE '%stored other values%'";
    assert_eq!(bench.query(rewritten), "0");
    settled(&bench, "merge");
}

#[test]
fn a_field_that_nobody_chose_is_asked_for() {
    let bench = in_conflict();
    let ran = bench.run(&["resolve", "1", "--field", "stxt=local"]).expect(3);
    assert!(ran.err.contains("nothing was chosen for i"), "{}", ran.err);
    assert_eq!(bench.writes(), 0);
}

#[test]
fn values_of_ones_own() {
    let bench = in_conflict();
    let mine = r#"{"stxt": "mine", "rows": [{"item": "A", "qty": 5}, {"item": "B", "qty": 2}]}"#;
    std::fs::write(bench.path("mine.json"), mine).unwrap();
    bench.run(&["resolve", "1", "--with", "mine.json", "--take", "local"]).expect(0);
    for side in Side::BOTH {
        assert_eq!(fields(&bench, side), ("mine".to_owned(), 0, "+91-11".to_owned()));
        let rows = bench.doc(side, "Probe", "Acme").unwrap()["rows"].clone();
        assert_eq!((&rows[0]["qty"], &rows[1]["item"]), (&json!(5.0), &json!("B")), "{side}");
    }
    settled(&bench, "merge");
}

#[test]
fn a_field_that_is_not_synced_is_refused() {
    let bench = in_conflict();
    let arguments = ["resolve", "1", "--field", "modified=cloud", "--take", "cloud"];
    let ran = bench.run(&arguments).expect(3);
    assert!(ran.err.contains("modified is no field of Probe that is synced"), "{}", ran.err);
    assert_eq!(bench.writes(), 0);
}

/// The recorded version is no longer what is there: nothing is lost, the record shows it.
#[test]
fn an_edit_after_the_record_is_never_overwritten() {
    let bench = in_conflict();
    bench.edit(Side::Local, "Probe", "Acme", &json!({"stxt": "edited later"}));
    let ran = bench.run(&["resolve", "1", "--take", "cloud"]).expect(3);
    assert!(ran.err.contains("no longer what the conflict shows"), "{}", ran.err);
    assert_eq!(bench.writes(), 0);
    assert_eq!(fields(&bench, Side::Local).0, "edited later");
    let kept = bench.query("SELECT local_data FROM conflict_records WHERE resolved = FALSE");
    assert!(kept.contains("edited later"), "{kept}");
    bench.run(&["resolve", "1", "--take", "cloud"]).expect(0);
    assert_eq!(fields(&bench, Side::Local).0, "by cloud");
}

#[test]
fn an_edit_while_it_is_written_is_never_overwritten() {
    let bench = in_conflict();
    bench.site(Side::Local).faults.before(Match::on("PUT", "/Probe"), |site, now| {
        site.edit_as(USER, "Probe", "Acme", &json!({"stxt": "just now"}), now).unwrap();
    });
    bench.run(&["resolve", "1", "--take", "cloud"]).expect(3);
    assert_eq!(fields(&bench, Side::Local).0, "just now");
    assert_eq!(bench.query("SELECT count(*) FROM conflict_records WHERE resolved = FALSE"), "1");
}

#[test]
fn a_write_that_fails_leaves_the_conflict_open() {
    let bench = in_conflict();
    bench.site(Side::Local).faults.refuse(Match::on("PUT", "/Probe"), Refusal::Internal);
    let ran = bench.run(&["resolve", "1", "--take", "cloud"]).expect(4);
    assert!(ran.err.contains("local"), "{}", ran.err);
    assert_eq!(bench.query("SELECT count(*) FROM conflict_records WHERE resolved = FALSE"), "1");
    assert_eq!(fields(&bench, Side::Local).0, "by local");
    bench.run(&["resolve", "1", "--take", "cloud"]).expect(0);
    assert_eq!(fields(&bench, Side::Local).0, "by cloud");
    settled(&bench, "cloud_wins");
}

#[test]
fn a_lost_answer_is_found_out() {
    let bench = in_conflict();
    bench.site(Side::Local).faults.once(Match::on("PUT", "/Probe"), Action::CutAfter);
    bench.run(&["resolve", "1", "--take", "cloud"]).expect(4);
    bench.sync().expect(0);
    assert_eq!(fields(&bench, Side::Local), ("by cloud".to_owned(), 7, String::new()));
    settled(&bench, "cloud_wins");
}

/// The second half of a settlement field by field fails: nothing is lost, a person looks again.
#[test]
fn half_a_settlement_is_shown_again() {
    let bench = in_conflict();
    bench.site(Side::Cloud).faults.refuse(Match::on("PUT", "/Probe"), Refusal::Internal);
    let arguments = ["resolve", "1", "--field", "phone=local", "--take", "cloud"];
    bench.run(&arguments).expect(4);
    assert_eq!(fields(&bench, Side::Cloud), ("by cloud".to_owned(), 7, String::new()));
    bench.run(&["sync-all", "--retry-failed"]);
    let expected = ("by cloud".to_owned(), 7, "+91-11".to_owned());
    assert_eq!(fields(&bench, Side::Cloud), expected);
    assert_eq!(fields(&bench, Side::Local), expected);
}

#[test]
fn a_conflict_that_settled_itself_is_closed() {
    let bench = in_conflict();
    bench.edit(Side::Local, "Probe", "Acme", &json!({"stxt": "by cloud", "i": 7, "phone": ""}));
    bench.run(&["resolve", "1", "--take", "local"]).expect(0);
    assert_eq!(bench.writes(), 0);
    settled(&bench, "superseded");
    bench.run(&["resolve", "1", "--take", "local"]).expect(0);
}

#[test]
fn a_document_that_is_gone_is_not_written() {
    let bench = in_conflict();
    let now = jiff::Timestamp::now();
    bench.site(Side::Local).delete_as(USER, "Probe", "Acme", now).unwrap();
    bench.run(&["resolve", "1", "--take", "cloud"]).expect(3);
    assert_eq!(bench.writes(), 0);
    assert_eq!(fields(&bench, Side::Cloud).0, "by cloud");
}

#[test]
fn several_at_once_and_all_of_a_doctype() {
    let bench = Bench::default();
    bench.configure(MANUAL);
    for name in ["A", "B", "C"] {
        let values = |text: &str| json!({"title": name, "stxt": text, "tm": "04:05:06"});
        bench.insert(Side::Cloud, "Probe", &values("cloud"));
        bench.insert(Side::Local, "Probe", &values("local"));
    }
    bench.sync().expect(3);
    bench.run(&["resolve", "1", "2", "--take", "cloud"]).expect(0);
    bench.run(&["resolve", "--all", "--doctype", "Brand", "--take", "local"]).expect(0);
    let open = "SELECT count(*) FROM conflict_records WHERE resolved = FALSE";
    assert_eq!(bench.query(open), "1");
    bench.run(&["resolve", "--all", "--doctype", "Probe", "--take", "local"]).expect(0);
    assert_eq!(bench.query(open), "0");
    let text = |side, name| bench.doc(side, "Probe", name).unwrap()["stxt"].clone();
    assert_eq!([text(Side::Local, "A"), text(Side::Cloud, "C")], ["cloud", "local"]);
}

#[test]
fn two_documents_of_one_name_are_kept_apart() {
    let bench = Bench::default();
    bench.configure("[sync]\ndoctypes = [\"N Series\"]\n");
    bench.insert(Side::Cloud, "N Series", &json!({"title": "one"}));
    bench.insert(Side::Local, "N Series", &json!({"title": "another"}));
    bench.sync().expect(3);
    bench.clear_logs();
    let ran = bench.run(&["resolve", "1", "--take", "cloud"]).expect(3);
    assert!(ran.err.contains("two documents of one name"), "{}", ran.err);
    assert_eq!(bench.writes(), 0);
}

#[test]
fn what_makes_no_sense_is_refused_before_anything() {
    let bench = in_conflict();
    for (arguments, says) in [
        (&["resolve", "1"][..], "--take"),
        (&["resolve", "1", "--take", "merged"], "not in this version"),
        (&["resolve", "1", "--take", "both", "--field", "a=cloud"], "--take both"),
        (&["resolve", "99", "--take", "cloud"], "there is no conflict 99"),
        (&["resolve", "1", "2", "--with", "x.json"], "one conflict at a time"),
        (&["resolve", "1", "--with", "missing.json"], "missing.json"),
        (&["resolve"], "ID"),
    ] {
        let ran = bench.run(arguments).expect(2);
        assert!(ran.err.contains(says), "{arguments:?}: {}", ran.err);
        // clap says by itself how it is used.
        let helps = ["hint: ", "--help", "allowed", "not in this version"];
        assert!(helps.iter().any(|help| ran.err.contains(help)), "{arguments:?}: {}", ran.err);
    }
    assert_eq!(bench.writes(), 0);
}

#[test]
fn the_outcome_as_json() {
    let bench = in_conflict();
    let ran = bench.run(&["resolve", "1", "--take", "cloud", "--json"]).expect(0);
    let row = &ran.json()["resolved"][0];
    assert_eq!((&row["id"], &row["outcome"]), (&json!(1), &json!("settled")));
    assert_eq!(row["message"], Value::Null);
}

/// Whatever became of a settlement: what the person saw on both sides is kept.
fn both_versions_are_kept(bench: &Bench) {
    let all = "SELECT group_concat(cloud_data || local_data) FROM conflict_records";
    let kept = bench.query(all);
    for seen in ["by cloud", "by local", "+91-11"] {
        assert!(kept.contains(seen), "{seen} is lost: {kept}");
    }
}

const MERGE: [&str; 7] =
    ["resolve", "1", "--field", "phone=local", "--field", "stxt=cloud", "--field=i=cloud"];

#[test]
fn both_versions_are_kept_whatever_becomes_of_a_settlement() {
    let cases: [(Side, fn() -> Action); 4] = [
        (Side::Local, || Action::CutAfter),
        (Side::Local, || Action::RefuseAfter(Refusal::BadGateway)),
        (Side::Cloud, || Action::CutAfter),
        (Side::Cloud, || Action::Refuse(Refusal::Internal)),
    ];
    for (side, fault) in cases {
        let bench = in_conflict();
        bench.site(side).faults.once(Match::on("PUT", "/Probe"), fault());
        bench.run(&MERGE);
        both_versions_are_kept(&bench);
        bench.run(&["sync-all", "--retry-failed"]);
        bench.run(&["sync-all", "--retry-failed"]);
        both_versions_are_kept(&bench);
        let expected = ("by cloud".to_owned(), 7, "+91-11".to_owned());
        assert_eq!(fields(&bench, Side::Cloud), expected, "{side}");
        assert_eq!(fields(&bench, Side::Local), expected, "{side}");
    }
    let bench = in_conflict();
    bench.run(&MERGE).expect(0);
    both_versions_are_kept(&bench);
}

/// Killed between the two writes: the next run carries on with what the person chose.
#[test]
fn a_settlement_that_is_killed_half_way_is_carried_on() {
    let bench = in_conflict();
    // The second write is held up, so that the program is at it when it is killed.
    let hold = Action::Stall { time: Duration::from_secs(3), commit: false };
    bench.site(Side::Cloud).faults.once(Match::on("PUT", "/Probe"), hold);
    let mut program = bench.command(&MERGE).spawn().unwrap();
    while bench.site(Side::Cloud).faults.waiting() > 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    program.kill().unwrap();
    program.wait().unwrap();
    bench.sync();
    bench.sync().expect(0);
    both_versions_are_kept(&bench);
    let expected = ("by cloud".to_owned(), 7, "+91-11".to_owned());
    assert_eq!(fields(&bench, Side::Cloud), expected);
    assert_eq!(fields(&bench, Side::Local), expected);
}

/// Rows that are taken from the local site keep their names on the cloud: other documents
/// refer to them.
#[test]
fn rows_keep_their_names_when_they_are_taken() {
    let bench = Bench::default();
    bench.configure(MANUAL);
    let rows = json!([{"item": "A", "qty": 1}, {"item": "A", "qty": 1}, {"item": "B", "qty": 2}]);
    let acme = json!({"title": "Acme", "stxt": "base", "tm": "04:05:06", "rows": rows});
    bench.insert(Side::Cloud, "Probe", &acme);
    bench.sync().expect(0);
    let names = |side: Side| -> Vec<Value> {
        let rows = bench.doc(side, "Probe", "Acme").unwrap()["rows"].clone();
        rows.as_array().unwrap().iter().map(|row| row["name"].clone()).collect()
    };
    let before = names(Side::Cloud);
    let mut local = bench.doc(Side::Local, "Probe", "Acme").unwrap()["rows"].clone();
    local[0]["qty"] = json!(9);
    bench.edit(Side::Local, "Probe", "Acme", &json!({"stxt": "by local", "rows": local}));
    bench.edit(Side::Cloud, "Probe", "Acme", &json!({"stxt": "by cloud"}));
    bench.sync().expect(3);
    bench.run(&["resolve", "1", "--take", "cloud", "--field", "rows=local"]).expect(0);
    assert_eq!(names(Side::Cloud), before);
    let doc = bench.doc(Side::Cloud, "Probe", "Acme").unwrap();
    assert_eq!((&doc["rows"][0]["qty"], &doc["stxt"]), (&json!(9.0), &json!("by cloud")));
}

/// What a site would turn into something else without a word is refused.
#[test]
fn values_that_make_no_sense_are_refused() {
    let bench = in_conflict();
    for (values, says) in [
        (r#"{"rows": "oops"}"#, "rows is a table"),
        (r#"{"rows": {"item": "Z"}}"#, "rows is a table"),
        (r#"{"rows": [1, 2]}"#, "rows, row 1: give an object"),
        (r#"{"rows": [{"item": "A", "qyt": 5}]}"#, "rows, row 1: qyt is no field"),
        (r#"{"rows": [{"item": "A", "qty": "many"}]}"#, "qty: \"many\" is not a number"),
        (r#"{"i": "abc"}"#, "i: \"abc\" is not a whole number"),
        (r#"{"i": 1.7}"#, "i: \"1.7\" is not a whole number"),
        (r#"{"d": "tomorrow"}"#, "d: \"tomorrow\" is not a date"),
        (r#"{"stxt": 5}"#, "stxt: \"5\" is not a text"),
        (r#"{"stxt": "***"}"#, "asterisks alone"),
        (r#"{"stxt": {"a": 1}}"#, "give a single value"),
    ] {
        std::fs::write(bench.path("mine.json"), values).unwrap();
        let ran = bench.run(&["resolve", "1", "--with", "mine.json", "--take", "cloud"]).expect(3);
        assert!(ran.err.contains(says), "{values}: {}", ran.err);
        assert!(ran.err.contains("hint: mend the file"), "{values}: {}", ran.err);
    }
    assert_eq!(bench.writes(), 0);
}

#[test]
fn a_side_that_is_back_at_its_base_leaves_nothing_to_take() {
    let bench = in_conflict();
    bench.edit(Side::Local, "Probe", "Acme", &json!({"stxt": "base", "phone": ""}));
    let ran = bench.run(&["resolve", "1", "--take", "local"]).expect(3);
    assert!(ran.err.contains("no conflict any more"), "{}", ran.err);
    assert!(ran.err.contains("hint: erpsync sync-all"), "{}", ran.err);
    assert_eq!(bench.writes(), 0);
    bench.sync().expect(0);
    assert_eq!(fields(&bench, Side::Local).0, "by cloud");
}

#[test]
fn a_one_way_rule_holds_for_a_person_too() {
    let bench = in_conflict();
    let rule = "[doctypes.Probe]\ndirection = \"cloud_to_local\"\n";
    bench.configure(&format!("{MANUAL}{rule}"));
    let ran = bench.run(&["resolve", "1", "--take", "local"]).expect(3);
    assert!(ran.err.contains("carried to local only"), "{}", ran.err);
    assert!(ran.err.contains("hint: --take cloud"), "{}", ran.err);
    let ran = bench.run(&["resolve", "1", "--take", "local", "--json"]).expect(3).json();
    assert!(ran["resolved"][0]["hint"].as_str().unwrap().contains("--take cloud"), "{ran}");
    assert_eq!(bench.writes(), 0);
}

/// A signal ends it before the next conflict is touched; at a question it is an answer.
#[test]
fn a_signal_ends_it() {
    let bench = in_conflict();
    let timeout = Duration::from_secs(30).as_millis().try_into().ok();
    let mut session = spawn_command(bench.command(&["resolve", "1"]), timeout).unwrap();
    session.exp_string("q quit:").unwrap();
    session.send_control('c').unwrap();
    session.exp_eof().unwrap();
    let status = session.process().wait().unwrap();
    assert!(matches!(status, WaitStatus::Exited(_, 130)), "{status:?}");
    assert_eq!(bench.writes(), 0);
    assert_eq!(bench.query("SELECT exit_code FROM runs ORDER BY id DESC LIMIT 1"), "130");
}

/// Of an edit against a deletion there are no fields to choose from.
#[test]
fn a_person_is_asked_which_version_is_kept() {
    for (answer, says, is_kept) in [("c", "made anew on local", true), ("l", "deletion", false)] {
        let bench = Bench::default();
        bench.configure(MANUAL);
        bench.insert(Side::Cloud, "Probe", &json!({"title": "Acme", "stxt": "base"}));
        bench.sync().expect(0);
        bench.edit(Side::Cloud, "Probe", "Acme", &json!({"stxt": "by cloud"}));
        bench.site(Side::Local).delete_as(USER, "Probe", "Acme", Timestamp::now()).unwrap();
        bench.sync().expect(3);
        let answers = [(says, ""), ("q quit:", answer), ("?", "y")];
        assert_eq!(at_terminal(&bench, &answers[1..]), 0, "{says}");
        for side in Side::BOTH {
            let text = bench.doc(side, "Probe", "Acme").map(|doc| doc["stxt"].clone());
            assert_eq!(text, is_kept.then(|| json!("by cloud")), "{side}");
        }
    }
}

/// A person at a terminal.
fn at_terminal(bench: &Bench, answers: &[(&str, &str)]) -> i32 {
    let timeout = Duration::from_secs(30).as_millis().try_into().ok();
    let mut session = spawn_command(bench.command(&["resolve", "1"]), timeout).unwrap();
    for (question, answer) in answers {
        session.exp_string(question).unwrap();
        session.send_line(answer).unwrap();
    }
    session.exp_eof().unwrap();
    match session.process().wait().unwrap() {
        WaitStatus::Exited(_, code) => code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_person_is_asked_field_by_field() {
    let bench = in_conflict();
    let code = at_terminal(
        &bench,
        &[
            ("q quit:", "c"),
            ("q quit:", "nonsense"),
            ("q quit:", "l"),
            ("q quit:", "e"),
            ("new value:", "typed in"),
            ("Write this?", "y"),
        ],
    );
    assert_eq!(code, 0);
    // The fields in their order: i, phone, stxt.
    let expected = ("typed in".to_owned(), 7, "+91-11".to_owned());
    assert_eq!(fields(&bench, Side::Cloud), expected);
    assert_eq!(fields(&bench, Side::Local), expected);
    settled(&bench, "merge");
}

#[test]
fn a_person_may_leave_at_any_time() {
    for answers in [
        &[("q quit:", "q")][..],
        &[("q quit:", "c"), ("q quit:", "s")],
        &[("q quit:", "c"), ("q quit:", "c"), ("q quit:", "c"), ("Write this?", "")],
        &[("q quit:", "\u{4}")],
    ] {
        let bench = in_conflict();
        assert_eq!(at_terminal(&bench, answers), 3, "{answers:?}");
        assert_eq!(bench.writes(), 0, "{answers:?}");
        assert_eq!(fields(&bench, Side::Local).0, "by local");
    }
}

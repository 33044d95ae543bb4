//! Creates whose answers were lost, where the site gave the name.

use std::time::Duration;

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{SERIES, counting, named, quiet, series, titles};
use crate::bench::{Bench, Ran, SYNC_USER};

const POST: &str = "/resource/N Series";

fn posts(bench: &Bench) -> usize {
    let site = bench.site(Side::Local);
    let entries = site.log.entries().iter();
    entries
        .filter(|entry| entry.method == "POST" && entry.doctype == "N Series" && entry.is_write)
        .count()
}

/// A pass in which the answer to the first create on the local site is lost.
fn lose(bench: &Bench, how: Action) -> Ran {
    bench.site(Side::Local).faults.once(Match::on("POST", POST), how);
    bench.sync().expect(4)
}

fn retry(bench: &Bench) -> Ran {
    bench.run(&["sync-all", "--retry-failed", "--json"])
}

fn settle_time() {
    std::thread::sleep(Duration::from_millis(1_100));
}

fn plain(title: &str) -> Value {
    json!({"title": title})
}

#[test]
fn the_copy_is_found_by_its_rows() {
    let bench = counting();
    bench.insert(Side::Cloud, "N Series", &series("Order"));
    lose(&bench, Action::CutAfter);
    // A second one, quite alike, that somebody made meanwhile.
    bench
        .site(Side::Local)
        .insert_as(SYNC_USER, "N Series", &series("Order"), Timestamp::now())
        .unwrap();
    retry(&bench);
    assert_eq!(posts(&bench), 1, "sent once");
    let mapped =
        bench.query("SELECT local_name FROM sync_records WHERE cloud_name = 'NS-2026-0101'");
    assert_eq!(mapped, "NS-2026-0501");
}

#[test]
fn without_rows_it_is_the_only_one_that_holds_what_was_sent() {
    let bench = counting();
    bench.insert(Side::Cloud, "N Series", &plain("Order"));
    lose(&bench, Action::CutAfter);
    retry(&bench).expect(0);
    assert_eq!(posts(&bench), 1, "sent once");
    assert_eq!(titles(&bench, Side::Local, "N Series"), ["Order"]);
    assert_eq!(titles(&bench, Side::Cloud, "N Series"), ["Order"]);
    quiet(&bench);
}

/// It was sent without its rows, which the rules left out then and do not any more.
#[test]
fn rows_that_were_left_out_are_not_looked_for() {
    let bench = counting();
    bench.configure(&SERIES.replace("[sync]\n", "[sync]\nexclude_fields = [\"rows\"]\n"));
    bench.insert(Side::Cloud, "N Series", &series("Order"));
    lose(&bench, Action::CutAfter);
    bench.configure(&SERIES.replace("[sync]\n", "[sync]\nconflict_resolution = \"cloud_wins\"\n"));
    settle_time();
    retry(&bench);
    assert_eq!(posts(&bench), 1, "sent once");
    bench.run(&["sync-all", "--full"]).expect(0);
    for side in Side::BOTH {
        assert_eq!(titles(&bench, side, "N Series"), ["Order"], "{side}");
        let name = bench.site(side).names("N Series").remove(0);
        let doc = bench.doc(side, "N Series", &name).unwrap();
        assert_eq!(doc["rows"].as_array().map(Vec::len), Some(1), "{side}");
    }
}

/// What was deleted is made anew by rule, and the answer is lost: the record has the new document,
/// and the old name is nobody's.
#[test]
fn a_document_made_anew_takes_the_place_of_the_one_that_is_gone() {
    let bench = counting();
    bench.configure(&SERIES.replace("[sync]\n", "[sync]\ndeletes = \"recreate\"\n"));
    bench.insert(Side::Cloud, "N Series", &series("Order"));
    bench.sync().expect(0);
    let user = crate::bench::USER;
    bench.site(Side::Local).delete_as(user, "N Series", "NS-2026-0501", Timestamp::now()).unwrap();
    lose(&bench, Action::CutAfter);
    retry(&bench).expect(0);
    let names = "SELECT group_concat(docname || ' ' || cloud_name || ' ' || local_name)
        FROM sync_records";
    assert_eq!(bench.query(names), "NS-2026-0101 NS-2026-0101 NS-2026-0502");
    assert_eq!(bench.query("SELECT count(*) FROM sync_records"), "1");
    assert_eq!(titles(&bench, Side::Local, "N Series"), ["Order"]);
    quiet(&bench);
}

#[test]
fn what_never_arrived_is_sent_again_when_it_cannot_come_any_more() {
    let bench = counting();
    bench.configure(&SERIES.replace("1s", "3s"));
    bench.insert(Side::Cloud, "N Series", &series("Order"));
    lose(&bench, Action::Cut);
    let ran = retry(&bench);
    assert!(ran.out.contains("its outcome is waited for"), "{ran:?}");
    assert_eq!(posts(&bench), 1);
    std::thread::sleep(Duration::from_secs(3));
    retry(&bench).expect(0);
    assert_eq!(posts(&bench), 2);
    assert_eq!(titles(&bench, Side::Local, "N Series"), ["Order"]);
}

/// The save goes on after the line was cut, and becomes visible between the settling and the
/// listing of the next run: it is not a user's new document.
#[test]
fn a_copy_that_turns_up_while_it_is_waited_for_is_not_carried_back() {
    let bench = counting();
    bench.configure(&SERIES.replace("1s", "10m"));
    let source = bench.insert(Side::Cloud, "N Series", &series("Order"));
    lose(&bench, Action::Cut);
    let mut copy = series("Order");
    copy["rows"][0]["creation"] =
        bench.doc(Side::Cloud, "N Series", &source).unwrap()["creation"].clone();
    // The listing of the doctype is the second look at it; the first is the settling's.
    bench.site(Side::Local).faults.before(
        Match::on("POST", "get_list").nth(2),
        move |site, now| {
            site.insert_as(SYNC_USER, "N Series", &copy, now).unwrap();
        },
    );
    let ran = retry(&bench);
    assert_eq!(titles(&bench, Side::Local, "N Series"), ["Order"], "{ran:?}");
    assert_eq!(titles(&bench, Side::Cloud, "N Series"), ["Order"], "{ran:?}");
    retry(&bench).expect(0);
    assert_eq!(titles(&bench, Side::Cloud, "N Series"), ["Order"]);
    assert_eq!(posts(&bench), 1);
    assert_eq!(bench.query("SELECT count(*) FROM sync_records"), "1");
    quiet(&bench);
}

#[test]
fn two_that_may_be_it_are_left_to_a_person() {
    let bench = counting();
    bench.insert(Side::Cloud, "N Series", &plain("Order"));
    lose(&bench, Action::CutAfter);
    bench
        .site(Side::Local)
        .insert_as(SYNC_USER, "N Series", &plain("Order"), Timestamp::now())
        .unwrap();
    let ran = retry(&bench).expect(3);
    assert_eq!(bench.query("SELECT kind FROM conflict_records"), "unknown_outcome", "{ran:?}");
    assert_eq!(posts(&bench), 1);
    let told = bench.query("SELECT message FROM sync_logs WHERE action = 'conflict'");
    assert!(told.contains("NS-2026-0501, NS-2026-0502"), "{told}");
    assert_eq!(titles(&bench, Side::Cloud, "N Series"), ["Order"], "neither is carried back");
    quiet(&bench);
}

#[test]
fn a_copy_that_a_hook_rewrote_is_left_to_a_person_too() {
    let bench = counting();
    bench.insert(Side::Cloud, "N Series", &plain("Order"));
    bench.site(Side::Local).hooks.upper_case("N Series", "title");
    lose(&bench, Action::CutAfter);
    settle_time();
    retry(&bench).expect(3);
    assert_eq!(bench.query("SELECT kind FROM conflict_records"), "unknown_outcome");
    assert_eq!(posts(&bench), 1);
    assert_eq!(titles(&bench, Side::Cloud, "N Series"), ["Order"], "it is not carried back");
    quiet(&bench);
}

/// A user entered all rows of the copy, and none of them says whose copy it is.
#[test]
fn a_copy_with_other_rows_is_left_to_a_person() {
    for original in [series("Order"), plain("Order")] {
        let bench = counting();
        bench.insert(Side::Cloud, "N Series", &original);
        lose(&bench, Action::CutAfter);
        let copy = named(&bench, Side::Local, "N Series", "Order");
        let rows = json!([{"item": "other", "qty": 2, "creation": copy["creation"]}]);
        bench.edit(Side::Local, "N Series", copy["name"].as_str().unwrap(), &json!({"rows": rows}));
        settle_time();
        retry(&bench).expect(3);
        assert_eq!(bench.query("SELECT kind FROM conflict_records"), "unknown_outcome");
        assert_eq!(posts(&bench), 1);
        assert_eq!(titles(&bench, Side::Cloud, "N Series"), ["Order"], "it is not carried back");
        quiet(&bench);
    }
}

/// Both sites count alike: what a hook made of the copy has the name of its original.
fn doubtful_namesakes(collisions: &str) -> Bench {
    let bench = Bench::default();
    bench.configure(
        &SERIES.replace("[sync]\n", &format!("[sync]\ncollisions = \"{collisions}\"\n")),
    );
    bench.insert(Side::Cloud, "N Series", &plain("Order"));
    bench.site(Side::Local).hooks.upper_case("N Series", "title");
    lose(&bench, Action::CutAfter);
    settle_time();
    bench
}

#[test]
fn a_copy_of_the_same_name_is_no_collision() {
    for collisions in ["manual", "both"] {
        let bench = doubtful_namesakes(collisions);
        for _ in 0..3 {
            let ran = retry(&bench).expect(3);
            assert_eq!(bench.query("SELECT kind FROM conflict_records"), "unknown_outcome");
            assert_eq!(ran.json()["doctypes"][0]["conflicts"], 1, "{ran:?}");
        }
        assert_eq!(titles(&bench, Side::Cloud, "N Series"), ["Order"]);
        assert_eq!(titles(&bench, Side::Local, "N Series"), ["ORDER"]);
        // Its name is still the copy's, and still it is no document of its own.
        let name = named(&bench, Side::Local, "N Series", "ORDER")["name"].clone();
        let now = Timestamp::now();
        bench
            .site(Side::Local)
            .rename_as(crate::bench::USER, "N Series", name.as_str().unwrap(), "NS-X", now)
            .unwrap();
        retry(&bench).expect(3);
        retry(&bench).expect(3);
        assert_eq!(titles(&bench, Side::Cloud, "N Series"), ["Order"]);
        assert_eq!(posts(&bench), 1);
        quiet(&bench);
    }
}

/// Whoever is to decide sees both documents, also where the outcome was waited for first, and what
/// may be the copy by its name.
#[test]
fn a_namesake_is_shown_to_whoever_decides() {
    let bench = Bench::default();
    bench.configure(&SERIES.replace("1s", "3s"));
    bench.insert(Side::Cloud, "N Series", &plain("Order"));
    bench.site(Side::Local).hooks.upper_case("N Series", "title");
    lose(&bench, Action::CutAfter);
    retry(&bench).expect(4);
    std::thread::sleep(Duration::from_secs(3));
    retry(&bench).expect(3);
    let shown = bench.run(&["conflicts", "show", "1"]).expect(0).out;
    let copy = named(&bench, Side::Local, "N Series", "ORDER")["name"].clone();
    let copy = copy.as_str().unwrap();
    assert!(shown.contains(&format!("Local:   {copy}, modified")), "{shown}");
    let why = format!("local has documents that may be what it made: {copy}");
    assert!(shown.split_whitespace().collect::<Vec<_>>().join(" ").contains(&why), "{shown}");
    quiet(&bench);
}

#[test]
fn a_person_says_whether_a_namesake_is_the_copy() {
    for (take, cloud, local) in [
        ("cloud", vec!["Order"], vec!["ORDER"]),
        ("local", vec!["ORDER"], vec!["ORDER"]),
        ("both", vec!["ORDER", "Order"], vec!["ORDER", "ORDER"]),
    ] {
        let bench = doubtful_namesakes("manual");
        retry(&bench).expect(3);
        bench.run(&["resolve", "1", "--take", take]).expect(0);
        assert_eq!(titles(&bench, Side::Cloud, "N Series"), cloud, "{take}");
        assert_eq!(titles(&bench, Side::Local, "N Series"), local, "{take}");
        let resolution = bench.query("SELECT resolution FROM conflict_records");
        assert!(resolution.starts_with(take), "{resolution}");
        bench.sync();
        quiet(&bench);
    }
}

/// Two are entered alike, and the one is given the name that the other has: what was made for it is
/// not taken for the other's, whose request never arrived.
#[test]
fn what_one_became_is_not_anothers_that_is_entered_alike() {
    let bench = Bench::default();
    let rules = "[sync]\ndoctypes = [\"Customer\"]\nsettle_after = \"1s\"\n";
    bench.configure_sites("concurrency = 1", rules);
    for _ in 0..2 {
        bench.insert(Side::Cloud, "Customer", &json!({"customer_name": "ACME"}));
    }
    // The later one comes first.
    let create = Match::on("POST", "/resource/Customer").nth(2);
    bench.site(Side::Local).faults.once(create, Action::Cut);
    bench.sync().expect(4);
    settle_time();
    bench.run(&["sync-all", "--retry-failed"]).expect(4);
    assert_eq!(bench.site(Side::Local).names("Customer"), ["ACME"]);
    let copied = "SELECT cloud_name FROM sync_records WHERE local_name = 'ACME'";
    assert_eq!(bench.query(copied), "ACME - 1");
    let why = bench.query("SELECT error_message FROM sync_records WHERE local_name IS NULL");
    let says = "its name is still another document's on local, which stays: rename one of them";
    assert_eq!(why, says);
}

/// The copy got the number that a later document has on the other side, and nobody knows of it
/// yet: the two are not told apart before it is known whose copy it is.
#[test]
fn what_a_lost_create_made_is_nobody_s_namesake() {
    let bench = Bench::default();
    let rules = "[sync]\nbatch_size = 1\nbatch_pause_seconds = 0.01\ncollisions = \"both\"\n";
    bench.configure(&SERIES.replace("[sync]\n", rules));
    bench.site(Side::Cloud).set_series("NS-2026-", 100);
    bench.site(Side::Local).set_series("NS-2026-", 101);
    for title in ["one", "two", "three"] {
        bench.insert(Side::Cloud, "N Series", &plain(title));
    }
    lose(&bench, Action::CutAfter);
    settle_time();
    retry(&bench);
    retry(&bench).expect(0);
    for side in Side::BOTH {
        assert_eq!(titles(&bench, side, "N Series"), ["one", "three", "two"], "{side}");
    }
    quiet(&bench);
}

/// Two of one name are created on the other side by rule, and what came of the one is not known:
/// that the two are not one says nothing about it. Neither is its copy carried back, nor is it made
/// again when its original is edited.
#[test]
fn what_was_told_apart_is_not_made_twice() {
    let bench = Bench::default();
    let rules = "[sync]\ncollisions = \"both\"\n";
    bench.configure(&SERIES.replace("[sync]\n", rules));
    let name = bench.insert(Side::Cloud, "N Series", &plain("Order"));
    assert_eq!(bench.insert(Side::Local, "N Series", &plain("Other")), name);
    bench.site(Side::Local).hooks.upper_case("N Series", "title");
    lose(&bench, Action::CutAfter);
    settle_time();
    for edited in [false, true] {
        if edited {
            bench.edit(Side::Cloud, "N Series", &name, &json!({"title": "Order, edited"}));
        }
        retry(&bench).expect(3);
        let open = "SELECT group_concat(kind) FROM conflict_records WHERE NOT resolved";
        assert_eq!(bench.query(open), "unknown_outcome");
        assert_eq!(titles(&bench, Side::Cloud, "N Series").len(), 2, "it is not carried back");
        assert_eq!(titles(&bench, Side::Local, "N Series"), ["ORDER", "Other"]);
        assert_eq!(posts(&bench), 1, "sent once");
    }
    quiet(&bench);
}

/// A version of erpsync that knew less called the copy a document of its own: the next runs leave
/// it to a person instead of ending in an error of the database.
#[test]
fn a_copy_that_was_called_another_document_is_left_to_a_person() {
    let bench = counting();
    bench.insert(Side::Cloud, "N Series", &series("Order"));
    lose(&bench, Action::CutAfter);
    let copy = named(&bench, Side::Local, "N Series", "Order");
    let state = rusqlite::Connection::open(bench.path("sync_state.db")).unwrap();
    let called_its_own = "INSERT INTO sync_records
            (doctype, docname, local_name, local_creation, local_seen, is_apart)
        VALUES ('N Series', ?1, ?1, ?2, ?3, TRUE)";
    let text = |field: &str| copy[field].as_str().unwrap().to_owned();
    let params = [text("name"), text("creation"), text("modified")];
    assert_eq!(state.execute(called_its_own, params).unwrap(), 1);
    drop(state);
    let ran = retry(&bench).expect(3);
    let why = bench.query("SELECT message FROM sync_logs WHERE action = 'conflict'");
    assert!(why.ends_with("is known as another document's"), "{why}: {ran:?}");
    assert_eq!(posts(&bench), 1);
    quiet(&bench);
}

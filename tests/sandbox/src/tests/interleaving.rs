//! Reading while somebody writes: what one thread can show of it.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::Bench;
use crate::faults::Match;
use crate::request::Request;
use crate::sites::FULL_USER;
use crate::{Delivery, Flavour, Pending};

fn request(bench: &Bench, method: &str, path: &str, body: Option<&Value>) -> Request {
    let user = bench.site.user(FULL_USER).unwrap();
    let path = path.replace(' ', "%20");
    let request = Request::new(method, &path).token(&user.api_key, &user.api_secret);
    match body {
        Some(body) => request.json(body),
        None => request,
    }
}

/// A write that has begun: its stamp is taken, its work is not visible.
fn begun(bench: &mut Bench, path: &str, body: &Value) -> Pending {
    let request = request(bench, "PUT", path, Some(body));
    let mut pending = bench.site.arrive(request, bench.now);
    bench.site.begin(&mut pending, bench.now);
    pending
}

fn committed(bench: &mut Bench, mut pending: Pending) -> (u16, Value) {
    bench.now = bench.now.checked_add(SignedDuration::from_secs(2)).unwrap();
    bench.site.commit(&mut pending, bench.now);
    match bench.site.finish(pending, bench.now) {
        Delivery::Answer(response) => (response.status, response.to_json()),
        other => panic!("{other:?}"),
    }
}

fn documents(bench: &mut Bench) -> Vec<Value> {
    let listing = "/api/resource/Probe?fields=[\"name\",\"modified\",\"stxt\"]&order_by=name asc";
    bench.ok("GET", listing, json!(null)).as_array().cloned().unwrap()
}

#[test]
fn a_late_commit_brings_a_stamp_older_than_what_was_listed_before() {
    let mut bench = Bench::new(Flavour::V15_55);
    for title in ["A", "B"] {
        bench.ok("POST", "/api/resource/Probe", json!({"title": title}));
    }
    let pending = begun(&mut bench, "/api/resource/Probe/A", &json!({"stxt": "late"}));
    bench.ok("PUT", "/api/resource/Probe/B", json!({"stxt": "quick"}));
    let seen = documents(&mut bench);
    assert_eq!(seen[0]["stxt"], Value::Null, "not visible before its commit");
    let (status, answer) = committed(&mut bench, pending);
    assert_eq!(status, 200);
    let now = documents(&mut bench);
    assert_eq!(
        (&now[0]["stxt"], &now[0]["modified"]),
        (&json!("late"), &answer["data"]["modified"])
    );
    assert!(now[0]["modified"].as_str() < seen[1]["modified"].as_str());
}

#[test]
fn of_two_writes_under_way_with_one_stamp_the_second_to_commit_is_refused() {
    let mut bench = Bench::new(Flavour::V15_55);
    let doc = bench.ok("POST", "/api/resource/Probe", json!({"title": "A"}));
    let write = |text: &str| json!({"stxt": text, "modified": doc["modified"]});
    let first = begun(&mut bench, "/api/resource/Probe/A", &write("first"));
    let second = begun(&mut bench, "/api/resource/Probe/A", &write("second"));
    assert_eq!(committed(&mut bench, second).0, 200);
    let (status, answer) = committed(&mut bench, first);
    assert_eq!((status, &answer["exc_type"]), (417, &json!("TimestampMismatchError")));
    assert_eq!(documents(&mut bench)[0]["stxt"], "second");
}

#[test]
fn rows_read_after_their_parent_can_be_newer_and_the_parents_stamp_tells() {
    let mut bench = Bench::new(Flavour::V15_105);
    bench.ok("POST", "/api/resource/Probe", json!({"title": "A", "rows": [{"item": "old"}]}));
    bench.site.faults.before(Match::on("GET", "Probe Child"), |site, now| {
        let rows = json!({"rows": [{"item": "new"}, {"item": "newer"}]});
        site.edit_as("clerk@example.com", "Probe", "A", &rows, now).unwrap();
    });
    let parent = documents(&mut bench).remove(0);
    let path =
        "/api/resource/Probe Child?parent=Probe&fields=[\"item\",\"modified\"]&order_by=idx asc";
    let rows = bench.ok("GET", path, json!(null));
    assert_eq!((&rows[0]["item"], &rows[1]["item"]), (&json!("new"), &json!("newer")));
    // The rows of one answer are of one moment, the parent is of another.
    assert_eq!(rows[0]["modified"], rows[1]["modified"]);
    assert!(rows[0]["modified"].as_str() > parent["modified"].as_str());
    let again = documents(&mut bench).remove(0);
    assert_ne!(again["modified"], parent["modified"]);
    assert_eq!(again["modified"], rows[0]["modified"]);
}

#[test]
fn pages_by_name_miss_and_repeat_nothing_while_documents_are_edited() {
    let mut bench = Bench::new(Flavour::V15_55);
    for number in 0..20 {
        bench.ok(
            "POST",
            "/api/resource/N Prompt",
            json!({"name": format!("{number:02}"), "title": "t"}),
        );
    }
    let mut seen: Vec<String> = Vec::new();
    loop {
        let last = seen.last().cloned().unwrap_or_default();
        let path = format!(
            "/api/resource/N Prompt?filters=[[\"name\",\">\",\"{last}\"]]&order_by=name asc&limit_page_length=7"
        );
        let page = bench.ok("GET", &path, json!(null));
        let names =
            page.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned());
        let names: Vec<String> = names.collect();
        if names.is_empty() {
            break;
        }
        seen.extend(names);
        for name in ["00", "10", "19"] {
            bench.ok("PUT", &format!("/api/resource/N Prompt/{name}"), json!({"title": "u"}));
        }
    }
    assert_eq!(seen, bench.site.names("N Prompt"));
}

//! Sites that are down, slow, in the way, or not Frappe at all.

use std::net::TcpListener;
use std::time::Duration;

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match, Refusal};
use insta::assert_snapshot;
use serde_json::json;

use super::stub::Stub;
use super::{bench, brand, count, field, reconfigure, rules, shown, sync};
use crate::bench::{Bench, Ran};

/// The answer of a run against something else than the cloud site.
fn against(url: &str) -> String {
    let bench = bench(&["Brand"]);
    reconfigure(&bench, &bench.servers.cloud.url(), url);
    let ran = sync(&bench).expect(1);
    shown(&bench, &ran).replace(url, "http://OTHER.example")
}

#[test]
fn a_site_that_does_not_listen() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_snapshot!(against(&format!("http://{free}")), @r#"
        exit code 1
        --- err
        error: cloud: http://OTHER.example cannot be reached: Connection refused (os error 111) (after 2 attempts)
        hint: check url of [cloud], and that the site is up; nothing is lost, run again later
        "#);
}

#[test]
fn a_redirect_is_not_followed() {
    let head = "301 Moved Permanently\r\nLocation: https://erp.example.com/api/method/login?a=1";
    let stub = Stub::new(head, "");
    assert_snapshot!(against(&stub.url()), @r#"
        exit code 1
        --- err
        error: cloud: http://OTHER.example redirects to https://erp.example.com: set that as the url of [cloud]
        hint: set url of [cloud] to the address named
        "#);
}

#[test]
fn a_web_site_that_is_not_frappe() {
    let stub = Stub::new("200 OK\r\nContent-Type: text/html", "<html>Welcome</html>");
    assert_snapshot!(against(&stub.url()), @r#"
        exit code 1
        --- err
        error: cloud: the answer is not JSON (text/html: expected value at line 1 column 1); is this a Frappe site?
        hint: check url of [cloud]: it must lead to a Frappe site
        "#);
    let stub = Stub::new("404 Not Found\r\nContent-Type: text/html", "<html>Nothing here</html>");
    assert_snapshot!(against(&stub.url()), @r#"
        exit code 1
        --- err
        error: cloud: the site knows no such path (HTTP 404 Not Found)
        hint: check url of [cloud]: it must lead to a Frappe site
        "#);
}

#[test]
fn an_answer_longer_than_allowed() {
    let bench = Bench::default();
    bench.configure_sites("max_response_bytes = 2000", &rules(&["Brand", "UOM"], ""));
    for number in 0..40 {
        brand(&bench, Side::Local, &format!("Brand {number}"), "");
    }
    let ran = sync(&bench).expect(4);
    assert_snapshot!(shown(&bench, &ran), @"
    exit code 4
    --- out
    Brand: left alone: local: the answer is longer than max_response_bytes of [local] allows
    UOM: left alone: cloud: the answer is longer than max_response_bytes of [cloud] allows
    --- err
    warning: cloud: metadata is read anew in every run; whether it changed cannot be asked: the answer is longer than max_response_bytes of [cloud] allows
    warning: local: metadata is read anew in every run; whether it changed cannot be asked: the answer is longer than max_response_bytes of [local] allows
    error: Brand: local: the answer is longer than max_response_bytes of [local] allows
    hint: raise max_response_bytes of [local], or lower page_size and batch_size
    error: UOM: cloud: the answer is longer than max_response_bytes of [cloud] allows
    hint: raise max_response_bytes of [cloud], or lower page_size and batch_size
    ");
}

/// A run in which each request that matches is treated this way.
fn with_every(which: Match, action: impl Fn() -> Action + Send + 'static) -> (Bench, Ran) {
    let bench = bench(&["Brand"]);
    brand(&bench, Side::Cloud, "Acme", "");
    bench.site(Side::Local).faults.always(which, action);
    let ran = sync(&bench);
    (bench, ran)
}

#[test]
fn a_proxy_without_a_site_behind_it() {
    for (refusal, status) in [
        (Refusal::BadGateway, "502 Bad Gateway"),
        (Refusal::Unavailable, "503 Service Unavailable"),
        (Refusal::GatewayTimeout, "504 Gateway Timeout"),
    ] {
        let (bench, ran) = with_every(Match::any(), move || Action::Refuse(refusal));
        assert_eq!(ran.code, 1);
        assert!(ran.err.contains(status), "{ran:?}");
        assert_eq!(bench.requests(Side::Local), 2, "max_attempts");
        if refusal == Refusal::BadGateway {
            assert_snapshot!(shown(&bench, &ran), @r#"
                exit code 1
                --- err
                error: local: the site is out of order (HTTP 502 Bad Gateway) (after 2 attempts)
                hint: look at the log of the local site; nothing is lost, run again later
                "#);
        }
    }
}

#[test]
fn a_short_outage_is_waited_out() {
    for refusal in [Refusal::BadGateway, Refusal::Unavailable, Refusal::GatewayTimeout] {
        let bench = bench(&["Brand"]);
        brand(&bench, Side::Cloud, "Acme", "");
        bench.site(Side::Local).faults.refuse(Match::on("POST", "get_list"), refusal);
        sync(&bench).expect(0);
        assert_eq!(bench.site(Side::Local).faults.waiting(), 0);
        assert!(bench.doc(Side::Local, "Brand", "Acme").is_some());
    }
}

#[test]
fn too_many_requests() {
    let bench = bench(&["Brand"]);
    brand(&bench, Side::Cloud, "Acme", "");
    let listing = Match::on("POST", "get_list");
    bench.site(Side::Local).faults.refuse(listing, Refusal::TooMany(1));
    sync(&bench).expect(0);
    {
        let site = bench.site(Side::Local);
        let entries = site.log.entries();
        let refused = entries.iter().position(|entry| entry.status == 429).unwrap();
        let (before, after) = (&entries[refused], &entries[refused + 1]);
        assert_eq!(before.path, after.path);
        let waited = after.started.duration_since(before.ended.unwrap());
        assert!(waited.as_secs() >= 1, "Retry-After is honoured: {waited}");
    }
    // Refused again and again: the run ends.
    bench.site(Side::Local).faults.always(Match::any(), || Action::Refuse(Refusal::TooMany(0)));
    let ran = sync(&bench).expect(1);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 1
        --- err
        error: local: the site refuses more requests for now (429 TooManyRequestsError) (after 2 attempts)
        hint: lower concurrency of [local]; nothing is lost, run again later
        "#);
}

#[test]
fn an_answer_that_does_not_come() {
    let stall = |commit| Action::Stall { time: Duration::from_secs(4), commit };
    let bench = Bench::default();
    bench.configure_sites("timeout_seconds = 2", &rules(&["Brand"], ""));
    brand(&bench, Side::Cloud, "Acme", "");
    // Once: asked again.
    bench.site(Side::Local).faults.once(Match::on("POST", "get_list"), stall(false));
    sync(&bench).expect(0);
    // Always: the site is down.
    bench.site(Side::Local).faults.always(Match::on("POST", "get_list"), move || stall(false));
    let ran = sync(&bench).expect(1);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 1
        --- out
        Brand: 1 unchanged
        --- err
        error: local: http://LOCAL.example: no answer in time (after 2 attempts)
        hint: raise timeout_seconds of [local] if the site is only slow; nothing is lost, run again later
        "#);
}

#[test]
fn a_slow_save_is_one_documents_failure_and_settled_by_the_next_run() {
    let bench = Bench::default();
    bench.configure_sites("timeout_seconds = 2", &rules(&["Brand"], ""));
    brand(&bench, Side::Cloud, "Acme", "old");
    brand(&bench, Side::Cloud, "Bolt", "old");
    sync(&bench).expect(0);
    bench.edit(Side::Cloud, "Brand", "Acme", &json!({"description": "new"}));
    bench.edit(Side::Cloud, "Brand", "Bolt", &json!({"description": "new"}));
    let slow = Action::Stall { time: Duration::from_secs(3), commit: true };
    bench.site(Side::Local).faults.once(Match::on("PUT", "Acme"), slow);
    let ran = sync(&bench).expect(4);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 4
        --- out
        Brand: 2 on cloud, 2 on local; 1 updated on local, 1 failed
        --- err
        error: Brand Acme: local: http://LOCAL.example: no answer in time; the next run finds out what came of it
        hint: put right what is named; failed documents are tried again by themselves (erpsync status says when), or now with --retry-failed
        "#);
    assert_eq!(field(&bench, Side::Local, "Brand", "Bolt", "description").unwrap(), "new");
    while field(&bench, Side::Local, "Brand", "Acme", "description").unwrap() == "old" {
        std::thread::sleep(Duration::from_millis(10));
    }
    bench.clear_logs();
    let ran = sync(&bench).expect(0);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 0
        --- out
        Brand: 2 on cloud, 2 on local; 1 updated on local, 1 unchanged
        "#);
    assert_eq!(bench.writes(), 0, "found to have happened");
}

#[test]
fn a_deadlock_is_asked_again() {
    let bench = bench(&["Brand"]);
    brand(&bench, Side::Cloud, "Acme", "old");
    bench.site(Side::Local).faults.refuse(Match::writes(), Refusal::Deadlock);
    sync(&bench).expect(0);
    assert_eq!(count(&bench, Side::Local, "POST", "/api/resource/Brand"), 2);
    bench.edit(Side::Cloud, "Brand", "Acme", &json!({"description": "new"}));
    bench.site(Side::Local).faults.refuse(Match::writes(), Refusal::Locked);
    sync(&bench).expect(0);
    assert_eq!(count(&bench, Side::Local, "PUT", "/api/resource/Brand"), 2);
    assert_eq!(field(&bench, Side::Local, "Brand", "Acme", "description").unwrap(), "new");
}

#[test]
fn a_site_that_goes_down_in_the_middle_of_the_writes() {
    let bench = Bench::default();
    bench.configure_sites("concurrency = 2", &rules(&["Brand"], ""));
    let names = ["Acme", "Bolt", "Cart", "Dock", "Echo", "Fern"];
    for name in names {
        brand(&bench, Side::Cloud, name, "old");
    }
    sync(&bench).expect(0);
    for name in names {
        bench.edit(Side::Cloud, "Brand", name, &json!({"description": "new"}));
    }
    {
        // Two are in flight: a proxy answers for the one, the other arrives after that.
        let mut site = bench.site(Side::Local);
        let late = |ms| Action::Delay(Duration::from_millis(ms));
        site.faults.once(Match::on("PUT", "Acme"), late(200));
        site.faults.once(Match::on("PUT", "Acme"), Action::RefuseAfter(Refusal::BadGateway));
        site.faults.once(Match::on("PUT", "Bolt"), late(400));
    }
    sync(&bench).expect(1);
    let of = |name: &str| {
        bench.query(&format!(
            "SELECT journal.state || ': ' || coalesce(outcome, '') FROM journal
             JOIN sync_records ON sync_records.id = record
             WHERE docname = '{name}' ORDER BY journal.id DESC"
        ))
    };
    let puts = |name: &str| count(&bench, Side::Local, "PUT", name);
    assert_eq!(of("Acme"), "open: ", "nobody knows");
    assert_eq!(of("Bolt"), "closed: ", "its answer came after the other's");
    assert_eq!(of("Fern"), "void: not sent: the site is down");
    for name in names {
        assert_eq!(puts(name) == 0, of(name).contains("not sent"), "{name}");
    }
    sync(&bench).expect(0);
    assert_eq!(names.map(puts), [1; 6], "each was sent once");
}

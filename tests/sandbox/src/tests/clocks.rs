//! Zones, clocks that are wrong, and the hour that comes twice.

use serde_json::json;

use super::Bench;
use crate::request::Request;
use crate::sites::{FULL_USER, birth};
use crate::{Flavour, Site};

fn instant(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

#[test]
fn when_the_clock_is_set_back_a_later_stamp_can_be_smaller() {
    let mut site = Site::new("local", Flavour::V15_105, "America/New_York", 1).unwrap();
    // On 1 November 2026 clocks in New York go from 2:00 back to 1:00, at 6:00 UTC.
    for (name, at, shown) in [
        ("before", "2026-11-01T05:50:00Z", "2026-11-01 01:50:00"),
        ("after", "2026-11-01T06:10:00Z", "2026-11-01 01:10:00"),
        ("again", "2026-11-01T06:50:00Z", "2026-11-01 01:50:00"),
        ("winter", "2026-11-01T07:10:00Z", "2026-11-01 02:10:00"),
    ] {
        let values = json!({"name": name, "title": "t"});
        site.insert_as(FULL_USER, "N Prompt", &values, instant(at)).unwrap();
        assert_eq!(site.get_doc("N Prompt", name).unwrap()["modified"], shown, "{name}");
    }
    // A save in the second hour is no clash, though its stamp goes back.
    let values = json!({"title": "u"});
    site.edit_as(FULL_USER, "N Prompt", "before", &values, instant("2026-11-01T06:20:00Z"))
        .unwrap();
    let doc = site.get_doc("N Prompt", "before").unwrap();
    assert_eq!(doc["modified"], "2026-11-01 01:20:00");
    assert!(doc["modified"].as_str() < doc["creation"].as_str());
}

#[test]
fn a_clock_that_is_set_shows_in_stamps_and_in_the_date_header() {
    let mut bench = Bench::new(Flavour::V15_55);
    bench.site.set_clock(bench.now, instant("2026-03-29T00:59:00Z"));
    let user = bench.site.user(FULL_USER).cloned().unwrap();
    let request = Request::new("POST", "/api/resource/Probe")
        .token(&user.api_key, &user.api_secret)
        .json(&json!({"title": "P"}));
    let response = bench.site.handle(&request, bench.now);
    assert_eq!(response.to_json()["data"]["creation"], "2026-03-29 06:29:00.000000");
    assert_eq!(response.get_header("date"), Some("Sun, 29 Mar 2026 00:59:00 GMT"));
}

#[test]
fn saving_system_settings_moves_later_stamps_and_leaves_earlier_ones() {
    let mut bench = Bench::new(Flavour::V15_55);
    let old = bench.ok("POST", "/api/resource/Probe", json!({"title": "A"}));
    let path = "/api/resource/System Settings/System Settings";
    bench.ok("PUT", path, json!({"time_zone": "America/New_York"}));
    let new = bench.ok("POST", "/api/resource/Probe", json!({"title": "B"}));
    assert_eq!(&old["modified"].as_str().unwrap()[..16], "2026-11-22 15:00");
    assert_eq!(&new["modified"].as_str().unwrap()[..16], "2026-11-22 04:30");
    assert_eq!(bench.ok("GET", "/api/resource/Probe/A", json!(null))["modified"], old["modified"]);
    assert_eq!(bench.site.zone_name(), "America/New_York");
    // Who has no zone of their own is told the new one from now on.
    let told = bench.ask_as("nobody", "GET", "/api/method/frappe.client.get_time_zone", None);
    assert_eq!(told, (200, json!({"message": {"time_zone": "America/New_York"}})));
    assert_eq!(bench.refused("PUT", path, json!({"time_zone": "Nowhere"})).0, 417);
    assert_eq!(bench.site.zone_name(), "America/New_York");
}

#[test]
fn a_zone_that_is_set_is_what_system_settings_say() {
    let mut bench = Bench::new(Flavour::V15_55);
    bench.site.set_zone("Europe/Berlin").unwrap();
    let path = "/api/method/frappe.client.get_value?doctype=System Settings&fieldname=time_zone";
    assert_eq!(bench.ok("GET", path, json!(null)), json!({"time_zone": "Europe/Berlin"}));
    assert!(bench.site.set_zone("Nowhere").is_err());
}

#[test]
fn get_time_zone_tells_the_callers_zone_and_not_the_sites() {
    let mut site = Site::new("local", Flavour::V15_55, "America/New_York", 1).unwrap();
    let mut ask = |user: Option<&str>| {
        let mut request = Request::new("GET", "/api/method/frappe.client.get_time_zone");
        if let Some(user) = user.and_then(|user| site.user(user).cloned()) {
            request = request.token(&user.api_key, &user.api_secret);
        }
        site.handle(&request, birth()).to_json()["message"]["time_zone"].clone()
    };
    assert_eq!(ask(Some(FULL_USER)), "America/New_York");
    assert_eq!(ask(None), "Asia/Kolkata");
}

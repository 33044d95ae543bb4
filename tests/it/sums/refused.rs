//! Sites that do not add up.

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match, Refusal};
use serde_json::json;

use super::{QUIET, WHOLE, both, requests, sixty_brands, tamper, texts};

/// Everything is listed instead, and the site is not asked again at every run.
#[test]
fn a_site_that_refuses_the_functions_is_listed() {
    let bench = sixty_brands();
    let refusal = || Action::Refuse(Refusal::Internal);
    bench.site(Side::Local).faults.always(Match::on("POST", "crc32"), refusal);
    assert_eq!(requests(&bench, 0), [WHOLE + 1; 2], "asked, and then listed");
    assert_eq!(requests(&bench, 0), [WHOLE; 2]);
    bench.edit(Side::Cloud, "Brand", "B10", &json!({"description": "edited"}));
    bench.sync().expect(0);
    assert_eq!(texts(&bench, "B10"), both("edited"));
    // Asked again a day later: a newer version may add up.
    tamper(&bench, "UPDATE listings SET sums_refused_at = '2026-01-01T00:00:00.000Z'");
    assert_eq!(requests(&bench, 0), [WHOLE + 1; 2]);
    bench.site(Side::Local).faults.clear();
    assert_eq!(requests(&bench, 0), [WHOLE; 2]);
    tamper(&bench, "UPDATE listings SET sums_refused_at = '2026-01-01T00:00:00.000Z'");
    bench.sync().expect(0);
    assert_eq!(requests(&bench, 0), [QUIET; 2]);
}

/// A document without a stamp is on no day.
#[test]
fn a_document_without_a_stamp_is_listed() {
    let bench = sixty_brands();
    bench.site(Side::Cloud).poke("Brand", "B10", "modified", &json!(null)).unwrap();
    let ran = requests(&bench, 0);
    assert!(ran[1] > WHOLE, "{ran:?}");
    bench.edit(Side::Local, "Brand", "B20", &json!({"description": "edited"}));
    bench.sync().expect(0);
    assert_eq!(texts(&bench, "B20"), both("edited"));
}

/// A site that is down is no site that cannot add up.
#[test]
fn an_outage_is_no_refusal() {
    let bench = sixty_brands();
    let refusal = || Action::Refuse(Refusal::Unauthorized);
    bench.site(Side::Local).faults.always(Match::on("POST", "crc32"), refusal);
    bench.sync().expect(1);
    bench.site(Side::Local).faults.clear();
    assert_eq!(requests(&bench, 0), [QUIET; 2]);
}

//! What the documents of a doctype add up to on a site, in one request, and listing only the days
//! that are asked for.
//!
//! The rule kept here: a site that does not answer in full, day by day, is taken for one that
//! cannot: its sums are never guessed.

use jiff::civil::Date;
use serde_json::{Value, json};

use super::{ErrorKind, ListQuery, Site, SiteError, SiteResult};
use crate::model::{DaySums, Doc, Fingerprint, Stretch};

/// Asks for the sums over the documents that the filters let in, as our user sees them. Without
/// a limit only twenty days would come.
///
/// # Errors
/// Those of [`Site::list`], as where the site refuses the functions, and
/// [`ErrorKind::Malformed`] where a day or a sum is missing.
pub fn fetch_fingerprint(
    site: &dyn Site,
    doctype: &str,
    filters: &[Value],
) -> SiteResult<Fingerprint> {
    let rows = site.list(&ListQuery {
        doctype: doctype.to_owned(),
        fields: vec![
            "date(modified) as d".to_owned(),
            "count(name) as n".to_owned(),
            "sum(crc32(name)) as names".to_owned(),
            "sum(crc32(modified)) as stamps".to_owned(),
            "sum(crc32(name)*microsecond(modified)) as pairs".to_owned(),
        ],
        filters: filters.to_vec(),
        order_by: "d asc".to_owned(),
        group_by: Some("date(modified)".to_owned()),
        limit: 0,
        ..ListQuery::default()
    })?;
    let mut fingerprint = Fingerprint::default();
    for row in &rows {
        let (day, sums) = day_of(row).ok_or_else(|| {
            SiteError::new(
                ErrorKind::Malformed,
                format!("{doctype}: not a sum over a day: {}", Value::Object(row.0.clone())),
            )
        })?;
        fingerprint.set(day, sums);
    }
    Ok(fingerprint)
}

fn day_of(row: &Doc) -> Option<(String, DaySums)> {
    let day = row.text("d").filter(|day| day.parse::<Date>().is_ok())?;
    let sums = DaySums {
        count: usize::try_from(row.get("n")?.as_u64()?).ok()?,
        names: whole(row.get("names")?)?,
        stamps: whole(row.get("stamps")?)?,
        pairs: whole(row.get("pairs")?)?,
    };
    Some((day.to_owned(), sums))
}

/// A sum, which a site writes as `331241141309.0` or `9.599380792221322e+17`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked before")]
fn whole(sum: &Value) -> Option<u128> {
    let sum = sum.as_f64()?;
    (0.0..1.0e38).contains(&sum).then_some(sum as u128)
}

/// The conditions that keep a listing to a stretch of days; `None` where there is no day after
/// the last one.
#[must_use]
pub fn within(stretch: &Stretch) -> Option<[Value; 2]> {
    let after = stretch.last.parse::<Date>().ok()?.tomorrow().ok()?;
    Some([
        json!(["modified", ">=", format!("{} 00:00:00", stretch.first)]),
        json!(["modified", "<", format!("{after} 00:00:00")]),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_day_or_nothing() {
        let row = |row: Value| day_of(&Doc(row.as_object().cloned().unwrap_or_default()));
        let whole =
            json!({"d": "2026-11-22", "n": 3, "names": 7.0, "stamps": 9.0, "pairs": 9.5e17});
        let sums = DaySums { count: 3, names: 7, stamps: 9, pairs: 950_000_000_000_000_000 };
        assert_eq!(row(whole.clone()), Some(("2026-11-22".to_owned(), sums)));
        for (key, value) in [
            ("d", json!(null)),
            ("d", json!("2026-13-22")),
            ("n", json!(1.5)),
            ("names", json!(-7.0)),
            ("stamps", json!(null)),
            ("pairs", json!("x")),
        ] {
            let mut broken = whole.clone();
            broken[key] = value;
            assert_eq!(row(broken.clone()), None, "{broken}");
        }
    }

    #[test]
    fn a_stretch_ends_before_the_next_day() {
        let days = |first: &str, last: &str| {
            within(&Stretch { first: first.to_owned(), last: last.to_owned() })
        };
        let expected = [
            json!(["modified", ">=", "2026-02-27 00:00:00"]),
            json!(["modified", "<", "2026-03-01 00:00:00"]),
        ];
        assert_eq!(days("2026-02-27", "2026-02-28"), Some(expected));
        assert_eq!(days("2026-02-27", "9999-12-31"), None);
    }
}

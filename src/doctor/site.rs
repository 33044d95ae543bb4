//! Connection, credentials, versions, zones, skew and limits of the two sites.

use jiff::tz::TimeZone;

use crate::config::SiteConfig;
use crate::model::{Side, Sides};
use crate::recon::Skew;
use crate::site::{ErrorKind, RateLimit, ServerClock, SiteError};

use super::read::SiteRead;
use super::{Finding, rights};

/// The version of Frappe that all of this was learnt from.
const KNOWN_VERSION: &str = "15";

/// What is to be said of one site that lets us in.
pub fn judge(read: &SiteRead, config: &SiteConfig, side: Side) -> Vec<Finding> {
    let mut findings = vec![credentials(&read.user, &config.url, side), versions(read)];
    findings.push(zone(read, config.time_zone.as_deref(), side));
    findings.push(clock(read.clock));
    findings.push(limit(read.rate_limit, side));
    findings.extend(rights::helpers(&read.helpers, config, side));
    findings
}

/// What is to be said of a site that does not.
pub fn refused(error: &SiteError, side: Side) -> Finding {
    let check = match error.kind {
        ErrorKind::Unauthorized | ErrorKind::Forbidden => "credentials",
        _ => "connection",
    };
    Finding::fail(check, error.to_string(), error.kind.hint(side))
}

fn credentials(user: &str, url: &str, side: Side) -> Finding {
    let what = format!("{url} lets us in as {user}");
    match user {
        "Guest" => Finding::fail(
            "credentials",
            format!("{url} does not know our key: we are a guest there"),
            ErrorKind::Unauthorized.hint(side),
        ),
        "Administrator" => Finding::warn(
            "credentials",
            what,
            "make a user of its own for erpsync: what it writes is told from people's edits by its \
             user",
        ),
        _ => Finding::ok("credentials", what),
    }
}

fn versions(read: &SiteRead) -> Finding {
    let versions = match &read.versions {
        Ok(versions) => versions,
        Err(error) => {
            let what = format!("the versions cannot be read: {error}");
            return Finding::warn("version", what, "look them up on the site's About page");
        }
    };
    let shown: Vec<String> =
        versions.iter().map(|(app, version)| format!("{app} {version}")).collect();
    let shown = shown.join(", ");
    match versions.get("frappe").map(|version| major(version)) {
        Some(KNOWN_VERSION) => Finding::ok("version", shown),
        _ => Finding::warn(
            "version",
            shown,
            format!("erpsync was made for version {KNOWN_VERSION}; try it on a copy first"),
        ),
    }
}

fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or_default()
}

fn zone(read: &SiteRead, configured: Option<&str>, side: Side) -> Finding {
    let same = |zone: &str, other: &str| {
        let of = |name: &str| TimeZone::get(name).ok();
        of(zone).is_some() && of(zone) == of(other)
    };
    match (configured, &read.zone) {
        (Some(configured), Ok(asked)) if !same(configured, asked) => Finding::warn(
            "zone",
            format!("time_zone says {configured}, the site's System Settings say {asked}"),
            format!("take time_zone out of [{side}], unless you know better than the site"),
        ),
        (Some(configured), _) => Finding::ok("zone", format!("{configured} (configured)")),
        (None, Ok(asked)) if TimeZone::get(asked).is_ok() => Finding::ok("zone", asked),
        (None, asked) => {
            let why = match asked {
                Ok(asked) => format!("{asked} is no time zone known here"),
                Err(error) => error.to_string(),
            };
            Finding::warn(
                "zone",
                format!("not known ({why}); where both sides edited, nobody can say who was last"),
                format!("set time_zone of [{side}], or let its user read System Settings"),
            )
        }
    }
}

fn clock(clock: Option<ServerClock>) -> Finding {
    let Some(clock) = clock else {
        let hint = "look what stands between us and the site: every answer should have one";
        return Finding::warn("clock", "the answers have no Date header", hint);
    };
    let skew = Skew::from_date_header(clock.date, clock.received);
    if skew == Skew::NONE {
        return Finding::ok("clock", "agrees with ours");
    }
    let seconds = skew.ahead.as_secs();
    let direction = if seconds < 0 { "behind" } else { "ahead of" };
    Finding::warn(
        "clock",
        format!("{} s {direction} ours; edits are compared with that in mind", seconds.abs()),
        "set that machine's clock, or ours, by NTP",
    )
}

fn limit(limit: Option<RateLimit>, side: Side) -> Finding {
    let Some(RateLimit { limit, remaining, reset }) = limit else {
        return Finding::ok("rate_limit", "no limit on requests");
    };
    let what = format!(
        "allows {} s of work in a window, {} s of it left; the next one begins in {} s",
        limit.as_secs(),
        remaining.as_secs(),
        reset.as_secs()
    );
    if remaining * 4 >= limit {
        return Finding::ok("rate_limit", what);
    }
    let hint = format!("lower concurrency of [{side}], or raise rate_limit in its site_config");
    Finding::warn("rate_limit", what, hint)
}

/// What is to be said of the two sites beside each other.
pub fn compare(read: Sides<&SiteRead>) -> Option<Finding> {
    let frappe = |side: Side| {
        let versions = read[side].versions.as_ref().ok()?;
        versions.get("frappe").map(|version| major(version).to_owned())
    };
    let (cloud, local) = (frappe(Side::Cloud)?, frappe(Side::Local)?);
    (cloud != local).then(|| {
        Finding::warn(
            "version",
            format!("cloud has version {cloud} and local {local}"),
            "fields that only one of them has are left alone; bring both to one version soon",
        )
    })
}

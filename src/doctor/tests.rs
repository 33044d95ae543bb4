//! The checks on what might have been read.

mod usage;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::read::{Acting, SiteRead};
use super::usage::Used;
use super::*;
use crate::config::SiteConfig;
use crate::identity::Naming;
use crate::model::{
    Action, ConflictKind, Direction, FirstMeeting, NamesRule, Policy, Schema, Shape, Submitted,
};
use crate::pass::{ActionLine, ActionStatus, DoctypeSummary, Guard, Preview, Summary};
use crate::secret::Secret;
use crate::site::bulk::Rules;
use crate::site::{RateLimit, ServerClock, SiteError, SiteResult};

fn refused<T>(kind: ErrorKind) -> SiteResult<T> {
    Err(SiteError::new(kind, "refused"))
}

/// Each finding as `level check: what`.
fn said(findings: impl IntoIterator<Item = Finding>) -> Vec<String> {
    let line = |finding: Finding| {
        let level = format!("{:?}", finding.level).to_lowercase();
        let side = finding.side.map(|side| format!(" ({side})")).unwrap_or_default();
        assert_eq!(finding.hint.is_none(), finding.level == Level::Ok, "what to do: {finding:?}");
        format!("{level} {}{side}: {}", finding.check, finding.what)
    };
    findings.into_iter().map(line).collect()
}

fn site_config(time_zone: Option<&str>) -> SiteConfig {
    SiteConfig {
        url: "http://erp.example".to_owned(),
        api_key: Secret::new("key"),
        api_secret: Secret::new("secret"),
        concurrency: 1,
        timeout: Duration::from_secs(1),
        max_response_bytes: 1,
        headers: Vec::new(),
        time_zone: time_zone.map(str::to_owned),
        ca_file: None,
    }
}

fn read() -> SiteRead {
    let version = |app: &str, version: &str| (app.to_owned(), version.to_owned());
    SiteRead {
        user: "sync@example.com".to_owned(),
        versions: Ok([version("frappe", "15.55.1")].into()),
        zone: Ok("Asia/Kolkata".to_owned()),
        clock: Some(at(0)),
        rate_limit: None,
        helpers: rights::HELPERS.iter().map(|_| Ok(true)).collect(),
    }
}

/// A clock that is ahead by so many seconds.
fn at(ahead: i64) -> ServerClock {
    let received = jiff::Timestamp::from_second(1_800_000_000).unwrap();
    ServerClock { date: received + jiff::SignedDuration::from_secs(ahead), received }
}

fn site_lines(change: impl FnOnce(&mut SiteRead), zone: Option<&str>) -> Vec<String> {
    let mut read = read();
    change(&mut read);
    said(site::judge(&read, &site_config(zone), Side::Cloud))
}

#[test]
fn what_a_site_says_of_itself() {
    let line = |check: &str, change: &dyn Fn(&mut SiteRead)| {
        let lines = site_lines(change, None);
        lines.into_iter().find(|line| line.contains(&format!(" {check}: "))).unwrap()
    };
    assert_eq!(line("credentials", &|read| read.user = "Guest".to_owned())[..4], *"fail");
    assert_eq!(line("credentials", &|read| read.user = "Administrator".to_owned())[..4], *"warn");
    let version = |version: &str| Ok([("frappe".to_owned(), version.to_owned())].into());
    assert_eq!(line("version", &|_| {}), "ok version: frappe 15.55.1");
    assert_eq!(
        line("version", &|read| read.versions = version("16.1")),
        "warn version: frappe 16.1"
    );
    let unread = line("version", &|read| read.versions = refused(ErrorKind::Forbidden));
    assert_eq!(unread, "warn version: the versions cannot be read: refused");
    assert_eq!(line("zone", &|_| {}), "ok zone: Asia/Kolkata");
    let unknown = line("zone", &|read| read.zone = Ok("Mars/Olympus".to_owned()));
    assert!(unknown.starts_with("warn zone: not known (Mars/Olympus is no time zone"), "{unknown}");
    assert_eq!(line("clock", &|_| {}), "ok clock: agrees with ours");
    let behind = line("clock", &|read| read.clock = Some(at(-90)));
    assert!(behind.starts_with("warn clock: 89 s behind ours"), "{behind}");
    let none = line("clock", &|read| read.clock = None);
    assert_eq!(none, "warn clock: the answers have no Date header");
    let limit = |left: u64| {
        let [limit, remaining, reset] = [60, left, 5].map(Duration::from_secs);
        line("rate_limit", &|read| read.rate_limit = Some(RateLimit { limit, remaining, reset }))
    };
    assert_eq!([&limit(15)[..2], &limit(14)[..4]], ["ok", "warn"]);
}

#[test]
fn a_configured_zone_needs_no_right() {
    let lines = site_lines(
        |read| {
            read.zone = refused(ErrorKind::Forbidden);
            read.helpers[3] = Ok(false);
        },
        Some("Asia/Kolkata"),
    );
    assert!(lines.contains(&"ok zone: Asia/Kolkata (configured)".to_owned()), "{lines:?}");
    assert!(lines.iter().all(|line| line.starts_with("ok ")), "{lines:?}");
    let lines = site_lines(|read| read.helpers[1] = refused(ErrorKind::Refused), None);
    let told = "warn rights: may not read Custom Field: metadata is read anew in every run";
    assert!(lines.contains(&told.to_owned()), "{lines:?}");
}

#[test]
fn two_versions_are_told() {
    let of = |version: &str| SiteRead {
        versions: Ok([("frappe".to_owned(), version.to_owned())].into()),
        ..read()
    };
    let compared =
        |cloud: &str, local: &str| said(site::compare(Sides::new(&of(cloud), &of(local))));
    assert_eq!(compared("15.1", "15.105"), [""; 0]);
    assert_eq!(compared("15.1", "16.0"), ["warn version: cloud has version 15 and local 16"]);
}

/// A doctype whose metadata on each side is the same but for what is given.
fn doctype(cloud: Value, local: Value, change: impl FnOnce(&mut DoctypeConfig)) -> Doctype {
    let mut config = DoctypeConfig { doctype: "Order".to_owned(), ..DoctypeConfig::default() };
    change(&mut config);
    let schema = |more: Value| {
        let mut meta = json!({"name": "Order", "autoname": "field:title", "fields": []});
        meta.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let row = json!({"name": "Row", "istable": 1, "fields": [
            {"fieldname": "item", "fieldtype": "Link", "options": "Item", "reqd": 1},
            {"fieldname": "photo", "fieldtype": "Attach Image"},
        ]});
        let metas = [("Order", meta), ("Row", row)];
        let metas = metas.map(|(name, meta)| (name.to_owned(), meta.as_object().unwrap().clone()));
        Schema::assemble("Order", &metas.into()).unwrap()
    };
    let schemas = Sides::new(schema(cloud), schema(local));
    let shape = Shape::new(schemas.as_ref(), &config.exclude_fields, &config.include_fields);
    let naming = Naming::weaker(Naming::of(&schemas.cloud), Naming::of(&schemas.local));
    Doctype {
        config,
        schemas,
        shape,
        naming,
        scope: String::new(),
        rules: crate::pass::Rules::default(),
    }
}

#[test]
fn what_names_mean() {
    let judged = |cloud: Value, local: Value, rule: NamesRule| {
        said(naming::judge(&doctype(cloud, local, |config| config.names = rule)))
    };
    let series = || json!({"autoname": "naming_series:", "title_field": "title"});
    let same = "named by field:title: an equal name is the same document";
    assert_eq!(judged(json!({}), json!({}), NamesRule::Auto), [format!("ok names: {same}")]);
    let apart = "each site counts for itself, and an equal name proves nothing";
    let counted = judged(series(), series(), NamesRule::Auto);
    assert_eq!(
        counted,
        [format!(
            "ok names: named by naming_series: {apart}, unless the name is also the title of both"
        )]
    );
    let coded = || json!({"fields": [{"fieldname": "code", "fieldtype": "Data"}]});
    let told = naming::judge(&doctype(coded(), coded(), |config| {
        config.match_on = vec!["code".to_owned()];
    }));
    assert!(said(told)[0].ends_with("; new documents are told by code (match_on)"));
    let server = judged(json!({}), json!({}), NamesRule::Server);
    assert_eq!(server, [format!("ok names: named by field:title: {apart}")]);
    let differs = judged(json!({}), series(), NamesRule::Auto);
    let both = "warn names: named by field:title on cloud and by naming_series on local";
    assert_eq!(differs, [format!("{both}: {apart}")], "the title is not both sites' own");
    let natural = judged(json!({}), series(), NamesRule::Natural);
    assert_eq!(natural, [format!("{both}: an equal name is the same document")]);
    let hash = judged(json!({"autoname": ""}), json!({"autoname": ""}), NamesRule::Auto);
    assert_eq!(hash, [format!("ok names: named by the doctype's own code: {apart}")]);
}

#[test]
fn what_is_submitted() {
    let submittable = || json!({"is_submittable": 1});
    let judged = |local: Value, rule: Submitted| {
        let doctype = doctype(submittable(), local, |config| config.submitted = rule);
        said(naming::judge(&doctype)).remove(1)
    };
    assert!(judged(submittable(), Submitted::Mirror).contains("is submitted there too"));
    assert!(judged(submittable(), Submitted::Skip).contains("left alone"));
    let one = judged(json!({}), Submitted::Mirror);
    assert_eq!(one, "warn submitted: documents can be submitted on cloud only");
}

#[test]
fn rights_follow_from_the_rules() {
    let submittable = || json!({"is_submittable": 1});
    let words = |change: &dyn Fn(&mut DoctypeConfig), side: Side| {
        let needs = rights::needed(&doctype(submittable(), submittable(), change), side);
        needs.iter().map(|need| need.right).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(words(&|_| {}, Side::Cloud), "read create write submit cancel delete");
    let to_local = |config: &mut DoctypeConfig| config.direction = Direction::CloudToLocal;
    assert_eq!(words(&to_local, Side::Cloud), "read");
    assert_eq!(words(&to_local, Side::Local), "read create write submit cancel delete");
    let skip = |config: &mut DoctypeConfig| {
        config.submitted = Submitted::Skip;
        config.deletes = crate::model::Deletes::Keep;
    };
    assert_eq!(words(&skip, Side::Local), "read create write");

    let needs = rights::needed(&doctype(json!({}), json!({}), |_| {}), Side::Cloud);
    let held = [Ok(true), Ok(false), refused(ErrorKind::Refused), Ok(true)];
    assert_eq!(
        said(rights::judge(&needs, &held)),
        [
            "fail rights: may not create: new documents of the other side fail",
            "warn rights: whether it may write cannot be asked: refused",
        ]
    );
}

fn fields(list: &Value) -> Value {
    json!({ "fields": list })
}

/// What is said of the fields, where these doctypes are named by a field of theirs and these fields
/// are used.
fn field_lines(doctype: &Doctype, natural: Option<&[&str]>, used: Option<&[&str]>) -> Vec<String> {
    let natural = natural.unwrap_or_default();
    field_lines_of(doctype, Sides::new(natural, natural), used)
}

/// The same with the doctypes whose names are natural by the rules that each side shows.
fn field_lines_of(
    doctype: &Doctype,
    natural: Sides<&[&str]>,
    used: Option<&[&str]>,
) -> Vec<String> {
    let rule = Rules { autoname: "field:x".to_owned(), ..Rules::default() };
    let rules = natural
        .map(|_, natural| natural.iter().map(|name| ((*name).to_owned(), rule.clone())).collect());
    let links = Links::of(doctype, std::slice::from_ref(&doctype.config), &rules);
    said(fields::judge(doctype, &links, &in_use(used)))
}

/// The fields that the cloud's documents use; those of the local site use none.
fn in_use(used: Option<&[&str]>) -> Used {
    let fields = used.map(|used| used.iter().map(|field| (*field).to_owned()).collect());
    Sides::new(fields, Some(BTreeSet::new()))
}

#[test]
fn fields_that_only_one_side_wants() {
    let field =
        |name: &str, reqd: i32| json!({"fieldname": name, "fieldtype": "Data", "reqd": reqd});
    let cloud = fields(&json!([field("title", 1), field("tax", 0), field("more", 0)]));
    let local = fields(&json!([field("title", 1), field("tax", 1), field("own", 1)]));
    let both = field_lines(&doctype(cloud.clone(), local.clone(), |_| {}), None, None);
    assert_eq!(
        both,
        [
            "warn one_sided: only cloud has more; only local has own: left alone on both sides",
            "warn mandatory (local): own, tax must be filled here and not on cloud: documents of \
         cloud without it are refused, and so is every change of one",
        ]
    );
    let away = |config: &mut DoctypeConfig| config.direction = Direction::LocalToCloud;
    assert_eq!(field_lines(&doctype(cloud, local, away), None, None).len(), 1, "local only gives");
}

#[test]
fn links_to_what_is_not_synced() {
    let link = |target: &str| json!({"fieldname": target.to_lowercase(), "fieldtype": "Link", "options": target});
    let rows = json!({"fieldname": "rows", "fieldtype": "Table", "options": "Row"});
    let list = fields(&json!([
        link("Order"),
        link("Lead"),
        link("Brand"),
        link("User"),
        link("Bin"),
        rows
    ]));
    let doctype = doctype(list.clone(), list, |config| {
        config.exclude_fields = vec!["rows.photo".to_owned()];
    });
    let all = Some(&["lead", "brand", "bin", "rows.item"][..]);
    let natural = "ok links: links to what is not synced go by name: Brand, Item, User; the other \
                   side must have it under the same name";
    assert_eq!(
        field_lines(&doctype, Some(&["Brand", "Item"]), all),
        [
            natural,
            "warn links: links to Lead (lead), which are not synced and whose names prove nothing: \
             documents that link to one fail, unless the sites are clones",
            "warn links: links to Bin (bin), which cannot be synced",
        ]
    );
    assert_eq!(
        field_lines(&doctype, Some(&["Brand", "Item"]), Some(&["brand"])),
        [natural],
        "what no document uses is not told"
    );
    let unknown = field_lines(&doctype, Some(&["Brand", "Item"]), None);
    assert_eq!(unknown.len(), 3, "what could not be asked may be used: {unknown:?}");
    let half = field_lines_of(&doctype, Sides::new(&["Brand", "Item"], &["Item"]), all);
    assert!(half[0].contains("by name: Item, User;"), "both sides have to show it: {half:?}");
    assert!(half[1].contains("Brand (brand), Lead (lead)"), "{half:?}");
    let blind = field_lines(&doctype, None, all);
    let told = "Brand (brand), Item (rows.item), Lead (lead)";
    assert!(blind[1].contains(told), "without rules nothing is proved: {blind:?}");
}

#[test]
fn files_in_documents_and_rows() {
    let rows = json!({"fieldname": "rows", "fieldtype": "Table", "options": "Row"});
    let list = fields(&json!([{"fieldname": "scan", "fieldtype": "Attach"}, rows]));
    let doctype = doctype(list.clone(), list, |_| {});
    let told = |used: &[&str]| field_lines(&doctype, Some(&["Item"]), Some(used)).split_off(1);
    let not = "the address of the file is synced, the file is not";
    assert_eq!(told(&["rows.photo", "scan"]), [format!("warn files: rows.photo, scan: {not}")]);
    assert_eq!(told(&["scan"]), [format!("warn files: scan: {not}")]);
    assert_eq!(told(&[]), [""; 0]);
}

#[test]
fn what_sites_do_by_themselves() {
    let many: Vec<String> = (1..8).map(|number| format!("N{number}")).collect();
    let notes: Acting =
        [("Order".to_owned(), many), ("Other".to_owned(), vec!["X".to_owned()])].into();
    let acts = || {
        vec![
            Ok(notes.clone()),
            refused(ErrorKind::NoSuchPath),
            refused(ErrorKind::Forbidden),
            Ok(Acting::new()),
        ]
    };
    let closed = "warn effects: whether it has any Server Script cannot be read";
    assert_eq!(
        said(effects::unread(&acts())),
        [closed],
        "a doctype that is not there does nothing"
    );
    let to_local = |config: &mut DoctypeConfig| config.direction = Direction::CloudToLocal;
    let doctype = doctype(json!({}), json!({}), to_local);
    let told =
        "warn effects (local): Notification acts on every save: N1, N2, N3, N4, N5 and 2 more";
    assert_eq!(said(effects::judge(&doctype, &Sides::new(acts(), acts()))), [told]);
}

fn line(action: Action, conflict: Option<ConflictKind>, status: ActionStatus) -> ActionLine {
    ActionLine {
        doctype: "Order".to_owned(),
        name: "A".to_owned(),
        cloud_name: None,
        local_name: None,
        action: action.as_str().to_owned(),
        direction: Direction::LocalToCloud,
        reason: "because".to_owned(),
        conflict,
        status,
        message: None,
    }
}

fn preview(met: usize, actions: Vec<ActionLine>, remaining: usize) -> Preview {
    Preview { met, summary: Summary { actions, remaining, ..Summary::default() } }
}

#[test]
fn what_a_first_meeting_does() {
    use ActionStatus::{Conflict, Failed, Planned};
    let first = Some(ConflictKind::FirstMeeting);
    let actions = || {
        vec![
            line(Action::Adopt, None, Planned),
            line(Action::Update, first, Planned),
            line(Action::Update, Some(ConflictKind::EditEdit), Planned),
            line(Action::Conflict, first, Conflict),
            line(Action::Conflict, Some(ConflictKind::Collision), Conflict),
            line(Action::Create, None, Planned),
        ]
    };
    let counts = "1 equal already, 1 would be overwritten on cloud, 2 would wait for a person";
    let judged = |preview: &Preview| said(meeting::judge(&DoctypeConfig::default(), preview));
    assert_eq!(
        judged(&preview(4, actions(), 0)),
        [
            format!("warn meeting: 4 documents on both sides that were never in step: {counts}"),
            "warn meeting: 1 would be collisions, another document on each side: A".to_owned(),
            "warn meeting: 1 would be conflicts, two versions of one: A".to_owned(),
        ]
    );
    let part = judged(&preview(90, actions(), 86)).remove(0);
    assert!(part.ends_with(&format!("{counts} (only the first 6 were compared)")), "{part}");
    let harmless = vec![line(Action::Adopt, None, Planned)];
    assert_eq!(
        judged(&preview(1, harmless, 0)),
        ["ok meeting: 1 document on both sides that were never in step: 1 equal already",]
    );
    let failing = vec![line(Action::Create, None, Failed), line(Action::Create, None, Failed)];
    assert_eq!(
        judged(&preview(0, failing, 0)),
        [
            "ok meeting: no document is on both sides without being in step",
            "warn dry_run: 2 documents would fail; A: because",
        ]
    );
}

#[test]
fn a_guard_is_told_with_its_way_out() {
    let hint = |guard: Guard| {
        let mut guarded = preview(1, Vec::new(), 0);
        let guard = Some(guard);
        guarded.summary.doctypes.push(DoctypeSummary { guard, ..DoctypeSummary::default() });
        let found = meeting::judge(&DoctypeConfig::default(), &guarded);
        assert_eq!((found.len(), found[0].level), (1, Level::Fail));
        assert_eq!(found[0].what, "a restored backup?");
        found[0].hint.clone().unwrap()
    };
    let reason = || "a restored backup?".to_owned();
    assert!(
        hint(Guard::TooManyGone { side: Side::Cloud, reason: reason() })
            .contains("--allow-deletes N")
    );
    let back = Guard::WentBack { side: Side::Cloud, reason: reason() };
    assert!(!hint(back).contains("--allow-deletes"));
}

#[test]
fn what_to_do_about_what_waits() {
    let conflict = |kind| vec![line(Action::Conflict, Some(kind), ActionStatus::Conflict); 5];
    let hint = |kind, change: &dyn Fn(&mut DoctypeConfig)| {
        let mut config = DoctypeConfig { doctype: "Order".to_owned(), ..DoctypeConfig::default() };
        change(&mut config);
        let found = meeting::judge(&config, &preview(5, conflict(kind), 0)).remove(1);
        assert!(found.what.ends_with(": A, A, A and 2 more"), "{}", found.what);
        found.hint.unwrap()
    };
    let collision = ConflictKind::Collision;
    let both = "after the sync, erpsync resolve --all --doctype \"Order\" --take both creates each on \
                the other side";
    let by_field = "; where a field tells which documents are one, name it in match_on first";
    assert_eq!(hint(collision, &|_| {}), format!("{both}{by_field}"));
    assert_eq!(hint(collision, &|config| config.match_on = vec!["po_no".to_owned()]), both);
    let first = ConflictKind::FirstMeeting;
    let manual = hint(first, &|config| config.first_meeting = FirstMeeting::Manual);
    assert!(manual.contains("with first_meeting = \"policy\""), "{manual}");
    let by_hand = hint(first, &|config| config.policy = Policy::Manual);
    assert!(by_hand.contains("with conflict_resolution = \"cloud_wins\""), "{by_hand}");
    assert!(hint(first, &|_| {}).ends_with("or all of \"Order\" with --all"));
}

#[test]
fn one_line_a_cause() {
    let lacks = |right: &str| Finding::fail("rights", format!("may not {right}"), "ask");
    let of = |doctype: &str, finding: Finding| (doctype.to_owned(), finding);
    let grouped = rights::together(vec![
        of("Brand", lacks("write").on(Side::Local)),
        of("Item", lacks("create").on(Side::Local)),
        of("Lead", lacks("write").on(Side::Local)),
        of("Lead", lacks("write").on(Side::Cloud)),
    ]);
    let shown: Vec<_> = grouped
        .iter()
        .map(|finding| (finding.doctype.as_deref(), finding.doctypes.join(","), &*finding.what))
        .collect();
    assert_eq!(
        shown,
        [
            (None, "Brand,Lead".to_owned(), "may not write"),
            (Some("Item"), String::new(), "may not create"),
            (Some("Lead"), String::new(), "may not write"),
        ]
    );
}

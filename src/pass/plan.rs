//! Plan: decides about each pair and works out the request.
//!
//! The rule kept here: what this version cannot do safely becomes a skip with its reason,
//! whatever was decided.

use std::collections::BTreeSet;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::identity::{LinkTable, has_natural_name, meeting};
use crate::model::{Action, Doc, Meeting, OpenLink, Policy, Side, Sides};
use crate::recon::{
    Body, Decision, Observed, RowNames, Rules, SiteClock, Situation, Skew, Version, create_body,
    decide, update_body,
};
use crate::site::SiteError;
use crate::state::Resolution;

use super::links::docs_of;
use super::{
    Candidate, Doctype, Forms, OpenLinks, Operation, Pair, Pass, Request, Step, Write, at,
};

/// Fields that make a site create other documents when they come with a create, and are
/// stored without side effects by an update right after it (docs/frappe.md, "Creates and
/// names").
const HELD_BACK: [(&str, &[&str]); 2] = [
    (
        "Customer",
        &[
            "customer_primary_address",
            "customer_primary_contact",
            "email_id",
            "first_name",
            "last_name",
            "mobile_no",
            "primary_address",
        ],
    ),
    ("Item", &["opening_stock", "standard_rate"]),
];

impl Pass<'_> {
    /// Decides about a wave of pairs.
    pub(super) fn plan(
        &mut self,
        doctype: &Doctype,
        pairs: Vec<Pair>,
        open: OpenLinks,
    ) -> anyhow::Result<Vec<Operation>> {
        let mut links = self.known_links(doctype, docs_of(&pairs))?;
        let mut judged = Vec::with_capacity(pairs.len());
        for pair in &pairs {
            judged.push(self.judge(doctype, pair, &links)?);
        }
        if judged.iter().any(|(_, decision)| is_write(decision)) {
            self.add_naming(doctype, &pairs, &mut links)?;
        }
        let among: BTreeSet<OpenLink> = if open == OpenLinks::Cut {
            pairs.iter().flat_map(names_of).collect()
        } else {
            BTreeSet::new()
        };
        let mut operations = Vec::with_capacity(pairs.len());
        for (pair, (forms, decision)) in pairs.into_iter().zip(judged) {
            let decision = restrained(doctype, &pair, decision);
            let step = self.step(doctype, &pair, &forms, &decision, &links, open, &among)?;
            if self.is_over_limit(pair.record.id, &decision, &step) {
                self.summary.remaining += 1;
                continue;
            }
            operations.push(Operation { pair, forms, decision, step });
        }
        Ok(operations)
    }

    /// Whether `--limit` leaves this document for another run; counts it otherwise. What
    /// waits is counted when its turn comes, and one that comes again is counted once.
    fn is_over_limit(&mut self, record: Candidate, decision: &Decision, step: &Step) -> bool {
        let waits = matches!(step, Step::Wait(_));
        if decision.action == Action::Noop || waits || self.taken_up.contains(&record) {
            return false;
        }
        match &mut self.left {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                self.taken_up.insert(record);
                false
            }
            None => false,
        }
    }

    pub(super) fn judge(
        &mut self,
        doctype: &Doctype,
        pair: &Pair,
        links: &LinkTable,
    ) -> anyhow::Result<(Forms, Decision)> {
        let forms = forms(doctype, pair, links);
        if pair.record.is_syncing {
            let reason = "an earlier request has no answer yet; its outcome is waited for";
            return Ok((forms, Decision::skip(reason)));
        }
        let new_fields = self.new_fields(doctype, pair)?;
        let decision = judge_with(doctype, pair, &forms, links, &new_fields, None);
        if decision.conflict.is_none() || doctype.config.policy != Policy::LatestTimestamp {
            return Ok((forms, decision));
        }
        let clocks = self.clocks()?;
        let decision = judge_with(doctype, pair, &forms, links, &new_fields, Some(&clocks));
        Ok((forms, decision))
    }

    /// The fields that count today and did not when the bases were written.
    fn new_fields(&self, doctype: &Doctype, pair: &Pair) -> anyhow::Result<Vec<String>> {
        let Some(digest) = &pair.record.form_digest else { return Ok(Vec::new()) };
        if digest == doctype.shape.digest() {
            return Ok(Vec::new());
        }
        let Some(known) = self.state.shape_fields(digest)? else { return Ok(Vec::new()) };
        let mut fields = doctype.shape.content_fields();
        fields.retain(|field| !known.contains(field));
        Ok(fields)
    }

    /// Both sites' clocks, read when the first conflict needs them.
    pub(super) fn clocks(&mut self) -> anyhow::Result<Sides<Option<SiteClock>>> {
        if self.clocks.is_none() {
            let mut clocks = Sides::default();
            for side in Side::BOTH {
                clocks[side] = self.clock(side)?;
            }
            self.clocks = Some(clocks);
        }
        self.clocks.clone().context("no clocks")
    }

    fn clock(&self, side: Side) -> anyhow::Result<Option<SiteClock>> {
        let name = match &self.config.sides[side].time_zone {
            Some(configured) => configured.clone(),
            None => match self.sites[side].time_zone() {
                Ok(zone) => zone,
                Err(error) if error.is_outage() => return Err(at(side)(error)),
                // Not readable for our user: then the clocks do not tell who was last.
                Err(SiteError { .. }) => return Ok(None),
            },
        };
        let skew = self.sites[side]
            .clock()
            .map_or(Skew::NONE, |clock| Skew::from_date_header(clock.date, clock.received));
        Ok(TimeZone::get(&name).ok().map(|zone| SiteClock { zone, skew }))
    }

    #[allow(clippy::too_many_arguments, reason = "all of it is read only and local to the plan")]
    fn step(
        &self,
        doctype: &Doctype,
        pair: &Pair,
        forms: &Forms,
        decision: &Decision,
        links: &LinkTable,
        open: OpenLinks,
        among: &BTreeSet<OpenLink>,
    ) -> anyhow::Result<Step> {
        if decision.skipped {
            return Ok(Step::Skip);
        }
        match decision.action {
            Action::Noop | Action::Adopt => Ok(Step::Agree),
            Action::Conflict => Ok(Step::Record),
            Action::Create | Action::Update => {
                let target = decision.direction.target().context("a write without a target")?;
                let write = self.write_for(doctype, pair, forms, decision, links, target)?;
                Ok(ready(write, decision.action, open, among))
            }
            _ => Ok(Step::Fail(format!("{} is not in this version", decision.action.as_str()))),
        }
    }

    /// The request that carries the decision out.
    fn write_for(
        &self,
        doctype: &Doctype,
        pair: &Pair,
        forms: &Forms,
        decision: &Decision,
        links: &LinkTable,
        target: Side,
    ) -> anyhow::Result<Write> {
        let from = target.opposite();
        let source = pair.doc(from).context("nothing to carry over")?;
        let translate = |linked: &str, name: &str| links.translate(from, linked, name);
        if decision.action == Action::Create {
            let body = create_body(&doctype.shape, source, held_back(doctype), &translate);
            return Ok(insert(doctype, source, body, target));
        }
        let fields = changed_fields(forms, decision, target);
        let mut write = self.update_for(doctype, pair, source, &fields, links, target)?;
        write.resolution = decision.conflict.map(|_| winner(from));
        Ok(write)
    }

    /// The update that brings some fields of the target to the values of `source`, a document
    /// of the other side.
    pub(super) fn update_for(
        &self,
        doctype: &Doctype,
        pair: &Pair,
        source: &Doc,
        fields: &[String],
        links: &LinkTable,
        target: Side,
    ) -> anyhow::Result<Write> {
        let from = target.opposite();
        let on_target = pair.doc(target).context("nothing to update")?;
        let translate = |linked: &str, name: &str| links.translate(from, linked, name);
        let rows = self.state.row_names(pair.record.id)?;
        let known = |table: &str| -> RowNames {
            rows.iter()
                .filter(|row| row.table == table)
                .filter_map(|row| Some((row.names[from].clone()?, row.names[target].clone()?)))
                .collect()
        };
        let body = update_body(&doctype.shape, fields, source, on_target, &known, &translate);
        let request =
            Request::Update { name: on_target.name(), modified: on_target.modified().to_owned() };
        Ok(Write {
            side: target,
            body,
            carried: source.clone(),
            request,
            resolution: None,
            log_as: Action::Update,
            owed: Map::new(),
        })
    }
}

/// Who wins where a conflict is settled by writing this side's version to the other.
pub(super) fn winner(side: Side) -> Resolution {
    match side {
        Side::Cloud => Resolution::CloudWins,
        Side::Local => Resolution::LocalWins,
    }
}

/// The pair's names, as a link to it would have them.
fn names_of(pair: &Pair) -> impl Iterator<Item = OpenLink> {
    let names = pair.record.names.iter().filter_map(|(_, name)| name.clone());
    names.map(|name| OpenLink { doctype: pair.record.doctype.clone(), name })
}

fn is_write(decision: &Decision) -> bool {
    matches!(decision.action, Action::Create | Action::Update)
}

fn held_back(doctype: &Doctype) -> &'static [&'static str] {
    HELD_BACK
        .iter()
        .find(|(name, _)| *name == doctype.config.doctype)
        .map_or(&[], |(_, fields)| fields)
}

/// Both sides' forms, and the bases' in today's form. A base whose hash was made under
/// today's shape and that is equal now needs no second look.
fn forms(doctype: &Doctype, pair: &Pair, links: &LinkTable) -> Forms {
    let form_of = |side: Side, doc: &Doc| {
        doctype.shape.sync_form(doc, &|linked, name| links.id(side, linked, name))
    };
    let now =
        Sides::from_fn(|side| pair.doc(side).map(|doc| form_of(side, doc)).unwrap_or_default());
    let is_todays = pair.record.form_digest.as_deref() == Some(doctype.shape.digest());
    let base = pair.record.bases.as_ref().map(|bases| {
        Sides::from_fn(|side| match &pair.record.hashes[side] {
            Some(hash) if is_todays && now[side].hash() == *hash => now[side].clone(),
            _ => form_of(side, &bases[side].content),
        })
    });
    Forms { now, base }
}

fn judge_with(
    doctype: &Doctype,
    pair: &Pair,
    forms: &Forms,
    links: &LinkTable,
    new_fields: &[String],
    clocks: Option<&Sides<Option<SiteClock>>>,
) -> Decision {
    let version = |side: Side, doc: &Doc| Version {
        form: forms.now[side].clone(),
        saved: clocks
            .and_then(|clocks| clocks[side].as_ref())
            .and_then(|clock| clock.moment(doc.modified())),
    };
    let now = Sides::from_fn(|side| match &pair.now[side] {
        Observed::Present(doc) => Observed::Present(version(side, doc)),
        Observed::Replaced(doc) => Observed::Replaced(version(side, doc)),
        Observed::Absent => Observed::Absent,
        Observed::Unknown(reason) => Observed::Unknown(reason.clone()),
    });
    decide(&Situation {
        base: forms.base.as_ref().map(Sides::as_ref),
        now,
        meeting: meet(doctype, pair, links),
        new_fields: new_fields.to_vec(),
        rules: Rules {
            policy: doctype.config.policy,
            first_meeting: doctype.config.first_meeting,
            deletes: doctype.config.deletes,
            direction: doctype.config.direction,
        },
    })
}

fn meet(doctype: &Doctype, pair: &Pair, links: &LinkTable) -> Meeting {
    let (Some(cloud), Some(local)) = (pair.doc(Side::Cloud), pair.doc(Side::Local)) else {
        return Meeting::SameDocument;
    };
    let natural = has_natural_name(doctype.config.names, &doctype.naming, &[cloud, local]);
    let identity = |side: Side, doc: &Doc| {
        doctype.shape.identity_form(doc, &|linked, name| links.id(side, linked, name))
    };
    meeting(natural, (cloud, local), (&identity(Side::Cloud, cloud), &identity(Side::Local, local)))
}

/// What this version does not do is left alone.
pub(super) fn restrained(doctype: &Doctype, pair: &Pair, decision: Decision) -> Decision {
    if decision.skipped || matches!(decision.action, Action::Noop) {
        return decision;
    }
    let docs: Vec<&Doc> = Side::BOTH.into_iter().filter_map(|side| pair.doc(side)).collect();
    let replaced = pair.now.iter().any(|(_, now)| matches!(now, Observed::Replaced(_)));
    if replaced || matches!(decision.action, Action::Delete | Action::Forget) {
        let reason = decision.reason;
        return Decision::skip(format!("{reason}; deletions are not carried out in this version"));
    }
    if docs.iter().any(|doc| doc.docstatus() != 0) {
        return Decision::skip("submitted documents are left alone in this version");
    }
    let is_named_here = has_natural_name(doctype.config.names, &doctype.naming, &docs);
    if is_write(&decision) && !is_named_here {
        return Decision::skip(
            "its name is given by each site; this version only compares such documents",
        );
    }
    decision
}

/// The fields that an update sends: what the source changed where the target differs; to
/// settle a conflict, all in which they differ.
fn changed_fields(forms: &Forms, decision: &Decision, target: Side) -> Vec<String> {
    let now = |side: Side| &forms.now[side];
    let differing = now(target.opposite()).differing(now(target));
    match &forms.base {
        Some(base) if decision.conflict.is_none() => {
            let changed = base[target.opposite()].differing(now(target.opposite()));
            differing.into_iter().filter(|field| changed.contains(field)).collect()
        }
        _ => differing,
    }
}

fn insert(doctype: &Doctype, source: &Doc, mut body: Body, target: Side) -> Write {
    let name = source.name();
    if doctype.naming.is_prompted() {
        body.fields.insert("name".to_owned(), name.clone().into());
    }
    let carried = without(source, &body.omitted);
    Write {
        side: target,
        body,
        carried,
        request: Request::Insert { name },
        resolution: None,
        log_as: Action::Create,
        owed: Map::new(),
    }
}

/// The document less some fields, `field` or `table.field`.
fn without(doc: &Doc, omitted: &BTreeSet<String>) -> Doc {
    let mut doc = doc.clone();
    for path in omitted {
        match path.split_once('.') {
            None => drop(doc.0.remove(path)),
            Some((table, field)) => {
                let rows = doc.0.get_mut(table).and_then(Value::as_array_mut);
                for row in rows.into_iter().flatten().filter_map(Value::as_object_mut) {
                    row.remove(field);
                }
            }
        }
    }
    doc
}

/// Whether a request can go out, or what it waits for.
fn ready(write: Write, action: Action, open: OpenLinks, among: &BTreeSet<OpenLink>) -> Step {
    if !write.body.unmapped.is_empty() {
        return Step::Fail(write.body.unmapped.join("; "));
    }
    let waits = match open {
        OpenLinks::Ignore => None,
        // A new document may go without links to documents that wait as well: a cycle. What
        // failed is not waited for in vain by leaving it out.
        OpenLinks::Cut if action == Action::Create => {
            write.body.open.iter().find(|link| !among.contains(link))
        }
        OpenLinks::Wait | OpenLinks::Cut => write.body.open.first(),
    };
    match waits {
        Some(link) => Step::Wait(link.clone()),
        // Nothing that the target would take: the difference is in what is never sent.
        None if action == Action::Update && write.body.fields.is_empty() => Step::Agree,
        None => Step::Send(write),
    }
}

/// The fields of a body as a document, for the journal.
pub(super) fn sent_fields(write: &Write) -> Doc {
    let mut sent: Map<String, Value> = write.body.fields.clone();
    if let Request::Update { modified, .. } = &write.request {
        sent.insert("modified".to_owned(), modified.clone().into());
    }
    Doc(sent)
}

/// Whether both sides are as their bases are.
pub(super) fn is_unchanged(forms: &Forms, pair: &Pair) -> bool {
    let is_there = Side::BOTH.into_iter().all(|side| pair.doc(side).is_some());
    is_there && forms.base.as_ref().is_some_and(|base| *base == forms.now)
}

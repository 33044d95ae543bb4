//! Looks at both sites and the configuration before the first write.
//!
//! `read` asks the sites; the other files judge what was read, purely: each check gives its
//! [`Finding`]s. What a pass would do is asked of the pass itself, as a dry run. The rule kept
//! here: nothing is written, neither to a site nor to the state database, and whatever cannot be
//! asked is a finding, never an end.

mod effects;
mod fields;
mod meeting;
mod naming;
mod read;
mod rights;
mod site;
mod spelling;
mod usage;

#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::config::{Config, DoctypeConfig};
use crate::model::{Side, Sides};
use crate::pass::{Doctype, Options, Pass, Stop, Surroundings, Unsyncable, Workers};
use crate::site::{ErrorKind, Examined, Site};
use crate::state::{State, StateError, StateResult};

use fields::Links;
use read::Looked;
use usage::Question;

/// So many documents of a doctype are compared to tell what a first meeting would overwrite.
const COMPARED: usize = 500;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be, or good to know.
    Ok,
    /// Works, and somebody should know what does not.
    Warn,
    /// A sync would end with an error.
    Fail,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// The doctype, where it is about one.
    pub doctype: Option<String>,
    /// The doctypes, where it is about several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub doctypes: Vec<String>,
    /// The side, where it is about one.
    pub side: Option<Side>,
    /// The check, one word for scripts.
    pub check: &'static str,
    /// What was found.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, what: impl Into<String>) -> Self {
        let (level, what) = (Level::Ok, what.into());
        let doctypes = Vec::new();
        Self { level, doctype: None, doctypes, side: None, check, what, hint: None }
    }

    fn warn(check: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { level: Level::Warn, hint: Some(hint.into()), ..Self::ok(check, what) }
    }

    fn fail(check: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { level: Level::Fail, hint: Some(hint.into()), ..Self::ok(check, what) }
    }

    fn on(self, side: Side) -> Self {
        Self { side: Some(side), ..self }
    }

    fn of(self, doctype: &str) -> Self {
        Self { doctype: Some(doctype.to_owned()), ..self }
    }
}

/// Checks everything. `state` is a private copy of the state database, or why there is none.
///
/// # Errors
/// An interruption, or a machine that gives no threads or no temporary database.
pub fn examine(
    sites: Sides<&dyn Examined>,
    config: &Config,
    state: StateResult<State>,
    around: Surroundings<'_>,
) -> anyhow::Result<Vec<Finding>> {
    let workers = Workers::new(Sides::from_fn(|side| config.sides[side].concurrency));
    let read = workers.both(|side| Ok(read::site(sites[side])))?;
    let mut findings = Vec::new();
    for (side, read) in read.iter() {
        let judged = match read {
            Ok(read) => site::judge(read, &config.sides[side], side),
            Err(error) => vec![site::refused(error, side)],
        };
        findings.extend(judged.into_iter().map(|finding| finding.on(side)));
    }
    let (Ok(cloud), Ok(local)) = (&read.cloud, &read.local) else {
        findings.push(unchecked());
        return Ok(findings);
    };
    findings.extend(site::compare(Sides::new(cloud, local)));
    let (mut state, found) = usable(state)?;
    findings.extend(found);
    let options = Options { dry_run: true, ..Options::default() };
    let users = Sides::new(cloud.user.clone(), local.user.clone());
    if let Some(found) = other_pair(&mut state, config, &users, &around)? {
        findings.push(found);
        state = State::in_memory()?;
    }
    let for_pass = sites.map(|_, site| site as &dyn Site);
    let pass = Pass::new(for_pass, &mut state, config, &options, around, None, &[])?;
    let mut ward = Ward { sites, workers, pass, config, findings };
    ward.examine_doctypes()?;
    Ok(ward.findings)
}

fn unchecked() -> Finding {
    let hint = "put that right first, then run erpsync doctor again";
    Finding::warn("doctypes", "not checked, because a site does not let us in", hint)
}

/// The state to look with, and what is to be said of it.
fn usable(state: StateResult<State>) -> anyhow::Result<(State, Option<Finding>)> {
    match state {
        Ok(state) => Ok((state, None)),
        Err(StateError::Missing { .. }) => {
            let found = Finding::ok("state", "no state database yet; erpsync init makes one");
            Ok((State::in_memory()?, Some(found)))
        }
        Err(error) => {
            let hint = error.hint().unwrap_or("look at the file named");
            let found = Finding::fail("state", error.to_string(), hint);
            Ok((State::in_memory()?, Some(found)))
        }
    }
}

/// Whether the state belongs to other sites or users.
fn other_pair(
    state: &mut State,
    config: &Config,
    users: &Sides<String>,
    around: &Surroundings<'_>,
) -> anyhow::Result<Option<Finding>> {
    let urls = Sides::from_fn(|side| config.sides[side].url.clone());
    match state.check_pair(&urls, users, (around.now)()) {
        Err(error @ StateError::OtherPair { .. }) => {
            let hint = error.hint().unwrap_or_default().to_owned();
            Ok(Some(Finding::fail("state", error.to_string(), hint)))
        }
        checked => Ok(checked.map(|()| None)?),
    }
}

/// The configured doctypes, and what is found of them.
struct Ward<'a> {
    sites: Sides<&'a dyn Examined>,
    workers: Workers,
    pass: Pass<'a>,
    config: &'a Config,
    findings: Vec<Finding>,
}

impl Ward<'_> {
    fn examine_doctypes(&mut self) -> anyhow::Result<()> {
        let (config, sites) = (self.config, self.sites);
        let mut described = Vec::new();
        for doctype in &config.doctypes {
            let found = self.pass.describe(doctype);
            described.extend(self.recover(doctype, "doctype", found)?);
        }
        let present: Vec<&Doctype> = described.iter().collect();
        let targets = fields::link_targets(&present, &config.doctypes);
        let rules = sites.map(|_, site| read::rules(site, &targets));
        let links: Vec<Links> =
            present.iter().map(|doctype| Links::of(doctype, &config.doctypes, &rules)).collect();
        let names: Vec<String> =
            present.iter().map(|doctype| doctype.config.doctype.clone()).collect();
        let acts = self.workers.both(|side| Ok(read::acts(sites[side], &names)))?;
        for (side, acts) in acts.iter() {
            let unread = effects::unread(acts);
            self.findings.extend(unread.into_iter().map(|finding| finding.on(side)));
        }
        self.findings.extend(spelling::shared(&present, config));
        let looked = self.look(&present, &links)?;
        self.findings.extend(rights(&present, &looked));
        for ((doctype, links), looked) in present.iter().zip(&links).zip(looked) {
            let used = looked.map(|_, looked| looked.used);
            let mut found = naming::judge(doctype);
            found.extend(spelling::judge(doctype, config));
            found.extend(fields::judge(doctype, links, &used));
            found.extend(effects::judge(doctype, &acts));
            found.extend(effects::made(doctype, &config.doctypes, &used));
            self.add(&doctype.config, found);
            let preview = self.pass.preview(&doctype.config, COMPARED);
            if let Some(preview) = self.recover(&doctype.config, "meeting", preview)? {
                self.add(&doctype.config, meeting::judge(&doctype.config, &preview));
            }
        }
        Ok(())
    }

    /// Looks at the documents of all doctypes, as many at once as each side takes.
    fn look(&self, doctypes: &[&Doctype], links: &[Links]) -> anyhow::Result<Vec<Sides<Looked>>> {
        let mut asked = Vec::new();
        for (doctype, links) in doctypes.iter().zip(links) {
            let mut fields = fields::file_fields(doctype);
            fields.extend(links.fields().cloned());
            fields.extend(effects::making_fields(doctype));
            for side in Side::BOTH {
                let needs = rights::needed(doctype, side);
                asked.push((side, (Question::new(doctype, side, &fields), needs)));
            }
        }
        let sites = self.sites;
        let mut looked: Vec<Sides<Looked>> = doctypes.iter().map(|_| Sides::default()).collect();
        self.workers.run(
            asked,
            |side, (question, needs)| read::documents(sites[side], &question, &needs),
            |i, found| {
                looked[i / 2][Side::BOTH[i % 2]] = found;
                Ok(())
            },
        )?;
        Ok(looked)
    }

    fn add(&mut self, doctype: &DoctypeConfig, found: Vec<Finding>) {
        let name = &doctype.doctype;
        self.findings.extend(found.into_iter().map(|finding| finding.of(name)));
    }

    /// What could be read; what a site refuses becomes a finding.
    fn recover<T>(
        &mut self,
        doctype: &DoctypeConfig,
        check: &'static str,
        found: anyhow::Result<T>,
    ) -> anyhow::Result<Option<T>> {
        let error = match found {
            Ok(found) => return Ok(Some(found)),
            Err(error) => error,
        };
        let unsyncable = error.downcast_ref::<Unsyncable>();
        let finding = match (error.downcast_ref::<Stop>(), unsyncable) {
            (Some(Stop::Site { side, error }), _) => {
                let hint = match error.kind {
                    ErrorKind::Forbidden => rights::ask_for(*side),
                    kind => self.pass.refusal_hint(doctype, None, *side, kind),
                };
                Finding::fail(check, error.to_string(), hint).on(*side)
            }
            (_, Some(Unsyncable { reason })) => {
                Finding::fail(check, *reason, "take it out of the configuration")
            }
            _ => return Err(error),
        };
        self.findings.push(finding.of(&doctype.doctype));
        Ok(None)
    }
}

/// What is to be said of the rights on all doctypes, one line a cause.
fn rights(doctypes: &[&Doctype], looked: &[Sides<Looked>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for side in Side::BOTH {
        for (doctype, looked) in doctypes.iter().zip(looked) {
            let judged = rights::judge(&rights::needed(doctype, side), &looked[side].held);
            let name = || doctype.config.doctype.clone();
            findings.extend(judged.into_iter().map(|finding| (name(), finding.on(side))));
        }
    }
    rights::together(findings)
}

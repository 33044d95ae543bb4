//! Together: the doctypes of a run in their order, some of them at the same time.
//!
//! Documents whose names a site counts are created one at a time, which leaves most workers
//! idle. So a doctype with many of them takes the next ones along. The rules kept here: of doctypes
//! that are gone through at the same time none links to another, so that no document waits for one
//! that is created beside it, and none is listed before what it links to is there; none of them is
//! submitted, because what is posted is posted in the order of the list (stock has to come in before
//! it goes out); and what befalls one of them does not stop the others. What a site's own scripts
//! make of one doctype for another, with no link between them, nobody can know here: found in its
//! own turn by what it holds, it may stand there twice (`duplicate`) where both are gone through
//! together.

use std::collections::BTreeSet;

use crate::config::DoctypeConfig;
use crate::model::{FieldKind, Schema};

use super::write::{Writes, is_counted};
use super::{
    Aside, Candidate, Doctype, OpenLinks, Operation, Pass, Ready, Scope, Step, Waiting, WaveDone,
};

/// So many doctypes at the most: as many as there are workers by default.
const MOST: usize = 4;

/// A doctype on its way.
struct Course {
    doctype: Doctype,
    candidates: Vec<Candidate>,
    /// How many of them were gone through.
    done: usize,
    aside: Vec<Aside>,
    /// Whether most of its last wave was created one after another.
    is_in_turn: bool,
    /// Whether something about the doctype itself has ended it.
    has_failed: bool,
}

impl Course {
    fn new((doctype, candidates): Ready) -> Self {
        let aside = Vec::new();
        Self { doctype, candidates, done: 0, aside, is_in_turn: false, has_failed: false }
    }

    fn left(&self) -> &[Candidate] {
        if self.has_failed { &[] } else { &self.candidates[self.done..] }
    }

    /// The next of its documents, so many at the most.
    fn take(&mut self, most: usize) -> Vec<Candidate> {
        let taken: Vec<Candidate> = self.left().iter().take(most).copied().collect();
        self.done += taken.len();
        taken
    }
}

impl Pass<'_> {
    /// Goes through the doctypes once; gives what waits.
    pub(super) fn pass_over(&mut self, scopes: &[Scope]) -> anyhow::Result<Vec<Waiting>> {
        let mut waiting = Vec::new();
        let mut group: Vec<Course> = Vec::new();
        for (i, scope) in scopes.iter().enumerate() {
            self.set_ahead(&scopes[i..]);
            if !group.is_empty() && !self.may_join(&group, scope) {
                waiting.extend(self.together(std::mem::take(&mut group))?);
            }
            self.set_ahead(&scopes[i + 1..]);
            let Some(ready) = self.ready(scope)? else { continue };
            group.push(Course::new(ready));
            if let [alone] = &mut group[..]
                && !self.takes_others_along(alone, scope)?
            {
                waiting.extend(self.together(std::mem::take(&mut group))?);
            }
        }
        waiting.extend(self.together(group)?);
        Ok(waiting)
    }

    /// Goes through a doctype as long as that keeps the workers busy; `true` where the rest of it
    /// would leave most of them idle.
    fn takes_others_along(&mut self, course: &mut Course, scope: &Scope) -> anyhow::Result<bool> {
        self.around.watcher.working(&course.doctype.config.doctype, course.left().len());
        let may = scope.is_whole() && self.may_read_ahead() && !self.options.dry_run;
        while !course.left().is_empty() {
            self.wave_alone(course)?;
            if may && course.is_in_turn && course.left().len() > self.config.batch_size {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// One wave of documents of a doctype, the next one read meanwhile.
    fn wave_alone(&mut self, course: &mut Course) -> anyhow::Result<()> {
        let wave = course.take(self.wave());
        let next = course.left();
        let next = &next[..next.len().min(self.wave())];
        let done = self.wave_of(&course.doctype, &wave, next, self.open());
        match self.contained(&course.doctype.config, done)? {
            Some(WaveDone { aside, in_turn }) => {
                course.aside.extend(aside);
                course.is_in_turn = in_turn * 2 > wave.len();
            }
            None => course.has_failed = true,
        }
        Ok(())
    }

    /// What is done about links to documents that are not there yet.
    fn open(&self) -> OpenLinks {
        if self.options.dry_run { OpenLinks::Ignore } else { OpenLinks::Wait }
    }

    /// What is to be looked at of a doctype. One that cannot be synced does not stop the others.
    fn ready(&mut self, scope: &Scope) -> anyhow::Result<Option<Ready>> {
        self.check_interrupted()?;
        let config = self.effective(&scope.config);
        self.counts(&config.doctype);
        let ready = self.try_ready(config.clone(), scope);
        Ok(self.contained(&config, ready)?.flatten())
    }

    fn try_ready(&mut self, config: DoctypeConfig, scope: &Scope) -> anyhow::Result<Option<Ready>> {
        self.settle(&config)?;
        let candidates = if !scope.told.is_empty() {
            self.scan_told(&config, &scope.told)?
        } else if scope.names.is_empty() {
            self.scan(&config)?
        } else {
            self.scan_names(&config, &scope.names)?
        };
        if candidates.is_empty() {
            return Ok(None);
        }
        self.note_spellings(&config.doctype)?;
        let doctype = self.load_doctype(self.under_the_persons_word(config))?;
        Ok(Some((doctype, candidates)))
    }

    fn set_ahead(&mut self, scopes: &[Scope]) {
        self.ahead = scopes.iter().map(|scope| scope.config.doctype.clone()).collect();
    }

    /// Whether a doctype can be gone through beside these. What is wrong with it is said in its
    /// own turn.
    fn may_join(&mut self, group: &[Course], scope: &Scope) -> bool {
        if !scope.is_whole() || group.len() >= MOST {
            return false;
        }
        let config = self.effective(&scope.config);
        let Ok(doctype) = self.load_doctype(config) else { return false };
        group.iter().all(|other| are_independent(&doctype, &other.doctype))
    }

    /// Goes through what is left of some doctypes at the same time, then again through what was set
    /// aside of each.
    fn together(&mut self, mut courses: Vec<Course>) -> anyhow::Result<Vec<Waiting>> {
        if courses.len() > 1 {
            let names: Vec<&str> =
                courses.iter().map(|course| course.doctype.config.doctype.as_str()).collect();
            let left = courses.iter().map(|course| course.left().len()).sum();
            self.around.watcher.working(&names.join(", "), left);
        }
        loop {
            let mut left: Vec<&mut Course> =
                courses.iter_mut().filter(|course| !course.left().is_empty()).collect();
            let is_in_turn = left.iter().any(|course| course.is_in_turn);
            match &mut left[..] {
                [] => break,
                [_, _, ..] if is_in_turn => self.joint_wave(left)?,
                [first, ..] => self.wave_alone(first)?,
            }
        }
        let mut waiting = Vec::new();
        for course in courses.into_iter().filter(|course| !course.has_failed) {
            let Course { doctype, candidates, aside, .. } = course;
            let aside = self.further_rounds(&doctype, candidates.len(), aside, self.open());
            let aside = self.contained(&doctype.config, aside)?.unwrap_or_default();
            if !aside.is_empty() {
                waiting.push((doctype, aside));
            }
        }
        Ok(waiting)
    }

    /// fetch -> plan for some documents of one of them: what is to be looked at again, and what is to
    /// be written.
    fn prepare(
        &mut self,
        doctype: &Doctype,
        mut wave: Vec<Candidate>,
    ) -> anyhow::Result<(Vec<Aside>, Writes)> {
        let pairs = self.fetch_met(doctype, &mut wave)?;
        self.around.watcher.advance(wave.len());
        // A side that looks wrong stops the doctype.
        if self.counts(&doctype.config.doctype).guard.is_some() {
            return Ok(Default::default());
        }
        let operations = self.plan(doctype, pairs, OpenLinks::Wait)?;
        self.do_here(doctype, operations)
    }

    /// One wave of documents of all of these.
    fn joint_wave(&mut self, mut courses: Vec<&mut Course>) -> anyhow::Result<()> {
        self.check_interrupted()?;
        // Whole batches: each costs the same requests.
        let batches = self.wave() / self.config.batch_size.max(1) / courses.len().max(1);
        let share = batches.max(1) * self.config.batch_size.max(1);
        let mut planned = Vec::new();
        for (i, course) in courses.iter_mut().enumerate() {
            let wave = course.take(share);
            let documents = wave.len();
            let writes = self.prepare(&course.doctype, wave);
            match self.contained(&course.doctype.config, writes)? {
                Some((aside, writes)) => {
                    course.aside.extend(aside);
                    let in_turn = writes.iter().filter(|(_, write)| is_counted(write)).count();
                    course.is_in_turn = in_turn * 2 > documents;
                    planned.push((i, writes));
                }
                None => course.has_failed = true,
            }
        }
        let places: Vec<usize> = planned.iter().map(|(i, _)| *i).collect();
        let waves = planned.into_iter().map(|(i, writes)| (&courses[i].doctype, writes)).collect();
        let written = self.write_together(waves)?;
        for (i, written) in places.iter().zip(written) {
            let course = &mut *courses[*i];
            match self.contained(&course.doctype.config, written)? {
                Some(aside) => course.aside.extend(aside),
                None => course.has_failed = true,
            }
        }
        Ok(())
    }
}

/// Whether the document of an operation is created in its turn: the site counts its name.
pub(super) fn is_in_turn(operation: &Operation) -> bool {
    matches!(&operation.step, Step::Send(write) if is_counted(write))
}

/// Whether it does not matter in which order two doctypes are gone through, so far as the metadata
/// tells.
fn are_independent(one: &Doctype, other: &Doctype) -> bool {
    let does_link = |from: &Doctype, to: &Doctype| {
        from.schemas.iter().any(|(_, schema)| {
            linked(schema).is_none_or(|linked| linked.contains(to.config.doctype.as_str()))
        })
    };
    let is_posted = |one: &Doctype| one.schemas.iter().any(|(_, schema)| schema.is_submittable);
    one.config.doctype != other.config.doctype
        && !is_posted(one)
        && !is_posted(other)
        && !does_link(one, other)
        && !does_link(other, one)
}

/// The doctypes that documents link to; `None` where a document itself says to which.
fn linked(schema: &Schema) -> Option<BTreeSet<&str>> {
    let mut linked = BTreeSet::new();
    let rows = schema.tables.values().flat_map(|table| table.fields.values());
    for field in schema.fields.values().chain(rows) {
        match &field.kind {
            FieldKind::Link(doctype) => drop(linked.insert(doctype.as_str())),
            FieldKind::DynamicLink(_) => return None,
            _ => {}
        }
    }
    Some(linked)
}

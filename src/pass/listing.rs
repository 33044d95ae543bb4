//! Listing: everything that both sites have of a doctype, or only the days whose sums do not
//! agree with what was seen. Of everything, too, only the days that are not as they were seen go
//! to the state.
//!
//! The rules kept here: only a whole listing counts as one, and one is made at least every
//! `list_every`, because sums may agree by chance; and whatever keeps a site from adding up leads
//! to a whole listing, never to a day that is not looked at. Of a whole listing a day is left out
//! only where it has the very documents that were seen.

use std::collections::BTreeSet;
use std::hash::RandomState;

use serde_json::{Value, json};

use crate::config::DoctypeConfig;
use crate::model::{DayDigests, Doc, Fingerprint, Side, Sides, Stretch, md5_hex};
use crate::site::bulk::{self, Pages};
use crate::site::{ListQuery, Site, SiteError, Stamps, sums};
use crate::state::{Listed, ListingTimes};

use super::lines::{Lines, listed};
use super::{Pass, at};

/// What was listed.
pub(super) struct Listing {
    /// How many documents the rules take up on each side.
    pub taken_up: Sides<usize>,
    /// Whether every document was listed, not only those of some days.
    pub is_whole: bool,
    /// Whether the state has something to take over: a day was listed, or a document is known that
    /// every listing should show.
    pub has_news: bool,
    /// Whether a site was asked for its sums and did not give them.
    pub are_sums_refused: bool,
}

/// One side's documents of the days that do not agree.
struct Days {
    stretches: Vec<Stretch>,
    listed: Lines,
    /// How many documents there are on all days.
    count: usize,
}

/// So many documents are handed to the state at once.
const AT_ONCE: usize = 5000;

impl Pass<'_> {
    /// Lists both sides into the state, for it to be taken over or dropped.
    pub(super) fn list(&mut self, config: &DoctypeConfig, full: bool) -> anyhow::Result<Listing> {
        let asks_for_sums = !full && self.may_list_days(config)?;
        if asks_for_sums && let Some(days) = self.list_days(config)? {
            return self.take_days(config, &days);
        }
        let listing = if !full && self.may_compare(config)? {
            let days = self.list_unlike_seen(config)?;
            self.take_days(config, &days)?
        } else {
            self.state.begin_listing(&config.doctype)?;
            let taken_up = self.list_everything(config)?;
            for side in Side::BOTH {
                self.state.cover_everything(side)?;
            }
            Listing { taken_up, is_whole: true, has_news: true, are_sums_refused: false }
        };
        Ok(Listing { is_whole: true, are_sums_refused: asks_for_sums, ..listing })
    }

    /// Whether a person says something about a side: what became of it is judged by all it has.
    fn is_any_spoken_for(&self) -> bool {
        Side::BOTH.into_iter().any(|side| self.is_spoken_for(side))
    }

    /// Whether sums may say which days to list.
    pub(super) fn may_list_days(&self, config: &DoctypeConfig) -> anyhow::Result<bool> {
        // A site cannot add up what a filter on a child table lets in (COPYING.md 7).
        if self.is_any_spoken_for() || bulk::joins_rows(&config.doctype, &config.filters) {
            return Ok(false);
        }
        let ListingTimes { listed, refused, scope, .. } =
            self.state.last_listed(&config.doctype)?;
        let is_recent =
            |time| self.now().duration_since(time).unsigned_abs() < self.config.list_every;
        Ok(listed.is_some_and(is_recent)
            && scope == scope_of(config)
            && !refused.is_some_and(is_recent))
    }

    /// Asks both sides for their sums and lists the days that do not agree with what was seen.
    /// `None` where one of them cannot add up.
    fn list_days(&mut self, config: &DoctypeConfig) -> anyhow::Result<Option<Sides<Days>>> {
        let seen = Sides::new(
            self.state.fingerprint(&config.doctype, Side::Cloud)?,
            self.state.fingerprint(&config.doctype, Side::Local)?,
        );
        let known = Sides::from_fn(|side| self.opening.take_sums(side, &config.doctype));
        let (sites, page_size) = (self.sites, self.config.page_size);
        let days = self.workers.both(|side| {
            let now = known[side].clone().unwrap_or_else(|| {
                sums::fetch_fingerprint(sites[side], &config.doctype, &config.filters)
            });
            days_of(sites[side], config, &seen[side], now, page_size).map_err(at(side))
        })?;
        Ok(days.cloud.zip(days.local).map(|(cloud, local)| Sides::new(cloud, local)))
    }

    /// Whether a whole listing may be compared by day with what was seen. Under filters it is made
    /// twice, and what they leave out was seen as well; a person's word is about every document, also
    /// where none of them is new.
    pub(super) fn may_compare(&self, config: &DoctypeConfig) -> anyhow::Result<bool> {
        let is_plain = config.filters.is_empty() && !self.is_any_spoken_for();
        Ok(is_plain && self.state.knows_any(&config.doctype)?)
    }

    /// Lists everything of both sides, beside reading what was seen there; gives the days that are
    /// not as they were seen.
    fn list_unlike_seen(&mut self, config: &DoctypeConfig) -> anyhow::Result<Sides<Days>> {
        let known = self.opening.take_everything(&config.doctype);
        let (sites, workers, key) = (self.sites, &self.workers, &self.key);
        let (doctype, pages) = (&config.doctype, Pages::of(self.config.page_size));
        let list =
            || workers.both(|side| list_by_day(sites[side], doctype, pages, key).map_err(at(side)));
        let (listed, seen) = if let Some(known) = known {
            known
        } else {
            let (listed, seen) = workers.beside(list, || self.seen_by_day(doctype));
            (listed?, seen?)
        };
        Ok(listed.map(|side, (lines, now)| unlike(lines, &now, &seen[side])))
    }

    /// What was seen of a doctype.
    pub(super) fn seen_by_day(&self, doctype: &str) -> anyhow::Result<Sides<DayDigests>> {
        Ok(Sides::new(
            self.state.seen_by_day(doctype, Side::Cloud, &self.key)?,
            self.state.seen_by_day(doctype, Side::Local, &self.key)?,
        ))
    }

    /// Hands the days to the state, with the known documents that the filters leave out: those
    /// are asked for by name.
    fn take_days(&mut self, config: &DoctypeConfig, days: &Sides<Days>) -> anyhow::Result<Listing> {
        let taken_up = Sides::from_fn(|side| days[side].count);
        let has_days = days.iter().any(|(_, days)| !days.stretches.is_empty());
        let has_news = has_days || self.state.expects_unseen(&config.doctype)?;
        let listing = Listing { taken_up, is_whole: false, has_news, are_sums_refused: false };
        if !has_news {
            return Ok(listing);
        }
        self.state.begin_listing(&config.doctype)?;
        for (side, days) in days.iter() {
            let mut listed = days.listed.listed();
            loop {
                let some: Vec<Listed> = listed.by_ref().take(AT_ONCE).collect();
                if some.is_empty() {
                    break;
                }
                self.state.add_listed(side, &some)?;
            }
            self.state.cover_days(side, &days.stretches)?;
        }
        if !config.filters.is_empty() {
            let names = Sides::new(
                self.state.not_listed(Side::Cloud)?,
                self.state.not_listed(Side::Local)?,
            );
            let (sites, page_size) = (self.sites, self.config.page_size);
            let listed = self.workers.both(|side| {
                list_named(sites[side], &config.doctype, &names[side], page_size).map_err(at(side))
            })?;
            for (side, found) in listed.iter() {
                self.state.add_listed(side, found)?;
            }
        }
        Ok(listing)
    }

    /// Lists everything of both sides at the same time, each page into the state as it comes; gives
    /// how many documents the rules take up.
    fn list_everything(&mut self, config: &DoctypeConfig) -> anyhow::Result<Sides<usize>> {
        let (sites, pages) = (self.sites, Pages::of(self.config.page_size));
        // A known document stays in step whether the filter still lets it in or not.
        let knows_some = !config.filters.is_empty() && self.state.knows_any(&config.doctype)?;
        let state = &mut *self.state;
        let mut taken_up = Sides::<usize>::default();
        self.workers.streamed(
            |side, hand_on| {
                let mut all = |filters: &[Value], taken_up: bool| {
                    bulk::list_all(sites[side], &config.doctype, filters, pages, |page| {
                        let listed = page.into_iter().map(|one| listed(one, taken_up)).collect();
                        Ok::<(), Ended>(hand_on(listed)?)
                    })
                    .map_err(|ended| ended.at(side))
                };
                all(&config.filters, true)?;
                if knows_some {
                    all(&[], false)?;
                }
                Ok(())
            },
            |side, page: Vec<Listed>| {
                taken_up[side] += page.iter().filter(|document| document.taken_up).count();
                Ok(state.add_listed(side, &page)?)
            },
        )?;
        Ok(taken_up)
    }

    /// A document that was renamed while it was listed stands in the listing under both names, or
    /// under the new one while its former day is not listed. The former name is struck out where
    /// the site does not have it any more.
    pub(super) fn strike_former_names(&mut self, doctype: &str) -> anyhow::Result<()> {
        let doubtful = self.state.names_in_doubt()?;
        let (sites, batch_size) = (self.sites, self.config.batch_size.max(1));
        let there = self.workers.both(|side| {
            let mut there = BTreeSet::new();
            for names in doubtful[side].chunks(batch_size) {
                there.extend(names_there(sites[side], doctype, names).map_err(at(side))?);
            }
            Ok(there)
        })?;
        for (side, names) in doubtful.iter() {
            let is_former = |name: &&String| !there[side].contains(*name);
            let former: Vec<String> = names.iter().filter(is_former).cloned().collect();
            self.state.strike_listed(side, &former)?;
        }
        Ok(())
    }
}

/// Why a listing ended early: the site, or whoever takes its pages.
#[derive(Debug)]
enum Ended {
    BySite(SiteError),
    ByUs(anyhow::Error),
}

impl From<SiteError> for Ended {
    fn from(error: SiteError) -> Self {
        Self::BySite(error)
    }
}

impl From<anyhow::Error> for Ended {
    fn from(error: anyhow::Error) -> Self {
        Self::ByUs(error)
    }
}

impl Ended {
    fn at(self, side: Side) -> anyhow::Error {
        match self {
            Self::BySite(error) => at(side)(error),
            Self::ByUs(error) => error,
        }
    }
}

/// What a whole listing is about: under other filters it has to be made again.
pub(super) fn scope_of(config: &DoctypeConfig) -> String {
    md5_hex(Value::from(config.filters.clone()).to_string().as_bytes())
}

/// One side's documents of the days on which what adds up `now` does not agree with what was
/// `seen`; `None` where the site does not give its sums. Whether a day is complete is known by
/// its sums: what comes in while it is listed makes the next sums differ.
fn days_of(
    site: &dyn Site,
    config: &DoctypeConfig,
    seen: &Fingerprint,
    now: Result<Fingerprint, SiteError>,
    page_size: usize,
) -> Result<Option<Days>, SiteError> {
    let now = match now {
        Err(error) if !error.is_outage() => return Ok(None),
        now => now?,
    };
    let stretches = seen.differing(&now);
    let mut listed = Lines::default();
    for stretch in &stretches {
        let Some(days) = sums::within(stretch) else { return Ok(None) };
        let enough = now.count_within(stretch);
        if enough > 0 {
            let filters: Vec<Value> = config.filters.iter().cloned().chain(days).collect();
            let pages = Pages { size: page_size, enough: Some(enough) };
            bulk::list_all(site, &config.doctype, &filters, pages, |page| {
                listed.extend(page);
                Ok::<(), SiteError>(())
            })?;
        }
    }
    Ok(Some(Days { stretches, listed, count: now.count() }))
}

/// Everything that a site lists, and what it amounts to by day.
pub(super) type Everything = (Lines, DayDigests);

/// Lists everything that a site has.
pub(super) fn list_by_day(
    site: &dyn Site,
    doctype: &str,
    pages: Pages,
    key: &RandomState,
) -> Result<Everything, SiteError> {
    let (mut lines, mut days) = (Lines::default(), DayDigests::new(key));
    bulk::list_all(site, doctype, &[], pages, |page| {
        for one in page {
            days.add(&one.name(), &one.creation, &one.modified);
            lines.push(one);
        }
        Ok::<(), SiteError>(())
    })?;
    Ok((lines, days))
}

/// The days of a whole listing that are not as they were `seen`: all of them where a document, there
/// or in the state, has no day.
fn unlike(lines: Lines, now: &DayDigests, seen: &DayDigests) -> Days {
    let count = lines.len();
    let Some(spans) = seen.differing(now) else {
        return Days { stretches: vec![Stretch::of_all_days()], listed: lines, count };
    };
    let stretches = spans.iter().map(Stretch::from).collect();
    Days { stretches, listed: lines.within(&spans), count }
}

/// What a site lists under these names, whatever the filters.
fn list_named(
    site: &dyn Site,
    doctype: &str,
    names: &[String],
    page_size: usize,
) -> Result<Vec<Listed>, SiteError> {
    let mut all = Vec::new();
    for page in names.chunks(page_size.max(1)) {
        let found = site.list_stamps(&ListQuery {
            doctype: doctype.to_owned(),
            fields: Stamps::FIELDS.map(str::to_owned).to_vec(),
            filters: vec![json!(["name", "in", page])],
            order_by: "name asc".to_owned(),
            ..ListQuery::default()
        })?;
        all.extend(found.into_iter().map(|one| listed(one, false)));
    }
    Ok(all)
}

/// Those of some names that a site has.
fn names_there(
    site: &dyn Site,
    doctype: &str,
    names: &[String],
) -> Result<BTreeSet<String>, SiteError> {
    let found = site.list(&ListQuery {
        doctype: doctype.to_owned(),
        fields: vec!["name".to_owned()],
        filters: vec![json!(["name", "in", names])],
        order_by: "name asc".to_owned(),
        ..ListQuery::default()
    })?;
    Ok(found.iter().map(Doc::name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::SiteResult;
    use crate::site::reads::Reads;

    /// What a listing shows: name, `creation`, `modified`.
    type Row = (&'static str, &'static str, &'static str);

    const A: Row = ("A", "c1", "2026-11-01 10:00:00");
    const B: Row = ("B", "c2", "2026-11-01 11:00:00");
    const C: Row = ("C", "c3", "2026-11-02 10:00:00");
    const D: Row = ("D", "c4", "2026-11-03 10:00:00");

    /// A site with these documents, on one page.
    struct Fixed(Vec<Row>);

    impl Reads for Fixed {
        fn listed(&self, query: &ListQuery) -> SiteResult<Vec<Doc>> {
            let row = |(name, creation, modified): &Row| {
                let row = json!({"name": name, "creation": creation, "modified": modified});
                Doc(row.as_object().unwrap().clone())
            };
            let is_first = query.filters.is_empty();
            Ok(if is_first { self.0.iter().map(row).collect() } else { Vec::new() })
        }
    }

    /// The stretches that are not as they were seen, their documents, and how many there are.
    fn unlike_seen(seen: &[Row], now: &[Row]) -> (Vec<String>, String, usize) {
        let key = RandomState::new();
        let mut then = DayDigests::new(&key);
        for (name, creation, modified) in seen {
            then.add(name, creation, modified);
        }
        let site = Fixed(now.to_vec());
        let (lines, now) = list_by_day(&site, "Item", Pages::of(5), &key).unwrap();
        let days = unlike(lines, &now, &then);
        let stretch = |Stretch { first, last }: &Stretch| format!("{first} to {last}");
        let mut names: Vec<String> = days.listed.listed().map(|one| one.name).collect();
        names.sort();
        (days.stretches.iter().map(stretch).collect(), names.concat(), days.count)
    }

    #[test]
    fn of_a_whole_listing_only_what_is_not_as_it_was_seen_is_taken() {
        let seen = [A, B, C, D];
        let none = (Vec::new(), String::new(), 4);
        assert_eq!(unlike_seen(&seen, &[D, C, B, A]), none);
        let day = |first: &str, last: &str| vec![format!("2026-11-{first} to 2026-11-{last}")];
        let later = ("B", B.1, "2026-11-01 11:00:01");
        assert_eq!(unlike_seen(&seen, &[A, later, C, D]), (day("01", "01"), "AB".to_owned(), 4));
        let another = ("C", "c9", C.2);
        assert_eq!(unlike_seen(&seen, &[A, B, another, D]), (day("02", "02"), "C".to_owned(), 4));
        assert_eq!(unlike_seen(&seen, &[A, B]), (day("02", "03"), String::new(), 2));
        assert_eq!(unlike_seen(&[], &seen), (day("01", "03"), "ABCD".to_owned(), 4));
    }

    #[test]
    fn where_a_document_has_no_day_everything_is_taken() {
        let undated = ("E", "c5", "");
        let all = vec![" to ".to_owned()];
        assert_eq!(unlike_seen(&[A, B], &[A, B, undated]), (all.clone(), "ABE".to_owned(), 3));
        assert_eq!(unlike_seen(&[A, B, undated], &[A, B]), (all, "AB".to_owned(), 2));
    }
}

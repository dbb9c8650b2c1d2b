//! What a run told, compared with what happened.
//!
//! The rules are those of the detection benchmark. A theft is found by the first incident from its first request to an
//! hour after its last. Where the same traffic was also run without the thief, one that the owner alone raises from a day
//! before to an hour after finds nothing. False incidents of one key within a day are one.

use super::labels::{Change, HOUR, Labels, Scored, Theft};
use super::seen::{KeySeen, Row, Seen};
use super::stats::{mean, poisson_upper, quantile};
use crate::key::KeyId;
use crate::time::{DAY, SECOND, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The class of what happened where nothing changed.
pub const NOTHING: &str = "nothing";

/// What there is to compare.
pub struct Sight<'a> {
    /// What happened.
    pub labels: &'a Labels,
    /// The run with everything in it.
    pub told: &'a Seen,
    /// The run without the thieves, where they can be left out.
    pub clean: Option<&'a Seen>,
    /// Where the thieves' requests are.
    pub rows: &'a Seen,
    /// What came before is not scored.
    pub from: Timestamp,
}

/// How well thefts were found.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Recall {
    /// How many there were, and how many were found.
    pub thefts: u64,
    /// How many of them.
    pub found: u64,
    /// The part of them.
    pub recall: f64,
    /// Seconds of event time from the first request of the thief to the incident.
    pub delay_s_p50: Option<f64>,
    /// The same that one in ten exceeds.
    pub delay_s_p90: Option<f64>,
    /// Dollars that the thief had spent by then.
    pub usd_lost_p50: Option<f64>,
    /// The same that one in ten exceeds.
    pub usd_lost_p90: Option<f64>,
    /// The part of the requests told as the thief's that are; mean of the thefts that were told with requests.
    pub attribution_precision: Option<f64>,
    /// The part of the thief's requests that were told.
    pub attribution_recall: Option<f64>,
}

/// All thefts together.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Net {
    /// Of all.
    #[serde(flatten)]
    pub all: Recall,
    /// Mean recall of the classes.
    pub mean_recall: f64,
    /// The class that is found least, and how much of it.
    pub worst_class: String,
    /// How much of it.
    pub worst_recall: f64,
}

/// False incidents of a kind.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct ByChange {
    /// How often this happened, and in how many of them an incident was told.
    pub changes: u64,
    /// In how many of them an incident was told.
    pub changes_hit: u64,
    /// Days on which a key was used while it lasted.
    pub key_days: u64,
    /// False incidents.
    pub false_incidents: u64,
    /// The same of 1,000 days.
    pub per_1000: Option<f64>,
}

/// How quiet it was.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Falses {
    /// Keys.
    pub keys: u64,
    /// Days on which their owners used them.
    pub key_days: u64,
    /// False incidents, those of a key within a day as one.
    pub false_incidents: u64,
    /// The same of 1,000 days.
    pub per_1000: Option<f64>,
    /// The upper end of the 95 % interval.
    pub per_1000_upper95: Option<f64>,
    /// Incidents that do not speak of theft.
    pub operational: u64,
    /// By what had changed.
    pub by_change: BTreeMap<String, ByChange>,
}

/// Some of the keys.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Population {
    /// How quiet.
    #[serde(flatten)]
    pub falses: Falses,
    /// How well thefts were found, if there were any.
    pub thefts: Option<Recall>,
    /// The same by class.
    pub classes: BTreeMap<String, Recall>,
}

/// Everything.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Score {
    /// All thefts, if there were any.
    pub thefts: Option<Net>,
    /// By class.
    pub classes: BTreeMap<String, Recall>,
    /// How quiet.
    pub falses: Falses,
    /// By population, where the labels name some.
    pub populations: BTreeMap<String, Population>,
    /// Thefts that were not found.
    pub missed: Vec<Missed>,
    /// Keys that labels name and no record has.
    pub unknown_keys: Vec<String>,
}

/// A theft that was not found.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Missed {
    /// The key as its label names it.
    pub key: String,
    /// Class of the theft.
    pub class: String,
    /// Its first request.
    pub start: String,
    /// Dollars that the thief spent, where anybody knows.
    pub usd: Option<f64>,
}

/// What became of one theft.
struct Found<'a> {
    theft: &'a Theft,
    population: String,
    at: Option<Timestamp>,
    usd: Option<f64>,
    /// Precision and recall of the requests told.
    traced: Option<(f64, f64)>,
}

/// Scores a run.
pub fn score(sight: &Sight<'_>) -> Score {
    let found: Vec<Found<'_>> = sight.labels.thefts.iter().map(|theft| sight.found(theft)).collect();
    let mut score = Score {
        thefts: None,
        classes: by_class(found.iter()),
        falses: Falses::default(),
        populations: BTreeMap::new(),
        missed: found.iter().filter(|found| found.at.is_none()).map(Missed::of).collect(),
        unknown_keys: sight.unknown_keys(),
    };
    let worst = score.classes.iter().min_by(|(_, one), (_, other)| one.recall.total_cmp(&other.recall));
    let recalls: Vec<f64> = score.classes.values().map(|class| class.recall).collect();
    if let (Some((name, worst)), Some(mean_recall)) = (worst, mean(&recalls)) {
        let (worst_class, worst_recall) = (name.clone(), worst.recall);
        score.thefts = Some(Net { all: recall(found.iter()), mean_recall, worst_class, worst_recall });
    }
    sight.count_falses(&mut score);
    for (name, population) in &mut score.populations {
        let mine = || found.iter().filter(|found| found.population == *name);
        population.thefts = mine().next().map(|_| recall(mine()));
        population.classes = by_class(mine());
        population.falses.settle();
    }
    score.falses.settle();
    score
}

impl Sight<'_> {
    /// The run in which everything is false.
    fn quiet(&self) -> &Seen {
        self.clean.unwrap_or(self.told)
    }

    fn scored(&self, id: KeyId, key: &KeySeen) -> Option<Scored> {
        let scored = self.labels.scored_of([&key.hint, &key.alias, &id.to_string()])?;
        Some(Scored { start: scored.start.max(self.from), ..scored })
    }

    fn unknown_keys(&self) -> Vec<String> {
        let thefts = self.labels.thefts.iter().map(|theft| &theft.key);
        let names = thefts.chain(self.labels.changes.iter().map(|change| &change.key));
        let mut unknown: Vec<String> =
            names.filter(|name| self.told.called(name).is_empty()).cloned().collect();
        unknown.sort_unstable();
        unknown.dedup();
        unknown
    }

    fn found<'a>(&self, theft: &'a Theft) -> Found<'a> {
        let (low, high) = (theft.start, theft.end.plus(HOUR));
        let keys = self.told.called(&theft.key);
        let at = keys.iter().filter_map(|key| self.first_new(*key, low, high)).min();
        let population = keys.first().and_then(|key| {
            let seen = self.told.keys.get(key)?;
            self.labels.scored_of([&seen.hint, &seen.alias, &key.to_string()])
        });
        let rows = self.rows_of(theft, &keys);
        let usd = (!rows.is_empty()).then(|| {
            let before = rows.iter().filter(|row| at.is_none_or(|at| row.at <= at));
            before.map(|row| row.usd).sum()
        });
        let own: BTreeSet<&str> = rows.iter().map(|row| &*row.id).collect();
        let traced = at.and_then(|_| self.traced(&keys, &own, low, high));
        let population = population.map_or_else(String::new, |scored| scored.population);
        Found { theft, population, at, usd, traced }
    }

    fn rows_of(&self, theft: &Theft, keys: &[KeyId]) -> Vec<&Row> {
        let rows = keys.iter().filter_map(|key| self.rows.keys.get(key)).flat_map(|key| &key.rows);
        let ids: Option<BTreeSet<&str>> =
            theft.requests.as_ref().map(|ids| ids.iter().map(|id| &**id).collect());
        rows.filter(|row| ids.as_ref().is_none_or(|ids| ids.contains(&*row.id))).collect()
    }

    /// The first incident that the owner alone does not raise.
    fn first_new(&self, key: KeyId, low: Timestamp, high: Timestamp) -> Option<Timestamp> {
        let clean = self.clean.map_or_else(Vec::new, |clean| clean.times(key, true));
        let is_own = |at: Timestamp| clean.iter().any(|own| at.minus(DAY) <= *own && *own <= at.plus(HOUR));
        let times = self.told.times(key, true);
        times.into_iter().find(|at| (low..=high).contains(at) && !is_own(*at))
    }

    #[allow(clippy::cast_precision_loss, reason = "counts of requests")]
    fn traced(
        &self,
        keys: &[KeyId],
        own: &BTreeSet<&str>,
        low: Timestamp,
        high: Timestamp,
    ) -> Option<(f64, f64)> {
        let incidents = keys.iter().flat_map(|key| self.told.of_key(*key));
        let during = incidents.filter(|opened| opened.is_theft && (low..=high).contains(&opened.at));
        let given: BTreeSet<&str> = during.flat_map(|opened| &opened.requests).map(|id| &**id).collect();
        if given.is_empty() || own.is_empty() {
            return None;
        }
        let right = given.intersection(own).count() as f64;
        Some((right / given.len() as f64, right / own.len() as f64))
    }

    fn count_falses(&self, score: &mut Score) {
        for (id, key) in &self.quiet().keys {
            let Some(scored) = self.scored(*id, key) else { continue };
            let mut falses = Falses { keys: 1, ..Falses::default() };
            self.count_key(*id, key, &scored, &mut falses);
            if !scored.population.is_empty() {
                score.populations.entry(scored.population).or_default().falses.add(&falses);
            }
            score.falses.add(&falses);
        }
    }

    fn count_key(&self, id: KeyId, key: &KeySeen, scored: &Scored, falses: &mut Falses) {
        let is_scored = |at: &Timestamp| (scored.start..scored.end).contains(at);
        let mine = |change: &&Change| change.end >= scored.start && key.is_called(id, &change.key);
        let changes: Vec<&Change> = self.labels.changes.iter().filter(mine).collect();
        for change in &changes {
            falses.by_change.entry(change.class.clone()).or_default().changes += 1;
        }
        for day in key.days.iter().filter(|day| is_scored(day)) {
            let touches = |change: &&&Change| change.start < day.plus(DAY) && change.end.plus(DAY) > *day;
            let class = changes.iter().rfind(touches).map_or(NOTHING, |change| &change.class);
            falses.by_change.entry(class.to_owned()).or_default().key_days += 1;
            falses.key_days += 1;
        }
        let times = |is_theft| {
            let times = self.quiet().times(id, is_theft).into_iter();
            apart(times.filter(|at| {
                is_scored(at) && (self.clean.is_some() || !self.labels.explains(self.told, id, *at))
            }))
        };
        falses.operational += times(false).len() as u64;
        let mut hit: Vec<usize> = Vec::new();
        for at in times(true) {
            let place = changes.iter().rposition(|c| c.start <= at && at <= c.end.plus(DAY));
            let class = place.map_or(NOTHING, |place| &changes[place].class);
            let by_change = falses.by_change.entry(class.to_owned()).or_default();
            by_change.false_incidents += 1;
            falses.false_incidents += 1;
            if let Some(place) = place.filter(|place| !hit.contains(place)) {
                by_change.changes_hit += 1;
                hit.push(place);
            }
        }
    }
}

/// Those that do not come within a day of one that is kept.
fn apart(times: impl Iterator<Item = Timestamp>) -> Vec<Timestamp> {
    let mut kept: Vec<Timestamp> = Vec::new();
    for at in times {
        if kept.last().is_none_or(|last| at.0 - last.0 >= DAY) {
            kept.push(at);
        }
    }
    kept
}

impl Falses {
    fn add(&mut self, other: &Self) {
        self.keys += other.keys;
        self.key_days += other.key_days;
        self.false_incidents += other.false_incidents;
        self.operational += other.operational;
        for (class, one) in &other.by_change {
            let all = self.by_change.entry(class.clone()).or_default();
            all.changes += one.changes;
            all.changes_hit += one.changes_hit;
            all.key_days += one.key_days;
            all.false_incidents += one.false_incidents;
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "counts")]
    fn settle(&mut self) {
        let rate = |count: f64, days: u64| (days > 0).then(|| 1000.0 * count / days as f64);
        self.per_1000 = rate(self.false_incidents as f64, self.key_days);
        self.per_1000_upper95 = rate(poisson_upper(self.false_incidents), self.key_days);
        for by_change in self.by_change.values_mut() {
            by_change.per_1000 = rate(by_change.false_incidents as f64, by_change.key_days);
        }
    }
}

impl Missed {
    fn of(found: &Found<'_>) -> Self {
        let Theft { key, class, start, .. } = found.theft;
        Self { key: key.clone(), class: class.clone(), start: start.to_string(), usd: found.usd }
    }
}

fn by_class<'a>(all: impl Iterator<Item = &'a Found<'a>>) -> BTreeMap<String, Recall> {
    let mut classes: BTreeMap<&str, Vec<&Found<'_>>> = BTreeMap::new();
    for found in all {
        classes.entry(&found.theft.class).or_default().push(found);
    }
    classes.into_iter().map(|(class, found)| (class.to_owned(), recall(found.into_iter()))).collect()
}

#[allow(clippy::cast_precision_loss, reason = "counts of thefts, and nanoseconds of a delay")]
fn recall<'a>(all: impl Iterator<Item = &'a Found<'a>>) -> Recall {
    let all: Vec<&Found<'_>> = all.collect();
    let caught: Vec<(&Found<'_>, Timestamp)> =
        all.iter().filter_map(|found| Some((*found, found.at?))).collect();
    let seconds = |(found, at): &(&Found<'_>, Timestamp)| (at.0 - found.theft.start.0) as f64 / SECOND as f64;
    let delays: Vec<f64> = caught.iter().map(seconds).collect();
    let lost: Vec<f64> = caught.iter().filter_map(|(found, _)| found.usd).collect();
    let traced: Vec<(f64, f64)> = all.iter().filter_map(|found| found.traced).collect();
    let (precisions, shares): (Vec<f64>, Vec<f64>) = traced.into_iter().unzip();
    Recall {
        thefts: all.len() as u64,
        found: caught.len() as u64,
        recall: caught.len() as f64 / all.len().max(1) as f64,
        delay_s_p50: quantile(&delays, 0.5),
        delay_s_p90: quantile(&delays, 0.9),
        usd_lost_p50: quantile(&lost, 0.5),
        usd_lost_p90: quantile(&lost, 0.9),
        attribution_precision: mean(&precisions),
        attribution_recall: mean(&shares),
    }
}

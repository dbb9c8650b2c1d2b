//! Sums of a provider over stretches of time, of a key of which nothing else is told: nobody is named in them, so what is
//! above the usual of a model and an hour, from when an incident was told of on, is taken for the attacker's.

use super::act::{Act, Bucket, Source};
use super::gather::SUMMED;
use super::gathered::{Case, Gathered};
use super::sums::{Spent, Sums};
use crate::detect::Class;
use crate::incident::{HABITS, OWNER, Phase, incident_id};
use crate::money::NanoUsd;
use crate::record::{Batch, UsageRecord};
use crate::time::{DAY, MINUTE, SECOND, Timestamp};
use std::collections::BTreeMap;

/// Buckets of which it is known what they said last.
const BUCKETS_MAX: usize = 100_000;
/// So long after a bucket that stands out there has to be another, or the theft is over.
const PAUSE: i64 = 2 * DAY;
const HOUR: i64 = 60 * MINUTE;
/// Numbers that one who is told of by his habits may have.
const NUMBERS_MAX: u32 = 4096;

/// The buckets of a key, as they were told last.
#[derive(Clone, Default, Debug)]
pub struct Buckets {
    by: BTreeMap<u64, Act>,
    /// All that they hold.
    pub all: Spent,
    /// What those hold for which there was no room.
    pub rest: Spent,
}

/// What the owner takes of a model at an hour of the day: all of the days before together, and the most of one.
#[derive(Clone, Copy, Default)]
struct Usual {
    sum: Spent,
    most: Spent,
}

/// What of a bucket is whose.
struct Part {
    /// The attacker's, if any is.
    pub his: Option<Act>,
    /// The owner's.
    pub own: Act,
    /// What of it is surely the attacker's, and what may be at most.
    pub cost: [NanoUsd; 2],
}

impl Buckets {
    /// Takes a bucket, in the place of what it said before.
    pub fn take(&mut self, hash: u64, act: Act) {
        let now = spent(&act);
        if self.by.len() >= BUCKETS_MAX && !self.by.contains_key(&hash) {
            self.rest.add(&now);
            return self.all.add(&now);
        }
        let before = self.by.insert(hash, act).map(|act| spent(&act)).unwrap_or_default();
        self.all.add(&now);
        self.all = minus(self.all, before);
    }

    /// All of them in order of time, each with what of it is above the usual from `from` on, if anything is. What is usual
    /// say those before, and a history.
    fn parts(&self, from: Option<Timestamp>, history: &Self) -> Vec<Part> {
        let mut acts: Vec<&Act> = self.by.values().collect();
        acts.sort_by(|one, other| {
            (one.at, &one.model, &one.endpoint).cmp(&(other.at, &other.model, &other.endpoint))
        });
        let Some(from) = from else { return acts.into_iter().map(Part::own).collect() };
        let past: Vec<&Act> = history.by.values().chain(acts.iter().copied()).collect();
        let (usual, days) = usual(&past, from);
        let mut latest = from;
        acts.into_iter()
            .map(|act| {
                let known = usual.get(&slot(act)).copied().unwrap_or_default();
                let is_his = act.end() > from && act.at.0 - latest.0 <= PAUSE && stands_out(act, &known);
                if !is_his {
                    return Part::own(act);
                }
                latest = act.end();
                Part::of(act, &known, days)
            })
            .collect()
    }
}

impl Part {
    fn own(act: &Act) -> Self {
        Self { his: None, own: act.clone(), cost: [NanoUsd::ZERO; 2] }
    }

    /// What is above the mean of the days before is his; above their most surely, at most all.
    fn of(act: &Act, known: &Usual, days: u64) -> Self {
        let all = spent(act);
        let mean = Spent {
            requests: known.sum.requests / days,
            refused: 0,
            tokens: known.sum.tokens.map(|sum| sum / days),
            cost: NanoUsd(known.sum.cost.0 / i64::try_from(days).unwrap_or(i64::MAX)),
        };
        let his = minus(all, mean);
        let own = minus(all, his);
        let whole = Bucket { requests: act.requests, cost: act.cost, ..act.bucket.unwrap_or_default() };
        let with = |spent: Spent| Act {
            requests: u32::try_from(spent.requests).unwrap_or(u32::MAX),
            tokens: spent.tokens,
            cost: spent.cost,
            bucket: Some(whole),
            ..act.clone()
        };
        Self { his: Some(with(his)), own: with(own), cost: [minus(all, known.most).cost, all.cost] }
    }
}

/// What was made of buckets.
#[derive(Clone, Copy, Default, Debug)]
pub struct Summed {
    /// Those of which a part is the attacker's.
    pub buckets: u64,
    /// What of them is surely his, and what may be at most.
    pub cost: [NanoUsd; 2],
}

impl Gathered {
    /// Takes a bucket of the key.
    pub(super) fn take_bucket(&mut self, record: &UsageRecord, batch: &Batch, source: Source) {
        self.sums_seen = self.sums_seen.with(record.signals());
        self.buckets.take(record.request_hash, Act::of(record, batch, source));
    }

    /// Makes consumers of the buckets, where no request is told of.
    pub(super) fn take_buckets(&mut self, since: Option<Timestamp>) {
        if !self.consumers.is_empty() {
            return;
        }
        self.signals_seen = self.signals_seen.with(self.sums_seen);
        let told =
            |case: &&mut Case| case.last.class == Class::Compromise && case.last.phase != Phase::Dismissed;
        let mut from: Option<Timestamp> = None;
        let mut his = SUMMED;
        for case in self.incidents.values_mut().filter(told) {
            let at = case.first.timestamp.at;
            if from.is_none_or(|known| at < known) {
                let is_number = |number: &u32| {
                    incident_id(case.first.key, at.0.div_euclid(SECOND), *number) == case.first.id
                };
                his = (HABITS..HABITS + NUMBERS_MAX).find(is_number).unwrap_or(SUMMED);
                from = Some(at);
            }
            case.consumer = Some(his);
        }
        // All of them are one stranger: sums tell no two apart.
        self.incidents.values_mut().filter(told).for_each(|case| case.consumer = Some(his));
        let from = from.map(|at| since.map_or(at, |since| at.max(since)));
        let parts = self.buckets.parts(from, &self.history.buckets);
        for Part { his: above, own, cost } in parts {
            if let Some(act) = above {
                self.summed.buckets += 1;
                let [least, most] = &mut self.summed.cost;
                (*least, *most) = (*least + cost[0], *most + cost[1]);
                for signal in self.signals.iter_mut().filter(|signal| act.end() <= signal.at) {
                    add(&mut signal.spent, his, &act);
                }
                self.consumers.entry(his).or_insert_with(|| Sums::new(act.at)).take(&act);
                self.spool.push(his, &act);
            }
            if own.requests > 0 || own.cost > NanoUsd::ZERO {
                self.consumers.entry(OWNER).or_insert_with(|| Sums::new(own.at)).take(&own);
                for signal in self.signals.iter_mut().filter(|signal| own.end() <= signal.at) {
                    signal.own.take(&own);
                }
            }
        }
    }
}

/// Adds to what a consumer had spent when something was told.
fn add(spent: &mut Vec<(u32, Spent)>, consumer: u32, act: &Act) {
    if let Some((_, sum)) = spent.iter_mut().find(|(number, _)| *number == consumer) {
        return sum.take(act);
    }
    let mut sum = Spent::default();
    sum.take(act);
    spent.push((consumer, sum));
}

/// A model, an endpoint and an hour of the day: by what of the owner's a bucket is measured.
type Slot<'a> = (&'a str, &'a str, i64, u32);

fn slot(act: &Act) -> Slot<'_> {
    let hour = act.at.0.rem_euclid(DAY) / HOUR;
    (&act.model, &act.endpoint, hour, act.width_s())
}

/// What is usual, and of how many days.
fn usual<'a>(acts: &[&'a Act], from: Timestamp) -> (BTreeMap<Slot<'a>, Usual>, u64) {
    let before = || acts.iter().filter(|act| act.end() <= from);
    let mut usual: BTreeMap<Slot<'a>, Usual> = BTreeMap::new();
    for act in before() {
        // The hours beside it belong to it: nobody begins on the stroke.
        let (model, endpoint, hour, width) = slot(act);
        let beside = if i64::from(width) < 86_400 { &[-1, 0, 1][..] } else { &[0] };
        for more in beside {
            let known = usual.entry((model, endpoint, (hour + more).rem_euclid(24), width)).or_default();
            if *more == 0 {
                known.sum.add(&spent(act));
            }
            known.most = most(known.most, spent(act));
        }
    }
    let first = before().map(|act| act.at.0).min().unwrap_or(from.0);
    let days = u64::try_from((from.0 - first).div_euclid(DAY)).unwrap_or(0).max(1);
    (usual, days)
}

/// Whether a bucket holds more than any of the days before: in dollars where it tells them, else in requests.
fn stands_out(act: &Act, known: &Usual) -> bool {
    let now = spent(act);
    now.cost > known.most.cost || now.requests > known.most.requests && now.cost == NanoUsd::ZERO
}

fn spent(act: &Act) -> Spent {
    Spent { requests: u64::from(act.requests), refused: 0, tokens: act.tokens, cost: act.cost }
}

fn minus(all: Spent, part: Spent) -> Spent {
    let tokens = [0, 1].map(|place| all.tokens[place].saturating_sub(part.tokens[place]));
    Spent {
        requests: all.requests.saturating_sub(part.requests),
        refused: 0,
        tokens,
        cost: NanoUsd((all.cost.0 - part.cost.0).max(0)),
    }
}

fn most(one: Spent, other: Spent) -> Spent {
    Spent {
        requests: one.requests.max(other.requests),
        refused: 0,
        tokens: [0, 1].map(|place| one.tokens[place].max(other.tokens[place])),
        cost: one.cost.max(other.cost),
    }
}

//! What shards count: what became of records, what they cost, and how much is held.

use super::Open;
use crate::incident::Outlook;
use crate::money::NanoUsd;
use crate::record::{Action, CostSource, Statement};
use crate::signal::Signals;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What became of the records a shard was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Counted in a window, or learned from as history.
    pub processed: u64,
    /// Processed as history.
    pub learned: u64,
    /// Second deliveries.
    pub duplicate: u64,
    /// Of a day that was closed already, counted for the baseline only; or a bucket so old that it may have been counted
    /// before.
    pub late: u64,
    /// Processed, but an earlier record had the same request identifier and other content.
    pub conflicting: u64,
    /// Processed, but there was no memory for a new key.
    pub untracked: u64,
    /// Requests by how far their cost is known, in the order of [`CostSource::ALL`]; a bucket that does not count its
    /// requests is one. A bucket told again may take some back, so these are differences.
    pub requests: [i64; CostSource::ALL.len()],
    /// Money by the same.
    pub cost: [NanoUsd; CostSource::ALL.len()],
    /// What was done to keys, in the order of [`Action::ALL`].
    pub audits: [u64; Action::ALL.len()],
    /// What operators have said, in the order of [`Statement::ALL`].
    pub statements: [u64; Statement::ALL.len()],
    /// Alerts that were not told because an operator had said so.
    pub suppressed: u64,
    /// Processed, but not judged: requests of canary prompts of keyhound's own.
    pub own: u64,
}

impl Counts {
    /// Counts requests and money by where the cost is from.
    #[inline]
    pub(super) fn tally(&mut self, source: CostSource, requests: i64, cost: NanoUsd) {
        self.requests[source as usize] += requests;
        self.cost[source as usize] += cost;
    }

    /// Adds what another shard or step counted.
    pub fn add(&mut self, other: &Self) {
        let Self { processed, learned, duplicate, late, conflicting, untracked, .. } = other;
        let Self { requests, cost, audits, statements, suppressed, own, .. } = other;
        self.processed += processed;
        self.learned += learned;
        self.duplicate += duplicate;
        self.late += late;
        self.conflicting += conflicting;
        self.untracked += untracked;
        self.requests.iter_mut().zip(requests).for_each(|(sum, count)| *sum += count);
        self.cost.iter_mut().zip(cost).for_each(|(sum, amount)| *sum += *amount);
        self.audits.iter_mut().zip(audits).for_each(|(sum, count)| *sum += count);
        self.statements.iter_mut().zip(statements).for_each(|(sum, count)| *sum += count);
        self.suppressed += suppressed;
        self.own += own;
    }
}

/// How much a shard holds.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Gauges {
    /// Keys in memory.
    pub keys: u64,
    /// Bytes of all state.
    pub state_bytes: u64,
    /// New keys that gave way to other new keys.
    pub keys_evicted: u64,
    /// Requests forgotten before the lateness was over.
    pub dedup_forgotten: u64,
    /// Buckets remembered, to count only differences when they are told again.
    pub bucket_entries: u64,
    /// Buckets forgotten before their time because there were too many.
    pub buckets_forgotten: u64,
    /// Keys by all that their records ever told, in the order of [`Signals::sets`].
    pub by_signals: [u64; Signals::SETS],
    /// What is open of all keys.
    pub open: Open,
    /// False incidents a week, and the thresholds that hold, where incidents are looked for; the same for all shards.
    pub outlook: Option<Outlook>,
}

impl Gauges {
    /// Adds what another shard holds.
    pub fn add(&mut self, other: Self) {
        self.keys += other.keys;
        self.state_bytes += other.state_bytes;
        self.keys_evicted += other.keys_evicted;
        self.dedup_forgotten += other.dedup_forgotten;
        self.bucket_entries += other.bucket_entries;
        self.buckets_forgotten += other.buckets_forgotten;
        for (sum, count) in self.by_signals.iter_mut().zip(other.by_signals) {
            *sum += count;
        }
        self.open.add(&other.open);
        self.outlook = self.outlook.or(other.outlook);
    }

    /// Keys that a detector with these needs cannot see.
    pub fn blind(&self, needs: Signals) -> u64 {
        let sets = Signals::sets().zip(self.by_signals);
        sets.filter(|(set, _)| !set.has(needs)).map(|(_, keys)| keys).sum()
    }
}

/// The models of which the cost is not known, by name, with how many requests; no more names than there is room for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Unpriced {
    models: BTreeMap<Box<str>, i64>,
    /// Some name did not fit.
    pub overflowed: bool,
}

impl Unpriced {
    /// Most names that are kept.
    const MAX: usize = 256;

    /// Counts requests of a model; fewer than before where a bucket has been told again.
    #[cold]
    pub(super) fn count(&mut self, name: &str, requests: i64) {
        if let Some(count) = self.models.get_mut(name) {
            *count += requests;
        } else if self.models.len() < Self::MAX {
            self.models.insert(name.into(), requests);
        } else {
            self.overflowed = true;
        }
    }

    /// Adds what another shard or step counted.
    pub fn add(&mut self, other: &Self) {
        self.overflowed |= other.overflowed;
        other.models.iter().for_each(|(name, requests)| self.count(name, *requests));
    }

    /// The models and their requests, those with the most first.
    pub fn most(&self) -> Vec<(&str, i64)> {
        let mut models: Vec<_> = self.models.iter().map(|(name, count)| (&**name, *count)).collect();
        models.retain(|(_, count)| *count > 0);
        // Of names with as many requests the first in the alphabet: the sort is stable.
        models.sort_by_key(|(_, count)| -count);
        models
    }
}

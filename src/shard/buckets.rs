//! Buckets and invoices on their way through a shard: told once or a hundred times, they count once.

use super::state::Surroundings;
use super::state::spread::Spread;
use super::{Shard, content};
use crate::incident::Gain;
use crate::money::NanoUsd;
use crate::record::{Batch, CostSource, Kind, UsageRecord};
use crate::time::Timestamp;
use crate::window::{Amounts, Change, Stretch, Telling, Told};

impl Shard {
    /// Counts what a bucket says more or less than before.
    #[cold]
    pub(super) fn bucket(&mut self, index: u32, record: &UsageRecord, batch: &Batch) {
        let floor = self.keys.forgotten(record.key);
        let told = told(record);
        let change = match self.restated.tell(record.request_hash, told, floor) {
            Telling::Changes(change) => change,
            Telling::Same => return self.counts.duplicate += 1,
            Telling::Forgotten => return self.counts.late += 1,
        };
        if let Some((key, end)) = self.restated.forget_surplus() {
            self.keys.forget_bucket(key, end);
        }
        if !self.learning {
            self.tally(record, batch, &change);
        }
        // A bucket that holds nothing and never did is no use of the key.
        if !record.tells_of_use()
            && change.stretches.iter().flatten().all(|stretch| stretch.all() == Amounts::NONE)
        {
            self.counts.processed += 1;
            self.counts.learned += u64::from(self.learning);
            return;
        }
        self.spread(index, record, batch, &change);
    }

    fn spread(&mut self, index: u32, record: &UsageRecord, batch: &Batch, change: &Change) {
        let Self {
            settings,
            keys,
            zones,
            closings,
            watermark,
            counts,
            alerts,
            observer,
            learning,
            watch_list,
            ..
        } = self;
        let Some(slot) = keys.slot(record, batch, settings) else {
            counts.untracked += 1;
            counts.processed += 1;
            return;
        };
        let Some(key) = keys.state(slot) else { return };
        if key.lacks_alias_of(record) {
            key.take_alias(record, batch, &settings.keys);
        }
        let mut around = Surroundings {
            settings,
            zones,
            closings,
            watermark: *watermark,
            listed: watch_list.find(record, batch, &settings.networks),
        };
        let spread = Spread { record, batch, change, learning: *learning };
        let judged = key.spread(&spread, &mut around, alerts);
        counts.processed += u64::from(judged || *learning);
        counts.learned += u64::from(*learning);
        counts.late += u64::from(!judged && !*learning);
        let gain = gain(record, batch, change);
        let incident = observer.as_mut().and_then(|observer| key.observe_bucket(observer, &gain, *learning));
        if key.resized {
            keys.settle(slot);
            self.drop_orphans();
        }
        let order = (index, true, Timestamp::MIN, record.key);
        if !self.alerts.is_empty() {
            self.give(order);
        }
        if let Some(incident) = incident {
            self.tell(order, incident);
        }
    }

    /// Brings the sums over all keys up to date.
    fn tally(&mut self, record: &UsageRecord, batch: &Batch, change: &Change) {
        let before = change.before.map(|told| (told, -1));
        for (told, sign) in before.into_iter().chain([(told(record), 1)]) {
            let (requests, cost) = (told.weight * sign, NanoUsd(told.amounts.cost.0 * sign));
            self.counts.tally(told.source, requests, cost);
            if told.source == CostSource::Unknown && requests != 0 {
                self.unpriced.count(batch.text(record.model.name), requests);
            }
        }
    }

    /// Forgets buckets that ended long enough before the watermark. Of a history every one may be told again at any
    /// time: its records come in any order.
    pub(super) fn forget_buckets(&mut self, watermark: Timestamp) {
        if self.learning {
            return;
        }
        while let Some((key, end)) = self.restated.forget_due(watermark) {
            self.keys.forget_bucket(key, end);
        }
    }
}

/// What a bucket holds more than was known.
fn gain<'a>(record: &'a UsageRecord, batch: &'a Batch, change: &Change) -> Gain<'a> {
    let all = change.stretches.iter().flatten().map(Stretch::all).fold(Amounts::NONE, |a, b| a + b);
    Gain { record, batch, requests: u32::try_from(all.requests).unwrap_or(0), cost: all.cost.usd().max(0.0) }
}

fn told(record: &UsageRecord) -> Told {
    let requests = i64::from(record.requests);
    let uncertain = if record.cost_source.is_uncertain() { requests } else { 0 };
    Told {
        key: record.key,
        start: record.time.at,
        end: record.end(),
        amounts: Amounts { requests, uncertain, cost: record.cost },
        source: record.cost_source,
        weight: if record.kind == Kind::Bucket && record.tells_of_use() { requests.max(1) } else { 0 },
        content: content(record),
    }
}

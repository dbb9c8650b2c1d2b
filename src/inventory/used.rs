//! What records tell of the keys that are used.

use crate::key::KeyId;
use crate::reconcile::{Book, Role};
use crate::record::{Batch, Kind, UsageRecord};
use crate::time::{DAY, Day, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Keys that are told apart.
const KEYS_MAX: usize = 200_000;
/// Models and endpoints of a key that are named.
const NAMES_MAX: usize = 64;
/// Days of which the dearest stretch is looked for.
pub const MONTH_DAYS: i32 = 30;

/// What is known of the use of a key.
#[derive(Clone, Debug, Default)]
pub struct Used {
    /// As records name it.
    pub hint: String,
    /// What records call it.
    pub alias: String,
    /// Its first and its last use.
    pub span: Option<(Timestamp, Timestamp)>,
    /// The last one that was answered with success.
    pub last_served: Option<Timestamp>,
    /// Its models, as they are written.
    pub models: BTreeSet<String>,
    /// Its endpoints.
    pub endpoints: BTreeSet<String>,
    /// There were more of either.
    pub is_cut: bool,
    /// Requests, as far as they are counted.
    pub requests: u64,
    /// Nano-dollars.
    pub cost: i128,
    /// Nano-dollars of its dearest thirty days.
    pub month: i128,
}

/// All keys that are used.
#[derive(Debug, Default)]
pub struct Uses {
    /// By their fingerprints.
    pub keys: BTreeMap<KeyId, Used>,
    /// The first and the last moment told of.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Records of keys for which there was no room.
    pub beyond: u64,
}

impl Uses {
    /// Adds what a record tells besides its sums.
    pub fn add(&mut self, record: &UsageRecord, batch: &Batch) {
        if !matches!(record.kind, Kind::Request | Kind::Bucket) || !record.tells_of_use() {
            return;
        }
        let (start, end) = (record.time.at, record.end());
        self.span = Some(self.span.map_or((start, end), |(first, last)| (first.min(start), last.max(end))));
        if self.keys.len() >= KEYS_MAX && !self.keys.contains_key(&record.key) {
            self.beyond += 1;
            return;
        }
        let used = self.keys.entry(record.key).or_default();
        used.span = Some(used.span.map_or((start, end), |(first, last)| (first.min(start), last.max(end))));
        if record.status < 400 {
            used.last_served = used.last_served.max(Some(end));
        }
        // Of several spellings the least, in whatever order they come.
        for (kept, text) in
            [(&mut used.hint, batch.text(record.key_hint)), (&mut used.alias, batch.text(record.key_alias))]
        {
            if !text.is_empty() && (kept.is_empty() || text < kept.as_str()) {
                text.clone_into(kept);
            }
        }
        let names = [
            (&mut used.models, batch.text(record.model.name)),
            (&mut used.endpoints, batch.text(record.endpoint)),
        ];
        for (known, name) in names {
            if name.is_empty() || known.contains(name) {
                continue;
            }
            known.insert(name.to_owned());
            if known.len() > NAMES_MAX {
                known.pop_last();
                used.is_cut = true;
            }
        }
    }

    /// Takes over the sums.
    pub fn count(&mut self, book: &Book) {
        for (key, used) in &mut self.keys {
            let mut days: BTreeMap<Day, i128> = BTreeMap::new();
            for (day, sums) in book.days_of(*key, Role::Logs) {
                used.requests += sums.requests;
                used.cost += sums.cost;
                *days.entry(day).or_default() += sums.cost;
            }
            used.month = days.keys().map(|last| of_month(&days, *last)).max().unwrap_or(0);
        }
    }

    /// Days that the records tell of.
    pub fn days(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "a span of days")]
        self.span.map_or(0.0, |(first, last)| (last.0 - first.0) as f64 / DAY as f64)
    }
}

/// What the thirty days up to `last` cost.
fn of_month(days: &BTreeMap<Day, i128>, last: Day) -> i128 {
    days.range(Day(last.0 - MONTH_DAYS + 1)..=last).map(|(_, cost)| cost).sum()
}

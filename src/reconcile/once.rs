//! What is told twice counts once: requests by their identifier, buckets and bills by what they are about.

use super::sums::Sums;
use crate::time::{MINUTE, Timestamp};
use ahash::RandomState;
use hashbrown::HashMap;
use std::collections::BTreeMap;

/// What is known of a record that comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    /// It is new.
    New,
    /// It is the same once more.
    Again,
    /// It is told again with other numbers: these count instead of those.
    Instead(Sums),
    /// It is told again with smaller numbers, which do not count.
    Less,
}

/// What has been seen, up to a number of entries; beyond it the oldest are forgotten.
#[derive(Debug)]
pub(super) struct Once<V> {
    seen: HashMap<u128, V, RandomState>,
    by_minute: BTreeMap<i64, Vec<u128>>,
    entries_max: usize,
    /// Entries that were forgotten: what is told again of them counts again.
    pub forgotten: u64,
}

impl<V> Once<V> {
    pub fn new(entries_max: usize) -> Self {
        Self {
            seen: HashMap::default(),
            by_minute: BTreeMap::new(),
            entries_max: entries_max.max(1),
            forgotten: 0,
        }
    }

    /// The value of `id`, or that of `new`, which is kept; and whether it was there.
    fn entry(&mut self, id: u128, at: Timestamp, new: impl FnOnce() -> V) -> Option<(&mut V, bool)> {
        let is_known = self.seen.contains_key(&id);
        if !is_known {
            if self.seen.len() >= self.entries_max {
                self.forget_oldest();
            }
            self.by_minute.entry(at.0.div_euclid(MINUTE)).or_default().push(id);
            self.seen.insert(id, new());
        }
        self.seen.get_mut(&id).map(|value| (value, is_known))
    }

    fn forget_oldest(&mut self) {
        if let Some((_, ids)) = self.by_minute.pop_first() {
            self.forgotten += ids.len() as u64;
            for id in ids {
                self.seen.remove(&id);
            }
        }
    }
}

impl Once<()> {
    /// Whether it has been seen.
    pub fn again(&mut self, id: u128, at: Timestamp) -> bool {
        matches!(self.entry(id, at, || ()), Some(((), true)))
    }
}

impl Once<Sums> {
    /// A bucket; of one that is told several times the fullest telling counts, whatever the order: late use is added to
    /// what was told before.
    pub fn bucket(&mut self, id: u128, at: Timestamp, sums: Sums) -> Seen {
        let Some((known, is_known)) = self.entry(id, at, || sums) else { return Seen::New };
        let rank =
            |sums: &Sums| (sums.tokens(), sums.requests, sums.cost, sums.uncached, sums.cached, sums.output);
        if !is_known {
            Seen::New
        } else if *known == sums {
            Seen::Again
        } else if rank(&sums) > rank(known) {
            Seen::Instead(std::mem::replace(known, sums))
        } else {
            Seen::Less
        }
    }
}

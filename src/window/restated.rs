//! Buckets that are told again: what each was last said to hold, so that only the difference counts.
//!
//! A bucket is told again whenever its source knows better: with more in it, with less, or with the same. Its identity
//! never changes; a counter since some start may also come back with a later end, and then what is new belongs to the
//! time between the ends. A bucket is forgotten some time after its end, and the shard remembers up to where that has
//! happened: of what ended before, nobody can say any more whether it was counted.

use crate::key::KeyId;
use crate::money::NanoUsd;
use crate::record::CostSource;
use crate::save::{Reader, Unreadable, Writer};
use crate::time::{SECOND, Timestamp};
use ahash::RandomState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::{Add, Sub};

/// What a bucket holds, or by how much that changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Amounts {
    /// Requests.
    pub requests: i64,
    /// Those of them whose cost is a lower bound or not known.
    pub uncertain: i64,
    /// Money.
    pub cost: NanoUsd,
}

impl Amounts {
    /// Nothing.
    pub const NONE: Self = Self { requests: 0, uncertain: 0, cost: NanoUsd::ZERO };

    /// Of each the lesser one.
    fn least(self, other: Self) -> Self {
        Self {
            requests: self.requests.min(other.requests),
            uncertain: self.uncertain.min(other.uncertain),
            cost: self.cost.min(other.cost),
        }
    }

    /// What falls into the first `part` of `whole` nanoseconds, rounded so that the parts add up to all of it.
    fn share(self, part: i64, whole: i64) -> Self {
        Self {
            requests: share(self.requests, part, whole),
            uncertain: share(self.uncertain, part, whole),
            cost: NanoUsd(share(self.cost.0, part, whole)),
        }
    }
}

/// `amount * part / whole`, rounded towards zero.
#[inline]
fn share(amount: i64, part: i64, whole: i64) -> i64 {
    if amount == 0 || part == 0 {
        return 0;
    }
    if part == whole {
        return amount;
    }
    // Most stretches begin and end with a second, of which there are few enough for a product in one word: dividing two
    // takes ten times as long.
    let (parts, wholes) = (part / SECOND, whole / SECOND);
    let product =
        if parts * SECOND == part && wholes * SECOND == whole { amount.checked_mul(parts) } else { None };
    if let (Some(product), 1..) = (product, wholes) {
        return product / wholes;
    }
    let exact = i128::from(amount) * i128::from(part) / i128::from(whole.max(1));
    i64::try_from(exact).unwrap_or(amount)
}

impl Add for Amounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            uncertain: self.uncertain + other.uncertain,
            cost: self.cost + other.cost,
        }
    }
}

impl Sub for Amounts {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            requests: self.requests - other.requests,
            uncertain: self.uncertain - other.uncertain,
            cost: self.cost - other.cost,
        }
    }
}

/// A stretch of time, with what it was said to hold and what it is said to hold now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stretch {
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
    /// Before.
    was: Amounts,
    /// Now.
    now: Amounts,
}

impl Stretch {
    /// By how much the part `from..to` of it changes; parts that make up the whole add up to exactly the whole.
    pub fn change(&self, from: Timestamp, to: Timestamp) -> Amounts {
        let whole = self.to.0 - self.from.0;
        let until = |at: Timestamp| {
            let part = at.0 - self.from.0;
            self.now.share(part, whole) - self.was.share(part, whole)
        };
        until(to) - until(from)
    }

    /// By how much the money of that part changes.
    pub fn cost_change(&self, from: Timestamp, to: Timestamp) -> NanoUsd {
        let whole = self.to.0 - self.from.0;
        let until = |at: Timestamp| {
            let part = at.0 - self.from.0;
            share(self.now.cost.0, part, whole) - share(self.was.cost.0, part, whole)
        };
        NanoUsd(until(to) - until(from))
    }

    /// By how much all of it changes.
    pub fn all(&self) -> Amounts {
        self.now - self.was
    }
}

/// A bucket as a record tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Told {
    /// Whose it is.
    pub key: KeyId,
    /// Its first instant.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
    /// What it holds.
    pub amounts: Amounts,
    /// How far its cost can be trusted.
    pub source: CostSource,
    /// How many requests it counts as in sums over all keys: one where it does not tell, none where it holds nothing.
    pub weight: i64,
    /// A hash of everything it says.
    pub content: u64,
}

/// What a telling changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// Where; the first only where a counter went on and fell as well.
    pub stretches: [Option<Stretch>; 2],
    /// The bucket as it was told before; `None` for a new one.
    pub before: Option<Told>,
}

/// What becomes of a telling.
#[allow(clippy::large_enum_variant, reason = "taken apart where it is made")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Telling {
    /// Nothing new in it.
    Same,
    /// So old that it may have been counted and forgotten.
    Forgotten,
    /// It changes something.
    Changes(Change),
}

/// What is remembered of a bucket.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Entry {
    told: Told,
    /// Where its last stretch starts: after its start only for a counter that went on.
    from: Timestamp,
    /// What it held before that.
    base: Amounts,
}

/// Buckets by identity.
#[derive(Debug)]
pub struct Restated {
    known: HashMap<u64, Entry, RandomState>,
    /// Every one of them once, by an end that it has or had.
    by_end: BinaryHeap<Reverse<(Timestamp, u64)>>,
    horizon: i64,
    entries_max: usize,
    /// Buckets that changed since that was last asked; `None` where nobody asks.
    changed: Option<Vec<u64>>,
    /// Buckets forgotten before their time because there were too many.
    pub forgotten: u64,
}

impl Restated {
    /// Remembers at most `entries_max` buckets, each until the watermark has passed its end by `horizon` nanoseconds.
    pub fn new(entries_max: usize, horizon: i64) -> Self {
        Self {
            known: HashMap::default(),
            by_end: BinaryHeap::new(),
            horizon,
            entries_max,
            changed: None,
            forgotten: 0,
        }
    }

    /// Remembers from now on which buckets change.
    pub fn track(&mut self) {
        self.changed = Some(Vec::new());
    }

    /// Calls `give` on every bucket that changed since this was asked last, without a value where it is forgotten.
    pub fn take_changed(&mut self, mut give: impl FnMut(u64, Option<Vec<u8>>)) {
        let Some(changed) = &mut self.changed else { return };
        let mut changed = std::mem::take(changed);
        changed.sort_unstable();
        changed.dedup();
        for id in changed {
            give(
                id,
                self.known.get(&id).map(|entry| {
                    let mut value = Writer::default();
                    value.put(entry);
                    value.into_bytes()
                }),
            );
        }
    }

    /// Takes over a bucket that was given.
    pub fn take_piece(&mut self, id: u64, value: &mut Reader<'_>) -> Result<(), Unreadable> {
        let entry: Entry = value.take()?;
        self.by_end.push(Reverse((entry.told.end, id)));
        self.known.insert(id, entry);
        Ok(())
    }

    /// Takes a bucket as it is told; up to `floor`, buckets of its key have been forgotten.
    pub fn tell(&mut self, id: u64, told: Told, floor: Timestamp) -> Telling {
        let Some(entry) = self.known.get_mut(&id) else {
            if told.end <= floor {
                return Telling::Forgotten;
            }
            self.known.insert(id, Entry { told, from: told.start, base: Amounts::NONE });
            self.changed.iter_mut().for_each(|changed| changed.push(id));
            self.by_end.push(Reverse((told.end, id)));
            let stretch = Stretch { from: told.start, to: told.end, was: Amounts::NONE, now: told.amounts };
            return Telling::Changes(Change { stretches: [None, Some(stretch)], before: None });
        };
        let before = entry.told;
        // An older telling of a counter that has gone on: all that it says is in the newer one.
        if told.content == before.content || told.end < before.end {
            return Telling::Same;
        }
        let mut first = None;
        if told.end > before.end {
            let kept = before.amounts.least(told.amounts);
            let (was, now) = (before.amounts - entry.base, kept - entry.base);
            first = (was != now).then_some(Stretch { from: entry.from, to: before.end, was, now });
            (entry.from, entry.base) = (before.end, kept);
        }
        let was = if told.end > before.end { Amounts::NONE } else { before.amounts - entry.base };
        let now = told.amounts - entry.base;
        let second = Stretch { from: entry.from, to: told.end, was, now };
        entry.told = told;
        self.changed.iter_mut().for_each(|changed| changed.push(id));
        Telling::Changes(Change { stretches: [first, Some(second)], before: Some(before) })
    }

    /// Forgets one bucket that ended long enough before the watermark: whose it was, and its end.
    pub fn forget_due(&mut self, watermark: Timestamp) -> Option<(KeyId, Timestamp)> {
        loop {
            let Reverse((end, _)) = *self.by_end.peek()?;
            if end.plus(self.horizon) > watermark {
                return None;
            }
            if let Some(gone) = self.forget_first() {
                return Some(gone);
            }
        }
    }

    /// Forgets one bucket, that with the earliest end, if there are too many.
    pub fn forget_surplus(&mut self) -> Option<(KeyId, Timestamp)> {
        while self.known.len() > self.entries_max {
            if let Some(gone) = self.forget_first() {
                self.forgotten += 1;
                return Some(gone);
            }
        }
        None
    }

    /// Forgets the bucket that stands first by its end, unless its end has moved on.
    fn forget_first(&mut self) -> Option<(KeyId, Timestamp)> {
        let Reverse((end, id)) = self.by_end.pop()?;
        match self.known.get(&id) {
            Some(entry) if entry.told.end > end => {
                self.by_end.push(Reverse((entry.told.end, id)));
                None
            }
            _ => {
                self.changed.iter_mut().for_each(|changed| changed.push(id));
                self.known.remove(&id).map(|entry| (entry.told.key, entry.told.end))
            }
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.changed.iter_mut().for_each(|changed| changed.extend(self.known.keys()));
        self.known.clear();
        self.by_end.clear();
    }

    /// Number of buckets remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// True where none is.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Writes everything that is remembered.
    pub fn save(&self, out: &mut Writer) {
        out.put(&self.known.len());
        let mut entries: Vec<_> = self.known.iter().collect();
        entries.sort_unstable_by_key(|(id, _)| **id);
        for entry in entries {
            out.put(&entry);
        }
    }

    /// Adds what was saved of keys that are `ours`. The queue of ends holds the last of each bucket, which is due when
    /// the first would have been found to have moved on.
    pub fn restore(
        &mut self,
        saved: &mut Reader<'_>,
        is_ours: impl Fn(KeyId) -> bool,
    ) -> Result<(), Unreadable> {
        for _ in 0..saved.take::<usize>()? {
            let (id, entry): (u64, Entry) = saved.take()?;
            if is_ours(entry.told.key) {
                self.by_end.push(Reverse((entry.told.end, id)));
                self.known.insert(id, entry);
            }
        }
        Ok(())
    }

    /// Memory on the heap, in bytes.
    pub fn heap_bytes(&self) -> usize {
        // An entry and its control byte in the table, of which an eighth stays free.
        self.known.capacity() / 7 * 8 * (size_of::<(u64, Entry)>() + 1)
            + crate::heap::vector::<Reverse<(Timestamp, u64)>>(self.by_end.capacity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(start: i64, end: i64, requests: i64) -> Told {
        let amounts = Amounts { requests, uncertain: requests / 2, cost: NanoUsd(requests * 7) };
        Told {
            key: KeyId([1; 16]),
            start: Timestamp(start),
            end: Timestamp(end),
            amounts,
            source: CostSource::Reported,
            weight: requests.max(1),
            content: requests.unsigned_abs() ^ (end.unsigned_abs() << 32),
        }
    }

    /// What a telling adds, by stretch; nothing where it was not new.
    fn added(restated: &mut Restated, told: Told) -> Vec<(i64, i64, i64)> {
        match restated.tell(9, told, Timestamp::MIN) {
            Telling::Changes(change) => change
                .stretches
                .into_iter()
                .flatten()
                .map(|stretch| (stretch.from.0, stretch.to.0, stretch.all().requests))
                .collect(),
            Telling::Same | Telling::Forgotten => Vec::new(),
        }
    }

    #[test]
    fn only_the_difference_counts() {
        let mut restated = Restated::new(10, 100);
        assert_eq!(added(&mut restated, told(0, 10, 5)), [(0, 10, 5)]);
        assert_eq!(added(&mut restated, told(0, 10, 5)), []);
        assert_eq!(added(&mut restated, told(0, 10, 9)), [(0, 10, 4)]);
        assert_eq!(added(&mut restated, told(0, 10, 2)), [(0, 10, -7)]);
        assert_eq!(restated.len(), 1);
    }

    #[test]
    fn what_a_counter_gains_belongs_to_the_time_since_it_was_told() {
        let mut restated = Restated::new(10, 100);
        assert_eq!(added(&mut restated, told(0, 10, 5)), [(0, 10, 5)]);
        assert_eq!(added(&mut restated, told(0, 20, 9)), [(10, 20, 4)]);
        assert_eq!(added(&mut restated, told(0, 10, 5)), [], "an older telling");
        assert_eq!(added(&mut restated, told(0, 20, 12)), [(10, 20, 3)]);
        // It fell: less was used in the stretch before.
        assert_eq!(added(&mut restated, told(0, 30, 10)), [(10, 20, -2), (20, 30, 0)]);
        // It is forgotten by its last end.
        assert_eq!(restated.forget_due(Timestamp(129)), None);
        assert_eq!(restated.forget_due(Timestamp(130)), Some((KeyId([1; 16]), Timestamp(30))));
        assert!(restated.is_empty());
    }

    #[test]
    fn what_may_have_been_counted_is_not_counted_again() {
        let mut restated = Restated::new(10, 100);
        restated.tell(9, told(0, 10, 5), Timestamp::MIN);
        assert_eq!(restated.forget_due(Timestamp(110)), Some((KeyId([1; 16]), Timestamp(10))));
        assert_eq!(restated.tell(9, told(0, 10, 6), Timestamp(10)), Telling::Forgotten);
        assert!(matches!(restated.tell(9, told(10, 11, 6), Timestamp(10)), Telling::Changes(_)));
    }

    #[test]
    fn memory_is_bounded() {
        let mut restated = Restated::new(100, i64::MAX);
        for id in 0..10_000 {
            let end = i64::try_from(id).unwrap();
            restated.tell(id, told(0, end + 1, 1), Timestamp::MIN);
            let gone = restated.forget_surplus();
            assert_eq!(gone.map(|(_, end)| end.0), (end >= 100).then(|| end - 99));
        }
        assert_eq!((restated.len(), restated.forgotten), (100, 9_900));
        assert!(restated.heap_bytes() < 60_000, "{}", restated.heap_bytes());
    }

    proptest! {
        #[test]
        fn a_share_is_what_the_exact_product_says(
            amount in prop_oneof![any::<i64>(), -1000_i64..1_000_000_000],
            (part, whole) in (1_i64..100_000).prop_flat_map(|whole| (0..=whole, Just(whole))),
            unit in prop_oneof![Just(1), Just(SECOND), Just(SECOND / 2)],
        ) {
            let exact = i128::from(amount) * i128::from(part) / i128::from(whole);
            prop_assert_eq!(i128::from(share(amount, part * unit, whole * unit)), exact);
        }

        #[test]
        fn money_of_a_part_is_that_of_all_amounts(
            was in 0_i64..1_000_000_000_000, now in 0_i64..1_000_000_000_000, from in 0_i64..3600, length in 0_i64..3600,
        ) {
            let amounts = |cost| Amounts { cost: NanoUsd(cost), ..Amounts::NONE };
            let to = Timestamp(7200 * SECOND);
            let stretch = Stretch { from: Timestamp(0), to, was: amounts(was), now: amounts(now) };
            let (from, to) = (Timestamp(from * SECOND), Timestamp((from + length) * SECOND));
            prop_assert_eq!(stretch.cost_change(from, to), stretch.change(from, to).cost);
        }

        #[test]
        fn parts_add_up_to_the_whole(
            was in -1_000_000_i64..1_000_000_000_000,
            now in 0_i64..1_000_000_000_000_000,
            mut cuts in prop::collection::vec(0_i64..2_678_400_000_000_000, 0..20),
        ) {
            let amounts = |amount| Amounts { requests: amount, uncertain: amount / 3, cost: NanoUsd(amount * 5) };
            let to = 2_678_400_000_000_000;
            let stretch =
                Stretch { from: Timestamp(0), to: Timestamp(to), was: amounts(was), now: amounts(now) };
            cuts.extend([0, to]);
            cuts.sort_unstable();
            let parts = cuts.windows(2).map(|pair| stretch.change(Timestamp(pair[0]), Timestamp(pair[1])));
            prop_assert_eq!(parts.fold(Amounts::NONE, Add::add), amounts(now) - amounts(was));
        }
    }
}

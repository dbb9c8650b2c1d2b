//! What a key has been seen with (models, addresses), on which days, and what of it a baseline knows.

use crate::heap;
use crate::time::Day;
use serde::{Deserialize, Serialize};

/// Which of two baselines: the one in force, or the one that takes over on a later day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Generation {
    /// The baseline in force.
    Current,
    /// The baseline that takes over.
    Next,
}

impl Generation {
    const fn bit(self) -> u8 {
        match self {
            Self::Current => 1,
            Self::Next => 2,
        }
    }
}

/// The days on which something was seen: a last day and the 31 before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct SeenDays {
    last: Day,
    /// Bit `n` stands for the day `n` days before `last`.
    bits: u32,
}

impl SeenDays {
    const fn on(day: Day) -> Self {
        Self { last: day, bits: 1 }
    }

    fn mark(&mut self, day: Day) {
        let later = day.0 - self.last.0;
        if later > 0 {
            self.bits = self.bits.checked_shl(later.unsigned_abs()).unwrap_or(0) | 1;
            self.last = day;
        } else if let Some(bit) = 1_u32.checked_shl(later.unsigned_abs()) {
            self.bits |= bit;
        }
    }

    /// Whether it was seen on a clean day of `from..=to`.
    fn within(self, from: Day, to: Day, is_clean: impl Fn(Day) -> bool) -> bool {
        (0..32).any(|back| {
            let day = Day(self.last.0 - back);
            self.bits >> back & 1 == 1 && (from..=to).contains(&day) && is_clean(day)
        })
    }
}

/// A bounded set of values, each with the days it was seen on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Known<K, V> {
    /// By value.
    entries: Vec<Entry<K, V>>,
    /// Values had to be forgotten: what is unknown may have been known.
    pub overflowed: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry<K, V> {
    value: K,
    label: V,
    seen: SeenDays,
    generations: u8,
}

impl<K, V> Default for Known<K, V> {
    fn default() -> Self {
        Self { entries: Vec::new(), overflowed: false }
    }
}

impl<K: Ord + Copy, V> Known<K, V> {
    /// Notes that `value` was seen on `day` and says whether the baseline of `generation` knows it. A new value
    /// gets its label; where more than `max` are kept, the one not seen for longest gives way, those that a
    /// baseline knows last.
    #[inline]
    pub fn see(
        &mut self,
        value: K,
        day: Day,
        generation: Generation,
        max: usize,
        label: impl FnOnce() -> V,
    ) -> bool {
        match self.entries.binary_search_by(|entry| entry.value.cmp(&value)) {
            Ok(at) => {
                let entry = &mut self.entries[at];
                if entry.seen.last != day {
                    entry.seen.mark(day);
                }
                entry.generations & generation.bit() != 0
            }
            Err(at) => {
                self.insert(
                    at,
                    Entry { value, label: label(), seen: SeenDays::on(day), generations: 0 },
                    max,
                );
                false
            }
        }
    }

    #[cold]
    fn insert(&mut self, at: usize, entry: Entry<K, V>, max: usize) {
        if self.entries.len() == self.entries.capacity() {
            // Most keys use one model from one address.
            self.entries.reserve_exact(1 + self.entries.len() / 4);
        }
        self.entries.insert(at, entry);
        if self.entries.len() > max {
            self.overflowed = true;
            let rank = |entry: &Entry<K, V>| (entry.generations != 0, entry.seen.last, entry.value);
            let oldest = (0..self.entries.len()).min_by_key(|&at| rank(&self.entries[at]));
            self.entries.remove(oldest.unwrap_or(0));
        }
    }

    /// Lets the baseline of `generation` know exactly what was seen on the days `from..=to`, and forgets what
    /// neither baseline knows and was not seen since `from`. Days that are not clean do not count.
    pub fn learn(&mut self, generation: Generation, from: Day, to: Day, is_clean: impl Fn(Day) -> bool) {
        for entry in &mut self.entries {
            let known = if entry.seen.within(from, to, &is_clean) { generation.bit() } else { 0 };
            entry.generations = entry.generations & !generation.bit() | known;
        }
        self.entries.retain(|entry| entry.generations != 0 || entry.seen.last >= from);
        self.entries.shrink_to_fit();
    }

    /// The next baseline takes over.
    pub fn promote(&mut self) {
        for entry in &mut self.entries {
            entry.generations >>= 1;
        }
    }

    /// The values that the baseline of `generation` knows.
    pub fn known(&self, generation: Generation) -> impl Iterator<Item = (K, &V)> {
        let entries = self.entries.iter().filter(move |entry| entry.generations & generation.bit() != 0);
        entries.map(|entry| (entry.value, &entry.label))
    }

    /// The labels of all values.
    pub fn labels(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|entry| &entry.label)
    }

    /// The label of a value.
    pub fn label(&self, value: K) -> Option<&V> {
        let at = self.entries.binary_search_by(|entry| entry.value.cmp(&value)).ok()?;
        self.entries.get(at).map(|entry| &entry.label)
    }

    /// Number of values kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True where nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Memory on the heap, in bytes, labels not followed.
    pub fn heap_bytes(&self) -> usize {
        heap::vector::<Entry<K, V>>(self.entries.capacity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Generation::{Current, Next};

    fn see(known: &mut Known<u32, ()>, value: u32, day: i32) -> bool {
        known.see(value, Day(day), Current, 4, || ())
    }

    fn values(known: &Known<u32, ()>, generation: Generation) -> Vec<u32> {
        known.known(generation).map(|(value, ())| value).collect()
    }

    #[test]
    fn a_baseline_knows_what_was_seen_in_its_days() {
        let mut known = Known::default();
        for (value, day) in [(1, 100), (2, 130), (3, 131), (1, 90)] {
            assert!(!see(&mut known, value, day));
        }
        known.learn(Next, Day(101), Day(130), |_| true);
        assert_eq!((values(&known, Current), values(&known, Next)), (vec![], vec![2]));
        known.promote();
        assert_eq!((values(&known, Current), values(&known, Next)), (vec![2], vec![]));
        assert!(see(&mut known, 2, 131) && !see(&mut known, 3, 131));
    }

    #[test]
    fn days_are_marked_in_any_order() {
        let days = [130, 100, 99, 98, 131];
        let mut seen = SeenDays::on(Day(120));
        for day in days {
            seen.mark(Day(day));
        }
        for day in 90..140 {
            // 31 days back from the last one are remembered.
            let expected = day >= 100 && (day == 120 || days.contains(&day));
            assert_eq!(seen.within(Day(day), Day(day), |_| true), expected, "{day}");
        }
    }

    #[test]
    fn the_unknown_and_oldest_give_way_first() {
        let mut known = Known::default();
        see(&mut known, 1, 100);
        known.learn(Current, Day(71), Day(100), |_| true);
        for (value, day) in [(2, 103), (3, 102), (4, 104), (5, 105)] {
            see(&mut known, value, day);
        }
        assert!(known.overflowed);
        assert_eq!(known.len(), 4);
        assert!(known.label(3).is_none() && known.label(1).is_some());
    }
}

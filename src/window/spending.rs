//! The money of one day by quarters of an hour, and the most that went out in a stretch of them.
//!
//! A stretch counts as far as its end bears it out: what went out in the short one behind it, taken for as long as the long
//! one, is the most that the long one counts. So one says how much, and the other that it still goes on.

use crate::heap;
use crate::money::NanoUsd;
use crate::time::{MINUTE, Timestamp};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// A quarter of an hour, in nanoseconds.
pub const QUARTER: i64 = 15 * MINUTE;
/// Quarters of the longest day there is, with some to spare.
const QUARTERS_MAX: u8 = 119;
/// Room that is added at once at least.
const GROWTH_MIN: usize = 12;

/// A long stretch and the short one at its end, in quarters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// How long.
    pub long: u8,
    /// How long the end of it is that has to agree.
    pub short: u8,
}

/// An hour and half of one; six hours and one.
pub const SPANS: [Span; 2] = [Span { long: 4, short: 2 }, Span { long: 24, short: 4 }];

/// Where the most went out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Burn {
    /// Its last quarter, counted from the start of the day.
    pub last: u8,
    /// In the long stretch.
    pub long: NanoUsd,
    /// In the short one at its end.
    pub short: NanoUsd,
}

/// Money by quarters of an hour. A day that has money in one of them, as most days of quiet keys, takes no memory besides.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Spending {
    /// The only quarter that has any.
    only: Option<u8>,
    amount: NanoUsd,
    /// As soon as there is another.
    many: Option<Box<Several>>,
}

impl Spending {
    /// Adds money of one quarter, or takes it back; true where that takes memory.
    #[inline]
    pub fn add(&mut self, quarter: u8, amount: NanoUsd) -> bool {
        if amount == NanoUsd::ZERO {
            return false;
        }
        let quarter = quarter.min(QUARTERS_MAX);
        if let Some(many) = &mut self.many {
            return many.add(quarter, amount);
        }
        if self.only.is_none_or(|only| only == quarter) {
            self.only = Some(quarter);
            self.amount += amount;
            return false;
        }
        let mut many = Box::<Several>::default();
        self.only.take().map(|only| many.add(only, self.amount));
        self.amount = NanoUsd::ZERO;
        many.add(quarter, amount);
        self.many = Some(many);
        true
    }

    /// The most that went out in a span, as far as its end bears it out.
    #[inline]
    pub fn most(&self) -> [NanoUsd; 2] {
        self.many.as_ref().map_or([self.amount.max(NanoUsd::ZERO); 2], |many| many.most)
    }

    /// Where the most of a span went out; the first such place.
    pub fn burn(&self, span: Span) -> Option<Burn> {
        let alone = self.only.map(|last| Burn { last, long: self.amount, short: self.amount });
        self.many.as_ref().map_or(alone, |many| many.burn(span))
    }

    /// All up to the end of a quarter.
    pub fn until(&self, last: u8) -> NanoUsd {
        let alone = if self.only.is_some_and(|only| only <= last) { self.amount } else { NanoUsd::ZERO };
        self.many.as_ref().map_or(alone, |many| many.until(last))
    }

    /// Memory on the heap, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.many
            .as_ref()
            .map_or(0, |many| heap::vector::<Several>(1) + heap::vector::<NanoUsd>(many.quarters.capacity()))
    }
}

/// Money by quarters of an hour, from the first that has any to the last.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Several {
    first: u8,
    quarters: Vec<NanoUsd>,
    /// The most of each of the [`SPANS`].
    most: [NanoUsd; 2],
}

impl Several {
    #[inline]
    fn add(&mut self, quarter: u8, amount: NanoUsd) -> bool {
        let place = quarter.checked_sub(self.first).map(usize::from);
        let is_there = place.is_some_and(|at| at < self.quarters.len());
        let grown = !is_there && self.make_place(quarter);
        let at = usize::from(quarter - self.first);
        if let Some(sum) = self.quarters.get_mut(at) {
            *sum += amount;
        }
        if amount > NanoUsd::ZERO {
            self.look_at(|long| at..at + long);
        } else {
            self.most = [NanoUsd::ZERO; 2];
            self.look_at(|_| 0..usize::from(QUARTERS_MAX) + 1);
        }
        grown
    }

    fn make_place(&mut self, quarter: u8) -> bool {
        let capacity = self.quarters.capacity();
        if self.quarters.is_empty() {
            self.first = quarter;
        }
        let before = usize::from(self.first.saturating_sub(quarter));
        let length = (self.quarters.len() + before).max(usize::from(quarter.saturating_sub(self.first)) + 1);
        if length > capacity {
            // A key that is used all day long moves its sums a few times a day, and not with every other use.
            let growth = GROWTH_MIN.max(length);
            self.quarters.reserve_exact(length + growth - self.quarters.len());
        }
        if before > 0 {
            self.quarters.splice(..0, std::iter::repeat_n(NanoUsd::ZERO, before));
            self.first = quarter;
        }
        self.quarters.resize(length, NanoUsd::ZERO);
        self.quarters.capacity() != capacity
    }

    /// Looks at the stretches of each span that end in some quarters: those that a change may have made more of. Where
    /// records come in order, it is one of each.
    #[inline]
    fn look_at(&mut self, ends: impl Fn(usize) -> Range<usize>) {
        for (number, span) in SPANS.into_iter().enumerate() {
            let ends = ends(span.long.into());
            for last in ends.start..ends.end.min(self.quarters.len()) {
                // Most of the day its end bears out no more than there has been: then the rest need not be added up.
                let borne_out = self.end_bears_out(span, last);
                if borne_out > self.most[number] {
                    self.most[number] = self.most[number].max(self.sum(last, span.long).min(borne_out));
                }
            }
        }
    }

    /// The most of a span that ends here, as far as its end bears it out.
    #[inline]
    fn borne_out(&self, span: Span, last: usize) -> NanoUsd {
        self.sum(last, span.long).min(self.end_bears_out(span, last))
    }

    #[inline]
    fn end_bears_out(&self, span: Span, last: usize) -> NanoUsd {
        NanoUsd(self.sum(last, span.short).0.saturating_mul(i64::from(span.long / span.short)))
    }

    #[inline]
    fn sum(&self, last: usize, length: u8) -> NanoUsd {
        let from = (last + 1).saturating_sub(usize::from(length));
        let sums = self.quarters.get(from..=last).unwrap_or_default();
        sums.iter().fold(NanoUsd::ZERO, |sum, of| sum + *of)
    }

    fn burn(&self, span: Span) -> Option<Burn> {
        let places = 0..self.quarters.len();
        let last = places.max_by_key(|&last| (self.borne_out(span, last), std::cmp::Reverse(last)))?;
        Some(Burn {
            last: self.first.saturating_add(u8::try_from(last).unwrap_or(QUARTERS_MAX)),
            long: self.sum(last, span.long),
            short: self.sum(last, span.short),
        })
    }

    fn until(&self, last: u8) -> NanoUsd {
        let quarters = (self.first..=last).zip(&self.quarters);
        quarters.fold(NanoUsd::ZERO, |sum, (_, of)| sum + *of)
    }
}

/// Which quarter of a day that starts at `start` an instant is in.
#[inline]
pub fn quarter_of(start: Timestamp, at: Timestamp) -> u8 {
    let number = at.0.saturating_sub(start.0) / QUARTER;
    u8::try_from(number.clamp(0, QUARTERS_MAX.into())).unwrap_or(QUARTERS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spent(amounts: &[(u8, i64)]) -> Spending {
        let mut spending = Spending::default();
        for &(quarter, amount) in amounts {
            spending.add(quarter, NanoUsd(amount));
        }
        spending
    }

    proptest! {
        #[test]
        fn order_does_not_matter_and_what_is_taken_back_is_gone(
            amounts in prop::collection::vec((0_u8..100, 1_i64..1000), 1..200),
            back in (0_u8..100, 1_i64..1000),
        ) {
            let one = spent(&amounts);
            let mut reversed = amounts.clone();
            reversed.reverse();
            let other = spent(&reversed);
            let mut taken = spent(&amounts);
            taken.add(back.0, NanoUsd(back.1));
            taken.add(back.0, NanoUsd(-back.1));
            for (number, span) in SPANS.into_iter().enumerate() {
                prop_assert_eq!(one.burn(span), other.burn(span));
                prop_assert_eq!(one.most()[number], taken.most()[number]);
                let burn = one.burn(span).unwrap();
                let ratio = i64::from(span.long / span.short);
                prop_assert_eq!(one.most()[number], burn.long.min(NanoUsd(burn.short.0 * ratio)));
            }
            prop_assert_eq!(one.most(), other.most());
            let all: i64 = amounts.iter().map(|(_, amount)| *amount).sum();
            prop_assert_eq!(one.until(100), NanoUsd(all));
        }
    }

    #[test]
    fn a_stretch_counts_as_far_as_its_end_bears_it_out() {
        // What went out all at once counts, and nothing more when a little follows an hour later.
        let mut spending = spent(&[(10, 800)]);
        assert_eq!(spending.most(), [NanoUsd(800), NanoUsd(800)]);
        spending.add(14, NanoUsd(8));
        assert_eq!(spending.most(), [NanoUsd(800), NanoUsd(800)]);
        // An hour of it is an hour of it.
        for quarter in 11..14 {
            spending.add(quarter, NanoUsd(800));
        }
        assert_eq!(spending.most()[0], NanoUsd(3200));
        assert_eq!(spending.burn(SPANS[0]).map(|burn| burn.last), Some(13));
    }

    #[test]
    fn quarters_of_a_day_are_bounded() {
        let start = Timestamp(0);
        let quarters = [0, QUARTER - 1, QUARTER, 95 * QUARTER, i64::MAX, -5];
        let found = quarters.map(|at| quarter_of(start, Timestamp(at)));
        assert_eq!(found, [0, 0, 1, 95, QUARTERS_MAX, 0]);
        assert!(!spent(&[(200, 1)]).add(201, NanoUsd(1)), "no more memory for a quarter that no day has");
    }
}

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
    /// The first quarter that has any.
    first: u8,
    sums: Sums,
}

/// What went out from the first quarter on.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
enum Sums {
    #[default]
    Nothing,
    /// In the first quarter, and in no other.
    One(NanoUsd),
    Several(Several),
}

impl Spending {
    /// Adds money of one quarter, or takes it back; true where that takes memory.
    #[inline]
    pub fn add(&mut self, quarter: u8, amount: NanoUsd) -> bool {
        if amount == NanoUsd::ZERO {
            return false;
        }
        let quarter = quarter.min(QUARTERS_MAX);
        match &mut self.sums {
            Sums::Several(several) => return several.add(&mut self.first, quarter, amount),
            Sums::One(sum) if self.first == quarter => *sum += amount,
            Sums::One(sum) => {
                let mut several = Several::of(*sum);
                several.add(&mut self.first, quarter, amount);
                self.sums = Sums::Several(several);
                return true;
            }
            Sums::Nothing => *self = Self { first: quarter, sums: Sums::One(amount) },
        }
        false
    }

    /// The most that went out in a span, as far as its end bears it out.
    #[inline]
    pub fn most(&self) -> [NanoUsd; 2] {
        match &self.sums {
            Sums::Nothing => [NanoUsd::ZERO; 2],
            Sums::One(sum) => [(*sum).max(NanoUsd::ZERO); 2],
            Sums::Several(several) => several.most(),
        }
    }

    /// Where the most of a span went out; the first such place.
    pub fn burn(&self, span: Span) -> Option<Burn> {
        match &self.sums {
            Sums::Nothing => None,
            Sums::One(sum) => Some(Burn { last: self.first, long: *sum, short: *sum }),
            Sums::Several(several) => several.burn(self.first, span),
        }
    }

    /// All up to the end of a quarter.
    pub fn until(&self, last: u8) -> NanoUsd {
        let sums = match &self.sums {
            Sums::Nothing => &[],
            Sums::One(sum) => std::slice::from_ref(sum),
            Sums::Several(several) => several.quarters(),
        };
        (self.first..=last).zip(sums).fold(NanoUsd::ZERO, |sum, (_, of)| sum + *of)
    }

    /// Memory on the heap, in bytes.
    pub fn heap_bytes(&self) -> usize {
        match &self.sums {
            Sums::Nothing | Sums::One(_) => 0,
            Sums::Several(several) => heap::vector::<NanoUsd>(several.0.capacity()),
        }
    }
}

/// The most of each of the [`SPANS`], and then money by quarters of an hour from the first that has any to the last: in one
/// piece of memory, for it is looked at with every record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Several(Vec<NanoUsd>);

/// How many of them stand before the quarters.
const MOST: usize = SPANS.len();

impl Several {
    /// One quarter, which has this.
    fn of(first: NanoUsd) -> Self {
        let mut sums = Vec::with_capacity(MOST + GROWTH_MIN);
        sums.extend([first.max(NanoUsd::ZERO); MOST]);
        sums.push(first);
        Self(sums)
    }

    #[inline]
    fn quarters(&self) -> &[NanoUsd] {
        self.0.get(MOST..).unwrap_or_default()
    }

    #[inline]
    fn most(&self) -> [NanoUsd; MOST] {
        self.0.first_chunk().copied().unwrap_or_default()
    }

    #[inline]
    fn add(&mut self, first: &mut u8, quarter: u8, amount: NanoUsd) -> bool {
        let before = self.0.capacity();
        let at = match quarter.checked_sub(*first) {
            Some(at) => usize::from(at),
            None => self.make_place_before(first, quarter),
        };
        if at >= self.quarters().len() {
            self.make_place_behind(at + 1);
        }
        if let Some(sum) = self.0.get_mut(MOST + at) {
            *sum += amount;
        }
        if amount > NanoUsd::ZERO {
            self.look_at(|long| at..at + long);
        } else {
            self.0.iter_mut().take(MOST).for_each(|most| *most = NanoUsd::ZERO);
            self.look_at(|_| 0..usize::from(QUARTERS_MAX) + 1);
        }
        self.0.capacity() != before
    }

    /// Where records come in order, this is what most of them need that need any.
    #[inline]
    fn make_place_behind(&mut self, length: usize) {
        let length = MOST + length;
        if length > self.0.capacity() {
            // A key that is used all day long moves its sums a few times a day, and not with every other use.
            self.0.reserve_exact(length + GROWTH_MIN.max(length) - self.0.len());
        }
        while self.0.len() < length {
            self.0.push(NanoUsd::ZERO);
        }
    }

    #[cold]
    fn make_place_before(&mut self, first: &mut u8, quarter: u8) -> usize {
        self.0.splice(MOST..MOST, std::iter::repeat_n(NanoUsd::ZERO, usize::from(*first - quarter)));
        *first = quarter;
        0
    }

    /// Looks at the stretches of each span that end in some quarters: those that a change may have made more of. Where
    /// records come in order, it is one of each.
    #[inline]
    fn look_at(&mut self, ends: impl Fn(usize) -> Range<usize>) {
        for (number, span) in SPANS.into_iter().enumerate() {
            let ends = ends(span.long.into());
            for last in ends.start..ends.end.min(self.quarters().len()) {
                // Most of the day its end bears out no more than there has been: then the rest need not be added up.
                let borne_out = self.end_bears_out(span, last);
                if borne_out > self.0[number] {
                    self.0[number] = self.0[number].max(self.sum(last, span.long).min(borne_out));
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
        let sums = self.quarters().get(from..=last).unwrap_or_default();
        sums.iter().fold(NanoUsd::ZERO, |sum, of| sum + *of)
    }

    fn burn(&self, first: u8, span: Span) -> Option<Burn> {
        let places = 0..self.quarters().len();
        let last = places.max_by_key(|&last| (self.borne_out(span, last), std::cmp::Reverse(last)))?;
        Some(Burn {
            last: first.saturating_add(u8::try_from(last).unwrap_or(QUARTERS_MAX)),
            long: self.sum(last, span.long),
            short: self.sum(last, span.short),
        })
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

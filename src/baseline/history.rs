//! The latest days of one key in a few hundred bytes: requests and money by day, requests by hour.

use crate::heap;
use crate::money::NanoUsd;
use crate::time::Day;
use crate::window::{Amounts, OpenDay, changed};
use serde::{Deserialize, Serialize};

/// Days that are kept: the newest and the 31 before it.
const DAYS_MAX: i32 = 32;
/// Bits of a packed hour that hold its count; the five above hold the hour.
const COUNT_BITS: u32 = 27;
const COUNT_MAX: u32 = (1 << COUNT_BITS) - 1;

/// Bits of a packed day that hold the number of its hours; those above hold the day.
const HOURS_BITS: u32 = 5;
/// Room that a list which is full grows by: a quiet key grows by one day a day, for a month.
const GROWTH: usize = 8;

/// A day's totals, in 16 bytes: there are 32 of them for every key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DayTotals {
    /// Money spent.
    pub cost: NanoUsd,
    /// Requests, at most `u32::MAX`.
    pub requests: u32,
    /// The civil date in the key's zone, and how many entries of `hours` belong to it.
    packed: i32,
}

impl DayTotals {
    const fn new(day: Day) -> Self {
        Self { cost: NanoUsd::ZERO, requests: 0, packed: day.0 << HOURS_BITS }
    }

    /// The civil date in the key's zone.
    pub const fn day(&self) -> Day {
        Day(self.packed >> HOURS_BITS)
    }

    /// How many entries of `hours` belong to this day.
    const fn hours(&self) -> usize {
        (self.packed & ((1 << HOURS_BITS) - 1)).unsigned_abs() as usize
    }
}

/// Totals of the latest days, oldest first. Only days and hours with records take memory.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct History {
    days: Vec<DayTotals>,
    /// Hour and count, packed; day after day, in the order of `days`. Requests of buckets wider than an hour are not in it.
    hours: Vec<u32>,
    /// What was billed, by day, for the few keys of which that is known.
    invoiced: Vec<(Day, NanoUsd)>,
}

impl History {
    /// Counts requests of one hour. A day older than what is kept is ignored.
    pub fn add(&mut self, day: Day, hour: u8, requests: u32, cost: NanoUsd) {
        let Some(at) = self.position(day) else { return };
        let totals = &mut self.days[at];
        totals.requests = totals.requests.saturating_add(requests);
        totals.cost += cost;
        self.add_to_hour(at, hour, requests.into());
    }

    /// Counts what changes of a bucket: in this hour, or at any.
    pub fn change(&mut self, day: Day, hour: Option<u8>, amounts: Amounts) {
        let Some(at) = self.position(day) else { return };
        let totals = &mut self.days[at];
        totals.requests = changed(totals.requests, amounts.requests);
        totals.cost = (totals.cost + amounts.cost).max(NanoUsd::ZERO);
        if let Some(hour) = hour {
            self.add_to_hour(at, hour, amounts.requests);
        }
    }

    /// Counts what was billed, or what is taken back of it.
    pub fn bill(&mut self, day: Day, amount: NanoUsd) {
        // The day has to be among the others, or it is too old.
        if self.position(day).is_none() {
            return;
        }
        let oldest = self.days.first().map_or(day, DayTotals::day);
        self.invoiced.retain(|(billed, _)| *billed >= oldest);
        match self.invoiced.binary_search_by_key(&day, |(billed, _)| *billed) {
            Ok(at) => self.invoiced[at].1 += amount,
            Err(at) => {
                make_room(&mut self.invoiced);
                self.invoiced.insert(at, (day, amount));
            }
        }
    }

    fn add_to_hour(&mut self, at: usize, hour: u8, requests: i64) {
        let start: usize = self.days[..at].iter().map(DayTotals::hours).sum();
        let totals = &mut self.days[at];
        let end = start + totals.hours();
        let found =
            self.hours[start..end].iter_mut().find(|packed| **packed >> COUNT_BITS == u32::from(hour));
        if let Some(packed) = found {
            let count = changed(*packed & COUNT_MAX, requests).min(COUNT_MAX);
            *packed = pack(hour, count);
        } else {
            totals.packed += 1;
            make_room(&mut self.hours);
            self.hours.insert(end, pack(hour, changed(0, requests)));
        }
    }

    /// Adds a complete day.
    pub fn add_day(&mut self, closed: &OpenDay) {
        self.add_hours(closed);
        if closed.untimed > 0 || closed.cost != NanoUsd::ZERO {
            let untimed = i64::try_from(closed.untimed).unwrap_or(i64::MAX);
            let rest = Amounts { requests: untimed, cost: closed.cost, ..Amounts::NONE };
            self.change(closed.day, None, rest);
        }
        if closed.invoiced != NanoUsd::ZERO {
            self.bill(closed.day, closed.invoiced);
        }
    }

    /// Counts the requests of the hours of a day.
    fn add_hours(&mut self, closed: &OpenDay) {
        let used = || (0_u8..).zip(closed.hours.iter()).filter(|(_, requests)| *requests > 0);
        let last = self.days.last().map(DayTotals::day);
        if last.is_none_or(|last| last < closed.day) && used().next().is_some() {
            // As it nearly always is: nothing is known of the day, and it is the newest.
            if let Some(totals) = self.position(closed.day).and_then(|at| self.days.get_mut(at)) {
                for (hour, requests) in used() {
                    totals.packed += 1;
                    totals.requests = totals.requests.saturating_add(requests);
                    make_room(&mut self.hours);
                    self.hours.push(pack(hour, requests));
                }
            }
            return;
        }
        used().for_each(|(hour, requests)| self.add(closed.day, hour, requests, NanoUsd::ZERO));
    }

    /// What a day cost: as its use tells, and where that tells no cost at all, what was billed (`OpenDay::spent`).
    pub fn spent(&self, totals: &DayTotals) -> NanoUsd {
        if totals.cost != NanoUsd::ZERO {
            return totals.cost;
        }
        let found = self.invoiced.binary_search_by_key(&totals.day(), |(billed, _)| *billed);
        // A credit may be known before its bill: only the sum is kept from falling below nought.
        found.map_or(NanoUsd::ZERO, |at| self.invoiced[at].1.max(NanoUsd::ZERO))
    }

    /// Where `day` stands, newly made if need be; `None` where it is too old.
    fn position(&mut self, day: Day) -> Option<usize> {
        if let Some(last) = self.days.last()
            && last.day() == day
        {
            return Some(self.days.len() - 1);
        }
        let at = match self.days.binary_search_by_key(&day, DayTotals::day) {
            Ok(at) => return Some(at),
            Err(at) => at,
        };
        let newest = self.days.last().map_or(day, |last| last.day().max(day));
        if newest.0 - day.0 >= DAYS_MAX {
            return None;
        }
        // First out, then in: 32 days need room for 32.
        let old = self.days.iter().take_while(|totals| newest.0 - totals.day().0 >= DAYS_MAX).count();
        let old_hours: usize = self.days.drain(..old).map(|totals| totals.hours()).sum();
        self.hours.drain(..old_hours);
        make_room(&mut self.days);
        self.days.insert(at - old, DayTotals::new(day));
        Some(at - old)
    }

    /// The totals of the days `from..=to`, oldest first.
    pub fn days(&self, from: Day, to: Day) -> impl Iterator<Item = &DayTotals> {
        self.days.iter().filter(move |totals| (from..=to).contains(&totals.day()))
    }

    /// Requests by hour of the day over the clean ones among the days `from..=to`.
    pub fn hours(&self, from: Day, to: Day, is_clean: impl Fn(Day) -> bool) -> [u64; 24] {
        let mut sums = [0; 24];
        let mut at = 0;
        for totals in &self.days {
            let end = at + totals.hours();
            if (from..=to).contains(&totals.day()) && is_clean(totals.day()) {
                for packed in &self.hours[at..end] {
                    sums[(packed >> COUNT_BITS) as usize % 24] += u64::from(packed & COUNT_MAX);
                }
            }
            at = end;
        }
        sums
    }

    /// The days `from..=to` with use, oldest first, and the requests of their hours.
    pub fn hours_by_day(
        &self,
        from: Day,
        to: Day,
    ) -> impl Iterator<Item = (&DayTotals, impl Iterator<Item = (u8, u32)>)> {
        let mut end = 0;
        let days = self.days.iter().map(move |totals| {
            let start = end;
            end += totals.hours();
            let hours = self.hours.get(start..end).unwrap_or_default().iter();
            (totals, hours.map(|packed| (packed_hour(*packed), packed & COUNT_MAX)))
        });
        days.filter(move |(totals, _)| (from..=to).contains(&totals.day()))
    }

    /// The newest day.
    pub fn last_day(&self) -> Option<Day> {
        self.days.last().map(DayTotals::day)
    }

    /// The last day before a day.
    pub fn last_day_before(&self, day: Day) -> Option<Day> {
        self.days.iter().rev().map(DayTotals::day).find(|known| *known < day)
    }

    /// Memory on the heap, in bytes.
    pub fn heap_bytes(&self) -> usize {
        heap::vector::<DayTotals>(self.days.capacity())
            + heap::vector::<u32>(self.hours.capacity())
            + heap::vector::<(Day, NanoUsd)>(self.invoiced.capacity())
    }
}

/// An hour of the day and its count, which may be cut off.
fn pack(hour: u8, count: u32) -> u32 {
    u32::from(hour) << COUNT_BITS | count.min(COUNT_MAX)
}

/// The hour of a packed one.
const fn packed_hour(packed: u32) -> u8 {
    (packed >> COUNT_BITS) as u8
}

fn make_room<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact(GROWTH.max(list.len() / 4));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_plain_table(
            records in prop::collection::vec((0_i32..40, 0_u8..24, 1_u32..5), 0..200),
            from in 0_i32..40,
            length in 0_i32..32,
        ) {
            // In order of days, so that nothing is too old when it comes.
            let mut records = records;
            records.sort_by_key(|&(day, ..)| day);
            let mut history = History::default();
            for &(day, hour, requests) in &records {
                history.add(Day(day), hour, requests, NanoUsd(i64::from(requests)));
            }
            let newest = records.last().map_or(0, |&(day, ..)| day);
            let from = from.max(newest - DAYS_MAX + 1);
            let to = from + length;
            let inside = |day: i32| (from..=to).contains(&day);
            let mut hours = [0; 24];
            records.iter().filter(|r| inside(r.0)).for_each(|r| hours[usize::from(r.1)] += u64::from(r.2));
            prop_assert_eq!(history.hours(Day(from), Day(to), |_| true), hours);
            let total: u32 = records.iter().filter(|r| inside(r.0)).map(|r| r.2).sum();
            prop_assert_eq!(history.days(Day(from), Day(to)).map(|day| day.requests).sum::<u32>(), total);
        }

        #[test]
        fn order_does_not_matter(records in prop::collection::vec((0_i32..32, 0_u8..24), 1..100)) {
            let build = |records: &[(i32, u8)]| {
                let mut history = History::default();
                for &(day, hour) in records {
                    history.add(Day(day), hour, 1, NanoUsd(1));
                }
                (history.days.iter().map(|d| (d.day(), d.requests, d.cost)).collect::<Vec<_>>(), history.hours(Day(0), Day(31), |_| true))
            };
            let reversed: Vec<_> = records.iter().rev().copied().collect();
            prop_assert_eq!(build(&records), build(&reversed));
        }
    }
}

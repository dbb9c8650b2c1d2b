//! One day of one key while it is open.

use super::{AddressSample, Amounts, FirstHours, Sightings, Spending, Tallies};
use crate::detect::{Leeway, Raised};
use crate::heap;
use crate::money::NanoUsd;
use crate::record::CostSource;
use crate::time::{Day, Stamp, Timestamp};
use serde::{Deserialize, Serialize};

/// Bins that tell requests apart by what they ask.
const ASKS: usize = 16;

/// A count after a change; never below nought.
pub fn changed(count: u32, by: i64) -> u32 {
    u32::try_from(i64::from(count).saturating_add(by).max(0)).unwrap_or(u32::MAX)
}

/// Counts of a day in the key's zone. Sums and minima only: the order of arrival leaves no trace. Buckets that are told
/// again may take something back; never below nought.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpenDay {
    /// The civil date in the key's zone.
    pub day: Day,
    /// First instant of the day.
    pub start: Timestamp,
    /// First instant after the day.
    pub end: Timestamp,
    /// The earliest use; the end of the day while there is none.
    earliest: Stamp,
    /// Requests.
    pub requests: u64,
    /// Those of them that may have been at any hour: of buckets wider than an hour.
    pub untimed: u64,
    /// The others by hour of the day.
    pub hours: Tallies<24>,
    /// Requests outside the hours that the baseline calls active.
    pub off_hours: u64,
    /// Money spent, as records of use tell it.
    pub cost: NanoUsd,
    /// Money billed for the same use, less what was credited: below zero where a credit is known before its bill.
    pub invoiced: NanoUsd,
    /// Requests whose cost is a lower bound or not known.
    pub cost_uncertain: u64,
    /// Earliest record with a model that the baseline does not know.
    pub unknown_model: Option<Box<(Stamp, Box<str>)>>,
    /// Addresses that the baseline does not know.
    pub unknown_addresses: AddressSample,
    /// Requests that were refused because there were too many, or failed on the provider's side.
    pub failed: u64,
    /// Requests by what they ask, as far as a few bins tell it apart.
    asks: Tallies<ASKS>,
    /// Money by quarters of an hour; of buckets wider than an hour it is not in it.
    pub spending: Spending,
    /// Hour by hour what the key does, as long as it has no baseline.
    pub first_hours: Option<Box<FirstHours>>,
    /// What is a finding by itself.
    pub sightings: Option<Box<Sightings>>,
    /// Alerts that are open for this day.
    pub raised: Vec<Raised>,
    /// How far it may go before the detectors have to be asked again, if they need not be asked about the next record. A day
    /// with one request has none: most keys are quiet, and there are many of them.
    #[serde(skip)]
    pub leeway: Option<Box<Leeway>>,
}

impl OpenDay {
    /// A day without records.
    pub fn new(day: Day, start: Timestamp, end: Timestamp) -> Self {
        Self {
            day,
            start,
            end,
            earliest: Stamp::utc(end),
            requests: 0,
            untimed: 0,
            hours: Tallies::default(),
            off_hours: 0,
            cost: NanoUsd::ZERO,
            invoiced: NanoUsd::ZERO,
            cost_uncertain: 0,
            unknown_model: None,
            unknown_addresses: AddressSample::default(),
            failed: 0,
            asks: Tallies::default(),
            spending: Spending::default(),
            first_hours: None,
            sightings: None,
            raised: Vec::new(),
            leeway: None,
        }
    }

    /// Counts a request; true where that takes memory.
    pub fn count(&mut self, time: Stamp, hour: u8, requests: u32, cost: NanoUsd, source: CostSource) -> bool {
        self.earliest = self.earliest.min(time);
        self.requests += u64::from(requests);
        self.cost += cost;
        if source.is_uncertain() {
            self.cost_uncertain += u64::from(requests);
        }
        self.hours.add(usize::from(hour), requests)
    }

    /// Notes what a request asks, and whether it failed for no fault of its own; true where that takes memory.
    #[inline]
    pub fn note_answer(&mut self, status: u16, asks: u64, requests: u32) -> bool {
        if status == 429 || status >= 500 {
            self.failed += u64::from(requests);
        }
        #[allow(clippy::cast_possible_truncation, reason = "a bin of sixteen")]
        let bin = asks as usize % ASKS;
        self.asks.add(bin, requests)
    }

    /// How many requests ask one and the same, about: those of the fullest bin without what the others lead to expect
    /// there. It does not depend on the order of arrival, as a vote for the majority would.
    pub fn alike(&self) -> u64 {
        let most = u64::from(self.asks.iter().max().unwrap_or(0));
        let all: u64 = self.asks.iter().map(u64::from).sum();
        most.saturating_sub((all - most) / (ASKS as u64 - 1))
    }

    /// Counts what changes of a bucket in a part of it that begins at `time`: in this hour, or at any. True where that
    /// takes memory.
    pub fn change(&mut self, time: Stamp, hour: Option<u8>, amounts: Amounts) -> bool {
        self.earliest = self.earliest.min(time);
        self.requests = self.requests.saturating_add_signed(amounts.requests);
        self.cost_uncertain = self.cost_uncertain.saturating_add_signed(amounts.uncertain);
        self.cost = (self.cost + amounts.cost).max(NanoUsd::ZERO);
        let Some(hour) = hour else {
            self.untimed = self.untimed.saturating_add_signed(amounts.requests);
            return false;
        };
        self.hours.change(hour.into(), |count| changed(count, amounts.requests))
    }

    /// Counts what was billed, or what is taken back of it.
    pub fn bill(&mut self, amount: NanoUsd) {
        self.invoiced += amount;
    }

    /// What the day cost: as its use tells, and where that tells no cost at all, what was billed. Both tell of the same
    /// use and are never added.
    #[inline]
    pub fn spent(&self) -> NanoUsd {
        if self.cost == NanoUsd::ZERO { self.invoiced.max(NanoUsd::ZERO) } else { self.cost }
    }

    /// The earliest record of use, or the start of the day where something was billed and no use is known.
    pub fn first(&self) -> Stamp {
        if self.earliest.at < self.end { self.earliest } else { Stamp::utc(self.start) }
    }

    /// Requests of which the hour is known.
    pub fn timed(&self) -> u64 {
        self.requests.saturating_sub(self.untimed)
    }

    /// Notes a model that the baseline does not know; the earliest record counts, at one instant the first name
    /// in the alphabet.
    pub fn note_unknown_model(&mut self, time: Stamp, name: &str) {
        let is_earlier = |known: &(Stamp, Box<str>)| (time, name) < (known.0, &known.1);
        if self.unknown_model.as_deref().is_none_or(is_earlier) {
            self.unknown_model = Some(Box::new((time, name.into())));
        }
    }

    /// Memory on the heap, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.unknown_addresses.heap_bytes()
            + self.hours.heap_bytes()
            + self.asks.heap_bytes()
            + self.spending.heap_bytes()
            + self.first_hours.as_ref().map_or(0, |hours| hours.bytes())
            + heap::vector::<Raised>(self.raised.capacity())
            + self.sightings.as_ref().map_or(0, |sightings| sightings.bytes())
            + self.leeway.as_ref().map_or(0, |_| heap::vector::<Leeway>(1))
            + self
                .unknown_model
                .as_ref()
                .map_or(0, |first| heap::vector::<(Stamp, Box<str>)>(1) + heap::allocated(first.1.len()))
    }
}

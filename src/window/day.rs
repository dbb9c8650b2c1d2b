//! One day of one key while it is open.

use super::AddressSample;
use crate::detect::Raised;
use crate::heap;
use crate::money::NanoUsd;
use crate::record::CostSource;
use crate::time::{Day, Stamp, Timestamp};

/// Counts of a day in the key's zone. Sums and minima only: the order of arrival leaves no trace.
#[derive(Clone, Debug)]
pub struct OpenDay {
    /// The civil date in the key's zone.
    pub day: Day,
    /// First instant of the day.
    pub start: Timestamp,
    /// First instant after the day.
    pub end: Timestamp,
    /// The earliest record.
    pub first: Stamp,
    /// Requests.
    pub requests: u64,
    /// Requests by hour of the day.
    pub hours: [u32; 24],
    /// Requests outside the hours that the baseline calls active.
    pub off_hours: u64,
    /// Money spent.
    pub cost: NanoUsd,
    /// Requests whose cost is a lower bound or not known.
    pub cost_uncertain: u64,
    /// Earliest record with a model that the baseline does not know.
    pub unknown_model: Option<(Stamp, Box<str>)>,
    /// Addresses that the baseline does not know.
    pub unknown_addresses: AddressSample,
    /// Alerts that are open for this day.
    pub raised: Vec<Raised>,
}

impl OpenDay {
    /// A day without records; `first` is that of the record that opens it.
    pub fn new(day: Day, start: Timestamp, end: Timestamp, first: Stamp) -> Self {
        Self {
            day,
            start,
            end,
            first,
            requests: 0,
            hours: [0; 24],
            off_hours: 0,
            cost: NanoUsd::ZERO,
            cost_uncertain: 0,
            unknown_model: None,
            unknown_addresses: AddressSample::default(),
            raised: Vec::new(),
        }
    }

    /// Counts a record.
    pub fn count(&mut self, time: Stamp, hour: u8, requests: u32, cost: NanoUsd, source: CostSource) {
        self.first = self.first.min(time);
        self.requests += u64::from(requests);
        if let Some(count) = self.hours.get_mut(usize::from(hour)) {
            *count = count.saturating_add(requests);
        }
        self.cost += cost;
        if matches!(source, CostSource::Partial | CostSource::Unknown) {
            self.cost_uncertain += u64::from(requests);
        }
    }

    /// Notes a model that the baseline does not know; the earliest record counts, at one instant the first name
    /// in the alphabet.
    pub fn note_unknown_model(&mut self, time: Stamp, name: &str) {
        let earlier = self.unknown_model.as_ref().is_none_or(|(first, known)| (time, name) < (*first, known));
        if earlier {
            self.unknown_model = Some((time, name.into()));
        }
    }

    /// Memory on the heap, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.unknown_addresses.heap_bytes()
            + heap::vector::<Raised>(self.raised.capacity())
            + self.unknown_model.as_ref().map_or(0, |(_, name)| heap::allocated(name.len()))
    }
}

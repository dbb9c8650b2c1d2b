//! How a key stands, in numbers that can be shown.

use super::KeyState;
use crate::detect::Raised;
use crate::money::NanoUsd;
use crate::shard::Sums;
use crate::time::{Day, Timestamp};
use crate::window::OpenDay;

impl KeyState {
    /// The alerts of days that are not over.
    pub(in crate::shard) fn raised(&self) -> impl Iterator<Item = (Day, &Raised)> {
        self.open.iter().flat_map(|day| day.raised.iter().map(|raised| (day.day, raised)))
    }

    /// What can be added up over keys.
    pub(in crate::shard) fn sums(&self) -> Sums {
        let newest = self.open.iter().max_by_key(|day| day.day);
        Sums {
            requests: self.requests,
            cost: self.cost,
            day_cost: newest.map_or(NanoUsd::ZERO, OpenDay::spent),
            open: self.part.open.as_deref().copied().unwrap_or_default(),
        }
    }

    /// What a typical day of it costs, where it has a baseline.
    pub(in crate::shard) fn usual_cost(&self) -> Option<NanoUsd> {
        let newest = self.open.iter().map(|day| day.day).max().unwrap_or(self.closed);
        self.baselines.of(newest).0.map(|baseline| baseline.typical_cost)
    }

    /// Its last use.
    pub(in crate::shard) const fn last_use(&self) -> Timestamp {
        self.quiet.last
    }

    /// Something of each piece of memory that the next record will need, added up. Of many keys one after the other,
    /// these waits for memory overlap; where each record waits for its own, they do not.
    #[inline]
    pub(in crate::shard) fn glance(&self) -> u64 {
        let day = self.open.last().map_or(0, |day| {
            day.requests ^ u64::from(day.raised.is_empty()) ^ day.failed ^ day.spending.glance()
        });
        day ^ self.models.glance()
            ^ self.addresses.glance()
            ^ self.recent.glance()
            ^ self.history.glance()
            ^ self.requests
    }
}

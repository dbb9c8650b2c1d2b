//! Thirty days of one key: what is normal for it, learned, frozen for a week, learned again.
//!
//! A baseline built when day D is complete takes effect with day D + 2. By then D + 1 may already be open and
//! partly judged; switching under it would make verdicts depend on the order of arrival.

mod history;
mod pulse;

pub use history::History;
pub use pulse::{Hush, Patience, Pulse};

use crate::heap;
use crate::money::NanoUsd;
use crate::time::Day;
use crate::window::Generation;
use serde::{Deserialize, Serialize};

/// When and from how much a baseline is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BaselineSettings {
    /// How many of the latest days a baseline is built from, 1 to 31.
    pub window_days: u8,
    /// How many days after the last build it is built again.
    pub rebuild_days: u8,
    /// How many days after the first record of a key its first baseline is built from the stream itself.
    pub learning_days: u8,
}

impl Default for BaselineSettings {
    fn default() -> Self {
        Self { window_days: 30, rebuild_days: 7, learning_days: 7 }
    }
}

/// What is normal for a key. Days without use do not count, as in the seed; days of which nobody counted the requests,
/// not for those; and requests of which the hour is not known, not for the active hours.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Baseline {
    /// The last day it was built from.
    pub last_day: Day,
    /// Mean of requests a day; zero where no day has any.
    pub mean_requests: f64,
    /// Sample standard deviation (n − 1) of requests a day; zero for fewer than two days.
    pub std_requests: f64,
    /// Mean of dollars a day.
    pub mean_cost_usd: f64,
    /// Median of dollars a day: the typical day.
    pub typical_cost: NanoUsd,
    /// Dollars of the dearest day.
    pub dearest_cost: NanoUsd,
    /// The part of the requests that falls into the busiest hour of the day; nought where no hour is known.
    pub busiest_share: f64,
    /// Bit `h` is set where hour `h` of the day holds more than one percent of the requests.
    pub active_hours: u32,
    /// Whether any address was seen; without one, every address would be unknown.
    pub has_addresses: bool,
}

impl Baseline {
    /// The baseline of the clean ones among the days `from..=to` of a history; `None` without a day.
    pub fn build(
        history: &History,
        from: Day,
        to: Day,
        is_clean: impl Fn(Day) -> bool,
        has_addresses: bool,
    ) -> Option<Self> {
        let days = history
            .days(from, to)
            .filter(|day| is_clean(day.day()))
            .map(|day| (day.requests, history.spent(day)));
        let days: Vec<_> = days.filter(|&(requests, cost)| requests > 0 || cost != NanoUsd::ZERO).collect();
        if days.is_empty() {
            return None;
        }
        let counted = days.iter().map(|(requests, _)| *requests).filter(|requests| *requests > 0);
        let (mean_requests, std_requests) = mean_and_deviation(&counted.collect::<Vec<_>>());
        let mut costs: Vec<NanoUsd> = days.iter().map(|(_, cost)| *cost).collect();
        costs.sort_unstable();
        let cost = costs.iter().fold(NanoUsd::ZERO, |sum, cost| sum + *cost);
        #[allow(clippy::cast_precision_loss)]
        let n = days.len() as f64;
        let hours = history.hours(from, to, &is_clean);
        let timed: u64 = hours.iter().sum();
        let is_active = |count: u64| count * 100 > timed;
        let active = (0..24).filter(|&hour| is_active(hours[hour])).fold(0, |bits, hour| bits | 1 << hour);
        Some(Self {
            last_day: to,
            mean_requests,
            std_requests,
            mean_cost_usd: cost.usd() / n,
            typical_cost: median(&costs),
            dearest_cost: costs.last().copied().unwrap_or(NanoUsd::ZERO),
            busiest_share: share(hours.iter().copied().max().unwrap_or(0), timed),
            active_hours: active,
            has_addresses,
        })
    }

    /// Whether the hour of the day is one of the active ones.
    pub fn is_active(&self, hour: u8) -> bool {
        self.active_hours >> hour & 1 == 1
    }
}

/// A part of a whole; nought of nothing.
#[allow(clippy::cast_precision_loss)]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Mean and sample standard deviation; zero where there is too little for them.
fn mean_and_deviation(counts: &[u32]) -> (f64, f64) {
    #[allow(clippy::cast_precision_loss)]
    let (n, total) = (counts.len() as f64, counts.iter().map(|count| u64::from(*count)).sum::<u64>() as f64);
    let mean = if counts.is_empty() { 0.0 } else { total / n };
    let squares = counts.iter().map(|count| (f64::from(*count) - mean).powi(2));
    let deviation = if counts.len() < 2 { 0.0 } else { (squares.sum::<f64>() / (n - 1.0)).sqrt() };
    (mean, deviation)
}

fn median(sorted: &[NanoUsd]) -> NanoUsd {
    let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    NanoUsd(low.0 / 2 + high.0 / 2 + i64::midpoint(low.0 % 2, high.0 % 2))
}

/// The baseline in force and the one that takes over.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Baselines {
    current: Option<Box<Baseline>>,
    /// With the first day it is for.
    next: Option<(Day, Box<Baseline>)>,
}

impl Baselines {
    /// The baseline for a day, and which generation of known values belongs to it.
    #[inline]
    pub fn of(&self, day: Day) -> (Option<&Baseline>, Generation) {
        match &self.next {
            Some((from, next)) if day >= *from => (Some(next), Generation::Next),
            _ => (self.current.as_deref(), Generation::Current),
        }
    }

    /// Whether a new baseline is due now that `day` is complete; `first` is the day of the key's first record.
    pub fn is_due(&self, settings: BaselineSettings, first: Day, day: Day) -> bool {
        let newest = self.next.as_ref().map(|(_, next)| next).or(self.current.as_ref());
        match newest {
            Some(baseline) => day.0 - baseline.last_day.0 >= i32::from(settings.rebuild_days),
            None => day.0 - first.0 + 1 >= i32::from(settings.learning_days),
        }
    }

    /// Puts a baseline in force at once: one that was built before the days it judges.
    pub fn set(&mut self, baseline: Baseline) {
        self.current = Some(Box::new(baseline));
        self.next = None;
    }

    /// Lets a baseline take over two days after its last one.
    pub fn set_next(&mut self, baseline: Baseline) {
        self.next = Some((Day(baseline.last_day.0 + 2), Box::new(baseline)));
    }

    /// The first day that the next baseline is for.
    pub fn next_from(&self) -> Option<Day> {
        self.next.as_ref().map(|(from, _)| *from)
    }

    /// Puts the next baseline in force, when no day before its first is still to be judged; the known values have
    /// to follow.
    pub fn promote(&mut self) {
        if let Some((_, next)) = self.next.take() {
            self.current = Some(next);
        }
    }

    /// Whether the key has any baseline yet.
    pub fn is_empty(&self) -> bool {
        self.current.is_none() && self.next.is_none()
    }

    /// Memory on the heap, in bytes.
    pub fn heap_bytes(&self) -> usize {
        let boxes = usize::from(self.current.is_some()) + usize::from(self.next.is_some());
        boxes * heap::vector::<Baseline>(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(days: &[(i32, u32, i64)]) -> History {
        let mut history = History::default();
        for &(day, requests, nano) in days {
            history.add(Day(day), 9, requests, NanoUsd(nano));
        }
        history
    }

    #[test]
    fn statistics_are_those_of_the_seed() {
        let history = history(&[(1, 9, 10), (2, 14, 20), (4, 100, 31)]);
        let baseline = Baseline::build(&history, Day(1), Day(2), |_| true, false).unwrap();
        assert!((baseline.mean_requests - 11.5).abs() < f64::EPSILON);
        assert!((baseline.std_requests - 3.535_533_905_932_737_8).abs() < 1e-15);
        assert_eq!((baseline.typical_cost, baseline.active_hours), (NanoUsd(15), 1 << 9));
        assert_eq!(Baseline::build(&history, Day(3), Day(3), |_| true, false), None);
        let single = Baseline::build(&history, Day(4), Day(4), |_| true, false).unwrap();
        assert!(single.std_requests.abs() < f64::EPSILON);
    }

    #[test]
    fn the_next_baseline_waits_for_its_day() {
        let settings = BaselineSettings::default();
        let history = history(&[(1, 1, 0), (8, 5, 0)]);
        let mut baselines = Baselines::default();
        assert!(!baselines.is_due(settings, Day(1), Day(6)) && baselines.is_due(settings, Day(1), Day(7)));
        baselines.set_next(Baseline::build(&history, Day(1), Day(7), |_| true, false).unwrap());
        assert_eq!((baselines.of(Day(8)).0, baselines.of(Day(9)).1), (None, Generation::Next));
        assert!(!baselines.is_due(settings, Day(1), Day(13)) && baselines.is_due(settings, Day(1), Day(14)));
        assert_eq!(baselines.next_from(), Some(Day(9)));
        baselines.promote();
        assert_eq!(baselines.of(Day(8)).1, Generation::Current);
    }
}

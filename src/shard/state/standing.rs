//! How a key stands, in numbers that can be shown.

use super::KeyState;
use crate::detect::{Alert, Raised, Ruleset, restate};
use crate::money::NanoUsd;
use crate::shard::Sums;
use crate::time::{Day, Timestamp};
use crate::window::{OpenDay, STEPS};
use std::sync::Arc;

impl KeyState {
    /// The open days: their ends, and which they are.
    pub(in crate::shard) fn ends(&self) -> impl Iterator<Item = (Timestamp, Day)> {
        self.open.iter().map(|day| (day.end, day.day))
    }

    /// Whether a day is open.
    pub(in crate::shard) fn has_open(&self, day: Day) -> bool {
        self.open.iter().any(|open| open.day == day)
    }

    /// Number of open days.
    pub(in crate::shard) fn open_days(&self) -> usize {
        self.open.len()
    }

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

    /// Notes what was spent at an instant.
    pub(in crate::shard) fn note_pace(&mut self, at: Timestamp, amount: NanoUsd) {
        if amount != NanoUsd::ZERO {
            self.resized |= self.pace.is_none();
            self.pace.get_or_insert_default().note(at, amount);
        }
    }

    /// What it spent in the hour before an instant, by steps of five minutes, oldest first.
    pub(in crate::shard) fn last_hour(&self, now: Timestamp) -> [NanoUsd; STEPS] {
        self.pace.as_ref().map_or([NanoUsd::ZERO; STEPS], |pace| pace.hour(now))
    }

    /// The latest days with use, open ones among them, oldest first: requests and what they cost.
    pub(in crate::shard) fn latest_days(&self, count: i32) -> Vec<(Day, u64, NanoUsd)> {
        let open = self.open.iter().map(|day| (day.day, day.requests, day.spent()));
        let newest = open.clone().map(|(day, ..)| day).chain(self.history.last_day()).max();
        let Some(newest) = newest else { return Vec::new() };
        let from = Day(newest.0 - count + 1);
        let over = self.history.days(from, newest);
        let over = over.map(|totals| (totals.day(), u64::from(totals.requests), self.history.spent(totals)));
        let mut days: Vec<(Day, u64, NanoUsd)> = over.collect();
        for (day, requests, cost) in open.filter(|(day, ..)| *day >= from) {
            // A day that was learned from may be open as well.
            match days.binary_search_by_key(&day, |known| known.0) {
                Ok(at) => days[at] = (day, days[at].1 + requests, days[at].2 + cost),
                Err(at) => days.insert(at, (day, requests, cost)),
            }
        }
        days
    }

    /// What a typical day of it costs, where it has a baseline.
    pub(in crate::shard) fn usual_cost(&self) -> Option<NanoUsd> {
        let newest = self.open.iter().map(|day| day.day).max().unwrap_or(self.closed);
        self.baselines.of(newest).0.map(|baseline| baseline.typical_cost)
    }

    /// What is open of it and wanted, as it would be told now.
    pub(in crate::shard) fn restate(&self, rules: &Ruleset) -> Vec<Alert> {
        let mut alerts = Vec::new();
        for day in &self.open {
            restate(rules, &self.view(day, self.last_day_before(day.day)), &day.raised, &mut alerts);
        }
        alerts.retain(|alert| !self.watch.is_quiet(alert.alert_type, alert.updated_at.at));
        alerts
    }

    /// Its models, by the names they were seen under.
    pub(in crate::shard) fn models(&self) -> impl Iterator<Item = &Arc<str>> {
        self.models.labels()
    }

    /// How many addresses are remembered of it.
    pub(in crate::shard) fn addresses(&self) -> usize {
        self.addresses.len()
    }

    /// Since when nobody can or may use it.
    pub(in crate::shard) const fn revoked(&self) -> Option<Timestamp> {
        self.revoked
    }

    /// Its last use.
    pub(in crate::shard) const fn last_use(&self) -> Timestamp {
        self.quiet.last
    }
}

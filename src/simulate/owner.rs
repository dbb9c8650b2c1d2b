//! An owner at work: days and weeks with their rhythm, requests that follow each other, and what changes.

use super::random::Random;
use super::record::Record;
use super::scenario::{ChangeConfig, OwnerConfig};
use super::sender::Sender;
use crate::time::{DAY, SECOND, Timestamp};
use std::sync::Arc;

const HOUR: f64 = 3600.0;
const DAY_S: f64 = 86_400.0;
/// Seconds between a request and the next time it is sent.
const REPEAT_PAUSE_S: f64 = 2.0;

/// A change that an owner goes through.
#[derive(Clone, Debug)]
pub struct Changed {
    /// How.
    pub config: ChangeConfig,
    /// When it begins and ends.
    pub start: Timestamp,
    /// When it ends.
    pub end: Timestamp,
    /// How requests look then.
    pub sender: Sender,
}

/// An owner.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The key, as logs show it.
    pub key: Arc<str>,
    /// What kind.
    pub config: OwnerConfig,
    /// How requests look.
    pub sender: Sender,
    /// What changes, if anything does.
    pub change: Option<Changed>,
    /// Requests on a working day.
    daily: f64,
    /// Seconds that the owner's clock is ahead of UTC.
    ahead_s: f64,
    random: Random,
}

impl Owner {
    /// Draws one.
    pub fn draw(key: Arc<str>, config: &OwnerConfig, mut random: Random) -> Self {
        let sender = Sender::draw(&config.sender, None, &mut random);
        let daily = random.log_normal(config.requests_per_day.median, config.requests_per_day.spread);
        let ahead_s = random.pick(&config.zones).copied().unwrap_or(0.0) * HOUR;
        Self { key, config: config.clone(), sender, change: None, daily, ahead_s, random }
    }

    /// How much goes on at this time, as a part of working hours.
    pub fn intensity(&self, at: Timestamp) -> f64 {
        let local = at.as_secs_f64() + self.ahead_s;
        let (day, hour) = (libm::floor(local / DAY_S), local.rem_euclid(DAY_S) / HOUR);
        // The first of January 1970 was a Thursday.
        let weekday = (day + 3.0).rem_euclid(7.0);
        let [from, to] = self.config.hours;
        let of_hour = if (from..to).contains(&hour) { 1.0 } else { self.config.night };
        of_hour * if weekday >= 5.0 { self.config.weekend } else { 1.0 }
    }

    /// All requests of a day of UTC, in order.
    pub fn day(&mut self, start: Timestamp) -> Vec<Record> {
        let mut records = Vec::new();
        let today = self.random.log_normal(self.daily, self.config.days_apart);
        let change = self.change.clone();
        let span = change.as_ref().map(|change| (change.start, change.end));
        let rate = change.as_ref().map_or(1.0, |change| change.config.rate);
        let in_span = |at: Timestamp| span.is_some_and(|(from, to)| (from..to).contains(&at));
        // As many as at the highest rate; those are left out that are too many at their time.
        let most = rate.max(1.0);
        let hours = self.config.hours[1] - self.config.hours[0];
        let of_day = hours / 24.0 + self.config.night * (1.0 - hours / 24.0);
        let sessions = self.random.count(today * most / of_day / self.config.session_requests);
        for _ in 0..sessions {
            let at = start.plus(nanoseconds(self.random.part() * DAY_S));
            let now = if in_span(at) { rate } else { 1.0 };
            if !self.random.happens(self.intensity(at).min(1.0) * now / most) {
                continue;
            }
            self.session(at, start.plus(DAY), change.as_ref(), &mut records);
        }
        records.sort_by_key(|record| (record.at, record.id));
        records
    }

    fn session(
        &mut self,
        mut at: Timestamp,
        end: Timestamp,
        change: Option<&Changed>,
        records: &mut Vec<Record>,
    ) {
        let follow = self.random.count(self.config.session_requests - 1.0);
        for number in 0..=follow {
            if number > 0 {
                at = at.plus(nanoseconds(self.random.pause(self.config.session_pause_s)));
            }
            if at >= end {
                return;
            }
            let change = change.filter(|change| (change.start..change.end).contains(&at));
            let is_new = change.is_some_and(|change| self.random.happens(change.config.part));
            let sender = change.filter(|_| is_new).map_or(&self.sender, |change| &change.sender);
            let record = sender.request(&self.key, at, &mut self.random);
            let repeats = change.map_or(0, |change| change.config.repeats);
            for again in 1..=repeats {
                let at = record.at.plus(nanoseconds(REPEAT_PAUSE_S * f64::from(again)));
                if at < end {
                    records.push(Record { at, id: self.random.bits(), ..record.clone() });
                }
            }
            records.push(record);
        }
    }
}

/// Seconds as whole milliseconds, in nanoseconds.
#[allow(clippy::cast_possible_truncation, reason = "less than a month")]
pub fn nanoseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64 * (SECOND / 1000)
}

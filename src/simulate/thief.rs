//! A thief at work with somebody's key.

use super::owner::{Owner, nanoseconds};
use super::random::Random;
use super::record::Record;
use super::scenario::{TheftConfig, When};
use super::sender::Sender;
use crate::time::Timestamp;

/// Seconds between two probes.
const PROBE_PAUSE_S: f64 = 3.0;
/// Draws of a time until the owner is, or is not, at work.
const TRIES: usize = 40;
/// What is night, as a part of working hours.
const NIGHT: f64 = 0.3;
/// One thief sends no more requests.
const REQUESTS_MAX: f64 = 20_000.0;

/// All requests of a thief from `start` on, in order; they end with the traffic.
pub fn requests(
    config: &TheftConfig,
    owner: &Owner,
    start: Timestamp,
    end: Timestamp,
    random: &mut Random,
) -> Vec<Record> {
    let sender = Sender::draw(&config.sender, Some(&owner.sender), random);
    let lasts_s = random.log_normal(config.lasts_hours.median, config.lasts_hours.spread) * 3600.0;
    let count = random.log_normal(config.requests.median, config.requests.spread).min(REQUESTS_MAX);
    let mut records = Vec::new();
    let mut at = start;
    for model in &config.probes {
        records.push(sender.probe(&owner.key, model, at, random));
        at = at.plus(nanoseconds(random.pause(PROBE_PAUSE_S)));
    }
    for number in 0..random.count(count).max(1) {
        let at = if number == 0 { at } else { time(config.when, owner, at, lasts_s, random) };
        records.push(sender.request(&owner.key, at, random));
    }
    records.retain(|record| record.at < end);
    records.sort_by_key(|record| (record.at, record.id));
    records
}

fn time(when: When, owner: &Owner, from: Timestamp, lasts_s: f64, random: &mut Random) -> Timestamp {
    let mut at = from;
    for _ in 0..TRIES {
        at = from.plus(nanoseconds(random.part() * lasts_s));
        let is_night = owner.intensity(at) < NIGHT;
        if when == When::Any || (when == When::Night) == is_night {
            break;
        }
    }
    at
}

//! Who takes part: which key has which owner, which of them change, and which are stolen.

use super::owner::{Changed, Owner, nanoseconds};
use super::random::Random;
use super::record::{Record, request_id};
use super::scenario::{OwnerConfig, Scenario, What};
use super::sender::Sender;
use super::thief;
use crate::time::{DAY, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;
use thiserror::Error;

/// What is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// From which everything follows.
    pub seed: u64,
    /// How many keys.
    pub keys: u32,
    /// The first day.
    pub start: Timestamp,
    /// How many days, and how many of them nothing but work happens.
    pub days: u32,
    /// On how many of them nothing but work happens.
    pub quiet_days: u32,
}

/// Everybody.
pub struct Cast {
    /// Owners.
    pub owners: Vec<Owner>,
    /// Requests of thieves, of each in order.
    pub thieves: Vec<Vec<Record>>,
    /// The first day, and how many.
    pub start: Timestamp,
    /// How many days.
    pub days: u32,
    /// Labels, one a line.
    pub labels: String,
}

/// Scenarios that do not go together.
#[derive(Debug, Error)]
pub enum CastError {
    /// Nobody works.
    #[error("no scenario is of owners; name one, as `services`")]
    NoOwner,
    /// Too many things for so few keys.
    #[error("scenario `{name}` finds no key that nothing else happens to; more --keys, or fewer scenarios")]
    NoKey {
        /// The scenario.
        name: String,
    },
}

/// Something that happens to keys.
struct Event<'a> {
    scenario: &'a Scenario,
    one_in: f64,
    whose: &'a [String],
}

impl<'a> Event<'a> {
    fn of(scenario: &'a Scenario) -> Option<Self> {
        let (one_in, whose) = match &scenario.what {
            What::Owner(_) => return None,
            What::Theft(theft) => (theft.one_in_keys, &theft.owners),
            What::Change(change) => (change.one_in_keys, &change.owners),
        };
        Some(Self { scenario, one_in, whose })
    }
}

impl Cast {
    /// Draws everybody.
    pub fn draw(scenarios: &[Scenario], settings: Settings) -> Result<Self, CastError> {
        let Settings { seed, start, days, quiet_days, .. } = settings;
        let (owners, kinds) = owners(scenarios, settings)?;
        let mut cast = Self { owners, thieves: Vec::new(), start, days, labels: String::new() };
        let scored = start.plus(i64::from(quiet_days) * DAY);
        let label = |(owner, kind): (&Owner, &String)| {
            let (key, start) = (&*owner.key, scored.to_string());
            json!({ "label": "scored", "key": key, "population": kind, "start": start })
        };
        let labels: Vec<Value> = cast.owners.iter().zip(&kinds).map(label).collect();
        for label in &labels {
            cast.label(label);
        }
        let mut free: Vec<usize> = (0..cast.owners.len()).collect();
        Random::new(seed, "free", 0).shuffle(&mut free);
        // Those that are particular choose first.
        let mut events: Vec<Event<'_>> = scenarios.iter().filter_map(Event::of).collect();
        events.sort_by_key(|event| event.whose.is_empty());
        for Event { scenario, one_in, whose } in events {
            let mut random = Random::new(seed, &scenario.name, u64::MAX);
            for _ in 0..times(settings.keys, one_in) {
                let may = |key: &usize| whose.is_empty() || whose.contains(&kinds[*key]);
                let Some(place) = free.iter().position(may) else {
                    return Err(CastError::NoKey { name: scenario.name.clone() });
                };
                let key = free.remove(place);
                cast.happen(scenario, key, scored, &mut random);
            }
        }
        Ok(cast)
    }

    fn happen(&mut self, scenario: &Scenario, key: usize, from: Timestamp, random: &mut Random) {
        let end = self.start.plus(i64::from(self.days) * DAY);
        // It begins early enough for some of it to be seen.
        let at = from.plus(nanoseconds(random.part() * 0.8 * seconds(end, from)));
        let owner = &mut self.owners[key];
        let label = match &scenario.what {
            What::Owner(_) => return,
            What::Theft(config) => {
                let records = thief::requests(config, owner, at, end, random);
                let (Some(first), Some(last)) = (records.first(), records.last()) else { return };
                let ids: Vec<String> = records.iter().map(|record| request_id(record.id)).collect();
                let label = json!({
                    "label": "theft", "key": &*owner.key, "class": scenario.name, "start": first.at.to_string(),
                    "end": last.at.to_string(), "request_ids": ids,
                });
                self.thieves.push(records);
                label
            }
            What::Change(config) => {
                let lasts_s =
                    random.log_normal(config.lasts_hours.median, config.lasts_hours.spread) * 3600.0;
                let until = at.plus(nanoseconds(lasts_s)).min(end);
                let sender = Sender::draw(&config.sender, Some(&owner.sender), random);
                owner.change = Some(Changed { config: config.clone(), start: at, end: until, sender });
                json!({
                    "label": "benign", "key": &*owner.key, "class": scenario.name, "start": at.to_string(),
                    "end": until.to_string(),
                })
            }
        };
        self.label(&label);
    }

    fn label(&mut self, label: &Value) {
        self.labels.push_str(&label.to_string());
        self.labels.push('\n');
    }
}

fn seconds(to: Timestamp, from: Timestamp) -> f64 {
    (to.as_secs_f64() - from.as_secs_f64()).max(0.0)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "no more than there are keys")]
fn times(keys: u32, one_in: f64) -> u32 {
    (f64::from(keys) / one_in).round().clamp(1.0, f64::from(keys)) as u32
}

/// All owners, and what kind each is.
fn owners(scenarios: &[Scenario], settings: Settings) -> Result<(Vec<Owner>, Vec<String>), CastError> {
    let kinds: Vec<(&String, &OwnerConfig)> = scenarios
        .iter()
        .filter_map(|scenario| match &scenario.what {
            What::Owner(owner) => Some((&scenario.name, owner)),
            _ => None,
        })
        .collect();
    let all: f64 = kinds.iter().map(|(_, owner)| owner.weight).sum();
    let mut random = Random::new(settings.seed, "keys", 0);
    let mut owners = Vec::new();
    let mut names = Vec::new();
    for number in 0..settings.keys {
        // Evenly, so that of few keys each kind has its part.
        let mut place = (f64::from(number) + 0.5) / f64::from(settings.keys) * all;
        let is_its = |(_, owner): &&(&String, &OwnerConfig)| {
            place -= owner.weight;
            place < 0.0
        };
        let kind = kinds.iter().find(is_its).or(kinds.last());
        let (name, config) = kind.ok_or(CastError::NoOwner)?;
        let key: Arc<str> = format!("...{:08x}", random.bits() >> 32).into();
        owners.push(Owner::draw(key, config, Random::new(settings.seed, name, number.into())));
        names.push((*name).clone());
    }
    Ok((owners, names))
}

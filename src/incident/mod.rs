//! From records to incidents: who uses a key besides its owner.
//!
//! Every key has an owner, who is known by networks, blocks of addresses and client software. A record of anybody else
//! teaches nothing about the owner; it goes to a cohort of its kind, which collects evidence (`evidence`). When that is
//! enough, the incident is told, once for each cohort, and again as it grows. A cohort that turns out to be the owner,
//! moved, is accepted.
//!
//! One pass in the order of arrival, by event time. Nothing looks ahead, and every key has a bounded state.

mod cohort;
mod evidence;
mod event;
mod fleet;
mod identity;
mod known;
mod novelty;
mod owner;
mod shape;
mod watch;

pub use event::Incident;
pub use evidence::{TERMS, Term};

use crate::address::Address;
use crate::key::KeyId;
use crate::networks::Networks;
use crate::normalise::clients::{Client, client};
use crate::record::{Batch, Kind, Mark, Part, Run, UsageRecord};
use crate::save::{Reader, Unreadable, Writer};
use crate::shard::{Input, Order, content};
use crate::time::Timestamp;
use crate::window::{Dedup, Sighting};
use cohort::Act;
use fleet::Fleet;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use identity::{Identity, Place};
use owner::seconds;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use twox_hash::XxHash3_64;
use watch::{Seat, Watch};

/// Places and clients that are remembered, for their names are looked up for every record.
const MEMO_MAX: usize = 1 << 16;

/// Settings of the incident layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IncidentConfig {
    /// Whether incidents are looked for.
    pub enabled: bool,
    /// The evidence, in nats, from which on an incident is told.
    pub threshold_nats: f64,
    /// Keys that are watched; of more, the records are not looked at.
    pub keys_max: usize,
}

impl Default for IncidentConfig {
    fn default() -> Self {
        Self { enabled: false, threshold_nats: 11.5, keys_max: 200_000 }
    }
}

/// Software that is made to make load.
const LOAD_TOOLS: &[&str] = &[
    "k6/0.1",
    "locust/2",
    "Apache-JMeter/5",
    "Artillery/2",
    "hey/0.0.1",
    "vegeta/12",
    "wrk/4",
    "ApacheBench/2.3",
    "gatling/3",
    "autocannon/7",
    "oha/1",
];

/// Watches all keys. One owner; one record after the other.
pub struct Incidents {
    config: IncidentConfig,
    networks: Arc<Networks>,
    load_tools: Vec<u64>,
    keys: HashMap<KeyId, Box<Watch>, ahash::RandomState>,
    fleet: Fleet,
    dedup: Dedup,
    /// Records are history: learned from, not judged.
    learning: bool,
    places: HashMap<Address, Place, ahash::RandomState>,
    clients: HashMap<u64, Client, ahash::RandomState>,
    found: Vec<(Order, Incident)>,
}

impl Incidents {
    /// Nothing is known yet; `learning` where a history is given first.
    pub fn new(
        config: &IncidentConfig,
        networks: &Arc<Networks>,
        dedup_entries_max: usize,
        learning: bool,
    ) -> Self {
        Self {
            config: config.clone(),
            networks: Arc::clone(networks),
            load_tools: LOAD_TOOLS.iter().map(|name| client(name).family).collect(),
            keys: HashMap::default(),
            fleet: Fleet::default(),
            dedup: Dedup::new(dedup_entries_max),
            learning,
            places: HashMap::default(),
            clients: HashMap::default(),
            found: Vec::new(),
        }
    }

    /// Everything that it remembers.
    pub fn save(&self) -> Vec<u8> {
        let mut out = Writer::default();
        let mut keys: Vec<_> = self.keys.iter().collect();
        keys.sort_unstable_by_key(|(key, _)| **key);
        out.put(&keys);
        out.put(&self.fleet);
        self.dedup.save(&mut out);
        out.into_bytes()
    }

    /// Takes up what was saved.
    pub fn restore(&mut self, saved: &[u8]) -> Result<(), Unreadable> {
        let mut saved = Reader::new(saved);
        self.keys = saved.take::<Vec<_>>()?.into_iter().collect();
        self.fleet = saved.take()?;
        self.dedup.restore(&mut saved, |_| true)
    }

    /// Moves the state by one input; what follows from it.
    pub fn apply(&mut self, input: &Input<'_>) -> Vec<(Order, Incident)> {
        match input {
            Input::Records { runs, marks } => self.records(runs, marks),
            Input::EndOfHistory => {
                self.learning = false;
                self.dedup.clear();
            }
            Input::End => self.end(),
        }
        std::mem::take(&mut self.found)
    }

    fn records(&mut self, runs: &[Run], marks: &[Mark]) {
        let mut index = 0_u32;
        for Run { batch, range } in runs {
            for record in batch.records.get(range.clone()).unwrap_or_default() {
                if let Some(incident) = self.record(record, batch) {
                    self.found.push(((index, true, Timestamp::MIN, record.key), incident));
                }
                index += 1;
            }
        }
        if let Some(mark) = marks.last() {
            self.dedup.advance(mark.watermark);
        }
    }

    fn record(&mut self, record: &UsageRecord, batch: &Batch) -> Option<Incident> {
        let is_use = record.kind == Kind::Request && record.part != Part::Usage;
        if !is_use || record.address.is_none() && record.user_agent.is_none() || self.is_duplicate(record) {
            return None;
        }
        let identity = self.identity(record, batch);
        let Self { keys, fleet, config, networks, load_tools, learning, .. } = self;
        let is_full = keys.len() >= config.keys_max;
        let watch = match keys.entry(record.key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(_) if is_full => return None,
            Entry::Vacant(entry) => {
                fleet.add_key();
                entry.insert(Box::new(Watch::new(seconds(record.time.at), &identity, record, batch)))
            }
        };
        let threshold = if *learning { f64::INFINITY } else { config.threshold_nats };
        let seat = Seat { key: record.key, time: record.time, threshold, load_tools };
        watch.take(&act(record, batch, &identity), &seat, fleet, networks)
    }

    fn is_duplicate(&mut self, record: &UsageRecord) -> bool {
        let id = record.request_hash << 16 | u64::from(record.key.mark());
        record.request_hash != 0 && self.dedup.see(id, content(record), record.time.at) == Sighting::Duplicate
    }

    /// What is still to be told of incidents, when there are no more records.
    fn end(&mut self) {
        let Self { keys, fleet, networks, load_tools, found, .. } = self;
        for (key, watch) in keys.iter_mut() {
            let rest = watch.rest(*key, fleet, networks, load_tools).into_iter();
            found.extend(rest.map(|incident| ((u32::MAX, true, incident.updated_at.at, *key), incident)));
        }
        found.sort_by_key(|(order, _)| *order);
    }

    fn identity(&mut self, record: &UsageRecord, batch: &Batch) -> Identity {
        let Self { places, clients, networks, .. } = self;
        if places.len() >= MEMO_MAX {
            places.clear();
        }
        if clients.len() >= MEMO_MAX {
            clients.clear();
        }
        let place = |address| *places.entry(address).or_insert_with(|| Place::of(address, networks));
        let name = batch.bytes_of(record.user_agent);
        let software = (!name.is_empty()).then(|| {
            let known = clients.entry(XxHash3_64::oneshot(name));
            *known.or_insert_with(|| client(batch.text(record.user_agent)))
        });
        Identity::new(record.address.map(place), software)
    }
}

/// What a record says of the one who sent it.
fn act<'a>(record: &UsageRecord, batch: &'a Batch, identity: &'a Identity) -> Act<'a> {
    let endpoint = batch.bytes_of(record.endpoint);
    Act {
        at: seconds(record.time.at),
        identity,
        model: record.model.id,
        endpoint: XxHash3_64::oneshot(endpoint),
        is_list: endpoint.ends_with(b"models") || endpoint.starts_with(b"List"),
        status: record.status,
        input: record.tokens.input(),
        output: record.tokens.output.or_zero(),
        cost: record.cost.usd(),
        request: batch.text(record.request_id),
    }
}

#[cfg(test)]
mod tests;

//! From records to incidents: who uses a key besides its owner.
//!
//! Every key has an owner, who is known by networks, blocks of addresses and client software. A record of anybody else
//! teaches nothing about the owner; it goes to a cohort of its kind, which collects evidence (`evidence`). When that is
//! enough, the incident is told, once for each cohort, and again as it grows. A cohort that turns out to be the owner,
//! moved, is accepted.
//!
//! One pass in the order of arrival, by event time. Nothing looks ahead, and every key has a bounded state, which is kept
//! with the rest of the key's. What is usual among all keys (`fleet`) is told every quarter of an hour.

mod cohort;
mod evidence;
mod event;
mod fleet;
mod habits;
mod identity;
mod known;
mod novelty;
mod owner;
mod shape;
mod watch;

pub use event::Incident;
pub use evidence::{TERMS, Term};
pub use fleet::Fleet;

use crate::address::Address;
use crate::detect::KeyProfile;
use crate::networks::Networks;
use crate::normalise::clients::{Client, client};
use crate::record::{Batch, Kind, Part, UsageRecord};
use crate::time::{MINUTE, Stamp, Timestamp};
use cohort::Act;
use fleet::Around;
use habits::Regular;
use hashbrown::HashMap;
use identity::{Identity, Place};
use owner::seconds;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use twox_hash::XxHash3_64;
use watch::{Seat, Watch};

/// Places and clients that are remembered, for their names are looked up for every record.
const MEMO_MAX: usize = 1 << 16;
/// How often it is told what is usual among all keys, in minutes of event time.
const EPOCH_MINUTES: i64 = 15;

/// Settings of the incident layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IncidentConfig {
    /// Whether incidents are looked for.
    pub enabled: bool,
    /// The evidence, in nats, from which on an incident is told.
    pub threshold_nats: f64,
    /// The same for keys whose records tell neither address nor client, which are known by their habits alone.
    pub habits_threshold_nats: f64,
}

impl Default for IncidentConfig {
    fn default() -> Self {
        Self { enabled: false, threshold_nats: 11.5, habits_threshold_nats: 2.2 }
    }
}

/// What all shards look for incidents with.
#[derive(Clone, Debug)]
pub struct IncidentSettings {
    /// The evidence, in nats, from which on an incident is told.
    pub threshold_nats: f64,
    /// The same for keys that are known by their habits alone.
    pub habits_threshold_nats: f64,
    /// Which network an address belongs to.
    pub networks: Arc<Networks>,
}

/// Tells when all are to be told what is usual by now: whenever the watermark comes into another epoch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epochs(Option<i64>);

impl Epochs {
    /// Where the watermark has come this far.
    pub fn at(watermark: Option<Timestamp>) -> Self {
        Self(watermark.map(Self::of))
    }

    fn of(watermark: Timestamp) -> i64 {
        watermark.0.div_euclid(EPOCH_MINUTES * MINUTE)
    }

    /// Whether another epoch begins with this watermark.
    pub fn begins(&mut self, watermark: Timestamp) -> bool {
        let of_mark = Self::of(watermark);
        self.0.replace(of_mark).is_some_and(|known| known != of_mark)
    }

    /// When this one began.
    #[cfg(feature = "kafka")]
    pub fn start(self) -> Timestamp {
        Timestamp(self.0.unwrap_or_default().saturating_mul(EPOCH_MINUTES * MINUTE))
    }
}

/// What is known of one key where incidents are looked for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Watched {
    /// Of records that tell an address or a client.
    consumers: Option<Box<Watch>>,
    /// Of those that tell neither.
    regular: Option<Box<Regular>>,
}

impl Watched {
    /// Memory besides its own, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.consumers.as_deref().map_or(0, Watch::bytes) + self.regular.as_deref().map_or(0, Regular::bytes)
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

/// Looks at the records of some keys, one after the other; what it knows of each key is the key's own ([`Watch`]).
pub struct Observer {
    settings: IncidentSettings,
    load_tools: Vec<u64>,
    /// What is usual among all keys, as it was told last, and what these keys have added since.
    known: Fleet,
    news: Fleet,
    places: HashMap<Address, Place, ahash::RandomState>,
    clients: HashMap<u64, Client, ahash::RandomState>,
}

impl Observer {
    /// Nothing is known yet.
    pub fn new(settings: &IncidentSettings) -> Self {
        Self {
            settings: settings.clone(),
            load_tools: LOAD_TOOLS.iter().map(|name| client(name).family).collect(),
            known: Fleet::default(),
            news: Fleet::default(),
            places: HashMap::default(),
            clients: HashMap::default(),
        }
    }

    /// Takes a record of this key; what follows from it, unless everything is only learned from.
    pub fn see(
        &mut self,
        watch: &mut Watched,
        key: &KeyProfile,
        record: &UsageRecord,
        batch: &Batch,
        learning: bool,
    ) -> Option<Incident> {
        let is_use = record.kind == Kind::Request && record.part != Part::Usage;
        if !is_use {
            return None;
        }
        let identity = self.identity(record, batch);
        if record.address.is_none() && record.user_agent.is_none() {
            let Self { settings, known, news, .. } = self;
            let threshold = if learning { f64::INFINITY } else { settings.habits_threshold_nats };
            let seat =
                Seat { key, time: record.time, threshold, load_tools: &[], networks: &settings.networks };
            let regular = watch.regular.get_or_insert_with(|| Box::new(Regular::new(record.time.at)));
            return regular.take(&act(record, batch, &identity), &seat, &known.sizes, &mut news.sizes);
        }
        let watch = watch.consumers.get_or_insert_with(|| {
            self.news.add_key();
            Box::new(Watch::new(seconds(record.time.at), &identity))
        });
        let Self { settings, load_tools, known, news, .. } = self;
        let threshold = if learning { f64::INFINITY } else { settings.threshold_nats };
        let seat = Seat { key, time: record.time, threshold, load_tools, networks: &settings.networks };
        watch.take(&act(record, batch, &identity), &seat, &mut Around { known, news })
    }

    /// What has not been told of open incidents, when there are no more records.
    pub fn rest(&self, watch: &mut Watched, key: &KeyProfile) -> Vec<Incident> {
        let Self { settings, load_tools, known, .. } = self;
        let time = Stamp::utc(Timestamp::MIN);
        let networks = &settings.networks;
        let seat = Seat { key, time, threshold: f64::INFINITY, load_tools, networks };
        let mut rest =
            watch.consumers.as_mut().map_or_else(Vec::new, |consumers| consumers.rest(&seat, known));
        rest.extend(watch.regular.as_mut().and_then(|regular| regular.rest(&seat)));
        rest
    }

    /// What is usual among all keys, as it was told last, and what these have added since.
    pub fn fleet(&self) -> (&Fleet, &Fleet) {
        (&self.known, &self.news)
    }

    /// What these keys have added since this was asked last.
    pub fn take_news(&mut self) -> Fleet {
        std::mem::take(&mut self.news)
    }

    /// All keys have added this; the watermark has come so far.
    pub fn learn(&mut self, news: &Fleet, watermark: Timestamp) {
        self.known.add_all(news);
        self.known.forget(watermark);
    }

    /// Takes up what was saved: what is usual among all keys, and what these had added since.
    pub fn resume(&mut self, known: Fleet, news: &Fleet) {
        self.known = known;
        self.news.add_all(news);
    }

    fn identity(&mut self, record: &UsageRecord, batch: &Batch) -> Identity {
        let Self { places, clients, settings, .. } = self;
        if places.len() >= MEMO_MAX {
            places.clear();
        }
        if clients.len() >= MEMO_MAX {
            clients.clear();
        }
        let place =
            |address| *places.entry(address).or_insert_with(|| Place::of(address, &settings.networks));
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

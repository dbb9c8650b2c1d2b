//! From records to incidents: who uses a key besides its owner.
//!
//! Every key has an owner, who is known by networks, blocks of addresses and client software. A record of anybody else
//! teaches nothing about the owner; it goes to a cohort of its kind, which collects evidence (`evidence`). When that is
//! enough, the incident is told, once for each cohort, and again as it grows. A cohort that turns out to be the owner,
//! moved, is accepted.
//!
//! One pass in the order of arrival, by event time. Nothing looks ahead, and every key has a bounded state, which is kept
//! with the rest of the key's. What is usual among all keys (`fleet`) is told every quarter of an hour.

mod bucket;
mod budget;
mod case;
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
mod statements;
mod stranger;
mod table;
mod watch;

pub use bucket::Gain;
pub use budget::{Outlook, Way};
pub use event::{Incident, Phase, id_of_alert, incident_id};
pub use evidence::{IDENTITY, TERMS, Term, is_of_habits, meaning};
pub use fleet::{Fleet, OWNER, Taken};
pub use habits::{HABITS, OPEN as SUSPECT_SECONDS, SUSPECTS_MAX};
pub use stranger::{Owned, Stranger};

use crate::address::Address;
use crate::detect::{KeyProfile, Severity};
use crate::networks::Networks;
use crate::normalise::clients::{Client, client};
use crate::record::{Batch, Kind, Part, Statement, UsageRecord};
use crate::time::{MINUTE, SECOND, Stamp, Timestamp};
use budget::Bar;
use cohort::Act;
use fleet::Around;
use habits::{Regular, ToldBy};
use hashbrown::HashMap;
use identity::{Identity, Place};
use owner::seconds;
use serde::{Deserialize, Serialize};
use statements::{INCIDENT, Said, Saying};
use std::sync::Arc;
use watch::{Seat, Watch};
use xxhash_rust::xxh3::xxh3_64;

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
    /// How many false incidents a week all keys together may raise; the thresholds follow. 0: the thresholds are those
    /// above.
    pub false_per_week: f64,
    /// After how many hours without the consumer an incident is over.
    pub quiet_hours: u32,
}

impl Default for IncidentConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            threshold_nats: 7.6,
            habits_threshold_nats: 1.8,
            false_per_week: 0.0,
            quiet_hours: 24,
        }
    }
}

/// What all shards look for incidents with.
#[derive(Clone, Debug)]
pub struct IncidentSettings {
    /// The evidence, in nats, from which on an incident is told.
    pub threshold_nats: f64,
    /// The same for keys that are known by their habits alone.
    pub habits_threshold_nats: f64,
    /// How many false incidents a week all keys together may raise, if the thresholds follow that.
    pub false_per_week: Option<f64>,
    /// After how many seconds without the consumer an incident is over.
    pub quiet_seconds: i64,
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
    /// Of sums, as long as there are no records of requests.
    summed: Option<Box<Regular>>,
    /// What operators have said.
    said: Option<Box<Said>>,
    /// Memory besides its own when it was last asked for, and whether it may be another by now: to add it up takes as
    /// long as to take a record.
    #[serde(skip)]
    bytes: usize,
    #[serde(skip)]
    is_changed: bool,
}

impl Watched {
    /// Whether it takes more memory, or less, than when this was asked last.
    pub fn is_resized(&mut self) -> bool {
        if !std::mem::take(&mut self.is_changed) {
            return false;
        }
        let before = self.bytes;
        self.bytes = self.heap_bytes();
        self.bytes != before
    }

    /// Memory besides its own, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.consumers.as_deref().map_or(0, Watch::bytes)
            + self.regular.iter().chain(&self.summed).map(|regular| regular.bytes()).sum::<usize>()
            + self.said.as_deref().map_or(0, Said::bytes)
    }

    /// Remembers what an operator says, where nobody looks for incidents.
    pub fn hear(&mut self, record: &UsageRecord, statement: Statement, batch: &Batch) {
        self.note(record, statement, batch, &Identity::new(None, None));
    }

    fn note(&mut self, record: &UsageRecord, statement: Statement, batch: &Batch, identity: &Identity) {
        self.said.get_or_insert_default().take(&Saying {
            statement,
            at: seconds(record.time.at),
            until: seconds(record.end()),
            about: &batch.text(record.endpoint).to_ascii_lowercase(),
            reason: batch.text(record.model.name),
            identity,
        });
    }

    /// Whether a detector's verdicts were not to be told then.
    pub fn is_quiet(&self, detector: &str, at: Timestamp) -> bool {
        self.said.as_ref().is_some_and(|said| said.is_quiet(detector, seconds(at)))
    }

    /// Whether an operator wants to hear of an incident: he has not said that it is none, nor that he wants to hear of none
    /// by now.
    pub fn wants(&self, incident: &str, at: Timestamp) -> bool {
        let said = self.said.as_ref();
        said.is_none_or(|said| !said.is_dismissed(incident) && !said.is_quiet(INCIDENT, seconds(at)))
    }

    /// How bad each open incident is.
    pub fn open(&self) -> impl Iterator<Item = Severity> {
        let consumers = self.consumers.iter().flat_map(|consumers| consumers.open());
        consumers.chain(self.regular.as_ref().and_then(|regular| regular.open()))
    }

    /// When the next open incident is over, if nothing more comes of it for `quiet` seconds.
    pub fn due(&self, quiet: i64) -> Option<Timestamp> {
        let consumers = self.consumers.as_ref().and_then(|consumers| consumers.due(quiet));
        let regular = self.regular.iter().chain(&self.summed).filter_map(|regular| regular.due());
        regular.chain(consumers).min().map(|due| Timestamp(due * SECOND))
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
    /// What scores must come to, by what is known.
    bars: [Bar; 2],
    places: HashMap<Address, Place, ahash::RandomState>,
    clients: HashMap<u64, Client, ahash::RandomState>,
    taken: Taken,
}

impl Observer {
    /// Nothing is known yet.
    pub fn new(settings: &IncidentSettings) -> Self {
        let mut observer = Self {
            settings: settings.clone(),
            bars: [Bar::SILENT; 2],
            load_tools: LOAD_TOOLS.iter().map(|name| client(name).family).collect(),
            known: Fleet::default(),
            news: Fleet::default(),
            places: HashMap::default(),
            clients: HashMap::default(),
            taken: Taken::OWN,
        };
        observer.set_bars();
        observer
    }

    fn set_bars(&mut self) {
        let Self { settings, known, .. } = self;
        let fixed = [settings.threshold_nats, settings.habits_threshold_nats].map(Bar::fixed);
        self.bars = settings.false_per_week.map_or(fixed, |budget| known.tally.bars(budget, known.keys()));
    }

    /// Goes on with other thresholds. Networks stay: what is remembered of addresses follows from them.
    pub fn reconfigure(&mut self, settings: &IncidentSettings) {
        let networks = Arc::clone(&self.settings.networks);
        self.settings = IncidentSettings { networks, ..settings.clone() };
        self.set_bars();
    }

    /// How many false incidents a week are to be expected, how many there were, and the thresholds that hold.
    pub fn outlook(&self) -> Outlook {
        self.known.tally.outlook(self.settings.false_per_week, self.bars, self.known.keys())
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
        self.taken = Taken::OWN;
        let is_use = record.kind == Kind::Request && record.part != Part::Usage;
        if !is_use {
            return None;
        }
        let identity = self.identity(record, batch);
        let Watched { consumers, regular, said, is_changed, .. } = watch;
        let Self { settings, load_tools, known, news, bars, taken, .. } = self;
        let seat = |way: Way| {
            let bar = if is_silent(said.as_deref(), record.time.at, learning) {
                Bar::SILENT
            } else {
                bars[way as usize]
            };
            Seat {
                key,
                time: record.time,
                bar,
                load_tools,
                networks: &settings.networks,
                said: said.as_deref(),
            }
        };
        if record.address.is_none() && record.user_agent.is_none() {
            *is_changed = true;
            let regular =
                regular.get_or_insert_with(|| Box::new(Regular::new(record.time.at, ToldBy::Requests)));
            return regular.take(
                &act(record, batch, &identity),
                &seat(Way::Habits),
                &mut Around { known, news, taken },
            );
        }
        let consumers = consumers.get_or_insert_with(|| {
            news.add_key();
            *is_changed = true;
            Box::new(Watch::new(record.time.at, &identity))
        });
        let act = act(record, batch, &identity);
        consumers.take(&act, &seat(Way::Consumer), &mut Around { known, news, taken }, is_changed)
    }

    /// Whose the record that was seen last was taken for.
    pub const fn taken(&self) -> Taken {
        self.taken
    }

    /// Takes what an operator says of a key; what follows from it.
    pub fn hear(
        &mut self,
        watch: &mut Watched,
        key: &KeyProfile,
        record: &UsageRecord,
        statement: Statement,
        batch: &Batch,
    ) -> Option<Incident> {
        let identity = self.identity(record, batch);
        watch.note(record, statement, batch, &identity);
        if !matches!(statement, Statement::Confirm | Statement::Dismiss) {
            return None;
        }
        let about = batch.text(record.endpoint).to_ascii_lowercase();
        let Watched { consumers, regular, summed, said, .. } = watch;
        let said = said.as_deref();
        let Self { settings, load_tools, known, news, taken, .. } = self;
        let networks = &settings.networks;
        let seat = Seat { key, time: record.time, bar: Bar::SILENT, load_tools, networks, said };
        let around = &mut Around { known, news, taken };
        let mut regulars = regular.iter_mut().chain(summed);
        let of_habits = regulars.find_map(|regular| regular.hear(&about, &seat, around));
        let consumers = consumers.as_mut().filter(|_| of_habits.is_none());
        of_habits.or_else(|| consumers?.hear(&about, &seat, around))
    }

    /// Tells of the open incidents of a key that are over by `now`, and when the next will be.
    pub fn settle(
        &self,
        watch: &mut Watched,
        key: &KeyProfile,
        now: Timestamp,
    ) -> (Vec<Incident>, Option<Timestamp>) {
        let Self { settings, load_tools, known, .. } = self;
        let Watched { consumers, regular, summed, said, .. } = watch;
        let (networks, bar) = (&settings.networks, Bar::SILENT);
        let seat = Seat { key, time: Stamp::utc(now), bar, load_tools, networks, said: said.as_deref() };
        let regulars = regular.iter_mut().chain(summed);
        let mut over: Vec<Incident> = regulars.filter_map(|regular| regular.settle(&seat)).collect();
        if let Some(consumers) = consumers {
            over.extend(consumers.settle(&seat, known, settings.quiet_seconds));
        }
        (over, watch.due(settings.quiet_seconds))
    }

    /// What has not been told of open incidents, when there are no more records.
    pub fn rest(&self, watch: &mut Watched, key: &KeyProfile) -> Vec<Incident> {
        let Self { settings, load_tools, known, .. } = self;
        let Watched { consumers, regular, summed, said, .. } = watch;
        let time = Stamp::utc(Timestamp::MIN);
        let (networks, bar) = (&settings.networks, Bar::SILENT);
        let seat = Seat { key, time, bar, load_tools, networks, said: said.as_deref() };
        let mut rest = consumers.as_mut().map_or_else(Vec::new, |consumers| consumers.rest(&seat, known));
        rest.extend(regular.iter_mut().chain(summed).filter_map(|regular| regular.rest(&seat)));
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
        if news.has_networks() {
            self.known.count_lone();
        }
        self.known.forget(watermark);
        self.set_bars();
    }

    /// Takes up what was saved: what is usual among all keys, and what these had added since.
    pub fn resume(&mut self, known: Fleet, news: &Fleet) {
        self.known = known;
        self.known.count_lone();
        self.set_bars();
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
            let known = clients.entry(xxh3_64(name));
            *known.or_insert_with(|| client(batch.text(record.user_agent)))
        });
        Identity::new(record.address.map(place), software)
    }
}

/// Whether nothing is to be told of a key.
fn is_silent(said: Option<&Said>, at: Timestamp, learning: bool) -> bool {
    learning || said.is_some_and(|said| said.is_quiet(INCIDENT, seconds(at)))
}

/// What a record says of the one who sent it.
fn act<'a>(record: &UsageRecord, batch: &'a Batch, identity: &'a Identity) -> Act<'a> {
    let endpoint = batch.bytes_of(record.endpoint);
    Act {
        at: seconds(record.time.at),
        identity,
        model: record.model.id,
        endpoint: xxh3_64(endpoint),
        is_list: endpoint.ends_with(b"models") || endpoint.starts_with(b"List"),
        status: record.status,
        input: record.tokens.input(),
        output: record.tokens.output.or_zero(),
        cost: record.cost.usd(),
        request: batch.text(record.request_id),
        sums: None,
    }
}

#[cfg(test)]
mod tests;

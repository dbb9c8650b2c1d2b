//! `Shard`: composes window, baseline and detection for the keys it owns. One owner, one call moves it.
//!
//! Everything here is a function of the inputs: no clock, no randomness that shows, no hash-order dependence.

mod buckets;
mod census;
mod content;
mod counts;
mod event;
mod incidents;
mod keys;
mod open;
mod own;
mod pieces;
mod portrait;
mod saved;
mod state;
mod witness;

pub use crate::record::Witnessed;
pub use census::{Census, Standing, Sums, Wanted};
pub(crate) use content::content;
pub use counts::{Counts, Gauges, Unpriced};
pub use event::Event;
pub use keys::Limits;
pub use open::{ByClass, Open};
pub use pieces::Piece;
pub use portrait::{Gallery, Portrait, Sitting};

use crate::baseline::BaselineSettings;
use crate::detect::{Alert, KeyProfile, Ruleset};
use crate::incident::{Fleet, IncidentSettings, Observer};
use crate::inventory::Register;
use crate::key::KeyId;
use crate::money::NanoUsd;
use crate::networks::Networks;
use crate::record::{Batch, CostSource, Kind, Mark, Run, Text, UsageRecord};
use crate::time::{Day, Timestamp, Zones};
use crate::watch_list::WatchList;
use crate::window::{Dedup, Restated, Sighting};
use keys::Keys;
use own::Own;
use state::{KeyState, Surroundings};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// What the shards of a run agree on.
pub struct ShardSettings {
    /// Detectors.
    pub rules: Ruleset,
    /// When baselines are built.
    pub baseline: BaselineSettings,
    /// What the configuration says of single keys.
    pub keys: KeyRules,
    /// The zones that keys may be in.
    pub zones: Zones,
    /// Limits of memory, for all shards together.
    pub limits: Limits,
    /// How long after its end a bucket may be told again, in nanoseconds of event time.
    pub restate_within: i64,
    /// How incidents are looked for, if they are.
    pub incidents: Option<IncidentSettings>,
    /// Which network an address belongs to.
    pub networks: Arc<Networks>,
    /// Whom to look out for, as long as nobody has told anything else.
    pub watch_list: Arc<WatchList>,
    /// Of which keys it is told of every request whose it was taken for ([`Event::Use`]).
    pub witnessed: Witnessed,
    /// What requests tell of their sender is disregarded: so a log is judged that tells nothing of him.
    pub is_thin: bool,
    /// Of every key it is known what it spent in the last hour: somebody looks.
    pub is_paced: bool,
}

/// What the configuration says of single keys, found by what is shown of a key, its alias or its fingerprint.
#[derive(Clone, Debug)]
pub struct KeyRules {
    list: Vec<KeyRule>,
    /// Keys that are listed, if any are.
    register: Option<Arc<Register>>,
    /// What the other keys have: one for all of them.
    no_alias: Arc<str>,
    no_amounts: Arc<[NanoUsd]>,
}

impl KeyRules {
    /// These settings, for the keys that have some.
    pub fn new(list: Vec<KeyRule>) -> Self {
        Self { list, register: None, no_alias: Arc::from(""), no_amounts: Arc::from([]) }
    }

    /// The same, where it is known which keys there are.
    #[must_use]
    pub fn with(self, register: Option<Arc<Register>>) -> Self {
        Self { register, ..self }
    }

    /// What is known of a key besides its use.
    fn profile(&self, id: KeyId, hint: &str, alias: &str) -> KeyProfile {
        // Most have no settings of their own, and fingerprints as text take their time.
        let fingerprint = if self.list.is_empty() { String::new() } else { id.to_string() };
        let is_meant = |rule: &&KeyRule| rule.key == hint || rule.key == alias || rule.key == fingerprint;
        let rule = self.list.iter().find(is_meant);
        KeyProfile {
            id,
            hint: hint.into(),
            alias: if alias.is_empty() { Arc::clone(&self.no_alias) } else { alias.into() },
            zone: rule.map_or(0, |rule| rule.zone),
            is_canary: rule.is_some_and(|rule| rule.is_canary),
            is_unlisted: self.register.as_ref().is_some_and(|register| register.misses(id, hint)),
            amounts: Arc::clone(rule.map_or(&self.no_amounts, |rule| &rule.amounts)),
            budget: rule.map_or(NanoUsd::ZERO, |rule| rule.budget),
        }
    }
}

/// Settings of one key.
#[derive(Clone, Debug)]
pub struct KeyRule {
    /// The shown key (`...3f9c`), its alias, or its fingerprint in hexadecimal.
    pub key: String,
    /// Number of its zone.
    pub zone: u16,
    /// Daily amounts its owner wants to hear of; empty for the defaults.
    pub amounts: Arc<[NanoUsd]>,
    /// What it may cost in a calendar month; nothing for no budget.
    pub budget: NanoUsd,
    /// Nobody may use it.
    pub is_canary: bool,
}

/// What a shard is given.
pub enum Input<'a> {
    /// Records in order. Those of other shards' keys are passed over.
    Records {
        /// The records.
        runs: &'a [Run],
        /// When the watermark moves.
        marks: &'a [Mark],
    },
    /// What the keys of all shards have added to what is usual among them, since that was told last.
    Fleet(&'a Fleet),
    /// Whom to look out for from now on.
    WatchList(Arc<WatchList>),
    /// The configuration from now on. Limits, networks and whether incidents are looked for have to be those of before.
    Settings(Arc<ShardSettings>),
    /// The records so far were history: baselines are built from them, and time starts anew.
    EndOfHistory,
    /// There will be no more records: everything open is closed.
    End,
}

/// What is told, and its place among what other shards tell.
#[derive(Clone, Debug)]
pub struct Output {
    /// Order in the whole stream: first by input, then by kind, then by window and key.
    pub order: Order,
    /// What is told.
    pub event: Event,
}

/// Position of an output: index of the record, closings before it, then by end of window and key.
pub type Order = (u32, bool, Timestamp, KeyId);

/// The state of the keys whose fingerprint falls to this shard.
pub struct Shard {
    settings: Arc<ShardSettings>,
    number: u64,
    of: u64,
    keys: Keys,
    zones: Zones,
    dedup: Dedup,
    restated: Restated,
    observer: Option<Observer>,
    /// What is known of canary prompts: each shard knows all of it, for their keys are not known.
    own: Own,
    watch_list: Arc<WatchList>,
    /// Ends of open days, soonest first.
    closings: BinaryHeap<Reverse<(Timestamp, KeyId, Day)>>,
    /// When open incidents may be over, soonest first.
    settlements: BinaryHeap<Reverse<(Timestamp, KeyId)>>,
    /// When keys may have been silent for too long, soonest first.
    looks: BinaryHeap<Reverse<(Timestamp, KeyId)>>,
    watermark: Timestamp,
    /// The watermark when pieces were last asked for.
    told: Timestamp,
    /// Records are history: learned from, not judged.
    learning: bool,
    counts: Counts,
    unpriced: Unpriced,
    outputs: Vec<Output>,
    alerts: Vec<Alert>,
    /// The keys that are witnessed: one that was named once is known without its name.
    witnessed: Vec<KeyId>,
}

impl Shard {
    /// Shard `number` of `of`; `learning` where a history is given first.
    pub fn new(settings: Arc<ShardSettings>, number: usize, of: usize, learning: bool) -> Self {
        let of = of.max(1);
        Self {
            number: number as u64,
            of: of as u64,
            keys: Keys::new(settings.limits.share(of)),
            zones: settings.zones.clone(),
            dedup: Dedup::new(settings.limits.dedup_entries_max / of),
            restated: Restated::new(settings.limits.bucket_entries_max / of, settings.restate_within),
            observer: settings.incidents.as_ref().map(Observer::new),
            own: Own::default(),
            watch_list: Arc::clone(&settings.watch_list),
            closings: BinaryHeap::new(),
            settlements: BinaryHeap::new(),
            looks: BinaryHeap::new(),
            watermark: Timestamp::MIN,
            told: Timestamp::MIN,
            learning,
            counts: Counts::default(),
            unpriced: Unpriced::default(),
            outputs: Vec::new(),
            alerts: Vec::new(),
            witnessed: Vec::new(),
            settings,
        }
    }

    /// Moves the state by one input; what follows from it.
    pub fn apply(&mut self, input: &Input<'_>) -> (Vec<Output>, Counts) {
        match input {
            Input::Records { runs, marks } => self.records(runs, marks),
            Input::Fleet(news) => {
                if let Some(observer) = &mut self.observer {
                    observer.learn(news, self.watermark);
                }
            }
            Input::WatchList(list) => self.watch_list = Arc::clone(list),
            Input::Settings(settings) => self.reconfigure(settings),
            Input::EndOfHistory => self.end_of_history(),
            Input::End => {
                self.advance(0, Timestamp::MAX);
                self.tell_rest();
            }
        }
        (std::mem::take(&mut self.outputs), std::mem::take(&mut self.counts))
    }

    /// The models of records whose cost is not known, since this was asked last.
    pub fn take_unpriced(&mut self) -> Unpriced {
        std::mem::take(&mut self.unpriced)
    }

    /// How much is held now.
    pub fn gauges(&self) -> Gauges {
        Gauges {
            keys: self.keys.len() as u64,
            state_bytes: (self.keys.bytes()
                + self.dedup.heap_bytes()
                + self.restated.heap_bytes()
                + self.own.heap_bytes()) as u64,
            keys_evicted: self.keys.evicted,
            dedup_forgotten: self.dedup.forgotten,
            bucket_entries: self.restated.len() as u64,
            buckets_forgotten: self.restated.forgotten,
            by_signals: self.keys.by_signals(),
            open: self.keys.open(),
            outlook: self.observer.as_ref().map(Observer::outlook),
        }
    }

    fn records(&mut self, runs: &[Run], marks: &[Mark]) {
        let mut marks = marks.iter().peekable();
        let mut index = 0_u32;
        for Run { batch, range } in runs {
            for record in batch.records.get(range.clone()).unwrap_or_default() {
                while let Some(mark) = marks.next_if(|mark| mark.at <= index) {
                    self.advance(index, mark.watermark);
                }
                if record.key.shard(self.of) == self.number {
                    self.record(index, record, batch);
                }
                if let Kind::Canary(canary) = record.kind {
                    self.own.note(record, canary, batch);
                }
                index += 1;
            }
        }
        for mark in marks {
            self.advance(mark.at, mark.watermark);
        }
    }

    #[inline]
    fn record(&mut self, index: u32, record: &UsageRecord, batch: &Batch) {
        match record.kind {
            Kind::Request if self.settings.is_thin => {
                self.request(index, &UsageRecord { address: None, user_agent: Text::NONE, ..*record }, batch);
            }
            Kind::Request => self.request(index, record, batch),
            Kind::Bucket | Kind::Invoice => self.bucket(index, record, batch),
            Kind::Audit(action) => self.audit(index, record, action, batch),
            Kind::Statement(statement) => self.statement(index, record, statement, batch),
            Kind::Canary(canary) => self.canary(index, record, canary, batch),
        }
    }

    #[inline]
    fn request(&mut self, index: u32, record: &UsageRecord, batch: &Batch) {
        if record.request_hash != 0 && self.is_duplicate(record.request_hash, record) {
            self.counts.duplicate += 1;
            return;
        }
        if !self.learning {
            self.counts.tally(record.cost_source, i64::from(record.requests.max(1)), record.cost);
            if record.cost_source == CostSource::Unknown {
                self.unpriced.count(batch.text(record.model.name), i64::from(record.requests.max(1)));
            }
        }
        if self.own.takes(record, batch) {
            self.counts.processed += 1;
            self.counts.learned += u64::from(self.learning);
            self.counts.own += 1;
            return;
        }
        let Self {
            settings,
            keys,
            zones,
            closings,
            watermark,
            counts,
            alerts,
            observer,
            learning,
            watch_list,
            ..
        } = self;
        let Some(slot) = keys.slot(record, batch, settings) else {
            counts.untracked += 1;
            counts.processed += 1;
            return;
        };
        let Some(key) = keys.state(slot) else { return };
        if key.lacks_alias_of(record) {
            key.take_alias(record, batch, &settings.keys);
        }
        let local = zones.local(key.zone(), record.time.at);
        if *learning {
            counts.processed += 1;
            counts.learned += 1;
            key.learn(record, batch, local);
        } else {
            let mut surroundings = Surroundings {
                settings,
                zones,
                closings,
                watermark: *watermark,
                listed: watch_list.find(record, batch, &settings.networks),
            };
            if key.count(record, batch, local, &mut surroundings, alerts) {
                counts.processed += 1;
            } else {
                counts.late += 1;
            }
        }
        let order = (index, true, Timestamp::MIN, record.key);
        let incident = observer.as_mut().and_then(|observer| key.observe(observer, record, batch, *learning));
        if key.resized {
            keys.settle(slot);
            self.drop_orphans();
        }
        if !self.alerts.is_empty() {
            self.give(order);
        }
        if let Some(incident) = incident {
            self.tell(order, incident);
        }
        self.witness(order, record, batch);
    }

    /// What the keys have added to what is usual among all, since this was taken last.
    #[cfg(feature = "kafka")]
    pub fn fleet_news(&self) -> Option<&Fleet> {
        self.observer.as_ref().map(|observer| observer.fleet().1)
    }

    /// Takes up what is usual among all keys, and what these had added to it.
    #[cfg(feature = "kafka")]
    pub fn resume_fleet(&mut self, known: Fleet, news: &Fleet) {
        if let Some(observer) = &mut self.observer {
            observer.resume(known, news);
        }
    }

    /// What the keys have added to what is usual among all, since this was asked last.
    pub fn take_fleet_news(&mut self) -> Fleet {
        self.observer.as_mut().map(Observer::take_news).unwrap_or_default()
    }

    /// Forgets that the days of keys which gave way are to be closed, once they are the greater part.
    fn drop_orphans(&mut self) {
        const AT_ONCE_MIN: usize = 1024;
        if self.keys.orphaned_days < AT_ONCE_MIN.max(self.closings.len() / 2) {
            return;
        }
        self.keys.orphaned_days = 0;
        let mut closings = std::mem::take(&mut self.closings).into_vec();
        closings.retain(|Reverse((_, key, day))| {
            let slot = self.keys.find(*key);
            slot.and_then(|slot| self.keys.state(slot)).is_some_and(|state| state.has_open(*day))
        });
        closings.sort_unstable();
        closings.dedup();
        self.closings = closings.into();
    }

    fn is_duplicate(&mut self, hash: u64, record: &UsageRecord) -> bool {
        // Of a saved identifier it must be known whose shard remembers it.
        let id = hash << 16 | u64::from(record.key.mark());
        match self.dedup.see(id, content(record), record.time.at) {
            Sighting::New => false,
            Sighting::Duplicate => true,
            Sighting::Conflict => {
                self.counts.conflicting += 1;
                false
            }
        }
    }

    fn give(&mut self, order: Order) {
        self.drop_quiet(order.3);
        let alerts = std::mem::take(&mut self.alerts);
        let pages = self.pages(&alerts);
        self.outputs.extend(alerts.into_iter().map(|alert| Output { order, event: Event::Alert(alert) }));
        for incident in pages {
            self.tell(order, incident);
        }
    }

    /// Closes the days that end at or before `watermark`.
    fn advance(&mut self, index: u32, watermark: Timestamp) {
        self.watermark = self.watermark.max(watermark);
        self.dedup.advance(watermark);
        self.forget_buckets(watermark);
        self.own.advance(watermark);
        self.settle(index, watermark);
        self.close_days(index, watermark);
        self.listen(index, watermark);
    }

    fn close_days(&mut self, index: u32, watermark: Timestamp) {
        while let Some(Reverse((end, key, day))) = self.closings.peek().copied() {
            if end > watermark {
                return;
            }
            self.closings.pop();
            let Some(slot) = self.keys.find(key) else {
                self.keys.orphaned_days = self.keys.orphaned_days.saturating_sub(1);
                continue;
            };
            if let Some(state) = self.keys.state(slot) {
                state.close(day, &self.settings, &mut self.alerts);
                let look = state.expect(&self.settings.rules, &mut self.zones);
                self.looks.extend(look.map(|look| Reverse((look, key))));
                self.keys.settle(slot);
                self.give((index, false, end, key));
            }
        }
    }

    fn end_of_history(&mut self) {
        self.learning = false;
        self.watermark = Timestamp::MIN;
        self.dedup.clear();
        self.restated.clear();
        self.keys.forgotten = Timestamp::MIN;
        self.keys.each(|key| key.end_of_history(self.settings.baseline));
    }
}

impl KeyState {
    fn zone(&self) -> u16 {
        self.profile.zone
    }
}

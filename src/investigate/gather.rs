//! Listens to a run, and keeps of one key what an investigation needs: sums of each consumer, what was told of the key,
//! and what was done to it. Bounded in every dimension that records have. Several keys are listened for in one run: each is
//! gathered as if it were alone.

use super::act::{Act, Source};
use super::gathered::{Case, Deed, DeedKind, Gathered, History, Signal};
use super::halves::Halves;
use super::places::Places;
use super::recent::Recent;
use super::spool::SpoolError;
use super::sums::{Spent, Sums};
use crate::detect::Alert;
use crate::engine::Told;
use crate::incident::{HABITS, Incident, OWNER, SUSPECT_SECONDS, SUSPECTS_MAX, Taken, incident_id};
use crate::join::FOLLOWS;
use crate::networks::Networks;
use crate::record::{Batch, Kind, Part, UsageRecord};
use crate::shard::{Event, Output, Witnessed};
use crate::time::{SECOND, Timestamp};
use crate::watch_list::WatchList;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Consumers that are told apart, signals, and deeds.
const CONSUMERS_MAX: usize = 500;
const SIGNALS_MAX: usize = 1_000;
const DEEDS_MAX: usize = 1_000;
/// Lines of a bill of which it is known what they said last.
const BUCKETS_MAX: usize = 100_000;
/// Numbers of consumers that are not those of the ledger: who was named as the attacker, and all who are not the owner
/// where only that was said.
pub const NAMED: u32 = HABITS - 1;
/// Whoever is not on the list of the owner's.
pub const UNLISTED: u32 = HABITS - 2;
/// Consumers that found no place.
pub const OTHERS: u32 = HABITS - 3;
/// Whoever is told of by a provider's sums, where his number is not known.
pub const SUMMED: u32 = HABITS - 4;

/// What is asked.
#[derive(Clone, Default)]
pub struct Question {
    /// The key, by its names.
    pub key: Witnessed,
    /// Nothing before is the attacker's.
    pub since: Option<Timestamp>,
    /// Nothing after is looked at.
    pub until: Option<Timestamp>,
    /// The owner's addresses and clients: where they are given, everybody else is the attacker (the seed's rule).
    pub legitimate: Option<Arc<WatchList>>,
    /// The attacker's.
    pub attacker: Option<Arc<WatchList>>,
    /// Which network an address belongs to.
    pub networks: Arc<Networks>,
    /// The records up to [`Told::ends_history`] only say what is usual.
    pub has_history: bool,
}

/// A request that is suspect for what it is, and waits for an incident.
struct Suspect {
    consumer: u32,
    act: Act,
}

/// Listens to a run for all that is asked.
pub struct Gathers {
    places: Places,
    each: Vec<Gather>,
}

impl Gathers {
    /// Nothing heard yet.
    pub fn new(questions: Vec<Question>) -> Result<Self, SpoolError> {
        let each = questions.into_iter().map(Gather::new).collect::<Result<_, _>>()?;
        Ok(Self { places: Places::default(), each })
    }

    /// Takes a step of the run.
    pub fn told(&mut self, told: &Told) {
        self.places.load(told.loaded());
        for gather in &mut self.each {
            gather.told(told, &self.places);
        }
        self.places.forget();
    }

    /// All that was heard, in the order of the questions.
    pub fn finish(self) -> Vec<Gathered> {
        self.each.into_iter().map(Gather::finish).collect()
    }
}

/// Listens to a run for one key.
struct Gather {
    question: Question,
    suspects: VecDeque<Suspect>,
    recent: Recent,
    halves: Halves,
    /// Consumers that were there before the theft began.
    earlier: BTreeSet<u32>,
    buckets: BTreeMap<u64, Spent>,
    latest: Option<Timestamp>,
    /// What comes is history.
    is_history: bool,
    gathered: Gathered,
}

impl Gather {
    fn new(question: Question) -> Result<Self, SpoolError> {
        let mut gathered = Gathered::new()?;
        gathered.history.is_given = question.has_history;
        Ok(Self {
            is_history: question.has_history,
            question,
            suspects: VecDeque::new(),
            recent: Recent::default(),
            halves: Halves::default(),
            earlier: BTreeSet::new(),
            buckets: BTreeMap::new(),
            latest: None,
            gathered,
        })
    }

    fn told(&mut self, told: &Told, places: &Places) {
        let mut outputs = told.outputs.iter().peekable();
        let mut index = 0_u32;
        for run in told.runs() {
            let records = run.batch.records.get(run.range.clone()).unwrap_or_default();
            for (place, record) in (run.range.start..).zip(records) {
                let mut taken = None;
                let mut events = Vec::new();
                while let Some(output) = outputs.next_if(|output| output.order.0 <= index) {
                    match &output.event {
                        // Whose the request was is known after what was told for it, which is to count it.
                        Event::Use(whose) => taken = Some(*whose),
                        _ => events.push(output),
                    }
                }
                self.record(record, taken, &|| places.of(run, place), &run.batch);
                for output in events {
                    self.event(output);
                }
                index += 1;
            }
        }
        outputs.for_each(|output| self.event(output));
        self.is_history &= !told.ends_history();
    }

    /// Takes a record of the history: who was there then is no stranger now.
    fn learn(&mut self, record: &UsageRecord, taken: Option<Taken>, name: Arc<str>) {
        let at = record.time.at;
        let History { inputs, span, consumers, .. } = &mut self.gathered.history;
        *inputs.entry(name).or_default() += 1;
        *span = Some(span.map_or((at, at), |(first, last)| (at.min(first), at.max(last))));
        if let Some(taken) = taken.filter(|_| consumers.len() < CONSUMERS_MAX) {
            consumers.insert(taken.consumer);
        }
    }

    fn record(
        &mut self,
        record: &UsageRecord,
        taken: Option<Taken>,
        place: &dyn Fn() -> Source,
        batch: &Batch,
    ) {
        let at = record.time.at;
        if !self.is_history {
            self.gathered.end = Some(self.gathered.end.map_or(at, |known| known.max(at)));
        }
        if !self.is_meant(record, batch) {
            return self.gathered.elsewhere.see(record, batch);
        }
        if self.is_history {
            let source = place();
            if record.kind == Kind::Bucket {
                let buckets = &mut self.gathered.history.buckets;
                buckets.take(record.request_hash, Act::of(record, batch, source.clone()));
            }
            return self.learn(record, taken, source.name);
        }
        if self.question.until.is_some_and(|until| at > until) {
            self.gathered.beyond += 1;
            return;
        }
        let source = place();
        *self.gathered.inputs.entry(Arc::clone(&source.name)).or_default() += 1;
        match record.kind {
            Kind::Request => self.request(record, batch, taken, source),
            Kind::Bucket => self.gathered.take_bucket(record, batch, source),
            Kind::Invoice => self.invoice(record),
            Kind::Audit(action) => self.deed(DeedKind::Audit(action), record, batch, source),
            Kind::Statement(statement) => self.deed(DeedKind::Statement(statement), record, batch, source),
            Kind::Canary(_) => {}
        }
    }

    fn is_meant(&mut self, record: &UsageRecord, batch: &Batch) -> bool {
        let Self { question, gathered, .. } = self;
        if gathered.key != Some(record.key) {
            if !question.key.means(record, batch) {
                return false;
            }
            if gathered.key.is_some() {
                gathered.namesakes.insert(record.key);
                return false;
            }
            gathered.key = Some(record.key);
        }
        if gathered.hint.is_empty() {
            batch.text(record.key_hint).clone_into(&mut gathered.hint);
        }
        if gathered.alias.is_empty() {
            batch.text(record.key_alias).clone_into(&mut gathered.alias);
        }
        true
    }

    fn request(&mut self, record: &UsageRecord, batch: &Batch, taken: Option<Taken>, source: Source) {
        let Some(taken) = taken else {
            self.gathered.duplicates += 1;
            return;
        };
        let at = record.time.at;
        self.gathered.signals_seen = self.gathered.signals_seen.with(record.signals());
        if let Some(latest) = self.latest
            && latest.0 - at.0 > 60 * SECOND
        {
            let (count, most) = self.gathered.disordered;
            self.gathered.disordered = (count + 1, most.max(latest.0 - at.0));
        }
        self.latest = Some(self.latest.map_or(at, |latest| latest.max(at)));
        let act = Act::of(record, batch, source);
        // What a request took comes apart from who asked, where two logs tell of it.
        if let Some((consumer, asked)) = self.halves.remove(record.request_hash ^ FOLLOWS) {
            return self.add(consumer, &asked.took(&act));
        }
        let consumer = self.consumer(record, batch, taken);
        if record.part == Part::Identity && record.request_hash != 0 {
            if let Some((consumer, oldest)) = self.halves.insert(record.request_hash, (consumer, act)) {
                self.add(consumer, &oldest);
            }
        } else if consumer >= HABITS && !self.is_told(consumer) {
            self.suspect(consumer, act);
        } else {
            self.add(consumer, &act);
        }
        if consumer == taken.consumer
            && let Some(sums) = self.gathered.consumers.get_mut(&consumer)
        {
            if let Some(score) = taken.score {
                sums.weigh(score, at);
            }
            sums.is_adopted |= taken.is_adopted && consumer != OWNER;
        }
    }

    /// Whose a request was: by what was asked for, else by the ledger.
    fn consumer(&mut self, record: &UsageRecord, batch: &Batch, taken: Taken) -> u32 {
        let Question { since, legitimate, attacker, networks, .. } = &self.question;
        let is_listed = |list: &Arc<WatchList>| list.find(record, batch, networks).is_some();
        if since.is_some_and(|since| record.time.at < since) {
            self.earlier.insert(taken.consumer);
            return OWNER;
        }
        if attacker.as_ref().is_some_and(is_listed) {
            return NAMED;
        }
        match legitimate {
            Some(list) if is_listed(list) => OWNER,
            Some(_) => UNLISTED,
            // Whoever was there before it began is not he.
            None if self.earlier.contains(&taken.consumer) => OWNER,
            None => self.recent.whose(record.time.at, record.status, taken.consumer),
        }
    }

    fn is_told(&self, consumer: u32) -> bool {
        self.gathered.incidents.values().any(|told| told.consumer == Some(consumer))
    }

    /// Keeps a suspect request until it is known whether something comes of it, as the incident layer does.
    fn suspect(&mut self, consumer: u32, act: Act) {
        let from = act.at.minus(SUSPECT_SECONDS * SECOND);
        self.suspects.push_back(Suspect { consumer, act });
        while self
            .suspects
            .front()
            .is_some_and(|oldest| self.suspects.len() > SUSPECTS_MAX || oldest.act.at < from)
        {
            if let Some(oldest) = self.suspects.pop_front() {
                self.add(OWNER, &oldest.act);
            }
        }
    }

    fn add(&mut self, consumer: u32, act: &Act) {
        let gathered = &mut self.gathered;
        let consumer = if gathered.consumers.contains_key(&consumer)
            || gathered.consumers.len() < CONSUMERS_MAX
            || consumer == OWNER
        {
            consumer
        } else {
            OTHERS
        };
        gathered.consumers.entry(consumer).or_insert_with(|| Sums::new(act.at)).take(act);
        if consumer != OWNER {
            gathered.spool.push(consumer, act);
        }
    }

    /// Takes what a line of a bill says more than before.
    fn invoice(&mut self, record: &UsageRecord) {
        let Self { gathered, buckets, .. } = self;
        let sum = &mut gathered.invoiced;
        let now = Spent {
            requests: u64::from(record.requests),
            refused: 0,
            tokens: [record.tokens.input(), record.tokens.output.or_zero()],
            cost: record.cost,
        };
        let before = buckets.get(&record.request_hash).copied().unwrap_or_default();
        sum.requests = (sum.requests + now.requests).saturating_sub(before.requests);
        for (place, sum) in sum.tokens.iter_mut().enumerate() {
            *sum = (*sum + now.tokens[place]).saturating_sub(before.tokens[place]);
        }
        sum.cost = sum.cost + now.cost - before.cost;
        if buckets.len() < BUCKETS_MAX || buckets.contains_key(&record.request_hash) {
            buckets.insert(record.request_hash, now);
        }
    }

    fn deed(&mut self, what: DeedKind, record: &UsageRecord, batch: &Batch, source: Source) {
        if self.gathered.deeds.len() < DEEDS_MAX {
            let about = if matches!(what, DeedKind::Audit(_)) { record.endpoint } else { record.model.name };
            self.gathered.deeds.push(Deed {
                at: record.time.at,
                what,
                address: record.address,
                about: batch.text(about).to_owned(),
                is_refused: record.status >= 400,
                source,
            });
        }
    }

    fn event(&mut self, output: &Output) {
        match &output.event {
            // Nothing is told of a history but what ends with it.
            _ if self.is_history => {}
            Event::Alert(alert) if Some(alert.key) == self.gathered.key => self.alert(alert),
            Event::Incident(incident) if Some(incident.key) == self.gathered.key => self.incident(incident),
            _ => {}
        }
    }

    fn alert(&mut self, alert: &Alert) {
        if alert.revision == 0 {
            self.signal(Signal {
                id: alert.id.to_string(),
                name: alert.alert_type,
                class: alert.class,
                severity: alert.severity.label(),
                description: alert.description.clone(),
                at: alert.detected_at.at,
                spent: Vec::new(),
                own: Spent::default(),
            });
        }
    }

    fn incident(&mut self, incident: &Incident) {
        if let Some(known) = self.gathered.incidents.get_mut(&incident.id) {
            known.last = incident.clone();
            return;
        }
        if self.gathered.incidents.len() >= SIGNALS_MAX {
            return;
        }
        let consumer = self.consumer_of(incident);
        let told = Case { consumer, first: incident.clone(), last: incident.clone() };
        self.gathered.incidents.insert(incident.id.clone(), told);
        if let Some(consumer) = consumer {
            self.release(consumer, incident.timestamp.at);
        }
        self.signal(Signal {
            id: incident.id.clone(),
            name: "incident",
            class: incident.class,
            severity: incident.severity.label(),
            description: incident.description.clone(),
            at: incident.detected_at.at,
            spent: Vec::new(),
            own: Spent::default(),
        });
    }

    /// The consumer of whom an incident is told: its number stands in the identity.
    fn consumer_of(&self, incident: &Incident) -> Option<u32> {
        let first = incident.timestamp.at.0.div_euclid(SECOND);
        let known = self.gathered.consumers.keys().copied();
        let waiting = self.suspects.iter().map(|suspect| suspect.consumer);
        known.chain(waiting).find(|number| incident_id(incident.key, first, *number) == incident.id)
    }

    /// Something came of the suspects: those from then on are the attacker's.
    fn release(&mut self, consumer: u32, from: Timestamp) {
        let from = Timestamp(from.0 - from.0.rem_euclid(SECOND));
        for suspect in std::mem::take(&mut self.suspects) {
            let is_his = suspect.consumer == consumer && suspect.act.at >= from;
            self.add(if is_his { consumer } else { OWNER }, &suspect.act);
        }
    }

    fn signal(&mut self, mut signal: Signal) {
        let Gathered { signals, consumers, .. } = &mut self.gathered;
        if signals.len() >= SIGNALS_MAX {
            return;
        }
        let others = consumers.iter().filter(|(number, _)| **number != OWNER);
        signal.spent = others.map(|(number, sums)| (*number, sums.span.spent)).collect();
        signal.own = consumers.get(&OWNER).map(|sums| sums.span.spent).unwrap_or_default();
        signals.push(signal);
    }

    /// All that was heard.
    fn finish(mut self) -> Gathered {
        while let Some((consumer, act)) = self.halves.pop() {
            self.add(consumer, &act);
        }
        for suspect in std::mem::take(&mut self.suspects) {
            self.add(OWNER, &suspect.act);
        }
        self.gathered.take_buckets(self.question.since);
        self.gathered
    }
}

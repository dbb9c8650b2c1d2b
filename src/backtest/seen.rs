//! What a run saw of every key and told of it.

use super::labels::{Labels, day_of};
use crate::detect::Class;
use crate::key::KeyId;
use crate::record::{Batch, Kind, UsageRecord};
use crate::shard::{Event, Output};
use crate::time::{Stamp, Timestamp};
use hashbrown::{HashMap, HashSet};
use std::collections::{BTreeMap, BTreeSet};

/// Digits of a fingerprint.
const FINGERPRINT: usize = 32;

/// Which events count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// Incidents.
    Incidents,
    /// Alerts of the detectors.
    Alerts,
}

/// A request of a thief.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// When.
    pub at: Timestamp,
    /// Dollars.
    pub usd: f64,
    /// Its identifier.
    pub id: Box<str>,
}

/// How a run is to tell the requests of thieves from those of owners.
#[derive(Clone, Debug, Default)]
pub struct Stolen {
    /// All of them are a thief's.
    pub all: bool,
    /// By their identifiers.
    ids: HashSet<Box<str>, ahash::RandomState>,
    /// By the time: of these keys, where there are no identifiers.
    spans: BTreeMap<String, Vec<(Timestamp, Timestamp)>>,
}

impl Stolen {
    /// As the labels have it.
    pub fn of(labels: &Labels) -> Self {
        let mut stolen = Self::default();
        for theft in &labels.thefts {
            match &theft.requests {
                Some(ids) => stolen.ids.extend(ids.iter().cloned()),
                None => stolen.spans.entry(theft.key.clone()).or_default().push((theft.start, theft.end)),
            }
        }
        stolen
    }

    /// Every record is a thief's.
    pub fn everything() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// No record is.
    pub fn nothing() -> Self {
        Self::default()
    }
}

/// What was seen of a key.
#[derive(Clone, Debug, Default)]
pub struct KeySeen {
    /// As alerts show it.
    pub hint: String,
    /// Its owner's name for it.
    pub alias: String,
    /// Days on which its owner used it, by their start in UTC.
    pub days: BTreeSet<Timestamp>,
    /// Whether no record told an address or a client.
    pub thin: bool,
    /// Requests of the thief, each once, by time.
    pub rows: Vec<Row>,
    /// When a thief may be at work, where nobody knows which requests are his.
    pub stolen: Vec<(Timestamp, Timestamp)>,
}

impl KeySeen {
    /// Whether a label may call the key so.
    pub fn is_called(&self, id: KeyId, name: &str) -> bool {
        let is_fingerprint = || name.len() == FINGERPRINT && id.to_string() == name;
        !name.is_empty() && (self.hint == name || self.alias == name || is_fingerprint())
    }
}

/// An incident, all its revisions together.
#[derive(Clone, PartialEq, Debug)]
pub struct Opened {
    /// When it was detected, in event time.
    pub at: Timestamp,
    /// Whether it says that the key is in somebody else's hands.
    pub is_theft: bool,
    /// Whether it is of a key that is known by its habits.
    pub by_habits: bool,
    /// Requests that it names.
    pub requests: Vec<Box<str>>,
}

/// What a run saw and told.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Keys.
    pub keys: BTreeMap<KeyId, KeySeen>,
    /// Incidents by key and id.
    pub opened: BTreeMap<(KeyId, String), Opened>,
    /// First and last record.
    pub span: Option<(Timestamp, Timestamp)>,
}

/// Listens to a run.
pub struct Listener {
    which: Which,
    stolen: Stolen,
    keys: HashMap<KeyId, KeySeen, ahash::RandomState>,
    known: HashSet<Box<str>, ahash::RandomState>,
    seen: Seen,
}

impl Listener {
    /// Nothing heard yet.
    pub fn new(which: Which, stolen: Stolen) -> Self {
        Self { which, stolen, keys: HashMap::default(), known: HashSet::default(), seen: Seen::default() }
    }

    /// Takes a record.
    pub fn record(&mut self, record: &UsageRecord, batch: &Batch) {
        if matches!(record.kind, Kind::Audit(_) | Kind::Invoice) {
            return;
        }
        let at = record.time.at;
        let (first, last) = self.seen.span.unwrap_or((at, at));
        self.seen.span = Some((first.min(at), last.max(at)));
        let Self { stolen, keys, known, .. } = self;
        let key = keys.entry(record.key).or_insert_with(|| {
            let hint = batch.text(record.key_hint).to_owned();
            let fingerprint = record.key.to_string();
            let names = [hint.as_str(), batch.text(record.key_alias), &fingerprint];
            let spans = names.iter().filter_map(|name| stolen.spans.get(*name)).flatten().copied().collect();
            KeySeen { hint, stolen: spans, thin: true, ..KeySeen::default() }
        });
        if key.alias.is_empty() && !record.key_alias.is_none() {
            batch.text(record.key_alias).clone_into(&mut key.alias);
        }
        key.thin &= record.address.is_none() && record.user_agent.is_none();
        let id = batch.text(record.request_id);
        let is_theirs = stolen.all || stolen.ids.contains(id);
        if is_theirs && known.insert(id.into()) {
            key.rows.push(Row { at, usd: record.cost.usd(), id: id.into() });
        }
        let is_maybe = key.stolen.iter().any(|(start, end)| (*start..=*end).contains(&at));
        if !is_theirs && !is_maybe {
            key.days.insert(day_of(at));
        }
    }

    /// Takes an event.
    pub fn event(&mut self, event: &Event) {
        let (key, at, class, by_habits, requests) = match (event, self.which) {
            (Event::Incident(incident), Which::Incidents) => {
                let habits = incident.is_by_habits();
                (incident.key, incident.detected_at, incident.class, habits, &incident.request_ids[..])
            }
            (Event::Alert(alert), Which::Alerts) => {
                (alert.key, alert.detected_at, alert.class, false, &[][..])
            }
            _ => return,
        };
        let is_theft = class == Class::Compromise;
        let Stamp { at, .. } = at;
        let opened = self.seen.opened.entry((key, event.id())).or_insert_with(|| Opened {
            at,
            is_theft,
            by_habits,
            requests: Vec::new(),
        });
        opened.at = opened.at.min(at);
        opened.requests.extend_from_slice(requests);
    }

    /// Takes events.
    pub fn events(&mut self, outputs: &[Output]) {
        for output in outputs {
            self.event(&output.event);
        }
    }

    /// All that was heard.
    pub fn finish(self) -> Seen {
        let mut seen = self.seen;
        seen.keys.extend(self.keys);
        for key in seen.keys.values_mut() {
            key.rows.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
        }
        seen
    }
}

impl Seen {
    /// The keys that a label may mean by this name.
    pub fn called(&self, name: &str) -> Vec<KeyId> {
        let called = self.keys.iter().filter(|(id, key)| key.is_called(**id, name));
        called.map(|(id, _)| *id).collect()
    }

    /// Incidents of a key by time, those that speak of theft or those that do not.
    pub fn times(&self, key: KeyId, is_theft: bool) -> Vec<Timestamp> {
        let of_kind = self.of_key(key).filter(|opened| opened.is_theft == is_theft);
        let mut times: Vec<Timestamp> = of_kind.map(|opened| opened.at).collect();
        times.sort_unstable();
        times
    }

    /// Incidents of a key.
    pub fn of_key(&self, key: KeyId) -> impl Iterator<Item = &Opened> {
        let from = self.opened.range((key, String::new())..);
        from.take_while(move |((of, _), _)| *of == key).map(|(_, opened)| opened)
    }
}

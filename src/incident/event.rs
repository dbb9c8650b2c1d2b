//! What is told of an incident.

use super::evidence::{Ledger, Term};
use super::identity::Place;
use super::statements::Said;
use crate::address::Address;
use crate::detect::{Alert, AlertId, Class, Fact, KeyProfile, Severity, Status};
use crate::key::KeyId;
use crate::networks::Networks;
use crate::time::{SECOND, Stamp, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::sync::Arc;

/// Dollars an hour, and in all, from which on an incident is critical.
const CRITICAL_USD: (f64, f64) = (10.0, 25.0);
/// Addresses that are told.
pub const ADDRESSES_MAX: usize = 20;
/// Requests that are told at once.
const TOLD_AT_ONCE: usize = 100;

/// Where an incident is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Phase {
    /// Nobody has said what it is.
    Open,
    /// An operator has said that it is a theft.
    Confirmed,
    /// Whoever it was has been gone for long enough.
    Resolved,
    /// An operator has said that it is none.
    Dismissed,
}

impl Phase {
    /// All phases, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Open, Self::Confirmed, Self::Resolved, Self::Dismissed];

    /// Its name in events and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Confirmed => "confirmed",
            Self::Resolved => "resolved",
            Self::Dismissed => "dismissed",
        }
    }
}

/// A key in somebody else's hands, in one revision.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Stable over revisions.
    pub id: String,
    /// The same for all keys that one and the same stranger uses.
    pub theft: String,
    /// An address of his is new to other keys, too.
    pub is_shared: bool,
    /// Counts up from 0.
    pub revision: u32,
    /// Where it is in its life.
    pub phase: Phase,
    /// Why an operator has said what it is; empty where none has.
    pub reason: String,
    /// What it is.
    pub class: Class,
    /// How bad.
    pub severity: Severity,
    /// The key, what may be shown of it, and its owner's name for it.
    pub key: KeyId,
    /// What may be shown of it.
    pub key_hint: Arc<str>,
    /// Its owner's name for it; empty where there is none.
    pub key_alias: Arc<str>,
    /// One sentence for people.
    pub description: String,
    /// First record of the unknown consumer.
    pub timestamp: Stamp,
    /// The record that made the case.
    pub detected_at: Stamp,
    /// The record that made it what it is now.
    pub updated_at: Stamp,
    /// The sum of the ledger, in nats.
    pub score: f64,
    /// What it had to come to, in nats.
    pub threshold: f64,
    /// What speaks for and against it, the weightiest first.
    pub ledger: Vec<Term>,
    /// Requests and dollars so far.
    pub requests: u32,
    /// Dollars so far.
    pub cost_usd: f64,
    /// Requests that were not told before, by their ids.
    pub request_ids: Vec<Box<str>>,
    /// Where nothing else is told of the key: the buckets that were not told before, by their stretch of time and model.
    pub buckets: Vec<Box<str>>,
    /// Addresses, the first of them.
    pub source_ips: Vec<String>,
    /// What to do.
    pub next_steps: &'static [&'static str],
}

/// What has been told of an incident.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Told {
    pub revision: u32,
    pub records: u32,
    pub spent: f64,
    pub detected: i64,
    /// What the score had to come to, in nats.
    pub threshold: f64,
    pub phase: Phase,
}

impl Told {
    /// What is told of an incident for the first time.
    pub const fn first((records, spent): (u32, f64), at: Timestamp, threshold: f64) -> Self {
        Self { revision: 0, records, spent, detected: at.0, threshold, phase: Phase::Open }
    }

    /// What is told of an incident that has come so far, after what was told before.
    pub fn after(before: Self, (records, spent): (u32, f64), phase: Phase) -> Self {
        Self { revision: before.revision + 1, records, spent, phase, ..before }
    }
}

/// Whether an incident has grown so much that it is worth a word: by requests that are not told, by all of them, or by
/// dollars.
pub fn is_news(untold: usize, records: u32, spent: f64, told: Told) -> bool {
    told.phase == Phase::Resolved
        || untold >= TOLD_AT_ONCE
        || records >= told.records.saturating_mul(3)
        || spent >= 3.0 * told.spent && spent > told.spent + 1.0
}

/// Whoever uses a key besides its owner.
pub struct Consumer {
    /// A number of its own among those of its key.
    pub number: u32,
    /// First and last record, in seconds.
    pub first: i64,
    pub last: i64,
    pub records: u32,
    /// Dollars.
    pub spent: f64,
    /// Where its first record came from, if anybody knows, and all addresses.
    pub place: Option<Place>,
    pub addresses: Vec<Address>,
    /// Whether one of them is new to other keys as well.
    pub is_shared: bool,
    /// What the theft is named by, if anything is known that others may share.
    pub theft: Option<Address>,
}

/// Everything that an incident is told from.
pub struct Scene<'a> {
    pub key: &'a KeyProfile,
    pub consumer: Consumer,
    pub ledger: &'a Ledger,
    pub told: Told,
    pub at: Stamp,
    pub networks: &'a Networks,
    /// What operators have said of the key.
    pub said: Option<&'a Said>,
}

impl Incident {
    /// Of what was found.
    pub fn new(scene: &Scene<'_>, request_ids: Vec<Box<str>>) -> Self {
        let Scene { consumer, ledger, told, .. } = scene;
        let mut terms = ledger.terms().to_vec();
        terms.sort_by(|one, other| other.nats.abs().total_cmp(&one.nats.abs()));
        let stamp = |ns: i64| Stamp::utc(Timestamp(ns));
        let id = incident_id(scene.key.id, consumer.first, consumer.number);
        Self {
            reason: scene.said.map_or_else(String::new, |said| said.reason(&id).to_owned()),
            theft: consumer.theft.map_or_else(|| id.clone(), theft_id),
            is_shared: consumer.is_shared,
            id,
            revision: told.revision,
            phase: told.phase,
            class: Class::Compromise,
            severity: severity([consumer.first, consumer.last], consumer.spent),
            key: scene.key.id,
            key_hint: Arc::clone(&scene.key.hint),
            key_alias: Arc::clone(&scene.key.alias),
            description: describe(scene, &terms),
            timestamp: stamp(consumer.first * SECOND),
            detected_at: stamp(told.detected),
            updated_at: scene.at,
            score: ledger.score(),
            threshold: told.threshold,
            ledger: terms,
            requests: consumer.records,
            cost_usd: consumer.spent,
            request_ids,
            buckets: Vec::new(),
            source_ips: consumer.addresses.iter().map(ToString::to_string).collect(),
            next_steps: crate::detect::REVOKE_FIRST,
        }
    }
}

/// What a sign counts for that is sure by itself, in nats: odds of a million to one. No threshold is above it.
const SURE_NATS: f64 = 13.8;

impl Incident {
    /// Of an alert that is an incident by itself. It is over with its day.
    pub fn of_alert(alert: &Alert) -> Self {
        let count = |name: &str| {
            let found = alert.evidence.iter().find(|(known, _)| *known == name);
            found.map_or(0, |(_, fact)| if let Fact::Count(count) = fact { *count } else { 0 })
        };
        let seen = count("served").saturating_add(count("refused"));
        let addresses = alert.evidence.iter().find(|(name, _)| *name == "source_ips");
        #[allow(clippy::cast_precision_loss, reason = "how often something was seen")]
        let observed = seen as f64;
        let id = id_of_alert(alert.id);
        Self {
            theft: id.clone(),
            is_shared: false,
            id,
            revision: alert.revision,
            phase: if alert.status == Status::Open { Phase::Open } else { Phase::Resolved },
            reason: String::new(),
            class: alert.class,
            severity: alert.severity,
            key: alert.key,
            key_hint: Arc::clone(&alert.key_hint),
            key_alias: Arc::clone(&alert.key_alias),
            description: alert.description.clone(),
            timestamp: alert.timestamp,
            detected_at: alert.detected_at,
            updated_at: alert.updated_at,
            score: SURE_NATS,
            threshold: 0.0,
            ledger: vec![Term { name: alert.alert_type, nats: SURE_NATS, observed, expected: 0.0 }],
            requests: u32::try_from(seen).unwrap_or(u32::MAX),
            cost_usd: alert.cost.usd(),
            request_ids: Vec::new(),
            buckets: Vec::new(),
            source_ips: match addresses {
                Some((_, Fact::Texts(texts))) => texts.clone(),
                _ => Vec::new(),
            },
            next_steps: alert.next_steps,
        }
    }

    /// Whether it is of a key that is known by its habits alone.
    pub fn is_by_habits(&self) -> bool {
        self.ledger.iter().any(Term::is_of_habits)
    }
}

/// The id of an incident: of a key, and of the consumer who came as this number at this time, in seconds.
pub fn incident_id(key: KeyId, first: i64, number: u32) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("keyhound 2026-11-22 incident id");
    hasher.update(&key.0).update(&first.to_le_bytes()).update(&number.to_le_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}

/// The id of an incident that an alert is by itself.
pub fn id_of_alert(alert: AlertId) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("keyhound 2026-11-29 incident of an alert");
    hasher.update(alert.to_string().as_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}

/// What all incidents of a stranger have in common, whichever key he uses: of an address that he came from.
fn theft_id(address: Address) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("keyhound 2026-11-29 theft id");
    hasher.update(&address.bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}

/// How bad it is that somebody has spent so many dollars from the first to the last of these seconds.
#[allow(clippy::cast_precision_loss, reason = "seconds of an incident")]
pub fn severity([first, last]: [i64; 2], spent: f64) -> Severity {
    let hours = ((last - first) as f64 / 3600.0).max(1.0 / 60.0);
    let (per_hour, in_all) = CRITICAL_USD;
    if spent >= in_all || spent > 1.0 && spent / hours >= per_hour {
        Severity::Critical
    } else {
        Severity::High
    }
}

fn describe(scene: &Scene<'_>, terms: &[Term]) -> String {
    let Scene { consumer, networks, .. } = scene;
    let mut text = String::from("somebody besides its owner uses this key");
    // Writing to a text cannot fail.
    let requests = if consumer.records == 1 { "request" } else { "requests" };
    let _ = write!(text, ": {} {requests}, ", consumer.records);
    let _ = match consumer.spent {
        0.01.. => write!(text, "${:.2}", consumer.spent),
        _ => write!(text, "less than a cent"),
    };
    if let Some(place) = &consumer.place {
        let _ = write!(text, ", from {}", place.address);
        if let Some(asn) = place.asn() {
            let _ = write!(text, " (AS{asn} {})", networks.name(asn));
        }
    }
    let reasons = terms.iter().filter(|term| term.nats > 0.0).take(3);
    for (number, term) in reasons.enumerate() {
        let _ = write!(text, "{} {}", if number == 0 { "; because:" } else { ";" }, term.meaning());
    }
    text
}

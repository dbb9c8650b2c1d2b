//! What a detector says: the seed's `AnomalyAlert` and what receivers need besides.

use crate::key::KeyId;
use crate::money::NanoUsd;
use crate::time::{DAY, Day, Stamp, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// How bad.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Severity {
    /// Worth a look when there is time.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth a look now.
    High,
    /// Money is being lost.
    Critical,
}

impl Severity {
    /// All severities, mildest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Its name in events and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What an alert is evidence of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Somebody else uses the key.
    Compromise,
    /// Something runs that should not, whoever runs it.
    Operational,
    /// Somebody got more than he had: a key, a right, a higher limit.
    Exposure,
    /// Somebody took away what would show or hold him.
    Evasion,
}

impl Class {
    /// All classes, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Compromise, Self::Operational, Self::Exposure, Self::Evasion];

    /// Its name in events.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Compromise => "compromise",
            Self::Operational => "operational",
            Self::Exposure => "exposure",
            Self::Evasion => "evasion",
        }
    }
}

/// Where an alert is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// True now; the window is still open.
    Open,
    /// True at the end of the window.
    Final,
    /// No longer true at the end of the window, as with a share that fell back.
    Withdrawn,
}

impl Status {
    /// All statuses.
    pub const ALL: [Self; 3] = [Self::Open, Self::Final, Self::Withdrawn];

    /// Its name in events.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Final => "final",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// One piece of evidence.
#[derive(Clone, PartialEq, Debug)]
pub enum Fact {
    /// A whole number.
    Count(u64),
    /// A ratio or statistic.
    Number(f64),
    /// Money.
    Usd(NanoUsd),
    /// A name, cleaned of secrets.
    Text(String),
    /// Names, cleaned of secrets.
    Texts(Vec<String>),
    /// Small numbers.
    Counts(Vec<u64>),
}

/// The identity of an alert over its revisions, restarts, shards and hosts: a hash of detector, its version, key
/// and day. (The first evidence is not part of it: it would change with the order of arrival.)
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct AlertId([u8; 16]);

impl AlertId {
    /// Of what this detector says of a key and day.
    pub fn new(detector: &str, version: u32, key: KeyId, day: Day) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("keyhound 2026-11-22 alert id");
        hasher.update(detector.as_bytes()).update(&[0]);
        hasher.update(&version.to_le_bytes()).update(&key.0).update(&day.0.to_le_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(id)
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Alert {
    /// What is sent to see whether a receiver takes anything: plainly no alert, of no key.
    pub fn test(at: Timestamp) -> Self {
        let stamp = Stamp::utc(at);
        let key = KeyId([0; 16]);
        let day = Day(i32::try_from(at.0.div_euclid(DAY)).unwrap_or_default());
        let start = Timestamp(at.0.div_euclid(DAY).saturating_mul(DAY));
        Self {
            id: AlertId::new(TEST, 1, key, day),
            revision: 0,
            status: Status::Open,
            alert_type: TEST,
            severity: Severity::Low,
            class: Class::Operational,
            description: "TEST from keyhound: somebody tries whether this arrives; no key is in danger, nothing is to be done"
                .to_owned(),
            evidence: Vec::new(),
            timestamp: stamp,
            key_hint: "...test".into(),
            key_alias: "".into(),
            key,
            detected_at: stamp,
            updated_at: stamp,
            day,
            window_start: start,
            window_end: start.plus(DAY),
            requests: None,
            cost: NanoUsd::default(),
            invoiced: None,
            typical_cost: None,
            blind: Vec::new(),
            attack: &[],
            atlas: &[],
            next_steps: &[],
        }
    }
}

/// What is no detector.
const TEST: &str = "keyhound_test";

/// One detector's verdict on one key and day, in one revision.
#[derive(Clone, PartialEq, Debug)]
pub struct Alert {
    /// Stable over revisions.
    pub id: AlertId,
    /// Counts up from 0.
    pub revision: u32,
    /// Where it is in its life.
    pub status: Status,
    /// The detector.
    pub alert_type: &'static str,
    /// How bad.
    pub severity: Severity,
    /// What it is evidence of.
    pub class: Class,
    /// One sentence for people.
    pub description: String,
    /// The numbers behind it, by name.
    pub evidence: Vec<(&'static str, Fact)>,
    /// As in the seed: the first record of the day, or of the unknown model.
    pub timestamp: Stamp,
    /// What may be shown of the key.
    pub key_hint: Arc<str>,
    /// The owner's name for the key; empty if there is none.
    pub key_alias: Arc<str>,
    /// The key.
    pub key: KeyId,
    /// The record that made it true, by its own time.
    pub detected_at: Stamp,
    /// The record that made it what it is now; of a closed alert, the last that was told.
    pub updated_at: Stamp,
    /// The day in the key's zone.
    pub day: Day,
    /// First instant of the day.
    pub window_start: Timestamp,
    /// First instant after the day.
    pub window_end: Timestamp,
    /// Requests of the day so far; `None` where no record of the key ever said how many it stands for.
    pub requests: Option<u64>,
    /// Money of the day so far.
    pub cost: NanoUsd,
    /// Money billed for the day, if any is: the same use once more.
    pub invoiced: Option<NanoUsd>,
    /// Money of a typical day, if there is a baseline.
    pub typical_cost: Option<NanoUsd>,
    /// Detectors that cannot see this key: none of its records ever told what they need.
    pub blind: Vec<&'static str>,
    /// MITRE ATT&CK techniques.
    pub attack: &'static [&'static str],
    /// MITRE ATLAS techniques.
    pub atlas: &'static [&'static str],
    /// What to do.
    pub next_steps: &'static [&'static str],
}

//! What the API says, field by field (`openapi.json` describes the same, and a test holds them together). `keyhound top` reads
//! what is written here.

use crate::detect::Severity;
use crate::engine::board::{Entry, Looks, Moment, Seen};
use crate::incident::{Owned, Stranger};
use crate::shard::{Open, Portrait, Sums};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Alerts that are open, by severity.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct BySeverity {
    /// Low ones.
    pub low: u32,
    /// Medium ones.
    pub medium: u32,
    /// High ones.
    pub high: u32,
    /// Critical ones.
    pub critical: u32,
}

impl BySeverity {
    /// The alerts among what is open.
    pub fn alerts(open: &Open) -> Self {
        let of = |severity| open.alerts_of(severity);
        Self {
            low: of(Severity::Low),
            medium: of(Severity::Medium),
            high: of(Severity::High),
            critical: of(Severity::Critical),
        }
    }

    /// All of them.
    pub const fn all(&self) -> u32 {
        self.low + self.medium + self.high + self.critical
    }
}

/// A key among others.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct KeyRow {
    /// Its fingerprint.
    pub key_id: String,
    /// What may be shown of it.
    pub api_key_prefix: String,
    /// Its owner's name for it; empty where there is none.
    pub api_key_alias: String,
    /// Requests since it is known.
    pub requests: u64,
    /// Dollars since it is known.
    pub cost_usd: f64,
    /// Dollars of its newest day that is not over.
    pub day_cost_usd: f64,
    /// Dollars of a typical day, where it has a baseline.
    pub typical_day_cost_usd: Option<f64>,
    /// Dollars of the last hour of records.
    pub hour_cost_usd: f64,
    /// The same by steps of five minutes, oldest first.
    pub hour_usd: Vec<f64>,
    /// Its last use.
    pub last_use: Option<String>,
    /// Open incidents.
    pub incidents_open: u32,
    /// Open alerts.
    pub alerts_open: BySeverity,
}

impl KeyRow {
    /// Of a key that was looked at.
    pub fn of(portrait: &Portrait) -> Self {
        let standing = &portrait.standing;
        let Sums { requests, cost, day_cost, open } = &standing.sums;
        Self {
            key_id: standing.id.to_string(),
            api_key_prefix: standing.hint.to_string(),
            api_key_alias: portrait.alias.to_string(),
            requests: *requests,
            cost_usd: cost.usd(),
            day_cost_usd: day_cost.usd(),
            typical_day_cost_usd: standing.usual.map(crate::money::NanoUsd::usd),
            hour_cost_usd: portrait.hour_cost().usd(),
            hour_usd: portrait.hour.iter().map(|step| step.usd()).collect(),
            last_use: told(standing.last),
            incidents_open: open.all_incidents(),
            alerts_open: BySeverity::alerts(open),
        }
    }
}

/// A time, unless it is none.
fn told(at: Timestamp) -> Option<String> {
    (at > Timestamp::MIN && at < Timestamp::MAX).then(|| at.to_string())
}

/// What all keys come to.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct AllKeys {
    /// Requests since they are known.
    pub requests: u64,
    /// Dollars since they are known.
    pub cost_usd: f64,
    /// Dollars of their newest days that are not over.
    pub day_cost_usd: f64,
    /// Open incidents.
    pub incidents_open: u32,
    /// Open alerts.
    pub alerts_open: BySeverity,
}

/// `/api/v1/keys`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Keys {
    /// When keys were looked at, by the clock; nothing before the first look.
    pub looked_at: Option<String>,
    /// How far records had come, by their own time.
    pub as_of: Option<String>,
    /// What brings them into their order: `spend` or `risk`.
    pub by: String,
    /// What all keys come to, those that are not listed included.
    pub all: AllKeys,
    /// The keys.
    pub keys: Vec<KeyRow>,
}

impl Keys {
    /// The first `limit` keys, by risk or by what they spend.
    pub fn of(looks: &Looks, by_risk: bool, limit: usize) -> Self {
        let order = if by_risk { &looks.by_risk } else { &looks.by_spend };
        let Sums { requests, cost, day_cost, open } = &looks.all;
        Self {
            looked_at: looks.at.map(|at| at.to_string()),
            as_of: looks.now.map(|now| now.to_string()),
            by: if by_risk { "risk" } else { "spend" }.to_owned(),
            all: AllKeys {
                requests: *requests,
                cost_usd: cost.usd(),
                day_cost_usd: day_cost.usd(),
                incidents_open: open.all_incidents(),
                alerts_open: BySeverity::alerts(open),
            },
            keys: order.iter().take(limit).filter_map(|key| looks.keys.get(key)).map(KeyRow::of).collect(),
        }
    }
}

/// A day of a key.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DayRow {
    /// The date in the key's zone.
    pub day: String,
    /// Requests.
    pub requests: u64,
    /// Dollars.
    pub cost_usd: f64,
}

/// The owner of a key, as far as records tell.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OwnerRow {
    /// First record.
    pub first: String,
    /// Last record.
    pub last: String,
    /// Records.
    pub records: u64,
    /// Networks that are known of it.
    pub networks: usize,
    /// Client programs that are known of it.
    pub clients: usize,
}

/// A consumer that is not known to be the owner's.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ConsumerRow {
    /// Its number among those of its key.
    pub number: u32,
    /// First record.
    pub first: String,
    /// Last record.
    pub last: String,
    /// Records.
    pub records: u32,
    /// Dollars.
    pub cost_usd: f64,
    /// What speaks for and against a theft, in nats.
    pub score: f64,
    /// What is new: `network`, `block`, `client`.
    pub new: Vec<String>,
    /// Its addresses, the first of them.
    pub source_ips: Vec<String>,
    /// The network of its first record; empty where it is not known.
    pub network: String,
    /// The incident that was told of it; empty where there is none.
    pub incident_id: String,
    /// What that is by now.
    pub incident_status: String,
}

/// Something that happened to a key.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MomentRow {
    /// When.
    pub at: String,
    /// `incident` or `alert`.
    pub event: String,
    /// The detector, of an alert; empty of an incident.
    pub alert_type: String,
    /// The id of what it belongs to.
    pub id: String,
    /// Its revision then.
    pub revision: u32,
    /// What it was then.
    pub status: String,
    /// How bad then.
    pub severity: String,
    /// Requests by then, where that is known.
    pub requests: Option<u64>,
    /// Dollars by then.
    pub cost_usd: f64,
    /// One sentence, as it was told then.
    pub description: String,
}

/// `/api/v1/keys/{key_id}`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct KeyDetail {
    /// How it stands.
    pub key: KeyRow,
    /// When it was looked at, by the clock.
    pub looked_at: Option<String>,
    /// How far records had come, by their own time.
    pub as_of: Option<String>,
    /// Dollars of the last thirty days.
    pub month_cost_usd: f64,
    /// The days with use among them, oldest first.
    pub days: Vec<DayRow>,
    /// Its models.
    pub models: Vec<String>,
    /// How many addresses are remembered of it.
    pub addresses: usize,
    /// Nobody may use it.
    pub canary: bool,
    /// Since when nobody can or may use it.
    pub revoked_at: Option<String>,
    /// Its owner, where incidents are looked for.
    pub owner: Option<OwnerRow>,
    /// Everybody else who uses it, or did of late.
    pub consumers: Vec<ConsumerRow>,
    /// Its alerts and incidents, revision by revision, in order of time.
    pub timeline: Vec<MomentRow>,
}

impl KeyDetail {
    /// A key with what happened to it.
    pub fn of(portrait: &Portrait, seen: &Seen) -> Self {
        let key = portrait.standing.id;
        let events = seen.incidents.iter().chain(&seen.alerts).filter(|entry| entry.key == key);
        let mut moments: Vec<(&Moment, &Arc<Entry>)> =
            events.flat_map(|entry| entry.moments.iter().map(move |moment| (moment, entry))).collect();
        moments.sort_by_key(|(moment, entry)| (moment.at, !entry.is_incident(), &entry.id, moment.revision));
        Self {
            key: KeyRow::of(portrait),
            looked_at: seen.looks.at.map(|at| at.to_string()),
            as_of: seen.looks.now.map(|now| now.to_string()),
            month_cost_usd: portrait
                .days
                .iter()
                .map(|(.., cost)| *cost)
                .fold(crate::money::NanoUsd::ZERO, |a, b| a + b)
                .usd(),
            days: portrait
                .days
                .iter()
                .map(|(day, requests, cost)| DayRow {
                    day: day.to_string(),
                    requests: *requests,
                    cost_usd: cost.usd(),
                })
                .collect(),
            models: portrait.models.iter().map(ToString::to_string).collect(),
            addresses: portrait.addresses,
            canary: portrait.is_canary,
            revoked_at: portrait.revoked.map(|at| at.to_string()),
            owner: portrait.owner.as_ref().map(OwnerRow::of),
            consumers: portrait.strangers.iter().map(ConsumerRow::of).collect(),
            timeline: moments.into_iter().map(|(moment, entry)| MomentRow::of(moment, entry)).collect(),
        }
    }
}

impl OwnerRow {
    fn of(owned: &Owned) -> Self {
        let Owned { first, last, records, networks, clients } = *owned;
        Self { first: first.to_string(), last: last.to_string(), records, networks, clients }
    }
}

impl ConsumerRow {
    fn of(stranger: &Stranger) -> Self {
        let names = ["network", "block", "client"].into_iter().zip(stranger.is_new);
        let incident = stranger.incident.as_ref();
        Self {
            number: stranger.number,
            first: stranger.first.to_string(),
            last: stranger.last.to_string(),
            records: stranger.records,
            cost_usd: rounded(stranger.cost_usd),
            score: rounded(stranger.score),
            new: names.filter(|(_, is_new)| *is_new).map(|(name, _)| name.to_owned()).collect(),
            source_ips: stranger.source_ips.clone(),
            network: stranger.network.clone(),
            incident_id: incident.map_or_else(String::new, |(id, _)| id.clone()),
            incident_status: incident.map_or("", |(_, phase)| phase.label()).to_owned(),
        }
    }
}

impl MomentRow {
    /// A revision of an alert or an incident.
    pub fn of(moment: &Moment, entry: &Entry) -> Self {
        let is_incident = entry.is_incident();
        Self {
            at: moment.at.to_string(),
            event: if is_incident { "incident" } else { "alert" }.to_owned(),
            alert_type: if is_incident { "" } else { entry.name }.to_owned(),
            id: entry.id.to_string(),
            revision: moment.revision,
            status: moment.status.to_owned(),
            severity: moment.severity.label().to_owned(),
            requests: moment.requests,
            cost_usd: rounded(moment.cost_usd),
            description: moment.description.clone(),
        }
    }
}

/// An incident or an alert among others.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Brief {
    /// Stable over revisions.
    pub id: String,
    /// `incident` or `alert`.
    pub event: String,
    /// The detector, of an alert; empty of an incident.
    pub alert_type: String,
    /// The fingerprint of its key.
    pub key_id: String,
    /// What may be shown of the key.
    pub api_key_prefix: String,
    /// Its owner's name for it; empty where there is none.
    pub api_key_alias: String,
    /// Counts up from 0.
    pub revision: u32,
    /// Where it is in its life.
    pub status: String,
    /// It is not over.
    pub open: bool,
    /// How bad.
    pub severity: String,
    /// What it is evidence of.
    pub class: String,
    /// Nats, of an incident.
    pub score: Option<f64>,
    /// Requests so far, where that is known.
    pub requests: Option<u64>,
    /// Dollars so far.
    pub cost_usd: f64,
    /// First record.
    pub timestamp: String,
    /// The record that made it true.
    pub detected_at: String,
    /// The record that made it what it is.
    pub updated_at: String,
    /// One sentence.
    pub description: String,
}

impl Brief {
    /// The most important of an alert or an incident.
    pub fn of(entry: &Entry) -> Self {
        let is_incident = entry.is_incident();
        Self {
            id: entry.id.to_string(),
            event: if is_incident { "incident" } else { "alert" }.to_owned(),
            alert_type: if is_incident { "" } else { entry.name }.to_owned(),
            key_id: entry.key.to_string(),
            api_key_prefix: entry.hint.to_string(),
            api_key_alias: entry.alias.to_string(),
            revision: entry.revision,
            status: entry.status.to_owned(),
            open: entry.is_open,
            severity: entry.severity.label().to_owned(),
            class: entry.class.to_owned(),
            score: entry.score.map(rounded),
            requests: entry.requests,
            cost_usd: rounded(entry.cost_usd),
            timestamp: entry.first.to_string(),
            detected_at: entry.detected.to_string(),
            updated_at: entry.updated.to_string(),
            description: entry.description.clone(),
        }
    }
}

/// `/api/v1/incidents` and `/api/v1/alerts`: one of the lists.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Briefs {
    /// How many there are that fit, those that are not listed included.
    pub count: usize,
    /// The first of them.
    pub events: Vec<Brief>,
}

/// `/api/v1/incidents/{id}`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct IncidentDetail {
    /// As it is written to the output (docs/incidents.md).
    pub incident: serde_json::Value,
    /// What was told of it, in order of time.
    pub revisions: Vec<MomentRow>,
    /// Alerts beside it.
    pub alerts: Vec<Brief>,
}

/// To four digits behind the point: sums of floating point numbers tell no more.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

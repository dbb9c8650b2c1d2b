//! One alert or incident as it is shown.

use crate::detect::{Severity, Status};
use crate::encode::write_event;
use crate::incident::Phase;
use crate::key::KeyId;
use crate::shard::Event;
use crate::time::Timestamp;
use serde_json::Value;
use std::sync::Arc;

/// Moments that are kept of one: the first, and the latest ones.
const MOMENTS_MAX: usize = 32;
/// Requests and buckets that are kept of an incident over its revisions, the latest ones.
const EVIDENCE_MAX: usize = 200;

/// One revision, in numbers.
#[derive(Clone, PartialEq, Debug)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// Which.
    pub revision: u32,
    /// What it was then.
    pub status: &'static str,
    /// How bad.
    pub severity: Severity,
    /// Requests and dollars by then.
    pub requests: Option<u64>,
    /// Dollars by then.
    pub cost_usd: f64,
    /// One sentence, as it was told then.
    pub description: String,
}

/// An alert or an incident in its latest revision.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Stable over revisions.
    pub id: Arc<str>,
    /// The detector; `incident` of an incident.
    pub name: &'static str,
    /// Its key.
    pub key: KeyId,
    /// What may be shown of the key.
    pub hint: Arc<str>,
    /// Its owner's name for it.
    pub alias: Arc<str>,
    /// Counts up from 0.
    pub revision: u32,
    /// Where it is in its life.
    pub status: &'static str,
    /// It is not over.
    pub is_open: bool,
    /// How bad.
    pub severity: Severity,
    /// What it is evidence of.
    pub class: &'static str,
    /// One sentence.
    pub description: String,
    /// The first record.
    pub first: Timestamp,
    /// The record that made it true.
    pub detected: Timestamp,
    /// The record that made it what it is.
    pub updated: Timestamp,
    /// Requests so far.
    pub requests: Option<u64>,
    /// Dollars so far.
    pub cost_usd: f64,
    /// Nats, of an incident.
    pub score: Option<f64>,
    /// Its revisions.
    pub moments: Vec<Moment>,
    /// All of it, as JSON.
    pub json: String,
}

/// What incidents are called.
const INCIDENT: &str = "incident";

impl Entry {
    /// Of what is told; `None` where nobody is.
    pub fn new(event: &Event) -> Option<Self> {
        let mut json = Vec::new();
        write_event(event, &mut json);
        let json = String::from_utf8(json).ok()?.trim_end().to_owned();
        let mut entry = match event {
            Event::Alert(alert) => Self {
                id: alert.id.to_string().into(),
                name: alert.alert_type,
                key: alert.key,
                hint: Arc::clone(&alert.key_hint),
                alias: Arc::clone(&alert.key_alias),
                revision: alert.revision,
                status: alert.status.label(),
                is_open: alert.status == Status::Open,
                severity: alert.severity,
                class: alert.class.label(),
                description: alert.description.clone(),
                first: alert.timestamp.at,
                detected: alert.detected_at.at,
                updated: alert.updated_at.at,
                requests: alert.requests,
                cost_usd: alert.cost.usd(),
                score: None,
                moments: Vec::new(),
                json,
            },
            Event::Incident(incident) => Self {
                id: incident.id.as_str().into(),
                name: INCIDENT,
                key: incident.key,
                hint: Arc::clone(&incident.key_hint),
                alias: Arc::clone(&incident.key_alias),
                revision: incident.revision,
                status: incident.phase.label(),
                is_open: matches!(incident.phase, Phase::Open | Phase::Confirmed),
                severity: incident.severity,
                class: incident.class.label(),
                description: incident.description.clone(),
                first: incident.timestamp.at,
                detected: incident.detected_at.at,
                updated: incident.updated_at.at,
                requests: Some(incident.requests.into()),
                cost_usd: incident.cost_usd,
                score: Some(incident.score),
                moments: Vec::new(),
                json,
            },
            Event::Use(_) | Event::Containment(_) => return None,
        };
        let at = if entry.revision == 0 { entry.detected } else { entry.updated };
        let Self { revision, status, severity, requests, cost_usd, .. } = entry;
        let description = entry.description.clone();
        entry.moments.push(Moment { at, revision, status, severity, requests, cost_usd, description });
        Some(entry)
    }

    /// Whether it is an incident.
    pub fn is_incident(&self) -> bool {
        self.name == INCIDENT
    }

    /// What comes first: what is open, the worst, the latest.
    pub fn weight(&self) -> (bool, Severity, Timestamp) {
        (self.is_open, self.severity, self.updated)
    }

    /// This revision, with what earlier ones told that it does not repeat.
    pub(super) fn after(mut self, before: &Self) -> Self {
        if before.revision == self.revision {
            self.moments.clear();
        }
        let mut moments = before.moments.clone();
        moments.append(&mut self.moments);
        if moments.len() > MOMENTS_MAX {
            moments.remove(1);
        }
        self.moments = moments;
        if self.is_incident() {
            self.json = with_evidence(&self.json, &before.json).unwrap_or(self.json);
        }
        self
    }

    /// Memory, in bytes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.id.len()
            + self.hint.len()
            + self.alias.len()
            + self.description.len()
            + self.json.len()
            + self.moments.capacity() * size_of::<Moment>()
            + self.moments.iter().map(|moment| moment.description.len()).sum::<usize>()
    }
}

/// A revision tells only the requests that no earlier one did: here they stand together.
fn with_evidence(json: &str, before: &str) -> Option<String> {
    let mut now: Value = serde_json::from_str(json).ok()?;
    let before: Value = serde_json::from_str(before).ok()?;
    let evidence = now.get_mut("evidence")?.as_object_mut()?;
    for name in ["request_ids", "buckets"] {
        let known = before["evidence"][name].as_array().cloned().unwrap_or_default();
        let new = evidence.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut all: Vec<Value> = known.into_iter().filter(|id| !new.contains(id)).collect();
        all.extend(new);
        all.drain(..all.len().saturating_sub(EVIDENCE_MAX));
        if !all.is_empty() {
            evidence.insert(name.to_owned(), Value::Array(all));
        }
    }
    let mut line = Vec::new();
    crate::encode::write_line(&now, &mut line);
    String::from_utf8(line).ok().map(|line| line.trim_end().to_owned())
}

//! Everything that is told, of whatever kind, as JSON.

use super::json::{write_alert, write_line};
use super::table::Encoding;
use super::view::rounded;
use crate::incident::{Incident, Term};
use crate::shard::Event;
use serde::Serialize;

/// Our own encoding.
pub(super) const ENCODING: Encoding = Encoding {
    name: "json",
    summary: "JSON Lines, all that is known (docs/alerts.md, docs/incidents.md)",
    media_type: "application/x-ndjson",
    is_json: true,
    write: write_event,
};

/// Appends an event as one line of JSON.
pub fn write_event(event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::Alert(alert) => write_alert(alert, out),
        Event::Incident(incident) => write_line(&Line::from(incident), out),
        Event::Containment(deed) => out.extend_from_slice(&deed.event()),
        Event::Use(_) => {}
    }
}

#[derive(Serialize)]
struct Line<'a> {
    schema: &'static str,
    event: &'static str,
    id: &'a str,
    incident_id: &'a str,
    theft_id: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    on_other_keys: bool,
    revision: u32,
    status: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    class: &'static str,
    severity: &'static str,
    score: f64,
    threshold: f64,
    ledger: Vec<LedgerLine>,
    description: &'a str,
    timestamp: String,
    detected_at: String,
    updated_at: String,
    api_key_prefix: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    api_key_alias: &'a str,
    key_id: String,
    requests: u32,
    cost_usd: f64,
    evidence: Evidence<'a>,
    next_steps: &'a [&'a str],
}

#[derive(Serialize)]
struct LedgerLine {
    term: &'static str,
    nats: f64,
    observed: f64,
    expected: f64,
}

#[derive(Serialize)]
struct Evidence<'a> {
    request_ids: &'a [Box<str>],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    buckets: &'a [Box<str>],
    source_ips: &'a [String],
}

impl From<&Term> for LedgerLine {
    fn from(term: &Term) -> Self {
        let Term { name, nats, observed, expected } = *term;
        Self { term: name, nats: rounded(nats), observed: rounded(observed), expected: rounded(expected) }
    }
}

impl<'a> From<&'a Incident> for Line<'a> {
    fn from(incident: &'a Incident) -> Self {
        let ledger: Vec<LedgerLine> = incident.ledger.iter().map(LedgerLine::from).collect();
        Self {
            schema: "keyhound.event.v1",
            event: "incident",
            id: &incident.id,
            incident_id: &incident.id,
            theft_id: &incident.theft,
            on_other_keys: incident.is_shared,
            revision: incident.revision,
            status: incident.phase.label(),
            reason: &incident.reason,
            class: incident.class.label(),
            severity: incident.severity.label(),
            // That of the terms as they are told.
            score: rounded(ledger.iter().map(|line| line.nats).sum()),
            threshold: rounded(incident.threshold),
            ledger,
            description: &incident.description,
            timestamp: incident.timestamp.to_string(),
            detected_at: incident.detected_at.to_string(),
            updated_at: incident.updated_at.to_string(),
            api_key_prefix: &incident.key_hint,
            api_key_alias: &incident.key_alias,
            key_id: incident.key.to_string(),
            requests: incident.requests,
            cost_usd: rounded(incident.cost_usd),
            evidence: Evidence {
                request_ids: &incident.request_ids,
                buckets: &incident.buckets,
                source_ips: &incident.source_ips,
            },
            next_steps: incident.next_steps,
        }
    }
}

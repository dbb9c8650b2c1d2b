//! Everything that there is to say of an incident.

use super::revision::{Entry, MilliNats, Revision, milli};
use super::without::{Without, without};
use crate::incident;
use serde_json::{Value, json};

/// A request of the consumer, as its record has it.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    /// When.
    pub time: String,
    /// Its identifier.
    pub id: String,
    /// The model.
    pub model: String,
    /// Tokens in and out.
    pub tokens: [u64; 2],
    /// Dollars.
    pub usd: f64,
    /// Where it came from; empty where nobody knows.
    pub address: String,
    /// The answer; nought where nobody knows.
    pub status: u16,
}

/// An incident with all of its revisions, of which one is explained.
pub struct Case {
    /// By their numbers; at least one.
    pub revisions: Vec<Revision>,
    /// The place of the one that is explained.
    pub at: usize,
    /// The evidence from which on incidents are told.
    pub threshold: f64,
    /// The first of its requests, where records were read.
    pub requests: Vec<Request>,
    /// Whether what is recorded is what was replayed, where both are there: differences in words.
    pub differences: Option<Vec<String>>,
}

impl Case {
    /// The revision that is explained.
    pub fn revision(&self) -> &Revision {
        &self.revisions[self.at]
    }

    /// The latest.
    pub fn last(&self) -> &Revision {
        &self.revisions[self.revisions.len() - 1]
    }

    /// By how much the score is above the threshold.
    pub fn margin(&self) -> MilliNats {
        milli(self.revision().score) - milli(self.threshold)
    }

    /// Whether the key is one that is known by its habits alone.
    pub fn is_by_habits(ledger: &[Entry]) -> bool {
        ledger.iter().any(|entry| incident::is_of_habits(&entry.term))
    }

    /// Whether one detector was sure by itself, so that nothing was added up.
    pub fn is_sure(&self) -> bool {
        matches!(&self.revision().ledger[..], [only] if crate::detect::pages(&only.term))
    }

    /// What it would have taken not to tell it.
    pub fn without(&self) -> Without {
        without(&self.revision().ledger, self.threshold)
    }

    /// All identifiers of requests that were told, each once, in their order.
    pub fn request_ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = Vec::new();
        for revision in &self.revisions {
            ids.extend(revision.evidence.request_ids.iter().map(String::as_str));
        }
        ids
    }

    /// Everything, for machines.
    pub fn json(&self) -> Value {
        let revision = self.revision();
        let terms = revision.ledger.iter().map(|entry| {
            json!({
                "term": entry.term, "nats": entry.nats, "observed": entry.observed, "expected": entry.expected,
                "meaning": incident::meaning(&entry.term), "reading": super::readings::reading(entry),
            })
        });
        let growth = self.revisions.iter().map(|revision| {
            json!({
                "revision": revision.revision, "updated_at": revision.updated_at, "score": revision.score,
                "requests": revision.requests, "cost_usd": revision.cost_usd, "severity": revision.severity,
            })
        });
        json!({
            "incident_id": revision.incident_id, "revision": revision.revision, "class": revision.class,
            "severity": revision.severity, "api_key_prefix": revision.api_key_prefix,
            "api_key_alias": revision.api_key_alias, "description": revision.description,
            "timestamp": revision.timestamp, "detected_at": revision.detected_at,
            "score": revision.score, "threshold": self.threshold, "margin": thousandths(self.margin()),
            "terms": terms.collect::<Vec<_>>(), "without": self.without(), "growth": growth.collect::<Vec<_>>(),
            "request_ids": self.request_ids(), "source_ips": self.last().evidence.source_ips,
            "next_steps": revision.next_steps, "differences": self.differences,
        })
    }
}

#[allow(clippy::cast_precision_loss, reason = "nats are few")]
fn thousandths(milli: MilliNats) -> f64 {
    milli as f64 / 1000.0
}

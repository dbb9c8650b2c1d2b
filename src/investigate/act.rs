//! One request of the key that is looked at, as a row of evidence.

use crate::address::Address;
use crate::frame::Origin;
use crate::money::NanoUsd;
use crate::pack::hex;
use crate::record::{Batch, CostSource, Kind, UsageRecord};
use crate::time::{SECOND, Timestamp};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Where a record stood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// The input.
    pub name: Arc<str>,
    /// Its line, from 1 on; the last of them, where it stood on several.
    pub line: u64,
    /// What was read there; `None` where that is not known: a line over the limit, a record that was put together.
    pub origin: Option<Origin>,
}

impl Source {
    /// SHA-256 of what was read there, in hexadecimal; empty where that is not known.
    pub fn sha256(&self) -> String {
        self.origin.map_or_else(String::new, |origin| hex(&origin.sha256))
    }
}

/// One request.
#[derive(Clone, PartialEq, Debug)]
pub struct Act {
    /// When.
    pub at: Timestamp,
    /// What was asked.
    pub model: Box<str>,
    /// Where it was asked.
    pub endpoint: Box<str>,
    /// By which software; empty where nobody knows.
    pub client: Box<str>,
    /// From where, if anybody knows.
    pub address: Option<Address>,
    /// The provider's name for it; may be empty.
    pub request_id: Box<str>,
    /// What was answered.
    pub status: u16,
    /// How many requests it stands for.
    pub requests: u32,
    /// Tokens in and out.
    pub tokens: [u64; 2],
    /// What it cost.
    pub cost: NanoUsd,
    /// How far that can be trusted.
    pub cost_source: CostSource,
    /// Where its record stood.
    pub source: Source,
    /// What it is a part of, if it is no request but a provider's sum over a stretch of time.
    pub bucket: Option<Bucket>,
}

/// A provider's sum over a stretch of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bucket {
    /// How long it lasts, in seconds.
    pub width_s: u32,
    /// All requests in it, and what they cost.
    pub requests: u32,
    /// What they cost.
    pub cost: NanoUsd,
}

/// A row of evidence, as it is written: everything about a request but what was said in it.
#[derive(Serialize)]
struct Row<'a> {
    time: String,
    request_id: &'a str,
    model: &'a str,
    endpoint: &'a str,
    source_ip: Option<String>,
    user_agent: &'a str,
    status_code: u16,
    requests: u32,
    input_tokens: u64,
    output_tokens: u64,
    cost_usd: f64,
    cost_source: &'static str,
    source: &'a str,
    line: u64,
    /// How many lines it stood on, the last of them `line`, and their SHA-256.
    lines: Option<u32>,
    line_sha256: Option<String>,
    /// Of a part of a sum: how long the stretch of time is, and the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    window_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    of_requests: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    of_cost_usd: Option<f64>,
}

impl Act {
    /// What a record tells.
    pub fn of(record: &UsageRecord, batch: &Batch, source: Source) -> Self {
        let bucket = (record.kind == Kind::Bucket).then_some(Bucket {
            width_s: record.width_s,
            requests: record.requests,
            cost: record.cost,
        });
        Self {
            at: record.time.at,
            model: batch.text(record.model.name).into(),
            endpoint: batch.text(record.endpoint).into(),
            client: batch.text(record.user_agent).into(),
            address: record.address,
            request_id: batch.text(record.request_id).into(),
            status: record.status,
            requests: if bucket.is_some() { record.requests } else { record.requests.max(1) },
            tokens: [record.tokens.input(), record.tokens.output.or_zero()],
            cost: record.cost,
            cost_source: record.cost_source,
            source,
            bucket,
        }
    }

    /// The same request, with what another record says that it took.
    pub fn took(self, usage: &Self) -> Self {
        let model = if self.model.is_empty() { usage.model.clone() } else { self.model };
        let Self { tokens, cost, cost_source, .. } = *usage;
        Self { model, tokens, cost, cost_source, ..self }
    }

    /// How long it lasts, in seconds: nought of a request.
    pub fn width_s(&self) -> u32 {
        self.bucket.map_or(0, |bucket| bucket.width_s)
    }

    /// When it is over.
    pub fn end(&self) -> Timestamp {
        self.at.plus(i64::from(self.width_s()) * SECOND)
    }

    /// Whether it was refused.
    pub const fn is_refused(&self) -> bool {
        self.status >= 400
    }

    /// Whether it was served and took tokens or money.
    pub const fn is_paid(&self) -> bool {
        !self.is_refused() && (self.tokens[0] + self.tokens[1] > 0 || self.cost.0 > 0)
    }

    /// As JSON, in one line.
    pub fn row(&self) -> String {
        let row = Row {
            time: self.at.to_string(),
            request_id: &self.request_id,
            model: &self.model,
            endpoint: &self.endpoint,
            source_ip: self.address.map(|address| address.to_string()),
            user_agent: &self.client,
            status_code: self.status,
            requests: self.requests,
            input_tokens: self.tokens[0],
            output_tokens: self.tokens[1],
            cost_usd: self.cost.usd(),
            cost_source: self.cost_source.label(),
            source: &self.source.name,
            line: self.source.line,
            lines: self.source.origin.map(|origin| origin.lines),
            line_sha256: self.source.origin.map(|origin| hex(&origin.sha256)),
            window_seconds: self.bucket.map(|bucket| bucket.width_s),
            of_requests: self.bucket.map(|bucket| bucket.requests),
            of_cost_usd: self.bucket.map(|bucket| bucket.cost.usd()),
        };
        serde_json::to_string(&row).unwrap_or_default()
    }

    /// The SHA-256 of its row, in hexadecimal.
    pub fn hash(&self) -> String {
        sha256(self.row().as_bytes())
    }
}

/// SHA-256, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

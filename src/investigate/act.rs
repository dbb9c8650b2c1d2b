//! One request of the key that is looked at, as a row of evidence.

use crate::address::Address;
use crate::money::NanoUsd;
use crate::pack::hex;
use crate::record::{Batch, CostSource, UsageRecord};
use crate::time::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Where a record stood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// The input.
    pub name: Arc<str>,
    /// Its line, from 1 on.
    pub line: u64,
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
}

impl Act {
    /// What a record tells.
    pub fn of(record: &UsageRecord, batch: &Batch, source: Source) -> Self {
        Self {
            at: record.time.at,
            model: batch.text(record.model.name).into(),
            endpoint: batch.text(record.endpoint).into(),
            client: batch.text(record.user_agent).into(),
            address: record.address,
            request_id: batch.text(record.request_id).into(),
            status: record.status,
            requests: record.requests.max(1),
            tokens: [record.tokens.input(), record.tokens.output.or_zero()],
            cost: record.cost,
            cost_source: record.cost_source,
            source,
        }
    }

    /// The same request, with what another record says that it took.
    pub fn took(self, usage: &Self) -> Self {
        let model = if self.model.is_empty() { usage.model.clone() } else { self.model };
        let Self { tokens, cost, cost_source, .. } = *usage;
        Self { model, tokens, cost, cost_source, ..self }
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

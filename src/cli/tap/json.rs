//! One object a line and stage (`keyhound.tap.v1`).

use super::{Seen, Show, Shown, Stage, Tap, outcome, parts, quiet};
use crate::encode::{View, write_line};
use crate::engine::survey::{self, KINDS};
use crate::record::{Batch, Kind, Reject, UsageRecord};
use crate::shard::Event;
use crate::time::Stamp;
use serde::Serialize;

pub(super) struct Json;

#[derive(Serialize)]
struct Object<'a, T> {
    schema: &'static str,
    stage: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(flatten)]
    inner: T,
}

#[derive(Serialize)]
struct FrameIs<'a> {
    bytes: usize,
    text: &'a str,
}

#[derive(Serialize)]
struct UnwrapIs<'a> {
    wrappers: &'a [&'a str],
}

#[derive(Serialize)]
struct DecodeIs<'a> {
    format: Option<&'a str>,
    records: usize,
    passed_over: u32,
    rejected: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rejects: Vec<RejectIs<'a>>,
}

#[derive(Serialize)]
struct RejectIs<'a> {
    reason: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    field: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    value: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct NormaliseIs<'a> {
    record: RecordIs<'a>,
}

/// A record under the names that docs/record.md gives its fields.
#[derive(Serialize)]
struct RecordIs<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    window_end: Option<String>,
    api_key_prefix: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    api_key_alias: &'a str,
    key_id: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_1h_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<u32>,
    cost_usd: f64,
    cost_source: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    endpoint: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_ip: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    user_agent: &'a str,
    status_code: u16,
    #[serde(skip_serializing_if = "str::is_empty")]
    request_id: &'a str,
}

#[derive(Serialize)]
struct DetectIs<'a> {
    /// What became of the record; `time_passed` where there is none, `held` where another half is waited for.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    events: Vec<EventIs<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    silent: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blind: Vec<&'static str>,
}

#[derive(Serialize)]
struct EventIs<'a> {
    event: &'static str,
    rule: &'static str,
    id: String,
    revision: u32,
    status: &'static str,
    severity: &'static str,
    description: &'a str,
}

impl<'a> From<&'a Reject> for RejectIs<'a> {
    fn from(reject: &'a Reject) -> Self {
        let Reject { reason, field, value, message, .. } = reject;
        Self { reason: reason.label(), field, value, message }
    }
}

impl<'a> RecordIs<'a> {
    fn of(record: &UsageRecord, batch: &'a Batch) -> Self {
        let tokens = &record.tokens;
        let input = [tokens.input_uncached, tokens.cache_read, tokens.cache_write, tokens.cache_write_1h];
        let is_told = input.iter().any(|count| count.get().is_some());
        Self {
            kind: KINDS[survey::kind(record)].0,
            action: match record.kind {
                Kind::Audit(action) => Some(action.label()),
                Kind::Statement(statement) => Some(statement.label()),
                Kind::Canary(canary) => Some(canary.label()),
                Kind::Request | Kind::Bucket | Kind::Invoice => None,
            },
            timestamp: record.time.to_string(),
            window_end: (record.width_s > 0).then(|| Stamp::utc(record.end()).to_string()),
            api_key_prefix: batch.text(record.key_hint),
            api_key_alias: batch.text(record.key_alias),
            key_id: record.key.to_string(),
            model: batch.text(record.model.name),
            input_tokens: is_told.then(|| tokens.input()),
            cached_input_tokens: tokens.cache_read.get(),
            cache_write_tokens: tokens.cache_write.get(),
            cache_write_1h_tokens: tokens.cache_write_1h.get(),
            output_tokens: tokens.output.get(),
            reasoning_tokens: tokens.reasoning.get(),
            requests: record.counted.then_some(record.requests),
            cost_usd: record.cost.usd(),
            cost_source: record.cost_source.label(),
            endpoint: batch.text(record.endpoint),
            source_ip: record.address.map(|address| address.to_string()),
            user_agent: batch.text(record.user_agent),
            status_code: record.status,
            request_id: batch.text(record.request_id),
        }
    }
}

fn object<T: Serialize>(stage: &'static str, line: Option<&Shown<'_>>, inner: T, out: &mut Vec<u8>) {
    let (source, number) = (line.map(|line| line.source), line.map(|line| line.number));
    write_line(&Object { schema: "keyhound.tap.v1", stage, source, line: number, inner }, out);
}

fn detect(tap: &Tap<'_>, line: Option<&Shown<'_>>, seen: &Seen, out: &mut Vec<u8>) {
    let events = seen.events.iter().filter(|event| tap.is_event_meant(event)).filter_map(of_event).collect();
    let inner = match &seen.record {
        Some((record, _)) => {
            let (blind, silent) = quiet(tap, record, &seen.events);
            let (timestamp, key_id) = (Some(record.time.to_string()), Some(record.key.to_string()));
            DetectIs { outcome: outcome(seen), timestamp, key_id, events, silent, blind }
        }
        None => DetectIs {
            outcome: "time_passed",
            timestamp: None,
            key_id: None,
            events,
            silent: Vec::new(),
            blind: Vec::new(),
        },
    };
    object("detect", line, inner, out);
}

fn of_event(event: &Event) -> Option<EventIs<'_>> {
    let View { event, rule, id, revision, status, severity, description, .. } = View::of(event)?;
    Some(EventIs { event, rule, id, revision, status, severity: severity.label(), description })
}

impl Show for Json {
    fn line(&self, tap: &Tap<'_>, line: &Shown<'_>, out: &mut Vec<u8>) {
        let at = Some(line);
        if tap.shows(Stage::Frame) {
            object("frame", at, FrameIs { bytes: line.bytes, text: line.start }, out);
        }
        for way in &line.ways {
            let (wrappers, format) = parts(way);
            if tap.shows(Stage::Unwrap) && !wrappers.is_empty() {
                object("unwrap", at, UnwrapIs { wrappers: &wrappers }, out);
            }
            let rejects = line.batch.rejects.get(way.rejects.clone()).unwrap_or_default();
            if tap.shows(Stage::Decode) {
                let inner = DecodeIs {
                    format,
                    records: way.records.len(),
                    passed_over: way.foreign,
                    rejected: way.rejected,
                    rejects: rejects.iter().map(RejectIs::from).collect(),
                };
                object("decode", at, inner, out);
            }
            for index in way.records.clone() {
                let Some(record) = line.batch.records.get(index) else { continue };
                if !tap.is_record_meant(record, line.batch) {
                    continue;
                }
                if tap.shows(Stage::Normalise) {
                    object("normalise", at, NormaliseIs { record: RecordIs::of(record, line.batch) }, out);
                }
                if tap.shows(Stage::Detect) && line.seen.iter().all(|seen| seen.index != Some(index)) {
                    let inner = DetectIs {
                        outcome: "held",
                        timestamp: Some(record.time.to_string()),
                        key_id: Some(record.key.to_string()),
                        events: Vec::new(),
                        silent: Vec::new(),
                        blind: Vec::new(),
                    };
                    object("detect", at, inner, out);
                }
            }
        }
        if tap.shows(Stage::Detect) {
            for seen in &line.seen {
                detect(tap, at, seen, out);
            }
        }
    }

    fn end(&self, tap: &Tap<'_>, seen: &[&Seen], out: &mut Vec<u8>) {
        for seen in seen {
            detect(tap, None, seen, out);
        }
    }
}

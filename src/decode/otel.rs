//! `otel`: spans and log records of OpenTelemetry's `gen_ai` conventions, as OTLP's JSON (the collector's file exporter
//! writes one request a line). One frame holds many records; what says nothing of a model is no record, and nothing
//! is told of it. Input tokens include the cached ones; 64-bit numbers are texts or numbers.

use super::draft::{self, Draft, Fault, Read};
use super::field::{Field, assign};
use super::map::NO_KEY;
use super::{Emit, Format, Frame, How};
use crate::frame::shape::{self, Member, Shape};
use crate::json::{Reader, Str, Value};
use crate::record::Reason;

/// Attributes by field, the best of each first: today's names, then earlier ones and those of frameworks.
const ATTRIBUTES: &[(&[u8], Field)] = &[
    (b"gen_ai.response.model", Field::Model),
    (b"gen_ai.request.model", Field::Model),
    (b"gen_ai.usage.input_tokens", Field::InputTokens),
    (b"gen_ai.usage.prompt_tokens", Field::InputTokens),
    (b"gen_ai.usage.output_tokens", Field::OutputTokens),
    (b"gen_ai.usage.completion_tokens", Field::OutputTokens),
    (b"gen_ai.usage.cache_read.input_tokens", Field::CacheRead),
    (b"gen_ai.usage.cache_read_input_tokens", Field::CacheRead),
    (b"gen_ai.usage.cached_input_tokens", Field::CacheRead),
    (b"gen_ai.usage.cache_write.input_tokens", Field::CacheWrite),
    (b"gen_ai.usage.cache_creation.input_tokens", Field::CacheWrite),
    (b"gen_ai.usage.cache_creation_input_tokens", Field::CacheWrite),
    (b"gen_ai.usage.reasoning.output_tokens", Field::Reasoning),
    (b"gen_ai.usage.reasoning_tokens", Field::Reasoning),
    (b"gen_ai.usage.cost", Field::Cost),
    (b"gen_ai.cost.total_cost", Field::Cost),
    (b"gen_ai.response.id", Field::RequestId),
    (b"gen_ai.operation.name", Field::Endpoint),
    (b"openai.response.service_tier", Field::ServiceTier),
    (b"gen_ai.openai.response.service_tier", Field::ServiceTier),
    (b"client.address", Field::SourceIp),
    (b"http.client_ip", Field::SourceIp),
    (b"user_agent.original", Field::UserAgent),
    (b"http.user_agent", Field::UserAgent),
    (b"http.response.status_code", Field::Status),
    (b"http.status_code", Field::Status),
    // The conventions have no name for the key.
    (b"gen_ai.api_key", Field::Key),
    (b"api_key", Field::Key),
    (b"api_key.id", Field::Key),
    (b"metadata.user_api_key_hash", Field::Key),
    (b"http.request.header.authorization", Field::Key),
    (b"http.request.header.x-api-key", Field::Key),
    (b"metadata.user_api_key_alias", Field::KeyAlias),
    (b"error.type", ERROR),
];
const ERROR: Field = Field::Extra(0);

/// Operations that are no request to a model: their spans stand around such requests and add up their tokens.
const AROUND: &[&[u8]] = &[b"execute_tool", b"invoke_agent", b"create_agent", b"invoke_workflow"];

pub(super) fn format() -> Format {
    let summary =
        "OTLP JSON: spans and log records with gen_ai usage; a key only where an attribute names one";
    Format::new("otel", summary, |shape| shape.has_any(&["resourceSpans", "resourceLogs"]), How::By(decode))
}

/// Whether records are told by their operation as well as by their tokens: of log records, every message has one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Span,
    Log,
}

fn decode(_: &Frame<'_>, shape: &Shape<'_>, emit: Emit<'_>) {
    let mut seen = false;
    for (name, member) in shape.members() {
        let (kind, inner, innermost) = match name {
            b"resourceSpans" => (Kind::Span, "scopeSpans", "spans"),
            b"resourceLogs" => (Kind::Log, "scopeLogs", "logRecords"),
            _ => continue,
        };
        seen = true;
        if member.0 != Value::Array {
            emit(Err(Fault::new(Reason::BadField, "", member.1, "is no list of resources")));
            continue;
        }
        elements(member, |resource| {
            let shared = resource_attributes(resource);
            each_in(resource, inner, |scope| {
                each_in(scope, innermost, |one| {
                    if let Some(read) = read(one, kind, &shared).transpose() {
                        emit(read.as_ref().map_err(Clone::clone));
                    }
                });
            });
        });
    }
    if !seen {
        let message = "has neither resourceSpans nor resourceLogs";
        emit(Err(Fault::new(Reason::Unrecognised, "", shape.whole(), message)));
    }
}

/// Calls `each` with every element of a list, as written.
fn elements<'a>((value, raw): Member<'a>, mut each: impl FnMut(&'a [u8])) {
    if value != Value::Array {
        return;
    }
    let mut reader = Reader::new(raw);
    reader.enter_array();
    while reader.element() {
        each(reader.raw());
    }
}

/// The same for a list that is a member of an object.
fn each_in<'a>(object: &'a [u8], name: &str, each: impl FnMut(&'a [u8])) {
    if let Ok(Some(list)) = shape::member(object, name) {
        elements(list, each);
    }
}

/// Values by field, and how good the attribute is that each is from: smaller is better.
#[derive(Clone, Copy)]
struct Attributes<'a>([Option<(usize, Value<'a>)>; Field::COUNT]);

impl<'a> Attributes<'a> {
    /// Takes what a list of attributes says over what is known. Those of a resource come first and are the worse.
    fn take(&mut self, list: Member<'a>, worse_by: usize) {
        elements(list, |attribute| {
            let (mut name, mut value) = (&b""[..], None);
            let _ = shape::members(attribute, |member, (scalar, raw)| match member {
                b"key" => name = plain(scalar),
                b"value" => value = any_value(raw),
                _ => {}
            });
            let known = ATTRIBUTES.iter().position(|(known, _)| *known == name);
            if let (Some(rank), Some(value)) = (known, value) {
                let place = &mut self.0[ATTRIBUTES[rank].1.index()];
                if place.is_none_or(|(best, _)| rank + worse_by < best) {
                    *place = Some((rank + worse_by, value));
                }
            }
        });
    }

    fn get(&self, field: Field) -> Option<Value<'a>> {
        self.0[field.index()].map(|(_, value)| value)
    }
}

fn resource_attributes(resource: &[u8]) -> Attributes<'_> {
    let mut shared = Attributes([None; Field::COUNT]);
    if let Ok(Some((Value::Object, resource))) = shape::member(resource, "resource")
        && let Ok(Some(list)) = shape::member(resource, "attributes")
    {
        shared.take(list, ATTRIBUTES.len());
    }
    shared
}

/// The value in `{"stringValue": …}` and its like; of a list the first (headers are lists).
fn any_value(raw: &[u8]) -> Option<Value<'_>> {
    let mut found = None;
    let walked = shape::members(raw, |name, (value, raw)| match (name, value) {
        (b"stringValue" | b"intValue" | b"doubleValue", Value::Str(text)) if text.is_empty() => {}
        (b"stringValue" | b"intValue" | b"doubleValue", Value::Str(_) | Value::Number(_)) => {
            found = Some(value);
        }
        (b"arrayValue", Value::Object) => {
            each_in(raw, "values", |first| {
                // Of lists in lists nothing is known, so this ends here.
                if let (None, Ok(Some((value @ Value::Str(_), _)))) =
                    (found, shape::member(first, "stringValue"))
                {
                    found = Some(value);
                }
            });
        }
        _ => {}
    });
    // Anything else than an object is no value.
    walked.ok().and(found)
}

fn plain(value: Value<'_>) -> &[u8] {
    match value {
        Value::Str(text) => text.as_plain().unwrap_or_default(),
        _ => b"",
    }
}

/// Reads a span or a log record; `None` where it is no request to a model.
fn read<'a>(one: &'a [u8], kind: Kind, shared: &Attributes<'a>) -> Read<Option<Draft<'a>>> {
    let mut attributes = *shared;
    let mut draft = Draft::default();
    let (mut time, mut observed, mut span) = (Value::Null, Value::Null, Value::Null);
    let mut failed = false;
    let walked = shape::members(one, |name, (value, raw)| match name {
        b"startTimeUnixNano" | b"timeUnixNano" => time = value,
        b"observedTimeUnixNano" => observed = value,
        b"spanId" => span = value,
        b"attributes" => attributes.take((value, raw), 0),
        b"status" if value == Value::Object => failed = is_error(raw),
        _ => {}
    });
    if walked.is_err() || !is_request(&attributes, kind) {
        return Ok(None);
    }
    for (rank, value) in attributes.0.into_iter().flatten() {
        assign(&mut draft, ATTRIBUTES[rank % ATTRIBUTES.len()].1, value)?;
    }
    let known = |value: Value<'_>| !matches!(value, Value::Number(b"0")) && plain(value) != b"0";
    let time = [time, observed].into_iter().find(|time| *time != Value::Null && known(*time));
    draft.time = draft::time("startTimeUnixNano", time.unwrap_or(Value::Null))?;
    if draft.time.is_none() {
        let message = "is missing or 0; every record needs a time";
        return Err(Fault::new(Reason::MissingField, "startTimeUnixNano", b"", message));
    }
    let error = attributes.get(ERROR);
    if attributes.get(Field::Status).is_none() && (failed || error.is_some()) {
        draft.status = error.and_then(status_of).unwrap_or(500);
    }
    if draft.request_id.is_empty() {
        draft.request_id = draft::text("spanId", span)?;
    }
    if draft.key.is_empty() {
        draft.key = Str::plain(NO_KEY);
    }
    Ok(Some(draft))
}

fn is_request(attributes: &Attributes<'_>, kind: Kind) -> bool {
    let operation = attributes.get(Field::Endpoint).map_or(&b""[..], plain);
    let is_counted =
        [Field::InputTokens, Field::OutputTokens].iter().any(|field| attributes.get(*field).is_some());
    !AROUND.contains(&operation) && (is_counted || kind == Kind::Span && !operation.is_empty())
}

/// Whether the status of a span is that of a failure, as a number or by its name.
fn is_error(status: &[u8]) -> bool {
    let code = shape::member(status, "code").ok().flatten().map(|(value, _)| value);
    code.is_some_and(|code| code == Value::Number(b"2") || plain(code) == b"STATUS_CODE_ERROR")
}

/// The HTTP status that an error is called by, if it is.
fn status_of(error: Value<'_>) -> Option<u16> {
    let digits = std::str::from_utf8(plain(error)).ok()?;
    digits.parse().ok().filter(|code| (400..=599).contains(code))
}

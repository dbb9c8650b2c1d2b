//! `otel`: spans and log records of OpenTelemetry's `gen_ai` conventions, as OTLP's JSON (the collector's file exporter
//! writes one request a line). One frame holds many records; what says nothing of a model is passed over, and counted
//! as that. Input tokens include the cached ones; 64-bit numbers are texts or numbers.

use super::draft::{self, Draft, Fault, Read};
use super::field::{Field, assign};
use super::map::{NO_KEY, Names};
use super::{Emit, Format, Frame, How};
use crate::frame::shape::Shape;
use crate::json::{Reader, Str, Value, each_in, elements, members};
use crate::record::Reason;
use std::sync::LazyLock;

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
    // Of sound and pictures: what frameworks call them, since the conventions do not.
    (b"gen_ai.usage.input_audio_tokens", Field::AudioInput),
    (b"gen_ai.usage.details.input_audio_tokens", Field::AudioInput),
    (b"gen_ai.usage.prompt_tokens_details.audio_tokens", Field::AudioInput),
    (b"gen_ai.usage.details.cache_audio_read_tokens", Field::AudioCached),
    (b"gen_ai.usage.output_audio_tokens", Field::AudioOutput),
    (b"gen_ai.usage.details.output_audio_tokens", Field::AudioOutput),
    (b"gen_ai.usage.completion_tokens_details.audio_tokens", Field::AudioOutput),
    (b"gen_ai.usage.input_image_tokens", Field::ImageInput),
    (b"gen_ai.usage.prompt_tokens_details.image_tokens", Field::ImageInput),
    (b"gen_ai.usage.output_image_tokens", Field::ImageOutput),
    (b"gen_ai.usage.completion_tokens_details.image_tokens", Field::ImageOutput),
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

/// The places of their names.
static NAMES: LazyLock<Names> = LazyLock::new(|| Names::of(ATTRIBUTES.iter().map(|(name, _)| *name)));

/// Operations that are no request to a model: their spans stand around such requests and add up their tokens.
const AROUND: &[&[u8]] = &[b"execute_tool", b"invoke_agent", b"create_agent", b"invoke_workflow"];

pub(super) fn format() -> Format {
    let summary =
        "OTLP JSON: spans and log records with gen_ai usage; a key only where an attribute names one";
    let fields: Vec<Field> = ATTRIBUTES.iter().map(|(_, field)| *field).chain([Field::Time]).collect();
    Format::new("otel", summary, |shape| shape.has_any(&["resourceSpans", "resourceLogs"]), How::By(decode))
        .carrying(&fields)
        .told_by(&["resourceSpans"])
        .reading(&["resourceLogs"])
}

/// Whether records are told by their operation as well as by their tokens: of log records, every message has one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Span,
    Log,
}

fn decode(_: &Frame<'_>, shape: &Shape<'_>, emit: Emit<'_>) {
    let mut seen = false;
    let foreign = Draft { foreign: true, ..Draft::default() };
    for (name, (value, raw)) in shape.members() {
        let (kind, inner, innermost) = match name {
            b"resourceSpans" => (Kind::Span, &b"scopeSpans"[..], &b"spans"[..]),
            b"resourceLogs" => (Kind::Log, &b"scopeLogs"[..], &b"logRecords"[..]),
            _ => continue,
        };
        seen = true;
        if value != Value::Array {
            emit(Err(Fault::new(Reason::BadField, "", raw, "is no list of resources")));
            continue;
        }
        elements(&mut Reader::sound(raw), |resource| {
            let mut shared = Attributes::NONE;
            let mut scopes = None;
            members(resource, |name, reader| match name {
                b"resource" => members(reader, |name, reader| match name {
                    b"attributes" => shared.take(reader, Attributes::SHARED),
                    _ => reader.skip(),
                }),
                name => {
                    // What they share may stand behind them.
                    if name == inner {
                        scopes = Some(reader.clone());
                    }
                    reader.skip();
                }
            });
            let Some(mut scopes) = scopes else { return };
            each_in(&mut scopes, innermost, |one| match read(one, kind, &shared) {
                Ok(Some(draft)) => emit(Ok(&draft)),
                Ok(None) => emit(Ok(&foreign)),
                Err(fault) => emit(Err(fault)),
            });
        });
    }
    if !seen {
        let message = "has neither resourceSpans nor resourceLogs";
        emit(Err(Fault::new(Reason::Unrecognised, "", shape.whole(), message)));
    }
}

/// Values by field, and how good the attribute is that each is from: smaller is better.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'a>([Option<(usize, Value<'a>)>; Field::COUNT]);

impl<'a> Attributes<'a> {
    /// Nothing known.
    pub(super) const NONE: Self = Self([None; Field::COUNT]);
    /// How much worse those of a resource are than any of what it is the resource of.
    pub(super) const SHARED: usize = ATTRIBUTES.len();

    /// Takes what the list of attributes at the reader says over what is known. Those of a resource come first and
    /// are the worse.
    pub(super) fn take(&mut self, list: &mut Reader<'a>, worse_by: usize) {
        attributes(list, |name, value, _| self.offer(name, value, worse_by));
    }

    /// Takes one of them.
    pub(super) fn offer(&mut self, name: &[u8], value: Option<Value<'a>>, worse_by: usize) {
        if let (Some(rank), Some(value)) = (NAMES.place(name), value) {
            let place = &mut self.0[ATTRIBUTES[rank].1.index()];
            if place.is_none_or(|(best, _)| rank + worse_by < best) {
                *place = Some((rank + worse_by, value));
            }
        }
    }

    fn get(&self, field: Field) -> Option<Value<'a>> {
        self.0[field.index()].map(|(_, value)| value)
    }

    /// Reads them all into a draft.
    pub(super) fn assign(self, draft: &mut Draft<'a>) -> Read<()> {
        self.0
            .into_iter()
            .flatten()
            .try_for_each(|(rank, value)| assign(draft, ATTRIBUTES[rank % ATTRIBUTES.len()].1, value))
    }
}

/// Calls `each` with the name and value of every attribute in the list at the reader, and all of it as written.
pub(super) fn attributes<'a>(
    list: &mut Reader<'a>,
    mut each: impl FnMut(&'a [u8], Option<Value<'a>>, &'a [u8]),
) {
    elements(list, |attribute| {
        let start = attribute.position();
        let (mut name, mut value) = (&b""[..], None);
        members(attribute, |member, reader| match member {
            b"key" => name = reader.scalar().map_or(b"", plain),
            b"value" => value = any_value(reader),
            _ => reader.skip(),
        });
        each(name, value, attribute.since(start));
    });
}

/// The value in `{"stringValue": …}` and its like; of a list the first (headers are lists).
fn any_value<'a>(reader: &mut Reader<'a>) -> Option<Value<'a>> {
    let mut found = None;
    members(reader, |name, reader| match name {
        b"stringValue" | b"intValue" | b"doubleValue" => match reader.scalar() {
            Some(Value::Str(text)) if text.is_empty() => {}
            Some(value @ (Value::Str(_) | Value::Number(_))) => found = Some(value),
            _ => {}
        },
        b"arrayValue" => members(reader, |name, reader| match name {
            // Of lists in lists nothing is known, so this ends here.
            b"values" => elements(reader, |first| {
                members(first, |name, reader| match (name, found) {
                    (b"stringValue", None) => {
                        found = reader.scalar().filter(|value| matches!(value, Value::Str(_)));
                    }
                    _ => reader.skip(),
                });
            }),
            _ => reader.skip(),
        }),
        _ => reader.skip(),
    });
    found
}

pub(super) fn plain(value: Value<'_>) -> &[u8] {
    match value {
        Value::Str(text) => text.as_plain().unwrap_or_default(),
        _ => b"",
    }
}

/// Reads the span or the log record at the reader; `None` where it is no request to a model.
fn read<'a>(reader: &mut Reader<'a>, kind: Kind, shared: &Attributes<'a>) -> Read<Option<Draft<'a>>> {
    let mut attributes = *shared;
    let mut draft = Draft::default();
    let (mut time, mut observed, mut span) = (Value::Null, Value::Null, Value::Null);
    let mut failed = false;
    members(reader, |name, reader| match name {
        b"startTimeUnixNano" | b"timeUnixNano" => time = reader.scalar().unwrap_or(Value::Null),
        b"observedTimeUnixNano" => observed = reader.scalar().unwrap_or(Value::Null),
        b"spanId" => span = reader.scalar().unwrap_or(Value::Null),
        b"attributes" => attributes.take(reader, 0),
        b"status" => failed = is_error(reader),
        _ => reader.skip(),
    });
    if !is_request(&attributes, kind) {
        return Ok(None);
    }
    attributes.assign(&mut draft)?;
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
fn is_error(status: &mut Reader<'_>) -> bool {
    let mut failed = false;
    members(status, |name, reader| match name {
        b"code" => {
            let code = reader.scalar().unwrap_or(Value::Null);
            failed = code == Value::Number(b"2") || plain(code) == b"STATUS_CODE_ERROR";
        }
        _ => reader.skip(),
    });
    failed
}

/// The HTTP status that an error is called by, if it is.
fn status_of(error: Value<'_>) -> Option<u16> {
    let digits = std::str::from_utf8(plain(error)).ok()?;
    digits.parse().ok().filter(|code| (400..=599).contains(code))
}

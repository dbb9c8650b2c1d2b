//! `litellm_spend`: rows of LiteLLM's `LiteLLM_SpendLogs` table, as its API, exports and change streams give them.

use super::draft::{self, Draft, Fault, Read};
use super::litellm::{FIELDS, Reading};
use super::{Emit, Format, Frame, How};
use crate::frame::shape::Shape;
use crate::json::{Str, Value};
use crate::record::Reason;

pub(super) fn format() -> Format {
    let summary = "LiteLLM spend logs: rows of LiteLLM_SpendLogs, metadata as an object or as JSON in a text";
    Format::new(
        "litellm_spend",
        summary,
        |shape| {
            shape.has("spend")
                && shape.has("call_type")
                && shape.has("api_key")
                && (shape.has("startTime") || shape.has("start_time"))
        },
        How::By(decode),
    )
    .carrying(FIELDS)
    .told_by(&["spend", "call_type", "api_key", "startTime"])
    .reading(&[
        "request_id",
        "model",
        "prompt_tokens",
        "completion_tokens",
        "requester_ip_address",
        "metadata",
        "status",
        "cache_hit",
        "request_tags",
    ])
}

fn decode(_: &Frame<'_>, shape: &Shape<'_>, emit: Emit<'_>) {
    let mut scratch = Vec::new();
    emit(read(shape, &mut scratch).as_ref().map_err(Clone::clone));
}

fn read<'a>(shape: &Shape<'a>, scratch: &'a mut Vec<u8>) -> Read<Draft<'a>> {
    let mut reading = Reading::default();
    let mut metadata = Value::Null;
    let mut metadata_raw: &[u8] = b"";
    for (name, (value, raw)) in shape.members() {
        match name {
            b"request_id" => reading.draft.request_id = draft::text("request_id", value)?,
            b"spend" => reading.draft.cost = draft::cost("spend", value)?,
            b"api_key" => reading.draft.key = api_key(draft::text("api_key", value)?),
            b"metadata" => (metadata, metadata_raw) = (value, raw),
            _ => reading.top(name, value, raw)?,
        }
    }
    match metadata {
        Value::Object => reading.metadata(metadata_raw)?,
        // The column is JSON, which some exports write as a text.
        Value::Str(json) => {
            let json = json.resolve(scratch);
            if json.starts_with(b"{") {
                reading.metadata_in_text(json, |error| not_json(error, json))?;
            }
        }
        _ => {}
    }
    reading.finish()
}

fn not_json(error: crate::json::Error, json: &[u8]) -> Fault {
    let message = format!("is no whole JSON text ({error}); was it cut off on its way?");
    Fault::at(Reason::BadField, "metadata", json, error.at, message)
}

/// LiteLLM 1.82 writes the word `None` for a request without a key.
fn api_key(text: Str<'_>) -> Str<'_> {
    if text.as_plain() == Some(b"None") { Str::default() } else { text }
}

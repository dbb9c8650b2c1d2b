//! `litellm`: LiteLLM's `StandardLoggingPayload`, as its callbacks and log files carry it.

use super::draft::{self, Draft, Read};
use super::litellm::{FIELDS, Reading};
use super::{Emit, Format, Frame, How};
use crate::frame::shape::Shape;
use crate::json::Value;

pub(super) fn format() -> Format {
    let summary = "LiteLLM StandardLoggingPayload: what logging callbacks write, one request a record";
    Format::new(
        "litellm",
        summary,
        |shape| {
            shape.has("call_type")
                && shape.has("response_cost")
                && shape.has("metadata")
                && (shape.has("startTime") || shape.has("start_time"))
        },
        How::By(decode),
    )
    .carrying(FIELDS)
    .told_by(&["call_type", "response_cost", "metadata", "startTime"])
    .reading(&[
        "id",
        "model",
        "prompt_tokens",
        "completion_tokens",
        "requester_ip_address",
        "user_agent",
        "status",
        "cache_hit",
        "error_information",
        "request_tags",
    ])
}

fn decode(_: &Frame<'_>, shape: &Shape<'_>, emit: Emit<'_>) {
    emit(read(shape).as_ref().map_err(Clone::clone));
}

fn read<'a>(shape: &Shape<'a>) -> Read<Draft<'a>> {
    let mut reading = Reading::default();
    for (name, (value, raw)) in shape.members() {
        match name {
            b"id" => reading.draft.request_id = draft::text("id", value)?,
            b"response_cost" => reading.draft.cost = draft::cost("response_cost", value)?,
            b"metadata" if value == Value::Object => reading.metadata(raw)?,
            _ => reading.top(name, value, raw)?,
        }
    }
    reading.finish()
}

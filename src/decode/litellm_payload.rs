//! `litellm`: LiteLLM's `StandardLoggingPayload`, as its callbacks and log files carry it.

use super::draft::{self, Draft, Read};
use super::litellm::{Reading, members};
use super::{Emit, Format, Frame, How};
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
}

fn decode(frame: &Frame<'_>, emit: Emit<'_>) {
    emit(read(frame.text).as_ref().map_err(Clone::clone));
}

fn read(text: &[u8]) -> Read<Draft<'_>> {
    let mut reading = Reading::default();
    members(text, |name, value, raw| match name {
        b"id" => {
            reading.draft.request_id = draft::text("id", value)?;
            Ok(())
        }
        b"response_cost" => {
            reading.draft.cost = draft::cost("response_cost", value)?;
            Ok(())
        }
        b"metadata" if value == Value::Object => reading.metadata(raw),
        _ => reading.top(name, value, raw),
    })?;
    reading.finish()
}

//! `helicone`: requests as Helicone's API and exports give them. `prompt_tokens` leaves out what a cache had to do
//! with, and, like `completion_tokens`, what was sound.

use super::draft::{self, Draft, Read};
use super::field::Field;
use super::map::{Extras, Map, at};
use super::{Format, How};
use crate::frame::shape::Shape;
use crate::json::Value;
use crate::record::Count;

pub(super) fn format() -> Format {
    let places = [
        at("/request_created_at", Field::Time),
        at("/auth_hash", Field::Key),
        at("/request_auth_hash", Field::Key),
        at("/helicone_api_key_id", Field::Key),
        at("/helicone_proxy_key_id", Field::Key),
        at("/request_properties/api_key", Field::Key),
        at("/request_properties/api_key_id", Field::Key),
        at("/request_id", Field::RequestId),
        at("/response_model", Field::Model),
        at("/request_model", Field::Model),
        at("/model_override", Field::Model),
        at("/model", Field::Model),
        at("/prompt_tokens", Field::InputUncached),
        at("/prompt_cache_read_tokens", Field::CacheRead),
        at("/prompt_cache_write_tokens", Field::CacheWrite),
        at("/completion_tokens", Field::OutputTokens),
        at("/reasoning_tokens", Field::Reasoning),
        at("/prompt_audio_tokens", Field::AudioInput),
        at("/completion_audio_tokens", Field::AudioOutput),
        // `cost` is in another unit in some exports; it is computed instead.
        at("/costUSD", Field::Cost),
        at("/cost_usd", Field::Cost),
        at("/request_path", Field::Endpoint),
        at("/response_status", Field::Extra(0)),
        at("/request_ip", Field::SourceIp),
    ];
    let summary =
        "Helicone requests: tokens by class; a key only where a hash, an id or a property names one";
    Format::new("helicone", summary, sniff, How::Map(Map::new(&places, finish)))
        .carrying(&[Field::Status])
        .told_by(&["request_created_at", "request_id", "response_status"])
}

fn sniff(shape: &Shape<'_>) -> bool {
    shape.has("request_created_at")
        && shape.has("request_id")
        && shape.has_any(&["response_status", "response_model", "request_model"])
}

fn finish(draft: &mut Draft<'_>, extras: &Extras<'_>) -> Read<()> {
    draft.status = match extras[0] {
        // Below zero are requests without an answer: cancelled, or still under way.
        Some(Value::Number([b'-', ..])) => draft::HUNG_UP,
        Some(value) => draft::status("status_code", value)?,
        None => draft.status,
    };
    // Sound stands beside the sums, as what was cached does.
    let audio = draft.media.audio;
    for (sum, beside) in
        [(&mut draft.tokens.input_uncached, audio.input), (&mut draft.tokens.output, audio.output)]
    {
        if beside > 0 {
            *sum = Count::of(sum.or_zero().saturating_add(beside).min(Count::MAX));
        }
    }
    Ok(())
}

//! `portkey`: Portkey's log exports. `cost` is in cents, and `trace_id` joins several requests.

use super::draft::{Draft, Read};
use super::field::Field;
use super::map::{Extras, Map, Place, Unit, at};
use super::{Format, How};
use crate::frame::shape::Shape;
use crate::json::{Str, Value};

/// Where an answer tells what it took.
const USAGE: &[&str] = &["/response/usage", "/response/body/usage"];

/// What it tells of it in the words of OpenAI.
const DETAILS: &[(&str, Field)] = &[
    ("prompt_tokens_details/cached_tokens", Field::CacheRead),
    ("prompt_tokens_details/audio_tokens", Field::AudioInput),
    ("prompt_tokens_details/image_tokens", Field::ImageInput),
    ("completion_tokens_details/reasoning_tokens", Field::Reasoning),
    ("completion_tokens_details/audio_tokens", Field::AudioOutput),
    ("completion_tokens_details/image_tokens", Field::ImageOutput),
];

pub(super) fn format() -> Format {
    let mut places = vec![
        at("/created_at", Field::Time),
        at("/api_key_id", Field::Key),
        at("/portkey_api_key_id", Field::Key),
        at("/metadata/api_key", Field::Key),
        at("/metadata/api_key_id", Field::Key),
        at("/virtual_key", Field::Key),
        at("/id", Field::RequestId),
        at("/ai_model", Field::Model),
        at("/req_units", Field::InputTokens),
        at("/res_units", Field::OutputTokens),
        Place("/cost", Field::Cost, Unit::CENTS),
        at("/request_url", Field::Endpoint),
        at("/response_status_code", Field::Status),
        at("/cache_status", Field::Extra(0)),
        at("/is_success", Field::Extra(1)),
    ];
    let details: Vec<(String, Field)> = USAGE
        .iter()
        .flat_map(|usage| DETAILS.iter().map(move |(name, field)| (format!("{usage}/{name}"), *field)))
        .collect();
    places.extend(details.iter().map(|(pointer, field)| at(pointer, *field)));
    let summary =
        "Portkey log exports: tokens, and costs in cents; a key only where an id or metadata names one";
    Format::new("portkey", summary, sniff, How::Map(Map::new(&places, finish))).told_by(&[
        "ai_model",
        "created_at",
        "req_units",
    ])
}

fn sniff(shape: &Shape<'_>) -> bool {
    shape.has("ai_model") && shape.has("created_at") && shape.has_any(&["ai_org", "req_units", "res_units"])
}

fn finish(draft: &mut Draft<'_>, extras: &Extras<'_>) -> Read<()> {
    let is = |value: Option<Value<'_>>, word: &[u8]| value == Some(Value::Str(Str::plain(word)));
    draft.zero_is_meant = is(extras[0], b"HIT") || is(extras[0], b"SEMANTIC HIT");
    let failed = matches!(extras[1], Some(Value::False | Value::Number(b"0")));
    if failed && draft.status == 200 {
        draft.status = 500;
    }
    Ok(())
}

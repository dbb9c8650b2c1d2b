//! `langfuse`: observations of Langfuse, as its API, its exports to buckets (`snake_case`) and its tables give them.
//!
//! `usageDetails` counts every class of tokens for itself: `input` leaves out what a cache had to do with, `output`
//! the reasoning. The older `usage` and `promptTokens` are sums.

use super::draft::{self, Draft, Fault, Read};
use super::field::Field;
use super::map::{Extras, Map, at};
use super::{Format, How};
use crate::frame::shape::Shape;
use crate::json::{Str, Value};
use crate::normalise::Media;
use crate::record::{Count, Reason};

/// What a class of tokens is called in `usageDetails`, which passes on the names of providers and frameworks.
const DETAILS: &[(&str, Field)] = &[
    ("input", Field::InputUncached),
    ("input_cached_tokens", Field::CacheRead),
    ("cache_read_input_tokens", Field::CacheRead),
    ("input_cache_read", Field::CacheRead),
    ("cache_creation_input_tokens", Field::CacheWrite),
    ("input_cache_creation", Field::CacheWrite),
    ("output", Field::OutputTokens),
    ("output_reasoning_tokens", Field::ReasoningBeside),
    ("output_reasoning", Field::ReasoningBeside),
    ("input_audio_tokens", Field::AudioInput),
    ("input_audio", Field::AudioInput),
    ("input_image_tokens", Field::ImageInput),
    ("input_image", Field::ImageInput),
    ("input_text_tokens", INPUT_TEXT),
    ("output_audio_tokens", Field::AudioOutput),
    ("output_audio", Field::AudioOutput),
    ("output_image_tokens", Field::ImageOutput),
    ("output_image", Field::ImageOutput),
    ("output_text_tokens", OUTPUT_TEXT),
    ("output_accepted_prediction_tokens", ACCEPTED),
    ("output_rejected_prediction_tokens", REJECTED),
];
/// What OpenAI tells in the details of its counts, and Langfuse takes out of these.
const INPUT_TEXT: Field = Field::Extra(4);
const OUTPUT_TEXT: Field = Field::Extra(5);
const ACCEPTED: Field = Field::Extra(6);
const REJECTED: Field = Field::Extra(7);

/// Kinds of observations that are no request to a model.
const NO_REQUESTS: &[&[u8]] =
    &[b"SPAN", b"EVENT", b"AGENT", b"TOOL", b"CHAIN", b"RETRIEVER", b"EVALUATOR", b"GUARDRAIL"];

pub(super) fn format() -> Format {
    let mut places = vec![
        at("/startTime", Field::Time),
        at("/start_time", Field::Time),
        at("/metadata/api_key", Field::Key),
        at("/metadata/user_api_key_hash", Field::Key),
        at("/metadata/user_api_key", Field::Key),
        at("/metadata/user_api_key_alias", Field::KeyAlias),
        at("/id", Field::RequestId),
        at("/model", Field::Model),
        at("/provided_model_name", Field::Model),
        at("/name", Field::Endpoint),
        at("/costDetails/total", Field::Cost),
        at("/cost_details/total", Field::Cost),
        at("/calculatedTotalCost", Field::Cost),
        at("/totalCost", Field::Cost),
        at("/total_cost", Field::Cost),
        at("/usage/input", Field::Extra(0)),
        at("/promptTokens", Field::Extra(0)),
        at("/inputUsage", Field::Extra(0)),
        at("/usage/output", Field::Extra(1)),
        at("/completionTokens", Field::Extra(1)),
        at("/outputUsage", Field::Extra(1)),
        at("/level", Field::Extra(2)),
        at("/type", Field::Extra(3)),
    ];
    let pointers: Vec<(String, Field)> = ["usageDetails", "usage_details"]
        .iter()
        .flat_map(|object| DETAILS.iter().map(move |(name, field)| (format!("/{object}/{name}"), *field)))
        .collect();
    places.extend(pointers.iter().map(|(pointer, field)| at(pointer, *field)));
    let summary =
        "Langfuse observations: generations with usage and costs; a key only where metadata names one";
    Format::new("langfuse", summary, sniff, How::Map(Map::new(&places, finish)))
        .carrying(&[Field::Status])
        .told_by(&["traceId", "startTime", "type", "usageDetails"])
}

fn sniff(shape: &Shape<'_>) -> bool {
    shape.has_any(&["traceId", "trace_id"])
        && shape.has_any(&["startTime", "start_time"])
        && shape.has("type")
        && shape.has_any(&["usageDetails", "usage_details", "usage", "promptTokens", "inputUsage"])
}

fn finish(draft: &mut Draft<'_>, extras: &Extras<'_>) -> Read<()> {
    let [input, output, level, kind, input_text, output_text, accepted, rejected] = *extras;
    let is = |value: Option<Value<'_>>, word: &[u8]| value == Some(Value::Str(Str::plain(word)));
    if let Some(kind) = NO_REQUESTS.iter().find(|known| is(kind, known)) {
        let message = "no request to a model; export generations and embeddings only";
        return Err(Fault::new(Reason::Unrecognised, "type", kind, message));
    }
    // The sums count only where the classes are not known: they leave out some of them.
    let counted =
        |value: Option<Value<'_>>| value.map_or(Ok(Count::ABSENT), |value| draft::count("usage", value));
    let Media { audio, image, .. } = draft.media;
    if draft.tokens.input_uncached.get().is_none() {
        draft.input_total = counted(input)?;
    } else {
        let beside = [audio.input, image.input, counted(input_text)?.or_zero()];
        add(&mut draft.tokens.input_uncached, beside);
    }
    if draft.tokens.output.get().is_none() {
        draft.tokens.output = counted(output)?;
    } else {
        add(&mut draft.tokens.output, [audio.output, image.output, counted(output_text)?.or_zero()]);
        add(&mut draft.tokens.output, [counted(accepted)?.or_zero(), counted(rejected)?.or_zero()]);
    }
    if is(level, b"ERROR") {
        draft.status = 500;
    }
    Ok(())
}

/// Adds classes of tokens that Langfuse counts beside a sum to it.
fn add<const N: usize>(sum: &mut Count, beside: [u64; N]) {
    let all = beside.into_iter().fold(sum.or_zero(), u64::saturating_add);
    *sum = Count::of(all.min(Count::MAX));
}

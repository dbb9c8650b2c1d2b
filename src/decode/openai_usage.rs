//! `openai_usage`: buckets of the usage API of an OpenAI organization, all ten of its reports, as pages, as buckets,
//! or as results with the times of their bucket beside them.
//!
//! A dimension is null unless the report was asked to be grouped by it: group by `api_key_id`, or what is told is the
//! use of whole projects. The same use grouped in two ways is counted twice. What the same API lists besides, keys
//! and spend alerts, is no use and is passed over.

use super::bucket::{ORGANIZATION, check_times, first, plain};
use super::carries::Counts;
use super::draft::{Draft, Fault, Read};
use super::field::Field;
use super::map::{Extras, Map, at};
use super::{Format, How};
use crate::frame::shape::Shape;
use crate::json::Str;
use crate::money::NanoUsd;
use crate::record::{Count, Kind, Reason};

/// Objects that are neither use nor a bill.
const INVENTORY: &[&str] = &[
    "organization.admin_api_key",
    "organization.project.api_key",
    "organization.spend_alert",
    "project.spend_alert",
];

pub(super) fn format() -> Format {
    let places = [
        at("/start_time", Field::Time),
        at("/end_time", Field::End),
        at("/results/*/api_key_id", Field::Key),
        at("/results/*/project_id", Field::Key),
        at("/results/*/user_id", Field::Key),
        at("/results/*/organization_id", Field::Key),
        at("/results/*/model", Field::Model),
        // All of the input, cached or not; of what it is made up is told below.
        at("/results/*/input_tokens", Field::InputTokens),
        at("/results/*/input_uncached_tokens", Field::InputUncached),
        at("/results/*/input_cached_tokens", Field::CacheRead),
        at("/results/*/input_cache_write_tokens", Field::CacheWrite),
        at("/results/*/output_tokens", Field::OutputTokens),
        // Of searches their own number: the requests that made them stand among the completions.
        at("/results/*/num_requests", Field::Requests),
        at("/results/*/num_sessions", Field::Requests),
        at("/results/*/num_model_requests", Field::Requests),
        at("/results/*/service_tier", Field::ServiceTier),
        at("/results/*/batch", Field::Batch),
        at("/results/*/object", Field::Extra(0)),
        // Those of the input are told without what came from the cache.
        at("/results/*/input_audio_tokens", Field::AudioInput),
        at("/results/*/input_cached_audio_tokens", Field::AudioCached),
        at("/results/*/output_audio_tokens", Field::AudioOutput),
        at("/results/*/input_image_tokens", Field::ImageInput),
        at("/results/*/input_cached_image_tokens", Field::ImageCached),
        at("/results/*/output_image_tokens", Field::ImageOutput),
    ];
    let summary = "OpenAI usage API: buckets of requests and tokens, by key where grouped by api_key_id";
    let map = Map::new(&places, finish).each("results");
    Format::new("openai_usage", summary, sniff, How::Map(map))
        .carrying(&[Field::Endpoint])
        .counting(&[Counts::Buckets])
        .told_by(&["object", "results", "start_time"])
}

fn sniff(shape: &Shape<'_>) -> bool {
    if !shape.has_any(&["object", "results"]) || shape.has("starting_at") {
        return false;
    }
    match first(shape) {
        Some(result) => {
            let is_listed = !shape.has("results") && shape.says("object", INVENTORY);
            is_listed || operation(plain(result.member("object"))).is_some()
        }
        // Of a bucket of nothing nobody can tell whose it is.
        None => shape.says("object", &["bucket"]) && shape.has("start_time"),
    }
}

/// What was used, from the name of the kind of result: `completions`, `embeddings`, …
fn operation(object: &[u8]) -> Option<&[u8]> {
    object.strip_prefix(b"organization.usage.")?.strip_suffix(b".result")
}

fn finish<'a>(draft: &mut Draft<'a>, extras: &Extras<'a>) -> Read<()> {
    let object = plain(extras[0]);
    if INVENTORY.iter().any(|known| known.as_bytes() == object) {
        draft.foreign = true;
        return Ok(());
    }
    let Some(operation) = operation(object) else {
        let message = "`organization.usage.….result` is expected";
        return Err(Fault::new(Reason::BadField, "object", object, message));
    };
    check_times(draft, "start_time", "end_time")?;
    draft.kind = Kind::Bucket;
    draft.endpoint = Str::plain(operation);
    if draft.key.is_empty() {
        draft.key = Str::plain(ORGANIZATION);
    }
    match operation {
        b"embeddings" => draft.tokens.output = Count::of(0),
        b"moderations" => {
            draft.tokens.output = Count::of(0);
            (draft.cost, draft.zero_is_meant) = (Some(NanoUsd::ZERO), true);
        }
        _ => {}
    }
    settle_input(draft);
    Ok(())
}

/// The part that no cache had to do with is taken as told, unless the sum tells of more.
fn settle_input(draft: &mut Draft<'_>) {
    let tokens = &draft.tokens;
    if tokens.input_uncached.get().is_some() && tokens.input() >= draft.input_total.or_zero() {
        draft.input_total = Count::ABSENT;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_results_of_usage_are_claimed() {
        let claims = |text: &str| sniff(&Shape::of(text.as_bytes(), false).unwrap());
        for text in [
            r#"{"object":"bucket","start_time":1,"results":[]}"#,
            r#"{"results":[{"object":"organization.usage.images.result"}]}"#,
            r#"{"object":"organization.usage.images.result"}"#,
            r#"{"object":"project.spend_alert"}"#,
        ] {
            assert!(claims(text), "{text}");
        }
        for text in [
            r#"{"object":"bucket","start_time":1}"#,
            r#"{"object":"page","results":[]}"#,
            r#"{"results":[{"object":"organization.costs.result"}]}"#,
            r#"{"results":[{"object":"project.spend_alert"}]}"#,
            r#"{"results":[1]}"#,
            r#"{"results":{}}"#,
            r#"{"object":"organization.audit_log"}"#,
        ] {
            assert!(!claims(text), "{text}");
        }
    }
}

//! `kong`: what Kong's logging plugins (http-log, file-log and their like) write of a request, with what its AI
//! plugins found out about it.

use super::draft::{self, Draft, Read};
use super::field::Field;
use super::map::{Extras, Map, at};
use super::{Format, How};
use crate::frame::shape::Shape;

/// Who knows most about the request the caller made; other plugins may make requests of their own.
const PLUGINS: &[&str] = &["ai-proxy", "ai-proxy-advanced", "proxy", "*"];

/// What a plugin says. Kong 3.6 to 3.9 leave out the plural.
const OF_PLUGIN: &[(&str, Field)] = &[
    ("meta/response_model", Field::Model),
    ("meta/request_model", Field::Model),
    ("usage/prompt_tokens", Field::InputTokens),
    ("usage/prompt_token", Field::InputTokens),
    ("usage/completion_tokens", Field::OutputTokens),
    ("usage/completion_token", Field::OutputTokens),
    ("usage/prompt_tokens_details/cached_tokens", Field::CacheRead),
    ("usage/completion_tokens_details/reasoning_tokens", Field::Reasoning),
    ("usage/prompt_tokens_details/audio_tokens", Field::AudioInput),
    ("usage/prompt_tokens_details/image_tokens", Field::ImageInput),
    ("usage/completion_tokens_details/audio_tokens", Field::AudioOutput),
    ("usage/completion_tokens_details/image_tokens", Field::ImageOutput),
    ("usage/cost", Field::Cost),
    ("cache/cache_status", Field::Extra(0)),
];

pub(super) fn format() -> Format {
    let mut places = vec![
        at("/started_at", Field::Time),
        // The credential is the key; a consumer may have several.
        at("/authenticated_entity/id", Field::Key),
        at("/request/headers/authorization", Field::Key),
        at("/request/headers/apikey", Field::Key),
        at("/request/headers/x-api-key", Field::Key),
        at("/request/headers/api-key", Field::Key),
        at("/consumer/id", Field::Key),
        at("/consumer/username", Field::KeyAlias),
        at("/consumer/custom_id", Field::KeyAlias),
        at("/request/id", Field::RequestId),
        at("/request/uri", Field::Endpoint),
        at("/upstream_uri", Field::Endpoint),
        at("/response/status", Field::Status),
        at("/client_ip", Field::SourceIp),
        at("/request/headers/user-agent", Field::UserAgent),
    ];
    let pointers: Vec<(String, Field)> = PLUGINS
        .iter()
        .flat_map(|plugin| OF_PLUGIN.iter().map(move |(of, field)| (format!("/ai/{plugin}/{of}"), *field)))
        .collect();
    places.extend(pointers.iter().map(|(pointer, field)| at(pointer, *field)));
    let summary = "Kong's http-log and file-log, with the tokens and costs of its AI plugins";
    Format::new("kong", summary, sniff, How::Map(Map::new(&places, finish))).told_by(&[
        "started_at",
        "request",
        "latencies",
    ])
}

fn sniff(shape: &Shape<'_>) -> bool {
    shape.has("started_at") && shape.has("request") && shape.has_any(&["latencies", "client_ip"])
}

fn finish(draft: &mut Draft<'_>, extras: &Extras<'_>) -> Read<()> {
    let cache =
        extras[0].map_or(Ok(crate::json::Str::default()), |value| draft::text("cache_status", value))?;
    draft.zero_is_meant = cache.as_plain().is_some_and(|status| status.eq_ignore_ascii_case(b"hit"));
    Ok(())
}

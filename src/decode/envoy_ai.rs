//! `envoy_ai`: access logs of Envoy AI Gateway as JSON. Their names are chosen in the configuration of the gateway;
//! these are the ones of its documentation, of Envoy Gateway's default log, and the plain ones.

use super::draft::{self, Draft, Read};
use super::field::Field;
use super::map::{Extras, Map, at};
use super::{Format, How};
use crate::frame::shape::Shape;

/// Names that only a gateway for models gives.
pub(super) const OF_MODELS: &[&str] = &[
    "gen_ai.request.model",
    "gen_ai.response.model",
    "gen_ai.usage.input_tokens",
    "llm_input_token",
    "llm_total_token",
    "response_model",
];

pub(super) fn format() -> Format {
    let places = [
        at("/start_time", Field::Time),
        at("/timestamp", Field::Time),
        at("/authorization", Field::Key),
        at("/x-api-key", Field::Key),
        at("/x_api_key", Field::Key),
        at("/api-key", Field::Key),
        at("/api_key", Field::Key),
        at("/api_key_id", Field::Key),
        at("/x-client-id", Field::Key),
        at("/caller", Field::Key),
        at("/x-request-id", Field::RequestId),
        at("/x_request_id", Field::RequestId),
        at("/request_id", Field::RequestId),
        at("/gen_ai.response.model", Field::Model),
        at("/response_model", Field::Model),
        at("/gen_ai.request.model", Field::Model),
        at("/request_model", Field::Model),
        at("/x-ai-eg-model", Field::Model),
        at("/model", Field::Model),
        at("/gen_ai.usage.input_tokens", Field::InputTokens),
        at("/llm_input_token", Field::InputTokens),
        at("/input_tokens", Field::InputTokens),
        at("/gen_ai.usage.output_tokens", Field::OutputTokens),
        at("/llm_output_token", Field::OutputTokens),
        at("/output_tokens", Field::OutputTokens),
        at("/gen_ai.usage.cache_read.input_tokens", Field::CacheRead),
        at("/gen_ai.usage.cached_input_tokens", Field::CacheRead),
        at("/llm_cached_input_token", Field::CacheRead),
        at("/gen_ai.usage.cache_creation.input_tokens", Field::CacheWrite),
        at("/llm_cache_creation_input_token", Field::CacheWrite),
        at("/gen_ai.usage.reasoning.output_tokens", Field::Reasoning),
        at("/llm_reasoning_token", Field::Reasoning),
        at("/x-envoy-origin-path", Field::Endpoint),
        at("/x-envoy-original-path", Field::Endpoint),
        at("/path", Field::Endpoint),
        at("/response_code", Field::Status),
        at("/status", Field::Status),
        at("/x-forwarded-for", Field::SourceIp),
        at("/x_forwarded_for", Field::SourceIp),
        at("/downstream_remote_address", Field::SourceIp),
        at("/user-agent", Field::UserAgent),
        at("/user_agent", Field::UserAgent),
    ];
    let summary = "Envoy AI Gateway's JSON access log: gen_ai.* or llm_* names, and those of Envoy Gateway";
    Format::new("envoy_ai", summary, sniff, How::Map(Map::new(&places, finish))).told_by(&[
        "start_time",
        "response_code",
        "gen_ai.request.model",
    ])
}

fn sniff(shape: &Shape<'_>) -> bool {
    shape.has_any(&["start_time", "timestamp"])
        && shape.has_any(&["response_code", "status"])
        && shape.has_any(OF_MODELS)
}

fn finish(draft: &mut Draft<'_>, _: &Extras<'_>) -> Read<()> {
    if draft.status == 0 {
        draft.status = draft::HUNG_UP;
    }
    Ok(())
}

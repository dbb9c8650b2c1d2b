//! `vertex_log`: request-response logs of Vertex AI, as rows of their table in `BigQuery`, and responses of the Gemini
//! API as they are: what a request took. Whose it was stands in the audit log (`gcp_audit`), if anywhere; without
//! that the project is all that is known.
//!
//! Of Gemini the prompt includes what was cached, and the output leaves out the thoughts; Claude counts everything
//! for itself.

use super::carries::Counts;
use super::cloud::{last_part, part_after, text};
use super::draft::{self, Draft, Read};
use super::field::Field;
use super::map::{Extras, Map, at};
use super::{Format, How};
use crate::frame::shape::Shape;
use crate::record::{Count, Part};

const PROJECT: Field = Field::Extra(0);
const TOOLS: Field = Field::Extra(1);

/// What stands in a response, in the two spellings of Google.
const RESPONSE: &[(&str, Field)] = &[
    ("usage_metadata/prompt_token_count", Field::InputTokens),
    ("usageMetadata/promptTokenCount", Field::InputTokens),
    ("usage_metadata/tool_use_prompt_token_count", TOOLS),
    ("usageMetadata/toolUsePromptTokenCount", TOOLS),
    ("usage_metadata/cached_content_token_count", Field::CacheRead),
    ("usageMetadata/cachedContentTokenCount", Field::CacheRead),
    ("usage_metadata/candidates_token_count", Field::OutputTokens),
    ("usageMetadata/candidatesTokenCount", Field::OutputTokens),
    ("usage_metadata/thoughts_token_count", Field::ReasoningBeside),
    ("usageMetadata/thoughtsTokenCount", Field::ReasoningBeside),
    ("usage/input_tokens", Field::InputUncached),
    ("usage/output_tokens", Field::OutputTokens),
    ("usage/cache_read_input_tokens", Field::CacheRead),
    ("usage/cache_creation_input_tokens", Field::CacheWrite),
    ("model_version", Field::Model),
    ("modelVersion", Field::Model),
    ("response_id", Field::RequestId),
    ("responseId", Field::RequestId),
    ("create_time", Field::Time),
    ("createTime", Field::Time),
];

pub(super) fn format() -> Format {
    let mut places = vec![
        at("/logging_time", Field::Time),
        at("/request_id", Field::RequestId),
        at("/model", Field::Model),
        at("/api_method", Field::Endpoint),
        at("/full_request/model", PROJECT),
        at("/full_request/@json/model", PROJECT),
    ];
    let pointers: Vec<(String, Field)> = RESPONSE
        .iter()
        .flat_map(|(name, field)| {
            ["/full_response/", "/full_response/@json/", "/"].map(|from| (format!("{from}{name}"), *field))
        })
        .collect();
    places.extend(pointers.iter().map(|(pointer, field)| at(pointer, *field)));
    let summary =
        "Vertex AI request-response logs, responses of Gemini: tokens; joined with gcp_audit by request id";
    Format::new("vertex_log", summary, sniff, How::Map(Map::new(&places, finish)))
        .carrying(&[Field::Key])
        .counting(&[Counts::Requests, Counts::Usage])
        .told_by(&["full_response", "logging_time", "usageMetadata", "createTime", "modelVersion"])
}

fn sniff(shape: &Shape<'_>) -> bool {
    is_log(shape)
        || shape.has_any(&["usageMetadata", "usage_metadata"])
            && shape.has_any(&["createTime", "create_time"])
            && shape.has_any(&["modelVersion", "model_version"])
}

fn is_log(shape: &Shape<'_>) -> bool {
    shape.has("full_response") && shape.has("logging_time")
}

fn finish<'a>(draft: &mut Draft<'a>, extras: &Extras<'a>) -> Read<()> {
    let [project, tools, ..] = *extras;
    draft.key = part_after(text("model", project)?, "projects");
    draft.model = last_part(draft.model);
    if let (Some(tools), Some(prompt)) = (tools, draft.input_total.get()) {
        let tools = draft::count("tool_use_prompt_token_count", tools)?.or_zero();
        draft.input_total = Count::of(prompt + tools);
    }
    // A response alone has no other half.
    if !draft.endpoint.is_empty() {
        draft.part = Part::Usage;
    }
    Ok(())
}

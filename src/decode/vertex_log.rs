//! `vertex_log`: request-response logs of Vertex AI, as rows of their table in `BigQuery`, and responses of the Gemini
//! API as they are: what a request took. Whose it was stands in the audit log (`gcp_audit`), if anywhere; without
//! that the project is all that is known.
//!
//! Of Gemini the prompt includes what was cached, and the output leaves out the thoughts; Claude counts everything
//! for itself.

use super::bucket::plain;
use super::carries::Counts;
use super::cloud::{last_part, part_after, text};
use super::draft::{self, Draft, Fault, Read};
use super::field::Field;
use super::map::{Extras, Map, Place, Unit, at};
use super::{Format, How};
use crate::frame::shape::{Shape, first_member, members};
use crate::json::{Reader, Value};
use crate::normalise::{Media, Sides};
use crate::record::{Count, Part};

const PROJECT: Field = Field::Extra(0);
const TOOLS: Field = Field::Extra(1);
/// Of a response alone: something of an answer, and why it ended.
const CONTENT: Field = Field::Extra(5);
const ENDED: Field = Field::Extra(6);
/// Of what the input, the output and the cached part were made, by kind.
const DETAILS: [(Field, [&str; 2]); 3] = [
    (Field::Extra(2), ["usage_metadata/prompt_tokens_details", "usageMetadata/promptTokensDetails"]),
    (Field::Extra(3), ["usage_metadata/candidates_tokens_details", "usageMetadata/candidatesTokensDetails"]),
    (Field::Extra(4), ["usage_metadata/cache_tokens_details", "usageMetadata/cacheTokensDetails"]),
];
/// Where a response stands, or the pieces of one that was streamed.
const FROM: [&str; 5] = ["/full_response/", "/full_response/@json/", "/", PIECES[0], PIECES[1]];
const PIECES: [&str; 2] = ["/full_response/*/", "/full_response/@json/*/"];

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

/// What stands in the first piece of a stream of Claude; the last one tells the output.
const FIRST: &[(&str, Field)] = &[
    ("message/usage/input_tokens", Field::InputUncached),
    ("message/usage/output_tokens", Field::OutputTokens),
    ("message/usage/cache_read_input_tokens", Field::CacheRead),
    ("message/usage/cache_creation_input_tokens", Field::CacheWrite),
    ("message/model", Field::Model),
    ("message/id", Field::RequestId),
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
        .flat_map(|(name, field)| FROM.map(|from| (format!("{from}{name}"), *field)))
        .chain(FIRST.iter().flat_map(|(name, field)| PIECES.map(|from| (format!("{from}{name}"), *field))))
        .collect();
    places.extend(pointers.iter().map(|(pointer, field)| at(pointer, *field)));
    let details: Vec<(String, Field)> = DETAILS
        .iter()
        .flat_map(|(field, names)| names.iter().map(move |name| (name, *field)))
        .flat_map(|(name, field)| FROM.map(|from| (format!("{from}{name}"), field)))
        .collect();
    places.extend(details.iter().map(|(pointer, field)| Place(pointer, *field, Unit::Written)));
    places.push(Place("/candidates/*/content", CONTENT, Unit::Written));
    places.extend(["/candidates/*/finishReason", "/candidates/*/finish_reason"].map(|end| at(end, ENDED)));
    let summary =
        "Vertex AI request-response logs, responses of Gemini: tokens; joined with gcp_audit by request id";
    Format::new(
        "vertex_log",
        summary,
        sniff,
        How::Map(Map::new(&places, finish).streamed().or_list("full_response")),
    )
    .carrying(&[Field::Key])
    .counting(&[Counts::Requests, Counts::Usage])
    .told_by(&["full_response", "logging_time", "usageMetadata", "createTime", "modelVersion"])
}

fn sniff(shape: &Shape<'_>) -> bool {
    is_log(shape)
        // Every other list is a wrapper, and has been asked for.
        || shape.text().is_some_and(begins_answer)
        || shape.has_any(&["usageMetadata", "usage_metadata"])
            && shape.has_any(&["createTime", "create_time"])
            && shape.has_any(&["modelVersion", "model_version"])
}

/// Whether a text begins like the list of such pieces.
fn begins_answer(list: &[u8]) -> bool {
    let piece = list.strip_prefix(b"[").unwrap_or_default().trim_ascii_start();
    piece.starts_with(b"{")
        && ["responseId", "response_id"].iter().any(|name| first_member(piece, name).is_some())
}

/// Whether a list is one answer in pieces, as Gemini streams them: each counts all that came before it as well.
pub(crate) fn is_answer(list: &[u8]) -> bool {
    if !begins_answer(list) {
        return false;
    }
    let mut reader = Reader::new(list);
    reader.enter_array();
    let (mut id, mut pieces) = (None, 0);
    while reader.element() {
        let piece = reader.raw();
        let own = ["responseId", "response_id"].iter().find_map(|name| first_member(piece, name));
        let is_usage = ["usageMetadata", "usage_metadata", "candidates"];
        let Some((Value::Str(own), _)) = own else { return false };
        if *id.get_or_insert(own) != own || !is_usage.iter().any(|name| first_member(piece, name).is_some()) {
            return false;
        }
        pieces += 1;
    }
    pieces > 1
}

fn is_log(shape: &Shape<'_>) -> bool {
    shape.has("full_response") && shape.has("logging_time")
}

fn finish<'a>(draft: &mut Draft<'a>, extras: &Extras<'a>) -> Read<()> {
    let [project, tools, prompt, answer, cached, content, ended, _] = *extras;
    if content.is_some() && ended.is_none() {
        // A piece of an answer that goes on: the last one tells what all took.
        draft.foreign = true;
        return Ok(());
    }
    draft.media = media(draft, [prompt, answer, cached])?;
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

/// Sound and pictures; what is told of the prompt includes what came from the cache.
fn media(draft: &Draft<'_>, details: [Option<Value<'_>>; 3]) -> Read<Media> {
    let told = details.iter().any(Option::is_some);
    let [prompt, answer, cached] = details.map(modalities);
    let ([prompt, answer], cached_is_told) = ([prompt?, answer?], details[2].is_some());
    let mut cached = cached?;
    if !cached_is_told {
        // The dearer reading: of the cached part it is as little as can be.
        let past_cache = draft.input_total.or_zero().saturating_sub(draft.tokens.cache_read.or_zero());
        let (audio, image) = prompt;
        cached = (audio.saturating_sub(past_cache), image.saturating_sub(past_cache.saturating_sub(audio)));
        if draft.input_total.get().is_none() {
            cached = (0, 0);
        }
    }
    let side =
        |prompt: u64, cached: u64, output| Sides { input: prompt.saturating_sub(cached), cached, output };
    Ok(Media { told, audio: side(prompt.0, cached.0, answer.0), image: side(prompt.1, cached.1, answer.1) })
}

/// Tokens of sound and of pictures, moving ones among them, in a list by modality.
fn modalities(list: Option<Value<'_>>) -> Read<(u64, u64)> {
    let (mut audio, mut image) = (0_u64, 0_u64);
    let Some(Value::Str(written)) = list else { return Ok((0, 0)) };
    let raw = written.as_plain().unwrap_or_default();
    let mut reader = Reader::sound(raw);
    reader.enter_array();
    while reader.element() {
        let (mut modality, mut count) = (&b""[..], 0);
        let element = reader.raw();
        if !element.starts_with(b"{") {
            continue;
        }
        let mut result = Ok(());
        let walked = members(element, |name, (value, _)| match name {
            b"modality" => modality = plain(Some(value)),
            b"token_count" | b"tokenCount" => match draft::count("token_count", value) {
                Ok(read) => count = read.or_zero(),
                Err(fault) => result = Err(fault),
            },
            _ => {}
        });
        walked.map_err(|error| Fault::not_json(error, element))?;
        result?;
        match modality {
            b"AUDIO" => audio = audio.saturating_add(count),
            b"IMAGE" | b"VIDEO" => image = image.saturating_add(count),
            _ => {}
        }
    }
    Ok((audio, image))
}

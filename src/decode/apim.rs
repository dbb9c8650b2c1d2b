//! `apim`: gateway logs of Azure API Management: `GatewayLogs` tells whose subscription it was and where it came from,
//! `GatewayLlmLogs` what it took, under the same correlation id. As diagnostic records, and as the rows of Log
//! Analytics.
//!
//! The subscription is named by its identifier; its key may stand in a header or in the query of the address, and
//! neither is read.

use super::answer::{answer, model};
use super::carries::Counts;
use super::cloud::{either_way, free_if_refused, last_part, mentions, part_after, plain, text};
use super::draft::{self, Draft, Read};
use super::field::Field;
use super::map::{Extras, Map, at};
use super::{Format, How};
use crate::frame::shape::Shape;
use crate::json::{Str, Value};
use crate::record::{Count, Part};

/// The categories of API Management; all but the first two are of something else.
const CATEGORIES: &[&str] = &[
    "GatewayLogs",
    "GatewayLlmLogs",
    "GatewayMCPLogs",
    "WebSocketConnectionLogs",
    "DeveloperPortalAuditLogs",
];
/// The same as tables of Log Analytics.
const TABLES: &[&str] = &["ApiManagementGatewayLogs", "ApiManagementGatewayLlmLog"];

const RESOURCE: Field = Field::Extra(0);
const CATEGORY: Field = Field::Extra(1);
const SEQUENCE: Field = Field::Extra(2);
const URL: Field = Field::Extra(3);
const BODY: Field = Field::Extra(4);

/// Members of `properties`; in the rows of Log Analytics they begin with a capital and stand at the top.
const PROPERTIES: &[(&str, Field)] = &[
    ("apimSubscriptionId", Field::Key),
    ("userId", Field::Key),
    ("productId", Field::Key),
    ("url", URL),
    ("operationId", Field::Endpoint),
    ("responseCode", Field::Status),
    ("requestHeaders/user-agent", Field::UserAgent),
    ("requestHeaders/User-Agent", Field::UserAgent),
    ("modelName", Field::Model),
    ("deploymentName", Field::Model),
    ("promptTokens", Field::InputTokens),
    ("completionTokens", Field::OutputTokens),
    ("promptCachedTokens", Field::CacheRead),
    ("sequenceNumber", SEQUENCE),
    ("correlationId", Field::RequestId),
    ("callerIpAddress", Field::SourceIp),
    // What went to the caller, or what came to the gateway, where it is told to log that.
    ("responseBody", BODY),
    ("backendResponseBody", BODY),
];

pub(super) fn format() -> Format {
    let summary =
        "Azure API Management gateway logs: subscription, address; tokens, joined by correlation id";
    Format::new("apim", summary, sniff, How::Map(map().and(answered)))
        .counting(&[Counts::Askers, Counts::Usage])
        .told_by(&["category", "time"])
}

fn map() -> Map {
    let mut places = vec![
        at("/time", Field::Time),
        at("/TimeGenerated", Field::Time),
        at("/correlationId", Field::RequestId),
        at("/callerIpAddress", Field::SourceIp),
        at("/resourceId", RESOURCE),
        at("/_ResourceId", RESOURCE),
        at("/category", CATEGORY),
        at("/Type", CATEGORY),
    ];
    let capital: Vec<(String, Field)> =
        PROPERTIES.iter().map(|(name, field)| (capital(name), *field)).collect();
    let rows: Vec<(String, Field)> =
        capital.iter().map(|(name, field)| (format!("/{name}"), *field)).collect();
    let capital: Vec<(&str, Field)> = capital.iter().map(|(name, field)| (name.as_str(), *field)).collect();
    let nested = [either_way("properties", PROPERTIES), either_way("properties", &capital), rows].concat();
    places.extend(nested.iter().map(|(pointer, field)| at(pointer, *field)));
    Map::new(&places, finish)
}

fn capital(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    first.to_ascii_uppercase() + rest
}

fn sniff(shape: &Shape<'_>) -> bool {
    shape.says("category", CATEGORIES) && shape.has("time")
        || shape.says("Type", TABLES) && shape.has("TimeGenerated")
}

fn finish<'a>(draft: &mut Draft<'a>, extras: &Extras<'a>) -> Read<()> {
    let [resource, category, sequence, url, ..] = *extras;
    if draft.key.is_empty() {
        draft.key = last_part(text("resourceId", resource)?);
    }
    match plain(category) {
        b"GatewayLogs" | b"ApiManagementGatewayLogs" => identity(draft, path(text("url", url)?)),
        b"GatewayLlmLogs" | b"ApiManagementGatewayLlmLog" => {
            let sequence =
                sequence.map_or(Ok(Count::ABSENT), |value| draft::count("sequenceNumber", value))?;
            usage(draft, sequence);
        }
        _ => draft.foreign = true,
    }
    Ok(())
}

/// What an answer took, where the gateway logs its body: a half of its own, so that a row of the other log, which tells
/// the same, is a duplicate of it.
fn answered<'a>(asked: &Draft<'a>, extras: &Extras<'a>) -> Option<Draft<'a>> {
    let Some(Value::Str(body)) = extras[4] else { return None };
    if asked.foreign || asked.part != Part::Identity || asked.status >= 400 {
        return None;
    }
    let mut draft = Draft { part: Part::Usage, ..asked.clone() };
    let named = model(body);
    if !named.is_empty() {
        draft.model = named;
    }
    let is_claude = mentions(draft.model.as_plain().unwrap_or_default(), "claude");
    let answer = answer(body.resolve(&mut Vec::new()), is_claude)?;
    (draft.tokens, draft.input_total, draft.media) = (answer.tokens, answer.input_total, answer.media);
    Some(draft)
}

fn identity<'a>(draft: &mut Draft<'a>, path: Str<'a>) {
    if draft.model.is_empty() {
        draft.model = part_after(path, "deployments");
    }
    if !path.is_empty() {
        draft.endpoint = path;
    }
    draft.part = Part::Identity;
    free_if_refused(draft);
}

/// One row of a request tells its tokens; those that follow it in sequence hold pieces of its text.
fn usage(draft: &mut Draft<'_>, sequence: Count) {
    let prompt = draft.input_total.or_zero();
    let cached = draft.tokens.cache_read.or_zero();
    if sequence.or_zero() > 0 || prompt + cached + draft.tokens.output.or_zero() == 0 {
        draft.foreign = true;
        return;
    }
    draft.part = Part::Usage;
    let is_claude = mentions(draft.model.as_plain().unwrap_or_default(), "claude");
    // Anthropic counts its cached input beside the other, OpenAI within it, and the gateway passes on what it got.
    if is_claude || cached > prompt {
        (draft.tokens.input_uncached, draft.input_total) = (draft.input_total, Count::ABSENT);
    }
    // There is no field for what was written to a cache.
    draft.priced_in_part = is_claude || cached > 0;
}

/// The path of an address: without the host, and without the query, in which a key may stand.
fn path(url: Str<'_>) -> Str<'_> {
    let Some(text) = url.as_plain() else { return Str::default() };
    let text = &text[..memchr::memchr2(b'?', b'#', text).unwrap_or(text.len())];
    let host = memchr::memchr(b':', text).filter(|&colon| text[colon..].starts_with(b"://"));
    let Some(host) = host else { return Str::plain(text) };
    let after = &text[host + 3..];
    let start = memchr::memchr(b'/', after);
    Str::plain(start.map_or(&b"/"[..], |start| &after[start..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_addresses() {
        for (url, path_) in [
            ("https://gw.azure-api.net/openai/v1?subscription-key=k", "/openai/v1"),
            ("https://gw.azure-api.net", "/"),
            ("/openai/v1#top", "/openai/v1"),
            ("", ""),
        ] {
            assert_eq!(path(Str::plain(url.as_bytes())), Str::plain(path_.as_bytes()), "{url}");
        }
    }
}

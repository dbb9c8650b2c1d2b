//! `azure_openai`: diagnostic logs of Azure's Cognitive Services, where Azure `OpenAI` lives: `RequestResponse` tells
//! who asked and from where (the last number of the address is masked), `AzureOpenAIRequestUsage` what it took,
//! `Audit` who had the keys shown. The other categories of such accounts, and the same ones of other resources, are
//! of something else.
//!
//! A call with one of the two keys of an account does not tell which: the account stands for both. `properties` is
//! an object in one record and JSON in a text in the next.

use super::carries::Counts;
use super::cloud::{either_way, free_if_refused, last_part, mentions, plain, text};
use super::draft::{Draft, Read};
use super::field::Field;
use super::map::{Extras, Map, at};
use super::{Format, How};
use crate::frame::shape::Shape;
use crate::record::{Action, Kind, Part};

/// The categories of Cognitive Services.
const CATEGORIES: &[&str] =
    &["RequestResponse", "AzureOpenAIRequestUsage", "Audit", "Trace", "ManagedNetworkEvent"];

const RESOURCE: Field = Field::Extra(0);
const CATEGORY: Field = Field::Extra(1);

const PROPERTIES: &[(&str, Field)] = &[
    // Of the beginning of the request, in ticks of .NET.
    ("requestTime", Field::Time),
    // Of those who come with a token of Entra.
    ("objectId", Field::Key),
    ("modelName", Field::Model),
    ("model", Field::Model),
    ("modelDeploymentName", Field::Model),
    ("deployment", Field::Model),
    ("promptTokens", Field::InputTokens),
    ("promptTokens/*", Field::InputTokens),
    ("completionTokens", Field::OutputTokens),
    ("completionTokens/*", Field::OutputTokens),
    ("correlationId", Field::RequestId),
];

pub(super) fn format() -> Format {
    let mut places = vec![
        at("/time", Field::Time),
        at("/correlationId", Field::RequestId),
        at("/operationName", Field::Endpoint),
        at("/callerIpAddress", Field::SourceIp),
        at("/resultSignature", Field::Status),
        at("/resourceId", RESOURCE),
        at("/category", CATEGORY),
    ];
    let properties = either_way("properties", PROPERTIES);
    places.extend(properties.iter().map(|(pointer, field)| at(pointer, *field)));
    let summary =
        "Azure OpenAI diagnostic logs: address (masked), model; tokens, joined by correlation id; keys read";
    Format::new("azure_openai", summary, sniff, How::Map(Map::new(&places, finish)))
        .counting(&[Counts::Askers, Counts::Usage, Counts::Audits])
        .told_by(&["resourceId", "time", "category"])
}

fn sniff(shape: &Shape<'_>) -> bool {
    shape.has("resourceId") && shape.has("time") && shape.says("category", CATEGORIES)
}

fn finish<'a>(draft: &mut Draft<'a>, extras: &Extras<'a>) -> Read<()> {
    let [resource, category, ..] = *extras;
    let resource = text("resourceId", resource)?;
    if !mentions(resource.as_plain().unwrap_or_default(), "/microsoft.cognitiveservices/") {
        draft.foreign = true;
        return Ok(());
    }
    let account = last_part(resource);
    if draft.key.is_empty() {
        draft.key = account;
    }
    match plain(category) {
        b"RequestResponse" => {
            draft.part = Part::Identity;
            free_if_refused(draft);
        }
        b"AzureOpenAIRequestUsage" => draft.part = Part::Usage,
        b"Audit" => {
            // What was done was done to the account's keys, whoever did it.
            draft.key = account;
            draft.kind = Kind::Audit(action(draft.endpoint.as_plain().unwrap_or_default()));
        }
        _ => draft.foreign = true,
    }
    Ok(())
}

fn action(operation: &[u8]) -> Action {
    match operation {
        b"ListKey" | b"ListKeys" => Action::KeyRead,
        b"RegenerateKey" => Action::KeyChanged,
        _ => Action::Other,
    }
}

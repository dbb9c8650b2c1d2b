//! `azure_openai`: diagnostic logs of Azure's Cognitive Services, where Azure `OpenAI` lives: `RequestResponse` tells
//! who asked and from where (the last number of the address is masked), `AzureOpenAIRequestUsage` what it took,
//! `Audit` who had the keys shown. The other categories of such accounts, and the same ones of other resources, are
//! of something else.
//!
//! A call with one of the two keys of an account does not tell which: the account stands for both. `properties` is
//! an object in one record and JSON in a text in the next.

use super::carries::Counts;
use super::cloud::{either_way, free_if_refused, last_part, mentions, plain, text};
use super::draft::{self, Draft, Fault, Read};
use super::field::Field;
use super::map::{Extras, Map, Place, Unit, at};
use super::{Format, How};
use crate::frame::shape::Shape;
use crate::json::{Reader, Value};
use crate::record::{Action, Count, Kind, Part, Reason};

/// The categories of Cognitive Services.
const CATEGORIES: &[&str] =
    &["RequestResponse", "AzureOpenAIRequestUsage", "Audit", "Trace", "ManagedNetworkEvent"];

const RESOURCE: Field = Field::Extra(0);
const CATEGORY: Field = Field::Extra(1);
const PROMPT: Field = Field::Extra(2);
const COMPLETION: Field = Field::Extra(3);

const PROPERTIES: &[(&str, Field)] = &[
    // Of the beginning of the request, in ticks of .NET.
    ("requestTime", Field::Time),
    // Of those who come with a token of Entra.
    ("objectId", Field::Key),
    ("modelName", Field::Model),
    ("model", Field::Model),
    ("modelDeploymentName", Field::Model),
    ("deployment", Field::Model),
    ("correlationId", Field::RequestId),
];

/// A number for a request, or a list of those of several.
const TOKENS: &[(&str, Field)] = &[("promptTokens", PROMPT), ("completionTokens", COMPLETION)];

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
    let tokens = either_way("properties", TOKENS);
    places.extend(tokens.iter().map(|(pointer, field)| Place(pointer, *field, Unit::Written)));
    let summary =
        "Azure OpenAI diagnostic logs: address (masked), model; tokens, joined by correlation id; keys read";
    Format::new("azure_openai", summary, sniff, How::Map(Map::new(&places, finish)))
        .carrying(&[Field::InputTokens, Field::OutputTokens])
        .counting(&[Counts::Askers, Counts::Usage, Counts::Audits])
        .told_by(&["resourceId", "time", "category"])
}

fn sniff(shape: &Shape<'_>) -> bool {
    shape.has("resourceId") && shape.has("time") && shape.says("category", CATEGORIES)
}

fn finish<'a>(draft: &mut Draft<'a>, extras: &Extras<'a>) -> Read<()> {
    let [resource, category, prompt, completion, ..] = *extras;
    let resource = text("resourceId", resource)?;
    if !mentions(resource.as_plain().unwrap_or_default(), "/microsoft.cognitiveservices/") {
        draft.foreign = true;
        return Ok(());
    }
    let account = last_part(resource);
    if draft.key.is_empty() {
        draft.key = account;
    }
    draft.input_total = sum("promptTokens", prompt)?;
    draft.tokens.output = sum("completionTokens", completion)?;
    match plain(category) {
        b"RequestResponse" => {
            draft.part = Part::Identity;
            free_if_refused(draft);
        }
        b"AzureOpenAIRequestUsage" => draft.part = Part::Usage,
        b"Audit" => {
            // What was done was done to the account's keys, whoever did it.
            draft.key = account;
            let action = action(draft.endpoint.as_plain().unwrap_or_default());
            // What was refused has not happened.
            draft.kind = Kind::Audit(if draft.status < 400 { action } else { Action::Other });
        }
        _ => draft.foreign = true,
    }
    Ok(())
}

/// A count, or what the counts of a list are together; that may stand in a text as well.
fn sum(field: &'static str, value: Option<Value<'_>>) -> Read<Count> {
    let Some(value) = value else { return Ok(Count::ABSENT) };
    let mut scratch = Vec::new();
    let list = match value {
        Value::Str(text) => text.resolve(&mut scratch).trim_ascii(),
        _ => b"",
    };
    if !list.starts_with(b"[") {
        return draft::count(field, value);
    }
    let (mut total, mut is_there) = (0, false);
    let mut reader = Reader::new(list);
    reader.enter_array();
    while reader.element() {
        let count = draft::count(field, reader.value().unwrap_or(Value::Null))?;
        (total, is_there) = (total + count.or_zero(), is_there || count.get().is_some());
    }
    reader.finish().map_err(|_| Fault::new(Reason::BadField, field, list, "is no list of counts"))?;
    Ok(if is_there { Count::of(total.min(Count::MAX)) } else { Count::ABSENT })
}

fn action(operation: &[u8]) -> Action {
    match operation {
        b"ListKey" | b"ListKeys" => Action::KeyRead,
        b"RegenerateKey" => Action::KeyChanged,
        _ => Action::Other,
    }
}

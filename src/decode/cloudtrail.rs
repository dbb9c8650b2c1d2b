//! `cloudtrail`: AWS CloudTrail events of Amazon Bedrock: whose access key it was and where it came from. What a call
//! took stands in the invocation log (`bedrock`) under the same request id.

use super::draft::{Draft, Read};
use super::field::Field;
use super::map::{Extras, Map, at};
use super::{Format, How};
use crate::json::{Str, Value};
use crate::money::NanoUsd;
use crate::record::Part;

/// Calls that the invocation log has the other half of.
const CALLS: &[&[u8]] = &[
    b"InvokeModel",
    b"InvokeModelWithResponseStream",
    b"InvokeModelWithBidirectionalStream",
    b"Converse",
    b"ConverseStream",
];

/// The services whose events tell of the use of models.
const SERVICES: &[&[u8]] = &[b"bedrock.amazonaws.com", b"bedrock-runtime.amazonaws.com"];

/// Words in error codes, and the HTTP status that AWS sends with them.
const ERRORS: &[(&str, u16)] = &[
    ("AccessDenied", 403),
    ("Unauthorized", 401),
    ("UnrecognizedClient", 403),
    ("ExpiredToken", 403),
    ("Throttl", 429),
    ("TooManyRequests", 429),
    ("ServiceQuota", 429),
    ("NotFound", 404),
    ("Validation", 400),
    ("Timeout", 408),
    ("Unavailable", 503),
    ("InternalServer", 500),
];

pub(super) fn format() -> Format {
    let places = [
        at("/eventTime", Field::Time),
        at("/requestID", Field::RequestId),
        at("/userIdentity/accessKeyId", Field::Key),
        at("/userIdentity/arn", Field::Key),
        at("/userIdentity/principalId", Field::Key),
        at("/userIdentity/userName", Field::KeyAlias),
        at("/userIdentity/sessionContext/sessionIssuer/userName", Field::KeyAlias),
        at("/requestParameters/modelId", Field::Model),
        at("/eventName", Field::Endpoint),
        at("/sourceIPAddress", Field::SourceIp),
        at("/userAgent", Field::UserAgent),
        at("/errorCode", Field::Extra(0)),
        at("/eventSource", Field::Extra(1)),
    ];
    let summary =
        "AWS CloudTrail events of Bedrock: access key, address, client; joined with bedrock by request id";
    let sniff = |shape: &crate::frame::shape::Shape<'_>| {
        shape.has("eventSource") && shape.has("eventName") && shape.has("eventTime")
    };
    Format::new("cloudtrail", summary, sniff, How::Map(Map::new(&places, finish)))
}

fn finish(draft: &mut Draft<'_>, extras: &Extras<'_>) -> Read<()> {
    if !matches!(extras[1], Some(Value::Str(source)) if is_one_of(source, SERVICES)) {
        draft.foreign = true;
        return Ok(());
    }
    if let Some(Value::Str(code)) = extras[0] {
        draft.status = status(code);
    }
    if draft.status == 200 && is_one_of(draft.endpoint, CALLS) {
        draft.part = Part::Identity;
    } else {
        // Listings, settings and refused calls cost nothing, and tell who looked around.
        (draft.cost, draft.zero_is_meant) = (Some(NanoUsd::ZERO), true);
    }
    Ok(())
}

fn is_one_of(text: Str<'_>, words: &[&[u8]]) -> bool {
    text.as_plain().is_some_and(|text| words.contains(&text))
}

/// The HTTP status behind an error code, which is all that CloudTrail tells.
fn status(code: Str<'_>) -> u16 {
    let code = code.as_plain().and_then(|code| std::str::from_utf8(code).ok()).unwrap_or_default();
    ERRORS.iter().find(|(word, _)| code.contains(word)).map_or(400, |(_, status)| *status)
}

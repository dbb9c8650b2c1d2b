//! `cloudtrail`: AWS CloudTrail events of Amazon Bedrock: whose access key it was and where it came from. What a call
//! took stands in the invocation log (`bedrock`) under the same request id. Of IAM and CloudTrail itself, what is
//! done to keys, rights and logging is told; the events of other services are of something else.

use super::carries::Counts;
use super::cloud::{free_if_refused, mentions, plain, text};
use super::draft::{Draft, Read};
use super::field::Field;
use super::map::{Extras, Map, at};
use super::{Format, How};
use crate::json::{Str, Value};
use crate::money::NanoUsd;
use crate::record::{Action, Kind, Part};

/// Calls that the invocation log has the other half of.
const CALLS: &[&[u8]] = &[
    b"InvokeModel",
    b"InvokeModelWithResponseStream",
    b"InvokeModelWithBidirectionalStream",
    b"Converse",
    b"ConverseStream",
    // Of the endpoint that speaks as OpenAI and Anthropic do.
    b"CreateInference",
];

/// The services whose events tell of the use of models.
const SERVICES: &[&[u8]] =
    &[b"bedrock.amazonaws.com", b"bedrock-runtime.amazonaws.com", b"bedrock-mantle.amazonaws.com"];

/// What is done to keys, logging and guard rails, by service and event.
const ACTIONS: &[(&[u8], &[u8], Action)] = &[
    (b"iam.amazonaws.com", b"CreateAccessKey", Action::KeyCreated),
    (b"iam.amazonaws.com", b"UpdateAccessKey", Action::KeyChanged),
    (b"iam.amazonaws.com", b"DeleteAccessKey", Action::KeyDeleted),
    // API keys of Bedrock are credentials of that kind.
    (b"iam.amazonaws.com", b"CreateServiceSpecificCredential", Action::KeyCreated),
    (b"iam.amazonaws.com", b"ResetServiceSpecificCredential", Action::KeyChanged),
    (b"iam.amazonaws.com", b"UpdateServiceSpecificCredential", Action::KeyChanged),
    (b"iam.amazonaws.com", b"DeleteServiceSpecificCredential", Action::KeyDeleted),
    (b"cloudtrail.amazonaws.com", b"StopLogging", Action::LoggingOff),
    (b"cloudtrail.amazonaws.com", b"DeleteTrail", Action::LoggingOff),
    (b"cloudtrail.amazonaws.com", b"UpdateTrail", Action::LoggingOff),
    (b"cloudtrail.amazonaws.com", b"PutEventSelectors", Action::LoggingOff),
    (b"bedrock.amazonaws.com", b"DeleteModelInvocationLoggingConfiguration", Action::LoggingOff),
    (b"bedrock.amazonaws.com", b"PutModelInvocationLoggingConfiguration", Action::LoggingOff),
    (b"bedrock.amazonaws.com", b"DeleteGuardrail", Action::GuardRemoved),
];

/// Events of IAM that grant what a policy says.
const GRANTS: &[&[u8]] = &[
    b"AttachUserPolicy",
    b"AttachRolePolicy",
    b"AttachGroupPolicy",
    b"PutUserPolicy",
    b"PutRolePolicy",
    b"PutGroupPolicy",
];

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

const ERROR: Field = Field::Extra(0);
const SERVICE: Field = Field::Extra(1);
const AFFECTED: Field = Field::Extra(2);
const OWNER: Field = Field::Extra(3);
const POLICY: Field = Field::Extra(4);
const BEARER: Field = Field::Extra(5);

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
        at("/requestParameters/model", Field::Model),
        at("/eventName", Field::Endpoint),
        at("/sourceIPAddress", Field::SourceIp),
        at("/userAgent", Field::UserAgent),
        at("/errorCode", ERROR),
        at("/eventSource", SERVICE),
        at("/responseElements/accessKey/accessKeyId", AFFECTED),
        at("/responseElements/serviceSpecificCredential/serviceSpecificCredentialId", AFFECTED),
        at("/requestParameters/accessKeyId", AFFECTED),
        at("/requestParameters/serviceSpecificCredentialId", AFFECTED),
        at("/responseElements/accessKey/userName", OWNER),
        at("/responseElements/serviceSpecificCredential/userName", OWNER),
        at("/requestParameters/userName", OWNER),
        at("/requestParameters/policyArn", POLICY),
        at("/requestParameters/policyDocument", POLICY),
        at("/additionalEventData/callWithBearerToken", BEARER),
        at("/requestParameters/callWithBearerToken", BEARER),
    ];
    let summary =
        "AWS CloudTrail events of Bedrock: access key, address, client; keys, rights, logging changed";
    let sniff = |shape: &crate::frame::shape::Shape<'_>| {
        shape.has("eventSource") && shape.has("eventName") && shape.has("eventTime")
    };
    Format::new("cloudtrail", summary, sniff, How::Map(Map::new(&places, finish)))
        .carrying(&[Field::Status])
        .counting(&[Counts::Askers, Counts::Audits])
        .told_by(&["eventTime", "eventSource", "eventName"])
}

fn finish<'a>(draft: &mut Draft<'a>, extras: &Extras<'a>) -> Read<()> {
    let [error, service, affected, owner, policy, bearer, ..] = *extras;
    let service = plain(service);
    let event = draft.endpoint.as_plain().unwrap_or_default();
    let action = action(service, event, policy);
    if action.is_none() && !SERVICES.contains(&service) {
        draft.foreign = true;
        return Ok(());
    }
    if let Some(Value::Str(code)) = error {
        draft.status = status(code);
    }
    caller(draft, bearer);
    if let Some(action) = action {
        draft.kind = Kind::Audit(if draft.status == 200 { action } else { Action::Other });
        let affected = text("accessKeyId", affected)?;
        if !affected.is_empty() {
            (draft.key, draft.key_alias) = (affected, text("userName", owner)?);
        }
    } else if CALLS.contains(&event) {
        draft.part = Part::Identity;
        free_if_refused(draft);
    } else {
        // Listings and settings cost nothing, and tell who looked around.
        (draft.cost, draft.zero_is_meant) = (Some(NanoUsd::ZERO), true);
    }
    Ok(())
}

/// What was done, where it is more than use.
fn action(service: &[u8], event: &[u8], policy: Option<Value<'_>>) -> Option<Action> {
    if service == b"iam.amazonaws.com" && GRANTS.contains(&event) {
        return grants_models(policy).then_some(Action::AccessGranted);
    }
    ACTIONS.iter().find(|(of, name, _)| *of == service && *name == event).map(|(_, _, action)| *action)
}

/// Whether a policy, by its name or by what it says, is about Bedrock, or about everything.
fn grants_models(policy: Option<Value<'_>>) -> bool {
    let Some(Value::Str(policy)) = policy else { return false };
    let mut scratch = Vec::new();
    let policy = policy.resolve(&mut scratch);
    mentions(policy, "bedrock") || policy.ends_with(b":policy/AdministratorAccess")
}

/// Whose key it was, and where from.
fn caller(draft: &mut Draft<'_>, bearer: Option<Value<'_>>) {
    let user = draft.key_alias.as_plain().unwrap_or_default();
    // The user that an API key of Bedrock was made with is there for that key alone.
    if matches!(bearer, Some(Value::Bool(true))) && user.starts_with(b"BedrockAPIKey-") {
        draft.key = draft.key_alias;
    }
    // A service of AWS that called for somebody is no address of theirs.
    let from = draft.source_ip.as_plain().unwrap_or_default();
    if from.ends_with(b".amazonaws.com") || from == b"AWS Internal" {
        draft.source_ip = Str::default();
    }
}

/// The HTTP status behind an error code, which is all that CloudTrail tells.
fn status(code: Str<'_>) -> u16 {
    let code = code.as_plain().and_then(|code| std::str::from_utf8(code).ok()).unwrap_or_default();
    ERRORS.iter().find(|(word, _)| code.contains(word)).map_or(400, |(_, status)| *status)
}

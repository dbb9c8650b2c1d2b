//! `cloudtrail`: AWS CloudTrail events of Amazon Bedrock: whose access key it was and where it came from. What a call
//! took stands in the invocation log (`bedrock`) under the same request id. Of IAM and CloudTrail itself, what is
//! done to keys, rights and logging is told; the events of other services are of something else.

use super::carries::Counts;
use super::cloud::{free_if_refused, mentions, plain, text};
use super::draft::{Draft, Read};
use super::field::Field;
use super::map::{Extras, Map, Place, Unit, at};
use super::{Format, How};
use crate::json::{Reader, Str, Value, elements, members};
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

/// Calls that start what costs later, and is billed for itself.
const JOBS: &[&[u8]] = &[
    b"CreateModelInvocationJob",
    b"StartAsyncInvoke",
    b"CreateModelCustomizationJob",
    b"CreateProvisionedModelThroughput",
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
/// What logging is set to: what each of the events that set it says of it.
const SETTING: Field = Field::Extra(6);
const SETTING_TOO: Field = Field::Extra(7);

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
        at("/requestParameters/loggingConfig/s3Config/bucketName", SETTING),
        at("/requestParameters/loggingConfig/cloudWatchConfig/logGroupName", SETTING),
        at("/requestParameters/isMultiRegionTrail", SETTING),
        at("/requestParameters/includeGlobalServiceEvents", SETTING_TOO),
        Place("/requestParameters/eventSelectors", SETTING, Unit::Written),
        Place("/requestParameters/advancedEventSelectors", SETTING_TOO, Unit::Written),
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
    let [error, service, affected, owner, policy, bearer, setting, setting_too] = *extras;
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
        let has_happened = draft.status == 200
            && (action != Action::LoggingOff || switches_off(event, setting, setting_too));
        draft.kind = Kind::Audit(if has_happened { action } else { Action::Other });
        let affected = text("accessKeyId", affected)?;
        if !affected.is_empty() {
            (draft.key, draft.key_alias) = (affected, text("userName", owner)?);
        }
    } else if CALLS.contains(&event) {
        draft.part = Part::Identity;
        free_if_refused(draft);
    } else if JOBS.contains(&event) {
        // What it will cost is told nowhere near.
        free_if_refused(draft);
    } else {
        // Listings and settings cost nothing, and tell who looked around.
        (draft.cost, draft.zero_is_meant) = (Some(NanoUsd::ZERO), true);
    }
    Ok(())
}

/// Whether an event that can switch logging off does so; the same ones switch it on.
fn switches_off(event: &[u8], setting: Option<Value<'_>>, setting_too: Option<Value<'_>>) -> bool {
    match event {
        // Without a place to put it nothing is logged.
        b"PutModelInvocationLoggingConfiguration" => plain(setting).is_empty(),
        b"UpdateTrail" => [setting, setting_too].contains(&Some(Value::False)),
        b"PutEventSelectors" => {
            let mut scratch = Vec::new();
            let mut written = |value: Option<Value<'_>>, test: fn(&[u8]) -> bool| match value {
                Some(Value::Str(text)) => test(text.resolve(&mut scratch)),
                _ => false,
            };
            !written(setting, selects_calls) && !written(setting_too, |text| mentions(text, "\"Management\""))
        }
        _ => true,
    }
}

/// Whether one of the selectors in this list has calls logged, those that only read among them.
fn selects_calls(list: &[u8]) -> bool {
    let (mut reader, mut selects) = (Reader::new(list), false);
    elements(&mut reader, |selector| {
        let mut is_whole = true;
        members(selector, |name, reader| {
            let value = reader.scalar();
            is_whole &= match name {
                b"includeManagementEvents" => value != Some(Value::False),
                b"readWriteType" => !matches!(plain(value), b"WriteOnly" | b"None"),
                _ => true,
            };
        });
        selects |= is_whole;
    });
    selects
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
    if matches!(bearer, Some(Value::True)) && user.starts_with(b"BedrockAPIKey-") {
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

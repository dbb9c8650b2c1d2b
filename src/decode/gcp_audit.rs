//! `gcp_audit`: audit logs of Google Cloud. Those of Vertex AI and the Gemini API tell whose key a call came with and
//! from where; what it took stands in `vertex_log`. Of other services, what is done to keys, rights and logging is
//! told; the rest is of something else.
//!
//! A call that takes its time is logged when it begins and when it ends, as one operation.

use super::carries::Counts;
use super::cloud::{free_if_refused, part_after, plain, text};
use super::draft::{Draft, Read};
use super::field::Field;
use super::map::{Extras, Map, at};
use super::{Format, How};
use crate::frame::shape::Shape;
use crate::json::{Str, Value};
use crate::money::NanoUsd;
use crate::record::{Action, Count, Kind, Part};

const SERVICE: Field = Field::Extra(0);
const FIRST: Field = Field::Extra(1);
const LAST: Field = Field::Extra(2);
const RESOURCE: Field = Field::Extra(3);
const KEY_NAME: Field = Field::Extra(4);
const EMAIL: Field = Field::Extra(5);
const AFFECTED: Field = Field::Extra(6);
const AUDIT_CONFIG: Field = Field::Extra(7);

/// The services whose calls are the use of models.
const SERVICES: &[&[u8]] = &[b"aiplatform.googleapis.com", b"generativelanguage.googleapis.com"];

/// Calls of these services that a model answers, and that cost.
const CALLS: &[&[u8]] = &[
    b"GenerateContent",
    b"StreamGenerateContent",
    b"BidiGenerateContent",
    b"Predict",
    b"RawPredict",
    b"StreamRawPredict",
    b"StreamingPredict",
    b"ServerStreamingPredict",
    b"ChatCompletions",
    b"EmbedContent",
    b"BatchEmbedContents",
];

/// What is done to keys and to logging, by service and method.
const ACTIONS: &[(&[u8], &[u8], Action)] = &[
    (b"iam.googleapis.com", b"CreateServiceAccountKey", Action::KeyCreated),
    (b"iam.googleapis.com", b"UploadServiceAccountKey", Action::KeyCreated),
    (b"iam.googleapis.com", b"EnableServiceAccountKey", Action::KeyChanged),
    (b"iam.googleapis.com", b"DisableServiceAccountKey", Action::KeyChanged),
    (b"iam.googleapis.com", b"DeleteServiceAccountKey", Action::KeyDeleted),
    (b"apikeys.googleapis.com", b"CreateKey", Action::KeyCreated),
    (b"apikeys.googleapis.com", b"UndeleteKey", Action::KeyCreated),
    (b"apikeys.googleapis.com", b"UpdateKey", Action::KeyChanged),
    (b"apikeys.googleapis.com", b"DeleteKey", Action::KeyDeleted),
    (b"apikeys.googleapis.com", b"GetKeyString", Action::KeyRead),
    (b"logging.googleapis.com", b"DeleteSink", Action::LoggingOff),
    (b"logging.googleapis.com", b"UpdateSink", Action::LoggingOff),
    (b"logging.googleapis.com", b"CreateExclusion", Action::LoggingOff),
];

/// The HTTP status of each code of gRPC, from 0 on.
const STATUSES: [u16; 17] =
    [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

pub(super) fn format() -> Format {
    let places = [
        at("/timestamp", Field::Time),
        at("/operation/id", Field::RequestId),
        at("/insertId", Field::RequestId),
        at("/operation/first", FIRST),
        at("/operation/last", LAST),
        at("/protoPayload/authenticationInfo/serviceAccountKeyName", KEY_NAME),
        at("/protoPayload/authenticationInfo/principalEmail", EMAIL),
        at("/protoPayload/authenticationInfo/principalSubject", Field::Key),
        // A call with an API key has no principal; its project is all that is known.
        at("/resource/labels/project_id", Field::Key),
        at("/protoPayload/requestMetadata/callerIp", Field::SourceIp),
        at("/protoPayload/requestMetadata/callerSuppliedUserAgent", Field::UserAgent),
        at("/protoPayload/methodName", Field::Endpoint),
        at("/protoPayload/resourceName", RESOURCE),
        at("/protoPayload/response/name", AFFECTED),
        at("/protoPayload/request/name", AFFECTED),
        at("/protoPayload/serviceName", SERVICE),
        at("/protoPayload/serviceData/policyDelta/auditConfigDeltas/*/action", AUDIT_CONFIG),
        at("/protoPayload/metadata/policyDelta/auditConfigDeltas/*/action", AUDIT_CONFIG),
        at("/protoPayload/status/code", Field::Status),
    ];
    let summary = "Google Cloud audit logs: key, address, client of Vertex AI and Gemini; keys, rights, logging changed";
    Format::new("gcp_audit", summary, sniff, How::Map(Map::new(&places, finish)))
        .carrying(&[Field::KeyAlias, Field::Model])
        .counting(&[Counts::Askers, Counts::Audits])
        .told_by(&["protoPayload", "insertId"])
}

fn sniff(shape: &Shape<'_>) -> bool {
    shape.has("protoPayload") && shape.has_any(&["logName", "insertId"])
}

fn finish<'a>(draft: &mut Draft<'a>, extras: &Extras<'a>) -> Read<()> {
    let [service, first, last, resource, key_name, email, affected, audit_config] = *extras;
    let service = plain(service);
    let resource = text("resourceName", resource)?;
    let is_use = SERVICES.contains(&service);
    draft.status = STATUSES.get(usize::from(draft.status)).copied().unwrap_or(draft.status);
    draft.endpoint = after_last_dot(draft.endpoint);
    let action = action(service, draft.endpoint, audit_config.is_some());
    let is_rest = last == Some(Value::True) && first != Some(Value::True);
    if action.is_none() && !is_use || action.is_some() && is_rest {
        draft.foreign = true;
        return Ok(());
    }
    caller(draft, text("serviceAccountKeyName", key_name)?, text("principalEmail", email)?);
    if let Some(action) = action {
        draft.kind = Kind::Audit(if draft.status < 400 { action } else { Action::Other });
        of_key(draft, [resource, text("name", affected)?]);
        return Ok(());
    }
    draft.model = part_after(resource, "models");
    request(draft, is_rest);
    Ok(())
}

fn request(draft: &mut Draft<'_>, is_rest: bool) {
    let is_call = draft.endpoint.as_plain().is_some_and(|method| CALLS.contains(&method));
    if is_rest {
        // The request was told when it began. Its end tells its status, once more its address, and no request.
        (draft.requests, draft.request_id) = (Count::of(0), Str::default());
        (draft.cost, draft.zero_is_meant) = (Some(NanoUsd::ZERO), true);
    } else if is_call {
        draft.part = Part::Identity;
        free_if_refused(draft);
    } else {
        // Listings and settings cost nothing, and tell who looked around.
        (draft.cost, draft.zero_is_meant) = (Some(NanoUsd::ZERO), true);
    }
}

/// What was done, where it is more than use.
fn action(service: &[u8], method: Str<'_>, touches_audit_config: bool) -> Option<Action> {
    let method = method.as_plain().unwrap_or_default();
    if method.eq_ignore_ascii_case(b"SetIamPolicy") {
        return Some(if touches_audit_config { Action::LoggingOff } else { Action::AccessGranted });
    }
    ACTIONS.iter().find(|(of, name, _)| *of == service && *name == method).map(|(_, _, action)| *action)
}

/// Whose key it was, the address it came from, the client it came by.
fn caller<'a>(draft: &mut Draft<'a>, key_name: Str<'a>, email: Str<'a>) {
    let key = part_after(key_name, "keys");
    if !key.is_empty() {
        (draft.key, draft.key_alias) = (key, email);
    } else if !email.is_empty() {
        draft.key = email;
    }
    // What stands there for calls from inside of Google.
    if matches!(draft.source_ip.as_plain(), Some(b"private" | b"gce-internal-ip")) {
        draft.source_ip = Str::default();
    }
    draft.user_agent = without_front_end(draft.user_agent);
}

/// The key that something was done to, where the log names it.
fn of_key<'a>(draft: &mut Draft<'a>, names: [Str<'a>; 2]) {
    let key = names.iter().map(|name| part_after(*name, "keys")).find(|key| !key.is_empty());
    if let Some(key) = key {
        (draft.key, draft.key_alias) = (key, Str::default());
    }
}

fn after_last_dot(method: Str<'_>) -> Str<'_> {
    let last = method.as_plain().and_then(|method| method.rsplit(|&byte| byte == b'.').next());
    last.map_or(method, Str::plain)
}

/// Without what Google's front end adds to the name of a client, once or more.
fn without_front_end(agent: Str<'_>) -> Str<'_> {
    let Some(mut name) = agent.as_plain() else { return agent };
    while let Some(before) = name.strip_suffix(b"gzip(gfe)") {
        name = before.trim_ascii_end();
        name = name.strip_suffix(b",").unwrap_or(name);
    }
    Str::plain(name)
}

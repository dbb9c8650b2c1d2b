//! `access_log`: JSON access logs of nginx, Caddy, Traefik, Envoy and others, under their usual names. They know
//! address, client and path of a request, its key where the header is logged, and seldom its tokens.

use super::draft::{self, Draft, Read};
use super::envoy_ai::OF_MODELS;
use super::field::Field;
use super::map::{Extras, Map, at};
use super::{Format, How};
use crate::frame::shape::Shape;
use crate::json::{Str, Value};
use crate::time::{Stamp, parse};

const TIMES: &[&str] = &[
    "StartUTC",
    "start_time",
    "time_iso8601",
    "msec",
    "ts",
    "time",
    "@timestamp",
    "timestamp",
    "StartLocal",
    "time_local",
];
/// The client as the server made it out comes before what a header says, which a client may have made up, and that
/// before the next machine, which may be a balancer of our own.
const ADDRESSES: &[&str] = &[
    "client_ip",
    "clientip",
    "http_x_forwarded_for",
    "x_forwarded_for",
    "x-forwarded-for",
    "http_x_real_ip",
    "remote_addr",
    "remote_ip",
    "ClientHost",
    "ClientAddr",
    "downstream_remote_address",
];
const STATUSES: &[&str] = &["DownstreamStatus", "status", "response_code", "http_status"];
const AGENTS: &[&str] = &["http_user_agent", "user_agent", "user-agent", "request_User-Agent"];
const PATHS: &[&str] =
    &["RequestPath", "x-envoy-origin-path", "x-envoy-original-path", "path", "request_uri", "uri", "url"];
const KEYS: &[&str] = &[
    "http_authorization",
    "authorization",
    "request_Authorization",
    "http_x_api_key",
    "x_api_key",
    "x-api-key",
    "request_X-Api-Key",
    "http_api_key",
    "api-key",
    "api_key",
    "apikey",
    "api_key_id",
    "key_id",
];
/// Who the server took the caller for: the key where no key is logged, else its name.
const CALLERS: &[&str] = &[
    "consumer",
    "consumer_name",
    "consumer_id",
    "http_x_consumer_username",
    "remote_user",
    "ClientUsername",
    "user_id",
];
const REQUEST_IDS: &[&str] = &["request_id", "x-request-id", "x_request_id", "http_x_request_id"];

/// Caddy keeps the request by itself, its headers as lists.
const OF_CADDY: &[(&str, Field)] = &[
    ("/request/client_ip", Field::SourceIp),
    ("/request/remote_ip", Field::SourceIp),
    ("/request/headers/User-Agent/*", Field::UserAgent),
    ("/request/headers/Authorization/*", Field::Key),
    ("/request/headers/X-Api-Key/*", Field::Key),
    ("/request/headers/Api-Key/*", Field::Key),
    ("/request/headers/X-Goog-Api-Key/*", Field::Key),
    ("/request/headers/X-Request-Id/*", Field::RequestId),
    ("/request/uri", Field::Endpoint),
    // Of nginx, as the client wrote it.
    ("/request", REQUEST_LINE),
];
/// What some add to their log themselves.
const OF_MODEL: &[(&str, Field)] = &[
    ("/model", Field::Model),
    ("/input_tokens", Field::InputTokens),
    ("/prompt_tokens", Field::InputTokens),
    ("/output_tokens", Field::OutputTokens),
    ("/completion_tokens", Field::OutputTokens),
];

const TIME: Field = Field::Extra(0);
const REQUEST_LINE: Field = Field::Extra(1);
const CALLER: Field = Field::Extra(2);

pub(super) fn format() -> Format {
    let groups = [
        (TIMES, TIME),
        (ADDRESSES, Field::SourceIp),
        (STATUSES, Field::Status),
        (AGENTS, Field::UserAgent),
        (PATHS, Field::Endpoint),
        (KEYS, Field::Key),
        (CALLERS, CALLER),
        (REQUEST_IDS, Field::RequestId),
    ];
    let flat: Vec<(String, Field)> = groups
        .iter()
        .flat_map(|(names, field)| names.iter().map(move |name| (format!("/{name}"), *field)))
        .collect();
    let flat = flat.iter().map(|(pointer, field)| at(pointer, *field));
    let nested = OF_CADDY.iter().chain(OF_MODEL).map(|(pointer, field)| at(pointer, *field));
    let places: Vec<_> = flat.chain(nested).collect();
    let summary =
        "JSON access logs of nginx, Caddy, Traefik, Envoy: address, client, path, and a key if logged";
    Format::new("access_log", summary, sniff, How::Map(Map::new(&places, finish)))
        .carrying(&[Field::Time, Field::KeyAlias])
        .told_by(&["time", "status", "remote_addr"])
}

fn sniff(shape: &Shape<'_>) -> bool {
    let is_caddy = shape.has("request") && shape.has_any(&["resp_headers", "bytes_read"]);
    shape.has_any(TIMES)
        && shape.has_any(STATUSES)
        && (shape.has_any(ADDRESSES) || is_caddy)
        && !shape.has_any(OF_MODELS)
}

fn finish<'a>(draft: &mut Draft<'a>, extras: &Extras<'a>) -> Read<()> {
    let [time, line, caller, ..] = *extras;
    draft.time = time.map_or(Ok(None), at_time)?;
    let text =
        |name, value: Option<Value<'a>>| value.map_or(Ok(Str::default()), |value| draft::text(name, value));
    let caller = text("api_key_alias", caller)?;
    if draft.key.is_empty() {
        draft.key = caller;
    } else {
        draft.key_alias = caller;
    }
    if draft.endpoint.is_empty() {
        draft.endpoint = path(text("endpoint", line)?);
    }
    if draft.status == 0 {
        draft.status = draft::HUNG_UP;
    }
    Ok(())
}

/// A time as anywhere else, or as web servers have written it since CERN's: `05/Jun/2026:04:06:35 +0000`.
fn at_time(value: Value<'_>) -> Read<Option<Stamp>> {
    let known = draft::time("timestamp", value);
    match (known, value) {
        (Err(fault), Value::Str(text)) => text.as_plain().and_then(common).map(Some).ok_or(fault),
        (known, _) => known,
    }
}

fn common(text: &[u8]) -> Option<Stamp> {
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let [d0, d1, b'/', m0, m1, m2, b'/', y0, y1, y2, y3, b':', rest @ ..] = text else { return None };
    let month = (1_u8..).zip(MONTHS).find(|(_, name)| **name == [*m0, *m1, *m2])?.0;
    let (clock, offset) = rest.split_at_checked(8)?;
    let date = [*y0, *y1, *y2, *y3, b'-', b'0' + month / 10, b'0' + month % 10, b'-', *d0, *d1];
    parse(&[&date, b"T".as_slice(), clock, offset.trim_ascii_start()].concat()).ok()
}

/// The middle of `POST /v1/messages HTTP/1.1`.
fn path(line: Str<'_>) -> Str<'_> {
    let words = line.as_plain().map(|line| line.split(|&byte| byte == b' '));
    words.and_then(|mut words| words.nth(1)).map_or(line, Str::plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_web_servers() {
        for (text, shown) in [
            ("05/Jun/2026:04:06:35 +0000", Some("2026-06-05T04:06:35+00:00")),
            ("31/Dec/2026:23:59:59 -0730", Some("2026-12-31T23:59:59-07:30")),
            ("01/Oct/2026:00:00:00", Some("2026-10-01T00:00:00Z")),
            ("31/Feb/2026:00:00:00 +0000", None),
            ("05/jun/2026:04:06:35 +0000", None),
            ("05/Jun/2026:04:06", None),
            ("", None),
        ] {
            let read = common(text.as_bytes()).map(|stamp| stamp.to_string());
            assert_eq!(read.as_deref(), shown, "{text}");
        }
    }
}

//! What is asked, and what is answered.

use super::forms::{Brief, Briefs, KeyDetail, Keys};
use super::inside;
use super::page;
use super::status::Status;
use crate::config::{ApiPlan, Token};
use crate::encode::write_line;
use crate::engine::board::{Entry, Glass};
use crate::engine::totals::Totals;
use crate::key::KeyId;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, HeaderValue, WWW_AUTHENTICATE,
};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use serde::Serialize;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What the API is, for programs.
pub const OPENAPI: &str = include_str!("openapi.json");
/// Entries of a list that are told where nobody says how many.
const LIMIT: usize = 100;
/// Entries of a list that are told at most.
const LIMIT_MAX: usize = 1000;
/// How long somebody waits who asks for a key that nobody has looked at.
const LOOK_WITHIN: Duration = Duration::from_secs(10);

/// What is answered from.
#[derive(Clone)]
pub struct Desk {
    /// Keys and events.
    pub glass: Glass,
    /// What is counted.
    pub totals: watch::Receiver<Arc<Totals>>,
    token: Option<Token>,
}

type Answer = Result<Response<Full<Bytes>>, Refusal>;

/// A request that is not answered.
struct Refusal(StatusCode, String);

impl Desk {
    /// As planned.
    pub fn new(plan: &ApiPlan, glass: Glass, totals: watch::Receiver<Arc<Totals>>) -> Self {
        Self { glass, totals, token: plan.token.clone() }
    }

    /// The answer to a request.
    pub async fn answer(self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let mut response = match self.try_answer(&request).await {
            Ok(response) => response,
            Err(Refusal(status, why)) => refused(status, &why),
        };
        let headers = response.headers_mut();
        for (name, value) in GUARDS {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    async fn try_answer(&self, request: &Request<Incoming>) -> Answer {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response =
                refused(StatusCode::METHOD_NOT_ALLOWED, "only GET: nothing can be changed here");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Ok(response);
        }
        if self.token.is_none() {
            meant_for_us(request.headers())?;
        }
        let path = request.uri().path();
        if path == "/" {
            return Ok(page::response());
        }
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let ["api", "v1", rest @ ..] = &parts[..] else { return Err(nothing_there()) };
        if let Some(refused) = self.stranger(request.headers()) {
            return Ok(refused);
        }
        let query = request.uri().query().unwrap_or_default();
        match rest {
            ["openapi.json"] => Query::read(query, &[]).map(|_| document()),
            ["status"] => Query::read(query, &[]).map(|_| json(&Status::of(&self.totals.borrow()))),
            ["keys"] => self.keys(&Query::read(query, &["by", "limit"])?),
            ["keys", id] => self.key(&Query::read(query, &[]).and(key_id(id))?).await,
            ["incidents"] => {
                let query = Query::read(query, &["status", "key", "limit"])?;
                Ok(json(&briefs(&self.glass.seen().incidents, &query)?))
            }
            ["incidents", id] => Query::read(query, &[]).and_then(|_| self.incident(id)),
            ["alerts"] => {
                let query = Query::read(query, &["status", "key", "limit"])?;
                Ok(json(&briefs(&self.glass.seen().alerts, &query)?))
            }
            ["alerts", id] => Query::read(query, &[]).and_then(|_| self.alert(id)),
            _ => Err(nothing_there()),
        }
    }

    /// The answer to whoever does not show the token.
    fn stranger(&self, headers: &HeaderMap) -> Option<Response<Full<Bytes>>> {
        let token = self.token.as_ref()?;
        let shown = headers.get(AUTHORIZATION).map_or(&[][..], HeaderValue::as_bytes);
        if shown
            .split_at_checked(7)
            .is_some_and(|(scheme, text)| scheme.eq_ignore_ascii_case(b"Bearer ") && token.is(text))
        {
            return None;
        }
        let mut response = refused(
            StatusCode::UNAUTHORIZED,
            "show the token of `api.token_file`, as `Authorization: Bearer TOKEN`",
        );
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Some(response)
    }

    fn keys(&self, query: &Query<'_>) -> Answer {
        let by_risk = match query.get("by") {
            None | Some("spend") => false,
            Some("risk") => true,
            Some(_) => return Err(Refusal::bad("`by` is `spend` or `risk`")),
        };
        Ok(json(&Keys::of(&self.glass.seen().looks, by_risk, query.limit()?)))
    }

    async fn key(&self, key: &KeyId) -> Answer {
        let seen = self.glass.seen_with(*key, LOOK_WITHIN).await;
        match seen.looks.keys.get(key) {
            Some(portrait) => Ok(json(&KeyDetail::of(portrait, &seen))),
            None => {
                Err(Refusal(StatusCode::NOT_FOUND, "no key with this fingerprint is known here".to_owned()))
            }
        }
    }

    fn incident(&self, id: &str) -> Answer {
        let seen = self.glass.seen();
        let found = seen.incidents.iter().find(|entry| *entry.id == *id);
        let incident = found.ok_or_else(|| Refusal(StatusCode::NOT_FOUND, NO_EVENT.to_owned()))?;
        let mut body = format!("{{\"incident\":{}", incident.json).into_bytes();
        member("revisions", &inside::revisions(incident), &mut body);
        member("alerts", &inside::beside(&seen, incident), &mut body);
        body.extend_from_slice(b"}\n");
        Ok(of_json(StatusCode::OK, body))
    }

    fn alert(&self, id: &str) -> Answer {
        let seen = self.glass.seen();
        let found = seen.alerts.iter().find(|entry| *entry.id == *id);
        let alert = found.ok_or_else(|| Refusal(StatusCode::NOT_FOUND, NO_EVENT.to_owned()))?;
        let mut body = format!("{{\"alert\":{}", alert.json).into_bytes();
        member("revisions", &inside::revisions(alert), &mut body);
        body.extend_from_slice(b"}\n");
        Ok(of_json(StatusCode::OK, body))
    }
}

const NO_EVENT: &str = "none with this id is kept: it gave way to later ones, or never was";

/// What goes with every answer: no other page may read, frame or guess at it.
const GUARDS: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-frame-options", "DENY"),
];

impl Refusal {
    fn bad(why: &str) -> Self {
        Self(StatusCode::BAD_REQUEST, why.to_owned())
    }
}

/// Refuses what a page of somebody else's asks by way of a name of his that leads here: where no token is needed, only
/// names of the loopback are taken.
fn meant_for_us(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(host) = headers.get(HOST) else { return Ok(()) };
    let host = host.to_str().unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    if name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback()) {
        return Ok(());
    }
    let why = "asked by a name that is not one of this machine's own; use localhost, or set `api.token_file`";
    Err(Refusal(StatusCode::FORBIDDEN, why.to_owned()))
}

fn nothing_there() -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "no such path; /api/v1/openapi.json lists those there are".to_owned())
}

fn key_id(text: &str) -> Result<KeyId, Refusal> {
    KeyId::parse(text.as_bytes())
        .ok_or_else(|| Refusal::bad("a key is asked for by its `key_id`: 32 hexadecimal digits"))
}

fn briefs(entries: &[Arc<Entry>], query: &Query<'_>) -> Result<Briefs, Refusal> {
    let key = query.get("key").map(key_id).transpose()?;
    let is_open = match query.get("status") {
        None | Some("all") => false,
        Some("open") => true,
        Some(_) => return Err(Refusal::bad("`status` is `open` or `all`")),
    };
    let fitting = || {
        entries.iter().filter(|entry| (!is_open || entry.is_open) && key.is_none_or(|key| entry.key == key))
    };
    let events = fitting().take(query.limit()?).map(|entry| Brief::of(entry)).collect();
    Ok(Briefs { count: fitting().count(), events })
}

/// What stands behind the question mark. No value that means anything here needs an escape.
struct Query<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Query<'a> {
    fn read(text: &'a str, known: &[&str]) -> Result<Self, Refusal> {
        let mut found: Vec<(&str, &str)> = Vec::new();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if !known.contains(&name) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(Refusal::bad(&format!("unknown parameter; known here: {known}")));
            }
            if found.iter().any(|(other, _)| *other == name) {
                return Err(Refusal::bad(&format!("`{name}` stands there twice")));
            }
            found.push((name, value));
        }
        Ok(Self(found))
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    fn limit(&self) -> Result<usize, Refusal> {
        let Some(text) = self.get("limit") else { return Ok(LIMIT) };
        let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
        limit.ok_or_else(|| Refusal::bad(&format!("`limit` is a number from 1 to {LIMIT_MAX}")))
    }
}

fn member(name: &str, value: &impl Serialize, body: &mut Vec<u8>) {
    body.extend_from_slice(format!(",\"{name}\":").as_bytes());
    write_line(value, body);
    // Its line break.
    body.pop();
}

fn json(value: &impl Serialize) -> Response<Full<Bytes>> {
    let mut body = Vec::new();
    write_line(value, &mut body);
    of_json(StatusCode::OK, body)
}

fn document() -> Response<Full<Bytes>> {
    of_json(StatusCode::OK, OPENAPI.replace("{version}", env!("CARGO_PKG_VERSION")).into_bytes())
}

fn refused(status: StatusCode, why: &str) -> Response<Full<Bytes>> {
    let mut body = Vec::new();
    write_line(&serde_json::json!({ "error": why }), &mut body);
    of_json(status, body)
}

fn of_json(status: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

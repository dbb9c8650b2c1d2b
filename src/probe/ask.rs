//! One canary prompt and the answer to it, bounded in bytes and in time.

use super::answer::{Answer, Missing};
use super::dialect::Question;
use super::fault::Fault;
use super::sse::Events;
use crate::config::ProbePlan;
use crate::engine::clock::Arrival;
use crate::net::secret::{key, without};
use crate::net::trust::TrustError;
use crate::net::{Connections, connections, told};
use crate::record::CANARY_CLIENT;
use crate::sink::carrier::{short, words};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, Uri};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// What is read of an answer that is none of success, to tell what its sender says.
const REFUSAL_BYTES_MAX: usize = 16 << 10;
/// Characters of that which are told.
const WORDS_MAX: usize = 200;
/// Names of an answer that are kept, and their longest.
const IDS_MAX: usize = 4;
const ID_BYTES_MAX: usize = 128;
/// Where gateways and providers say what they call a request.
const IDS: [&str; 3] = ["x-request-id", "request-id", "x-litellm-call-id"];

/// Whoever sends one canary prompt again and again.
pub struct Prober {
    connections: Connections<Full<Bytes>>,
    plan: Arc<ProbePlan>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// Its status, if there was an answer.
    pub status: Option<u16>,
    /// What the other side calls the request and its answer.
    pub ids: Vec<String>,
    /// From the request to the end of the answer, the connection included.
    pub latency: Duration,
    /// The same to its first text.
    pub first_token: Option<Duration>,
    /// What was answered.
    pub answer: Answer,
    /// Why there is no whole one.
    pub fault: Option<Fault>,
    /// Bytes of the body that were read.
    bytes: usize,
}

/// How the body of an answer is read.
enum Reading {
    Events(Events),
    Whole(Vec<u8>),
}

impl Prober {
    /// Reads which certificates are trusted; opens no connection.
    pub fn new(plan: &Arc<ProbePlan>) -> Result<Self, TrustError> {
        Ok(Self { connections: connections(&plan.trust())?, plan: Arc::clone(plan) })
    }

    /// Asks once. The request carries the marker, by which the logs of whoever takes it can tell it from others.
    pub async fn ask(&self, marker: &str) -> Reply {
        let mut reply = Reply::default();
        let key = match key(&self.plan.key).await {
            Ok(key) => key,
            Err(why) => return Reply { fault: Some(Fault::NoKey(why)), ..reply },
        };
        let started = Arrival::now();
        let asked = tokio::time::timeout(
            self.plan.timeout,
            self.exchange(marker, key.as_deref(), started, &mut reply),
        )
        .await;
        let ms = self.plan.timeout.as_millis();
        let done = asked.unwrap_or(Err(Fault::TimedOut { ms, bytes: reply.bytes }));
        reply.latency = started.elapsed();
        reply.fault = done.err().map(|fault| repeated(fault, key.as_deref()));
        let id = std::mem::take(&mut reply.answer.id);
        add_id(&mut reply.ids, &without(&id, key.as_deref()));
        reply.answer.text = without(&reply.answer.text, key.as_deref());
        reply.answer.model = without(&reply.answer.model, key.as_deref());
        reply
    }

    async fn exchange(
        &self,
        marker: &str,
        key: Option<&str>,
        started: Arrival,
        reply: &mut Reply,
    ) -> Result<(), Fault> {
        let request = self.request(marker, key)?;
        let response = self.connections.request(request).await;
        let response = response.map_err(|error| self.unreachable(&error, key))?;
        reply.status = Some(response.status().as_u16());
        note_ids(response.headers(), key, &mut reply.ids);
        self.read(response, key, started, reply).await
    }

    fn request(&self, marker: &str, key: Option<&str>) -> Result<Request<Full<Bytes>>, Fault> {
        let body = Bytes::from(self.plan.body.clone());
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.plan.target.clone();
        let headers = request.headers_mut();
        let client = format!("{CANARY_CLIENT}{} ({marker})", env!("CARGO_PKG_VERSION"));
        for (name, text) in [
            (USER_AGENT, client.as_str()),
            (HeaderName::from_static("x-request-id"), marker),
            (HeaderName::from_static("x-client-request-id"), marker),
            (
                ACCEPT,
                if self.plan.stream { "text/event-stream, application/json" } else { "application/json" },
            ),
            (CONTENT_TYPE, "application/json"),
        ] {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        }
        let dialect = self.plan.dialect;
        for (name, text) in dialect.headers {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(text));
        }
        if let Some(key) = key {
            let none = |_| Fault::NoKey("holds something that cannot stand in a header".to_owned());
            let mut value = HeaderValue::from_str(&format!("{}{key}", dialect.key_scheme)).map_err(none)?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static(dialect.key_header), value);
        }
        Ok(request)
    }

    /// Reads an answer to its end or its limit; dropped before its end, the connection is closed.
    async fn read(
        &self,
        response: Response<Incoming>,
        key: Option<&str>,
        started: Arrival,
        reply: &mut Reply,
    ) -> Result<(), Fault> {
        let header = |name| response.headers().get(name).and_then(|text: &HeaderValue| text.to_str().ok());
        let retry_after = header(RETRY_AFTER).map(str::to_owned);
        let is_stream = header(CONTENT_TYPE).is_some_and(|kind| kind.contains("event-stream"));
        let code = response.status().as_u16();
        let mut incoming = response.into_body();
        if !(200..=299).contains(&code) {
            return Err(self.refusal(code, retry_after, &mut incoming, key).await);
        }
        let mut reading = if is_stream {
            Reading::Events(Events::new(self.plan.answer_bytes_max))
        } else {
            Reading::Whole(Vec::new())
        };
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| self.unreachable(&error, key))?;
            let data = frame.data_ref().map_or(&[][..], |data| data);
            reply.bytes += data.len();
            if reply.bytes > self.plan.answer_bytes_max {
                return Err(Fault::TooLarge(self.plan.answer_bytes_max as u64));
            }
            let is_done = self.take(&mut reading, data, &mut reply.answer)?;
            if reply.first_token.is_none() && reply.answer.has_text() {
                reply.first_token = Some(started.elapsed());
            }
            if is_done {
                return broken(&reply.answer);
            }
        }
        if let Reading::Whole(body) = &reading {
            self.event(body, &mut reply.answer)?;
            reply.first_token = reply.answer.has_text().then(|| started.elapsed());
        }
        broken(&reply.answer)?;
        if reply.answer.ended.is_empty() { Err(Fault::Cut(reply.bytes)) } else { Ok(()) }
    }

    /// Takes a piece of the body; whether the answer says that nothing more will come.
    fn take(&self, reading: &mut Reading, data: &[u8], answer: &mut Answer) -> Result<bool, Fault> {
        let events = match reading {
            Reading::Events(events) => events,
            Reading::Whole(body) => {
                body.extend_from_slice(data);
                return Ok(false);
            }
        };
        let (mut is_done, mut fault) = (false, None);
        let mut give = |event: &[u8]| {
            if is_done || fault.is_some() {
                return;
            }
            if event.trim_ascii() == b"[DONE]" {
                is_done = true;
            } else {
                fault = self.event(event, answer).err();
                is_done |= answer.error.is_some();
            }
        };
        let pushed = events.push(data, &mut give);
        if let Some(fault) = fault {
            return Err(fault);
        }
        pushed.map_err(|_| Fault::TooLarge(self.plan.answer_bytes_max as u64))?;
        Ok(is_done)
    }

    fn event(&self, text: &[u8], answer: &mut Answer) -> Result<(), Fault> {
        let value: Value = serde_json::from_slice(text).map_err(|error| Fault::NoJson(error.to_string()))?;
        (self.plan.dialect.take)(answer, &value).map_err(Fault::Changed)
    }

    /// What somebody says who does not answer.
    async fn refusal(
        &self,
        code: u16,
        retry_after: Option<String>,
        body: &mut Incoming,
        key: Option<&str>,
    ) -> Fault {
        if (300..=399).contains(&code) {
            return Fault::Redirect(code);
        }
        let mut text = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            let data = frame.data_ref().map_or(&[][..], |data| data);
            let room = REFUSAL_BYTES_MAX - text.len();
            text.extend_from_slice(&data[..data.len().min(room)]);
            if text.len() == REFUSAL_BYTES_MAX {
                break;
            }
        }
        let said = without(&words(&text), key);
        let told = if said.is_empty() { String::new() } else { format!(": {}", short(&said, WORDS_MAX)) };
        Fault::Status { code, words: told, retry_after }
    }

    fn unreachable(&self, error: &dyn std::error::Error, key: Option<&str>) -> Fault {
        Fault::Unreachable(without(&told(error, &self.plan.place), key))
    }
}

/// That the other side said in the middle of its answer that it fails.
fn broken(answer: &Answer) -> Result<(), Fault> {
    match &answer.error {
        // Cut when the key has been taken out of it: half a key would stay.
        Some(error) => Err(Fault::Broke(error.clone())),
        None => Ok(()),
    }
}

/// A fault in whose words the other side may have repeated the key, without it.
fn repeated(fault: Fault, key: Option<&str>) -> Fault {
    match fault {
        Fault::Broke(said) => Fault::Broke(short(&without(&said, key), WORDS_MAX)),
        Fault::Changed(missing) => {
            Fault::Changed(Missing { has: short(&without(&missing.has, key), WORDS_MAX), ..missing })
        }
        fault => fault,
    }
}

fn note_ids(headers: &HeaderMap, key: Option<&str>, ids: &mut Vec<String>) {
    for name in IDS {
        if let Some(id) = headers.get(name).and_then(|id| id.to_str().ok()) {
            add_id(ids, &without(id, key));
        }
    }
}

/// Names are words: what is none is not kept.
fn add_id(ids: &mut Vec<String>, id: &str) {
    let is_word =
        !id.is_empty() && id.len() <= ID_BYTES_MAX && id.bytes().all(|byte| byte.is_ascii_graphic());
    if is_word && ids.len() < IDS_MAX && ids.iter().all(|known| known != id) {
        ids.push(id.to_owned());
    }
}

/// Where a question goes: the path of the API behind the address, of which the version may be a part already.
pub fn target(base: &Uri, dialect: &super::Dialect, question: &Question<'_>) -> Option<Uri> {
    let before = base.path().trim_end_matches('/');
    let version = if before.ends_with(dialect.version) { "" } else { dialect.version };
    let path = format!("{before}{version}{}", (dialect.path)(question));
    let mut parts = base.clone().into_parts();
    parts.path_and_query = Some(path.parse().ok()?);
    Uri::from_parts(parts).ok()
}

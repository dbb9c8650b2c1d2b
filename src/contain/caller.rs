//! One request to whoever can do something about a key, and the answer to it, bounded in bytes and in time.

use super::action::Call;
use crate::config::{KeyFrom, RulePlan};
use crate::net::trust::TrustError;
use crate::net::{Connections, connections, secret, told};
use crate::sink::carrier::{short, words};
use crate::sink::http::signature;
use crate::time::{SECOND, Timestamp};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, Uri};
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

/// What is read of an answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// After a stop was asked for, how long what was asked may still be answered.
const GRACE: Duration = Duration::from_secs(3);
/// Characters of a refusal that are told.
const WORDS_MAX: usize = 200;

/// Why it could not be done. No key is ever part of it.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Fault {
    /// There is no key, or no secret to sign with.
    #[error("{0} cannot be read: {1}")]
    NoSecret(&'static str, String),
    /// No connection, or it ended before the answer did.
    #[error("{0}")]
    Unreachable(String),
    /// It took too long.
    #[error("the answer was not there within {0} ms")]
    TimedOut(u128),
    /// It was answered with something else than success.
    #[error("answered {code}{words}{advice}", advice = advice(*code))]
    Status {
        /// The status.
        code: u16,
        /// What the provider says, with a colon before it.
        words: String,
        /// How long to wait, where it says that.
        retry_after: Option<String>,
    },
    /// It leads elsewhere.
    #[error(
        "answered {0}, a redirect, which is not followed, for the key would go there; set `url` to where the API is"
    )]
    Redirect(u16),
    /// It is larger than any answer is.
    #[error("the answer has more than {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
    /// It is no JSON.
    #[error("the answer is no whole JSON; was it cut off?")]
    NoJson,
    /// It says something else than it was to.
    #[error("{0}")]
    Unexpected(String),
    /// It is being stopped.
    #[error("keyhound is ending")]
    Stopped,
}

fn advice(code: u16) -> &'static str {
    match code {
        401 => " (is the key in `key_file` the right one, and still valid?)",
        403 => " (that key has no right to do this: it needs one that administers keys)",
        404 => " (is `url` right, and is the key still there?)",
        _ => "",
    }
}

impl Fault {
    /// Whether it may pass by itself.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut(_) | Self::NoJson | Self::Stopped => true,
            Self::Status { code, .. } => matches!(code, 408 | 409 | 425 | 429 | 500..=599),
            _ => false,
        }
    }

    /// The status of the answer, if there was one.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Status { code, .. } | Self::Redirect(code) => Some(*code),
            _ => None,
        }
    }
}

/// An answer of success.
#[derive(Clone, PartialEq, Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// What time it was there, as far as it says.
    pub date: Option<Timestamp>,
    /// Its body; of a webhook whatever there is.
    pub body: Value,
}

/// Whoever asks for one rule.
pub struct Caller {
    connections: Connections<Full<Bytes>>,
    plan: Arc<RulePlan>,
    stop: CancellationToken,
}

/// What goes to a webhook besides.
pub struct Signed<'a> {
    /// The same for the same thing asked again.
    pub idempotency_key: &'a str,
    /// When.
    pub now: Timestamp,
}

impl Caller {
    /// Reads which certificates are trusted; opens no connection.
    pub fn new(plan: &Arc<RulePlan>, stop: &CancellationToken) -> Result<Self, TrustError> {
        Ok(Self { connections: connections(&plan.trust())?, plan: Arc::clone(plan), stop: stop.clone() })
    }

    /// Asks once. What is told of a failure does not hold the key.
    pub async fn ask(&self, call: &Call, signed: Option<Signed<'_>>) -> Result<Reply, Fault> {
        let ending = async {
            self.stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            reply = self.ask_at_leisure(call, signed) => reply,
            () = ending => Err(Fault::Stopped),
        }
    }

    async fn ask_at_leisure(&self, call: &Call, signed: Option<Signed<'_>>) -> Result<Reply, Fault> {
        let secret = match &self.plan.key {
            KeyFrom::Nowhere => None,
            KeyFrom::File(path) => Some(secret::read(path).await),
            KeyFrom::Command(command) => Some(secret::ask(command).await),
        };
        let secret = secret.transpose().map_err(|why| Fault::NoSecret("the key", why))?;
        let secret = secret.as_deref();
        let is_webhook = signed.is_some();
        let asked = async {
            let request = self.request(call, secret, signed).await?;
            let response = self.connections.request(request).await;
            let response = response.map_err(|error| self.unreachable(&error, secret))?;
            self.read(response, secret, is_webhook).await
        };
        let done = tokio::time::timeout(self.plan.timeout, asked).await;
        done.unwrap_or(Err(Fault::TimedOut(self.plan.timeout.as_millis())))
    }

    async fn request(
        &self,
        call: &Call,
        secret: Option<&str>,
        signed: Option<Signed<'_>>,
    ) -> Result<Request<Full<Bytes>>, Fault> {
        let body = call.body.as_ref().map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let mut headers: Vec<(HeaderName, String)> = vec![
            (USER_AGENT, concat!("keyhound/", env!("CARGO_PKG_VERSION")).to_owned()),
            (ACCEPT, "application/json".to_owned()),
        ];
        if call.body.is_some() {
            headers.push((CONTENT_TYPE, "application/json".to_owned()));
        }
        let provider = self.plan.action.provider;
        if provider.header().0 == "x-api-key" {
            headers.push((HeaderName::from_static("anthropic-version"), "2023-06-01".to_owned()));
        }
        if let Some(secret) = secret {
            let (name, scheme) = provider.header();
            headers.push((HeaderName::from_static(name), format!("{scheme}{secret}")));
        }
        if let (Some(signed), Some(path)) = (signed, &self.plan.signature_file) {
            let key = crate::net::secret::read(path).await;
            let key = key.map_err(|why| Fault::NoSecret("`signature_file`", why))?;
            headers
                .push((HeaderName::from_static("x-keyhound-signature"), signature(&key, signed.now, &body)));
            headers.push((HeaderName::from_static("idempotency-key"), signed.idempotency_key.to_owned()));
        }
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = self.address(&call.path)?;
        for (name, text) in headers {
            let told =
                || Fault::NoSecret("the key", "it holds something that cannot stand in a header".to_owned());
            let mut value = HeaderValue::from_str(&text).map_err(|_| told())?;
            value.set_sensitive(name.as_str() == provider.header().0);
            request.headers_mut().insert(name, value);
        }
        Ok(request)
    }

    fn address(&self, path: &str) -> Result<Uri, Fault> {
        if path.is_empty() {
            return Ok(self.plan.base.clone());
        }
        let none = || Fault::Unexpected("what is to be asked is no address".to_owned());
        let mut parts = self.plan.base.clone().into_parts();
        let target = format!("{}{path}", self.plan.base.path().trim_end_matches('/'));
        parts.path_and_query = Some(target.parse().map_err(|_| none())?);
        Uri::from_parts(parts).map_err(|_| none())
    }

    /// Reads an answer to its end or its limit; dropped before its end, the connection is closed.
    async fn read(
        &self,
        response: Response<Incoming>,
        secret: Option<&str>,
        is_webhook: bool,
    ) -> Result<Reply, Fault> {
        let header = |name| response.headers().get(name).and_then(|text| text.to_str().ok());
        let (there, retry_after) = (header(DATE).and_then(time), header(RETRY_AFTER).map(str::to_owned));
        let status = response.status().as_u16();
        if (300..=399).contains(&status) {
            return Err(Fault::Redirect(status));
        }
        let is_success = (200..=299).contains(&status);
        let (mut incoming, mut body) = (response.into_body(), Vec::new());
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| self.unreachable(&error, secret))?;
            let data = frame.data_ref().map_or(&[][..], |data| data);
            if body.len() + data.len() > ANSWER_BYTES_MAX {
                if is_success {
                    return Err(Fault::TooLarge);
                }
                break;
            }
            body.extend_from_slice(data);
        }
        if is_success {
            let read = serde_json::from_slice(&body);
            let body = if is_webhook { read.unwrap_or_default() } else { read.map_err(|_| Fault::NoJson)? };
            return Ok(Reply { status, date: there, body });
        }
        let said = without(&words(&body), secret);
        let words = if said.is_empty() { String::new() } else { format!(": {}", short(&said, WORDS_MAX)) };
        Err(Fault::Status { code: status, words, retry_after })
    }

    fn unreachable(&self, error: &dyn std::error::Error, secret: Option<&str>) -> Fault {
        Fault::Unreachable(without(&told(error, &self.plan.place), secret))
    }
}

/// A text of somebody else without the key, which he may have repeated.
fn without(text: &str, secret: Option<&str>) -> String {
    match secret {
        Some(secret) if !secret.is_empty() => text.replace(secret, "[the key]"),
        _ => text.to_owned(),
    }
}

fn time(text: &str) -> Option<Timestamp> {
    let at = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Timestamp(at.as_second().saturating_mul(SECOND)))
}

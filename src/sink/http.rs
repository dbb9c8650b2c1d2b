//! One exchange by HTTP: a request, and the answer to it.
//!
//! Redirects are not followed: they could lead secrets anywhere. Of an answer the rest behind a limit is not read.

use super::carrier::{Answer, Batch, Carrier, Carrying, SinkError, words};
use crate::config::SinkPlan;
use crate::net::{Connections, connections, secret, told};
use crate::time::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, Uri};
use ring::hmac;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

/// What is read of the body of an answer.
const ANSWER_BYTES_MAX: usize = 256 << 10;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const SIGNATURE: HeaderName = HeaderName::from_static("x-keyhound-signature");

/// A request, but for what all requests of a sink have.
pub struct Draft {
    /// What stands behind the address; it may be a secret.
    pub suffix: String,
    /// What the body is.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(HeaderName, String)>,
    /// The body.
    pub body: Bytes,
}

impl Draft {
    /// One with a body of this kind.
    pub fn new(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { suffix: String::new(), content_type, headers: Vec::new(), body: body.into() }
    }

    /// The same for an address behind the one that is configured.
    #[must_use]
    pub fn at(self, suffix: impl Into<String>) -> Self {
        Self { suffix: suffix.into(), ..self }
    }
}

/// An answer.
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// How long to wait, where it says that.
    pub retry_after: Option<String>,
    /// Its body, up to a limit.
    pub body: Vec<u8>,
}

impl Reply {
    /// What follows from the status alone.
    pub fn judged(&self) -> Answer {
        match self.status {
            200..=299 => Answer::Taken,
            code @ (408 | 425 | 429 | 500..=599) => Answer::Later(code, self.retry_after.clone()),
            code => Answer::Refused(code, words(&self.body)),
        }
    }

    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Whoever asks one receiver.
#[derive(Clone)]
pub struct HttpClient {
    client: Connections<Full<Bytes>>,
    plan: Arc<SinkPlan>,
}

impl HttpClient {
    /// Reads which certificates are trusted; opens no connection.
    pub fn new(plan: &Arc<SinkPlan>) -> Result<Self, SinkError> {
        Ok(Self { client: connections(&plan.trust())?, plan: Arc::clone(plan) })
    }

    /// What the token file holds now, if there is one.
    pub async fn token(&self) -> Result<Option<String>, Answer> {
        match &self.plan.token_file {
            Some(path) => read_secret("token_file", path).await.map(Some),
            None => Ok(None),
        }
    }

    /// Posts once and reads the answer, within the time that is allowed. The same events have the same `key`.
    pub async fn exchange(
        &self,
        draft: Draft,
        token: Option<&str>,
        key: &str,
        now: Timestamp,
    ) -> Result<Reply, Answer> {
        let asked = async {
            let request = self.request(draft, token, key, now).await?;
            let response = self.client.request(request).await;
            let response = response.map_err(|error| Answer::Unreachable(told(&error, &self.plan.place)))?;
            self.read(response).await
        };
        tokio::time::timeout(self.plan.timeout, asked).await.unwrap_or(Err(Answer::TimedOut))
    }

    async fn request(
        &self,
        draft: Draft,
        token: Option<&str>,
        key: &str,
        now: Timestamp,
    ) -> Result<Request<Full<Bytes>>, Answer> {
        let mut request = Request::new(Full::new(draft.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = behind(&self.plan.target().await?, &draft.suffix);
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(draft.content_type));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("keyhound/", env!("CARGO_PKG_VERSION"))));
        let authorization = token.and_then(|token| authorization(self.plan.scheme, token));
        let signature = match &self.plan.signature_file {
            Some(path) => {
                let secret = read_secret("signature_file", path).await?;
                Some((SIGNATURE, signature(&secret, now, &draft.body)))
            }
            None => None,
        };
        let key = (!key.is_empty()).then(|| (IDEMPOTENCY_KEY, key.to_owned()));
        let more = authorization.map(|value| (AUTHORIZATION, value)).into_iter().chain(key).chain(signature);
        for (name, text) in more.chain(draft.headers) {
            let mut value = HeaderValue::from_str(&text).map_err(|_| {
                Answer::NoSecret("token_file", "holds something that cannot stand in a header".to_owned())
            })?;
            value.set_sensitive(name == AUTHORIZATION);
            headers.insert(name, value);
        }
        Ok(request)
    }

    /// Reads an answer to its end or its limit; dropped before its end, the connection is closed.
    async fn read(&self, response: Response<Incoming>) -> Result<Reply, Answer> {
        let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let (status, retry_after) = (response.status().as_u16(), after.map(str::to_owned));
        let (mut incoming, mut body) = (response.into_body(), Vec::new());
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| Answer::Unreachable(told(&error, &self.plan.place)))?;
            let data = frame.data_ref().map_or(&[][..], |data| data);
            let room = ANSWER_BYTES_MAX - body.len();
            body.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() >= room {
                break;
            }
        }
        Ok(Reply { status, retry_after, body })
    }
}

/// The secret in a file that this setting names.
async fn read_secret(setting: &'static str, path: &Path) -> Result<String, Answer> {
    secret::read(path).await.map_err(|why| Answer::NoSecret(setting, why))
}

/// An address with something behind its path, its query left out then.
fn behind(url: &Uri, suffix: &str) -> Uri {
    if suffix.is_empty() {
        return url.clone();
    }
    let mut parts = url.clone().into_parts();
    let path = format!("{}{suffix}", url.path().trim_end_matches('/'));
    // Paths and tokens were looked at before: what is no path leads nowhere.
    parts.path_and_query = path.parse().ok();
    Uri::from_parts(parts).unwrap_or_default()
}

/// `Basic` takes the name and the password as they stand in the file, and puts them into base64.
fn authorization(scheme: &str, token: &str) -> Option<String> {
    match scheme {
        "" => None,
        "Basic" => Some(format!("Basic {}", STANDARD.encode(token))),
        scheme => Some(format!("{scheme} {token}")),
    }
}

/// `t=SECONDS,v1=HEX`: HMAC-SHA256 of `SECONDS.BODY`, so that whoever has heard a request cannot send it tomorrow.
pub fn signature(secret: &str, now: Timestamp, body: &[u8]) -> String {
    let seconds = now.0.div_euclid(crate::time::SECOND);
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
    context.update(format!("{seconds}.").as_bytes());
    context.update(body);
    let mut text = format!("t={seconds},v1=");
    for byte in context.sign().as_ref() {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// How a kind of receiver is asked, and what its answers mean.
pub struct Shape {
    /// The request for some events, with the token where that does not go into a header.
    pub draft: fn(&SinkPlan, &Batch, Option<&str>) -> Draft,
    /// What came of it.
    pub judge: fn(&Reply) -> Answer,
}

/// Whoever asks once for each batch and is done with the answer.
pub struct Web {
    client: HttpClient,
    plan: Arc<SinkPlan>,
    shape: &'static Shape,
}

impl Web {
    /// Makes ready; opens no connection.
    pub fn open(plan: &Arc<SinkPlan>, shape: &'static Shape) -> Result<Box<dyn Carrier>, SinkError> {
        Ok(Box::new(Self { client: HttpClient::new(plan)?, plan: Arc::clone(plan), shape }))
    }

    async fn attempt(&self, batch: &Batch, now: Timestamp) -> Result<Answer, Answer> {
        let token = self.client.token().await?;
        let draft = (self.shape.draft)(&self.plan, batch, token.as_deref());
        let reply = self.client.exchange(draft, token.as_deref(), &batch.key, now).await?;
        Ok((self.shape.judge)(&reply))
    }
}

impl Carrier for Web {
    fn carry<'a>(&'a mut self, batch: &'a Batch, now: Timestamp) -> Carrying<'a> {
        Box::pin(async move { self.attempt(batch, now).await.unwrap_or_else(|answer| answer) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_stands_behind_the_path() {
        let url = |text: &str| text.parse::<Uri>().unwrap();
        for (base, suffix, whole) in [
            ("http://h/a?b=c", "", "http://h/a?b=c"),
            ("http://h", "/v1/logs", "http://h/v1/logs"),
            ("http://h:1/prefix/", "/_bulk?x=y", "http://h:1/prefix/_bulk?x=y"),
        ] {
            assert_eq!(behind(&url(base), suffix).to_string(), whole);
        }
    }

    /// The second test case of RFC 4231, with a time before it.
    #[test]
    fn a_signature_is_what_others_compute() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"Jefe");
        let tag = hmac::sign(&key, b"what do ya want for nothing?");
        assert_eq!(tag.as_ref()[..4], [0x5b, 0xdc, 0xc1, 0x46]);
        let signed = signature("Jefe", Timestamp(1_782_867_604_999_999_999), b"body");
        let (time, hex) = signed.split_once(",v1=").unwrap();
        assert_eq!((time, hex.len()), ("t=1782867604", 64));
        let expected = hmac::sign(&key, b"1782867604.body");
        let digits: Vec<String> = expected.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digits.concat(), hex);
    }

    #[test]
    fn tokens_are_announced_as_receivers_want_them() {
        let told = |scheme| authorization(scheme, "a:b");
        assert_eq!(told("Basic").as_deref(), Some("Basic YTpi"));
        assert_eq!(told("Splunk").as_deref(), Some("Splunk a:b"));
        assert_eq!(told(""), None);
    }
}

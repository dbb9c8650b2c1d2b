//! One request and the answer to it, bounded in bytes and in time.

use super::fault::Fault;
use crate::config::SourcePlan;
use crate::net::secret::without;
use crate::net::trust::TrustError;
use crate::net::{Connections, connections, secret, told};
use crate::sink::carrier::{short, words};
use crate::time::{SECOND, Timestamp};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ACCEPT, DATE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, Uri};
use jiff::fmt::rfc2822::DateTimeParser;
use std::sync::Arc;

/// What is read of an answer that is none of success, to tell what its sender says.
const REFUSAL_BYTES_MAX: usize = 16 << 10;
/// Characters of that which are told.
const WORDS_MAX: usize = 200;

/// Whoever asks one source.
pub struct Asker {
    connections: Connections<Empty<Bytes>>,
    plan: Arc<SourcePlan>,
}

/// An answer of success.
pub struct Reply {
    /// Its body.
    pub body: Vec<u8>,
    /// What time it is there, as far as it says.
    pub date: Option<Timestamp>,
}

impl Asker {
    /// Reads which certificates are trusted; opens no connection.
    pub fn new(plan: &Arc<SourcePlan>) -> Result<Self, TrustError> {
        Ok(Self { connections: connections(&plan.trust())?, plan: Arc::clone(plan) })
    }

    /// The key as it is now: whoever renews it tells nobody.
    pub async fn key(&self) -> Result<Option<String>, Fault> {
        secret::key(&self.plan.key).await.map_err(Fault::NoKey)
    }

    /// Asks once. What is told of a failure does not hold the key.
    pub async fn get(&self, url: &Uri, key: Option<&str>) -> Result<Reply, Fault> {
        let mut body = Vec::new();
        let asked = async {
            let request = self.request(url, key)?;
            let response = self.connections.request(request).await;
            let response = response.map_err(|error| self.unreachable(&error, key))?;
            self.read(response, key, &mut body).await
        };
        let done = tokio::time::timeout(self.plan.timeout, asked).await;
        let ms = self.plan.timeout.as_millis();
        let date = done.unwrap_or(Err(Fault::TimedOut { ms, bytes: body.len() }))?;
        Ok(Reply { body, date })
    }

    fn request(&self, url: &Uri, key: Option<&str>) -> Result<Request<Empty<Bytes>>, Fault> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = url.clone();
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("keyhound/", env!("CARGO_PKG_VERSION"))));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let description = &self.plan.description;
        for (name, text) in &description.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(text)) {
                headers.insert(name, value);
            }
        }
        if let Some(key) = key {
            let text = match description.key_scheme.as_str() {
                "" => key.to_owned(),
                scheme => format!("{scheme} {key}"),
            };
            let none = || Fault::NoKey("holds something that cannot stand in a header".to_owned());
            let name: HeaderName = description.key_header.parse().map_err(|_| none())?;
            let mut value = HeaderValue::from_str(&text).map_err(|_| none())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(request)
    }

    /// Reads an answer to its end or its limit; dropped before its end, the connection is closed.
    async fn read(
        &self,
        response: Response<Incoming>,
        key: Option<&str>,
        body: &mut Vec<u8>,
    ) -> Result<Option<Timestamp>, Fault> {
        let header = |name| response.headers().get(name).and_then(|text| text.to_str().ok());
        let (there, retry_after) = (header(DATE).and_then(time), header(RETRY_AFTER).map(str::to_owned));
        let code = response.status().as_u16();
        if (300..=399).contains(&code) {
            return Err(Fault::Redirect(code));
        }
        let is_success = (200..=299).contains(&code);
        let max = if is_success { self.plan.answer_bytes_max } else { REFUSAL_BYTES_MAX };
        let too_large = || Fault::TooLarge(max as u64);
        let mut incoming = response.into_body();
        if is_success && incoming.size_hint().lower() > max as u64 {
            return Err(too_large());
        }
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| self.unreachable(&error, key))?;
            let data = frame.data_ref().map_or(&[][..], |data| data);
            if body.len() + data.len() > max {
                if is_success {
                    return Err(too_large());
                }
                break;
            }
            body.extend_from_slice(data);
        }
        if is_success {
            return Ok(there);
        }
        let said = without(&words(body), key);
        let told = if said.is_empty() { String::new() } else { format!(": {}", short(&said, WORDS_MAX)) };
        Err(Fault::Status { code, words: told, retry_after })
    }

    fn unreachable(&self, error: &dyn std::error::Error, key: Option<&str>) -> Fault {
        Fault::Unreachable(without(&told(error, &self.plan.place), key))
    }
}

fn time(text: &str) -> Option<Timestamp> {
    let at = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Timestamp(at.as_second().saturating_mul(SECOND)))
}

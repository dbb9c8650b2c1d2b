//! Posts alerts by HTTP: one attempt, and what came of it. Whether it is tried again is decided elsewhere.
//!
//! Redirects are not followed: they could lead the token anywhere. Of an answer only the status counts; the rest is
//! read up to a limit, so that the connection can be used again.

mod trust;

pub use trust::TrustError;

use crate::config::PostPlan;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error;
use std::fmt::Write;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// What is read of an answer: of its headers, and of its body.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Longer tokens are no tokens.
const TOKEN_BYTES_MAX: u64 = 16 << 10;
/// How long a connection is kept that nothing is posted on.
const IDLE_FOR: Duration = Duration::from_secs(30);
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What came of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Taken (2xx).
    Taken,
    /// Not now: 408, 425, 429 and 5xx, with what `Retry-After` says.
    Later(u16, Option<String>),
    /// Not like this: any other status. Somebody has to mend something.
    Refused(u16),
    /// The token cannot be read.
    NoToken(String),
    /// No connection, or it ended before the answer did.
    Unreachable(String),
    /// It took too long.
    TimedOut,
}

/// Posts to one address.
#[derive(Clone)]
pub struct HttpSink {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    plan: Arc<PostPlan>,
}

impl HttpSink {
    /// Reads which certificates are trusted; opens no connection.
    pub fn new(plan: &PostPlan) -> Result<Self, TrustError> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        let builder = HttpsConnectorBuilder::new().with_tls_config(trust::config(plan)?);
        let connector = builder.https_or_http().enable_http1().wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_FOR)
            .pool_max_idle_per_host(1)
            .http1_max_buf_size(ANSWER_BYTES_MAX)
            .build(connector);
        Ok(Self { client, plan: Arc::new(plan.clone()) })
    }

    /// What may be shown of the address.
    pub fn origin(&self) -> String {
        self.plan.origin()
    }

    /// Posts some lines of JSON, once. The same lines have the same `key`.
    pub async fn post(self, lines: Bytes, key: String) -> Answer {
        match tokio::time::timeout(self.plan.timeout, self.attempt(lines, &key)).await {
            Ok(Ok(answer) | Err(answer)) => answer,
            Err(_) => Answer::TimedOut,
        }
    }

    async fn attempt(&self, lines: Bytes, key: &str) -> Result<Answer, Answer> {
        let request = self.request(lines, key).await?;
        let response = self.client.request(request).await.map_err(|error| unreachable(&error))?;
        let answer = judged(&response);
        read(response.into_body()).await?;
        Ok(answer)
    }

    async fn request(&self, lines: Bytes, key: &str) -> Result<Request<Full<Bytes>>, Answer> {
        let mut request = Request::new(Full::new(lines));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.plan.url.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("keyhound/", env!("CARGO_PKG_VERSION"))));
        if let Ok(key) = HeaderValue::from_str(key) {
            headers.insert(IDEMPOTENCY_KEY, key);
        }
        if let Some(path) = &self.plan.token_file {
            let token =
                token(path).await.map_err(|why| Answer::NoToken(format!("{}: {why}", path.display())))?;
            headers.insert(AUTHORIZATION, token);
        }
        Ok(request)
    }
}

/// What the token file says now: whoever renews it tells nobody.
async fn token(path: &Path) -> Result<HeaderValue, String> {
    let read = async {
        let mut text = String::new();
        let file = tokio::fs::File::open(path).await?;
        file.take(TOKEN_BYTES_MAX).read_to_string(&mut text).await?;
        io::Result::Ok(text)
    };
    let text = read.await.map_err(|error| error.to_string())?;
    if text.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {}", text.trim()))
        .map_err(|_| "is no token: it holds something that cannot stand in a header".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

fn judged(response: &Response<Incoming>) -> Answer {
    let status = response.status();
    match status.as_u16() {
        200..=299 => Answer::Taken,
        code @ (408 | 425 | 429 | 500..=599) => {
            let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            Answer::Later(code, after.map(str::to_owned))
        }
        code => Answer::Refused(code),
    }
}

/// Reads an answer to its end or its limit; dropped before its end, the connection is closed.
async fn read(mut body: Incoming) -> Result<(), Answer> {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| unreachable(&error))?;
        bytes += frame.data_ref().map_or(0, Bytes::len);
        if bytes > ANSWER_BYTES_MAX {
            break;
        }
    }
    Ok(())
}

/// An error with its causes, in words.
fn unreachable(error: &dyn Error) -> Answer {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    if let Some(advice) = trust::advice(&text) {
        text.push_str(advice);
    }
    Answer::Unreachable(text)
}

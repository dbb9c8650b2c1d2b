//! What sinks and pulled sources have in common when they talk to others: whose certificates are believed, where a request
//! may go, secrets from files, pauses between attempts.
//!
//! Redirects are not followed by anybody: they could lead secrets anywhere.

pub mod address;
pub mod retry;
pub mod secret;
pub mod trust;

use hyper::body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error;
use std::fmt::Write;
use std::time::Duration;
use trust::{Trust, TrustError};

/// What is read of the headers of an answer.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// How long a connection is kept on which nothing is asked.
const IDLE_FOR: Duration = Duration::from_secs(30);

/// Whoever asks by HTTP.
pub type Connections<B> = Client<HttpsConnector<HttpConnector>, B>;

/// Reads which certificates are trusted; opens no connection.
pub fn connections<B>(trust: &Trust<'_>) -> Result<Connections<B>, TrustError>
where
    B: Body + Send,
    B::Data: Send,
{
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    let builder = HttpsConnectorBuilder::new().with_tls_config(trust::config(trust)?);
    let connector = builder.https_or_http().enable_http1().wrap_connector(http);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_FOR)
        .pool_max_idle_per_host(1)
        .http1_max_buf_size(HEAD_BYTES_MAX)
        .build(connector))
}

/// An error with its causes, in words, and what to do about it where that is known.
pub fn told(error: &dyn Error, place: &str) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a text cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text.push_str(&trust::advice(place, &text));
    text
}

//! `/`: the page for people. It needs nothing else: no font, no picture, no script from anywhere, and nothing but its own
//! style and script may act in it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// Colours, tables and cards are those of the report of `keyhound investigate`.
const STYLES: [&str; 2] = [include_str!("../../../investigate/show/html.css"), include_str!("page.css")];
const SCRIPT: &str = include_str!("page.js");
const PAGE: &str = include_str!("page.html");

/// The page and what may act in it.
static WHOLE: LazyLock<(Bytes, HeaderValue)> = LazyLock::new(|| {
    let style = STYLES.concat();
    let page = PAGE.replace("{style}", &style).replace("{script}", SCRIPT);
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        hash(SCRIPT),
        hash(&style)
    );
    // A hash is of characters that may stand in a header; without it nothing acts.
    let policy =
        HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"));
    (Bytes::from(page), policy)
});

/// What a policy calls a text by.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

/// The page.
pub(super) fn response() -> Response<Full<Bytes>> {
    let (page, policy) = &*WHOLE;
    let mut response = Response::new(Full::new(page.clone()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
    response
}

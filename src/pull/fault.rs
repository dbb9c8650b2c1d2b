//! Why something could not be pulled, where, and what to do about it. No key is ever part of it.

use super::window::Span;
use std::sync::Arc;
use thiserror::Error;

/// What went wrong with a request.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Fault {
    /// There is no key.
    #[error("the key cannot be read: {0}")]
    NoKey(String),
    /// No connection, or it ended before the answer did.
    #[error("{0}")]
    Unreachable(String),
    /// It took too long.
    #[error(
        "the answer was not there within {ms} ms ({bytes} bytes of it were); raise `timeout_ms` if that is usual"
    )]
    TimedOut {
        /// How long it was waited, in milliseconds.
        ms: u128,
        /// What had come by then.
        bytes: usize,
    },
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
    /// It is larger than it may be.
    #[error("the answer has more than {0} bytes (`answer_bytes_max`)")]
    TooLarge(u64),
    /// It is no JSON.
    #[error("the answer is no whole JSON: {what} at byte {at} of {length}; was it cut off?")]
    NoJson {
        /// What is wrong.
        what: String,
        /// Where.
        at: usize,
        /// Bytes of the answer.
        length: usize,
    },
    /// Something is not where it was.
    #[error("the answer has no `{place}` {what}; it has {has}. Has the provider changed its answers?")]
    Changed {
        /// Where it should be.
        place: String,
        /// What it should be.
        what: &'static str,
        /// The names that are there.
        has: String,
    },
    /// The next page is this one.
    #[error("the page that is to come next is the one that was asked for: it would never end")]
    Loop,
    /// There are too many.
    #[error("there are more than {0} pages; set a shorter window")]
    Pages(u64),
    /// The next page would be on another host.
    #[error("the next page is on another host, where the key must not go")]
    Elsewhere,
    /// What is asked is no address.
    #[error("the address of the next page is none")]
    NoAddress,
    /// There have been enough within an hour.
    #[error(
        "{per_hour} requests within an hour are enough (`requests_per_hour_max`); the next may go in {seconds} seconds"
    )]
    Budget {
        /// How many are enough.
        per_hour: u32,
        /// How long to wait.
        seconds: u64,
    },
    /// It is being stopped.
    #[error("stopped")]
    Stopped,
}

/// What to do about a status.
fn advice(code: u16) -> &'static str {
    match code {
        401 => " (is the key the right one, and still valid?)",
        403 => " (the key has no right to read this: usage APIs need an admin or management key)",
        404 => " (is `url` right, and does this version of the API have the endpoint?)",
        429 => " (others may use up the limit of this key; a larger `every_seconds` asks less often)",
        _ => "",
    }
}

impl Fault {
    /// Whether it may pass by itself.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut { .. } | Self::NoJson { .. } => true,
            Self::Status { code, .. } => matches!(code, 408 | 425 | 429 | 500..=599),
            _ => false,
        }
    }
}

/// A window that could not be pulled.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{source_name}: {endpoint}, {from} to {to}, page {page}: {fault}{tried}", from = span.from, to = span.to, tried = tried(*attempts))]
pub struct PullError {
    /// The source.
    pub source_name: Arc<str>,
    /// What was asked.
    pub endpoint: String,
    /// From when to when.
    pub span: Span,
    /// Which page of it, from one.
    pub page: u64,
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong at last.
    pub fault: Fault,
}

fn tried(attempts: u32) -> String {
    if attempts > 1 { format!(" ({attempts} attempts)") } else { String::new() }
}

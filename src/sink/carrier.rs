//! What carries events to a receiver, and what comes of an attempt. Whether it is tried again is decided elsewhere.

use crate::net::trust::TrustError;
use crate::time::Timestamp;
use bytes::Bytes;
use std::fmt::Write as _;
use std::io;
use std::pin::Pin;
use std::time::Duration;

/// An event as it is carried.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// Its id and revision, as `id.revision`.
    pub name: String,
    /// Encoded.
    pub bytes: Bytes,
}

/// Events that go together, in order.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The same for the same events in the same revisions.
    pub key: String,
    /// The events; one at least.
    pub parcels: Vec<Parcel>,
}

impl Batch {
    /// All of them, one behind the other.
    pub fn joined(&self) -> Vec<u8> {
        self.parcels.iter().flat_map(|parcel| parcel.bytes.iter().copied()).collect()
    }
}

/// An attempt that is being made.
pub type Carrying<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// Carries events to one receiver.
pub trait Carrier: Send {
    /// Tries once; `now` is the time of the attempt.
    fn carry<'a>(&'a mut self, batch: &'a Batch, now: Timestamp) -> Carrying<'a>;

    /// Takes note of the bytes of a parcel that an earlier run has delivered; in order. With no file to keep it in, this is
    /// how whoever has to know what is open at the receiver does.
    fn recall(&mut self, _bytes: &[u8]) {}

    /// Tells again what the receiver would forget otherwise, where it is time to and it is one that forgets.
    fn remind(&mut self, _now: Timestamp) -> Option<Carrying<'_>> {
        None
    }

    /// How often that may be, at most.
    fn reminds_every(&self) -> Option<Duration> {
        None
    }

    /// How many events the receiver is reminded of.
    fn reminded(&self) -> usize {
        0
    }
}

/// What came of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Taken.
    Taken,
    /// The first of them are taken, and what came of the next one.
    Part(usize, Box<Self>),
    /// Not now: 408, 425, 429 and 5xx, with what `Retry-After` says.
    Later(u16, Option<String>),
    /// Not like this: any other status, with the receiver's words. Somebody has to mend something.
    Refused(u16, String),
    /// Received, and not acknowledged in time.
    Unacknowledged,
    /// A token or another secret cannot be read; the setting, and why.
    NoSecret(&'static str, String),
    /// No connection, or it ended before the answer did.
    Unreachable(String),
    /// There have been enough within an hour; the next may go after so many seconds.
    Rationed {
        /// How many are enough.
        per_hour: u32,
        /// How long to wait.
        seconds: u64,
    },
    /// It took too long.
    TimedOut,
}

/// A sink that cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// No certificates to trust.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// What it keeps cannot be read.
    #[error("{name}: {error}")]
    Io {
        /// The file.
        name: String,
        /// What the system says.
        error: io::Error,
    },
}

/// Words of a receiver that are told.
const WORDS_MAX: usize = 200;

/// What a receiver says is wrong: the usual places in an object of JSON, or a text that is no page.
pub fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let found = match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(value) => in_json(&value),
        Err(_) if text.trim_start().starts_with('<') => String::new(),
        Err(_) => text.trim().to_owned(),
    };
    short(&found, WORDS_MAX)
}

fn in_json(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.first().map_or_else(String::new, in_json),
        Value::Object(map) => {
            let mut told = String::new();
            for name in ["message", "description", "text", "reason", "error", "errors", "detail"] {
                let words = map.get(name).map_or_else(String::new, in_json);
                if !words.is_empty() && !told.contains(&words) {
                    // Writing to a text cannot fail.
                    let _ = write!(told, "{}{words}", if told.is_empty() { "" } else { ": " });
                }
            }
            told
        }
        _ => String::new(),
    }
}

/// The first `max` characters of a text.
pub fn short(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_where_receivers_put_them() {
        for (body, told) in [
            (
                r#"{"status":"invalid event","message":"Event object is invalid","errors":["Length of 'routing_key'"]}"#,
                "Event object is invalid: Length of 'routing_key'",
            ),
            (
                r#"{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}"#,
                "Bad Request: chat not found",
            ),
            (r#"{"text":"Invalid token","code":4}"#, "Invalid token"),
            (r#"{"error":{"type":"x","reason":"no such index"},"status":404}"#, "no such index"),
            (r#""start time must be before end time""#, "start time must be before end time"),
            (r#"{"detail":{"error":"No db connected"}}"#, "No db connected"),
            ("invalid_payload\n", "invalid_payload"),
            ("<html><body>502</body></html>", ""),
            ("", ""),
            ("[]", ""),
        ] {
            assert_eq!(words(body.as_bytes()), told);
        }
        assert_eq!(words(&[b'x'; 1000]).chars().count(), WORDS_MAX);
        assert_eq!((short("abc", 3), short("abcd", 3)), ("abc".to_owned(), "ab…".to_owned()));
    }
}

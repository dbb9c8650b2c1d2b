//! Rejected frames, for the reject file and for people.

use super::Visible;
use super::json::write_line;
use crate::record::Reject;
use serde::Serialize;
use std::fmt;

/// A reject with its place.
#[derive(Clone, Copy, Debug)]
pub struct RejectAt<'a> {
    /// Name of the input.
    pub source: &'a str,
    /// Line of the input, counted from 1.
    pub line: u64,
    /// What is wrong.
    pub reject: &'a Reject,
}

#[derive(Serialize)]
struct Json<'a> {
    schema: &'static str,
    event: &'static str,
    source: &'a str,
    line: u64,
    reason: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    field: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    value: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    frame: &'a str,
}

/// Appends a reject as one line of JSON (`keyhound.reject.v1`).
pub fn write_reject(at: RejectAt<'_>, out: &mut Vec<u8>) {
    let RejectAt { source, line, reject } = at;
    let event = Json {
        schema: "keyhound.reject.v1",
        event: "reject",
        source,
        line,
        reason: reject.reason.label(),
        field: &reject.field,
        value: &reject.value,
        message: &reject.message,
        frame: &reject.frame,
    };
    write_line(&event, out);
}

impl fmt::Display for RejectAt<'_> {
    /// `today.jsonl:17: bad_time: timestamp "yesterday": not a time; …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, line, reject } = self;
        write!(f, "{}:{line}: {}", Visible(source), What(reject))
    }
}

/// What is wrong, without where.
#[derive(Clone, Copy, Debug)]
pub struct What<'a>(pub &'a Reject);

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reject = self.0;
        write!(f, "{}: ", reject.reason.label())?;
        if !reject.field.is_empty() {
            write!(f, "{} ", reject.field)?;
        }
        if !reject.value.is_empty() {
            let short: String = reject.value.chars().take(60).collect();
            let more = if short.len() < reject.value.len() { "…" } else { "" };
            write!(f, "\"{}{more}\": ", Visible(&short))?;
        }
        f.write_str(&reject.message)
    }
}

//! One record of a key's use, as keyhound's own format has it.

use crate::time::{Stamp, Timestamp};
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

/// A record.
#[derive(Clone, PartialEq, Debug)]
pub struct Record {
    /// When, in whole milliseconds.
    pub at: Timestamp,
    /// Its identifier.
    pub id: u64,
    /// The key, as logs show it.
    pub key: Arc<str>,
    /// The model.
    pub model: Arc<str>,
    /// Tokens in and out.
    pub tokens: [u64; 2],
    /// The path.
    pub endpoint: Arc<str>,
    /// Where it came from.
    pub address: Option<IpAddr>,
    /// Client software.
    pub client: Arc<str>,
    /// The answer.
    pub status: u16,
}

/// An identifier as records have it.
pub fn request_id(id: u64) -> String {
    format!("req_{id:016x}")
}

/// Appends a record as one line of JSON. None of its texts needs an escape, which `sender` sees to.
pub fn write_record(record: &Record, out: &mut String) {
    let Record { at, id, key, model, tokens: [input, output], endpoint, address, client, status } = record;
    let _ = write!(
        out,
        "{{\"timestamp\":\"{}\",\"request_id\":\"{}\",\"api_key_prefix\":\"{key}\",\"model\":\"{model}\",\
         \"input_tokens\":{input},\"output_tokens\":{output},\"endpoint\":\"{endpoint}\"",
        Stamp::utc(*at),
        request_id(*id)
    );
    if let Some(address) = address {
        let _ = write!(out, ",\"source_ip\":\"{address}\"");
    }
    if !client.is_empty() {
        let _ = write!(out, ",\"user_agent\":\"{client}\"");
    }
    let _ = writeln!(out, ",\"status_code\":{status}}}");
}

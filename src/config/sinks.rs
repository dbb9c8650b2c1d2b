//! `[sinks.NAME]`: where events go besides the usual output, with everything they name checked and read.

mod email;
mod plan;
mod target;

pub use plan::{Route, SinkPlan};

use super::ConfigError;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One sink. What only some types have is refused by the others.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SinkConfig {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// How events are encoded; empty for what is usual for the type.
    pub encoding: String,
    /// Which events go there: `alert`, `incident`, `containment`.
    pub events: Vec<String>,
    /// Of which classes; empty for all.
    pub classes: Vec<String>,
    /// In which state of their life; empty for all.
    pub statuses: Vec<String>,
    /// How bad they are at least.
    pub severity_min: String,
    /// How long one attempt may take, in milliseconds.
    pub timeout_ms: u32,
    /// The longest pause between two attempts, in milliseconds.
    pub retry_max_ms: u32,
    /// Events of one request.
    pub batch_alerts_max: u32,
    /// Bytes of events that wait to be delivered; when there are as many, reading stops.
    pub outbox_bytes_max: u32,
    /// Where to.
    pub url: String,
    /// A file with the address, where that is a secret.
    pub url_file: PathBuf,
    /// Hosts that it may be; empty for those of the type, or any.
    pub hosts: Vec<String>,
    /// A file with the token.
    pub token_file: PathBuf,
    /// How the token is announced: `Bearer`, `Basic`, `ApiKey`, `Splunk`; empty for what is usual for the type.
    pub token_scheme: String,
    /// A file with the secret that requests are signed with.
    pub signature_file: PathBuf,
    /// Certificates to trust, in PEM; empty for those of the system.
    pub ca_file: PathBuf,
    /// `host:port` of a syslog server.
    pub address: String,
    /// `udp`, `tcp` or `tls`.
    pub protocol: String,
    /// The facility of syslog messages, by its number.
    pub facility: u32,
    /// What the machine is called in messages; empty for its name.
    pub hostname: String,
    /// An index or a data stream.
    pub index: String,
    /// Whether the indexers' acknowledgement is waited for.
    pub ack: bool,
    /// For how long, in milliseconds.
    pub ack_timeout_ms: u32,
    /// The chat that a bot writes to.
    pub chat: String,
    /// How often what is open is told again, in milliseconds.
    pub resend_ms: u32,
    /// How many open alerts are told again.
    pub active_max: u32,
    /// A file.
    pub path: PathBuf,
    /// Bytes of one file.
    pub file_bytes_max: u32,
    /// Files that are kept.
    pub files_max: u32,
    /// How mails are encrypted on their way: `starttls`, `tls` or, on this machine, `none`.
    pub encryption: String,
    /// The name at a mail server; empty for none.
    pub username: String,
    /// A file with the password that goes with it.
    pub password_file: PathBuf,
    /// Who mails come from.
    pub from: String,
    /// Whom they go to.
    pub to: Vec<String>,
    /// Mails of an hour; what is more waits and goes together.
    pub mails_per_hour_max: u32,
}

impl Default for SinkConfig {
    fn default() -> Self {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        Self {
            kind: String::new(),
            encoding: String::new(),
            events: texts(&["alert", "incident", "containment"]),
            classes: Vec::new(),
            statuses: Vec::new(),
            severity_min: "low".to_owned(),
            timeout_ms: 10_000,
            retry_max_ms: 30_000,
            batch_alerts_max: 100,
            outbox_bytes_max: 64 << 20,
            url: String::new(),
            url_file: PathBuf::new(),
            hosts: Vec::new(),
            token_file: PathBuf::new(),
            token_scheme: String::new(),
            signature_file: PathBuf::new(),
            ca_file: PathBuf::new(),
            address: String::new(),
            protocol: "tcp".to_owned(),
            facility: 16,
            hostname: String::new(),
            index: String::new(),
            ack: true,
            ack_timeout_ms: 60_000,
            chat: String::new(),
            resend_ms: 60_000,
            active_max: 10_000,
            path: PathBuf::new(),
            file_bytes_max: 100 << 20,
            files_max: 5,
            encryption: "starttls".to_owned(),
            username: String::new(),
            password_file: PathBuf::new(),
            from: String::new(),
            to: Vec::new(),
            mails_per_hour_max: 20,
        }
    }
}

impl SinkConfig {
    /// Its numbers, with their limits.
    fn numbers(&self) -> [(&'static str, u32, u32, u32); 11] {
        [
            ("timeout_ms", self.timeout_ms, 1, 600_000),
            ("retry_max_ms", self.retry_max_ms, 1, 3_600_000),
            ("batch_alerts_max", self.batch_alerts_max, 1, 10_000),
            ("outbox_bytes_max", self.outbox_bytes_max, 1024, 1 << 30),
            ("facility", self.facility, 0, 23),
            ("ack_timeout_ms", self.ack_timeout_ms, 100, 3_600_000),
            ("resend_ms", self.resend_ms, 100, 3_600_000),
            ("active_max", self.active_max, 1, 1_000_000),
            ("file_bytes_max", self.file_bytes_max, 1024, 1 << 30),
            ("files_max", self.files_max, 1, 1000),
            ("mails_per_hour_max", self.mails_per_hour_max, 1, 3600),
        ]
    }
}

/// Names are folders and labels, too.
const NAME_MAX: usize = 32;

/// Whether a sink may be called so.
pub(super) fn check_name(name: &str) -> Result<(), ConfigError> {
    if name == super::post::NAME {
        let message = "`sinks.post`: that is the name of the sink of `[post]`; choose another";
        return Err(ConfigError::setting(&["sinks", name], message));
    }
    check_word("sinks", name)
}

/// Whether something in this table may be called so.
pub(super) fn check_word(table: &str, name: &str) -> Result<(), ConfigError> {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(is_word) {
        let message =
            format!("`{table}.{name}`: a name has up to {NAME_MAX} lower-case letters, digits, `-` and `_`");
        return Err(ConfigError::setting(&[table, name], message));
    }
    Ok(())
}

#[cfg(test)]
mod tests;

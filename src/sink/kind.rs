//! The table of sinks: where events may be sent. One file and one row each.

use super::carrier::{Carrier, SinkError};
use super::{
    alertmanager, discord, elasticsearch, email, lines, otlp, pagerduty, rotating, slack, splunk_hec, syslog,
    teams, telegram,
};
use crate::config::SinkPlan;
use crate::shard::Event;
use std::path::Path;
use std::sync::Arc;

/// What the other side says when it has something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hears {
    /// That it has it.
    Acknowledgement,
    /// That it is connected, and no more.
    Connection,
    /// Nothing.
    Nothing,
}

/// Opens one; the folder is where it may keep what it has to remember over a restart.
pub type Open = fn(&Arc<SinkPlan>, Option<&Path>) -> Result<Box<dyn Carrier>, SinkError>;

/// A kind of sink.
pub struct Kind {
    /// Its `type` in the configuration.
    pub name: &'static str,
    /// What people read about it.
    pub summary: &'static str,
    /// What it can be told besides what all can.
    pub settings: &'static [&'static str],
    /// What of these it has to be told; of alternatives in one text, divided by a bar, one.
    pub required: &'static [&'static str],
    /// The encodings that it carries, the usual one first; none where it has a form of its own.
    pub encodings: &'static [&'static str],
    /// Where it goes if nothing else is said; empty where something has to be.
    pub url: &'static str,
    /// Hosts that it may go to if nothing else is said; none for any.
    pub hosts: &'static [&'static str],
    /// How a token is announced in the header `Authorization`; empty where it goes elsewhere.
    pub scheme: &'static str,
    /// Events of one request, at most.
    pub batch_max: usize,
    /// Whether what is open stays open there until it is told to be over.
    pub lasts: bool,
    /// What is heard of an event that has arrived.
    pub hears: fn(&SinkPlan) -> Hears,
    /// Appends an event as it is carried.
    pub write: fn(&SinkPlan, &Event, &mut Vec<u8>),
    /// Makes ready to carry; connects to nothing.
    pub open: Open,
}

/// All of them.
pub const ALL: &[Kind] = &[
    lines::KIND,
    alertmanager::KIND,
    syslog::KIND,
    splunk_hec::KIND,
    elasticsearch::KIND,
    otlp::KIND,
    slack::KIND,
    discord::KIND,
    telegram::KIND,
    teams::KIND,
    pagerduty::KIND,
    email::KIND,
    rotating::KIND,
];

/// What all of them can be told.
pub const COMMON: &[&str] = &[
    "type",
    "events",
    "classes",
    "statuses",
    "severity_min",
    "timeout_ms",
    "retry_max_ms",
    "batch_alerts_max",
    "outbox_bytes_max",
];

/// What those can be told that go by HTTP to an address that is no secret.
pub(super) const WEB: &[&str] =
    &["url", "url_file", "hosts", "token_file", "token_scheme", "signature_file", "ca_file"];

/// The kind of this name.
pub fn find(name: &str) -> Option<&'static Kind> {
    ALL.iter().find(|kind| kind.name == name)
}

/// It says that it has what it has.
pub(super) const fn acknowledges(_: &SinkPlan) -> Hears {
    Hears::Acknowledgement
}

/// Appends an event in the encoding that is configured.
pub(super) fn encoded(plan: &SinkPlan, event: &Event, out: &mut Vec<u8>) {
    (plan.encoding.write)(event, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SinkConfig;
    use crate::encode;

    #[test]
    fn rows_name_only_what_there_is() {
        let known = toml::Table::try_from(SinkConfig::default()).unwrap();
        let mut used: Vec<&str> = COMMON.to_vec();
        for (number, kind) in ALL.iter().enumerate() {
            assert!(ALL[..number].iter().all(|other| other.name != kind.name), "{}", kind.name);
            assert!(!kind.summary.is_empty() && kind.batch_max > 0);
            let required = kind.required.iter().flat_map(|names| names.split('|'));
            for name in kind.settings.iter().copied().chain(required) {
                assert!(known.contains_key(name), "{}: {name}", kind.name);
                assert!(!COMMON.contains(&name), "{}: {name}", kind.name);
                used.push(name);
            }
            assert_eq!(kind.encodings.is_empty(), !kind.settings.contains(&"encoding"), "{}", kind.name);
            for name in kind.encodings {
                assert!(encode::encoding(name).is_some(), "{}: {name}", kind.name);
            }
        }
        let unused: Vec<&String> = known.keys().filter(|name| !used.contains(&name.as_str())).collect();
        assert!(unused.is_empty(), "{unused:?}");
    }
}

//! What is known of an incident, as a run told it.

use super::row;
use crate::backtest::{dollars, escaped};
use crate::time::{SECOND, Stamp, Timestamp, parse};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use thiserror::Error;

/// Marks the line of a list in which these facts stand for the program.
const MARK: &str = "<!-- keyhound response ";
const END: &str = " -->";

/// An incident, as far as a response needs it. Everything is empty where none is named.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Its identity.
    pub incident_id: String,
    /// What may be shown of the key, its owner's name for it, and its fingerprint.
    pub api_key_prefix: String,
    /// The owner's name.
    pub api_key_alias: String,
    /// The fingerprint.
    pub key_id: String,
    /// What it is, and how bad.
    pub class: String,
    /// How bad.
    pub severity: String,
    /// One sentence.
    pub description: String,
    /// The first record of the thief, and the one that made the case.
    pub timestamp: String,
    /// The record that made the case.
    pub detected_at: String,
    /// The latest of it.
    pub updated_at: String,
    /// Requests and dollars so far.
    pub requests: u64,
    /// Dollars so far.
    pub cost_usd: f64,
    /// Addresses.
    pub source_ips: Vec<String>,
    /// What spoke for it, the weightiest first.
    pub terms: Vec<String>,
}

/// Why nothing is known.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FactsError {
    /// No line is this incident.
    #[error(
        "no incident whose incident_id begins with {0}; the JSON Lines that `keyhound run` has written are expected"
    )]
    None(String),
    /// Several begin like this.
    #[error("{0} and {1} both begin with {2}")]
    Several(String, String, String),
}

impl Facts {
    /// The incident whose identity begins with `id`, among what a run wrote; the last revision counts, and the first tells
    /// why.
    pub fn find<L: AsRef<[u8]>>(id: &str, lines: impl Iterator<Item = L>) -> Result<Self, FactsError> {
        let mut found: Option<Self> = None;
        for line in lines {
            let Ok(event) = serde_json::from_slice::<serde_json::Value>(line.as_ref()) else { continue };
            let is_meant = event["event"] == "incident"
                && !id.is_empty()
                && event["incident_id"].as_str().is_some_and(|known| known.starts_with(id));
            if !is_meant {
                continue;
            }
            let mut facts: Self = serde_json::from_value(event.clone()).unwrap_or_default();
            let texts = |list: &serde_json::Value, of: fn(&serde_json::Value) -> &serde_json::Value| {
                let list = list.as_array().map_or(&[][..], Vec::as_slice);
                list.iter().filter_map(|one| of(one).as_str().map(str::to_owned)).collect::<Vec<_>>()
            };
            facts.source_ips = texts(&event["evidence"]["source_ips"], |one| one);
            facts.terms = texts(&event["ledger"], |one| &one["term"]);
            if let Some(before) = &found {
                if before.incident_id != facts.incident_id {
                    return Err(FactsError::Several(
                        before.incident_id.clone(),
                        facts.incident_id,
                        id.to_owned(),
                    ));
                }
                (facts.terms, facts.detected_at) = (before.terms.clone(), before.detected_at.clone());
            }
            found = Some(facts);
        }
        found.ok_or_else(|| FactsError::None(id.to_owned()))
    }

    /// Those that stand in a list.
    pub fn of_list(list: &str) -> Option<Self> {
        let line = list.lines().find_map(|line| line.strip_prefix(MARK)?.strip_suffix(END))?;
        serde_json::from_str(line).ok()
    }

    /// The head of a list.
    pub(super) fn heading(&self, provider: Option<&str>) -> String {
        let key = if self.api_key_prefix.is_empty() { "a key" } else { &self.api_key_prefix };
        let mut text = format!("# Response: {}", escaped(key));
        if !self.class.is_empty() {
            let _ = write!(text, ", {}, {}", escaped(&self.class), escaped(&self.severity));
        }
        // Nothing ends a comment early.
        let facts = serde_json::to_string(self).unwrap_or_default().replace('>', "\\u003e");
        let _ = write!(text, "\n\n{MARK}{facts}{END}\n\n");
        if !self.description.is_empty() {
            let _ = writeln!(text, "{}.\n", escaped(&self.description));
        }
        text.push_str("| | |\n|---|---|\n");
        row(&mut text, "incident", &self.incident_id);
        row(&mut text, "key", &self.key());
        row(&mut text, "provider", provider.unwrap_or("any: name one with --provider for its commands"));
        row(&mut text, "first seen", &self.timestamp);
        row(&mut text, "told", &self.detected_at);
        row(&mut text, "latest", &self.updated_at);
        if !self.incident_id.is_empty() {
            let so_far = format!("${} in {}", dollars(self.cost_usd), requests(self.requests));
            row(&mut text, "so far", &so_far);
        }
        row(&mut text, "addresses", &self.source_ips.join(", "));
        text
    }

    /// The key with all its names.
    pub(super) fn key(&self) -> String {
        let mut text = self.api_key_prefix.clone();
        for more in [&self.api_key_alias, &self.key_id].into_iter().filter(|more| !more.is_empty()) {
            let _ = write!(text, "{}{more}", if text.is_empty() { "" } else { ", " });
        }
        text
    }

    /// A text with what is known in its places. What is copied into a shell is only what a shell takes as one word.
    pub(super) fn fill(&self, text: &str) -> String {
        let since: Option<Stamp> = parse(self.timestamp.as_bytes()).ok();
        let when = since.map_or_else(|| "$SINCE".to_owned(), |stamp| whole(stamp.at).to_string());
        let day =
            since.map_or_else(|| "$DAY".to_owned(), |stamp| stamp.to_string().chars().take(10).collect());
        let epoch =
            since.map_or_else(|| "$SINCE_EPOCH".to_owned(), |stamp| (stamp.at.0 / SECOND).to_string());
        let is_word = |text: &str| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
            !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain)
        };
        let word = |text: &str, else_: &str| if is_word(text) { text.to_owned() } else { else_.to_owned() };
        text.replace("{since_epoch}", &epoch)
            .replace("{since}", &when)
            .replace("{day}", &day)
            .replace("{key_id}", &word(&self.key_id, "$KEY_ID"))
            .replace("{key}", &word(&self.api_key_prefix, "$KEY"))
            .replace("{incident}", &word(&self.incident_id, "$INCIDENT"))
    }
}

/// So many requests, in words.
pub(super) fn requests(count: u64) -> String {
    format!("{count} request{}", if count == 1 { "" } else { "s" })
}

/// Without the fraction of its seconds: some providers refuse one.
fn whole(at: Timestamp) -> Timestamp {
    Timestamp(at.0 - at.0.rem_euclid(SECOND))
}

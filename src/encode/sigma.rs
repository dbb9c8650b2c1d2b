//! In the style of Sigma: what an engine for Sigma rules writes of a match, with the names that `RSigma` gives the parts
//! (`rule_title`, `rule_id`, `level`, `tags`, `matched_selections`, `matched_fields`, `event`).
//!
//! The detectors are no Sigma rules, but whoever receives matches of such rules has a place for title, id, level and tags.

use super::event::write_event;
use super::json::{Evidence, write_value};
use super::table::Encoding;
use super::techniques::{Catalogue, Technique};
use super::view::{View, rounded};
use crate::shard::Event;
use serde_json::{Value, json};

pub(super) const ENCODING: Encoding = Encoding {
    name: "sigma",
    summary: "In the style of Sigma: a match as RSigma writes it, with our own JSON as its event",
    media_type: "application/x-ndjson",
    is_json: true,
    write,
};

fn write(event: &Event, out: &mut Vec<u8>) {
    let Some(view) = View::of(event) else { return };
    let mut native = Vec::new();
    write_event(event, &mut native);
    let found = json!({
        "rule_title": view.title,
        "rule_id": rule_id(view.rule),
        "level": view.severity.label(),
        "tags": tags(&view),
        "matched_selections": [view.rule],
        "matched_fields": fields(&view),
        "event": serde_json::from_slice::<Value>(&native).unwrap_or_default(),
    });
    write_value(found, out);
}

/// The same UUID for all that a detector ever says, as rules of Sigma have one: of version 8, which is made of whatever one
/// likes.
fn rule_id(rule: &str) -> String {
    let hash = blake3::derive_key("keyhound 2026-11-30 sigma rule id", rule.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]).map(digit).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn digit(nibble: u8) -> char {
    char::from_digit(nibble.into(), 16).unwrap_or('0')
}

/// `attack.initial-access`, `attack.t1078.004`, `atlas.aml.t0012`, and the class as a tag of our own.
fn tags(view: &View<'_>) -> Vec<String> {
    let mut tags = Vec::new();
    for technique in &view.techniques {
        let Technique { id, tactic: (_, tactic), .. } = technique;
        let space = match technique.catalogue() {
            Catalogue::Attack => "attack",
            Catalogue::Atlas => "atlas",
        };
        let tactic = tactic.to_ascii_lowercase().replace(' ', "-");
        tags.extend((!tactic.is_empty()).then(|| format!("{space}.{tactic}")));
        tags.push(format!("{space}.{}", id.to_ascii_lowercase()));
    }
    tags.push(format!("keyhound.{}", view.class.label()));
    let mut told: Vec<String> = Vec::new();
    tags.retain(|tag| {
        let is_new = !told.contains(tag);
        told.push(tag.clone());
        is_new
    });
    tags
}

/// The numbers behind it: each fact of an alert, each term of a ledger.
fn fields(view: &View<'_>) -> Vec<Value> {
    let field = |name: &str, value: Value| json!({ "field": name, "value": value });
    let mut fields = vec![field("key_id", json!(view.key_id))];
    if let Ok(Value::Object(facts)) = serde_json::to_value(Evidence(view.evidence)) {
        fields.extend(facts.into_iter().map(|(name, value)| field(&name, value)));
    }
    fields.extend(view.ledger.iter().map(|term| field(term.name, json!(rounded(term.observed)))));
    if view.evidence.is_empty() {
        fields.extend(view.source_ips.iter().map(|address| field("source_ip", json!(address))));
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::examples::{events, read};

    /// What the specification of Sigma rules allows as level and as tag.
    const LEVELS: [&str; 5] = ["informational", "low", "medium", "high", "critical"];

    fn is_tag(tag: &str) -> bool {
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        tag.split_once('.').is_some_and(|(space, name)| {
            !space.is_empty()
                && space.bytes().all(is_word)
                && name.bytes().all(|byte| is_word(byte) || byte == b'.')
        })
    }

    #[test]
    fn it_is_a_match_of_a_rule() {
        for event in events() {
            let found = read(write, &event);
            let native = found["event"].clone();
            assert!(LEVELS.contains(&found["level"].as_str().unwrap()), "{found}");
            assert_eq!(found["level"], native["severity"]);
            let id = found["rule_id"].as_str().unwrap();
            assert_eq!((id.len(), &id[14..15]), (36, "8"), "{id}");
            for tag in found["tags"].as_array().unwrap() {
                assert!(is_tag(tag.as_str().unwrap()), "{tag}");
            }
            for one in found["matched_fields"].as_array().unwrap() {
                assert!(one["field"].is_string() && one.get("value").is_some(), "{one}");
            }
            assert_eq!(found["event"]["id"], native["id"]);
        }
    }

    #[test]
    fn a_rule_keeps_its_id_and_shares_it_with_none() {
        let mut ids: Vec<String> = crate::detect::ALL
            .iter()
            .map(|detector| rule_id(detector.name))
            .chain([rule_id("incident")])
            .collect();
        assert_eq!(rule_id("volume_spike"), "c1d87277-92f5-8aa6-836f-4e5402c4d5d5");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), crate::detect::ALL.len() + 1);
    }
}

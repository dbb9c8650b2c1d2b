//! Graylog's GELF 1.1: an object of JSON with a short and a full message, and fields of our own behind underscores.

use super::json::write_value;
use super::table::Encoding;
use super::techniques::Catalogue;
use super::view::{View, fact, millis};
use crate::detect::Severity;
use crate::shard::Event;
use serde_json::{Map, Value, json};
use std::fmt::Write;

pub(super) const ENCODING: Encoding = Encoding {
    name: "gelf",
    summary: "GELF 1.1 of Graylog, one object of JSON a line",
    media_type: "application/x-ndjson",
    is_json: true,
    write,
};

fn write(event: &Event, out: &mut Vec<u8>) {
    let Some(view) = View::of(event) else { return };
    let mut fields = Map::new();
    let mut full = view.description.to_owned();
    for (number, step) in (1..).zip(view.next_steps) {
        // Writing to a text cannot fail.
        let _ = write!(full, "\n{number}. {step}");
    }
    let millis = millis(view.updated.at);
    let fixed = [
        ("version", json!("1.1")),
        ("host", json!("keyhound")),
        ("short_message", json!(view.title)),
        ("full_message", json!(full)),
        ("timestamp", seconds(millis)),
        ("level", json!(level(view.severity))),
    ];
    fields.extend(fixed.map(|(name, value)| (name.to_owned(), value)));
    // Values are texts and numbers only, and `_id` is not allowed.
    let own = [
        ("_event", json!(view.event)),
        ("_event_id", json!(view.id)),
        ("_revision", json!(view.revision)),
        ("_status", json!(view.status)),
        ("_rule", json!(view.rule)),
        ("_class", json!(view.class.label())),
        ("_severity", json!(view.severity.label())),
        ("_key_id", json!(view.key_id)),
        ("_key_hint", json!(view.key_hint)),
        ("_key_alias", text(view.key_alias.to_owned())),
        ("_requests", json!(view.requests)),
        ("_cost_usd", json!(view.cost_usd)),
        ("_score_nats", json!(view.score.map(|(score, _)| score))),
        ("_source_addresses", text(view.source_ips.join(", "))),
        ("_models", text(view.models.join(", "))),
        ("_reason", text(view.reason.to_owned())),
        ("_theft_id", text(view.theft.to_owned())),
        ("_attack", text(view.ids(Catalogue::Attack).join(", "))),
        ("_atlas", text(view.ids(Catalogue::Atlas).join(", "))),
    ];
    fields.extend(own.map(|(name, value)| (name.to_owned(), value)));
    for (name, value) in view.evidence {
        fields.insert(format!("_evidence_{name}"), text(fact(value)));
    }
    write_value(Value::Object(fields), out);
}

fn text(text: String) -> Value {
    if text.is_empty() { Value::Null } else { Value::String(text) }
}

/// Seconds with three digits behind the point, to the millisecond.
#[allow(clippy::cast_precision_loss, reason = "milliseconds of a century fit")]
fn seconds(millis: i64) -> Value {
    json!(millis as f64 / 1000.0)
}

/// As syslog counts.
pub const fn level(severity: Severity) -> u8 {
    match severity {
        Severity::Critical => 2,
        Severity::High => 3,
        Severity::Medium => 4,
        Severity::Low => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::examples::{events, read};

    #[test]
    fn fields_are_what_the_format_allows() {
        for event in events() {
            let message = read(write, &event);
            let fields = message.as_object().unwrap();
            for needed in ["version", "host", "short_message", "timestamp", "level"] {
                assert!(fields.contains_key(needed), "{needed}");
            }
            let known = ["version", "host", "short_message", "full_message", "timestamp", "level"];
            for (name, value) in fields {
                assert!(value.is_string() || value.is_number(), "{name}: {value}");
                let is_own = name.strip_prefix('_').is_some_and(|name| {
                    name != "id" && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
                });
                assert!(is_own || known.contains(&name.as_str()), "{name}");
            }
        }
    }
}

//! One JSON object per event and line, the seed's names at the top level (`keyhound.event.v1`).

use super::is_invisible;
use crate::detect::{Alert, Fact};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::io;

/// Appends `alert` as one line.
pub fn write_alert(alert: &Alert, out: &mut Vec<u8>) {
    write_line(&Line::from(alert), out);
}

/// Appends a value as one line of JSON in which nothing invisible stands unescaped.
pub fn write_line(value: &impl Serialize, out: &mut Vec<u8>) {
    let start = out.len();
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, Escaping);
    // Nothing that we serialise can fail, and a Vec takes all; half a line must not go out all the same.
    if value.serialize(&mut serializer).is_err() {
        out.truncate(start);
        return;
    }
    out.push(b'\n');
}

/// Appends a value as one line of JSON without what is empty in it: `null`, lists and objects with nothing in them.
pub fn write_value(value: serde_json::Value, out: &mut Vec<u8>) {
    write_line(&pruned(value), out);
}

fn pruned(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    match value {
        Value::Array(list) => list.into_iter().map(pruned).filter(|value| !is_empty(value)).collect(),
        Value::Object(map) => {
            let fields = map.into_iter().map(|(name, value)| (name, pruned(value)));
            fields.filter(|(_, value)| !is_empty(value)).collect()
        }
        value => value,
    }
}

/// Compact JSON with the characters escaped that a terminal would obey; any reader gets them back.
struct Escaping;

impl serde_json::ser::Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Nearly every text, told faster by bytes than by characters.
        if fragment.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut done = 0;
        for (at, c) in fragment.char_indices().filter(|&(_, c)| is_invisible(c)) {
            writer.write_all(&fragment.as_bytes()[done..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            done = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[done..])
    }
}

#[derive(Serialize)]
struct Line<'a> {
    schema: &'static str,
    event: &'static str,
    id: String,
    revision: u32,
    status: &'static str,
    alert_type: &'static str,
    severity: &'static str,
    class: &'static str,
    description: &'a str,
    evidence: Evidence<'a>,
    timestamp: String,
    api_key_prefix: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    api_key_alias: &'a str,
    key_id: String,
    day: String,
    detected_at: String,
    updated_at: String,
    window_start: String,
    window_end: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<u64>,
    cost_usd: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoiced_usd: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    typical_cost_usd: Option<f64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    blind: &'a [&'a str],
    attack: &'a [&'a str],
    atlas: &'a [&'a str],
    next_steps: &'a [&'a str],
}

impl<'a> From<&'a Alert> for Line<'a> {
    fn from(alert: &'a Alert) -> Self {
        Self {
            schema: "keyhound.event.v1",
            event: "alert",
            id: alert.id.to_string(),
            revision: alert.revision,
            status: alert.status.label(),
            alert_type: alert.alert_type,
            severity: alert.severity.label(),
            class: alert.class.label(),
            description: &alert.description,
            evidence: Evidence(&alert.evidence),
            timestamp: alert.timestamp.to_string(),
            api_key_prefix: &alert.key_hint,
            api_key_alias: &alert.key_alias,
            key_id: alert.key.to_string(),
            day: alert.day.to_string(),
            detected_at: alert.detected_at.to_string(),
            updated_at: alert.updated_at.to_string(),
            window_start: alert.window_start.to_string(),
            window_end: alert.window_end.to_string(),
            requests: alert.requests,
            cost_usd: alert.cost.usd(),
            invoiced_usd: alert.invoiced.map(crate::money::NanoUsd::usd),
            typical_cost_usd: alert.typical_cost.map(crate::money::NanoUsd::usd),
            blind: &alert.blind,
            attack: alert.attack,
            atlas: alert.atlas,
            next_steps: alert.next_steps,
        }
    }
}

/// The numbers behind an alert, as an object in their own order.
pub(super) struct Evidence<'a>(pub &'a [(&'static str, Fact)]);

impl Serialize for Evidence<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, fact) in self.0 {
            match fact {
                Fact::Count(count) => map.serialize_entry(name, count)?,
                Fact::Number(number) => map.serialize_entry(name, number)?,
                Fact::Usd(amount) => map.serialize_entry(name, &amount.usd())?,
                Fact::Text(text) => map.serialize_entry(name, text)?,
                Fact::Texts(texts) => map.serialize_entry(name, texts)?,
                Fact::Counts(counts) => map.serialize_entry(name, counts)?,
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_comes_back_and_nothing_acts(text in any::<String>()) {
            let mut out = Vec::new();
            write_line(&text, &mut out);
            let line = String::from_utf8(out).unwrap();
            prop_assert!(line.ends_with('\n') && !line.trim_end_matches('\n').chars().any(is_invisible));
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }

    #[test]
    fn terminal_commands_are_escaped() {
        let mut out = Vec::new();
        write_line(&"\u{9b}31m\u{202e}\u{e0001}\x1b", &mut out);
        assert_eq!(out, b"\"\\u009b31m\\u202e\\udb40\\udc01\\u001b\"\n");
    }
}

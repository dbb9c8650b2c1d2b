//! ArcSight's Common Event Format, version 0.
//!
//! In the head a backslash and a bar are escaped, in values a backslash, an equals sign and line breaks; whatever else acts
//! instead of being seen stands as `\u{…}`, so that no text from outside ends a line, a field or a terminal's patience.

use super::table::Encoding;
use super::techniques::Catalogue;
use super::view::{View, millis};
use super::visible::is_invisible;
use crate::detect::Severity;
use crate::shard::Event;
use std::fmt::Write;
use std::net::IpAddr;

pub(super) const ENCODING: Encoding = Encoding {
    name: "cef",
    summary: "Common Event Format of ArcSight, one line each",
    media_type: "text/plain",
    is_json: false,
    write,
};

fn write(event: &Event, out: &mut Vec<u8>) {
    if let Some(view) = View::of(event) {
        let mut line = String::from("CEF:0");
        let severity = severity(view.severity).to_string();
        for part in ["keyhound", "keyhound", env!("CARGO_PKG_VERSION"), view.rule, view.title, &severity] {
            line.push('|');
            escape(part, "\\|", &mut line);
        }
        line.push('|');
        for (number, (name, value)) in fields(&view).into_iter().enumerate() {
            line.push_str(if number == 0 { "" } else { " " });
            line.push_str(name);
            line.push('=');
            escape(&value, "\\=", &mut line);
        }
        line.push('\n');
        out.extend_from_slice(line.as_bytes());
    }
}

/// From 0 to 10.
pub(super) const fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Low => 3,
        Severity::Medium => 5,
        Severity::High => 8,
        Severity::Critical => 10,
    }
}

/// Names of the dictionary, and numbers and texts with labels where it has none. What is empty is left out.
fn fields(view: &View<'_>) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("rt", millis(view.detected.at).to_string()),
        ("start", millis(view.first.at).to_string()),
        ("end", millis(view.updated.at).to_string()),
        ("externalId", view.id.clone()),
        ("deviceExternalId", view.key_id.clone()),
        ("cat", view.class.label().to_owned()),
        ("act", view.status.to_owned()),
        ("msg", view.description.to_owned()),
    ];
    let mut addresses: Vec<(&str, IpAddr)> = view.addresses().collect();
    if let Some((text, _)) = addresses.iter().find(|(_, address)| address.is_ipv4()) {
        fields.push(("src", (*text).to_owned()));
    }
    addresses.retain(|(_, address)| address.is_ipv6());
    if let Some((text, _)) = addresses.first() {
        fields.extend([("c6a2", (*text).to_owned()), ("c6a2Label", "Source IPv6 Address".to_owned())]);
    }
    let texts = [
        ("cs1", "cs1Label", "apiKey", view.key()),
        ("cs2", "cs2Label", "attack", view.ids(Catalogue::Attack).join(",")),
        ("cs3", "cs3Label", "atlas", view.ids(Catalogue::Atlas).join(",")),
        ("cs4", "cs4Label", "sourceAddresses", view.source_ips.join(",")),
        ("cs5", "cs5Label", "models", view.models.join(",")),
        ("cs6", "cs6Label", "reason", view.reason.to_owned()),
        ("cn1", "cn1Label", "requests", view.requests.map_or(String::new(), |count| count.to_string())),
        ("cn2", "cn2Label", "revision", view.revision.to_string()),
        ("cfp1", "cfp1Label", "scoreNats", view.score.map_or(String::new(), |(score, _)| score.to_string())),
        ("cfp2", "cfp2Label", "costUsd", view.cost_usd.to_string()),
    ];
    for (name, label, meaning, value) in texts {
        if !value.is_empty() {
            fields.extend([(name, value), (label, meaning.to_owned())]);
        }
    }
    fields
}

/// Appends a text in which each of `special` has a backslash before it, and nothing acts.
fn escape(text: &str, special: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c if special.contains(c) => out.extend(['\\', c]),
            c if is_invisible(c) => {
                // Writing to a text cannot fail.
                let _ = write!(out, "\\\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::examples::{events, with_texts, written};
    use proptest::prelude::*;

    /// Seven parts of a head and the fields behind it, as the format's own words define them: read without knowing how
    /// it was written.
    fn read(line: &str) -> (Vec<String>, Vec<(String, String)>) {
        let (mut head, mut part) = (Vec::new(), String::new());
        let mut chars = line.chars();
        while head.len() < 7 {
            match chars.next().expect("a head") {
                '\\' => part.push(unescaped(chars.next().unwrap())),
                '|' => head.push(std::mem::take(&mut part)),
                c => part.push(c),
            }
        }
        let mut fields: Vec<(String, String)> = Vec::new();
        let (mut value, mut name) = (String::new(), None);
        while let Some(c) = chars.next() {
            match c {
                '\\' => value.push(unescaped(chars.next().unwrap())),
                '=' => {
                    // The name is the last word before a bare equals sign.
                    let (before, word) = value.rsplit_once(' ').unwrap_or(("", &value));
                    let (before, word) = (before.to_owned(), word.to_owned());
                    if let Some(name) = name.replace(word) {
                        fields.push((name, before));
                    }
                    value.clear();
                }
                c => value.push(c),
            }
        }
        fields.extend(name.map(|name| (name, value)));
        (head, fields)
    }

    fn unescaped(c: char) -> char {
        match c {
            'n' => '\n',
            'r' => '\r',
            c => c,
        }
    }

    /// What comes back of a text: itself, but for what acts and is no line break.
    fn expected(text: &str) -> String {
        let told = |c| match c {
            '\n' | '\r' => c.to_string(),
            c if is_invisible(c) => format!("\\u{{{:x}}}", u32::from(c)),
            c => c.to_string(),
        };
        text.chars().map(told).collect()
    }

    #[test]
    fn heads_and_fields_are_read_back() {
        for event in events() {
            let line = written(write, &event);
            let (head, fields) = read(line.strip_suffix('\n').unwrap());
            let view = View::of(&event).unwrap();
            assert_eq!(
                (head[0].as_str(), head[4].as_str(), head[5].as_str()),
                ("CEF:0", view.rule, view.title)
            );
            assert!((3..=10).contains(&head[6].parse::<u8>().unwrap()));
            assert_eq!(
                fields,
                super::fields(&view).into_iter().map(|(n, v)| (n.to_owned(), v)).collect::<Vec<_>>()
            );
        }
    }

    proptest! {
        #[test]
        fn hostile_texts_come_back_and_nothing_acts(text in any::<String>(), alias in "[ -~=|\\\\\n]{1,30}") {
            for event in with_texts(&text, &alias) {
                let line = written(write, &event);
                prop_assert!(!line.trim_end_matches('\n').chars().any(is_invisible));
                prop_assert_eq!(line.matches('\n').count(), 1);
                let (_, fields) = read(line.strip_suffix('\n').unwrap());
                let of = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
                prop_assert_eq!(of("msg"), Some(expected(&text)));
                prop_assert_eq!(of("cs1"), Some(expected(&format!("...3f9c ({alias})"))));
            }
        }
    }
}

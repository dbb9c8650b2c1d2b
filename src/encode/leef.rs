//! IBM QRadar's Log Event Extended Format, version 2.0, with a tab between fields.
//!
//! The format knows no escapes: a tab, a line break, a backslash and whatever else acts stand as `\t`, `\n`, `\\` and
//! `\u{…}`. In the head a bar stands as `\u{7c}`.

use super::cef::severity;
use super::table::Encoding;
use super::techniques::Catalogue;
use super::view::{View, millis, shown};
use crate::shard::Event;

pub(super) const ENCODING: Encoding = Encoding {
    name: "leef",
    summary: "Log Event Extended Format 2.0 of QRadar, one line each",
    media_type: "text/plain",
    is_json: false,
    write,
};

fn write(event: &Event, out: &mut Vec<u8>) {
    if let Some(view) = View::of(event) {
        let mut line = String::from("LEEF:2.0");
        for part in ["keyhound", "keyhound", env!("CARGO_PKG_VERSION"), view.rule, "x09"] {
            line.push('|');
            line.push_str(&shown(part).replace('|', "\\u{7c}"));
        }
        line.push('|');
        for (number, (name, value)) in fields(&view).into_iter().enumerate() {
            line.push_str(if number == 0 { "" } else { "\t" });
            line.push_str(name);
            line.push('=');
            line.push_str(&shown(&value));
        }
        line.push('\n');
        out.extend_from_slice(line.as_bytes());
    }
}

/// Predefined names first, ours behind. What is empty is left out.
fn fields(view: &View<'_>) -> Vec<(&'static str, String)> {
    let source = view.addresses().next().map_or(String::new(), |(text, _)| text.to_owned());
    let name = if view.key_alias.is_empty() { view.key_hint } else { view.key_alias };
    let fields = [
        ("devTime", millis(view.updated.at).to_string()),
        ("cat", view.class.label().to_owned()),
        ("sev", severity(view.severity).to_string()),
        ("src", source),
        ("usrName", name.to_owned()),
        ("externalId", view.id.clone()),
        ("revision", view.revision.to_string()),
        ("status", view.status.to_owned()),
        ("title", view.title.to_owned()),
        ("msg", view.description.to_owned()),
        ("reason", view.reason.to_owned()),
        ("keyId", view.key_id.clone()),
        ("keyHint", view.key_hint.to_owned()),
        ("requests", view.requests.map_or(String::new(), |count| count.to_string())),
        ("costUsd", view.cost_usd.to_string()),
        ("scoreNats", view.score.map_or(String::new(), |(score, _)| score.to_string())),
        ("sourceAddresses", view.source_ips.join(",")),
        ("models", view.models.join(",")),
        ("attack", view.ids(Catalogue::Attack).join(",")),
        ("atlas", view.ids(Catalogue::Atlas).join(",")),
    ];
    fields.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::examples::{events, unshown, with_texts, written};
    use crate::encode::is_invisible;
    use proptest::prelude::*;

    fn read(line: &str) -> (Vec<&str>, Vec<(&str, String)>) {
        let parts: Vec<&str> = line.strip_suffix('\n').unwrap().splitn(7, '|').collect();
        assert_eq!((parts[0], parts[5]), ("LEEF:2.0", "x09"));
        let fields = parts[6].split('\t').map(|field| field.split_once('=').unwrap());
        (parts[..6].to_vec(), fields.map(|(name, value)| (name, unshown(value))).collect())
    }

    #[test]
    fn heads_and_fields_are_read_back() {
        for event in events() {
            let line = written(write, &event);
            let view = View::of(&event).unwrap();
            let (head, fields) = read(&line);
            assert_eq!(head[4], view.rule);
            assert_eq!(fields, super::fields(&view));
        }
    }

    proptest! {
        #[test]
        fn hostile_texts_come_back_and_nothing_acts(text in any::<String>(), alias in "[ -~=|\\\\\t\n]{1,30}") {
            for event in with_texts(&text, &alias) {
                let line = written(write, &event);
                let acts = |c: char| is_invisible(c) && c != '\t';
                prop_assert!(!line.trim_end_matches('\n').chars().any(acts));
                let (_, fields) = read(&line);
                let of = |name: &str| fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
                prop_assert_eq!(of("msg").unwrap_or_default(), text.clone());
                prop_assert_eq!(of("usrName"), Some(alias.clone()));
            }
        }
    }
}

//! Elastic Common Schema 9: an alert with rule, threat and, where models are known, `gen_ai`; the rest under `keyhound`.
//!
//! <https://www.elastic.co/docs/reference/ecs>. Numbers of severities are those of Elastic's own rules.

use super::json::{Evidence, write_value};
use super::table::Encoding;
use super::techniques::{Catalogue, Technique};
use super::view::{View, rounded};
use crate::detect::{Class, Severity};
use crate::shard::Event;
use serde_json::{Value, json};

pub(super) const ENCODING: Encoding = Encoding {
    name: "ecs",
    summary: "Elastic Common Schema, one object of JSON a line",
    media_type: "application/x-ndjson",
    is_json: true,
    write,
};

const VERSION: &str = "9.2.0";

fn write(event: &Event, out: &mut Vec<u8>) {
    if let Some(view) = View::of(event) {
        write_value(document(&view), out);
    }
}

fn document(view: &View<'_>) -> Value {
    let addresses: Vec<&str> = view.addresses().map(|(text, _)| text).collect();
    json!({
        "@timestamp": utc(view.updated.at),
        "ecs": { "version": VERSION },
        "message": view.description,
        "tags": ["keyhound", view.class.label()],
        "event": {
            "kind": "alert",
            "category": [category(view.class)],
            "type": ["info"],
            "module": "keyhound",
            "dataset": format!("keyhound.{}", view.event),
            "provider": "keyhound",
            "id": view.name(),
            "code": view.rule,
            "action": view.status,
            "reason": view.description,
            "severity": severity(view.severity),
            "risk_score": view.score.map(|(score, _)| score),
            "start": utc(view.first.at),
            "created": utc(view.detected.at),
            "end": view.is_over.then(|| utc(view.updated.at)),
        },
        "rule": {
            "id": view.rule,
            "name": view.title,
            "category": view.class.label(),
            "ruleset": "keyhound",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "threat": threat(view),
        "source": { "ip": addresses.first() },
        "related": { "ip": addresses },
        "gen_ai": { "request": { "model": view.models } },
        "observer": {
            "vendor": "keyhound",
            "product": "keyhound",
            "type": "anomaly-detection",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "keyhound": {
            "id": view.id,
            "revision": view.revision,
            "status": view.status,
            "class": view.class.label(),
            "severity": view.severity.label(),
            "key": { "id": view.key_id, "hint": view.key_hint, "alias": filled(view.key_alias) },
            "requests": view.requests,
            "cost_usd": view.cost_usd,
            "score_nats": view.score.map(|(score, _)| score),
            "threshold_nats": view.score.map(|(_, threshold)| threshold),
            "theft_id": filled(view.theft),
            "reason": filled(view.reason),
            "request_ids": view.request_ids,
            "atlas": view.ids(Catalogue::Atlas),
            "ledger": view.ledger.iter().map(|term| json!({
                "term": term.name,
                "nats": rounded(term.nats),
                "observed": rounded(term.observed),
                "expected": rounded(term.expected),
            })).collect::<Vec<_>>(),
            "evidence": Evidence(view.evidence),
            "next_steps": view.next_steps,
        },
    })
}

fn filled(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// In UTC, whatever zone the log writes.
fn utc(at: crate::time::Timestamp) -> String {
    at.to_string()
}

/// Of the categories that the schema allows.
const fn category(class: Class) -> &'static str {
    match class {
        Class::Compromise => "intrusion_detection",
        Class::Operational => "api",
        Class::Exposure => "iam",
        Class::Evasion => "configuration",
    }
}

const fn severity(severity: Severity) -> u32 {
    match severity {
        Severity::Low => 21,
        Severity::Medium => 47,
        Severity::High => 73,
        Severity::Critical => 99,
    }
}

/// Techniques and tactics of ATT&CK; those of ATLAS have no place in the schema beside them.
fn threat(view: &View<'_>) -> Value {
    let all = || view.techniques.iter().filter(|one| one.catalogue() == Catalogue::Attack);
    let (mut techniques, mut tactics) = (Vec::new(), Vec::new());
    let (mut parts, mut part_names) = (Vec::new(), Vec::new());
    for technique in all() {
        let Technique { id, name, parent, tactic, .. } = technique;
        let whole = if parent.is_empty() { (*id, *name) } else { (technique.parent_id(), *parent) };
        if !techniques.contains(&whole) {
            techniques.push(whole);
        }
        if !parent.is_empty() {
            parts.push(*id);
            part_names.push(format!("{parent}: {name}"));
        }
        if !tactic.0.is_empty() && !tactics.contains(tactic) {
            tactics.push(*tactic);
        }
    }
    if techniques.is_empty() {
        return Value::Null;
    }
    let (ids, names): (Vec<_>, Vec<_>) = techniques.into_iter().unzip();
    let (tactic_ids, tactic_names): (Vec<_>, Vec<_>) = tactics.into_iter().unzip();
    json!({
        "framework": "MITRE ATT&CK",
        "tactic": { "id": tactic_ids, "name": tactic_names },
        "technique": { "id": ids, "name": names, "subtechnique": { "id": parts, "name": part_names } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::examples::{events, read};

    /// The categories of the schema; `event.type` and `event.kind` are of few values, too.
    const CATEGORIES: [&str; 6] = ["api", "configuration", "iam", "intrusion_detection", "threat", "web"];

    #[test]
    fn what_elastic_looks_for_is_there() {
        for event in events() {
            let document = read(write, &event);
            for place in [
                "/@timestamp",
                "/ecs/version",
                "/event/id",
                "/event/code",
                "/rule/name",
                "/message",
                "/keyhound/key/id",
            ] {
                assert!(document.pointer(place).is_some_and(|value| value.as_str() != Some("")), "{place}");
            }
            let event = &document["event"];
            assert_eq!(event["kind"], "alert");
            assert!(CATEGORIES.contains(&event["category"][0].as_str().unwrap()));
            assert!(document["@timestamp"].as_str().unwrap().ends_with('Z'));
            assert_eq!(document["related"]["ip"][0], document["source"]["ip"]);
            let threat = &document["threat"];
            assert_eq!(
                threat["tactic"]["id"].as_array().map(Vec::len),
                threat["tactic"]["name"].as_array().map(Vec::len)
            );
        }
    }
}

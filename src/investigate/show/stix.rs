//! Indicators as a STIX 2.1 bundle (OASIS): what is told apart by a receiver has the same identifier whenever it is made.

use super::{TECHNIQUES, as_of, name, of};
use crate::investigate::report::{Indicator, Report};
use serde_json::{Value, json};
use uuid::Uuid;

/// Under which names STIX wants those of cyber-observable objects (section 2.9).
const OBSERVABLES: Uuid = Uuid::from_u128(0x00ab_edb4_aa42_466c_9c01_fed2_3315_a9b7);
/// The identifier of TLP:AMBER (section 7.2.1.4).
const TLP_AMBER: &str = "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82";

/// The bundle.
pub fn stix(report: &Report) -> String {
    let at = millis(&as_of(report));
    let identity = format!("identity--{}", name(&["identity", &report.key.id]));
    let mut objects = vec![json!({
        "type": "identity", "spec_version": "2.1", "id": identity, "created": at, "modified": at,
        "name": "the owner of the key", "identity_class": "organization",
    })];
    let mut techniques = Vec::new();
    for (id, title) in TECHNIQUES {
        let object = format!("attack-pattern--{}", name(&["attack-pattern", id]));
        objects.push(json!({
            "type": "attack-pattern", "spec_version": "2.1", "id": object, "created": at, "modified": at,
            "name": title,
            "external_references": [{ "source_name": "mitre-attack", "external_id": id }],
        }));
        techniques.push(object);
    }
    for one in &report.indicators.list {
        let Some(pattern) = pattern(one) else { continue };
        let id = format!("indicator--{}", name(&["indicator", &report.key.id, one.kind, &one.value]));
        objects.push(indicator(one, &id, &pattern, &identity, &at));
        for technique in &techniques {
            objects.push(json!({
                "type": "relationship", "spec_version": "2.1",
                "id": format!("relationship--{}", name(&["relationship", &id, technique])),
                "created": at, "modified": at, "created_by_ref": identity,
                "relationship_type": "indicates", "source_ref": id, "target_ref": technique,
                "object_marking_refs": [TLP_AMBER],
            }));
        }
    }
    objects.extend(observables(report));
    let refs: Vec<Value> = objects.iter().map(|object| object["id"].clone()).collect();
    objects.push(json!({
        "type": "report", "spec_version": "2.1", "id": format!("report--{}", name(&["report", &report.key.id, &at])),
        "created": at, "modified": at, "published": at, "created_by_ref": identity,
        "name": format!("Stolen API key {}", report.key.prefix), "description": report.verdict.summary,
        "report_types": ["indicator"], "object_refs": refs, "object_marking_refs": [TLP_AMBER],
    }));
    let bundle = json!({
        "type": "bundle", "id": format!("bundle--{}", name(&["bundle", &report.key.id, &at])), "objects": objects,
    });
    format!("{}\n", serde_json::to_string_pretty(&bundle).unwrap_or_default())
}

fn indicator(one: &Indicator, id: &str, pattern: &str, identity: &str, at: &str) -> Value {
    let first = millis(&one.first);
    let mut object = json!({
        "type": "indicator", "spec_version": "2.1", "id": id, "created": at, "modified": at,
        "created_by_ref": identity,
        "name": format!("{} {}", one.kind, one.value),
        "description": format!("{} requests, ${:.2}. {}", one.requests, one.cost_usd, one.shared_because),
        "indicator_types": [if one.is_shared { "anomalous-activity" } else { "malicious-activity" }],
        "pattern": pattern, "pattern_type": "stix", "valid_from": first,
        "object_marking_refs": [TLP_AMBER],
    });
    if one.is_shared {
        object["labels"] = json!(["shared-egress", "do-not-block"]);
    }
    object
}

fn pattern(one: &Indicator) -> Option<String> {
    let value = one.value.replace('\\', "\\\\").replace('\'', "\\'");
    Some(match one.kind {
        "address" => format!("[{}:value = '{value}']", address_type(&one.value)?),
        "network" => format!("[autonomous-system:number = {}]", one.value.strip_prefix("AS")?),
        "client" => {
            format!("[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = '{value}']")
        }
        _ => return None,
    })
}

fn address_type(value: &str) -> Option<&'static str> {
    match value.parse().ok()? {
        std::net::IpAddr::V4(_) => Some("ipv4-addr"),
        std::net::IpAddr::V6(_) => Some("ipv6-addr"),
    }
}

/// Addresses and networks as objects of their own, named by what makes them what they are.
fn observables(report: &Report) -> Vec<Value> {
    let mut objects = Vec::new();
    for one in of(report, "address") {
        if let Some(kind) = address_type(&one.value) {
            let id = Uuid::new_v5(&OBSERVABLES, json!({ "value": one.value }).to_string().as_bytes());
            objects.push(json!({ "type": kind, "spec_version": "2.1", "id": format!("{kind}--{id}"), "value": one.value }));
        }
    }
    for one in of(report, "network") {
        if let Some(number) = one.value.strip_prefix("AS").and_then(|number| number.parse::<u32>().ok()) {
            let id = Uuid::new_v5(&OBSERVABLES, json!({ "number": number }).to_string().as_bytes());
            let mut object = json!({
                "type": "autonomous-system", "spec_version": "2.1",
                "id": format!("autonomous-system--{id}"), "number": number,
            });
            if !one.about.is_empty() {
                object["name"] = json!(one.about);
            }
            objects.push(object);
        }
    }
    objects
}

/// A time to the millisecond in UTC, as STIX has it.
fn millis(time: &str) -> String {
    let seconds = time.get(..19).unwrap_or("1970-01-01T00:00:00");
    let fraction = time.get(20..).map_or("", |rest| rest.trim_end_matches('Z'));
    let mut digits: String = fraction.chars().filter(char::is_ascii_digit).take(3).collect();
    while digits.len() < 3 {
        digits.push('0');
    }
    format!("{seconds}.{digits}Z")
}

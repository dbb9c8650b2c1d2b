//! OCSF Detection Finding (class 2004): with nothing that version 1.5.0 does not have, or as 1.8.0 has it, with the profile
//! `incident`. (The profile `ai_operation` of 1.8.0 is one of activities; a finding may not have it.)
//!
//! <https://schema.ocsf.io/1.5.0/classes/detection_finding>. What the schema requires is a table in the tests.

use super::json::{Evidence, write_value};
use super::table::Encoding;
use super::techniques::Technique;
use super::view::{View, millis};
use crate::detect::{Class, Fact, Severity};
use crate::shard::Event;
use serde_json::{Value, json};

pub(super) const ENCODING: Encoding = Encoding {
    name: "ocsf",
    summary: "OCSF 1.5.0, Detection Finding (2004), one object of JSON a line",
    media_type: "application/x-ndjson",
    is_json: true,
    write,
};

/// The same by a newer version of the schema.
pub(super) const ENCODING_1_8: Encoding = Encoding {
    name: "ocsf18",
    summary: "OCSF 1.8.0, the same with the profile of incidents: verdict, priority, suspected breach",
    media_type: "application/x-ndjson",
    is_json: true,
    write: write_1_8,
};

/// The class, its category, and the version of the schema.
const CLASS: u32 = 2004;
const CATEGORY: u32 = 2;
const VERSION: &str = "1.5.0";
const VERSION_1_8: &str = "1.8.0";

fn write(event: &Event, out: &mut Vec<u8>) {
    if let Some(view) = View::of(event) {
        write_value(finding(&view), out);
    }
}

fn write_1_8(event: &Event, out: &mut Vec<u8>) {
    if let Some(view) = View::of(event) {
        let mut finding = finding(&view);
        renew(&view, &mut finding);
        write_value(finding, out);
    }
}

/// Makes of a finding by 1.5.0 one by 1.8.0: what an incident is taken for, and what was done about it.
fn renew(view: &View<'_>, finding: &mut Value) {
    let (verdict, verdict_name) = verdict(view);
    let (_, (priority, priority_name)) = severity(view.severity);
    finding["metadata"]["version"] = json!(VERSION_1_8);
    finding["metadata"]["profiles"] = json!(["incident"]);
    finding["verdict_id"] = json!(verdict);
    finding["verdict"] = json!(verdict_name);
    finding["priority_id"] = json!(priority);
    finding["priority"] = json!(priority_name);
    finding["is_suspected_breach"] = json!(view.class == Class::Compromise && !view.is_taken_back);
    finding["finding_info"]["analytic"]["state_id"] = json!(1);
    finding["finding_info"]["analytic"]["state"] = json!("Active");
    for resource in finding["resources"].as_array_mut().into_iter().flatten() {
        resource["role_id"] = json!(3);
        resource["role"] = json!("Affected");
    }
}

/// What it was taken for in the end, or is suspected to be.
fn verdict(view: &View<'_>) -> (u32, &'static str) {
    match (view.event, view.status) {
        ("incident", "dismissed") => (1, "False Positive"),
        ("incident", "confirmed") => (2, "True Positive"),
        (_, _) if view.is_taken_back => (3, "Disregard"),
        (_, _) => (4, "Suspicious"),
    }
}

fn finding(view: &View<'_>) -> Value {
    let (activity, activity_name) = activity(view);
    let (status, status_name) = status(view);
    let (severity, risk) = severity(view.severity);
    json!({
        "activity_id": activity,
        "activity_name": activity_name,
        "category_uid": CATEGORY,
        "category_name": "Findings",
        "class_uid": CLASS,
        "class_name": "Detection Finding",
        "type_uid": CLASS * 100 + activity,
        "type_name": format!("Detection Finding: {activity_name}"),
        "time": millis(view.updated.at),
        "start_time": millis(view.first.at),
        "end_time": millis(view.updated.at),
        "severity_id": severity.0,
        "severity": severity.1,
        "status_id": status,
        "status": status_name,
        "status_detail": view.status,
        "is_alert": !view.is_over,
        "message": view.description,
        "comment": (!view.reason.is_empty()).then_some(view.reason),
        "risk_level_id": risk.0,
        "risk_level": risk.1,
        "metadata": {
            "version": VERSION,
            "uid": view.name(),
            "event_code": view.rule,
            "log_name": "keyhound.event.v1",
            "product": {
                "name": "keyhound",
                "vendor_name": "keyhound",
                "version": env!("CARGO_PKG_VERSION"),
            },
        },
        "finding_info": {
            "uid": view.id,
            "title": view.title,
            "desc": view.description,
            "types": [view.class.label()],
            "created_time": millis(view.detected.at),
            "modified_time": millis(view.updated.at),
            "first_seen_time": millis(view.first.at),
            "last_seen_time": millis(view.updated.at),
            "analytic": {
                "uid": view.rule,
                "name": view.rule,
                "type_id": if view.event == "alert" { 1 } else { 2 },
                "type": if view.event == "alert" { "Rule" } else { "Behavioral" },
            },
            "attacks": view.techniques.iter().map(|technique| attack(technique)).collect::<Vec<_>>(),
        },
        "resources": [{ "uid": view.key_id, "name": view.key(), "type": "API key" }],
        "evidences": evidences(view),
        "anomaly_analyses": anomalies(view),
        "remediation": { "desc": view.next_steps.join("\n") },
        "unmapped": {
            "cost_usd": view.cost_usd,
            "requests": view.requests,
            "score_nats": view.score.map(|(score, _)| score),
            "threshold_nats": view.score.map(|(_, threshold)| threshold),
            "theft_id": (!view.theft.is_empty()).then_some(view.theft),
        },
    })
}

/// A finding is created, then updated; one that is over is closed.
const fn activity(view: &View<'_>) -> (u32, &'static str) {
    match (view.is_over, view.revision) {
        (true, _) => (3, "Close"),
        (false, 0) => (1, "Create"),
        (false, _) => (2, "Update"),
    }
}

fn status(view: &View<'_>) -> (u32, &'static str) {
    match (view.is_over, view.is_taken_back) {
        (_, true) => (3, "Suppressed"),
        (true, false) => (4, "Resolved"),
        (false, false) if view.status == "confirmed" => (2, "In Progress"),
        (false, false) => (1, "New"),
    }
}

/// Severity and level of risk, with their captions.
const fn severity(severity: Severity) -> ((u32, &'static str), (u32, &'static str)) {
    match severity {
        Severity::Low => ((2, "Low"), (1, "Low")),
        Severity::Medium => ((3, "Medium"), (2, "Medium")),
        Severity::High => ((4, "High"), (3, "High")),
        Severity::Critical => ((5, "Critical"), (4, "Critical")),
    }
}

fn attack(technique: &Technique) -> Value {
    let itself = json!({ "uid": technique.id, "name": technique.name });
    let (tactic, tactic_name) = technique.tactic;
    let tactic = (!tactic.is_empty()).then(|| json!({ "uid": tactic, "name": tactic_name }));
    if technique.parent.is_empty() {
        return json!({ "technique": itself, "tactic": tactic, "version": technique.version });
    }
    json!({
        "technique": { "uid": technique.parent_id(), "name": technique.parent },
        "sub_technique": itself,
        "tactic": tactic,
        "version": technique.version,
    })
}

fn evidences(view: &View<'_>) -> Vec<Value> {
    let mut evidences: Vec<Value> = view
        .addresses()
        .map(|(text, _)| json!({ "name": "source address", "src_endpoint": { "ip": text } }))
        .collect();
    if !view.request_ids.is_empty() {
        evidences.push(json!({ "name": "requests", "data": { "request_ids": view.request_ids } }));
    }
    if !view.evidence.is_empty() {
        evidences.push(json!({ "name": view.rule, "data": Evidence(view.evidence) }));
    }
    evidences
}

/// What was seen beside what is usual, each term of a ledger and each number of an alert.
fn anomalies(view: &View<'_>) -> Vec<Value> {
    let observation = |name: &str, kind: &str, value: String| json!({ "observation_parameter": name, "observation_type": kind, "observations": [{ "value": value }] });
    let number = |fact: &Fact| match fact {
        Fact::Count(count) => Some(count.to_string()),
        Fact::Number(number) => Some(super::view::rounded(*number).to_string()),
        Fact::Usd(amount) => Some(amount.usd().to_string()),
        Fact::Text(_) | Fact::Texts(_) | Fact::Counts(_) => None,
    };
    let (mut seen, mut usual) = (Vec::new(), Vec::new());
    for term in view.ledger {
        let told = |value: f64| super::view::rounded(value).to_string();
        seen.push(observation(term.name, term.meaning(), told(term.observed)));
        usual.push(observation(term.name, term.meaning(), told(term.expected)));
    }
    for (name, fact) in view.evidence {
        let Some(value) = number(fact) else { continue };
        let is_usual = USUAL.iter().any(|word| name.contains(word));
        let list = if is_usual { &mut usual } else { &mut seen };
        list.push(observation(name, view.rule, value));
    }
    if seen.is_empty() {
        return Vec::new();
    }
    let target = json!({ "name": view.key_id, "type": "API key" });
    vec![json!({ "analysis_targets": [target], "anomalies": seen, "baselines": usual })]
}

/// What names of facts hold that say what is usual.
const USUAL: [&str; 5] = ["baseline", "typical", "usual", "expected", "known"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::examples::{events, read};

    /// What the schema requires, as places in an object; `*` is each element of a list that is there. Of the schema's
    /// class Detection Finding, category, and the objects that are used, at 1.5.0.
    const REQUIRED: &[(&str, &str)] = &[
        ("", "activity_id"),
        ("", "category_uid"),
        ("", "class_uid"),
        ("", "type_uid"),
        ("", "time"),
        ("", "severity_id"),
        ("", "metadata"),
        ("", "finding_info"),
        ("metadata", "version"),
        ("metadata", "product"),
        ("metadata/product", "name"),
        ("metadata/product", "vendor_name"),
        ("finding_info", "uid"),
        ("finding_info", "title"),
        ("finding_info/analytic", "type_id"),
        ("finding_info/attacks/*/technique", "uid"),
        ("finding_info/attacks/*/sub_technique", "uid"),
        ("resources/*", "uid"),
        ("remediation", "desc"),
        ("anomaly_analyses/*", "analysis_targets"),
        ("anomaly_analyses/*", "anomalies"),
        ("anomaly_analyses/*/analysis_targets/*", "name"),
        ("anomaly_analyses/*/anomalies/*", "observation_parameter"),
        ("anomaly_analyses/*/anomalies/*", "observations"),
        ("anomaly_analyses/*/anomalies/*/observations/*", "value"),
        ("anomaly_analyses/*/baselines/*", "observation_parameter"),
        ("anomaly_analyses/*/baselines/*", "observations"),
        ("anomaly_analyses/*/baselines/*/observations/*", "value"),
    ];

    type Captions = &'static [(u64, &'static str)];

    /// What numbers the schema gives these, with the captions that have to stand beside them.
    const ENUMS: &[(&str, &str, Captions)] = &[
        ("activity_id", "activity_name", &[(1, "Create"), (2, "Update"), (3, "Close")]),
        ("status_id", "status", &[(1, "New"), (2, "In Progress"), (3, "Suppressed"), (4, "Resolved")]),
        ("severity_id", "severity", &[(2, "Low"), (3, "Medium"), (4, "High"), (5, "Critical")]),
        ("risk_level_id", "risk_level", &[(1, "Low"), (2, "Medium"), (3, "High"), (4, "Critical")]),
    ];

    fn at<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
        path.split('/').filter(|part| !part.is_empty()).fold(vec![value], |found, part| {
            let deeper = found.into_iter().flat_map(|value| match part {
                "*" => value.as_array().map(|list| list.iter().collect()).unwrap_or_default(),
                name => value.get(name).into_iter().collect::<Vec<_>>(),
            });
            deeper.collect()
        })
    }

    #[test]
    fn what_the_schema_requires_is_there() {
        for event in events() {
            let finding = read(write, &event);
            for (place, name) in REQUIRED {
                for object in at(&finding, place) {
                    let value = object.get(name).unwrap_or_else(|| panic!("{place}/{name}: {finding}"));
                    assert!(value.as_str() != Some(""), "{place}/{name}");
                }
            }
            for (number, caption, known) in ENUMS {
                let told = (finding[number].as_u64().unwrap(), finding[caption].as_str().unwrap());
                assert!(known.contains(&told), "{number}: {told:?}");
            }
            let activity = finding["activity_id"].as_u64().unwrap();
            assert_eq!(finding["type_uid"], 200_400 + activity);
            assert!(finding["time"].as_u64().unwrap() > 1_700_000_000_000, "milliseconds");
            for evidence in at(&finding, "evidences/*") {
                assert!(evidence.get("src_endpoint").or(evidence.get("data")).is_some(), "{evidence}");
            }
        }
    }

    /// What 1.8.0 adds stands in numbers and captions that belong together, and the rest is as before.
    #[test]
    fn the_newer_one_adds_the_profile_of_incidents() {
        const VERDICTS: Captions =
            &[(1, "False Positive"), (2, "True Positive"), (3, "Disregard"), (4, "Suspicious")];
        const PRIORITIES: Captions = &[(1, "Low"), (2, "Medium"), (3, "High"), (4, "Critical")];
        let mut verdicts = Vec::new();
        for event in events() {
            let (older, mut newer) = (read(write, &event), read(write_1_8, &event));
            for (number, caption, known) in
                [("verdict_id", "verdict", VERDICTS), ("priority_id", "priority", PRIORITIES)]
            {
                let told = (newer[number].as_u64().unwrap(), newer[caption].as_str().unwrap());
                assert!(known.contains(&told), "{number}: {told:?}");
            }
            verdicts.push(newer["verdict"].as_str().unwrap().to_owned());
            assert!(newer["is_suspected_breach"].is_boolean());
            assert_eq!(newer["metadata"]["profiles"], json!(["incident"]));
            let added = ["verdict_id", "verdict", "priority_id", "priority", "is_suspected_breach"];
            newer.as_object_mut().unwrap().retain(|name, _| !added.contains(&name.as_str()));
            for analytic in ["state_id", "state"] {
                newer["finding_info"]["analytic"].as_object_mut().unwrap().remove(analytic);
            }
            for role in ["role_id", "role"] {
                newer["resources"][0].as_object_mut().unwrap().remove(role);
            }
            newer["metadata"].as_object_mut().unwrap().remove("profiles");
            newer["metadata"]["version"] = json!(VERSION);
            assert_eq!(newer, older);
        }
        assert!(verdicts.contains(&"Suspicious".to_owned()), "{verdicts:?}");
        assert!(verdicts.contains(&"Disregard".to_owned()), "{verdicts:?}");
    }

    #[test]
    fn a_life_is_create_update_close() {
        let told = events().into_iter().map(|event| read(write, &event)["activity_name"].clone());
        let told: Vec<String> = told.map(|name| name.as_str().unwrap().to_owned()).collect();
        assert_eq!(told, ["Create", "Update", "Close", "Close", "Create", "Update", "Close"]);
    }
}

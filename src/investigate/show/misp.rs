//! Indicators as an event of MISP (its core format, as `misp-stix` and `PyMISP` read it).

use super::{as_of, name};
use crate::investigate::report::{Indicator, Report};
use serde_json::{Value, json};

/// The event.
pub fn misp(report: &Report) -> String {
    let at = as_of(report);
    let seconds = crate::time::parse(at.as_bytes()).map_or(0, |stamp| stamp.at.0 / crate::time::SECOND);
    let attributes: Vec<Value> =
        report.indicators.list.iter().filter_map(|one| attribute(one, report, seconds)).collect();
    let event = json!({ "Event": {
        "uuid": name(&["misp", &report.key.id, &at]).to_string(),
        "info": format!("Stolen API key {}: {}", report.key.prefix, report.verdict.summary),
        "date": at.get(..10).unwrap_or("1970-01-01"),
        "timestamp": seconds.to_string(),
        "threat_level_id": "2",
        "analysis": "2",
        "distribution": "0",
        "published": false,
        "Tag": [
            { "name": "tlp:amber" },
            { "name": "misp-galaxy:mitre-attack-pattern=\"Cloud Accounts - T1078.004\"" },
            { "name": "misp-galaxy:mitre-attack-pattern=\"Cloud Service Hijacking - T1496.004\"" },
        ],
        "Attribute": attributes,
    }});
    format!("{}\n", serde_json::to_string_pretty(&event).unwrap_or_default())
}

fn attribute(one: &Indicator, report: &Report, seconds: i64) -> Option<Value> {
    let kind = match one.kind {
        "address" => {
            one.value.parse::<std::net::IpAddr>().ok()?;
            "ip-src"
        }
        "network" => "AS",
        "client" => "user-agent",
        _ => return None,
    };
    let comment = [one.about.as_str(), one.shared_because.as_str()];
    let comment: Vec<&str> = comment.into_iter().filter(|text| !text.is_empty()).collect();
    Some(json!({
        "uuid": name(&["misp", &report.key.id, one.kind, &one.value]).to_string(),
        "type": kind,
        "category": "Network activity",
        "value": one.value,
        // What is shared is to be correlated, not blocked.
        "to_ids": !one.is_shared,
        "comment": comment.join("; "),
        "distribution": "5",
        "timestamp": seconds.to_string(),
        "first_seen": one.first,
        "last_seen": one.last,
    }))
}

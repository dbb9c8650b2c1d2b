//! `pagerduty`: a trigger for what begins or goes on, a resolve for what is over, of one incident each (Events API v2).

use super::carrier::short;
use super::http::{Draft, Reply, Shape, Web};
use super::kind::{Kind, acknowledges};
use super::message::{Message, only};
use crate::config::SinkPlan;
use crate::detect::Severity;
use crate::encode::{View, Visible};
use crate::shard::Event;
use serde_json::{Map, Value, json};

pub(super) const KIND: Kind = Kind {
    name: "pagerduty",
    summary: "a service of PagerDuty, by Events API v2",
    settings: &["url", "hosts", "token_file", "ca_file"],
    required: &["token_file"],
    encodings: &[],
    url: "https://events.pagerduty.com",
    hosts: &["events.pagerduty.com", "events.eu.pagerduty.com"],
    scheme: "",
    batch_max: 1,
    lasts: true,
    hears: acknowledges,
    write,
    open: |plan, _| Web::open(plan, &SHAPE),
};

static SHAPE: Shape = Shape {
    draft: |_, batch, token| {
        let mut body: Value = serde_json::from_slice(&only(batch)).unwrap_or_default();
        body["routing_key"] = json!(token);
        Draft::new("application/json", body.to_string()).at("/v2/enqueue")
    },
    judge: Reply::judged,
};

/// Characters of a summary, as PagerDuty allows.
const SUMMARY_MAX: usize = 1024;

fn write(_: &SinkPlan, event: &Event, out: &mut Vec<u8>) {
    let Some(view) = View::of(event) else { return };
    let message = Message::of(&view);
    let key = Visible(&view.key()).to_string();
    let severity = match view.severity {
        Severity::Low => "info",
        Severity::Medium => "warning",
        Severity::High => "error",
        Severity::Critical => "critical",
    };
    let details: Map<String, Value> =
        message.facts.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let mut details = Value::Object(details);
    details["what to do"] = json!(message.steps);
    let body = json!({
        "event_action": if view.is_over { "resolve" } else { "trigger" },
        // All revisions are one incident.
        "dedup_key": view.id,
        "client": "keyhound",
        "payload": {
            "summary": short(&format!("{key}: {}", message.text), SUMMARY_MAX),
            "source": key,
            "severity": severity,
            "timestamp": view.updated.at.to_string(),
            "component": view.key_id,
            "group": view.class.label(),
            "class": view.rule,
            "custom_details": details,
        },
    });
    out.extend_from_slice(body.to_string().as_bytes());
}

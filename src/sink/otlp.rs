//! `otlp`: log records to an OpenTelemetry collector, as JSON over HTTP (OTLP 1.x, `/v1/logs`).

use super::carrier::{Answer, words};
use super::http::{Draft, Reply, Shape, Web};
use super::kind::{Kind, WEB, acknowledges};
use crate::config::SinkPlan;
use crate::detect::Severity;
use crate::encode::techniques::Catalogue;
use crate::encode::{View, write_value};
use crate::shard::Event;
use serde_json::{Value, json};

pub(super) const KIND: Kind = Kind {
    name: "otlp",
    summary: "an OpenTelemetry collector, log records as JSON over HTTP",
    settings: WEB,
    required: &["url|url_file"],
    encodings: &[],
    url: "",
    hosts: &[],
    scheme: "Bearer",
    batch_max: 1_000,
    lasts: false,
    hears: acknowledges,
    write,
    open: |plan, _| Web::open(plan, &SHAPE),
};

static SHAPE: Shape = Shape {
    draft: |_, batch, _| {
        let records = batch.parcels.iter().map(|parcel| parcel.bytes.trim_ascii_end());
        let records = records.collect::<Vec<_>>().join(&b","[..]);
        let body = [HEAD.as_bytes(), &records, b"]}]}]}"].concat();
        Draft::new("application/json", body).at("/v1/logs")
    },
    judge,
};

const HEAD: &str = concat!(
    r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"keyhound"}},"#,
    r#"{"key":"service.version","value":{"stringValue":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}}]},"scopeLogs":[{"scope":{"name":"keyhound"},"logRecords":["#
);

/// A collector that takes only a part says how many it does not take, and which ones it does not say.
fn judge(reply: &Reply) -> Answer {
    let partial = &reply.json()["partialSuccess"];
    let refused = &partial["rejectedLogRecords"];
    // 64-bit numbers are texts in this JSON, but not everywhere.
    let refused = refused.as_str().and_then(|text| text.parse().ok()).or(refused.as_u64()).unwrap_or(0);
    if refused == 0 || !(200..300).contains(&reply.status) {
        return reply.judged();
    }
    let why = words(partial["errorMessage"].to_string().as_bytes());
    Answer::Refused(reply.status, format!("{refused} log records are not taken: {why}"))
}

fn write(_: &SinkPlan, event: &Event, out: &mut Vec<u8>) {
    let Some(view) = View::of(event) else { return };
    let (number, word) = severity(view.severity);
    let text = |text: &str| json!({ "stringValue": text });
    let texts = |texts: &[&str]| {
        let values: Vec<Value> = texts.iter().map(|one| json!({ "stringValue": one })).collect();
        if values.is_empty() { Value::Null } else { json!({ "arrayValue": { "values": values } }) }
    };
    let some = |value: &str| if value.is_empty() { Value::Null } else { text(value) };
    let double = |value: Option<f64>| value.map_or(Value::Null, |value| json!({ "doubleValue": value }));
    let attributes = [
        ("keyhound.id", text(&view.id)),
        ("keyhound.revision", json!({ "intValue": view.revision.to_string() })),
        ("keyhound.status", text(view.status)),
        ("keyhound.rule", text(view.rule)),
        ("keyhound.class", text(view.class.label())),
        ("keyhound.severity", text(view.severity.label())),
        ("keyhound.key.id", text(&view.key_id)),
        ("keyhound.key.hint", text(view.key_hint)),
        ("keyhound.key.alias", some(view.key_alias)),
        ("keyhound.cost_usd", double(Some(view.cost_usd))),
        (
            "keyhound.requests",
            view.requests.map_or(Value::Null, |count| json!({ "intValue": count.to_string() })),
        ),
        ("keyhound.score_nats", double(view.score.map(|(score, _)| score))),
        ("keyhound.source_addresses", texts(&view.source_ips)),
        ("keyhound.attack", texts(&view.ids(Catalogue::Attack))),
        ("keyhound.atlas", texts(&view.ids(Catalogue::Atlas))),
        ("gen_ai.request.model", view.models.first().map_or(Value::Null, |model| text(model))),
    ];
    let attributes = attributes.into_iter().filter(|(_, value)| !value.is_null());
    let attributes: Vec<Value> =
        attributes.map(|(key, value)| json!({ "key": key, "value": value })).collect();
    let record = json!({
        "timeUnixNano": view.updated.at.0.to_string(),
        "severityNumber": number,
        "severityText": word,
        "eventName": format!("keyhound.{}", view.event),
        "body": text(view.description),
        "attributes": attributes,
    });
    write_value(record, out);
}

/// As OpenTelemetry counts.
const fn severity(severity: Severity) -> (u8, &'static str) {
    match severity {
        Severity::Low => (9, "INFO"),
        Severity::Medium => (13, "WARN"),
        Severity::High => (17, "ERROR"),
        Severity::Critical => (21, "FATAL"),
    }
}

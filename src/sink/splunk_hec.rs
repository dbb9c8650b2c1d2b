//! `splunk_hec`: events to Splunk's HTTP Event Collector, taken only when the indexers have acknowledged them.
//!
//! A 200 of the collector says that events look well, not that they are kept. With `ack` (the default) it is asked until
//! it says that they are; if it does not within `ack_timeout_ms`, they are sent again.

use super::carrier::{Answer, Batch, Carrier, Carrying};
use super::http::{Draft, HttpClient};
use super::kind::{Hears, Kind, WEB};
use crate::config::SinkPlan;
use crate::encode::View;
use crate::shard::Event;
use crate::time::Timestamp;
use hyper::header::HeaderName;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const SETTINGS: [&str; 12] = [
    WEB[0],
    WEB[1],
    WEB[2],
    WEB[3],
    WEB[4],
    WEB[5],
    WEB[6],
    "encoding",
    "index",
    "hostname",
    "ack",
    "ack_timeout_ms",
];

pub(super) const KIND: Kind = Kind {
    name: "splunk_hec",
    summary: "Splunk's HTTP Event Collector, with acknowledgement by the indexers",
    settings: &SETTINGS,
    required: &["url|url_file", "token_file"],
    encodings: &["json", "ocsf", "ocsf18", "ecs", "cef", "leef", "gelf", "sigma"],
    url: "",
    hosts: &[],
    scheme: "Splunk",
    batch_max: 1_000,
    lasts: false,
    hears: |plan| if plan.config.ack { Hears::Acknowledgement } else { Hears::Connection },
    write,
    open: |plan, _| {
        let channel = uuid::Uuid::new_v5(
            &uuid::Uuid::NAMESPACE_URL,
            &ahash::RandomState::new().hash_one(0_u8).to_le_bytes(),
        );
        let client = HttpClient::new(plan)?;
        Ok(Box::new(Hec { client, plan: Arc::clone(plan), channel: channel.to_string() }))
    },
};

const CHANNEL: HeaderName = HeaderName::from_static("x-splunk-request-channel");
/// How soon the collector is asked for the first time; each further pause is twice as long, up to a limit.
const FIRST_ASKED: Duration = Duration::from_millis(200);
const ASKED_EVERY: Duration = Duration::from_secs(10);

#[allow(clippy::cast_precision_loss, reason = "milliseconds of a century fit")]
fn write(plan: &SinkPlan, event: &Event, out: &mut Vec<u8>) {
    let Some(view) = View::of(event) else { return };
    let mut encoded = Vec::new();
    (plan.encoding.write)(event, &mut encoded);
    let text = String::from_utf8_lossy(encoded.trim_ascii_end());
    let event = if plan.encoding.is_json { serde_json::from_str(&text).ok() } else { None };
    let mut envelope = json!({
        "time": view.updated.at.0.div_euclid(1_000_000) as f64 / 1000.0,
        "host": plan.hostname(),
        "source": "keyhound",
        "sourcetype": format!("keyhound:{}", plan.encoding.name),
        "event": event.unwrap_or_else(|| Value::String(text.into_owned())),
    });
    if !plan.config.index.is_empty() {
        envelope["index"] = json!(plan.config.index);
    }
    out.extend_from_slice(envelope.to_string().as_bytes());
    out.push(b'\n');
}

struct Hec {
    client: HttpClient,
    plan: Arc<SinkPlan>,
    /// What the collector keeps apart who asks for what by.
    channel: String,
}

impl Hec {
    async fn attempt(&self, batch: &Batch, now: Timestamp) -> Result<Answer, Answer> {
        let token = self.client.token().await?;
        let draft = self.draft("/services/collector/event", batch.joined());
        let reply = self.client.exchange(draft, token.as_deref(), &batch.key, now).await?;
        let answer = reply.judged();
        if answer != Answer::Taken || !self.plan.config.ack {
            return Ok(answer);
        }
        let Some(number) = reply.json()["ackId"].as_u64() else {
            let why = "the token acknowledges nothing: switch indexer acknowledgement on for it in Splunk, or set `ack = false`";
            return Ok(Answer::Refused(reply.status, why.to_owned()));
        };
        let within = Duration::from_millis(self.plan.config.ack_timeout_ms.into());
        let asked = self.acknowledged(number, token.as_deref(), now);
        tokio::time::timeout(within, asked).await.unwrap_or(Ok(Answer::Unacknowledged))
    }

    /// Asks until the events are kept.
    async fn acknowledged(&self, number: u64, token: Option<&str>, now: Timestamp) -> Result<Answer, Answer> {
        let mut pause = FIRST_ASKED;
        loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(ASKED_EVERY);
            let body = json!({ "acks": [number] }).to_string();
            let draft = self.draft("/services/collector/ack", body);
            let reply = self.client.exchange(draft, token, "", now).await?;
            match reply.judged() {
                Answer::Taken if reply.json()["acks"][number.to_string()] == true => {
                    return Ok(Answer::Taken);
                }
                Answer::Taken | Answer::Later(..) => {}
                answer => return Ok(answer),
            }
        }
    }

    fn draft(&self, path: &str, body: impl Into<bytes::Bytes>) -> Draft {
        let mut draft = Draft::new("application/json", body).at(path);
        draft.headers.push((CHANNEL, self.channel.clone()));
        draft
    }
}

impl Carrier for Hec {
    fn carry<'a>(&'a mut self, batch: &'a Batch, now: Timestamp) -> Carrying<'a> {
        Box::pin(async move { self.attempt(batch, now).await.unwrap_or_else(|answer| answer) })
    }
}

//! `alertmanager`: Prometheus' Alertmanager, by its API v2.
//!
//! Alertmanager forgets what it is not told again, so what is open is told again every `resend_ms`, with an end that lies
//! four such times ahead: if nobody tells it any more, it is over there by itself. Labels are what an alert is known by, so
//! only what stays the same is one; what changes is an annotation. Where the severity rises, what it was before is ended.

use super::active::Active;
use super::carrier::{Answer, Batch, Carrier, Carrying, SinkError};
use super::http::{Draft, HttpClient, Reply};
use super::kind::{Kind, WEB, acknowledges};
use crate::config::SinkPlan;
use crate::encode::techniques::Catalogue;
use crate::encode::{View, Visible, write_value};
use crate::shard::Event;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const SETTINGS: [&str; 9] =
    [WEB[0], WEB[1], WEB[2], WEB[3], WEB[4], WEB[5], WEB[6], "resend_ms", "active_max"];

pub(super) const KIND: Kind = Kind {
    name: "alertmanager",
    summary: "Prometheus' Alertmanager, told again until it is over",
    settings: &SETTINGS,
    required: &["url|url_file"],
    encodings: &[],
    url: "",
    hosts: &[],
    scheme: "Bearer",
    batch_max: 500,
    lasts: true,
    hears: acknowledges,
    write,
    open: |plan, folder| Ok(Box::new(Alertmanager::open(plan, folder)?)),
};

/// What is told is over there after so many times without being told again.
const TIMES: i64 = 4;
/// Alerts of one request when they are told again.
const AT_ONCE: usize = 500;
const LOST: &str = "what was open at Alertmanager is not told again and ends there by itself";

/// An alert as it waits: with what it is known by among ours.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Told {
    id: String,
    over: bool,
    alert: Map<String, Value>,
}

fn write(_: &SinkPlan, event: &Event, out: &mut Vec<u8>) {
    let Some(view) = View::of(event) else { return };
    let shown = |text: &str| Visible(text).to_string();
    let mut labels = json!({
        "alertname": format!("keyhound_{}", view.rule.trim_start_matches("keyhound_")),
        "event": view.event,
        "event_id": view.id,
        "class": view.class.label(),
        "severity": view.severity.label(),
        "key_id": view.key_id,
        "key": shown(view.key_hint),
    });
    // Alertmanager takes an empty label for none.
    labels["theft_id"] = json!(view.theft);
    let steps = (1..).zip(view.next_steps).map(|(number, step)| format!("{number}. {step}"));
    let texts = [
        ("summary", format!("{}: {}", shown(&view.key()), view.title)),
        ("description", shown(view.description)),
        ("status", view.status.to_owned()),
        ("revision", view.revision.to_string()),
        ("cost_usd", view.cost_usd.to_string()),
        ("requests", view.requests.map_or(String::new(), |count| count.to_string())),
        ("score_nats", view.score.map_or(String::new(), |(score, _)| score.to_string())),
        ("source_addresses", shown(&view.source_ips.join(", "))),
        ("attack", view.ids(Catalogue::Attack).join(", ")),
        ("atlas", view.ids(Catalogue::Atlas).join(", ")),
        ("next_steps", steps.collect::<Vec<_>>().join("\n")),
    ];
    let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
    let annotations: Map<String, Value> = texts.map(|(name, text)| (name.to_owned(), json!(text))).collect();
    let alert = json!({
        "labels": labels,
        "annotations": annotations,
        "startsAt": view.detected.at.to_string(),
    });
    write_value(json!({ "id": view.id, "over": view.is_over, "alert": alert }), out);
}

struct Alertmanager {
    client: HttpClient,
    resend: Duration,
    active_max: usize,
    /// What is open, by our ids.
    active: Active<Map<String, Value>>,
    /// When all of it was told last, and whether that went well.
    told: Option<Timestamp>,
    /// It was said that there are too many.
    is_full: bool,
}

impl Alertmanager {
    fn open(plan: &Arc<SinkPlan>, folder: Option<&Path>) -> Result<Self, SinkError> {
        Ok(Self {
            client: HttpClient::new(plan)?,
            resend: Duration::from_millis(plan.config.resend_ms.into()),
            active_max: plan.config.active_max as usize,
            active: Active::read(folder, LOST)?,
            told: None,
            is_full: false,
        })
    }

    fn resend_ns(&self) -> i64 {
        i64::try_from(self.resend.as_nanos()).unwrap_or(i64::MAX / TIMES)
    }

    /// An alert that goes on.
    fn open_until(&self, alert: &Map<String, Value>, now: Timestamp) -> Value {
        ending(alert, now.plus(self.resend_ns().saturating_mul(TIMES)))
    }

    async fn post(&self, alerts: Vec<Value>, key: &str, now: Timestamp) -> Result<Answer, Answer> {
        let token = self.client.token().await?;
        let draft = Draft::new("application/json", Value::Array(alerts).to_string()).at("/api/v2/alerts");
        self.client.exchange(draft, token.as_deref(), key, now).await.map(|reply| Reply::judged(&reply))
    }

    async fn attempt(&mut self, batch: &Batch, now: Timestamp) -> Answer {
        let mut alerts = Vec::new();
        let mut changes: BTreeMap<String, Option<Map<String, Value>>> = BTreeMap::new();
        for parcel in &batch.parcels {
            // Nobody but us has written it.
            let Ok(told) = serde_json::from_slice::<Told>(&parcel.bytes) else { continue };
            let before =
                changes.get(&told.id).cloned().unwrap_or_else(|| self.active.open.get(&told.id).cloned());
            if let Some(before) = before.filter(|before| before.get("labels") != told.alert.get("labels")) {
                alerts.push(ending(&before, now));
            }
            alerts.push(if told.over { ending(&told.alert, now) } else { self.open_until(&told.alert, now) });
            changes.insert(told.id, (!told.over).then_some(told.alert));
        }
        let answer = self.post(alerts, &batch.key, now).await.unwrap_or_else(|answer| answer);
        if answer == Answer::Taken {
            if self.active.open.is_empty() {
                self.told = Some(now);
            }
            self.change(changes);
        }
        answer
    }

    fn change(&mut self, changes: BTreeMap<String, Option<Map<String, Value>>>) {
        for (id, alert) in changes {
            match alert {
                None => drop(self.active.open.remove(&id)),
                Some(alert)
                    if self.active.open.len() < self.active_max || self.active.open.contains_key(&id) =>
                {
                    self.active.open.insert(id, alert);
                }
                Some(_) if self.is_full => {}
                Some(_) => {
                    self.is_full = true;
                    tracing::warn!(
                        "{} alerts are open, as many as `active_max` allows: further ones are told once and end there by themselves",
                        self.active_max
                    );
                }
            }
        }
        self.is_full &= self.active.open.len() >= self.active_max;
        self.active.keep();
    }

    async fn remind_all(&mut self, now: Timestamp) -> Answer {
        let alerts: Vec<Value> = self.active.open.values().map(|alert| self.open_until(alert, now)).collect();
        let mut answer = Answer::Taken;
        for some in alerts.chunks(AT_ONCE) {
            answer = self.post(some.to_vec(), "", now).await.unwrap_or_else(|answer| answer);
            if answer != Answer::Taken {
                // Not as soon as the time is over again, but sooner than it would be.
                self.told = Some(now.minus(self.resend_ns() / 2));
                return answer;
            }
        }
        self.told = Some(now);
        answer
    }
}

/// An alert with its end, which is not before its start.
fn ending(alert: &Map<String, Value>, end: Timestamp) -> Value {
    let mut alert = alert.clone();
    let start =
        alert.get("startsAt").and_then(Value::as_str).and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let start = start.and_then(|start| i64::try_from(start.as_nanosecond()).ok()).map_or(end, Timestamp);
    alert.insert("endsAt".to_owned(), json!(end.max(start).to_string()));
    Value::Object(alert)
}

impl Carrier for Alertmanager {
    fn carry<'a>(&'a mut self, batch: &'a Batch, now: Timestamp) -> Carrying<'a> {
        Box::pin(self.attempt(batch, now))
    }

    fn recall(&mut self, bytes: &[u8]) {
        if let Ok(Told { id, over, alert }) = serde_json::from_slice(bytes) {
            self.change(BTreeMap::from([(id, (!over).then_some(alert))]));
        }
    }

    fn remind(&mut self, now: Timestamp) -> Option<Carrying<'_>> {
        let is_due = self.told.is_none_or(|told| now >= told.plus(self.resend_ns()));
        (is_due && !self.active.open.is_empty()).then(|| -> Carrying<'_> { Box::pin(self.remind_all(now)) })
    }

    fn reminds_every(&self) -> Option<Duration> {
        Some(self.resend)
    }

    fn reminded(&self) -> usize {
        self.active.open.len()
    }
}

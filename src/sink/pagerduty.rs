//! `pagerduty`: a trigger for what begins or goes on, a resolve for what is over (Events API v2).
//!
//! Who comes to forty keys is one incident there and wakes one person once: all incidents of a theft have one
//! `dedup_key`, and it is resolved when the last of them is over.

use super::active::Active;
use super::carrier::{Answer, Batch, Carrier, Carrying, SinkError, short};
use super::http::{Draft, HttpClient};
use super::kind::{Kind, acknowledges};
use super::message::{Message, only};
use crate::config::SinkPlan;
use crate::detect::Severity;
use crate::encode::{View, Visible, write_value};
use crate::shard::Event;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

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
    open: |plan, folder| Ok(Box::new(Pager::open(plan, folder)?)),
};

/// An event as it waits: with what it is known by among ours.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Told {
    id: String,
    /// What it is known by there.
    group: String,
    over: bool,
    body: Map<String, Value>,
}

/// Thefts of which more than one incident is open that are remembered; of one beyond them the first that is over
/// resolves all.
const GROUPS_MAX: usize = 10_000;
/// Open incidents of one theft that are remembered.
const MEMBERS_MAX: usize = 1_000;
const LOST: &str = "the first incident of a theft that is over resolves all of it at PagerDuty";

/// The open incidents of each theft.
struct Thefts(Active<BTreeSet<String>>);

impl Thefts {
    /// Those of its theft, once this is told.
    fn with(&self, told: &Told) -> BTreeSet<String> {
        let mut members = self.0.open.get(&told.group).cloned().unwrap_or_default();
        if told.over {
            members.remove(&told.id);
        } else if members.len() < MEMBERS_MAX {
            members.insert(told.id.clone());
        }
        members
    }

    fn set(&mut self, group: String, members: BTreeSet<String>) {
        let open = &mut self.0.open;
        if members.is_empty() {
            open.remove(&group);
        } else if open.len() < GROUPS_MAX || open.contains_key(&group) {
            open.insert(group, members);
        }
    }
}

struct Pager {
    client: HttpClient,
    thefts: Thefts,
}

impl Pager {
    fn open(plan: &Arc<SinkPlan>, folder: Option<&Path>) -> Result<Self, SinkError> {
        Ok(Self { client: HttpClient::new(plan)?, thefts: Thefts(Active::read(folder, LOST)?) })
    }

    async fn attempt(&mut self, batch: &Batch, now: Timestamp) -> Result<Answer, Answer> {
        // Nobody but us has written it.
        let Ok(told) = serde_json::from_slice::<Told>(&only(batch)) else { return Ok(Answer::Taken) };
        let members = self.thefts.with(&told);
        if !told.over || members.is_empty() {
            let token = self.client.token().await?;
            let mut body = told.body;
            body.insert("routing_key".to_owned(), json!(token));
            let draft = Draft::new("application/json", Value::Object(body).to_string()).at("/v2/enqueue");
            let answer = self.client.exchange(draft, token.as_deref(), &batch.key, now).await?.judged();
            if answer != Answer::Taken {
                return Ok(answer);
            }
        }
        self.thefts.set(told.group, members);
        self.thefts.0.keep();
        Ok(Answer::Taken)
    }
}

impl Carrier for Pager {
    fn carry<'a>(&'a mut self, batch: &'a Batch, now: Timestamp) -> Carrying<'a> {
        Box::pin(async move { self.attempt(batch, now).await.unwrap_or_else(|answer| answer) })
    }

    fn recall(&mut self, bytes: &[u8]) {
        if let Ok(told) = serde_json::from_slice::<Told>(bytes) {
            let members = self.thefts.with(&told);
            self.thefts.set(told.group, members);
        }
    }
}

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
    let group = if view.theft.is_empty() { &view.id } else { view.theft };
    let body = json!({
        "event_action": if view.is_over { "resolve" } else { "trigger" },
        // All revisions are one incident, and so are all keys of a theft.
        "dedup_key": group,
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
    write_value(json!({ "id": view.id, "group": group, "over": view.is_over, "body": body }), out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theft_is_over_when_the_last_of_its_incidents_is() {
        let mut thefts = Thefts(Active::read(None, LOST).unwrap());
        let mut tell = |group: &str, id: &str, over: bool| {
            let told = Told { id: id.to_owned(), group: group.to_owned(), over, body: Map::new() };
            let members = thefts.with(&told);
            let open = members.len();
            thefts.set(told.group, members);
            (open, thefts.0.open.values().map(BTreeSet::len).max().unwrap_or(0))
        };
        let mut open = |group: &str, id: &str, over: bool| tell(group, id, over).0;
        assert_eq!([open("t", "a", false), open("t", "a", false), open("t", "b", false)], [1, 1, 2]);
        assert_eq!([open("u", "c", false), open("u", "c", true)], [1, 0], "another theft");
        assert_eq!([open("t", "a", true), open("t", "a", true), open("t", "b", true)], [1, 1, 0]);
        assert_eq!(tell("t", "b", true), (0, 0), "told twice, and nothing is left");
        // No more are remembered than this.
        let most = (0..MEMBERS_MAX + 5).map(|number| tell("t", &number.to_string(), false).1).max();
        assert_eq!(most, Some(MEMBERS_MAX));
    }
}

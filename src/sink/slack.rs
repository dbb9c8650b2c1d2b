//! `slack`: a message to a channel by an incoming webhook, in blocks of plain text, which no text from outside can shape.

use super::carrier::short;
use super::kind::Kind;
use super::message::{Message, webhook};
use crate::config::SinkPlan;
use crate::encode::View;
use crate::shard::Event;
use serde_json::json;

pub(super) const KIND: Kind = webhook(
    "slack",
    "a channel of Slack, by an incoming webhook",
    &["hooks.slack.com", "hooks.slack-gov.com"],
    write,
);

fn write(_: &SinkPlan, event: &Event, out: &mut Vec<u8>) {
    let Some(view) = View::of(event) else { return };
    let message = Message::of(&view);
    let plain = |text: &str, max| json!({ "type": "plain_text", "text": short(text, max), "emoji": false });
    let facts = message.facts.iter().map(|(name, value)| format!("{name}: {value}"));
    let mut blocks = vec![
        json!({ "type": "header", "text": plain(&message.title, 150) }),
        json!({ "type": "section", "text": plain(&message.text, 3000) }),
        json!({ "type": "section", "text": plain(&facts.collect::<Vec<_>>().join("\n"), 3000) }),
    ];
    if !message.steps.is_empty() {
        blocks.push(json!({ "type": "section", "text": plain(&message.steps.join("\n"), 3000) }));
    }
    // What notifications show; in it `<!channel>` would call everybody.
    let text = message.title.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    out.extend_from_slice(json!({ "text": text, "mrkdwn": false, "blocks": blocks }).to_string().as_bytes());
}

//! `teams`: a card to a channel of Microsoft Teams by a workflow's webhook, in runs of plain text.

use super::kind::Kind;
use super::message::{Message, webhook};
use crate::config::SinkPlan;
use crate::detect::Severity;
use crate::encode::View;
use crate::shard::Event;
use serde_json::json;

// Each tenant's workflows have a host of their own, so any is allowed.
pub(super) const KIND: Kind =
    webhook("teams", "a channel of Microsoft Teams, by a workflow's webhook", &[], write);

fn write(_: &SinkPlan, event: &Event, out: &mut Vec<u8>) {
    let Some(view) = View::of(event) else { return };
    let message = Message::of(&view);
    let colour = match view.severity {
        _ if view.is_over => "Good",
        Severity::Low => "Default",
        Severity::Medium => "Warning",
        Severity::High | Severity::Critical => "Attention",
    };
    // A text block would be read as Markdown; runs are not.
    let run = |text: &str, weight: &str, color: &str| {
        json!({
            "type": "RichTextBlock",
            "inlines": [{ "type": "TextRun", "text": text, "weight": weight, "color": color }],
        })
    };
    let facts = message.facts.iter().map(|(name, value)| format!("{name}: {value}"));
    let mut body = vec![run(&message.title, "Bolder", colour), run(&message.text, "Default", "Default")];
    body.extend(facts.chain(message.steps.iter().cloned()).map(|line| run(&line, "Default", "Default")));
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": message.title,
        "body": body,
    });
    let attachment = json!({ "contentType": "application/vnd.microsoft.card.adaptive", "content": card });
    out.extend_from_slice(json!({ "type": "message", "attachments": [attachment] }).to_string().as_bytes());
}

//! `discord`: a message to a channel by a webhook, in Markdown, that mentions nobody.

use super::carrier::short;
use super::kind::Kind;
use super::message::{Message, webhook};
use crate::config::SinkPlan;
use crate::encode::{View, escape_markdown};
use crate::shard::Event;
use serde_json::json;

pub(super) const KIND: Kind = webhook(
    "discord",
    "a channel of Discord, by a webhook",
    &["discord.com", "discordapp.com", "canary.discord.com", "ptb.discord.com"],
    write,
);

/// Characters of a message, as Discord allows.
const CONTENT_MAX: usize = 2000;
/// A sentence has to leave room for what is known and what to do, with a backslash before each mark.
const TEXT_MAX: usize = 400;

fn write(_: &SinkPlan, event: &Event, out: &mut Vec<u8>) {
    let Some(view) = View::of(event) else { return };
    let message = Message::of(&view);
    let mut lines = vec![
        format!("**{}**", escape_markdown(&message.title)),
        escape_markdown(&short(&message.text, TEXT_MAX)),
    ];
    let facts = message.facts.iter().map(|(name, value)| format!("- {name}: {}", escape_markdown(value)));
    lines.extend(facts);
    lines.extend(message.steps.iter().map(|step| escape_markdown(step)));
    // Nobody is called, whatever somebody calls himself.
    let body = json!({
        "content": short(&lines.join("\n"), CONTENT_MAX),
        "allowed_mentions": { "parse": [] },
        "username": "keyhound",
    });
    out.extend_from_slice(body.to_string().as_bytes());
}

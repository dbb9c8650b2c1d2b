//! `telegram`: a message of a bot to a chat, in plain text. The bot's token is a part of the address and never shown.

use super::carrier::{Answer, short};
use super::http::{Draft, Reply, Shape, Web};
use super::kind::{Kind, acknowledges};
use super::message::{Message, only};
use crate::config::SinkPlan;
use crate::encode::View;
use crate::shard::Event;
use serde_json::json;

pub(super) const KIND: Kind = Kind {
    name: "telegram",
    summary: "a chat of Telegram, by a bot",
    settings: &["url", "hosts", "token_file", "ca_file", "chat"],
    required: &["token_file", "chat"],
    encodings: &[],
    url: "https://api.telegram.org",
    hosts: &["api.telegram.org"],
    scheme: "",
    batch_max: 1,
    lasts: false,
    hears: acknowledges,
    write,
    open: |plan, _| Web::open(plan, &SHAPE),
};

static SHAPE: Shape = Shape {
    draft: |_, batch, token| {
        let suffix = format!("/bot{}/sendMessage", token.unwrap_or_default());
        Draft::new("application/json", only(batch)).at(suffix)
    },
    judge,
};

/// Telegram says in its answer how long it wants to be left alone, and that it has not found the bot by a 404.
fn judge(reply: &Reply) -> Answer {
    match reply.judged() {
        Answer::Later(status, None) => {
            let after = reply.json()["parameters"]["retry_after"].as_u64();
            Answer::Later(status, after.map(|seconds| seconds.to_string()))
        }
        Answer::Refused(404, words) => Answer::Refused(401, words),
        answer => answer,
    }
}

/// Characters of a message, as Telegram allows.
const TEXT_MAX: usize = 4096;

fn write(plan: &SinkPlan, event: &Event, out: &mut Vec<u8>) {
    let Some(view) = View::of(event) else { return };
    let body = json!({
        "chat_id": plan.config.chat,
        "text": short(&Message::of(&view).lines(), TEXT_MAX),
        "link_preview_options": { "is_disabled": true },
    });
    out.extend_from_slice(body.to_string().as_bytes());
}

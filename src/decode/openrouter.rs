//! `openrouter`: OpenRouter's generation records, as `/api/v1/generation` and exports give them. They name no key
//! and no address; `native_tokens_*` are what is billed, `tokens_*` are counted with another tokenizer.

use super::draft::{self, Draft, Read};
use super::field::Field;
use super::map::{Extras, Map, at};
use super::{Format, How};
use crate::json::Value;

pub(super) fn format() -> Format {
    let places = [
        at("/created_at", Field::Time),
        at("/id", Field::RequestId),
        at("/model", Field::Model),
        at("/native_tokens_prompt", Field::InputTokens),
        at("/native_tokens_completion", Field::OutputTokens),
        at("/native_tokens_cached", Field::CacheRead),
        at("/native_tokens_reasoning", Field::Reasoning),
        at("/total_cost", Field::Cost),
        at("/usage", Field::Cost),
        at("/api_type", Field::Endpoint),
        at("/user_agent", Field::UserAgent),
        at("/http_referer", Field::UserAgent),
        at("/cancelled", Field::Extra(0)),
        at("/is_byok", Field::Extra(1)),
        at("/upstream_inference_cost", Field::Extra(2)),
    ];
    let summary = "OpenRouter generations: native token counts and costs, without key and address";
    let sniff = |shape: &crate::frame::shape::Shape<'_>| {
        shape.has("native_tokens_prompt") && shape.has("total_cost") && shape.has("created_at")
    };
    Format::new("openrouter", summary, sniff, How::Map(Map::new(&places, finish)))
        .carrying(&[Field::Status])
        .told_by(&["native_tokens_prompt", "total_cost", "created_at"])
}

fn finish(draft: &mut Draft<'_>, extras: &Extras<'_>) -> Read<()> {
    if extras[0] == Some(Value::True) {
        draft.status = draft::HUNG_UP;
    }
    draft.zero_is_meant = true;
    // What a provider bills for use under a key of one's own stands apart.
    if let (Some(Value::True), Some(own)) = (extras[1], extras[2]) {
        let own = draft::cost("upstream_inference_cost", own)?;
        draft.cost = [draft.cost, own].into_iter().flatten().reduce(|sum, cost| sum + cost);
    }
    Ok(())
}

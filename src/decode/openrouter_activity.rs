//! `openrouter_activity`: rows of OpenRouter's `/api/v1/activity`, one per day, model and endpoint. They name no key.

use super::bucket::set_day;
use super::carries::Counts;
use super::draft::{self, Draft, Read};
use super::field::Field;
use super::map::{Extras, Map, at};
use super::{Format, How};
use crate::frame::shape::Shape;
use crate::record::Kind;

pub(super) fn format() -> Format {
    let places = [
        at("/date", Field::Extra(0)),
        at("/model", Field::Model),
        at("/model_permaslug", Field::Dimension),
        at("/endpoint_id", Field::Dimension),
        at("/provider_name", Field::Dimension),
        at("/prompt_tokens", Field::InputTokens),
        at("/completion_tokens", Field::OutputTokens),
        at("/reasoning_tokens", Field::Reasoning),
        at("/requests", Field::Requests),
        at("/usage", Field::Cost),
        at("/byok_usage_inference", Field::Extra(1)),
    ];
    let summary =
        "OpenRouter activity: requests, tokens and costs of a day by model, without key and address";
    Format::new("openrouter_activity", summary, sniff, How::Map(Map::new(&places, finish)))
        .carrying(&[Field::Time, Field::End])
        .counting(&[Counts::Days])
        .told_by(&["date", "usage", "model_permaslug"])
}

fn sniff(shape: &Shape<'_>) -> bool {
    shape.has("date") && shape.has("usage") && shape.has_any(&["model_permaslug", "byok_usage_inference"])
}

fn finish(draft: &mut Draft<'_>, extras: &Extras<'_>) -> Read<()> {
    set_day(draft, "date", extras[0])?;
    draft.kind = Kind::Bucket;
    draft.zero_is_meant = true;
    // What a provider bills for use under a key of one's own stands apart.
    if let (Some(cost), Some(value)) = (draft.cost, extras[1]) {
        draft.cost = draft::cost("byok_usage_inference", value)?.map(|own| own + cost).or(Some(cost));
    }
    Ok(())
}

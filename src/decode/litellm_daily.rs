//! `litellm_daily`: rows of LiteLLM's tables of daily use, `LiteLLM_DailyUserSpend` above all.
//!
//! The same request stands in the row of its user, and once more in those of its team, organization, customer, agent
//! and of each of its tags. Every request has a row of a user, so that table is the one to read; rows of the others
//! are refused, as they would count the same use again.

use super::bucket::set_day;
use super::carries::Counts;
use super::draft::{self, Draft, Fault, Read};
use super::field::Field;
use super::map::{Extras, Map, at};
use super::{Format, How};
use crate::frame::shape::Shape;
use crate::json::Value;
use crate::record::{Kind, Reason};

pub(super) fn format() -> Format {
    let places = [
        at("/date", Field::Extra(0)),
        at("/api_key", Field::Key),
        at("/api_key_alias", Field::KeyAlias),
        at("/key_alias", Field::KeyAlias),
        at("/model", Field::Model),
        at("/model_group", Field::Model),
        at("/mcp_namespaced_tool_name", Field::Endpoint),
        at("/endpoint", Field::Endpoint),
        // With the cached ones, whatever the provider.
        at("/prompt_tokens", Field::InputTokens),
        at("/completion_tokens", Field::OutputTokens),
        at("/cache_read_input_tokens", Field::CacheRead),
        at("/cache_creation_input_tokens", Field::CacheWrite),
        at("/spend", Field::Cost),
        at("/api_requests", Field::Requests),
        at("/user_id", Field::Dimension),
        at("/custom_llm_provider", Field::Dimension),
        at("/tag", Field::Extra(1)),
        at("/team_id", Field::Extra(2)),
        at("/organization_id", Field::Extra(3)),
        at("/end_user_id", Field::Extra(4)),
        at("/agent_id", Field::Extra(5)),
        at("/successful_requests", Field::Extra(6)),
        at("/failed_requests", Field::Extra(7)),
    ];
    let summary = "LiteLLM daily spend: rows of LiteLLM_DailyUserSpend, one per user, key, model and day";
    Format::new("litellm_daily", summary, sniff, How::Map(Map::new(&places, finish)))
        .carrying(&[Field::Time, Field::End, Field::Status])
        .counting(&[Counts::Days])
        .told_by(&["date", "api_key", "api_requests", "spend"])
}

/// The columns that tell whose row it is, in tables that tell again what stands under users.
const OWNERS: &[(&str, usize)] =
    &[("tag", 1), ("team_id", 2), ("organization_id", 3), ("end_user_id", 4), ("agent_id", 5)];

fn sniff(shape: &Shape<'_>) -> bool {
    shape.has("date") && shape.has("api_key") && shape.has("api_requests") && shape.has("spend")
}

fn finish<'a>(draft: &mut Draft<'a>, extras: &Extras<'a>) -> Read<()> {
    for (name, at) in OWNERS {
        if let Some(Value::Str(owner)) = extras[*at] {
            let message = "this use stands in LiteLLM_DailyUserSpend as well; read that table alone";
            return Err(Fault::new(
                Reason::Unrecognised,
                name,
                owner.as_plain().unwrap_or_default(),
                message,
            ));
        }
    }
    set_day(draft, "date", extras[0])?;
    draft.kind = Kind::Bucket;
    let number =
        |at: usize, field| extras[at].map_or(Ok(0), |value| Ok(draft::count(field, value)?.or_zero()));
    if number(6, "successful_requests")? == 0 && number(7, "failed_requests")? > 0 {
        draft.status = 500;
    }
    Ok(())
}

//! `anthropic_usage`: buckets of Anthropic's reports of the use of messages, as pages, as buckets, or as results with
//! the times of their bucket beside them.
//!
//! The classes of input are apart, cached input is in none of the others. How many requests there were is told by the
//! analytics reports only. A dimension is null unless the report was asked to be grouped by it, and the default
//! workspace is null as well: group by `api_key_id`.

use super::bucket::{any_of, check_times, first, plain};
use super::carries::Counts;
use super::draft::{Draft, Fault, Read};
use super::field::Field;
use super::map::{Extras, Map, at};
use super::{Format, How};
use crate::frame::shape::Shape;
use crate::json::Str;
use crate::normalise::Tier;
use crate::record::{Kind, Reason};

/// The key of what stands under no workspace: the default one has no name, and neither has what is not grouped.
pub(super) const NO_WORKSPACE: &[u8] = b"no-workspace";

pub(super) fn format() -> Format {
    let places = [
        at("/starting_at", Field::Time),
        at("/ending_at", Field::End),
        at("/results/*/api_key_id", Field::Key),
        at("/results/*/workspace_id", Field::Key),
        at("/results/*/service_account_id", Field::Key),
        at("/results/*/account_id", Field::Key),
        at("/results/*/model", Field::Model),
        at("/results/*/uncached_input_tokens", Field::InputUncached),
        at("/results/*/cache_read_input_tokens", Field::CacheRead),
        at("/results/*/cache_creation/ephemeral_5m_input_tokens", Field::CacheWrite),
        at("/results/*/cache_creation/ephemeral_1h_input_tokens", Field::CacheWrite1h),
        at("/results/*/output_tokens", Field::OutputTokens),
        at("/results/*/requests", Field::Requests),
        at("/results/*/server_tool_use/web_search_requests", Field::Extra(0)),
        at("/results/*/context_window", Field::Extra(1)),
        at("/results/*/service_tier", Field::Extra(2)),
        at("/results/*/speed", Field::Extra(3)),
        at("/results/*/inference_geo", Field::Extra(4)),
    ];
    let summary = "Anthropic usage report: buckets of tokens by class, by key where grouped by api_key_id";
    let map = Map::new(&places, finish).each("results");
    Format::new("anthropic_usage", summary, sniff, How::Map(map))
        .carrying(&[Field::ServiceTier, Field::Endpoint])
        .counting(&[Counts::Buckets])
        .told_by(&["uncached_input_tokens", "starting_at"])
}

fn sniff(shape: &Shape<'_>) -> bool {
    if !shape.has("starting_at") && !shape.has("uncached_input_tokens") {
        return false;
    }
    // Of a bucket of nothing nobody can tell whether it is one of use or of costs.
    first(shape).map_or(shape.has("ending_at"), |result| result.has("uncached_input_tokens"))
}

fn finish<'a>(draft: &mut Draft<'a>, extras: &Extras<'a>) -> Read<()> {
    check_times(draft, "starting_at", "ending_at")?;
    let tokens = &draft.tokens;
    if tokens.input_uncached.get().is_none() && tokens.output.get().is_none() {
        let message = "is missing, and output_tokens as well; a result without tokens tells nothing";
        return Err(Fault::new(Reason::MissingField, "uncached_input_tokens", b"", message));
    }
    draft.kind = Kind::Bucket;
    draft.endpoint = Str::plain(b"messages");
    if draft.key.is_empty() {
        draft.key = Str::plain(NO_WORKSPACE);
    }
    draft.long_context = match plain(extras[1]) {
        b"0-200k" => Some(false),
        b"200k-1M" => Some(true),
        _ => None,
    };
    draft.tier = match plain(extras[2]) {
        b"priority_on_demand" => Tier::Priority,
        b"flex_discount" => Tier::Flex,
        tier => Tier::parse(tier),
    };
    // Searches are billed one by one; speed and a place of one's choice have prices of their own.
    draft.priced_in_part = any_of(extras, 0..1, "web_search_requests")?
        || !matches!(plain(extras[3]), b"" | b"standard")
        || plain(extras[4]) == b"us";
    Ok(())
}

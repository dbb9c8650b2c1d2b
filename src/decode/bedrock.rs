//! `bedrock`: Amazon Bedrock's model invocation log: what a call took. Whose access key it was and where it came from
//! stands in `cloudtrail`, under the same request id.
//!
//! Bodies are logged as the model gave them: a record may have its counts at the top, in the body's `usage`, or in
//! the last of the events of a stream. Counts at the top may be nought where the body has the true ones, or a total
//! alone: a nought is believed where nothing else is told.

use super::carries::Counts;
use super::draft::{self, Draft, Read};
use super::field::Field;
use super::map::{Extras, Map, at};
use super::{Format, How};
use crate::record::{Count, Part};

pub(super) fn format() -> Format {
    let places = [
        at("/timestamp", Field::Time),
        at("/requestId", Field::RequestId),
        at("/identity/arn", Field::Key),
        at("/accountId", Field::Key),
        at("/modelId", Field::Model),
        at("/operation", Field::Endpoint),
        // Cached input is not in these counts, whichever of them there is.
        at("/input/inputTokenCount", Field::InputUncached),
        at("/output/outputBodyJson/usage/inputTokens", Field::InputUncached),
        at("/output/outputBodyJson/usage/input_tokens", Field::InputUncached),
        at("/output/outputBodyJson/usage/prompt_tokens", Field::InputUncached),
        at("/output/outputBodyJson/prompt_token_count", Field::InputUncached),
        at("/output/outputBodyJson/inputTextTokenCount", Field::InputUncached),
        at("/output/outputBodyJson/*/amazon-bedrock-invocationMetrics/inputTokenCount", Field::InputUncached),
        at("/output/outputBodyJson/*/message/usage/input_tokens", Field::InputUncached),
        at("/output/outputBodyJson/*/metadata/usage/inputTokens", Field::InputUncached),
        at("/output/outputBodyJson/*/usage/input_tokens", Field::InputUncached),
        at("/output/outputTokenCount", Field::OutputTokens),
        at("/output/outputBodyJson/usage/outputTokens", Field::OutputTokens),
        at("/output/outputBodyJson/usage/output_tokens", Field::OutputTokens),
        at("/output/outputBodyJson/usage/completion_tokens", Field::OutputTokens),
        at("/output/outputBodyJson/generation_token_count", Field::OutputTokens),
        at("/output/outputBodyJson/*/amazon-bedrock-invocationMetrics/outputTokenCount", Field::OutputTokens),
        at("/output/outputBodyJson/*/metadata/usage/outputTokens", Field::OutputTokens),
        at("/output/outputBodyJson/*/usage/output_tokens", Field::OutputTokens),
        at("/input/cacheReadInputTokenCount", Field::CacheRead),
        at("/output/outputBodyJson/usage/cacheReadInputTokens", Field::CacheRead),
        at("/output/outputBodyJson/usage/cache_read_input_tokens", Field::CacheRead),
        at(
            "/output/outputBodyJson/*/amazon-bedrock-invocationMetrics/cacheReadInputTokenCount",
            Field::CacheRead,
        ),
        at("/output/outputBodyJson/*/message/usage/cache_read_input_tokens", Field::CacheRead),
        at("/output/outputBodyJson/*/metadata/usage/cacheReadInputTokens", Field::CacheRead),
        at("/output/outputBodyJson/*/usage/cache_read_input_tokens", Field::CacheRead),
        at("/input/cacheWriteInputTokenCount", Field::CacheWrite),
        at("/output/outputBodyJson/usage/cacheWriteInputTokens", Field::CacheWrite),
        at("/output/outputBodyJson/usage/cache_creation_input_tokens", Field::CacheWrite),
        at(
            "/output/outputBodyJson/*/amazon-bedrock-invocationMetrics/cacheWriteInputTokenCount",
            Field::CacheWrite,
        ),
        at("/output/outputBodyJson/*/message/usage/cache_creation_input_tokens", Field::CacheWrite),
        at("/output/outputBodyJson/*/metadata/usage/cacheWriteInputTokens", Field::CacheWrite),
        at("/output/outputBodyJson/*/usage/cache_creation_input_tokens", Field::CacheWrite),
        at("/output/outputBodyJson/usage/totalTokens", Field::Extra(0)),
        at("/output/outputBodyJson/*/metadata/usage/totalTokens", Field::Extra(0)),
        at("/errorCode", Field::Extra(1)),
    ];
    let summary = "Amazon Bedrock model invocation log: tokens; joined with cloudtrail by request id";
    let sniff = |shape: &crate::frame::shape::Shape<'_>| {
        shape.has("schemaType") && shape.has("modelId") && shape.has("requestId")
    };
    Format::new("bedrock", summary, sniff, How::Map(Map::new(&places, finish).streamed()))
        .carrying(&[Field::Status])
        .counting(&[Counts::Usage])
        .told_by(&["schemaType", "modelId", "requestId"])
}

fn finish(draft: &mut Draft<'_>, extras: &Extras<'_>) -> Read<()> {
    draft.part = Part::Usage;
    if extras[1].is_some() {
        draft.status = 400;
    }
    let tokens = &mut draft.tokens;
    let counted = [tokens.input_uncached, tokens.output, tokens.cache_read, tokens.cache_write];
    if counted.iter().all(|count| count.or_zero() == 0)
        && let Some(total) = extras[0].map(|total| draft::count("totalTokens", total)).transpose()?
        && total.or_zero() > 0
    {
        // Which part was output is not told: priced as input it is the least that it can have cost.
        tokens.input_uncached = total;
        tokens.output = Count::ABSENT;
    }
    Ok(())
}

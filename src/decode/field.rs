//! The fields of a record by the names that `docs/record.md` gives them: what formats of our own and maps of others
//! are made of.

use super::draft::{self, Draft, Read};
use crate::json::Value;
use crate::normalise::{Media, Tier};
use crate::record::Count;
use serde::{Deserialize, Serialize};

/// A field of the record, under any of its names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "docs/record.md has them")]
pub enum Field {
    Time,
    Key,
    KeyAlias,
    Model,
    InputTokens,
    OutputTokens,
    CacheRead,
    CacheWrite,
    CacheWrite1h,
    Reasoning,
    Endpoint,
    SourceIp,
    UserAgent,
    Status,
    Cost,
    RequestId,
    Requests,
    ServiceTier,
    Batch,
    /// Input that no cache had to do with, where the cached parts are not in the sum.
    InputUncached,
    /// Reasoning that the output does not include.
    ReasoningBeside,
    /// Where the stretch of time ends that a bucket tells of.
    End,
    /// Something that tells one bucket from another; there may be several.
    Dimension,
    /// A number that is not read, and may change when a bucket is told again.
    Amount,
    /// Sound and pictures: parts of the counts above that have prices of their own.
    AudioInput,
    AudioCached,
    AudioOutput,
    ImageInput,
    ImageCached,
    ImageOutput,
    /// What only the format's own last step understands.
    Extra(u8),
}

impl Field {
    /// Number of fields, and so of their places in a list.
    pub const COUNT: usize = 30 + Self::EXTRAS;
    /// Fields that a format may keep for its last step.
    pub const EXTRAS: usize = 8;

    /// Its place in a list of all fields.
    pub const fn index(self) -> usize {
        match self {
            Self::Time => 0,
            Self::Key => 1,
            Self::KeyAlias => 2,
            Self::Model => 3,
            Self::InputTokens => 4,
            Self::OutputTokens => 5,
            Self::CacheRead => 6,
            Self::CacheWrite => 7,
            Self::CacheWrite1h => 8,
            Self::Reasoning => 9,
            Self::Endpoint => 10,
            Self::SourceIp => 11,
            Self::UserAgent => 12,
            Self::Status => 13,
            Self::Cost => 14,
            Self::RequestId => 15,
            Self::Requests => 16,
            Self::ServiceTier => 17,
            Self::Batch => 18,
            Self::InputUncached => 19,
            Self::ReasoningBeside => 20,
            Self::End => 21,
            Self::Dimension => 22,
            Self::Amount => 23,
            Self::AudioInput => 24,
            Self::AudioCached => 25,
            Self::AudioOutput => 26,
            Self::ImageInput => 27,
            Self::ImageCached => 28,
            Self::ImageOutput => 29,
            Self::Extra(number) => 30 + number as usize % Self::EXTRAS,
        }
    }
}

impl Field {
    /// Whether it is a sum that grows while a bucket fills.
    pub const fn is_amount(self) -> bool {
        matches!(
            self,
            Self::InputTokens
                | Self::OutputTokens
                | Self::CacheRead
                | Self::CacheWrite
                | Self::CacheWrite1h
                | Self::Reasoning
                | Self::ReasoningBeside
                | Self::InputUncached
                | Self::Requests
                | Self::Cost
                | Self::Amount
        ) || self.is_media()
    }

    /// Whether it counts sound or pictures.
    pub const fn is_media(self) -> bool {
        matches!(
            self,
            Self::AudioInput
                | Self::AudioCached
                | Self::AudioOutput
                | Self::ImageInput
                | Self::ImageCached
                | Self::ImageOutput
        )
    }
}

/// In what a number is given, where that is not what the field is kept in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// As `docs/record.md` has it.
    Usual,
    /// Tens of it, so many times over, or below zero tenths: cents are the dollar's by -2.
    Tens(i8),
    /// No number: a list or an object as it is written, for the last step of a format.
    Written,
}

impl Unit {
    /// A hundredth of a dollar.
    pub const CENTS: Self = Self::Tens(-2);
}

/// The names of fields that a map may give a place.
pub const NAMES: &[&str] = &[
    "timestamp",
    "api_key",
    "api_key_alias",
    "model",
    "input_tokens",
    "uncached_input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "endpoint",
    "source_ip",
    "user_agent",
    "status_code",
    "cost_usd",
    "request_id",
    "requests",
    "window_end",
    "service_tier",
    "batch",
    "input_audio_tokens",
    "cached_audio_tokens",
    "output_audio_tokens",
    "input_image_tokens",
    "cached_image_tokens",
    "output_image_tokens",
];

/// The field that `name` stands for; names we do not use are skipped.
#[inline]
pub fn field(name: &[u8]) -> Option<Field> {
    Some(match name {
        b"timestamp" => Field::Time,
        b"api_key_prefix" | b"api_key" => Field::Key,
        b"model" => Field::Model,
        b"input_tokens" => Field::InputTokens,
        b"output_tokens" => Field::OutputTokens,
        b"endpoint" => Field::Endpoint,
        b"source_ip" => Field::SourceIp,
        b"user_agent" => Field::UserAgent,
        b"status_code" => Field::Status,
        b"cost_usd" => Field::Cost,
        b"request_id" => Field::RequestId,
        b"requests" => Field::Requests,
        b"window_end" => Field::End,
        b"api_key_alias" => Field::KeyAlias,
        b"cached_input_tokens" | b"cache_read_tokens" => Field::CacheRead,
        b"cache_write_tokens" => Field::CacheWrite,
        b"cache_write_1h_tokens" => Field::CacheWrite1h,
        b"reasoning_tokens" => Field::Reasoning,
        b"service_tier" => Field::ServiceTier,
        b"batch" => Field::Batch,
        b"uncached_input_tokens" => Field::InputUncached,
        b"input_audio_tokens" => Field::AudioInput,
        b"cached_audio_tokens" => Field::AudioCached,
        b"output_audio_tokens" => Field::AudioOutput,
        b"input_image_tokens" => Field::ImageInput,
        b"cached_image_tokens" => Field::ImageCached,
        b"output_image_tokens" => Field::ImageOutput,
        _ => return None,
    })
}

/// The fields of all names.
pub(super) fn all() -> Vec<Field> {
    NAMES.iter().filter_map(|name| field(name.as_bytes())).collect()
}

/// Reads `value` into its place in `draft`.
pub fn assign<'a>(draft: &mut Draft<'a>, field: Field, value: Value<'a>) -> Read<()> {
    match field {
        Field::Time => draft.time = draft::time("timestamp", value)?,
        Field::Key => draft.key = draft::text("api_key_prefix", value)?,
        Field::KeyAlias => draft.key_alias = draft::text("api_key_alias", value)?,
        Field::Model => draft.model = draft::text("model", value)?,
        Field::InputTokens => draft.input_total = draft::count("input_tokens", value)?,
        Field::OutputTokens => draft.tokens.output = draft::count("output_tokens", value)?,
        Field::CacheRead => draft.tokens.cache_read = draft::count("cached_input_tokens", value)?,
        Field::CacheWrite => draft.tokens.cache_write = draft::count("cache_write_tokens", value)?,
        Field::CacheWrite1h => draft.tokens.cache_write_1h = draft::count("cache_write_1h_tokens", value)?,
        Field::Reasoning => draft.tokens.reasoning = draft::count("reasoning_tokens", value)?,
        Field::Endpoint => draft.endpoint = draft::text("endpoint", value)?,
        Field::SourceIp => draft.source_ip = draft::text("source_ip", value)?,
        Field::UserAgent => draft.user_agent = draft::text("user_agent", value)?,
        Field::Status => draft.status = draft::status("status_code", value)?,
        Field::Cost => draft.cost = draft::cost("cost_usd", value)?,
        Field::RequestId => draft.request_id = draft::text("request_id", value)?,
        Field::Requests => draft.requests = draft::count("requests", value)?,
        Field::ServiceTier => {
            let tier = draft::text("service_tier", value)?;
            draft.tier = Tier::parse(tier.as_plain().unwrap_or_default());
        }
        Field::Batch => {
            if value == Value::True {
                draft.tier = Tier::Batch;
            }
        }
        Field::InputUncached => {
            draft.tokens.input_uncached = draft::count("uncached_input_tokens", value)?;
        }
        Field::ReasoningBeside => {
            let beside = draft::count("reasoning_tokens", value)?;
            draft.tokens.reasoning = beside;
            let output = draft.tokens.output.or_zero() + beside.or_zero();
            draft.tokens.output = Count::of(output.min(Count::MAX));
        }
        Field::End => draft.end = draft::time("window_end", value)?,
        Field::AudioInput
        | Field::AudioCached
        | Field::AudioOutput
        | Field::ImageInput
        | Field::ImageCached
        | Field::ImageOutput => return assign_in(draft, field, value, 0),
        Field::Dimension | Field::Amount | Field::Extra(_) => {}
    }
    Ok(())
}

/// The same of a number that counts units of 10^`tens`.
pub fn assign_in<'a>(draft: &mut Draft<'a>, field: Field, value: Value<'a>, tens: i8) -> Read<()> {
    let (name, place) = match field {
        Field::Cost => {
            draft.cost = draft::cost_in("cost_usd", value, -i32::from(tens))?;
            return Ok(());
        }
        Field::AudioInput => {
            return apart(draft, "input_audio_tokens", |media| &mut media.audio.input, value, tens);
        }
        Field::AudioCached => {
            return apart(draft, "cached_audio_tokens", |media| &mut media.audio.cached, value, tens);
        }
        Field::AudioOutput => {
            return apart(draft, "output_audio_tokens", |media| &mut media.audio.output, value, tens);
        }
        Field::ImageInput => {
            return apart(draft, "input_image_tokens", |media| &mut media.image.input, value, tens);
        }
        Field::ImageCached => {
            return apart(draft, "cached_image_tokens", |media| &mut media.image.cached, value, tens);
        }
        Field::ImageOutput => {
            return apart(draft, "output_image_tokens", |media| &mut media.image.output, value, tens);
        }
        Field::InputTokens => ("input_tokens", &mut draft.input_total),
        Field::InputUncached => ("uncached_input_tokens", &mut draft.tokens.input_uncached),
        Field::OutputTokens => ("output_tokens", &mut draft.tokens.output),
        Field::CacheRead => ("cached_input_tokens", &mut draft.tokens.cache_read),
        Field::CacheWrite => ("cache_write_tokens", &mut draft.tokens.cache_write),
        Field::CacheWrite1h => ("cache_write_1h_tokens", &mut draft.tokens.cache_write_1h),
        Field::Reasoning => ("reasoning_tokens", &mut draft.tokens.reasoning),
        Field::Requests => ("requests", &mut draft.requests),
        _ => return assign(draft, field, value),
    };
    *place = draft::count_in(name, value, tens)?;
    Ok(())
}

/// Reads a count of sound or pictures into its place.
fn apart(
    draft: &mut Draft<'_>,
    name: &'static str,
    place: fn(&mut Media) -> &mut u64,
    value: Value<'_>,
    tens: i8,
) -> Read<()> {
    let count = if tens == 0 { draft::count(name, value) } else { draft::count_in(name, value, tens) }?;
    if let Some(count) = count.get() {
        *place(&mut draft.media) = count;
        draft.media.told = true;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_field_of_its_own() {
        let mut places: Vec<usize> =
            NAMES.iter().map(|name| field(name.as_bytes()).unwrap().index()).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), NAMES.len());
        assert!(places.iter().all(|place| *place < Field::COUNT - Field::EXTRAS));
    }
}

//! The grammar of the names of prices in LiteLLM's file: a class of tokens, then in any order a size of request
//! (`_above_200k_tokens`), a life of the cache (`_above_1hr`) and a tier of service (`_batches`).

use super::super::Tier;
use super::super::rates::Class;

/// What a price is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning {
    /// A token of a class, in requests with more input tokens than `above`.
    Token { class: Class, above: u64, tier: Tier },
    /// No money at all, or the same money in other words.
    Nothing,
    /// Now and then something besides the tokens: searches, tools, caching for longer than records tell.
    Extra,
    /// Something else by the piece, second, pixel or token: what all use is measured in where the model is not one of text.
    Piece,
    /// Something that every request is billed besides its tokens.
    Always,
}

const STEMS: [(&str, Class); 11] = [
    ("input_cost_per_token", Class::Input),
    ("output_cost_per_token", Class::Output),
    ("cache_read_input_token_cost", Class::CachedInput),
    ("cache_creation_input_token_cost", Class::CacheWrite),
    ("output_cost_per_reasoning_token", Class::Reasoning),
    ("input_cost_per_audio_token", Class::AudioInput),
    ("cache_read_input_audio_token_cost", Class::CachedAudio),
    ("output_cost_per_audio_token", Class::AudioOutput),
    ("input_cost_per_image_token", Class::ImageInput),
    ("cache_read_input_image_token_cost", Class::CachedImage),
    ("output_cost_per_image_token", Class::ImageOutput),
];

/// What the name of a field means; `None` where it is no price.
pub(super) fn meaning(name: &str) -> Option<Meaning> {
    for (stem, class) in STEMS {
        if let Some(rest) = name.strip_prefix(stem) {
            return Some(qualified(class, rest).unwrap_or(Meaning::Extra));
        }
    }
    let has = |part: &str| name.contains(part);
    if has("dbu_cost") || has("uplift_multiplier") {
        return Some(Meaning::Nothing);
    }
    if !has("cost") && !has("pricing") {
        return None;
    }
    let extra = [
        "search_context",
        "grounding",
        "code_interpreter",
        "file_search",
        "vector_store",
        "computer_use",
        // No record tells of them.
        "cache_creation_input_audio_token",
        "cache_creation_input_image_token",
    ];
    if extra.iter().any(|part| has(part)) || name.starts_with("explicit_cache_read") {
        return Some(Meaning::Extra);
    }
    let always = ["per_request", "per_query", "citation_cost"];
    Some(if always.iter().any(|part| has(part)) { Meaning::Always } else { Meaning::Piece })
}

fn qualified(mut class: Class, mut rest: &str) -> Option<Meaning> {
    let (mut above, mut tier) = (0, Tier::Standard);
    while let Some(qualifier) = rest.strip_prefix('_') {
        if let Some((thousands, after)) = number(qualifier, "k_tokens") {
            above = thousands.checked_mul(1000).filter(|_| above == 0)?;
            rest = after;
        } else if let Some((1, after)) = number(qualifier, "hr").filter(|_| class == Class::CacheWrite) {
            class = Class::CacheWrite1h;
            rest = after;
        } else if let Some(after) = qualifier.strip_prefix("cache_hit").filter(|_| class == Class::Input) {
            class = Class::CachedInput;
            rest = after;
        } else {
            let word = qualifier.split('_').next().unwrap_or_default();
            let named = Tier::parse(word.as_bytes());
            if tier != Tier::Standard || matches!(named, Tier::Standard | Tier::Other) {
                return None;
            }
            tier = named;
            rest = &qualifier[word.len()..];
        }
    }
    rest.is_empty().then_some(Meaning::Token { class, above, tier })
}

/// The number of `above_<number><unit>` and what follows.
fn number<'a>(text: &'a str, unit: &str) -> Option<(u64, &'a str)> {
    let rest = text.strip_prefix("above_")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let after = rest[digits..].strip_prefix(unit)?;
    Some((rest[..digits].parse().ok().filter(|&number| number > 0)?, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_order() {
        use Class::{
            AudioInput, AudioOutput, CacheWrite, CacheWrite1h, CachedAudio, CachedInput, ImageInput,
            ImageOutput, Input, Output, Reasoning,
        };
        for (name, class, above, tier) in [
            ("input_cost_per_token", Input, 0, Tier::Standard),
            ("input_cost_per_token_cache_hit", CachedInput, 0, Tier::Standard),
            ("output_cost_per_token_above_32k_tokens", Output, 32_000, Tier::Standard),
            ("output_cost_per_token_flex_above_32k_tokens", Output, 32_000, Tier::Flex),
            ("output_cost_per_token_above_32k_tokens_flex", Output, 32_000, Tier::Flex),
            ("output_cost_per_reasoning_token_ultrafast", Reasoning, 0, Tier::Ultrafast),
            ("cache_read_input_token_cost_balanced", CachedInput, 0, Tier::Balanced),
            ("cache_creation_input_token_cost_batches", CacheWrite, 0, Tier::Batch),
            ("input_cost_per_audio_token_batches", AudioInput, 0, Tier::Batch),
            ("output_cost_per_audio_token", AudioOutput, 0, Tier::Standard),
            ("cache_read_input_audio_token_cost", CachedAudio, 0, Tier::Standard),
            ("input_cost_per_image_token_above_128k_tokens", ImageInput, 128_000, Tier::Standard),
            ("output_cost_per_image_token", ImageOutput, 0, Tier::Standard),
            ("cache_creation_input_token_cost_above_1hr", CacheWrite1h, 0, Tier::Standard),
            (
                "cache_creation_input_token_cost_above_1hr_above_200k_tokens",
                CacheWrite1h,
                200_000,
                Tier::Standard,
            ),
            (
                "cache_creation_input_token_cost_above_200k_tokens_above_1hr_priority",
                CacheWrite1h,
                200_000,
                Tier::Priority,
            ),
        ] {
            assert_eq!(meaning(name), Some(Meaning::Token { class, above, tier }), "{name}");
        }
    }

    #[test]
    fn what_is_no_token_of_ours_is_told_apart() {
        for (name, expected) in [
            ("max_input_tokens", None),
            ("mode", None),
            ("input_dbu_cost_per_token", Some(Meaning::Nothing)),
            ("regional_processing_uplift_multiplier_eu", Some(Meaning::Nothing)),
            ("search_context_cost_per_query", Some(Meaning::Extra)),
            ("cache_creation_input_token_cost_above_12hr_flex", Some(Meaning::Extra)),
            ("output_cost_per_token_decisions", Some(Meaning::Extra)),
            ("input_cost_per_token_batches_flex", Some(Meaning::Extra)),
            ("input_cost_per_token_above_k_tokens", Some(Meaning::Extra)),
            ("input_cost_per_token_above_0k_tokens", Some(Meaning::Extra)),
            ("input_cost_per_tokens", Some(Meaning::Extra)),
            ("input_cost_per_request", Some(Meaning::Always)),
            ("citation_cost_per_token", Some(Meaning::Always)),
            ("output_cost_per_image_4K", Some(Meaning::Piece)),
            ("output_cost_per_video_token", Some(Meaning::Piece)),
            ("cache_creation_input_audio_token_cost", Some(Meaning::Extra)),
            ("a_pricing_not_thought_of", Some(Meaning::Piece)),
        ] {
            assert_eq!(meaning(name), expected, "{name}");
        }
    }
}

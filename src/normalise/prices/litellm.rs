//! LiteLLM's price file, for people who keep one: USD per single token.

use super::{ModelPrices, PriceError, Rates, file::pico};
use crate::normalise::models;
use serde::Deserialize;
use serde_json::{Map, Value};

/// What we read of an entry; the file has many more fields.
#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    litellm_provider: String,
    input_cost_per_token: Option<f64>,
    output_cost_per_token: Option<f64>,
    cache_read_input_token_cost: Option<f64>,
    cache_creation_input_token_cost: Option<f64>,
    cache_creation_input_token_cost_above_1hr: Option<f64>,
    output_cost_per_reasoning_token: Option<f64>,
    input_cost_per_token_batches: Option<f64>,
    input_cost_per_token_priority: Option<f64>,
    input_cost_per_token_flex: Option<f64>,
    input_cost_per_token_above_128k_tokens: Option<f64>,
    output_cost_per_token_above_128k_tokens: Option<f64>,
    input_cost_per_token_above_200k_tokens: Option<f64>,
    output_cost_per_token_above_200k_tokens: Option<f64>,
    cache_read_input_token_cost_above_200k_tokens: Option<f64>,
    cache_creation_input_token_cost_above_200k_tokens: Option<f64>,
}

/// The priced models of the file. Entries without a token price (per image, per second) and entries of another
/// shape (the sample at its head) are left out. Where several routes reduce to one name, the shortest written
/// name wins: `gpt-4o` before `azure/gpt-4o`.
pub(super) fn read(file: &str, text: &str) -> Result<Vec<ModelPrices>, PriceError> {
    let parsed: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| PriceError::Json { file: file.to_owned(), error })?;
    let mut entries: Vec<(String, Entry)> = parsed
        .into_iter()
        .filter_map(|(name, value)| Some((name, serde_json::from_value::<Entry>(value).ok()?)))
        .filter(|(_, entry)| entry.input_cost_per_token.is_some())
        .collect();
    // The table lets the last one win.
    entries.sort_by_key(|(name, _)| (std::cmp::Reverse(name.len()), name.clone()));
    entries.into_iter().map(|(name, entry)| convert(file, &name, &entry)).collect()
}

fn convert(file: &str, written: &str, entry: &Entry) -> Result<ModelPrices, PriceError> {
    let name = models::reduce(written);
    let price = |field, per_token: Option<f64>| pico(file, written, field, per_token.map(|usd| usd * 1e6));
    let base = Rates {
        input: price("input_cost_per_token", entry.input_cost_per_token)?,
        output: price("output_cost_per_token", entry.output_cost_per_token.or(Some(0.0)))?,
        cached_input: price("cache_read_input_token_cost", entry.cache_read_input_token_cost)?,
        cache_write: price("cache_creation_input_token_cost", entry.cache_creation_input_token_cost)?,
        cache_write_1h: price(
            "cache_creation_input_token_cost_above_1hr",
            entry.cache_creation_input_token_cost_above_1hr,
        )?,
        reasoning: price("output_cost_per_reasoning_token", entry.output_cost_per_reasoning_token)?,
    };
    let above_128k = Rates {
        input: price("input_cost_per_token_above_128k_tokens", entry.input_cost_per_token_above_128k_tokens)?,
        output: price(
            "output_cost_per_token_above_128k_tokens",
            entry.output_cost_per_token_above_128k_tokens,
        )?,
        ..Rates::default()
    };
    let above_200k = Rates {
        input: price("input_cost_per_token_above_200k_tokens", entry.input_cost_per_token_above_200k_tokens)?,
        output: price(
            "output_cost_per_token_above_200k_tokens",
            entry.output_cost_per_token_above_200k_tokens,
        )?,
        cached_input: price(
            "cache_read_input_token_cost_above_200k_tokens",
            entry.cache_read_input_token_cost_above_200k_tokens,
        )?,
        cache_write: price(
            "cache_creation_input_token_cost_above_200k_tokens",
            entry.cache_creation_input_token_cost_above_200k_tokens,
        )?,
        ..Rates::default()
    };
    let above = [(128_000, above_128k), (200_000, above_200k)];
    let factor = |of: Option<f64>| Some(of? / entry.input_cost_per_token.filter(|&usd| usd > 0.0)?);
    Ok(ModelPrices {
        name,
        provider: entry.litellm_provider.clone(),
        base,
        since: Vec::new(),
        above: above.into_iter().filter(|(_, rates)| *rates != Rates::default()).collect(),
        batch: factor(entry.input_cost_per_token_batches),
        priority: factor(entry.input_cost_per_token_priority),
        flex: factor(entry.input_cost_per_token_flex),
    })
}

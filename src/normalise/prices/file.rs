//! Our own price lists: one TOML file per provider, USD per million tokens.

use super::{ModelPrices, PicoPerToken, Rates};
use crate::time::{DAY, Timestamp, days_from_civil};
use serde::Deserialize;
use thiserror::Error;

/// A price list that cannot be used.
#[derive(Debug, Error)]
pub enum PriceError {
    /// Not TOML of the right shape.
    #[error("{file}:{line}: {message}")]
    Toml {
        /// The list.
        file: String,
        /// Where in it.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// Not JSON of the right shape.
    #[error("{file}: {error}")]
    Json {
        /// The list.
        file: String,
        /// What is wrong, with line and column.
        error: serde_json::Error,
    },
    /// A price that cannot be.
    #[error(
        "{file}: model `{model}`: `{field}` is {value}; a price is a number of dollars from 0 to 1000000"
    )]
    Price {
        /// The list.
        file: String,
        /// The model.
        model: String,
        /// The field.
        field: &'static str,
        /// Its value.
        value: f64,
    },
    /// A list without a price: some other file.
    #[error("{file}: no model with a price in it; is it LiteLLM's model_prices_and_context_window.json?")]
    Empty {
        /// The list.
        file: String,
    },
    /// More models than the table can number.
    #[error("{file}: more than 65535 models in all price lists")]
    TooMany {
        /// The list.
        file: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    provider: String,
    #[allow(dead_code, reason = "for the reader of the list; checked to be a date")]
    as_of: toml::value::Datetime,
    model: Vec<Model>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    name: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[allow(dead_code, reason = "for the reader of the list: whose price it is where platforms differ")]
    platform: Option<String>,
    input: f64,
    output: f64,
    cached_input: Option<f64>,
    cache_write: Option<f64>,
    cache_write_1h: Option<f64>,
    reasoning: Option<f64>,
    #[allow(dead_code, reason = "read when records carry audio tokens apart")]
    audio_input: Option<f64>,
    #[allow(dead_code, reason = "read when records carry audio tokens apart")]
    audio_output: Option<f64>,
    batch: Option<f64>,
    priority: Option<f64>,
    flex: Option<f64>,
    #[serde(default)]
    above: Vec<Change>,
    #[serde(default)]
    since: Vec<Change>,
}

/// Prices that replace others, from a number of input tokens or from a day.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    input_tokens: Option<u64>,
    date: Option<toml::value::Datetime>,
    input: Option<f64>,
    output: Option<f64>,
    cached_input: Option<f64>,
    cache_write: Option<f64>,
    cache_write_1h: Option<f64>,
    reasoning: Option<f64>,
}

/// The models of a list with their aliases.
pub(super) fn read(file: &str, text: &str) -> Result<Vec<(ModelPrices, Vec<String>)>, PriceError> {
    let parsed: File = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let (line, message) = (before.matches('\n').count() + 1, error.message().to_owned());
        PriceError::Toml { file: file.to_owned(), line, message }
    })?;
    let provider = parsed.provider;
    parsed.model.into_iter().map(|model| convert(file, &provider, model)).collect()
}

fn convert(file: &str, provider: &str, model: Model) -> Result<(ModelPrices, Vec<String>), PriceError> {
    let price = |field, value| pico(file, &model.name, field, value);
    let rates = |change: &Change| -> Result<Rates, PriceError> {
        Ok(Rates {
            input: price("input", change.input)?,
            output: price("output", change.output)?,
            cached_input: price("cached_input", change.cached_input)?,
            cache_write: price("cache_write", change.cache_write)?,
            cache_write_1h: price("cache_write_1h", change.cache_write_1h)?,
            reasoning: price("reasoning", change.reasoning)?,
        })
    };
    let base = Change {
        input_tokens: None,
        date: None,
        input: Some(model.input),
        output: Some(model.output),
        cached_input: model.cached_input,
        cache_write: model.cache_write,
        cache_write_1h: model.cache_write_1h,
        reasoning: model.reasoning,
    };
    let since = model.since.iter().map(|change| Ok((from(change), rates(change)?)));
    let above = model.above.iter().map(|change| Ok((change.input_tokens.unwrap_or(0), rates(change)?)));
    let prices = ModelPrices {
        name: model.name.clone(),
        provider: provider.to_owned(),
        base: rates(&base)?,
        since: since.collect::<Result<_, PriceError>>()?,
        above: above.collect::<Result<_, PriceError>>()?,
        batch: model.batch,
        priority: model.priority,
        flex: model.flex,
    };
    Ok((prices, model.aliases))
}

fn from(change: &Change) -> Timestamp {
    let date = change.date.as_ref().and_then(|date| date.date);
    date.map_or(Timestamp::MIN, |date| {
        let days = days_from_civil(date.year.into(), date.month.into(), date.day.into());
        Timestamp(days.saturating_mul(DAY))
    })
}

/// Pico-dollars per token of dollars per million tokens.
pub(super) fn pico(
    file: &str,
    model: &str,
    field: &'static str,
    usd: Option<f64>,
) -> Result<Option<PicoPerToken>, PriceError> {
    let Some(value) = usd else { return Ok(None) };
    if !(0.0..=1_000_000.0).contains(&value) {
        return Err(PriceError::Price { file: file.to_owned(), model: model.to_owned(), field, value });
    }
    #[allow(clippy::cast_possible_truncation)]
    Ok(Some((value * 1e6).round() as PicoPerToken))
}

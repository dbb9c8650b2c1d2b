//! What a request costs: a dated price table in whole pico-dollars per token.
//!
//! The figures are data (`config/prices/*.toml`, USD per million tokens). Lists that come later win over earlier
//! ones, so a user's own list or LiteLLM's price file goes last.

mod bought;
mod error;
mod file;
mod hours;
mod litellm;
mod rates;
#[cfg(test)]
mod tests;

pub use bought::{Bought, Context, Media, Sides, Tier};
pub use error::PriceError;

use super::models;
use crate::money::NanoUsd;
use crate::record::{CostSource, Count, Tokens};
use crate::time::Timestamp;
use rates::{Class, ModelPrices, ONE, Price, When};
use std::collections::BTreeMap;

/// The price lists that come with the program, by file name.
pub const BUILTIN: &[(&str, &str)] = &[
    ("openai.toml", include_str!("../../config/prices/openai.toml")),
    ("anthropic.toml", include_str!("../../config/prices/anthropic.toml")),
    ("google.toml", include_str!("../../config/prices/google.toml")),
    ("mistral.toml", include_str!("../../config/prices/mistral.toml")),
    ("deepseek.toml", include_str!("../../config/prices/deepseek.toml")),
    ("xai.toml", include_str!("../../config/prices/xai.toml")),
    ("meta.toml", include_str!("../../config/prices/meta.toml")),
    ("amazon.toml", include_str!("../../config/prices/amazon.toml")),
    ("cohere.toml", include_str!("../../config/prices/cohere.toml")),
    ("other.toml", include_str!("../../config/prices/other.toml")),
];

/// A model of the table, by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PricedModel(u16);

/// The price table.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    models: Vec<ModelPrices>,
    by_name: BTreeMap<String, PricedModel>,
    /// Names as a list writes them, with what stands before the model.
    by_route: BTreeMap<String, PricedModel>,
}

impl Prices {
    /// The lists that come with the program.
    pub fn builtin() -> Result<Self, PriceError> {
        let mut prices = Self::default();
        for (name, text) in BUILTIN {
            prices.add_toml(name, text)?;
        }
        Ok(prices)
    }

    /// Adds a list in our own form; `name` is for messages.
    pub fn add_toml(&mut self, name: &str, text: &str) -> Result<(), PriceError> {
        for (model, aliases) in file::read(name, text)? {
            let Self { models, by_route, .. } = self;
            // A later list wins over all routes to its models.
            by_route.retain(|_, route| {
                let name = &models[usize::from(route.0)].name;
                *name != model.name && !aliases.contains(name)
            });
            self.add(name, model, aliases)?;
        }
        Ok(())
    }

    /// Adds LiteLLM's `model_prices_and_context_window.json`; `name` is for messages.
    pub fn add_litellm(&mut self, name: &str, text: &str) -> Result<(), PriceError> {
        let models = litellm::read(name, text)?;
        if models.is_empty() {
            return Err(PriceError::Empty { file: name.to_owned() });
        }
        for (written, model) in models {
            let number = self.add(name, model, Vec::new())?;
            self.by_route.insert(written.to_ascii_lowercase(), number);
        }
        Ok(())
    }

    fn add(
        &mut self,
        file: &str,
        model: ModelPrices,
        aliases: Vec<String>,
    ) -> Result<PricedModel, PriceError> {
        let number = u16::try_from(self.models.len()).map(PricedModel);
        let number = number.map_err(|_| PriceError::TooMany { file: file.to_owned() })?;
        for name in std::iter::once(model.name.clone()).chain(aliases) {
            self.by_name.insert(name, number);
        }
        self.models.push(model);
        Ok(number)
    }

    /// The model of the table that `written` names, or else the reduced spelling to compare it by.
    ///
    /// A route with prices of its own (`azure/eu/gpt-4o`, `us.anthropic.claude-…`) is looked for first, with
    /// as much of what stands before the name as the table knows.
    pub fn resolve(&self, written: &str) -> Result<PricedModel, String> {
        self.route(written)
            .map_or_else(|| models::resolve(written, |name| self.by_name.get(name).copied()), Ok)
    }

    /// The model that a list of routes knows by this name, or by all of it from one of its slashes on.
    pub fn route(&self, written: &str) -> Option<PricedModel> {
        if self.by_route.is_empty() {
            return None;
        }
        let lower = written.trim().to_ascii_lowercase();
        let mut starts = std::iter::once(0).chain(lower.match_indices('/').map(|(at, _)| at + 1));
        starts.find_map(|start| self.by_route.get(&lower[start..]).copied())
    }

    /// The canonical name of a model.
    pub fn name(&self, model: PricedModel) -> &str {
        self.models.get(usize::from(model.0)).map_or("", |model| &model.name)
    }

    /// The provider whose price it is.
    pub fn provider(&self, model: PricedModel) -> &str {
        self.models.get(usize::from(model.0)).map_or("", |model| &model.provider)
    }

    /// Whether all that a model is billed for is tokens of text.
    pub fn is_of_text(&self, model: PricedModel) -> bool {
        let prices = self.models.get(usize::from(model.0));
        prices.is_some_and(|prices| !prices.in_part && !prices.lists_media())
    }

    /// How many models have prices.
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// True for an empty table.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// What `tokens` cost at `at`, and whether every class had a price.
    ///
    /// A cached token without a cache price is counted at the input price: never too little is the rule that
    /// serves an alarm, and the result says that it is partial.
    pub fn cost(
        &self,
        model: PricedModel,
        at: Timestamp,
        bought: Bought,
        tokens: &Tokens,
    ) -> (NanoUsd, CostSource) {
        let Some(prices) = self.models.get(usize::from(model.0)) else {
            return (NanoUsd::ZERO, CostSource::Unknown);
        };
        let media = bought.media;
        let input = match bought.context {
            Context::OfTokens => tokens.input(),
            Context::Short | Context::Unknown => 0,
            Context::Long => u64::MAX,
        };
        let when = When { input, at, spread: bought.spread };
        let mut pico: i128 = 0;
        let mut complete =
            !prices.in_part && (media.told || !prices.of_media) && !prices.depends_on_unknown(bought);
        for (class, count) in classes(tokens, media) {
            if count == Some(0) {
                continue;
            }
            let price = prices.price(class, when, bought.tier);
            complete &= match (count, price) {
                (Some(_), Some(price)) => price.listed,
                // What costs nothing need not be counted.
                (None, Some(Price { pico: 0, listed: true })) => true,
                _ => false,
            };
            pico += i128::from(count.unwrap_or(0)) * i128::from(price.map_or(0, |price| price.pico));
        }
        let nano = NanoUsd(scale(pico, prices.factor(bought.tier)).min(NanoUsd::RECORD_MAX.0));
        (nano, if complete { CostSource::Computed } else { CostSource::Partial })
    }
}

/// The tokens of each class, none of them in two; `None` where a class that all requests have was not told.
///
/// Where more sound and pictures are told than there are tokens of that side, the count of these tokens left them out.
fn classes(tokens: &Tokens, media: Media) -> [(Class, Option<u64>); Class::ALL.len()] {
    let reasoning = tokens.reasoning.or_zero().min(tokens.output.or_zero());
    let Media { audio, image, .. } = media;
    let apart = media.all();
    let text = |count: Count, media: u64| count.get().map(|count| count.saturating_sub(media));
    [
        (Class::Input, text(tokens.input_uncached, apart.input)),
        (Class::CachedInput, Some(text(tokens.cache_read, apart.cached).unwrap_or(0))),
        (Class::CacheWrite, Some(tokens.cache_write.or_zero())),
        (Class::CacheWrite1h, Some(tokens.cache_write_1h.or_zero())),
        (Class::Output, text(tokens.output, reasoning.saturating_add(apart.output))),
        (Class::Reasoning, Some(reasoning)),
        (Class::AudioInput, Some(audio.input)),
        (Class::CachedAudio, Some(audio.cached)),
        (Class::AudioOutput, Some(audio.output)),
        (Class::ImageInput, Some(image.input)),
        (Class::CachedImage, Some(image.cached)),
        (Class::ImageOutput, Some(image.output)),
    ]
}

/// Nano-dollars of `pico` pico-dollars × `factor` ten-thousandths, rounded half up.
fn scale(pico: i128, factor: u32) -> i64 {
    let divisor = i128::from(ONE) * 1_000;
    let nano = (pico * i128::from(factor) + divisor / 2) / divisor;
    i64::try_from(nano).unwrap_or(i64::MAX)
}

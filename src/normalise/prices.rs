//! What a request costs: a dated price table in whole pico-dollars per token.
//!
//! Figures are data (`config/prices/*.toml`, USD per million tokens). Lists that come later win over earlier
//! ones, so a user's own list or LiteLLM's price file goes last.

mod file;
mod litellm;

pub use file::PriceError;

use super::models;
use crate::money::NanoUsd;
use crate::record::{CostSource, Tokens};
use crate::time::Timestamp;
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

/// Pico-USD (10⁻¹² dollar) per token; a dollar per million tokens is a million of them.
type PicoPerToken = i64;

/// How a request was bought.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tier {
    /// The list price.
    #[default]
    Standard,
    /// Asynchronous batches, usually half the price.
    Batch,
    /// Guaranteed capacity, dearer.
    Priority,
    /// Slower, cheaper.
    Flex,
}

impl Tier {
    /// The tier a provider's `service_tier` names; anything else is the standard one.
    pub fn parse(text: &[u8]) -> Self {
        match text {
            b"batch" => Self::Batch,
            b"priority" => Self::Priority,
            b"flex" => Self::Flex,
            _ => Self::Standard,
        }
    }
}

/// How long the context was, where that has a price.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Context {
    /// As long as the input of this one request.
    #[default]
    OfTokens,
    /// Below the threshold, says the record.
    Short,
    /// Above it.
    Long,
    /// Many requests, of which only the sum is known: the shorter is assumed, and said to be too little.
    Unknown,
}

/// What the price depends on besides model, day and tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bought {
    /// How.
    pub tier: Tier,
    /// In what context.
    pub context: Context,
}

/// Prices of one token of each class; `None` where the list has no such price.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Rates {
    input: Option<PicoPerToken>,
    output: Option<PicoPerToken>,
    cached_input: Option<PicoPerToken>,
    cache_write: Option<PicoPerToken>,
    cache_write_1h: Option<PicoPerToken>,
    reasoning: Option<PicoPerToken>,
}

impl Rates {
    /// These rates, with `other`'s where `other` has any.
    fn overlaid(self, other: Self) -> Self {
        Self {
            input: other.input.or(self.input),
            output: other.output.or(self.output),
            cached_input: other.cached_input.or(self.cached_input),
            cache_write: other.cache_write.or(self.cache_write),
            cache_write_1h: other.cache_write_1h.or(self.cache_write_1h),
            reasoning: other.reasoning.or(self.reasoning),
        }
    }
}

/// Prices of one model.
#[derive(Clone, PartialEq, Debug, Default)]
struct ModelPrices {
    name: String,
    provider: String,
    base: Rates,
    /// Changes with the instant from which they hold, oldest first.
    since: Vec<(Timestamp, Rates)>,
    /// Long-context prices, for requests with more input tokens than this, smallest first.
    above: Vec<(u64, Rates)>,
    batch: Option<f64>,
    priority: Option<f64>,
    flex: Option<f64>,
}

/// A model of the table, by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PricedModel(u16);

/// The price table.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    models: Vec<ModelPrices>,
    by_name: BTreeMap<String, PricedModel>,
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
        file::read(name, text)?.into_iter().try_for_each(|(model, aliases)| self.add(name, model, aliases))
    }

    /// Adds LiteLLM's `model_prices_and_context_window.json`; `name` is for messages.
    pub fn add_litellm(&mut self, name: &str, text: &str) -> Result<(), PriceError> {
        let models = litellm::read(name, text)?;
        if models.is_empty() {
            return Err(PriceError::Empty { file: name.to_owned() });
        }
        models.into_iter().try_for_each(|model| self.add(name, model, Vec::new()))
    }

    fn add(&mut self, file: &str, model: ModelPrices, aliases: Vec<String>) -> Result<(), PriceError> {
        let number = u16::try_from(self.models.len()).map(PricedModel);
        let number = number.map_err(|_| PriceError::TooMany { file: file.to_owned() })?;
        for name in std::iter::once(model.name.clone()).chain(aliases) {
            self.by_name.insert(name, number);
        }
        self.models.push(model);
        Ok(())
    }

    /// The model of the table that `written` names, or else the reduced spelling to compare it by.
    pub fn resolve(&self, written: &str) -> Result<PricedModel, String> {
        models::resolve(written, |name| self.by_name.get(name).copied())
    }

    /// The canonical name of a model.
    pub fn name(&self, model: PricedModel) -> &str {
        self.models.get(usize::from(model.0)).map_or("", |model| &model.name)
    }

    /// The provider whose price it is.
    pub fn provider(&self, model: PricedModel) -> &str {
        self.models.get(usize::from(model.0)).map_or("", |model| &model.provider)
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
        let context = match bought.context {
            Context::OfTokens => tokens.input(),
            Context::Short | Context::Unknown => 0,
            Context::Long => u64::MAX,
        };
        let rates = prices.rates(at, context);
        let reasoning = tokens.reasoning.or_zero().min(tokens.output.or_zero());
        let classes = [
            (tokens.input_uncached.get(), rates.input, None),
            (tokens.cache_read.get().or(Some(0)), rates.cached_input, rates.input),
            (tokens.cache_write.get().or(Some(0)), rates.cache_write, rates.input),
            (
                tokens.cache_write_1h.get().or(Some(0)),
                rates.cache_write_1h,
                rates.cache_write.or(rates.input),
            ),
            (tokens.output.get().map(|output| output - reasoning), rates.output, None),
            (Some(reasoning), rates.reasoning.or(rates.output), None),
        ];
        let mut pico: i128 = 0;
        let mut complete = bought.context != Context::Unknown || prices.above.is_empty();
        for (count, price, fallback) in classes {
            complete &= count.is_some() && (price.is_some() || count == Some(0));
            pico += i128::from(count.unwrap_or(0)) * i128::from(price.or(fallback).unwrap_or(0));
        }
        let (factor, known) = prices.factor(bought.tier);
        let nano = NanoUsd(scale(pico, factor).min(NanoUsd::RECORD_MAX.0));
        (nano, if complete && known { CostSource::Computed } else { CostSource::Partial })
    }
}

impl ModelPrices {
    fn rates(&self, at: Timestamp, input_tokens: u64) -> Rates {
        let dated = self.since.iter().take_while(|(from, _)| *from <= at);
        let base = dated.fold(self.base, |rates, (_, change)| rates.overlaid(*change));
        let tier = self.above.iter().take_while(|(threshold, _)| input_tokens > *threshold).last();
        tier.map_or(base, |(_, rates)| base.overlaid(*rates))
    }

    /// The multiplier of a tier, and whether the list has it.
    fn factor(&self, tier: Tier) -> (f64, bool) {
        let factor = match tier {
            Tier::Standard => return (1.0, true),
            Tier::Batch => self.batch,
            Tier::Priority => self.priority,
            Tier::Flex => self.flex,
        };
        (factor.unwrap_or(1.0), factor.is_some())
    }
}

/// Nano-dollars of `pico` pico-dollars × `factor` (taken to four decimals), rounded half up.
#[allow(clippy::cast_possible_truncation)]
fn scale(pico: i128, factor: f64) -> i64 {
    let factor = (factor * 10_000.0).round() as i128;
    let divisor = 10_000 * 1_000;
    let nano = (pico * factor + divisor / 2) / divisor;
    i64::try_from(nano).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Count;
    use crate::time::parse;

    fn cost(model: &str, at: &str, tier: Tier, tokens: Tokens) -> (i64, CostSource) {
        let prices = Prices::builtin().unwrap();
        let at = parse(at.as_bytes()).unwrap().at;
        let (cost, source) =
            prices.cost(prices.resolve(model).unwrap(), at, Bought { tier, ..Bought::default() }, &tokens);
        (cost.0, source)
    }

    fn tokens(input: u64, output: u64) -> Tokens {
        Tokens { input_uncached: Count::of(input), output: Count::of(output), ..Tokens::default() }
    }

    const NOW: &str = "2026-11-01T00:00:00Z";

    #[test]
    fn list_prices_to_the_nano_dollar() {
        use CostSource::Computed;
        // gpt-4o: 2.50 and 10 dollars per million.
        assert_eq!(cost("gpt-4o", NOW, Tier::Standard, tokens(10, 20)), (225_000, Computed));
        assert_eq!(cost("gpt-4o", NOW, Tier::Batch, tokens(10, 20)), (112_500, Computed));
        let cached = Tokens { cache_read: Count::of(1000), ..tokens(0, 0) };
        assert_eq!(cost("gpt-4o", NOW, Tier::Standard, cached), (1_250_000, Computed));
    }

    #[test]
    fn long_context_has_its_own_price() {
        let short = cost("gemini-2.5-pro", NOW, Tier::Standard, tokens(200_000, 0));
        let long = cost("gemini-2.5-pro", NOW, Tier::Standard, tokens(200_001, 0));
        assert_eq!(short, (250_000_000, CostSource::Computed));
        assert_eq!(long, (500_002_500, CostSource::Computed));
    }

    #[test]
    fn a_sum_of_many_requests_is_no_long_context() {
        let prices = Prices::builtin().unwrap();
        let of = |context| {
            let model = prices.resolve("gemini-2.5-pro").unwrap();
            let at = parse(NOW.as_bytes()).unwrap().at;
            let bought = Bought { context, ..Bought::default() };
            let (cost, source) = prices.cost(model, at, bought, &tokens(1_000_000, 0));
            (cost.0, source)
        };
        assert_eq!(of(Context::Unknown), (1_250_000_000, CostSource::Partial));
        assert_eq!(of(Context::Short), (1_250_000_000, CostSource::Computed));
        assert_eq!(of(Context::Long), (2_500_000_000, CostSource::Computed));
    }

    #[test]
    fn a_price_holds_from_its_day() {
        let before = cost("o3", "2025-06-01T00:00:00Z", Tier::Standard, tokens(1_000_000, 0));
        let after = cost("o3", "2025-06-11T00:00:00Z", Tier::Standard, tokens(1_000_000, 0));
        assert_eq!((before.0, after.0), (10_000_000_000, 2_000_000_000));
    }

    #[test]
    fn what_is_missing_is_said() {
        use CostSource::Partial;
        let no_output = Tokens { input_uncached: Count::of(10), ..Tokens::default() };
        assert_eq!(cost("gpt-4o", NOW, Tier::Standard, no_output), (25_000, Partial));
        // gpt-4 has no cache price: its cached tokens count in full.
        let cached = Tokens { cache_read: Count::of(1000), ..tokens(0, 0) };
        assert_eq!(cost("gpt-4", NOW, Tier::Standard, cached), (30_000_000, Partial));
    }

    #[test]
    fn names_and_aliases_are_unique() {
        let mut seen = std::collections::BTreeSet::new();
        for (file, text) in BUILTIN {
            for (model, aliases) in file::read(file, text).unwrap() {
                for name in std::iter::once(model.name).chain(aliases) {
                    assert!(seen.insert(name.clone()), "{file}: `{name}` stands twice");
                }
            }
        }
        assert!(seen.len() > 200, "{}", seen.len());
    }

    #[test]
    fn a_later_list_wins() {
        let mut prices = Prices::builtin().unwrap();
        let own =
            "provider = \"us\"\nas_of = 2026-01-01\n[[model]]\nname = \"gpt-4o\"\ninput = 1\noutput = 1\n";
        prices.add_toml("own.toml", own).unwrap();
        let model = prices.resolve("gpt-4o").unwrap();
        assert_eq!(prices.provider(model), "us");
        let json = r#"{"sample_spec": {}, "gpt-4o": {"litellm_provider": "openai", "mode": "chat",
            "input_cost_per_token": 3e-06, "output_cost_per_token": 1.2e-05}}"#;
        prices.add_litellm("litellm.json", json).unwrap();
        let model = prices.resolve("gpt-4o-2024-08-06").unwrap();
        let (cost, _) = prices.cost(model, Timestamp(0), Bought::default(), &tokens(1000, 1000));
        assert_eq!(cost, NanoUsd(15_000_000));
    }
}

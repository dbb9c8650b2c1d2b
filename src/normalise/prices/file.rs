//! Our own price lists: one TOML file per provider, USD per million tokens.

use super::Tier;
use super::error::PriceError;
use super::hours::Hours;
use super::rates::{Class, Line, ModelPrices, Offer, PicoPerToken, Rates, Sheet};
use crate::time::{DAY, Timestamp, days_from_civil};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use std::fmt;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    provider: String,
    #[allow(dead_code, reason = "for the reader of the list; checked to be a date")]
    as_of: toml::value::Datetime,
    /// Pictures cost what text costs, where a model says nothing else.
    #[serde(default)]
    images_as_text: bool,
    model: Vec<Model>,
}

/// Prices of classes; those left out stay as they are.
#[derive(Clone, Copy, Default)]
struct Dollars {
    input: Option<f64>,
    output: Option<f64>,
    cached_input: Option<f64>,
    cache_write: Option<f64>,
    cache_write_1h: Option<f64>,
    reasoning: Option<f64>,
    audio_input: Option<f64>,
    cached_audio_input: Option<f64>,
    audio_output: Option<f64>,
    image_input: Option<f64>,
    cached_image_input: Option<f64>,
    image_output: Option<f64>,
}

// The prices stand in each of these tables by themselves: what `serde` flattens cannot refuse unknown fields.
macro_rules! priced {
    ($(#[doc = $doc:literal])* struct $of:ident { $($(#[$attribute:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[doc = $doc])*
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $of {
            $($(#[$attribute])* $field: $kind,)*
            input: Option<f64>,
            output: Option<f64>,
            cached_input: Option<f64>,
            cache_write: Option<f64>,
            cache_write_1h: Option<f64>,
            reasoning: Option<f64>,
            audio_input: Option<f64>,
            cached_audio_input: Option<f64>,
            audio_output: Option<f64>,
            image_input: Option<f64>,
            cached_image_input: Option<f64>,
            image_output: Option<f64>,
        }

        impl $of {
            fn dollars(&self) -> Dollars {
                Dollars {
                    input: self.input,
                    output: self.output,
                    cached_input: self.cached_input,
                    cache_write: self.cache_write,
                    cache_write_1h: self.cache_write_1h,
                    reasoning: self.reasoning,
                    audio_input: self.audio_input,
                    cached_audio_input: self.cached_audio_input,
                    audio_output: self.audio_output,
                    image_input: self.image_input,
                    cached_image_input: self.cached_image_input,
                    image_output: self.image_output,
                }
            }
        }
    };
}

priced! {
    struct Model {
        name: String,
        #[serde(default)]
        aliases: Vec<String>,
        #[allow(dead_code, reason = "for the reader of the list: whose price it is where platforms differ")]
        platform: Option<String>,
        images_as_text: Option<bool>,
        batch: Option<Discount>,
        priority: Option<Discount>,
        flex: Option<Discount>,
        balanced: Option<Discount>,
        ultrafast: Option<Discount>,
        #[serde(default)]
        above: Vec<Above>,
        #[serde(default)]
        since: Vec<Since>,
        #[serde(default)]
        off_peak: Vec<OffPeak>,
    }
}

priced! {
    /// Prices of requests with more input tokens than this.
    struct Above {
        input_tokens: u64,
    }
}

priced! {
    /// Prices from a day on, of all requests or of those with more input tokens than this.
    struct Since {
        date: toml::value::Datetime,
        #[serde(default)]
        input_tokens: u64,
    }
}

priced! {
    /// Prices at some hours of some days of the week.
    struct OffPeak {
        /// Monday is 1.
        weekdays: Vec<u64>,
        /// Such as `10:00-00:00`.
        hours_utc: Vec<String>,
    }
}

priced! {
    /// Prices of another tier.
    struct Own {
        #[serde(default)]
        above: Vec<Above>,
    }
}

/// A share of the standard price, or a table of prices.
enum Discount {
    Factor(f64),
    Own(Box<Own>),
}

impl<'de> Deserialize<'de> for Discount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DiscountVisitor)
    }
}

struct DiscountVisitor;

impl<'de> Visitor<'de> for DiscountVisitor {
    type Value = Discount;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a share of the standard price, such as 0.5, or a table of prices")
    }

    fn visit_f64<E>(self, share: f64) -> Result<Discount, E> {
        Ok(Discount::Factor(share))
    }

    #[allow(clippy::cast_precision_loss, reason = "whatever is not small is refused later")]
    fn visit_i64<E>(self, share: i64) -> Result<Discount, E> {
        Ok(Discount::Factor(share as f64))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Discount, A::Error> {
        Own::deserialize(MapAccessDeserializer::new(map)).map(|own| Discount::Own(Box::new(own)))
    }
}

/// The models of a list with their aliases.
pub(super) fn read(file: &str, text: &str) -> Result<Vec<(ModelPrices, Vec<String>)>, PriceError> {
    let parsed: File = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let (line, message) = (before.matches('\n').count() + 1, error.message().to_owned());
        PriceError::Toml { file: file.to_owned(), line, message }
    })?;
    let of_list = (parsed.provider.as_str(), parsed.images_as_text);
    parsed.model.into_iter().map(|model| convert(file, of_list, model)).collect()
}

fn convert(
    file: &str,
    (provider, images_as_text): (&str, bool),
    model: Model,
) -> Result<(ModelPrices, Vec<String>), PriceError> {
    let images_as_text = model.images_as_text.unwrap_or(images_as_text);
    let place = Place { file, model: &model.name, images_as_text };
    let base = model.dollars();
    for (field, price) in [("input", base.input), ("output", base.output)] {
        if price.is_none() {
            return Err(place.wrong(field, "missing", "a number of dollars from 0 to 1000000"));
        }
    }
    let mut list = sheet(place, base, &model.above)?;
    for change in &model.since {
        let (from, rates) = (place.day(change.date)?, place.rates(change.dollars())?);
        list.add(Line { above: change.input_tokens, from, hours: None, rates });
    }
    for cheap in &model.off_peak {
        let (hours, rates) = (place.hours(cheap)?, place.rates(cheap.dollars())?);
        list.add(Line { hours: Some(hours), ..Line::above(0, rates) });
    }
    let tiers = [
        (Tier::Batch, "batch", &model.batch),
        (Tier::Priority, "priority", &model.priority),
        (Tier::Flex, "flex", &model.flex),
        (Tier::Balanced, "balanced", &model.balanced),
        (Tier::Ultrafast, "ultrafast", &model.ultrafast),
    ];
    let mut offers = Vec::new();
    for (tier, field, discount) in tiers {
        match discount {
            Some(Discount::Factor(share)) => offers.push((tier, Offer::Factor(place.factor(field, *share)?))),
            Some(Discount::Own(own)) => {
                offers.push((tier, Offer::Own(sheet(place, own.dollars(), &own.above)?)));
            }
            None => {}
        }
    }
    let (name, provider) = (model.name.clone(), provider.to_owned());
    let of_media = is_of_media(&base);
    Ok((ModelPrices { name, provider, list, offers, in_part: false, of_media }, model.aliases))
}

/// Whether it answers in sound or pictures, and these have prices of their own.
fn is_of_media(base: &Dollars) -> bool {
    let own = |price: Option<f64>, text| price.is_some() && price != text;
    (base.audio_output.is_some() || base.image_output.is_some())
        && (own(base.audio_output, base.output)
            || own(base.image_output, base.output)
            || own(base.audio_input, base.input)
            || own(base.image_input, base.input))
}

fn sheet(place: Place<'_>, base: Dollars, above: &[Above]) -> Result<Sheet, PriceError> {
    let mut sheet = Sheet::default();
    sheet.add(Line::above(0, place.rates(base)?));
    for longer in above {
        if longer.input_tokens == 0 {
            return Err(place.wrong("above.input_tokens", "0", "a number of tokens above 0"));
        }
        sheet.add(Line::above(longer.input_tokens, place.rates(longer.dollars())?));
    }
    Ok(sheet)
}

/// Where we are, for messages.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub file: &'a str,
    pub model: &'a str,
    pub images_as_text: bool,
}

impl Place<'_> {
    fn rates(self, mut dollars: Dollars) -> Result<Rates, PriceError> {
        let mut rates = Rates::default();
        if self.images_as_text {
            dollars.image_input = dollars.image_input.or(dollars.input);
            dollars.cached_image_input = dollars.cached_image_input.or(dollars.cached_input);
        }
        for (class, field, price) in [
            (Class::Input, "input", dollars.input),
            (Class::Output, "output", dollars.output),
            (Class::CachedInput, "cached_input", dollars.cached_input),
            (Class::CacheWrite, "cache_write", dollars.cache_write),
            (Class::CacheWrite1h, "cache_write_1h", dollars.cache_write_1h),
            (Class::Reasoning, "reasoning", dollars.reasoning),
            (Class::AudioInput, "audio_input", dollars.audio_input),
            (Class::CachedAudio, "cached_audio_input", dollars.cached_audio_input),
            (Class::AudioOutput, "audio_output", dollars.audio_output),
            (Class::ImageInput, "image_input", dollars.image_input),
            (Class::CachedImage, "cached_image_input", dollars.cached_image_input),
            (Class::ImageOutput, "image_output", dollars.image_output),
        ] {
            rates.set(class, price.map(|usd| self.pico(field, usd)).transpose()?);
        }
        Ok(rates)
    }

    /// Pico-dollars per token of dollars per million tokens.
    pub fn pico(self, field: &str, usd: f64) -> Result<PicoPerToken, PriceError> {
        if !(0.0..=1_000_000.0).contains(&usd) {
            return Err(self.wrong(field, &usd.to_string(), "a number of dollars from 0 to 1000000"));
        }
        #[allow(clippy::cast_possible_truncation)]
        Ok((usd * 1e6).round() as PicoPerToken)
    }

    fn factor(self, field: &str, share: f64) -> Result<u32, PriceError> {
        if !(0.0..=100.0).contains(&share) {
            return Err(self.wrong(field, &share.to_string(), "a share of the standard price from 0 to 100"));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Ok((share * f64::from(super::rates::ONE)).round() as u32)
    }

    fn day(self, date: toml::value::Datetime) -> Result<Timestamp, PriceError> {
        let Some(day) = date.date else {
            return Err(self.wrong("since.date", &date.to_string(), "a day such as 2026-11-01"));
        };
        let days = days_from_civil(day.year.into(), day.month.into(), day.day.into());
        Ok(Timestamp(days.saturating_mul(DAY)))
    }

    fn hours(self, cheap: &OffPeak) -> Result<Hours, PriceError> {
        let mut hours = Hours::default();
        for span in &cheap.hours_utc {
            self.add_hours(&mut hours, &cheap.weekdays, span)?;
        }
        Ok(hours)
    }

    pub fn add_hours(self, hours: &mut Hours, weekdays: &[u64], span: &str) -> Result<(), PriceError> {
        if hours.add(weekdays, span) {
            return Ok(());
        }
        let written = format!("{span} on days {weekdays:?}");
        Err(self.wrong(
            "hours_utc",
            &written,
            "hours such as 22:00-00:00 on days from 1 to 7, Monday being 1",
        ))
    }

    pub fn wrong(self, field: &str, value: &str, wanted: &'static str) -> PriceError {
        PriceError::Price {
            file: self.file.to_owned(),
            model: self.model.to_owned(),
            field: field.to_owned(),
            value: value.to_owned(),
            wanted,
        }
    }
}

//! LiteLLM's price file, for people who keep one: USD per single token.

mod names;

use super::Tier;
use super::error::PriceError;
use super::file::Place;
use super::hours::Hours;
use super::rates::{Class, Line, ModelPrices, Offer, PicoPerToken, Rates, Sheet};
use crate::normalise::models;
use names::{Meaning, meaning};
use serde_json::{Map, Value};

/// Kinds of model of which all use is told in tokens of text.
const OF_TEXT: [&str; 7] = ["", "chat", "completion", "responses", "embedding", "moderation", "rerank"];
/// Kinds of model that answer with no tokens.
const WITHOUT_OUTPUT: [&str; 3] = ["embedding", "moderation", "rerank"];

/// The priced models of the file with their written names, the ones that win last. Entries without a price per
/// token (per image, per second) and the sample at the head of the file are left out: what they cost is unknown.
///
/// Where several routes reduce to one name, the shortest written name wins, `gpt-4o` before `azure/gpt-4o`, and
/// a route that asks money wins over one that does not.
pub(super) fn read(file: &str, text: &str) -> Result<Vec<(String, ModelPrices)>, PriceError> {
    let parsed: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| PriceError::Json { file: file.to_owned(), error })?;
    let mut models = Vec::new();
    for (written, entry) in &parsed {
        let Some(entry) = entry.as_object().filter(|_| written != "sample_spec") else { continue };
        if let Some(model) = convert(Place { file, model: written, images_as_text: false }, entry)? {
            models.push((written.clone(), model));
        }
    }
    models
        .sort_by_cached_key(|(name, model)| (asks_money(model), std::cmp::Reverse(name.len()), name.clone()));
    Ok(models)
}

/// The prices of an entry; `None` where its tokens have none.
fn convert(place: Place<'_>, entry: &Map<String, Value>) -> Result<Option<ModelPrices>, PriceError> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let (mode, provider) = (text("mode"), text("litellm_provider"));
    let mut model = ModelPrices {
        name: models::reduce(place.model),
        provider: provider.to_owned(),
        ..ModelPrices::default()
    };
    let mut sheets: Vec<(Tier, Sheet)> = Vec::new();
    let (mut by_piece, mut always) = (false, false);
    for (name, value) in entry {
        match meaning(name) {
            Some(Meaning::Token { class, above, tier }) => {
                let sheet = match tier {
                    Tier::Standard => &mut model.list,
                    _ => sheet_of(&mut sheets, tier),
                };
                // A price of the plain name wins over an older name of the same class.
                let rates = sheet.rates_above(above);
                let price = pico(place, name, value)?;
                rates.set(
                    class,
                    if name.ends_with("_cache_hit") { rates.get(class).or(price) } else { price },
                );
            }
            Some(Meaning::Piece) if name == "tiered_pricing" => steps(place, value, &mut model.list)?,
            Some(Meaning::Piece) if name == "off_peak_pricing" => {
                model.list.add(off_peak(place, value)?);
            }
            Some(Meaning::Piece) => by_piece |= is_money(value),
            Some(Meaning::Always) => always |= is_money(value),
            // Its models always search.
            Some(Meaning::Extra) if provider == "perplexity" => always |= is_money(value),
            Some(Meaning::Extra | Meaning::Nothing) | None => {}
        }
    }
    model.offers = sheets.into_iter().map(|(tier, sheet)| (tier, Offer::Own(sheet))).collect();
    model.in_part = always || by_piece && !OF_TEXT.contains(&mode);
    model.of_media = model.lists_media() && (!OF_TEXT.contains(&mode) || answers_in_media(&model));
    if !asks_money(&model) && (by_piece || always || !has_price(&model)) {
        return Ok(None);
    }
    if WITHOUT_OUTPUT.contains(&mode) {
        let rates = model.list.rates_above(0);
        rates.set(Class::Output, rates.get(Class::Output).or(Some(0)));
    }
    Ok(Some(model))
}

fn sheet_of(sheets: &mut Vec<(Tier, Sheet)>, tier: Tier) -> &mut Sheet {
    let place = sheets.iter().position(|(of, _)| *of == tier).unwrap_or_else(|| {
        sheets.push((tier, Sheet::default()));
        sheets.len() - 1
    });
    &mut sheets[place].1
}

/// `tiered_pricing`: a list of prices, each with the `range` of input tokens that it is for.
fn steps(place: Place<'_>, value: &Value, list: &mut Sheet) -> Result<(), PriceError> {
    let wrong = |value: &Value| {
        place.wrong("tiered_pricing", &value.to_string(), "a list of prices with the `range` of input tokens")
    };
    for step in value.as_array().ok_or_else(|| wrong(value))? {
        let step = step.as_object().ok_or_else(|| wrong(value))?;
        // Steps by something else, such as the number of results, are no prices of tokens.
        let Some(range) = step.get("range") else { continue };
        let from = range.get(0).and_then(Value::as_f64).filter(|from| (0.0..=1e12).contains(from));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let from = from.ok_or_else(|| wrong(range))? as u64;
        let rates = rates(place, step)?;
        let known = list.rates_above(from);
        for class in Class::ALL {
            known.set(class, rates.get(class).or(known.get(class)));
        }
    }
    Ok(())
}

/// `off_peak_pricing`: prices with the hours of the week at which they hold.
fn off_peak(place: Place<'_>, value: &Value) -> Result<Line, PriceError> {
    let field = "off_peak_pricing";
    let wrong =
        || place.wrong(field, &value.to_string(), "prices with `windows` of `hours_utc` and `weekdays`");
    let cheap = value.as_object().ok_or_else(wrong)?;
    let mut hours = Hours::default();
    for window in cheap.get("windows").and_then(Value::as_array).ok_or_else(wrong)? {
        let days = window.get("weekdays").and_then(Value::as_array);
        let days: Vec<u64> =
            days.map_or((1..=7).collect(), |days| days.iter().filter_map(Value::as_u64).collect());
        let spans = window.get("hours_utc").ok_or_else(wrong)?;
        let spans = spans.as_array().map_or(std::slice::from_ref(spans), Vec::as_slice);
        for span in spans {
            place.add_hours(&mut hours, &days, span.as_str().ok_or_else(wrong)?)?;
        }
    }
    Ok(Line { hours: Some(hours), ..Line::above(0, rates(place, cheap)?) })
}

/// The plain prices among these fields.
fn rates(place: Place<'_>, fields: &Map<String, Value>) -> Result<Rates, PriceError> {
    let mut rates = Rates::default();
    for (name, value) in fields {
        if let Some(Meaning::Token { class, above: 0, tier: Tier::Standard }) = meaning(name) {
            rates.set(class, pico(place, name, value)?);
        }
    }
    Ok(rates)
}

fn pico(place: Place<'_>, field: &str, value: &Value) -> Result<Option<PicoPerToken>, PriceError> {
    if value.is_null() {
        return Ok(None);
    }
    let per_token = value.as_f64();
    let per_token =
        per_token.ok_or_else(|| place.wrong(field, &value.to_string(), "a number of dollars per token"))?;
    place.pico(field, per_token * 1e6).map(Some)
}

/// True where a price is more than zero, in whatever shape it is written.
fn is_money(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Array(values) => values.iter().any(is_money),
        Value::Object(values) => values.values().any(is_money),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

fn prices(model: &ModelPrices) -> impl Iterator<Item = PicoPerToken> {
    let lines = model.list.lines().iter();
    lines.flat_map(|line| Class::ALL.into_iter().filter_map(|class| line.rates.get(class)))
}

fn answers_in_media(model: &ModelPrices) -> bool {
    let mut lines = model.list.lines().iter();
    lines.any(|line| {
        [Class::AudioOutput, Class::ImageOutput].iter().any(|&class| line.rates.get(class).is_some())
    })
}

fn has_price(model: &ModelPrices) -> bool {
    prices(model).next().is_some()
}

fn asks_money(model: &ModelPrices) -> bool {
    prices(model).any(|price| price > 0)
}

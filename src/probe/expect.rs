//! What is expected of an answer, and what of it is not so.

use super::ask::Reply;
use super::book::Percentile;
use super::schema::Schema;
use crate::normalise::Prices;
use regex::Regex;
use std::time::Duration;

/// What a schema finds wrong that is told.
const WRONG_MAX: usize = 3;

/// What is expected.
#[derive(Debug, Default)]
pub struct Expect {
    /// The text, but for white space around it.
    pub equals: Option<String>,
    /// A pattern that fits somewhere.
    pub matches: Option<Regex>,
    /// The text is JSON that fits a schema.
    pub schema: Option<Schema>,
    /// The model that answers, by any of its names.
    pub model: Option<String>,
    /// A pattern that fits the name of the model that answers.
    pub model_matches: Option<Regex>,
    /// Input tokens, from and to.
    pub input: (u64, u64),
    /// Output tokens, from and to.
    pub output: (u64, u64),
    /// How long the answer may take.
    pub latency_max: Option<Duration>,
    /// How long its first text may take.
    pub first_token_max: Option<Duration>,
    /// How many times the 95th percentile of its own past an answer may take.
    pub slower_than_p95: Option<f64>,
}

/// Something that is not as it was expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The setting that expected it.
    pub what: &'static str,
    /// What is so instead.
    pub message: String,
}

/// Tokens in any number.
pub const ANY: (u64, u64) = (0, u64::MAX);

/// What an answer is looked at with.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// Where the text stands in an answer.
    pub text_at: &'a str,
    /// What models are called.
    pub prices: &'a Prices,
    /// How long others took before.
    pub past: Option<Percentile>,
    /// Makes of a text of the other side what may be shown of it.
    pub show: &'a dyn Fn(&str) -> String,
}

impl Expect {
    /// What is not as it was expected of a whole answer.
    pub fn check(&self, reply: &Reply, look: Look<'_>) -> Vec<Failure> {
        let mut failures = Vec::new();
        let mut fail = |what, message: String| failures.push(Failure { what, message });
        self.text(reply, look, &mut fail);
        self.model(&reply.answer.model, look, &mut fail);
        for (what, range, told) in [
            ("input_tokens", self.input, reply.answer.input()),
            ("output_tokens", self.output, reply.answer.output()),
        ] {
            match told {
                _ if range == ANY => {}
                None => fail(what, "the answer does not tell how many there were".to_owned()),
                Some(count) if (range.0..=range.1).contains(&count) => {}
                Some(count) => fail(what, format!("{count}; {} is expected", between(range))),
            }
        }
        self.pace(reply, look.past, &mut fail);
        failures
    }

    fn text(
        &self,
        reply: &Reply,
        Look { text_at, show, .. }: Look<'_>,
        fail: &mut impl FnMut(&'static str, String),
    ) {
        let text = reply.answer.text.trim();
        let shown = || format!("`{}`", show(text));
        if text.is_empty() {
            let ended = show(&reply.answer.ended);
            let why =
                format!("no text in it (`{text_at}`); it ended with `{ended}`; is `max_tokens` enough?");
            return fail("text", why);
        }
        if let Some(expected) = self.equals.as_deref().filter(|expected| expected.trim() != text) {
            fail("equals", format!("{}; `{}` is expected", shown(), show(expected)));
        }
        if let Some(pattern) = self.matches.as_ref().filter(|pattern| !pattern.is_match(text)) {
            fail("matches", format!("{}, which `{}` does not fit", shown(), show(pattern.as_str())));
        }
        let Some(schema) = &self.schema else { return };
        match serde_json::from_str(text) {
            Err(error) => fail("json_schema", format!("{} is no JSON: {error}", shown())),
            Ok(value) => {
                let wrong = schema.wrong(&value, WRONG_MAX);
                let wrong: Vec<String> =
                    wrong.iter().map(|(at, why)| format!("at `{at}`: {}", show(why))).collect();
                if !wrong.is_empty() {
                    fail("json_schema", format!("{} does not fit: {}", shown(), wrong.join("; ")));
                }
            }
        }
    }

    fn model(
        &self,
        served: &str,
        Look { prices, show, .. }: Look<'_>,
        fail: &mut impl FnMut(&'static str, String),
    ) {
        let shown = || {
            if served.is_empty() { "no model".to_owned() } else { format!("`{}`", show(served)) }
        };
        if let Some(model) = &self.model
            && served != model
            && (served.is_empty() || canonical(prices, served) != canonical(prices, model))
        {
            fail("model", format!("{} answered; `{model}` is expected", shown()));
        }
        if let Some(pattern) = self.model_matches.as_ref().filter(|pattern| !pattern.is_match(served)) {
            fail("model_matches", format!("{} answered, which `{}` does not fit", shown(), pattern.as_str()));
        }
    }

    fn pace(&self, reply: &Reply, past: Option<Percentile>, fail: &mut impl FnMut(&'static str, String)) {
        let latency = reply.latency;
        if let Some(max) = self.latency_max.filter(|max| latency > *max) {
            fail("latency_ms_max", format!("{} ms; {} is the limit", latency.as_millis(), max.as_millis()));
        }
        let first = reply.first_token.unwrap_or(latency);
        if let Some(max) = self.first_token_max.filter(|max| first > *max) {
            let told =
                format!("{} ms to the first text; {} is the limit", first.as_millis(), max.as_millis());
            fail("first_token_ms_max", told);
        }
        if let (Some(times), Some(Percentile { p95, of })) = (self.slower_than_p95, past)
            && latency.as_secs_f64() > times * p95.as_secs_f64()
        {
            let told = format!(
                "{} ms; 95 of 100 answers took {} ms or less before (of {of}), and {times} times that is the limit",
                latency.as_millis(),
                p95.as_millis()
            );
            fail("slower_than_p95_times", told);
        }
    }
}

/// A model by whatever name.
fn canonical(prices: &Prices, name: &str) -> String {
    prices.resolve(name).map_or_else(|reduced| reduced, |model| prices.name(model).to_owned())
}

fn between((min, max): (u64, u64)) -> String {
    match (min, max) {
        (min, u64::MAX) => format!("{min} or more"),
        (min, max) if min == max => max.to_string(),
        (min, max) => format!("{min} to {max}"),
    }
}

//! What has come of an answer, event by event or all at once, whoever gives it.

use crate::record::{Count, Tokens};
use serde_json::Value;

/// Bytes of text that are kept of an answer: a canary is short.
const TEXT_MAX: usize = 64 << 10;

/// An answer so far.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Its text, as far as there is room.
    pub text: String,
    /// The text is longer than what is kept.
    pub is_cut: bool,
    /// The model that says it answered.
    pub model: String,
    /// What the provider calls the answer.
    pub id: String,
    /// Token counts, as far as they are told.
    pub tokens: Tokens,
    /// All input, where the sum is told and not the uncached part.
    pub input_total: Option<u64>,
    /// Why it ended, in the provider's word; empty while it has not.
    pub ended: String,
    /// The provider says in the middle of it that it fails.
    pub error: Option<String>,
}

/// Something that is not where it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Missing {
    /// Where it should be.
    pub place: &'static str,
    /// The names that are there.
    pub has: String,
}

impl Answer {
    /// Whether anything has come of the text.
    pub fn has_text(&self) -> bool {
        !self.text.is_empty()
    }

    /// Input tokens, cached ones included, where they are told.
    pub fn input(&self) -> Option<u64> {
        let uncached = self.tokens.input_uncached.get();
        self.input_total.or_else(|| uncached.map(|_| self.tokens.input()))
    }

    /// Output tokens, where they are told.
    pub fn output(&self) -> Option<u64> {
        self.tokens.output.get()
    }

    /// The disjoint classes, as prices are for.
    pub fn bought(&self) -> Tokens {
        let mut tokens = self.tokens;
        if let Some(total) = self.input_total {
            let cached =
                tokens.cache_read.or_zero() + tokens.cache_write.or_zero() + tokens.cache_write_1h.or_zero();
            tokens.input_uncached = Count::of(total.saturating_sub(cached));
        }
        tokens
    }

    pub(super) fn add(&mut self, text: &str) {
        let room = TEXT_MAX - self.text.len();
        let mut end = text.len().min(room);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.is_cut |= end < text.len();
        self.text.push_str(&text[..end]);
    }

    pub(super) fn set(place: &mut String, value: &Value) {
        if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
            text.chars().take(NAME_MAX).collect::<String>().clone_into(place);
        }
    }
}

/// Characters of a name that are kept.
const NAME_MAX: usize = 200;

pub(super) fn count(value: &Value, place: &mut Count) {
    if let Some(number) = value.as_u64() {
        *place = Count::of(number);
    }
}

pub(super) fn missing(place: &'static str, value: &Value) -> Missing {
    let has = match value {
        Value::Object(map) if map.is_empty() => "nothing".to_owned(),
        Value::Object(map) => {
            let names: Vec<String> = map.keys().take(8).map(|name| format!("`{name}`")).collect();
            names.join(", ")
        }
        Value::Array(_) => "a list".to_owned(),
        _ => "no object".to_owned(),
    };
    Missing { place, has }
}

/// What a provider says in an answer that it fails: the usual places.
pub(super) fn error(value: &Value) -> Option<String> {
    let error = value.get("error").filter(|error| !error.is_null())?;
    let message =
        error.get("message").and_then(Value::as_str).or_else(|| error.as_str()).unwrap_or("no words");
    let kind = error.get("type").or_else(|| error.get("status")).and_then(Value::as_str);
    Some(kind.map_or_else(|| message.to_owned(), |kind| format!("{kind}: {message}")))
}

//! What the records of a format can ever tell, and so which detectors are blind with such a source alone.

use super::field::Field;
use crate::signal::Signals;

/// A set of fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fields(u32);

/// Every field that can be told apart in a record, under the name that `docs/record.md` gives it.
const NAMED: &[(Field, &str)] = &[
    (Field::Time, "timestamp"),
    (Field::Key, "api_key"),
    (Field::KeyAlias, "api_key_alias"),
    (Field::SourceIp, "source_ip"),
    (Field::UserAgent, "user_agent"),
    (Field::Model, "model"),
    (Field::InputTokens, "input_tokens"),
    (Field::CacheRead, "cached_input_tokens"),
    (Field::CacheWrite, "cache_write_tokens"),
    (Field::CacheWrite1h, "cache_write_1h_tokens"),
    (Field::OutputTokens, "output_tokens"),
    (Field::Reasoning, "reasoning_tokens"),
    (Field::Cost, "cost_usd"),
    (Field::Requests, "requests"),
    (Field::End, "window_end"),
    (Field::Endpoint, "endpoint"),
    (Field::Status, "status_code"),
    (Field::RequestId, "request_id"),
    (Field::ServiceTier, "service_tier"),
];

impl Fields {
    /// No field.
    pub const NONE: Self = Self(0);

    /// These and one more, whichever way a format tells it.
    #[must_use]
    pub(super) const fn with(self, field: Field) -> Self {
        let field = match field {
            // Parts of the input and the output, of which only the price is another one.
            field if field.is_media() => return self,
            Field::Dimension | Field::Amount | Field::Extra(_) => return self,
            Field::InputUncached => Field::InputTokens,
            Field::ReasoningBeside => Field::Reasoning,
            Field::Batch => Field::ServiceTier,
            other => other,
        };
        Self(self.0 | 1 << field.index())
    }

    /// Whether it holds this field.
    pub(super) const fn has(self, field: Field) -> bool {
        self.0 & 1 << field.index() != 0
    }

    /// The names of its fields.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMED.iter().filter(move |(field, _)| self.has(*field)).map(|(_, name)| *name)
    }
}

/// What a record of some format counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counts {
    /// Requests, one by one.
    Requests,
    /// Requests, as the half that tells who asked.
    Askers,
    /// Requests, as the half that tells what they took.
    Usage,
    /// All use in a stretch of time, as wide as the source likes.
    Buckets,
    /// All use of a day.
    Days,
    /// What is billed for a day.
    Bills,
    /// What was done to keys and to the rules they are under.
    Audits,
    /// What operators say.
    Statements,
    /// What canary prompts come to.
    Canaries,
}

impl Counts {
    /// Its name in tables.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Askers => "halves (who)",
            Self::Usage => "halves (cost)",
            Self::Buckets => "buckets",
            Self::Days => "days",
            Self::Bills => "daily bills",
            Self::Audits => "audit events",
            Self::Statements => "statements",
            Self::Canaries => "canary prompts",
        }
    }
}

/// What the records of a format can ever tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Carries {
    /// The fields.
    pub fields: Fields,
    /// What is counted.
    pub counts: &'static [Counts],
}

impl Carries {
    /// What such a source tells on its own.
    pub fn signals(self) -> Signals {
        let counts = |wanted: &[Counts]| self.counts.iter().any(|count| wanted.contains(count));
        let has = |field| self.fields.has(field);
        let one_by_one = counts(&[Counts::Requests, Counts::Askers, Counts::Usage]);
        if !one_by_one && !counts(&[Counts::Buckets, Counts::Days]) {
            return Signals::COST.when(counts(&[Counts::Bills]));
        }
        let is_priced = has(Field::Model) && (has(Field::InputTokens) || has(Field::OutputTokens));
        Signals::ADDRESS
            .when(has(Field::SourceIp))
            .with(Signals::MODEL.when(has(Field::Model)))
            .with(Signals::COST.when(has(Field::Cost) || is_priced))
            .with(Signals::REQUESTS.when(one_by_one || has(Field::Requests)))
            .with(Signals::HOUR.when(one_by_one || counts(&[Counts::Buckets])))
    }

    /// The columns of a table of formats: what is asked for, and whether it is there.
    pub fn columns(self) -> [(&'static str, bool); 8] {
        let has = |field| self.fields.has(field);
        let signals = self.signals();
        [
            ("key", has(Field::Key)),
            ("address", has(Field::SourceIp)),
            ("client", has(Field::UserAgent)),
            ("model", has(Field::Model)),
            ("tokens", has(Field::InputTokens) || has(Field::OutputTokens)),
            ("cost", has(Field::Cost)),
            ("requests", signals.has(Signals::REQUESTS)),
            ("hour", signals.has(Signals::HOUR)),
        ]
    }

    /// What it counts, in words.
    pub fn counted(self) -> String {
        self.counts.iter().map(|count| count.label()).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_told_by_one_name() {
        for (at, (field, name)) in NAMED.iter().enumerate() {
            assert_eq!(Fields::NONE.with(*field).names().collect::<Vec<_>>(), [*name]);
            assert!(NAMED[..at].iter().all(|(_, other)| other != name), "{name}");
        }
        for field in [Field::Dimension, Field::Amount, Field::Extra(3)] {
            assert_eq!(Fields::NONE.with(field), Fields::NONE);
        }
    }

    #[test]
    fn signals_follow_from_fields_and_counts() {
        let fields = |fields: &[Field]| fields.iter().fold(Fields::NONE, |all, field| all.with(*field));
        let tokens = fields(&[Field::Model, Field::InputUncached]);
        let rows: [(Fields, &'static [Counts], &str); 6] = [
            (tokens, &[Counts::Requests], "model cost requests hour"),
            (tokens, &[Counts::Buckets], "model cost hour"),
            (tokens.with(Field::Requests), &[Counts::Days], "model cost requests"),
            (fields(&[Field::Model, Field::SourceIp]), &[Counts::Askers], "address model requests hour"),
            (fields(&[Field::Model, Field::Cost]), &[Counts::Bills], "cost"),
            (fields(&[Field::SourceIp]), &[Counts::Audits], ""),
        ];
        for (fields, counts, expected) in rows {
            let told: Vec<_> = Carries { fields, counts }.signals().names().collect();
            assert_eq!(told.join(" "), expected, "{counts:?}");
        }
    }
}

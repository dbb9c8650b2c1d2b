//! What a secret is, how soon it has to be contained, and what to do first: a table, in `config/secret_types.toml`.

use crate::normalise::redact::Pattern;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The table that comes with the program.
pub const BUILTIN: &str = include_str!("../../config/secret_types.toml");

/// How soon a secret has to be contained; the most urgent comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Before anything else.
    Highest,
    /// Within the hour.
    High,
    /// Today.
    MediumHigh,
    /// As soon as the others are contained.
    Medium,
}

impl Priority {
    /// As it is shown.
    pub fn label(self) -> &'static str {
        match self {
            Self::Highest => "highest",
            Self::High => "high",
            Self::MediumHigh => "medium to high",
            Self::Medium => "medium",
        }
    }
}

/// One type of secret.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretType {
    /// Unique, in snake case.
    pub name: String,
    /// How soon it has to be contained.
    pub priority: Priority,
    /// What it opens.
    pub leverage: String,
    /// What to do first.
    pub first: String,
    /// The patterns whose secrets are of this type.
    #[serde(default)]
    pub patterns: Vec<String>,
    /// Or the patterns whose secrets are of this type if they begin like one of `begins`.
    #[serde(default)]
    of: Vec<String>,
    #[serde(default)]
    begins: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    r#type: Vec<SecretType>,
}

/// A table that cannot be used.
#[derive(Debug, Error)]
pub enum KindError {
    /// Not TOML of the right shape.
    #[error("secret types: {0}")]
    Toml(#[from] toml::de::Error),
    /// Secrets would be found that are of no type.
    #[error("secret types: the pattern `{0}` belongs to no type")]
    Missing(String),
}

/// Which type the secrets of each pattern are of.
#[derive(Debug)]
pub struct Kinds {
    types: Vec<SecretType>,
    /// The type of each pattern, in the order of the patterns.
    of_pattern: Vec<usize>,
    /// Exceptions: a pattern, how a secret begins, its type.
    exceptions: Vec<(usize, Vec<u8>, usize)>,
}

impl Kinds {
    /// Reads a table for these patterns.
    pub fn new(text: &str, patterns: &[Pattern]) -> Result<Self, KindError> {
        let types = toml::from_str::<File>(text)?.r#type;
        let of = |pattern: &Pattern| {
            let at = types.iter().position(|kind| kind.patterns.contains(&pattern.name));
            at.ok_or_else(|| KindError::Missing(pattern.name.clone()))
        };
        let of_pattern = patterns.iter().map(of).collect::<Result<_, _>>()?;
        let mut exceptions = Vec::new();
        for (at, kind) in types.iter().enumerate() {
            for pattern in patterns.iter().enumerate().filter(|(_, pattern)| kind.of.contains(&pattern.name))
            {
                exceptions
                    .extend(kind.begins.iter().map(|begin| (pattern.0, begin.clone().into_bytes(), at)));
            }
        }
        Ok(Self { types, of_pattern, exceptions })
    }

    /// The number of the type of a secret that a pattern has found.
    pub fn classify(&self, pattern: usize, secret: &[u8]) -> usize {
        let is = |(of, begin, _): &&(usize, Vec<u8>, usize)| *of == pattern && secret.starts_with(begin);
        self.exceptions.iter().find(is).map_or(self.of_pattern[pattern], |(_, _, kind)| *kind)
    }

    /// A type by its number.
    pub fn get(&self, number: usize) -> &SecretType {
        &self.types[number]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::redact::{BUILTIN as PATTERNS, parse_patterns};

    #[test]
    fn every_pattern_is_of_one_type() {
        let patterns = parse_patterns(PATTERNS).unwrap();
        let kinds = Kinds::new(BUILTIN, &patterns).unwrap();
        for pattern in &patterns {
            let holders = kinds.types.iter().filter(|kind| kind.patterns.contains(&pattern.name));
            assert_eq!(holders.count(), 1, "{}", pattern.name);
        }
        let known = |name: &String| patterns.iter().any(|pattern| pattern.name == *name);
        for kind in &kinds.types {
            assert!(kind.patterns.iter().chain(&kind.of).all(known), "{}", kind.name);
            assert_eq!(kind.of.is_empty(), kind.begins.is_empty(), "{}", kind.name);
            assert!(kind.patterns.is_empty() != kind.of.is_empty(), "{}", kind.name);
        }
    }

    #[test]
    fn administrators_come_before_others() {
        let patterns = parse_patterns(PATTERNS).unwrap();
        let kinds = Kinds::new(BUILTIN, &patterns).unwrap();
        let at = patterns.iter().position(|pattern| pattern.name == "openai_project").unwrap();
        let kind = |secret: &[u8]| kinds.get(kinds.classify(at, secret));
        assert_eq!(kind(b"sk-admin-EXAMPLE").name, "ai_admin_key");
        assert_eq!(kind(b"sk-proj-EXAMPLE").name, "ai_provider_key");
        assert!(kind(b"sk-admin-EXAMPLE").priority < kind(b"sk-proj-EXAMPLE").priority);
    }
}

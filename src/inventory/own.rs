//! What an organisation writes down itself about its keys: one file of `[[key]]` for every subcommand that asks.

use crate::investigate::System;
use serde::Deserialize;
use thiserror::Error;

/// Entries of the file.
const KEYS_MAX: usize = 1_000_000;

/// The file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Own {
    /// Its entries, in their order.
    pub key: Vec<Entry>,
}

/// What is known of one key.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Entry {
    /// One name of it: masked, an identifier at the provider, a hash, an alias, a fingerprint.
    pub key: String,
    /// Every name by which logs, usage or invoices know it.
    pub names: Vec<String>,
    /// What to call it.
    pub name: String,
    /// The team or workflow that uses it.
    pub team: String,
    /// Whose models it is for.
    pub provider: String,
    /// Who answers for it.
    pub owner: String,
    /// Where it is used.
    pub environment: String,
    /// Repositories, workflows and services that hold it.
    pub used_by: Vec<String>,
    /// What it is allowed, where that is known.
    pub permissions: Vec<String>,
    /// The models that it may use, where that is known.
    pub models: Vec<String>,
    /// Dollars a month.
    pub monthly_spend_limit: Option<f64>,
    /// Systems behind it.
    pub system: Vec<System>,
}

/// A file that cannot be used. Tells no name: it might be a key.
#[derive(Debug, Error)]
pub enum OwnError {
    /// Not TOML of the right shape.
    #[error("{0}")]
    Toml(String),
    /// An entry without names.
    #[error("entry {0} of [[key]] has no names")]
    Empty(usize),
    /// Too many.
    #[error("more than {KEYS_MAX} entries of [[key]]")]
    TooMany,
    /// No amount of money.
    #[error("entry {0} of [[key]]: `monthly_spend_limit` is no amount of dollars")]
    Limit(usize),
}

impl Own {
    /// Reads it.
    pub fn parse(text: &str) -> Result<Self, OwnError> {
        // The message of the parser would quote a line of the file.
        let own: Self = toml::from_str(text)
            .map_err(|error: toml::de::Error| OwnError::Toml(error.message().to_owned()))?;
        if own.key.len() > KEYS_MAX {
            return Err(OwnError::TooMany);
        }
        for (at, entry) in own.key.iter().enumerate() {
            if entry.all_names().next().is_none() {
                return Err(OwnError::Empty(at + 1));
            }
            if entry.monthly_spend_limit.is_some_and(|limit| !(limit.is_finite() && limit >= 0.0)) {
                return Err(OwnError::Limit(at + 1));
            }
        }
        Ok(own)
    }
}

impl Entry {
    /// Every name of it.
    pub fn all_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().chain([&self.key]).map(|name| name.trim()).filter(|name| !name.is_empty())
    }
}

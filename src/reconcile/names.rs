//! Which names mean one key, and whose it is: logs, usage and invoices often name the same key in three ways.

use crate::key::{KeyId, KeyNamer};
use serde::Deserialize;
use std::collections::BTreeMap;
use thiserror::Error;

/// Entries of the file.
const KEYS_MAX: usize = 1_000_000;
/// Longest name or team that is kept.
const TEXT_MAX: usize = 128;

/// What is told of keys beforehand.
#[derive(Debug, Default)]
pub struct KeyNames {
    /// The entry of each fingerprint.
    by_id: BTreeMap<KeyId, u32>,
    entries: Vec<Entry>,
}

/// A key with all its names.
#[derive(Debug)]
struct Entry {
    id: KeyId,
    name: String,
    team: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    key: Vec<KeyEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    /// Every name by which logs, usage or invoices know it: a masked key, its identifier at the provider, a hash.
    names: Vec<String>,
    /// What to call it.
    #[serde(default)]
    name: String,
    /// The team or workflow that uses it.
    #[serde(default)]
    team: String,
}

/// A file of names that cannot be used. Tells no name: it might be a key.
#[derive(Debug, Error)]
pub enum NamesError {
    /// Not TOML of the right shape.
    #[error("{0}")]
    Toml(String),
    /// An entry without names.
    #[error("entry {0} of [[key]] has no names")]
    Empty(usize),
    /// One name in two entries.
    #[error("entries {0} and {1} of [[key]] have a name in common")]
    Twice(usize, usize),
    /// Too many.
    #[error("more than {KEYS_MAX} entries of [[key]]")]
    TooMany,
}

impl KeyNames {
    /// Reads a file of `[[key]]`. What may be shown of names is what the redactor behind `clean` leaves of them.
    pub fn read(text: &str, namer: &KeyNamer, clean: impl Fn(&str) -> String) -> Result<Self, NamesError> {
        // The message of the parser would quote a line of the file.
        let file: File = toml::from_str(text)
            .map_err(|error: toml::de::Error| NamesError::Toml(error.message().to_owned()))?;
        if file.key.len() > KEYS_MAX {
            return Err(NamesError::TooMany);
        }
        let mut known = Self::default();
        for (at, entry) in file.key.iter().enumerate() {
            let ids: Vec<KeyId> = entry.names.iter().map(|name| namer.id(name.trim().as_bytes())).collect();
            let id = *ids.first().ok_or(NamesError::Empty(at + 1))?;
            let number = u32::try_from(at).map_err(|_| NamesError::TooMany)?;
            for id in ids {
                match known.by_id.insert(id, number) {
                    Some(other) if other != number => {
                        return Err(NamesError::Twice(other as usize + 1, at + 1));
                    }
                    _ => {}
                }
            }
            let short = |text: &str| clean(text).chars().take(TEXT_MAX).collect();
            known.entries.push(Entry { id, name: short(&entry.name), team: short(&entry.team) });
        }
        Ok(known)
    }

    /// The fingerprint by which a key goes: that of its first name.
    pub fn id(&self, id: KeyId) -> KeyId {
        self.entry(id).map_or(id, |entry| entry.id)
    }

    /// What it is called, if its file says so.
    pub fn name(&self, id: KeyId) -> Option<&str> {
        self.entry(id).map(|entry| entry.name.as_str()).filter(|name| !name.is_empty())
    }

    /// Whose it is; empty where nobody says.
    pub fn team(&self, id: KeyId) -> &str {
        self.entry(id).map_or("", |entry| &entry.team)
    }

    /// Whether any key has a team.
    pub fn has_teams(&self) -> bool {
        self.entries.iter().any(|entry| !entry.team.is_empty())
    }

    fn entry(&self, id: KeyId) -> Option<&Entry> {
        self.by_id.get(&id).and_then(|at| self.entries.get(*at as usize))
    }
}

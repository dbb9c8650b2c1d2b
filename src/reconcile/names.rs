//! Which names mean one key, and whose it is: logs, usage and invoices often name the same key in three ways.

use crate::inventory::{Own, OwnError};
use crate::key::{KeyId, KeyNamer};
use std::collections::BTreeMap;
use thiserror::Error;

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

/// A file of names that cannot be used. Tells no name: it might be a key.
#[derive(Debug, Error)]
pub enum NamesError {
    /// No file of keys.
    #[error(transparent)]
    Own(#[from] OwnError),
    /// One name in two entries.
    #[error("entries {0} and {1} of [[key]] have a name in common")]
    Twice(usize, usize),
}

impl KeyNames {
    /// Reads a file of `[[key]]`. What may be shown of names is what the redactor behind `clean` leaves of them.
    pub fn read(text: &str, namer: &KeyNamer, clean: impl Fn(&str) -> String) -> Result<Self, NamesError> {
        let mut known = Self::default();
        for (at, entry) in Own::parse(text)?.key.iter().enumerate() {
            let ids: Vec<KeyId> = entry.all_names().map(|name| namer.id(name.as_bytes())).collect();
            let Some(id) = ids.first().copied() else { continue };
            let number = u32::try_from(at).map_err(|_| OwnError::TooMany)?;
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

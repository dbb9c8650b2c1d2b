//! Moments that no usage record tells: when the key leaked, and what was done in response.

use super::read;
use crate::cli::{Failure, exit};
use crate::investigate::{Gathered, Moment};
use crate::respond::List;
use crate::time::parse;
use anyhow::anyhow;
use serde::Deserialize;
use std::path::Path;

/// Places of a leak that are told.
const PLACES_MAX: usize = 20;

/// A line of `keyhound trace-leak --json`, as far as it is needed.
#[derive(Deserialize)]
struct Leak {
    key_id: String,
    api_key_prefix: String,
    #[serde(default)]
    public_host: bool,
    #[serde(default)]
    places: Vec<Place>,
}

#[derive(Deserialize)]
struct Place {
    #[serde(default)]
    path: String,
    added: Option<Commit>,
    removed: Option<Commit>,
}

#[derive(Deserialize)]
struct Commit {
    id: String,
    #[serde(default)]
    author: String,
    date: String,
}

/// When the key got into repositories, and out of them. Where fingerprints are salted differently, it is found by what is
/// shown of it.
pub(super) fn leaks(path: &Path, gathered: &Gathered) -> Result<Vec<Moment>, Failure> {
    let id = gathered.key.map_or_else(String::new, |key| key.to_string());
    let mut moments = Vec::new();
    let mut is_other = true;
    for (number, line) in (1..).zip(read(path)?.lines()) {
        let leak: Leak = serde_json::from_str(line).map_err(|error| {
            let why =
                format!("{}:{number}: not what `keyhound trace-leak --json` writes: {error}", path.display());
            Failure::new(exit::DATA, anyhow!(why))
        })?;
        if leak.key_id != id && leak.api_key_prefix != gathered.hint {
            continue;
        }
        is_other = false;
        let public = if leak.public_host { ", pushed to a public host" } else { "" };
        for place in leak.places.iter().take(PLACES_MAX) {
            moments.extend(commit(place.added.as_ref(), &format!("the key got into {}{public}", place.path)));
            moments
                .extend(commit(place.removed.as_ref(), &format!("the key was taken out of {}", place.path)));
        }
    }
    if is_other {
        let error = anyhow!("{}: tells of other keys only", path.display());
        return Err(Failure::new(exit::DATA, error));
    }
    Ok(moments)
}

fn commit(commit: Option<&Commit>, what: &str) -> Option<Moment> {
    let Commit { id, author, date } = commit?;
    let at = parse(date.as_bytes()).ok()?.at.to_string();
    let id = id.get(..12).unwrap_or(id);
    let by = if author.is_empty() { String::new() } else { format!(" by {author}") };
    Some(Moment {
        at,
        what: format!("{what}{by}"),
        source: format!("commit {id}"),
        line_sha256: String::new(),
        kind: "leak",
    })
}

/// What was done in response, by the list that was ticked.
pub(super) fn response(path: &Path) -> Result<Vec<Moment>, Failure> {
    let list = List::read(&read(path)?)
        .map_err(|error| Failure::new(exit::DATA, anyhow!("{}: {error}", path.display())))?;
    let moments = list.timeline().into_iter().map(|(step, done)| {
        let by = if done.by.is_empty() { String::new() } else { format!(" (by {})", done.by) };
        let note = if done.note.is_empty() { String::new() } else { format!(": {}", done.note) };
        // The first sentence says what; the rest how.
        let text = step.text.split(". ").next().unwrap_or(&step.text);
        Moment {
            at: done.at.at.to_string(),
            what: format!("{text}{by}{note}"),
            source: format!("step {}", step.number),
            line_sha256: String::new(),
            kind: "response",
        }
    });
    Ok(moments.collect())
}

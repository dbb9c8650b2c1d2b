//! What is known to have happened: thefts, benign changes, and which stretch of time is scored.
//!
//! Our format is JSON Lines, one thing that happened a line (docs/backtest.md); `labels.json` of the benchmark is one
//! document.

use super::detbench;
use super::seen::Seen;
use crate::key::KeyId;
use crate::time::{self, DAY, MINUTE, Timestamp};
use serde::Deserialize;
use std::collections::BTreeMap;
use thiserror::Error;

/// A theft.
#[derive(Clone, PartialEq, Debug)]
pub struct Theft {
    /// The key: as alerts show it, its alias, or its fingerprint.
    pub key: String,
    /// What kind of theft.
    pub class: String,
    /// First and last request of the thief.
    pub start: Timestamp,
    /// The last one.
    pub end: Timestamp,
    /// The thief's requests by their identifiers, where anybody knows.
    pub requests: Option<Vec<Box<str>>>,
}

/// Something that changed and is no theft.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    /// The key.
    pub key: String,
    /// What kind of change.
    pub class: String,
    /// When it began.
    pub start: Timestamp,
    /// When it was over, or usual.
    pub end: Timestamp,
}

/// The stretch of time in which false incidents count.
#[derive(Clone, PartialEq, Debug)]
pub struct Scored {
    /// Which keys it is a part of.
    pub population: String,
    /// From then on.
    pub start: Timestamp,
    /// And before then.
    pub end: Timestamp,
}

/// All labels.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Labels {
    /// Thefts, in their order.
    pub thefts: Vec<Theft>,
    /// Benign changes, in their order: of several at one time the last counts.
    pub changes: Vec<Change>,
    /// By key; what holds for the others is under no name.
    pub scored: BTreeMap<String, Scored>,
}

/// Labels that cannot be used.
#[derive(Debug, Error)]
#[error("{file}:{line}: {what}")]
pub struct LabelError {
    /// The file.
    pub file: String,
    /// The line of it, from 1.
    pub line: usize,
    /// What is wrong and what is expected.
    pub what: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", tag = "label")]
enum Line {
    Theft {
        key: String,
        class: Option<String>,
        start: String,
        end: String,
        #[serde(default)]
        request_ids: Option<Vec<Box<str>>>,
    },
    Benign {
        key: String,
        class: Option<String>,
        start: String,
        end: String,
    },
    Scored {
        #[serde(default)]
        key: String,
        #[serde(default)]
        population: String,
        start: Option<String>,
        end: Option<String>,
    },
}

/// For so long after its last request a theft may be found.
pub(super) const HOUR: i64 = 60 * MINUTE;
/// The class of what has none.
const UNNAMED: &str = "unnamed";

impl Labels {
    /// Reads labels in either format.
    pub fn parse(file: &str, text: &str) -> Result<Self, LabelError> {
        if detbench::is_its(text) {
            return detbench::parse(file, text);
        }
        let mut labels = Self::default();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let told = |what: String| LabelError { file: file.to_owned(), line: number + 1, what };
            let line: Line = serde_json::from_str(line).map_err(|error| told(expected(&error)))?;
            labels.add(line).map_err(told)?;
        }
        Ok(labels)
    }

    fn add(&mut self, line: Line) -> Result<(), String> {
        match line {
            Line::Theft { key, class, start, end, request_ids } => {
                let (start, end) = span(&start, &end)?;
                let class = class.unwrap_or_else(|| UNNAMED.to_owned());
                self.thefts.push(Theft { key, class, start, end, requests: request_ids });
            }
            Line::Benign { key, class, start, end } => {
                let (start, end) = span(&start, &end)?;
                self.changes.push(Change {
                    key,
                    class: class.unwrap_or_else(|| UNNAMED.to_owned()),
                    start,
                    end,
                });
            }
            Line::Scored { key, population, start, end } => {
                let start = start.map_or(Ok(Timestamp::MIN), |start| instant("start", &start))?;
                let end = end.map_or(Ok(Timestamp::MAX), |end| instant("end", &end))?;
                if self.scored.insert(key.clone(), Scored { population, start, end }).is_some() {
                    let whose = if key.is_empty() { "all keys".to_owned() } else { format!("key `{key}`") };
                    return Err(format!("a second `scored` for {whose}; one is expected"));
                }
            }
        }
        Ok(())
    }

    /// Whether a thief is at work with this key then, or was within the hour.
    pub fn explains(&self, seen: &Seen, key: KeyId, at: Timestamp) -> bool {
        let during = |theft: &&Theft| theft.start <= at && at <= theft.end.plus(HOUR);
        let is_called = |name: &str| seen.keys.get(&key).is_some_and(|seen| seen.is_called(key, name));
        self.thefts.iter().filter(during).any(|theft| is_called(&theft.key))
    }

    /// The stretch that is scored of a key that is called these names; `None` where it is not scored at all.
    pub fn scored_of(&self, names: [&str; 3]) -> Option<Scored> {
        let own = names.iter().filter(|name| !name.is_empty()).find_map(|name| self.scored.get(*name));
        match own.or_else(|| self.scored.get("")) {
            Some(scored) => Some(scored.clone()),
            None if self.scored.is_empty() => {
                Some(Scored { population: String::new(), start: Timestamp::MIN, end: Timestamp::MAX })
            }
            None => None,
        }
    }
}

fn expected(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    format!(
        "{said}; a line is {{\"label\": \"theft\" or \"benign\", \"key\", \"class\", \"start\", \"end\"}} or {{\"label\": \"scored\", …}}"
    )
}

fn span(start: &str, end: &str) -> Result<(Timestamp, Timestamp), String> {
    let (from, to) = (instant("start", start)?, instant("end", end)?);
    if to < from {
        return Err(format!("`end` is `{end}`, before `start`, which is `{start}`"));
    }
    Ok((from, to))
}

/// A time as records have it.
pub(super) fn instant(field: &str, text: &str) -> Result<Timestamp, String> {
    let read = time::parse(text.as_bytes()).map(|stamp| stamp.at);
    read.map_err(|error| format!("`{field}` is `{text}`: {error}; write RFC 3339, as 2026-07-01T09:00:00Z"))
}

/// The start of the day of an instant, in UTC.
pub(super) fn day_of(at: Timestamp) -> Timestamp {
    Timestamp(at.0 - at.0.rem_euclid(DAY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, told) in [
            ("\n{\"label\":\"theft\"}", "l:2: missing field `key`; a line is"),
            ("{", "l:1: EOF while parsing an object; a line is"),
            (
                "{\"label\":\"loss\"}",
                "l:1: unknown variant `loss`, expected one of `theft`, `benign`, `scored`",
            ),
            (
                "{\"label\":\"benign\",\"key\":\"k\",\"start\":\"noon\",\"end\":\"noon\"}",
                "l:1: `start` is `noon`: not a",
            ),
            (
                "{\"label\":\"theft\",\"key\":\"k\",\"start\":\"2026-07-02T00:00:00Z\",\"end\":\"2026-07-01T00:00:00Z\"}",
                "l:1: `end` is `2026-07-01T00:00:00Z`, before `start`",
            ),
            ("{\"label\":\"scored\"}\n{\"label\":\"scored\"}", "l:2: a second `scored` for all keys"),
        ] {
            let error = Labels::parse("l", text).unwrap_err().to_string();
            assert!(error.starts_with(told), "{error}");
        }
    }

    #[test]
    fn of_a_key_its_own_stretch_counts() {
        let text = concat!(
            "{\"label\":\"scored\",\"key\":\"...3f9c\",\"population\":\"services\",\"start\":\"2026-07-01T00:00:00Z\"}\n",
            "{\"label\":\"scored\",\"end\":\"2026-08-01T00:00:00Z\"}\n",
        );
        let labels = Labels::parse("l", text).unwrap();
        assert_eq!(labels.scored_of(["...3f9c", "", "00"]).unwrap().population, "services");
        assert_eq!(labels.scored_of(["...77e0", "", "00"]).unwrap().start, Timestamp::MIN);
        assert!(
            Labels::default().scored_of(["...77e0", "", "00"]).is_some(),
            "without a word, all is scored"
        );
    }
}

//! An incident as it is recorded: one line of the output of a run.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A thousandth of a nat, which is what is recorded: whole numbers add up exactly.
pub type MilliNats = i64;

/// One line of a ledger.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// What it is about.
    pub term: String,
    /// What it adds to the score.
    pub nats: f64,
    /// What was seen of the consumer.
    pub observed: f64,
    /// What would be seen of the owner.
    pub expected: f64,
}

impl Entry {
    /// What it adds, exactly.
    pub fn milli(&self) -> MilliNats {
        milli(self.nats)
    }
}

/// Nats to the thousandth.
#[allow(clippy::cast_possible_truncation, reason = "nats are few")]
pub fn milli(nats: f64) -> MilliNats {
    (nats * 1000.0).round() as MilliNats
}

/// What a revision names.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// Requests that were not told before.
    #[serde(default)]
    pub request_ids: Vec<String>,
    /// Addresses.
    #[serde(default)]
    pub source_ips: Vec<String>,
}

/// An incident in one revision.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Revision {
    /// The same in all revisions.
    pub incident_id: String,
    /// Counts up from 0.
    pub revision: u32,
    /// What it is.
    pub class: String,
    /// How bad.
    pub severity: String,
    /// The sum of the ledger.
    pub score: f64,
    /// What it had to come to; of older versions it is not known.
    #[serde(default)]
    pub threshold: Option<f64>,
    /// What speaks for and against it.
    pub ledger: Vec<Entry>,
    /// One sentence.
    pub description: String,
    /// First record of the consumer.
    pub timestamp: String,
    /// The record that made the case.
    pub detected_at: String,
    /// The latest.
    pub updated_at: String,
    /// The key as it is shown.
    pub api_key_prefix: String,
    /// Its owner's name for it.
    #[serde(default)]
    pub api_key_alias: String,
    /// Requests so far.
    pub requests: u32,
    /// Dollars so far.
    pub cost_usd: f64,
    /// Requests and addresses.
    #[serde(default)]
    pub evidence: Evidence,
    /// What to do.
    #[serde(default)]
    pub next_steps: Vec<String>,
}

impl Revision {
    /// A line that is an incident of which the identifier begins so; `None` for any other.
    pub fn read(line: &[u8], id: &str) -> Option<(Value, Result<Self, String>)> {
        let value: Value = serde_json::from_slice(line).ok()?;
        let is_it = value["event"] == "incident"
            && value["incident_id"].as_str().is_some_and(|known| known.starts_with(id));
        if !is_it {
            return None;
        }
        let read = Self::deserialize(&value).map_err(|error| error.to_string());
        Some((value, read.and_then(Self::checked)))
    }

    /// Only a ledger that adds up explains anything.
    fn checked(self) -> Result<Self, String> {
        let sum: MilliNats = self.ledger.iter().map(Entry::milli).sum();
        if sum == milli(self.score) {
            return Ok(self);
        }
        let (sum, score) = (nats(sum), self.score);
        Err(format!(
            "its ledger adds up to {sum}, and its score is {score}: it was changed after it was told"
        ))
    }
}

/// Thousandths of nats as they are shown.
pub fn nats(milli: MilliNats) -> String {
    let sign = if milli < 0 { '-' } else { '+' };
    let milli = milli.unsigned_abs();
    format!("{sign}{}.{:03}", milli / 1000, milli % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nats_are_shown_as_they_are_added() {
        assert_eq!([0, 1, -1, 11_500, -2_050].map(nats), ["+0.000", "+0.001", "-0.001", "+11.500", "-2.050"]);
        assert_eq!(milli(-0.4004), -400);
    }
}

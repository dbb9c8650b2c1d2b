//! `silence`: a key that is used regularly is not used any more. Its service is down or moved to another key, its records
//! are lost on their way, or somebody has seen to it that they are not written: whatever it is, nobody sees what is done
//! with the key.
//!
//! This is not a question to a record but to the time that passes without one, so the shard asks it: whenever the watermark
//! comes to where a key's silence would be too long for chance. It is told once, of the day of the last use, and is over
//! when the key is used again; a key that is never used again is told once.

use super::raise::{Raised, describe};
use super::rule::{Settings, bind, defaults, within};
use super::{Alert, Class, Detector, Explanation, Fact, Finding, KeyView, Rule, Ruleset, Severity, Status};
use crate::baseline::Patience;
use crate::money::NanoUsd;
use crate::signal::Signals;
use crate::time::{SECOND, Stamp, Timestamp};
use serde::{Deserialize, Serialize};

pub(super) const DETECTOR: Detector = Detector {
    name: "silence",
    summary: "a key that is used regularly is not used for longer than its hours of the week let expect",
    version: 1,
    class: Class::Operational,
    pages: false,
    needs: Signals::REQUESTS.with(Signals::HOUR),
    attack: &["T1685.002"],
    atlas: &[],
    next_steps: &[
        "See whether the key's service runs and whether its records still arrive: other keys of the same source tell.",
        "If it runs and its records do not arrive, find out who changed the logging, and what was done with the key since.",
        "If the key is not needed any more, revoke it.",
    ],
    load: bind::<SilenceRule>,
    defaults: defaults::<SilenceRule>,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SilenceRule {
    /// Hours that a silence lasts at least.
    hours_min: f64,
    /// The chance that a key which is used as before is silent for so long.
    chance_max: f64,
    /// Of a key that has days without use: whole days without, each of which usually has some.
    days_min: f64,
}

impl Default for SilenceRule {
    fn default() -> Self {
        Self { hours_min: 6.0, chance_max: 1e-6, days_min: 3.0 }
    }
}

impl Settings for SilenceRule {
    fn check(&self) -> Result<(), String> {
        within("hours_min", self.hours_min, 1.0..=168.0)?;
        within("chance_max", self.chance_max, 1e-300..=0.1)?;
        within("days_min", self.days_min, 0.0..=14.0)
    }
}

impl Rule for SilenceRule {
    fn test(&self, _: &KeyView<'_>) -> Option<Finding> {
        // No record makes it true.
        None
    }

    fn needs_sightings(&self) -> bool {
        true
    }

    fn explain(&self, view: &KeyView<'_>) -> Explanation {
        Explanation::none(view)
    }

    fn patience(&self) -> Option<Patience> {
        let Self { hours_min, chance_max, days_min } = *self;
        Some(Patience { hours_min, chance_max, days_min })
    }
}

/// A silence that was told.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Silence {
    /// The last use before it.
    pub since: Timestamp,
    /// When it was told.
    pub told: Timestamp,
    /// Requests that would have been usual by then.
    pub expected: f64,
    /// The chance that there was none.
    pub chance: f64,
    /// Whether the key was used on every day before.
    pub is_daily: bool,
}

impl Silence {
    /// The alert, of the day of the last use; `back` is the use that ended it.
    pub fn alert(&self, rules: &Ruleset, view: &KeyView<'_>, back: Option<Stamp>) -> Option<Alert> {
        let (detector, _) = rules.iter().find(|(detector, _)| detector.name == DETECTOR.name)?;
        let severity = if self.is_daily { Severity::Medium } else { Severity::Low };
        let told = Stamp::utc(self.told);
        let raised = Raised::of(severity, u32::from(back.is_some()), told, back.unwrap_or(told));
        let status = if back.is_some() { Status::Final } else { Status::Open };
        let alert = describe(detector, view, &self.explain(back.is_some()), raised, status);
        // What that day had is no part of it.
        Some(Alert { requests: None, cost: NanoUsd::ZERO, invoiced: None, ..alert })
    }

    fn explain(&self, is_over: bool) -> Explanation {
        let since = Stamp::utc(self.since);
        let hours = (self.told.0 - self.since.0) / (3600 * SECOND);
        let (was, end) = if is_over { ("was no use", "; it is used again") } else { ("is no use", "") };
        let Self { expected, chance, .. } = self;
        Explanation {
            timestamp: since,
            description: format!(
                "there {was} since {since} for {hours} hours, in which {expected:.0} requests are usual{end}"
            ),
            evidence: vec![
                ("last_used", Fact::Text(since.to_string())),
                ("silent_hours", Fact::Count(u64::try_from(hours).unwrap_or(0))),
                ("expected_requests", Fact::Number(*expected)),
                ("chance", Fact::Number(*chance)),
            ],
        }
    }
}

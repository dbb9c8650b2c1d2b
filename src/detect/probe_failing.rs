//! `probe_failing`: canary prompts of keyhound's own are not answered as they should be, more than once.
//!
//! This is not a question to a day of a key: a probe fails until it is well again, over midnight as well, so the shard tells
//! it what came of each prompt. It is told when so many in a row have failed, again when it has become worse or goes on for
//! long, and is over (`final`) with the first that is well.

use super::raise::{Raised, describe};
use super::rule::{Settings, bind, defaults, within};
use super::{Alert, Class, Detector, Explanation, Fact, Finding, KeyView, Rule, Ruleset, Severity, Status};
use crate::heap;
use crate::money::NanoUsd;
use crate::signal::Signals;
use crate::time::{Day, SECOND, Stamp, Timestamp};
use serde::{Deserialize, Serialize};

pub(super) const DETECTOR: Detector = Detector {
    name: "probe_failing",
    summary: "canary prompts of keyhound's own are not answered, or not as it is expected, several times in a row",
    version: 1,
    class: Class::Operational,
    pages: false,
    needs: Signals::NONE,
    attack: &[],
    atlas: &[],
    next_steps: &[
        "Send it by hand: `keyhound probe -c FILE NAME` shows status, times, model and what is not as expected.",
        "See whether the provider tells of trouble, whether the key is valid and has money left, and who else uses up its limits.",
        "If the model or the form of the answers has changed, change what is expected, or what depends on it.",
    ],
    load: bind::<ProbeFailing>,
    defaults: defaults::<ProbeFailing>,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ProbeFailing {
    /// How many in a row have to fail.
    fail_after: f64,
}

impl Default for ProbeFailing {
    fn default() -> Self {
        Self { fail_after: 2.0 }
    }
}

impl Settings for ProbeFailing {
    fn check(&self) -> Result<(), String> {
        within("fail_after", self.fail_after, 1.0..=1000.0)
    }
}

impl Rule for ProbeFailing {
    fn test(&self, _: &KeyView<'_>) -> Option<Finding> {
        // No use of a key makes it true.
        None
    }

    fn needs_sightings(&self) -> bool {
        true
    }

    fn explain(&self, view: &KeyView<'_>) -> Explanation {
        Explanation::none(view)
    }

    fn fail_after(&self) -> Option<u32> {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a setting from 1 to 1000"
        )]
        Some(self.fail_after as u32)
    }
}

/// One that has not been told before is told again when it has failed so many times more often.
const GROWTH: u32 = 3;

/// What came of a prompt.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// When.
    pub at: Stamp,
    /// The day of that.
    pub day: Day,
    /// It was as it should be.
    pub is_well: bool,
    /// What came of it in one word.
    pub outcome: &'a str,
    /// Why it failed.
    pub why: &'a str,
    /// The status of the answer, if there was one.
    pub status: u16,
    /// The model that answered.
    pub model: &'a str,
}

/// A probe that fails, or did on this day.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Failing {
    /// The first of the failures in a row, the last of which may be over.
    since: Stamp,
    /// The day of that: the alert is of it.
    day: Day,
    /// How many.
    count: u32,
    /// The row is over.
    is_well: bool,
    /// What was told of it, while it is.
    told: Option<Told>,
    /// The day of the last row that was told, and its last revision: the next may begin on the same day.
    before: Option<(Day, u32)>,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
struct Told {
    revision: u32,
    detected_at: Stamp,
    severity: Severity,
    count: u32,
}

impl Failing {
    /// Who tells of it.
    pub const DETECTOR: &Detector = &DETECTOR;

    /// One of which nothing is known; `at` is when it is heard of.
    pub const fn new(at: Stamp) -> Self {
        Self { since: at, day: Day(0), count: 0, is_well: true, told: None, before: None }
    }

    /// The day of its alert.
    pub const fn day(&self) -> Day {
        self.day
    }

    /// The severity of what is told and not over.
    pub fn open(&self) -> Option<(Severity, Timestamp)> {
        self.told.map(|told| (told.severity, told.detected_at.at))
    }

    /// Memory on the heap, its own place included, in bytes.
    pub fn bytes() -> usize {
        heap::vector::<Self>(1)
    }

    /// Takes what came of a prompt; what there is to tell, if anything is. Where nobody wants to hear of it (`fail_after` is
    /// none), nothing is.
    pub fn hear<'a>(&mut self, heard: Heard<'a>, fail_after: Option<u32>) -> Option<News<'a>> {
        if heard.is_well { self.end(heard) } else { self.fail(heard, fail_after?) }
    }

    fn fail<'a>(&mut self, heard: Heard<'a>, fail_after: u32) -> Option<News<'a>> {
        if self.is_well {
            (self.since, self.day, self.count, self.is_well) = (heard.at, heard.day, 0, false);
        }
        self.count = self.count.saturating_add(1);
        let severity = if heard.outcome == MISMATCH { Severity::Medium } else { Severity::High };
        let told = match self.told {
            None if self.count < fail_after => return None,
            None => {
                // Two rows that began on one day are one alert.
                let before = self.before.filter(|(day, _)| *day == self.day);
                let revision = before.map_or(0, |(_, last)| last + 1);
                Told { revision, detected_at: heard.at, severity, count: self.count }
            }
            Some(told) if severity > told.severity || self.count >= told.count.saturating_mul(GROWTH) => {
                Told {
                    revision: told.revision + 1,
                    severity: severity.max(told.severity),
                    count: self.count,
                    ..told
                }
            }
            Some(_) => return None,
        };
        self.told = Some(told);
        Some(News { heard, told, status: Status::Open })
    }

    fn end<'a>(&mut self, heard: Heard<'a>) -> Option<News<'a>> {
        self.is_well = true;
        let told = self.told.take()?;
        let told = Told { revision: told.revision + 1, ..told };
        self.before = Some((self.day, told.revision));
        Some(News { heard, told, status: Status::Final })
    }

    /// Whether there is nothing more to remember of it than that it is well.
    pub const fn is_over(&self) -> bool {
        self.is_well && self.before.is_none()
    }

    /// The alert.
    pub fn alert(&self, rules: &Ruleset, view: &KeyView<'_>, news: &News<'_>) -> Option<Alert> {
        let (detector, _) = rules.iter().find(|(detector, _)| detector.name == DETECTOR.name)?;
        let News { heard, told, status } = news;
        let raised = Raised::of(told.severity, told.revision, told.detected_at, heard.at);
        let alert = describe(detector, view, &self.explain(heard, view, *status), raised, *status);
        // There is no use behind it.
        Some(Alert { requests: None, cost: NanoUsd::ZERO, invoiced: None, ..alert })
    }

    fn explain(&self, heard: &Heard<'_>, view: &KeyView<'_>, status: Status) -> Explanation {
        let name = view.key.hint.strip_prefix("probe:").unwrap_or(&view.key.hint);
        let minutes = (heard.at.at.0 - self.since.at.0).max(0) / (60 * SECOND);
        let (count, since) = (self.count, self.since);
        let times = if count == 1 { "once".to_owned() } else { format!("{count} times in a row") };
        let description = match status {
            Status::Final => format!(
                "probe `{name}` is well again; it had failed {times} since {since}, {minutes} minutes"
            ),
            _ => format!("probe `{name}` failed {times} since {since}: {}", heard.why),
        };
        let mut evidence = vec![
            ("failures", Fact::Count(count.into())),
            ("since", Fact::Text(since.to_string())),
            ("outcome", Fact::Text(heard.outcome.to_owned())),
        ];
        if heard.status > 0 {
            evidence.push(("status", Fact::Count(heard.status.into())));
        }
        if !heard.model.is_empty() {
            evidence.push(("model", Fact::Text(heard.model.to_owned())));
        }
        Explanation { timestamp: since, description, evidence }
    }
}

/// Something to tell.
#[derive(Clone, Copy, Debug)]
pub struct News<'a> {
    heard: Heard<'a>,
    told: Told,
    status: Status,
}

/// The outcome of answers that were there, but not as expected.
const MISMATCH: &str = "mismatch";

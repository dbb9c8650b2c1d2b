//! `repeated_request`: a key asks the same again and again, more often than it asks anything on a usual day: a loop, a
//! webhook that is delivered twice, a job that was started by every machine.
//!
//! Requests are alike that ask the same model with exactly as many tokens of input. How many are is estimated from
//! sixteen bins, which takes 64 bytes and does not depend on the order of arrival.

use super::rule::{Settings, bind, defaults, extent, some, within};
use super::{CHECK_RUNAWAY, Class, Detector, Explanation, Fact, Finding, KeyView, Leeway, Rule, Severity};
use crate::signal::Signals;
use serde::{Deserialize, Serialize};

pub(super) const DETECTOR: Detector = Detector {
    name: "repeated_request",
    summary: "one and the same request, told by model and input tokens, more often than all requests of three usual days",
    version: 1,
    class: Class::Operational,
    pages: false,
    needs: Signals::NONE,
    attack: &["T1496.004"],
    atlas: &["AML.T0034.002"],
    next_steps: CHECK_RUNAWAY,
    load: bind::<RepeatedRequest>,
    defaults: defaults::<RepeatedRequest>,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RepeatedRequest {
    /// How many times a usual day's requests the same request may be asked.
    multiplier: f64,
    /// Up to so many of one kind are never a finding.
    floor_requests: f64,
}

impl Default for RepeatedRequest {
    fn default() -> Self {
        Self { multiplier: 3.0, floor_requests: 200.0 }
    }
}

impl Settings for RepeatedRequest {
    fn check(&self) -> Result<(), String> {
        within("multiplier", self.multiplier, 1.0..=1e6)?;
        within("floor_requests", self.floor_requests, 1.0..=1e9)
    }
}

impl Rule for RepeatedRequest {
    fn test(&self, view: &KeyView<'_>) -> Option<Finding> {
        let usual = view.baseline?.mean_requests;
        let least = self.floor_requests.max(self.multiplier * usual);
        if extent(view.day.requests) <= least {
            return None;
        }
        let alike = extent(view.day.alike());
        (alike > least).then_some(Finding { severity: Severity::Medium, extent: alike })
    }

    fn leeway(&self, view: &KeyView<'_>) -> Leeway {
        let Some(baseline) = view.baseline else { return Leeway::ENDLESS };
        let least = self.floor_requests.max(self.multiplier * baseline.mean_requests);
        // Past it, it has to be asked: a leeway that is used up is none.
        Leeway::of_requests(least)
    }

    fn explain(&self, view: &KeyView<'_>) -> Explanation {
        let usual = view.baseline.map_or(0.0, |baseline| baseline.mean_requests);
        let (alike, all) = (view.day.alike(), view.day.requests);
        Explanation {
            timestamp: view.day.first(),
            description: format!(
                "about {alike} of {} on {} ask one and the same; a usual day has {usual:.0} in all",
                some(all, "request"),
                view.day.day
            ),
            evidence: vec![
                ("alike_estimate", Fact::Count(alike)),
                ("requests", Fact::Count(all)),
                ("baseline_mean", Fact::Number(usual)),
            ],
        }
    }
}

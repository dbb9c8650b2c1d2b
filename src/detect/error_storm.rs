//! `error_storm`: most of what a key asks is refused because it is too much, or fails on the provider's side, and that
//! more often than the key asks on other days: a loop of retries, an outage, or a thief who uses up the quota.

use super::rule::{Settings, bind, defaults, extent, some, within};
use super::{Class, Detector, Explanation, Fact, Finding, KeyView, Leeway, Rule, Severity};
use crate::signal::Signals;
use serde::{Deserialize, Serialize};

pub(super) const DETECTOR: Detector = Detector {
    name: "error_storm",
    summary: "half of a day's requests end in 429 or 5xx, and those are more than all requests of a usual day",
    version: 1,
    class: Class::Operational,
    pages: false,
    needs: Signals::NONE,
    attack: &["T1499"],
    atlas: &["AML.T0029"],
    next_steps: &[
        "See whether the provider has an outage, and whether the owner's retries back off.",
        "If the owner's services are not the ones that ask so often, treat the key as stolen: replace and revoke it.",
        "Raise no limit before that is known.",
    ],
    load: bind::<ErrorStorm>,
    defaults: defaults::<ErrorStorm>,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ErrorStorm {
    /// Failures of a day up to which there is no storm.
    floor_requests: f64,
    /// The share of a day's requests from which on there is one.
    share_min: f64,
}

impl Default for ErrorStorm {
    fn default() -> Self {
        Self { floor_requests: 100.0, share_min: 0.5 }
    }
}

impl Settings for ErrorStorm {
    fn check(&self) -> Result<(), String> {
        within("floor_requests", self.floor_requests, 1.0..=1e9)?;
        within("share_min", self.share_min, 0.0..=1.0)
    }
}

impl Rule for ErrorStorm {
    fn test(&self, view: &KeyView<'_>) -> Option<Finding> {
        let usual = view.baseline.map_or(0.0, |baseline| baseline.mean_requests);
        let (failed, all) = (extent(view.day.failed), extent(view.day.requests));
        let is_storm = failed > self.floor_requests && failed >= self.share_min * all && failed > usual;
        is_storm.then_some(Finding { severity: Severity::Medium, extent: failed })
    }

    fn leeway(&self, view: &KeyView<'_>) -> Leeway {
        let usual = view.baseline.map_or(0.0, |baseline| baseline.mean_requests);
        Leeway::of_failed(self.floor_requests.max(usual))
    }

    fn explain(&self, view: &KeyView<'_>) -> Explanation {
        let (failed, all) = (view.day.failed, view.day.requests);
        let mut evidence = vec![("failed", Fact::Count(failed)), ("requests", Fact::Count(all))];
        let mut usual = String::new();
        if let Some(baseline) = view.baseline {
            evidence.push(("baseline_mean", Fact::Number(baseline.mean_requests)));
            usual = format!("; a usual day has {:.0}", baseline.mean_requests);
        }
        Explanation {
            timestamp: view.day.first(),
            description: format!(
                "{failed} of {} failed with 429 or 5xx on {}{usual}",
                some(all, "request"),
                view.day.day
            ),
            evidence,
        }
    }
}

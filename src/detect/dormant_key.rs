//! `dormant_key`: a key that was in use comes back after weeks of silence. Keys that nobody misses are the ones that
//! thieves keep for longest.

use super::rule::{Settings, bind, defaults, some, within};
use super::{Class, Detector, Explanation, Fact, Finding, KeyView, Leeway, Rule, Severity};
use crate::signal::Signals;
use serde::{Deserialize, Serialize};

pub(super) const DETECTOR: Detector = Detector {
    name: "dormant_key",
    summary: "a key that was in use before is used again after 14 days or more without use",
    version: 1,
    class: Class::Compromise,
    pages: false,
    needs: Signals::NONE,
    attack: &["T1078.004"],
    atlas: &["AML.T0012"],
    next_steps: &[
        "Ask the owner whether the key is used again, and for what.",
        "If nobody needs it, revoke it: a key that is not used need not exist.",
        "If nobody knows of it, treat it as stolen: look at addresses, models and costs of the day.",
    ],
    load: bind::<DormantKey>,
    defaults: defaults::<DormantKey>,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DormantKey {
    /// Days without use after which use is a finding.
    idle_days: f64,
}

impl Default for DormantKey {
    fn default() -> Self {
        Self { idle_days: 14.0 }
    }
}

impl Settings for DormantKey {
    fn check(&self) -> Result<(), String> {
        within("idle_days", self.idle_days, 1.0..=3650.0)
    }
}

/// Days without use between the last day of use and this one.
fn idle_days(view: &KeyView<'_>) -> Option<i32> {
    view.last_day.map(|last| view.day.day.0 - last.0 - 1).filter(|_| view.day.requests > 0)
}

impl Rule for DormantKey {
    fn test(&self, view: &KeyView<'_>) -> Option<Finding> {
        let idle = idle_days(view)?;
        (f64::from(idle) >= self.idle_days).then_some(Finding { severity: Severity::Medium, extent: 1.0 })
    }

    fn leeway(&self, view: &KeyView<'_>) -> Leeway {
        // When it was used last is known from the first use on.
        if view.day.requests > 0 { Leeway::ENDLESS } else { Leeway::of_requests(0.0) }
    }

    fn explain(&self, view: &KeyView<'_>) -> Explanation {
        let idle = u64::try_from(idle_days(view).unwrap_or(0)).unwrap_or(0);
        let last = view.last_day.map_or_else(String::new, |day| day.to_string());
        Explanation {
            timestamp: view.day.first(),
            description: format!("used again after {} without use; last used on {last}", some(idle, "day")),
            evidence: vec![("idle_days", Fact::Count(idle)), ("last_used", Fact::Text(last))],
        }
    }
}

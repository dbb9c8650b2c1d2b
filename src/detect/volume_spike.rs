//! `volume_spike`: more requests in a day than this key's own history explains. From the seed.

use super::rule::{Settings, bind, defaults, round1, within};
use super::{CHECK_RUNAWAY, Class, Detector, Explanation, Fact, Finding, KeyView, Leeway, Rule, Severity};
use crate::signal::Signals;
use serde::{Deserialize, Serialize};

pub(super) const DETECTOR: Detector = Detector {
    name: "volume_spike",
    summary: "more requests in a day than this key's own history explains (mean + 3 standard deviations)",
    version: 1,
    class: Class::Operational,
    pages: false,
    needs: Signals::REQUESTS,
    attack: &["T1496.004"],
    atlas: &["AML.T0034.000"],
    next_steps: CHECK_RUNAWAY,
    load: bind::<VolumeSpike>,
    defaults: defaults::<VolumeSpike>,
};

/// Silent for a key whose days are all alike (standard deviation zero), as the seed is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct VolumeSpike {
    /// How many standard deviations above the mean are still normal.
    sigma: f64,
    /// From how many times the mean the alert is critical.
    critical_multiplier: f64,
}

impl Default for VolumeSpike {
    fn default() -> Self {
        Self { sigma: 3.0, critical_multiplier: 10.0 }
    }
}

impl Settings for VolumeSpike {
    fn check(&self) -> Result<(), String> {
        within("sigma", self.sigma, 0.0..=1e6)?;
        within("critical_multiplier", self.critical_multiplier, 1.0..=1e6)
    }
}

impl Rule for VolumeSpike {
    fn test(&self, view: &KeyView<'_>) -> Option<Finding> {
        let baseline = view.baseline?;
        let count = count(view);
        if baseline.std_requests <= 0.0
            || count <= baseline.mean_requests + self.sigma * baseline.std_requests
        {
            return None;
        }
        let critical = count > baseline.mean_requests * self.critical_multiplier;
        Some(Finding { severity: if critical { Severity::Critical } else { Severity::High }, extent: count })
    }

    fn leeway(&self, view: &KeyView<'_>) -> Leeway {
        match view.baseline {
            Some(baseline) if baseline.std_requests > 0.0 => {
                Leeway::of_requests(baseline.mean_requests + self.sigma * baseline.std_requests)
            }
            _ => Leeway::ENDLESS,
        }
    }

    fn explain(&self, view: &KeyView<'_>) -> Explanation {
        let (mean, std) = view.baseline.map_or((0.0, 0.0), |b| (b.mean_requests, b.std_requests));
        let day = view.day.day;
        let times = round1(count(view) / mean.max(1.0));
        let requests = view.day.requests;
        Explanation {
            timestamp: view.day.first(),
            description: format!(
                "{requests} requests on {day}, {times} times its average day of {mean:.0} ± {std:.0}"
            ),
            evidence: vec![
                ("day", Fact::Text(day.to_string())),
                ("request_count", Fact::Count(requests)),
                ("baseline_avg", Fact::Number(mean)),
                ("baseline_std", Fact::Number(std)),
                ("multiplier", Fact::Number(times)),
            ],
        }
    }
}

#[allow(clippy::cast_precision_loss)]
fn count(view: &KeyView<'_>) -> f64 {
    view.day.requests as f64
}

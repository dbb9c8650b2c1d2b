//! `cost_spike`: a day that costs a multiple of this key's usual day, and more than pocket money. From the seed.

use super::leeway::not_above;
use super::rule::{Settings, bind, defaults, within};
use super::{CHECK_RUNAWAY, Class, Detector, Explanation, Fact, Finding, KeyView, Leeway, Rule, Severity};
use crate::baseline::Baseline;
use crate::signal::Signals;
use serde::{Deserialize, Serialize};

pub(super) const DETECTOR: Detector = Detector {
    name: "cost_spike",
    summary: "a day that costs more than five times this key's average day, and more than ten dollars",
    version: 1,
    class: Class::Operational,
    pages: false,
    needs: Signals::COST,
    attack: &["T1496.004"],
    atlas: &["AML.T0034"],
    next_steps: CHECK_RUNAWAY,
    load: bind::<CostSpike>,
    defaults: defaults::<CostSpike>,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CostSpike {
    /// How many times the average day is still normal.
    multiplier: f64,
    /// Days up to this many dollars are never a spike.
    floor_usd: f64,
}

impl Default for CostSpike {
    fn default() -> Self {
        Self { multiplier: 5.0, floor_usd: 10.0 }
    }
}

impl Settings for CostSpike {
    fn check(&self) -> Result<(), String> {
        within("multiplier", self.multiplier, 1.0..=1e6)?;
        within("floor_usd", self.floor_usd, 0.0..=1e9)
    }
}

impl Rule for CostSpike {
    fn test(&self, view: &KeyView<'_>) -> Option<Finding> {
        let baseline = view.baseline?;
        let cost = view.day.spent().usd();
        let limit = (baseline.mean_cost_usd * self.multiplier).max(self.floor_usd);
        (cost > limit).then_some(Finding { severity: Severity::Critical, extent: cost })
    }

    fn leeway(&self, view: &KeyView<'_>) -> Leeway {
        let limit = |baseline: &Baseline| (baseline.mean_cost_usd * self.multiplier).max(self.floor_usd);
        view.baseline.map_or(Leeway::ENDLESS, |baseline| Leeway::of_money(not_above(limit(baseline))))
    }

    fn explain(&self, view: &KeyView<'_>) -> Explanation {
        let mean = view.baseline.map_or(0.0, |baseline| baseline.mean_cost_usd);
        let (cost, day) = (view.day.spent(), view.day.day);
        Explanation {
            timestamp: view.day.first(),
            description: format!("{cost} spent on {day}; this key's average day costs ${mean:.2}"),
            evidence: vec![
                ("day", Fact::Text(day.to_string())),
                ("total_cost", Fact::Usd(cost)),
                ("baseline_avg_cost", Fact::Number(mean)),
            ],
        }
    }
}

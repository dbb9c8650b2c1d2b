//! `billing_threshold`: spending that passes 1.5, 3 or 10 times a typical day, or amounts of the owner's choice.
//!
//! The seed's advice: with $50 a typical day, be told at $75, $150 and $500. The first catches slow leaks, the
//! second active misuse, the third abuse on a large scale. One alert a day, which grows more severe.

use super::leeway::not_above;
use super::rule::{Settings, bind, defaults, within};
use super::{CHECK_RUNAWAY, Class, Detector, Explanation, Fact, Finding, KeyView, Leeway, Rule, Severity};
use crate::money::NanoUsd;
use crate::signal::Signals;
use serde::{Deserialize, Serialize};

pub(super) const DETECTOR: Detector = Detector {
    name: "billing_threshold",
    summary: "a day's spending passes 1.5, 3 or 10 times a typical day, or the amounts set for the key",
    version: 1,
    class: Class::Operational,
    pages: false,
    needs: Signals::COST,
    attack: &["T1496.004"],
    atlas: &["AML.T0034"],
    next_steps: CHECK_RUNAWAY,
    load: bind::<BillingThreshold>,
    defaults: defaults::<BillingThreshold>,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BillingThreshold {
    /// Multiples of the typical (median) day, smallest first.
    multiples: Vec<f64>,
    /// Multiples count only from this many dollars a day.
    floor_usd: f64,
    /// Amounts a day for every key without a baseline or amounts of its own; none by default.
    amounts_usd: Vec<f64>,
}

impl Default for BillingThreshold {
    fn default() -> Self {
        Self { multiples: vec![1.5, 3.0, 10.0], floor_usd: 10.0, amounts_usd: Vec::new() }
    }
}

impl Settings for BillingThreshold {
    fn check(&self) -> Result<(), String> {
        within("floor_usd", self.floor_usd, 0.0..=1e9)?;
        for list in [&self.multiples, &self.amounts_usd] {
            if !list.is_sorted() {
                return Err("`multiples` and `amounts_usd` are given smallest first".to_owned());
            }
            list.iter().try_for_each(|&value| within("multiples, amounts_usd", value, 0.0..=1e9))?;
        }
        Ok(())
    }
}

/// A threshold that was passed.
struct Passed {
    /// How many were passed.
    steps: usize,
    /// The highest of them.
    limit: NanoUsd,
    /// As a multiple of the typical day, where it is one.
    multiple: Option<f64>,
}

impl BillingThreshold {
    fn passed(&self, view: &KeyView<'_>) -> Option<Passed> {
        let cost = view.day.spent();
        if !view.key.amounts.is_empty() {
            return passed(cost, view.key.amounts.iter().copied());
        }
        let Some(baseline) = view.baseline else {
            return passed(cost, self.amounts_usd.iter().map(|&usd| NanoUsd::from_usd(usd)));
        };
        let typical = baseline.typical_cost.usd();
        if cost.usd() < self.floor_usd || typical <= 0.0 {
            return None;
        }
        let passed =
            passed(cost, self.multiples.iter().map(|multiple| NanoUsd::from_usd(typical * multiple)))?;
        Some(Passed { multiple: self.multiples.get(passed.steps - 1).copied(), ..passed })
    }
}

fn passed(cost: NanoUsd, limits: impl Iterator<Item = NanoUsd>) -> Option<Passed> {
    let (steps, limit) =
        limits.take_while(|limit| cost > *limit).zip(1..).last().map(|(limit, n)| (n, limit))?;
    Some(Passed { steps, limit, multiple: None })
}

impl Rule for BillingThreshold {
    fn test(&self, view: &KeyView<'_>) -> Option<Finding> {
        let severity = match self.passed(view)?.steps {
            1 => Severity::Low,
            2 => Severity::High,
            _ => Severity::Critical,
        };
        // Only a further threshold is news.
        Some(Finding { severity, extent: 1.0 })
    }

    fn leeway(&self, view: &KeyView<'_>) -> Leeway {
        let first = if !view.key.amounts.is_empty() {
            view.key.amounts.first().copied()
        } else if let Some(baseline) = view.baseline {
            let typical = baseline.typical_cost.usd();
            let first = self.multiples.first().map(|multiple| NanoUsd::from_usd(typical * multiple));
            first.filter(|_| typical > 0.0).map(|first| first.max(not_above(self.floor_usd)))
        } else {
            self.amounts_usd.first().map(|&usd| NanoUsd::from_usd(usd))
        };
        first.map_or(Leeway::ENDLESS, Leeway::of_money)
    }

    fn explain(&self, view: &KeyView<'_>) -> Explanation {
        let (cost, day) = (view.day.spent(), view.day.day);
        let Some(Passed { limit, multiple, .. }) = self.passed(view) else {
            // Withdrawn: a bucket was told again with less in it.
            return Explanation {
                timestamp: view.day.first(),
                description: format!("{cost} spent on {day}: not past any threshold after all"),
                evidence: vec![("total_cost", Fact::Usd(cost))],
            };
        };
        let mut evidence = vec![("total_cost", Fact::Usd(cost)), ("threshold", Fact::Usd(limit))];
        let of_typical = match (multiple, view.baseline) {
            (Some(multiple), Some(baseline)) => {
                evidence.push(("multiple", Fact::Number(multiple)));
                evidence.push(("typical_cost", Fact::Usd(baseline.typical_cost)));
                format!(", {multiple} times a typical day of {}", baseline.typical_cost)
            }
            _ => String::new(),
        };
        Explanation {
            timestamp: view.day.first(),
            description: format!("{cost} spent on {day}: past the threshold of {limit}{of_typical}"),
            evidence,
        }
    }
}

//! `off_hours_usage`: much of a day's traffic at hours of the day when this key usually sleeps. From the seed.

use super::rule::{Settings, bind, defaults, within};
use super::{Class, Detector, Explanation, Fact, Finding, KeyView, Leeway, REVOKE_FIRST, Rule, Severity};
use crate::signal::Signals;
use serde::{Deserialize, Serialize};

pub(super) const DETECTOR: Detector = Detector {
    name: "off_hours_usage",
    summary: "more than 30 % of a day's requests at hours that usually hold less than 1 % of this key's requests",
    version: 1,
    class: Class::Compromise,
    pages: false,
    needs: Signals::REQUESTS.with(Signals::HOUR),
    attack: &["T1078.004"],
    atlas: &["AML.T0012"],
    next_steps: REVOKE_FIRST,
    load: bind::<OffHoursUsage>,
    defaults: defaults::<OffHoursUsage>,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct OffHoursUsage {
    /// Share of a day's requests that may fall outside the active hours.
    share_max: f64,
}

impl Default for OffHoursUsage {
    fn default() -> Self {
        Self { share_max: 0.3 }
    }
}

impl Settings for OffHoursUsage {
    fn check(&self) -> Result<(), String> {
        within("share_max", self.share_max, 0.0..=1.0)
    }
}

impl Rule for OffHoursUsage {
    fn test(&self, view: &KeyView<'_>) -> Option<Finding> {
        let baseline = view.baseline?;
        #[allow(clippy::cast_precision_loss)]
        let (off, all) = (view.day.off_hours as f64, view.day.timed() as f64);
        let holds = baseline.active_hours != 0 && off > all * self.share_max;
        // That it goes on is no news; the closing alert tells how long it did.
        holds.then_some(Finding { severity: Severity::Medium, extent: 1.0 })
    }

    fn leeway(&self, view: &KeyView<'_>) -> Leeway {
        #[allow(clippy::cast_precision_loss)]
        let all = view.day.timed() as f64;
        match view.baseline {
            Some(baseline) if baseline.active_hours != 0 => Leeway::of_off_hours(all * self.share_max),
            _ => Leeway::ENDLESS,
        }
    }

    fn explain(&self, view: &KeyView<'_>) -> Explanation {
        let (off, all) = (view.day.off_hours, view.day.timed());
        let active: Vec<u64> = match view.baseline {
            Some(baseline) => (0..24).filter(|&hour| baseline.is_active(hour)).map(u64::from).collect(),
            None => Vec::new(),
        };
        Explanation {
            timestamp: view.day.first(),
            description: format!("{off} of {all} requests outside its usual hours ({})", ranges(&active)),
            evidence: vec![
                ("off_hours_count", Fact::Count(off)),
                ("total_records", Fact::Count(all)),
                ("active_hours", Fact::Counts(active)),
            ],
        }
    }
}

/// Hours as people write them: `8–11, 14`.
fn ranges(hours: &[u64]) -> String {
    let mut parts: Vec<(u64, u64)> = Vec::new();
    for &hour in hours {
        match parts.last_mut() {
            Some((_, end)) if *end + 1 == hour => *end = hour,
            _ => parts.push((hour, hour)),
        }
    }
    let show =
        |(start, end): &(u64, u64)| if start == end { start.to_string() } else { format!("{start}–{end}") };
    parts.iter().map(show).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn hours_are_shown_as_ranges() {
        assert_eq!(ranges(&[8, 9, 10, 14, 23]), "8–10, 14, 23");
        assert_eq!(ranges(&[]), "");
    }
}

//! The life of an alert: opened at the record that makes it true, revised as it grows, closed with its day.

use super::{Alert, AlertId, Detector, Explanation, Finding, KeyView, Leeway, Ruleset, Severity, Status};
use crate::money::NanoUsd;
use crate::signal::Signals;
use crate::time::{Stamp, Timestamp};
use serde::{Deserialize, Serialize};

/// An alert that has been given and whose day is still open.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Raised {
    /// Place of the detector in [`super::ALL`].
    rule: u16,
    revision: u32,
    detected_at: Stamp,
    updated_at: Stamp,
    severity: Severity,
    extent: f64,
}

impl Raised {
    /// Of what no record makes true.
    pub(super) const fn of(severity: Severity, revision: u32, detected_at: Stamp, updated_at: Stamp) -> Self {
        Self { rule: 0, revision, detected_at, updated_at, severity, extent: 1.0 }
    }

    /// Its detector.
    pub fn detector(&self) -> Option<&'static Detector> {
        super::ALL.get(usize::from(self.rule))
    }

    /// How bad it is by now.
    pub const fn severity(&self) -> Severity {
        self.severity
    }

    /// The record that made it what it is now.
    pub const fn updated_at(&self) -> Timestamp {
        self.updated_at.at
    }

    /// Gives the detector the place that `place` says it has now; `false` where it has none any more.
    pub fn renumber(&mut self, place: impl Fn(u16) -> Option<u16>) -> bool {
        let found = place(self.rule);
        self.rule = found.unwrap_or(self.rule);
        found.is_some()
    }
}

/// An open alert is told again when its extent has grown by this factor. Twice would be a flood on the terminal
/// of whoever works on it, ten times would hide how fast money runs.
const GROWTH: f64 = 3.0;

/// Asks every detector about a day after a record at `at`; `raised` is the day's memory of open alerts, `out`
/// receives alerts that are new, have become more severe, or have grown. Where nothing holds, how far the day may go before
/// they have to be asked again.
#[inline]
pub fn evaluate(
    rules: &Ruleset,
    view: &KeyView<'_>,
    at: Stamp,
    raised: &mut Vec<Raised>,
    out: &mut Vec<Alert>,
) -> Option<Leeway> {
    let mut holds = false;
    for (number, detector, rule) in rules.asked_of(view.day) {
        let Some(finding) = rule.test(view) else { continue };
        holds = true;
        if let Some(alert) = raise(number, finding, at, raised) {
            let blind = rules.blind(view.signals);
            out.push(Alert { blind, ..describe(detector, view, &rule.explain(view), alert, Status::Open) });
        }
    }
    if holds { None } else { Some(rules.leeway(view)).filter(Leeway::is_any) }
}

/// Notes a finding; the alert to give, if it is worth one.
fn raise(rule: u16, finding: Finding, at: Stamp, raised: &mut Vec<Raised>) -> Option<Raised> {
    let Some(open) = raised.iter_mut().find(|open| open.rule == rule) else {
        let Finding { severity, extent } = finding;
        let open = Raised { rule, revision: 0, detected_at: at, updated_at: at, severity, extent };
        raised.push(open);
        return Some(open);
    };
    let grown = finding.severity > open.severity || finding.extent >= open.extent * GROWTH;
    if !grown {
        return None;
    }
    *open = Raised {
        revision: open.revision + 1,
        updated_at: at,
        severity: open.severity.max(finding.severity),
        extent: finding.extent.max(open.extent),
        ..*open
    };
    Some(*open)
}

/// Closes the alerts of a day: `final` where the detector holds now, `withdrawn` where it did and does not any more. One
/// may hold that never did before, where the day's baseline was built after its last record: else it would depend on the
/// order in which records came whether it is told.
pub fn close(rules: &Ruleset, view: &KeyView<'_>, raised: &[Raised], out: &mut Vec<Alert>) {
    for (number, detector, rule) in rules.numbered() {
        let open = raised.iter().find(|open| open.rule == number);
        let (last, status) = match (open, rule.test(view)) {
            (None, None) => continue,
            (Some(open), None) => (Raised { revision: open.revision + 1, ..*open }, Status::Withdrawn),
            (Some(open), Some(Finding { severity, .. })) => {
                (Raised { revision: open.revision + 1, severity, ..*open }, Status::Final)
            }
            (None, Some(Finding { severity, extent })) => {
                let at = Stamp::utc(view.day.end);
                let new =
                    Raised { rule: number, revision: 0, detected_at: at, updated_at: at, severity, extent };
                (new, Status::Final)
            }
        };
        let blind = rules.blind(view.signals);
        out.push(Alert { blind, ..describe(detector, view, &rule.explain(view), last, status) });
    }
}

/// The alerts of a day that is open, as they would be told now; for somebody who has not heard of them.
pub fn restate(rules: &Ruleset, view: &KeyView<'_>, raised: &[Raised], out: &mut Vec<Alert>) {
    for open in raised {
        let found = rules.numbered().find(|(number, ..)| *number == open.rule);
        let Some((_, detector, rule)) = found else { continue };
        let blind = rules.blind(view.signals);
        out.push(Alert { blind, ..describe(detector, view, &rule.explain(view), *open, Status::Open) });
    }
}

pub(super) fn describe(
    detector: &Detector,
    view: &KeyView<'_>,
    told: &Explanation,
    open: Raised,
    status: Status,
) -> Alert {
    Alert {
        id: AlertId::new(detector.name, detector.version, view.key.id, view.day.day),
        revision: open.revision,
        status,
        alert_type: detector.name,
        severity: open.severity,
        class: detector.class,
        description: told.description.clone(),
        evidence: told.evidence.clone(),
        timestamp: told.timestamp,
        key_hint: view.key.hint.clone(),
        key_alias: view.key.alias.clone(),
        key: view.key.id,
        detected_at: open.detected_at,
        updated_at: open.updated_at,
        day: view.day.day,
        window_start: view.day.start,
        window_end: view.day.end,
        requests: view.signals.has(Signals::REQUESTS).then_some(view.day.requests),
        cost: view.day.spent(),
        invoiced: Some(view.day.invoiced).filter(|amount| *amount > NanoUsd::ZERO),
        typical_cost: view.baseline.map(|baseline| baseline.typical_cost),
        blind: Vec::new(),
        attack: detector.attack,
        atlas: detector.atlas,
        next_steps: detector.next_steps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_come_with_severity_and_growth() {
        let at = Stamp::utc(Timestamp(0));
        let mut raised = Vec::new();
        let mut give =
            |severity, extent| raise(0, Finding { severity, extent }, at, &mut raised).map(|r| r.revision);
        assert_eq!(give(Severity::High, 10.0), Some(0));
        assert_eq!(give(Severity::High, 29.0), None);
        assert_eq!(give(Severity::Critical, 29.0), Some(1));
        assert_eq!(give(Severity::High, 30.0), None);
        assert_eq!(give(Severity::High, 87.0), Some(2));
        assert_eq!(give(Severity::High, 200.0), None);
    }
}

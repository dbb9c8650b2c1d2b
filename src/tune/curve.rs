//! How many incidents a threshold tells: counts where a run was made, and what is believed elsewhere.

use crate::backtest::stats::{poisson_lower, poisson_upper};
use serde::Serialize;

/// From so many incidents on, a count says more.
const COUNTED: u64 = 5;
/// Thresholds are proposed to the tenth of a nat.
const STEP: f64 = 0.1;
/// Nothing above is proposed.
const NATS_MAX: f64 = 40.0;

/// Which keys a threshold is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Those whose records tell an address or a client.
    Consumers,
    /// Those that are known by their habits.
    Habits,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Consumers, Self::Habits];

    /// The setting.
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Consumers => "threshold_nats",
            Self::Habits => "habits_threshold_nats",
        }
    }

    /// False incidents become e times fewer with so many nats more: in the middle, at the steepest and at the flattest, as
    /// measured on the benchmark of docs/incidents.md. A count of few says less than this.
    const fn fold_nats(self) -> [f64; 3] {
        match self {
            Self::Consumers => [0.8, 0.65, 1.0],
            Self::Habits => [1.2, 1.0, 1.6],
        }
    }

    /// Thresholds that are tried. Below the first a single weak sign would be enough.
    pub const fn grid(self) -> [f64; 9] {
        match self {
            Self::Consumers => [6.0, 6.6, 7.2, 7.6, 8.4, 9.0, 9.6, 10.4, 11.4],
            Self::Habits => [1.0, 1.4, 1.8, 2.2, 2.6, 3.0, 3.6, 4.4, 5.4],
        }
    }
}

/// What a run at one threshold told.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Point {
    /// The threshold.
    pub threshold: f64,
    /// Incidents that no label explains.
    pub incidents: u64,
}

/// How long, and how many keys.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Span {
    /// Weeks of records.
    pub weeks: f64,
    /// Days on which keys of the kind were used.
    pub key_days: u64,
}

/// What runs at several thresholds told.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Curve {
    /// Of which keys.
    pub kind: Kind,
    /// The threshold as it is set.
    pub set: f64,
    /// By threshold.
    pub points: Vec<Point>,
    /// Over how long.
    #[serde(flatten)]
    pub span: Span,
}

/// What is proposed.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Proposal {
    /// The threshold.
    pub threshold: f64,
    /// False incidents a week that it may tell.
    pub budget: f64,
    /// False incidents a week that are to be expected of it.
    pub expected: f64,
    /// The thresholds that follow if incidents fall off as steeply, and as slowly, as they do anywhere.
    pub between: [f64; 2],
    /// Whether even the lowest threshold keeps to the budget, so that it stays as it is set.
    pub is_free: bool,
    /// Whether it follows from counts, and not from how incidents fall off elsewhere.
    pub is_counted: bool,
}

#[allow(clippy::cast_precision_loss, reason = "a count of incidents")]
fn float(count: u64) -> f64 {
    count as f64
}

impl Curve {
    /// Incidents a week of a count.
    pub fn weekly(&self, incidents: u64) -> f64 {
        float(incidents) / self.span.weeks
    }

    /// The interval in which 95 of 100 such counts have their mean, a week.
    pub fn interval(&self, incidents: u64) -> [f64; 2] {
        [poisson_lower(incidents), poisson_upper(incidents)].map(|count| count / self.span.weeks)
    }

    /// Incidents in 1,000 key-days of a count.
    pub fn per_1000(&self, incidents: u64) -> Option<f64> {
        (self.span.key_days > 0).then(|| 1000.0 * float(incidents) / float(self.span.key_days))
    }

    /// The highest threshold that told enough to be believed; the lowest of all if none did.
    fn last_counted(&self) -> Option<usize> {
        let counted = self.points.iter().rposition(|point| point.incidents >= COUNTED);
        counted.or_else(|| (!self.points.is_empty()).then_some(0))
    }

    /// False incidents a week that are to be expected of a threshold, where they become e times fewer with `fold` nats.
    pub fn expected(&self, threshold: f64, fold: f64) -> f64 {
        let Some(last) = self.last_counted() else { return 0.0 };
        // A count of nothing is not believed to be nothing.
        let at = |place: usize| float(self.points[place].incidents).max(0.5) / self.span.weeks;
        let place = self.points[..=last].partition_point(|point| point.threshold <= threshold);
        if place > last {
            return at(last) * libm::exp(-(threshold - self.points[last].threshold) / fold);
        }
        let Some(before) = place.checked_sub(1) else { return at(0) };
        let [from, to] = [before, place].map(|place| self.points[place].threshold);
        let part = (threshold - from) / (to - from);
        libm::exp((1.0 - part) * libm::log(at(before)) + part * libm::log(at(place)))
    }

    /// The lowest threshold that keeps to a budget.
    fn lowest(&self, budget: f64, fold: f64) -> f64 {
        let first = self.points.first().map_or(0.0, |point| point.threshold);
        let mut steps = 0_u32;
        loop {
            let threshold = (first / STEP + f64::from(steps)).round() * STEP;
            if threshold >= NATS_MAX || self.expected(threshold, fold) <= budget {
                return (threshold * 10.0).round() / 10.0;
            }
            steps += 1;
        }
    }

    fn propose(&self, budget: f64) -> Proposal {
        let [middle, steep, flat] = self.kind.fold_nats();
        let first = self.points.first().map_or(0.0, |point| point.threshold);
        let lowest = self.lowest(budget, middle);
        // That nothing false was told is no reason to tell more: who asks for quiet gets no lower threshold by that.
        let is_free = lowest <= first;
        let threshold = if is_free { self.set.max(first) } else { lowest };
        let last = self.last_counted().map(|place| self.points[place]);
        Proposal {
            threshold,
            budget,
            expected: self.expected(threshold, middle),
            between: [self.lowest(budget, steep), self.lowest(budget, flat)],
            is_free,
            is_counted: last.is_some_and(|last| last.threshold >= threshold && last.incidents >= COUNTED),
        }
    }
}

/// Thresholds for a budget a week, each kind with its part by its key-days; what one does not need the other may have.
pub fn propose(curves: &[Curve; 2], budget: f64) -> [Proposal; 2] {
    let days: f64 = curves.iter().map(|curve| float(curve.span.key_days)).sum();
    let share = |curve: &Curve| budget * float(curve.span.key_days) / days.max(1.0);
    let first = curves.each_ref().map(|curve| curve.propose(share(curve)));
    let [left_of_one, left_of_other] = first.map(|proposal| (proposal.budget - proposal.expected).max(0.0));
    let [one, other] = curves;
    if left_of_one >= left_of_other {
        [first[0], other.propose(share(other) + left_of_one)]
    } else {
        [one.propose(share(one) + left_of_other), first[1]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(counts: [u64; 9], weeks: f64, key_days: u64) -> Curve {
        let points = Kind::Consumers.grid().into_iter().zip(counts);
        let points = points.map(|(threshold, incidents)| Point { threshold, incidents }).collect();
        Curve { kind: Kind::Consumers, set: 7.6, points, span: Span { weeks, key_days } }
    }

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-9
    }

    #[test]
    fn counts_are_believed_where_there_are_enough() {
        let curve = curve([80, 40, 20, 10, 5, 2, 0, 0, 0], 10.0, 7000);
        assert!(close(curve.expected(6.6, 0.8), 4.0));
        assert!(
            close(curve.expected(6.9, 0.8), libm::sqrt(4.0 * 2.0)),
            "between two, by a straight line of logarithms"
        );
        assert!(close(curve.expected(9.2, 0.8), 0.5 * libm::exp(-1.0)), "beyond, as elsewhere");
        assert!(close(curve.expected(1.0, 0.8), 8.0), "nothing below was tried");
        let proposal = curve.propose(1.0);
        assert!(close(proposal.threshold, 7.6) && proposal.is_counted);
        assert!(close(proposal.between[0], 7.6) && close(proposal.between[1], 7.6));
    }

    #[test]
    fn few_incidents_leave_it_to_what_is_known_elsewhere() {
        let quiet = curve([2, 1, 0, 0, 0, 0, 0, 0, 0], 4.0, 700);
        let proposal = quiet.propose(0.1);
        assert!(!proposal.is_counted && proposal.expected <= 0.1);
        assert!(close(proposal.threshold, 7.3), "{proposal:?}");
        assert!(proposal.between[0] < proposal.threshold && proposal.threshold < proposal.between[1]);
        assert!(close(curve([0; 9], 4.0, 700).propose(1.0).threshold, 7.6), "nothing asks for another");
    }

    #[test]
    fn a_budget_is_shared_by_use_and_what_is_left_is_given_on() {
        let loud = curve([700, 300, 100, 50, 20, 10, 5, 2, 1], 10.0, 9000);
        let none = Curve { span: Span { weeks: 10.0, key_days: 1000 }, ..curve([0; 9], 10.0, 0) };
        let [one, other] = propose(&[loud.clone(), none.clone()], 1.0);
        assert!(other.is_free && close(other.threshold, 7.6) && close(other.budget, 0.1));
        assert!(one.budget > 0.9 && one.expected <= one.budget, "{one:?}");
        let [same, _] = propose(&[loud, Curve { span: Span { key_days: 0, ..none.span }, ..none }], 1.0);
        assert!(same.threshold <= one.threshold + 0.2);
    }
}

//! `burn_rate`: money goes out so fast that it matters within hours: against what the key spends in its busiest usual hour,
//! against the budget that its owner has set, or, of a key that nobody knows yet, against an amount.
//!
//! Two stretches of time are looked at, an hour and six, and each counts as far as its end bears it out (the last half
//! hour, the last hour): so one dear request long ago is not taken for a fire that still burns. Against what is usual a
//! stretch must also cost more than the dearest whole day of the baseline: a service that has its busy days and hours stays
//! below that, whoever burns money does not.

use super::leeway::not_above;
use super::rule::{Settings, bind, defaults, within};
use super::{CHECK_RUNAWAY, Class, Detector, Explanation, Fact, Finding, KeyView, Leeway, Rule, Severity};
use crate::baseline::Baseline;
use crate::money::NanoUsd;
use crate::signal::Signals;
use crate::time::{SECOND, Stamp, Timestamp};
use crate::window::{Burn, QUARTER, SPANS, Span};
use serde::{Deserialize, Serialize};

pub(super) const DETECTOR: Detector = Detector {
    name: "burn_rate",
    summary: "an hour costs 20 times the key's busiest usual hour, or six hours 10 times that, or too much of its budget",
    version: 1,
    class: Class::Operational,
    pages: false,
    needs: Signals::COST.with(Signals::HOUR),
    attack: &["T1496.004"],
    atlas: &["AML.T0034", "AML.T0048.000"],
    next_steps: CHECK_RUNAWAY,
    load: bind::<BurnRate>,
    defaults: defaults::<BurnRate>,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BurnRate {
    /// How many times the busiest usual hour an hour may cost, and each of six.
    hour_multiple: f64,
    six_hours_multiple: f64,
    /// Dollars up to which nothing burns, whatever is usual.
    floor_usd: f64,
    /// The part of the month's budget that may go out in an hour, and in six, in percent.
    hour_budget_percent: f64,
    six_hours_budget_percent: f64,
    /// Dollars an hour of keys without baseline and budget; 0 for no limit.
    unknown_usd_per_hour: f64,
}

impl Default for BurnRate {
    fn default() -> Self {
        Self {
            hour_multiple: 20.0,
            six_hours_multiple: 10.0,
            floor_usd: 10.0,
            hour_budget_percent: 10.0,
            six_hours_budget_percent: 20.0,
            unknown_usd_per_hour: 100.0,
        }
    }
}

impl Settings for BurnRate {
    fn check(&self) -> Result<(), String> {
        within("hour_multiple", self.hour_multiple, 1.0..=1e6)?;
        within("six_hours_multiple", self.six_hours_multiple, 1.0..=1e6)?;
        within("floor_usd", self.floor_usd, 0.0..=1e9)?;
        within("hour_budget_percent", self.hour_budget_percent, 0.01..=100.0)?;
        within("six_hours_budget_percent", self.six_hours_budget_percent, 0.01..=100.0)?;
        within("unknown_usd_per_hour", self.unknown_usd_per_hour, 0.0..=1e9)
    }
}

/// What it is measured by.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Measure {
    /// Dollars of the busiest usual hour.
    Usual(f64),
    /// Dollars of the month's budget.
    Budget(f64),
    /// An amount an hour.
    Amount(f64),
}

/// From how many times the limit of an hour on it is critical.
const CRITICAL: f64 = 5.0;
/// An amount above every other.
const NEVER: f64 = f64::INFINITY;

/// A limit that was passed.
struct Passed {
    /// Place among [`SPANS`].
    span: usize,
    measure: Measure,
    /// How many times the limit it is, as far as the end of the stretch bears it out.
    times: f64,
}

impl BurnRate {
    /// What an hour and six may cost, and what that is measured by.
    fn limits(&self, view: &KeyView<'_>) -> [([f64; 2], Measure); 2] {
        let budget = view.key.budget.usd();
        let parts = [self.hour_budget_percent, self.six_hours_budget_percent];
        let of_budget = parts.map(|percent| if budget > 0.0 { budget * percent / 100.0 } else { NEVER });
        [(of_budget, Measure::Budget(budget)), self.of_usual(view, budget > 0.0)]
    }

    fn of_usual(&self, view: &KeyView<'_>, has_budget: bool) -> ([f64; 2], Measure) {
        let Some(baseline) = view.baseline else {
            let amount = self.unknown_usd_per_hour;
            let hour = if amount > 0.0 && !has_budget { amount } else { NEVER };
            return ([hour, NEVER], Measure::Amount(amount));
        };
        let usual = usual_hour(baseline);
        let least = self.floor_usd.max(baseline.dearest_cost.usd());
        let limits = [self.hour_multiple * usual, self.six_hours_multiple * usual * 6.0];
        (limits.map(|limit| limit.max(least)), Measure::Usual(usual))
    }

    /// What speaks loudest: an hour before six, then what is passed by most.
    fn passed(&self, view: &KeyView<'_>) -> Option<Passed> {
        let most = view.day.spending.most();
        // The longer stretch holds the shorter one.
        if most[1].usd() < self.floor_usd && view.key.budget == NanoUsd::ZERO {
            return None;
        }
        let limits = self.limits(view);
        (0..SPANS.len()).find_map(|span| {
            let passed = limits.iter().filter_map(|&(limits, measure)| {
                let (spent, limit) = (most[span].usd(), limits[span]);
                (spent > limit).then(|| Passed { span, measure, times: spent / limit })
            });
            passed.max_by(|one, other| one.times.total_cmp(&other.times))
        })
    }

    /// Whether the month's budget was used up on this day.
    fn is_used_up(view: &KeyView<'_>) -> bool {
        let budget = view.key.budget;
        if budget == NanoUsd::ZERO {
            return false;
        }
        let before = view.month_before();
        before <= budget && before + view.day.spent() > budget
    }
}

impl Rule for BurnRate {
    fn test(&self, view: &KeyView<'_>) -> Option<Finding> {
        let Some(passed) = self.passed(view) else {
            // Said once: there is only one such day in a month.
            return Self::is_used_up(view).then_some(Finding { severity: Severity::High, extent: 1.0 });
        };
        let severity = match passed.span {
            0 if passed.times >= CRITICAL => Severity::Critical,
            0 => Severity::High,
            _ if Self::is_used_up(view) => Severity::High,
            _ => Severity::Medium,
        };
        Some(Finding { severity, extent: view.day.spending.most()[0].usd() })
    }

    fn leeway(&self, view: &KeyView<'_>) -> Leeway {
        // A budget is used up by what other days spent, too.
        if view.key.budget != NanoUsd::ZERO {
            return Leeway::NONE;
        }
        let limits = self.of_usual(view, false).0;
        // What is below the floor is passed over, whatever the limits are; no stretch of the day costs more than the day.
        let most = limits[0].min(limits[1]).max(self.floor_usd);
        Leeway::of_money(not_above(most))
    }

    fn explain(&self, view: &KeyView<'_>) -> Explanation {
        let passed = self.passed(view);
        let span = SPANS[passed.as_ref().map_or(0, |passed| passed.span)];
        let Some(burn) = view.day.spending.burn(span) else { return without_hours(view) };
        let told = Told::new(view, span, burn);
        let (mut text, mut of_budget) = match passed.map(|passed| passed.measure) {
            Some(measure) => (told.sentence(measure), told.of_budget()),
            None if Self::is_used_up(view) => {
                let text = format!("the budget of {} a month is used up", view.key.budget);
                (text, (String::new(), told.of_budget().1))
            }
            // Withdrawn: a bucket was told again with less in it.
            None => return Explanation::none(view),
        };
        let mut evidence = told.evidence();
        if let Some(baseline) = view.baseline {
            evidence.push(("usual_usd_per_hour", Fact::Usd(NanoUsd::from_usd(usual_hour(baseline)))));
            evidence.push(("dearest_day_usd", Fact::Usd(baseline.dearest_cost)));
        }
        text.push_str(&told.outlook());
        text.push_str(&of_budget.0);
        evidence.append(&mut of_budget.1);
        Explanation { timestamp: view.day.first(), description: text, evidence }
    }
}

/// Dollars of the busiest usual hour; where no hour is known, all are alike.
fn usual_hour(baseline: &Baseline) -> f64 {
    let busiest = if baseline.busiest_share > 0.0 { baseline.busiest_share } else { 1.0 / 24.0 };
    baseline.typical_cost.usd() * busiest
}

/// Where no hour is known, only the budget can be spoken of.
fn without_hours(view: &KeyView<'_>) -> Explanation {
    if !BurnRate::is_used_up(view) {
        return Explanation::none(view);
    }
    let budget = view.key.budget;
    let spent = view.month_before() + view.day.spent();
    Explanation {
        timestamp: view.day.first(),
        description: format!("the budget of {budget} a month is used up: {spent} by {}", view.day.day),
        evidence: vec![("budget_usd", Fact::Usd(budget)), ("month_usd", Fact::Usd(spent))],
    }
}

/// What is told of a fire.
struct Told<'a> {
    view: &'a KeyView<'a>,
    span: Span,
    burn: Burn,
    /// Where the stretch ends.
    end: Timestamp,
    /// Dollars an hour at its end.
    rate: f64,
    /// Dollars of the day, and of the calendar month, up to there.
    today: f64,
    month: f64,
}

impl<'a> Told<'a> {
    fn new(view: &'a KeyView<'a>, span: Span, burn: Burn) -> Self {
        let end = view.day.start.plus((i64::from(burn.last) + 1) * QUARTER).min(view.day.end);
        let today = view.day.spending.until(burn.last).usd();
        let rate = burn.short.usd() * 4.0 / f64::from(span.short);
        Self { view, span, burn, end, rate, today, month: view.month_before().usd() + today }
    }

    fn sentence(&self, measure: Measure) -> String {
        let Self { span, burn, .. } = self;
        let hours = f64::from(span.long) / 4.0;
        let stretch = if hours > 1.0 { format!("{hours:.0} hours") } else { "an hour".to_owned() };
        let spent = format!("{} in {stretch} up to {}", burn.long, Stamp::utc(self.end));
        match measure {
            Measure::Usual(usual) if usual <= 0.0 => format!("{spent}, of a key that usually costs nothing"),
            Measure::Usual(usual) => {
                let times = burn.long.usd() / (usual * hours);
                let usual = NanoUsd::from_usd(usual);
                format!("{spent}: {times:.0} times its busiest usual hours of {usual}")
            }
            Measure::Budget(budget) => {
                let percent = burn.long.usd() / budget * 100.0;
                let budget = NanoUsd::from_usd(budget);
                format!("{spent}: {percent:.1} % of its budget of {budget} a month")
            }
            Measure::Amount(amount) => {
                let amount = NanoUsd::from_usd(amount);
                format!("{spent}, of a key without baseline: past {amount}")
            }
        }
    }

    /// Dollars of the whole day and of the whole month if it goes on.
    fn projected(&self) -> [f64; 2] {
        let hours_to = |end: Timestamp| seconds(end.0.saturating_sub(self.end.0)) / 3600.0;
        // A day more or less than 24 hours long is none of a month's concern.
        let days = self.view.day.day.month().1.0 - self.view.day.day.0 - 1;
        let rest = hours_to(self.view.day.end);
        [self.today + self.rate * rest, self.month + self.rate * (rest + f64::from(days) * 24.0)]
    }

    fn outlook(&self) -> String {
        let [day, month] = self.projected().map(NanoUsd::from_usd);
        let rate = NanoUsd::from_usd(self.rate);
        format!("; at {rate} an hour this day comes to {day} and the month to {month}")
    }

    fn evidence(&self) -> Vec<(&'static str, Fact)> {
        let usd = |amount: f64| Fact::Usd(NanoUsd::from_usd(amount));
        let [day, month] = self.projected();
        vec![
            ("window_hours", Fact::Number(f64::from(self.span.long) / 4.0)),
            ("window_usd", Fact::Usd(self.burn.long)),
            ("usd_per_hour", usd(self.rate)),
            ("until", Fact::Text(Stamp::utc(self.end).to_string())),
            ("projected_day_usd", usd(day)),
            ("month_usd", usd(self.month)),
            ("projected_month_usd", usd(month)),
        ]
    }

    /// When the budget is used up: for the sentence, and the evidence.
    fn of_budget(&self) -> (String, Vec<(&'static str, Fact)>) {
        let budget = self.view.key.budget;
        if budget == NanoUsd::ZERO {
            return (String::new(), Vec::new());
        }
        let mut text = String::new();
        let mut evidence = vec![("budget_usd", Fact::Usd(budget))];
        let left = budget.usd() - self.month;
        if left > 0.0 && self.rate > 0.0 {
            #[allow(clippy::cast_possible_truncation, reason = "seconds; what is too far away is cut off")]
            let seconds = (left / self.rate * 3600.0).min(1e9) as i64;
            let gone = self.end.plus(seconds * SECOND).min(Timestamp::LATEST);
            let gone = Stamp::utc(Timestamp(gone.0 - gone.0.rem_euclid(60 * SECOND))).to_string();
            text = format!(", and the budget of {budget} a month is used up at {gone}");
            evidence.push(("budget_used_up_at", Fact::Text(gone)));
        } else if left <= 0.0 {
            text = format!(", past the budget of {budget} a month");
        }
        (text, evidence)
    }
}

#[allow(clippy::cast_precision_loss, reason = "seconds of a day")]
fn seconds(ns: i64) -> f64 {
    (ns / SECOND) as f64
}

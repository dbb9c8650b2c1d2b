//! What is done about keys by itself.

use super::Page;
use crate::contain::{Outcome, Tally};
use prometheus::{Gauge, GaugeVec, IntCounterVec, Opts};

impl Page {
    /// What came of the rules of `[[contain]]`.
    #[allow(clippy::cast_precision_loss, reason = "keys of a day, and incidents that wait")]
    pub(super) fn contained(&self, tally: &Tally) -> Result<(), prometheus::Error> {
        let opts =
            Opts::new("keyhound_contain_outcomes_total", "What came of rules of containment for incidents.");
        let outcomes = IntCounterVec::new(opts, &["rule", "action", "outcome"])?;
        let help = "1 from when a rule of containment could not be carried out until it can be, else 0.";
        let failing = GaugeVec::new(Opts::new("keyhound_contain_failing", help), &["rule"])?;
        for of in &tally.rules {
            for outcome in Outcome::ALL {
                outcomes
                    .with_label_values(&[&of.rule, of.action, outcome.label()])
                    .inc_by(of.count(*outcome));
            }
            failing.with_label_values(&[&of.rule]).set(if of.is_failing() { 1.0 } else { 0.0 });
        }
        self.registry.register(Box::new(outcomes))?;
        self.registry.register(Box::new(failing))?;
        for (name, help, value) in [
            (
                "keyhound_contain_budget_actions",
                "How much more may be done within these 24 hours (containment.actions_per_day_max).",
                tally.left(),
            ),
            (
                "keyhound_contain_waiting",
                "Incidents for which rules of containment are being gone through.",
                tally.waiting(),
            ),
        ] {
            let gauge = Gauge::with_opts(Opts::new(name, help))?;
            gauge.set(value as f64);
            self.registry.register(Box::new(gauge))?;
        }
        Ok(())
    }
}

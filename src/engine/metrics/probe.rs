//! How canary prompts get on.

use super::Page;
use crate::probe::{Health, Outcome, ProbeHealth};
use prometheus::{CounterVec, GaugeVec, IntCounterVec, Opts};

/// What is told of each, where there is anything to tell.
type Gauge = (&'static str, &'static str, fn(&ProbeHealth) -> Option<f64>);

#[allow(clippy::cast_precision_loss, reason = "seconds, and a status")]
const GAUGES: [Gauge; 4] = [
    (
        "keyhound_probe_success",
        "1 where the last canary prompt was answered as it was expected, else 0.",
        |health| health.is_well().map(|is_well| if is_well { 1.0 } else { 0.0 }),
    ),
    (
        "keyhound_probe_success_timestamp_seconds",
        "When a canary prompt was answered as it was expected.",
        |health| Some(health.success() as f64).filter(|at| *at > 0.0),
    ),
    ("keyhound_probe_status", "The HTTP status of the last answer; 0 where there was none.", |health| {
        health.is_well().map(|_| health.status() as f64)
    }),
    ("keyhound_probe_cost_today_usd", "What canary prompts cost on this day (UTC).", |health| {
        health.is_well().map(|_| health.spent()[1].usd())
    }),
];

impl Page {
    /// How canary prompts get on.
    pub(super) fn probes(&self, health: &Health) -> Result<(), prometheus::Error> {
        let opts = Opts::new("keyhound_probe_requests_total", "Canary prompts, by what came of them.");
        let requests = IntCounterVec::new(opts, &["probe", "outcome"])?;
        let opts = Opts::new("keyhound_probe_cost_usd_total", "What canary prompts cost.");
        let cost = CounterVec::new(opts, &["probe"])?;
        let help = "What canary prompts may cost on one day (cost_cap_usd_per_day).";
        let cap = GaugeVec::new(Opts::new("keyhound_probe_cost_cap_usd", help), &["probe"])?;
        for (name, limit, one) in &health.probes {
            for outcome in Outcome::ALL {
                requests.with_label_values(&[&**name, outcome.label()]).inc_by(one.outcomes(*outcome));
            }
            cost.with_label_values(&[&**name]).inc_by(one.spent()[0].usd());
            if let Some(limit) = limit {
                cap.with_label_values(&[&**name]).set(limit.usd());
            }
        }
        self.registry.register(Box::new(requests))?;
        self.registry.register(Box::new(cost))?;
        self.registry.register(Box::new(cap))?;
        for (name, help, value) in GAUGES {
            let gauge = GaugeVec::new(Opts::new(name, help), &["probe"])?;
            for (name, _, one) in &health.probes {
                if let Some(value) = value(one) {
                    gauge.with_label_values(&[&**name]).set(value);
                }
            }
            self.registry.register(Box::new(gauge))?;
        }
        self.registry.register(Box::new(health.latency.clone()))?;
        self.registry.register(Box::new(health.first_token.clone()))
    }
}

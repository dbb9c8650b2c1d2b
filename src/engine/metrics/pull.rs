//! How sources get on that are asked for usage.

use super::Page;
use crate::pull::{EndpointHealth, Health, Outcome};
use prometheus::{GaugeVec, IntCounterVec, Opts};
use std::sync::Arc;

/// What is counted of rows.
const ROWS: [(&str, &str); 4] = [
    ("keyhound_pull_rows_total", "Rows that sources told and that were handed on."),
    (
        "keyhound_pull_restated_total",
        "Of these, rows of a stretch of time that had been read before: late ones, and buckets with other numbers.",
    ),
    (
        "keyhound_pull_repeated_total",
        "Rows that were left out because they were handed on before, as they are.",
    ),
    ("keyhound_pull_rejected_total", "Rows that are no records; keyhound_rejects_total tells why."),
];

/// What is told of each endpoint, from when it is and how it is.
type Gauge = (&'static str, &'static str, fn(&EndpointHealth, f64) -> Option<f64>);

#[allow(clippy::cast_precision_loss, reason = "seconds")]
const GAUGES: [Gauge; 3] = [
    (
        "keyhound_pull_failing",
        "1 while an endpoint of a source could not be read when it was asked last, else 0.",
        |endpoint, _| Some(if endpoint.is_failing() { 1.0 } else { 0.0 }),
    ),
    (
        "keyhound_pull_success_timestamp_seconds",
        "When everything that an endpoint had to tell had been read.",
        |endpoint, _| Some(endpoint.success() as f64).filter(|at| *at > 0.0),
    ),
    (
        "keyhound_pull_lag_seconds",
        "How far the time up to which everything was read is behind now; how late the provider is comes to that.",
        |endpoint, now| {
            let reached = Some(endpoint.reached() as f64).filter(|at| *at > 0.0)?;
            Some((now - reached).max(0.0))
        },
    ),
];

impl Page {
    /// How sources get on.
    pub(super) fn pulled(&self, sources: &[Arc<Health>], now: f64) -> Result<(), prometheus::Error> {
        let opts = Opts::new("keyhound_pull_requests_total", "Requests to sources, by what came of them.");
        let requests = IntCounterVec::new(opts, &["source", "endpoint", "outcome"])?;
        let labels = &["source", "endpoint"];
        let endpoints =
            || sources.iter().flat_map(|source| source.endpoints.iter().map(move |one| (source, one)));
        for (source, endpoint) in endpoints() {
            for outcome in Outcome::ALL {
                let values = [&*source.name, endpoint.name.as_str(), outcome.label()];
                requests.with_label_values(&values).inc_by(endpoint.outcomes(outcome));
            }
        }
        self.registry.register(Box::new(requests))?;
        for (at, (name, help)) in ROWS.into_iter().enumerate() {
            let rows = IntCounterVec::new(Opts::new(name, help), labels)?;
            for (source, endpoint) in endpoints() {
                let [all, restated, repeated] = endpoint.rows();
                let counts = [all, restated, repeated, endpoint.rejected()];
                rows.with_label_values(&[&*source.name, endpoint.name.as_str()]).inc_by(counts[at]);
            }
            self.registry.register(Box::new(rows))?;
        }
        for (name, help, value) in GAUGES {
            let gauge = GaugeVec::new(Opts::new(name, help), labels)?;
            for (source, endpoint) in endpoints() {
                if let Some(value) = value(endpoint, now) {
                    gauge.with_label_values(&[&*source.name, endpoint.name.as_str()]).set(value);
                }
            }
            self.registry.register(Box::new(gauge))?;
        }
        self.of_sources(sources)
    }

    #[allow(clippy::cast_precision_loss, reason = "requests of an hour, and seconds")]
    fn of_sources(&self, sources: &[Arc<Health>]) -> Result<(), prometheus::Error> {
        let help = "Requests that are left to a source of the hour (requests_per_hour_max).";
        let left = GaugeVec::new(Opts::new("keyhound_pull_budget_requests", help), &["source"])?;
        let help = "How far the clock of a source is ahead of ours.";
        let skew = GaugeVec::new(Opts::new("keyhound_pull_clock_skew_seconds", help), &["source"])?;
        for source in sources {
            if let Some(requests) = source.left() {
                left.with_label_values(&[&*source.name]).set(requests as f64);
            }
            skew.with_label_values(&[&*source.name]).set(source.skew_seconds() as f64);
        }
        self.registry.register(Box::new(left))?;
        self.registry.register(Box::new(skew))
    }
}

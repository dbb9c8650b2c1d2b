//! What passes through the HTTP input.

use super::Page;
use crate::engine::listen::{Outcome, Traffic};
use prometheus::{IntCounterVec, IntGauge, Opts};

/// Levels and their limits: name, what is counted, the setting.
const LEVELS: [(&str, &str, &str); 3] = [
    ("connections", "Connections of clients that post records", "connections_max"),
    ("queue_bytes", "Bytes of bodies in memory, compressed and not", "queue_bytes_max"),
    ("spool_bytes", "Bytes on disk of what was answered and may be in no checkpoint yet", "spool_bytes_max"),
];

impl Page {
    /// What passes through.
    pub(super) fn listen(&self, traffic: &Traffic) -> Result<(), prometheus::Error> {
        let opts =
            Opts::new("keyhound_listen_requests_total", "Requests that post records, by what came of them.");
        let requests = IntCounterVec::new(opts, &["outcome"])?;
        for outcome in Outcome::ALL {
            requests.with_label_values(&[outcome.label()]).inc_by(traffic.outcomes(outcome));
        }
        self.registry.register(Box::new(requests))?;
        let help = "Bytes of bodies that were posted, as they were sent.";
        self.counter("keyhound_listen_received_bytes_total", help, traffic.received())?;
        let help =
            "How often the spool of what was posted was forced to disk, once for all that waited together.";
        self.counter("keyhound_listen_spool_syncs_total", help, traffic.forced())?;
        for ((name, help, setting), (level, max)) in LEVELS.into_iter().zip(traffic.levels()) {
            let as_signed = |value| i64::try_from(value).unwrap_or(i64::MAX);
            let gauge = IntGauge::new(format!("keyhound_listen_{name}"), format!("{help}."))?;
            gauge.set(as_signed(level));
            self.registry.register(Box::new(gauge))?;
            let help = format!("{help}, at most (listen.{setting}).");
            let gauge = IntGauge::new(format!("keyhound_listen_{name}_max"), help)?;
            gauge.set(as_signed(max));
            self.registry.register(Box::new(gauge))?;
        }
        Ok(())
    }
}

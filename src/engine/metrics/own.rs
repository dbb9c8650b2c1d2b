//! What the program tells of itself: limits, readiness, configuration, its process.

use super::Page;
use crate::detect::{Class, Severity};
use crate::engine::memory;
use crate::engine::sandbox::{Force, InForce};
use crate::engine::totals::Totals;
use crate::shard::ByClass;
use prometheus::{IntGaugeVec, Opts};

impl Page {
    /// How the program is.
    pub(super) fn own(&self, totals: &Totals) -> Result<(), prometheus::Error> {
        let help = "1 when the inputs are being read, 0 while history is.";
        self.gauge("keyhound_ready", help, totals.ready.into())?;
        let help = "Memory that the state of all keys may take (limits.state_bytes_max).";
        self.gauge("keyhound_state_bytes_max", help, totals.bounds.state)?;
        self.sandbox()?;
        if let Some((loaded, has_failed)) = totals.reloads.last() {
            let help = "1 if the configuration that was read last is in force, 0 if it was refused.";
            self.gauge("keyhound_config_reload_success", help, (!has_failed).into())?;
            let help = "When the configuration that is in force was read.";
            self.seconds(
                "keyhound_config_reload_success_timestamp_seconds",
                help,
                loaded.as_secs_f64().floor(),
            )?;
        }
        if let Some(held) = totals.held {
            let help = "Events that are kept for whoever looks inside.";
            let kept = IntGaugeVec::new(Opts::new("keyhound_api_events", help), &["event"])?;
            for (event, count) in [("incident", held.incidents), ("alert", held.alerts)] {
                kept.with_label_values(&[event]).set(i64::try_from(count).unwrap_or(i64::MAX));
            }
            self.registry.register(Box::new(kept))?;
            let help = "Bytes of events that are kept for whoever looks inside (api.events_bytes_max).";
            self.gauge("keyhound_api_events_bytes", help, held.bytes as u64)?;
            let help = "Events that gave way to later ones before anybody was through with them, maybe.";
            self.counter("keyhound_api_events_dropped_total", help, held.dropped)?;
            let help = "Keys that are shown to whoever looks inside.";
            self.gauge("keyhound_api_keys", help, held.keys as u64)?;
        }
        if let Some(bytes) = memory::resident_bytes() {
            self.gauge("process_resident_memory_bytes", "Resident memory size in bytes.", bytes)?;
        }
        let help = "Start time of the process since unix epoch in seconds.";
        self.seconds("process_start_time_seconds", help, memory::started_at())
    }

    /// What rights were given up.
    fn sandbox(&self) -> Result<(), prometheus::Error> {
        let help = "1 where it is in force, as far as the kernel has it, else 0: what a run gives up of its user's rights.";
        let parts = IntGaugeVec::new(Opts::new("keyhound_sandbox_in_force", help), &["part"])?;
        let in_force = InForce::of_process().unwrap_or(InForce::NOTHING);
        for (part, force) in in_force.parts() {
            parts.with_label_values(&[part]).set((force != Force::None).into());
        }
        self.registry.register(Box::new(parts))
    }

    /// What is open at this moment.
    pub(super) fn open(&self, totals: &Totals) -> Result<(), prometheus::Error> {
        let open = &totals.gauges.open;
        let help = "Alerts of days that are not over, by what they are evidence of.";
        self.by_class("keyhound_alerts_open", help, &open.alerts)?;
        if totals.gauges.outlook.is_none() {
            return Ok(());
        }
        let help = "Incidents that nobody has dismissed and that are not over.";
        self.by_class("keyhound_incidents_open", help, &open.incidents)
    }

    fn by_class(&self, name: &str, help: &str, counts: &ByClass) -> Result<(), prometheus::Error> {
        let gauges = IntGaugeVec::new(Opts::new(name, help), &["class", "severity"])?;
        for (class, by_severity) in Class::ALL.iter().zip(counts) {
            for (severity, count) in Severity::ALL.iter().zip(by_severity) {
                gauges.with_label_values(&[class.label(), severity.label()]).set((*count).into());
            }
        }
        self.registry.register(Box::new(gauges))
    }
}

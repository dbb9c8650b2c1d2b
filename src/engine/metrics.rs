//! `/metrics`: the totals in Prometheus' text format. No label takes its values from the input, but for those of single
//! keys, where the configuration asks for them.

mod contain;
mod keys;
mod listen;
mod own;
mod probe;
mod pull;
mod shadow;

use super::lists::Called;
use super::outbox::{Attempt, Traffic};
use super::totals::{KafkaTotals, Totals};
use crate::detect::{self, Severity, Status};
use crate::incident::{Outlook, Phase, Way};
use crate::record::{Action, CostSource, Reason, Statement};
use crate::watch_list::KINDS;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{LabelPair, MetricFamily, MetricType, Quantile, Summary};
use prometheus::{
    Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::sync::Arc;

/// The totals as text; `now` in seconds since 1970.
pub fn render(totals: &Totals, now: f64) -> Result<String, prometheus::Error> {
    let page = Page { registry: Registry::new() };
    page.records(totals)?;
    page.money(totals)?;
    page.alerts(totals)?;
    page.state(totals, now)?;
    page.checkpoints(totals)?;
    if let Some(called) = totals.roll.call() {
        page.watch_lists(&called)?;
    }
    if !totals.sinks.is_empty() {
        page.sinks(&totals.sinks)?;
    }
    if let Some(listen) = &totals.listen {
        page.listen(listen)?;
    }
    if let Some(shadow) = &totals.shadow {
        page.shadow(shadow)?;
    }
    if !totals.pulled.is_empty() {
        page.pulled(&totals.pulled, now)?;
    }
    if let Some(contain) = &totals.contain {
        page.contained(contain)?;
    }
    if let Some(probes) = &totals.probes {
        page.probes(probes)?;
    }
    if let Some(kafka) = &totals.kafka {
        page.kafka(kafka)?;
    }
    if let Some(shown) = &totals.shown {
        page.keys(shown)?;
    }
    page.own(totals)?;
    let info = Opts::new("keyhound_build_info", "A constant 1, labelled with the version that is running.");
    let info = GaugeVec::new(info, &["version"])?;
    info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
    page.registry.register(Box::new(info))?;
    page.registry.register(Box::new(LatencySummary(totals.latency.clone(), latency_description()?)))?;
    TextEncoder::new().encode_to_string(&page.registry.gather())
}

/// Partitions whose lag is shown one by one; the others are one sum.
const LAGS_MAX: usize = 256;

type SinkGauge = (&'static str, &'static str, fn(&Traffic) -> u64);

/// What is told of each sink.
const SINK_GAUGES: &[SinkGauge] = &[
    ("keyhound_outbox_entries", "Alerts that wait for a sink.", Traffic::entries),
    ("keyhound_outbox_bytes", "Bytes of alerts that wait for a sink.", Traffic::bytes),
    (
        "keyhound_outbox_bytes_max",
        "Bytes of alerts that may wait for a sink (outbox_bytes_max).",
        Traffic::bytes_max,
    ),
    (
        "keyhound_outbox_full",
        "1 while the outbox of a sink is full and reading waits for its receiver, else 0.",
        |traffic| traffic.is_full().into(),
    ),
    (
        "keyhound_sink_failing",
        "1 after an attempt to deliver to a sink that failed, 0 after one that did not.",
        |traffic| traffic.is_failing().into(),
    ),
    (
        "keyhound_sink_active",
        "Alerts that are open at a sink that is told of them again and again.",
        Traffic::reminded,
    ),
];

struct Page {
    registry: Registry,
}

impl Page {
    fn counter(&self, name: &str, help: &str, value: u64) -> Result<(), prometheus::Error> {
        let counter = IntCounter::new(name, help)?;
        counter.inc_by(value);
        self.registry.register(Box::new(counter))
    }

    fn gauge(&self, name: &str, help: &str, value: u64) -> Result<(), prometheus::Error> {
        let gauge = IntGauge::new(name, help)?;
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        self.registry.register(Box::new(gauge))
    }

    fn seconds(&self, name: &str, help: &str, value: f64) -> Result<(), prometheus::Error> {
        let gauge = Gauge::new(name, help)?;
        gauge.set(value);
        self.registry.register(Box::new(gauge))
    }

    fn records(&self, totals: &Totals) -> Result<(), prometheus::Error> {
        self.counter("keyhound_source_bytes_total", "Bytes read, after decompression.", totals.bytes)?;
        self.counter("keyhound_source_lines_total", "Lines read.", totals.lines)?;
        self.counter(
            "keyhound_source_failures_total",
            "Inputs that could not be read to their end.",
            totals.failed_inputs,
        )?;
        self.counter(
            "keyhound_source_truncations_total",
            "Followed files that were cut off or gone before they were read to their end: some of them may be lost.",
            totals.truncations,
        )?;
        let opts = Opts::new(
            "keyhound_records_total",
            "Records by what became of them; rejected frames are counted apart.",
        );
        let records = IntCounterVec::new(opts, &["outcome"])?;
        let outcomes = [
            ("processed", totals.records.processed),
            ("duplicate", totals.records.duplicate),
            ("late", totals.records.late),
        ];
        for (outcome, count) in outcomes {
            records.with_label_values(&[outcome]).inc_by(count);
        }
        self.registry.register(Box::new(records))?;
        let opts = Opts::new("keyhound_rejects_total", "Frames that could not be read, by reason.");
        let rejects = IntCounterVec::new(opts, &["reason"])?;
        for (reason, count) in Reason::ALL.iter().zip(totals.rejected) {
            rejects.with_label_values(&[reason.label()]).inc_by(count);
        }
        self.registry.register(Box::new(rejects))?;
        let conflicts = "Records whose request identifier was used before with other content.";
        self.counter("keyhound_request_id_conflicts_total", conflicts, totals.records.conflicting)?;
        let untracked = "Records of new keys for which there was no memory left.";
        self.counter("keyhound_records_untracked_total", untracked, totals.records.untracked)?;
        let own =
            "Requests of canary prompts of keyhound's own that were found in the input: they are not judged.";
        self.counter("keyhound_probe_requests_recognised_total", own, totals.records.own)?;
        let foreign = "Events of something else than the use of a model, passed over.";
        self.counter("keyhound_events_passed_over_total", foreign, totals.foreign)?;
        let opts = Opts::new(
            "keyhound_halves_total",
            "Records of what a request took, by whether its key became known.",
        );
        let halves = IntCounterVec::new(opts, &["outcome"])?;
        halves.with_label_values(&["joined"]).inc_by(totals.joined.joined);
        halves.with_label_values(&["alone"]).inc_by(totals.joined.alone);
        self.registry.register(Box::new(halves))?;
        let opaque = "Client addresses that are no IP address and are compared as texts.";
        self.counter("keyhound_addresses_opaque_total", opaque, totals.opaque_addresses)
    }

    /// How the state is kept, where it is.
    fn checkpoints(&self, totals: &Totals) -> Result<(), prometheus::Error> {
        let help = "1 while the disk is full and reading waits for room, else 0.";
        self.gauge("keyhound_disk_full", help, totals.rooms.is_any_full().into())?;
        let Some((made, last)) = totals.checkpoints else { return Ok(()) };
        self.counter("keyhound_checkpoints_total", "Checkpoints on disk.", made)?;
        let help = "How long the last checkpoint took, until it was on disk.";
        self.seconds("keyhound_checkpoint_duration_seconds", help, last.took.as_secs_f64())?;
        self.gauge("keyhound_checkpoint_bytes", "Bytes of the last checkpoint.", last.bytes)?;
        let help = "When the last checkpoint was on disk, in seconds since 1970.";
        self.seconds("keyhound_checkpoint_timestamp_seconds", help, last.at.as_secs_f64())
    }

    fn sinks(&self, sinks: &[(Arc<str>, Arc<Traffic>)]) -> Result<(), prometheus::Error> {
        for (name, help, value) in SINK_GAUGES {
            let gauge = IntGaugeVec::new(Opts::new(*name, *help), &["sink"])?;
            for (sink, traffic) in sinks {
                let value = i64::try_from(value(traffic)).unwrap_or(i64::MAX);
                gauge.with_label_values(&[&**sink]).set(value);
            }
            self.registry.register(Box::new(gauge))?;
        }
        let opts =
            Opts::new("keyhound_sink_attempts_total", "Attempts to deliver alerts, by what came of them.");
        let attempts = IntCounterVec::new(opts, &["sink", "outcome"])?;
        for (sink, traffic) in sinks {
            for attempt in Attempt::ALL {
                let labels = [&**sink, attempt.label()];
                attempts.with_label_values(&labels).inc_by(traffic.attempts(attempt));
            }
        }
        self.registry.register(Box::new(attempts))
    }

    fn kafka(&self, totals: &KafkaTotals) -> Result<(), prometheus::Error> {
        self.gauge(
            "keyhound_kafka_partitions",
            "Partitions that are read by this process.",
            totals.partitions,
        )?;
        let missing = "Records, at most, that were gone from their topics before they were read: retention was too short.";
        let counters = [
            ("records_missing", missing, totals.missing),
            ("commits", "Commits of alerts, state and positions.", totals.commits),
            ("restores", "Partitions whose state was read back.", totals.restores),
            ("starts_over", "Times that everything went back to the last commit.", totals.starts_over),
            (
                "fenced",
                "Commits refused because the partitions were another process's by then.",
                totals.fenced,
            ),
            ("rebalances", "Times that partitions came or went.", totals.rebalances),
        ];
        for (name, help, count) in counters {
            self.counter(&format!("keyhound_kafka_{name}_total"), help, count)?;
        }
        let opts = Opts::new("keyhound_kafka_lag", "Records of a partition that are still to be read.");
        let lag = IntGaugeVec::new(opts, &["topic", "partition"])?;
        let (shown, others) = totals.lag.iter().partition::<Vec<_>, _>({
            let mut count = 0;
            move |_| {
                count += 1;
                count <= LAGS_MAX
            }
        });
        for ((topic, partition), records) in shown {
            lag.with_label_values(&[topic, &partition.to_string()]).set(*records);
        }
        if !others.is_empty() {
            let sum = others.iter().map(|(_, records)| **records).sum();
            lag.with_label_values(&["", "other"]).set(sum);
        }
        self.registry.register(Box::new(lag))
    }

    /// Gauges, although they mostly grow: a bucket that is told again may take something back, and a counter that
    /// falls would be taken for one that starts anew.
    fn money(&self, totals: &Totals) -> Result<(), prometheus::Error> {
        let help = "Dollars by where the amount is from: reported by records of use, computed from prices, partial \
                    where a price was missing (at least this much), and invoiced, which is the same use once more.";
        let cost = GaugeVec::new(Opts::new("keyhound_cost_usd", help), &["source"])?;
        let help = "Requests by how far their cost is known: elsewhere is in another record of the same request. A \
                    bucket that does not tell how many it holds counts as one.";
        let requests = IntGaugeVec::new(Opts::new("keyhound_requests", help), &["cost"])?;
        for source in CostSource::ALL {
            let (at, label) = (*source as usize, source.label());
            if !matches!(source, CostSource::Unknown | CostSource::Elsewhere) {
                cost.with_label_values(&[label])
                    .set((totals.earlier.0.cost[at] + totals.records.cost[at]).usd());
            }
            if *source != CostSource::Invoiced {
                requests
                    .with_label_values(&[label])
                    .set(totals.earlier.0.requests[at] + totals.records.requests[at]);
            }
        }
        self.registry.register(Box::new(cost))?;
        self.registry.register(Box::new(requests))?;
        let opts = Opts::new(
            "keyhound_audit_events_total",
            "Events of audit logs that are no use: what was done to a key or to the rules it is under.",
        );
        let audits = IntCounterVec::new(opts, &["action"])?;
        for (action, count) in Action::ALL.iter().zip(totals.records.audits) {
            audits.with_label_values(&[action.label()]).inc_by(count);
        }
        self.registry.register(Box::new(audits))
    }

    fn alerts(&self, totals: &Totals) -> Result<(), prometheus::Error> {
        let opts = Opts::new("keyhound_alerts_total", "Alerts given, every revision counted.");
        let alerts = IntCounterVec::new(opts, &["type", "severity", "status"])?;
        for (detector, by_severity) in detect::ALL.iter().zip(totals.alerts) {
            for (severity, by_status) in Severity::ALL.iter().zip(by_severity) {
                for (status, count) in Status::ALL.iter().zip(by_status) {
                    alerts
                        .with_label_values(&[detector.name, severity.label(), status.label()])
                        .inc_by(count);
                }
            }
        }
        self.registry.register(Box::new(alerts))?;
        let opts = Opts::new("keyhound_incidents_total", "Incidents told: new ones, and further revisions.");
        let incidents = IntCounterVec::new(opts, &["severity", "revision"])?;
        for (severity, [first, further]) in Severity::ALL.iter().zip(totals.incidents) {
            incidents.with_label_values(&[severity.label(), "first"]).inc_by(first);
            incidents.with_label_values(&[severity.label(), "further"]).inc_by(further);
        }
        self.registry.register(Box::new(incidents))?;
        let opts =
            Opts::new("keyhound_incident_events_total", "What was told of incidents, by their status.");
        let events = IntCounterVec::new(opts, &["status"])?;
        for (phase, count) in Phase::ALL.iter().zip(totals.phases) {
            events.with_label_values(&[phase.label()]).inc_by(count);
        }
        self.registry.register(Box::new(events))?;
        self.open(totals)?;
        if let Some(outlook) = totals.gauges.outlook {
            self.budget(&outlook)?;
        }
        self.statements(totals)
    }

    /// False incidents, promised and realised.
    fn budget(&self, outlook: &Outlook) -> Result<(), prometheus::Error> {
        let help = "What the evidence of an incident must come to now, of a key that spends what keys spend on average.";
        let gauges = GaugeVec::new(Opts::new("keyhound_incident_threshold_nats", help), &["by"])?;
        for (way, nats) in Way::ALL.iter().zip(outlook.thresholds) {
            gauges.with_label_values(&[way.label()]).set(nats);
        }
        self.registry.register(Box::new(gauges))?;
        let help = "False incidents a week of all keys: promised (`incidents.false_per_week`), expected with the \
                    thresholds that hold, and realised: said to be none, over all the time that was looked at.";
        let gauges = GaugeVec::new(Opts::new("keyhound_false_incidents_per_week", help), &["kind"])?;
        let counted = [("expected", outlook.expected), ("realised", outlook.realised)];
        for (kind, count) in outlook.promised.map(|count| ("promised", count)).into_iter().chain(counted) {
            gauges.with_label_values(&[kind]).set(count);
        }
        self.registry.register(Box::new(gauges))
    }

    fn statements(&self, totals: &Totals) -> Result<(), prometheus::Error> {
        let opts = Opts::new("keyhound_statements_total", "What operators have said of keys.");
        let statements = IntCounterVec::new(opts, &["statement"])?;
        for (statement, count) in Statement::ALL.iter().zip(totals.records.statements) {
            statements.with_label_values(&[statement.label()]).inc_by(count);
        }
        self.registry.register(Box::new(statements))?;
        let help = "Alerts that were not told because an operator had said so.";
        self.counter("keyhound_alerts_suppressed_total", help, totals.records.suppressed)
    }

    fn watch_lists(&self, called: &Called) -> Result<(), prometheus::Error> {
        let opts = Opts::new("keyhound_watch_list_entries", "Entries of all watch lists, by what they name.");
        let entries = IntGaugeVec::new(opts, &["kind"])?;
        for (kind, count) in KINDS.into_iter().zip(called.entries) {
            entries.with_label_values(&[kind]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.registry.register(Box::new(entries))?;
        let help = "When the watch lists were read last without a mistake.";
        self.seconds("keyhound_watch_list_read_timestamp_seconds", help, called.read.as_secs_f64().floor())?;
        let help = "How often a watch list that had changed could not be read or held a mistake: the one before it holds.";
        self.counter("keyhound_watch_list_failures_total", help, called.failed)
    }

    fn state(&self, totals: &Totals, now: f64) -> Result<(), prometheus::Error> {
        let gauges = totals.gauges;
        self.gauge("keyhound_keys", "Keys in memory.", gauges.keys)?;
        self.gauge("keyhound_state_bytes", "Memory of the state of all keys.", gauges.state_bytes)?;
        let opts = Opts::new(
            "keyhound_blind_keys",
            "Keys that a detector cannot see: no record told what it needs.",
        );
        let blind = IntGaugeVec::new(opts, &["detector"])?;
        for detector in detect::ALL {
            let keys = i64::try_from(gauges.blind(detector.needs)).unwrap_or(i64::MAX);
            blind.with_label_values(&[detector.name]).set(keys);
        }
        self.registry.register(Box::new(blind))?;
        let evicted = "New keys that gave way to other new keys because memory was short.";
        self.counter("keyhound_keys_evicted_total", evicted, gauges.keys_evicted)?;
        let forgotten = "Requests forgotten before their lateness was over because there were too many.";
        self.counter("keyhound_dedup_forgotten_total", forgotten, gauges.dedup_forgotten)?;
        let entries = "Buckets remembered, to count only the difference when they are told again.";
        self.gauge("keyhound_bucket_entries", entries, gauges.bucket_entries)?;
        let forgotten = "Buckets forgotten before input.restate_hours were over because there were too many.";
        self.counter("keyhound_buckets_forgotten_total", forgotten, gauges.buckets_forgotten)?;
        if let Some(watermark) = totals.watermark {
            let help = "Event time up to which records are complete.";
            self.seconds("keyhound_watermark_timestamp_seconds", help, watermark.as_secs_f64())?;
        }
        if let Some(latest) = totals.latest {
            let help = "How far the latest event time, taken to the minute, is behind the clock.";
            self.seconds("keyhound_source_lag_seconds", help, now - latest.as_secs_f64())?;
        }
        Ok(())
    }
}

fn latency_description() -> Result<Desc, prometheus::Error> {
    let help = "Time from reading a record to writing the alerts that follow from it.";
    #[allow(clippy::disallowed_types, reason = "what the library asks for; it stays empty")]
    let empty = std::collections::HashMap::default();
    Desc::new("keyhound_latency_seconds".to_owned(), help.to_owned(), Vec::new(), empty)
}

/// The latency histogram as a Prometheus summary.
struct LatencySummary(super::totals::Latency, Desc);

impl Collector for LatencySummary {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.1]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut summary = Summary::default();
        summary.set_sample_count(self.0.count());
        summary.set_sample_sum(self.0.sum());
        let quantiles = [0.5, 0.9, 0.99, 0.999].into_iter().map(|quantile| {
            let mut entry = Quantile::default();
            entry.set_quantile(quantile);
            entry.set_value(self.0.quantile(quantile));
            entry
        });
        summary.set_quantile(quantiles.collect());
        let mut metric = prometheus::proto::Metric::from_label(Vec::<LabelPair>::new());
        metric.set_summary(summary);
        let mut family = MetricFamily::default();
        family.set_name(self.1.fq_name.clone());
        family.set_help(self.1.help.clone());
        family.set_field_type(MetricType::SUMMARY);
        family.set_metric(vec![metric]);
        vec![family]
    }
}

//! What a run has done so far: the numbers behind the summary, the progress bar and `/metrics`.

use super::board::Held;
use super::checkpoint::Kept;
use super::listen;
use super::lists::Roll;
use super::outbox::Traffic;
use super::roster::Shown;
use super::shadow::ShadowTotals;
use crate::config::Plan;
use crate::contain::Tally;
use crate::detect::{self, Alert, Severity, Status};
use crate::incident::Phase;
use crate::join::Joined;
use crate::probe;
use crate::pull::Health;
use crate::record::Reason;
use crate::shard::{Counts, Event, Gauges, Unpriced};
use crate::sink::Rooms;
use crate::time::Timestamp;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

/// Alerts by detector, severity and status.
type AlertCounts = [[[u64; Status::ALL.len()]; Severity::ALL.len()]; detect::ALL.len()];

/// Counters and gauges of a run.
#[derive(Clone, Debug)]
pub struct Totals {
    /// Bytes read, after decompression.
    pub bytes: u64,
    /// Lines read.
    pub lines: u64,
    /// What became of the records.
    pub records: Counts,
    /// Models of which the cost is not known; shared, because totals are copied whenever somebody may look.
    pub unpriced: Arc<Unpriced>,
    /// Rejected frames by reason.
    pub rejected: [u64; Reason::ALL.len()],
    /// Of these, how many are not in the reject file because there were too many at once.
    pub rejects_unkept: u64,
    /// Client addresses that are no IP address.
    pub opaque_addresses: u64,
    /// Records of something else than the use of a model, passed over.
    pub foreign: u64,
    /// How often a followed file was cut off, so that some of it may be lost.
    pub truncations: u64,
    /// What became of records that are half of one.
    pub joined: Joined,
    /// Alerts given, revisions included.
    pub alerts: AlertCounts,
    /// Incidents by severity: new ones, and further revisions.
    pub incidents: [[u64; 2]; Severity::ALL.len()],
    /// What was told of incidents, by where they were in their lives.
    pub phases: [u64; Phase::ALL.len()],
    /// Inputs that failed.
    pub failed_inputs: u64,
    /// State of all shards.
    pub gauges: Gauges,
    /// The watermark.
    pub watermark: Option<Timestamp>,
    /// The latest event time.
    pub latest: Option<Timestamp>,
    /// Whether the inputs are being read.
    pub ready: bool,
    /// Latency from reading to writing.
    pub latency: Latency,
    /// What earlier runs with the same state counted, of what later records may take back.
    pub earlier: Arc<(Counts, Unpriced)>,
    /// Checkpoints made by this run, and what the last one took.
    pub checkpoints: Option<(u64, Kept)>,
    /// Whether reading waits for room on a disk.
    pub rooms: Rooms,
    /// What watch lists hold.
    pub roll: Roll,
    /// What became of other configurations.
    pub reloads: Reloads,
    /// The limits behind some gauges.
    pub bounds: Bounds,
    /// Single keys, where they are shown.
    pub shown: Option<Arc<Shown>>,
    /// How much is shown to whoever looks inside, where anybody may.
    pub held: Option<Held>,
    /// What passes through the outboxes of sinks, by their names.
    pub sinks: Vec<(Arc<str>, Arc<Traffic>)>,
    /// What passes through the HTTP input, where there is one.
    pub listen: Option<Arc<listen::Traffic>>,
    /// What a configuration says that is tried beside, where one is.
    pub shadow: Option<ShadowTotals>,
    /// How sources get on that are asked for usage.
    pub pulled: Vec<Arc<Health>>,
    /// What is done about keys by itself, where anything is.
    pub contain: Option<Arc<Tally>>,
    /// How canary prompts get on, where any are sent.
    pub probes: Option<Arc<probe::Health>>,
    /// What there is to say of Kafka, where that is the input.
    pub kafka: Option<Box<KafkaTotals>>,
}

/// Counters and gauges of a run from Kafka.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KafkaTotals {
    /// Partitions that are ours.
    pub partitions: u64,
    /// Records not yet taken, by topic and partition.
    pub lag: BTreeMap<(String, i32), i64>,
    /// Records that topics no longer held when they were to be read, or more than there were.
    pub missing: u64,
    /// Commits.
    pub commits: u64,
    /// Partitions whose state was restored.
    pub restores: u64,
    /// Commits of which nobody knows what became of them, so that everything went back to the one before.
    pub starts_over: u64,
    /// Those of them that brokers refused because the partitions were somebody else's by then.
    pub fenced: u64,
    /// Times that partitions came or went.
    pub rebalances: u64,
}

impl Totals {
    /// Nothing done yet.
    pub fn new() -> Self {
        Self {
            bytes: 0,
            lines: 0,
            records: Counts::default(),
            unpriced: Arc::default(),
            rejected: [0; Reason::ALL.len()],
            rejects_unkept: 0,
            opaque_addresses: 0,
            foreign: 0,
            truncations: 0,
            joined: Joined::default(),
            alerts: [[[0; Status::ALL.len()]; Severity::ALL.len()]; detect::ALL.len()],
            incidents: [[0; 2]; Severity::ALL.len()],
            phases: [0; Phase::ALL.len()],
            failed_inputs: 0,
            gauges: Gauges::default(),
            watermark: None,
            latest: None,
            ready: false,
            latency: Latency::default(),
            earlier: Arc::default(),
            checkpoints: None,
            rooms: Rooms::default(),
            roll: Roll::default(),
            reloads: Reloads::default(),
            bounds: Bounds::default(),
            shown: None,
            held: None,
            sinks: Vec::new(),
            listen: None,
            shadow: None,
            pulled: Vec::new(),
            contain: None,
            probes: None,
            kafka: None,
        }
    }

    /// What there is to say of Kafka.
    #[cfg(feature = "kafka")]
    pub fn kafka_mut(&mut self) -> &mut KafkaTotals {
        self.kafka.get_or_insert_default()
    }

    /// Counts an alert that is given.
    pub fn count_alert(&mut self, alert: &Alert) {
        let detector = detect::ALL.iter().position(|detector| detector.name == alert.alert_type);
        if let Some(counts) = detector.and_then(|at| self.alerts.get_mut(at)) {
            counts[alert.severity as usize][alert.status as usize] += 1;
        }
    }

    /// Counts what is told.
    pub fn count_event(&mut self, event: &Event) {
        match event {
            Event::Alert(alert) => self.count_alert(alert),
            Event::Incident(incident) => {
                self.phases[incident.phase as usize] += 1;
                self.incidents[incident.severity as usize][usize::from(incident.revision > 0)] += 1;
            }
            Event::Use(_) | Event::Containment(_) => {}
        }
    }

    /// Adds what became of some records.
    pub fn count_records(&mut self, counts: &Counts, unpriced: &Unpriced) {
        self.records.add(counts);
        if *unpriced != Unpriced::default() {
            Arc::make_mut(&mut self.unpriced).add(unpriced);
        }
    }

    /// Rejected frames of all reasons.
    pub fn rejected(&self) -> u64 {
        self.rejected.iter().sum()
    }

    /// Records read: processed, duplicate, late and rejected.
    pub fn read(&self) -> u64 {
        self.records.processed + self.records.duplicate + self.records.late + self.rejected()
    }

    /// Alerts of one status, over all detectors and severities.
    pub fn alerts_with(&self, status: Status) -> u64 {
        self.alerts.iter().flatten().map(|by_status| by_status[status as usize]).sum()
    }
}

/// The limits behind some gauges, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    /// Of the state of all keys.
    pub state: u64,
}

impl Bounds {
    /// Those of a plan.
    pub fn of(plan: &Plan) -> Self {
        Self { state: plan.shard.limits.state_bytes_max as u64 }
    }
}

/// What became of configurations that were read while the run goes on, for whoever shows it.
#[derive(Clone, Debug, Default)]
pub struct Reloads(Arc<Loads>);

#[derive(Debug, Default)]
struct Loads {
    /// When one was put in force last, in nanoseconds since 1970; 0 where none can be.
    loaded: AtomicI64,
    /// The last one that was read was not put in force.
    failed: AtomicBool,
}

impl Reloads {
    /// One is in force.
    pub fn loaded(&self, at: Timestamp) {
        self.0.loaded.store(at.0, Ordering::Relaxed);
        self.0.failed.store(false, Ordering::Relaxed);
    }

    /// One was not put in force.
    pub fn failed(&self) {
        self.0.failed.store(true, Ordering::Relaxed);
    }

    /// When one was put in force last, and whether a later one was not; nothing where there is no file to read again.
    pub fn last(&self) -> Option<(Timestamp, bool)> {
        let at = self.0.loaded.load(Ordering::Relaxed);
        (at != 0).then(|| (Timestamp(at), self.0.failed.load(Ordering::Relaxed)))
    }
}

impl Default for Totals {
    fn default() -> Self {
        Self::new()
    }
}

/// How long records take from being read to their alerts being written.
#[derive(Clone, Debug)]
pub struct Latency {
    /// Microseconds, up to an hour, to two digits; `None` if it could not be made, which it can.
    histogram: Option<Histogram<u64>>,
    sum: Duration,
}

impl Default for Latency {
    fn default() -> Self {
        Self { histogram: Histogram::new_with_bounds(1, 3_600_000_000, 2).ok(), sum: Duration::ZERO }
    }
}

impl Latency {
    /// Counts `records` that took `time`.
    pub fn record(&mut self, time: Duration, records: u64) {
        if let Some(histogram) = &mut self.histogram {
            let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
            histogram.saturating_record_n(micros.max(1), records);
            self.sum =
                self.sum.saturating_add(time.saturating_mul(u32::try_from(records).unwrap_or(u32::MAX)));
        }
    }

    /// The time in seconds that the share `quantile` of records does not exceed.
    #[allow(clippy::cast_precision_loss)]
    pub fn quantile(&self, quantile: f64) -> f64 {
        self.histogram.as_ref().map_or(0.0, |histogram| histogram.value_at_quantile(quantile) as f64 / 1e6)
    }

    /// Records counted.
    pub fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, Histogram::len)
    }

    /// Seconds of all records together.
    pub fn sum(&self) -> f64 {
        self.sum.as_secs_f64()
    }
}

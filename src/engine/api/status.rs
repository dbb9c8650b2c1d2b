//! `/api/v1/status`: how the program itself is.

use super::forms::BySeverity;
use crate::engine::clock;
use crate::engine::memory;
use crate::engine::outbox::{Attempt, Traffic};
use crate::engine::totals::Totals;
use crate::pull::{EndpointHealth, Health};
use crate::record::Reason;
use crate::time::{SECOND, Timestamp};
use serde::{Deserialize, Serialize};

/// Partitions of Kafka that are told one by one.
const LAGS_MAX: usize = 256;

/// How the program is.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// When it began.
    pub started_at: String,
    /// How long ago that is, in seconds.
    pub uptime_seconds: u64,
    /// Inputs are read; before, history is.
    pub ready: bool,
    /// What was read.
    pub input: Input,
    /// Frames that could not be read, by reason; only reasons that came.
    pub rejects: Vec<Rejected>,
    /// What is held.
    pub state: State,
    /// Open incidents.
    pub incidents_open: u32,
    /// Open alerts.
    pub alerts_open: BySeverity,
    /// Each sink.
    pub sinks: Vec<SinkRow>,
    /// Each API that is asked for usage.
    #[serde(default)]
    pub sources: Vec<SourceRow>,
    /// The last checkpoint, with `--state`.
    pub checkpoint: Option<CheckpointRow>,
    /// With `--kafka`.
    pub kafka: Option<KafkaRow>,
}

/// What was read.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Input {
    /// Bytes, after decompression.
    pub bytes: u64,
    /// Lines.
    pub lines: u64,
    /// Records that were taken.
    pub processed: u64,
    /// Records that came again.
    pub duplicate: u64,
    /// Records that came after their day was over.
    pub late: u64,
    /// Frames that could not be read.
    pub rejected: u64,
    /// Inputs that could not be read to their end.
    pub failed_inputs: u64,
    /// The latest event time.
    pub latest: Option<String>,
    /// Up to where records are complete.
    pub watermark: Option<String>,
    /// How far the latest event time is behind the clock, in seconds.
    pub lag_seconds: Option<f64>,
    /// Seconds from reading to writing that one of a hundred records exceeds.
    pub latency_p99_seconds: f64,
}

/// Frames that could not be read.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Rejected {
    /// Why not.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// What is held.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// Keys.
    pub keys: u64,
    /// Memory of their state, in bytes.
    pub bytes: u64,
    /// As much as it may be.
    pub bytes_max: u64,
    /// New keys that gave way because memory was short.
    pub keys_evicted: u64,
    /// Memory of the process, in bytes.
    pub resident_bytes: Option<u64>,
}

/// A sink.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SinkRow {
    /// Its name.
    pub name: String,
    /// The last attempt failed.
    pub failing: bool,
    /// Reading waits for it.
    pub full: bool,
    /// Alerts that wait.
    pub waiting: u64,
    /// Their bytes.
    pub bytes: u64,
    /// As many as may be.
    pub bytes_max: u64,
    /// Attempts that went well.
    pub delivered: u64,
    /// Those that did not.
    pub failed: u64,
}

/// An API that is asked for usage.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SourceRow {
    /// Its name.
    pub name: String,
    /// An endpoint of it could not be read when it was asked last.
    pub failing: bool,
    /// How far the endpoint is behind now that is farthest, in seconds; `None` before anything was read.
    pub lag_seconds: Option<u64>,
    /// Rows that were taken.
    pub rows: u64,
    /// Rows of them that are no records.
    pub rejected: u64,
}

/// A checkpoint.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CheckpointRow {
    /// How many were made.
    pub made: u64,
    /// When the last one was on disk.
    pub at: Option<String>,
    /// Its bytes.
    pub bytes: u64,
    /// Reading waits for room on the disk.
    pub disk_full: bool,
}

/// What there is to say of Kafka.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct KafkaRow {
    /// Partitions that are read by this process.
    pub partitions: u64,
    /// Records that are still to be read, of all of them.
    pub lag: i64,
    /// Commits.
    pub commits: u64,
    /// The same partition by partition, the first of them.
    pub lags: Vec<LagRow>,
}

/// A partition.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LagRow {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// Records that are still to be read.
    pub lag: i64,
}

impl Status {
    /// Of what is counted.
    pub fn of(totals: &Totals) -> Self {
        let (now, started) = (clock::now(), memory::started_at());
        let gauges = totals.gauges;
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: seconds(started).to_string(),
            uptime_seconds: whole(now.as_secs_f64() - started),
            ready: totals.ready,
            input: Input::of(totals, now),
            rejects: Reason::ALL
                .iter()
                .zip(totals.rejected)
                .filter(|(_, count)| *count > 0)
                .map(|(reason, count)| Rejected { reason: reason.label().to_owned(), count })
                .collect(),
            state: State {
                keys: gauges.keys,
                bytes: gauges.state_bytes,
                bytes_max: totals.bounds.state,
                keys_evicted: gauges.keys_evicted,
                resident_bytes: memory::resident_bytes(),
            },
            incidents_open: gauges.open.all_incidents(),
            alerts_open: BySeverity::alerts(&gauges.open),
            sinks: totals.sinks.iter().map(|(name, traffic)| SinkRow::of(name, traffic)).collect(),
            sources: totals.pulled.iter().map(|source| SourceRow::of(source, now)).collect(),
            checkpoint: totals.checkpoints.as_ref().map(|(made, last)| CheckpointRow {
                made: *made,
                at: (*made > 0).then(|| last.at.to_string()),
                bytes: last.bytes,
                disk_full: totals.rooms.is_any_full(),
            }),
            kafka: totals.kafka.as_ref().map(|kafka| KafkaRow {
                partitions: kafka.partitions,
                lag: kafka.lag.values().sum(),
                commits: kafka.commits,
                lags: kafka
                    .lag
                    .iter()
                    .take(LAGS_MAX)
                    .map(|((topic, partition), lag)| LagRow {
                        topic: topic.clone(),
                        partition: *partition,
                        lag: *lag,
                    })
                    .collect(),
            }),
        }
    }
}

impl Input {
    fn of(totals: &Totals, now: Timestamp) -> Self {
        let records = &totals.records;
        Self {
            bytes: totals.bytes,
            lines: totals.lines,
            processed: records.processed,
            duplicate: records.duplicate,
            late: records.late,
            rejected: totals.rejected(),
            failed_inputs: totals.failed_inputs,
            latest: totals.latest.map(|at| at.to_string()),
            watermark: totals.watermark.filter(|at| *at > Timestamp::MIN).map(|at| at.to_string()),
            lag_seconds: totals.latest.map(|latest| (now.as_secs_f64() - latest.as_secs_f64()).round()),
            latency_p99_seconds: totals.latency.quantile(0.99),
        }
    }
}

impl SourceRow {
    fn of(source: &Health, now: Timestamp) -> Self {
        let oldest = source.endpoints.iter().map(EndpointHealth::reached).filter(|at| *at > 0).min();
        Self {
            name: source.name.to_string(),
            failing: source.endpoints.iter().any(EndpointHealth::is_failing),
            lag_seconds: oldest.map(|at| u64::try_from(now.0 / SECOND - at).unwrap_or(0)),
            rows: source.endpoints.iter().map(|endpoint| endpoint.rows()[0]).sum(),
            rejected: source.endpoints.iter().map(EndpointHealth::rejected).sum(),
        }
    }
}

impl SinkRow {
    fn of(name: &str, traffic: &Traffic) -> Self {
        let delivered = traffic.attempts(Attempt::Delivered);
        let all: u64 = Attempt::ALL.iter().map(|attempt| traffic.attempts(*attempt)).sum();
        Self {
            name: name.to_owned(),
            failing: traffic.is_failing(),
            full: traffic.is_full(),
            waiting: traffic.entries(),
            bytes: traffic.bytes(),
            bytes_max: traffic.bytes_max(),
            delivered,
            failed: all.saturating_sub(delivered),
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a time of our days")]
fn seconds(at: f64) -> Timestamp {
    Timestamp((at as i64).saturating_mul(SECOND))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never below nought")]
fn whole(seconds: f64) -> u64 {
    seconds.max(0.0) as u64
}

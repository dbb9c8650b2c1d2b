//! What records come to, until it is committed: messages, and what is counted.

use super::cell::Taken;
use super::note;
use super::stages::{Origin, Source};
use crate::config::{KafkaPlan, SinkPlan};
use crate::detect::Severity;
use crate::encode::{RejectAt, write_event, write_reject};
use crate::engine::board::Board;
use crate::engine::clock::Arrival;
use crate::engine::totals::Totals;
use crate::frame::{Block, Framer};
use crate::record::Batch;
use crate::shard::Piece;
use crate::sink::kafka::Outgoing;
use crate::source::kafka::{Fetched, Place};
use bytes::BytesMut;
use std::sync::Arc;
use std::time::Duration;

/// What waits for a commit.
pub struct Outbox {
    /// Alerts, incidents and rejects.
    events: Vec<Outgoing>,
    /// Whether there is anything that does not wait for company.
    is_urgent: bool,
    /// Records taken.
    pub records: usize,
    /// When the first of them came.
    since: Option<Arrival>,
    /// Everything counted so far, what is not committed included.
    pub totals: Totals,
    /// The worst severity of an alert that was not withdrawn.
    pub worst: Option<Severity>,
    /// What is shown to whoever looks inside, if anybody may.
    pub board: Option<Board>,
    alerts_topic: Arc<str>,
    rejects_topic: Option<Arc<str>>,
    /// Sinks, each with the topic in which what goes there waits.
    sinks: Vec<(Arc<SinkPlan>, Arc<str>)>,
}

impl Outbox {
    /// Nothing waits.
    pub fn new(plan: &KafkaPlan, totals: Totals) -> Self {
        Self {
            events: Vec::new(),
            is_urgent: false,
            records: 0,
            since: None,
            totals,
            worst: None,
            board: None,
            alerts_topic: plan.alerts_topic.as_str().into(),
            rejects_topic: plan.rejects_topic.as_deref().map(Arc::from),
            sinks: Vec::new(),
        }
    }

    /// Has events written for these sinks, too.
    pub fn post_to(&mut self, plan: &KafkaPlan, sinks: &[Arc<SinkPlan>]) {
        let with_topic = |sink: &Arc<SinkPlan>| (Arc::clone(sink), plan.sink_topic(&sink.name).into());
        self.sinks = sinks.iter().map(with_topic).collect();
    }

    /// Forgets what waits; `totals` are those without it.
    pub fn clear(&mut self, totals: Totals) {
        self.events.clear();
        (self.is_urgent, self.records, self.since, self.totals) = (false, 0, None, totals);
    }

    /// The messages that wait.
    pub fn take_events(&mut self) -> Vec<Outgoing> {
        (self.is_urgent, self.records, self.since) = (false, 0, None);
        std::mem::take(&mut self.events)
    }

    /// Something waits that is no record.
    pub fn touch(&mut self) {
        self.since.get_or_insert_with(Arrival::now);
    }

    /// How long something has been waiting.
    pub fn age(&self) -> Option<Duration> {
        self.since.map(|since| since.elapsed())
    }

    /// Whether it is time for a commit. Alerts do not wait for company as long as other things do.
    pub fn is_due(&self, plan: &KafkaPlan) -> bool {
        let Some(age) = self.age() else { return false };
        let within = if self.is_urgent { plan.commit_within / 4 } else { plan.commit_within };
        self.records >= plan.commit_records || age >= within
    }

    /// Takes note of what was read.
    pub fn batch(&mut self, origin: &Origin, batch: &Batch, positions: &[i64], arrived: Arrival) {
        self.since.get_or_insert(arrived);
        self.records += batch.lines as usize;
        let totals = &mut self.totals;
        totals.bytes += batch.bytes;
        totals.lines += u64::from(batch.lines);
        totals.foreign += u64::from(batch.foreign);
        totals.opaque_addresses += u64::from(batch.opaque_addresses);
        for (total, count) in totals.rejected.iter_mut().zip(batch.rejected) {
            *total += u64::from(count);
        }
        if batch.rejects.is_empty() {
            return;
        }
        let Some(rejects_topic) = &self.rejects_topic else { return };
        let all: u64 = batch.rejected.iter().map(|count| u64::from(*count)).sum();
        totals.rejects_unkept += all - batch.rejects.len() as u64;
        for reject in &batch.rejects {
            let position = at(positions, reject.line);
            let source = format!("{}[{}]@{position}", origin.topic, origin.partition);
            // With one message a line, the line is of no use.
            let line = if positions.len() > 1 { 1 } else { u64::from(reject.line) + 1 };
            let mut value = Vec::new();
            write_reject(RejectAt { source: &source, line, reject }, &mut value);
            value.pop();
            let mut headers = provenance(origin, position);
            headers.push(("keyhound.reason", reject.reason.label().to_owned()));
            self.events.push(Outgoing {
                topic: Arc::clone(rejects_topic),
                partition: None,
                key: source.into_bytes(),
                value: Some(value),
                headers,
            });
        }
    }

    /// The same of what others wait for.
    pub fn hurry(&mut self, taken: Taken) {
        self.taken(taken);
        self.is_urgent = true;
    }

    /// Takes note of what records came to.
    pub fn taken(&mut self, taken: Taken) {
        self.since.get_or_insert_with(Arrival::now);
        self.totals.count_records(&taken.counts, &taken.unpriced);
        self.totals.joined.joined += taken.joined.joined;
        self.totals.joined.alone += taken.joined.alone;
        for (output, Source { origin, offset }) in taken.outputs {
            let event = &output.event;
            self.totals.count_event(event);
            self.board.iter_mut().for_each(|board| board.hear(event));
            self.worst = self.worst.max(event.severity());
            self.is_urgent = true;
            let mut value = Vec::new();
            write_event(event, &mut value);
            value.pop();
            self.events.push(Outgoing {
                topic: Arc::clone(&self.alerts_topic),
                partition: None,
                key: event.id().into_bytes(),
                value: Some(value),
                headers: provenance(&origin, offset),
            });
            for (plan, topic) in &self.sinks {
                let Some(value) = note::write(plan, event) else { continue };
                self.events.push(Outgoing {
                    topic: Arc::clone(topic),
                    partition: Some(0),
                    key: event.id().into_bytes(),
                    value: Some(value),
                    headers: provenance(&origin, offset),
                });
            }
        }
    }
}

/// Where something comes from.
fn provenance(origin: &Origin, position: i64) -> Vec<(&'static str, String)> {
    vec![
        ("keyhound.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("keyhound.source.topic", origin.topic.to_string()),
        ("keyhound.source.partition", origin.partition.to_string()),
        ("keyhound.source.offset", position.to_string()),
    ]
}

/// Pieces of state as messages.
pub fn pieces(topic: &Arc<str>, partition: i32, pieces: Vec<Piece>) -> impl Iterator<Item = Outgoing> {
    let topic = Arc::clone(topic);
    pieces.into_iter().map(move |(key, value)| Outgoing {
        topic: Arc::clone(&topic),
        partition: Some(partition),
        key,
        value,
        headers: Vec::new(),
    })
}

/// Where a line stood; all lines of a value of several stood where it did.
fn at(positions: &[i64], line: u32) -> i64 {
    positions.get(line as usize).or(positions.first()).copied().unwrap_or_default()
}

/// The first lines of a block.
pub fn first_lines(block: &Block, count: usize) -> Block {
    let end = count.checked_sub(1).and_then(|last| memchr::memchr_iter(b'\n', &block.bytes).nth(last));
    Block { bytes: block.bytes.slice(..end.map_or(0, |end| end + 1)), ..Block::default() }
}

/// The lines of a block behind the first ones, as they were fetched.
pub fn last_lines(place: Place, block: &Block, positions: &[i64], lines: usize) -> Fetched {
    let first = first_lines(block, lines).bytes.len();
    let positions = positions.get(lines..).unwrap_or_default().to_vec();
    Fetched {
        place,
        values: block.bytes.slice(first..).to_vec(),
        ends: Vec::new(),
        is_document: false,
        next: positions.last().map_or(0, |last| last + 1),
        positions,
    }
}

impl Fetched {
    /// Without what stands before `next`.
    #[must_use]
    pub fn starting_at(mut self, next: i64) -> Self {
        let passed = self.positions.iter().take_while(|position| **position < next).count();
        if !self.ends.is_empty() {
            // A value is found by where it ends.
            self.positions.drain(..passed);
            let start = passed.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or(0);
            self.ends.drain(..passed);
            self.ends.iter_mut().for_each(|end| *end -= start);
            self.values.drain(..start);
        } else if passed > 0 {
            let end = memchr::memchr_iter(b'\n', &self.values).nth(passed - 1).map_or(0, |end| end + 1);
            self.values.drain(..end);
            self.positions.drain(..passed);
        }
        self
    }

    /// The values of a topic of our own, each with its position.
    pub fn own(&self) -> impl Iterator<Item = (i64, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let values =
            starts.zip(&self.ends).map(|(start, end)| self.values.get(start..*end).unwrap_or_default());
        self.positions.iter().copied().zip(values)
    }

    /// The values as blocks, each with the positions of its lines.
    pub fn blocks(self, frame_bytes_max: usize) -> Vec<(Block, Vec<i64>)> {
        if !self.is_document {
            return vec![(Block { bytes: self.values.into(), ..Block::default() }, self.positions)];
        }
        let mut framer = Framer::new(frame_bytes_max);
        let mut buffer = BytesMut::from(&self.values[..]);
        let mut blocks = Vec::new();
        while let Some(block) = framer.next(&mut buffer) {
            blocks.push(block);
        }
        while let Some(block) = framer.finish(&mut buffer) {
            blocks.push(block);
        }
        let position = self.positions.first().copied().unwrap_or_default();
        let with_positions = |block: Block| {
            let lines = block.lines().count() + block.oversize as usize;
            (block, vec![position; lines.max(1)])
        };
        blocks.into_iter().map(with_positions).collect()
    }
}

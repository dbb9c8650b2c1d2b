//! What inputs hold, without a run: which wrappers and formats their lines have, what came of them, and what they tell.

use super::clock::Arrival;
use crate::decode::{Decoder, Leaf, Settings};
use crate::frame::{Block, Framer};
use crate::key::KeyId;
use crate::money::NanoUsd;
use crate::record::{Batch, CostSource, Kind, Part, Reason, Reject, UsageRecord};
use crate::signal::Signals;
use crate::source::{Next, Source, SourceError};
use crate::time::Stamp;
use bytes::BytesMut;
use std::collections::{BTreeMap, BTreeSet};
use std::thread;

/// Bytes read at a time.
const CHUNK_BYTES: usize = 256 << 10;
/// Ways of frames that are told apart; all others together are one more.
const WAYS_MAX: usize = 64;
/// Rejects of one reason that are shown.
const EXAMPLES_MAX: usize = 4;
/// Models without a price that are named.
const UNPRICED_MAX: usize = 64;
/// Keys that are told apart.
const KEYS_MAX: usize = 4096;

/// What came of all lines that went one way.
#[derive(Clone, Debug, Default)]
pub struct Way {
    /// Lines that went it; one may hold several frames.
    pub lines: u64,
    /// Requests, the halves that tell who asked, those that tell what it took, buckets, bills, audit events, statements.
    pub records: [u64; KINDS.len()],
    /// Told of something else.
    pub foreign: u64,
    /// Rejected.
    pub rejected: u64,
    /// What its records tell.
    pub signals: Signals,
    /// The first and the last time told.
    pub span: Option<(Stamp, Stamp)>,
}

/// What records are called, in the order of [`Way::records`]: one, and several.
pub const KINDS: [(&str, &str); 8] = [
    ("request", "requests"),
    ("half (who)", "halves (who)"),
    ("half (cost)", "halves (cost)"),
    ("bucket", "buckets"),
    ("bill", "bills"),
    ("audit event", "audit events"),
    ("statement", "statements"),
    ("canary prompt", "canary prompts"),
];

/// A rejected frame that stands for all with its message.
#[derive(Clone, Debug)]
pub struct Example {
    /// Its input.
    pub source: String,
    /// Its line, counted from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reject: Reject,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Survey {
    /// Lines, empty ones included.
    pub lines: u64,
    /// What came of them, by the way they went.
    pub ways: BTreeMap<String, Way>,
    /// How many were rejected by reason, with the first of each message; no more than [`EXAMPLES_MAX`].
    pub rejects: BTreeMap<Reason, (u64, Vec<Example>)>,
    /// Models with tokens and without a price; no more than [`UNPRICED_MAX`].
    pub unpriced: BTreeSet<String>,
    /// There were more.
    pub unpriced_overflowed: bool,
    /// What is told of each key, with what may be shown of it; no more than [`KEYS_MAX`]. Halves are not counted: what
    /// they lack the other half has.
    pub keys: BTreeMap<KeyId, (String, Signals)>,
    /// There were more.
    pub keys_overflowed: bool,
}

/// One line, and what came of it.
pub struct Line<'a> {
    /// Its input.
    pub source: &'a str,
    /// Its number, counted from 1.
    pub number: u64,
    /// What stands in it, as it is written: it may hold secrets.
    pub text: &'a [u8],
    /// The records and rejects in it.
    pub batch: &'a Batch,
    /// Which way they went.
    pub ways: &'a [Leaf],
}

/// The place of a record in [`KINDS`].
pub fn kind(record: &UsageRecord) -> usize {
    match (record.kind, record.part) {
        (Kind::Request, Part::Whole) => 0,
        (Kind::Request, Part::Identity) => 1,
        (Kind::Request, Part::Usage) => 2,
        (Kind::Bucket, _) => 3,
        (Kind::Invoice, _) => 4,
        (Kind::Audit(_), _) => 5,
        (Kind::Statement(_), _) => 6,
        (Kind::Canary(_), _) => 7,
    }
}

fn has_tokens(record: &UsageRecord) -> bool {
    record.tokens.input() > 0 || record.tokens.output.get().is_some()
}

/// What a record tells on its own: not what its other half would.
fn signals(record: &UsageRecord) -> Signals {
    let has_tokens = has_tokens(record);
    match record.kind {
        Kind::Audit(_) | Kind::Statement(_) | Kind::Canary(_) => Signals::NONE,
        Kind::Invoice => Signals::COST,
        // That something refused cost nothing says nothing of what else would cost.
        Kind::Request | Kind::Bucket if record.cost == NanoUsd::ZERO && !has_tokens => {
            record.signals().without(Signals::COST)
        }
        Kind::Request | Kind::Bucket => record.signals(),
    }
}

impl Way {
    /// Adds a record.
    fn add(&mut self, record: &UsageRecord) {
        self.records[kind(record)] += 1;
        self.signals = self.signals.with(signals(record));
        let time = record.time;
        let (first, last) = self.span.unwrap_or((time, time));
        self.span = Some((
            if time.at < first.at { time } else { first },
            if time.at > last.at { time } else { last },
        ));
    }
}

impl Survey {
    /// Reads an input to its end, and shows every line with something in it; `false` from `show` is enough seen.
    pub fn read(
        &mut self,
        source: &mut dyn Source,
        settings: &Settings,
        show: &mut dyn FnMut(&Line<'_>) -> bool,
    ) -> Result<bool, SourceError> {
        let name = source.name().to_owned();
        let mut framer = Framer::new(settings.frame_bytes_max);
        let mut reading = Reading {
            name,
            number: 0,
            decoder: Decoder::new(settings.clone()).tracing(),
            survey: self,
            show,
        };
        let mut buffer = BytesMut::new();
        loop {
            let next = source.read(&mut buffer, CHUNK_BYTES)?;
            if let Next::Wait(time) = next {
                thread::sleep(time);
            }
            let is_end = matches!(next, Next::End | Next::NewFile | Next::Truncated);
            let mut take = |buffer: &mut BytesMut| {
                if is_end { framer.finish(buffer) } else { framer.next(buffer) }
            };
            while let Some(block) = take(&mut buffer) {
                if !reading.block(&block) {
                    return Ok(false);
                }
            }
            if next == Next::End {
                return Ok(true);
            }
        }
    }

    /// Whether anything at all could be read.
    pub fn has_records(&self) -> bool {
        self.ways.values().any(|way| way.foreign > 0 || way.records.iter().sum::<u64>() > 0)
    }

    /// What all records together tell.
    pub fn signals(&self) -> Signals {
        self.ways.values().fold(Signals::NONE, |all, way| all.with(way.signals))
    }

    fn way(&mut self, path: &str) -> &mut Way {
        let is_full = self.ways.len() >= WAYS_MAX && !self.ways.contains_key(path);
        self.ways.entry(if is_full { "…" } else { path }.to_owned()).or_default()
    }

    fn note_key(&mut self, record: &UsageRecord, batch: &Batch) {
        if record.part != Part::Whole
            || matches!(record.kind, Kind::Audit(_) | Kind::Statement(_) | Kind::Canary(_))
        {
            return;
        }
        if self.keys.len() >= KEYS_MAX && !self.keys.contains_key(&record.key) {
            self.keys_overflowed = true;
            return;
        }
        let new = || (batch.text(record.key_hint).to_owned(), Signals::NONE);
        let (_, known) = self.keys.entry(record.key).or_insert_with(new);
        *known = known.with(signals(record));
    }

    fn note_model(&mut self, record: &UsageRecord, batch: &Batch) {
        let name = batch.text(record.model.name);
        if record.cost_source != CostSource::Unknown || !has_tokens(record) || name.is_empty() {
            return;
        }
        if self.unpriced.len() < UNPRICED_MAX {
            self.unpriced.insert(name.to_owned());
        } else {
            self.unpriced_overflowed |= !self.unpriced.contains(name);
        }
    }
}

/// An input that is being read.
struct Reading<'s> {
    name: String,
    number: u64,
    decoder: Decoder,
    survey: &'s mut Survey,
    show: &'s mut dyn FnMut(&Line<'_>) -> bool,
}

impl Reading<'_> {
    /// Takes a block apart; `false` when enough has been seen.
    fn block(&mut self, block: &Block) -> bool {
        // Those have an empty line each.
        let lost = (0..block.oversize).map(|_| Block { oversize: 1, is_cut: true, ..Block::default() });
        let lines = block.lines().enumerate().map(|(at, line)| Block {
            bytes: block.bytes.slice_ref(line),
            header: block.header.clone(),
            starts_with_header: at == 0 && block.starts_with_header,
            ..Block::default()
        });
        let mut lines: Vec<Block> = lost.chain(lines).collect();
        if let Some(last) = lines.last_mut() {
            last.is_cut |= block.is_open();
        }
        lines.iter().all(|line| self.line(line))
    }

    fn line(&mut self, line: &Block) -> bool {
        let (number, ends) = (self.number + 1, u64::from(!line.is_cut));
        self.number += ends;
        self.survey.lines += ends;
        let batch = self.decoder.block(line, Arrival::now().at);
        let ways = self.decoder.ways(&batch);
        for leaf in &ways {
            let way = self.survey.way(&leaf.path);
            way.lines += 1;
            way.foreign += u64::from(leaf.foreign);
            way.rejected += u64::from(leaf.rejected);
            batch
                .records
                .get(leaf.records.clone())
                .unwrap_or_default()
                .iter()
                .for_each(|record| way.add(record));
        }
        for record in &batch.records {
            self.survey.note_model(record, &batch);
            self.survey.note_key(record, &batch);
        }
        self.rejects(&batch, number);
        ways.is_empty() || {
            let line = Line { source: &self.name, number, text: &line.bytes, batch: &batch, ways: &ways };
            (self.show)(&line)
        }
    }

    fn rejects(&mut self, batch: &Batch, line: u64) {
        for (reason, count) in Reason::ALL.iter().zip(batch.rejected).filter(|(_, count)| *count > 0) {
            let (total, examples) = self.survey.rejects.entry(*reason).or_default();
            *total += u64::from(count);
            for reject in batch.rejects.iter().filter(|reject| reject.reason == *reason) {
                let is_known = examples.iter().any(|known| known.reject.message == reject.message);
                if examples.len() < EXAMPLES_MAX && !is_known {
                    let source = self.name.clone();
                    examples.push(Example { source, line, reject: reject.clone() });
                }
            }
        }
    }
}

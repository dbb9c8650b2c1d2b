//! One partition: its order, its event time, its halves and its keys. What becomes of a key depends on the records of
//! its partition alone, so it is the same however many processes share the partitions.

use crate::config::Plan;
use crate::engine::clock::Arrival;
use crate::engine::sequence::{Live, Loaded, Passage, Step};
use crate::join::{Join, JoinSettings, Joined};
use crate::record::Batch;
use crate::save::{Reader, Unreadable, Writer};
use crate::shard::{Counts, Gauges, Input, Output, Piece, Shard, ShardSettings, Unpriced};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The form of what is written; another one is not read.
const FORM: u32 = 1;
/// First letters of names; those of the shard's pieces are others.
const CELL: u8 = b'c';
const JOIN: u8 = b'j';
/// A message of Kafka has a megabyte at most.
const JOIN_PIECE_BYTES: usize = 500_000;

/// What cells are made with.
pub struct Mould {
    shard: Arc<ShardSettings>,
    join: JoinSettings,
    lateness_minutes: u32,
    idle_minutes: u32,
}

impl Mould {
    /// As the plan says.
    pub fn new(plan: &Plan) -> Self {
        Self {
            shard: Arc::clone(&plan.shard),
            join: plan.join,
            lateness_minutes: plan.input.lateness_minutes,
            idle_minutes: plan.input.idle_minutes,
        }
    }
}

/// Everything that is known of one partition.
pub struct Cell {
    live: Live,
    join: Join,
    join_pieces: usize,
    shard: Shard,
    /// The next record to read.
    pub next: i64,
    /// The seek after which records are to be fetched.
    pub sought: u64,
    /// Commits so far.
    commits: u64,
    /// Something happened since the last commit.
    changed: bool,
}

/// The piece that ends every commit.
#[derive(Serialize, Deserialize)]
struct Last<'a> {
    form: u32,
    version: &'a str,
    next: i64,
    commits: u64,
    passage: Passage,
    latest: i64,
    join_pieces: usize,
}

/// What follows from records.
pub struct Taken {
    /// Alerts, each with the position of the record that it follows from.
    pub outputs: Vec<(Output, i64)>,
    /// What became of the records.
    pub counts: Counts,
    /// Models of which the cost is not known.
    pub unpriced: Unpriced,
    /// What became of halves.
    pub joined: Joined,
}

/// A state that cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    /// Not of this form.
    #[error("what it holds was written by keyhound {0} in a form that this one does not know")]
    Form(String),
    /// Not what it should be.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl Cell {
    /// A cell that has seen nothing, of one of `partitions` partitions, which begins at `next`.
    pub fn new(mould: &Mould, partitions: usize, next: i64, now: Timestamp) -> Self {
        let mut live = Live::new(mould.lateness_minutes, mould.idle_minutes);
        live.add(now, i64::MIN);
        let entries_max = mould.join.entries_max / partitions.max(1);
        Self {
            live,
            join: Join::new(JoinSettings { entries_max, ..mould.join }),
            join_pieces: 0,
            shard: Shard::of_partition(Arc::clone(&mould.shard), partitions.max(1)),
            next,
            sought: 0,
            commits: 0,
            changed: true,
        }
    }

    /// A cell as its pieces tell it; `None` where there are none.
    pub fn restore(
        mould: &Mould,
        partitions: usize,
        pieces: &BTreeMap<Vec<u8>, Vec<u8>>,
        now: Timestamp,
    ) -> Result<Option<Self>, CellError> {
        let Some(last) = pieces.get(&[CELL][..]) else { return Ok(None) };
        let (form, version) = Reader::new(last).take::<(u32, &str)>()?;
        if form != FORM {
            return Err(CellError::Form(version.to_owned()));
        }
        let last: Last<'_> = Reader::new(last).take()?;
        let mut cell = Self::new(mould, partitions, last.next, now);
        cell.changed = false;
        cell.commits = last.commits;
        cell.live = Live::new(mould.lateness_minutes, mould.idle_minutes);
        cell.live.resume(last.passage);
        cell.live.add(now, last.latest);
        cell.join_pieces = last.join_pieces;
        let mut join = Vec::new();
        for number in 0..last.join_pieces {
            join.extend_from_slice(pieces.get(&join_name(number)).ok_or(Unreadable)?);
        }
        if !join.is_empty() {
            cell.join.restore(&mut Reader::new(&join))?;
        }
        let of_shard = pieces.iter().filter(|(name, _)| !matches!(name.first(), Some(&CELL | &JOIN) | None));
        cell.shard.take_pieces(of_shard.map(|(name, value)| (&name[..], &value[..])))?;
        Ok(Some(cell))
    }

    /// Takes records; `positions` says by line where they stood.
    pub fn take(&mut self, batch: Batch, positions: &[i64], arrived: Arrival) -> Taken {
        let batch = Arc::new(batch);
        let source = Arc::from("");
        let loaded = Loaded { batch: Arc::clone(&batch), source, lines_before: 0, arrived };
        let step = self.live.take(0, loaded);
        self.step(step, Some((&batch, positions)))
    }

    /// The calendar has moved on. Nothing follows as long as records still come.
    pub fn tick(&mut self, now: Timestamp) -> Option<Taken> {
        let step = self.live.tick(now);
        if step.is_empty() { None } else { Some(self.step(step, None)) }
    }

    fn step(&mut self, mut step: Step, origin: Option<(&Arc<Batch>, &[i64])>) -> Taken {
        self.changed = true;
        self.join.step(&mut step.runs, &mut step.marks);
        let input = Input::Records { runs: &step.runs, marks: &step.marks };
        let (mut outputs, counts) = self.shard.apply(&input);
        outputs.sort_by_key(|output| output.order);
        Taken {
            outputs: placed(outputs, &step, origin, self.next.saturating_sub(1)),
            counts,
            unpriced: self.shard.take_unpriced(),
            joined: self.join.take_counts(),
        }
    }

    /// Whether nothing has come for long.
    pub fn is_quiet(&self, now: Timestamp) -> bool {
        self.live.is_quiet(now)
    }

    /// Whether there is anything to commit.
    pub fn has_changed(&self) -> bool {
        self.changed
    }

    /// The pieces that have changed since this was asked last; the one that makes them valid comes last.
    pub fn changes(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        if !std::mem::take(&mut self.changed) {
            return pieces;
        }
        self.shard.changes(&mut pieces);
        if self.join.take_changed() {
            self.join_changes(&mut pieces);
        }
        self.commits += 1;
        let last = Last {
            form: FORM,
            version: env!("CARGO_PKG_VERSION"),
            next: self.next,
            commits: self.commits,
            passage: *self.live.passage(),
            latest: self.live.latest(0),
            join_pieces: self.join_pieces,
        };
        let mut value = Writer::default();
        value.put(&last);
        pieces.push((vec![CELL], Some(value.into_bytes())));
        pieces
    }

    fn join_changes(&mut self, pieces: &mut Vec<Piece>) {
        let mut value = Writer::default();
        self.join.save(&mut value);
        let value = value.into_bytes();
        let parts: Vec<&[u8]> = value.chunks(JOIN_PIECE_BYTES).collect();
        pieces.extend((parts.len()..self.join_pieces).map(|number| (join_name(number), None)));
        self.join_pieces = parts.len();
        let parts = parts.into_iter().enumerate();
        pieces.extend(parts.map(|(number, part)| (join_name(number), Some(part.to_vec()))));
    }

    /// Whether a piece of this name makes those before it valid.
    pub fn is_last(name: &[u8]) -> bool {
        name == [CELL]
    }

    /// How much is held.
    pub fn gauges(&self) -> Gauges {
        self.shard.gauges()
    }

    /// Event time.
    pub fn passage(&self) -> &Passage {
        self.live.passage()
    }
}

fn join_name(number: usize) -> Vec<u8> {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    [&[JOIN][..], &number.to_be_bytes()].concat()
}

/// The outputs with the positions of the records that they follow from: of a record that stood somewhere else, that of
/// the one before it.
fn placed(
    outputs: Vec<Output>,
    step: &Step,
    origin: Option<(&Arc<Batch>, &[i64])>,
    before: i64,
) -> Vec<(Output, i64)> {
    if outputs.is_empty() {
        return Vec::new();
    }
    let records = step.runs.iter().flat_map(|run| run.range.clone().map(move |at| (&run.batch, at)));
    let mut positions = records.map(|(of, at)| {
        let (batch, positions) = origin.filter(|(batch, _)| Arc::ptr_eq(batch, of))?;
        positions.get(batch.records.get(at)?.line as usize).copied()
    });
    let (mut seen, mut position) = (0, before);
    let place = |output: Output| {
        while seen <= output.order.0 {
            let Some(found) = positions.next() else { break };
            position = found.unwrap_or(position);
            seen += 1;
        }
        (output, position)
    };
    outputs.into_iter().map(place).collect()
}

#[cfg(test)]
mod tests;

//! Everything a run knows at one moment, on disk: what it remembers, how far its inputs are read and how long its
//! outputs are. From there, another process goes on as if nothing had happened.

mod keeper;
#[cfg(test)]
mod layout;
mod store;

pub use keeper::{Keeper, Kept, Unkept, length};
pub use store::{Store, StoreError, VERSION as LAYOUT};

use super::clock::Arrival;
use crate::config::CheckpointConfig;
use crate::fault::{Mistake, planted};
use crate::save::{Reader, Unreadable, Writer};
use crate::shard::{Counts, Unpriced};
use crate::source::FileId;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What a checkpoint holds.
#[derive(Default)]
pub struct Checkpoint {
    /// What tells whether it can be used by this run.
    pub origin: Origin,
    /// Where the feed stands.
    pub feed: Vec<u8>,
    /// What each shard remembers.
    pub shards: Vec<Bytes>,
    /// What was written and counted.
    pub egress: Written,
    /// What is tried beside, if anything is. It has a file of its own: the run does without it.
    pub shadow: Option<ShadowState>,
}

/// What a shadow remembers.
pub struct ShadowState {
    /// What each of its shards remembers.
    pub shards: Vec<Bytes>,
    /// What it and the run have told so far.
    pub report: Vec<u8>,
}

/// Where a checkpoint comes from.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Origin {
    /// The version of the program, for people.
    pub program: String,
    /// A fingerprint that differs with the salt: keys of another salt would all be new.
    pub salt: [u8; 16],
}

/// What was written and counted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Written {
    /// The file with alerts.
    pub alerts: Option<Length>,
    /// The file with rejects.
    pub rejects: Option<Length>,
    /// How many alerts were put into the outbox of each sink that there ever was.
    pub outboxes: BTreeMap<String, u64>,
    /// Sums that later records may lower again.
    pub counts: Counts,
    /// Models without a price.
    pub unpriced: Unpriced,
}

/// How long an output is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Length {
    /// Which file.
    pub file: FileId,
    /// Bytes.
    pub bytes: u64,
}

impl Checkpoint {
    /// As bytes, in pieces that follow each other: most of it is what shards remember, which is not copied.
    fn save(&self) -> Vec<Bytes> {
        let mut out = Writer::default();
        out.put(&self.origin);
        out.put(&self.egress);
        out.put_bytes(&self.feed);
        in_pieces(out, &self.shards)
    }

    /// From bytes, of which those of shards are kept as they are.
    fn restore(bytes: &Bytes) -> Result<Self, Unreadable> {
        let mut saved = Reader::new(bytes);
        let (origin, egress) = (saved.take()?, saved.take()?);
        let feed = saved.sized()?.rest().to_vec();
        Ok(Self { origin, feed, shards: shards_at_end(saved, bytes)?, egress, shadow: None })
    }
}

/// What is written already, and behind it the shards, which are not copied.
fn in_pieces(mut out: Writer, shards: &[Bytes]) -> Vec<Bytes> {
    out.put(&shards.len());
    let mut pieces = Vec::new();
    for shard in shards {
        out.put_length(shard.len());
        pieces.extend([std::mem::take(&mut out).into_bytes().into(), shard.clone()]);
    }
    pieces.push(out.into_bytes().into());
    pieces
}

/// Reads shards, which have to be the last of `bytes`, and are kept as they are there.
fn shards_at_end(mut saved: Reader<'_>, bytes: &Bytes) -> Result<Vec<Bytes>, Unreadable> {
    let count: usize = saved.take()?;
    let shards = (0..count).map(|_| saved.sized().map(|shard| bytes.slice_ref(shard.rest())));
    let shards = shards.collect::<Result<_, _>>()?;
    if saved.is_empty() { Ok(shards) } else { Err(Unreadable) }
}

/// By what it is known which checkpoint a shadow belongs to.
fn mark(feed: &[u8]) -> [u8; 32] {
    *blake3::hash(feed).as_bytes()
}

impl ShadowState {
    /// As bytes, in pieces that follow each other. `feed` is that of the checkpoint it belongs to.
    fn save(&self, feed: &[u8]) -> Vec<Bytes> {
        let mut out = Writer::default();
        out.put(&mark(feed));
        out.put_bytes(&self.report);
        in_pieces(out, &self.shards)
    }

    /// From bytes; nothing where it belongs to another checkpoint than that with `feed`.
    fn restore(bytes: &Bytes, feed: &[u8]) -> Result<Option<Self>, Unreadable> {
        let mut saved = Reader::new(bytes);
        if saved.take::<[u8; 32]>()? != mark(feed) {
            return Ok(None);
        }
        let report = saved.sized()?.rest().to_vec();
        Ok(Some(Self { shards: shards_at_end(saved, bytes)?, report }))
    }
}

/// What the one who asks for checkpoints and the one who writes them know of each other.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    /// One is being made.
    busy: Arc<AtomicBool>,
    /// Milliseconds that the last one took.
    cost: Arc<AtomicU64>,
    /// How many are on disk.
    made: Arc<AtomicU64>,
}

impl Pace {
    /// One has been made, and took this long.
    pub fn made(&self, took: Duration) {
        self.cost.store(u64::try_from(took.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.made.fetch_add(1, Ordering::Release);
        if !planted(Mistake::NoFurtherCheckpoint) {
            self.busy.store(false, Ordering::Release);
        }
    }
}

/// When the next checkpoint is due.
#[derive(Debug)]
pub struct Due {
    every: Duration,
    /// How many times as long as a checkpoint takes there is none.
    rest: u64,
    last: Arrival,
    /// How many were asked for.
    asked: u64,
    pace: Pace,
}

impl Due {
    /// As configured.
    pub fn new(config: CheckpointConfig, pace: Pace) -> Self {
        let every = Duration::from_millis(config.interval_ms.into());
        Self {
            every,
            rest: 100 / u64::from(config.time_percent_max.max(1)) - 1,
            last: Arrival::now(),
            asked: 0,
            pace,
        }
    }

    /// One more is asked for.
    pub fn ask(&mut self) {
        self.asked += 1;
    }

    /// How many were asked for, and how many of these, in their order, are on disk.
    pub fn progress(&self) -> (u64, u64) {
        (self.asked, self.pace.made.load(Ordering::Acquire))
    }

    /// Whether it is now, or as soon as it can be where there is a hurry; then the time runs anew. The last one is made in
    /// any case.
    pub fn is_now(&mut self, is_last: bool, is_urgent: bool) -> bool {
        let cost = Duration::from_millis(self.pace.cost.load(Ordering::Relaxed).saturating_mul(self.rest));
        let is_due = (is_urgent || self.last.elapsed() >= self.every.max(cost))
            && !self.pace.busy.swap(true, Ordering::Acquire);
        if is_due {
            self.last = Arrival::now();
        }
        is_due || is_last
    }
}

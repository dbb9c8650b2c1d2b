//! Threads that own a shard each: every move goes to all of them, and each answers with what follows from it.

use super::sequence::Step;
use crate::incident::Fleet;
use crate::shard::{Counts, Gauges, Input, Output, Shard, ShardSettings, Unpriced};
use crate::time::Timestamp;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::thread;
use tokio::sync::mpsc;

/// Moves on their way to a shard.
const MOVES_MAX: usize = 4;

/// What all shards are told.
pub enum Move {
    /// Records and watermarks.
    Step {
        /// The records.
        step: Step,
        /// The watermark after it.
        watermark: Option<Timestamp>,
        /// The latest event time after it.
        latest: Option<Timestamp>,
    },
    /// All shards are to tell each other what their keys have added to what is usual.
    Epoch,
    /// An input could not be read to its end.
    Failed,
    /// Everything is to be saved as it is now; this is where the feed stands.
    Checkpoint(Vec<u8>),
    /// The history is complete.
    EndOfHistory,
    /// The inputs are complete.
    End,
}

/// What a shard made of a move.
pub struct Report {
    /// Alerts, with their place in the whole.
    pub outputs: Vec<Output>,
    /// What became of the records.
    pub counts: Counts,
    /// Models of which the cost is not known.
    pub unpriced: Unpriced,
    /// What the shard holds now.
    pub gauges: Gauges,
    /// What the shard remembers, where that was asked for.
    pub saved: Option<Bytes>,
}

/// The way to all shards and to the egress.
pub struct Fanout {
    shards: Vec<mpsc::Sender<Arc<Move>>>,
    egress: mpsc::Sender<Arc<Move>>,
}

/// The ways from the shards to the egress.
pub struct Fanin {
    /// The moves, in order.
    pub moves: mpsc::Receiver<Arc<Move>>,
    /// One answer to each move from each shard.
    pub reports: Vec<mpsc::Receiver<Report>>,
}

impl Fanout {
    /// Starts `count` shards; `learning` where a history is given first, with what shards have `saved`.
    pub fn start(
        settings: &Arc<ShardSettings>,
        count: usize,
        learning: bool,
        saved: &Arc<[Bytes]>,
    ) -> std::io::Result<(Self, Fanin)> {
        let (egress, moves) = mpsc::channel(MOVES_MAX);
        let mut fanout = Self { shards: Vec::new(), egress };
        let (mut reports, mut first) = (Vec::new(), None);
        for (number, others) in Others::all(count.max(1)).into_iter().enumerate() {
            let (sender, inputs) = mpsc::channel(MOVES_MAX);
            let (outputs, answers) = mpsc::channel(MOVES_MAX);
            let (settings, saved) = (Arc::clone(settings), Arc::clone(saved));
            let take_up = move || taken_up(Shard::new(settings, number, count, learning), &saved);
            fanout.shards.push(sender);
            reports.push(answers);
            if number == 0 {
                first = Some((take_up, inputs, outputs, others));
                continue;
            }
            start(number, move || serve(take_up(), inputs, &outputs, &others))?;
        }
        // The first is taken up here, while the others are by their threads. The C library gives memory to the thread that
        // a process begins with in large pieces, to others page by page with a call for each: most runs have one shard.
        if let Some((take_up, inputs, outputs, others)) = first {
            let shard = take_up();
            start(0, move || serve(shard, inputs, &outputs, &others))?;
        }
        Ok((fanout, Fanin { moves, reports }))
    }

    /// Tells all shards; `None` when the egress has ended.
    pub async fn tell(&self, moved: Move) -> Option<()> {
        let moved = Arc::new(moved);
        for shard in &self.shards {
            shard.send(Arc::clone(&moved)).await.ok()?;
        }
        self.egress.send(moved).await.ok()
    }
}

fn start(number: usize, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    thread::Builder::new().name(format!("shard-{number}")).spawn(work).map(|_| ())
}

/// A shard with what shards have saved. Its checksum was right, so where that cannot be read it is a mistake of ours: the
/// run ends as if the shard's thread had died.
fn taken_up(mut shard: Shard, saved: &[Bytes]) -> Option<Shard> {
    match shard.restore(saved.iter().map(Bytes::as_ref)) {
        Ok(()) => Some(shard),
        Err(error) => {
            tracing::error!("the state cannot be taken up: {error}");
            None
        }
    }
}

fn input(moved: &Move) -> Input<'_> {
    match moved {
        Move::Step { step, .. } => Input::Records { runs: &step.runs, marks: &step.marks },
        Move::Failed | Move::Checkpoint(_) | Move::Epoch => Input::Records { runs: &[], marks: &[] },
        Move::EndOfHistory => Input::EndOfHistory,
        Move::End => Input::End,
    }
}

/// The ways between one shard and each other one.
struct Others {
    to: Vec<std_mpsc::Sender<Arc<Fleet>>>,
    from: Vec<std_mpsc::Receiver<Arc<Fleet>>>,
}

impl Others {
    /// Those of `count` shards.
    fn all(count: usize) -> Vec<Self> {
        let mut all: Vec<Self> = (0..count).map(|_| Self { to: Vec::new(), from: Vec::new() }).collect();
        for one in 0..count {
            for other in (0..count).filter(|other| *other != one) {
                let (to, from) = std_mpsc::channel();
                all[one].to.push(to);
                all[other].from.push(from);
            }
        }
        all
    }

    /// What the keys of all shards have added, this one's among them; `None` when another one has ended.
    fn exchange(&self, own: Fleet) -> Option<Fleet> {
        let own = Arc::new(own);
        for to in &self.to {
            to.send(Arc::clone(&own)).ok()?;
        }
        let mut all = Arc::unwrap_or_clone(own);
        for from in &self.from {
            all.add_all(&*from.recv().ok()?);
        }
        Some(all)
    }
}

fn serve(
    shard: Option<Shard>,
    mut inputs: mpsc::Receiver<Arc<Move>>,
    answers: &mpsc::Sender<Report>,
    others: &Others,
) {
    let Some(mut shard) = shard else { return };
    while let Some(moved) = inputs.blocking_recv() {
        let (outputs, counts) = if matches!(&*moved, Move::Epoch) {
            let Some(news) = others.exchange(shard.take_fleet_news()) else { return };
            shard.apply(&Input::Fleet(&news))
        } else {
            shard.apply(&input(&moved))
        };
        let saved = matches!(&*moved, Move::Checkpoint(_)).then(|| shard.save().into());
        let report =
            Report { outputs, counts, unpriced: shard.take_unpriced(), gauges: shard.gauges(), saved };
        if answers.blocking_send(report).is_err() {
            return;
        }
    }
}

//! Threads that own a shard each: every move goes to all of them, and each answers with what follows from it.

use super::sequence::Step;
use crate::incident::{Incident, Incidents};
use crate::shard::{Counts, Gauges, Input, Order, Output, Shard, ShardSettings, Unpriced};
use crate::time::Timestamp;
use std::sync::Arc;
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
    pub saved: Option<Vec<u8>>,
}

/// What the incident layer made of a move.
pub struct Found {
    /// Incidents, with their place in the whole.
    pub incidents: Vec<(Order, Incident)>,
    /// What the layer remembers, where that was asked for.
    pub saved: Option<Vec<u8>>,
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
    /// The same of the incident layer, if there is one.
    pub found: Option<mpsc::Receiver<Found>>,
}

impl Fanout {
    /// Starts `count` shards; `learning` where a history is given first, with what shards have `saved`.
    pub fn start(
        settings: &Arc<ShardSettings>,
        count: usize,
        learning: bool,
        saved: &Arc<[Vec<u8>]>,
    ) -> std::io::Result<(Self, Fanin)> {
        let (egress, moves) = mpsc::channel(MOVES_MAX);
        let mut fanout = Self { shards: Vec::new(), egress };
        let mut reports = Vec::new();
        for number in 0..count.max(1) {
            let (sender, inputs) = mpsc::channel(MOVES_MAX);
            let (outputs, answers) = mpsc::channel(MOVES_MAX);
            let (settings, saved) = (Arc::clone(settings), Arc::clone(saved));
            thread::Builder::new().name(format!("shard-{number}")).spawn(move || {
                let mut shard = Shard::new(settings, number, count, learning);
                let restored = shard.restore(saved.iter().map(Vec::as_slice));
                drop(saved);
                match restored {
                    Ok(()) => serve(shard, inputs, &outputs),
                    // Its checksum was right, so this is a mistake of ours: the run ends as if the thread had died.
                    Err(error) => tracing::error!("the state cannot be taken up: {error}"),
                }
            })?;
            fanout.shards.push(sender);
            reports.push(answers);
        }
        Ok((fanout, Fanin { moves, reports, found: None }))
    }

    /// Starts the incident layer beside the shards.
    pub fn watch(&mut self, mut incidents: Incidents, fanin: &mut Fanin) -> std::io::Result<()> {
        let (sender, mut inputs) = mpsc::channel::<Arc<Move>>(MOVES_MAX);
        let (answers, found) = mpsc::channel(MOVES_MAX);
        thread::Builder::new().name("incidents".to_owned()).spawn(move || {
            while let Some(moved) = inputs.blocking_recv() {
                let saved = matches!(&*moved, Move::Checkpoint(_)).then(|| incidents.save());
                let incidents = incidents.apply(&input(&moved));
                if answers.blocking_send(Found { incidents, saved }).is_err() {
                    return;
                }
            }
        })?;
        self.shards.push(sender);
        fanin.found = Some(found);
        Ok(())
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

fn input(moved: &Move) -> Input<'_> {
    match moved {
        Move::Step { step, .. } => Input::Records { runs: &step.runs, marks: &step.marks },
        Move::Failed | Move::Checkpoint(_) => Input::Records { runs: &[], marks: &[] },
        Move::EndOfHistory => Input::EndOfHistory,
        Move::End => Input::End,
    }
}

fn serve(mut shard: Shard, mut inputs: mpsc::Receiver<Arc<Move>>, answers: &mpsc::Sender<Report>) {
    while let Some(moved) = inputs.blocking_recv() {
        let (outputs, counts) = shard.apply(&input(&moved));
        let saved = matches!(&*moved, Move::Checkpoint(_)).then(|| shard.save());
        let report =
            Report { outputs, counts, unpriced: shard.take_unpriced(), gauges: shard.gauges(), saved };
        if answers.blocking_send(report).is_err() {
            return;
        }
    }
}

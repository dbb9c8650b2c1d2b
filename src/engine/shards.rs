//! Threads that own a shard each: every move goes to all of them, and each answers with what follows from it.

use super::clock::Arrival;
use super::sequence::Step;
use super::shadow::Side;
use crate::incident::Fleet;
use crate::shard::{Census, Counts, Gauges, Input, Output, Shard, ShardSettings, Unpriced, Wanted};
use crate::time::Timestamp;
use crate::watch_list::WatchList;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::thread;
use std::time::Duration;
use tokio::sync::mpsc;

/// A bound, for each hears of every record and tells the others what it has learned.
const SHARDS_MAX: usize = 16;
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
    /// Whom one side is to look out for from now on.
    WatchList(Side, Arc<WatchList>),
    /// The configuration of the run from now on; a shadow keeps its own.
    Settings(Arc<ShardSettings>),
    /// These keys are to be looked at.
    Census(Wanted),
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
    /// Single keys, where they were asked for, and how long it took to look at them.
    pub census: Option<(Census, Duration)>,
}

/// The way to all shards and to the egress.
pub struct Fanout {
    shards: Vec<mpsc::Sender<Arc<Move>>>,
    egress: mpsc::Sender<Arc<Move>>,
    /// Shards that have not been told anything yet. Until they are, nothing that was saved is taken up: there may be
    /// nothing new.
    waiting: Vec<Waiting>,
}

/// A shard that is still to be started.
struct Waiting {
    side: Side,
    settings: Arc<ShardSettings>,
    /// Which, and of how many.
    number: usize,
    count: usize,
    learning: bool,
    saved: Arc<[Bytes]>,
    inputs: mpsc::Receiver<Arc<Move>>,
    answers: mpsc::Sender<Report>,
    others: Others,
}

/// The ways from the shards to the egress.
pub struct Fanin {
    /// The moves, in order.
    pub moves: mpsc::Receiver<Arc<Move>>,
    /// One answer to each move from each shard.
    pub reports: Vec<mpsc::Receiver<Report>>,
}

impl Fanout {
    /// The ways to and from `count` shards, which are started when they are told something; `learning` where a history
    /// is given first, with what shards have `saved`.
    pub fn new(
        settings: &Arc<ShardSettings>,
        count: usize,
        learning: bool,
        saved: Arc<[Bytes]>,
    ) -> (Self, Fanin) {
        let (egress, moves) = mpsc::channel(MOVES_MAX);
        let mut fanout = Self { shards: Vec::new(), egress, waiting: Vec::new() };
        let reports = fanout.add(Side::Here, settings, count, learning, saved);
        (fanout, Fanin { moves, reports })
    }

    /// As many shards again that judge the same records by other settings; the ways from them.
    pub fn shadow(
        &mut self,
        settings: &Arc<ShardSettings>,
        count: usize,
        learning: bool,
        saved: Arc<[Bytes]>,
    ) -> Vec<mpsc::Receiver<Report>> {
        self.add(Side::There, settings, count, learning, saved)
    }

    fn add(
        &mut self,
        side: Side,
        settings: &Arc<ShardSettings>,
        count: usize,
        learning: bool,
        saved: Arc<[Bytes]>,
    ) -> Vec<mpsc::Receiver<Report>> {
        let mut reports = Vec::new();
        for (number, others) in Others::all(count.max(1)).into_iter().enumerate() {
            let (sender, inputs) = mpsc::channel(MOVES_MAX);
            let (answers, receiver) = mpsc::channel(MOVES_MAX);
            let (settings, saved) = (Arc::clone(settings), Arc::clone(&saved));
            let waiting = Waiting { side, settings, number, count, learning, saved, inputs, answers, others };
            self.shards.push(sender);
            self.waiting.push(waiting);
            reports.push(receiver);
        }
        // Many keys are large: none of it stays here.
        drop(saved);
        reports
    }

    /// Tells all shards; `None` when the egress has ended.
    pub async fn tell(&mut self, moved: Move) -> Option<()> {
        if let Err(error) = self.start() {
            tracing::error!("cannot start: {error}");
        }
        let moved = Arc::new(moved);
        for shard in &self.shards {
            // The egress hears nothing of one that has ended, and ends the run.
            let _ = shard.send(Arc::clone(&moved)).await;
        }
        self.egress.send(moved).await.ok()
    }

    fn start(&mut self) -> std::io::Result<()> {
        let mut waiting = std::mem::take(&mut self.waiting).into_iter();
        let first = waiting.next();
        for other in waiting {
            spawn(other.name(), move || other.take_up().into_iter().for_each(Started::serve))?;
        }
        // The first is taken up here, while the others are by their threads: the C library gives memory to the thread
        // that a process begins with in large pieces, to others page by page with a call for each, and most runs have
        // one shard.
        let name = first.as_ref().map(Waiting::name).unwrap_or_default();
        first.and_then(Waiting::take_up).map_or(Ok(()), |first| spawn(name, move || first.serve()))
    }
}

/// How many shards there are beside so many decoding threads. To judge a record takes longer than to decode it, with incidents
/// four times as long.
pub fn shards(decoders: usize) -> usize {
    decoders.clamp(1, SHARDS_MAX)
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    thread::Builder::new().name(name).spawn(work).map(|_| ())
}

impl Waiting {
    fn name(&self) -> String {
        let side = if self.side == Side::Here { "shard" } else { "shadow" };
        format!("{side}-{}", self.number)
    }

    /// With what shards have saved. Its checksum was right, so where that cannot be read it is a mistake of ours: the run
    /// ends as if the shard's thread had died.
    fn take_up(self) -> Option<Started> {
        let Self { side, settings, number, count, learning, saved, inputs, answers, others } = self;
        let mut shard = Shard::new(settings, number, count, learning);
        match shard.restore(saved.iter().map(Bytes::as_ref)) {
            Ok(()) => Some(Started { side, shard, inputs, answers, others }),
            Err(error) => {
                tracing::error!("the state cannot be taken up: {error}");
                None
            }
        }
    }
}

fn input(moved: &Move, side: Side) -> Input<'_> {
    match moved {
        Move::Step { step, .. } => Input::Records { runs: &step.runs, marks: &step.marks },
        Move::WatchList(whose, list) if *whose == side => Input::WatchList(Arc::clone(list)),
        Move::Settings(settings) if side == Side::Here => Input::Settings(Arc::clone(settings)),
        Move::Failed
        | Move::Checkpoint(_)
        | Move::Epoch
        | Move::Census(_)
        | Move::WatchList(..)
        | Move::Settings(_) => Input::Records { runs: &[], marks: &[] },
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

/// A shard and its ways.
struct Started {
    side: Side,
    shard: Shard,
    inputs: mpsc::Receiver<Arc<Move>>,
    answers: mpsc::Sender<Report>,
    others: Others,
}

impl Started {
    fn serve(self) {
        let Self { side, mut shard, mut inputs, answers, others } = self;
        while let Some(moved) = inputs.blocking_recv() {
            let (outputs, counts) = if matches!(&*moved, Move::Epoch) {
                let Some(news) = others.exchange(shard.take_fleet_news()) else { return };
                shard.apply(&Input::Fleet(&news))
            } else {
                shard.apply(&input(&moved, side))
            };
            let saved = matches!(&*moved, Move::Checkpoint(_)).then(|| shard.save().into());
            let census = match &*moved {
                Move::Census(wanted) if side == Side::Here => {
                    let started = Arrival::now();
                    Some((shard.census(wanted), started.elapsed()))
                }
                _ => None,
            };
            let (unpriced, gauges) = (shard.take_unpriced(), shard.gauges());
            let report = Report { outputs, counts, unpriced, gauges, saved, census };
            if answers.blocking_send(report).is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Plan};

    fn fanout(saved: &'static [u8]) -> (Fanout, Fanin) {
        let plan = Plan::new(&Config::parse("c", "").unwrap(), "c", "").unwrap();
        let saved: Arc<[Bytes]> = [Bytes::from_static(saved)].into();
        Fanout::new(&plan.shard, 1, false, saved)
    }

    /// The egress is told of a move and hears nothing from the shard, so the run does not end as if all were well.
    #[tokio::test]
    async fn state_that_cannot_be_taken_up_is_noticed() {
        let (mut fanout, mut fanin) = fanout(b"?");
        assert!(fanout.tell(Move::End).await.is_some());
        assert!(fanin.moves.recv().await.is_some() && fanin.reports[0].recv().await.is_none());
    }

    #[tokio::test]
    async fn without_anything_new_nothing_is_taken_up() {
        let (fanout, mut fanin) = fanout(b"?");
        assert_eq!(fanout.waiting.len(), 1);
        drop(fanout);
        assert!(fanin.moves.recv().await.is_none());
    }
}

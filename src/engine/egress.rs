//! What comes out of the shards, put into one order, encoded and written, and everything that is counted.

use super::board::Board;
use super::checkpoint::{Checkpoint, Keeper, Kept, Unkept, Written, length};
use super::clock;
use super::containing::{self, Containing};
use super::outbox::Outbox;
use super::progress::Progress;
use super::roster::Roster;
use super::run::Told;
use super::sequence::Loaded;
use super::shadow::Shadow;
use super::shards::{Move, Report};
use super::totals::Totals;
use crate::detect::Severity;
use crate::encode::{Encoding, RejectAt, Terminal, write_reject};
use crate::fault::{scatter, step};
use crate::record::Reason;
use crate::shard::{Census, Event, Gauges, Output, Wanted};
use crate::sink::{AnySink, Sink};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Rejects of one reason that are described on standard error; the rest is counted, and kept if there is a file.
const REJECTS_TOLD_MAX: u64 = 3;

/// How alerts are rendered.
pub enum Rendering {
    /// For machines.
    Encoded(&'static Encoding),
    /// For people at a terminal.
    Terminal(Box<Terminal>),
}

impl Rendering {
    /// How many alerts are rendered at once. At midnight every key may have some; for people, those of one key
    /// belong together.
    fn at_once(&self) -> usize {
        match self {
            Self::Encoded(_) => 256,
            Self::Terminal(_) => usize::MAX,
        }
    }

    fn write(&mut self, told: &[Output], out: &mut Vec<u8>) {
        match self {
            Self::Encoded(encoding) => told.iter().for_each(|told| (encoding.write)(&told.event, out)),
            Self::Terminal(terminal) => terminal.write_events(told.iter().map(|told| &told.event), out),
        }
    }
}

/// A run that cannot go on because nothing can be written.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// Whoever read the output has gone: no error, but the end.
    #[error("the reader of the output has gone")]
    ReaderGone,
    /// A shard does not answer any more.
    #[error("a thread has died, which is a mistake of ours; please report it")]
    Died,
    /// An output cannot be written.
    #[error("{name}: {error}")]
    Io {
        /// The output.
        name: String,
        /// What the system says.
        error: io::Error,
    },
}

impl From<Unkept> for EgressError {
    fn from(Unkept { name, error }: Unkept) -> Self {
        Self::Io { name, error }
    }
}

/// The end of the pipe.
pub struct Egress {
    /// For alerts.
    pub sink: AnySink,
    /// Its name in messages.
    pub sink_name: String,
    /// Another part of this program that is told everything instead, if there is one.
    pub memory: Option<mpsc::Sender<Told>>,
    /// Where alerts wait that go to sinks besides.
    pub outboxes: Vec<Outbox>,
    /// How many alerts the outboxes of earlier runs had seen, by their names, those that this one does not have included.
    pub outboxes_left: BTreeMap<String, u64>,
    /// For rejects.
    pub rejects: Option<(AnySink, String)>,
    /// How alerts are rendered.
    pub rendering: Rendering,
    /// The progress bar.
    pub progress: Progress,
    /// Everything counted.
    pub totals: Totals,
    /// Where the totals are shown.
    pub published: watch::Sender<Arc<Totals>>,
    /// The worst severity of an alert that was not withdrawn.
    pub worst: Option<Severity>,
    /// Writes checkpoints, if they are wanted.
    pub keeper: Option<Keeper>,
    /// Which keys are shown one by one, if any are.
    pub roster: Option<Roster>,
    /// What is shown to whoever looks inside, if anybody may.
    pub board: Option<Board>,
    /// What is tried beside, if anything is.
    pub shadow: Option<Shadow>,
    /// What is done about keys by itself, if anything is.
    pub contain: Option<Containing>,
}

impl Egress {
    /// Carries out every move and what the shards made of it, until there are no more.
    pub async fn run(
        mut self,
        mut queue: mpsc::Receiver<Arc<Move>>,
        mut reports: Vec<mpsc::Receiver<Report>>,
    ) -> Result<Self, (Self, EgressError)> {
        loop {
            let moved = match self.next(&mut queue).await {
                Ok(Some(moved)) => moved,
                Ok(None) => break,
                Err(error) => return Err((self, error)),
            };
            let mut told: Vec<Output> = Vec::new();
            let mut gauges = Gauges::default();
            let (mut saved, mut counted, mut took) = (Vec::new(), Vec::new(), Duration::ZERO);
            for report in &mut reports {
                let Some(report) = report.recv().await else { return Err((self, EgressError::Died)) };
                told.extend(report.outputs);
                self.totals.count_records(&report.counts, &report.unpriced);
                gauges.add(report.gauges);
                saved.extend(report.saved);
                if let Some((census, time)) = report.census {
                    counted.push(census);
                    took = took.max(time);
                }
            }
            self.totals.gauges = gauges;
            if let Move::Census(wanted) = &*moved {
                self.look(wanted, counted, took);
            }
            // Stable: alerts of one record stay in the order of the detectors, and incidents follow them.
            told.sort_by_key(|told| told.order);
            scatter(&mut told);
            if let Err(error) = self.carry_out(&moved, &told).await {
                return Err((self, error));
            }
            if let Some(shadow) = &mut self.shadow {
                if let Err(error) = shadow.hear(&told).await {
                    return Err((self, error));
                }
                self.totals.shadow = Some(shadow.totals());
            }
            if let Move::Checkpoint(feed) = &*moved
                && let Err(error) = self.keep(feed.clone(), saved).await
            {
                return Err((self, error));
            }
            self.publish();
        }
        self.progress.finish();
        if let Some(board) = &mut self.board {
            board.hurry();
            board.show();
        }
        if let Err(error) = self.end_containment().await {
            return Err((self, error));
        }
        match self.settle().await {
            Ok(()) => Ok(self),
            Err(error) => Err((self, error)),
        }
    }

    /// Takes what shards have seen of single keys.
    fn look(&mut self, wanted: &Wanted, counted: Vec<Census>, took: Duration) {
        if let (Some(board), Some(sitting)) = (&mut self.board, &wanted.sitting) {
            board.look(sitting, &counted, took);
        }
        if let Some(roster) = &mut self.roster
            && wanted.is_of_roster
        {
            self.totals.shown = Some(roster.take(counted, clock::now()));
        }
    }

    /// The next move. A checkpoint that was made meanwhile is counted, and one that failed ends the run at once: nobody
    /// knows when something will be read again.
    async fn next(
        &mut self,
        queue: &mut mpsc::Receiver<Arc<Move>>,
    ) -> Result<Option<Arc<Move>>, EgressError> {
        let moved = loop {
            tokio::select! {
                kept = made(&mut self.keeper) => {
                    self.note(Some(kept?));
                    self.publish();
                }
                news = news(&mut self.contain) => {
                    news?;
                    self.tell_contained().await?;
                    self.publish();
                }
                moved = queue.recv() => break moved,
            }
        };
        // What is read meanwhile could not be kept: where the egress waits, so does all that stands before it.
        if self.keeper.as_ref().is_some_and(Keeper::waits_for_room) {
            self.settle().await?;
            self.publish();
        }
        Ok(moved)
    }

    /// The end. Where the inputs are complete, what they do not lead to is taken away again.
    pub fn finish(mut self, is_complete: bool) -> Result<Self, EgressError> {
        self.outboxes.clear();
        if !is_complete || self.keeper.is_none() {
            return Ok(self);
        }
        if let Some(file) = self.sink.file() {
            file.finish().map_err(|error| failed(&self.sink_name, error))?;
        }
        if let Some((sink, name)) = &mut self.rejects
            && let Some(file) = sink.file()
        {
            file.finish().map_err(|error| failed(name, error))?;
        }
        if let Some(shadow) = &mut self.shadow {
            shadow.finish()?;
        }
        Ok(self)
    }

    /// Saves everything as it is now.
    async fn keep(&mut self, feed: Vec<u8>, shards: Vec<Bytes>) -> Result<(), EgressError> {
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        let rejects = self.rejects.as_mut().map(|(sink, _)| sink);
        let files = [Some(&mut self.sink), rejects].map(|sink| sink.and_then(AnySink::file));
        let [alerts, rejects] = files.each_ref().map(|file| file.as_ref().map(|file| length(file.length())));
        let mut outputs: Vec<_> = files.iter().flatten().map(|file| file.file()).collect();
        let shadow = self.shadow.as_mut().and_then(Shadow::state);
        if let Some(file) = self.shadow.as_mut().and_then(Shadow::out).and_then(AnySink::file) {
            outputs.push(file.file());
        }
        let mut outboxes = self.outboxes_left.clone();
        for outbox in &mut self.outboxes {
            let (count, files) = outbox.kept();
            outboxes.extend(count.map(|count| (outbox.plan().name.clone(), count)));
            outputs.extend(files);
        }
        outboxes.extend(self.contain.iter().map(|contain| (containing::NAME.to_owned(), contain.told())));
        let (mut counts, mut unpriced) = (*self.totals.earlier).clone();
        counts.add(&self.totals.records);
        unpriced.add(&self.totals.unpriced);
        let egress = Written { alerts, rejects, outboxes, counts, unpriced };
        let saved = Checkpoint { feed, shards, egress, shadow, ..Checkpoint::default() };
        let kept = keeper.keep(saved, outputs).await?;
        step("checkpoint_begun");
        self.note(kept);
        // Nothing is written before the first is on disk.
        if self.totals.checkpoints.is_some_and(|(made, _)| made == 0) { self.settle().await } else { Ok(()) }
    }

    /// Waits for the last checkpoint to be on disk.
    async fn settle(&mut self) -> Result<(), EgressError> {
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        let kept = keeper.settle().await?;
        self.note(kept);
        Ok(())
    }

    fn note(&mut self, kept: Option<Kept>) {
        if let (Some(kept), Some((made, last))) = (kept, &mut self.totals.checkpoints) {
            (*made, *last) = (*made + 1, kept);
        }
    }

    async fn carry_out(&mut self, moved: &Arc<Move>, told: &[Output]) -> Result<(), EgressError> {
        for Output { event, .. } in told {
            self.totals.count_event(event);
            self.board.iter_mut().for_each(|board| board.hear(event));
            self.worst = self.worst.max(event.severity());
        }
        if let Some(memory) = &self.memory {
            let told = Told { moved: Arc::clone(moved), outputs: told.to_vec() };
            memory.send(told).await.map_err(|_| EgressError::ReaderGone)?;
        } else if !told.is_empty() {
            self.progress.hide();
            let written = self.write(told).await;
            self.progress.show();
            written.map_err(|error| failed(&self.sink_name, error))?;
            self.post(told).await?;
        }
        match &**moved {
            Move::EndOfHistory | Move::End => self.totals.ready = true,
            Move::Checkpoint(_) | Move::Epoch | Move::WatchList(..) | Move::Census(_) => {}
            // What follows from another configuration is written when everything before it is on disk: the run that goes
            // on from there begins with that configuration.
            Move::Settings(_) => self.settle().await?,
            Move::Failed => self.totals.failed_inputs += 1,
            Move::Step { step, watermark, latest } => {
                (self.totals.watermark, self.totals.latest) = (*watermark, *latest);
                self.totals.joined.joined += step.joined.joined;
                self.totals.joined.alone += step.joined.alone;
                for loaded in &step.loaded {
                    self.loaded(loaded).await?;
                }
            }
        }
        Ok(())
    }

    async fn write(&mut self, told: &[Output]) -> io::Result<()> {
        let mut lines = Vec::new();
        for some in told.chunks(self.rendering.at_once()) {
            self.rendering.write(some, &mut lines);
            self.sink.write(&lines).await?;
            lines.clear();
        }
        Ok(())
    }

    async fn post(&mut self, told: &[Output]) -> Result<(), EgressError> {
        put(&mut self.outboxes, told.iter().map(|told| &told.event)).await?;
        if let Some(contain) = &mut self.contain {
            for Output { event, .. } in told {
                contain.hear(event).await?;
            }
        }
        Ok(())
    }

    /// Brings what is new of containment to the sinks. It goes by the clock, so it is no part of the usual output.
    async fn tell_contained(&mut self) -> Result<(), EgressError> {
        let Some(contain) = &mut self.contain else { return Ok(()) };
        let events = contain.untold().await?;
        put(&mut self.outboxes, events.iter()).await
    }

    /// Waits until all is done about keys that was begun.
    async fn end_containment(&mut self) -> Result<(), EgressError> {
        if let Some(contain) = &mut self.contain {
            contain.end().await?;
        }
        self.tell_contained().await
    }

    async fn loaded(&mut self, loaded: &Loaded) -> Result<(), EgressError> {
        let batch = &loaded.batch;
        self.totals.bytes += batch.bytes;
        self.totals.lines += u64::from(batch.lines);
        self.totals.truncations += u64::from(batch.truncations);
        self.totals.foreign += u64::from(batch.foreign);
        self.totals.opaque_addresses += u64::from(batch.opaque_addresses);
        self.totals.latency.record(loaded.arrived.elapsed(), batch.records.len() as u64);
        if !batch.rejects.is_empty() {
            self.rejects(loaded).await?;
        }
        for (total, count) in self.totals.rejected.iter_mut().zip(batch.rejected) {
            *total += u64::from(count);
        }
        Ok(())
    }

    async fn rejects(&mut self, loaded: &Loaded) -> Result<(), EgressError> {
        let mut lines = Vec::new();
        let mut told = self.totals.rejected;
        for reject in &loaded.batch.rejects {
            let line = loaded.lines_before + u64::from(reject.line) + 1;
            let at = RejectAt { source: &loaded.source, line, reject };
            let told = &mut told[reject.reason as usize];
            *told += 1;
            if *told <= REJECTS_TOLD_MAX {
                self.progress.hide();
                tell(at, *told);
                self.progress.show();
            }
            if self.rejects.is_some() {
                write_reject(at, &mut lines);
            }
        }
        let Some((sink, name)) = &mut self.rejects else { return Ok(()) };
        let all: u64 = loaded.batch.rejected.iter().map(|count| u64::from(*count)).sum();
        self.totals.rejects_unkept += all - loaded.batch.rejects.len() as u64;
        sink.write(&lines).await.map_err(|error| failed(name, error))
    }

    /// Shows the totals as they are now.
    pub fn publish(&mut self) {
        self.progress.update(&self.totals);
        if let Some(board) = &mut self.board {
            board.show();
            self.totals.held = Some(board.held());
        }
        // Whoever looks sees totals that belong together.
        if self.published.receiver_count() > 0 {
            self.published.send_replace(Arc::new(self.totals.clone()));
        }
    }
}

fn tell(at: RejectAt<'_>, told: u64) {
    match at.reject.reason {
        // A journal holds other messages too; one example is enough.
        Reason::Unrecognised if told > 1 => return,
        // Told where the input fails.
        Reason::BadArchive => return,
        _ => {}
    }
    let last = if told == REJECTS_TOLD_MAX { " (further ones of this kind are only counted)" } else { "" };
    tracing::warn!("rejected {at}{last}");
}

/// Puts events into all outboxes.
async fn put(
    outboxes: &mut [Outbox],
    events: impl Iterator<Item = &Event> + Clone,
) -> Result<(), EgressError> {
    for outbox in outboxes {
        for event in events.clone() {
            let put = outbox.put(event).await;
            put.map_err(|error| failed(&format!("sink `{}`", outbox.plan().name), error))?;
        }
    }
    Ok(())
}

/// Waits for news of containment; for ever, if there is none.
async fn news(contain: &mut Option<Containing>) -> Result<(), EgressError> {
    match contain {
        Some(contain) => contain.news().await,
        None => std::future::pending().await,
    }
}

/// Waits for a checkpoint that is being written; for ever, if there is none.
async fn made(keeper: &mut Option<Keeper>) -> Result<Kept, Unkept> {
    match keeper {
        Some(keeper) => keeper.made().await,
        None => std::future::pending().await,
    }
}

fn failed(name: &str, error: io::Error) -> EgressError {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return EgressError::ReaderGone;
    }
    EgressError::Io { name: name.to_owned(), error }
}

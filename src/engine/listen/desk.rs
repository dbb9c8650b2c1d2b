//! The desk: one thread that takes bodies in the order in which they came, has them decoded, puts them into the spool where
//! there is one, answers, and hands them on. Bodies that wait together are decoded together and forced to disk at once.

use super::spool::{Entry, Spool};
use super::traffic::Traffic;
use crate::engine::clock::Arrival;
use crate::engine::held::Held;
use crate::engine::intake::{Decoded, Decoders, Delivery, Reached, ReadTo};
use crate::frame::{Block, Framer};
use crate::pull::{Cursor, Cursors, Step};
use crate::record::{Batch, Reject};
use crate::sink::{FULL_FOR, Room, is_full};
use crate::source::{Place, SourceError};
use bytes::{Bytes, BytesMut};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Bodies that are decoded and forced to disk together, at most.
const TOGETHER_MAX: usize = 64;
/// Their bytes, from which on no further one is taken with them.
const TOGETHER_BYTES: usize = 4 << 20;
/// How often it is looked whether a checkpoint has made room in the spool.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Rejects that an answer describes.
const TOLD_MAX: usize = 5;

/// A body on its way.
pub struct Body {
    /// Its text, decompressed.
    pub bytes: Bytes,
    /// Where it comes from, for messages: behind its number.
    pub name: String,
    /// The source that it was pulled from; empty where it was posted.
    pub source: String,
    /// How that source's cursor moves with it.
    pub steps: Vec<Step>,
    /// When it was there.
    pub arrived: Arrival,
    /// Its room in memory, which is free when it has been handed on.
    pub room: OwnedSemaphorePermit,
    /// Where its answer goes.
    pub answer: oneshot::Sender<Verdict>,
}

/// What became of a body that was taken.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Records.
    pub records: u64,
    /// Frames that could not be read.
    pub rejected: u64,
    /// Records of something else.
    pub foreign: u64,
    /// What is wrong with the first of those that could not be read, with their lines.
    pub rejects: Vec<(u64, Reject)>,
}

/// Something to do.
pub enum Work {
    /// A body.
    Body(Box<Body>),
    /// Checkpoints know of more than they did.
    Tidy,
}

/// How far checkpoints know what is in the spool.
#[derive(Clone)]
pub struct Backlog {
    /// The number up to which they do.
    taken: Arc<AtomicU64>,
    /// One is needed before more is taken.
    is_urgent: Arc<AtomicBool>,
    wake: mpsc::WeakSender<Work>,
    /// What the next checkpoints know, by their numbers.
    asked: Vec<(u64, u64)>,
}

impl Backlog {
    /// Of a spool of which everything up to `taken` is in a checkpoint.
    pub fn new(taken: u64, wake: mpsc::WeakSender<Work>) -> Self {
        Self { taken: Arc::new(taken.into()), is_urgent: Arc::default(), wake, asked: Vec::new() }
    }

    /// Whether a checkpoint is needed before more is taken.
    pub fn is_urgent(&self) -> bool {
        self.is_urgent.load(Ordering::Relaxed)
    }

    /// The checkpoint with this number will know of everything up to `number`.
    pub fn ask(&mut self, checkpoint: u64, number: u64) {
        self.asked.push((checkpoint, number));
    }

    /// So many checkpoints are on disk.
    pub fn made(&mut self, checkpoints: u64) {
        let known = self.asked.iter().take_while(|(checkpoint, _)| *checkpoint <= checkpoints).count();
        let Some((_, number)) = self.asked.drain(..known).next_back() else { return };
        self.taken.store(number, Ordering::Release);
        if let Some(wake) = self.wake.upgrade() {
            // A desk that has something to do looks anyway.
            let _ = wake.try_send(Work::Tidy);
        }
    }
}

/// The desk.
pub struct Desk {
    pub(super) work: mpsc::Receiver<Work>,
    pub(super) spool: Option<Spool>,
    pub(super) backlog: Backlog,
    /// Its bytes, at most; nought without one.
    pub(super) spool_bytes_max: u64,
    pub(super) room: Room,
    pub(super) decoders: Decoders,
    pub(super) queue: mpsc::Sender<Delivery>,
    pub(super) traffic: Arc<Traffic>,
    pub(super) stop: CancellationToken,
    /// The number of the body that was taken last.
    pub(super) number: u64,
    /// The sources, in the order of their inputs.
    pub(super) lanes: Vec<String>,
    /// How far they were pulled.
    pub(super) cursors: Cursors,
    /// The disk knows that, too.
    pub(super) is_known: bool,
    /// Where it is told how far an earlier run came.
    pub(super) ready: Vec<(String, oneshot::Sender<Cursor>)>,
}

/// Nobody wants what comes, or it cannot be kept: the input is over.
struct Over;

impl Desk {
    /// Works until there is nothing more to do.
    pub fn run(mut self) {
        let taken = self.number;
        match self.replay(taken) {
            Ok(()) => {}
            Err(Some(error)) => return self.fail(error),
            Err(None) => return,
        }
        for (name, ready) in self.ready.drain(..) {
            // A source that could not be started does not want to know.
            let _ = ready.send(self.cursors.sources.get(&name).cloned().unwrap_or_default());
        }
        while let Some(work) = self.work.blocking_recv() {
            let done = match work {
                Work::Body(body) => self.take(*body),
                Work::Tidy => self.tidy(),
            };
            if done.is_err() {
                // Whoever waits for an answer is told to come again.
                return self.work.close();
            }
        }
    }

    fn fail(&mut self, error: io::Error) {
        let name = self.spool.as_ref().map_or_else(|| "listen".to_owned(), Spool::name);
        self.work.close();
        // If nobody listens any more, nobody wants to know.
        let _ = self.queue.blocking_send(Delivery::Failed(SourceError::Io { name, error }));
    }

    /// Hands on what an earlier run has answered and no checkpoint knows of.
    fn replay(&mut self, taken: u64) -> Result<(), Option<io::Error>> {
        let Some(mut spool) = self.spool.take() else { return Ok(()) };
        let (mut count, mut is_wanted) = (0_u64, true);
        self.cursors = spool.cursors().map_err(Some)?;
        let read = spool.replay(&mut |entry| {
            // Cursors may know less than checkpoints do.
            self.cursors.apply(entry.number, &entry.source, &entry.steps);
            self.is_known = false;
            if entry.number <= taken {
                return true;
            }
            count += 1;
            is_wanted = self.hand_on(entry).is_ok();
            is_wanted
        });
        spool.skip(taken);
        self.number = spool.next() - 1;
        // Of a spool that was taken away, numbers begin anew behind the checkpoint.
        self.cursors.number = self.cursors.number.min(self.number);
        self.traffic.set_spooled(spool.bytes());
        self.spool = Some(spool);
        if count > 0 {
            tracing::info!(
                "{count} bodies that were answered or pulled before the last stop are taken from the spool"
            );
        }
        read.map_err(Some)?;
        if is_wanted && self.tidy().is_ok() { Ok(()) } else { Err(None) }
    }

    fn tidy(&mut self) -> Result<(), Over> {
        let taken = self.backlog.taken.load(Ordering::Acquire);
        let Some(spool) = &mut self.spool else { return Ok(()) };
        if !self.is_known && spool.ends_by(taken) {
            // What goes tells how far sources were pulled.
            match spool.keep(&self.cursors) {
                Err(error) if is_full(&error) => return Ok(()),
                kept => self.check(kept)?,
            }
            self.is_known = true;
        }
        let Some(spool) = &mut self.spool else { return Ok(()) };
        let removed = spool.remove(taken);
        self.traffic.set_spooled(spool.bytes());
        self.check(removed)
    }

    fn check(&mut self, done: io::Result<()>) -> Result<(), Over> {
        done.map_err(|error| {
            self.fail(error);
            Over
        })
    }

    /// Takes a body, and those that wait behind it.
    fn take(&mut self, first: Body) -> Result<(), Over> {
        let mut length = first.bytes.len();
        let mut bodies = vec![first];
        while bodies.len() < TOGETHER_MAX && length < TOGETHER_BYTES {
            let Ok(Work::Body(next)) = self.work.try_recv() else { break };
            length += next.bytes.len();
            bodies.push(*next);
        }
        // Whoever has gone away was not answered, and sends it again.
        bodies.retain(|body| !body.answer.is_closed());
        let (mut entries, mut answers) = (Vec::new(), Vec::new());
        let framed: Vec<_> = bodies.into_iter().map(|body| self.begin(body)).collect::<Result<_, _>>()?;
        for (body, blocks) in framed {
            self.number += 1;
            let name = format!("{} {} {}", what(&body.source), self.number, body.name);
            let batches = blocks.into_iter().map(|block| Ok(block.blocking_recv().map_err(|_| Over)?.batch));
            let batches = batches.collect::<Result<Vec<Batch>, Over>>()?;
            answers.push((body.answer, verdict(&batches), body.room));
            let (number, source, steps) = (self.number, body.source, body.steps);
            entries.push(Entry { number, name, source, steps, batches });
        }
        if self.spool.is_some() && !entries.is_empty() {
            self.put(&entries)?;
        }
        for entry in &entries {
            self.cursors.apply(entry.number, &entry.source, &entry.steps);
            self.is_known = false;
        }
        let mut rooms = Vec::new();
        for (answer, verdict, room) in answers {
            // It is ours now, whether anybody hears that or not.
            let _ = answer.send(verdict);
            rooms.push(room);
        }
        for (entry, room) in entries.into_iter().zip(rooms) {
            self.hand_on(entry)?;
            drop(room);
        }
        Ok(())
    }

    /// Has a body decoded.
    fn begin(&self, mut body: Body) -> Result<(Body, Vec<oneshot::Receiver<Decoded>>), Over> {
        let mut framer = Framer::new(self.decoders.settings.frame_bytes_max);
        let mut buffer = BytesMut::from(std::mem::take(&mut body.bytes));
        let mut blocks = Vec::new();
        let mut give = |block: Block| {
            blocks.push(self.decoders.give(block, body.arrived).ok_or(Over)?);
            Ok(())
        };
        while let Some(block) = framer.next(&mut buffer) {
            give(block)?;
        }
        while let Some(block) = framer.finish(&mut buffer) {
            give(block)?;
        }
        Ok((body, blocks))
    }

    /// Puts entries into the spool, and waits for room there and on the disk.
    fn put(&mut self, entries: &[Entry]) -> Result<(), Over> {
        let (first, count) = (entries.first().map_or(0, |entry| entry.number), entries.len() as u64);
        let packed: Vec<u8> = entries.iter().flat_map(Entry::pack).collect();
        loop {
            self.tidy()?;
            let Some(spool) = &mut self.spool else { return Ok(()) };
            let used = spool.bytes();
            let wait = if used > 0 && used + packed.len() as u64 > self.spool_bytes_max {
                self.backlog.is_urgent.store(true, Ordering::Relaxed);
                LOOK_EVERY
            } else {
                match spool.append(first, count, &packed) {
                    Ok(()) => break,
                    Err(error) if is_full(&error) => {
                        let name = spool.name();
                        let undone = spool.undo();
                        self.room.none(&name);
                        self.check(undone)?;
                        FULL_FOR
                    }
                    Err(error) => return self.check(Err(error)),
                }
            };
            if self.stop.is_cancelled() {
                // The last checkpoint waits for us, and we for it: nothing of this was answered.
                return Err(Over);
            }
            thread::sleep(wait);
        }
        self.backlog.is_urgent.store(false, Ordering::Relaxed);
        self.room.some();
        self.traffic.force();
        self.traffic.set_spooled(self.spool.as_ref().map_or(0, Spool::bytes));
        Ok(())
    }

    /// Hands a body on. Another process can go on behind all of it, and nowhere else.
    fn hand_on(&self, entry: Entry) -> Result<(), Over> {
        let Entry { number, name, source, mut batches, .. } = entry;
        // What an earlier run has pulled from a source that is no more is taken as if it had been posted.
        let lane = self.lanes.iter().position(|name| *name == source).map_or(0, |at| at + 1);
        if batches.is_empty() {
            batches.push(Batch::default());
        }
        let last = batches.len() - 1;
        let mut part = Some(name.into());
        for (at, batch) in batches.into_iter().enumerate() {
            let reached = match (self.spool_bytes_max, at == last) {
                (0, _) => Reached::Same,
                (_, false) => Reached::Inside,
                (_, true) => {
                    let (place, framer) = (Place::Posted { number }, Held::Sealed(Vec::new()));
                    Reached::Place(Box::new(ReadTo { place, framer }))
                }
            };
            let (answer, place) = oneshot::channel();
            let _ = answer.send(Decoded { batch, arrived: Arrival::now(), part: part.take(), lane });
            self.queue.blocking_send(Delivery::Batch(place, reached)).map_err(|_| Over)?;
        }
        Ok(())
    }
}

/// What a body is called.
fn what(source: &str) -> &'static str {
    match source {
        "" => "request",
        super::PROBED => "line",
        _ => "page",
    }
}

/// What became of a body.
fn verdict(batches: &[Batch]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut lines = 0;
    for batch in batches {
        verdict.records += batch.records.len() as u64;
        verdict.rejected += batch.rejected.iter().map(|count| u64::from(*count)).sum::<u64>();
        verdict.foreign += u64::from(batch.foreign);
        let room = TOLD_MAX - verdict.rejects.len();
        let told = batch.rejects.iter().take(room);
        verdict.rejects.extend(told.map(|reject| (lines + u64::from(reject.line) + 1, reject.clone())));
        lines += u64::from(batch.lines);
    }
    verdict
}

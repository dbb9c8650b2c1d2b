//! Threads that read inputs and threads that decode blocks, joined by bounded queues.
//!
//! A reader cuts its input into blocks and gives each to the next decoder in turn, with a place for the answer.
//! The places stand in the input's queue in the order of the blocks, so batches come out in order however long
//! each took.

use super::clock::Arrival;
use super::held::Held;
use crate::decode::{Decoder, Settings};
use crate::fault::{Mistake, planted};
use crate::frame::{Block, Framer};
use crate::record::{Batch, Reason, Reject, Witnessed};
use crate::source::{Next, Place, Seal, Source, SourceError};
use bytes::BytesMut;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Blocks waiting for a decoder.
const JOBS_MAX: usize = 2;
/// Bytes read at a time where an input is alone.
const CHUNK_BYTES: usize = 256 << 10;
/// Batches decoded ahead where an input is alone.
const AHEAD: usize = 4;

/// How far an input has been read and framed: what another process needs to go on with it.
#[derive(Clone, Serialize, Deserialize)]
pub struct ReadTo {
    /// What of the file comes next.
    pub place: Place,
    /// Where framing stands there.
    pub framer: Held,
}

/// A block that has become records.
pub struct Decoded {
    /// The records.
    pub batch: Batch,
    /// When the block was read.
    pub arrived: Arrival,
    /// The name of the part of the input that begins with it, where it has parts: a body of those that were posted.
    pub part: Option<Arc<str>>,
    /// Of what comes over one desk: whose it is. Nought elsewhere.
    pub lane: usize,
}

/// How far an input has been read for a batch.
pub enum Reached {
    /// As far as for the one before it, or nobody asks.
    Same,
    /// Up to a place where another process can go on.
    Place(Box<ReadTo>),
    /// Into something that another process can only read from its start.
    Inside,
}

/// What comes out of an input, in order.
pub enum Delivery {
    /// The place where a batch will be, and how far the input has been read for it.
    Batch(oneshot::Receiver<Decoded>, Reached),
    /// The input failed; nothing follows.
    Failed(SourceError),
}

struct Job {
    block: Block,
    arrived: Arrival,
    answer: oneshot::Sender<Decoded>,
}

/// The decoding threads. They end when the last reader and this value are gone.
#[derive(Clone)]
pub struct Decoders {
    lanes: Arc<[mpsc::Sender<Job>]>,
    next: Arc<AtomicUsize>,
    /// What decoding knows.
    pub settings: Settings,
    /// Whether framing has to tell what its lines were read from.
    are_proving: bool,
}

impl Decoders {
    /// Starts `threads` decoding threads, which note what the records of the `proved` keys were read from.
    pub fn start(settings: &Settings, threads: usize, proved: &Witnessed) -> std::io::Result<Self> {
        let lanes = (0..threads.max(1)).map(|number| {
            let (sender, jobs) = mpsc::channel(JOBS_MAX);
            let decoder = Decoder::new(settings.clone()).proving(proved.clone());
            thread::Builder::new().name(format!("decode-{number}")).spawn(move || decode(decoder, jobs))?;
            Ok(sender)
        });
        let lanes = lanes.collect::<std::io::Result<Vec<_>>>()?;
        let are_proving = !proved.is_nobody();
        Ok(Self { lanes: lanes.into(), next: Arc::default(), settings: settings.clone(), are_proving })
    }

    /// Framing for a new input.
    fn framer(&self) -> Framer {
        Framer::new(self.settings.frame_bytes_max).proving(self.are_proving)
    }

    /// `None` when the decoders are gone.
    pub(super) fn give(&self, block: Block, arrived: Arrival) -> Option<oneshot::Receiver<Decoded>> {
        let (answer, place) = oneshot::channel();
        let lane = self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len();
        self.lanes.get(lane)?.blocking_send(Job { block, arrived, answer }).ok()?;
        Some(place)
    }
}

fn decode(mut decoder: Decoder, mut jobs: mpsc::Receiver<Job>) {
    while let Some(Job { block, arrived, answer }) = jobs.blocking_recv() {
        let batch = decoder.block(&block, arrived.at);
        // Nobody waits for it any more after a stop.
        let _ = answer.send(Decoded { batch, arrived, part: None, lane: 0 });
    }
}

/// How much an input may hold, so that many inputs together hold no more than one.
#[derive(Clone, Copy, Debug)]
pub struct Appetite {
    chunk_bytes: usize,
    ahead: usize,
}

impl Appetite {
    /// The share of one of `inputs` inputs.
    pub fn of(inputs: usize) -> Self {
        match inputs {
            0..=2 => Self { chunk_bytes: CHUNK_BYTES, ahead: AHEAD },
            3..=16 => Self { chunk_bytes: CHUNK_BYTES / 4, ahead: 2 },
            _ => Self { chunk_bytes: CHUNK_BYTES / 16, ahead: 1 },
        }
    }
}

/// Whether it has to be known how far an input has been read, and where framing stood if it was read before.
#[derive(Clone, Default)]
pub struct Tracking {
    /// It has to be known.
    pub is_on: bool,
    /// Where framing stood.
    pub from: Option<Held>,
}

/// Starts reading an input on a thread of its own.
pub fn read(
    source: Box<dyn Source>,
    appetite: Appetite,
    tracking: Tracking,
    decoders: &Decoders,
    stop: &CancellationToken,
) -> std::io::Result<mpsc::Receiver<Delivery>> {
    let (queue, deliveries) = mpsc::channel(appetite.ahead);
    let reader = Reader {
        framer: decoders.framer(),
        held: tracking.from,
        is_tracked: tracking.is_on,
        place: None,
        source,
        appetite,
        decoders: decoders.clone(),
        queue,
        stop: stop.clone(),
    };
    thread::Builder::new().name("read".to_owned()).spawn(move || reader.run())?;
    Ok(deliveries)
}

struct Reader {
    source: Box<dyn Source>,
    framer: Framer,
    /// Where framing stood when the input was read before, until it is known whether this is still that input.
    held: Option<Held>,
    is_tracked: bool,
    /// What comes behind the bytes that were read last, and what seals text that is held there.
    place: Option<(Place, Option<Seal>)>,
    appetite: Appetite,
    decoders: Decoders,
    queue: mpsc::Sender<Delivery>,
    stop: CancellationToken,
}

impl Reader {
    fn run(mut self) {
        let mut buffer = BytesMut::new();
        // `None` from here on means that nobody listens any more.
        while !self.stop.is_cancelled() {
            let read = self.source.read(&mut buffer, self.appetite.chunk_bytes);
            if !matches!(read, Ok(Next::Wait(_)) | Err(_)) {
                self.take_up();
            }
            let arrived = match read {
                Ok(Next::Bytes) => {
                    if self.is_tracked {
                        self.place = self.source.place().map(|place| (place, self.source.seal()));
                    }
                    Arrival::now()
                }
                Ok(Next::Wait(time)) => {
                    self.wait(time);
                    continue;
                }
                Ok(next @ (Next::NewFile | Next::Truncated)) => {
                    let told = if next == Next::Truncated {
                        self.cut_off(&mut buffer)
                    } else {
                        self.end_of_file(&mut buffer)
                    };
                    if told.is_none() {
                        return;
                    }
                    continue;
                }
                Ok(Next::End) => {
                    self.end_of_file(&mut buffer);
                    return;
                }
                Err(error) => {
                    self.fail(error);
                    return;
                }
            };
            while let Some(block) = self.framer.next(&mut buffer) {
                if self.give(block, arrived, buffer.len()).is_none() {
                    return;
                }
            }
        }
    }

    /// Goes on with what framing held, now that it is known whether this is the input it is of.
    fn take_up(&mut self) {
        let Some(held) = self.held.take() else { return };
        // The journal holds nothing: its entries come whole. What was held of a file that is gone is lost with it.
        if let Ok(framer) = held.open(self.source.resumed_seal()) {
            self.framer = framer;
        }
    }

    /// Sleeps in small steps, so that a stop is noticed.
    fn wait(&self, time: Duration) {
        const STEP: Duration = Duration::from_millis(50);
        let mut left = time;
        while !left.is_zero() && !self.stop.is_cancelled() {
            thread::sleep(left.min(STEP));
            left = left.saturating_sub(STEP);
        }
    }

    fn end_of_file(&mut self, buffer: &mut BytesMut) -> Option<()> {
        let arrived = Arrival::now();
        while let Some(block) = self.framer.finish(buffer) {
            self.give(block, arrived, buffer.len())?;
        }
        Some(())
    }

    /// The file was cut off: what was being read lacks its end and may look whole all the same.
    fn cut_off(&mut self, buffer: &mut BytesMut) -> Option<()> {
        buffer.clear();
        self.framer = self.decoders.framer();
        let mut lost = Batch::default();
        lost.truncations = 1;
        self.say(lost)
    }

    /// Ends the input where it failed. The line that was being read is no whole line, and may look like one all
    /// the same (a CSV row whose last number is cut short), so it is dropped; damaged data is told as a reject.
    fn fail(&self, error: SourceError) -> Option<()> {
        if let SourceError::Archive { message, .. } = &error {
            self.say(bad_archive(message))?;
        }
        self.queue.blocking_send(Delivery::Failed(error)).ok()
    }

    /// Delivers what no decoder has to look at.
    fn say(&self, batch: Batch) -> Option<()> {
        let (answer, place) = oneshot::channel();
        let _ = answer.send(Decoded { batch, arrived: Arrival::now(), part: None, lane: 0 });
        self.queue.blocking_send(Delivery::Batch(place, Reached::Same)).ok()
    }

    /// Gives a block to a decoder; `left` bytes behind it have been read and not framed.
    fn give(&mut self, block: Block, arrived: Arrival, left: usize) -> Option<()> {
        let last = if planted(Mistake::OffsetOfLast) {
            block.lines().last().map_or(0, |line| line.len() + 1)
        } else {
            0
        };
        let answer = self.decoders.give(block, arrived)?;
        let reached = if self.is_tracked { self.reached((left + last) as u64) } else { Reached::Same };
        self.queue.blocking_send(Delivery::Batch(answer, reached)).ok()
    }

    /// How far the input has been read but for the last `left` bytes.
    fn reached(&self, left: u64) -> Reached {
        let at = |(place, seal)| Some((self.source.before(place, left)?, seal));
        let Some((place, seal)) = self.place.clone().and_then(at) else { return Reached::Inside };
        // Without a seal there is no file, and nothing is held.
        let open = |seal| Held::Open(Box::new(self.framer.clone()), seal);
        let framer = seal.map_or(Held::Sealed(Vec::new()), open);
        Reached::Place(Box::new(ReadTo { place, framer }))
    }
}

/// A batch that says that no more can be read, and why.
fn bad_archive(message: &str) -> Batch {
    let mut batch = Batch::default();
    let reject = Reject {
        reason: Reason::BadArchive,
        field: "".into(),
        value: String::new(),
        message: message.to_owned().into(),
        line: 0,
        frame: String::new(),
    };
    batch.reject(reject);
    batch
}

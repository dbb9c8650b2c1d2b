//! From inputs to steps: opens inputs, takes their batches, and puts them in order.

use super::clock;
use super::intake::{self, Appetite, Decoded, Decoders, Delivery};
use super::sequence::{Live, Loaded, Merge, Need, Passage, Step};
use super::shards::{Fanout, Move};
use crate::encode::Visible;
use crate::join::Join;
use crate::record::Batch;
use crate::source::{FileId, FileSource, FollowSource, Source, StdinSource, expand, file_id};
use crate::time::Timestamp;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{StreamExt, StreamMap};
use tokio_util::sync::CancellationToken;

/// How often followed patterns are looked at for new files, and quiet inputs for how quiet they are.
const TICK: Duration = Duration::from_secs(1);
/// After a stop, how long an input may stay silent before it counts as drained.
const DRAIN: Duration = Duration::from_millis(200);

/// Where records come from.
#[derive(Clone, Debug)]
pub enum Inputs {
    /// Standard input.
    Stdin,
    /// Files, each read once.
    Files(Vec<PathBuf>),
    /// Files and patterns, followed for ever.
    Follow {
        /// As written on the command line.
        names: Vec<String>,
        /// How often they are looked at.
        poll: Duration,
    },
}

/// How a feed ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The inputs are at their end.
    Complete,
    /// A stop was asked for; what had been read by then has been passed on.
    Stopped,
    /// The egress has ended: nobody wants more.
    Unwanted,
    /// A thread has died.
    Died,
}

/// Feeds the shards.
pub struct Feed {
    /// The way to the shards.
    pub fanout: Fanout,
    /// The decoders.
    pub decoders: Decoders,
    /// Brings halves of records together.
    pub join: Join,
    /// Watermark and latest event time as they were told last.
    pub passed: (Option<Timestamp>, Option<Timestamp>),
    /// Asks for a stop.
    pub stop: CancellationToken,
    /// Minutes of lateness and of idleness.
    pub lateness_minutes: u32,
    /// After how many quiet minutes an input holds nobody back.
    pub idle_minutes: u32,
    /// Files that are written to: a pattern that matches them must not make inputs of them.
    pub outputs: Vec<FileId>,
    /// A thread has died, which is a mistake of ours: the run must not end as if nothing were missing.
    pub died: bool,
}

/// An input that is being read.
struct Open {
    name: Arc<str>,
    deliveries: mpsc::Receiver<Delivery>,
    lines: u64,
}

impl Open {
    fn load(&mut self, decoded: Decoded) -> Loaded {
        load(&self.name, &mut self.lines, decoded)
    }
}

fn load(name: &Arc<str>, lines: &mut u64, Decoded { batch, arrived }: Decoded) -> Loaded {
    let lines_before = *lines;
    *lines += u64::from(batch.lines);
    Loaded { batch: Arc::new(batch), source: Arc::clone(name), lines_before, arrived }
}

impl Feed {
    /// Reads finite inputs to their end, merged by event time.
    pub async fn merge(&mut self, inputs: &Inputs) -> io::Result<End> {
        let starts = match inputs {
            Inputs::Files(paths) if paths.len() > 1 => self.starts(paths).await,
            _ => vec![Timestamp::MIN],
        };
        let appetite = Appetite::of(starts.len());
        let mut open: Vec<Option<Open>> = starts.iter().map(|_| None).collect();
        let mut merge = Merge::new(starts, self.lateness_minutes);
        loop {
            match merge.need() {
                Need::End => return Ok(self.end()),
                Need::Wake(input) => {
                    open[input] = Some(self.open(source_of(inputs, input), appetite)?);
                    merge.wake(input);
                }
                Need::Batch(input) => {
                    if let Some(loaded) = self.next(&mut open[input]).await {
                        merge.give(input, loaded);
                    } else if self.died {
                        return Ok(End::Died);
                    } else {
                        open[input] = None;
                        merge.end(input);
                    }
                }
                Need::Nothing => {
                    let step = merge.step();
                    if self.tell(step, merge.passage()).await.is_none() {
                        return Ok(End::Unwanted);
                    }
                }
            }
        }
    }

    /// Follows files for ever.
    pub async fn follow(&mut self, names: &[String], poll: Duration) -> io::Result<End> {
        let mut live = Live::new(self.lateness_minutes, self.idle_minutes);
        let mut streams = StreamMap::new();
        let mut files: Vec<(PathBuf, Arc<str>, u64)> = Vec::new();
        let mut tick = tokio::time::interval(TICK);
        loop {
            let step = tokio::select! {
                biased;
                Some((input, delivery)) = streams.next() => if let Some(decoded) = self.receive(delivery).await {
                    let (_, name, lines) = &mut files[input];
                    live.take(input, load(name, lines, decoded))
                } else if self.died {
                    return Ok(End::Died);
                } else {
                    streams.remove(&input);
                    live.end(input);
                    continue;
                },
                () = drained(&self.stop) => return Ok(End::Stopped),
                _ = tick.tick() => {
                    // A pattern that has become invalid cannot be; a missing file is waited for.
                    for path in expand(names, true).unwrap_or_default() {
                        if files.iter().any(|(known, ..)| *known == path) || self.is_output(&path) {
                            continue;
                        }
                        let source = FollowSource::new(&path, poll);
                        let appetite = Appetite::of(files.len() + 1);
                        let Open { name, deliveries, .. } = self.open(Box::new(source), appetite)?;
                        let input = live.add(clock::now());
                        streams.insert(input, ReceiverStream::new(deliveries));
                        files.push((path, name, 0));
                    }
                    live.tick(clock::now())
                }
            };
            if !step.is_empty() && self.tell(step, live.passage()).await.is_none() {
                return Ok(End::Unwanted);
            }
        }
    }

    /// Reads standard input as it comes: a finite input whose watermark also passes when it is quiet.
    pub async fn stdin(&mut self) -> io::Result<End> {
        let mut live = Live::new(self.lateness_minutes, self.idle_minutes);
        let input = live.add(clock::now());
        let mut open = self.open(Box::new(StdinSource::new()), Appetite::of(1))?;
        let mut tick = tokio::time::interval(TICK);
        loop {
            let step = tokio::select! {
                biased;
                delivery = open.deliveries.recv() => {
                    let Some(delivery) = delivery else { return Ok(self.end()) };
                    match self.receive(delivery).await {
                        Some(decoded) => live.take(input, open.load(decoded)),
                        None => return Ok(self.end()),
                    }
                }
                () = drained(&self.stop) => return Ok(End::Stopped),
                _ = tick.tick() => live.tick(clock::now()),
            };
            if !step.is_empty() && self.tell(step, live.passage()).await.is_none() {
                return Ok(End::Unwanted);
            }
        }
    }

    fn is_output(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|found| self.outputs.contains(&file_id(&found)))
    }

    fn end(&self) -> End {
        match (self.died, self.stop.is_cancelled()) {
            (true, _) => End::Died,
            (false, true) => End::Stopped,
            (false, false) => End::Complete,
        }
    }

    fn open(&self, source: Box<dyn Source>, appetite: Appetite) -> io::Result<Open> {
        let name = self.decoders.settings.rulebook.redactor.clean(source.name().as_bytes()).into();
        let deliveries = intake::read(source, appetite, &self.decoders, &self.stop)?;
        Ok(Open { name, deliveries, lines: 0 })
    }

    async fn next(&mut self, open: &mut Option<Open>) -> Option<Loaded> {
        let input = open.as_mut()?;
        let delivery = tokio::select! {
            biased;
            delivery = input.deliveries.recv() => delivery?,
            () = drained(&self.stop) => return None,
        };
        let decoded = self.receive(delivery).await?;
        Some(input.load(decoded))
    }

    async fn receive(&mut self, delivery: Delivery) -> Option<Decoded> {
        match delivery {
            Delivery::Batch(place) => {
                let decoded = place.await.ok();
                self.died |= decoded.is_none();
                decoded
            }
            Delivery::Failed(error) => {
                tracing::error!("{}", Visible(&error.to_string()));
                // If nobody takes it, the next step finds out.
                let _ = self.fanout.tell(Move::Failed).await;
                None
            }
        }
    }

    async fn tell(&mut self, mut step: Step, passage: &Passage) -> Option<()> {
        self.join.step(&mut step.runs, &mut step.marks);
        self.passed = (passage.watermark(), passage.latest());
        self.pass_on(step).await
    }

    /// Lets go what still waits for another half.
    pub async fn end_join(&mut self) -> Option<()> {
        let mut step = Step::default();
        self.join.end(&mut step.runs);
        if step.is_empty() { Some(()) } else { self.pass_on(step).await }
    }

    async fn pass_on(&mut self, mut step: Step) -> Option<()> {
        step.joined = self.join.take_counts();
        let (watermark, latest) = self.passed;
        self.fanout.tell(Move::Step { step, watermark, latest }).await
    }

    /// When the first record of each file is: they need not be read before.
    async fn starts(&self, paths: &[PathBuf]) -> Vec<Timestamp> {
        let mut starts = Vec::with_capacity(paths.len());
        for path in paths {
            // What comes through a pipe comes once: it is read from the start, like a file whose start is not known.
            let open = match std::fs::metadata(path) {
                Ok(metadata) if metadata.is_file() => {
                    self.open(Box::new(FileSource::new(path)), Appetite::of(usize::MAX)).ok()
                }
                _ => None,
            };
            let start = match open {
                Some(open) => start_of(open).await,
                None => None,
            };
            starts.push(start.unwrap_or(Timestamp::MIN));
        }
        starts
    }
}

/// Waits for a stop, and then for what was being read to arrive.
async fn drained(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(DRAIN).await;
}

fn source_of(inputs: &Inputs, input: usize) -> Box<dyn Source> {
    match inputs {
        Inputs::Files(paths) if input < paths.len() => Box::new(FileSource::new(&paths[input])),
        _ => Box::new(StdinSource::new()),
    }
}

/// The time of the first record among the first few blocks. Dropping the input ends its reader.
async fn start_of(mut open: Open) -> Option<Timestamp> {
    const BLOCKS_MAX: usize = 16;
    for _ in 0..BLOCKS_MAX {
        let Delivery::Batch(place) = open.deliveries.recv().await? else { return None };
        let Batch { records, .. } = place.await.ok()?.batch;
        if let Some(record) = records.first() {
            return Some(record.time.at);
        }
    }
    None
}

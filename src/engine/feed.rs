//! From inputs to steps: opens inputs, takes their batches, and puts them in order.

use super::between::Between;
use super::checkpoint::Due;
use super::clock;
use super::intake::{self, Appetite, Decoded, Decoders, Delivery, Reached, ReadTo, Tracking};
use super::listen::{Backlog, Reception};
use super::open::{Open, merged};
use super::resume::Standing;
use super::sequence::{Live, Loaded, Merge, Need, Passage, Step};
use super::shadow::Side;
use super::shards::{Fanout, Move};
use super::stream::{DESK, input_of};
use crate::config::ListenPlan;
use crate::encode::Visible;
use crate::incident::Epochs;
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
pub(super) const TICK: Duration = Duration::from_secs(1);
/// After a stop, how long an input may stay silent before it counts as drained.
const DRAIN: Duration = Duration::from_millis(200);

/// Where records come from.
#[derive(Clone, Debug)]
pub enum Inputs {
    /// Standard input.
    Stdin,
    /// Files, each read once.
    Files(Vec<PathBuf>),
    /// The journal, as `journalctl` shows it with these arguments.
    Journal(Vec<String>),
    /// What is posted.
    Posted(Arc<ListenPlan>),
    /// What is pulled from sources, and nothing else.
    Pulled,
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
    /// Where an earlier process stopped, as far as it is not taken up yet.
    pub standing: Standing,
    /// There is a checkpoint to go on from.
    pub is_resumed: bool,
    /// Something has been passed on that no checkpoint knows of.
    pub moved: bool,
    /// When checkpoints are made, if they are.
    pub checkpoints: Option<Due>,
    /// A thread has died, which is a mistake of ours: the run must not end as if nothing were missing.
    pub died: bool,
    /// Tells when shards tell each other what is usual, where anybody wants to know.
    pub epochs: Option<Epochs>,
    /// What happens between two records.
    pub between: Between,
    /// Who posts and who is asked, until that begins.
    pub reception: Option<Reception>,
    /// How far checkpoints know what was posted, where that is kept.
    pub backlog: Option<Backlog>,
}

impl Feed {
    /// Reads finite inputs to their end, merged by event time.
    pub async fn merge(&mut self, inputs: &Inputs) -> io::Result<End> {
        let paths = match inputs {
            Inputs::Files(paths) => &paths[..],
            _ => &[],
        };
        let mut rests: Vec<Option<Batch>> = Vec::new();
        let mut open: Vec<Open> = Vec::new();
        for path in paths {
            let (input, rest) = self.known(path);
            open.push(input);
            rests.push(rest);
        }
        let starts = self.starts(paths, &open).await;
        let appetite = Appetite::of(starts.len());
        let mut merge = Merge::new(starts, self.lateness_minutes);
        if let Some(passage) = self.standing.passage.take() {
            merge.resume(passage, self.standing.latest);
        }
        for (input, rest) in rests.into_iter().enumerate() {
            match rest {
                Some(rest) => merge.give_rest(input, rest),
                None if open[input].read_to.is_some() => merge.wake(input),
                None => {}
            }
        }
        loop {
            match merge.need() {
                Need::End => {
                    let end = self.end();
                    return Ok(if self.checkpoint(true, || merged(&merge, &open)).await.is_none() {
                        End::Unwanted
                    } else {
                        end
                    });
                }
                Need::Wake(input) => merge.wake(input),
                Need::Batch(input) => {
                    if let Some(loaded) = self.next(&mut open[input], appetite).await? {
                        merge.give(input, loaded);
                    } else if self.died {
                        return Ok(End::Died);
                    } else if self.stop.is_cancelled() && self.checkpoints.is_some() {
                        // What comes next in time may be in this input: nothing of the others goes before it.
                        let told = self.checkpoint(true, || merged(&merge, &open)).await;
                        return Ok(if told.is_none() { End::Unwanted } else { End::Stopped });
                    } else {
                        merge.end(input);
                    }
                }
                Need::Nothing => {
                    let step = merge.step();
                    if self.tell(step, merge.passage()).await.is_none()
                        || self.checkpoint(false, || merged(&merge, &open)).await.is_none()
                    {
                        return Ok(End::Unwanted);
                    }
                }
            }
        }
    }

    /// Follows files for ever.
    pub async fn follow(&mut self, names: &[String], poll: Duration) -> io::Result<End> {
        let mut live = Live::new(self.lateness_minutes, self.idle_minutes);
        if let Some(passage) = self.standing.passage.take() {
            live.resume(passage);
        }
        let mut streams = StreamMap::new();
        // What is pulled beside them comes first among the inputs.
        let mut files: Vec<Open> = Vec::new();
        let lanes = self.receive_all(&mut live, &mut files, &mut streams)?;
        let mut tick = tokio::time::interval(TICK);
        loop {
            let step = tokio::select! {
                biased;
                Some((stream, delivery)) = streams.next() => if let Some((decoded, reached)) = self.receive(delivery).await {
                    let input = input_of(stream, &decoded, &lanes);
                    live.take(input, files[input].load(decoded, reached))
                } else if self.died {
                    return Ok(End::Died);
                } else {
                    streams.remove(&stream);
                    if stream != DESK {
                        live.end(stream);
                    }
                    continue;
                },
                // What came over the desk is handed on to its end, which comes soon after a stop.
                () = drained(&self.stop), if !streams.contains_key(&DESK) => {
                    let told = self.checkpoint_live(true, &live, &files, lanes.len()).await;
                    return Ok(if told.is_none() { End::Unwanted } else { End::Stopped });
                }
                _ = tick.tick() => {
                    // A pattern that has become invalid cannot be; a missing file is waited for.
                    for path in expand(names, true).unwrap_or_default() {
                        if files.iter().any(|known| known.path.as_ref() == Some(&path)) || self.is_output(&path) {
                            continue;
                        }
                        let appetite = Appetite::of(files.len() + 1);
                        let (mut file, latest) = self.followed(&path, poll, appetite)?;
                        let input = live.add(clock::now(), latest);
                        if let Some(deliveries) = file.deliveries.take() {
                            streams.insert(input, ReceiverStream::new(deliveries));
                        }
                        files.push(file);
                    }
                    live.tick(clock::now())
                }
            };
            if !step.is_empty() && self.tell(step, live.passage()).await.is_none()
                || self.checkpoint_live(false, &live, &files, lanes.len()).await.is_none()
            {
                return Ok(End::Unwanted);
            }
        }
    }

    /// Asks for a checkpoint before anything is read: how long the outputs were must be known when they grow.
    pub async fn begin(&mut self) -> Option<()> {
        let Some(due) = self.checkpoints.as_mut().filter(|_| !self.is_resumed) else { return Some(()) };
        due.ask();
        let state = self.standing.save(&self.join);
        self.fanout.tell(Move::Checkpoint(state)).await
    }

    /// Asks for a checkpoint of everything that was told so far, if it is time for one or another configuration follows.
    /// Then that, and a look at single keys.
    pub(super) async fn checkpoint(
        &mut self,
        is_last: bool,
        standing: impl FnOnce() -> Standing,
    ) -> Option<()> {
        let change = self.between.change();
        if let Some(due) = &mut self.checkpoints
            && !self.died
            && self.moved
            && due.is_now(is_last || change.is_some(), self.backlog.as_ref().is_some_and(Backlog::is_urgent))
        {
            due.ask();
            self.moved = false;
            let mut standing = standing();
            standing.inputs.extend(self.standing.others());
            let state = standing.save(&self.join);
            self.fanout.tell(Move::Checkpoint(state)).await?;
        }
        if let Some(change) = change {
            self.fanout.tell(Move::Settings(Arc::clone(change.settings()))).await?;
            change.done();
        }
        match self.between.wanted(is_last, self.passed.1) {
            Some(wanted) => self.fanout.tell(Move::Census(wanted)).await,
            None => Some(()),
        }
    }

    /// A finite file, from where it was read to, and records of it that were read and not used.
    fn known(&mut self, path: &Path) -> (Open, Option<Batch>) {
        let known = self.checkpoints.as_ref().and_then(|_| self.standing.take_file(path));
        let name = self.clean(&path.display().to_string());
        let mut open = Open {
            name,
            path: Some(path.to_owned()),
            deliveries: None,
            lines: 0,
            read_to: None,
            is_inside: false,
            ended: false,
        };
        let Some(known) = known else { return (open, None) };
        (open.lines, open.read_to) = (known.lines, Some(known.read_to));
        (open, known.rest)
    }

    /// A followed file, opened, and the minute it has reached.
    fn followed(&mut self, path: &Path, poll: Duration, appetite: Appetite) -> io::Result<(Open, i64)> {
        let known = self.checkpoints.as_ref().and_then(|_| self.standing.take_followed(path));
        let (lines, latest) = known.as_ref().map_or((0, i64::MIN), |known| (known.lines, known.latest));
        let read_to = known.map(|known| known.read_to);
        let source = FollowSource::new(path, poll, read_to.as_ref().and_then(|read_to| read_to.place.file()));
        let tracking = self.tracking(read_to.as_ref());
        let (name, deliveries) = self.open(Box::new(source), appetite, tracking)?;
        let path = Some(path.to_owned());
        let deliveries = Some(deliveries);
        Ok((Open { name, path, deliveries, lines, read_to, is_inside: false, ended: false }, latest))
    }

    pub(super) fn tracking(&self, from: Option<&ReadTo>) -> Tracking {
        Tracking { is_on: self.checkpoints.is_some(), from: from.map(|read_to| read_to.framer.clone()) }
    }

    fn is_output(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|found| self.outputs.contains(&file_id(&found)))
    }

    pub(super) fn end(&self) -> End {
        match (self.died, self.stop.is_cancelled()) {
            (true, _) => End::Died,
            (false, true) => End::Stopped,
            (false, false) => End::Complete,
        }
    }

    pub(super) fn clean(&self, name: &str) -> Arc<str> {
        self.decoders.settings.rulebook.redactor.clean(name.as_bytes()).into()
    }

    pub(super) fn open(
        &self,
        source: Box<dyn Source>,
        appetite: Appetite,
        tracking: Tracking,
    ) -> io::Result<(Arc<str>, mpsc::Receiver<Delivery>)> {
        let name = self.clean(source.name());
        let deliveries = intake::read(source, appetite, tracking, &self.decoders, &self.stop)?;
        Ok((name, deliveries))
    }

    /// The next batch of a finite input, which is opened for the first; `None` at its end.
    async fn next(&mut self, input: &mut Open, appetite: Appetite) -> io::Result<Option<Loaded>> {
        if input.ended {
            return Ok(None);
        }
        if input.deliveries.is_none() {
            let source: Box<dyn Source> = match &input.path {
                Some(path) => Box::new(FileSource::new(
                    path,
                    input.read_to.as_ref().and_then(|read_to| read_to.place.file()),
                )),
                None => Box::new(StdinSource::new()),
            };
            let tracking = self.tracking(input.read_to.as_ref());
            input.deliveries = Some(self.open(source, appetite, tracking)?.1);
        }
        let Some(deliveries) = &mut input.deliveries else { return Ok(None) };
        let delivery = tokio::select! {
            biased;
            delivery = deliveries.recv() => delivery,
            () = drained(&self.stop) => None,
        };
        let received = match delivery {
            Some(delivery) => self.receive(delivery).await,
            None => None,
        };
        if received.is_none() {
            (input.deliveries, input.ended) = (None, true);
        }
        Ok(received.map(|(decoded, reached)| input.load(decoded, reached)))
    }

    pub(super) async fn receive(&mut self, delivery: Delivery) -> Option<(Decoded, Reached)> {
        match delivery {
            Delivery::Batch(place, reached) => {
                let decoded = place.await.ok();
                self.died |= decoded.is_none();
                Some((decoded?, reached))
            }
            Delivery::Failed(error) => {
                tracing::error!("{}", Visible(&error.to_string()));
                // If nobody takes it, the next step finds out.
                let _ = self.fanout.tell(Move::Failed).await;
                None
            }
        }
    }

    pub(super) async fn tell(&mut self, mut step: Step, passage: &Passage) -> Option<()> {
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
        self.moved = true;
        self.between.has_moved();
        step.joined = self.join.take_counts();
        if let Some(list) = self.between.changed_list() {
            self.fanout.tell(Move::WatchList(Side::Here, list)).await?;
        }
        if let Some(list) = self.between.changed_shadow_list() {
            self.fanout.tell(Move::WatchList(Side::There, list)).await?;
        }
        let (watermark, latest) = self.passed;
        if let Some(epochs) = &mut self.epochs {
            while let Some(before) = step.cut(epochs) {
                self.fanout.tell(Move::Step { step: before, watermark, latest }).await?;
                self.fanout.tell(Move::Epoch).await?;
            }
        }
        self.fanout.tell(Move::Step { step, watermark, latest }).await
    }

    /// When the first record of each file is: they need not be read before.
    async fn starts(&self, paths: &[PathBuf], open: &[Open]) -> Vec<Timestamp> {
        if paths.len() < 2 {
            return vec![Timestamp::MIN; paths.len()];
        }
        let mut starts = Vec::with_capacity(paths.len());
        for (path, input) in paths.iter().zip(open) {
            // What comes through a pipe comes once: it is read from the start, like a file whose start is not known.
            let is_file = || std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
            let start = if input.read_to.is_none() && is_file() {
                let source = Box::new(FileSource::new(path, None));
                match self.open(source, Appetite::of(usize::MAX), Tracking::default()) {
                    Ok((_, deliveries)) => start_of(deliveries).await,
                    Err(_) => None,
                }
            } else {
                None
            };
            starts.push(start.unwrap_or(Timestamp::MIN));
        }
        starts
    }
}

/// Waits for a stop, and then for what was being read to arrive.
pub(super) async fn drained(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(DRAIN).await;
}

/// The time of the first record among the first few blocks. Dropping the input ends its reader.
async fn start_of(mut deliveries: mpsc::Receiver<Delivery>) -> Option<Timestamp> {
    const BLOCKS_MAX: usize = 16;
    for _ in 0..BLOCKS_MAX {
        let Delivery::Batch(place, _) = deliveries.recv().await? else { return None };
        let Batch { records, .. } = place.await.ok()?.batch;
        if let Some(record) = records.first() {
            return Some(record.time.at);
        }
    }
    None
}

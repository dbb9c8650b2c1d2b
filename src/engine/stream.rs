//! The feed of inputs that are read as they come and have no end of their own: standard input, the journal, and what comes
//! over the desk, posted or pulled.

use super::clock;
use super::failed::RunError;
use super::feed::{End, Feed, Inputs, TICK, drained};
use super::intake::{Appetite, Decoded, Delivery, Tracking};
use super::listen::{Listener, PROBED, Reception};
use super::open::{Open, followed};
use super::run::Options;
use super::sequence::Live;
use super::totals::Totals;
use crate::source::{JournalSource, Source, StdinSource};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{StreamExt, StreamMap};

/// What the spool of what was posted is called among the inputs that checkpoints know.
const POSTED: &str = "posted:";
/// What the desk is called among streams; all others have the number of their input.
pub(super) const DESK: usize = usize::MAX;

/// Streams of batches, by the numbers of their inputs.
pub(super) type Streams = StreamMap<usize, ReceiverStream<Delivery>>;

/// The input that a batch is of; `lanes` are those of the desk.
pub(super) fn input_of(stream: usize, decoded: &Decoded, lanes: &[usize]) -> usize {
    if stream == DESK { lanes.get(decoded.lane).copied().unwrap_or(0) } else { stream }
}

/// Makes ready to take what is posted and what is pulled, if anything is: that the place to listen at cannot be had is known
/// before anything is read.
pub(super) fn reception(options: &Options, totals: &mut Totals) -> Result<Option<Reception>, RunError> {
    let listener = match &options.inputs {
        Inputs::Posted(plan) => Some(Listener::bind(plan)?),
        _ if options.sources.is_empty() && options.probes.is_empty() => return Ok(None),
        _ => None,
    };
    let limits = match &options.inputs {
        Inputs::Posted(plan) => &plan.limits,
        _ => &options.plan.reception,
    };
    let folder = options.state.as_ref().map(|dir| dir.join("posted"));
    let reception = Reception::new(limits, folder, totals.rooms.place())
        .with_listener(listener)
        .with_sources(&options.sources)
        .map_err(|(name, error)| RunError::Source { name, error })?
        .with_probes(&options.probes, &options.plan.rulebook, options.state.as_deref())?;
    totals.listen = Some(Arc::clone(reception.traffic()));
    totals.pulled = reception.healths();
    totals.probes = reception.probe_health();
    Ok(Some(reception))
}

impl Feed {
    /// Reads standard input or the journal, and what is posted and pulled, as it comes: inputs whose watermarks also pass when
    /// they are quiet.
    pub async fn stream(&mut self, inputs: &Inputs) -> io::Result<End> {
        let mut live = Live::new(self.lateness_minutes, self.idle_minutes);
        if let Some(passage) = self.standing.passage.take() {
            live.resume(passage);
        }
        let (mut open, mut streams) = (Vec::new(), Streams::new());
        let only_probes = self.reception.as_ref().is_some_and(Reception::only_probes);
        let mut may_end = false;
        let lanes = self.receive_all(&mut live, &mut open, &mut streams)?;
        if let Some((one, deliveries, latest)) = self.streamed(inputs)? {
            streams.insert(live.add(clock::now(), latest), ReceiverStream::new(deliveries));
            open.push(one);
            may_end = only_probes;
        }
        let mut tick = tokio::time::interval(TICK);
        let end = loop {
            let step = tokio::select! {
                biased;
                next = streams.next() => {
                    let Some((stream, delivery)) = next else { break self.end() };
                    if let Some((decoded, reached)) = self.receive(delivery).await {
                        let input = input_of(stream, &decoded, &lanes);
                        live.take(input, open[input].load(decoded, reached))
                    } else if self.died || stream == DESK {
                        break self.end();
                    } else {
                        streams.remove(&stream);
                        live.end(stream);
                        continue;
                    }
                }
                // What came over the desk is handed on to its end, which comes soon after a stop.
                () = drained(&self.stop), if !streams.contains_key(&DESK) => break End::Stopped,
                // Canary prompts alone are no reason to go on.
                _ = tick.tick() => {
                    if may_end && streams.keys().all(|stream| *stream == DESK) {
                        break self.end();
                    }
                    live.tick(clock::now())
                }
            };
            if !step.is_empty() && self.tell(step, live.passage()).await.is_none()
                || self.checkpoint_live(false, &live, &open, open.len()).await.is_none()
            {
                return Ok(End::Unwanted);
            }
        };
        let told = self.checkpoint_live(true, &live, &open, open.len()).await;
        Ok(if told.is_none() { End::Unwanted } else { end })
    }

    /// Begins to take what is posted and pulled, if anything is: an input of its own for each who brings something, whose
    /// numbers are told. The first is that of everything that is posted.
    pub(super) fn receive_all(
        &mut self,
        live: &mut Live,
        open: &mut Vec<Open>,
        streams: &mut Streams,
    ) -> io::Result<Vec<usize>> {
        let Some(reception) = self.reception.take() else { return Ok(Vec::new()) };
        let is_kept = self.checkpoints.is_some();
        let taken = if is_kept { self.standing.posted() } else { 0 };
        let pulled = reception.sources().map(|name| Arc::from(format!("pulled:{name}")));
        let probed = reception.probes().then(|| Arc::from(PROBED));
        let all: Vec<Arc<str>> = [POSTED.into()].into_iter().chain(pulled).chain(probed.clone()).collect();
        let mut lanes = Vec::new();
        for name in all {
            let path = Path::new(&*name).to_owned();
            let known = if is_kept { self.standing.take_followed(&path) } else { None };
            let (count, latest) = known.as_ref().map_or((0, i64::MIN), |known| (known.lines, known.latest));
            let read_to = known.map(|known| known.read_to);
            lanes.push(live.add(clock::now(), latest));
            let path = Some(path);
            let (deliveries, is_inside, ended) = (None, false, false);
            open.push(Open { name, path, deliveries, lines: count, read_to, is_inside, ended });
        }
        if !reception.listens() {
            // It never brings anything, and holds nobody back.
            live.end(lanes[0]);
        }
        if let (Some(_), Some(lane)) = (probed, lanes.last()) {
            // What is told there moves no event time.
            live.end(*lane);
        }
        let (backlog, deliveries) = reception.start(&self.decoders, taken, &self.stop)?;
        self.backlog = is_kept.then_some(backlog);
        streams.insert(DESK, ReceiverStream::new(deliveries));
        Ok(lanes)
    }

    /// The input, opened, and the minute that it has reached; `None` where all there is comes over the desk.
    fn streamed(&mut self, inputs: &Inputs) -> io::Result<Option<(Open, mpsc::Receiver<Delivery>, i64)>> {
        const JOURNAL: &str = "journal:";
        let path = match inputs {
            Inputs::Journal(arguments) => Some(PathBuf::from(format!("{JOURNAL}{}", arguments.join(" ")))),
            Inputs::Posted(_) | Inputs::Pulled => return Ok(None),
            _ => None,
        };
        let known = match &path {
            Some(path) if self.checkpoints.is_some() => self.standing.take_followed(path),
            _ => None,
        };
        let (lines, latest) = known.as_ref().map_or((0, i64::MIN), |known| (known.lines, known.latest));
        let read_to = known.map(|known| known.read_to);
        let (name, deliveries) = match inputs {
            Inputs::Journal(arguments) => {
                let place = read_to.as_ref().map(|read_to| read_to.place.clone());
                let source: Box<dyn Source> = Box::new(JournalSource::new(arguments, place));
                let tracking = self.tracking(read_to.as_ref());
                self.open(source, Appetite::of(1), tracking)?
            }
            _ => self.open(Box::new(StdinSource::new()), Appetite::of(1), Tracking::default())?,
        };
        let open = Open { name, path, deliveries: None, lines, read_to, is_inside: false, ended: false };
        Ok(Some((open, deliveries, latest)))
    }

    /// A checkpoint of live inputs, of which the first `whole` are made of entries: of the journal, bodies, pages. Inside one
    /// none is made: what has been told of it would be told again. Another process goes on from the one before, and makes what
    /// came since once more.
    pub(super) async fn checkpoint_live(
        &mut self,
        is_last: bool,
        live: &Live,
        open: &[Open],
        whole: usize,
    ) -> Option<()> {
        if open.iter().take(whole).any(|open| open.is_inside) {
            return Some(());
        }
        let asked = self.checkpoints.as_ref().map(|due| due.progress().0);
        self.checkpoint(is_last, || followed(live, open)).await?;
        if let (Some(backlog), Some(due), Some(before)) = (&mut self.backlog, &self.checkpoints, asked) {
            let (asked, made) = due.progress();
            if asked > before {
                let reached = open.iter().filter_map(|open| open.read_to.as_ref());
                backlog.ask(asked, reached.map(|read_to| read_to.place.posted()).max().unwrap_or(0));
            }
            backlog.made(made);
        }
        Some(())
    }
}

//! The feed of one input that is read as it comes and has no end of its own: standard input, the journal, what is posted.

use super::clock;
use super::feed::{End, Feed, Inputs, TICK, drained};
use super::intake::{Appetite, Delivery, Tracking};
use super::open::{Open, followed};
use super::sequence::Live;
use crate::source::{JournalSource, Place, Source, StdinSource};
use std::io;
use std::path::PathBuf;
use tokio::sync::mpsc;

/// What the spool of what was posted is called among the inputs that checkpoints know.
const POSTED: &str = "posted:";

impl Feed {
    /// Reads standard input, the journal, or what is posted, as it comes: one input whose watermark also passes when it is
    /// quiet.
    pub async fn stream(&mut self, inputs: &Inputs) -> io::Result<End> {
        let mut live = Live::new(self.lateness_minutes, self.idle_minutes);
        if let Some(passage) = self.standing.passage.take() {
            live.resume(passage);
        }
        let (mut open, mut deliveries, latest) = self.streamed(inputs)?;
        // What was answered is handed on to its end, which comes soon after a stop.
        let is_posted = matches!(inputs, Inputs::Posted(_));
        let input = live.add(clock::now(), latest);
        let mut tick = tokio::time::interval(TICK);
        let end = loop {
            let step = tokio::select! {
                biased;
                delivery = deliveries.recv() => {
                    let Some(delivery) = delivery else { break self.end() };
                    match self.receive(delivery).await {
                        Some((decoded, reached)) => live.take(input, open.load(decoded, reached)),
                        None => break self.end(),
                    }
                }
                () = drained(&self.stop), if !is_posted => break End::Stopped,
                _ = tick.tick() => live.tick(clock::now()),
            };
            if !step.is_empty() && self.tell(step, live.passage()).await.is_none()
                || self.checkpoint_stream(false, &live, &open).await.is_none()
            {
                return Ok(End::Unwanted);
            }
        };
        let told = self.checkpoint_stream(true, &live, &open).await;
        Ok(if told.is_none() { End::Unwanted } else { end })
    }

    /// The input, opened, and the minute that it has reached.
    fn streamed(&mut self, inputs: &Inputs) -> io::Result<(Open, mpsc::Receiver<Delivery>, i64)> {
        const JOURNAL: &str = "journal:";
        let path = match inputs {
            Inputs::Journal(arguments) => Some(PathBuf::from(format!("{JOURNAL}{}", arguments.join(" ")))),
            Inputs::Posted(_) => Some(PathBuf::from(POSTED)),
            _ => None,
        };
        let known = match &path {
            Some(path) if self.checkpoints.is_some() => self.standing.take_followed(path),
            _ => None,
        };
        let (lines, latest) = known.as_ref().map_or((0, i64::MIN), |known| (known.lines, known.latest));
        let read_to = known.map(|known| known.read_to);
        let (name, deliveries) = match (inputs, self.listener.take()) {
            (Inputs::Posted(_), Some(listener)) => {
                let taken = read_to.as_ref().map_or(0, |read_to| posted(&read_to.place));
                let (backlog, deliveries) = listener.start(&self.decoders, taken, &self.stop)?;
                self.backlog = self.checkpoints.is_some().then_some(backlog);
                (POSTED.into(), deliveries)
            }
            (Inputs::Journal(arguments), _) => {
                let place = read_to.as_ref().map(|read_to| read_to.place.clone());
                let source: Box<dyn Source> = Box::new(JournalSource::new(arguments, place));
                let tracking = self.tracking(read_to.as_ref());
                self.open(source, Appetite::of(1), tracking)?
            }
            _ => self.open(Box::new(StdinSource::new()), Appetite::of(1), Tracking::default())?,
        };
        let open = Open { name, path, deliveries: None, lines, read_to, is_inside: false, ended: false };
        Ok((open, deliveries, latest))
    }

    /// A checkpoint of the one input of a stream. Inside an entry of the journal or a body none is made: what has been told
    /// of it would be told again. Another process goes on from the one before, and makes what came since once more.
    async fn checkpoint_stream(&mut self, is_last: bool, live: &Live, open: &Open) -> Option<()> {
        if open.is_inside {
            return Some(());
        }
        let asked = self.checkpoints.as_ref().map(|due| due.progress().0);
        self.checkpoint(is_last, || followed(live, std::slice::from_ref(open))).await?;
        if let (Some(backlog), Some(due), Some(before)) = (&mut self.backlog, &self.checkpoints, asked) {
            let (asked, made) = due.progress();
            if asked > before {
                backlog.ask(asked, open.read_to.as_ref().map_or(0, |read_to| posted(&read_to.place)));
            }
            backlog.made(made);
        }
        Some(())
    }
}

/// The number of the body that is meant.
fn posted(place: &Place) -> u64 {
    match place {
        Place::Posted { number } => *number,
        Place::File(_) | Place::Journal { .. } => 0,
    }
}

//! Opens what a run writes to.

use super::checkpoint::{Keeper, Length, Store};
use super::egress::{Egress, Rendering};
use super::feed::Inputs;
use super::outbox::{self, Disk, Known, Outbox, Sender};
use super::progress::Progress;
use super::run::{Options, Output, RunError};
use super::state::State;
use super::totals::Totals;
use crate::encode::Visible;
use crate::sink::http::HttpSink;
use crate::sink::{AnySink, FileSink, PipeSink, Resumed, Room, StdoutSink};
use crate::source::{FileId, file_id};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// An output, which goes on where a checkpoint knows it.
async fn open(path: &Path, resumed: Option<Resumed>, room: Room) -> Result<AnySink, RunError> {
    let is_pipe = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    let opened = if is_pipe {
        PipeSink::open(path).await.map(AnySink::Pipe)
    } else {
        FileSink::open(path, resumed, room).map(AnySink::File)
    };
    opened.map_err(|error| RunError::Open { path: path.to_owned(), error })
}

/// Which files are written to.
pub(super) fn files(options: &Options) -> Vec<FileId> {
    let alerts = match &options.output {
        Output::Stdout => Some(Path::new("/dev/stdout")),
        Output::File(path) => Some(path.as_path()),
        Output::Memory(_) => None,
    };
    let paths = options.rejects.iter().map(PathBuf::as_path).chain(alerts);
    let files = paths.filter_map(|path| std::fs::metadata(path).ok()).filter(Metadata::is_file);
    files.map(|metadata| file_id(&metadata)).collect()
}

/// An input that is also written to.
pub(super) fn own_input(options: &Options, outputs: &[FileId]) -> Option<PathBuf> {
    let inputs = match &options.inputs {
        Inputs::Files(paths) => paths.clone(),
        Inputs::Stdin => vec![PathBuf::from("/dev/stdin")],
        Inputs::Follow { .. } | Inputs::Journal(_) => Vec::new(),
    };
    let is_own =
        |path: &PathBuf| std::fs::metadata(path).is_ok_and(|found| outputs.contains(&file_id(&found)));
    options.history.iter().cloned().chain(inputs).find(is_own)
}

/// The egress with its sinks open.
pub(super) async fn egress(
    options: &Options,
    published: watch::Sender<Arc<Totals>>,
    state: State,
    learning: bool,
    stop: &CancellationToken,
) -> Result<(Egress, Option<Sender>), RunError> {
    let mut totals = Totals { ready: !learning, ..Totals::new() };
    let repeats = !matches!(options.inputs, Inputs::Stdin);
    let written = state.earlier.as_ref().map(|earlier| earlier.egress.clone());
    let resumed = |length: Option<Length>| {
        let at = length.map(|length| (length.file, length.bytes));
        state.store.is_some().then_some(Resumed { at, repeats: repeats && written.is_some() })
    };
    let (alerts, rejects) = written.as_ref().map_or((None, None), |w| (w.alerts, w.rejects));
    let (sink, sink_name) = match &options.output {
        Output::Stdout => (AnySink::Stdout(StdoutSink::new()), "stdout".to_owned()),
        Output::Memory(_) => (AnySink::Nothing, "memory".to_owned()),
        Output::File(path) => {
            (open(path, resumed(alerts), totals.rooms.place()).await?, path.display().to_string())
        }
    };
    let rejects = match &options.rejects {
        Some(path) => {
            Some((open(path, resumed(rejects), totals.rooms.place()).await?, path.display().to_string()))
        }
        None => None,
    };
    let outbox_left = written.as_ref().and_then(|written| written.outbox);
    let known = Known { next: outbox_left, repeats: repeats && written.is_some() };
    let (outbox, sender) = posting(options, &state, known, &mut totals, stop)?.unzip();
    totals.earlier = Arc::new(written.map(|written| (written.counts, written.unpriced)).unwrap_or_default());
    totals.checkpoints = state.store.is_some().then(Default::default);
    let keeper = state.store.map(|store| Keeper::new(store, state.origin, state.pace, totals.rooms.place()));
    published.send_replace(Arc::new(totals.clone()));
    let memory = match &options.output {
        Output::Memory(told) => Some(told.clone()),
        Output::Stdout | Output::File(_) => None,
    };
    let egress = Egress {
        sink,
        sink_name,
        memory,
        outbox,
        outbox_left,
        rejects,
        rendering: Rendering::Json,
        progress: Progress::none(),
        totals,
        published,
        worst: None,
        keeper,
        roster: None,
    };
    Ok((egress, sender))
}

type Posting = ((Outbox, String), Sender);

/// The outbox and its sender, where alerts are posted.
fn posting(
    options: &Options,
    state: &State,
    known: Known,
    totals: &mut Totals,
    stop: &CancellationToken,
) -> Result<Option<Posting>, RunError> {
    let dir = state.store.as_ref().map(Store::dir);
    let Some(plan) = &options.plan.post else {
        if let Some(waiting @ 1..) = dir.map(outbox::waiting) {
            tracing::warn!(
                "{waiting} alerts of earlier runs still wait to be posted; they are kept until a run posts"
            );
        }
        return Ok(None);
    };
    let sink = HttpSink::new(plan)?;
    let open = |dir: &Path| {
        let opened = Disk::open(dir, known);
        opened.map_err(|error| RunError::Open { path: dir.join("outbox"), error })
    };
    let kept = dir.map(open).transpose()?;
    let name = plan.origin();
    let how = kept.as_ref().map_or_else(
        || "without --state those that wait are in memory, and a kill loses them".to_owned(),
        |(_, found)| format!("{} of earlier runs wait", found.entries.len()),
    );
    tracing::info!("alerts are posted to {}; {how}", Visible(&name));
    let (outbox, sender) = Outbox::new(plan, sink, kept, stop, totals.rooms.place());
    totals.post = Some(Arc::clone(outbox.traffic()));
    Ok(Some(((outbox, name), sender)))
}

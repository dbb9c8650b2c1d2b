//! Opens what a run writes to.

use super::checkpoint::{Keeper, Length};
use super::egress::{Egress, Rendering};
use super::feed::Inputs;
use super::progress::Progress;
use super::run::{Options, Output, RunError};
use super::state::State;
use super::totals::Totals;
use crate::sink::{AnySink, FileSink, PipeSink, Resumed, StdoutSink};
use crate::source::{FileId, file_id};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::watch;

/// An output, which goes on where a checkpoint knows it.
async fn open(path: &Path, resumed: Option<Resumed>, stalled: &Arc<AtomicBool>) -> Result<AnySink, RunError> {
    let is_pipe = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    let opened = if is_pipe {
        PipeSink::open(path).await.map(AnySink::Pipe)
    } else {
        FileSink::open(path, resumed, stalled).map(AnySink::File)
    };
    opened.map_err(|error| RunError::Open { path: path.to_owned(), error })
}

/// Which files are written to.
pub(super) fn files(options: &Options) -> Vec<FileId> {
    let alerts = match &options.output {
        Output::Stdout => Path::new("/dev/stdout"),
        Output::File(path) => path,
    };
    let paths = options.rejects.iter().map(PathBuf::as_path).chain([alerts]);
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
) -> Result<Egress, RunError> {
    let mut totals = Totals { ready: !learning, ..Totals::new() };
    let repeats = !matches!(options.inputs, Inputs::Stdin);
    let written = state.earlier.map(|earlier| earlier.egress);
    let resumed = |length: Option<Length>| {
        let at = length.map(|length| (length.file, length.bytes));
        state.store.is_some().then_some(Resumed { at, repeats: repeats && written.is_some() })
    };
    let (alerts, rejects) = written.as_ref().map_or((None, None), |w| (w.alerts, w.rejects));
    let (sink, sink_name) = match &options.output {
        Output::Stdout => (AnySink::Stdout(StdoutSink::new()), "stdout".to_owned()),
        Output::File(path) => {
            (open(path, resumed(alerts), &totals.stalled).await?, path.display().to_string())
        }
    };
    let rejects = match &options.rejects {
        Some(path) => {
            Some((open(path, resumed(rejects), &totals.stalled).await?, path.display().to_string()))
        }
        None => None,
    };
    totals.earlier = Arc::new(written.map(|written| (written.counts, written.unpriced)).unwrap_or_default());
    totals.checkpoints = state.store.is_some().then(Default::default);
    let keeper = state.store.map(|store| Keeper::new(store, state.origin, state.pace, &totals.stalled));
    published.send_replace(Arc::new(totals.clone()));
    Ok(Egress {
        sink,
        sink_name,
        rejects,
        rendering: Rendering::Json,
        progress: Progress::none(),
        totals,
        published,
        worst: None,
        keeper,
    })
}

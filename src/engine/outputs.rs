//! Opens what a run writes to.

use super::checkpoint::{Keeper, Length};
use super::containing::{self, Containing};
use super::egress::{Egress, Rendering};
use super::failed::RunError;
use super::feed::Inputs;
use super::outbox::{self, Disk, Forms, Found, Outbox, Sender};
use super::progress::Progress;
use super::run::{Options, Output};
use super::shadow::{Past, Shadow, ShadowOptions};
use super::shards::Fanout;
use super::state::State;
use super::totals::Totals;
use crate::config::SinkPlan;
use crate::encode::{NATIVE, Visible};
use crate::sink::{AnySink, FileSink, PipeSink, Resumed, Room, StdoutSink, force_name};
use crate::source::{FileId, file_id};
use std::collections::BTreeMap;
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

/// Which files are written to, none of which may be read.
pub(super) fn files(options: &Options) -> Result<Vec<FileId>, RunError> {
    let alerts = match &options.output {
        Output::Stdout => Some(Path::new("/dev/stdout")),
        Output::File(path) => Some(path.as_path()),
        Output::Memory(_) => None,
    };
    let differences = options.shadow.as_ref().and_then(|shadow| shadow.out.as_deref());
    let paths = options.rejects.iter().map(PathBuf::as_path).chain(alerts).chain(differences);
    let files = paths.filter_map(|path| std::fs::metadata(path).ok()).filter(Metadata::is_file);
    let files: Vec<FileId> = files.map(|metadata| file_id(&metadata)).collect();
    match own_input(options, &files) {
        Some(path) => Err(RunError::OwnInput { path }),
        None => Ok(files),
    }
}

/// An input that is also written to.
fn own_input(options: &Options, outputs: &[FileId]) -> Option<PathBuf> {
    let inputs = match &options.inputs {
        Inputs::Files(paths) => paths.clone(),
        Inputs::Stdin => vec![PathBuf::from("/dev/stdin")],
        Inputs::Follow { .. } | Inputs::Journal(_) | Inputs::Posted(_) | Inputs::Pulled => Vec::new(),
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
) -> Result<(Egress, Vec<Sender>), RunError> {
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
    let next = written.as_ref().map(|written| written.outboxes.clone()).unwrap_or_default();
    let known = Known { next, repeats: repeats && written.is_some() };
    let (outboxes, senders) = outboxes(options, &state, &known, &mut totals, stop)?;
    let contain = Containing::start(options, &mut totals, known.next.get(containing::NAME).copied(), stop)?;
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
        outboxes,
        outboxes_left: known.next,
        rejects,
        rendering: Rendering::Encoded(NATIVE),
        progress: Progress::none(),
        totals,
        published,
        worst: None,
        keeper,
        roster: None,
        board: None,
        shadow: None,
        contain,
    };
    Ok((egress, senders))
}

/// What is tried beside, with its shards and its file open; `past` is what it has left.
pub(super) async fn shadow(
    options: &Options,
    fanout: &mut Fanout,
    past: Past,
    egress: &Egress,
) -> Result<Option<Shadow>, RunError> {
    let Some(ShadowOptions { plan, name, out }) = &options.shadow else { return Ok(None) };
    let at = past.left.as_ref().and_then(|left| left.out).map(|length| (length.file, length.bytes));
    let repeats = past.is_resumed && !matches!(options.inputs, Inputs::Stdin);
    let resumed = egress.keeper.is_some().then_some(Resumed { at, repeats });
    let out = match out {
        Some(path) => {
            Some((open(path, resumed, egress.totals.rooms.place()).await?, path.display().to_string()))
        }
        None => None,
    };
    let reports = fanout.shadow(&plan.shard, options.shards, past.learning, past.shards);
    tracing::info!("shadow {}: judges the same records; what it tells goes nowhere", Visible(name));
    Ok(Some(Shadow::new(name.clone(), reports, past.left, out)))
}

/// An outbox for each sink, and who takes out of it.
fn outboxes(
    options: &Options,
    state: &State,
    known: &Known,
    totals: &mut Totals,
    stop: &CancellationToken,
) -> Result<(Vec<Outbox>, Vec<Sender>), RunError> {
    let folder = state.store.as_ref().map(|store| store.dir().join("outbox"));
    let sinks = &options.plan.sinks;
    if let Some(folder) = &folder {
        tell_orphans(folder, sinks);
    }
    let (mut outboxes, mut senders) = (Vec::new(), Vec::new());
    for plan in sinks {
        let known = outbox::Known { next: known.next.get(&plan.name).copied(), repeats: known.repeats };
        let folder = folder.as_ref().map(|folder| folder.join(&plan.name));
        let kept = folder.as_deref().map(|folder| kept(folder, plan, known)).transpose()?;
        let told = |error| RunError::Sink { name: plan.name.clone(), error };
        let carrier = (plan.kind.open)(plan, folder.as_deref()).map_err(told)?;
        let how = kept.as_ref().map_or_else(
            || "without --state those that wait are in memory, and a kill loses them".to_owned(),
            |(_, found)| format!("{} of earlier runs wait", found.entries.len()),
        );
        let shown = format!("{} ({}, {})", plan.name, plan.form(), plan.shown());
        tracing::info!("alerts go to sink {}; {how}", Visible(&shown));
        let (outbox, sender) = Outbox::new(plan, carrier, kept, stop, totals.rooms.place());
        totals.sinks.push((plan.name.as_str().into(), Arc::clone(outbox.traffic())));
        outboxes.push(outbox);
        senders.push(sender);
    }
    Ok((outboxes, senders))
}

/// What a checkpoint knows of all outboxes.
struct Known {
    next: BTreeMap<String, u64>,
    repeats: bool,
}

/// What waits on disk. Written in another form than the sink has now, it would be carried as what it is not.
fn kept(folder: &Path, plan: &SinkPlan, known: outbox::Known) -> Result<(Disk, Found), RunError> {
    let told = |error| RunError::Open { path: folder.to_owned(), error };
    let (disk, found) = Disk::open(folder, known).map_err(told)?;
    if let Some(parent) = folder.parent() {
        force_name(parent).map_err(told)?;
    }
    let forms = Forms::of(folder);
    let other = forms.other(&plan.form()).map_err(told)?;
    match other {
        Some(other) if !found.entries.is_empty() => Err(RunError::OtherForm {
            name: plan.name.clone(),
            count: found.entries.len(),
            other,
            form: plan.form(),
        }),
        _ => forms.note(&plan.form()).map_err(told).map(|()| (disk, found)),
    }
}

/// Tells of sinks that are not configured any more, and of what waits for them.
fn tell_orphans(folder: &Path, sinks: &[Arc<SinkPlan>]) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort_unstable();
    for name in names.iter().filter(|name| sinks.iter().all(|plan| plan.name != **name)) {
        let waiting @ 1.. = outbox::waiting(&folder.join(name)) else { continue };
        tracing::warn!(
            "{waiting} alerts of earlier runs still wait for sink `{}`; they are kept until a run has it again",
            Visible(name)
        );
    }
}

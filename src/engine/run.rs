//! A whole run: starts everything, waits for the end or a signal, and says how it went.

use super::api::{self, Inside};
use super::between::Between;
use super::board::{self, Board, Curiosity, Glass};
use super::checkpoint::Due;
use super::clock::Arrival;
use super::egress::{Egress, EgressError, Rendering};
use super::failed::{DRAIN_WITHIN, RunError};
use super::feed::{End, Feed, Inputs};
use super::http;
use super::intake::Decoders;
use super::memory;
use super::notify::Manager;
use super::outbox::{Left, Sending};
use super::outputs;
use super::progress::Progress;
use super::reload::{Change, Reload};
use super::roster::Roster;
use super::sequence::Loaded;
use super::shadow::{Past, Shadow, ShadowOptions};
use super::shards::{Fanout, Move};
use super::state::State;
use super::stream::reception;
use super::totals::{Bounds, Reloads, Totals};
use crate::config::{ContainPlan, Plan, ProbePlan, SourcePlan};
use crate::decode::Settings;
use crate::detect::Severity;
use crate::incident::Epochs;
use crate::join::Join;
use crate::record::Run;
use crate::shard as told;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

/// Where alerts go.
#[derive(Clone, Debug)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// A file that is appended to.
    File(PathBuf),
    /// Another part of this program, which is given the records, too.
    Memory(mpsc::Sender<Told>),
}

/// What is told where alerts stay in memory: records as they were judged, and what came of them.
pub struct Told {
    pub(super) moved: Arc<Move>,
    /// What came of them, in order.
    pub outputs: Vec<told::Output>,
}

impl Told {
    /// The records, in order.
    pub fn runs(&self) -> &[Run] {
        match &*self.moved {
            Move::Step { step, .. } => &step.runs,
            _ => &[],
        }
    }

    /// Whether the history ends with it: all before was only learned from.
    pub fn ends_history(&self) -> bool {
        matches!(*self.moved, Move::EndOfHistory)
    }

    /// The batches that come for the first time.
    pub fn loaded(&self) -> &[Loaded] {
        match &*self.moved {
            Move::Step { step, .. } => &step.loaded,
            _ => &[],
        }
    }
}

/// What a run is to do.
pub struct Options {
    /// The checked configuration.
    pub plan: Plan,
    /// Files to learn baselines from.
    pub history: Vec<PathBuf>,
    /// Where records come from.
    pub inputs: Inputs,
    /// Who is asked for usage beside them.
    pub sources: Vec<Arc<SourcePlan>>,
    /// Canary prompts that are sent beside them.
    pub probes: Vec<Arc<ProbePlan>>,
    /// The place of the format of all records, if it is named.
    pub format: Option<usize>,
    /// Where alerts go.
    pub output: Output,
    /// How they are rendered.
    pub rendering: Rendering,
    /// Where rejects go.
    pub rejects: Option<PathBuf>,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
    /// Decoding threads.
    pub decoders: usize,
    /// Shards.
    pub shards: usize,
    /// The progress bar.
    pub progress: Progress,
    /// The folder of checkpoints, if the run is to be taken up again.
    pub state: Option<PathBuf>,
    /// How another configuration can be put in force.
    pub reload: Reload,
    /// Whoever looks from inside the process, if anybody does: he is told what through, and the end of the inputs is not the
    /// end of their days, so that what is open can be seen.
    pub look: Option<oneshot::Sender<Inside>>,
    /// What is tried beside, if anything is.
    pub shadow: Option<ShadowOptions>,
    /// What is done about keys by itself, if anything is; it needs the state.
    pub contain: Option<Arc<ContainPlan>>,
}

/// How a run went.
pub struct Outcome {
    /// Everything counted.
    pub totals: Totals,
    /// The worst severity of an alert that was not withdrawn.
    pub worst: Option<Severity>,
    /// How long it took.
    pub took: Duration,
    /// A stop was asked for before the inputs were complete.
    pub stopped: bool,
    /// What came of what was tried beside, for people.
    pub shadow: Option<String>,
}

/// Runs to the end of the inputs or until a signal asks for a stop.
pub async fn run(mut options: Options) -> Result<Outcome, RunError> {
    let started = Arrival::now();
    let stop = CancellationToken::new();
    let mut signals = Signals::new().map_err(RunError::Start)?;
    let mut state = State::open(options.state.as_deref(), &options.plan)?;
    let learning = learns(&options.history, &state);
    let past = Past::of(options.shadow.as_ref(), &state, learning);
    let (shards, mut join) = (state.take_shards(), Join::new(options.plan.join));
    let standing = state.standing(&mut join)?;
    let epochs = looks_for_incidents(&options).then(|| Epochs::at(standing.watermark()));
    let (mut fanout, fanin) = Fanout::new(&options.plan.shard, options.shards, learning, shards);
    let (published, totals) = watch::channel(Arc::new(Totals::new()));
    let (looks, (board, curiosity, glass)) = (options.look.is_some(), board::of(options.plan.api.as_ref()));
    let doors = Doors::open(&mut options, glass, &totals).await?;
    let reloads = Reloads::default();
    let changes = std::mem::take(&mut options.reload).start(&options.plan, &reloads)?;
    let (is_resumed, due) = (state.earlier.is_some(), state.due(options.plan.checkpoint));
    let (mut egress, senders) = outputs::egress(&options, published, state, learning, &stop).await?;
    let left = Left::new(egress.totals.sinks.clone(), options.state.is_some());
    egress.shadow = outputs::shadow(&options, &mut fanout, past, &egress).await?;
    let reception = reception(&options, &mut egress.totals)?;
    let sending = Sending::start(senders);
    let between = between(&options, changes, reloads, &mut egress, (board, curiosity));
    report(totals, &stop);
    let feed = Feed {
        fanout,
        decoders: decoders(&options).map_err(RunError::Start)?,
        join,
        passed: (None, None),
        stop: stop.clone(),
        lateness_minutes: options.plan.input.lateness_minutes,
        idle_minutes: options.plan.input.idle_minutes,
        outputs: outputs::files(&options)?,
        standing,
        is_resumed,
        moved: false,
        checkpoints: None,
        died: false,
        epochs,
        between,
        reception,
        backlog: None,
    };
    let egress = Egress { rendering: options.rendering, progress: options.progress, ..egress };
    let mut written = tokio::spawn(egress.run(fanin.moves, fanin.reports));
    let history = if learning { options.history } else { Vec::new() };
    let feeding = feed_all(feed, history, options.inputs, due, looks);
    let work = async {
        // An output that fails ends the run at once, not when the next record comes.
        let (end, written) = tokio::select! {
            end = feeding => (end.map_err(RunError::Start)?, written.await),
            written = &mut written => (End::Unwanted, written),
        };
        if !matches!(written, Ok(Ok(_))) {
            // Nobody waits any longer than for a stop.
            stop.cancel();
        }
        let ended = ended(end, written);
        sending.end().await;
        ended
    };
    let done = tokio::select! {
        done = work => done,
        error = signals.after(&stop) => Err(error),
    };
    let (end, Egress { totals, worst, shadow, .. }) = lost(&left, done)?;
    drop(doors);
    let shadow = shadow.as_ref().map(Shadow::summary);
    Ok(Outcome { totals, worst, took: started.elapsed(), stopped: end == End::Stopped, shadow })
}

type Ended = Result<(End, Egress), RunError>;

/// How the work went, with the outputs closed.
fn ended(end: End, written: Result<Result<Egress, (Egress, EgressError)>, JoinError>) -> Ended {
    match (end, written) {
        (End::Died, _) | (_, Err(_)) => Err(RunError::Egress(EgressError::Died)),
        (end, Ok(Ok(egress) | Err((egress, EgressError::ReaderGone)))) => {
            egress.finish(end == End::Complete).map(|egress| (end, egress)).map_err(RunError::Egress)
        }
        (_, Ok(Err((_, error)))) => Err(RunError::Egress(error)),
    }
}

/// A run that loses alerts has not gone well, however else it went.
fn lost(left: &Left, done: Ended) -> Ended {
    match (left.tell(), done) {
        (0, done) => done,
        (count, Ok(_)) => Err(RunError::Undelivered { count }),
        (count, Err(error)) => {
            tracing::error!("{}", RunError::Undelivered { count });
            Err(error)
        }
    }
}

/// Whether incidents are looked for, by whatever configuration.
fn looks_for_incidents(options: &Options) -> bool {
    let plans = options.shadow.iter().map(|shadow| &shadow.plan).chain([&options.plan]);
    plans.into_iter().any(|plan| plan.shard.incidents.is_some())
}

/// Whether a history is to be learned from: that of a state was.
fn learns(history: &[PathBuf], state: &State) -> bool {
    let learning = !history.is_empty() && state.earlier.is_none();
    if !learning && !history.is_empty() {
        tracing::info!("the history was learned before: its files are not read again");
    }
    learning
}

/// What happens between two records; the egress shows what became of it.
fn between(
    options: &Options,
    changes: Option<mpsc::Receiver<Change>>,
    reloads: Reloads,
    egress: &mut Egress,
    (board, curiosity): (Option<Board>, Option<Curiosity>),
) -> Between {
    let plan = &options.plan;
    let (roster, held) = Roster::new(&plan.metrics);
    let beside = options.shadow.as_ref().map(|shadow| &shadow.plan);
    let between = Between::new(plan, changes, held).with(curiosity).beside(beside);
    (egress.roster, egress.board) = (roster, board);
    let totals = &mut egress.totals;
    (totals.roll, totals.reloads, totals.bounds) = (between.lists().roll(), reloads, Bounds::of(plan));
    egress.publish();
    between
}

/// Tells the service manager how the run gets on, if it wants to know.
pub(super) fn report(totals: watch::Receiver<Arc<Totals>>, stop: &CancellationToken) {
    if let Some(manager) = Manager::of_environment() {
        tokio::spawn(manager.serve(totals, stop.clone()));
    }
}

fn decoders(options: &Options) -> io::Result<Decoders> {
    let settings = Settings {
        rulebook: Arc::clone(&options.plan.rulebook),
        format: options.format,
        frame_bytes_max: options.plan.input.frame_bytes_max,
        keep_rejects: options.rejects.is_some(),
    };
    Decoders::start(&settings, options.decoders, &options.plan.shard.witnessed)
}

/// What is served beside the work, until it is dropped.
struct Doors {
    metrics: Option<JoinHandle<()>>,
    _api: Option<api::Served>,
}

impl Doors {
    async fn open(
        options: &mut Options,
        glass: Option<Glass>,
        totals: &watch::Receiver<Arc<Totals>>,
    ) -> Result<Self, RunError> {
        if let (Some(look), Some(glass)) = (options.look.take(), &glass) {
            // He may have gone.
            let _ = look.send(Inside { glass: glass.clone(), totals: totals.clone() });
        }
        let metrics = match options.metrics {
            Some(address) => Some(tokio::spawn(http::serve(listen(address).await?, totals.clone()))),
            None => None,
        };
        Ok(Self { metrics, _api: api::serve(options.plan.api.as_ref(), glass, totals)? })
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        self.metrics.iter().for_each(JoinHandle::abort);
    }
}

pub(super) async fn listen(address: SocketAddr) -> Result<TcpListener, RunError> {
    // The page tells since when the process runs.
    memory::started_at();
    let bound = TcpListener::bind(address).await;
    let listener = bound.map_err(|error| RunError::Listen { what: "metrics", address, error })?;
    // With port 0 the system chooses one: tell which.
    let address = listener.local_addr().unwrap_or(address);
    tracing::info!("metrics on http://{address}/metrics");
    Ok(listener)
}

/// History first, then the inputs; dropping the feed at the end lets shards and egress finish.
async fn feed_all(
    mut feed: Feed,
    history: Vec<PathBuf>,
    inputs: Inputs,
    due: Option<Due>,
    looks: bool,
) -> io::Result<End> {
    let is_kept = due.is_some() || looks;
    let mut end = End::Complete;
    if !history.is_empty() {
        end = feed.merge(&Inputs::Files(history)).await?;
        if feed.end_join().await.is_none()
            || end == End::Complete && feed.fanout.tell(Move::EndOfHistory).await.is_none()
        {
            end = End::Unwanted;
        }
    }
    feed.checkpoints = due;
    if end == End::Complete && feed.begin().await.is_none() {
        end = End::Unwanted;
    }
    if end == End::Complete {
        end = match &inputs {
            Inputs::Stdin | Inputs::Journal(_) | Inputs::Posted(_) | Inputs::Pulled => {
                feed.stream(&inputs).await?
            }
            Inputs::Files(_) => feed.merge(&inputs).await?,
            Inputs::Follow { names, poll } => feed.follow(names, *poll).await?,
        };
    }
    // Where the run will be taken up again, the end of the inputs is not the end of the records.
    if is_kept {
        return Ok(end);
    }
    if feed.end_join().await.is_none() {
        end = End::Unwanted;
    }
    // Windows that were cut short by a stop are not over: what is open stays open.
    if end == End::Complete && feed.fanout.tell(Move::End).await.is_none() {
        end = End::Unwanted;
    }
    Ok(end)
}

/// SIGINT and SIGTERM.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Asks for a stop at the first signal; returns only if that takes too long or a second signal comes.
    pub(super) async fn after(&mut self, stop: &CancellationToken) -> RunError {
        self.next().await;
        tracing::info!("stopping; what has been read is still being written (once more to stop at once)");
        stop.cancel();
        tokio::select! {
            () = tokio::time::sleep(DRAIN_WITHIN) => RunError::Drain,
            () = self.next() => RunError::Killed,
        }
    }
}

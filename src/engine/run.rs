//! A whole run: starts everything, waits for the end or a signal, and says how it went.

use super::clock::Arrival;
use super::egress::{Egress, EgressError, Rendering};
use super::feed::{End, Feed, Inputs};
use super::http;
use super::intake::Decoders;
use super::progress::Progress;
use super::shards::{Fanout, Move};
use super::totals::Totals;
use crate::config::Plan;
use crate::decode::Settings;
use crate::detect::Severity;
use crate::join::Join;
use crate::sink::{AnySink, FileSink, StdoutSink};
use crate::source::{FileId, file_id};
use std::fs::Metadata;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// After a signal, how long what is under way may take to be written.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// Where alerts go.
#[derive(Clone, Debug)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// A file that is appended to.
    File(PathBuf),
}

/// What a run is to do.
pub struct Options {
    /// The checked configuration.
    pub plan: Plan,
    /// Files to learn baselines from.
    pub history: Vec<PathBuf>,
    /// Where records come from.
    pub inputs: Inputs,
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
}

/// Why a run could not be finished.
#[derive(Debug, Error)]
pub enum RunError {
    /// The address for metrics cannot be used.
    #[error("metrics: cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// An output cannot be opened.
    #[error("{path}: {error}", path = path.display())]
    Open {
        /// The output.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// What is written would be read again, and what follows from that written again.
    #[error("{path}: cannot be read and written to by one run", path = path.display())]
    OwnInput {
        /// The input that is an output.
        path: PathBuf,
    },
    /// Threads or signal handlers cannot be set up.
    #[error("cannot start: {0}")]
    Start(io::Error),
    /// An output cannot be written.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// After a signal, not everything could be written in time.
    #[error("stopped, but not everything could be written within {} seconds", DRAIN_WITHIN.as_secs())]
    Drain,
    /// A second signal ended the run at once.
    #[error("stopped at once by a second signal")]
    Killed,
}

/// Runs to the end of the inputs or until a signal asks for a stop.
pub async fn run(options: Options) -> Result<Outcome, RunError> {
    let started = Arrival::now();
    let stop = CancellationToken::new();
    let mut signals = Signals::new().map_err(RunError::Start)?;
    let settings = Settings {
        rulebook: Arc::clone(&options.plan.rulebook),
        format: options.format,
        frame_bytes_max: options.plan.input.frame_bytes_max,
        keep_rejects: options.rejects.is_some(),
    };
    let learning = !options.history.is_empty();
    let (fanout, fanin) =
        Fanout::start(&options.plan.shard, options.shards, learning).map_err(RunError::Start)?;
    let (published, totals) = watch::channel(Arc::new(Totals::new()));
    let server = match options.metrics {
        Some(address) => Some(tokio::spawn(http::serve(listen(address).await?, totals))),
        None => None,
    };
    let egress = egress(&options, published).await?;
    let outputs = outputs(&options);
    if let Some(path) = own_input(&options, &outputs) {
        return Err(RunError::OwnInput { path });
    }
    let feed = Feed {
        fanout,
        decoders: Decoders::start(&settings, options.decoders).map_err(RunError::Start)?,
        join: Join::new(options.plan.join),
        passed: (None, None),
        stop: stop.clone(),
        lateness_minutes: options.plan.input.lateness_minutes,
        idle_minutes: options.plan.input.idle_minutes,
        outputs,
        died: false,
    };
    let egress = Egress { rendering: options.rendering, progress: options.progress, ..egress };
    let mut written = tokio::spawn(egress.run(fanin.moves, fanin.reports));
    let feeding = feed_all(feed, options.history, options.inputs);
    let work = async {
        // An output that fails ends the run at once, not when the next record comes.
        let (end, written) = tokio::select! {
            end = feeding => (end.map_err(RunError::Start)?, written.await),
            written = &mut written => (End::Unwanted, written),
        };
        match (end, written) {
            (End::Died, _) | (_, Err(_)) => Err(RunError::Egress(EgressError::Died)),
            (end, Ok(Ok(egress) | Err((egress, EgressError::ReaderGone)))) => Ok((end, egress)),
            (_, Ok(Err((_, error)))) => Err(RunError::Egress(error)),
        }
    };
    let (end, egress) = tokio::select! {
        done = work => done?,
        error = signals.after(&stop) => return Err(error),
    };
    if let Some(server) = server {
        server.abort();
    }
    Ok(Outcome {
        totals: egress.totals,
        worst: egress.worst,
        took: started.elapsed(),
        stopped: end == End::Stopped,
    })
}

async fn listen(address: SocketAddr) -> Result<TcpListener, RunError> {
    let bound = TcpListener::bind(address).await;
    let listener = bound.map_err(|error| RunError::Listen { address, error })?;
    // With port 0 the system chooses one: tell which.
    let address = listener.local_addr().unwrap_or(address);
    tracing::info!("metrics on http://{address}/metrics");
    Ok(listener)
}

async fn open(path: &Path) -> Result<AnySink, RunError> {
    let opened = FileSink::open(path).await.map(AnySink::File);
    opened.map_err(|error| RunError::Open { path: path.to_owned(), error })
}

/// Which files are written to.
fn outputs(options: &Options) -> Vec<FileId> {
    let alerts = match &options.output {
        Output::Stdout => Path::new("/dev/stdout"),
        Output::File(path) => path,
    };
    let paths = options.rejects.iter().map(PathBuf::as_path).chain([alerts]);
    let files = paths.filter_map(|path| std::fs::metadata(path).ok()).filter(Metadata::is_file);
    files.map(|metadata| file_id(&metadata)).collect()
}

/// An input that is also written to.
fn own_input(options: &Options, outputs: &[FileId]) -> Option<PathBuf> {
    let inputs = match &options.inputs {
        Inputs::Files(paths) => paths.clone(),
        Inputs::Stdin => vec![PathBuf::from("/dev/stdin")],
        Inputs::Follow { .. } => Vec::new(),
    };
    let is_own =
        |path: &PathBuf| std::fs::metadata(path).is_ok_and(|found| outputs.contains(&file_id(&found)));
    options.history.iter().cloned().chain(inputs).find(is_own)
}

/// The egress with its sinks open.
async fn egress(
    options: &Options,
    published: watch::Sender<Arc<Totals>>,
) -> Result<Egress<AnySink>, RunError> {
    let (sink, sink_name) = match &options.output {
        Output::Stdout => (AnySink::Stdout(StdoutSink::new()), "stdout".to_owned()),
        Output::File(path) => (open(path).await?, path.display().to_string()),
    };
    let rejects = match &options.rejects {
        Some(path) => Some((open(path).await?, path.display().to_string())),
        None => None,
    };
    let totals = Totals { ready: options.history.is_empty(), ..Totals::new() };
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
    })
}

/// History first, then the inputs; dropping the feed at the end lets shards and egress finish.
async fn feed_all(mut feed: Feed, history: Vec<PathBuf>, inputs: Inputs) -> io::Result<End> {
    let mut end = End::Complete;
    if !history.is_empty() {
        end = feed.merge(&Inputs::Files(history)).await?;
        if feed.end_join().await.is_none()
            || end == End::Complete && feed.fanout.tell(Move::EndOfHistory).await.is_none()
        {
            end = End::Unwanted;
        }
    }
    if end == End::Complete {
        end = match &inputs {
            Inputs::Stdin => feed.stdin().await?,
            Inputs::Files(_) => feed.merge(&inputs).await?,
            Inputs::Follow { names, poll } => feed.follow(names, *poll).await?,
        };
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
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Asks for a stop at the first signal; returns only if that takes too long or a second signal comes.
    async fn after(&mut self, stop: &CancellationToken) -> RunError {
        self.next().await;
        tracing::info!("stopping; what has been read is still being written (once more to stop at once)");
        stop.cancel();
        tokio::select! {
            () = tokio::time::sleep(DRAIN_WITHIN) => RunError::Drain,
            () = self.next() => RunError::Killed,
        }
    }
}

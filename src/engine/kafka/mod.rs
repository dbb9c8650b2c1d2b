//! A run from Kafka to Kafka. One thread reads, one loop owns the state of all partitions that are ours, one thread
//! commits; see `docs/kafka.md` for what is promised and why it holds.

mod bulletin;
mod cell;
mod changelog;
mod client;
mod commit;
mod deliver;
mod desk;
mod fleet;
mod floor;
mod note;
mod outcome;
mod outlets;
mod parcel;
mod progress;
mod refusal;
mod stages;
mod topics;
mod worker;

pub use desk::{Desk, DeskError, Heard, Way};
pub use note::NoteError;
pub use topics::TopicError;
pub use worker::WorkError;

use super::api;
use super::between::Between;
use super::board::{self, Board, Curiosity};
use super::clock::{self, Arrival};
use super::failed::RunError;
use super::http;
use super::outbox::Traffic;
use super::reload::{Change, Reload};
use super::roster::Roster;
use super::run::{Outcome, Signals, listen, report};
use super::totals::{Bounds, Reloads, Totals};
use crate::config::{KafkaPlan, Plan};
use crate::decode::{Decoder, Settings};
use crate::source::kafka::{GroupConsumer, KafkaSource};
use cell::Mould;
use changelog::Changelog;
use client::Clients;
use commit::Committer;
use fleet::FleetLog;
use outcome::Outbox;
use progress::ProgressLog;
use stages::Layout;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use worker::{State, Worker};

/// Batches between the reading thread and the loop.
const EVENTS_MAX: usize = 16;
/// How long taking leave of the group may take.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// What a run is to do.
pub struct KafkaOptions {
    /// The checked configuration.
    pub plan: Plan,
    /// What it says of Kafka.
    pub kafka: KafkaPlan,
    /// The place of the format of all records, if it is named.
    pub format: Option<usize>,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
    /// How another configuration can be put in force.
    pub reload: Reload,
}

/// A run that could not go on.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// librdkafka does not take a setting.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A client could not be made.
    #[error(transparent)]
    Client(#[from] rdkafka::error::KafkaError),
    /// The topics are not as they have to be.
    #[error(transparent)]
    Topics(#[from] TopicError),
    /// What waits for a sink cannot be delivered as it is.
    #[error("{place} cannot be delivered")]
    Note {
        /// The message.
        place: String,
        /// Why.
        source: NoteError,
    },
    /// It ended before it was asked to.
    #[error(transparent)]
    Work(#[from] WorkError),
}

impl KafkaError {
    /// Whether it is about what stands in topics of our own: starting again does not help.
    pub fn is_of_state(&self) -> bool {
        matches!(
            self,
            Self::Work(WorkError::State { .. } | WorkError::Parcel { .. })
                | Self::Note { source: NoteError::Unreadable, .. }
        )
    }
}

/// Runs until a signal asks for a stop.
pub async fn run(mut options: KafkaOptions) -> Result<Outcome, RunError> {
    check(&options.kafka).map_err(KafkaError::from)?;
    let started = Arrival::now();
    let stop = CancellationToken::new();
    let mut signals = Signals::new().map_err(RunError::Start)?;
    let (published, shown) = watch::channel(Arc::new(Totals::new()));
    let server = match options.metrics {
        Some(address) => Some(tokio::spawn(http::serve(listen(address).await?, shown.clone()))),
        None => None,
    };
    let (board, curiosity, glass) = board::of(options.plan.api.as_ref());
    let looked_into = api::serve(options.plan.api.as_ref(), glass, &shown)?;
    report(shown, &stop);
    let reloads = Reloads::default();
    let changes = std::mem::take(&mut options.reload).start(&options.plan, &reloads)?;
    let lookout = Lookout { changes, reloads, board, curiosity };
    let work = work(&options, lookout, published, stop.clone());
    let totals = tokio::select! {
        done = work => done?,
        error = signals.after(&stop) => return Err(error),
    };
    if let Some(server) = server {
        server.abort();
    }
    drop(looked_into);
    let totals = Arc::unwrap_or_clone(totals);
    Ok(Outcome { totals, worst: None, took: started.elapsed(), stopped: true, shadow: None })
}

/// A setting that librdkafka does not take. Values may be secrets and are not repeated.
#[derive(Debug, thiserror::Error)]
#[error("`kafka`: librdkafka does not take `{name}`: {reason}")]
pub struct SettingError {
    name: String,
    reason: String,
}

/// Whether librdkafka knows all settings, told before anything starts.
pub fn check(plan: &KafkaPlan) -> Result<(), SettingError> {
    let clients = Clients::new(plan, "check");
    for config in [clients.member(), clients.producer(), clients.admin()] {
        if let Err(error) = config.create_native_config() {
            let (name, reason) = match error {
                rdkafka::error::KafkaError::ClientConfig(_, reason, name, _) => (name, reason),
                _ => ("a setting".to_owned(), "it holds a zero byte".to_owned()),
            };
            return Err(SettingError { name, reason });
        }
    }
    Ok(())
}

/// What happens between two records, and who looks on.
struct Lookout {
    /// Other configurations, and what is told of them.
    changes: Option<tokio::sync::mpsc::Receiver<Change>>,
    reloads: Reloads,
    board: Option<Board>,
    curiosity: Option<Curiosity>,
}

async fn work(
    options: &KafkaOptions,
    lookout: Lookout,
    published: watch::Sender<Arc<Totals>>,
    stop: CancellationToken,
) -> Result<Arc<Totals>, RunError> {
    let unique = unique();
    let clients = Arc::new(Clients::new(&options.kafka, &unique));
    let prepared = tokio::select! {
        prepared = topics::prepare(&clients, &options.kafka, &options.plan) => prepared.map_err(KafkaError::from)?,
        () = stop.cancelled() => return Ok(Arc::new(Totals::new())),
    };
    let delivering = deliver::start(options, &unique, &stop)?;
    let sinks = delivering.as_ref().map(|delivering| delivering.sinks.clone()).unwrap_or_default();
    let (answer, answered) = oneshot::channel();
    let (leave, left) = oneshot::channel();
    let threads = Threads::new(options, (lookout, sinks), &clients, prepared, published, &stop)
        .map_err(KafkaError::from)?;
    thread::Builder::new()
        .name("kafka".to_owned())
        .spawn(move || {
            let (result, member) = threads.run();
            let _ = answer.send(result);
            drop(member);
            let _ = leave.send(());
        })
        .map_err(RunError::Start)?;
    let done = answered.await.map_err(|_| WorkError::Died);
    // Everything is committed. While the group waits for another process, taking leave may last as long as that is
    // waited for; whoever does not is missed when the session is over.
    let _ = tokio::time::timeout(LEAVE_WITHIN, left).await;
    stop.cancel();
    let delivered = match delivering {
        Some(delivering) => delivering.end().await,
        None => Ok(()),
    };
    let totals = done.and_then(|done| done).map_err(KafkaError::from)?;
    delivered.map(|()| totals)
}

/// What passes through sinks, by their names.
type Sinks = Vec<(Arc<str>, Arc<Traffic>)>;

/// The consumer.
type Member = Arc<GroupConsumer<client::Listener>>;

/// The three threads with all that they share.
struct Threads {
    source: KafkaSource<client::Listener>,
    worker: Worker,
    committer: Committer,
    orders: mpsc::Receiver<commit::Order>,
    done: mpsc::Sender<commit::Done>,
    stop: CancellationToken,
}

impl Threads {
    fn new(
        options: &KafkaOptions,
        (Lookout { changes, reloads, board, curiosity }, sinks): (Lookout, Sinks),
        clients: &Arc<Clients>,
        partitions: Vec<usize>,
        published: watch::Sender<Arc<Totals>>,
        stop: &CancellationToken,
    ) -> Result<Self, rdkafka::error::KafkaError> {
        let KafkaOptions { plan, kafka, format, .. } = options;
        let layout = Arc::new(Layout::new(kafka, partitions));
        let topics = &layout.topics;
        let (events_in, events) = mpsc::sync_channel(EVENTS_MAX);
        let (steers, steers_out) = mpsc::channel();
        let (orders, orders_out) = mpsc::channel();
        let (done_in, done) = mpsc::channel();
        let listener = clients.listener();
        let source = KafkaSource::subscribe(
            &clients.member(),
            listener,
            topics.clone(),
            (events_in, steers_out),
            kafka.commit_records,
        )?;
        let settings = Settings {
            rulebook: Arc::clone(&plan.rulebook),
            format: *format,
            frame_bytes_max: plan.input.frame_bytes_max,
            keep_rejects: kafka.rejects_topic.is_some(),
        };
        let committer = Committer {
            clients: Arc::clone(clients),
            guarantee: kafka.guarantee,
            topics: topics.clone(),
            consumer: source.consumer(),
            within: kafka.transaction_timeout,
        };
        let changelog = Changelog::new(clients, kafka, topics, stop)?;
        let is_watched = plan.shard.incidents.is_some();
        let fleet = is_watched.then(|| FleetLog::new(clients, kafka)).transpose()?;
        let is_staged = kafka.repartition;
        let progress = is_staged.then(|| ProgressLog::new(clients, kafka, &layout)).transpose()?;
        let (roster, held) = Roster::new(&plan.metrics);
        let mut state = state(kafka, Totals { reloads, bounds: Bounds::of(plan), sinks, ..Totals::new() });
        state.outbox.board = board;
        state.outbox.post_to(kafka, &plan.sinks);
        let worker = Worker {
            fleet,
            progress,
            plan: kafka.clone(),
            mould: Mould::new(plan, Arc::clone(&layout)),
            layout,
            between: Between::new(plan, changes, held).with(curiosity),
            roster,
            decoder: Decoder::new(settings),
            frame_bytes_max: plan.input.frame_bytes_max,
            changelog,
            events,
            steers,
            orders,
            done,
            stop: stop.clone(),
            published,
            state,
        };
        Ok(Self { source, worker, committer, orders: orders_out, done: done_in, stop: stop.clone() })
    }

    /// Until the loop ends; what came of it, and the member, which leaves the group when it is dropped. It stays one
    /// until everything is committed.
    fn run(self) -> (Result<Arc<Totals>, WorkError>, Option<Member>) {
        let Self { source, worker, committer, orders, done, stop } = self;
        let reading = {
            let stop = stop.clone();
            thread::Builder::new().name("kafka-read".to_owned()).spawn(move || source.run(&stop))
        };
        let committing = thread::Builder::new()
            .name("kafka-commit".to_owned())
            .spawn(move || committer.run(&orders, &done));
        let (Ok(reading), Ok(committing)) = (reading, committing) else {
            return (Err(WorkError::Died), None);
        };
        let result = worker.run();
        stop.cancel();
        match (committing.join(), reading.join()) {
            (Ok(()), Ok(member)) => (result, Some(member)),
            _ => (Err(WorkError::Died), None),
        }
    }
}

fn state(plan: &KafkaPlan, totals: Totals) -> State {
    let totals = Totals { kafka: Some(Box::default()), ..totals };
    State {
        cells: BTreeMap::new(),
        caught_up: BTreeMap::new(),
        held: BTreeMap::new(),
        outbox: Outbox::new(plan, totals.clone()),
        under_way: None,
        committed: Arc::new(totals),
        seek: 0,
        is_lost: false,
        ticked: Arrival::now(),
    }
}

/// A name that no other process has.
fn unique() -> String {
    let seed = format!("{} {}", std::process::id(), clock::now().0);
    blake3::hash(seed.as_bytes()).to_hex()[..16].to_owned()
}

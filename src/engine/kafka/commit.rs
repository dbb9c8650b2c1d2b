//! The thread that commits. While it waits for brokers, records go on being read.

use super::client::{Clients, Listener};
use crate::config::Guarantee;
use crate::fault::step;
use crate::sink::kafka::{KafkaSink, KafkaSinkError, Outgoing};
use crate::source::kafka::{GroupConsumer, Place, Topics};
use rdkafka::Offset;
use rdkafka::consumer::{CommitMode, Consumer};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

/// How often the group is told a position, and how long to wait in between.
const TRIES: usize = 5;
const AGAIN: Duration = Duration::from_millis(50);

/// What is written at once.
#[derive(Default)]
pub struct Commit {
    /// Alerts, rejects, and records that are passed on.
    pub events: Vec<Outgoing>,
    /// Pieces of the state, those that make the others valid behind them.
    pub state: Vec<Outgoing>,
    /// From where reading goes on.
    pub positions: Vec<(Place, i64)>,
}

/// What the thread is to do.
pub enum Order {
    /// Write this.
    Commit(Commit),
    /// Get a new producer: nobody knows what became of the last one's work.
    Renew,
}

/// What came of it.
pub type Done = Result<(), KafkaSinkError>;

/// Carries out orders, one after the other.
pub struct Committer {
    /// Settings.
    pub clients: Arc<Clients>,
    /// What is promised.
    pub guarantee: Guarantee,
    /// Names of topics.
    pub topics: Topics,
    /// The member of the group for which is committed.
    pub consumer: Arc<GroupConsumer<Listener>>,
    /// How long a call may take.
    pub within: Duration,
}

impl Committer {
    /// Until no more orders come.
    pub fn run(self, orders: &Receiver<Order>, done: &Sender<Done>) {
        let mut sink = None;
        while let Ok(order) = orders.recv() {
            let result = match order {
                Order::Renew => {
                    sink = None;
                    self.open().map(|opened| {
                        step("producer_renewed");
                        sink = Some(opened);
                    })
                }
                Order::Commit(commit) => match &sink {
                    Some(sink) => self.commit(sink, &commit),
                    None => Err(KafkaSinkError::Undelivered),
                },
            };
            if result.is_err() {
                sink = None;
            }
            if done.send(result).is_err() {
                return;
            }
        }
    }

    fn open(&self) -> Result<KafkaSink<Listener>, KafkaSinkError> {
        let undelivered = |listener: &Listener| listener.undelivered.load(Ordering::Relaxed);
        KafkaSink::open(&self.clients.producer(), self.clients.listener(), undelivered, self.within)
    }

    fn commit(&self, sink: &KafkaSink<Listener>, commit: &Commit) -> Done {
        match self.guarantee {
            Guarantee::ExactlyOnce => self.exactly_once(sink, commit),
            Guarantee::AtLeastOnce => self.at_least_once(sink, commit),
        }
    }

    fn exactly_once(&self, sink: &KafkaSink<Listener>, commit: &Commit) -> Done {
        sink.begin()?;
        step("transaction_begun");
        let written = self.written(sink, commit);
        if written.is_err() {
            sink.abort();
        }
        written
    }

    fn written(&self, sink: &KafkaSink<Listener>, commit: &Commit) -> Done {
        commit.events.iter().try_for_each(|message| sink.send(message))?;
        step("events_sent");
        commit.state.iter().try_for_each(|message| sink.send(message))?;
        step("state_sent");
        // Whoever is no member any more has no say in what was read.
        let group = self.consumer.group_metadata().ok_or(KafkaSinkError::Undelivered)?;
        sink.commit(&self.positions(commit), &group)
    }

    /// Alerts are there before the state says that they were given, and the state before the position: a crash in
    /// between repeats, and loses nothing.
    fn at_least_once(&self, sink: &KafkaSink<Listener>, commit: &Commit) -> Done {
        for messages in [&commit.events, &commit.state] {
            messages.iter().try_for_each(|message| sink.send(message))?;
            sink.flush()?;
        }
        // What counts stands in the changelog; this is for whoever looks at the group, which may be busy with itself.
        for _ in 0..TRIES {
            match self.consumer.commit(&self.positions(commit), CommitMode::Sync) {
                Ok(()) => break,
                Err(error) => tracing::debug!("kafka: {error}"),
            }
            std::thread::sleep(AGAIN);
        }
        Ok(())
    }

    fn positions(&self, commit: &Commit) -> rdkafka::TopicPartitionList {
        self.topics.list(commit.positions.iter().map(|(place, next)| (*place, Offset::Offset(*next))))
    }
}

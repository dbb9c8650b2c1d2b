//! The loop: records of the partitions that are ours, through their cells, into commits.

use super::cell::{Cell, Mould};
use super::changelog::{Changelog, RestoreError};
use super::commit::{Commit, Done, Order};
use super::outcome::Outbox;
use crate::config::KafkaPlan;
use crate::decode::Decoder;
use crate::engine::clock::{self, Arrival};
use crate::engine::totals::Totals;
use crate::sink::kafka::KafkaSinkError;
use crate::source::kafka::{Event, Fetched, Place, Seek, Topics};
use rdkafka::error::KafkaError;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often quiet partitions are looked at.
const TICK: Duration = Duration::from_secs(1);
/// While brokers are slow, so many times the records of a commit are taken before the reading stops.
const AHEAD: usize = 4;
/// How long to wait before a new producer is tried once more.
const AGAIN: Duration = Duration::from_millis(500);

/// Why the loop ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The consumer cannot go on.
    #[error(transparent)]
    Consumer(KafkaError),
    /// What stands in a changelog cannot be gone on with.
    #[error("the changelog of {place} cannot be gone on with")]
    State {
        /// The partition.
        place: String,
        /// Why.
        source: super::cell::CellError,
    },
    /// A thread is gone.
    #[error("a thread has died, which is a mistake of ours; please report it")]
    Died,
    /// Kafka does not let state be read.
    #[error(transparent)]
    Restore(RestoreError),
}

/// The loop and all that it needs.
pub struct Worker {
    /// What is to be done.
    pub plan: KafkaPlan,
    /// What cells are made with.
    pub mould: Mould,
    /// Names of topics.
    pub topics: Topics,
    /// How many partitions each has.
    pub partitions: Vec<usize>,
    /// Reads frames.
    pub decoder: Decoder,
    /// Longest frame.
    pub frame_bytes_max: usize,
    /// Reads state.
    pub changelog: Changelog,
    /// What happens.
    pub events: Receiver<Event>,
    /// The way to the reading thread.
    pub seeks: Sender<Seek>,
    /// The way to the committing thread and back.
    pub orders: Sender<Order>,
    /// What came of orders.
    pub done: Receiver<Done>,
    /// Asks for a stop.
    pub stop: CancellationToken,
    /// Where totals are shown.
    pub published: watch::Sender<Arc<Totals>>,
    /// What is known of the run.
    pub state: State,
}

/// What changes while the loop runs.
pub struct State {
    /// Cells of our partitions.
    pub cells: BTreeMap<Place, Cell>,
    /// Partitions of which there was nothing more to read, and where they ended then, once that is known.
    pub caught_up: BTreeMap<Place, Option<i64>>,
    /// What waits for a commit.
    pub outbox: Outbox,
    /// What the commit that is under way has counted.
    pub under_way: Option<Arc<Totals>>,
    /// What has been committed.
    pub committed: Arc<Totals>,
    /// Which seek the records follow that are taken.
    pub seek: u64,
    /// Nobody knows what became of the last commit.
    pub is_lost: bool,
    /// Since when quiet partitions have not been looked at.
    pub ticked: Arrival,
}

impl Worker {
    /// Until a stop is asked for; then commits what was taken.
    pub fn run(mut self) -> Result<Arc<Totals>, WorkError> {
        self.renew()?;
        while !self.stop.is_cancelled() {
            match self.events.recv_timeout(self.wait()) {
                Ok(event) => self.event(event)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.settle(false)?;
            if self.state.ticked.elapsed() >= TICK {
                self.tick();
            }
            self.commit_if_due()?;
            if self.state.is_lost {
                self.start_over()?;
            }
        }
        self.settle(true)?;
        if !self.state.is_lost && self.hand_over()? {
            self.settle(true)?;
        }
        Ok(self.state.committed)
    }

    /// How long nothing else is to be done.
    fn wait(&self) -> Duration {
        if self.state.under_way.is_some() {
            return Duration::from_millis(2);
        }
        let left = self.state.outbox.age().map(|age| self.plan.commit_within.saturating_sub(age));
        left.unwrap_or(TICK).clamp(Duration::from_millis(1), Duration::from_millis(50))
    }

    fn event(&mut self, event: Event) -> Result<(), WorkError> {
        match event {
            Event::Fetched(seek, fetched) => {
                let fetched = if self.state.is_lost { Vec::new() } else { fetched };
                for fetched in fetched {
                    self.take(seek, fetched);
                }
            }
            Event::CaughtUp(place) => {
                self.state.caught_up.insert(place, None);
            }
            Event::Assigned(places, answer) => {
                self.state.outbox.totals.kafka_mut().rebalances += 1;
                let starts = self.assigned(&places)?;
                let _ = answer.send(starts);
                self.publish();
            }
            Event::Revoked(places, is_lost, answer) => {
                self.revoked(&places, is_lost)?;
                let _ = answer.send(());
            }
            Event::Misplaced => self.state.is_lost = true,
            Event::Ends(ends) => self.lag(&ends),
            Event::Failed(error) => return Err(WorkError::Consumer(error)),
        }
        Ok(())
    }

    /// Takes messages of one partition; those that were taken before are passed over.
    fn take(&mut self, seek: u64, fetched: Fetched) {
        let Self { state, decoder, topics, .. } = self;
        let place = fetched.place;
        let Some(cell) = state.cells.get_mut(&place) else { return };
        state.caught_up.remove(&place);
        // What was fetched before everything went back does not follow what the state says.
        if fetched.next <= cell.next || seek < cell.sought {
            return;
        }
        let arrived = Arrival::now();
        let fetched = fetched.starting_at(cell.next);
        let (next, name) = (fetched.next, topics.name(place));
        for (block, positions) in fetched.blocks(self.frame_bytes_max) {
            let batch = decoder.block(&block, arrived.at);
            state.outbox.batch((name, place), &batch, &positions, arrived);
            let taken = cell.take(batch, &positions, arrived);
            state.outbox.taken((name, place), taken);
        }
        cell.next = next;
    }

    fn assigned(&mut self, places: &[Place]) -> Result<Vec<Option<i64>>, WorkError> {
        match self.restore(places) {
            Ok(starts) => Ok(starts.into_iter().map(Some).collect()),
            Err(WorkError::Restore(RestoreError::Stopped)) => Ok(vec![None; places.len()]),
            Err(error) => Err(error),
        }
    }

    /// Brings the cells of partitions to where their changelogs say that they were.
    fn restore(&mut self, places: &[Place]) -> Result<Vec<i64>, WorkError> {
        let began = Arrival::now();
        let mut all = self.changelog.read(places).map_err(WorkError::Restore)?;
        let mut starts = Vec::new();
        for place in places {
            let pieces = all.remove(place).unwrap_or_default();
            let partitions = self.partitions.get(usize::from(place.topic)).copied().unwrap_or(1);
            let restored =
                Cell::restore(&self.mould, partitions, &pieces, clock::now()).map_err(|source| {
                    let place = format!("{}[{}]", self.topics.name(*place), place.partition);
                    WorkError::State { place, source }
                })?;
            let known = restored.as_ref().map(|cell| cell.next);
            let start = self.changelog.start(*place, known).map_err(WorkError::Restore)?;
            if restored.is_none() {
                // From where it is read has to be known even if nothing comes before the next start.
                self.state.outbox.touch();
            }
            let fresh = || Cell::new(&self.mould, partitions, start, clock::now());
            let mut cell = restored.unwrap_or_else(fresh);
            cell.next = start;
            starts.push(start);
            self.state.cells.insert(*place, cell);
            self.state.caught_up.remove(place);
            self.state.outbox.totals.kafka_mut().restores += 1;
        }
        tracing::info!("{} partitions restored in {:.2} s", places.len(), began.elapsed().as_secs_f64());
        Ok(starts)
    }

    /// Commits what was taken of partitions that go, unless it is too late for that.
    fn revoked(&mut self, places: &[Place], is_lost: bool) -> Result<(), WorkError> {
        self.state.outbox.totals.kafka_mut().rebalances += 1;
        self.settle(true)?;
        if is_lost {
            self.state.is_lost = true;
        } else if !self.state.is_lost && self.hand_over()? {
            self.settle(true)?;
        }
        for place in places {
            self.state.cells.remove(place);
            self.state.caught_up.remove(place);
        }
        self.publish();
        Ok(())
    }

    fn commit_if_due(&mut self) -> Result<(), WorkError> {
        let records = self.state.outbox.records;
        if self.state.is_lost || !self.state.outbox.is_due(&self.plan) {
            return Ok(());
        }
        if self.state.under_way.is_some() {
            if records < self.plan.commit_records.saturating_mul(AHEAD) {
                return Ok(());
            }
            self.settle(true)?;
        }
        self.hand_over().map(|_| ())
    }

    /// Gives everything that waits to the committing thread; whether there was anything.
    fn hand_over(&mut self) -> Result<bool, WorkError> {
        let Self { state, plan, topics, .. } = self;
        let mut commit = Commit { events: state.outbox.take_events(), ..Commit::default() };
        for (place, cell) in state.cells.iter_mut().filter(|(_, cell)| cell.has_changed()) {
            let topic: Arc<str> = plan.changelog(topics.name(*place)).into();
            commit.positions.push((*place, cell.next));
            commit.state.extend(super::outcome::pieces(&topic, place.partition, cell.changes()));
        }
        if commit.positions.is_empty() && commit.events.is_empty() {
            return Ok(false);
        }
        state.outbox.totals.kafka_mut().commits += 1;
        self.totals();
        self.state.under_way = Some(Arc::new(self.state.outbox.totals.clone()));
        self.orders.send(Order::Commit(commit)).map_err(|_| WorkError::Died)?;
        Ok(true)
    }

    /// Takes note of what came of the commit that is under way; waits for it if told to.
    fn settle(&mut self, wait: bool) -> Result<(), WorkError> {
        let Some(counted) = self.state.under_way.take() else { return Ok(()) };
        let done = if wait { self.done.recv().ok() } else { self.done.try_recv().ok() };
        match done {
            None if wait => return Err(WorkError::Died),
            None => self.state.under_way = Some(counted),
            Some(Ok(())) => {
                self.state.committed = counted;
                self.publish();
            }
            Some(Err(error)) => {
                tracing::warn!("commit: {error}; going back to what is committed");
                let fenced = u64::from(matches!(error, KafkaSinkError::Fenced(_)));
                self.state.is_lost = true;
                self.note_start_over(fenced);
            }
        }
        Ok(())
    }

    /// What was counted but not committed is counted when it comes again.
    fn note_start_over(&mut self, fenced: u64) {
        let mut totals = (*self.state.committed).clone();
        let kafka = totals.kafka_mut();
        kafka.rebalances = self.state.outbox.totals.kafka_mut().rebalances;
        kafka.restores = self.state.outbox.totals.kafka_mut().restores;
        kafka.fenced += fenced;
        self.state.committed = Arc::new(totals);
    }

    /// Forgets what is not committed: a new producer, the state as it is written, and everything after it once more.
    fn start_over(&mut self) -> Result<(), WorkError> {
        let restores = self.state.outbox.totals.kafka_mut().restores;
        self.state.outbox.clear((*self.state.committed).clone());
        let kafka = self.state.outbox.totals.kafka_mut();
        kafka.restores = restores;
        kafka.starts_over += 1;
        let places: Vec<Place> = self.state.cells.keys().copied().collect();
        self.state.cells.clear();
        self.renew()?;
        let starts = match self.restore(&places) {
            Err(WorkError::Restore(RestoreError::Stopped)) => return Ok(()),
            other => other?,
        };
        self.state.seek += 1;
        for cell in self.state.cells.values_mut() {
            cell.sought = self.state.seek;
        }
        self.state.is_lost = false;
        let positions = places.into_iter().zip(starts).collect();
        // Whoever does not listen any more has ended, and the next event says so.
        let _ = self.seeks.send(Seek { number: self.state.seek, positions });
        Ok(())
    }

    /// A producer that nobody is mistaken about.
    fn renew(&mut self) -> Result<(), WorkError> {
        while !self.stop.is_cancelled() {
            self.orders.send(Order::Renew).map_err(|_| WorkError::Died)?;
            match self.done.recv().map_err(|_| WorkError::Died)? {
                Ok(()) => return Ok(()),
                Err(error) => tracing::warn!("no producer yet: {error}"),
            }
            std::thread::sleep(AGAIN);
        }
        Ok(())
    }

    /// Lets event time pass in partitions to which nothing comes.
    fn tick(&mut self) {
        self.state.ticked = Arrival::now();
        let now = clock::now();
        let Self { state, changelog, topics, .. } = self;
        let State { cells, caught_up, outbox, .. } = state;
        for (place, ended) in caught_up {
            let Some(cell) = cells.get_mut(place).filter(|cell| cell.is_quiet(now)) else { continue };
            // Brokers that do not answer may hold records that nobody has seen.
            let Some(end) = changelog.end(*place) else { continue };
            // That one topic has come to its end is told of all that have such a partition.
            let is_sure = topics.0.len() == 1 || cell.next >= end;
            if is_sure
                && *ended.get_or_insert(end) == end
                && let Some(taken) = cell.tick(now)
            {
                outbox.taken((topics.name(*place), *place), taken);
            }
        }
    }

    fn lag(&mut self, ends: &BTreeMap<Place, i64>) {
        let cells = &self.state.cells;
        let lags = ends.iter().filter_map(|(place, end)| Some((*place, end - cells.get(place)?.next)));
        let lags =
            lags.map(|(place, lag)| ((self.topics.name(place).to_owned(), place.partition), lag.max(0)));
        self.state.outbox.totals.kafka_mut().lag = lags.collect();
    }

    /// Brings what is held and how far time has come up to date.
    fn totals(&mut self) {
        let State { cells, outbox, .. } = &mut self.state;
        let mut gauges = crate::shard::Gauges::default();
        for cell in cells.values() {
            gauges.add(cell.gauges());
        }
        outbox.totals.gauges = gauges;
        outbox.totals.watermark = cells.values().filter_map(|cell| cell.passage().watermark()).min();
        outbox.totals.latest = cells.values().filter_map(|cell| cell.passage().latest()).max();
        outbox.totals.ready = true;
        outbox.totals.kafka_mut().partitions = cells.len() as u64;
    }

    fn publish(&mut self) {
        if self.published.receiver_count() > 0 {
            self.published.send_replace(Arc::clone(&self.state.committed));
        }
    }
}

//! The loop: records of the partitions that are ours, through their cells, into commits.

mod aside;
mod error;
mod hold;

pub use error::WorkError;

use super::cell::{Cell, Mould};
use super::changelog::{Changelog, RestoreError};
use super::commit::{Commit, Done, Order};
use super::fleet::FleetLog;
use super::floor::Held;
use super::outcome::Outbox;
use super::parcel::Parcel;
use super::progress::ProgressLog;
use super::stages::{Layout, Stage};
use crate::config::KafkaPlan;
use crate::decode::Decoder;
use crate::engine::between::Between;
use crate::engine::clock::{self, Arrival};
use crate::engine::roster::Roster;
use crate::engine::totals::Totals;
use crate::fault::{Mistake, planted, step};
use crate::sink::kafka::KafkaSinkError;
use crate::source::kafka::{End, Event, Fetched, Place, Seek, Steer};
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
/// While others are waited for, they are listened to so often.
const HEARD_WITHIN: Duration = Duration::from_millis(5);
/// How long to wait before a new producer is tried once more.
const AGAIN: Duration = Duration::from_millis(500);

/// The loop and all that it needs.
pub struct Worker {
    /// What is to be done.
    pub plan: KafkaPlan,
    /// What cells are made with.
    pub mould: Mould,
    /// The topics.
    pub layout: Arc<Layout>,
    /// What happens between two records.
    pub between: Between,
    /// Which keys are shown one by one, if any are.
    pub roster: Option<Roster>,
    /// Reads frames.
    pub decoder: Decoder,
    /// Longest frame.
    pub frame_bytes_max: usize,
    /// Reads state.
    pub changelog: Changelog,
    /// Hears what is usual among the keys of all partitions, where incidents are looked for.
    pub fleet: Option<FleetLog>,
    /// Hears how far all partitions have come, where records are passed on.
    pub progress: Option<ProgressLog>,
    /// What happens.
    pub events: Receiver<Event>,
    /// The way to the reading thread.
    pub steers: Sender<Steer>,
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
    /// Partitions that are not read because others are far behind.
    pub held: BTreeMap<Place, Held>,
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
        if let Some(fleet) = &mut self.fleet {
            fleet.catch_up(&self.stop);
        }
        if let Some(progress) = &mut self.progress {
            progress.catch_up(&self.stop);
        }
        while !self.stop.is_cancelled() {
            match self.events.recv_timeout(self.wait()) {
                Ok(event) => self.event(event)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.settle(false)?;
            if self.progress.as_mut().is_some_and(ProgressLog::hear) {
                self.release();
            }
            self.fleet.iter_mut().for_each(|fleet| fleet.pass_on(&self.layout, &mut self.state.cells));
            if self.state.ticked.elapsed() >= TICK {
                self.look_again();
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
        if !self.state.held.is_empty() {
            return HEARD_WITHIN;
        }
        let left = self.state.outbox.age().map(|age| self.plan.commit_within.saturating_sub(age));
        left.unwrap_or(TICK).clamp(Duration::from_millis(1), Duration::from_millis(50))
    }

    fn event(&mut self, event: Event) -> Result<(), WorkError> {
        match event {
            Event::Fetched(seek, fetched) => {
                let fetched = if self.state.is_lost { Vec::new() } else { fetched };
                for fetched in fetched {
                    self.take(seek, fetched)?;
                }
            }
            Event::CaughtUp(place) => {
                self.state.caught_up.insert(place, None);
            }
            Event::Assigned(places, answer) => {
                self.state.outbox.totals.kafka_mut().rebalances += 1;
                let starts = self.assigned(&places)?;
                step("state_restored");
                let _ = answer.send(starts);
                step("partitions_assigned");
                self.note_ready();
                self.publish();
            }
            Event::Revoked(places, is_lost, answer) => {
                self.revoked(&places, is_lost)?;
                step("last_commit_made");
                let _ = answer.send(());
                step("partitions_revoked");
            }
            Event::Misplaced => self.state.is_lost = true,
            Event::Ends(ends) => self.lag(&ends),
            Event::Failed(error) => return Err(WorkError::Consumer { error }),
        }
        Ok(())
    }

    /// Takes messages of one partition; those that were taken before are passed over.
    fn take(&mut self, seek: u64, fetched: Fetched) -> Result<(), WorkError> {
        let place = fetched.place;
        let Some(cell) = self.state.cells.get(&place) else { return Ok(()) };
        let stage = cell.stage();
        // What was fetched before everything went back does not follow what the state says.
        let is_new = fetched.next > cell.next && seek >= cell.sought;
        let fetched = is_new.then(|| fetched.starting_at(cell.next));
        self.state.caught_up.remove(&place);
        let Some(fetched) = fetched.filter(|_| !self.state.held.contains_key(&place)) else { return Ok(()) };
        match stage {
            Stage::Whole => self.take_frames(fetched, None),
            Stage::Input => {
                self.take_frames(fetched, self.limit(place));
                if self.state.held.contains_key(&place) {
                    // Whoever does not listen any more has ended, and the next event says so.
                    let _ = self.steers.send(Steer::Hold(place));
                }
            }
            Stage::Halves | Stage::Keys => return self.take_parcels(&fetched),
        }
        Ok(())
    }

    /// Takes what another stage has passed on.
    fn take_parcels(&mut self, fetched: &Fetched) -> Result<(), WorkError> {
        let Self { state, layout, .. } = self;
        let place = fetched.place;
        let Some(cell) = state.cells.get_mut(&place) else { return Ok(()) };
        let arrived = Arrival::now();
        for (position, value) in fetched.own() {
            let parcel = Parcel::read(value).map_err(|source| {
                let place = format!("{}[{}]@{position}", layout.topics.name(place), place.partition);
                WorkError::Parcel { place, source }
            })?;
            state.outbox.records += parcel.batch.records.len();
            cell.next = position + 1;
            let is_news = parcel.batch.records.is_empty();
            let taken = cell.receive(parcel, arrived);
            // Somebody may wait for what follows from how far others are.
            if is_news { state.outbox.hurry(taken) } else { state.outbox.taken(taken) }
        }
        Ok(())
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
            let restored = Cell::restore(&self.mould, *place, &pieces, clock::now()).map_err(|source| {
                let place = format!("{}[{}]", self.layout.topics.name(*place), place.partition);
                WorkError::State { place, source }
            })?;
            let known = restored.as_ref().map(|cell| cell.next);
            let (start, missing) = self.changelog.start(*place, known).map_err(WorkError::Restore)?;
            if known != Some(start) || !self.is_known(*place) {
                // From where it is read has to be known even if nothing comes before the next start, and the others wait
                // for it as long as nobody has told them how far it is.
                self.state.outbox.touch();
            }
            let fresh = || Cell::new(&self.mould, *place, start, clock::now());
            let mut cell = restored.unwrap_or_else(fresh);
            cell.look_out_for(&self.mould.watch_list);
            cell.move_to(start);
            if let Some(fleet) = &self.fleet {
                cell.hear_first(&fleet.others(&self.layout.origin(*place)));
            }
            starts.push(start);
            self.state.cells.insert(*place, cell);
            self.state.caught_up.remove(place);
            self.state.held.remove(place);
            let kafka = self.state.outbox.totals.kafka_mut();
            kafka.restores += 1;
            kafka.missing += missing;
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
            self.state.held.remove(place);
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
            if self.state.is_lost {
                return Ok(());
            }
        }
        self.hand_over().map(|_| ())
    }

    /// Gives everything that waits to the committing thread; whether there was anything.
    fn hand_over(&mut self) -> Result<bool, WorkError> {
        let Self { state, layout, .. } = self;
        let mut commit = Commit { events: state.outbox.take_events(), ..Commit::default() };
        commit.events.extend(state.cells.values_mut().flat_map(Cell::passed_on));
        commit.events.extend(state.cells.values_mut().filter_map(Cell::contribution));
        for (place, cell) in state.cells.iter_mut().filter(|(_, cell)| cell.has_changed()) {
            let topic = layout.changelog(*place);
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
        let done = done.map(|done| if planted(Mistake::UnknownIsCommitted) { Ok(()) } else { done });
        match done {
            None if wait => return Err(WorkError::Died),
            None => self.state.under_way = Some(counted),
            Some(Ok(())) => {
                step("commit_counted");
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
        step("start_over_begun");
        // Answers are taken one for one: the next is to be that to what is asked here.
        self.settle(true)?;
        let restores = self.state.outbox.totals.kafka_mut().restores;
        self.state.outbox.clear((*self.state.committed).clone());
        let kafka = self.state.outbox.totals.kafka_mut();
        kafka.restores = restores;
        kafka.starts_over += 1;
        let places: Vec<Place> = self.state.cells.keys().copied().collect();
        self.state.cells.clear();
        self.state.held.clear();
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
        let _ = self.steers.send(Steer::Seek(Seek { number: self.state.seek, positions }));
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

    /// Lets event time pass in partitions to which nothing comes, and notes which have been read to their end.
    fn tick(&mut self) {
        self.state.ticked = Arrival::now();
        let now = clock::now();
        let Self { state, changelog, layout, .. } = self;
        let State { cells, caught_up, outbox, .. } = state;
        for (place, ended) in caught_up {
            let Some(cell) = cells.get_mut(place) else { continue };
            if !layout.topics.is_input(*place) || !cell.may_be_idle(now) {
                continue;
            }
            // Brokers that do not answer may hold records that nobody has seen.
            let Some(end) = changelog.end(*place) else { continue };
            // That one topic has come to its end is told of all that have such a partition.
            let is_told = ended.is_none() && layout.topics.names.len() == 1;
            let is_sure =
                is_told || *ended == Some(end) || cell.next >= end || changelog.is_at_end(*place, cell.next);
            if !is_sure {
                continue;
            }
            *ended = Some(end);
            if let Some(taken) = cell.tick(now) {
                outbox.taken(taken);
            }
        }
    }

    fn lag(&mut self, ends: &BTreeMap<Place, End>) {
        let cells = &self.state.cells;
        let lags = ends.iter().filter_map(|(place, End { end, is_fetched })| {
            let lag = if *is_fetched { 0 } else { end - cells.get(place)?.next };
            let name = self.layout.topics.name(*place).to_owned();
            Some(((name, place.partition), lag.max(0)))
        });
        self.state.outbox.totals.kafka_mut().lag = lags.collect();
    }

    /// Brings what is held and how far time has come up to date.
    fn totals(&mut self) {
        let State { cells, outbox, .. } = &mut self.state;
        let mut gauges = crate::shard::Gauges::default();
        for cell in cells.values() {
            gauges.add(cell.gauges());
        }
        let judging = || cells.values().filter(|cell| matches!(cell.stage(), Stage::Whole | Stage::Keys));
        outbox.totals.gauges = gauges;
        outbox.totals.roll = self.between.lists().roll();
        outbox.totals.watermark = judging().filter_map(|cell| cell.passage().watermark()).min();
        outbox.totals.latest = cells.values().filter_map(|cell| cell.passage().latest()).max();
        outbox.totals.ready = true;
        outbox.totals.kafka_mut().partitions = cells.len() as u64;
        if let Some(board) = &mut outbox.board {
            board.show();
            outbox.totals.held = Some(board.held());
        }
    }

    fn publish(&mut self) {
        if self.published.receiver_count() > 0 {
            self.published.send_replace(Arc::clone(&self.state.committed));
        }
    }
}

#[cfg(test)]
mod tests;

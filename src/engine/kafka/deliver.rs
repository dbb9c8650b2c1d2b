//! Brings what stands in the topics of sinks to their receivers.
//!
//! What goes to a sink is written to a topic of its own, in the transaction of the alert. The processes of a group share
//! these topics as they share those with records: one reads each of them, sees what is committed, and tells the group how far
//! the receiver has taken it. Whoever takes over goes on from there.

mod round;

use super::changelog::{Changelog, RestoreError};
use super::client::{Clients, Listener};
use super::note::{self, NoteError};
use super::{KafkaError, KafkaOptions, LEAVE_WITHIN, WorkError};
use crate::config::{KafkaPlan, SinkPlan};
use crate::encode::Visible;
use crate::engine::clock::Arrival;
use crate::engine::failed::RunError;
use crate::engine::outbox::{self, Traffic};
use crate::fault::step;
use crate::source::kafka::{End, Event, Fetched, GroupConsumer, KafkaSource, Place, Seek, Steer, Topics};
use rdkafka::Offset;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use round::Round;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// How long to wait for what happens.
const WAIT: Duration = Duration::from_millis(50);
/// How often brokers are asked how much waits behind what is held.
const LOOK: Duration = Duration::from_secs(5);
/// How long to wait before a topic is asked for again that brokers do not know.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Batches between the reading thread and this one.
const EVENTS_MAX: usize = 4;
/// Alerts of one batch.
const NOTES_MAX: usize = 500;

/// What is at work.
pub struct Delivering {
    /// What passes through, by the names of sinks.
    pub sinks: Vec<(Arc<str>, Arc<Traffic>)>,
    done: oneshot::Receiver<Result<(), RunError>>,
    left: oneshot::Receiver<()>,
}

impl Delivering {
    /// Waits for the end, which has to be asked for; what is not delivered by then is delivered by whoever comes next.
    pub async fn end(self) -> Result<(), RunError> {
        let done = self.done.await.map_err(|_| KafkaError::from(WorkError::Died))?;
        let _ = tokio::time::timeout(LEAVE_WITHIN, self.left).await;
        done
    }
}

/// Starts to deliver, where there are sinks. The topics have to be there.
pub fn start(
    options: &KafkaOptions,
    unique: &str,
    stop: &CancellationToken,
) -> Result<Option<Delivering>, RunError> {
    if options.plan.sinks.is_empty() {
        return Ok(None);
    }
    let (courier, source) = Courier::new(options, unique, stop)?;
    let named = courier.sinks.iter().map(|plan| plan.name.as_str().into());
    let sinks = named.zip(courier.traffic.iter().map(Arc::clone)).collect();
    let (answer, done) = oneshot::channel();
    let (leave, left) = oneshot::channel();
    let stop = stop.clone();
    let run = move || {
        let reading = {
            let stop = stop.clone();
            thread::Builder::new().name("sinks-read".to_owned()).spawn(move || source.run(&stop))
        };
        let result = courier.run();
        // Without it, alerts would be judged that nobody is told of.
        stop.cancel();
        let member = reading.map(thread::JoinHandle::join);
        let _ = answer.send(result);
        drop(member);
        let _ = leave.send(());
    };
    thread::Builder::new().name("sinks".to_owned()).spawn(run).map_err(RunError::Start)?;
    Ok(Some(Delivering { sinks, done, left }))
}

/// Delivers.
struct Courier {
    sinks: Vec<Arc<SinkPlan>>,
    traffic: Vec<Arc<Traffic>>,
    topics: Topics,
    /// Where the group stands, and what stood before that.
    log: Changelog,
    member: Arc<GroupConsumer<Listener>>,
    events: Receiver<Event>,
    steers: Sender<Steer>,
    runtime: Handle,
    stop: CancellationToken,
    /// Sinks that this process delivers to.
    rounds: BTreeMap<Place, Round>,
    /// Seeks so far.
    seeks: u64,
    looked: Arrival,
}

impl Courier {
    fn new(
        KafkaOptions { plan, kafka, .. }: &KafkaOptions,
        unique: &str,
        stop: &CancellationToken,
    ) -> Result<(Self, KafkaSource<Listener>), RunError> {
        let sinks = plan.sinks.clone();
        for sink in &sinks {
            // What cannot be made ready is told before anything begins, whoever delivers to it in the end.
            round::carrier(sink)?;
            let shown = format!("{} ({}, {})", sink.name, sink.form(), sink.shown());
            let topic = kafka.sink_topic(&sink.name);
            tracing::info!("alerts go to sink {}; they wait in topic `{topic}`", Visible(&shown));
        }
        let names = sinks.iter().map(|sink| kafka.sink_topic(&sink.name)).collect();
        let topics = Topics { names, inputs: 0 };
        let group = KafkaPlan { group_id: kafka.sink_group(), ..kafka.clone() };
        let clients = Arc::new(Clients::new(&group, unique));
        let log = Changelog::new(&clients, &group, &topics, stop).map_err(KafkaError::from)?;
        let (events_in, events) = mpsc::sync_channel(EVENTS_MAX);
        let (steers, steers_out) = mpsc::channel();
        let ways = (events_in, steers_out);
        let source =
            KafkaSource::subscribe(&clients.member(), clients.listener(), topics.clone(), ways, NOTES_MAX)
                .map_err(KafkaError::from)?;
        let traffic = sinks.iter().map(|sink| Arc::new(Traffic::new(sink.config.outbox_bytes_max)));
        let courier = Self {
            traffic: traffic.collect(),
            sinks,
            topics,
            log,
            member: source.consumer(),
            events,
            steers,
            runtime: Handle::current(),
            stop: stop.clone(),
            rounds: BTreeMap::new(),
            seeks: 0,
            looked: Arrival::now(),
        };
        Ok((courier, source))
    }

    /// Until a stop is asked for.
    fn run(mut self) -> Result<(), RunError> {
        let result = self.deliver();
        let places: Vec<Place> = self.rounds.keys().copied().collect();
        self.give_up(&places, false);
        result
    }

    fn deliver(&mut self) -> Result<(), RunError> {
        while !self.stop.is_cancelled() {
            match self.events.recv_timeout(WAIT) {
                Ok(event) => self.event(event)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.note_taken(CommitMode::Async);
            self.release();
            self.look();
        }
        Ok(())
    }

    fn event(&mut self, event: Event) -> Result<(), RunError> {
        match event {
            Event::Fetched(seek, fetched) => {
                for fetched in fetched {
                    self.take(seek, &fetched)?;
                }
            }
            Event::Assigned(places, answer) => {
                let starts: Result<Vec<_>, _> = places.iter().map(|place| self.begin(*place)).collect();
                let starts = match starts {
                    Err(RunError::Kafka(KafkaError::Work(WorkError::Restore(RestoreError::Stopped)))) => {
                        vec![None; places.len()]
                    }
                    starts => starts?.into_iter().map(Some).collect(),
                };
                let _ = answer.send(starts);
            }
            Event::Revoked(places, is_lost, answer) => {
                self.give_up(&places, is_lost);
                let _ = answer.send(());
            }
            Event::Misplaced => self.find_again()?,
            Event::Ends(ends) => self.behind(&ends),
            Event::CaughtUp(_) => {}
            Event::Failed(error) if is_unknown(&error) => self.ask_again(&error),
            Event::Failed(error) => return Err(KafkaError::from(WorkError::Consumer { error }).into()),
        }
        Ok(())
    }

    /// Takes over a sink; from where its topic is read.
    fn begin(&mut self, place: Place) -> Result<i64, RunError> {
        let known = self.log.committed(place).map_err(restored)?;
        let (start, _) = self.log.start(place, known).map_err(restored)?;
        let at = usize::from(place.topic);
        let (Some(plan), Some(traffic)) = (self.sinks.get(at), self.traffic.get(at)) else {
            return Ok(start);
        };
        let mut carrier = round::carrier(plan)?;
        if plan.kind.lasts {
            // What is open there has to be known to whoever delivers now.
            let recall = |value: &[u8]| {
                if let Ok(text) = note::read(plan, value) {
                    carrier.recall(&text[outbox::payload_at(text)..]);
                }
            };
            self.log.before(place, start, recall).map_err(restored)?;
        }
        let round = Round::begin(plan, carrier, traffic, start, &self.runtime);
        self.rounds.insert(place, round);
        step("sink_taken_over");
        Ok(start)
    }

    /// Takes what was fetched, as much as there is room for.
    fn take(&mut self, seek: u64, fetched: &Fetched) -> Result<(), RunError> {
        let Some(round) = self.rounds.get_mut(&fetched.place) else { return Ok(()) };
        if !round.listens(seek) {
            return Ok(());
        }
        for (position, value) in fetched.own() {
            if position < round.next {
                continue;
            }
            let text = note::read(round.plan(), value).map_err(|source| {
                let place =
                    format!("{}[{}]@{position}", self.topics.name(fetched.place), fetched.place.partition);
                KafkaError::Note { place, source }
            })?;
            if !round.has_room(text) {
                round.hold();
                // Whoever does not listen any more has ended, and the next event says so.
                let _ = self.steers.send(Steer::Hold(fetched.place));
                return Ok(());
            }
            self.runtime.block_on(round.put(position, text));
        }
        round.next = round.next.max(fetched.next);
        Ok(())
    }

    /// Tells the group how far receivers have taken what there is.
    fn note_taken(&mut self, mode: CommitMode) {
        let moved = self.rounds.iter_mut().filter_map(|(place, round)| Some((*place, round.news()?)));
        let moved: Vec<_> = moved.map(|(place, position)| (place, Offset::Offset(position))).collect();
        if moved.is_empty() {
            return;
        }
        step("sink_delivered");
        // Should it not be heard, the same is delivered once more, under the same names.
        if let Err(error) = self.member.commit(&self.topics.list(moved), mode) {
            tracing::debug!("sinks: {error}");
        }
        step("sink_noted");
    }

    /// Has topics read on that were held while their sinks had no room.
    fn release(&mut self) {
        let free = self.rounds.iter().filter(|(_, round)| round.may_go_on());
        let free: Vec<_> = free.map(|(place, round)| (*place, round.next)).collect();
        if !free.is_empty() {
            self.seek(free);
        }
    }

    fn seek(&mut self, positions: Vec<(Place, i64)>) {
        self.seeks += 1;
        for (place, next) in &positions {
            if let Some(round) = self.rounds.get_mut(place) {
                round.go_on(self.seeks, *next);
            }
        }
        let _ = self.steers.send(Steer::Seek(Seek { number: self.seeks, positions }));
    }

    /// A position is no more: from where each is read on.
    fn find_again(&mut self) -> Result<(), RunError> {
        let places: Vec<_> = self.rounds.iter().map(|(place, round)| (*place, round.next)).collect();
        let mut found = Vec::new();
        for (place, next) in places {
            found.push((place, self.log.start(place, Some(next)).map_err(restored)?.0));
        }
        self.seek(found);
        Ok(())
    }

    /// Ends rounds. What the receiver takes until then is noted, unless somebody else has them already.
    fn give_up(&mut self, places: &[Place], is_lost: bool) {
        for place in places {
            if let Some(round) = self.rounds.get_mut(place) {
                self.runtime.block_on(round.end(is_lost));
            }
        }
        step("sink_ended");
        if !is_lost {
            self.note_taken(CommitMode::Sync);
        }
        for place in places {
            self.rounds.remove(place);
        }
    }

    /// Not all brokers know of a new topic at once; what is in it is not lost to whoever asks again.
    fn ask_again(&self, error: &rdkafka::error::KafkaError) {
        tracing::warn!("sinks: {error}; asking again");
        thread::sleep(ASK_AGAIN);
        let names: Vec<&str> = self.topics.names.iter().map(String::as_str).collect();
        if let Err(error) = self.member.subscribe(&names) {
            tracing::warn!("sinks: {error}");
        }
    }

    fn behind(&mut self, ends: &BTreeMap<Place, End>) {
        for (place, round) in &self.rounds {
            if let Some(End { end, is_fetched }) = ends.get(place).filter(|_| !round.is_held()) {
                round.behind(if *is_fetched { 0 } else { end - round.next });
            }
        }
    }

    /// What is held is not fetched, and nobody says by itself how much more has come.
    fn look(&mut self) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Arrival::now();
        for (place, round) in self.rounds.iter().filter(|(_, round)| round.is_held()) {
            if let Some(end) = self.log.end(*place) {
                round.behind(end - round.next);
            }
        }
    }
}

fn is_unknown(error: &rdkafka::error::KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnknownTopicOrPartition)
}

fn restored(error: RestoreError) -> RunError {
    KafkaError::from(WorkError::Restore(error)).into()
}

impl KafkaError {
    /// Whether it is about what waits for a sink in another form than that has now.
    pub const fn is_of_settings(&self) -> bool {
        matches!(self, Self::Note { source: NoteError::Form { .. }, .. })
    }
}

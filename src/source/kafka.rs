//! Records from Kafka: a member of a consumer group on a thread of its own.
//!
//! Nothing is committed here, and no partition is read before whoever keeps its state has said from where.

use crate::fault::{Mistake, planted};
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TrySendError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Records and bytes that are handed over at once.
const RECORDS_MAX: usize = 2000;
const BYTES_MAX: usize = 1 << 20;
/// How long the thread waits for a message, or for room.
const WAIT: Duration = Duration::from_millis(50);
/// So often it waits for room before the partitions are paused: that throws away what was fetched ahead.
const WAITS_MAX: u32 = 20;

/// A partition: which of the topics, and which of its partitions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// The topic by its number.
    pub topic: u16,
    /// The partition.
    pub partition: i32,
}

/// Messages of one partition in their order.
pub struct Fetched {
    /// The partition.
    pub place: Place,
    /// Their values: lines where each is one, or one value of several lines. In topics of our own, as they are.
    pub values: Vec<u8>,
    /// In topics of our own, where each value ends.
    pub ends: Vec<usize>,
    /// Where they stand, by line; one only for a value of several lines.
    pub positions: Vec<i64>,
    /// One value of several lines.
    pub is_document: bool,
    /// Where the next message will stand.
    pub next: i64,
}

/// What happens.
pub enum Event {
    /// Messages, and the number of the seek that they were fetched after.
    Fetched(u64, Vec<Fetched>),
    /// There is nothing more in a partition for now.
    CaughtUp(Place),
    /// Partitions come; whoever is told says from where they are read, in the same order.
    Assigned(Vec<Place>, SyncSender<Vec<Option<i64>>>),
    /// Partitions go, `true` if they are already somebody else's. They are kept until an answer comes.
    Revoked(Vec<Place>, bool, SyncSender<()>),
    /// A position does not exist.
    Misplaced,
    /// How far the partitions reach.
    Ends(BTreeMap<Place, End>),
    /// It cannot go on.
    Failed(KafkaError),
}

/// How far a partition reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End {
    /// Behind its last record that is committed.
    pub end: i64,
    /// Everything before it has been fetched: what is left has no records in it, as ends of transactions have none.
    pub is_fetched: bool,
}

/// What the reading thread is to do.
pub enum Steer {
    /// Read from another position.
    Seek(Seek),
    /// Read nothing more of a partition until it is told from where.
    Hold(Place),
}

/// From here on these partitions are read once more.
pub struct Seek {
    /// Which seek.
    pub number: u64,
    /// To where.
    pub positions: Vec<(Place, i64)>,
}

/// What partitions go by.
#[derive(Clone, Debug)]
pub struct Topics {
    /// The names of all.
    pub names: Arc<[String]>,
    /// So many of them hold records as they were logged; the others are our own.
    pub inputs: usize,
}

impl Topics {
    /// The name of a topic.
    pub fn name(&self, place: Place) -> &str {
        self.names.get(usize::from(place.topic)).map_or("", String::as_str)
    }

    fn place(&self, topic: &str, partition: i32) -> Option<Place> {
        let at = self.names.iter().position(|known| known == topic)?;
        Some(Place { topic: u16::try_from(at).ok()?, partition })
    }

    fn places(&self, list: &TopicPartitionList) -> Vec<Place> {
        list.elements().iter().filter_map(|one| self.place(one.topic(), one.partition())).collect()
    }

    /// Whether messages are records as they were logged, and not our own.
    pub fn is_input(&self, place: Place) -> bool {
        usize::from(place.topic) < self.inputs
    }

    /// As librdkafka has it.
    pub fn list(&self, positions: impl IntoIterator<Item = (Place, Offset)>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (place, offset) in positions {
            // Only an offset below nought is refused.
            let _ = list.add_partition_offset(self.name(place), place.partition, offset);
        }
        list
    }
}

/// Hears what the consumer has to say.
pub struct Member<L> {
    topics: Topics,
    listener: L,
    events: SyncSender<Event>,
    /// Partitions of which nothing must be handed over any more.
    gone: Sender<Vec<Place>>,
}

impl<L: ClientContext> ClientContext for Member<L> {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = L::ENABLE_REFRESH_OAUTH_TOKEN;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.listener.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.listener.error(error, reason);
    }

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.listener.generate_oauth_token(config)
    }

    fn stats(&self, statistics: Statistics) {
        let mut ends = BTreeMap::new();
        for (name, topic) in &statistics.topics {
            for (number, partition) in &topic.partitions {
                if let Some(place) = self.topics.place(name, *number).filter(|_| partition.ls_offset >= 0) {
                    let is_fetched =
                        partition.fetchq_cnt == 0 && partition.next_offset >= partition.ls_offset;
                    ends.insert(place, End { end: partition.ls_offset, is_fetched });
                }
            }
        }
        // Where there is no room, the next ones come soon.
        let _ = self.events.try_send(Event::Ends(ends));
    }
}

impl<L: ClientContext> ConsumerContext for Member<L> {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let places = self.topics.places(list);
        let is_cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        let changed = if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let list = self.topics.list(self.assigned(&places));
            let assigned =
                if is_cooperative { consumer.incremental_assign(&list) } else { consumer.assign(&list) };
            // They may have been paused or held when they were ours before.
            assigned.and_then(|()| consumer.resume(&list))
        } else {
            self.revoked(&places, consumer.assignment_lost());
            if is_cooperative { consumer.incremental_unassign(list) } else { consumer.unassign() }
        };
        if let Err(error) = changed {
            let _ = self.events.send(Event::Failed(error));
        }
    }
}

impl<L> Member<L> {
    /// Where partitions are read from, as whoever keeps their state says. Without an answer nobody wants them any more.
    fn assigned(&self, places: &[Place]) -> Vec<(Place, Offset)> {
        let (answer, answers) = mpsc::sync_channel(1);
        let asked = self.events.send(Event::Assigned(places.to_vec(), answer));
        let positions = asked.ok().and_then(|()| answers.recv().ok()).unwrap_or_default();
        let told = places.iter().zip(positions);
        told.filter_map(|(place, position)| Some((*place, Offset::Offset(position?)))).collect()
    }

    fn revoked(&self, places: &[Place], is_lost: bool) {
        let _ = self.gone.send(places.to_vec());
        let (answer, answers) = mpsc::sync_channel(1);
        if self.events.send(Event::Revoked(places.to_vec(), is_lost, answer)).is_ok() {
            let _ = answers.recv();
        }
    }
}

/// A member of the group.
pub type GroupConsumer<L> = BaseConsumer<Member<L>>;

/// The consumer with the thread that serves it still to be started.
pub struct KafkaSource<L: ClientContext> {
    consumer: Arc<GroupConsumer<L>>,
    topics: Topics,
    events: SyncSender<Event>,
    steers: Receiver<Steer>,
    gone: Receiver<Vec<Place>>,
    number: u64,
    paused: bool,
    held: BTreeSet<Place>,
    left: Vec<Place>,
    fetched: Vec<Fetched>,
    records_max: usize,
}

impl<L: ClientContext> KafkaSource<L> {
    /// Joins the group; no more than `records_max` records are handed over at once.
    pub fn subscribe(
        config: &ClientConfig,
        listener: L,
        topics: Topics,
        (events, steers): (SyncSender<Event>, Receiver<Steer>),
        records_max: usize,
    ) -> KafkaResult<Self> {
        let (gone_in, gone) = mpsc::channel();
        let member = Member { topics: topics.clone(), listener, events: events.clone(), gone: gone_in };
        let consumer: GroupConsumer<L> = config.create_with_context(member)?;
        let names: Vec<&str> = topics.names.iter().map(String::as_str).collect();
        consumer.subscribe(&names)?;
        let consumer = Arc::new(consumer);
        let fetched = Vec::new();
        Ok(Self {
            consumer,
            topics,
            events,
            steers,
            gone,
            number: 0,
            paused: false,
            held: BTreeSet::new(),
            left: Vec::new(),
            fetched,
            records_max: records_max.min(RECORDS_MAX),
        })
    }

    /// The consumer, for whoever commits.
    pub fn consumer(&self) -> Arc<GroupConsumer<L>> {
        Arc::clone(&self.consumer)
    }

    /// Reads until `stop`, or until nobody listens any more. Leaving the group is dropping what is given back.
    pub fn run(mut self, stop: &CancellationToken) -> Arc<GroupConsumer<L>> {
        while !stop.is_cancelled() {
            if self.turn().is_none() {
                break;
            }
        }
        self.consumer
    }

    fn turn(&mut self) -> Option<()> {
        self.steer()?;
        let consumer = Arc::clone(&self.consumer);
        let (mut records, mut bytes, mut wait) = (0, 0, WAIT);
        while records < self.records_max && bytes < BYTES_MAX {
            let polled = consumer.poll(wait);
            while let Ok(gone) = self.gone.try_recv() {
                self.fetched.retain(|fetched| !gone.contains(&fetched.place));
                self.held.retain(|place| !gone.contains(place));
                self.left.extend(gone);
            }
            match polled {
                Some(Ok(message)) => {
                    records += 1;
                    bytes += message.payload_len();
                    self.push(&message);
                    wait = Duration::ZERO;
                }
                Some(Err(error)) => {
                    self.hand_over()?;
                    self.trouble(error)?;
                    break;
                }
                None => break,
            }
        }
        self.hand_over()
    }

    /// Does what it was told, but for what it was told of partitions that have gone since: they may have come back.
    fn steer(&mut self) -> Option<()> {
        let left = std::mem::take(&mut self.left);
        while let Ok(steer) = self.steers.try_recv() {
            match steer {
                Steer::Seek(mut seek) => {
                    seek.positions.retain(|(place, _)| !left.contains(place));
                    self.seek(&seek)?;
                }
                Steer::Hold(place) if left.contains(&place) => {}
                Steer::Hold(place) => self.hold(place),
            }
        }
        Some(())
    }

    fn push(&mut self, message: &BorrowedMessage<'_>) {
        let Some(place) = self.topics.place(message.topic(), message.partition()) else { return };
        let (at, value) = (message.offset(), message.payload().unwrap_or_default());
        if !self.topics.is_input(place) {
            return self.push_own(place, at, value);
        }
        let value = value.strip_suffix(b"\n").unwrap_or(value);
        let is_document = memchr::memchr(b'\n', value).is_some();
        if let Some(last) = self.fetched.last_mut().filter(|last| last.takes(place) && !is_document) {
            return last.push(at, value);
        }
        let mut fetched = Fetched::new(place, at, is_document);
        fetched.push(at, value);
        self.fetched.push(fetched);
    }

    fn push_own(&mut self, place: Place, at: i64, value: &[u8]) {
        if self.fetched.last().is_none_or(|last| last.place != place) {
            self.fetched.push(Fetched::new(place, at, false));
        }
        if let Some(last) = self.fetched.last_mut() {
            last.push_own(at, value);
        }
    }

    fn trouble(&self, error: KafkaError) -> Option<()> {
        let event = match error {
            KafkaError::PartitionEOF(partition) => {
                // Which topic is not told: with several, all that have such a partition are meant.
                let topics = 0..u16::try_from(self.topics.names.len()).unwrap_or(u16::MAX);
                for topic in topics {
                    self.give(Event::CaughtUp(Place { topic, partition }))?;
                }
                return Some(());
            }
            KafkaError::MessageConsumption(
                RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
            ) => Event::Misplaced,
            KafkaError::MessageConsumptionFatal(_)
            | KafkaError::MessageConsumption(
                RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnsupportedVersion,
            ) => Event::Failed(error),
            // librdkafka tries again by itself.
            _ => return Some(()),
        };
        self.give(event)
    }

    fn give(&self, event: Event) -> Option<()> {
        self.events.send(event).ok()
    }

    /// Hands over what was fetched. Where there is no room for long, the partitions are paused and the group is kept
    /// informed that we live.
    fn hand_over(&mut self) -> Option<()> {
        if self.fetched.is_empty() {
            // What there was no room for may have gone with its partition.
            return self.pause(false);
        }
        let mut event = Event::Fetched(self.number, std::mem::take(&mut self.fetched));
        for _ in 0..WAITS_MAX {
            match self.events.try_send(event) {
                Ok(()) => return self.pause(false),
                Err(TrySendError::Full(back)) => event = back,
                Err(TrySendError::Disconnected(_)) => return None,
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.pause(true)?;
        let Event::Fetched(_, fetched) = event else { return Some(()) };
        self.fetched = fetched;
        Some(())
    }

    fn pause(&mut self, paused: bool) -> Option<()> {
        if self.paused != paused
            && let Ok(all) = self.consumer.assignment()
        {
            let others = self.topics.places(&all).into_iter().filter(|place| !self.held.contains(place));
            let others = self.topics.list(others.map(|place| (place, Offset::Invalid)));
            let done = if paused { self.consumer.pause(&others) } else { self.consumer.resume(&others) };
            if done.is_ok() {
                self.paused = paused;
            }
        }
        Some(())
    }

    /// What was fetched of it and what still comes is passed over by whoever asked for this.
    fn hold(&mut self, place: Place) {
        self.fetched.retain(|fetched| fetched.place != place);
        // It may have gone by now.
        let _ = self.consumer.pause(&self.topics.list([(place, Offset::Invalid)]));
        self.held.insert(place);
    }

    fn seek(&mut self, seek: &Seek) -> Option<()> {
        self.number = seek.number;
        self.fetched.retain(|fetched| !seek.positions.iter().any(|(place, _)| *place == fetched.place));
        // Some may have gone since this was asked for, and others come, which are where they belong.
        let Ok(assigned) = self.consumer.assignment() else { return Some(()) };
        let assigned = self.topics.places(&assigned);
        let positions = seek.positions.iter().filter(|(place, _)| assigned.contains(place));
        let list = self.topics.list(positions.map(|(place, at)| (*place, Offset::Offset(*at))));
        self.held.retain(|held| !seek.positions.iter().any(|(place, _)| place == held));
        // Positions are set anew, whatever state the fetching is in; what was fetched before is dropped.
        let moved =
            self.consumer.incremental_unassign(&list).and_then(|()| self.consumer.incremental_assign(&list));
        match moved.and_then(|()| self.consumer.resume(&list)) {
            Ok(()) => self.pause(false),
            Err(error) => self.give(Event::Failed(error)),
        }
    }
}

impl Fetched {
    fn new(place: Place, next: i64, is_document: bool) -> Self {
        Self { place, values: Vec::new(), ends: Vec::new(), positions: Vec::new(), is_document, next }
    }

    fn push_own(&mut self, at: i64, value: &[u8]) {
        self.values.extend_from_slice(value);
        self.ends.push(self.values.len());
        self.positions.push(at);
        self.next = at + 1;
    }

    fn takes(&self, place: Place) -> bool {
        self.place == place && !self.is_document
    }

    fn push(&mut self, at: i64, value: &[u8]) {
        self.values.extend_from_slice(value);
        self.values.push(b'\n');
        self.positions.push(at);
        self.next = if planted(Mistake::OffsetOfLast) { at } else { at + 1 };
    }
}

#[cfg(test)]
mod tests;

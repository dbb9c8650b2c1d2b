//! The state of partitions as it stands in compacted topics, and where reading goes on.

use super::cell::Cell;
use super::client::{self, CALL, Clients, Listener, POLL, SILENCE};
use crate::config::{KafkaPlan, Start};
use crate::encode::Visible;
use crate::fault::step;
use crate::shard::Piece;
use crate::source::kafka::{Place, Topics};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The latest value of every name.
pub type Pieces = BTreeMap<Vec<u8>, Vec<u8>>;

/// How long to wait before looking again.
const AGAIN: Duration = Duration::from_millis(20);
/// Nothing for so long is told.
const SLOW: u32 = 250;

/// Reads changelogs.
pub struct Changelog {
    clients: Arc<Clients>,
    plan: KafkaPlan,
    topics: Topics,
    /// Sees what is committed.
    reader: BaseConsumer<Listener>,
    /// Sees everything.
    probe: BaseConsumer<Listener>,
    stop: CancellationToken,
}

/// A restore that did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A stop was asked for.
    #[error("stopped")]
    Stopped,
    /// Kafka does not answer as it should.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

impl Changelog {
    /// For the topics of a plan.
    pub fn new(
        clients: &Arc<Clients>,
        plan: &KafkaPlan,
        topics: &Topics,
        stop: &CancellationToken,
    ) -> KafkaResult<Self> {
        let reader = clients.reader(true).create_with_context(clients.listener())?;
        let probe = clients.reader(false).create_with_context(clients.listener())?;
        let (clients, plan, topics) = (Arc::clone(clients), plan.clone(), topics.clone());
        Ok(Self { clients, plan, topics, reader, probe, stop: stop.clone() })
    }

    /// The pieces of partitions, read to the end of what is committed once nothing is pending any more.
    pub fn read(&self, places: &[Place]) -> Result<BTreeMap<Place, Pieces>, RestoreError> {
        let mut all = BTreeMap::new();
        let mut topics: Vec<u16> = places.iter().map(|place| place.topic).collect();
        topics.dedup();
        for topic in topics {
            step("restore_begun");
            let of_topic = places.iter().filter(|place| place.topic == topic);
            let mut list = TopicPartitionList::new();
            for place in of_topic {
                let name = self.plan.changelog(self.topics.name(*place));
                if self.settle(&name, place.partition)? {
                    list.add_partition_offset(&name, place.partition, Offset::Beginning)?;
                }
                all.insert(*place, Pieces::new());
            }
            step("changelog_settled");
            self.read_topic(topic, &list, &mut all)?;
            step("changelog_read");
        }
        Ok(all)
    }

    /// Waits until no transaction is pending in a partition; whether there is anything in it. What a process left
    /// pending that is no more is ended by brokers in time, what another one is just ending decides what is read here.
    fn settle(&self, topic: &str, partition: i32) -> Result<bool, RestoreError> {
        let (low, end) = self.call(|| self.probe.fetch_watermarks(topic, partition, CALL))?;
        for turn in 1_u32.. {
            let (_, committed) = self.call(|| self.reader.fetch_watermarks(topic, partition, CALL))?;
            if committed >= end {
                break;
            }
            if turn.is_multiple_of(SLOW) {
                tracing::warn!(
                    "{topic}[{partition}]: waiting for a transaction that a process has left open"
                );
            }
            self.pause()?;
        }
        Ok(end > low)
    }

    /// Tries until it succeeds or a stop is asked for.
    fn call<T>(&self, mut call: impl FnMut() -> KafkaResult<T>) -> Result<T, RestoreError> {
        for turn in 0_u32.. {
            // A token, where one is needed, is got by serving.
            self.reader.poll(Duration::ZERO);
            self.probe.poll(Duration::ZERO);
            match call() {
                Ok(value) => return Ok(value),
                Err(error) if turn.is_multiple_of(10) => {
                    tracing::warn!("kafka: {}; trying again", Visible(&error.to_string()));
                }
                Err(_) => {}
            }
            self.pause()?;
        }
        Err(RestoreError::Stopped)
    }

    fn pause(&self) -> Result<(), RestoreError> {
        std::thread::sleep(AGAIN);
        if self.stop.is_cancelled() { Err(RestoreError::Stopped) } else { Ok(()) }
    }

    fn read_topic(
        &self,
        topic: u16,
        list: &TopicPartitionList,
        all: &mut BTreeMap<Place, Pieces>,
    ) -> Result<(), RestoreError> {
        // What stands behind the last piece that makes others valid is of a commit that was never completed.
        let mut pending: BTreeMap<i32, Vec<Piece>> = BTreeMap::new();
        self.read_to_end(list, |message| {
            let partition = message.partition();
            let name = message.key().unwrap_or_default().to_vec();
            let is_last = Cell::is_last(&name);
            let pending = pending.entry(partition).or_default();
            pending.push((name, message.payload().map(<[u8]>::to_vec)));
            if is_last && let Some(pieces) = all.get_mut(&Place { topic, partition }) {
                settle_pieces(pieces, pending);
            }
            ControlFlow::Continue(())
        })
    }

    /// Reads partitions from where a list says on, to their ends or until whoever hears it has enough.
    fn read_to_end(
        &self,
        list: &TopicPartitionList,
        mut hear: impl FnMut(&BorrowedMessage) -> ControlFlow<()>,
    ) -> Result<(), RestoreError> {
        let mut open: Vec<i32> = list.elements().iter().map(TopicPartitionListElem::partition).collect();
        if open.is_empty() {
            return Ok(());
        }
        self.reader.assign(list)?;
        let mut quiet = 0;
        while !open.is_empty() {
            match self.reader.poll(POLL) {
                Some(Ok(message)) => {
                    if hear(&message).is_break() {
                        break;
                    }
                    quiet = 0;
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    open.retain(|other| *other != partition);
                    quiet = 0;
                }
                Some(Err(error)) => tracing::debug!("kafka: {error}"),
                None => quiet += 1,
            }
            if quiet >= SILENCE {
                let topic = list.elements().first().map(|one| one.topic().to_owned()).unwrap_or_default();
                tracing::warn!("{topic}{open:?}: brokers do not say what stands in it; asking again");
                client::ask_again(&self.reader)?;
                quiet = 0;
            }
            if self.stop.is_cancelled() {
                return Err(RestoreError::Stopped);
            }
        }
        self.reader.unassign()?;
        Ok(())
    }

    /// From where to read a partition whose state says `known`, or nothing, and how many records before that are no
    /// more. What had to be passed over is told.
    pub fn start(&self, place: Place, known: Option<i64>) -> Result<(i64, u64), RestoreError> {
        let (topic, partition) = (self.topics.name(place), place.partition);
        let (low, end) = self.call(|| self.probe.fetch_watermarks(topic, partition, CALL))?;
        let wanted = match known {
            Some(known) => known,
            None => match self.committed(place)? {
                Some(committed) => {
                    tracing::warn!(
                        "{topic}[{partition}]: there is no state for it; going on at {committed} without"
                    );
                    committed
                }
                // Of our own topics nothing is to be passed over.
                None if self.clients.start() == Start::Latest && self.topics.is_input(place) => end,
                None => low,
            },
        };
        if wanted < low {
            let lost = low - wanted;
            tracing::error!(
                "{topic}[{partition}]: records {wanted} to {} are no more: {lost} of them or fewer were never read. Keep \
                 them longer (`retention.ms`) than keyhound may be away",
                low - 1
            );
            return Ok((low, lost.unsigned_abs()));
        }
        if wanted > end {
            tracing::error!(
                "{topic}[{partition}]: read up to {wanted} before, but it ends at {end}: it was truncated or made anew. \
                 Reading it from its start"
            );
            return Ok((low, 0));
        }
        Ok((wanted, 0))
    }

    /// What stands in a partition before a position, in order.
    pub fn before(&self, place: Place, end: i64, mut hear: impl FnMut(&[u8])) -> Result<(), RestoreError> {
        let (low, _) =
            self.call(|| self.probe.fetch_watermarks(self.topics.name(place), place.partition, CALL))?;
        if low >= end {
            return Ok(());
        }
        self.read_to_end(&self.topics.list([(place, Offset::Offset(low))]), |message| {
            if message.offset() >= end {
                return ControlFlow::Break(());
            }
            hear(message.payload().unwrap_or_default());
            ControlFlow::Continue(())
        })
    }

    /// Where the group stands as brokers know it.
    pub fn committed(&self, place: Place) -> Result<Option<i64>, RestoreError> {
        let list = self.topics.list([(place, Offset::Invalid)]);
        let found = self.call(|| self.reader.committed_offsets(list.clone(), CALL))?;
        let offset = found.elements().first().map(TopicPartitionListElem::offset);
        Ok(match offset {
            Some(Offset::Offset(offset)) => Some(offset),
            _ => None,
        })
    }

    /// Whether nothing more that is committed stands in a partition from `next` on, as far as that can be known at once.
    pub fn is_at_end(&self, place: Place, next: i64) -> bool {
        let list = self.topics.list([(place, Offset::Offset(next))]);
        if self.reader.assign(&list).is_err() {
            return false;
        }
        let found = self.reader.poll(Duration::from_secs(1));
        let left = self.reader.unassign().is_ok();
        left && matches!(found, Some(Err(KafkaError::PartitionEOF(_))))
    }

    /// The end of a partition, if brokers say so at once.
    pub fn end(&self, place: Place) -> Option<i64> {
        let ends =
            self.probe.fetch_watermarks(self.topics.name(place), place.partition, Duration::from_secs(1));
        ends.ok().map(|(_, end)| end)
    }
}

/// Puts pieces in their places, in the order in which they were written.
fn settle_pieces(pieces: &mut Pieces, pending: &mut Vec<Piece>) {
    for (name, value) in pending.drain(..) {
        match value {
            Some(value) => pieces.insert(name, value),
            None => pieces.remove(&name),
        };
    }
}

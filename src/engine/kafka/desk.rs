//! What an operator says, brought to where a run reads the records of the key: `keyhound dismiss … --kafka keyhound.toml`.
//!
//! Every alert says in its headers where the record stood that made it (docs/kafka.md), so whatever was told of a key leads
//! to its partition, however producers choose partitions.

use super::client::{CALL, Clients, Listener};
use super::topics::TopicError;
use crate::config::KafkaPlan;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::metadata::MetadataPartition;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::VecDeque;
use std::sync::atomic::Ordering;

/// Alerts of one key that are kept while they are looked for; of more the last ones are.
const HEARD_MAX: usize = 10_000;

/// Where a statement goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Way {
    /// To this partition of a topic.
    Partition(String, i32),
    /// To the partition of a topic where producers put messages with this key.
    Key(String, String),
}

/// Something that was told.
#[derive(Clone, Debug)]
pub struct Heard {
    /// As it was told.
    pub line: Vec<u8>,
    /// Where the record stood that made it, if it says so.
    pub from: Option<(String, i32)>,
}

/// A statement that cannot be brought there.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// A topic cannot be read.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// A topic is not there.
    #[error("topic `{0}` is not there: has a run with this configuration told anything yet?")]
    Missing(String),
    /// It was not taken.
    #[error("topic `{0}`: the statement was not taken within {seconds} s: {1}", seconds = CALL.as_secs())]
    Undelivered(String, String),
}

/// A reader of what was told, and a writer of what is said.
pub struct Desk {
    clients: Clients,
    alerts: String,
}

impl Desk {
    /// Of the brokers and topics of this plan; connects to nothing.
    pub fn new(plan: &KafkaPlan) -> Self {
        // No member of the group, and no owner of transactions: the run goes on undisturbed.
        Self { clients: Clients::new(plan, "statements"), alerts: plan.alerts_topic.clone() }
    }

    /// What has been told that `is_meant`, in the order of each partition.
    pub fn told(&self, is_meant: impl Fn(&[u8]) -> bool) -> Result<VecDeque<Heard>, DeskError> {
        let failed = |error| DeskError::from(self.failed(error));
        let reader: BaseConsumer<Listener> =
            self.clients.reader(true).create_with_context(self.clients.listener()).map_err(failed)?;
        let metadata = reader.fetch_metadata(Some(&self.alerts), CALL).map_err(failed)?;
        let partitions = metadata.topics().first().map_or(&[][..], |topic| topic.partitions());
        if partitions.is_empty() {
            return Err(DeskError::Missing(self.alerts.clone()));
        }
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition_offset(&self.alerts, partition.id(), Offset::Beginning).map_err(failed)?;
        }
        reader.assign(&list).map_err(failed)?;
        let mut open: Vec<i32> = partitions.iter().map(MetadataPartition::id).collect();
        let mut heard = VecDeque::new();
        while !open.is_empty() {
            match reader.poll(CALL) {
                Some(Ok(message)) => {
                    let line = message.payload().unwrap_or_default();
                    if is_meant(line) {
                        heard.push_back(Heard { line: line.to_vec(), from: origin(&message) });
                        if heard.len() > HEARD_MAX {
                            heard.pop_front();
                        }
                    }
                }
                // One may come to its end more than once, while somebody writes.
                Some(Err(KafkaError::PartitionEOF(ended))) => open.retain(|one| *one != ended),
                Some(Err(error)) => return Err(failed(error)),
                None => {
                    let silence = RDKafkaErrorCode::OperationTimedOut;
                    return Err(failed(KafkaError::MessageConsumption(silence)));
                }
            }
        }
        Ok(heard)
    }

    /// Brings a statement there, and waits until brokers have it.
    pub fn say(&self, way: &Way, line: &str) -> Result<(), DeskError> {
        let listener = self.clients.listener();
        let config = self.writer();
        let writer: BaseProducer<Listener> =
            config.create_with_context(listener.clone()).map_err(|error| self.failed(error))?;
        let (topic, record) = match way {
            Way::Partition(topic, partition) => {
                (topic, BaseRecord::<str, str>::to(topic).partition(*partition))
            }
            Way::Key(topic, key) => (topic, BaseRecord::to(topic).key(key.as_str())),
        };
        let lost = |why: String| DeskError::Undelivered(topic.clone(), why);
        writer.send(record.payload(line)).map_err(|(error, _)| lost(error.to_string()))?;
        writer.flush(CALL).map_err(|error| lost(error.to_string()))?;
        match listener.undelivered.load(Ordering::Relaxed) {
            0 => Ok(()),
            _ => Err(lost(self.clients.refusal().unwrap_or("a broker has refused it").to_owned())),
        }
    }

    fn writer(&self) -> ClientConfig {
        let mut config = self.clients.admin();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", CALL.as_millis().to_string());
        if config.get("partitioner").is_none() {
            // That of Kafka's own producers.
            config.set("partitioner", "murmur2_random");
        }
        config
    }

    fn failed(&self, error: KafkaError) -> TopicError {
        match self.clients.refusal() {
            Some(refusal) => TopicError::Refused(refusal.to_owned()),
            None => TopicError::Away(error),
        }
    }
}

/// Where the record stood that an alert was made by.
fn origin(message: &BorrowedMessage<'_>) -> Option<(String, i32)> {
    let headers = message.headers()?;
    let text = |name: &str| {
        let header = headers.iter().find(|header| header.key == name)?;
        std::str::from_utf8(header.value?).ok().map(str::to_owned)
    };
    Some((text("keyhound.source.topic")?, text("keyhound.source.partition")?.parse().ok()?))
}

//! Alerts and state to Kafka: one producer, with or without transactions.
//!
//! Every call blocks, so whoever has one has a thread of its own for it. After an error nobody knows what has been
//! done: the producer is given up, and what it was to write is written by the next one from a known state.

use crate::fault::step;
use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, NoCustomPartitioner, Producer, ProducerContext};
use std::sync::Arc;
use std::time::Duration;

/// How long to wait between looking after the producer. Not left to the binding: of a time below a millisecond, and of what
/// is left of a longer one in the end, it makes a loop that takes all of a processor, which brokers and the reading thread
/// may want.
const SERVE: Duration = Duration::from_millis(1);

/// A message on its way out.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition; by the key where there is none.
    pub partition: Option<i32>,
    /// The key.
    pub key: Vec<u8>,
    /// The value; without one, whatever the key stands for is no more.
    pub value: Option<Vec<u8>>,
    /// What is told beside it.
    pub headers: Vec<(&'static str, String)>,
}

/// A write of which nobody knows what became of it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KafkaSinkError {
    /// Another process has taken our place.
    #[error("{0}: another process or a broker has ended what this one was writing")]
    Fenced(KafkaError),
    /// Trying again may help.
    #[error(transparent)]
    Failed(KafkaError),
    /// Some messages were not delivered.
    #[error("not delivered in time")]
    Undelivered,
}

impl From<KafkaError> for KafkaSinkError {
    fn from(error: KafkaError) -> Self {
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::Fenced
                | RDKafkaErrorCode::ProducerFenced
                | RDKafkaErrorCode::InvalidProducerEpoch
                | RDKafkaErrorCode::FencedInstanceId
                | RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::IllegalGeneration,
            ) => Self::Fenced(error),
            _ => Self::Failed(error),
        }
    }
}

/// A producer.
pub struct KafkaSink<L: ProducerContext<NoCustomPartitioner, DeliveryOpaque = ()> + ClientContext> {
    producer: BaseProducer<L>,
    undelivered: Box<dyn Fn(&L) -> u64 + Send>,
    within: Duration,
}

impl<L: ProducerContext<NoCustomPartitioner, DeliveryOpaque = ()>> KafkaSink<L> {
    /// A producer; one with transactions ends those that an earlier one of its name has left open. `undelivered`
    /// says how many messages could not be delivered; calls take no longer than `within`.
    pub fn open(
        config: &ClientConfig,
        listener: L,
        undelivered: impl Fn(&L) -> u64 + Send + 'static,
        within: Duration,
    ) -> Result<Self, KafkaSinkError> {
        let producer: BaseProducer<L> = config.create_with_context(listener)?;
        if config.get("transactional.id").is_some() {
            // A token, where one is needed, is got by serving.
            producer.poll(Duration::ZERO);
            producer.init_transactions(within)?;
        }
        Ok(Self { producer, undelivered: Box::new(undelivered), within })
    }

    /// Begins a transaction.
    pub fn begin(&self) -> Result<(), KafkaSinkError> {
        Ok(self.producer.begin_transaction()?)
    }

    /// Puts a message into the queue, and waits while that is full.
    pub fn send(&self, message: &Outgoing) -> Result<(), KafkaSinkError> {
        let mut headers = OwnedHeaders::new_with_capacity(message.headers.len());
        for (key, value) in &message.headers {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&message.topic).key(&message.key[..]);
        record.partition = message.partition;
        record.payload = message.value.as_deref();
        if !message.headers.is_empty() {
            record.headers = Some(headers);
        }
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    self.serve();
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }

    /// Lets the producer say what it has to say, and gives it time.
    fn serve(&self) {
        self.producer.poll(Duration::ZERO);
        std::thread::sleep(SERVE);
    }

    /// Waits until everything sent has arrived.
    pub fn flush(&self) -> Result<(), KafkaSinkError> {
        // Told to flush, librdkafka lets nothing wait for company; how much is left is asked in steps, because the
        // binding's own way of waiting takes a tenth of a second at the least.
        let mut left = self.within;
        while self.producer.flush(Duration::ZERO).is_err() {
            self.serve();
            left = left.checked_sub(SERVE).ok_or(KafkaSinkError::Undelivered)?;
        }
        if (self.undelivered)(self.producer.context()) > 0 {
            Err(KafkaSinkError::Undelivered)
        } else {
            Ok(())
        }
    }

    /// Ends a transaction with the positions that it stands for. What it holds has to have arrived before: whoever
    /// takes over a partition sees by that whether to wait.
    pub fn commit(
        &self,
        positions: &TopicPartitionList,
        group: &ConsumerGroupMetadata,
    ) -> Result<(), KafkaSinkError> {
        self.flush()?;
        step("all_arrived");
        self.producer.send_offsets_to_transaction(positions, group, self.within)?;
        step("positions_sent");
        self.producer.commit_transaction(self.within)?;
        step("transaction_committed");
        Ok(())
    }

    /// Ends a transaction as if it had never been. Whether that succeeds does not matter: the next producer does it too.
    pub fn abort(&self) {
        let _ = self.producer.abort_transaction(Duration::from_secs(1));
    }
}

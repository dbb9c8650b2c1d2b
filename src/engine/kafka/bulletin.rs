//! A topic of one partition in which partitions tell everybody something about themselves: of each the latest word counts.

use super::client::{self, Clients, Listener, POLL, SILENCE};
use super::stages::Origin;
use crate::save::{Reader, Unreadable, Writer};
use crate::sink::kafka::Outgoing;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The form of what is written; another one is not read.
pub(super) const FORM: u32 = 4;
/// Messages that are heard at once.
const HEARD_MAX: usize = 64;

/// What a partition tells the others.
pub fn message(topic: &Arc<str>, origin: &Origin, word: &impl Serialize) -> Outgoing {
    let mut value = Writer::default();
    value.put(&(FORM, env!("CARGO_PKG_VERSION")));
    value.put(&(&*origin.topic, origin.partition));
    value.put(word);
    Outgoing {
        topic: Arc::clone(topic),
        partition: Some(0),
        key: format!("{}[{}]", origin.topic, origin.partition).into_bytes(),
        value: Some(value.into_bytes()),
        headers: Vec::new(),
    }
}

/// What is told and by whom; nothing where it has another form.
pub fn read<T: DeserializeOwned>(value: &[u8]) -> Result<Option<(Origin, T)>, Unreadable> {
    let mut value = Reader::new(value);
    let (form, _): (u32, &str) = value.take()?;
    if form != FORM {
        return Ok(None);
    }
    let (topic, partition): (&str, i32) = value.take()?;
    let word = value.take()?;
    if value.is_empty() {
        Ok(Some((Origin { topic: topic.into(), partition }, word)))
    } else {
        Err(Unreadable)
    }
}

/// Hears what partitions tell.
pub struct Bulletin {
    reader: BaseConsumer<Listener>,
    topic: String,
    /// It has been said that there is something in it that cannot be read.
    is_told: bool,
}

impl Bulletin {
    /// Nothing is heard yet.
    pub fn new(clients: &Arc<Clients>, topic: String) -> KafkaResult<Self> {
        let mut config = clients.reader(true);
        // Of a topic that was made anew everything counts.
        config.set("auto.offset.reset", "earliest");
        let reader: BaseConsumer<_> = config.create_with_context(clients.listener())?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, Offset::Beginning)?;
        reader.assign(&list)?;
        Ok(Self { reader, topic, is_told: false })
    }

    /// Hears everything that has been told so far.
    pub fn catch_up<T: DeserializeOwned>(
        &mut self,
        stop: &CancellationToken,
        mut hear: impl FnMut(Origin, T),
    ) {
        let mut quiet = 0;
        while !stop.is_cancelled() {
            match self.reader.poll(POLL) {
                Some(Err(KafkaError::PartitionEOF(_))) => return,
                Some(Ok(message)) => {
                    quiet = 0;
                    let value = message.payload().unwrap_or_default().to_vec();
                    self.take(&value, &mut hear);
                }
                Some(Err(error)) => tracing::debug!("kafka: {error}"),
                None => quiet += 1,
            }
            if quiet >= SILENCE {
                tracing::warn!("{}: brokers do not say what stands in it; asking again", self.topic);
                if let Err(error) = client::ask_again(&self.reader) {
                    tracing::debug!("kafka: {error}");
                }
                quiet = 0;
            }
        }
    }

    /// Hears what is new.
    pub fn hear<T: DeserializeOwned>(&mut self, mut hear: impl FnMut(Origin, T)) {
        for _ in 0..HEARD_MAX {
            let value = match self.reader.poll(Duration::ZERO) {
                Some(Ok(message)) => message.payload().unwrap_or_default().to_vec(),
                Some(Err(_)) => continue,
                None => return,
            };
            self.take(&value, &mut hear);
        }
    }

    fn take<T: DeserializeOwned>(&mut self, value: &[u8], hear: &mut impl FnMut(Origin, T)) {
        if let Ok(Some((origin, word))) = read(value) {
            hear(origin, word);
        } else if !std::mem::replace(&mut self.is_told, true) {
            tracing::warn!(
                "{}: another version or somebody else writes to it; that is passed over",
                self.topic
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read_and_another_form_is_not() {
        let origin = Origin { topic: "usage".into(), partition: 3 };
        let told = message(&"keyhound-words".into(), &origin, &"a word").value.unwrap();
        assert_eq!(read::<String>(&told).unwrap(), Some((origin, "a word".to_owned())));
        let mut other = Writer::default();
        other.put(&(FORM + 1, "9.0.0"));
        assert_eq!(read::<String>(&other.into_bytes()).unwrap(), None);
        assert!(read::<String>(&told[..told.len() - 1]).is_err());
        assert!(read::<String>(&[told, vec![0]].concat()).is_err());
    }
}

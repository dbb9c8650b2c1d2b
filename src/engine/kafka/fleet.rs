//! The topic in which partitions tell each other what is usual among their keys: of each the latest word.

use super::cell::Cell;
use super::client::{Clients, Listener};
use super::stages::{Layout, Origin};
use crate::config::KafkaPlan;
use crate::incident::Fleet;
use crate::save::{Reader, Unreadable, Writer};
use crate::sink::kafka::Outgoing;
use crate::source::kafka::Place;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The form of what is written; another one is not read.
const FORM: u32 = 1;
/// How long to wait for a message; nothing for so many times is told.
const AGAIN: Duration = Duration::from_millis(100);
const SLOW: u32 = 50;
/// Messages that are heard at once.
const HEARD_MAX: usize = 64;

/// What a partition tells the others.
pub fn message(topic: &Arc<str>, origin: &Origin, own: &Fleet) -> Outgoing {
    let mut value = Writer::default();
    value.put(&(FORM, env!("CARGO_PKG_VERSION")));
    value.put(&(&*origin.topic, origin.partition));
    value.put(own);
    Outgoing {
        topic: Arc::clone(topic),
        partition: Some(0),
        key: format!("{}[{}]", origin.topic, origin.partition).into_bytes(),
        value: Some(value.into_bytes()),
        headers: Vec::new(),
    }
}

fn read(value: &[u8]) -> Result<Option<(Origin, Fleet)>, Unreadable> {
    let mut value = Reader::new(value);
    let (form, _): (u32, &str) = value.take()?;
    if form != FORM {
        return Ok(None);
    }
    let (topic, partition): (&str, i32) = value.take()?;
    Ok(Some((Origin { topic: topic.into(), partition }, value.take()?)))
}

/// Hears what partitions tell each other.
pub struct FleetLog {
    reader: BaseConsumer<Listener>,
    topic: String,
    known: BTreeMap<Origin, Fleet>,
    is_told: bool,
}

impl FleetLog {
    /// Nothing is heard yet.
    pub fn new(clients: &Arc<Clients>, plan: &KafkaPlan) -> KafkaResult<Self> {
        let reader: BaseConsumer<_> = clients.reader(true).create_with_context(clients.listener())?;
        let topic = plan.fleet_topic();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, Offset::Beginning)?;
        reader.assign(&list)?;
        Ok(Self { reader, topic, known: BTreeMap::new(), is_told: false })
    }

    /// Hears everything that has been told so far.
    pub fn catch_up(&mut self, stop: &CancellationToken) {
        let mut quiet = 0_u32;
        while !stop.is_cancelled() {
            match self.reader.poll(AGAIN) {
                Some(Err(KafkaError::PartitionEOF(_))) => return,
                Some(Ok(message)) => {
                    let value = message.payload().unwrap_or_default().to_vec();
                    self.take(&value);
                }
                Some(Err(error)) => tracing::debug!("kafka: {error}"),
                None => {
                    quiet += 1;
                    if quiet.is_multiple_of(SLOW) {
                        tracing::warn!("{}: brokers do not say what stands in it; still waiting", self.topic);
                    }
                }
            }
        }
    }

    /// What is new, by whose keys it is from.
    fn hear(&mut self) -> Vec<(Origin, Fleet)> {
        let mut news = Vec::new();
        while news.len() < HEARD_MAX {
            let value = match self.reader.poll(Duration::ZERO) {
                Some(Ok(message)) => message.payload().unwrap_or_default().to_vec(),
                Some(Err(_)) => continue,
                None => break,
            };
            news.extend(self.take(&value));
        }
        news
    }

    /// Tells cells what the keys of others have added.
    pub fn pass_on(&mut self, layout: &Layout, cells: &mut BTreeMap<Place, Cell>) {
        for (origin, news) in self.hear() {
            let others = cells.iter_mut().filter(|(place, _)| layout.origin(**place) != origin);
            others.for_each(|(_, cell)| cell.hear(&news));
        }
    }

    fn take(&mut self, value: &[u8]) -> Option<(Origin, Fleet)> {
        let Ok(Some((origin, now))) = read(value) else {
            if !std::mem::replace(&mut self.is_told, true) {
                tracing::warn!(
                    "{}: another version or somebody else writes to it; that is passed over",
                    self.topic
                );
            }
            return None;
        };
        let before = self.known.insert(origin.clone(), now.clone()).unwrap_or_default();
        Some((origin, now.since(&before)))
    }

    /// All that has been told by others than this one.
    pub fn others(&self, origin: &Origin) -> Fleet {
        let mut all = Fleet::default();
        self.known.iter().filter(|(of, _)| *of != origin).for_each(|(_, fleet)| all.add_all(fleet));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read_and_another_form_is_not() {
        let (origin, mut fleet) = (Origin { topic: "usage".into(), partition: 3 }, Fleet::default());
        fleet.add_key();
        let told = message(&"keyhound-fleet".into(), &origin, &fleet).value.unwrap();
        assert_eq!(read(&told).unwrap(), Some((origin, fleet)));
        let mut other = Writer::default();
        other.put(&(FORM + 1, "9.0.0"));
        assert_eq!(read(&other.into_bytes()).unwrap(), None);
        assert!(read(&told[..told.len() - 1]).is_err());
    }
}

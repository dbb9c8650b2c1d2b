//! Statements that go to a topic: found is where the records of the key are by what was told of it before.

use super::super::{Failure, check, exit};
use super::{Key, Whither};
use crate::config::KafkaPlan;
use crate::engine::kafka::{Desk, DeskError, Heard, Way};
use crate::respond::{Facts, FactsError};
use anyhow::anyhow;
use std::path::Path;

/// The topics of a configuration.
pub(super) struct Topics {
    plan: KafkaPlan,
    desk: Desk,
}

impl Topics {
    pub(super) fn open(config: &Path) -> Result<Self, Failure> {
        let (_, plan) = check::load(Some(config))?;
        let Some(plan) = plan.kafka else {
            let name = config.display();
            let error = anyhow!(
                "{name}: `kafka.bootstrap_servers` is not set: it says nothing of Kafka (docs/kafka.md)"
            );
            return Err(Failure::new(exit::CONFIG, error));
        };
        Ok(Self { desk: Desk::new(&plan), plan })
    }

    /// The incident whose id begins like this, and where the records of its key are.
    pub(super) fn incident(&self, id: &str) -> Result<(Facts, Option<Way>), Failure> {
        let id = id.to_ascii_lowercase();
        let finder = memchr::memmem::Finder::new(id.as_bytes());
        let heard = self.desk.told(|line| finder.find(line).is_some()).map_err(failed)?;
        let told = Facts::find(&id, heard.iter().map(|heard| &heard.line)).map_err(|error| {
            let code = if matches!(error, FactsError::Several(..)) { exit::USAGE } else { exit::DATA };
            Failure::new(code, anyhow!("topic `{}`: {error}", self.plan.alerts_topic))
        })?;
        let way = heard.iter().rev().find(|heard| finds(heard, &told.key_id)).and_then(way);
        Ok((told, way))
    }

    /// Where the records of a key are.
    pub(super) fn key(&self, key: &Key, whither: &Whither) -> Result<Way, Failure> {
        if let Some(message_key) = &whither.message_key {
            return match &*self.plan.topics {
                [topic] => Ok(Way::Key(topic.clone(), message_key.clone())),
                _ => Err(Failure::new(
                    exit::USAGE,
                    anyhow!("`kafka.topics` has several topics: of which --message-key speaks is not known"),
                )),
            };
        }
        if self.plan.repartition
            && let Some(topic) = self.plan.topics.first()
        {
            // Records are brought together by key from wherever they are.
            return Ok(Way::Partition(topic.clone(), 0));
        }
        let names = [key.key.clone(), key.key_id.map(|id| id.to_string())];
        let names: Vec<String> = names.into_iter().flatten().collect();
        let is_meant =
            |line: &[u8]| names.iter().all(|name| memchr::memmem::find(line, name.as_bytes()).is_some());
        let heard = self.desk.told(is_meant).map_err(failed)?;
        let is_of_key = |heard: &&Heard| names.iter().all(|name| finds(heard, name));
        heard.iter().rev().find(is_of_key).and_then(way).ok_or_else(|| {
            let message = "topic `{}` tells nothing of this key, so nobody knows in which partition its records are: say with \
                           --message-key which key producers give to their messages of it";
            Failure::new(exit::DATA, anyhow!(message.replace("{}", &self.plan.alerts_topic)))
        })
    }

    pub(super) fn say(&self, way: &Way, line: &str) -> Result<(), Failure> {
        self.desk.say(way, line).map_err(failed)
    }
}

fn failed(error: DeskError) -> Failure {
    Failure::new(exit::UNAVAILABLE, error)
}

fn way(heard: &Heard) -> Option<Way> {
    heard.from.clone().map(|(topic, partition)| Way::Partition(topic, partition))
}

/// Whether something was told of a key that is called so.
fn finds(heard: &Heard, name: &str) -> bool {
    let event: serde_json::Value = serde_json::from_slice(&heard.line).unwrap_or_default();
    [&event["api_key_prefix"], &event["key_id"]].into_iter().any(|known| known.as_str() == Some(name))
}

//! The names of topics that are keyhound's own.

use super::{KafkaConfig, KafkaPlan};

impl KafkaPlan {
    /// The name of the topic that keeps the state for a topic of records.
    pub fn changelog(&self, topic: &str) -> String {
        if self.own_topics().iter().any(|own| own == topic) {
            return format!("{topic}-changelog");
        }
        format!("{}-{topic}-changelog", self.changelog_prefix)
    }

    /// The topics of our own between the stages: with the records by key, and with halves of requests.
    pub fn own_topics(&self) -> Vec<String> {
        if self.repartition { own_topics(&self.changelog_prefix).into() } else { Vec::new() }
    }

    /// The topic in which partitions tell each other what is usual among their keys.
    pub fn fleet_topic(&self) -> String {
        fleet_topic(&self.changelog_prefix)
    }

    /// The topic in which partitions tell each other how far they have come.
    pub fn progress_topic(&self) -> String {
        progress_topic(&self.changelog_prefix)
    }

    /// The topic in which what goes to a sink waits for it.
    pub fn sink_topic(&self, sink: &str) -> String {
        format!("{}{sink}", sink_topics(&self.changelog_prefix))
    }

    /// The group whose members bring to the sinks what waits for them.
    pub fn sink_group(&self) -> String {
        format!("{}-sinks", self.group_id)
    }

    /// All topics that are read.
    pub fn read_topics(&self) -> Vec<String> {
        let mut topics = self.topics.clone();
        topics.extend(self.own_topics());
        topics
    }
}

fn own_topics(prefix: &str) -> [String; 2] {
    [format!("{prefix}-repartition"), format!("{prefix}-halves")]
}

fn fleet_topic(prefix: &str) -> String {
    format!("{prefix}-fleet")
}

/// What the names of the topics begin with in which alerts wait for sinks.
pub(super) fn sink_topics(prefix: &str) -> String {
    format!("{prefix}-sink-")
}

fn progress_topic(prefix: &str) -> String {
    format!("{prefix}-progress")
}

/// What no topic that is configured may be called: the topics of our own that follow from `topics`, and those that a
/// change of `kafka.repartition` or `incidents.enabled` would make so.
pub(super) fn internal(config: &KafkaConfig, prefix: &str) -> Vec<String> {
    let mut internal = changelogs(config, prefix);
    let own = own_topics(prefix);
    internal.extend(own.iter().map(|topic| format!("{topic}-changelog")));
    internal.extend(own);
    internal.extend([progress_topic(prefix), fleet_topic(prefix)]);
    internal
}

/// The topic with records whose state would stand in that of a topic between the stages.
pub(super) fn ambiguous<'a>(config: &'a KafkaConfig, prefix: &str) -> Option<&'a str> {
    let own = own_topics(prefix).map(|topic| format!("{topic}-changelog"));
    let mut named = config.topics.iter().zip(changelogs(config, prefix)).filter(|_| config.repartition);
    named.find(|(_, changelog)| own.contains(changelog)).map(|(topic, _)| topic.as_str())
}

fn changelogs(config: &KafkaConfig, prefix: &str) -> Vec<String> {
    config.topics.iter().map(|topic| format!("{prefix}-{topic}-changelog")).collect()
}

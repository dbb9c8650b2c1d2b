//! The topics of a run: those with records have to be there, the others are made if they are not.

use super::client::{CALL, Clients};
use crate::config::KafkaPlan;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use std::sync::Arc;

/// Topics that cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// No broker answers, or not as it should.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// A topic with records is not there.
    #[error("topic `{0}` is not there; `kafka.topics` names the topics with usage records")]
    Missing(String),
    /// A topic could not be made.
    #[error("topic `{topic}` cannot be made: {error}; make it, with {partitions} partitions")]
    Make {
        /// The topic.
        topic: String,
        /// What the broker says.
        error: String,
        /// How many partitions it needs.
        partitions: usize,
    },
    /// Partitions have been added: keys are elsewhere now than their state.
    #[error(
        "topic `{topic}` has {partitions} partitions, but the state in `{changelog}` is of {known}: keys are in other \
         partitions now. Delete `{changelog}` to begin without state, or choose another `kafka.changelog_prefix`"
    )]
    Partitions {
        /// The topic with records.
        topic: String,
        /// Its partitions.
        partitions: usize,
        /// The topic with the state.
        changelog: String,
        /// Its partitions.
        known: usize,
    },
    /// What the state is in would forget it.
    #[error("topic `{0}` has `cleanup.policy={1}`; it holds the state and needs `compact`")]
    Policy(String, String),
    /// A thread that helps could not be asked.
    #[error("cannot start: {0}")]
    Start(String),
}

/// Checks the topics and makes those that are missing; how many partitions each topic with records has.
pub async fn prepare(clients: &Arc<Clients>, plan: &KafkaPlan) -> Result<Vec<usize>, TopicError> {
    let admin: AdminClient<_> = clients.admin().create_with_context(clients.listener())?;
    let metadata = metadata(clients).await?;
    let mut partitions = Vec::new();
    for topic in &plan.topics {
        let count = count(&metadata, topic).ok_or_else(|| TopicError::Missing(topic.clone()))?;
        partitions.push(count);
        let changelog = plan.changelog(topic);
        match self::count(&metadata, &changelog) {
            Some(known) if known != count => {
                let topic = topic.clone();
                return Err(TopicError::Partitions { topic, partitions: count, changelog, known });
            }
            Some(_) => check_policy(&admin, &changelog).await?,
            None => make(&admin, plan, &changelog, count, true).await?,
        }
    }
    for topic in [Some(&plan.alerts_topic), plan.rejects_topic.as_ref()].into_iter().flatten() {
        if count(&metadata, topic).is_none() {
            make(&admin, plan, topic, 1, false).await?;
        }
    }
    Ok(partitions)
}

/// All topics. The call blocks, and the runtime has one thread.
async fn metadata(clients: &Arc<Clients>) -> Result<Metadata, TopicError> {
    let clients = Arc::clone(clients);
    let ask = move || -> Result<Metadata, KafkaError> {
        use rdkafka::consumer::{BaseConsumer, Consumer};
        let asker: BaseConsumer<_> = clients.reader(true).create_with_context(clients.listener())?;
        asker.poll(std::time::Duration::ZERO);
        asker.fetch_metadata(None, CALL)
    };
    tokio::task::spawn_blocking(ask)
        .await
        .map_err(|error| TopicError::Start(error.to_string()))?
        .map_err(Into::into)
}

fn count(metadata: &Metadata, topic: &str) -> Option<usize> {
    let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none())?;
    (!found.partitions().is_empty()).then(|| found.partitions().len())
}

async fn check_policy<C: rdkafka::ClientContext>(
    admin: &AdminClient<C>,
    topic: &str,
) -> Result<(), TopicError> {
    let asked = admin
        .describe_configs(
            &[ResourceSpecifier::Topic(topic)],
            &AdminOptions::new().request_timeout(Some(CALL)),
        )
        .await;
    // Whoever may not ask has to know.
    for resource in asked.unwrap_or_default() {
        let Ok(resource) = resource else { continue };
        let policy = resource.get("cleanup.policy").and_then(|entry| entry.value.clone());
        if let Some(policy) = policy.filter(|policy| policy != "compact") {
            return Err(TopicError::Policy(topic.to_owned(), policy));
        }
    }
    Ok(())
}

async fn make<C: rdkafka::ClientContext>(
    admin: &AdminClient<C>,
    plan: &KafkaPlan,
    topic: &str,
    partitions: usize,
    is_state: bool,
) -> Result<(), TopicError> {
    let count = i32::try_from(partitions).unwrap_or(i32::MAX);
    let copies = plan.replication_factor.map_or(-1, i32::from);
    let mut new = NewTopic::new(topic, count, TopicReplication::Fixed(copies));
    if is_state {
        // What a crash has left half written must not displace what was whole before it is written again.
        new = new.set("cleanup.policy", "compact").set("min.compaction.lag.ms", "600000");
    }
    let failed = |error: String| TopicError::Make { topic: topic.to_owned(), error, partitions };
    let made = admin
        .create_topics(&[new], &AdminOptions::new().request_timeout(Some(CALL)).operation_timeout(Some(CALL)))
        .await;
    for result in made.map_err(|error| failed(error.to_string()))? {
        match result {
            // Another process was quicker.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(failed(code.to_string())),
        }
    }
    tracing::info!("topic `{topic}` made, with {partitions} partitions");
    Ok(())
}

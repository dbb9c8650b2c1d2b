//! The topics of a run: those with records have to be there, the others are made if they are not.

use super::client::{CALL, Clients};
use crate::config::{KafkaPlan, Plan};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use std::sync::Arc;
use std::time::Duration;

/// How long an answer is waited for at a time.
const STEP: Duration = Duration::from_secs(1);

/// How often a new topic is looked for, and how long to wait in between.
const TRIES: usize = 100;
const AGAIN: Duration = Duration::from_millis(50);
/// What waits for sinks is deleted as any message is, but not before a receiver had time to come back.
const WAITING: &str = "delete, for sinks";
const WAITING_MS: &str = "2592000000";

/// Topics that cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// No broker answers, or not as it should.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// Brokers do not let us in.
    #[error("{0}")]
    Refused(String),
    /// Nobody answers.
    #[error(
        "{0}: no broker of `kafka.bootstrap_servers` answers. If that is where they are, they may want TLS \
         (`kafka.tls.enabled`) or to know who we are (`kafka.sasl.mechanism`)"
    )]
    Away(KafkaError),
    /// A topic with records is not there.
    #[error("topic `{0}` is not there; `kafka.topics` names the topics with usage records")]
    Missing(String),
    /// A topic could not be made.
    #[error("topic `{topic}` cannot be made: {error}; make it, with {partitions} partitions{policy}")]
    Make {
        /// The topic.
        topic: String,
        /// What the broker says.
        error: String,
        /// How many partitions it needs.
        partitions: usize,
        /// What else it needs.
        policy: String,
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
    /// What the state is in would forget it, or records that are passed on would displace each other.
    #[error("topic `{topic}` has `cleanup.policy={policy}`; it needs `{wanted}`")]
    Policy {
        /// The topic.
        topic: String,
        /// What it has.
        policy: String,
        /// What it should have.
        wanted: &'static str,
    },
    /// The records of a key would be in other partitions than those before.
    #[error(
        "topic `{topic}` has {known} partitions, but `kafka.repartition_partitions` is {wanted}: records of a key would be \
         in other partitions than before. Set it to {known} or 0, or choose another `kafka.changelog_prefix`"
    )]
    Repartition {
        /// The topic.
        topic: String,
        /// Its partitions.
        known: usize,
        /// Those it should have.
        wanted: usize,
    },
    /// What goes to a sink is in one order.
    #[error(
        "topic `{topic}` has {known} partitions; what waits for a sink has to be in one: delete it, it is made anew"
    )]
    Sink {
        /// The topic.
        topic: String,
        /// Its partitions.
        known: usize,
    },
    /// A thread that helps could not be asked.
    #[error("cannot start: {0}")]
    Start(String),
}

/// Checks the topics and makes those that are missing; how many partitions each topic with records has.
pub async fn prepare(
    clients: &Arc<Clients>,
    plan: &KafkaPlan,
    checked: &Plan,
) -> Result<Vec<usize>, TopicError> {
    let admin: AdminClient<_> = clients.admin().create_with_context(clients.listener())?;
    let metadata = metadata(clients).await?;
    let mut partitions = Vec::new();
    for topic in &plan.topics {
        let count = count(&metadata, topic).ok_or_else(|| TopicError::Missing(topic.clone()))?;
        partitions.push(count);
    }
    let largest = partitions.iter().copied().max().unwrap_or(1);
    for topic in plan.own_topics() {
        let wanted = plan.repartition_partitions;
        let known = count(&metadata, &topic);
        partitions.push(known.or(wanted).unwrap_or(largest));
        match (known, wanted) {
            (Some(known), Some(wanted)) if known != wanted => {
                return Err(TopicError::Repartition { topic, known, wanted });
            }
            (Some(_), _) if clients.can_administer() => check_policy(&admin, &topic, "delete").await?,
            (Some(_), _) => {}
            (None, _) => make(&admin, (clients, plan), &topic, wanted.unwrap_or(largest), "delete").await?,
        }
    }
    for (topic, count) in plan.read_topics().into_iter().zip(&partitions) {
        let changelog = plan.changelog(&topic);
        match self::count(&metadata, &changelog) {
            Some(known) if known != *count => {
                return Err(TopicError::Partitions { topic, partitions: *count, changelog, known });
            }
            Some(_) if clients.can_administer() => check_policy(&admin, &changelog, "compact").await?,
            Some(_) => {}
            None => make(&admin, (clients, plan), &changelog, *count, "compact").await?,
        }
    }
    let fleet = checked.shard.incidents.is_some().then(|| plan.fleet_topic());
    let progress = plan.repartition.then(|| plan.progress_topic());
    for topic in [fleet, progress].into_iter().flatten() {
        match count(&metadata, &topic) {
            Some(1) if clients.can_administer() => check_policy(&admin, &topic, "compact").await?,
            Some(1) => {}
            Some(known) => return Err(TopicError::Repartition { topic, known, wanted: 1 }),
            None => make(&admin, (clients, plan), &topic, 1, "compact").await?,
        }
    }
    prepare_sinks(&admin, (clients, plan), &metadata, checked).await?;
    for topic in [Some(&plan.alerts_topic), plan.rejects_topic.as_ref()].into_iter().flatten() {
        if count(&metadata, topic).is_none() {
            make(&admin, (clients, plan), topic, 1, "").await?;
        }
    }
    Ok(partitions)
}

/// The topics in which alerts wait for sinks.
async fn prepare_sinks<C: rdkafka::ClientContext>(
    admin: &AdminClient<C>,
    (clients, plan): (&Arc<Clients>, &KafkaPlan),
    known: &Metadata,
    checked: &Plan,
) -> Result<(), TopicError> {
    let mut made = Vec::new();
    for sink in &checked.sinks {
        let topic = plan.sink_topic(&sink.name);
        match count(known, &topic) {
            Some(1) if clients.can_administer() => check_policy(admin, &topic, "delete").await?,
            Some(1) => {}
            Some(known) => return Err(TopicError::Sink { topic, known }),
            None => {
                make(admin, (clients, plan), &topic, 1, WAITING).await?;
                made.push(topic);
            }
        }
    }
    // Brokers tell each other of a new topic, and until then whoever wants to read it is told that there is none.
    for _ in 0..TRIES {
        if made.is_empty() {
            break;
        }
        let now = metadata(clients).await?;
        made.retain(|topic| count(&now, topic).is_none());
        tokio::time::sleep(AGAIN).await;
    }
    Ok(())
}

/// All topics. The call blocks, and the runtime has one thread.
async fn metadata(clients: &Arc<Clients>) -> Result<Metadata, TopicError> {
    let clients = Arc::clone(clients);
    tokio::task::spawn_blocking(move || ask(&clients))
        .await
        .map_err(|error| TopicError::Start(error.to_string()))?
}

fn ask(clients: &Clients) -> Result<Metadata, TopicError> {
    let asker: BaseConsumer<_> = clients.reader(true).create_with_context(clients.listener())?;
    let mut left = CALL;
    loop {
        // A token, where one is needed, is got by serving, and what brokers refuse is heard by it.
        while asker.poll(Duration::ZERO).is_some() {}
        if let Some(refusal) = clients.refusal() {
            return Err(TopicError::Refused(refusal.to_owned()));
        }
        match (asker.fetch_metadata(None, STEP), left.checked_sub(STEP)) {
            (Ok(metadata), _) => return Ok(metadata),
            (Err(_), Some(rest)) => left = rest,
            (Err(error), None) => return Err(TopicError::Away(error)),
        }
    }
}

fn count(metadata: &Metadata, topic: &str) -> Option<usize> {
    let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none())?;
    (!found.partitions().is_empty()).then(|| found.partitions().len())
}

async fn check_policy<C: rdkafka::ClientContext>(
    admin: &AdminClient<C>,
    topic: &str,
    wanted: &'static str,
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
        if let Some(policy) = policy.filter(|policy| policy != wanted) {
            return Err(TopicError::Policy { topic: topic.to_owned(), policy, wanted });
        }
    }
    Ok(())
}

async fn make<C: rdkafka::ClientContext>(
    admin: &AdminClient<C>,
    (clients, plan): (&Clients, &KafkaPlan),
    topic: &str,
    partitions: usize,
    policy: &'static str,
) -> Result<(), TopicError> {
    let count = i32::try_from(partitions).unwrap_or(i32::MAX);
    let copies = plan.replication_factor.map_or(-1, i32::from);
    let mut new = NewTopic::new(topic, count, TopicReplication::Fixed(copies));
    let is_waiting = policy == WAITING;
    let policy = if is_waiting { "delete" } else { policy };
    if is_waiting {
        new = new.set("retention.ms", WAITING_MS);
    }
    if !policy.is_empty() {
        new = new.set("cleanup.policy", policy);
    }
    if policy == "compact" {
        // What a crash has left half written must not displace what was whole before it is written again.
        new = new.set("min.compaction.lag.ms", "600000");
    }
    let policy = match policy {
        "" => String::new(),
        policy => format!(" and `cleanup.policy={policy}`"),
    };
    let failed = |error: String| {
        let (topic, policy) = (topic.to_owned(), policy.clone());
        TopicError::Make { topic, error, partitions, policy }
    };
    if !clients.can_administer() {
        return Err(failed("with `kafka.sasl.token_file` that is up to you".to_owned()));
    }
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

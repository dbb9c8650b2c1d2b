//! What every client of librdkafka is told, and what it tells us.

use super::refusal::Refusal;
use crate::config::{Guarantee, KafkaPlan, Secret, Start};
use crate::encode::Visible;
use crate::engine::clock;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, NoCustomPartitioner, ProducerContext};
use rdkafka::{Offset, TopicPartitionList};
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// How long a call to a broker may take before it counts as failed.
pub const CALL: Duration = Duration::from_secs(10);
/// How long to wait for a message; where nothing comes so many times in a row, brokers are asked anew.
pub const POLL: Duration = Duration::from_millis(100);
/// See [`POLL`].
pub const SILENCE: u32 = 50;
/// While no broker answers, that is said after so many seconds of silence about it.
const AWAY_S: i64 = 5;
/// How long a token is taken for valid at most; the file is read again well before.
const TOKEN: Duration = Duration::from_secs(300);

/// Settings of the clients of one run.
pub struct Clients {
    plan: KafkaPlan,
    /// The name under which transactions are made.
    transactional_id: String,
    told: Arc<AtomicI64>,
    refused: Arc<AtomicI64>,
    refusal: Arc<Refusal>,
}

impl Clients {
    /// For a plan; `unique` tells this process from all others.
    pub fn new(plan: &KafkaPlan, unique: &str) -> Self {
        let instance = plan.instance_id.as_deref().unwrap_or(unique);
        let transactional_id = format!("{}-{instance}", plan.group_id);
        let plan = plan.clone();
        Self {
            plan,
            transactional_id,
            told: Arc::default(),
            refused: Arc::default(),
            refusal: Arc::default(),
        }
    }

    /// What brokers have refused first.
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.0.get().map(String::as_str)
    }

    /// Whether topics can be asked about and made. The client that does so cannot be given a token: the binding has no
    /// way to serve it.
    pub fn can_administer(&self) -> bool {
        self.plan.token.is_none()
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, Secret(value)) in &self.plan.properties {
            config.set(name, value);
        }
        config.set_log_level(RDKafkaLogLevel::Warning);
        config
    }

    /// The member of the group.
    pub fn member(&self) -> ClientConfig {
        let mut config = self.reader(true);
        if let Some(instance) = &self.plan.instance_id {
            config.set("group.instance.id", instance);
        }
        let session = self.plan.session_timeout.as_millis();
        config
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session.to_string())
            .set("heartbeat.interval.ms", (session / 5).clamp(100, 3000).to_string())
            .set("max.poll.interval.ms", (session * 3).max(300_000).to_string())
            .set("statistics.interval.ms", "5000");
        config
    }

    /// A reader of partitions of its own choice.
    pub fn reader(&self, committed: bool) -> ClientConfig {
        let mut config = self.config();
        if config.get("fetch.wait.max.ms").is_none() {
            // Without this, that nothing more comes is known only after half a second.
            config.set("fetch.wait.max.ms", "20");
        }
        config
            .set("group.id", &self.plan.group_id)
            .set("isolation.level", if committed { "read_committed" } else { "read_uncommitted" })
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            // A position that is no more is told, never passed over.
            .set("auto.offset.reset", "error");
        config
    }

    /// What alerts and state are written by.
    pub fn producer(&self) -> ClientConfig {
        let mut config = self.config();
        config.set("enable.idempotence", "true").set("acks", "all").set("delivery.report.only.error", "true");
        if config.get("queue.buffering.max.messages").is_none() {
            config.set("queue.buffering.max.messages", "1000000");
        }
        if self.plan.guarantee == Guarantee::ExactlyOnce {
            config
                .set("transactional.id", &self.transactional_id)
                .set("transaction.timeout.ms", self.plan.transaction_timeout.as_millis().to_string());
        }
        config
    }

    /// For questions and for making topics.
    pub fn admin(&self) -> ClientConfig {
        self.config()
    }

    /// What hears of one of them.
    pub fn listener(&self) -> Listener {
        Listener {
            token: self.plan.token.clone(),
            told: Arc::clone(&self.told),
            refused: Arc::clone(&self.refused),
            refusal: Arc::clone(&self.refusal),
            undelivered: Arc::default(),
        }
    }

    /// Where to begin when nothing was read yet.
    pub fn start(&self) -> Start {
        self.plan.start
    }
}

/// Hears what clients have to say.
#[derive(Clone)]
pub struct Listener {
    token: Option<(PathBuf, String)>,
    /// When it was last said that no broker answers, in seconds.
    told: Arc<AtomicI64>,
    /// When something was last refused that was told, in seconds.
    refused: Arc<AtomicI64>,
    refusal: Arc<Refusal>,
    /// Messages that could not be delivered.
    pub undelivered: Arc<AtomicU64>,
}

/// Whether that has not been said for a while; it is said now.
fn is_news(told: &AtomicI64) -> bool {
    let now = clock::now().0 / 1_000_000_000;
    now - told.swap(now, Ordering::Relaxed) >= AWAY_S
}

impl ClientContext for Listener {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            // What a broker that is away looks like is told once, by `error`.
            _ if facility == "FAIL" || facility == "CONFWARN" => {
                self.refusal.hear(None, message, self.token.is_some());
                tracing::debug!("kafka: {}", Visible(message));
            }
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error => tracing::error!("kafka: {}", Visible(message)),
            RDKafkaLogLevel::Warning => tracing::warn!("kafka: {}", Visible(message)),
            _ => tracing::debug!("kafka: {}", Visible(message)),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        if let Some(told) = self.refusal.hear(code, reason, self.token.is_some()) {
            if is_news(&self.refused) {
                tracing::warn!("kafka: {told}");
            }
            return;
        }
        // Brokers that are away are away until they are back: it is said now and then.
        if code == Some(RDKafkaErrorCode::AllBrokersDown) && !is_news(&self.told) {
            return;
        }
        if let Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::PartitionEOF) = code {
            tracing::debug!("kafka: {}", Visible(reason));
        } else {
            tracing::warn!("kafka: {}", Visible(reason));
        }
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let (path, principal) = self.token.as_ref().ok_or("`kafka.sasl.token_file` is not set")?;
        let text = crate::config::read_text(path).map_err(|error| {
            tracing::warn!("kafka: `{}`: {error}", Visible(&path.display().to_string()));
            error
        })?;
        let token = text.trim().to_owned();
        let now = clock::now().0 / 1_000_000;
        let lifetime = i64::try_from(TOKEN.as_millis()).unwrap_or(i64::MAX);
        let lifetime_ms = expiry_ms(&token).unwrap_or(i64::MAX).min(now.saturating_add(lifetime));
        if lifetime_ms <= now {
            let told = format!(
                "`kafka.sasl.token_file`: the token in `{}` has expired; whoever renews it has not done so",
                Visible(&path.display().to_string())
            );
            if is_news(&self.refused) {
                tracing::warn!("kafka: {told}");
            }
            let _ = self.refusal.0.set(told.clone());
            return Err(told.into());
        }
        Ok(OAuthToken { token, principal_name: principal.clone(), lifetime_ms })
    }
}

/// When a token says that it ends, in milliseconds since 1970; nothing where it does not say so in the form of a JWT.
fn expiry_ms(token: &str) -> Option<i64> {
    let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?.trim_end_matches('=')).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    claims.get("exp")?.as_i64()?.checked_mul(1000)
}

impl ConsumerContext for Listener {}

impl ProducerContext<NoCustomPartitioner> for Listener {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): Self::DeliveryOpaque) {
        if let Err((error, _)) = result {
            self.undelivered.fetch_add(1, Ordering::Relaxed);
            tracing::debug!("kafka: not delivered: {error}");
        }
    }
}

/// Asks brokers anew for what is being read, from where reading stands. A reader of the tests once heard nothing for a
/// minute, from a broker that was there; nobody should have to end a worker because of that.
pub fn ask_again(reader: &BaseConsumer<Listener>) -> KafkaResult<()> {
    let stands = reader.position()?;
    let mut list = TopicPartitionList::new();
    for one in stands.elements() {
        let from = match one.offset() {
            // Nothing of it has been heard.
            Offset::Invalid => Offset::Beginning,
            offset => offset,
        };
        list.add_partition_offset(one.topic(), one.partition(), from)?;
    }
    reader.unassign()?;
    reader.assign(&list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_when_it_ends() {
        let of = |claims: &str| expiry_ms(&format!("e30.{}.x", BASE64_URL_SAFE_NO_PAD.encode(claims)));
        assert_eq!(of(r#"{"sub":"k","exp":1780000000}"#), Some(1_780_000_000_000));
        for claims in [r#"{"sub":"k"}"#, r#"{"exp":"soon"}"#, "exp", r#"{"exp":9223372036854775807}"#] {
            assert_eq!(of(claims), None, "{claims}");
        }
        for token in ["", "opaque", "a.b", "a.!.c"] {
            assert_eq!(expiry_ms(token), None, "{token}");
        }
    }
}

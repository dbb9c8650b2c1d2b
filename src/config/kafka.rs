//! `[kafka]`: from which topics records come and to which alerts go, with everything it names checked and read.

mod names;

use super::ConfigError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Kafka as input and output.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaConfig {
    /// Brokers to begin with, as `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// Topics with usage records.
    pub topics: Vec<String>,
    /// Whether records of one key may be in any partition: they are brought together in a topic of keyhound's own.
    pub repartition: bool,
    /// How many partitions that topic is made with; 0 for as many as the largest topic with records.
    pub repartition_partitions: u16,
    /// Where alerts go.
    pub alerts_topic: String,
    /// Where frames go that could not be read; empty: they are only counted.
    pub rejects_topic: String,
    /// Beginning of the names of the topics that are keyhound's own; empty for the group's name.
    pub changelog_prefix: String,
    /// Copies of the topics that are made; 0 for as many as the brokers make by default.
    pub replication_factor: u16,
    /// The consumer group.
    pub group_id: String,
    /// A name of this process within the group that it keeps over restarts; empty for none.
    pub instance_id: String,
    /// The name that brokers write into their logs.
    pub client_id: String,
    /// `exactly-once` or `at-least-once`.
    pub guarantee: Guarantee,
    /// Where to begin when nothing was read yet: `earliest` or `latest`.
    pub start: Start,
    /// How many records one commit holds, if there are as many at once.
    pub commit_records: u32,
    /// How long records wait for a commit, in milliseconds.
    pub commit_ms: u32,
    /// After how many milliseconds of silence the group takes a process for dead.
    pub session_timeout_ms: u32,
    /// After how many milliseconds brokers end a transaction that nobody ended; shorter than the session.
    pub transaction_timeout_ms: u32,
    /// Encryption.
    pub tls: TlsConfig,
    /// Who keyhound is.
    pub sasl: SaslConfig,
    /// Settings of librdkafka by their names there.
    pub properties: BTreeMap<String, toml::Value>,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            bootstrap_servers: String::new(),
            topics: Vec::new(),
            repartition: false,
            repartition_partitions: 0,
            alerts_topic: "keyhound-alerts".to_owned(),
            rejects_topic: "keyhound-rejects".to_owned(),
            changelog_prefix: String::new(),
            replication_factor: 0,
            group_id: "keyhound".to_owned(),
            instance_id: String::new(),
            client_id: "keyhound".to_owned(),
            guarantee: Guarantee::ExactlyOnce,
            start: Start::Earliest,
            commit_records: 5000,
            commit_ms: 200,
            session_timeout_ms: 15_000,
            transaction_timeout_ms: 10_000,
            tls: TlsConfig::default(),
            sasl: SaslConfig::default(),
            properties: BTreeMap::new(),
        }
    }
}

/// What is promised over crashes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guarantee {
    /// Positions, alerts and state are one transaction.
    ExactlyOnce,
    /// After a crash some alerts may come again, under the same identifiers.
    AtLeastOnce,
}

/// Where reading begins when nothing was read yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// With the oldest record there is.
    Earliest,
    /// With the next one.
    Latest,
}

/// Encryption.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// Whether to encrypt.
    pub enabled: bool,
    /// Certificates to trust, in PEM; empty for those of the system.
    pub ca_file: PathBuf,
    /// Our certificate, in PEM; empty for none.
    pub cert_file: PathBuf,
    /// Its key, in PEM.
    pub key_file: PathBuf,
    /// A file with the password of the key; empty for none.
    pub key_password_file: PathBuf,
}

/// Who keyhound is.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SaslConfig {
    /// `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `OAUTHBEARER`; empty for none.
    pub mechanism: String,
    /// The user; with `OAUTHBEARER` the principal.
    pub username: String,
    /// A file with the password.
    pub password_file: PathBuf,
    /// With `OAUTHBEARER`: a file with the token, which somebody else renews.
    pub token_file: PathBuf,
    /// With `OAUTHBEARER` and OIDC: a file with the client's secret.
    pub client_secret_file: PathBuf,
}

/// Something that nobody is told.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Kafka as input and output, checked.
#[derive(Clone, Debug)]
pub struct KafkaPlan {
    /// Topics with records.
    pub topics: Vec<String>,
    /// Where alerts go.
    pub alerts_topic: String,
    /// Where rejects go.
    pub rejects_topic: Option<String>,
    /// Beginning of the names of our own topics.
    pub changelog_prefix: String,
    /// Whether records are brought together by key.
    pub repartition: bool,
    /// Partitions of the topics where they are, if that is said.
    pub repartition_partitions: Option<usize>,
    /// Copies of topics that are made.
    pub replication_factor: Option<u16>,
    /// The consumer group.
    pub group_id: String,
    /// The name of this process within it.
    pub instance_id: Option<String>,
    /// What is promised.
    pub guarantee: Guarantee,
    /// Where to begin.
    pub start: Start,
    /// Records of one commit.
    pub commit_records: usize,
    /// How long records wait for a commit.
    pub commit_within: Duration,
    /// Of the group.
    pub session_timeout: Duration,
    /// Of transactions.
    pub transaction_timeout: Duration,
    /// What every client of librdkafka is told.
    pub properties: Vec<(String, Secret)>,
    /// The file with the token for `OAUTHBEARER`, and whose it is.
    pub token: Option<(PathBuf, String)>,
}

fn refuse(setting: &str, message: impl fmt::Display) -> ConfigError {
    let path: Vec<&str> = ["kafka"].into_iter().chain(setting.split('.')).collect();
    ConfigError::setting(&path[..path.len().min(3)], format!("`kafka.{setting}`: {message}"))
}

/// The plan of a configuration; `None` where no brokers are named.
pub(super) fn plan(config: &KafkaConfig) -> Result<Option<KafkaPlan>, ConfigError> {
    if config.bootstrap_servers.is_empty() && *config == KafkaConfig::default() {
        return Ok(None);
    }
    check_names(config)?;
    check_numbers(config)?;
    let mut properties = vec![
        ("bootstrap.servers".to_owned(), Secret(config.bootstrap_servers.clone())),
        ("client.id".to_owned(), Secret(config.client_id.clone())),
    ];
    properties.extend(security(config)?);
    properties.extend(own(&config.properties)?);
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    let prefix = named(&config.changelog_prefix).unwrap_or_else(|| config.group_id.clone());
    let token_file = &config.sasl.token_file;
    let token =
        (!token_file.as_os_str().is_empty()).then(|| (token_file.clone(), config.sasl.username.clone()));
    Ok(Some(KafkaPlan {
        topics: config.topics.clone(),
        alerts_topic: config.alerts_topic.clone(),
        rejects_topic: named(&config.rejects_topic),
        changelog_prefix: prefix,
        repartition: config.repartition,
        repartition_partitions: (config.repartition_partitions > 0)
            .then(|| config.repartition_partitions.into()),
        replication_factor: (config.replication_factor > 0).then_some(config.replication_factor),
        group_id: config.group_id.clone(),
        instance_id: named(&config.instance_id),
        guarantee: config.guarantee,
        start: config.start,
        commit_records: config.commit_records as usize,
        commit_within: Duration::from_millis(config.commit_ms.into()),
        session_timeout: Duration::from_millis(config.session_timeout_ms.into()),
        transaction_timeout: Duration::from_millis(config.transaction_timeout_ms.into()),
        properties,
        token,
    }))
}

fn check_names(config: &KafkaConfig) -> Result<(), ConfigError> {
    if config.bootstrap_servers.is_empty() {
        return Err(refuse("bootstrap_servers", "is missing: `host:port` of one broker or several"));
    }
    if config.topics.is_empty() {
        return Err(refuse("topics", "is missing: the topics with usage records"));
    }
    if config.group_id.is_empty() {
        return Err(refuse("group_id", "is missing: the name that all processes of one keyhound share"));
    }
    let prefix = if config.changelog_prefix.is_empty() { &config.group_id } else { &config.changelog_prefix };
    let internal = names::internal(config, prefix);
    let mut seen: Vec<&str> = Vec::new();
    let named = config.topics.iter().map(|topic| ("topics", topic.as_str()));
    let own =
        [("alerts_topic", config.alerts_topic.as_str()), ("rejects_topic", config.rejects_topic.as_str())];
    let own = own.into_iter().filter(|(setting, topic)| *setting == "alerts_topic" || !topic.is_empty());
    for (setting, topic) in named.chain(own) {
        check_name(setting, topic)?;
        if seen.contains(&topic) {
            let message = format!("topic `{topic}` is named twice; what is written would be read again");
            return Err(refuse(setting, message));
        }
        if internal.iter().any(|internal| internal == topic) || topic.starts_with(&names::sink_topics(prefix))
        {
            let message = format!(
                "`{topic}` is what keyhound calls a topic of its own, where everything else would be taken for state; choose \
                 another name, or another `kafka.changelog_prefix` than `{prefix}`"
            );
            return Err(refuse(setting, message));
        }
        seen.push(topic);
    }
    if let Some(topic) = names::ambiguous(config, prefix) {
        let message = format!(
            "with `kafka.repartition`, `{prefix}-{topic}-changelog` would hold the state of two topics; choose another name than \
             `{topic}`"
        );
        return Err(refuse("topics", message));
    }
    internal.iter().try_for_each(|topic| check_name("changelog_prefix", topic))
}

fn check_name(setting: &str, topic: &str) -> Result<(), ConfigError> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if topic.is_empty() || topic.len() > 249 || !topic.chars().all(is_name) || topic.chars().all(|c| c == '.')
    {
        let message = format!(
            "`{topic}` is no name of a topic: letters, digits, `.`, `_` and `-`, 249 of them at most"
        );
        return Err(refuse(setting, message));
    }
    Ok(())
}

fn check_numbers(config: &KafkaConfig) -> Result<(), ConfigError> {
    let rules = [
        ("replication_factor", u32::from(config.replication_factor), 0, 100),
        ("repartition_partitions", u32::from(config.repartition_partitions), 0, 10_000),
        ("commit_records", config.commit_records, 1, 1_000_000),
        ("commit_ms", config.commit_ms, 1, 60_000),
        ("session_timeout_ms", config.session_timeout_ms, 1000, 3_600_000),
        ("transaction_timeout_ms", config.transaction_timeout_ms, 1000, 900_000),
    ];
    for (name, value, min, max) in rules {
        if !(min..=max).contains(&value) {
            return Err(refuse(name, format!("is {value}; {min} to {max} is expected")));
        }
    }
    if config.guarantee == Guarantee::AtLeastOnce && config.repartition {
        let message =
            "needs `kafka.guarantee = \"exactly-once\"`: what is passed on twice would be counted twice";
        return Err(refuse("repartition", message));
    }
    if config.repartition_partitions > 0 && !config.repartition {
        return Err(refuse("repartition_partitions", "is given, but `kafka.repartition` is false"));
    }
    if config.guarantee == Guarantee::ExactlyOnce
        && config.transaction_timeout_ms >= config.session_timeout_ms
    {
        let message = "has to be shorter than `kafka.session_timeout_ms`: whoever takes over a partition has to find \
                       the transactions of the dead ended";
        return Err(refuse("transaction_timeout_ms", message));
    }
    Ok(())
}

/// What is said of encryption and of who we are.
fn security(config: &KafkaConfig) -> Result<Vec<(String, Secret)>, ConfigError> {
    let KafkaConfig { tls, sasl, .. } = config;
    let protocol = match (tls.enabled, sasl.mechanism.is_empty()) {
        (false, true) => "plaintext",
        (true, true) => "ssl",
        (false, false) => "sasl_plaintext",
        (true, false) => "sasl_ssl",
    };
    let mut properties = vec![("security.protocol".to_owned(), Secret(protocol.to_owned()))];
    let files = [
        ("tls.ca_file", &tls.ca_file, "ssl.ca.pem"),
        ("tls.cert_file", &tls.cert_file, "ssl.certificate.pem"),
        ("tls.key_file", &tls.key_file, "ssl.key.pem"),
        ("tls.key_password_file", &tls.key_password_file, "ssl.key.password"),
    ];
    for (setting, path, property) in files {
        if path.as_os_str().is_empty() {
            continue;
        }
        if !tls.enabled {
            return Err(refuse(setting, "is given, but `kafka.tls.enabled` is false"));
        }
        properties.push((property.to_owned(), read(setting, path)?));
    }
    if tls.cert_file.as_os_str().is_empty() != tls.key_file.as_os_str().is_empty() {
        return Err(refuse("tls.key_file", "a certificate and its key belong together"));
    }
    properties.extend(identity(sasl)?);
    Ok(properties)
}

fn identity(sasl: &SaslConfig) -> Result<Vec<(String, Secret)>, ConfigError> {
    let mut properties = Vec::new();
    let mut tell = |name: &str, secret: Secret| properties.push((name.to_owned(), secret));
    let is_given = |path: &Path| !path.as_os_str().is_empty();
    match sasl.mechanism.as_str() {
        "" => {
            if *sasl != SaslConfig::default() {
                return Err(refuse(
                    "sasl.mechanism",
                    "is missing: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER",
                ));
            }
            return Ok(properties);
        }
        "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512" => {
            if sasl.username.is_empty() || !is_given(&sasl.password_file) {
                let message = format!("{} needs `username` and `password_file`", sasl.mechanism);
                return Err(refuse("sasl.mechanism", message));
            }
            tell("sasl.username", Secret(sasl.username.clone()));
            tell("sasl.password", read("sasl.password_file", &sasl.password_file)?);
        }
        "OAUTHBEARER" => {
            if is_given(&sasl.client_secret_file) {
                tell("sasl.oauthbearer.method", Secret("oidc".to_owned()));
                tell("sasl.oauthbearer.client.id", Secret(sasl.username.clone()));
                let secret = read("sasl.client_secret_file", &sasl.client_secret_file)?;
                tell("sasl.oauthbearer.client.secret", secret);
            } else if is_given(&sasl.token_file) {
                read("sasl.token_file", &sasl.token_file)?;
            } else {
                let message = "OAUTHBEARER needs `token_file`, or `client_secret_file` for OIDC";
                return Err(refuse("sasl.mechanism", message));
            }
        }
        other => {
            let known = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];
            return Err(refuse(
                "sasl.mechanism",
                ConfigError::unknown("mechanism", other, known.into_iter()),
            ));
        }
    }
    tell("sasl.mechanism", Secret(sasl.mechanism.clone()));
    Ok(properties)
}

/// The content of a file without the line break at its end.
fn read(setting: &str, path: &Path) -> Result<Secret, ConfigError> {
    let text =
        super::read_text(path).map_err(|error| refuse(setting, format!("`{}`: {error}", path.display())))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(refuse(setting, format!("`{}` is empty", path.display())));
    }
    Ok(Secret(text.to_owned()))
}

/// What keyhound says to librdkafka itself: another value would break what is promised, or is set elsewhere.
const OURS: &[(&str, &str)] = &[
    ("bootstrap.servers", "`kafka.bootstrap_servers`"),
    ("metadata.broker.list", "`kafka.bootstrap_servers`"),
    ("client.id", "`kafka.client_id`"),
    ("group.id", "`kafka.group_id`"),
    ("group.instance.id", "`kafka.instance_id`"),
    ("session.timeout.ms", "`kafka.session_timeout_ms`"),
    ("transaction.timeout.ms", "`kafka.transaction_timeout_ms`"),
    ("auto.offset.reset", "`kafka.start`"),
    ("security.protocol", "`kafka.tls` and `kafka.sasl`"),
    ("sasl.mechanism", "`kafka.sasl.mechanism`"),
    ("sasl.mechanisms", "`kafka.sasl.mechanism`"),
    ("sasl.username", "`kafka.sasl.username`"),
    ("sasl.password", "`kafka.sasl.password_file`"),
    ("sasl.oauthbearer.client.secret", "`kafka.sasl.client_secret_file`"),
    ("sasl.oauthbearer.client.id", "`kafka.sasl.username`"),
    ("sasl.oauthbearer.method", "`kafka.sasl`"),
    ("sasl.oauthbearer.config", "`kafka.sasl`"),
    ("enable.sasl.oauthbearer.unsecure.jwt", ""),
    ("ssl.ca.location", "`kafka.tls.ca_file`"),
    ("ssl.ca.pem", "`kafka.tls.ca_file`"),
    ("ssl.certificate.location", "`kafka.tls.cert_file`"),
    ("ssl.certificate.pem", "`kafka.tls.cert_file`"),
    ("ssl.key.location", "`kafka.tls.key_file`"),
    ("ssl.key.pem", "`kafka.tls.key_file`"),
    ("ssl.key.password", "`kafka.tls.key_password_file`"),
    ("ssl.keystore.location", "`kafka.tls`"),
    ("ssl.keystore.password", "`kafka.tls`"),
    ("enable.ssl.certificate.verification", ""),
    ("transactional.id", ""),
    ("enable.idempotence", ""),
    ("acks", ""),
    ("request.required.acks", ""),
    ("isolation.level", ""),
    ("enable.auto.commit", ""),
    ("enable.auto.offset.store", ""),
    ("enable.partition.eof", ""),
    ("partition.assignment.strategy", ""),
    ("group.protocol", ""),
    ("delivery.report.only.error", ""),
];

/// Settings of librdkafka from the configuration.
fn own(properties: &BTreeMap<String, toml::Value>) -> Result<Vec<(String, Secret)>, ConfigError> {
    let one = |(name, value): (&String, &toml::Value)| {
        let refuse = |message: String| {
            ConfigError::setting(&["kafka", "properties", name], format!("`kafka.properties`: {message}"))
        };
        match OURS.iter().find(|(ours, _)| ours == name) {
            Some((_, "")) => {
                return Err(refuse(format!("`{name}` is keyhound's own: what it promises depends on it")));
            }
            Some((_, instead)) => return Err(refuse(format!("`{name}` is set by {instead}"))),
            None => {}
        }
        let value = match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(flag) => flag.to_string(),
            _ => return Err(refuse(format!("`{name}` is a text, a number, true or false"))),
        };
        Ok((name.clone(), Secret(value)))
    };
    properties.iter().map(one).collect()
}

#[cfg(test)]
mod tests;

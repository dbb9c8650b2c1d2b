//! Text to `Config` to `Plan`: everything checked, nothing opened but the files that the configuration names.

mod api;
mod changed;
mod contain;
mod error;
mod formats;
mod kafka;
mod listen;
mod locate;
mod metrics;
mod plan;
mod post;
mod probes;
mod remote;
mod shadow;
mod sinks;
mod sources;

pub use api::{ApiConfig, ApiPlan, Token};
pub use changed::{changed, is_in};
pub use contain::{ContainConfig, ContainPlan, ContainmentConfig, NamedKey, RulePlan};
pub use error::ConfigError;
pub use formats::FormatConfig;
pub use kafka::{Guarantee, KafkaConfig, KafkaPlan, Secret, Start};
pub use listen::{Identity, ListenAt, ListenConfig, ListenPlan, is_open, tokens};
pub use metrics::{KeySeries, MetricsConfig};
pub use plan::{Plan, all_sinks, watch_list};
pub use post::PostConfig;
pub use probes::{ExpectConfig, ProbeConfig, ProbePlan};
pub use shadow::{Untried, untried};
pub use sinks::{Route, SinkConfig, SinkPlan};
pub use sources::{KeyFrom, SourceConfig, SourcePlan};

use crate::baseline::BaselineSettings;
use crate::detect;
use crate::engine::guarantee::Level;
use crate::incident::IncidentConfig;
use crate::shard::Limits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The file with all defaults, which a test holds against the code.
pub const DEFAULTS: &str = include_str!("../../config/keyhound.toml");

/// Everything that can be set, with its default.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// IANA name of the zone whose days and hours count, unless a key has its own.
    pub timezone: String,
    /// How records are read.
    pub input: InputConfig,
    /// How the state is kept, where it is (`--state`).
    pub checkpoint: CheckpointConfig,
    /// How keys are named in the output.
    pub fingerprint: FingerprintConfig,
    /// Settings of single keys.
    pub key: Vec<KeyConfig>,
    /// Formats besides those of the program.
    pub format: Vec<FormatConfig>,
    /// When baselines are built.
    pub baseline: BaselineSettings,
    /// Price lists besides the built-in ones.
    pub prices: PricesConfig,
    /// Which network an address belongs to.
    pub networks: NetworksConfig,
    /// Whom to look out for.
    pub watch_list: WatchListConfig,
    /// Which keys there are.
    pub inventory: InventoryConfig,
    /// How keys in somebody else's hands are told.
    pub incidents: IncidentConfig,
    /// Records by HTTP.
    pub listen: ListenConfig,
    /// APIs that are asked for usage, by names of one's own.
    pub sources: BTreeMap<String, SourceConfig>,
    /// Canary prompts, by names of one's own.
    pub probes: BTreeMap<String, ProbeConfig>,
    /// Kafka as input and output.
    pub kafka: KafkaConfig,
    /// Alerts by HTTP.
    pub post: PostConfig,
    /// Which series there are in `/metrics`.
    pub metrics: MetricsConfig,
    /// Who may look inside.
    pub api: ApiConfig,
    /// Other places that alerts and incidents go to, by names of one's own.
    pub sinks: BTreeMap<String, SinkConfig>,
    /// What is done about keys by itself.
    pub contain: Vec<ContainConfig>,
    /// What holds for all of that.
    pub containment: ContainmentConfig,
    /// Limits of memory and processors.
    pub limits: Limits,
    /// Detectors by name.
    pub detectors: toml::Table,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timezone: "UTC".to_owned(),
            input: InputConfig::default(),
            checkpoint: CheckpointConfig::default(),
            fingerprint: FingerprintConfig::default(),
            key: Vec::new(),
            format: Vec::new(),
            baseline: BaselineSettings::default(),
            prices: PricesConfig::default(),
            networks: NetworksConfig::default(),
            watch_list: WatchListConfig::default(),
            inventory: InventoryConfig::default(),
            incidents: IncidentConfig::default(),
            listen: ListenConfig::default(),
            sources: BTreeMap::new(),
            probes: BTreeMap::new(),
            kafka: KafkaConfig::default(),
            post: PostConfig::default(),
            metrics: MetricsConfig::default(),
            api: ApiConfig::default(),
            sinks: BTreeMap::new(),
            contain: Vec::new(),
            containment: ContainmentConfig::default(),
            limits: Limits::default(),
            detectors: toml::Table::new(),
        }
    }
}

/// How records are read.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InputConfig {
    /// Longest record in bytes, with its wrapping.
    pub frame_bytes_max: usize,
    /// How late a record may come behind newer ones of its source before its day is closed, in minutes.
    pub lateness_minutes: u32,
    /// How many minutes apart the two halves of a request may be that a cloud writes into two logs; no more than
    /// `lateness_minutes` counts.
    pub join_minutes: u32,
    /// For how many hours after its end a bucket of a provider's report may be told again with other numbers.
    pub restate_hours: u32,
    /// After how many quiet minutes a live source no longer holds back the others.
    pub idle_minutes: u32,
    /// How often followed files are looked at, in milliseconds.
    pub poll_ms: u32,
}

impl Default for InputConfig {
    fn default() -> Self {
        Self {
            frame_bytes_max: 4 << 20,
            lateness_minutes: 45,
            join_minutes: 20,
            restate_hours: 96,
            idle_minutes: 2,
            poll_ms: 100,
        }
    }
}

/// How the state is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointConfig {
    /// How often a checkpoint is made, in milliseconds.
    pub interval_ms: u32,
    /// The share of the time that checkpoints may take, in percent: where one takes longer, the next comes later.
    pub time_percent_max: u8,
    /// What has to be promised; a run that cannot promise it does not start (`keyhound guarantees`).
    pub require: Level,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { interval_ms: 10_000, time_percent_max: 5, require: Level::AtMostOnce }
    }
}

/// How keys are named in the output.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FingerprintConfig {
    /// A file whose content goes into every fingerprint, so that only its owners can tell which key one is.
    /// Empty for none. Changing it changes all key and alert identifiers.
    pub salt_file: PathBuf,
}

/// Settings of one key.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyConfig {
    /// The key as alerts show it (`...3f9c`), its alias, or its `key_id`.
    pub key: String,
    /// IANA name of its zone; empty for the default zone.
    pub timezone: String,
    /// Dollars a day at which its owner wants to be told, smallest first; empty for multiples of a typical day.
    pub daily_amounts_usd: Vec<f64>,
    /// Dollars that it may cost in a calendar month; 0 for no such budget.
    pub budget_usd_month: f64,
    /// It is there to be found by thieves: nobody may use it.
    pub canary: bool,
}

/// Price lists besides the built-in ones; later ones win.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PricesConfig {
    /// Lists in keyhound's own form (see `config/prices`).
    pub files: Vec<PathBuf>,
    /// LiteLLM's `model_prices_and_context_window.json`; empty for none.
    pub litellm_file: PathBuf,
}

/// Tables of networks; none come with the program.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworksConfig {
    /// Tables of address ranges and databases in MaxMind's form; what one does not know a later one may.
    pub tables: Vec<PathBuf>,
}

/// Which keys there are.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InventoryConfig {
    /// Lists of keys: what `keyhound pull` tells of them, or files of `[[key]]` (`.toml`). Read when the configuration is.
    pub files: Vec<PathBuf>,
}

/// Whom to look out for.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WatchListConfig {
    /// Lists of addresses, networks and clients, which are read again when they change.
    pub files: Vec<PathBuf>,
}

/// Longest file that a configuration is or names; the longest real one, LiteLLM's price list, has 2 MB.
const FILE_BYTES_MAX: u64 = 32 << 20;

/// The text of a configuration or of a file that it names.
pub fn read_text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    let invalid = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return invalid("is larger than 32 MiB; is it the right file?");
    }
    String::from_utf8(bytes).or_else(|_| invalid("is not UTF-8 text"))
}

/// The file of a credential, which systemd lays out in a folder that it names to the service.
fn credential(path: &Path) -> Result<PathBuf, String> {
    let Some(name) = path.to_str().and_then(|path| path.strip_prefix("credential:")) else {
        return Ok(path.to_owned());
    };
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Err("the name of a credential has no slash and no point before it".to_owned());
    }
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or(
        "there are no credentials here: systemd gives them to a service with `LoadCredential=` or `LoadCredentialEncrypted=`",
    )?;
    Ok(Path::new(&folder).join(name))
}

impl Config {
    /// Reads a configuration; `file` is its name in messages.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        locate::check_names(text, &Self::schema()).map_err(|error| error.in_file(file, text))?;
        toml::from_str(text).map_err(|error| {
            let name = error.span().and_then(|span| locate::name_at(text, span.start));
            ConfigError::from_toml(&error).named(name.as_deref()).in_file(file, text)
        })
    }

    /// All settings with their defaults, those of detectors included: what may be named in a configuration.
    pub fn schema() -> toml::Table {
        let (key, format) = (vec![KeyConfig::default()], vec![FormatConfig::example()]);
        let sinks = BTreeMap::from([(locate::ANY.to_owned(), SinkConfig::default())]);
        let sources = BTreeMap::from([(locate::ANY.to_owned(), SourceConfig::default())]);
        let probes = BTreeMap::from([(locate::ANY.to_owned(), ProbeConfig::default())]);
        let contain = vec![ContainConfig::default()];
        let containment = ContainmentConfig::example();
        let example = Self { key, format, sources, probes, sinks, contain, containment, ..Self::default() };
        let mut schema = toml::Table::try_from(example).unwrap_or_default();
        let mut detectors = toml::Table::new();
        for detector in detect::ALL {
            let defaults = (detector.defaults)().unwrap_or_default();
            let mut table: toml::Table = toml::from_str(&defaults).unwrap_or_default();
            table.insert("enabled".to_owned(), toml::Value::Boolean(true));
            detectors.insert(detector.name.to_owned(), toml::Value::Table(table));
        }
        schema.insert("detectors".to_owned(), toml::Value::Table(detectors));
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_holds_every_default() {
        let shown: toml::Table = toml::from_str(DEFAULTS).unwrap();
        let mut schema = Config::schema();
        // The examples of these stand in the file as comments.
        for list in ["key", "format", "sinks", "sources", "probes", "contain"] {
            schema.remove(list);
        }
        schema.get_mut("containment").and_then(toml::Value::as_table_mut).unwrap().remove("key");
        assert_eq!(shown, schema);
        let parsed = Config::parse("config/keyhound.toml", DEFAULTS).unwrap();
        let without_detectors = Config { detectors: toml::Table::new(), ..parsed };
        assert_eq!(without_detectors, Config::default());
    }

    #[test]
    fn commented_examples_in_the_shipped_file_are_valid() {
        let uncommented = DEFAULTS.replace("\n#: ", "\n");
        assert_ne!(uncommented, DEFAULTS);
        let config = Config::parse("config/keyhound.toml", &uncommented).unwrap();
        assert_eq!((config.key.len(), config.format.len(), config.sinks.len()), (2, 1, 3));
        assert_eq!((config.sources.len(), config.probes.len()), (2, 2));
        assert_eq!((config.contain.len(), config.containment.key.len()), (1, 1));
        Plan::new(&config, "config/keyhound.toml", &uncommented).map_err(|error| error.to_string()).unwrap();
    }

    #[test]
    fn mistakes_are_told_with_place_and_remedy() {
        for (text, told) in [
            (
                "[input]\nlatness_minutes = 3",
                "k.toml:2: unknown setting `latness_minutes` in `input`; did you mean `lateness_minutes`?",
            ),
            ("[inputs]", "k.toml:1: unknown setting `inputs`; did you mean `input`?"),
            (
                "[detectors.volume_spike]\n\nsigmaa = 2",
                "k.toml:3: unknown setting `sigmaa` in `detectors.volume_spike`; did you mean `sigma`?",
            ),
            ("[[key]]\nkey = \"a\"\n[[key]]\nzone = \"x\"", "k.toml:4: unknown setting `zone` in `key`"),
            ("[input]\nlateness_minutes = \"3\"", "k.toml:2: "),
            ("[input\n", "k.toml:1: "),
            (
                "[sinks.siem]\ntype = \"file\"\nurll = \"\"",
                "k.toml:3: unknown setting `urll` in `sinks.siem`; did you mean `url`?",
            ),
            (
                "[detectors.fancy_new_thing]",
                "k.toml:1: unknown setting `fancy_new_thing` in `detectors`; known are account_manipulation,",
            ),
        ] {
            let error = Config::parse("k.toml", text).unwrap_err().to_string();
            assert!(error.starts_with(told), "{error}\n{told}");
        }
    }
}

//! A configuration with everything it names looked up: what a run needs, checked, nothing started.

use super::{
    Config, ConfigError, ContainPlan, KafkaPlan, KeyConfig, ListenConfig, ListenPlan, ProbePlan, SinkPlan,
    SourcePlan,
};
use super::{kafka, locate, probes, sinks, sources};
use crate::decode::Formats;
use crate::detect::Ruleset;
use crate::incident::{IncidentConfig, IncidentSettings};
use crate::inventory::{Lists, Register};
use crate::join::JoinSettings;
use crate::key::{KeyNamer, leading_u64};
use crate::money::NanoUsd;
use crate::networks::Networks;
use crate::normalise::{Prices, Redactor, Rulebook, redact};
use crate::shard::{KeyRule, KeyRules, ShardSettings, Witnessed};
use crate::time::{MINUTE, Zones};
use crate::watch_list::WatchList;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything a run needs to know, besides where its input is.
pub struct Plan {
    /// For decoding and normalising.
    pub rulebook: Arc<Rulebook>,
    /// For windows, baselines and detection.
    pub shard: Arc<ShardSettings>,
    /// How records are read.
    pub input: super::InputConfig,
    /// How the state is kept.
    pub checkpoint: super::CheckpointConfig,
    /// How halves of records meet.
    pub join: JoinSettings,
    /// Which network an address belongs to.
    pub networks: Arc<Networks>,
    /// The lists of whom to look out for.
    pub watch_list_files: Vec<PathBuf>,
    /// Where records are taken by HTTP, if they are.
    pub listen: Option<ListenPlan>,
    /// How much may wait of what is posted or pulled.
    pub reception: ListenConfig,
    /// APIs that are asked for usage.
    pub sources: Vec<Arc<SourcePlan>>,
    /// Canary prompts.
    pub probes: Vec<Arc<ProbePlan>>,
    /// Kafka, if brokers are named.
    pub kafka: Option<KafkaPlan>,
    /// Which series there are in `/metrics`.
    pub metrics: super::MetricsConfig,
    /// Who may look inside, if anybody may.
    pub api: Option<super::ApiPlan>,
    /// Where events go besides the usual output.
    pub sinks: Vec<Arc<SinkPlan>>,
    /// What is done about keys by itself, if anything is.
    pub contain: Option<Arc<ContainPlan>>,
}

impl Plan {
    /// The plan of a configuration; `file` and `text` are where it comes from, for messages.
    pub fn new(config: &Config, file: &str, text: &str) -> Result<Self, ConfigError> {
        Self::build(config).map_err(|error| {
            let place = locate::find(text, error.path());
            let error = match place {
                Some(at) => error.at(at),
                None => error,
            };
            error.in_file(file, text)
        })
    }

    /// The plan of the defaults.
    pub fn default_plan() -> Result<Self, ConfigError> {
        Self::build(&Config::default())
    }

    /// What keys spent in the last hour is kept from now on: somebody looks. The plan is not shared yet.
    pub fn pace(&mut self) {
        if let Some(shard) = Arc::get_mut(&mut self.shard) {
            shard.is_paced = true;
        }
    }

    fn build(config: &Config) -> Result<Self, ConfigError> {
        check_numbers(config)?;
        let salt = salt(&config.fingerprint.salt_file)?;
        let namer = KeyNamer::new(&salt);
        let patterns =
            redact::parse_patterns(redact::BUILTIN).map_err(|error| ConfigError::new(error.to_string()))?;
        let redactor =
            Redactor::new(patterns, namer.clone()).map_err(|error| ConfigError::new(error.to_string()))?;
        let (zones, keys) = zones_and_keys(config)?;
        let known = Formats::builtin();
        let known: Vec<&str> = known.iter().map(|format| &*format.name).collect();
        let formats = Formats::with(super::formats::formats(&config.format, &known)?);
        let register = register(config, &namer, &redactor)?;
        let keys = keys.with(register.clone());
        let (hash_key, prices) = (hash_key(&salt), prices(config)?);
        let rulebook = Rulebook { formats, namer, redactor, prices, register, hash_key };
        let probes = probes::all_probes(&config.probes, &rulebook.prices)?;
        let networks = Arc::new(networks(config)?);
        let incidents = IncidentSettings {
            threshold_nats: config.incidents.threshold_nats,
            habits_threshold_nats: config.incidents.habits_threshold_nats,
            false_per_week: Some(config.incidents.false_per_week).filter(|budget| *budget > 0.0),
            quiet_seconds: i64::from(config.incidents.quiet_hours) * 3600,
            networks: Arc::clone(&networks),
        };
        let shard = ShardSettings {
            rules: Ruleset::load(&config.detectors)?,
            baseline: config.baseline,
            keys,
            zones,
            limits: config.limits,
            restate_within: i64::from(config.input.restate_hours) * 60 * MINUTE,
            networks: Arc::clone(&networks),
            watch_list: Arc::new(watch_list(&config.watch_list.files)?),
            witnessed: Witnessed::NONE,
            is_thin: false,
            is_paced: !config.api.listen.is_empty(),
            incidents: config.incidents.enabled.then_some(incidents),
        };
        let join = JoinSettings {
            // Held longer, a record could come after its day is closed.
            apart_max: i64::from(config.input.join_minutes.min(config.input.lateness_minutes)) * MINUTE,
            lateness: i64::from(config.input.lateness_minutes) * MINUTE,
            entries_max: config.limits.join_entries_max,
        };
        Ok(Self {
            rulebook: Arc::new(rulebook),
            shard: Arc::new(shard),
            input: config.input.clone(),
            checkpoint: config.checkpoint,
            join,
            networks,
            watch_list_files: config.watch_list.files.clone(),
            listen: config.listen.plan()?,
            reception: config.listen.clone(),
            sources: pulled(config)?,
            probes,
            kafka: kafka::plan(&config.kafka)?,
            metrics: config.metrics.clone(),
            api: config.api.plan()?,
            sinks: all_sinks(config)?,
            contain: ContainPlan::new(&config.containment, &config.contain)?,
        })
    }
}

/// The sink of `[post]`, if it has an address, and all others by their names.
pub fn all_sinks(config: &Config) -> Result<Vec<Arc<SinkPlan>>, ConfigError> {
    let mut all: Vec<Arc<SinkPlan>> = config.post.plan()?.map(Arc::new).into_iter().collect();
    for (name, sink) in &config.sinks {
        sinks::check_name(name)?;
        all.push(Arc::new(SinkPlan::new(name, &["sinks", name], sink)?));
    }
    Ok(all)
}

/// All sources, whose answers have to have room beside each other.
fn pulled(config: &Config) -> Result<Vec<Arc<SourcePlan>>, ConfigError> {
    let all = sources::all_sources(&config.sources)?;
    let queue = config.listen.queue_bytes_max as usize;
    match all.iter().find(|source| source.answer_bytes_max > queue) {
        None => Ok(all),
        Some(source) => Err(ConfigError::setting(
            &["sources", &source.name, "answer_bytes_max"],
            format!(
                "`{}.answer_bytes_max`: is {}, and `listen.queue_bytes_max`, the room for all of them, {queue}",
                source.place, source.answer_bytes_max
            ),
        )),
    }
}

fn check_numbers(config: &Config) -> Result<(), ConfigError> {
    let rules = [
        ("input", "frame_bytes_max", config.input.frame_bytes_max as u64, 1024, 1 << 30),
        ("input", "lateness_minutes", config.input.lateness_minutes.into(), 0, 23 * 60),
        ("input", "join_minutes", config.input.join_minutes.into(), 0, 23 * 60),
        ("input", "idle_minutes", config.input.idle_minutes.into(), 1, 24 * 60),
        ("input", "poll_ms", config.input.poll_ms.into(), 1, 60_000),
        ("input", "restate_hours", config.input.restate_hours.into(), 0, 31 * 24),
        ("checkpoint", "interval_ms", config.checkpoint.interval_ms.into(), 1, 3_600_000),
        ("checkpoint", "time_percent_max", config.checkpoint.time_percent_max.into(), 1, 100),
        ("baseline", "window_days", config.baseline.window_days.into(), 1, 31),
        ("baseline", "rebuild_days", config.baseline.rebuild_days.into(), 1, 31),
        ("baseline", "learning_days", config.baseline.learning_days.into(), 1, 31),
        ("limits", "state_bytes_max", config.limits.state_bytes_max as u64, 1 << 20, 1 << 40),
        ("limits", "join_entries_max", config.limits.join_entries_max as u64, 0, 1 << 32),
        ("limits", "dedup_entries_max", config.limits.dedup_entries_max as u64, 0, 1 << 32),
        ("incidents", "quiet_hours", config.incidents.quiet_hours.into(), 1, 24 * 31),
        ("limits", "bucket_entries_max", config.limits.bucket_entries_max as u64, 1000, 1 << 32),
        ("metrics", "keys_max", config.metrics.keys_max.into(), 1, 1000),
        ("api", "refresh_ms", config.api.refresh_ms.into(), 200, 60_000),
        ("api", "keys_max", config.api.keys_max.into(), 1, 1000),
        ("api", "incidents_max", config.api.incidents_max.into(), 1, 100_000),
        ("api", "alerts_max", config.api.alerts_max.into(), 1, 100_000),
        ("api", "events_bytes_max", config.api.events_bytes_max.into(), 1 << 20, 1 << 30),
        ("metrics", "keys_expire_minutes", config.metrics.keys_expire_minutes.into(), 1, 31 * 24 * 60),
    ];
    for (table, name, value, min, max) in rules {
        if !(min..=max).contains(&value) {
            let message = format!("`{table}.{name}` is {value}; {min} to {max} is expected");
            return Err(ConfigError::setting(&[table, name], message));
        }
    }
    let IncidentConfig { threshold_nats, habits_threshold_nats, .. } = config.incidents;
    let thresholds = [("threshold_nats", threshold_nats), ("habits_threshold_nats", habits_threshold_nats)];
    for (name, nats) in thresholds {
        if !nats.is_finite() || nats <= 0.0 {
            let message = format!("`incidents.{name}` is {nats}; a number above nought is expected");
            return Err(ConfigError::setting(&["incidents", name], message));
        }
    }
    let budget = config.incidents.false_per_week;
    if !budget.is_finite() || budget < 0.0 {
        let message = format!(
            "`incidents.false_per_week` is {budget}; nought (thresholds are fixed) or more is expected"
        );
        return Err(ConfigError::setting(&["incidents", "false_per_week"], message));
    }
    Ok(())
}

fn salt(path: &Path) -> Result<String, ConfigError> {
    if path.as_os_str().is_empty() {
        return Ok(String::new());
    }
    let salt = read(path, &["fingerprint", "salt_file"])?;
    let salt = salt.trim();
    if salt.len() < 16 {
        let message = format!("`{}`: a salt has at least 16 characters", path.display());
        return Err(ConfigError::setting(&["fingerprint", "salt_file"], message));
    }
    Ok(salt.to_owned())
}

fn hash_key(salt: &str) -> (u64, u64) {
    let key = blake3::derive_key("keyhound 2026-11-22 request identifiers", salt.as_bytes());
    (leading_u64(&key), leading_u64(&key[8..]))
}

fn prices(config: &Config) -> Result<Prices, ConfigError> {
    let told = |error: crate::normalise::prices::PriceError| ConfigError::new(error.to_string());
    let mut prices = Prices::builtin().map_err(told)?;
    let litellm = &config.prices.litellm_file;
    if !litellm.as_os_str().is_empty() {
        let text = read(litellm, &["prices", "litellm_file"])?;
        prices.add_litellm(&litellm.display().to_string(), &text).map_err(|error| {
            let hint = "LiteLLM calls its list `model_prices_and_context_window.json`";
            ConfigError::setting(
                &["prices", "litellm_file"],
                format!("`prices.litellm_file`: {error}; {hint}"),
            )
        })?;
    }
    // Prices of one's own come last, for the last list wins.
    for path in &config.prices.files {
        let text = read(path, &["prices", "files"])?;
        prices.add_toml(&path.display().to_string(), &text).map_err(told)?;
    }
    Ok(prices)
}

fn networks(config: &Config) -> Result<Networks, ConfigError> {
    let mut files = Vec::new();
    for (number, path) in config.networks.tables.iter().enumerate() {
        let file = path.display().to_string();
        let opened = File::open(path).map_err(|error| {
            let message = format!("`networks.tables`: `{file}`: {error}");
            ConfigError::setting(&["networks", "tables", &number.to_string()], message)
        })?;
        files.push((file, opened));
    }
    Networks::load(files)
        .map_err(|error| ConfigError::setting(&["networks", "tables"], format!("`networks.tables`: {error}")))
}

/// The keys of all lists, by what may be shown of their names.
fn register(
    config: &Config,
    namer: &KeyNamer,
    redactor: &Redactor,
) -> Result<Option<Arc<Register>>, ConfigError> {
    const SETTING: &[&str] = &["inventory", "files"];
    let mut lists = Lists::default();
    for path in &config.inventory.files {
        let text = read(path, SETTING)?;
        lists.add_file(path, text.as_bytes()).map_err(|error| {
            ConfigError::setting(SETTING, format!("`inventory.files`: `{}`: {error}", path.display()))
        })?;
    }
    lists.settle();
    for key in &mut lists.keys {
        key.name = redactor.clean(key.name.as_bytes());
    }
    Ok((!lists.keys.is_empty()).then(|| Arc::new(Register::new(lists, namer))))
}

/// The entries of all lists.
pub fn watch_list(files: &[PathBuf]) -> Result<WatchList, ConfigError> {
    const SETTING: &[&str] = &["watch_list", "files"];
    let mut list = WatchList::default();
    for path in files {
        let text = read(path, SETTING)?;
        list.add(&path.display().to_string(), &text)
            .map_err(|error| ConfigError::setting(SETTING, format!("`watch_list.files`: {error}")))?;
    }
    Ok(list)
}

fn read(path: &Path, setting: &[&str]) -> Result<String, ConfigError> {
    super::read_text(path).map_err(|error| {
        ConfigError::setting(setting, format!("`{}`: `{}`: {error}", setting.join("."), path.display()))
    })
}

/// The zones that are named anywhere, the default one first, and the keys with the numbers of theirs.
fn zones_and_keys(config: &Config) -> Result<(Zones, KeyRules), ConfigError> {
    let mut names = vec![config.timezone.as_str()];
    let mut rules = Vec::new();
    for (number, key) in config.key.iter().enumerate() {
        let refuse = |setting: &str, message: String| {
            Err(ConfigError::setting(&["key", &number.to_string(), setting], message))
        };
        if key.key.is_empty() {
            return refuse("key", "`key.key` is missing: the key as alerts show it".to_owned());
        }
        if config.key[..number].iter().any(|other| other.key == key.key) {
            return refuse("key", format!("key `{}` has settings already; put them into one table", key.key));
        }
        if !key.daily_amounts_usd.is_sorted()
            || key.daily_amounts_usd.iter().any(|usd| !(0.0..=1e9).contains(usd))
        {
            let message = format!("key `{}`: `daily_amounts_usd` are dollars, smallest first", key.key);
            return refuse("daily_amounts_usd", message);
        }
        if !(0.0..=1e9).contains(&key.budget_usd_month) {
            let message = format!("key `{}`: `budget_usd_month` is dollars a month, 0 to 1e9", key.key);
            return refuse("budget_usd_month", message);
        }
        let name = if key.timezone.is_empty() { names[0] } else { &key.timezone };
        let at = names.iter().position(|known| *known == name).unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        });
        let amounts = key.daily_amounts_usd.iter().map(|&usd| NanoUsd::from_usd(usd)).collect();
        let zone = u16::try_from(at).unwrap_or(0);
        let budget = NanoUsd::from_usd(key.budget_usd_month);
        rules.push(KeyRule { key: key.key.clone(), zone, amounts, budget, is_canary: key.canary });
    }
    let zones = Zones::new(names).map_err(|error| {
        let is_its = |key: &KeyConfig| key.timezone == error.name;
        let number = config.key.iter().position(is_its).filter(|_| config.timezone != error.name);
        match number {
            Some(number) => {
                ConfigError::setting(&["key", &number.to_string(), "timezone"], error.to_string())
            }
            None => ConfigError::setting(&["timezone"], error.to_string()),
        }
    })?;
    Ok((zones, KeyRules::new(rules)))
}

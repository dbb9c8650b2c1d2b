//! `[[contain]]` and `[containment]`: what may be done about a key by itself, with everything checked and read.

mod check;

use super::{ConfigError, KeyFrom};
use crate::contain::{Action, Pattern, Provider};
use crate::detect::{Class, Severity};
use crate::net::address::is_encrypted;
use crate::net::trust::Trust;
use crate::time::MINUTE;
use check::Check;
use hyper::Uri;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What holds for all rules.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContainmentConfig {
    /// How much is done within 24 hours, whatever the rules: each rule for each incident counts.
    pub actions_per_day_max: u32,
    /// How old the last record of an incident may be, by the clock, in minutes.
    pub recent_minutes: u32,
    /// Keys that nothing is ever done about: as alerts show them, by their id, their owner's or the provider's name for
    /// them; `*` stands for any text.
    pub protect: Vec<String>,
    /// What providers call keys that records name otherwise.
    pub key: Vec<ContainedKeyConfig>,
}

impl ContainmentConfig {
    /// One of everything, to tell what there is.
    pub(super) fn example() -> Self {
        Self { key: vec![ContainedKeyConfig::default()], ..Self::default() }
    }
}

impl Default for ContainmentConfig {
    fn default() -> Self {
        Self { actions_per_day_max: 3, recent_minutes: 15, protect: Vec::new(), key: Vec::new() }
    }
}

/// What a provider calls a key.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContainedKeyConfig {
    /// The key as alerts show it, its `key_id`, or its owner's name for it.
    pub key: String,
    /// `litellm`, `anthropic`, `openai` or `openrouter`.
    pub provider: String,
    /// What the provider calls it.
    pub id: String,
}

/// One rule.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContainConfig {
    /// Its name.
    pub name: String,
    /// What is done.
    pub action: String,
    /// Whether it is only told what would be done.
    pub dry_run: bool,
    /// About incidents of which class.
    pub class: String,
    /// How much evidence there is at least, in nats.
    pub score_min: f64,
    /// How bad they are at least.
    pub severity_min: String,
    /// Which keys: patterns as in `containment.protect`; empty for all.
    pub keys: Vec<String>,
    /// The spend limit that is set, in dollars, where the action sets one.
    pub limit_usd: f64,
    /// What follows when it is done: `stop`, or `continue` with the next rule.
    pub then: String,
    /// Whether it may be what cannot be undone.
    pub irreversible: bool,
    /// Where it is; empty for where the provider has it.
    pub url: String,
    /// The project of OpenAI that keys are of.
    pub project: String,
    /// A file with the key that may do it.
    pub key_file: PathBuf,
    /// A program that writes that key to its standard output, with its arguments.
    pub key_command: Vec<String>,
    /// A file with the secret that requests to a webhook are signed with.
    pub signature_file: PathBuf,
    /// Certificates to trust, in PEM; empty for those of the system.
    pub ca_file: PathBuf,
    /// How long one answer may take, in milliseconds.
    pub timeout_ms: u32,
    /// The longest pause between two attempts, in milliseconds.
    pub retry_max_ms: u32,
    /// How often it is tried.
    pub attempts_max: u32,
    /// How long all attempts may take, in milliseconds.
    pub attempts_ms: u32,
}

impl Default for ContainConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            action: String::new(),
            dry_run: true,
            class: Class::Compromise.label().to_owned(),
            score_min: 12.0,
            severity_min: Severity::High.label().to_owned(),
            keys: Vec::new(),
            limit_usd: 0.0,
            then: STOP.to_owned(),
            irreversible: false,
            url: String::new(),
            project: String::new(),
            key_file: PathBuf::new(),
            key_command: Vec::new(),
            signature_file: PathBuf::new(),
            ca_file: PathBuf::new(),
            timeout_ms: 10_000,
            retry_max_ms: 10_000,
            attempts_max: 6,
            attempts_ms: 60_000,
        }
    }
}

const STOP: &str = "stop";
const CONTINUE: &str = "continue";

/// What a provider calls a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedKey {
    /// The key as alerts show it, its `key_id`, or its owner's name for it.
    pub key: String,
    /// Whose it is.
    pub provider: Provider,
    /// What the provider calls it.
    pub id: String,
}

/// The policy, checked.
#[derive(Debug)]
pub struct ContainPlan {
    /// How much is done within 24 hours: each rule for each incident counts.
    pub per_day: usize,
    /// How old the last record of an incident may be, in nanoseconds.
    pub recent: i64,
    /// Keys that nothing is done about.
    pub protect: Vec<Pattern>,
    /// What providers call keys.
    pub names: Vec<NamedKey>,
    /// The rules: what can be undone stands before what cannot.
    pub rules: Vec<Arc<RulePlan>>,
}

/// One rule, checked.
pub struct RulePlan {
    /// Its name.
    pub name: String,
    /// Its table in the configuration, for messages.
    pub place: String,
    /// What is done.
    pub action: &'static Action,
    /// Whether it is only told what would be done.
    pub is_dry: bool,
    /// About incidents of which class.
    pub class: Class,
    /// How much evidence there is at least, in nats.
    pub score_min: f64,
    /// How bad they are at least.
    pub severity_min: Severity,
    /// Which keys; none for all.
    pub keys: Vec<Pattern>,
    /// The spend limit that is set, in dollars.
    pub limit: f64,
    /// Whether the next rule follows when it is done.
    pub goes_on: bool,
    /// Whether it can be undone.
    pub is_reversible: bool,
    /// Where it is.
    pub base: Uri,
    /// The project of OpenAI; empty for none.
    pub project: String,
    /// Where the key comes from that may do it.
    pub key: KeyFrom,
    /// The file with the secret that requests are signed with.
    pub signature_file: Option<PathBuf>,
    trusted: Option<String>,
    /// How long one answer may take.
    pub timeout: Duration,
    /// The longest pause between two attempts.
    pub retry_max: Duration,
    /// How often it is tried.
    pub attempts_max: u32,
    /// How long all attempts may take.
    pub total: Duration,
}

impl fmt::Debug for RulePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RulePlan").field("name", &self.name).finish_non_exhaustive()
    }
}

impl RulePlan {
    /// Whose certificates it believes.
    pub fn trust(&self) -> Trust<'_> {
        let (trusted, may_encrypt) = (self.trusted.as_deref(), is_encrypted(&self.base));
        Trust { place: &self.place, trusted, may_encrypt }
    }

    /// Where it is, without a path: that of a webhook may be a secret.
    pub fn shown(&self) -> String {
        let authority = self.base.authority().map_or("", |authority| authority.as_str());
        format!("{}://{authority}", self.base.scheme_str().unwrap_or_default())
    }

    /// In a few words, for people.
    pub fn summary(&self) -> String {
        let Self { name, action, class, score_min, severity_min, .. } = self;
        let (class, severity) = (class.label(), severity_min.label());
        let mode = if self.is_dry { "dry run: asks, changes nothing" } else { "FOR REAL" };
        let undo = if self.is_reversible { "" } else { ", cannot be undone" };
        format!(
            "{name} ({mode}: {}{undo}, {}, {class} of {score_min} nats and {severity} or more)",
            action.name,
            self.shown()
        )
    }
}

impl ContainPlan {
    /// The policy, if there are rules.
    pub fn new(all: &ContainmentConfig, rules: &[ContainConfig]) -> Result<Option<Arc<Self>>, ConfigError> {
        for (name, value, max) in [
            ("actions_per_day_max", all.actions_per_day_max, 1000),
            ("recent_minutes", all.recent_minutes, 24 * 60),
        ] {
            if !(1..=max).contains(&value) {
                let message = format!("`containment.{name}` is {value}; 1 to {max} is expected");
                return Err(ConfigError::setting(&["containment", name], message));
            }
        }
        let names = names(&all.key)?;
        let protect = patterns(&all.protect).map_err(|what| {
            ConfigError::setting(&["containment", "protect"], format!("`containment.protect`: {what}"))
        })?;
        let mut planned = Vec::new();
        for (number, rule) in rules.iter().enumerate() {
            if rules[..number].iter().any(|other| other.name == rule.name) {
                let message = format!("`contain.name`: two rules are called `{}`", rule.name);
                return Err(ConfigError::setting(&["contain", &number.to_string(), "name"], message));
            }
            planned.push(Arc::new(Check { number, config: rule }.plan()?));
        }
        if planned.is_empty() {
            return Ok(None);
        }
        // Stable: otherwise they stay in the order in which they stand.
        planned.sort_by_key(|rule| !rule.is_reversible);
        Ok(Some(Arc::new(Self {
            per_day: all.actions_per_day_max as usize,
            recent: i64::from(all.recent_minutes) * MINUTE,
            protect,
            names,
            rules: planned,
        })))
    }
}

fn names(keys: &[ContainedKeyConfig]) -> Result<Vec<NamedKey>, ConfigError> {
    let mut names = Vec::new();
    for (number, named) in keys.iter().enumerate() {
        let refuse = |setting: &str, message: String| {
            let path = ["containment", "key", &number.to_string(), setting];
            ConfigError::setting(&path, format!("`containment.key.{setting}`: {message}"))
        };
        let known: Vec<_> = Provider::ALL.into_iter().filter(|one| *one != Provider::Webhook).collect();
        let labels = || known.iter().map(|one| one.label());
        let found = known.iter().find(|one| one.label() == named.provider);
        let provider = *found.ok_or_else(|| {
            refuse("provider", ConfigError::unknown("provider", &named.provider, labels()).to_string())
        })?;
        if named.key.is_empty() {
            return Err(refuse(
                "key",
                "is missing: the key as alerts show it, its `key_id` or alias".to_owned(),
            ));
        }
        provider.check_id(&named.id).map_err(|what| refuse("id", what.to_owned()))?;
        names.push(NamedKey { key: named.key.clone(), provider, id: named.id.clone() });
    }
    Ok(names)
}

fn patterns(texts: &[String]) -> Result<Vec<Pattern>, &'static str> {
    texts.iter().map(|text| Pattern::new(text)).collect()
}

#[cfg(test)]
mod tests;

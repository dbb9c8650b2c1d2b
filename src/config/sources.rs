//! `[sources.NAME]`: APIs of providers that are asked for usage, with everything they name checked and read.

use super::ConfigError;
use super::remote::{Remote, shown};
use crate::net::address::is_encrypted;
use crate::net::trust::Trust;
use crate::pull::{Description, Tells, Times, Width, builtin};
use crate::time::DAY;
use hyper::Uri;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The type of a source that a file of its own describes.
const JSON: &str = "json";

/// One source.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourceConfig {
    /// What it is: a provider's API, or `json` for one that `description` describes.
    #[serde(rename = "type")]
    pub kind: String,
    /// A file that describes the API, of the type `json`.
    pub description: PathBuf,
    /// Where it is; empty for where the provider has it.
    pub url: String,
    /// What is asked; empty for all that there is.
    pub endpoints: Vec<String>,
    /// The width of buckets; empty for the provider's smallest.
    pub width: String,
    /// A file with the key.
    pub key_file: PathBuf,
    /// A program that writes the key to its standard output, with its arguments.
    pub key_command: Vec<String>,
    /// Certificates to trust, in PEM; empty for those of the system.
    pub ca_file: PathBuf,
    /// How often it is asked, in seconds.
    pub every_seconds: u32,
    /// How many days back, when it is asked for the first time.
    pub backfill_days: u32,
    /// How many minutes of what was read are read again; 0 for what is usual for the provider.
    pub overlap_minutes: u32,
    /// How long the answer to one request may take, in milliseconds.
    pub timeout_ms: u32,
    /// The longest pause between two attempts, in milliseconds.
    pub retry_max_ms: u32,
    /// How often one request is tried.
    pub attempts_max: u32,
    /// How long all attempts at one request may take, in milliseconds.
    pub attempts_ms: u32,
    /// Bytes of one answer.
    pub answer_bytes_max: u32,
    /// Requests of an hour; 0 for any number.
    pub requests_per_hour_max: u32,
}

impl Default for SourceConfig {
    fn default() -> Self {
        Self {
            kind: String::new(),
            description: PathBuf::new(),
            url: String::new(),
            endpoints: Vec::new(),
            width: String::new(),
            key_file: PathBuf::new(),
            key_command: Vec::new(),
            ca_file: PathBuf::new(),
            every_seconds: 60,
            backfill_days: 30,
            overlap_minutes: 0,
            timeout_ms: 30_000,
            retry_max_ms: 60_000,
            attempts_max: 6,
            attempts_ms: 300_000,
            answer_bytes_max: 16 << 20,
            requests_per_hour_max: 3_600,
        }
    }
}

/// Where a key comes from. It is read anew for every request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyFrom {
    /// Nobody asks for one.
    Nowhere,
    /// A file.
    File(PathBuf),
    /// What a program writes.
    Command(Vec<String>),
}

/// A source, checked.
pub struct SourcePlan {
    /// Its name.
    pub name: Arc<str>,
    /// Its table in the configuration, or what stands for it.
    pub place: String,
    /// What it is like.
    pub description: Description,
    /// What is asked, by its number there.
    pub endpoints: Vec<usize>,
    /// The width of buckets, where there are several.
    pub width: Option<String>,
    /// How windows lie.
    pub times: Times,
    /// Where it is.
    pub base: Uri,
    /// Where the key comes from.
    pub key: KeyFrom,
    trusted: Option<String>,
    /// How often it is asked.
    pub every: Duration,
    /// How far back at first, in nanoseconds.
    pub backfill: i64,
    /// How long the answer to one request may take.
    pub timeout: Duration,
    /// The longest pause between two attempts.
    pub retry_max: Duration,
    /// How often one request is tried.
    pub attempts_max: u32,
    /// How long all attempts at one request may take.
    pub total: Duration,
    /// Bytes of one answer.
    pub answer_bytes_max: usize,
    /// Requests of an hour; nought for any number.
    pub requests_per_hour_max: u32,
}

impl fmt::Debug for SourcePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourcePlan").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Checks one source, of which messages speak by its place in the configuration.
struct Check<'a> {
    path: &'a [&'a str],
    config: &'a SourceConfig,
}

impl SourcePlan {
    /// Checks a source; `path` is its table in the configuration.
    pub fn new(name: &str, path: &[&str], config: &SourceConfig) -> Result<Self, ConfigError> {
        let check = Check { path, config };
        check.numbers()?;
        let description = check.description()?;
        let (width, times) = check.width(&description)?;
        let base = check.base(&description)?;
        let key = check.key(&base)?;
        Ok(Self {
            name: name.into(),
            place: path.join("."),
            endpoints: check.endpoints(&description)?,
            width,
            times,
            trusted: check.remote().certificates(&config.ca_file, &base)?,
            base,
            key,
            description,
            every: Duration::from_secs(config.every_seconds.into()),
            backfill: i64::from(config.backfill_days) * DAY,
            timeout: Duration::from_millis(config.timeout_ms.into()),
            retry_max: Duration::from_millis(config.retry_max_ms.into()),
            attempts_max: config.attempts_max,
            total: Duration::from_millis(config.attempts_ms.into()),
            answer_bytes_max: config.answer_bytes_max as usize,
            requests_per_hour_max: config.requests_per_hour_max,
        })
    }

    /// Whose certificates it believes.
    pub fn trust(&self) -> Trust<'_> {
        let (trusted, may_encrypt) = (self.trusted.as_deref(), is_encrypted(&self.base));
        Trust { place: &self.place, trusted, may_encrypt }
    }

    /// Where it is, without a path.
    pub fn shown(&self) -> String {
        shown(&self.base)
    }

    /// The names of what is asked.
    pub fn endpoint_names(&self) -> impl Iterator<Item = &str> {
        self.endpoints
            .iter()
            .filter_map(|number| self.description.endpoint.get(*number))
            .map(|one| one.name.as_str())
    }
}

impl Check<'_> {
    fn refuse(&self, setting: &str, message: impl fmt::Display) -> ConfigError {
        self.remote().refuse(setting, message)
    }

    fn remote(&self) -> Remote<'_> {
        Remote { path: self.path }
    }

    fn numbers(&self) -> Result<(), ConfigError> {
        let config = self.config;
        self.remote().numbers(&[
            ("every_seconds", config.every_seconds, 1, 86_400),
            ("backfill_days", config.backfill_days, 0, 366),
            ("overlap_minutes", config.overlap_minutes, 0, 31 * 24 * 60),
            ("timeout_ms", config.timeout_ms, 1, 600_000),
            ("retry_max_ms", config.retry_max_ms, 1, 3_600_000),
            ("attempts_max", config.attempts_max, 1, 100),
            ("attempts_ms", config.attempts_ms, 1, 3_600_000),
            ("answer_bytes_max", config.answer_bytes_max, 1024, 1 << 28),
            ("requests_per_hour_max", config.requests_per_hour_max, 0, 100_000),
        ])
    }

    fn description(&self) -> Result<Description, ConfigError> {
        let known = builtin().map_err(|error| ConfigError::new(error.to_string()))?;
        let file = &self.config.description;
        let kind = self.config.kind.as_str();
        if kind == JSON {
            if file.as_os_str().is_empty() {
                return Err(self.refuse("description", "is missing: a source of the type `json` needs it"));
            }
            let text = self.read("description", file)?;
            return Description::parse(&text)
                .map_err(|error| self.refuse("description", format!("`{}`: {error}", file.display())));
        }
        if !file.as_os_str().is_empty() {
            return Err(self.refuse("description", "is for sources of the type `json`"));
        }
        let names: Vec<&str> = known.iter().map(|one| one.name.as_str()).chain([JSON]).collect();
        let found = known.iter().find(|one| one.name == kind).cloned();
        found.ok_or_else(|| match kind {
            "" => self.refuse("type", format!("is missing; {} is expected", names.join(", "))),
            kind => {
                let told = ConfigError::unknown("type", kind, names.iter().copied());
                self.refuse("type", told)
            }
        })
    }

    fn endpoints(&self, description: &Description) -> Result<Vec<usize>, ConfigError> {
        if self.config.endpoints.is_empty() {
            return Ok((0..description.endpoint.len()).collect());
        }
        let mut chosen = Vec::new();
        for name in &self.config.endpoints {
            let Some(number) = description.endpoint(name) else {
                let known = description.endpoint.iter().map(|endpoint| endpoint.name.as_str());
                return Err(self.refuse("endpoints", ConfigError::unknown("endpoint", name, known)));
            };
            // What is asked for each row of another needs that one first.
            let other = description.endpoint(&description.endpoint[number].each);
            for number in other.into_iter().chain([number]) {
                if !chosen.contains(&number) {
                    chosen.push(number);
                }
            }
        }
        chosen.sort_unstable();
        Ok(chosen)
    }

    fn width(&self, description: &Description) -> Result<(Option<String>, Times), ConfigError> {
        let time = &description.time;
        let name = match self.config.width.as_str() {
            "" => description.default_width.as_str(),
            name => name,
        };
        let known: Option<&Width> = description.width.get(name);
        if known.is_none() && !name.is_empty() {
            if description.width.is_empty() {
                return Err(self.refuse("width", "this API has no widths of buckets to choose from"));
            }
            let names = description.width.keys().map(String::as_str);
            return Err(self.refuse("width", ConfigError::unknown("width", name, names)));
        }
        let (step, chunk) = match known {
            Some(width) => (width.step_minutes, width.chunk_minutes),
            None => (time.step_minutes, time.chunk_minutes),
        };
        let overlap = match self.config.overlap_minutes {
            // A bucket that was not over when it was told is told again.
            0 => time.overlap_minutes.max(step),
            minutes => minutes,
        };
        let times = Times::of_minutes(step, chunk, overlap).within_days(time.days_max);
        let times = Times { complete: time.complete, ..times };
        // What always tells everything is asked once, and all of it is known again.
        let times = if time.from.is_empty() { times.in_one() } else { times };
        Ok((known.map(|_| name.to_owned()), times))
    }

    fn base(&self, description: &Description) -> Result<Uri, ConfigError> {
        let url = if self.config.url.is_empty() { &description.url } else { &self.config.url };
        if url.is_empty() {
            return Err(self.refuse("url", "is missing: everybody has this API somewhere else"));
        }
        self.remote().base(url, "parameters stand in the description")
    }

    fn key(&self, base: &Uri) -> Result<KeyFrom, ConfigError> {
        let key = self.remote().key(&self.config.key_file, &self.config.key_command, base)?;
        match key {
            Some(key) => Ok(key),
            None if self.config.kind == JSON => Ok(KeyFrom::Nowhere),
            None => Err(self.refuse("key_file", "is missing, and so is `key_command`; whose usage is it?")),
        }
    }

    fn read(&self, setting: &str, path: &Path) -> Result<String, ConfigError> {
        self.remote().read(setting, path)
    }
}

/// All of them, by their names.
pub(super) fn all_sources(
    configured: &BTreeMap<String, SourceConfig>,
) -> Result<Vec<Arc<SourcePlan>>, ConfigError> {
    let mut all = Vec::new();
    for (name, source) in configured {
        super::sinks::check_word("sources", name)?;
        let plan = SourcePlan::new(name, &["sources", name], source)?;
        if plan.description.tells == Tells::Keys {
            let told = format!(
                "`{}` tells of keys and not of use, so no run reads it: `keyhound pull {}` and `keyhound inventory` do",
                source.kind, source.kind
            );
            return Err(ConfigError::setting(
                &["sources", name, "type"],
                format!("`sources.{name}.type`: {told}"),
            ));
        }
        all.push(Arc::new(plan));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(text: &str) -> Result<SourcePlan, String> {
        let config: SourceConfig = toml::from_str(text).unwrap();
        SourcePlan::new("s", &["sources", "s"], &config).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_wrong_is_told_with_its_setting() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).unwrap();
            dir.path().join(name).display().to_string()
        };
        let (key, empty, described) =
            (file("key", "EXAMPLE\n"), file("empty", "\n"), file("described", "name = 1"));
        let openai = format!("type = \"openai_usage\"\nkey_file = \"{key}\"\n");
        let litellm = format!("type = \"litellm_spend\"\nkey_file = \"{key}\"\n");
        assert!(planned(&openai).is_ok());
        for (text, told) in [
            ("url = \"https://x\"".to_owned(), "`sources.s.type`: is missing; openai_usage, "),
            ("type = \"openai_usag\"".to_owned(), "unknown type `openai_usag`; did you mean `openai_usage`?"),
            ("type = \"openai_usage\"".to_owned(), "`sources.s.key_file`: is missing"),
            (format!("type = \"openai_usage\"\nkey_file = \"{empty}\""), "is empty"),
            ("type = \"openai_usage\"\nkey_file = \"none\"".to_owned(), "No such file"),
            (
                format!("{openai}key_command = [\"pass\"]"),
                "`sources.s.key_command`: is given, and so is a file",
            ),
            (format!("{openai}url = \"http://192.0.2.1\""), "everybody on the way can read the key"),
            (format!("{openai}url = \"https://x/?a=b\""), "has a question mark"),
            (format!("{openai}url = \"https://a:b@x/\""), "a name or password in the address"),
            (format!("{openai}endpoints = [\"completion\"]"), "did you mean `completions`?"),
            (format!("{openai}width = \"2h\""), "unknown width `2h`"),
            (format!("{litellm}url = \"https://x\"\nwidth = \"1h\""), "no widths of buckets"),
            (litellm.clone(), "`sources.s.url`: is missing"),
            (format!("{openai}every_seconds = 0"), "is 0; 1 to 86400 is expected"),
            (format!("{openai}ca_file = \"{empty}\"\nurl = \"http://127.0.0.1:1\""), "not https://"),
            (format!("{openai}description = \"x\""), "is for sources of the type `json`"),
            ("type = \"json\"".to_owned(), "`sources.s.description`: is missing"),
            (format!("type = \"json\"\ndescription = \"{described}\""), "is no description of an API"),
        ] {
            let error = planned(&text).map(|_| ()).unwrap_err();
            assert!(error.contains(told), "{error}\n{told}");
            assert!(!error.contains("EXAMPLE"), "{error}");
        }
    }
}

//! `[probes.NAME]`: canary prompts that are sent at their cadence, and what is expected of the answers, checked.

use super::remote::{Remote, shown};
use super::{ConfigError, KeyFrom};
use crate::money::NanoUsd;
use crate::net::address::is_encrypted;
use crate::net::trust::Trust;
use crate::normalise::{Bought, Prices};
use crate::probe::dialect::{self, Dialect, Question};
use crate::probe::{ANY, Expect, Schema, target};
use crate::record::{Count, Tokens};
use crate::time::Timestamp;
use hyper::Uri;
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What is asked where nothing else is set: short in, short out, and the same every time.
const PROMPT: &str = "Reply with the single word pong, in lower case, and nothing else.";

/// One canary prompt.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeConfig {
    /// The API: `openai` (chat completions, and whatever speaks like it), `anthropic` (messages) or `gemini` (generateContent).
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it is; empty for where the provider has it.
    pub url: String,
    /// The model that is asked.
    pub model: String,
    /// What it is asked.
    pub prompt: String,
    /// Output tokens, at most.
    pub max_tokens: u32,
    /// The answer comes as it is made, so that its first text can be timed.
    pub stream: bool,
    /// Further members of the body.
    pub parameters: toml::Table,
    /// A file with the key.
    pub key_file: PathBuf,
    /// A program that writes the key to its standard output, with its arguments.
    pub key_command: Vec<String>,
    /// Certificates to trust, in PEM; empty for those of the system.
    pub ca_file: PathBuf,
    /// How often it is asked, in seconds.
    pub every_seconds: u32,
    /// How soon it is asked again after a failure, in seconds.
    pub recheck_seconds: u32,
    /// How long an answer may take at all, in milliseconds.
    pub timeout_ms: u32,
    /// Bytes of one answer.
    pub answer_bytes_max: u32,
    /// Dollars that it may cost on one day (UTC); 0 for no limit.
    pub cost_cap_usd_per_day: f64,
    /// What is expected of the answer.
    pub expect: ExpectConfig,
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self {
            kind: String::new(),
            url: String::new(),
            model: String::new(),
            prompt: PROMPT.to_owned(),
            max_tokens: 64,
            stream: true,
            parameters: toml::Table::new(),
            key_file: PathBuf::new(),
            key_command: Vec::new(),
            ca_file: PathBuf::new(),
            every_seconds: 3_600,
            recheck_seconds: 60,
            timeout_ms: 30_000,
            answer_bytes_max: 1 << 20,
            cost_cap_usd_per_day: 0.0,
            expect: ExpectConfig::default(),
        }
    }
}

/// What is expected of an answer; what is empty or nought is not looked at.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectConfig {
    /// Its text, but for white space around it.
    pub equals: String,
    /// A regular expression that fits somewhere in it.
    pub matches: String,
    /// A JSON Schema that the text fits, as JSON.
    pub json_schema: toml::Table,
    /// A file with such a schema.
    pub json_schema_file: PathBuf,
    /// The model that says it answers, by any of its names.
    pub model: String,
    /// A regular expression that fits its name.
    pub model_matches: String,
    /// Input tokens, at least.
    pub input_tokens_min: u64,
    /// And at most.
    pub input_tokens_max: u64,
    /// Output tokens, at least.
    pub output_tokens_min: u64,
    /// And at most.
    pub output_tokens_max: u64,
    /// How long it takes, in milliseconds.
    pub latency_ms_max: u32,
    /// How long its first text takes, in milliseconds.
    pub first_token_ms_max: u32,
    /// How many times the 95th percentile of its own past it takes.
    pub slower_than_p95_times: f64,
}

/// A canary prompt, checked.
pub struct ProbePlan {
    /// Its name.
    pub name: Arc<str>,
    /// Its table in the configuration, or what stands for it.
    pub place: String,
    /// The API.
    pub dialect: &'static Dialect,
    /// The model that is asked.
    pub model: String,
    /// Where it is asked.
    pub target: Uri,
    /// What is sent.
    pub body: String,
    /// Output tokens, at most.
    pub max_tokens: u32,
    /// The answer comes as it is made.
    pub stream: bool,
    /// Where the key comes from.
    pub key: KeyFrom,
    trusted: Option<String>,
    /// How often it is asked.
    pub every: Duration,
    /// How soon again after a failure.
    pub recheck: Duration,
    /// How long an answer may take at all.
    pub timeout: Duration,
    /// Bytes of one answer.
    pub answer_bytes_max: usize,
    /// What it may cost on one day.
    pub cap: Option<NanoUsd>,
    /// What is expected.
    pub expect: Expect,
}

impl fmt::Debug for ProbePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbePlan").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Checks one probe, of which messages speak by its place in the configuration.
struct Check<'a> {
    remote: Remote<'a>,
    config: &'a ProbeConfig,
}

/// Whatever a gateway puts before a prompt.
const INPUT_SPARE: u64 = 4096;

impl ProbePlan {
    /// Checks a probe; `path` is its table in the configuration.
    pub fn new(
        name: &str,
        path: &[&str],
        config: &ProbeConfig,
        prices: &Prices,
    ) -> Result<Self, ConfigError> {
        let remote = Remote { path };
        let check = Check { remote, config };
        check.numbers()?;
        let dialect = check.dialect()?;
        let (base, target, body) = check.question(dialect)?;
        let key = remote.key(&config.key_file, &config.key_command, &base)?;
        if key.is_none() && base.host() == dialect_host(dialect).as_deref() {
            return Err(remote.refuse(
                "key_file",
                "is missing, and so is `key_command`; the provider answers nobody without a key",
            ));
        }
        let plan = Self {
            name: name.into(),
            place: path.join("."),
            dialect,
            model: config.model.clone(),
            target,
            body,
            max_tokens: config.max_tokens,
            stream: config.stream,
            key: key.unwrap_or(KeyFrom::Nowhere),
            trusted: remote.certificates(&config.ca_file, &base)?,
            every: Duration::from_secs(config.every_seconds.into()),
            recheck: Duration::from_secs(config.recheck_seconds.into()),
            timeout: Duration::from_millis(config.timeout_ms.into()),
            answer_bytes_max: config.answer_bytes_max as usize,
            cap: (config.cost_cap_usd_per_day > 0.0).then(|| NanoUsd::from_usd(config.cost_cap_usd_per_day)),
            expect: check.expect()?,
        };
        match plan.cap {
            Some(_) if plan.cost_max(prices, Timestamp(0)).is_none() => Err(remote.refuse(
                "cost_cap_usd_per_day",
                format!("no price of `{}` is known, so nobody can say when it is reached; name one in `prices.files`", plan.model),
            )),
            _ => Ok(plan),
        }
    }

    /// Whose certificates it believes.
    pub fn trust(&self) -> Trust<'_> {
        let (trusted, may_encrypt) = (self.trusted.as_deref(), is_encrypted(&self.target));
        Trust { place: &self.place, trusted, may_encrypt }
    }

    /// Where it is, without a path.
    pub fn shown(&self) -> String {
        shown(&self.target)
    }

    /// Input tokens, at most: none has less than a byte of what is sent, and gateways may put something before it.
    pub fn input_max(&self) -> u64 {
        self.body.len() as u64 + INPUT_SPARE
    }

    /// What one may cost at most, by what is sent; `None` where no price is known.
    pub fn cost_max(&self, prices: &Prices, at: Timestamp) -> Option<NanoUsd> {
        let model = prices.resolve(&self.model).ok()?;
        let tokens = Tokens {
            input_uncached: Count::of(self.body.len() as u64),
            output: Count::of(self.max_tokens.into()),
            ..Tokens::default()
        };
        Some(prices.cost(model, at, Bought::default(), &tokens).0)
    }
}

fn dialect_host(dialect: &Dialect) -> Option<String> {
    dialect.url.parse::<Uri>().ok()?.host().map(str::to_owned)
}

impl Check<'_> {
    fn numbers(&self) -> Result<(), ConfigError> {
        let config = self.config;
        self.remote.numbers(&[
            ("max_tokens", config.max_tokens, 1, 100_000),
            ("every_seconds", config.every_seconds, 1, 31 * 86_400),
            ("recheck_seconds", config.recheck_seconds, 1, 86_400),
            ("timeout_ms", config.timeout_ms, 1, 600_000),
            ("answer_bytes_max", config.answer_bytes_max, 1024, 1 << 28),
        ])?;
        for (name, value, max) in [
            ("cost_cap_usd_per_day", config.cost_cap_usd_per_day, 1e6),
            ("expect.slower_than_p95_times", config.expect.slower_than_p95_times, 1e3),
        ] {
            if !(0.0..=max).contains(&value) {
                return Err(self.remote.refuse(name, format!("is {value}; 0 to {max} is expected")));
            }
        }
        Ok(())
    }

    fn dialect(&self) -> Result<&'static Dialect, ConfigError> {
        let kind = self.config.kind.as_str();
        let names = || dialect::ALL.iter().map(|dialect| dialect.name);
        dialect::find(kind).ok_or_else(|| match kind {
            "" => {
                let names = names().collect::<Vec<_>>().join(", ");
                self.remote.refuse("type", format!("is missing; {names} is expected"))
            }
            kind => self.remote.refuse("type", ConfigError::unknown("type", kind, names())),
        })
    }

    fn question(&self, dialect: &'static Dialect) -> Result<(Uri, Uri, String), ConfigError> {
        let config = self.config;
        if config.model.is_empty() {
            return Err(self.remote.refuse("model", "is missing: which one is asked?"));
        }
        if config.prompt.trim().is_empty() {
            return Err(self.remote.refuse("prompt", "is empty"));
        }
        let url = if config.url.is_empty() { dialect.url } else { &config.url };
        let base = self.remote.base(url, "the address ends before the paths of the API")?;
        let is_original = base.host() == dialect_host(dialect).as_deref();
        let (model, prompt) = (config.model.as_str(), config.prompt.as_str());
        let question =
            Question { model, prompt, max_tokens: config.max_tokens, stream: config.stream, is_original };
        let mut body = (dialect.body)(&question);
        for (name, value) in &config.parameters {
            let refused = |error| self.remote.refuse("parameters", format!("`{name}`: {error}"));
            body.insert(name.clone(), serde_json::to_value(value).map_err(refused)?);
        }
        let body = serde_json::Value::Object(body).to_string();
        let target = target(&base, dialect, &question);
        Ok((base, target.ok_or_else(|| self.remote.refuse("url", "is no address"))?, body))
    }

    fn expect(&self) -> Result<Expect, ConfigError> {
        let config = &self.config.expect;
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let millis = |ms: u32| (ms > 0).then(|| Duration::from_millis(ms.into()));
        Ok(Expect {
            equals: text(&config.equals),
            matches: self.pattern("expect.matches", &config.matches)?,
            schema: self.schema()?,
            model: text(&config.model),
            model_matches: self.pattern("expect.model_matches", &config.model_matches)?,
            input: self.range("expect.input_tokens_max", config.input_tokens_min, config.input_tokens_max)?,
            output: self.range(
                "expect.output_tokens_max",
                config.output_tokens_min,
                config.output_tokens_max,
            )?,
            latency_max: millis(config.latency_ms_max),
            first_token_max: millis(config.first_token_ms_max),
            slower_than_p95: (config.slower_than_p95_times > 0.0).then_some(config.slower_than_p95_times),
        })
    }

    fn range(&self, setting: &str, min: u64, max: u64) -> Result<(u64, u64), ConfigError> {
        match (min, max) {
            (0, 0) => Ok(ANY),
            (min, 0) => Ok((min, u64::MAX)),
            (min, max) if min <= max => Ok((min, max)),
            _ => Err(self.remote.refuse(setting, format!("is {max}, and the least is {min}"))),
        }
    }

    fn pattern(&self, setting: &str, text: &str) -> Result<Option<Regex>, ConfigError> {
        if text.is_empty() {
            return Ok(None);
        }
        Regex::new(text)
            .map(Some)
            .map_err(|error| self.remote.refuse(setting, format!("is no regular expression: {error}")))
    }

    fn schema(&self) -> Result<Option<Schema>, ConfigError> {
        let (table, file) = (&self.config.expect.json_schema, &self.config.expect.json_schema_file);
        let (setting, schema) = match (table.is_empty(), file.as_os_str().is_empty()) {
            (true, true) => return Ok(None),
            (false, false) => {
                return Err(self.remote.refuse(
                    "expect.json_schema_file",
                    "is given, and so is a schema; one of them has to go",
                ));
            }
            (false, true) => ("expect.json_schema", serde_json::to_value(table)),
            (true, false) => {
                let text = self.remote.read("expect.json_schema_file", file)?;
                ("expect.json_schema_file", serde_json::from_str(&text))
            }
        };
        let schema = schema.map_err(|error| format!("is no JSON Schema: {error}"));
        let schema = schema.and_then(|schema| Schema::new(&schema));
        schema.map(Some).map_err(|error| self.remote.refuse(setting, error))
    }
}

/// All of them, by their names.
pub(super) fn all_probes(
    configured: &BTreeMap<String, ProbeConfig>,
    prices: &Prices,
) -> Result<Vec<Arc<ProbePlan>>, ConfigError> {
    let mut all = Vec::new();
    for (name, probe) in configured {
        super::sinks::check_word("probes", name)?;
        all.push(Arc::new(ProbePlan::new(name, &["probes", name], probe, prices)?));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds without JSON Schema take none.
    const NO_SCHEMA: &str = if cfg!(feature = "schema") {
        "`probes.p.expect.json_schema`: is no JSON Schema"
    } else {
        "`probes.p.expect.json_schema`: cannot be held to: this keyhound was built without the feature `schema`"
    };

    fn planned(text: &str) -> Result<ProbePlan, String> {
        let config: ProbeConfig = toml::from_str(text).unwrap();
        let prices = Prices::builtin().map_err(|error| error.to_string())?;
        ProbePlan::new("p", &["probes", "p"], &config, &prices).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_wrong_is_told_with_its_setting() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("key");
        std::fs::write(&key, "EXAMPLE\n").unwrap();
        let key = key.display().to_string();
        let sound = format!("type = \"openai\"\nmodel = \"gpt-4o-mini\"\nkey_file = \"{key}\"\n");
        assert!(planned(&sound).is_ok());
        for (text, told) in [
            (String::new(), "`probes.p.type`: is missing; openai, anthropic, gemini is expected"),
            ("type = \"opena\"".to_owned(), "unknown type `opena`; did you mean `openai`?"),
            ("type = \"gemini\"".to_owned(), "`probes.p.model`: is missing"),
            (
                "type = \"openai\"\nmodel = \"x\"".to_owned(),
                "`probes.p.key_file`: is missing, and so is `key_command`",
            ),
            (format!("{sound}prompt = \" \""), "`probes.p.prompt`: is empty"),
            (format!("{sound}url = \"http://192.0.2.1\""), "everybody on the way can read the key"),
            (format!("{sound}url = \"https://x/?a\""), "has a question mark"),
            (format!("{sound}every_seconds = 0"), "is 0; 1 to 2678400 is expected"),
            (format!("{sound}cost_cap_usd_per_day = -1.0"), "is -1; 0 to 1000000 is expected"),
            (
                format!(
                    "type = \"openai\"\nmodel = \"house-model\"\nkey_file = \"{key}\"\ncost_cap_usd_per_day = 1.0"
                ),
                "no price of `house-model` is known",
            ),
            (
                format!("{sound}[expect]\nmatches = \"(\""),
                "`probes.p.expect.matches`: is no regular expression",
            ),
            (
                format!("{sound}[expect]\ninput_tokens_min = 3\ninput_tokens_max = 2"),
                "is 2, and the least is 3",
            ),
            (format!("{sound}[expect.json_schema]\ntype = \"objekt\""), NO_SCHEMA),
            (format!("{sound}[expect.json_schema]\n\"$ref\" = \"https://example.com/schema\""), NO_SCHEMA),
            (format!("{sound}[expect]\njson_schema_file = \"{key}\""), "is no JSON Schema"),
        ] {
            let error = planned(&text).map(|_| ()).unwrap_err();
            assert!(error.contains(told), "{error}\n{told}");
            assert!(!error.contains("EXAMPLE"), "{error}");
        }
    }

    #[test]
    fn questions_go_where_the_apis_are() {
        for (kind, url, target) in [
            ("openai", "http://localhost:1", "http://localhost:1/v1/chat/completions"),
            ("openai", "http://localhost:1/proxy/v1/", "http://localhost:1/proxy/v1/chat/completions"),
            ("anthropic", "http://localhost:1/", "http://localhost:1/v1/messages"),
            (
                "gemini",
                "http://localhost:1",
                "http://localhost:1/v1beta/models/m%2F1:streamGenerateContent?alt=sse",
            ),
        ] {
            let text = format!("type = \"{kind}\"\nmodel = \"m/1\"\nurl = \"{url}\"");
            assert_eq!(planned(&text).unwrap().target.to_string(), target);
        }
        let text = "type = \"openai\"\nmodel = \"m\"\nurl = \"http://localhost:1\"\nparameters = { temperature = 0, max_tokens = 9 }";
        let body: serde_json::Value = serde_json::from_str(&planned(text).unwrap().body).unwrap();
        assert_eq!(
            (&body["temperature"], &body["max_tokens"], &body["stream"]),
            (&0.into(), &9.into(), &true.into())
        );
    }
}

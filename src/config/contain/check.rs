//! Checks a rule of `[[contain]]`.

use super::{CONTINUE, ContainConfig, RulePlan, STOP, patterns};
use crate::config::{ConfigError, KeyFrom, credential, read_text};
use crate::contain::{ACTIONS, Action, Change, Provider};
use crate::detect::{Class, Severity};
use crate::net::address::{address, is_encrypted, is_here};
use hyper::Uri;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Checks one rule, of which messages speak by its name.
pub(super) struct Check<'a> {
    /// Which of them it is.
    pub number: usize,
    /// What it says.
    pub config: &'a ContainConfig,
}

impl Check<'_> {
    pub fn plan(&self) -> Result<RulePlan, ConfigError> {
        let config = self.config;
        crate::config::sinks::check_word("contain", &config.name)?;
        self.numbers()?;
        let action = self.action()?;
        let base = self.base(action)?;
        let key = self.key(action, &base)?;
        let class = self.one_of("class", &config.class, &Class::ALL.map(Class::label))?;
        let severity =
            self.one_of("severity_min", &config.severity_min, &Severity::ALL.map(Severity::label))?;
        let then = self.one_of("then", &config.then, &[STOP, CONTINUE])?;
        Ok(RulePlan {
            name: config.name.clone(),
            place: format!("contain.{}", config.name),
            action,
            is_dry: config.dry_run,
            class: Class::ALL[class],
            score_min: config.score_min,
            severity_min: Severity::ALL[severity],
            keys: patterns(&config.keys).map_err(|what| self.refuse("keys", what))?,
            limit: self.limit(action)?,
            goes_on: then == 1,
            is_reversible: self.is_reversible(action)?,
            project: self.project(action)?,
            signature_file: self.signature(action)?,
            trusted: self.certificates(&base)?,
            base,
            key,
            timeout: Duration::from_millis(config.timeout_ms.into()),
            retry_max: Duration::from_millis(config.retry_max_ms.into()),
            attempts_max: config.attempts_max,
            total: Duration::from_millis(config.attempts_ms.into()),
        })
    }

    fn refuse(&self, setting: &str, message: impl fmt::Display) -> ConfigError {
        let place = match self.config.name.as_str() {
            "" => "contain".to_owned(),
            name => format!("contain.{name}"),
        };
        let path = ["contain", &self.number.to_string(), setting];
        ConfigError::setting(&path, format!("`{place}.{setting}`: {message}"))
    }

    fn numbers(&self) -> Result<(), ConfigError> {
        let config = self.config;
        for (name, value, min, max) in [
            ("timeout_ms", config.timeout_ms, 1, 60_000),
            ("retry_max_ms", config.retry_max_ms, 1, 300_000),
            ("attempts_max", config.attempts_max, 1, 100),
            ("attempts_ms", config.attempts_ms, 1, 3_600_000),
        ] {
            if !(min..=max).contains(&value) {
                return Err(self.refuse(name, format!("is {value}; {min} to {max} is expected")));
            }
        }
        if !config.score_min.is_finite() || config.score_min <= 0.0 {
            let told = format!("is {}; a number of nats above nought is expected", config.score_min);
            return Err(self.refuse("score_min", told));
        }
        Ok(())
    }

    fn one_of(&self, setting: &str, name: &str, known: &[&str]) -> Result<usize, ConfigError> {
        let place = known.iter().position(|known| *known == name);
        place.ok_or_else(|| {
            self.refuse(setting, format!("`{name}` is none; {} is expected", known.join(", ")))
        })
    }

    fn action(&self) -> Result<&'static Action, ConfigError> {
        let names = || ACTIONS.iter().map(|action| action.name);
        let found = ACTIONS.iter().find(|action| action.name == self.config.action);
        found.ok_or_else(|| match self.config.action.as_str() {
            "" => self.refuse(
                "action",
                format!("is missing; {} is expected", names().collect::<Vec<_>>().join(", ")),
            ),
            name => self.refuse("action", ConfigError::unknown("action", name, names())),
        })
    }

    fn limit(&self, action: &Action) -> Result<f64, ConfigError> {
        let limit = self.config.limit_usd;
        match action.change {
            Change::Limit if limit.is_finite() && (0.0..=1e9).contains(&limit) => Ok(limit),
            Change::Limit => {
                Err(self.refuse("limit_usd", format!("is {limit}; dollars, 0 to 1e9, are expected")))
            }
            _ if limit == 0.0 => Ok(0.0),
            _ => Err(self.refuse("limit_usd", format!("is given, but `{}` sets no limit", action.name))),
        }
    }

    fn is_reversible(&self, action: &Action) -> Result<bool, ConfigError> {
        let is_wanted = self.config.irreversible;
        match action.change {
            Change::Delete if !is_wanted => Err(self.refuse(
                "irreversible",
                format!(
                    "is false, and what `{}` does cannot be undone; set it to true if that is meant",
                    action.name
                ),
            )),
            Change::Delete => Ok(false),
            Change::Call => Ok(!is_wanted),
            Change::Off | Change::Limit if is_wanted => Err(self
                .refuse("irreversible", format!("is true, but what `{}` does can be undone", action.name))),
            Change::Off | Change::Limit => Ok(true),
        }
    }

    fn project(&self, action: &Action) -> Result<String, ConfigError> {
        let project = &self.config.project;
        match (action.provider, project.as_str()) {
            (_, "") => Ok(String::new()),
            (Provider::OpenAi, text) if Provider::is_word(text) && text.starts_with("proj_") => {
                Ok(project.clone())
            }
            (Provider::OpenAi, _) => Err(self.refuse("project", "is no id of a project (`proj_…`)")),
            _ => Err(self.refuse("project", "is for actions of OpenAI")),
        }
    }

    fn base(&self, action: &Action) -> Result<Uri, ConfigError> {
        let url = if self.config.url.is_empty() { action.provider.url() } else { &self.config.url };
        if url.is_empty() {
            return Err(self.refuse("url", "is missing: everybody has this somewhere else"));
        }
        let base = address(url, &[]).map_err(|what| self.refuse("url", what))?;
        if base.query().is_some() && action.provider != Provider::Webhook {
            return Err(
                self.refuse("url", "has a question mark; where the API is, without a path, is expected")
            );
        }
        if !is_encrypted(&base) && !is_here(&base) {
            let told = "over http:// everybody on the way can read the key; the address has to be https://";
            return Err(self.refuse("url", told));
        }
        Ok(base)
    }

    fn key(&self, action: &Action, base: &Uri) -> Result<KeyFrom, ConfigError> {
        let (file, command) = (&self.config.key_file, &self.config.key_command);
        match (file.as_os_str().is_empty(), command.is_empty()) {
            (false, false) => {
                Err(self.refuse("key_command", "is given, and so is a file; one of them has to go"))
            }
            (true, true) if action.provider == Provider::Webhook => Ok(KeyFrom::Nowhere),
            (true, true) => {
                let told = format!(
                    "is missing, and so is `key_command`; who is {} to obey?",
                    base.host().unwrap_or_default()
                );
                Err(self.refuse("key_file", told))
            }
            (false, true) => self.secret("key_file", file).map(KeyFrom::File),
            (true, false) => Ok(KeyFrom::Command(command.clone())),
        }
    }

    fn signature(&self, action: &Action) -> Result<Option<PathBuf>, ConfigError> {
        let file = &self.config.signature_file;
        match (action.provider, file.as_os_str().is_empty()) {
            (Provider::Webhook, true) => {
                Err(self.refuse("signature_file", "is missing: whoever obeys has to know who asks"))
            }
            (Provider::Webhook, false) => self.secret("signature_file", file).map(Some),
            (_, true) => Ok(None),
            (_, false) => Err(self.refuse("signature_file", "is for webhooks")),
        }
    }

    fn secret(&self, setting: &str, file: &Path) -> Result<PathBuf, ConfigError> {
        let path = credential(file).map_err(|what| self.refuse(setting, what))?;
        if self.read(setting, &path)?.trim().is_empty() {
            return Err(self.refuse(setting, format!("`{}`: is empty", path.display())));
        }
        Ok(path)
    }

    fn certificates(&self, base: &Uri) -> Result<Option<String>, ConfigError> {
        if self.config.ca_file.as_os_str().is_empty() {
            return Ok(None);
        }
        if !is_encrypted(base) {
            return Err(self.refuse("ca_file", "is given, but the address is not https://"));
        }
        self.read("ca_file", &self.config.ca_file).map(Some)
    }

    fn read(&self, setting: &str, path: &Path) -> Result<String, ConfigError> {
        read_text(path).map_err(|error| self.refuse(setting, format!("`{}`: {error}", path.display())))
    }
}

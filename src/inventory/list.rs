//! Lists of keys, as providers tell them and as an organisation writes them down itself.

use super::own::{Own, OwnError};
use super::row::{self, Project, Row};
use crate::time::Timestamp;
use serde_json::{Deserializer, Value};
use std::collections::BTreeMap;
use std::path::Path;
use thiserror::Error;

/// Keys of all lists.
pub const KEYS_MAX: usize = 1_000_000;
/// Rows that could not be read and are told.
const TOLD_MAX: usize = 3;

/// Who tells of a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Teller {
    /// `openai_keys`.
    OpenAi,
    /// `anthropic_keys`.
    Anthropic,
    /// `openrouter_keys`.
    OpenRouter,
    /// `litellm_keys`.
    LiteLlm,
    /// A file of one's own.
    Own,
}

impl Teller {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::OpenRouter => "openrouter",
            Self::LiteLlm => "litellm",
            Self::Own => "own",
        }
    }

    /// Whether its keys are for models of this provider alone; the others stand for many.
    pub fn is_only_for(self, provider: &str) -> bool {
        !matches!(self, Self::OpenAi | Self::Anthropic) || self.name() == provider
    }
}

/// What a key may spend.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum Limit {
    /// The list does not say.
    #[default]
    Unknown,
    /// Whatever the account can pay.
    None,
    /// So many dollars in so many days.
    Dollars(f64, f64),
    /// So many dollars in all.
    Total(f64),
}

/// A key that somebody tells of.
#[allow(
    clippy::struct_excessive_bools,
    reason = "what lists say of keys is yes or no, and each is asked by itself"
)]
#[derive(Clone, PartialEq, Debug)]
pub struct Listed {
    /// Who.
    pub teller: Teller,
    /// The identifiers by which records may name it.
    pub ids: Vec<String>,
    /// What is left of the key itself: its beginning and its end.
    pub masks: Vec<String>,
    /// What it is called.
    pub name: String,
    /// Who answers for it.
    pub owner: String,
    /// The owner is a person, and no service.
    pub is_personal: bool,
    /// The owner has no access any more to what the key opens.
    pub has_left: bool,
    /// The project, workspace or team that it belongs to.
    pub project: String,
    /// Why it cannot be used, where it cannot.
    pub off: Option<&'static str>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it was used last, as the provider says.
    pub last_used: Option<Timestamp>,
    /// Whether the provider says when keys were used last.
    pub tells_last_use: bool,
    /// When it ends.
    pub expires: Option<Timestamp>,
    /// Whether an end can be set.
    pub can_expire: bool,
    /// What it may spend.
    pub limit: Limit,
    /// Its whole project shares that.
    pub is_shared: bool,
    /// The models that it may use: `None` where nobody says, empty for all.
    pub models: Option<Vec<String>>,
    /// What it is allowed, where somebody says.
    pub permissions: Vec<String>,
    /// It administers, and asks no model.
    pub is_admin: bool,
}

impl Listed {
    /// One of which nothing is known.
    pub fn by(teller: Teller) -> Self {
        Self {
            teller,
            ids: Vec::new(),
            masks: Vec::new(),
            name: String::new(),
            owner: String::new(),
            is_personal: false,
            has_left: false,
            project: String::new(),
            off: None,
            created: None,
            last_used: None,
            tells_last_use: false,
            expires: None,
            can_expire: false,
            limit: Limit::Unknown,
            is_shared: false,
            models: None,
            permissions: Vec::new(),
            is_admin: false,
        }
    }

    /// As people tell it apart: what is left of the key, else its identifier.
    pub fn shown(&self) -> &str {
        self.masks.first().or(self.ids.first()).map_or("", String::as_str)
    }
}

/// A file that cannot be read as a list of keys.
#[derive(Debug, Error)]
pub enum ListError {
    /// A file of one's own that cannot be used.
    #[error(transparent)]
    Own(#[from] OwnError),
    /// A file of one's own that is no text.
    #[error("is not UTF-8 text")]
    NoText,
    /// No JSON from some place on.
    #[error("is no JSON at line {line}, column {column}; {what}")]
    Json {
        /// Where.
        line: usize,
        /// Where.
        column: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// There is nothing in it that is a key.
    #[error(
        "has no key that can be read{0}; lists come from `keyhound pull openai_keys`, `anthropic_keys`, `openrouter_keys` \
         or `litellm_keys`, or are files of [[key]] whose names end in .toml"
    )]
    Nothing(String),
    /// Too many.
    #[error("more than {KEYS_MAX} keys")]
    TooMany,
}

/// All keys that somebody tells of.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    /// The keys.
    pub keys: Vec<Listed>,
    projects: BTreeMap<String, Project>,
    /// Rows that are no keys, the first of them told.
    pub unread: Vec<String>,
    /// How many those are.
    pub unread_count: u64,
}

impl Lists {
    /// Adds a file: one of one's own if its name ends in `.toml`.
    pub fn add_file(&mut self, path: &Path, bytes: &[u8]) -> Result<(), ListError> {
        if path.extension().is_none_or(|end| !end.eq_ignore_ascii_case("toml")) {
            return self.add_json(bytes);
        }
        self.add_own(std::str::from_utf8(bytes).map_err(|_| ListError::NoText)?)
    }

    /// Adds a file of one's own. Limits of an account that a key of it shares are not told there.
    pub fn add_own(&mut self, text: &str) -> Result<(), ListError> {
        for entry in Own::parse(text)?.key {
            let names: Vec<String> = entry.all_names().map(str::to_owned).collect();
            let (masks, ids) = names.into_iter().partition(|name| row::is_mask(name));
            self.push(Listed {
                ids,
                masks,
                owner: entry.owner.clone(),
                project: if entry.team.is_empty() { entry.environment } else { entry.team },
                limit: entry.monthly_spend_limit.map_or(Limit::Unknown, |usd| Limit::Dollars(usd, 30.0)),
                models: (!entry.models.is_empty()).then_some(entry.models),
                permissions: entry.permissions,
                name: entry.name,
                ..Listed::by(Teller::Own)
            })?;
        }
        Ok(())
    }

    /// Adds what a provider tells: rows one a line, pages, or lists.
    pub fn add_json(&mut self, text: &[u8]) -> Result<(), ListError> {
        let (before, projects, unread) = (self.keys.len(), self.projects.len(), self.unread_count);
        let mut number = 0;
        for value in Deserializer::from_slice(text).into_iter::<Value>() {
            let value = value.map_err(|error| ListError::Json {
                line: error.line(),
                column: error.column(),
                what: if error.is_eof() { "was it cut off?" } else { "each line is one row or one page" },
            })?;
            self.add_value(value, &mut number)?;
        }
        if self.keys.len() == before && self.projects.len() == projects {
            let count = self.unread_count - unread;
            let told = if count == 0 { String::new() } else { format!(" ({count} rows of something else)") };
            return Err(ListError::Nothing(told));
        }
        Ok(())
    }

    /// A row, or something that holds rows.
    fn add_value(&mut self, value: Value, number: &mut u64) -> Result<(), ListError> {
        let rows = match value {
            Value::Array(rows) => rows,
            Value::Object(mut page) => match page.remove("data").or_else(|| page.remove("keys")) {
                Some(Value::Array(rows)) => rows,
                _ => vec![Value::Object(page)],
            },
            other => vec![other],
        };
        for row in rows {
            *number += 1;
            match row::read(&row) {
                Row::Key(key) => self.push(*key)?,
                Row::Project(id, project) => self.project(id, project),
                Row::Unknown(why) => {
                    self.unread_count += 1;
                    if self.unread.len() < TOLD_MAX {
                        self.unread.push(format!("row {number} is no key: {why}"));
                    }
                }
            }
        }
        Ok(())
    }

    /// What is known of a project is told in several rows.
    fn project(&mut self, id: String, project: Project) {
        if self.projects.len() >= KEYS_MAX && !self.projects.contains_key(&id) {
            return;
        }
        let known = self.projects.entry(id).or_default();
        if !project.name.is_empty() {
            known.name = project.name;
        }
        if project.limit != Limit::Unknown {
            known.limit = project.limit;
        }
        known.is_gone |= project.is_gone;
    }

    fn push(&mut self, key: Listed) -> Result<(), ListError> {
        if self.keys.len() >= KEYS_MAX {
            return Err(ListError::TooMany);
        }
        self.keys.push(key);
        Ok(())
    }

    /// Gives keys what their projects have, and makes of a key that is told twice one.
    pub fn settle(&mut self) {
        for key in &mut self.keys {
            let Some(project) = self.projects.get(&key.project) else { continue };
            if key.limit == Limit::Unknown && !key.is_admin {
                key.limit = project.limit;
                key.is_shared = true;
            }
            if project.is_gone && key.off.is_none() {
                key.off = Some("its project is archived");
            }
            if !project.name.is_empty() {
                key.project.clone_from(&project.name);
            }
        }
        // Of a list that was pulled twice the later row counts.
        let mut at: BTreeMap<(Teller, String), usize> = BTreeMap::new();
        let mut kept: Vec<Listed> = Vec::new();
        for key in std::mem::take(&mut self.keys) {
            let name = (key.teller, key.ids.first().or(key.masks.first()).cloned().unwrap_or_default());
            match at.get(&name) {
                Some(place) if key.teller != Teller::Own => kept[*place] = key,
                _ => {
                    at.insert(name, kept.len());
                    kept.push(key);
                }
            }
        }
        self.keys = kept;
    }

    /// Who tells of any key.
    pub fn tellers(&self) -> impl Iterator<Item = (Teller, usize)> {
        let mut counts: BTreeMap<Teller, usize> = BTreeMap::new();
        for key in &self.keys {
            *counts.entry(key.teller).or_default() += 1;
        }
        counts.into_iter()
    }
}

//! What an API is like: where it is asked, how it divides its answers into pages, in which form it takes times.

use crate::time::{DAY, MINUTE};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use thiserror::Error;

/// An API that tells of usage, as a file in TOML describes it.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// What it is called.
    pub name: String,
    /// What people read about it.
    pub summary: String,
    /// What it tells of.
    #[serde(default)]
    pub tells: Tells,
    /// Where it is, but for the paths of its endpoints; empty where everybody has one of his own.
    #[serde(default)]
    pub url: String,
    /// The header that the key goes into.
    #[serde(default = "authorization")]
    pub key_header: String,
    /// What stands before the key there; empty for nothing.
    #[serde(default = "bearer")]
    pub key_scheme: String,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Parameters of all requests.
    #[serde(default)]
    pub query: BTreeMap<String, Texts>,
    /// Where in an answer the list of rows is, as names divided by points; empty where the answer is that list.
    #[serde(default)]
    pub rows: String,
    /// What is handed on.
    #[serde(default)]
    pub write: Written,
    /// A list in each row; where it is empty, the row tells nothing and is left out. Empty for none.
    #[serde(default)]
    pub empty: String,
    /// What a row is known by, where rows are events that never change; empty for all of its text.
    #[serde(default)]
    pub id: String,
    /// How windows of time are asked for.
    #[serde(default)]
    pub time: TimeParameters,
    /// How answers are divided into pages.
    #[serde(default)]
    pub paging: Paging,
    /// Widths of buckets that can be asked for, by name.
    #[serde(default)]
    pub width: BTreeMap<String, Width>,
    /// The one of them that is asked for if nothing else is said.
    #[serde(default)]
    pub default_width: String,
    /// What can be asked.
    pub endpoint: Vec<Endpoint>,
}

fn authorization() -> String {
    "Authorization".to_owned()
}

fn bearer() -> String {
    "Bearer".to_owned()
}

/// What an API tells of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tells {
    /// Use, bills or events: records of a run.
    #[default]
    Use,
    /// Keys there are, and what they may: no records (`keyhound inventory` reads them).
    Keys,
}

/// One text, or several of the same name.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Texts {
    /// One.
    One(String),
    /// Several, each in a parameter of its own.
    Several(Vec<String>),
}

impl Texts {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let all = match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Several(texts) => texts,
        };
        all.iter().map(String::as_str)
    }
}

/// What is handed on of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Written {
    /// Each row, on a line of its own.
    #[default]
    Rows,
    /// The answer as it is, on one line: its rows cannot be read without what stands around them.
    Answer,
}

/// How windows of time are asked for.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeParameters {
    /// The parameter that says from when on; empty for an API that always tells everything.
    #[serde(default)]
    pub from: String,
    /// The parameter that says until when; empty where there is none and a window is as long as `chunk_minutes`.
    #[serde(default)]
    pub to: String,
    /// How times are written.
    #[serde(default)]
    pub format: TimeFormat,
    /// The end of a window is part of it: the last second, or the last day, is told and not the first that is not.
    #[serde(default)]
    pub inclusive: bool,
    /// Windows begin and end at multiples of so many minutes.
    #[serde(default = "minute")]
    pub step_minutes: u32,
    /// One window is no longer than that.
    #[serde(default = "day")]
    pub chunk_minutes: u32,
    /// So much of what was read before is read again, because it may be told with other numbers.
    #[serde(default)]
    pub overlap_minutes: u32,
    /// A bucket is told when it is over, and not asked for before.
    #[serde(default)]
    pub complete: bool,
    /// How many days back it can be asked; nought for any.
    #[serde(default)]
    pub days_max: u32,
}

fn minute() -> u32 {
    1
}

fn day() -> u32 {
    24 * 60
}

impl Default for TimeParameters {
    /// Those of an API that always tells everything.
    fn default() -> Self {
        Self {
            from: String::new(),
            to: String::new(),
            format: TimeFormat::default(),
            inclusive: false,
            step_minutes: minute(),
            chunk_minutes: day(),
            overlap_minutes: 0,
            complete: false,
            days_max: 0,
        }
    }
}

/// How an API writes times.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeFormat {
    /// `2026-06-01T00:00:00Z`.
    #[default]
    Rfc3339,
    /// Seconds since 1970.
    Unix,
    /// Milliseconds since 1970.
    UnixMs,
    /// `2026-06-01`.
    Date,
    /// `2026-06-01 00:00:00`, in UTC.
    DateTime,
}

/// By what the next page is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// There is one page.
    #[default]
    None,
    /// A text that stands in the page before: a cursor, a token, the identifier of its last row.
    Token,
    /// An address that stands in the page before, on the same host.
    Link,
    /// The number of the page.
    Page,
    /// The number of rows before it.
    Offset,
}

/// How answers are divided into pages.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// By what the next page is asked for.
    #[serde(default)]
    pub by: By,
    /// The parameter that says which page.
    #[serde(default)]
    pub parameter: String,
    /// Where in an answer it stands what the next page is asked by.
    #[serde(default)]
    pub next: String,
    /// Where in an answer it stands whether there is another page; empty where `next` says that.
    #[serde(default)]
    pub more: String,
    /// Where in an answer it stands how many pages there are; empty where a page with fewer rows than `size` is the last.
    #[serde(default)]
    pub pages: String,
    /// Rows of a page.
    #[serde(default)]
    pub size: u32,
    /// The parameter for that.
    #[serde(default)]
    pub size_parameter: String,
    /// The number of the first page.
    #[serde(default = "minute")]
    pub first: u32,
}

/// A width of buckets.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Width {
    /// Minutes of a bucket, at multiples of which windows begin and end.
    pub step_minutes: u32,
    /// One window is no longer than that.
    pub chunk_minutes: u32,
    /// What has to be asked for it.
    #[serde(default)]
    pub query: BTreeMap<String, Texts>,
}

/// What can be asked.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// What it is called.
    pub name: String,
    /// Its path; `{}` in it is one of `each`.
    pub path: String,
    /// An endpoint further up: this one is asked for each of its rows. Empty for none.
    #[serde(default)]
    pub each: String,
    /// Where such a row has what stands in the path.
    #[serde(default = "id")]
    pub each_id: String,
    /// The name under which that is put before what a row of this one tells, which often does not say it.
    #[serde(default)]
    pub each_as: String,
    /// The answer is one row, and no list.
    #[serde(default)]
    pub single: bool,
    /// The status that says that there is none; a row of `each_as` and null under the name of the endpoint is written.
    #[serde(default)]
    pub none_status: u16,
    /// Parameters, which go before those of all; an empty list takes one away.
    #[serde(default)]
    pub query: BTreeMap<String, Texts>,
}

fn id() -> String {
    "id".to_owned()
}

/// A description that cannot be used.
#[derive(Debug, Error)]
pub enum DescriptionError {
    /// It is none.
    #[error("is no description of an API: {0}")]
    Toml(String),
    /// Something is missing or does not fit.
    #[error("`{0}`: {1}")]
    Field(String, &'static str),
}

/// A window is no longer than that: more would have to be read again after a failure.
const CHUNK_DAYS_MAX: i64 = 366;

impl Description {
    /// Reads a description.
    pub fn parse(text: &str) -> Result<Self, DescriptionError> {
        let described: Self = toml::from_str(text).map_err(|error| {
            DescriptionError::Toml(error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
        })?;
        described.check().map(|()| described)
    }

    fn check(&self) -> Result<(), DescriptionError> {
        let refuse = |field: &str, why| Err(DescriptionError::Field(field.to_owned(), why));
        if !is_name(&self.name) {
            return refuse("name", "lower-case letters, digits and `_` are expected");
        }
        if self.endpoint.is_empty() {
            return refuse("endpoint", "is missing; what is there to be asked?");
        }
        for (number, endpoint) in self.endpoint.iter().enumerate() {
            if !is_name(&endpoint.name) {
                return refuse("endpoint.name", "lower-case letters, digits and `_` are expected");
            }
            if self.endpoint[..number].iter().any(|other| other.name == endpoint.name) {
                return refuse("endpoint.name", "there are two of the same name");
            }
            let is_path = |byte: u8| byte.is_ascii_graphic() && !b"?#\"<>\\^`{|}".contains(&byte);
            let path =
                if endpoint.each.is_empty() { &endpoint.path } else { &endpoint.path.replacen("{}", "", 1) };
            if !path.starts_with('/') || !path.bytes().all(is_path) {
                return refuse("endpoint.path", "`/path` is expected, without a question mark behind it");
            }
            if !endpoint.each.is_empty() {
                if !self.endpoint[..number].iter().any(|other| other.name == endpoint.each) {
                    return refuse("endpoint.each", "is none of the endpoints above this one");
                }
                if path == &endpoint.path || !is_name(&endpoint.each_as) {
                    return refuse("endpoint.each", "needs `{}` in `path`, and a name in `each_as`");
                }
            } else if endpoint.none_status != 0 {
                return refuse("endpoint.none_status", "is for endpoints with `each`");
            }
        }
        let paging = &self.paging;
        match paging.by {
            By::Token if paging.parameter.is_empty() || paging.next.is_empty() => {
                return refuse("paging", "by a token needs `parameter` and `next`");
            }
            By::Link if paging.next.is_empty() => return refuse("paging", "by a link needs `next`"),
            By::Page | By::Offset if paging.parameter.is_empty() => {
                return refuse("paging", "by numbers needs `parameter`");
            }
            By::Page | By::Offset if paging.size == 0 && paging.pages.is_empty() => {
                return refuse(
                    "paging",
                    "by numbers needs `size`, or `pages`: else nobody knows the last page",
                );
            }
            _ => {}
        }
        if self.time.from.is_empty() && !self.time.to.is_empty() {
            return refuse("time.from", "is missing, and `to` is there");
        }
        if !self.width.is_empty() && !self.width.contains_key(&self.default_width) {
            return refuse("default_width", "is none of the widths");
        }
        let widths = self.width.values().map(|width| (width.step_minutes, width.chunk_minutes));
        for (step, chunk) in widths.chain([(self.time.step_minutes, self.time.chunk_minutes)]) {
            let chunk = i64::from(chunk) * MINUTE;
            if step == 0 || chunk % (i64::from(step) * MINUTE) != 0 || chunk == 0 {
                return refuse("chunk_minutes", "has to be a multiple of `step_minutes`, and neither nought");
            }
            if chunk > CHUNK_DAYS_MAX * DAY {
                return refuse("chunk_minutes", "is longer than a year");
            }
        }
        Ok(())
    }

    /// The endpoint of this name.
    pub fn endpoint(&self, name: &str) -> Option<usize> {
        self.endpoint.iter().position(|endpoint| endpoint.name == name)
    }
}

fn is_name(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(is_word)
}

/// The descriptions that come with the program.
const BUILTIN: [&str; 13] = [
    include_str!("../../config/providers/openai_usage.toml"),
    include_str!("../../config/providers/openai_costs.toml"),
    include_str!("../../config/providers/openai_audit.toml"),
    include_str!("../../config/providers/anthropic_usage.toml"),
    include_str!("../../config/providers/anthropic_cost.toml"),
    include_str!("../../config/providers/anthropic_activity.toml"),
    include_str!("../../config/providers/openrouter_activity.toml"),
    include_str!("../../config/providers/litellm_spend.toml"),
    include_str!("../../config/providers/litellm_activity.toml"),
    include_str!("../../config/providers/openai_keys.toml"),
    include_str!("../../config/providers/anthropic_keys.toml"),
    include_str!("../../config/providers/openrouter_keys.toml"),
    include_str!("../../config/providers/litellm_keys.toml"),
];

/// The descriptions that come with the program.
pub fn builtin() -> Result<Vec<Description>, DescriptionError> {
    BUILTIN.iter().map(|text| Description::parse(text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_with_the_program_is_whole_and_has_a_format_of_its_name() {
        let all = builtin().map_err(|error| error.to_string()).unwrap();
        let formats = crate::decode::Formats::builtin();
        for (number, one) in all.iter().enumerate() {
            assert!(all[..number].iter().all(|other| other.name != one.name), "{}", one.name);
            let is_read = formats.iter().any(|format| *format.name == *one.name);
            assert_eq!(is_read, one.tells == Tells::Use, "{}", one.name);
            assert!(!one.summary.is_empty() && (one.url.is_empty() || one.url.starts_with("https://")));
        }
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let good = "name = \"a\"\nsummary = \"b\"\n[time]\nfrom = \"since\"\n[[endpoint]]\nname = \"c\"\npath = \"/c\"\n";
        assert!(Description::parse(good).is_ok());
        for (text, told) in [
            (good.replace("\"/c\"", "\"c?d=e\""), "`endpoint.path`: `/path` is expected"),
            (good.replace("name = \"a\"", "name = \"A b\""), "`name`: lower-case letters"),
            (good.replace("from = ", "to = "), "`time.from`: is missing"),
            (good.replace("[time]", "[time]\nstep_minutes = 7"), "`chunk_minutes`: has to be a multiple"),
            (format!("{good}each = \"d\"\n"), "`endpoint.each`: is none of the endpoints above"),
            (
                format!("{good}[[endpoint]]\nname = \"d\"\npath = \"/d\"\neach = \"c\"\n"),
                "`endpoint.each`: needs `{}` in `path`",
            ),
            (format!("{good}none_status = 404\n"), "`endpoint.none_status`: is for endpoints with `each`"),
            (good.replace("\"/c\"", "\"/c/{}\""), "`endpoint.path`: `/path` is expected"),
            (format!("{good}[paging]\nby = \"token\"\n"), "by a token needs"),
            (format!("{good}[paging]\nby = \"page\"\nparameter = \"p\"\n"), "needs `size`, or `pages`"),
            (format!("{good}[paging]\nby = \"magic\"\n"), "unknown variant `magic`"),
            (good.replace("summary", "sumary"), "unknown field `sumary`"),
        ] {
            let error = Description::parse(&text).unwrap_err().to_string();
            assert!(error.contains(told), "{error}\n{told}");
        }
    }
}

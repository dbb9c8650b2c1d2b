//! What is wrong with a configuration, where, and what to do.

use thiserror::Error;

/// A configuration that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{place}{message}")]
pub struct ConfigError {
    /// `file:line: `, as far as it is known.
    place: String,
    message: String,
    /// Where in the text, in bytes.
    at: Option<usize>,
    /// The setting, from the root.
    path: Vec<String>,
}

impl ConfigError {
    /// An error in words.
    pub fn new(message: impl Into<String>) -> Self {
        Self { place: String::new(), message: message.into(), at: None, path: Vec::new() }
    }

    /// A name that is not known, with the nearest one that is.
    pub fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.collect();
        let near = known.iter().map(|&candidate| (strsim::jaro_winkler(candidate, name), candidate));
        let nearest = near.max_by(|(a, _), (b, _)| a.total_cmp(b)).filter(|(likeness, _)| *likeness > 0.8);
        let advice = match nearest {
            Some((_, candidate)) => format!("did you mean `{candidate}`?"),
            None => format!("known are {}", known.join(", ")),
        };
        Self::new(format!("unknown {what} `{name}`; {advice}"))
    }

    /// Something wrong with the settings of a detector.
    pub fn detector(name: &str, what: impl std::fmt::Display) -> Self {
        let path = vec!["detectors".to_owned(), name.to_owned()];
        Self { path, ..Self::new(format!("detector `{name}`: {what}")) }
    }

    /// What is wrong with a value that was read from a table of its own, in words for people who do not write Rust.
    pub fn of_value(error: &toml::de::Error) -> String {
        // Which setting it is, is told only after the message: "in `sigma`".
        let told = error.to_string();
        let name = told.rsplit_once("in `").and_then(|(_, rest)| rest.split('`').next());
        let message = error.message();
        name.and_then(|name| wrong_value(name, message)).unwrap_or_else(|| message.to_owned())
    }

    /// Something wrong with one setting.
    pub(super) fn setting(path: &[&str], message: impl Into<String>) -> Self {
        Self { path: path.iter().map(ToString::to_string).collect(), ..Self::new(message) }
    }

    /// The same error, told of a table: the place goes before the advice.
    pub(super) fn inside(self, place: &str) -> Self {
        Self { message: self.message.replacen("`;", &format!("`{place};"), 1), ..self }
    }

    pub(super) fn from_toml(error: &toml::de::Error) -> Self {
        let message = error.message();
        let message =
            if message.contains("recurs") { "nested deeper than any configuration is" } else { message };
        Self { at: error.span().map(|span| span.start), ..Self::new(message) }
    }

    /// The same error, told of a setting.
    pub(super) fn named(self, name: Option<&str>) -> Self {
        let message = name.and_then(|name| wrong_value(name, &self.message));
        Self { message: message.unwrap_or(self.message), ..self }
    }

    pub(super) fn at(self, at: usize) -> Self {
        Self { at: Some(at), ..self }
    }

    /// The setting that is wrong, from the root; empty where it is none in particular.
    pub(super) fn path(&self) -> &[String] {
        &self.path
    }

    /// The same error with the name of its file and, if it is known, the line.
    pub(super) fn in_file(self, file: &str, text: &str) -> Self {
        let place = match self.at.and_then(|at| text.get(..at)) {
            Some(before) => format!("{file}:{}: ", before.matches('\n').count() + 1),
            None => format!("{file}: "),
        };
        Self { place, ..self }
    }
}

/// What the reader of TOML says of a value, in words for people who do not write Rust.
fn wrong_value(name: &str, message: &str) -> Option<String> {
    let (found, expected) = message.split_once(", expected ")?;
    let (_, found) = found.split_once("invalid ")?.1.split_once(": ")?;
    let expected = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0",
        "f64" => "a number",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        _ if expected.starts_with("struct ") || expected == "a map" => "a table",
        _ => expected,
    };
    Some(format!("`{name}` cannot be {}; {expected} is expected", found.trim_end_matches(" as i128")))
}

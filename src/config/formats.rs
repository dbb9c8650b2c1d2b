//! `[[format]]`: formats that a configuration writes down as places and names.

use super::ConfigError;
use crate::decode::{FIELD_NAMES, Format, Map, Place, Unit, field, nothing_more};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A format of the user's own: which field of `docs/record.md` stands where.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FormatConfig {
    /// Its name for `--format` and in tables.
    pub name: String,
    /// Names at the top level of a record that tell this format from others; without any, it has to be named.
    pub when: Vec<String>,
    /// Places by field: JSON pointers, in which `*` is any element of a list or other member of an
    /// object, and `@json` the JSON inside a text.
    pub fields: BTreeMap<String, Places>,
}

impl FormatConfig {
    /// One with every field that may be given.
    pub(super) fn example() -> Self {
        let fields = FIELD_NAMES.iter().map(|&name| (name.to_owned(), Places::One(String::new())));
        Self { fields: fields.collect(), ..Self::default() }
    }
}

/// Where a field stands.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Places {
    /// At one place.
    One(String),
    /// At the first of these that holds something.
    Several(Vec<String>),
    /// In another unit than usual.
    In {
        /// The places.
        at: Vec<String>,
        /// The unit: `cents`.
        unit: String,
    },
}

/// The formats of a configuration, checked.
pub(super) fn formats(configured: &[FormatConfig], known: &[&str]) -> Result<Vec<Format>, ConfigError> {
    let mut formats: Vec<Format> = Vec::new();
    for (number, config) in configured.iter().enumerate() {
        let path = ["format", &number.to_string()].map(str::to_owned);
        let refuse = |message: String| {
            let path = path.each_ref().map(String::as_str);
            ConfigError::setting(&path, format!("`format.{}`: {message}", config.name))
        };
        let taken = known.contains(&config.name.as_str())
            || formats.iter().any(|other| other.name == config.name.as_str());
        if config.name.is_empty() || taken {
            return Err(refuse("a format needs a name that no other has".to_owned()));
        }
        formats.push(format(config).map_err(refuse)?);
    }
    Ok(formats)
}

fn format(config: &FormatConfig) -> Result<Format, String> {
    let mut places = Vec::new();
    for (name, at) in &config.fields {
        let field = field(name.as_bytes())
            .ok_or_else(|| format!("`{name}` is no field of a record; docs/record.md lists them"))?;
        let (pointers, unit) = match at {
            Places::One(pointer) => (std::slice::from_ref(pointer), Unit::Usual),
            Places::Several(pointers) => (pointers.as_slice(), Unit::Usual),
            Places::In { at, unit } if unit == "cents" && name == "cost_usd" => (at.as_slice(), Unit::Cents),
            Places::In { unit, .. } => {
                return Err(format!("`{name}` cannot be in `{unit}`; `cost_usd` may be in `cents`"));
            }
        };
        for pointer in pointers {
            if !pointer.starts_with('/') {
                return Err(format!(
                    "`{pointer}` is no JSON pointer; these begin with a slash, as in `/usage/cost`"
                ));
            }
            places.push(Place(pointer, field, unit));
        }
    }
    if !config.fields.contains_key("timestamp") {
        return Err("`fields.timestamp` is missing; every record needs a time".to_owned());
    }
    let map = Map::new(&places, nothing_more);
    Ok(Format::of_map(&config.name, "from the configuration", config.when.clone(), map))
}

//! `[[format]]`: formats that a configuration writes down as places and names.

use super::ConfigError;
use crate::decode::{Constant, FIELD_NAMES, Field, Format, Map, Place, Unit, field, nothing_more};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

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
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(untagged)]
pub enum Places {
    /// At one place.
    One(String),
    /// At the first of these that holds something.
    Several(Vec<String>),
    /// In another unit than usual, or the same in every record.
    With(PlacesWith),
}

/// Places, and what else there is to say of a field.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlacesWith {
    /// The places.
    pub at: Vec<String>,
    /// What a number there counts, such as `cents`; empty for what `docs/record.md` says.
    pub unit: String,
    /// The value where no place holds one: a text, a number, true or false.
    pub constant: Option<toml::Value>,
}

// By hand, because of a mistake in a table an untagged enum says only that nothing fits.
impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlacesVisitor)
    }
}

struct PlacesVisitor;

impl<'de> Visitor<'de> for PlacesVisitor {
    type Value = Places;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a place, a list of places, or a table with `at`, `unit` and `constant`")
    }

    fn visit_str<E>(self, place: &str) -> Result<Places, E> {
        Ok(Places::One(place.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, places: A) -> Result<Places, A::Error> {
        Deserialize::deserialize(SeqAccessDeserializer::new(places)).map(Places::Several)
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Places, A::Error> {
        Deserialize::deserialize(MapAccessDeserializer::new(table)).map(Places::With)
    }
}

/// The units of amounts of money, and how many tens each of them is of a dollar.
const OF_MONEY: &[(&str, i8)] =
    &[("usd", 0), ("cents", -2), ("milli-usd", -3), ("micro-usd", -6), ("nano-usd", -9)];
/// The units of counts.
const OF_COUNTS: &[(&str, i8)] = &[("ones", 0), ("thousands", 3), ("millions", 6)];

/// The unit that `name` is for a field, or what is wrong with it.
fn unit(field: Field, name: &str) -> Result<Unit, String> {
    let units = match field {
        _ if name.is_empty() => return Ok(Unit::Usual),
        Field::Cost => OF_MONEY,
        _ if field.is_amount() => OF_COUNTS,
        Field::Time | Field::End => {
            return Err(format!(
                "cannot be in `{name}`; seconds, milliseconds, microseconds and nanoseconds are told apart by size"
            ));
        }
        _ => return Err(format!("cannot be in `{name}`; only counts and `cost_usd` have units")),
    };
    let known = units.iter().find(|(known, _)| *known == name);
    known.map(|&(_, tens)| if tens == 0 { Unit::Usual } else { Unit::Tens(tens) }).ok_or_else(|| {
        let known: Vec<String> = units.iter().map(|(known, _)| format!("`{known}`")).collect();
        format!("cannot be in `{name}`; its units are {}", known.join(", "))
    })
}

/// A constant as records would have it.
fn constant(field: Field, unit: Unit, value: &toml::Value) -> Result<Constant, String> {
    let constant = match value {
        toml::Value::String(text) => Constant::text(field, unit, text),
        toml::Value::Integer(number) => Constant::number(field, unit, &number.to_string()),
        toml::Value::Float(number) if number.is_finite() => {
            Constant::number(field, unit, &number.to_string())
        }
        toml::Value::Boolean(flag) => Constant::flag(field, unit, *flag),
        _ => return Err("cannot be the constant given; a text, a number, true or false can".to_owned()),
    };
    if matches!(field, Field::Time | Field::End) {
        return Err("cannot be a constant; it is when a record is from".to_owned());
    }
    constant.check().map_err(|message| format!("cannot be the constant `{value}`: {message}"))?;
    Ok(constant)
}

/// The formats of a configuration, checked.
pub(super) fn formats(configured: &[FormatConfig], known: &[&str]) -> Result<Vec<Format>, ConfigError> {
    let mut formats: Vec<Format> = Vec::new();
    for (number, config) in configured.iter().enumerate() {
        let number = number.to_string();
        let refuse = |below: &[&str], message: String| {
            let path = [&["format", number.as_str()], below].concat();
            ConfigError::setting(&path, format!("`format.{}`: {message}", config.name))
        };
        let taken = known.contains(&config.name.as_str())
            || formats.iter().any(|other| other.name == config.name.as_str());
        if config.name.is_empty() || taken {
            return Err(refuse(&[], "a format needs a name that no other has".to_owned()));
        }
        if !config.fields.contains_key("timestamp") {
            return Err(refuse(&[], "`fields.timestamp` is missing; every record needs a time".to_owned()));
        }
        let (mut places, mut constants) = (Vec::new(), Vec::new());
        for (name, stands) in &config.fields {
            field_of(name, stands, &mut places, &mut constants)
                .map_err(|message| refuse(&["fields", name], message))?;
        }
        let map = Map::new(&places, nothing_more).with_constants(constants);
        formats.push(Format::of_map(&config.name, "from the configuration", config.when.clone(), map));
    }
    Ok(formats)
}

/// Takes in what is said of one field.
fn field_of<'c>(
    name: &str,
    stands: &'c Places,
    places: &mut Vec<Place<'c>>,
    constants: &mut Vec<Constant>,
) -> Result<(), String> {
    let field = field(name.as_bytes())
        .ok_or_else(|| format!("`{name}` is no field of a record; docs/record.md lists them"))?;
    let told = |message| format!("`{name}` {message}");
    let (pointers, unit) = match stands {
        Places::One(pointer) => (std::slice::from_ref(pointer), Unit::Usual),
        Places::Several(pointers) => (pointers.as_slice(), Unit::Usual),
        Places::With(with) => (with.at.as_slice(), unit(field, &with.unit).map_err(told)?),
    };
    for pointer in pointers {
        if !pointer.starts_with('/') {
            return Err(format!(
                "`{pointer}` is no JSON pointer; these begin with a slash, as in `/usage/cost`"
            ));
        }
        places.push(Place(pointer, field, unit));
    }
    let value = match stands {
        Places::With(with) => with.constant.as_ref(),
        _ => None,
    };
    if let Some(value) = value {
        constants.push(constant(field, unit, value).map_err(told)?);
    } else if pointers.is_empty() {
        return Err(told("needs a place, `at`, or a `constant`".to_owned()));
    }
    Ok(())
}

//! Where in its text a setting stands, and which settings are none.

use super::ConfigError;
use toml::de::{DeTable, DeValue};

/// In a schema, stands for any name.
pub(super) const ANY: &str = "*";

/// Refuses names that `schema` does not have, at any depth.
pub(super) fn check_names(text: &str, schema: &toml::Table) -> Result<(), ConfigError> {
    let root = DeTable::parse(text).map_err(|error| ConfigError::from_toml(&error))?;
    check_table(root.get_ref(), schema, "")
}

fn check_table(table: &DeTable<'_>, schema: &toml::Table, path: &str) -> Result<(), ConfigError> {
    for (name, value) in table {
        let Some(known) = schema.get(name.get_ref().as_ref()).or_else(|| schema.get(ANY)) else {
            let place = if path.is_empty() { String::new() } else { format!(" in `{path}`") };
            let error = ConfigError::unknown("setting", name.get_ref(), schema.keys().map(String::as_str));
            return Err(error.inside(&place).at(name.span().start));
        };
        let path =
            if path.is_empty() { name.get_ref().to_string() } else { format!("{path}.{}", name.get_ref()) };
        match (value.get_ref(), known) {
            // Where none are listed, names are somebody else's.
            (DeValue::Table(_), toml::Value::Table(known)) if known.is_empty() => {}
            (DeValue::Table(inner), toml::Value::Table(known)) => check_table(inner, known, &path)?,
            (DeValue::Array(elements), toml::Value::Array(known)) => {
                let Some(toml::Value::Table(known)) = known.first() else { continue };
                for element in elements {
                    if let DeValue::Table(inner) = element.get_ref() {
                        check_table(inner, known, &path)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Where the setting at `path` stands in `text`, as far as it does. The tables of a list go by their number.
pub(super) fn find(text: &str, path: &[String]) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    find_in_table(root.get_ref(), path)
}

fn find_in_table(table: &DeTable<'_>, path: &[String]) -> Option<usize> {
    let (first, rest) = path.split_first()?;
    let (name, value) = table.get_key_value(first.as_str())?;
    let deeper = match (value.get_ref(), rest) {
        (DeValue::Table(inner), rest) => find_in_table(inner, rest),
        (DeValue::Array(elements), [number, rest @ ..]) => {
            let element = elements.get(number.parse::<usize>().ok()?)?;
            let inside = element.get_ref().as_table().and_then(|inner| find_in_table(inner, rest));
            inside.or(Some(element.span().start))
        }
        _ => None,
    };
    deeper.or(Some(name.span().start))
}

/// The setting whose value stands at `at`.
pub(super) fn name_at(text: &str, at: usize) -> Option<String> {
    let root = DeTable::parse(text).ok()?;
    Some(path_to(root.get_ref(), at)?.join("."))
}

fn path_to<'t>(table: &'t DeTable<'_>, at: usize) -> Option<Vec<&'t str>> {
    table.iter().find_map(|(name, value)| {
        let deeper = match value.get_ref() {
            DeValue::Table(inner) => path_to(inner, at),
            DeValue::Array(elements) => elements.iter().find_map(|element| match element.get_ref() {
                DeValue::Table(inner) => path_to(inner, at),
                _ => None,
            }),
            _ => None,
        };
        let here = || value.span().contains(&at).then(Vec::new);
        let mut path = deeper.or_else(here)?;
        path.insert(0, name.get_ref());
        Some(path)
    })
}

//! Where in its text a setting stands, and which settings are none.

use super::ConfigError;
use toml::de::{DeTable, DeValue};

/// Refuses names that `schema` does not have, at any depth.
pub(super) fn check_names(text: &str, schema: &toml::Table) -> Result<(), ConfigError> {
    let root = DeTable::parse(text).map_err(|error| ConfigError::from_toml(&error))?;
    check_table(root.get_ref(), schema, "")
}

fn check_table(table: &DeTable<'_>, schema: &toml::Table, path: &str) -> Result<(), ConfigError> {
    for (name, value) in table {
        let Some(known) = schema.get(name.get_ref().as_ref()) else {
            let place = if path.is_empty() { String::new() } else { format!(" in `{path}`") };
            let error = ConfigError::unknown("setting", name.get_ref(), schema.keys().map(String::as_str));
            return Err(error.inside(&place).at(name.span().start));
        };
        let path =
            if path.is_empty() { name.get_ref().to_string() } else { format!("{path}.{}", name.get_ref()) };
        match (value.get_ref(), known) {
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

/// Where the setting at `path` stands in `text`, as far as it does.
pub(super) fn find(text: &str, path: &[String]) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let mut table = root.into_inner();
    let mut at = None;
    for name in path {
        let (key, value) = table.remove_entry(name.as_str())?;
        at = Some(key.span().start);
        match value.into_inner() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    at
}

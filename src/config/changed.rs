//! In which settings two configurations differ.

use super::Config;
use std::collections::BTreeSet;

/// The settings in which two configurations differ, as `table.setting`; lists of tables by their names alone.
pub fn changed(one: &Config, other: &Config) -> Vec<String> {
    let table = |config| toml::Table::try_from(config).unwrap_or_default();
    let mut changed = Vec::new();
    compare("", &table(one), &table(other), &mut changed);
    changed
}

fn compare(path: &str, one: &toml::Table, other: &toml::Table, changed: &mut Vec<String>) {
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    for name in names {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match (one.get(name), other.get(name)) {
            (Some(toml::Value::Table(one)), Some(toml::Value::Table(other))) => {
                compare(&path, one, other, changed);
            }
            (one, other) if one != other => changed.push(path),
            _ => {}
        }
    }
}

/// Whether a setting is one of these, or stands in a table that is.
pub fn is_in(setting: &str, listed: &[&str]) -> bool {
    listed
        .iter()
        .any(|one| setting.strip_prefix(one).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

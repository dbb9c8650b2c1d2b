//! In what a second configuration may differ that is tried beside the first, on the same records.

use super::{Config, ConfigError, changed, is_in, locate};

/// Settings that say what records are: both configurations are given the same ones.
const SAME: &[&str] = &[
    "fingerprint",
    "format",
    "input.frame_bytes_max",
    "input.idle_minutes",
    "input.join_minutes",
    "input.lateness_minutes",
    "input.poll_ms",
    "inventory",
    "limits.join_entries_max",
    "prices",
];
/// Settings of what a shadow does not do: it opens nothing, sends nothing and shows nothing of its own.
const IDLE: &[&str] = &[
    "api",
    "checkpoint",
    "contain",
    "containment",
    "kafka",
    "listen",
    "metrics",
    "post",
    "probes",
    "sinks",
    "sources",
];

/// Settings of the second configuration that are not tried, although they differ.
pub type Untried = Vec<String>;

/// Whether `other`, read from `file` with `text`, can be tried beside `config`; in what else it differs that has no effect.
pub fn untried(config: &Config, other: &Config, file: &str, text: &str) -> Result<Untried, ConfigError> {
    let changed = changed(config, other);
    if let Some(setting) = changed.iter().find(|setting| is_in(setting, SAME)) {
        let path: Vec<&str> = setting.split('.').collect();
        let remedy = if is_in(setting, &["prices"]) {
            "records have their price before they are judged; `keyhound backtest --compare` tries other prices"
        } else {
            "both are given the same records; say the same in both, or try it in a run of its own"
        };
        let message = format!("`{setting}` differs from the configuration that it is tried beside: {remedy}");
        let error = ConfigError::setting(&path, message);
        let place = locate::find(text, error.path());
        let error = match place {
            Some(at) => error.at(at),
            None => error,
        };
        return Err(error.in_file(file, text));
    }
    Ok(changed.into_iter().filter(|setting| is_in(setting, IDLE)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(text: &str) -> Result<Untried, String> {
        let other = Config::parse("other.toml", text).unwrap();
        untried(&Config::default(), &other, "other.toml", text).map_err(|error| error.to_string())
    }

    #[test]
    fn detection_may_differ_and_records_may_not() {
        for text in [
            "",
            "timezone = \"Europe/Prague\"\n[incidents]\nenabled = false\n[detectors.volume_spike]\nsigma = 9.0\n",
            "[[key]]\nkey = \"a\"\n[watch_list]\nfiles = []\n[baseline]\nrebuild_days = 3\n[networks]\ntables = []\n",
            "[input]\nrestate_hours = 3\n[limits]\nstate_bytes_max = 2000000\n",
        ] {
            assert_eq!(tried(text), Ok(Vec::new()), "{text}");
        }
        assert_eq!(
            tried("[metrics]\nkeys = \"top\"\n[sinks.pager]\ntype = \"file\"\npath = \"p\"\n"),
            Ok(vec!["metrics.keys".to_owned(), "sinks.pager".to_owned()])
        );
        for (text, told) in [
            ("\n[input]\nlateness_minutes = 9\n", "other.toml:3: `input.lateness_minutes` differs from"),
            ("[fingerprint]\nsalt_file = \"s\"\n", "other.toml:2: `fingerprint.salt_file` differs from"),
            ("[prices]\nfiles = [\"p.toml\"]\n", "other.toml:2: `prices.files` differs from"),
        ] {
            let error = tried(text).unwrap_err();
            assert!(error.starts_with(told), "{error}");
        }
        assert!(tried("[prices]\nlitellm_file = \"x\"\n").unwrap_err().contains("backtest --compare"));
    }

    /// A name that is no setting would never be found out; a new table must be put somewhere.
    #[test]
    fn every_setting_is_sorted() {
        let free =
            ["baseline", "detectors", "incidents", "key", "limits", "networks", "timezone", "watch_list"];
        let schema = Config::schema();
        for listed in SAME.iter().chain(IDLE) {
            let mut parts = listed.split('.');
            let table = parts.next().and_then(|name| schema.get(name)).unwrap();
            assert!(parts.all(|part| table.get(part).is_some()), "{listed}");
        }
        for (name, value) in &schema {
            let inner = value.as_table().filter(|_| name == "input");
            let names: Vec<String> = match inner {
                Some(table) => table.keys().map(|inner| format!("{name}.{inner}")).collect(),
                None => vec![name.clone()],
            };
            for name in names {
                let sorted = is_in(&name, SAME) || is_in(&name, IDLE) || free.contains(&name.as_str());
                assert!(sorted || name == "input.restate_hours", "{name}");
            }
        }
    }
}

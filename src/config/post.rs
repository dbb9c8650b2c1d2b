//! `[post]`: the plain spelling of one sink, of the type `http` and the name `post`.

use super::{ConfigError, SinkConfig, SinkPlan};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What the sink is called.
pub(super) const NAME: &str = "post";

/// Alerts by HTTP, besides the usual output.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PostConfig {
    /// Where to; empty for nowhere.
    pub url: String,
    /// A file with the bearer token, read again with each attempt; empty for none.
    pub token_file: PathBuf,
    /// Certificates to trust, in PEM; empty for those of the system.
    pub ca_file: PathBuf,
    /// How long one attempt may take, in milliseconds.
    pub timeout_ms: u32,
    /// The longest pause between two attempts, in milliseconds.
    pub retry_max_ms: u32,
    /// Alerts of one request.
    pub batch_alerts_max: u32,
    /// Bytes of alerts that wait to be delivered; when there are as many, reading stops.
    pub outbox_bytes_max: u32,
}

impl Default for PostConfig {
    fn default() -> Self {
        let SinkConfig { timeout_ms, retry_max_ms, batch_alerts_max, outbox_bytes_max, .. } =
            SinkConfig::default();
        Self {
            url: String::new(),
            token_file: PathBuf::new(),
            ca_file: PathBuf::new(),
            timeout_ms,
            retry_max_ms,
            batch_alerts_max,
            outbox_bytes_max,
        }
    }
}

impl PostConfig {
    /// The sink that it is; `None` where there is no address, but its numbers are checked all the same.
    pub fn plan(&self) -> Result<Option<SinkPlan>, ConfigError> {
        let is_used = !self.url.is_empty();
        let nowhere = "http://localhost/".to_owned();
        let config = SinkConfig {
            kind: "http".to_owned(),
            timeout_ms: self.timeout_ms,
            retry_max_ms: self.retry_max_ms,
            batch_alerts_max: self.batch_alerts_max,
            outbox_bytes_max: self.outbox_bytes_max,
            ..SinkConfig::default()
        };
        if !is_used {
            SinkPlan::new(NAME, &[NAME], &SinkConfig { url: nowhere, ..config })?;
            return Ok(None);
        }
        let config = SinkConfig {
            url: self.url.clone(),
            token_file: self.token_file.clone(),
            ca_file: self.ca_file.clone(),
            ..config
        };
        SinkPlan::new(NAME, &[NAME], &config).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn planned(config: &PostConfig) -> Result<Option<SinkPlan>, String> {
        config.plan().map_err(|error| error.to_string())
    }

    fn at(url: &str) -> PostConfig {
        PostConfig { url: url.to_owned(), ..PostConfig::default() }
    }

    #[test]
    fn only_the_origin_of_an_address_is_shown() {
        assert!(planned(&at("")).unwrap().is_none());
        let plan = planned(&at("https://hooks.example:8443/services/EXAMPLE?key=EXAMPLE")).unwrap().unwrap();
        assert_eq!(plan.shown(), "https://hooks.example:8443");
        for wrong in [
            "hooks.example/EXAMPLE",
            "ftp://h/EXAMPLE",
            "https:///EXAMPLE",
            "EXAMPLE",
            "https://u:EXAMPLE@h/",
        ] {
            let told = planned(&at(wrong)).map(|_| ()).unwrap_err();
            assert!(told.starts_with("`post.url`: ") && !told.contains("EXAMPLE"), "{told}");
        }
    }

    #[test]
    fn files_and_numbers_are_checked() {
        let dir = tempfile::tempdir().unwrap();
        let [token, empty, none] = ["token", "empty", "none"].map(|name| dir.path().join(name));
        std::fs::write(&token, "EXAMPLE\n").unwrap();
        std::fs::write(&empty, "\n").unwrap();
        let with = |url: &str, token_file: &Path| PostConfig { token_file: token_file.to_owned(), ..at(url) };
        for url in ["https://h/", "http://127.0.0.1:1/", "http://[::1]:1/", "http://localhost/"] {
            assert!(planned(&with(url, &token)).unwrap().is_some(), "{url}");
        }
        let ca = PostConfig { ca_file: token.clone(), ..at("http://h/") };
        let small = PostConfig { outbox_bytes_max: 5, ..at("") };
        for (config, told) in [
            (with("http://h/", &token), "`post.token_file`: over http://"),
            (with("https://h/", &empty), "is empty"),
            (with("https://h/", &none), "No such file"),
            (ca, "`post.ca_file`: is given, but"),
            (small, "`post.outbox_bytes_max`: is 5; 1024 to 1073741824 is expected"),
        ] {
            let error = planned(&config).map(|_| ()).unwrap_err();
            assert!(error.contains(told), "{error}\n{told}");
        }
    }
}

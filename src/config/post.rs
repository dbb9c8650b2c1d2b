//! `[post]`: where alerts are posted to, with everything it names checked and read.

use super::ConfigError;
use hyper::Uri;
use hyper::http::uri::Scheme;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
        Self {
            url: String::new(),
            token_file: PathBuf::new(),
            ca_file: PathBuf::new(),
            timeout_ms: 10_000,
            retry_max_ms: 30_000,
            batch_alerts_max: 100,
            outbox_bytes_max: 64 << 20,
        }
    }
}

/// Alerts by HTTP, checked. Nothing of it is printed but [`PostPlan::origin`]: paths and queries of webhooks are secrets.
#[derive(Clone)]
pub struct PostPlan {
    /// Where to.
    pub url: Uri,
    /// The file with the token.
    pub token_file: Option<PathBuf>,
    /// Certificates to trust instead of those of the system, in PEM.
    pub trusted: Option<String>,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// The longest pause between two attempts.
    pub retry_max: Duration,
    /// Alerts of one request.
    pub batch_alerts_max: usize,
    /// Bytes of alerts that wait.
    pub outbox_bytes_max: u32,
}

impl PostPlan {
    /// The plan of a configuration; `None` where there is no address.
    pub fn new(config: &PostConfig) -> Result<Option<Self>, ConfigError> {
        check_numbers(config)?;
        if config.url.is_empty() {
            return Ok(None);
        }
        let url = address(&config.url).map_err(|what| refuse("url", what))?;
        let named = |path: &Path| (!path.as_os_str().is_empty()).then(|| path.to_owned());
        let token_file = named(&config.token_file);
        if let Some(path) = &token_file {
            check_token(path, &url)?;
        }
        let trusted = named(&config.ca_file).map(|path| read("ca_file", &path)).transpose()?;
        if trusted.is_some() && !is_encrypted(&url) {
            return Err(refuse("ca_file", "is given, but the address is not https://"));
        }
        Ok(Some(Self {
            url,
            token_file,
            trusted,
            timeout: Duration::from_millis(config.timeout_ms.into()),
            retry_max: Duration::from_millis(config.retry_max_ms.into()),
            batch_alerts_max: config.batch_alerts_max as usize,
            outbox_bytes_max: config.outbox_bytes_max,
        }))
    }

    /// What may be shown of the address.
    pub fn origin(&self) -> String {
        let scheme = self.url.scheme_str().unwrap_or_default();
        format!("{scheme}://{}", self.url.authority().map_or("", |authority| authority.as_str()))
    }

    /// Whether it is https.
    pub fn is_encrypted(&self) -> bool {
        is_encrypted(&self.url)
    }
}

fn is_encrypted(url: &Uri) -> bool {
    url.scheme() == Some(&Scheme::HTTPS)
}

fn refuse(setting: &str, message: impl fmt::Display) -> ConfigError {
    ConfigError::setting(&["post", setting], format!("`post.{setting}`: {message}"))
}

/// An address that can be posted to. What is wrong with it is told without it: it may be a secret.
fn address(text: &str) -> Result<Uri, &'static str> {
    let url: Uri = text.parse().map_err(|_| "is no address; `https://host/path` is expected")?;
    let is_known = url.scheme().is_some_and(|scheme| *scheme == Scheme::HTTPS || *scheme == Scheme::HTTP);
    match url.authority() {
        Some(authority) if authority.as_str().contains('@') => Err(
            "a name or password in the address would be shown to others; put a token into `post.token_file`",
        ),
        Some(authority) if is_known && !authority.host().is_empty() => Ok(url),
        _ => Err("is no address; `https://host/path` is expected"),
    }
}

fn check_token(path: &Path, url: &Uri) -> Result<(), ConfigError> {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if !is_encrypted(url) && !is_here {
        let message = "over http:// everybody on the way can read the token; the address has to be https://";
        return Err(refuse("token_file", message));
    }
    read("token_file", path).map(|_| ())
}

fn check_numbers(config: &PostConfig) -> Result<(), ConfigError> {
    let rules = [
        ("timeout_ms", config.timeout_ms, 1, 600_000),
        ("retry_max_ms", config.retry_max_ms, 1, 3_600_000),
        ("batch_alerts_max", config.batch_alerts_max, 1, 10_000),
        ("outbox_bytes_max", config.outbox_bytes_max, 1024, 1 << 30),
    ];
    for (name, value, min, max) in rules {
        if !(min..=max).contains(&value) {
            return Err(refuse(name, format!("is {value}; {min} to {max} is expected")));
        }
    }
    Ok(())
}

fn read(setting: &str, path: &Path) -> Result<String, ConfigError> {
    let told = |what: &dyn fmt::Display| refuse(setting, format!("`{}`: {what}", path.display()));
    let text = super::read_text(path).map_err(|error| told(&error))?;
    if text.trim().is_empty() {
        return Err(told(&"is empty"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(config: &PostConfig) -> Result<Option<PostPlan>, String> {
        PostPlan::new(config).map_err(|error| error.to_string())
    }

    fn at(url: &str) -> PostConfig {
        PostConfig { url: url.to_owned(), ..PostConfig::default() }
    }

    #[test]
    fn only_the_origin_of_an_address_is_shown() {
        assert!(planned(&at("")).unwrap().is_none());
        let plan = planned(&at("https://hooks.example:8443/services/EXAMPLE?key=EXAMPLE")).unwrap().unwrap();
        assert_eq!(plan.origin(), "https://hooks.example:8443");
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

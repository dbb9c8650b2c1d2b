//! Who may look inside a run, and where.

use super::ConfigError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Who may look inside a run, and where.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// The address that `/` and `/api/v1` are served on; empty for none.
    pub listen: String,
    /// A file with the bearer token that has to be shown; needed where the address is not one of the loopback.
    pub token_file: PathBuf,
    /// How often keys are looked at, in milliseconds.
    pub refresh_ms: u32,
    /// How many keys are shown by what they spend, and as many by risk.
    pub keys_max: u16,
    /// Incidents that are kept to be shown.
    pub incidents_max: u32,
    /// The same of alerts.
    pub alerts_max: u32,
    /// Bytes that both may take.
    pub events_bytes_max: u32,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: String::new(),
            token_file: PathBuf::new(),
            refresh_ms: 2000,
            keys_max: 50,
            incidents_max: 500,
            alerts_max: 1000,
            events_bytes_max: 8 << 20,
        }
    }
}

/// The same, checked.
#[derive(Clone, Debug)]
pub struct ApiPlan {
    /// Where it is served; nowhere for those who look from inside the process.
    pub listen: Option<SocketAddr>,
    /// What has to be shown.
    pub token: Option<Token>,
    /// How often keys are looked at.
    pub refresh: Duration,
    /// How many keys are shown, each way.
    pub keys_max: usize,
    /// Incidents that are kept.
    pub incidents_max: usize,
    /// Alerts that are kept.
    pub alerts_max: usize,
    /// Bytes that both may take.
    pub events_bytes_max: usize,
}

/// A token, which is not kept: only whether another one is the same can be told.
#[derive(Clone)]
pub struct Token(blake3::Hash);

impl Token {
    /// One with this text.
    pub fn new(text: &str) -> Self {
        Self(blake3::hash(text.as_bytes()))
    }

    /// Whether it is this one, found out in a time that does not tell how much of it is.
    pub fn is(&self, text: &[u8]) -> bool {
        self.0 == blake3::hash(text)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Shorter ones can be guessed.
const TOKEN_LENGTH_MIN: usize = 16;

impl ApiConfig {
    /// What is planned, if an address is set.
    pub fn plan(&self) -> Result<Option<ApiPlan>, ConfigError> {
        if self.listen.is_empty() {
            return Ok(None);
        }
        let listen: SocketAddr = self.listen.parse().map_err(|_| {
            let message = format!(
                "`api.listen` is `{}`; an address and a port are expected, as 127.0.0.1:9601",
                self.listen
            );
            ConfigError::setting(&["api", "listen"], message)
        })?;
        let token = self.token()?;
        if token.is_none() && !listen.ip().is_loopback() {
            let message = format!(
                "`api.listen` is `{listen}`, which others than this machine can reach: set `api.token_file`"
            );
            return Err(ConfigError::setting(&["api", "listen"], message));
        }
        Ok(Some(ApiPlan { listen: Some(listen), token, ..self.inside() }))
    }

    /// The same for somebody who looks from inside the process.
    pub fn inside(&self) -> ApiPlan {
        ApiPlan {
            listen: None,
            token: None,
            refresh: Duration::from_millis(self.refresh_ms.into()),
            keys_max: self.keys_max.into(),
            incidents_max: usize::try_from(self.incidents_max).unwrap_or(usize::MAX),
            alerts_max: usize::try_from(self.alerts_max).unwrap_or(usize::MAX),
            events_bytes_max: usize::try_from(self.events_bytes_max).unwrap_or(usize::MAX),
        }
    }

    fn token(&self) -> Result<Option<Token>, ConfigError> {
        let path = &self.token_file;
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        let refuse = |why: String| {
            let message = format!("`api.token_file`: `{}`: {why}", path.display());
            ConfigError::setting(&["api", "token_file"], message)
        };
        let text = super::read_text(path).map_err(|error| refuse(error.to_string()))?;
        let text = text.trim();
        if text.len() < TOKEN_LENGTH_MIN {
            return Err(refuse(format!("a token has at least {TOKEN_LENGTH_MIN} characters")));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refuse("a token has no spaces and only characters of ASCII".to_owned()));
        }
        Ok(Some(Token::new(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(listen: &str, token: Option<&str>) -> Result<Option<ApiPlan>, String> {
        let dir = tempfile::tempdir().unwrap();
        let token_file = token.map_or_else(PathBuf::new, |token| {
            let path = dir.path().join("token");
            std::fs::write(&path, token).unwrap();
            path
        });
        let config = ApiConfig { listen: listen.to_owned(), token_file, ..ApiConfig::default() };
        config.plan().map_err(|error| error.to_string().replace(&dir.path().display().to_string(), "DIR"))
    }

    #[test]
    fn only_the_loopback_needs_no_token() {
        assert!(plan("", None).unwrap().is_none());
        for listen in ["127.0.0.1:9601", "[::1]:0", "127.9.9.9:1"] {
            assert!(plan(listen, None).unwrap().unwrap().token.is_none(), "{listen}");
        }
        for listen in ["0.0.0.0:9601", "[::]:9601", "192.0.2.7:9601"] {
            assert!(plan(listen, None).unwrap_err().contains("set `api.token_file`"), "{listen}");
            let token = plan(listen, Some("obviously-no-secret\n")).unwrap().unwrap().token.unwrap();
            assert!(token.is(b"obviously-no-secret") && !token.is(b"obviously-no-secre"));
        }
    }

    #[test]
    fn mistakes_are_told_with_what_to_do() {
        for (listen, token, told) in [
            (
                "localhost",
                None,
                "`api.listen` is `localhost`; an address and a port are expected, as 127.0.0.1:9601",
            ),
            (
                "127.0.0.1:1",
                Some("short"),
                "`api.token_file`: `DIR/token`: a token has at least 16 characters",
            ),
            (
                "127.0.0.1:1",
                Some("two words are none"),
                "`api.token_file`: `DIR/token`: a token has no spaces and only characters of ASCII",
            ),
        ] {
            assert_eq!(plan(listen, token).unwrap_err(), told);
        }
    }
}

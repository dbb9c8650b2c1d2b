//! `[listen]`: usage records by HTTP, from shippers that post them.

use super::{ConfigError, credential, read_text};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where records are taken by HTTP, and how much of it at once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenConfig {
    /// `ADDRESS:PORT`, or `systemd` or `systemd:NAME` for a socket that systemd has opened; empty for nowhere.
    pub address: String,
    /// A file with tokens, one a line, of which a request has to bring one; empty for none.
    pub token_file: PathBuf,
    /// Certificate chain and private key, in PEM; empty for plain HTTP.
    pub cert_file: PathBuf,
    /// The private key.
    pub key_file: PathBuf,
    /// Bytes of a body, as it is sent and decompressed.
    pub body_bytes_max: u32,
    /// Bytes of the headers of a request.
    pub header_bytes_max: u32,
    /// Connections at once; further ones wait to be accepted.
    pub connections_max: u32,
    /// Milliseconds in which the headers, the body and the answer of a request have to be there, each.
    pub request_ms: u32,
    /// Bytes of all bodies in memory, compressed and not.
    pub queue_bytes_max: u32,
    /// With `--state`: bytes on disk of what was answered and is in no checkpoint yet.
    pub spool_bytes_max: u64,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self {
            address: String::new(),
            token_file: PathBuf::new(),
            cert_file: PathBuf::new(),
            key_file: PathBuf::new(),
            body_bytes_max: 8 << 20,
            header_bytes_max: 16 << 10,
            connections_max: 256,
            request_ms: 30_000,
            queue_bytes_max: 64 << 20,
            spool_bytes_max: 1 << 30,
        }
    }
}

/// Where somebody listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListenAt {
    /// At an address of its own.
    Address(SocketAddr),
    /// At a socket that systemd has opened, of this name where there are several.
    Systemd(Option<String>),
}

impl fmt::Display for ListenAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Systemd(None) => f.write_str("the socket of systemd"),
            Self::Systemd(Some(name)) => write!(f, "the socket `{name}` of systemd"),
        }
    }
}

/// What proves to clients who it is they talk to, in PEM. Nothing of it is printed.
#[derive(Clone)]
pub struct Identity {
    /// The certificate and those that vouch for it.
    pub chain: String,
    /// Its private key.
    pub key: String,
}

/// `[listen]`, checked.
#[derive(Clone)]
pub struct ListenPlan {
    /// Where.
    pub at: ListenAt,
    /// The file with tokens.
    pub token_file: Option<PathBuf>,
    /// For TLS.
    pub identity: Option<Identity>,
    /// Its numbers.
    pub limits: ListenConfig,
}

impl fmt::Debug for ListenPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenPlan").field("at", &self.at).finish_non_exhaustive()
    }
}

fn refuse(setting: &str, message: impl fmt::Display) -> ConfigError {
    ConfigError::setting(&["listen", setting], format!("`listen.{setting}`: {message}"))
}

impl ListenConfig {
    /// What follows from it; `None` where nobody listens, but its numbers are checked all the same.
    pub fn plan(&self) -> Result<Option<ListenPlan>, ConfigError> {
        self.check_numbers()?;
        if self.address.is_empty() {
            return Ok(None);
        }
        let at = self.at()?;
        let token_file = given(&self.token_file)
            .map(|path| {
                let path = credential(path).map_err(|what| refuse("token_file", what))?;
                let text = read("token_file", &path)?;
                tokens(&text)
                    .map_err(|what| refuse("token_file", format!("`{}`: {what}", path.display())))?;
                Ok(path)
            })
            .transpose()?;
        if let (ListenAt::Address(address), None) = (&at, &token_file) {
            is_open(*address).map_err(|what| refuse("address", what))?;
        }
        let identity = match (given(&self.cert_file), given(&self.key_file)) {
            (None, None) => None,
            (Some(chain), Some(key)) => {
                let key = credential(key).map_err(|what| refuse("key_file", what))?;
                Some(Identity { chain: read("cert_file", chain)?, key: read("key_file", &key)? })
            }
            (None, Some(_)) => return Err(refuse("cert_file", "is missing: the key is there without it")),
            (Some(_), None) => {
                return Err(refuse("key_file", "is missing: the certificate is there without it"));
            }
        };
        Ok(Some(ListenPlan { at, token_file, identity, limits: self.clone() }))
    }

    fn at(&self) -> Result<ListenAt, ConfigError> {
        if let Some(rest) = self.address.strip_prefix("systemd") {
            return match rest.strip_prefix(':') {
                None if rest.is_empty() => Ok(ListenAt::Systemd(None)),
                Some(name) if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()) => {
                    Ok(ListenAt::Systemd(Some(name.to_owned())))
                }
                _ => Err(refuse(
                    "address",
                    "`systemd:NAME` is expected, with the socket's FileDescriptorName=",
                )),
            };
        }
        self.address.parse().map(ListenAt::Address).map_err(|_| {
            let expected = "`127.0.0.1:9600`, `[::1]:9600`, `systemd` or `systemd:NAME` is expected";
            refuse("address", format!("`{}` is no address with a port; {expected}", self.address))
        })
    }

    fn check_numbers(&self) -> Result<(), ConfigError> {
        let rules = [
            ("body_bytes_max", u64::from(self.body_bytes_max), 1024, 1 << 28),
            ("header_bytes_max", self.header_bytes_max.into(), 8 << 10, 1 << 20),
            ("connections_max", self.connections_max.into(), 1, 65_536),
            ("request_ms", self.request_ms.into(), 100, 600_000),
            ("queue_bytes_max", self.queue_bytes_max.into(), 2048, 1 << 31),
            ("spool_bytes_max", self.spool_bytes_max, 1 << 20, 1 << 44),
        ];
        for (name, value, min, max) in rules {
            if !(min..=max).contains(&value) {
                return Err(refuse(name, format!("is {value}; {min} to {max} is expected")));
            }
        }
        if self.queue_bytes_max / 2 < self.body_bytes_max {
            let least = u64::from(self.body_bytes_max) * 2;
            let message = format!(
                "is {}, and a body of `body_bytes_max` may be there twice, compressed and not; {least} at least is expected",
                self.queue_bytes_max
            );
            return Err(refuse("queue_bytes_max", message));
        }
        Ok(())
    }
}

fn given(path: &Path) -> Option<&Path> {
    (!path.as_os_str().is_empty()).then_some(path)
}

fn read(setting: &str, path: &Path) -> Result<String, ConfigError> {
    read_text(path).map_err(|error| refuse(setting, format!("`{}`: {error}", path.display())))
}

/// Refuses an address at which everybody could write without a token.
pub fn is_open(address: SocketAddr) -> Result<(), String> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    Err(format!(
        "`{address}` can be reached from other machines, and everybody there could write; name a file with a token in \
         `listen.token_file`, or listen at 127.0.0.1"
    ))
}

/// Characters that a token has at least.
const TOKEN_CHARACTERS: usize = 16;

/// The tokens of a file.
pub fn tokens(text: &str) -> Result<Vec<&str>, String> {
    let tokens: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if tokens.is_empty() {
        return Err("is empty; one token a line is expected".to_owned());
    }
    if let Some(at) = tokens.iter().position(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Err(format!("token {}: a token has letters, digits and signs, and no blanks", at + 1));
    }
    if let Some(at) = tokens.iter().position(|token| token.len() < TOKEN_CHARACTERS) {
        return Err(format!("token {}: a token has at least {TOKEN_CHARACTERS} characters", at + 1));
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(text: &str) -> Result<Option<ListenPlan>, String> {
        toml::from_str::<ListenConfig>(text).unwrap().plan().map_err(|error| error.to_string())
    }

    #[test]
    fn whoever_can_be_reached_from_elsewhere_needs_a_token() {
        let dir = tempfile::tempdir().unwrap();
        let token = dir.path().join("token");
        std::fs::write(&token, "EXAMPLE-EXAMPLE-EXAMPLE\n").unwrap();
        let with = format!("token_file = \"{}\"\n", token.display());
        assert!(planned("").unwrap().is_none());
        for address in ["127.0.0.1:9600", "[::1]:0", "systemd", "systemd:http"] {
            assert!(planned(&format!("address = \"{address}\"")).unwrap().is_some(), "{address}");
        }
        for address in ["0.0.0.0:9599", "[::]:9599", "192.0.2.1:1"] {
            let told = planned(&format!("address = \"{address}\"")).unwrap_err();
            assert!(told.contains("`listen.token_file`") && told.contains(address), "{told}");
            assert!(planned(&format!("{with}address = \"{address}\"")).unwrap().is_some());
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_setting() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).unwrap();
            dir.path().join(name).display().to_string()
        };
        let (short, empty, blank) =
            (file("short", "x\n"), file("empty", "\n"), file("blank", "a b c d e f g h i j k\n"));
        for (text, told) in [
            ("address = \"9599\"".to_owned(), "`listen.address`: `9599` is no address with a port"),
            ("address = \"systemd:\"".to_owned(), "FileDescriptorName="),
            ("address = \"systemdx\"".to_owned(), "FileDescriptorName="),
            ("body_bytes_max = 5".to_owned(), "`listen.body_bytes_max`: is 5; 1024 to "),
            ("queue_bytes_max = 16000000".to_owned(), "16777216 at least is expected"),
            ("address = \"127.0.0.1:1\"\ncert_file = \"x\"".to_owned(), "`listen.key_file`: is missing"),
            ("address = \"127.0.0.1:1\"\nkey_file = \"x\"".to_owned(), "`listen.cert_file`: is missing"),
            (format!("address = \"127.0.0.1:1\"\ntoken_file = \"{short}\""), "at least 16 characters"),
            (format!("address = \"127.0.0.1:1\"\ntoken_file = \"{empty}\""), "is empty"),
            (format!("address = \"127.0.0.1:1\"\ntoken_file = \"{blank}\""), "no blanks"),
            ("address = \"127.0.0.1:1\"\ntoken_file = \"none\"".to_owned(), "No such file"),
        ] {
            let error = planned(&text).map(|_| ()).unwrap_err();
            assert!(error.contains(told), "{error}\n{told}");
        }
    }
}

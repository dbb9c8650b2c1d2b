//! What configured APIs have in common, whatever they are asked: where they are, whose certificates are believed and where
//! the key comes from.

use super::{ConfigError, KeyFrom, credential, read_text};
use crate::net::address::{address, is_encrypted, is_here};
use hyper::Uri;
use std::fmt;
use std::path::Path;

/// A table of the configuration, by which messages speak of it.
#[derive(Clone, Copy)]
pub(super) struct Remote<'a> {
    /// Where it stands.
    pub path: &'a [&'a str],
}

impl Remote<'_> {
    /// A setting that cannot be used, and why.
    pub fn refuse(&self, setting: &str, message: impl fmt::Display) -> ConfigError {
        let path: Vec<&str> = self.path.iter().copied().chain(setting.split('.')).collect();
        ConfigError::setting(&path, format!("`{}`: {message}", path.join(".")))
    }

    /// Numbers by their settings, each with its least and its greatest.
    pub fn numbers(&self, rules: &[(&str, u32, u32, u32)]) -> Result<(), ConfigError> {
        for &(name, value, min, max) in rules {
            if !(min..=max).contains(&value) {
                return Err(self.refuse(name, format!("is {value}; {min} to {max} is expected")));
            }
        }
        Ok(())
    }

    /// Where it is; `query` says why a question mark is none of an address.
    pub fn base(&self, url: &str, query: &str) -> Result<Uri, ConfigError> {
        let base = address(url, &[]).map_err(|what| self.refuse("url", what))?;
        if base.query().is_some() {
            return Err(self.refuse("url", format!("has a question mark; {query}")));
        }
        Ok(base)
    }

    /// Where the key comes from; `None` where there is none.
    pub fn key(&self, file: &Path, command: &[String], base: &Uri) -> Result<Option<KeyFrom>, ConfigError> {
        let key = match (file.as_os_str().is_empty(), command.is_empty()) {
            (false, false) => {
                return Err(self.refuse("key_command", "is given, and so is a file; one of them has to go"));
            }
            (true, true) => return Ok(None),
            (false, true) => {
                let path = credential(file).map_err(|what| self.refuse("key_file", what))?;
                if self.read("key_file", &path)?.trim().is_empty() {
                    return Err(self.refuse("key_file", format!("`{}`: is empty", path.display())));
                }
                KeyFrom::File(path)
            }
            (true, false) => KeyFrom::Command(command.to_vec()),
        };
        if !is_encrypted(base) && !is_here(base) {
            let told = "over http:// everybody on the way can read the key; the address has to be https://";
            return Err(self.refuse("url", told));
        }
        Ok(Some(key))
    }

    /// Certificates to trust instead of those of the system, in PEM.
    pub fn certificates(&self, ca_file: &Path, base: &Uri) -> Result<Option<String>, ConfigError> {
        if ca_file.as_os_str().is_empty() {
            return Ok(None);
        }
        if !is_encrypted(base) {
            return Err(self.refuse("ca_file", "is given, but the address is not https://"));
        }
        self.read("ca_file", ca_file).map(Some)
    }

    /// The text of a file that a setting names.
    pub fn read(&self, setting: &str, path: &Path) -> Result<String, ConfigError> {
        read_text(path).map_err(|error| self.refuse(setting, format!("`{}`: {error}", path.display())))
    }
}

/// An address without its path: what may be shown of it.
pub(super) fn shown(base: &Uri) -> String {
    let authority = base.authority().map_or("", |authority| authority.as_str());
    format!("{}://{authority}", base.scheme_str().unwrap_or_default())
}

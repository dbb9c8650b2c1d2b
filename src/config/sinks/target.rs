//! Where a sink goes by HTTP: an address that stands in the configuration, or in a file because it is a secret.

use crate::net::address::{address, is_encrypted, is_here};
use crate::net::secret;
use crate::sink::carrier::Answer;
use hyper::Uri;
use std::path::PathBuf;

/// Where to.
pub(super) enum Target {
    /// Nowhere by HTTP.
    None,
    /// An address, checked.
    Fixed(Uri),
    /// What stands in a file by then.
    File {
        /// The file.
        path: PathBuf,
        /// Hosts that it may name; none for any.
        hosts: Vec<String>,
        /// A token goes there, too.
        is_private: bool,
    },
}

impl Target {
    /// An address that does not change. What is wrong with it is told without it: it may be a secret.
    pub fn fixed(text: &str, hosts: &[String]) -> Result<Self, String> {
        address(text, hosts).map(Self::Fixed)
    }

    /// Whether the file holds an address now.
    pub fn check_file(&self) -> Result<(), String> {
        let Self::File { path, hosts, is_private } = self else { return Ok(()) };
        let text = super::super::read_text(path).map_err(|error| error.to_string())?;
        named(text.trim(), hosts, *is_private)
            .map(|_| ())
            .map_err(|what| format!("`{}`: {what}", path.display()))
    }

    /// Where to now.
    pub async fn now(&self) -> Result<Uri, Answer> {
        match self {
            Self::None => Ok(Uri::default()),
            Self::Fixed(url) => Ok(url.clone()),
            Self::File { path, hosts, is_private } => {
                let text = secret::read(path).await.map_err(|why| Answer::NoSecret("url_file", why))?;
                named(&text, hosts, *is_private)
                    .map_err(|what| Answer::NoSecret("url_file", format!("{}: {what}", path.display())))
            }
        }
    }

    /// What may be shown of it.
    pub fn shown(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Fixed(url) => {
                let authority = url.authority().map_or("", |authority| authority.as_str());
                format!("{}://{authority}", url.scheme_str().unwrap_or_default())
            }
            Self::File { path, .. } => format!("the address in {}", path.display()),
        }
    }

    /// Whether it is https, or may be.
    pub fn may_encrypt(&self) -> bool {
        match self {
            Self::None => false,
            Self::Fixed(url) => is_encrypted(url),
            Self::File { .. } => true,
        }
    }
}

fn named(text: &str, hosts: &[String], is_private: bool) -> Result<Uri, String> {
    let url = address(text, hosts)?;
    if is_private && !is_encrypted(&url) && !is_here(&url) {
        return Err(
            "over http:// everybody on the way can read the token; the address has to be https://".to_owned()
        );
    }
    Ok(url)
}

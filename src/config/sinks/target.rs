//! Where a sink goes by HTTP: an address that stands in the configuration, or in a file because it is a secret.

use crate::sink::carrier::Answer;
use crate::sink::secret;
use hyper::Uri;
use hyper::http::uri::Scheme;
use std::net::IpAddr;
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
                let text = secret::read("url_file", path).await?;
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

fn address(text: &str, hosts: &[String]) -> Result<Uri, String> {
    const NONE: &str = "is no address; `https://host/path` is expected";
    let url: Uri = text.parse().map_err(|_| NONE.to_owned())?;
    let is_known = url.scheme().is_some_and(|scheme| *scheme == Scheme::HTTPS || *scheme == Scheme::HTTP);
    match url.authority() {
        Some(authority) if authority.as_str().contains('@') => Err(
            "a name or password in the address would be shown to others; put it into a file that `token_file` names"
                .to_owned(),
        ),
        Some(authority) if is_known && !authority.host().is_empty() => {
            let host = authority.host().trim_matches(['[', ']']);
            if hosts.is_empty() || hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)) {
                Ok(url)
            } else {
                Err(format!("its host is none of those that are allowed: {}", hosts.join(", ")))
            }
        }
        _ => Err(NONE.to_owned()),
    }
}

pub(super) fn is_encrypted(url: &Uri) -> bool {
    url.scheme() == Some(&Scheme::HTTPS)
}

/// Whether it is on this machine.
pub(super) fn is_here(url: &Uri) -> bool {
    is_local(url.host().unwrap_or_default())
}

/// Whether a host is this machine.
pub(super) fn is_local(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

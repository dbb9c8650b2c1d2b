//! Where a repository is pushed to, without what addresses may hold of names and passwords.

use serde::Serialize;

/// Hosts on which everybody can read most repositories.
const PUBLIC_HOSTS: &[&str] = &[
    "github.com",
    "gist.github.com",
    "gitlab.com",
    "bitbucket.org",
    "codeberg.org",
    "gitee.com",
    "git.sr.ht",
    "huggingface.co",
    "sourceforge.net",
    "notabug.org",
    "framagit.org",
    "salsa.debian.org",
    "git.savannah.gnu.org",
];

/// A remote.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Remote {
    /// Its name.
    pub name: String,
    /// Its address: host and path.
    pub address: String,
    /// Whether it is on a host where most repositories are public. Whether this one is cannot be told from here.
    pub public_host: bool,
}

impl Remote {
    /// A remote with this address, as git writes it.
    pub fn new(name: &str, url: &str) -> Self {
        let (host, path) = parts(url);
        let host = host.to_ascii_lowercase();
        // What stands there and is no port may be a part of a password with a slash in it.
        if host.split_once(':').is_some_and(|(_, port)| !port.bytes().all(|byte| byte.is_ascii_digit())) {
            return Self { name: name.to_owned(), address: "(unreadable)".to_owned(), public_host: false };
        }
        let bare = host.split(':').next().unwrap_or_default();
        let public_host =
            PUBLIC_HOSTS.iter().any(|known| bare == *known || bare.strip_prefix("www.") == Some(known));
        let address = if host.is_empty() {
            path.to_owned()
        } else {
            format!("{host}/{}", path.trim_start_matches('/'))
        };
        Self { name: name.to_owned(), address, public_host }
    }
}

/// Host and path; no host for what lies on this machine.
fn parts(url: &str) -> (&str, &str) {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let url = &url[..end];
    let (rest, separator) = match url.split_once("://") {
        Some((_, rest)) if rest.starts_with('/') => return ("", rest),
        Some((_, rest)) => (rest, '/'),
        // `user@host:path`; a slash before the colon makes it a path.
        None if url.find(':').is_some_and(|at| !url[..at].contains('/')) => (url, ':'),
        None => return ("", url),
    };
    // A password may have any characters in it, an `@` among them.
    let authority = if separator == ':' { rest } else { &rest[..rest.find('/').unwrap_or(rest.len())] };
    let authority_end = authority.rfind('@').map_or(0, |at| at + 1);
    let rest = &rest[authority_end..];
    rest.split_once(separator).unwrap_or((rest, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_are_left_out() {
        for (url, address, public) in [
            ("https://github.com/o/r.git", "github.com/o/r.git", true),
            ("https://u:EXAMPLE0000@github.com/o/r", "github.com/o/r", true),
            (
                "https://EXAMPLE0000@gitlab.example.com:8443/o/r?token=EXAMPLE0000",
                "gitlab.example.com:8443/o/r",
                false,
            ),
            ("git@github.com:o/r.git", "github.com/o/r.git", true),
            ("ssh://git@codeberg.org/o/r", "codeberg.org/o/r", true),
            ("/srv/git/r.git", "/srv/git/r.git", false),
            ("../r", "../r", false),
            ("file:///srv/r", "/srv/r", false),
            ("https://u:EXAMPLE/0000@github.com/o/r", "(unreadable)", false),
        ] {
            let remote = Remote::new("origin", url);
            assert_eq!((remote.address.as_str(), remote.public_host), (address, public), "{url}");
        }
    }
}

//! Addresses that requests go to.

use hyper::Uri;
use hyper::http::uri::Scheme;
use std::fmt::Write;
use std::net::IpAddr;

/// An address by HTTP, of one of these hosts; of none of them, any. What is wrong with it is told without it: it may be a
/// secret.
pub fn address(text: &str, hosts: &[String]) -> Result<Uri, String> {
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

/// Whether it is https.
pub fn is_encrypted(url: &Uri) -> bool {
    url.scheme() == Some(&Scheme::HTTPS)
}

/// Whether it is on this machine.
pub fn is_here(url: &Uri) -> bool {
    is_local(url.host().unwrap_or_default())
}

/// Whether a host is this machine.
pub fn is_local(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Percent-encoding of everything that is not unreserved (RFC 3986).
pub fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

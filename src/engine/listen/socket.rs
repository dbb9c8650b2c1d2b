//! Where to listen: at an address, or at a socket that systemd has opened before keyhound was there (`sd_listen_fds`).

use crate::config::{Identity, ListenAt, ListenPlan, is_open};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// Nobody can be listened to.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be used.
    #[error("listen: cannot listen on {at}: {error}")]
    Address {
        /// The address.
        at: String,
        /// What the system says.
        error: io::Error,
    },
    /// systemd has opened no such socket.
    #[error("listen: {0}")]
    Socket(String),
    /// The certificate and its key cannot be used.
    #[error("`listen.{0}`: {1}")]
    Identity(&'static str, String),
}

/// The socket, ready to be accepted from.
pub fn open(plan: &ListenPlan) -> Result<TcpListener, ListenError> {
    let failed = |error| ListenError::Address { at: plan.at.to_string(), error };
    let socket = match &plan.at {
        ListenAt::Address(address) => TcpListener::bind(address).map_err(failed)?,
        ListenAt::Systemd(name) => {
            let socket = passed(name.as_deref())?;
            let address = socket.local_addr().map_err(failed)?;
            if plan.token_file.is_none() {
                is_open(address).map_err(ListenError::Socket)?;
            }
            socket
        }
    };
    socket.set_nonblocking(true).map_err(failed)?;
    Ok(socket)
}

/// The socket that systemd has passed, by its name where there are several.
fn passed(name: Option<&str>) -> Result<TcpListener, ListenError> {
    // Read before the sockets are taken, which takes the others of these variables away: children are not meant.
    let names = std::env::var_os("LISTEN_FDNAMES").map(|names| names.to_string_lossy().into_owned());
    let mut sockets = listenfd::ListenFd::from_env();
    let names: Vec<String> =
        names.map(|names| names.split(':').map(str::to_owned).collect()).unwrap_or_default();
    let at = place(sockets.len(), &names, name).map_err(ListenError::Socket)?;
    match sockets.take_tcp_listener(at) {
        Ok(Some(socket)) => Ok(socket),
        Ok(None) => Err(ListenError::Socket("the socket of systemd is taken already".to_owned())),
        Err(error) => Err(ListenError::Socket(format!(
            "the socket of systemd is no TCP socket ({error}); `ListenStream=ADDRESS:PORT` is expected"
        ))),
    }
}

/// Which of the sockets is meant.
fn place(count: usize, names: &[String], name: Option<&str>) -> Result<usize, String> {
    if count == 0 {
        return Err("systemd has passed no socket; start keyhound by a .socket unit (deploy/systemd/keyhound.socket), or \
                    listen at an address"
            .to_owned());
    }
    let shown = names.join(", ");
    match name {
        None if count == 1 => Ok(0),
        None => Err(format!("systemd has passed {count} sockets ({shown}); say which by `systemd:NAME`")),
        Some(name) => names.iter().take(count).position(|known| known == name).ok_or_else(|| {
            format!("systemd has passed no socket called `{name}` (FileDescriptorName=); there are {shown}")
        }),
    }
}

/// What connections are encrypted with, if they are.
pub fn tls(plan: &ListenPlan) -> Result<Option<TlsAcceptor>, ListenError> {
    plan.identity.as_ref().map(acceptor).transpose()
}

fn acceptor(identity: &Identity) -> Result<TlsAcceptor, ListenError> {
    let chain = CertificateDer::pem_slice_iter(identity.chain.as_bytes());
    let chain = chain
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| ListenError::Identity("cert_file", format!("is no PEM: {error}")))?;
    if chain.is_empty() {
        let message = "holds no certificate (`-----BEGIN CERTIFICATE-----`)";
        return Err(ListenError::Identity("cert_file", message.to_owned()));
    }
    // What a library says of a key may hold some of it.
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(|_| {
        ListenError::Identity(
            "key_file",
            "holds no private key in PEM (`-----BEGIN PRIVATE KEY-----`)".to_owned(),
        )
    })?;
    let told = |error: rustls::Error| ListenError::Identity("cert_file", error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(told)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(told)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_found_by_their_names() {
        let names = ["metrics", "records"].map(str::to_owned);
        assert_eq!(place(2, &names, Some("records")), Ok(1));
        assert_eq!((place(1, &names[..1], None), place(1, &[], None)), (Ok(0), Ok(0)));
        for (count, name, told) in [
            (0, None, "systemd has passed no socket; start"),
            (2, None, "2 sockets (metrics, records)"),
            (2, Some("other"), "no socket called `other` (FileDescriptorName=); there are metrics, records"),
            (1, Some("records"), "no socket called `records`"),
        ] {
            let error = place(count, &names, name).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}

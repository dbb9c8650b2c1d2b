//! Whose certificates are believed.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// Nobody would be believed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file with certificates holds none.
    #[error("`{0}.ca_file`: {1}")]
    File(String, String),
    /// The system has none.
    #[error("the system has no certificates to trust ({1}); name a file with some in `{0}.ca_file`")]
    System(String, String),
    /// The library refuses what it offers itself.
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
}

/// Whom somebody trusts.
#[derive(Clone, Copy, Debug)]
pub struct Trust<'a> {
    /// The table of the configuration in which `ca_file` stands.
    pub place: &'a str,
    /// Certificates to trust instead of those of the system, in PEM.
    pub trusted: Option<&'a str>,
    /// Whether anything may be encrypted at all.
    pub may_encrypt: bool,
}

/// What connections are encrypted with. Without encryption nobody is believed, and nothing is read.
pub fn config(trust: &Trust<'_>) -> Result<ClientConfig, TrustError> {
    let place = || trust.place.to_owned();
    let roots = match trust.trusted {
        Some(pem) => own(pem).map_err(|why| TrustError::File(place(), why))?,
        None if trust.may_encrypt => systems().map_err(|why| TrustError::System(place(), why))?,
        None => RootCertStore::empty(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn own(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| format!("is no PEM: {error}"))?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("holds no certificate (`-----BEGIN CERTIFICATE-----`)".to_owned());
    }
    Ok(roots)
}

fn systems() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(found.errors.first().map_or("none was found".to_owned(), ToString::to_string));
    }
    Ok(roots)
}

/// What to do about a certificate that is not believed; that its name or time is wrong is told in words already.
pub fn advice(place: &str, error: &str) -> String {
    if !error.contains("certificate") {
        return String::new();
    }
    if error.contains("UnknownIssuer") {
        return format!(
            " (nobody whom we trust has signed its certificate; `{place}.ca_file` says whom to trust)"
        );
    }
    if error.contains("CaUsedAsEndEntity") {
        return " (its certificate is that of an authority; a server needs one with `CA:FALSE`)".to_owned();
    }
    if error.contains("BadSignature") {
        return " (its certificate is signed by somebody else than whom we trust under that name)".to_owned();
    }
    String::new()
}

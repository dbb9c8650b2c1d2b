//! Whose certificates are believed.

use crate::config::PostPlan;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// Nobody would be believed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file with certificates holds none.
    #[error("`post.ca_file`: {0}")]
    File(String),
    /// The system has none.
    #[error("the system has no certificates to trust ({0}); name a file with some in `post.ca_file`")]
    System(String),
    /// The library refuses what it offers itself.
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
}

/// What connections are encrypted with. Without encryption nobody is believed, and nothing is read.
pub(super) fn config(plan: &PostPlan) -> Result<ClientConfig, TrustError> {
    let roots = match &plan.trusted {
        Some(pem) => own(pem)?,
        None if plan.is_encrypted() => systems()?,
        None => RootCertStore::empty(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn own(pem: &str) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| TrustError::File(format!("is no PEM: {error}")))?;
        roots.add(certificate).map_err(|error| TrustError::File(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(TrustError::File("holds no certificate (`-----BEGIN CERTIFICATE-----`)".to_owned()));
    }
    Ok(roots)
}

fn systems() -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or("none was found".to_owned(), ToString::to_string);
        return Err(TrustError::System(why));
    }
    Ok(roots)
}

/// What to do about a certificate that is not believed; that its name or time is wrong is told in words already.
pub(super) fn advice(error: &str) -> Option<&'static str> {
    let known = [
        (
            "UnknownIssuer",
            " (nobody whom we trust has signed its certificate; `post.ca_file` says whom to trust)",
        ),
        ("BadSignature", " (its certificate is signed by somebody else than whom we trust under that name)"),
    ];
    let is_about = error.contains("certificate");
    known.iter().find(|(what, _)| is_about && error.contains(what)).map(|(_, advice)| *advice)
}

//! Alerts posted by HTTPS: only to whom the right certificates speak for.

use crate::receiver::{Receiver, Reply, taken};
use crate::support::{keyhound, record};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// What a server of this name shows.
    pub fn server(&self, name: &str) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        ServerConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }
}

fn receiver(config: ServerConfig) -> Receiver {
    Receiver::at("127.0.0.1:0".parse().unwrap(), Some(config), |_| Reply::Status(200))
}

/// Runs until `until` is said or the run ends; what was said, and whether it ended well.
fn run(dir: &Path, port: u16, until: &str) -> (String, bool) {
    let url = format!("https://localhost:{port}/");
    let mut command = keyhound();
    command.current_dir(dir).args(["run", "-c", "k.toml", "--post", &url, "log"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut messages = BufReader::new(child.stderr.take().unwrap());
    while messages.read_line(&mut said).unwrap() > 0 && !said.contains(until) {}
    if said.contains(until) {
        child.kill().unwrap();
    }
    (said, child.wait().unwrap().success())
}

#[test]
fn only_certificates_of_the_right_authority_are_believed() {
    let ours = Authority::new("ours");
    let [others, namesake] = ["others", "ours"].map(Authority::new);
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("k.toml"), "[detectors.billing_threshold]\namounts_usd = [0.0]\n[post]\nca_file = \"ca.pem\"\ntoken_file = \"token\"\n").unwrap();
    fs::write(dir.join("ca.pem"), &ours.pem).unwrap();
    fs::write(dir.join("token"), "EXAMPLE").unwrap();
    fs::write(dir.join("log"), record(&[])).unwrap();
    let good = receiver(ours.server("localhost"));
    let (said, is_well) = run(dir, good.port(), "cannot be reached");
    assert!(is_well, "{said}");
    let seen = good.seen();
    assert_eq!((taken(&seen).is_empty(), seen[0].authorization.as_str()), (false, "Bearer EXAMPLE"));
    for (server, told) in [
        (others.server("localhost"), "nobody whom we trust has signed its certificate"),
        (namesake.server("localhost"), "somebody else than whom we trust under that name"),
        (ours.server("elsewhere.example"), "certificate not valid for name"),
    ] {
        let bad = receiver(server);
        let (said, _) = run(dir, bad.port(), "cannot be reached");
        assert!(said.contains(told) && !said.contains("EXAMPLE"), "{said}");
        assert!(bad.seen().is_empty(), "it is sent nothing");
    }
    // Without a file of our own, those of the system count, and ours is none of them.
    fs::write(dir.join("k.toml"), "[detectors.billing_threshold]\namounts_usd = [0.0]\n").unwrap();
    let (said, is_well) = run(dir, good.port(), "nobody whom we trust");
    assert!(
        !is_well && (said.contains("nobody whom we trust") || said.contains("has no certificates")),
        "{said}"
    );
    assert!(good.seen().is_empty());
}

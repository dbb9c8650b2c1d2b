//! Keys that sign packs: Ed25519. The secret half stands in a file that only its owner can read, and is shown nowhere.

use super::tree::sha256;
use super::{hex, unhex};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use thiserror::Error;

/// What stands before the seed of an Ed25519 key in PKCS #8 (RFC 8410).
const PRIVATE: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// What stands before a public key in its usual form.
const PUBLIC: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
/// Longest file of a key.
const FILE_MAX: u64 = 4096;

/// A key that cannot be used. Tells nothing of what is in its file.
#[derive(Debug, Error)]
pub enum KeyError {
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Others can read it.
    #[error("others than its owner may read it (mode {0:03o}); `chmod 600` it, and think of who may have")]
    Open(u32),
    /// Not a key.
    #[error("no Ed25519 key in PEM (`keyhound pack key` makes one)")]
    Form,
    /// The system gives no randomness.
    #[error("no randomness to be had from the system")]
    Random,
}

/// Random bytes of the system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| KeyError::Random)?;
    Ok(bytes)
}

/// The secret half of a key.
pub struct SigningKey(Ed25519KeyPair);

impl fmt::Debug for SigningKey {
    /// Only what everybody may know.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public().fingerprint())
    }
}

impl SigningKey {
    /// Makes a key and writes it to a file, which must not exist and which only its owner can read.
    pub fn create(path: &Path) -> Result<Self, KeyError> {
        let seed = random::<32>()?;
        let text = pem("PRIVATE KEY", &[&PRIVATE[..], &seed].concat());
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Self::of_seed(&seed)
    }

    /// The key in a file that nobody else can read.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let file = File::open(path)?;
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata()?.permissions()) & 0o777;
            if mode & 0o077 != 0 {
                return Err(KeyError::Open(mode));
            }
        }
        let mut text = String::new();
        file.take(FILE_MAX).read_to_string(&mut text).map_err(|_| KeyError::Form)?;
        let bytes = unpem("PRIVATE KEY", &text).ok_or(KeyError::Form)?;
        let seed = bytes.strip_prefix(&PRIVATE[..]).ok_or(KeyError::Form)?;
        Self::of_seed(seed)
    }

    /// The key of 32 secret bytes.
    pub fn of_seed(seed: &[u8]) -> Result<Self, KeyError> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(Self).map_err(|_| KeyError::Form)
    }

    /// The half that everybody may have.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }

    /// The signature of a text.
    pub(super) fn sign(&self, text: &[u8]) -> Vec<u8> {
        self.0.sign(text).as_ref().to_vec()
    }
}

/// The half of a key that everybody may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key in a text in PEM.
    pub fn read(text: &str) -> Result<Self, KeyError> {
        let bytes = unpem("PUBLIC KEY", text).ok_or(KeyError::Form)?;
        let key = bytes.strip_prefix(&PUBLIC[..]).and_then(|key| key.try_into().ok());
        key.map(Self).ok_or(KeyError::Form)
    }

    /// As it stands in packs and files.
    pub fn pem(&self) -> String {
        pem("PUBLIC KEY", &self.der())
    }

    fn der(&self) -> Vec<u8> {
        [&PUBLIC[..], &self.0].concat()
    }

    /// By which it is known: what `openssl pkey -pubin -outform DER | sha256sum` says.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(sha256(&[&self.der()]))
    }

    /// Whether it made this signature of this text.
    pub(super) fn has_signed(&self, text: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(text, signature).is_ok()
    }
}

/// By which a key is known; short enough to be told by telephone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// That of sixty-four hexadecimal digits, in any case, with or without colons or spaces.
    pub fn read(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| !matches!(c, ':' | ' ')).collect();
        unhex(&digits.to_ascii_lowercase()).map(Self)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

fn pem(label: &str, bytes: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(bytes))
}

fn unpem(label: &str, text: &str) -> Option<Vec<u8>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let inner = text.trim().strip_prefix(&begin)?.strip_suffix(&end)?;
    let inner: String = inner.chars().filter(|c| !c.is_whitespace()).collect();
    STANDARD.decode(inner).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_signs_and_its_other_half_says_so() {
        let key = SigningKey::of_seed(&[3; 32]).unwrap();
        let public = PublicKey::read(&key.public().pem()).unwrap();
        assert_eq!(public, key.public());
        let signature = key.sign(b"text");
        assert!(public.has_signed(b"text", &signature));
        assert!(!public.has_signed(b"texu", &signature));
        assert!(!SigningKey::of_seed(&[4; 32]).unwrap().public().has_signed(b"text", &signature));
        let shown = public.fingerprint().to_string();
        assert_eq!(Fingerprint::read(&shown.to_uppercase()), Some(public.fingerprint()));
        assert!(!format!("{key:?}").contains(&hex(&[3; 32])));
    }
}

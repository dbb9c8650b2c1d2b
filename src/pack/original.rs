//! What a redacted pack keeps of the one it was made of: its manifest and its signature, by which the roots of its lines
//! are what they were.

use super::index::Archive;
use super::key::PublicKey;
use super::manifest::Manifest;
use super::tree::sha256;
use super::{MANIFEST, MANIFEST_MAX, ORIGINAL, PUBLIC_KEY, PackError, SIGNATURE, hex};
use std::path::Path;

/// A manifest with who signed it.
pub(super) struct Signed {
    pub manifest: Manifest,
    /// Its SHA-256.
    pub sha256: String,
    /// Who signed it, if anybody did.
    pub by: Option<PublicKey>,
}

/// Reads the manifest of a pack, or with a prefix that of the one it was made of, and verifies its signature.
pub(super) fn manifest(archive: &Archive, path: &Path, prefix: &str) -> Result<Signed, PackError> {
    let read = |name: &str, max: u64| archive.bytes(path, &format!("{prefix}{name}"), max);
    let Some(text) = read(MANIFEST, MANIFEST_MAX)? else {
        let missing = format!("{prefix}{MANIFEST} is missing");
        return Err(if prefix.is_empty() { PackError::NoPack(missing) } else { PackError::Damaged(missing) });
    };
    let manifest = Manifest::read(&text)?;
    let by = match (&manifest.signed_by, read(PUBLIC_KEY, 4096)?, read(SIGNATURE, 64)?) {
        (None, None, None) => None,
        (Some(fingerprint), Some(key), Some(signature)) => {
            let wrong = |what: &str| PackError::Damaged(format!("{prefix}{what}"));
            let pem = String::from_utf8(key).map_err(|_| wrong("manifest.pub is no key"))?;
            let key = PublicKey::read(&pem).map_err(|_| wrong("manifest.pub is no key"))?;
            if key.pem() != pem || key.fingerprint().to_string() != *fingerprint {
                return Err(wrong("manifest.pub is not the key that the manifest names"));
            }
            if !key.has_signed(&text, &signature) {
                return Err(wrong("manifest.sig is no signature of the manifest by its key"));
            }
            Some(key)
        }
        _ => {
            return Err(PackError::Damaged(format!(
                "{prefix}manifest, key and signature do not go together"
            )));
        }
    };
    Ok(Signed { manifest, sha256: hex(&sha256(&[&text])), by })
}

/// The manifest of the pack that a redacted one was made of.
pub(super) fn of_redacted(
    archive: &Archive,
    path: &Path,
    manifest: &Manifest,
) -> Result<Option<Signed>, PackError> {
    let Some(from) = &manifest.redacted_from else { return Ok(None) };
    let original = self::manifest(archive, path, ORIGINAL)?;
    if original.sha256 != *from {
        return Err(PackError::Damaged(
            "the original manifest is not the one that the manifest names".to_owned(),
        ));
    }
    Ok(Some(original))
}

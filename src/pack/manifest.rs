//! What a pack says of itself: names, lengths and hashes of everything in it, written in one way only.

use super::tree::sha256;
use super::{PackError, SCHEMA, hex, unhex};
use serde::{Deserialize, Serialize};

/// The manifest of a pack.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub schema: String,
    /// The key that signed it, in hexadecimal digits of its SHA-256; nothing where nobody did.
    pub signed_by: Option<String>,
    /// Of a redacted pack: the SHA-256 of the manifest of the one it was made of.
    pub redacted_from: Option<String>,
    pub entries: Vec<Entry>,
}

/// One entry, in the order of the archive.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
    /// Of lines, how many there are and the root of the tree over them.
    pub lines: Option<Lines>,
}

/// What is said of lines.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lines {
    pub count: u64,
    pub root: String,
}

/// Only the version, of whatever it may be.
#[derive(Deserialize)]
struct Version {
    schema: String,
}

impl Manifest {
    pub fn new(signed_by: Option<String>, redacted_from: Option<String>, entries: Vec<Entry>) -> Self {
        Self { schema: SCHEMA.to_owned(), signed_by, redacted_from, entries }
    }

    /// As it is written, in one way.
    pub fn text(&self) -> Result<Vec<u8>, PackError> {
        let mut text = serde_json::to_vec_pretty(self).map_err(std::io::Error::from)?;
        text.push(b'\n');
        Ok(text)
    }

    /// Reads a manifest that is written like that.
    pub fn read(text: &[u8]) -> Result<Self, PackError> {
        let version = serde_json::from_slice::<Version>(text);
        let version =
            version.map_err(|_| PackError::NoPack("its manifest cannot be read".to_owned()))?.schema;
        if version != SCHEMA {
            let shown: String = version.chars().take(40).collect();
            return Err(PackError::NoPack(format!(
                "a pack of another version: `{shown}`, and `{SCHEMA}` is read"
            )));
        }
        let manifest: Self = serde_json::from_slice(text)
            .map_err(|_| PackError::Damaged("the manifest is not of its form".to_owned()))?;
        if manifest.text()? != text {
            return Err(PackError::Damaged("the manifest is not written as it would be".to_owned()));
        }
        Ok(manifest)
    }

    /// The list for `sha256sum -c`.
    pub fn sums(&self, text: &[u8]) -> Vec<u8> {
        let own = (hex(&sha256(&[text])), super::MANIFEST);
        let all = self.entries.iter().map(|entry| (entry.sha256.clone(), entry.name.as_str())).chain([own]);
        all.flat_map(|(sum, name)| format!("{sum}  {name}\n").into_bytes()).collect()
    }

    /// The entry of this name.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

impl Lines {
    /// The root, if it is one.
    pub fn hash(&self) -> Option<[u8; 32]> {
        unhex(&self.root)
    }
}

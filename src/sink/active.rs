//! What is open at a receiver, kept over restarts.

use super::carrier::SinkError;
use super::file::replace;
use crate::encode::Visible;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What is open, by name, and where that is kept, if it is anywhere.
pub struct Active<T> {
    /// By name.
    pub open: BTreeMap<String, T>,
    path: Option<PathBuf>,
    /// What becomes of what is open if it is not kept.
    lost: &'static str,
}

impl<T: Serialize + DeserializeOwned> Active<T> {
    /// What an earlier run has left open in this folder; `lost` says what becomes of it where that is damaged, which is no
    /// reason not to begin.
    pub fn read(folder: Option<&Path>, lost: &'static str) -> Result<Self, SinkError> {
        let path = folder.map(|folder| folder.join("active"));
        let open = path.as_deref().map(|path| read(path, lost)).transpose()?.unwrap_or_default();
        Ok(Self { open, path, lost })
    }

    /// Keeps what is open now.
    pub fn keep(&self) {
        let Some(path) = &self.path else { return };
        let bytes = serde_json::to_vec(&self.open).map_err(io::Error::from);
        if let Err(error) = bytes.and_then(|bytes| replace(path, &bytes)) {
            let (name, lost) = (path.display().to_string(), self.lost);
            tracing::warn!(
                "{}: what is open cannot be kept for the next run, after which {lost}: {error}",
                Visible(&name)
            );
        }
    }
}

fn read<T: DeserializeOwned>(path: &Path, lost: &str) -> Result<BTreeMap<String, T>, SinkError> {
    let told = |error| SinkError::Io { name: path.display().to_string(), error };
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            let name = path.display().to_string();
            tracing::error!("{}: damaged ({error}); {lost}", Visible(&name));
            BTreeMap::new()
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(told(error)),
    }
}

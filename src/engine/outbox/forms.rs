//! In which form what waits in an outbox is written: whoever carries it on has to carry the same.

use crate::sink::replace;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The form of the entries in one folder.
pub struct Forms(PathBuf);

impl Forms {
    /// Of the outbox in this folder.
    pub fn of(folder: &Path) -> Self {
        Self(folder.join("form"))
    }

    /// The form of what waits there, if that is another one.
    pub fn other(&self, form: &str) -> io::Result<Option<String>> {
        match fs::read_to_string(&self.0) {
            Ok(known) => Ok(Some(known.trim().to_owned()).filter(|known| known != form)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Notes the form of what is put in from now on.
    pub fn note(&self, form: &str) -> io::Result<()> {
        if fs::read_to_string(&self.0).is_ok_and(|known| known.trim() == form) {
            return Ok(());
        }
        replace(&self.0, format!("{form}\n").as_bytes())
    }
}

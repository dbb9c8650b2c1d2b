//! Where the feed stands between two steps, as a checkpoint holds it.

use super::intake::ReadTo;
use super::sequence::Passage;
use crate::join::Join;
use crate::record::Batch;
use crate::save::{Reader, Unreadable, Writer};
use crate::source::{Place, file_id};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Where the feed stands.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Standing {
    /// Event time seen.
    pub passage: Option<Passage>,
    /// The minute that merged inputs have reached.
    pub latest: i64,
    /// Every file that has been read.
    pub inputs: Vec<Standpoint>,
}

/// Where one input stands.
#[derive(Clone, Serialize, Deserialize)]
pub struct Standpoint {
    /// Its absolute path, as bytes: not every path is UTF-8.
    path: Vec<u8>,
    /// Lines of it so far.
    pub lines: u64,
    /// The latest minute it has reached, where it is followed.
    pub latest: i64,
    /// How far it has been read.
    pub read_to: ReadTo,
    /// Records that have been read and wait for those of other inputs.
    pub rest: Option<Batch>,
}

impl Standpoint {
    /// How far `path` has been read.
    pub fn new(path: &Path, lines: u64, latest: i64, read_to: ReadTo, rest: Option<Batch>) -> Self {
        let path = absolute(path).into_os_string().into_vec();
        Self { path, lines, latest, read_to, rest }
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(OsString::from_vec(self.path.clone()))
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

impl Standing {
    /// The watermark as it was given last.
    pub fn watermark(&self) -> Option<Timestamp> {
        self.passage.as_ref().and_then(Passage::watermark)
    }

    /// As bytes, with what the join holds.
    pub fn save(&self, join: &Join) -> Vec<u8> {
        let mut out = Writer::default();
        out.put(self);
        join.save(&mut out);
        out.into_bytes()
    }

    /// From bytes.
    pub fn restore(bytes: &[u8], join: &mut Join) -> Result<Self, Unreadable> {
        let mut saved = Reader::new(bytes);
        let standing = saved.take()?;
        join.restore(&mut saved)?;
        Ok(standing)
    }

    /// Takes out where a finite file stands that has been read before, under this name or another.
    pub fn take_file(&mut self, path: &Path) -> Option<Standpoint> {
        let name = absolute(path);
        let name = name.as_os_str().as_bytes();
        let mut file = File::open(path).ok()?;
        let id = file_id(&file.metadata().ok()?);
        let mut is_it = |known: &Standpoint| {
            let Some(place) = known.read_to.place.file() else { return false };
            let may_be = known.path == name || place.mark.id() == id;
            may_be && place.is_in(&mut file).unwrap_or(false)
        };
        let at = self.inputs.iter().position(&mut is_it)?;
        Some(self.inputs.swap_remove(at))
    }

    /// Takes out where a followed file stands that has been read under this name.
    pub fn take_followed(&mut self, path: &Path) -> Option<Standpoint> {
        let name = absolute(path);
        let at = self.inputs.iter().position(|known| known.path == name.as_os_str().as_bytes())?;
        Some(self.inputs.swap_remove(at))
    }

    /// The number up to which it knows what was posted and pulled, from whomever.
    pub fn posted(&self) -> u64 {
        self.inputs.iter().map(|known| known.read_to.place.posted()).max().unwrap_or(0)
    }

    /// What is worth keeping of inputs that this run does not read: those that are still there. The spool of what was posted
    /// is, beside the checkpoints.
    pub fn others(&self) -> Vec<Standpoint> {
        let is_there = |known: &&Standpoint| {
            matches!(known.read_to.place, Place::Posted { .. }) || known.path().exists()
        };
        self.inputs.iter().filter(is_there).cloned().collect()
    }
}

//! The entries of a pack, read once from its start to its end: nothing is taken out, nothing is held but names and hashes.

use super::tar::{self, BLOCK};
use super::tree::Hash;
use super::{ENTRIES_MAX, PackError};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes read at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// An entry as it stands in the archive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub name: String,
    pub at: u64,
    pub bytes: u64,
    pub sha256: Hash,
}

/// A pack that is open.
pub(super) struct Archive {
    file: File,
    pub entries: Vec<Found>,
}

impl Archive {
    /// Reads a pack to its end. Whatever no pack would have is an error: other headers, a name twice, bytes between
    /// entries or behind the end, an end that is missing.
    pub fn open(path: &Path) -> Result<Self, PackError> {
        let mut file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(PackError::NoPack("no regular file".to_owned()));
        }
        let mut entries: Vec<Found> = Vec::new();
        let mut names = BTreeSet::new();
        let mut reader = BufReader::with_capacity(CHUNK_BYTES, &mut file);
        let mut at = 0;
        loop {
            let header = block(&mut reader, at)?;
            at += BLOCK as u64;
            if header == [0; BLOCK] {
                break;
            }
            let Some((name, bytes)) = tar::read(&header) else {
                return Err(match entries.last() {
                    None => PackError::NoPack("no pack: it does not begin like one".to_owned()),
                    Some(last) => PackError::Damaged(format!(
                        "what comes behind {} is no header of an entry",
                        last.name
                    )),
                });
            };
            if !names.insert(name.to_ascii_lowercase()) {
                return Err(PackError::Damaged(format!("{name} stands twice")));
            }
            if entries.len() >= ENTRIES_MAX {
                return Err(PackError::Damaged("more than 10,000 entries".to_owned()));
            }
            let sha256 = hash(&mut reader, bytes, &name)?;
            entries.push(Found { name, at, bytes, sha256 });
            at += bytes + tar::padding(bytes) as u64;
        }
        if block(&mut reader, at)? != [0; BLOCK] {
            return Err(PackError::Damaged("one block of zeros, and then no second one".to_owned()));
        }
        if !reader.fill_buf()?.is_empty() {
            return Err(PackError::Damaged("something stands behind its end".to_owned()));
        }
        Ok(Self { file, entries })
    }

    /// The entry of this name.
    pub fn find(&self, name: &str) -> Option<&Found> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// What is in an entry, from its start; another reader of the same pack is not disturbed.
    pub fn reader(&self, path: &Path, entry: &Found) -> Result<BufReader<std::io::Take<File>>, PackError> {
        let mut file = File::open(path)?;
        // What was hashed is what is read: the file must not be another one by now.
        let (now, then) = (file.metadata()?, self.file.metadata()?);
        if crate::source::file_id(&now) != crate::source::file_id(&then) || now.len() != then.len() {
            return Err(PackError::Damaged("the file was replaced while it was being read".to_owned()));
        }
        file.seek(SeekFrom::Start(entry.at))?;
        Ok(BufReader::new(file.take(entry.bytes)))
    }

    /// All of an entry that is not longer than `max`.
    pub fn bytes(&self, path: &Path, name: &str, max: u64) -> Result<Option<Vec<u8>>, PackError> {
        let Some(entry) = self.find(name) else { return Ok(None) };
        if entry.bytes > max {
            return Err(PackError::Damaged(format!("{name} is too long")));
        }
        let mut bytes = Vec::new();
        self.reader(path, entry)?.read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }
}

fn block(reader: &mut impl Read, at: u64) -> Result<[u8; BLOCK], PackError> {
    let mut block = [0; BLOCK];
    let cut = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof if at == 0 => {
            PackError::NoPack("no pack: too short to be one".to_owned())
        }
        std::io::ErrorKind::UnexpectedEof => {
            PackError::Damaged(format!("cut off at byte {at}: its end is missing"))
        }
        _ => error.into(),
    };
    reader.read_exact(&mut block).map_err(cut)?;
    Ok(block)
}

/// The hash of so many bytes; what fills up the last block has to be zeros.
fn hash(reader: &mut impl Read, bytes: u64, name: &str) -> Result<Hash, PackError> {
    let mut hasher = Sha256::new();
    let mut left = bytes;
    let mut chunk = vec![0; CHUNK_BYTES];
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        let read = reader.read(&mut chunk[..most])?;
        if read == 0 {
            return Err(PackError::Damaged(format!("cut off inside {name}")));
        }
        hasher.update(&chunk[..read]);
        left -= read as u64;
    }
    let mut filling = [0; BLOCK];
    let filling = &mut filling[..tar::padding(bytes)];
    reader.read_exact(filling).map_err(|_| PackError::Damaged(format!("cut off behind {name}")))?;
    if filling.iter().any(|byte| *byte != 0) {
        return Err(PackError::Damaged(format!("something stands between {name} and the next entry")));
    }
    Ok(hasher.finalize().into())
}

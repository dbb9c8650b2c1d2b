//! Checkpoints in a folder. Each is written under another name, forced to disk and renamed, and the one before is
//! kept: a crash at any moment leaves a whole one. One that was found damaged is not the one before; it is put aside, for
//! whoever wants to know what happened to it.
//!
//! A file is a line of text with the version of its layout, the length of what follows in eight bytes, the state, and
//! the BLAKE3 hash of everything before.

use super::{Checkpoint, ShadowState};
use crate::fault::{Mistake, planted, step};
use crate::sink::force_name;
use bytes::Bytes;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Goes up with every change of what is saved.
pub const VERSION: u32 = 14;
/// What a small log leaves behind in this layout, hashed: `layout` sees whether it still does.
#[cfg(test)]
pub(super) const SAVED: (u32, &str) = (14, "f7550f934d976d0b");
const MAGIC: &str = "keyhound checkpoint ";
const SHADOW: &str = "keyhound shadow ";
const HASH_BYTES: usize = 32;
/// What the files are called, before their numbers.
const CHECKPOINT: &str = "checkpoint-";
/// What the last checkpoint that was found damaged is called.
const ASIDE: &str = "damaged";

/// Why a run cannot use a folder of checkpoints.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be made, read or written.
    #[error("{path}: {error}", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Another process uses it.
    #[error("{path}: another keyhound is using this state; give each its own folder", path = path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// Of another version of the program.
    #[error(
        "{path}: a checkpoint of layout {found}, and this keyhound {version} reads layout {VERSION}; run the version that wrote it, or start anew with another folder",
        path = path.display(), version = env!("CARGO_PKG_VERSION")
    )]
    Version {
        /// The checkpoint.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Nothing in it can be used.
    #[error(
        "{path}: no checkpoint in it is whole; move it away to start anew (the inputs will be read from their start)",
        path = path.display()
    )]
    Damaged {
        /// The folder.
        path: PathBuf,
    },
    /// Made with another salt.
    #[error(
        "{path}: made with another `fingerprint.salt_file`: no key would be known again; put the salt back, or start anew with another folder",
        path = path.display()
    )]
    Salt {
        /// The folder.
        path: PathBuf,
    },
}

/// A folder of checkpoints, ours alone while this value lives.
pub struct Store {
    dir: PathBuf,
    /// Held open: the lock goes with it.
    _lock: File,
    /// Number of the newest.
    newest: u64,
    /// Number of the newest of which it is known that it is whole.
    whole: Option<u64>,
    /// Numbers of those that were found damaged, the newest first.
    damaged: Vec<u64>,
    /// An earlier one had to do because the newest was damaged.
    pub fell_back: bool,
}

impl Store {
    /// Takes hold of a folder, which is made if need be, and of what it holds.
    pub fn open(dir: &Path) -> Result<(Self, Option<Checkpoint>), StoreError> {
        let failed = |error| StoreError::Io { path: dir.to_owned(), error };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        force_name(dir).map_err(failed)?;
        let mut options = OpenOptions::new();
        let lock = options.create(true).append(true).mode(0o600).open(dir.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { path: dir.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let mut store = Self {
            dir: dir.to_owned(),
            _lock: lock,
            newest: 0,
            whole: None,
            damaged: Vec::new(),
            fell_back: false,
        };
        let numbers = store.numbers(CHECKPOINT).map_err(failed)?;
        store.newest = numbers.first().copied().unwrap_or(0);
        let checkpoint = store.load(&numbers)?;
        Ok((store, checkpoint))
    }

    /// The newest that is whole. Only what damage cannot explain ends the search: a version is told by a whole file.
    fn load(&mut self, numbers: &[u64]) -> Result<Option<Checkpoint>, StoreError> {
        let mut paths: Vec<_> = numbers.iter().map(|number| (Some(*number), self.path(*number))).collect();
        if planted(Mistake::TemporaryPreferred) {
            paths.insert(0, (None, self.dir.join("unfinished")));
            paths.retain(|(_, path)| path.exists());
        }
        for (number, path) in paths {
            let bytes = fs::read(&path).map_err(|error| StoreError::Io { path: path.clone(), error })?;
            let unpacked = unpack(MAGIC, &bytes.into()).and_then(|state| {
                Checkpoint::restore(&state).map_err(|_| Broken::Damaged("cannot be understood"))
            });
            match unpacked {
                Ok(checkpoint) => {
                    self.whole = number;
                    return Ok(Some(checkpoint));
                }
                Err(Broken::Version(found)) => return Err(StoreError::Version { path, found }),
                Err(Broken::Damaged(why)) => {
                    tracing::error!("{}: {why}; going back to the checkpoint before it", path.display());
                    self.fell_back = true;
                    self.damaged.extend(number);
                }
            }
        }
        if numbers.is_empty() { Ok(None) } else { Err(StoreError::Damaged { path: self.dir.clone() }) }
    }

    /// The numbers of the files of a kind that are there, the newest first. What was not renamed was not finished.
    fn numbers(&self, kind: &str) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(kind));
            numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        Ok(numbers)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{CHECKPOINT}{number:010}"))
    }

    fn shadow_path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("shadow-{number:010}"))
    }

    /// What was tried beside when the checkpoint with this feed was made; nothing where nothing was, or where it cannot be
    /// used, which is told: the run does without it.
    pub fn shadow(&self, feed: &[u8]) -> Option<ShadowState> {
        let path = self.shadow_path(self.whole?);
        let bytes: Bytes = match fs::read(&path) {
            Ok(bytes) => bytes.into(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::error!("{}: {error}; the shadow starts anew", path.display());
                return None;
            }
        };
        let damaged = |_| Broken::Damaged("cannot be understood");
        match unpack(SHADOW, &bytes).and_then(|state| ShadowState::restore(&state, feed).map_err(damaged)) {
            Ok(state) => state,
            Err(Broken::Version(found)) => {
                tracing::error!(
                    "{}: of layout {found}, not {VERSION}; the shadow starts anew",
                    path.display()
                );
                None
            }
            Err(Broken::Damaged(why)) => {
                tracing::error!("{}: {why}; the shadow starts anew", path.display());
                None
            }
        }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes a checkpoint; when this returns, it is on disk. How many bytes it has.
    pub fn write(&mut self, checkpoint: &Checkpoint) -> io::Result<u64> {
        let path = self.path(self.newest + 1);
        let unfinished = self.dir.join("unfinished");
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(true).mode(0o600);
        // First, so that it is there as soon as the checkpoint is. The folder is forced to disk once for both.
        let mut bytes = 0;
        if let Some(shadow) = &checkpoint.shadow {
            let mut file = options.open(&unfinished)?;
            bytes += pack(SHADOW, &shadow.save(&checkpoint.feed), &mut file)?;
            file.sync_all()?;
            fs::rename(&unfinished, self.shadow_path(self.newest + 1))?;
        }
        let mut file = options.open(&unfinished)?;
        step("checkpoint_opened");
        bytes += pack(MAGIC, &checkpoint.save(), &mut file)?;
        step("checkpoint_written");
        file.sync_all()?;
        step("checkpoint_forced");
        fs::rename(&unfinished, &path)?;
        step("checkpoint_named");
        if !planted(Mistake::NoDirectoryFsync) {
            File::open(&self.dir)?.sync_all()?;
        }
        step("folder_forced");
        self.newest += 1;
        let before = self.whole.replace(self.newest);
        self.clear(before)?;
        Ok(bytes)
    }

    /// Takes away all but the newest, which is whole, and the one that was whole before it.
    fn clear(&mut self, before: Option<u64>) -> io::Result<()> {
        let mut damaged = std::mem::take(&mut self.damaged).into_iter();
        if let Some(newest) = damaged.next() {
            match fs::rename(self.path(newest), self.dir.join(ASIDE)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                renamed => renamed?,
            }
        }
        for number in self.numbers("shadow-")? {
            if number != self.newest && Some(number) != before {
                fs::remove_file(self.shadow_path(number))?;
            }
        }
        for number in self.numbers(CHECKPOINT)? {
            if number != self.newest && Some(number) != before {
                fs::remove_file(self.path(number))?;
                step("old_one_removed");
            }
        }
        Ok(())
    }
}

fn pack(magic: &str, state: &[Bytes], out: &mut impl Write) -> io::Result<u64> {
    let mut hasher = blake3::Hasher::new();
    let length: usize = state.iter().map(Bytes::len).sum();
    let head = [format!("{magic}{VERSION}\n").as_bytes(), &(length as u64).to_le_bytes()].concat();
    for part in [&head[..]].into_iter().chain(state.iter().map(Bytes::as_ref)) {
        hasher.update(part);
        out.write_all(part)?;
    }
    out.write_all(hasher.finalize().as_bytes())?;
    Ok((head.len() + length + HASH_BYTES) as u64)
}

enum Broken {
    Version(u32),
    Damaged(&'static str),
}

/// The state in a file that begins with `magic`.
fn unpack(magic: &str, bytes: &Bytes) -> Result<Bytes, Broken> {
    let damaged = Broken::Damaged;
    let Some((whole, hash)) = bytes.split_at_checked(bytes.len().saturating_sub(HASH_BYTES)) else {
        return Err(damaged("is cut off"));
    };
    if blake3::hash(whole).as_bytes() != hash {
        return Err(damaged("its checksum does not fit: it is damaged or cut off"));
    }
    let rest = whole.strip_prefix(magic.as_bytes()).ok_or(damaged("is no checkpoint"))?;
    let end = memchr::memchr(b'\n', rest).ok_or(damaged("is no checkpoint"))?;
    let version = std::str::from_utf8(&rest[..end]).ok().and_then(|version| version.parse().ok());
    match version {
        Some(VERSION) => {}
        Some(other) => return Err(Broken::Version(other)),
        None => return Err(damaged("is no checkpoint")),
    }
    let (length, state) = rest[end + 1..].split_first_chunk().ok_or(damaged("is cut off"))?;
    if u64::from_le_bytes(*length) != state.len() as u64 {
        return Err(damaged("is cut off"));
    }
    Ok(bytes.slice_ref(state))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(text: &str) -> Checkpoint {
        let shards = vec![Bytes::from_static(&[1, 2, 3]), Bytes::from_static(&[4])];
        Checkpoint { feed: text.as_bytes().to_vec(), shards, ..Checkpoint::default() }
    }

    fn feed(dir: &Path) -> Option<String> {
        let found = Store::open(dir).unwrap().1?;
        assert_eq!(found.shards, [&[1, 2, 3][..], &[4]]);
        Some(String::from_utf8(found.feed).unwrap())
    }

    #[test]
    fn the_newest_whole_one_counts() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        assert_eq!(feed(dir), None);
        for text in ["one", "two", "three"] {
            Store::open(dir).unwrap().0.write(&checkpoint(text)).unwrap();
            assert_eq!(feed(dir).as_deref(), Some(text));
        }
        let names = |dir| Store::open(dir).unwrap().0.numbers(CHECKPOINT).unwrap();
        assert_eq!(names(dir), [3, 2]);
        // What was never renamed is never used, whatever it holds.
        fs::copy(dir.join("checkpoint-0000000002"), dir.join("unfinished")).unwrap();
        assert_eq!(feed(dir).as_deref(), Some("three"));
        let newest = dir.join("checkpoint-0000000003");
        let whole = fs::read(&newest).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(&newest, &flipped).unwrap();
            assert_eq!(feed(dir).as_deref(), Some("two"), "a bit of byte {at}");
            fs::write(&newest, &whole[..at]).unwrap();
            assert_eq!(feed(dir).as_deref(), Some("two"), "cut off at {at}");
        }
        assert!(Store::open(dir).unwrap().0.fell_back);
        fs::write(dir.join("checkpoint-0000000002"), "").unwrap();
        assert!(matches!(Store::open(dir), Err(StoreError::Damaged { .. })));
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = entries.filter(|name| name != "lock").collect();
        names.sort();
        names
    }

    fn damage(path: &Path) {
        let mut bytes = fs::read(path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(path, bytes).unwrap();
    }

    /// What a run went on from stays until two whole ones are newer, whatever is damaged meanwhile.
    #[test]
    fn the_one_that_had_to_do_is_kept_beside_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let path = |number: u64| dir.join(format!("checkpoint-{number:010}"));
        let mut store = Store::open(dir).unwrap().0;
        for text in ["one", "two", "three"] {
            store.write(&checkpoint(text)).unwrap();
        }
        // As if it had not been taken away yet.
        fs::copy(path(3), path(4)).unwrap();
        drop(store);
        damage(&path(3));
        damage(&path(4));
        let (mut store, found) = Store::open(dir).unwrap();
        assert_eq!(found.unwrap().feed, b"two");
        assert_eq!(names(dir), ["checkpoint-0000000002", "checkpoint-0000000003", "checkpoint-0000000004"]);
        store.write(&checkpoint("five")).unwrap();
        assert_eq!(names(dir), ["checkpoint-0000000002", "checkpoint-0000000005", "damaged"]);
        drop(store);
        damage(&path(5));
        assert_eq!(feed(dir).as_deref(), Some("two"), "the new one was damaged, too");
        let mut store = Store::open(dir).unwrap().0;
        store.write(&checkpoint("six")).unwrap();
        store.write(&checkpoint("seven")).unwrap();
        assert_eq!(names(dir), ["checkpoint-0000000006", "checkpoint-0000000007", "damaged"]);
    }

    #[test]
    fn other_versions_and_second_users_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, _) = Store::open(dir.path()).unwrap();
        store.write(&checkpoint("one")).unwrap();
        assert!(matches!(Store::open(dir.path()), Err(StoreError::InUse { .. })));
        drop(store);
        let path = dir.path().join("checkpoint-0000000001");
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(bytes.len() - HASH_BYTES);
        let later = String::from_utf8_lossy(&bytes)
            .replacen(&format!("checkpoint {VERSION}"), "checkpoint 77", 1)
            .into_bytes();
        let hash = blake3::hash(&later);
        fs::write(&path, [&later[..], hash.as_bytes()].concat()).unwrap();
        let error = Store::open(dir.path()).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("layout 77") && error.contains(&format!("reads layout {VERSION}")), "{error}");
    }
}

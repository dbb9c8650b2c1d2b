//! The journal on disk: only appended to, one step a line, each forced to disk before anything follows from it.

use super::deed::Deed;
use crate::encode::Visible;
use crate::fault::step;
use crate::sink::{Room, force_name, is_full};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The journal in the folder of the state.
const PLACE: &str = "contain/journal.jsonl";
/// What is read of it at once.
const PIECE_BYTES: u64 = 1 << 20;

/// A journal that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}", path = path.display())]
pub struct JournalError {
    /// Where it is.
    pub path: PathBuf,
    /// What the system says.
    pub error: io::Error,
}

/// A journal that is written to, from several places at once if need be: each line is one write.
#[derive(Clone, Debug)]
pub struct Journal {
    file: Arc<File>,
    path: Arc<Path>,
}

impl Journal {
    /// Where it is in the folder of a state.
    pub fn place(state: &Path) -> PathBuf {
        state.join(PLACE)
    }

    /// Opens or makes the one in the folder of a state. A line that was cut off by a crash is ended, so that the next is whole.
    pub fn open(state: &Path) -> Result<Self, JournalError> {
        let path = Self::place(state);
        let told = |error| JournalError { path: path.clone(), error };
        let make = || -> io::Result<File> {
            if let Some(folder) = path.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
                force_name(folder)?;
            }
            let file = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(&path)?;
            end_line(&file)?;
            file.sync_all()?;
            force_name(&path)?;
            Ok(file)
        };
        let file = make().map_err(told)?;
        Ok(Self { file: Arc::new(file), path: path.as_path().into() })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a step and forces it to disk. On a full disk it waits.
    pub async fn append(&self, deed: &Deed, room: &Room) -> Result<(), JournalError> {
        let line: Arc<[u8]> = deed.line().into();
        loop {
            let (file, line) = (Arc::clone(&self.file), Arc::clone(&line));
            let written = tokio::task::spawn_blocking(move || force(&file, &line)).await;
            match written.map_err(io::Error::other).flatten() {
                Ok(()) => {
                    room.some();
                    step("contain_journal");
                    return Ok(());
                }
                Err(error) if is_full(&error) => room.wait(&self.path.display().to_string()).await,
                Err(error) => return Err(JournalError { path: self.path.to_path_buf(), error }),
            }
        }
    }

    /// The same for whoever does nothing else meanwhile.
    pub fn append_now(&self, deed: &Deed) -> Result<(), JournalError> {
        force(&self.file, &deed.line()).map_err(|error| JournalError { path: self.path.to_path_buf(), error })
    }
}

fn force(mut file: &File, line: &[u8]) -> io::Result<()> {
    end_line(file)?;
    file.write_all(line)?;
    file.sync_data()
}

/// Ends a line that was cut off by a crash or a full disk, so that the next is whole.
fn end_line(mut file: &File) -> io::Result<()> {
    let length = file.metadata()?.len();
    let mut last = [0];
    if length > 0 && file.read_at(&mut last, length - 1)? == 1 && last != *b"\n" {
        file.write_all(b"\n")?;
    }
    Ok(())
}

/// All steps of a journal in the folder of a state, in order; none where there is no journal.
pub fn read(state: &Path) -> Result<Vec<Deed>, JournalError> {
    let path = Journal::place(state);
    let mut tail = Tail::new(&path, 0);
    let mut all = Vec::new();
    loop {
        let deeds = tail.read().map_err(|error| JournalError { path: path.clone(), error })?;
        let Some(deeds) = deeds else { return Ok(all) };
        all.extend(deeds);
    }
}

/// Reads a journal as it grows, whoever writes to it.
#[derive(Clone, Debug)]
pub struct Tail {
    path: PathBuf,
    at: u64,
}

impl Tail {
    /// From a place on, in bytes.
    pub fn new(path: &Path, at: u64) -> Self {
        Self { path: path.to_owned(), at }
    }

    /// How far it was read, in bytes.
    pub const fn at(&self) -> u64 {
        self.at
    }

    /// The next steps; none where there is nothing new. A line that is no step is told and passed over.
    pub fn read(&mut self) -> io::Result<Option<Vec<Deed>>> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        file.seek(SeekFrom::Start(self.at))?;
        let mut bytes = Vec::new();
        file.take(PIECE_BYTES).read_to_end(&mut bytes)?;
        let Some(end) = memchr::memrchr(b'\n', &bytes) else { return Ok(None) };
        let mut deeds = Vec::new();
        for line in bytes[..end].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if let Some(deed) = Deed::parse(line) {
                deeds.push(deed);
            } else {
                let path = self.path.display().to_string();
                tracing::warn!(
                    "{}: a line is no step of containment and is passed over (cut off by a crash, or of another version)",
                    Visible(&path)
                );
            }
        }
        self.at += end as u64 + 1;
        Ok(Some(deeds))
    }
}

#[cfg(test)]
mod tests {
    use super::super::deed::Step;
    use super::super::deed::tests::about;
    use super::*;
    use crate::time::{SECOND, Timestamp};

    #[test]
    fn what_a_crash_cut_off_harms_no_other_line() {
        let dir = tempfile::tempdir().unwrap();
        let deed = |number: i64| {
            Deed::new(&about("a"), ("r", "x"), Step::Failed, Timestamp(number * SECOND), "x".to_owned())
        };
        assert!(read(dir.path()).unwrap().is_empty());
        let journal = Journal::open(dir.path()).unwrap();
        journal.append_now(&deed(1_782_867_601)).unwrap();
        let mut tail = Tail::new(journal.path(), 0);
        assert_eq!(tail.read().unwrap().map(|deeds| deeds.len()), Some(1));
        let half = deed(1_782_867_602).line();
        (&*journal.file).write_all(&half[..half.len() / 2]).unwrap();
        assert_eq!(tail.read().unwrap(), None);
        let journal = Journal::open(dir.path()).unwrap();
        journal.append_now(&deed(1_782_867_603)).unwrap();
        let all: Vec<i64> = read(dir.path()).unwrap().iter().map(|deed| deed.at.0 / SECOND).collect();
        assert_eq!(all, [1_782_867_601, 1_782_867_603]);
        assert_eq!(tail.read().unwrap().map(|deeds| deeds.len()), Some(1));
        assert_eq!(tail.read().unwrap(), None);
    }
}

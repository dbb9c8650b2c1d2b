//! A file that grows, as `tail -F` follows it: through renaming, truncation and late creation.
//!
//! It is looked at every `poll` instead of waiting for notifications: those do not come over network file systems
//! and container mounts, a tenth of a second is soon enough, and a look costs a few microseconds.

use super::place::Progress;
use super::{FileId, FilePlace, Next, Place, Seal, Source, SourceError, file_id, read_some, rotated};
use crate::encode::Visible;
use bytes::BytesMut;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Looks at a renamed file's end for this many polls before it is left: its writer may not have noticed yet.
const FAREWELL_POLLS: u32 = 20;

/// Files that took the place one after the other while an older one was being read. They are held open, because
/// the next rotation takes their name away.
const WAITING_MAX: usize = 64;

/// A file at a path, whichever file that is at the time.
pub struct FollowSource {
    path: PathBuf,
    name: String,
    poll: Duration,
    /// Where to go on, before the first file is opened.
    from: Option<FilePlace>,
    current: Option<Followed>,
    waiting: VecDeque<Followed>,
    /// How often the old file was at its end since another took its place.
    farewells: u32,
    /// What sealed the text that was held where it goes on.
    resumed: Option<Seal>,
    /// The file that was read before is gone, and what was not read of it is lost.
    replaced: bool,
}

/// A file that is read as it grows.
pub(super) struct Followed {
    pub(super) file: File,
    identity: FileId,
    progress: Progress,
    /// How long it has been seen while it waited.
    seen: u64,
    /// It was cut off before anything was read of it.
    was_cut: bool,
}

impl Followed {
    /// From the start of `file`.
    pub(super) fn new(file: File) -> io::Result<Self> {
        let identity = file_id(&file.metadata()?);
        Ok(Self { identity, file, progress: Progress::new(identity), seen: 0, was_cut: false })
    }

    /// From `place` on, which is in `file`.
    pub(super) fn at(file: File, place: &FilePlace) -> io::Result<Self> {
        let identity = file_id(&file.metadata()?);
        let (file, progress) = Progress::seek(file, place)?;
        Ok(Self { file, identity, progress, seen: 0, was_cut: false })
    }

    /// Notes how long it is while it waits.
    fn note_length(&mut self, length: u64) {
        self.was_cut |= length < self.seen;
        self.seen = length;
    }

    /// Takes what was read, if it follows what was read before: a file that was cut off may have grown past that.
    fn take(&mut self, buffer: &mut BytesMut, before: usize, name: &str) -> io::Result<Next> {
        if !self.progress.holds(&self.file)? {
            buffer.truncate(before);
            return self.begin_again(name);
        }
        self.progress.note(buffer, before);
        self.progress.note_changed(&self.file)?;
        Ok(Next::Bytes)
    }

    /// Begins again at its start. What was written before and not read is lost.
    fn begin_again(&mut self, name: &str) -> io::Result<Next> {
        let read_before = self.progress.place().offset;
        tracing::warn!(file = %Visible(name), read_before, "file was truncated; reading it from its start");
        self.progress = Progress::new(self.identity);
        self.file.seek(SeekFrom::Start(0))?;
        Ok(Next::Truncated)
    }
}

impl FollowSource {
    /// Follows `path` from the start of the file that is there, or will be; or from where another process stopped,
    /// wherever that file has gone since.
    pub fn new(path: &Path, poll: Duration, from: Option<FilePlace>) -> Self {
        let name = path.display().to_string();
        Self {
            path: path.to_owned(),
            name,
            poll,
            from,
            current: None,
            waiting: VecDeque::new(),
            farewells: 0,
            resumed: None,
            replaced: false,
        }
    }

    fn fail(&self, error: io::Error) -> SourceError {
        SourceError::Io { name: self.name.clone(), error }
    }

    /// Opens the file if it is there.
    fn open(&self) -> io::Result<Option<Followed>> {
        let opened = regular(&self.path).and_then(|()| File::open(&self.path));
        let file = match opened {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        Followed::new(file).map(Some)
    }

    /// Finds the file that another process has read, which may have been renamed since, and those that came after it.
    fn resume(&mut self, place: &FilePlace) -> io::Result<()> {
        let found = rotated::find(&self.path, place)?;
        if found.is_none() && !self.path.exists() {
            // Nothing there at all: it may be between two names.
            return Ok(());
        }
        (self.resumed, self.waiting) = found.unwrap_or_default();
        self.from = None;
        self.current = self.waiting.pop_front();
        if self.resumed.is_none() {
            tracing::warn!(
                file = %Visible(&self.name), read_before = place.offset,
                "the file that was read before is gone or was cut off; what was not read of it is lost, reading from the start"
            );
            self.replaced = true;
            if self.current.is_none() {
                self.current = self.open()?;
            }
        }
        Ok(())
    }

    /// Puts the files into the queue that took the place of the newest one known.
    fn notice_rotation(&mut self) -> io::Result<()> {
        let Some(newest) = self.waiting.back().or(self.current.as_ref()) else { return Ok(()) };
        match std::fs::metadata(&self.path) {
            Ok(metadata) if file_id(&metadata) == newest.identity => {
                if let Some(newest) = self.waiting.back_mut() {
                    newest.note_length(metadata.len());
                }
                return Ok(());
            }
            Ok(_) => {}
            // Renamed, and nothing in its place yet; others may have been there in between.
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error),
        }
        if self.waiting.len() < WAITING_MAX {
            let found = rotated::since(&self.path, newest)?;
            self.waiting.extend(found);
        }
        Ok(())
    }

    /// At the end of the current file: what happened to it meanwhile.
    fn look_around(&mut self) -> io::Result<Next> {
        let wait = Ok(Next::Wait(self.poll));
        let Some(current) = &mut self.current else { return wait };
        if !current.progress.holds(&current.file)? {
            return current.begin_again(&self.name);
        }
        if self.waiting.is_empty() {
            self.farewells = 0;
            return wait;
        }
        self.farewells += 1;
        if self.farewells < FAREWELL_POLLS {
            return wait;
        }
        self.farewells = 0;
        self.current = self.waiting.pop_front();
        Ok(Next::NewFile)
    }
}

impl Source for FollowSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn place(&self) -> Option<Place> {
        self.current.as_ref().map(|current| Place::File(current.progress.place()))
    }

    fn seal(&self) -> Option<Seal> {
        self.current.as_ref().map(|current| current.progress.seal())
    }

    fn resumed_seal(&self) -> Option<Seal> {
        self.resumed
    }

    fn read(&mut self, buffer: &mut BytesMut, max: usize) -> Result<Next, SourceError> {
        if self.current.is_none() {
            let opened = match self.from {
                Some(place) => self.resume(&place),
                None => self.open().map(|opened| self.current = opened),
            };
            opened.map_err(|error| self.fail(error))?;
            if std::mem::take(&mut self.replaced) {
                return Ok(Next::Truncated);
            }
        }
        self.notice_rotation().map_err(|error| self.fail(error))?;
        let Some(current) = &mut self.current else { return Ok(Next::Wait(self.poll)) };
        if std::mem::take(&mut current.was_cut) {
            return current.begin_again(&self.name).map_err(|error| self.fail(error));
        }
        let before = buffer.len();
        let read = match read_some(&mut current.file, buffer, max) {
            Ok(0) => self.look_around(),
            Ok(_) => current.take(buffer, before, &self.name),
            Err(error) => Err(error),
        };
        read.map_err(|error| self.fail(error))
    }
}

/// Refuses what does not grow as a file does, before opening it: opening a pipe may wait for ever.
pub(super) fn regular(path: &Path) -> io::Result<()> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_dir() {
        let message = "is a directory; follow 'DIR/*.log' instead";
        return Err(io::Error::new(io::ErrorKind::IsADirectory, message));
    }
    if !kind.is_file() {
        let message = "is no regular file and cannot be followed; read it without --follow";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(())
}

pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    /// Everything that can be read now, with `|` where another file begins.
    fn drain(source: &mut FollowSource) -> String {
        let mut text = String::new();
        let mut quiet = 0;
        while quiet < 4 * FAREWELL_POLLS {
            let mut buffer = BytesMut::new();
            match source.read(&mut buffer, 7).unwrap() {
                Next::Bytes => text.push_str(std::str::from_utf8(&buffer).unwrap()),
                Next::NewFile => text.push('|'),
                Next::Truncated => text.push('!'),
                Next::Wait(_) => quiet += 1,
                Next::End => unreachable!("a followed file has no end"),
            }
        }
        text
    }

    fn append(path: &Path, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn through_the_life_of_a_log() {
        let dir = tempfile::tempdir().unwrap();
        let (path, old) = (dir.path().join("a.log"), dir.path().join("a.log.1"));
        let mut source = FollowSource::new(&path, Duration::from_millis(1), None);
        assert_eq!(drain(&mut source), "", "not there yet");
        append(&path, "one\n");
        assert_eq!(drain(&mut source), "one\n");
        append(&path, "two\nthr");
        assert_eq!(drain(&mut source), "two\nthr");
        fs::rename(&path, &old).unwrap();
        append(&old, "ee\n");
        assert_eq!(drain(&mut source), "ee\n", "the writer has not noticed");
        append(&path, "four\n");
        append(&old, "late\n");
        assert_eq!(drain(&mut source), "late\n|four\n");
        fs::write(&path, "5\n").unwrap();
        assert_eq!(drain(&mut source), "!5\n", "truncated");
        fs::remove_file(&path).unwrap();
        assert_eq!(drain(&mut source), "");
        append(&path, "six\n");
        assert_eq!(drain(&mut source), "|six\n", "removed and made again");
    }

    #[test]
    fn rotations_in_quick_succession_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let mut source = FollowSource::new(&path, Duration::from_millis(1), None);
        append(&path, "one\n");
        assert_eq!(drain(&mut source), "one\n");
        for (number, text) in ["two\n", "three\n", "four\n"].iter().enumerate() {
            fs::rename(&path, dir.path().join(format!("a.log.{number}"))).unwrap();
            append(&path, text);
            // A look between two rotations is enough, long before the first file is left.
            assert!(matches!(source.read(&mut BytesMut::new(), 7), Ok(Next::Wait(_))));
        }
        assert_eq!(drain(&mut source), "|two\n|three\n|four\n");
    }
}

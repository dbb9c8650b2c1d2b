//! A file that is appended to: what an earlier run has written stays.
//!
//! A run that goes on from a checkpoint makes again what was written since then. It is compared with what is there
//! and not written twice, so that whoever reads along sees every line once.

use super::Sink;
use super::room::{FULL_FOR, Room, is_full};
use crate::encode::Visible;
use crate::fault::{Mistake, planted, step};
use crate::source::{FileId, file_id};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

/// A file that is appended to.
pub struct FileSink {
    /// Shared with whoever forces it to disk.
    file: Arc<File>,
    name: String,
    id: FileId,
    /// How long it is, without what is still to be compared.
    length: u64,
    /// What was written behind the checkpoint, to be compared with what comes.
    written: Option<Written>,
    room: Room,
}

struct Written {
    file: File,
    bytes: u64,
}

/// How an output goes on that an earlier run has written to.
#[derive(Clone, Copy, Debug)]
pub struct Resumed {
    /// Which file, and how long it was.
    pub at: Option<(FileId, u64)>,
    /// Whether what comes repeats what was written since: so it is where all inputs can be read again.
    pub repeats: bool,
}

impl FileSink {
    /// Opens or makes the file, readable by its owner only if it is made.
    pub fn open(path: &Path, resumed: Option<Resumed>, room: Room) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).mode(0o600).open(path)?;
        let metadata = file.metadata()?;
        let mut sink = Self {
            name: path.display().to_string(),
            id: file_id(&metadata),
            length: metadata.len(),
            file: Arc::new(file),
            written: None,
            room,
        };
        if let Some(resumed) = resumed.filter(|_| metadata.is_file()) {
            force_name(path)?;
            sink.resume(path, resumed)?;
        }
        Ok(sink)
    }

    fn resume(&mut self, path: &Path, Resumed { at, repeats }: Resumed) -> io::Result<()> {
        if !repeats {
            return self.cut_torn_line(path);
        }
        let Some((id, length)) = at else { return Ok(()) };
        if planted(Mistake::OutputNotCompared) {
            return Ok(());
        }
        if id != self.id || length > self.length {
            tracing::warn!(
                "{}: not the file that was written before, or cut off since; alerts may stand twice, told by their `id`",
                Visible(&self.name)
            );
            return self.cut_torn_line(path);
        }
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(length))?;
        let bytes = self.length - length;
        self.written = (bytes > 0).then_some(Written { file, bytes });
        self.length = length;
        Ok(())
    }

    /// Takes away what a crash left of a line that was being written.
    fn cut_torn_line(&mut self, path: &Path) -> io::Result<()> {
        const PIECE: u64 = 64 << 10;
        let mut reader = File::open(path)?;
        let mut end = self.length;
        let whole = loop {
            let start = end.saturating_sub(PIECE);
            let mut piece = Vec::new();
            reader.seek(SeekFrom::Start(start))?;
            (&mut reader).take(end - start).read_to_end(&mut piece)?;
            if let Some(at) = memchr::memrchr(b'\n', &piece) {
                break start + at as u64 + 1;
            }
            if start == 0 {
                break 0;
            }
            end = start;
        };
        if whole < self.length {
            tracing::warn!(
                "{}: took away {} bytes of a line that a crash cut off",
                Visible(&self.name),
                self.length - whole
            );
            self.file.set_len(whole)?;
            self.length = whole;
        }
        Ok(())
    }

    /// Which file it is, and how long.
    pub fn length(&self) -> (FileId, u64) {
        (self.id, self.length)
    }

    /// The file itself, to be forced to disk, and its name in messages.
    pub fn file(&self) -> (Arc<File>, String) {
        (Arc::clone(&self.file), self.name.clone())
    }

    /// How many of `bytes` stand in the file already.
    fn compare(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(written) = &mut self.written else { return Ok(0) };
        let wanted = bytes.len().min(usize::try_from(written.bytes).unwrap_or(usize::MAX));
        let mut there = vec![0; wanted];
        written.file.read_exact(&mut there)?;
        let same = there.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        written.bytes -= same as u64;
        self.length += same as u64;
        step("output_compared");
        if same < wanted {
            tracing::warn!(
                "{}: what follows from the inputs differs from what was written by {} bytes at its end, which are written anew",
                Visible(&self.name),
                written.bytes
            );
            self.file.set_len(self.length)?;
            self.written = None;
        } else if written.bytes == 0 {
            self.written = None;
        }
        Ok(same)
    }

    /// The inputs are at their end: what has not been repeated by now does not follow from them.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.written.take().is_some() {
            tracing::warn!(
                "{}: more was written than follows from the inputs; it is taken away",
                Visible(&self.name)
            );
            self.file.set_len(self.length)?;
        }
        Ok(())
    }
}

impl Sink for FileSink {
    async fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let same = self.compare(lines)?;
        let mut rest = &lines[same..];
        while !rest.is_empty() {
            match (&*self.file).write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    step("output_written");
                    self.length += count as u64;
                    rest = &rest[count..];
                    self.room.some();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_full(&error) => self.room.wait(&self.name).await,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Puts a small file in the place of another, on disk: whatever happens, one of them is there, and whole.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let next = path.with_extension("next");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&next)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&next, path)?;
    force_name(path)
}

/// Forces to disk that there is a file or a folder of this name: what was written to it is lost with the name.
pub fn force_name(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = match File::open(parent.unwrap_or(Path::new("."))) {
        // Where files may be made, folders may still not be opened.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
        opened => opened?,
    };
    loop {
        match folder.sync_all() {
            // There are file systems on which folders cannot be forced.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Ok(()),
            Err(error) if is_full(&error) => std::thread::sleep(FULL_FOR),
            done => return done,
        }
    }
}

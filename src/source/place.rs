//! How far an input has been read, so that another process can go on there.

use super::{Decompressor, FileId, file_id};
use bytes::BytesMut;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::time::SystemTime;

/// Bytes at the start of a file that it is recognised by.
const HEAD_BYTES: usize = 1024;
/// Bytes before the place of reading that must still be there.
const TAIL_BYTES: usize = 256;

/// A file by its number in the file system and by what it begins with: names move on, numbers are used again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mark {
    id: FileId,
    head: Head,
}

impl Mark {
    /// Its number in the file system.
    pub fn id(&self) -> FileId {
        self.id
    }
}

/// A hash of the first bytes of a file, decompressed: no more of it is kept, for it may hold secrets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Head {
    length: u16,
    hash: [u8; 16],
}

impl Head {
    fn of(bytes: &[u8]) -> Self {
        let bytes = &bytes[..bytes.len().min(HEAD_BYTES)];
        let mut hash = [0; 16];
        hash.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
        Self { length: u16::try_from(bytes.len()).unwrap_or(u16::MAX), hash }
    }
}

/// The last bytes that were read of a file, by which it is told whether it is still the one that was read: a file that
/// was cut off and has grown since may begin with the same header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Tail {
    /// Where they end.
    end: u64,
    length: u16,
    hash: [u8; 16],
}

impl Tail {
    fn of(bytes: &[u8], end: u64) -> Self {
        let Head { length, hash } = Head::of(bytes);
        Self { end, length, hash }
    }

    /// Whether these bytes stand in the file where they did.
    fn is_in(&self, file: &File) -> io::Result<bool> {
        let mut bytes = vec![0; usize::from(self.length)];
        match file.read_exact_at(&mut bytes, self.end - u64::from(self.length)) {
            Ok(()) => Ok(Self::of(&bytes, self.end) == *self),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// What of a file comes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FilePlace {
    /// Which file.
    pub mark: Mark,
    /// How many of its bytes, decompressed, were taken.
    pub offset: u64,
    /// What was read last of it, which may be behind that.
    tail: Tail,
    /// When it had been written to last by then, where it is followed: no copy of it is older.
    changed: Option<SystemTime>,
}

/// What of an input comes next.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Place {
    /// Of a file.
    File(FilePlace),
    /// Of the journal: what comes after the entry with this cursor.
    Journal {
        /// As `journalctl` writes it.
        cursor: String,
    },
    /// Of what was posted: what comes after the body with this number.
    Posted {
        /// Its number in the spool.
        number: u64,
    },
}

impl Place {
    /// The place so many bytes before this one; in the journal only its source knows which that is.
    pub fn before(self, bytes: u64) -> Option<Self> {
        match self {
            Self::File(place) => Some(Self::File(FilePlace { offset: place.offset - bytes, ..place })),
            Self::Journal { .. } | Self::Posted { .. } => None,
        }
    }

    /// The number of the body that is meant; nought for none.
    pub fn posted(&self) -> u64 {
        match self {
            Self::Posted { number } => *number,
            Self::File(_) | Self::Journal { .. } => 0,
        }
    }

    /// The place in a file.
    pub fn file(&self) -> Option<FilePlace> {
        match self {
            Self::File(place) => Some(*place),
            Self::Journal { .. } | Self::Posted { .. } => None,
        }
    }
}

impl FilePlace {
    /// Whether this is the file that is meant, by what it begins with and, where that is little, by its number.
    ///
    /// What was read of it must still be there, too: a file that was cut off and written anew may begin the same.
    pub fn is_in(&self, file: &mut File) -> io::Result<bool> {
        self.find_in(file, true).map(|seal| seal.is_some())
    }

    /// The same of a file that is nowhere, so that tests may compare places byte for byte.
    #[cfg(test)]
    #[must_use]
    pub fn nowhere(self) -> Self {
        let changed = Some(SystemTime::UNIX_EPOCH);
        Self { mark: Mark { id: (1, 2), ..self.mark }, changed, ..self }
    }

    /// Whether a file that was written to last at this time may be a copy of the one that is meant.
    pub(super) fn may_have_copy(&self, changed: SystemTime) -> bool {
        self.changed.is_none_or(|known| known <= changed)
    }

    /// The seal of the file, if this is the one that is meant; `unpack` says whether it is decompressed where it is read.
    pub(super) fn find_in(&self, file: &mut File, unpack: bool) -> io::Result<Option<Seal>> {
        const LITTLE: u16 = 256;
        let metadata = file.metadata()?;
        let Head { length, .. } = self.mark.head;
        if length < LITTLE && file_id(&metadata) != self.mark.id {
            return Ok(None);
        }
        file.seek(SeekFrom::Start(0))?;
        let mut head = vec![0; usize::from(length)];
        let mut is_plain = true;
        let read = if unpack {
            let mut reader = Decompressor::new(&mut *file)?;
            is_plain = !reader.is_compressed();
            reader.read_exact(&mut head)
        } else {
            file.read_exact(&mut head)
        };
        if let Err(error) = read {
            return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
        }
        let is_it = Head::of(&head) == self.mark.head && (!is_plain || self.tail.is_in(file)?);
        Ok(is_it.then(|| seal_of(&head)))
    }
}

/// A key made of the first bytes of a file: see `src/engine/held.rs`.
pub type Seal = [u8; 32];

fn seal_of(head: &[u8]) -> Seal {
    blake3::derive_key("keyhound 2026-11-22 seal of a file", head)
}

/// Follows what is read of a file.
#[derive(Debug)]
pub(super) struct Progress {
    id: FileId,
    head: Vec<u8>,
    mark: Head,
    seal: Seal,
    offset: u64,
    tail: Vec<u8>,
    changed: Option<SystemTime>,
}

impl Progress {
    /// At the start of a file.
    pub(super) fn new(id: FileId) -> Self {
        Self {
            id,
            head: Vec::new(),
            mark: Head::of(b""),
            seal: seal_of(b""),
            offset: 0,
            tail: Vec::new(),
            changed: None,
        }
    }

    /// Notes what has been read: the bytes of `buffer` from `from` on.
    pub(super) fn note(&mut self, buffer: &BytesMut, from: usize) {
        let bytes = &buffer[from..];
        self.offset += bytes.len() as u64;
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL_BYTES));
        if self.head.len() < HEAD_BYTES {
            let room = HEAD_BYTES - self.head.len();
            self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
            (self.mark, self.seal) = (Head::of(&self.head), seal_of(&self.head));
        }
    }

    /// Notes when the file was written to last.
    pub(super) fn note_changed(&mut self, file: &File) -> io::Result<()> {
        self.changed = Some(file.metadata()?.modified()?);
        Ok(())
    }

    /// A plain file at `place`, which is in it.
    pub(super) fn seek(mut file: File, place: &FilePlace) -> io::Result<(File, Self)> {
        let id = file_id(&file.metadata()?);
        let mut head = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        (&mut file).take(place.offset.min(HEAD_BYTES as u64)).read_to_end(&mut head)?;
        let from = place.offset.saturating_sub(TAIL_BYTES as u64);
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        (&mut file).take(place.offset - from).read_to_end(&mut tail)?;
        file.seek(SeekFrom::Start(place.offset))?;
        let (mark, seal) = (Head::of(&head), seal_of(&head));
        Ok((file, Self { id, mark, seal, head, offset: place.offset, tail, changed: place.changed }))
    }

    /// The seal that goes with [`Progress::place`].
    pub(super) fn seal(&self) -> Seal {
        self.seal
    }

    /// How far it is.
    pub(super) fn place(&self) -> FilePlace {
        let tail = Tail::of(&self.tail, self.offset);
        let mark = Mark { id: self.id, head: self.mark };
        FilePlace { mark, offset: self.offset, tail, changed: self.changed }
    }

    /// Whether what was read last still stands where it was read.
    pub(super) fn holds(&self, file: &File) -> io::Result<bool> {
        Tail::of(&self.tail, self.offset).is_in(file)
    }
}

/// A file from `place` on, as [`FilePlace::is_in`] has found it.
pub(super) fn reopen(file: File, place: &FilePlace) -> io::Result<(Decompressor<File>, Progress)> {
    let (mut file, progress) = Progress::seek(file, place)?;
    file.seek(SeekFrom::Start(0))?;
    let mut reader = Decompressor::new(file)?;
    if let Decompressor::Plain(plain) = reader {
        let (_, mut file) = plain.into_inner();
        file.seek(SeekFrom::Start(place.offset))?;
        return Ok((Decompressor::Plain(Cursor::new(Vec::new()).chain(file)), progress));
    }
    let head_bytes = place.offset.min(HEAD_BYTES as u64);
    let mut head = Vec::new();
    reader.by_ref().take(head_bytes).read_to_end(&mut head)?;
    io::copy(&mut reader.by_ref().take(place.offset - head_bytes), &mut io::sink())?;
    Ok((reader, Progress { mark: Head::of(&head), seal: seal_of(&head), head, ..progress }))
}

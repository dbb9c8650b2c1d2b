//! Where bytes come from: standard input, files, files that grow.
//!
//! A source is read by a thread of its own, because pipes and files cannot be waited for any other way. It hands
//! out bytes; what a record is, it does not know.

pub(crate) mod compressed;
mod file;
mod follow;
mod journal;
#[cfg(feature = "kafka")]
pub mod kafka;
mod paths;
mod place;
mod rotated;
mod stdin;

pub use compressed::Decompressor;
pub use file::FileSource;
pub use follow::FollowSource;
pub use journal::JournalSource;
pub use paths::{FileId, PathError, check, check_followed, expand, file_id, is_pattern};
pub use place::{FilePlace, Mark, Place, Seal};
pub use stdin::StdinSource;

use bytes::BytesMut;
use std::io;
use std::time::Duration;

/// One input, read from its start to its end, if it has one.
pub trait Source: Send {
    /// Its name in messages.
    fn name(&self) -> &str;

    /// What comes behind the bytes that were handed out last; `None` where nobody can go on there.
    fn place(&self) -> Option<Place> {
        None
    }

    /// The place so many bytes before `place`, which was told after the last reading; `None` where nobody can go on.
    fn before(&self, place: Place, bytes: u64) -> Option<Place> {
        place.before(bytes)
    }

    /// What seals text that is held at [`Source::place`].
    fn seal(&self) -> Option<Seal> {
        None
    }

    /// What sealed text that was held at the place where this source went on.
    fn resumed_seal(&self) -> Option<Seal> {
        None
    }

    /// Appends what there is to `buffer`, up to about `max` bytes; waits if it cannot do otherwise.
    fn read(&mut self, buffer: &mut BytesMut, max: usize) -> Result<Next, SourceError>;
}

/// What reading brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Bytes, now in the buffer.
    Bytes,
    /// Nothing for now; look again after this time.
    Wait(Duration),
    /// What follows belongs to another file: an unfinished line will not be finished.
    NewFile,
    /// The same, and what had been written and not read of the file before may be lost: it was cut off.
    Truncated,
    /// The end.
    End,
}

/// An input that fails.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be opened or read. Trying again may help if its cause goes away.
    #[error("{name}: {error}")]
    Io {
        /// The input.
        name: String,
        /// What the system says.
        error: io::Error,
    },
    /// Compressed data that is damaged, cut off, or of a kind that is not read. What came before it was read.
    #[error("{name}: {message}")]
    Archive {
        /// The input.
        name: String,
        /// What is wrong and what to do.
        message: String,
    },
}

/// The error of an input that is decompressed, or is looked at for the first time, by `reader`.
fn failed<R: io::Read>(name: &str, reader: Option<&Decompressor<R>>, error: io::Error) -> SourceError {
    let name = name.to_owned();
    match compressed::damage(&error) {
        Some(message) if reader.is_none_or(Decompressor::is_compressed) => {
            SourceError::Archive { name, message }
        }
        _ => SourceError::Io { name, error },
    }
}

/// Reads once from `reader` into `buffer`; how much, zero at the end.
fn read_some(reader: &mut impl io::Read, buffer: &mut BytesMut, max: usize) -> io::Result<usize> {
    let length = buffer.len();
    buffer.resize(length + max, 0);
    let result = loop {
        match reader.read(&mut buffer[length..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other,
        }
    };
    buffer.truncate(length + result.as_ref().map_or(0, |read| *read));
    result
}

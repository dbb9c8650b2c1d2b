//! A file that is read once, from start to end.

use super::{Decompressor, Next, Source, SourceError, failed, read_some};
use bytes::BytesMut;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A file to its end, opened at the first read.
pub struct FileSource {
    path: PathBuf,
    name: String,
    reader: Option<Decompressor<File>>,
}

impl FileSource {
    /// The file at `path`.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), name: path.display().to_string(), reader: None }
    }

    fn open(&self) -> io::Result<Decompressor<File>> {
        let file = File::open(&self.path)?;
        if file.metadata()?.is_dir() {
            let message = "is a directory; name files, or a pattern such as 'DIR/*.jsonl'";
            return Err(io::Error::new(io::ErrorKind::IsADirectory, message));
        }
        Decompressor::new(file)
    }

    fn fail(&self, error: io::Error) -> SourceError {
        failed(&self.name, self.reader.as_ref(), error)
    }
}

impl Source for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self, buffer: &mut BytesMut, max: usize) -> Result<Next, SourceError> {
        if self.reader.is_none() {
            self.reader = Some(self.open().map_err(|error| self.fail(error))?);
        }
        let Some(reader) = &mut self.reader else { return Ok(Next::End) };
        match read_some(reader, buffer, max) {
            Ok(0) => Ok(Next::End),
            Ok(_) => Ok(Next::Bytes),
            Err(error) => Err(self.fail(error)),
        }
    }
}

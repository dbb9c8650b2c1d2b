//! A file that is read once, from start to end.

use super::place::{Progress, reopen};
use super::{Decompressor, FilePlace, Next, Place, Seal, Source, SourceError, failed, file_id, read_some};
use crate::encode::Visible;
use bytes::BytesMut;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A file to its end, opened at the first read.
pub struct FileSource {
    path: PathBuf,
    name: String,
    /// Where to go on.
    from: Option<FilePlace>,
    /// It is open, and how far it is read; a pipe has no place where somebody else could go on.
    reader: Option<(Decompressor<File>, Option<Progress>)>,
    /// What sealed the text that was held where it goes on.
    resumed: Option<Seal>,
    /// The file is another than the one that was read before.
    replaced: bool,
}

impl FileSource {
    /// The file at `path`, from `place` on if it is still that file.
    pub fn new(path: &Path, from: Option<FilePlace>) -> Self {
        Self {
            path: path.to_owned(),
            name: path.display().to_string(),
            from,
            reader: None,
            resumed: None,
            replaced: false,
        }
    }

    fn open(&mut self) -> io::Result<(Decompressor<File>, Option<Progress>)> {
        let mut file = File::open(&self.path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            let message = "is a directory; name files, or a pattern such as 'DIR/*.jsonl'";
            return Err(io::Error::new(io::ErrorKind::IsADirectory, message));
        }
        if !metadata.is_file() {
            return Ok((Decompressor::new(file)?, None));
        }
        if let Some(place) = self.from {
            self.resumed = place.find_in(&mut file, true)?;
            if self.resumed.is_some() {
                return reopen(file, &place).map(|(reader, progress)| (reader, Some(progress)));
            }
            tracing::warn!(
                "{}: not the file that was read before; reading it from its start",
                Visible(&self.name)
            );
            self.replaced = true;
            file = File::open(&self.path)?;
        }
        Ok((Decompressor::new(file)?, Some(Progress::new(file_id(&metadata)))))
    }

    fn fail(&self, error: io::Error) -> SourceError {
        failed(&self.name, self.reader.as_ref().map(|(reader, _)| reader), error)
    }
}

impl Source for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn place(&self) -> Option<Place> {
        self.reader.as_ref()?.1.as_ref().map(|progress| Place::File(progress.place()))
    }

    fn seal(&self) -> Option<Seal> {
        self.reader.as_ref()?.1.as_ref().map(Progress::seal)
    }

    fn resumed_seal(&self) -> Option<Seal> {
        self.resumed
    }

    fn read(&mut self, buffer: &mut BytesMut, max: usize) -> Result<Next, SourceError> {
        if self.reader.is_none() {
            let opened = self.open();
            self.reader = Some(opened.map_err(|error| self.fail(error))?);
            if self.replaced {
                return Ok(Next::NewFile);
            }
        }
        let Some((reader, progress)) = &mut self.reader else { return Ok(Next::End) };
        let before = buffer.len();
        match read_some(reader, buffer, max) {
            Ok(0) => Ok(Next::End),
            Ok(_) => {
                if let Some(progress) = progress {
                    progress.note(buffer, before);
                }
                Ok(Next::Bytes)
            }
            Err(error) => Err(self.fail(error)),
        }
    }
}

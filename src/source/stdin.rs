//! Standard input: a pipe, a terminal, or a file.

use super::{Decompressor, Next, Source, SourceError, failed, read_some};
use bytes::BytesMut;
use std::io::{self, Stdin};

/// Standard input to its end.
pub struct StdinSource {
    /// Opened at the first read, because looking at the first bytes waits for them.
    reader: Option<Decompressor<Stdin>>,
}

impl StdinSource {
    /// Standard input, not yet looked at.
    pub fn new() -> Self {
        Self { reader: None }
    }

    fn fail(&self, error: io::Error) -> SourceError {
        failed(self.name(), self.reader.as_ref(), error)
    }
}

impl Default for StdinSource {
    fn default() -> Self {
        Self::new()
    }
}

impl Source for StdinSource {
    fn name(&self) -> &'static str {
        "stdin"
    }

    fn read(&mut self, buffer: &mut BytesMut, max: usize) -> Result<Next, SourceError> {
        if self.reader.is_none() {
            self.reader = Some(Decompressor::new(io::stdin()).map_err(|error| self.fail(error))?);
        }
        let Some(reader) = &mut self.reader else { return Ok(Next::End) };
        match read_some(reader, buffer, max) {
            Ok(0) => Ok(Next::End),
            Ok(_) => Ok(Next::Bytes),
            Err(error) => Err(self.fail(error)),
        }
    }
}

//! The rows of everybody but the owner, on disk until it is known which of them are the attacker's.

use super::act::Act;
use super::phase::{Phase, phase};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};
use thiserror::Error;

/// Rows cannot be kept.
#[derive(Debug, Error)]
#[error("rows of evidence cannot be kept in the folder for temporary files (TMPDIR): {0}")]
pub struct SpoolError(#[from] io::Error);

/// A file without a name, which is gone with the process.
pub struct Spool {
    file: BufWriter<File>,
    wrong: Option<io::Error>,
}

impl Spool {
    /// An empty one.
    pub fn new() -> Result<Self, SpoolError> {
        Ok(Self { file: BufWriter::new(tempfile::tempfile()?), wrong: None })
    }

    /// Adds a row. What goes wrong is told when they are read.
    pub fn push(&mut self, consumer: u32, act: &Act) {
        let written =
            writeln!(self.file, "{consumer} {} {}", phase(act).0.label().replace(' ', "_"), act.row());
        if let (Err(error), None) = (written, &self.wrong) {
            self.wrong = Some(error);
        }
    }

    /// Gives all rows in order, each with the number of its consumer.
    pub fn each<E: From<SpoolError>>(
        &mut self,
        mut give: impl FnMut(u32, Phase, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        let wrong = |error| E::from(SpoolError(error));
        if let Some(error) = self.wrong.take() {
            return Err(wrong(error));
        }
        self.file.flush().map_err(wrong)?;
        let file = self.file.get_mut();
        file.rewind().map_err(wrong)?;
        for line in BufReader::new(&*file).lines() {
            let line = line.map_err(wrong)?;
            let mut parts = line.splitn(3, ' ');
            let (number, label, row) = (parts.next(), parts.next(), parts.next());
            let phase =
                Phase::ALL.into_iter().find(|phase| Some(phase.label().replace(' ', "_").as_str()) == label);
            if let (Some(Ok(number)), Some(phase), Some(row)) = (number.map(str::parse), phase, row) {
                give(number, phase, row)?;
            }
        }
        file.seek(io::SeekFrom::End(0)).map_err(wrong)?;
        Ok(())
    }
}

//! Holds the requests of a pack against the logs that they were read from: whoever has a log can prove that each row's
//! line stands in it as it was read, or find which does not.

use crate::pack::{PackError, each_row};
use crate::source::{FileSource, Next, Source as _, SourceError};
use bytes::BytesMut;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::vec::IntoIter;
use thiserror::Error;

/// Where the requests stand in a pack.
const ROWS: &str = "requests.jsonl";
/// Rows that are looked for in one reading of the logs: with more, they are read again.
const ROWS_MAX: u64 = 1_000_000;
/// Inputs that are told apart, and lines that are told of.
const SOURCES_MAX: usize = 10_000;
const TOLD_MAX: usize = 20;
/// Bytes read at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// Requests cannot be held against logs.
#[derive(Debug, Error)]
pub enum ProofError {
    /// The pack.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// A log.
    #[error(transparent)]
    Log(#[from] SourceError),
    /// There is nothing to prove.
    #[error(
        "no request in the pack can be held against a log: `keyhound investigate --pack` writes `{ROWS}` with input, line and hash of each, and none of that may be redacted"
    )]
    NoRows,
    /// A log that no row is of.
    #[error(
        "{0}: no request of the pack was read from a file of this name; they were read from: {1}. NAME=FILE says which it is"
    )]
    NoSource(String, String),
    /// A log that may be one of several.
    #[error("{0}: could be any of {1}: NAME=FILE says which it is")]
    Doubtful(String, String),
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Proof {
    /// Requests in the pack.
    pub rows: u64,
    /// Those whose lines stand in the logs as they were read.
    pub proved: u64,
    /// Those whose lines are others, or not there, and the first of them: input, line, row.
    pub other: u64,
    /// The first of them.
    pub others: Vec<(String, u64, u64)>,
    /// Those of inputs that were not given, by input.
    pub elsewhere: BTreeMap<String, u64>,
    /// Those of which input, line or hash is unreadable or was never known.
    pub unknown: u64,
}

/// A row of the pack, as far as it is needed; what is redacted is no text and no number.
#[derive(Deserialize)]
struct Row {
    source: Option<serde_json::Value>,
    line: Option<serde_json::Value>,
    lines: Option<serde_json::Value>,
    line_sha256: Option<serde_json::Value>,
}

/// Lines that have to be found.
struct Wanted {
    last: u64,
    count: u64,
    sha256: [u8; 32],
    row: u64,
}

impl Row {
    fn wanted(self, row: u64) -> Option<(String, Wanted)> {
        let number = |value: Option<serde_json::Value>| value?.as_u64().filter(|number| *number > 0);
        let source = self.source?.as_str()?.to_owned();
        let (last, count) = (number(self.line)?, number(self.lines)?);
        let digits = self.line_sha256?;
        let (pairs, rest) = digits.as_str()?.as_bytes().as_chunks::<2>();
        let mut sha256 = [0; 32];
        if pairs.len() != sha256.len() || !rest.is_empty() || count > last {
            return None;
        }
        for (byte, pair) in sha256.iter_mut().zip(pairs) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some((source, Wanted { last, count, sha256, row }))
    }
}

/// Holds the requests of the pack at `path` against logs: files by the names that they had, or as `NAME=FILE`.
pub fn prove(path: &Path, logs: &[String]) -> Result<Proof, ProofError> {
    let mut proof = Proof::default();
    let mut sources = BTreeSet::new();
    each(path, |_, wanted| {
        proof.rows += 1;
        match wanted {
            Some((source, _)) if sources.len() < SOURCES_MAX || sources.contains(&source) => {
                *proof.elsewhere.entry(source.clone()).or_default() += 1;
                sources.insert(source);
            }
            _ => proof.unknown += 1,
        }
    })?;
    if sources.is_empty() {
        return Err(ProofError::NoRows);
    }
    let files = logs.iter().map(|log| named(log, &sources)).collect::<Result<BTreeMap<_, _>, _>>()?;
    proof.elsewhere.retain(|source, _| !files.contains_key(source));
    let mut first = 1;
    while first <= proof.rows {
        let mut by_source: BTreeMap<String, Vec<Wanted>> = BTreeMap::new();
        each(path, |row, wanted| {
            if let Some((source, wanted)) = wanted
                && (first..first + ROWS_MAX).contains(&row)
                && files.contains_key(&source)
            {
                by_source.entry(source).or_default().push(wanted);
            }
        })?;
        for (source, wanted) in by_source {
            if let Some(file) = files.get(&source) {
                look(&source, file, wanted, &mut proof)?;
            }
        }
        first += ROWS_MAX;
    }
    Ok(proof)
}

fn each(path: &Path, mut give: impl FnMut(u64, Option<(String, Wanted)>)) -> Result<(), ProofError> {
    let is_there = each_row(path, ROWS, |number, line| {
        let row = serde_json::from_slice::<Row>(line).ok();
        give(number, row.and_then(|row| row.wanted(number)));
        Ok(())
    })?;
    if is_there { Ok(()) } else { Err(ProofError::NoRows) }
}

/// Which input a log is: by its whole name, else by that of the file.
fn named(log: &str, sources: &BTreeSet<String>) -> Result<(String, PathBuf), ProofError> {
    if let Some((name, file)) = log.split_once('=')
        && sources.contains(name)
    {
        return Ok((name.to_owned(), PathBuf::from(file)));
    }
    let path = PathBuf::from(log);
    if sources.contains(log) {
        return Ok((log.to_owned(), path));
    }
    let of = |source: &&String| Path::new(source.as_str()).file_name() == path.file_name();
    let like: Vec<&str> = sources.iter().filter(of).map(String::as_str).collect();
    match like[..] {
        [one] => Ok((one.to_owned(), path)),
        [] => {
            let some: Vec<&str> = sources.iter().take(TOLD_MAX).map(String::as_str).collect();
            Err(ProofError::NoSource(log.to_owned(), some.join(", ")))
        }
        _ => Err(ProofError::Doubtful(log.to_owned(), like.join(", "))),
    }
}

/// Looks for lines in a log, which is read once.
fn look(source: &str, file: &Path, mut wanted: Vec<Wanted>, proof: &mut Proof) -> Result<(), ProofError> {
    wanted.sort_unstable_by_key(|wanted| (wanted.last, wanted.count));
    let mut reading = Reading::new(source, wanted, proof);
    let mut log = FileSource::new(file, None);
    let mut buffer = BytesMut::new();
    loop {
        match log.read(&mut buffer, CHUNK_BYTES)? {
            Next::End => break,
            Next::Bytes => reading.take(&buffer),
            Next::Wait(_) | Next::NewFile | Next::Truncated => {}
        }
        buffer.clear();
    }
    reading.end();
    Ok(())
}

/// How far a log is read.
struct Reading<'a> {
    source: &'a str,
    wanted: Peekable<IntoIter<Wanted>>,
    proof: &'a mut Proof,
    /// The last line that is at its end, from 1 on.
    number: u64,
    /// The lines that are hashed: the first and the last of them.
    target: Option<(u64, u64)>,
    hasher: Sha256,
    /// Something of the next line was read.
    is_inside: bool,
    /// Only zeros of it were, which a crash leaves in front of a line.
    is_hole: bool,
}

impl<'a> Reading<'a> {
    fn new(source: &'a str, wanted: Vec<Wanted>, proof: &'a mut Proof) -> Self {
        let mut reading = Self {
            source,
            wanted: wanted.into_iter().peekable(),
            proof,
            number: 0,
            target: None,
            hasher: Sha256::new(),
            is_inside: false,
            is_hole: true,
        };
        reading.advance();
        reading
    }

    /// Chooses what to hash next. What begins before the end of what was hashed last is not what the program wrote.
    fn advance(&mut self) {
        self.hasher = Sha256::new();
        let first = |wanted: &Wanted| wanted.last + 1 - wanted.count;
        while let Some(passed) = self.wanted.next_if(|wanted| first(wanted) <= self.number) {
            self.note(&passed, false);
        }
        self.target = self.wanted.peek().map(|wanted| (first(wanted), wanted.last));
    }

    fn take(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            self.piece(&rest[..at]);
            self.end_line();
            rest = &rest[at + 1..];
        }
        self.piece(rest);
    }

    /// A part of a line.
    fn piece(&mut self, mut bytes: &[u8]) {
        if self.is_hole {
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            bytes = &bytes[zeros..];
        }
        if bytes.is_empty() {
            return;
        }
        (self.is_inside, self.is_hole) = (true, false);
        if self.target.is_some_and(|(first, _)| self.number + 1 >= first) {
            self.hasher.update(bytes);
        }
    }

    fn end_line(&mut self) {
        self.number += 1;
        (self.is_inside, self.is_hole) = (false, true);
        let Some((first, last)) = self.target else { return };
        if self.number >= first && self.number < last {
            self.hasher.update(b"\n");
        }
        if self.number == last {
            let sha256: [u8; 32] = std::mem::take(&mut self.hasher).finalize().into();
            // One line may be that of many records.
            let is_same = |wanted: &Wanted| (wanted.last + 1 - wanted.count, wanted.last) == (first, last);
            while let Some(wanted) = self.wanted.next_if(is_same) {
                self.note(&wanted, wanted.sha256 == sha256);
            }
            self.advance();
        }
    }

    /// What was not found by now is not there.
    fn end(mut self) {
        if self.is_inside {
            self.end_line();
        }
        while let Some(missing) = self.wanted.next() {
            self.note(&missing, false);
        }
    }

    fn note(&mut self, wanted: &Wanted, is_it: bool) {
        let proof = &mut *self.proof;
        if is_it {
            proof.proved += 1;
            return;
        }
        proof.other += 1;
        if proof.others.len() < TOLD_MAX {
            proof.others.push((self.source.to_owned(), wanted.last, wanted.row));
        }
    }
}

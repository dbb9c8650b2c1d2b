//! What is remembered of earlier canary prompts: how long they took, and what they cost today. With a folder for the state
//! it is kept over restarts.

use crate::money::NanoUsd;
use crate::sink::replace;
use crate::time::{DAY, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// Answers of which it is remembered how long they took: more than a week of hourly ones.
const PAST_MAX: usize = 200;
/// So many are a past.
const PAST_MIN: usize = 20;
/// The layout of the file.
const VERSION: u32 = 1;

/// What is remembered of one probe.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Page {
    /// Milliseconds of its latest answers, oldest first.
    latencies_ms: VecDeque<u32>,
    /// The day of what it has spent, in days since 1970 (UTC).
    day: i64,
    /// What it has spent on that day, in nano-dollars.
    spent: i64,
    /// It has been told of that day that the cap holds it back.
    is_told: bool,
    /// When it was asked last, in nanoseconds since 1970; nought for never.
    asked: i64,
}

/// How long 95 of 100 answers took at most.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Percentile {
    /// See there.
    pub p95: Duration,
    /// Of how many.
    pub of: usize,
}

impl Page {
    /// The 95th percentile (nearest rank), where there have been enough answers.
    pub fn past(&self) -> Option<Percentile> {
        let of = self.latencies_ms.len();
        if of < PAST_MIN {
            return None;
        }
        let mut sorted: Vec<u32> = self.latencies_ms.iter().copied().collect();
        sorted.sort_unstable();
        let p95 = sorted.get((of * 95).div_ceil(100) - 1).copied()?;
        Some(Percentile { p95: Duration::from_millis(p95.into()), of })
    }

    /// Notes an answer. One that took too long is a part of the past, too: what stays slow is usual one day.
    pub fn answered(&mut self, latency: Duration) {
        if self.latencies_ms.len() >= PAST_MAX {
            self.latencies_ms.pop_front();
        }
        self.latencies_ms.push_back(u32::try_from(latency.as_millis()).unwrap_or(u32::MAX));
    }

    /// Notes that it is asked now.
    pub fn ask(&mut self, now: Timestamp) {
        self.turn(now);
        self.asked = now.0;
    }

    /// When it was asked last, if it was.
    pub fn asked(&self) -> Option<Timestamp> {
        (self.asked > 0).then_some(Timestamp(self.asked))
    }

    /// Notes what it cost.
    pub fn spend(&mut self, cost: NanoUsd, now: Timestamp) {
        self.turn(now);
        self.spent = self.spent.saturating_add(cost.0);
    }

    /// What it has spent on this day.
    pub fn spent(&mut self, now: Timestamp) -> NanoUsd {
        self.turn(now);
        NanoUsd(self.spent)
    }

    /// It is held back; whether that is to be told, which it is once a day.
    pub fn hold(&mut self, now: Timestamp) -> bool {
        self.turn(now);
        !std::mem::replace(&mut self.is_told, true)
    }

    fn turn(&mut self, now: Timestamp) {
        let day = now.0.div_euclid(DAY);
        if day != self.day {
            (self.day, self.spent, self.is_told) = (day, 0, false);
        }
    }
}

/// What is remembered of all of them.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Book {
    version: u32,
    probes: BTreeMap<String, Page>,
}

/// What is remembered cannot be had.
#[derive(Debug, Error)]
pub enum BookError {
    /// Somebody else remembers there.
    #[error("{path}: another keyhound sends canary prompts with this folder", path = .0.display())]
    InUse(PathBuf),
    /// It cannot be read or written.
    #[error("{path}: {error}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is not what it should be. Without it the cap of a day would not hold, so nobody goes on as if nothing had been.
    #[error("{path}: {why}; what probes remember is lost if you remove it", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// What is remembered, in memory and, where there is a folder for it, on disk.
#[derive(Debug, Default)]
pub struct Kept {
    book: Book,
    /// The file, and the lock that goes when this does.
    place: Option<(PathBuf, File)>,
}

impl Kept {
    /// Takes hold of what is remembered in a folder.
    pub fn open(dir: Option<&Path>) -> Result<Self, BookError> {
        let Some(dir) = dir else { return Ok(Self::default()) };
        let path = dir.join("probes");
        let failed = |error| BookError::Io { path: path.clone(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let mut options = OpenOptions::new();
        let lock =
            options.create(true).append(true).mode(0o600).open(dir.join("probes.lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BookError::InUse(dir.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let book = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Book::default(),
            Err(error) => return Err(failed(error)),
            Ok(text) => Book::parse(&text).map_err(|why| BookError::Damaged { path: path.clone(), why })?,
        };
        Ok(Self { book, place: Some((path, lock)) })
    }

    /// The page of a probe.
    pub fn page(&mut self, name: &str) -> &mut Page {
        self.book.probes.entry(name.to_owned()).or_default()
    }

    /// Writes it as a whole, where it is kept.
    pub fn save(&self) -> Result<(), BookError> {
        let Some((path, _)) = &self.place else { return Ok(()) };
        let book = Book { version: VERSION, probes: self.book.probes.clone() };
        let written =
            serde_json::to_vec(&book).map_err(io::Error::other).and_then(|text| replace(path, &text));
        written.map_err(|error| BookError::Io { path: path.clone(), error })
    }
}

impl Book {
    fn parse(text: &[u8]) -> Result<Self, String> {
        let book: Self = serde_json::from_slice(text).map_err(|error| format!("is damaged: {error}"))?;
        match book.version {
            VERSION => Ok(book),
            version => Err(format!("is of another version ({version})")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentile_is_that_of_enough_answers_and_moves_on() {
        let mut page = Page::default();
        let take = |page: &mut Page, range: std::ops::RangeInclusive<u64>| {
            range.for_each(|ms| page.answered(Duration::from_millis(ms)));
        };
        take(&mut page, 1..=19);
        assert_eq!(page.past(), None);
        take(&mut page, 20..=20);
        assert_eq!(page.past(), Some(Percentile { p95: Duration::from_millis(19), of: 20 }));
        take(&mut page, 21..=100);
        assert_eq!(page.past(), Some(Percentile { p95: Duration::from_millis(95), of: 100 }));
        take(&mut page, 1001..=1200);
        assert_eq!(page.past(), Some(Percentile { p95: Duration::from_millis(1190), of: 200 }));
    }

    #[test]
    fn money_is_of_one_day_and_told_once() {
        let (mut page, at) = (Page::default(), |day: i64| Timestamp(day * DAY + 5));
        page.spend(NanoUsd(3), at(1));
        page.spend(NanoUsd(4), at(1));
        assert_eq!(page.spent(at(1)), NanoUsd(7));
        assert!(page.hold(at(1)) && !page.hold(at(1)));
        assert_eq!(page.spent(at(2)), NanoUsd(0));
        assert!(page.hold(at(2)));
    }

    #[test]
    fn a_book_comes_back_and_damage_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let mut kept = Kept::open(Some(dir.path())).unwrap();
        kept.page("a").answered(Duration::from_millis(5));
        kept.page("a").spend(NanoUsd(9), Timestamp(DAY));
        kept.save().unwrap();
        let page = kept.page("a").clone();
        assert!(matches!(Kept::open(Some(dir.path())), Err(BookError::InUse(_))));
        drop(kept);
        assert_eq!(*Kept::open(Some(dir.path())).unwrap().page("a"), page);
        for text in ["{", "{\"version\":9,\"probes\":{}}", ""] {
            std::fs::write(dir.path().join("probes"), text).unwrap();
            let error = Kept::open(Some(dir.path())).unwrap_err();
            assert!(matches!(error, BookError::Damaged { .. }), "{text}");
        }
        // Nowhere kept is not remembered, and that is no error.
        assert!(Kept::open(None).unwrap().save().is_ok());
    }
}

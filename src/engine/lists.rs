//! Watch lists that change while a run goes on: looked at every few seconds, read again when they are other files than
//! before.

use super::clock::{self, Arrival};
use crate::config::{Plan, watch_list};
use crate::watch_list::{KINDS, WatchList};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The files of watch lists, and what they looked like when they were read.
pub struct Lists {
    files: Vec<PathBuf>,
    seen: Vec<Option<Look>>,
    looked: Arrival,
    roll: Roll,
}

/// By what a file is told from the one that was there before: device, number, length, and when it was changed.
type Look = (u64, u64, u64, i64, i64);

fn look(metadata: &Metadata) -> Look {
    (metadata.dev(), metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}

/// How many entries the lists hold and when they were read, for whoever shows it.
#[derive(Clone, Debug, Default)]
pub struct Roll(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// How many files there are.
    files: AtomicU64,
    entries: [AtomicU64; KINDS.len()],
    /// When they were read last without a mistake, in nanoseconds since 1970.
    read: AtomicI64,
    /// How often they could not be.
    failed: AtomicU64,
}

/// What a roll says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Called {
    /// Entries by kind, in the order of [`KINDS`].
    pub entries: [u64; KINDS.len()],
    /// When they were read last without a mistake.
    pub read: crate::time::Timestamp,
    /// How often they could not be.
    pub failed: u64,
}

impl Roll {
    fn note(&self, files: usize, list: &WatchList) {
        for (place, count) in self.0.entries.iter().zip(list.by_kind()) {
            place.store(count as u64, Ordering::Relaxed);
        }
        self.0.read.store(clock::now().0, Ordering::Relaxed);
        self.0.files.store(files as u64, Ordering::Relaxed);
    }

    fn note_failure(&self) {
        self.0.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// What there is to show; nothing where there is no list.
    pub fn call(&self) -> Option<Called> {
        let Counts { files, entries, read, failed } = &*self.0;
        (files.load(Ordering::Relaxed) > 0).then(|| Called {
            entries: entries.each_ref().map(|count| count.load(Ordering::Relaxed)),
            read: crate::time::Timestamp(read.load(Ordering::Relaxed)),
            failed: failed.load(Ordering::Relaxed),
        })
    }
}

impl Lists {
    /// Those of a plan, which has just read them.
    pub fn of(plan: &Plan) -> Self {
        let (files, roll) = (plan.watch_list_files.clone(), Roll::default());
        roll.note(files.len(), &plan.shard.watch_list);
        let mut lists = Self { files, seen: Vec::new(), looked: Arrival::now(), roll };
        lists.seen = lists.look();
        lists
    }

    /// Looks at these files from now on, which hold `list`.
    pub fn renew(&mut self, files: &[PathBuf], list: &WatchList) {
        self.files = files.to_vec();
        self.roll.note(files.len(), list);
        self.seen = self.look();
    }

    /// How many entries they hold by now.
    pub fn roll(&self) -> Roll {
        self.roll.clone()
    }

    fn look(&self) -> Vec<Option<Look>> {
        self.files.iter().map(|path| std::fs::metadata(path).ok().map(|metadata| look(&metadata))).collect()
    }

    /// The lists as they are now, if any has changed. What cannot be read, or holds a mistake, changes nothing: somebody
    /// may be writing it.
    pub fn changed(&mut self) -> Option<Arc<WatchList>> {
        if self.files.is_empty() || self.looked.elapsed() < LOOK_EVERY {
            return None;
        }
        self.looked = Arrival::now();
        let now = self.look();
        if now == self.seen || now.contains(&None) {
            return None;
        }
        self.seen = now;
        match watch_list(&self.files) {
            Ok(list) => {
                tracing::info!("the watch list has changed: {} entries", list.len());
                self.roll.note(self.files.len(), &list);
                Some(Arc::new(list))
            }
            Err(error) => {
                tracing::error!("{error}; the watch list stays as it was");
                self.roll.note_failure();
                None
            }
        }
    }
}

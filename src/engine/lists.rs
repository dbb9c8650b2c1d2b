//! Watch lists that change while a run goes on: looked at every few seconds, read again when they are other files than
//! before.

use super::clock::Arrival;
use crate::config::{Plan, watch_list};
use crate::watch_list::WatchList;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The files of watch lists, and what they looked like when they were read.
pub struct Lists {
    files: Vec<PathBuf>,
    seen: Vec<Option<Look>>,
    looked: Arrival,
}

/// By what a file is told from the one that was there before: device, number, length, and when it was changed.
type Look = (u64, u64, u64, i64, i64);

fn look(metadata: &Metadata) -> Look {
    (metadata.dev(), metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}

impl Lists {
    /// Those of a plan, which has just read them.
    pub fn of(plan: &Plan) -> Self {
        let mut lists =
            Self { files: plan.watch_list_files.clone(), seen: Vec::new(), looked: Arrival::now() };
        lists.seen = lists.look();
        lists
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
                Some(Arc::new(list))
            }
            Err(error) => {
                tracing::error!("{error}; the watch list stays as it was");
                None
            }
        }
    }
}

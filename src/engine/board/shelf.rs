//! Alerts or incidents by their ids: the latest revision of each.

use super::Entry;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The latest revisions, and which of them gives way first: what is over, and of that what was told of longest ago.
#[derive(Default)]
pub(super) struct Shelf {
    entries: BTreeMap<Arc<str>, Arc<Entry>>,
    order: BTreeSet<(bool, Timestamp, Arc<str>)>,
    bytes: usize,
}

impl Shelf {
    /// Puts a revision in the place of the one before. An older one that comes late changes nothing.
    pub(super) fn put(&mut self, entry: Entry) {
        let entry = match self.entries.get(&entry.id) {
            Some(before) if before.revision > entry.revision => return,
            Some(before) => {
                let entry = entry.after(before);
                self.take(&Arc::clone(&entry.id));
                entry
            }
            None => entry,
        };
        self.bytes += entry.bytes();
        self.order.insert(place(&entry));
        self.entries.insert(Arc::clone(&entry.id), Arc::new(entry));
    }

    fn take(&mut self, id: &Arc<str>) {
        if let Some(entry) = self.entries.remove(id) {
            self.bytes -= entry.bytes();
            self.order.remove(&place(&entry));
        }
    }

    /// Drops the one that matters least; `false` where there is none.
    pub(super) fn drop_one(&mut self) -> bool {
        let Some((.., id)) = self.order.pop_first() else { return false };
        self.take(&id);
        true
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.entries.contains_key(id)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes, the tables not counted.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn entries(&self) -> Vec<Arc<Entry>> {
        self.entries.values().cloned().collect()
    }
}

fn place(entry: &Entry) -> (bool, Timestamp, Arc<str>) {
    (entry.is_open, entry.updated, Arc::clone(&entry.id))
}

//! Which line of which input a record stood in.

use super::act::Source;
use crate::engine::Loaded;
use crate::record::Batch;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Batches that are in use, with where they came from.
#[derive(Default)]
pub(super) struct Places(BTreeMap<usize, (Arc<Batch>, Arc<str>, u64)>);

impl Places {
    /// Notes batches that come for the first time.
    pub fn load(&mut self, loaded: &[Loaded]) {
        for Loaded { batch, source, lines_before, .. } in loaded {
            let at = Arc::as_ptr(batch) as usize;
            self.0.insert(at, (Arc::clone(batch), Arc::clone(source), *lines_before));
        }
    }

    /// Where a record of a batch stood.
    pub fn of(&self, batch: &Arc<Batch>, line: u32) -> Source {
        let known = self.0.get(&(Arc::as_ptr(batch) as usize));
        known.map_or_else(
            || Source { name: Arc::from("(made)"), line: 0 },
            |(_, name, before)| Source { name: Arc::clone(name), line: before + u64::from(line) + 1 },
        )
    }

    /// Forgets batches that nobody else holds.
    pub fn forget(&mut self) {
        self.0.retain(|_, (batch, ..)| Arc::strong_count(batch) > 1);
    }
}

//! Which line of which input a record stood in.

use super::act::Source;
use crate::engine::Loaded;
use crate::record::{Batch, Run};
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

    /// Where a record of a run stood, by its place in the batch.
    pub fn of(&self, run: &Run, index: usize) -> Source {
        let Run { batch, .. } = run;
        let line = batch.records.get(index).map_or(0, |record| record.line);
        let origins = &batch.origins;
        let origin = u32::try_from(index).ok().and_then(|index| {
            let at = origins.binary_search_by_key(&index, |(at, _)| *at).ok()?;
            origins.get(at).map(|(_, origin)| *origin)
        });
        let known = self.0.get(&(Arc::as_ptr(batch) as usize));
        known.map_or_else(
            || Source { name: Arc::from("(made)"), line: 0, origin: None },
            |(_, name, before)| Source { name: Arc::clone(name), line: before + u64::from(line) + 1, origin },
        )
    }

    /// Forgets batches that nobody else holds.
    pub fn forget(&mut self) {
        self.0.retain(|_, (batch, ..)| Arc::strong_count(batch) > 1);
    }
}

//! Of the keys that are witnessed it is told of each request whose it was taken for: those of an investigation.

use super::{Event, Order, Output, Shard};
use crate::incident::{Observer, Taken};
use crate::record::{Batch, UsageRecord};

impl Shard {
    /// Tells whose a request was taken for, if its key is one of those.
    #[inline]
    pub(super) fn witness(&mut self, order: Order, record: &UsageRecord, batch: &Batch) {
        if self.settings.witnessed.is_nobody() {
            return;
        }
        let is_known = self.witnessed.contains(&record.key);
        if !is_known && self.settings.witnessed.means(record, batch) {
            self.witnessed.push(record.key);
        }
        if is_known || self.witnessed.last() == Some(&record.key) {
            let taken = self.observer.as_ref().map_or(Taken::OWN, Observer::taken);
            self.outputs.push(Output { order, event: Event::Use(taken) });
        }
    }
}

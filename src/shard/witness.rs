//! The keys of which every request is told, and whose it was taken for: those of an investigation.

use super::{Event, Order, Output, Shard};
use crate::incident::{Observer, Taken};
use crate::key::KeyId;
use crate::record::{Batch, UsageRecord};

/// Fewest digits of a fingerprint that name a key.
const DIGITS_MIN: usize = 8;

/// Keys by their names.
#[derive(Clone, Debug, Default)]
pub struct Witnessed(Vec<String>);

impl Witnessed {
    /// No key.
    pub const NONE: Self = Self(Vec::new());

    /// The keys of these names: what is shown of them (`...3f9c`, or `3f9c`), their owner's name, or how their fingerprint
    /// begins, by eight digits at least.
    pub fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    /// Whether a record is one of such a key.
    #[inline]
    pub fn means(&self, record: &UsageRecord, batch: &Batch) -> bool {
        !self.0.is_empty()
            && self.is_named(record.key, batch.text(record.key_hint), batch.text(record.key_alias))
    }

    /// Whether a key is one of them.
    pub fn is_named(&self, id: KeyId, hint: &str, alias: &str) -> bool {
        let is_name = |name: &String| {
            let is_shown = name == hint || hint.strip_prefix("...").is_some_and(|last| last == name);
            is_shown || name == alias || name.len() >= DIGITS_MIN && id.to_string().starts_with(name.as_str())
        };
        self.0.iter().any(is_name)
    }
}

impl Shard {
    /// Tells whose a request was taken for, if its key is one of those.
    #[inline]
    pub(super) fn witness(&mut self, order: Order, record: &UsageRecord, batch: &Batch) {
        if self.settings.witnessed.0.is_empty() {
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

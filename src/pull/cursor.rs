//! How far the endpoints of sources were pulled, and what of the newest stretch was handed on: what a restart has to know.
//!
//! It moves by steps, each of which goes with the rows that it is about: whoever keeps rows keeps the step with them, so
//! that no row is there twice and none is missing, wherever a process ends.

use super::window::Times;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How far one endpoint was pulled.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Reach {
    /// The width of its buckets.
    pub width: String,
    /// Nothing before was ever wanted.
    pub first: i64,
    /// Everything before was read once.
    pub done: i64,
    /// What was handed on of the pieces of time that are read again, by their beginnings.
    pub seen: BTreeMap<i64, BTreeSet<u64>>,
}

impl Reach {
    /// Of one that is pulled for the first time, from this time on.
    pub fn new(width: &str, first: Timestamp) -> Self {
        Self { width: width.to_owned(), first: first.0, done: first.0, seen: BTreeMap::new() }
    }

    /// Whether this row was handed on before, as it is.
    pub fn has(&self, id: u64) -> bool {
        self.seen.values().any(|ids| ids.contains(&id))
    }

    /// What another width of buckets leaves of it: buckets of both would count the same use, so none of before is read again.
    #[must_use]
    pub fn in_width(self, width: &str) -> Self {
        if self.width == width { self } else { Self::new(width, Timestamp(self.done)) }
    }

    fn apply(&mut self, step: &Step) {
        if self.width != step.width {
            *self = Self::new(&step.width, Timestamp(step.first));
        }
        if !step.ids.is_empty() {
            self.seen.entry(step.chunk).or_default().extend(&step.ids);
        }
        if let Some(done) = step.done {
            self.done = self.done.max(done);
            self.seen = self.seen.split_off(&step.keep);
        }
    }
}

/// What one page, or the end of a window, adds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Step {
    /// The endpoint.
    pub endpoint: String,
    /// The width of its buckets.
    pub width: String,
    /// Nothing before was ever wanted.
    pub first: i64,
    /// The piece of time that rows are of.
    pub chunk: i64,
    /// What they are known by.
    pub ids: Vec<u64>,
    /// Everything before this is read now.
    pub done: Option<i64>,
    /// Pieces of time before this are not read again.
    pub keep: i64,
}

/// How far the endpoints of one source were pulled.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Cursor {
    /// By their names.
    pub endpoints: BTreeMap<String, Reach>,
}

impl Cursor {
    /// Moves on.
    pub fn apply(&mut self, step: &Step) {
        let new = || Reach::new(&step.width, Timestamp(step.first));
        self.endpoints.entry(step.endpoint.clone()).or_insert_with(new).apply(step);
    }
}

/// Those of all sources, by their names, with the number of the last entry of the spool that they know of.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Cursors {
    /// The number.
    pub number: u64,
    /// The cursors.
    pub sources: BTreeMap<String, Cursor>,
}

impl Cursors {
    /// Moves on by what an entry of the spool holds; what is known already changes nothing.
    pub fn apply(&mut self, number: u64, source: &str, steps: &[Step]) {
        if number <= self.number {
            return;
        }
        self.number = number;
        if steps.is_empty() {
            return;
        }
        let cursor = self.sources.entry(source.to_owned()).or_default();
        for step in steps {
            cursor.apply(step);
        }
    }
}

/// The step at the end of a window.
pub(super) fn end_of(endpoint: &str, reach: &Reach, times: &Times, to: Timestamp) -> Step {
    let done = to.max(Timestamp(reach.done));
    Step {
        endpoint: endpoint.to_owned(),
        width: reach.width.clone(),
        first: reach.first,
        chunk: 0,
        ids: Vec::new(),
        done: Some(done.0),
        keep: times.chunk(times.floor(done.minus(times.overlap))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(chunk: i64, ids: &[u64], done: Option<i64>, keep: i64) -> Step {
        let (endpoint, width) = ("e".to_owned(), "1m".to_owned());
        Step { endpoint, width, first: 5, chunk, ids: ids.to_vec(), done, keep }
    }

    #[test]
    fn what_is_not_read_again_is_forgotten() {
        let mut cursor = Cursor::default();
        cursor.apply(&step(10, &[1, 2], None, 0));
        cursor.apply(&step(20, &[3], Some(25), 20));
        let reach = &cursor.endpoints["e"];
        assert_eq!((reach.first, reach.done, reach.has(1), reach.has(3)), (5, 25, false, true));
        cursor.apply(&step(20, &[], Some(9), 20));
        assert_eq!(cursor.endpoints["e"].done, 25, "it never goes back");
        assert_eq!(cursor.endpoints["e"].clone().in_width("1m").first, 5);
        let other = cursor.endpoints["e"].clone().in_width("1h");
        assert_eq!((other.first, other.done, other.has(3)), (25, 25, false));
    }

    #[test]
    fn an_entry_counts_once() {
        let mut cursors = Cursors::default();
        cursors.apply(3, "s", &[step(10, &[1], Some(12), 10)]);
        let known = cursors.clone();
        cursors.apply(3, "s", &[step(10, &[9], Some(99), 10)]);
        cursors.apply(2, "s", &[step(10, &[9], Some(99), 10)]);
        assert_eq!(cursors, known);
    }
}

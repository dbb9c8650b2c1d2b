//! Requests of which it is known who asked, and not yet what they took.

use super::act::Act;
use std::collections::{BTreeMap, VecDeque};

/// Requests that wait, at most: as many as come within the time that halves may be apart.
const HALVES_MAX: usize = 50_000;

/// By the hash of their identifiers, each with whose it was taken for.
#[derive(Default)]
pub(super) struct Halves {
    by_request: BTreeMap<u64, (u32, Act)>,
    order: VecDeque<u64>,
}

impl Halves {
    /// Adds one; gives back the oldest where there are too many.
    pub fn insert(&mut self, request: u64, half: (u32, Act)) -> Option<(u32, Act)> {
        let before = self.by_request.insert(request, half);
        if before.is_some() {
            return before;
        }
        self.order.push_back(request);
        if self.order.len() > HALVES_MAX { self.pop() } else { None }
    }

    /// The one of this request.
    pub fn remove(&mut self, request: u64) -> Option<(u32, Act)> {
        self.by_request.remove(&request)
    }

    /// The oldest.
    pub fn pop(&mut self) -> Option<(u32, Act)> {
        while let Some(request) = self.order.pop_front() {
            if let Some(half) = self.by_request.remove(&request) {
                return Some(half);
            }
        }
        None
    }
}

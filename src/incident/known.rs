//! Small sets of what is usual: bounded, the one not seen for longest gives way.

use crate::heap;
use serde::{Deserialize, Serialize};

/// Values with when each was seen last, in seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Known<K> {
    /// By value.
    entries: Vec<(K, i64)>,
}

impl<K> Default for Known<K> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<K: Ord + Copy> Known<K> {
    /// Whether the value is in it.
    pub fn has(&self, value: K) -> bool {
        self.entries.binary_search_by_key(&value, |entry| entry.0).is_ok()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Notes that the value was seen; true where it is new.
    pub fn see(&mut self, value: K, at: i64, max: usize) -> bool {
        match self.entries.binary_search_by_key(&value, |entry| entry.0) {
            Ok(place) => {
                let seen = &mut self.entries[place].1;
                *seen = at.max(*seen);
                false
            }
            Err(place) => {
                self.entries.insert(place, (value, at));
                if self.entries.len() > max {
                    let oldest = (0..self.entries.len()).min_by_key(|&place| self.entries[place].1);
                    self.entries.remove(oldest.unwrap_or(0));
                }
                true
            }
        }
    }

    /// Memory besides its own, in bytes.
    pub fn heap_bytes(&self) -> usize {
        heap::vector::<(K, i64)>(self.entries.capacity())
    }

    /// The values.
    pub fn values(&self) -> impl Iterator<Item = K> {
        self.entries.iter().map(|entry| entry.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_not_seen_for_longest_gives_way() {
        let mut known = Known::default();
        for (value, at) in [(5, 1), (3, 2), (5, 3), (9, 4)] {
            known.see(value, at, 2);
        }
        assert_eq!(known.values().collect::<Vec<_>>(), [5, 9]);
        assert!(known.has(5) && !known.has(3) && known.len() == 2);
    }
}

//! The last uses of a key, minute by minute: a revocation may be heard of some minutes after it was made, and whoever used
//! the key since then has to be told of all the same.

use crate::address::Address;
use crate::heap;
use crate::time::{MINUTE, Timestamp};
use serde::{Deserialize, Serialize};

/// Minutes that are remembered: those with use, so that a quiet key is remembered for as long as it takes.
const MINUTES_MAX: usize = 6;

/// How many minutes before the latest of them: of a key that is used once a day, no more than that day's.
const KEPT: i64 = 12 * 60;

/// A minute of use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Minute {
    /// The first use in it.
    pub first: Timestamp,
    /// How often it was served, and refused.
    pub served: u32,
    /// How often it was refused.
    pub refused: u32,
    /// From where; of several the first by their bytes.
    pub address: Option<Address>,
}

/// The number of a minute since 1970.
fn number(at: Timestamp) -> i64 {
    at.0.div_euclid(MINUTE)
}

/// The latest minutes with use, in order. What is kept does not depend on the order of arrival.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Recent(Vec<Minute>);

impl Recent {
    /// Notes a use; true where that takes memory.
    #[inline]
    pub fn note(&mut self, at: Timestamp, status: u16, count: u32, address: Option<Address>) -> bool {
        match self.0.last_mut() {
            Some(latest) if latest.number() == number(at) => {
                latest.add(at, status, count, address);
                false
            }
            _ => self.insert(Minute { first: at, served: 0, refused: 0, address: None }, |minute| {
                minute.add(at, status, count, address);
            }),
        }
    }

    #[cold]
    fn insert(&mut self, new: Minute, add: impl FnOnce(&mut Minute)) -> bool {
        let before = self.0.capacity();
        let from = self.0.last().map_or(i64::MIN, Minute::number).max(new.number()) - KEPT;
        self.0.retain(|minute| minute.number() >= from);
        if new.number() < from {
            return false;
        }
        let place = match self.0.binary_search_by_key(&new.number(), Minute::number) {
            Ok(place) => place,
            Err(0) if self.0.len() >= MINUTES_MAX => return false,
            Err(place) if self.0.len() >= MINUTES_MAX => {
                self.0.remove(0);
                self.0.insert(place - 1, new);
                place - 1
            }
            Err(place) => {
                if self.0.len() == before {
                    self.0.reserve_exact(if before == 0 { 1 } else { MINUTES_MAX - before });
                }
                self.0.insert(place, new);
                place
            }
        };
        if let Some(minute) = self.0.get_mut(place) {
            add(minute);
        }
        self.0.capacity() != before
    }

    /// The minutes of which every use was after an instant, the earliest first.
    pub fn since(&self, instant: Timestamp) -> impl Iterator<Item = Minute> {
        self.0.iter().filter(move |minute| minute.first > instant).copied()
    }

    /// Memory on the heap, in bytes.
    pub fn heap_bytes(&self) -> usize {
        heap::vector::<Minute>(self.0.capacity())
    }
}

impl Minute {
    fn number(&self) -> i64 {
        number(self.first)
    }

    #[inline]
    fn add(&mut self, at: Timestamp, status: u16, count: u32, address: Option<Address>) {
        self.first = self.first.min(at);
        let seen = if status < 400 { &mut self.served } else { &mut self.refused };
        *seen = seen.saturating_add(count);
        if address != self.address {
            self.address = self.address.into_iter().chain(address).min();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SECOND;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn order_does_not_matter(
            mut seconds in prop::collection::vec(prop_oneof![0_i64..1200, 43_000_i64..45_000], 0..60),
            after in 0_i64..1200,
        ) {
            let noted = |seconds: &[i64]| {
                let mut recent = Recent::default();
                for second in seconds {
                    let status = if second % 3 == 0 { 401 } else { 200 };
                    recent.note(Timestamp(second * SECOND), status, 1, None);
                }
                recent
            };
            let one = noted(&seconds);
            seconds.reverse();
            prop_assert_eq!(&one, &noted(&seconds));
            prop_assert!(one.0.len() <= MINUTES_MAX);
            let found: u32 = one.since(Timestamp(after * SECOND)).map(|m| m.served + m.refused).sum();
            let all = seconds.iter().filter(|second| **second > after).count();
            prop_assert!(found as usize <= all, "no use before counts as one after");
        }
    }
}

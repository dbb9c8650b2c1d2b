//! The last uses of a key, minute by minute: a revocation may be heard of some minutes after it was made, and whoever used
//! the key since then has to be told of all the same.

use crate::address::Address;
use crate::heap;
use crate::time::{MINUTE, Timestamp};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::VecDeque;

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
#[inline(always)]
fn number(at: Timestamp) -> i64 {
    at.0.div_euclid(MINUTE)
}

/// The latest minutes with use, in order. What is kept does not depend on the order of arrival.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Recent {
    latest: Option<Minute>,
    /// Those before it, as soon as there are any: of a key that is used once a day there are none.
    #[allow(clippy::box_collection, reason = "an empty one takes four times as much, in every key")]
    earlier: Option<Box<VecDeque<Minute>>>,
}

impl Recent {
    /// Notes a use; true where that takes memory, or gives some back.
    #[inline]
    pub fn note(&mut self, at: Timestamp, status: u16, count: u32, address: Option<Address>) -> bool {
        let mut new = Minute { first: at, served: 0, refused: 0, address: None };
        new.add(at, status, count, address);
        let Some(latest) = &mut self.latest else {
            self.latest = Some(new);
            return false;
        };
        match latest.number().cmp(&new.number()) {
            Ordering::Equal => {
                latest.join(new);
                false
            }
            Ordering::Less => {
                let before = std::mem::replace(latest, new);
                !self.push(before) && self.keep(before)
            }
            Ordering::Greater => self.keep(new),
        }
    }

    /// Puts a minute behind the earlier ones, if that is all there is to do and takes no memory.
    #[inline]
    fn push(&mut self, minute: Minute) -> bool {
        let (Some(latest), Some(earlier)) = (&self.latest, &mut self.earlier) else { return false };
        let from = Timestamp((latest.number() - KEPT).saturating_mul(MINUTE));
        let (Some(first), Some(last)) = (earlier.front(), earlier.back()) else { return false };
        if first.first < from || last.number() >= minute.number() || earlier.len() == earlier.capacity() {
            return false;
        }
        if earlier.len() + 1 >= MINUTES_MAX {
            earlier.pop_front();
        }
        earlier.push_back(minute);
        true
    }

    /// Puts a minute among the earlier ones, as long as it is not too old, and lets go those that are.
    #[cold]
    fn keep(&mut self, minute: Minute) -> bool {
        let from = self.latest.as_ref().map_or(i64::MIN, Minute::number) - KEPT;
        let bytes = self.heap_bytes();
        let mut earlier = self.earlier.take().unwrap_or_default();
        earlier.retain(|known| known.number() >= from);
        if minute.number() >= from {
            match earlier.binary_search_by_key(&minute.number(), Minute::number) {
                Ok(place) => earlier[place].join(minute),
                Err(place) => {
                    if earlier.capacity() == 0 {
                        earlier.reserve_exact(MINUTES_MAX);
                    }
                    earlier.insert(place, minute);
                    if earlier.len() >= MINUTES_MAX {
                        earlier.pop_front();
                    }
                }
            }
        }
        self.earlier = Some(earlier).filter(|earlier| !earlier.is_empty());
        self.heap_bytes() != bytes
    }

    fn minutes(&self) -> impl Iterator<Item = Minute> {
        self.earlier.iter().flat_map(|earlier| earlier.iter()).chain(&self.latest).copied()
    }

    /// The minutes of which every use was after an instant, the earliest first.
    pub fn since(&self, instant: Timestamp) -> impl Iterator<Item = Minute> {
        self.minutes().filter(move |minute| minute.first > instant)
    }

    /// Memory on the heap, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.earlier.as_ref().map_or(0, |earlier| {
            heap::vector::<VecDeque<Minute>>(1) + heap::vector::<Minute>(earlier.capacity())
        })
    }
}

impl Minute {
    #[inline(always)]
    fn number(&self) -> i64 {
        number(self.first)
    }

    #[inline]
    fn add(&mut self, at: Timestamp, status: u16, count: u32, address: Option<Address>) {
        self.first = self.first.min(at);
        let seen = if status < 400 { &mut self.served } else { &mut self.refused };
        *seen = seen.saturating_add(count);
        self.come_from(address);
    }

    /// Takes over what another telling of the same minute says.
    #[inline]
    fn join(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.served = self.served.saturating_add(other.served);
        self.refused = self.refused.saturating_add(other.refused);
        self.come_from(other.address);
    }

    #[inline]
    fn come_from(&mut self, address: Option<Address>) {
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
            prop_assert!(one.minutes().count() <= MINUTES_MAX);
            let found: u32 = one.since(Timestamp(after * SECOND)).map(|m| m.served + m.refused).sum();
            let all = seconds.iter().filter(|second| **second > after).count();
            prop_assert!(found as usize <= all, "no use before counts as one after");
        }
    }
}

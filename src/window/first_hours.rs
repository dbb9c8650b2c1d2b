//! What a key does in its first days, hour by hour: from where it is used, and which models refuse it. Kept of keys that
//! have no baseline.

use super::AddressSample;
use crate::address::Address;
use crate::heap;
use crate::networks::Networks;
use crate::record::{Batch, UsageRecord};
use crate::time::{SECOND, Timestamp};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Networks, blocks of addresses, models and addresses that are kept of an hour: more say nothing more.
const NETWORKS_MAX: usize = 8;
const BLOCKS_MAX: usize = 16;
const MODELS_MAX: usize = 8;
const ADDRESSES_MAX: usize = 32;
/// Hours of the longest day.
const HOURS_MAX: u8 = 29;

/// The hours of a day, and from where the key was used on it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FirstHours {
    /// In order.
    pub hours: Vec<FirstHour>,
    /// Some of the addresses.
    pub addresses: AddressSample,
    /// How often something was noted of an hour, since this was made or read.
    #[serde(skip)]
    noted: u32,
}

/// One of them. Of each list the smallest are kept, so that it does not matter in which order they came.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FirstHour {
    /// Which it is.
    pub hour: u8,
    /// Whether the list of models was asked for.
    pub lists: bool,
    /// Numbers of networks.
    pub networks: Vec<u32>,
    /// Blocks of addresses: the leading 16 bits of IPv4, and 32 of IPv6.
    pub blocks: Vec<u32>,
    /// Models that refused to serve, by their fingerprints.
    pub refused: Vec<u64>,
    /// Addresses, of which it is known whose they are.
    addresses: Vec<u32>,
}

impl FirstHours {
    /// Takes a record of a day that begins at `start`; true where that takes memory.
    pub fn take(
        &mut self,
        start: Timestamp,
        record: &UsageRecord,
        batch: &Batch,
        networks: &Networks,
    ) -> bool {
        let endpoint = batch.bytes_of(record.endpoint);
        let lists = endpoint.ends_with(b"models") || endpoint.starts_with(b"List");
        let refused = !record.model.name.is_none() && is_refusal(record);
        if record.address.is_none() && !lists && !refused {
            return false;
        }
        let (hour, grown) = self.of(start, record.time.at);
        let mut kept = Kept { is_news: lists && !hour.lists, grown };
        hour.lists |= lists;
        if refused {
            kept = kept.and(keep(&mut hour.refused, record.model.id, MODELS_MAX));
        }
        if let Some(address) = record.address {
            if address.ip().is_some() {
                kept = kept.and(hour.come_from(address, networks));
            }
            kept.grown |= self.addresses.insert(address);
        }
        self.noted += u32::from(kept.is_news);
        kept.grown
    }

    /// Rises with everything that is noted of an hour.
    pub const fn noted(&self) -> u32 {
        self.noted
    }

    fn of(&mut self, start: Timestamp, at: Timestamp) -> (&mut FirstHour, bool) {
        let number = (at.0.saturating_sub(start.0) / (3600 * SECOND)).clamp(0, HOURS_MAX.into());
        let hour = u8::try_from(number).unwrap_or(HOURS_MAX);
        let (place, grown) = match self.hours.binary_search_by_key(&hour, |known| known.hour) {
            Ok(place) => (place, false),
            Err(place) => {
                self.hours.reserve_exact(1);
                self.hours.insert(place, FirstHour { hour, ..FirstHour::default() });
                (place, true)
            }
        };
        (&mut self.hours[place], grown)
    }

    /// Memory on the heap, its own place included, in bytes.
    pub fn bytes(&self) -> usize {
        heap::vector::<Self>(1)
            + heap::vector::<FirstHour>(self.hours.capacity())
            + self.addresses.heap_bytes()
            + self.hours.iter().map(FirstHour::heap_bytes).sum::<usize>()
    }
}

impl FirstHour {
    fn come_from(&mut self, address: Address, networks: &Networks) -> Kept {
        #[allow(clippy::cast_possible_truncation, reason = "a hash")]
        let mark = address.spread() as u32;
        if self.addresses.binary_search(&mark).is_ok() {
            return Kept::default();
        }
        let mut kept = Kept { is_news: false, ..keep(&mut self.addresses, mark, ADDRESSES_MAX) };
        let asn = networks.find(address).asn;
        if asn != 0 {
            kept = kept.and(keep(&mut self.networks, asn, NETWORKS_MAX));
        }
        block(address).map_or(kept, |block| kept.and(keep(&mut self.blocks, block, BLOCKS_MAX)))
    }

    fn heap_bytes(&self) -> usize {
        let numbers = [&self.networks, &self.blocks, &self.addresses];
        numbers.into_iter().map(|list| heap::vector::<u32>(list.capacity())).sum::<usize>()
            + heap::vector::<u64>(self.refused.capacity())
    }
}

/// What became of a number.
#[derive(Clone, Copy, Default)]
struct Kept {
    /// It was not there before.
    is_news: bool,
    /// It took memory.
    grown: bool,
}

impl Kept {
    fn and(self, other: Self) -> Self {
        Self { is_news: self.is_news | other.is_news, grown: self.grown | other.grown }
    }
}

/// Adds a number to a list of the smallest.
fn keep<T: Ord + Copy>(list: &mut Vec<T>, value: T, max: usize) -> Kept {
    let Err(place) = list.binary_search(&value) else { return Kept::default() };
    if place >= max {
        return Kept::default();
    }
    if list.len() == max {
        list.pop();
    }
    let before = list.capacity();
    if list.len() == before {
        list.reserve_exact(2);
    }
    list.insert(place, value);
    Kept { is_news: true, grown: list.capacity() != before }
}

/// Whether a request was refused for what it asked or who asked, and nothing came of it; not because there were too many.
fn is_refusal(record: &UsageRecord) -> bool {
    matches!(record.status, 400 | 401 | 403 | 404) && record.tokens.output.or_zero() == 0
}

/// The block of an address that others can have, too: not of those that are nobody's on the internet.
fn block(address: Address) -> Option<u32> {
    match address.ip()? {
        IpAddr::V4(v4) if v4.is_private() || v4.is_loopback() || v4.is_link_local() => None,
        IpAddr::V4(v4) => Some(u32::from(v4) >> 16),
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            // Unique local addresses, and those of one link.
            let is_local = first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80 || v6.is_loopback();
            (!is_local).then_some(u32::from(first) << 16 | u32::from(second))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_smallest_are_kept_in_any_order(mut numbers in prop::collection::vec(0_u32..40, 0..60)) {
            let kept = |numbers: &[u32]| {
                let mut list = Vec::new();
                for number in numbers {
                    keep(&mut list, *number, 8);
                }
                list
            };
            let one = kept(&numbers);
            numbers.reverse();
            prop_assert_eq!(&one, &kept(&numbers));
            numbers.sort_unstable();
            numbers.dedup();
            numbers.truncate(8);
            prop_assert_eq!(one, numbers);
        }
    }

    #[test]
    fn blocks_are_those_of_the_internet() {
        let block = |text: &str| block(Address::from(text.parse::<IpAddr>().unwrap()));
        assert_eq!(block("203.0.113.7"), Some(0xcb00));
        assert_eq!(block("203.0.114.9"), Some(0xcb00));
        assert_eq!(block("2001:db8:1::1"), Some(0x2001_0db8));
        for nobodys in ["10.1.2.3", "192.168.0.1", "127.0.0.1", "169.254.0.1", "fd00::1", "fe80::1", "::1"] {
            assert_eq!(block(nobodys), None, "{nobodys}");
        }
    }
}

//! What a key does in its first days, hour by hour: from where it is used, and which models refuse it. Kept of keys that
//! have no baseline.

use super::AddressSample;
use crate::address::Address;
use crate::heap;
use crate::networks::Networks;
use crate::record::{Batch, UsageRecord};
use crate::time::{SECOND, Timestamp};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::net::IpAddr;

/// Networks, blocks of addresses, models and addresses that are kept of an hour: more say nothing more.
const fn kept_most(what: What) -> usize {
    match what {
        What::Lists => 1,
        What::Network | What::Model => 8,
        What::Block => 16,
        What::Address => 32,
    }
}
/// Hours of the longest day.
const HOURS_MAX: u8 = 29;
/// Room that is added at once at least.
const GROWTH_MIN: usize = 6;

/// The hours of a day, and from where the key was used on it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FirstHours {
    /// In order, and so by hour. Of each kind the smallest of an hour are kept, so that it does not matter in which order
    /// they came.
    notes: Vec<Note>,
    /// Some of the addresses.
    pub addresses: AddressSample,
    /// How often something was noted of an hour, since this was made or read.
    #[serde(skip)]
    noted: u32,
}

/// What is noted of an hour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    /// That the list of models was asked for.
    Lists,
    /// The number of a network.
    Network,
    /// A block of addresses: the leading 16 bits of IPv4, and 32 of IPv6.
    Block,
    /// A model that refused to serve, by its fingerprint.
    Model,
    /// An address, of which it is known whose it is.
    Address,
}

/// One thing that was noted of an hour, in one word: many keys are new, and most of them are used in every hour.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
struct Note(u64);

impl Note {
    /// Bits of a value, of which the leading ones are kept.
    const VALUE: u32 = 56;

    /// `value` is a number of 32 bits, or the leading bits of a hash.
    const fn of(hour: u8, what: What, value: u64) -> Self {
        Self((hour as u64) << 59 | (what as u64) << Self::VALUE | value & ((1 << Self::VALUE) - 1))
    }

    /// The first and the last that there may be of a kind in an hour.
    const fn range(hour: u8, what: What) -> [Self; 2] {
        [Self::of(hour, what, 0), Self::of(hour, what, u64::MAX)]
    }

    #[allow(clippy::cast_possible_truncation, reason = "five bits")]
    const fn hour(self) -> u8 {
        (self.0 >> 59) as u8
    }

    #[allow(clippy::cast_possible_truncation, reason = "the number of a network has 32 bits")]
    const fn number(self) -> u32 {
        self.0 as u32
    }
}

/// An hour of a day.
#[derive(Clone, Copy, Debug)]
pub struct FirstHour<'a> {
    /// Which it is.
    pub hour: u8,
    notes: &'a [Note],
}

impl<'a> FirstHour<'a> {
    /// Whether the list of models was asked for.
    pub fn lists(&self) -> bool {
        !self.of(What::Lists).is_empty()
    }

    /// Numbers of networks, the smallest first.
    pub fn networks(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.of(What::Network).iter().map(|note| note.number())
    }

    /// How many networks.
    pub fn network_count(&self) -> usize {
        self.of(What::Network).len()
    }

    /// How many blocks of addresses.
    pub fn block_count(&self) -> usize {
        self.of(What::Block).len()
    }

    /// How many models refused to serve.
    pub fn refused_count(&self) -> usize {
        self.of(What::Model).len()
    }

    fn of(&self, what: What) -> &'a [Note] {
        let [first, last] = Note::range(self.hour, what);
        let from = self.notes.partition_point(|note| *note < first);
        let rest = self.notes.get(from..).unwrap_or_default();
        rest.get(..rest.partition_point(|note| *note <= last)).unwrap_or_default()
    }
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
        let number = (record.time.at.0.saturating_sub(start.0) / (3600 * SECOND)).clamp(0, HOURS_MAX.into());
        let hour = u8::try_from(number).unwrap_or(HOURS_MAX);
        let capacity = self.notes.capacity();
        let mut is_news = false;
        if lists {
            is_news |= self.keep(hour, What::Lists, 0);
        }
        if refused {
            is_news |= self.keep(hour, What::Model, record.model.id >> 8);
        }
        let mut grown = false;
        if let Some(address) = record.address {
            is_news |= address.ip().is_some() && self.come_from(hour, address, networks);
            grown = self.addresses.insert(address);
        }
        self.noted += u32::from(is_news);
        grown || self.notes.capacity() != capacity
    }

    /// Rises with everything that is noted of an hour.
    pub const fn noted(&self) -> u32 {
        self.noted
    }

    /// The hours of which something was noted, in order.
    pub fn hours(&self) -> impl DoubleEndedIterator<Item = FirstHour<'_>> {
        self.notes
            .chunk_by(|one, other| one.hour() == other.hour())
            .filter_map(|notes| Some(FirstHour { hour: notes.first()?.hour(), notes }))
    }

    /// The hour that has most of something; of several the first.
    pub fn fullest<'a>(&'a self, of: fn(&FirstHour<'a>) -> usize) -> Option<FirstHour<'a>> {
        self.hours().max_by_key(|hour| (of(hour), Reverse(hour.hour)))
    }

    /// Notes where an address is; true where that is news.
    fn come_from(&mut self, hour: u8, address: Address, networks: &Networks) -> bool {
        let mark = address.spread() >> 8;
        if self.notes.binary_search(&Note::of(hour, What::Address, mark)).is_ok() {
            return false;
        }
        self.keep(hour, What::Address, mark);
        let asn = networks.find(address).asn;
        let is_news = asn != 0 && self.keep(hour, What::Network, asn.into());
        let block = block(address).map(u64::from);
        block.is_some_and(|block| self.keep(hour, What::Block, block)) || is_news
    }

    /// Notes one of the smallest of its kind; true where it was not known.
    fn keep(&mut self, hour: u8, what: What, value: u64) -> bool {
        let note = Note::of(hour, what, value);
        let Err(place) = self.notes.binary_search(&note) else { return false };
        let [first, last] = Note::range(hour, what);
        let (before, behind) = self.notes.split_at(place);
        let smaller = before.len() - before.partition_point(|note| *note < first);
        let larger = behind.partition_point(|note| *note <= last);
        if smaller >= kept_most(what) {
            return false;
        }
        if smaller + larger == kept_most(what) {
            self.notes.remove(place + larger - 1);
        } else if self.notes.len() == self.notes.capacity() {
            self.notes.reserve_exact(GROWTH_MIN.max(self.notes.len() / 2));
        }
        self.notes.insert(place, note);
        true
    }

    /// Memory on the heap, its own place included, in bytes.
    pub fn bytes(&self) -> usize {
        heap::vector::<Self>(1) + heap::vector::<Note>(self.notes.capacity()) + self.addresses.heap_bytes()
    }
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
                let mut hours = FirstHours::default();
                for number in numbers {
                    // Other kinds and other hours stand beside them.
                    hours.keep(6, What::Network, u64::from(number / 3));
                    hours.keep(7, What::Network, u64::from(*number));
                    hours.keep(7, What::Block, u64::from(number / 2));
                    hours.keep(8, What::Model, u64::from(*number));
                }
                let of_seven = hours.hours().find(|hour| hour.hour == 7);
                of_seven.map_or_else(Vec::new, |hour| hour.networks().collect::<Vec<_>>())
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

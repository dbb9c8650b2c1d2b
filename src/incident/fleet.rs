//! What is usual among all keys.
//!
//! Shards, and processes, tell each other from time to time what their keys have added, and judge by what was known then:
//! so it does not matter who owns which key. All that is added are counts, so the order in which it is does not matter.

use super::budget::Tally;
use super::habits::Everybody;
use super::identity::{Identity, Place};
use super::novelty::Fellows;
use super::owner::seconds;
use super::shape::Shape;
use crate::address::Address;
use crate::key::KeyId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most networks and clients of which the keys are counted, and addresses that are remembered.
const NETWORKS_MAX: usize = 20_000;
const CLIENTS_MAX: usize = 5_000;
const STRANGERS_MAX: usize = 20_000;
/// How long an address is remembered that was new to some key, in seconds.
const STRANGER_SECONDS: i64 = 7 * 86_400;

/// All keys together, or what some of them have added.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fleet {
    /// Keys born on access lines, and on servers.
    pub fellows: [Fellows; 2],
    /// Sizes of all trusted requests.
    pub shape: Shape,
    /// Sizes of all requests, in doublings.
    pub sizes: Everybody,
    /// Mean sizes of the sums of all keys of which nothing else is told.
    pub mean_sizes: Everybody,
    /// How often newcomers and days that are no theft look like one.
    pub tally: Tally,
    keys: u32,
    networks: BTreeMap<u32, u32>,
    /// Networks that one key uses alone, and uses of networks by keys in all, when they were last counted.
    #[serde(skip)]
    lone: [u32; 2],
    clients: BTreeMap<u64, u32>,
    strangers: BTreeMap<Address, Stranger>,
}

/// An address that was new to a key.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Stranger {
    /// The first of these keys, by name.
    key: KeyId,
    /// Whether there are others.
    is_shared: bool,
    /// When it was there last, in seconds.
    last: i64,
    /// The first theft that it was part of.
    theft: Option<Theft>,
}

/// A theft that was told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Theft {
    /// When, in nanoseconds.
    pub told: i64,
    /// What it is named by.
    pub by: Address,
}

impl Stranger {
    fn add(&mut self, other: &Self) {
        self.is_shared |= other.is_shared || other.key != self.key;
        self.key = self.key.min(other.key);
        self.last = self.last.max(other.last);
        self.theft = self.theft.into_iter().chain(other.theft).min();
    }
}

impl Fleet {
    /// A key is used for the first time.
    pub fn add_key(&mut self) {
        self.keys += 1;
    }

    /// How many keys there are.
    pub const fn keys(&self) -> u32 {
        self.keys
    }

    /// A key has a network or a client that it had not.
    pub fn add(&mut self, identity: &Identity, is_new: [bool; 2]) {
        if let (true, Some(place)) = (is_new[0], &identity.place) {
            count(&mut self.networks, place.network, 1, NETWORKS_MAX);
        }
        if is_new[1] {
            count(&mut self.clients, identity.client, 1, CLIENTS_MAX);
        }
    }

    /// Notes that an address is new to a key, and of which theft it is part, if it is of any.
    pub fn meet(&mut self, address: Address, key: KeyId, at: i64, theft: Option<Theft>) {
        let stranger = Stranger { key, is_shared: false, last: at, theft };
        let is_full = self.strangers.len() >= STRANGERS_MAX;
        match self.strangers.get_mut(&address) {
            Some(known) => known.add(&stranger),
            None if is_full => {}
            None => _ = self.strangers.insert(address, stranger),
        }
    }

    /// Whether an address is new to a key besides this one.
    pub fn is_met_elsewhere(&self, address: Address, key: KeyId, at: i64) -> bool {
        self.strangers
            .get(&address)
            .is_some_and(|known| (known.is_shared || known.key != key) && at - known.last <= STRANGER_SECONDS)
    }

    /// What the first theft is named by that any of these addresses was part of.
    pub fn theft_of(&self, mut addresses: impl Iterator<Item = Address>, at: i64) -> Option<Address> {
        let known = addresses.by_ref().filter_map(|address| self.strangers.get(&address));
        let recent = known.filter(|known| at - known.last <= STRANGER_SECONDS);
        recent.filter_map(|known| known.theft).min().map(|theft| theft.by)
    }

    /// The part of the keys that use this network.
    pub fn network_share(&self, place: &Place) -> f64 {
        self.share(self.networks.get(&place.network).copied())
    }

    /// How likely it was that none uses this network, by chance; 1 where one does, or nobody knows.
    ///
    /// Of an owner's new network it is about as likely as that a use of one, of all that keys have, is the only one of
    /// its network (the estimate of what is unseen by Good, 1953, and Turing): likely in a small fleet, and in one of
    /// people at home.
    pub fn chance_of_unused(&self, place: &Place) -> f64 {
        let [lone, uses] = self.lone.map(f64::from);
        if self.networks.len() >= NETWORKS_MAX || self.networks.contains_key(&place.network) {
            return 1.0;
        }
        (lone + 1.0) / (uses + 1.0).max(lone + 1.0)
    }

    /// The part of the keys that use this client.
    pub fn client_share(&self, client: u64) -> f64 {
        self.share(self.clients.get(&client).copied())
    }

    fn share(&self, keys: Option<u32>) -> f64 {
        (f64::from(keys.unwrap_or(0)) + 0.5) / (f64::from(self.keys) + 1.0)
    }

    /// Adds what other keys have added.
    pub fn add_all(&mut self, news: &Self) {
        for (sum, fellows) in self.fellows.iter_mut().zip(&news.fellows) {
            sum.add_all(fellows);
        }
        self.shape.add_all(&news.shape);
        self.sizes.add_all(&news.sizes);
        self.mean_sizes.add_all(&news.mean_sizes);
        self.tally.add_all(&news.tally);
        self.keys = self.keys.saturating_add(news.keys);
        for (network, keys) in &news.networks {
            count(&mut self.networks, *network, *keys, NETWORKS_MAX);
        }
        for (client, keys) in &news.clients {
            count(&mut self.clients, *client, *keys, CLIENTS_MAX);
        }
        for (address, stranger) in &news.strangers {
            self.strangers.entry(*address).and_modify(|known| known.add(stranger)).or_insert(*stranger);
        }
    }

    /// Whether there is any use of a network.
    pub fn has_networks(&self) -> bool {
        !self.networks.is_empty()
    }

    /// Counts what [`Fleet::chance_of_unused`] is taken from; of what is judged by, not of what is added to it.
    pub fn count_lone(&mut self) {
        let lone = self.networks.values().filter(|keys| **keys == 1).count();
        let uses = self.networks.values().fold(0_u32, |sum, keys| sum.saturating_add(*keys));
        self.lone = [u32::try_from(lone).unwrap_or(u32::MAX), uses];
    }

    /// What has been added since it was `before`.
    #[cfg(feature = "kafka")]
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut news = self.clone();
        for (of_news, of_before) in news.fellows.iter_mut().zip(&before.fellows) {
            of_news.subtract(of_before);
        }
        news.shape.subtract(&before.shape);
        news.sizes.subtract(&before.sizes);
        news.mean_sizes.subtract(&before.mean_sizes);
        news.tally.subtract(&before.tally);
        news.keys = self.keys.saturating_sub(before.keys);
        subtract(&mut news.networks, &before.networks);
        subtract(&mut news.clients, &before.clients);
        news.strangers.retain(|address, stranger| before.strangers.get(address) != Some(stranger));
        news
    }

    /// Forgets addresses that have not been there for long, and the oldest where there are too many.
    pub fn forget(&mut self, now: Timestamp) {
        self.tally.forget();
        let now = seconds(now);
        self.strangers.retain(|_, stranger| now - stranger.last <= STRANGER_SECONDS);
        if let Some(excess) = self.strangers.len().checked_sub(STRANGERS_MAX).filter(|excess| *excess > 0) {
            let mut oldest: Vec<_> =
                self.strangers.iter().map(|(address, known)| (known.last, *address)).collect();
            oldest.sort_unstable();
            for (_, address) in oldest.iter().take(excess) {
                self.strangers.remove(address);
            }
        }
    }
}

fn count<K: Ord>(counts: &mut BTreeMap<K, u32>, value: K, by: u32, max: usize) {
    let is_full = counts.len() >= max;
    match counts.get_mut(&value) {
        Some(count) => *count = count.saturating_add(by),
        None if is_full => {}
        None => _ = counts.insert(value, by),
    }
}

#[cfg(feature = "kafka")]
fn subtract<K: Ord>(counts: &mut BTreeMap<K, u32>, before: &BTreeMap<K, u32>) {
    counts.retain(|value, count| {
        *count = count.saturating_sub(before.get(value).copied().unwrap_or(0));
        *count > 0
    });
}

/// What is known of all keys, and what those of one owner add to it.
pub struct Around<'a> {
    /// As it was told last.
    pub known: &'a Fleet,
    /// Since then.
    pub news: &'a mut Fleet,
    /// Whose the record in hand was taken for.
    pub taken: &'a mut Taken,
}

/// Whose a record was taken for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Taken {
    /// The number of the consumer among those of its key: [`OWNER`], or what stands in the identifier of an incident.
    pub consumer: u32,
    /// What speaks against that consumer by now, in nats, where it was weighed.
    pub score: Option<f64>,
    /// The consumer is the owner's by now, with all that it did.
    pub is_adopted: bool,
}

/// The number of the owner among consumers.
pub const OWNER: u32 = 0;

impl Taken {
    /// The owner's.
    pub const OWN: Self = Self { consumer: OWNER, score: None, is_adopted: false };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> KeyId {
        KeyId([number; 16])
    }

    #[test]
    fn an_address_is_met_elsewhere_when_another_key_has_met_it_of_late() {
        let (address, mut one, mut other) = (Address::text("a"), Fleet::default(), Fleet::default());
        one.meet(address, key(1), 100, None);
        other.meet(address, key(2), 200, None);
        assert!(!one.is_met_elsewhere(address, key(1), 100) && one.is_met_elsewhere(address, key(2), 100));
        let mut all = one.clone();
        all.add_all(&other);
        other.add_all(&one);
        assert_eq!(all, other, "in any order");
        assert!(all.is_met_elsewhere(address, key(1), 300));
        assert!(!all.is_met_elsewhere(address, key(1), 300 + STRANGER_SECONDS));
        all.forget(Timestamp((201 + STRANGER_SECONDS) * crate::time::SECOND));
        assert_eq!(all, Fleet::default());
    }

    #[test]
    fn the_first_theft_that_was_told_names_what_comes_from_its_addresses() {
        let [a, b, c] = ["a", "b", "c"].map(Address::text);
        let theft = |told, by| Some(Theft { told, by });
        let (mut one, mut other) = (Fleet::default(), Fleet::default());
        one.meet(a, key(1), 100, None);
        one.meet(a, key(1), 100, theft(7, a));
        other.meet(b, key(2), 200, theft(5, b));
        other.meet(a, key(2), 200, theft(5, b));
        let mut all = one.clone();
        all.add_all(&other);
        other.add_all(&one);
        assert_eq!(all, other, "in any order");
        assert_eq!(one.theft_of([a].into_iter(), 300), Some(a));
        assert_eq!(all.theft_of([c, a].into_iter(), 300), Some(b), "what was told first");
        assert_eq!(all.theft_of([c].into_iter(), 300), None);
        assert_eq!(all.theft_of([a, b].into_iter(), 201 + STRANGER_SECONDS), None, "long ago");
    }

    #[cfg(feature = "kafka")]
    #[test]
    fn what_was_added_is_what_is_missing() {
        let mut before = Fleet::default();
        before.add_key();
        before.meet(Address::text("a"), key(1), 100, None);
        count(&mut before.networks, 7, 2, 10);
        let mut news = Fleet::default();
        news.add_key();
        news.meet(Address::text("b"), key(2), 100, None);
        news.shape.add(super::super::shape::Size::of(100, 10));
        count(&mut news.networks, 7, 1, 10);
        count(&mut news.networks, 8, 1, 10);
        let mut after = before.clone();
        after.add_all(&news);
        assert_eq!(after.since(&before), news);
    }

    #[test]
    fn of_too_many_addresses_the_oldest_are_forgotten() {
        let max = i64::try_from(STRANGERS_MAX).unwrap();
        let mut all = Fleet::default();
        for part in 0..2 {
            let mut news = Fleet::default();
            for number in 0..max {
                let at = part * max + number;
                news.meet(Address::text(&at.to_string()), key(1), at, None);
            }
            all.add_all(&news);
        }
        all.forget(Timestamp(0));
        assert_eq!(all.strangers.len(), STRANGERS_MAX);
        assert!(all.strangers.values().all(|known| known.last >= max));
    }
}

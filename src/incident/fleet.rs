//! What is usual among all keys.

use super::identity::{Identity, Place};
use super::novelty::Fellows;
use super::shape::Shape;
use crate::address::Address;
use crate::key::KeyId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Most networks and clients of which the keys are counted, and addresses that are remembered.
const NETWORKS_MAX: usize = 20_000;
const CLIENTS_MAX: usize = 5_000;
const STRANGERS_MAX: usize = 20_000;
/// How long an address is remembered that was new to some key, in seconds.
const STRANGER_SECONDS: i64 = 7 * 86_400;

/// All keys together.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Fleet {
    /// Keys born on access lines, and on servers.
    pub fellows: [Fellows; 2],
    /// Sizes of all trusted requests.
    pub shape: Shape,
    keys: u32,
    networks: BTreeMap<u32, u32>,
    clients: BTreeMap<u64, u32>,
    strangers: BTreeMap<Address, (KeyId, i64, bool)>,
    by_age: VecDeque<(i64, Address)>,
}

impl Fleet {
    /// A key is used for the first time.
    pub fn add_key(&mut self) {
        self.keys += 1;
    }

    /// A key has a network or a client that it had not.
    pub fn add(&mut self, identity: &Identity, is_new: [bool; 2]) {
        if let (true, Some(place)) = (is_new[0], &identity.place)
            && (self.networks.len() < NETWORKS_MAX || self.networks.contains_key(&place.network))
        {
            *self.networks.entry(place.network).or_default() += 1;
        }
        if is_new[1] && (self.clients.len() < CLIENTS_MAX || self.clients.contains_key(&identity.client)) {
            *self.clients.entry(identity.client).or_default() += 1;
        }
    }

    /// The part of the keys that use this network.
    pub fn network_share(&self, place: &Place) -> f64 {
        self.share(self.networks.get(&place.network).copied())
    }

    /// The part of the keys that use this client.
    pub fn client_share(&self, client: u64) -> f64 {
        self.share(self.clients.get(&client).copied())
    }

    fn share(&self, keys: Option<u32>) -> f64 {
        (f64::from(keys.unwrap_or(0)) + 0.5) / (f64::from(self.keys) + 1.0)
    }

    /// Notes an address that is new to a key; whether it is new to another one as well.
    pub fn meet(&mut self, address: Address, key: KeyId, at: i64) -> bool {
        while self.by_age.front().is_some_and(|(seen, _)| at - seen > STRANGER_SECONDS)
            || self.by_age.len() > STRANGERS_MAX
        {
            let Some((seen, address)) = self.by_age.pop_front() else { break };
            if self.strangers.get(&address).is_some_and(|(_, known, _)| *known == seen) {
                self.strangers.remove(&address);
            }
        }
        let known = self.strangers.entry(address).or_insert_with(|| {
            self.by_age.push_back((at, address));
            (key, at, false)
        });
        known.2 |= known.0 != key;
        known.2
    }
}

//! What other keys are used with.

use crate::address::Address;
use crate::record::{Batch, UsageRecord};
use crate::time::{DAY, Timestamp};
use hashbrown::HashMap;
use std::hash::Hash;

/// Addresses and clients that are told apart.
const ELSEWHERE_MAX: [usize; 2] = [300_000, 50_000];

/// Where else, and with what else, keys are used: whoever shares it with others is not to be blocked by it.
#[derive(Clone, Debug, Default)]
pub struct Elsewhere {
    addresses: HashMap<Address, Timestamp, ahash::RandomState>,
    clients: HashMap<Box<str>, Timestamp, ahash::RandomState>,
}

/// By so much before a thief somebody else came from his address who is not he.
const EARLIER: i64 = DAY;

impl Elsewhere {
    /// Takes a record of another key.
    pub(super) fn see(&mut self, record: &UsageRecord, batch: &Batch) {
        let at = record.time.at;
        if let Some(address) = record.address {
            note(&mut self.addresses, &address, at, ELSEWHERE_MAX[0]);
        }
        let client = batch.text(record.user_agent);
        if let Some(known) = self.clients.get_mut(client) {
            *known = at.min(*known);
        } else if !client.is_empty() && self.clients.len() < ELSEWHERE_MAX[1] {
            self.clients.insert(client.into(), at);
        }
    }

    /// Whether another key was used from there so long before that it was not the same thief; `None` where no other was.
    pub fn is_earlier(&self, address: Address, first: Timestamp) -> Option<bool> {
        self.addresses.get(&address).map(|known| *known < first.minus(EARLIER))
    }

    /// The same of a client.
    pub fn is_earlier_client(&self, client: &str, first: Timestamp) -> Option<bool> {
        self.clients.get(client).map(|known| *known < first.minus(EARLIER))
    }
}

fn note<K: Eq + Hash + Copy>(
    known: &mut HashMap<K, Timestamp, ahash::RandomState>,
    name: &K,
    at: Timestamp,
    max: usize,
) {
    if let Some(first) = known.get_mut(name) {
        *first = at.min(*first);
    } else if known.len() < max {
        known.insert(*name, at);
    }
}

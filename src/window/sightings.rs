//! What is a finding by itself, whatever is usual: kept for the few days that have any.

use super::AddressSample;
use crate::address::Address;
use crate::heap;
use crate::record::Action;
use crate::time::{Stamp, Timestamp};
use serde::{Deserialize, Serialize};

/// Entries of watch lists that are told of one key and day.
const LISTED_MAX: usize = 8;

/// What was seen of a key on one day.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sightings {
    /// Use of a key that is there to be found by thieves.
    pub canary: Tally,
    /// Use of the key after it was revoked, and when that was.
    pub revoked: Tally,
    /// When the key was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Entries of watch lists, with the use that they fit, in the order of their texts.
    pub listed: Vec<(Box<str>, Tally)>,
    /// What was done to the key or to the rules it is under, in the order of the actions.
    pub acts: Vec<(Action, Tally)>,
}

impl Sightings {
    /// The use that an entry of a watch list fits; `None` where there are too many entries already.
    pub fn of_entry(&mut self, entry: &str) -> Option<&mut Tally> {
        let place = match self.listed.binary_search_by(|(known, _)| (**known).cmp(entry)) {
            Ok(place) => place,
            Err(_) if self.listed.len() >= LISTED_MAX => return None,
            Err(place) => {
                self.listed.insert(place, (entry.into(), Tally::default()));
                place
            }
        };
        self.listed.get_mut(place).map(|(_, tally)| tally)
    }

    /// The deeds of one kind.
    pub fn of_action(&mut self, action: Action) -> &mut Tally {
        let place = self.acts.binary_search_by_key(&action, |act| act.0).unwrap_or_else(|place| {
            self.acts.insert(place, (action, Tally::default()));
            place
        });
        &mut self.acts[place].1
    }

    /// Memory on the heap, its own place included, in bytes.
    pub fn bytes(&self) -> usize {
        let names = self.listed.iter().map(|(entry, _)| heap::allocated(entry.len())).sum::<usize>();
        let listed = self.listed.iter().map(|(_, tally)| tally);
        let tallies =
            listed.chain(self.acts.iter().map(|(_, tally)| tally)).chain([&self.canary, &self.revoked]);
        heap::vector::<Self>(1)
            + heap::vector::<(Box<str>, Tally)>(self.listed.capacity())
            + heap::vector::<(Action, Tally)>(self.acts.capacity())
            + names
            + tallies.map(Tally::heap_bytes).sum::<usize>()
    }
}

/// Who was seen, and how often.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// How often it was served, or done.
    pub served: u64,
    /// How often it was refused.
    pub refused: u64,
    /// The addresses.
    pub addresses: AddressSample,
    /// When it was first, and by whom: client software, or the name of whoever did it.
    first: Option<(Stamp, Box<str>)>,
}

impl Tally {
    /// Whether nothing was seen.
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// How often in all.
    pub const fn count(&self) -> u64 {
        self.served.saturating_add(self.refused)
    }

    /// Notes one, or several at one time. Of two at one instant the first name in the alphabet counts.
    pub fn add(&mut self, time: Stamp, status: u16, count: u64, address: Option<Address>, who: &str) {
        let seen = if status < 400 { &mut self.served } else { &mut self.refused };
        *seen = seen.saturating_add(count);
        if let Some(address) = address {
            self.addresses.insert(address);
        }
        if self.first.as_ref().is_none_or(|(first, known)| (time, who) < (*first, known)) {
            self.first = Some((time, who.into()));
        }
    }

    /// When it was first, and by whom.
    pub fn first(&self) -> Option<(Stamp, &str)> {
        self.first.as_ref().map(|(time, who)| (*time, &**who))
    }

    fn heap_bytes(&self) -> usize {
        self.addresses.heap_bytes() + self.first.as_ref().map_or(0, |(_, who)| heap::allocated(who.len()))
    }
}

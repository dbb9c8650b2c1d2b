//! A consumer of a key that is not known: what it does is kept apart, and teaches nothing.

use super::budget::Highest;
use super::event::{ADDRESSES_MAX, Consumer, Phase, Told};
use super::fleet::{Fleet, Theft};
use super::habits::{Everybody, Habits, Last, Of};
use super::identity::{Identity, Place};
use super::known::Known;
use super::novelty::level;
use super::owner::{Owner, SESSION};
use super::shape::{Shape, Size};
use crate::address::Address;
use crate::heap;
use crate::key::KeyId;
use crate::time::{SECOND, Timestamp};
use serde::{Deserialize, Serialize};

/// Most of anything that is kept of one consumer.
const SET_MAX: usize = 64;
/// Five-minute slots by which it is told whether two work independently.
pub const SLOTS_MAX: u32 = 40;
/// Identifiers of requests that are kept until they have been told.
const REQUESTS_MAX: usize = 500;

/// What consumers are told apart by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Name {
    /// Client software that the key has not been used with, wherever from; whether only its version is too low.
    Client(u64, bool),
    /// A network that it has not been used from.
    Network(u32),
    /// A block of addresses, where the network is known.
    Block(u64),
}

/// An unknown consumer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cohort {
    /// What it is told apart by.
    pub name: Name,
    /// A number of its own among those of its key.
    pub number: u32,
    /// Its first record.
    pub identity: Identity,
    /// What is new: its network, its block, its client.
    pub is_new: [bool; 3],
    /// First and last record, in seconds.
    pub first: i64,
    pub last: i64,
    /// Records; those that were served; those answered 401; those without work; lists of models.
    pub records: u32,
    pub successes: u32,
    pub unauthorised: u32,
    pub idle: u32,
    pub lists: u32,
    /// Dollars.
    pub spent: f64,
    /// How long the key had not been used when it came, and the longest pause before, in seconds.
    pub pause: [i64; 2],
    pub networks: Known<u32>,
    pub blocks: Known<u64>,
    pub addresses: Known<Address>,
    pub countries: Known<[u8; 2]>,
    /// Models that were refused with nothing asked of them, and models and endpoints that are new to the key.
    pub probed: Known<u64>,
    pub models: Known<u64>,
    pub endpoints: Known<u64>,
    /// The first of its addresses that was found to be new to another key, too.
    pub shared_address: Option<Address>,
    /// What the theft is named by, from when it was told.
    pub theft: Option<Address>,
    shape: Shape,
    /// What it did last.
    pub last_act: Last,
    /// Against the owner's habits: requests of usual sizes; by how much all are likelier somebody else's; the same if only
    /// some of them are.
    pub typical: f64,
    pub joint: f64,
    pub mixture: f64,
    /// By how much it changes, or keeps, its model rather as somebody does who takes the key's models at random.
    pub switches: f64,
    /// The smallest block that its last record came from, and how often that was another than the one before, of how often.
    place: u64,
    pub moves: [u32; 2],
    /// By how much its sizes are likelier its own than the owner's: ever, and of late.
    pub gains: [f64; 2],
    /// How often it came back while others used the key.
    pub visits: u32,
    visited: i64,
    /// Five-minute slots, those in which the owner worked too, and how likely that is by chance.
    pub slots: u32,
    pub shared: u32,
    pub ln_chance: f64,
    slot: i64,
    slot_chance: f64,
    slot_shared: bool,
    /// Three-hour steps, and how much its hours are not the owner's.
    step: i64,
    pub odd_hours: f64,
    /// Days with a record.
    pub days: u32,
    day: i64,
    /// The last ids of its requests, and how many there were.
    pub requests: Vec<Box<str>>,
    /// Its highest score, until it was told.
    pub highest: Highest,
    /// What has been told of it.
    pub incident: Option<Told>,
}

/// A record of a consumer that is not known.
pub struct Act<'a> {
    /// When, in seconds.
    pub at: i64,
    pub identity: &'a Identity,
    pub model: u64,
    pub endpoint: u64,
    pub is_list: bool,
    pub status: u16,
    pub input: u64,
    pub output: u64,
    pub cost: f64,
    pub request: &'a str,
    /// Of a sum, how many requests it stands for; tokens and dollars are then those of the mean one.
    pub sums: Option<u32>,
}

impl Act<'_> {
    /// How many requests it stands for.
    pub fn count(&self) -> u32 {
        self.sums.unwrap_or(1)
    }

    /// Whether it was served.
    pub const fn is_success(&self) -> bool {
        self.status < 400
    }

    /// Whether no work was done, and none worth speaking of was asked for.
    pub const fn is_idle(&self) -> bool {
        self.output == 0 && self.input < 20
    }

    /// Whether it was served, and took or made tokens.
    pub const fn is_work(&self) -> bool {
        self.is_success() && self.input + self.output > 0
    }

    /// Tokens of a request that was served, if it has any.
    pub fn size(&self) -> Option<Size> {
        self.is_work().then(|| Size::of(self.input, self.output))
    }
}

impl Cohort {
    /// At its first record.
    pub fn new(name: Name, number: u32, act: &Act<'_>, is_new: [bool; 3], owner: &Owner) -> Self {
        let time = Timestamp(act.at * SECOND);
        Self {
            name,
            number,
            identity: *act.identity,
            is_new,
            first: act.at,
            last: act.at,
            records: 0,
            successes: 0,
            unauthorised: 0,
            idle: 0,
            lists: 0,
            spent: 0.0,
            pause: [act.at - owner.last, owner.pause],
            networks: Known::default(),
            blocks: Known::default(),
            addresses: Known::default(),
            countries: Known::default(),
            probed: Known::default(),
            models: Known::default(),
            endpoints: Known::default(),
            shared_address: None,
            theft: None,
            shape: Shape::default(),
            last_act: Last::new(time),
            typical: 0.0,
            joint: 0.0,
            mixture: 0.0,
            switches: 0.0,
            place: act.identity.place.map_or(0, |place| place.fine),
            moves: [0; 2],
            gains: [0.0; 2],
            visits: 1,
            visited: act.at,
            slots: 0,
            shared: 0,
            ln_chance: 0.0,
            slot: i64::MIN,
            slot_chance: 0.0,
            slot_shared: false,
            step: i64::MIN,
            odd_hours: 0.0,
            days: 0,
            day: i64::MIN,
            requests: Vec::new(),
            highest: Highest::default(),
            incident: None,
        }
    }

    /// Takes a record; `other` is when somebody else used the key last.
    pub fn take(&mut self, act: &Act<'_>, owner: &Owner, everybody: &Shape, other: Option<i64>) {
        self.count(act);
        if let Some(place) = &act.identity.place {
            self.see_place(place, act.at, owner);
        }
        if act.is_success() && !owner.models.has(act.model) && act.output > 0 {
            self.models.see(act.model, act.at, SET_MAX);
        }
        if matches!(act.status, 400 | 403 | 404) && act.is_idle() {
            self.probed.see(act.model, act.at, SET_MAX);
        }
        if !act.is_list && !owner.endpoints.has(act.endpoint) {
            self.endpoints.see(act.endpoint, act.at, SET_MAX);
        }
        if let Some(size) = act.size() {
            let own = self.shape.ln_likelihood(size, everybody);
            let owners = owner.ln_likelihoods(size, everybody);
            for (gain, owner) in self.gains.iter_mut().zip(owners) {
                *gain += own - owner;
            }
            self.shape.add(size);
        }
        self.take_time(act.at, owner, other);
    }

    /// Compares a record with the owner's habits.
    pub fn compare(&mut self, act: &Act<'_>, at: Timestamp, habits: &Habits, everybody: &Everybody) {
        let added = habits.compare(at, act, &mut self.last_act, everybody);
        let sums = [
            (&mut self.typical, Of::Typical),
            (&mut self.joint, Of::Joint),
            (&mut self.mixture, Of::Mixture),
            (&mut self.switches, Of::Switches),
        ];
        for (sum, of) in sums {
            *sum += f64::from(added.get(of));
        }
    }

    fn count(&mut self, act: &Act<'_>) {
        self.records += 1;
        self.successes += u32::from(act.is_work());
        self.unauthorised += u32::from(act.status == 401);
        self.idle += u32::from(act.is_list || act.is_idle() || act.status >= 400 && act.output == 0);
        self.lists += u32::from(act.is_list);
        self.spent += act.cost;
        if !act.request.is_empty() {
            if self.requests.len() == REQUESTS_MAX {
                self.requests.remove(0);
            }
            self.requests.push(act.request.into());
        }
    }

    fn see_place(&mut self, place: &Place, at: i64, owner: &Owner) {
        let (network, block) = owner.knows_place(Some(place));
        if !network {
            self.networks.see(place.network, at, SET_MAX);
        }
        if !block {
            self.blocks.see(place.block, at, SET_MAX);
        }
        self.addresses.see(place.address, at, SET_MAX);
        if self.records > 1 {
            let [moves, all] = self.moves;
            self.moves = [moves + u32::from(place.fine != self.place), all + 1];
        }
        self.place = place.fine;
        if place.country != [0; 2] && !owner.countries.has(place.country) {
            self.countries.see(place.country, at, SET_MAX);
        }
    }

    fn take_time(&mut self, at: i64, owner: &Owner, other: Option<i64>) {
        if let Some(other) = other
            && other - self.last >= SESSION
            && at - other >= SESSION
            && at - self.visited >= 600
        {
            self.visits += 1;
            self.visited = at;
        }
        if at / 300 > self.slot && self.slots < SLOTS_MAX {
            self.slot = at / 300;
            self.slots += 1;
            self.slot_chance = owner.occupancy(at);
            self.slot_shared = false;
            self.ln_chance += libm::log(1.0 - self.slot_chance);
            if at - owner.last <= SESSION {
                self.share_slot();
            }
        }
        if at / 10_800 > self.step {
            self.step = at / 10_800;
            self.odd_hours += owner.ln_odd_hour(at);
        }
        if at.div_euclid(86_400) > self.day {
            self.day = at.div_euclid(86_400);
            self.days += 1;
        }
        self.last = self.last.max(at);
    }

    /// The owner has used the key.
    pub fn meet(&mut self, at: i64) {
        if at - self.last <= SESSION && self.slots > 0 {
            self.share_slot();
        }
    }

    fn share_slot(&mut self) {
        if !std::mem::replace(&mut self.slot_shared, true) {
            self.shared += 1;
            self.ln_chance += libm::log(self.slot_chance) - libm::log(1.0 - self.slot_chance);
        }
    }

    /// Finds an address of its that is new to another key, too.
    pub fn look_elsewhere(&mut self, key: KeyId, fleet: &Fleet) {
        if self.shared_address.is_none() {
            let mut addresses = self.addresses.values();
            self.shared_address = addresses.find(|address| fleet.is_met_elsewhere(*address, key, self.last));
        }
    }

    /// Gives the theft its name, which stays: that of a theft which one of its addresses was part of, or else the address it
    /// came from first. So who comes to several keys from one address is one thief from the first word on, whoever judges
    /// these keys, and who comes from several is once that has been heard of.
    pub fn name_theft(&mut self, fleet: &Fleet) {
        let heard = fleet.theft_of(self.addresses.values(), self.last);
        self.theft = heard.or(self.identity.place.map(|place| place.address));
    }

    /// Tells that its addresses are new to the key, and of which theft they are.
    pub fn report(&self, key: KeyId, news: &mut Fleet) {
        let theft = self.incident.zip(self.theft).map(|(told, by)| Theft { told: told.detected, by });
        for address in self.addresses.values() {
            news.meet(address, key, self.last, theft);
        }
    }

    /// Memory besides its own, in bytes.
    pub fn heap_bytes(&self) -> usize {
        let requests = self.requests.iter().map(|request| heap::allocated(request.len())).sum::<usize>();
        self.networks.heap_bytes()
            + self.blocks.heap_bytes()
            + self.addresses.heap_bytes()
            + self.countries.heap_bytes()
            + self.probed.heap_bytes()
            + self.models.heap_bytes()
            + self.endpoints.heap_bytes()
            + heap::vector::<Box<str>>(self.requests.capacity())
            + requests
    }

    /// What is told of it.
    pub fn consumer(&self) -> Consumer {
        let Self { number, first, last, records, spent, .. } = *self;
        let addresses = self.addresses.values().take(ADDRESSES_MAX).collect();
        let (is_shared, theft) = (self.shared_address.is_some(), self.theft);
        let place = self.identity.place;
        Consumer { number, first, last, records, spent, place, addresses, is_shared, theft }
    }

    /// Whether an incident is told of it that is not over.
    pub fn is_open(&self) -> bool {
        self.incident.is_some_and(|told| told.phase != Phase::Resolved)
    }

    /// Whether it was said to be a thief.
    pub fn is_thief(&self) -> bool {
        self.incident.is_some_and(|told| told.phase == Phase::Confirmed)
    }

    /// How often it came back, as a level.
    pub fn level(&self) -> usize {
        level(self.visits)
    }

    /// From its first to its last record, in days.
    pub fn span_days(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "days of a life")]
        let span = (self.last - self.first) as f64;
        span / 86_400.0
    }

    /// Requests with tokens of which the shape is known.
    pub fn shaped(&self) -> f64 {
        f64::from(self.shape.requests())
    }
}

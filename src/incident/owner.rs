//! What is known of the use that a key's owner makes of it. Only records of known consumers teach it.

use super::cohort::Cohort;
use super::identity::{Identity, Place};
use super::known::Known;
use super::novelty::{Days, Kind};
use super::shape::{Shape, Size};
use crate::heap;
use crate::time::{SECOND, Timestamp};
use serde::{Deserialize, Serialize};

/// Hours of which requests are remembered.
const HOURS: i64 = 96;
/// Something for each hour of the day: of working days, and of weekends.
type Week = [[f32; 24]; 2];
/// Requests in a block of which the shape is compared with that of the long term.
const BLOCK: f32 = 40.0;
/// Records this close together are of one session, in seconds.
pub const SESSION: i64 = 150;
/// Most of what is known of one key.
const NETWORKS_MAX: usize = 64;
const BLOCKS_MAX: usize = 256;
const CLIENTS_MAX: usize = 16;
const NAMES_MAX: usize = 32;
const COUNTRIES_MAX: usize = 16;

/// A key's owner.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Owner {
    /// First record, in seconds.
    pub first: i64,
    /// Last record of a known consumer, in seconds.
    pub last: i64,
    /// Records so far.
    pub records: u64,
    /// Whether the first record came from a network of servers.
    pub born_on_server: bool,
    /// Whether any came from one, and from another.
    pub uses: [bool; 2],
    /// Networks, blocks of addresses and countries.
    pub networks: Known<u32>,
    pub blocks: Known<u64>,
    pub countries: Known<[u8; 2]>,
    /// Client software, with the lowest major version of each.
    pub clients: Known<u64>,
    majors: Vec<(u64, u16)>,
    /// Models and endpoints.
    pub models: Known<u64>,
    pub endpoints: Known<u64>,
    /// Whether it ever lists models.
    pub lists: bool,
    hours: Week,
    slots: Week,
    slot: i64,
    by_hour: Vec<u32>,
    hour: i64,
    /// Days in use, and sum and sum of squares of their requests.
    pub active_days: f32,
    daily: [f64; 2],
    today: (i64, f64),
    /// The longest pause, in seconds.
    pub pause: i64,
    long: Shape,
    block: [Shape; 2],
    gain: f64,
    /// How far the owner's own work drifts, in nats of a block.
    pub drift: f64,
    /// Dollars and successful requests.
    pub spent: f64,
    pub successes: f64,
    /// Records with another of the owner shortly before, and from elsewhere.
    neighbours: [f32; 2],
    /// Records from elsewhere than the one before.
    moves: f32,
    last_place: u64,
    /// Days with newcomers, by known client (nought: one that was new itself).
    pub newcomers: Vec<(u64, Days)>,
}

/// What of a record teaches.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// When, in seconds.
    pub at: i64,
    /// Who.
    pub identity: &'a Identity,
    /// Model and endpoint.
    pub model: u64,
    pub endpoint: u64,
    /// Tokens of a request that was served.
    pub size: Option<Size>,
    /// Dollars.
    pub cost: f64,
}

impl Owner {
    /// Of a key at its first record.
    pub fn new(at: i64, place: Option<&Place>) -> Self {
        Self {
            first: at,
            last: at,
            records: 0,
            born_on_server: place.is_some_and(|place| place.is_server),
            uses: [false; 2],
            networks: Known::default(),
            blocks: Known::default(),
            countries: Known::default(),
            clients: Known::default(),
            majors: Vec::new(),
            models: Known::default(),
            endpoints: Known::default(),
            lists: false,
            hours: Week::default(),
            slots: Week::default(),
            slot: i64::MIN,
            by_hour: Vec::new(),
            hour: at / 3600,
            active_days: 0.0,
            daily: [0.0; 2],
            today: (i64::MIN, 0.0),
            pause: 0,
            long: Shape::default(),
            block: [Shape::default(), Shape::default()],
            gain: 0.0,
            drift: 0.0,
            spent: 0.0,
            successes: 0.0,
            neighbours: [0.0; 2],
            moves: 0.0,
            last_place: 0,
            newcomers: Vec::new(),
        }
    }

    /// Dollars that it spends on a day of use.
    pub fn daily_spend(&self) -> f64 {
        self.spent / f64::from(self.active_days.max(1.0))
    }

    /// Whether the client is known: a version below the lowest is not, one above is an upgrade.
    pub fn knows_client(&self, identity: &Identity) -> bool {
        identity.client == 0
            || self
                .majors
                .iter()
                .any(|(client, lowest)| *client == identity.client && identity.major >= *lowest)
    }

    /// Whether network and block are known.
    pub fn knows_place(&self, place: Option<&Place>) -> (bool, bool) {
        place.map_or((true, true), |place| (self.networks.has(place.network), self.blocks.has(place.block)))
    }

    /// How many models and endpoints are known.
    pub fn names(&self) -> usize {
        self.models.len() + self.endpoints.len()
    }

    /// Takes the places and clients of a consumer as the owner's own.
    pub fn accept(&mut self, at: i64, identity: &Identity) -> [bool; 2] {
        let mut is_new = [false; 2];
        if let Some(place) = &identity.place {
            is_new[0] = self.networks.see(place.network, at, NETWORKS_MAX);
            self.blocks.see(place.block, at, BLOCKS_MAX);
            if place.country != [0; 2] {
                self.countries.see(place.country, at, COUNTRIES_MAX);
            }
            self.uses[usize::from(place.is_server)] = true;
        }
        if identity.client != 0 {
            is_new[1] = self.clients.see(identity.client, at, CLIENTS_MAX);
            match self.majors.iter_mut().find(|(client, _)| *client == identity.client) {
                Some((_, lowest)) => *lowest = identity.major.min(*lowest),
                None => self.majors.push((identity.client, identity.major)),
            }
            // Only somebody new drives out another.
            if is_new[1] {
                self.majors.retain(|(client, _)| self.clients.has(*client));
            }
        }
        is_new
    }

    /// Takes all places of a consumer as the owner's own.
    pub fn accept_places(&mut self, at: i64, cohort: &Cohort) {
        for network in cohort.networks.values() {
            self.networks.see(network, at, NETWORKS_MAX);
        }
        for block in cohort.blocks.values() {
            self.blocks.see(block, at, BLOCKS_MAX);
        }
        for country in cohort.countries.values() {
            self.countries.see(country, at, COUNTRIES_MAX);
        }
    }

    /// Learns from a record; true where it begins a day.
    pub fn learn(&mut self, seen: &Seen<'_>, everybody: &Shape) -> bool {
        self.models.see(seen.model, seen.at, NAMES_MAX);
        self.endpoints.see(seen.endpoint, seen.at, NAMES_MAX);
        self.spent += seen.cost;
        if let Some(size) = seen.size {
            self.successes += 1.0;
            self.learn_size(size, everybody);
        }
        self.learn_time(seen.at, seen.identity.place.as_ref().map_or(0, |place| place.fine))
    }

    fn learn_size(&mut self, size: Size, everybody: &Shape) {
        let current = &mut self.block[0];
        self.gain += current.ln_ratio(size, &self.long, everybody);
        current.add(size);
        self.long.add(size);
        if current.requests() >= BLOCK {
            self.drift = (self.drift * 0.97).max(0.6 * self.gain).min(12.0);
            self.gain = 0.0;
            self.block.swap(0, 1);
            self.block[0] = Shape::default();
        }
    }

    /// Learns when the owner works; true where a record begins a day.
    pub fn learn_time(&mut self, at: i64, fine: u64) -> bool {
        self.records += 1;
        let since = at - self.last;
        if self.records > 1 {
            self.pause = self.pause.max(since);
            let moves = f32::from(u8::from(fine != self.last_place));
            self.moves += moves;
            if (0..=SESSION).contains(&since) {
                self.neighbours[0] += 1.0;
                self.neighbours[1] += moves;
            }
        }
        self.last = self.last.max(at);
        self.last_place = fine;
        let (kind, hour) = hour_of_week(at);
        self.hours[kind][hour] += 1.0;
        if at / 300 > self.slot {
            self.slot = at / 300;
            self.slots[kind][hour] += 1.0;
        }
        self.count_hour(at / 3600);
        let day = at.div_euclid(86_400);
        if day > self.today.0 {
            let requests = std::mem::replace(&mut self.today, (day, 1.0)).1;
            self.daily[0] += requests;
            self.daily[1] += requests * requests;
            self.active_days += 1.0;
            return true;
        }
        self.today.1 += 1.0;
        false
    }

    fn count_hour(&mut self, hour: i64) {
        if self.by_hour.is_empty() {
            self.by_hour = (0..HOURS).map(|_| 0).collect();
        }
        for passed in (self.hour + 1..=hour).take(self.by_hour.len()) {
            self.by_hour[place_of(passed)] = 0;
        }
        self.hour = self.hour.max(hour);
        if self.hour - hour < HOURS {
            self.by_hour[place_of(hour)] += 1;
        }
    }

    /// Requests from this hour on, up to now.
    pub fn requests_since(&self, hour: i64, now: i64) -> f64 {
        let from = hour.max(self.hour - HOURS + 1);
        let hours = from..=now.min(self.hour);
        hours.filter_map(|hour| self.by_hour.get(place_of(hour))).map(|count| f64::from(*count)).sum()
    }

    /// Requests that the owner would have made from this hour on, up to now.
    pub fn expected_since(&self, hour: i64, now: i64) -> f64 {
        let whole: f64 = (hour..now / 3600).map(|hour| self.rate(hour * 3600)).sum();
        #[allow(clippy::cast_precision_loss, reason = "seconds of an hour")]
        let part = (now % 3600) as f64 / 3600.0;
        whole + part * self.rate(now)
    }

    /// Requests per hour at this time of the week.
    fn rate(&self, at: i64) -> f64 {
        let (kind, hour) = hour_of_week(at);
        f64::from(self.hours[kind][hour]) / self.days_like(kind)
    }

    /// How many such days there have been since the first record.
    fn days_like(&self, kind: usize) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "days of a life")]
        let days = (self.last - self.first) as f64 / 86_400.0 + 1.0;
        (days * [5.0, 2.0][kind] / 7.0).max(1.0)
    }

    /// The part of the five-minute slots at this time of the week in which the owner works.
    pub fn occupancy(&self, at: i64) -> f64 {
        let (kind, hour) = hour_of_week(at);
        (f64::from(self.slots[kind][hour]) / (12.0 * self.days_like(kind))).clamp(0.002, 0.98)
    }

    /// Logarithm of how much likelier it is that anybody works at this hour of the day than that the owner does.
    pub fn ln_odd_hour(&self, at: i64) -> f64 {
        let (kind, hour) = hour_of_week(at);
        let hours = &self.hours[kind];
        let near = |step: usize| f64::from(hours[(hour + step) % 24]);
        let smoothed = (near(23) + 2.0 * near(0) + near(1)) / 4.0;
        let all: f64 = hours.iter().map(|count| f64::from(*count)).sum();
        let prior = 12.0;
        let share = (smoothed + prior / 24.0) / (all + prior);
        -libm::log(24.0 * share)
    }

    /// The part of the records that have another of the owner's just before, and that from another place.
    pub fn company(&self) -> [f64; 2] {
        #[allow(clippy::cast_precision_loss, reason = "a share")]
        let all = self.records as f64 + 2.0;
        self.neighbours.map(|count| f64::from(count) / all)
    }

    /// The part of the records that come from elsewhere than the one before, a little added.
    pub fn moving(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "a share")]
        let all = self.records as f64;
        (f64::from(self.moves) + 0.5) / (all + 2.0)
    }

    /// How even days are: the shape of the negative binomial that their requests follow.
    pub fn evenness(&self) -> f64 {
        let days = f64::from(self.active_days).max(1.0);
        let mean = self.daily[0] / days;
        let excess = self.daily[1] / days - mean * mean - mean;
        if excess > 0.0 { mean * mean / excess } else { 3.0 }
    }

    /// The part of the days since the first record on which the key was not in use.
    pub fn idle_share(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "days of a life")]
        let days = (self.last - self.first) as f64 / 86_400.0 + 1.0;
        (1.0 - f64::from(self.active_days) / days).clamp(0.01, 0.95)
    }

    /// Logarithm of how likely the owner sends a request of this size: ever, and of late.
    pub fn ln_likelihoods(&self, size: Size, everybody: &Shape) -> [f64; 2] {
        let mut recent = self.block[1].clone();
        recent.add_all(&self.block[0]);
        [&self.long, &recent].map(|shape| shape.ln_likelihood(size, everybody))
    }

    /// The days with newcomers of this client; of all clients where it is new itself.
    pub fn newcomer_days(&self, client: Option<u64>, kind: Kind, level: usize) -> f32 {
        let of_client = |(known, _): &&(u64, Days)| client.is_none_or(|client| client == *known);
        self.newcomers.iter().filter(of_client).map(|(_, days)| days.count(kind, level)).sum()
    }

    /// Counts a newcomer that was none of others'.
    pub fn add_newcomer(&mut self, client: u64, kind: Kind, reached: usize) {
        let place = self.newcomers.iter().position(|(known, _)| *known == client).unwrap_or_else(|| {
            if self.newcomers.len() < CLIENTS_MAX {
                self.newcomers.push((client, Days::default()));
            }
            self.newcomers.len() - 1
        });
        self.newcomers[place].1.add(kind, reached);
    }

    /// Memory besides its own, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.networks.heap_bytes()
            + self.blocks.heap_bytes()
            + self.countries.heap_bytes()
            + self.clients.heap_bytes()
            + self.models.heap_bytes()
            + self.endpoints.heap_bytes()
            + heap::vector::<(u64, u16)>(self.majors.capacity())
            + heap::vector::<u32>(self.by_hour.capacity())
            + heap::vector::<(u64, Days)>(self.newcomers.capacity())
    }

    /// The age of the key in days.
    pub fn age_days(&self, at: i64) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "days of a life")]
        let age = (at - self.first) as f64;
        age / 86_400.0
    }
}

fn place_of(hour: i64) -> usize {
    usize::try_from(hour.rem_euclid(HOURS)).unwrap_or(0)
}

/// Whether it is a weekend, and the hour of the day. 1970 began on a Thursday.
pub fn hour_of_week(at: i64) -> (usize, usize) {
    let weekday = (at.div_euclid(86_400) + 3).rem_euclid(7);
    (usize::from(weekday >= 5), usize::try_from(at.rem_euclid(86_400) / 3600).unwrap_or(0))
}

/// Whole seconds of an event time.
pub const fn seconds(at: Timestamp) -> i64 {
    at.0.div_euclid(SECOND)
}

//! What is kept of one consumer of the key: sums, each of which is bounded whatever he writes.

use super::act::{Act, Source};
use super::phase::{Phase, phase};
use crate::address::Address;
use crate::money::NanoUsd;
use crate::time::{MINUTE, SECOND, Timestamp};
use std::collections::BTreeMap;

/// Addresses, other names, days with a model, and hours that are told apart. What comes when a table is full is counted
/// as others.
const ADDRESSES_MAX: usize = 2_000;
const NAMES_MAX: usize = 200;
const MODEL_DAYS_MAX: usize = 4_000;
const HOURS_MAX: usize = 24 * 400;
/// Stretches of like requests.
const EPISODES_MAX: usize = 400;
/// How long nothing like it may come for a stretch to end.
const EPISODE_PAUSE: i64 = 15 * MINUTE;
/// First requests that are kept whole: the seed takes three for a reconnaissance.
pub const HEAD: usize = 3;
/// The scores of which it is told when they were reached, in nats.
pub const LADDER: [f64; 5] = [4.0, 7.6, 10.0, 12.0, 14.0];

/// Requests and what they took.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spent {
    /// All requests, and those that were refused.
    pub requests: u64,
    /// Refused requests.
    pub refused: u64,
    /// Tokens in and out.
    pub tokens: [u64; 2],
    /// Money.
    pub cost: NanoUsd,
}

impl Spent {
    /// Adds a request.
    pub fn take(&mut self, act: &Act) {
        let requests = u64::from(act.requests);
        self.add(&Self {
            requests,
            refused: if act.is_refused() { requests } else { 0 },
            tokens: act.tokens,
            cost: act.cost,
        });
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.refused = self.refused.saturating_add(other.refused);
        for (sum, more) in self.tokens.iter_mut().zip(other.tokens) {
            *sum = sum.saturating_add(more);
        }
        self.cost += other.cost;
    }
}

/// From when to when, and how much.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// The first.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// All of them.
    pub spent: Spent,
}

impl Span {
    fn at(at: Timestamp) -> Self {
        Self { first: at, last: at, spent: Spent::default() }
    }

    fn take(&mut self, act: &Act) {
        self.first = self.first.min(act.at);
        self.last = self.last.max(act.at);
        self.spent.take(act);
    }

    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.spent.add(&other.spent);
    }
}

/// Sums by name.
#[derive(Clone, PartialEq, Debug)]
pub struct Tally<K> {
    /// Those that are told apart.
    pub by: BTreeMap<K, Span>,
    /// The others.
    pub others: Option<Span>,
    max: usize,
}

impl<K: Ord + Clone> Tally<K> {
    fn new(max: usize) -> Self {
        Self { by: BTreeMap::new(), others: None, max }
    }

    fn take(&mut self, name: &K, act: &Act) {
        if let Some(known) = self.by.get_mut(name) {
            return known.take(act);
        }
        let span = if self.by.len() < self.max {
            self.by.entry(name.clone()).or_insert_with(|| Span::at(act.at))
        } else {
            self.others.get_or_insert_with(|| Span::at(act.at))
        };
        span.take(act);
    }

    /// Adds another table.
    pub fn add(&mut self, other: &Self) {
        for (name, span) in &other.by {
            if let Some(known) = self.by.get_mut(name) {
                known.add(span);
            } else if self.by.len() < self.max {
                self.by.insert(name.clone(), *span);
            } else {
                self.others.get_or_insert(Span { spent: Spent::default(), ..*span }).add(span);
            }
        }
        if let Some(span) = &other.others {
            self.others.get_or_insert(Span { spent: Spent::default(), ..*span }).add(span);
        }
    }
}

/// Requests of one kind that followed each other.
#[derive(Clone, PartialEq, Debug)]
pub struct Episode {
    /// What they were for.
    pub phase: Phase,
    /// How sure that is, from 0 to 1, of all of them together.
    pub fit: f64,
    /// Model and endpoint; empty where there were several.
    pub model: Box<str>,
    /// Where they were asked.
    pub endpoint: Box<str>,
    /// From when to when, and what they took.
    pub span: Span,
    /// Where the first of them came from, where its record stood, and the hash of its row.
    pub address: Option<Address>,
    /// Where its record stood.
    pub source: Source,
    /// The hash of its row.
    pub hash: String,
}

impl Episode {
    /// One request.
    pub fn of(act: &Act, phase: Phase, fit: f64) -> Self {
        let mut span = Span::at(act.at);
        span.take(act);
        Self {
            phase,
            fit,
            model: act.model.clone(),
            endpoint: act.endpoint.clone(),
            span,
            address: act.address,
            source: act.source.clone(),
            hash: act.hash(),
        }
    }
}

/// When a score was reached, and what had been spent by then.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Reached {
    /// When.
    pub at: Timestamp,
    /// Requests and money until then.
    pub spent: Spent,
}

/// Everything that one consumer did.
#[derive(Clone, PartialEq, Debug)]
pub struct Sums {
    /// All of it.
    pub span: Span,
    /// Requests of which the cost is not known or not wholly, and what is known of that.
    pub uncertain: Spent,
    /// The first request that was served and paid.
    pub first_paid: Option<Timestamp>,
    /// The last that was served at all.
    pub last_served: Option<Timestamp>,
    /// By address, client, model and endpoint.
    pub addresses: Tally<Address>,
    /// By client.
    pub clients: Tally<Box<str>>,
    /// By model.
    pub models: Tally<Box<str>>,
    /// By endpoint.
    pub endpoints: Tally<Box<str>>,
    /// By model and endpoint.
    pub ways: Tally<(Box<str>, Box<str>)>,
    /// By hour since 1970, the latest of them.
    pub hours: BTreeMap<i64, Spent>,
    /// By day since 1970 and model.
    pub model_days: BTreeMap<(i64, Box<str>), Spent>,
    /// Requests by hour of the day in UTC, by status, and by the logarithm of the pause before, in seconds.
    pub clock: [u64; 24],
    /// By status.
    pub statuses: BTreeMap<u16, u64>,
    /// By the binary logarithm of the pause before, in seconds.
    pub pauses: [u64; 32],
    /// The first requests.
    pub head: Vec<Act>,
    /// The others, put together.
    pub episodes: Vec<Episode>,
    /// What speaks against it, in nats: by now, and when each step was reached.
    pub score: Option<f64>,
    /// When each step of [`LADDER`] was reached.
    pub reached: [Option<Reached>; LADDER.len()],
    /// It was taken for the owner's in the end.
    pub is_adopted: bool,
    is_of_requests: bool,
}

impl Sums {
    /// Nothing yet, from this time on.
    pub fn new(at: Timestamp) -> Self {
        Self {
            span: Span::at(at),
            uncertain: Spent::default(),
            first_paid: None,
            last_served: None,
            addresses: Tally::new(ADDRESSES_MAX),
            clients: Tally::new(NAMES_MAX),
            models: Tally::new(NAMES_MAX),
            endpoints: Tally::new(NAMES_MAX),
            ways: Tally::new(NAMES_MAX),
            hours: BTreeMap::new(),
            model_days: BTreeMap::new(),
            clock: [0; 24],
            statuses: BTreeMap::new(),
            pauses: [0; 32],
            head: Vec::new(),
            episodes: Vec::new(),
            score: None,
            reached: [None; LADDER.len()],
            is_adopted: false,
            is_of_requests: false,
        }
    }

    /// Whether any of it was told request by request.
    pub const fn is_of_requests(&self) -> bool {
        self.is_of_requests
    }

    /// Takes a request.
    pub fn take(&mut self, act: &Act) {
        self.is_of_requests |= act.bucket.is_none();
        self.take_time(act);
        self.span.take(act);
        if act.cost_source.is_uncertain() {
            self.uncertain.take(act);
        }
        if act.is_paid() {
            self.first_paid = Some(self.first_paid.map_or(act.at, |known| known.min(act.at)));
        }
        if !act.is_refused() {
            self.last_served = Some(self.last_served.map_or(act.at, |known| known.max(act.at)));
        }
        if let Some(address) = act.address {
            self.addresses.take(&address, act);
        }
        if !act.client.is_empty() {
            self.clients.take(&act.client, act);
        }
        self.models.take(&act.model, act);
        self.endpoints.take(&act.endpoint, act);
        self.ways.take(&(act.model.clone(), act.endpoint.clone()), act);
        *self.statuses.entry(act.status).or_default() += u64::from(act.requests);
        // Nobody knows which requests of a sum were the first.
        if self.head.len() < HEAD && act.bucket.is_none() {
            self.head.push(act.clone());
        } else {
            self.extend(act);
        }
    }

    fn take_time(&mut self, act: &Act) {
        let seconds = act.at.0.div_euclid(SECOND);
        let hour = seconds.div_euclid(3600);
        self.hours.entry(hour).or_default().take(act);
        if self.hours.len() > HOURS_MAX {
            self.hours.pop_first();
        }
        let requests = u64::from(act.requests);
        if let Some(count) =
            usize::try_from(hour.rem_euclid(24)).ok().and_then(|hour| self.clock.get_mut(hour))
        {
            *count += requests;
        }
        let pause = u64::try_from((act.at.0 - self.span.last.0) / SECOND).unwrap_or(0);
        if self.span.spent.requests > 0
            && let Some(count) = self.pauses.get_mut((u64::BITS - pause.leading_zeros()) as usize)
        {
            *count += requests;
        }
        let day = seconds.div_euclid(86_400);
        let name =
            if self.model_days.len() < MODEL_DAYS_MAX { act.model.clone() } else { Box::from("(others)") };
        self.model_days.entry((day, name)).or_default().take(act);
    }

    /// Adds a request to the stretch that it goes on, or begins one.
    fn extend(&mut self, act: &Act) {
        let (phase, fit) = phase(act);
        let width = i64::from(act.width_s()) * SECOND;
        let goes_on = |episode: &&mut Episode| {
            episode.phase == phase
                && episode.model == act.model
                && episode.endpoint == act.endpoint
                && (episode.span.last.0 - act.at.0).abs() <= EPISODE_PAUSE + width
        };
        // Whoever changes models with every request has few stretches open at a time.
        if let Some(episode) = self.episodes.iter_mut().rev().take(32).find(goes_on) {
            return mix(episode, act, fit);
        }
        if self.episodes.len() < EPISODES_MAX {
            return self.episodes.push(Episode::of(act, phase, fit));
        }
        if let Some(episode) = self.episodes.iter_mut().rev().find(|episode| episode.phase == phase) {
            if episode.model != act.model {
                episode.model = Box::from("");
            }
            if episode.endpoint != act.endpoint {
                episode.endpoint = Box::from("");
            }
            mix(episode, act, fit);
        } else {
            // One more for each phase that there is.
            self.episodes.push(Episode::of(act, phase, fit));
        }
    }

    /// Notes what speaks against the consumer by now, at this time.
    pub fn weigh(&mut self, score: f64, at: Timestamp) {
        self.score = Some(score);
        for (reached, _) in self.reached.iter_mut().zip(LADDER).filter(|(_, step)| score >= *step) {
            reached.get_or_insert(Reached { at, spent: self.span.spent });
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a mean of what is between nought and one")]
fn mix(episode: &mut Episode, act: &Act, fit: f64) {
    let (before, more) = (episode.span.spent.requests as f64, f64::from(act.requests));
    episode.fit = (episode.fit * before + fit * more) / (before + more).max(1.0);
    episode.span.take(act);
}

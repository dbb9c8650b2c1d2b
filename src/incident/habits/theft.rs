//! From habits to incidents: what a key without addresses and clients is told of.
//!
//! One incident a day and key: while it is open, what looks like the thief's is added to it.

use super::{Everybody, Habits, Look};
use crate::heap;
use crate::incident::cohort::Act;
use crate::incident::event::{Consumer, Incident, Scene, Told, is_news};
use crate::incident::watch::Seat;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Seconds for which an incident is open, and for which what was suspect before counts for it.
const OPEN: i64 = 86_400;
/// Suspect requests that are kept until there is an incident, and identifiers until they are told.
const SUSPECTS_MAX: usize = 100;

/// A key of which nothing but its habits is known.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Regular {
    habits: Habits,
    suspects: VecDeque<Suspect>,
    /// The open incident, and how many there have been.
    theft: Option<Theft>,
    numbered: u32,
}

/// A request that is likelier somebody else's than the owner's.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Suspect {
    at: i64,
    cost: f64,
    request: Box<str>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Theft {
    opened: i64,
    first: i64,
    last: i64,
    records: u32,
    spent: f64,
    told: Told,
}

impl Regular {
    /// A key at its first record.
    pub fn new(at: Timestamp) -> Self {
        Self { habits: Habits::new(at), suspects: VecDeque::new(), theft: None, numbered: 0 }
    }

    /// Takes a record; what follows from it.
    pub fn take(
        &mut self,
        act: &Act<'_>,
        seat: &Seat<'_>,
        known: &Everybody,
        news: &mut Everybody,
    ) -> Option<Incident> {
        let look = self.habits.take(seat.time.at, act, known, news);
        let at = act.at;
        let mut closing = None;
        if self.theft.is_some_and(|theft| at - theft.opened > OPEN) {
            closing = self.rest(seat);
            self.theft = None;
            self.suspects.clear();
        }
        while self.suspects.front().is_some_and(|suspect| {
            self.suspects.len() >= SUSPECTS_MAX || self.theft.is_none() && at - suspect.at > OPEN
        }) {
            self.suspects.pop_front();
        }
        if look == Look::Usual {
            return closing;
        }
        if look == Look::Suspect {
            self.suspects.push_back(Suspect { at, cost: act.cost, request: act.request.into() });
        }
        match &mut self.theft {
            Some(theft) if look == Look::Suspect => {
                theft.records += 1;
                theft.spent += act.cost;
                theft.last = theft.last.max(at);
                let news = is_news(self.suspects.len(), theft.records, theft.spent, theft.told);
                news.then(|| self.tell(seat)).flatten()
            }
            Some(_) => None,
            // Judged at the next record: one event follows from one record.
            None if closing.is_some() => closing,
            None => self.judge(at, seat),
        }
    }

    fn judge(&mut self, at: i64, seat: &Seat<'_>) -> Option<Incident> {
        if self.habits.weigh().score() < seat.threshold {
            return None;
        }
        let records = u32::try_from(self.suspects.len()).unwrap_or(u32::MAX);
        let spent = self.suspects.iter().map(|suspect| suspect.cost).sum();
        let first = self.suspects.iter().map(|suspect| suspect.at).min().unwrap_or(at);
        let told = Told { revision: 0, records, spent, detected: seat.time.at.0 };
        self.theft = Some(Theft { opened: at, first, last: at, records, spent, told });
        self.numbered += 1;
        self.tell_as(told, seat)
    }

    /// Tells how an incident has grown.
    fn tell(&mut self, seat: &Seat<'_>) -> Option<Incident> {
        let Theft { records, spent, told, .. } = self.theft?;
        self.tell_as(Told { revision: told.revision + 1, records, spent, ..told }, seat)
    }

    fn tell_as(&mut self, told: Told, seat: &Seat<'_>) -> Option<Incident> {
        let theft = self.theft.as_mut()?;
        theft.told = told;
        let Theft { first, last, records, spent, .. } = *theft;
        let requests = self.suspects.drain(..).map(|suspect| suspect.request).collect();
        // Numbers of consumers that are told apart begin below.
        let number = self.numbered | 1 << 31;
        let consumer = Consumer { number, first, last, records, spent, place: None, addresses: Vec::new() };
        let ledger = self.habits.weigh();
        let Seat { key, networks, time, .. } = *seat;
        Some(Incident::new(&Scene { key, consumer, ledger: &ledger, told, at: time, networks }, requests))
    }

    /// What has not been told of an open incident.
    pub fn rest(&mut self, seat: &Seat<'_>) -> Option<Incident> {
        let theft = self.theft.filter(|_| !self.suspects.is_empty())?;
        let time = crate::time::Stamp::utc(Timestamp(theft.last * crate::time::SECOND));
        self.tell(&Seat { time, ..*seat })
    }

    /// Memory, in bytes.
    pub fn bytes(&self) -> usize {
        let requests =
            self.suspects.iter().map(|suspect| heap::allocated(suspect.request.len())).sum::<usize>();
        heap::vector::<Self>(1) - heap::vector::<Habits>(1)
            + self.habits.bytes()
            + heap::vector::<Suspect>(self.suspects.capacity())
            + requests
    }
}

//! From habits to incidents: what a key without addresses and clients is told of.
//!
//! One incident a day and key: while it is open, what looks like the thief's is added to it.

use super::evidence::weigh;
use super::sums::Sums;
use super::{Habits, Look};
use crate::detect::Severity;
use crate::heap;
use crate::incident::budget::{Highest, Way};
use crate::incident::cohort::Act;
use crate::incident::event::{Consumer, Incident, Phase, Scene, Told, incident_id, is_news, severity};
use crate::incident::fleet::Around;
use crate::incident::owner::seconds;
use crate::incident::watch::Seat;
use crate::time::{SECOND, Stamp, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Seconds for which an incident is open, and for which what was suspect before counts for it.
pub const OPEN: i64 = 86_400;
/// Seconds after an incident was said to be none in which nobody is accused: what it was is learned as the owner's.
const PARDON: i64 = 3 * 86_400;
/// Suspect requests that are kept until there is an incident, and identifiers until they are told.
pub const SUSPECTS_MAX: usize = 100;
/// Marks the numbers of consumers that are told apart by what is usual for the key, not by who they are.
pub const HABITS: u32 = 1 << 31;

/// A key of which nothing but its habits is known.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Regular {
    told_by: ToldBy,
    habits: Habits,
    sums: Sums,
    suspects: VecDeque<Suspect>,
    /// The open incident, and how many there have been.
    theft: Option<Theft>,
    numbered: u32,
    /// In seconds: until when everything is the owner's.
    pardoned: i64,
    /// The highest score of the day, until it was told, and whether it was.
    highest: Highest,
    is_told: bool,
}

/// What tells of a key's use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ToldBy {
    /// Its requests, one by one.
    Requests,
    /// Sums of an hour or less, as providers report them.
    Sums,
}

/// A request that is likelier somebody else's than the owner's.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Suspect {
    at: i64,
    /// How many requests it stands for, and the dollars of all of them.
    count: u32,
    cost: f64,
    /// The identifier of a request; of a sum, what it is of.
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
    /// The highest score, cut off where it was told.
    highest: Highest,
}

impl Regular {
    /// A key at its first record.
    pub fn new(at: Timestamp, told_by: ToldBy) -> Self {
        Self {
            told_by,
            habits: Habits::new(at),
            sums: Sums::new(),
            suspects: VecDeque::new(),
            theft: None,
            numbered: 0,
            pardoned: i64::MIN,
            highest: Highest::default(),
            is_told: false,
        }
    }

    /// Takes a record; what follows from it.
    pub fn take(&mut self, act: &Act<'_>, seat: &Seat<'_>, fleet: &mut Around<'_>) -> Option<Incident> {
        let at = act.at;
        let is_own = at < self.pardoned || self.theft.is_none() && seat.expects(act.identity);
        let look = self.look(act, seat.time.at, is_own, fleet);
        if is_own {
            self.sums.forgive();
            self.suspects.clear();
            return None;
        }
        let is_over = self.theft.is_some_and(|theft| at - theft.opened > OPEN);
        let closing = if is_over { self.end(seat.time, Phase::Resolved, seat) } else { None };
        while self.suspects.front().is_some_and(|suspect| {
            self.suspects.len() >= SUSPECTS_MAX || self.theft.is_none() && at - suspect.at > OPEN
        }) {
            self.suspects.pop_front();
        }
        if look == Look::Usual {
            return closing;
        }
        let cost = act.cost * f64::from(act.count());
        if look == Look::Suspect {
            // Before it is told, a suspect request is that of the next theft.
            let number = self.numbered + u32::from(self.theft.is_none());
            fleet.taken.consumer = number | HABITS;
            self.suspects.push_back(Suspect { at, count: act.count(), cost, request: act.request.into() });
        }
        match &mut self.theft {
            Some(theft) if look == Look::Suspect => {
                theft.records = theft.records.saturating_add(act.count());
                theft.spent += cost;
                theft.last = theft.last.max(at);
                let is_news = is_news(self.suspects.len(), theft.records, theft.spent, theft.told);
                (is_news && seat.bar.is_heard()).then(|| self.tell(seat)).flatten()
            }
            Some(_) => None,
            // Judged at the next record: one event follows from one record.
            None if closing.is_some() => closing,
            None => self.judge(at, seat, fleet),
        }
    }

    fn look(&mut self, act: &Act<'_>, at: Timestamp, is_own: bool, fleet: &mut Around<'_>) -> Look {
        if self.habits.begins_day(act.at) {
            self.sums.end_day(self.habits.days);
            let highest = std::mem::take(&mut self.highest);
            if !std::mem::take(&mut self.is_told) {
                fleet.news.tally.end(Way::Habits, highest);
            }
        }
        if self.habits.begins_day(act.at) || self.habits.is_first() {
            fleet.news.tally.use_on(Way::Habits, act.at.div_euclid(86_400));
        }
        let pause = self.habits.last.pause(at);
        if pause > 0.0 {
            self.sums.fade(pause);
        }
        let Around { known, news, .. } = fleet;
        let (known, news) = match self.told_by {
            ToldBy::Requests => (&known.sizes, &mut news.sizes),
            ToldBy::Sums => (&known.mean_sizes, &mut news.mean_sizes),
        };
        let added = self.habits.take(at, act, is_own, known, news);
        #[allow(clippy::cast_precision_loss, reason = "requests of an hour")]
        self.sums.add(&added, act.count() as f32);
        Look::of(&added)
    }

    fn judge(&mut self, at: i64, seat: &Seat<'_>, fleet: &mut Around<'_>) -> Option<Incident> {
        let score = weigh(&self.habits, &self.sums).score();
        if !self.is_told {
            fleet.news.tally.reach(Way::Habits, &mut self.highest, score);
            fleet.taken.score = Some(score);
        }
        if score < seat.bar.nats {
            return None;
        }
        self.is_told = true;
        let mut highest = std::mem::take(&mut self.highest);
        fleet.news.tally.tell(Way::Habits, &mut highest, seat.bar.nats);
        let records = self.suspects.iter().fold(0_u32, |sum, suspect| sum.saturating_add(suspect.count));
        let spent = self.suspects.iter().map(|suspect| suspect.cost).sum();
        let first = self.suspects.iter().map(|suspect| suspect.at).min().unwrap_or(at);
        let told = Told::first((records, spent), seat.time.at, seat.bar.nats);
        self.theft = Some(Theft { opened: at, first, last: at, records, spent, told, highest });
        self.numbered += 1;
        let id = self.id(seat)?;
        if seat.is_dismissed(&id) {
            // Said before it was told: when records are read again, or statements in another order.
            self.pardon(at, self.theft?, fleet);
            return None;
        }
        self.tell_as(Told { phase: seat.phase(&id), ..told }, seat)
    }

    /// The number among consumers; those that are told apart have numbers below.
    const fn number(&self) -> u32 {
        self.numbered | HABITS
    }

    fn id(&self, seat: &Seat<'_>) -> Option<String> {
        Some(incident_id(seat.key.id, self.theft?.first, self.number()))
    }

    /// Everything is the owner's, what is open and what comes.
    fn pardon(&mut self, at: i64, mut theft: Theft, fleet: &mut Around<'_>) {
        fleet.news.tally.decide(Way::Habits, &mut theft.highest, false);
        fleet.news.tally.end(Way::Habits, theft.highest);
        self.theft = None;
        self.suspects.clear();
        self.sums.forgive();
        self.pardoned = at + PARDON;
    }

    /// An operator has said what an incident is; what follows from it, if it is this one.
    pub fn hear(&mut self, id: &str, seat: &Seat<'_>, fleet: &mut Around<'_>) -> Option<Incident> {
        if self.id(seat)? != id {
            return None;
        }
        if !seat.is_dismissed(id) {
            if let (Phase::Confirmed, Some(Theft { highest, .. })) = (seat.phase(id), &mut self.theft) {
                fleet.news.tally.decide(Way::Habits, highest, true);
            }
            return self.tell(seat);
        }
        let theft = self.theft?;
        let incident = self.end(seat.time, Phase::Dismissed, seat);
        self.pardon(seconds(seat.time.at), theft, fleet);
        incident
    }

    /// When the open incident is over, in seconds.
    pub fn due(&self) -> Option<i64> {
        self.theft.map(|theft| theft.opened + OPEN)
    }

    /// How bad the open incident is.
    pub fn open(&self) -> Option<Severity> {
        self.theft.map(|theft| severity([theft.first, theft.last], theft.spent))
    }

    /// Tells of the open incident if it is over by now.
    pub fn settle(&mut self, seat: &Seat<'_>) -> Option<Incident> {
        let due = self.due().filter(|due| *due <= seconds(seat.time.at))?;
        self.end(Stamp::utc(Timestamp(due * SECOND)), Phase::Resolved, seat)
    }

    /// Tells how an incident ends.
    fn end(&mut self, time: Stamp, phase: Phase, seat: &Seat<'_>) -> Option<Incident> {
        let Theft { records, spent, told, .. } = self.theft?;
        let told = Told::after(told, (records, spent), phase);
        let incident = self.tell_as(told, &Seat { time, ..*seat });
        self.theft = None;
        self.suspects.clear();
        incident
    }

    /// Tells how an incident has grown.
    fn tell(&mut self, seat: &Seat<'_>) -> Option<Incident> {
        let Theft { records, spent, told, .. } = self.theft?;
        let phase = seat.phase(&self.id(seat)?);
        self.tell_as(Told::after(told, (records, spent), phase), seat)
    }

    fn tell_as(&mut self, told: Told, seat: &Seat<'_>) -> Option<Incident> {
        self.theft.as_mut()?.told = told;
        let requests = self.suspects.drain(..).map(|suspect| suspect.request).collect();
        self.incident(told, requests, seat)
    }

    /// The open incident as it was told last, with what has not been told of it.
    pub fn retell(&self, seat: &Seat<'_>) -> Option<Incident> {
        let Theft { told, last, .. } = self.theft?;
        let requests = self.suspects.iter().map(|suspect| suspect.request.clone()).collect();
        self.incident(told, requests, &Seat { time: Stamp::utc(Timestamp(last * SECOND)), ..*seat })
    }

    fn incident(&self, told: Told, requests: Vec<Box<str>>, seat: &Seat<'_>) -> Option<Incident> {
        let Theft { first, last, records, spent, .. } = self.theft?;
        let consumer = Consumer {
            number: self.number(),
            first,
            last,
            records,
            spent,
            place: None,
            addresses: Vec::new(),
            is_shared: false,
            theft: None,
        };
        let ledger = weigh(&self.habits, &self.sums);
        let Seat { key, networks, time, said, .. } = *seat;
        let scene = Scene { key, consumer, ledger: &ledger, told, at: time, networks, said };
        let mut incident = Incident::new(&scene, requests);
        if self.told_by == ToldBy::Sums {
            incident.buckets = std::mem::take(&mut incident.request_ids);
        }
        Some(incident)
    }

    /// What has not been told of an open incident.
    pub fn rest(&mut self, seat: &Seat<'_>) -> Option<Incident> {
        let theft = self.theft.filter(|_| !self.suspects.is_empty())?;
        let time = Stamp::utc(Timestamp(theft.last * SECOND));
        self.tell(&Seat { time, ..*seat })
    }

    /// Memory, in bytes.
    pub fn bytes(&self) -> usize {
        let requests =
            self.suspects.iter().map(|suspect| heap::allocated(suspect.request.len())).sum::<usize>();
        heap::vector::<Self>(1)
            + self.habits.heap_bytes()
            + self.sums.heap_bytes()
            + heap::vector::<Suspect>(self.suspects.capacity())
            + requests
    }
}

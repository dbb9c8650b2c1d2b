//! One key: its owner, and everybody else who uses it.

use super::budget::{Bar, Way};
use super::case::Case;
use super::cohort::{Act, Cohort, Name};
use super::event::{Incident, Phase, Scene, Told, incident_id, is_news, severity};
use super::evidence::{Ledger, weigh};
use super::fleet::{Around, Fleet, OWNER};
use super::habits::Habits;
use super::identity::Identity;
use super::novelty::{Kind, rate};
use super::owner::{Owner, Seen, seconds};
use super::statements::Said;
use crate::detect::{KeyProfile, Severity};
use crate::heap;
use crate::networks::Networks;
use crate::time::{SECOND, Stamp, Timestamp};
use serde::{Deserialize, Serialize};

/// Unknown consumers of one key.
const COHORTS_MAX: usize = 12;
/// At first everything is the owner's, for so many seconds or records.
const BEGINNING: (i64, u64) = (6 * 3600, 3);
/// Seconds after which an unknown consumer of a young key is accepted, and how old that is in days.
const YOUNG: (i64, f64) = (86_400, 30.0);
/// Days in use, and seconds, after which one that replaced the owner is accepted.
const SETTLED: (u32, i64) = (4, 4 * 86_400);
/// Seconds of silence after which one has left.
const GONE: i64 = 5 * 86_400;
/// The same of one who was said to be a thief.
const THIEF_GONE: i64 = 30 * 86_400;
/// Evidence is weighed at every one of the first records, then at every twentieth.
const EVERY: (u32, u32) = (60, 20);

/// A key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Watch {
    owner: Owner,
    /// How the owner uses it.
    habits: Habits,
    cohorts: Vec<Cohort>,
    /// How many cohorts there have been.
    numbered: u32,
    /// The latest consumer, when it was last there, and when anybody else was.
    latest: (u32, i64, Option<i64>),
}

/// What is the same for all that is done with a record.
pub struct Seat<'a> {
    pub key: &'a KeyProfile,
    pub time: Stamp,
    /// What a score must come to.
    pub bar: Bar,
    /// Families of clients that make load tests.
    pub load_tools: &'a [u64],
    pub networks: &'a Networks,
    /// What operators have said of the key.
    pub said: Option<&'a Said>,
}

impl Seat<'_> {
    /// Whether somebody like this is expected by now.
    pub fn expects(&self, identity: &Identity) -> bool {
        self.said.is_some_and(|said| said.expects(seconds(self.time.at), identity))
    }

    /// Whether an incident was said to be none.
    pub fn is_dismissed(&self, incident: &str) -> bool {
        self.said.is_some_and(|said| said.is_dismissed(incident))
    }

    /// What an incident is that goes on.
    pub fn phase(&self, incident: &str) -> Phase {
        let is_confirmed = self.said.is_some_and(|said| said.is_confirmed(incident));
        if is_confirmed { Phase::Confirmed } else { Phase::Open }
    }
}

impl Watch {
    /// A key at its first record.
    pub fn new(time: Timestamp, identity: &Identity) -> Self {
        let at = seconds(time);
        Self {
            owner: Owner::new(at, identity.place.as_ref()),
            habits: Habits::new(time),
            cohorts: Vec::new(),
            numbered: OWNER,
            latest: (OWNER, at, None),
        }
    }

    /// All memory, in bytes.
    pub fn bytes(&self) -> usize {
        heap::vector::<Self>(1)
            + self.owner.heap_bytes()
            + self.habits.heap_bytes()
            + heap::vector::<Cohort>(self.cohorts.capacity())
            + self.cohorts.iter().map(Cohort::heap_bytes).sum::<usize>()
    }

    /// Takes a record; what follows from it. Says where it may take more memory by now, or less.
    pub fn take(
        &mut self,
        act: &Act<'_>,
        seat: &Seat<'_>,
        fleet: &mut Around<'_>,
        is_changed: &mut bool,
    ) -> Option<Incident> {
        *is_changed |= self.let_go(act.at, fleet);
        let (network, block) = self.owner.knows_place(act.identity.place.as_ref());
        let client = self.owner.knows_client(act.identity);
        let is_beginning = act.at - self.owner.first < BEGINNING.0 || self.owner.records < BEGINNING.1;
        if network && block && client || is_beginning {
            *is_changed |= self.take_own(act, seat.time.at, fleet) || is_beginning;
            return None;
        }
        *is_changed = true;
        let name = self.name(act.identity, [!network, !block, !client], fleet.known);
        if seat.expects(act.identity) && self.welcome(name, act, seat.time.at, fleet) {
            return None;
        }
        let place = match self.cohorts.iter().position(|cohort| cohort.name == name) {
            Some(place) => place,
            None => self.begin(name, act, [!network, network && !block, !client], fleet),
        };
        fleet.taken.consumer = self.cohorts[place].number;
        self.take_other(place, act, seat.time.at, fleet);
        let before = self.cohorts.len();
        let found = self.judge(place, seat, fleet);
        if self.cohorts.len() == before {
            self.accept(place, seat, fleet);
        }
        found
    }

    /// Takes somebody who was announced as the owner's, with all that he did before; not whoever was told as a thief.
    fn welcome(&mut self, name: Name, act: &Act<'_>, time: Timestamp, fleet: &mut Around<'_>) -> bool {
        match self.cohorts.iter().position(|cohort| cohort.name == name) {
            Some(place) if self.cohorts[place].incident.is_some() => return false,
            Some(place) => self.adopt(place, act.at, fleet),
            None => {}
        }
        self.take_own(act, time, fleet);
        true
    }

    /// Takes a record of the owner's; true where something of it was new, and takes memory.
    fn take_own(&mut self, act: &Act<'_>, time: Timestamp, fleet: &mut Around<'_>) -> bool {
        let mut grows = self.habits.take_own(time, act, &mut fleet.news.sizes);
        let is_new = self.owner.accept(act.at, act.identity);
        fleet.news.add(act.identity, is_new);
        let size = act.size();
        let seen = Seen {
            at: act.at,
            identity: act.identity,
            model: act.model,
            endpoint: act.endpoint,
            size,
            cost: act.cost,
        };
        self.owner.lists |= act.is_list;
        fleet.news.tally.spend(act.cost);
        let names = self.owner.names();
        if self.owner.learn(&seen, &fleet.known.shape) {
            fleet.news.tally.use_on(Way::Consumer, act.at.div_euclid(86_400));
            fleet.news.fellows[usize::from(self.owner.born_on_server)].active += 1.0;
        }
        if let Some(size) = size {
            fleet.news.shape.add(size);
        }
        self.cohorts.iter_mut().for_each(|cohort| cohort.meet(act.at));
        self.note(OWNER, act.at);
        grows |= self.owner.names() != names;
        grows
    }

    /// Who used the key last, and who before.
    fn note(&mut self, number: u32, at: i64) {
        let (latest, seen, other) = self.latest;
        self.latest = if latest == number { (number, at.max(seen), other) } else { (number, at, Some(seen)) };
    }

    fn name(&self, identity: &Identity, is_new: [bool; 3], fleet: &Fleet) -> Name {
        let [network, _, client] = is_new;
        match &identity.place {
            _ if client => Name::Client(identity.client, self.owner.clients.has(identity.client)),
            Some(place) if network || self.rate_of_blocks(identity, fleet) < 0.082 => {
                Name::Network(place.network)
            }
            Some(place) => Name::Block(place.block),
            None => Name::Client(identity.client, false),
        }
    }

    /// The part of the owner's days with a new block of addresses.
    fn rate_of_blocks(&self, identity: &Identity, fleet: &Fleet) -> f64 {
        let own = self.owner.newcomer_days(Some(identity.client), Kind::Block, 0);
        let fellows = &fleet.fellows[usize::from(self.owner.born_on_server)];
        rate(own, self.owner.active_days, fellows, Kind::Block, 0)
    }

    fn begin(&mut self, name: Name, act: &Act<'_>, is_new: [bool; 3], fleet: &mut Around<'_>) -> usize {
        if self.cohorts.len() >= COHORTS_MAX {
            let oldest = (0..self.cohorts.len())
                .min_by_key(|&place| (self.cohorts[place].incident.is_some(), self.cohorts[place].last));
            let oldest = self.cohorts.remove(oldest.unwrap_or(0));
            if oldest.incident.is_none() {
                fleet.news.tally.end(Way::Consumer, oldest.highest);
            }
        }
        self.numbered += 1;
        self.cohorts.push(Cohort::new(name, self.numbered, act, is_new, &self.owner));
        self.cohorts.len() - 1
    }

    fn take_other(&mut self, place: usize, act: &Act<'_>, time: Timestamp, fleet: &mut Around<'_>) {
        let (latest, seen, other) = self.latest;
        let number = self.cohorts[place].number;
        let before = if latest == number { other } else { Some(seen) };
        let roams = matches!(self.cohorts[place].name, Name::Block(_))
            && self.cohorts[place].visits < 2
            && self.rate_of_blocks(act.identity, fleet.known) > 0.37;
        let cohort = &mut self.cohorts[place];
        cohort.take(act, &self.owner, &fleet.known.shape, before);
        cohort.compare(act, time, &self.habits, &fleet.known.sizes);
        self.note(number, act.at);
        if roams {
            self.owner.learn_time(act.at, act.identity.place.as_ref().map_or(0, |place| place.fine));
        }
    }

    fn judge(&mut self, place: usize, seat: &Seat<'_>, fleet: &mut Around<'_>) -> Option<Incident> {
        let cohort = &mut self.cohorts[place];
        if cohort.records > EVERY.0 && !cohort.records.is_multiple_of(EVERY.1) {
            return None;
        }
        cohort.report(seat.key.id, fleet.news);
        cohort.look_elsewhere(seat.key.id, fleet.known);
        let ledger = self.weigh(&self.cohorts[place], fleet.known, seat.load_tools);
        let (score, dollars) = (ledger.score(), self.owner.daily_spend());
        fleet.taken.score = Some(score);
        let cohort = &mut self.cohorts[place];
        if cohort.incident.is_none() {
            fleet.news.tally.reach(Way::Consumer, &mut cohort.highest, seat.bar.level(score, dollars));
        }
        let worth = (cohort.records, cohort.spent);
        let told = match cohort.incident {
            None if score >= seat.bar.of(dollars) => {
                fleet.news.tally.tell(Way::Consumer, &mut cohort.highest, seat.bar.nats);
                cohort.name_theft(fleet.known);
                Told::first(worth, seat.time.at, seat.bar.of(dollars))
            }
            Some(told) if seat.bar.is_heard() && is_news(cohort.requests.len(), worth.0, worth.1, told) => {
                Told::after(told, worth, told.phase)
            }
            _ => return None,
        };
        let id = self.id(place, seat);
        if seat.is_dismissed(&id) {
            // Said before it was told: when records are read again, or statements in another order.
            fleet.news.tally.decide(Way::Consumer, &mut self.cohorts[place].highest, false);
            self.adopt(place, seconds(seat.time.at), fleet);
            return None;
        }
        let incident = self.tell(place, seat, &ledger, seat.time, Told { phase: seat.phase(&id), ..told });
        self.cohorts[place].report(seat.key.id, fleet.news);
        Some(incident)
    }

    fn id(&self, place: usize, seat: &Seat<'_>) -> String {
        let cohort = &self.cohorts[place];
        incident_id(seat.key.id, cohort.first, cohort.number)
    }

    /// An operator has said what an incident is; what follows from it, if it is one of these.
    pub fn hear(&mut self, id: &str, seat: &Seat<'_>, fleet: &mut Around<'_>) -> Option<Incident> {
        let is_meant = |place: &usize| self.cohorts[*place].incident.is_some() && self.id(*place, seat) == id;
        let place = (0..self.cohorts.len()).find(is_meant)?;
        let is_dismissed = seat.is_dismissed(id);
        let phase = if is_dismissed { Phase::Dismissed } else { seat.phase(id) };
        let ledger = self.weigh(&self.cohorts[place], fleet.known, seat.load_tools);
        let incident = self.go_on(place, seat, &ledger, seat.time, phase)?;
        if is_dismissed {
            fleet.news.tally.decide(Way::Consumer, &mut self.cohorts[place].highest, false);
            self.cohorts[place].incident = None;
            self.adopt(place, seconds(seat.time.at), fleet);
        } else if phase == Phase::Confirmed {
            fleet.news.tally.decide(Way::Consumer, &mut self.cohorts[place].highest, true);
        }
        Some(incident)
    }

    /// When the next open incident is over, in seconds, if nothing more comes of it for as long as that takes.
    pub fn due(&self, quiet: i64) -> Option<i64> {
        self.cohorts.iter().filter(|cohort| cohort.is_open()).map(|cohort| cohort.last + quiet).min()
    }

    /// How bad each of its open incidents is.
    pub fn open(&self) -> impl Iterator<Item = Severity> {
        let open = self.cohorts.iter().filter(|cohort| cohort.is_open());
        open.map(|cohort| severity([cohort.first, cohort.last], cohort.spent))
    }

    /// Tells of the open incidents that are over by now.
    pub fn settle(&mut self, seat: &Seat<'_>, fleet: &Fleet, quiet: i64) -> Vec<Incident> {
        let now = seconds(seat.time.at);
        let mut over = Vec::new();
        for place in 0..self.cohorts.len() {
            let cohort = &mut self.cohorts[place];
            if cohort.is_open() && cohort.last + quiet <= now {
                cohort.look_elsewhere(seat.key.id, fleet);
                let cohort = &self.cohorts[place];
                let at = Stamp::utc(Timestamp((cohort.last + quiet) * SECOND));
                let ledger = self.weigh(cohort, fleet, seat.load_tools);
                over.extend(self.go_on(place, seat, &ledger, at, Phase::Resolved));
            }
        }
        over
    }

    /// The owner.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Everybody else, with what speaks for and against each and what an incident of his is called.
    pub fn strangers<'a>(
        &'a self,
        seat: &'a Seat<'_>,
        fleet: &'a Fleet,
    ) -> impl Iterator<Item = (&'a Cohort, Ledger, String)> {
        self.cohorts.iter().enumerate().map(move |(place, cohort)| {
            (cohort, self.weigh(cohort, fleet, seat.load_tools), self.id(place, seat))
        })
    }

    fn weigh(&self, cohort: &Cohort, fleet: &Fleet, load_tools: &[u64]) -> Ledger {
        weigh(&self.case(cohort, fleet, load_tools))
    }

    fn case<'a>(&'a self, cohort: &'a Cohort, fleet: &'a Fleet, load_tools: &[u64]) -> Case<'a> {
        let is_load_tool = load_tools.contains(&cohort.identity.client);
        Case { owner: &self.owner, cohort, fleet, is_load_tool }
    }

    /// Tells of one that has been told what has become of it.
    fn go_on(
        &mut self,
        place: usize,
        seat: &Seat<'_>,
        ledger: &Ledger,
        at: Stamp,
        phase: Phase,
    ) -> Option<Incident> {
        let cohort = &self.cohorts[place];
        let told = Told::after(cohort.incident?, (cohort.records, cohort.spent), phase);
        Some(self.tell(place, seat, ledger, at, told))
    }

    fn tell(&mut self, place: usize, seat: &Seat<'_>, ledger: &Ledger, at: Stamp, told: Told) -> Incident {
        let cohort = &mut self.cohorts[place];
        cohort.incident = Some(told);
        let requests = std::mem::take(&mut cohort.requests);
        let Seat { key, networks, said, .. } = *seat;
        let scene = Scene { key, consumer: cohort.consumer(), ledger, told, at, networks, said };
        Incident::new(&scene, requests)
    }

    /// Accepts a consumer that has been there for long enough, as the owner.
    fn accept(&mut self, place: usize, seat: &Seat<'_>, fleet: &mut Around<'_>) {
        let at = seconds(seat.time.at);
        let cohort = &self.cohorts[place];
        if cohort.incident.is_some() {
            return;
        }
        let age = at - cohort.first;
        let is_young = self.owner.age_days(at) < YOUNG.1 && age > YOUNG.0;
        let is_settled = age >= SETTLED.1 && cohort.days >= SETTLED.0;
        if is_young || is_settled && self.case(cohort, fleet.known, seat.load_tools).is_owner_moved() {
            self.adopt(place, at, fleet);
        }
    }

    /// Makes a consumer the owner's.
    fn adopt(&mut self, place: usize, at: i64, fleet: &mut Around<'_>) {
        let cohort = self.cohorts.remove(place);
        fleet.taken.consumer = cohort.number;
        fleet.taken.is_adopted = true;
        self.count(&cohort, fleet);
        let is_new = self.owner.accept(at, &cohort.identity);
        fleet.news.add(&cohort.identity, is_new);
        self.owner.accept_places(at, &cohort);
    }

    /// Lets those go who have not been there for days; a newcomer that was no thief is one that is usual. True where any went.
    fn let_go(&mut self, at: i64, fleet: &mut Around<'_>) -> bool {
        let is_gone = |cohort: &Cohort| at - cohort.last > if cohort.is_thief() { THIEF_GONE } else { GONE };
        let before = self.cohorts.len();
        while let Some(place) = self.cohorts.iter().position(is_gone) {
            let cohort = self.cohorts.remove(place);
            self.count(&cohort, fleet);
        }
        self.cohorts.len() != before
    }

    fn count(&mut self, cohort: &Cohort, fleet: &mut Around<'_>) {
        if cohort.incident.is_some() {
            return;
        }
        fleet.news.tally.end(Way::Consumer, cohort.highest);
        let kinds = [Kind::Network, Kind::Block, Kind::Client];
        for (kind, _) in kinds.into_iter().zip(cohort.is_new).filter(|(_, is_new)| *is_new) {
            let client = if cohort.is_new[2] { 0 } else { cohort.identity.client };
            self.owner.add_newcomer(client, kind, cohort.level());
            fleet.news.fellows[usize::from(self.owner.born_on_server)].days.add(kind, cohort.level());
        }
    }

    /// What has not been told of open incidents.
    pub fn rest(&mut self, seat: &Seat<'_>, fleet: &Fleet) -> Vec<Incident> {
        let mut rest = Vec::new();
        for place in 0..self.cohorts.len() {
            let cohort = &mut self.cohorts[place];
            if cohort.incident.is_some() && !cohort.requests.is_empty() {
                cohort.look_elsewhere(seat.key.id, fleet);
                let cohort = &self.cohorts[place];
                let at = Stamp::utc(Timestamp(cohort.last * SECOND));
                let ledger = self.weigh(cohort, fleet, seat.load_tools);
                let phase = seat.phase(&self.id(place, seat));
                rest.extend(self.go_on(place, seat, &ledger, at, phase));
            }
        }
        rest
    }
}

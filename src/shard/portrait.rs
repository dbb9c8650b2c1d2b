//! Keys looked at closely: those that spend most, those that are most at risk, and those that somebody asks for. Looking
//! changes nothing.

use super::state::KeyState;
use super::{Event, Shard, Standing, Witnessed};
use crate::detect::{Severity, pages};
use crate::incident::{Incident, Owned, Stranger};
use crate::key::KeyId;
use crate::money::NanoUsd;
use crate::time::{Day, Timestamp};
use crate::window::STEPS;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::sync::Arc;

/// Days that are told of a key.
pub const DAYS: i32 = 30;
/// Models that are told of a key.
const MODELS_MAX: usize = 64;

/// What is looked at.
#[derive(Clone, Debug, Default)]
pub struct Sitting {
    /// So many of those that spend most, and as many of those most at risk.
    pub top: usize,
    /// And these.
    pub asked: Vec<KeyId>,
    /// The instant before which the last hour is.
    pub now: Timestamp,
    /// What is open is told once more, up to so many alerts and incidents: whoever looks has not heard of it.
    pub retell_max: usize,
}

/// One key.
#[derive(Clone, PartialEq, Debug)]
pub struct Portrait {
    /// How it stands.
    pub standing: Standing,
    /// Its owner's name for it; may be empty.
    pub alias: Arc<str>,
    /// What it spent in the last hour, by steps of five minutes, oldest first.
    pub hour: [NanoUsd; STEPS],
    /// Its days with use among the last thirty, oldest first: requests and what they cost.
    pub days: Vec<(Day, u64, NanoUsd)>,
    /// Its models, sorted.
    pub models: Vec<Arc<str>>,
    /// How many addresses are remembered of it.
    pub addresses: usize,
    /// Nobody may use it.
    pub is_canary: bool,
    /// Since when nobody can or may use it.
    pub revoked: Option<Timestamp>,
    /// Its owner, where incidents are looked for and records tell of one.
    pub owner: Option<Owned>,
    /// Everybody else.
    pub strangers: Vec<Stranger>,
}

/// How much a key spends: on its newest day, in the last hour, ever.
type Spends = (NanoUsd, NanoUsd, NanoUsd, Reverse<KeyId>);

impl Portrait {
    /// What it spent in the last hour.
    pub fn hour_cost(&self) -> NanoUsd {
        total(&self.hour)
    }

    /// How much it spends, to bring keys into an order.
    pub fn spends(&self) -> Spends {
        let Standing { id, sums, .. } = &self.standing;
        (sums.day_cost, self.hour_cost(), sums.cost, Reverse(*id))
    }
}

fn total(hour: &[NanoUsd]) -> NanoUsd {
    hour.iter().fold(NanoUsd::ZERO, |sum, step| sum + *step)
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Gallery {
    /// The keys, in no order that matters.
    pub portraits: Vec<Portrait>,
    /// What is open, where that was asked for.
    pub retold: Vec<Event>,
}

impl Shard {
    /// Looks at keys.
    pub(super) fn sit(&self, sitting: &Sitting) -> Gallery {
        let mut chosen: BTreeSet<KeyId> = sitting.asked.iter().copied().collect();
        let (mut spends, mut risks) = (Highest::new(sitting.top), Highest::new(sitting.top));
        for state in self.keys.states() {
            let (id, sums) = (state.profile.id, state.sums());
            spends.push((sums.day_cost, total(&state.last_hour(sitting.now)), sums.cost, Reverse(id)));
            risks.push(sums.rank(id));
        }
        chosen.extend(spends.into_iter().map(|rank| rank.3.0));
        chosen.extend(risks.into_iter().map(|rank| rank.4.0));
        let found = chosen.iter().filter_map(|id| self.keys.find(*id)).filter_map(|slot| self.keys.at(slot));
        let portraits = found.map(|state| self.portrait(state, sitting.now)).collect();
        Gallery { portraits, retold: self.retell(sitting.retell_max) }
    }

    fn portrait(&self, state: &KeyState, now: Timestamp) -> Portrait {
        let users = self.observer.as_ref().map(|observer| observer.users(&state.watch, &state.profile));
        let (owner, strangers) = users.unwrap_or_default();
        let mut models: Vec<Arc<str>> = state.models().cloned().collect();
        models.sort_unstable();
        models.truncate(MODELS_MAX);
        Portrait {
            standing: state.standing(&Witnessed::NONE),
            alias: Arc::clone(&state.profile.alias),
            hour: state.last_hour(now),
            days: state.latest_days(DAYS),
            models,
            addresses: state.addresses(),
            is_canary: state.profile.is_canary,
            revoked: state.revoked(),
            owner,
            strangers,
        }
    }

    /// What is open, up to `max` events; keys stand in the order of their fingerprints.
    fn retell(&self, max: usize) -> Vec<Event> {
        if max == 0 {
            return Vec::new();
        }
        let mut keys: Vec<&KeyState> = self.keys.states().filter(|state| state.part.open.is_some()).collect();
        keys.sort_unstable_by_key(|state| state.profile.id);
        let mut events: Vec<Event> = Vec::new();
        for state in keys {
            if let Some(observer) = &self.observer {
                let incidents = observer.retell(&state.watch, &state.profile);
                events.extend(incidents.into_iter().map(Event::Incident));
            }
            for alert in state.restate(&self.settings.rules) {
                let is_page =
                    self.observer.is_some() && alert.severity >= Severity::High && pages(alert.alert_type);
                let page = is_page.then(|| Incident::of_alert(&alert));
                events.extend(page.filter(|page| self.keys.wants(page)).map(Event::Incident));
                events.push(Event::Alert(alert));
            }
            if events.len() >= max {
                break;
            }
        }
        events.truncate(max);
        events
    }
}

/// The highest of what is pushed, so many of them: a million keys are looked at and none but these are held.
struct Highest<T> {
    heap: BinaryHeap<Reverse<T>>,
    count: usize,
}

impl<T: Ord> Highest<T> {
    const fn new(count: usize) -> Self {
        Self { heap: BinaryHeap::new(), count }
    }

    fn push(&mut self, one: T) {
        if self.heap.len() < self.count {
            self.heap.push(Reverse(one));
        } else if let Some(mut lowest) = self.heap.peek_mut()
            && one > lowest.0
        {
            *lowest = Reverse(one);
        }
    }

    fn into_iter(self) -> impl Iterator<Item = T> {
        self.heap.into_iter().map(|Reverse(one)| one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_are_kept_however_many_there_are() {
        for (count, expected) in [(0, &[][..]), (1, &[9]), (3, &[5, 7, 9]), (9, &[1, 5, 7, 9])] {
            let mut highest = Highest::new(count);
            for one in [5, 9, 1, 7] {
                highest.push(one);
            }
            let mut kept: Vec<i32> = highest.into_iter().collect();
            kept.sort_unstable();
            assert_eq!(kept, expected);
        }
    }
}

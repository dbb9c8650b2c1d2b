//! Single keys, for whoever shows them one by one: those that matter most, and what all keys together come to.

use super::state::KeyState;
use super::{Gallery, Open, Shard, Sitting, Witnessed};
use crate::detect::Severity;
use crate::key::KeyId;
use crate::money::NanoUsd;
use crate::time::Timestamp;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Which keys are asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// So many of those that matter most.
    pub top: usize,
    /// Those of these names.
    pub named: Witnessed,
    /// And these.
    pub held: Vec<KeyId>,
    /// That is what is asked, and not only what follows.
    pub is_of_roster: bool,
    /// Those that are looked at closely, if any are.
    pub sitting: Option<Sitting>,
}

/// How much a key matters: what is open of it, then what its newest day cost, then what it ever cost; a fingerprint is as
/// good as any order among equals.
pub type Rank = (u32, u32, NanoUsd, NanoUsd, Reverse<KeyId>);

/// How one key stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Its fingerprint.
    pub id: KeyId,
    /// What may be shown of it.
    pub hint: Arc<str>,
    /// It was asked for by its name.
    pub is_named: bool,
    /// What there is to say of it.
    pub sums: Sums,
    /// What a typical day of it costs, where it has a baseline.
    pub usual: Option<NanoUsd>,
    /// Its last use.
    pub last: Timestamp,
}

/// What can be added up over keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sums {
    /// Requests since the key is known, its history included.
    pub requests: u64,
    /// What they cost.
    pub cost: NanoUsd,
    /// What the newest day that is not over cost so far.
    pub day_cost: NanoUsd,
    /// What is open.
    pub open: Open,
}

impl Sums {
    /// Adds those of another key.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.cost += other.cost;
        self.day_cost += other.day_cost;
        self.open.add(&other.open);
    }

    /// How much the key matters whose they are.
    pub fn rank(&self, id: KeyId) -> Rank {
        let Self { cost, day_cost, open, .. } = self;
        let of = |severity| open.alerts_of(severity);
        let worst = of(Severity::Critical) + open.all_incidents();
        (worst, of(Severity::High), *day_cost, *cost, Reverse(id))
    }

    /// Takes those of another key away.
    pub fn subtract(&mut self, other: &Self) {
        self.requests = self.requests.saturating_sub(other.requests);
        self.cost = NanoUsd(self.cost.0 - other.cost.0);
        self.day_cost = NanoUsd(self.day_cost.0 - other.day_cost.0);
        self.open.subtract(&other.open);
    }
}

impl Standing {
    /// How much it matters.
    pub fn rank(&self) -> Rank {
        self.sums.rank(self.id)
    }
}

/// The keys that were asked for, and what all keys come to.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// The keys, in no order that matters.
    pub standings: Vec<Standing>,
    /// All keys, those among them.
    pub all: Sums,
    /// Keys as they are when one looks closely, where that was asked for.
    pub gallery: Option<Gallery>,
}

impl Shard {
    /// The keys that are asked for, and what all keys come to.
    pub fn census(&self, wanted: &Wanted) -> Census {
        let mut census = Census::default();
        let mut top: BinaryHeap<Reverse<Ranked>> = BinaryHeap::new();
        for state in self.keys.states() {
            let standing = state.standing(&wanted.named);
            census.all.add(&standing.sums);
            if standing.is_named || wanted.held.contains(&standing.id) {
                census.standings.push(standing);
            } else if wanted.top > 0 {
                top.push(Reverse(Ranked(standing)));
                if top.len() > wanted.top {
                    top.pop();
                }
            }
        }
        census.standings.extend(top.into_iter().map(|Reverse(Ranked(standing))| standing));
        census.gallery = wanted.sitting.as_ref().map(|sitting| self.sit(sitting));
        census
    }
}

impl KeyState {
    pub(super) fn standing(&self, named: &Witnessed) -> Standing {
        let profile = &self.profile;
        Standing {
            id: profile.id,
            hint: Arc::clone(&profile.hint),
            is_named: named.is_named(profile.id, &profile.hint, &profile.alias),
            sums: self.sums(),
            usual: self.usual_cost(),
            last: self.last_use(),
        }
    }
}

/// By rank.
struct Ranked(Standing);

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.rank().cmp(&other.0.rank())
    }
}

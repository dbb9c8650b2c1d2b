//! What is shown of a run to whoever looks inside: keys as shards see them at their beat, and the latest alerts and incidents.
//! Everything is bounded, and reading it asks nothing of those who work.

mod entry;
mod shelf;

pub use entry::{Entry, Moment};

use super::clock::{self, Arrival};
use crate::config::ApiPlan;
use crate::key::KeyId;
use crate::shard::{Census, Event, Portrait, Sitting, Sums};
use crate::time::{SECOND, Timestamp};
use shelf::Shelf;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// Keys that are looked at because somebody asks, and for how long after he did.
const ASKED_MAX: usize = 32;
const ASKED_FOR: i64 = 60 * SECOND;
/// Whoever asks for another key need not wait for the next look, but no look follows another sooner.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// So many times as long as a look takes nobody looks: a twentieth of the time is the most that looking costs.
const PAUSE: u32 = 20;
/// While alerts rain, they are shown no more often.
const SHOWN_EVERY: Duration = Duration::from_millis(100);

/// What can be seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Keys, at the last look.
    pub looks: Arc<Looks>,
    /// Incidents: open ones first, then the worst, then the latest.
    pub incidents: Vec<Arc<Entry>>,
    /// Alerts, the latest first.
    pub alerts: Vec<Arc<Entry>>,
}

/// Keys at one look.
#[derive(Clone, Debug, Default)]
pub struct Looks {
    /// When that was, by the clock; nothing before the first.
    pub at: Option<Timestamp>,
    /// How far records had come, by their own time.
    pub now: Option<Timestamp>,
    /// What all keys come to.
    pub all: Sums,
    /// The keys that were looked at.
    pub keys: BTreeMap<KeyId, Portrait>,
    /// Those that spend most, in order.
    pub by_spend: Vec<KeyId>,
    /// Those most at risk, in order.
    pub by_risk: Vec<KeyId>,
    /// Those that were asked for, found or not.
    pub asked: Vec<KeyId>,
}

/// How much is shown, for metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held {
    /// Incidents.
    pub incidents: usize,
    /// Alerts.
    pub alerts: usize,
    /// Bytes of both.
    pub bytes: usize,
    /// Those that gave way to later ones.
    pub dropped: u64,
    /// Keys.
    pub keys: usize,
}

/// Collects what is shown.
pub struct Board {
    plan: ApiPlan,
    looks: Arc<Looks>,
    incidents: Shelf,
    alerts: Shelf,
    dropped: u64,
    is_changed: bool,
    shown: Option<Arrival>,
    seen: watch::Sender<Arc<Seen>>,
    took: Arc<AtomicU64>,
}

/// Says when keys are to be looked at, and which.
pub struct Curiosity {
    asked: watch::Receiver<Vec<Asked>>,
    took: Arc<AtomicU64>,
    last: Option<Arrival>,
    refresh: Duration,
    sitting: Sitting,
    /// How much is told again at the next look, and how much at most.
    retell: [usize; 2],
}

/// Through which it is seen.
#[derive(Clone)]
pub struct Glass {
    seen: watch::Receiver<Arc<Seen>>,
    asked: Arc<watch::Sender<Vec<Asked>>>,
}

/// A key that somebody asked for, and when he did last.
#[derive(Clone, Copy, Debug)]
struct Asked {
    key: KeyId,
    at: Timestamp,
}

/// A board, who looks for it, and what it is seen through.
pub fn new(plan: &ApiPlan) -> (Board, Curiosity, Glass) {
    let (seen, shown) = watch::channel(Arc::default());
    let (asking, asked) = watch::channel(Vec::new());
    let took = Arc::new(AtomicU64::new(0));
    let board = Board {
        plan: plan.clone(),
        looks: Arc::default(),
        incidents: Shelf::default(),
        alerts: Shelf::default(),
        dropped: 0,
        is_changed: false,
        shown: None,
        seen,
        took: Arc::clone(&took),
    };
    let retell_max = plan.incidents_max.saturating_add(plan.alerts_max);
    let sitting = Sitting { top: plan.keys_max, ..Sitting::default() };
    let retell = [retell_max; 2];
    let curiosity = Curiosity { asked, took, last: None, refresh: plan.refresh, sitting, retell };
    (board, curiosity, Glass { seen: shown, asked: Arc::new(asking) })
}

/// The same where it is planned.
pub fn of(plan: Option<&ApiPlan>) -> (Option<Board>, Option<Curiosity>, Option<Glass>) {
    plan.map(new)
        .map_or((None, None, None), |(board, curiosity, glass)| (Some(board), Some(curiosity), Some(glass)))
}

impl Curiosity {
    /// What is to be looked at now, if it is time; `is_stale` where something has happened since. `now` is how far records
    /// have come.
    pub fn wants(&mut self, is_stale: bool, is_last: bool, now: Option<Timestamp>) -> Option<Sitting> {
        // A sender that has gone has nothing new to say.
        let is_asked = self.asked.has_changed().unwrap_or(false);
        let pause = Duration::from_micros(self.took.load(Ordering::Relaxed)).saturating_mul(PAUSE);
        let is_due = |after: Duration| self.last.is_none_or(|last| last.elapsed() >= after.max(pause));
        if !(is_last || is_stale && is_due(self.refresh) || is_asked && is_due(AGAIN_AFTER)) {
            return None;
        }
        self.last = Some(Arrival::now());
        let asked = self.asked.borrow_and_update().iter().map(|asked| asked.key).collect();
        let retell_max = std::mem::take(&mut self.retell[0]);
        Some(Sitting { asked, now: now.unwrap_or(Timestamp(0)), retell_max, ..self.sitting.clone() })
    }

    /// The next look tells once more what is open.
    #[cfg(feature = "kafka")]
    pub fn retell(&mut self) {
        self.retell[0] = self.retell[1];
    }
}

impl Board {
    /// Takes note of what is told.
    pub fn hear(&mut self, event: &Event) {
        if let Some(entry) = Entry::new(event) {
            self.put(entry);
        }
    }

    fn put(&mut self, entry: Entry) {
        let ApiPlan { incidents_max, alerts_max, events_bytes_max, .. } = self.plan;
        let (place, max) = if entry.is_incident() {
            (&mut self.incidents, incidents_max)
        } else {
            (&mut self.alerts, alerts_max)
        };
        place.put(entry);
        while place.len() > max {
            place.drop_one();
            self.dropped += 1;
        }
        // Alerts are many and short of life: they give way first.
        while self.alerts.bytes() + self.incidents.bytes() > events_bytes_max {
            if !self.alerts.drop_one() && !self.incidents.drop_one() {
                break;
            }
            self.dropped += 1;
        }
        self.is_changed = true;
    }

    /// Takes what shards have seen, each in its time.
    pub fn look(&mut self, sitting: &Sitting, counted: &[Census], took: Duration) {
        self.took.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let (mut all, mut keys) = (Sums::default(), BTreeMap::new());
        let mut retold = Vec::new();
        for census in counted {
            all.add(&census.all);
            let Some(gallery) = &census.gallery else { continue };
            keys.extend(gallery.portraits.iter().map(|portrait| (portrait.standing.id, portrait.clone())));
            retold.extend(&gallery.retold);
        }
        for entry in retold.into_iter().filter_map(Entry::new) {
            let known = if entry.is_incident() { &self.incidents } else { &self.alerts };
            if !known.has(&entry.id) {
                self.put(entry);
            }
        }
        let by_spend = ranked(&keys, sitting.top, Portrait::spends);
        let by_risk = ranked(&keys, sitting.top, |portrait| portrait.standing.rank());
        let is_shown =
            |key: &KeyId| by_spend.contains(key) || by_risk.contains(key) || sitting.asked.contains(key);
        keys.retain(|key, _| is_shown(key));
        self.looks = Arc::new(Looks {
            at: Some(clock::now()),
            now: Some(sitting.now).filter(|now| now.0 > 0),
            all,
            keys,
            by_spend,
            by_risk,
            asked: sitting.asked.clone(),
        });
        self.is_changed = true;
        self.shown = None;
    }

    /// Forgets when it was shown: what comes now is the last.
    pub fn hurry(&mut self) {
        self.shown = None;
    }

    /// Shows everything as it is by now, if it is another than before.
    pub fn show(&mut self) {
        if !self.is_changed || self.shown.is_some_and(|shown| shown.elapsed() < SHOWN_EVERY) {
            return;
        }
        (self.is_changed, self.shown) = (false, Some(Arrival::now()));
        let mut incidents = self.incidents.entries();
        incidents.sort_by(|one, other| other.weight().cmp(&one.weight()).then_with(|| one.id.cmp(&other.id)));
        let mut alerts = self.alerts.entries();
        alerts.sort_by(|one, other| other.updated.cmp(&one.updated).then_with(|| one.id.cmp(&other.id)));
        self.seen.send_replace(Arc::new(Seen { looks: Arc::clone(&self.looks), incidents, alerts }));
    }

    /// How much is shown.
    pub fn held(&self) -> Held {
        Held {
            incidents: self.incidents.len(),
            alerts: self.alerts.len(),
            bytes: self.incidents.bytes() + self.alerts.bytes(),
            dropped: self.dropped,
            keys: self.looks.keys.len(),
        }
    }
}

/// The keys that come first by a rank, the highest first.
fn ranked<T: Ord>(keys: &BTreeMap<KeyId, Portrait>, top: usize, rank: impl Fn(&Portrait) -> T) -> Vec<KeyId> {
    let mut ranked: Vec<(T, KeyId)> = keys.iter().map(|(key, portrait)| (rank(portrait), *key)).collect();
    ranked.sort_unstable_by(|one, other| other.cmp(one));
    ranked.into_iter().take(top).map(|(_, key)| key).collect()
}

impl Glass {
    /// What can be seen now.
    pub fn seen(&self) -> Arc<Seen> {
        Arc::clone(&self.seen.borrow())
    }

    /// The same once a key has been looked for, or after a while.
    pub async fn seen_with(&self, key: KeyId, within: Duration) -> Arc<Seen> {
        let now = clock::now();
        self.asked.send_if_modified(|list| {
            list.retain(|asked| now.0.saturating_sub(asked.at.0) < ASKED_FOR);
            if let Some(asked) = list.iter_mut().find(|asked| asked.key == key) {
                asked.at = now;
                return false;
            }
            if list.len() >= ASKED_MAX
                && let Some(oldest) = (0..list.len()).min_by_key(|at| list[*at].at)
            {
                list.remove(oldest);
            }
            list.push(Asked { key, at: now });
            true
        });
        let mut seen = self.seen.clone();
        let is_there =
            |seen: &Arc<Seen>| seen.looks.keys.contains_key(&key) || seen.looks.asked.contains(&key);
        let found = tokio::time::timeout(within, seen.wait_for(is_there)).await;
        match found {
            Ok(Ok(found)) => Arc::clone(&found),
            _ => self.seen(),
        }
    }

    /// Waits until something is another than it was.
    pub async fn changed(&mut self) -> bool {
        self.seen.changed().await.is_ok()
    }
}

#[cfg(test)]
mod tests;

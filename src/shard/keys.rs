//! The table of keys, under a limit of bytes.
//!
//! Who gives way: among new keys the oldest that have hardly been used. A key that has a baseline or has been
//! used in earnest never does, so that a flood of made-up keys can neither exhaust memory nor push out a victim.
//! Where only such keys are left, new ones are counted but not watched.

use super::state::KeyState;
use super::{Open, ShardSettings};
use crate::fault::{Mistake, planted};
use crate::heap;
use crate::incident::Incident;
use crate::key::KeyId;
use crate::record::{Batch, UsageRecord};
use crate::signal::Signals;
use crate::time::Timestamp;
use ahash::RandomState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Limits of memory. The defaults suit a box with a few hundred megabytes to spare.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Memory for the state of all keys, in bytes.
    pub state_bytes_max: usize,
    /// Requests remembered to tell second deliveries, 30 bytes each.
    pub dedup_entries_max: usize,
    /// Buckets and invoices remembered, so that only differences count when they are told again, 170 bytes each.
    pub bucket_entries_max: usize,
    /// Halves of requests that wait for the other one or are still waited for, up to 400 bytes each.
    pub join_entries_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            state_bytes_max: 256 << 20,
            dedup_entries_max: 4_000_000,
            bucket_entries_max: 900_000,
            join_entries_max: 200_000,
        }
    }
}

impl Limits {
    /// The limit for one of `shards` shards.
    pub(super) fn share(&self, shards: usize) -> usize {
        self.state_bytes_max / shards
    }
}

/// The place of a key in the table; valid until the next key is admitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Slot(u32);

/// What all states come to.
#[derive(Clone, Copy)]
struct Sums {
    /// Bytes, the table not counted.
    bytes: usize,
    /// Keys by all that their records ever told.
    by_signals: [u64; Signals::SETS],
    /// What is open of them.
    open: Open,
}

impl Sums {
    /// Brings the sums up to date after a change of `state`, which remembers its own part of them.
    fn settle(&mut self, state: &mut KeyState) {
        let open = state.what_is_open();
        let bytes = state.bytes() + open.as_ref().map_or(0, |_| heap::vector::<Open>(1));
        let now = Part { bytes, signals: state.signals, open };
        self.add(&now);
        let before = std::mem::replace(&mut state.part, now);
        self.subtract(&before);
        state.resized = false;
    }

    fn add(&mut self, part: &Part) {
        self.bytes += part.bytes;
        self.by_signals[part.signals.index()] += 1;
        part.open.iter().for_each(|open| self.open.add(open));
    }

    fn subtract(&mut self, part: &Part) {
        // A key that was never added yet has no bytes.
        if part.bytes > 0 {
            self.bytes -= part.bytes;
            self.by_signals[part.signals.index()] -= 1;
            part.open.iter().for_each(|open| self.open.subtract(open));
        }
    }
}

/// What one key adds to the sums.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    bytes: usize,
    signals: Signals,
    pub(super) open: Option<Box<Open>>,
}

/// What has become of keys.
#[derive(Default)]
struct Changes {
    changed: Vec<Slot>,
    gone: Vec<KeyId>,
}

/// Keys by fingerprint.
pub(super) struct Keys {
    table: HashMap<KeyId, Slot, RandomState>,
    states: Vec<Option<Box<KeyState>>>,
    free: Vec<Slot>,
    /// Keys in the order of their first record, as long as they may have to give way.
    newcomers: VecDeque<Slot>,
    sums: Sums,
    /// As `KeyState::forgotten`, of keys that are not here.
    pub(super) forgotten: Timestamp,
    bytes_max: usize,
    /// Keys that gave way.
    pub(super) evicted: u64,
    /// Keys that were ever admitted.
    pub(super) admissions: u64,
    /// Keys that changed and keys that gave way since that was last asked; `None` where nobody asks.
    changes: Option<Changes>,
    /// Their open days, which are still to be closed.
    pub(super) orphaned_days: usize,
}

impl Keys {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            table: HashMap::default(),
            states: Vec::new(),
            free: Vec::new(),
            newcomers: VecDeque::new(),
            sums: Sums { bytes: 0, by_signals: [0; Signals::SETS], open: Open::default() },
            forgotten: Timestamp::MIN,
            bytes_max,
            evicted: 0,
            admissions: 0,
            changes: None,
            orphaned_days: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Keys by all that their records ever told.
    pub(super) fn by_signals(&self) -> [u64; Signals::SETS] {
        self.sums.by_signals
    }

    /// What is open of all of them.
    pub(super) fn open(&self) -> Open {
        self.sums.open
    }

    /// Every key, in no order that may show.
    pub(super) fn states(&self) -> impl Iterator<Item = &KeyState> {
        self.states.iter().filter_map(Option::as_deref)
    }

    /// Up to where buckets of a key have been forgotten.
    pub(super) fn forgotten(&mut self, key: KeyId) -> Timestamp {
        let of_key = self.find(key).and_then(|slot| self.state(slot)).map(|state| state.forgotten);
        of_key.map_or(self.forgotten, |of_key| of_key.max(self.forgotten))
    }

    /// Notes that a bucket of a key with this end has been forgotten.
    pub(super) fn forget_bucket(&mut self, key: KeyId, end: Timestamp) {
        match self.find(key).and_then(|slot| self.state(slot)) {
            Some(state) => state.forgotten = state.forgotten.max(end),
            None => self.forgotten = self.forgotten.max(end),
        }
    }

    /// Memory of all keys, in bytes.
    pub(super) fn bytes(&self) -> usize {
        // Seven of eight buckets may be used; each has a byte of its own besides the entry.
        let buckets = self.table.capacity() / 7 * 8;
        self.sums.bytes
            + buckets * (size_of::<(KeyId, Slot)>() + 1)
            + heap::vector::<Option<Box<KeyState>>>(self.states.capacity())
            + heap::vector::<Slot>(self.newcomers.capacity() + self.free.capacity())
    }

    /// Where the record's key is, admitted if it is new; `None` where there is no room for a new key.
    #[inline]
    pub(super) fn slot(
        &mut self,
        record: &UsageRecord,
        batch: &Batch,
        settings: &ShardSettings,
    ) -> Option<Slot> {
        match self.table.get(&record.key) {
            Some(slot) => Some(*slot),
            None => self.admit(record, batch, settings),
        }
    }

    /// Where a key is.
    pub(super) fn find(&self, key: KeyId) -> Option<Slot> {
        self.table.get(&key).copied()
    }

    /// The state of the key at `slot`.
    #[inline]
    pub(super) fn state(&mut self, slot: Slot) -> Option<&mut KeyState> {
        let state = self.states.get_mut(slot.0 as usize)?.as_deref_mut()?;
        if let Some(changes) = &mut self.changes
            && !state.changed
        {
            state.changed = true;
            changes.changed.push(slot);
        }
        Some(state)
    }

    /// Whether an operator wants to hear of an incident: he has not said that it is none, nor that he wants to hear of none.
    pub(super) fn wants(&self, incident: &Incident) -> bool {
        let state = self.find(incident.key).and_then(|slot| self.at(slot));
        state.is_none_or(|state| state.watch.wants(&incident.id, incident.updated_at.at))
    }

    /// Remembers from now on which keys change.
    pub(super) fn track(&mut self) {
        self.changes = Some(Changes::default());
    }

    /// The keys that have given way since this was asked last.
    pub(super) fn take_gone(&mut self) -> Vec<KeyId> {
        self.changes.as_mut().map(|changes| std::mem::take(&mut changes.gone)).unwrap_or_default()
    }

    /// Calls `give` on every key that changed since this was asked last, with its place among the admitted.
    pub(super) fn take_changed(&mut self, mut give: impl FnMut(&KeyState, u64)) {
        let Some(changes) = &mut self.changes else { return };
        for slot in std::mem::take(&mut changes.changed) {
            // Another key may have the slot by now, and stand in the list once more.
            let state = self.states.get_mut(slot.0 as usize).and_then(Option::as_deref_mut);
            if let Some(state) = state.filter(|state| state.changed) {
                state.changed = false;
                give(state, state.admitted);
            }
        }
    }

    /// Brings the sum of bytes up to date after a key's state has grown or shrunk, and makes room if need be.
    pub(super) fn settle(&mut self, slot: Slot) {
        self.account(slot);
        while self.bytes() > self.bytes_max && self.evict().is_some() {}
    }

    fn account(&mut self, slot: Slot) {
        let Some(Some(state)) = self.states.get_mut(slot.0 as usize) else { return };
        if state.resized {
            self.sums.settle(state);
        }
    }

    /// Calls `change` on every key, in no order that shows.
    pub(super) fn each(&mut self, mut change: impl FnMut(&mut KeyState)) {
        for state in self.states.iter_mut().flatten() {
            change(state);
            self.sums.settle(state);
        }
    }

    #[cold]
    fn admit(&mut self, record: &UsageRecord, batch: &Batch, settings: &ShardSettings) -> Option<Slot> {
        while self.bytes() >= self.bytes_max {
            self.evict()?;
        }
        self.admissions += 1;
        let mut state = Box::new(KeyState::new(record, batch, &settings.keys));
        state.admitted = self.admissions;
        let state = Some(state);
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => Slot(u32::try_from(self.states.len()).ok()?),
        };
        match self.states.get_mut(slot.0 as usize) {
            Some(place) => *place = state,
            None => self.states.push(state),
        }
        self.newcomers.push_back(slot);
        self.table.insert(record.key, slot);
        self.account(slot);
        Some(slot)
    }

    /// Every key, those first that may have to give way, in the order in which they would.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (&KeyState, bool)> {
        let newcomers = self.newcomers.iter().filter_map(|slot| self.at(*slot)).map(|state| (state, true));
        let mut is_newcomer = vec![false; self.states.len()];
        for Slot(slot) in &self.newcomers {
            if let Some(is_newcomer) = is_newcomer.get_mut(*slot as usize) {
                *is_newcomer = true;
            }
        }
        let others = self.states.iter().zip(is_newcomer).filter(|(_, is_newcomer)| !is_newcomer);
        newcomers.chain(others.filter_map(|(state, _)| Some((state.as_deref()?, false))))
    }

    /// The state of the key at `slot`, only to look at it.
    pub(super) fn at(&self, slot: Slot) -> Option<&KeyState> {
        self.states.get(slot.0 as usize)?.as_deref()
    }

    /// Puts a key back that was saved.
    pub(super) fn put_back(&mut self, state: Box<KeyState>, is_newcomer: bool) {
        let Ok(slot) = u32::try_from(self.states.len()).map(Slot) else { return };
        self.table.insert(state.profile.id, slot);
        self.states.push(Some(state));
        if is_newcomer {
            self.newcomers.push_back(slot);
        }
        self.account(slot);
    }

    /// Drops the oldest newcomer that is not established; `None` where there is none.
    fn evict(&mut self) -> Option<()> {
        loop {
            let slot = self.newcomers.pop_front()?;
            let place = self.states.get_mut(slot.0 as usize)?;
            let Some(state) =
                place.take_if(|state| !state.is_established() || planted(Mistake::KnownKeyEvicted))
            else {
                continue;
            };
            self.sums.subtract(&state.part);
            self.forgotten = self.forgotten.max(state.forgotten);
            self.orphaned_days += state.open_days();
            self.table.remove(&state.profile.id);
            if let Some(changes) = &mut self.changes {
                changes.gone.push(state.profile.id);
            }
            self.free.push(slot);
            self.evicted += 1;
            return Some(());
        }
    }
}

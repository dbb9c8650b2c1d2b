//! The state of a shard as bytes, and back: exactly, however many shards there were and will be.

use super::own::Own;
use super::state::KeyState;
use super::{Shard, ShardSettings};
use crate::detect;
use crate::fault::{Mistake, planted};
use crate::incident::{Fleet, Observer};
use crate::key::{KeyId, shard_of_mark};
use crate::save::{Reader, Unreadable, Writer};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::Arc;

/// What a shard remembers besides keys, requests and buckets.
#[derive(Serialize, Deserialize)]
pub(super) struct Rest<'a> {
    watermark: Timestamp,
    learning: bool,
    /// Buckets up to here of keys that are not here have been forgotten.
    forgotten: Timestamp,
    evicted: u64,
    requests_forgotten: u64,
    buckets_forgotten: u64,
    /// All detectors: what is saved names them by their place.
    #[serde(borrow)]
    pub(super) detectors: Vec<&'a str>,
    /// What is known of canary prompts.
    own: Cow<'a, Own>,
}

impl Shard {
    /// Everything that it remembers.
    pub fn save(&self) -> Vec<u8> {
        // About half of what it takes in memory; what is not written to costs nothing.
        let mut out = Writer::with_capacity(self.keys.bytes() / 2);
        out.put(&self.rest());
        self.dedup.save(&mut out);
        self.restated.save(&mut out);
        out.put(&self.observer.as_ref().map(Observer::fleet));
        out.put(&self.keys.len());
        for (state, is_newcomer) in self.keys.in_order() {
            out.put(&(state.profile.id, is_newcomer));
            out.sized(|out| out.put(state));
        }
        out.into_bytes()
    }

    /// What is remembered besides keys, requests and buckets.
    pub(super) fn rest(&self) -> Rest<'_> {
        Rest {
            watermark: self.watermark,
            learning: self.learning,
            forgotten: self.keys.forgotten,
            evicted: self.keys.evicted,
            requests_forgotten: self.dedup.forgotten,
            buckets_forgotten: self.restated.forgotten,
            detectors: detect::ALL.iter().map(|detector| detector.name).collect(),
            own: Cow::Borrowed(&self.own),
        }
    }

    /// Takes from what shards have saved whatever is this one's by the settings of now.
    pub fn restore<'a>(&mut self, saved: impl IntoIterator<Item = &'a [u8]>) -> Result<(), Unreadable> {
        for shard in saved {
            self.take_over(Reader::new(shard))?;
        }
        Ok(())
    }

    fn take_over(&mut self, mut saved: Reader<'_>) -> Result<(), Unreadable> {
        let rest: Rest<'_> = saved.take()?;
        self.take_rest(&rest);
        let (number, of) = (self.number, self.of);
        self.dedup.restore(&mut saved, |id| {
            #[allow(clippy::cast_possible_truncation, reason = "the mark is what stands there")]
            let mark = id as u16;
            shard_of_mark(mark, of) == number && !planted(Mistake::RequestsForgotten)
        })?;
        self.restated.restore(&mut saved, |key| key.shard(of) == number)?;
        let fleet: Option<(Fleet, Fleet)> = saved.take()?;
        if let (Some((known, mut news)), Some(observer)) = (fleet, &mut self.observer) {
            if number != 0 {
                // A sum over all shards: whose it is does not matter.
                news = Fleet::default();
            }
            observer.resume(known, &news);
        }
        let places = Places::of(&rest.detectors);
        for _ in 0..saved.take::<usize>()? {
            let (key, is_newcomer): (KeyId, bool) = saved.take()?;
            let mut state = saved.sized()?;
            if key.shard(of) == number {
                self.put_back(state.take()?, is_newcomer, &places);
            }
        }
        if saved.is_empty() { Ok(()) } else { Err(Unreadable) }
    }

    pub(super) fn take_rest(&mut self, rest: &Rest<'_>) {
        self.watermark = self.watermark.max(rest.watermark);
        self.learning = rest.learning;
        self.own.take_over(&rest.own);
        self.keys.forgotten = self.keys.forgotten.max(rest.forgotten);
        if self.number == 0 {
            // Sums over all shards: whose they are does not matter.
            self.keys.evicted += rest.evicted;
            self.dedup.forgotten += rest.requests_forgotten;
            self.restated.forgotten += rest.buckets_forgotten;
        }
    }

    /// Goes on with another configuration, as a process would that took up what this one remembers: with other detectors,
    /// thresholds, settings of keys and zones.
    pub(super) fn reconfigure(&mut self, settings: &Arc<ShardSettings>) {
        self.settings = Arc::clone(settings);
        self.zones = settings.zones.clone();
        self.watch_list = Arc::clone(&settings.watch_list);
        let Self { keys, observer, settlements, .. } = self;
        keys.each(|key| key.resume(&settings.keys, Some));
        let Some(incidents) = &settings.incidents else { return };
        if let Some(observer) = observer {
            observer.reconfigure(incidents);
        }
        settlements.clear();
        for state in keys.states() {
            let due = state.watch.due(incidents.quiet_seconds);
            settlements.extend(due.map(|due| Reverse((due, state.profile.id))));
        }
    }

    pub(super) fn put_back(&mut self, mut state: Box<KeyState>, is_newcomer: bool, places: &Places) {
        let settings: &ShardSettings = &self.settings;
        state.resume(&settings.keys, |place| places.now(place));
        let id = state.profile.id;
        self.closings.extend(state.ends().map(|(end, day)| Reverse((end, id, day))));
        let due = settings.incidents.as_ref().and_then(|incidents| state.watch.due(incidents.quiet_seconds));
        self.settlements.extend(due.map(|due| Reverse((due, id))));
        self.looks.extend(state.look_at().map(|look| Reverse((look, id))));
        self.keys.put_back(state, is_newcomer);
    }
}

/// Where the detectors stand now that stood at some place when something was saved.
pub(super) struct Places(Vec<Option<u16>>);

impl Places {
    pub(super) fn of(names: &[&str]) -> Self {
        let place = |name: &&str| (0..).zip(detect::ALL).find(|(_, now)| now.name == *name).map(|(at, _)| at);
        Self(names.iter().map(place).collect())
    }

    fn now(&self, before: u16) -> Option<u16> {
        *self.0.get(usize::from(before))?
    }
}

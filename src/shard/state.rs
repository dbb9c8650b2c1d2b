//! Everything that is known of one key.

mod asking;
mod canary;
mod remarks;
mod silence;
pub(super) mod spread;
mod standing;

use super::keys::Part;
use super::{KeyRules, ShardSettings};
use crate::address::Address;
use crate::baseline::{Baseline, BaselineSettings, Baselines, History};
use crate::detect::{Alert, Failing, KeyProfile, close};
use crate::heap;
use crate::incident::{Gain, Incident, Observer, Phase, Watched};
use crate::key::KeyId;
use crate::money::NanoUsd;
use crate::record::{Batch, Statement, UsageRecord};
use crate::signal::Signals;
use crate::time::{Day, Local, Stamp, Timestamp, Zones};
use crate::window::{Generation, Known, OpenDay, Pace, Recent, quarter_of};
pub(super) use remarks::is_noted;
use serde::{Deserialize, Serialize};
use silence::Quiet;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Models that are remembered of one key; one that uses more is a gateway's own key, where a new model is no news.
const MODELS_MAX: usize = 64;
/// Addresses that are remembered of one key (7 KiB at most).
const ADDRESSES_MAX: usize = 256;
/// Days of one key that may be open at once: two, and three where a source lags, are usual; a bucket of a month takes 32.
const OPEN_DAYS_MAX: usize = 34;

/// Incidents of one key whose days are left out of its baseline.
const FOUL_MAX: usize = 8;
/// Days for which an incident that nobody has said anything of keeps a baseline from learning: a false one must not for
/// ever.
const FROZEN_DAYS: i32 = 31;

/// What an open day takes in the queue of days that will be closed.
const CLOSING_BYTES: usize = 40;

/// The days of an incident: they tell nothing of the owner.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Foul {
    /// Its identity, which has the form of a key's.
    incident: KeyId,
    from: Day,
    to: Day,
}

/// The state of one key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeyState {
    pub(super) profile: KeyProfile,
    /// Day of its first record.
    first_day: Day,
    /// Days up to this one are closed.
    closed: Day,
    /// Buckets that ended up to here have been forgotten: of others that did, nobody knows whether they were counted.
    pub(super) forgotten: Timestamp,
    /// All requests ever, and their cost: how much the key matters when memory is short.
    requests: u64,
    cost: NanoUsd,
    history: History,
    baselines: Baselines,
    models: Known<u64, Arc<str>>,
    addresses: Known<Address, ()>,
    /// What its records have told so far.
    pub(super) signals: Signals,
    open: Vec<OpenDay>,
    /// How long it has been quiet.
    quiet: Quiet,
    /// The last uses: a revocation may be heard of late.
    recent: Recent,
    /// Days that teach nothing.
    foul: Vec<Foul>,
    /// Since when nobody can or may use it.
    revoked: Option<Timestamp>,
    /// Who uses it, where incidents are looked for.
    pub(super) watch: Watched,
    /// That it is a canary prompt which fails, or did.
    pub(super) failing: Option<Box<Failing>>,
    /// What it last added to the sums over all keys.
    #[serde(skip)]
    pub(super) part: Part,
    /// Changed since the pieces of the state were last asked for.
    #[serde(skip)]
    pub(super) changed: bool,
    /// What it spent in the last hour, where somebody looks.
    #[serde(skip)]
    pub(super) pace: Option<Box<Pace>>,
    /// How many keys had been admitted when it was.
    #[serde(skip)]
    pub(super) admitted: u64,
    /// Something grew or shrank since then.
    pub(super) resized: bool,
}

/// What a record needs to know besides its key's state.
pub(super) struct Surroundings<'a> {
    pub(super) settings: &'a ShardSettings,
    pub(super) zones: &'a mut Zones,
    pub(super) closings: &'a mut BinaryHeap<Reverse<(Timestamp, KeyId, Day)>>,
    pub(super) watermark: Timestamp,
    /// The entry of a watch list that the record fits.
    pub(super) listed: Option<&'a str>,
}

impl KeyState {
    /// A key at its first record.
    pub(super) fn new(record: &UsageRecord, batch: &Batch, rules: &KeyRules) -> Self {
        let profile = rules.profile(record.key, batch.text(record.key_hint), batch.text(record.key_alias));
        Self {
            profile,
            first_day: Day(i32::MAX),
            closed: Day(i32::MIN),
            forgotten: Timestamp::MIN,
            requests: 0,
            cost: NanoUsd::ZERO,
            history: History::default(),
            baselines: Baselines::default(),
            models: Known::default(),
            addresses: Known::default(),
            signals: Signals::NONE,
            open: Vec::new(),
            quiet: Quiet::NEW,
            recent: Recent::default(),
            foul: Vec::new(),
            revoked: None,
            watch: Watched::default(),
            failing: None,
            part: Part::default(),
            changed: false,
            pace: None,
            admitted: 0,
            resized: true,
        }
    }

    /// Whether the record tells the alias of a key that has none yet: a rejected request or another format may not.
    #[inline]
    pub(super) fn lacks_alias_of(&self, record: &UsageRecord) -> bool {
        !record.key_alias.is_none() && self.profile.alias.is_empty()
    }

    /// Takes over the alias of the record, and what is configured for it.
    #[cold]
    pub(super) fn take_alias(&mut self, record: &UsageRecord, batch: &Batch, rules: &KeyRules) {
        self.profile = rules.profile(record.key, &self.profile.hint, batch.text(record.key_alias));
        self.end_leeway();
        self.resized = true;
    }

    /// True for a key that must not give way to new keys: it has a baseline, or has been used in earnest.
    pub(super) fn is_established(&self) -> bool {
        !self.baselines.is_empty()
            || self.failing.is_some()
            || self.requests >= 20
            || self.cost >= NanoUsd(1_000_000_000)
    }

    /// Counts a record for the baseline only.
    pub(super) fn learn(&mut self, record: &UsageRecord, batch: &Batch, local: Local) {
        // Earlier use than was known: the days that are open may come after a longer pause, or a shorter one.
        self.end_leeway();
        self.note(record, local);
        self.quiet.end_by(record.time.at);
        let before = self.history.heap_bytes();
        self.history.add(local.day, local.hour, record.requests, record.cost);
        self.resized |= self.history.heap_bytes() != before;
        self.see(record, batch, local.day, Generation::Current);
    }

    /// Counts a record in its day and asks the detectors; `false` where the day is closed already, so that the
    /// record is counted for the baseline only.
    #[inline]
    pub(super) fn count(
        &mut self,
        record: &UsageRecord,
        batch: &Batch,
        local: Local,
        around: &mut Surroundings<'_>,
        alerts: &mut Vec<Alert>,
    ) -> bool {
        let Some(at) = self.open_day(local.day, around) else {
            self.learn(record, batch, local);
            return false;
        };
        self.note(record, local);
        if self.quiet.end_by(record.time.at) {
            self.end_silence(record.time, around, alerts);
        }
        let (time, count) = (record.time.at, record.requests.max(1));
        if around.settings.is_paced {
            self.note_pace(time, record.cost);
        }
        self.resized |= self.recent.note(time, record.status, count, record.address);
        let generation = self.baselines.of(local.day).1;
        let familiar = self.see(record, batch, local.day, generation);
        if self.open[at].requests == 0 {
            self.end_leeway();
        }
        let day = &mut self.open[at];
        self.resized |= day.count(record.time, local.hour, record.requests, record.cost, record.cost_source);
        self.resized |= day.note_answer(record.status, asks(record), record.requests);
        self.resized |= day.spending.add(quarter_of(day.start, record.time.at), record.cost);
        if let (Some(baseline), _) = self.baselines.of(local.day) {
            if !baseline.is_active(local.hour) {
                day.off_hours += u64::from(record.requests);
            }
            self.resized |= note_news(day, baseline, record, batch, record.time, familiar);
        } else {
            self.resized |= day.first_hours.is_none();
            let first = day.first_hours.get_or_insert_default();
            self.resized |= first.take(day.start, record, batch, &around.settings.networks);
        }
        if self.is_remarkable(record.time.at, around.listed) {
            self.remark(at, record, record.time, batch, around.listed);
        }
        self.ask_in_turn(at, record.time, around.settings, alerts);
        true
    }

    fn note(&mut self, record: &UsageRecord, local: Local) {
        self.first_day = self.first_day.min(local.day);
        self.requests += u64::from(record.requests);
        self.cost += record.cost;
        let signals = self.signals.with(record.signals());
        self.resized |= signals != self.signals;
        self.signals = signals;
    }

    /// Where a day stands among the open ones; `None` where it is closed.
    #[inline]
    fn open_day(&mut self, day: Day, around: &mut Surroundings<'_>) -> Option<usize> {
        match self.open.iter().position(|open| open.day == day) {
            Some(at) => Some(at),
            None => self.open_new_day(day, around),
        }
    }

    #[cold]
    fn open_new_day(&mut self, day: Day, around: &mut Surroundings<'_>) -> Option<usize> {
        let zone = self.profile.zone;
        if day <= self.closed || self.open.len() >= OPEN_DAYS_MAX {
            return None;
        }
        let end = around.zones.end_of(zone, day);
        if end <= around.watermark {
            return None;
        }
        self.promote(|from| around.zones.start_of(zone, from) <= around.watermark);
        around.closings.push(Reverse((end, self.profile.id, day)));
        self.open.reserve_exact(1);
        self.open.push(OpenDay::new(day, around.zones.start_of(zone, day), end));
        self.resized = true;
        Some(self.open.len() - 1)
    }

    /// Lets the next baseline take over once no day before its first can be open: `is_past` says of that day whether
    /// all days before it are over. Judged by the days that happen to be open, a day that opens late would be
    /// measured by a baseline which is not for it.
    fn promote(&mut self, is_past: impl FnOnce(Day) -> bool) {
        let Some(from) = self.baselines.next_from() else { return };
        if self.open.iter().all(|open| open.day >= from) && is_past(from) {
            self.baselines.promote();
            self.models.promote();
            self.addresses.promote();
            self.end_leeway();
        }
    }

    #[inline]
    fn see(&mut self, record: &UsageRecord, batch: &Batch, day: Day, generation: Generation) -> Familiar {
        let before = self.models.len() + self.addresses.len();
        let model = record.model.name.is_none()
            || self
                .models
                .see(record.model.id, day, generation, MODELS_MAX, || batch.text(record.model.name).into());
        let address = record
            .address
            .is_none_or(|address| self.addresses.see(address, day, generation, ADDRESSES_MAX, || ()));
        self.resized |= self.models.len() + self.addresses.len() != before;
        Familiar { model, address }
    }

    /// Closes a day: its alerts become final, its counts become history, and a new baseline is built if it is time.
    pub(super) fn close(&mut self, day: Day, settings: &ShardSettings, alerts: &mut Vec<Alert>) {
        let Some(at) = self.open.iter().position(|open| open.day == day) else { return };
        let closed = self.open.remove(at);
        // One open day is usual; room for more is not kept.
        self.open.shrink_to(1);
        if self.open.is_empty() {
            self.pace = None;
        }
        let view = self.view(&closed, self.last_day_before(day));
        close(&settings.rules, &view, &closed.raised, alerts);
        self.closed = self.closed.max(day);
        self.history.add_day(&closed);
        self.promote(|from| from.0 <= day.0 + 1);
        if self.baselines.is_due(settings.baseline, self.first_day, day)
            && let Some(baseline) = self.build(settings.baseline, day, Generation::Next)
        {
            self.baselines.set_next(baseline);
            self.end_leeway();
        }
        self.resized = true;
    }

    /// Builds a baseline from everything learned so far and puts it in force; time starts anew.
    pub(super) fn end_of_history(&mut self, settings: BaselineSettings) {
        self.forgotten = Timestamp::MIN;
        if let Some(last) = self.history.last_day()
            && let Some(baseline) = self.build(settings, last, Generation::Current)
        {
            self.baselines.set(baseline);
            self.end_leeway();
        }
        self.resized = true;
    }

    fn build(&mut self, settings: BaselineSettings, to: Day, generation: Generation) -> Option<Baseline> {
        let from = Day(to.0 - i32::from(settings.window_days) + 1);
        let Self { foul, history, models, addresses, .. } = self;
        // What a baseline is built from no later one needs to leave out.
        foul.retain(|foul| foul.to >= from);
        let is_clean = |day: Day| !foul.iter().any(|foul| foul.from <= day && day <= foul.to);
        models.learn(generation, from, to, is_clean);
        addresses.learn(generation, from, to, is_clean);
        let has_addresses = addresses.known(generation).next().is_some();
        Baseline::build(history, from, to, is_clean, has_addresses)
    }

    /// Takes over what is configured for a key that was saved, and what its detectors are called by now.
    pub(super) fn resume(&mut self, rules: &KeyRules, place: impl Fn(u16) -> Option<u16>) {
        let KeyProfile { id, hint, alias, .. } = &self.profile;
        self.profile = rules.profile(*id, hint, alias);
        self.end_leeway();
        self.open.iter_mut().for_each(|day| day.raised.retain_mut(|raised| raised.renumber(&place)));
        self.resized = true;
    }

    /// All memory of this key, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let labels: usize = self.models.labels().map(|name| heap::shared_text(name.len())).sum();
        let texts = [&self.profile.hint, &self.profile.alias].into_iter().filter(|text| !text.is_empty());
        heap::vector::<Self>(1)
            + texts.map(|text| heap::shared_text(text.len())).sum::<usize>()
            + self.history.heap_bytes()
            + self.baselines.heap_bytes()
            + self.models.heap_bytes()
            + labels
            + self.addresses.heap_bytes()
            + heap::vector::<OpenDay>(self.open.capacity())
            + self.open.iter().map(|day| day.heap_bytes() + CLOSING_BYTES).sum::<usize>()
            + heap::vector::<Foul>(self.foul.capacity())
            + self.recent.heap_bytes()
            + self.watch.heap_bytes()
            + self.pace.as_ref().map_or(0, |_| heap::vector::<Pace>(1))
            + self.failing.as_ref().map_or(0, |_| Failing::bytes())
    }

    /// Shows a record to whoever looks for incidents.
    pub(super) fn observe(
        &mut self,
        observer: &mut Observer,
        record: &UsageRecord,
        batch: &Batch,
        learning: bool,
    ) -> Option<Incident> {
        let Self { watch, profile, .. } = self;
        let found = observer.see(watch, profile, record, batch, learning);
        self.resized |= watch.is_resized() || found.is_some();
        found
    }

    /// Shows what a bucket tells to whoever looks for incidents.
    pub(super) fn observe_bucket(
        &mut self,
        observer: &mut Observer,
        gain: &Gain<'_>,
        learning: bool,
    ) -> Option<Incident> {
        let Self { watch, profile, .. } = self;
        let found = observer.see_bucket(watch, profile, gain, learning);
        self.resized |= watch.is_resized();
        found
    }

    /// Takes what an operator says of the key.
    pub(super) fn hear(
        &mut self,
        observer: Option<&mut Observer>,
        record: &UsageRecord,
        statement: Statement,
        batch: &Batch,
    ) -> Option<Incident> {
        let Self { watch, profile, .. } = self;
        self.resized = true;
        if let Some(observer) = observer {
            return observer.hear(watch, profile, record, statement, batch);
        }
        watch.hear(record, statement, batch);
        None
    }

    /// Tells of the open incidents that are over, and when the next may be.
    pub(super) fn settle(
        &mut self,
        observer: &Observer,
        now: Timestamp,
    ) -> (Vec<Incident>, Option<Timestamp>) {
        let Self { watch, profile, .. } = self;
        let over = observer.settle(watch, profile, now);
        self.resized = true;
        over
    }

    /// Keeps the days of an incident out of what is learned, as long as it is not said to be none: those from its first
    /// record on as long as it is open, then those up to its last one.
    pub(super) fn taint(&mut self, incident: &Incident, [from, to]: [Day; 2]) {
        let id = KeyId::parse(incident.id.as_bytes()).unwrap_or(self.profile.id);
        self.foul.retain(|foul| foul.incident != id);
        let to = match incident.phase {
            Phase::Dismissed => return,
            Phase::Open => Day(from.0 + FROZEN_DAYS),
            Phase::Confirmed => Day(i32::MAX),
            Phase::Resolved => to,
        };
        if self.foul.len() >= FOUL_MAX {
            self.foul.remove(0);
        }
        self.foul.push(Foul { incident: id, from, to });
        self.resized = true;
    }
}

/// A number that requests have in common which ask the same model with as many tokens.
#[inline]
fn asks(record: &UsageRecord) -> u64 {
    // Fibonacci hashing: the leading bits are spread best.
    (record.model.id ^ record.tokens.input()).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

/// Notes in `day` what of a record the baseline does not know; true where that takes memory.
#[inline]
fn note_news(
    day: &mut OpenDay,
    baseline: &Baseline,
    record: &UsageRecord,
    batch: &Batch,
    time: Stamp,
    familiar: Familiar,
) -> bool {
    if !familiar.model {
        day.note_unknown_model(time, batch.text(record.model.name));
    }
    match record.address {
        Some(address) if !familiar.address && baseline.has_addresses => day.unknown_addresses.insert(address),
        _ => false,
    }
}

/// What of a record the baseline knows; what a record does not say is familiar.
#[derive(Clone, Copy)]
struct Familiar {
    model: bool,
    address: bool,
}

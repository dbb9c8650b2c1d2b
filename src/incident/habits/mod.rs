//! Keys whose records tell neither address nor client: what is asked, when, and on top of what.
//!
//! A second consumer shows in what he asks of the key that its owner does not. Every record is compared with what the
//! key did on the days before and with what all keys do (`sizes`, `rhythm`, `words`); what that comes to is summed over
//! ten minutes to four days and compared with the highest sums of other days (`sums`). Every such comparison says
//! something for or against a theft, by a table that was fitted to a benchmark (`evidence`).
//!
//! A record is compared before anything is learned from it, and what a day teaches counts from the next day on.
//!
//! Where nothing is told but sums of an hour or less, as providers report use, each sum counts as so many requests of its
//! mean size; how requests followed each other is not known then.

mod evidence;
mod rhythm;
mod sizes;
mod sums;
mod theft;
mod words;

pub use evidence::TERMS;
pub use sizes::Everybody;
pub use sums::Of;
pub use theft::{HABITS, OPEN, Regular, SUSPECTS_MAX, ToldBy};

use super::cohort::Act;
use super::owner::{hour_of_week, seconds};
use crate::time::{SECOND, Timestamp};
use rhythm::Rhythm;
use serde::{Deserialize, Serialize};
use sizes::{Cell, DAY_KEEPS, Own, Size};
use sums::Added;
use words::Words;

/// How much likelier anybody's a size must be than the key's, as a logarithm, to be foreign, or strange; how little, to
/// be typical.
const FOREIGN: f32 = 1.2;
const STRANGE: f32 = 2.5;
const TYPICAL: f32 = 0.3;
/// What a request of a foreign size teaches.
const FOREIGN_TEACHES: f32 = 0.4;
/// Doublings within which two foreign requests are of one template.
const TEMPLATE: f32 = 0.2;
/// The part of the requests that a second consumer is believed to send, if there is one.
const HIS_PART: f32 = 0.25;
/// Days of use within which everything that a key uses is its own.
const YOUNG_DAYS: f32 = 3.0;
/// How much likelier somebody else's a request must be than the owner's to be suspect, as a logarithm.
const SUSPECT: f32 = 1.5;
/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;
/// Requests of a day from which the changes between models are learned.
const CHANGES_MAX: u32 = 400;

/// What a record looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// The owner's.
    Usual,
    /// A little likelier somebody else's.
    Odd,
    /// Much likelier, or one that the key does not have.
    Suspect,
}

impl Look {
    fn of(added: &Added) -> Self {
        let joint = added.get(Of::Joint);
        let new = [Of::NewModel, Of::Dearer, Of::NewEndpoint, Of::Refused];
        if joint > SUSPECT || new.iter().any(|of| added.get(*of) > 0.0) {
            Self::Suspect
        } else if joint > 0.0 {
            Self::Odd
        } else {
            Self::Usual
        }
    }
}

/// What is known of the habits of one key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Habits {
    day: i64,
    /// Days of use before this one, and what they had of requests on average.
    days: f32,
    daily: f32,
    /// Requests, and those of today.
    requests: u64,
    today: u32,
    sizes: Own,
    rhythm: Rhythm,
    models: Words,
    endpoints: Words,
    /// The highest price of a token that is usual.
    ceiling: f32,
    last: Last,
    /// How often the model changes from one request to the next, of how many.
    changes: [f32; 2],
}

/// What a consumer did last.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Last {
    clock: Timestamp,
    is_known: bool,
    /// Doublings of the last foreign request.
    foreign: Option<[f32; 2]>,
    /// The model of the last request that did work.
    model: Option<u64>,
}

impl Last {
    /// Of one who comes now.
    pub const fn new(at: Timestamp) -> Self {
        Self { clock: at, is_known: false, foreign: None, model: None }
    }

    /// Another record of the same one.
    fn pass(&mut self, at: Timestamp, act: &Act<'_>) {
        self.clock = self.clock.max(at);
        self.is_known = true;
        if act.is_work() {
            self.model = Some(act.model);
        }
    }

    /// Seconds since.
    #[allow(clippy::cast_precision_loss, reason = "seconds between two records")]
    fn pause(&self, at: Timestamp) -> f32 {
        (at.0 - self.clock.0).max(0) as f32 / SECOND as f32
    }
}

const fn one_if(is: bool) -> f32 {
    if is { 1.0 } else { 0.0 }
}

impl Habits {
    /// A key at its first record.
    pub fn new(at: Timestamp) -> Self {
        Self {
            last: Last::new(at),
            day: day(seconds(at)),
            days: 0.0,
            daily: 0.0,
            requests: 0,
            today: 0,
            sizes: Own::new(),
            rhythm: Rhythm::default(),
            models: Words::default(),
            endpoints: Words::default(),
            ceiling: 0.0,
            changes: [0.0; 2],
        }
    }

    /// Whether there was no record.
    const fn is_first(&self) -> bool {
        self.requests == 0
    }

    /// Whether a record of this time begins a day.
    const fn begins_day(&self, at: i64) -> bool {
        day(at) > self.day
    }

    /// Compares a record with the key's habits and learns from it. What is known to be the owner's teaches all there is
    /// to it.
    pub fn take(
        &mut self,
        at: Timestamp,
        act: &Act<'_>,
        is_own: bool,
        known: &Everybody,
        news: &mut Everybody,
    ) -> Added {
        self.come_to(act.at);
        let (before, mut last) = (self.last, self.last);
        let added = self.compare(at, act, &mut last, known);
        let is_foreign = added.get(Of::Foreign) > 0.0;
        self.last = last;
        self.learn(at, act, &before, if is_foreign && !is_own { FOREIGN_TEACHES } else { 1.0 }, news);
        added
    }

    /// Learns from a record that is known to be the owner's; true where that takes memory, or gives some back.
    pub fn take_own(&mut self, at: Timestamp, act: &Act<'_>, news: &mut Everybody) -> bool {
        let is_another_day = self.come_to(act.at);
        let before = self.last;
        self.last.pass(at, act);
        self.learn(at, act, &before, 1.0, news) || is_another_day
    }

    /// Ends the day before that of a record, if it is another.
    fn come_to(&mut self, at: i64) -> bool {
        let is_another_day = self.begins_day(at);
        if is_another_day {
            self.end_day();
            self.day = day(at);
        }
        is_another_day
    }

    /// Compares a record with the key's habits; `last` is what the same consumer did before.
    pub fn compare(&self, at: Timestamp, act: &Act<'_>, last: &mut Last, known: &Everybody) -> Added {
        let mut added = Added::default();
        added.set(Of::Records, 1.0);
        let mut joint = self.compare_time(at, act, last, &mut added);
        if act.is_work() {
            joint +=
                self.compare_size(act, last, known, &mut added) + self.compare_model(act, last, &mut added);
            added.set(Of::Mixture, libm::logf(1.0 - HIS_PART + HIS_PART * libm::expf(joint.min(6.0))));
        }
        added.set(Of::Joint, joint);
        self.compare_answer(act, &mut added);
        last.pass(at, act);
        added
    }

    fn compare_time(&self, at: Timestamp, act: &Act<'_>, last: &Last, added: &mut Added) -> f32 {
        let (weekend, hour) = hour_of_week(act.at);
        let odd = self.rhythm.ln_odd(weekend, hour);
        added.set(Of::OddHours, odd.max(0.0));
        added.set(Of::RareHours, libm::expf(odd).clamp(0.3, 8.0));
        // Of a sum nobody knows how its requests followed each other.
        let paused = last.is_known && act.sums.is_none();
        let is_short = if paused { self.rhythm.ln_short(last.pause(at)) } else { 0.0 };
        added.set(Of::ShortGaps, is_short);
        0.5 * odd.clamp(-2.0, 2.0)
    }

    fn compare_size(&self, act: &Act<'_>, last: &mut Last, known: &Everybody, added: &mut Added) -> f32 {
        let size = Size::of(act.input, act.output);
        let anybody = known.density(size);
        let odd = libm::logf(anybody / self.sizes.density(size, anybody));
        added.set(Of::Strange, one_if(odd > STRANGE));
        added.set(Of::Typical, one_if(odd < TYPICAL));
        added.set(Of::OddSizes, odd.clamp(0.0, 4.0));
        #[allow(clippy::cast_precision_loss, reason = "thousands of tokens")]
        added.set(Of::Output, act.output as f32 / 1000.0);
        if odd > FOREIGN {
            let near = |before: [f32; 2]| {
                before.iter().zip(size.doublings).all(|(before, now)| (before - now).abs() < TEMPLATE)
            };
            added.set(Of::Template, one_if(act.sums.is_none() && last.foreign.is_some_and(near)));
            last.foreign = Some(size.doublings);
            added.set(Of::Foreign, 1.0);
        }
        odd.clamp(-1.0, 3.0)
    }

    fn compare_model(&self, act: &Act<'_>, last: &Last, added: &mut Added) -> f32 {
        let rare = self.models.ln_rare(act.model);
        added.set(Of::NewModel, one_if(self.models.is_new(act.model, day(act.at))));
        added.set(Of::ModelMix, rare.max(0.0));
        if let Some(price) = price(act)
            && self.ceiling > 0.0
        {
            let dearer = libm::logf(price / self.ceiling);
            added.set(Of::Dearer, if dearer > 0.1 { dearer.min(4.0) } else { 0.0 });
        }
        let before = last.model.filter(|_| act.sums.is_none());
        let change = before.map_or(0.0, |before| self.ln_change(act.model, before != act.model));
        added.set(Of::Switches, change);
        rare.clamp(-1.0, 2.0) + change.clamp(-1.0, 1.0)
    }

    /// By how much likelier it is that somebody who takes the key's models at random changes now, or does not, than that
    /// the owner does, as a logarithm.
    fn ln_change(&self, model: u64, changes: bool) -> f32 {
        let [so_far, all] = self.changes;
        let owner = (so_far + 1.0) / (all + 3.0);
        let models = self.models.with(model);
        if models < 2.0 {
            return 0.0;
        }
        let ratio = if changes { (1.0 - 1.0 / models) / owner } else { 1.0 / models / (1.0 - owner) };
        libm::logf(ratio).clamp(-2.0, 3.0)
    }

    fn compare_answer(&self, act: &Act<'_>, added: &mut Added) {
        let is_refused = matches!(act.status, 400 | 401 | 403 | 404) && act.output == 0;
        added.set(Of::Refused, one_if(is_refused));
        added.set(Of::Probe, one_if(is_refused && act.is_idle() && act.status != 401));
        added.set(Of::NoTokens, one_if(act.is_success() && !act.is_work()));
        added.set(Of::NewEndpoint, one_if(self.endpoints.is_new(act.endpoint, day(act.at))));
        #[allow(clippy::cast_possible_truncation, reason = "dollars of one request")]
        added.set(Of::Dollars, act.cost as f32);
    }

    fn learn(
        &mut self,
        at: Timestamp,
        act: &Act<'_>,
        before: &Last,
        teaches: f32,
        news: &mut Everybody,
    ) -> bool {
        let (_, hour) = hour_of_week(act.at);
        let day = day(act.at);
        let pause = (before.is_known && act.sums.is_none()).then(|| before.pause(at));
        self.rhythm.add(hour, act.count(), pause);
        let mut is_new = self.endpoints.see(act.endpoint, day, act.count(), None);
        if act.is_work() {
            let cell = Cell::of_tokens(act.input, act.output);
            is_new |= self.sizes.add(cell, teaches);
            news.add(cell, self.requests);
            is_new |= self.models.see(act.model, day, act.count(), price(act));
            if let Some(before) = before.model
                && act.sums.is_none()
                && self.today < CHANGES_MAX
            {
                let [so_far, all] = self.changes;
                self.changes = [so_far + one_if(before != act.model), all + 1.0];
            }
        }
        self.requests += u64::from(act.count());
        self.today = self.today.saturating_add(act.count());
        is_new
    }

    fn end_day(&mut self) {
        self.days += 1.0;
        let is_young = self.days <= YOUNG_DAYS;
        self.sizes.end_day();
        self.rhythm.end_day(hour_of_week(self.day * DAY_SECONDS).0);
        self.models.end_day(self.day, is_young);
        self.endpoints.end_day(self.day, is_young);
        self.ceiling = self.models.highest_price(self.day + 1, is_young);
        self.changes = self.changes.map(|count| count * DAY_KEEPS);
        #[allow(clippy::cast_precision_loss, reason = "requests of a day")]
        let today = std::mem::take(&mut self.today) as f32;
        self.daily += (1.0 / self.days).max(0.06) * (today - self.daily);
    }

    /// Memory besides its own, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.sizes.heap_bytes() + self.models.heap_bytes() + self.endpoints.heap_bytes()
    }
}

/// The day of a time in seconds. Days are those of UTC, for what counts is that a key's hours recur.
const fn day(at: i64) -> i64 {
    at.div_euclid(DAY_SECONDS)
}

/// What a token of input cost, in millionths of a dollar, if one of output costs four times as much.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a price")]
fn price(act: &Act<'_>) -> Option<f32> {
    let tokens = act.input as f32 + 4.0 * act.output as f32;
    (act.cost > 0.0 && tokens > 0.0).then(|| act.cost as f32 / tokens * 1e6)
}

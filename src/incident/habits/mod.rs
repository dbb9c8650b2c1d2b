//! Keys whose records tell neither address nor client: what is asked, when, and on top of what.
//!
//! A second consumer shows in what he asks of the key that its owner does not. Every record is compared with what the
//! key did on the days before and with what all keys do (`sizes`, `rhythm`, `words`); what that comes to is summed over
//! ten minutes to four days and compared with the highest sums of other days (`sums`). Every such comparison says
//! something for or against a theft, by a table that was fitted to a benchmark (`evidence`).
//!
//! A record is compared before anything is learned from it, and what a day teaches counts from the next day on.

mod evidence;
mod rhythm;
mod sizes;
mod sums;
mod theft;
mod words;

pub use evidence::TERMS;
pub use sizes::Everybody;
pub use theft::Regular;

use super::cohort::Act;
use super::evidence::Ledger;
use super::owner::{hour_of_week, seconds};
use crate::heap;
use crate::time::{SECOND, Timestamp};
use rhythm::Rhythm;
use serde::{Deserialize, Serialize};
use sizes::{DAY_KEEPS, Own, Size};
use sums::{Added, Of, Sums};
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
    fn of(joint: f32, added: &Added) -> Self {
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
    clock: Timestamp,
    day: i64,
    /// Days of use before this one, and what they had of requests on average.
    days: f32,
    daily: f32,
    /// Requests, and those of today.
    requests: u64,
    today: u32,
    sums: Sums,
    sizes: Own,
    rhythm: Rhythm,
    models: Words,
    endpoints: Words,
    /// The highest price of a token that is usual.
    ceiling: f32,
    /// Doublings of the last foreign request.
    foreign: Option<[f32; 2]>,
    /// The model of the last request; how often that changes, of how many.
    model: Option<u64>,
    changes: [f32; 2],
}

impl Habits {
    /// A key at its first record.
    pub fn new(at: Timestamp) -> Self {
        Self {
            clock: at,
            day: day(seconds(at)),
            days: 0.0,
            daily: 0.0,
            requests: 0,
            today: 0,
            sums: Sums::new(),
            sizes: Own::new(),
            rhythm: Rhythm::default(),
            models: Words::default(),
            endpoints: Words::default(),
            ceiling: 0.0,
            foreign: None,
            model: None,
            changes: [0.0; 2],
        }
    }

    /// Takes a record; what it looks like. What is known to be the owner's teaches all there is to it.
    pub fn take(
        &mut self,
        at: Timestamp,
        act: &Act<'_>,
        is_own: bool,
        known: &Everybody,
        news: &mut Everybody,
    ) -> Look {
        let (weekend, hour) = hour_of_week(act.at);
        let day = day(act.at);
        if day > self.day {
            self.end_day();
            self.day = day;
        }
        #[allow(clippy::cast_precision_loss, reason = "seconds between two records")]
        let pause = (at.0 - self.clock.0).max(0) as f32 / SECOND as f32;
        if pause > 0.0 {
            self.sums.fade(pause);
        }
        let mut added = Added::default();
        added.set(Of::Records, 1.0);
        let mut joint = self.take_time(weekend, hour, pause, &mut added);
        if act.is_work() {
            let teaches = if is_own { 1.0 } else { FOREIGN_TEACHES };
            joint += self.take_size(act, teaches, known, news, &mut added);
            joint += self.take_model(act, day, &mut added);
            added.set(Of::Mixture, libm::logf(1.0 - HIS_PART + HIS_PART * libm::expf(joint.min(6.0))));
        }
        added.set(Of::Joint, joint);
        self.take_answer(act, day, &mut added);
        self.sums.add(&added);
        self.requests += 1;
        self.today += 1;
        self.clock = self.clock.max(at);
        Look::of(joint, &added)
    }

    fn take_time(&mut self, weekend: usize, hour: usize, pause: f32, added: &mut Added) -> f32 {
        let odd = self.rhythm.ln_odd(weekend, hour);
        added.set(Of::OddHours, odd.max(0.0));
        added.set(Of::RareHours, libm::expf(odd).clamp(0.3, 8.0));
        let pause = (self.requests > 0).then_some(pause);
        added.set(Of::ShortGaps, pause.map_or(0.0, |pause| self.rhythm.ln_short(pause)));
        self.rhythm.add(hour, pause);
        0.5 * odd.clamp(-2.0, 2.0)
    }

    fn take_size(
        &mut self,
        act: &Act<'_>,
        foreign_teaches: f32,
        known: &Everybody,
        news: &mut Everybody,
        added: &mut Added,
    ) -> f32 {
        let size = Size::of(act.input, act.output);
        let anybody = known.density(size);
        let odd = libm::logf(anybody / self.sizes.density(size, anybody));
        let one_if = |is: bool| if is { 1.0 } else { 0.0 };
        added.set(Of::Strange, one_if(odd > STRANGE));
        added.set(Of::Typical, one_if(odd < TYPICAL));
        added.set(Of::OddSizes, odd.clamp(0.0, 4.0));
        #[allow(clippy::cast_precision_loss, reason = "thousands of tokens")]
        added.set(Of::Output, act.output as f32 / 1000.0);
        let is_foreign = odd > FOREIGN;
        if is_foreign {
            let near = |before: [f32; 2]| {
                before.iter().zip(size.doublings).all(|(before, now)| (before - now).abs() < TEMPLATE)
            };
            added.set(Of::Template, one_if(self.foreign.is_some_and(near)));
            self.foreign = Some(size.doublings);
        }
        self.sizes.add(size, if is_foreign { foreign_teaches } else { 1.0 });
        news.add(size, self.requests);
        odd.clamp(-1.0, 3.0)
    }

    fn take_model(&mut self, act: &Act<'_>, day: i64, added: &mut Added) -> f32 {
        let price = price(act);
        let is_new = self.models.see(act.model, day, price);
        let rare = self.models.ln_rare(act.model);
        added.set(Of::NewModel, if is_new { 1.0 } else { 0.0 });
        added.set(Of::ModelMix, rare.max(0.0));
        if let Some(price) = price
            && self.ceiling > 0.0
        {
            let dearer = libm::logf(price / self.ceiling);
            added.set(Of::Dearer, if dearer > 0.1 { dearer.min(4.0) } else { 0.0 });
        }
        let change = self.model.replace(act.model).map_or(0.0, |before| self.change(before != act.model));
        added.set(Of::Switches, change);
        rare.clamp(-1.0, 2.0) + change.clamp(-1.0, 1.0)
    }

    /// By how much likelier it is that somebody who takes the key's models at random changes now, or does not, than that
    /// the owner does, as a logarithm.
    fn change(&mut self, changes: bool) -> f32 {
        let [so_far, all] = self.changes;
        let owner = (so_far + 1.0) / (all + 3.0);
        if self.today < CHANGES_MAX {
            self.changes = [so_far + if changes { 1.0 } else { 0.0 }, all + 1.0];
        }
        #[allow(clippy::cast_precision_loss, reason = "48 at most")]
        let models = self.models.len() as f32;
        if models < 2.0 {
            return 0.0;
        }
        let ratio = if changes { (1.0 - 1.0 / models) / owner } else { 1.0 / models / (1.0 - owner) };
        libm::logf(ratio).clamp(-2.0, 3.0)
    }

    fn take_answer(&mut self, act: &Act<'_>, day: i64, added: &mut Added) {
        let mut mark = |of: Of, is: bool| added.set(of, if is { 1.0 } else { 0.0 });
        let is_refused = matches!(act.status, 400 | 401 | 403 | 404) && act.output == 0;
        mark(Of::Refused, is_refused);
        mark(Of::Probe, is_refused && act.is_idle() && act.status != 401);
        mark(Of::Unauthorised, act.status == 401);
        mark(Of::NoTokens, act.is_success() && !act.is_work());
        mark(Of::NewEndpoint, self.endpoints.see(act.endpoint, day, None));
        #[allow(clippy::cast_possible_truncation, reason = "dollars of one request")]
        added.set(Of::Dollars, act.cost as f32);
    }

    fn end_day(&mut self) {
        self.sums.end_day(self.days);
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

    /// Forgets what has added up: it was the owner's, and the days before are told with it all the same.
    pub fn forgive(&mut self) {
        self.sums.forgive();
    }

    /// What speaks for and against a second consumer, by now.
    pub fn weigh(&self) -> Ledger {
        evidence::weigh(self)
    }

    /// Memory, in bytes.
    pub fn bytes(&self) -> usize {
        heap::vector::<Self>(1)
            + self.sums.heap_bytes()
            + self.sizes.heap_bytes()
            + self.models.heap_bytes()
            + self.endpoints.heap_bytes()
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

//! What a key's records add up to, fading over four spans, and how high the days before went.

use crate::heap;
use serde::{Deserialize, Serialize};

/// What a record adds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Of {
    Records,
    Typical,
    Strange,
    OddSizes,
    Template,
    OddHours,
    RareHours,
    NewModel,
    Dearer,
    ModelMix,
    Switches,
    ShortGaps,
    Joint,
    Mixture,
    Output,
    Dollars,
    NewEndpoint,
    NoTokens,
    Refused,
    Probe,
    Foreign,
}

/// How many things a record adds.
pub const THINGS: usize = Of::Foreign as usize + 1;

/// What one record adds, by [`Of`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Added([f32; THINGS]);

impl Added {
    /// What it adds of this.
    pub const fn get(&self, of: Of) -> f32 {
        self.0[of as usize]
    }

    /// Sets what it adds of this.
    pub const fn set(&mut self, of: Of, value: f32) {
        self.0[of as usize] = value;
    }
}

/// Over what a sum fades to the part 1/e.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Span {
    TenMinutes,
    TwoHours,
    Day,
    FourDays,
}

impl Span {
    const SECONDS: [f32; 4] = [600.0, 7_200.0, 86_400.0, 345_600.0];

    /// From what `weights.txt` calls it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "10m" => Some(Self::TenMinutes),
            "2h" => Some(Self::TwoHours),
            "1d" => Some(Self::Day),
            "4d" => Some(Self::FourDays),
            _ => None,
        }
    }
}

/// The sums that are kept.
pub const KEPT: &[(Of, Span)] = &[
    (Of::Records, Span::TenMinutes),
    (Of::Records, Span::Day),
    (Of::Typical, Span::TenMinutes),
    (Of::Typical, Span::TwoHours),
    (Of::Typical, Span::Day),
    (Of::Strange, Span::TenMinutes),
    (Of::Strange, Span::TwoHours),
    (Of::Template, Span::TenMinutes),
    (Of::OddHours, Span::TenMinutes),
    (Of::OddHours, Span::TwoHours),
    (Of::OddHours, Span::Day),
    (Of::RareHours, Span::TenMinutes),
    (Of::RareHours, Span::TwoHours),
    (Of::RareHours, Span::Day),
    (Of::Dearer, Span::TwoHours),
    (Of::Dearer, Span::Day),
    (Of::ModelMix, Span::TenMinutes),
    (Of::ModelMix, Span::TwoHours),
    (Of::ModelMix, Span::Day),
    (Of::ModelMix, Span::FourDays),
    (Of::Switches, Span::TwoHours),
    (Of::Switches, Span::Day),
    (Of::ShortGaps, Span::TenMinutes),
    (Of::Joint, Span::TwoHours),
    (Of::Mixture, Span::TwoHours),
    (Of::Mixture, Span::Day),
    (Of::Mixture, Span::FourDays),
    (Of::Output, Span::TenMinutes),
    (Of::Output, Span::TwoHours),
    (Of::Output, Span::Day),
    (Of::Dollars, Span::TwoHours),
    (Of::Dollars, Span::Day),
    (Of::NewEndpoint, Span::Day),
    (Of::NewEndpoint, Span::FourDays),
    (Of::NoTokens, Span::TenMinutes),
    (Of::NoTokens, Span::Day),
    (Of::NoTokens, Span::FourDays),
    (Of::Refused, Span::Day),
    (Of::Refused, Span::FourDays),
    (Of::Probe, Span::Day),
    (Of::Probe, Span::FourDays),
    (Of::Foreign, Span::Day),
];

/// Where a sum stands among those that are kept.
pub fn place(of: Of, span: Span) -> Option<usize> {
    KEPT.iter().position(|kept| *kept == (of, span))
}

/// A sum, and the days before.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Sum {
    now: f32,
    /// The highest of today.
    today: f32,
    /// Mean and mean square of the logarithm of the highest of each day.
    mean: f32,
    square: f32,
}

/// All sums of a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sums(Vec<Sum>);

/// A new day counts for at least this part of the mean of all days.
const DAY_SHARE: f32 = 0.04;

impl Sums {
    /// Nothing has been added.
    pub fn new() -> Self {
        Self(vec![Sum::default(); KEPT.len()])
    }

    /// So many seconds go by.
    pub fn fade(&mut self, seconds: f32) {
        let kept = Span::SECONDS.map(|span| libm::expf(-seconds / span));
        for (sum, (_, span)) in self.0.iter_mut().zip(KEPT) {
            sum.now *= kept[*span as usize];
        }
    }

    /// Adds a record that counts as so many.
    pub fn add(&mut self, added: &Added, count: f32) {
        for (sum, (of, _)) in self.0.iter_mut().zip(KEPT) {
            sum.now += added.get(*of) * count;
            sum.today = sum.today.max(sum.now);
        }
    }

    /// Nothing has been added of late.
    pub fn forgive(&mut self) {
        self.0.iter_mut().for_each(|sum| sum.now = 0.0);
    }

    /// A day is over, after so many days of use before it.
    pub fn end_day(&mut self, days: f32) {
        let share = (1.0 / (days + 1.0)).max(DAY_SHARE);
        for (sum, (of, _)) in self.0.iter_mut().zip(KEPT) {
            let height = ln(*of, sum.today);
            sum.mean += share * (height - sum.mean);
            sum.square += share * (height * height - sum.square);
            sum.today = 0.0;
        }
    }

    /// A sum as it is.
    pub fn now(&self, place: usize) -> f32 {
        self.0[place].now
    }

    /// The logarithm of a sum, a little added so that nothing has one too.
    pub fn ln(&self, place: usize) -> f32 {
        ln(KEPT[place].0, self.0[place].now)
    }

    /// What a sum comes to on a usual day.
    pub fn usual(&self, place: usize) -> f32 {
        (libm::expf(self.0[place].mean) - floor(KEPT[place].0)).max(0.0)
    }

    /// By how many standard deviations the logarithm of a sum is above that of the highest of other days, so many of
    /// them. The least variance keeps keys that are young or never differ from being surprised by anything.
    pub fn surprise(&self, place: usize, days: f32) -> f32 {
        if days < 1.0 {
            return 0.0;
        }
        let sum = self.0[place];
        let variance = (sum.square - sum.mean * sum.mean).max(0.0);
        (self.ln(place) - sum.mean) / libm::sqrtf(variance + 0.09 + 0.5 / (days + 1.0))
    }

    /// Memory besides its own, in bytes.
    pub fn heap_bytes(&self) -> usize {
        heap::vector::<Sum>(self.0.capacity())
    }
}

/// What is added to a sum before its logarithm is taken: about half of what is worth speaking of.
const fn floor(of: Of) -> f32 {
    match of {
        Of::Dollars => 0.02,
        Of::Output => 0.2,
        _ => 0.5,
    }
}

fn ln(of: Of, sum: f32) -> f32 {
    let floor = floor(of);
    libm::logf(sum.max(-0.9 * floor) + floor)
}

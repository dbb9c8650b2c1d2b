//! How rare a newcomer is for a key: on how many of its days somebody new appeared, and how long they stayed around.

use serde::{Deserialize, Serialize};

/// How often a newcomer came back: once, 2 or 3 times, 4 to 7, 8 to 15, more often.
pub const LEVELS: usize = 5;

/// The level of so many visits.
pub fn level(visits: u32) -> usize {
    (visits.max(1).ilog2() as usize).min(LEVELS - 1)
}

/// What of a newcomer is new.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Kind {
    /// Its network.
    Network,
    /// Its block of addresses, within a network that is known.
    Block,
    /// Its client software.
    Client,
}

/// Days with a newcomer, by what was new and how often it came back at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Days([[f32; LEVELS]; 3]);

impl Days {
    /// How many days had a newcomer that came at least this often.
    pub const fn count(&self, kind: Kind, level: usize) -> f32 {
        self.0[kind as usize][level]
    }

    /// Counts the day of a newcomer at all levels that it reached.
    pub fn add(&mut self, kind: Kind, reached: usize) {
        self.0[kind as usize].iter_mut().take(reached + 1).for_each(|days| *days += 1.0);
    }
}

/// Keys of one kind, born on servers or on access lines: what is usual among them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fellows {
    /// Days with a newcomer.
    pub days: Days,
    /// Days on which a key was in use.
    pub active: f32,
}

/// Days of use that nobody has seen, with one newcomer among them: what is believed before anything is known.
const BELIEVED_DAYS: f32 = 60.0;

impl Fellows {
    /// Adds those of other keys.
    pub fn add_all(&mut self, other: &Self) {
        self.active += other.active;
        for (sum, days) in self.days.0.iter_mut().flatten().zip(other.days.0.iter().flatten()) {
            *sum += days;
        }
    }

    /// Takes those away that there were before.
    #[cfg(feature = "kafka")]
    pub fn subtract(&mut self, before: &Self) {
        self.active -= before.active;
        for (sum, days) in self.days.0.iter_mut().flatten().zip(before.days.0.iter().flatten()) {
            *sum -= days;
        }
    }

    /// The part of the days that had such a newcomer.
    fn rate(&self, kind: Kind, level: usize) -> f32 {
        let believed = libm::exp2f(-f32::from(u8::try_from(level).unwrap_or(0)));
        (self.days.count(kind, level) + believed) / (self.active + BELIEVED_DAYS)
    }
}

/// How many days the rate among fellows counts for.
const FELLOWS_WEIGHT: f32 = 2.0;
/// Days at the start of a key's life in which everything is new.
const YOUNG_DAYS: f32 = 3.0;

/// The part of a key's days that had such a newcomer: its own days, and a little of what is usual among its fellows.
pub fn rate(own: f32, active_days: f32, fellows: &Fellows, kind: Kind, level: usize) -> f64 {
    let days = (active_days - YOUNG_DAYS).max(0.0) + FELLOWS_WEIGHT;
    f64::from(((own + FELLOWS_WEIGHT * fellows.rate(kind, level)) / days).min(1.0))
}

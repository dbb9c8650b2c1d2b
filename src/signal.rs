//! What records can tell besides whose key was used and when: without it, a detector is blind and not content.

use serde::{Deserialize, Serialize};

/// A set of signals.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Signals(u8);

impl Signals {
    /// No signal.
    pub const NONE: Self = Self(0);
    /// The client's address.
    pub const ADDRESS: Self = Self(1);
    /// The model.
    pub const MODEL: Self = Self(2);
    /// What it cost, said or computable.
    pub const COST: Self = Self(4);

    /// How many requests there were.
    pub const REQUESTS: Self = Self(8);
    /// At which hour of the day.
    pub const HOUR: Self = Self(16);

    /// Every single signal, with its name.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::ADDRESS, "address"),
        (Self::MODEL, "model"),
        (Self::COST, "cost"),
        (Self::REQUESTS, "requests"),
        (Self::HOUR, "hour"),
    ];

    /// How many sets there are.
    pub const SETS: usize = 1 << Self::ALL.len();

    /// Every set, in the order of [`Signals::index`].
    pub fn sets() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).take(Self::SETS).map(Self)
    }

    /// The place of this set among all of them.
    pub const fn index(self) -> usize {
        self.0 as usize % Self::SETS
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These, but none of the others.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether all of `needed` is in it.
    pub const fn has(self, needed: Self) -> bool {
        self.0 & needed.0 == needed.0
    }

    /// These if `condition` holds, and otherwise none.
    #[must_use]
    pub const fn when(self, condition: bool) -> Self {
        if condition { self } else { Self::NONE }
    }

    /// The names of its signals, in the order of [`Signals::ALL`].
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().filter(move |(signal, _)| self.has(*signal)).map(|(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_sets() {
        let both = Signals::ADDRESS.with(Signals::COST);
        assert!(both.has(Signals::ADDRESS) && both.has(Signals::NONE) && !both.has(Signals::MODEL));
        assert_eq!(both.names().collect::<Vec<_>>(), ["address", "cost"]);
        let all = Signals::ALL.iter().fold(Signals::NONE, |all, (one, _)| all.with(*one));
        assert_eq!(all.names().count(), Signals::ALL.len());
    }
}

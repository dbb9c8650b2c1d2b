//! The money of the last hour, in twelfths of one: what a key spends at this moment. It is looked at and decides nothing, so
//! it is not saved; after a restart it begins anew.

use crate::money::NanoUsd;
use crate::time::{MINUTE, Timestamp};

/// Five minutes, in nanoseconds.
pub const STEP: i64 = 5 * MINUTE;
/// Steps of an hour.
pub const STEPS: usize = 12;
/// The same, to reckon with numbers of steps.
const HOUR: i64 = 12;

/// Money by steps of five minutes: the newest that has any, and the eleven before it.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    /// Number of the newest step since 1970.
    newest: i64,
    /// By the number of the step, modulo their count.
    steps: [NanoUsd; STEPS],
}

/// The number of a step since 1970.
const fn number(at: Timestamp) -> i64 {
    at.0.div_euclid(STEP)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "one of twelve")]
const fn place(number: i64) -> usize {
    number.rem_euclid(HOUR) as usize
}

impl Pace {
    /// Adds money of an instant, or takes it back; what is an hour older than the newest is too old.
    pub fn note(&mut self, at: Timestamp, amount: NanoUsd) {
        let step = number(at);
        if step > self.newest {
            let passed = (step - self.newest).min(HOUR);
            for back in 0..passed {
                self.steps[place(step - back)] = NanoUsd::ZERO;
            }
            self.newest = step;
        }
        if self.newest - step < HOUR {
            self.steps[place(step)] += amount;
        }
    }

    /// The hour that ends with the step in which `now` is, oldest first; never below nought.
    pub fn hour(&self, now: Timestamp) -> [NanoUsd; STEPS] {
        let mut hour = [NanoUsd::ZERO; STEPS];
        let last = number(now);
        for (step, amount) in (last - HOUR + 1..=last).zip(&mut hour) {
            if (0..HOUR).contains(&(self.newest - step)) {
                *amount = self.steps[place(step)].max(NanoUsd::ZERO);
            }
        }
        hour
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SECOND;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_plain_sum_in_any_order(
            mut spent in prop::collection::vec((0_i64..9000, 1_i64..100), 0..60),
            later in 0_i64..9000,
        ) {
            let paced = |spent: &[(i64, i64)]| {
                let mut pace = Pace::default();
                for (second, nano) in spent {
                    pace.note(Timestamp(second * SECOND), NanoUsd(*nano));
                }
                pace
            };
            let newest = spent.iter().map(|(second, _)| *second).max().unwrap_or(0);
            let now = Timestamp((newest + later) * SECOND);
            let hour = paced(&spent).hour(now);
            for (back, amount) in hour.iter().rev().enumerate() {
                let step = number(now) - i64::try_from(back).unwrap();
                let kept = number(Timestamp(newest * SECOND)) - step < HOUR;
                let all = spent.iter().filter(|(second, _)| number(Timestamp(second * SECOND)) == step && kept);
                prop_assert_eq!(amount.0, all.map(|(_, nano)| nano).sum::<i64>());
            }
            spent.reverse();
            prop_assert_eq!(paced(&spent).hour(now), hour);
        }
    }

    #[test]
    fn what_is_taken_back_never_shows_below_nought() {
        let mut pace = Pace::default();
        pace.note(Timestamp(STEP), NanoUsd(-5));
        assert_eq!(pace.hour(Timestamp(STEP)), [NanoUsd::ZERO; STEPS]);
    }
}

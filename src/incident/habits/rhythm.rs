//! When a key is used: hours of working days and weekends, and pauses between requests.

use super::sizes::DAY_KEEPS;
use serde::{Deserialize, Serialize};

/// How many hours of any kind count beside those of a key.
const ANY_HOUR: f32 = 4.0;
/// What an hour of the other kind of day counts for.
const OTHER_DAYS: f32 = 0.3;
/// Pauses that are told apart, in parts of doublings of seconds.
const PAUSES: usize = 32;
const PER_DOUBLING: f32 = 1.8;

/// When a key is used.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rhythm {
    hours: [[f32; 24]; 2],
    all: f32,
    today: [f32; 24],
    pauses: [f32; PAUSES],
    pauses_today: [f32; PAUSES],
}

impl Rhythm {
    /// By how much likelier this hour is anybody's than the key's, as a logarithm.
    pub fn ln_odd(&self, weekend: usize, hour: usize) -> f32 {
        let share =
            |hours: &[f32; 24]| 0.5 * hours[hour] + 0.25 * (hours[(hour + 23) % 24] + hours[(hour + 1) % 24]);
        let seen = share(&self.hours[weekend]) + OTHER_DAYS * share(&self.hours[1 - weekend]);
        let all = (1.0 + OTHER_DAYS) * 0.5 * self.all;
        let own = (seen + ANY_HOUR / 48.0) / (all + ANY_HOUR);
        libm::logf(1.0 / 48.0 / own).clamp(-2.0, 4.0)
    }

    /// How rarely the key pauses as briefly as this, as a logarithm less what an average pause has.
    pub fn ln_short(&self, seconds: f32) -> f32 {
        let all: f32 = self.pauses.iter().sum();
        if all <= 5.0 {
            return 0.0;
        }
        let shorter: f32 = self.pauses[..=bin(seconds)].iter().sum();
        (-libm::logf((shorter + 0.5) / (all + 1.0)) - 1.0).clamp(-1.0, 4.0)
    }

    /// Adds requests of today.
    #[allow(clippy::cast_precision_loss, reason = "its logarithm is meant")]
    pub fn add(&mut self, hour: usize, count: u32, pause: Option<f32>) {
        self.today[hour] += count as f32;
        if let Some(pause) = pause {
            self.pauses_today[bin(pause)] += 1.0;
        }
    }

    /// A day is over. Its busy hours count for more than others, though not as much more as they were busier.
    pub fn end_day(&mut self, weekend: usize) {
        self.hours.iter_mut().flatten().for_each(|hour| *hour *= DAY_KEEPS);
        for (sum, today) in self.hours[weekend].iter_mut().zip(std::mem::take(&mut self.today)) {
            *sum += libm::logf(1.0 + today);
        }
        self.all = self.hours.iter().flatten().sum();
        for (sum, today) in self.pauses.iter_mut().zip(std::mem::take(&mut self.pauses_today)) {
            *sum = *sum * DAY_KEEPS + today;
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "none below nought, and few")]
fn bin(seconds: f32) -> usize {
    ((libm::log2f(seconds + 1.0) * PER_DOUBLING) as usize).min(PAUSES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_of_which_a_key_has_none_are_odd_and_pauses_that_are_shorter() {
        let mut rhythm = Rhythm::default();
        assert!(rhythm.ln_odd(0, 3).abs() < 1e-3 && rhythm.ln_short(0.0) == 0.0, "nothing is known");
        for _ in 0..5 {
            for hour in 9..17 {
                for _ in 0..10 {
                    rhythm.add(hour, 1, Some(300.0));
                }
            }
            rhythm.end_day(0);
        }
        assert!(rhythm.ln_odd(0, 3) > 1.5 && rhythm.ln_odd(0, 12) < 0.0);
        assert!(rhythm.ln_short(1.0) > 3.0 && rhythm.ln_short(3_600.0) < 0.0);
    }
}

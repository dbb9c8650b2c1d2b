//! What a key uses by name: models, endpoints. Bounded; the one not used for longest gives way.

use super::sizes::DAY_KEEPS;
use crate::heap;
use serde::{Deserialize, Serialize};

const WORDS_MAX: usize = 48;
/// On how many days, and how many days ago, a word must have been used to be the key's own.
const OWN: (u16, i64) = (2, 4);
/// Requests by which the price of a model is averaged.
const PRICED_MAX: f32 = 200.0;

/// A model or an endpoint.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Word {
    id: u64,
    first: i64,
    last: i64,
    days: u16,
    weight: f32,
    today: f32,
    price: f32,
    priced: f32,
}

impl Word {
    const fn is_own(&self, day: i64) -> bool {
        self.days >= OWN.0 && day - self.first >= OWN.1
    }
}

/// All models, or all endpoints, of a key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Words(Vec<Word>);

impl Words {
    /// Whether a word of today is new to the key.
    pub fn is_new(&self, id: u64, day: i64) -> bool {
        !self.0.iter().any(|word| word.id == id && word.is_own(day))
    }

    /// Notes one that was used so often today, at what a token cost, if that is known; true where it is new.
    #[allow(clippy::cast_precision_loss, reason = "a share is meant")]
    pub fn see(&mut self, id: u64, day: i64, count: u32, price: Option<f32>) -> bool {
        let known = self.0.iter().position(|word| word.id == id);
        let place = known.unwrap_or_else(|| self.begin(id, day));
        let word = &mut self.0[place];
        if word.last < day {
            word.days = word.days.saturating_add(1);
            word.last = day;
        }
        if let Some(price) = price {
            word.priced = (word.priced + 1.0).min(PRICED_MAX);
            word.price += (price - word.price) / word.priced;
        }
        word.today += count as f32;
        known.is_none()
    }

    fn begin(&mut self, id: u64, day: i64) -> usize {
        if self.0.len() >= WORDS_MAX {
            let oldest = (0..self.0.len()).min_by_key(|&place| self.0[place].last);
            self.0.remove(oldest.unwrap_or(0));
        }
        self.0.push(Word {
            id,
            first: day,
            last: day,
            days: 1,
            weight: 0.0,
            today: 0.0,
            price: 0.0,
            priced: 0.0,
        });
        self.0.len() - 1
    }

    /// By how much likelier somebody who uses all the key's words alike would use this one than the key is to, as a
    /// logarithm; nothing where hardly any use is known.
    #[allow(clippy::cast_precision_loss, reason = "48 at most")]
    pub fn ln_rare(&self, id: u64) -> f32 {
        let all: f32 = self.0.iter().map(|word| word.weight).sum();
        if all <= 3.0 {
            return 0.0;
        }
        let weight = self.0.iter().find(|word| word.id == id).map_or(0.0, |word| word.weight);
        let share = (weight + 0.5) / (all + 0.5 * (self.with(id) + 1.0));
        let known = self.0.iter().filter(|word| word.weight > 0.0).count().max(1) as f32;
        libm::logf(1.0 / (known + 0.5) / share).clamp(-1.5, 4.0)
    }

    /// The highest price of those that are the key's own.
    pub fn highest_price(&self, day: i64, all_are_own: bool) -> f32 {
        let own = self.0.iter().filter(|word| word.priced > 0.0 && (all_are_own || word.is_own(day)));
        own.map(|word| word.price).fold(0.0, f32::max)
    }

    /// How many there are with this one.
    #[allow(clippy::cast_precision_loss, reason = "48 at most")]
    pub fn with(&self, id: u64) -> f32 {
        let others = self.0.iter().filter(|word| word.id != id).count().min(WORDS_MAX - 1);
        others as f32 + 1.0
    }

    /// A day is over; of a key so young, everything that it uses is its own.
    pub fn end_day(&mut self, day: i64, is_young: bool) {
        for word in &mut self.0 {
            word.weight = word.weight * DAY_KEEPS + std::mem::take(&mut word.today);
            if is_young {
                word.days = word.days.max(OWN.0);
                word.first = word.first.min(day - OWN.1);
            }
        }
    }

    /// Memory besides its own, in bytes.
    pub fn heap_bytes(&self) -> usize {
        heap::vector::<Word>(self.0.capacity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_new_until_it_has_been_used_on_two_days_for_four() {
        let mut words = Words::default();
        let is_new = |words: &mut Words, id, day| {
            let is_new = words.is_new(id, day);
            words.see(id, day, 1, None);
            is_new
        };
        assert!(is_new(&mut words, 7, 10));
        assert!(is_new(&mut words, 7, 12), "two days, not for long enough");
        assert!(!is_new(&mut words, 7, 14));
        assert!(is_new(&mut words, 8, 14));
        words.end_day(14, true);
        assert!(!is_new(&mut words, 8, 15), "the key is young");
        for id in 100..200 {
            words.see(id, 16, 1, None);
        }
        assert_eq!(words.0.len(), WORDS_MAX);
    }
}

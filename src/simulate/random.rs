//! Random numbers that are the same on every machine (xoshiro256++, seeded by `SplitMix64`).

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Random([u64; 4]);

impl Random {
    /// The stream of this name and number among those of a seed.
    pub fn new(seed: u64, name: &str, number: u64) -> Self {
        let mut state = xxh3_64_with_seed(name.as_bytes(), seed) ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        };
        Self([next(), next(), next(), next()])
    }

    /// Any number.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// From nought up to one.
    #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub fn part(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something happens that does in this part of all cases.
    pub fn happens(&mut self, part: f64) -> bool {
        self.part() < part
    }

    /// One of so many.
    #[allow(clippy::cast_possible_truncation, reason = "less than `of`")]
    pub fn below(&mut self, of: usize) -> usize {
        ((u128::from(self.bits()) * of as u128) >> 64) as usize
    }

    /// One of these, if there are any.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }

    /// In any order.
    pub fn shuffle<T>(&mut self, of: &mut [T]) {
        for place in (1..of.len()).rev() {
            of.swap(place, self.below(place + 1));
        }
    }

    /// Normally distributed, mean nought and variance one.
    pub fn normal(&mut self) -> f64 {
        let (radius, turn) = (1.0 - self.part(), self.part());
        libm::sqrt(-2.0 * libm::log(radius)) * libm::cos(2.0 * std::f64::consts::PI * turn)
    }

    /// Log-normally distributed.
    pub fn log_normal(&mut self, median: f64, spread: f64) -> f64 {
        median * libm::exp(spread * self.normal())
    }

    /// The time to the next of events that come so far apart on average.
    pub fn pause(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.part())
    }

    /// How many events come where so many do on average.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of requests")]
    pub fn count(&mut self, mean: f64) -> u64 {
        if mean >= 30.0 {
            return (mean + libm::sqrt(mean) * self.normal()).round().max(0.0) as u64;
        }
        let (limit, mut product, mut count) = (libm::exp(-mean), self.part(), 0);
        while product > limit {
            product *= self.part();
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_their_own_and_the_same_everywhere() {
        let first = |seed, name, number| Random::new(seed, name, number).bits();
        assert_eq!(first(1, "a", 0), first(1, "a", 0));
        let others = [first(1, "a", 0), first(2, "a", 0), first(1, "b", 0), first(1, "a", 1)];
        assert!((0..4).all(|one| (0..one).all(|other| others[one] != others[other])), "{others:?}");
    }

    #[test]
    fn distributions_have_their_means() {
        let mut random = Random::new(7, "means", 0);
        let mut mean = |draw: &mut dyn FnMut(&mut Random) -> f64| {
            (0..20_000).map(|_| draw(&mut random)).sum::<f64>() / 20_000.0
        };
        assert!(mean(&mut Random::normal).abs() < 0.03);
        assert!((mean(&mut |random| random.pause(5.0)) - 5.0).abs() < 0.15);
        #[allow(clippy::cast_precision_loss)]
        for expected in [0.3, 4.0, 100.0] {
            let found = mean(&mut |random| random.count(expected) as f64);
            assert!((found - expected).abs() < 0.05 * expected.max(1.0), "{expected}: {found}");
        }
        assert!(mean(&mut |random| f64::from(u8::from(random.log_normal(9.0, 1.0) < 9.0))) - 0.5 < 0.02);
    }
}

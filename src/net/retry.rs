//! How long to wait before something is tried again: longer after each failure, and never all at the same time.

use crate::time::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use std::time::Duration;

/// The longest pause after the first failure; it doubles with each.
const FIRST: Duration = Duration::from_millis(500);
/// The longest pause that a receiver may ask for.
const ASKED_MAX: Duration = Duration::from_secs(300);

/// Pauses between attempts.
#[derive(Clone, Debug)]
pub struct Backoff {
    max: Duration,
    failures: u32,
    random: u64,
}

impl Backoff {
    /// Pauses up to `max`; `seed` differs from process to process.
    pub fn new(max: Duration, seed: u64) -> Self {
        Self { max, failures: 0, random: seed }
    }

    /// It went well: the next failure is the first.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// After a failure that may pass by itself: anything up to a limit that doubles, so that many who failed together
    /// do not come back together.
    pub fn longer(&mut self) -> Duration {
        let doubled = FIRST.saturating_mul(1_u32 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        self.below(doubled.min(self.max))
    }

    /// After the receiver has said how long it wants to be left alone.
    pub fn asked(&mut self, pause: Duration) -> Duration {
        self.failures = self.failures.saturating_add(1);
        pause.min(ASKED_MAX) + self.below(FIRST.min(self.max))
    }

    /// After a failure that somebody has to mend: slowly.
    pub fn slowly(&mut self) -> Duration {
        self.max / 2 + self.below(self.max / 2)
    }

    /// From nought to `limit` (`SplitMix64`).
    fn below(&mut self, limit: Duration) -> Duration {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let micros = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros((z ^ (z >> 31)) % micros.saturating_add(1).max(1))
    }
}

/// What `Retry-After` asks for: seconds, or a time.
pub fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    let nanos = i64::try_from(at.as_nanosecond()).ok()?.saturating_sub(now.0);
    Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAX: Duration = Duration::from_secs(30);

    proptest! {
        #[test]
        fn pauses_stay_under_a_limit_that_doubles(seed in any::<u64>(), failures in 0_u32..100) {
            let mut backoff = Backoff::new(MAX, seed);
            for failure in 0..failures {
                prop_assert!(backoff.longer() <= FIRST.saturating_mul(1 << failure.min(10)).min(MAX));
            }
            let slow = backoff.slowly();
            prop_assert!(slow >= MAX / 2 && slow <= MAX);
            prop_assert!(backoff.asked(Duration::MAX) <= ASKED_MAX + FIRST);
            backoff.reset();
            prop_assert!(backoff.longer() <= FIRST);
        }
    }

    #[test]
    fn two_processes_do_not_come_back_together() {
        let pauses = |seed| {
            let mut backoff = Backoff::new(MAX, seed);
            (0..10).map(|_| backoff.longer()).collect::<Vec<_>>()
        };
        assert_eq!(pauses(1), pauses(1));
        assert!(pauses(1).iter().zip(pauses(2)).all(|(a, b)| *a != b));
        assert!(pauses(1).iter().sum::<Duration>() > Duration::from_secs(5));
    }

    #[test]
    fn retry_after_is_seconds_or_a_time() {
        let now = Timestamp(1_780_272_000 * 1_000_000_000);
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Mon, 01 Jun 2026 00:01:30 GMT", Some(90)),
            ("Sun, 31 May 2026 00:00:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("1e9", None),
        ] {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after("18446744073709551615", now), Some(Duration::from_secs(u64::MAX)));
    }
}

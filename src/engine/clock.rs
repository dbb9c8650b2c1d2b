//! The only place that asks the machine for the time.

use crate::time::Timestamp;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// When something arrived: by the calendar, for the check against the future, and by the stopwatch, for latency.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// By the calendar.
    pub at: Timestamp,
    stopwatch: Instant,
}

impl Arrival {
    /// Now.
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now() -> Self {
        Self { at: now(), stopwatch: Instant::now() }
    }

    /// Time since then.
    pub fn elapsed(&self) -> Duration {
        self.stopwatch.elapsed()
    }
}

/// The calendar time.
#[allow(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

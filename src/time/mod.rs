//! Event time as data: instants, how they were written, days and hours in a key's own zone.
//!
//! Nothing here asks the machine for the time; only `engine/clock.rs` does.

mod parse;
mod zone;

pub use parse::{TimeError, parse};
pub use zone::{Local, ZoneError, Zones};

use serde::{Deserialize, Serialize};
use std::fmt;

/// Nanoseconds in one second.
pub const SECOND: i64 = 1_000_000_000;
/// Nanoseconds in one minute.
pub const MINUTE: i64 = 60 * SECOND;
/// Nanoseconds in one day of 24 hours.
pub const DAY: i64 = 24 * 60 * MINUTE;

/// An instant: nanoseconds since 1970-01-01T00:00:00Z, leap seconds folded into the second before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Before every record: a watermark that has seen nothing.
    pub const MIN: Self = Self(i64::MIN);
    /// After every record: a watermark at the end of a finite input.
    pub const MAX: Self = Self(i64::MAX);
    /// Earliest instant a record may carry (2010-01-01); no AI provider kept usage logs before.
    pub const EARLIEST: Self = Self(1_262_304_000 * SECOND);
    /// Latest instant a record may carry (2200-01-01), inside the range of 64-bit nanoseconds.
    pub const LATEST: Self = Self(7_258_118_400 * SECOND);

    /// The instant `ns` nanoseconds later, kept inside the range.
    #[must_use]
    pub const fn plus(self, ns: i64) -> Self {
        Self(self.0.saturating_add(ns))
    }

    /// The instant `ns` nanoseconds earlier, kept inside the range.
    #[must_use]
    pub const fn minus(self, ns: i64) -> Self {
        Self(self.0.saturating_sub(ns))
    }

    /// Seconds since 1970 with the fraction, for metrics.
    #[allow(clippy::cast_precision_loss)]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / SECOND as f64
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with as many fraction digits as needed (0, 3, 6 or 9).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Stamp::utc(*self).fmt(f)
    }
}

/// An instant together with the notation the input used for it, so that an alert can quote a record's
/// time exactly as a person will find it in the log. Ordered by instant, then by notation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Stamp {
    /// The instant.
    pub at: Timestamp,
    notation: Notation,
}

impl Stamp {
    /// `at`, to be written in UTC.
    pub fn utc(at: Timestamp) -> Self {
        let ns = at.0.rem_euclid(SECOND);
        let digits = match ns {
            0 => 0,
            n if n % 1_000_000 == 0 => 3,
            n if n % 1_000 == 0 => 6,
            _ => 9,
        };
        Self { at, notation: Notation::new(digits, ZULU) }
    }

    /// `at`, written with `digits` fraction digits (at most 9) at an offset of `minutes` from UTC.
    fn with_offset(at: Timestamp, digits: u16, minutes: i16) -> Self {
        Self { at, notation: Notation::new(digits, minutes) }
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = self.notation.offset();
        let shift = if offset.abs() < NO_OFFSET { i64::from(offset) * MINUTE } else { 0 };
        let local = self.at.0.saturating_add(shift);
        let (days, ns) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let (year, month, day) = civil_from_days(days);
        let seconds = ns / SECOND;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        let digits = usize::from(self.notation.digits());
        if digits > 0 {
            let fraction = format!("{:09}", ns % SECOND);
            write!(f, ".{}", &fraction[..digits.min(9)])?;
        }
        match offset {
            ZULU => f.write_str("Z"),
            MINUS_ZERO => f.write_str("-00:00"),
            _ => {
                let sign = if offset < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60)
            }
        }
    }
}

/// Offsets of real zones stay below this many minutes; larger codes are notations without an offset.
const NO_OFFSET: i16 = 1440;
const ZULU: i16 = NO_OFFSET;
const MINUS_ZERO: i16 = NO_OFFSET + 1;

/// Fraction digits (0–9) and offset of a written time, packed so that a [`Stamp`] stays 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
struct Notation(u16);

impl Notation {
    #[allow(clippy::cast_sign_loss, clippy::cast_possible_wrap)]
    const fn new(digits: u16, offset: i16) -> Self {
        Self(((offset + NO_OFFSET) as u16) << 4 | digits)
    }

    const fn digits(self) -> u16 {
        self.0 & 0xf
    }

    #[allow(clippy::cast_possible_wrap)]
    const fn offset(self) -> i16 {
        (self.0 >> 4) as i16 - NO_OFFSET
    }
}

/// A civil date as days since 1970-01-01.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Day(pub i32);

impl Day {
    /// The first day of its month, and that of the next one.
    pub fn month(self) -> (Self, Self) {
        let (year, month, _) = civil_from_days(self.0.into());
        let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        #[allow(clippy::cast_possible_truncation, reason = "near a day that fits")]
        (Self(days_from_civil(year, month, 1) as i32), Self(days_from_civil(next.0, next.1, 1) as i32))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(i64::from(self.0));
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// Days since 1970-01-01 of a civil date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
pub(crate) const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The civil date of a number of days since 1970-01-01; the inverse of [`days_from_civil`].
pub(crate) const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

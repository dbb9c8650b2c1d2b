//! Money as whole nano-dollars: sums never depend on their order.

use crate::json::{Decimal, NumberError, small_nano};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// An amount in nano-USD (10⁻⁹ US dollar). Sums saturate at about 9.2 billion dollars.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct NanoUsd(pub i64);

impl NanoUsd {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// The most one record may cost: a million dollars. More is a wrong unit or an attack on the sums.
    pub const RECORD_MAX: Self = Self(1_000_000 * 1_000_000_000);

    /// Reads a decimal number of dollars, rounded half up to a nano-dollar, not above [`NanoUsd::RECORD_MAX`].
    pub fn parse(text: &[u8]) -> Result<Self, NumberError> {
        if let Some((nano, length)) = small_nano(text)
            && length == text.len()
            && let Some(usual) = Self::from_record(nano)
        {
            return Ok(usual);
        }
        Decimal::parse(text)?.scaled(9, Self::RECORD_MAX.0).map(Self)
    }

    /// The same, below zero as well: what is billed may be taken back.
    pub fn parse_signed(text: &[u8]) -> Result<Self, NumberError> {
        signed(text, Self::parse)
    }

    /// The same of a number that counts units of 10^-`digits` dollars, of cents by two digits.
    pub fn parse_parts(text: &[u8], digits: i32) -> Result<Self, NumberError> {
        signed(text, |text| Decimal::parse(text)?.scaled(9 - digits, Self::RECORD_MAX.0).map(Self))
    }

    /// The cost of one record in nano-dollars; `None` above [`NanoUsd::RECORD_MAX`].
    #[inline]
    pub fn from_record(nano: u64) -> Option<Self> {
        i64::try_from(nano).ok().map(Self).filter(|cost| *cost <= Self::RECORD_MAX)
    }

    /// The amount of a configured or computed number of dollars.
    #[allow(clippy::cast_possible_truncation)]
    pub fn from_usd(usd: f64) -> Self {
        Self((usd * 1e9).round() as i64)
    }

    /// The amount in dollars, for reports and ratios.
    #[allow(clippy::cast_precision_loss)]
    pub fn usd(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

/// Reads an amount with `read`, which reads none below zero, and those below zero like those above.
fn signed(text: &[u8], read: impl Fn(&[u8]) -> Result<NanoUsd, NumberError>) -> Result<NanoUsd, NumberError> {
    match (read(text), text) {
        (Err(NumberError::Negative), [b'-', amount @ ..]) => read(amount).map(|NanoUsd(nano)| NanoUsd(-nano)),
        (read, _) => read,
    }
}

impl Add for NanoUsd {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for NanoUsd {
    type Output = Self;

    #[inline]
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl AddAssign for NanoUsd {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl fmt::Display for NanoUsd {
    /// Dollars as people write them: `$147.61`, and small amounts with the digits that matter, `$0.00023`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usd = self.usd();
        let (sign, usd) = (if self.0 < 0 { "-" } else { "" }, usd.abs());
        match self.0.unsigned_abs() {
            0 => f.write_str("$0"),
            1..10_000_000 => write!(f, "{sign}${usd:.5}"),
            10_000_000..100_000_000 => write!(f, "{sign}${usd:.3}"),
            _ => write!(f, "{sign}${usd:.2}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_back_is_read_like_what_is_billed() {
        assert_eq!(NanoUsd::parse_signed(b"-5.25"), Ok(NanoUsd(-5_250_000_000)));
        assert_eq!(NanoUsd::parse_parts(b"-500.25", 2), Ok(NanoUsd(-5_002_500_000)));
        assert_eq!(NanoUsd::parse_signed(b"-0"), Ok(NanoUsd::ZERO));
        assert_eq!(NanoUsd::parse(b"-5.25"), Err(NumberError::Negative));
        for (wrong, error) in [("--1", NumberError::NotANumber), ("-1000000.5", NumberError::TooLarge)] {
            assert_eq!(NanoUsd::parse_signed(wrong.as_bytes()), Err(error), "{wrong}");
        }
    }

    #[test]
    fn shown_as_people_write_it() {
        for (nano, shown) in [
            (0, "$0"),
            (225_000, "$0.00022"),
            (70_030_000, "$0.070"),
            (147_608_700_000, "$147.61"),
            (-5_250_000_000, "-$5.25"),
        ] {
            assert_eq!(NanoUsd(nano).to_string(), shown);
        }
    }
}

//! Numbers without floating point: exact counts, and money as scaled integers.

use thiserror::Error;

/// Why a number is not what a field needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum NumberError {
    /// Not a decimal number.
    #[error("not a number")]
    NotANumber,
    /// Below zero.
    #[error("negative")]
    Negative,
    /// A fraction where a whole number is needed.
    #[error("not a whole number")]
    Fraction,
    /// Larger than the field can hold.
    #[error("too large")]
    TooLarge,
}

/// Length of the JSON number that `text` starts with.
#[inline(always)]
pub fn number_length(text: &[u8]) -> Option<usize> {
    let start = usize::from(text.first() == Some(&b'-'));
    let at = digits_end(text, start)?;
    if at > start + 1 && text[start] == b'0' {
        return None;
    }
    match text.get(at) {
        Some(b'.' | b'e' | b'E') => fraction_end(text, at),
        _ => Some(at),
    }
}

/// Where the digits end that begin at `start`; `None` where there are none.
#[inline(always)]
fn digits_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while text.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    (at > start).then_some(at)
}

/// Where the fraction and the exponent end that begin at `at`.
fn fraction_end(text: &[u8], mut at: usize) -> Option<usize> {
    if text.get(at) == Some(&b'.') {
        at = digits_end(text, at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at = digits_end(text, at + 1 + sign)?;
    }
    Some(at)
}

/// The whole number that `text` starts with and its length, if it has at most 18 digits and is followed by
/// neither fraction nor exponent: what counts nearly always are.
#[inline(always)]
pub fn small_count(text: &[u8]) -> Option<(u64, usize)> {
    let (number, length) = digits(text, 0);
    let plain = !matches!(text.get(length), Some(b'.' | b'e' | b'E'));
    (plain && is_whole(text, length)).then_some((number, length))
}

/// The number × 10⁹ that `text` starts with and its length, if it has at most 18 digits, at most nine of them
/// after the point, and no exponent: what amounts of money nearly always are.
#[inline(always)]
pub fn small_nano(text: &[u8]) -> Option<(u64, usize)> {
    const SCALE: [u64; 10] =
        [1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];
    let (whole, length) = digits(text, 0);
    if !is_whole(text, length) {
        return None;
    }
    let (number, end) = match text.get(length) {
        Some(b'.') => {
            let (fraction, after) = digits(&text[length + 1..], whole);
            (fraction, length + 1 + after)
        }
        _ => (whole, length),
    };
    let fraction_digits = end.saturating_sub(length + 1);
    let ends =
        !matches!(text.get(end), Some(b'e' | b'E')) && (end == length || fraction_digits > 0) && end <= 19;
    let scale = *SCALE.get(fraction_digits)?;
    if ends { number.checked_mul(scale).map(|nano| (nano, end)) } else { None }
}

/// The number that the digits at the start of `text` append to `number`, and how many there are. More than 19
/// digits in all wrap around: the caller looks at the length.
#[inline(always)]
pub(crate) fn digits(text: &[u8], number: u64) -> (u64, usize) {
    const POWERS: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];
    if let Some(word) = text.first_chunk::<8>() {
        let (value, length) = digits_of_word(u64::from_le_bytes(*word));
        // Eight may not be all.
        if let Some(power) = POWERS.get(length) {
            return (number.wrapping_mul(*power).wrapping_add(value), length);
        }
    }
    digits_one_by_one(text, number)
}

fn digits_one_by_one(text: &[u8], mut number: u64) -> (u64, usize) {
    let mut length = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        length += 1;
    }
    (number, length)
}

/// The number that the digits at the start of eight bytes are, the first one lowest, and how many there are.
#[inline(always)]
const fn digits_of_word(word: u64) -> (u64, usize) {
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let values = word ^ 0x3030_3030_3030_3030;
    // The high bit of whatever is more than nine; a carry only reaches bytes behind the first of them.
    let others = (values.wrapping_add(0x7676_7676_7676_7676) | values) & HIGHS;
    let length = (others.trailing_zeros() / 8) as usize;
    if length == 0 {
        return (0, 0);
    }
    // Noughts in front make it eight digits; then pairs, fours and all of them are joined.
    let eight = values << (64 - 8 * length);
    let pairs = (eight.wrapping_mul(10).wrapping_add(eight >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100).wrapping_add(pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff, length)
}

/// Whether the first `length` digits are a whole JSON number that fits: not empty, no leading zero, at most 18.
#[inline(always)]
fn is_whole(text: &[u8], length: usize) -> bool {
    (1..=18).contains(&length) && (length == 1 || text.first() != Some(&b'0'))
}

/// A decimal number: `mantissa` × 10^`exponent`, cut after 19 digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decimal {
    negative: bool,
    mantissa: u64,
    exponent: i32,
}

impl Decimal {
    /// Reads an optional sign, digits, fraction and exponent: JSON numbers and the decimal strings of invoices.
    pub fn parse(text: &[u8]) -> Result<Self, NumberError> {
        let (negative, digits) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let mut number = Self { negative, mantissa: 0, exponent: 0 };
        let mut seen = false;
        let mut after_dot = false;
        let mut rest = digits.iter();
        while let Some(&byte) = rest.next() {
            match byte {
                b'0'..=b'9' => {
                    seen = true;
                    number.push(byte - b'0', after_dot);
                }
                b'.' if !after_dot => after_dot = true,
                b'e' | b'E' if seen => {
                    number.exponent = number.exponent.saturating_add(exponent(rest.as_slice())?);
                    return Ok(number);
                }
                _ => return Err(NumberError::NotANumber),
            }
        }
        if seen { Ok(number) } else { Err(NumberError::NotANumber) }
    }

    /// Nineteen digits fit into 64 bits; further ones only move the exponent.
    fn push(&mut self, digit: u8, after_dot: bool) {
        let room = self.mantissa < 1_000_000_000_000_000_000;
        if room {
            self.mantissa = self.mantissa * 10 + u64::from(digit);
        }
        if room == after_dot {
            self.exponent = self.exponent.saturating_add(if after_dot { -1 } else { 1 });
        }
    }

    /// This number × 10^`digits`, rounded half up, if it is not negative and at most `max`.
    pub fn scaled(self, digits: i32, max: i64) -> Result<i64, NumberError> {
        if self.mantissa == 0 {
            return Ok(0);
        }
        if self.negative {
            return Err(NumberError::Negative);
        }
        let shift = self.exponent.saturating_add(digits);
        let scaled = match shift {
            0.. => power_of_ten(shift.unsigned_abs()).and_then(|factor| self.mantissa.checked_mul(factor)),
            _ => match power_of_ten(shift.unsigned_abs()) {
                Some(divisor) => {
                    let rest = self.mantissa % divisor;
                    Some(self.mantissa / divisor + u64::from(rest >= divisor - divisor / 2))
                }
                None => Some(0),
            },
        };
        let scaled = scaled.and_then(|value| i64::try_from(value).ok()).ok_or(NumberError::TooLarge)?;
        if scaled > max { Err(NumberError::TooLarge) } else { Ok(scaled) }
    }

    /// This number as a count of at most `max`; `12.0` and `1.2e1` are whole, `-0` is zero.
    pub fn whole(self, max: u64) -> Result<u64, NumberError> {
        if self.mantissa == 0 {
            return Ok(0);
        }
        if self.negative {
            return Err(NumberError::Negative);
        }
        let power = power_of_ten(self.exponent.unsigned_abs());
        let whole = if self.exponent >= 0 {
            power.and_then(|factor| self.mantissa.checked_mul(factor)).ok_or(NumberError::TooLarge)?
        } else {
            let divisor = power.filter(|divisor| self.mantissa.is_multiple_of(*divisor));
            self.mantissa / divisor.ok_or(NumberError::Fraction)?
        };
        if whole > max { Err(NumberError::TooLarge) } else { Ok(whole) }
    }
}

const fn power_of_ten(exponent: u32) -> Option<u64> {
    10_u64.checked_pow(exponent)
}

fn exponent(text: &[u8]) -> Result<i32, NumberError> {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    if digits.is_empty() {
        return Err(NumberError::NotANumber);
    }
    let mut number: i32 = 0;
    for byte in digits {
        if !byte.is_ascii_digit() {
            return Err(NumberError::NotANumber);
        }
        // Beyond a thousand every number is zero or too large; stop counting, keep checking.
        number = (number * 10 + i32::from(byte - b'0')).min(1_000_000);
    }
    Ok(sign * number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use NumberError::{Fraction, Negative, NotANumber, TooLarge};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn digits_are_read_eight_at_a_time_as_one_by_one(
            text in "[0-9]{0,21}[ -~]?[0-9]{0,9}[^0-9]?",
            number in 0_u64..100,
        ) {
            let text = text.as_bytes();
            prop_assert_eq!(digits(text, number), digits_one_by_one(text, number));
        }
    }

    #[test]
    fn counts_are_exact() {
        for (text, count) in [
            ("0", Ok(0)),
            ("-0", Ok(0)),
            ("2383", Ok(2383)),
            ("12.0", Ok(12)),
            ("1.2e1", Ok(12)),
            ("120e-1", Ok(12)),
            ("9007199254740993", Ok(9_007_199_254_740_993)),
            ("18446744073709551615", Err(TooLarge)),
            ("1e999999999999", Err(TooLarge)),
            ("0e999999999999", Ok(0)),
            ("1e-999999999999", Err(Fraction)),
            ("1.5", Err(Fraction)),
            ("-3", Err(Negative)),
            ("1,234", Err(NotANumber)),
            ("0x10", Err(NotANumber)),
            ("NaN", Err(NotANumber)),
            ("", Err(NotANumber)),
            ("1e", Err(NotANumber)),
            ("1.2.3", Err(NotANumber)),
        ] {
            assert_eq!(Decimal::parse(text.as_bytes()).and_then(|d| d.whole(1 << 60)), count, "{text}");
        }
    }

    #[test]
    fn money_is_rounded_once_and_never_wraps() {
        for (text, nano) in [
            ("0.07003", Ok(70_030_000)),
            ("0.00022500000000000002", Ok(225_000)),
            ("1e-05", Ok(10_000)),
            ("0.0000000004", Ok(0)),
            ("0.0000000005", Ok(1)),
            ("147.6087", Ok(147_608_700_000)),
            ("1e308", Err(TooLarge)),
            ("-1e9", Err(Negative)),
            ("-0.0", Ok(0)),
        ] {
            assert_eq!(Decimal::parse(text.as_bytes()).and_then(|d| d.scaled(9, i64::MAX)), nano, "{text}");
        }
        assert_eq!(Decimal::parse(b"2").and_then(|d| d.scaled(0, 1)), Err(TooLarge));
    }

    proptest! {
        #[test]
        fn scaled_agrees_with_floating_point(value in 0.0..1e6_f64) {
            let nano = Decimal::parse(value.to_string().as_bytes()).unwrap().scaled(9, i64::MAX).unwrap();
            #[allow(clippy::cast_precision_loss)]
            let back = nano as f64 / 1e9;
            prop_assert!((back - value).abs() <= 5e-10 + value * 1e-15, "{value} {back}");
        }

        #[test]
        fn the_short_ways_agree_with_the_long_one(text in "[0-9]{1,20}(\\.[0-9]{0,10})?[e ]?") {
            let decimal = Decimal::parse(text.trim_end().as_bytes());
            if let Some((count, length)) = small_count(text.as_bytes()) {
                prop_assert_eq!(Decimal::parse(&text.as_bytes()[..length]).and_then(|d| d.whole(u64::MAX)), Ok(count));
            }
            if let Some((nano, length)) = small_nano(text.as_bytes()) {
                prop_assert_eq!(length, text.trim_end().len());
                if let Ok(nano) = i64::try_from(nano) {
                    prop_assert_eq!(decimal.and_then(|d| d.scaled(9, i64::MAX)), Ok(nano));
                }
            }
        }

        #[test]
        fn length_is_that_of_json(text in "[-+0-9.eE]{0,12}") {
            let whole = number_length(text.as_bytes()) == Some(text.len());
            let json = serde_json::from_str::<serde_json::Number>(&text).is_ok();
            // serde_json also refuses what f64 cannot hold.
            prop_assert!(whole == json || (whole && text.contains(['e', 'E'])), "{text}");
        }
    }
}

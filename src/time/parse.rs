//! Reading times: RFC 3339 and its common relaxations, and epoch numbers of any usual unit.

use super::{DAY, MINUS_ZERO, MINUTE, SECOND, Stamp, Timestamp, ZULU};
use crate::json::{Decimal, digits};
use thiserror::Error;

/// Why a text is not a time a record may carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum TimeError {
    /// Not a notation we read.
    #[error("not a time; write RFC 3339 such as 2026-11-22T06:13:00Z, or an epoch number")]
    Notation,
    /// A field outside its range: month 13, 30 February, hour 24, offset +25:00.
    #[error("no such date, time of day or offset")]
    NoSuchTime,
    /// Before 2010 or after 2199.
    #[error("outside 2010..2200; is the unit or the year right?")]
    OutOfRange,
}

/// Reads a time as logs write it: RFC 3339 with `T`, `t` or a space; up to nine fraction digits (more are
/// cut); `Z`, `±hh:mm`, `±hhmm`, `±hh`, ` ±hhmm` (Ruby), ` UTC` (`BigQuery`) or no offset, which means UTC; or an epoch number in
/// seconds, milliseconds, microseconds or nanoseconds, told apart by size, with an optional fraction; or .NET's ticks.
///
/// A leap second (`:60`) is folded into the second before it, as `jiff` does.
pub fn parse(text: &[u8]) -> Result<Stamp, TimeError> {
    if text.len() >= 19 && text[4] == b'-' {
        return parse_civil(text);
    }
    parse_epoch(text)
}

fn parse_civil(text: &[u8]) -> Result<Stamp, TimeError> {
    let Some((fixed, rest)) = text.split_first_chunk::<19>() else { return Err(TimeError::Notation) };
    let [date @ .., d0, d1, t, h0, h1, colon, n0, n1, b':', s0, s1] = *fixed else {
        return Err(TimeError::Notation);
    };
    let date = Pairs::of(date, *b"0000-00-");
    let time = Pairs::of([d0, d1, b'T', h0, h1, colon, n0, n1], *b"00T00:00");
    let (Some(date), Some(time)) = (date, time) else { return Err(TimeError::Notation) };
    let mut all = Digits::default();
    let second = all.two(s0, s1);
    let (year, month) = (date.at(0) * 100 + date.at(2), date.at(5));
    let (day, hour, minute) = (time.at(0), time.at(3), time.at(6));
    if all.failed || !matches!(t, b'T' | b't' | b' ') {
        return Err(TimeError::Notation);
    }
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return Err(TimeError::NoSuchTime);
    }
    if hour > 23 || minute > 59 || second > 60 {
        return Err(TimeError::NoSuchTime);
    }
    if !(2009..=2200).contains(&year) {
        return Err(TimeError::OutOfRange);
    }
    let (nanos, digits, rest) = fraction(rest)?;
    let offset = offset(rest)?;
    let shift = offset.filter(|minutes| minutes.abs() < super::NO_OFFSET).unwrap_or(0);
    let seconds = hour * 3600 + minute * 60 + second.min(59);
    let days = days_of(year, month, day);
    let local = i64::from(days) * DAY + i64::from(seconds) * SECOND + nanos;
    let at = in_range(local - i64::from(shift) * MINUTE)?;
    // A naive time or one with a space is not RFC 3339: it is quoted in UTC instead.
    match offset {
        Some(offset) if t != b' ' => Ok(Stamp::with_offset(at, digits, offset)),
        _ => Ok(Stamp::utc(at)),
    }
}

fn in_range(ns: i64) -> Result<Timestamp, TimeError> {
    let at = Timestamp(ns);
    if at < Timestamp::EARLIEST || at >= Timestamp::LATEST {
        return Err(TimeError::OutOfRange);
    }
    Ok(at)
}

/// Pairs of digits in eight bytes, read all at once.
struct Pairs(u64);

impl Pairs {
    /// Those of a text that has digits where `like` has noughts, and else the same as it.
    #[inline(always)]
    fn of(text: [u8; 8], like: [u8; 8]) -> Option<Self> {
        const NOUGHTS: u64 = u64::from_le_bytes(*b"00000000");
        const HIGHS: u64 = 0x8080_8080_8080_8080;
        let like = u64::from_le_bytes(like);
        // What differs from the pattern: of a digit its value, of anything else at its place more than nine or, where the
        // pattern has none, more than nothing.
        let digits = u64::from_le_bytes(text) ^ like;
        // Bytes of the pattern that are no noughts have to be met exactly.
        let others = like ^ NOUGHTS;
        let others = ((others | (others & !HIGHS).wrapping_add(!HIGHS)) & HIGHS) >> 7;
        let is_other = others * 0xff;
        let limit = (0x7676_7676_7676_7676 & !is_other) | (0x7f7f_7f7f_7f7f_7f7f & is_other);
        ((digits.wrapping_add(limit) | digits) & HIGHS == 0)
            .then(|| Self(digits.wrapping_mul(10).wrapping_add(digits >> 8)))
    }

    /// The pair that begins at a place.
    #[inline(always)]
    const fn at(&self, place: u32) -> u32 {
        (self.0 >> (8 * place) & 0xff) as u32
    }
}

/// Reads pairs of digits and remembers whether one was none: asked once, at the end.
#[derive(Default)]
struct Digits {
    failed: bool,
}

impl Digits {
    #[inline(always)]
    fn two(&mut self, tens: u8, units: u8) -> u32 {
        let (tens, units) = (tens.wrapping_sub(b'0'), units.wrapping_sub(b'0'));
        self.failed |= tens > 9 || units > 9;
        u32::from(tens) * 10 + u32::from(units)
    }
}

/// Days since 1970 of a civil date of our days: [`days_from_civil`](super::days_from_civil) for years that are not below
/// nought, in half as many steps.
#[allow(clippy::cast_possible_wrap, reason = "about twenty thousand")]
const fn days_of(year: u32, month: u32, day: u32) -> i32 {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    days as i32 - 719_468
}

const fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Nanoseconds, number of digits (at most 9) and what follows the fraction.
#[inline]
fn fraction(text: &[u8]) -> Result<(i64, u16, &[u8]), TimeError> {
    const SCALE: [i64; 10] =
        [1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];
    let [b'.', rest @ ..] = text else { return Ok((0, 0, text)) };
    // Milliseconds, as most write.
    if let [a, b, c, b'Z' | b'+' | b'-', ..] = *rest {
        let mut all = Digits::default();
        let millis = all.two(a, b) * 10 + all.two(b'0', c);
        if !all.failed {
            return Ok((i64::from(millis) * 1_000_000, 3, &rest[3..]));
        }
    }
    let (mut number, mut length, mut counted) = (0, 0, 0_u16);
    for byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        length += 1;
        if counted < 9 {
            number = number * 10 + i64::from(digit);
            counted += 1;
        }
    }
    if length == 0 {
        return Err(TimeError::Notation);
    }
    Ok((number * SCALE[usize::from(counted)], counted, &rest[length..]))
}

/// The offset in minutes, [`ZULU`] or [`MINUS_ZERO`]; `None` where the text names none.
#[inline]
fn offset(text: &[u8]) -> Result<Option<i16>, TimeError> {
    let mut all = Digits::default();
    let (sign, hours, minutes) = match *text {
        [] => return Ok(None),
        [b'Z' | b'z'] | [b' ', b'U', b'T', b'C'] => return Ok(Some(ZULU)),
        [sign @ (b'+' | b'-'), a, b] => (sign, all.two(a, b), 0),
        [sign @ (b'+' | b'-'), a, b, c, d]
        | [sign @ (b'+' | b'-'), a, b, b':', c, d]
        | [b' ', sign @ (b'+' | b'-'), a, b, c, d]
        | [b' ', sign @ (b'+' | b'-'), a, b, b':', c, d] => (sign, all.two(a, b), all.two(c, d)),
        _ => return Err(TimeError::Notation),
    };
    if all.failed {
        return Err(TimeError::Notation);
    }
    if hours > 23 || minutes > 59 {
        return Err(TimeError::NoSuchTime);
    }
    let total = i16::try_from(hours * 60 + minutes).unwrap_or(0);
    Ok(Some(match (sign, total) {
        (b'-', 0) => MINUS_ZERO,
        (b'-', total) => -total,
        (_, total) => total,
    }))
}

/// Ticks of .NET, 100 nanoseconds each since the year 1, of the years 2010 to 2200 and some more.
const TICKS: std::ops::Range<i64> = 633_000_000_000_000_000..700_000_000_000_000_000;
/// As many as there were in 1970.
const TICKS_TO_1970: i64 = 621_355_968_000_000_000;

/// An epoch number: ten digits are seconds, thirteen milliseconds, sixteen microseconds, nineteen nanoseconds
/// (the ranges between are free of overlap for 2010..2200). Eighteen are ticks of .NET, which would be nanoseconds of
/// the early nineties.
fn parse_epoch(text: &[u8]) -> Result<Stamp, TimeError> {
    let (number, length) = digits(text, 0);
    // Nineteen digits fit.
    if !(1..=19).contains(&length) {
        return Err(TimeError::Notation);
    }
    let (fraction_nanos, _, rest) = fraction(&text[length..])?;
    if !rest.is_empty() {
        return with_exponent(text);
    }
    let number = i64::try_from(number).map_err(|_| TimeError::OutOfRange)?;
    if TICKS.contains(&number) {
        return Ok(Stamp::utc(in_range((number - TICKS_TO_1970) * 100)?));
    }
    let unit = unit_of(number);
    // Whole numbers are usual, and a division takes long.
    let part = if fraction_nanos == 0 { 0 } else { fraction_nanos / (SECOND / unit) };
    let ns = number.checked_mul(unit).and_then(|ns| ns.checked_add(part));
    Ok(Stamp::utc(in_range(ns.ok_or(TimeError::OutOfRange)?)?))
}

/// The unit in which a time of our days is such a number.
#[inline(always)]
const fn unit_of(number: i64) -> i64 {
    match number {
        0..100_000_000_000 => SECOND,
        100_000_000_000..100_000_000_000_000 => SECOND / 1_000,
        100_000_000_000_000..100_000_000_000_000_000 => SECOND / 1_000_000,
        _ => 1,
    }
}

/// An epoch number such as `1.780304400123e+12`: so it is written where numbers have gone through floating point, in the
/// structures of Google's logs and in Lua.
#[cold]
fn with_exponent(text: &[u8]) -> Result<Stamp, TimeError> {
    let number = Decimal::parse(text).map_err(|_| TimeError::Notation)?;
    let scaled = |digits| number.scaled(digits, i64::MAX).map_err(|_| TimeError::OutOfRange);
    let whole = scaled(0)?;
    if TICKS.contains(&whole) {
        return Ok(Stamp::utc(in_range((whole - TICKS_TO_1970) * 100)?));
    }
    let digits = unit_of(whole).checked_ilog10().unwrap_or(0).cast_signed();
    Ok(Stamp::utc(in_range(scaled(digits)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_alike() {
        for year in 2009..=2200 {
            for month in 1..=12 {
                for day in [1, 2, 28, days_in_month(year, month)] {
                    let slowly = super::super::days_from_civil(year.into(), month.into(), day.into());
                    assert_eq!(i64::from(days_of(year, month, day)), slowly, "{year}-{month}-{day}");
                }
            }
        }
    }

    #[test]
    fn reads_what_logs_write() {
        for (text, shown) in [
            ("2026-06-05T04:06:35Z", "2026-06-05T04:06:35Z"),
            ("2026-06-05T04:06:35+00:00", "2026-06-05T04:06:35+00:00"),
            ("2026-06-05T04:06:35.120-07:30", "2026-06-05T04:06:35.120-07:30"),
            ("2026-06-05t04:06:35z", "2026-06-05T04:06:35Z"),
            ("2026-06-05T04:06:35-00:00", "2026-06-05T04:06:35-00:00"),
            ("2026-06-05T04:06:35+0200", "2026-06-05T04:06:35+02:00"),
            ("2026-06-05T04:06:35+02", "2026-06-05T04:06:35+02:00"),
            ("2026-06-05 04:06:35.123456", "2026-06-05T04:06:35.123456Z"),
            ("2026-06-05T04:06:35", "2026-06-05T04:06:35Z"),
            ("2026-06-05T04:06:35.1234567891234Z", "2026-06-05T04:06:35.123456789Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
            ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
            ("1780632395", "2026-06-05T04:06:35Z"),
            ("1780632395.5", "2026-06-05T04:06:35.500Z"),
            ("1780632395123", "2026-06-05T04:06:35.123Z"),
            ("1780632395123456", "2026-06-05T04:06:35.123456Z"),
            ("1780632395123456789", "2026-06-05T04:06:35.123456789Z"),
            ("639162291951234567", "2026-06-05T04:06:35.123456700Z"),
            ("1.780632395e9", "2026-06-05T04:06:35Z"),
            ("1.780632395123E+12", "2026-06-05T04:06:35.123Z"),
            ("1780632395.5e+0", "2026-06-05T04:06:35.500Z"),
            ("1.780632395123456e15", "2026-06-05T04:06:35.123456Z"),
            ("1780632395123456.789e3", "2026-06-05T04:06:35.123456789Z"),
            ("6.39162291951234567e17", "2026-06-05T04:06:35.123456700Z"),
            ("2026-06-05 04:06:35.123 UTC", "2026-06-05T04:06:35.123Z"),
            ("2026-06-05 04:06:35 +0200", "2026-06-05T02:06:35Z"),
            ("2026-06-05 04:06:35.5 -07:00", "2026-06-05T11:06:35.500Z"),
        ] {
            assert_eq!(parse(text.as_bytes()).map(|stamp| stamp.to_string()), Ok(shown.to_owned()), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_time() {
        use TimeError::{NoSuchTime, Notation, OutOfRange};
        for (text, error) in [
            ("", Notation),
            ("not a time", Notation),
            ("yesterday", Notation),
            ("2026-06-05", Notation),
            ("Fri, 05 Jun 2026 04:06:35 GMT", Notation),
            ("2026-06-05T04:06:35.Z", Notation),
            ("2026-06-05T04:06:35 Z", Notation),
            ("2026-06-05 04:06:35 +02", Notation),
            ("2026-06-05 04:06:35  +0200", Notation),
            ("2026-06-05T04:06:35Zjunk", Notation),
            ("２０２６-06-05T04:06:35Z", Notation),
            ("2026-02-30T00:00:00Z", NoSuchTime),
            ("2026-13-01T00:00:00Z", NoSuchTime),
            ("2026-01-01T24:00:00Z", NoSuchTime),
            ("2026-01-01T00:00:00+25:00", NoSuchTime),
            ("0000-01-01T00:00:00Z", OutOfRange),
            ("9999-01-01T00:00:00Z", OutOfRange),
            ("10000-01-01T00:00:00Z", Notation),
            ("-62135596801", Notation),
            ("17", OutOfRange),
            ("1e9", OutOfRange),
            ("1e400", OutOfRange),
            ("1.78e", Notation),
            ("1.78e+1x", Notation),
            ("17 e8", Notation),
            ("9223372036854775808", OutOfRange),
            ("9223372036854775.99999999", OutOfRange),
        ] {
            assert_eq!(parse(text.as_bytes()), Err(error), "{text}");
        }
    }
}

//! Hours of the week at which a provider has another price, in UTC.

use crate::time::{DAY, MINUTE, Timestamp};

const MINUTES_OF_DAY: u16 = 24 * 60;

/// Spans within days of the week.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Hours(Vec<Span>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Span {
    /// Bit 0 is Monday.
    weekdays: u8,
    from_minute: u16,
    to_minute: u16,
}

impl Hours {
    /// Adds a span such as `22:00-00:00` on these days, Monday being 1. False where it makes no sense.
    #[must_use]
    pub fn add(&mut self, weekdays: &[u64], span: &str) -> bool {
        let bits = weekdays.iter().try_fold(0, |bits, day| match day {
            1..=7 => Some(bits | 1_u8 << (day - 1)),
            _ => None,
        });
        let Some((from, to)) = span.split_once('-').and_then(|(from, to)| Some((minute(from)?, minute(to)?)))
        else {
            return false;
        };
        let Some(weekdays) = bits.filter(|&bits| bits != 0) else { return false };
        let to_minute = if to == 0 { MINUTES_OF_DAY } else { to };
        self.0.push(Span { weekdays, from_minute: from, to_minute });
        from < to_minute
    }

    pub fn contain(&self, at: Timestamp) -> bool {
        // Day 0 was a Thursday.
        let weekday = (at.0.div_euclid(DAY) + 3).rem_euclid(7);
        let minute = at.0.rem_euclid(DAY) / MINUTE;
        let holds = |span: &Span| {
            span.weekdays >> weekday & 1 == 1
                && (i64::from(span.from_minute)..i64::from(span.to_minute)).contains(&minute)
        };
        self.0.iter().any(holds)
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |text: &str, below: u16| text.parse().ok().filter(|&number: &u16| number < below);
    Some(number(hour, 24)? * 60 + number(minute, 60)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse;

    #[test]
    fn spans_hold_on_their_days() {
        let mut hours = Hours::default();
        assert!(hours.add(&[1, 2, 3, 4, 5], "00:00-01:00") && hours.add(&[1, 2, 3, 4, 5], "10:00-00:00"));
        assert!(hours.add(&[6, 7], "00:00-00:00"));
        for (at, holds) in [
            // A Monday.
            ("2026-11-02T00:59:59Z", true),
            ("2026-11-02T01:00:00Z", false),
            ("2026-11-02T09:59:59Z", false),
            ("2026-11-02T23:59:59Z", true),
            ("2026-11-06T05:00:00Z", false),
            ("2026-11-07T05:00:00Z", true),
            ("2026-11-08T23:59:59Z", true),
        ] {
            assert_eq!(hours.contain(parse(at.as_bytes()).unwrap().at), holds, "{at}");
        }
    }

    #[test]
    fn spans_that_make_no_sense_are_refused() {
        for (days, span) in [
            (&[1][..], "10:00"),
            (&[1], "10-12"),
            (&[1], "12:00-10:00"),
            (&[1], "10:00-10:00"),
            (&[1], "24:00-25:00"),
            (&[0], "10:00-12:00"),
            (&[8], "10:00-12:00"),
            (&[], "10:00-12:00"),
        ] {
            assert!(!Hours::default().add(days, span), "{days:?} {span}");
        }
    }
}

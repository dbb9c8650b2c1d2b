//! Days and hours in a key's own zone, daylight saving included.

use super::{DAY, Day, SECOND, Timestamp};
use thiserror::Error;

/// A zone name that no time zone database knows.
#[derive(Debug, Error)]
#[error("unknown time zone `{name}`; write an IANA name such as `Europe/Berlin`")]
pub struct ZoneError {
    /// As written.
    pub name: String,
}

/// What the wall clock of a zone shows at an instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Local {
    /// The civil date.
    pub day: Day,
    /// The hour of the day, 0–23.
    pub hour: u8,
}

/// The zones a configuration names, by small number; number 0 is the default zone.
///
/// One value belongs to one owner: looking up an instant remembers the stretch of time in which the zone's
/// offset does not change, so that the next look-up is a comparison and a division.
#[derive(Clone, Debug)]
pub struct Zones(Vec<Zone>);

#[derive(Clone, Debug)]
struct Zone {
    rules: jiff::tz::TimeZone,
    /// The offset in nanoseconds, valid for instants in `from..until`.
    offset: i64,
    from: Timestamp,
    until: Timestamp,
}

impl Zones {
    /// The zones of these IANA names, in order; the first is the default.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, ZoneError> {
        names.into_iter().map(Zone::new).collect::<Result<_, _>>().map(Self)
    }

    /// The day and hour that zone number `zone` shows at `at`.
    pub fn local(&mut self, zone: u16, at: Timestamp) -> Local {
        self.0[usize::from(zone)].local(at)
    }

    /// The first instant after `at` at which zone number `zone` shows another hour, or the same one again because its
    /// clocks were set back.
    pub fn end_of_hour(&mut self, zone: u16, at: Timestamp) -> Timestamp {
        self.0[usize::from(zone)].end_of_hour(at)
    }

    /// The instant at which `day` ends in zone number `zone` (the first instant of the next day).
    pub fn end_of(&self, zone: u16, day: Day) -> Timestamp {
        self.0[usize::from(zone)].start_of(Day(day.0 + 1))
    }

    /// The instant at which `day` begins in zone number `zone`.
    pub fn start_of(&self, zone: u16, day: Day) -> Timestamp {
        self.0[usize::from(zone)].start_of(day)
    }
}

impl Zone {
    fn new(name: &str) -> Result<Self, ZoneError> {
        let rules = match name {
            "UTC" => jiff::tz::TimeZone::UTC,
            _ => jiff::tz::TimeZone::get(name).map_err(|_| ZoneError { name: name.to_owned() })?,
        };
        // An empty range: the first look-up fills it.
        Ok(Self { rules, offset: 0, from: Timestamp::MAX, until: Timestamp::MIN })
    }

    fn local(&mut self, at: Timestamp) -> Local {
        if at < self.from || at >= self.until {
            self.remember(at);
        }
        let local = at.0 + self.offset;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Local {
            day: Day(local.div_euclid(DAY) as i32),
            hour: (local.rem_euclid(DAY) / (3600 * SECOND)) as u8,
        }
    }

    fn end_of_hour(&mut self, at: Timestamp) -> Timestamp {
        const HOUR: i64 = 3600 * SECOND;
        if at < self.from || at >= self.until {
            self.remember(at);
        }
        at.plus(HOUR - (at.0 + self.offset).rem_euclid(HOUR)).min(self.until)
    }

    fn remember(&mut self, at: Timestamp) {
        let instant = to_jiff(at);
        self.offset = i64::from(self.rules.to_offset(instant).seconds()) * SECOND;
        // The transition that starts this stretch is the last one at or before `at`.
        let just_after = to_jiff(at.plus(1));
        self.from =
            self.rules.preceding(just_after).next().map_or(Timestamp::MIN, |t| from_jiff(t.timestamp()));
        self.until =
            self.rules.following(instant).next().map_or(Timestamp::MAX, |t| from_jiff(t.timestamp()));
    }

    fn start_of(&self, day: Day) -> Timestamp {
        let midnight = Timestamp(i64::from(day.0) * DAY);
        if self.rules.to_fixed_offset().is_ok_and(jiff::tz::Offset::is_zero) {
            return midnight;
        }
        let date = jiff::tz::Offset::UTC.to_datetime(to_jiff(midnight)).date();
        // A day without a midnight (daylight saving that starts at 00:00) begins at its first instant.
        let start = self.rules.to_ambiguous_timestamp(date.at(0, 0, 0, 0)).compatible();
        start.map_or(midnight, from_jiff)
    }
}

fn to_jiff(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(i128::from(at.0)).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

fn from_jiff(at: jiff::Timestamp) -> Timestamp {
    Timestamp(i64::try_from(at.as_nanosecond()).unwrap_or(if at.as_second() < 0 {
        i64::MIN
    } else {
        i64::MAX
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse;

    fn local(zone: &str, at: &str) -> (String, u8) {
        let mut zones = Zones::new(["UTC", zone]).unwrap();
        let at = parse(at.as_bytes()).unwrap().at;
        let Local { day, hour } = zones.local(1, at);
        assert!(zones.start_of(1, day) <= at && at < zones.end_of(1, day), "day bounds of {at} in {zone}");
        (day.to_string(), hour)
    }

    #[test]
    fn the_wall_clock_of_the_zone_counts() {
        for (zone, at, day, hour) in [
            ("UTC", "2026-03-29T00:59:59Z", "2026-03-29", 0),
            ("Europe/Berlin", "2026-03-29T00:59:59Z", "2026-03-29", 1),
            ("Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29", 3),
            ("Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25", 2),
            ("Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25", 2),
            ("Europe/Berlin", "2026-06-30T22:00:00Z", "2026-07-01", 0),
            ("America/Los_Angeles", "2026-01-01T07:59:59Z", "2025-12-31", 23),
            ("Asia/Kathmandu", "2026-01-01T18:15:00Z", "2026-01-02", 0),
            // Daylight saving starts at midnight: the day has no 00:00.
            ("America/Havana", "2026-03-08T05:00:00Z", "2026-03-08", 1),
        ] {
            assert_eq!(local(zone, at), (day.to_owned(), hour), "{zone} {at}");
        }
    }

    #[test]
    fn hours_end_where_the_wall_clock_says() {
        for (zone, at, end) in [
            ("UTC", "2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z"),
            ("Asia/Kolkata", "2026-03-29T00:00:00Z", "2026-03-29T00:30:00Z"),
            ("Asia/Kolkata", "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"),
            // Half an hour of daylight saving: clocks are set back from 02:00 to 01:30, and forward from 02:00 to 02:30.
            ("Australia/Lord_Howe", "2026-04-04T14:45:00Z", "2026-04-04T15:00:00Z"),
            ("Australia/Lord_Howe", "2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z"),
            ("Australia/Lord_Howe", "2026-10-03T15:30:00Z", "2026-10-03T16:00:00Z"),
        ] {
            let mut zones = Zones::new(["UTC", zone]).unwrap();
            let (at, end) = (parse(at.as_bytes()).unwrap().at, parse(end.as_bytes()).unwrap().at);
            assert_eq!(zones.end_of_hour(1, at), end, "{zone} {at}");
        }
    }

    #[test]
    fn unknown_zones_are_named() {
        let error = Zones::new(["Europe/Berlln"]).unwrap_err();
        assert!(error.to_string().contains("Europe/Berlln"));
    }
}

//! How regularly a key is used: requests by hour of the week over four weeks, and how much days differ. From it follows
//! how long a silence must last until chance does not explain it.

use super::History;
use crate::time::{Day, Timestamp, Zones};

/// Days that it is taken from, and how many there must be.
const DAYS: i32 = 28;
const DAYS_MIN: i32 = 14;
/// Requests that there must be.
const REQUESTS_MIN: f64 = 100.0;
/// How regular a key can be: days that differ by a fifth for no reason that the hour of the week knows.
const SHAPE_MAX: f64 = 20.0;
const SHAPE_MIN: f64 = 0.05;
/// How many times the longest silence of these weeks, in requests that would have been usual, the next one must be: many
/// keys are used in bursts, with hours between them that their hours of the week do not let expect.
const TIMES_LONGEST: f64 = 2.0;
/// After so many hours nobody waits any more.
const HOURS_MAX: u32 = 31 * 24;
/// Hours of a week.
const CELLS: usize = 7 * 24;

/// How long a silence must be to be told.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Patience {
    /// Hours that it lasts at least.
    pub hours_min: f64,
    /// The chance that a key which is used as before is silent for as long.
    pub chance_max: f64,
    /// Whole days, each of which usually has use, of a key that has days without.
    pub days_min: f64,
}

/// A silence that chance does not explain.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Hush {
    /// When it had lasted for long enough.
    pub at: Timestamp,
    /// Requests that would have been usual up to there.
    pub expected: f64,
    /// The chance that there was none.
    pub chance: f64,
    /// Whether the key was used on every day.
    pub is_daily: bool,
}

/// What is usual by hour of the week.
#[derive(Clone, PartialEq, Debug)]
pub struct Pulse {
    /// Requests an hour, from Monday 00:00 on.
    cells: [f64; CELLS],
    /// Shape of the gamma distribution that days are drawn from: large where they are alike.
    shape: f64,
    /// The longest silence so far, in requests that would have been usual.
    longest: f64,
    is_daily: bool,
}

/// One day of the history.
#[derive(Clone, Copy, Debug)]
struct Use {
    day: Day,
    requests: f64,
    /// The hours with use, a bit for each.
    hours: u32,
}

impl Use {
    const fn none(day: Day) -> Self {
        Self { day, requests: 0.0, hours: 0 }
    }
}

/// The day of the week, from Monday on.
fn weekday(day: Day) -> usize {
    // 1970-01-01 was a Thursday.
    usize::try_from((day.0 + 3).rem_euclid(7)).unwrap_or(0)
}

impl Pulse {
    /// From the clean days of a history up to one; `None` where there are too few to tell.
    pub fn of(history: &History, to: Day, is_clean: impl Fn(Day) -> bool) -> Option<Self> {
        let first = history.days(Day(to.0 - DAYS + 1), to).next()?.day();
        let mut days: Vec<Use> =
            (first.0..=to.0).map(Day).filter(|day| is_clean(*day)).map(Use::none).collect();
        let mut of_weekday = [0.0_f64; 7];
        for day in &days {
            of_weekday[weekday(day.day)] += 1.0;
        }
        if days.len() < usize::try_from(DAYS_MIN).unwrap_or(0) || of_weekday.contains(&0.0) {
            return None;
        }
        let mut cells = [0.0; CELLS];
        let mut used = 0;
        for (totals, hours) in history.hours_by_day(first, to) {
            let Ok(at) = days.binary_search_by_key(&totals.day(), |day| day.day) else { continue };
            let (known, of_day) = (&mut days[at], weekday(totals.day()) * 24);
            known.requests = f64::from(totals.requests);
            used += 1;
            for (hour, requests) in hours {
                cells[of_day + usize::from(hour)] += f64::from(requests);
                known.hours |= u32::from(requests > 0) << hour;
            }
        }
        if cells.iter().sum::<f64>() < REQUESTS_MIN {
            return None;
        }
        for (of_day, days) in cells.chunks_exact_mut(24).zip(of_weekday) {
            for requests in of_day {
                *requests /= days;
            }
        }
        let shape = shape(&days, &cells);
        let longest = longest(&days, &cells);
        Some(Self { cells, shape, longest, is_daily: days.len() == used })
    }

    /// What an hour of a day usually has, and that day.
    fn expected(&self, day: Day, hour: u8) -> f64 {
        self.cells[weekday(day) * 24 + usize::from(hour % 24)]
    }

    fn daily(&self, day: Day) -> f64 {
        self.cells.chunks(24).nth(weekday(day)).map_or(0.0, |hours| hours.iter().sum())
    }

    /// When a silence since the last use, in a zone, has been long enough; `None` where it never is.
    pub fn hush(&self, last: Timestamp, zone: u16, zones: &mut Zones, patience: Patience) -> Option<Hush> {
        let begun = zones.local(zone, last).day;
        let (mut at, mut expected) = (last, 0.0);
        for _ in 0..HOURS_MAX {
            let local = zones.local(zone, at);
            let end = zones.end_of_hour(zone, at);
            let part = hours(end.0.saturating_sub(at.0)).min(1.0);
            expected += self.expected(local.day, local.hour) * part;
            at = end;
            let chance = self.chance(expected);
            let lasts = hours(at.0.saturating_sub(last.0)) >= patience.hours_min
                && expected >= self.longest * TIMES_LONGEST;
            if lasts && chance <= patience.chance_max && self.is_no_holiday(begun, local.day, patience) {
                return Some(Hush { at, expected, chance, is_daily: self.is_daily });
            }
        }
        None
    }

    /// That there is no request where so many are expected, if days differ as they do (negative binomial).
    fn chance(&self, expected: f64) -> f64 {
        (-self.shape * (1.0 + expected / self.shape).ln()).exp()
    }

    /// A key that has days without use may have another one, and after it a second.
    fn is_no_holiday(&self, begun: Day, today: Day, patience: Patience) -> bool {
        let over = (begun.0 + 1..today.0).filter(|day| self.daily(Day(*day)) >= 1.0).count();
        #[allow(clippy::cast_precision_loss, reason = "a month of days")]
        let over = over as f64;
        self.is_daily || over >= patience.days_min
    }
}

/// The shape by the method of moments: how much days differ from their weekday's, beyond what chance does.
fn shape(days: &[Use], cells: &[f64; CELLS]) -> f64 {
    let (mut squares, mut means, mut mean_squares, mut count) = (0.0, 0.0, 0.0, 0.0);
    let mut of_weekday = [0.0_f64; 7];
    for (mean, hours) in of_weekday.iter_mut().zip(cells.chunks_exact(24)) {
        *mean = hours.iter().sum();
    }
    for day in days {
        let mean = of_weekday[weekday(day.day)];
        if mean <= 0.0 {
            continue;
        }
        squares += (day.requests - mean).powi(2);
        means += mean;
        mean_squares += mean * mean;
        count += 1.0;
    }
    // The means of weekdays are taken from the same days.
    let freedom = f64::max(count - 7.0, 1.0);
    let excess = squares / freedom - means / count;
    if excess <= 0.0 { SHAPE_MAX } else { (mean_squares / count / excess).clamp(SHAPE_MIN, SHAPE_MAX) }
}

/// The longest run of hours without use, in requests that would have been usual.
fn longest(days: &[Use], cells: &[f64; CELLS]) -> f64 {
    let (mut longest, mut run, mut before) = (0.0_f64, 0.0, None);
    for day in days {
        // Of a day that does not count nobody knows what it had.
        if before.is_some_and(|before: Day| before.0 + 1 != day.day.0) {
            run = 0.0;
        }
        before = Some(day.day);
        for (hour, usual) in cells[weekday(day.day) * 24..][..24].iter().enumerate() {
            run = if day.hours >> hour & 1 == 1 { 0.0 } else { run + usual };
            longest = longest.max(run);
        }
    }
    longest
}

#[allow(clippy::cast_precision_loss, reason = "a month of nanoseconds")]
fn hours(ns: i64) -> f64 {
    ns as f64 / 3.6e12
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::NanoUsd;
    use crate::time::parse;

    const PATIENCE: Patience = Patience { hours_min: 6.0, chance_max: 1e-6, days_min: 3.0 };

    /// Four weeks from Monday, 2026-05-04, on with so many requests in these hours of these days of the week.
    fn pulse(days: &[usize], hours: std::ops::Range<u8>, requests: impl Fn(i32) -> u32) -> Option<Pulse> {
        let mut history = History::default();
        let start = Day(crate::time::days_from_civil(2026, 5, 4).try_into().unwrap());
        for day in (start.0..start.0 + 28).map(Day).filter(|day| days.contains(&weekday(*day))) {
            hours.clone().for_each(|hour| history.add(day, hour, requests(day.0), NanoUsd::ZERO));
        }
        Pulse::of(&history, Day(start.0 + 27), |_| true)
    }

    /// When a silence since this time is told.
    fn told(pulse: &Pulse, last: &str) -> Option<String> {
        let mut zones = Zones::new(["UTC"]).unwrap();
        let last = parse(last.as_bytes()).unwrap().at;
        pulse.hush(last, 0, &mut zones, PATIENCE).map(|hush| hush.at.to_string())
    }

    #[test]
    fn a_service_that_never_sleeps_is_missed_after_hours() {
        let service = pulse(&[0, 1, 2, 3, 4, 5, 6], 0..24, |day| if day % 2 == 0 { 40 } else { 30 }).unwrap();
        assert!(service.is_daily && service.shape > 10.0, "{}", service.shape);
        assert_eq!(told(&service, "2026-06-02T10:20:00Z").as_deref(), Some("2026-06-02T17:00:00Z"));
        // With less to expect it takes longer.
        let slow = pulse(&[0, 1, 2, 3, 4, 5, 6], 0..24, |_| 1).unwrap();
        assert_eq!(told(&slow, "2026-06-02T10:00:00Z").as_deref(), Some("2026-06-03T06:00:00Z"));
    }

    #[test]
    fn nights_weekends_and_a_holiday_are_no_silence() {
        let office = pulse(&[0, 1, 2, 3, 4], 8..18, |_| 100).unwrap();
        assert!(!office.is_daily);
        // From Friday evening on: Monday, Tuesday and Wednesday pass first.
        assert_eq!(told(&office, "2026-06-05T17:59:00Z").as_deref(), Some("2026-06-11T01:00:00Z"));
        let by_night = pulse(&[0, 1, 2, 3, 4, 5, 6], 0..6, |_| 100).unwrap();
        // Used every day, but in the night only: the next night is missed, and the day is not.
        assert_eq!(told(&by_night, "2026-06-02T05:59:00Z").as_deref(), Some("2026-06-03T01:00:00Z"));
    }

    #[test]
    fn a_silence_must_be_longer_than_those_before() {
        let mut history = History::default();
        let start = Day(crate::time::days_from_civil(2026, 5, 4).try_into().unwrap());
        for day in start.0..start.0 + 28 {
            // Every fourth day the hours from ten to seven in the evening are missing.
            for hour in (0..24).filter(|hour| day % 4 != 0 || !(10..19).contains(hour)) {
                history.add(Day(day), hour, 40, NanoUsd::ZERO);
            }
        }
        let pulse = Pulse::of(&history, Day(start.0 + 27), |_| true).unwrap();
        assert!(pulse.longest > 200.0, "{}", pulse.longest);
        let told = told(&pulse, "2026-06-02T10:00:00Z").unwrap();
        assert!(told.as_str() > "2026-06-02T22" && told.as_str() < "2026-06-03T12", "{told}");
    }

    #[test]
    fn keys_that_nobody_knows_well_are_not_missed() {
        assert_eq!(pulse(&[0], 8..9, |_| 1), None);
        // Days that differ by more than their mean.
        let moody = pulse(&[0, 1, 2, 3, 4, 5, 6], 9..12, |day| if day % 5 == 0 { 200 } else { 1 }).unwrap();
        assert!(moody.shape < 1.0, "{}", moody.shape);
        let patient = told(&moody, "2026-06-02T12:00:00Z");
        assert!(patient.is_none_or(|at| at.as_str() > "2026-06-20"), "no use for weeks, by chance");
    }
}

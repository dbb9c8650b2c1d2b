//! Windows of time: from when to when is asked next.

use crate::time::{DAY, MINUTE, Timestamp};

/// How the windows of an API lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// They begin and end at multiples of so many nanoseconds.
    pub step: i64,
    /// One is no longer than that.
    pub chunk: i64,
    /// So much of what was read is read again.
    pub overlap: i64,
    /// What is not over is not asked for.
    pub complete: bool,
    /// How far back can be asked; nought for any time.
    pub back_max: i64,
}

/// A window, its end not included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
}

impl Times {
    /// The last multiple of a step up to this time.
    pub fn floor(&self, at: Timestamp) -> Timestamp {
        at.minus(at.0.rem_euclid(self.step))
    }

    /// The end of what is there by now.
    pub fn end(&self, now: Timestamp) -> Timestamp {
        let floor = self.floor(now);
        if self.complete || floor == now { floor } else { floor.plus(self.step) }
    }

    /// The beginning of what is to be asked: what was read up to `done` is read again in part, but nothing before `first`.
    pub fn begin(&self, done: Timestamp, first: Timestamp, now: Timestamp) -> Timestamp {
        let oldest = match self.back_max {
            0 => Timestamp::EARLIEST,
            back => self.floor(now).minus(back),
        };
        self.floor(done.minus(self.overlap).max(first).max(oldest))
    }

    /// The piece of time that this one lies in, by its beginning.
    pub fn chunk(&self, at: Timestamp) -> i64 {
        at.0 - at.0.rem_euclid(self.chunk)
    }

    /// The next window, up to `end`.
    pub fn next(&self, from: Timestamp, end: Timestamp) -> Option<Span> {
        let to = Timestamp(self.chunk(from).saturating_add(self.chunk)).min(end);
        (from < to).then_some(Span { from, to })
    }

    /// The same of an API that always tells everything: one window for all of it.
    #[must_use]
    pub fn in_one(self) -> Self {
        Self { chunk: i64::MAX / 2, ..self }
    }

    /// Windows of so many minutes.
    pub fn of_minutes(step: u32, chunk: u32, overlap: u32) -> Self {
        let minutes = |count: u32| i64::from(count) * MINUTE;
        Self {
            step: minutes(step),
            chunk: minutes(chunk),
            overlap: minutes(overlap),
            complete: false,
            back_max: 0,
        }
    }

    /// The same, of which no more than so many days back can be asked.
    #[must_use]
    pub fn within_days(self, days: u32) -> Self {
        Self { back_max: i64::from(days) * DAY, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        crate::time::parse(text.as_bytes()).unwrap().at
    }

    fn spans(times: &Times, from: &str, now: &str) -> Vec<String> {
        let (mut from, end) = (times.floor(at(from)), times.end(at(now)));
        let mut told = Vec::new();
        while let Some(span) = times.next(from, end) {
            told.push(format!("{} {}", span.from, span.to));
            from = span.to;
        }
        told
    }

    #[test]
    fn windows_lie_beside_each_other_up_to_now() {
        let minutes = Times::of_minutes(1, 1440, 60);
        assert_eq!(
            spans(&minutes, "2026-06-01T22:30:30Z", "2026-06-03T00:00:10Z"),
            [
                "2026-06-01T22:30:00Z 2026-06-02T00:00:00Z",
                "2026-06-02T00:00:00Z 2026-06-03T00:00:00Z",
                "2026-06-03T00:00:00Z 2026-06-03T00:01:00Z",
            ]
        );
        let days = Times { complete: true, ..Times::of_minutes(1440, 1440, 0) };
        assert_eq!(
            spans(&days, "2026-06-01T22:30:30Z", "2026-06-02T23:59:59Z"),
            ["2026-06-01T00:00:00Z 2026-06-02T00:00:00Z"]
        );
    }

    #[test]
    fn what_was_read_is_read_again_but_not_from_before_the_first() {
        let times = Times::of_minutes(1, 1440, 60);
        let (now, first) = (at("2026-06-03T12:00:30Z"), at("2026-06-03T11:30:00Z"));
        assert_eq!(times.begin(at("2026-06-03T12:00:00Z"), first, now), first);
        assert_eq!(
            times.begin(at("2026-06-03T12:00:00Z"), at("2026-06-01T00:00:00Z"), now),
            at("2026-06-03T11:00:00Z")
        );
        let lately = times.within_days(1);
        assert_eq!(
            lately.begin(at("2026-05-01T00:00:00Z"), at("2026-05-01T00:00:00Z"), now),
            at("2026-06-02T12:00:00Z")
        );
    }
}

//! How far partitions of the input may be ahead of each other.
//!
//! Who judges has to have closed a day before it sees records of the day after the next, so records that were read
//! long before those of other partitions would be judged by too little. What other partitions have reached is heard
//! (`progress`), whoever reads them. A partition whose next record has to wait says of which minute that is, so
//! the least of them can always go on. This only decides when something is read, never what becomes of it.

use super::parcel::Progress;
use super::progress::TOLD_MINUTES;
use crate::record::Batch;
use crate::source::kafka::Fetched;

/// How many minutes of event time one partition may be ahead of the least as it was told: less than a day by more than the
/// lateness, and half a day at least of where the least really is.
const AHEAD: i64 = 12 * 60 + TOLD_MINUTES;

/// A partition that waits for others.
pub struct Held {
    /// The minute of its next record.
    pub minute: i64,
    /// That record and those behind it that were fetched with it, where they are lines.
    pub rest: Option<Fetched>,
}

/// Up to where a partition may be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// The least minute that the others have reached.
    floor: i64,
}

impl Limit {
    /// That of one partition; `None` where nobody has to be waited for. One that others take for idle reads nothing before
    /// they know better: others may have been woken by what woke it.
    pub fn of(own: Progress, others: impl Iterator<Item = Progress>) -> Option<Self> {
        if own.is_idle {
            return Some(Self { floor: i64::MIN });
        }
        let busy = others.filter(|other| !other.is_idle);
        busy.map(|other| other.minute).min().map(|floor| Self { floor })
    }

    /// Whether a record of a minute has to wait.
    pub fn holds(self, minute: i64) -> bool {
        minute > self.floor.saturating_add(AHEAD)
    }

    /// How many lines go before the first message that has to wait, and the minute of its record. `positions` says by line
    /// where the messages stood; one that has begun goes as a whole.
    pub fn first_held(self, batch: &Batch, positions: &[i64]) -> Option<(usize, i64)> {
        let position = |index: usize| positions.get(batch.records.get(index)?.line as usize).copied();
        let (index, minute) = batch.minutes.iter().find(|(index, minute)| {
            let index = *index as usize;
            let has_begun = index.checked_sub(1).is_some_and(|before| position(before) == position(index));
            self.holds(*minute) && !has_begun
        })?;
        let here = position(*index as usize);
        Some((positions.partition_point(|position| Some(*position) < here), *minute))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kafka::progress::rounded;

    /// Up to which minute a partition may be read where others have come so far, or are idle.
    fn last_read(others: &[(i64, bool)]) -> Option<i64> {
        let others = others.iter().map(|&(minute, is_idle)| rounded(Progress { minute, is_idle }));
        let limit = Limit::of(Progress::NONE, others)?;
        (0..10_000).take_while(|minute| !limit.holds(*minute)).last()
    }

    #[test]
    fn the_least_that_is_not_idle_is_waited_for() {
        assert_eq!(last_read(&[]), None, "nobody is waited for");
        assert_eq!(last_read(&[(100, true)]), None);
        assert_eq!(last_read(&[(3000, false), (1500, false), (100, true)]), Some(1500 + AHEAD));
    }

    /// What is told is a little less than what is so, which never costs anybody of the half day.
    #[test]
    fn half_a_day_ahead_is_always_read() {
        for least in 1500..1600 {
            let last = last_read(&[(least, false)]).unwrap() - least;
            assert!((720..=720 + TOLD_MINUTES).contains(&last), "{least}: {last}");
        }
    }

    #[test]
    fn nothing_is_read_before_all_have_told_where_they_are_and_everybody_is_known_to_be_awake() {
        let own = Progress { minute: 100, is_idle: true };
        for limit in [Limit::of(Progress::NONE, [Progress::NONE].into_iter()), Limit::of(own, [].into_iter())]
        {
            assert!(limit.unwrap().holds(0));
        }
        assert_eq!(rounded(Progress::NONE), Progress::NONE);
    }
}

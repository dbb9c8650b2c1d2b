//! How far partitions of the input may be ahead of each other.
//!
//! Who judges has to have closed a day before it sees records of the day after the next, so records that were read
//! long before those of other partitions would be judged by too little. What other partitions have reached is known
//! from the partitions of our own topics that this process reads; one that reads none waits for nobody. A partition whose next record has to wait says of which minute that is, so
//! the least of them can always go on. This only decides when something is read, never what becomes of it.

use super::cell::Cell;
use super::stages::{Origin, Stage};
use crate::record::Batch;
use crate::source::kafka::{Fetched, Place};
use std::collections::BTreeMap;

/// How many minutes of event time one partition may be ahead of the least: less than a day by more than the lateness.
const AHEAD: i64 = 12 * 60;

/// A partition that waits for others.
pub struct Held {
    /// The minute of its next record.
    pub minute: i64,
    /// That record and those behind it that were fetched with it, where they are lines.
    pub rest: Option<Fetched>,
}

/// Tells where partitions of the input are read and nothing is known of how far the others are.
pub fn warn_if_blind(cells: &BTreeMap<Place, Cell>) {
    let has = |stage: Stage| cells.values().any(|cell| cell.stage() == stage);
    if has(Stage::Input) && !has(Stage::Keys) && !has(Stage::Halves) {
        tracing::warn!(
            "this process reads no partition of keyhound's own topics: while old records are read, it may get ahead of the \
             others. Run fewer processes, or choose more `kafka.repartition_partitions`"
        );
    }
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
    pub fn of(origin: &Origin, cells: &BTreeMap<Place, Cell>) -> Option<Self> {
        let mut known: BTreeMap<&Origin, (i64, bool)> = BTreeMap::new();
        for cell in cells.values() {
            for (one, progress) in cell.origins() {
                let latest = known.entry(one).or_insert((i64::MIN, false));
                *latest = (*latest).max((progress.minute, progress.is_idle));
            }
        }
        if known.remove(origin).is_some_and(|(_, is_idle)| is_idle) {
            return Some(Self { floor: i64::MIN });
        }
        let busy = known.into_values().filter(|(_, is_idle)| !is_idle);
        busy.map(|(minute, _)| minute).min().map(|floor| Self { floor })
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

//! The order of records and the passing of event time: where several inputs become one stream.
//!
//! Finite inputs are merged by event time, as Kafka Streams merges partitions: the record that comes next is the
//! earliest of the heads. Live inputs come as they come, with a watermark each; the least of them counts, and an
//! input that is quiet for a while holds nobody back.

use super::clock::Arrival;
use crate::incident::Epochs;
use crate::join::Joined;
use crate::record::{Batch, Mark, Run};
use crate::time::{MINUTE, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Records that one step carries at most.
const STEP_RECORDS_MAX: usize = 4096;

/// A batch with where it came from.
#[derive(Clone)]
pub struct Loaded {
    /// The records.
    pub batch: Arc<Batch>,
    /// Name of the input.
    pub source: Arc<str>,
    /// Lines of the input before this batch.
    pub lines_before: u64,
    /// When it was read.
    pub arrived: Arrival,
}

/// What all shards are given next.
#[derive(Clone, Default)]
pub struct Step {
    /// Records in their final order.
    pub runs: Vec<Run>,
    /// When the watermark moves.
    pub marks: Vec<Mark>,
    /// Batches that appear for the first time: for counting, and for their rejects.
    pub loaded: Vec<Loaded>,
    /// What became of records that are halves.
    pub joined: Joined,
}

impl Step {
    /// Number of records.
    pub fn records(&self) -> usize {
        self.runs.iter().map(|run| run.range.len()).sum()
    }

    /// Cuts off everything before another epoch of the fleet, if one begins in it.
    pub fn cut(&mut self, epochs: &mut Epochs) -> Option<Self> {
        let at = self.marks.iter().position(|mark| epochs.begins(mark.watermark))?;
        let mut marks = self.marks.split_off(at);
        let from = marks.first().map_or(0, |mark| mark.at);
        for mark in &mut marks {
            mark.at -= from;
        }
        let runs = split_runs(&mut self.runs, from as usize);
        Some(std::mem::replace(self, Self { runs, marks, ..Self::default() }))
    }

    /// True for a step that moves nothing.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.marks.is_empty() && self.loaded.is_empty()
    }
}

/// Takes the records from this one on out of `runs`.
fn split_runs(runs: &mut Vec<Run>, from: usize) -> Vec<Run> {
    let mut before = 0;
    let place = runs.iter().position(|run| {
        let is_it = from < before + run.range.len();
        before += if is_it { 0 } else { run.range.len() };
        is_it
    });
    let Some(place) = place else { return Vec::new() };
    let mut rest = runs.split_off(place);
    if let Some(run) = rest.first_mut()
        && from > before
    {
        let cut = run.range.start + from - before;
        runs.push(Run { batch: Arc::clone(&run.batch), range: run.range.start..cut });
        run.range.start = cut;
    }
    rest
}

/// Event time of a stream.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Passage {
    lateness: i64,
    /// The latest minute seen.
    latest: i64,
    /// The last watermark given, in minutes.
    given: i64,
}

impl Passage {
    /// Nothing seen; records may come `lateness_minutes` after newer ones.
    pub fn new(lateness_minutes: u32) -> Self {
        Self { lateness: i64::from(lateness_minutes), latest: i64::MIN, given: i64::MIN }
    }

    /// The watermark as it was given last.
    pub fn watermark(&self) -> Option<Timestamp> {
        (self.given != i64::MIN).then(|| Timestamp(self.given.saturating_mul(MINUTE)))
    }

    /// The minute that the watermark follows; none is before all of them.
    #[cfg(feature = "kafka")]
    pub fn reached(&self) -> i64 {
        if self.given == i64::MIN { i64::MIN } else { self.given.saturating_add(self.lateness) }
    }

    /// The latest event time seen, to the minute.
    pub fn latest(&self) -> Option<Timestamp> {
        (self.latest != i64::MIN).then(|| Timestamp(self.latest.saturating_mul(MINUTE)))
    }

    /// Adds records to a step, and the watermarks they bring; `latest` is the minute that their input has reached,
    /// `floor` the one that all other inputs have.
    fn add(&mut self, step: &mut Step, run: Run, latest: &mut i64, floor: i64) {
        let before = step.records();
        for &(index, minute) in &run.batch.minutes {
            let index = index as usize;
            if index >= run.range.end || minute <= *latest {
                continue;
            }
            *latest = minute;
            self.give(step, before + index.saturating_sub(run.range.start), minute.min(floor));
        }
        self.latest = self.latest.max(*latest);
        step.runs.push(run);
    }

    /// Gives the watermark that follows from having reached `minute`, if it moves.
    fn give(&mut self, step: &mut Step, at: usize, minute: i64) {
        let watermark = minute.saturating_sub(self.lateness);
        if watermark > self.given {
            self.given = watermark;
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            step.marks.push(Mark { at, watermark: Timestamp(watermark.saturating_mul(MINUTE)) });
        }
    }
}

/// One of the inputs of a [`Merge`].
enum Head {
    /// Its next batch has not come yet.
    Waiting,
    /// The batch and the next record of it.
    Ready(Arc<Batch>, usize),
    /// It will give nothing before this time, and is not read until then.
    Sleeping(Timestamp),
    /// It has ended.
    Ended,
}

/// What a [`Merge`] needs to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// The next batch of this input.
    Batch(usize),
    /// This sleeping input, from now on.
    Wake(usize),
    /// Nothing: a step is ready.
    Nothing,
    /// Nothing: all inputs have ended.
    End,
}

/// Finite inputs, merged by event time.
pub struct Merge {
    heads: Vec<Head>,
    passage: Passage,
    /// The minute that the merged stream has reached.
    latest: i64,
    step: Step,
}

impl Merge {
    /// Inputs that begin at these times; where the time is not known, `Timestamp::MIN`.
    pub fn new(starts: impl IntoIterator<Item = Timestamp>, lateness_minutes: u32) -> Self {
        let heads = starts.into_iter().map(Head::Sleeping).collect();
        Self { heads, passage: Passage::new(lateness_minutes), latest: i64::MIN, step: Step::default() }
    }

    /// Event time so far.
    pub fn passage(&self) -> &Passage {
        &self.passage
    }

    /// What is needed next. While it is nothing, [`Merge::step`] has a step.
    pub fn need(&mut self) -> Need {
        loop {
            if self.step.records() >= STEP_RECORDS_MAX {
                return Need::Nothing;
            }
            if let Some(input) = self.heads.iter().position(|head| matches!(head, Head::Waiting)) {
                // Latency before size: what is ready goes out before anybody waits.
                return if self.step.is_empty() { Need::Batch(input) } else { Need::Nothing };
            }
            let Some((input, _)) = self.earliest(None) else {
                return if self.step.is_empty() { Need::End } else { Need::Nothing };
            };
            if matches!(self.heads[input], Head::Sleeping(_)) {
                return if self.step.is_empty() { Need::Wake(input) } else { Need::Nothing };
            }
            self.take(input);
        }
    }

    /// Goes on where another process stopped: with this much of event time seen, and up to this minute.
    pub fn resume(&mut self, passage: Passage, latest: i64) {
        self.passage = Passage { lateness: self.passage.lateness, ..passage };
        self.latest = latest;
    }

    /// The minute that the merged stream has reached.
    pub fn latest(&self) -> i64 {
        self.latest
    }

    /// Puts records in front of an input that were read by another process.
    pub fn give_rest(&mut self, input: usize, rest: Batch) {
        self.heads[input] = Head::Ready(Arc::new(rest), 0);
    }

    /// The records of an input that have been read and are not in a step yet.
    pub fn rest(&self, input: usize) -> Option<Batch> {
        match self.heads.get(input) {
            Some(Head::Ready(batch, next)) if *next < batch.records.len() => Some(batch.rest(*next)),
            _ => None,
        }
    }

    /// The step that is ready.
    pub fn step(&mut self) -> Step {
        std::mem::take(&mut self.step)
    }

    /// A sleeping input is being read.
    pub fn wake(&mut self, input: usize) {
        self.heads[input] = Head::Waiting;
    }

    /// The next batch of an input.
    pub fn give(&mut self, input: usize, loaded: Loaded) {
        self.heads[input] = Head::Ready(Arc::clone(&loaded.batch), 0);
        self.step.loaded.push(loaded);
    }

    /// An input has ended.
    pub fn end(&mut self, input: usize) {
        self.heads[input] = Head::Ended;
    }

    /// The input whose head is earliest, and its time; ties go to the first.
    fn earliest(&self, but: Option<usize>) -> Option<(usize, Timestamp)> {
        let times = self.heads.iter().enumerate().filter_map(|(input, head)| {
            let time = match head {
                Head::Ready(batch, next) => {
                    batch.records.get(*next).map_or(Timestamp::MIN, |record| record.time.at)
                }
                Head::Sleeping(start) => *start,
                Head::Waiting | Head::Ended => return None,
            };
            (Some(input) != but).then_some((input, time))
        });
        times.min_by_key(|&(input, time)| (time, input))
    }

    /// Moves the records of `input` into the step, as long as no other head is earlier.
    fn take(&mut self, input: usize) {
        let limit = self.earliest(Some(input));
        let Head::Ready(batch, next) = &mut self.heads[input] else { return };
        let goes_first = |time: Timestamp| match limit {
            None => true,
            Some((other, limit)) => (time, input) < (limit, other),
        };
        let left = batch.records.get(*next..).unwrap_or_default();
        let count = match limit {
            None => left.len(),
            Some(_) => left.iter().take_while(|record| goes_first(record.time.at)).count(),
        };
        let room = STEP_RECORDS_MAX.saturating_sub(self.step.records()).max(1);
        let count = count.min(room);
        let run = Run { batch: Arc::clone(batch), range: *next..*next + count };
        *next += count;
        let ended = *next >= batch.records.len();
        if count > 0 {
            self.passage.add(&mut self.step, run, &mut self.latest, i64::MAX);
        }
        if ended {
            self.heads[input] = Head::Waiting;
        }
    }
}

/// One of the inputs of a [`Live`].
struct Branch {
    /// The latest minute it has reached.
    latest: i64,
    /// When it last brought a record.
    heard: Timestamp,
}

/// Live inputs, taken as they come.
pub struct Live {
    branches: Vec<Branch>,
    passage: Passage,
    idle: i64,
}

impl Live {
    /// When records arrive of which no clock is asked.
    #[cfg(feature = "kafka")]
    pub const UNTIMED: Timestamp = Timestamp(0);

    /// No inputs yet; one that is quiet for `idle_minutes` holds nobody back.
    pub fn new(lateness_minutes: u32, idle_minutes: u32) -> Self {
        let idle = i64::from(idle_minutes) * MINUTE;
        Self { branches: Vec::new(), passage: Passage::new(lateness_minutes), idle }
    }

    /// Goes on where another process stopped: with this much of event time seen.
    pub fn resume(&mut self, passage: Passage) {
        self.passage = Passage { lateness: self.passage.lateness, ..passage };
    }

    /// Whether all inputs have been quiet for long.
    #[cfg(feature = "kafka")]
    pub fn is_quiet(&self, now: Timestamp) -> bool {
        self.branches.iter().all(|branch| self.is_idle(branch, now))
    }

    /// Adds an input that has reached the minute `latest`, or none yet, and says its number.
    pub fn add(&mut self, now: Timestamp, latest: i64) -> usize {
        self.branches.push(Branch { latest, heard: now });
        self.branches.len() - 1
    }

    /// The latest minute that an input has reached.
    pub fn latest(&self, input: usize) -> i64 {
        self.branches.get(input).map_or(i64::MIN, |branch| branch.latest)
    }

    /// An input has ended and holds nobody back.
    pub fn end(&mut self, input: usize) {
        self.branches[input].heard = Timestamp::MIN;
    }

    /// Event time so far.
    pub fn passage(&self) -> &Passage {
        &self.passage
    }

    /// A batch of an input as a step.
    pub fn take(&mut self, input: usize, loaded: Loaded) -> Step {
        let now = loaded.arrived.at;
        let floor = self.floor(Some(input), now);
        let batch = Arc::clone(&loaded.batch);
        let mut step = Step { loaded: vec![loaded], ..Step::default() };
        if !batch.records.is_empty() {
            let branch = &mut self.branches[input];
            // What moves no event time says nothing of how far its input has come.
            if !batch.minutes.is_empty() {
                branch.heard = now;
            }
            let range = 0..batch.records.len();
            self.passage.add(&mut step, Run { batch, range }, &mut branch.latest, floor);
        }
        step
    }

    /// An input says itself that it has reached a minute; `heard` is when, or before all time where it has gone quiet. The
    /// watermark that follows ends the step. Of inputs of which no clock is asked it is [`Live::UNTIMED`].
    #[cfg(feature = "kafka")]
    pub fn reach(&mut self, input: usize, minute: i64, heard: Timestamp, step: &mut Step) {
        let Some(branch) = self.branches.get_mut(input) else { return };
        branch.heard = heard;
        branch.latest = branch.latest.max(minute);
        let latest = branch.latest;
        self.passage.latest = self.passage.latest.max(latest);
        let floor = self.floor(None, Self::UNTIMED);
        let records = step.records();
        self.passage.give(step, records, if floor == i64::MAX { latest } else { floor });
    }

    /// The calendar has moved on: inputs that have gone quiet let the others pass, and where all are quiet and the
    /// stream was up to date, event time passes as the calendar does.
    pub fn tick(&mut self, now: Timestamp) -> Step {
        let mut step = Step::default();
        let all_quiet = self.branches.iter().all(|branch| self.is_idle(branch, now));
        let minute = if all_quiet {
            let quiet_for = now.0.div_euclid(MINUTE) - self.idle / MINUTE;
            let up_to_date = self.passage.latest != i64::MIN
                && self.heard().is_some_and(|heard| {
                    heard.0.div_euclid(MINUTE) - self.passage.latest <= self.passage.lateness
                });
            if !up_to_date {
                return step;
            }
            self.passage.latest.max(quiet_for)
        } else {
            self.floor(None, now)
        };
        if minute != i64::MAX && minute != i64::MIN {
            self.passage.give(&mut step, 0, minute);
        }
        step
    }

    fn heard(&self) -> Option<Timestamp> {
        self.branches.iter().map(|branch| branch.heard).max()
    }

    fn is_idle(&self, branch: &Branch, now: Timestamp) -> bool {
        now.0.saturating_sub(branch.heard.0) >= self.idle
    }

    /// The least minute that inputs other than `but` have reached, the idle ones left out.
    fn floor(&self, but: Option<usize>, now: Timestamp) -> i64 {
        let others = self
            .branches
            .iter()
            .enumerate()
            .filter(|(input, branch)| Some(*input) != but && !self.is_idle(branch, now));
        others.map(|(_, branch)| branch.latest).min().unwrap_or(i64::MAX)
    }
}

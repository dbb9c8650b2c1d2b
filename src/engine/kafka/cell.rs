//! One partition: its order, its event time, and, as its stage has them, halves, keys and what is passed on. What
//! becomes of a record depends on the records of its partition alone, so it is the same however many processes share
//! the partitions.

mod saved;
mod share;

pub use saved::CellError;

use super::outlets::Outlets;
use super::parcel::{Parcel, Progress};
use super::stages::{Layout, Origin, Source, Stage};
use crate::config::Plan;
use crate::engine::clock::Arrival;
use crate::engine::sequence::{Live, Loaded, Passage, Step};
use crate::join::{Join, JoinSettings, Joined};
use crate::record::{Batch, Run};
use crate::shard::{Census, Counts, Gauges, Input, Output, Shard, ShardSettings, Unpriced, Wanted};
use crate::sink::kafka::Outgoing;
use crate::source::kafka::Place;
use crate::time::Timestamp;
use crate::watch_list::WatchList;
use share::Share;
use std::sync::Arc;

/// What cells are made with.
pub struct Mould {
    /// The topics.
    pub layout: Arc<Layout>,
    shard: Arc<ShardSettings>,
    /// Where partitions tell each other what is usual among their keys, where incidents are looked for.
    fleet_topic: Option<Arc<str>>,
    join: JoinSettings,
    lateness_minutes: u32,
    idle_minutes: u32,
    /// Whom to look out for by now.
    pub watch_list: Arc<WatchList>,
}

impl Mould {
    /// Cells that are made from now on go by this configuration.
    pub fn reconfigure(&mut self, settings: &Arc<ShardSettings>) {
        self.shard = Arc::clone(settings);
        self.watch_list = Arc::clone(&settings.watch_list);
    }

    /// As the plan says.
    pub fn new(plan: &Plan, layout: Arc<Layout>) -> Self {
        Self {
            shard: Arc::clone(&plan.shard),
            watch_list: Arc::clone(&plan.shard.watch_list),
            fleet_topic: plan.shard.incidents.as_ref().map(|_| Arc::clone(&layout.fleet)),
            join: plan.join,
            lateness_minutes: plan.input.lateness_minutes,
            idle_minutes: plan.input.idle_minutes,
            layout,
        }
    }
}

/// Everything that is known of one partition. Which parts there are follows from its stage.
pub struct Cell {
    stage: Stage,
    origin: Origin,
    /// Event time. Whose records come from other partitions has one input for each of `origins`, which say themselves
    /// whether they are idle; else there is one.
    live: Live,
    origins: Vec<(Origin, bool)>,
    halves: Option<Halves>,
    shard: Option<Shard>,
    share: Option<Share>,
    outlets: Option<Outlets>,
    /// The partition has been quiet for long.
    is_idle: bool,
    /// Nothing has come since it was idle for another process.
    is_untouched: bool,
    /// Where the record stood that was taken last.
    last: Option<Source>,
    /// The next record to read.
    pub next: i64,
    /// The seek after which records are to be fetched.
    pub sought: u64,
    /// Commits so far.
    commits: u64,
    /// Something happened since the last commit.
    changed: bool,
}

/// Halves of requests, and in how many pieces they were saved.
struct Halves {
    join: Join,
    pieces: usize,
}

/// What follows from records.
#[derive(Default)]
pub struct Taken {
    /// Alerts, each with where the record stood that it follows from.
    pub outputs: Vec<(Output, Source)>,
    /// What became of the records.
    pub counts: Counts,
    /// Models of which the cost is not known.
    pub unpriced: Unpriced,
    /// What became of halves.
    pub joined: Joined,
}

impl Taken {
    /// What follows from records for the keys of a shard.
    fn judge(&mut self, shard: &mut Shard, step: &Step, spots: &mut Spots<'_>) {
        let (mut outputs, counts) = shard.apply(&Input::Records { runs: &step.runs, marks: &step.marks });
        outputs.sort_by_key(|output| output.order);
        self.outputs.extend(spots.place(outputs, &step.runs));
        self.counts.add(&counts);
    }
}

impl Cell {
    /// This is the configuration from now on.
    pub fn reconfigure(&mut self, settings: &Arc<ShardSettings>) {
        if let Some(shard) = &mut self.shard {
            let _ = shard.apply(&Input::Settings(Arc::clone(settings)));
        }
    }

    /// The keys that are asked for, and what all of the partition come to.
    pub fn census(&self, wanted: &Wanted) -> Census {
        self.shard.as_ref().map(|shard| shard.census(wanted)).unwrap_or_default()
    }

    /// These are to be looked out for from now on.
    pub fn look_out_for(&mut self, list: &Arc<WatchList>) {
        if let Some(shard) = &mut self.shard {
            let _ = shard.apply(&Input::WatchList(Arc::clone(list)));
        }
    }

    /// A cell that has seen nothing, of a partition that begins at `next`.
    pub fn new(mould: &Mould, place: Place, next: i64, now: Timestamp) -> Self {
        let layout = &mould.layout;
        let (stage, origin) = (layout.stage(place), layout.origin(place));
        let partitions = layout.partitions(place.topic);
        let entries_max = mould.join.entries_max / partitions;
        let join = Join::new(JoinSettings { entries_max, ..mould.join });
        let mut cell = Self {
            stage,
            live: Live::new(mould.lateness_minutes, mould.idle_minutes),
            origins: Vec::new(),
            halves: matches!(stage, Stage::Whole | Stage::Halves).then_some(Halves { join, pieces: 0 }),
            shard: matches!(stage, Stage::Whole | Stage::Keys)
                .then(|| Shard::of_partition(Arc::clone(&mould.shard), partitions)),
            share: mould
                .fleet_topic
                .as_ref()
                .filter(|_| matches!(stage, Stage::Whole | Stage::Keys))
                .map(|topic| Share::new(Arc::clone(topic))),
            outlets: Outlets::new(layout, stage, origin.clone(), i64::MIN, mould.lateness_minutes),
            origin,
            is_idle: false,
            is_untouched: false,
            last: None,
            next,
            sought: 0,
            commits: 0,
            changed: true,
        };
        match stage {
            Stage::Whole | Stage::Input => _ = cell.live.add(now, i64::MIN),
            Stage::Halves | Stage::Keys => {
                for origin in layout.origins(stage) {
                    cell.add_origin(origin, Progress::NONE);
                }
            }
        }
        cell
    }

    /// Adds a partition from which records come; its number.
    fn add_origin(&mut self, origin: Origin, progress: Progress) -> usize {
        let heard = if progress.is_idle { Timestamp::MIN } else { Live::UNTIMED };
        self.origins.push((origin, progress.is_idle));
        self.live.add(heard, progress.minute)
    }

    /// Takes records as they were decoded; `positions` says by line where they stood.
    pub fn take(&mut self, batch: Batch, positions: &[i64], arrived: Arrival) -> Taken {
        let batch = Arc::new(batch);
        let step = self.live.take(0, loaded(&batch, arrived));
        (self.is_idle, self.is_untouched) = (false, false);
        self.step(step, Some((&batch, &Lines::Positions(positions))))
    }

    /// Takes what another partition has passed on.
    pub fn receive(&mut self, parcel: Parcel, mut arrived: Arrival) -> Taken {
        let known = self.origins.iter().position(|(origin, _)| *origin == parcel.origin);
        let input = known.unwrap_or_else(|| self.add_origin(parcel.origin.clone(), Progress::NONE));
        let Progress { minute, is_idle } = parcel.progress;
        if let Some((_, known)) = self.origins.get_mut(input) {
            *known = is_idle;
        }
        arrived.at = Live::UNTIMED;
        let batch = Arc::new(parcel.batch);
        let mut step = self.live.take(input, loaded(&batch, arrived));
        let heard = if is_idle { Timestamp::MIN } else { Live::UNTIMED };
        self.live.reach(input, minute, heard, &mut step);
        self.step(step, Some((&batch, &Lines::Spots(&parcel.sources, &parcel.spots))))
    }

    /// The next record of the partition is of this minute, and has to wait.
    pub fn foresee(&mut self, minute: i64, now: Timestamp) -> Taken {
        (self.is_idle, self.is_untouched) = (false, false);
        let mut step = Step::default();
        self.live.reach(0, minute, now, &mut step);
        self.step(step, None)
    }

    /// The partition has been read to its end, and the calendar has moved on. Nothing follows as long as records still
    /// come.
    pub fn tick(&mut self, now: Timestamp) -> Option<Taken> {
        let was_idle = self.is_idle;
        self.is_idle = self.may_be_idle(now);
        let step = self.live.tick(now);
        (self.is_idle != was_idle || !step.is_empty()).then(|| self.step(step, None))
    }

    fn step(&mut self, mut step: Step, from: Option<(&Arc<Batch>, &Lines<'_>)>) -> Taken {
        self.changed = true;
        let mut taken = Taken::default();
        if let Some(halves) = &mut self.halves {
            halves.join.step(&mut step.runs, &mut step.marks);
            taken.joined = halves.join.take_counts();
        }
        let last = match (&self.last, self.stage) {
            (Some(last), Stage::Halves | Stage::Keys) => last.clone(),
            _ => Source { origin: self.origin.clone(), offset: self.next.saturating_sub(1) },
        };
        let mut spots = Spots { from, own: &self.origin, last: (&last.origin, last.offset) };
        if let Some(shard) = &mut self.shard {
            while let Some(share) = &mut self.share
                && let Some(before) = step.cut(&mut share.epochs)
            {
                taken.judge(shard, &before, &mut spots);
                spots.pass(&before.runs);
                share.end_epoch(shard);
            }
            taken.judge(shard, &step, &mut spots);
            taken.unpriced = shard.take_unpriced();
        }
        if let Some(outlets) = &mut self.outlets {
            outlets.take(&step.runs, &step.marks, records(&step.runs).map(|(of, at)| spots.of(of, at)));
        }
        if let Some((_, lines)) = from {
            self.last = lines.last().or_else(|| self.last.take());
        }
        taken
    }

    /// Whether nothing is to be expected of it.
    fn is_idle(&self) -> bool {
        match self.stage {
            Stage::Whole | Stage::Input => self.is_idle,
            Stage::Halves | Stage::Keys => self.origins.iter().all(|(_, is_idle)| *is_idle),
        }
    }

    /// Reads on from another place than the one where it was left; that is something to commit.
    pub fn move_to(&mut self, next: i64) {
        self.changed |= self.next != next;
        self.next = next;
    }

    /// What becomes of its records.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The partitions from which records come, with how far they have come.
    pub fn origins(&self) -> impl Iterator<Item = (&Origin, Progress)> {
        self.origins.iter().enumerate().map(|(input, (origin, is_idle))| {
            (origin, Progress { minute: self.live.latest(input), is_idle: *is_idle })
        })
    }

    /// What is passed on, as messages.
    pub fn passed_on(&mut self) -> Vec<Outgoing> {
        let is_idle = self.is_idle();
        self.outlets.as_mut().map(|outlets| outlets.flush(is_idle)).unwrap_or_default()
    }

    /// Whether nothing has come for long; whether nothing will is for whoever reads it to say.
    pub fn may_be_idle(&self, now: Timestamp) -> bool {
        self.is_untouched || self.live.is_quiet(now)
    }

    /// Whether there is anything to commit.
    pub fn has_changed(&self) -> bool {
        self.changed
    }

    /// How much is held.
    pub fn gauges(&self) -> Gauges {
        self.shard.as_ref().map(Shard::gauges).unwrap_or_default()
    }

    /// Event time.
    pub fn passage(&self) -> &Passage {
        self.live.passage()
    }
}

fn loaded(batch: &Arc<Batch>, arrived: Arrival) -> Loaded {
    Loaded { batch: Arc::clone(batch), source: Arc::from(""), lines_before: 0, arrived }
}

fn records(runs: &[Run]) -> impl Iterator<Item = (&Arc<Batch>, usize)> {
    runs.iter().flat_map(|run| run.range.clone().map(move |at| (&run.batch, at)))
}

/// Where the records of a batch stood, by line.
enum Lines<'a> {
    /// In this partition.
    Positions(&'a [i64]),
    /// In these.
    Spots(&'a [Origin], &'a [(u32, i64)]),
}

impl Lines<'_> {
    fn last(&self) -> Option<Source> {
        match self {
            Lines::Positions(_) => None,
            Lines::Spots(origins, spots) => {
                let (origin, offset) = *spots.last()?;
                Some(Source { origin: origins.get(origin as usize)?.clone(), offset })
            }
        }
    }
}

/// Says where records stood: one that stood somewhere else, where the one before it did.
struct Spots<'a> {
    from: Option<(&'a Arc<Batch>, &'a Lines<'a>)>,
    own: &'a Origin,
    last: (&'a Origin, i64),
}

impl<'a> Spots<'a> {
    fn of(&mut self, of: &Arc<Batch>, at: usize) -> (&'a Origin, i64) {
        if let Some(found) = self.found(of, at) {
            self.last = found;
        }
        self.last
    }

    fn found(&self, of: &Arc<Batch>, at: usize) -> Option<(&'a Origin, i64)> {
        let (batch, lines) = self.from.filter(|(batch, _)| Arc::ptr_eq(batch, of))?;
        let line = batch.records.get(at)?.line as usize;
        match lines {
            Lines::Positions(positions) => Some((self.own, *positions.get(line)?)),
            Lines::Spots(origins, spots) => {
                let (origin, offset) = *spots.get(line)?;
                Some((origins.get(origin as usize)?, offset))
            }
        }
    }

    /// Passes over records.
    fn pass(&mut self, runs: &[Run]) {
        for (of, at) in records(runs) {
            self.of(of, at);
        }
    }

    /// The outputs with where the records stood that they follow from.
    fn place(&self, outputs: Vec<Output>, runs: &[Run]) -> Vec<(Output, Source)> {
        if outputs.is_empty() {
            return Vec::new();
        }
        let mut spots = Spots { ..*self };
        let (mut seen, mut records) = (0, records(runs));
        let place = |output: Output| {
            while seen <= output.order.0 {
                let Some((of, at)) = records.next() else { break };
                spots.of(of, at);
                seen += 1;
            }
            let (origin, offset) = spots.last;
            (output, Source { origin: origin.clone(), offset })
        };
        outputs.into_iter().map(place).collect()
    }
}

#[cfg(test)]
mod flow;
#[cfg(test)]
mod layout;
#[cfg(test)]
mod tests;

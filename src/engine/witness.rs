//! One shard, record by record: what becomes of each, and what is told at it. Says what a run over the same records says.

use super::clock::{self, Arrival};
use super::sequence::{Live, Loaded};
use crate::config::Plan;
use crate::incident::Epochs;
use crate::join::Join;
use crate::record::{Batch, Mark, Run, UsageRecord};
use crate::shard::{Counts, Event, Input, Output, Shard};
use std::sync::Arc;

/// A record that was judged, or time that has passed.
pub struct Seen {
    /// The record and its batch; none where only time has passed.
    pub record: Option<(UsageRecord, Arc<Batch>)>,
    /// Its place in the batch that was given, if it is one of that and not one that was held before.
    pub index: Option<usize>,
    /// What became of it.
    pub counts: Counts,
    /// What is told.
    pub events: Vec<Event>,
}

/// Judges one stream of records.
pub struct Witness {
    live: Live,
    input: usize,
    join: Join,
    epochs: Option<Epochs>,
    shard: Shard,
}

impl Witness {
    /// By this plan, with nothing seen before.
    pub fn new(plan: &Plan) -> Self {
        let mut live = Live::new(plan.input.lateness_minutes, plan.input.idle_minutes);
        let input = live.add(clock::now(), i64::MIN);
        Self {
            live,
            input,
            join: Join::new(plan.join),
            epochs: plan.shard.incidents.as_ref().map(|_| Epochs::at(None)),
            shard: Shard::new(Arc::clone(&plan.shard), 0, 1, false),
        }
    }

    /// Takes some records; what becomes of them, and of others that have waited for them.
    pub fn take(&mut self, batch: &Batch) -> Vec<Seen> {
        let given = Arc::new(batch.clone());
        let loaded =
            Loaded { batch: Arc::clone(&given), source: "".into(), lines_before: 0, arrived: Arrival::now() };
        let mut step = self.live.take(self.input, loaded);
        self.join.step(&mut step.runs, &mut step.marks);
        let mut seen = Vec::new();
        let mut marks = step.marks.into_iter().peekable();
        let mut at = 0_u32;
        for Run { batch, range } in step.runs {
            for index in range {
                while let Some(mark) = marks.next_if(|mark| mark.at <= at) {
                    seen.extend(self.pass(mark));
                }
                seen.extend(self.record(&batch, index, &given));
                at += 1;
            }
        }
        for mark in marks {
            seen.extend(self.pass(mark));
        }
        seen
    }

    /// The records are complete: what is open is closed.
    pub fn end(&mut self) -> Vec<Seen> {
        let mut runs = Vec::new();
        self.join.end(&mut runs);
        let none = Arc::default();
        let mut seen = Vec::new();
        for Run { batch, range } in runs {
            seen.extend(range.filter_map(|index| self.record(&batch, index, &none)));
        }
        let (told, _) = self.shard.apply(&Input::End);
        seen.extend(passed(told));
        seen
    }

    fn record(&mut self, batch: &Arc<Batch>, index: usize, given: &Arc<Batch>) -> Option<Seen> {
        let record = *batch.records.get(index)?;
        let runs = [Run { batch: Arc::clone(batch), range: index..index + 1 }];
        let (told, counts) = self.shard.apply(&Input::Records { runs: &runs, marks: &[] });
        Some(Seen {
            record: Some((record, Arc::clone(batch))),
            index: Arc::ptr_eq(batch, given).then_some(index),
            counts,
            events: in_order(told),
        })
    }

    /// Event time passes.
    fn pass(&mut self, mark: Mark) -> Option<Seen> {
        let mut seen = None;
        if self.epochs.as_mut().is_some_and(|epochs| epochs.begins(mark.watermark)) {
            let news = self.shard.take_fleet_news();
            let (told, _) = self.shard.apply(&Input::Fleet(&news));
            seen = passed(told);
        }
        let marks = [Mark { at: 0, ..mark }];
        let (told, _) = self.shard.apply(&Input::Records { runs: &[], marks: &marks });
        match (seen, passed(told)) {
            (Some(mut seen), Some(more)) => {
                seen.events.extend(more.events);
                Some(seen)
            }
            (seen, more) => seen.or(more),
        }
    }
}

fn passed(told: Vec<Output>) -> Option<Seen> {
    let events = in_order(told);
    (!events.is_empty()).then_some(Seen { record: None, index: None, counts: Counts::default(), events })
}

fn in_order(mut told: Vec<Output>) -> Vec<Event> {
    told.sort_by_key(|told| told.order);
    told.into_iter().map(|told| told.event).collect()
}

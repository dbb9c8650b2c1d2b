//! A bucket tells of a stretch of time: it is spread evenly over the days of the key that the stretch touches, and over
//! their hours where it is no wider than one.

use super::{KeyState, Surroundings, note_news};
use crate::detect::Alert;
use crate::record::{Batch, Kind, UsageRecord};
use crate::signal::Signals;
use crate::time::{Day, SECOND, Stamp, Timestamp};
use crate::window::{Amounts, Change, Generation, OpenDay, QUARTER, STEP, Stretch, quarter_of};

/// A wider stretch says nothing about the hour of the day.
const HOUR: i64 = 3600 * SECOND;

/// A bucket or an invoice, and what it changes.
pub(in crate::shard) struct Spread<'a> {
    pub(in crate::shard) record: &'a UsageRecord,
    pub(in crate::shard) batch: &'a Batch,
    pub(in crate::shard) change: &'a Change,
    /// It is history: learned from, not judged.
    pub(in crate::shard) learning: bool,
}

/// A part of a stretch: all of it that falls into one day.
#[derive(Clone, Copy)]
struct Part<'a> {
    stretch: &'a Stretch,
    day: Day,
    from: Timestamp,
    to: Timestamp,
}

impl KeyState {
    /// Counts what a bucket changes in every day that it touches, and asks the detectors about each; days that are
    /// closed are counted for the baseline only. `false` where all are.
    #[cold]
    pub(in crate::shard) fn spread(
        &mut self,
        spread: &Spread<'_>,
        around: &mut Surroundings<'_>,
        alerts: &mut Vec<Alert>,
    ) -> bool {
        self.note_bucket(spread);
        let zone = self.profile.zone;
        let mut judged = false;
        for stretch in spread.change.stretches.iter().flatten() {
            let mut from = stretch.from;
            while from < stretch.to {
                let day = around.zones.local(zone, from).day;
                let mut end = around.zones.end_of(zone, day);
                // Where clocks are set back over midnight, a day comes back after its end.
                if end <= from {
                    end = around.zones.end_of_hour(zone, from);
                }
                let to = end.min(stretch.to);
                judged |= self.count_part(Part { stretch, day, from, to }, spread, around, alerts);
                from = to;
            }
        }
        judged
    }

    fn note_bucket(&mut self, spread: &Spread<'_>) {
        let Spread { record, change, .. } = spread;
        let amounts = change.stretches.iter().flatten().map(Stretch::all).fold(Amounts::NONE, |a, b| a + b);
        self.requests = self.requests.saturating_add_signed(amounts.requests);
        self.cost += amounts.cost;
        let narrow = change.stretches.iter().flatten().last().is_some_and(is_narrow);
        let told = match record.kind {
            Kind::Invoice => Signals::COST,
            // What a counter has gained since it was told last may be of a shorter time than it tells of in all.
            _ => record.signals().with(Signals::HOUR.when(narrow)),
        };
        let signals = self.signals.with(told);
        self.resized |= signals != self.signals;
        self.signals = signals;
    }

    fn count_part(
        &mut self,
        part: Part<'_>,
        spread: &Spread<'_>,
        around: &mut Surroundings<'_>,
        alerts: &mut Vec<Alert>,
    ) -> bool {
        let Spread { record, batch, .. } = *spread;
        self.first_day = self.first_day.min(part.day);
        let at = if spread.learning { None } else { self.open_day(part.day, around) };
        let time = if part.from == record.time.at { record.time } else { Stamp::utc(part.from) };
        if record.kind == Kind::Invoice {
            self.bill(at, part);
        } else {
            let generation = at.map_or(Generation::Current, |_| self.baselines.of(part.day).1);
            let familiar = self.see(record, batch, part.day, generation);
            self.count_hours(at, part, time, around);
            if at.is_some() && around.settings.is_paced && is_narrow(part.stretch) {
                self.pace_part(part);
            }
            if let Some(at) = at
                && let (Some(baseline), _) = self.baselines.of(part.day)
            {
                self.resized |= note_news(&mut self.open[at], baseline, record, batch, time, familiar);
            }
        }
        if let Some(at) = at {
            if record.tells_of_use() && record.kind == Kind::Bucket {
                if self.quiet.end_by(part.to) {
                    self.end_silence(time, around, alerts);
                }
                self.resized |=
                    self.recent.note(time.at, record.status, record.requests.max(1), record.address);
                if self.is_remarkable(time.at, around.listed) {
                    self.remark(at, record, time, batch, around.listed);
                }
            }
            self.ask(at, time, around.settings, alerts);
        }
        at.is_some()
    }

    fn bill(&mut self, at: Option<usize>, part: Part<'_>) {
        let amount = part.stretch.cost_change(part.from, part.to);
        if let Some(at) = at {
            self.open[at].bill(amount);
        } else {
            self.history.bill(part.day, amount);
            self.resized = true;
        }
    }

    /// Counts a part hour by hour, or as a whole where it may have been at any hour.
    fn count_hours(&mut self, at: Option<usize>, part: Part<'_>, time: Stamp, around: &mut Surroundings<'_>) {
        if !is_narrow(part.stretch) {
            return self.count_at(at, part, time, None);
        }
        let zone = self.profile.zone;
        let mut from = part.from;
        while from < part.to {
            let to = around.zones.end_of_hour(zone, from).min(part.to);
            let hour = around.zones.local(zone, from).hour;
            self.count_at(at, Part { from, to, ..part }, time, Some(hour));
            from = to;
        }
    }

    /// Notes the money of a part by steps of five minutes.
    fn pace_part(&mut self, part: Part<'_>) {
        let mut from = part.from;
        while from < part.to {
            let to = from.plus(STEP - from.0.rem_euclid(STEP)).min(part.to);
            self.note_pace(from, part.stretch.cost_change(from, to));
            from = to;
        }
    }

    fn count_at(&mut self, at: Option<usize>, part: Part<'_>, time: Stamp, hour: Option<u8>) {
        let amounts = part.stretch.change(part.from, part.to);
        let Some(at) = at else {
            self.history.change(part.day, hour, amounts);
            self.resized = true;
            return;
        };
        let day = &mut self.open[at];
        self.resized |= day.change(time, hour, amounts);
        if hour.is_some() {
            self.resized |= spend(day, part);
        }
        if let (Some(baseline), _) = self.baselines.of(part.day)
            && hour.is_some_and(|hour| !baseline.is_active(hour))
        {
            day.off_hours = day.off_hours.saturating_add_signed(amounts.requests);
        }
    }
}

/// Notes the money of a part quarter by quarter; true where that takes memory.
fn spend(day: &mut OpenDay, part: Part<'_>) -> bool {
    let (mut from, mut grown) = (part.from, false);
    while from < part.to {
        let quarter = quarter_of(day.start, from);
        let to = from.plus(QUARTER - (from.0 - day.start.0).rem_euclid(QUARTER)).min(part.to);
        grown |= day.spending.add(quarter, part.stretch.cost_change(from, to));
        from = to;
    }
    grown
}

fn is_narrow(stretch: &Stretch) -> bool {
    stretch.to.0 - stretch.from.0 <= HOUR
}

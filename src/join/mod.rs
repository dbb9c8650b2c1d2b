//! Two halves of one request: who asked, from one log, and what it took, from another.
//!
//! A half that tells whose key it was passes at once: where a request comes from must not wait for what it costs.
//! The half that tells the cost is held until the other is known, and then follows it under its key, at its time, as
//! nought requests. So sums come out the same whichever half arrives first, and each half that is delivered twice is
//! told by its request identifier like any record. A half whose other one does not come in time goes on as what it
//! is. Everything is a function of the records and of event time, and no more is held than a limit allows.

use crate::key::KeyId;
use crate::record::{Batch, Mark, Part, Run, TEXTS, UsageRecord};
use crate::save::{Reader, Unreadable, Writer};
use crate::time::{MINUTE, Stamp};
use ahash::RandomState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// What tells the record of what it took from the one of who asked: they have one request identifier.
pub(crate) const FOLLOWS: u64 = 0x9e37_79b9_7f4a_7c15;

/// Limits of the join.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JoinSettings {
    /// How far apart two halves may be, in nanoseconds of event time.
    pub apart_max: i64,
    /// How far the watermark is behind the latest record, in nanoseconds.
    pub lateness: i64,
    /// Halves remembered at once.
    pub entries_max: usize,
}

/// What became of halves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Joined {
    /// Found their other half.
    pub joined: u64,
    /// Went on alone.
    pub alone: u64,
}

/// Brings halves together.
pub struct Join {
    settings: JoinSettings,
    /// Who asked, by request.
    known: HashMap<u64, Asker, RandomState>,
    /// What it took, by request, of those whose other half is still to come. Several where one was delivered twice,
    /// or where a request identifier was used twice: which of the two is told later, as of all records.
    held: HashMap<u64, Vec<Held>, RandomState>,
    /// All of these by the minute of their record, to forget them in time.
    by_minute: BTreeMap<i64, Vec<(u64, Part)>>,
    entries: usize,
    /// Notes in `by_minute`, those among them that are out of date: halves that found each other, or came once more.
    notes: usize,
    counts: Joined,
    /// Something changed since that was last asked.
    changed: bool,
}

#[derive(Serialize, Deserialize)]
struct Asker {
    time: Stamp,
    key: KeyId,
    hint: Box<str>,
    alias: Box<str>,
}

#[derive(Serialize, Deserialize)]
struct Held {
    record: UsageRecord,
    texts: [Box<str>; TEXTS],
}

impl Join {
    /// Nothing known, nothing held.
    pub fn new(settings: JoinSettings) -> Self {
        Self {
            settings,
            known: HashMap::default(),
            held: HashMap::default(),
            by_minute: BTreeMap::new(),
            entries: 0,
            notes: 0,
            counts: Joined::default(),
            changed: false,
        }
    }

    /// Whether anything changed that [`Join::save`] writes, since this was asked last.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// What became of halves since this was asked last.
    pub fn take_counts(&mut self) -> Joined {
        std::mem::take(&mut self.counts)
    }

    /// Puts records that are halves in their places among the others; `runs` and `marks` are changed accordingly.
    pub fn step(&mut self, runs: &mut Vec<Run>, marks: &mut Vec<Mark>) {
        if self.entries == 0 && runs.iter().all(|run| run.batch.halves == 0) {
            return;
        }
        let mut out = Placing::default();
        let mut due = std::mem::take(marks).into_iter().peekable();
        let mut index = 0_u32;
        for Run { batch, range } in std::mem::take(runs) {
            for at in range {
                while let Some(mark) = due.next_if(|mark| mark.at <= index) {
                    self.advance(mark, &mut out);
                }
                match batch.records.get(at) {
                    Some(record) if record.part != Part::Whole && record.request_hash != 0 => {
                        self.half(record, &batch, at, &mut out);
                    }
                    _ => out.pass(&batch, at),
                }
                index += 1;
            }
        }
        for mark in due {
            self.advance(mark, &mut out);
        }
        (*runs, *marks) = out.finish();
    }

    /// Writes everything that waits or is waited for.
    pub fn save(&self, out: &mut Writer) {
        out.put(&sorted(&self.known));
        out.put(&sorted(&self.held));
        out.put(&self.by_minute);
        out.put(&self.entries);
    }

    /// Takes over what was saved.
    pub fn restore(&mut self, saved: &mut Reader<'_>) -> Result<(), Unreadable> {
        self.known = saved.take::<Vec<_>>()?.into_iter().collect();
        self.held = saved.take::<Vec<_>>()?.into_iter().collect();
        self.by_minute = saved.take()?;
        self.entries = saved.take()?;
        self.notes = self.by_minute.values().map(Vec::len).sum();
        Ok(())
    }

    /// Lets everything go that is held: nothing comes any more.
    pub fn end(&mut self, runs: &mut Vec<Run>) {
        let mut out = Placing::default();
        self.forget_until(i64::MAX, &mut out);
        runs.extend(out.finish().0);
    }

    fn half(&mut self, record: &UsageRecord, batch: &Arc<Batch>, at: usize, out: &mut Placing) {
        self.changed = true;
        let request = record.request_hash;
        if record.part == Part::Identity {
            out.pass(batch, at);
            let asker = Asker {
                time: record.time,
                key: record.key,
                hint: batch.text(record.key_hint).into(),
                alias: batch.text(record.key_alias).into(),
            };
            for Held { record, texts } in self.held.remove(&request).unwrap_or_default() {
                self.entries -= 1;
                self.follow(record, &texts.each_ref().map(|text| &**text), &asker, out);
            }
            // Told again, it is noted already: a source that repeats itself must not fill the memory.
            let before = self.known.insert(request, asker);
            self.entries += usize::from(before.is_none());
            if before.is_none_or(|before| minute_of(before.time) != minute_of(record.time)) {
                self.note(request, Part::Identity, record.time);
            }
        } else if let Some(asker) = self.known.remove(&request) {
            let mut copy = *record;
            let texts = copy.texts().map(|text| batch.text(*text));
            self.follow(copy, &texts, &asker, out);
            self.known.insert(request, asker);
        } else {
            let mut copy = *record;
            let texts = copy.texts().map(|text| Box::from(batch.text(*text)));
            self.entries += 1;
            self.note(request, Part::Usage, record.time);
            self.held.entry(request).or_default().push(Held { record: copy, texts });
        }
        while self.entries > self.settings.entries_max || self.notes / 2 > self.settings.entries_max {
            let Some((&oldest, _)) = self.by_minute.first_key_value() else { return };
            self.forget_until(oldest + 1, out);
        }
    }

    fn note(&mut self, request: u64, part: Part, time: Stamp) {
        self.notes += 1;
        self.by_minute.entry(minute_of(time)).or_default().push((request, part));
    }

    /// Gives what a request took, to the key that asked for it.
    fn follow(&mut self, record: UsageRecord, texts: &[&str; TEXTS], asker: &Asker, out: &mut Placing) {
        self.counts.joined += 1;
        let mut texts = *texts;
        (texts[0], texts[1]) = (&asker.hint, &asker.alias);
        let record = UsageRecord {
            time: asker.time,
            key: asker.key,
            requests: 0,
            part: Part::Whole,
            request_hash: record.request_hash ^ FOLLOWS,
            ..record
        };
        out.give(record, &texts);
    }

    fn advance(&mut self, mark: Mark, out: &mut Placing) {
        let latest = mark.watermark.0.saturating_add(self.settings.lateness);
        self.forget_until(latest.saturating_sub(self.settings.apart_max).div_euclid(MINUTE), out);
        out.mark(mark);
    }

    /// Forgets what is from before a minute; what is held goes on alone, in the order in which it came.
    fn forget_until(&mut self, minute: i64, out: &mut Placing) {
        while let Some(oldest) = self.by_minute.first_entry() {
            if *oldest.key() >= minute {
                return;
            }
            self.changed = true;
            let (of, notes) = oldest.remove_entry();
            self.notes -= notes.len();
            for (request, part) in notes {
                if part == Part::Identity {
                    if self.known.get(&request).is_some_and(|asker| minute_of(asker.time) == of) {
                        self.known.remove(&request);
                        self.entries -= 1;
                    }
                    continue;
                }
                for Held { record, texts } in self.held.remove(&request).unwrap_or_default() {
                    self.entries -= 1;
                    self.counts.alone += 1;
                    out.give(
                        UsageRecord { part: Part::Whole, ..record },
                        &texts.each_ref().map(|text| &**text),
                    );
                }
            }
        }
    }
}

/// The minute of a record since 1970.
fn minute_of(time: Stamp) -> i64 {
    time.at.0.div_euclid(MINUTE)
}

/// Records in their new order.
#[derive(Default)]
struct Placing {
    pieces: Vec<(Option<Arc<Batch>>, Range<usize>)>,
    marks: Vec<Mark>,
    count: u32,
    /// Records that stood in other batches, or elsewhere in theirs.
    own: Batch,
}

impl Placing {
    /// Lets a record stand where it stood.
    fn pass(&mut self, batch: &Arc<Batch>, at: usize) {
        self.place(Some(batch), at);
    }

    /// Puts a record here.
    fn give(&mut self, mut record: UsageRecord, strings: &[&str; TEXTS]) {
        for (place, string) in record.texts().into_iter().zip(strings) {
            if !place.is_none() || !string.is_empty() {
                *place = self.own.store(string.as_bytes());
            }
        }
        let at = self.own.records.len();
        self.own.records.push(record);
        self.place(None, at);
    }

    fn place(&mut self, batch: Option<&Arc<Batch>>, at: usize) {
        self.count += 1;
        if let Some((last, range)) = self.pieces.last_mut()
            && last.as_ref().map(Arc::as_ptr) == batch.map(Arc::as_ptr)
            && range.end == at
        {
            range.end += 1;
            return;
        }
        self.pieces.push((batch.cloned(), at..at + 1));
    }

    fn mark(&mut self, mark: Mark) {
        self.marks.push(Mark { at: self.count, ..mark });
    }

    fn finish(self) -> (Vec<Run>, Vec<Mark>) {
        let own = Arc::new(self.own);
        let run = |(batch, range): (Option<Arc<Batch>>, _)| Run {
            batch: batch.unwrap_or_else(|| Arc::clone(&own)),
            range,
        };
        (self.pieces.into_iter().map(run).collect(), self.marks)
    }
}

/// In an order that does not depend on the table.
fn sorted<V>(table: &HashMap<u64, V, RandomState>) -> Vec<(u64, &V)> {
    let mut entries: Vec<_> = table.iter().map(|(id, value)| (*id, value)).collect();
    entries.sort_unstable_by_key(|(id, _)| *id);
    entries
}

#[cfg(test)]
mod tests;

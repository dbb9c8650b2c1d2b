//! What a cell passes on, until it is committed: for each partition of the next stages the records that belong there.

use super::bulletin;
use super::parcel::{Parcel, Progress};
use super::progress::rounded;
use super::stages::{Layout, Origin, Stage};
use crate::record::{Batch, Mark, Part, Run, UsageRecord};
use crate::sink::kafka::Outgoing;
use crate::time::{MINUTE, Timestamp};
use std::sync::Arc;

/// A message of Kafka has a megabyte at most.
const PARCEL_BYTES: usize = 200_000;
/// What a record takes besides its texts, roughly.
const RECORD_BYTES: usize = 128;

/// The ways on from one cell.
pub struct Outlets {
    origin: Origin,
    /// Partitions by key.
    keys: Vec<Outlet>,
    /// Partitions for halves of requests, where this stage does not join them.
    halves: Vec<Outlet>,
    /// Where records stood at first.
    sources: Vec<Origin>,
    /// The minute of event time that has been reached.
    minute: i64,
    lateness: i64,
    full: Vec<Outgoing>,
    /// Where everybody is told how far the cell has come, and what was told last.
    progress_topic: Arc<str>,
    told: Progress,
}

/// The way to one partition.
struct Outlet {
    to: Origin,
    batch: Batch,
    spots: Vec<(u32, i64)>,
    told: Progress,
}

impl Outlets {
    /// Those of a cell of a stage; `None` where nothing is passed on. The cell has reached `minute`.
    pub fn new(
        layout: &Layout,
        stage: Stage,
        origin: Origin,
        minute: i64,
        lateness_minutes: u32,
    ) -> Option<Self> {
        let (keys, halves) = layout.targets(stage);
        let outlet =
            |to: Origin| Outlet { to, batch: Batch::default(), spots: Vec::new(), told: Progress::NONE };
        let outlets = Self {
            origin,
            keys: keys.into_iter().map(outlet).collect(),
            halves: halves.into_iter().map(outlet).collect(),
            sources: Vec::new(),
            minute,
            lateness: i64::from(lateness_minutes),
            full: Vec::new(),
            progress_topic: Arc::clone(&layout.progress),
            told: Progress::NONE,
        };
        (!outlets.keys.is_empty()).then_some(outlets)
    }

    /// Passes records on; `spots` says of each where it stood.
    pub fn take<'a>(
        &mut self,
        runs: &[Run],
        marks: &[Mark],
        mut spots: impl Iterator<Item = (&'a Origin, i64)>,
    ) {
        let (mut marks, mut index) = (marks.iter().peekable(), 0_u32);
        for Run { batch, range } in runs {
            for record in batch.records.get(range.clone()).unwrap_or_default() {
                while let Some(mark) = marks.next_if(|mark| mark.at <= index) {
                    self.reach(mark);
                }
                if let Some((source, offset)) = spots.next() {
                    let source = self.source(source);
                    self.put(record, batch, (source, offset));
                }
                index += 1;
            }
        }
        marks.for_each(|mark| self.reach(mark));
    }

    fn reach(&mut self, mark: &Mark) {
        self.minute = self.minute.max(mark.watermark.0.div_euclid(MINUTE).saturating_add(self.lateness));
    }

    /// The number of a partition in which records stood at first.
    fn source(&mut self, source: &Origin) -> u32 {
        let known = self.sources.iter().position(|known| known == source);
        let at = known.unwrap_or_else(|| {
            self.sources.push(source.clone());
            self.sources.len() - 1
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    fn put(&mut self, record: &UsageRecord, batch: &Batch, spot: (u32, i64)) {
        let Self { origin, keys, halves, sources, minute, full, .. } = self;
        let outlet = if record.part == Part::Whole || record.request_hash == 0 || halves.is_empty() {
            let at = record.key.shard(keys.len() as u64);
            keys.get_mut(usize::try_from(at).unwrap_or_default())
        } else {
            let at = record.request_hash % (halves.len() as u64).max(1);
            halves.get_mut(usize::try_from(at).unwrap_or_default())
        };
        let Some(outlet) = outlet else { return };
        let line = u32::try_from(outlet.spots.len()).unwrap_or(u32::MAX);
        outlet.batch.copy(record, batch, line, Timestamp(minute.saturating_mul(MINUTE)));
        outlet.spots.push(spot);
        if outlet.batch.texts_len() + outlet.spots.len() * RECORD_BYTES > PARCEL_BYTES {
            let progress = Progress { minute: *minute, ..outlet.told };
            full.push(outlet.close(origin, sources, progress));
        }
    }

    /// Everything that waits, as messages, and how far the cell has come to whom that was not told.
    pub fn flush(&mut self, is_idle: bool) -> Vec<Outgoing> {
        let progress = Progress { minute: self.minute, is_idle };
        let Self { origin, keys, halves, sources, full, .. } = self;
        let mut messages = std::mem::take(full);
        for outlet in keys.iter_mut().chain(halves) {
            if !outlet.spots.is_empty() || outlet.told != progress {
                messages.push(outlet.close(origin, sources, progress));
            }
        }
        let told = rounded(progress);
        if std::mem::replace(&mut self.told, told) != told {
            messages.push(bulletin::message(&self.progress_topic, origin, &told));
        }
        messages
    }
}

impl Outlet {
    /// What waits, as a message.
    fn close(&mut self, origin: &Origin, sources: &[Origin], progress: Progress) -> Outgoing {
        let (batch, spots) = (std::mem::take(&mut self.batch), std::mem::take(&mut self.spots));
        self.told = progress;
        Outgoing {
            topic: self.to.topic.clone(),
            partition: Some(self.to.partition),
            key: format!("{}[{}]", origin.topic, origin.partition).into_bytes(),
            value: Some(Parcel::write(origin, progress, sources, &spots, &batch)),
            headers: vec![
                ("keyhound.version", env!("CARGO_PKG_VERSION").to_owned()),
                ("keyhound.records", spots.len().to_string()),
            ],
        }
    }
}

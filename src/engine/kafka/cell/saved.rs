//! What is kept of a cell: pieces with names, of which only those that have changed are written.

use super::share::{NEWS, OWN};
use super::{Cell, Halves, Mould};
use crate::engine::kafka::outlets::Outlets;
use crate::engine::kafka::parcel::Progress;
use crate::engine::kafka::stages::{Origin, Source, Stage};
use crate::engine::sequence::{Live, Passage};
use crate::incident::Epochs;
use crate::save::{Reader, Unreadable, Writer};
use crate::shard::Piece;
use crate::source::kafka::Place;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The form of what is written of partitions that are read whole, and of those of stages; another one is not read. A
/// changed layout of anything that is saved needs another one, which `layout` sees.
pub(super) const FORM: u32 = 23;
pub(super) const FORM_OF_STAGES: u32 = 24;
/// First letters of names; those of the shard's pieces are others.
pub(super) const CELL: u8 = b'c';
const JOIN: u8 = b'j';
/// A message of Kafka has a megabyte at most.
const JOIN_PIECE_BYTES: usize = 500_000;

/// The piece that ends every commit.
#[derive(Serialize, Deserialize)]
struct Last<'a> {
    form: u32,
    version: &'a str,
    next: i64,
    commits: u64,
    passage: Passage,
    latest: i64,
    join_pieces: usize,
}

/// What stands behind that where records are passed on.
#[derive(Serialize, Deserialize)]
struct OfStage<'a> {
    stage: &'a str,
    #[serde(borrow)]
    origins: Vec<(&'a str, i32, Progress)>,
    #[serde(borrow)]
    last: Option<(&'a str, i32, i64)>,
    is_idle: bool,
}

/// A state that cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    /// Not of this form.
    #[error(
        "what it holds was written by keyhound {0} in a form that this one does not know: let that version go on, or stop \
         all of them and choose another `kafka.changelog_prefix` to begin without state"
    )]
    Form(String),
    /// Of another stage.
    #[error(
        "it holds the state of `{was}`, and this is `{is}`: `kafka.repartition` was changed. Change it back, or choose \
         another `kafka.changelog_prefix` to begin without state"
    )]
    Stage {
        /// What the state is of.
        was: String,
        /// What it should be of.
        is: &'static str,
    },
    /// Not what it should be.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl Cell {
    /// A cell as its pieces tell it; `None` where there are none.
    pub fn restore(
        mould: &Mould,
        place: Place,
        pieces: &BTreeMap<Vec<u8>, Vec<u8>>,
        now: Timestamp,
    ) -> Result<Option<Self>, CellError> {
        let Some(last) = pieces.get(&[CELL][..]) else { return Ok(None) };
        let (form, version) = Reader::new(last).take::<(u32, &str)>()?;
        if form != FORM && form != FORM_OF_STAGES {
            return Err(CellError::Form(version.to_owned()));
        }
        let mut reader = Reader::new(last);
        let last: Last<'_> = reader.take()?;
        let mut cell = Self::new(mould, place, last.next, now);
        let of_stage = if form == FORM { None } else { Some(reader.take::<OfStage<'_>>()?) };
        if !reader.is_empty() {
            return Err(Unreadable.into());
        }
        let was = of_stage.as_ref().map_or(Stage::Whole.label(), |of_stage| of_stage.stage);
        if was != cell.stage.label() {
            return Err(CellError::Stage { was: was.to_owned(), is: cell.stage.label() });
        }
        cell.changed = false;
        cell.commits = last.commits;
        cell.resume(mould, &last, now);
        if let Some(of_stage) = of_stage {
            cell.resume_stage(mould, of_stage);
        }
        if let Some(halves) = &mut cell.halves {
            halves.restore(last.join_pieces, pieces)?;
        }
        if let Some(shard) = &mut cell.shard {
            let of_shard = pieces
                .iter()
                .filter(|(name, _)| !matches!(name.first(), Some(&CELL | &JOIN | &OWN | &NEWS) | None));
            shard.take_pieces(of_shard.map(|(name, value)| (&name[..], &value[..])))?;
            if let Some(share) = &mut cell.share {
                let epochs = Epochs::at(cell.live.passage().watermark());
                share.restore(shard, pieces, epochs)?;
            }
        }
        Ok(Some(cell))
    }

    fn resume(&mut self, mould: &Mould, last: &Last<'_>, now: Timestamp) {
        self.live = Live::new(mould.lateness_minutes, mould.idle_minutes);
        self.live.resume(last.passage);
        if matches!(self.stage, Stage::Whole | Stage::Input) {
            self.live.add(now, last.latest);
        }
        let (minute, lateness) = (self.live.passage().reached(), mould.lateness_minutes);
        self.outlets = Outlets::new(&mould.layout, self.stage, self.origin.clone(), minute, lateness);
    }

    /// The partitions from which records come are those that are known and those that there are by now. Of a topic that
    /// is no longer read nothing more is to be waited for.
    fn resume_stage(&mut self, mould: &Mould, of_stage: OfStage<'_>) {
        let OfStage { origins, last, is_idle, .. } = of_stage;
        self.is_untouched = is_idle && self.stage == Stage::Input;
        self.last = last.map(|(topic, partition, offset)| {
            let origin = Origin { topic: topic.into(), partition };
            Source { origin, offset }
        });
        if matches!(self.stage, Stage::Whole | Stage::Input) {
            return;
        }
        self.origins.clear();
        let mut expected = mould.layout.origins(self.stage);
        for (topic, partition, mut progress) in origins {
            let origin = Origin { topic: topic.into(), partition };
            match expected.iter().position(|expected| *expected == origin) {
                Some(at) => _ = expected.remove(at),
                None => progress.is_idle = true,
            }
            self.add_origin(origin, progress);
        }
        for origin in expected {
            self.add_origin(origin, Progress::NONE);
        }
    }

    /// The pieces that have changed since this was asked last; the one that makes them valid comes last.
    pub fn changes(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        if !std::mem::take(&mut self.changed) {
            return pieces;
        }
        if let Some(shard) = &mut self.shard {
            shard.changes(&mut pieces);
            if let Some(share) = &mut self.share {
                share.changes(shard, &mut pieces);
            }
        }
        if let Some(halves) = &mut self.halves {
            halves.changes(&mut pieces);
        }
        self.commits += 1;
        pieces.push((vec![CELL], Some(self.last_piece())));
        pieces
    }

    fn last_piece(&self) -> Vec<u8> {
        let last = Last {
            form: if self.stage == Stage::Whole { FORM } else { FORM_OF_STAGES },
            version: env!("CARGO_PKG_VERSION"),
            next: self.next,
            commits: self.commits,
            passage: *self.live.passage(),
            latest: self.live.latest(0),
            join_pieces: self.halves.as_ref().map_or(0, |halves| halves.pieces),
        };
        let mut value = Writer::default();
        value.put(&last);
        if self.stage != Stage::Whole {
            let origins =
                self.origins().map(|(origin, progress)| (&*origin.topic, origin.partition, progress));
            value.put(&OfStage {
                stage: self.stage.label(),
                is_idle: self.is_idle || self.is_untouched,
                origins: origins.collect(),
                last: self
                    .last
                    .as_ref()
                    .map(|last| (&*last.origin.topic, last.origin.partition, last.offset)),
            });
        }
        value.into_bytes()
    }

    /// Whether a piece of this name makes those before it valid.
    pub fn is_last(name: &[u8]) -> bool {
        name == [CELL]
    }
}

impl Halves {
    fn changes(&mut self, pieces: &mut Vec<Piece>) {
        if !self.join.take_changed() {
            return;
        }
        let mut value = Writer::default();
        self.join.save(&mut value);
        let value = value.into_bytes();
        let parts: Vec<&[u8]> = value.chunks(JOIN_PIECE_BYTES).collect();
        pieces.extend((parts.len()..self.pieces).map(|number| (join_name(number), None)));
        self.pieces = parts.len();
        let parts = parts.into_iter().enumerate();
        pieces.extend(parts.map(|(number, part)| (join_name(number), Some(part.to_vec()))));
    }

    fn restore(&mut self, count: usize, pieces: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<(), Unreadable> {
        self.pieces = count;
        let mut join = Vec::new();
        for number in 0..count {
            join.extend_from_slice(pieces.get(&join_name(number)).ok_or(Unreadable)?);
        }
        if join.is_empty() {
            return Ok(());
        }
        let mut saved = Reader::new(&join);
        self.join.restore(&mut saved)?;
        if saved.is_empty() { Ok(()) } else { Err(Unreadable) }
    }
}

fn join_name(number: usize) -> Vec<u8> {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    [&[JOIN][..], &number.to_be_bytes()].concat()
}

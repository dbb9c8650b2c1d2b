//! What the keys of one partition add to what is usual among all keys, and what those of the others have added.
//!
//! The partitions tell each other through a topic of keyhound's own. When an epoch of a partition's event time ends, its
//! keys are judged by what is known by then. What that is depends on how far the others have come, and so on who reads
//! when; but it is only used with what becomes of records in the same transaction, so nothing is told twice or not at all.

use super::Cell;
use crate::engine::clock::Arrival;
use crate::engine::kafka::bulletin::message;
use crate::incident::{Epochs, Fleet};
use crate::save::{Reader, Unreadable, Writer};
use crate::shard::{Input, Piece, Shard};
use crate::sink::kafka::Outgoing;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// First letters of names of pieces: what these keys have added in all, and since the last epoch.
pub(super) const OWN: u8 = b'o';
pub(super) const NEWS: u8 = b'n';
/// So often the others are told at most.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// The part of one partition.
pub(super) struct Share {
    topic: Arc<str>,
    /// What its keys have added, up to the epoch.
    own: Fleet,
    /// Its event time.
    pub(super) epochs: Epochs,
    /// What the others have added since the last one.
    coming: Fleet,
    is_saved: bool,
    is_told: bool,
    told: Option<Arrival>,
}

impl Share {
    /// Of a partition that has seen nothing.
    pub(super) fn new(topic: Arc<str>) -> Self {
        let (own, coming) = (Fleet::default(), Fleet::default());
        Self { topic, own, epochs: Epochs::default(), coming, is_saved: true, is_told: true, told: None }
    }

    /// An epoch has ended.
    pub(super) fn end_epoch(&mut self, shard: &mut Shard) {
        let mut news = shard.take_fleet_news();
        self.own.add_all(&news);
        self.own.forget(self.epochs.start());
        (self.is_saved, self.is_told) = (false, false);
        news.add_all(&std::mem::take(&mut self.coming));
        // Nothing is told of it.
        let _ = shard.apply(&Input::Fleet(&news));
    }

    /// The pieces that have changed.
    pub(super) fn changes(&mut self, shard: &Shard, out: &mut Vec<Piece>) {
        if !std::mem::replace(&mut self.is_saved, true) {
            out.push((vec![OWN], Some(bytes(&self.own))));
        }
        if let Some(news) = shard.fleet_news() {
            out.push((vec![NEWS], Some(bytes(news))));
        }
    }

    /// Takes up what was saved, with what the others have added.
    pub(super) fn restore(
        &mut self,
        shard: &mut Shard,
        pieces: &BTreeMap<Vec<u8>, Vec<u8>>,
        epochs: Epochs,
    ) -> Result<(), Unreadable> {
        let fleet = |of: u8| match pieces.get(&[of][..]) {
            Some(piece) => {
                let mut saved = Reader::new(piece);
                let fleet = saved.take()?;
                if saved.is_empty() { Ok(fleet) } else { Err(Unreadable) }
            }
            None => Ok(Fleet::default()),
        };
        (self.own, self.epochs) = (fleet(OWN)?, epochs);
        shard.resume_fleet(self.own.clone(), &fleet(NEWS)?);
        Ok(())
    }
}

fn bytes(fleet: &Fleet) -> Vec<u8> {
    let mut value = Writer::default();
    value.put(fleet);
    value.into_bytes()
}

impl Cell {
    /// The keys of other partitions have added this.
    pub fn hear(&mut self, news: &Fleet) {
        if let Some(share) = &mut self.share {
            share.coming.add_all(news);
        }
    }

    /// The keys of other partitions have added this in all, and it has not been heard yet.
    pub fn hear_first(&mut self, others: &Fleet) {
        if let (Some(_), Some(shard)) = (&self.share, &mut self.shard) {
            let _ = shard.apply(&Input::Fleet(others));
        }
    }

    /// What the others are to be told, if it is time to.
    pub fn contribution(&mut self) -> Option<Outgoing> {
        let share = self.share.as_mut().filter(|share| !share.is_told)?;
        if share.told.is_some_and(|told| told.elapsed() < TELL_AFTER) {
            return None;
        }
        (share.is_told, share.told) = (true, Some(Arrival::now()));
        Some(message(&share.topic, &self.origin, &share.own))
    }
}

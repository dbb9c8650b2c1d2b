//! The topic in which partitions tell each other what is usual among their keys: of each the latest word.

use super::bulletin::Bulletin;
use super::cell::Cell;
use super::client::Clients;
use super::stages::{Layout, Origin};
use crate::config::KafkaPlan;
use crate::incident::Fleet;
use crate::source::kafka::Place;
use rdkafka::error::KafkaResult;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Hears what partitions tell each other.
pub struct FleetLog {
    bulletin: Bulletin,
    known: BTreeMap<Origin, Fleet>,
}

impl FleetLog {
    /// Nothing is heard yet.
    pub fn new(clients: &Arc<Clients>, plan: &KafkaPlan) -> KafkaResult<Self> {
        Ok(Self { bulletin: Bulletin::new(clients, plan.fleet_topic())?, known: BTreeMap::new() })
    }

    /// Hears everything that has been told so far.
    pub fn catch_up(&mut self, stop: &CancellationToken) {
        let Self { bulletin, known } = self;
        bulletin.catch_up(stop, |origin, fleet: Fleet| _ = known.insert(origin, fleet));
    }

    /// Tells cells what the keys of others have added.
    pub fn pass_on(&mut self, layout: &Layout, cells: &mut BTreeMap<Place, Cell>) {
        let Self { bulletin, known } = self;
        bulletin.hear(|origin, now: Fleet| {
            let before = known.insert(origin.clone(), now.clone()).unwrap_or_default();
            let news = now.since(&before);
            let others = cells.iter_mut().filter(|(place, _)| layout.origin(**place) != origin);
            others.for_each(|(_, cell)| cell.hear(&news));
        });
    }

    /// All that has been told by others than this one.
    pub fn others(&self, origin: &Origin) -> Fleet {
        let mut all = Fleet::default();
        self.known.iter().filter(|(of, _)| *of != origin).for_each(|(_, fleet)| all.add_all(fleet));
        all
    }
}

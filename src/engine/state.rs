//! What the last run has left, and where this one will leave its own.

use super::checkpoint::{Checkpoint, Due, Origin, Pace, ShadowState, Store, StoreError};
use super::resume::Standing;
use crate::config::{CheckpointConfig, Plan};
use crate::join::Join;
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;

/// What an earlier run has left, and where this one will leave its own.
pub struct State {
    /// Where checkpoints go, if they do.
    pub store: Option<Store>,
    /// What the last run has left.
    pub earlier: Option<Checkpoint>,
    /// Where checkpoints of this run come from.
    pub origin: Origin,
    /// How they get on.
    pub pace: Pace,
}

impl State {
    /// Takes hold of a folder of checkpoints, if there is to be one.
    pub fn open(dir: Option<&Path>, plan: &Plan) -> Result<Self, StoreError> {
        let salt = plan.rulebook.namer.id(b"keyhound checkpoint").0;
        let origin = Origin { program: env!("CARGO_PKG_VERSION").to_owned(), salt };
        let (store, earlier) = match dir {
            Some(dir) => Store::open(dir).map(|(store, earlier)| (Some(store), earlier))?,
            None => (None, None),
        };
        if let (Some(store), Some(earlier)) = (&store, &earlier)
            && earlier.origin.salt != origin.salt
        {
            return Err(StoreError::Salt { path: store.dir().to_owned() });
        }
        Ok(Self { store, earlier, origin, pace: Pace::default() })
    }

    /// What the shards remembered.
    pub fn take_shards(&mut self) -> Arc<[Bytes]> {
        self.earlier.as_mut().map(|earlier| std::mem::take(&mut earlier.shards)).unwrap_or_default().into()
    }

    /// What was tried beside.
    pub fn take_shadow(&self) -> Option<ShadowState> {
        self.store.as_ref()?.shadow(&self.earlier.as_ref()?.feed)
    }

    /// Where the feed stood; `join` takes up what it held.
    pub fn standing(&mut self, join: &mut Join) -> Result<Standing, StoreError> {
        let (Some(earlier), Some(store)) = (&mut self.earlier, &self.store) else {
            return Ok(Standing::default());
        };
        let feed = std::mem::take(&mut earlier.feed);
        Standing::restore(&feed, join).map_err(|_| StoreError::Damaged { path: store.dir().to_owned() })
    }

    /// When checkpoints are made, if they are.
    pub fn due(&self, config: CheckpointConfig) -> Option<Due> {
        self.store.as_ref().map(|_| Due::new(config, self.pace.clone()))
    }
}

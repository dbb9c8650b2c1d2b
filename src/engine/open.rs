//! One input of a feed: how far it has been read and taken.

use super::intake::{Decoded, Delivery, Reached, ReadTo};
use super::resume::{Standing, Standpoint};
use super::sequence::{Live, Loaded, Merge};
use crate::record::Batch;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// An input that is read, was read, or will be.
pub(super) struct Open {
    pub(super) name: Arc<str>,
    pub(super) path: Option<PathBuf>,
    /// `None` before it is opened and after its end.
    pub(super) deliveries: Option<mpsc::Receiver<Delivery>>,
    pub(super) lines: u64,
    /// How far its records have been taken.
    pub(super) read_to: Option<ReadTo>,
    /// They have been taken further, and nobody can go on there.
    pub(super) is_inside: bool,
    pub(super) ended: bool,
}

impl Open {
    pub(super) fn load(&mut self, Decoded { batch, arrived, part, .. }: Decoded, reached: Reached) -> Loaded {
        if let Some(part) = part {
            (self.name, self.lines) = (part, 0);
        }
        let lines_before = self.lines;
        self.lines += u64::from(batch.lines);
        match reached {
            Reached::Same => {}
            Reached::Place(read_to) => (self.read_to, self.is_inside) = (Some(*read_to), false),
            Reached::Inside => self.is_inside = true,
        }
        Loaded { batch: Arc::new(batch), source: Arc::clone(&self.name), lines_before, arrived }
    }

    /// Where it stands, if somebody else can go on there.
    pub(super) fn standpoint(&self, latest: i64, rest: Option<Batch>) -> Option<Standpoint> {
        Some(Standpoint::new(self.path.as_ref()?, self.lines, latest, self.read_to.clone()?, rest))
    }
}

/// Where merged inputs stand.
pub(super) fn merged(merge: &Merge, open: &[Open]) -> Standing {
    let inputs =
        open.iter().enumerate().filter_map(|(input, open)| open.standpoint(i64::MIN, merge.rest(input)));
    Standing { passage: Some(*merge.passage()), latest: merge.latest(), inputs: inputs.collect() }
}

/// Where followed inputs stand.
pub(super) fn followed(live: &Live, files: &[Open]) -> Standing {
    let inputs =
        files.iter().enumerate().filter_map(|(input, file)| file.standpoint(live.latest(input), None));
    Standing { passage: Some(*live.passage()), latest: i64::MIN, inputs: inputs.collect() }
}

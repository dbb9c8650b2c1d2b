//! The way a frame went: through which wrappers, to which format, and what came of it. Only for whoever wants to look:
//! a run keeps none.

use crate::record::Batch;
use std::ops::Range;

/// Ends of ways that are kept of one block; what is more is told as one.
const LEAVES_MAX: usize = 4096;

/// What stands for a format where none claims a frame.
pub const NOBODY: &str = "?";

/// Where frames of one block ended that went the same way, one after the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leaf {
    /// `journald > docker > litellm`; `…` for what there was no room for.
    pub path: String,
    /// Which records of the batch came of them.
    pub records: Range<usize>,
    /// Which rejects that the batch keeps.
    pub rejects: Range<usize>,
    /// How many were rejected in all.
    pub rejected: u32,
    /// How many told of something else.
    pub foreign: u32,
}

/// The ways of the frames of a block, in order.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    path: Vec<String>,
    leaves: Vec<Leaf>,
    /// What all leaves together rejected, and what told of something else.
    told: (u32, u32),
}

impl Trace {
    /// A wrapper or a format claims the frame.
    pub(super) fn enter(&mut self, name: &str) {
        self.path.push(name.to_owned());
    }

    /// A format is done with the frame.
    pub(super) fn leave_format(&mut self, batch: &Batch) {
        self.close(batch, self.path.join(" > "));
        self.path.pop();
    }

    /// A wrapper is done; whatever is not told yet failed in it.
    pub(super) fn leave_wrapper(&mut self, batch: &Batch) {
        self.close_rest(batch);
        self.path.pop();
    }

    /// The ways so far; whatever is not told yet was claimed by nobody.
    pub(super) fn take(&mut self, batch: &Batch) -> Vec<Leaf> {
        self.path.clear();
        self.close_rest(batch);
        self.told = (0, 0);
        std::mem::take(&mut self.leaves)
    }

    fn close_rest(&mut self, batch: &Batch) {
        if (batch.rejected.iter().sum(), batch.foreign) != self.told {
            let path = self.path.iter().map(String::as_str).chain([NOBODY]);
            self.close(batch, path.collect::<Vec<_>>().join(" > "));
        }
    }

    /// What came since the last leaf ended at the end of this way.
    fn close(&mut self, batch: &Batch, path: String) {
        let told = (batch.rejected.iter().sum::<u32>(), batch.foreign);
        let (rejected, foreign) = std::mem::replace(&mut self.told, told);
        let (records, rejects) =
            self.leaves.last().map_or((0, 0), |leaf| (leaf.records.end, leaf.rejects.end));
        let leaf = Leaf {
            path,
            records: records..batch.records.len(),
            rejects: rejects..batch.rejects.len(),
            rejected: told.0 - rejected,
            foreign: told.1 - foreign,
        };
        let is_full = self.leaves.len() >= LEAVES_MAX;
        match self.leaves.last_mut() {
            Some(last) if is_full || last.path == leaf.path => {
                if last.path != leaf.path {
                    "…".clone_into(&mut last.path);
                }
                last.records.end = leaf.records.end;
                last.rejects.end = leaf.rejects.end;
                last.rejected += leaf.rejected;
                last.foreign += leaf.foreign;
            }
            _ => self.leaves.push(leaf),
        }
    }
}

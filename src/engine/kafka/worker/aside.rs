//! What happens between two records: watch lists that have changed, another configuration, a look at single keys.

use super::Worker;
use crate::engine::clock::{self, Arrival};
use std::sync::Arc;

impl Worker {
    /// Partitions have been given out and their state is there: whatever comes next is judged, even if nothing does.
    pub(super) fn note_ready(&mut self) {
        Arc::make_mut(&mut self.state.committed).ready = true;
        self.state.outbox.totals.ready = true;
        self.between.retell();
    }

    /// Lets all cells know what has changed, and looks at single keys if it is time.
    pub(super) fn look_again(&mut self) {
        let Self { between, roster, mould, state, .. } = self;
        if let Some(list) = between.changed_list() {
            state.cells.values_mut().for_each(|cell| cell.look_out_for(&list));
            mould.watch_list = list;
        }
        if let Some(change) = between.change() {
            let settings = change.settings();
            state.cells.values_mut().for_each(|cell| cell.reconfigure(settings));
            mould.reconfigure(settings);
            change.done();
        }
        // Whether records have come since is not worth finding out.
        between.has_moved();
        let Some(wanted) = between.wanted(false, state.outbox.totals.latest) else { return };
        let started = Arrival::now();
        let counted: Vec<_> = state.cells.values().map(|cell| cell.census(&wanted)).collect();
        if let (Some(board), Some(sitting)) = (&mut state.outbox.board, &wanted.sitting) {
            board.look(sitting, &counted, started.elapsed());
            board.show();
        }
        if let Some(roster) = roster
            && wanted.is_of_roster
        {
            state.outbox.totals.shown = Some(roster.take(counted, clock::now()));
        }
    }
}

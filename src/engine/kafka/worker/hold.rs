//! Partitions of the input, each as far as it may be read by now.

use super::Worker;
use crate::engine::clock::Arrival;
use crate::engine::kafka::floor::{Held, Limit};
use crate::engine::kafka::outcome::{first_lines, last_lines};
use crate::engine::kafka::parcel::Progress;
use crate::engine::kafka::stages::Stage;
use crate::source::kafka::{Fetched, Place, Seek, Steer};

impl Worker {
    /// Up to where a partition may be read.
    pub(super) fn limit(&self, place: Place) -> Option<Limit> {
        self.progress.as_ref()?.known.limit(&self.layout.origin(place))
    }

    /// Whether everybody who waits for a partition has been told how far it is, if anybody does.
    pub(super) fn is_known(&self, place: Place) -> bool {
        let is_waited_for = matches!(self.layout.stage(place), Stage::Input | Stage::Halves);
        let progress = self.progress.as_ref().filter(|_| is_waited_for);
        progress.is_none_or(|progress| progress.known.of(&self.layout.origin(place)) != Progress::NONE)
    }

    /// Takes what is to be decoded, as far as it may be read by now.
    pub(super) fn take_frames(&mut self, fetched: Fetched, mut limit: Option<Limit>) {
        let Self { state, decoder, layout, .. } = self;
        let (place, is_document, mut next) = (fetched.place, fetched.is_document, fetched.next);
        let Some(cell) = state.cells.get_mut(&place) else { return };
        let (arrived, origin) = (Arrival::now(), layout.origin(place));
        for (mut block, mut positions) in fetched.blocks(self.frame_bytes_max) {
            let mut batch = decoder.block(&block, arrived.at);
            let held = limit.and_then(|limit| limit.first_held(&batch, &positions));
            if let Some((lines, minute)) = held {
                let rest = (!is_document).then(|| last_lines(place, &block, &positions, lines));
                state.held.insert(place, Held { minute, rest });
                next = positions.get(lines).copied().unwrap_or(next);
                if lines == 0 {
                    break;
                }
                positions.truncate(lines);
                block = first_lines(&block, lines);
                batch = decoder.block(&block, arrived.at);
            }
            // What was begun of a message is taken whole.
            limit = None;
            state.outbox.batch(&origin, &batch, &positions, arrived);
            state.outbox.taken(cell.take(batch, &positions, arrived));
        }
        cell.next = next;
        if let Some(held) = state.held.get(&place) {
            state.outbox.hurry(cell.foresee(held.minute, arrived.at));
        }
    }

    /// Goes on with partitions that were ahead of others.
    pub(super) fn release(&mut self) {
        let due = self.state.held.iter().map(|(place, held)| (*place, self.limit(*place), held.minute));
        let due = due.filter(|(_, limit, minute)| limit.is_none_or(|limit| !limit.holds(*minute)));
        let due: Vec<(Place, Option<Limit>)> = due.map(|(place, limit, _)| (place, limit)).collect();
        for (place, limit) in due {
            let rest = self.state.held.remove(&place).and_then(|held| held.rest);
            if let Some(rest) = rest {
                self.take_frames(rest, limit);
            }
            if !self.state.held.contains_key(&place) {
                self.seek(place);
            }
        }
    }

    /// Reads a partition on from where its cell is.
    fn seek(&mut self, place: Place) {
        let Some(cell) = self.state.cells.get_mut(&place) else { return };
        self.state.seek += 1;
        cell.sought = self.state.seek;
        let _ =
            self.steers.send(Steer::Seek(Seek { number: cell.sought, positions: vec![(place, cell.next)] }));
    }
}

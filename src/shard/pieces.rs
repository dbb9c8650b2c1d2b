//! The state of a shard in pieces with names of their own, so that only what has changed need be written.
//!
//! A key is a piece, so is a bucket, and so are the requests of one minute that were remembered since the pieces were
//! asked for before: each request is written once. Whoever keeps the latest value of every name has the whole state.

use super::saved::{Places, Rest};
use super::state::KeyState;
use super::{Shard, ShardSettings};
use crate::save::{Reader, Unreadable, Writer};
use std::sync::Arc;

/// A piece by name; without a value, one that is no more.
pub type Piece = (Vec<u8>, Option<Vec<u8>>);

/// First letters of names, by what the piece is of.
const KEY: u8 = b'k';
const REQUESTS: u8 = b'd';
const BUCKET: u8 = b'b';
const REST: u8 = b'r';

/// The name of a piece.
fn name(of: u8, parts: &[&[u8]]) -> Vec<u8> {
    [&[of], parts.concat().as_slice()].concat()
}

impl Shard {
    /// A shard that owns all keys of one of `partitions` parts of a stream, with that part of the memory, and
    /// remembers what changes.
    pub fn of_partition(settings: Arc<ShardSettings>, partitions: usize) -> Self {
        let mut shard = Self::new(settings, 0, partitions, false);
        shard.of = 1;
        shard.keys.track();
        shard.restated.track();
        shard
    }

    /// The pieces that have changed since this was asked last; nothing where none has.
    pub fn changes(&mut self, out: &mut Vec<Piece>) {
        let before = out.len();
        for key in self.keys.take_gone() {
            out.push((name(KEY, &[&key.0]), None));
        }
        self.keys.take_changed(|state, admitted| {
            let mut value = Writer::default();
            value.put(&admitted);
            value.put(state);
            out.push((name(KEY, &[&state.profile.id.0]), Some(value.into_bytes())));
        });
        self.restated.take_changed(|id, entry| {
            out.push((name(BUCKET, &[&id.to_be_bytes()]), entry));
        });
        self.dedup.take_changed(|minute, chunk, ids| {
            let name = name(REQUESTS, &[&minute.to_be_bytes(), &chunk.to_be_bytes()]);
            out.push((name, ids));
        });
        if out.len() > before || self.watermark != self.told {
            self.told = self.watermark;
            let mut value = Writer::default();
            value.put(&self.rest());
            value.put(&self.dedup.oldest());
            out.push((vec![REST], Some(value.into_bytes())));
        }
    }

    /// Takes over all pieces of a state, in any order.
    pub fn take_pieces<'a>(
        &mut self,
        pieces: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<(), Unreadable> {
        let mut keys: Vec<(u64, Box<KeyState>)> = Vec::new();
        let mut places = None;
        for (name, value) in pieces {
            let mut value = Reader::new(value);
            match name.split_first().ok_or(Unreadable)? {
                (&KEY, _) => keys.push((value.take()?, value.take()?)),
                (&BUCKET, id) => {
                    let id = id.try_into().map_err(|_| Unreadable)?;
                    self.restated.take_piece(u64::from_be_bytes(id), &mut value)?;
                }
                (&REQUESTS, minute_and_chunk) => {
                    let (minute, chunk) = minute_and_chunk.split_first_chunk().ok_or(Unreadable)?;
                    let chunk = chunk.try_into().map_err(|_| Unreadable)?;
                    let minute = i64::from_be_bytes(*minute);
                    self.dedup.take_piece(minute, u32::from_be_bytes(chunk), &mut value)?;
                }
                (&REST, _) => {
                    let rest: Rest<'_> = value.take()?;
                    self.take_rest(&rest);
                    self.dedup.resume(value.take()?);
                    places = Some(Places::of(&rest.detectors));
                }
                _ => return Err(Unreadable),
            }
            // What has more to say than is understood is of another layout.
            if !value.is_empty() {
                return Err(Unreadable);
            }
        }
        // Those that came first give way first.
        keys.sort_unstable_by_key(|(admitted, _)| *admitted);
        let Some(places) = places else { return if keys.is_empty() { Ok(()) } else { Err(Unreadable) } };
        for (admitted, mut state) in keys {
            self.keys.admissions = self.keys.admissions.max(admitted);
            state.admitted = admitted;
            self.put_back(state, true, &places);
        }
        Ok(())
    }
}

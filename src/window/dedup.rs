//! Records that arrive twice: the same request with the same content counts once.

use crate::save::{Reader, Unreadable, Writer};
use crate::time::{MINUTE, Timestamp};
use ahash::RandomState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use std::collections::BTreeMap;

/// What is known of a request identifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sighting {
    /// Not seen within the horizon.
    New,
    /// Seen with the same content: a second delivery.
    Duplicate,
    /// Seen with other content: an identifier used twice, which is itself suspicious.
    Conflict,
}

/// Requests seen within the lateness horizon. Exact, never probabilistic: a false "seen" would hide a record.
#[derive(Debug)]
pub struct Dedup {
    seen: HashMap<u64, u64, RandomState>,
    /// Identifiers by the minute of their record, to forget them as the watermark passes.
    by_minute: BTreeMap<i64, Vec<u64>>,
    entries_max: usize,
    /// The watermark, in minutes. What comes later than it is forgotten with it: a minute of its own for each of
    /// many records out of many years would take more memory than they do.
    oldest: i64,
    /// What of each minute has been given away in pieces.
    given: BTreeMap<i64, Given>,
    /// Identifiers forgotten before their time because there were too many.
    pub forgotten: u64,
}

/// How much of a minute has been given away, and in how many pieces.
#[derive(Debug, Default)]
struct Given {
    ids: usize,
    pieces: u32,
    /// So many pieces at the start are no more, and how many of these that was told of.
    gone: u32,
    told: u32,
}

/// Identifiers in one piece: some 20 bytes each, and a message of Kafka has a megabyte at most.
const PIECE_IDS_MAX: usize = 20_000;

impl Dedup {
    /// Remembers at most `entries_max` requests.
    pub fn new(entries_max: usize) -> Self {
        Self {
            seen: HashMap::default(),
            by_minute: BTreeMap::new(),
            entries_max,
            oldest: i64::MIN,
            given: BTreeMap::new(),
            forgotten: 0,
        }
    }

    /// Calls `give` on what was remembered since this was asked last, in pieces that each belong to a minute, and
    /// without a value on the pieces of minutes that are forgotten.
    pub fn take_changed(&mut self, mut give: impl FnMut(i64, u32, Option<Vec<u8>>)) {
        let Self { seen, by_minute, given, .. } = self;
        given.retain(|minute, given| {
            let is_known = by_minute.contains_key(minute);
            let gone = if is_known { given.gone } else { given.pieces };
            (given.told..gone).for_each(|piece| give(*minute, piece, None));
            given.told = gone;
            is_known
        });
        for (minute, ids) in by_minute {
            let given = given.entry(*minute).or_default();
            for ids in ids.get(given.ids..).unwrap_or_default().chunks(PIECE_IDS_MAX) {
                let mut value = Writer::default();
                value.put(&ids.len());
                for id in ids {
                    value.put(&(id, seen.get(id).copied().unwrap_or_default()));
                }
                give(*minute, given.pieces, Some(value.into_bytes()));
                given.pieces += 1;
                given.ids += ids.len();
            }
        }
    }

    /// Takes over a piece that was given; those of a minute in their order.
    pub fn take_piece(&mut self, minute: i64, piece: u32, value: &mut Reader<'_>) -> Result<(), Unreadable> {
        let minute_ids = self.by_minute.entry(minute).or_default();
        let given = self.given.entry(minute).or_default();
        for _ in 0..value.take::<usize>()? {
            let (id, content) = value.take()?;
            self.seen.insert(id, content);
            minute_ids.push(id);
            given.ids += 1;
        }
        given.pieces = given.pieces.max(piece + 1);
        Ok(())
    }

    /// The watermark, in minutes.
    pub fn oldest(&self) -> i64 {
        self.oldest
    }

    /// Takes over the watermark.
    pub fn resume(&mut self, oldest: i64) {
        self.oldest = self.oldest.max(oldest);
    }

    /// Notes the request `id` of a record at `at` with this `content`.
    pub fn see(&mut self, id: u64, content: u64, at: Timestamp) -> Sighting {
        let is_full = self.seen.len() >= self.entries_max;
        match self.seen.entry(id) {
            Entry::Occupied(known) if *known.get() == content => return Sighting::Duplicate,
            Entry::Occupied(_) => return Sighting::Conflict,
            Entry::Vacant(place) if !is_full => drop(place.insert(content)),
            Entry::Vacant(_) => {
                self.forget_oldest();
                self.seen.insert(id, content);
            }
        }
        let minute = at.0.div_euclid(MINUTE).max(self.oldest);
        self.by_minute.entry(minute).or_default().push(id);
        Sighting::New
    }

    /// Forgets requests whose minute lies before the watermark.
    pub fn advance(&mut self, watermark: Timestamp) {
        let minute = watermark.0.div_euclid(MINUTE);
        self.oldest = self.oldest.max(minute);
        while let Some(oldest) = self.by_minute.first_entry() {
            if *oldest.key() >= minute {
                return;
            }
            for id in oldest.remove() {
                self.seen.remove(&id);
            }
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.seen.clear();
        self.by_minute.clear();
        self.oldest = i64::MIN;
    }

    fn forget_oldest(&mut self) {
        if let Some((minute, ids)) = self.by_minute.pop_first() {
            // More of this minute may come.
            if let Some(given) = self.given.get_mut(&minute) {
                (given.ids, given.gone) = (0, given.pieces);
            }
            self.forgotten += ids.len() as u64;
            for id in ids {
                self.seen.remove(&id);
            }
        }
    }

    /// Writes everything that is remembered.
    pub fn save(&self, out: &mut Writer) {
        out.put(&(self.oldest, self.by_minute.len()));
        for (minute, ids) in &self.by_minute {
            out.put(&(minute, ids.len()));
            for id in ids {
                out.put(&(id, self.seen.get(id).copied().unwrap_or_default()));
            }
        }
    }

    /// Adds what was saved and `is_ours`.
    pub fn restore(
        &mut self,
        saved: &mut Reader<'_>,
        is_ours: impl Fn(u64) -> bool,
    ) -> Result<(), Unreadable> {
        let (oldest, minutes): (i64, usize) = saved.take()?;
        self.oldest = self.oldest.max(oldest);
        for _ in 0..minutes {
            let (minute, count): (i64, usize) = saved.take()?;
            for _ in 0..count {
                let (id, content) = saved.take()?;
                if is_ours(id) && self.seen.insert(id, content).is_none() {
                    self.by_minute.entry(minute).or_default().push(id);
                }
            }
        }
        Ok(())
    }

    /// Memory on the heap, in bytes.
    pub fn heap_bytes(&self) -> usize {
        // An entry and its control byte in the table, and the identifier in its minute.
        self.seen.capacity() * 17 + self.seen.len() * 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_deliveries_are_told_from_reused_identifiers() {
        let mut dedup = Dedup::new(10);
        let at = Timestamp(100 * MINUTE);
        assert_eq!(dedup.see(1, 7, at), Sighting::New);
        assert_eq!(dedup.see(1, 7, at), Sighting::Duplicate);
        assert_eq!(dedup.see(1, 8, at), Sighting::Conflict);
        dedup.advance(Timestamp(100 * MINUTE));
        assert_eq!(dedup.see(1, 7, at), Sighting::Duplicate);
        dedup.advance(Timestamp(101 * MINUTE));
        assert_eq!(dedup.see(1, 7, at), Sighting::New);
    }

    #[test]
    fn memory_is_bounded() {
        let mut dedup = Dedup::new(1000);
        for id in 0..100_000_u32 {
            dedup.see(u64::from(id), 0, Timestamp(i64::from(id) * MINUTE / 100));
        }
        assert!(dedup.seen.len() <= 1000 && dedup.forgotten > 98_000);
        assert!(dedup.heap_bytes() < 80_000, "{}", dedup.heap_bytes());
    }
}

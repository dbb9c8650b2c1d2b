//! A small cache from text to what it stands for: speed only, never meaning.

use crate::json::same;

/// Longest text that is remembered.
pub(super) const TEXT_MAX: usize = 55;

/// A cache with two places for each text. A newcomer takes the first and moves what was there to the second, so
/// memory is fixed and nothing is evicted by a rule that could be aimed at. Full keys are never put in here.
#[derive(Clone, Debug)]
pub(super) struct Memo<V> {
    places: Box<[Option<Place<V>>]>,
}

#[derive(Clone, Copy, Debug)]
struct Place<V> {
    length: u8,
    text: [u8; TEXT_MAX],
    value: V,
}

impl<V: Copy> Memo<V> {
    /// A cache of `places` places, rounded up to a power of two.
    pub(super) fn new(places: usize) -> Self {
        Self { places: vec![None; places.next_power_of_two().max(2)].into() }
    }

    /// What `text` stands for: from the cache, or by `make`, whose error is not remembered.
    #[inline]
    pub(super) fn get<E>(&mut self, text: &[u8], make: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        match self.find(text) {
            Some(value) => Ok(*value),
            None => make().inspect(|value| self.put(text, *value)),
        }
    }

    /// What is remembered of `text`.
    #[inline]
    pub(super) fn find(&mut self, text: &[u8]) -> Option<&mut V> {
        let first = mixed(text) & (self.places.len() - 1);
        let is_there = |place: &Option<Place<V>>| {
            place
                .as_ref()
                .and_then(|place| place.text.get(..usize::from(place.length)))
                .is_some_and(|known| same(known, text))
        };
        let at = [first, first ^ 1].into_iter().find(|at| self.places.get(*at).is_some_and(is_there))?;
        self.places.get_mut(at)?.as_mut().map(|place| &mut place.value)
    }

    /// Remembers what `text` stands for, if it is not too long.
    #[cold]
    pub(super) fn put(&mut self, text: &[u8], value: V) {
        if text.len() > TEXT_MAX {
            return;
        }
        let first = mixed(text) & (self.places.len() - 1);
        let mut place = Place { length: 0, text: [0; TEXT_MAX], value };
        for (byte, copy) in text.iter().zip(&mut place.text) {
            *copy = *byte;
            place.length += 1;
        }
        // Where nothing is moved, nothing gives way: the other place may be the first one of another text.
        if let Some(Some(kept)) = self.places.get(first).copied()
            && let Some(second) = self.places.get_mut(first ^ 1)
        {
            *second = Some(kept);
        }
        if let Some(newest) = self.places.get_mut(first) {
            *newest = Some(place);
        }
    }
}

/// A number that differs for most texts. It need not be hard to aim at: a collision only costs the cache.
#[inline(always)]
fn mixed(text: &[u8]) -> usize {
    let (head, tail) = match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
        _ => (text.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)), 0),
    };
    let mixed = (head ^ tail.rotate_left(29) ^ text.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    #[allow(clippy::cast_possible_truncation)]
    let high = (mixed >> 32) as usize;
    high
}

#[cfg(test)]
mod tests {
    use super::Memo;

    #[test]
    fn what_is_remembered_is_what_was_made() {
        let mut memo = Memo::new(4);
        let mut made = 0;
        for round in 0..3 {
            for number in 0..40 {
                let text = format!("text {number}");
                let value = memo.get::<()>(text.as_bytes(), || {
                    made += 1;
                    Ok(number)
                });
                assert_eq!(value, Ok(number), "round {round}");
            }
        }
        assert!(made >= 40);
        assert_eq!(memo.get(b"text 39", || Err(())), Ok(39));
        assert_eq!(memo.get(b"new", || Err(())), Err(()));
        assert_eq!(memo.get(&[b'x'; 100], || Ok::<_, ()>(7)), Ok(7));
        assert_eq!(memo.get(&[b'x'; 100], || Err(())), Err(()));
    }

    #[test]
    fn two_texts_have_room_in_two_places() {
        for number in 0..40 {
            let mut memo = Memo::new(2);
            for text in ["text", &format!("text {number}")] {
                assert_eq!(memo.get::<()>(text.as_bytes(), || Ok(number)), Ok(number));
            }
            assert_eq!(memo.get(b"text", || Err(())), Ok(number), "{number}");
        }
    }
}

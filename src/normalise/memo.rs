//! A small cache from text to what it stands for: speed only, never meaning.

/// Longest text that is remembered.
const TEXT_MAX: usize = 55;

/// A direct-mapped cache. A text displaces whatever shared its slot, so memory is fixed and nothing is evicted by
/// a rule that could be aimed at. Full keys are never put in here.
#[derive(Clone, Debug)]
pub(super) struct Memo<V> {
    slots: Box<[Option<Slot<V>>]>,
}

#[derive(Clone, Debug)]
struct Slot<V> {
    length: u8,
    text: [u8; TEXT_MAX],
    value: V,
}

impl<V: Copy> Memo<V> {
    /// A cache of `slots` slots, a power of two.
    pub(super) fn new(slots: usize) -> Self {
        let empty = std::iter::repeat_with(|| None).take(slots.next_power_of_two());
        Self { slots: empty.collect() }
    }

    /// What `text` stands for: from the cache, or by `make`, whose `None` is not remembered.
    #[inline]
    pub(super) fn get<E>(&mut self, text: &[u8], make: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        if text.len() > TEXT_MAX {
            return make();
        }
        let at = slot(text) & (self.slots.len() - 1);
        if let Some(Some(slot)) = self.slots.get(at)
            && slot.text[..usize::from(slot.length)] == *text
        {
            return Ok(slot.value);
        }
        let value = make()?;
        let mut copy = [0; TEXT_MAX];
        copy[..text.len()].copy_from_slice(text);
        #[allow(clippy::cast_possible_truncation)]
        let slot = Slot { length: text.len() as u8, text: copy, value };
        if let Some(place) = self.slots.get_mut(at) {
            *place = Some(slot);
        }
        Ok(value)
    }
}

/// A number that differs for most texts. It need not be hard to aim at: a collision only costs the cache.
#[inline(always)]
fn slot(text: &[u8]) -> usize {
    let (head, tail) = match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
        _ => (text.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)), 0),
    };
    let mixed = (head ^ tail.rotate_left(29) ^ text.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    #[allow(clippy::cast_possible_truncation)]
    let slot = (mixed >> 32) as usize;
    slot
}

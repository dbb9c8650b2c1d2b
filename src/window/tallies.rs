//! A row of counts that takes a byte for each as long as none is above 255, as on most days of most keys.

use crate::heap;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `N` counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tallies<const N: usize> {
    small: [u8; N],
    /// All of them, once one did not fit.
    large: Option<Box<[u32; N]>>,
}

impl<const N: usize> Default for Tallies<N> {
    fn default() -> Self {
        Self { small: [0; N], large: None }
    }
}

impl<const N: usize> Tallies<N> {
    /// Adds to the count at `place`, up to `u32::MAX`; one that is not there is none. True where that takes memory.
    #[inline]
    pub fn add(&mut self, place: usize, by: u32) -> bool {
        self.change(place, |count| count.saturating_add(by))
    }

    /// Makes of the count at `place` what `with` says; true where that takes memory.
    #[inline]
    pub fn change(&mut self, place: usize, with: impl FnOnce(u32) -> u32) -> bool {
        let Some(small) = self.small.get_mut(place) else { return false };
        if let Some(large) = &mut self.large {
            large[place] = with(large[place]);
            return false;
        }
        let count = with(u32::from(*small));
        if let Ok(count) = u8::try_from(count) {
            *small = count;
            return false;
        }
        self.grow(place, count);
        true
    }

    #[cold]
    fn grow(&mut self, place: usize, count: u32) {
        let mut large = Box::new(self.small.map(u32::from));
        large[place] = count;
        self.large = Some(large);
    }

    /// The counts.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        (0..N).map(|place| match &self.large {
            Some(large) => large[place],
            None => u32::from(self.small[place]),
        })
    }

    /// Memory on the heap, in bytes.
    pub fn heap_bytes(&self) -> usize {
        if self.large.is_some() { heap::vector::<u32>(N) } else { 0 }
    }
}

impl<const N: usize> Serialize for Tallies<N> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}

impl<'de, const N: usize> Deserialize<'de> for Tallies<N> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let counts = Vec::<u32>::deserialize(from)?;
        if counts.len() != N {
            return Err(D::Error::invalid_length(counts.len(), &"as many counts as there are places"));
        }
        let mut tallies = Self::default();
        for (place, count) in counts.into_iter().enumerate() {
            tallies.add(place, count);
        }
        Ok(tallies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_as_a_plain_array_does(
            added in prop::collection::vec((0_usize..9, prop_oneof![0_u32..9, 0_u32..400, Just(u32::MAX)]), 0..60),
        ) {
            let (mut tallies, mut plain) = (Tallies::<8>::default(), [0_u32; 8]);
            for (place, by) in added {
                let before = tallies.heap_bytes();
                prop_assert_eq!(tallies.add(place, by), tallies.heap_bytes() != before);
                if let Some(count) = plain.get_mut(place) {
                    *count = count.saturating_add(by);
                }
            }
            prop_assert_eq!(tallies.iter().collect::<Vec<_>>(), plain);
            let saved = postcard::to_stdvec(&tallies).unwrap();
            let back: Tallies<8> = postcard::from_bytes(&saved).unwrap();
            prop_assert_eq!(back.iter().collect::<Vec<_>>(), plain);
        }
    }

    #[test]
    fn others_than_as_many_are_refused() {
        let saved = postcard::to_stdvec(&Tallies::<7>::default()).unwrap();
        assert!(postcard::from_bytes::<Tallies<8>>(&saved).is_err());
    }
}

//! A bounded sample of many client addresses.

use crate::address::Address;
use crate::heap;
use serde::{Deserialize, Serialize};

/// Distinct addresses: all of them up to a limit, beyond it those with the smallest hashes (a KMV sketch), from
/// which the number of all is estimated. What is kept does not depend on the order of arrival.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AddressSample(Option<Box<Sample>>);

/// One that holds something: on most days of most keys there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sample {
    /// By hash, smallest first.
    kept: Vec<(u64, Address)>,
    /// Some address did not fit.
    overflowed: bool,
}

impl AddressSample {
    /// Most addresses that are kept.
    pub const MAX: usize = 64;

    /// Adds an address; true where the sample changed.
    pub fn insert(&mut self, address: Address) -> bool {
        let Sample { kept, overflowed } = &mut **self.0.get_or_insert_default();
        let entry = (address.spread(), address);
        let Err(at) = kept.binary_search(&entry) else { return false };
        if at >= Self::MAX {
            *overflowed = true;
            return false;
        }
        if kept.len() == Self::MAX {
            *overflowed = true;
            kept.pop();
        }
        kept.insert(at, entry);
        true
    }

    /// True where no address was added.
    pub fn is_empty(&self) -> bool {
        self.kept().is_empty()
    }

    /// Number of distinct addresses: exact up to [`AddressSample::MAX`], beyond it an estimate with a standard
    /// error of about 13 % (1/√62).
    pub fn count(&self) -> u64 {
        match self.kept().last() {
            Some((largest, _)) if self.is_estimate() => {
                #[allow(
                    clippy::cast_precision_loss,
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss
                )]
                let estimate = (Self::MAX - 1) as f64 * (u64::MAX as f64 / *largest as f64);
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let estimate = estimate as u64;
                estimate.max(Self::MAX as u64 + 1)
            }
            _ => self.kept().len() as u64,
        }
    }

    /// True where [`AddressSample::count`] is an estimate.
    pub fn is_estimate(&self) -> bool {
        self.0.as_ref().is_some_and(|sample| sample.overflowed)
    }

    fn kept(&self) -> &[(u64, Address)] {
        self.0.as_ref().map_or(&[], |sample| &sample.kept)
    }

    /// The kept addresses as text, sorted as text.
    pub fn texts(&self) -> Vec<String> {
        let mut texts: Vec<String> = self.kept().iter().map(|(_, address)| address.to_string()).collect();
        texts.sort_unstable();
        texts
    }

    /// Memory on the heap, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |sample| {
            heap::vector::<Sample>(1) + heap::vector::<(u64, Address)>(sample.kept.capacity())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::IpAddr;

    fn sample(numbers: impl IntoIterator<Item = u32>) -> AddressSample {
        let mut sample = AddressSample::default();
        for number in numbers {
            sample.insert(Address::from(IpAddr::from(number.to_be_bytes())));
        }
        sample
    }

    proptest! {
        #[test]
        fn order_of_arrival_does_not_matter(mut numbers in prop::collection::vec(0_u32..500, 0..300)) {
            let one = sample(numbers.iter().copied());
            numbers.reverse();
            prop_assert_eq!(&one, &sample(numbers.iter().copied()));
            numbers.sort_unstable();
            numbers.dedup();
            if numbers.len() <= AddressSample::MAX {
                prop_assert_eq!(one.count(), numbers.len() as u64);
                prop_assert_eq!(one.is_estimate(), false);
            }
        }
    }

    #[test]
    fn many_are_estimated() {
        for count in [1_000, 1_000_000] {
            let estimate = sample(0..count).count();
            assert!((estimate.abs_diff(u64::from(count))) < u64::from(count) / 3, "{estimate} for {count}");
        }
    }
}

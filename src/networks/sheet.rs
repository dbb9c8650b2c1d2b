//! What files say of addresses, put together: numbers for pairs of AS and country, names of AS.

use super::error::NetworksError;
use super::ranges::{Ranges, Span};
use super::{Format, Known, Loaded};
use hashbrown::HashMap;
use std::net::IpAddr;

/// Longest name of an AS that is kept, in bytes; the longest real one has about 150.
const NAME_MAX: usize = 200;

/// Numbers of what is known of an address, one for each pair that occurs; nought for nothing.
pub(super) struct Book {
    pub known: Vec<Known>,
    numbers: HashMap<Known, u32, ahash::RandomState>,
    /// The first name that was told of each AS.
    pub names: HashMap<u32, Box<str>, ahash::RandomState>,
}

impl Book {
    pub(super) fn new() -> Self {
        let mut book = Self { known: Vec::new(), numbers: HashMap::default(), names: HashMap::default() };
        book.number(Known::default());
        book
    }

    /// The number of a pair.
    pub(super) fn number(&mut self, known: Known) -> u32 {
        let Self { known: all, numbers, .. } = self;
        *numbers.entry(known).or_insert_with(|| {
            all.push(known);
            // There are fewer than ranges, of which there are at most `RANGES_MAX` in a file.
            u32::try_from(all.len() - 1).unwrap_or(0)
        })
    }

    /// Notes the name of an AS, unless it has one.
    pub(super) fn name(&mut self, asn: u32, name: &str) {
        if asn != 0 && !name.is_empty() && !self.names.contains_key(&asn) {
            self.names.insert(asn, super::cut(name, NAME_MAX).into());
        }
    }

    /// The number of what is known by the first, and by the second where the first knows nothing.
    pub(super) fn complete(&mut self, one: u32, other: u32) -> u32 {
        if one == 0 || one == other {
            return other;
        }
        let get = |number: u32| self.known.get(number as usize).copied().unwrap_or_default();
        let (one, other) = (get(one), get(other));
        let asn = if one.asn == 0 { other.asn } else { one.asn };
        let country = if one.country == [0, 0] { other.country } else { one.country };
        self.number(Known { asn, country })
    }
}

/// The ranges of one file, as they are read.
pub(super) struct Sheet {
    file: String,
    format: Format,
    v4: Vec<Span<u32>>,
    v6: Vec<Span<u128>>,
}

/// The ranges of one file.
pub(super) struct Layer {
    pub loaded: Loaded,
    pub v4: Ranges<u32>,
    pub v6: Ranges<u128>,
}

impl Sheet {
    pub(super) fn new(file: &str, format: Format) -> Self {
        Self { file: file.to_owned(), format, v4: Vec::new(), v6: Vec::new() }
    }

    /// Adds a range; both addresses are of one kind, in order.
    pub(super) fn push(&mut self, (first, last): (IpAddr, IpAddr), value: u32) -> Result<(), NetworksError> {
        match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                self.v4.push(Span { first: first.into(), last: last.into(), value });
            }
            (first, last) => {
                let bits = |address: IpAddr| match address {
                    IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
                    IpAddr::V6(v6) => v6.to_bits(),
                };
                self.v6.push(Span { first: bits(first), last: bits(last), value });
            }
        }
        if self.v4.len() + self.v6.len() <= super::RANGES_MAX {
            return Ok(());
        }
        let what = format!("more than {} ranges", super::RANGES_MAX);
        Err(NetworksError::TooLarge { file: self.file.clone(), what })
    }

    /// All of them, in order.
    pub(super) fn finish(self) -> Result<Layer, NetworksError> {
        let Self { file, format, v4, v6 } = self;
        let ranges = v4.len() + v6.len();
        let (v4, one) = Ranges::of(v4, |at| at.checked_add(1));
        let (v6, other) = Ranges::of(v6, |at| at.checked_add(1));
        if v4.len() + v6.len() == 0 {
            return Err(NetworksError::Empty { file });
        }
        Ok(Layer { loaded: Loaded { file, format, ranges, overlaps: one + other }, v4, v6 })
    }
}

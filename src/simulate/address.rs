//! Ranges of addresses, and the addresses that a sender has of them.

use super::random::Random;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    first: u128,
    bits: u32,
    is_v4: bool,
}

impl Range {
    /// Reads `198.18.0.0/15` or `2001:db8::/32`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no range of addresses; write it as 198.18.0.0/15 or 2001:db8::/32");
        let (address, length) = text.split_once('/').ok_or_else(wrong)?;
        let length: u32 = length.parse().map_err(|_| wrong())?;
        let (first, bits, is_v4): (u128, u32, bool) = match address.parse().map_err(|_| wrong())? {
            IpAddr::V4(address) => (u128::from(u32::from(address)), 32, true),
            IpAddr::V6(address) => (u128::from(address), 128, false),
        };
        let free = bits.checked_sub(length).filter(|free| *free < 128).ok_or_else(wrong)?;
        Ok(Self { first: first >> free << free, bits: free, is_v4 })
    }

    /// Any block of it (a /24 of IPv4, a /64 of IPv6), as a range.
    fn block(self, random: &mut Random) -> Self {
        let bits = self.bits.min(if self.is_v4 { 8 } else { 64 });
        let blocks = self.bits - bits;
        let place = if blocks == 0 { 0 } else { u128::from(random.bits()) & ((1 << blocks.min(64)) - 1) };
        Self { first: self.first + (place << bits), bits, ..self }
    }

    /// Any address of it that a machine may have.
    fn address(self, random: &mut Random) -> IpAddr {
        let place = u128::from(random.bits()) & ((1_u128 << self.bits.min(64)) - 1);
        let place = if self.bits >= 8 { (place % ((1 << self.bits.min(64)) - 2)) + 1 } else { place };
        let address = self.first + place;
        if self.is_v4 {
            Ipv4Addr::from(u32::try_from(address).unwrap_or(u32::MAX)).into()
        } else {
            Ipv6Addr::from(address).into()
        }
    }
}

/// So many addresses of each of so many blocks of these ranges.
pub fn addresses(ranges: &[Range], blocks: usize, each: usize, random: &mut Random) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for _ in 0..blocks.max(1) {
        let Some(range) = random.pick(ranges).copied() else { break };
        let block = range.block(random);
        found.extend((0..each.max(1)).map(|_| block.address(random)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_their_range() {
        let mut random = Random::new(1, "addresses", 0);
        for (range, start) in
            [("203.0.113.0/24", "203.0.113."), ("2001:db8::/32", "2001:db8:"), ("192.0.2.7/32", "192.0.2.7")]
        {
            let range = Range::parse(range).unwrap();
            for address in addresses(&[range], 4, 3, &mut random) {
                assert!(address.to_string().starts_with(start), "{address}");
            }
        }
        for text in ["198.18.0.0", "198.18.0.0/40", "x/3", "::/0"] {
            assert!(Range::parse(text).is_err(), "{text}");
        }
    }
}

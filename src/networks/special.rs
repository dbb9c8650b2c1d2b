//! Addresses that belong to nobody's network, whatever a table says of them.

use super::ranges::{Ranges, Span};
use std::net::{Ipv4Addr, Ipv6Addr};

/// IPv4: special purposes (RFC 6890 and its registry), multicast, reserved.
const V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    // Behind a carrier's translation.
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    // Documentation, three times.
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    // Measuring of devices.
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// IPv6: all that is not `2000::/3` (of which the internet is made), and the documentation inside it.
const V6: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::UNSPECIFIED, 3),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    (Ipv6Addr::new(0x4000, 0, 0, 0, 0, 0, 0, 0), 2),
    (Ipv6Addr::new(0x8000, 0, 0, 0, 0, 0, 0, 0), 1),
];

/// One for the special addresses of IPv4, nought for all others.
pub(super) fn v4() -> Ranges<u32> {
    let span = |&(base, bits): &(Ipv4Addr, u32)| {
        let first = u32::from(base);
        Span { first, last: first | (u32::MAX >> bits), value: 1 }
    };
    Ranges::of(V4.iter().map(span).collect(), |at| at.checked_add(1)).0
}

/// The same of IPv6.
pub(super) fn v6() -> Ranges<u128> {
    let span = |&(base, bits): &(Ipv6Addr, u32)| {
        let first = u128::from(base);
        Span { first, last: first | (u128::MAX >> bits), value: 1 }
    };
    Ranges::of(V6.iter().map(span).collect(), |at| at.checked_add(1)).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_known_and_others_are_none() {
        for (text, special) in [
            ("10.1.2.3", 1),
            ("100.64.0.1", 1),
            ("100.128.0.1", 0),
            ("127.0.0.1", 1),
            ("172.31.255.255", 1),
            ("172.32.0.0", 0),
            ("192.168.7.9", 1),
            ("203.0.113.66", 1),
            ("203.0.114.1", 0),
            ("255.255.255.255", 1),
            ("8.8.8.8", 0),
        ] {
            assert_eq!(v4().find(text.parse::<Ipv4Addr>().unwrap().into()), special, "{text}");
        }
        for (text, special) in [
            ("::1", 1),
            ("fd00::1", 1),
            ("fe80::1", 1),
            ("2001:db8::1", 1),
            ("2001:db7::1", 0),
            ("2a01:4f8::1", 0),
            ("3fff:fff::1", 1),
            ("64:ff9b::1", 1),
            ("ff02::1", 1),
        ] {
            assert_eq!(v6().find(text.parse::<Ipv6Addr>().unwrap().into()), special, "{text}");
        }
    }
}

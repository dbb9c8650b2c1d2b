//! `Address`: where a request came from, in 16 bytes whatever was written there.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A client address: an IP address, or what else stood in its field, which tells one client from another all the
/// same (a host name, a cloud's own service, a made-up `X-Forwarded-For`).
///
/// IP addresses are their 16 IPv6 bytes, IPv4 mapped (`::ffff:a.b.c.d`). Other texts live under first bytes that no
/// address on the internet has: 0x01 and 0x02 (`100::/8` and `200::/8`, reserved or withdrawn by the IETF).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Address([u8; 16]);

/// First byte of a text that is kept whole.
const WHOLE: u8 = 1;
/// First byte of a text of which the beginning and a hash are kept.
const CUT: u8 = 2;
/// Bytes of its beginning that a cut text keeps.
const HEAD: usize = 10;

impl From<IpAddr> for Address {
    #[inline]
    fn from(address: IpAddr) -> Self {
        let bytes = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        match bytes[0] {
            WHOLE | CUT => Self::text(&address.to_string()),
            _ => Self(bytes),
        }
    }
}

impl Address {
    /// A text that is no IP address: whole up to 15 bytes, of a longer one the beginning and 40 bits of its hash.
    pub fn text(text: &str) -> Self {
        let mut bytes = [0; 16];
        let whole = text.len() < bytes.len() && !text.contains('\0');
        let head = if whole { text.len() } else { text.len().min(HEAD) };
        let head = (0..=head).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        bytes[0] = if whole { WHOLE } else { CUT };
        bytes[1..=head].copy_from_slice(&text.as_bytes()[..head]);
        if !whole {
            bytes[1 + HEAD..].copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..15 - HEAD]);
        }
        Self(bytes)
    }

    /// Its sixteen bytes, by which neighbouring addresses stand beside each other.
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// The IP address, if it is one: IPv4 as IPv4. `100::/8` and `200::/8`, which are texts here, are none.
    #[inline]
    pub fn ip(self) -> Option<IpAddr> {
        match self.0[0] {
            WHOLE | CUT => None,
            _ => Some(Ipv6Addr::from(self.0).to_canonical()),
        }
    }

    /// A number that spreads addresses evenly, the same on every machine (the `SplitMix64` finaliser).
    pub fn spread(self) -> u64 {
        let bits = u128::from_be_bytes(self.0);
        #[allow(clippy::cast_possible_truncation)]
        let mut x = (bits >> 64) as u64 ^ (bits as u64).rotate_left(32) ^ 0x9e37_79b9_7f4a_7c15;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
}

impl fmt::Display for Address {
    /// The usual spelling of an IP address; a text as it was written; of a long one its beginning, two dots and ten
    /// hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |bytes: &[u8]| {
            let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).into_owned()
        };
        match self.0[0] {
            WHOLE => f.write_str(&shown(&self.0[1..])),
            CUT => {
                write!(f, "{}..", shown(&self.0[1..=HEAD]))?;
                self.0[1 + HEAD..].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            _ => Ipv6Addr::from(self.0).to_canonical().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_shown_as_usual_and_texts_as_written() {
        let shown = |text: &str| {
            text.parse::<IpAddr>().map_or_else(|_| Address::text(text), Address::from).to_string()
        };
        for text in [
            "203.0.113.7",
            "2001:db8::1",
            "AWS Internal",
            "100::1",
            "200:db8::",
            "",
            "žluťoučký",
            "exactly 15 byte",
        ] {
            assert_eq!(shown(text), text);
        }
        assert!(
            shown("bedrock.amazonaws.com").starts_with("bedrock.am.."),
            "{}",
            shown("bedrock.amazonaws.com")
        );
        assert!(shown("123456789ž and more").starts_with("123456789.."), "no character is cut");
        assert_ne!(Address::text("a\0"), Address::text("a"));
    }

    #[test]
    fn an_ip_address_comes_back_and_a_text_is_none() {
        for text in ["203.0.113.7", "2001:db8::1", "::1"] {
            let ip: IpAddr = text.parse().unwrap();
            assert_eq!(Address::from(ip).ip(), Some(ip));
        }
        let mapped: IpAddr = "::ffff:203.0.113.7".parse().unwrap();
        assert_eq!(Address::from(mapped).ip(), "203.0.113.7".parse().ok());
        assert_eq!(Address::text("203.0.113.***").ip(), None);
    }

    proptest! {
        #[test]
        fn other_texts_are_other_addresses(one in "\\PC{0,40}", other in "\\PC{0,40}") {
            prop_assert_eq!(one == other, Address::text(&one) == Address::text(&other));
        }
    }
}

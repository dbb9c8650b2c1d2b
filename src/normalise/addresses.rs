//! Client addresses, in the spellings that gateways use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Text in an address field that is no address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unreadable;

/// Reads a client address. `None` where the field says that there is none.
///
/// Of an `X-Forwarded-For` list the first entry is taken (the client, as the gateway saw it); ports, brackets
/// and zone identifiers are dropped; IPv4 in IPv6 becomes IPv4, so that one client is not two. Octal and
/// shortened IPv4 are refused: programs disagree about what they mean.
pub fn parse(text: &[u8]) -> Result<Option<IpAddr>, Unreadable> {
    if let Some(address) = dotted(text) {
        return Ok(Some(IpAddr::V4(address)));
    }
    let text = std::str::from_utf8(text).map_err(|_| Unreadable)?;
    let first = text.split(',').next().unwrap_or_default().trim();
    if matches!(first, "" | "-" | "unknown" | "none" | "None" | "null") {
        return Ok(None);
    }
    bare(first).or_else(|| without_port(first)).map(Some).ok_or(Unreadable)
}

/// Plain IPv4, which is nearly every address: four numbers without leading zeros.
#[inline]
fn dotted(text: &[u8]) -> Option<Ipv4Addr> {
    let mut rest = text.iter();
    let mut octets = [0_u8; 4];
    for (part, octet) in octets.iter_mut().enumerate() {
        let mut number = digit(rest.next()?)?;
        let zero_led = number == 0;
        loop {
            match rest.next() {
                None if part == 3 => break,
                Some(b'.') if part < 3 => break,
                byte => number = number * 10 + digit(byte?)?,
            }
            if number > 255 || zero_led {
                return None;
            }
        }
        *octet = u8::try_from(number).ok()?;
    }
    Some(Ipv4Addr::from(octets))
}

#[inline(always)]
fn digit(byte: &u8) -> Option<u32> {
    let digit = byte.wrapping_sub(b'0');
    (digit <= 9).then_some(u32::from(digit))
}

fn bare(text: &str) -> Option<IpAddr> {
    let without_zone = text.split('%').next().unwrap_or_default();
    let address: IpAddr = without_zone.parse().ok()?;
    Some(address.to_canonical())
}

fn without_port(text: &str) -> Option<IpAddr> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let inside = bracketed.split(']').next()?.split('%').next()?;
        return inside.parse::<Ipv6Addr>().ok().map(|address| IpAddr::V6(address).to_canonical());
    }
    let (host, port) = text.split_once(':')?;
    port.parse::<u16>().ok()?;
    host.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_one_client_are_one_address() {
        for (text, address) in [
            ("203.0.113.7", Ok(Some("203.0.113.7"))),
            ("203.0.113.7:51234", Ok(Some("203.0.113.7"))),
            (" 203.0.113.7 , 10.0.0.1, 10.0.0.2", Ok(Some("203.0.113.7"))),
            ("::ffff:203.0.113.7", Ok(Some("203.0.113.7"))),
            ("[2001:db8::1]:443", Ok(Some("2001:db8::1"))),
            ("2001:DB8:0::1", Ok(Some("2001:db8::1"))),
            ("fe80::1%eth0", Ok(Some("fe80::1"))),
            ("", Ok(None)),
            ("unknown", Ok(None)),
            ("-", Ok(None)),
            ("0177.0.0.1", Err(Unreadable)),
            ("1.2.3", Err(Unreadable)),
            ("1.2.3.256", Err(Unreadable)),
            ("1.2.3.4.5", Err(Unreadable)),
            ("bedrock.amazonaws.com", Err(Unreadable)),
            ("1.2.3.4:port", Err(Unreadable)),
        ] {
            let expected = address.map(|some| some.map(|text: &str| text.parse::<IpAddr>().unwrap()));
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn dotted_agrees_with_std(text in "[0-9.]{0,16}") {
            prop_assert_eq!(dotted(text.as_bytes()), text.parse::<Ipv4Addr>().ok());
        }
    }
}

//! Client addresses, in the spellings that gateways use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address field says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Client<'a> {
    /// This IP address.
    At(IpAddr),
    /// Nothing, or that nothing is known.
    Unknown,
    /// Something else: a host name, a cloud's own service, a header that the client made up.
    Opaque(&'a [u8]),
}

/// Reads a client address.
///
/// Of an `X-Forwarded-For` list the first entry is taken (the client, as the gateway saw it); ports, brackets
/// and zone identifiers are dropped; IPv4 in IPv6 becomes IPv4, so that one client is not two. Octal and
/// shortened IPv4 are no addresses: programs disagree about what they mean.
#[inline]
pub fn parse(text: &[u8]) -> Client<'_> {
    dotted(text).map_or_else(|| parse_other(text), |address| Client::At(IpAddr::V4(address)))
}

fn parse_other(text: &[u8]) -> Client<'_> {
    let Ok(text) = std::str::from_utf8(text) else { return Client::Opaque(text) };
    let first = text.split(',').next().unwrap_or_default().trim();
    if matches!(first, "" | "-" | "unknown" | "none" | "None" | "null") {
        return Client::Unknown;
    }
    bare(first)
        .or_else(|| without_port(first))
        .map_or_else(|| Client::Opaque(host(first).as_bytes()), Client::At)
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

/// A name without its port, which is another with every connection.
fn host(text: &str) -> &str {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.parse::<u16>().is_ok() => host,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_one_client_are_one_address() {
        for (text, address) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:51234", "203.0.113.7"),
            (" 203.0.113.7 , 10.0.0.1, 10.0.0.2", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("2001:DB8:0::1", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("", ""),
            ("unknown", ""),
            ("-", ""),
        ] {
            let expected =
                if address.is_empty() { Client::Unknown } else { Client::At(address.parse().unwrap()) };
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_tells_clients_apart_all_the_same() {
        for (text, opaque) in [
            ("0177.0.0.1", "0177.0.0.1"),
            ("1.2.3", "1.2.3"),
            ("1.2.3.256", "1.2.3.256"),
            ("1.2.3.4.5", "1.2.3.4.5"),
            ("bedrock.amazonaws.com", "bedrock.amazonaws.com"),
            (" gateway-7:51234, 10.0.0.1", "gateway-7"),
            ("1.2.3.4:port", "1.2.3.4:port"),
            ("AWS Internal", "AWS Internal"),
            // Azure masks what it logs.
            ("203.0.113.***", "203.0.113.***"),
            ("203.0.113.***:51234", "203.0.113.***"),
            ("2001:db8:0:1::***", "2001:db8:0:1::***"),
        ] {
            assert_eq!(parse(text.as_bytes()), Client::Opaque(opaque.as_bytes()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn dotted_agrees_with_std(text in "[0-9.]{0,16}") {
            prop_assert_eq!(dotted(text.as_bytes()), text.parse::<Ipv4Addr>().ok());
        }
    }
}

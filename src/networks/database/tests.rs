//! Databases made up here: a writer of the form, small enough to be read.

use crate::address::Address;
use crate::networks::Networks;
use proptest::prelude::*;
use std::net::IpAddr;

/// A value of the form: its kind and length in one byte, a map as names and values.
enum Value {
    Text(&'static str),
    Short(u16),
    Number(u32),
    Long(u64),
    /// Without elements.
    List,
    Map(Vec<(&'static str, Value)>),
}
use Value::{List, Long, Map, Number, Short, Text};

fn write(value: &Value, out: &mut Vec<u8>) {
    let head = |kind: u8, length: usize| kind << 5 | u8::try_from(length).unwrap();
    match value {
        Text(text) => {
            out.push(head(2, text.len().min(29)));
            // Longer ones have how much longer in a byte of its own.
            out.extend(text.len().checked_sub(29).map(|more| u8::try_from(more).unwrap()));
            out.extend_from_slice(text.as_bytes());
        }
        Short(number) => {
            out.push(head(5, 2));
            out.extend_from_slice(&number.to_be_bytes());
        }
        Long(number) => {
            // Kinds from 7 on have a byte of their own.
            out.extend([head(0, 8), 9 - 7]);
            out.extend_from_slice(&number.to_be_bytes());
        }
        List => out.extend([head(0, 0), 11 - 7]),
        Number(number) => {
            out.push(head(6, 4));
            out.extend_from_slice(&number.to_be_bytes());
        }
        Map(members) => {
            out.push(head(7, members.len()));
            for (name, value) in members {
                write(&Text(name), out);
                write(value, out);
            }
        }
    }
}

/// A database of IPv6 (which has IPv4 under `::/96`) with these networks.
fn database(networks: &[(&str, u8, Value)]) -> Vec<u8> {
    // Each node: where the two bits lead, to another node, or as a negative number to a record, or nowhere.
    let mut nodes: Vec<[Option<Result<usize, usize>>; 2]> = vec![[None; 2]];
    let mut data = Vec::new();
    for (address, bits, value) in networks {
        let (bytes, bits) = match address.parse().unwrap() {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()), bits + 96),
            IpAddr::V6(v6) => (v6.to_bits(), *bits),
        };
        let mut node = 0;
        for depth in 0..bits {
            let side = usize::from(bytes >> (127 - depth) & 1 == 1);
            if depth + 1 == bits {
                nodes[node][side] = Some(Err(data.len()));
            } else if let Some(Ok(next)) = nodes[node][side] {
                node = next;
            } else {
                nodes.push([None; 2]);
                let next = nodes.len() - 1;
                nodes[node][side] = Some(Ok(next));
                node = next;
            }
        }
        write(value, &mut data);
    }
    let count = nodes.len();
    let mut out = Vec::new();
    for side in nodes.iter().flatten() {
        let record = match side {
            None => count,
            Some(Ok(node)) => *node,
            Some(Err(at)) => count + 16 + at,
        };
        out.extend_from_slice(&u32::try_from(record).unwrap().to_be_bytes());
    }
    out.extend_from_slice(&[0; 16]);
    out.extend_from_slice(&data);
    out.extend_from_slice(super::MARKER);
    let metadata = Map(vec![
        ("binary_format_major_version", Short(2)),
        ("binary_format_minor_version", Short(0)),
        ("build_epoch", Long(1_700_000_000)),
        ("database_type", Text("Example")),
        ("description", Map(vec![])),
        ("languages", List),
        ("ip_version", Short(6)),
        ("node_count", Number(u32::try_from(count).unwrap())),
        ("record_size", Short(32)),
    ]);
    write(&metadata, &mut out);
    out
}

fn sample() -> Vec<u8> {
    let asn = |number, name| {
        Map(vec![
            ("autonomous_system_number", Number(number)),
            ("autonomous_system_organization", Text(name)),
        ])
    };
    let country = |code| {
        let names = Map(vec![("en", Text("Somewhere"))]);
        Map(vec![(
            "country",
            Map(vec![("names", names), ("iso_code", Text(code)), ("geoname_id", Number(7))]),
        )])
    };
    database(&[
        ("5.0.0.0", 24, asn(64500, "Example Hosting")),
        ("5.0.1.0", 25, country("DE")),
        (
            "5.0.2.0",
            24,
            Map(vec![("asn", Text("AS64501")), ("name", Text("Example Telecom")), ("country", Text("PL"))]),
        ),
        (
            "5.0.3.0",
            24,
            Map(vec![
                ("asn", Text("AS64502")),
                ("as_name", Text("Third")),
                ("country", Text("United States")),
                ("country_code", Text("US")),
            ]),
        ),
        ("5.0.4.0", 24, Map(vec![("asn", Text("")), ("country_code", Text("JP"))])),
        ("10.0.0.0", 8, asn(64503, "Private")),
        ("2a00::", 16, asn(64504, "Six")),
    ])
}

fn load(bytes: &[u8]) -> Result<Networks, String> {
    Networks::load([("x.mmdb".to_owned(), bytes)]).map_err(|error| error.to_string())
}

#[test]
fn the_layouts_of_all_makers_are_read() {
    for bytes in [sample(), crate::networks::tests::gzip(&sample())] {
        let networks = load(&bytes).unwrap();
        for (address, asn, country, name) in [
            ("4.255.255.255", 0, "\0\0", ""),
            ("5.0.0.0", 64500, "\0\0", "Example Hosting"),
            ("5.0.0.255", 64500, "\0\0", "Example Hosting"),
            ("5.0.1.127", 0, "DE", ""),
            ("5.0.1.128", 0, "\0\0", ""),
            ("5.0.2.1", 64501, "PL", "Example Telecom"),
            ("5.0.3.1", 64502, "US", "Third"),
            ("5.0.4.1", 0, "JP", ""),
            ("10.0.0.1", 0, "\0\0", ""),
            ("2a00:ffff::1", 64504, "\0\0", "Six"),
            ("2a01::", 0, "\0\0", ""),
        ] {
            let found = networks.find(Address::from(address.parse::<IpAddr>().unwrap()));
            assert_eq!((found.asn, &found.country[..]), (asn, country.as_bytes()), "{address}");
            assert_eq!(networks.name(found.asn), name, "{address}");
            assert_eq!(found.is_server, asn == 64500, "{address}");
        }
        assert_eq!(networks.files()[0].format.to_string(), "MaxMind database");
    }
}

#[test]
fn what_is_no_whole_database_is_told() {
    let whole = sample();
    let cut = load(&whole[..whole.len() / 2]).unwrap_err();
    assert!(cut.starts_with("x.mmdb: is neither a table with tabs nor a whole MaxMind database"), "{cut}");
    let short = load(&whole[..whole.len() - 20]).unwrap_err();
    assert!(short.starts_with("x.mmdb: is damaged or cut off (MaxMind database: "), "{short}");
    let mut tar = vec![1; 1024];
    tar[100] = 0;
    tar[257..262].copy_from_slice(b"ustar");
    assert!(load(&tar).unwrap_err().contains("unpack it with `tar -x`"));
    let bad = database(&[("5.0.0.0", 24, Map(vec![("asn", Text("ASN7"))]))]);
    let told = "x.mmdb: the AS number of 5.0.0.0/24 is `ASN7`; 0 to 4294967295, with or without `AS` before it, is expected";
    assert_eq!(load(&bad).unwrap_err(), told);
    let other = database(&[("5.0.0.0", 24, Map(vec![("is_anonymous", Number(1))]))]);
    assert!(load(&other).unwrap_err().contains("no range with an AS number or a country"));
}

proptest! {
    #[test]
    fn damage_is_an_error_or_other_content(at in any::<prop::sample::Index>(), bits in 1..=255_u8) {
        let mut bytes = sample();
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
        let _ = load(&bytes);
    }

    #[test]
    fn a_piece_is_an_error(end in any::<prop::sample::Index>()) {
        let bytes = sample();
        prop_assert!(load(&bytes[..end.index(bytes.len())]).is_err());
    }
}

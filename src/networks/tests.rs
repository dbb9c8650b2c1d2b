//! What is found, and what is refused.

use super::*;
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

const TABLE: &str = "# made up\n\
    5.0.0.0\t5.0.0.255\t64500\tDE\tExample Hosting GmbH\r\n\
    \n\
    5.0.2.0\t5.0.2.255\tAS64501\tfr\tExample Telecom\n\
    10.0.0.0\t10.255.255.255\t64500\tUS\tExample Hosting GmbH\n\
    2a00::\t2a00:ffff:ffff:ffff:ffff:ffff:ffff:ffff\t64501\tZZ\tAnother name\n\
    5.0.3.0\t5.0.3.255\t0\tNone\tNot routed\n\
    ::ffff:5.0.4.0\t::ffff:5.0.4.255\t64502\tIT\t\n";

fn load(files: &[(&str, &[u8])]) -> Result<Networks, NetworksError> {
    Networks::load(files.iter().map(|(name, bytes)| ((*name).to_owned(), *bytes)))
}

fn find(networks: &Networks, address: &str) -> (u32, String, bool) {
    let address = address.parse::<IpAddr>().map_or_else(|_| Address::text(address), Address::from);
    let Network { asn, country, is_server } = networks.find(address);
    (asn, String::from_utf8_lossy(&country).replace('\0', ""), is_server)
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_table_tells_networks_packed_or_not() {
    let packed = gzip(TABLE.as_bytes());
    for bytes in [TABLE.as_bytes(), &packed] {
        let networks = load(&[("a", bytes)]).unwrap();
        for (address, asn, country, is_server) in [
            ("4.255.255.255", 0, "", false),
            ("5.0.0.0", 64500, "DE", true),
            ("5.0.0.255", 64500, "DE", true),
            ("5.0.1.0", 0, "", false),
            ("5.0.2.7", 64501, "FR", false),
            ("5.0.3.7", 0, "", false),
            ("5.0.4.7", 64502, "IT", false),
            ("::ffff:5.0.0.1", 64500, "DE", true),
            ("2a00::1", 64501, "", false),
            ("2a01::", 0, "", false),
            ("10.0.0.1", 0, "", false),
            ("127.0.0.1", 0, "", false),
            ("::1", 0, "", false),
            ("bedrock.amazonaws.com", 0, "", false),
        ] {
            assert_eq!(find(&networks, address), (asn, country.to_owned(), is_server), "{address}");
        }
        assert_eq!(networks.name(64500), "Example Hosting GmbH");
        assert_eq!(networks.name(64501), "Example Telecom", "the first name counts");
        assert_eq!((networks.name(64502), networks.name(0), networks.name(7)), ("", "", ""));
        assert_eq!(networks.counts(), (4, 2));
        assert_eq!(networks.files()[0].ranges, 6);
    }
}

#[test]
fn without_tables_all_is_unknown() {
    let networks = load(&[]).unwrap();
    assert_eq!(find(&networks, "8.8.8.8"), (0, String::new(), false));
    assert_eq!(find(&networks, "2a00::1"), (0, String::new(), false));
    assert_eq!(networks.name(1), "");
    assert_eq!(find(&Networks::default(), "8.8.8.8").0, 0);
}

#[test]
fn what_one_file_does_not_know_another_may() {
    let asns = "5.0.0.0\t5.0.0.255\t7\tZZ\tSeven\n5.0.1.0\t5.0.1.255\t8\tPL\tEight\n";
    let countries = "5.0.0.128\t5.0.1.127\tAT\n6.0.0.0\t6.0.0.255\tCH\n";
    let networks = load(&[("asns", asns.as_bytes()), ("countries", countries.as_bytes())]).unwrap();
    for (address, asn, country) in [
        ("5.0.0.1", 7, ""),
        ("5.0.0.128", 7, "AT"),
        ("5.0.1.1", 8, "PL"),
        ("5.0.1.200", 8, "PL"),
        ("6.0.0.1", 0, "CH"),
    ] {
        assert_eq!(find(&networks, address), (asn, country.to_owned(), false), "{address}");
    }
}

#[test]
fn archives_that_are_not_whole_are_refused() {
    let whole = gzip(TABLE.as_bytes());
    let cut = load(&[("t.gz", &whole[..whole.len() / 2])]).unwrap_err().to_string();
    assert!(cut.starts_with("t.gz: is damaged or cut off ("), "{cut}");
    let mut bent = whole.clone();
    let middle = bent.len() / 2;
    bent[middle] ^= 0xff;
    let bent = load(&[("t.gz", &bent)]).unwrap_err().to_string();
    assert!(bent.starts_with("t.gz: "), "{bent}");
    let xz = load(&[("t.xz", b"\xfd7zXZ\0rest")]).unwrap_err().to_string();
    assert!(xz.contains("unpack it with `xz`"), "{xz}");
}

proptest! {
    #[test]
    fn lookup_agrees_with_a_scan(
        starts in proptest::collection::btree_set(0x0b00_0000_u32..0x0b00_ffff, 1..40),
        asked in proptest::collection::vec(0x0aff_fff0_u32..0x0b01_0010, 50),
        wide in any::<bool>(),
    ) {
        let starts: Vec<u32> = starts.into_iter().collect();
        let write = |at: u32| if wide {
            // The same places in the upper half of IPv6 addresses.
            IpAddr::V6(Ipv6Addr::from_bits(u128::from(at) << 64 | 0x2a00 << 112))
        } else {
            IpAddr::V4(Ipv4Addr::from_bits(at))
        };
        let mut table = String::new();
        let mut ranges = Vec::new();
        for (number, pair) in starts.windows(2).enumerate().rev() {
            let last = pair[0].midpoint(pair[1] - 1);
            let asn = u32::try_from(number % 5).unwrap();
            writeln!(table, "{}\t{}\t{asn}\tDE\tName", write(pair[0]), write(last)).unwrap();
            ranges.push((pair[0], last, asn));
        }
        prop_assume!(!ranges.is_empty());
        let networks = load(&[("t", table.as_bytes())]).unwrap();
        for at in asked {
            // Of IPv6 the last address of a range is that of its upper half alone.
            let found = networks.find(write(at).into());
            let scanned = ranges.iter().find(|(first, last, _)| (*first..=*last).contains(&at));
            let expected = scanned.map_or((0, [0, 0]), |range| (range.2, *b"DE"));
            prop_assert_eq!((found.asn, found.country), expected, "{}", write(at));
        }
    }

    #[test]
    fn any_bytes_are_a_table_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = load(&[("t", &bytes)]);
    }
}

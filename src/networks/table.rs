//! Tables of text: first address, last address, AS number, country and name of the AS, with tabs between.

use super::error::NetworksError;
use super::sheet::{Book, Layer, Sheet};
use super::{BYTES_MAX, Format, Known, country, too_large};
use std::io::{self, BufRead, Read};
use std::net::IpAddr;

/// Longest line; the longest real one has about 250 bytes.
const LINE_MAX: u64 = 4096;
/// Longest value that a message repeats.
const SHOWN_MAX: usize = 80;

const ADDRESS: &str = "an IPv4 or IPv6 address";
const ASN: &str = "the number of an AS (13335 or AS13335), 0 for none,";
const COUNTRY: &str = "a country of two letters, or ZZ, None or nothing for none,";

/// Reads a table; `failed` tells of errors of the reader.
pub(super) fn read(
    file: &str,
    reader: &mut impl BufRead,
    book: &mut Book,
    failed: impl Fn(io::Error) -> NetworksError,
) -> Result<Layer, NetworksError> {
    let mut sheet = Sheet::new(file, Format::Table);
    let mut bytes = Vec::new();
    let mut left = BYTES_MAX;
    for number in 1.. {
        bytes.clear();
        reader.take(LINE_MAX + 1).read_until(b'\n', &mut bytes).map_err(&failed)?;
        left = left.checked_sub(bytes.len() as u64).ok_or_else(|| too_large(file))?;
        if bytes.is_empty() {
            break;
        }
        if bytes.len() as u64 > LINE_MAX {
            let what = format!("line {number} has more than {LINE_MAX} bytes");
            return Err(NetworksError::TooLarge { file: file.to_owned(), what });
        }
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_end_matches(['\n', '\r']);
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let line = Line { file, number };
        let (range, known, name) = line.read(text)?;
        book.name(known.asn, name);
        sheet.push(range, book.number(known))?;
    }
    sheet.finish()
}

/// Where a line stands.
struct Line<'a> {
    file: &'a str,
    number: u32,
}

type Row<'t> = ((IpAddr, IpAddr), Known, &'t str);

impl Line<'_> {
    fn read<'t>(&self, text: &'t str) -> Result<Row<'t>, NetworksError> {
        let mut fields = [""; 5];
        let mut found = 0;
        for field in text.split('\t') {
            if let Some(place) = fields.get_mut(found) {
                *place = field.trim();
            }
            found += 1;
        }
        let [first, last, asn, country, name] = match found {
            5 => fields,
            3 => [fields[0], fields[1], "0", fields[2], ""],
            _ => return Err(self.wrong_count(found, text)),
        };
        let range = self.range(first, last)?;
        let known = Known { asn: self.asn(asn)?, country: self.country(country)? };
        Ok((range, known, name))
    }

    fn range(&self, first: &str, last: &str) -> Result<(IpAddr, IpAddr), NetworksError> {
        let begin: IpAddr = first.parse().map_err(|_| self.wrong("first address", first, ADDRESS))?;
        let end: IpAddr = last.parse().map_err(|_| self.wrong("last address", last, ADDRESS))?;
        let (begin, end) = match (begin.to_canonical(), end.to_canonical()) {
            (IpAddr::V4(begin), IpAddr::V4(end)) => (IpAddr::V4(begin), IpAddr::V4(end)),
            _ => (begin, end),
        };
        match (begin, end) {
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => Err(self.wrong(
                "last address",
                last,
                "one of the same kind, IPv4 or IPv6, as the first address",
            )),
            _ if begin > end => Err(self.wrong("last address", last, "one that is not before the first")),
            _ => Ok((begin, end)),
        }
    }

    fn asn(&self, text: &str) -> Result<u32, NetworksError> {
        super::asn(text).ok_or_else(|| self.wrong("AS number", text, ASN))
    }

    fn country(&self, text: &str) -> Result<[u8; 2], NetworksError> {
        country(text).ok_or_else(|| self.wrong("country", text, COUNTRY))
    }

    fn wrong(&self, field: &'static str, value: &str, wanted: &'static str) -> NetworksError {
        let (file, line) = (self.file.to_owned(), self.number);
        NetworksError::Field { file, line, field, value: shown(value), wanted }
    }

    fn wrong_count(&self, found: usize, text: &str) -> NetworksError {
        let hint = match text.chars().next() {
            Some('<') => "; this looks like a web page: get the file itself",
            _ if text.contains(',') && found == 1 => "; this looks like CSV: get the table with tabs",
            _ => "",
        };
        NetworksError::Fields { file: self.file.to_owned(), line: self.number, found, hint }
    }
}

/// A value as messages repeat it.
pub(super) fn shown(value: &str) -> String {
    super::cut(value, SHOWN_MAX).to_owned()
}

#[cfg(test)]
mod tests {
    use crate::networks::Networks;

    fn told(text: &str) -> String {
        Networks::load([("t.tsv".to_owned(), text.as_bytes())]).unwrap_err().to_string()
    }

    #[test]
    fn a_bad_line_is_told_with_its_place_value_and_remedy() {
        let good = "5.0.0.0\t5.0.0.255\t7\tDE\tName\n";
        for (line, expected) in [
            ("1.0.0.0\t1.0.0.255", "t.tsv:2: 2 fields; first address, last address, AS number"),
            (
                "1.0.0.0,1.0.0.255,7,DE,Name",
                "expected (or first address, last address and country); this looks like CSV",
            ),
            ("<!DOCTYPE html>", "; this looks like a web page"),
            (
                "1.0.0\t1.0.0.255\t7\tDE\tName",
                "t.tsv:2: first address is `1.0.0`; an IPv4 or IPv6 address is expected",
            ),
            ("1.0.0.0\t1.0.0.256\t7\tDE\tName", "t.tsv:2: last address is `1.0.0.256`; an IPv4"),
            ("1.0.0.9\t1.0.0.8\t7\tDE\tName", "t.tsv:2: last address is `1.0.0.8`; one that is not before"),
            ("1.0.0.9\t2a00::\t7\tDE\tName", "t.tsv:2: last address is `2a00::`; one of the same kind"),
            (
                "1.0.0.0\t1.0.0.9\t4294967296\tDE\tName",
                "t.tsv:2: AS number is `4294967296`; the number of an AS",
            ),
            ("1.0.0.0\t1.0.0.9\t-7\tDE\tName", "t.tsv:2: AS number is `-7`"),
            ("1.0.0.0\t1.0.0.9\t7\tGermany\tName", "t.tsv:2: country is `Germany`; a country of two letters"),
        ] {
            let told = told(&format!("{good}{line}\n"));
            assert!(told.contains(expected), "{told}\n{expected}");
        }
        let long = format!("{good}{}", "x".repeat(5000));
        assert_eq!(told(&long), "t.tsv: line 2 has more than 4096 bytes; is it the right file?");
        for empty in ["", "# nothing\n\n", "1.0.0.0\t1.0.0.9\t0\tNone\tNot routed\n"] {
            assert!(told(empty).starts_with("t.tsv: no range with an AS number"), "{empty}");
        }
    }
}

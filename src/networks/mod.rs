//! Which network an address belongs to: AS number, country, and whether it is one of servers.
//!
//! Tables are read once, put together into sorted arrays, and never asked the network. Of several files the first
//! that knows something counts, AS number and country each by itself.

mod database;
mod error;
mod ranges;
pub mod servers;
mod sheet;
mod special;
mod table;

pub use error::NetworksError;

use crate::address::Address;
use crate::source::Decompressor;
use ranges::Ranges;
use sheet::{Book, Layer};
use std::fmt;
use std::io::{self, BufReader, Cursor, Read};
use std::net::IpAddr;

/// Most ranges of one file; the largest free tables have about four million.
const RANGES_MAX: usize = 16_000_000;
/// Longest file, unpacked.
const BYTES_MAX: u64 = 1 << 30;
/// Bytes of a file read at a time.
const BUFFER_BYTES: usize = 64 << 10;
/// Bytes that tell what kind it is.
const HEAD_BYTES: usize = 512;

/// What is known of the network of an address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Network {
    /// The number of its AS; 0 if it is not known.
    pub asn: u32,
    /// Where it is registered, ISO 3166 in capitals; zeros if it is not known.
    pub country: [u8; 2],
    /// Whether its addresses are those of servers rather than of people's access lines.
    pub is_server: bool,
}

/// What a table says of an address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Known {
    asn: u32,
    country: [u8; 2],
}

/// What kind a file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Lines with tabs.
    Table,
    /// MaxMind's form.
    Database,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::Database => "MaxMind database",
        })
    }
}

/// A file that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loaded {
    /// Its name.
    pub file: String,
    /// Its kind, by its content.
    pub format: Format,
    /// How many ranges it has.
    pub ranges: usize,
    /// How many of them begin inside others; the narrower counts.
    pub overlaps: usize,
}

/// The networks of addresses.
#[derive(Clone, Debug, Default)]
pub struct Networks {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
    /// By the numbers of the ranges; the first is the unknown one.
    known: Vec<Network>,
    /// Numbers of AS, ascending, each with where its name ends in `text`.
    names: Vec<(u32, u32)>,
    text: String,
    files: Vec<Loaded>,
}

impl Networks {
    /// Reads tables, each with its name for messages. What one does not know of an address a later one may.
    pub fn load<R: Read>(files: impl IntoIterator<Item = (String, R)>) -> Result<Self, NetworksError> {
        let mut book = Book::new();
        let mut loaded = Vec::new();
        let (mut v4, mut v6) = (Ranges::default(), Ranges::default());
        for (file, reader) in files {
            let layer = read(&file, reader, &mut book)?;
            v4 = v4.merge(&layer.v4, |one, other| book.complete(one, other));
            v6 = v6.merge(&layer.v6, |one, other| book.complete(one, other));
            loaded.push(layer.loaded);
        }
        if loaded.is_empty() {
            return Ok(Self::default());
        }
        let only_public = |special, number| if special == 1 { 0 } else { number };
        let (v4, v6) = (special::v4().merge(&v4, only_public), special::v6().merge(&v6, only_public));
        Ok(Self { v4, v6, files: loaded, ..Self::named(book) })
    }

    /// Everything but the ranges.
    fn named(book: Book) -> Self {
        let mut all: Vec<(u32, Box<str>)> = book.names.into_iter().collect();
        all.sort_unstable();
        let mut text = String::with_capacity(all.iter().map(|(_, name)| name.len()).sum());
        let mut names = Vec::with_capacity(all.len());
        let mut servers = Vec::new();
        for (asn, name) in all {
            text.push_str(&name);
            // Short names of at most `RANGES_MAX` networks: less than 4 GB.
            names.push((asn, u32::try_from(text.len()).unwrap_or(u32::MAX)));
            if servers::is_server(&name) {
                servers.push(asn);
            }
        }
        let network =
            |Known { asn, country }| Network { asn, country, is_server: servers.binary_search(&asn).is_ok() };
        let known = book.known.into_iter().map(network).collect();
        Self { known, names, text, ..Self::default() }
    }

    /// The network of an address; the unknown one if no table has it, and for addresses that are nobody's: private,
    /// loopback, a carrier's own, documentation.
    #[inline]
    pub fn find(&self, address: Address) -> Network {
        let number = match address.ip() {
            Some(IpAddr::V4(v4)) => self.v4.find(v4.into()),
            Some(IpAddr::V6(v6)) => self.v6.find(v6.into()),
            None => 0,
        };
        self.known.get(number as usize).copied().unwrap_or_default()
    }

    /// The name of an AS; empty if it is not known.
    pub fn name(&self, asn: u32) -> &str {
        let Ok(at) = self.names.binary_search_by_key(&asn, |name| name.0) else { return "" };
        let end = self.names.get(at).map_or(0, |name| name.1);
        let start = at.checked_sub(1).and_then(|at| self.names.get(at)).map_or(0, |name| name.1);
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }

    /// The files that were read.
    pub fn files(&self) -> &[Loaded] {
        &self.files
    }

    /// How many ranges have a network or a country, and how many AS have a name.
    pub fn counts(&self) -> (usize, usize) {
        (self.v4.len() + self.v6.len(), self.names.len())
    }

    /// What it takes in memory.
    pub fn bytes(&self) -> usize {
        self.v4.bytes()
            + self.v6.bytes()
            + self.known.capacity() * size_of::<Network>()
            + self.names.capacity() * size_of::<(u32, u32)>()
            + self.text.capacity()
    }
}

/// Reads one file, whatever kind it is.
fn read(file: &str, reader: impl Read, book: &mut Book) -> Result<Layer, NetworksError> {
    let plain = |error| NetworksError::Read { file: file.to_owned(), error };
    let unpacked = Decompressor::new(reader).map_err(plain)?;
    let is_packed = unpacked.is_compressed();
    let failed = |error: io::Error| match error.kind() {
        _ if !is_packed => plain(error),
        _ => NetworksError::Damaged { file: file.to_owned(), what: error.to_string() },
    };
    let mut unpacked = unpacked.take(BYTES_MAX + 1);
    let mut head = Vec::with_capacity(HEAD_BYTES);
    unpacked.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(failed)?;
    // Its tree never begins with a way back to where it begins.
    if head.starts_with(&[0; 8]) {
        let what = "is neither a table with tabs nor a MaxMind database".to_owned();
        return Err(NetworksError::Kind { file: file.to_owned(), what });
    }
    // The tree of a database begins with small numbers in several bytes; no text holds a nought.
    let is_database = head.contains(&0);
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(head).chain(unpacked));
    if is_database {
        database::read(file, &mut reader, book, failed)
    } else {
        table::read(file, &mut reader, book, failed)
    }
}

fn too_large(file: &str) -> NetworksError {
    let what = format!("is larger than {} GiB", BYTES_MAX >> 30);
    NetworksError::TooLarge { file: file.to_owned(), what }
}

/// The number of an AS, as tables write it.
fn asn(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("AS").or_else(|| text.strip_prefix("as")).unwrap_or(text);
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

/// A country, as tables write it; zeros for none.
fn country(text: &str) -> Option<[u8; 2]> {
    match text.as_bytes() {
        b"" | b"-" | b"ZZ" | b"None" | b"Unknown" => Some([0, 0]),
        [one, other] if one.is_ascii_alphabetic() && other.is_ascii_alphabetic() => {
            Some([one.to_ascii_uppercase(), other.to_ascii_uppercase()])
        }
        _ => None,
    }
}

/// At most `max` bytes of a text, cut between characters.
fn cut(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests;

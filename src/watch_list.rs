//! Whom to look out for: addresses, networks and clients of earlier incidents or of a feed of threats.
//!
//! A list is a text with one entry a line: an address (`203.0.113.7`), a block of addresses (`203.0.113.0/24`), the number
//! of a network (`AS64500`), or `client:` and a part of the name of client software. What follows a `#`, a comma, a tab
//! or a space after the entry is a remark; `client:` goes up to `#`, a comma or a tab. Lines that begin with `#` and empty
//! ones are passed over, so most published lists of addresses can be used as they are.

use crate::address::Address;
use crate::networks::Networks;
use crate::record::{Batch, UsageRecord};
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use hashbrown::{HashMap, HashSet};
use std::net::IpAddr;

/// Longest part of a client's name.
const CLIENT_BYTES_MAX: usize = 200;
/// Shortest: shorter parts are in too many names.
const CLIENT_BYTES_MIN: usize = 4;
/// Most parts of names: all are looked for in one pass, by a machine that grows with their bytes.
const CLIENTS_MAX: usize = 10_000;

/// What entries name: addresses and blocks of them, networks, client software.
pub const KINDS: [&str; 3] = ["address", "network", "client"];

/// What is wrong with a line of a list.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{file}:{line}: `{value}` {message}")]
pub struct ListError {
    file: String,
    line: usize,
    value: String,
    message: &'static str,
}

/// Blocks of one length by their leading bits, and the texts of the entries.
type Blocks = HashMap<u128, Box<str>, ahash::RandomState>;

/// All entries of all lists.
#[derive(Clone, Debug, Default)]
pub struct WatchList {
    /// By length of prefix, the longest first.
    blocks: Vec<(u8, Blocks)>,
    networks: HashMap<u32, Box<str>, ahash::RandomState>,
    /// Parts of names in small letters, and the texts of the entries.
    clients: Vec<(Box<[u8]>, Box<str>)>,
    /// The parts alone, to tell those that stand there twice.
    parts: HashSet<Box<[u8]>, ahash::RandomState>,
    /// Finds them; made when a list has been read.
    finder: Option<AhoCorasick>,
    entries: usize,
}

impl WatchList {
    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.entries
    }

    /// How many there are of each kind, in the order of [`KINDS`].
    pub fn by_kind(&self) -> [usize; KINDS.len()] {
        let (networks, clients) = (self.networks.len(), self.clients.len());
        [self.entries - networks - clients, networks, clients]
    }

    /// Whether nobody is looked out for.
    pub const fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Adds the entries of a list; `file` is its name in messages.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), ListError> {
        for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            self.entry(line).map_err(|message| {
                // A line of any other file may hold anything.
                let value: String = line.chars().filter(|c| !c.is_control()).take(60).collect();
                ListError { file: file.to_owned(), line: number, value, message }
            })?;
        }
        self.prepare(file)
    }

    /// Makes what finds clients.
    fn prepare(&mut self, file: &str) -> Result<(), ListError> {
        if self.clients.is_empty() {
            return Ok(());
        }
        // A machine without a table of all bytes for each state: names are short, and lists may be long.
        let mut builder = AhoCorasick::builder();
        builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::ContiguousNFA));
        let made = builder.build(self.clients.iter().map(|(part, _)| part));
        self.finder = Some(made.map_err(|_| ListError {
            file: file.to_owned(),
            line: 0,
            value: format!("{} clients", self.clients.len()),
            message: "are too many",
        })?);
        Ok(())
    }

    fn entry(&mut self, line: &str) -> Result<(), &'static str> {
        if let Some(client) = line.strip_prefix("client:") {
            return self.client(client.split(['#', ',', '\t']).next().unwrap_or("").trim());
        }
        let entry = line.split(['#', ',', '\t', ' ', ';']).next().unwrap_or("").trim();
        let number = entry.strip_prefix("AS").or_else(|| entry.strip_prefix("as"));
        if let Some(number) = number {
            let asn: u32 = number.parse().map_err(|_| "is no number of a network, such as AS64500")?;
            self.entries += usize::from(self.networks.insert(asn, entry.into()).is_none());
            return Ok(());
        }
        let (address, length) = match entry.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (entry, None),
        };
        let address: IpAddr = address
            .parse()
            .map_err(|_| "is no address, block (203.0.113.0/24), network (AS64500) or client:NAME")?;
        let (whole, before) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let length: u8 = match length {
            Some(length) => length.parse().ok().filter(|length| *length <= whole),
            None => Some(whole),
        }
        .ok_or("has no length of a prefix that an address has")?;
        if length < 8 {
            return Err(
                "is a block of more than a 256th of all addresses: nearly everybody would be on the list",
            );
        }
        self.block(u128::from_be_bytes(Address::from(address).bytes()), length + before, entry);
        Ok(())
    }

    fn block(&mut self, address: u128, length: u8, entry: &str) {
        let place = self.blocks.binary_search_by(|(known, _)| length.cmp(known)).unwrap_or_else(|place| {
            self.blocks.insert(place, (length, Blocks::default()));
            place
        });
        let is_new = self.blocks[place].1.insert(leading(address, length), entry.into()).is_none();
        self.entries += usize::from(is_new);
    }

    fn client(&mut self, name: &str) -> Result<(), &'static str> {
        if !(CLIENT_BYTES_MIN..=CLIENT_BYTES_MAX).contains(&name.len()) {
            return Err("is no part of a client's name of 4 to 200 bytes");
        }
        let part = name.to_ascii_lowercase().into_bytes().into_boxed_slice();
        if !self.parts.insert(part.clone()) {
            return Ok(());
        }
        if self.clients.len() >= CLIENTS_MAX {
            return Err("is one client too many: 10000 at most");
        }
        self.clients.push((part, format!("client:{name}").into()));
        self.entries += 1;
        Ok(())
    }

    /// The entry that a record fits, the most precise first: the smallest block, the network, the client.
    #[inline]
    pub fn find(&self, record: &UsageRecord, batch: &Batch, networks: &Networks) -> Option<&str> {
        if self.is_empty() {
            return None;
        }
        self.look(record, batch, networks)
    }

    fn look(&self, record: &UsageRecord, batch: &Batch, networks: &Networks) -> Option<&str> {
        if let Some(address) = record.address.filter(|address| address.ip().is_some()) {
            let bits = u128::from_be_bytes(address.bytes());
            let block = self.blocks.iter().find_map(|(length, blocks)| blocks.get(&leading(bits, *length)));
            let network =
                || self.networks.get(&networks.find(address).asn).filter(|_| !self.networks.is_empty());
            if let Some(entry) = block.or_else(network) {
                return Some(entry);
            }
        }
        self.of_client(batch.bytes_of(record.user_agent))
    }

    /// The entry that a client's name fits; of several the one that stands first.
    fn of_client(&self, name: &[u8]) -> Option<&str> {
        let found = self.finder.as_ref()?.find_overlapping_iter(name);
        let first = found.map(|found| found.pattern().as_usize()).min()?;
        self.clients.get(first).map(|(_, entry)| &**entry)
    }
}

/// The leading bits of an address.
const fn leading(address: u128, length: u8) -> u128 {
    if length == 0 { 0 } else { address >> (128 - length as u32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_told_from_remarks() {
        let mut list = WatchList::default();
        let text = "\u{feff}# a feed\n\n203.0.113.7,scanner\n198.51.100.0/24 ; SBL1\nAS64500 # a host\n\
                    client:BadBot/1, seen twice\n2001:db8::/32\r\n203.0.113.7\n";
        list.add("feed", text).unwrap();
        assert_eq!(list.len(), 5);
        let lengths: Vec<u8> = list.blocks.iter().map(|(length, _)| *length).collect();
        assert_eq!(lengths, [128, 120, 32], "the smallest block first");
        assert_eq!(&*list.clients[0].0, b"badbot/1");
    }

    #[test]
    fn of_several_clients_the_first_counts_whatever_the_letters() {
        let mut list = WatchList::default();
        list.add("l", "client:evil\nclient:BadBot/1\nAS64500\n203.0.113.7\n").unwrap();
        list.add("m", "client:botnet\nclient:EVIL\n").unwrap();
        assert_eq!(list.by_kind(), [1, 1, 3]);
        let find = |name: &str| list.of_client(name.as_bytes()).map(str::to_owned);
        assert_eq!(find("a BADBOT/1.2 of an Evil botnet").as_deref(), Some("client:evil"));
        assert_eq!(find("xbadbot/1 botnet").as_deref(), Some("client:BadBot/1"));
        assert_eq!(find("badbot/2"), None);
        assert_eq!(find(""), None);
    }

    #[test]
    fn mistakes_are_named() {
        for (line, told) in [
            ("203.0.113.777", "l:1: `203.0.113.777` is no address"),
            ("203.0.113.0/33", "has no length"),
            ("0.0.0.0/0", "nearly everybody"),
            ("ASx", "is no number of a network"),
            ("client:ab", "4 to 200 bytes"),
            ("{\"json\":1}", "is no address"),
        ] {
            let error = WatchList::default().add("l", line).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}

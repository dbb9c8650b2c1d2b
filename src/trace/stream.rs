//! Text of any length, searched in pieces that overlap: memory stays the same for two bytes and for two gigabytes.

use super::matcher::{Hit, Matcher};
use std::io::{self, Read};

/// What is searched at once.
const PIECE_BYTES: usize = 4 << 20;
/// So much of it is searched again together with what follows: no key is longer.
const AFTER_BYTES: usize = 64 << 10;
/// So much of what was searched is looked at again, for what stands in front of a key.
const BEFORE_BYTES: usize = 8 << 10;

/// A key, and where in the whole it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// What was found.
    pub hit: Hit,
    /// At which byte.
    pub offset: u64,
    /// In which line, from one on.
    pub line: u64,
}

/// Searches all that a reader gives, and says how many bytes that was.
pub fn search(matcher: &Matcher, reader: &mut dyn Read, found: &mut dyn FnMut(Found)) -> io::Result<u64> {
    let mut piece = Vec::new();
    // Where the piece begins, and from where on it is new.
    let (mut start, mut new) = (0_u64, 0_usize);
    let mut lines = Lines::default();
    loop {
        let want = PIECE_BYTES + AFTER_BYTES - piece.len();
        let read = (&mut *reader).take(want as u64).read_to_end(&mut piece);
        let is_last = read.as_ref().is_ok_and(|read| *read < want) || read.is_err();
        let end = if is_last { piece.len() } else { piece.len() - AFTER_BYTES };
        let fresh = matcher
            .search(&piece)
            .into_iter()
            .filter(|hit| (new..end).contains(&hit.at) || (is_last && hit.at == end));
        for hit in fresh {
            let line = lines.until(&piece, hit.at);
            found(Found { offset: start + hit.at as u64, line, hit });
        }
        if is_last {
            return read.map(|_| start + piece.len() as u64);
        }
        let keep = end - BEFORE_BYTES;
        lines.leave(&piece, keep);
        piece.drain(..keep);
        start += keep as u64;
        new = BEFORE_BYTES;
    }
}

/// Searches bytes that are there already.
pub fn search_bytes(matcher: &Matcher, bytes: &[u8], found: &mut dyn FnMut(Found)) -> u64 {
    if bytes.len() > PIECE_BYTES {
        let mut rest = bytes;
        return search(matcher, &mut rest, found).unwrap_or(0);
    }
    let mut lines = Lines::default();
    for hit in matcher.search(bytes) {
        let line = lines.until(bytes, hit.at);
        found(Found { offset: hit.at as u64, line, hit });
    }
    bytes.len() as u64
}

/// Counts lines, each byte once.
#[derive(Default)]
struct Lines {
    before: u64,
    counted: usize,
}

impl Lines {
    /// The number of the line at a place in the piece, no place before the last that was asked for.
    fn until(&mut self, piece: &[u8], at: usize) -> u64 {
        let fresh = piece.get(self.counted..at).unwrap_or_default();
        self.before += memchr::memchr_iter(b'\n', fresh).count() as u64;
        self.counted = self.counted.max(at);
        self.before + 1
    }

    /// The first `keep` bytes of the piece go away.
    fn leave(&mut self, piece: &[u8], keep: usize) {
        if self.counted < keep {
            self.until(piece, keep);
        }
        // What was counted behind them is counted again.
        let twice = piece.get(keep..self.counted).unwrap_or_default();
        self.before -= memchr::memchr_iter(b'\n', twice).count() as u64;
        self.counted = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::matcher::Query;
    use super::*;
    use crate::key::KeyNamer;

    #[test]
    fn a_key_is_found_once_wherever_pieces_meet() {
        let key = format!("sk-or-v1-{}", "9f86d081884c7d65".repeat(4));
        let matcher = Matcher::new(Query::Keys(vec![key.clone().into_bytes()]), KeyNamer::new("")).unwrap();
        for shift in [0, 1, 40, AFTER_BYTES - 1, AFTER_BYTES, AFTER_BYTES + 1] {
            let at = PIECE_BYTES + AFTER_BYTES - shift;
            let mut text = b"0123456789abcde\n".repeat((PIECE_BYTES + AFTER_BYTES) / 8);
            text[at..at + key.len()].copy_from_slice(key.as_bytes());
            let mut all = Vec::new();
            assert_eq!(search_bytes(&matcher, &text, &mut |found| all.push(found)), text.len() as u64);
            assert_eq!(all.len(), 1, "{shift}");
            assert_eq!((all[0].offset, all[0].line), (at as u64, at as u64 / 16 + 1), "{shift}");
        }
    }
}

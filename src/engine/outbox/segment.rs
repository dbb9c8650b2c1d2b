//! The layout of the files that an outbox is kept in. After a line with the version come entries: length of the text
//! (four bytes), number (eight), checksum of both and the text (eight), text.
//!
//! What is damaged is passed over: the next entry is the next place where length, number and checksum agree.

use std::ops::Range;

/// What every file begins with.
pub const HEAD: &[u8] = b"keyhound outbox 1\n";
const MAGIC: &[u8] = b"keyhound outbox ";
const FRONT: usize = 4 + 8 + 8;

/// An entry as bytes.
pub fn pack(number: u64, text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(FRONT + text.len());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&checksum(length, number, text));
    bytes.extend_from_slice(text);
    bytes
}

fn checksum(length: u32, number: u64, text: &[u8]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&length.to_le_bytes()).update(&number.to_le_bytes()).update(text);
    let mut sum = [0; 8];
    sum.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    sum
}

/// A whole entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placed {
    /// Its number.
    pub number: u64,
    /// Where all of it stands.
    pub at: Range<usize>,
    /// Where its text stands.
    pub text: Range<usize>,
}

/// What a file holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parsed {
    /// Whole entries, in order.
    pub entries: Vec<Placed>,
    /// What is no entry.
    pub damaged: Vec<Range<usize>>,
    /// It was written by another version.
    pub is_other: bool,
}

/// Reads a file whose first entry should have the number `first`.
pub fn parse(bytes: &[u8], first: u64) -> Parsed {
    let mut parsed = Parsed::default();
    if !bytes.starts_with(HEAD) && is_version(bytes) {
        parsed.is_other = true;
        return parsed;
    }
    let mut at = if bytes.starts_with(HEAD) { HEAD.len() } else { 0 };
    let mut expected = first;
    while at < bytes.len() {
        if let Some(entry) = entry(bytes, at, expected) {
            (at, expected) = (entry.at.end, entry.number + 1);
            parsed.entries.push(entry);
            continue;
        }
        match parsed.damaged.last_mut() {
            Some(damaged) if damaged.end == at => damaged.end += 1,
            _ => parsed.damaged.push(at..at + 1),
        }
        at += 1;
    }
    parsed
}

/// Whether it begins with a whole line that names a version.
fn is_version(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(MAGIC) else { return false };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && rest.get(digits) == Some(&b'\n')
}

fn entry(bytes: &[u8], at: usize, expected: u64) -> Option<Placed> {
    let (length, rest) = bytes[at..].split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (sum, rest) = rest.split_first_chunk::<8>()?;
    let (length, number) = (u32::from_le_bytes(*length), u64::from_le_bytes(*number));
    // No more entries can be missing than there are bytes.
    if number < expected || number - expected > bytes.len() as u64 {
        return None;
    }
    let text = rest.get(..usize::try_from(length).ok()?)?;
    if checksum(length, number, text) != *sum {
        return None;
    }
    let start = at + FRONT;
    Some(Placed { number, at: at..start + text.len(), text: start..start + text.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(texts: &[String]) -> Vec<u8> {
        let entries = (7..).zip(texts).map(|(number, text)| pack(number, text.as_bytes()));
        HEAD.iter().copied().chain(entries.flatten()).collect()
    }

    proptest! {
        /// Whatever is flipped or cut off: all other entries are read as they were, and nothing that was not written.
        #[test]
        fn what_is_whole_is_read(
            texts in prop::collection::vec("[ -~]{0,40}", 1..12), at in any::<prop::sample::Index>(), bit in 0_u32..8, cut in any::<bool>(),
        ) {
            let whole = file(&texts);
            let sound = parse(&whole, 7);
            prop_assert_eq!((sound.entries.len(), sound.damaged.len()), (texts.len(), 0));
            let at = at.index(whole.len());
            let mut broken = whole.clone();
            if cut { broken.truncate(at) } else { broken[at] ^= 1_u8 << bit }
            let found = parse(&broken, 7);
            let is_hit = |entry: &&Placed| if cut { entry.at.end > at } else { entry.at.contains(&at) };
            let expected: Vec<_> = sound.entries.iter().filter(|entry| !is_hit(entry)).cloned().collect();
            let head = at < HEAD.len();
            prop_assert!(found.is_other && head || found.entries == expected);
            prop_assert!(found.is_other || cut || !found.damaged.is_empty());
        }
    }

    #[test]
    fn other_versions_are_told_from_damage() {
        assert!(parse(b"keyhound outbox 2\nwhatever", 0).is_other);
        for damaged in [&b"keyhound outbox x\n"[..], b"keyhound outbox ", b"keyhound outbox 1", b""] {
            assert!(!parse(damaged, 0).is_other);
        }
    }
}

//! Finding the end of a string sixteen bytes at a time, and resolving its escapes.

use wide::u8x16;

/// Bytes looked at together where strings and brackets end.
pub(super) type Lanes = u8x16;

/// Marks quotes, backslashes and control characters, a bit for each byte.
#[inline(always)]
fn special_bits(bytes: [u8; 16]) -> u32 {
    let lanes = Lanes::new(bytes);
    let controls = lanes.min(Lanes::splat(0x1f)).simd_eq(lanes);
    (lanes.simd_eq(Lanes::splat(b'"')) | lanes.simd_eq(Lanes::splat(b'\\')) | controls).to_bitmask()
}

/// Where one of two bytes stands in a text, in order.
#[inline]
pub fn places_of(one: u8, other: u8, text: &[u8]) -> impl Iterator<Item = usize> {
    let (whole, rest) = text.as_chunks::<32>();
    let behind = whole.len() * 32;
    let (mut chunks, mut bits, mut base) = (whole.iter(), 0_u32, 0_usize.wrapping_sub(32));
    let in_chunks = std::iter::from_fn(move || {
        while bits == 0 {
            bits = either(chunks.next()?, one, other);
            base = base.wrapping_add(32);
        }
        let at = base + bits.trailing_zeros() as usize;
        bits &= bits - 1;
        Some(at)
    });
    let is_one = move |byte: &u8| *byte == one || *byte == other;
    let in_rest =
        rest.iter().enumerate().filter(move |(_, byte)| is_one(byte)).map(move |(at, _)| behind + at);
    in_chunks.chain(in_rest)
}

/// Marks two bytes, a bit for each place where one of them stands.
#[inline(always)]
fn either(chunk: &[u8; 32], one: u8, other: u8) -> u32 {
    let bits = |half: Option<&[u8; 16]>| {
        let lanes = half.map_or(Lanes::ZERO, |half| Lanes::new(*half));
        (lanes.simd_eq(Lanes::splat(one)) | lanes.simd_eq(Lanes::splat(other))).to_bitmask()
    };
    bits(chunk.first_chunk()) | bits(chunk.last_chunk()) << 16
}

/// Length of the run of bytes before the first quote, backslash or control character; the whole length if none.
#[inline(always)]
pub(super) fn find_special(text: &[u8]) -> usize {
    // Most end in the first chunk or the second, so nothing is reckoned ahead of them.
    let mut at = 0;
    while let Some(chunk) = text.get(at..).and_then(<[u8]>::first_chunk::<16>) {
        let marks = special_bits(*chunk);
        if marks != 0 {
            return at + marks.trailing_zeros() as usize;
        }
        at += 16;
    }
    let rest = text.get(at..).unwrap_or_default();
    let is_special = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < 0x20;
    at + rest.iter().position(is_special).unwrap_or(rest.len())
}

/// Where the quote stands that ends a string in which an escape begins at `at`; `None` where there is none, or what is
/// before it may not be there: what that is tells whoever goes step by step.
pub(super) fn closing_quote(text: &[u8], mut at: usize) -> Option<usize> {
    let mut carry = 0;
    while let Some(block) = text.get(at..).and_then(<[u8]>::first_chunk::<64>) {
        let marks = Marks::of(block, &mut carry);
        marks.check(text, at)?;
        if marks.quotes != 0 {
            return Some(at + marks.quotes.trailing_zeros() as usize);
        }
        at += 64;
    }
    // The last block is filled up with quotes, which end nothing.
    let rest = text.get(at..)?;
    let mut block = [b'"'; 64];
    block.get_mut(..rest.len())?.copy_from_slice(rest);
    let marks = Marks::of(&block, &mut carry);
    marks.check(text, at)?;
    let quote = at + marks.quotes.trailing_zeros() as usize;
    (quote < text.len()).then_some(quote)
}

/// What stands in sixty-four bytes of a string, a bit for each byte.
struct Marks {
    /// Quotes that end it.
    quotes: u64,
    controls: u64,
    /// What stands behind a backslash and is none of the three that usually do.
    rare: u64,
}

impl Marks {
    #[inline(always)]
    fn of(block: &[u8; 64], carry: &mut u64) -> Self {
        let (mut quotes, mut backslashes, mut controls, mut feeds) = (0, 0, 0, 0);
        let (chunks, _) = block.as_chunks::<16>();
        for (number, chunk) in chunks.iter().enumerate() {
            let lanes = Lanes::new(*chunk);
            let bits = |lanes: Lanes| u64::from(lanes.to_bitmask()) << (number * 16);
            quotes |= bits(lanes.simd_eq(Lanes::splat(b'"')));
            backslashes |= bits(lanes.simd_eq(Lanes::splat(b'\\')));
            controls |= bits(lanes.min(Lanes::splat(0x1f)).simd_eq(lanes));
            feeds |= bits(lanes.simd_eq(Lanes::splat(b'n')));
        }
        let escaped = escaped(backslashes, carry);
        Self { quotes: quotes & !escaped, controls, rare: escaped & !(quotes | backslashes | feeds) }
    }

    /// Looks at what is before the quote that ends the string, in this block, which begins at `at`; `None` where that is
    /// no part of a string.
    #[inline(always)]
    fn check(&self, text: &[u8], at: usize) -> Option<()> {
        let before = if self.quotes == 0 { u64::MAX } else { (self.quotes & self.quotes.wrapping_neg()) - 1 };
        let mut rare = self.rare & before;
        while rare != 0 {
            escape_length(text.get(at + rare.trailing_zeros() as usize - 1..)?)?;
            rare &= rare - 1;
        }
        (self.controls & before == 0).then_some(())
    }
}

/// The bytes behind a backslash that is not itself behind one, a bit for each. `carry` is one where the first byte is
/// such a byte, and becomes so for the byte behind the last.
#[inline(always)]
pub(super) fn escaped(backslashes: u64, carry: &mut u64) -> u64 {
    const EVEN: u64 = 0x5555_5555_5555_5555;
    // Of a run of backslashes every second one is behind one that counts. Runs that begin at an odd place end, by the
    // carry of a sum, at a place of the other kind than those that begin at an even one.
    let backslashes = backslashes & !*carry;
    let behind = backslashes << 1 | *carry;
    let odd_starts = backslashes & !EVEN & !behind;
    let (sum, overflow) = odd_starts.overflowing_add(backslashes);
    *carry = u64::from(overflow);
    (EVEN ^ sum << 1) & behind
}

/// Length of the escape that `text` starts with; `None` where it is none.
pub(super) fn escape_length(text: &[u8]) -> Option<usize> {
    match text.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => hex4(text.get(2..6)?).map(|_| 6),
        _ => None,
    }
}

fn hex4(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, &digit| Some(number << 4 | char::from(digit).to_digit(16)?))
}

/// Bytes that are copied together.
const WORD: usize = 16;

/// Appends `raw`, whose escapes have been checked, with the escapes resolved.
pub(super) fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    // Nothing becomes longer. Room is made once, and what is left of it goes along: to append each piece takes longer than
    // to copy it, for in JSON within a text there is a backslash every few bytes.
    let start = out.len();
    out.resize(start + raw.len() + WORD, 0);
    let mut room = Room(out.get_mut(start..).unwrap_or_default());
    let mut rest = raw;
    loop {
        rest = room.copy_plain(rest);
        let [_, escape, after @ ..] = rest else { break };
        if *escape == b'u' {
            let Some((digits, after)) = after.split_at_checked(4) else { break };
            rest = room.unescape_unicode(digits, after);
        } else {
            room.put(ESCAPED[usize::from(*escape)]);
            rest = after;
        }
    }
    let left = room.0.len();
    out.truncate(out.len() - left);
}

/// What stands for what behind a backslash: mostly for itself.
const ESCAPED: [u8; 256] = {
    let mut escaped = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[allow(clippy::cast_possible_truncation, reason = "it is below 256")]
        let itself = byte as u8;
        escaped[byte] = match itself {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            other => other,
        };
        byte += 1;
    }
    escaped
};

/// What is left of the room that a text without its escapes takes.
struct Room<'r>(&'r mut [u8]);

impl Room<'_> {
    #[inline(always)]
    fn advance(&mut self, by: usize) {
        self.0 = std::mem::take(&mut self.0).get_mut(by..).unwrap_or_default();
    }

    #[inline(always)]
    fn put(&mut self, byte: u8) {
        if let Some(place) = self.0.first_mut() {
            *place = byte;
        }
        self.advance(1);
    }

    /// Writes what comes before the first backslash, and tells what is left of the text. Copies a word at a time, some bytes
    /// in vain.
    #[inline(always)]
    fn copy_plain<'a>(&mut self, mut text: &'a [u8]) -> &'a [u8] {
        while let (Some(word), Some(place)) = (text.first_chunk::<WORD>(), self.0.first_chunk_mut::<WORD>()) {
            *place = *word;
            let marks = Lanes::new(*word).simd_eq(Lanes::splat(b'\\')).to_bitmask();
            let plain = if marks == 0 { WORD } else { marks.trailing_zeros() as usize };
            text = text.get(plain..).unwrap_or_default();
            self.advance(plain);
            if marks != 0 {
                return text;
            }
        }
        let plain = text.iter().position(|&byte| byte == b'\\').unwrap_or(text.len());
        let (before, behind) = text.split_at(plain);
        if let Some(place) = self.0.get_mut(..plain) {
            place.copy_from_slice(before);
        }
        self.advance(plain);
        behind
    }

    /// Writes the character of a `\u` escape with these digits, joined with a low surrogate that follows; tells what is left
    /// of the text.
    fn unescape_unicode<'a>(&mut self, digits: &[u8], rest: &'a [u8]) -> &'a [u8] {
        let unit = hex4(digits).unwrap_or(0xfffd);
        let (code, rest) = match unit {
            0xd800..=0xdbff => {
                match rest.get(..6).filter(|next| next.starts_with(b"\\u")).and_then(|next| hex4(&next[2..]))
                {
                    Some(low @ 0xdc00..=0xdfff) => {
                        (0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00), &rest[6..])
                    }
                    _ => (0xfffd, rest),
                }
            }
            _ => (unit, rest),
        };
        let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        let length = character.encode_utf8(self.0).len();
        self.advance(length);
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memchr::memchr2_iter;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_the_first_special_byte(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let naive = bytes.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20).unwrap_or(bytes.len());
            prop_assert_eq!(find_special(&bytes), naive);
        }
    }

    /// Step by step.
    fn naive_quote(text: &[u8], mut at: usize) -> Option<usize> {
        loop {
            match text.get(at)? {
                b'"' => return Some(at),
                b'\\' => at += escape_length(&text[at..])?,
                0..0x20 => return None,
                _ => at += 1,
            }
        }
    }

    proptest! {
        #[test]
        fn a_string_ends_where_it_ends_step_by_step(
            pieces in prop::collection::vec(
                prop::sample::select(vec![
                    "\\", "\\", "\\", "\\\"", "\\\"", "\\n", "\\/", "\\u00e9", "\\u12", "\"", "a", "n", "\\\\\\",
                    "a text of plain letters and no end of it, or nearly so ", "\n", "é", "\u{1f}",
                ]),
                0..40,
            ),
        ) {
            let text = ["\\n", &pieces.concat()].concat();
            prop_assert_eq!(closing_quote(text.as_bytes(), 0), naive_quote(text.as_bytes(), 0), "{}", text);
        }

        #[test]
        fn long_strings_with_odd_runs_of_backslashes(runs in prop::collection::vec((0_usize..9, 0_usize..70), 1..12)) {
            let text: String = runs.iter().map(|&(slashes, letters)| "\\".repeat(slashes) + &"n".repeat(letters)).collect();
            let text = text + "\"\\\"\"";
            prop_assert_eq!(closing_quote(text.as_bytes(), 0), naive_quote(text.as_bytes(), 0), "{}", text);
        }
    }

    proptest! {
        #[test]
        fn places_are_those_of_the_library(text in "[ab}\n]{0,150}") {
            let places: Vec<usize> = places_of(b'\n', b'}', text.as_bytes()).collect();
            prop_assert_eq!(places, memchr2_iter(b'\n', b'}', text.as_bytes()).collect::<Vec<_>>());
        }
    }

    proptest! {
        #[test]
        fn what_was_escaped_comes_back(text in prop_oneof![any::<String>(), r#"["\\\n/\ta-zé]{0,200}"#]) {
            let written = serde_json::to_string(&text).unwrap();
            let mut out = b"before".to_vec();
            unescape(&written.as_bytes()[1..written.len() - 1], &mut out);
            prop_assert_eq!(out, ["before", &text].concat().into_bytes());
        }
    }

    #[test]
    fn surrogates_join_or_are_replaced() {
        for (raw, text) in [
            (r"\ud83d\ude00", "😀"),
            (r"a\ud800b", "a\u{fffd}b"),
            (r"\ud800\u0041", "\u{fffd}A"),
            (r"\udc00", "\u{fffd}"),
            (r"\u0000", "\0"),
        ] {
            let mut out = Vec::new();
            unescape(raw.as_bytes(), &mut out);
            assert_eq!(out, text.as_bytes(), "{raw}");
        }
    }
}

//! Finding the end of a string sixteen bytes at a time, and resolving its escapes.

use wide::u8x16;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Non-zero in the high bit of each byte that is zero; exact for the lowest such byte, which is all we use.
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// Bytes looked at together where strings and brackets end.
pub(super) type Lanes = u8x16;

/// Marks quotes, backslashes and control characters, a bit for each byte.
#[inline(always)]
fn special_bits(bytes: [u8; 16]) -> u32 {
    let lanes = Lanes::new(bytes);
    let controls = lanes.min(Lanes::splat(0x1f)).simd_eq(lanes);
    (lanes.simd_eq(Lanes::splat(b'"')) | lanes.simd_eq(Lanes::splat(b'\\')) | controls).to_bitmask()
}

/// Length of the run of bytes before the first quote, backslash or control character; the whole length if none.
#[inline(always)]
pub(super) fn find_special(text: &[u8]) -> usize {
    let (chunks, rest) = text.as_chunks::<16>();
    for (at, chunk) in chunks.iter().enumerate() {
        let marks = special_bits(*chunk);
        if marks != 0 {
            return at * 16 + marks.trailing_zeros() as usize;
        }
    }
    let is_special = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < 0x20;
    chunks.len() * 16 + rest.iter().position(is_special).unwrap_or(rest.len())
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

/// Appends `raw`, whose escapes have been checked, with the escapes resolved.
pub(super) fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    out.reserve(raw.len());
    let mut rest = raw;
    while !rest.is_empty() {
        rest = copy_plain(rest, out);
        rest = match rest {
            [] => rest,
            [b'\\', b'u', after @ ..] => match after.split_at_checked(4) {
                Some((digits, after)) => unescape_unicode(digits, after, out),
                None => &[],
            },
            [_, escape, after @ ..] => {
                out.push(match escape {
                    b'b' => 0x08,
                    b'f' => 0x0c,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    other => *other,
                });
                after
            }
            [_] => &[],
        };
    }
}

/// Appends what comes before the first backslash, and returns the rest. Copies eight bytes at a time, some of them in
/// vain: in JSON within a text there is a backslash every few bytes.
#[inline(always)]
fn copy_plain<'a>(text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let mut rest = text;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        let marks = zero_bytes(u64::from_le_bytes(*word) ^ (ONES * u64::from(b'\\')));
        out.extend_from_slice(word);
        if marks != 0 {
            let plain = (marks.trailing_zeros() / 8) as usize;
            out.truncate(out.len() - 8 + plain);
            return &rest[plain..];
        }
        rest = after;
    }
    let plain = rest.iter().position(|&byte| byte == b'\\').unwrap_or(rest.len());
    out.extend_from_slice(&rest[..plain]);
    &rest[plain..]
}

/// Appends the character of a `\u` escape with these digits, joined with a low surrogate that follows; returns what
/// is left.
fn unescape_unicode<'a>(digits: &[u8], rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let unit = hex4(digits).unwrap_or(0xfffd);
    let (code, rest) = match unit {
        0xd800..=0xdbff => {
            match rest.get(..6).filter(|next| next.starts_with(b"\\u")).and_then(|next| hex4(&next[2..])) {
                Some(low @ 0xdc00..=0xdfff) => {
                    (0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00), &rest[6..])
                }
                _ => (0xfffd, rest),
            }
        }
        _ => (unit, rest),
    };
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_the_first_special_byte(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let naive = bytes.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20).unwrap_or(bytes.len());
            prop_assert_eq!(find_special(&bytes), naive);
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

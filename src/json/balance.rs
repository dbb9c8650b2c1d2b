//! Where a nested value ends in a text that is known to be JSON: its brackets are counted, outside its strings, sixty-four
//! bytes at a time.

use super::scan::{Lanes, escaped};

/// Where the object or list that starts at `start` ends.
pub(super) fn sound_end(text: &[u8], start: usize) -> Option<usize> {
    end::<false>(text, start)
}

/// Whether the brackets that any text begins with are all closed in it, whatever their kinds; `false` where that cannot be
/// told by counting.
pub(crate) fn is_balanced(text: &[u8]) -> bool {
    end::<true>(text, 0).is_some()
}

/// The same for both. In a text that may be `ANY`, a backslash outside of strings is none that escapes.
#[inline(always)]
fn end<const ANY: bool>(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    let mut depth = 0;
    let mut within = Within::default();
    while let Some(block) = text.get(at..).and_then(<[u8]>::first_chunk::<64>) {
        let (starts, ends) = brackets::<ANY>(block, &mut within)?;
        // Many blocks are all text, and to count bits takes long where the processor is not asked to.
        if starts | ends != 0 {
            let closed = ends.count_ones();
            // Where more are open than this block closes, none of its brackets is the last.
            if depth <= closed
                && ends != 0
                && let Some(end) = end_in(starts, ends, depth)
            {
                return Some(at + end);
            }
            depth = (depth + starts.count_ones()).checked_sub(closed)?;
        }
        at += 64;
    }
    tail_end::<ANY>(text, at, depth, within)
}

/// What the bytes before say of those that follow.
#[derive(Clone, Copy, Default)]
struct Within {
    /// All ones in a string.
    string: u64,
    /// One behind a backslash that is not itself behind one.
    escape: u64,
}

/// The brackets of a block that open and that close, outside of strings: a bit for each byte.
#[inline(always)]
fn brackets<const ANY: bool>(block: &[u8; 64], within: &mut Within) -> Option<(u64, u64)> {
    let (mut quotes, mut backslashes, mut starts, mut ends) = (0, 0, 0, 0);
    let (chunks, _) = block.as_chunks::<16>();
    for (number, chunk) in chunks.iter().enumerate() {
        let lanes = Lanes::new(*chunk);
        // Of both kinds of brackets these differ in one bit, which no other characters but controls and DEL share.
        let brackets = lanes | Lanes::splat(0x20);
        let bits = |lanes: Lanes| u64::from(lanes.to_bitmask()) << (number * 16);
        quotes |= bits(lanes.simd_eq(Lanes::splat(b'"')));
        backslashes |= bits(lanes.simd_eq(Lanes::splat(b'\\')));
        starts |= bits(brackets.simd_eq(Lanes::splat(b'{')));
        ends |= bits(brackets.simd_eq(Lanes::splat(b'}')));
    }
    if backslashes | within.escape != 0 {
        quotes &= !escaped(backslashes, &mut within.escape);
    }
    let strings = behind(quotes) ^ within.string;
    within.string = (strings >> 63).wrapping_neg();
    // Up to the first of them, all is as it seems.
    if ANY && backslashes & !strings != 0 {
        return None;
    }
    Some((starts & !strings, ends & !strings))
}

/// Of each bit whether an odd number of these stands at it or before.
#[inline(always)]
const fn behind(bits: u64) -> u64 {
    let bits = bits ^ bits << 1;
    let bits = bits ^ bits << 2;
    let bits = bits ^ bits << 4;
    let bits = bits ^ bits << 8;
    let bits = bits ^ bits << 16;
    bits ^ bits << 32
}

/// Where in a block the last of `depth` open brackets is closed.
#[inline(always)]
fn end_in(starts: u64, ends: u64, depth: u32) -> Option<usize> {
    let (mut depth, mut left) = (depth, starts | ends);
    while left != 0 {
        let at = left & left.wrapping_neg();
        if starts & at != 0 {
            depth += 1;
        } else {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(at.trailing_zeros() as usize + 1);
            }
        }
        left ^= at;
    }
    None
}

/// The same in less than a block.
fn tail_end<const ANY: bool>(text: &[u8], mut at: usize, mut depth: u32, within: Within) -> Option<usize> {
    let (mut string, mut escape) = (within.string != 0, within.escape != 0);
    loop {
        let byte = *text.get(at)?;
        at += 1;
        match byte {
            _ if escape => escape = false,
            b'"' => string = !string,
            b'\\' if ANY && !string => return None,
            b'\\' => escape = true,
            _ if string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ends_where_the_checking_reader_ends(
            pieces in prop::collection::vec(
                prop::sample::select(vec![
                    "[", "[", "[", "{\"a\":", "\"", "\\", "\\\\", "\\\"", "}", "]", ",", "12", "{}", "[]", "\"[\\\"\"",
                    "a long text of plain letters ", "é",
                ]),
                0..60,
            ),
        ) {
            let text = ["[", &pieces.concat()].concat();
            let text = text.as_bytes();
            if let Some(end) = super::super::skip::nested_end(text, 0, 0) {
                prop_assert_eq!(sound_end(text, 0), Some(end));
            }
        }

        #[test]
        fn ends_of_values_are_found_wherever_they_stand(
            texts in prop::collection::vec(r#"[\\"\[\]{}a]{0,40}"#, 1..8),
            start in 0_usize..80,
        ) {
            let value = serde_json::to_string(&texts).unwrap();
            let text = [" ".repeat(start), value.clone(), ",[1]]".to_owned(), " ".repeat(70)].concat();
            prop_assert_eq!(sound_end(text.as_bytes(), start), Some(start + value.len()));
        }
    }

    #[test]
    fn of_other_texts_no_end_is_told() {
        for text in ["", "[", "[\"]", "[\"\\\"]", "x"] {
            assert_eq!(sound_end(text.as_bytes(), 0), None, "{text}");
            let long = [text, &" ".repeat(100)].concat();
            assert_eq!(sound_end(long.as_bytes(), 0), None, "{text}");
        }
    }
}

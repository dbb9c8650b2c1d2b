//! Other forms in which keys stand in files: put together of pieces by a program, two bytes for each character, encoded.

use crate::normalise::redact::encoded::{View, escapes, stretches};
use aho_corasick::{AhoCorasick, MatchKind};
use serde::Serialize;
use std::ops::Range;
use std::sync::OnceLock;

/// In which form a key was found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// As it is.
    Plain,
    /// In pieces that a program puts together.
    Split,
    /// As UTF-16.
    Utf16,
    /// In base64, hexadecimal digits, escapes or a list of bytes.
    Encoded,
}

impl Form {
    /// As it is shown.
    pub fn label(self) -> &'static str {
        match self {
            Self::Plain => "as it is",
            Self::Split => "in pieces",
            Self::Utf16 => "as UTF-16",
            Self::Encoded => "encoded",
        }
    }
}

/// Where something that a view says stands in the text.
type Place<'a> = &'a dyn Fn(Range<usize>) -> Range<usize>;
/// Takes the bytes of a view, where they stand, and what was cut out.
type Take<'a> = &'a mut dyn FnMut(&[u8], Place<'_>, &[Range<usize>]);

/// Hands over what is encoded in a text.
pub(super) fn encoded(text: &[u8], found: &mut dyn FnMut(&View<'_>)) {
    // Nearly every program has escapes for the ends of lines; only those that stand for visible characters matter here.
    let has = |mark: &str| memchr::memmem::find(text, mark.as_bytes()).is_some();
    if ["%2", "%3", "%4", "%5", "%6", "%7", "\\u00", "\\u{", "\\x"].iter().any(|mark| has(mark)) {
        escapes(text, found);
    }
    stretches(text, found);
}

// Pieces -----------------------------------------------------------------------------------------------------------

/// How two strings are put together at the end of the first. All but the last two begin with the quote.
const JOINTS: &[&str] = &[
    "\" +", "' +", "` +", "\"+", "'+", "`+", "\" .", "' .", "\".", "'.", "\" &", "\"&", "\" \"", "' '",
    "\" \\", "' \\", "\"\n", "'\n", "\"\r\n", "'\r\n", "\\\n", ".join(", "\".join(", "'.join(",
];
/// Longest stretch between two pieces: indentation, mostly.
const JOINT_MAX: usize = 160;
/// So much around joints is looked at.
const AROUND: usize = 512;
/// Longest list of pieces.
const LIST_MAX: usize = 2048;

/// Hands over the parts of a text where strings are put together, as if they were: the bytes, where they stand, and what
/// was cut out.
pub(super) fn split(text: &[u8], found: Take<'_>) {
    static SEARCH: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    let Some(search) = SEARCH
        .get_or_init(|| AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(JOINTS).ok())
    else {
        return;
    };
    let mut cuts: Vec<Range<usize>> = Vec::new();
    let mut flush = |cuts: &mut Vec<Range<usize>>| {
        if !cuts.is_empty() {
            whole(text, cuts, found);
            cuts.clear();
        }
    };
    for literal in search.find_iter(text) {
        let more = match &text[literal.range()] {
            joint_text if joint_text.ends_with(b"join(") => {
                list(text, literal.end() - ".join(".len()..literal.end())
            }
            b"\\\n" => vec![continued(text, literal.range())],
            _ => joint(text, literal.start()).into_iter().collect(),
        };
        for cut in more {
            if cuts.last().is_some_and(|last| cut.start < last.end) {
                continue;
            }
            if cuts.last().is_some_and(|last| cut.start > last.end + AROUND) {
                flush(&mut cuts);
            }
            cuts.push(cut);
        }
    }
    flush(&mut cuts);
}

/// Hands over what stands around some cuts, without them.
fn whole(text: &[u8], cuts: &[Range<usize>], found: Take<'_>) {
    let (Some(first), Some(last)) = (cuts.first(), cuts.last()) else { return };
    let mut bytes = Vec::new();
    // From which byte of the view on the text goes on where.
    let mut places = Vec::new();
    let mut at = first.start.saturating_sub(AROUND);
    for cut in cuts {
        places.push((bytes.len(), at));
        bytes.extend_from_slice(&text[at..cut.start]);
        at = cut.end;
    }
    places.push((bytes.len(), at));
    bytes.extend_from_slice(&text[at..text.len().min(last.end + AROUND)]);
    let of = |byte: usize| {
        let after = places.partition_point(|(from, _)| *from <= byte);
        after.checked_sub(1).map_or(0, |step| places[step].1 + byte - places[step].0)
    };
    let place =
        |range: Range<usize>| of(range.start)..range.end.checked_sub(1).map_or(0, |last| of(last) + 1);
    found(&bytes, &place, cuts);
}

/// From the quote that ends a string to the one that begins the next, if they are put together.
fn joint(text: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = &text[at + 1..text.len().min(at + JOINT_MAX)];
    let blank = |from: usize| {
        let more = rest.get(from..)?.iter().position(|byte| !byte.is_ascii_whitespace())?;
        Some(from + more)
    };
    let mut to = blank(0)?;
    let is_word = |word: &[u8]| rest[to..].starts_with(word);
    let operator = [&b".concat("[..], b"..", b"+", b".", b"&", b"\\\n", b"\\\r\n"]
        .into_iter()
        .find(|word| is_word(word));
    if let Some(operator) = operator {
        to = blank(to + operator.len())?;
    }
    // Two quotes in a row are an empty string, or one quote that is escaped.
    let is_apart = operator.is_some() || to > 0;
    (is_apart && matches!(rest.get(to), Some(b'"' | b'\'' | b'`'))).then(|| at..at + 1 + to + 1)
}

/// A line that goes on in the next, with the indentation of that.
fn continued(text: &[u8], end: Range<usize>) -> Range<usize> {
    let blank =
        text[end.end..].iter().take(JOINT_MAX).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    end.start..end.end + blank
}

/// The commas in a list of strings that is joined without anything in between: `"".join(["a", "b"])`, `["a", "b"].join("")`.
fn list(text: &[u8], join: Range<usize>) -> Vec<Range<usize>> {
    let before = &text[..join.start];
    let after = &text[join.end..];
    let pieces = if before.ends_with(b"\"\"") || before.ends_with(b"''") {
        let length = after.iter().take(LIST_MAX).position(|byte| matches!(byte, b']' | b')')).unwrap_or(0);
        join.end..join.end + length
    } else if before.ends_with(b"]") && (after.starts_with(b"\"\"") || after.starts_with(b"''")) {
        let first = join.start.saturating_sub(LIST_MAX);
        let start = memchr::memrchr(b'[', &text[first..join.start]).map_or(join.start, |at| first + at + 1);
        start..join.start
    } else {
        return Vec::new();
    };
    let mut cuts = Vec::new();
    let mut at = pieces.start;
    while let Some(comma) = memchr::memchr(b',', &text[at..pieces.end]).map(|comma| at + comma) {
        at = comma + 1;
        let is_blank = |byte: &&u8| byte.is_ascii_whitespace();
        let left = text[pieces.start..comma].iter().rev().take_while(is_blank).count();
        let right = text[at..pieces.end].iter().take_while(is_blank).count();
        let (Some(start), end) = ((comma - left).checked_sub(1), at + right) else { continue };
        let is_quote = |at: usize| matches!(text.get(at), Some(b'"' | b'\'' | b'`'));
        if is_quote(start) && is_quote(end) {
            cuts.push(start..end + 1);
        }
    }
    cuts
}

// Two bytes for each character -------------------------------------------------------------------------------------

/// Characters in a row that are worth a look.
const WIDE_MIN: usize = 16;

/// Hands over what a text says in UTF-16, of either order.
pub(super) fn wide(text: &[u8], found: &mut dyn FnMut(&[u8], Place<'_>)) {
    let is_text = |byte: u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n');
    let mut from = 0;
    while let Some(nought) = memchr::memchr(0, &text[from..]).map(|at| from + at) {
        // With the smaller byte first the character stands before the nought, else behind it.
        let start = match nought.checked_sub(1) {
            Some(before) if before >= from && is_text(text[before]) => before,
            _ => nought + 1,
        };
        let other = nought;
        let pairs = (0..).take_while(|pair| {
            let (character, nought) = (start + 2 * pair, other + 2 * pair);
            text.get(nought) == Some(&0) && text.get(character).is_some_and(|byte| is_text(*byte))
        });
        let count = pairs.count();
        if count >= WIDE_MIN {
            let bytes: Vec<u8> = (0..count).map(|pair| text[start + 2 * pair]).collect();
            found(&bytes, &|range| start + 2 * range.start..start + 2 * range.end);
        }
        from = (other + 2 * count).max(nought + 1).min(text.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        split(text.as_bytes(), &mut |view, place, cuts| {
            for at in 0..view.len() {
                assert_eq!(text.as_bytes()[place(at..at + 1)], view[at..=at], "{text} {at}");
            }
            assert!(!cuts.is_empty());
            all.push(String::from_utf8(view.to_vec()).unwrap());
        });
        all
    }

    #[test]
    fn pieces_are_put_together() {
        for text in [
            r#"k="ab" + "cd""#,
            r#"k="ab"+"cd""#,
            r#"k="ab"."cd""#,
            r#"k="ab" .. "cd""#,
            r#"k="ab" & "cd""#,
            r#"k="ab".concat("cd""#,
            r#"k="ab" "cd""#,
            "k=\"ab\"\n    \"cd\"",
            "k=\"ab\" \\\n    \"cd\"",
            "k=\"ab\" +\r\n\t\"cd\"",
        ] {
            assert_eq!(joined(text), [r#"k="abcd""#], "{text}");
        }
        assert_eq!(joined("k=ab\\\n  cd"), ["k=abcd"]);
        assert_eq!(joined(r#"["ab", "cd"].join("")"#), [r#"["abcd"].join("")"#]);
        assert_eq!(joined(r#""".join(["ab", "cd"])"#), [r#""".join(["abcd"])"#]);
        for text in
            [r#""ab", "cd""#, r#""ab" + cd"#, r#"["ab", "cd"].join(",")"#, r#""""ab""""#, "\"ab\",\n\"cd\""]
        {
            assert!(joined(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn both_orders_of_utf_16_are_read() {
        for (order, at) in [(false, 5), (true, 6)] {
            let mut text = b"\xff\xfe\x01\x02\x80".to_vec();
            for byte in b"key=0123456789abcdef" {
                text.extend_from_slice(&if order { [0, *byte] } else { [*byte, 0] });
            }
            text.extend_from_slice(&[0, 0, 0xff, 0]);
            let mut all = Vec::new();
            wide(&text, &mut |view, place| all.push((view.to_vec(), place(0..1).start)));
            assert_eq!(all, [(b"key=0123456789abcdef".to_vec(), at)]);
        }
    }
}

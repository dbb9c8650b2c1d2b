//! Where in a JSON text a reader stands, line by line: which brackets are open, and what came last.
//!
//! This finds the end of a document and tells whether a line can be its continuation; whether it is JSON, the decoder
//! finds out. So a wrong value costs its document, and only what makes the end uncertain breaks it off.

use crate::json::{DEPTH_MAX, number_length, plain_length};
use serde::{Deserialize, Serialize};

/// A place between two lines, or two bytes, of a JSON text.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tracker {
    /// One bit for each open bracket: set for an object, clear for a list.
    objects: u128,
    depth: u32,
    /// The last byte that is no white space; a quote stands for any string, a zero for a number or a name.
    last: u8,
    /// A comma was read and not yet handed on: before a closing bracket it is left out.
    comma: bool,
    /// White space was read since.
    gap: bool,
    string: Place,
}

/// Where a reader stands with regard to strings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
enum Place {
    #[default]
    Outside,
    Inside,
    /// Behind a backslash in one.
    Escaped,
}

/// What reading a line brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// The document goes on on the next line.
    Inside,
    /// It ends before this byte.
    Ended(usize),
    /// Nobody can tell where it ends: from this byte on, brackets do not match or are too many, or a string has no end.
    Broken(usize),
}

impl Tracker {
    /// How many brackets are open.
    pub(super) fn depth(&self) -> u32 {
        self.depth
    }

    /// Whether a value is what came last.
    pub(super) fn ends_value(&self) -> bool {
        matches!(self.last, b'"' | b'}' | b']' | b'0')
    }

    /// Whether an object is what came last.
    pub(super) fn ends_object(&self) -> bool {
        self.last == b'}'
    }

    /// Whether the name of a member is what came last.
    pub(super) fn ends_name(&self) -> bool {
        self.last == b':'
    }

    /// Whether a string is what it stands in.
    pub(super) fn is_quoted(&self) -> bool {
        self.string != Place::Outside
    }

    /// Reads a line, and hands on what it says: without white space between values, and without commas before closing
    /// brackets.
    pub(super) fn read(&mut self, line: &[u8], keep: &mut impl FnMut(&[u8])) -> Step {
        self.begin_line();
        match self.read_piece(line, keep) {
            Step::Inside if self.is_quoted() => Step::Broken(line.len()),
            step => step,
        }
    }

    /// What comes next stands on another line than what came last.
    pub(super) fn begin_line(&mut self) {
        self.gap = true;
    }

    /// Reads a piece of a line, which may end anywhere.
    pub(super) fn read_piece(&mut self, piece: &[u8], keep: &mut impl FnMut(&[u8])) -> Step {
        let mut at = 0;
        while at < piece.len() {
            let Some(length) = self.next(&piece[at..], keep) else { return Step::Broken(at) };
            at += length;
            if self.depth == 0 {
                return Step::Ended(at);
            }
        }
        Step::Inside
    }

    /// Reads the token that a text begins with, or what of it is there, or a byte of white space; `None` where the
    /// brackets do not match.
    pub(super) fn next(&mut self, text: &[u8], keep: &mut impl FnMut(&[u8])) -> Option<usize> {
        if self.is_quoted() {
            let length = self.quoted_length(text);
            keep(&text[..length]);
            return Some(length);
        }
        let byte = *text.first()?;
        let length = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {
                self.gap = true;
                return Some(1);
            }
            b'"' => 1 + self.quoted_length(&text[1..]),
            b'{' | b'[' | b'}' | b']' | b',' | b':' => 1,
            _ => text.iter().position(|&byte| !is_word(byte)).unwrap_or(text.len()),
        };
        self.token(byte, &text[..length], keep).then_some(length)
    }

    /// How much of a text belongs to the string that it begins in.
    fn quoted_length(&mut self, text: &[u8]) -> usize {
        let before = std::mem::take(&mut self.string);
        if before != Place::Escaped
            && let Some(length) = plain_length(text)
        {
            return length + 1;
        }
        let mut at = usize::from(before == Place::Escaped);
        while let Some(found) = text.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
            at += found + 1;
            if text[at - 1] == b'"' {
                return at;
            }
            at += 1;
        }
        self.string = if at > text.len() { Place::Escaped } else { Place::Inside };
        text.len()
    }

    /// Takes one token; `false` where the brackets do not match.
    fn token(&mut self, first: u8, token: &[u8], keep: &mut impl FnMut(&[u8])) -> bool {
        if first == b',' {
            // Only a comma after a value may be left out, and only one: what else is wrong must stay wrong.
            let is_usual = self.ends_value();
            if self.comma || !is_usual {
                keep(b",");
            }
            self.comma |= is_usual;
            self.last = b',';
            return true;
        }
        let closes = matches!(first, b'}' | b']');
        if std::mem::take(&mut self.comma) && !closes {
            keep(b",");
        }
        let is_plain = !matches!(first, b'"' | b'{' | b'[' | b'}' | b']' | b':');
        if is_plain && self.last == b'0' && self.gap {
            // Two numbers are not one.
            keep(b" ");
        }
        keep(token);
        self.gap = false;
        self.last = if is_plain { b'0' } else { first };
        match first {
            b'{' | b'[' => self.open(first == b'{'),
            _ if closes => self.close(first == b'}'),
            _ => true,
        }
    }

    fn open(&mut self, is_object: bool) -> bool {
        self.objects = self.objects << 1 | u128::from(is_object);
        self.depth += 1;
        self.depth <= DEPTH_MAX
    }

    fn close(&mut self, is_object: bool) -> bool {
        let matches = self.depth > 0 && (self.objects & 1 == 1) == is_object;
        self.objects >>= 1;
        self.depth = self.depth.saturating_sub(1);
        matches
    }

    /// Whether a line, white space before it taken off, can stand here in a document, as far as its beginning tells.
    pub(super) fn continues(&self, line: &[u8]) -> bool {
        let in_object = self.objects & 1 == 1;
        let value_is_due = match self.last {
            b'[' | b':' => true,
            b',' => !in_object,
            _ => false,
        };
        match line.first() {
            None => true,
            Some(b'}') => in_object && self.last != b':',
            Some(b']') => !in_object,
            Some(b',') => self.ends_value(),
            Some(b':') => in_object && self.last == b'"',
            Some(b'"') if value_is_due => is_text_followed(line, b",]}"),
            Some(b'"') => in_object && matches!(self.last, b'{' | b',') && is_text_followed(line, b":"),
            Some(b'{' | b'[') => value_is_due && opens(line),
            Some(_) => value_is_due && is_followed(line, value_length(line), b",]}"),
        }
    }
}

/// Whether a text begins as an object or a list does.
pub(super) fn opens(text: &[u8]) -> bool {
    match text.split_first() {
        Some((b'{', rest)) => matches!(rest.trim_ascii_start().first(), None | Some(b'"' | b'}')),
        Some((b'[', rest)) => matches!(
            rest.trim_ascii_start().first(),
            None | Some(b'"' | b'{' | b'[' | b']' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
        ),
        _ => false,
    }
}

/// Whether nothing follows the first `length` bytes of a line, or one of these.
fn is_followed(line: &[u8], length: Option<usize>, by: &[u8]) -> bool {
    length
        .is_some_and(|length| line[length..].trim_ascii_start().first().is_none_or(|next| by.contains(next)))
}

/// The same for a string. One that does not end on its line was cut off there, and belongs to what was cut off.
fn is_text_followed(line: &[u8], by: &[u8]) -> bool {
    let length = string_length(line);
    length.is_none() || is_followed(line, length, by)
}

/// Length of the string that `text` begins with, quotes included.
fn string_length(text: &[u8]) -> Option<usize> {
    if let Some(length) = plain_length(&text[1..]) {
        return Some(length + 2);
    }
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Length of the number, or of `true`, `false` or `null`, that `text` begins with.
fn value_length(text: &[u8]) -> Option<usize> {
    let words = [&b"true"[..], b"false", b"null"];
    let word = words.iter().find(|word| text.starts_with(word)).map(|word| word.len());
    word.or_else(|| number_length(text))
}

fn is_word(byte: u8) -> bool {
    !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'{' | b'[' | b'}' | b']' | b',' | b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is handed on of a text, and how reading it ended.
    fn read(text: &str) -> (String, Step) {
        let mut kept = Vec::new();
        let step = Tracker::default().read(text.as_bytes(), &mut |piece| kept.extend_from_slice(piece));
        (String::from_utf8(kept).unwrap(), step)
    }

    #[test]
    fn white_space_and_last_commas_are_left_out() {
        for (text, kept) in [
            (r#"{ "a b" : [ 1 , 2.5 ] , "c": {} }"#, r#"{"a b":[1,2.5],"c":{}}"#),
            (r#"{"a": "\" , }", }"#, r#"{"a":"\" , }"}"#),
            ("[[1 , ] , ]", "[[1]]"),
            // What else is wrong stays wrong.
            ("[1 2]", "[1 2]"),
            ("[1,,]", "[1,]"),
            ("[,]", "[,]"),
            (r#"{"a":,}"#, r#"{"a":,}"#),
            ("[tr ue]", "[tr ue]"),
        ] {
            assert_eq!(read(text), (kept.to_owned(), Step::Ended(text.len())), "{text}");
        }
    }

    #[test]
    fn the_end_is_found_or_it_is_said_that_there_is_none() {
        for (text, step) in [
            ("{}{}", Step::Ended(2)),
            (r#"["}", "\\"] x"#, Step::Ended(11)),
            ("{", Step::Inside),
            (r#"{"a": [{}"#, Step::Inside),
            (r#"{"a": "b"#, Step::Broken(8)),
            (r#"{"a": "\"#, Step::Broken(8)),
            ("[1}", Step::Broken(2)),
            (r#"{"a":1]"#, Step::Broken(6)),
        ] {
            assert_eq!(read(text).1, step, "{text}");
        }
        assert_eq!(read(&"[".repeat(128)).1, Step::Inside);
        assert_eq!(read(&"[".repeat(129)).1, Step::Broken(128));
    }

    #[test]
    fn a_line_may_come_in_pieces() {
        for text in [
            r#"{ "a\\": [ 1 , 2.5 , ] , "c\"d" : "\\\"", "e":true , } rest"#,
            r#"["\\\\" , "\"" 12 34]"#,
            r#"{"a":"b"]"#,
        ] {
            let whole = read(text);
            for size in 1..text.len() {
                let (mut tracker, mut kept, mut before) = (Tracker::default(), Vec::new(), 0);
                let step = text.as_bytes().chunks(size).find_map(|piece| {
                    let step = tracker.read_piece(piece, &mut |piece| kept.extend_from_slice(piece));
                    before += piece.len();
                    let start = before - piece.len();
                    match step {
                        Step::Inside => None,
                        Step::Ended(at) => Some(Step::Ended(start + at)),
                        Step::Broken(at) => Some(Step::Broken(start + at)),
                    }
                });
                assert_eq!(
                    (String::from_utf8(kept).unwrap(), step),
                    (whole.0.clone(), Some(whole.1)),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn a_line_continues_a_document_if_it_can_stand_there() {
        for (before, fitting, others) in [
            (
                "{",
                &["\"a\": 1", "\"a\"", "\"a", "}"][..],
                &["{", "]", ",", "1", "\"a\" b", "plain", "<13>"][..],
            ),
            (
                "[",
                &["{", "[1", "1,", "null", "]", "\"a\","],
                &["}", ",", "2026-06-02 x", "2026-06-02T09:15:00Z x", "true story", "Jun 2"],
            ),
            ("{\"a\":", &["1", "{", "\"b\"", "\"b\"}"], &["}", "\"b\": 1", ","]),
            ("{\"a\":1", &[",", "}", ", \"b\": 2"], &["{", "\"b\": 1", "]", ":", "2"]),
            ("{\"a\":1,", &["\"b\":", "}"], &["{", "2", ","]),
            ("[1,", &["2", "]", "{"], &["}", ","]),
            ("{\"a\"", &[":"], &["[", "{", "2"]),
        ] {
            let mut tracker = Tracker::default();
            assert_eq!(tracker.read(before.as_bytes(), &mut |_| {}), Step::Inside);
            for line in fitting {
                assert!(tracker.continues(line.as_bytes()), "{line} after {before}");
            }
            for line in others {
                assert!(!tracker.continues(line.as_bytes()), "{line} after {before}");
            }
        }
    }
}

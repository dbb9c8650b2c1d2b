//! What a text says once the escapes, the base64, the hexadecimal or the lists of bytes in it are decoded, and where
//! in the text it says so.
//!
//! Little is decoded of ordinary text: base64 and hexadecimal only where the bytes would be ASCII for a while, which
//! identifiers and hashes are not (each three bytes of base64 are ASCII one time in eight), and that is asked of
//! every fourth place first.

use std::ops::Range;

/// Shorter texts hold no encoded secret: sixteen bytes make 22 characters of base64.
const TEXT_MIN: usize = 22;
/// Base64 characters in a row that are worth a look.
const BASE64_MIN: usize = 22;
/// So many quads of them in a row must say text: twelve bytes.
const QUADS_MIN: usize = 4;
/// So many bytes in a row must say text where every byte is written for itself.
const BYTES_MIN: usize = 12;
/// Base64 that is broken into lines has lines of at least this many characters.
const BASE64_LINE_MIN: usize = 60;
/// What a byte is that is not of the alphabet.
const NONE: u8 = 0xff;

/// A part of a text, decoded.
#[derive(Debug)]
pub(crate) struct View<'a> {
    /// What it says.
    pub(crate) bytes: Vec<u8>,
    /// Whether it may begin with a few bytes that nobody encoded: what stood in front of it was decoded with it.
    pub(crate) begins_loosely: bool,
    /// Where in the text the characters stand that were decoded: from this number of a character on, at this place
    /// and one after the other.
    places: &'a [(usize, usize)],
    /// The character with which decoding began.
    first_character: usize,
    /// How many bytes had been decoded before the first of these.
    first_byte: usize,
    /// How many characters make how many bytes.
    ratio: (usize, usize),
}

impl View<'_> {
    /// The part of the text that says `said`.
    pub(crate) fn place(&self, said: &Range<usize>) -> Range<usize> {
        let (characters, bytes) = self.ratio;
        let start = (self.first_byte + said.start) * characters / bytes;
        let end = ((self.first_byte + said.end) * characters).div_ceil(bytes);
        self.of_character(start)..self.of_character(end)
    }

    fn of_character(&self, number: usize) -> usize {
        let number = self.first_character + number;
        let after = self.places.partition_point(|(from, _)| *from <= number);
        let step = after.checked_sub(1).and_then(|at| self.places.get(at));
        step.map_or(0, |(from, place)| place + number - from)
    }
}

/// Hands over all views of `text`.
pub(super) fn views(text: &[u8], found: &mut dyn FnMut(&View<'_>)) {
    if text.len() < TEXT_MIN {
        return;
    }
    escapes(text, found);
    stretches(text, found);
}

/// Hands over what stretches of `text` say that are base64, hexadecimal or lists of bytes.
pub(crate) fn stretches(text: &[u8], found: &mut dyn FnMut(&View<'_>)) {
    let mut from = 0;
    while let Some(run) = next_run(text, from, BASE64_MIN, |byte| sextet(byte) != NONE) {
        from = base64(text, run.clone(), found).max(run.end);
        hexadecimal(text, run, found);
    }
    from = 0;
    while let Some(run) = next_run(text, from, 3 * BYTES_MIN - 1, is_of_list) {
        from = run.end;
        lists(text, run, found);
    }
}

/// The next at least `min` bytes in a row that are `wanted`. Every `min`th byte is looked at first.
fn next_run(text: &[u8], from: usize, min: usize, wanted: impl Fn(u8) -> bool) -> Option<Range<usize>> {
    let mut known = from;
    let mut probe = from + min - 1;
    while probe < text.len() {
        if wanted(text[probe]) {
            let unwanted = text[known..probe].iter().rposition(|byte| !wanted(*byte));
            let start = unwanted.map_or(known, |at| known + at + 1);
            let end =
                text[probe..].iter().position(|byte| !wanted(*byte)).map_or(text.len(), |at| probe + at);
            if end - start >= min {
                return Some(start..end);
            }
            known = end;
        } else {
            known = probe;
        }
        probe = known + min;
    }
    None
}

/// The next at least `min` of `count` units that say text, from unit `from` on. Every `min`th unit is asked first.
fn next_text(from: usize, count: usize, min: usize, is_text: impl Fn(usize) -> bool) -> Option<Range<usize>> {
    let mut start = from;
    while start + min <= count {
        match (start..start + min).rev().find(|unit| !is_text(*unit)) {
            Some(other) => start = other + 1,
            None => return Some(start..(start + min..count).find(|unit| !is_text(*unit)).unwrap_or(count)),
        }
    }
    None
}

/// Bytes that texts with secrets in them are made of.
fn is_text(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n')
}

// Escapes ----------------------------------------------------------------------------------------------------------

/// Hands over the whole text without its escapes, if it has any.
pub(crate) fn escapes(text: &[u8], found: &mut dyn FnMut(&View<'_>)) {
    let mut bytes = Vec::new();
    let mut places = Vec::new();
    let (mut at, mut done) = (0, 0);
    while let Some(next) = memchr::memchr2(b'%', b'\\', &text[at..]) {
        at += next;
        let Some((byte, length)) = escape(&text[at..]) else {
            at += 1;
            continue;
        };
        places.push((bytes.len(), done));
        bytes.extend_from_slice(&text[done..at]);
        places.push((bytes.len(), at));
        bytes.push(byte);
        at += length;
        done = at;
    }
    if done > 0 {
        places.push((bytes.len(), done));
        bytes.extend_from_slice(&text[done..]);
        found(&View {
            bytes,
            begins_loosely: false,
            places: &places,
            first_character: 0,
            first_byte: 0,
            ratio: (1, 1),
        });
    }
}

/// The ASCII character that the escape at the start of `text` stands for, and the length of the escape: `%2D`,
/// `\u002d`, `\u{2d}`, `\x2d`, `\"`, `\n` and the like. An escape that has been escaped itself, as often as it may be
/// (`%25252D`, `\\\"`), counts as one.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    let (byte, length) = match text {
        [b'%', digits @ ..] => percent(digits)?,
        [b'\\', ..] => {
            let backslashes = text.iter().take_while(|byte| **byte == b'\\').count();
            let (byte, length) = match &text[backslashes..] {
                [b'u', b'0', b'0', a, b, ..] | [b'u', b'{', a, b, b'}', ..] => (pair(*a, *b)?, 5),
                [b'x', a, b, ..] => (pair(*a, *b)?, 3),
                [b'n', ..] => (b'\n', 1),
                [b'r', ..] => (b'\r', 1),
                [b't', ..] => (b'\t', 1),
                [other @ (b'"' | b'\'' | b'/'), ..] => (*other, 1),
                _ => (b'\\', 0),
            };
            (byte, backslashes + length)
        }
        _ => return None,
    };
    byte.is_ascii().then_some((byte, length))
}

/// What stands behind a percent sign, without the percent signs that were encoded in it.
fn percent(digits: &[u8]) -> Option<(u8, usize)> {
    let mut start = 0;
    while let [b'2', b'5', a, b, ..] = &digits[start..]
        && pair(*a, *b).is_some()
    {
        start += 2;
    }
    match &digits[start..] {
        [a, b, ..] => Some((pair(*a, *b)?, start + 3)),
        _ => None,
    }
}

// Base64 -----------------------------------------------------------------------------------------------------------

/// Hands over what a run says, read from each of its first four characters on. Where the run ends, together with the
/// lines that go on with it.
fn base64(text: &[u8], run: Range<usize>, found: &mut dyn FnMut(&View<'_>)) -> usize {
    let first_line = &text[run.clone()];
    if (0..4).all(|from| next_quads(first_line, from, 0).is_none()) {
        return run.end;
    }
    let (characters, places, end) = lines(text, run);
    for from in 0..4 {
        let mut done = 0;
        while let Some(quads) = next_quads(&characters, from, done) {
            done = quads.end;
            let (first_byte, bytes) = said_by(&characters[from..], quads);
            let begins_loosely = from + first_byte > 0;
            let ratio = (4, 3);
            found(&View { bytes, begins_loosely, places: &places, first_character: from, first_byte, ratio });
        }
    }
    end
}

/// The next quads that say text, counted from character `from` and looked for from quad `done` on.
fn next_quads(characters: &[u8], from: usize, done: usize) -> Option<Range<usize>> {
    let (quads, _) = characters[from..].as_chunks();
    next_text(done, quads.len(), QUADS_MIN, |quad| quad_says_text(quads[quad]))
}

/// The characters of a run and of the lines that go on with it, where they stand, and where they end.
fn lines(text: &[u8], first: Range<usize>) -> (Vec<u8>, Vec<(usize, usize)>, usize) {
    let mut characters = Vec::new();
    let mut places = Vec::new();
    let mut line = first;
    loop {
        places.push((characters.len(), line.start));
        characters.extend_from_slice(&text[line.clone()]);
        let rest = &text[line.end..];
        let newline = match rest {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ => return (characters, places, line.end),
        };
        let start = line.end + newline;
        let end = start + text[start..].iter().take_while(|byte| sextet(**byte) != NONE).count();
        if line.len() < BASE64_LINE_MIN || start == end {
            return (characters, places, line.end);
        }
        line = start..end;
    }
}

/// What these quads say, together with what the quads beside them say of it: those are text in part, or cut off. The
/// number of bytes before it, too.
fn said_by(characters: &[u8], quads: Range<usize>) -> (usize, Vec<u8>) {
    let wide = quads.start.saturating_sub(1)..quads.end + 1;
    let end = characters.len().min(4 * wide.end);
    let mut bytes = decoded(&characters[4 * wide.start..end]);
    let before = 3 * (quads.start - wide.start);
    let after = before + 3 * quads.len();
    let trail = bytes[after..].iter().take_while(|byte| is_text(**byte)).count();
    bytes.truncate(after + trail);
    let lead = bytes[..before].iter().rev().take_while(|byte| is_text(**byte)).count();
    bytes.drain(..before - lead);
    (3 * quads.start - lead, bytes)
}

/// The bytes of base64 characters, those of an incomplete last quad included.
fn decoded(characters: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(characters.len() / 4 * 3 + 3);
    let (mut bits, mut held) = (0_u32, 0);
    for character in characters {
        bits = bits << 6 | u32::from(sextet(*character));
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held).to_le_bytes()[0]);
        }
    }
    bytes
}

fn quad_says_text(quad: [u8; 4]) -> bool {
    let bits = quad.iter().fold(0, |bits, character| bits << 6 | u32::from(sextet(*character)));
    // Most fail here already.
    bits & 0x80_80_80 == 0 && bits.to_be_bytes().into_iter().skip(1).all(is_text)
}

/// The six bits of a character, in the standard alphabet and in that of URLs; [`NONE`] for other characters.
fn sextet(character: u8) -> u8 {
    const SEXTETS: [u8; 256] = {
        let mut sextets = [NONE; 256];
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut bits = 0;
        while bits < 64 {
            sextets[alphabet[bits as usize] as usize] = bits;
            bits += 1;
        }
        sextets[b'-' as usize] = sextets[b'+' as usize];
        sextets[b'_' as usize] = sextets[b'/' as usize];
        sextets
    };
    SEXTETS[usize::from(character)]
}

// Byte by byte -----------------------------------------------------------------------------------------------------

/// Hands over what the hexadecimal digits in a run say, read from each of the first two on.
fn hexadecimal(text: &[u8], run: Range<usize>, found: &mut dyn FnMut(&View<'_>)) {
    let mut from = run.start;
    while let Some(digits) = next_run(&text[..run.end], from, 2 * BYTES_MIN, |byte| byte.is_ascii_hexdigit())
    {
        from = digits.end;
        for start in [digits.start, digits.start + 1] {
            let (pairs, _) = text[start..digits.end].as_chunks();
            let byte = |[a, b]: [u8; 2]| pair(a, b).unwrap_or(NONE);
            // Most of a hash fails at the first digit already.
            let says_text = |[a, b]: [u8; 2]| matches!(a, b'0' | b'2'..=b'7') && is_text(byte([a, b]));
            let mut done = 0;
            while let Some(said) = next_text(done, pairs.len(), BYTES_MIN, |at| says_text(pairs[at])) {
                done = said.end;
                let bytes = pairs[said.clone()].iter().map(|pair| byte(*pair)).collect();
                found(&View {
                    bytes,
                    begins_loosely: start + said.start > digits.start,
                    places: &[(0, start)],
                    first_character: 0,
                    first_byte: said.start,
                    ratio: (2, 1),
                });
            }
        }
    }
}

fn pair(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

/// What lists of numbers are made of.
fn is_of_list(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b',' | b' ')
}

/// Hands over what lists of bytes say, as programs write data they do not take for text: `115, 107, 45`, `115 107`.
fn lists(text: &[u8], run: Range<usize>, found: &mut dyn FnMut(&View<'_>)) {
    for separator in *b", " {
        let mut list = List::default();
        let mut at = run.start;
        for part in text[run.clone()].split(|byte| *byte == separator) {
            // Between commas, words that are no part of the list may stand in front of it or behind it.
            let (mut start, mut number) = (at, 0);
            for word in part.split(|byte| *byte == b' ') {
                if !word.is_empty() {
                    if number > 0 {
                        list.finish(found);
                    }
                    list.add(word, start, found);
                    number += 1;
                }
                start += word.len() + 1;
            }
            at += part.len() + 1;
        }
        list.finish(found);
    }
}

/// A list of bytes, as far as it has been read.
#[derive(Default)]
struct List {
    bytes: Vec<u8>,
    places: Vec<(usize, usize)>,
    end: usize,
}

impl List {
    fn add(&mut self, word: &[u8], place: usize, found: &mut dyn FnMut(&View<'_>)) {
        let byte = std::str::from_utf8(word).ok().and_then(|digits| digits.parse().ok());
        match byte.filter(|byte| is_text(*byte)) {
            Some(byte) => {
                self.places.push((self.bytes.len(), place));
                self.bytes.push(byte);
                self.end = place + word.len();
            }
            None => self.finish(found),
        }
    }

    fn finish(&mut self, found: &mut dyn FnMut(&View<'_>)) {
        if self.bytes.len() >= BYTES_MIN {
            self.places.push((self.bytes.len(), self.end));
            let bytes = std::mem::take(&mut self.bytes);
            let (first_character, first_byte, ratio) = (0, 0, (1, 1));
            let places = &self.places;
            found(&View { bytes, begins_loosely: false, places, first_character, first_byte, ratio });
        }
        self.bytes.clear();
        self.places.clear();
    }
}

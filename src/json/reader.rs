//! The reader: what it hands out, what it passes over, where it stops.

use super::balance::sound_end;
use super::scan::{self, find_special};
use super::skip::nested_end;
use super::{DEPTH_MAX, Error, Kind, Plain, Str, TOO_DEEP, Value, number_length, same};

/// Reads one JSON text from left to right.
///
/// The first error stops it: from then on every call answers `None` or `false`, and [`Reader::finish`] tells it.
/// A loop over members therefore needs no error handling of its own.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    /// An opening bracket was just consumed: no comma is due.
    fresh: bool,
    error: Option<&'static str>,
    /// The text is known to be JSON.
    sound: bool,
    /// So many objects and lists are around what is read.
    around: u32,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `text`, which must be valid UTF-8 where its strings are used as text.
    #[inline]
    pub const fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, fresh: true, error: None, sound: false, around: 0 }
    }

    /// A reader of a text that another reader has passed over without an error: what is skipped is not checked again.
    /// Of any other text it tells nonsense, but nothing worse.
    #[inline]
    pub const fn sound(text: &'a [u8]) -> Self {
        Self { text, at: 0, fresh: true, error: None, sound: true, around: 0 }
    }

    /// Bytes consumed so far.
    #[inline]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// The first error so far.
    #[inline]
    pub fn error(&self) -> Result<(), Error> {
        self.error.map_or(Ok(()), |what| Err(Error { what, at: self.at }))
    }

    /// Checks that the text was JSON and that nothing but white space is left of it.
    #[inline]
    pub fn finish(mut self) -> Result<(), Error> {
        self.error()?;
        self.space();
        if self.at < self.text.len() {
            self.fail::<()>("more text after the JSON value");
        }
        self.error()
    }

    #[cold]
    fn fail<T>(&mut self, what: &'static str) -> Option<T> {
        self.error.get_or_insert(what);
        None
    }

    #[inline(always)]
    fn peek(&self) -> u8 {
        // A NUL cannot start or separate anything, so it serves as the end of the text.
        self.text.get(self.at).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn space(&mut self) -> u8 {
        loop {
            let byte = self.peek();
            if byte > b' ' || !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return byte;
            }
            self.at += 1;
        }
    }

    /// Consumes the `{` of an object; its members follow by [`Reader::key`].
    #[inline]
    pub fn enter_object(&mut self) -> bool {
        if self.space() != b'{' {
            return self.fail::<()>("expected `{`").is_some();
        }
        self.at += 1;
        self.fresh = true;
        true
    }

    /// What is wrong with a text that is no object.
    #[cold]
    pub fn not_an_object(mut self) -> Error {
        self.enter_object();
        self.error().err().unwrap_or(Error { what: "expected `{`", at: 0 })
    }

    /// Consumes the `[` of an array; its elements follow by [`Reader::element`].
    pub fn enter_array(&mut self) -> bool {
        if self.space() != b'[' {
            return self.fail::<()>("expected `[`").is_some();
        }
        self.at += 1;
        self.fresh = true;
        true
    }

    /// The key of the next member of the entered object, whose value must be read or skipped before the next
    /// call; `None` after the closing brace, which it consumes, and after an error.
    #[inline(always)]
    pub fn key(&mut self) -> Option<Str<'a>> {
        let mut byte = self.space();
        if byte == b',' && !self.fresh {
            self.at += 1;
            byte = self.space();
        } else if byte == b'}' && self.error.is_none() {
            self.at += 1;
            self.fresh = false;
            return None;
        } else if !self.fresh {
            return self.fail("expected `,` or `}`");
        }
        if byte != b'"' || self.error.is_some() {
            return self.fail("expected a quoted key");
        }
        let key = self.quoted()?;
        if self.space() != b':' {
            return self.fail("expected `:`");
        }
        self.at += 1;
        self.fresh = false;
        Some(key)
    }

    /// Whether the entered array has another element, which must then be read or skipped; `false` after the
    /// closing bracket, which it consumes, and after an error.
    pub fn element(&mut self) -> bool {
        let byte = self.space();
        if self.error.is_some() {
            return false;
        }
        if byte == b']' {
            self.at += 1;
            self.fresh = false;
            return false;
        }
        if !self.fresh {
            if byte != b',' {
                return self.fail::<()>("expected `,` or `]`").is_some();
            }
            self.at += 1;
            if self.space() == b']' {
                return self.fail::<()>("expected a value").is_some();
            }
        }
        self.fresh = false;
        true
    }

    /// Passes over a value that must begin right here and stand on one line.
    #[inline(always)]
    pub fn skip_on_line(&mut self) -> Option<()> {
        let (start, first) = (self.at, self.peek());
        if first <= b' ' {
            return None;
        }
        self.skip();
        let is_on_line = !matches!(first, b'{' | b'[') || memchr::memchr(b'\n', self.since(start)).is_none();
        (self.error.is_none() && is_on_line).then_some(())
    }

    /// Takes what is written next, if it is this: for those who know what stands between values.
    #[inline(always)]
    pub fn take_written(&mut self, written: &[u8]) -> Option<()> {
        let end = self.at + written.len();
        same(self.text.get(self.at..end)?, written).then(|| self.at = end)
    }

    /// Goes back to where it was, no error having stopped it since.
    #[inline]
    pub fn return_to(&mut self, position: usize) {
        self.at = position;
        self.error = None;
    }

    /// Where the next value begins.
    pub fn next_value(&mut self) -> usize {
        self.space();
        self.at
    }

    /// Says how many objects and lists are to be counted besides those in the next value: nothing may be nested deeper
    /// than is read.
    #[inline]
    pub const fn set_around(&mut self, around: u32) {
        self.around = around;
    }

    /// The next value; `None` after an error.
    #[inline]
    pub fn value(&mut self) -> Option<Value<'a>> {
        self.value_in_place()
    }

    /// The same without a call: a value that goes through memory takes longer than it takes to read it.
    #[inline(always)]
    fn value_in_place(&mut self) -> Option<Value<'a>> {
        let byte = self.space();
        if self.error.is_some() {
            return None;
        }
        match byte {
            b'"' => self.quoted().map(Value::Str),
            b'{' => Some(Value::Object),
            b'[' => Some(Value::Array),
            b'-' | b'0'..=b'9' => self.number().map(Value::Number),
            b'n' => self.literal(b"null", Value::Null),
            b't' => self.literal(b"true", Value::True),
            b'f' => self.literal(b"false", Value::False),
            _ => self.fail("expected a value"),
        }
    }

    /// Passes over the next value, however deep, checking all of it.
    pub fn skip(&mut self) {
        if let Some(Value::Object | Value::Array) = self.value() {
            self.skip_nested();
        }
    }

    /// The next value if it is no object and no list; these are passed over.
    #[inline]
    pub fn scalar(&mut self) -> Option<Value<'a>> {
        let value = self.value()?;
        if matches!(value, Value::Object | Value::Array) {
            self.skip_nested();
            return None;
        }
        Some(value)
    }

    /// Passes over the next value and returns it as written, empty after an error.
    pub fn raw(&mut self) -> &'a [u8] {
        self.space();
        let start = self.at;
        self.skip();
        if self.error.is_some() { b"" } else { &self.text[start..self.at] }
    }

    /// What has been consumed since the reader was at this position.
    pub fn since(&self, position: usize) -> &'a [u8] {
        self.text.get(position..self.at).unwrap_or_default()
    }

    /// The next value, passed over, and as it is written; `None` after an error.
    #[inline(always)]
    pub fn member(&mut self) -> Option<(Value<'a>, &'a [u8])> {
        self.space();
        let start = self.at;
        let value = self.value_in_place()?;
        if matches!(value, Value::Object | Value::Array) {
            self.skip_nested();
            if self.error.is_some() {
                return None;
            }
        }
        Some((value, &self.text[start..self.at]))
    }

    /// The same for those who keep values.
    #[inline(always)]
    pub fn plain_member(&mut self) -> Option<(Plain<'a>, &'a [u8])> {
        let byte = self.space();
        if self.error.is_some() {
            return None;
        }
        let start = self.at;
        let (kind, text) = match byte {
            b'"' => {
                let rest = &self.text[start + 1..];
                let length = find_special(rest);
                if rest.get(length) == Some(&b'"') {
                    self.at += length + 2;
                    self.fresh = false;
                    (Kind::Str, &rest[..length])
                } else {
                    (Kind::Str, self.quoted_with_escapes(length)?.0)
                }
            }
            b'{' | b'[' => {
                self.skip_nested();
                if self.error.is_some() {
                    return None;
                }
                (if byte == b'{' { Kind::Object } else { Kind::Array }, &b""[..])
            }
            b'-' | b'0'..=b'9' => (Kind::Number, self.number()?),
            _ => {
                let kind = match self.value()? {
                    Value::True => Kind::True,
                    Value::False => Kind::False,
                    _ => Kind::Null,
                };
                (kind, &b""[..])
            }
        };
        Some((Plain { kind, text }, &self.text[start..self.at]))
    }

    /// Passes over a nested value.
    fn skip_nested(&mut self) {
        let end = if self.sound {
            sound_end(self.text, self.at)
        } else {
            nested_end(self.text, self.at, self.around)
        };
        match end {
            Some(end) => (self.at, self.fresh) = (end, false),
            None => self.tell_what_is_wrong(),
        }
    }

    /// Goes over a nested value step by step, up to where it stops being one.
    #[cold]
    fn tell_what_is_wrong(&mut self) {
        let mut objects: u128 = 0;
        let mut depth: u32 = 0;
        loop {
            let opening = self.peek();
            if matches!(opening, b'{' | b'[') {
                if depth + self.around >= DEPTH_MAX {
                    self.fail::<()>(TOO_DEEP);
                    return;
                }
                self.at += 1;
                self.fresh = true;
                depth += 1;
                objects = objects << 1 | u128::from(opening == b'{');
            } else {
                self.value();
            }
            loop {
                let more = if objects & 1 == 1 { self.key().is_some() } else { self.element() };
                if self.error.is_some() {
                    return;
                }
                if more {
                    break;
                }
                depth -= 1;
                objects >>= 1;
                if depth == 0 {
                    return;
                }
            }
            self.space();
        }
    }

    #[inline]
    fn literal(&mut self, word: &'static [u8], value: Value<'a>) -> Option<Value<'a>> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            self.fresh = false;
            return Some(value);
        }
        self.fail("expected a value")
    }

    /// A string whose opening quote is the next byte.
    #[inline(always)]
    fn quoted(&mut self) -> Option<Str<'a>> {
        let rest = &self.text[self.at + 1..];
        let length = find_special(rest);
        if rest.get(length) == Some(&b'"') {
            self.at += length + 2;
            self.fresh = false;
            return Some(Str(&rest[..length]));
        }
        self.quoted_with_escapes(length)
    }

    /// The same where so many bytes are before the first escape, or before what should not be there.
    #[inline(never)]
    fn quoted_with_escapes(&mut self, length: usize) -> Option<Str<'a>> {
        let quote = self.at;
        let Some(end) = scan::closing_quote(self.text, quote + 1 + length) else {
            return self.tell_what_is_wrong_with_text(length);
        };
        self.at = end + 1;
        self.fresh = false;
        Some(Str(&self.text[quote..end]))
    }

    #[cold]
    fn tell_what_is_wrong_with_text(&mut self, length: usize) -> Option<Str<'a>> {
        let quote = self.at;
        self.at += 1 + length;
        loop {
            match self.text.get(self.at) {
                Some(b'"') => {
                    let raw = &self.text[quote..self.at];
                    self.at += 1;
                    self.fresh = false;
                    return Some(Str(raw));
                }
                Some(b'\\') => match scan::escape_length(&self.text[self.at..]) {
                    Some(length) => self.at += length,
                    None => return self.fail("no such escape in a string"),
                },
                Some(_) => return self.fail("control character in a string"),
                None => return self.fail("string without an end"),
            }
            self.at += find_special(&self.text[self.at..]);
        }
    }

    #[inline]
    fn number(&mut self) -> Option<&'a [u8]> {
        let rest = &self.text[self.at..];
        match number_length(rest) {
            Some(length) => {
                self.at += length;
                self.fresh = false;
                Some(&rest[..length])
            }
            None => self.fail("not a JSON number"),
        }
    }
}

#[cfg(test)]
mod tests;

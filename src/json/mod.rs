//! A pull reader for JSON: no tree, no allocation, no recursion, nothing taken on trust.
//!
//! The decoder asks for the members it wants and skips the rest. Everything, skipped parts included, is checked
//! against RFC 8259; only UTF-8 is checked elsewhere, once for a whole block. `serde_json` is its oracle in tests.

mod balance;
mod number;
mod reader;
mod scan;
mod skip;
mod walk;

pub(crate) use balance::is_balanced;
pub(crate) use number::digits;
pub use number::{Decimal, NumberError, number_length, small_count, small_nano};
pub use reader::Reader;
pub use walk::{each_in, elements, members};

use scan::find_special;
pub use scan::places_of;
use thiserror::Error;

/// Deepest nesting that is read; deeper input is refused, not followed.
pub const DEPTH_MAX: u32 = 128;
/// What is wrong with deeper input.
pub const TOO_DEEP: &str = "nested deeper than 128 levels";

/// Length of the string that `text` starts with, its opening quote already taken off, if it ends and has no
/// escapes.
#[inline(always)]
pub fn plain_length(text: &[u8]) -> Option<usize> {
    let length = find_special(text);
    (text.get(length) == Some(&b'"')).then_some(length)
}

/// Whether two short texts are the same. Names are nearly always of different lengths or told by their first and last
/// bytes: a call of the library's comparison takes longer than that.
#[inline(always)]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    let length = one.len();
    if length != other.len() {
        return false;
    }
    match length {
        0..4 => one.iter().zip(other).all(|(one, other)| one == other),
        4..8 => same_ends::<4>(one, other),
        8..16 => same_ends::<8>(one, other),
        16..32 => same_ends::<16>(one, other),
        32..=64 => same_ends::<32>(one, other),
        _ => one == other,
    }
}

/// Whether the first and the last `N` bytes are the same, of texts that have them.
#[inline(always)]
fn same_ends<const N: usize>(one: &[u8], other: &[u8]) -> bool {
    one.first_chunk::<N>() == other.first_chunk::<N>() && one.last_chunk::<N>() == other.last_chunk::<N>()
}

/// Where and why a text is not JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("{what} at byte {at}")]
pub struct Error {
    /// What was wrong or expected.
    pub what: &'static str,
    /// Offset into the text, in bytes.
    pub at: usize,
}

/// A string as it stands in the text, escapes not yet resolved.
///
/// A text with escapes is kept with its opening quote, which no text without escapes can begin with: one slice
/// tells both.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Str<'a>(&'a [u8]);

impl<'a> Str<'a> {
    /// A text that stood between quotes and has no escapes, and so begins with no quote.
    #[inline(always)]
    pub(crate) const fn unescaped(text: &'a [u8]) -> Self {
        Self(text)
    }

    /// A text without escapes, from a format that has none.
    #[inline]
    pub fn plain(raw: &'a [u8]) -> Self {
        // A plain text that begins with quotes (from CSV) would be taken for one with escapes.
        let quotes = raw.iter().take_while(|&&byte| byte == b'"').count();
        Self(&raw[quotes..])
    }

    /// True for `""`.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The text itself, where it holds no escape; `None` means that [`Str::resolve`] has work to do.
    #[inline]
    pub fn as_plain(self) -> Option<&'a [u8]> {
        if self.0.first() == Some(&b'"') { None } else { Some(self.0) }
    }

    /// The text as it is written, its escapes not resolved.
    pub fn written(self) -> &'a [u8] {
        self.0.strip_prefix(b"\"").unwrap_or(self.0)
    }

    /// The text with its escapes resolved; `scratch` is overwritten where there are any.
    /// A lone surrogate becomes U+FFFD, so that a mangled client name does not cost the record.
    #[inline]
    pub fn resolve<'b>(self, scratch: &'b mut Vec<u8>) -> &'b [u8]
    where
        'a: 'b,
    {
        if let Some(text) = self.as_plain() {
            text
        } else {
            scratch.clear();
            scan::unescape(&self.0[1..], scratch);
            scratch
        }
    }
}

/// A value; of an object or array only its opening bracket has been seen, and it must be entered or skipped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true`. It and its opposite need no byte of their own: beside that, texts would be copied from an odd address.
    True,
    /// `false`
    False,
    /// A number as written.
    Number(&'a [u8]),
    /// A string.
    Str(Str<'a>),
    /// `{`, not yet consumed.
    Object,
    /// `[`, not yet consumed.
    Array,
}

impl Value<'_> {
    /// One of the two.
    pub const fn flag(flag: bool) -> Self {
        if flag { Self::True } else { Self::False }
    }
}

/// What a value is, and its text where it has one: all that [`Value`] says, but in parts that stay in registers. What
/// keeps its text at the place of others goes through memory, and is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plain<'a> {
    kind: Kind,
    text: &'a [u8],
}

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Null,
    True,
    False,
    Number,
    Str,
    Object,
    Array,
}

impl<'a> Plain<'a> {
    /// `null`
    pub const NULL: Self = Self { kind: Kind::Null, text: b"" };

    /// The value.
    #[inline(always)]
    pub const fn value(self) -> Value<'a> {
        match self.kind {
            Kind::Null => Value::Null,
            Kind::True => Value::True,
            Kind::False => Value::False,
            Kind::Number => Value::Number(self.text),
            Kind::Str => Value::Str(Str(self.text)),
            Kind::Object => Value::Object,
            Kind::Array => Value::Array,
        }
    }

    /// Whether it is an object or a list.
    #[inline(always)]
    pub const fn is_nested(self) -> bool {
        matches!(self.kind, Kind::Object | Kind::Array)
    }

    /// The text that it is.
    #[inline(always)]
    pub fn as_text(self) -> Option<Str<'a>> {
        (self.kind == Kind::Str).then_some(Str(self.text))
    }
}

impl<'a> From<Value<'a>> for Plain<'a> {
    #[inline(always)]
    fn from(value: Value<'a>) -> Self {
        let (kind, text) = match value {
            Value::Null => (Kind::Null, &b""[..]),
            Value::True => (Kind::True, &b""[..]),
            Value::False => (Kind::False, &b""[..]),
            Value::Number(text) => (Kind::Number, text),
            Value::Str(text) => (Kind::Str, text.0),
            Value::Object => (Kind::Object, &b""[..]),
            Value::Array => (Kind::Array, &b""[..]),
        };
        Self { kind, text }
    }
}

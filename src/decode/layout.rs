//! A short cut for records that are laid out like one before: same fields, same order, same spacing.
//!
//! A writer of logs lays out every record in the same way. Once a record has been read, what stood between its
//! values is known, and the next one is read by comparing these stretches and taking the values in between. Where
//! anything differs, the record is read from its start in the general way: the result is the same, only slower.

use super::canonical::{Field, field, take_usual};
use super::draft::Draft;
use crate::json::{Reader, Value, number_length, plain_length};

/// Layouts that are kept. Few, because a record may be compared with each of them.
const LAYOUTS_MAX: usize = 4;
/// Misses in a row after which a new layout takes the place of an old one.
const PATIENCE: u32 = 64;

/// The layouts of the records seen last.
#[derive(Clone, Debug, Default)]
pub(super) struct Layouts {
    known: Vec<Layout>,
    /// The one that fitted last.
    last: usize,
    misses: u32,
}

/// What stands between the values of a record.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Layout {
    values: Vec<Place>,
    tail: Box<[u8]>,
}

/// A value, and what stands before it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Place {
    before: Box<[u8]>,
    /// The field it belongs to; `None` for one that is not read.
    field: Option<Field>,
    /// A text between quotes; otherwise a number.
    quoted: bool,
}

impl Layouts {
    /// Reads a record that is laid out like one before.
    #[inline]
    pub(super) fn read<'a>(&mut self, text: &'a [u8], draft: &mut Draft<'a>) -> Option<()> {
        for turn in 0..self.known.len() {
            let at = (self.last + turn) % self.known.len();
            if self.known[at].read(text, draft).is_some() {
                (self.last, self.misses) = (at, 0);
                return Some(());
            }
            *draft = Draft::default();
        }
        None
    }

    /// Learns the layout of a record that was read in the general way.
    #[cold]
    pub(super) fn learn(&mut self, text: &[u8]) {
        self.misses += 1;
        if self.known.len() >= LAYOUTS_MAX && self.misses < PATIENCE {
            return;
        }
        let Some(layout) = Layout::of(text) else { return };
        self.misses = 0;
        if self.known.len() < LAYOUTS_MAX {
            self.known.push(layout);
        } else {
            self.known.remove(0);
            self.known.push(layout);
        }
        self.last = self.known.len() - 1;
    }
}

impl Layout {
    /// The layout of a record; `None` where its next of kin could not be read by it.
    fn of(text: &[u8]) -> Option<Self> {
        let mut values = Vec::new();
        let mut from = 0;
        let mut reader = Reader::new(text);
        reader.enter_object();
        while let Some(key) = reader.key() {
            let field = field(key.as_plain()?);
            let (start, end, quoted) = match reader.value()? {
                Value::Str(value) => {
                    let end = reader.position() - 1;
                    (end - value.as_plain()?.len(), end, true)
                }
                Value::Number(digits) => (reader.position() - digits.len(), reader.position(), false),
                // Nothing is a fixed text: the next record has it too, or is laid out otherwise.
                Value::Null => continue,
                Value::Bool(_) if field.is_none() => continue,
                Value::Bool(_) | Value::Object | Value::Array => return None,
            };
            values.push(Place { before: text[from..start].into(), field, quoted });
            from = end;
        }
        reader.finish().ok()?;
        Some(Self { values, tail: text[from..].into() })
    }

    #[inline]
    fn read<'a>(&self, text: &'a [u8], draft: &mut Draft<'a>) -> Option<()> {
        let mut rest = text;
        for Place { before, field, quoted } in &self.values {
            rest = rest.strip_prefix(&**before)?;
            let length = match field {
                Some(field) => take_usual(draft, *field, rest, *quoted)?,
                None if *quoted => plain_length(rest)?,
                None => number_length(rest)?,
            };
            rest = &rest[length..];
        }
        (rest == &*self.tail).then_some(())
    }
}

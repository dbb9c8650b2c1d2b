//! The usual layout of records, laid out flat: most records of a log are laid out like the one before, and then nothing has
//! to be looked up between their values.

use super::canonical::{take_number, take_unescaped};
use super::draft::Draft;
use super::field::Field;
use crate::json::{Reader, plain_length};
use wide::u8x16;

/// Bytes that are compared at once.
const WIDTH: usize = 32;
/// Stretches of one record: a longer one is read by the tree.
const STEPS_MAX: usize = 64;

/// What stands between the values of a record, and how each value is taken.
#[derive(Clone, Debug)]
pub(super) struct Flat {
    steps: Vec<Step>,
}

/// A stretch that is always the same, and the value behind it.
#[derive(Clone, Debug)]
struct Step {
    before: [u8; WIDTH],
    /// All ones where `before` has something to say.
    mask: [u8; WIDTH],
    /// So many bytes of it.
    length: usize,
    take: Take,
}

/// How the value is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Take {
    /// A text, behind its opening quote.
    Text(Field),
    /// A number.
    Number(Field),
    /// `null`: nothing tells nothing.
    Null,
    /// A value that nobody asks for.
    Other,
    /// There is none: the stretch goes on.
    Nothing,
    /// There is none: the record is over.
    End,
}

impl Flat {
    /// Of the stretches before the values of a record, with the field of each value and the byte that it begins with, and
    /// the stretch behind the last; `None` where there are too many, or a value is not what its field usually is.
    pub(super) fn of<'t>(
        values: impl Iterator<Item = (&'t [u8], Option<Field>, u8)>,
        end: &[u8],
    ) -> Option<Self> {
        let mut flat = Self { steps: Vec::new() };
        // The closing quote of a text, which belongs to what stands behind it.
        let mut quote = &b""[..];
        for (before, field, first) in values {
            let take = match (field, first) {
                (Some(field), b'"') => Take::Text(field),
                (Some(field), b'0'..=b'9') => Take::Number(field),
                (Some(_), b'n') => Take::Null,
                (Some(_), _) => return None,
                (None, _) => Take::Other,
            };
            let is_text = matches!(take, Take::Text(_));
            let opening = if is_text { &b"\""[..] } else { b"" };
            flat.add(&[quote, before, opening].concat(), take)?;
            quote = if is_text { b"\"" } else { b"" };
        }
        flat.add(&[quote, end].concat(), Take::End)?;
        Some(flat)
    }

    fn add(&mut self, before: &[u8], take: Take) -> Option<()> {
        let mut pieces = before.chunks(WIDTH).peekable();
        while let Some(piece) = pieces.next() {
            if self.steps.len() >= STEPS_MAX {
                return None;
            }
            let mut step = Step {
                before: [0; WIDTH],
                mask: [0; WIDTH],
                length: piece.len(),
                take: if pieces.peek().is_some() { Take::Nothing } else { take },
            };
            for ((place, mask), byte) in step.before.iter_mut().zip(&mut step.mask).zip(piece) {
                (*place, *mask) = (*byte, 0xff);
            }
            self.steps.push(step);
        }
        (!before.is_empty()).then_some(())
    }

    /// Reads the record that a text begins with, if it is laid out like this; its length. What it has taken of any other
    /// is of no use.
    #[inline]
    pub(super) fn read<'a>(&self, text: &'a [u8], draft: &mut Draft<'a>) -> Option<usize> {
        let mut at = 0;
        for step in &self.steps {
            let rest = text.get(at..)?;
            if !step.begins(rest) {
                return None;
            }
            at += step.length;
            let value = text.get(at..)?;
            match step.take {
                Take::Text(field) => {
                    let length = plain_length(value)?;
                    take_unescaped(draft, field, value.get(..length)?)?;
                    at += length;
                }
                Take::Number(field) => at += take_number(draft, field, value)?,
                Take::Null => at += value.starts_with(b"null").then_some(4)?,
                Take::Other => {
                    let mut reader = Reader::new(value);
                    reader.skip_on_line()?;
                    at += reader.position();
                }
                Take::Nothing => {}
                Take::End => return Some(at),
            }
        }
        None
    }
}

impl Step {
    /// Whether a text begins like this.
    #[inline(always)]
    fn begins(&self, text: &[u8]) -> bool {
        let Some(wide) = text.first_chunk::<WIDTH>() else {
            return text.get(..self.length) == self.before.get(..self.length);
        };
        let differs = ((head(wide) ^ head(&self.before)) & head(&self.mask))
            | ((tail(wide) ^ tail(&self.before)) & tail(&self.mask));
        differs.simd_eq(u8x16::ZERO).to_bitmask() == 0xffff
    }
}

#[inline(always)]
fn head(bytes: &[u8; WIDTH]) -> u8x16 {
    bytes.first_chunk::<16>().map_or(u8x16::ZERO, |half| u8x16::new(*half))
}

#[inline(always)]
fn tail(bytes: &[u8; WIDTH]) -> u8x16 {
    bytes.last_chunk::<16>().map_or(u8x16::ZERO, |half| u8x16::new(*half))
}

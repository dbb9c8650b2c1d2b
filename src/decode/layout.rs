//! A short cut for records that are laid out like one before: same fields, same order, same spacing.
//!
//! A writer of logs lays out every record in the same way. Once a record has been read, what stood between its
//! values is known, and the next one is read by comparing these stretches and taking the values in between. Where
//! anything differs, the record is read from its start in the general way: the result is the same, only slower.

use super::canonical::take_usual;
use super::draft::Draft;
use super::field::{Field, field};
use crate::json::{Reader, Value, number_length, plain_length};

/// Layouts that are kept. Few, because a record may be compared with each of them.
const LAYOUTS_MAX: usize = 4;
/// Values of a layout; the widest record we know (LiteLLM) has about fifty.
const VALUES_MAX: usize = 96;
/// Bytes between the values of a layout: a record that is mostly names is none that comes often.
const BETWEEN_MAX: usize = 16 << 10;
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
        let (mut values, mut seen) = (Vec::new(), Vec::new());
        let (mut from, mut between) = (0, 0);
        let mut reader = Reader::new(text);
        reader.enter_object();
        while let Some(key) = reader.key() {
            let field = field(key.as_plain()?);
            // Of a field that stands twice the last one counts, even if it is null: not for a short cut.
            if field.is_some() && seen.contains(&field) {
                return None;
            }
            seen.push(field);
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
            between += start - from;
            if values.len() >= VALUES_MAX || between > BETWEEN_MAX {
                return None;
            }
            values.push(Place { before: text[from..start].into(), field, quoted });
            from = end;
        }
        reader.finish().ok()?;
        if text.len() - from > BETWEEN_MAX {
            return None;
        }
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

#[cfg(test)]
mod tests {
    use super::super::canonical::{Reading, claims, complete};
    use super::*;
    use crate::frame::shape::Shape;
    use proptest::prelude::*;

    /// What is read of `text`: by the layouts if `layouts` are given, else in the general way.
    fn read(layouts: Option<&mut Layouts>, text: &str) -> String {
        let mut draft = Draft::default();
        if let Some(layouts) = layouts {
            if layouts.read(text.as_bytes(), &mut draft).is_some() {
                return format!("{:?}", complete(&draft).map(|()| &draft));
            }
            if let Ok(shape) = Shape::of(text.as_bytes(), false)
                && claims(&shape)
                && Reading::of(&shape).is_sound()
            {
                layouts.learn(text.as_bytes());
            }
        }
        match Shape::of(text.as_bytes(), false) {
            Ok(shape) if claims(&shape) => format!("{:?}", Reading::of(&shape).record()),
            Ok(_) => "not ours".to_owned(),
            Err(error) => format!("{error:?}"),
        }
    }

    const USUAL: &str = r#"{"timestamp": "2026-06-01T00:00:00Z", "api_key_prefix": "...3f9c", "model": "gpt-4o", "source_ip": null, "input_tokens": 12, "cost_usd": 0.25, "note": "x", "n": -1.5}"#;

    #[test]
    fn a_layout_is_learned_from_one_record() {
        let mut layouts = Layouts::default();
        read(Some(&mut layouts), USUAL);
        assert_eq!(layouts.known.len(), 1);
        assert!(layouts.read(USUAL.replace("3f9c", "77e0").as_bytes(), &mut Draft::default()).is_some());
        for other in [
            USUAL.replace("null", "\"1.2.3.4\""),
            USUAL.replace("\"x\"", "\"\\\\\""),
            USUAL.replace(": 12", ":12"),
            USUAL.replace(" 12", " 1e2"),
            USUAL.replace("-1.5}", "-1.5} "),
        ] {
            assert!(layouts.read(other.as_bytes(), &mut Draft::default()).is_none(), "{other}");
        }
    }

    #[test]
    fn what_cannot_be_cut_short_is_not_learned() {
        for text in [
            r#"{"timestamp": 1780632395, "api_key_prefix": "a", "model": "x", "model": null}"#,
            r#"{"timestamp": 1780632395, "api_key_prefix": "a", "batch": true}"#,
            r#"{"timestamp": 1780632395, "api_key_prefix": "a", "tags": []}"#,
            r#"{"timestamp": 1780632395, "api_key_prefix": "a\u0062"}"#,
        ] {
            let mut layouts = Layouts::default();
            read(Some(&mut layouts), text);
            assert!(layouts.known.is_empty(), "{text}");
        }
    }

    proptest! {
        /// Records that are nearly alike, read one after the other: the short cut never changes what is read.
        #[test]
        fn the_short_cut_changes_nothing(changes in prop::collection::vec((0_usize..200, any::<u8>(), 0_u8..4), 1..40)) {
            let mut layouts = Layouts::default();
            for (at, byte, kind) in changes {
                let mut bytes = USUAL.as_bytes().to_vec();
                let at = at % bytes.len();
                match kind {
                    0 => bytes[at] = byte % 128,
                    1 => drop(bytes.remove(at)),
                    2 => bytes.insert(at, byte % 128),
                    _ => {}
                }
                let text = String::from_utf8(bytes).unwrap();
                let expected = read(None, &text);
                prop_assert_eq!(read(Some(&mut layouts), &text), expected, "{}", text);
            }
        }
    }
}

//! A short cut for our own records that are laid out like one before: same fields, same order, same spacing.

use super::canonical::{self, take_number, take_text};
use super::draft::Draft;
use super::field::{Field, field};
use super::flat::Flat;
use super::tree::{Steps, Tree};
use crate::json::{Reader, Value};

/// The layouts of the records seen before: of each value the field it belongs to, `None` for one that is not read.
#[derive(Clone, Debug, Default)]
pub(super) struct Layouts {
    tree: Tree<Option<Field>>,
    /// The layout of most records, if they have one.
    usual: Option<Flat>,
    /// Falls with every record that is laid out otherwise, and rises a little with every one that is not.
    trust: i32,
    /// So many records that the tree reads until another layout is taken for the usual one.
    pause: u32,
    last_pause: u32,
    /// The line that is read begins with no record that is laid out like one before it.
    fails: bool,
    /// The record before was none that is laid out like one before it, and no harder to read than others.
    takes_any_order: bool,
}

/// How far trust in a layout may rise.
const TRUST_MAX: i32 = 64;
/// What one record of another layout takes of it.
const TRUST_LOST: i32 = 8;
/// The longest pause of a log in which no layout is usual.
const PAUSE_MAX: u32 = 1 << 14;

impl Layouts {
    /// Reads the record at the start of a text, if it is laid out like one before; its length. It stands on one line.
    #[inline]
    fn read<'a>(&mut self, text: &'a [u8], draft: &mut Draft<'a>) -> Option<usize> {
        if let Some(usual) = &self.usual {
            if let Some(length) = usual.read(text, draft) {
                if self.trust < TRUST_MAX {
                    self.trust += 1;
                } else {
                    self.last_pause = 0;
                }
                return Some(length);
            }
            *draft = Draft::default();
        }
        self.read_by_tree(text, draft)
    }

    /// The same of the record at the start of a line, which may be read again as a frame.
    #[inline]
    pub(super) fn read_first<'a>(&mut self, lines: &'a [u8], draft: &mut Draft<'a>) -> Option<usize> {
        let length = self.read(lines, draft);
        self.fails = length.is_none();
        length
    }

    /// Reads a frame, if all of it is laid out like a record before.
    #[inline]
    pub(super) fn read_whole<'a>(&mut self, text: &'a [u8], draft: &mut Draft<'a>) -> Option<()> {
        if std::mem::take(&mut self.fails) {
            return None;
        }
        (self.read(text, draft)? == text.len()).then_some(())
    }

    #[inline(never)]
    fn read_by_tree<'a>(&mut self, text: &'a [u8], draft: &mut Draft<'a>) -> Option<usize> {
        let length = self.tree.measure(text, |field, value| match (field, value) {
            (None, _) => {
                let mut reader = Reader::new(value);
                reader.skip_on_line().map(|()| reader.position())
            }
            (Some(field), [b'"', text @ ..]) => take_text(draft, *field, text).map(|length| length + 2),
            // Nothing tells nothing.
            (Some(field), _) => {
                take_number(draft, *field, value).or_else(|| value.starts_with(b"null").then_some(4))
            }
        })?;
        self.trust = (self.trust - TRUST_LOST).max(-1);
        if self.trust < 0 {
            self.usual = None;
            self.choose(text.get(..length)?);
        }
        Some(length)
    }

    /// Takes the layout of a record for the usual one, if it is time: where layouts take turns, none is.
    #[cold]
    fn choose(&mut self, text: &[u8]) {
        if self.pause > 0 {
            self.pause -= 1;
            return;
        }
        self.usual = steps(text).and_then(|steps| {
            let values = steps
                .values()
                .map(|(before, field, value)| (before, *field, value.first().copied().unwrap_or_default()));
            Flat::of(values, steps.rest())
        });
        self.trust = TRUST_LOST;
        self.last_pause = (2 * self.last_pause + 1).min(PAUSE_MAX);
        self.pause = self.last_pause;
    }

    /// Reads a record whose fields stand in an order of their own, where records come like that; `sound` where it is
    /// known to be JSON.
    #[inline]
    pub(super) fn read_any_order<'a>(&mut self, text: &'a [u8], sound: bool) -> Option<Draft<'a>> {
        if !self.takes_any_order {
            return None;
        }
        let draft = canonical::in_any_order(text, sound);
        self.takes_any_order = draft.is_some();
        if draft.is_some() {
            self.learn(text);
        }
        draft
    }

    /// Learns the layout of a record that was read in the general way, if it stands on one line: one that was inside of
    /// something else may not, and what is read by it must.
    #[cold]
    pub(super) fn learn(&mut self, text: &[u8]) {
        self.takes_any_order = true;
        self.tree.learn(|| if memchr::memchr(b'\n', text).is_none() { steps(text) } else { None });
    }
}

/// The layout of a record; `None` where its next of kin could not be read by it.
fn steps(text: &[u8]) -> Option<Steps<'_, Option<Field>>> {
    let (mut steps, mut seen) = (Steps::of(text), Vec::new());
    let mut reader = Reader::new(text);
    reader.enter_object();
    while let Some(key) = reader.key() {
        let field = field(key.as_plain()?);
        // Of a field that stands twice the last one counts, even if it is null: not for a short cut.
        if field.is_some() && seen.contains(&field) {
            return None;
        }
        seen.push(field);
        let start = reader.next_value();
        let (value, _) = reader.member()?;
        let is_usual = match value {
            Value::Str(text) => text.as_plain().is_some(),
            Value::Number(_) | Value::Null => true,
            Value::True | Value::False | Value::Object | Value::Array => false,
        };
        if field.is_some() && !is_usual {
            return None;
        }
        steps.push(start, reader.position(), field)?;
    }
    reader.finish().ok().map(|()| steps)
}

#[cfg(test)]
mod tests {
    use super::super::canonical::{Reading, claims, complete, in_any_order};
    use super::*;
    use crate::frame::shape::Shape;
    use proptest::prelude::*;

    /// What is read of `text`: by the layouts if `layouts` are given, else in the general way.
    fn read(layouts: Option<&mut Layouts>, text: &str) -> String {
        let mut draft = Draft::default();
        if let Some(layouts) = layouts {
            if layouts.read(text.as_bytes(), &mut draft) == Some(text.len()) {
                return format!("{:?}", complete(&draft).map(|()| &draft));
            }
            if let Some(draft) = layouts.read_any_order(text.as_bytes(), false) {
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
        assert_eq!(layouts.tree.len(), 9);
        let one_more = USUAL.replace("3f9c", "77e0");
        assert_eq!(layouts.read(one_more.as_bytes(), &mut Draft::default()), Some(one_more.len()));
        for (other, same) in [
            (USUAL.replace("null", "\"1.2.3.4\""), true),
            (USUAL.replace("0.25", "null"), true),
            (USUAL.replace("\"x\"", "\"\\\\\""), true),
            (USUAL.replace("-1.5", "[{\"a\": 1}]"), true),
            (USUAL.replace("-1.5", "[{\"a\": 1}"), false),
            (USUAL.replace("gpt-4o", "gpt\\u002d4o"), false),
            (USUAL.replace(": 12", ":12"), false),
            (USUAL.replace(" 12", " 1e2"), false),
            (USUAL.replace(" 12", " nullx"), false),
            (USUAL.replace("-1.5}", "-1.5} "), false),
            (USUAL.replace("-1.5", "[1,\n2]"), false),
            (USUAL.replace("-1.5", "\n-1.5"), false),
            (USUAL.replace("0.25", "\n0.25"), false),
        ] {
            let length = layouts.read(other.as_bytes(), &mut Draft::default());
            assert_eq!(length == Some(other.len()), same, "{other}");
            let read = |layouts| self::read(layouts, &other);
            assert_eq!(read(Some(&mut layouts.clone())), read(None), "{other}");
        }
    }

    #[test]
    fn what_cannot_be_cut_short_is_not_learned() {
        for text in [
            r#"{"timestamp": 1780632395, "api_key_prefix": "a", "model": "x", "model": null}"#,
            r#"{"timestamp": 1780632395, "api_key_prefix": "a", "batch": true}"#,
            r#"{"timestamp": 1780632395, "api_key_prefix": "a", "model": []}"#,
            r#"{"timestamp": 1780632395, "api_key_prefix": "a", "n\u006fte": 1}"#,
            r#"{"timestamp": 1780632395, "api_key_prefix": "a\u0062"}"#,
            "{\"timestamp\": 1780632395,\n\"api_key_prefix\": \"a\"}",
        ] {
            let mut layouts = Layouts::default();
            read(Some(&mut layouts), text);
            assert_eq!(layouts.tree.len(), 0, "{text}");
        }
    }

    proptest! {
        /// Members in any order, some twice, some that nobody asks for, some that are not what they usually are.
        #[test]
        fn the_order_of_fields_changes_nothing(
            members in prop::collection::vec(
                prop::sample::select(vec![
                    r#""timestamp": "2026-06-01T00:00:00Z""#, r#""timestamp": null"#, r#""timestamp": 1780632395"#,
                    r#""api_key_prefix": "...3f9c""#, r#""api_key": "...3f9d""#, r#""api_key": """#, r#""model": "gpt-4o""#,
                    r#""model":"gpt\u002d4o""#, r#""source_ip": null"#, r#""source_ip": "1.2.3.4""#, r#""input_tokens": 12"#,
                    r#""input_tokens": "12""#, r#""input_tokens": 1e2"#, r#""input_tokens": -1"#, r#""cost_usd": 0.25"#,
                    r#""status_code": 200"#, r#""status_code": 70000"#, r#""cached_tokens": 4"#, r#""cache_read_tokens": 5"#,
                    r#""note": {"a": [1, "}"]}"#, r#""note": [1,]"#, r#""n\u006fte": 1"#, r#""window_end": "2026-06-01T01:00:00Z""#,
                    r#""batch": true"#, "x", "",
                ]),
                0..12,
            ),
            end in prop::sample::select(vec!["}", "} ", "", "}}"]),
        ) {
            let text = ["{", &members.join(", "), end].concat();
            if let Some(draft) = in_any_order(text.as_bytes(), false) {
                prop_assert_eq!(format!("{:?}", complete(&draft).map(|()| &draft)), read(None, &text), "{}", text);
            }
        }
    }

    #[test]
    fn usual_records_are_read_in_any_order() {
        let mut members: Vec<&str> = USUAL.trim_matches(['{', '}']).split(", ").collect();
        for turn in 0..members.len() {
            members.rotate_left(turn);
            let text = ["{", &members.join(", "), "}"].concat();
            let draft = in_any_order(text.as_bytes(), false).unwrap();
            assert_eq!(format!("{:?}", complete(&draft).map(|()| &draft)), read(None, &text));
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

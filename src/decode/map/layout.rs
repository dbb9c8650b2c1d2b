//! A short cut for records of a map that are laid out like one before: same names, same order, same spacing.
//!
//! Where the map leads from each value is known then, and who claimed the record. Values may be anything.

use super::super::tree::{Steps, Tree};
use super::found::Found;
use super::node::Node;
use crate::json::Reader;
use std::sync::Arc;

/// The layouts of the records of maps that have been read.
#[derive(Clone, Debug, Default)]
pub(in crate::decode) struct Layouts {
    /// Of frames, by the place of their format.
    frames: Vec<(usize, Tree<Step>)>,
    /// Of the elements of lists in them.
    elements: Vec<(usize, Tree<Step>)>,
    /// The format of frames that fitted last.
    last: usize,
}

/// How a value is taken.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Where the map leads from here; `None` where it leads nowhere.
    node: Option<Arc<Node>>,
    /// Its name, where it may be a dimension of an element.
    name: Option<Box<[u8]>>,
    /// What must stand here: whoever claimed the record looked at it.
    fixed: Option<Box<[u8]>>,
    /// So many objects are around it, the whole one not counted.
    around: u32,
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        let is_same = match (&self.node, &other.node) {
            (Some(node), Some(other)) => Arc::ptr_eq(node, other),
            (node, other) => node.is_none() && other.is_none(),
        };
        is_same && (&self.name, &self.fixed, self.around) == (&other.name, &other.fixed, other.around)
    }
}

impl Layouts {
    /// The format of a frame that is laid out like one before, and what has been found of it, if it may be one.
    #[inline]
    pub(in crate::decode) fn read<'a>(
        &mut self,
        text: &'a [u8],
        found: &mut Option<Found<'a>>,
    ) -> Option<usize> {
        for turn in 0..self.frames.len() {
            let at = (self.last + turn) % self.frames.len();
            let (format, tree) = self.frames.get(at)?;
            if !tree.may_know(text) {
                continue;
            }
            let found = found.get_or_insert_with(Found::default);
            found.forget();
            let mut reader = Reader::new(text);
            let read = tree.read(&mut reader, |step, reader| step.take(reader, found));
            if read.is_some() && reader.position() == text.len() {
                self.last = at;
                return Some(*format);
            }
        }
        None
    }

    /// Keeps the layout of a frame, of whose members `fixed` were looked at by whoever claimed it, a bit for each.
    #[cold]
    pub(super) fn learn(&mut self, format: usize, text: &[u8], root: &Node, fixed: impl FnOnce() -> u64) {
        tree_of(&mut self.frames, format).learn(|| steps(text, Reader::new(text), root, (false, fixed())));
    }

    /// Those of the elements of this format.
    pub(super) fn of_elements(&mut self, format: usize) -> &mut Tree<Step> {
        tree_of(&mut self.elements, format)
    }
}

fn tree_of(trees: &mut Vec<(usize, Tree<Step>)>, format: usize) -> &mut Tree<Step> {
    let at = trees.iter().position(|(known, _)| *known == format).unwrap_or_else(|| {
        trees.push((format, Tree::default()));
        trees.len() - 1
    });
    &mut trees[at].1
}

impl Step {
    /// Takes the value at the reader.
    #[inline(always)]
    pub(super) fn take<'a>(&self, reader: &mut Reader<'a>, found: &mut Found<'a>) -> Option<()> {
        reader.set_around(self.around);
        let (value, raw) = reader.plain_member()?;
        if let Some(fixed) = &self.fixed
            && **fixed != *raw
        {
            return None;
        }
        match (&self.name, &self.node) {
            (Some(name), node) => found.of_element(node.as_deref(), name, value, raw),
            (None, Some(node)) => found.at(node, value, raw),
            (None, None) => {}
        }
        Some(())
    }
}

/// The layout of the element of a list at the start of `text`, which has been checked.
pub(super) fn of_element<'t>(text: &'t [u8], element: &Node) -> Option<Steps<'t, Step>> {
    steps(text, Reader::sound(text), element, (true, 0))
}

/// The layout of the object at the start of `text`; `None` where its next of kin could not be read by it. `named` where
/// its members may be dimensions.
fn steps<'t>(
    text: &'t [u8],
    mut reader: Reader<'t>,
    root: &Node,
    (named, fixed): (bool, u64),
) -> Option<Steps<'t, Step>> {
    let mut learning = Learning { text, steps: Steps::of(text), named, fixed };
    learning.object(&mut reader, root, 0)?;
    learning.steps.end(reader.position());
    Some(learning.steps)
}

/// A layout that is being learned.
struct Learning<'t> {
    text: &'t [u8],
    steps: Steps<'t, Step>,
    named: bool,
    fixed: u64,
}

impl Learning<'_> {
    /// Learns what is around the values of the object at the reader.
    fn object(&mut self, reader: &mut Reader<'_>, node: &Node, around: u32) -> Option<()> {
        let mut number = 0;
        reader.enter_object();
        while let Some(name) = reader.key() {
            // A name with escapes could be any.
            let name_as_plain = name.as_plain()?;
            let next = node.member(name);
            let start = reader.next_value();
            let is_fixed = around == 0 && self.fixed.checked_shr(number).unwrap_or(self.fixed) & 1 == 1;
            number += 1;
            let into = next.filter(|next| next.leads_into_objects() && !is_fixed);
            if let (Some(into), Some(b'{')) = (into, self.text.get(start)) {
                self.object(reader, into, around + 1)?;
                continue;
            }
            reader.skip();
            let step = Step {
                node: next.cloned(),
                name: (self.named && around == 0).then(|| name_as_plain.into()),
                fixed: is_fixed.then(|| self.text[start..reader.position()].into()),
                around,
            };
            self.steps.push(start, reader.position(), step)?;
        }
        reader.error().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Map, Place, at, nothing_more};
    use super::*;
    use crate::decode::field::{Field, Unit};
    use crate::frame::shape::Shape;
    use proptest::prelude::*;

    const USUAL: &str = r#"{"t": "2026-06-01T00:00:00Z", "k": {"id": "a", "other": [1, {"x": 2}]}, "n": 12, "l": [{"n": 3}], "j": "{\"k\":\"b\"}", "w": {"y": 1}, "kind": "request"}"#;

    fn map() -> Map {
        let places = [
            at("/t", Field::Time),
            at("/k/id", Field::Key),
            at("/j/@json/k", Field::Key),
            at("/n", Field::InputTokens),
            at("/l/*/n", Field::OutputTokens),
            Place("/w", Field::Extra(0), Unit::Written),
            at("/kind", Field::Endpoint),
        ];
        Map::new(&places, nothing_more)
    }

    /// What is read of a text in the general way.
    fn general(map: &Map, text: &str) -> String {
        let Ok(shape) = Shape::of(text.as_bytes(), false) else { return "no JSON".to_owned() };
        let mut read = Vec::new();
        map.decode(&shape, (0, &mut Layouts::default()), &mut |draft| read.push(format!("{draft:?}")));
        read.concat()
    }

    /// What is read of a text that is laid out like one before, and otherwise in the general way.
    fn short_cut(map: &Map, layouts: &mut Layouts, text: &str) -> (bool, String) {
        let mut read = Vec::new();
        let (mut scratches, mut found) = (Map::scratches(), None);
        if let (Some(_), Some(found)) = (layouts.read(text.as_bytes(), &mut found), &mut found) {
            map.finish(found, &mut scratches, &mut |draft| read.push(format!("{draft:?}")));
            return (true, read.concat());
        }
        if let Ok(shape) = Shape::of(text.as_bytes(), false) {
            map.learn(&shape, (0, layouts), || 0);
        }
        (false, general(map, text))
    }

    #[test]
    fn values_may_be_anything_and_names_may_not() {
        let map = map();
        let mut layouts = Layouts::default();
        short_cut(&map, &mut layouts, USUAL);
        for (same, text) in [
            (true, USUAL.to_owned()),
            (true, USUAL.replace("12", "null")),
            (true, USUAL.replace("\"a\"", "true")),
            (true, USUAL.replace("\"a\"", r#""\u0061""#)),
            (true, USUAL.replace("{\"n\": 3}", "")),
            (true, USUAL.replace("{\"n\": 3}", "{\"n\":4, \"m\":1},{\"n\":5}")),
            (true, USUAL.replace("12", "  [1,{\"n\":2}]")),
            (true, USUAL.replace("{\\\"k\\\"", "{\\\"k")),
            (false, USUAL.replace("12", "12 ")),
            (false, USUAL.replace("\"n\": 12", "\"m\": 12")),
            (false, USUAL.replace(r#"{"id": "a", "other": [1, {"x": 2}]}"#, "null")),
            (false, USUAL.replace("12", "1x")),
            (false, USUAL.replace("12", "[1,]")),
            (false, USUAL.replace("request\"}", "request\"}}")),
            (false, USUAL.replace("request\"}", "request\"")),
        ] {
            let (taken, read) = short_cut(&map, &mut layouts.clone(), &text);
            assert_eq!(taken, same, "{text}");
            assert_eq!(read, general(&map, &text), "{text}");
        }
    }

    #[test]
    fn what_told_the_format_must_say_the_same() {
        let map = map();
        for (fixed, others) in [(1_u64 << 6, true), (u64::MAX, false)] {
            let mut layouts = Layouts::default();
            layouts.learn(0, USUAL.as_bytes(), &map.root, || fixed);
            let mut read = |text: &str| layouts.read(text.as_bytes(), &mut None).is_some();
            assert!(read(USUAL));
            assert_eq!(read(&USUAL.replace("\"a\"", "\"b\"")), others);
            assert_eq!(read(&USUAL.replace("12", "13")), others);
            assert!(!read(&USUAL.replace("request", "answer")));
        }
    }

    #[test]
    fn nothing_is_nested_deeper_than_in_the_general_way() {
        let map = map();
        for depth in 120..135 {
            let mut layouts = Layouts::default();
            short_cut(&map, &mut layouts, USUAL);
            let deep = USUAL.replace("{\"x\": 2}", &["[".repeat(depth), "]".repeat(depth)].concat());
            let (taken, read) = short_cut(&map, &mut layouts, &deep);
            assert_eq!(read, general(&map, &deep), "{depth}");
            assert_eq!(taken, read != "no JSON", "{depth}");
        }
    }

    #[test]
    fn what_has_odd_names_is_not_learned() {
        for text in [USUAL.replace("\"n\"", r#""\u006e""#), USUAL.replace("\"id\"", r#""\u0069d""#)] {
            assert!(steps(text.as_bytes(), Reader::new(text.as_bytes()), &map().root, (false, 0)).is_none());
        }
    }

    proptest! {
        /// Records that are nearly alike, read one after the other: the short cut never changes what is read.
        #[test]
        fn the_short_cut_changes_nothing(changes in prop::collection::vec((0_usize..200, any::<u8>(), 0_u8..4), 1..40)) {
            let (map, mut layouts) = (map(), Layouts::default());
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
                let expected = general(&map, &text);
                prop_assert_eq!(short_cut(&map, &mut layouts, &text).1, expected, "{}", text);
            }
        }
    }
}

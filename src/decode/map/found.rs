//! What is found of one record on the ways of a map, and the draft that comes of it.

use super::node::{Leaf, Node};
use super::{Extras, Map, NO_KEY, VAGUE};
use crate::decode::draft::{self, Draft, Fault, Read};
use crate::decode::field::{Field, Unit, assign, assign_in};
use crate::frame::shape::Member;
use crate::json::{Plain, Reader, Str, Value};
use crate::record::Reason;
use std::sync::Arc;

/// The places of the bits that are set.
#[inline]
fn bits(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = set.trailing_zeros() as usize;
        let more = set != 0;
        set &= set.wrapping_sub(1);
        more.then_some(place)
    })
}

/// The place of the first field that is kept for a last step, and the bits of all of them.
const FIRST_EXTRA: usize = Field::Extra(0).index();
const EXTRAS: u64 = ((1 << Field::EXTRAS) - 1) << FIRST_EXTRA;

/// Texts that stand where there is no value, or where there was one that the log does not show.
#[inline]
fn says_nothing(text: Str<'_>) -> bool {
    matches!(text.as_plain(), Some(b"" | b"-" | b"REDACTED" | b"[REDACTED]"))
}

#[cold]
fn not_json(error: crate::json::Error, text: &[u8]) -> Fault {
    let message = format!("is no whole JSON text ({error}); was it cut off on its way?");
    Fault::at(Reason::BadField, "", text, error.at, message)
}

/// What has been found of a record so far.
#[derive(Clone)]
pub(in crate::decode) struct Found<'a> {
    /// The fields that have a value, a bit for each.
    fields: u64,
    /// Of these fields the values, and of which places. What stands elsewhere is of records before.
    values: [(Leaf, Plain<'a>); Field::COUNT],
    /// Texts with JSON in them, still to be looked into.
    pub(super) texts: Vec<(Arc<Node>, Str<'a>)>,
    /// A sum over all dimensions, so that their order does not matter.
    dimensions: u64,
}

const _: () = assert!(Field::COUNT <= 64, "more fields than bits");

/// No values. As a constant it is written in one stretch, and not part by part around the gaps.
const NO_VALUES: [(Leaf, Plain<'static>); Field::COUNT] = {
    let leaf = Leaf { field: Field::Time, unit: Unit::Usual, rank: 0, is_last: false, is_vague: false };
    [(leaf, Plain::NULL); Field::COUNT]
};

impl Default for Found<'_> {
    fn default() -> Self {
        Self { fields: 0, values: NO_VALUES, texts: Vec::new(), dimensions: 0 }
    }
}

impl<'a> Found<'a> {
    /// Forgets all but what is found of a whole list.
    pub(super) fn begin(&mut self, shared: &Self) {
        self.fields = shared.fields;
        for field in bits(shared.fields) {
            self.values[field] = shared.values[field];
        }
        self.texts.clone_from(&shared.texts);
        self.dimensions = shared.dimensions;
    }

    /// Forgets everything.
    pub(super) fn forget(&mut self) {
        self.fields = 0;
        self.texts.clear();
        self.dimensions = 0;
    }

    /// Takes a member at the top level of a frame.
    #[inline]
    pub(super) fn named(&mut self, root: &Node, name: Str<'a>, (value, raw): Member<'a>) {
        if let Some(node) = root.member(name) {
            self.at(node, value.into(), raw);
        }
    }

    #[inline(always)]
    pub(super) fn at(&mut self, node: &Node, value: Plain<'a>, raw: &'a [u8]) {
        if value.is_nested() {
            // It has been read once, so it is sound.
            self.walk(node, &mut Reader::sound(raw));
        } else if value != Plain::NULL {
            self.scalar(node, value);
        }
    }

    /// Takes the element of a list at the reader.
    pub(super) fn element<'r: 'a>(&mut self, node: &Node, reader: &mut Reader<'r>) {
        reader.enter_object();
        while let Some(name) = reader.key() {
            let known = node.member(name);
            match (reader.value(), known) {
                (Some(Value::Object | Value::Array), Some(known)) => self.walk(known, reader),
                (Some(Value::Object | Value::Array), None) => reader.skip(),
                (Some(value), known) => self.of_element(
                    known.map(|node| &**node),
                    name.as_plain().unwrap_or_default(),
                    value.into(),
                    b"",
                ),
                (None, _) => return,
            }
        }
    }

    /// Takes a member of an element, for which the map knows this node.
    #[inline(always)]
    pub(super) fn of_element(&mut self, known: Option<&Node>, name: &[u8], value: Plain<'a>, raw: &'a [u8]) {
        let leaf = known.and_then(|node| node.leaf);
        if matches!(value.value(), Value::Str(_) | Value::True | Value::False)
            && leaf.is_none_or(|leaf| !leaf.field.is_amount())
        {
            self.dimension(name, value.value());
        }
        if let Some(known) = known {
            self.at(known, value, raw);
        }
    }

    fn dimension(&mut self, name: &[u8], value: Value<'a>) {
        let mut scratch = Vec::new();
        let (kind, text) = match value {
            Value::Str(text) if !text.is_empty() => (0, text.resolve(&mut scratch)),
            Value::Number(digits) => (1, digits),
            Value::False => (2, &b""[..]),
            Value::True => (3, &b""[..]),
            Value::Str(_) | Value::Null | Value::Object | Value::Array => return,
        };
        let hash = draft::dimension([name, &[kind], text]);
        self.dimensions = self.dimensions.wrapping_add(hash);
    }

    /// Reads the value at the reader. The depth is that of the map.
    fn walk<'r: 'a>(&mut self, node: &Node, reader: &mut Reader<'r>) {
        let Some(value) = reader.value() else { return };
        match value {
            Value::Object if !node.members.is_empty() || node.any.is_some() => {
                reader.enter_object();
                while let Some(name) = reader.key() {
                    match node.member(name) {
                        Some(node) => self.walk(node, reader),
                        None => reader.skip(),
                    }
                }
            }
            Value::Array if node.any.is_some() => {
                reader.enter_array();
                while reader.element() {
                    match &node.any {
                        Some(node) => self.walk(node, reader),
                        None => reader.skip(),
                    }
                }
            }
            Value::Object | Value::Array => {
                let start = reader.position();
                reader.skip();
                match node.leaf {
                    Some(Leaf { unit: Unit::Written, .. }) => {
                        let written = Str::plain(reader.since(start).trim_ascii_start());
                        self.scalar(node, Value::Str(written).into());
                    }
                    // An amount that cannot be read must not pass for none.
                    Some(leaf) if leaf.field.is_amount() => self.scalar(node, value.into()),
                    _ => {}
                }
            }
            Value::Null => {}
            _ => self.scalar(node, value.into()),
        }
    }

    #[inline(always)]
    fn scalar(&mut self, node: &Node, value: Plain<'a>) {
        if let Some(text) = value.as_text() {
            if let Some(inside) = &node.inside {
                return self.texts.push((Arc::clone(inside), text));
            }
            if says_nothing(text) {
                return;
            }
        }
        let Some(mut leaf) = node.leaf else { return };
        if leaf.field == Field::Dimension {
            return self.dimension(&leaf.rank.to_le_bytes(), value.value());
        }
        let (bit, place) = (1_u64 << leaf.field.index(), &mut self.values[leaf.field.index()]);
        if leaf.is_vague && value.value() == Value::Number(b"0") {
            leaf.rank = VAGUE;
        }
        if self.fields & bit == 0 || leaf.rank < place.0.rank + u16::from(leaf.is_last) {
            self.fields |= bit;
            *place = (leaf, value);
        }
    }

    /// Makes the draft, once the texts with JSON in them have been read as well.
    #[inline]
    pub(super) fn complete(
        &mut self,
        scratches: &'a mut [Vec<u8>],
        map: &'a Map,
        draft: &mut Draft<'a>,
    ) -> Read<()> {
        if !self.texts.is_empty() {
            self.look_into_texts(scratches)?;
        }
        self.draft(map, draft)
    }

    fn look_into_texts(&mut self, scratches: &'a mut [Vec<u8>]) -> Read<()> {
        let mut rest = scratches;
        while let Some((node, inside)) = self.texts.pop() {
            let Some((scratch, others)) = rest.split_first_mut() else { break };
            rest = others;
            let inside: &'a [u8] = inside.resolve(scratch);
            let may_be_read: &[u8] = if node.any.is_some() { b"{[" } else { b"{" };
            if inside.trim_ascii_start().first().is_some_and(|first| may_be_read.contains(first)) {
                let mut reader = Reader::new(inside);
                self.walk(&node, &mut reader);
                reader.finish().map_err(|error| not_json(error, inside))?;
            }
        }
        Ok(())
    }

    pub(super) fn extras(&self) -> Extras<'a> {
        let mut extras: Extras<'a> = [None; Field::EXTRAS];
        for field in bits(self.fields & EXTRAS) {
            extras[field - FIRST_EXTRA] = Some(self.values[field].1.value());
        }
        extras
    }

    /// Makes the draft, which is a new one.
    pub(super) fn draft(&self, map: &'a Map, draft: &mut Draft<'a>) -> Read<()> {
        draft.dimensions = self.dimensions;
        for field in bits(self.fields & !EXTRAS) {
            let (leaf, value) = self.values[field];
            let value = value.value();
            match (leaf.field, leaf.unit) {
                (field, Unit::Usual | Unit::Written) => assign(draft, field, value)?,
                (field, Unit::Tens(tens)) => assign_in(draft, field, value, tens)?,
            }
        }
        for constant in &map.constants {
            if self.fields & (1_u64 << constant.field().index()) == 0 {
                constant.assign(draft)?;
            }
        }
        (map.last_step)(draft, &self.extras())?;
        if draft.foreign {
            return Ok(());
        }
        if draft.time.is_none() {
            let message = "is missing or empty; every record needs a time";
            return Err(Fault::new(Reason::MissingField, "timestamp", b"", message));
        }
        if draft.key.is_empty() {
            draft.key = Str::plain(NO_KEY);
        }
        Ok(())
    }
}

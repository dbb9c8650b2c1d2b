//! Formats that are written down instead of programmed: a map says at which places of a JSON record its fields stand.
//!
//! A place is a JSON pointer (RFC 6901) with two additions: `*` stands for any element of a list, or any member of an
//! object that no place names, and `@json` for the JSON inside a text. Several places of one field are fall-backs:
//! the first that holds something counts; of a name that stands twice in an object, the last. One pass reads them all, and what no place leads into is skipped.

mod node;

use super::carries::Fields;
use super::constant::Constant;
use super::draft::{self, Draft, Fault, Read};
pub use super::field::Unit;
use super::field::{Field, assign, assign_in};
use crate::frame::shape::{Member, Shape};
use crate::json::{Reader, Str, Value, same};
use crate::record::Reason;
use node::{Leaf, Node};

/// Texts with JSON in them that one record may have.
const TEXTS_MAX: usize = 4;

/// The rank of a nought that may mean nothing. There are never as many places.
const VAGUE: u16 = u16::MAX - 1;

/// The key of records whose format or sender names none.
pub(super) const NO_KEY: &[u8] = b"no-key";

/// Where a field stands.
#[derive(Clone, Copy, Debug)]
pub struct Place<'m>(pub &'m str, pub Field, pub Unit);

/// The most usual kind of place.
pub const fn at(pointer: &str, field: Field) -> Place<'_> {
    Place(pointer, field, Unit::Usual)
}

/// What the last step of a format may look at: values of its `Extra` fields.
pub type Extras<'a> = [Option<Value<'a>>; Field::EXTRAS];

/// The last step of a format: what no map can say.
pub type Finish = for<'a> fn(&mut Draft<'a>, &Extras<'a>) -> Read<()>;

/// What else a frame tells, once its record is complete: another record, if any.
pub(super) type Besides = for<'a> fn(&Draft<'a>, &Extras<'a>) -> Option<Draft<'a>>;

/// Where the fields of a record stand.
#[derive(Clone, Debug)]
pub struct Map {
    root: Node,
    each: Option<Each>,
    constants: Vec<Constant>,
    finish: Finish,
    besides: Option<Besides>,
}

/// The list at the top level of a frame whose elements are the records.
#[derive(Clone, Debug)]
struct Each {
    name: &'static str,
    element: Node,
}

impl Map {
    /// A map of these places, the best of each field first.
    pub fn new(places: &[Place<'_>], finish: Finish) -> Self {
        let mut root = Node::default();
        for (rank, Place(pointer, field, unit)) in places.iter().enumerate() {
            let mut node = &mut root;
            for step in pointer.split('/').skip(1) {
                node = node.step(&step.replace("~1", "/").replace("~0", "~"));
            }
            let rank = u16::try_from(rank).unwrap_or(VAGUE);
            let is_last = !pointer.contains('*');
            node.leaf.get_or_insert(Leaf { field: *field, unit: *unit, rank, is_last, is_vague: false });
        }
        Self { root, each: None, constants: Vec::new(), finish, besides: None }
    }

    /// The same with values of fields for records in which no place holds one.
    #[must_use]
    pub fn with_constants(self, constants: Vec<Constant>) -> Self {
        Self { constants, ..self }
    }

    /// The same where each element of the list `name` at the top level is a record; what stands beside the list
    /// belongs to all of them. A frame without the list is one element, with what else belongs to it beside. Texts
    /// and flags of an element that are no amounts are what it is about: its dimensions, whether the map knows them
    /// or not.
    #[must_use]
    pub(super) fn each(mut self, name: &'static str) -> Self {
        let element = std::mem::take(self.root.step(name).step("*"));
        self.each = Some(Each { name, element });
        self
    }

    /// The same for records whose counts may stand in the events of a stream: of several events the last counts, and
    /// a nought counts only where no other place has another number.
    #[must_use]
    pub(super) fn streamed(mut self) -> Self {
        self.root.each_leaf(|leaf| {
            leaf.is_last = true;
            leaf.is_vague = leaf.field.is_amount();
        });
        self
    }

    /// The same for frames that may tell of a second record.
    #[must_use]
    pub(super) fn and(self, besides: Besides) -> Self {
        Self { besides: Some(besides), ..self }
    }

    /// The fields that it gives places.
    pub(super) fn fields(&self) -> Fields {
        let fixed = self.constants.iter().fold(Fields::NONE, |fields, fixed| fields.with(fixed.field()));
        let shared = self.root.add_fields(fixed);
        self.each.iter().fold(shared, |fields, each| each.element.add_fields(fields))
    }

    /// The names at the top level of a frame that it leads into, those of an element that stands alone among them.
    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        let nodes = std::iter::once(&self.root).chain(self.each.iter().map(|each| &each.element));
        nodes.flat_map(|node| node.members.iter().map(|step| &*step.name))
    }

    /// Reads the records of a frame and hands them, or what is wrong with them, to `emit`.
    pub fn decode(&self, shape: &Shape<'_>, emit: super::Emit<'_>) {
        let mut scratches = [const { Vec::new() }; TEXTS_MAX];
        let mut shared = Found::default();
        if !shape.is_object() {
            let error = Reader::new(shape.whole()).not_an_object();
            return emit(Err(Fault::not_json(error, shape.whole())));
        }
        let list = self.each.as_ref().map(|each| each.name);
        for (name, member) in shape.members() {
            if list.is_none_or(|list| list.as_bytes() != name) {
                shared.named(&self.root, Str::plain(name), member);
            }
        }
        match &self.each {
            None => {
                let read = shared.complete(&mut scratches, self);
                emit(read.as_ref().map_err(Clone::clone));
                if let (Some(besides), Ok(draft)) = (self.besides, &read)
                    && let Some(other) = besides(draft, &shared.extras())
                {
                    emit(Ok(&other));
                }
            }
            Some(each) => {
                if let Some(list) = shape.member(each.name) {
                    return self.elements(each, list, &shared, emit);
                }
                for (name, member) in shape.members() {
                    let name = Str::plain(name);
                    if self.root.member(name).is_none() {
                        shared.of_element(each.element.member(name), name, member);
                    }
                }
                emit(shared.complete(&mut scratches, self).as_ref().map_err(Clone::clone));
            }
        }
    }

    fn elements<'a, 'm: 'a>(
        &'m self,
        each: &'m Each,
        list: Member<'a>,
        shared: &Found<'a, 'm>,
        emit: super::Emit<'_>,
    ) {
        let (Value::Array, list) = list else {
            return emit(Err(Fault::new(Reason::BadField, each.name, list.1, "is no list of records")));
        };
        let mut reader = Reader::sound(list);
        reader.enter_array();
        let mut found = Found::default();
        while reader.element() {
            if list.get(reader.position()) != Some(&b'{') {
                let message = "is no record; an object is expected";
                emit(Err(Fault::new(Reason::BadField, each.name, reader.raw(), message)));
                continue;
            }
            found.begin(shared);
            found.element(&each.element, &mut reader);
            if found.texts.is_empty() {
                emit(found.draft(self).as_ref().map_err(Clone::clone));
            } else {
                let mut scratches = [const { Vec::new() }; TEXTS_MAX];
                let mut found = found.clone();
                emit(found.complete(&mut scratches, self).as_ref().map_err(Clone::clone));
            }
        }
    }
}

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
struct Found<'a, 'm> {
    /// The fields that have a value, a bit for each.
    fields: u64,
    /// Of these fields the values, and of which places. What stands elsewhere is of records before.
    values: [(Leaf, Value<'a>); Field::COUNT],
    /// Texts with JSON in them, still to be looked into.
    texts: Vec<(&'m Node, Str<'a>)>,
    /// A sum over all dimensions, so that their order does not matter.
    dimensions: u64,
}

const _: () = assert!(Field::COUNT <= 64, "more fields than bits");

impl Default for Found<'_, '_> {
    fn default() -> Self {
        let leaf = Leaf { field: Field::Time, unit: Unit::Usual, rank: 0, is_last: false, is_vague: false };
        let nothing = (leaf, Value::Null);
        Self { fields: 0, values: [nothing; Field::COUNT], texts: Vec::new(), dimensions: 0 }
    }
}

impl<'a, 'm> Found<'a, 'm> {
    /// Forgets all but what is found of a whole list.
    fn begin(&mut self, shared: &Self) {
        self.fields = shared.fields;
        for field in bits(shared.fields) {
            self.values[field] = shared.values[field];
        }
        self.texts.clone_from(&shared.texts);
        self.dimensions = shared.dimensions;
    }

    /// Takes a member at the top level of a frame.
    #[inline]
    fn named(&mut self, root: &'m Node, name: Str<'a>, (value, raw): Member<'a>) {
        if let Some(node) = root.member(name) {
            self.at(node, (value, raw));
        }
    }

    #[inline]
    fn at(&mut self, node: &'m Node, (value, raw): Member<'a>) {
        match value {
            // It has been read once, so it is sound.
            Value::Object | Value::Array => self.walk(node, &mut Reader::sound(raw)),
            Value::Null => {}
            _ => self.scalar(node, value),
        }
    }

    /// Takes the element of a list at the reader.
    fn element<'r: 'a>(&mut self, node: &'m Node, reader: &mut Reader<'r>) {
        reader.enter_object();
        while let Some(name) = reader.key() {
            let known = node.member(name);
            match (reader.value(), known) {
                (Some(Value::Object | Value::Array), Some(known)) => self.walk(known, reader),
                (Some(Value::Object | Value::Array), None) => reader.skip(),
                (Some(value), known) => self.of_element(known, name, (value, b"")),
                (None, _) => return,
            }
        }
    }

    /// Takes a member of an element, for which the map knows this node.
    #[inline]
    fn of_element(&mut self, known: Option<&'m Node>, name: Str<'a>, member: Member<'a>) {
        let leaf = known.and_then(|node| node.leaf);
        if matches!(member.0, Value::Str(_) | Value::Bool(_))
            && leaf.is_none_or(|leaf| !leaf.field.is_amount())
        {
            self.dimension(name.as_plain().unwrap_or_default(), member.0);
        }
        if let Some(known) = known {
            self.at(known, member);
        }
    }

    fn dimension(&mut self, name: &[u8], value: Value<'a>) {
        let mut scratch = Vec::new();
        let (kind, text) = match value {
            Value::Str(text) if !text.is_empty() => (0, text.resolve(&mut scratch)),
            Value::Number(digits) => (1, digits),
            Value::Bool(flag) => (2 + u8::from(flag), &b""[..]),
            Value::Str(_) | Value::Null | Value::Object | Value::Array => return,
        };
        let hash = draft::dimension([name, &[kind], text]);
        self.dimensions = self.dimensions.wrapping_add(hash);
    }

    /// Reads the value at the reader. The depth is that of the map.
    fn walk<'r: 'a>(&mut self, node: &'m Node, reader: &mut Reader<'r>) {
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
                        self.scalar(node, Value::Str(Str::plain(reader.since(start).trim_ascii_start())));
                    }
                    // An amount that cannot be read must not pass for none.
                    Some(leaf) if leaf.field.is_amount() => self.scalar(node, value),
                    _ => {}
                }
            }
            Value::Null => {}
            _ => self.scalar(node, value),
        }
    }

    #[inline]
    fn scalar(&mut self, node: &'m Node, value: Value<'a>) {
        if let Value::Str(text) = value {
            if let Some(inside) = &node.inside {
                return self.texts.push((inside, text));
            }
            if says_nothing(text) {
                return;
            }
        }
        let Some(mut leaf) = node.leaf else { return };
        if leaf.field == Field::Dimension {
            return self.dimension(&leaf.rank.to_le_bytes(), value);
        }
        let (bit, place) = (1_u64 << leaf.field.index(), &mut self.values[leaf.field.index()]);
        if leaf.is_vague && value == Value::Number(b"0") {
            leaf.rank = VAGUE;
        }
        if self.fields & bit == 0 || leaf.rank < place.0.rank + u16::from(leaf.is_last) {
            self.fields |= bit;
            *place = (leaf, value);
        }
    }

    /// The draft, once the texts with JSON in them have been read as well.
    #[inline]
    fn complete(&mut self, scratches: &'a mut [Vec<u8>], map: &'a Map) -> Read<Draft<'a>> {
        if !self.texts.is_empty() {
            self.look_into_texts(scratches)?;
        }
        self.draft(map)
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
                self.walk(node, &mut reader);
                reader.finish().map_err(|error| not_json(error, inside))?;
            }
        }
        Ok(())
    }

    fn extras(&self) -> Extras<'a> {
        let mut extras: Extras<'a> = [None; Field::EXTRAS];
        for field in bits(self.fields & EXTRAS) {
            extras[field - FIRST_EXTRA] = Some(self.values[field].1);
        }
        extras
    }

    fn draft(&self, map: &'a Map) -> Read<Draft<'a>> {
        let mut draft = Draft { dimensions: self.dimensions, ..Draft::default() };
        for field in bits(self.fields & !EXTRAS) {
            let (leaf, value) = self.values[field];
            match (leaf.field, leaf.unit) {
                (field, Unit::Usual | Unit::Written) => assign(&mut draft, field, value)?,
                (field, Unit::Tens(tens)) => assign_in(&mut draft, field, value, tens)?,
            }
        }
        for constant in &map.constants {
            if self.fields & (1_u64 << constant.field().index()) == 0 {
                constant.assign(&mut draft)?;
            }
        }
        (map.finish)(&mut draft, &self.extras())?;
        if draft.foreign {
            return Ok(draft);
        }
        if draft.time.is_none() {
            let message = "is missing or empty; every record needs a time";
            return Err(Fault::new(Reason::MissingField, "timestamp", b"", message));
        }
        if draft.key.is_empty() {
            draft.key = Str::plain(NO_KEY);
        }
        Ok(draft)
    }
}

/// The last step of formats that need none.
pub fn nothing_more(_: &mut Draft<'_>, _: &Extras<'_>) -> Read<()> {
    Ok(())
}

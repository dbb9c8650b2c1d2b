//! Formats that are written down instead of programmed: a map says at which places of a JSON record its fields stand.
//!
//! A place is a JSON pointer (RFC 6901) with two additions: `*` stands for any element of a list, or any member of an
//! object that no place names, and `@json` for the JSON inside a text. Several places of one field are fall-backs:
//! the first that holds something counts; of a name that stands twice in an object, the last. One pass reads them all, and what no place leads into is skipped.

mod found;
mod layout;
mod node;

use super::carries::Fields;
use super::constant::Constant;
use super::draft::{Draft, Fault, Read};
use super::field::Field;
pub use super::field::Unit;
use crate::frame::shape::{Member, Shape};
use crate::json::{Reader, Str, Value, same};
use crate::record::Reason;
use found::Found;
pub(super) use layout::Layouts;
pub(super) use node::Names;
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
    last_step: Finish,
    besides: Option<Besides>,
    /// The member of a frame whose value a bare list stands for.
    list: Option<&'static str>,
}

/// The list at the top level of a frame whose elements are the records.
#[derive(Clone, Debug)]
struct Each {
    name: &'static str,
    element: Node,
}

impl Map {
    /// A map of these places, the best of each field first.
    pub fn new(places: &[Place<'_>], last_step: Finish) -> Self {
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
        Self { root, each: None, constants: Vec::new(), last_step, besides: None, list: None }
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

    /// The same, where a frame that is a list is read as one in which this member is that list.
    #[must_use]
    pub(super) fn or_list(self, name: &'static str) -> Self {
        Self { list: Some(name), ..self }
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

    /// Reads the records of a frame and hands them, or what is wrong with them, to `emit`. `format` is the place of its
    /// format, by which the layouts of elements are known.
    pub(super) fn decode(
        &self,
        shape: &Shape<'_>,
        (format, layouts): (usize, &mut Layouts),
        emit: super::Emit<'_>,
    ) {
        let (mut scratches, mut shared) = (Self::scratches(), Found::default());
        if let (Some(name), Some(text)) = (self.list, shape.text())
            && text.starts_with(b"[")
        {
            let mut reader = Reader::new(text);
            reader.skip();
            if let Err(error) = reader.finish() {
                return emit(Err(Fault::not_json(error, text)));
            }
            shared.named(&self.root, Str::plain(name.as_bytes()), (Value::Array, text));
            return self.finish(&mut shared, &mut scratches, emit);
        }
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
        if let Some(each) = &self.each {
            if let Some(list) = shape.member(each.name) {
                return self.elements(each, list, (format, layouts), &shared, emit);
            }
            for (name, member) in shape.members() {
                if self.root.member(Str::plain(name)).is_none() {
                    let known = each.element.member(Str::plain(name));
                    shared.of_element(known.map(|node| &**node), name, member.0.into(), member.1);
                }
            }
        }
        self.finish(&mut shared, &mut scratches, emit);
    }

    /// Room for the texts with JSON in them of one record.
    pub(super) fn scratches() -> [Vec<u8>; TEXTS_MAX] {
        [const { Vec::new() }; TEXTS_MAX]
    }

    /// Hands over what has been found of a frame that is one record.
    pub(super) fn finish<'a>(
        &'a self,
        found: &mut Found<'a>,
        scratches: &'a mut [Vec<u8>],
        emit: super::Emit<'_>,
    ) {
        let mut draft = Draft::default();
        if let Err(fault) = found.complete(scratches, self, &mut draft) {
            return emit(Err(fault));
        }
        emit(Ok(&draft));
        if let Some(besides) = self.besides
            && let Some(other) = besides(&draft, &found.extras())
        {
            emit(Ok(&other));
        }
    }

    /// Keeps the layout of a frame that is one record; `fixed` says of which of its members more than their names told
    /// the format, a bit for each.
    pub(super) fn learn(
        &self,
        shape: &Shape<'_>,
        (format, layouts): (usize, &mut Layouts),
        fixed: impl FnOnce() -> u64,
    ) {
        if self.each.is_none() && shape.is_object() && !shape.has_odd_names() {
            layouts.learn(format, shape.whole(), &self.root, fixed);
        }
    }

    fn elements<'a>(
        &'a self,
        each: &Each,
        list: Member<'a>,
        (format, layouts): (usize, &mut Layouts),
        shared: &Found<'a>,
        emit: super::Emit<'_>,
    ) {
        let (Value::Array, list) = list else {
            return emit(Err(Fault::new(Reason::BadField, each.name, list.1, "is no list of records")));
        };
        let mut reader = Reader::sound(list);
        reader.enter_array();
        let layouts = layouts.of_elements(format);
        let mut found = Found::default();
        while reader.element() {
            let element = list.get(reader.position()..).unwrap_or_default();
            if !element.starts_with(b"{") {
                let message = "is no record; an object is expected";
                emit(Err(Fault::new(Reason::BadField, each.name, reader.raw(), message)));
                continue;
            }
            let start = reader.position();
            found.begin(shared);
            if layouts.read(&mut reader, |step, reader| step.take(reader, &mut found)).is_none() {
                reader.return_to(start);
                found.begin(shared);
                found.element(&each.element, &mut reader);
                layouts.learn(|| layout::of_element(element, &each.element));
            }
            if found.texts.is_empty() {
                let mut draft = Draft::default();
                let read = found.draft(self, &mut draft);
                emit(read.map(|()| &draft));
            } else {
                let mut scratches = Self::scratches();
                self.finish(&mut found.clone(), &mut scratches, emit);
            }
        }
    }
}

/// The last step of formats that need none.
pub fn nothing_more(_: &mut Draft<'_>, _: &Extras<'_>) -> Read<()> {
    Ok(())
}

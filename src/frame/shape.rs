//! What a frame looks like from outside: enough to tell formats and wrappers apart, at one pass.

use crate::json::{Error, Reader, Value, same};
use std::cell::Cell;

/// Members beyond this many are not kept; the widest record we know (LiteLLM) has about fifty.
const MEMBERS_MAX: usize = 1024;

/// The bits of all members.
const ALL: u64 = u64::MAX;

/// The outside of one frame: its kind, and of an object the members at its top level. Everything below them is
/// checked to be JSON and left as it is written.
#[derive(Clone, Debug)]
pub struct Shape<'a> {
    text: &'a [u8],
    kind: Kind,
    members: Vec<(&'a [u8], Member<'a>)>,
    /// Some name has an escape in it.
    has_odd_names: bool,
    /// Of which members somebody has looked at more than the names, a bit for each.
    looked_into: Cell<u64>,
    /// It is no object, and somebody has found all of it to be JSON.
    is_checked: Cell<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Object,
    /// A row of a file that began with a CSV header.
    Row,
    /// Anything else.
    Text,
}

/// Members of frames that have been read, for their memory: there is one list, whose room is used again and again.
#[derive(Debug, Default)]
pub struct Room(Vec<(&'static [u8], Member<'static>)>);

impl Room {
    /// The empty list in it.
    fn take<'a>(&mut self) -> Vec<(&'a [u8], Member<'a>)> {
        std::mem::take(&mut self.0)
    }

    /// Takes the memory of a shape back.
    pub fn give_back(&mut self, shape: Shape<'_>) {
        let mut members = shape.members;
        members.clear();
        // Of an empty list only its memory is left, which `collect` keeps, whatever the members' lifetime.
        self.0 = members.into_iter().map_while(|_| None).collect();
    }
}

impl<'a> Shape<'a> {
    /// The shape of `text`; `row` says that it belongs to a file with a CSV header.
    pub fn of(text: &'a [u8], row: bool) -> Result<Self, Error> {
        Self::within(&mut Room::default(), text, row, false)
    }

    /// The same, in memory that has been used before; `sound` where the text is known to be JSON, and need not be
    /// checked again.
    pub fn within(room: &mut Room, text: &'a [u8], row: bool, sound: bool) -> Result<Self, Error> {
        if !text.starts_with(b"{") {
            let kind = if row { Kind::Row } else { Kind::Text };
            return Ok(Self {
                text,
                kind,
                members: Vec::new(),
                has_odd_names: false,
                looked_into: Cell::default(),
                is_checked: Cell::default(),
            });
        }
        let mut members = room.take();
        let mut has_odd_names = false;
        let mut reader = if sound { Reader::sound(text) } else { Reader::new(text) };
        reader.enter_object();
        while let Some(key) = reader.key() {
            let Some(member) = reader.member() else { break };
            if members.len() < MEMBERS_MAX {
                // Names with escapes in them are empty: no name that anybody looks for needs one.
                let name = key.as_plain();
                has_odd_names |= name.is_none();
                members.push((name.unwrap_or_default(), member));
            }
        }
        let (looked_into, is_checked) = (Cell::default(), Cell::default());
        let shape = Self { text, kind: Kind::Object, members, has_odd_names, looked_into, is_checked };
        if let Err(error) = reader.finish() {
            room.give_back(shape);
            return Err(error);
        }
        Ok(shape)
    }

    /// The same with members of these names besides, which hold nothing.
    #[must_use]
    pub fn with_names(&self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut shape = self.clone();
        let nothing: Member<'a> = (Value::Null, b"null");
        shape.members.extend(names.into_iter().map(|name| (name.as_bytes(), nothing)));
        shape
    }

    /// The whole frame.
    pub fn whole(&self) -> &'a [u8] {
        self.looked_into.set(ALL);
        self.text
    }

    /// Whether `part` is a stretch of this object, or of what is JSON otherwise, as it is written. If it begins like an
    /// object then, it is one and has been checked: in a text that stands there without escapes there are no quotes, and
    /// so no members.
    pub fn holds(&self, part: &[u8]) -> bool {
        let (whole, part) = (self.text.as_ptr_range(), part.as_ptr_range());
        let is_json = self.kind == Kind::Object || self.is_checked.get();
        is_json && whole.start <= part.start && part.end <= whole.end
    }

    /// Says that the whole frame, which is no object, was found to be JSON: what is inside need not be checked again.
    pub fn found_sound(&self) {
        self.is_checked.set(true);
    }

    /// The members of an object, in order; one that stands twice is there twice.
    pub fn members(&self) -> impl Iterator<Item = (&'a [u8], Member<'a>)> {
        self.looked_into.set(ALL);
        self.members.iter().copied()
    }

    /// The member of this name: the last one, where there are several.
    pub fn member(&self, name: &str) -> Option<Member<'a>> {
        let at = self.members.iter().rposition(|(known, _)| same(known, name.as_bytes()))?;
        let bit = 1_u64.checked_shl(u32::try_from(at).unwrap_or(u32::MAX)).unwrap_or(ALL);
        self.looked_into.set(self.looked_into.get() | bit);
        self.members.get(at).map(|(_, member)| *member)
    }

    /// True for an object with this key.
    pub fn has(&self, key: &str) -> bool {
        self.members.iter().any(|(known, _)| same(known, key.as_bytes()))
    }

    /// True for an object with one of these keys.
    pub fn has_any(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.has(key))
    }

    /// True for an object whose keys are all in `known`.
    pub fn has_only(&self, known: &[&str]) -> bool {
        let is_known = |key: &[u8]| known.iter().any(|known| same(known.as_bytes(), key));
        self.kind == Kind::Object && self.members.iter().all(|(key, _)| is_known(key))
    }

    /// True where a name has an escape in it.
    pub const fn has_odd_names(&self) -> bool {
        self.has_odd_names
    }

    /// True for an object with these names and no others, in this order.
    pub fn has_names(&self, names: &[Box<[u8]>]) -> bool {
        self.members.len() == names.len()
            && self.members.iter().zip(names).all(|((name, _), known)| same(name, known))
    }

    /// Whether somebody has looked at more than its kind and its names since this was asked last: then the answer
    /// may be another for a frame with the same names.
    pub fn was_looked_into(&self) -> bool {
        self.looked_into.take() != 0
    }

    /// Which of its members these were, a bit for each: all of them where it was more than some of the first
    /// sixty-four.
    pub fn looked_into(&self) -> u64 {
        self.looked_into.take()
    }

    /// True for an object whose member `name` is one of these texts.
    pub fn says(&self, name: &str, texts: &[&str]) -> bool {
        let Some((Value::Str(said), _)) = self.member(name) else { return false };
        said.as_plain().is_some_and(|said| texts.iter().any(|text| text.as_bytes() == said))
    }

    /// True for a row of a CSV file.
    pub fn is_row(&self) -> bool {
        self.kind == Kind::Row
    }

    /// True for an object.
    pub fn is_object(&self) -> bool {
        self.kind == Kind::Object
    }

    /// The text of a frame that is neither an object nor a row.
    pub fn text(&self) -> Option<&'a [u8]> {
        if self.kind == Kind::Text {
            self.looked_into.set(ALL);
        }
        (self.kind == Kind::Text).then_some(self.text)
    }
}

/// A member of an object: its value, and the value as written.
pub type Member<'a> = (Value<'a>, &'a [u8]);

/// Calls `each` with the name and value of every member of an object that stood in a frame whose shape is known.
/// Names with escapes in them are empty: no name that anybody looks for needs one.
pub fn members<'a>(text: &'a [u8], each: impl FnMut(&'a [u8], Member<'a>)) -> Result<(), Error> {
    walk(Reader::sound(text), each)
}

/// One member of such an object.
pub fn member<'a>(text: &'a [u8], name: &str) -> Result<Option<Member<'a>>, Error> {
    let mut found = None;
    members(text, |key, member| {
        if same(key, name.as_bytes()) {
            found = Some(member);
        }
    })?;
    Ok(found)
}

/// The first member of this name: for a guess, which need not look at all the others.
pub fn first_member<'a>(text: &'a [u8], name: &str) -> Option<Member<'a>> {
    let mut reader = Reader::sound(text);
    reader.enter_object();
    while let Some(key) = reader.key() {
        if key.as_plain().is_some_and(|key| same(key, name.as_bytes())) {
            return reader.member();
        }
        reader.skip();
    }
    None
}

/// One member of a text that may be an object, or anything else.
pub fn member_of_any<'a>(text: &'a [u8], name: &str) -> Result<Option<Member<'a>>, Error> {
    let mut found = None;
    walk(Reader::new(text), |key, member| {
        if same(key, name.as_bytes()) {
            found = Some(member);
        }
    })?;
    Ok(found)
}

/// The same for the object at a reader.
pub fn walk<'a>(mut reader: Reader<'a>, mut each: impl FnMut(&'a [u8], Member<'a>)) -> Result<(), Error> {
    reader.enter_object();
    while let Some(key) = reader.key() {
        if let Some(member) = reader.member() {
            each(key.as_plain().unwrap_or_default(), member);
        }
    }
    reader.finish()
}

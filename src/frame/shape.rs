//! What a frame looks like from outside: enough to tell formats and wrappers apart, at one pass.

use crate::json::{Error, Reader, Value};

/// Keys beyond this many are not looked at; the widest record we know (LiteLLM) has about fifty.
const KEYS_MAX: usize = 96;

/// The outside of one frame.
#[derive(Clone, Debug)]
pub struct Shape<'a> {
    kind: Kind<'a>,
}

#[derive(Clone, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "one lives on the stack for a moment; boxing would allocate per frame"
)]
enum Kind<'a> {
    /// A JSON object with these keys at its top level.
    Object { keys: [&'a [u8]; KEYS_MAX], count: usize },
    /// A row of a file that began with a CSV header.
    Row,
    /// Anything else.
    Text(&'a [u8]),
}

impl<'a> Shape<'a> {
    /// The shape of `text`; `row` says that it belongs to a file with a CSV header.
    pub fn of(text: &'a [u8], row: bool) -> Result<Self, Error> {
        if !text.starts_with(b"{") {
            return Ok(Self { kind: if row { Kind::Row } else { Kind::Text(text) } });
        }
        let mut keys: [&[u8]; KEYS_MAX] = [b""; KEYS_MAX];
        let mut count = 0;
        let mut reader = Reader::new(text);
        reader.enter_object();
        while let Some(key) = reader.key() {
            if let (Some(slot), Some(key)) = (keys.get_mut(count), key.as_plain()) {
                *slot = key;
                count += 1;
            }
            reader.skip();
        }
        reader.finish()?;
        Ok(Self { kind: Kind::Object { keys, count } })
    }

    /// True for an object with this key.
    pub fn has(&self, key: &str) -> bool {
        match &self.kind {
            Kind::Object { keys, count } => keys[..*count].contains(&key.as_bytes()),
            Kind::Row | Kind::Text(_) => false,
        }
    }

    /// True for an object with one of these keys.
    pub fn has_any(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.has(key))
    }

    /// True for an object whose keys are all in `known`.
    pub fn has_only(&self, known: &[&str]) -> bool {
        match &self.kind {
            Kind::Object { keys, count } => {
                keys[..*count].iter().all(|key| known.iter().any(|known| known.as_bytes() == *key))
            }
            Kind::Row | Kind::Text(_) => false,
        }
    }

    /// True for a row of a CSV file.
    pub fn is_row(&self) -> bool {
        matches!(self.kind, Kind::Row)
    }

    /// The text of a frame that is neither an object nor a row.
    pub fn text(&self) -> Option<&'a [u8]> {
        match self.kind {
            Kind::Text(text) => Some(text),
            Kind::Object { .. } | Kind::Row => None,
        }
    }
}

/// A member of an object: its value, and the value as written.
pub type Member<'a> = (Value<'a>, &'a [u8]);

/// Calls `each` with the name and value of every member of an object. Names with escapes in them are empty: no
/// name that anybody looks for needs one.
pub fn members<'a>(text: &'a [u8], mut each: impl FnMut(&'a [u8], Member<'a>)) -> Result<(), Error> {
    let mut reader = Reader::new(text);
    reader.enter_object();
    while let Some(key) = reader.key() {
        let raw = reader.raw();
        if let Some(value) = Reader::new(raw).value() {
            each(key.as_plain().unwrap_or_default(), (value, raw));
        }
    }
    reader.finish()
}

/// One member of an object.
pub fn member<'a>(text: &'a [u8], name: &str) -> Result<Option<Member<'a>>, Error> {
    let mut found = None;
    members(text, |key, member| {
        if key == name.as_bytes() {
            found = Some(member);
        }
    })?;
    Ok(found)
}

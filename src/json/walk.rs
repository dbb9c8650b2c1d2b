//! Walks over lists and objects: for those who know what is where and want all of it.

use super::{Reader, Value};

/// Calls `each` at every element of the list at the reader; it must read or skip that element. Of anything else than
/// a list nothing is told. The text has been checked to be JSON.
pub fn elements<'a>(reader: &mut Reader<'a>, mut each: impl FnMut(&mut Reader<'a>)) {
    match reader.value() {
        Some(Value::Array) => reader.enter_array(),
        Some(Value::Object) => return reader.skip(),
        _ => return,
    };
    while reader.element() {
        each(reader);
    }
}

/// The same for the members of an object.
pub fn members<'a>(reader: &mut Reader<'a>, mut each: impl FnMut(&'a [u8], &mut Reader<'a>)) {
    match reader.value() {
        Some(Value::Object) => reader.enter_object(),
        Some(Value::Array) => return reader.skip(),
        _ => return,
    };
    while let Some(name) = reader.key() {
        each(name.as_plain().unwrap_or_default(), reader);
    }
}

/// Calls `each` at every element of the lists of this name in the elements of the list at the reader.
pub fn each_in<'a>(reader: &mut Reader<'a>, name: &[u8], mut each: impl FnMut(&mut Reader<'a>)) {
    elements(reader, |scope| {
        members(scope, |member, reader| {
            if member == name {
                elements(reader, &mut each);
            } else {
                reader.skip();
            }
        });
    });
}

//! The JSON reader against `serde_json`: it takes what JSON is, nothing else, and means the same by it.

use keyhound::json::{DEPTH_MAX, Reader, Str, Value};
use serde::de::IgnoredAny;
use serde_json::{Map, Value as Tree};

/// Any bytes.
pub fn check(data: &[u8]) {
    let ours = accepts(data);
    // Strings are bytes to the reader; whether they are text is asked elsewhere.
    let Ok(text) = std::str::from_utf8(data) else { return };
    let theirs: Option<Tree> = serde_json::from_str(text).ok();
    assert!(theirs.is_none() || ours, "refused: {text}");
    // It passes over values of any depth and number of any size, but not over lone surrogates.
    let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
    assert!(is_json || !ours || text.contains("\\u"), "taken: {text}");
    assert!(ours || !is_json || depth(text) > DEPTH_MAX, "refused: {text}");
    if let Some(theirs) = theirs {
        let mut reader = Reader::new(data);
        assert_eq!(tree(&mut reader), Some(theirs));
        assert_eq!(reader.finish(), Ok(()));
    }
}

fn accepts(text: &[u8]) -> bool {
    let mut reader = Reader::new(text);
    reader.skip();
    let raw = Reader::new(text).raw();
    let accepted = reader.finish().is_ok();
    assert!(!accepted || text.trim_ascii_start().starts_with(raw), "what is skipped is what is read");
    accepted
}

/// Brackets open at once at most, those inside strings included: an upper limit of the depth.
fn depth(text: &str) -> u32 {
    let mut depth: u32 = 0;
    let mut deepest = 0;
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The value at the reader as a tree; of names that stand twice the last one counts, as with `serde_json`.
fn tree(reader: &mut Reader<'_>) -> Option<Tree> {
    Some(match reader.value()? {
        Value::Null => Tree::Null,
        Value::True => Tree::Bool(true),
        Value::False => Tree::Bool(false),
        Value::Number(digits) => serde_json::from_slice(digits).ok()?,
        Value::Str(text) => Tree::String(string(text)),
        Value::Array => {
            let mut elements = Vec::new();
            reader.enter_array();
            while reader.element() {
                elements.push(tree(reader)?);
            }
            Tree::Array(elements)
        }
        Value::Object => {
            let mut members = Map::new();
            reader.enter_object();
            while let Some(name) = reader.key() {
                members.insert(string(name), tree(reader)?);
            }
            Tree::Object(members)
        }
    })
}

fn string(text: Str<'_>) -> String {
    let mut scratch = Vec::new();
    let bytes = text.resolve(&mut scratch);
    assert!(text.as_plain().is_none_or(|plain| plain == bytes));
    String::from_utf8(bytes.to_vec()).expect("text stays text")
}

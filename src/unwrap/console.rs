//! `console`: what tools that show the output of containers and programs put before each line of it.
//!
//! Nothing but that may stand before the object: a line of a log that quotes what a client sent must not become a record
//! of ours.

use super::{Content, Scratch, Wrapper};
use crate::decode::draft::Read;
use crate::frame::shape::Shape;
use crate::time::parse as parse_time;

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "console",
    summary: "Lines with what a tool puts before them: a time (docker logs -t, kubectl logs --timestamps), name | (docker compose logs), [pod/…] (kubectl logs --prefix), LEVEL:name: (Python's logging)",
    sniff: |shape| shape.text().is_some_and(|text| object(text).is_some()),
    content: Content::Plain,
    peel,
};

/// The longest that is looked through for the end of what stands before.
const BEFORE_MAX: usize = 256;
/// The levels of Python's logging.
const LEVELS: &[&[u8]] = &[b"DEBUG", b"INFO", b"WARNING", b"ERROR", b"CRITICAL"];

fn peel(shape: &Shape<'_>, _: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    if let Some(object) = shape.text().and_then(object) {
        inner(object);
    }
    Ok(())
}

/// The object behind one of these; `None` where there is none, or something else before it.
fn object(text: &[u8]) -> Option<&[u8]> {
    let before = text.get(..text.len().min(BEFORE_MAX))?;
    let start = memchr::memchr(b'{', before).filter(|&start| start > 0)?;
    let (before, object) = text.split_at(start);
    let is_known = is_level(before) || is_time(named(before).unwrap_or(before));
    is_known.then_some(object)
}

/// What follows a name of a container.
fn named(before: &[u8]) -> Option<&[u8]> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-/".contains(byte);
    if let Some(inside) = before.strip_prefix(b"[") {
        let end = inside.iter().position(|byte| !is_name(byte))?;
        return inside[end..].strip_prefix(b"] ").filter(|_| inside.starts_with(b"pod/"));
    }
    let end = before.iter().position(|byte| !is_name(byte)).filter(|&end| end > 0)?;
    before[end..].trim_ascii_start().strip_prefix(b"| ")
}

/// Whether it is a time with a space behind it, or nothing.
fn is_time(before: &[u8]) -> bool {
    before.strip_suffix(b" ").map_or(before.is_empty(), |time| parse_time(time).is_ok())
}

/// Whether it is a level and the name of a logger.
fn is_level(before: &[u8]) -> bool {
    let mut parts = before.split(|&byte| byte == b':');
    let is_name = |name: &[u8]| name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte));
    parts.next().is_some_and(|level| LEVELS.contains(&level))
        && parts.next().is_some_and(is_name)
        && parts.next() == Some(b"")
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::super::tests::peel;

    #[test]
    fn the_object_is_inside() {
        for before in [
            "2026-06-01T09:00:00.123456789Z ",
            "gateway-1  | ",
            "gateway-1  | 2026-06-01T09:00:00.123456789Z ",
            "[pod/gateway-7d9f/app] ",
            "[pod/gateway-7d9f/app] 2026-06-01T09:00:00.123456789Z ",
            "INFO:root:",
            "WARNING:my.usage-log:",
        ] {
            let inside = vec![r#"{"a":"{"}"#.to_owned()];
            assert_eq!(peel(&format!(r#"{before}{{"a":"{{"}}"#)), Some(("console", inside)), "{before}");
        }
    }

    #[test]
    fn what_quotes_something_is_left_alone() {
        for before in [
            "could not parse ",
            "gateway-1 | could not parse ",
            "gateway 1 | ",
            "| ",
            "2026-06-01T09:00:00Z body: ",
            "soon ",
            "[x] ",
            "[pod/a b] ",
            "INFO:root:body=",
            "INFO:a b:",
            "NOTICE:root:",
            "INFO:",
            " ",
        ] {
            // Some are as programs write to syslog.
            let wrapper = peel(&format!(r#"{before}{{"a":1}}"#)).map(|(name, _)| name);
            assert_ne!(wrapper, Some("console"), "{before}");
        }
    }
}

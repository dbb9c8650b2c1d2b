//! What a line is before anybody looks inside: trimmed, text or not.

use super::draft::Fault;
use crate::json::Reader;
use crate::record::Reason;

pub(super) fn not_utf8(text: &[u8]) -> Fault {
    let message = if is_utf16(text) {
        "UTF-16 text; convert it with `iconv -f UTF-16 -t UTF-8`"
    } else if is_packed(text) {
        "compressed data that is not unpacked here; unpack it with `zcat` or `zstdcat` and pipe it in"
    } else {
        "not UTF-8 text; convert it with `iconv -t UTF-8`"
    };
    Fault::new(Reason::NotUtf8, "", text, message)
}

/// What to say of a text that no format claims, where it belongs to a JSON document.
pub(super) fn of_document(text: &[u8]) -> Option<Fault> {
    let mut reader = Reader::new(text);
    let message = match text.first()? {
        b'"' if reader.value().is_some() && reader.finish().is_ok() => {
            "a text in quotes, not what stands in it; was it taken out of JSON by `jq` without `-r`?"
        }
        b'[' | b']' | b'}' | b'"' => {
            "part of a JSON document whose beginning or end is missing; was the input cut off?"
        }
        _ => return None,
    };
    Some(Fault::new(Reason::Unrecognised, "", text, message))
}

/// Whether a text begins with the mark of UTF-16, or with Latin letters in it.
pub(super) fn is_utf16(text: &[u8]) -> bool {
    matches!(
        text,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [1..=255, 0, 1..=255, 0, ..] | [0, 1..=255, 0, 1..=255, ..]
    )
}

/// Whether a text is the start of compressed data: of a file that is followed, or packed twice.
pub(super) fn is_packed(text: &[u8]) -> bool {
    text.starts_with(b"\x1f\x8b\x08") || text.starts_with(b"\x28\xb5\x2f\xfd")
}

/// Drops the zeros that a crash leaves in a file, a byte-order mark, and white space at both ends.
pub fn trim(line: &[u8]) -> &[u8] {
    let line = match line {
        [0, ..] | [.., 0] => without_zeros(line),
        _ => line,
    };
    line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii()
}

#[cold]
fn without_zeros(line: &[u8]) -> &[u8] {
    let is_other = |byte: &u8| *byte != 0;
    let (Some(start), Some(last)) = (line.iter().position(is_other), line.iter().rposition(is_other)) else {
        return b"";
    };
    &line[start..=last]
}

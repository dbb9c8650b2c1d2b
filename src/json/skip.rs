//! Passing over a nested value: the reader's work without the reader's steps, for it is where most bytes go.

use super::scan::{closing_quote, find_special};
use super::{DEPTH_MAX, number_length};

/// Where the object or list that starts at `start` ends, if all of it is as RFC 8259 has it and no deeper than is
/// read, where `around` levels are around it. Why something is not, the reader tells: it goes over it again, step by
/// step.
pub(super) fn nested_end(text: &[u8], start: usize, around: u32) -> Option<usize> {
    let mut at = start;
    let mut depth = around;
    // One bit for each level: set for an object, clear for a list.
    let mut objects: u128 = 0;
    loop {
        // Here a value begins.
        at = match *text.get(at)? {
            b'{' => {
                (depth, objects) = deeper(depth, objects << 1 | 1)?;
                let next = space(text, at + 1);
                if *text.get(next)? != b'}' {
                    at = name(text, next)?;
                    continue;
                }
                next
            }
            b'[' => {
                (depth, objects) = deeper(depth, objects << 1)?;
                let next = space(text, at + 1);
                if *text.get(next)? != b']' {
                    at = next;
                    continue;
                }
                next
            }
            b'"' => string(text, at)?,
            b'-' | b'0'..=b'9' => at + number_length(&text[at..])?,
            b't' if text[at..].starts_with(b"true") => at + 4,
            b'f' if text[at..].starts_with(b"false") => at + 5,
            b'n' if text[at..].starts_with(b"null") => at + 4,
            _ => return None,
        };
        // Here one has ended, or a bracket closes.
        loop {
            at = space(text, at);
            let in_object = objects & 1 == 1;
            match text.get(at)? {
                b',' if in_object => {
                    at = name(text, space(text, at + 1))?;
                    break;
                }
                b',' => {
                    at = space(text, at + 1);
                    break;
                }
                b'}' if in_object => {}
                b']' if !in_object => {}
                _ => return None,
            }
            at += 1;
            depth -= 1;
            objects >>= 1;
            if depth == around {
                return Some(at);
            }
        }
    }
}

fn deeper(depth: u32, objects: u128) -> Option<(u32, u128)> {
    (depth < DEPTH_MAX).then_some((depth + 1, objects))
}

#[inline(always)]
fn space(text: &[u8], mut at: usize) -> usize {
    while let Some(byte) = text.get(at) {
        if *byte > b' ' || !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
            break;
        }
        at += 1;
    }
    at
}

/// Where the value begins of the member whose name begins at `at`.
#[inline(always)]
fn name(text: &[u8], at: usize) -> Option<usize> {
    if text.get(at) != Some(&b'"') {
        return None;
    }
    let colon = space(text, string(text, at)?);
    (text.get(colon) == Some(&b':')).then(|| space(text, colon + 1))
}

/// Where the string ends whose opening quote is at `at`.
#[inline(always)]
fn string(text: &[u8], at: usize) -> Option<usize> {
    let end = at + 1 + find_special(text.get(at + 1..)?);
    if text.get(end)? == &b'"' { Some(end + 1) } else { string_with_escapes(text, end) }
}

#[inline(never)]
fn string_with_escapes(text: &[u8], at: usize) -> Option<usize> {
    closing_quote(text, at).map(|quote| quote + 1)
}

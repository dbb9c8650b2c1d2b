//! What the formats of buckets and bills have in common: lists of results, days, and both ends of a stretch of time.

use super::draft::{self, Draft, Fault, Read};
use super::map::Extras;
use crate::frame::shape::{Shape, first_member};
use crate::json::{Reader, Str, Value};
use crate::record::Reason;
use crate::time::{DAY, Stamp};

/// The key of what a provider tells of a whole organization, without a narrower owner.
pub(super) const ORGANIZATION: &[u8] = b"organization";

/// The first record of a frame: of its `results`, or the frame itself where it is one of them with its bucket's
/// times. `None` for an empty list.
pub(super) fn first<'s, 'a>(shape: &'s Shape<'a>) -> Option<First<'s, 'a>> {
    let Some((_, list)) = shape.member("results") else { return Some(First::Frame(shape)) };
    let mut reader = Reader::sound(list);
    reader.enter_array();
    if reader.element() { list.get(reader.position()..).map(First::Result) } else { None }
}

/// The first record of a frame.
pub(super) enum First<'s, 'a> {
    /// It is the frame.
    Frame(&'s Shape<'a>),
    /// It is what the list goes on with from here.
    Result(&'a [u8]),
}

impl<'a> First<'_, 'a> {
    /// Its member of this name.
    pub(super) fn member(&self, name: &str) -> Option<Value<'a>> {
        let found = match self {
            Self::Frame(shape) => shape.member(name),
            Self::Result(raw) if raw.starts_with(b"{") => first_member(raw, name),
            Self::Result(_) => None,
        };
        found.map(|(value, _)| value)
    }

    /// Whether it has a member of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.member(name).is_some()
    }
}

/// Whether a bucket that begins like this, up to its first result, may be given out as several, each with some of the
/// results: its times stand before them, and no other list that would be told again.
pub fn may_be_parted(start: &[u8]) -> bool {
    let whole = [start, b"]}"].concat();
    let Ok(shape) = Shape::of(&whole, false) else { return false };
    let is_dated = [["start_time", "end_time"], ["starting_at", "ending_at"]]
        .iter()
        .any(|ends| ends.iter().all(|end| shape.has(end)));
    let lists = shape.members().filter(|(_, (value, _))| *value == Value::Array).count();
    is_dated && lists == 1 && shape.members().last().is_some_and(|(name, _)| name == b"results")
}

/// The plain text of a value; empty for anything else.
pub(super) fn plain(value: Option<Value<'_>>) -> &[u8] {
    match value {
        Some(Value::Str(text)) => text.as_plain().unwrap_or_default(),
        _ => b"",
    }
}

/// Whether one of these numbers is there and not nought.
pub(super) fn any_of(
    extras: &Extras<'_>,
    numbers: std::ops::Range<usize>,
    field: &'static str,
) -> Read<bool> {
    for value in extras[numbers].iter().flatten() {
        if draft::count(field, *value)?.or_zero() > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Checks that the bucket says from when to when.
pub(super) fn check_times(draft: &Draft<'_>, start: &'static str, end: &'static str) -> Read<()> {
    let missing = if draft.time.is_none() {
        start
    } else if draft.end.is_none() {
        end
    } else {
        return Ok(());
    };
    let message = "is missing; keep the times of the bucket beside each of its results";
    Err(Fault::new(Reason::MissingField, missing, b"", message))
}

/// Makes the draft tell of the day that `value` names: `2026-06-01`, whole days being in UTC.
pub(super) fn set_day(draft: &mut Draft<'_>, field: &'static str, value: Option<Value<'_>>) -> Read<()> {
    let Some(value) = value else {
        return Err(Fault::new(Reason::MissingField, field, b"", "is missing; the day is expected"));
    };
    let text = plain(Some(value));
    let start = if text.len() == 10 {
        let mut midnight = *b"0000-00-00T00:00:00Z";
        midnight[..10].copy_from_slice(text);
        draft::time(field, Value::Str(Str::plain(&midnight)))?
    } else {
        draft::time(field, value)?
    };
    draft.time = start;
    draft.end = start.map(|start| Stamp::utc(start.at.plus(DAY)));
    Ok(())
}

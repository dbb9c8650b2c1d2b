//! `canonical`: one JSON object per line with the seed's field names and our additions.
//!
//! Only `timestamp` and `api_key_prefix` must be there. Unknown fields are skipped, any order is read, and where
//! a field stands twice the last one counts. The fields are documented in `docs/record.md`.

use super::carries::Counts;
use super::draft::{Draft, Fault, Read};
use super::field::{Field, NAMES, all, assign, field};
use super::{Emit, Format, Frame, How};
use crate::frame::shape::Shape;
use crate::json::{Reader, Str, Value, plain_length, small_count, small_nano};
use crate::money::NanoUsd;
use crate::record::{Count, Reason};
use crate::time::parse as parse_time;

/// Its name.
pub(super) const NAME: &str = "canonical";

pub(super) fn format() -> Format {
    let summary =
        "keyhound's own: JSON Lines with timestamp, api_key_prefix, model, input_tokens, output_tokens, …";
    Format::new(NAME, summary, claims, How::By(decode))
        .carrying(&all())
        .counting(&[Counts::Requests, Counts::Buckets])
        .told_by(&["timestamp", "api_key_prefix"])
        .reading(NAMES)
}

fn decode(_: &Frame<'_>, shape: &Shape<'_>, emit: Emit<'_>) {
    if shape.is_object() {
        emit(Reading::of(shape).record());
    } else {
        let error = Reader::new(shape.whole()).not_an_object();
        emit(Err(Fault::not_json(error, shape.whole())));
    }
}

/// True where a frame is of this format for certain.
pub(super) fn claims(shape: &Shape<'_>) -> bool {
    if shape.has_odd_names() {
        return Reading::of(shape).claims();
    }
    shape.has("timestamp") && (shape.has("api_key_prefix") || shape.has("api_key"))
}

/// Reads a text behind its opening quote if it has the form it nearly always has: its length, without quotes.
#[inline(always)]
pub(super) fn take_text<'a>(draft: &mut Draft<'a>, field: Field, text: &'a [u8]) -> Option<usize> {
    let length = plain_length(text)?;
    take_unescaped(draft, field, text.get(..length)?).map(|()| length)
}

/// Reads the cell of a table, which may be a text or a number.
#[inline]
pub(super) fn take_cell<'a>(draft: &mut Draft<'a>, field: Field, cell: &'a [u8]) -> Option<()> {
    take_plain(draft, field, cell)
        .or_else(|| take_number(draft, field, cell).filter(|length| *length == cell.len()).map(|_| ()))
}

#[inline(always)]
fn take_plain<'a>(draft: &mut Draft<'a>, field: Field, text: &'a [u8]) -> Option<()> {
    take(draft, field, text, Str::plain(text))
}

/// Reads a text that stands between quotes and has no escapes.
#[inline(always)]
pub(super) fn take_unescaped<'a>(draft: &mut Draft<'a>, field: Field, text: &'a [u8]) -> Option<()> {
    take(draft, field, text, Str::unescaped(text))
}

#[inline(always)]
fn take<'a>(draft: &mut Draft<'a>, field: Field, text: &'a [u8], value: Str<'a>) -> Option<()> {
    match field {
        Field::Time => draft.time = Some(parse_time(text).ok()?),
        Field::Key => draft.key = value,
        Field::KeyAlias => draft.key_alias = value,
        Field::Model => draft.model = value,
        Field::Endpoint => draft.endpoint = value,
        Field::SourceIp => draft.source_ip = value,
        Field::UserAgent => draft.user_agent = value,
        Field::RequestId => draft.request_id = value,
        _ => return None,
    }
    Some(())
}

/// Reads the number at the start of a text; its length.
#[inline(always)]
pub(super) fn take_number(draft: &mut Draft<'_>, field: Field, text: &[u8]) -> Option<usize> {
    if field == Field::Cost {
        let (nano, length) = small_nano(text)?;
        draft.cost = Some(NanoUsd::from_record(nano)?);
        return Some(length);
    }
    let (count, length) = small_count(text)?;
    match field {
        Field::InputTokens => draft.input_total = Count::of(count),
        Field::OutputTokens => draft.tokens.output = Count::of(count),
        Field::CacheRead => draft.tokens.cache_read = Count::of(count),
        Field::Status => draft.status = u16::try_from(count).ok().filter(|code| *code <= 999)?,
        _ => return None,
    }
    // More than a record may carry is told in the general way.
    (count <= Count::MAX).then_some(length)
}

/// A record read at one pass, whatever the order of its fields; `None` where it is not of this format, or not all of it is as
/// it usually is: then it is read in the general way, which tells what is wrong.
pub(super) fn in_any_order(text: &[u8], sound: bool) -> Option<Draft<'_>> {
    let (mut draft, mut seen) = (Draft::default(), 0_u64);
    let mut reader = if sound { Reader::sound(text) } else { Reader::new(text) };
    reader.enter_object();
    let mut left = USUAL_MEMBERS_MAX;
    while let Some(name) = reader.key() {
        left = left.checked_sub(1)?;
        let Some(field) = field(name.as_plain()?) else {
            reader.skip();
            continue;
        };
        // Of a field that stands twice, or under two names, the general way knows which counts.
        let bit = 1 << field.index();
        if seen & bit != 0 {
            return None;
        }
        seen |= bit;
        match reader.member()?.1 {
            [b'"', text @ ..] => drop(take_text(&mut draft, field, text)?),
            // Nothing tells nothing.
            b"null" => {}
            raw => drop(take_number(&mut draft, field, raw)?),
        }
    }
    reader.finish().ok()?;
    let needed = 1 << Field::Time.index() | 1 << Field::Key.index();
    (seen & needed == needed).then_some(draft)
}

/// Records of more members are read in the general way.
const USUAL_MEMBERS_MAX: u32 = 256;

/// A frame read to its end, whether or not it is of this format.
#[derive(Default)]
pub(super) struct Reading<'a> {
    draft: Draft<'a>,
    /// The first field that could not be read.
    fault: Option<Fault>,
    time_seen: bool,
    key_seen: bool,
    /// The name under which a field that has two was told last.
    key_told_by: &'a [u8],
    cache_read_told_by: &'a [u8],
    /// How many of our own fields stood in the frame.
    ours: u32,
}

impl<'a> Reading<'a> {
    /// What the members of a frame say.
    pub(super) fn of(shape: &Shape<'a>) -> Self {
        let mut reading = Self::default();
        if shape.has_odd_names() {
            reading.read(shape.whole());
        } else {
            for (name, (value, raw)) in shape.members() {
                if let Some(field) = field(name) {
                    reading.see(field);
                    if reading.is_told_by_another(field, name, value) {
                        continue;
                    }
                    let draft = &mut reading.draft;
                    let taken = match raw {
                        [b'"', text @ ..] => take_text(draft, field, text),
                        _ => take_number(draft, field, raw),
                    };
                    if taken.is_none() {
                        reading.assign(field, value);
                    }
                }
            }
        }
        reading
    }

    /// Reads a frame whose names have escapes in them.
    #[cold]
    fn read(&mut self, text: &'a [u8]) {
        let mut reader = Reader::new(text);
        let mut scratch = Vec::new();
        reader.enter_object();
        while let Some(key) = reader.key() {
            let field = field(key.resolve(&mut scratch));
            let Some((value, _)) = reader.member() else { return };
            if let Some(field) = field {
                self.see(field);
                self.assign(field, value);
            }
        }
    }

    fn see(&mut self, field: Field) {
        self.time_seen |= field == Field::Time;
        self.key_seen |= field == Field::Key;
        self.ours += u32::from(field != Field::Model);
    }

    /// Whether a value tells nothing of a field that has another name, too, under which something was told.
    fn is_told_by_another(&mut self, field: Field, name: &'a [u8], value: Value<'a>) -> bool {
        let told_by = match field {
            Field::Key => &mut self.key_told_by,
            Field::CacheRead => &mut self.cache_read_told_by,
            _ => return false,
        };
        if !matches!(value, Value::Null) && value != Value::Str(Str::default()) {
            *told_by = name;
        }
        !told_by.is_empty() && *told_by != name
    }

    fn assign(&mut self, field: Field, value: Value<'a>) {
        if let Err(fault) = assign(&mut self.draft, field, value) {
            self.fault.get_or_insert(fault);
        }
    }

    /// True where every field could be read.
    pub(super) fn is_sound(&self) -> bool {
        self.fault.is_none()
    }

    /// True where the frame is of this format for certain.
    fn claims(&self) -> bool {
        self.time_seen && self.key_seen
    }

    /// True where the frame was probably meant to be of this format: something necessary is missing.
    pub(super) fn near_miss(&self) -> bool {
        self.key_seen || self.ours >= 4
    }

    /// The record, or what is wrong with it.
    pub(super) fn record(&mut self) -> Read<&Draft<'a>> {
        self.fault.take().map_or(Ok(()), Err)?;
        complete(&self.draft)?;
        Ok(&self.draft)
    }
}

/// Checks that the necessary fields are there.
pub(super) fn complete(draft: &Draft<'_>) -> Read<()> {
    let missing = |field, message: &'static str| Err(Fault::new(Reason::MissingField, field, b"", message));
    if draft.time.is_none() {
        return missing("timestamp", "is missing or empty; every record needs a time");
    }
    if draft.key.is_empty() {
        return missing(
            "api_key_prefix",
            "is missing or empty; every record needs a key (its last four characters do)",
        );
    }
    Ok(())
}

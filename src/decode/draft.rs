//! What a format reads out of a frame, still in the frame's own words, and why it could not.

use super::excerpt::Excerpt;
use crate::json::{Decimal, NumberError, Str, Value};
use crate::key::KeyId;
use crate::money::NanoUsd;
use crate::normalise::{Media, Tier};
use crate::record::{Count, Kind, Part, Reason, Tokens};
use crate::time::{Stamp, parse as parse_time};
use std::borrow::Cow;

/// A record as its format spells it. `normalise` makes a `UsageRecord` of it.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Draft<'a> {
    /// Event time.
    pub time: Option<Stamp>,
    /// The key field: a masked key, its hash, or the key itself.
    pub key: Str<'a>,
    /// The key's fingerprint, where that is all that is told.
    pub key_id: Option<KeyId>,
    /// A name given to the key by its owner.
    pub key_alias: Str<'a>,
    /// Model as written.
    pub model: Str<'a>,
    /// Path or operation.
    pub endpoint: Str<'a>,
    /// Client address as written.
    pub source_ip: Str<'a>,
    /// Client software.
    pub user_agent: Str<'a>,
    /// Identifier of the request.
    pub request_id: Str<'a>,
    /// Token counts by class.
    pub tokens: Tokens,
    /// What of them was sound or pictures.
    pub media: Media,
    /// All input tokens, where the format gives the sum instead of the uncached part.
    pub input_total: Count,
    /// How many requests the record stands for; absent is one, and of a bucket unknown.
    pub requests: Count,
    /// HTTP status.
    pub status: u16,
    /// What the record says it cost.
    pub cost: Option<NanoUsd>,
    /// True where a cost of zero is meant (a cache hit, a failure), false where it means "not computed".
    pub zero_is_meant: bool,
    /// How the request was bought.
    pub tier: Tier,
    /// Whether it took the long-context price, where the record tells: of a bucket, its sum does not.
    pub long_context: Option<bool>,
    /// Some of it has a price that is not per token of the usual classes: what is computed is too little.
    pub priced_in_part: bool,
    /// Which part of a request it tells.
    pub part: Part,
    /// What it counts.
    pub kind: Kind,
    /// Where the stretch of time ends that a bucket or an invoice tells of.
    pub end: Option<Stamp>,
    /// Fingerprint of what a bucket is about, besides its stretch of time: a bucket with the same one replaces it.
    pub dimensions: u64,
    /// A counter since some start, told again and again: `end` moves on while the bucket stays the same.
    pub cumulative: bool,
    /// It is no record of the use of a model: such logs hold other things too.
    pub foreign: bool,
}

impl Default for Draft<'_> {
    #[inline]
    fn default() -> Self {
        Self {
            time: None,
            key: Str::default(),
            key_id: None,
            key_alias: Str::default(),
            model: Str::default(),
            endpoint: Str::default(),
            source_ip: Str::default(),
            user_agent: Str::default(),
            request_id: Str::default(),
            tokens: Tokens::default(),
            media: Media::default(),
            input_total: Count::ABSENT,
            requests: Count::ABSENT,
            status: 200,
            cost: None,
            zero_is_meant: false,
            tier: Tier::Standard,
            long_context: None,
            priced_in_part: false,
            part: Part::Whole,
            kind: Kind::Request,
            end: None,
            dimensions: 0,
            cumulative: false,
            foreign: false,
        }
    }
}

/// Why a frame or a field is no record: place, value and what to do. One word wide, so that the way without
/// faults stays narrow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault(Box<FaultParts>);

/// What a [`Fault`] says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FaultParts {
    /// The kind of fault.
    pub reason: Reason,
    /// The field at fault; empty where it is the whole frame.
    pub field: &'static str,
    /// Its value as written. May hold a secret: it is cleaned before it goes anywhere.
    pub value: Excerpt,
    /// What is wrong and what to do.
    pub message: Cow<'static, str>,
    /// What else is wrong with the same frame.
    others: Vec<Fault>,
    /// How many there are besides, of the same kind.
    further: usize,
}

/// The status of a request whose client hung up before the answer was whole: nginx's number for it.
pub const HUNG_UP: u16 = 499;

/// Faults of one frame that are kept; it may have a million, and of those over the limit only the kind is.
const OTHERS_MAX: usize = 1024;
/// Longest excerpt of a value.
const EXCERPT_MAX: usize = 200;
/// Longest excerpt of what stands at the place of a mistake.
const NEAR_MAX: usize = 24;

impl Fault {
    /// A fault in `field` with this value.
    #[cold]
    pub fn new(
        reason: Reason,
        field: &'static str,
        value: &[u8],
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let value = Excerpt::new(value, 0, EXCERPT_MAX);
        Self(Box::new(FaultParts {
            reason,
            field,
            value,
            message: message.into(),
            others: Vec::new(),
            further: 0,
        }))
    }

    /// A fault at one place of a text.
    #[cold]
    pub fn at(reason: Reason, field: &'static str, text: &[u8], place: usize, message: String) -> Self {
        let value = Excerpt::new(text, place, NEAR_MAX);
        let mut fault = Self::new(reason, field, b"", message);
        fault.0.value = value;
        fault
    }

    /// Takes in another fault of the same frame, and those that it has taken in.
    #[cold]
    pub fn add(&mut self, other: Self) {
        for fault in other.each() {
            if self.0.others.len() < OTHERS_MAX {
                self.0.others.push(fault);
            } else {
                self.0.further += 1;
            }
        }
    }

    /// This fault and those it has taken in.
    pub fn each(mut self) -> impl Iterator<Item = Self> {
        let (others, further) = (std::mem::take(&mut self.0.others), std::mem::take(&mut self.0.further));
        let (reason, field) = (self.0.reason, self.0.field);
        let like_them = move |_| Self::new(reason, field, b"", "as those before it");
        std::iter::once(self).chain(others).chain((0..further).map(like_them))
    }

    /// Whether it is of this kind.
    pub fn is(&self, reason: Reason) -> bool {
        self.0.reason == reason
    }

    /// What it says.
    pub fn into_parts(self) -> FaultParts {
        *self.0
    }

    /// A frame that starts like JSON but is not.
    #[cold]
    pub fn not_json(error: crate::json::Error, text: &[u8]) -> Self {
        let (before, near) = text.split_at(error.at.min(text.len()));
        let advice = match near {
            _ if error.what == crate::json::TOO_DEEP => {
                "no usage record is; one JSON object per line is expected"
            }
            [] => {
                "the line ends too early; is it cut off, or JSON over several lines that something interrupts?"
            }
            [b'N', b'a', b'N', ..] | [b'I', b'n', b'f', ..] => "JSON has no NaN or Infinity; write null",
            [b'\'', ..] => "JSON strings take double quotes",
            [b','] => "is this a list over several lines? `jq -c '.[]'` writes one record per line",
            [b',', ..] if before.ends_with(b"}") => {
                "a list without its brackets? write `[` before and `]` behind it"
            }
            [b'}' | b']', ..] if before.trim_ascii_end().ends_with(b",") => {
                "the comma before it has nothing behind it; leave it out"
            }
            [b'{', ..] if before.contains(&b'\r') => {
                "lines that end in a carriage return alone; convert them with `tr '\\r' '\\n'`"
            }
            [b'{', ..] => "one JSON object per line is expected; `jq -c .` separates them",
            [b'/' | b'#', ..] => "JSON has no comments; one JSON object per line is expected",
            _ => "one JSON object per line is expected",
        };
        Self::at(Reason::NotJson, "", text, error.at, format!("{error}: {advice}"))
    }

    #[cold]
    fn wrong_type(field: &'static str, value: Value<'_>, wanted: &'static str) -> Self {
        let (kind, text) = match value {
            Value::Null => ("null", &b""[..]),
            Value::True | Value::False => ("a boolean", &b""[..]),
            Value::Number(text) => ("a number", text),
            Value::Str(text) => ("a text", text.as_plain().unwrap_or(b"")),
            Value::Object => ("an object", &b""[..]),
            Value::Array => ("a list", &b""[..]),
        };
        Self::new(Reason::BadField, field, text, format!("is {kind}; {wanted} is expected"))
    }
}

/// The result of reading one field.
pub type Read<T> = Result<T, Fault>;

/// A text field; `null` is no text.
#[inline]
pub fn text<'a>(field: &'static str, value: Value<'a>) -> Read<Str<'a>> {
    match value {
        Value::Str(text) => Ok(text),
        Value::Null => Ok(Str::default()),
        Value::Number(number) => Ok(Str::plain(number)),
        other => Err(Fault::wrong_type(field, other, "a text")),
    }
}

/// A count; `null` and `""` are absent, texts of digits are counts.
#[inline]
pub fn count(field: &'static str, value: Value<'_>) -> Read<Count> {
    let Some(digits) = number_text(field, value)? else { return Ok(Count::ABSENT) };
    if let Some(small) = small_count(digits) {
        return Ok(Count::of(small));
    }
    let whole = Decimal::parse(digits).and_then(|number| number.whole(Count::MAX));
    whole.map(Count::of).map_err(|error| {
        let advice = match error {
            NumberError::TooLarge => "a record may carry 10^12 at most",
            _ => "a whole number from 0 is expected, without separators",
        };
        Fault::new(Reason::BadNumber, field, digits, format!("{error}; {advice}"))
    })
}

/// A count in units of 10^`tens`, to the nearest whole one.
pub fn count_in(field: &'static str, value: Value<'_>, tens: i8) -> Read<Count> {
    let Some(digits) = number_text(field, value)? else { return Ok(Count::ABSENT) };
    let max = i64::try_from(Count::MAX).unwrap_or(i64::MAX);
    let whole = Decimal::parse(digits).and_then(|number| number.scaled(tens.into(), max));
    whole.map(|whole| Count::of(whole.unsigned_abs())).map_err(|error| {
        let message = format!("{error}; a number from 0 to 10^12 in all is expected");
        Fault::new(Reason::BadNumber, field, digits, message)
    })
}

/// Up to nine digits and nothing else: what counts nearly always are.
#[inline]
fn small_count(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit <= 9).then(|| number * 10 + u64::from(digit))
    })
}

/// An amount of dollars; `null` and `""` are absent. May be below zero: bills have credits, and of a request the
/// amount is dropped later and not the whole record.
pub fn cost(field: &'static str, value: Value<'_>) -> Read<Option<NanoUsd>> {
    money(field, value, NanoUsd::parse_signed)
}

/// The same in units of 10^-`digits` dollars.
pub fn cost_in(field: &'static str, value: Value<'_>, digits: i32) -> Read<Option<NanoUsd>> {
    money(field, value, |text| NanoUsd::parse_parts(text, digits))
}

fn money(
    field: &'static str,
    value: Value<'_>,
    parse: impl Fn(&[u8]) -> Result<NanoUsd, NumberError>,
) -> Read<Option<NanoUsd>> {
    let Some(digits) = number_text(field, value)? else { return Ok(None) };
    parse(digits).map(Some).map_err(|error| {
        let advice = match error {
            NumberError::TooLarge => "one record may cost a million dollars at most; is the unit right?",
            _ => "a decimal number of US dollars is expected",
        };
        Fault::new(Reason::BadCost, field, digits, format!("{error}; {advice}"))
    })
}

/// An HTTP status; absent is 200.
pub fn status(field: &'static str, value: Value<'_>) -> Read<u16> {
    let code = count(field, value)?.get().unwrap_or(200);
    if let Ok(code @ 0..=999) = u16::try_from(code) {
        Ok(code)
    } else {
        let shown = code.to_string();
        Err(Fault::new(Reason::BadNumber, field, shown.as_bytes(), "an HTTP status has three digits"))
    }
}

/// A time; `null` and `""` are absent.
#[inline]
pub fn time(field: &'static str, value: Value<'_>) -> Read<Option<Stamp>> {
    let written = match value {
        Value::Str(text) => text,
        Value::Number(digits) => Str::plain(digits),
        Value::Null => return Ok(None),
        other => return Err(Fault::wrong_type(field, other, "a time")),
    };
    let mut scratch = Vec::new();
    let bytes = written.resolve(&mut scratch);
    if let Ok(stamp) = parse_time(bytes) {
        return Ok(Some(stamp));
    }
    match parse_time(bytes.trim_ascii()) {
        Ok(stamp) => Ok(Some(stamp)),
        Err(_) if bytes.trim_ascii().is_empty() => Ok(None),
        Err(error) => Err(Fault::new(Reason::BadTime, field, bytes, error.to_string())),
    }
}

/// The digits of a number or of a text that stands for one; `None` where there is nothing.
#[inline]
fn number_text<'a>(field: &'static str, value: Value<'a>) -> Read<Option<&'a [u8]>> {
    match value {
        Value::Number(digits) => Ok(Some(digits)),
        Value::Null => Ok(None),
        Value::Str(text) => match text.as_plain().map(<[u8]>::trim_ascii) {
            Some([]) => Ok(None),
            Some(digits) => Ok(Some(digits)),
            None => Err(Fault::wrong_type(field, value, "a number")),
        },
        other => Err(Fault::wrong_type(field, other, "a number")),
    }
}

/// The fingerprint of one dimension of a bucket, its name and what it says: those of a bucket are added up, so that their
/// order does not matter. The same on every machine.
///
/// Words are multiplied into what came before, as in wyhash: for texts this short, whose number is that of all texts in a
/// page of buckets, general hashes take longer than all the reading.
#[inline]
pub fn dimension<const N: usize>(parts: [&[u8]; N]) -> u64 {
    parts.into_iter().fold(0x2d35_8dcc_aa6c_78a5, |state, part| {
        let (words, rest) = part.as_chunks::<8>();
        let state = words.iter().fold(state, |state, word| mixed(state, u64::from_le_bytes(*word)));
        let last = rest.iter().fold(part.len() as u64, |word, &byte| word << 8 | u64::from(byte));
        mixed(state, last)
    })
}

/// One more word; nought times anything would forget what came before.
#[inline]
fn mixed(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word) * 0x8bb8_4b93_962e_acc9;
    #[allow(clippy::cast_possible_truncation, reason = "both halves are used")]
    let folded = product as u64 ^ (product >> 64) as u64;
    folded.wrapping_add(state.rotate_left(29))
}

#[cfg(test)]
mod tests {
    use super::dimension;

    #[test]
    fn dimensions_differ_by_every_bit_and_border() {
        let mut seen = vec![dimension([&[0; 8]]), dimension([&[0; 16]])];
        for length in 0..40 {
            let text = vec![b'a'; length];
            seen.push(dimension([&text]));
            for bit in 0..length * 8 {
                let mut other = text.clone();
                other[bit / 8] ^= 1 << (bit % 8);
                seen.push(dimension([&other]));
            }
            seen.extend((0..length).map(|border| dimension([&text[..border], &text[border..]])));
        }
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), all);
    }
}

//! OTLP as protobuf, which is what SDKs and collectors post unless they are told otherwise, written as OTLP's JSON, which is
//! what the rest reads.
//!
//! A table says what the fields of a message are called. Nothing is built in memory between the two: a message of two
//! bytes would be hundreds there. What the tables do not name is passed over, as protobuf wants it.

use std::fmt::Write as _;

/// What is exported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// `/v1/logs`
    Logs,
    /// `/v1/traces`
    Traces,
    /// `/v1/metrics`
    Metrics,
}

/// Bytes that are no such message.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Malformed {
    /// They break the rules of protobuf.
    #[error("is no protobuf of OTLP: {0} at byte {1}")]
    Protobuf(&'static str, usize),
    /// Deeper than anybody writes.
    #[error("is nested deeper than {DEPTH_MAX} messages")]
    Deep,
    /// As JSON it is longer than allowed.
    #[error("is longer than {0} bytes as JSON")]
    Long(usize),
}

/// How deep messages may stand in each other.
const DEPTH_MAX: usize = 64;

/// A field of a message.
struct Field {
    number: u64,
    name: &'static str,
    is: Is,
    /// There may be many of it.
    many: bool,
}

/// What a field holds.
enum Is {
    Message(&'static [Field]),
    Text,
    /// Bytes that are written in hexadecimal: identifiers.
    Hex,
    /// Bytes that are written in base64.
    Base64,
    /// A number of 64 bits, which JSON has as a text.
    Signed,
    /// The same in eight bytes.
    Fixed,
    /// The same with a sign.
    FixedSigned,
    /// A number of at most 32 bits.
    Small,
    Flag,
    Double,
}

const fn one(number: u64, name: &'static str, is: Is) -> Field {
    Field { number, name, is, many: false }
}

const fn many(number: u64, name: &'static str, is: &'static [Field]) -> Field {
    Field { number, name, is: Is::Message(is), many: true }
}

static LOGS: [Field; 1] = [many(1, "resourceLogs", &RESOURCE_LOGS)];
static RESOURCE_LOGS: [Field; 2] =
    [one(1, "resource", Is::Message(&RESOURCE)), many(2, "scopeLogs", &SCOPE_LOGS)];
static SCOPE_LOGS: [Field; 2] = [one(1, "scope", Is::Message(&SCOPE)), many(2, "logRecords", &LOG_RECORD)];
static LOG_RECORD: [Field; 9] = [
    one(1, "timeUnixNano", Is::Fixed),
    one(11, "observedTimeUnixNano", Is::Fixed),
    one(2, "severityNumber", Is::Small),
    one(3, "severityText", Is::Text),
    one(5, "body", Is::Message(&ANY)),
    many(6, "attributes", &PAIR),
    one(9, "traceId", Is::Hex),
    one(10, "spanId", Is::Hex),
    one(12, "eventName", Is::Text),
];
static TRACES: [Field; 1] = [many(1, "resourceSpans", &RESOURCE_SPANS)];
static RESOURCE_SPANS: [Field; 2] =
    [one(1, "resource", Is::Message(&RESOURCE)), many(2, "scopeSpans", &SCOPE_SPANS)];
static SCOPE_SPANS: [Field; 2] = [one(1, "scope", Is::Message(&SCOPE)), many(2, "spans", &SPAN)];
static SPAN: [Field; 10] = [
    one(1, "traceId", Is::Hex),
    one(2, "spanId", Is::Hex),
    one(4, "parentSpanId", Is::Hex),
    one(5, "name", Is::Text),
    one(6, "kind", Is::Small),
    one(7, "startTimeUnixNano", Is::Fixed),
    one(8, "endTimeUnixNano", Is::Fixed),
    many(9, "attributes", &PAIR),
    many(11, "events", &SPAN_EVENT),
    one(15, "status", Is::Message(&STATUS)),
];
static SPAN_EVENT: [Field; 3] =
    [one(1, "timeUnixNano", Is::Fixed), one(2, "name", Is::Text), many(3, "attributes", &PAIR)];
static STATUS: [Field; 2] = [one(2, "message", Is::Text), one(3, "code", Is::Small)];
static METRICS: [Field; 1] = [many(1, "resourceMetrics", &RESOURCE_METRICS)];
static RESOURCE_METRICS: [Field; 2] =
    [one(1, "resource", Is::Message(&RESOURCE)), many(2, "scopeMetrics", &SCOPE_METRICS)];
static SCOPE_METRICS: [Field; 2] = [one(1, "scope", Is::Message(&SCOPE)), many(2, "metrics", &METRIC)];
static METRIC: [Field; 6] = [
    one(1, "name", Is::Text),
    one(3, "unit", Is::Text),
    one(5, "gauge", Is::Message(&NUMBERS)),
    one(7, "sum", Is::Message(&NUMBERS)),
    one(9, "histogram", Is::Message(&HISTOGRAM)),
    one(10, "exponentialHistogram", Is::Message(&EXPONENTIAL)),
];
static NUMBERS: [Field; 3] = [
    many(1, "dataPoints", &NUMBER),
    one(2, "aggregationTemporality", Is::Small),
    one(3, "isMonotonic", Is::Flag),
];
static NUMBER: [Field; 5] = [
    many(7, "attributes", &PAIR),
    one(2, "startTimeUnixNano", Is::Fixed),
    one(3, "timeUnixNano", Is::Fixed),
    one(4, "asDouble", Is::Double),
    one(6, "asInt", Is::FixedSigned),
];
static HISTOGRAM: [Field; 2] =
    [many(1, "dataPoints", &HISTOGRAM_POINT), one(2, "aggregationTemporality", Is::Small)];
static HISTOGRAM_POINT: [Field; 5] = [
    many(9, "attributes", &PAIR),
    one(2, "startTimeUnixNano", Is::Fixed),
    one(3, "timeUnixNano", Is::Fixed),
    one(4, "count", Is::Fixed),
    one(5, "sum", Is::Double),
];
static EXPONENTIAL: [Field; 2] =
    [many(1, "dataPoints", &EXPONENTIAL_POINT), one(2, "aggregationTemporality", Is::Small)];
static EXPONENTIAL_POINT: [Field; 5] = [
    many(1, "attributes", &PAIR),
    one(2, "startTimeUnixNano", Is::Fixed),
    one(3, "timeUnixNano", Is::Fixed),
    one(4, "count", Is::Fixed),
    one(5, "sum", Is::Double),
];
static RESOURCE: [Field; 1] = [many(1, "attributes", &PAIR)];
static SCOPE: [Field; 3] =
    [one(1, "name", Is::Text), one(2, "version", Is::Text), many(3, "attributes", &PAIR)];
static PAIR: [Field; 2] = [one(1, "key", Is::Text), one(2, "value", Is::Message(&ANY))];
static ANY: [Field; 7] = [
    one(1, "stringValue", Is::Text),
    one(2, "boolValue", Is::Flag),
    one(3, "intValue", Is::Signed),
    one(4, "doubleValue", Is::Double),
    one(5, "arrayValue", Is::Message(&ARRAY)),
    one(6, "kvlistValue", Is::Message(&LIST)),
    one(7, "bytesValue", Is::Base64),
];
static ARRAY: [Field; 1] = [many(1, "values", &ANY)];
static LIST: [Field; 1] = [many(1, "values", &PAIR)];

/// A request in protobuf as one in JSON, of at most `bytes_max` bytes.
pub fn otlp(signal: Signal, bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, Malformed> {
    let fields: &[Field] = match signal {
        Signal::Logs => &LOGS,
        Signal::Traces => &TRACES,
        Signal::Metrics => &METRICS,
    };
    let mut out = Output { text: String::with_capacity(bytes.len().min(bytes_max) * 2), bytes_max };
    out.message(fields, bytes, 0, 0)?;
    Ok(out.text.into_bytes())
}

struct Output {
    text: String,
    bytes_max: usize,
}

/// A value as it stands in a message.
#[derive(Clone, Copy)]
enum Wire<'a> {
    Number(u64),
    Eight([u8; 8]),
    Four,
    Bytes(&'a [u8], usize),
}

/// Goes through the fields of a message that begins at `at`.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    fn number(&mut self) -> Result<u64, Malformed> {
        let (mut value, start) = (0_u64, self.at);
        for shift in (0..64).step_by(7) {
            let Some((&byte, rest)) = self.bytes.split_first() else { break };
            (self.bytes, self.at) = (rest, self.at + 1);
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed::Protobuf("a number without an end", start))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(length).ok().filter(|length| *length <= self.bytes.len());
        let length = length.ok_or(Malformed::Protobuf("it ends too early", self.at))?;
        let (taken, rest) = self.bytes.split_at(length);
        (self.bytes, self.at) = (rest, self.at + length);
        Ok(taken)
    }

    /// The next field: its number and value.
    fn next(&mut self) -> Result<Option<(u64, Wire<'a>)>, Malformed> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let start = self.at;
        let tag = self.number()?;
        let wire = match tag & 7 {
            0 => Wire::Number(self.number()?),
            1 => Wire::Eight(self.take(8)?.try_into().unwrap_or_default()),
            2 => {
                let length = self.number()?;
                let at = self.at;
                Wire::Bytes(self.take(length)?, at)
            }
            5 => {
                self.take(4)?;
                Wire::Four
            }
            _ => return Err(Malformed::Protobuf("a field of a kind that there is not", start)),
        };
        Ok(Some((tag >> 3, wire)))
    }
}

impl Output {
    fn message(&mut self, fields: &[Field], bytes: &[u8], at: usize, depth: usize) -> Result<(), Malformed> {
        if depth > DEPTH_MAX {
            return Err(Malformed::Deep);
        }
        self.text.push('{');
        let mut is_first = true;
        let mut present = 0_u32;
        let mut found = Fields { bytes, at };
        while let Some((number, _)) = found.next()? {
            let place = fields.iter().position(|field| field.number == number);
            present |= place.map_or(0, |place| 1 << place);
        }
        for (_, field) in fields.iter().enumerate().filter(|(place, _)| present & 1 << place != 0) {
            if !std::mem::take(&mut is_first) {
                self.text.push(',');
            }
            // Writing to a text cannot fail.
            let _ = write!(self.text, "\"{}\":", field.name);
            self.field(field, Fields { bytes, at }, depth)?;
        }
        self.text.push('}');
        if self.text.len() > self.bytes_max { Err(Malformed::Long(self.bytes_max)) } else { Ok(()) }
    }

    fn field(&mut self, field: &Field, mut found: Fields<'_>, depth: usize) -> Result<(), Malformed> {
        if field.many {
            self.text.push('[');
            let mut is_first = true;
            while let Some((number, wire)) = found.next()? {
                if number != field.number {
                    continue;
                }
                if !std::mem::take(&mut is_first) {
                    self.text.push(',');
                }
                self.value(&field.is, wire, depth)?;
            }
            self.text.push(']');
            return Ok(());
        }
        // Of several the last counts.
        let mut last = None;
        while let Some((number, wire)) = found.next()? {
            if number == field.number {
                last = Some(wire);
            }
        }
        last.map_or(Ok(()), |wire| self.value(&field.is, wire, depth))
    }

    fn value(&mut self, is: &Is, wire: Wire<'_>, depth: usize) -> Result<(), Malformed> {
        let text = &mut self.text;
        // Writing to a text cannot fail.
        let _ = match (is, wire) {
            (Is::Message(fields), Wire::Bytes(bytes, at)) => {
                return self.message(fields, bytes, at, depth + 1);
            }
            (Is::Text, Wire::Bytes(bytes, _)) => {
                quoted(&String::from_utf8_lossy(bytes), text);
                Ok(())
            }
            (Is::Hex, Wire::Bytes(bytes, _)) => {
                text.push('"');
                let _ = bytes.iter().try_for_each(|byte| write!(text, "{byte:02x}"));
                text.push('"');
                Ok(())
            }
            (Is::Base64, Wire::Bytes(bytes, _)) => {
                use base64::Engine as _;
                write!(text, "\"{}\"", base64::engine::general_purpose::STANDARD.encode(bytes))
            }
            (Is::Signed, Wire::Number(number)) => write!(text, "\"{}\"", number.cast_signed()),
            (Is::Small, Wire::Number(number)) => write!(text, "{}", number & u64::from(u32::MAX)),
            (Is::Flag, Wire::Number(number)) => write!(text, "{}", number != 0),
            (Is::Fixed, Wire::Eight(bytes)) => write!(text, "\"{}\"", u64::from_le_bytes(bytes)),
            (Is::FixedSigned, Wire::Eight(bytes)) => write!(text, "\"{}\"", i64::from_le_bytes(bytes)),
            (Is::Double, Wire::Eight(bytes)) => double(f64::from_le_bytes(bytes), text),
            // Of another kind than it should be: as if it were not there.
            _ => {
                text.push_str("null");
                Ok(())
            }
        };
        Ok(())
    }
}

/// A number as JSON has it; what is none there is a text.
fn double(number: f64, text: &mut String) -> std::fmt::Result {
    if number.is_finite() { write!(text, "{number:?}") } else { write!(text, "\"{number}\"") }
}

fn quoted(words: &str, text: &mut String) {
    text.push('"');
    for letter in words.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\0'..='\x1f' => {
                // Writing to a text cannot fail.
                let _ = write!(text, "\\u{:04x}", u32::from(letter));
            }
            _ => text.push(letter),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        let mut length = content.len();
        while length > 127 {
            out.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        out.push(u8::try_from(length).unwrap());
        out.extend_from_slice(content);
        out
    }

    fn read(signal: Signal, bytes: &[u8]) -> Result<String, Malformed> {
        otlp(signal, bytes, 1 << 20).map(|json| String::from_utf8(json).unwrap())
    }

    /// A request with one log record of these fields.
    fn with(record: &[u8]) -> Vec<u8> {
        bytes(1, &bytes(2, &bytes(2, record)))
    }

    #[test]
    fn fields_are_written_as_json_has_them() {
        let pair = |key: &str, value: &[u8]| [bytes(1, key.as_bytes()), bytes(2, value)].concat();
        let record = [
            vec![0x09, 1, 0, 0, 0, 0, 0, 0, 0x80],
            vec![0x10, 9],
            bytes(5, &bytes(1, "a \"quoted\"\nline \u{7}".as_bytes())),
            bytes(6, &pair("n", &[0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1])),
            bytes(6, &pair("d", &[&[0x21][..], &1.5_f64.to_le_bytes()].concat())),
            bytes(6, &pair("f", &[0x10, 1])),
            bytes(6, &pair("l", &bytes(5, &[bytes(1, &[0x18, 5]), bytes(1, b"")].concat()))),
            bytes(6, &pair("o", &bytes(6, &bytes(1, &pair("x", &bytes(7, &[1, 2, 3])))))),
            bytes(9, &[0xab, 0xcd]),
            // What nobody knows, of every kind, is passed over.
            vec![0x78, 5],
            bytes(14, b"?"),
            vec![0x6d, 0, 0, 0, 0],
        ]
        .concat();
        let expected = concat!(
            r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"9223372036854775809","severityNumber":9,"#,
            r#""body":{"stringValue":"a \"quoted\"\nline \u0007"},"attributes":[{"key":"n","value":{"intValue":"-1"}},"#,
            r#"{"key":"d","value":{"doubleValue":1.5}},{"key":"f","value":{"boolValue":true}},"#,
            r#"{"key":"l","value":{"arrayValue":{"values":[{"intValue":"5"},{}]}}},"#,
            r#"{"key":"o","value":{"kvlistValue":{"values":[{"key":"x","value":{"bytesValue":"AQID"}}]}}}],"traceId":"abcd"}]}]}]}"#,
        );
        assert_eq!(read(Signal::Logs, &with(&record)).unwrap(), expected);
        assert_eq!(read(Signal::Traces, b"").unwrap(), "{}");
    }

    #[test]
    fn what_is_none_is_told() {
        for (body, told) in [
            (&b"\x0a\x05\x12"[..], "is no protobuf of OTLP: it ends too early at byte 2"),
            (b"{\"resourceLogs\":[]}", "a field of a kind that there is not at byte 0"),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "a number without an end at byte 0"),
            (b"\x08", "a number without an end at byte 1"),
        ] {
            let error = read(Signal::Logs, body).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
        let mut deep = bytes(1, b"x");
        for _ in 0..100 {
            deep = bytes(5, &bytes(1, &deep));
        }
        assert_eq!(read(Signal::Logs, &with(&bytes(5, &deep))), Err(Malformed::Deep));
        // Two bytes become more as JSON, which is limited.
        let many: Vec<u8> = (0..1000).flat_map(|_| bytes(1, b"")).collect();
        assert_eq!(otlp(Signal::Logs, &many, 2000), Err(Malformed::Long(2000)));
    }

    proptest! {
        /// Whatever the bytes are: no panic, and what comes out is JSON.
        #[test]
        fn any_bytes_are_json_or_told(body in prop::collection::vec(any::<u8>(), 0..200)) {
            for body in [body.clone(), with(&body), bytes(1, &bytes(2, &bytes(2, &bytes(6, &body))))] {
                for signal in [Signal::Logs, Signal::Traces, Signal::Metrics] {
                    if let Ok(json) = otlp(signal, &body, 1 << 16) {
                        prop_assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok());
                    }
                }
            }
        }
    }
}

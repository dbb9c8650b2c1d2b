//! `otlp`: log records of OpenTelemetry (OTLP JSON) that carry a line of some log in their body, as collectors that
//! read files and logging libraries send them.
//!
//! A body is text that begins like an object, or such an object taken apart into OTLP's own lists of keys and values.
//! Events of `gen_ai` tell of a model in their attributes; these, and everything that carries no line, are handed on
//! as a request of their own, which the format `otel` reads or counts as passed over.

use super::{Content, Scratch, Wrapper};
use crate::decode::draft::Read;
use crate::frame::shape::{Member, Shape};
use crate::json::{Reader, Str, Value, each_in, elements, members};

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "otlp",
    summary: "OTLP JSON log records: {\"resourceLogs\": […]} with a record in the body, as text or as a list of keys and values",
    sniff,
    content: Content::Plain,
    peel,
};

/// What an object looks like that has been taken apart.
const LIST: &[u8] = b"\"kvlistValue\"";
/// How the attributes of `gen_ai` events begin.
const GEN_AI: &[u8] = b"gen_ai.";

fn sniff(shape: &Shape<'_>) -> bool {
    // Spans beside them would be lost.
    if !shape.has("resourceLogs") || !shape.has_only(&["resourceLogs"]) {
        return false;
    }
    let Some((Value::Array, list)) = shape.member("resourceLogs") else { return false };
    // Most requests have no such body anywhere: two searches are less than a walk.
    if memchr::memmem::find(list, b"\"{").is_none() && memchr::memmem::find(list, LIST).is_none() {
        return false;
    }
    let mut carries = false;
    elements(&mut Reader::sound(list), |resource| {
        members(resource, |name, reader| match name {
            b"scopeLogs" if !carries => {
                each_in(reader, b"logRecords", |record| {
                    let record = record.raw();
                    carries = carries || Body::of(record).is_some();
                });
            }
            _ => reader.skip(),
        });
    });
    carries
}

fn peel(shape: &Shape<'_>, scratch: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    let Some((_, list)) = shape.member("resourceLogs") else { return Ok(()) };
    elements(&mut Reader::sound(list), |resource| {
        let (mut about, mut rest) = (&b"{}"[..], Vec::new());
        members(resource, |name, reader| match name {
            b"resource" => about = reader.raw(),
            b"scopeLogs" => each_in(reader, b"logRecords", |record| {
                let record = record.raw();
                match Body::of(record) {
                    Some(Body::Text(text)) => inner(text.resolve(scratch.text)),
                    Some(Body::List(list)) => {
                        scratch.text.clear();
                        object(&mut Reader::sound(list), scratch.text);
                        inner(scratch.text);
                    }
                    None => rest.push(record),
                }
            }),
            _ => reader.skip(),
        });
        if !rest.is_empty() {
            inner(&request(about, &rest));
        }
    });
    Ok(())
}

/// The line that a log record carries.
enum Body<'a> {
    Text(Str<'a>),
    /// The list of keys and values of an object, as it is written.
    List(&'a [u8]),
}

impl<'a> Body<'a> {
    fn of(record: &'a [u8]) -> Option<Self> {
        let (mut body, mut is_event) = (None, false);
        members(&mut Reader::sound(record), |name, reader| match name {
            b"body" => members(reader, |name, reader| match name {
                b"stringValue" => body = reader.member().and_then(line),
                b"kvlistValue" => body = Some(Self::List(reader.raw())),
                _ => reader.skip(),
            }),
            b"attributes" => elements(reader, |attribute| {
                members(attribute, |name, reader| match name {
                    b"key" => is_event |= reader.scalar().is_some_and(is_of_model),
                    _ => reader.skip(),
                });
            }),
            b"eventName" => is_event |= reader.scalar().is_some_and(is_of_model),
            _ => reader.skip(),
        });
        body.filter(|_| !is_event)
    }
}

/// A text that begins like an object.
fn line((value, raw): Member<'_>) -> Option<Body<'_>> {
    match value {
        Value::Str(text) if raw.starts_with(b"\"{") => Some(Body::Text(text)),
        _ => None,
    }
}

fn is_of_model(name: Value<'_>) -> bool {
    matches!(name, Value::Str(name) if name.as_plain().is_some_and(|name| name.starts_with(GEN_AI)))
}

/// A request with what is left of a resource.
fn request(resource: &[u8], records: &[&[u8]]) -> Vec<u8> {
    let start =
        [b"{\"resourceLogs\":[{\"resource\":", resource, b",\"scopeLogs\":[{\"logRecords\":["].concat();
    [&start[..], &records.join(&b","[..]), b"]}]}]}"].concat()
}

/// Writes the object that a list of keys and values stands for. It is as deep as the reader lets it be.
fn object(list: &mut Reader<'_>, out: &mut Vec<u8>) {
    let mut before = b'{';
    members(list, |name, reader| match name {
        b"values" => elements(reader, |pair| {
            let (mut key, mut value) = (&b"\"\""[..], &b"null"[..]);
            members(pair, |name, reader| match name {
                b"key" => key = reader.raw(),
                b"value" => value = reader.raw(),
                _ => reader.skip(),
            });
            out.push(before);
            before = b',';
            out.extend_from_slice(key);
            out.push(b':');
            any_value(&mut Reader::sound(value), out);
        }),
        _ => reader.skip(),
    });
    if before == b'{' {
        out.push(before);
    }
    out.push(b'}');
}

/// Writes what `{"stringValue": …}` and its like stand for.
fn any_value(value: &mut Reader<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    members(value, |name, reader| {
        out.truncate(start);
        match name {
            b"kvlistValue" => object(reader, out),
            b"arrayValue" => {
                let mut before = b'[';
                members(reader, |name, reader| match name {
                    b"values" => elements(reader, |element| {
                        out.push(before);
                        before = b',';
                        any_value(element, out);
                    }),
                    _ => reader.skip(),
                });
                if before == b'[' {
                    out.push(before);
                }
                out.push(b']');
            }
            // Texts, numbers and flags, as they are written; 64-bit numbers are texts.
            _ => out.extend_from_slice(reader.raw()),
        }
    });
    if out.len() == start {
        out.extend_from_slice(b"null");
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::peel;

    fn request(records: &str) -> String {
        format!(
            r#"{{"resourceLogs":[{{"resource":{{"attributes":[]}},"scopeLogs":[{{"logRecords":[{records}]}}]}}]}}"#
        )
    }

    const TEXT: &str = r#"{"timeUnixNano":"1","body":{"stringValue":"{\"a\":1}"}}"#;
    const LIST: &str = r#"{"body":{"kvlistValue":{"values":[{"key":"t\"","value":{"stringValue":"x\"y"}},{"key":"n","value":{"intValue":"5"}},{"key":"f","value":{"boolValue":true}},{"key":"d","value":{"doubleValue":1.5}},{"key":"l","value":{"arrayValue":{"values":[{"intValue":1},{"kvlistValue":{"values":[]}}]}}},{"key":"e","value":{}},{"key":"a","value":{"arrayValue":{}}}]}}}"#;
    const EVENT: &str = r#"{"body":{"stringValue":"{\"b\":2}"},"attributes":[{"key":"gen_ai.request.model","value":{"stringValue":"m"}}]}"#;
    const PLAIN: &str = r#"{"body":{"stringValue":"started"}}"#;

    #[test]
    fn lines_are_inside_and_the_rest_is_handed_on() {
        let object = r#"{"t\"":"x\"y","n":"5","f":true,"d":1.5,"l":[1,{}],"e":null,"a":[]}"#;
        for (records, payloads) in [
            (TEXT.to_owned(), vec![r#"{"a":1}"#.to_owned()]),
            (LIST.to_owned(), vec![object.to_owned()]),
            (
                [TEXT, EVENT, LIST, PLAIN].join(","),
                vec![r#"{"a":1}"#.to_owned(), object.to_owned(), request(&[EVENT, PLAIN].join(","))],
            ),
        ] {
            assert_eq!(peel(&request(&records)), Some(("otlp", payloads)), "{records}");
        }
        for records in [EVENT, PLAIN, "", r#"{"eventName":"gen_ai.x","body":{"kvlistValue":{"values":[]}}}"#]
        {
            assert_eq!(peel(&request(records)), None, "{records}");
        }
    }
}

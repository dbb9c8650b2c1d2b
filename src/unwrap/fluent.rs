//! `fluent`: a record of Fluent Bit or Fluentd, as the pair of time and record, as one object, or as the line of time,
//! tag and record that Fluentd writes to files.

use super::{Content, Scratch, Wrapper, hand};
use crate::decode::draft::Read;
use crate::frame::shape::{Member, Shape, members};
use crate::json::{Reader, Value};
use crate::time::parse as parse_time;

/// What the shippers' own inputs, parsers and Docker's `fluentd` driver put beside a line.
const BESIDE: &[&str] = &[
    "log",
    "log_processed",
    "date",
    "time",
    "stream",
    "_p",
    "logtag",
    "tag",
    "source",
    "container_id",
    "container_name",
    "partial_message",
];

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "fluent",
    summary: "Fluent Bit, Fluentd: [time, {\"log\": …}], [tag, time, {…}], {\"date\": …, \"log\": …, \"kubernetes\": …}, or time, tag and {…} in a file of Fluentd",
    sniff,
    content: Content::Plain,
    peel,
};

fn sniff(shape: &Shape<'_>) -> bool {
    match shape.text() {
        Some(text) => record(text, Reader::new).is_some(),
        None if shape.has_any(&["log", "log_processed"]) => {
            shape.has_only(BESIDE) || shape.has("date") || shape.has("kubernetes")
        }
        None => shape.has("message") && shape.has_only(&["date", "message"]) && shape.has("date"),
    }
}

fn peel(shape: &Shape<'_>, scratch: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    // Whoever claimed it has checked it.
    if let Some(record) = shape.text().and_then(|text| record(text, Reader::sound)) {
        shape.found_sound();
        // What Fluentd read without a parser is a line beside nothing.
        let Some(line) = only_line(record) else {
            inner(record);
            return Ok(());
        };
        return hand("message", Some(line), scratch, inner);
    }
    // What the filter for Kubernetes read of the line, or the line.
    let line = ["log_processed", "log", "message"].iter().find_map(|name| shape.member(name));
    hand("log", line, scratch, inner)
}

/// The line in a record that holds nothing else.
pub(super) fn only_line(record: &[u8]) -> Option<Member<'_>> {
    let mut line = None;
    let mut is_alone = true;
    members(record, |name, member| {
        is_alone &= line.is_none() && matches!(name, b"message" | b"log");
        line = Some(member);
    })
    .ok()?;
    line.filter(|(value, _)| is_alone && matches!(value, Value::Str(_)))
}

/// The record of `[time, {…}]`, `[[time, {metadata}], {…}]`, `[tag, time, {…}]` or of a line of Fluentd's `out_file`.
fn record<'a>(text: &'a [u8], reader: fn(&'a [u8]) -> Reader<'a>) -> Option<&'a [u8]> {
    if !text.starts_with(b"[") {
        return of_file(text, reader);
    }
    let mut reader = reader(text);
    reader.enter_array();
    let mut next = || reader.element().then(|| reader.raw());
    let mut before = next()?;
    if before.starts_with(b"\"") {
        before = next()?;
    }
    if !is_time(before) {
        return None;
    }
    let record = next()?;
    (next().is_none() && reader.finish().is_ok() && record.starts_with(b"{")).then_some(record)
}

/// The record of `time<tab>tag<tab>{…}`.
fn of_file<'a>(text: &'a [u8], reader: fn(&'a [u8]) -> Reader<'a>) -> Option<&'a [u8]> {
    if !text.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let mut columns = text.splitn(3, |&byte| byte == b'\t');
    let (time, _tag, record) = (columns.next()?, columns.next()?, columns.next()?);
    let mut reader = reader(record);
    reader.skip();
    (record.starts_with(b"{") && parse_time(time).is_ok() && reader.finish().is_ok()).then_some(record)
}

/// Whether a value is a number, or a list that begins with one.
fn is_time(value: &[u8]) -> bool {
    let mut reader = Reader::new(value);
    if value.starts_with(b"[") {
        reader.enter_array();
        reader.element();
    }
    matches!(reader.value(), Some(Value::Number(_)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::peel;

    #[test]
    fn the_record_or_its_line_is_inside() {
        for (text, payload) in [
            (r#"[1780304405.123, {"log":"a","b":1}]"#, r#"{"log":"a","b":1}"#),
            (r#"[[1780304405.123, {}], {"a": 1}]"#, r#"{"a": 1}"#),
            (r#"["app.tag", 1780304405, {"a": 1}]"#, r#"{"a": 1}"#),
            ("2026-06-01T09:00:05+00:00\tapp.tag\t{\"a\": 1}", r#"{"a": 1}"#),
            ("2026-06-01T09:00:05+00:00\tapp.tag\t{\"message\":\"{\\\"a\\\":1}\"}", r#"{"a":1}"#),
            ("2026-06-01 09:00:05 +0000\tapp.tag\t{\"a\": 1}", r#"{"a": 1}"#),
            ("2026-06-01T09:00:05.123Z\t\t{\"message\":\"a\",\"b\":1}", r#"{"message":"a","b":1}"#),
            (r#"[1780304405, {"log":"a"}]"#, "a"),
            (r#"{"log":"{\"a\":1}\n"}"#, "{\"a\":1}\n"),
            (r#"{"date":1.5,"log":{"a":1},"kubernetes":{},"x":1}"#, r#"{"a":1}"#),
            (r#"{"date":1.5,"log_processed":{"a":1},"kubernetes":{}}"#, r#"{"a":1}"#),
            (r#"{"time":"t","log":"x","log_processed":{"a":1},"kubernetes":{}}"#, r#"{"a":1}"#),
            (r#"{"date":1.5,"message":"{\"a\":1}"}"#, r#"{"a":1}"#),
        ] {
            assert_eq!(peel(text), Some(("fluent", vec![payload.to_owned()])), "{text}");
        }
        for other in [
            r#"{"log":"a","model":"m"}"#,
            r#"{"date":1,"message":"m","model":"m"}"#,
            r#"{"message":"m"}"#,
            "2026-06-01T09:00:05+00:00\tapp.tag\tplain",
            "2026-06-01T09:00:05+00:00\tapp.tag\t{\"a\":",
            "7 items\tapp.tag\t{\"a\":1}",
        ] {
            assert_eq!(peel(other), None, "{other}");
        }
        for list in [r#"[1, {"a":1}, 2]"#, r#"[{"a":1}, {"a":2}]"#, "[1, 2]", r#"["a", {"a":1}]"#] {
            assert_eq!(peel(list).map(|(name, _)| name), Some("list"), "{list}");
        }
    }
}

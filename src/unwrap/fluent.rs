//! `fluent`: a record of Fluent Bit or Fluentd, as the pair of time and record or as one object.

use super::{Content, Wrapper, hand};
use crate::decode::draft::Read;
use crate::frame::shape::Shape;
use crate::json::{Reader, Value};

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
    summary: "Fluent Bit, Fluentd: [time, {\"log\": …}], [tag, time, {…}] or {\"date\": …, \"log\": …, \"kubernetes\": …}",
    sniff,
    content: Content::Plain,
    peel,
};

fn sniff(shape: &Shape<'_>) -> bool {
    match shape.text() {
        Some(text) => record(text).is_some(),
        None if shape.has_any(&["log", "log_processed"]) => {
            shape.has_only(BESIDE) || shape.has("date") || shape.has("kubernetes")
        }
        None => shape.has("message") && shape.has_only(&["date", "message"]) && shape.has("date"),
    }
}

fn peel(shape: &Shape<'_>, scratch: &mut Vec<u8>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    if let Some(record) = shape.text().and_then(record) {
        inner(record);
        return Ok(());
    }
    // What the filter for Kubernetes read of the line, or the line.
    let line = ["log_processed", "log", "message"].iter().find_map(|name| shape.member(name));
    hand("log", line, scratch, inner)
}

/// The record of `[time, {…}]`, `[[time, {metadata}], {…}]` or `[tag, time, {…}]`.
fn record(text: &[u8]) -> Option<&[u8]> {
    if !text.starts_with(b"[") {
        return None;
    }
    let mut reader = Reader::new(text);
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
            (r#"[1780304405.123, {"log":"a"}]"#, r#"{"log":"a"}"#),
            (r#"[[1780304405.123, {}], {"a": 1}]"#, r#"{"a": 1}"#),
            (r#"["app.tag", 1780304405, {"a": 1}]"#, r#"{"a": 1}"#),
            (r#"{"log":"{\"a\":1}\n"}"#, "{\"a\":1}\n"),
            (r#"{"date":1.5,"log":{"a":1},"kubernetes":{},"x":1}"#, r#"{"a":1}"#),
            (r#"{"date":1.5,"log_processed":{"a":1},"kubernetes":{}}"#, r#"{"a":1}"#),
            (r#"{"time":"t","log":"x","log_processed":{"a":1},"kubernetes":{}}"#, r#"{"a":1}"#),
            (r#"{"date":1.5,"message":"{\"a\":1}"}"#, r#"{"a":1}"#),
        ] {
            assert_eq!(peel(text), Some(("fluent", vec![payload.to_owned()])), "{text}");
        }
        for other in
            [r#"{"log":"a","model":"m"}"#, r#"{"date":1,"message":"m","model":"m"}"#, r#"{"message":"m"}"#]
        {
            assert_eq!(peel(other), None, "{other}");
        }
        for list in [r#"[1, {"a":1}, 2]"#, r#"[{"a":1}, {"a":2}]"#, "[1, 2]", r#"["a", {"a":1}]"#] {
            assert_eq!(peel(list).map(|(name, _)| name), Some("list"), "{list}");
        }
    }
}

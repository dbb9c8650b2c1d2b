//! `debezium`: a change of one row, as Debezium streams tables; the row as it is now is the record.

use super::{Content, Scratch, Wrapper, damaged, hand};
use crate::decode::draft::Read;
use crate::frame::shape::Shape;
use crate::json::Value;

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "debezium",
    summary: "Debezium change events: the row after an insert, an update or a snapshot; deletes are passed over",
    sniff: |shape| shape.has("op") && shape.has("after") && shape.has_any(&["before", "source", "ts_ms"]),
    content: Content::Plain,
    peel,
};

fn peel(shape: &Shape<'_>, scratch: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    let (op, written) = shape.member("op").unwrap_or((Value::Null, b""));
    let letter = match op {
        Value::Str(letter) => letter.as_plain().unwrap_or_default(),
        _ => b"",
    };
    match letter {
        // Created, updated, read for a snapshot.
        b"c" | b"u" | b"r" => hand("after", shape.member("after"), scratch, inner),
        // Deleted, emptied the table, wrote to the log: no row is there afterwards.
        b"d" | b"t" | b"m" => Ok(()),
        _ => Err(damaged("op", written, "is none of c, u, r, d, t and m")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::peel;

    #[test]
    fn the_row_after_the_change_is_inside() {
        for (op, payloads) in
            [("c", &[r#"{"a":2}"#][..]), ("u", &[r#"{"a":2}"#]), ("r", &[r#"{"a":2}"#]), ("d", &[])]
        {
            let change = format!(r#"{{"before":{{"a":1}},"after":{{"a":2}},"op":"{op}","ts_ms":1}}"#);
            let payloads = payloads.iter().map(ToString::to_string).collect();
            assert_eq!(peel(&change), Some(("debezium", payloads)), "{op}");
        }
    }
}

//! `log_entry`: an entry of Google Cloud Logging around what a container wrote, as sinks, exports and `gcloud logging
//! read` give it out. Audit logs, whose entries have a `protoPayload`, are a format.

use super::fluent::only_line;
use super::{Content, Scratch, Wrapper, hand};
use crate::decode::draft::Read;
use crate::frame::shape::Shape;
use crate::json::Value;

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "log_entry",
    summary: "Google Cloud Logging: {\"logName\": …, \"jsonPayload\": … or \"textPayload\": …}",
    sniff: |shape| shape.has("logName") && shape.has_any(&["jsonPayload", "textPayload"]),
    content: Content::Plain,
    peel,
};

fn peel(shape: &Shape<'_>, scratch: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    match shape.member("jsonPayload") {
        // A line that was no object to whoever collected it stands there beside nothing.
        Some((Value::Object, payload)) => {
            hand("jsonPayload", only_line(payload).or(Some((Value::Object, payload))), scratch, inner)
        }
        Some(payload) => hand("jsonPayload", Some(payload), scratch, inner),
        None => hand("textPayload", shape.member("textPayload"), scratch, inner),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::peel;

    #[test]
    fn the_payload_is_inside() {
        for (payload, inside) in [
            (r#""jsonPayload":{"a":1,"message":"m"}"#, r#"{"a":1,"message":"m"}"#),
            (r#""jsonPayload":{"message":"{\"a\":1}"}"#, r#"{"a":1}"#),
            (r#""textPayload":"{\"a\":1}\n""#, "{\"a\":1}\n"),
        ] {
            let entry = format!(r#"{{"insertId":"i",{payload},"logName":"projects/p/logs/stdout"}}"#);
            assert_eq!(peel(&entry), Some(("log_entry", vec![inside.to_owned()])), "{payload}");
        }
        assert_eq!(peel(r#"{"logName":"projects/p/logs/a","protoPayload":{}}"#), None);
    }
}

//! `kafka_connect`: what Kafka Connect's `JsonConverter` writes with `schemas.enable`.

use super::{Content, Scratch, Wrapper, hand};
use crate::decode::draft::Read;
use crate::frame::shape::Shape;

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "kafka_connect",
    summary: "Kafka Connect's JsonConverter: {\"schema\": …, \"payload\": …}",
    sniff: |shape| shape.has_only(&["schema", "payload"]) && shape.has("schema") && shape.has("payload"),
    content: Content::Plain,
    peel,
};

fn peel(shape: &Shape<'_>, scratch: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    hand("payload", shape.member("payload"), scratch, inner)
}

#[cfg(test)]
mod tests {
    use super::super::tests::peel;

    #[test]
    fn the_payload_is_inside() {
        for (payload, inside) in [(r#"{"a": 1}"#, r#"{"a": 1}"#), (r#""{\"a\":1}""#, r#"{"a":1}"#)] {
            let message = format!(r#"{{"schema":null,"payload":{payload}}}"#);
            assert_eq!(peel(&message), Some(("kafka_connect", vec![inside.to_owned()])));
        }
        assert_eq!(peel(r#"{"schema":1,"payload":{},"model":"m"}"#), None);
    }
}

//! `vector`: an event of Vector, whose line is in `message`.

use super::{Content, Scratch, Wrapper, hand};
use crate::decode::draft::Read;
use crate::frame::shape::Shape;

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "vector",
    summary: "Vector: {\"message\": …, \"source_type\": …, \"timestamp\": …}",
    sniff: |shape| shape.has("source_type") && shape.has("message") && shape.has("timestamp"),
    content: Content::Plain,
    peel,
};

fn peel(shape: &Shape<'_>, scratch: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    hand("message", shape.member("message"), scratch, inner)
}

#[cfg(test)]
mod tests {
    use super::super::tests::peel;

    #[test]
    fn the_message_is_inside() {
        for (message, payload) in [(r#""{\"a\":1}""#, r#"{"a":1}"#), (r#"{"a": 1}"#, r#"{"a": 1}"#)] {
            let event = format!(r#"{{"host":"h","message":{message},"source_type":"file","timestamp":"t"}}"#);
            assert_eq!(peel(&event), Some(("vector", vec![payload.to_owned()])));
        }
    }
}

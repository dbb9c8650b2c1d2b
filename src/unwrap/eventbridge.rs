//! `eventbridge`: an event of Amazon EventBridge, whose `detail` is what its source wrote.

use super::{Content, Scratch, Wrapper, hand};
use crate::decode::draft::Read;
use crate::frame::shape::Shape;

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "eventbridge",
    summary: "Amazon EventBridge: {\"detail-type\": …, \"source\": …, \"detail\": …}",
    sniff: |shape| shape.has("detail-type") && shape.has("detail"),
    content: Content::Plain,
    peel,
};

fn peel(shape: &Shape<'_>, scratch: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    hand("detail", shape.member("detail"), scratch, inner)
}

#[cfg(test)]
mod tests {
    use super::super::tests::peel;

    #[test]
    fn the_detail_is_inside() {
        for (detail, payload) in [(r#"{"a": [1]}"#, r#"{"a": [1]}"#), (r#""{\"a\":1}""#, r#"{"a":1}"#)] {
            let event =
                format!(r#"{{"version":"0","detail-type":"Usage","source":"my.app","detail":{detail}}}"#);
            assert_eq!(peel(&event), Some(("eventbridge", vec![payload.to_owned()])));
        }
    }
}

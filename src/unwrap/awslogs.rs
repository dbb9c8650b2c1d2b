//! `awslogs`: the event with which CloudWatch Logs calls a Lambda function; its data is what `cloudwatch` reads.

use super::packed::lines;
use super::{Content, Scratch, Wrapper, broken, damaged};
use crate::decode::draft::Read;
use crate::frame::shape::{Shape, member};
use crate::json::Value;

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "awslogs",
    summary: "CloudWatch Logs to Lambda: {\"awslogs\": {\"data\": base64 of gzip}}",
    sniff: |shape| shape.has_only(&["awslogs"]) && shape.has("awslogs"),
    content: Content::Encoded,
    peel,
};

fn peel(shape: &Shape<'_>, scratch: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    let Some((Value::Object, event)) = shape.member("awslogs") else {
        return Err(damaged("awslogs", b"", "is no object"));
    };
    lines("awslogs.data", member(event, "data").map_err(broken(event))?, scratch.room, inner)
}

#[cfg(test)]
mod tests {
    use super::super::packed::tests::{base64, gzip};
    use super::super::tests::peel;

    #[test]
    fn the_data_is_inside() {
        let delivered = r#"{"messageType":"DATA_MESSAGE","logEvents":[]}"#;
        let event = format!(r#"{{"awslogs":{{"data":"{}"}}}}"#, base64(&gzip(delivered.as_bytes())));
        assert_eq!(peel(&event), Some(("awslogs", vec![delivered.to_owned()])));
    }
}

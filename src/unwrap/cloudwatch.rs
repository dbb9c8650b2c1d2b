//! `cloudwatch`: what a subscription of Amazon CloudWatch Logs delivers, several log lines at once.

use super::{Content, Scratch, Wrapper, broken, damaged, each, hand};
use crate::decode::draft::Read;
use crate::frame::shape::{Shape, member};
use crate::json::Value;

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "cloudwatch",
    summary: "CloudWatch Logs subscription: {\"messageType\": \"DATA_MESSAGE\", \"logEvents\": [{\"message\": …}]}",
    sniff: |shape| shape.has("messageType") && shape.has("logEvents"),
    content: Content::Plain,
    peel,
};

fn peel(shape: &Shape<'_>, scratch: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    // Sent to see whether anybody listens.
    if shape.says("messageType", &["CONTROL_MESSAGE"]) {
        return Ok(());
    }
    let list = shape.member("logEvents").unwrap_or((Value::Null, b"null"));
    each("logEvents", list, |line| {
        if !line.starts_with(b"{") {
            return Err(damaged("logEvents", line, "holds what is no object"));
        }
        hand("message", member(line, "message").map_err(broken(line))?, scratch, inner)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::peel;

    #[test]
    fn messages_are_inside() {
        for (kind, payloads) in [("DATA_MESSAGE", &["{\"a\":1}\n", "b"][..]), ("CONTROL_MESSAGE", &[])] {
            let delivered = format!(
                r#"{{"messageType":"{kind}","logGroup":"/g","logEvents":[{{"id":"0","message":"{{\"a\":1}}\n"}},{{"message":"b"}}]}}"#
            );
            let payloads = payloads.iter().map(ToString::to_string).collect();
            assert_eq!(peel(&delivered), Some(("cloudwatch", payloads)), "{kind}");
        }
    }
}

//! `cloudwatch`: what a subscription of Amazon CloudWatch Logs delivers, several log lines at once.

use super::{Content, Wrapper, broken, damaged, each, hand};
use crate::decode::draft::Read;
use crate::frame::shape::{member, members};
use crate::json::Value;

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "cloudwatch",
    summary: "CloudWatch Logs subscription: {\"messageType\": \"DATA_MESSAGE\", \"logEvents\": [{\"message\": …}]}",
    sniff: |shape| shape.has("messageType") && shape.has("logEvents"),
    content: Content::Plain,
    peel,
};

fn peel(text: &[u8], scratch: &mut Vec<u8>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    let mut is_control = false;
    let mut list = (Value::Null, &b"null"[..]);
    members(text, |name, member| match name {
        b"messageType" => is_control = member.1 == b"\"CONTROL_MESSAGE\"",
        b"logEvents" => list = member,
        _ => {}
    })
    .map_err(broken(text))?;
    // Sent to see whether anybody listens.
    if is_control {
        return Ok(());
    }
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

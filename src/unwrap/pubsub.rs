//! `pubsub`: a message of Google Cloud Pub/Sub, as it is pushed, pulled, or stored.

use super::packed::unpacked;
use super::{Content, Scratch, Wrapper, broken, damaged, each};
use crate::decode::draft::Read;
use crate::frame::shape::{Shape, member};
use crate::json::Value;
use std::cell::Cell;

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "pubsub",
    summary: "Google Pub/Sub: {\"message\": {\"data\": base64}, \"subscription\" or \"ackId\": …}, a list of these as pulled, or the message alone",
    sniff: |shape| is_delivered(shape) || is_message(shape) || is_pulled(shape),
    content: Content::Encoded,
    peel,
};

fn is_delivered(shape: &Shape<'_>) -> bool {
    shape.has("message") && (shape.has("ackId") || shape.has("subscription"))
}

fn is_message(shape: &Shape<'_>) -> bool {
    shape.has("data") && (shape.has("messageId") || shape.has("message_id"))
}

fn is_pulled(shape: &Shape<'_>) -> bool {
    shape.has_only(&["receivedMessages"]) && shape.has("receivedMessages")
}

fn peel(shape: &Shape<'_>, scratch: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    match shape.member("receivedMessages") {
        Some(list) => each("receivedMessages", list, |delivered| message(delivered, scratch.room, inner)),
        None => message(shape.whole(), scratch.room, inner),
    }
}

fn message(text: &[u8], room: &Cell<usize>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    if !text.starts_with(b"{") {
        return Err(damaged("receivedMessages", text, "holds what is no object"));
    }
    let message = match member(text, "message").map_err(broken(text))? {
        Some((Value::Object, message)) => message,
        Some((_, other)) => return Err(damaged("message", other, "is no object")),
        None => text,
    };
    // A message of attributes alone has no data.
    if let Some(data) = member(message, "data").map_err(broken(message))? {
        inner(&unpacked("data", Some(data), room)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::packed::tests::{base64, gzip};
    use super::super::tests::peel;

    #[test]
    fn the_data_is_inside() {
        let data = b"{\"a\": 1}\n";
        let message = format!(r#"{{"data":"{}","messageId":"1"}}"#, base64(data));
        let packed = format!(r#"{{"data":"{}","messageId":"1"}}"#, base64(&gzip(data)));
        for text in [
            packed,
            format!(r#"{{"message":{message},"subscription":"projects/p/subscriptions/s"}}"#),
            format!(r#"{{"ackId":"x","message":{message}}}"#),
            format!(r#"{{"receivedMessages":[{{"ackId":"x","message":{message}}}]}}"#),
            message,
        ] {
            assert_eq!(peel(&text), Some(("pubsub", vec!["{\"a\": 1}\n".to_owned()])), "{text}");
        }
        assert_eq!(peel(r#"{"message":{"attributes":{}},"subscription":"s"}"#), Some(("pubsub", Vec::new())));
    }
}

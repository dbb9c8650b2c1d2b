//! `sns`: a message of Amazon SNS, as it is sent over HTTP and to queues of SQS.

use super::{Content, Scratch, Wrapper, hand};
use crate::decode::draft::Read;
use crate::frame::shape::Shape;

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "sns",
    summary: "Amazon SNS: {\"Type\": \"Notification\", \"TopicArn\": …, \"Message\": …}",
    sniff: |shape| shape.has("Type") && shape.has("TopicArn") && shape.has("Message"),
    content: Content::Plain,
    peel,
};

fn peel(shape: &Shape<'_>, scratch: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    // Others say that somebody subscribes or leaves.
    if !shape.says("Type", &["Notification"]) {
        return Ok(());
    }
    hand("Message", shape.member("Message"), scratch, inner)
}

#[cfg(test)]
mod tests {
    use super::super::tests::peel;

    #[test]
    fn the_message_is_inside() {
        for (kind, payloads) in [("Notification", &[r#"{"a":1}"#][..]), ("SubscriptionConfirmation", &[])] {
            let sent = format!(r#"{{"Type":"{kind}","TopicArn":"arn","Message":"{{\"a\":1}}"}}"#);
            let payloads = payloads.iter().map(ToString::to_string).collect();
            assert_eq!(peel(&sent), Some(("sns", payloads)), "{kind}");
        }
    }
}

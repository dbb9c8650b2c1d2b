//! `sns`: a message of Amazon SNS, as it is sent over HTTP and to queues of SQS.

use super::{Content, Wrapper, broken, hand};
use crate::decode::draft::Read;
use crate::frame::shape::members;

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "sns",
    summary: "Amazon SNS: {\"Type\": \"Notification\", \"TopicArn\": …, \"Message\": …}",
    sniff: |shape| shape.has("Type") && shape.has("TopicArn") && shape.has("Message"),
    content: Content::Plain,
    peel,
};

fn peel(text: &[u8], scratch: &mut Vec<u8>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    let (mut message, mut is_notification) = (None, true);
    members(text, |name, member| match name {
        b"Message" => message = Some(member),
        // Others say that somebody subscribes or leaves.
        b"Type" => is_notification = member.1 == b"\"Notification\"",
        _ => {}
    })
    .map_err(broken(text))?;
    if is_notification { hand("Message", message, scratch, inner) } else { Ok(()) }
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

//! `lambda`: the events with which Kafka, Kinesis, SQS, SNS and S3 call AWS Lambda functions.
//!
//! Those of Kafka are an envelope of their own. The others are elements of a list named `Records`, which
//! [`super::records`] takes apart.

use super::packed::lines;
use super::{Content, Scratch, Wrapper, broken, damaged, each, gather, hand};
use crate::decode::draft::Read;
use crate::frame::shape::{Member, Shape, member, members};
use crate::json::Value;
use std::cell::Cell;

/// What stands beside the records of Kafka.
const MEMBERS: &[&str] = &["eventSource", "eventSourceArn", "bootstrapServers", "records"];

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "lambda",
    summary: "Kafka to AWS Lambda: {\"eventSource\": …, \"records\": {topic: [{\"value\": base64}]}}",
    sniff: |shape| shape.has_only(MEMBERS) && shape.has("records") && shape.has("eventSource"),
    content: Content::Encoded,
    peel,
};

fn peel(shape: &Shape<'_>, scratch: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    let Some((value, topics)) = shape.member("records") else { return Ok(()) };
    if value != Value::Object {
        return Err(damaged("records", topics, "is no object of topics"));
    }
    let mut result = Ok(());
    members(topics, |_, list| {
        gather(&mut result, each("records", list, |message| message_of_kafka(message, scratch.room, inner)));
    })
    .map_err(broken(topics))?;
    result
}

fn message_of_kafka(message: &[u8], room: &Cell<usize>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    if !message.starts_with(b"{") {
        return Err(damaged("records", message, "holds what is no object"));
    }
    match member(message, "value").map_err(broken(message))? {
        // That a key is deleted.
        Some((Value::Null, _)) => Ok(()),
        value => lines("value", value, room, inner),
    }
}

/// An element of `Records`, as far as it tells who sent it.
#[derive(Default)]
pub(super) struct Element<'a> {
    source: &'a [u8],
    body: Option<Member<'a>>,
    envelope: Option<Member<'a>>,
    /// The envelope is that of Kinesis, which says enough.
    is_kinesis: bool,
}

impl<'a> Element<'a> {
    /// Looks at one of its members.
    pub(super) fn take(&mut self, name: &[u8], member: Member<'a>) {
        match name {
            b"eventSource" | b"EventSource" => self.source = member.1,
            b"body" => self.body = Some(member),
            b"kinesis" | b"Sns" => (self.envelope, self.is_kinesis) = (Some(member), name == b"kinesis"),
            _ => {}
        }
    }

    /// Hands over what it carries; `None` where it is none of these events.
    pub(super) fn peel(self, scratch: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Option<Read<()>> {
        let inside = |name| match self.envelope {
            Some((Value::Object, envelope)) => member(envelope, name).map_err(broken(envelope)),
            _ => Ok(None),
        };
        Some(match self.source {
            b"\"aws:kinesis\"" => kinesis(inside("data"), scratch.room, inner),
            b"" if self.is_kinesis => kinesis(inside("data"), scratch.room, inner),
            b"\"aws:sqs\"" => hand("body", self.body, scratch, inner),
            b"\"aws:sns\"" => inside("Message").and_then(|text| hand("Sns.Message", text, scratch, inner)),
            // That there is a file, which is another input.
            b"\"aws:s3\"" => Ok(()),
            _ => return None,
        })
    }
}

fn kinesis(data: Read<Option<Member<'_>>>, room: &Cell<usize>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    lines("kinesis.data", data?, room, inner)
}

#[cfg(test)]
mod tests {
    use super::super::packed::tests::{base64, gzip};
    use super::super::tests::peel;

    #[test]
    fn messages_of_kafka_are_inside() {
        let (plain, packed) = (base64(b"{\"a\":1}"), base64(&gzip(b"{\"b\":2}")));
        let event = format!(
            r#"{{"eventSource":"aws:kafka","eventSourceArn":"arn","bootstrapServers":"b:9092","records":{{"usage-0":[{{"topic":"usage","value":"{plain}"}},{{"value":null}}],"usage-1":[{{"value":"{packed}"}}]}}}}"#
        );
        let payloads = vec![r#"{"a":1}"#.to_owned(), r#"{"b":2}"#.to_owned()];
        assert_eq!(peel(&event), Some(("lambda", payloads)));
        assert_eq!(peel(r#"{"eventSource":"s","records":{},"model":"m"}"#), None);
    }

    #[test]
    fn what_other_services_carry_is_inside() {
        let data = base64(&gzip(b"{\"a\":1}"));
        for (element, payloads) in [
            (
                format!(r#"{{"kinesis":{{"data":"{data}"}},"eventSource":"aws:kinesis"}}"#),
                &[r#"{"a":1}"#][..],
            ),
            (r#"{"messageId":"1","body":"{\"a\":1}","eventSource":"aws:sqs"}"#.to_owned(), &[r#"{"a":1}"#]),
            (r#"{"EventSource":"aws:sns","Sns":{"Message":"{\"a\":1}"}}"#.to_owned(), &[r#"{"a":1}"#]),
            (r#"{"eventSource":"aws:s3","s3":{"object":{"key":"k"}}}"#.to_owned(), &[]),
        ] {
            let payloads = payloads.iter().map(ToString::to_string).collect();
            assert_eq!(
                peel(&format!(r#"{{"Records":[{element}]}}"#)),
                Some(("records", payloads)),
                "{element}"
            );
        }
    }
}

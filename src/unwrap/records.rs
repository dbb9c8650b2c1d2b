//! `records`: a list of records under that name: files of AWS CloudTrail, Azure's event hubs, Amazon Data Firehose,
//! and what calls AWS Lambda functions.

use super::lambda::Element;
use super::packed::lines;
use super::{Content, Scratch, Wrapper, broken, each, hand};
use crate::decode::draft::Read;
use crate::frame::shape::Shape;
use crate::json::{Reader, Value};
use memchr::memmem::Finder;
use std::sync::LazyLock;

/// What stands beside the list: Firehose sends some of it to HTTP endpoints, some to Lambda functions.
const BESIDE: &[&str] = &[
    "records",
    "Records",
    "requestId",
    "timestamp",
    "invocationId",
    "deliveryStreamArn",
    "sourceKinesisStreamArn",
    "region",
    // Of an answer of Kinesis.
    "NextShardIterator",
    "MillisBehindLatest",
    "ChildShards",
];
/// What stands beside the data in a record of Firehose or Kinesis.
const BESIDE_DATA: &[&[u8]] = &[
    b"recordId",
    b"approximateArrivalTimestamp",
    b"kinesisRecordMetadata",
    // Of Kinesis.
    b"SequenceNumber",
    b"ApproximateArrivalTimestamp",
    b"PartitionKey",
    b"EncryptionType",
];

pub(super) const WRAPPER: Wrapper = Wrapper {
    name: "records",
    summary: "{\"Records\": […]} or {\"records\": […]}: CloudTrail files, Azure Event Hubs, Firehose, Kinesis, Lambda (data unpacked)",
    sniff,
    content: Content::Encoded,
    peel,
};

fn sniff(shape: &Shape<'_>) -> bool {
    let is_list = shape.has_only(BESIDE) && (shape.has("Records") || shape.has("records"));
    is_list || is_digest(shape)
}

/// A file that CloudTrail puts beside its logs to sign them. It holds no records.
fn is_digest(shape: &Shape<'_>) -> bool {
    shape.has("digestStartTime") && shape.has("logFiles")
}

fn peel(shape: &Shape<'_>, scratch: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    let Some(list) = shape.member("Records").or_else(|| shape.member("records")) else { return Ok(()) };
    each("records", list, |raw| match Reader::new(raw).value() {
        Some(Value::Object) => record(raw, scratch, inner),
        value => hand("records", value.map(|value| (value, raw)), scratch, inner),
    })
}

fn record(text: &[u8], scratch: &mut Scratch<'_>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    let (mut data, mut is_firehose, mut is_insight) = (None, true, false);
    let mut element = Element::default();
    let mut reader = Reader::sound(text);
    reader.enter_object();
    while let Some(name) = reader.key() {
        let Some(member) = reader.member() else { break };
        match name.as_plain().unwrap_or_default() {
            b"data" | b"Data" => data = Some(member),
            // Nearly all of them are calls of some service, as CloudTrail tells them: nothing is around these.
            b"eventSource" if is_call(member.1, text) => {
                inner(text);
                return Ok(());
            }
            name => {
                is_firehose &= BESIDE_DATA.contains(&name);
                is_insight |= name == b"eventType" && member.1 == INSIGHT;
                element.take(name, member);
            }
        }
    }
    reader.finish().map_err(broken(text))?;
    match data {
        Some(_) if is_firehose => lines("data", data, scratch.room, inner),
        _ if is_insight => Ok(()),
        _ => element.peel(scratch, inner).unwrap_or_else(|| {
            inner(text);
            Ok(())
        }),
    }
}

/// The type of events of CloudTrail that are no calls, but the numbers of calls over some minutes.
const INSIGHT: &[u8] = b"\"AwsCloudTrailInsight\"";

/// Whether an event from this source is a call of a service: what calls functions of Lambda names itself otherwise.
fn is_call(source: &[u8], event: &[u8]) -> bool {
    // To make the search ready takes longer than to search an event.
    static INSIGHTS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(INSIGHT));
    source.ends_with(b".amazonaws.com\"") && INSIGHTS.find(event).is_none()
}

#[cfg(test)]
mod tests {
    use super::super::packed::tests::{base64, gzip};
    use super::super::tests::peel;

    #[test]
    fn elements_or_their_data_are_inside() {
        let (plain, packed) = (base64(b"{\"a\":1}\n"), base64(&gzip(b"{\"b\":2}")));
        for (text, payloads) in [
            (r#"{"Records":[{"a": 1},{"b":2}]}"#, &[r#"{"a": 1}"#, r#"{"b":2}"#][..]),
            (r#"{"Records":[{"eventType":"AwsCloudTrailInsight"},{"a":1}]}"#, &[r#"{"a":1}"#]),
            (r#"{"digestStartTime":"t","logFiles":[]}"#, &[]),
            (r#"{"records":[{"a":1,"data":"x"},"{\"b\":2}"]}"#, &[r#"{"a":1,"data":"x"}"#, r#"{"b":2}"#]),
            (
                &format!(
                    r#"{{"requestId":"r","timestamp":1,"records":[{{"data":"{plain}"}},{{"data":"{packed}"}}]}}"#
                ),
                &[r#"{"a":1}"#, r#"{"b":2}"#],
            ),
            (
                &format!(
                    r#"{{"Records":[{{"SequenceNumber":"1","ApproximateArrivalTimestamp":1.5,"Data":"{plain}","PartitionKey":"p"}}],"NextShardIterator":"i","MillisBehindLatest":0}}"#
                ),
                &[r#"{"a":1}"#],
            ),
            (
                &format!(r#"{{"Records":[{{"kinesis":{{"data":"{plain}","partitionKey":"p"}}}}]}}"#),
                &[r#"{"a":1}"#],
            ),
            (&format!(r#"{{"records":[{{"recordId":"1","data":"{packed}"}}]}}"#), &[r#"{"b":2}"#]),
        ] {
            let payloads = payloads.iter().map(ToString::to_string).collect();
            assert_eq!(peel(text), Some(("records", payloads)), "{text}");
        }
        assert_eq!(peel(r#"{"records":[],"model":"m"}"#), None);
    }
}

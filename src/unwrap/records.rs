//! `records`: a list of records under that name: files of AWS CloudTrail, Azure's event hubs, Amazon Data Firehose,
//! and what calls AWS Lambda functions.

use super::lambda::Element;
use super::packed::{UNPACKED_BYTES_MAX, lines};
use super::{Content, Wrapper, broken, each, hand};
use crate::decode::draft::Read;
use crate::frame::shape::{Shape, members};
use crate::json::{Reader, Value};

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
    content: Content::Packed,
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

fn peel(shape: &Shape<'_>, scratch: &mut Vec<u8>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    let Some(list) = shape.member("Records").or_else(|| shape.member("records")) else { return Ok(()) };
    let mut room = UNPACKED_BYTES_MAX;
    each("records", list, |raw| match Reader::new(raw).value() {
        Some(Value::Object) => record(raw, &mut room, scratch, inner),
        value => hand("records", value.map(|value| (value, raw)), scratch, inner),
    })
}

fn record(text: &[u8], room: &mut usize, scratch: &mut Vec<u8>, inner: &mut dyn FnMut(&[u8])) -> Read<()> {
    let (mut data, mut is_firehose, mut is_insight) = (None, true, false);
    let mut element = Element::default();
    members(text, |name, member| match name {
        b"data" | b"Data" => data = Some(member),
        name => {
            is_firehose &= BESIDE_DATA.contains(&name);
            // Insights are numbers of calls over minutes, no calls.
            is_insight |= name == b"eventType" && member.1 == b"\"AwsCloudTrailInsight\"";
            element.take(name, member);
        }
    })
    .map_err(broken(text))?;
    match data {
        Some(_) if is_firehose => lines("data", data, room, inner),
        _ if is_insight => Ok(()),
        _ => element.peel(room, scratch, inner).unwrap_or_else(|| {
            inner(text);
            Ok(())
        }),
    }
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

//! Wrappers as shippers write them, around records as gateways and clouds do: those of the fixtures are small, and odd on
//! purpose.

use super::decode::{block, fixtures};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::{Compression, write::GzEncoder};
use keyhound::config::Plan;
use keyhound::frame::Block;
use std::io::Write as _;

/// Records in an envelope that holds several.
const TOGETHER: usize = 100;

/// Of each wrapper what is before the records, around each (a record in the place of `%`, as a text in that of `$`), and
/// behind them: one to a line where there is nothing before.
const ENVELOPES: &[(&str, &str, &str, &str)] = &[
    ("records", r#"{"Records":["#, "%", "]}"),
    ("list", "[", "%", "]"),
    ("page", r#"{"object":"list","data":["#, "%", r#"],"has_more":true}"#),
    ("cloudwatch", EVENTS, EVENT, "]}"),
    (
        "otlp",
        r#"{"resourceLogs":[{"resource":{},"scopeLogs":[{"scope":{},"logRecords":["#,
        r#"{"timeUnixNano":"1780304405000000000","observedTimeUnixNano":"1780304405000000000","body":{"stringValue":$},"attributes":[{"key":"log.file.name","value":{"stringValue":"usage.log"}}],"traceId":"","spanId":""}"#,
        "]}]}]}",
    ),
    ("journald", "", JOURNAL, ""),
    ("fluent", "", r#"[1780304405.123, {"log": $, "stream": "stdout"}]"#, ""),
    ("docker", "", r#"{"log":$,"stream":"stdout","time":"2026-06-01T09:00:00.123456789Z"}"#, ""),
    ("syslog", "", "<165>1 2026-06-01T09:00:00.003Z host app 12 ID47 - %", ""),
    ("cri", "", "2026-06-01T09:00:00.123456789Z stdout F %", ""),
];

/// What CloudWatch Logs sends to whoever subscribed.
const EVENTS: &str = r#"{"messageType":"DATA_MESSAGE","owner":"111122223333","logGroup":"g","logStream":"s","subscriptionFilters":["f"],"logEvents":["#;
/// One line of it.
const EVENT: &str = r#"{"id":"37000000000000000000000000000000000000000000000000000000","timestamp":1780304405000,"message":$}"#;

/// An entry of the journal, as `journalctl -o json` writes it of a service.
const JOURNAL: &str = r#"{"_EXE":"/usr/local/bin/gateway","_SYSTEMD_CGROUP":"/system.slice/gateway.service","_UID":"998","__CURSOR":"s=8f1c2b0e5d7a4c3f9b6a1d2e3f405162;i=1f2a;b=0a1b2c3d4e5f60718293a4b5c6d7e8f9;m=5a6b7c8;t=6532b1c0d5e00;x=a1b2c3d4e5f60718","_GID":"998","PRIORITY":"6","_CMDLINE":"/usr/local/bin/gateway --config /etc/gateway.yaml","SYSLOG_FACILITY":"3","_COMM":"gateway","_SYSTEMD_UNIT":"gateway.service","_BOOT_ID":"0a1b2c3d4e5f60718293a4b5c6d7e8f9","__MONOTONIC_TIMESTAMP":"94857160","_TRANSPORT":"stdout","SYSLOG_IDENTIFIER":"gateway","_SYSTEMD_SLICE":"system.slice","_MACHINE_ID":"00112233445566778899aabbccddeeff","_HOSTNAME":"box","_PID":"912","_STREAM_ID":"11223344556677889900aabbccddeeff","__REALTIME_TIMESTAMP":"1780304405123456","MESSAGE":$,"_CAP_EFFECTIVE":"0","_SELINUX_CONTEXT":"unconfined\n"}"#;

/// Every one of them, around generated records; `records` around those of CloudTrail.
pub fn wrapped(plan: &Plan) -> Vec<(String, Block)> {
    let mut ours = Vec::new();
    super::write_records(&mut ours, 4000, 1000).unwrap();
    let trail = fixtures(plan).into_iter().find(|(name, _)| name == "cloudtrail").unwrap().1.bytes;
    let mut blocks: Vec<_> = ENVELOPES
        .iter()
        .map(|&(name, before, around, behind)| {
            let records = if name == "records" { &trail[..] } else { &ours[..] };
            let lines = envelopes(records, before, around, behind);
            (format!("{name}, generated"), block((lines.join("\n") + "\n").into_bytes()))
        })
        .collect();
    let packed: String = envelopes(&ours, EVENTS, EVENT, "]}").iter().map(|text| packed(text)).collect();
    blocks.push(("awslogs, generated".to_owned(), block(packed.into_bytes())));
    blocks
}

/// A record, as the journal has it.
pub fn in_journal(record: &str) -> String {
    JOURNAL.replace('$', &serde_json::to_string(record).unwrap())
}

/// The records in their envelopes, one on a line.
fn envelopes(records: &[u8], before: &str, around: &str, behind: &str) -> Vec<String> {
    let wrap =
        |record: &str| around.replace('%', record).replace('$', &serde_json::to_string(record).unwrap());
    let wrapped: Vec<String> = std::str::from_utf8(records).unwrap().lines().map(wrap).collect();
    let together = if before.is_empty() { 1 } else { TOGETHER };
    let envelope = |records: &[String]| [before, &records.join(","), behind].concat();
    wrapped.chunks(together).map(envelope).collect()
}

/// What CloudWatch Logs sends to a function of Lambda.
fn packed(events: &str) -> String {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(events.as_bytes()).unwrap();
    format!("{{\"awslogs\":{{\"data\":\"{}\"}}}}\n", BASE64_STANDARD.encode(gzip.finish().unwrap()))
}

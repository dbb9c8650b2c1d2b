//! A theft that two logs tell together: CloudTrail whose key and from where, the invocation log how much.

use crate::support::{Ran, run_in};
use serde_json::json;
use std::path::Path;

/// 2026-06-01T09:00:00Z.
const START: i64 = 1_780_304_400;

/// Both halves of a call, some seconds apart, as their logs have them.
fn call(second: i64, number: usize, address: &str, tokens: u64) -> (String, String) {
    let time = |second: i64| jiff::Timestamp::from_second(START + second).unwrap().to_string();
    let request = format!("req-{number}");
    let model = "anthropic.claude-sonnet-4-5-20250929-v1:0";
    let event = json!({
        "eventVersion": "1.10", "eventTime": time(second), "eventSource": "bedrock.amazonaws.com",
        "eventName": "InvokeModel", "sourceIPAddress": address, "userAgent": "Boto3/1.34.162", "requestID": request,
        "requestParameters": {"modelId": model},
        "userIdentity": {"type": "IAMUser", "accessKeyId": "AKIAEXAMPLE000003F9C", "userName": "nightly"},
    });
    let invocation = json!({
        "schemaType": "ModelInvocationLog", "timestamp": time(second + 3), "requestId": request, "modelId": model,
        "identity": {"arn": "arn:aws:iam::111122223333:user/nightly"}, "operation": "InvokeModel",
        "input": {"inputTokenCount": tokens}, "output": {"outputTokenCount": tokens / 10},
    });
    (format!("{event}\n"), format!("{invocation}\n"))
}

/// Ten quiet days and a night of theft, as two files; other events of CloudTrail among them.
fn write_logs(dir: &Path) {
    let mut calls: Vec<(String, String)> = Vec::new();
    for day in 0..10 {
        for minute in 0..10 {
            let number = calls.len();
            calls.push(call(day * 86400 + minute * 60, number, "198.51.100.7", 1000));
        }
    }
    for second in 0..40 {
        let number = calls.len();
        calls.push(call(10 * 86400 + second * 10, number, "203.0.113.9", 200_000));
    }
    let (mut events, invocations): (Vec<String>, Vec<String>) = calls.into_iter().unzip();
    let other = json!({
        "eventTime": "2026-06-01T09:00:30Z", "eventSource": "s3.amazonaws.com", "eventName": "GetObject",
        "sourceIPAddress": "203.0.113.1", "requestID": "other", "userIdentity": {"accessKeyId": "AKIAEXAMPLE00000OTHR"},
    });
    events.insert(1, format!("{other}\n"));
    std::fs::write(dir.join("cloudtrail"), events.concat()).unwrap();
    std::fs::write(dir.join("bedrock"), invocations.concat()).unwrap();
}

fn check(ran: &Ran) {
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.accounting().starts_with("read 280 = 280 processed + 0 duplicate + 0 late + 0 rejected"),
        "{}",
        ran.stderr
    );
    for note in ["140 were joined to the request", "1 besides were events of something else", "1 key;"] {
        assert!(ran.stderr.contains(note), "{note}: {}", ran.stderr);
    }
    let last = ran.last_revisions();
    let spike = last.iter().find(|alert| alert["alert_type"] == "cost_spike").expect("a cost spike");
    // 40 calls of 200,000 tokens in at 3 dollars a million and 20,000 out at 15.
    assert_eq!((&spike["cost_usd"], &spike["requests"]), (&json!(36.0), &json!(40)));
    assert_eq!((&spike["api_key_prefix"], &spike["api_key_alias"]), (&json!("...3F9C"), &json!("nightly")));
    let address = last.iter().find(|alert| alert["alert_type"] == "unknown_source_ip").expect("an address");
    assert_eq!(address["evidence"]["unknown_ips"], json!(["203.0.113.9"]));
}

#[test]
fn two_logs_tell_one_theft_whichever_is_named_first() {
    let dir = tempfile::tempdir().unwrap();
    write_logs(dir.path());
    let run = |args: &[&str]| run_in(dir.path(), &[&["run"], args].concat(), b"");
    let merged = run(&["cloudtrail", "bedrock"]);
    check(&merged);
    let other_way = run(&["bedrock", "cloudtrail"]);
    check(&other_way);
    assert_eq!(merged.stdout, other_way.stdout);
    assert_eq!(merged.stdout, run(&["--threads", "8", "cloudtrail", "bedrock"]).stdout);
    // Delivered twice, they count once.
    let twice = run(&["cloudtrail", "bedrock", "cloudtrail", "bedrock"]);
    assert_eq!(twice.stdout, merged.stdout, "a file named twice is read once");
}

#[test]
fn halves_that_are_delivered_twice_count_once() {
    let dir = tempfile::tempdir().unwrap();
    write_logs(dir.path());
    for name in ["cloudtrail", "bedrock"] {
        let text = std::fs::read_to_string(dir.path().join(name)).unwrap();
        let twice: String = text.lines().flat_map(|line| [line, "\n", line, "\n"]).collect();
        std::fs::write(dir.path().join(name), twice).unwrap();
    }
    let ran = run_in(dir.path(), &["run", "cloudtrail", "bedrock"], b"");
    assert!(ran.accounting().starts_with("read 560 = 280 processed + 280 duplicate"), "{}", ran.stderr);
    let last = ran.last_revisions();
    let spike = last.iter().find(|alert| alert["alert_type"] == "cost_spike").expect("a cost spike");
    assert_eq!((&spike["cost_usd"], &spike["requests"]), (&json!(36.0), &json!(40)));
}

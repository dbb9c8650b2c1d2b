//! Alertmanager: what is open is told again until it is over, over a restart, too.

use crate::post::{Running, metric, value};
use crate::receiver::{Receiver, Reply, Seen};
use crate::sinks::place;
use crate::support::record;
use serde_json::{Value, json};
use std::io::Write;

fn sink(receiver: &Receiver, more: &str) -> String {
    format!(
        "[sinks.am]\ntype = \"alertmanager\"\nurl = \"{}\"\nresend_ms = 100\nretry_max_ms = 20\n{more}",
        receiver.origin()
    )
}

fn alerts(seen: &Seen) -> Vec<Value> {
    assert_eq!(seen.path, "/api/v2/alerts");
    serde_json::from_str(&seen.body).unwrap()
}

fn time(alert: &Value, name: &str) -> jiff::Timestamp {
    alert[name].as_str().unwrap().parse().unwrap()
}

fn now() -> jiff::Timestamp {
    keyhound::engine::clock::now().to_string().parse().unwrap()
}

#[test]
fn what_is_open_is_told_again_until_it_is_over() {
    let receiver = Receiver::start(|_| Reply::Status(200));
    let dir = place(0, &sink(&receiver, ""));
    let mut running = Running::with(dir.path(), &["--metrics", "127.0.0.1:0"]);
    let told = running.wait_for("http://127.0.0.1");
    let metrics = told.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let mut pipe = running.child.stdin.take().unwrap();
    pipe.write_all(record(&[("api_key_prefix", json!("...3f9c"))]).as_bytes()).unwrap();
    let first = alerts(&receiver.next());
    assert_eq!(first.len(), 1);
    assert!(time(&first[0], "endsAt") > now(), "{first:?}");
    let (mut last, mut again) = (first[0].clone(), 0);
    while again < 3 {
        let next = alerts(&receiver.next());
        assert_eq!((&next[0]["labels"], &next[0]["startsAt"]), (&last["labels"], &last["startsAt"]));
        assert!(time(&next[0], "endsAt") >= time(&last, "endsAt"));
        last = next[0].clone();
        again += 1;
    }
    let page = metric(&metrics, "keyhound_sink_active{sink=\"am\"} 1");
    assert_eq!(value(&page, "keyhound_sink_failing{sink=\"am\"}"), 0);
    // The end of the input ends the day, and what belongs to it.
    drop(pipe);
    let ran = running.end();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let seen = receiver.seen();
    let ended = alerts(seen.last().unwrap());
    assert_eq!(ended[0]["labels"], first[0]["labels"]);
    assert!(time(&ended[0], "endsAt") <= now(), "{ended:?}");
    assert_eq!(ended[0]["annotations"]["status"], "final");
}

#[test]
fn what_was_open_before_a_restart_is_told_again_after_it() {
    let receiver = Receiver::start(|_| Reply::Status(200));
    let dir = place(3, &sink(&receiver, ""));
    let run = || Running::with(dir.path(), &["--state", "state", "log"]).end();
    let ran = run();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let open: Vec<Value> =
        receiver.seen().iter().flat_map(alerts).map(|alert| alert["labels"].clone()).collect();
    let mut known = open.clone();
    known.sort_by_key(ToString::to_string);
    known.dedup();
    assert!(known.len() >= 3);
    // Nothing new is read: what is open there is all that there is to say.
    let ran = run();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{}", ran.stderr);
    let mut again: Vec<Value> =
        receiver.seen().iter().flat_map(alerts).map(|alert| alert["labels"].clone()).collect();
    again.sort_by_key(ToString::to_string);
    again.dedup();
    assert_eq!(again, known);
    // Damaged, it is told, and no reason not to begin.
    std::fs::write(dir.path().join("state/outbox/am/active"), "{\"half").unwrap();
    let ran = run();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("active: damaged (") && receiver.seen().is_empty(), "{}", ran.stderr);
}

/// A label that changes would be another alert: the one before is ended.
#[test]
fn a_severity_that_rises_ends_what_was_before() {
    let receiver = Receiver::start(|_| Reply::Status(200));
    let dir = place(0, "");
    let config = format!(
        "[detectors.billing_threshold]\namounts_usd = [1.0, 10.0, 100.0]\n{}",
        sink(&receiver, "events = [\"alert\"]\nbatch_alerts_max = 1\n")
    );
    std::fs::write(dir.path().join("k.toml"), config).unwrap();
    let line = |second: u32, usd: f64| {
        record(&[
            ("timestamp", json!(format!("2026-06-01T09:00:{second:02}Z"))),
            ("request_id", json!(format!("r{second}"))),
            ("api_key_prefix", json!("...3f9c")),
            ("cost_usd", json!(usd)),
        ])
    };
    std::fs::write(dir.path().join("log"), line(1, 2.0) + &line(2, 20.0) + &line(3, 200.0)).unwrap();
    let ran = Running::with(dir.path(), &["log"]).end();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let all: Vec<Value> = receiver.seen().iter().flat_map(alerts).collect();
    let of = |severity: &str| -> Vec<&Value> {
        let is_it = |alert: &&Value| {
            alert["labels"]["alertname"] == "keyhound_billing_threshold"
                && alert["labels"]["severity"] == severity
        };
        all.iter().filter(is_it).collect()
    };
    let mut severities: Vec<&str> =
        all.iter().filter_map(|alert| alert["labels"]["severity"].as_str()).collect();
    severities.dedup();
    assert!(severities.len() > 1, "{severities:?}");
    for severity in severities {
        if let Some(last) = of(severity).last() {
            assert!(time(last, "endsAt") <= now(), "{severity} stays open: {last}");
        }
    }
}

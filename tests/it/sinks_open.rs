//! What is open: Alertmanager is told it again until it is over, over a restart, too; PagerDuty has one incident for a theft.

use crate::incidents;
use crate::post::{Running, metric, value};
use crate::receiver::{Receiver, Reply, Seen};
use crate::sinks::place;
use crate::support::record;
use serde_json::{Value, json};
use std::collections::BTreeSet;
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

/// One thief, two keys: one page, which is over when the last incident of it is.
#[test]
fn a_thief_of_two_keys_wakes_one_person_once() {
    let receiver = Receiver::start(|_| Reply::Status(202));
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "[incidents]\nenabled = true\n[sinks.pd]\ntype = \"pagerduty\"\nurl = \"{}\"\nhosts = [\"127.0.0.1\"]\n\
         token_file = \"token\"\nevents = [\"incident\"]\n",
        receiver.origin()
    );
    std::fs::write(dir.path().join("k.toml"), config).unwrap();
    std::fs::write(dir.path().join("token"), "EXAMPLE-token\n").unwrap();
    let text = incidents::text();
    let of = |key: &str| -> String {
        text.lines().filter(|line| line.contains(key)).map(|line| format!("{line}\n")).collect()
    };
    // The end of a file that is followed up closes nothing, so that what is open goes through a restart.
    std::fs::write(dir.path().join("log"), of("...key0") + &of("...key1")).unwrap();
    let ran = Running::with(dir.path(), &["--state", "state", "log"]).end();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let bodies = || -> Vec<Value> {
        receiver.seen().iter().map(|seen| serde_json::from_str(&seen.body).unwrap()).collect()
    };
    let action = |body: &Value| body["event_action"].as_str().unwrap().to_owned();
    let mut told = bodies();
    let key = told[0]["dedup_key"].clone();
    let keys: BTreeSet<String> = told.iter().map(|body| body["payload"]["component"].to_string()).collect();
    assert_eq!(keys.len(), 2, "{told:#?}");
    assert!(
        told.iter().all(|body| body["dedup_key"] == key && body["routing_key"] == "EXAMPLE-token"),
        "{told:#?}"
    );
    assert!(told.iter().all(|body| action(body) == "trigger"), "{told:#?}");
    // A week later both are over, one after the other.
    let later = record(&[
        ("timestamp", json!(incidents::START + 46 * incidents::DAY)),
        ("request_id", json!("later")),
        ("api_key_prefix", json!("...key2")),
    ]);
    let mut log = std::fs::OpenOptions::new().append(true).open(dir.path().join("log")).unwrap();
    log.write_all(later.as_bytes()).unwrap();
    let ran = Running::with(dir.path(), &["--state", "state", "log"]).end();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    told = bodies();
    let ended: Vec<&Value> = told.iter().filter(|body| action(body) == "resolve").collect();
    assert_eq!(ended.len(), 1, "once, and not when the first was over: {told:#?}");
    assert_eq!(ended[0]["dedup_key"], key);
    let open = std::fs::read_to_string(dir.path().join("state/outbox/pd/active")).unwrap();
    assert_eq!(open, "{}");
}

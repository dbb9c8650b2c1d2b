//! Signs that are sure by themselves: who stands on a list, keys that nobody may use, what audit logs tell.

use crate::support::{keyhound, record, run_in};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

const ON: &str = "[incidents]\nenabled = true\n[[key]]\nkey = \"...c4a2\"\ncanary = true\n";

fn used(key: &str, time: &str, address: &str) -> String {
    record(&[("api_key_prefix", json!(key)), ("timestamp", json!(time)), ("source_ip", json!(address))])
}

fn logging_off() -> String {
    let event = json!({
        "id": "audit_1", "type": "organization.updated", "effective_at": 1_780_308_000,
        "actor": { "type": "session", "session": { "user": { "email": "ops@example.com" }, "ip_address": "198.51.100.7" } },
        "organization.updated": { "id": "org", "changes_requested": { "api_call_logging": "disabled" } },
    });
    format!("{event}\n")
}

fn limit_removed() -> String {
    let event = json!({
        "id": "audit_2", "type": "rate_limit.deleted", "effective_at": 1_780_308_060,
        "actor": { "type": "session", "session": { "user": { "email": "ops@example.com" } } },
        "rate_limit.deleted": { "id": "rl" },
    });
    format!("{event}\n")
}

fn log() -> String {
    used("...c4a2", "2026-06-01T10:00:00Z", "203.0.113.7")
        + &used("...3f9c", "2026-06-01T10:00:01Z", "10.0.0.1")
        + &logging_off()
        + &limit_removed()
        + &used("...c4a2", "2026-06-03T10:00:00Z", "203.0.113.8")
}

fn told(dir: &Path, args: &[&str]) -> Vec<Value> {
    let ran = run_in(dir, &[&["run", "--quiet", "-c", "on.toml"], args].concat(), b"");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    ran.events()
}

fn incidents(events: &[Value]) -> Vec<&Value> {
    events.iter().filter(|event| event["event"] == "incident").collect()
}

/// One that calls a person is an incident, too: under an id of its own, until its day is over.
#[test]
fn what_calls_a_person_is_an_incident() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("on.toml"), ON).unwrap();
    std::fs::write(dir.join("log"), log()).unwrap();
    let events = told(dir, &["--threads=1", "log"]);
    assert_eq!(events, told(dir, &["--threads=3", "log"]), "however many shards there are");
    let shown = |event: &&Value| {
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        (text("class"), text("severity"), text("status"), text("timestamp"))
    };
    let all: Vec<_> = incidents(&events).iter().map(shown).collect();
    let row = |class: &str, severity: &str, status: &str, time: &str| {
        (class.to_owned(), severity.to_owned(), status.to_owned(), time.to_owned())
    };
    let (first, off, second) = ("2026-06-01T10:00:00Z", "2026-06-01T10:00:00Z", "2026-06-03T10:00:00Z");
    let mut expected = vec![
        row("compromise", "critical", "open", first),
        row("evasion", "high", "open", off),
        row("compromise", "critical", "resolved", first),
        row("evasion", "high", "resolved", off),
        row("compromise", "critical", "open", second),
        row("compromise", "critical", "resolved", second),
    ];
    let mut sorted = all.clone();
    sorted.sort();
    expected.sort();
    assert_eq!(sorted, expected, "{all:?}");
    for incident in incidents(&events) {
        let ledger = incident["ledger"].as_array().unwrap();
        let sum: f64 = ledger.iter().map(|term| term["nats"].as_f64().unwrap()).sum();
        assert!((sum - incident["score"].as_f64().unwrap()).abs() < 1e-9, "{incident}");
        let names = ["canary_key", "defense_evasion"];
        assert!(names.iter().any(|name| ledger[0]["term"] == *name), "{incident}");
        assert!(
            events
                .iter()
                .filter(|event| event["event"] == "alert")
                .all(|alert| alert["id"] != incident["id"])
        );
    }
    let id = incidents(&events)[0]["incident_id"].as_str().unwrap();
    std::fs::write(dir.join("alerts"), events.iter().map(|event| format!("{event}\n")).collect::<String>())
        .unwrap();
    let ran = run_in(dir, &["explain", id, "-c", "on.toml", "--alerts", "alerts", "log"], b"");
    let said = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let says = |text: &str| assert!(said.contains(text), "{text}: {said} {}", ran.stderr);
    says("sure by itself");
    says("The replay tells exactly what was recorded.");
    std::fs::write(dir.join("on.toml"), ON.replace("true\n[[key]]", "false\n[[key]]")).unwrap();
    let without = told(dir, &["log"]);
    assert!(incidents(&without).is_empty() && without.len() > 5, "alerts come without incidents, too");
}

/// Said to be none, it is not told again, but another day's is.
#[test]
fn one_that_is_dismissed_is_told_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("on.toml"), ON).unwrap();
    std::fs::write(dir.join("log"), log()).unwrap();
    let events = told(dir, &["log"]);
    let of_canary = incidents(&events).into_iter().find(|event| event["class"] == "compromise").unwrap();
    let id = of_canary["incident_id"].as_str().unwrap();
    std::fs::write(dir.join("alerts"), events.iter().map(|event| format!("{event}\n")).collect::<String>())
        .unwrap();
    let at = ["--at", "2026-06-01T10:00:00Z", "--append", "said"];
    let ran =
        run_in(dir, &[&["dismiss", id, "--alerts", "alerts", "--reason", "a drill"][..], &at].concat(), b"");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let after = told(dir, &["said", "log"]);
    let left = |events: &[Value]| incidents(events).iter().filter(|event| event["incident_id"] == id).count();
    assert_eq!((left(&events), left(&after)), (2, 0));
    assert_eq!(incidents(&after).len(), incidents(&events).len() - 2);
    let args = [
        "suppress",
        "incident",
        "--key",
        "...c4a2",
        "--for",
        "9d",
        "--at",
        "2026-06-01T00:00:00Z",
        "--append",
        "quiet",
    ];
    assert_eq!(run_in(dir, &args, b"").code, Some(0));
    let quiet = told(dir, &["quiet", "log"]);
    assert!(incidents(&quiet).iter().all(|event| event["class"] == "evasion"), "{quiet:#?}");
    assert!(quiet.iter().any(|event| event["alert_type"] == "canary_key"), "its alerts are told");
}

#[test]
fn an_operator_says_that_a_key_was_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("on.toml"), ON).unwrap();
    let lines = ["09:00", "10:04", "10:06"]
        .map(|time| used("...3f9c", &format!("2026-06-01T{time}:00Z"), "10.0.0.1"));
    std::fs::write(dir.join("log"), lines.concat()).unwrap();
    let args = ["revoke", "--key", "...3f9c", "--at", "2026-06-01T10:00:00Z", "--append", "said"];
    assert_eq!(run_in(dir, &args, b"").code, Some(0));
    let events = told(dir, &["log", "said"]);
    let alert = events.iter().find(|event| event["alert_type"] == "revoked_key").expect("it is used");
    assert_eq!(
        (&alert["detected_at"], &alert["severity"]),
        (&json!("2026-06-01T10:06:00Z"), &json!("critical"))
    );
    assert_eq!(alert["evidence"]["revoked_at"], "2026-06-01T10:00:00Z");
    // Refused, nobody is called; served after that, somebody is, and can ask why.
    let refused = used("...3f9c", "2026-06-01T10:05:30Z", "10.0.0.1").replace("200", "401");
    std::fs::write(dir.join("log"), refused + &lines.concat()).unwrap();
    let events = told(dir, &["said", "log"]);
    let incident = incidents(&events)[0];
    assert_eq!((&incident["revision"], &incident["severity"]), (&json!(1), &json!("critical")));
    std::fs::write(dir.join("alerts"), events.iter().map(|event| format!("{event}\n")).collect::<String>())
        .unwrap();
    let id = incident["incident_id"].as_str().unwrap();
    let ran = run_in(dir, &["explain", id, "-c", "on.toml", "--alerts", "alerts", "said", "log"], b"");
    assert!(
        ran.code == Some(0) && ran.stdout.contains("The replay tells exactly"),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
}

/// Long enough for any machine; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A list that changes counts within seconds, without a restart; one with a mistake changes nothing.
#[test]
fn lists_are_read_again_while_a_run_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("list"), "198.51.100.9\n").unwrap();
    std::fs::write(dir.join("on.toml"), "[watch_list]\nfiles = [\"list\"]\n").unwrap();
    let mut child = keyhound()
        .current_dir(dir)
        .args(["run", "-c", "on.toml", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let (sender, alerts) = std::sync::mpsc::channel();
    std::thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
    // Each record is of another key: an alert is told once for each.
    let mut keys = 0..;
    let mut told_within = |patience: Duration, address: &str| {
        for _ in 0..=patience.as_millis() / 300 {
            let key = format!("...k{:04}", keys.next().unwrap_or(0));
            stdin.write_all(used(&key, "2026-06-01T10:00:00Z", address).as_bytes()).unwrap();
            if let Ok(line) = alerts.recv_timeout(Duration::from_millis(300)) {
                return Some(line);
            }
        }
        None
    };
    assert!(told_within(PATIENCE, "198.51.100.9").unwrap().contains("198.51.100.9"), "from the start");
    assert_eq!(told_within(Duration::from_millis(600), "203.0.113.7"), None, "not on the list");
    std::fs::write(dir.join("list"), "nonsense\n").unwrap();
    assert_eq!(told_within(Duration::from_millis(3500), "203.0.113.7"), None, "a mistake changes nothing");
    std::fs::write(dir.join("list"), "203.0.113.0/24 # seen elsewhere\n").unwrap();
    assert!(told_within(PATIENCE, "203.0.113.7").unwrap().contains("203.0.113.0/24"));
    drop(stdin);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(said.contains("list:1: `nonsense` is no address") && said.contains("1 entries"), "{said}");
}

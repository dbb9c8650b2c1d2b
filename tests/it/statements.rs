//! What operators say of keys: it is in force at once, and the same wherever it stands among the inputs.

use crate::incidents::{Caller, DAY, OWNER, START, THIEF, bare, events, incidents, line};
use crate::support::run_in;
use serde_json::Value;
use std::path::Path;

type Make = fn(i64, i64, &Caller) -> (i64, String);

/// A key at work for 37 days, and for the last three of them another consumer for an hour each; then ten days more
/// without him.
fn log(make: Make) -> Vec<(i64, String)> {
    let mut lines = Vec::new();
    for day in 0..47 {
        lines.extend((32..72).map(|quarter| {
            make(0, START + day * DAY + quarter * 900 + (day * 37 + quarter * 61) % 300, &OWNER)
        }));
    }
    for day in 34..37 {
        let from = START + day * DAY + 11 * 3600;
        lines.extend((0..90).map(|call| make(0, from + call * 40, &THIEF)));
    }
    lines.sort();
    lines
}

fn write(dir: &Path, make: Make) {
    std::fs::write(dir.join("on.toml"), "[incidents]\nenabled = true\n").unwrap();
    let text: String = log(make).into_iter().map(|(_, line)| line).collect();
    std::fs::write(dir.join("log"), text).unwrap();
    std::fs::write(dir.join("said"), "").unwrap();
}

fn told(dir: &Path) -> Vec<Value> {
    incidents(&events(dir, &["log", "said"], b""))
}

fn say(dir: &Path, args: &[&str], stdin: &str) {
    let ran = run_in(dir, &[args, &["--append", "said"]].concat(), stdin.as_bytes());
    assert_eq!((ran.code, ran.stderr.as_str(), ran.stdout.as_str()), (Some(0), "", ""));
}

/// What was told one after the other, without repetitions.
fn statuses(told: &[Value]) -> Vec<&str> {
    assert!(
        told.iter().all(|event| event["incident_id"] == told[0]["incident_id"]),
        "one incident: {told:#?}"
    );
    let mut all: Vec<&str> = told.iter().map(|event| event["status"].as_str().unwrap()).collect();
    all.dedup();
    all
}

fn at(day: i64, hour: i64) -> String {
    // 2026-06-01 and 35 days is 2026-07-06.
    let (month, day) = if day < 30 { (6, day + 1) } else { (7, day - 29) };
    format!("2026-{month:02}-{day:02}T{hour:02}:00:00Z")
}

/// The whole output, however the run is cut and shared out.
fn assert_same_for_all(dir: &Path) {
    let expected = events(dir, &["--threads", "1", "log", "said"], b"");
    assert_eq!(events(dir, &["--threads", "4", "log", "said"], b""), expected, "four shards");
    assert_eq!(events(dir, &["said", "log"], b""), expected, "said first");
}

/// In two runs, the second of which begins while the incident is open.
fn assert_same_over_a_restart(dir: &Path) {
    let whole = std::fs::read_to_string(dir.join("log")).unwrap();
    events(dir, &["--state", "whole", "-o", "whole.jsonl", "log"], b"");
    let open = START + 37 * DAY;
    let first: String = log(line).into_iter().filter(|(at, _)| *at < open).map(|(_, line)| line).collect();
    assert!(whole.starts_with(&first));
    std::fs::write(dir.join("log"), first).unwrap();
    events(dir, &["--state", "parts", "-o", "parts.jsonl", "log"], b"");
    std::fs::write(dir.join("log"), whole).unwrap();
    events(dir, &["--state", "parts", "-o", "parts.jsonl", "--threads", "3", "log"], b"");
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    assert!(read("whole.jsonl").contains("resolved"));
    assert!(read("parts.jsonl") == read("whole.jsonl"), "a restart while it is open");
}

#[test]
fn an_incident_is_over_when_nobody_comes_again_and_goes_on_when_he_does() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write(dir, line);
    let told = told(dir);
    // He is back within the hour on each of the three days, so it is over once, a day after the last.
    assert_eq!(statuses(&told), ["open", "resolved"]);
    let last = told.last().unwrap();
    let over = last["updated_at"].as_str().unwrap();
    assert!(over.starts_with("2026-07-08T11:59:20"), "a day after his last request: {over}");
    assert_eq!(last["requests"], 270);
    assert_same_for_all(dir);
    assert_same_over_a_restart(dir);
    std::fs::write(dir.join("on.toml"), "[incidents]\nenabled = true\nquiet_hours = 20\n").unwrap();
    let again = self::told(dir);
    assert_eq!(statuses(&again), ["open", "resolved", "open", "resolved", "open", "resolved"]);
}

#[test]
fn whoever_was_none_is_known_from_then_on() {
    for make in [line as Make, bare] {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        write(dir, make);
        let before = events(dir, &["log", "said"], b"");
        let id = incidents(&before)[0]["incident_id"].as_str().unwrap().to_owned();
        let begins = &id[..8];
        let said = ["dismiss", begins, "--reason", "our batch, change 4711", "--at", &at(34, 13)];
        say(dir, &said, &before);
        let told = told(dir);
        let last = told.last().unwrap();
        assert_eq!(last["status"], "dismissed", "{told:#?}");
        assert_eq!(last["reason"], "our batch, change 4711");
        assert!(
            told.iter().all(|one| one["incident_id"] == id.as_str()),
            "nothing comes after it: {told:#?}"
        );
        assert_same_for_all(dir);
        // Said twice, it is said once.
        say(dir, &said, &before);
        assert_eq!(self::told(dir), told);
        // Known before it is told, it never is.
        std::fs::write(dir.join("said"), "").unwrap();
        say(dir, &["dismiss", begins, "--reason", "known", "--at", &at(30, 1)], &before);
        assert_eq!(self::told(dir), Vec::<Value>::new());
    }
}

#[test]
fn what_is_confirmed_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write(dir, line);
    let before = events(dir, &["log", "said"], b"");
    let id = incidents(&before)[0]["incident_id"].as_str().unwrap().to_owned();
    say(dir, &["confirm", &id, "--at", &at(34, 13)], &before);
    let told = told(dir);
    assert_eq!(statuses(&told), ["open", "confirmed", "resolved"]);
    assert_same_for_all(dir);
}

#[test]
fn who_is_expected_is_nobody_else() {
    for make in [line as Make, bare] {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        write(dir, make);
        let key = if std::ptr::fn_addr_eq(make, line as Make) { "...key0" } else { "...bare0" };
        let said = ["annotate", "--key", key, "--for", "3d", "--change", "new-team", "--at", &at(34, 10)];
        say(dir, &said, "");
        assert_eq!(told(dir), Vec::<Value>::new(), "{key}");
        assert_same_for_all(dir);
        // Over before he comes, or about another network, it changes nothing.
        std::fs::write(dir.join("said"), "").unwrap();
        say(dir, &["annotate", "--key", key, "--for", "30m", "--at", &at(34, 10)], "");
        assert!(!told(dir).is_empty());
        if key == "...key0" {
            std::fs::write(dir.join("said"), "").unwrap();
            say(dir, &[&said[..], &["--source-ip", "192.0.2.1"]].concat(), "");
            assert!(!told(dir).is_empty());
            std::fs::write(dir.join("said"), "").unwrap();
            let whom = ["--source-ip", THIEF.address, "--user-agent", THIEF.client];
            say(dir, &[&said[..], &whom[..]].concat(), "");
            assert_eq!(told(dir), Vec::<Value>::new());
        }
    }
}

#[test]
fn what_is_suppressed_is_not_told_until_that_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write(dir, line);
    let all = events(dir, &["log", "said"], b"");
    let kinds = |events: &str, kind: &str| {
        let all = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        all.filter(|event| event["alert_type"] == kind || event["event"] == kind).count()
    };
    assert!(kinds(&all, "unknown_source_ip") > 0 && kinds(&all, "unknown_model") > 0);
    say(dir, &["suppress", "unknown_source_ip", "--key", "...key0", "--for", "30d", "--at", &at(33, 0)], "");
    let without = events(dir, &["log", "said"], b"");
    assert_eq!(kinds(&without, "unknown_source_ip"), 0);
    // It holds where nobody looks for incidents, too.
    std::fs::write(dir.join("off.toml"), "").unwrap();
    let ran = run_in(dir, &["run", "--quiet", "-c", "off.toml", "log", "said"], b"");
    assert_eq!((kinds(&ran.stdout, "unknown_source_ip"), kinds(&ran.stdout, "incident")), (0, 0));
    assert!(kinds(&ran.stdout, "unknown_model") > 0);
    assert_eq!(kinds(&without, "unknown_model"), kinds(&all, "unknown_model"));
    assert_eq!(kinds(&without, "incident"), kinds(&all, "incident"));
    say(dir, &["suppress", "unknown_source_ip", "--key", "...key0", "--for", "0s", "--at", &at(34, 0)], "");
    assert_eq!(
        kinds(&events(dir, &["log", "said"], b""), "unknown_source_ip"),
        kinds(&all, "unknown_source_ip")
    );
    say(dir, &["suppress", "incident", "--key", "...key0", "--for", "1d", "--at", &at(34, 0)], "");
    let later = incidents(&events(dir, &["log", "said"], b""));
    assert!(later[0]["detected_at"].as_str().unwrap() >= at(35, 0).as_str(), "evidence is kept: {later:#?}");
    assert_same_for_all(dir);
}

#[test]
fn days_of_an_incident_teach_no_baseline() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write(dir, line);
    let models = |events: &str| {
        let all = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        all.filter(|event| event["alert_type"] == "unknown_model").count()
    };
    // The thief's model comes back on the last day: of what was learned since, his days are left out.
    let mut lines = log(line);
    let last = START + 46 * DAY + 12 * 3600;
    lines.push(line(0, last, &Caller { model: THIEF.model, ..OWNER }));
    lines.sort();
    let text: String = lines.into_iter().map(|(_, line)| line).collect();
    std::fs::write(dir.join("log"), text).unwrap();
    let before = events(dir, &["log", "said"], b"");
    let id = incidents(&before)[0]["incident_id"].as_str().unwrap().to_owned();
    say(dir, &["dismiss", &id, "--reason", "ours", "--at", &at(34, 13)], &before);
    let after = events(dir, &["log", "said"], b"");
    assert!(models(&before) > models(&after), "{} and {}", models(&before), models(&after));
}

#[test]
fn what_cannot_be_said_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let cases: &[(&[&str], &str)] = &[
        (&["dismiss", "ab"], "--reason is missing"),
        (&["confirm", "ab"], "standard input: no incident whose incident_id begins with ab"),
        (&["annotate", "--for", "1h"], "--key <SHOWN>"),
        (&["suppress", "everything", "--key", "...a", "--for", "1h"], "is nothing that is told; expected: "),
        (&["suppress", "all", "--key", "...a", "--for", "soon"], "a number and s, m, h or d is expected"),
        (&["annotate", "--key", "sk-proj-0123456789abcdef0123456789abcdef"], "not a key itself"),
    ];
    for (args, expected) in cases {
        let ran = run_in(dir, args, b"{}\nno json\n");
        assert_ne!(ran.code, Some(0), "{args:?}");
        assert!(ran.stderr.contains(expected), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
}

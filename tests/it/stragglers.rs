//! Who still uses a dead key, told from logs: the forgotten, the half moved, the thief, and a key that is not dead.

use crate::support::{Ran, record, run_in};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const OLD: &str = "...3f9c";
const NEW: &str = "...77aa";

fn line(minute: u32, key: &str, address: &str, client: &str, status: u16) -> String {
    let at = format!("2026-06-01T{:02}:{:02}:00Z", 9 + minute / 60, minute % 60);
    record(&[
        ("timestamp", json!(at)),
        ("api_key_prefix", json!(key)),
        ("source_ip", json!(address)),
        ("user_agent", json!(client)),
        ("status_code", json!(status)),
    ])
}

/// A rotation at ten that reached one service whole, one in part, and one not at all; and somebody else.
fn logs() -> Vec<String> {
    let mut lines = Vec::new();
    for minute in (0..60).step_by(5) {
        for address in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
            lines.push(line(minute, OLD, address, "openai-python/1.99.0", 200));
        }
    }
    for minute in 61..90 {
        lines.push(line(minute, NEW, "10.0.0.1", "openai-python/1.99.0", 200));
        lines.push(line(minute, OLD, "10.0.0.2", "openai-python/1.99.0", 401));
        lines.push(line(minute, NEW, "10.0.0.2", "openai-python/1.99.0", 200));
        lines.push(line(minute, OLD, "10.0.0.3", "openai-python/1.99.0", 401));
        lines.push(line(minute, OLD, "203.0.113.9", "curl/8.9.1", 403));
    }
    lines
}

fn said(dir: &Path, logs: &[String], more: &[&str]) -> Ran {
    fs::write(dir.join("log"), logs.concat()).unwrap();
    let args = ["respond", "stragglers", "response.md", "--logs", "log", "--key", OLD];
    run_in(dir, &[&args, more].concat(), b"")
}

fn start(dir: &Path) {
    let ran = run_in(dir, &["respond", "start", "--provider", "openai", "-o", "response.md"], b"");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn who_was_forgotten_is_told_from_who_is_not_known() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    start(dir);
    let ran = said(dir, &logs(), &[]);
    assert!(ran.code == Some(2) && ran.stderr.contains("neither revoked nor moved"), "{}", ran.stderr);
    let done = run_in(dir, &["respond", "done", "response.md", "4", "--at", "2026-06-01T10:00:00Z"], b"");
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let ran = said(dir, &logs(), &["--json", "--fail-on", "found"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let told: Vec<Value> = ran.events();
    let of = |address: &str| told.iter().find(|one| one["source_ip"] == address).cloned().unwrap_or_default();
    assert_eq!(told.len(), 3);
    for (address, state, refused, before) in [
        ("10.0.0.2", "half moved", 29, 12),
        ("10.0.0.3", "not moved", 29, 12),
        ("203.0.113.9", "unknown", 29, 0),
    ] {
        let one = of(address);
        assert_eq!(
            (&one["state"], &one["refused"], &one["before"]),
            (&json!(state), &json!(refused), &json!(before)),
            "{address}"
        );
        assert_eq!(
            (&one["first"], &one["last"]),
            (&json!("2026-06-01T10:01:00Z"), &json!("2026-06-01T10:29:00Z")),
            "{address}"
        );
    }
    assert_eq!(of("10.0.0.2")["moved_at"], json!("2026-06-01T10:01:00Z"));
    let mut turned = logs();
    turned.reverse();
    assert_eq!(said(dir, &turned, &["--json"]).stdout, ran.stdout, "the order of records does not matter");
    let text = said(dir, &logs(), &[]).stdout;
    assert!(
        text.starts_with("3 consumers use it since 2026-06-01T10:00:00Z: 87 requests refused,\n"),
        "{text}"
    );
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let review = run_in(dir, &["respond", "review", "response.md", "--logs", "log", "--key", OLD], b"");
    assert!(
        review.stdout.contains("## Who used the dead key") && review.stdout.contains("| 10.0.0.3 |"),
        "{}",
        review.stderr
    );
}

#[test]
fn a_key_that_is_served_is_not_dead_and_one_that_nobody_uses_is() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    start(dir);
    let since = ["--since", "2026-06-01T10:00:00Z"];
    let mut lines = logs();
    lines.push(line(95, OLD, "198.51.100.7", "curl/8.9.1", 200));
    let text = said(dir, &lines, &since).stdout;
    assert!(text.starts_with("THE KEY IS NOT DEAD: 1 request served since."), "{text}");
    assert!(text.contains("served: the key still works for it"), "{text}");
    let quiet: Vec<String> =
        logs().into_iter().filter(|line| !line.contains("401") && !line.contains("403")).collect();
    let ran = said(dir, &quiet, &[&since[..], &["--fail-on", "found"]].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        ran.stdout,
        "Nobody has used the key since 2026-06-01T10:00:00Z (the logs end at 2026-06-01T10:29:00Z).\n"
    );
    let other = run_in(
        dir,
        &[
            "respond",
            "stragglers",
            "response.md",
            "--logs",
            "log",
            "--key",
            "...0000",
            "--since",
            "2026-06-01",
        ],
        b"",
    );
    assert_eq!(other.code, Some(2), "a day is no time: {}", other.stderr);
    let other = run_in(
        dir,
        &["respond", "stragglers", "response.md", "--logs", "log", "--key", "...0000", since[0], since[1]],
        b"",
    );
    assert!(other.stderr.contains("no record of this key"), "{}", other.stderr);
}

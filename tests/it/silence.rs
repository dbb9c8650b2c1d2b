//! Silences: told at the same time, once, however many shards there are and wherever another process goes on.

use crate::support::{record, run_in};
use serde_json::{Value, json};
use std::path::Path;

/// 2026-06-01T00:00:00Z, and half an hour.
const START: i64 = 1_780_272_000;
const HALF_HOUR: i64 = 1800;

fn time(step: i64) -> String {
    jiff::Timestamp::from_second(START + step * HALF_HOUR).unwrap().to_string()
}

/// Twenty days of a key that moves time, and of one that is silent on the 17th from ten o'clock on, comes back on the 18th
/// at noon for an hour and ends.
fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for step in 0..20 * 48 {
        let line = |key: &str| record(&[("timestamp", json!(time(step))), ("api_key_prefix", json!(key))]);
        lines.push(line("...7173"));
        let back = 17 * 48 + 24;
        if step < 16 * 48 + 20 || (back..back + 2).contains(&step) {
            lines.push(line("...24a7"));
        }
    }
    lines
}

/// What is told if the lines come in parts, each to another process with so many shards.
fn told(dir: &Path, name: &str, lines: &[String], parts: &[(usize, &str)]) -> String {
    let (log, state, alerts) = (format!("{name}.log"), format!("{name}.state"), format!("{name}.alerts"));
    for (end, threads) in parts {
        std::fs::write(dir.join(&log), lines[..*end].concat()).unwrap();
        let args = ["run", "--quiet", "--state", &state, "--output", &alerts, "--threads", threads, &log];
        let ran = run_in(dir, &args, b"");
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    }
    std::fs::read_to_string(dir.join(alerts)).unwrap()
}

#[test]
fn a_silence_is_told_once_over_shards_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let lines = lines();
    let at = |wanted: &str| lines.iter().position(|line| line.contains(wanted)).unwrap();
    let whole = told(dir.path(), "whole", &lines, &[(lines.len(), "1")]);
    // Before it is told, after, before it is over, after, and before the next.
    let places = [
        (at("2026-06-17T13:00:00Z"), "3"),
        (at("2026-06-17T21:00:00Z"), "1"),
        (at("2026-06-18T12:00:00Z"), "16"),
        (at("2026-06-18T13:30:00Z"), "2"),
        (at("2026-06-18T20:00:00Z"), "1"),
        (lines.len(), "5"),
    ];
    assert_eq!(told(dir.path(), "parts", &lines, &places), whole);
    let told: Vec<Value> = whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let silences = told.iter().filter(|alert| alert["alert_type"] == "silence");
    let shown: Vec<String> = silences
        .map(|alert| {
            let text = |name: &str| alert[name].as_str().unwrap();
            format!("{} {} {} {}", text("status"), text("day"), text("detected_at"), text("updated_at"))
        })
        .collect();
    let expected = [
        "open 2026-06-17 2026-06-17T20:00:00Z 2026-06-17T20:00:00Z",
        "final 2026-06-17 2026-06-17T20:00:00Z 2026-06-18T12:00:00Z",
        "open 2026-06-18 2026-06-19T08:00:00Z 2026-06-19T08:00:00Z",
    ];
    assert_eq!(shown, expected);
}

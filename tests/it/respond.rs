//! The list of what to do: from an incident as a run told it, ticked, to the proof of what was done when.

use crate::incidents::{OWNER, START, THIEF, events, line};
use crate::support::run_in;
use serde_json::Value;
use std::path::Path;

const DAY: i64 = 86_400;

/// A key at work for 37 days, and a thief for an hour of the last.
fn write(dir: &Path) {
    let mut lines: Vec<_> = (0..37)
        .flat_map(|day| {
            (32..72).map(move |quarter| {
                line(0, START + day * DAY + quarter * 900 + (day * 37 + quarter * 61) % 300, &OWNER)
            })
        })
        .collect();
    lines.extend((0..90).map(|call| line(0, START + 36 * DAY + 11 * 3600 + call * 40, &THIEF)));
    lines.sort();
    std::fs::write(dir.join("log"), lines.into_iter().map(|(_, line)| line).collect::<String>()).unwrap();
    std::fs::write(dir.join("on.toml"), "[incidents]\nenabled = true\n").unwrap();
    std::fs::write(dir.join("alerts.jsonl"), events(dir, &["log"], b"")).unwrap();
}

fn said(dir: &Path, args: &[&str]) -> String {
    let ran = run_in(dir, &[&["respond"], args].concat(), b"");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{args:?}");
    ran.stdout
}

#[test]
fn from_an_incident_to_the_proof_of_what_was_done() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write(dir);
    let alerts = std::fs::read_to_string(dir.join("alerts.jsonl")).unwrap();
    let mut events = alerts.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let incident = events.rfind(|event| event["event"] == "incident").unwrap();
    let id = incident["incident_id"].as_str().unwrap();
    let start =
        ["start", &id[..8], "--alerts", "alerts.jsonl", "--provider", "anthropic", "-o", "response.md"];
    assert_eq!(said(dir, &start), "");
    let list = std::fs::read_to_string(dir.join("response.md")).unwrap();
    for told in [
        id,
        "203.0.113.99",
        "Anthropic",
        "{\"status\":\"inactive\"}",
        "starting_at=2026-07-07T11:00:00Z",
        "- [ ] 4. ",
    ] {
        assert!(list.contains(told), "{told}: {list}");
    }
    // What is worked on is not written over.
    assert_eq!(run_in(dir, &[&["respond"], &start[..]].concat(), b"").code, Some(74));
    said(
        dir,
        &["done", "response.md", "3", "--by", "anna", "--at", "2026-07-07T11:50:00Z", "--note", "CI, bots"],
    );
    said(dir, &["done", "response.md", "4", "--by", "anna", "--at", "2026-07-07T11:40:00Z"]);
    let again = run_in(dir, &["respond", "done", "response.md", "4"], b"");
    assert!(
        again.code == Some(65) && again.stderr.contains("step 4 was done at 2026-07-07T11:40:00Z already")
    );
    let timeline = said(dir, &["timeline", "response.md", "--json"]);
    let rows: Vec<Value> = timeline.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let times: Vec<&str> = rows.iter().map(|row| row["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted() && times.len() == 4, "{times:?}");
    assert_eq!(
        (rows[0]["what"].as_str(), rows[3]["by"].as_str()),
        (Some("first act of the thief"), Some("anna"))
    );
    let summary = said(dir, &["summary", "response.md"]);
    assert!(summary.contains("dead since 2026-07-07T11:40:00Z"), "{summary}");
    assert!(!summary.contains("203.0.113") && !summary.contains(id), "nothing that helps a thief: {summary}");
    let review = said(dir, &["review", "response.md", "--alerts", "alerts.jsonl"]);
    let dwell = "| dwell time in all | 40 min |";
    assert!(review.contains(dwell) && review.contains("21 steps are not ticked"), "{review}");
    let first_term = incident["ledger"][0]["term"].as_str().unwrap();
    assert!(review.contains(&format!("- {first_term}: ")), "{review}");
}

#[test]
fn mistakes_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("none"), "{}\n").unwrap();
    for (args, code, told) in [
        (&["start", "--provider", "opnai"][..], 2, "opnai is no provider that is known; expected: openai, "),
        (&["start", "7f3a", "--alerts", "none"], 65, "none: no incident whose incident_id begins with 7f3a"),
        (&["start", "7f3a"], 2, "--alerts"),
        (&["done", "none", "1"], 65, "none: holds no steps"),
        (&["timeline", "missing"], 66, "missing"),
    ] {
        let ran = run_in(dir, &[&["respond"], args].concat(), b"");
        assert!(
            ran.code == Some(code) && ran.stderr.contains(told),
            "{args:?}: {:?} {}",
            ran.code,
            ran.stderr
        );
    }
    assert!(said(dir, &["start"]).contains("- [ ] 23. "), "for any key");
}

//! Incidents do not depend on who looks at which key, nor on when: one shard or many, files or pipes, in one run or in two.

use crate::support::run_in;
use serde_json::{Value, json};
use std::path::Path;

/// 2026-06-01T00:00:00Z, a Monday.
pub const START: i64 = 1_780_272_000;
pub const DAY: i64 = 86_400;
const KEYS: i64 = 7;

pub struct Caller {
    pub address: &'static str,
    pub client: &'static str,
    pub model: &'static str,
    pub input: i64,
}

pub const OWNER: Caller =
    Caller { address: "198.51.100.7", client: "OpenAI/Python 2.32.0", model: "gpt-4o-mini", input: 600 };
pub const THIEF: Caller =
    Caller { address: "203.0.113.99", client: "Python/3.12 aiohttp/3.10.1", model: "gpt-4o", input: 9000 };

pub fn line(key: i64, at: i64, who: &Caller) -> (i64, String) {
    let record = json!({
        "timestamp": at, "request_id": format!("req_{key}_{at}"), "api_key_prefix": format!("...key{key}"),
        "model": who.model, "input_tokens": who.input + at % 97, "output_tokens": 120, "source_ip": who.address,
        "user_agent": who.client, "endpoint": "/v1/chat/completions",
    });
    (at, format!("{record}\n"))
}

/// The same of a key whose records tell neither address nor client.
pub fn bare(key: i64, at: i64, who: &Caller) -> (i64, String) {
    let (at, line) = line(key, at, who);
    let mut record: Value = serde_json::from_str(&line).unwrap();
    let fields = record.as_object_mut().unwrap();
    fields.retain(|name, _| name != "source_ip" && name != "user_agent");
    fields["request_id"] = json!(format!("bare_{key}_{at}"));
    fields["api_key_prefix"] = json!(format!("...bare{key}"));
    (at, format!("{record}\n"))
}

/// What a key did in an hour, told when that is over.
pub fn sum(key: i64, from: i64, requests: i64, who: &Caller) -> (i64, String) {
    let record = json!({
        "timestamp": from, "window_end": from + 3600, "api_key_prefix": format!("...sum{key}"), "model": who.model,
        "requests": requests, "input_tokens": requests * (who.input + from / 3600 % 97), "output_tokens": requests * 120,
        "endpoint": "/v1/chat/completions",
    });
    (from + 3600, format!("{record}\n"))
}

/// Seven keys at work for weeks, and as many that tell neither address nor client. One thief uses the first for an hour,
/// and an hour later the second, but little; and one of those.
pub fn text() -> String {
    sorted(lines())
}

/// The same with as many keys of which only sums are told; the thief uses one of them, too.
pub fn text_with_sums() -> String {
    let mut lines = lines();
    for (key, day, hour) in
        (0..KEYS).flat_map(|key| (0..37).flat_map(move |day| (8..18).map(move |hour| (key, day, hour))))
    {
        lines.push(sum(key, START + day * DAY + hour * 3600, 4 + (day + hour + key) % 3, &OWNER));
    }
    lines.push(sum(0, START + 36 * DAY + 3 * 3600, 90, &THIEF));
    sorted(lines)
}

fn sorted(mut lines: Vec<(i64, String)>) -> String {
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}

fn lines() -> Vec<(i64, String)> {
    let mut lines = Vec::new();
    for key in 0..KEYS {
        for day in 0..37 {
            for quarter in 32..72 {
                let at = START + day * DAY + quarter * 900 + (day * 37 + quarter * 61 + key * 7) % 300;
                lines.push(line(key, at, &OWNER));
                lines.push(bare(key, at, &OWNER));
            }
        }
    }
    let stolen = START + 36 * DAY + 11 * 3600;
    lines.extend((0..90).map(|call| line(0, stolen + call * 40, &THIEF)));
    lines.extend((0..90).map(|call| bare(0, stolen + call * 40, &THIEF)));
    lines.extend((0..12).map(|call| line(1, stolen + 7200 + call * 300, &THIEF)));
    lines
}

pub fn events(dir: &Path, args: &[&str], stdin: &[u8]) -> String {
    let ran = run_in(dir, &[&["run", "--quiet", "-c", "on.toml"], args].concat(), stdin);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    ran.stdout
}

pub fn incidents(events: &str) -> Vec<Value> {
    let all = events.lines().map(|line| serde_json::from_str(line).unwrap());
    all.filter(|event: &Value| event["event"] == "incident").collect()
}

#[test]
fn shards_ways_in_and_restarts_do_not_matter_and_one_thief_is_known_with_another_key() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("on.toml"), "[incidents]\nenabled = true\n").unwrap();
    let text = text_with_sums();
    std::fs::write(dir.join("log"), &text).unwrap();
    let expected = events(dir, &["--threads", "1", "log"], b"");
    let told = incidents(&expected);
    let of = |key: &str| told.iter().filter(|one| one["api_key_prefix"] == key).collect::<Vec<_>>();
    let robbed = ["...key0", "...key1", "...bare0", "...sum0"];
    assert!(robbed.iter().all(|key| !of(key).is_empty()), "{told:#?}");
    assert_eq!(robbed.iter().map(|key| of(key).len()).sum::<usize>(), told.len(), "nobody else");
    let terms = |one: &Value| {
        let ledger = one["ledger"].as_array().unwrap().clone();
        ledger.into_iter().map(|term| term["term"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let last = of("...key1").pop().unwrap();
    assert!(terms(last).contains(&"fleet".to_owned()), "{last:#}");
    let theft = &last["theft_id"];
    let of_first = of("...key0");
    assert!(theft.is_string() && of_first.iter().all(|one| &one["theft_id"] == theft), "one thief, two keys");
    assert!(of_first[0]["on_other_keys"].is_null(), "nobody knows of the second key yet");
    assert_eq!(of_first.last().unwrap()["on_other_keys"], true);
    assert_eq!(
        of("...bare0")[0]["theft_id"],
        of("...bare0")[0]["id"],
        "nothing that others could share is known of him"
    );
    for threads in ["2", "5", "16"] {
        assert_eq!(events(dir, &["--threads", threads, "log"], b""), expected, "{threads} threads");
    }
    assert_eq!(events(dir, &["--threads", "3"], text.as_bytes()), expected, "a pipe");
    // In two runs, the second with another number of shards; the end of a log that goes on closes nothing.
    let half = text.len() / 2 + text[text.len() / 2..].find('\n').unwrap() + 1;
    let whole = events(dir, &["--state", "whole", "-o", "whole.jsonl", "log"], b"");
    std::fs::write(dir.join("log"), &text[..half]).unwrap();
    let first = events(dir, &["--threads", "2", "--state", "state", "-o", "parts.jsonl", "log"], b"");
    std::fs::write(dir.join("log"), &text).unwrap();
    let second = events(dir, &["--threads", "5", "--state", "state", "-o", "parts.jsonl", "log"], b"");
    assert_eq!(format!("{whole}{first}{second}"), "", "it is all in the files");
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    assert!(read("parts.jsonl") == read("whole.jsonl"), "a restart between");
    assert!(!incidents(&read("whole.jsonl")).is_empty());
}

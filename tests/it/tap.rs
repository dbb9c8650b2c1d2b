//! `keyhound tap` shows what a run does: the same records, the same verdicts.

use crate::incidents::text as world;
use crate::support::run_in;
use serde_json::Value;
use std::path::Path;

const SAMPLE: &str = "config/examples/stolen-key.jsonl";

fn tap(dir: &Path, args: &[&str]) -> Vec<Value> {
    let ran = run_in(dir, &[&["tap", "--encoding", "json"], args].concat(), b"");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.events()
}

/// What every detector says of every record is what a run tells, in the same order.
#[test]
fn it_says_of_each_record_what_a_run_says() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::copy(SAMPLE, dir.join("stolen")).unwrap();
    std::fs::write(dir.join("world"), world()).unwrap();
    std::fs::write(dir.join("on.toml"), "[incidents]\nenabled = true\n").unwrap();
    let mut halves: Vec<&Path> = Vec::new();
    let bedrock = std::path::absolute("tests/formats/bedrock/in").unwrap();
    halves.push(&bedrock);
    for input in ["stolen", "world", halves[0].to_str().unwrap()] {
        let ran = run_in(dir, &["run", "-q", "-c", "on.toml", input], b"");
        let told = ran.events();
        let shown = tap(dir, &["-c", "on.toml", "-s", "detect", input]);
        let name = |event: &Value| {
            let rule = event.get("alert_type").or(event.get("rule")).and_then(Value::as_str);
            (
                event["id"].clone(),
                event["revision"].clone(),
                event["status"].clone(),
                rule.unwrap_or("incident").to_owned(),
            )
        };
        let events = shown.iter().flat_map(|shown| shown["events"].as_array().unwrap());
        assert_eq!(
            events.map(name).collect::<Vec<_>>(),
            told.iter().map(name).collect::<Vec<_>>(),
            "{input}"
        );
        assert!(input.contains("bedrock") || !told.is_empty(), "{input} tells nothing");
    }
}

/// Each record is there once, under the names of our own format: read again, it is the same record.
#[test]
fn a_normalised_record_is_one_of_our_own_format() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for format in ["litellm", "openai_usage", "access_log", "cloudtrail", "helicone"] {
        let input = std::path::absolute(format!("tests/formats/{format}/in")).unwrap();
        let shown = run_in(dir, &["tap", "-s", "normalise", input.to_str().unwrap()], b"").events();
        let records: Vec<&Value> = shown.iter().map(|shown| &shown["record"]).collect();
        // What no line of our own can say: halves, bills, acts, and a cost that nobody knows.
        let plain: Vec<&Value> = records
            .into_iter()
            .filter(|record| ["request", "bucket"].contains(&record["kind"].as_str().unwrap()))
            .filter(|record| record["cost_source"] == "reported" && record["cost_usd"] != 0.0)
            .collect();
        let lines: String = plain.iter().map(|record| format!("{record}\n")).collect();
        std::fs::write(dir.join("again"), lines).unwrap();
        let again = run_in(dir, &["tap", "-s", "normalise", "again"], b"").events();
        assert_eq!(again.len(), plain.len(), "{format}");
        for (mut one, other) in again.into_iter().map(|shown| shown["record"].clone()).zip(plain) {
            // A fingerprint is made of what is written, which is no more than the end of a key here.
            one["key_id"] = other["key_id"].clone();
            assert_eq!(&one, other, "{format}");
        }
    }
}

#[test]
fn one_key_is_followed_with_all_that_is_told_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("world"), world()).unwrap();
    std::fs::write(dir.join("on.toml"), "[incidents]\nenabled = true\n").unwrap();
    let all = tap(dir, &["-c", "on.toml", "-s", "detect", "world"]);
    let id =
        all.iter().find(|one| one["outcome"] == "processed").unwrap()["key_id"].as_str().unwrap().to_owned();
    let one = tap(dir, &["-c", "on.toml", "-s", "detect", "--key", &id[..8], "world"]);
    let of_it = |shown: &[Value]| shown.iter().filter(|one| one["key_id"] == id.as_str()).count();
    assert_eq!(of_it(&one), of_it(&all));
    assert!(one.iter().all(|one| one["outcome"] == "time_passed" || one["key_id"] == id.as_str()));
    assert!(one.len() < all.len() && one.len() >= of_it(&all));
    let limited = run_in(dir, &["tap", "-n", "3", "-s", "frame", "world"], b"");
    assert_eq!((limited.events().len(), limited.stderr.as_str()), (3, "read 3 lines, showed 3\n"));
}

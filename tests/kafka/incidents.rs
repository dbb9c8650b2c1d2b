//! Incidents between topics, and what one partition knows of the thief of another.

use crate::broker::Broker;
use crate::support::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// 2026-06-01T00:00:00Z, a Monday.
const START: i64 = 1_780_272_000;
const DAY: i64 = 86_400;
const WATCHED: &str = "[incidents]\nenabled = true\n";

fn call(partition: i32, at: i64, is_thief: bool) -> Input {
    let key = format!("...key{partition}");
    let (address, client, model) = if is_thief {
        ("203.0.113.99", "Python/3.12 aiohttp/3.10.1", "gpt-4o")
    } else {
        ("198.51.100.7", "OpenAI/Python 2.32.0", "gpt-4o-mini")
    };
    let line = json!({
        "timestamp": at, "request_id": format!("req_{partition}_{at}"), "api_key_prefix": key, "model": model,
        "input_tokens": if is_thief { 9000 } else { 600 } + at % 97, "output_tokens": 120, "source_ip": address,
        "user_agent": client, "endpoint": "/v1/chat/completions",
    });
    Input { partition, key, line: line.to_string() }
}

/// An owner at work for weeks, and a thief in the last of them.
fn world(partition: i32, thief: impl Iterator<Item = i64>) -> Vec<Input> {
    let stolen = START + 36 * DAY + 11 * 3600;
    let work = (0..37).flat_map(|day| {
        (32..72).map(move |quarter| START + day * DAY + quarter * 900 + (day * 37 + quarter * 61) % 300)
    });
    let mut calls: Vec<(i64, bool)> = work.map(|at| (at, false)).collect();
    calls.extend(thief.map(|after| (stolen + after, true)));
    calls.sort_unstable();
    calls.into_iter().map(|(at, is_thief)| call(partition, at, is_thief)).collect()
}

fn incidents(address: &str) -> Vec<Value> {
    let all = read_all(address, "keyhound-alerts").into_iter().map(|found| found.value);
    let all = all.map(|value| serde_json::from_str::<Value>(&value).unwrap());
    all.filter(|event| event["event"] == "incident").collect()
}

#[test]
fn one_thief_is_known_in_the_partition_of_another_worker_and_nothing_is_told_twice() {
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    let address = &broker.address;
    make_topic(address, "usage", 2, &[]);
    let start = |name: &str| {
        let own = format!("instance_id = \"{name}\"");
        Worker::start(&config(dir.path(), &format!("{name}.toml"), address, &own, WATCHED))
    };
    let (one, other) = (start("one"), start("other"));
    produce(address, "usage", &world(0, (0..90).map(|call| call * 40)));
    let logs = || format!("{}{}", one.log(), other.log());
    eventually_or(logs, || lags(address, "keyhound", "usage", 2)[0] == 0);
    eventually_or(logs, || !read_all(address, "keyhound-fleet").is_empty());
    assert!(incidents(address).iter().any(|one| one["api_key_prefix"] == "...key0"), "{}", logs());
    // Of what the dead worker knew, the next one has to know everything.
    one.kill();
    let one = start("one");
    produce(address, "usage", &world(1, (0..12).map(|call| 7200 + call * 300)));
    eventually("everything is read", || lag(address, "keyhound", "usage", 2) == 0);
    assert_eq!((one.stop(), other.stop()), (Some(0), Some(0)));
    let told = incidents(address);
    let names: BTreeSet<String> =
        told.iter().map(|one| format!("{}.{}", one["id"], one["revision"])).collect();
    assert_eq!(names.len(), told.len(), "each once");
    let second = told.iter().rfind(|one| one["api_key_prefix"] == "...key1").expect("the second theft");
    let terms: Vec<&str> =
        second["ledger"].as_array().unwrap().iter().filter_map(|term| term["term"].as_str()).collect();
    assert!(terms.contains(&"fleet"), "{terms:?}");
}

fn say(dir: &std::path::Path, args: &[&str]) -> (Option<i32>, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_keyhound"));
    let output = command.current_dir(dir).args(args).args(["--kafka", "one.toml"]).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The partitions with a record that holds this text.
fn stands(address: &str, what: &str) -> Vec<i32> {
    let all = read_all(address, "usage");
    all.iter().filter(|found| found.value.contains(what)).map(|found| found.partition).collect()
}

#[test]
fn what_an_operator_says_goes_to_the_partition_of_the_key() {
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    let (address, dir) = (&broker.address, dir.path());
    make_topic(address, "usage", 2, &[]);
    let file = config(dir, "one.toml", address, "instance_id = \"one\"", WATCHED);
    let at = ["--at", "2026-07-07T12:00:00Z"];
    let none = say(dir, &["annotate", "--key", "...key1", at[0], at[1]]);
    assert_eq!(none.0, Some(69), "{}", none.1);
    assert!(none.1.contains("topic `keyhound-alerts` is not there"), "{}", none.1);
    let worker = Worker::start(&file);
    produce(address, "usage", &world(1, (0..90).map(|call| call * 40)));
    eventually_or(|| worker.log(), || !incidents(address).is_empty());
    eventually("everything is read", || lag(address, "keyhound", "usage", 2) == 0);
    let told = incidents(address).pop().unwrap();
    let id = told["incident_id"].as_str().unwrap();
    let said = say(dir, &["dismiss", &id[..8], "--reason", "our new region", at[0], at[1]]);
    assert_eq!((said.0, said.1.as_str()), (Some(0), ""));
    assert_eq!(stands(address, "our new region"), [1]);
    eventually_or(
        || worker.log(),
        || {
            incidents(address)
                .iter()
                .any(|one| one["status"] == "dismissed" && one["reason"] == "our new region")
        },
    );
    let said = say(dir, &["suppress", "volume_spike", "--key", "...key1", "--for", "7d", at[0], at[1]]);
    assert_eq!((said.0, said.1.as_str()), (Some(0), ""));
    assert_eq!(stands(address, "\"suppress\""), [1]);
    // Of a key that nothing was told of nobody knows the partition, unless it is said how producers choose it.
    let lost = say(dir, &["revoke", "--key", "...key0", at[0], at[1]]);
    assert_eq!(lost.0, Some(65), "{}", lost.1);
    assert!(lost.1.contains("--message-key"), "{}", lost.1);
    let said = say(dir, &["revoke", "--key", "...key0", "--message-key", "...key0", at[0], at[1]]);
    assert_eq!((said.0, said.1.as_str()), (Some(0), ""));
    // By Kafka's own murmur2.
    assert_eq!(stands(address, "\"revoke\""), [0]);
    let strange = say(dir, &["confirm", "ffffffffffff"]);
    assert_eq!(strange.0, Some(65), "{}", strange.1);
    assert!(strange.1.contains("topic `keyhound-alerts`"), "{}", strange.1);
    assert_eq!(worker.stop(), Some(0));
}

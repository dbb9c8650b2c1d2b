//! Traffic that never was: the same bytes by seed, in the shape of a log, with thefts that are found.

use crate::support::run_in;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

const LOUD: &[&str] = &["services", "developers", "smash_grab", "resale_pool", "probe_then_use", "travel"];

fn simulate(dir: &Path, args: &[&str]) -> String {
    let ran = run_in(dir, &[&["simulate"], args].concat(), b"");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{args:?}");
    ran.stdout
}

#[test]
fn everything_follows_from_the_seed_and_arrives_as_logs_do() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let args = |seed: &'static str| ["--seed", seed, "--keys", "60", "--days", "9", "--labels", "labels"];
    let first = simulate(dir, &args("1"));
    let labels = std::fs::read_to_string(dir.join("labels")).unwrap();
    assert!(simulate(dir, &args("1")) == first, "the same seed, the same bytes");
    assert!(std::fs::read_to_string(dir.join("labels")).unwrap() == labels, "and labels");
    assert!(simulate(dir, &args("2")) != first, "another seed, other bytes");
    let records: Vec<Value> = first.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (mut latest, mut late, mut ids) = (String::new(), 0, BTreeMap::<String, usize>::new());
    for record in &records {
        let time = record["timestamp"].as_str().unwrap().to_owned();
        late += usize::from(time < latest);
        latest = latest.max(time);
        *ids.entry(record["request_id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let twice = records.len() - ids.len();
    assert!(late * 100 > records.len() && late * 20 < records.len(), "{late} late of {}", records.len());
    assert!(twice > 0 && twice * 300 < records.len(), "{twice} twice of {}", records.len());
    let stolen: Vec<Value> = labels.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let stolen: Vec<&Value> = stolen.iter().filter(|label| label["label"] == "theft").collect();
    assert!(stolen.len() >= 6, "{} thefts", stolen.len());
    for id in stolen.iter().flat_map(|label| label["request_ids"].as_array().unwrap()) {
        assert!(ids.contains_key(id.as_str().unwrap()), "{id}");
    }
    // Half a day ends, and so does what a thief does.
    assert!(*latest < *"2026-06-10T00:10", "{latest}");
}

#[test]
fn loud_thefts_are_found_and_the_owners_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let args = [LOUD, &["--keys", "24", "--days", "38", "--seed", "5", "--labels", "labels"]].concat();
    std::fs::write(dir.join("log"), simulate(dir, &args)).unwrap();
    let ran = run_in(dir, &["backtest", "-l", "labels", "--json", "-q", "log"], b"");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    let score = &told["backtest"][0]["score"];
    for class in ["smash_grab", "resale_pool", "probe_then_use"] {
        assert_eq!(score["classes"][class]["recall"], 1.0, "{class}: {score:#}");
    }
    assert!(score["thefts"]["attribution_precision"].as_f64().unwrap() > 0.9, "{score:#}");
    assert!(score["falses"]["false_incidents"].as_u64().unwrap() <= 1, "{score:#}");
    assert_eq!(score["unknown_keys"], Value::Array(Vec::new()));
    // The same as a pipe, of which the reader may go.
    let gone = run_in(dir, &["run", "-q", "--format", "canonical"], b"");
    assert_eq!(gone.code, Some(0));
}

#[test]
fn scenarios_are_files_of_one_s_own_too() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mine = simulate(dir, &["--show", "smash_grab"]).replace("203.0.113.0/24", "2001:db8:77::/48");
    std::fs::write(dir.join("mine.toml"), mine).unwrap();
    let text =
        simulate(dir, &["small_users", "mine.toml", "--keys", "3", "--days", "9", "--labels", "labels"]);
    assert!(text.contains("\"source_ip\":\"2001:db8:77:"), "{text}");
    assert!(std::fs::read_to_string(dir.join("labels")).unwrap().contains("\"class\":\"mine\""));
    assert!(simulate(dir, &["--list"]).lines().count() >= 15);
    for (args, code, message) in [
        (&["smash"][..], 2, "`smash` is neither a file nor a scenario that comes with keyhound: services, "),
        (&["smash_grab"], 2, "no scenario is of owners; name one, as `services`"),
        (&["services", "night_shift", "--keys", "4"], 2, "scenario `night_shift` finds no key"),
        (&["services", "--start", "May"], 2, "--start is `May`; write a date"),
    ] {
        let ran = run_in(dir, &[&["simulate"], args].concat(), b"");
        assert_eq!(ran.code, Some(code), "{args:?}");
        assert!(ran.stderr.starts_with(&format!("keyhound: {message}")), "{}", ran.stderr);
    }
}

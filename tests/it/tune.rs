//! Thresholds for a budget: every count is what a run with that threshold tells.

use crate::incidents::{DAY, START, text as world};
use crate::support::run_in;
use serde_json::{Value, json};

fn time(seconds: i64) -> String {
    keyhound::time::Timestamp(seconds * 1_000_000_000).to_string()
}

/// The incidents of a run that are new.
fn told(dir: &std::path::Path, thresholds: [&Value; 2]) -> [u64; 2] {
    let [consumers, habits] = thresholds;
    let config = format!(
        "[incidents]\nenabled = true\nthreshold_nats = {consumers}\nhabits_threshold_nats = {habits}\n"
    );
    std::fs::write(dir.join("on.toml"), config).unwrap();
    let events = run_in(dir, &["run", "-q", "-c", "on.toml", "log"], b"").events();
    let new = events.iter().filter(|event| event["event"] == "incident" && event["revision"] == 0);
    let is_bare = |event: &&Value| event["api_key_prefix"].as_str().unwrap().starts_with("...bare");
    let (bare, others): (Vec<&Value>, Vec<&Value>) = new.partition(is_bare);
    [others.len() as u64, bare.len() as u64]
}

#[test]
fn counts_are_those_of_runs_and_labelled_thefts_are_not_among_them() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    // Two days are enough to be told apart from nothing.
    std::fs::write(dir.join("log"), world()).unwrap();
    let args = ["tune", "--false-per-week", "0.2", "--json", "-q", "log"];
    let ran = run_in(dir, &args, b"");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let tuned: Value = serde_json::from_str(&ran.stdout).unwrap();
    let point = |curve: usize, place: usize| &tuned["curves"][curve]["points"][place];
    for place in [0, 4] {
        let points = [point(0, place), point(1, place)];
        let counts = points.map(|point| point["incidents"].as_u64().unwrap());
        assert_eq!(told(dir, points.map(|point| &point["threshold"])), counts, "{tuned:#}");
    }
    let proposed = [0, 1].map(|kind: usize| &tuned["proposals"][kind]["threshold"]);
    assert_eq!(json!(told(dir, proposed)), tuned["told"], "{tuned:#}");
    assert!(tuned["toml"].as_str().unwrap().starts_with("[incidents]\nenabled = true\nthreshold_nats = "));
    let stolen = START + 36 * DAY;
    let label =
        |key: &str| json!({ "label": "theft", "key": key, "start": time(stolen), "end": time(stolen + DAY) });
    let labels = ["...key0", "...key1", "...bare0"].map(|key| format!("{}\n", label(key))).concat();
    std::fs::write(dir.join("labels"), labels).unwrap();
    let ran = run_in(dir, &[&args[..], &["--labels", "labels"]].concat(), b"");
    let quiet: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(
        quiet["curves"][0]["points"][4]["incidents"].as_u64() < point(0, 4)["incidents"].as_u64(),
        "{quiet:#}"
    );
    let wrong = run_in(dir, &["tune", "--false-per-week", "-1", "log"], b"");
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
    let pipe = run_in(dir, &["tune", "--false-per-week", "1", "-"], b"");
    assert!(
        pipe.stderr.contains("this takes 10 runs, and standard input can be read once"),
        "{}",
        pipe.stderr
    );
}

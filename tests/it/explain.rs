//! An incident is explained from its record, and from a replay that tells the same.

use crate::incidents::text as world;
use crate::support::run_in;
use serde_json::Value;

fn milli(value: &Value) -> i64 {
    #[allow(clippy::cast_possible_truncation)]
    let milli = (value.as_f64().unwrap() * 1000.0).round() as i64;
    milli
}

#[test]
fn a_replay_tells_what_was_recorded_and_its_ledger_adds_up() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("on.toml"), "[incidents]\nenabled = true\n").unwrap();
    std::fs::write(dir.join("log"), world()).unwrap();
    let ran = run_in(dir, &["run", "-q", "-c", "on.toml", "log"], b"");
    std::fs::write(dir.join("told"), &ran.stdout).unwrap();
    let incidents: Vec<Value> =
        ran.events().into_iter().filter(|event| event["event"] == "incident").collect();
    let first = |key: &str| incidents.iter().find(|one| one["api_key_prefix"] == key).unwrap();
    for key in ["...key0", "...bare0"] {
        let id = first(key)["id"].as_str().unwrap();
        let revisions = incidents.iter().filter(|one| one["id"] == id);
        let all: Vec<&Value> =
            revisions.clone().flat_map(|one| one["evidence"]["request_ids"].as_array().unwrap()).collect();
        let args = ["explain", &id[..12], "--alerts", "told", "--json", "--markdown", "why.md", "-q", "log"];
        let ran = run_in(dir, &args, b"");
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{key}");
        let told: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(told["differences"], Value::Array(Vec::new()));
        let sum: i64 = told["terms"].as_array().unwrap().iter().map(|term| milli(&term["nats"])).sum();
        assert_eq!(sum, milli(&told["score"]), "{told:#}");
        assert_eq!(milli(&told["margin"]), sum - milli(&told["threshold"]), "{told:#}");
        assert!(milli(&told["margin"]) >= 0, "{told:#}");
        assert_eq!(told["growth"].as_array().unwrap().len(), revisions.count());
        assert_eq!(told["request_ids"].as_array().unwrap().iter().collect::<Vec<_>>(), all);
        let markdown = std::fs::read_to_string(dir.join("why.md")).unwrap();
        assert!(markdown.starts_with(&format!("## Key `{key}`: compromise")), "{markdown}");
    }
    // Another history tells something else, and is not taken for the same.
    let world = world();
    std::fs::write(dir.join("other"), world.replace("\"output_tokens\":120", "\"output_tokens\":900"))
        .unwrap();
    let id = first("...key0")["id"].as_str().unwrap();
    let other = run_in(dir, &["explain", id, "--alerts", "told", "-q", "other"], b"");
    assert_eq!(other.code, Some(1), "{}", other.stderr);
    assert!(other.stdout.contains("revision 0 differs in"), "{}", other.stdout);
    let none = run_in(dir, &["explain", "zz", "--alerts", "told"], b"");
    assert_eq!(none.code, Some(65));
    let message = format!(
        "keyhound: no incident has an id that begins with `zz`; there are 3 others: {}",
        &first("...key0")["id"].as_str().unwrap()[..8]
    );
    assert!(none.stderr.starts_with(&message), "{}", none.stderr);
    let several = run_in(dir, &["explain", "", "--alerts", "told"], b"");
    assert!(several.stderr.contains("the ids of 3 incidents begin"), "{}", several.stderr);
    let later = run_in(dir, &["explain", id, "--alerts", "told", "-r", "99"], b"");
    assert!(later.stderr.contains("revision 99 is not there; there are 0, 1"), "{}", later.stderr);
    let changed = ran.stdout.replace("\"score\":", "\"score\":1");
    std::fs::write(dir.join("told"), changed).unwrap();
    let changed = run_in(dir, &["explain", id, "--alerts", "told"], b"");
    assert!(changed.stderr.contains("it was changed after it was told"), "{}", changed.stderr);
}

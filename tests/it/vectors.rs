//! The five detectors of the seed, exact on the seed's own answers.

use crate::support::run_in;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;

const FIVE: [&str; 5] =
    ["volume_spike", "cost_spike", "unknown_model", "unknown_source_ip", "off_hours_usage"];

/// An alert by what makes it one: type, severity, key, day.
fn by_identity(alerts: &[Value]) -> BTreeMap<[String; 4], &Value> {
    let text = |alert: &Value, name: &str| alert[name].as_str().expect(name).to_owned();
    let names = ["alert_type", "severity", "api_key_prefix", "day"];
    alerts.iter().map(|alert| (names.map(|name| text(alert, name)), alert)).collect()
}

/// Equal, or numbers that differ by no more than the order of summation does.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours.as_f64(), theirs.as_f64()) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() <= theirs.abs() * 1e-12,
        _ => ours == theirs,
    }
}

#[test]
fn all_cases_of_the_seed() {
    let file = std::fs::File::open("tests/reference/seed-vectors.jsonl.gz").unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(cases.len(), 120);
    for case in &cases {
        let dir = tempfile::tempdir().unwrap();
        for part in ["history", "current"] {
            let lines: String =
                case[part].as_array().unwrap().iter().map(|record| format!("{record}\n")).collect();
            std::fs::write(dir.path().join(part), lines).unwrap();
        }
        let ran = run_in(dir.path(), &["run", "--history", "history", "current"], b"");
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let ours: Vec<Value> = ran
            .last_revisions()
            .into_iter()
            .filter(|alert| {
                alert["status"] == "final" && FIVE.contains(&alert["alert_type"].as_str().unwrap())
            })
            .collect();
        let (ours, theirs) = (by_identity(&ours), by_identity(case["expected"].as_array().unwrap()));
        let name = &case["name"];
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "{name}");
        for (identity, theirs) in theirs {
            let ours = ours[&identity];
            assert_eq!(ours["timestamp"], theirs["timestamp"], "{name} {identity:?}");
            for (fact, value) in theirs["evidence"].as_object().unwrap() {
                assert!(same(&ours["evidence"][fact], value), "{name} {identity:?} {fact}: {ours}");
            }
        }
    }
}

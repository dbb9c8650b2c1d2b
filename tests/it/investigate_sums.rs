//! Investigations of keys of which a provider tells nothing but sums by the hour.

use crate::incidents::{DAY, OWNER, START, THIEF, sum, text_with_sums};
use crate::investigate::investigate;
use serde_json::Value;
use std::fs;

fn requests(report: &Value, who: &str) -> u64 {
    let all = report["consumers"].as_array().unwrap().iter().filter(|one| one["who"] == who);
    all.map(|one| one["requests"].as_u64().unwrap()).sum()
}

#[test]
fn what_is_above_the_usual_of_a_model_and_an_hour_is_the_attackers() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    // In the owner's hours with the owner's model the sums are of both.
    let day = START + 36 * DAY;
    let owns: String = (8..18).map(|hour| sum(0, day + hour * 3600, 4 + (36 + hour) % 3, &OWNER).1).collect();
    let both = |hour: i64| sum(0, day + hour * 3600, 4 + (36 + hour) % 3 + 200, &OWNER).1;
    let mut text = text_with_sums();
    for line in owns.lines().skip(2).take(2) {
        text = text.replace(line, "");
    }
    text.push_str(&(both(10) + &both(11)));
    fs::write(dir.join("log"), &text).unwrap();
    let report = investigate(dir, &["--key", "...sum0", "-o", "case", "log"]);
    assert_eq!(report["verdict"]["class"], "compromise", "{}", report["verdict"]);
    let his = requests(&report, "attacker");
    assert!(his.abs_diff(90 + 400) <= 4, "{his} of 490");
    let all = 37 * 10 * 5 + 490;
    assert!(
        (his + requests(&report, "owner")).abs_diff(all) < 40,
        "nothing is counted twice: {}",
        report["consumers"]
    );
    let money: Vec<f64> =
        report["money"]["attacker_usd"].as_array().unwrap().iter().map(|usd| usd.as_f64().unwrap()).collect();
    assert!(0.0 < money[0] && money[0] < money[1] && money[1] < money[2], "{money:?}");
    let by_model = report["money"]["by_model"].to_string();
    assert!(by_model.contains(THIEF.model) && by_model.contains(OWNER.model), "{by_model}");
    assert!(report["limits"].to_string().contains("of 3 stretches of it"), "{}", report["limits"]);
    let rows = fs::read_to_string(dir.join("case/requests.jsonl")).unwrap();
    let rows: Vec<Value> = rows.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert_eq!(rows.len(), 3);
    for row in &rows {
        assert_eq!(row["window_seconds"], 3600);
        assert!(row["of_requests"].as_u64() >= row["requests"].as_u64(), "{row}");
        assert_eq!(row["line_sha256"].as_str().unwrap().len(), 64, "{row}");
    }
    let episodes = report["timeline"]["episodes"].as_array().unwrap();
    let told: u64 = episodes.iter().map(|one| one["requests"].as_u64().unwrap()).sum();
    assert_eq!(told, his, "{episodes:?}");
    assert!(report["timeline"]["moments"].to_string().contains("first act of the attacker"));
    // With a history that holds the weeks before it is the same.
    let is_old = |line: &&str| {
        let record: Value = serde_json::from_str(line).unwrap_or_default();
        record["timestamp"].as_i64().is_some_and(|at| at < day)
    };
    let (old, new): (Vec<&str>, Vec<&str>) = text.lines().partition(is_old);
    fs::write(dir.join("old"), old.join("\n")).unwrap();
    fs::write(dir.join("new"), new.join("\n")).unwrap();
    let with = investigate(dir, &["--key", "...sum0", "--history", "old", "--", "new"]);
    assert_eq!(requests(&with, "attacker"), his);
    assert!(requests(&with, "owner") < 100, "the history is in no sum: {}", with["consumers"]);
}

#[test]
fn sums_of_a_key_without_an_incident_are_the_owners() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("log"), text_with_sums()).unwrap();
    let report = investigate(dir, &["--key", "...sum3", "log"]);
    assert_eq!(report["verdict"]["class"], "none");
    assert_eq!((requests(&report, "attacker"), report["consumers"].as_array().unwrap().len()), (0, 1));
    assert!(requests(&report, "owner") > 37 * 10 * 4);
}

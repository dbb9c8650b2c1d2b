//! A budget of false incidents: thresholds follow what newcomers look like, however the run is cut and shared out.

use crate::incidents::{DAY, OWNER, START, THIEF, events, incidents, line, text};
use crate::metrics::Served;

const ON: &str = "[incidents]\nenabled = true\nfalse_per_week = 0.5\n";

#[test]
fn thresholds_that_follow_a_budget_do_not_depend_on_who_looks() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("on.toml"), ON).unwrap();
    let text = text();
    std::fs::write(dir.join("log"), &text).unwrap();
    let expected = events(dir, &["--threads", "1", "log"], b"");
    let told = incidents(&expected);
    let thresholds: Vec<f64> = told.iter().map(|one| one["threshold"].as_f64().unwrap()).collect();
    assert!(
        told.iter().all(|one| one["score"].as_f64() >= one["threshold"].as_f64() || one["revision"] != 0)
    );
    assert!(
        thresholds.iter().any(|nats| (6.0..7.79).contains(nats)),
        "it is not the fixed one: {thresholds:?}"
    );
    assert_eq!(events(dir, &["--threads", "4", "log"], b""), expected, "four shards");
    let half = text.len() / 2 + text[text.len() / 2..].find('\n').unwrap() + 1;
    events(dir, &["--state", "whole-state", "-o", "whole", "log"], b"");
    for part in [&text[..half], &text] {
        std::fs::write(dir.join("log"), part).unwrap();
        events(dir, &["--threads", "2", "--state", "state", "-o", "parts", "log"], b"");
    }
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    assert!(read("parts") == read("whole") && !incidents(&read("whole")).is_empty(), "a restart between");
}

/// The value of a line of `/metrics`.
fn value(page: &str, name: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[test]
fn metrics_tell_what_is_promised_expected_and_realised() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("on.toml"), ON).unwrap();
    let mut lines: Vec<(i64, String)> = Vec::new();
    for day in 0..20 {
        lines.extend((32..72).map(|quarter| line(0, START + day * DAY + quarter * 900, &OWNER)));
    }
    lines.extend((0..90).map(|call| line(0, START + 19 * DAY + 11 * 3600 + call * 40 + 1, &THIEF)));
    lines.sort();
    let text: String = lines.iter().map(|(_, line)| line.as_str()).collect();
    std::fs::write(dir.join("log"), &text).unwrap();
    let told = incidents(&events(dir, &["log"], b""));
    let id = told.first().expect("an incident")["incident_id"].as_str().unwrap().to_owned();
    std::fs::write(dir.join("alerts"), told.iter().map(|one| format!("{one}\n")).collect::<String>())
        .unwrap();
    let said = crate::support::run_in(
        dir,
        &["dismiss", &id, "--alerts", "alerts", "--reason", "ours", "--at", "2026-06-20T20:00:00Z"],
        b"",
    );
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let mut served = Served::start_in(dir, &["-c", "on.toml"]);
    // The next day makes it known to all shards.
    let next = line(0, START + 21 * DAY, &OWNER).1 + &line(0, START + 22 * DAY, &OWNER).1;
    let records = text.lines().count() + 3;
    let page = served.feed(
        &format!("{text}{}{next}", said.stdout),
        &format!("keyhound_records_total{{outcome=\"processed\"}} {records}"),
    );
    let of = |name: &str| value(&page, name).unwrap_or_else(|| panic!("{name}: {page}"));
    assert!((of("keyhound_false_incidents_per_week{kind=\"promised\"}") - 0.5).abs() < 1e-9);
    let expected = of("keyhound_false_incidents_per_week{kind=\"expected\"}");
    assert!(expected > 0.0 && expected <= 0.5 + 1e-9, "{expected}");
    // One in the 22 or 23 days that were looked at.
    let realised = of("keyhound_false_incidents_per_week{kind=\"realised\"}");
    assert!((0.25..0.4).contains(&realised), "{realised}");
    assert!(of("keyhound_incident_threshold_nats{by=\"consumer\"}") >= 7.0);
}

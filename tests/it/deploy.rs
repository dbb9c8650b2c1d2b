//! What stands in `deploy/`, as far as nothing has to be installed to try it; the rest is in `tests/real`.

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

const RULES: &str = "deploy/prometheus/keyhound.alerts.yml";

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The values behind a name at the start of lines.
fn values<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.trim_start().strip_prefix(name)).map(str::trim).collect()
}

#[test]
fn every_alert_says_what_to_do_and_was_tried() {
    let (rules, tests, runbook) =
        (read(RULES), read("deploy/prometheus/keyhound.test.yml"), read("docs/runbook.md"));
    let alerts = values(&rules, "- alert:");
    assert!(alerts.len() > 20);
    assert_eq!(alerts.iter().collect::<BTreeSet<_>>().len(), alerts.len(), "each name once");
    for rule in rules.split("- alert:").skip(1) {
        let name = rule.lines().next().unwrap().trim();
        for annotation in ["summary: \"", "description: \""] {
            assert!(rule.contains(annotation), "{name}: {annotation}");
        }
        let url = values(rule, "runbook_url:")[0];
        assert!(url.ends_with(&format!("/runbook.md#{}", name.to_lowercase())), "{name}: {url}");
        let severity = values(rule, "severity:")[0];
        assert!(["critical", "warning", "info", "none"].contains(&severity), "{name}: {severity}");
        assert!(tests.contains(&format!("alertname=\"{name}\"")), "{name} has no unit test");
        assert!(runbook.contains(&format!("\n### {name}\n")), "{name} is not in the runbook");
    }
    for heading in values(&runbook, "### Keyhound") {
        assert!(alerts.contains(&format!("Keyhound{heading}").as_str()), "{heading}: no such alert");
    }
}

#[test]
fn every_recording_rule_is_named_after_what_it_is_of_and_used() {
    let recording = read("deploy/prometheus/keyhound.recording.yml");
    let used = read(RULES)
        + &read("docs/runbook.md")
        + &dashboards().iter().map(|(_, text)| text.as_str()).collect::<String>();
    for name in values(&recording, "- record:") {
        assert_eq!(name.split(':').count(), 3, "{name}: level:metric:operation");
        assert!(used.contains(name), "{name} is used nowhere");
    }
}

fn dashboards() -> Vec<(String, String)> {
    let names = ["keyhound-overview", "keyhound-key", "keyhound-health"];
    names.map(|name| (name.to_owned(), read(&format!("deploy/grafana/dashboards/{name}.json")))).into()
}

#[test]
fn dashboards_are_what_grafana_takes() {
    for (name, text) in dashboards() {
        let board: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&board["schemaVersion"], &board["id"]), (&42.into(), &Value::Null), "{name}");
        assert_eq!(board["uid"], name.as_str());
        assert_eq!(board["editable"], true);
        let variables: Vec<&str> = board["templating"]["list"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v["name"].as_str().unwrap())
            .collect();
        assert_eq!((variables[0], variables.last()), ("datasource", Some(&"runbook")), "{name}");
        assert!(board["links"].as_array().unwrap().iter().any(|link| link["url"] == "${runbook}"), "{name}");
        let panels = board["panels"].as_array().unwrap();
        let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len(), "{name}: each number once");
        for panel in panels {
            let title = panel["title"].as_str().filter(|title| !title.is_empty()).expect("a title");
            if panel["type"] == "row" {
                continue;
            }
            assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{name}: {title}");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{name}: {title} has no unit");
            for target in panel["targets"].as_array().unwrap() {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{name}: {title}");
                assert!(
                    target["expr"].as_str().is_some_and(|expr| !expr.contains("job=\"")),
                    "{name}: {title}"
                );
            }
        }
    }
}

/// Left, top, and the two behind.
fn place(panel: &Value) -> [u64; 4] {
    let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
    [at("x"), at("y"), at("x") + at("w"), at("y") + at("h")]
}

#[test]
fn no_panel_lies_on_another_and_no_line_has_a_gap() {
    for (name, text) in dashboards() {
        let board: Value = serde_json::from_str(&text).unwrap();
        let panels = board["panels"].as_array().unwrap();
        for (at, one) in panels.iter().enumerate() {
            let [left, top, right, bottom] = place(one);
            assert!(right <= 24 && left < right && top < bottom, "{name}: {}", one["title"]);
            for other in &panels[at + 1..] {
                let [x, y, end, foot] = place(other);
                let apart = end <= left || right <= x || foot <= top || bottom <= y;
                assert!(apart, "{name}: {} lies on {}", one["title"], other["title"]);
            }
        }
        let tops: BTreeSet<u64> = panels.iter().map(|panel| place(panel)[1]).collect();
        for top in tops {
            let width: u64 =
                panels.iter().map(place).filter(|[_, y, ..]| *y == top).map(|[x, _, end, _]| end - x).sum();
            assert_eq!(width, 24, "{name}: the line at {top}");
        }
    }
}

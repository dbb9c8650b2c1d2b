//! What a run writes in each encoding: an alert and an incident, as they begin and when they are over.

use crate::incidents::{DAY, OWNER, START, line, text};
use crate::support::run_in;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Weeks with a theft, and three quiet days behind it.
pub fn log() -> String {
    let later = (37..40).flat_map(|day| (32..72).map(move |quarter| START + day * DAY + quarter * 900));
    text() + &later.map(|at| line(0, at, &OWNER).1).collect::<String>()
}

fn run(dir: &Path, encoding: &str) -> String {
    let args = ["run", "-c", "k.toml", "--encoding", encoding, "--threads", "1", "log"];
    let ran = run_in(dir, &args, b"");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.stdout
}

/// Where these stand among all events: an alert of the thief's key and the incident, at first and at last.
fn places(native: &str) -> Vec<usize> {
    let events: Vec<Value> = native.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let first = |kind: &str, name: &str| {
        events
            .iter()
            .position(|event| event["event"] == kind && (kind == "incident" || event["alert_type"] == name))
    };
    let (alert, incident) = (first("alert", "unknown_source_ip").unwrap(), first("incident", "").unwrap());
    let last = |at: usize| events.iter().rposition(|event| event["id"] == events[at]["id"]).unwrap();
    let places = vec![alert, last(alert), incident, last(incident)];
    let told: Vec<&str> = places.iter().map(|at| events[*at]["status"].as_str().unwrap()).collect();
    assert_eq!(told, ["open", "final", "open", "resolved"]);
    places
}

#[test]
fn each_encoding_is_what_its_file_says() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("k.toml"), "[incidents]\nenabled = true\n").unwrap();
    fs::write(dir.path().join("log"), log()).unwrap();
    let native = run(dir.path(), "json");
    let places = places(&native);
    for encoding in keyhound::encode::ENCODINGS {
        let told = if encoding.name == "json" { native.clone() } else { run(dir.path(), encoding.name) };
        let divider = if encoding.name == "markdown" { "\n\n" } else { "\n" };
        let all: Vec<&str> = told.split_terminator(divider).collect();
        assert_eq!(all.len(), native.lines().count(), "{}", encoding.name);
        let some: String = places.iter().map(|at| format!("{}{divider}", all[*at])).collect();
        crate::sink_forms::compare(&format!("tests/encodings/{}", encoding.name), &some);
    }
}

/// The table of fields in the documentation is the one that the encodings keep to.
#[test]
fn the_documentation_names_fields_that_there_are() {
    let page = fs::read_to_string("docs/siem.md").unwrap();
    let read = |name: &str| fs::read_to_string(format!("tests/encodings/{name}")).unwrap();
    let columns = ["ocsf", "ecs", "cef", "leef", "gelf"];
    let mut rows = 0;
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if cells.len() != columns.len() + 1 {
            continue;
        }
        rows += 1;
        for (column, cell) in columns.iter().zip(&cells[1..]) {
            for field in cell.split('`').skip(1).step_by(2) {
                let text = read(column);
                let is_there = match *column {
                    "cef" => text.contains(&format!(" {field}=")) || text.contains(&format!("|{field}=")),
                    "leef" => text.contains(&format!("\t{field}=")) || text.contains(&format!("|{field}=")),
                    _ => text.lines().any(|line| has(&serde_json::from_str(line).unwrap(), field)),
                };
                assert!(is_there, "{column}: {field}");
            }
        }
    }
    assert!(rows >= 15, "{rows} rows");
}

/// Whether a field stands in an object, `a.b[].c` by its path.
fn has(value: &Value, path: &str) -> bool {
    let mut found = vec![value];
    for part in path.split('.').filter(|part| !part.is_empty()) {
        // `@timestamp` and `gen_ai` are names, `attacks[]` each of a list.
        let name = part.trim_end_matches("[]");
        found = found
            .into_iter()
            .filter_map(|value| value.get(name))
            .flat_map(|value| match value.as_array() {
                Some(list) if part.ends_with("[]") => list.iter().collect(),
                _ => vec![value],
            })
            .collect();
    }
    !found.is_empty()
}

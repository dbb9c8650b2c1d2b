//! Whole pipeline, one file a case: configuration, traffic, and the alerts that must come of it.
//!
//! `KEYHOUND_BLESS=1 cargo test --test it cases` writes what comes out into the files, to be read before it is
//! believed.

use crate::support::run_in;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What it shows.
    about: String,
    #[serde(default)]
    config: String,
    /// What stands in the file `list`.
    #[serde(default)]
    list: String,
    /// Further arguments.
    #[serde(default)]
    args: Vec<String>,
    /// Traffic that comes first as history.
    #[serde(default)]
    history: Vec<Traffic>,
    /// Whether the history file is written newest record first.
    #[serde(default)]
    newest_first: bool,
    /// Traffic that is judged.
    #[serde(default)]
    traffic: Vec<Traffic>,
    /// Lines that come after it, as they are.
    #[serde(default)]
    input: String,
    /// The alerts, one a line.
    expect: String,
    /// The closing line, up to the bytes.
    #[serde(default)]
    read: String,
}

/// Records at regular times.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Traffic {
    key: String,
    /// The first day.
    from: toml::value::Datetime,
    #[serde(default = "one")]
    days: i64,
    /// Days on which nothing happens, counted from the first, 0.
    #[serde(default)]
    but: Vec<i64>,
    /// Time of the first record of a day, in UTC: hour and minute.
    at: String,
    #[serde(default = "one")]
    gap_minutes: i64,
    /// Records a day; several numbers take turns.
    per_day: Vec<i64>,
    #[serde(default = "model")]
    model: String,
    #[serde(default)]
    source_ip: String,
    cost_usd: Option<f64>,
    #[serde(default = "tokens")]
    input_tokens: u64,
    /// Buckets of so many hours instead of requests.
    width_hours: Option<i64>,
    /// How many requests each of them says that it holds.
    requests: Option<u64>,
}

fn one() -> i64 {
    1
}

fn tokens() -> u64 {
    1000
}

fn model() -> String {
    "gpt-4o".to_owned()
}

impl Traffic {
    fn records(&self, out: &mut Vec<(i64, Value)>) {
        let start: jiff::civil::Date = self.from.to_string().parse().unwrap();
        let time: jiff::civil::Time = self.at.parse().unwrap();
        let start =
            start.to_datetime(time).to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second();
        for day in (0..self.days).filter(|day| !self.but.contains(day)) {
            let count = self.per_day[usize::try_from(day).unwrap() % self.per_day.len()];
            for number in 0..count {
                let at = start + day * 86400 + number * self.gap_minutes * 60;
                let mut record = json!({
                    "timestamp": jiff::Timestamp::from_second(at).unwrap().to_string(), "api_key_prefix": self.key,
                    "model": self.model, "input_tokens": self.input_tokens, "output_tokens": 100,
                });
                if !self.source_ip.is_empty() {
                    record["source_ip"] = json!(self.source_ip);
                }
                if let Some(cost) = self.cost_usd {
                    record["cost_usd"] = json!(cost);
                }
                if let Some(hours) = self.width_hours {
                    let end = jiff::Timestamp::from_second(at + hours * 3600).unwrap();
                    record["window_end"] = json!(end.to_string());
                }
                if let Some(requests) = self.requests {
                    record["requests"] = json!(requests);
                }
                out.push((at, record));
            }
        }
    }
}

fn lines(traffic: &[Traffic]) -> String {
    let mut records = Vec::new();
    for traffic in traffic {
        traffic.records(&mut records);
    }
    records.sort_by_key(|(at, _)| *at);
    records.into_iter().fold(String::new(), |mut lines, (_, record)| {
        let _ = writeln!(lines, "{record}");
        lines
    })
}

/// An alert as the cases show it.
fn show(event: &Value) -> String {
    let text = |name: &str| event[name].as_str().unwrap().to_owned();
    format!(
        "{:<9} {} {:<8} {} {} {} {} | {}\n",
        text("status"),
        event["revision"],
        text("severity"),
        text("alert_type"),
        text("api_key_prefix"),
        text("day"),
        text("detected_at"),
        text("description")
    )
}

fn check(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path.display();
    let case: Case = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(case.about.len() > 20, "{name}: what is it about?");
    let dir = tempfile::tempdir().unwrap();
    let mut args = vec!["run"];
    let (input, config) = (lines(&case.traffic) + &case.input, case.config);
    std::fs::write(dir.path().join("input"), input).unwrap();
    std::fs::write(dir.path().join("list"), case.list).unwrap();
    if !config.is_empty() {
        std::fs::write(dir.path().join("keyhound.toml"), config).unwrap();
        args.extend(["--config", "keyhound.toml"]);
    }
    if !case.history.is_empty() {
        let mut lines: Vec<String> = lines(&case.history).lines().map(|line| format!("{line}\n")).collect();
        if case.newest_first {
            lines.reverse();
        }
        std::fs::write(dir.path().join("history"), lines.concat()).unwrap();
        args.extend(["--history", "history"]);
    }
    args.extend(case.args.iter().map(String::as_str));
    args.extend(["--", "input"]);
    let ran = run_in(dir.path(), &args, b"");
    assert_eq!(ran.code, Some(0), "{name}: {}", ran.stderr);
    let shown: String = ran.events().iter().map(show).collect();
    if std::env::var_os("KEYHOUND_BLESS").is_some() {
        let (before, after) = text.split_once("expect = '''\n").unwrap();
        let (_, after) = after.split_once("'''").unwrap();
        std::fs::write(path, format!("{before}expect = '''\n{shown}'''{after}")).unwrap();
    } else {
        assert_eq!(shown, case.expect, "{name}: {}\n{shown}", case.about);
        assert!(ran.accounting().starts_with(&case.read), "{name}: {}", ran.accounting());
    }
}

#[test]
fn every_case_comes_out_as_it_says() {
    let mut paths: Vec<_> =
        std::fs::read_dir("tests/cases").unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 20, "{} cases", paths.len());
    for path in &paths {
        check(path);
    }
}

#[test]
fn every_detector_has_a_case_that_fires_and_one_that_stays_silent() {
    for detector in keyhound::detect::ALL {
        let read = |kind: &str| {
            let path = format!("tests/cases/{}.{kind}.toml", detector.name);
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            toml::from_str::<Case>(&text).unwrap().expect
        };
        assert!(read("fires").contains(detector.name), "{}", detector.name);
        assert!(!read("silent").contains(detector.name), "{}", detector.name);
    }
}

//! Inputs that nobody should send and somebody does: each case of `tests/bad/*.toml` is rejected as it says, and
//! costs neither the records around it, nor memory, nor the terminal of whoever looks.

use crate::parts::{Part, bytes};
use crate::support::{Ran, least_mib, line_that_acts, memory_mib, record, run_in};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::path::Path;

/// Memory that a run may take more than one that reads a record.
const MEMORY_MIB: u64 = 48;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Case {
    /// What stands between a good record on the line before and one, without a line feed, on the line after.
    input: Vec<Part>,
    /// What the file begins with.
    head: String,
    /// The input is a file of its own, and the good records stand in files beside it.
    apart: bool,
    config: String,
    /// Records that are read all the same.
    records: u64,
    duplicate: u64,
    late: u64,
    /// What is rejected, in order: `REASON [FIELD]: part of the message`.
    rejects: Vec<String>,
    /// What is said besides, in alerts or to the person who looks.
    says: Vec<String>,
    exit: i32,
}

impl Case {
    /// Whether it can be tried in one run with others.
    fn is_sociable(&self) -> bool {
        self.config.is_empty() && self.says.is_empty()
    }

    /// Its files: names, and what is in them.
    fn files(&self, name: &str) -> Vec<(String, Vec<u8>)> {
        let good = |time: &str| {
            let key = json!(format!("...{name}"));
            record(&[("api_key_prefix", key), ("model", json!("o3")), ("timestamp", json!(time))])
                .into_bytes()
        };
        let (before, mut after) = (good("2026-06-02T09:00:00Z"), good("2026-06-02T09:30:00Z"));
        after.pop();
        let (head, input) = (self.head.clone().into_bytes(), bytes(&self.input));
        if self.apart {
            return vec![
                (format!("{name}.before"), before),
                (name.to_owned(), [head, input].concat()),
                (format!("{name}.after"), after),
            ];
        }
        vec![(name.to_owned(), [head, before, input, b"\n".to_vec(), after].concat())]
    }
}

/// The four numbers on the right of `read N = …`, once they add up to the one on the left.
fn counts(ran: &Ran) -> [u64; 4] {
    let line = ran.accounting().split('(').next().unwrap();
    let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [read, rest @ ..]: [u64; 5] = numbers.try_into().unwrap();
    assert_eq!(read, rest.iter().sum::<u64>(), "{line}");
    rest
}

/// Some cases that were tried in one run of the program: what came out, and what of it is not as it should be.
struct Trial {
    ran: Ran,
    rejects: Vec<Value>,
    wrong: Vec<String>,
    piped: bool,
}

impl Trial {
    /// By file and as JSON, or by pipe (if one file is all) and as text.
    fn run(cases: &[(&String, &Case)], piped: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let encoding = if piped { "text" } else { "json" };
        let mut args = vec!["run", "--rejects", "rejects", "--encoding", encoding];
        let (mut history, mut paths, mut stdin) = (String::new(), Vec::new(), Vec::new());
        for (number, (_, case)) in cases.iter().enumerate() {
            let name = format!("c{number:03}");
            history += &record(&[("api_key_prefix", json!(format!("...{name}")))]);
            for (path, content) in case.files(&name) {
                fs::write(dir.path().join(&path), &content).unwrap();
                paths.push(path);
                stdin = content;
            }
            if !case.config.is_empty() {
                fs::write(dir.path().join("keyhound.toml"), &case.config).unwrap();
                args.extend(["--config", "keyhound.toml"]);
            }
        }
        fs::write(dir.path().join("history"), history).unwrap();
        args.extend(["--history", "history", "--"]);
        if piped && paths.len() == 1 {
            args.push("-");
        } else {
            args.extend(paths.iter().map(String::as_str));
            stdin.clear();
        }
        let ran = run_in(dir.path(), &args, &stdin);
        let rejects = fs::read_to_string(dir.path().join("rejects")).unwrap();
        let mut trial = Self { ran, rejects: Vec::new(), wrong: Vec::new(), piped };
        for text in [trial.ran.stdout.clone(), trial.ran.stderr.clone(), rejects.clone()] {
            trial.expect("a line that acts", &line_that_acts(&text), &None);
        }
        trial.rejects = rejects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        trial
    }

    fn expect<T: PartialEq + Debug>(&mut self, what: &str, found: &T, expected: &T) {
        if found != expected {
            self.wrong.push(format!("{what}: {found:?} instead of {expected:?}"));
        }
    }

    /// What is said of all cases together.
    fn check_totals(&mut self, cases: &[(&String, &Case)]) {
        let sum = |each: fn(&Case) -> u64| cases.iter().map(|(_, case)| each(case)).sum::<u64>();
        // The history has one record for each case, and two records stand around it.
        let expected = [
            sum(|case| 3 + case.records),
            sum(|case| case.duplicate),
            sum(|case| case.late),
            sum(|case| case.rejects.len() as u64),
        ];
        self.expect("counts", &counts(&self.ran), &expected);
        let code = self.ran.code;
        self.expect("exit code", &code, &cases.iter().map(|(_, case)| case.exit).max());
        let memory_mib = memory_mib(&self.ran.stderr);
        let is_little = memory_mib <= least_mib() + MEMORY_MIB;
        self.expect(&format!("{memory_mib} MiB memory"), &is_little, &true);
    }

    /// What is said of one case.
    fn check(&mut self, case: &Case, number: usize) {
        let name = format!("c{number:03}");
        let is_its = |reject: &&Value| reject["source"] == name || reject["source"] == "stdin";
        let found: Vec<String> = self.rejects.iter().filter(is_its).map(show).collect();
        self.expect("rejects", &found.len(), &case.rejects.len());
        for (found, expected) in found.iter().zip(&case.rejects) {
            let [(head, message), (expected_head, piece)] =
                [found, expected].map(|reject| reject.split_once(": ").unwrap());
            if head != expected_head || !message.contains(piece) || piece.len() < 8 {
                self.expect("reject", found, expected);
            }
        }
        for said in &case.says {
            let is_said = self.ran.stdout.contains(said) || self.ran.stderr.contains(said);
            self.expect(said, &is_said, &true);
        }
        let are_both = if self.piped {
            let day = format!("key ...{name}  2026-06-02, whole day: $0.020 in 2 requests");
            self.ran.stdout.contains(&day)
        } else {
            let is_day = |alert: &Value| alert["status"] == "final" && alert["requests"] == 2;
            let key = format!("...{name}");
            self.ran.events().iter().any(|alert| is_day(alert) && alert["api_key_prefix"] == key)
        };
        self.expect("records before and after are processed", &are_both, &true);
    }
}

/// A reject as cases show it.
fn show(reject: &Value) -> String {
    let [reason, field, message] =
        ["reason", "field", "message"].map(|name| reject[name].as_str().unwrap_or_default());
    let head = format!("{reason} {field}");
    format!("{}: {message}", head.trim_end())
}

/// Tries some cases in one run; what is not as it should be.
fn differences(cases: &[(&String, &Case)], piped: bool) -> Vec<String> {
    let mut trial = Trial::run(cases, piped);
    trial.check_totals(cases);
    for (number, (_, case)) in cases.iter().enumerate() {
        trial.check(case, number);
    }
    if !trial.wrong.is_empty() {
        trial.wrong.push(trial.ran.stderr);
    }
    trial.wrong
}

fn read(path: &Path) -> BTreeMap<String, Case> {
    let text = fs::read_to_string(path).unwrap();
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn check(path: &Path) -> usize {
    let cases = read(path);
    let (sociable, others): (Vec<_>, Vec<_>) = cases.iter().partition(|(_, case)| case.is_sociable());
    let mut wrong = Vec::new();
    for piped in [false, true] {
        let mut alone = others.clone();
        if !sociable.is_empty() && !differences(&sociable, piped).is_empty() {
            // One of them, but which?
            alone.extend(&sociable);
        }
        for case in alone {
            let found = differences(&[case], piped);
            if !found.is_empty() {
                wrong.push(format!("{} ({}): {}", case.0, path.display(), found.join("\n    ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    cases.len()
}

#[test]
fn every_bad_input_comes_out_as_it_says() {
    let paths = fs::read_dir("tests/bad").unwrap().map(|entry| entry.unwrap().path());
    let paths: Vec<_> = paths.filter(|path| !path.ends_with("config.toml")).collect();
    let cases: usize = std::thread::scope(|scope| {
        let checks: Vec<_> = paths.iter().map(|path| scope.spawn(|| check(path))).collect();
        checks.into_iter().map(|check| check.join().unwrap()).sum()
    });
    assert!(cases >= 100, "{cases} cases");
}

#[test]
fn every_bad_configuration_is_refused_as_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (name, case) in read(Path::new("tests/bad/config.toml")) {
        fs::write(dir.path().join("k.toml"), bytes(&case.input)).unwrap();
        let ran = run_in(dir.path(), &["check", "--config", "k.toml"], b"");
        let told = ran.stdout + &ran.stderr;
        let says = case.says.iter().all(|said| told.contains(said)) && !case.says.is_empty();
        let acts = line_that_acts(&told).is_some() || told.len() > 1000;
        if ran.code != Some(78) || !says || acts {
            wrong.push(format!("{name}: {:?} {}", ran.code, told.chars().take(1000).collect::<String>()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

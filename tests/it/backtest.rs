//! How good a configuration would have been: the rules of scoring as files, the pipeline behind it, and the benchmark's own
//! scorer beside ours where it is there.

use crate::incidents::{DAY, START, text as world};
use crate::support::{Ran, run_in};
use keyhound::backtest::{KeySeen, Labels, Named, Opened, Row, Seen, Sight, score, text};
use keyhound::encode::Palette;
use keyhound::key::KeyNamer;
use keyhound::time::{Timestamp, parse};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// What happened, what was told, and the tables that follow.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    about: String,
    labels: String,
    #[serde(default)]
    key: Vec<Key>,
    #[serde(default)]
    told: Vec<Told>,
    /// What is told without the thieves, where that was run.
    clean: Option<Vec<Told>>,
    expect: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    name: String,
    /// Its first day, and how many.
    from: toml::value::Datetime,
    days: i64,
    /// Requests of the thief: time, dollars, identifier.
    #[serde(default)]
    thief: Vec<(String, f64, String)>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    key: String,
    at: String,
    #[serde(default)]
    is_operational: bool,
    #[serde(default)]
    requests: Vec<String>,
}

fn at(text: &str) -> Timestamp {
    parse(text.as_bytes()).unwrap().at
}

fn seen(keys: &[Key], told: &[Told]) -> Seen {
    let id = |name: &str| KeyNamer::new("").id(name.as_bytes());
    let mut seen = Seen::default();
    for key in keys {
        let first = at(&format!("{}T00:00:00Z", key.from));
        let mut of = KeySeen { hint: key.name.clone(), ..KeySeen::default() };
        of.days = (0..key.days).map(|day| first.plus(day * DAY * 1_000_000_000)).collect();
        let row =
            |(time, usd, id): &(String, f64, String)| Row { at: at(time), usd: *usd, id: id.as_str().into() };
        of.rows = key.thief.iter().map(row).collect();
        seen.keys.insert(id(&key.name), of);
    }
    for (number, told) in told.iter().enumerate() {
        let opened = Opened {
            at: at(&told.at),
            is_theft: !told.is_operational,
            by_habits: false,
            requests: told.requests.iter().map(|id| id.as_str().into()).collect(),
        };
        seen.opened.insert((id(&told.key), number.to_string()), opened);
    }
    seen
}

fn check(path: &Path) {
    let file = std::fs::read_to_string(path).unwrap();
    let name = path.display();
    let case: Case = toml::from_str(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(case.about.len() > 20, "{name}: what is it about?");
    let labels = Labels::parse("labels", &case.labels).unwrap();
    let told = seen(&case.key, &case.told);
    let clean = case.clean.as_ref().map(|clean| seen(&case.key, clean));
    let sight =
        Sight { labels: &labels, told: &told, clean: clean.as_ref(), rows: &told, from: Timestamp::MIN };
    let score = score(&sight);
    let shown = text(&[Named { name: "A.toml", score: &score }], Palette { colour: false });
    if std::env::var_os("KEYHOUND_BLESS").is_some() {
        let (before, after) = file.split_once("expect = '''\n").unwrap();
        let (_, after) = after.split_once("'''").unwrap();
        std::fs::write(path, format!("{before}expect = '''\n{shown}'''{after}")).unwrap();
    } else {
        assert_eq!(shown, case.expect, "{name}: {}", case.about);
    }
    let too_wide = shown.lines().find(|line| line.chars().count() > 80);
    assert_eq!(too_wide, None, "{name}");
}

#[test]
fn every_rule_of_scoring_has_a_case() {
    let files = std::fs::read_dir("tests/backtest").unwrap();
    let paths: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    assert!(paths.len() >= 4, "{} cases", paths.len());
    for path in &paths {
        check(path);
    }
}

fn time(seconds: i64) -> String {
    Timestamp(seconds * 1_000_000_000).to_string()
}

/// The labels of the world of `incidents`.
fn labels() -> String {
    let stolen = START + 36 * DAY + 11 * 3600;
    let ids = |name: &str, key: i64, from: i64, calls: i64, gap: i64| {
        (0..calls).map(|call| format!("{name}_{key}_{}", from + call * gap)).collect::<Vec<_>>()
    };
    let theft = |key: &str, class: &str, ids: Vec<String>, from: i64, length: i64| {
        json!({ "label": "theft", "key": key, "class": class, "start": time(from), "end": time(from + length),
                "request_ids": ids })
    };
    let lines = [
        json!({ "label": "scored", "start": time(START + 31 * DAY) }),
        theft("...key0", "loud", ids("req", 0, stolen, 90, 40), stolen, 3560),
        theft("...bare0", "loud", ids("bare", 0, stolen, 90, 40), stolen, 3560),
        theft("...key1", "quiet", ids("req", 1, stolen + 7200, 12, 300), stolen + 7200, 3300),
        theft("...key2", "unseen", Vec::new(), stolen, 3600),
    ];
    lines.map(|line| format!("{line}\n")).concat()
}

#[test]
fn the_pipeline_is_run_and_scored() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let world = world();
    std::fs::write(dir.join("log"), &world).unwrap();
    std::fs::write(dir.join("labels"), labels()).unwrap();
    std::fs::write(
        dir.join("deaf.toml"),
        "[incidents]\nthreshold_nats = 99.0\nhabits_threshold_nats = 99.0\n",
    )
    .unwrap();
    let args = ["backtest", "--labels", "labels", "--json", "--markdown", "a.md", "--junit", "a.xml"];
    let run = |more: &[&str], stdin: &[u8]| run_in(dir, &[&args[..], more].concat(), stdin);
    let json = |ran: &Ran| serde_json::from_str::<Value>(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    let found = run(&["--min-recall", "0.6", "--max-false", "0", "log"], b"");
    assert_eq!((found.code, found.stderr.as_str()), (Some(0), ""));
    let told = json(&found);
    let score = &told["backtest"][0]["score"];
    assert_eq!([&score["thefts"]["thefts"], &score["thefts"]["found"]], [4, 3], "{score:#}");
    assert_eq!(score["classes"]["loud"]["recall"], 1.0);
    assert_eq!(score["thefts"]["worst_class"], "unseen");
    assert_eq!(score["classes"]["quiet"]["attribution_precision"], 1.0);
    assert_eq!([&score["falses"]["false_incidents"], &score["falses"]["key_days"]], [0, 14 * 6], "{score:#}");
    assert_eq!(json(&run(&["--quiet"], world.as_bytes())), told, "a pipe");
    let violated = run(&["--min-recall", "0.9", "log"], b"");
    assert_eq!(violated.code, Some(1));
    assert_eq!(violated.stderr, "keyhound: mean recall is 0.667, below --min-recall 0.9\n");
    let xml = std::fs::read_to_string(dir.join("a.xml")).unwrap();
    assert!(xml.contains("<failure message=\"mean recall is 0.667"), "{xml}");
    assert!(std::fs::read_to_string(dir.join("a.md")).unwrap().contains("| unseen | 1 | 0 | 0.00 |"));
    let beside = run_in(dir, &["backtest", "-l", "labels", "--compare", "deaf.toml", "log"], b"");
    let row = beside.stdout.lines().find(|line| line.trim_start().starts_with("loud")).unwrap();
    assert!(row.contains("1.00  0.00 ▼"), "{}", beside.stdout);
}

/// Disregarding who sends is as if no record had ever told it.
#[test]
fn thin_is_as_if_records_told_neither_address_nor_client() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let world = world();
    let bare: String = world
        .lines()
        .map(|line| {
            let mut record: Value = serde_json::from_str(line).unwrap();
            record.as_object_mut().unwrap().retain(|name, _| name != "source_ip" && name != "user_agent");
            format!("{record}\n")
        })
        .collect();
    std::fs::write(dir.join("labels"), labels()).unwrap();
    let score = |args: &[&str], text: &str| {
        let ran =
            run_in(dir, &[&["backtest", "-l", "labels", "--json", "-q"], args].concat(), text.as_bytes());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        serde_json::from_str::<Value>(&ran.stdout).unwrap()["backtest"][0]["score"].clone()
    };
    let (thin, full) = (score(&["--thin"], &world), score(&[], &world));
    assert_eq!(thin, score(&[], &bare));
    assert_ne!(thin, full, "who sends tells of the second key");
}

#[test]
fn what_cannot_be_used_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("labels"), "{\"label\":\"scored\"}\n{\"label\":\"theft\"}\n").unwrap();
    std::fs::write(dir.join("good"), "").unwrap();
    std::fs::write(dir.join("text"), "hello\n").unwrap();
    for (args, code, message) in [
        (&["-l", "labels", "text"][..], 65, "keyhound: labels:2: missing field `key`; a line is"),
        (&["-l", "absent", "text"], 66, "keyhound: absent: No such file"),
        (&["-l", "good", "absent"], 66, "keyhound: `absent`: no such file"),
        (&["-l", "good", "text"], 65, "keyhound: no record in the inputs (1 lines rejected)"),
        (&["-l", "good", "--compare", "a.toml", "-"], 78, "keyhound: a.toml: No such file"),
        (&["-l", "good", "--thieves", "text", "-"], 2, "keyhound: this takes 2 runs, and standard input"),
        (&["-l", "good", "--from", "noon", "text"], 2, "keyhound: --from is `noon`: "),
    ] {
        let ran = run_in(dir, &[&["backtest"], args].concat(), b"");
        assert_eq!(ran.code, Some(code), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(message), "{args:?}: {}", ran.stderr);
    }
}

/// The benchmark is no part of the repository.
const BENCHMARK: &str = "../shared/detbench";

#[test]
fn the_benchmark_s_own_scorer_says_the_same() {
    let bench = std::fs::canonicalize(BENCHMARK);
    let Ok(bench) = bench else { return eprintln!("skipped: there is no {BENCHMARK}") };
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("on.toml"), "[incidents]\nenabled = true\n").unwrap();
    let command = format!("{} run -q -c on.toml", env!("CARGO_BIN_EXE_keyhound"));
    let (scorer, smoke) = (bench.join("score.py"), bench.join("smoke"));
    let args = ["--cmd", &command, "--json", "theirs.json"];
    let ran = Command::new("python3").arg(scorer).args(args).arg(&smoke).current_dir(dir).output();
    let Ok(ran) = ran else { return eprintln!("skipped: there is no python3") };
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let file = |name: &str| smoke.join(name).display().to_string();
    let [labels, benign, attacks] = ["labels.json", "benign.jsonl.gz", "attacks.jsonl.gz"].map(file);
    let ours = run_in(dir, &["backtest", "--json", "-l", &labels, "--thieves", &attacks, &benign], b"");
    assert_eq!(ours.code, Some(0), "{}", ours.stderr);
    let ours: Value = serde_json::from_str(&ours.stdout).unwrap();
    let ours = &ours["backtest"][0]["score"];
    let theirs: Value = serde_json::from_slice(&std::fs::read(dir.join("theirs.json")).unwrap()).unwrap();
    let near = |one: &Value, other: &Value| match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() < 0.0051 + one.abs() * 1e-5,
        _ => one.is_null() && other.is_null(),
    };
    let mut compared = 0;
    let mut same = |what: String, theirs: &Value, ours: &Value| {
        assert!(near(theirs, ours), "{what}: {theirs} and {ours}");
        compared += 1;
    };
    same("mean".to_owned(), &theirs["macro_recall"], &ours["thefts"]["mean_recall"]);
    assert_eq!(theirs["worst_family"], ours["thefts"]["worst_class"]);
    for (family, of) in theirs["families"].as_object().unwrap() {
        let mine = &ours["classes"][family];
        for name in ["recall", "delay_s_p50", "delay_s_p90", "usd_lost_p50", "usd_lost_p90"] {
            same(format!("{family} {name}"), &of[name], &mine[name]);
        }
        same(format!("{family} precision"), &of["attribution"]["precision"], &mine["attribution_precision"]);
        same(format!("{family} share"), &of["attribution"]["recall"], &mine["attribution_recall"]);
    }
    for (population, of) in theirs["populations"].as_object().unwrap() {
        let mine = &ours["populations"][population];
        for (name, its) in [
            ("active_key_days", "key_days"),
            ("false_incidents", "false_incidents"),
            ("false_per_1000_upper95", "per_1000_upper95"),
        ] {
            same(format!("{population} {name}"), &of[name], &mine[its]);
        }
        for (change, of) in of["by_change"].as_object().unwrap() {
            let mine = &mine["by_change"][change];
            for (name, its) in [
                ("events", "changes"),
                ("events_hit", "changes_hit"),
                ("key_days", "key_days"),
                ("false_incidents", "false_incidents"),
            ] {
                same(format!("{population} {change} {name}"), &of[name], &mine[its]);
            }
        }
    }
    assert!(compared > 200, "{compared} figures");
}

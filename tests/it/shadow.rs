//! `--shadow`: a second configuration on the same records, of which nobody is told.

use crate::metrics::Served;
use crate::support::{Ran, record, run_in};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const OTHER: &str = "[incidents]\nenabled = true\n[detectors.billing_threshold]\namounts_usd = [2.0]\n\
                     [detectors.unknown_source_ip]\nenabled = false\n";

fn sample() -> String {
    fs::read_to_string("config/examples/stolen-key.jsonl").unwrap()
}

/// A folder with a log and a second configuration.
fn folder(log: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("log"), log).unwrap();
    fs::write(dir.path().join("other.toml"), OTHER).unwrap();
    dir
}

fn run(dir: &Path, args: &[&str], stdin: &[u8]) -> Ran {
    let always = ["run", "--shadow", "other.toml", "--shadow-out", "differences"];
    let ran = run_in(dir, &[&always, args].concat(), stdin);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran
}

fn differences(dir: &Path) -> String {
    fs::read_to_string(dir.join("differences")).unwrap_or_default()
}

/// What stands last of each alert.
fn standing(lines: &str) -> Vec<Value> {
    let mut last: Vec<Value> = Vec::new();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        match last.iter_mut().find(|known| known["id"] == line["id"]) {
            Some(known) => *known = line,
            None => last.push(line),
        }
    }
    last
}

fn ids(events: &[Value], keep: impl Fn(&Value) -> bool) -> Vec<String> {
    let mut ids: Vec<String> = events
        .iter()
        .filter(|event| keep(event))
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Nobody hears of the shadow, and what is said to differ is what two runs tell apart.
#[test]
fn it_tells_in_what_two_runs_would_differ_and_nothing_else_changes() {
    let dir = folder(&sample());
    let dir = dir.path();
    let alone = run_in(dir, &["run", "log"], b"");
    let other = run_in(dir, &["run", "-c", "other.toml", "log"], b"");
    let both = run(dir, &["log"], b"");
    assert_eq!(both.stdout, alone.stdout);
    assert!(!differences(dir).is_empty());
    let standing = standing(&differences(dir));
    let (here, there) = (alone.last_revisions(), other.last_revisions());
    for (difference, one, another) in [("only_here", &here, &there), ("only_there", &there, &here)] {
        let known = ids(another, |_| true);
        let expected = ids(one, |event| !known.contains(&event["id"].as_str().unwrap().to_owned()));
        assert!(!expected.is_empty(), "{difference}: the two configurations are too much alike");
        assert_eq!(ids(&standing, |line| line["difference"] == difference), expected, "{difference}");
    }
    let apart = |event: &Value| {
        let other = there.iter().find(|other| other["id"] == event["id"]);
        other.is_some_and(|other| {
            ["severity", "status", "revision", "class"].iter().any(|name| other[*name] != event[*name])
        })
    };
    assert_eq!(ids(&standing, |line| line["difference"] == "differs"), ids(&here, apart));
    // The closing lines count the same.
    let count = |difference: &str| standing.iter().filter(|line| line["difference"] == difference).count();
    let told = format!(
        "{} only here, {} only there, {} different",
        count("only_here"),
        count("only_there"),
        count("differs")
    );
    assert!(both.stderr.contains(&told), "{told}\n{}", both.stderr);
    let line = standing.iter().find(|line| line["rule"] == "unknown_source_ip").unwrap();
    assert_eq!((&line["difference"], &line["there"]), (&json!("only_here"), &Value::Null));
}

#[test]
fn the_same_configuration_differs_in_nothing() {
    let dir = folder(&sample());
    fs::write(dir.path().join("other.toml"), "").unwrap();
    let ran = run(dir.path(), &["log"], b"");
    assert_eq!(differences(dir.path()), "");
    let alerts = ran.last_revisions().len();
    let told =
        format!("shadow other.toml: {alerts} told here, {alerts} there: {alerts} the same, 0 only here");
    assert!(alerts > 0 && ran.stderr.contains(&told), "{told}\n{}", ran.stderr);
}

/// However many threads there are, from wherever records come, and however they are cut.
#[test]
fn the_same_bytes_whatever_threads_and_steps_there_are() {
    let dir = folder(&sample());
    let dir = dir.path();
    let mut told = Vec::new();
    for (args, stdin) in [
        (&["--threads", "1", "log"][..], String::new()),
        (&["--threads", "12", "log"], String::new()),
        (&["--threads", "5", "-"], sample()),
    ] {
        run(dir, args, stdin.as_bytes());
        told.push(differences(dir));
        fs::remove_file(dir.join("differences")).unwrap();
    }
    assert!(!told[0].is_empty());
    assert_eq!(told[1], told[0]);
    assert_eq!(told[2], told[0]);
}

/// The shadow's state and the comparison are part of a checkpoint; what was written after it is compared.
#[test]
fn with_a_state_it_goes_on_as_if_there_had_been_one_run() {
    let text = sample();
    let whole = folder(&text);
    run(whole.path(), &["--state", "state", "-o", "alerts", "log"], b"");
    let dir = folder("");
    let dir = dir.path();
    let mut last = None;
    for (number, part) in [0.3, 0.55, 0.8, 1.0].into_iter().enumerate() {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let cut = text[..(text.len() as f64 * part) as usize].rfind('\n').unwrap() + 1;
        fs::write(dir.join("log"), &text[..cut]).unwrap();
        let threads = (1 + number * 4).to_string();
        last = Some(run(dir, &["--state", "state", "-o", "alerts", "--threads", &threads, "log"], b""));
        if number == 1 {
            // As a crash leaves it: more was written than the checkpoint knows, and is made again.
            let expected = differences(whole.path());
            fs::write(dir.join("differences"), &expected[..differences(dir).len() + 40]).unwrap();
        }
    }
    assert_eq!(differences(dir), differences(whole.path()));
    let summary = |ran: &Ran| {
        ran.stderr.lines().find(|line| line.starts_with("shadow other.toml: ")).map(str::to_owned)
    };
    let once = run(whole.path(), &["--state", "state", "-o", "alerts", "log"], b"");
    assert_eq!(summary(&last.unwrap()), summary(&once));
    // Without it, what it knew is not kept, and a later one says that it begins.
    run_in(dir, &["run", "--state", "state", "-o", "alerts", "log"], b"");
    fs::write(dir.join("log"), format!("{text}{}", record(&[("timestamp", json!("2026-07-30T00:00:00Z"))])))
        .unwrap();
    run_in(dir, &["run", "--state", "state", "-o", "alerts", "log"], b"");
    let again = run(dir, &["--state", "state", "-o", "alerts", "log"], b"");
    assert!(again.stderr.contains("it begins now"), "{}", again.stderr);
    assert!(!last_time(dir), "the old state of the shadow is gone");
}

/// Whether a shadow of an earlier checkpoint than the last is still there.
fn last_time(dir: &Path) -> bool {
    let names: Vec<String> = fs::read_dir(dir.join("state"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.iter().any(|name| {
        let number = name.strip_prefix("shadow-");
        number.is_some_and(|number| !names.contains(&format!("checkpoint-{number}")))
    })
}

/// What is damaged of the shadow does no harm to the run.
#[test]
fn a_damaged_shadow_starts_anew_and_the_run_goes_on() {
    let dir = folder(&sample());
    let dir = dir.path();
    run(dir, &["--state", "state", "-o", "alerts", "log"], b"");
    let before = fs::read(dir.join("alerts")).unwrap();
    for entry in fs::read_dir(dir.join("state")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("shadow-") {
            let mut bytes = fs::read(&path).unwrap();
            bytes[100] ^= 1;
            fs::write(&path, bytes).unwrap();
        }
    }
    let ran = run(dir, &["--state", "state", "-o", "alerts", "log"], b"");
    assert!(ran.stderr.contains("its checksum does not fit"), "{}", ran.stderr);
    assert!(ran.stderr.contains("it begins now"), "{}", ran.stderr);
    assert_eq!(fs::read(dir.join("alerts")).unwrap(), before);
}

#[test]
fn it_is_shown_in_metrics_and_keeps_its_settings_over_a_reload() {
    let dir = folder("");
    let dir = dir.path();
    fs::write(dir.join("k.toml"), "[detectors.billing_threshold]\namounts_usd = [5.0]\n").unwrap();
    let args = ["-c", "k.toml", "--shadow", "other.toml", "--output", "alerts", "--control", "control"];
    let mut served = Served::start_in(dir, &args);
    let request = |id: &str| record(&[("cost_usd", json!(3.0)), ("request_id", json!(id))]);
    let page = served.feed(&request("r1"), "keyhound_shadow_differences{difference=\"only_there\"} 1");
    for line in [
        "keyhound_shadow_alerts_total{event=\"alert\",side=\"there\"} 1",
        "keyhound_shadow_alerts_total{event=\"alert\",side=\"here\"} 0",
        "keyhound_shadow_running 1",
        "keyhound_shadow_keys 1",
    ] {
        assert!(page.lines().any(|one| one == line), "{line}: {page}");
    }
    assert!(page.contains("keyhound_alerts_open{class=\"operational\",severity=\"medium\"} 0"), "{page}");
    assert_eq!(fs::read_to_string(dir.join("alerts")).unwrap(), "");
    served.feed(&request("r2"), "keyhound_shadow_differences{difference=\"only_there\"} 0");
    fs::write(dir.join("k.toml"), "[detectors.billing_threshold]\namounts_usd = [7.0]\n").unwrap();
    assert_eq!(run_in(dir, &["reload", "--control", "control"], b"").code, Some(0));
    served.feed(&request("r3"), "keyhound_records_total{outcome=\"processed\"} 3");
    served.stop();
}

#[test]
fn what_must_not_differ_is_refused_with_its_place() {
    let dir = folder("");
    let dir = dir.path();
    let refused = |text: &str, args: &[&str]| {
        fs::write(dir.join("other.toml"), text).unwrap();
        run_in(dir, &[&["run", "--shadow", "other.toml"], args].concat(), b"")
    };
    for (text, told) in [
        ("[input]\nlateness_minutes = 90\n", "keyhound: other.toml:2: `input.lateness_minutes` differs"),
        ("[detectors.volume_spik]\n", "keyhound: other.toml:1: unknown setting `volume_spik`"),
        (
            "[prices]\nfiles = []\nlitellm_file = \"p.json\"\n",
            "keyhound: other.toml:3: `prices.litellm_file`",
        ),
    ] {
        let ran = refused(text, &["-"]);
        assert!(ran.code == Some(78) && ran.stderr.starts_with(told), "{}", ran.stderr);
    }
    let idle = refused("[metrics]\nkeys = \"top\"\n", &["-"]);
    assert!(idle.code == Some(0) && idle.stderr.contains("`metrics.keys` differ as well"), "{}", idle.stderr);
    fs::write(dir.join("k.toml"), "").unwrap();
    let kafka = refused("", &["-c", "k.toml", "--kafka"]);
    assert!(kafka.code == Some(2) && kafka.stderr.contains("--shadow"), "{}", kafka.stderr);
    let missing = run_in(dir, &["run", "--shadow", "nowhere.toml", "-"], b"");
    assert!(missing.code == Some(78) && missing.stderr.contains("nowhere.toml"), "{}", missing.stderr);
    // An output is no input.
    fs::write(dir.join("log"), record(&[])).unwrap();
    let own = run_in(dir, &["run", "--shadow", "other.toml", "--shadow-out", "log", "log"], b"");
    assert_eq!(own.code, Some(2), "{}", own.stderr);
}

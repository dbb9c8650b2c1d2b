//! `[sources]` in `keyhound run`: asked at their cadence, beside other inputs, over restarts.

use crate::provider::{Provider, Said};
use crate::pull::{bucket, folder, page};
use crate::serving::Serving;
use crate::support::{record, run_in};
use keyhound::engine::clock::now;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// Waits until it is so; a test that waits a minute has failed.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{what}");
}

/// The sum of all series of a metric.
fn sum(page: &str, name: &str) -> i64 {
    let values = page.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        if rest.starts_with(['{', ' ']) { rest.rsplit(' ').next()?.parse::<f64>().ok() } else { None }
    });
    #[allow(clippy::cast_possible_truncation)]
    values.map(|value| value as i64).sum()
}

fn metric(run: &Serving, name: &str) -> i64 {
    sum(&run.get("/metrics").body, name)
}

/// Minutes since 1970, in seconds.
fn minute() -> i64 {
    now().0 / 60_000_000_000 * 60
}

const RUN: [&str; 8] =
    ["--config", "k.toml", "--state", "state", "--output", "alerts", "--metrics", "127.0.0.1:0"];

fn configure(dir: &Path, url: &str, more: &str) {
    let source = format!(
        "[checkpoint]\ninterval_ms = 50\n[sources.openai]\ntype = \"openai_usage\"\nkey_file = \"key\"\nurl = \"{url}\"\n\
         endpoints = [\"completions\"]\nevery_seconds = 1\nretry_max_ms = 2\nattempts_max = 2\n"
    );
    fs::write(dir.join("k.toml"), source + more).unwrap();
}

/// Answers with those of the buckets that begin in the window that is asked for.
fn within(asked: &crate::provider::Asked, all: &[Value]) -> Said {
    let (from, to) = (asked.number("start_time"), asked.number("end_time"));
    let is_in = |bucket: &&Value| (from..to).contains(&bucket["start_time"].as_i64().unwrap());
    page(&all.iter().filter(is_in).cloned().collect::<Vec<_>>(), None)
}

#[test]
fn late_and_restated_buckets_count_once_and_as_they_were_told_last_over_a_kill() {
    let dir = folder();
    let stage = Arc::new(AtomicU64::new(0));
    let (told, base) = (Arc::clone(&stage), minute());
    let provider = Provider::start(move |asked| {
        let one = |ago: i64, requests| bucket(base - ago * 60, "key_EXAMPLEa", "gpt-4o", requests);
        let mut all = vec![one(1440, 10)];
        match told.load(Ordering::Relaxed) {
            0 => all.push(one(30, 20)),
            1 => all.extend([one(30, 25), one(20, 5)]),
            2 => all.extend([one(30, 22), one(20, 5)]),
            _ => all.extend([one(30, 23), one(20, 5), one(10, 1)]),
        }
        within(asked, &all)
    });
    configure(dir.path(), &provider.url, "backfill_days = 2\n");
    let mut run = Serving::start(dir.path(), &RUN, "metrics on");
    for (number, sum) in [(0, 30), (1, 40), (2, 37)] {
        stage.store(number, Ordering::Relaxed);
        until(&format!("{sum} in stage {number}"), || metric(&run, "keyhound_requests") == sum);
    }
    assert_eq!(metric(&run, "keyhound_pull_restated_total"), 3);
    until("what is repeated", || metric(&run, "keyhound_pull_repeated_total") > 3);
    assert_eq!(metric(&run, "keyhound_pull_rows_total"), 5, "what is as it was is not handed on again");
    run.kill();
    stage.store(3, Ordering::Relaxed);
    let mut run = Serving::start(dir.path(), &RUN, "metrics on");
    until("39 after a kill", || metric(&run, "keyhound_requests") == 39);
    // Another round changes nothing.
    let asked = metric(&run, "keyhound_pull_requests_total");
    until("another round", || metric(&run, "keyhound_pull_requests_total") > asked + 2);
    assert_eq!(metric(&run, "keyhound_requests"), 39);
    assert_eq!(metric(&run, "keyhound_pull_rows_total"), 2);
    // After a kill only what may be restated is asked for again.
    let base_asked = provider.asked();
    let last = base_asked.last().unwrap();
    assert!(last.number("start_time") > base - 3 * 3600, "{}", last.target);
    run.signal("TERM");
    run.wait();
}

#[test]
fn a_key_that_is_stolen_is_told_with_the_first_round_that_shows_it() {
    let dir = folder();
    let (stage, base) = (Arc::new(AtomicU64::new(0)), minute());
    let told = Arc::clone(&stage);
    let (release, gate) = mpsc::channel::<()>();
    let provider = Provider::start(move |asked| {
        // Three weeks of two keys, at hours of the day that are not this one.
        let mut all = Vec::new();
        for hour in (1..21 * 24).filter(|hour| (8..18).contains(&(hour % 24))) {
            for key in ["key_EXAMPLEvictim", "key_EXAMPLEother"] {
                all.push(bucket(base - hour * 3600, key, "gpt-4o-mini", 3 + hour.unsigned_abs() % 2));
            }
        }
        if told.load(Ordering::Relaxed) == 2 {
            // Nobody is told anything further until the theft has been found.
            let _ = gate.recv();
        }
        let is_now = asked.number("end_time") >= base;
        if is_now && told.compare_exchange(1, 2, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let at = asked.number("end_time") - 60;
            all.push(bucket(at, "key_EXAMPLEvictim", "gpt-5", 900));
        }
        within(asked, &all)
    });
    configure(dir.path(), &provider.url, "[incidents]\nenabled = true\n");
    let mut run = Serving::start(dir.path(), &RUN, "metrics on");
    let success = "keyhound_pull_success_timestamp_seconds";
    until("everything that there was", || metric(&run, success) > 0);
    let before = fs::read_to_string(dir.path().join("alerts")).unwrap_or_default();
    assert!(!before.contains("gpt-5"), "{before}");
    stage.store(1, Ordering::Relaxed);
    let events = || -> Vec<Value> {
        let text = fs::read_to_string(dir.path().join("alerts")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    let is_theft =
        |event: &Value, what: &str| event["event"] == what && event["api_key_prefix"] == "key_EXAMPLEvictim";
    until("the round with the theft", || stage.load(Ordering::Relaxed) == 2);
    until("the theft is told", || {
        let events = events();
        ["alert", "incident"].iter().all(|what| events.iter().any(|event| is_theft(event, what)))
    });
    let incident = events().into_iter().find(|event| is_theft(event, "incident")).unwrap();
    assert_eq!(incident["class"], "compromise", "{incident}");
    let kinds: Vec<Value> = events()
        .iter()
        .filter(|event| is_theft(event, "alert"))
        .map(|event| event["alert_type"].clone())
        .collect();
    assert!(kinds.contains(&json!("unknown_model")), "{kinds:?}");
    // Of the other key nothing is told that was not told before, but that it is silent: it is, by more every hour.
    let of_other = |text: &str| {
        let is_its = |line: &&str| line.contains("key_EXAMPLEother") && !line.contains("\"silence\"");
        text.lines().filter(is_its).map(str::to_owned).collect()
    };
    let [then, now]: [Vec<String>; 2] =
        [&before, &fs::read_to_string(dir.path().join("alerts")).unwrap()].map(|text| of_other(text));
    assert_eq!(then, now);
    drop(release);
    run.signal("TERM");
    run.wait();
}

#[test]
fn an_endpoint_that_fails_is_told_and_the_key_is_nowhere() {
    let dir = folder();
    let stage = Arc::new(AtomicU64::new(0));
    let (told, base) = (Arc::clone(&stage), minute());
    let provider = Provider::start(move |asked| {
        if asked.path().ends_with("/images") && told.load(Ordering::Relaxed) == 0 {
            let key = asked.head.lines().find(|line| line.starts_with("authorization")).unwrap();
            return Said::Status(500, "", format!("{{\"error\":\"{key}\"}}"));
        }
        within(asked, &[bucket(base - 600, "key_EXAMPLEa", "gpt-4o", 1)])
    });
    configure(dir.path(), &provider.url, "");
    let text = fs::read_to_string(dir.path().join("k.toml")).unwrap();
    let text = text.replace("[\"completions\"]", "[\"completions\", \"images\"]");
    fs::write(dir.path().join("k.toml"), text).unwrap();
    let said = run_in(dir.path(), &["check", "--config", "k.toml"], b"").stdout;
    let told = format!("sources: openai (openai_usage, {}, every 1 s: completions images)", provider.url);
    assert!(said.contains(&told), "{said}");
    let mut run = Serving::start(dir.path(), &RUN, "metrics on");
    until("a failing endpoint", || metric(&run, "keyhound_pull_failing") == 1);
    until("the other", || metric(&run, "keyhound_requests") > 0);
    let page = run.get("/metrics").body;
    let line = "keyhound_pull_failing{endpoint=\"images\",source=\"openai\"} 1";
    assert!(page.contains(line), "{page}");
    let failed = "keyhound_pull_requests_total{endpoint=\"images\",outcome=\"failed\",source=\"openai\"} ";
    let count = page.lines().find_map(|line| line.strip_prefix(failed)?.parse::<u64>().ok());
    assert!(count > Some(0), "{page}");
    stage.store(1, Ordering::Relaxed);
    until("it is well again", || metric(&run, "keyhound_pull_failing") == 0);
    run.signal("TERM");
    run.wait();
    let (mut folders, mut files) = (vec![dir.path().to_owned()], 0);
    while let Some(path) = folders.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("key") {
                files += 1;
                let text = fs::read(&path).unwrap();
                assert!(!String::from_utf8_lossy(&text).contains("Qx7"), "{}", path.display());
            }
        }
    }
    assert!(files > 2 && !page.contains("Qx7"));
}

#[test]
fn sources_are_asked_beside_other_inputs() {
    let dir = folder();
    let base = minute();
    let provider =
        Provider::start(move |asked| within(asked, &[bucket(base - 600, "key_EXAMPLEa", "gpt-4o", 7)]));
    configure(dir.path(), &provider.url, "");
    let line = record(&[("timestamp", json!(now().to_string())), ("request_id", json!("r1"))]);
    fs::write(dir.path().join("log"), &line).unwrap();
    for (number, more) in [&["-"][..], &["--follow", "log"]].into_iter().enumerate() {
        let state = format!("state-{number}");
        let args = ["--config", "k.toml", "--state", &state, "--metrics", "127.0.0.1:0"];
        let mut run = Serving::start(dir.path(), &[&args[..], more].concat(), "metrics on");
        run.write(&line);
        until("both", || metric(&run, "keyhound_requests") == 8);
        run.signal("TERM");
        run.wait();
    }
    let refused = run_in(dir.path(), &["run", "--config", "k.toml", "log"], b"");
    assert!(
        refused.code == Some(2) && refused.stderr.contains("follow them (--follow)"),
        "{}",
        refused.stderr
    );
}

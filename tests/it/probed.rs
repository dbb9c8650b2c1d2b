//! `[probes]` in `keyhound run`: sent at their cadence, told where everything is told, over restarts, and known for what they are.

use crate::probe::{configure, published};
use crate::provider::{Asked, Provider, Said};
use crate::pull::folder;
use crate::serving::Serving;
use crate::support::{record, run_in};
use keyhound::engine::clock::now;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
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

/// The value of one series.
fn value(page: &str, series: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

const RUN: [&str; 8] =
    ["--config", "k.toml", "--state", "state", "--output", "alerts", "--metrics", "127.0.0.1:0"];
const SOON: &str = "every_seconds = 1\nrecheck_seconds = 1\n";
const KEPT: &str = "[checkpoint]\ninterval_ms = 50\n";

fn events(dir: &Path, file: &str) -> Vec<Value> {
    let text = fs::read_to_string(dir.join(file)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn told(dir: &Path, file: &str, status: &str) -> Vec<Value> {
    let is_it = |event: &Value| event["alert_type"] == "probe_failing" && event["status"] == status;
    events(dir, file).into_iter().filter(is_it).collect()
}

/// Answers well as long as this is nought, and else with this status.
fn moody(mood: &Arc<AtomicU64>) -> impl FnMut(&Asked) -> Said + Send + use<> {
    let mood = Arc::clone(mood);
    let answer = published("openai.sse");
    move |_| match mood.load(Ordering::Relaxed) {
        0 => Said::Events("x-request-id: req_EXAMPLE1\r\n", answer.clone(), 100),
        status => Said::Status(status.try_into().unwrap(), "", "{\"error\":\"boom\"}".to_owned()),
    }
}

#[test]
fn failures_are_told_in_the_stream_and_to_sinks_and_are_over_when_it_is_well() {
    let dir = folder();
    let mood = Arc::new(AtomicU64::new(0));
    let provider = Provider::start(moody(&mood));
    let sink =
        "[sinks.copy]\ntype = \"file\"\npath = \"copy\"\nevents = [\"alert\"]\nclasses = [\"operational\"]\n";
    configure(dir.path(), "openai", &provider.url, &format!("{SOON}{KEPT}{sink}"));
    // Of what can be read again, nothing is told twice; of standard input it would be.
    fs::write(dir.path().join("log"), "").unwrap();
    let args = [&RUN[..], &["--follow", "log"]].concat();
    let said = run_in(dir.path(), &["check", "-c", "k.toml"], b"").stdout;
    assert!(
        said.contains(&format!("probes: p (openai, {}, every 1 s: gpt-4o-mini)", provider.url)),
        "{said}"
    );
    assert!(provider.asked().is_empty(), "a check asks nobody");
    let mut run = Serving::start(dir.path(), &args, "metrics on");
    let well = "keyhound_probe_success{probe=\"p\"}";
    until("it is well", || value(&run.get("/metrics").body, well) == Some(1.0));
    let page = run.get("/metrics").body;
    for (series, least) in [
        ("keyhound_probe_requests_total{outcome=\"ok\",probe=\"p\"}", 1.0),
        ("keyhound_probe_latency_seconds_count{probe=\"p\"}", 1.0),
        ("keyhound_probe_first_token_seconds_bucket{probe=\"p\",le=\"60\"}", 1.0),
        ("keyhound_probe_status{probe=\"p\"}", 200.0),
        ("keyhound_probe_cost_usd_total{probe=\"p\"}", 1e-7),
        ("keyhound_probe_success_timestamp_seconds{probe=\"p\"}", 1e9),
    ] {
        assert!(value(&page, series) >= Some(least), "{series}\n{page}");
    }
    mood.store(503, Ordering::Relaxed);
    until("it is told", || !told(dir.path(), "alerts", "open").is_empty());
    until("it is open", || {
        value(&run.get("/metrics").body, "keyhound_alerts_open{class=\"operational\",severity=\"high\"}")
            == Some(1.0)
    });
    assert_eq!(value(&run.get("/metrics").body, well), Some(0.0));
    // Nothing of it is lost or told twice over a kill.
    run.kill();
    let mut run = Serving::start(dir.path(), &args, "metrics on");
    mood.store(0, Ordering::Relaxed);
    until("it is over", || !told(dir.path(), "alerts", "final").is_empty());
    until("the sink has both", || told(dir.path(), "copy", "final").len() == 1);
    run.signal("TERM");
    run.wait();
    let [open, over] = [told(dir.path(), "alerts", "open"), told(dir.path(), "alerts", "final")];
    let [first, .., last] = &[&open[..], &over[..]].concat()[..] else { panic!("{open:?} {over:?}") };
    for (name, expected) in [
        ("class", json!("operational")),
        ("severity", json!("high")),
        ("api_key_prefix", json!("probe:p")),
        ("revision", json!(0)),
    ] {
        assert_eq!(first[name], expected, "{first}");
    }
    let description = first["description"].as_str().unwrap();
    assert!(description.starts_with("probe `p` failed 2 times in a row since "), "{description}");
    assert!(description.ends_with(": answered 503: boom"), "{description}");
    assert_eq!(
        (&first["evidence"]["status"], &first["evidence"]["outcome"]),
        (&json!(503), &json!("failed"))
    );
    assert_eq!(last["id"], first["id"]);
    assert!(last["description"].as_str().unwrap().contains("is well again; it had failed "), "{last}");
    let revisions: Vec<&Value> = open.iter().chain(&over).map(|event| &event["revision"]).collect();
    assert_eq!(
        revisions,
        (0..revisions.len()).map(|number| json!(number)).collect::<Vec<_>>().iter().collect::<Vec<_>>()
    );
}

/// A log that a gateway writes of what it is asked, with what its clients say of themselves, for keyhound to follow.
fn gateway(dir: &Path, tells: impl Fn(&Asked) -> Value + Send + 'static) -> Provider {
    let log = dir.join("log");
    fs::write(&log, "").unwrap();
    let answer = published("openai.sse");
    Provider::start(move |asked| {
        let mut line = json!({"timestamp":now().to_string(),"api_key_prefix":"...live","model":"gpt-4o-mini",
            "input_tokens":20,"output_tokens":2,"status_code":200,"source_ip":"198.51.100.7"});
        line.as_object_mut().unwrap().extend(tells(asked).as_object().unwrap().clone());
        let mut file = fs::OpenOptions::new().append(true).open(&log).unwrap();
        writeln!(file, "{line}").unwrap();
        Said::Events("", answer.clone(), 100)
    })
}

#[test]
fn its_own_traffic_is_known_and_nobody_elses_that_calls_itself_so() {
    let dir = folder();
    let (marked, markers) = mpsc::channel();
    let provider = gateway(dir.path(), move |asked| {
        let client = asked.header("user-agent").unwrap();
        marked.send(client.to_owned()).unwrap();
        json!({"user_agent":client,"request_id":format!("gw-{}", client.len())})
    });
    // Any use of this key is told.
    let canary = "[[key]]\nkey = \"...live\"\ncanary = true\n";
    configure(dir.path(), "openai", &provider.url, &format!("{SOON}{KEPT}{canary}"));
    let mut run = Serving::start(dir.path(), &[&RUN[..], &["--follow", "log"]].concat(), "metrics on");
    let own = || value(&run.get("/metrics").body, "keyhound_probe_requests_recognised_total");
    until("three prompts are known", || own() >= Some(3.0));
    assert_eq!(events(dir.path(), "alerts"), Vec::<Value>::new());
    // A thief who has read the log copies what the client calls itself.
    let client: String = markers.recv().unwrap();
    let theft = record(&[
        ("timestamp", json!(now().to_string())),
        ("api_key_prefix", json!("...live")),
        ("user_agent", json!(client)),
        ("request_id", json!("gw-other")),
        ("input_tokens", json!(20)),
        ("output_tokens", json!(2)),
    ]);
    let mut file = fs::OpenOptions::new().append(true).open(dir.path().join("log")).unwrap();
    file.write_all(theft.as_bytes()).unwrap();
    until("the theft is told", || {
        events(dir.path(), "alerts").iter().any(|event| event["alert_type"] == "canary_key")
    });
    run.signal("TERM");
    run.wait();
    let alerts: Vec<Value> = events(dir.path(), "alerts");
    assert!(alerts.iter().all(|event| event["requests"] == 1), "{alerts:?}");
}

/// What is told of inputs does not depend on whether somebody sends canary prompts beside them, whatever their times.
#[test]
fn what_is_told_of_inputs_is_the_same_with_probes_and_without() {
    let mut log = String::new();
    for day in 1..=15 {
        for hour in 8..18 {
            let cost = if day == 15 { 40.0 } else { 0.5 };
            let stamp = format!("2026-05-{day:02}T{hour:02}:00:00Z");
            log += &record(&[
                ("timestamp", json!(stamp)),
                ("cost_usd", json!(cost)),
                ("request_id", json!(stamp)),
            ]);
        }
    }
    log += &record(&[("timestamp", json!("2026-05-17T12:00:00Z")), ("request_id", json!("last"))]);
    let mut seen = Vec::new();
    for probes in [false, true] {
        let dir = folder();
        let mood = Arc::new(AtomicU64::new(500));
        let provider = Provider::start(moody(&mood));
        if probes {
            configure(dir.path(), "openai", &provider.url, SOON);
        } else {
            fs::write(dir.path().join("k.toml"), "").unwrap();
        }
        let mut run = Serving::start(dir.path(), &[&RUN[..], &["-"]].concat(), "metrics on");
        let (before, after) = log.split_at(log.len() / 2);
        // To the end of a line.
        let at = before.len() + after.find('\n').unwrap() + 1;
        run.write(&log[..at]);
        if probes {
            until("it is told", || !told(dir.path(), "alerts", "open").is_empty());
        }
        run.write(&log[at..]);
        until("all is read", || {
            value(&run.get("/metrics").body, "keyhound_records_total{outcome=\"processed\"}") >= Some(151.0)
        });
        until("days are closed", || {
            events(dir.path(), "alerts")
                .iter()
                .any(|event| event["status"] == "final" && event["alert_type"] == "cost_spike")
        });
        run.signal("TERM");
        run.wait();
        let text = fs::read_to_string(dir.path().join("alerts")).unwrap();
        let others: Vec<String> =
            text.lines().filter(|line| !line.contains("probe_failing")).map(str::to_owned).collect();
        seen.push(others);
    }
    assert!(seen[0].len() > 2, "{seen:?}");
    assert_eq!(seen[0], seen[1]);
}

/// The lines of `keyhound probe`, followed as a file, lead to the same as probes of a run.
#[test]
fn lines_of_one_shot_probes_are_an_input_like_any_other() {
    let dir = folder();
    let mood = Arc::new(AtomicU64::new(429));
    let provider = Provider::start(moody(&mood));
    configure(dir.path(), "openai", &provider.url, "");
    let mut lines = String::new();
    for (status, code) in [(429, 69), (429, 69), (0, 0)] {
        mood.store(status, Ordering::Relaxed);
        let ran = run_in(dir.path(), &["probe", "-c", "k.toml", "--format", "json"], b"");
        assert_eq!(ran.code, Some(code), "{}", ran.stderr);
        lines += &ran.stdout;
    }
    fs::write(dir.path().join("probes.jsonl"), &lines).unwrap();
    let ran = run_in(dir.path(), &["run", "--encoding", "json", "-c", "k.toml", "probes.jsonl"], b"");
    let statuses: Vec<Value> = ran.events().iter().map(|event| event["status"].clone()).collect();
    assert_eq!(statuses, [json!("open"), json!("final")], "{}", ran.stdout);
    assert!(ran.stderr.contains("`[probes]` rest while files are read once"), "{}", ran.stderr);
    assert!(ran.stderr.contains("0 rejected"), "{}", ran.stderr);
    // And twice the same lines are once.
    let twice = run_in(
        dir.path(),
        &["run", "--encoding", "json"],
        [lines.as_bytes(), lines.as_bytes()].concat().as_slice(),
    );
    assert_eq!(twice.stdout, ran.stdout);
}

#[test]
fn probes_keep_nobody_from_an_end_and_are_refused_where_topics_are_read() {
    let dir = folder();
    let mood = Arc::new(AtomicU64::new(0));
    let provider = Provider::start(moody(&mood));
    configure(dir.path(), "openai", &provider.url, "cost_cap_usd_per_day = 0.0001\nevery_seconds = 1");
    let ended = run_in(dir.path(), &["run", "-c", "k.toml", "--encoding", "json"], record(&[]).as_bytes());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.accounting().starts_with("read "), "{}", ended.stderr);
    #[cfg(feature = "kafka")]
    {
        let refused = run_in(dir.path(), &["run", "-c", "k.toml", "--kafka"], b"");
        assert_eq!(refused.code, Some(78));
        assert!(refused.stderr.contains("`probes.p` is set, but with --kafka"), "{}", refused.stderr);
    }
    // The cap of a day is told once, and shown.
    let args = ["--config", "k.toml", "--state", "state", "--metrics", "127.0.0.1:0", "-"];
    let mut run = Serving::start(dir.path(), &args, "metrics on");
    let held = "keyhound_probe_requests_total{outcome=\"capped\",probe=\"p\"}";
    until("it is held back twice", || value(&run.get("/metrics").body, held) >= Some(2.0));
    assert_eq!(value(&run.get("/metrics").body, "keyhound_probe_cost_cap_usd{probe=\"p\"}"), Some(0.0001));
    // Nobody else may spend from the same budget.
    let other = run_in(dir.path(), &["probe", "-c", "k.toml", "--state", "state"], b"");
    assert_eq!(other.code, Some(69), "{}", other.stderr);
    run.signal("TERM");
    run.wait();
}

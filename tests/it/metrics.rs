//! `/metrics`, `/healthz`, `/readyz`, asked as Prometheus asks.

use crate::serving::{Said, Serving};
use crate::support::{keyhound, record, run_in};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// A program that reads what it is fed and answers on `/metrics`.
pub struct Served(Serving);

impl Served {
    pub fn start() -> Self {
        Self::start_in(Path::new("."), &[])
    }

    pub fn start_in(dir: &Path, args: &[&str]) -> Self {
        let args = [&["--metrics", "127.0.0.1:0"], args].concat();
        Self(Serving::start(dir, &args, "http://"))
    }

    /// Status line and body of the answer to a request.
    fn ask(&self, request: &str) -> (String, String) {
        let Said { head, body, .. } = self.0.ask(request);
        (head.lines().next().unwrap_or_default().to_owned(), body)
    }

    pub fn get(&self, path: &str) -> (String, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    }

    /// Writes records and waits until they are counted.
    pub fn feed(&mut self, lines: &str, counted: &str) -> String {
        self.0.write(lines);
        self.until(counted)
    }

    /// Waits until a line stands in the page.
    pub fn until(&self, counted: &str) -> String {
        for _ in 0..300 {
            let page = self.get("/metrics").1;
            if page.lines().any(|line| line == counted) {
                return page;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{counted} does not come: {}", self.get("/metrics").1);
    }

    /// What a series without labels stands at.
    pub fn value(&self, series: &str) -> u64 {
        let page = self.get("/metrics").1;
        let value = page.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("{series}: {page}"))
    }

    /// Stops a run whose inputs have no end.
    pub fn terminate(mut self) {
        self.0.signal("TERM");
        self.0.wait();
    }

    /// Asks for the configuration to be read again.
    pub fn hang_up(&self) {
        self.0.signal("HUP");
    }

    /// Ends it at once.
    pub fn kill(mut self) {
        self.0.kill();
    }

    pub fn stop(self) {
        self.0.stop();
    }
}

/// The series of a page, without their values.
fn series(page: &str) -> BTreeSet<String> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series.to_owned()).collect()
}

#[test]
fn the_page_counts_what_was_read() {
    let mut served = Served::start();
    assert_eq!(served.get("/healthz"), ("HTTP/1.1 200 OK".to_owned(), "ok\n".to_owned()));
    assert_eq!(served.get("/readyz").1, "ready\n");
    let lines = record(&[]) + &record(&[("timestamp", json!("yesterday"))]) + "nonsense\n";
    let page = served.feed(&lines, "keyhound_records_total{outcome=\"processed\"} 1");
    for line in [
        "keyhound_rejects_total{reason=\"bad_time\"} 1",
        "keyhound_rejects_total{reason=\"unrecognised\"} 1",
        "keyhound_source_lines_total 3",
        "keyhound_keys 1",
        "keyhound_watermark_timestamp_seconds 1780301700",
        "keyhound_alerts_total{severity=\"high\",status=\"open\",type=\"unknown_model\"} 0",
        "keyhound_latency_seconds_count 1",
        &format!("keyhound_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(page.lines().any(|have| have == line), "{line}\n{page}");
    }
    served.stop();
}

#[test]
fn watch_lists_are_counted_by_what_they_name() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("list"), "198.51.100.9\n198.51.100.0/24\nAS64500\nclient:badbot\n")
        .unwrap();
    std::fs::write(dir.path().join("on.toml"), "[watch_list]\nfiles = [\"list\"]\n").unwrap();
    let mut served = Served::start_in(dir.path(), &["-c", "on.toml"]);
    let page = served.feed(&record(&[]), "keyhound_records_total{outcome=\"processed\"} 1");
    let kinds = [("address", 2), ("client", 1), ("network", 1)];
    for (kind, count) in kinds {
        let line = format!("keyhound_watch_list_entries{{kind=\"{kind}\"}} {count}");
        assert!(page.lines().any(|have| have == line), "{line}\n{page}");
    }
    let read = served.value("keyhound_watch_list_read_timestamp_seconds");
    assert!(read > 1_700_000_000, "{read}");
    // A list that holds a mistake counts as that, when the next record comes, and the one before it holds.
    std::fs::write(dir.path().join("list"), "nonsense\n").unwrap();
    for count in 2.. {
        assert!(count < 60, "the mistake is never told");
        std::thread::sleep(Duration::from_secs(1));
        let processed = format!("keyhound_records_total{{outcome=\"processed\"}} {count}");
        served.feed(&record(&[("request_id", json!(format!("r{count}")))]), &processed);
        if served.value("keyhound_watch_list_failures_total") == 1 {
            break;
        }
    }
    assert_eq!(served.value("keyhound_watch_list_entries{kind=\"client\"}"), 1);
    assert_eq!(served.value("keyhound_watch_list_read_timestamp_seconds"), read);
    served.stop();
}

#[test]
fn blind_detectors_are_told() {
    let mut served = Served::start();
    let page = served.feed(
        &(record(&[("source_ip", json!(null))]) + &record(&[("api_key_prefix", json!("...seen"))])),
        "keyhound_records_total{outcome=\"processed\"} 2",
    );
    for (detector, keys) in [("unknown_source_ip", 1), ("unknown_model", 0), ("volume_spike", 0)] {
        let line = format!("keyhound_blind_keys{{detector=\"{detector}\"}} {keys}");
        assert!(page.lines().any(|have| have == line), "{line}\n{page}");
    }
    served.stop();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("k.toml"), "[detectors.billing_threshold]\namounts_usd = [0.0]\n")
        .unwrap();
    let args = ["run", "--config", "k.toml", "-"];
    let blind = |changes: &[(&str, Value)]| {
        let ran = run_in(dir.path(), &args, record(changes).as_bytes());
        ran.events().first().expect("an alert")["blind"].clone()
    };
    assert_eq!(blind(&[]), json!(null));
    assert_eq!(blind(&[("source_ip", json!(null))]), json!(["unknown_source_ip"]));
    assert_eq!(
        blind(&[("source_ip", json!("")), ("model", json!(null))]),
        json!(["unknown_model", "unknown_source_ip"])
    );
}

#[test]
fn no_series_comes_from_the_input() {
    let mut served = Served::start();
    let page = served.feed(&record(&[]), "keyhound_records_total{outcome=\"processed\"} 1");
    let usual = series(&page);
    let hostile: String = (0..500)
        .map(|number| {
            let name = format!("x{number}\"}} 1\nforged_total{{a=\"");
            record(&[
                ("api_key_prefix", json!(format!("...{number}"))),
                ("model", json!(name)),
                ("user_agent", json!(name)),
                ("endpoint", json!(name)),
            ])
        })
        .collect();
    let page = served.feed(&hostile, "keyhound_records_total{outcome=\"processed\"} 501");
    assert_eq!(series(&page), usual);
    assert!(usual.len() < 2000);
    served.stop();
}

#[test]
fn single_keys_are_shown_where_they_are_asked_for_and_never_more_than_that() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("k.toml"), "[metrics]\nkeys = \"top\"\nkeys_max = 2\n").unwrap();
    let mut served = Served::start_in(dir.path(), &["-c", "k.toml"]);
    let secret = "x".repeat(12) + &"y7".repeat(18);
    let records: String = (0..40)
        .map(|number| {
            let key = if number < 2 { format!("{secret}{number}abc") } else { format!("...{number:04}") };
            record(&[("api_key_prefix", json!(key)), ("cost_usd", json!(if number < 2 { 4.0 } else { 0.5 }))])
        })
        .collect();
    let page = served.feed(&records, "keyhound_key_requests{key=\"other\"} 38");
    assert!(!page.contains(&secret), "{page}");
    let of = |name: &str| -> Vec<(String, f64)> {
        let lines = page.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix("{key=\""));
        let value =
            |line: &str| Some((line.split('"').next()?.to_owned(), line.rsplit(' ').next()?.parse().ok()?));
        lines.filter_map(value).collect()
    };
    let costs = of("keyhound_key_cost_usd");
    assert_eq!(costs.len(), 3, "{page}");
    let all: f64 = costs.iter().map(|(_, usd)| usd).sum();
    assert!((all - 27.0).abs() < 1e-6, "with the others it is all of it: {all}");
    let names = costs.iter().map(|(key, _)| key.as_str()).filter(|key| *key != "other");
    let is_named = |key: &str| {
        let (hint, id) = key.split_once('/').unwrap();
        (hint == "...0abc" || hint == "...1abc") && id.len() == 8 && id.chars().all(|c| c.is_ascii_hexdigit())
    };
    assert!(names.into_iter().all(is_named), "{costs:?}");
    assert!(page.lines().any(|line| line == "keyhound_metric_series_dropped_total 0"), "{page}");
    served.stop();
    // Without being asked, no key is shown.
    let mut served = Served::start();
    let page = served.feed(&record(&[]), "keyhound_records_total{outcome=\"processed\"} 1");
    assert!(!page.contains("keyhound_key_") && !page.contains("3f9c"), "{page}");
    served.stop();
}

#[test]
fn what_is_open_is_shown_until_its_day_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let text = "[incidents]\nenabled = true\n[[key]]\nkey = \"...3f9c\"\ncanary = true\n";
    std::fs::write(dir.path().join("k.toml"), text).unwrap();
    std::fs::write(dir.path().join("log"), record(&[])).unwrap();
    let open = "keyhound_alerts_open{class=\"compromise\",severity=\"critical\"}";
    let incidents = "keyhound_incidents_open{class=\"compromise\",severity=\"critical\"}";
    let args = ["-c", "k.toml", "--state", "state", "--follow", "log"];
    let served = Served::start_in(dir.path(), &args);
    served.until(&format!("{open} 1"));
    assert_eq!(served.value(incidents), 1);
    served.terminate();
    // A run that goes on knows of it.
    let later = record(&[("timestamp", json!("2026-06-01T09:01:00Z")), ("api_key_prefix", json!("...0000"))]);
    let log = |text: &str| {
        let log = std::fs::OpenOptions::new().append(true).open(dir.path().join("log"));
        log.unwrap().write_all(text.as_bytes()).unwrap();
    };
    log(&later);
    let served = Served::start_in(dir.path(), &args);
    served.until("keyhound_records_total{outcome=\"processed\"} 1");
    assert_eq!((served.value(open), served.value(incidents)), (1, 1));
    let days_later =
        record(&[("timestamp", json!("2026-06-03T09:01:00Z")), ("api_key_prefix", json!("...0000"))]);
    log(&days_later);
    served.until(&format!("{open} 0"));
    assert_eq!(served.value(incidents), 0);
    served.terminate();
}

#[test]
fn every_metric_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("list"), "AS64500\n").unwrap();
    let text = "[metrics]\nkeys = \"top\"\n[incidents]\nenabled = true\n[watch_list]\nfiles = [\"list\"]\n";
    std::fs::write(dir.path().join("k.toml"), text).unwrap();
    let args = ["-c", "k.toml", "--state", "state", "--output", "alerts", "--post", "http://127.0.0.1:1/"];
    let mut served = Served::start_in(dir.path(), &args);
    let page = served.feed(&record(&[]), "keyhound_key_requests{key=\"other\"} 0");
    let explained = std::fs::read_to_string("docs/metrics.md").unwrap();
    let names = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    for name in names {
        let is_there =
            [format!("`{name}`"), format!("`{name}{{")].iter().any(|form| explained.contains(form));
        assert!(is_there, "{name} is not in docs/metrics.md");
    }
    served.kill();
}

#[test]
fn other_requests_are_refused_in_words() {
    let served = Served::start();
    for (request, status) in [
        ("GET /secret HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "404"),
        ("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc", "405"),
        ("DELETE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "405"),
        ("nonsense\r\n\r\n", "400"),
        (&format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(100_000)), "431"),
    ] {
        let answer = served.ask(request).0;
        assert!(answer.contains(status), "{status}: {answer}");
    }
    assert_eq!(served.get("/healthz").1, "ok\n", "and it goes on");
    served.stop();
}

#[test]
fn an_address_in_use_is_told_before_anything_is_read() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = keyhound().args(["run", "--metrics", &address]).stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{stderr}");
    assert!(stderr.contains(&address), "{stderr}");
}

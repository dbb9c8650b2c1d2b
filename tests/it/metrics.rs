//! `/metrics`, `/healthz`, `/readyz`, asked as Prometheus asks.

use crate::support::{keyhound, record, run_in};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

/// A program that reads what it is fed and answers on `/metrics`.
pub struct Served {
    child: Child,
    stdin: Option<ChildStdin>,
    address: String,
}

impl Served {
    pub fn start() -> Self {
        Self::start_in(Path::new("."), &[])
    }

    pub fn start_in(dir: &Path, args: &[&str]) -> Self {
        let mut child = keyhound()
            .current_dir(dir)
            .args(["run", "--metrics", "127.0.0.1:0"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).unwrap_or_else(|| panic!("an address: {line}"));
        let address = address.split('/').next().unwrap().to_owned();
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Self { stdin: child.stdin.take(), child, address }
    }

    /// Status line and body of the answer to a request.
    fn ask(&self, request: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
    }

    pub fn get(&self, path: &str) -> (String, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    }

    /// Writes records and waits until they are counted.
    pub fn feed(&mut self, lines: &str, counted: &str) -> String {
        self.stdin.as_mut().unwrap().write_all(lines.as_bytes()).unwrap();
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
        let told = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        assert!(told.unwrap().success() && self.child.wait().unwrap().success());
    }

    pub fn stop(mut self) {
        drop(self.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

/// A test that fails leaves no process behind.
impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
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

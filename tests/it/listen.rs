//! Records by HTTP: what is posted, well and badly, and what is answered. The requests stand in `tests/listen`.

use crate::support::{keyhound, record, run_in};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Long enough for any machine; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that is posted to.
pub struct Posted {
    child: Child,
    pub address: String,
    metrics: String,
    stderr: mpsc::Receiver<String>,
    told: Vec<String>,
}

impl Posted {
    pub fn start(dir: &Path, args: &[&str]) -> Self {
        Self::start_at(dir, "127.0.0.1:0", args)
    }

    pub fn start_at(dir: &Path, address: &str, args: &[&str]) -> Self {
        let mut child = keyhound()
            .current_dir(dir)
            .args(["run", "--metrics", "127.0.0.1:0", "--listen", address])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, stderr) = mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut posted =
            Self { child, address: String::new(), metrics: String::new(), stderr, told: Vec::new() };
        posted.metrics = posted.wait_for("metrics on http://");
        posted.address = posted.wait_for("usage records are taken");
        posted
    }

    /// The address that a line tells with these words in it.
    fn wait_for(&mut self, words: &str) -> String {
        loop {
            let line =
                self.stderr.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{words}: {:?}", self.told));
            self.told.push(line);
            let line = self.told.last().unwrap();
            if line.contains(words) {
                return line.split("://").nth(1).unwrap().split('/').next().unwrap().to_owned();
            }
        }
    }

    pub fn stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().unwrap()
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Exit code and what was said on standard error.
    pub fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        self.told.extend(self.stderr.iter());
        (code, self.told.join("\n"))
    }

    /// Asks for a stop, and waits for it.
    pub fn stop(self) -> (Option<i32>, String) {
        self.signal("TERM");
        self.end()
    }

    /// The value of a metric.
    pub fn metric(&self, name: &str) -> u64 {
        let (_, page) =
            exchange(&self.metrics, b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let line =
            page.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        line.unwrap_or_else(|| panic!("{name} in {page}")).rsplit(' ').next().unwrap().parse().unwrap()
    }

    pub fn outcome(&self, outcome: &str) -> u64 {
        self.metric(&format!("keyhound_listen_requests_total{{outcome=\"{outcome}\"}}"))
    }

    /// Posts a body; the status and the answer.
    pub fn post(&self, body: &str) -> (u16, String) {
        self.send("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", body)
    }

    pub fn send(&self, head: &str, body: &str) -> (u16, String) {
        exchange(&self.address, format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
    }
}

impl Drop for Posted {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request and its answer; nought where the connection ended before.
fn exchange(address: &str, request: &[u8]) -> (u16, String) {
    let Ok(mut stream) = TcpStream::connect(address) else { return (0, String::new()) };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answers(&answer).into_iter().next().unwrap_or_default()
}

/// The answers on a connection, one after the other: statuses and bodies.
fn answers(bytes: &[u8]) -> Vec<(u16, String)> {
    let mut rest = bytes;
    let mut found = Vec::new();
    while let Some(at) = rest.windows(4).position(|four| four == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&rest[..at]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let body = &rest[at + 4..];
        let length = length.unwrap_or(body.len());
        if body.len() < length {
            break;
        }
        let body = &body[..length];
        found.push((status, String::from_utf8_lossy(body).trim_end().to_owned()));
        rest = &rest[at + 4 + body.len()..];
    }
    found
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    head: Vec<String>,
    body: Vec<BTreeMap<String, toml::Value>>,
    #[serde(default)]
    then: String,
    answer: Vec<String>,
    #[serde(default)]
    outcome: String,
    #[serde(default)]
    records: u64,
}

impl Case {
    /// How many records the answers tell; those of HEC and OTLP tell none.
    fn records(&self) -> u64 {
        let told =
            |answer: &String| answer.split("\"records\":").nth(1)?.split(',').next()?.parse::<u64>().ok();
        self.records + self.answer.iter().filter_map(told).sum::<u64>()
    }

    fn bytes(&self) -> Vec<u8> {
        let body: Vec<u8> = self.body.iter().flat_map(piece).collect();
        let mut head = self.head.clone();
        let says_length = |line: &String| line.starts_with("Content-Length") || line.starts_with("Transfer");
        if !head.is_empty() && !head.iter().any(says_length) {
            head.push(format!("Content-Length: {}", body.len()));
        }
        let mut text: String = head.iter().map(|line| format!("{line}\r\n")).collect();
        if !text.is_empty() && !text.contains("@endless@") {
            text.push_str("\r\n");
        }
        let text = text.replace("@long@", &"x".repeat(20_000)).replace("@endless@", &"x".repeat(20_000));
        [text.into_bytes(), body].concat()
    }
}

fn piece(piece: &BTreeMap<String, toml::Value>) -> Vec<u8> {
    let text = |name: &str| piece.get(name).and_then(toml::Value::as_str);
    let packed = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let bytes = if let Some(text) = text("gzip") {
        packed(text.as_bytes())
    } else if let Some(text) = text("zlib") {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    } else if let Some(text) = text("zstd") {
        zstd::encode_all(text.as_bytes(), 3).unwrap()
    } else if let Some(hex) = text("hex") {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    } else if let Some(count) = piece.get("zeros").and_then(toml::Value::as_integer) {
        packed(&vec![0; usize::try_from(count).unwrap()])
    } else {
        text("text").unwrap().as_bytes().to_vec()
    };
    let times = piece.get("times").and_then(toml::Value::as_integer).unwrap_or(1);
    bytes.repeat(usize::try_from(times).unwrap())
}

#[test]
fn every_request_has_its_answer_and_none_harms_the_next() {
    #[derive(Deserialize)]
    struct Cases {
        request: Vec<Case>,
    }
    let cases: Cases = toml::from_str(&fs::read_to_string("tests/listen/requests.toml").unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let limits = "[listen]\nbody_bytes_max = 4096\nheader_bytes_max = 8192\nrequest_ms = 1000\nqueue_bytes_max = 65536\n";
    fs::write(dir.path().join("k.toml"), limits).unwrap();
    let posted = Posted::start(dir.path(), &["--config", "k.toml"]);
    let mut records = 0;
    for case in &cases.request {
        let name = &case.name;
        let before = if case.outcome.is_empty() { 0 } else { posted.outcome(&case.outcome) };
        let mut stream = TcpStream::connect(&posted.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // A client that is refused may be hung up on while it still sends.
        let _ = stream.write_all(&case.bytes());
        match case.then.as_str() {
            "hold" => {}
            "close" => stream.shutdown(Shutdown::Write).unwrap(),
            _ => {
                // Answered or not: the connection is not held open for more.
                let mut seen = Vec::new();
                let mut piece = [0; 4096];
                while answers(&seen).len() < case.answer.len().max(1) {
                    match stream.read(&mut piece) {
                        Ok(0) | Err(_) => break,
                        Ok(count) => seen.extend_from_slice(&piece[..count]),
                    }
                }
                check(name, &case.answer, &seen);
            }
        }
        if !case.then.is_empty() {
            let mut seen = Vec::new();
            let _ = stream.read_to_end(&mut seen);
            check(name, &case.answer, &seen);
        }
        drop(stream);
        if !case.outcome.is_empty() {
            let counted = || posted.outcome(&case.outcome);
            assert_eq!(read_eventually(&counted, before + 1), before + 1, "{name} is counted");
        }
        let (status, told) = posted.post(&record(&[]));
        assert!(status == 200 && told.contains("\"records\":1"), "after {name}: {status} {told}");
        records += 1 + case.records();
    }
    let read = || {
        posted.metric("keyhound_records_total{outcome=\"processed\"}")
            + posted.metric("keyhound_records_total{outcome=\"duplicate\"}")
    };
    assert_eq!(read_eventually(&read, records), records, "what was answered is there, and nothing else");
    let free = || u64::from(posted.metric("keyhound_listen_queue_bytes") == 0);
    assert_eq!(read_eventually(&free, 1), 1, "all room is free again");
    let (code, told) = posted.stop();
    assert_eq!(code, Some(0), "{told}");
}

/// Waits until as much is counted.
fn read_eventually(read: &dyn Fn() -> u64, expected: u64) -> u64 {
    for _ in 0..600 {
        if read() >= expected {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    read()
}

fn check(name: &str, expected: &[String], seen: &[u8]) {
    let seen = answers(seen);
    assert_eq!(seen.len(), expected.len(), "{name}: {seen:?}");
    for ((status, body), expected) in seen.iter().zip(expected) {
        let (code, words) = expected.split_once(' ').unwrap();
        assert_eq!(status.to_string(), code, "{name}: {body}");
        let shown = body.replace("\\\"", "\"");
        assert!(shown.contains(&words.replace("\\\"", "\"")), "{name}: {body}");
    }
}

#[test]
fn whoever_brings_no_token_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let token = format!("EXAMPLE-{}", "x".repeat(20));
    fs::write(dir.path().join("token"), format!("{token}\n")).unwrap();
    fs::write(dir.path().join("k.toml"), "[listen]\naddress = \"127.0.0.1:0\"\ntoken_file = \"token\"\n")
        .unwrap();
    let posted = Posted::start(dir.path(), &["--config", "k.toml"]);
    let body = record(&[]);
    let with = |path: &str, authorization: &str| {
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{authorization}");
        posted.send(&head, &body)
    };
    for (path, authorization, status, told) in [
        ("/", String::new(), 401, "a token is needed"),
        ("/", "Authorization: Bearer wrong\r\n".to_owned(), 403, "none of those in `listen.token_file`"),
        ("/services/collector", String::new(), 401, "\"code\":2"),
        ("/services/collector", "Authorization: Splunk wrong\r\n".to_owned(), 403, "\"code\":4"),
        ("/v1/logs", String::new(), 401, "\"code\":16"),
        ("/", format!("Authorization: Bearer {token}\r\n"), 200, "\"records\":1"),
        ("/services/collector/raw", format!("Authorization: Splunk {token}\r\n"), 200, "Success"),
        // A page in a browser that has the token may write.
        ("/", format!("Authorization: Bearer {token}\r\nOrigin: http://x\r\n"), 200, "\"records\":1"),
        ("/healthz", String::new(), 200, "ok"),
    ] {
        let (code, answer) = with(path, &authorization);
        assert!(code == status && answer.contains(told), "{path} {authorization}: {code} {answer}");
        assert!(!answer.contains(&token));
    }
    assert_eq!(posted.outcome("unauthorized"), 5);
    // Another token is another token, without a restart.
    fs::write(dir.path().join("token"), "EXAMPLE-EXAMPLE-EXAMPLE\n").unwrap();
    let changed = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        with("/", "Authorization: Bearer EXAMPLE-EXAMPLE-EXAMPLE\r\n").0 == 200
    });
    assert!(changed && with("/", &format!("Authorization: Bearer {token}\r\n")).0 == 403);
    let (_, told) = posted.stop();
    assert!(!told.contains(&token) && !told.contains("EXAMPLE-EXAMPLE-EXAMPLE"), "{told}");
}

#[test]
fn what_is_posted_is_judged_like_a_file_and_always_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let example = fs::read_to_string("config/examples/stolen-key.jsonl").unwrap();
    let lines: Vec<&str> = example.lines().collect();
    let post_all = |name: &str, args: &[&str]| {
        let posted = Posted::start(
            dir.path(),
            &[&["--output", name, "--rejects", "rejects", "--threads", "2"], args].concat(),
        );
        for (number, body) in lines.chunks(100).enumerate() {
            // A wrong line in each, which has its own name and number.
            let body = format!("{}\nnonsense {number}\n", body.join("\n"));
            assert_eq!(posted.post(&body).0, 200);
        }
        let address = posted.address.clone();
        let (code, told) = posted.stop();
        assert_eq!(code, Some(0), "{told}");
        let rejects = fs::read_to_string(dir.path().join("rejects")).unwrap().replace(&address, "HERE");
        fs::remove_file(dir.path().join("rejects")).unwrap();
        (fs::read_to_string(dir.path().join(name)).unwrap(), rejects)
    };
    let (alerts, rejects) = post_all("one", &[]);
    assert!(alerts.lines().count() > 5 && rejects.lines().count() == lines.len().div_ceil(100), "{rejects}");
    let third: Value = serde_json::from_str(rejects.lines().nth(2).unwrap()).unwrap();
    assert_eq!((&third["source"], &third["line"]), (&json!("request 3 of 127.0.0.1 to HERE/"), &json!(101)));
    assert_eq!(third["value"], "nonsense 2");
    assert_eq!(post_all("two", &[]), (alerts.clone(), rejects.clone()));
    assert_eq!(post_all("three", &["--state", "state"]), (alerts.clone(), rejects));
    // A pipe of the same lines that is not at its end leaves the same alerts.
    let ran = run_in(dir.path(), &["run", "-"], example.as_bytes());
    assert!(ran.stdout.starts_with(&alerts), "{} of {}", alerts.len(), ran.stdout.len());
}

#[test]
fn an_input_is_one_and_an_address_that_others_reach_needs_a_token() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("log"), record(&[])).unwrap();
    fs::write(dir.path().join("k.toml"), "[listen]\naddress = \"127.0.0.1:0\"\n").unwrap();
    for (args, code, told) in [
        (&["run", "--listen", "127.0.0.1:0", "log"][..], 2, "cannot be used with"),
        (&["run", "--listen", "0.0.0.0:0"], 2, "can be reached from other machines"),
        (&["run", "--listen", "9599"], 2, "`9599` is no address with a port"),
        (&["run", "--listen", "systemd"], 78, "systemd has passed no socket"),
        (&["run", "--config", "k.toml", "log"], 0, "`listen.address` is not used: another input is named"),
    ] {
        let ran = run_in(dir.path(), args, b"");
        assert!(
            ran.code == Some(code) && ran.stderr.contains(told),
            "{args:?}: {:?} {}",
            ran.code,
            ran.stderr
        );
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = run_in(dir.path(), &["run", "--listen", &address], b"");
    assert!(
        ran.code == Some(69) && ran.stderr.contains(&format!("listen: cannot listen on {address}")),
        "{}",
        ran.stderr
    );
}

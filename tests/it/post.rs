//! Alerts posted by HTTP to receivers that are slow, away, broken, or want something else.

use crate::receiver::{Receiver, Reply, Seen, free_address, taken};
use crate::support::{Ran, keyhound, record, run_in};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// One alert for every key.
const CONFIG: &str = "[detectors.billing_threshold]\namounts_usd = [0.0]\n[post]\nretry_max_ms = 20\ntimeout_ms = 5000\nbatch_alerts_max = 3\n";
const ALERTS: usize = 20;

/// A folder with a configuration, and records that lead to `alerts` alerts.
fn place(alerts: usize, more: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("k.toml"), format!("{CONFIG}{more}")).unwrap();
    fs::write(dir.path().join("log"), records(0..alerts)).unwrap();
    dir
}

pub fn records(keys: std::ops::Range<usize>) -> String {
    keys.map(|key| record(&[("api_key_prefix", json!(format!("...k{key:05}")))])).collect()
}

fn run(dir: &Path, url: &str, more: &[&str]) -> Ran {
    run_in(dir, &[&["run", "-c", "k.toml", "--post", url], more, &["log"]].concat(), b"")
}

/// Id and revision of every alert.
fn names(lines: &[String]) -> Vec<(String, u64)> {
    let parsed = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    parsed
        .map(|alert| (alert["id"].as_str().unwrap().to_owned(), alert["revision"].as_u64().unwrap()))
        .collect()
}

/// Without what came again.
fn first_times(names: &[(String, u64)]) -> Vec<(String, u64)> {
    let mut first: Vec<(String, u64)> = Vec::new();
    for name in names {
        if !first.contains(name) {
            first.push(name.clone());
        }
    }
    first
}

/// Starts a run whose messages can be waited for.
pub struct Running {
    pub child: Child,
    messages: BufReader<std::process::ChildStderr>,
    said: String,
}

impl Running {
    fn start(dir: &Path, url: &str, more: &[&str]) -> Self {
        Self::with(dir, &[&["--post", url], more].concat())
    }

    pub fn with(dir: &Path, args: &[&str]) -> Self {
        let mut command = keyhound();
        command.current_dir(dir).args(["run", "-c", "k.toml"]).args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let messages = BufReader::new(child.stderr.take().unwrap());
        Self { child, messages, said: String::new() }
    }

    /// The line of messages that holds this text.
    pub fn wait_for(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.messages.read_line(&mut line).unwrap() > 0, "{text} is not said: {}", self.said);
            self.said.push_str(&line);
            if line.contains(text) {
                return line;
            }
        }
    }

    pub fn terminate(&self) {
        let told = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status().unwrap();
        assert!(told.success());
    }

    pub fn end(mut self) -> Ran {
        drop(self.child.stdin.take());
        let said = std::mem::take(&mut self.said);
        let rest = std::io::read_to_string(&mut self.messages).unwrap();
        let mut ran = Ran::from(self.child.wait_with_output().unwrap());
        ran.stderr = said + &rest;
        ran
    }
}

/// Everything on standard output is taken once at least, in order, and what was never refused just once.
fn expect_all(ran: &Ran, seen: &[Seen], is_once: bool) {
    let given: Vec<String> = ran.stdout.lines().map(str::to_owned).collect();
    let taken = taken(seen);
    assert!(!given.is_empty());
    assert_eq!(first_times(&names(&taken)), names(&given), "{}", ran.stderr);
    if is_once {
        assert_eq!(taken, given);
    }
}

#[test]
fn alerts_are_posted_as_they_are_written() {
    let dir = place(ALERTS, "");
    let receiver = Receiver::start(|_| Reply::Status(200));
    let ran = run(dir.path(), &receiver.url(), &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let seen = receiver.seen();
    expect_all(&ran, &seen, true);
    let first = &seen[0];
    let (method, path) = (first.method.as_str(), first.path.as_str());
    assert_eq!((method, path), ("POST", "/alerts?key=EXAMPLE-IN-QUERY"));
    assert_eq!((first.content_type.as_str(), first.authorization.as_str()), ("application/x-ndjson", ""));
    assert!(seen.iter().all(|seen| seen.lines.len() <= 3));
    let mut keys: Vec<&str> = seen.iter().map(|seen| seen.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), seen.len(), "each batch has its own key");
    assert!(!ran.stderr.contains("EXAMPLE"), "{}", ran.stderr);
}

#[test]
fn nothing_is_lost_whatever_the_receiver_does() {
    type Script = fn(&Seen) -> Reply;
    let scripts: [(&str, &str, Script); 9] = [
        ("slow", "", |_| Reply::Slow(20)),
        ("500 now and then", "", |seen| Reply::Status(if seen.number % 3 == 1 { 500 } else { 200 })),
        ("429", "", |seen| match seen.number {
            0 => Reply::With(429, "retry-after", "1".to_owned()),
            1 => Reply::With(503, "retry-after", "Thu, 01 Jan 1970 00:00:00 GMT".to_owned()),
            2 => Reply::With(429, "retry-after", "soon".to_owned()),
            _ => Reply::Status(200),
        }),
        ("408 and 425", "", |seen| Reply::Status([408, 425, 200][seen.number.min(2)])),
        ("hangs", "timeout_ms = 300", |seen| if seen.number == 1 { Reply::Hang } else { Reply::Status(200) }),
        ("cut", "", |seen| if seen.number % 2 == 1 { Reply::Cut } else { Reply::Status(200) }),
        ("huge", "", |_| Reply::Huge),
        ("no large ones", "", |seen| Reply::Status(if seen.lines.len() > 1 { 413 } else { 200 })),
        ("refuses a while", "", |seen| Reply::Status(if seen.number < 4 { 404 } else { 200 })),
    ];
    for (name, setting, script) in scripts {
        let config = setting.split_once('=').map_or(String::new(), |_| setting.to_owned());
        let dir = place(ALERTS, "");
        let text = CONFIG
            .replace("timeout_ms = 5000", if config.is_empty() { "timeout_ms = 5000" } else { &config });
        fs::write(dir.path().join("k.toml"), text).unwrap();
        let receiver = Receiver::start(script);
        let ran = run(dir.path(), &receiver.url(), &[]);
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.stderr);
        let seen = receiver.seen();
        expect_all(&ran, &seen, name != "cut");
        // What is tried again is the same request, unless more has come in between.
        for pair in seen.windows(2) {
            if pair[0].status != 200 && pair[0].lines == pair[1].lines {
                assert_eq!(pair[0].key, pair[1].key, "{name}");
            }
        }
    }
}

#[test]
fn a_receiver_that_is_down_at_the_start_and_in_between_gets_everything() {
    let dir = place(ALERTS, "");
    let address = free_address();
    let mut running = Running::start(dir.path(), &format!("http://{address}/"), &["log"]);
    running.wait_for("cannot be reached");
    let first =
        Receiver::at(address, None, |seen| if seen.number < 2 { Reply::Status(200) } else { Reply::Hang });
    let mut seen: Vec<Seen> = (0..3).map(|_| first.next()).collect();
    drop(first);
    running.wait_for("cannot be reached");
    let second = Receiver::at(address, None, |_| Reply::Status(200));
    let ran = running.end();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("takes alerts again"), "{}", ran.stderr);
    seen.extend(second.seen());
    expect_all(&ran, &seen, true);
}

#[test]
fn redirects_are_told_and_not_followed() {
    let dir = place(2, "");
    let elsewhere = Receiver::start(|_| Reply::Status(200));
    let target = elsewhere.url();
    let receiver = Receiver::start(move |seen| match seen.number {
        0..2 => Reply::With(307, "location", target.clone()),
        _ => Reply::Status(200),
    });
    let ran = run(dir.path(), &receiver.url(), &[]);
    expect_all(&ran, &receiver.seen(), true);
    assert!(elsewhere.seen().is_empty());
    assert!(ran.stderr.contains("answers 307, a redirect, which is not followed"), "{}", ran.stderr);
}

#[test]
fn a_token_is_read_again_with_each_attempt_and_never_shown() {
    let dir = place(ALERTS, "token_file = \"token\"\n");
    fs::write(dir.path().join("token"), "EXAMPLE-old\n").unwrap();
    let receiver = Receiver::start(|seen| {
        Reply::Status(if seen.authorization == "Bearer EXAMPLE-new" { 200 } else { 401 })
    });
    let mut running = Running::start(dir.path(), &receiver.url(), &["--quiet", "log"]);
    let told = running.wait_for("answers 401");
    assert!(told.contains("ERROR") && told.contains("none is dropped"), "{told}");
    assert_eq!(receiver.next().authorization, "Bearer EXAMPLE-old");
    fs::remove_file(dir.path().join("token")).unwrap();
    running.wait_for("`post.token_file` cannot be used: token: No such file");
    fs::write(dir.path().join("token"), "EXAMPLE\nnew").unwrap();
    running.wait_for("cannot stand in a header");
    fs::write(dir.path().join("new"), "EXAMPLE-new").unwrap();
    fs::rename(dir.path().join("new"), dir.path().join("token")).unwrap();
    let ran = running.end();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    expect_all(&ran, &receiver.seen(), true);
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("EXAMPLE"), "{}", ran.stderr);
}

/// Waits for a line on `/metrics`; the page.
pub fn metric(address: &str, wanted: &str) -> String {
    for _ in 0..600 {
        let page = ask(address);
        if page.lines().any(|line| line == wanted) {
            return page;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("{wanted} does not come: {}", ask(address));
}

fn ask(address: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    std::io::read_to_string(stream).unwrap()
}

pub fn value(page: &str, series: &str) -> u64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series}: {page}")).parse().unwrap()
}

#[test]
fn a_full_outbox_stops_the_reading_until_there_is_room() {
    let config = "outbox_bytes_max = 20000\n";
    for state in [&[][..], &["--state", "state"]] {
        let dir = place(0, config);
        let alerts = 6000;
        let address = free_address();
        let args = [&["--metrics", "127.0.0.1:0", "--output", "alerts", "--threads", "1"], state].concat();
        let mut running = Running::start(dir.path(), &format!("http://{address}/"), &args);
        let told = running.wait_for("http://127.0.0.1");
        let metrics: SocketAddr =
            told.split("http://").nth(1).unwrap().split('/').next().unwrap().parse().unwrap();
        let metrics = metrics.to_string();
        let mut pipe = running.child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || {
            // Blocks of a day's records, and more than all queues hold.
            pipe.write_all(records(0..alerts).as_bytes()).unwrap();
            let filler = record(&[("cost_usd", json!(0.0))]).repeat(100_000);
            pipe.write_all(filler.as_bytes()).unwrap();
        });
        let page = metric(&metrics, "keyhound_outbox_full{sink=\"post\"} 1");
        assert!(value(&page, "keyhound_outbox_bytes{sink=\"post\"}") <= 20_000, "{page}");
        assert_eq!(value(&page, "keyhound_sink_failing{sink=\"post\"}"), 1);
        assert!(value(&page, "keyhound_sink_attempts_total{outcome=\"unreachable\",sink=\"post\"}") > 0);
        assert!(value(&page, "keyhound_source_lines_total") < 100_000 && !writer.is_finished(), "{page}");
        let receiver = Receiver::at(address, None, |_| Reply::Status(200));
        metric(&metrics, "keyhound_outbox_full{sink=\"post\"} 0");
        writer.join().unwrap();
        let mut ran = running.end();
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.stdout = fs::read_to_string(dir.path().join("alerts")).unwrap();
        expect_all(&ran, &receiver.seen(), true);
        assert!(ran.stdout.lines().count() >= alerts);
    }
}

#[test]
fn what_is_not_taken_by_the_end_is_counted_or_kept() {
    let url = format!("http://{}/", free_address());
    // In memory: it is lost, and the run has failed.
    let dir = place(ALERTS, "");
    let mut running = Running::start(dir.path(), &url, &["log"]);
    running.wait_for("cannot be reached");
    running.terminate();
    let ran = running.end();
    assert_eq!(ran.code, Some(74), "{}", ran.stderr);
    let lost = format!("keyhound: {} alerts could not be delivered before", ran.stdout.lines().count());
    assert!(ran.stderr.contains(&lost), "{}", ran.stderr);
    // On disk: the next run goes on, even if it has nothing to read.
    for is_stopped in [true, false] {
        let dir = place(ALERTS, "");
        let mut running = Running::start(dir.path(), &url, &["--state", "state", "log"]);
        running.wait_for("cannot be reached");
        if is_stopped {
            running.terminate();
        }
        let ran = running.end();
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.stderr.contains("20 alerts could not be delivered to sink `post` yet"), "{}", ran.stderr);
        let silent = run_in(dir.path(), &["run", "--state", "state", "log"], b"");
        assert!(
            silent.stderr.contains("20 alerts of earlier runs still wait for sink `post`"),
            "{}",
            silent.stderr
        );
        let receiver = Receiver::start(|_| Reply::Status(200));
        let again = run_in(
            dir.path(),
            &["run", "-c", "k.toml", "--state", "state", "--post", &receiver.url(), "log"],
            b"",
        );
        assert_eq!((again.code, again.stdout.as_str()), (Some(0), ""), "{}", again.stderr);
        expect_all(&ran, &receiver.seen(), true);
        let third = run(dir.path(), &receiver.url(), &["--state", "state"]);
        assert!(third.stderr.contains("; 0 of earlier runs wait"), "{}", third.stderr);
        assert!(receiver.seen().is_empty());
    }
}

#[test]
fn what_is_whole_in_a_damaged_outbox_is_delivered_and_the_rest_told() {
    let url = format!("http://{}/", free_address());
    for is_cut in [true, false] {
        let dir = place(ALERTS, "");
        let mut running = Running::start(dir.path(), &url, &["--state", "state", "log"]);
        running.wait_for("cannot be reached");
        running.terminate();
        let ran = running.end();
        let segment = dir.path().join("state/outbox/post/segment-00000000000000000000");
        let mut bytes = fs::read(&segment).unwrap();
        if is_cut {
            bytes.truncate(bytes.len() - 7);
        } else {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }
        fs::write(&segment, bytes).unwrap();
        let receiver = Receiver::start(|_| Reply::Status(200));
        let again = run(dir.path(), &receiver.url(), &["--state", "state", "--quiet"]);
        assert!(again.stderr.contains("damaged from byte"), "{}", again.stderr);
        assert!(again.stderr.contains("1 alerts that were to be delivered"), "{}", again.stderr);
        let (given, got) = (ran.stdout.lines().count(), taken(&receiver.seen()));
        let mut left: Vec<&str> = ran.stdout.lines().collect();
        left.retain(|line| got.iter().any(|got| got == line));
        assert_eq!((left.len(), got.len()), (given - 1, given - 1));
        assert_eq!(left, got);
    }
}

#[test]
fn what_cannot_be_posted_to_is_told_at_once() {
    let dir = place(1, "");
    for (url, told, code) in [
        ("example.org/EXAMPLE", "--post: `post.url`: is no address", 2),
        ("https://u:EXAMPLE@example.org", "put it into a file that `token_file` names", 2),
    ] {
        let ran = run(dir.path(), url, &[]);
        assert_eq!(ran.code, Some(code), "{}", ran.stderr);
        assert!(ran.stderr.contains(told) && !ran.stderr.contains("EXAMPLE"), "{}", ran.stderr);
    }
    fs::write(dir.path().join("ca.pem"), "no certificate").unwrap();
    fs::write(dir.path().join("k.toml"), "[post]\nurl = \"https://localhost/\"\nca_file = \"ca.pem\"\n")
        .unwrap();
    let checked = run_in(dir.path(), &["check", "-c", "k.toml"], b"");
    assert_eq!(checked.code, Some(78), "{}", checked.stderr);
    assert!(checked.stderr.contains("`post.ca_file`: holds no certificate"), "{}", checked.stderr);
    let config = "[post]\nurl = \"https://localhost/\"\n[checkpoint]\nrequire = \"exactly-once\"\n";
    fs::write(dir.path().join("k.toml"), config).unwrap();
    let args = ["run", "-c", "k.toml", "--state", "state", "--output", "alerts", "log"];
    let ran = run_in(dir.path(), &args, b"");
    assert_eq!(ran.code, Some(78), "{}", ran.stderr);
    assert!(ran.stderr.contains("asks for exactly once, and this is at least once"), "{}", ran.stderr);
}

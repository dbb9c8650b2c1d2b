//! Inputs that grow, and ends that come from outside: pipes, rotation, signals.

use crate::support::{keyhound, record, run_in};
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Long enough for any machine; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program while it runs.
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    events: Receiver<Value>,
}

impl Running {
    fn start(dir: &Path, args: &[&str]) -> Self {
        let mut child = keyhound()
            .current_dir(dir)
            .arg("run")
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines() {
                let event = serde_json::from_str(&line.unwrap()).unwrap();
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Self { stdin: child.stdin.take(), child, events }
    }

    /// The model that the next open alert is about.
    fn next_model(&self) -> String {
        loop {
            let event = self.events.recv_timeout(PATIENCE).expect("an alert");
            if event["status"] == "open" {
                return event["evidence"]["model"].as_str().expect("an alert about a model").to_owned();
            }
        }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Exit code and what was said on standard error.
    fn end(mut self) -> (Option<i32>, String) {
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (self.child.wait().unwrap().code(), stderr)
    }
}

/// A history in which every key of `keys` has used one model.
fn history(dir: &Path, keys: &[&str]) {
    let lines: String = keys.iter().map(|key| record(&[("api_key_prefix", json!(key))])).collect();
    fs::write(dir.join("history"), lines).unwrap();
}

/// A record that raises one alert: a new model on another day, at a usual hour.
fn news(model: &str, day: u32) -> String {
    record(&[("timestamp", json!(format!("2026-06-{day:02}T09:00:00Z"))), ("model", json!(model))])
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// A key with a history is watched as before when new ones take all the memory there is.
#[test]
fn a_known_key_never_gives_way_to_new_ones() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("small.toml"), "[limits]\nstate_bytes_max = 1_048_576\n").unwrap();
    let day = |day: usize| record(&[("timestamp", json!(format!("2026-05-{day:02}T09:00:00Z")))]);
    fs::write(dir.join("history"), (1..=31).map(day).collect::<String>()).unwrap();
    let new = |key: usize| record(&[("api_key_prefix", json!(format!("...{key:04x}")))]);
    let stolen = record(&[("model", json!("o3"))]);
    let log = (0..3000).map(new).chain([stolen]).collect::<String>();
    let args = ["run", "--config", "small.toml", "--threads=1", "--history", "history"];
    let ran = run_in(dir, &args, log.as_bytes());
    assert!(ran.stderr.contains("gave way because memory was short"), "{}", ran.stderr);
    assert!(ran.stdout.contains("unknown_model"), "{}", ran.stdout);
}

#[test]
fn an_alert_comes_while_the_pipe_is_open() {
    let dir = tempfile::tempdir().unwrap();
    history(dir.path(), &["...3f9c"]);
    let mut running = Running::start(dir.path(), &["--history", "history", "-"]);
    running.stdin.as_mut().unwrap().write_all(news("o3", 2).as_bytes()).unwrap();
    assert_eq!(running.next_model(), "o3");
    drop(running.stdin.take());
    let (code, stderr) = running.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("read 2 = 2 processed"), "{stderr}");
}

#[test]
fn a_followed_log_is_followed_through_its_life() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("a.log");
    history(dir.path(), &["...3f9c"]);
    fs::write(dir.path().join("fast.toml"), "[input]\npoll_ms = 5\n").unwrap();
    append(&log, &news("already-there", 2));
    let args = ["--config", "fast.toml", "--history", "history", "-f", "*.log"];
    let running = Running::start(dir.path(), &args);
    assert_eq!(running.next_model(), "already-there");
    let (first, rest) = (news("in-two-pieces", 3), 40);
    append(&log, &first[..rest]);
    append(&log, &first[rest..]);
    assert_eq!(running.next_model(), "in-two-pieces");
    fs::rename(&log, dir.path().join("a.log.1")).unwrap();
    append(&dir.path().join("a.log.1"), &news("written-after-renaming", 4));
    append(&log, &news("in-the-new-file", 5));
    assert_eq!(running.next_model(), "written-after-renaming");
    assert_eq!(running.next_model(), "in-the-new-file");
    fs::write(&log, "").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    append(&log, &news("after-truncation", 6));
    assert_eq!(running.next_model(), "after-truncation");
    append(&dir.path().join("b.log"), &news("in-a-file-that-came-later", 7));
    assert_eq!(running.next_model(), "in-a-file-that-came-later");
    running.signal("TERM");
    let (code, stderr) = running.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("read 7 = 7 processed + 0 duplicate + 0 late + 0 rejected"), "{stderr}");
    assert!(stderr.contains("truncated"), "{stderr}");
}

#[test]
fn a_signal_drains_and_leaves_windows_open() {
    let dir = tempfile::tempdir().unwrap();
    history(dir.path(), &["...3f9c"]);
    for name in ["TERM", "INT"] {
        let mut running = Running::start(dir.path(), &["--history", "history", "-"]);
        running.stdin.as_mut().unwrap().write_all(news("o3", 2).as_bytes()).unwrap();
        assert_eq!(running.next_model(), "o3");
        // Read, but followed by no line feed: not a record yet.
        running.stdin.as_mut().unwrap().write_all(b"{\"timestamp\"").unwrap();
        running.signal(name);
        assert!(running.events.recv_timeout(PATIENCE).is_err(), "no final alert for a day that is not over");
        let (code, stderr) = running.end();
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stderr.contains("read 2 = 2 processed"), "{stderr}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_run_quietly() {
    let dir = tempfile::tempdir().unwrap();
    history(dir.path(), &["...3f9c"]);
    let lines: String = (2..29).map(|day| news(&format!("model-{day}"), day)).collect();
    fs::write(dir.path().join("input"), lines.repeat(200)).unwrap();
    let mut child = keyhound()
        .current_dir(dir.path())
        .args(["run", "--quiet", "--history", "history", "--", "input"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[test]
fn fail_on_tells_by_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    history(dir.path(), &["...3f9c"]);
    fs::write(dir.path().join("input"), news("o3", 2)).unwrap();
    for (limit, code) in [("low", 1), ("high", 1), ("critical", 0)] {
        let status = keyhound()
            .current_dir(dir.path())
            .args(["run", "--quiet", "--fail-on", limit, "--history", "history", "input"])
            .stdout(Stdio::null())
            .status();
        assert_eq!(status.unwrap().code(), Some(code), "{limit}");
    }
}

//! A run that sends canary prompts, ended at any moment: what it tells of them is told once, and in one row.

use super::{random, setting};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const PROBES: [&str; 4] = ["a", "b", "c", "d"];
const ANSWER: &str = r#"{"choices":[{"message":{"content":"pong"},"finish_reason":"stop"}]}"#;

/// Five prompts of a probe fail, three are answered well, and so on.
fn serve(stream: &TcpStream, asked: &[AtomicU64; PROBES.len()]) {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    // Each asks under a path of its own.
    let _ = reader.read_line(&mut line);
    let Some(probe) = PROBES.iter().position(|name| line.contains(&format!(" /{name}/"))) else { return };
    line.clear();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let _ = reader.take(length).read_to_end(&mut Vec::new());
    let is_well = asked[probe].fetch_add(1, Ordering::Relaxed) % 8 >= 5;
    let (status, body) = if is_well { (200, ANSWER) } else { (500, "") };
    let mut stream = stream;
    let head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    let _ = stream.write_all([head.as_bytes(), body.as_bytes()].concat().as_slice());
}

fn start(dir: &std::path::Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyhound"));
    command.current_dir(dir).args([
        "run",
        "--quiet",
        "--config",
        "keyhound.toml",
        "--state=state",
        "--output=alerts",
    ]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap()
}

#[test]
fn what_probes_say_is_told_once_however_often_the_run_is_killed() {
    let mut random = random("probe");
    let wanted = setting("KEYHOUND_KILLS", 150) / 5;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked: Arc<[AtomicU64; PROBES.len()]> = Arc::default();
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        listener.incoming().map_while(Result::ok).for_each(|stream| serve(&stream, &count))
    });
    let dir = tempfile::tempdir().unwrap();
    let mut config = "[checkpoint]\ninterval_ms = 5\ntime_percent_max = 100\n".to_owned();
    for name in PROBES {
        config += &format!(
            "[probes.{name}]\ntype = \"openai\"\nmodel = \"m\"\nurl = \"{url}/{name}\"\nevery_seconds = 1\nrecheck_seconds = 1\n"
        );
    }
    fs::write(dir.path().join("keyhound.toml"), config).unwrap();
    for _ in 0..wanted {
        let mut child = start(dir.path());
        thread::sleep(Duration::from_millis(50 + random.below(2500)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // The last one is asked to end, so that all of it is there.
    let mut child = start(dir.path());
    thread::sleep(Duration::from_secs(3));
    let told = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap();
    assert!(told.success() && child.wait().unwrap().success());
    let text = fs::read_to_string(dir.path().join("alerts")).unwrap();
    let mut last: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let (id, status) = (event["id"].as_str().unwrap(), event["status"].as_str().unwrap());
        let revision = event["revision"].as_u64().unwrap();
        let before = last.insert(id.to_owned(), (revision, status.to_owned()));
        match before {
            None => assert_eq!((revision, status), (0, "open"), "{line}"),
            Some((number, was)) => {
                assert_eq!(revision, number + 1, "told twice, or not at all: {line}\n{text}");
                assert!(was == "open" || status == "open", "over twice: {line}\n{text}");
            }
        }
    }
    let events = text.lines().count();
    assert!(events > 5 && last.len() == PROBES.len(), "{text}");
    println!(
        "probe: killed {wanted} times, {} prompts, {events} events, each once",
        asked.iter().map(|count| count.load(Ordering::Relaxed)).sum::<u64>()
    );
}

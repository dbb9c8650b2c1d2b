//! The journal, through a `journalctl` of our own: each entry counts once, however the program ends.

use crate::support::{keyhound, wait_until_it_listens};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How often a wait looks, a millisecond apart: long enough for any machine.
const LOOKS_MAX: u32 = 60_000;

/// Cursors end with the number of their entry. It ends with whoever reads it, as one does that finds its pipe closed.
const JOURNALCTL: &str = r#"#!/bin/sh
next=1
for argument; do
    case "$argument" in --after-cursor=*) next=$((${argument##*=} + 1)) ;; esac
done
exec tail -n "+$next" -f --pid="$PPID" entries
"#;

/// A folder with a journal of these messages, and a checkpoint every few of them.
fn place(messages: &[String], frame_bytes_max: u32) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("bin/journalctl");
    fs::create_dir(dir.path().join("bin")).unwrap();
    fs::write(&program, JOURNALCTL).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let config = format!(
        "[checkpoint]\ninterval_ms = 50\ntime_percent_max = 100\n[input]\nframe_bytes_max = {frame_bytes_max}\n"
    );
    fs::write(dir.path().join("keyhound.toml"), config).unwrap();
    let entry = |(number, message): (usize, &String)| {
        let message = json!(message);
        let cursor = format!(r#""__CURSOR":"s=1;i={}""#, number + 1);
        // Members have no order.
        match number % 2 {
            0 => format!("{{{cursor},\"_SYSTEMD_UNIT\":\"a.service\",\"MESSAGE\":{message}}}\n"),
            _ => format!("{{\"MESSAGE\":{message},\"_SYSTEMD_UNIT\":\"a.service\",{cursor}}}\n"),
        }
    };
    let entries: String = messages.iter().enumerate().map(entry).collect();
    fs::write(dir.path().join("entries"), entries).unwrap();
    dir
}

/// The program while it runs; a test that fails leaves none behind.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(dir: &Path, name: &str) -> Running {
    let path = format!("{}:/usr/bin:/bin", dir.join("bin").display());
    let mut command = keyhound();
    command.current_dir(dir).env("PATH", path).stdin(Stdio::null()).stdout(Stdio::null());
    command.args(["run", "--quiet", "--config=keyhound.toml", "--journal=-u a"]);
    command.arg(format!("--state=state-{name}")).arg(format!("--output=alerts-{name}"));
    Running(command.arg(format!("--rejects=rejects-{name}")).spawn().unwrap())
}

/// What it has written so far.
fn written(dir: &Path, what: &str, name: &str) -> String {
    fs::read_to_string(dir.join(format!("{what}-{name}"))).unwrap_or_default()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let came = (0..LOOKS_MAX).any(|_| {
        std::thread::sleep(Duration::from_millis(1));
        is_so()
    });
    assert!(came, "in vain: {what}");
}

/// Waits until so many bytes of rejects are written.
fn wait_for(dir: &Path, name: &str, bytes: u64) {
    let rejects = dir.join(format!("rejects-{name}"));
    wait_until("bytes", || fs::metadata(&rejects).is_ok_and(|found| found.len() >= bytes));
}

fn stop(mut running: Running) {
    wait_until_it_listens(running.0.id());
    let told = Command::new("kill").arg("-TERM").arg(running.0.id().to_string()).status().unwrap();
    assert!(told.success() && running.0.wait().unwrap().success());
}

/// Runs until the last entry, which is a reject, has been told.
fn run_to_end(dir: &Path, name: &str) {
    let running = start(dir, name);
    wait_until("the last entry", || written(dir, "rejects", name).contains("the last entry"));
    stop(running);
}

#[test]
fn every_entry_counts_once_however_often_the_run_is_killed() {
    const KILLS: u64 = 6;
    let records = fs::read_to_string("config/examples/stolen-key.jsonl").unwrap();
    let mut messages: Vec<String> = records.lines().map(String::from).collect();
    for number in 0..messages.len() {
        messages
            .insert(2 * number, format!("{{\"model\":\"entry {number:06}\",\"timestamp\":\"yesterday\"}}"));
    }
    // Over the limit: read in pieces, between which nobody can go on.
    for number in [700, 1501, 2802] {
        messages[number] = "long ".repeat(if number == 1501 { 100_000 } else { 2000 });
    }
    messages.push("{\"model\":\"the last entry\",\"timestamp\":\"yesterday\"}".to_owned());
    let dir = place(&messages, 4096);
    let dir = dir.path();
    run_to_end(dir, "whole");
    let whole = written(dir, "rejects", "whole");
    let told = |what: &str| whole.lines().filter(|line| line.contains(what)).count();
    let missing = (0..2227).filter(|number| told(&format!("entry {number:06}")) != 1);
    // Two of the messages that became too long were such entries.
    assert_eq!((missing.collect::<Vec<_>>(), told("\"oversize\"")), (vec![350, 1401], 3));
    for kill in 1..=KILLS {
        let running = start(dir, "killed");
        wait_for(dir, "killed", whole.len() as u64 * kill / (KILLS + 1));
        drop(running);
    }
    run_to_end(dir, "killed");
    assert!(written(dir, "rejects", "killed") == whole, "rejects differ");
    let alerts = written(dir, "alerts", "whole");
    assert!(!alerts.is_empty() && written(dir, "alerts", "killed") == alerts, "alerts differ");
}

/// What is said of it may read like one.
#[test]
fn a_message_is_no_cursor() {
    let mut messages = vec!["{\"timestamp\":\"yesterday\"}".to_owned(); 8];
    messages.push("{\"model\":\"the last entry\",\"timestamp\":\"yesterday\"}".to_owned());
    messages.push("\"__CURSOR\":\"s=1;i=3\"".to_owned());
    messages.push("__CURSOR".to_owned());
    let dir = place(&messages, 1 << 20);
    let dir = dir.path();
    run_to_end(dir, "x");
    let once = written(dir, "rejects", "x");
    // It must be told that all has been read, and no more.
    let running = start(dir, "x");
    std::thread::sleep(Duration::from_millis(700));
    stop(running);
    assert_eq!(written(dir, "rejects", "x"), once);
}

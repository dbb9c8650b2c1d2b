//! How long it takes from a record that is written into keyhound's standard input until its alert can be read from its
//! standard output: `cargo bench --bench latency`. First on an idle pipe, then while everything that the pipe takes is
//! written into it.
//!
//! A thousand keys are used once a day for a month; then each asks once for a model that it never asked for.
//! `ALERTS=100 cargo bench --bench latency` is the short form.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, missing_docs)]

mod common;

use common::{one_more, write_quiet, write_records};
use hdrhistogram::Histogram;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long an alert may take before something must be wrong.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    let alerts = std::env::var("ALERTS").ok().and_then(|text| text.parse().ok()).unwrap_or(1000);
    for arguments in [&[][..], &["--threads", "1"]] {
        println!("keyhound run {}", arguments.join(" "));
        let mut running = Running::start(arguments, alerts);
        show("  idle pipe", &idle(&mut running, alerts));
        running.end();
        let running = Running::start(arguments, alerts);
        show("  full pipe", &loaded(running, alerts));
    }
}

fn show(name: &str, histogram: &Histogram<u64>) {
    #[allow(clippy::cast_precision_loss)]
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
    println!(
        "{name}: {} alerts, p50 {:.2} ms, p99 {:.2} ms, most {:.2} ms",
        histogram.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

/// A program that has read a month of quiet keys.
struct Running {
    child: Child,
    input: ChildStdin,
    /// When an alert could be read, and the number of its key.
    alerts: Receiver<(Instant, usize)>,
}

impl Running {
    fn start(arguments: &[&str], keys: u64) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_keyhound"))
            .args(["run", "--quiet"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("keyhound starts");
        let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (told, alerts) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let (at, line) = (Instant::now(), line.unwrap());
                if line.contains("\"unknown_model\"") {
                    let hint = line.split("\"api_key_prefix\":\"...").nth(1).unwrap();
                    let _ = told.send((at, usize::from_str_radix(&hint[..8], 16).unwrap()));
                }
            }
        });
        let mut history = Vec::new();
        write_quiet(&mut history, keys).unwrap();
        input.write_all(&history).unwrap();
        // One key more, so that all that was written before is known to have been read.
        let mut last = one_more(keys - 1);
        last.push('\n');
        input.write_all(last.as_bytes()).unwrap();
        alerts.recv_timeout(PATIENCE).expect("an alert");
        Self { child, input, alerts }
    }

    fn end(self) {
        drop(self.input);
        let mut child = self.child;
        assert!(child.wait().unwrap().success());
    }
}

/// One record after the other, each when the one before has been told of, and the pipe has been idle for a moment.
fn idle(running: &mut Running, alerts: u64) -> Histogram<u64> {
    let mut histogram = Histogram::new(3).unwrap();
    for key in 0..alerts - 1 {
        std::thread::sleep(Duration::from_millis(2));
        let line = one_more(key) + "\n";
        let before = Instant::now();
        running.input.write_all(line.as_bytes()).unwrap();
        let (at, _) = running.alerts.recv_timeout(PATIENCE).expect("an alert");
        histogram.record(micros(at - before)).unwrap();
    }
    histogram
}

/// Records among others, of which as many are written as the pipe takes.
fn loaded(running: Running, alerts: u64) -> Histogram<u64> {
    const BETWEEN: usize = 2000;
    let Running { child, mut input, alerts: told } = running;
    let mut others = Vec::new();
    write_records(&mut others, 200_000, 1000).unwrap();
    // Others' keys, at the hour of the records that are waited for.
    let at = one_more(0).split('"').nth(3).unwrap().to_owned();
    let others = std::str::from_utf8(&others).unwrap();
    let others: Vec<String> = others
        .lines()
        .map(|line| {
            let (_, rest) = line.split_once("\", \"api_key_prefix\": \"...0").unwrap();
            format!("{{\"timestamp\": \"{at}\", \"api_key_prefix\": \"...f{rest}\n")
        })
        .collect();
    let writer = std::thread::spawn(move || {
        let mut written = Vec::new();
        for (key, others) in (0..alerts - 1).zip(others.chunks(BETWEEN).cycle()) {
            input.write_all(others.concat().as_bytes()).unwrap();
            written.push(Instant::now());
            input.write_all((one_more(key) + "\n").as_bytes()).unwrap();
        }
        written
    });
    let seen: Vec<_> = (0..alerts - 1).map(|_| told.recv_timeout(PATIENCE).expect("an alert")).collect();
    let written = writer.join().unwrap();
    let mut histogram = Histogram::new(3).unwrap();
    for (at, key) in seen {
        histogram.record(micros(at - written[key])).unwrap();
    }
    let mut child = child;
    assert!(child.wait().unwrap().success());
    histogram
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap().max(1)
}

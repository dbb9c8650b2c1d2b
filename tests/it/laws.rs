//! Laws: what must not matter does not, whatever the records are.

use crate::support::{Ran, record, run_in};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

/// Seconds of a fortnight.
const SPAN: i64 = 14 * 86400;
/// 2026-06-01T00:00:00Z.
const START: i64 = 1_780_272_000;

#[derive(Clone, Debug)]
struct Sketch {
    second: i64,
    key: u8,
    model: u8,
    address: u8,
    cents: u16,
    twice: bool,
}

fn sketches() -> impl Strategy<Value = Vec<Sketch>> {
    let sketch = (0..SPAN, 0_u8..4, 0_u8..12, 0_u8..12, 0_u16..2000, any::<bool>()).prop_map(
        |(second, key, model, address, cents, twice)| Sketch {
            second,
            key,
            // Rare values, so that some of them are new to their key.
            model: model.saturating_sub(8),
            address: address.saturating_sub(8),
            cents: if cents < 1900 { cents % 50 } else { cents },
            twice,
        },
    );
    prop::collection::vec(sketch, 1..400)
}

fn line(sketch: &Sketch, number: usize) -> String {
    let at = jiff::Timestamp::from_second(START + sketch.second).unwrap();
    let model = ["gpt-4o", "o3", "claude-sonnet-4-5", "gpt-5"][usize::from(sketch.model)];
    let record = json!({
        "timestamp": at.to_string(), "request_id": format!("req_{number}"), "api_key_prefix": format!("...key{}", sketch.key),
        "model": model,
        "input_tokens": 100, "output_tokens": 10, "source_ip": format!("10.0.0.{}", sketch.address),
        "cost_usd": f64::from(sketch.cents) / 100.0,
    });
    format!("{record}\n")
}

/// The records in order of their time, no two at one instant in one file.
fn lines(sketches: &[Sketch]) -> Vec<String> {
    let mut sorted = sketches.to_vec();
    sorted.sort_by_key(|sketch| sketch.second);
    sorted.dedup_by_key(|sketch| sketch.second);
    let mut lines = Vec::new();
    for (number, sketch) in sorted.iter().enumerate() {
        let line = line(sketch, number);
        if sketch.twice {
            lines.push(line.clone());
        }
        lines.push(line);
    }
    lines
}

fn alerts(dir: &Path, args: &[&str], stdin: &[u8]) -> String {
    let ran = run_in(dir, &[&["run", "--quiet"], args].concat(), stdin);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    ran.stdout
}

/// The last word on every alert, without what tells when it was first said.
fn last_words(dir: &Path, lines: &[String]) -> BTreeSet<String> {
    std::fs::write(dir.join("shuffled"), lines.concat()).unwrap();
    finals(&run_in(dir, &["run", "--quiet", "shuffled"], b""))
}

/// The same of what a run has written.
fn finals(ran: &Ran) -> BTreeSet<String> {
    ran.last_revisions()
        .into_iter()
        .filter(|alert| alert["status"] == "final")
        .map(|mut alert| {
            for when in ["detected_at", "updated_at", "revision"] {
                alert[when] = Value::Null;
            }
            alert.to_string()
        })
        .collect()
}

/// The lines as they arrive if each is delayed.
fn delayed(lines: &[String], delays: &[i64]) -> Vec<String> {
    let arrival = |(line, delay): (&String, &i64)| {
        let record: Value = serde_json::from_str(line).unwrap();
        let at: jiff::Timestamp = record["timestamp"].as_str().unwrap().parse().unwrap();
        (at.as_second() + delay, line.clone())
    };
    let mut arrivals: Vec<(i64, String)> = lines.iter().zip(delays).map(arrival).collect();
    arrivals.sort_by_key(|(at, _)| *at);
    arrivals.into_iter().map(|(_, line)| line).collect()
}

/// What is in one and not in the other.
fn only(one: &BTreeSet<String>, other: &BTreeSet<String>) -> String {
    one.difference(other).cloned().collect::<Vec<_>>().join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// All at once: how large blocks are, how many shards there are, in which order records arrive, and where another
    /// process goes on.
    #[test]
    fn the_last_words_are_the_same_however_it_is_run(
        sketches in sketches(),
        delays in prop::collection::vec(0_i64..44 * 60, 800),
        frame_bytes_max in 1024_u32..40_000,
        mut restarts in prop::collection::vec((0_usize..800, 1_u8..17), 1..4),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let lines = lines(&sketches);
        let mut arriving = delayed(&lines, &delays);
        // With a state, the end of the input ends no day, but later records do.
        let later = jiff::Timestamp::from_second(START + SPAN + 3 * 86_400).unwrap().to_string();
        arriving.push(record(&[("timestamp", json!(later)), ("api_key_prefix", json!("...last"))]));
        std::fs::write(dir.join("k.toml"), format!("[input]\nframe_bytes_max = {frame_bytes_max}\n")).unwrap();
        restarts.push((arriving.len(), 3));
        restarts.sort_unstable();
        for (at, threads) in restarts {
            std::fs::write(dir.join("log"), arriving[..at.min(arriving.len())].concat()).unwrap();
            let threads = threads.to_string();
            let args = ["--config", "k.toml", "--state", "state", "--output", "alerts", "--threads", &threads, "log"];
            alerts(dir, &args, b"");
        }
        let stdout = std::fs::read_to_string(dir.join("alerts")).unwrap_or_default();
        let ours = finals(&Ran { stdout, stderr: String::new(), code: Some(0) });
        let theirs = last_words(dir, &lines);
        prop_assert_eq!(only(&ours, &theirs), only(&theirs, &ours));
    }

    #[test]
    fn the_way_in_and_the_number_of_shards_do_not_matter(sketches in sketches()) {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let lines = lines(&sketches);
        let text = lines.concat();
        std::fs::write(dir.join("plain"), &text).unwrap();
        let expected = alerts(dir, &["--threads", "1", "plain"], b"");
        prop_assert_eq!(&alerts(dir, &["--threads", "16", "plain"], b""), &expected, "shards");
        prop_assert_eq!(&alerts(dir, &["--threads", "2"], text.as_bytes()), &expected, "pipe");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        std::fs::write(dir.join("packed"), gzip.finish().unwrap()).unwrap();
        prop_assert_eq!(&alerts(dir, &["packed"], b""), &expected, "gz");
        // Files that take turns, named in the wrong order: merged by event time.
        for (number, name) in ["c", "a", "b"].iter().enumerate() {
            let mut part = String::new();
            for line in lines.iter().enumerate().filter(|(at, _)| at / 7 % 3 == number).map(|(_, line)| line) {
                let _ = write!(part, "{line}");
            }
            std::fs::write(dir.join(name), part).unwrap();
        }
        prop_assert_eq!(&alerts(dir, &["a", "b", "c"], b""), &expected, "merged");
    }

    #[test]
    fn arrival_within_the_lateness_does_not_matter(
        sketches in sketches(),
        delays in prop::collection::vec(0_i64..44 * 60, 800),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let lines = lines(&sketches);
        let shuffled = delayed(&lines, &delays);
        let (ours, theirs) = (last_words(dir.path(), &shuffled), last_words(dir.path(), &lines));
        prop_assert_eq!(only(&ours, &theirs), only(&theirs, &ours));
    }
}

//! `--state`: a run goes on from where another stopped, as if there had been one.

use crate::metrics::Served;
use crate::support::{Ran, keyhound, record, run_in};
use proptest::prelude::*;
use serde_json::json;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

const SAMPLE: &str = "config/examples/stolen-key.jsonl";

fn sample() -> String {
    fs::read_to_string(SAMPLE).unwrap()
}

fn run(dir: &Path, args: &[&str]) -> Ran {
    run_in(dir, &[&["run", "--state", "state", "--output", "alerts"], args].concat(), b"")
}

fn alerts(dir: &Path) -> String {
    fs::read_to_string(dir.join("alerts")).unwrap_or_default()
}

/// What one run writes that reads everything.
fn whole() -> String {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("log"), sample()).unwrap();
    assert_eq!(run(dir.path(), &["log"]).code, Some(0));
    alerts(dir.path())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// However a log is cut between runs, and whatever threads each of them has.
    #[test]
    fn several_runs_write_what_one_writes(mut cuts in prop::collection::vec(0_usize..780_000, 1..5), threads in 1_u8..9) {
        let dir = tempfile::tempdir().unwrap();
        let (dir, text) = (dir.path(), sample());
        cuts.push(text.len());
        cuts.sort_unstable();
        for (number, cut) in cuts.iter().enumerate() {
            // A line that is not whole yet is not read as a whole one only where the file is followed.
            let cut = text[..(*cut).min(text.len())].rfind('\n').map_or(0, |at| at + 1);
            fs::write(dir.join("log"), &text[..cut]).unwrap();
            let threads = (usize::from(threads) + number * 4).to_string();
            prop_assert_eq!(run(dir, &["--threads", &threads, "log"]).code, Some(0));
        }
        prop_assert_eq!(alerts(dir), whole());
    }
}

#[test]
fn a_renamed_file_is_not_read_again_and_a_new_one_is() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, text) = (dir.path(), sample());
    let half = text[..text.len() / 2].rfind('\n').unwrap() + 1;
    fs::write(dir.join("app.log"), &text[..half]).unwrap();
    run(dir, &["*.log*"]);
    fs::rename(dir.join("app.log"), dir.join("app.log.1")).unwrap();
    fs::write(dir.join("app.log"), &text[half..]).unwrap();
    let ran = run(dir, &["*.log*"]);
    let lines = text[half..].lines().count();
    assert!(ran.stderr.contains(&format!("read {lines} = ")), "{}", ran.stderr);
    assert_eq!(alerts(dir), whole());
    let again = run(dir, &["*.log*"]);
    assert!(again.stderr.contains("read 0 = "), "{}", again.stderr);
}

#[test]
fn a_packed_file_is_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, text) = (dir.path(), sample());
    let half = text[..text.len() / 2].rfind('\n').unwrap() + 1;
    let pack = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
    let (first, second) = (pack(&text[..half]), pack(&text[half..]));
    fs::write(dir.join("log.zst"), &first).unwrap();
    run(dir, &["log.zst"]);
    fs::write(dir.join("log.zst"), [first, second].concat()).unwrap();
    run(dir, &["log.zst"]);
    assert_eq!(alerts(dir), whole());
}

#[test]
fn a_pipe_goes_on_with_what_is_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, text) = (dir.path(), sample());
    let half = text[..text.len() / 2].rfind('\n').unwrap() + 1;
    for part in [&text[..half], &text[half..]] {
        let args = ["run", "--state", "state", "--output", "alerts"];
        assert_eq!(run_in(dir, &args, part.as_bytes()).code, Some(0));
    }
    assert_eq!(alerts(dir), whole());
}

/// What a crash left behind: written after the checkpoint, whole or torn, or cut off.
#[test]
fn what_was_written_after_the_checkpoint_is_not_written_twice() {
    let expected = whole();
    let torn = expected.len() / 2;
    for left in [&expected[..torn], &expected[..], &format!("{}garbage\n", &expected[..torn])] {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        fs::write(dir.join("log"), "").unwrap();
        run(dir, &["log"]);
        fs::write(dir.join("log"), sample()).unwrap();
        fs::write(dir.join("alerts"), left).unwrap();
        let ran = run(dir, &["log"]);
        assert_eq!(alerts(dir), expected, "{} bytes were left", left.len());
        assert_eq!(ran.stderr.contains("differs"), left.ends_with("garbage\n"), "{}", ran.stderr);
    }
}

#[test]
fn an_output_is_never_shortened_for_records_that_cannot_be_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let args = ["run", "--state", "state", "--output", "alerts"];
    run_in(dir, &args, b"");
    fs::write(dir.join("alerts"), "{\"one\":1}\n{\"torn\":").unwrap();
    let ran = run_in(dir, &args, b"");
    assert_eq!(alerts(dir), "{\"one\":1}\n");
    assert!(ran.stderr.contains("took away 8 bytes of a line that a crash cut off"), "{}", ran.stderr);
}

#[test]
fn a_damaged_checkpoint_is_told_and_the_one_before_it_used() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, text) = (dir.path(), sample());
    for part in [1, 2, 3] {
        let cut = text[..text.len() * part / 3].rfind('\n').unwrap() + 1;
        fs::write(dir.join("log"), &text[..cut]).unwrap();
        run(dir, &["log"]);
    }
    let mut names: Vec<_> =
        fs::read_dir(dir.join("state")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.to_str().unwrap().contains("checkpoint-"));
    names.sort();
    assert_eq!(names.len(), 2);
    let mut bytes = fs::read(&names[1]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&names[1], &bytes).unwrap();
    let ran = run(dir, &["log"]);
    assert!(ran.stderr.contains("going back to the checkpoint before it"), "{}", ran.stderr);
    assert_eq!((ran.code, alerts(dir)), (Some(0), whole()));
    for path in fs::read_dir(dir.join("state")).unwrap().map(|entry| entry.unwrap().path()) {
        if path.to_str().unwrap().contains("checkpoint-") {
            fs::write(path, "keyhound checkpoint 1\n").unwrap();
        }
    }
    let ran = run(dir, &["log"]);
    assert_eq!(ran.code, Some(65));
    assert!(
        ran.stderr.contains("no checkpoint in it is whole; move it away to start anew"),
        "{}",
        ran.stderr
    );
}

/// They are made as often as is configured, and counted when they are on disk.
#[test]
fn checkpoints_go_on_while_a_log_is_followed() {
    const TOTAL: &str = "keyhound_checkpoints_total";
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let config = "[checkpoint]\ninterval_ms = 1\ntime_percent_max = 100\n[input]\npoll_ms = 2\n";
    fs::write(dir.join("k.toml"), config).unwrap();
    let mut log = fs::File::create(dir.join("log")).unwrap();
    let args = ["-c", "k.toml", "--state", "state", "--output", "alerts", "--follow", "log"];
    let served = Served::start_in(dir, &args);
    for _ in 0..1000 {
        log.write_all(record(&[]).as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(10));
        if served.value(TOTAL) > 20 {
            break;
        }
    }
    assert!(served.value(TOTAL) > 20, "{} checkpoints", served.value(TOTAL));
    // The last one is asked for when the log is looked at next, or a second later.
    std::thread::sleep(Duration::from_millis(2500));
    let total = served.value(TOTAL);
    let made = |number: u64| dir.join(format!("state/checkpoint-{number:010}")).exists();
    assert!(made(total) && !made(total + 1), "there are not {total} checkpoints");
    served.terminate();
}

/// What was being written when a run ended was never finished, whatever it holds.
#[test]
fn an_unfinished_checkpoint_is_never_gone_on_from() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, text) = (dir.path(), sample());
    let half = text[..text.len() / 2].rfind('\n').unwrap() + 1;
    fs::write(dir.join("log"), &text[..half]).unwrap();
    run(dir, &["log"]);
    fs::copy(dir.join("state/checkpoint-0000000001"), dir.join("state/unfinished")).unwrap();
    fs::write(dir.join("log"), &text).unwrap();
    let ran = run(dir, &["log"]);
    let lines = text[half..].lines().count();
    assert!(ran.stderr.contains(&format!("read {lines} = ")), "{}", ran.stderr);
    assert_eq!(alerts(dir), whole());
}

#[test]
fn a_request_that_was_seen_is_known_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let record = record(&[("request_id", json!("req_1"))]);
    fs::write(dir.join("log"), &record).unwrap();
    run(dir, &["log"]);
    fs::write(dir.join("log"), record.repeat(2)).unwrap();
    let ran = run(dir, &["log"]);
    assert!(ran.stderr.contains("read 1 = 0 processed + 1 duplicate"), "{}", ran.stderr);
}

#[test]
fn a_second_run_on_the_same_state_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("log"), record(&[])).unwrap();
    let mut first = keyhound();
    first.current_dir(dir.path()).args(["run", "--quiet", "--state", "state", "--follow", "log"]);
    let mut first = first.stdout(std::process::Stdio::null()).spawn().unwrap();
    while !dir.path().join("state").join("checkpoint-0000000001").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let second = run(dir.path(), &["log"]);
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(second.code, Some(69));
    assert!(second.stderr.contains("another keyhound is using this state"), "{}", second.stderr);
    assert_eq!(run(dir.path(), &["log"]).code, Some(0), "the lock goes with its holder");
}

#[test]
fn another_salt_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("log"), record(&[])).unwrap();
    fs::write(dir.join("salt"), "a salt of sixteen and more").unwrap();
    fs::write(dir.join("salted.toml"), "[fingerprint]\nsalt_file = \"salt\"\n").unwrap();
    run(dir, &["log"]);
    let ran = run(dir, &["--config", "salted.toml", "log"]);
    assert_eq!(ran.code, Some(78));
    assert!(ran.stderr.contains("made with another `fingerprint.salt_file`"), "{}", ran.stderr);
}

#[test]
fn a_history_is_learned_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (old, new) = (record(&[]), record(&[("timestamp", json!("2026-06-20T10:00:00Z"))]));
    fs::write(dir.join("old"), old).unwrap();
    fs::write(dir.join("log"), new).unwrap();
    run(dir, &["--history", "old", "--", "log"]);
    let ran = run(dir, &["--history", "old", "--", "log"]);
    assert!(ran.stderr.contains("the history was learned before"), "{}", ran.stderr);
    assert!(ran.stderr.contains("read 0 = "), "{}", ran.stderr);
}

/// No checkpoint holds a key, or anything else of a record that was found to be one.
#[test]
fn no_secret_is_in_a_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let key = format!("sk-proj-{}", "EXAMPLEkey0".repeat(4));
    let fields = [("api_key", json!(key)), ("user_agent", json!(format!("curl {key}")))];
    // Unfinished, so that framing holds it too, as far as a followed file was read.
    let open = format!("{{\"api_key\": \"{key}\",\n");
    fs::write(dir.join("log"), format!("{}{open}", record(&fields))).unwrap();
    let mut following = keyhound();
    following
        .current_dir(dir)
        .args(["run", "--quiet", "--state", "state", "--output", "alerts", "--follow", "log"]);
    let mut following = following.spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let told = std::process::Command::new("kill").arg("-TERM").arg(following.id().to_string()).status();
    assert!(told.unwrap().success() && following.wait().unwrap().success());
    for entry in fs::read_dir(dir.join("state")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(memchr::memmem::find(&bytes, b"EXAMPLEkey0").is_none());
    }
    // It was held all the same: with its end, it is a record.
    let end = "\"timestamp\": \"2026-06-01T09:00:00Z\", \"model\": \"gpt-4o\",\n\"input_tokens\": 1}\n";
    fs::write(dir.join("log"), format!("{}{open}{end}", record(&fields))).unwrap();
    let ran = run(dir, &["log"]);
    assert!(ran.stderr.contains("read 1 = 1 processed"), "{}", ran.stderr);
}

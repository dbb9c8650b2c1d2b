//! Inputs made to exhaust memory: lines and archives of gigabytes, ten million keys, a million of everything else.
//!
//! Takes minutes, so it does not run with the others: `cargo test --release --test heavy`.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_types,
    missing_docs,
    reason = "a test; its lock is held for minutes"
)]

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

const MIB: u64 = 1 << 20;
/// A run over a few records takes 9 MiB; a block of input on its way through the stages some more.
const FLAT: u64 = 64 * MIB;

/// One at a time: each may use both cores and what memory it can get hold of.
static ALONE: Mutex<()> = Mutex::new(());

/// What a run left behind.
struct Ran {
    stdout: String,
    stderr: String,
    /// The most memory that was in use, in bytes, as the kernel counted it.
    peak: u64,
}

impl Ran {
    /// Checks the closing line and the memory.
    fn expect(&self, accounting: &str, peak_max: u64) {
        assert!(self.stderr.contains(accounting), "{accounting} is not in: {}", self.stderr);
        println!("    {accounting}: {} MiB", self.peak / MIB);
        assert!(self.peak <= peak_max, "{} MiB of at most {}", self.peak / MIB, peak_max / MIB);
    }

    /// Types of the alerts about a key.
    fn alerts_about(&self, key: &str) -> Vec<String> {
        let events = self.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let about = events.filter(|event| event["api_key_prefix"] == key && event["status"] == "final");
        about.map(|event| event["alert_type"].as_str().unwrap().to_owned()).collect()
    }
}

/// Runs the program with what `write` writes as its standard input.
fn run(args: &[&str], write: impl FnOnce(&mut BufWriter<ChildStdin>) -> io::Result<()> + Send) -> Ran {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut child = Command::new(env!("CARGO_BIN_EXE_keyhound"))
        .arg("run")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = BufWriter::with_capacity(1 << 18, child.stdin.take().unwrap());
    let mut stdout = child.stdout.take().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    std::thread::scope(|scope| {
        // A program that does not read its standard input closes it.
        scope.spawn(move || write(&mut input).and_then(|()| input.flush()).ok());
        let stdout = scope.spawn(move || read(&mut stdout));
        let stderr = scope.spawn(move || read(&mut stderr));
        let peak = watch(&mut child);
        Ran { stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap(), peak }
    })
}

fn read(stream: &mut impl Read) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// The most memory that the process uses until it ends.
fn watch(child: &mut Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let highest = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = highest.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(kibibytes.unwrap_or(0) * 1024);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.wait().unwrap().success());
    peak
}

/// A record of this key: which model, from where, for how much, at this second since the first of June 2026.
fn record(
    out: &mut impl Write,
    second: u64,
    key: &str,
    [model, ip, agent]: [&str; 3],
    cost: &str,
) -> io::Result<()> {
    let (day, second) = (second / 86400, second % 86400);
    let date = if day < 30 { format!("06-{:02}", day + 1) } else { format!("07-{:02}", day - 29) };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    writeln!(
        out,
        r#"{{"timestamp":"2026-{date}T{hour:02}:{minute:02}:{second:02}Z","api_key_prefix":"{key}","model":"{model}","input_tokens":1000,"output_tokens":100,"source_ip":"{ip}","user_agent":"{agent}","cost_usd":{cost}}}"#
    )
}

const USUAL: [&str; 3] = ["gpt-4o", "10.0.0.1", "openai-python/1.99.0"];
const STOLEN: [&str; 3] = ["claude-opus-4-1", "203.0.113.9", "curl/8.9.1"];
const VICTIM: &str = "...3f9c";
/// When the quiet month is over: nine o'clock on its last day.
const THEFT: u64 = 30 * 86400 + 9 * 3600;

fn quiet_month(out: &mut impl Write) -> io::Result<()> {
    (0..300).try_for_each(|n| record(out, n / 10 * 86400 + 9 * 3600 + n % 10, VICTIM, USUAL, "0.05"))
}

fn filled(out: &mut impl Write, byte: u8, bytes: u64) -> io::Result<()> {
    let block = vec![byte; 1 << 20];
    (0..bytes / MIB).try_for_each(|_| out.write_all(&block))
}

#[test]
fn a_line_of_a_gigabyte() {
    let ran = run(&[], |out| {
        record(out, THEFT, VICTIM, USUAL, "1")?;
        filled(out, b'x', 1024 * MIB)?;
        out.write_all(b"\n")?;
        record(out, THEFT, VICTIM, USUAL, "1")
    });
    ran.expect("read 3 = 2 processed + 0 duplicate + 0 late + 1 rejected", FLAT);
}

#[test]
fn a_string_of_a_gigabyte_without_an_end() {
    let ran = run(&["--format", "canonical"], |out| {
        record(out, THEFT, VICTIM, USUAL, "1")?;
        out.write_all(br#"{"timestamp":"2026-06-01T09:00:00Z","user_agent":""#)?;
        filled(out, b'a', 1024 * MIB)
    });
    ran.expect("read 2 = 1 processed + 0 duplicate + 0 late + 1 rejected", FLAT);
}

#[test]
fn a_gigabyte_of_opening_brackets() {
    for line in ["[", "{\"a\":"] {
        let ran = run(&[], |out| {
            for _ in 0..64 {
                out.write_all(line.repeat(4_000_000 / line.len()).as_bytes())?;
                out.write_all(b"\n")?;
            }
            record(out, THEFT, VICTIM, USUAL, "1")
        });
        ran.expect("read 65 = 1 processed + 0 duplicate + 0 late + 64 rejected", 2 * FLAT);
    }
}

/// An event of CloudTrail: what one has of a request.
fn event(out: &mut impl Write, n: u64) -> io::Result<()> {
    let second = n % 86400;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    write!(
        out,
        r#"{{"eventVersion":"1.10","userIdentity":{{"type":"IAMUser","accountId":"111122223333","accessKeyId":"AKIAEXAMPLE000003F9C","userName":"nightly"}},"eventTime":"2026-06-01T{hour:02}:{minute:02}:{second:02}Z","eventSource":"bedrock.amazonaws.com","eventName":"InvokeModel","awsRegion":"us-west-2","sourceIPAddress":"198.51.100.7","userAgent":"Boto3/1.34.162","requestParameters":{{"modelId":"anthropic.claude-3-5-sonnet-20240620-v1:0"}},"responseElements":null,"requestID":"r{n}","eventID":"e{n}","readOnly":true}}"#
    )
}

#[test]
fn a_file_of_cloudtrail_on_one_line() {
    const MANY: u64 = 120_000;
    let ran = run(&[], |out| {
        out.write_all(b"{\"Records\":[")?;
        for n in 0..MANY {
            out.write_all(if n == 0 { b"" } else { b"," })?;
            event(out, n)?;
        }
        out.write_all(b"]}\n")?;
        record(out, THEFT, VICTIM, USUAL, "1")
    });
    let accounting = format!("read {0} = {0} processed + 0 duplicate + 0 late + 0 rejected", MANY + 1);
    ran.expect(&accounting, FLAT);
}

#[test]
fn a_billion_empty_lines() {
    let ran = run(&[], |out| {
        filled(out, b'\n', 1024 * MIB)?;
        record(out, THEFT, VICTIM, USUAL, "1")
    });
    ran.expect("read 1 = 1 processed + 0 duplicate + 0 late + 0 rejected", 2 * FLAT);
}

#[test]
fn archives_that_unfold_to_gigabytes() {
    let dir = tempfile::tempdir().unwrap();
    let packed = |name: &str, write: &dyn Fn(&mut dyn Write) -> io::Result<()>| {
        let path = dir.path().join(name);
        write(&mut BufWriter::new(File::create(&path).unwrap())).unwrap();
        path
    };
    let bomb = |mut out: &mut dyn Write| {
        // Zeros are what a crash leaves in a file: no line.
        filled(&mut out, 0, 1024 * MIB)?;
        filled(&mut out, b'x', 1024 * MIB)?;
        out.write_all(b"\n")?;
        record(&mut out, THEFT, VICTIM, USUAL, "1")
    };
    let gz = packed("bomb.jsonl.gz", &|out| {
        let mut encoder = GzEncoder::new(out, Compression::fast());
        bomb(&mut encoder)?;
        encoder.finish().map(drop)
    });
    let zst = packed("bomb.jsonl.zst", &|out| {
        let mut encoder = zstd::Encoder::new(out, 1)?;
        encoder.window_log(27)?;
        bomb(&mut encoder)?;
        encoder.finish().map(drop)
    });
    let members = packed("members.jsonl.gz", &|out| {
        let empty = GzEncoder::new(Vec::new(), Compression::fast()).finish()?;
        (0..100_000).try_for_each(|_| out.write_all(&empty))?;
        let mut encoder = GzEncoder::new(out, Compression::fast());
        record(&mut encoder, THEFT, VICTIM, USUAL, "1")?;
        encoder.finish().map(drop)
    });
    let inside = packed("inside.jsonl.gz", &|out| {
        let mut encoder = GzEncoder::new(out, Compression::fast());
        io::copy(&mut File::open(&gz)?, &mut encoder)?;
        encoder.finish().map(drop)
    });
    let run = |path: &Path| run(&[path.to_str().unwrap()], |_| Ok(()));
    run(&gz).expect("read 2 = 1 processed + 0 duplicate + 0 late + 1 rejected", FLAT);
    // The window of 128 MiB is what the archive asks for and `zstd -d` grants.
    run(&zst).expect("read 2 = 1 processed + 0 duplicate + 0 late + 1 rejected", FLAT + 128 * MIB);
    run(&members).expect("read 1 = 1 processed + 0 duplicate + 0 late + 0 rejected", FLAT);
    // Compressed twice is unfolded once.
    let said = run(&inside).stderr;
    assert!(said.contains("= 0 processed"), "{said}");
}

#[test]
fn ten_million_keys_and_the_stolen_one_is_still_watched() {
    const KEYS: u64 = 10_000_000;
    let ran = run(&[], |out| {
        quiet_month(out)?;
        (0..KEYS).try_for_each(|n| {
            if n % 100_000 == 50_000 {
                record(out, THEFT + n / 1000, VICTIM, STOLEN, "5")?;
            }
            record(out, THEFT + n / 1000, &format!("...{n:08x}"), USUAL, "0.05")
        })
    });
    ran.expect("read 10000400 = 10000400 processed + 0 duplicate + 0 late + 0 rejected", 384 * MIB);
    assert!(ran.stderr.contains("gave way because memory was short"), "{}", ran.stderr);
    let alerts = ran.alerts_about(VICTIM);
    for told in ["cost_spike", "unknown_model", "unknown_source_ip"] {
        assert!(alerts.iter().any(|alert| alert == told), "{told} is not among {alerts:?}");
    }
}

#[test]
fn a_million_of_everything_else() {
    const MANY: u64 = 1_000_000;
    let ran = run(&[], |out| {
        quiet_month(out)?;
        (0..MANY).try_for_each(|n| {
            let second = THEFT + n / 100;
            let [model, agent] = [format!("model-{n}-\u{202e}"), format!("agent {n} {n:0200}")];
            let ip = format!("2001:db8::{:x}:{:x}", n >> 16, n & 0xffff);
            record(out, second, VICTIM, [&model, &ip, &agent], "0.01")?;
            record(out, second, VICTIM, [&model, &format!("host-{n}"), &agent], "0.01")
        })
    });
    ran.expect("read 2000300 = 2000300 processed + 0 duplicate + 0 late + 0 rejected", 2 * FLAT);
    let alerts = ran.alerts_about(VICTIM);
    assert!(alerts.iter().any(|alert| alert == "unknown_source_ip"), "{alerts:?}");
    let longest = ran.stdout.lines().map(str::len).max().unwrap_or(0);
    assert!(longest < 16384, "an alert of {longest} bytes");
}

#[test]
fn a_million_rejects_with_a_file_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let rejects = dir.path().join("rejects");
    let ran = run(&["--rejects", rejects.to_str().unwrap()], |out| {
        let list = format!("[{}1]\n", "1,".repeat(1_000_000));
        for _ in 0..4 {
            out.write_all(list.as_bytes())?;
        }
        record(out, THEFT, VICTIM, USUAL, "1")
    });
    ran.expect("read 4000005 = 1 processed + 0 duplicate + 0 late + 4000004 rejected", 2 * FLAT);
}

#[test]
fn identifiers_of_every_request_are_remembered_in_bounded_memory() {
    const MANY: u64 = 6_000_000;
    let ran = run(&["--threads", "2"], |out| {
        (0..MANY).try_for_each(|n| {
            writeln!(
                out,
                r#"{{"timestamp":"2026-07-01T09:00:00Z","api_key_prefix":"{VICTIM}","model":"gpt-4o","request_id":"r{n}"}}"#
            )
        })
    });
    ran.expect("read 6000000 = 6000000 processed + 0 duplicate + 0 late + 0 rejected", 384 * MIB);
}

#[test]
fn a_quiet_key_costs_about_two_kibibytes() {
    let month = |keys: u64| {
        run(&["--threads", "1"], |out| {
            (0..31 * keys).try_for_each(|n| {
                let (day, key) = (n / keys, n % keys);
                let ip = format!("10.0.{}.{}", key >> 8 & 255, key & 255);
                let second = day * 86400 + 10 * 3600 + key / 100;
                record(out, second, &format!("...{key:08x}"), ["gpt-4o", &ip, "x"], "0.01")
            })
        })
    };
    month(1_000).expect("read 31000 = 31000 processed", FLAT);
    // Pages of the allocator's own only ever add to it.
    let least = |keys| (0..2).map(|_| month(keys).peak).min().unwrap();
    let each = (least(41_000) - least(1_000)) / 40_000;
    println!("    {each} bytes for each further quiet key");
    // The aim. Measured are 1,953 to 1,967.
    assert!(each < 2048, "{each} bytes");
}

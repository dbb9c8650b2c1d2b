//! Sources that are pulled by runs that are ended by `kill -9` in the middle of a page: each row counts once.

use super::{random, setting};
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// Days that are told, rows of an hour, and rows of a page.
const DAYS: u64 = 12;
const ROWS_OF_HOUR: u64 = 4;
const PAGE: usize = 7;

/// Rows of an API: requests without an identifier, of which nobody could tell that one is another once more, and buckets.
fn rows(path: &str, from: i64, to: i64, end: i64) -> Vec<String> {
    let first = end - i64::try_from(DAYS).unwrap() * 86_400;
    let step = i64::try_from(3600 / ROWS_OF_HOUR).unwrap();
    let from = (from.max(first) + step - 1).div_euclid(step) * step;
    let at = |seconds: i64| {
        let output = keyhound::time::Timestamp(seconds * 1_000_000_000);
        output.to_string()
    };
    let mut rows = Vec::new();
    for start in (from..to.min(end)).step_by(usize::try_from(step).unwrap()) {
        rows.push(if path == "/events" {
            format!(
                r#"{{"timestamp":"{}","api_key_prefix":"...aaaa","model":"gpt-4o","input_tokens":1000,"output_tokens":10,"endpoint":"/v1/chat/completions","cost_usd":0.25}}"#,
                at(start)
            )
        } else {
            format!(
                r#"{{"timestamp":"{}","window_end":"{}","api_key_prefix":"...bbbb","model":"gpt-4o","requests":3,"cost_usd":0.5}}"#,
                at(start),
                at(start + 60)
            )
        });
    }
    rows
}

fn serve(stream: &TcpStream, end: i64) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut line) = (String::new(), String::new());
    reader.read_line(&mut first).ok()?;
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    }
    let target = first.split(' ').nth(1)?;
    let (path, query) = target.split_once('?')?;
    let of = |name: &str| {
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse::<i64>().ok())
    };
    let all = rows(path, of("from")?, of("to")?, end);
    let at = usize::try_from(of("offset").unwrap_or(0)).ok()?;
    let page = &all[at.min(all.len())..all.len().min(at + PAGE)];
    let body = format!("{{\"rows\":[{}]}}", page.join(","));
    let mut stream = stream;
    write!(stream, "HTTP/1.1 200 x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len()).ok()
}

const DESCRIBED: &str = r#"
name = "rows"
summary = "rows"
rows = "rows"

[time]
from = "from"
to = "to"
format = "unix"
chunk_minutes = 1440
overlap_minutes = 180

[paging]
by = "offset"
parameter = "offset"
size = 7

[[endpoint]]
name = "events"
path = "/events"

[[endpoint]]
name = "buckets"
path = "/buckets"
"#;

fn start(dir: &Path, threads: u64) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyhound"));
    command.current_dir(dir).args(["run", "--quiet", "--config", "keyhound.toml", "--state=state"]);
    command.args(["--output=alerts", "--rejects=rejects", "--metrics=127.0.0.1:0"]);
    command.arg(format!("--threads={threads}"));
    let errors = OpenOptions::new().create(true).append(true).open(dir.join("errors")).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn().unwrap()
}

/// How many requests a run has counted when there are as many as there should be, and another round has been made.
fn requests(dir: &Path, expected: u64) -> u64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyhound"));
    command.current_dir(dir).args(["run", "--config", "keyhound.toml", "--state=state"]);
    command.args(["--output=alerts", "--rejects=rejects", "--metrics=127.0.0.1:0"]);
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let said = lines.find(|line| line.contains("metrics on http://")).unwrap();
    let address = said.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let drain = thread::spawn(move || lines.for_each(drop));
    let (mut found, mut asked) = (0, None);
    for _ in 0..3000 {
        thread::sleep(Duration::from_millis(20));
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut page = String::new();
        let _ = stream.read_to_string(&mut page);
        let of = |name: &str| {
            let lines = page.lines().filter(|line| line.starts_with(name));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).collect::<Vec<_>>()
        };
        found = of("keyhound_requests{").iter().sum();
        let now: u64 = of("keyhound_pull_requests_total{").iter().sum();
        let is_whole = of("keyhound_pull_success_timestamp_seconds{").len() == 2;
        if is_whole && found >= expected && *asked.get_or_insert(now) + 4 < now {
            break;
        }
    }
    let told = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap();
    assert!(told.success() && child.wait().unwrap().success());
    drain.join().unwrap();
    found
}

/// Each event is a request, each bucket holds three.
const EXPECTED: u64 = DAYS * 24 * ROWS_OF_HOUR * 4;

/// An API that tells of whole days up to today.
fn api() -> String {
    let now = keyhound::engine::clock::now().0 / 1_000_000_000;
    let end = now / 86_400 * 86_400;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || serve(&stream, end));
        }
    });
    url
}

/// A folder with a configuration that pulls from it.
fn place(url: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("rows.toml"), DESCRIBED).unwrap();
    let config = format!(
        "[checkpoint]\ninterval_ms = 5\ntime_percent_max = 100\n[sources.rows]\ntype = \"json\"\ndescription = \"rows.toml\"\n\
         url = \"{url}\"\nbackfill_days = 30\nrequests_per_hour_max = 0\nevery_seconds = 1\n"
    );
    fs::write(dir.path().join("keyhound.toml"), config).unwrap();
    dir
}

/// Another run finds everything once, whatever was left there.
fn expect_each_once(dir: &Path, about: &str) {
    let found = requests(dir, EXPECTED);
    let errors = fs::read_to_string(dir.join("errors")).unwrap_or_default();
    assert!(found == EXPECTED, "{about}: {found} of {EXPECTED} requests: {errors}");
}

#[test]
fn each_row_that_is_pulled_counts_once_however_often_the_run_is_killed() {
    let mut random = random("pull");
    let wanted = setting("KEYHOUND_KILLS", 150);
    let url = api();
    let (mut kills, mut runs, mut spooled) = (0, 0, 0);
    while kills < wanted {
        let dir = place(&url);
        for number in 0..25 {
            let mut child = start(dir.path(), 1 + random.below(3));
            // More time each time, so that some are killed at the beginning and some in the middle, on any machine.
            thread::sleep(Duration::from_micros(20_000 + random.below(150_000 + 20_000 * number)));
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            let left = fs::read_dir(dir.path().join("state/posted")).into_iter().flatten().flatten();
            spooled +=
                left.filter(|entry| entry.file_name().to_string_lossy().starts_with("segment-")).count();
        }
        expect_each_once(dir.path(), "killed 25 times");
        runs += 1;
    }
    assert!(spooled > 0, "nothing was ever in the spool when a run was killed");
    println!("pull: {runs} runs killed {kills} times, each row once; {spooled} times with a spool");
}

/// Steps of taking a page, as `fault::step` names them: written, on disk, and known to the file that outlives the spool.
#[cfg(debug_assertions)]
const STEPS: [&str; 4] = ["posted_written", "posted_forced", "cursors_due", "cursors_kept"];

#[cfg(debug_assertions)]
#[test]
fn a_run_that_pulls_may_end_at_any_step() {
    let url = api();
    for step in STEPS {
        let mut ends = 0;
        for time in 1..=5 {
            let dir = place(&url);
            let last = format!("{step}:{time}");
            let mut command = Command::new(env!("CARGO_BIN_EXE_keyhound"));
            command.current_dir(dir.path()).args([
                "run",
                "--quiet",
                "--config",
                "keyhound.toml",
                "--state=state",
            ]);
            command.args(["--output=alerts", "--rejects=rejects"]).env("KEYHOUND_CRASH_AT", &last);
            let mut child =
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            // Where the step does not come so often, the run goes on for ever.
            let ended = (0..500).any(|_| {
                thread::sleep(Duration::from_millis(10));
                child.try_wait().unwrap().is_some()
            });
            if !ended {
                child.kill().unwrap();
            }
            child.wait().unwrap();
            ends += u32::from(ended);
            expect_each_once(dir.path(), &format!("ends at {last}"));
        }
        println!("{step}: {ends} ends");
        assert!(ends > 0, "{step} is never reached");
    }
}

//! Running the program and reading what it says.

use keyhound::config::Plan;
use keyhound::decode::{Decoder, Settings};
use keyhound::frame::Block;
use keyhound::normalise::Rulebook;
use keyhound::record::Batch;
use keyhound::time::Timestamp;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, LazyLock};

/// What a run of the program left behind.
#[derive(Debug)]
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    pub code: Option<i32>,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
            code: output.status.code(),
        }
    }
}

impl Ran {
    /// The events on standard output.
    pub fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect("an event is JSON")).collect()
    }

    /// The last revision of each alert, in the order of their first.
    pub fn last_revisions(&self) -> Vec<Value> {
        let mut last: Vec<Value> = Vec::new();
        for event in self.events() {
            match last.iter_mut().find(|known| known["id"] == event["id"]) {
                Some(known) => *known = event,
                None => last.push(event),
            }
        }
        last
    }

    /// Everything that it said, and how it ended.
    pub fn told(&self) -> String {
        let code = self.code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        format!("{}exit {code}\n{}", self.stdout, self.stderr)
    }

    /// The closing line `read N = …`.
    pub fn accounting(&self) -> &str {
        self.stderr
            .lines()
            .find(|line| line.starts_with("read "))
            .unwrap_or_else(|| panic!("a summary: {}", self.stderr))
    }
}

/// Holds every case of a folder, at least so many, against what its file `expected` says: [`Ran::told`], the same in whatever
/// order files are named (`turned`), in 80 columns, without a secret. `KEYHOUND_BLESS=1` writes the files.
pub fn hold_cases(folder: &str, least: usize, ask: impl Fn(&Path, bool) -> Ran) {
    let mut cases: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= least, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for dir in cases {
        let (ran, other) = (ask(&dir, false), ask(&dir, true));
        let told = ran.told();
        assert_eq!(ran.stdout, other.stdout, "{}: the order of files matters", dir.display());
        let is_narrow = ran.stdout.lines().all(|line| line.chars().count() <= 80);
        assert!(ran.stdout.starts_with('{') || is_narrow, "{}: {told}", dir.display());
        assert!(!told.contains("EXAMPLEEXAMPLE"), "{}: {told}", dir.display());
        let file = dir.join("expected");
        if std::env::var_os("KEYHOUND_BLESS").is_some() {
            fs::write(&file, &told).unwrap();
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        if told != expected {
            wrong.push(format!("{}\n--- expected\n{expected}--- told\n{told}", dir.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The first line of `text` in which something acts instead of being seen: controls, and formats such as those that
/// turn the direction of writing round.
pub fn line_that_acts(text: &str) -> Option<&str> {
    let is_format = |c| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    text.split('\n').find(|line| line.chars().any(|c| c.is_control() || is_format(c)))
}

/// The program under test, in an environment that says nothing about colours.
pub fn keyhound() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyhound"));
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    command
}

/// Runs the program with `args` in `dir`, with `stdin` as its standard input.
pub fn run_in(dir: &Path, args: &[&str], stdin: &[u8]) -> Ran {
    let mut command = keyhound();
    command.current_dir(dir).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    let input = stdin.to_vec();
    // A program that stops reading early is no fault of this thread.
    let writer = std::thread::spawn(move || drop(pipe.write_all(&input)));
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("the input is written");
    output.into()
}

/// Lines of a canonical record with these fields changed or added.
pub fn record(changes: &[(&str, Value)]) -> String {
    let mut record = serde_json::json!({
        "timestamp": "2026-06-01T09:00:00Z", "api_key_prefix": "...3f9c", "model": "gpt-4o", "input_tokens": 100,
        "output_tokens": 10, "endpoint": "/v1/chat/completions", "source_ip": "10.0.0.1",
        "user_agent": "openai-python/1.99.0", "status_code": 200, "cost_usd": 0.01,
    });
    for (name, value) in changes {
        record[*name] = value.clone();
    }
    format!("{record}\n")
}

/// What the decoder reads out of one line.
pub fn decoded(line: &str) -> Batch {
    static RULEBOOK: LazyLock<Arc<Rulebook>> = LazyLock::new(|| Plan::default_plan().unwrap().rulebook);
    let rulebook = Arc::clone(&RULEBOOK);
    let settings = Settings { rulebook, format: None, frame_bytes_max: 1 << 20, keep_rejects: false };
    let block = Block { bytes: line.to_owned().into(), ..Block::default() };
    Decoder::new(settings).block(&block, Timestamp::MAX)
}

/// The memory that a run says it took, in MiB.
pub fn memory_mib(stderr: &str) -> u64 {
    let (before, _) = stderr.split_once(" MiB memory").expect("a summary");
    before.rsplit(' ').next().unwrap().parse().unwrap()
}

/// The same of a run that reads one record: most of it is the program itself, of which a build for debugging has much.
pub fn least_mib() -> u64 {
    static LEAST: LazyLock<u64> = LazyLock::new(|| {
        let record = b"{\"timestamp\":1780391700,\"api_key_prefix\":\"...3f9c\"}\n";
        memory_mib(&run_in(Path::new("."), &["run", "-"], record).stderr)
    });
    *LEAST
}

/// Waits until a process ends as it should when it is told to: before it has begun to listen for that, it is just killed, and
/// on a busy machine that may take its time.
pub fn wait_until_it_listens(id: u32) {
    const TERM: u64 = 1 << (15 - 1);
    let listens = || {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")?.trim().into());
        caught.is_some_and(|caught: &str| u64::from_str_radix(caught, 16).is_ok_and(|bits| bits & TERM != 0))
    };
    for _ in 0..3000 {
        if listens() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("process {id} never listens for a stop");
}

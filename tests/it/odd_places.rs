//! Inputs and outputs that are no ordinary files, and texts that would act where they are shown.

use crate::support::{
    Ran, keyhound, least_mib, line_that_acts, memory_mib, record, run_in, wait_until_it_listens,
};
use serde_json::json;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A directory with one good record, and one history that makes it worth an alert.
fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("history"), record(&[])).unwrap();
    fs::write(dir.path().join("good"), news(2)).unwrap();
    fs::write(dir.path().join("bad"), "nonsense\n").unwrap();
    dir
}

/// A record that raises an alert.
fn news(day: u32) -> String {
    record(&[("timestamp", json!(format!("2026-06-{day:02}T09:00:00Z"))), ("model", json!("o3"))])
}

fn fifo(dir: &Path) {
    assert!(Command::new("mkfifo").arg(dir.join("fifo")).status().unwrap().success());
}

fn expect(ran: &Ran, code: i32, said: &str) {
    assert!(ran.code == Some(code) && ran.stderr.contains(said), "{said}: {ran:?}");
    assert_eq!((line_that_acts(&ran.stdout), line_that_acts(&ran.stderr)), (None, None));
}

#[test]
fn what_cannot_be_read_or_written_is_told() {
    let dir = place();
    let dir = dir.path();
    fs::create_dir(dir.join("directory")).unwrap();
    symlink("loop", dir.join("loop")).unwrap();
    symlink("nowhere", dir.join("dangling")).unwrap();
    fifo(dir);
    let _socket = UnixListener::bind(dir.join("socket")).unwrap();
    let long = "a".repeat(300);
    for (args, code, said) in [
        (&["loop"][..], 66, "loop: Too many levels of symbolic links"),
        (&["good", "dangling"], 66, "`dangling`: no such file"),
        (&["good/more"], 66, "good/more: Not a directory"),
        (&[""], 66, "``: no such file"),
        (&[&long], 66, "File name too long"),
        (&["["], 66, "`[`: Pattern syntax error"),
        (&["no\u{1b}]0;x\u{7}\n\u{202e}"], 66, "`no\\u{1b}]0;x\\u{7}\\n\\u{202e}`: "),
        (&["socket"], 66, "socket: is a socket; read it with a tool such as `socat`"),
        (
            &["--history", "directory", "--", "good"],
            66,
            "directory: is a directory; name files, or a pattern",
        ),
        (&["--follow", "directory"], 66, "directory: is a directory; follow 'DIR/*.log' instead"),
        (&["--follow", "good", "fifo"], 66, "fifo: is no regular file and cannot be followed"),
        (&["--follow", "socket"], 66, "socket: is no regular file and cannot be followed"),
        (&["--follow", "/dev/zero"], 66, "/dev/zero: is no regular file and cannot be followed"),
        (&["--follow", "loop"], 66, "loop: Too many levels of symbolic links"),
        (&["--config", "directory", "good"], 78, "directory: Is a directory"),
        (&["--output", "directory", "good"], 74, "directory: Is a directory"),
        (&["--rejects", "no/such/place", "good"], 74, "no/such/place: No such file"),
        (&["--output", "good", "good"], 2, "good: cannot be read and written to by one run"),
        (
            &["--history", "history", "--output", "/dev/full", "--", "good"],
            74,
            "/dev/full: No space left on device",
        ),
        (&["--rejects", "/dev/full", "bad"], 74, "/dev/full: No space left on device"),
        // It opens, but what it holds cannot be read from the start.
        (&["good", "/proc/self/mem"], 74, "/proc/self/mem: Input/output error"),
        (&["/dev/null"], 0, "read 0 = 0 processed"),
    ] {
        // What is refused too late waits for ever.
        let mut command = Command::new("timeout");
        command.args(["20", env!("CARGO_BIN_EXE_keyhound"), "run"]).args(args);
        expect(&command.current_dir(dir).stdin(Stdio::null()).output().unwrap().into(), code, said);
    }
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let args = ["run", "--history", "history", "--", "good"];
    let ran = keyhound().current_dir(dir).args(args).stdout(full).stderr(Stdio::piped()).output().unwrap();
    expect(&ran.into(), 74, "stdout: No space left on device");
}

#[test]
fn nobody_who_listens_is_no_reason_to_end_differently() {
    let dir = place();
    let program = env!("CARGO_BIN_EXE_keyhound");
    for redirection in ["2>/dev/full", "2>&-", ">&-", "<&- >&- 2>&-"] {
        let script =
            format!("exec {program} run --history history --rejects rejects -- good bad {redirection}");
        let status =
            Command::new("sh").current_dir(dir.path()).args(["-c", &script]).stdout(Stdio::null()).status();
        assert_eq!(status.unwrap().code(), Some(0), "{redirection}");
    }
    assert_eq!(fs::read_to_string(dir.path().join("rejects")).unwrap().lines().count(), 4);
}

#[test]
fn names_and_pipes_of_all_kinds_are_read_once() {
    let dir = place();
    let dir = dir.path();
    fifo(dir);
    let names = [&b"\xff\xfe.log"[..], b"\x1b[2J\n.log", b".hidden.log", b"-.log", b"a b.log"];
    for name in names {
        fs::write(dir.join(OsStr::from_bytes(name)), format!("{}junk\n", record(&[]))).unwrap();
    }
    symlink("fifo", dir.join("pipe.log")).unwrap();
    fs::create_dir(dir.join("directory.log")).unwrap();
    // Neither the pipe, nor the directory, nor what is hidden, nor what has no name in UTF-8.
    let ran = run_in(dir, &["run", "*.log"], b"");
    expect(&ran, 0, "read 6 = 3 processed + 0 duplicate + 0 late + 3 rejected");
    assert!(ran.stderr.contains("rejected \\u{1b}[2J\\n.log:2: unrecognised"), "{}", ran.stderr);
    fs::hard_link(dir.join("good"), dir.join("same")).unwrap();
    for args in [&["good", "good"][..], &["./good", "good"], &["g*", "same"]] {
        expect(&run_in(dir, &[&["run"], args].concat(), b""), 0, "read 1 = 1 processed");
    }
    let path = dir.join("fifo");
    let writer = std::thread::spawn(move || fs::write(path, record(&[]).repeat(3)).unwrap());
    expect(&run_in(dir, &["run", "good", "fifo"], b""), 0, "read 4 = 4 processed");
    writer.join().unwrap();
}

#[test]
fn what_never_ends_takes_no_memory() {
    for (device, counts) in
        [("/dev/zero", "0 processed + 0 duplicate + 0 late + 0 rejected"), ("/dev/urandom", " rejected")]
    {
        let mut child = keyhound().args(["run", device]).stderr(Stdio::piped()).spawn().unwrap();
        wait_until_it_listens(child.id());
        std::thread::sleep(Duration::from_millis(500));
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), line_that_acts(&stderr)), (Some(0), None), "{stderr}");
        assert!(memory_mib(&stderr) < least_mib() + 48 && stderr.contains(counts), "{stderr}");
    }
}

#[test]
fn a_file_that_shrinks_or_goes_while_it_is_read_costs_only_itself() {
    let dir = place();
    let dir = dir.path();
    fifo(dir);
    let lines = |day| news(day).repeat(20_000);
    fs::write(dir.join("shrinks"), lines(3)).unwrap();
    fs::write(dir.join("goes"), lines(20)).unwrap();
    let args = ["run", "fifo", "shrinks", "goes"];
    let child =
        keyhound().current_dir(dir).args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = OpenOptions::new().write(true).open(dir.join("fifo")).unwrap();
    pipe.write_all(news(2).as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    // Nothing is judged before the pipe has told how early its records are.
    OpenOptions::new().write(true).open(dir.join("shrinks")).unwrap().set_len(700_000).unwrap();
    fs::remove_file(dir.join("goes")).unwrap();
    drop(pipe);
    let ran = Ran::from(child.wait_with_output().unwrap());
    let counts: Vec<u64> = ran.accounting().split(' ').filter_map(|word| word.parse().ok()).collect();
    assert_eq!(counts[0], counts[1..5].iter().sum::<u64>(), "{ran:?}");
    assert!((2000..=20_001).contains(&counts[1]) && counts[4] <= 1, "{ran:?}");
    assert!(matches!(ran.code, Some(0 | 74)), "{ran:?}");
}

/// What terminals obey, what logs are forged with, and what breaks out of where it is written.
const HOSTILE: &[&str] = &[
    "\u{1b}]0;owned\u{7}",
    "\u{1b}[2J\u{1b}[1;1H",
    "\u{1b}]8;;https://example.org\u{1b}\\click\u{1b}]8;;\u{1b}\\",
    "\u{1b}]52;c;cm0gLXJmIC8=\u{7}",
    "\u{1b}P+q544e\u{1b}\\",
    "\u{9b}31m\u{90}x\u{9c}",
    "\u{202e}txet\u{2066}\u{2069}",
    "x\n{\"schema\":\"keyhound.event.v1\",\"event\":\"alert\",\"status\":\"final\"}",
    "x\r\nread 1 = 1 processed + 0 duplicate + 0 late + 0 rejected",
    "x\u{2028}y\u{2029}z\u{85}",
    "\"},{\"status\":\"withdrawn\"",
    "\u{8}\u{8}\u{8}\u{7f}",
    "\u{0}",
    "\u{feff}\u{200b}\u{e0041}",
    "<script>alert(1)</script>",
    "{0}%s%n${jndi:ldap://x}{{x}}`id`$(id)",
    "=HYPERLINK(\"x\")",
];

/// Runs records that raise alerts and others that are rejected, with `text` in every field.
fn shown(text: &str, encoding: &str) -> (Ran, String) {
    let dir = place();
    let mut input = String::new();
    for (day, field) in (2..).zip([
        "model",
        "api_key_alias",
        "api_key_prefix",
        "source_ip",
        "endpoint",
        "user_agent",
        "request_id",
        "x",
    ]) {
        let time = |hour| json!(format!("2026-06-{day:02}T{hour:02}:00:00Z"));
        input += &record(&[("timestamp", time(9)), ("model", json!("o3")), (field, json!(text))]);
        for faulty in ["timestamp", "input_tokens", "cost_usd", "status_code"] {
            input += &record(&[("timestamp", time(10)), (field, json!(text)), (faulty, json!(text))]);
        }
    }
    input += &format!("junk {}\n", text.replace('\n', " "));
    fs::write(dir.path().join("input"), input).unwrap();
    let args = ["run", "--history", "history", "--encoding", encoding, "--rejects", "rejects", "--", "input"];
    let ran = run_in(dir.path(), &args, b"");
    (ran, fs::read_to_string(dir.path().join("rejects")).unwrap())
}

#[test]
fn no_text_acts_where_it_is_shown() {
    for encoding in ["json", "text"] {
        let harmless = shown("harmless", encoding);
        let lines = |(ran, rejects): &(Ran, String)| [&ran.stdout, rejects].map(|text| text.lines().count());
        for text in HOSTILE {
            let hostile = shown(text, encoding);
            let (ran, rejects) = &hostile;
            for shown in [&ran.stdout, &ran.stderr, rejects] {
                assert_eq!(line_that_acts(shown), None, "{text:?} ({encoding})");
            }
            assert_eq!(
                lines(&hostile),
                lines(&harmless),
                "{text:?} ({encoding}): a line was forged\n{ran:?}"
            );
            assert_eq!(
                ran.accounting().split('(').next(),
                harmless.0.accounting().split('(').next(),
                "{text:?}"
            );
        }
    }
}

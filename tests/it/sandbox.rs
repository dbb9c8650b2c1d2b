//! What a run gives up before it reads anything, as the system and `/metrics` tell it.

use crate::serving::Serving;
use crate::support::{record, run_in};
use std::fs;
use std::path::Path;

/// What the system tells of a process, by its name in `/proc/PID/status`.
fn told(id: u32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line =
        status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {status}"));
    line.trim().to_owned()
}

fn core_limit(id: u32) -> Vec<String> {
    let limits = fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    line.split_whitespace().take(2).map(str::to_owned).collect()
}

fn in_force(serving: &Serving) -> Vec<String> {
    let page = serving.get("/metrics").body;
    page.lines()
        .filter_map(|line| line.strip_prefix("keyhound_sandbox_in_force"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_run_gives_up_what_it_has_no_use_for_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--metrics", "127.0.0.1:0", "--state", "new/state", "--output", "alerts"];
    let serving = Serving::start(dir.path(), &args, "http://");
    let id = serving.id();
    assert_eq!((told(id, "Seccomp:"), told(id, "NoNewPrivs:")), ("2".to_owned(), "1".to_owned()));
    assert_eq!(core_limit(id), ["0", "0"]);
    let parts = in_force(&serving);
    assert_eq!(parts.len(), 3, "{parts:?}");
    // A kernel without Landlock is one on which that is said.
    assert!(
        parts.iter().filter(|part| !part.contains("landlock")).all(|part| part.ends_with(" 1")),
        "{parts:?}"
    );
    serving.stop();
    assert!(dir.path().join("new/state/checkpoint-0000000001").exists());
    let serving = Serving::start(dir.path(), &["--no-sandbox", "--metrics", "127.0.0.1:0"], "http://");
    assert_eq!(told(serving.id(), "Seccomp:"), told(std::process::id(), "Seccomp:"));
    assert!(in_force(&serving).iter().all(|part| part.ends_with(" 0")));
    serving.stop();
}

/// Wherever outputs are: behind links, in folders that come to be, beside each other.
#[test]
fn outputs_are_written_wherever_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, far) = (dir.path(), dir.path().join("far"));
    fs::create_dir_all(far.join("logs")).unwrap();
    fs::create_dir(dir.join("rejects")).unwrap();
    std::os::unix::fs::symlink("far/logs/alerts", dir.join("alerts")).unwrap();
    let theft = fs::read_to_string("config/examples/stolen-key.jsonl").unwrap();
    fs::write(dir.join("log"), theft + "no record\n").unwrap();
    fs::write(
        dir.join("other.toml"),
        "[detectors.volume_spike]\nenabled = false\n[detectors.unknown_source_ip]\nenabled = false\n",
    )
    .unwrap();
    fs::write(
        dir.join("k.toml"),
        "[sinks.kept]\ntype = \"file\"\npath = \"far/kept.jsonl\"\nfile_bytes_max = 4096\nbatch_alerts_max = 5\n",
    )
    .unwrap();
    let args = [
        "run",
        "-c",
        "k.toml",
        "--output",
        "alerts",
        "--rejects",
        "rejects/all",
        "--state",
        "a/b/state",
        "--shadow",
        "other.toml",
        "--shadow-out",
        "far/differences",
        "log",
    ];
    let ran = run_in(dir, &args, b"");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for file in ["far/logs/alerts", "rejects/all", "far/differences", "far/kept.jsonl", "far/kept.jsonl.1"] {
        assert!(fs::metadata(dir.join(file)).is_ok_and(|found| found.len() > 0), "{file}: {}", ran.stderr);
    }
    // To what is no file, as well.
    let ran = run_in(dir, &["run", "-q", "--output", "/dev/stdout", "log"], b"");
    assert!(ran.code == Some(0) && !ran.stdout.is_empty(), "{}", ran.stderr);
    let ran = run_in(Path::new("/"), &["run", "-q", "--output", "/dev/null", "-"], record(&[]).as_bytes());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

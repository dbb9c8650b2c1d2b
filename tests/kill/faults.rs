//! What a run does when the system fails it: every call that writes, forces to disk or renames is made to fail or to be
//! the last one, and disks are full for a while.

use super::records::{Random, lines};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

const CONFIG: &str = "[checkpoint]\ninterval_ms = 1\ntime_percent_max = 100\n";

pub(super) struct Place {
    dir: tempfile::TempDir,
    alerts: Vec<u8>,
    rejects: Vec<u8>,
}

impl Place {
    /// A folder with an input, and what follows from it.
    pub(super) fn new(records: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let text = lines(&mut Random::new(11), records).join("\n") + "\n";
        fs::write(dir.path().join("log"), text).unwrap();
        fs::write(dir.path().join("keyhound.toml"), CONFIG).unwrap();
        let mut place = Self { dir, alerts: Vec::new(), rejects: Vec::new() };
        assert!(place.run(&[], "whole").status.success());
        place.alerts = fs::read(place.path("whole/alerts")).unwrap();
        place.rejects = fs::read(place.path("whole/rejects")).unwrap();
        assert!(!place.alerts.is_empty() && !place.rejects.is_empty());
        place
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn command(&self, around: &[&str], folder: &str) -> Command {
        fs::create_dir_all(self.path(folder)).unwrap();
        let program = [around, &[env!("CARGO_BIN_EXE_keyhound")]].concat();
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).args(["run", "--quiet", "--threads=1", "--config=keyhound.toml", "log"]);
        command.arg(format!("--state={folder}/state")).arg(format!("--output={folder}/alerts"));
        command.arg(format!("--rejects={folder}/rejects")).current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    pub(super) fn run(&self, around: &[&str], folder: &str) -> Output {
        self.command(around, folder).output().unwrap()
    }

    /// Whether the outputs are what a run writes that nothing happened to.
    pub(super) fn is_whole(&self, folder: &Path) -> bool {
        let [alerts, rejects] =
            ["alerts", "rejects"].map(|name| fs::read(folder.join(name)).unwrap_or_default());
        alerts == self.alerts && rejects == self.rejects
    }

    /// The same, told which of them are not.
    pub(super) fn expect_whole(&self, folder: &Path, after: &str) {
        assert!(fs::read(folder.join("alerts")).unwrap() == self.alerts, "alerts differ after {after}");
        assert!(fs::read(folder.join("rejects")).unwrap() == self.rejects, "rejects differ after {after}");
    }
}

/// As many calls of one kind as there are, up to `most`.
fn at_every_call(call: &str, what: &str, most: u32, check: impl FnMut(&Output, bool)) -> u32 {
    // Only files of ours: threads wake each other by writing, too, which cannot fail.
    let files: &[&str] =
        if ["write", "openat"].contains(&call) { &["alerts", "rejects", "state/unfinished"] } else { &[] };
    at_every_call_on(files, call, what, most, check)
}

/// The same, of these files only.
fn at_every_call_on(
    files: &[&str],
    call: &str,
    what: &str,
    most: u32,
    mut check: impl FnMut(&Output, bool),
) -> u32 {
    let place = Place::new(3000);
    for number in 1..=most {
        let folder = format!("{call}-{number}");
        let trace = format!("{folder}.trace");
        let inject = format!("inject={call}:{what}:when={number}");
        let whole = |name: &&str| place.path(&format!("{folder}/{name}")).display().to_string();
        // By either name: a call is known by the one that it has.
        let files: Vec<String> =
            files.iter().flat_map(|name| [whole(name), format!("{folder}/{name}")]).collect();
        let mut around = vec!["strace", "-f", "-qq", "-o", &trace, "-e", &inject];
        around.extend(files.iter().flat_map(|file| ["-P", file]));
        let ran = place.run(&around, &folder);
        let hit = fs::read_to_string(place.path(&trace)).unwrap();
        let hit = hit.contains("(INJECTED)") || hit.contains("killed by SIGKILL");
        if !hit {
            return number - 1;
        }
        check(&ran, ran.status.success());
        let after = format!("{what} at call {number} of {call}");
        let ran = place.run(&[], &folder);
        assert!(ran.status.success(), "after {after}: {}", String::from_utf8_lossy(&ran.stderr));
        place.expect_whole(&place.path(&folder), &after);
    }
    most
}

pub(super) fn has_strace() -> bool {
    let found = Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok();
    if !found {
        println!("left out: there is no strace");
    }
    found
}

#[test]
fn a_run_may_be_killed_at_any_call() {
    if !has_strace() {
        return;
    }
    for (call, most) in [("fsync", 12), ("fdatasync", 12), ("rename", 12), ("unlink", 6), ("write", 40)] {
        let calls = at_every_call(call, "signal=KILL", most, |_, whole| assert!(!whole));
        println!("killed at each of {calls} calls of {call}");
        assert!(calls > 0, "{call} is never called");
    }
}

/// A file that could not be forced to disk may have lost what it held: the run ends, and says so.
#[test]
fn what_cannot_be_forced_to_disk_ends_the_run() {
    if !has_strace() {
        return;
    }
    for call in ["fsync", "fdatasync", "rename"] {
        let calls = at_every_call(call, "error=EIO", 6, |ran, _| {
            let told = String::from_utf8_lossy(&ran.stderr);
            assert_eq!(ran.status.code(), Some(74), "{call}: {told}");
            assert!(told.contains("Input/output error"), "{told}");
        });
        println!("failed at each of {calls} calls of {call}");
        assert!(calls > 0, "{call} is never called");
    }
}

/// A disk that is full for a moment stops nothing.
#[test]
fn a_full_disk_is_waited_for() {
    if !has_strace() {
        return;
    }
    for call in ["write", "fsync"] {
        let calls = at_every_call(call, "error=ENOSPC", 6, |ran, whole| {
            assert!(whole, "{call}: {}", String::from_utf8_lossy(&ran.stderr));
        });
        println!("no room at each of {calls} calls of {call}");
        assert!(calls > 0, "{call} is never called");
    }
}

/// At the start, where a folder or a disk may be a wrong one, an output that cannot be opened is an error; whatever is
/// opened later is waited for. Calls are counted by the thread that makes them, so the two are tried apart.
#[test]
fn no_room_to_make_a_file_is_an_error_at_the_start_and_waited_for_later() {
    if !has_strace() {
        return;
    }
    let outputs = at_every_call_on(&["alerts", "rejects"], "openat", "error=ENOSPC", 20, |ran, whole| {
        let told = String::from_utf8_lossy(&ran.stderr);
        assert!(!whole && ran.status.code() == Some(74), "{told}");
        assert!(told.contains("alerts: No space left") || told.contains("rejects: No space left"), "{told}");
    });
    let checkpoints = at_every_call_on(&["state/unfinished"], "openat", "error=ENOSPC", 20, |ran, whole| {
        let told = String::from_utf8_lossy(&ran.stderr);
        assert!(whole && told.contains("state: the disk is full; reading stops"), "{told}");
    });
    println!("no room at each of {outputs} openings of outputs and {checkpoints} of checkpoints");
    assert!(outputs > 0 && checkpoints > 0);
}

/// Whether it is waited for or ends the run: the next one makes it good.
#[test]
fn nothing_is_lost_by_what_fails_at_any_call() {
    if !has_strace() {
        return;
    }
    for (call, what) in [("write", "error=EIO"), ("rename", "error=ENOSPC"), ("openat", "error=ENOSPC")] {
        let mut ended = 0;
        let calls = at_every_call(call, what, 20, |ran, whole| {
            let told = String::from_utf8_lossy(&ran.stderr);
            assert!(whole || ran.status.code() == Some(74), "{call}: {told}");
            ended += u32::from(!whole);
        });
        println!("{what} at each of {calls} calls of {call}, which ended {ended} runs");
        assert!(calls > 0, "{call} is never called");
    }
}

/// What a run is told of that ends by itself, or nothing where it goes on for long.
fn ends(mut command: Command) -> Option<Output> {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    for _ in 0..300 {
        if child.try_wait().unwrap().is_some() {
            return Some(child.wait_with_output().unwrap());
        }
        thread::sleep(Duration::from_millis(100));
    }
    assert!(Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap().success());
    child.wait().unwrap();
    None
}

/// A log that is followed may say nothing for hours: the run does not wait for it to tell that its disk fails.
#[test]
fn what_cannot_be_forced_to_disk_ends_a_quiet_run_at_once() {
    if !has_strace() {
        return;
    }
    let place = Place::new(300);
    // Late enough for one checkpoint behind all that is read, and no other.
    fs::write(place.path("keyhound.toml"), "[checkpoint]\ninterval_ms = 1500\n").unwrap();
    // The first checkpoint forces both outputs to disk.
    for (number, name) in [(3, "alerts"), (4, "rejects")] {
        let folder = format!("quiet-{number}");
        let inject = format!("inject=fdatasync:error=EIO:when={number}");
        let around = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject];
        let mut command = place.command(&around, &folder);
        command.arg("--follow");
        let ran = ends(command).expect("it goes on without a word");
        let told = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(74), "{told}");
        assert!(
            told.contains(&format!("{folder}/{name}: what was written cannot be forced to disk")),
            "{told}"
        );
    }
}

/// What a full disk did not take when an output was forced to it is not tried again: it may be gone from memory, too. The
/// next run finds out and makes it again.
#[test]
fn an_output_that_a_full_disk_did_not_take_ends_the_run_and_is_named() {
    if !has_strace() {
        return;
    }
    let calls = at_every_call("fdatasync", "error=ENOSPC", 4, |ran, _| {
        let told = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(74), "{told}");
        let is_named = ["alerts: what was written", "rejects: what was written"];
        assert!(
            is_named.iter().any(|named| told.contains(named)) && told.contains("No space left"),
            "{told}"
        );
    });
    assert!(calls > 0, "fdatasync is never called");
}

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
    pub(super) fn expect_whole(&self, folder: &Path, after: &str) {
        assert!(fs::read(folder.join("alerts")).unwrap() == self.alerts, "alerts differ after {after}");
        assert!(fs::read(folder.join("rejects")).unwrap() == self.rejects, "rejects differ after {after}");
    }
}

/// As many calls of one kind as there are, up to `most`.
fn at_every_call(call: &str, what: &str, most: u32, mut check: impl FnMut(&Output, bool)) -> u32 {
    let place = Place::new(3000);
    for number in 1..=most {
        let folder = format!("{call}-{number}");
        let trace = format!("{folder}.trace");
        let inject = format!("inject={call}:{what}:when={number}");
        // Only files of ours: threads wake each other by writing, too, which cannot fail.
        let files = if ["write", "openat"].contains(&call) {
            &["alerts", "rejects", "state/unfinished"][..]
        } else {
            &[]
        };
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

/// A small file system of its own, filled up before the run and freed while it waits.
#[test]
fn reading_stops_while_the_disk_is_full_and_goes_on_when_there_is_room() {
    let place = Place::new(6000);
    fs::create_dir(place.path("small")).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=2m", "keyhound-test"])
        .arg(place.path("small"))
        .stderr(Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("left out: no file system can be mounted here");
        return;
    }
    let small = place.path("small");
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| fill_and_free(&place)));
    assert!(Command::new("umount").arg(&small).status().unwrap().success());
    outcome.unwrap();
}

fn fill_and_free(place: &Place) {
    let ballast = place.path("small/ballast");
    let mut child = place.command(&[], "small");
    let mut child = child.stderr(Stdio::piped()).spawn();
    // All but a little, so that the run begins and then finds no room.
    fs::write(&ballast, vec![0; (2 << 20) - (96 << 10)]).unwrap();
    thread::sleep(Duration::from_secs(2));
    let child = child.as_mut().unwrap();
    let waits = child.try_wait().unwrap().is_none();
    fs::remove_file(&ballast).unwrap();
    let status = child.wait().unwrap();
    let mut told = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut told).unwrap();
    assert!(status.success(), "{told}");
    assert!(waits && told.contains("the disk is full"), "it did not wait: {told}");
    place.expect_whole(&place.path("small"), "a full disk");
}

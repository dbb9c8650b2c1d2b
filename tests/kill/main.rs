//! Runs that are ended by `kill -9` at any moment, again and again: what they write must be, byte for byte, what a run
//! writes that is left alone.
//!
//! `cargo test --release --test kill` takes a minute; `KEYHOUND_KILLS=20000` makes it longer, `KEYHOUND_SEED=7` repeats
//! what a run with that seed did, as far as the scheduler allows.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs, reason = "a test")]

mod contain;
mod faults;
mod full;
mod outbox;
mod post;
mod power;
mod probe;
mod pull;
mod records;
mod short;
#[cfg(debug_assertions)]
mod steps;

use records::{Random, lines};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

const CONFIG: &str = "[checkpoint]\ninterval_ms = 5\ntime_percent_max = 100\n[input]\npoll_ms = 2\n";

/// Long enough for any machine.
const PATIENCE_S: u32 = 60;

/// Checkpoints of a run, at least: fewer are no test of going on in the middle of something.
const CHECKPOINTS_MIN: u64 = 5;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn random(what: &str) -> Random {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
    let seed = setting("KEYHOUND_SEED", now.into());
    println!("{what}: KEYHOUND_SEED={seed}");
    Random::new(seed)
}

/// A folder with a configuration, inputs and outputs.
struct Place {
    dir: tempfile::TempDir,
    inputs: Vec<String>,
    follow: bool,
}

impl Place {
    fn new(follow: bool) -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap(), inputs: Vec::new(), follow };
        fs::write(place.path("keyhound.toml"), CONFIG).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_default()
    }

    /// Starts a run whose state and outputs have these names.
    fn start(&self, name: &str, threads: u64) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyhound"));
        command.current_dir(self.dir.path()).args(["run", "--quiet", "--config", "keyhound.toml"]);
        command.arg(format!("--threads={threads}")).arg(format!("--state=state-{name}"));
        command.arg(format!("--output=alerts-{name}")).arg(format!("--rejects=rejects-{name}"));
        command.args(self.follow.then_some("--follow")).args(&self.inputs);
        let errors = OpenOptions::new().create(true).append(true).open(self.path("errors")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn().unwrap()
    }

    /// Runs to the end, however often it is killed on the way; how often that was.
    fn run_and_kill(&self, name: &str, within_ms: u64, random: &mut Random) -> u64 {
        for kills in 0.. {
            let mut child = self.start(name, 1 + random.below(6));
            // After many kills without an end the run is given more time: it must get on, not be fast.
            let within = within_ms * 1000 * (1 + kills / 50);
            thread::sleep(Duration::from_micros(random.below(within)));
            if child.try_wait().unwrap().is_none() {
                child.kill().unwrap();
            }
            let status = child.wait().unwrap();
            if status.success() {
                return kills;
            }
            assert_eq!(status.signal(), Some(9), "{}", String::from_utf8_lossy(&self.read("errors")));
        }
        unreachable!("the loop ends with the run")
    }

    /// Alerts are the same, byte for byte; so are rejects, of which those of different files may change places.
    fn expect_same(&self, name: &str) {
        let of =
            |output: &str| (self.read(&format!("{output}-whole")), self.read(&format!("{output}-{name}")));
        let (whole, killed) = of("alerts");
        assert!(!whole.is_empty() && whole == killed, "alerts differ: see {}", self.keep());
        let (whole, killed) = of("rejects");
        let same = sorted(&whole) == sorted(&killed);
        assert!(!whole.is_empty() && same, "rejects differ: see {}", self.keep());
    }

    /// How many checkpoints were made in a state.
    fn checkpoints(&self, name: &str) -> u64 {
        let entries = fs::read_dir(self.path(&format!("state-{name}"))).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let numbers = names.filter_map(|name| name.strip_prefix("checkpoint-")?.parse().ok());
        numbers.max().unwrap_or(0)
    }

    /// Leaves the folder for whoever looks for the mistake.
    fn keep(&self) -> String {
        // Several may be kept at once.
        let name = self.dir.path().file_name().unwrap().to_string_lossy().replace('.', "");
        let kept = std::env::temp_dir().join(format!("keyhound-kill-{}-{name}", std::process::id()));
        let copied = Command::new("cp").arg("-r").arg(self.dir.path()).arg(&kept).status().unwrap();
        assert!(copied.success());
        kept.display().to_string()
    }
}

fn sorted(text: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    lines.sort_unstable();
    lines
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Merged files: one plain, one packed, one of documents over several lines.
#[test]
fn files_are_told_once_however_often_the_run_is_killed() {
    let mut random = random("files");
    let mut place = Place::new(false);
    let all = lines(&mut random, 40_000);
    let mut files = vec![String::new(); 3];
    for line in &all {
        let to = usize::try_from(random.below(3)).unwrap();
        if to == 2 && line.starts_with('{') && line.ends_with('}') {
            files[to].push_str(&line.replace(",\"", ",\n  \"").replacen('{', "{\n  ", 1).replace('}', "\n}"));
        } else {
            files[to].push_str(line);
        }
        files[to].push('\n');
    }
    fs::write(place.path("plain.jsonl"), &files[0]).unwrap();
    fs::write(place.path("packed.gz"), gzip(files[1].as_bytes())).unwrap();
    fs::write(place.path("pretty.json"), &files[2]).unwrap();
    place.inputs = ["plain.jsonl", "packed.gz", "pretty.json"].map(String::from).to_vec();
    assert!(place.start("whole", 1).wait().unwrap().success());
    let checkpoints = place.checkpoints("whole");
    println!("files: {checkpoints} checkpoints in a run that is left alone");
    assert!(checkpoints >= CHECKPOINTS_MIN, "{checkpoints} checkpoints");
    let wanted = setting("KEYHOUND_KILLS", 150);
    let (mut kills, mut runs) = (0, 0);
    while kills < wanted {
        let name = format!("{runs}");
        kills += place.run_and_kill(&name, 120, &mut random);
        place.expect_same(&name);
        runs += 1;
        for what in ["state", "alerts", "rejects"] {
            let path = place.path(&format!("{what}-{name}"));
            let _ = fs::remove_dir_all(&path);
            let _ = fs::remove_file(&path);
        }
    }
    println!("files: {runs} runs killed {kills} times, all as if left alone");
}

/// A followed file that is written and renamed all the while.
#[test]
fn a_followed_file_is_told_once_through_rotations_and_kills() {
    let mut random = random("follow");
    let mut place = Place::new(true);
    place.inputs = vec!["app.log".to_owned()];
    let all = lines(&mut random, 20_000);
    fs::write(place.path("all.jsonl"), all.join("\n") + "\n").unwrap();
    let whole =
        Place { dir: tempfile::tempdir().unwrap(), inputs: vec!["app.log".to_owned()], follow: false };
    fs::write(whole.path("keyhound.toml"), CONFIG).unwrap();
    fs::copy(place.path("all.jsonl"), whole.path("app.log")).unwrap();
    assert!(whole.start("whole", 1).wait().unwrap().success());
    let wanted = setting("KEYHOUND_KILLS", 150) / 3;
    // What was renamed before anybody noted a place in it is none of what is followed, and on a busy machine no run that is
    // killed at once may come so far: the first is let.
    let (first, later) = all.split_at(40);
    fs::write(place.path("app.log"), first.join("\n") + "\n").unwrap();
    let mut child = place.start("killed", 1);
    for _ in 0..PATIENCE_S * 100 {
        if place.path("state-killed").is_dir() && place.checkpoints("killed") > 0 {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(place.checkpoints("killed") > 0, "no checkpoint in {PATIENCE_S} s");
    let writer = write_slowly(place.dir.path(), later.to_vec(), Random::new(random.below(u64::MAX)));
    let mut kills = 0;
    loop {
        let done = writer.is_finished() && kills >= wanted;
        let mut child = place.start("killed", 1 + random.below(3));
        if done {
            // The last one is given time to read what is there, and to say too much; it is stopped as people stop it.
            let all = whole.read("alerts-whole").len();
            for _ in 0..PATIENCE_S {
                thread::sleep(Duration::from_secs(1));
                if place.read("alerts-killed").len() >= all {
                    break;
                }
            }
            thread::sleep(Duration::from_secs(1));
            let told = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap();
            assert!(told.success() && child.wait().unwrap().success());
            break;
        }
        thread::sleep(Duration::from_micros(random.below(200_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    writer.join().unwrap();
    let same = |output: &str| {
        let (expected, told) =
            (whole.read(&format!("{output}-whole")), place.read(&format!("{output}-killed")));
        assert!(!expected.is_empty(), "there are no {output}");
        assert!(expected == told, "{output} differ: see {} and its `all.jsonl`", place.keep());
    };
    same("alerts");
    let checkpoints = place.checkpoints("killed");
    println!(
        "follow: killed {kills} times through rotations, with {checkpoints} checkpoints, as if left alone"
    );
}

/// Writes lines in pieces that are no lines, and renames the file now and then, as a program with its own log does.
fn write_slowly(dir: &Path, lines: Vec<String>, mut random: Random) -> thread::JoinHandle<()> {
    let dir = dir.to_owned();
    thread::spawn(move || {
        let (mut number, mut written) = (0, 0);
        let path = dir.join("app.log");
        let open = || OpenOptions::new().create(true).append(true).open(&path).unwrap();
        let mut file = open();
        for some in lines.chunks(40) {
            let text = some.join("\n") + "\n";
            let middle = usize::try_from(random.below(text.len() as u64)).unwrap();
            file.write_all(&text.as_bytes()[..middle]).unwrap();
            thread::sleep(Duration::from_micros(random.below(20_000)));
            file.write_all(&text.as_bytes()[middle..]).unwrap();
            written += text.len();
            if written > 200_000 && random.below(4) == 0 {
                fs::rename(&path, dir.join(format!("app.log.{number}"))).unwrap();
                (number, written) = (number + 1, 0);
                file = open();
                // Files are told apart by their time; a tick of the file system's clock has to pass.
                thread::sleep(Duration::from_millis(20));
            }
        }
    })
}

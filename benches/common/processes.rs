//! Whole processes: what they take of the clock and of the processors.

use nix::sys::resource::{UsageWho, getrusage};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The file of that name with what `write` writes: made once.
pub fn generate(name: &str, write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{name}.jsonl"));
    if !path.exists() {
        let mut out = BufWriter::new(File::create(&path).unwrap());
        write(&mut out).unwrap();
        out.flush().unwrap();
    }
    path
}

/// One run of a command.
#[derive(Clone, Debug)]
pub struct Measured {
    pub cpu: f64,
    pub wall: f64,
    /// What it said last on standard error.
    pub said: String,
}

/// What all commands so far have used of the processors, in seconds.
pub fn processor_seconds() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    #[allow(clippy::cast_precision_loss)]
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

pub fn measure(command: &mut Command) -> Measured {
    let (before, start) = (processor_seconds(), Instant::now());
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).output().expect("the command runs");
    assert!(output.status.success(), "{command:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    Measured { cpu: processor_seconds() - before, wall: start.elapsed().as_secs_f64(), said }
}

/// `program` on one processor if that can be asked for.
pub fn pinned(program: &str) -> Command {
    let has_taskset = Command::new("taskset").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !has_taskset {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", "0", program]);
    command
}

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A folder of its own under the one for benchmarks, empty.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

//! Whole processes on one generated file: `cargo bench --bench pipeline`.
//!
//! The program and a plain `serde_json` loop that does less (see `common/reference.rs`) take turns on the same file,
//! each pinned to one processor; then the program on all of them. Machines are noisy: believe the ratios.
//!
//! `RECORDS=100000 RUNS=1 cargo bench --bench pipeline` is the short form.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, missing_docs)]

mod common;

use common::processes::{Measured, folder, generate, measure, median, pinned, processor_seconds};
use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

fn main() {
    let mut args = std::env::args().skip(1);
    if std::env::args().any(|arg| arg == "--instructions") {
        std::process::exit(i32::from(!instructions()));
    }
    if args.next().as_deref() == Some("--reference") {
        let path = args.next().expect("a file");
        let (records, alerts) =
            common::reference::run(BufReader::with_capacity(1 << 20, File::open(path).unwrap()));
        eprintln!("{records} records, {alerts} alerts{}", peak());
        return;
    }
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (records, runs) = (number("RECORDS", 1_000_000), number("RUNS", 5));
    let path = generate(&format!("{records}-1000"), |out| common::write_records(out, records, 1000));
    if std::env::args().any(|arg| arg == "--generate") {
        return;
    }
    let bytes = std::fs::metadata(&path).unwrap().len();
    println!(
        "{records} records of {} bytes, 1000 keys, 31 days; {runs} runs each, taking turns\n",
        bytes / records
    );
    compare(&path, records, runs);
    promises(&path, runs);
    incidents(&path, runs);
    memory(records);
    restart(records, runs);
}

/// Counts instead of measuring; false where something takes more than is written down.
fn instructions() -> bool {
    // As often for each key as in the million records of a thousand that are measured otherwise.
    let (records, keys) = (300_000, 300);
    let path = generate(&format!("{records}-{keys}"), |out| common::write_records(out, records, keys));
    let one = generate("1-1", |out| common::write_records(out, 1, 1));
    let config = folder("bench-instructions").join("incidents.toml");
    std::fs::write(&config, "[incidents]\nenabled = true\n").unwrap();
    let this = std::env::current_exe().unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let ours = || vec![env!("CARGO_BIN_EXE_keyhound").to_owned(), "run".to_owned(), "--threads=1".to_owned()];
    let with_incidents = ours().into_iter().chain(["--config".to_owned(), text(&config)]).collect();
    let runs = [
        ("serde_json loop", vec![text(&this), "--reference".to_owned()]),
        ("keyhound", ours()),
        ("keyhound, incidents", with_incidents),
    ];
    common::instructions::count((&path, records), &one, &runs)
}

/// The peak memory of this process, where the system tells it.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(String::new, |kib| format!(", {} memory", kib.trim()))
}

#[allow(clippy::cast_precision_loss)]
fn compare(path: &Path, records: u64, runs: u64) {
    let this = std::env::current_exe().unwrap();
    let this = this.to_str().unwrap();
    let keyhound = env!("CARGO_BIN_EXE_keyhound");
    let (mut ours, mut reference, mut all) = (Vec::new(), Vec::new(), Vec::new());
    // The first turn warms the file's pages and is not counted.
    for _ in 0..=runs {
        reference.push(measure(pinned(this).arg("--reference").arg(path)));
        ours.push(measure(pinned(keyhound).args(["run", "--threads", "1"]).arg(path)));
        all.push(measure(Command::new(keyhound).arg("run").arg(path)));
    }
    let rate = |seconds: f64| records as f64 / seconds / 1e6;
    println!("{:<34} {:>9} {:>9} {:>22}", "", "CPU s", "wall s", "million records/s (wall)");
    for (name, measured) in [
        ("serde_json loop, one processor", &reference),
        ("keyhound, one processor", &ours),
        ("keyhound, all processors", &all),
    ] {
        let counted = &measured[1..];
        let (cpu, wall) =
            (median(counted.iter().map(|run| run.cpu)), median(counted.iter().map(|run| run.wall)));
        println!("{name:<34} {cpu:>9.2} {wall:>9.2} {:>22.2}", rate(wall));
    }
    let ratios = reference[1..].iter().zip(&ours[1..]).map(|(theirs, ours)| theirs.cpu / ours.cpu);
    println!("\nserde_json loop / keyhound, CPU, turn by turn: {:.2}", median(ratios));
    for measured in [&reference, &ours] {
        println!("  {}", measured[1].said.trim().replace('\n', "\n  "));
    }
}

/// What a further quiet key costs: one request a day for 31 days, many keys against one thousand.
#[allow(clippy::cast_precision_loss)]
fn memory(records: u64) {
    let kib = |keys: u64| -> f64 {
        let path = generate(&format!("quiet-{keys}"), |out| common::write_quiet(out, keys));
        let said = measure(Command::new(env!("CARGO_BIN_EXE_keyhound")).arg("run").arg(path)).said;
        let mib = said.split(" MiB memory").next().and_then(|text| text.rsplit([' ', ',']).next());
        mib.and_then(|mib| mib.parse::<f64>().ok()).unwrap_or(f64::NAN) * 1024.0
    };
    let many = (records / 10).max(2_000);
    let (few, many_kib) = (kib(1_000), kib(many));
    println!(
        "\nmemory of a further quiet key: {:.2} KiB ({many} keys against 1000)",
        (many_kib - few) / (many - 1_000) as f64
    );
}

fn keyhound(config: &Path) -> Command {
    let mut command = pinned(env!("CARGO_BIN_EXE_keyhound"));
    command.args(["run", "--threads", "1", "--config"]).arg(config);
    command
}

/// The middle of `one` / `other`, turn by turn, by the clock and by processor time.
fn ratios(one: &[Measured], other: &[Measured]) -> (f64, f64) {
    let turns = || one[1..].iter().zip(&other[1..]);
    (
        median(turns().map(|(one, other)| one.wall / other.wall)),
        median(turns().map(|(one, other)| one.cpu / other.cpu)),
    )
}

/// What `--state` costs, with checkpoints as often as may be: twenty times a second, or a twentieth of the time.
fn promises(path: &Path, runs: u64) {
    let dir = folder("bench-promises");
    let config = dir.join("often.toml");
    std::fs::write(&config, "[checkpoint]\ninterval_ms = 50\n").unwrap();
    let (mut without, mut with, mut made) = (Vec::new(), Vec::new(), 0);
    for turn in 0..=runs {
        let name = |what: &str| dir.join(format!("{what}-{turn}"));
        without.push(measure(keyhound(&config).arg("-o").arg(name("plain")).arg(path)));
        with.push(measure(
            keyhound(&config).arg("--state").arg(name("state")).arg("-o").arg(name("kept")).arg(path),
        ));
        let names = std::fs::read_dir(name("state")).unwrap().map(|entry| entry.unwrap().file_name());
        let number =
            |name: std::ffi::OsString| name.to_str()?.strip_prefix("checkpoint-")?.parse::<u64>().ok();
        made = names.filter_map(number).max().unwrap_or(0);
    }
    let (wall, cpu) = ratios(&with, &without);
    println!(
        "\nwith --state / without, to a file: {wall:.2} by the clock, {cpu:.2} CPU ({made} checkpoints in the last run)"
    );
}

/// What looking for incidents costs.
fn incidents(path: &Path, runs: u64) {
    let dir = folder("bench-incidents");
    let (off, on) = (dir.join("off.toml"), dir.join("on.toml"));
    std::fs::write(&off, "").unwrap();
    std::fs::write(&on, "[incidents]\nenabled = true\n").unwrap();
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..=runs {
        with.push(measure(keyhound(&on).arg(path)));
        without.push(measure(keyhound(&off).arg(path)));
    }
    let (wall, cpu) = ratios(&with, &without);
    println!("with incidents / without: {wall:.2} by the clock, {cpu:.2} CPU");
    println!("  {}", with[1].said.trim().replace('\n', "\n  "));
}

/// How long it takes to go on from the state of many keys with one more record, which is told of at once: until that is
/// written, and until everything is saved again and the process is over. Without anything new, they are not even read.
fn restart(records: u64, runs: u64) {
    let keys = (records / 10).max(2_000);
    let path = generate(&format!("quiet-{keys}"), |out| common::write_quiet(out, keys));
    let dir = folder("bench-restart");
    let go_on = |state: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyhound"));
        command.args(["run", "--quiet", "--state"]).arg(dir.join(state)).arg(&path);
        command
    };
    measure(&mut go_on("state"));
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    let length = file.metadata().unwrap().len();
    writeln!(file, "{}", common::one_more(0)).unwrap();
    let (mut first, mut all, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..runs {
        // Each turn goes on from the same state.
        let state = format!("state-{turn}");
        let copied = Command::new("cp").arg("-r").arg(dir.join("state")).arg(dir.join(&state)).status();
        assert!(copied.unwrap().success());
        let [told, over, used] = first_line(&mut go_on(&state));
        first.push(told);
        all.push(over);
        cpu.push(used);
    }
    // Others measure with the same file.
    file.set_len(length).unwrap();
    println!(
        "going on with {keys} keys: {:.2} s until the first alert is told, {:.2} s until all is saved and over, by the clock; \
         {:.2} s CPU",
        median(first.into_iter()),
        median(all.into_iter()),
        median(cpu.into_iter())
    );
}

/// Seconds until the first line of a command's output, until its end, and of the processor.
fn first_line(command: &mut Command) -> [f64; 3] {
    let (before, start) = (processor_seconds(), Instant::now());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the command runs");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert!(line.contains("unknown_model"), "{line}");
    let told = start.elapsed().as_secs_f64();
    std::io::copy(&mut output, &mut std::io::sink()).unwrap();
    assert!(child.wait().unwrap().success());
    [told, start.elapsed().as_secs_f64(), processor_seconds() - before]
}

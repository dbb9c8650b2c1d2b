//! Whole processes on logs as gateways and clouds write them, and on compressed ones: `cargo bench --bench shapes`.
//!
//! Of each shape a log of about 100 MB is read by one processor, by turns with a program that only asks `serde_json` whether
//! each line is JSON; then, packed with gz and zst, by all processors, by turns with a program that only unpacks it. `MEGABYTES=10 RUNS=1 cargo bench --bench shapes` is the short form, and a name
//! behind `--` measures what begins with it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, missing_docs)]

mod common;

use common::processes::{Measured, generate, measure, median, pinned};
use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match &args[..] {
        [first, path] if first == "--unpack" => return println!("{} bytes", unpack(path)),
        [first, path] if first == "--check" => return println!("{} lines", check(path)),
        _ => {}
    }
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (megabytes, runs) = (number("MEGABYTES", 100), number("RUNS", 5));
    println!("{megabytes} MB of each shape; {runs} runs each, taking turns\n");
    println!(
        "{:<20} {:>6} {:>10} {:>22} {:>22} {:>22}",
        "", "bytes", "records/s", "MB/s (of serde_json)", "gz: MB/s (of unpack)", "zst: MB/s (of unpack)"
    );
    for (name, write) in common::shapes::SHAPES {
        if args.first().is_none_or(|wanted| name.starts_with(wanted)) {
            shape(name, *write, megabytes, runs);
        }
    }
}

/// The bytes of a file when it is unpacked, by its last letters.
fn unpack(path: &str) -> u64 {
    let file = BufReader::with_capacity(64 << 10, File::open(path).unwrap());
    let mut reader: Box<dyn Read> = if Path::new(path).extension().is_some_and(|kind| kind == "zst") {
        Box::new(zstd::Decoder::with_buffer(file).unwrap())
    } else {
        Box::new(MultiGzDecoder::new(file))
    };
    let (mut buffer, mut bytes) = (vec![0; 256 << 10], 0);
    loop {
        match reader.read(&mut buffer).unwrap() {
            0 => return bytes,
            read => bytes += read as u64,
        }
    }
}

/// How many lines of a file are JSON: all of them.
fn check(path: &str) -> u64 {
    let mut file = BufReader::with_capacity(256 << 10, File::open(path).unwrap());
    let (mut line, mut lines) = (Vec::new(), 0);
    while file.read_until(b'\n', &mut line).unwrap() > 0 {
        let text = std::str::from_utf8(&line).unwrap();
        serde_json::from_str::<serde::de::IgnoredAny>(text).unwrap();
        lines += 1;
        line.clear();
    }
    lines
}

#[allow(clippy::cast_precision_loss)]
fn shape(name: &str, write: fn(&mut dyn io::Write, u64) -> io::Result<()>, megabytes: u64, runs: u64) {
    let mut sample = Vec::new();
    write(&mut sample, 1000).unwrap();
    let each = sample.len() as u64 / 1000;
    let records = megabytes * 1_000_000 / each / 1000 * 1000;
    let word = name.split(',').next().unwrap();
    let path = generate(&format!("{word}-{megabytes}"), |out| write(out, records));
    let bytes = std::fs::metadata(&path).unwrap().len() as f64 / 1e6;
    let packed = [pack(&path, "gz"), pack(&path, "zst")];
    let this = std::env::current_exe().unwrap();
    let keyhound = env!("CARGO_BIN_EXE_keyhound");
    let (mut checked, mut plain) = (Vec::new(), Vec::new());
    let (mut read, mut unpacked) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    // The first turn warms the file's pages and is not counted.
    for _ in 0..=runs {
        checked.push(measure(pinned(this.to_str().unwrap()).arg("--check").arg(&path)));
        plain.push(measure(pinned(keyhound).args(["run", "--threads", "1"]).arg(&path)));
        for (kind, packed) in packed.iter().enumerate() {
            unpacked[kind].push(measure(Command::new(&this).arg("--unpack").arg(packed)));
            read[kind].push(measure(Command::new(keyhound).arg("run").arg(packed)));
        }
    }
    let wall = |measured: &[Measured]| median(measured[1..].iter().map(|run| run.wall));
    // How fast one was, and how much of the other's speed that is, turn by turn.
    let beside = |ours: &[Measured], other: &[Measured]| {
        let ratios = other[1..].iter().zip(&ours[1..]).map(|(other, ours)| other.wall / ours.wall);
        format!("{:.0} ({:.2})", bytes / wall(ours), median(ratios))
    };
    let rate = records as f64 / wall(&plain);
    let [gz, zst] = [0, 1].map(|kind| beside(&read[kind], &unpacked[kind]));
    println!("{name:<20} {each:>6} {rate:>10.0} {:>22} {gz:>22} {zst:>22}", beside(&plain, &checked));
    // That everything was read, and as what.
    println!("    {}", plain[0].said.lines().last().unwrap_or_default());
}

/// The same file packed, made once.
fn pack(path: &Path, kind: &str) -> PathBuf {
    let packed = path.with_extension(format!("jsonl.{kind}"));
    if !packed.exists() {
        let (mut from, out) = (File::open(path).unwrap(), File::create(&packed).unwrap());
        if kind == "gz" {
            let mut encoder = GzEncoder::new(out, Compression::default());
            io::copy(&mut from, &mut encoder).unwrap();
            encoder.finish().unwrap();
        } else {
            zstd::stream::copy_encode(from, out, 3).unwrap();
        }
    }
    packed
}

//! `keyhound simulate`: traffic that never was, with labels.

use super::{Failure, exit, print};
use crate::simulate::{Arrivals, Cast, SHIPPED, Scenario, Settings, write_record};
use crate::time::{Timestamp, parse};
use anyhow::anyhow;
use clap::Args;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Bytes that are written at once.
const WRITE_AT: usize = 1 << 16;
/// After so many days every owner is known.
const QUIET_DAYS_MAX: u32 = 31;

#[derive(Debug, Args)]
pub(super) struct SimulateArgs {
    /// Scenarios: names of those that come with keyhound (--list), or files; all that come with it if none is named
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// From which everything follows: the same seed, the same bytes
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Keys
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    keys: u32,
    /// Days
    #[arg(long, value_name = "N", default_value_t = 45, value_parser = clap::value_parser!(u32).range(1..=3660))]
    days: u32,
    /// Days at the beginning on which nothing but work happens; two thirds of all, 31 at most, if it is not said
    #[arg(long, value_name = "N")]
    quiet_days: Option<u32>,
    /// The first day
    #[arg(long, value_name = "DATE", default_value = "2026-06-01")]
    start: String,
    /// Write what happens to a file, as `keyhound backtest --labels` reads it
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// List the scenarios that come with keyhound
    #[arg(long)]
    list: bool,
    /// Show the file of a scenario that comes with keyhound, to begin one of your own with
    #[arg(long, value_name = "SCENARIO")]
    show: Option<String>,
}

pub(super) fn main(args: &SimulateArgs) -> Result<ExitCode, Failure> {
    if args.list {
        return print(&list()?);
    }
    if let Some(name) = &args.show {
        let found = SHIPPED.iter().find(|(known, _)| known == name);
        return found.map_or_else(|| Err(unknown(name)), |(_, text)| print(text));
    }
    let scenarios = scenarios(&args.scenarios)?;
    let quiet_days = args.quiet_days.unwrap_or((args.days * 2 / 3).min(QUIET_DAYS_MAX)).min(args.days);
    let start = start(&args.start)?;
    let settings = Settings { seed: args.seed, keys: args.keys, start, days: args.days, quiet_days };
    let cast = Cast::draw(&scenarios, settings).map_err(|error| Failure::new(exit::USAGE, error))?;
    if let Some(path) = &args.labels {
        super::backtest::write(path, &cast.labels)?;
    }
    write(Arrivals::new(cast, args.seed))
}

/// Writes records as they arrive; a reader that has gone is no error.
fn write(arrivals: Arrivals) -> Result<ExitCode, Failure> {
    let (mut out, mut lines) = (io::stdout().lock(), String::new());
    let mut flush = |lines: &mut String| {
        let written = out.write_all(lines.as_bytes());
        lines.clear();
        written
    };
    let mut written = Ok(());
    for record in arrivals {
        write_record(&record, &mut lines);
        if lines.len() >= WRITE_AT {
            written = flush(&mut lines);
        }
        if written.is_err() {
            break;
        }
    }
    match written.and_then(|()| flush(&mut lines)) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(exit::IO, error)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn list() -> Result<String, Failure> {
    let mut text = String::new();
    for (name, _) in SHIPPED {
        let scenario = shipped(name)?;
        let _ = writeln!(text, "{name:<15} {}", scenario.about());
    }
    Ok(text)
}

fn shipped(name: &str) -> Result<Scenario, Failure> {
    let scenario = Scenario::shipped(name).ok_or_else(|| unknown(name))?;
    scenario.map_err(|error| Failure::new(exit::INTERNAL, error))
}

fn unknown(name: &str) -> Failure {
    let known: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
    let known = known.join(", ");
    Failure::new(
        exit::USAGE,
        anyhow!("`{name}` is neither a file nor a scenario that comes with keyhound: {known}"),
    )
}

fn scenarios(names: &[String]) -> Result<Vec<Scenario>, Failure> {
    if names.is_empty() {
        return SHIPPED.iter().map(|(name, _)| shipped(name)).collect();
    }
    names.iter().map(|name| scenario(name)).collect()
}

fn scenario(name: &str) -> Result<Scenario, Failure> {
    let path = Path::new(name);
    if SHIPPED.iter().any(|(known, _)| *known == name) || !path.is_file() {
        return shipped(name);
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(exit::NO_INPUT, anyhow!("{name}: {error}")))?;
    let name = path.file_stem().map_or_else(|| name.into(), |stem| stem.to_string_lossy());
    Scenario::parse(&name, &text).map_err(|error| Failure::new(exit::CONFIG, error))
}

fn start(date: &str) -> Result<Timestamp, Failure> {
    parse(format!("{date}T00:00:00Z").as_bytes())
        .map(|stamp| stamp.at)
        .map_err(|_| Failure::new(exit::USAGE, anyhow!("--start is `{date}`; write a date, as 2026-06-01")))
}

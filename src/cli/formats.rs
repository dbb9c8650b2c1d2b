//! `keyhound formats`: what can be read, what it can tell, and what is in a file.

use super::{Failure, check, detect, print, tables};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct FormatsArgs {
    /// The configuration, for formats of its own
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show what the records of each format can tell, and which detectors are blind with it alone
    #[arg(short, long, conflicts_with = "detect")]
    long: bool,
    /// Say which wrappers and formats these files hold, what they tell, and what cannot be read; `-` for standard
    /// input
    #[arg(short, long, value_name = "FILE", num_args = 1..)]
    detect: Vec<String>,
    /// With --detect: say of every line what comes of it
    #[arg(long, requires = "detect")]
    lines: bool,
}

pub(super) fn main(args: &FormatsArgs) -> Result<ExitCode, Failure> {
    let (_, plan) = check::load(args.config.as_deref())?;
    if !args.detect.is_empty() {
        return detect::main(&args.detect, args.lines, &plan);
    }
    let formats = &plan.rulebook.formats;
    print(&if args.long { tables::carried(formats, &plan.shard.rules) } else { tables::formats(formats) })
}

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
    /// Say which wrappers and formats files hold, what they tell, and what cannot be read
    #[arg(short, long, requires = "files")]
    detect: bool,
    /// With --detect: say of every line what comes of it
    #[arg(long, requires = "detect")]
    lines: bool,
    /// With --detect: the files, or `-` for standard input
    #[arg(value_name = "FILE", requires = "detect")]
    files: Vec<String>,
}

pub(super) fn main(args: &FormatsArgs) -> Result<ExitCode, Failure> {
    let (_, plan) = check::load(args.config.as_deref())?;
    if args.detect {
        return detect::main(&args.files, args.lines, &plan);
    }
    let formats = &plan.rulebook.formats;
    print(&if args.long { tables::carried(formats, &plan.shard.rules) } else { tables::formats(formats) })
}

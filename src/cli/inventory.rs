//! `keyhound inventory`: keys that are listed against keys that are used.

use super::colour::Colour;
use super::reconcile::{failed, stamp, write};
use super::replay::{self, Reading, Setup};
use super::{Failure, check, exit, print, tell};
use crate::encode::{Palette, Visible};
use crate::engine::clock::now;
use crate::inventory::{
    Joining, Level, ListError, Lists, Settings, Shown, Uses, join, json, markdown, tellers, text, toml,
};
use crate::investigate::Catalogue;
use crate::reconcile::{Book, KeyNames, Limits, Role};
use crate::time::{DAY, Stamp, Timestamp};
use anyhow::anyhow;
use clap::{Args, ValueEnum};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Largest list that is read.
const FILE_MAX: u64 = 256 << 20;

#[derive(Debug, Args)]
pub(super) struct InventoryArgs {
    /// What records tell of the use of keys: your logs or a provider's usage, one of them; `-` for standard input
    #[arg(value_name = "FILE")]
    files: Vec<String>,
    /// Lists of keys: what `keyhound pull openai_keys` and the like wrote, or files of [[key]] (.toml)
    #[arg(short, long, value_name = "FILE", num_args = 1.., required = true)]
    keys: Vec<PathBuf>,
    /// The configuration: its salt, prices and formats
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Now, if it is not now: lists of long ago say nothing of today
    #[arg(long, value_name = "TIME", value_parser = stamp)]
    as_of: Option<Stamp>,
    /// A key that was not used for so many days is idle
    #[arg(long, value_name = "DAYS", default_value_t = 45, value_parser = clap::value_parser!(u16).range(1..))]
    idle_days: u16,
    /// A key that is older than so many days should have been renewed
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..))]
    age_days: u16,
    /// JSON Lines instead of text
    #[arg(long)]
    json: bool,
    /// Write boxes to tick for a ticket to this file, too
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write a file of [[key]] for `investigate --inventory` and `reconcile --keys`, too
    #[arg(long, value_name = "FILE")]
    toml: Option<PathBuf>,
    /// Rows of each kind
    #[arg(long, value_name = "N", default_value_t = 10)]
    rows: usize,
    /// Findings of which level make the exit code 1
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t)]
    fail_on: FailOn,
    /// Colours
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Colour,
    /// Nothing on standard error but errors
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
enum FailOn {
    /// Keys that somebody else may be using
    #[default]
    High,
    /// Those, and keys that cost more than they need when stolen
    Medium,
    /// Any
    Low,
    /// None
    Never,
}

pub(super) fn main(args: &InventoryArgs) -> Result<ExitCode, Failure> {
    let (_, plan) = check::load(args.config.as_deref())?;
    let redactor = &plan.rulebook.redactor;
    let clean = |text: &str| redactor.clean(text.as_bytes());
    let lists = lists(args, &clean)?;
    let told = tellers(&lists);
    let uses = uses(args, &plan.rulebook.prices)?;
    let catalogue = Catalogue::builtin().map_err(|error| Failure::new(exit::INTERNAL, error))?;
    let days = |days: u16| i64::from(days) * DAY;
    let settings = Settings {
        now: args.as_of.map_or_else(now, |stamp| stamp.at),
        idle: days(args.idle_days),
        age: days(args.age_days),
    };
    let joining = join(lists, &uses, &plan.rulebook.namer, &catalogue, &settings);
    let shown = Shown { joining: &joining, uses: &uses, tellers: told, rows: args.rows, clean: &clean };
    if let Some(path) = &args.markdown {
        write(path, &markdown(&shown))?;
    }
    if let Some(path) = &args.toml {
        write(path, &toml(&joining, &clean))?;
    }
    if args.json {
        print(&json(&shown))?;
    } else {
        print(&text(&shown, Palette { colour: args.color.on(&io::stdout()) }))?;
    }
    Ok(if fails(args.fail_on, &joining) { ExitCode::from(exit::FINDINGS) } else { ExitCode::SUCCESS })
}

fn fails(fail_on: FailOn, joining: &Joining) -> bool {
    let worst = match fail_on {
        FailOn::High => Level::High,
        FailOn::Medium => Level::Medium,
        FailOn::Low => Level::Low,
        FailOn::Never => return false,
    };
    joining.findings.iter().any(|finding| finding.kind.level() <= worst)
}

fn lists(args: &InventoryArgs, clean: &dyn Fn(&str) -> String) -> Result<Lists, Failure> {
    let mut lists = Lists::default();
    for path in &args.keys {
        let bytes = read(path)?;
        let unread = lists.unread_count;
        let added = lists.add_file(path, &bytes).map_err(|error| {
            let code = if matches!(error, ListError::Own(_) | ListError::NoText) {
                exit::CONFIG
            } else {
                exit::DATA
            };
            failed(code, path, error)
        });
        let name = path.display().to_string();
        if !args.quiet {
            for why in lists.unread.drain(..) {
                tell(&format!("keyhound: {}: {}\n", Visible(&clean(&name)), Visible(&clean(&why))));
            }
            let more = lists.unread_count - unread;
            if more > 0 {
                tell(&format!(
                    "keyhound: {}: {more} rows are no keys and do not count\n",
                    Visible(&clean(&name))
                ));
            }
        }
        added?;
    }
    lists.settle();
    Ok(lists)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| failed(exit::NO_INPUT, path, error))?;
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(|error| failed(exit::NO_INPUT, path, error))?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(failed(exit::DATA, path, anyhow!("has more than {} MiB", FILE_MAX >> 20)));
    }
    Ok(bytes)
}

/// What records tell of use, by the usual pipeline.
fn uses(args: &InventoryArgs, prices: &crate::normalise::Prices) -> Result<Uses, Failure> {
    let files = replay::inputs(&args.files, 1)?;
    let setup = Setup::of_records(args.config.as_deref())?;
    let mut book = Book::new(Limits::default(), KeyNames::default(), (Timestamp::MIN, Timestamp::MAX));
    let mut uses = Uses::default();
    let reading = Reading { files: &files, format: None, quiet: args.quiet };
    let outcome = replay::replay(&setup, &reading, |told| {
        for run in told.runs() {
            for record in run.batch.records.get(run.range.clone()).unwrap_or_default() {
                uses.add(record, &run.batch);
                book.add(Role::Logs, record, &run.batch, prices);
            }
        }
    })?;
    let rejected = outcome.totals.rejected();
    if uses.span.is_none() {
        let error = anyhow!(
            "no record of use in the inputs ({rejected} lines rejected); `keyhound formats --detect` says why"
        );
        return Err(Failure::new(exit::DATA, error));
    }
    if rejected > 0 && !args.quiet {
        tell(&format!("keyhound: {rejected} lines rejected; `keyhound formats --detect` says why\n"));
    }
    uses.count(&book);
    Ok(uses)
}

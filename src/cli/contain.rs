//! `keyhound contain`: what was done about keys by itself, and how it is undone.

use super::{Failure, check, clean, exit, print};
use crate::config::{ContainPlan, RulePlan};
use crate::contain::{Book, Caller, Deed, Journal, Known, UndoError, probe, read, undo, undoable};
use crate::encode::Visible;
use crate::time::Stamp;
use anyhow::anyhow;
use clap::{Args, Subcommand};
use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub(super) struct ContainArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List what was done, what would have been, and what was not to be
    List(ListArgs),
    /// Take back what was done
    Undo(UndoArgs),
    /// Ask those who would have to obey whether they would listen: something that changes nothing
    Test(TestArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// The folder of the run's state
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Every step as JSON Lines, as it stands in the journal
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct UndoArgs {
    /// The id of what was done, or so much of its beginning that no other has it too
    #[arg(value_name = "ID")]
    id: String,
    /// The configuration with the rule that did it
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// The folder of the run's state
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Do it without asking back
    #[arg(long)]
    yes: bool,
    /// Say what would be done, and change nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct TestArgs {
    /// One rule; all of them if none is named
    #[arg(value_name = "RULE")]
    rule: Option<String>,
    /// The configuration
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
}

pub(super) fn main(args: &ContainArgs) -> Result<ExitCode, Failure> {
    match &args.command {
        Command::List(args) => list(args),
        Command::Undo(args) => take_back(args),
        Command::Test(args) => test(args),
    }
}

fn deeds(state: &Path) -> Result<Vec<Deed>, Failure> {
    let deeds = read(state).map_err(|error| Failure::new(exit::IO, error))?;
    if deeds.is_empty() && !Journal::place(state).exists() {
        let message =
            format!("{}: no run with this state has contained anything", Journal::place(state).display());
        return Err(Failure::new(exit::NO_INPUT, anyhow!(message)));
    }
    Ok(deeds)
}

fn list(args: &ListArgs) -> Result<ExitCode, Failure> {
    let deeds = deeds(&args.state)?;
    if args.json {
        let lines: Vec<u8> = deeds.iter().flat_map(Deed::line).collect();
        return print(&String::from_utf8_lossy(&lines));
    }
    let book = Book::of(&deeds);
    let mut all: Vec<&Known> = book.all().collect();
    all.sort_by_key(|known| (known.last.at, known.last.revision));
    let mut text = String::new();
    for Known { last, .. } in all {
        let time = Stamp::utc(last.at).to_string();
        let id = last.id.get(..12).unwrap_or_default();
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{id}  {time}  {:<13}  {}", last.step.label(), Visible(&last.description));
        let before =
            last.before.as_ref().map_or_else(String::new, |before| format!(", before: {}", before.words()));
        let _ = writeln!(text, "              incident {}{before}", Visible(&last.about.incident));
    }
    if text.is_empty() {
        text.push_str("nothing yet\n");
    }
    print(&text)
}

/// The policy of a configuration.
fn policy(path: &Path) -> Result<Arc<ContainPlan>, Failure> {
    let (_, plan) = check::load(Some(path))?;
    plan.contain
        .ok_or_else(|| Failure::new(exit::CONFIG, anyhow!("{}: there is no `[[contain]]`", path.display())))
}

fn take_back(args: &UndoArgs) -> Result<ExitCode, Failure> {
    let policy = policy(&args.config)?;
    let book = Book::of(&deeds(&args.state)?);
    let undone = undoable(&policy, &book, &args.id).map_err(failure)?;
    let what = format!("{} (incident {})", undone.words, undone.deed.about.incident);
    let what = Visible(&clean(&what)).to_string();
    if args.dry_run {
        let stands = block_on(undone.stands())?.map_err(failure)?;
        let told =
            if stands { format!("would {what}\n") } else { "somebody has undone it already\n".to_owned() };
        return print(&told);
    }
    if !args.yes && !is_meant(&what)? {
        return print("nothing was changed\n");
    }
    let journal = Journal::open(&args.state).map_err(|error| Failure::new(exit::IO, error))?;
    let told = block_on(undo(&undone, &journal))?.map_err(failure)?;
    print(&format!("{}\n", Visible(&clean(&told))))
}

/// Asks back at a terminal.
fn is_meant(what: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        let error = anyhow!("would {what}; say --yes to do it, or --dry-run to see how it stands");
        return Err(Failure::new(exit::USAGE, error));
    }
    super::tell(&format!("{what}\nDo it? [y/N] "));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(|error| Failure::new(exit::IO, error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn failure(error: UndoError) -> Failure {
    let code = match &error {
        UndoError::Unknown(_) | UndoError::Several(..) => exit::USAGE,
        UndoError::NotDone(_) | UndoError::Irreversible(_) | UndoError::Changed(_) => exit::DATA,
        UndoError::NoRule(..) | UndoError::Trust(_) => exit::CONFIG,
        UndoError::Fault(_) => exit::UNAVAILABLE,
        UndoError::Journal(_) => exit::IO,
    };
    Failure::new(code, error)
}

fn test(args: &TestArgs) -> Result<ExitCode, Failure> {
    let policy = policy(&args.config)?;
    let is_meant = |rule: &&Arc<RulePlan>| args.rule.as_ref().is_none_or(|name| *name == rule.name);
    let rules: Vec<&Arc<RulePlan>> = policy.rules.iter().filter(is_meant).collect();
    if rules.is_empty() {
        let known: Vec<&str> = policy.rules.iter().map(|rule| rule.name.as_str()).collect();
        return Err(Failure::new(exit::USAGE, anyhow!("no such rule; there are {}", known.join(", "))));
    }
    let (mut text, mut failed) = (String::new(), false);
    for rule in rules {
        let caller = Caller::new(rule, &CancellationToken::new())
            .map_err(|error| Failure::new(exit::CONFIG, error))?;
        let came = match block_on(probe(rule, &caller))? {
            Ok(Some(status)) => format!("answered {status} to what changes nothing"),
            Ok(None) => "not asked: whatever it is asked, it does".to_owned(),
            Err(fault) => {
                failed = true;
                fault.to_string()
            }
        };
        let _ = writeln!(text, "{}: {}", rule.summary(), Visible(&clean(&came)));
    }
    print(&text)?;
    Ok(ExitCode::from(if failed { exit::UNAVAILABLE } else { 0 }))
}

fn block_on<T>(what: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(exit::INTERNAL, error))?;
    Ok(runtime.block_on(what))
}

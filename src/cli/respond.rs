//! `keyhound respond`: what to do about a stolen key, step by step, and the proof of what was done when.

use super::say::find;
use super::{Failure, check, exit, print, replay, tell};
use crate::engine::clock::now;
use crate::key::KeyId;
use crate::respond::{Done, Facts, Guide, List, Provider, Stragglers, review, summary};
use crate::time::{SECOND, Stamp, Timestamp, parse};
use anyhow::anyhow;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct RespondArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write the list of steps for an incident, or for any key
    Start(StartArgs),
    /// Note that a step is done, when and by whom
    Done(DoneArgs),
    /// Tell what was done when, in order of time
    Timeline(TimelineArgs),
    /// Write a few sentences for the team's channel, without sensitive detail
    Summary(FileArgs),
    /// Write the beginning of the review afterwards
    Review(ReviewArgs),
    /// Tell who still uses the old key, from logs: services that the rotation has forgotten, and whoever else has it
    Stragglers(StragglersArgs),
}

#[derive(Debug, Args)]
struct StartArgs {
    /// The `incident_id`, or so much of its beginning that no other has it too; none for a list without facts
    #[arg(value_name = "INCIDENT", requires = "alerts")]
    incident: Option<String>,
    /// The output of the run that told of it, as JSON Lines
    #[arg(short, long, value_name = "FILE")]
    alerts: Option<PathBuf>,
    /// Where the key is from, for the commands: openai, anthropic, azure, vertex, gemini, bedrock, openrouter, litellm
    #[arg(short, long, value_name = "NAME")]
    provider: Option<String>,
    /// Write it to this file, which must not exist, instead of to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct FileArgs {
    /// The list, as `keyhound respond start` wrote it
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
struct DoneArgs {
    #[command(flatten)]
    list: FileArgs,
    /// The number of the step
    #[arg(value_name = "NUMBER")]
    number: usize,
    /// Who did it
    #[arg(long, value_name = "NAME", default_value = "")]
    by: String,
    /// What there is to say
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// When; now, unless it was before
    #[arg(long, value_name = "TIME", value_parser = stamp)]
    at: Option<Stamp>,
}

#[derive(Debug, Args)]
struct TimelineArgs {
    #[command(flatten)]
    list: FileArgs,
    /// As JSON Lines
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ReviewArgs {
    #[command(flatten)]
    list: FileArgs,
    /// The output of the run that told of it: what else was told of the key before
    #[arg(short, long, value_name = "FILE")]
    alerts: Option<PathBuf>,
    #[command(flatten)]
    logs: LogArgs,
}

#[derive(Debug, Args)]
struct StragglersArgs {
    #[command(flatten)]
    list: FileArgs,
    #[command(flatten)]
    logs: LogArgs,
    /// A line of JSON for each instead of text
    #[arg(long)]
    json: bool,
    /// End with exit code 1 if anybody uses it
    #[arg(long, value_enum, value_name = "WHAT")]
    fail_on: Option<FailOn>,
}

/// Logs, and what to look for in them.
#[derive(Debug, Args)]
struct LogArgs {
    /// Logs in which to look for those who use the old key; `-` for standard input
    #[arg(long, value_name = "FILE", num_args = 1..)]
    logs: Vec<String>,
    /// The key, as logs name it or by its `key_id`; that of the list if it is not said
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Since when it is dead; since it was revoked, or else moved, by the list
    #[arg(long, value_name = "TIME", value_parser = stamp)]
    since: Option<Stamp>,
    /// The configuration with the salt of the `key_id`
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// No progress bar
    #[arg(short, long)]
    quiet: bool,
}

/// When to end with exit code 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum FailOn {
    /// If anybody uses the key
    Found,
}

fn stamp(text: &str) -> Result<Stamp, String> {
    parse(text.as_bytes()).map_err(|error| error.to_string())
}

pub(super) fn main(args: &RespondArgs) -> Result<ExitCode, Failure> {
    let guide = Guide::builtin().map_err(|error| Failure::new(exit::INTERNAL, error))?;
    match &args.what {
        What::Start(args) => start(&guide, args),
        What::Done(args) => done(args),
        What::Timeline(args) => timeline(args),
        What::Summary(args) => {
            let (facts, list) = list(&args.file)?;
            print(&summary(&guide, &facts, &list))
        }
        What::Review(args) => {
            let (facts, list) = list(&args.list.file)?;
            let events = args.alerts.as_deref().map(read).transpose()?.unwrap_or_default();
            let mut text = review(&guide, &facts, &list, events.lines().map(str::as_bytes));
            if !args.logs.logs.is_empty() {
                text.push_str(&stragglers(&guide, (&facts, &list), &args.logs)?.markdown());
            }
            print(&text)
        }
        What::Stragglers(args) => {
            let (facts, list) = list(&args.list.file)?;
            let found = stragglers(&guide, (&facts, &list), &args.logs)?;
            let is_found = args.fail_on == Some(FailOn::Found) && found.count() > 0;
            print(&if args.json { found.json() } else { found.text() })?;
            Ok(if is_found { ExitCode::from(exit::FINDINGS) } else { ExitCode::SUCCESS })
        }
    }
}

fn start(guide: &Guide, args: &StartArgs) -> Result<ExitCode, Failure> {
    let provider = args.provider.as_deref().map(|name| provider(guide, name)).transpose()?;
    let facts = match (&args.incident, &args.alerts) {
        (Some(id), Some(alerts)) => find(id, alerts)?,
        _ => Facts::default(),
    };
    let text = guide.checklist(&facts, provider);
    let Some(path) = &args.output else { return print(&text) };
    // One that is being worked on is not written over.
    let written = std::fs::File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| failed(exit::IO, path, error))?;
    Ok(ExitCode::SUCCESS)
}

fn provider<'a>(guide: &'a Guide, name: &str) -> Result<&'a Provider, Failure> {
    guide.provider(name).ok_or_else(|| {
        let known: Vec<&str> = guide.providers().map(|provider| provider.name.as_str()).collect();
        Failure::new(
            exit::USAGE,
            anyhow!("{name} is no provider that is known; expected: {}", known.join(", ")),
        )
    })
}

fn done(args: &DoneArgs) -> Result<ExitCode, Failure> {
    let path = &args.list.file;
    let text = read(path)?;
    let done = Done {
        at: args.at.unwrap_or_else(this_second),
        by: args.by.trim().to_owned(),
        note: args.note.trim().to_owned(),
    };
    let ticked = List::tick(&text, args.number, &done)
        .map_err(|error| Failure::new(exit::DATA, anyhow!("{}: {error}", path.display())))?;
    // Whole or not at all: it is evidence.
    let beside = path.with_extension("md.new");
    let written = std::fs::File::create(&beside)
        .and_then(|mut file| file.write_all(ticked.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|error| failed(exit::IO, path, error))?;
    Ok(ExitCode::SUCCESS)
}

/// Nobody ticks by the nanosecond.
fn this_second() -> Stamp {
    let now = now();
    Stamp::utc(Timestamp(now.0 - now.0.rem_euclid(SECOND)))
}

fn timeline(args: &TimelineArgs) -> Result<ExitCode, Failure> {
    let (facts, list) = list(&args.list.file)?;
    let mut rows: Vec<(Stamp, String, String, String)> = Vec::new();
    for (at, what) in [(&facts.timestamp, "first act of the thief"), (&facts.detected_at, "told by keyhound")]
    {
        if let Ok(at) = stamp(at) {
            rows.push((at, what.to_owned(), String::new(), String::new()));
        }
    }
    rows.extend(list.timeline().into_iter().map(|(step, done)| {
        (done.at, format!("{}. {}", step.number, step.text), done.by.clone(), done.note.clone())
    }));
    rows.sort_by_key(|row| row.0.at);
    let lines = rows.into_iter().map(|(at, what, by, note)| {
        if args.json {
            return format!("{}\n", json!({ "time": at.to_string(), "what": what, "by": by, "note": note }));
        }
        let by = if by.is_empty() { String::new() } else { format!("  ({by})") };
        let note = if note.is_empty() { String::new() } else { format!(": {note}") };
        format!("{at}{by}  {what}{note}\n")
    });
    print(&lines.collect::<String>())
}

/// Who has used the key of a list since it died.
fn stragglers(guide: &Guide, (facts, list): (&Facts, &List), args: &LogArgs) -> Result<Stragglers, Failure> {
    let usage = |message: &'static str| Failure::new(exit::USAGE, anyhow!(message));
    if args.logs.is_empty() {
        return Err(usage("--logs: the logs to look into are needed"));
    }
    let (_, plan) = check::load(args.config.as_deref())?;
    let written = args.key.as_deref().unwrap_or(if facts.key_id.is_empty() {
        &facts.api_key_prefix
    } else {
        &facts.key_id
    });
    if written.is_empty() {
        return Err(usage("--key: the list names no key"));
    }
    let key = KeyId::parse(written.as_bytes()).unwrap_or_else(|| plan.rulebook.namer.id(written.as_bytes()));
    let done = |id: &str| {
        let number = guide.number(id)?;
        list.0.iter().find(|step| step.number == number)?.done.as_ref().map(|done| done.at)
    };
    let since = args.since.or_else(|| done("revoke")).or_else(|| done("move"));
    let since =
        since.ok_or_else(|| usage("--since: by the list the key is neither revoked nor moved yet"))?;
    let files = replay::inputs(&args.logs, 1)?;
    let mut found = Stragglers::new(key, since.at, facts);
    let setup = replay::Setup::of_records(args.config.as_deref())?;
    replay::replay(&setup, &replay::Reading { files: &files, format: None, quiet: args.quiet }, |told| {
        for run in told.runs() {
            for record in run.batch.records.get(run.range.clone()).unwrap_or_default() {
                found.add(record, &run.batch);
            }
        }
    })?;
    if !found.knows_the_key() {
        tell("keyhound: no record of this key in the logs: is it named in another way there? (--key)\n");
    }
    Ok(found)
}

fn list(path: &Path) -> Result<(Facts, List), Failure> {
    let text = read(path)?;
    let list = List::read(&text)
        .map_err(|error| Failure::new(exit::DATA, anyhow!("{}: {error}", path.display())))?;
    Ok((Facts::of_list(&text).unwrap_or_default(), list))
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| failed(exit::NO_INPUT, path, error))
}

fn failed(code: u8, path: &Path, error: std::io::Error) -> Failure {
    Failure::new(code, anyhow::Error::new(error).context(path.display().to_string()))
}

//! `keyhound investigate`: what became of a key?

mod folder;
mod moments;

use crate::cli::colour::Colour;
use crate::cli::replay::{self, Reading, Setup};
use crate::cli::{Failure, exit, print, run, tell};
use crate::encode::{Palette, Visible};
use crate::engine::Outcome;
use crate::inventory::Own;
use crate::investigate::{
    Catalogue, Gathered, Gathers, Known, Moment, Question, Report, attribute, report, show,
};
use crate::networks::Networks;
use crate::shard::{Event, Witnessed};
use crate::time::{Timestamp, parse};
use crate::watch_list::WatchList;
use anyhow::anyhow;
use clap::Args;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::slice::from_ref;
use std::sync::Arc;

/// Incidents that are named where none was asked for.
const NAMED_MAX: usize = 10;

#[derive(Debug, Args)]
pub(super) struct InvestigateArgs {
    /// The logs, from before the theft on: files or quoted patterns, `-` for standard input
    #[arg(value_name = "INPUT")]
    inputs: Vec<String>,
    /// The key: what is shown of it (`...3f9c`), its owner's name for it, or eight digits of its fingerprint; never the key.
    /// Several, each with its own --key, are looked into at once, each by itself, with --output
    #[arg(short, long, value_name = "KEY")]
    key: Vec<String>,
    /// The key of this incident instead, by its id or how that begins
    #[arg(short, long, value_name = "ID", conflicts_with = "key")]
    incident: Option<String>,
    /// Older logs, which only say what is usual: not in the timeline, the money or the indicators. Of several names the last
    /// is the log to look into if no other is given (`--history june/*.jsonl today.jsonl`)
    #[arg(long, value_name = "FILE", num_args = 1..)]
    history: Vec<String>,
    /// The settings of the run that told it
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Nothing before is the attacker's
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Nothing after is looked at
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// The owner's addresses, networks and clients, one a line as in a watch list: everybody else is the attacker
    #[arg(long, value_name = "FILE")]
    legitimate: Option<PathBuf>,
    /// The attacker's, in the same form
    #[arg(long, value_name = "FILE")]
    attacker: Option<PathBuf>,
    /// Whose models the key is for, if that is not to be guessed
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// What keys are for and what is behind them (see docs/investigate.md)
    #[arg(long, value_name = "FILE")]
    inventory: Option<PathBuf>,
    /// The limit of a month in dollars
    #[arg(long, value_name = "USD")]
    limit: Option<f64>,
    /// When the key was revoked, if no record tells
    #[arg(long, value_name = "TIME", value_parser = time)]
    revoked: Option<Timestamp>,
    /// When it leaked, or anything else that belongs into the timeline: a time, a space, and what was then
    #[arg(long, value_name = "TIME WHAT", value_parser = moment)]
    moment: Vec<Moment>,
    /// What `keyhound trace-leak --json` wrote: when the key got into a repository, and out of it
    #[arg(long, value_name = "FILE")]
    leaks: Option<PathBuf>,
    /// The list of `keyhound respond`: what was done when
    #[arg(long, value_name = "FILE")]
    response: Option<PathBuf>,
    /// Hours of work it took to clear it up
    #[arg(long, value_name = "HOURS", default_value_t = 0.0)]
    hours: f64,
    /// What an hour of that costs, in dollars
    #[arg(long, value_name = "USD", default_value_t = 100.0)]
    rate: f64,
    /// The format of all records, if it is not to be recognised
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
    /// Write everything as JSON to standard output instead of text
    #[arg(long)]
    json: bool,
    /// Write it by this template instead (Jinja; it is given what --json writes)
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    template: Option<PathBuf>,
    /// Write all forms into this folder, too: text, Markdown, HTML, JSON, a letter to the provider, indicators, all requests;
    /// of several keys into a folder for each in it
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Write the same as a pack of evidence, which `keyhound verify` checks (docs/evidence.md)
    #[arg(long, value_name = "FILE")]
    pack: Option<PathBuf>,
    /// Sign it by this key (`keyhound pack key`)
    #[arg(long, value_name = "FILE", requires = "pack")]
    sign_with: Option<PathBuf>,
    /// Colours
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Colour,
    /// No progress bar
    #[arg(short, long)]
    quiet: bool,
}

fn time(text: &str) -> Result<Timestamp, String> {
    parse(text.as_bytes()).map(|stamp| stamp.at).map_err(|error| error.to_string())
}

fn moment(text: &str) -> Result<Moment, String> {
    let (at, what) = text.split_once(' ').ok_or("a time, a space, and what was then")?;
    let at = time(at)?.to_string();
    Ok(Moment {
        at,
        what: what.trim().to_owned(),
        source: "told by hand".to_owned(),
        line_sha256: String::new(),
        kind: "leak",
    })
}

pub(super) fn main(args: &InvestigateArgs) -> Result<ExitCode, Failure> {
    check(args)?;
    let catalogue = Catalogue::builtin().map_err(|error| Failure::new(exit::INTERNAL, error))?;
    let known = known(args, &catalogue)?;
    let lists = [&args.legitimate, &args.attacker].map(|path| path.as_deref().map(list).transpose());
    let [legitimate, attacker] = lists;
    let (legitimate, attacker) = (legitimate?, attacker?);
    let mut setup = Setup::load(args.config.as_deref())?;
    let (history, inputs) = match &args.history[..] {
        // The shell has made one list of both.
        [history @ .., last] if args.inputs.is_empty() && !history.is_empty() => (history, from_ref(last)),
        history => (history, &args.inputs[..]),
    };
    let has_history = !history.is_empty();
    if has_history {
        setup.learn_from(run::files(history)?);
    }
    let files = replay::inputs(inputs, if args.key.is_empty() { 2 } else { 1 })?;
    let reading = Reading { files: &files, format: args.format.as_deref(), quiet: args.quiet };
    let names = match &args.key[..] {
        [] => vec![key_of(args.incident.as_deref(), &setup, &reading)?],
        names => names.to_vec(),
    };
    setup.witness(Witnessed::new(names.clone()));
    let networks = setup.networks();
    let question = |name: &String| Question {
        key: Witnessed::new(vec![name.clone()]),
        since: args.since,
        until: args.until,
        legitimate: legitimate.clone(),
        attacker: attacker.clone(),
        networks: Arc::clone(&networks),
        has_history,
    };
    let (gathered, outcome) = gather(&setup, &reading, names.iter().map(question).collect())?;
    are_there(&names, &gathered)?;
    let known = Known { remarks: remarks(&outcome), ..known };
    let answers = gathered.into_iter().map(|one| answer(args, one, &catalogue, known.clone(), &networks));
    print_reports(args, &answers.collect::<Result<Vec<_>, _>>()?)
}

/// Refuses what several keys cannot have.
fn check(args: &InvestigateArgs) -> Result<(), Failure> {
    let usage = |text: &str| Err(Failure::new(exit::USAGE, anyhow!("{text}")));
    match (args.key.len(), &args.output, &args.pack) {
        (0 | 1, ..) => Ok(()),
        (_, None, _) => usage(
            "several keys are written into a folder for each: name one that these go into with --output",
        ),
        (_, _, Some(_)) => {
            usage("a pack of evidence is of one key: make one for each, with one --key at a time")
        }
        _ => Ok(()),
    }
}

/// Whether there is a key of each name, and another for each.
fn are_there(names: &[String], gathered: &[Gathered]) -> Result<(), Failure> {
    let mut seen = BTreeMap::new();
    for (name, gathered) in names.iter().zip(gathered) {
        let Some(key) = gathered.key else {
            let error = anyhow!(
                "no record is of a key named `{name}`; keys are named as alerts show them, by their alias, or by eight \
                 digits of their fingerprint"
            );
            return Err(Failure::new(exit::DATA, error));
        };
        if let Some(other) = seen.insert(key.to_string(), name) {
            let error = anyhow!("`{other}` and `{name}` are the same key: name it once");
            return Err(Failure::new(exit::USAGE, error));
        }
    }
    Ok(())
}

/// Answers what is asked of one key, and writes what is to be written of it.
fn answer(
    args: &InvestigateArgs,
    mut gathered: Gathered,
    catalogue: &Catalogue,
    mut known: Known,
    networks: &Networks,
) -> Result<Report, Failure> {
    if let Some(path) = &args.leaks {
        known.moments.extend(moments::leaks(path, &gathered)?);
    }
    if let Some(path) = &args.response {
        known.moments.extend(moments::response(path)?);
    }
    let judged = attribute(&gathered, args.incident.as_deref());
    let report = report(&gathered, &judged, catalogue, &known, networks);
    if let Some(path) = &args.output {
        let own = if args.key.len() > 1 { path.join(folder::name(&report)) } else { path.clone() };
        folder::write(&own, &report, &mut gathered, &judged)?;
    }
    if let Some(path) = &args.pack {
        let summary = folder::pack(path, &report, &mut gathered, &judged, args.sign_with.as_deref())?;
        tell(&format!("{}: {summary}\n", Visible(&path.display().to_string())));
    }
    Ok(report)
}

/// Prints all reports, one after the other.
fn print_reports(args: &InvestigateArgs, reports: &[Report]) -> Result<ExitCode, Failure> {
    let template = args.template.as_deref().map(|path| Ok((path, read(path)?))).transpose()?;
    let mut text = String::new();
    for report in reports {
        if args.json {
            let json =
                serde_json::to_string_pretty(report).map_err(|error| Failure::new(exit::INTERNAL, error))?;
            text += &(json + "\n");
        } else if let Some((path, template)) = &template {
            let failed =
                |error: minijinja::Error| Failure::new(exit::CONFIG, anyhow!("{}: {error}", path.display()));
            text += &show::template(template, report).map_err(failed)?;
        } else {
            text += &show::text(report, Palette { colour: args.color.on(&io::stdout()) });
        }
    }
    print(&text)
}

fn gather(
    setup: &Setup,
    reading: &Reading<'_>,
    questions: Vec<Question>,
) -> Result<(Vec<Gathered>, Outcome), Failure> {
    let mut gathers = Gathers::new(questions).map_err(|error| Failure::new(exit::IO, error))?;
    let outcome = replay::replay(setup, reading, |told| gathers.told(told))?;
    Ok((gathers.finish(), outcome))
}

fn known(args: &InvestigateArgs, catalogue: &Catalogue) -> Result<Known, Failure> {
    if let Some(name) = &args.provider
        && catalogue.named(name).is_none()
    {
        let names: Vec<&str> = catalogue.names().collect();
        let error = anyhow!("{name} is no provider that is known; expected: {}", names.join(", "));
        return Err(Failure::new(exit::USAGE, error));
    }
    let inventory = args.inventory.as_deref().map(|path| {
        let text = read(path)?;
        Own::parse(&text).map_err(|error| Failure::new(exit::CONFIG, anyhow!("{}: {error}", path.display())))
    });
    Ok(Known {
        provider: args.provider.clone().unwrap_or_default(),
        inventory: inventory.transpose()?.unwrap_or_default(),
        monthly_limit: args.limit,
        revoked: args.revoked,
        moments: args.moment.clone(),
        hours: args.hours,
        rate: args.rate,
        remarks: Vec::new(),
    })
}

pub(super) fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::new(exit::NO_INPUT, anyhow!("{}: {error}", path.display())))
}

fn list(path: &Path) -> Result<Arc<WatchList>, Failure> {
    let mut list = WatchList::default();
    list.add(&path.display().to_string(), &read(path)?).map_err(|error| Failure::new(exit::CONFIG, error))?;
    Ok(Arc::new(list))
}

/// The key of an incident: the one that is named, or the only one there is.
fn key_of(incident: Option<&str>, setup: &Setup, reading: &Reading<'_>) -> Result<String, Failure> {
    let mut found: BTreeMap<String, (String, String)> = BTreeMap::new();
    replay::replay(setup, reading, |told| {
        for output in &told.outputs {
            if let Event::Incident(told) = &output.event
                && incident.is_none_or(|id| told.id.starts_with(id))
            {
                let names = format!("{} {}", told.key_hint, told.key_alias).trim_end().to_owned();
                found.entry(told.key.to_string()).or_insert((names, told.id.clone()));
            }
        }
    })?;
    let error = match (found.len(), incident) {
        (1, _) => return Ok(found.into_keys().next().unwrap_or_default()),
        (0, Some(id)) => anyhow!("no incident has an id that begins with `{id}`"),
        (0, None) => anyhow!("no incident is told in these records: name the key with --key"),
        (count, _) => {
            let named = found
                .values()
                .take(NAMED_MAX)
                .map(|(names, id)| format!("{names} (incident {})", id.get(..8).unwrap_or(id)));
            anyhow!(
                "incidents of {count} keys: name one with --key or --incident: {}",
                named.collect::<Vec<_>>().join(", ")
            )
        }
    };
    Err(Failure::new(exit::DATA, error))
}

/// What the run says of its inputs.
fn remarks(outcome: &Outcome) -> Vec<String> {
    let mut remarks = Vec::new();
    let rejected = outcome.totals.rejected();
    if rejected > 0 {
        remarks.push(format!(
            "{rejected} lines could not be read as records, and may have been of this key; `keyhound formats --detect` says why"
        ));
    }
    remarks
}

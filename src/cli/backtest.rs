//! `keyhound backtest`: how good would this configuration have been?

use super::colour::Colour;
use super::replay::{self, Reading, Setup};
use super::{Failure, clean, exit, print, tell};
use crate::backtest::{
    Labels, Limits, Named, Score, Seen, Sight, Stolen, Which, junit, markdown, score, text,
};
use crate::encode::{Palette, Visible};
use crate::time::{self, Timestamp};
use anyhow::anyhow;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct BacktestArgs {
    /// Files or quoted patterns to read, merged by event time; `-` for standard input
    #[arg(value_name = "INPUT")]
    inputs: Vec<String>,
    /// What happened: thefts, benign changes and the time that is scored, as JSON Lines (docs/backtest.md), or the
    /// `labels.json` of the detection benchmark
    #[arg(short, long, value_name = "FILE")]
    labels: PathBuf,
    /// Settings; every one has a default
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Other settings, to be shown beside the first
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Records of thieves alone, merged with the inputs: then the inputs are also run without them, and an incident that
    /// the owners raise alone finds nothing
    #[arg(long, value_name = "FILE")]
    thieves: Vec<String>,
    /// Only what is told from this time on counts as false; what comes before is learned from
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// What is scored
    #[arg(long, value_enum, default_value_t)]
    events: Events,
    /// Disregard addresses and clients: how good would it have been on records that tell neither, as a provider's?
    #[arg(long)]
    thin: bool,
    /// The format of all records, if it is not to be recognised
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
    /// Exit with 1 if the mean recall of the classes is lower
    #[arg(long, value_name = "PART")]
    min_recall: Option<f64>,
    /// Exit with 1 if there are more false incidents in 1,000 active key-days
    #[arg(long, value_name = "RATE")]
    max_false: Option<f64>,
    /// Write everything as JSON to standard output instead of tables
    #[arg(long)]
    json: bool,
    /// Write the tables as Markdown to a file, too
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write a report as JUnit's XML, too: the limits fail or pass, thefts that were not found are skipped
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Colours
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Colour,
    /// No progress bar, no remarks on standard error
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
enum Events {
    /// Incidents
    #[default]
    Incident,
    /// Alerts of the detectors
    Alert,
}

pub(super) fn main(args: &BacktestArgs) -> Result<ExitCode, Failure> {
    let labels = read_labels(&args.labels)?;
    let from = from(args.from.as_deref())?;
    let mut setups = vec![Setup::load(args.config.as_deref())?];
    if let Some(other) = &args.compare {
        setups.push(Setup::load(Some(other))?);
    }
    if args.thin {
        setups.iter_mut().for_each(Setup::disregard_senders);
    }
    let passes = setups.len() * if args.thieves.is_empty() { 1 } else { 2 };
    let inputs = replay::inputs(&args.inputs, passes)?;
    let thieves = if args.thieves.is_empty() { Vec::new() } else { super::run::files(&args.thieves)? };
    let rows = match &thieves[..] {
        [] => None,
        thieves => Some(listen(args, &setups[0], thieves, Stolen::everything())?),
    };
    let mut scores: Vec<(String, Score)> = Vec::new();
    for setup in &setups {
        let sight = Runs::of(args, setup, &inputs, &thieves, &labels)?;
        let Runs { told, clean } = &sight;
        let rows = rows.as_ref().unwrap_or(told);
        let score = score(&Sight { labels: &labels, told, clean: clean.as_ref(), rows, from });
        scores.push((clean_name(&setup.name), score));
    }
    report(args, &scores)
}

/// The runs of one configuration.
struct Runs {
    told: Seen,
    clean: Option<Seen>,
}

impl Runs {
    fn of(
        args: &BacktestArgs,
        setup: &Setup,
        inputs: &[PathBuf],
        thieves: &[PathBuf],
        labels: &Labels,
    ) -> Result<Self, Failure> {
        if thieves.is_empty() {
            return Ok(Self { told: listen(args, setup, inputs, Stolen::of(labels))?, clean: None });
        }
        let clean = listen(args, setup, inputs, Stolen::nothing())?;
        let told = listen(args, setup, &[inputs, thieves].concat(), Stolen::nothing())?;
        Ok(Self { told, clean: Some(clean) })
    }
}

fn listen(args: &BacktestArgs, setup: &Setup, files: &[PathBuf], stolen: Stolen) -> Result<Seen, Failure> {
    let which = match args.events {
        Events::Incident => Which::Incidents,
        Events::Alert => Which::Alerts,
    };
    let reading = Reading { files, format: args.format.as_deref(), quiet: args.quiet };
    let (seen, outcome) = replay::listen(setup, &reading, which, stolen)?;
    let rejected = outcome.totals.rejected();
    if rejected > 0 && !args.quiet {
        tell(&format!("{rejected} lines could not be read; `keyhound formats --detect` says why\n"));
    }
    Ok(seen)
}

/// The name of a configuration, without secrets and what acts.
fn clean_name(name: &str) -> String {
    Visible(&clean(name)).to_string()
}

pub(super) fn read_labels(path: &Path) -> Result<Labels, Failure> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(exit::NO_INPUT, anyhow!("{name}: {error}")))?;
    Labels::parse(&name, &text).map_err(|error| Failure::new(exit::DATA, error))
}

/// The time from which on things count.
pub(super) fn from(from: Option<&str>) -> Result<Timestamp, Failure> {
    let Some(from) = from else { return Ok(Timestamp::MIN) };
    time::parse(from.as_bytes()).map(|stamp| stamp.at).map_err(|error| {
        Failure::new(
            exit::USAGE,
            anyhow!("--from is `{from}`: {error}; write RFC 3339, as 2026-07-01T00:00:00Z"),
        )
    })
}

fn report(args: &BacktestArgs, scores: &[(String, Score)]) -> Result<ExitCode, Failure> {
    let named: Vec<Named<'_>> = scores.iter().map(|(name, score)| Named { name, score }).collect();
    let limits = Limits { recall_min: args.min_recall, falses_max: args.max_false };
    let violated = scores.first().map_or_else(Vec::new, |(_, score)| limits.violated(score));
    let files = [(&args.markdown, markdown(&named)), (&args.junit, junit(&named, limits))];
    for (path, text) in files {
        if let Some(path) = path {
            write(path, &text)?;
        }
    }
    if args.json {
        let all: Vec<_> =
            named.iter().map(|Named { name, score }| json!({ "config": name, "score": score })).collect();
        print(&format!("{}\n", json!({ "backtest": all, "violated": violated })))?;
    } else {
        let palette = Palette { colour: args.color.on(&io::stdout()) };
        print(&text(&named, palette))?;
    }
    for why in &violated {
        tell(&format!("keyhound: {why}\n"));
    }
    Ok(if violated.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(exit::FINDINGS) })
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::new(exit::IO, anyhow!("{}: {error}", path.display())))
}

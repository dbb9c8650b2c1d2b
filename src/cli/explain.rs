//! `keyhound explain`: why was this incident told?

use super::colour::Colour;
use super::replay::{self, Reading, Setup};
use super::{Failure, clean, exit, print};
use crate::encode::{Palette, Visible, write_event};
use crate::explain::{Case, Request, Revision, markdown, text};
use crate::record::{Batch, UsageRecord};
use crate::shard::Event;
use anyhow::anyhow;
use clap::Args;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Requests that are shown.
const REQUESTS_SHOWN: usize = 8;
/// Incidents that are named where the one asked for is not there.
const OTHERS_NAMED: usize = 5;

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The incident, by its id or how that begins
    #[arg(value_name = "ID")]
    id: String,
    /// The records of the run that told it, from their beginning: they are run again. Files or quoted patterns, `-` for
    /// standard input
    #[arg(value_name = "INPUT")]
    inputs: Vec<String>,
    /// The settings of that run
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What that run wrote: without inputs it is explained as it was recorded, with inputs the two are compared
    #[arg(short, long, value_name = "FILE", required_unless_present = "inputs")]
    alerts: Option<PathBuf>,
    /// The revision to explain; the first is the one that made it known
    #[arg(short, long, value_name = "N")]
    revision: Option<u32>,
    /// The format of all records, if it is not to be recognised
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
    /// Write everything as JSON to standard output instead of text
    #[arg(long)]
    json: bool,
    /// Write it as Markdown to a file, too
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Colours
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Colour,
    /// No progress bar
    #[arg(short, long)]
    quiet: bool,
}

/// Revisions of one incident by their numbers, as they were written and as they are read.
type Revisions = BTreeMap<u32, (Value, Revision)>;

/// Incidents that were found, by their ids, and all others.
#[derive(Default)]
struct Found {
    by_id: BTreeMap<String, Revisions>,
    /// Id, key and time of the first of the others, and how many there are.
    others: Vec<String>,
    count: usize,
}

pub(super) fn main(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let setup = Setup::load(args.config.as_deref())?;
    let recorded = args.alerts.as_deref().map(|path| Found::recorded(path, &args.id)).transpose()?;
    let files = if args.inputs.is_empty() { Vec::new() } else { replay::inputs(&args.inputs, 1)? };
    let replayed = (!args.inputs.is_empty()).then(|| Found::replayed(args, &setup, &files)).transpose()?;
    let (revisions, differences) = match (recorded, replayed) {
        (Some(recorded), Some(replayed)) => {
            let recorded = recorded.the_one(&args.id)?;
            let differences = differences(&recorded, &replayed);
            (recorded, Some(differences))
        }
        (Some(found), None) | (None, Some(found)) => (found.the_one(&args.id)?, None),
        (None, None) => (Found::default().the_one(&args.id)?, None),
    };
    let requests = if files.is_empty() { Vec::new() } else { requests(args, &setup, &files, &revisions)? };
    let revisions: Vec<Revision> = revisions.into_values().map(|(_, revision)| revision).collect();
    let wanted = args.revision.or_else(|| revisions.first().map(|first| first.revision)).unwrap_or(0);
    let Some(at) = revisions.iter().position(|revision| revision.revision == wanted) else {
        let there =
            revisions.iter().map(|revision| revision.revision.to_string()).collect::<Vec<_>>().join(", ");
        let error = anyhow!("revision {wanted} is not there; there are {there}");
        return Err(Failure::new(exit::DATA, error));
    };
    let [consumers, habits] = setup.thresholds();
    let set = if Case::is_by_habits(&revisions[at].ledger) { habits } else { consumers };
    let threshold = revisions[at].threshold.unwrap_or(set);
    report(args, &Case { revisions, at, threshold, requests, differences })
}

fn report(args: &ExplainArgs, case: &Case) -> Result<ExitCode, Failure> {
    if let Some(path) = &args.markdown {
        super::backtest::write(path, &markdown(case))?;
    }
    if args.json {
        print(&format!("{}\n", case.json()))?;
    } else {
        print(&text(case, Palette { colour: args.color.on(&io::stdout()) }))?;
    }
    let differs = case.differences.as_ref().is_some_and(|differences| !differences.is_empty());
    Ok(if differs { ExitCode::from(exit::FINDINGS) } else { ExitCode::SUCCESS })
}

impl Found {
    fn recorded(path: &Path, id: &str) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let failed = |code, why: &dyn std::fmt::Display| Failure::new(code, anyhow!("{name}: {why}"));
        let file = std::fs::File::open(path).map_err(|error| failed(exit::NO_INPUT, &error))?;
        let mut found = Self::default();
        for (number, line) in BufReader::new(file).split(b'\n').enumerate() {
            let line = line.map_err(|error| failed(exit::IO, &error))?;
            found
                .take(&line, id)
                .map_err(|why| failed(exit::DATA, &format!("line {}: {why}", number + 1)))?;
        }
        Ok(found)
    }

    fn replayed(args: &ExplainArgs, setup: &Setup, files: &[PathBuf]) -> Result<Self, Failure> {
        let (mut found, mut line) = (Self::default(), Vec::new());
        let mut wrong = Ok(());
        let reading = Reading { files, format: args.format.as_deref(), quiet: args.quiet };
        replay::replay(setup, &reading, |told| {
            for output in &told.outputs {
                if matches!(output.event, Event::Incident(_)) && wrong.is_ok() {
                    line.clear();
                    write_event(&output.event, &mut line);
                    wrong = found.take(&line, &args.id);
                }
            }
        })?;
        wrong.map_err(|why| Failure::new(exit::INTERNAL, anyhow!(why)))?;
        Ok(found)
    }

    /// Takes a line of an output.
    fn take(&mut self, line: &[u8], id: &str) -> Result<(), String> {
        if let Some((value, revision)) = Revision::read(line, id) {
            let revision = revision?;
            let of = self.by_id.entry(revision.incident_id.clone()).or_default();
            of.insert(revision.revision, (value, revision));
        } else if let Some((_, Ok(other))) = Revision::read(line, "")
            && other.revision == 0
        {
            self.count += 1;
            if self.others.len() < OTHERS_NAMED {
                self.others.push(named(&other));
            }
        }
        Ok(())
    }

    /// The revisions of the only incident that was found.
    fn the_one(mut self, id: &str) -> Result<Revisions, Failure> {
        let mut told = String::new();
        let count = self.by_id.len();
        if count == 1
            && let Some((_, revisions)) = self.by_id.pop_first()
        {
            return Ok(revisions);
        }
        let (of, all) = if count > 1 {
            let first = self.by_id.values().filter_map(|revisions| revisions.values().next());
            self.others = first.take(OTHERS_NAMED).map(|(_, revision)| named(revision)).collect();
            let _ = write!(told, "`{id}` is how the ids of {count} incidents begin; write more of it");
            (&self.others, count)
        } else {
            let _ = write!(
                told,
                "no incident has an id that begins with `{id}`; there are {} others",
                self.count
            );
            (&self.others, self.count)
        };
        if !of.is_empty() {
            let more = if all > of.len() { ", …" } else { "" };
            let _ = write!(told, ": {}{more}", of.join(", "));
        }
        Err(Failure::new(exit::DATA, anyhow!(told)))
    }
}

fn named(revision: &Revision) -> String {
    let id = revision.incident_id.get(..8).unwrap_or(&revision.incident_id);
    format!("{id} (key {}, {})", revision.api_key_prefix, revision.detected_at)
}

/// Where what was replayed differs from what was recorded.
fn differences(recorded: &Revisions, replayed: &Found) -> Vec<String> {
    let mut differences = Vec::new();
    let empty = Revisions::new();
    let id = recorded.values().next().map_or("", |(_, revision)| &revision.incident_id);
    let replayed = replayed.by_id.get(id).unwrap_or(&empty);
    for (number, (value, _)) in recorded {
        let Some((again, _)) = replayed.get(number) else {
            differences.push(format!("revision {number} is not told."));
            continue;
        };
        let fields = value.as_object().into_iter().chain(again.as_object()).flat_map(|of| of.keys());
        let mut differing: Vec<&str> =
            fields.filter(|name| value.get(name) != again.get(name)).map(String::as_str).collect();
        differing.sort_unstable();
        differing.dedup();
        if !differing.is_empty() {
            differences.push(format!("revision {number} differs in {}.", differing.join(", ")));
        }
    }
    differences
}

/// The first requests of an incident, as their records have them: another run, for they came before it was known.
fn requests(
    args: &ExplainArgs,
    setup: &Setup,
    files: &[PathBuf],
    revisions: &Revisions,
) -> Result<Vec<Request>, Failure> {
    let ids = revisions.values().flat_map(|(_, revision)| &revision.evidence.request_ids);
    let ids: Vec<&str> = ids.take(REQUESTS_SHOWN).map(String::as_str).collect();
    let key = revisions.values().next().and_then(|(value, _)| value["key_id"].as_str()).unwrap_or("");
    let mut requests: Vec<Request> = Vec::new();
    let reading = Reading { files, format: args.format.as_deref(), quiet: args.quiet };
    replay::replay(setup, &reading, |told| {
        for run in told.runs() {
            for record in run.batch.records.get(run.range.clone()).unwrap_or_default() {
                let id = run.batch.text(record.request_id);
                let is_new = |requests: &[Request]| requests.iter().all(|known| known.id != id);
                if ids.contains(&id) && is_new(&requests) && record.key.to_string() == key {
                    requests.push(request(record, &run.batch));
                }
            }
        }
    })?;
    Ok(requests)
}

fn request(record: &UsageRecord, batch: &Batch) -> Request {
    Request {
        time: record.time.to_string(),
        id: batch.text(record.request_id).to_owned(),
        model: Visible(&clean(batch.text(record.model.name))).to_string(),
        tokens: [record.tokens.input(), record.tokens.output.or_zero()],
        usd: record.cost.usd(),
        address: record.address.map_or_else(String::new, |address| address.to_string()),
        status: record.status,
    }
}

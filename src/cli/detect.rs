//! `keyhound formats --detect`: what files hold, told to a person. Every text in it has been cleaned by the decoder.

use super::{Failure, clean, exit, run, tell};
use crate::config::Plan;
use crate::decode::{Leaf, Settings};
use crate::detect::Ruleset;
use crate::encode::{RejectAt, Visible, What};
use crate::engine::survey::{self, Example, KINDS, Line, Survey, Way};
use crate::record::{Batch, CostSource, Kind, UsageRecord};
use crate::source::{FileSource, Source, StdinSource};
use anyhow::anyhow;
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::sync::Arc;

/// Models that are named.
const MODELS_NAMED: usize = 8;
/// Keys that are named.
const KEYS_NAMED: usize = 8;

pub(super) fn main(names: &[String], lines: bool, plan: &Plan) -> Result<ExitCode, Failure> {
    let settings = Settings {
        rulebook: Arc::clone(&plan.rulebook),
        format: None,
        frame_bytes_max: plan.input.frame_bytes_max,
        keep_rejects: false,
    };
    let mut survey = Survey::default();
    let mut out = BufWriter::new(io::stdout().lock());
    let mut failed = false;
    for mut source in sources(names)? {
        let mut written = Ok(());
        let mut show = |line: &Line<'_>| {
            written = if lines { out.write_all(told(line).as_bytes()) } else { Ok(()) };
            written.is_ok()
        };
        let read = survey.read(&mut *source, &settings, &mut show);
        if let Err(error) = written {
            return gone(error);
        }
        if let Err(error) = read {
            tell(&format!("keyhound: {}\n", Visible(&error.to_string())));
            failed = true;
        }
    }
    if lines {
        let _ = writeln!(out);
    }
    let text = summary(&survey, &plan.shard.rules);
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        return gone(error);
    }
    let nothing = !survey.rejects.is_empty() && !survey.has_records();
    Ok(match (failed, nothing) {
        (true, _) => ExitCode::from(exit::IO),
        (false, true) => ExitCode::from(exit::DATA),
        (false, false) => ExitCode::SUCCESS,
    })
}

/// A reader that has gone is no error.
pub(super) fn gone(error: io::Error) -> Result<ExitCode, Failure> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::new(exit::IO, error))
}

pub(super) fn sources(names: &[String]) -> Result<Vec<Box<dyn Source>>, Failure> {
    match names {
        [name] if name == "-" => Ok(vec![Box::new(StdinSource::new())]),
        names if names.iter().any(|name| name == "-") => {
            let message = "`-` stands alone: standard input cannot be read along with files";
            Err(Failure::new(exit::USAGE, anyhow!(message)))
        }
        names => {
            let open = |path| Box::new(FileSource::new(path, None)) as Box<dyn Source>;
            Ok(run::files(names)?.iter().map(|path| open(path)).collect())
        }
    }
}

/// A line of the input, on a line for each way in it.
fn told(line: &Line<'_>) -> String {
    let mut text = String::new();
    let source = clean(line.source);
    for way in line.ways {
        let what = came_of(way, line.batch);
        let _ = writeln!(text, "{}:{}  {}: {what}", Visible(&source), line.number, Visible(&way.path));
    }
    text
}

fn came_of(way: &Leaf, batch: &Batch) -> String {
    let mut parts = Vec::new();
    let records = batch.records.get(way.records.clone()).unwrap_or_default();
    if let Some(record) = records.first() {
        let more = if records.len() > 1 { format!(" and {} more", records.len() - 1) } else { String::new() };
        parts.push(one(record, batch) + &more);
    }
    if way.foreign > 0 {
        parts.push("passed over: tells of something else than the use of a model".to_owned());
    }
    if way.rejected > 0 {
        let more = if way.rejected > 1 { format!(" and {} more", way.rejected - 1) } else { String::new() };
        let rejects = batch.rejects.get(way.rejects.clone()).unwrap_or_default();
        let first = rejects.first().map_or_else(String::new, |reject| format!(" {}", What(reject)));
        parts.push(format!("rejected{first}{more}"));
    }
    if parts.is_empty() { "holds no record".to_owned() } else { parts.join("; ") }
}

/// `request 2026-06-01T09:00:00Z key ...3f9c model gpt-4o cost $0.0035 reported`
pub(super) fn one(record: &UsageRecord, batch: &Batch) -> String {
    let mut text = format!("{} {}", KINDS[survey::kind(record)].0, record.time);
    if record.width_s > 0 {
        let _ = write!(text, " of {} s", record.width_s);
    }
    let named = [("key", record.key_hint), ("model", record.model.name), ("client", record.user_agent)];
    for (name, value) in named.into_iter().filter(|(_, value)| !value.is_none()) {
        let _ = write!(text, " {name} {}", Visible(batch.text(value)));
    }
    if let Some(address) = record.address {
        let _ = write!(text, " from {}", Visible(&address.to_string()));
    }
    let tells_cost = !matches!(record.kind, Kind::Audit(_) | Kind::Statement(_) | Kind::Canary(_))
        && record.cost_source != CostSource::Elsewhere;
    match record.cost_source {
        _ if !tells_cost => {}
        CostSource::Unknown => text.push_str(" cost unknown"),
        source => {
            let _ = write!(text, " cost {} {}", record.cost, source.label());
        }
    }
    text
}

fn summary(survey: &Survey, rules: &Ruleset) -> String {
    let mut text = format!("{} in all\n", count(survey.lines, "line", "lines"));
    for (path, way) in &survey.ways {
        write_way(&mut text, path, way, rules);
    }
    if survey.ways.len() > 1 {
        let _ = writeln!(text, "together\n  {}", senses(survey.signals(), rules));
    }
    write_keys(&mut text, survey, rules);
    if !survey.rejects.is_empty() {
        text.push_str("rejected\n");
    }
    for (reason, (times, examples)) in &survey.rejects {
        let _ = writeln!(text, "  {times} {}", reason.label());
        for Example { source, line, reject } in examples {
            let at = RejectAt { source: &clean(source), line: *line, reject };
            let _ = writeln!(text, "    {at}");
        }
    }
    if !survey.unpriced.is_empty() {
        let names = survey.unpriced.iter().take(MODELS_NAMED).map(|name| Visible(name).to_string());
        let more = survey.unpriced_overflowed || survey.unpriced.len() > MODELS_NAMED;
        let names = names.chain(more.then(|| "…".to_owned())).collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "models without a price: {names}");
    }
    text
}

/// Keys of which less is told than of all together: what one log tells of a key it need not tell of another.
fn write_keys(text: &mut String, survey: &Survey, rules: &Ruleset) {
    let together = rules.blind(survey.signals());
    let mut keys: Vec<(&str, String)> = Vec::new();
    for (hint, signals) in survey.keys.values() {
        let blind = rules.blind(*signals);
        if blind != together {
            keys.push((hint, blind.join(", ")));
        }
    }
    keys.sort_unstable();
    for (hint, blind) in keys.iter().take(KEYS_NAMED) {
        let _ = writeln!(text, "key {}\n  blind: {blind}", Visible(hint));
    }
    let others = keys.len().saturating_sub(KEYS_NAMED);
    if others > 0 {
        let or_more = if survey.keys_overflowed { " or more" } else { "" };
        let _ =
            writeln!(text, "{}{or_more} besides with blind detectors", count(others as u64, "key", "keys"));
    }
}

fn write_way(text: &mut String, path: &str, way: &Way, rules: &Ruleset) {
    let kinds = KINDS.iter().zip(way.records).filter(|(_, times)| *times > 0);
    let mut parts: Vec<String> = kinds.map(|((one, several), times)| count(times, one, several)).collect();
    for (times, what) in [(way.foreign, "passed over"), (way.rejected, "rejected")] {
        if times > 0 {
            parts.push(format!("{times} {what}"));
        }
    }
    let what = if parts.is_empty() { "no record".to_owned() } else { parts.join(", ") };
    let _ = writeln!(text, "{}\n  {}: {what}", Visible(path), count(way.lines, "line", "lines"));
    if let Some((first, last)) = way.span {
        let _ = writeln!(text, "  from {first} to {last}");
        let _ = writeln!(text, "  {}", senses(way.signals, rules));
    }
}

/// `tells model, cost; blind: unknown_source_ip`
fn senses(signals: crate::signal::Signals, rules: &Ruleset) -> String {
    let or_nothing = |names: Vec<&str>, nothing: &str| match names.len() {
        0 => nothing.to_owned(),
        _ => names.join(", "),
    };
    let tells = or_nothing(signals.names().collect(), "no signal");
    let blind = or_nothing(rules.blind(signals), "no detector");
    format!("tells {tells}\n  blind: {blind}")
}

fn count(times: u64, one: &str, several: &str) -> String {
    format!("{times} {}", if times == 1 { one } else { several })
}

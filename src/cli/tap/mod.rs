//! `keyhound tap`: records between the stages, one line of the input after the other. Every text has been cleaned of secrets.

mod json;
mod text;

use super::{Failure, check, clean, detect, exit, tell};
use crate::config::Plan;
use crate::decode::excerpt::Excerpt;
use crate::decode::{Leaf, NOBODY, Settings};
use crate::encode::Visible;
use crate::engine::survey::{Line, Survey};
use crate::engine::witness::{Seen, Witness};
use crate::key::KeyId;
use crate::record::{Batch, UsageRecord};
use crate::shard::Event;
use clap::{Args, ValueEnum};
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Debug, Args)]
pub(super) struct TapArgs {
    /// Files or quoted patterns to look into, one after the other, or `-` for standard input, which is also looked into if
    /// there are none
    #[arg(value_name = "FILE")]
    files: Vec<String>,
    /// The configuration of the run that is asked about
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only these stages
    #[arg(short, long, value_enum, value_name = "STAGE", value_delimiter = ',')]
    stage: Vec<Stage>,
    /// Only records of this key: as alerts show it (`...3f9c`), its alias, or the start of its `key_id`
    #[arg(short, long, value_name = "KEY")]
    key: Option<String>,
    /// Only what went through this format or wrapper (`keyhound formats`); `?` for what none claims
    #[arg(short, long, value_name = "NAME")]
    format: Option<String>,
    /// Only lines of which something could not be read
    #[arg(short, long)]
    rejected: bool,
    /// Stop after so many lines have been shown
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// `text` for people, `json` for one object a line and stage, `auto` for text on a terminal and else JSON
    #[arg(long, value_enum, default_value_t, value_name = "NAME")]
    encoding: Form,
    /// Do not say at the end how much was read and shown
    #[arg(short, long)]
    quiet: bool,
}

/// A place to look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Stage {
    /// The line as it was framed, its start
    Frame,
    /// Which wrappers were peeled off
    Unwrap,
    /// Which format it was, or why none
    Decode,
    /// The record as every later stage has it
    Normalise,
    /// What became of it, what detectors say, which are silent and which cannot see it
    Detect,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
enum Form {
    #[default]
    Auto,
    Text,
    Json,
}

/// Everything that is shown of one line.
struct Shown<'a> {
    source: &'a str,
    number: u64,
    bytes: usize,
    /// Its start, cleaned.
    start: &'a str,
    batch: &'a Batch,
    ways: Vec<&'a Leaf>,
    /// What became of records, in their order; those of other keys than the one that is asked for are left out.
    seen: Vec<&'a Seen>,
}

/// What writes it.
trait Show {
    fn line(&self, tap: &Tap<'_>, line: &Shown<'_>, out: &mut Vec<u8>);
    fn end(&self, tap: &Tap<'_>, seen: &[&Seen], out: &mut Vec<u8>);
}

/// What is looked for.
struct Tap<'a> {
    args: &'a TapArgs,
    plan: &'a Plan,
}

impl Tap<'_> {
    fn shows(&self, stage: Stage) -> bool {
        self.args.stage.is_empty() || self.args.stage.contains(&stage)
    }

    /// Whether a key is the one that is asked for, if one is.
    fn is_meant(&self, hint: &str, alias: &str, id: KeyId) -> bool {
        self.args.key.as_deref().is_none_or(|key| {
            // As short as alerts show it, and no shorter: else it would be any.
            let is_id = key.len() >= 4 && id.to_string().starts_with(&key.to_ascii_lowercase());
            key == hint || !alias.is_empty() && key == alias || is_id
        })
    }

    fn is_record_meant(&self, record: &UsageRecord, batch: &Batch) -> bool {
        self.is_meant(batch.text(record.key_hint), batch.text(record.key_alias), record.key)
    }

    fn is_event_meant(&self, event: &Event) -> bool {
        match event {
            Event::Alert(alert) => self.is_meant(&alert.key_hint, &alert.key_alias, alert.key),
            Event::Incident(one) => self.is_meant(&one.key_hint, &one.key_alias, one.key),
            Event::Use(_) | Event::Containment(_) => false,
        }
    }

    fn is_seen_meant(&self, seen: &Seen) -> bool {
        match &seen.record {
            Some((record, batch)) => self.is_record_meant(record, batch),
            None => seen.events.iter().any(|event| self.is_event_meant(event)),
        }
    }

    /// Whether only what came out of some lines is asked for.
    fn is_narrowed(&self) -> bool {
        self.args.rejected || self.args.format.is_some()
    }

    fn is_way_meant(&self, way: &Leaf, batch: &Batch) -> bool {
        let format = self.args.format.as_deref();
        let records = || batch.records.get(way.records.clone()).unwrap_or_default().iter();
        format.is_none_or(|name| way.path.split(" > ").any(|part| part == name))
            && (!self.args.rejected || way.rejected > 0)
            && (self.args.key.is_none() || records().any(|record| self.is_record_meant(record, batch)))
    }
}

/// The wrappers of a way, and the format behind them, if one claims it.
fn parts(way: &Leaf) -> (Vec<&str>, Option<&str>) {
    let mut wrappers: Vec<&str> = way.path.split(" > ").collect();
    let format = wrappers.pop().filter(|format| *format != NOBODY);
    (wrappers, format)
}

/// The detectors that cannot see a record, and those that say nothing of it.
fn quiet(tap: &Tap<'_>, record: &UsageRecord, events: &[Event]) -> (Vec<&'static str>, Vec<&'static str>) {
    let rules = &tap.plan.shard.rules;
    let blind = rules.blind(record.signals());
    let tells = |name: &str| {
        events.iter().any(|event| matches!(event, Event::Alert(alert) if alert.alert_type == name))
    };
    let names = rules.iter().map(|(detector, _)| detector.name);
    let silent = names.filter(|name| !blind.contains(name) && !tells(name)).collect();
    (blind, silent)
}

/// What became of a record.
fn outcome(seen: &Seen) -> &'static str {
    let counts = &seen.counts;
    match (counts.duplicate, counts.late, counts.untracked) {
        (1.., ..) => "duplicate",
        (0, 1.., _) => "late",
        (0, 0, 1..) => "untracked",
        (0, 0, 0) => "processed",
    }
}

pub(super) fn main(args: &TapArgs) -> Result<ExitCode, Failure> {
    let (_, plan) = check::load(args.config.as_deref())?;
    let tap = Tap { args, plan: &plan };
    let is_text = match args.encoding {
        Form::Auto => io::stdout().is_terminal(),
        form => form == Form::Text,
    };
    let show: &dyn Show = if is_text { &text::Text } else { &json::Json };
    let mut reading =
        Reading { tap: &tap, show, witness: Witness::new(&plan), out: io::stdout(), shown: 0, failed: None };
    let settings = Settings {
        rulebook: Arc::clone(&plan.rulebook),
        format: None,
        frame_bytes_max: plan.input.frame_bytes_max,
        keep_rejects: false,
    };
    let stdin = ["-".to_owned()];
    let names = if args.files.is_empty() { &stdin[..] } else { &args.files };
    let mut survey = Survey::default();
    let (mut is_broken, mut is_enough) = (false, false);
    for mut source in detect::sources(names)? {
        match survey.read(&mut *source, &settings, &mut |line| reading.line(line)) {
            Ok(is_complete) => is_enough |= !is_complete,
            Err(error) => {
                tell(&format!("keyhound: {}\n", Visible(&error.to_string())));
                is_broken = true;
            }
        }
        if is_enough {
            break;
        }
    }
    if !is_enough {
        reading.end();
    }
    if let Some(error) = reading.failed {
        return detect::gone(error);
    }
    if !args.quiet {
        tell(&format!("read {} lines, showed {}\n", survey.lines, reading.shown));
    }
    let is_nothing = !survey.rejects.is_empty() && !survey.has_records();
    Ok(match (is_broken, is_nothing) {
        (true, _) => ExitCode::from(exit::IO),
        (false, true) => ExitCode::from(exit::DATA),
        (false, false) => ExitCode::SUCCESS,
    })
}

struct Reading<'a> {
    tap: &'a Tap<'a>,
    show: &'a dyn Show,
    witness: Witness,
    out: io::Stdout,
    shown: u64,
    failed: Option<io::Error>,
}

impl Reading<'_> {
    /// Takes a line; `false` when enough has been seen.
    fn line(&mut self, line: &Line<'_>) -> bool {
        /// Bytes of a line that are shown.
        const START: usize = 400;
        // All of them are judged, shown or not: what is told of one follows from those before.
        let seen = self.witness.take(line.batch);
        let tap = self.tap;
        let ways: Vec<&Leaf> = line.ways.iter().filter(|way| tap.is_way_meant(way, line.batch)).collect();
        let is_here = |seen: &&Seen| match seen.index {
            Some(index) => ways.iter().any(|way| way.records.contains(&index)),
            None => !tap.is_narrowed(),
        };
        let seen: Vec<&Seen> = seen.iter().filter(|seen| tap.is_seen_meant(seen)).filter(is_here).collect();
        // Who asks for one key hears of it, too, when only time has passed or a half has found its other one.
        let tells = || {
            tap.args.key.is_some()
                && tap.shows(Stage::Detect)
                && seen.iter().any(|seen| !seen.events.is_empty())
        };
        if ways.is_empty() && !tells() {
            return true;
        }
        let source = clean(line.source);
        let start = Excerpt::new(line.text, 0, START).clean(&tap.plan.rulebook.redactor);
        let shown = Shown {
            source: &source,
            number: line.number,
            bytes: line.text.len(),
            start: &start,
            batch: line.batch,
            ways,
            seen,
        };
        let mut text = Vec::new();
        self.show.line(tap, &shown, &mut text);
        self.shown += u64::from(!text.is_empty());
        self.write(&text) && self.tap.args.limit.is_none_or(|limit| self.shown < limit)
    }

    fn end(&mut self) {
        if !self.tap.shows(Stage::Detect) || self.tap.is_narrowed() {
            return;
        }
        let seen = self.witness.end();
        let seen: Vec<&Seen> = seen.iter().filter(|seen| self.tap.is_seen_meant(seen)).collect();
        let mut text = Vec::new();
        self.show.end(self.tap, &seen, &mut text);
        self.write(&text);
    }

    fn write(&mut self, text: &[u8]) -> bool {
        let mut out = self.out.lock();
        match out.write_all(text).and_then(|()| out.flush()) {
            Ok(()) => true,
            Err(error) => {
                self.failed = Some(error);
                false
            }
        }
    }
}

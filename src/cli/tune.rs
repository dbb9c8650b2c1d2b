//! `keyhound tune`: which thresholds keep to a budget of false incidents?

use super::colour::Colour;
use super::replay::{self, Reading, Setup};
use super::{Failure, backtest, exit, print};
use crate::backtest::{Labels, Seen, Stolen, Which};
use crate::encode::Palette;
use crate::time::{DAY, Timestamp};
use crate::tune::{Curve, Kind, Point, Report, Span, propose, snippet, text};
use anyhow::anyhow;
use clap::Args;
use serde_json::json;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct TuneArgs {
    /// Your own records, in which nothing was stolen but what the labels say; files or quoted patterns, merged by event time
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<String>,
    /// How many false incidents a week all keys together may raise
    #[arg(long, value_name = "N")]
    false_per_week: f64,
    /// Thefts that are in the records, as for `keyhound backtest`: what is told of them is not false
    #[arg(short, long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Settings; every one has a default
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only what is told from this time on counts; what comes before is learned from
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// The format of all records, if it is not to be recognised
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
    /// Write everything as JSON to standard output instead of text
    #[arg(long)]
    json: bool,
    /// Colours
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Colour,
    /// No progress
    #[arg(short, long)]
    quiet: bool,
}

/// Runs with several thresholds, and what is the same in all of them.
struct Runs<'a> {
    args: &'a TuneArgs,
    setup: Setup,
    files: Vec<PathBuf>,
    labels: Labels,
    from: Timestamp,
    made: usize,
    /// Weeks, and days on which keys of each kind were used.
    weeks: f64,
    key_days: [u64; 2],
}

pub(super) fn main(args: &TuneArgs) -> Result<ExitCode, Failure> {
    let budget = args.false_per_week;
    if !budget.is_finite() || budget <= 0.0 {
        let error = anyhow!("--false-per-week is {budget}; a number above nought is expected, as 0.5");
        return Err(Failure::new(exit::USAGE, error));
    }
    let mut runs = Runs {
        args,
        setup: Setup::load(args.config.as_deref())?,
        files: replay::inputs(&args.inputs, Kind::Consumers.grid().len() + 1)?,
        labels: args.labels.as_deref().map_or_else(|| Ok(Labels::default()), backtest::read_labels)?,
        from: backtest::from(args.from.as_deref())?,
        made: 0,
        weeks: 0.0,
        key_days: [0; 2],
    };
    let set = runs.setup.thresholds();
    // Keys of the two kinds know nothing of each other's thresholds, so one run tells of both.
    let [consumers, habits] = Kind::ALL.map(Kind::grid);
    let mut points: [Vec<Point>; 2] = Default::default();
    for thresholds in consumers.into_iter().zip(habits).map(|(one, other)| [one, other]) {
        let told = runs.told(thresholds)?;
        for ((points, threshold), incidents) in points.iter_mut().zip(thresholds).zip(told) {
            points.push(Point { threshold, incidents });
        }
    }
    let [of_consumers, of_habits] = points;
    let curve = |place: usize, points| Curve {
        kind: Kind::ALL[place],
        set: set[place],
        points,
        span: Span { weeks: runs.weeks, key_days: runs.key_days[place] },
    };
    let curves = [curve(0, of_consumers), curve(1, of_habits)];
    let proposals = propose(&curves, budget);
    let told = runs.told(proposals.map(|proposal| proposal.threshold))?;
    let report = Report { curves: &curves, proposals, told, budget };
    if args.json {
        let told = json!({
            "budget": budget, "curves": curves, "proposals": proposals, "told": told,
            "toml": snippet(&report),
        });
        return print(&format!("{told}\n"));
    }
    print(&text(&report, Palette { colour: args.color.on(&io::stdout()) }))
}

impl Runs<'_> {
    /// How many incidents of each kind a run with these thresholds tells that no label explains.
    fn told(&mut self, thresholds: [f64; 2]) -> Result<[u64; 2], Failure> {
        self.setup.set_thresholds(thresholds);
        self.made += 1;
        if !self.args.quiet && io::stderr().is_terminal() {
            let of = Kind::Consumers.grid().len() + 1;
            super::tell(&format!("run {} of {of}\n", self.made));
        }
        let reading =
            Reading { files: &self.files, format: self.args.format.as_deref(), quiet: self.args.quiet };
        let stolen = Stolen::of(&self.labels);
        let (seen, _) = replay::listen(&self.setup, &reading, Which::Incidents, stolen)?;
        if self.made == 1 {
            self.measure(&seen)?;
        }
        let mut told = [0; 2];
        for ((key, _), opened) in &seen.opened {
            let is_false =
                opened.is_theft && opened.at >= self.from && !self.labels.explains(&seen, *key, opened.at);
            told[usize::from(opened.by_habits)] += u64::from(is_false);
        }
        Ok(told)
    }

    /// How long, and how much use.
    #[allow(clippy::cast_precision_loss, reason = "nanoseconds of a history")]
    fn measure(&mut self, seen: &Seen) -> Result<(), Failure> {
        let (first, last) = seen.span.unwrap_or_default();
        let first = first.max(self.from);
        if last <= first {
            let error = anyhow!("there is no record after {first}, which --from asks for");
            return Err(Failure::new(exit::DATA, error));
        }
        // A day of records is no week of them, but no less than a day.
        self.weeks = ((last.0 - first.0) as f64).max(DAY as f64) / (7.0 * DAY as f64);
        for key in seen.keys.values() {
            let days = key.days.iter().filter(|day| day.plus(DAY) > first).count();
            self.key_days[usize::from(key.thin)] += days as u64;
        }
        Ok(())
    }
}

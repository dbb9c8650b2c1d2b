//! `keyhound reconcile`: own logs against the provider's usage against its invoice.

use super::colour::Colour;
use super::replay::{self, Reading, Setup};
use super::{Failure, check, clean, exit, print, tell};
use crate::encode::{Palette, Visible};
use crate::normalise::Rulebook;
use crate::reconcile::{
    Amount, BillMaps, Book, By, Cause, Comparison, Decimals, Header, KeyNames, Limits, ROW_BYTES_MAX, Rates,
    Role, Settings, Tolerance, compare, csv, json, markdown, pairs, text,
};
use crate::source::Decompressor;
use crate::time::{Stamp, Timestamp, parse};
use anyhow::anyhow;
use clap::{Args, ValueEnum};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Longest file of names or maps that is read.
const FILE_MAX: u64 = 64 << 20;
/// Bad lines of a bill that are told.
const TOLD_MAX: u64 = 3;

#[derive(Debug, Args)]
pub(super) struct ReconcileArgs {
    /// Your own logs: of the gateway, the proxy or the program; `-` for standard input
    #[arg(long, value_name = "FILE", num_args = 1..)]
    logs: Vec<String>,
    /// What the provider says was used: OpenAI's and Anthropic's usage reports, activity of OpenRouter, …
    #[arg(long, value_name = "FILE", num_args = 1..)]
    usage: Vec<String>,
    /// What is billed: OpenAI's and Anthropic's costs, or CSV of AWS, Google, Azure or FOCUS
    #[arg(long, value_name = "FILE", num_args = 1..)]
    invoice: Vec<String>,
    /// What to tell apart: key, model, day (in UTC), team
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',', default_value = "key,model,day")]
    by: Vec<Dimension>,
    /// Which names mean one key, and whose it is (docs/reconcile.md)
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Records from this day or time on
    #[arg(long, value_name = "TIME", value_parser = stamp)]
    since: Option<Stamp>,
    /// Records before this day or time
    #[arg(long, value_name = "TIME", value_parser = stamp)]
    until: Option<Stamp>,
    /// Differences that are none: dollars, or percent of the larger side; the larger of both counts [default: 0.01 and 0.5%]
    #[arg(long, value_name = "AMOUNT")]
    tolerance: Vec<String>,
    /// How many hours the provider's report may be behind
    #[arg(long, value_name = "HOURS", default_value_t = 3, value_parser = clap::value_parser!(u32).range(..=24))]
    lag: u32,
    /// What a unit of another currency is in dollars, as EUR=1.08; it is never guessed
    #[arg(long, value_name = "CODE=DOLLARS")]
    rate: Vec<String>,
    /// How amounts of bills are written, where 1,234 may be read in two ways
    #[arg(long, value_enum, value_name = "MARK")]
    decimal: Option<Decimal>,
    /// Names of columns of other bills, in the form of config/bills.toml
    #[arg(long, value_name = "FILE")]
    bill_map: Option<PathBuf>,
    /// The configuration: its salt, prices and formats
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// JSON Lines instead of text
    #[arg(long)]
    json: bool,
    /// Write tables for a ticket to this file, too
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write all rows to this file, too
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Rows of text
    #[arg(long, value_name = "N", default_value_t = 20)]
    rows: usize,
    /// Cells of key, day and model that are told apart; what is beyond is one more
    #[arg(long, value_name = "N", default_value_t = Limits::default().cells)]
    cells_max: usize,
    /// Which rows make the exit code 1
    #[arg(long, value_enum, value_name = "WHAT", default_value_t)]
    fail_on: FailOn,
    /// Colours
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Colour,
    /// Nothing on standard error but errors
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Dimension {
    Key,
    Model,
    Day,
    Team,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Decimal {
    Point,
    Comma,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
enum FailOn {
    /// Any that do not agree
    #[default]
    Any,
    /// Those that nothing explains, and use outside the gateway
    Unexplained,
    /// Use outside the gateway
    Outside,
    /// None
    Never,
}

/// A time, or a day in UTC.
/// A time, or the beginning of a day in UTC.
pub(super) fn stamp(text: &str) -> Result<Stamp, String> {
    let day = format!("{text}T00:00:00Z");
    let text = if text.len() == 10 { &day } else { text };
    parse(text.as_bytes()).map_err(|error| error.to_string())
}

pub(super) fn main(args: &ReconcileArgs) -> Result<ExitCode, Failure> {
    let settings = Settings { by: by(&args.by), tolerance: tolerance(&args.tolerance)?, lag_hours: args.lag };
    let is_there = [!args.logs.is_empty(), !args.usage.is_empty(), !args.invoice.is_empty()];
    let pairs = pairs(is_there);
    if pairs.is_empty() {
        return Err(usage("two of --logs, --usage and --invoice are needed: one alone agrees with itself"));
    }
    let files = [&args.logs, &args.usage, &args.invoice];
    if files.iter().filter(|names| names.iter().any(|name| name == "-")).count() > 1 {
        return Err(usage("`-` stands twice: standard input is one thing"));
    }
    let (_, plan) = check::load(args.config.as_deref())?;
    let mut reader = Reader::new(args, Arc::clone(&plan.rulebook))?;
    // How far usage goes has to be known when logs are read.
    for role in [Role::Usage, Role::Logs, Role::Invoice] {
        reader.read(role, files[role as usize])?;
    }
    let Reader { book, rulebook, .. } = reader;
    // Of a bill in a currency without a rate there is nothing to compare.
    let is_told = |role: Role| book.extent(role).records > 0 || !book.has_foreign_money();
    let pairs = pairs.into_iter().filter(|(left, right)| is_told(*left) && is_told(*right));
    let compared: Vec<Comparison> =
        pairs.map(|pair| compare(&book, pair, &settings, &rulebook.prices)).collect();
    if let Some(path) = &args.markdown {
        write(path, &markdown(&book, &compared))?;
    }
    if let Some(path) = &args.csv {
        write(path, &csv(&compared))?;
    }
    if args.json {
        print(&json(&book, &compared))?;
    } else {
        let palette = Palette { colour: args.color.on(&io::stdout()) };
        print(&text(&book, &compared, settings.tolerance, args.rows, palette))?;
    }
    let found = compared.iter().flat_map(Comparison::findings).any(|row| counts(args.fail_on, row.cause));
    let is_partial = book.has_foreign_money() && matches!(args.fail_on, FailOn::Any | FailOn::Unexplained);
    Ok(if found || is_partial { ExitCode::from(exit::FINDINGS) } else { ExitCode::SUCCESS })
}

fn counts(fail_on: FailOn, cause: Cause) -> bool {
    match fail_on {
        FailOn::Any => true,
        FailOn::Unexplained => matches!(cause, Cause::OutsideGateway | Cause::Unexplained),
        FailOn::Outside => cause == Cause::OutsideGateway,
        FailOn::Never => false,
    }
}

fn usage(message: &'static str) -> Failure {
    Failure::new(exit::USAGE, anyhow!(message))
}

fn by(dimensions: &[Dimension]) -> By {
    let has = |wanted| dimensions.contains(&wanted);
    By {
        key: has(Dimension::Key),
        model: has(Dimension::Model),
        day: has(Dimension::Day),
        team: has(Dimension::Team),
    }
}

/// `0.05` dollars or `1%`, each once at most.
fn tolerance(texts: &[String]) -> Result<Tolerance, Failure> {
    let mut tolerance = Tolerance::default();
    for text in texts {
        let wrong = || {
            Failure::new(
                exit::USAGE,
                anyhow!(
                    "--tolerance {}: dollars such as 0.05 or a share such as 1% are expected",
                    Visible(text)
                ),
            )
        };
        let (number, digits) = text.strip_suffix('%').map_or((text.as_str(), 9), |share| (share, 4));
        let number = crate::json::Decimal::parse(number.trim().trim_start_matches('$').as_bytes());
        let number =
            number.and_then(|number| number.scaled(digits, 1_000_000_000_000_000)).map_err(|_| wrong())?;
        match digits {
            4 if number > 1_000_000 => return Err(wrong()),
            4 => tolerance.per_million = number.into(),
            _ => tolerance.nano = number.into(),
        }
    }
    Ok(tolerance)
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| failed(exit::IO, path, error))
}

pub(super) fn failed(code: u8, path: &Path, error: impl Into<anyhow::Error>) -> Failure {
    let error: anyhow::Error = error.into();
    Failure::new(code, error.context(path.display().to_string()))
}

/// Text of a small file.
fn read_text(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| failed(exit::NO_INPUT, path, error))?;
    file.take(FILE_MAX).read_to_string(&mut text).map_err(|error| failed(exit::NO_INPUT, path, error))?;
    Ok(text)
}

/// Reads files into a book.
struct Reader<'a> {
    args: &'a ReconcileArgs,
    setup: Setup,
    rulebook: Arc<Rulebook>,
    maps: BillMaps,
    rates: Rates,
    decimals: Decimals,
    book: Book,
}

impl<'a> Reader<'a> {
    fn new(args: &'a ReconcileArgs, rulebook: Arc<Rulebook>) -> Result<Self, Failure> {
        let rates = Rates::read(args.rate.iter().map(String::as_str))
            .map_err(|error| Failure::new(exit::USAGE, error))?;
        let own =
            args.bill_map.as_deref().map(|path| Ok::<_, Failure>((path, read_text(path)?))).transpose()?;
        let maps = BillMaps::with(own.as_ref().map(|(_, text)| text.as_str()));
        let maps = maps.map_err(|error| {
            failed(exit::CONFIG, own.as_ref().map_or(Path::new("bills"), |(path, _)| path), error)
        })?;
        let names = args.keys.as_deref().map(|path| {
            let shown = |text: &str| rulebook.redactor.clean(text.as_bytes());
            KeyNames::read(&read_text(path)?, &rulebook.namer, shown)
                .map_err(|error| failed(exit::CONFIG, path, error))
        });
        let names = names.transpose()?.unwrap_or_default();
        let limits = Limits { cells: args.cells_max, ..Limits::default() };
        let since = args.since.map_or(Timestamp::MIN, |stamp| stamp.at);
        let within = (since, args.until.map_or(Timestamp::MAX, |stamp| stamp.at));
        let decimals = match args.decimal {
            None => Decimals::Auto,
            Some(Decimal::Point) => Decimals::Point,
            Some(Decimal::Comma) => Decimals::Comma,
        };
        let setup = Setup::of_records(args.config.as_deref())?;
        Ok(Self { args, setup, maps, rates, decimals, book: Book::new(limits, names, within), rulebook })
    }

    /// Reads all files of one role.
    fn read(&mut self, role: Role, names: &[String]) -> Result<(), Failure> {
        if names.is_empty() {
            return Ok(());
        }
        let files = replay::inputs(names, 1)?;
        let (mut bills, mut records) = (Vec::new(), Vec::new());
        for path in &files {
            match (role == Role::Invoice).then(|| Bill::open(path, &self.maps)).transpose()?.flatten() {
                Some(bill) => bills.push(bill),
                None => records.push(path.clone()),
            }
        }
        for bill in bills {
            self.bill(bill)?;
        }
        let mut rejected = 0;
        if !records.is_empty() || files.is_empty() {
            rejected = self.records(role, &records)?;
        }
        let extent = self.book.extent(role);
        if extent.records == 0 && extent.outside == 0 && !self.book.has_foreign_money() {
            let error = match extent.other_kind {
                0 => anyhow!(
                    "--{}: no record ({rejected} lines rejected); `keyhound formats --detect` says why",
                    role.name()
                ),
                count => anyhow!(
                    "--{}: {count} records of another kind, none of its own: bills belong to --invoice, and only they do",
                    role.name()
                ),
            };
            return Err(Failure::new(exit::DATA, error));
        }
        if rejected > 0 && !self.args.quiet {
            tell(&format!(
                "keyhound: --{}: {rejected} lines rejected; `keyhound formats --detect` says why\n",
                role.name()
            ));
        }
        Ok(())
    }

    /// Reads records by the pipeline.
    fn records(&mut self, role: Role, files: &[PathBuf]) -> Result<u64, Failure> {
        let reading = Reading { files, format: None, quiet: self.args.quiet };
        let Self { book, rulebook, .. } = self;
        let outcome = replay::replay(&self.setup, &reading, |told| {
            for run in told.runs() {
                for record in run.batch.records.get(run.range.clone()).unwrap_or_default() {
                    book.add(role, record, &run.batch, &rulebook.prices);
                }
            }
        })?;
        Ok(outcome.totals.rejected())
    }

    /// Reads a bill of a cloud.
    fn bill(&mut self, mut bill: Bill) -> Result<(), Failure> {
        let (mut number, mut bad, mut rows) = (1_u64, 0_u64, 0_u64);
        while bill.next_row().map_err(|error| failed(exit::IO, &bill.path, error))? {
            number += 1;
            if bill.row.trim_ascii().is_empty() {
                continue;
            }
            match bill.header.read(&bill.row, self.decimals, &self.rates) {
                Ok(Amount::Line(line)) => {
                    let name = if line.key.is_empty() { "no-key" } else { line.key.as_str() };
                    let hint = self.hint(name);
                    self.book.add_line(
                        &line,
                        self.rulebook.namer.id(name.as_bytes()),
                        &hint,
                        &self.rulebook.prices,
                    );
                }
                Ok(Amount::Foreign(currency, nano)) => self.book.foreign(&currency, nano),
                Ok(Amount::Other) => self.book.skip_line(),
                Err(why) => {
                    bad += 1;
                    if bad <= TOLD_MAX && !self.args.quiet {
                        let path = clean(&bill.path.display().to_string());
                        tell(&format!(
                            "keyhound: {}: row {number}: {}\n",
                            Visible(&path),
                            Visible(&clean(&why))
                        ));
                    }
                    continue;
                }
            }
            rows += 1;
        }
        if rows == 0 {
            let error = anyhow!(
                "a bill ({}) without a row that can be read, and {bad} that cannot",
                bill.header.name
            );
            return Err(failed(exit::DATA, &bill.path, error));
        }
        if bad > 0 && !self.args.quiet {
            tell(&format!(
                "keyhound: {}: {bad} rows could not be read and do not count\n",
                Visible(&clean(&bill.path.display().to_string()))
            ));
        }
        Ok(())
    }

    /// What may be shown of whoever a line is billed to.
    fn hint(&self, name: &str) -> String {
        let mut hint = Vec::new();
        // What names a resource is no secret, however long it is; a secret in it is.
        if self.rulebook.redactor.finds(name.as_bytes()) {
            crate::key::write_hint(name.as_bytes(), &mut hint);
            return String::from_utf8_lossy(&hint).into_owned();
        }
        name.to_owned()
    }
}

/// A bill of a cloud that is being read.
struct Bill {
    path: PathBuf,
    header: Header,
    rest: BufReader<Box<dyn Read>>,
    row: Vec<u8>,
}

impl Bill {
    /// The bill in a file, if its first line is the header of one.
    fn open(path: &Path, maps: &BillMaps) -> Result<Option<Self>, Failure> {
        // What is no file comes once, and is read as records.
        if !std::fs::metadata(path).is_ok_and(|found| found.is_file()) {
            return Ok(None);
        }
        let file = File::open(path).map_err(|error| failed(exit::NO_INPUT, path, error))?;
        let Ok(reader) = Decompressor::new(file) else { return Ok(None) };
        let mut rest = BufReader::new(Box::new(reader) as Box<dyn Read>);
        let mut line = Vec::new();
        if (&mut rest).take(ROW_BYTES_MAX as u64).read_until(b'\n', &mut line).is_err() {
            return Ok(None);
        }
        let header = maps.header(line.trim_ascii_end());
        Ok(header.map(|header| Self { path: path.to_owned(), header, rest, row: Vec::new() }))
    }

    /// Reads the next row, over several lines where quotes say so; one that is too long ends there.
    fn next_row(&mut self) -> io::Result<bool> {
        self.row.clear();
        loop {
            let room = (ROW_BYTES_MAX + 1).saturating_sub(self.row.len()) as u64;
            let read = (&mut self.rest).take(room).read_until(b'\n', &mut self.row)?;
            let quotes = memchr::memchr_iter(b'"', &self.row).count();
            if read == 0 || quotes.is_multiple_of(2) || self.row.len() > ROW_BYTES_MAX {
                return Ok(!self.row.is_empty());
            }
        }
    }
}

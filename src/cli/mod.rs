//! The command line: one file per subcommand.

mod backtest;
mod check;
mod colour;
mod contain;
mod detect;
mod discreet;
mod explain;
mod formats;
mod guarantees;
mod inventory;
mod investigate;
mod manual;
mod pack;
mod pages;
mod probe;
mod pull;
mod reconcile;
mod reload;
mod replay;
mod respond;
mod run;
mod say;
mod send_test;
mod shadow;
mod simulate;
mod tables;
mod tap;
mod top;
#[cfg(feature = "trace")]
mod trace_leak;
mod tune;

use crate::encode::Visible;
use crate::engine::sandbox;
use crate::record::Statement;
use clap::{Parser, Subcommand};
pub use discreet::clean;
use std::fmt;
use std::io;
use std::process::ExitCode;

/// Exit codes: those of grep for what was found, those of sysexits for what went wrong.
pub mod exit {
    /// Alerts at least as severe as `--fail-on` asks for.
    pub const FINDINGS: u8 = 1;
    /// A command line that cannot be used.
    pub const USAGE: u8 = 2;
    /// An input in which nothing can be read.
    pub const DATA: u8 = 65;
    /// An input that is not there or cannot be opened.
    pub const NO_INPUT: u8 = 66;
    /// Something outside that is needed and not to be had, such as an address in use.
    pub const UNAVAILABLE: u8 = 69;
    /// A mistake of ours.
    pub const INTERNAL: u8 = 70;
    /// Reading or writing failed.
    pub const IO: u8 = 74;
    /// A configuration that cannot be used.
    pub const CONFIG: u8 = 78;
    /// Ended at once by a signal.
    pub const KILLED: u8 = 130;
}

/// Catches a stolen AI-provider API key in your usage logs, seconds after the first stolen dollar.
#[derive(Debug, Parser)]
#[command(name = "keyhound", version, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read usage records and give alerts
    Run(Box<run::RunArgs>),
    /// Watch what goes on, live in a terminal: of a running keyhound, or of records that are read here
    Top(top::TopArgs),
    /// Say whether a configuration is sound; opens nothing else unless asked to send a test
    Check(check::CheckArgs),
    /// Have a run read its configuration again: checked first, put in force between two records, or refused as a whole
    Reload(reload::ReloadArgs),
    /// List the record formats and the wrappers around them, or tell those of some files
    Formats(formats::FormatsArgs),
    /// Look at records between the stages: as framed, unwrapped, decoded, normalised, and what detectors say
    Tap(tap::TapArgs),
    /// Tell what a run promises between its input and its output, and why
    Guarantees(Box<guarantees::GuaranteesArgs>),
    /// Say that an incident is a theft
    Confirm(say::VerdictArgs),
    /// Say that an incident is none, and why: whoever it was is the owner's
    Dismiss(say::VerdictArgs),
    /// Say that somebody new is expected at a key: a deployment, a journey, a load test
    Annotate(say::AnnotateArgs),
    /// Say what is not to be told of a key for a while
    Suppress(say::SuppressArgs),
    /// Say that a key was revoked: any use of it from then on is told
    Revoke(say::RevokeArgs),
    /// Say what became of a stolen key: who used it, what was done, what it cost, whether it is over
    Investigate(Box<investigate::InvestigateArgs>),
    /// List and undo what was done about stolen keys by itself
    Contain(contain::ContainArgs),
    /// Say what to do about a stolen key, step by step, and keep the proof of what was done when
    Respond(respond::RespondArgs),
    /// Say how good a configuration would have been on labelled records
    Backtest(Box<backtest::BacktestArgs>),
    /// Say why an incident was told, to the number
    Explain(Box<explain::ExplainArgs>),
    /// Propose thresholds for a number of false incidents a week
    Tune(Box<tune::TuneArgs>),
    /// Write labelled traffic that never was, to try things with
    Simulate(simulate::SimulateArgs),
    /// Ask a provider's API for usage, and write what it tells to standard output
    Pull(Box<pull::PullArgs>),
    /// Hold the keys that providers and files list against the keys that records use, and say what is wrong
    Inventory(Box<inventory::InventoryArgs>),
    /// Send canary prompts, and say whether the answers are what they should be, in time and at their price
    Probe(Box<probe::ProbeArgs>),
    /// Compare your own logs with the provider's usage and its invoice, and say why they differ
    Reconcile(Box<reconcile::ReconcileArgs>),
    /// Make packs of evidence, signed, and redacted so that the rest can still be proved
    Pack(pack::PackArgs),
    /// Say whether a pack of evidence is what it was
    Verify(pack::VerifyArgs),
    /// Find where a key has leaked: in git history, files, archives and logs
    #[cfg(feature = "trace")]
    TraceLeak(Box<trace_leak::TraceLeakArgs>),
    /// List the detectors
    Detectors {
        /// As a page in Markdown, the one of the manual
        #[arg(long)]
        markdown: bool,
    },
    /// Write shell completions to standard output
    Completions {
        /// The shell they are for
        shell: clap_complete::Shell,
    },
    /// Write the manual page to standard output
    Man,
}

/// An error with the exit code it deserves.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// What happened, and why.
    pub error: anyhow::Error,
}

impl Failure {
    fn new(code: u8, error: impl Into<anyhow::Error>) -> Self {
        Self { code, error: error.into() }
    }
}

impl fmt::Display for Failure {
    /// One line, in which nothing from outside acts: names of files and settings may be anybody's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "keyhound: {}", Visible(&format!("{:#}", self.error)))
    }
}

/// Writes to standard error, without secrets. That nobody can be told is no reason to end differently.
pub fn tell(text: &str) {
    use io::Write;
    let _ = discreet::Stderr.write_all(text.as_bytes());
}

/// Runs a command line to its end.
pub fn main(cli: Cli) -> Result<ExitCode, Failure> {
    if !matches!(&cli.command, Command::Run(args) if args.keeps_rights()) {
        // Logs are read that hold secrets: none of it is to lie about in a core file.
        sandbox::hide();
    }
    match cli.command {
        Command::Run(args) => run::main(*args),
        Command::Top(args) => top::main(&args),
        Command::Check(args) => check::main(&args),
        Command::Reload(args) => reload::main(&args),
        Command::Investigate(args) => investigate::main(&args),
        Command::Formats(args) => formats::main(&args),
        Command::Tap(args) => tap::main(&args),
        Command::Guarantees(args) => print(&guarantees::main(&args)?),
        Command::Confirm(args) => say::verdict(Statement::Confirm, &args),
        Command::Dismiss(args) => say::verdict(Statement::Dismiss, &args),
        Command::Annotate(args) => say::annotate(&args),
        Command::Suppress(args) => say::suppress(&args),
        Command::Revoke(args) => say::revoke(&args),
        Command::Contain(args) => contain::main(&args),
        Command::Respond(args) => respond::main(&args),
        Command::Backtest(args) => backtest::main(&args),
        Command::Explain(args) => explain::main(&args),
        Command::Tune(args) => tune::main(&args),
        Command::Simulate(args) => simulate::main(&args),
        Command::Pull(args) => pull::main(&args),
        Command::Inventory(args) => inventory::main(&args),
        Command::Probe(args) => probe::main(&args),
        Command::Reconcile(args) => reconcile::main(&args),
        Command::Pack(args) => pack::main(&args),
        Command::Verify(args) => pack::verify(&args),
        #[cfg(feature = "trace")]
        Command::TraceLeak(args) => trace_leak::main(&args),
        Command::Detectors { markdown: false } => print(&tables::detectors()),
        Command::Detectors { markdown: true } => print(&pages::detectors()),
        Command::Completions { shell } => print(&manual::completions(shell)),
        Command::Man => print(&manual::page().map_err(|error| Failure::new(exit::INTERNAL, error))?),
    }
}

/// Writes to standard output; a reader that has gone is no error.
fn print(text: &str) -> Result<ExitCode, Failure> {
    use io::Write;
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(exit::IO, error)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

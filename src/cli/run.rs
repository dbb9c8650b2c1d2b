//! `keyhound run`: read usage records and give alerts.

mod contained;
mod inputs;
mod needs;

use super::colour::Colour;
use super::discreet::Stderr;
use super::shadow::ShadowArgs;
use super::{Failure, check, exit, guarantees, tell};
use crate::config::{ApiConfig, Config, ListenConfig, Plan, PostConfig, SinkPlan, all_sinks};
use crate::decode::Formats;
use crate::detect::Severity;
use crate::encode::{self, Palette, Terminal, Visible};
use crate::engine::listen::{ListenError, ProbingError};
use crate::engine::reload::Reload;
use crate::engine::{
    self, EgressError, Inputs, Options, Outcome, Output, Progress, Rendering, RunError, StoreError,
};
use crate::source::{self, PathError, expand};
use anyhow::anyhow;
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, ValueEnum};
use inputs::{describe, inputs, standard_input};
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

/// More threads than any machine we know has use for; each holds a few megabytes.
const THREADS_MAX: i64 = 256;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Files or quoted patterns to read, `-` for standard input, which is also read if there are none
    #[arg(value_name = "FILE")]
    inputs: Vec<String>,
    /// Settings; every one has a default
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Read the topics of `[kafka]` in the configuration and write alerts to its topic, until stopped
    #[arg(long, conflicts_with_all = ["inputs", "history", "follow", "output", "rejects", "encoding", "threads", "fail_on", "state", "journal", "listen", "shadow"], requires = "config")]
    kafka: bool,
    /// Learn baselines from these files first. Of several names the last is the input if no other is given
    /// (`--history last-month/*.jsonl today.jsonl`; `-` for standard input)
    #[arg(long, value_name = "FILE", num_args = 1..)]
    history: Vec<String>,
    /// Follow the files for ever, through rotation, like `tail -F`; patterns may match files that come later
    #[arg(short, long)]
    follow: bool,
    /// Read the journal instead of files, as `journalctl` shows it with these arguments (`--journal '-u assistant'`; ''
    /// for all of it), and what is written to it from then on
    #[arg(long, value_name = "ARGUMENTS", conflicts_with_all = ["inputs", "follow"], allow_hyphen_values = true)]
    journal: Option<String>,
    /// Take records that are posted to this address (127.0.0.1:9600, or `systemd` for a socket that it has opened) by HTTP:
    /// JSON as shippers send it, Splunk HEC, OTLP (docs/listen.md; `[listen]` in the configuration says more)
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with_all = ["inputs", "follow", "journal"])]
    listen: Option<String>,
    /// The format of all records, if it is not to be recognised
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
    /// Append alerts to a file instead of writing them to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Post alerts to this address, too, as JSON Lines, until it takes them (docs/http.md; `[post]` in the configuration
    /// says more, such as where the token is)
    #[arg(long, value_name = "URL")]
    post: Option<String>,
    /// How alerts are written: `text` for people at a terminal, `auto` for that where there is one and else `json`, or what
    /// a receiver expects (docs/siem.md)
    #[arg(long, default_value = "auto", value_name = "NAME", value_parser = encodings())]
    encoding: String,
    /// Append what could not be read to a file, cleaned of secrets
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Keep checkpoints in this folder, and go on from the last one: nothing is lost or told twice over a crash or a
    /// restart, and the end of the inputs is not the end of their days
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Serve /metrics, /healthz and /readyz, say on 127.0.0.1:9598
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<SocketAddr>,
    /// Serve a look inside, read-only (docs/api.md): a page at / and JSON at /api/v1, say on 127.0.0.1:9601; `[api]` in the configuration
    /// says more
    #[arg(long, value_name = "ADDRESS:PORT")]
    api: Option<SocketAddr>,
    /// Listen at this path for `keyhound reload`, which has the configuration read again
    #[arg(long, value_name = "SOCKET", requires = "config")]
    control: Option<PathBuf>,
    #[command(flatten)]
    shadow: ShadowArgs,
    #[command(flatten)]
    sandbox: needs::SandboxArgs,
    /// Exit with 1 if there is an alert at least this severe
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<FailOn>,
    /// Decoding threads and shards; 0 for as many as there are processors
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=THREADS_MAX))]
    threads: u16,
    /// Colours
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Colour,
    /// Only errors on standard error, no summary, no progress bar
    #[arg(short, long)]
    quiet: bool,
    /// How messages on standard error are written
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
}

/// The names of encodings, and of what a terminal shows.
fn encodings() -> PossibleValuesParser {
    let named = |name: &'static str, help: &'static str| PossibleValue::new(name).help(help);
    let people = [named("auto", "Text on a terminal, JSON Lines elsewhere"), named("text", "For people")];
    let machines = encode::ENCODINGS.iter().map(|encoding| named(encoding.name, encoding.summary));
    PossibleValuesParser::new(people.into_iter().chain(machines))
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum FailOn {
    Low,
    Medium,
    High,
    Critical,
}

impl From<FailOn> for Severity {
    fn from(severity: FailOn) -> Self {
        match severity {
            FailOn::Low => Self::Low,
            FailOn::Medium => Self::Medium,
            FailOn::High => Self::High,
            FailOn::Critical => Self::Critical,
        }
    }
}

/// The place of the format of this name.
pub(super) fn format(name: &str, formats: &Formats) -> Result<usize, Failure> {
    formats.find(name).ok_or_else(|| {
        let known = formats.iter().map(|format| &*format.name).collect::<Vec<_>>().join(", ");
        Failure::new(exit::USAGE, anyhow!("no format is called `{name}`; there are {known}"))
    })
}

impl RunArgs {
    /// The configuration, if one is named.
    pub(super) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// Whether the state is kept.
    pub(super) fn keeps_state(&self) -> bool {
        self.state.is_some()
    }

    /// Whether topics are read.
    pub(super) fn reads_kafka(&self) -> bool {
        self.kafka
    }

    /// Whether files are followed.
    pub(super) fn follows(&self) -> bool {
        self.follow
    }

    /// Whether more than one file may be followed.
    pub(super) fn follows_several(&self) -> bool {
        self.follow && (self.inputs.len() > 1 || self.inputs.iter().any(|name| source::is_pattern(name)))
    }

    /// The file for rejects, if there is one.
    pub(super) fn rejects(&self) -> Option<&Path> {
        self.rejects.as_deref()
    }

    /// Whether metrics are served.
    pub(super) fn serves_metrics(&self) -> bool {
        self.metrics.is_some()
    }

    /// Whether the journal is read.
    pub(super) fn reads_journal(&self) -> bool {
        self.journal.is_some()
    }

    /// Whether records are posted: files that are named go before the configuration.
    pub(super) fn listens(&self, plan: &Plan) -> bool {
        self.listen.is_some() || plan.listen.is_some() && !self.names_input()
    }

    fn names_input(&self) -> bool {
        !self.inputs.is_empty() || self.follow || self.journal.is_some() || self.kafka
    }

    /// Where records are posted to, if they are: the address of the command line goes before that of `[listen]`.
    fn listening(&self, config: &Config, plan: &mut Plan) -> Result<(), Failure> {
        if let Some(address) = &self.listen {
            let listen = ListenConfig { address: address.clone(), ..config.listen.clone() };
            let told = |error| Failure::new(exit::USAGE, anyhow!("--listen: {error}"));
            plan.listen = listen.plan().map_err(told)?;
            if plan.listen.is_none() {
                return Err(Failure::new(exit::USAGE, anyhow!("--listen: an address is expected")));
            }
        } else if self.names_input() && plan.listen.take().is_some() {
            tracing::info!("`listen.address` is not used: another input is named");
        }
        Ok(())
    }

    /// Whether there is nothing but what is pulled, and what canary prompts say.
    pub(super) fn only_pulls(&self, plan: &Plan) -> bool {
        let has_some = !plan.sources.is_empty() || !plan.probes.is_empty() && inputs::is_device();
        has_some && !self.names_input() && !self.listens(plan)
    }

    /// Whether what is read can be read only once.
    pub(super) fn reads_pipe(&self) -> bool {
        let is_stdin = self.inputs.is_empty() || self.inputs == ["-"];
        !self.follow && is_stdin && matches!(standard_input(self), Inputs::Stdin)
    }

    /// The sinks: the address of the command line goes before that of `[post]`.
    pub(super) fn sinks(&self, config: &Config, plan: &Plan) -> Result<Vec<Arc<SinkPlan>>, Failure> {
        let Some(url) = &self.post else { return Ok(plan.sinks.clone()) };
        let post = PostConfig { url: url.clone(), ..config.post.clone() };
        all_sinks(&Config { post, ..config.clone() })
            .map_err(|error| Failure::new(exit::USAGE, anyhow!("--post: {error}")))
    }

    /// Lets somebody look inside: the address of the command line goes before that of `[api]`.
    fn look_inside(&self, config: &Config, plan: &mut Plan) -> Result<(), Failure> {
        let Some(address) = self.api else { return Ok(()) };
        let api = ApiConfig { listen: address.to_string(), ..config.api.clone() };
        plan.api = api.plan().map_err(|error| Failure::new(exit::USAGE, anyhow!("--api: {error}")))?;
        plan.pace();
        Ok(())
    }

    /// The file for alerts, if there is one.
    pub(super) fn output(&self) -> Option<&Path> {
        self.output.as_deref()
    }
}

pub(super) fn main(mut args: RunArgs) -> Result<ExitCode, Failure> {
    start_log(&args);
    let (config, mut plan) = check::load(args.config.as_deref())?;
    plan.sinks = args.sinks(&config, &plan)?;
    args.listening(&config, &mut plan)?;
    args.look_inside(&config, &mut plan)?;
    for (_, promise) in guarantees::between_topics(&args, &plan, &plan.sinks) {
        guarantees::require(config.checkpoint.require, &promise)?;
    }
    let shadow = args.shadow.options(&config)?;
    let reload = reload(&args, config.clone());
    if args.kafka {
        return kafka(&args, plan, reload);
    }
    // `--history *.zst today.jsonl`: the shell has made one list of both.
    if args.inputs.is_empty() && plan.listen.is_none() && args.history.len() > 1 {
        args.inputs.extend(args.history.pop());
    }
    for (_, promise) in guarantees::promises(&args, &plan, &plan.sinks) {
        guarantees::require(config.checkpoint.require, &promise)?;
    }
    let poll = Duration::from_millis(config.input.poll_ms.into());
    let inputs = match plan.listen.take() {
        Some(listen) => Inputs::Posted(Arc::new(listen)),
        None => inputs(&args, poll, &plan)?,
    };
    let history = files(&args.history)?;
    if !history.is_empty() && !args.quiet {
        let inputs = describe(&inputs);
        tracing::info!("learning from {} history files, then reading {}", history.len(), Visible(&inputs));
    }
    let contain = contained::of(&args, &plan, &inputs)?;
    needs::enter(&args, &plan, Some(&inputs));
    let progress = progress(&args, &history, &inputs);
    let threads = match args.threads {
        0 => available_parallelism().map_or(1, usize::from),
        threads => threads.into(),
    };
    let rendering = rendering(&args);
    let named = args.format.as_deref().map(|name| format(name, &plan.rulebook.formats)).transpose()?;
    let options = Options {
        sources: plan.sources.clone(),
        probes: inputs::probes(&inputs, &plan),
        plan,
        history,
        inputs,
        format: named,
        output: args.output.clone().map_or(Output::Stdout, Output::File),
        rendering,
        rejects: args.rejects.clone(),
        metrics: args.metrics,
        decoders: threads,
        shards: engine::shards(threads),
        progress,
        state: args.state.clone(),
        reload,
        look: None,
        shadow,
        contain,
    };
    let outcome = block_on(engine::run(options))?;
    finish(&args, &outcome)
}

/// Where another configuration comes from, and who may ask for it. A hangup of a terminal is not meant so: it ends the run.
fn reload(args: &RunArgs, config: Config) -> Reload {
    Reload {
        config: args.config.clone().map(|path| (path, Box::new(config))),
        control: args.control.clone(),
        by_signal: !io::stderr().is_terminal(),
    }
}

/// Runs from Kafka to Kafka.
#[cfg(feature = "kafka")]
fn kafka(args: &RunArgs, mut plan: Plan, reload: Reload) -> Result<ExitCode, Failure> {
    if let Some(source) = plan.sources.first() {
        let message = format!(
            "`{}` is set, but with --kafka records come from topics only: have `keyhound pull` write to one (docs/pull.md)",
            source.place
        );
        return Err(Failure::new(exit::CONFIG, anyhow!(message)));
    }
    contained::none(&plan)?;
    if let Some(probe) = plan.probes.first() {
        let message = format!(
            "`{}` is set, but with --kafka records come from topics only: have `keyhound probe --format json` write to one \
             (docs/probe.md)",
            probe.place
        );
        return Err(Failure::new(exit::CONFIG, anyhow!(message)));
    }
    let Some(kafka) = plan.kafka.take() else {
        let message =
            "`kafka.bootstrap_servers` is not set: the configuration says nothing of Kafka (docs/kafka.md)";
        return Err(Failure::new(exit::CONFIG, anyhow!(message)));
    };
    let format = args.format.as_deref().map(|name| format(name, &plan.rulebook.formats)).transpose()?;
    needs::enter(args, &plan, None);
    let options = engine::kafka::KafkaOptions { plan, kafka, format, metrics: args.metrics, reload };
    let outcome = block_on(engine::kafka::run(options))?;
    finish(args, &outcome)
}

#[cfg(not(feature = "kafka"))]
pub(super) const WITHOUT_KAFKA: &str =
    "this keyhound was built without Kafka: build it with the feature `kafka`, which is on by default";

#[cfg(not(feature = "kafka"))]
fn kafka(_: &RunArgs, _: Plan, _: Reload) -> Result<ExitCode, Failure> {
    Err(Failure::new(exit::UNAVAILABLE, anyhow!(WITHOUT_KAFKA)))
}

/// Runs something to its end.
pub(super) fn block_on<T>(run: impl Future<Output = Result<T, RunError>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(exit::INTERNAL, error))?;
    let outcome = runtime.block_on(run);
    // Threads that wait for a pipe cannot be asked to stop.
    runtime.shutdown_background();
    outcome.map_err(failure)
}

fn finish(args: &RunArgs, outcome: &Outcome) -> Result<ExitCode, Failure> {
    if !args.quiet {
        tell(&engine::summary(&outcome.totals, outcome.took, engine::peak_bytes()));
        outcome.shadow.iter().for_each(|told| tell(told));
    }
    Ok(verdict(outcome, args.fail_on))
}

fn verdict(outcome: &Outcome, fail_on: Option<FailOn>) -> ExitCode {
    let found = fail_on.is_some_and(|limit| outcome.worst >= Some(limit.into()));
    match (outcome.totals.failed_inputs, found) {
        (1.., _) => ExitCode::from(exit::IO),
        (0, true) => ExitCode::from(exit::FINDINGS),
        (0, false) => ExitCode::SUCCESS,
    }
}

fn failure(error: RunError) -> Failure {
    let code = match &error {
        RunError::OwnInput { .. } => exit::USAGE,
        RunError::Posting(ListenError::Socket(_) | ListenError::Identity(..)) => exit::CONFIG,
        RunError::Listen { .. }
        | RunError::Posting(_)
        | RunError::Control(_)
        | RunError::State(StoreError::InUse { .. }) => exit::UNAVAILABLE,
        RunError::State(StoreError::Io { .. }) => exit::IO,
        RunError::State(StoreError::Salt { .. }) => exit::CONFIG,
        RunError::State(_) => exit::DATA,
        RunError::Start(_) | RunError::Egress(EgressError::Died) => exit::INTERNAL,
        RunError::Open { .. } | RunError::Egress(_) | RunError::Drain | RunError::Undelivered { .. } => {
            exit::IO
        }
        RunError::Journal(_) => exit::IO,
        RunError::Probing(error) => probing(error),
        RunError::Source { .. }
        | RunError::Containment(_)
        | RunError::Sink { .. }
        | RunError::OtherForm { .. } => exit::CONFIG,
        RunError::Killed => exit::KILLED,
        #[cfg(feature = "kafka")]
        RunError::Kafka(engine::kafka::KafkaError::Setting(_)) => exit::CONFIG,
        #[cfg(feature = "kafka")]
        RunError::Kafka(error) if error.is_of_settings() => exit::CONFIG,
        #[cfg(feature = "kafka")]
        RunError::Kafka(error) if error.is_of_state() => exit::DATA,
        #[cfg(feature = "kafka")]
        RunError::Kafka(_) => exit::UNAVAILABLE,
    };
    Failure::new(code, error)
}

/// What cannot be done about canary prompts.
const fn probing(error: &ProbingError) -> u8 {
    match error {
        ProbingError::Trust(..) => exit::CONFIG,
        ProbingError::Book(error) => super::probe::code(error),
        ProbingError::Health(_) => exit::INTERNAL,
    }
}

fn no_input(error: PathError) -> Failure {
    Failure::new(exit::NO_INPUT, error)
}

/// Files that are there and can be read.
pub(super) fn files(names: &[String]) -> Result<Vec<PathBuf>, Failure> {
    let paths = expand(names, false).map_err(no_input)?;
    source::check(&paths).map_err(no_input)?;
    Ok(paths)
}

fn rendering(args: &RunArgs) -> Rendering {
    let to_terminal = args.output.is_none() && io::stdout().is_terminal();
    let name = match args.encoding.as_str() {
        "auto" if to_terminal => "text",
        "auto" => encode::NATIVE.name,
        name => name,
    };
    if let Some(encoding) = encode::encoding(name) {
        return Rendering::Encoded(encoding);
    }
    let colour = args.output.is_none() && args.color.on(&io::stdout());
    Rendering::Terminal(Box::new(Terminal::new(Palette { colour })))
}

/// A bar where somebody waits for something with an end.
fn progress(args: &RunArgs, history: &[PathBuf], inputs: &Inputs) -> Progress {
    let Inputs::Files(paths) = inputs else { return Progress::none() };
    if args.quiet || !io::stderr().is_terminal() {
        return Progress::none();
    }
    let sizes = history.iter().chain(paths).filter_map(|path| std::fs::metadata(path).ok());
    Progress::of(sizes.map(|metadata| metadata.len()).sum())
}

fn start_log(args: &RunArgs) {
    let level = if args.quiet { tracing::Level::ERROR } else { tracing::Level::INFO };
    let colour = args.color.on(&io::stderr());
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(|| Stderr).with_target(false);
    // It would complain about standard error on standard error, and panic where there is none.
    let log = log.log_internal_errors(false);
    // A second logger cannot be set, which only matters to tests that call this twice.
    let _ = match args.log_format {
        LogFormat::Json => log.json().flatten_event(true).try_init(),
        LogFormat::Text if io::stderr().is_terminal() => log.with_ansi(colour).without_time().try_init(),
        LogFormat::Text => log.with_ansi(colour).try_init(),
    };
}

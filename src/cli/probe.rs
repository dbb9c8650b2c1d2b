//! `keyhound probe`: canary prompts, each sent once, and whether the answers are what they should be.

use super::{Failure, check, clean, exit, tell};
use crate::config::{Config, ExpectConfig, Plan, ProbeConfig, ProbePlan};
use crate::encode::Visible;
use crate::engine::clock::now;
use crate::probe::{BookError, Kept, Line, Plea, Probe, Verdict, dialect};
use anyhow::anyhow;
use clap::{Args, ValueEnum};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Debug, Args)]
pub(super) struct ProbeArgs {
    /// Which of `[probes]` in the configuration, if not all; or openai, anthropic or gemini with --model, without a configuration
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// The configuration with the `[probes]`
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The model that is asked
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Where the API is, if not where the provider has it
    #[arg(long, value_name = "URL", requires = "model")]
    url: Option<String>,
    /// A file with the key, or `credential:NAME` for one that systemd has laid out; no key is taken from the command line
    #[arg(long, value_name = "FILE", requires = "model")]
    key_file: Option<PathBuf>,
    /// A program that writes the key to its standard output, with its arguments, divided at blanks; started without a shell
    #[arg(long, value_name = "COMMAND", requires = "model", conflicts_with = "key_file")]
    key_command: Option<String>,
    /// Certificates to trust, in PEM, instead of those of the system
    #[arg(long, value_name = "FILE", requires = "model")]
    ca_file: Option<PathBuf>,
    /// What is asked, if not for a pong
    #[arg(long, value_name = "TEXT", requires = "model")]
    prompt: Option<String>,
    /// A regular expression that has to fit the answer
    #[arg(long, value_name = "PATTERN", requires = "model")]
    matches: Option<String>,
    /// Remember in this folder how long answers take and what they cost, so that percentiles and caps hold from one time to the
    /// next
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// A table for people, or lines of JSON, which `keyhound run` reads (docs/probe.md)
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    format: Form,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
enum Form {
    #[default]
    Text,
    Json,
}

pub(super) fn main(args: &ProbeArgs) -> Result<ExitCode, Failure> {
    let (plan, probes) = probes(args)?;
    let mut kept = Kept::open(args.state.as_deref()).map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(exit::INTERNAL, error))?;
    let mut told = Vec::new();
    for probe in probes {
        let probe = Probe::new(&probe, &plan.rulebook).map_err(|error| Failure::new(exit::CONFIG, error))?;
        let verdict = runtime.block_on(once(&probe, &mut kept, args.format))?;
        told.push((Arc::clone(&probe.plan), verdict));
    }
    if args.format == Form::Text {
        write(table(&told).as_bytes())?;
    }
    let verdicts = || told.iter().filter_map(|(_, verdict)| verdict.as_ref());
    if verdicts().any(|verdict| verdict.outcome.is_failure() && !verdict.outcome.is_answer()) {
        return Ok(ExitCode::from(exit::UNAVAILABLE));
    }
    let is_well = verdicts().all(|verdict| !verdict.outcome.is_failure());
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(exit::FINDINGS) })
}

/// Asks once, and says so as it goes; `None` where the cap holds it back.
async fn once(probe: &Probe, kept: &mut Kept, form: Form) -> Result<Option<Verdict>, Failure> {
    let (plan, at) = (&probe.plan, now());
    let plea = probe.begin(kept.page(&plan.name), at).map_err(|error| Failure::new(exit::INTERNAL, error))?;
    // What is spent is known before it is: whoever ends this in the middle has spent it all the same.
    kept.save().map_err(failed)?;
    let marker = match plea {
        Plea::Ask(marker) => marker,
        Plea::Hold(_) => {
            let spent = kept.page(&plan.name).spent(at).usd();
            tell(&format!(
                "keyhound: {}: not asked: ${spent:.6} was spent today, and another answer may cost more than `cost_cap_usd_per_day` \
                 leaves\n",
                Visible(&plan.place)
            ));
            return Ok(None);
        }
    };
    let say = |line: &Line<'_>| {
        let mut out = Vec::new();
        line.write(&mut out);
        if form == Form::Json { write(&out) } else { Ok(()) }
    };
    say(&Line::asked(plan, &marker, at))?;
    let verdict = probe.ask(kept.page(&plan.name), marker).await;
    kept.save().map_err(failed)?;
    say(&Line::told(plan, &verdict))?;
    Ok(Some(verdict))
}

/// Writes to standard output at once; a reader that has gone is no error.
fn write(text: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(exit::IO, error)),
        _ => Ok(()),
    }
}

fn failed(error: BookError) -> Failure {
    Failure::new(code(&error), error)
}

/// The exit code where what is remembered cannot be had.
pub(super) const fn code(error: &BookError) -> u8 {
    match error {
        BookError::InUse(_) => exit::UNAVAILABLE,
        BookError::Io { .. } => exit::IO,
        BookError::Damaged { .. } => exit::DATA,
    }
}

const HEAD: [&str; 8] = ["probe", "outcome", "status", "latency", "first text", "tokens", "cost", "model"];

/// What came of all of them, for people.
fn table(told: &[(Arc<ProbePlan>, Option<Verdict>)]) -> String {
    let rows: Vec<[String; 8]> = told.iter().map(|(plan, verdict)| row(plan, verdict.as_ref())).collect();
    let head = HEAD.map(str::to_owned);
    let width =
        |at: usize| [&head].into_iter().chain(&rows).map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut text = String::new();
    for row in [&head].into_iter().chain(&rows) {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    for (plan, verdict) in told {
        let failures = verdict.iter().map(Verdict::words).filter(|words| !words.is_empty());
        for words in failures {
            let _ = writeln!(text, "{}: {}", plan.name, Visible(&clean(&words)));
        }
    }
    text
}

fn row(plan: &ProbePlan, verdict: Option<&Verdict>) -> [String; 8] {
    let none = || "-".to_owned();
    let name = plan.name.to_string();
    let Some(verdict) = verdict else {
        return [name, "capped".to_owned(), none(), none(), none(), none(), none(), none()];
    };
    let reply = &verdict.reply;
    let count = |tokens: Option<u64>| tokens.map_or_else(none, |tokens| tokens.to_string());
    let model = &reply.answer.model;
    [
        name,
        verdict.outcome.label().to_owned(),
        reply.status.map_or_else(none, |status| status.to_string()),
        format!("{} ms", reply.latency.as_millis()),
        reply.first_token.map_or_else(none, |first| format!("{} ms", first.as_millis())),
        format!("{}/{}", count(reply.answer.input()), count(reply.answer.output())),
        format!("${:.6}", verdict.cost.usd()),
        if model.is_empty() { none() } else { Visible(&clean(model)).to_string() },
    ]
}

/// What is asked: the probes that are named, all of the configuration, or the one that the command line describes.
fn probes(args: &ProbeArgs) -> Result<(Plan, Vec<Arc<ProbePlan>>), Failure> {
    let (config, plan) = check::load(args.config.as_deref())?;
    if let Some(model) = &args.model {
        let probe = described(args, &config, model)?;
        let name = &args.names[0];
        let made = ProbePlan::new(name, &["probe"], &probe, &plan.rulebook.prices);
        let made = made.map_err(|error| Failure::new(exit::CONFIG, error))?;
        return Ok((plan, vec![Arc::new(made)]));
    }
    let mut probes = Vec::new();
    for name in &args.names {
        let found = plan.probes.iter().find(|probe| *probe.name == **name);
        probes.push(Arc::clone(found.ok_or_else(|| unknown(name, &config))?));
    }
    if args.names.is_empty() {
        probes.clone_from(&plan.probes);
    }
    if probes.is_empty() {
        let told = "there is nobody to ask: `[probes]` of a configuration (-c), or openai, anthropic or gemini with --model";
        return Err(Failure::new(exit::USAGE, anyhow!(told)));
    }
    Ok((plan, probes))
}

fn unknown(name: &str, config: &Config) -> Failure {
    if dialect::find(name).is_some() {
        return Failure::new(exit::USAGE, anyhow!("--model is missing: which model of `{name}` is asked?"));
    }
    let known: Vec<&str> = config.probes.keys().map(String::as_str).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Failure::new(exit::USAGE, anyhow!("no probe is called `{name}`; the configuration has {known}"))
}

/// The one that the command line describes.
fn described(args: &ProbeArgs, config: &Config, model: &str) -> Result<ProbeConfig, Failure> {
    let [name] = &args.names[..] else {
        return Err(Failure::new(
            exit::USAGE,
            anyhow!("--model goes with one name: openai, anthropic, gemini"),
        ));
    };
    if config.probes.contains_key(name) {
        let told = format!("`{name}` is a probe of the configuration, which names its model");
        return Err(Failure::new(exit::USAGE, anyhow!(told)));
    }
    let usual = ProbeConfig::default();
    let command = args.key_command.iter().flat_map(|command| command.split_ascii_whitespace());
    Ok(ProbeConfig {
        kind: name.clone(),
        model: model.to_owned(),
        url: args.url.clone().unwrap_or_default(),
        prompt: args.prompt.clone().unwrap_or(usual.prompt),
        key_file: args.key_file.clone().unwrap_or_default(),
        key_command: command.map(str::to_owned).collect(),
        ca_file: args.ca_file.clone().unwrap_or_default(),
        expect: ExpectConfig { matches: args.matches.clone().unwrap_or_default(), ..ExpectConfig::default() },
        ..ProbeConfig::default()
    })
}

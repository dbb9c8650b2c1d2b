//! `keyhound check`: is this configuration sound?

use super::{Failure, clean, exit, print, send_test};
use crate::config::{self, Config, ContainPlan, Plan, ProbePlan, SinkPlan, SourcePlan};
use crate::encode::Visible;
use crate::networks::{Loaded, Networks};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// What no sink can be called.
const ALL: &str = "all sinks";

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The configuration; without one, the defaults are checked
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Send a message that is plainly a test to this sink, or to all of them, and say what came of it
    #[arg(long, value_name = "SINK", num_args = 0..=1, default_missing_value = ALL)]
    send_test: Option<String>,
}

pub(super) fn main(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let (config, plan) = load(args.config.as_deref())?;
    #[cfg(feature = "kafka")]
    if let Some(kafka) = &plan.kafka {
        crate::engine::kafka::check(kafka).map_err(|error| Failure::new(exit::CONFIG, error))?;
    }
    if let Some(listen) = &plan.listen {
        crate::engine::listen::check(listen).map_err(|error| Failure::new(exit::CONFIG, error))?;
    }
    for source in &plan.sources {
        crate::net::trust::config(&source.trust()).map_err(|error| Failure::new(exit::CONFIG, error))?;
    }
    for rule in plan.contain.iter().flat_map(|contain| &contain.rules) {
        crate::net::trust::config(&rule.trust()).map_err(|error| Failure::new(exit::CONFIG, error))?;
    }
    for probe in &plan.probes {
        crate::net::trust::config(&probe.trust()).map_err(|error| Failure::new(exit::CONFIG, error))?;
    }
    for sink in &plan.sinks {
        (sink.kind.open)(sink, None).map_err(|error| {
            let name = format!("sink `{}`", sink.name);
            Failure::new(exit::CONFIG, anyhow::Error::new(error).context(name))
        })?;
    }
    if let Some(name) = &args.send_test {
        return send_test::main(&plan.sinks, Some(name.as_str()).filter(|name| *name != ALL));
    }
    let name = args.config.as_ref().map_or_else(|| "defaults".to_owned(), |path| path.display().to_string());
    let detectors: Vec<&str> = plan.shard.rules.iter().map(|(detector, _)| detector.name).collect();
    let name = clean(&name);
    let name = Visible(&name);
    print(&format!(
        "{name}: sound\n  detectors: {}\n  prices: {} models\n  keys with settings of their own: {}\n  default zone: {}\n  networks: {}\n  sources: {}\n  probes: {}\n  sinks: {}\n  containment: {}\n",
        detectors.join(", "),
        plan.rulebook.prices.len(),
        config.key.len(),
        config.timezone,
        Visible(&clean(&networks(&plan.networks))),
        sources(&plan.sources),
        probes(&plan.probes),
        sinks(&plan.sinks),
        contain(plan.contain.as_deref()),
    ))
}

/// Who is asked for usage.
fn sources(sources: &[Arc<SourcePlan>]) -> String {
    if sources.is_empty() {
        return "none".to_owned();
    }
    let told = |source: &Arc<SourcePlan>| {
        let endpoints = source.endpoint_names().collect::<Vec<_>>().join(" ");
        let (kind, every) = (&source.description.name, source.every.as_secs());
        format!("{} ({kind}, {}, every {every} s: {endpoints})", source.name, source.shown())
    };
    Visible(&clean(&sources.iter().map(told).collect::<Vec<_>>().join(", "))).to_string()
}

/// What is done about keys by itself.
fn contain(plan: Option<&ContainPlan>) -> String {
    let Some(plan) = plan else { return "none".to_owned() };
    let rules: Vec<String> = plan.rules.iter().map(|rule| rule.summary()).collect();
    let told = format!("{}; at most {} actions in 24 hours", rules.join(", then "), plan.per_day);
    Visible(&clean(&told)).to_string()
}

/// Who is sent canary prompts.
fn probes(probes: &[Arc<ProbePlan>]) -> String {
    if probes.is_empty() {
        return "none".to_owned();
    }
    let told = |probe: &Arc<ProbePlan>| {
        let (kind, every) = (probe.dialect.name, probe.every.as_secs());
        format!("{} ({kind}, {}, every {every} s: {})", probe.name, probe.shown(), probe.model)
    };
    Visible(&clean(&probes.iter().map(told).collect::<Vec<_>>().join(", "))).to_string()
}

/// Where events go besides the usual output.
fn sinks(sinks: &[Arc<SinkPlan>]) -> String {
    if sinks.is_empty() {
        return "none".to_owned();
    }
    let told = |sink: &Arc<SinkPlan>| format!("{} ({}, {})", sink.name, sink.form(), sink.shown());
    Visible(&clean(&sinks.iter().map(told).collect::<Vec<_>>().join(", "))).to_string()
}

/// What is known of networks, and which file told how much.
fn networks(networks: &Networks) -> String {
    if networks.files().is_empty() {
        return "no tables".to_owned();
    }
    let (ranges, named) = networks.counts();
    let file = |Loaded { file, format, ranges, overlaps }: &Loaded| match overlaps {
        0 => format!("{file} ({format}, {ranges} ranges)"),
        _ => format!("{file} ({format}, {ranges} ranges, {overlaps} of them inside others)"),
    };
    let files: Vec<String> = networks.files().iter().map(file).collect();
    format!("{named} with a name, {ranges} ranges, from {}", files.join(", "))
}

/// The configuration in `path`, or the defaults, and what follows from it.
pub(super) fn load(path: Option<&Path>) -> Result<(Config, Plan), Failure> {
    let failed = |error| Failure::new(exit::CONFIG, error);
    let Some(path) = path else {
        return Ok((Config::default(), Plan::default_plan().map_err(failed)?));
    };
    let name = path.display().to_string();
    let text = config::read_text(path)
        .map_err(|error| Failure::new(exit::CONFIG, anyhow::Error::new(error).context(name.clone())))?;
    let config = Config::parse(&name, &text).map_err(failed)?;
    let plan = Plan::new(&config, &name, &text).map_err(failed)?;
    Ok((config, plan))
}

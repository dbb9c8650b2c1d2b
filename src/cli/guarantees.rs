//! `keyhound guarantees`: what a run with these arguments promises, and why.

use super::run::RunArgs;
use super::{Failure, check, exit};
use crate::config::{Plan, SinkPlan};
use crate::engine::guarantee::{self, Level, Promise, Reading, Writing, promise};
use anyhow::anyhow;
use clap::Args;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

#[derive(Debug, Args)]
pub(super) struct GuaranteesArgs {
    /// The arguments of `keyhound run`, none of which is opened
    #[command(flatten)]
    run: RunArgs,
}

/// What it tells.
pub(super) fn main(args: &GuaranteesArgs) -> Result<String, Failure> {
    let (config, plan) = check::load(args.run.config())?;
    let sinks = args.run.sinks(&config, &plan)?;
    let between = between_topics(&args.run, &plan, &sinks);
    let (from, promises) = if between.is_empty() {
        (name(from(&args.run, &plan)), promises(&args.run, &plan, &sinks))
    } else {
        ("Kafka", between)
    };
    let mut texts = Vec::new();
    for (target, promise) in promises {
        require(config.checkpoint.require, &promise)?;
        texts.push(told((from, &target), &promise));
    }
    Ok(texts.join("\n") + &beside(&args.run, &plan))
}

/// What is promised of what is no alert.
fn beside(args: &RunArgs, plan: &Plan) -> String {
    let mut text = String::new();
    if let Some(path) = args.rejects() {
        let rejects = guarantee::rejects(from(args, plan), writing(path), args.keeps_state());
        let _ = write!(text, "\nrejects: {}\n", wrapped(rejects, "  "));
    }
    if !plan.sources.is_empty() && from(args, plan) != Reading::Pulled {
        let _ = write!(text, "\nsources: {}\n", wrapped(guarantee::sources(args.keeps_state()), "  "));
    }
    if !plan.probes.is_empty() {
        let _ = write!(text, "\nprobes: {}\n", wrapped(guarantee::probes(args.keeps_state()), "  "));
    }
    if args.serves_metrics() {
        let _ = write!(text, "\nmetrics: {}\n", wrapped(guarantee::METRICS, "  "));
    }
    text
}

/// What is promised to each output, by its name.
pub(super) fn promises(args: &RunArgs, plan: &Plan, sinks: &[Arc<SinkPlan>]) -> Vec<(String, Promise)> {
    let from = from(args, plan);
    let output = to(args);
    let sinks = sinks.iter().map(|sink| (called(sink), Writing::Sink(sink.hears())));
    let outputs = [(target(output).to_owned(), output)].into_iter().chain(sinks);
    outputs.map(|(name, to)| (name, promise(from, to, args.keeps_state()))).collect()
}

/// What is promised from Kafka to Kafka and to each sink, if that is what is asked.
pub(super) fn between_topics(args: &RunArgs, plan: &Plan, sinks: &[Arc<SinkPlan>]) -> Vec<(String, Promise)> {
    let Some(kafka) = plan.kafka.as_ref().filter(|_| args.reads_kafka()) else { return Vec::new() };
    let topics = guarantee::between_topics(kafka.guarantee, kafka.repartition);
    let of_sink = |sink: &Arc<SinkPlan>| (called(sink), guarantee::from_topic(sink.hears()));
    [("Kafka".to_owned(), topics)].into_iter().chain(sinks.iter().map(of_sink)).collect()
}

fn called(sink: &SinkPlan) -> String {
    format!("sink `{}` ({})", sink.name, sink.kind.name)
}

/// Refuses what promises less than is required.
pub(super) fn require(level: Level, promise: &Promise) -> Result<(), Failure> {
    if level <= promise.level {
        return Ok(());
    }
    let more = promise.more.map_or(String::new(), |more| format!(" For more: {more}."));
    let error = anyhow!(
        "`checkpoint.require` asks for {level}, and this is {}: {}{more}",
        promise.level,
        promise.why
    );
    Err(Failure::new(exit::CONFIG, error))
}

pub(super) fn from(args: &RunArgs, plan: &Plan) -> Reading {
    if args.listens(plan) {
        return Reading::Posted;
    }
    if args.only_pulls(plan) {
        return Reading::Pulled;
    }
    // What is pulled, and what canary prompts say, comes beside it in an order of its own.
    let beside = !plan.sources.is_empty() || !plan.probes.is_empty();
    if beside && (args.follows() || args.reads_journal()) {
        return Reading::FollowedTogether;
    }
    if args.reads_journal() {
        return Reading::Journal;
    }
    match (args.follows(), args.reads_pipe()) {
        (true, _) if args.follows_several() => Reading::FollowedTogether,
        (true, _) => Reading::Followed,
        (false, true) => Reading::Pipe,
        (false, false) => Reading::Files,
    }
}

pub(super) fn to(args: &RunArgs) -> Writing {
    args.output().map_or(Writing::Pipe, writing)
}

fn writing(path: &Path) -> Writing {
    let is_file = std::fs::metadata(path).map_or(true, |found| found.is_file());
    if is_file { Writing::File } else { Writing::Pipe }
}

fn name(from: Reading) -> &'static str {
    match from {
        Reading::Pipe => "standard input",
        Reading::Files => "files",
        Reading::Followed => "a followed file",
        Reading::FollowedTogether => "followed inputs",
        Reading::Journal => "the journal",
        Reading::Posted => "what is posted",
        Reading::Pulled => "what is pulled",
    }
}

fn target(to: Writing) -> &'static str {
    match to {
        Writing::File => "a file",
        Writing::Pipe => "standard output",
        Writing::Sink(_) => "a sink",
    }
}

fn told((from, to): (&str, &str), promise: &Promise) -> String {
    let mut text = format!("{from} → {to}: {}\n{}\n", promise.level, wrapped(promise.why, ""));
    text.push_str("not covered:\n");
    for except in promise.except {
        let _ = writeln!(text, "- {}", wrapped(except, "  "));
    }
    if let Some(more) = promise.more {
        let _ = writeln!(text, "for more: {}", wrapped(more, "  "));
    }
    text
}

/// In lines that fit a terminal.
fn wrapped(text: &str, indent: &str) -> String {
    const WIDTH: usize = 96;
    let (mut out, mut width) = (String::new(), indent.len());
    for word in text.split_ascii_whitespace() {
        if width + word.len() >= WIDTH {
            let _ = write!(out, "\n{indent}");
            width = indent.len();
        } else if !out.is_empty() {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += word.len();
    }
    out
}

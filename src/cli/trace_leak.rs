//! `keyhound trace-leak`: where has a key leaked?

use super::check::load;
use super::{Failure, exit, print, tell};
use crate::key::{KeyId, KeyNamer};
use crate::normalise::Rulebook;
use crate::trace::git::Options;
use crate::trace::report::Renderer;
use crate::trace::{Confidence, Matcher, Query, Request, TraceError, trace};
use anyhow::anyhow;
use clap::{Args, ValueEnum};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::available_parallelism;

/// Longest file of keys that is read.
const KEY_FILE_MAX: u64 = 1 << 20;
/// Shorter keys would be found everywhere.
const KEY_MIN: usize = 12;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct TraceLeakArgs {
    /// Git repositories, folders and files, archives among them; - is standard input, for logs of pipelines. The folder you
    /// are in if none is named
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Look for the keys in this file, one in a line; - is standard input. Without it and --fingerprint, for whatever has the
    /// form of a key
    #[arg(long, value_name = "FILE", conflicts_with = "fingerprints")]
    key_file: Option<PathBuf>,
    /// Look for the key with this `key_id`, as alerts tell it, or this SHA-256 in hexadecimal digits
    #[arg(long = "fingerprint", value_name = "HEX")]
    fingerprints: Vec<String>,
    /// The settings with the salt that made the `key_id`
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Tell what is at least so sure
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "medium")]
    min_confidence: Level,
    /// Tell of objects, too, to which no commit leads any more
    #[arg(long)]
    unreachable: bool,
    /// Only the history of repositories, not the files of their working trees
    #[arg(long, conflicts_with = "no_history")]
    no_files: bool,
    /// Only files, not the history of repositories
    #[arg(long)]
    no_history: bool,
    /// Threads that read; as many as there are processors if it is not said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// A line of JSON for each key instead of text
    #[arg(long)]
    json: bool,
    /// End with exit code 1 if a key was found
    #[arg(long, value_enum, value_name = "WHAT")]
    fail_on: Option<FailOn>,
    /// No closing remarks on standard error
    #[arg(short, long)]
    quiet: bool,
}

/// How sure it has to be.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    /// Everything, placeholders among it
    Low,
    /// What looks random where a key would stand
    Medium,
    /// What has the form in which its provider hands out keys
    High,
    /// What has a checksum that is right
    Certain,
}

impl From<Level> for Confidence {
    fn from(level: Level) -> Self {
        match level {
            Level::Low => Self::Low,
            Level::Medium => Self::Medium,
            Level::High => Self::High,
            Level::Certain => Self::Certain,
        }
    }
}

/// When to end with exit code 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum FailOn {
    /// If a key was found
    Found,
}

pub(super) fn main(args: &TraceLeakArgs) -> Result<ExitCode, Failure> {
    let (_, plan) = load(args.config.as_deref())?;
    let Rulebook { namer, redactor, .. } = &*plan.rulebook;
    let internal = |error: anyhow::Error| Failure::new(exit::INTERNAL, error);
    let request = request(args)?;
    let matcher = Matcher::new(query(args, namer)?, namer.clone()).map_err(|error| internal(error.into()))?;
    let is_input = args.paths.iter().any(|path| path == Path::new("-"));
    let mut stdin = io::stdin().lock();
    let input: Option<&mut dyn Read> = if is_input { Some(&mut stdin) } else { None };
    let report = trace(&matcher, &request, input).map_err(|error| {
        let code = match error {
            TraceError::Path { .. } => exit::NO_INPUT,
            TraceError::Repository { .. } => exit::DATA,
        };
        Failure::new(code, anyhow!("{}", matcher.conceal(&redactor.clean(error.to_string().as_bytes()))))
    })?;
    let renderer = Renderer::new(&matcher, redactor);
    if args.json {
        print(&renderer.json(&report).map_err(|error| internal(error.into()))?)?;
    } else {
        print(&renderer.text(&report))?;
    }
    if !args.quiet {
        tell(&renderer.closing(&report, request.options.min));
    }
    let found = args.fail_on == Some(FailOn::Found) && !report.findings.is_empty();
    Ok(if found { ExitCode::from(exit::FINDINGS) } else { ExitCode::SUCCESS })
}

fn request(args: &TraceLeakArgs) -> Result<Request, Failure> {
    let mut paths: Vec<PathBuf> = args.paths.iter().filter(|path| *path != Path::new("-")).cloned().collect();
    let is_key_input = args.key_file.as_deref() == Some(Path::new("-"));
    if args.paths.len() > paths.len() && is_key_input {
        let error = anyhow!("`-` stands twice: keys and texts cannot both come from standard input");
        return Err(Failure::new(exit::USAGE, error));
    }
    if args.paths.is_empty() {
        paths.push(PathBuf::from("."));
    }
    let processors = available_parallelism().map_or(1, usize::from);
    let options = Options {
        threads: args.threads.map_or(processors, usize::from),
        min: args.min_confidence.into(),
        unreachable: args.unreachable,
    };
    Ok(Request { paths, history: !args.no_history, files: !args.no_files, options })
}

fn query(args: &TraceLeakArgs, namer: &KeyNamer) -> Result<Query, Failure> {
    if let Some(path) = &args.key_file {
        return Ok(Query::Keys(keys(path)?));
    }
    if args.fingerprints.is_empty() {
        return Ok(Query::Patterns);
    }
    let id = |digits: &String| {
        let is_hash = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hash { Some(namer.id(digits.as_bytes())) } else { KeyId::parse(digits.as_bytes()) }
    };
    let ids: Option<Vec<KeyId>> = args.fingerprints.iter().map(id).collect();
    ids.map(Query::Ids).ok_or_else(|| {
        let error = anyhow!(
            "--fingerprint: 32 hexadecimal digits are expected, as alerts tell them, or 64 of a SHA-256; a key itself goes into a file for --key-file"
        );
        Failure::new(exit::USAGE, error)
    })
}

/// The keys in a file. What is wrong with it is told without its content.
fn keys(path: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let failed =
        |error: io::Error| Failure::new(exit::NO_INPUT, anyhow::Error::new(error).context(name.clone()));
    let reader: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(failed)?)
    };
    let mut text = Vec::new();
    reader.take(KEY_FILE_MAX).read_to_end(&mut text).map_err(failed)?;
    let mut keys: Vec<Vec<u8>> = text
        .split(|byte| *byte == b'\n')
        .map(|line| line.trim_ascii().to_vec())
        .filter(|key| !key.is_empty())
        .collect();
    keys.sort();
    keys.dedup();
    if keys.is_empty() || keys.iter().any(|key| key.len() < KEY_MIN) {
        let error = anyhow!("{name}: keys of at least {KEY_MIN} characters are expected, one in a line");
        return Err(Failure::new(exit::DATA, error));
    }
    Ok(keys)
}

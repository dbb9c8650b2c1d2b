//! `keyhound pull`: usage from a provider's API, as it tells it, on standard output.

use super::reconcile::stamp;
use super::{Failure, check, clean, exit, tell};
use crate::config::{Config, SourceConfig, SourcePlan};
use crate::encode::Visible;
use crate::engine::clock::now;
use crate::pull::{Cursor, Health, Over, Parcel, PullError, Round, builtin};
use crate::time::{DAY, MINUTE, SECOND, Timestamp};
use anyhow::anyhow;
use clap::Args;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What can be asked; a test holds it against the descriptions.
const PROVIDER: &str = "openai_usage, openai_costs, openai_audit, anthropic_usage, anthropic_cost, anthropic_activity, openrouter_activity, \
                        litellm_spend, litellm_activity; lists of keys: openai_keys, anthropic_keys, openrouter_keys, \
                        litellm_keys; a name of `[sources]` in the configuration, or a file that describes \
                        an API (docs/pull.md)";

#[derive(Debug, Args)]
pub(super) struct PullArgs {
    #[arg(value_name = "PROVIDER", help = PROVIDER)]
    provider: String,
    /// From this day or time on, or so long ago: a number and m, h or d; lists of keys have no time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Up to this day or time [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// The configuration, whose `[sources]` may be named
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A file with the key, or `credential:NAME` for one that systemd has laid out; no key is taken from the command line
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// A program that writes the key to its standard output, with its arguments, divided at blanks; started without a shell
    #[arg(long, value_name = "COMMAND", conflicts_with = "key_file")]
    key_command: Option<String>,
    /// Where the API is, if not where the provider has it
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// What is asked, of several divided by commas [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    endpoint: Vec<String>,
    /// The width of buckets: 1m, 1h or 1d, where the API has several [default: the smallest]
    #[arg(long, value_name = "WIDTH")]
    width: Option<String>,
    /// Certificates to trust, in PEM, instead of those of the system
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Only errors on standard error
    #[arg(short, long)]
    quiet: bool,
}

pub(super) fn main(args: &PullArgs) -> Result<ExitCode, Failure> {
    let plan = Arc::new(plan(args)?);
    let until = args.until.unwrap_or_else(now).min(now());
    let since = match args.since {
        Some(since) => since,
        None if plan.description.time.from.is_empty() => until.minus(SECOND),
        None => return Err(Failure::new(exit::USAGE, anyhow!("--since is missing: from when on?"))),
    };
    if until <= since {
        return Err(Failure::new(exit::USAGE, anyhow!("there is no time between --since and --until")));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(exit::INTERNAL, error))?;
    let health = Arc::new(Health::new(&plan.name, plan.endpoint_names()));
    let mut round = Round::new(&plan, Cursor::default(), &health, &CancellationToken::new())
        .map_err(|error| Failure::new(exit::CONFIG, error))?;
    let mut unwritten = None;
    let mut write = async |parcel: Parcel| {
        io::stdout().lock().write_all(&parcel.lines).map_err(|error| {
            unwritten = Some(error);
            Over
        })
    };
    let done = runtime.block_on(round.run(since, until, &mut write));
    match (done, unwritten) {
        // A reader that has gone is no error.
        (_, Some(error)) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(exit::IO, error)),
        (Err(Over), _) | (_, Some(_)) => Ok(ExitCode::SUCCESS),
        (Ok(failed), None) => Ok(told(args, &health, &failed)),
    }
}

/// Says what came of it. What could be read was written, whatever could not.
fn told(args: &PullArgs, health: &Health, failed: &[PullError]) -> ExitCode {
    let mut text = String::new();
    for error in failed {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "keyhound: {}", Visible(&clean(&error.to_string())));
    }
    if !args.quiet {
        for endpoint in &health.endpoints {
            let [rows, _, repeated] = endpoint.rows();
            let outcome = if endpoint.is_failing() { ", not all that there is" } else { "" };
            let _ = writeln!(text, "{}: {rows} rows, {repeated} repeated{outcome}", endpoint.name);
        }
        let ahead = health.skew_seconds();
        if ahead.abs() >= 60 {
            let _ = writeln!(text, "the provider's clock is {ahead} seconds ahead of this one");
        }
    }
    tell(&text);
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(exit::UNAVAILABLE) }
}

/// What is asked, from the configuration and what the command line says otherwise.
fn plan(args: &PullArgs) -> Result<SourcePlan, Failure> {
    let config = match &args.config {
        Some(path) => check::load(Some(path))?.0,
        None => Config::default(),
    };
    let named = config.sources.get(&args.provider);
    let mut source = named.cloned().unwrap_or_else(|| SourceConfig {
        kind: args.provider.clone(),
        // It is asked once: nobody waits for the next hour.
        requests_per_hour_max: 0,
        ..SourceConfig::default()
    });
    let path = Path::new(&args.provider);
    if named.is_none() && (args.provider.contains('/') || path.extension().is_some_and(|end| end == "toml")) {
        (source.kind, source.description) = ("json".to_owned(), path.to_owned());
    } else if named.is_none() {
        known(&args.provider, &config)?;
    }
    let given = |text: &Option<String>, setting: &mut String| {
        if let Some(text) = text {
            setting.clone_from(text);
        }
    };
    given(&args.url, &mut source.url);
    given(&args.width, &mut source.width);
    if let Some(path) = &args.key_file {
        (source.key_file, source.key_command) = (path.clone(), Vec::new());
    }
    if let Some(command) = &args.key_command {
        source.key_command = command.split_ascii_whitespace().map(str::to_owned).collect();
        source.key_file = PathBuf::new();
    }
    if let Some(path) = &args.ca_file {
        source.ca_file.clone_from(path);
    }
    if !args.endpoint.is_empty() {
        source.endpoints.clone_from(&args.endpoint);
    }
    let table = ["sources", &args.provider];
    let place = if named.is_some() { &table[..] } else { &["pull"][..] };
    SourcePlan::new(&args.provider, place, &source).map_err(|error| Failure::new(exit::CONFIG, error))
}

/// Refuses what is no provider, with the names of those that are.
fn known(name: &str, config: &Config) -> Result<(), Failure> {
    let all = builtin().map_err(|error| Failure::new(exit::INTERNAL, error))?;
    let names: Vec<&str> =
        all.iter().map(|one| one.name.as_str()).chain(config.sources.keys().map(String::as_str)).collect();
    if names.contains(&name) {
        return Ok(());
    }
    let told = anyhow!(
        "no provider is called `{name}`; there are {}, and files that describe an API",
        names.join(", ")
    );
    Err(Failure::new(exit::USAGE, told))
}

/// A time, or how long ago it was.
fn moment(text: &str) -> Result<Timestamp, String> {
    let unit = match text.chars().next_back() {
        Some('m') => MINUTE,
        Some('h') => 60 * MINUTE,
        Some('d') => DAY,
        _ => SECOND,
    };
    let count = text.strip_suffix(['m', 'h', 'd']).and_then(|count| count.parse::<u32>().ok());
    match count {
        Some(count) => Ok(now().minus(i64::from(count).saturating_mul(unit))),
        None => stamp(text).map(|stamp| stamp.at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_providers_are_named() {
        let all = builtin().map_err(|error| error.to_string()).unwrap();
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
        for name in names {
            assert!(PROVIDER.split([' ', ',', ';']).any(|word| word == name), "{name}");
        }
    }

    #[test]
    fn moments_are_times_or_spans() {
        assert_eq!(moment("2026-06-01").unwrap(), moment("2026-06-01T00:00:00Z").unwrap());
        let then = moment("2h").unwrap();
        let ago = now().0 - then.0;
        assert!((120 * MINUTE..121 * MINUTE).contains(&ago), "{ago}");
        assert!(moment("yesterday").is_err() && moment("-3d").is_err());
    }
}

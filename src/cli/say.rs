//! `keyhound confirm`, `dismiss`, `annotate`, `suppress` and `revoke`: what an operator says of a key, as a record that a run reads
//! like any other.

#[cfg(feature = "kafka")]
mod topics;

use super::{Failure, exit, print};
use crate::engine::clock::now;
use crate::key::{KeyId, may_be_secret};
use crate::record::Statement;
use crate::respond::{Facts, FactsError};
use crate::time::{DAY, MINUTE, SECOND, Stamp, parse as parse_time};
use anyhow::anyhow;
use clap::{ArgGroup, Args};
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Longest time for which a statement may hold, in days.
const DAYS_MAX: i64 = 366;

/// Where a statement goes, and when it was made.
#[derive(Debug, Args)]
struct Common {
    /// Append the statement to this file, which a run follows, instead of writing it to standard output
    #[arg(long, value_name = "FILE")]
    append: Option<PathBuf>,
    /// When it is said; now, unless it is about records of the past
    #[arg(long, value_name = "TIME", value_parser = stamp)]
    at: Option<Stamp>,
    #[command(flatten)]
    whither: Whither,
}

/// Which topic it goes to.
#[derive(Debug, Args)]
struct Whither {
    /// Send the statement to the topic that a run with this configuration reads, to the partition with the key's records, which
    /// what was told of it before leads to
    #[arg(long, value_name = "CONFIG", conflicts_with = "append")]
    kafka: Option<PathBuf>,
    /// The key that producers give to their messages of this API key, where nothing has been told of it yet; no full API
    /// key
    #[arg(long, value_name = "TEXT", requires = "kafka", value_parser = shown)]
    message_key: Option<String>,
}

/// Which key it is about.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("whose").required(true).multiple(true))]
struct Key {
    /// The key as its records show it, such as ...3f9c; no full key, which others could read in the process list
    #[arg(long, value_name = "SHOWN", group = "whose", value_parser = shown)]
    key: Option<String>,
    /// The `key_id` of an alert
    #[arg(long, value_name = "HEX", group = "whose", value_parser = key_id)]
    key_id: Option<KeyId>,
}

#[derive(Debug, Args)]
pub(super) struct VerdictArgs {
    /// The `incident_id`, or so much of its beginning that no other has it too
    #[arg(value_name = "INCIDENT")]
    incident: String,
    /// The output of the run that told of it, as JSON Lines; - is standard input
    #[arg(long, value_name = "FILE", default_value = "-", conflicts_with = "kafka")]
    alerts: PathBuf,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(super) struct AnnotateArgs {
    #[command(flatten)]
    key: Key,
    /// For how long whoever is new at the key is the owner's: a number and s, m, h or d
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = span)]
    span: i64,
    /// What happens: deploy, rotation, travel, new-team, load-test, or any other word
    #[arg(long, value_name = "WORD", default_value = "deploy")]
    change: String,
    /// Only who comes from the network of this address
    #[arg(long, value_name = "ADDRESS")]
    source_ip: Option<std::net::IpAddr>,
    /// Only who has this client software
    #[arg(long, value_name = "TEXT")]
    user_agent: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(super) struct SuppressArgs {
    /// The name of a detector, or incident, or all
    #[arg(value_name = "WHAT")]
    what: String,
    #[command(flatten)]
    key: Key,
    /// For how long nothing of it is told: a number and s, m, h or d; 0s tells it again
    #[arg(long = "for", value_name = "TIME", value_parser = span)]
    span: i64,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    #[command(flatten)]
    key: Key,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// A statement as it is written.
#[derive(Serialize, Default)]
struct Line<'a> {
    at: String,
    statement: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key_prefix: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    incident_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> Line<'a> {
    /// About a key, and why.
    fn of(statement: Statement, key: &'a Key, reason: Option<&'a str>) -> Self {
        Self {
            statement: statement.label(),
            api_key_prefix: key.key.as_deref(),
            key_id: key.key_id.map(|id| id.to_string()),
            reason,
            ..Self::default()
        }
    }
}

pub(super) fn verdict(statement: Statement, args: &VerdictArgs) -> Result<ExitCode, Failure> {
    if statement == Statement::Dismiss && args.reason.is_none() {
        let error = anyhow!("--reason is missing: whoever reads this later wants to know why it was none");
        return Err(Failure::new(exit::USAGE, error));
    }
    let (told, bearer) = incident(args)?;
    let line = Line {
        statement: statement.label(),
        api_key_prefix: Some(&told.api_key_prefix),
        key_id: Some(told.key_id),
        incident_id: Some(&told.incident_id),
        reason: args.reason.as_deref(),
        ..Line::default()
    };
    say(line, None, &args.common, bearer)
}

pub(super) fn annotate(args: &AnnotateArgs) -> Result<ExitCode, Failure> {
    let line = Line {
        change: Some(&args.change),
        source_ip: args.source_ip.map(|address| address.to_string()),
        user_agent: args.user_agent.as_deref(),
        ..Line::of(Statement::Annotate, &args.key, args.reason.as_deref())
    };
    let bearer = bearer(&args.key, &args.common.whither)?;
    say(line, Some(args.span), &args.common, bearer)
}

pub(super) fn suppress(args: &SuppressArgs) -> Result<ExitCode, Failure> {
    let known = crate::detect::ALL.iter().map(|detector| detector.name).chain(["incident", "all"]);
    let known: Vec<&str> = known.collect();
    if !known.contains(&args.what.as_str()) {
        let error = anyhow!("{} is nothing that is told; expected: {}", args.what, known.join(", "));
        return Err(Failure::new(exit::USAGE, error));
    }
    let line =
        Line { what: Some(&args.what), ..Line::of(Statement::Suppress, &args.key, args.reason.as_deref()) };
    let bearer = bearer(&args.key, &args.common.whither)?;
    say(line, Some(args.span), &args.common, bearer)
}

pub(super) fn revoke(args: &RevokeArgs) -> Result<ExitCode, Failure> {
    let bearer = bearer(&args.key, &args.common.whither)?;
    say(Line::of(Statement::Revoke, &args.key, args.reason.as_deref()), None, &args.common, bearer)
}

/// Writes a statement that holds for `span` nanoseconds.
fn say(
    mut line: Line<'_>,
    span: Option<i64>,
    common: &Common,
    bearer: Option<Bearer>,
) -> Result<ExitCode, Failure> {
    let internal = |error: serde_json::Error| Failure::new(exit::INTERNAL, error);
    let at = common.at.unwrap_or_else(|| Stamp::utc(now()));
    line.at = at.to_string();
    line.until = span.map(|span| Stamp::utc(at.at.plus(span)).to_string());
    // Read twice, it is said once.
    let content = serde_json::to_vec(&line).map_err(internal)?;
    line.id = Some(format!("statement-{}", &blake3::hash(&content).to_hex()[..16]));
    let mut text = serde_json::to_string(&line).map_err(internal)?;
    if let Some(bearer) = bearer {
        bearer(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    text.push('\n');
    let Some(path) = &common.append else { return print(&text) };
    let failed = |error: std::io::Error| {
        Failure::new(exit::IO, anyhow::Error::new(error).context(path.display().to_string()))
    };
    // In one piece: others may append to the file, too.
    let mut file = OpenOptions::new().append(true).create(true).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}

/// Brings a statement to a topic.
type Bearer = Box<dyn FnOnce(&str) -> Result<(), Failure>>;

/// The incident that is meant, and who brings what is said of it to its topic, if it goes to one.
fn incident(args: &VerdictArgs) -> Result<(Facts, Option<Bearer>), Failure> {
    let Some(config) = &args.common.whither.kafka else {
        return find(&args.incident, &args.alerts).map(|told| (told, None));
    };
    #[cfg(feature = "kafka")]
    {
        let topics = topics::Topics::open(config)?;
        let (told, found) = topics.incident(&args.incident)?;
        let key =
            Key { key: Some(told.api_key_prefix.clone()), key_id: KeyId::parse(told.key_id.as_bytes()) };
        let way = found.map_or_else(|| topics.key(&key, &args.common.whither), Ok)?;
        Ok((told, Some(Box::new(move |line| topics.say(&way, line)))))
    }
    #[cfg(not(feature = "kafka"))]
    Err(without_kafka(config))
}

/// Who brings what is said of a key to its topic, if it goes to one.
fn bearer(key: &Key, whither: &Whither) -> Result<Option<Bearer>, Failure> {
    let Some(config) = &whither.kafka else { return Ok(None) };
    #[cfg(feature = "kafka")]
    {
        let topics = topics::Topics::open(config)?;
        let way = topics.key(key, whither)?;
        Ok(Some(Box::new(move |line| topics.say(&way, line))))
    }
    #[cfg(not(feature = "kafka"))]
    {
        let _ = key;
        Err(without_kafka(config))
    }
}

#[cfg(not(feature = "kafka"))]
fn without_kafka(_: &Path) -> Failure {
    Failure::new(exit::UNAVAILABLE, anyhow!(super::run::WITHOUT_KAFKA))
}

/// The incident whose id begins like this.
pub(super) fn find(id: &str, alerts: &Path) -> Result<Facts, Failure> {
    let name =
        if alerts == Path::new("-") { "standard input".to_owned() } else { alerts.display().to_string() };
    let failed =
        |code: u8, error: std::io::Error| Failure::new(code, anyhow::Error::new(error).context(name.clone()));
    let reader: Box<dyn BufRead> = if alerts == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(alerts).map_err(|error| failed(exit::NO_INPUT, error))?))
    };
    let mut unread = None;
    let lines = reader.split(b'\n').map_while(|line| line.map_err(|error| unread = Some(error)).ok());
    let found = Facts::find(&id.to_ascii_lowercase(), lines);
    if let Some(error) = unread {
        return Err(failed(exit::IO, error));
    }
    found.map_err(|error| {
        let code = if matches!(error, FactsError::Several(..)) { exit::USAGE } else { exit::DATA };
        Failure::new(code, anyhow!("{name}: {error}"))
    })
}

fn stamp(text: &str) -> Result<Stamp, String> {
    parse_time(text.as_bytes()).map_err(|error| error.to_string())
}

fn shown(text: &str) -> Result<String, String> {
    if text.is_empty() || may_be_secret(text.as_bytes()) {
        return Err(
            "what an alert shows as api_key_prefix is expected, or --key-id; not a key itself".to_owned()
        );
    }
    Ok(text.to_owned())
}

fn key_id(digits: &str) -> Result<KeyId, String> {
    KeyId::parse(digits.as_bytes())
        .ok_or_else(|| "32 hexadecimal digits are expected, as an alert tells them".to_owned())
}

/// Nanoseconds of a text such as `90m`.
fn span(text: &str) -> Result<i64, String> {
    let expected = || format!("a number and s, m, h or d is expected, {DAYS_MAX}d at most");
    let unit = match text.chars().next_back() {
        Some('s') => SECOND,
        Some('m') => MINUTE,
        Some('h') => 60 * MINUTE,
        Some('d') => DAY,
        _ => return Err(expected()),
    };
    let count: i64 = text[..text.len() - 1].parse().map_err(|_| expected())?;
    let span = count.checked_mul(unit).filter(|span| (0..=DAYS_MAX * DAY).contains(span));
    span.ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_number_and_a_unit() {
        assert_eq!((span("90m"), span("0s"), span("366d")), (Ok(90 * MINUTE), Ok(0), Ok(366 * DAY)));
        for wrong in ["", "h", "90", "-1h", "1.5h", "367d", "99999999999999999d", "1 h", "1é"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn keys_themselves_are_refused() {
        assert!(shown("...3f9c").is_ok() && shown("").is_err());
        assert!(shown("sk-proj-0123456789abcdef0123456789abcdef").is_err());
    }
}

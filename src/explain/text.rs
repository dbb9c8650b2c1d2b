//! An explanation for a terminal, in no more than 80 columns.

use super::case::{Case, Request};
use super::readings::{number, reading};
use super::revision::{Entry, Revision, milli, nats};
use super::without::Without;
use crate::backtest::{Table, dollars, duration, write_table};
use crate::encode::{Palette, Visible};
use crate::incident;
use crate::time::{SECOND, Timestamp, parse};
use std::fmt::Write;

/// Columns that are used.
const WIDTH: usize = 80;
/// The longest bar.
const BAR: usize = 40;
/// Addresses that are named.
const ADDRESSES_NAMED: usize = 5;

/// The whole explanation.
pub fn text(case: &Case, palette: Palette) -> String {
    let mut text = String::new();
    let Revision { incident_id, severity, class, api_key_prefix, api_key_alias, .. } = case.last();
    let alias = if api_key_alias.is_empty() { String::new() } else { format!(" ({api_key_alias})") };
    let head = format!("key {api_key_prefix}{alias}  {class}, {severity}");
    let _ = writeln!(text, "{}  {}", palette.bold(&shown(&head)), palette.dim(&shown(incident_id)));
    let _ = writeln!(text, "\n{}", wrapped(&verdict(case), "", WIDTH));
    write_ledger(case, palette, &mut text);
    if !case.is_sure() {
        write_without(&case.without(), palette, &mut text);
    }
    write_growth(case, palette, &mut text);
    if !case.requests.is_empty() || !case.is_sure() {
        write_requests(case, palette, &mut text);
    }
    if !case.last().next_steps.is_empty() {
        let _ = writeln!(text, "\n{}", palette.bold("what to do"));
    }
    for (number, step) in (1..).zip(&case.last().next_steps) {
        let _ = writeln!(text, "  {number}. {}", wrapped(&shown(step), "     ", WIDTH - 5));
    }
    for line in differences(case) {
        let _ = writeln!(text, "\n{}", wrapped(&shown(&line), "", WIDTH));
    }
    text
}

fn shown(text: &str) -> String {
    Visible(text).to_string()
}

/// What is said of the comparison with what was recorded, if there was one.
pub fn differences(case: &Case) -> Vec<String> {
    match case.differences.as_deref() {
        None => Vec::new(),
        Some([]) => vec!["The replay tells exactly what was recorded.".to_owned()],
        Some(differences) => {
            let first = "The replay does not tell what was recorded, so the inputs, the settings or the program \
                         are not those of the run:";
            std::iter::once(first.to_owned()).chain(differences.iter().cloned()).collect()
        }
    }
}

/// What happened, in one paragraph.
pub fn verdict(case: &Case) -> String {
    let (first, last) = (case.revision(), case.last());
    if case.is_sure() {
        return format!(
            "{}, for ${} since {}. This is sure by itself, whatever is usual for the key: one is enough, and counts \
             {:.1} nats by definition.",
            last.description,
            dollars(last.cost_usd),
            last.timestamp,
            first.score
        );
    }
    let mut text = String::from(if Case::is_by_habits(&first.ledger) {
        "Requests with this key are not like those of its owner"
    } else {
        "Somebody besides its owner uses this key"
    });
    let _ = write!(
        text,
        ": {} since {}, for ${}",
        plural(last.requests, "request"),
        last.timestamp,
        dollars(last.cost_usd)
    );
    let _ = match &last.evidence.source_ips[..] {
        [] => Ok(()),
        [one] => write!(text, ", from {one}"),
        [one, others @ ..] => write!(text, ", from {one} and {}", plural(count(others), "other address")),
    };
    let after = seconds_between(&first.timestamp, &first.detected_at);
    let after =
        after.map_or_else(String::new, |seconds| format!("{} after the first of them, ", duration(seconds)));
    let _ = write!(
        text,
        ". It was told {after}when the evidence came to {:.1} nats and {} was enough; each nat makes it 2.7 \
         times likelier that this is somebody else. The terms below add up to that exactly: those with a plus \
         speak against him, those with a minus for the owner.",
        first.score,
        number(case.threshold)
    );
    text
}

/// A time without the fraction of its seconds: who looks at it looks for it in a log, and rows are to fit.
fn to_the_second(time: &str) -> String {
    let seconds = parse(time.as_bytes()).map(|stamp| Timestamp(stamp.at.0 - stamp.at.0.rem_euclid(SECOND)));
    seconds.map_or_else(|_| time.to_owned(), |seconds| seconds.to_string())
}

fn count<T>(of: &[T]) -> u32 {
    u32::try_from(of.len()).unwrap_or(u32::MAX)
}

fn plural(count: u32, what: &str) -> String {
    match (count, what.ends_with('s')) {
        (1, _) => format!("1 {what}"),
        (_, true) => format!("{count} {what}es"),
        (_, false) => format!("{count} {what}s"),
    }
}

#[allow(clippy::cast_precision_loss, reason = "seconds of an incident")]
fn seconds_between(from: &str, to: &str) -> Option<f64> {
    let [from, to] = [from, to].map(|text| parse(text.as_bytes()).ok());
    Some((to?.at.0 - from?.at.0).max(0) as f64 / SECOND as f64)
}

fn write_ledger(case: &Case, palette: Palette, text: &mut String) {
    let revision = case.revision();
    let title = if revision.revision == 0 { "why it was told" } else { "why it is told still" };
    let when = format!("revision {}, {}", revision.revision, revision.updated_at);
    let _ = writeln!(text, "\n{}  {}", palette.bold(title), palette.dim(&shown(&when)));
    let most = revision.ledger.iter().map(|entry| entry.milli().unsigned_abs()).max().unwrap_or(1).max(1);
    for entry in &revision.ledger {
        let bar = bar(entry, most);
        let bar = if entry.milli() < 0 { palette.good(&bar) } else { palette.bad(&bar) };
        let name = format!("{:<14}", shown(&entry.term));
        let _ = writeln!(text, "  {}{:>8}  {bar}", palette.bold(&name), nats(entry.milli()));
        for said in [incident::meaning(&entry.term).to_owned(), reading(entry)] {
            if !said.is_empty() {
                let _ = writeln!(text, "    {}", palette.dim(&wrapped(&said, "    ", WIDTH - 4)));
            }
        }
    }
    let _ = writeln!(
        text,
        "  {}{:>8}  threshold {}, margin {}",
        palette.bold(&format!("{:<14}", "sum")),
        nats(milli(revision.score)),
        nats(milli(case.threshold)).trim_start_matches('+'),
        nats(case.margin())
    );
}

/// How much, against the most that any term has.
fn bar(entry: &Entry, most: u64) -> String {
    let eighths = usize::try_from(entry.milli().unsigned_abs() * 8 * BAR as u64 / most).unwrap_or(0);
    if entry.milli() < 0 {
        return "░".repeat(eighths.div_ceil(8));
    }
    let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    "█".repeat(eighths / 8) + part
}

fn write_without(without: &Without, palette: Palette, text: &mut String) {
    let _ = writeln!(text, "\n{}", palette.bold("what it would have taken not to tell it"));
    for line in said_without(without) {
        let _ = writeln!(text, "  {}", wrapped(&shown(&line), "  ", WIDTH - 2));
    }
}

/// In words.
pub fn said_without(without: &Without) -> Vec<String> {
    let Without { size, count, sets } = without;
    let sets: Vec<String> = sets.iter().map(|set| set.join(" and ")).collect();
    let more = if *count > sets.len() { format!(", and {} more", count - sets.len()) } else { String::new() };
    match size {
        0 => vec![
            "No few terms carry it: without any five of them it would have been told all the same."
                .to_owned(),
        ],
        1 => vec![format!("Any one of these missing would have been enough: {}{more}.", sets.join(", "))],
        _ => vec![
            "No single term carries it.".to_owned(),
            format!("Together missing would have been enough: {}{more}.", sets.join("; ")),
        ],
    }
}

fn write_growth(case: &Case, palette: Palette, text: &mut String) {
    if case.revisions.len() > 1 {
        text.push('\n');
        write_table(&growth(case), palette, text);
    }
}

/// How the score grew.
pub fn growth(case: &Case) -> Table {
    let row = |revision: &Revision| {
        vec![
            to_the_second(&revision.updated_at),
            revision.revision.to_string(),
            format!("{:.1}", revision.score),
            revision.requests.to_string(),
            format!("{:.2}", revision.cost_usd),
            revision.severity.clone(),
        ]
    };
    let head = ["when", "revision", "nats", "requests", "$", "severity"];
    Table {
        title: "how it grew".to_owned(),
        head: head.map(str::to_owned).into(),
        rows: case.revisions.iter().map(row).collect(),
    }
}

fn write_requests(case: &Case, palette: Palette, text: &mut String) {
    let ids = case.request_ids();
    let told = plural(count(&ids), "request");
    if case.requests.is_empty() {
        let first: Vec<&str> = ids.iter().take(6).copied().collect();
        let more = if ids.len() > first.len() { ", …" } else { "" };
        let said = format!("{told} told with it: {}{more}", first.join(", "));
        let _ =
            writeln!(text, "\n{}\n  {}", palette.bold("requests"), wrapped(&shown(&said), "  ", WIDTH - 2));
    } else {
        text.push('\n');
        write_table(&requests(case), palette, text);
        let more = ids.len().saturating_sub(case.requests.len());
        if more > 0 {
            let _ = writeln!(text, "  and {more} more that were told with it (--json has all)");
        }
    }
    let addresses = &case.last().evidence.source_ips;
    if addresses.len() > 1 {
        let named: Vec<&str> = addresses.iter().take(ADDRESSES_NAMED).map(String::as_str).collect();
        let more = if addresses.len() > named.len() { ", …" } else { "" };
        let said = format!("addresses: {}{more}", named.join(", "));
        let _ = writeln!(text, "  {}", wrapped(&shown(&said), "  ", WIDTH - 2));
    }
}

/// The first requests.
pub fn requests(case: &Case) -> Table {
    let row = |request: &Request| {
        vec![
            to_the_second(&request.time),
            request.model.clone(),
            request.tokens[0].to_string(),
            request.tokens[1].to_string(),
            format!("{:.4}", request.usd),
            if request.address.is_empty() { "-".to_owned() } else { request.address.clone() },
            if request.status == 0 { "-".to_owned() } else { request.status.to_string() },
        ]
    };
    let head = ["when", "model", "in", "out", "$", "from", "status"];
    Table {
        title: "requests, the first of them".to_owned(),
        head: head.map(str::to_owned).into(),
        rows: case.requests.iter().map(row).collect(),
    }
}

/// In lines of so many columns, the later ones behind an indent.
pub fn wrapped(text: &str, indent: &str, width: usize) -> String {
    let (mut out, mut used) = (String::new(), 0);
    for word in text.split_ascii_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            let _ = write!(out, "\n{indent}");
            used = 0;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out
}

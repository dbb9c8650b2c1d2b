//! Scores for people at a terminal, in no more than 80 columns.

use super::score::Score;
use super::show::{BETTER, Named, Table, WORSE, tables};
use crate::encode::{Palette, Visible};
use std::fmt::Write;

/// Thefts that are named which were not found.
const MISSED_NAMED: usize = 12;
/// Keys of labels that are named.
const UNKNOWN_NAMED: usize = 5;

/// What the columns of the first table are.
const LEGEND: &str = "delay, $ lost: until told; half of the thefts are below, nine in ten below p90\n\
                      right: the part of the requests told as the thief's that are his\n\
                      told: the part of his requests that were told";

/// What a configuration has to keep to.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Limits {
    /// Mean recall of the classes, at least.
    pub recall_min: Option<f64>,
    /// False incidents in 1,000 active key-days, at most.
    pub falses_max: Option<f64>,
}

impl Limits {
    /// What is not kept to, one sentence each.
    pub fn violated(&self, score: &Score) -> Vec<String> {
        let mut violated = Vec::new();
        if let Some(min) = self.recall_min {
            let found = score.thefts.as_ref().map(|net| net.mean_recall);
            if found.is_none() {
                violated.push("there is no theft to find, and --min-recall asks for some".to_owned());
            } else if let Some(mean) = found.filter(|mean| *mean < min) {
                violated.push(format!("mean recall is {mean:.3}, below --min-recall {min}"));
            }
        }
        if let Some(max) = self.falses_max {
            let rate = score.falses.per_1000;
            if rate.is_none() {
                violated.push("there is no key-day to be quiet on, and --max-false asks for some".to_owned());
            } else if let Some(rate) = rate.filter(|rate| *rate > max) {
                violated
                    .push(format!("{rate:.2} false incidents in 1,000 key-days are above --max-false {max}"));
            }
        }
        violated
    }
}

/// A score, or two side by side.
pub fn text(scores: &[Named<'_>], palette: Palette) -> String {
    let mut text = String::new();
    for (letter, named) in ["A", "B"].iter().zip(scores) {
        let name = Visible(named.name).to_string();
        let name = if scores.len() > 1 { format!("{letter}  {name}") } else { name };
        let _ = writeln!(text, "{}", palette.bold(&name));
        for line in headlines(named.score) {
            let _ = writeln!(text, "   {line}");
        }
    }
    for table in tables(scores) {
        text.push('\n');
        write_table(&table, palette, &mut text);
    }
    if scores.iter().any(|named| named.score.thefts.is_some()) {
        let _ = writeln!(text, "\n{}", palette.dim(LEGEND));
    }
    if let [named] = scores {
        write_missed(named.score, palette, &mut text);
    }
    if let Some(named) = scores.first() {
        write_unknown(named.score, &mut text);
    }
    text
}

/// How good, in a few lines.
pub fn headlines(score: &Score) -> Vec<String> {
    let mut lines = Vec::new();
    match &score.thefts {
        Some(net) => lines.push(format!(
            "{} of {} thefts found; of each class {:.2} on average, least of {} ({:.2})",
            net.all.found,
            net.all.thefts,
            net.mean_recall,
            Visible(&net.worst_class),
            net.worst_recall
        )),
        None => lines.push("no theft is labelled".to_owned()),
    }
    let falses = &score.falses;
    let incidents = if falses.false_incidents == 1 { "incident" } else { "incidents" };
    lines.push(match (falses.per_1000, falses.per_1000_upper95) {
        (Some(rate), Some(upper)) => format!(
            "{} false {incidents} in {} key-days: {rate:.1} per 1,000 (95 % below {upper:.1})",
            falses.false_incidents, falses.key_days
        ),
        _ => "no key was used in the time that is scored".to_owned(),
    });
    if falses.operational > 0 {
        lines.push(format!("{} incidents that do not speak of theft", falses.operational));
    }
    lines
}

/// The columns under each other, the first to the left and the others to the right.
pub fn write_table(table: &Table, palette: Palette, text: &mut String) {
    let widths: Vec<usize> = (0..table.head.len())
        .map(|column| {
            let cells = table.rows.iter().chain([&table.head]).filter_map(|row| row.get(column));
            cells.map(|cell| width(cell)).max().unwrap_or(0)
        })
        .collect();
    let _ = writeln!(text, "{}", palette.bold(&table.title));
    let _ = writeln!(text, "{}", palette.dim(&line(&table.head, &widths)));
    let last = table.rows.len().saturating_sub(1);
    for (number, row) in table.rows.iter().enumerate() {
        let mut line = line(row, &widths);
        if palette.colour {
            line = line.replace(BETTER, &palette.good(&BETTER.to_string()));
            line = line.replace(WORSE, &palette.bad(&WORSE.to_string()));
        }
        let is_sum = number == last && row.first().is_some_and(|name| name == "all");
        let _ = writeln!(text, "{}", if is_sum { palette.bold(&line) } else { line });
    }
}

fn line(row: &[String], widths: &[usize]) -> String {
    let mut line = String::from("  ");
    for (column, (cell, width_of)) in row.iter().zip(widths).enumerate() {
        let cell = Visible(cell).to_string();
        let space = " ".repeat(width_of.saturating_sub(width(&cell)));
        let _ = match column {
            0 => write!(line, "{cell}{space}"),
            _ => write!(line, "  {space}{cell}"),
        };
    }
    line.truncate(line.trim_end().len());
    line
}

/// Columns that a text takes: every character of ours takes one.
fn width(text: &str) -> usize {
    Visible(text).to_string().chars().count()
}

fn write_missed(score: &Score, palette: Palette, text: &mut String) {
    if score.missed.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{}", palette.bold("not found"));
    for missed in score.missed.iter().take(MISSED_NAMED) {
        let spent = missed.usd.map_or_else(String::new, |usd| format!("  ${}", super::show::dollars(usd)));
        let (class, key) = (Visible(&missed.class).to_string(), Visible(&missed.key).to_string());
        let _ = writeln!(text, "  {class:<22} {key:<16} {}{spent}", missed.start);
    }
    let more = score.missed.len().saturating_sub(MISSED_NAMED);
    if more > 0 {
        let _ = writeln!(text, "  and {more} more");
    }
}

fn write_unknown(score: &Score, text: &mut String) {
    if score.unknown_keys.is_empty() {
        return;
    }
    let count = score.unknown_keys.len();
    let names: Vec<String> =
        score.unknown_keys.iter().take(UNKNOWN_NAMED).map(|name| format!("`{}`", Visible(name))).collect();
    let more = if count > UNKNOWN_NAMED { ", …" } else { "" };
    let keys = if count == 1 { "a key" } else { "keys" };
    let _ = writeln!(text, "\nlabels name {keys} that no record has: {}{more}", names.join(", "));
}

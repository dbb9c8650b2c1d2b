//! A comparison for people, in no more than 80 columns.

use super::Role;
use super::book::Book;
use super::cause::Cause;
use super::compare::{Comparison, Row, Tolerance};
use crate::encode::{Palette, Visible};
use crate::time::{SECOND, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Columns that are used.
const WIDTH: usize = 80;
/// Widest key, model and team.
const KEY_MAX: usize = 18;
const MODEL_MAX: usize = 20;
const TEAM_MAX: usize = 12;

/// The whole report: the verdict, and a table for each comparison with so many rows at most.
pub fn text(
    book: &Book,
    comparisons: &[Comparison],
    tolerance: Tolerance,
    rows_max: usize,
    palette: Palette,
) -> String {
    let mut text = format!("{}\n", palette.bold(&wrapped(&verdict(book, comparisons), "")));
    for comparison in comparisons {
        write_comparison(&mut text, book, comparison, tolerance, rows_max, palette);
    }
    for (currency, (nano, lines)) in &book.foreign_money {
        let lines = if *lines == 1 {
            "1 line".to_owned()
        } else {
            format!("{} lines", thousands(i128::from(*lines)))
        };
        let line = format!(
            "Not compared: {} {currency} in {lines} of the invoice. `--rate {currency}=…` says what it is in dollars.",
            plain(*nano)
        );
        let _ = writeln!(text, "\n{}", wrapped(&line, ""));
    }
    text
}

/// One sentence.
fn verdict(book: &Book, comparisons: &[Comparison]) -> String {
    let outside =
        || comparisons.iter().flat_map(Comparison::findings).filter(|row| row.cause == Cause::OutsideGateway);
    if let Some(first) = outside().next() {
        let sum: i128 = outside().map(Row::residual).sum();
        let keys: BTreeSet<&str> =
            outside().map(|row| row.key_name.as_str()).filter(|name| !name.is_empty()).collect();
        let days: BTreeSet<_> = outside().filter_map(|row| row.day).collect();
        let when = match (days.first(), days.last()) {
            (Some(first), Some(last)) if first != last => format!(", {first} to {last}"),
            (Some(first), _) => format!(", {first}"),
            _ => String::new(),
        };
        let whose = match keys.len() {
            0 => String::new(),
            1 => format!(": key {}", first.key_name),
            count => format!(": {count} keys, most of it key {}", first.key_name),
        };
        let tokens: i128 = outside().map(Row::residual_tokens).sum();
        let what =
            if sum == 0 { format!("{} tokens, without a price,", thousands(tokens)) } else { money(sum) };
        return format!("{what} of use that did not pass your gateway{whose}{when}.");
    }
    let left: Vec<&Row> = comparisons.iter().flat_map(Comparison::findings).collect();
    let open: Vec<&&Row> = left.iter().filter(|row| row.cause == Cause::Unexplained).collect();
    if !open.is_empty() {
        let sum: i128 = open.iter().map(|row| row.residual().abs()).sum();
        return format!("{} of differences that nothing explains, in {}.", money(sum), rows(open.len()));
    }
    if !book.foreign_money.is_empty() {
        return "Some of the invoice could not be compared: no rate for its currency.".to_owned();
    }
    if left.is_empty() {
        return "All agree.".to_owned();
    }
    let sum: i128 = left.iter().map(|row| row.residual().abs()).sum();
    format!("{} of differences, all explained, in {}.", money(sum), rows(left.len()))
}

fn rows(count: usize) -> String {
    self::count(count as u64, "row")
}

fn write_comparison(
    text: &mut String,
    book: &Book,
    comparison: &Comparison,
    tolerance: Tolerance,
    rows_max: usize,
    palette: Palette,
) {
    let (left, right) = (comparison.left.name(), comparison.right.name());
    let _ = writeln!(
        text,
        "\n{}, by {}",
        palette.bold(&format!("{left} against {right}")),
        comparison.by.words()
    );
    for (role, side) in [(comparison.left, &comparison.totals.0), (comparison.right, &comparison.totals.1)] {
        let span = book.extent(role).span.map_or_else(
            || "nothing".to_owned(),
            |(first, last)| format!("{} to {}", second(first), second(last)),
        );
        let _ = writeln!(text, "  {:<8} {:>14}  {span}", role.name(), money(side.all.cost));
    }
    let limits = format!("tolerance {} or {}", money(tolerance.nano), percent(tolerance.per_million));
    let _ = writeln!(text, "  {:<8} {:>14}  {limits}", "residual", signed(comparison.residual()));
    write_causes(text, comparison);
    write_rows(text, comparison, rows_max, palette);
    if comparison.findings().next().is_none() && !comparison.notes.is_empty() {
        text.push('\n');
    }
    for note in &comparison.notes {
        let _ = writeln!(text, "  {}", wrapped(note, "  "));
    }
}

fn percent(per_million: i128) -> String {
    let text = format!("{}.{:04}", per_million / 10_000, per_million % 10_000);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

fn write_causes(text: &mut String, comparison: &Comparison) {
    let mut sums: BTreeMap<Cause, (usize, i128)> = BTreeMap::new();
    for row in &comparison.rows {
        let (rows, sum) = sums.entry(row.cause).or_default();
        *rows += 1;
        *sum += row.residual();
    }
    if comparison.rows.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n  {:<12} {:>6} {:>14}  what it means", "why", "rows", "residual $");
    for (cause, (rows, sum)) in sums {
        let _ = writeln!(
            text,
            "  {:<12} {rows:>6} {:>14}  {}",
            cause.label(),
            signed_plain(sum),
            cause.meaning()
        );
    }
}

fn write_rows(text: &mut String, comparison: &Comparison, rows_max: usize, palette: Palette) {
    let findings: Vec<&Row> = comparison.findings().collect();
    if findings.is_empty() {
        return;
    }
    let columns = Columns::of(comparison, &findings.iter().take(rows_max).copied());
    let _ = writeln!(text, "\n{}", columns.head(comparison.left, comparison.right));
    for row in findings.iter().take(rows_max) {
        let line = columns.line(row);
        let line = if row.cause == Cause::OutsideGateway { palette.bold(&line) } else { line };
        let _ = writeln!(
            text,
            "{line}\n      {}",
            palette.dim(&wrapped(&Visible(&row.why).to_string(), "      "))
        );
    }
    let more = findings.len().saturating_sub(rows_max);
    if more > 0 {
        let _ = writeln!(
            text,
            "  … and {} more; --rows shows more, --csv and --json all",
            thousands(more as i128)
        );
    }
    text.push('\n');
}

/// How wide each column is.
struct Columns {
    names: Vec<(&'static str, usize)>,
    numbers: [usize; 3],
}

impl Columns {
    fn of<'r>(comparison: &Comparison, rows: &(impl Iterator<Item = &'r Row> + Clone)) -> Self {
        let by = comparison.by;
        let wanted = [
            (by.team, "team", TEAM_MAX),
            (by.key, "key", KEY_MAX),
            (by.model, "model", MODEL_MAX),
            (by.day, "day", 10),
        ];
        let widest = |name: &str| {
            rows.clone().map(|row| cell(row, name).chars().count()).max().unwrap_or(0).max(name.len())
        };
        let names: Vec<_> = wanted
            .into_iter()
            .filter(|(is_on, ..)| *is_on)
            .map(|(_, name, max)| (name, widest(name).min(max)))
            .collect();
        let width = |of: &dyn Fn(&Row) -> String| {
            rows.clone().map(|row| of(row).chars().count()).max().unwrap_or(0).max(9)
        };
        let numbers = [
            width(&|row| plain(row.left.all.cost)),
            width(&|row| plain(row.right.all.cost)),
            width(&|row| signed_plain(row.residual())).max(10),
        ];
        Self { names, numbers }
    }

    fn head(&self, left: Role, right: Role) -> String {
        let mut line = String::from(" ");
        for (name, width) in &self.names {
            let _ = write!(line, " {name:<width$}");
        }
        let [a, b, c] = self.numbers;
        let _ = write!(
            line,
            " {:>a$} {:>b$} {:>c$}  why",
            format!("{} $", left.name()),
            format!("{} $", right.name()),
            "residual $"
        );
        line
    }

    fn line(&self, row: &Row) -> String {
        let mut line = String::from(" ");
        for (name, width) in &self.names {
            let _ = write!(line, " {:<width$}", short(&cell(row, name), *width));
        }
        let [a, b, c] = self.numbers;
        let _ = write!(
            line,
            " {:>a$} {:>b$} {:>c$}  {}",
            plain(row.left.all.cost),
            plain(row.right.all.cost),
            signed_plain(row.residual()),
            row.cause.label()
        );
        line
    }
}

fn cell(row: &Row, name: &str) -> String {
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { Visible(text).to_string() };
    match name {
        _ if row.is_others && name == "key" => "(others)".to_owned(),
        "team" => or_dash(row.team.as_deref().unwrap_or_default()),
        "key" => or_dash(&row.key_name),
        "model" => or_dash(row.model.as_deref().unwrap_or_default()),
        _ => row.day.map_or_else(|| "-".to_owned(), |day| day.to_string()),
    }
}

/// The end of a text tells keys apart, the middle does not.
pub(crate) fn short(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let (head, tail) = (width / 2, width - width / 2 - 1);
    text.chars().take(head).chain(['…']).chain(text.chars().skip(length - tail)).collect()
}

/// Breaks a text at its spaces; lines after the first begin with `indent`.
pub(crate) fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = String::new();
    let mut width = indent.chars().count();
    for word in text.split(' ') {
        let length = word.chars().count();
        if width + length + 1 > WIDTH && !lines.is_empty() {
            lines.push('\n');
            lines.push_str(indent);
            width = indent.chars().count();
        } else if !lines.is_empty() {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += length;
    }
    lines
}

/// `1 record`, `1,234 records`
pub(crate) fn count(count: u64, what: &str) -> String {
    format!("{} {what}{}", thousands(count.into()), if count == 1 { "" } else { "s" })
}

/// An instant without the fraction of its second.
pub(super) fn second(at: Timestamp) -> Timestamp {
    Timestamp(at.0 - at.0.rem_euclid(SECOND))
}

/// `1,234`
pub(crate) fn thousands(count: i128) -> String {
    let digits = count.abs().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if count < 0 { format!("-{text}") } else { text }
}

/// Units of money with cents; very small ones with the digits that matter.
pub(super) fn plain(nano: i128) -> String {
    let sign = if nano < 0 { "-" } else { "" };
    let nano = nano.abs();
    if nano > 0 && nano < 10_000_000 {
        return format!("{sign}0.{:06}", (nano + 500) / 1000);
    }
    let cents = (nano + 5_000_000) / 10_000_000;
    format!("{sign}{}.{:02}", thousands(cents / 100), cents % 100)
}

/// The same with a plus.
fn signed_plain(nano: i128) -> String {
    if nano > 0 { format!("+{}", plain(nano)) } else { plain(nano) }
}

/// `$1,234.50`
pub(crate) fn money(nano: i128) -> String {
    if nano < 0 { format!("-${}", plain(-nano)) } else { format!("${}", plain(nano)) }
}

/// `+$1,234.50`
pub(super) fn signed(nano: i128) -> String {
    if nano > 0 { format!("+{}", money(nano)) } else { money(nano) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_shown_as_people_write_it() {
        for (nano, shown) in [
            (0, "$0.00"),
            (1_234_500_000_000, "$1,234.50"),
            (-9_995_000_000, "-$10.00"),
            (1_234_000, "$0.001234"),
            (1_234_567_890_000_000, "$1,234,567.89"),
        ] {
            assert_eq!(money(nano), shown);
        }
        assert_eq!((signed(5_000_000_000), signed(0)), ("+$5.00".to_owned(), "$0.00".to_owned()));
    }

    #[test]
    fn long_names_keep_their_end() {
        assert_eq!(short("sk-proj-aaaaaaaaaaaaaaa3f9c", 12), "sk-pro…a3f9c");
        assert_eq!(short("...3f9c", 12), "...3f9c");
    }
}

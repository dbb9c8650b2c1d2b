//! A curve and a proposal for people.

use super::curve::{Curve, Kind, Proposal};
use crate::backtest::{Table, write_table};
use crate::encode::Palette;
use crate::explain::wrapped;
use std::fmt::Write;

const WIDTH: usize = 80;

/// What a run with the proposal told, and everything before it.
pub struct Report<'a> {
    /// Both curves.
    pub curves: &'a [Curve; 2],
    /// Both proposals.
    pub proposals: [Proposal; 2],
    /// What a run with both told.
    pub told: [u64; 2],
    /// False incidents a week that are allowed.
    pub budget: f64,
}

/// All of it.
pub fn text(report: &Report<'_>, palette: Palette) -> String {
    let mut text = String::new();
    let weeks = report.curves[0].span.weeks;
    let _ = writeln!(
        text,
        "{}",
        wrapped(
            &format!(
                "Incidents of {weeks:.1} weeks that no label explains, by threshold; each count is what a run with it tells."
            ),
            "",
            WIDTH
        )
    );
    for curve in report.curves {
        text.push('\n');
        if curve.span.key_days == 0 {
            let _ = writeln!(text, "{}\n  no key of this kind", palette.bold(curve.kind.setting()));
        } else {
            write_table(&table(curve), palette, &mut text);
        }
    }
    let _ = writeln!(text, "\n{}", palette.bold(&format!("proposal for {} a week", number(report.budget))));
    text.push('\n');
    text += &snippet(report);
    let _ = writeln!(text, "\n{}", palette.bold("how sure this is"));
    for line in how_sure(report) {
        let _ = writeln!(text, "  {}", wrapped(&line, "  ", WIDTH - 2));
    }
    text
}

fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A curve as a table.
pub fn table(curve: &Curve) -> Table {
    let rows = curve.points.iter().map(|point| {
        let [low, high] = curve.interval(point.incidents);
        let is_set = (point.threshold - curve.set).abs() < 0.05;
        vec![
            format!("{:.1}{}", point.threshold, if is_set { " (as set)" } else { "" }),
            point.incidents.to_string(),
            format!("{:.2}", curve.weekly(point.incidents)),
            format!("{low:.2} to {high:.2}"),
            curve.per_1000(point.incidents).map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}")),
        ]
    });
    let whose = match curve.kind {
        Kind::Consumers => "keys with addresses or clients",
        Kind::Habits => "keys with neither",
    };
    Table {
        title: format!("{}  ({whose}: {} key-days)", curve.kind.setting(), curve.span.key_days),
        head: ["nats", "incidents", "a week", "95 %", "per 1,000 key-days"].map(str::to_owned).into(),
        rows: rows.collect(),
    }
}

/// The settings, to be put into a configuration.
pub fn snippet(report: &Report<'_>) -> String {
    let mut text = String::from("[incidents]\nenabled = true\n");
    let both = report.curves.iter().zip(report.proposals).zip(report.told);
    for ((curve, proposal), told) in both.filter(|((curve, _), _)| curve.span.key_days > 0) {
        let _ = writeln!(
            text,
            "{} = {:.1}  # {:.2} a week to be expected; {told} in these {:.1} weeks",
            curve.kind.setting(),
            proposal.threshold,
            proposal.expected,
            curve.span.weeks
        );
    }
    text
}

/// In words.
fn how_sure(report: &Report<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let told: u64 = report.told.iter().sum();
    let [low, high] = report.curves[0].interval(told);
    lines.push(format!(
        "With both, {told} were told in {:.1} weeks, so in the long run it is between {low:.2} and {high:.2} a \
         week (95 %), if the weeks to come are like these.",
        report.curves[0].span.weeks
    ));
    for (curve, proposal) in
        report.curves.iter().zip(report.proposals).filter(|(curve, _)| curve.span.key_days > 0)
    {
        let [steep, flat] = proposal.between;
        let name = curve.kind.setting();
        lines.push(if proposal.is_free {
            format!(
                "{name}: even the lowest threshold that was tried keeps to the budget, which therefore sets no \
                 limit here; it stays as it is set."
            )
        } else if proposal.is_counted {
            format!("{name} follows from counts of five or more on both sides of it.")
        } else {
            format!(
                "{name}: too few were told here to count them, so how they fall off is that of a benchmark, \
                 where they become e times fewer with 3 to 4 nats more; by that it is between {steep:.1} and \
                 {flat:.1}. More history makes this sharper than any rule."
            )
        });
    }
    lines
}

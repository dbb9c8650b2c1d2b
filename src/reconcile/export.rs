//! Comparisons for programs: JSON Lines, CSV, Markdown. All rows, those that agree among them.

use super::book::Book;
use super::cause::Cause;
use super::compare::{Comparison, Row};
use super::sums::Sums;
use super::text::{money, plain, signed};
use crate::backtest::escaped;
use crate::encode::Visible;
use serde_json::{Value, json};
use std::fmt::Write;

/// What the objects are.
const SCHEMA: &str = "keyhound.reconcile.v1";

/// An object for each row and one for each comparison, one on a line. `decimal` texts, so that no digit is lost.
pub fn json(book: &Book, comparisons: &[Comparison]) -> String {
    let rows = comparisons.iter().flat_map(|comparison| {
        let rows = comparison.rows.iter().map(|row| row_json(comparison, row));
        rows.chain([comparison_json(comparison)])
    });
    let foreign = book.foreign_money.iter().map(|(currency, (nano, lines))| {
        json!({ "schema": SCHEMA, "event": "not_compared", "currency": currency, "amount": exact(*nano), "lines": lines })
    });
    rows.chain(foreign).fold(String::new(), |mut text, value| {
        let _ = writeln!(text, "{value}");
        text
    })
}

fn row_json(comparison: &Comparison, row: &Row) -> Value {
    json!({
        "schema": SCHEMA,
        "event": "row",
        "comparison": format!("{}:{}", comparison.left.name(), comparison.right.name()),
        "team": row.team,
        "key_id": row.key.map(|key| key.to_string()),
        "api_key_prefix": row.key.map(|_| row.key_name.as_str()),
        "model": row.model,
        "day": row.day.map(|day| day.to_string()),
        "others": row.is_others,
        (comparison.left.name()): sums_json(&row.left.all),
        (comparison.right.name()): sums_json(&row.right.all),
        "residual_usd": exact(row.residual()),
        "residual_tokens": i64::try_from(row.residual_tokens()).unwrap_or(i64::MAX),
        "cause": row.cause.label(),
        "why": row.why,
    })
}

fn comparison_json(comparison: &Comparison) -> Value {
    json!({
        "schema": SCHEMA,
        "event": "comparison",
        "comparison": format!("{}:{}", comparison.left.name(), comparison.right.name()),
        "by": comparison.by.words(),
        (comparison.left.name()): sums_json(&comparison.totals.0.all),
        (comparison.right.name()): sums_json(&comparison.totals.1.all),
        "residual_usd": exact(comparison.residual()),
        "rows": comparison.rows.len(),
        "findings": comparison.findings().count(),
        "notes": comparison.notes,
    })
}

fn sums_json(sums: &Sums) -> Value {
    json!({
        "requests": sums.requests,
        "input_tokens": sums.input(),
        "cached_tokens": sums.cached,
        "output_tokens": sums.output,
        "cost_usd": exact(sums.cost),
    })
}

/// An amount with all its digits: `-12.000000001`.
fn exact(nano: i128) -> String {
    let (sign, nano) = (if nano < 0 { "-" } else { "" }, nano.unsigned_abs());
    let text = format!("{sign}{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Rows for a spreadsheet.
pub fn csv(comparisons: &[Comparison]) -> String {
    let mut text = String::from(
        "comparison,team,key_id,key,model,day,left_usd,right_usd,residual_usd,left_tokens,right_tokens,cause,why\r\n",
    );
    for comparison in comparisons {
        let name = format!("{}:{}", comparison.left.name(), comparison.right.name());
        for row in &comparison.rows {
            let cells = [
                name.clone(),
                row.team.clone().unwrap_or_default(),
                row.key.map(|key| key.to_string()).unwrap_or_default(),
                row.key_name.clone(),
                row.model.clone().unwrap_or_default(),
                row.day.map(|day| day.to_string()).unwrap_or_default(),
                exact(row.left.all.cost),
                exact(row.right.all.cost),
                exact(row.residual()),
                row.left.all.tokens().to_string(),
                row.right.all.tokens().to_string(),
                row.cause.label().to_owned(),
                row.why.clone(),
            ];
            let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
            let _ = write!(text, "{}\r\n", cells.join(","));
        }
    }
    text
}

/// A cell in which nothing acts: neither a quote nor what a spreadsheet would take for a formula.
fn quoted(cell: &str) -> String {
    let shown = Visible(cell).to_string();
    let is_number =
        shown.strip_prefix('-').unwrap_or(&shown).bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let acts = shown.starts_with(['=', '+', '-', '@']) && !is_number;
    let shown = if acts { format!("'{shown}") } else { shown };
    if shown.contains([',', '"', ';', '\'']) { format!("\"{}\"", shown.replace('"', "\"\"")) } else { shown }
}

/// Tables for a ticket or a wiki; rows that agree are counted only.
pub fn markdown(book: &Book, comparisons: &[Comparison]) -> String {
    let mut text = String::from("# Reconciliation\n");
    for comparison in comparisons {
        let (left, right) = (comparison.left.name(), comparison.right.name());
        let _ = writeln!(text, "\n## {left} against {right}, by {}\n", comparison.by.words());
        let _ = writeln!(text, "| | |\n|---|---:|");
        for (name, cost) in [(left, comparison.totals.0.all.cost), (right, comparison.totals.1.all.cost)] {
            let _ = writeln!(text, "| {name} | {} |", money(cost));
        }
        let agreeing = comparison.rows.iter().filter(|row| row.cause == Cause::Agrees).count();
        let _ = writeln!(
            text,
            "| residual | {} |\n| rows that agree | {agreeing} |",
            signed(comparison.residual())
        );
        if comparison.findings().next().is_some() {
            let _ = writeln!(
                text,
                "\n| team | key | model | day | {left} $ | {right} $ | residual $ | why | |\n|---|---|---|---|---:|---:|---:|---|---|"
            );
        }
        for row in comparison.findings() {
            let day = row.day.map(|day| day.to_string()).unwrap_or_default();
            let names = [
                row.team.as_deref().unwrap_or_default(),
                &row.key_name,
                row.model.as_deref().unwrap_or_default(),
                &day,
            ];
            let names: Vec<String> = names.into_iter().map(escaped).collect();
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} |",
                names.join(" | "),
                plain(row.left.all.cost),
                plain(row.right.all.cost),
                plain(row.residual()),
                row.cause.label(),
                escaped(&row.why)
            );
        }
        for note in &comparison.notes {
            let _ = writeln!(text, "\n{}", escaped(note));
        }
    }
    for (currency, (nano, lines)) in &book.foreign_money {
        let _ = writeln!(
            text,
            "\nNot compared: {} {} in {lines} lines of the invoice.",
            plain(*nano),
            escaped(currency)
        );
    }
    text
}

//! Scores as Markdown, for the page of a change.

use super::show::{Named, Table, tables};
use super::text::headlines;
use crate::encode::Visible;
use std::fmt::Write;

/// A score, or two side by side.
pub fn markdown(scores: &[Named<'_>]) -> String {
    let mut text = String::from("## How good the detection is\n");
    for (letter, named) in ["A", "B"].iter().zip(scores) {
        let letter = if scores.len() > 1 { format!("{letter}: ") } else { String::new() };
        let _ = writeln!(text, "\n**{letter}`{}`**", escaped(named.name));
        for line in headlines(named.score) {
            let _ = writeln!(text, "- {}", escaped(&line));
        }
    }
    for table in tables(scores) {
        write(&table, &mut text);
    }
    text
}

/// Appends a table under its title.
pub fn write(table: &Table, text: &mut String) {
    let row = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| escaped(cell.trim())).collect();
        format!("| {} |", cells.join(" | "))
    };
    let _ = writeln!(text, "\n### {}\n\n{}", table.title, row(&table.head));
    let _ = writeln!(text, "|---|{}", "--:|".repeat(table.head.len().saturating_sub(1)));
    for cells in &table.rows {
        let _ = writeln!(text, "{}", row(cells));
    }
}

/// What ends a cell or begins an element does not.
pub fn escaped(text: &str) -> String {
    Visible(text).to_string().replace('|', "\\|").replace('<', "&lt;")
}

//! An explanation as Markdown, for a ticket.

use super::case::Case;
use super::readings::reading;
use super::revision::{milli, nats};
use super::text::{differences, growth, requests, said_without, verdict};
use crate::backtest::{Table, escaped, write_markdown};
use crate::incident;
use std::fmt::Write;

/// The whole explanation.
pub fn markdown(case: &Case) -> String {
    let (revision, last) = (case.revision(), case.last());
    let mut text = format!(
        "## Key `{}`: {}, {}\n\nIncident `{}`. {}\n",
        escaped(&last.api_key_prefix),
        escaped(&last.class),
        escaped(&last.severity),
        escaped(&last.incident_id),
        escaped(&verdict(case))
    );
    let rows = revision.ledger.iter().map(|entry| {
        let said = [incident::meaning(&entry.term).to_owned(), reading(entry)];
        let said: Vec<String> = said.into_iter().filter(|said| !said.is_empty()).collect();
        vec![format!("{}: {}", entry.term, said.join("; ")), nats(entry.milli())]
    });
    let mut rows: Vec<Vec<String>> = rows.collect();
    rows.push(vec!["sum".to_owned(), nats(milli(revision.score))]);
    rows.push(vec!["margin above the threshold".to_owned(), nats(case.margin())]);
    let head = vec!["term".to_owned(), "nats".to_owned()];
    write_markdown(&Table { title: "Why it was told".to_owned(), head, rows }, &mut text);
    if !case.is_sure() {
        text.push_str("\n### What it would have taken not to tell it\n\n");
        for line in said_without(&case.without()) {
            let _ = writeln!(text, "{}", escaped(&line));
        }
    }
    write_markdown(&Table { title: "How it grew".to_owned(), ..growth(case) }, &mut text);
    if !case.requests.is_empty() {
        write_markdown(
            &Table { title: "Requests, the first of them".to_owned(), ..requests(case) },
            &mut text,
        );
    }
    text.push_str("\n### What to do\n\n");
    for (number, step) in (1..).zip(&last.next_steps) {
        let _ = writeln!(text, "{number}. {}", escaped(step));
    }
    for line in differences(case) {
        let _ = writeln!(text, "\n{}", escaped(&line));
    }
    text
}

//! Rows: indicators as CSV, and what was done when as Timesketch reads it.

use crate::encode::Visible;
use crate::investigate::phase::{Phase, describe};
use crate::investigate::report::{Indicator, Report};
use crate::time::parse;
use serde_json::{Value, json};
use std::fmt::Write;

/// Indicators as CSV (RFC 4180). A cell that a spreadsheet would take for a formula begins with an apostrophe.
pub fn csv(report: &Report) -> String {
    let mut text = String::from("kind,value,about,first,last,requests,cost_usd,shared,shared_because\r\n");
    for one in &report.indicators.list {
        let Indicator { kind, value, about, first, last, requests, cost_usd, is_shared, shared_because } =
            one;
        let _ = write!(
            text,
            "{kind},{},{},{first},{last},{requests},{cost_usd},{is_shared},{}\r\n",
            cell(value),
            cell(about),
            cell(shared_because)
        );
    }
    text
}

fn cell(text: &str) -> String {
    let text = Visible(text).to_string();
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// A row of a request, as one line for Timesketch.
pub fn timesketch(phase: Phase, row: &str, hash: &str) -> String {
    let row: Value = serde_json::from_str(row).unwrap_or_default();
    let text = |name: &str| row[name].as_str().unwrap_or_default();
    let number = |name: &str| row[name].as_u64().unwrap_or_default();
    let one =
        ([number("input_tokens"), number("output_tokens")], row["cost_usd"].as_f64().unwrap_or_default());
    let message = describe(phase, text("model"), text("endpoint"), Some(one));
    let mut line = json!({
        "message": message,
        "datetime": text("time"),
        "timestamp": micros(text("time")),
        "timestamp_desc": "API request",
        "tag": [phase.label()],
        "data_type": "keyhound:attacker:request",
        "row_sha256": hash,
    });
    if let (Some(line), Some(row)) = (line.as_object_mut(), row.as_object()) {
        line.extend(
            row.iter().filter(|(name, _)| *name != "time").map(|(name, value)| (name.clone(), value.clone())),
        );
    }
    line.to_string()
}

/// Moments, as lines for Timesketch.
pub fn timesketch_moments(report: &Report) -> Vec<String> {
    let moments = report.timeline.moments.iter();
    moments
        .map(|moment| {
            json!({
                "message": moment.what,
                "datetime": moment.at,
                "timestamp": micros(&moment.at),
                "timestamp_desc": moment.kind,
                "tag": [moment.kind],
                "data_type": "keyhound:moment",
                "source": moment.source,
                "line_sha256": moment.line_sha256,
            })
            .to_string()
        })
        .collect()
}

/// Microseconds since 1970.
fn micros(time: &str) -> i64 {
    parse(time.as_bytes()).map_or(0, |stamp| stamp.at.0 / 1000)
}

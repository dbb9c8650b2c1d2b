//! For people: a line of the input, and under it what came of it at each stage.

use super::{Seen, Show, Shown, Stage, Tap, outcome, parts, quiet};
use crate::cli::detect::one;
use crate::encode::{View, Visible, What};
use std::fmt::Write as _;
use std::io::Write as _;

/// Characters of a line that are shown.
const START: usize = 100;

pub(super) struct Text;

fn put(out: &mut Vec<u8>, stage: &str, what: &str) {
    // A vector takes everything.
    let _ = writeln!(out, "  {stage:<10} {what}");
}

fn detect(tap: &Tap<'_>, seen: &Seen, is_here: bool, out: &mut Vec<u8>) {
    let what = match &seen.record {
        Some((record, batch)) => {
            let (blind, silent) = quiet(tap, record, &seen.events);
            let mut what = outcome(seen).to_owned();
            if !is_here {
                what = format!("{what}, from before: {}", one(record, batch));
            }
            let _ = write!(what, "; {} detectors say nothing", silent.len());
            if !blind.is_empty() {
                let _ = write!(what, "; blind: {}", blind.join(", "));
            }
            what
        }
        None => "time has passed".to_owned(),
    };
    put(out, "detect", &what);
    for event in seen.events.iter().filter(|event| tap.is_event_meant(event)) {
        let Some(view) = View::of(event) else { continue };
        let View { rule, status, severity, revision, description, .. } = view;
        let again = if revision > 0 { format!(", revision {revision}") } else { String::new() };
        put(out, "", &format!("! {} {rule} {status}{again}: {}", severity.label(), Visible(description)));
    }
}

impl Show for Text {
    fn line(&self, tap: &Tap<'_>, line: &Shown<'_>, out: &mut Vec<u8>) {
        let _ = writeln!(out, "{}:{}", Visible(line.source), line.number);
        let head = out.len();
        if tap.shows(Stage::Frame) {
            let start: String = line.start.chars().take(START).collect();
            let more = if start.len() < line.bytes { "…" } else { "" };
            put(out, "frame", &format!("{} bytes  {}{more}", line.bytes, Visible(&start)));
        }
        for way in &line.ways {
            let (wrappers, format) = parts(way);
            if tap.shows(Stage::Unwrap) && !wrappers.is_empty() {
                put(out, "unwrap", &Visible(&wrappers.join(" > ")).to_string());
            }
            if tap.shows(Stage::Decode) {
                let mut what = Visible(format.unwrap_or("no format")).to_string();
                for (count, label) in [(way.foreign, "passed over"), (way.rejected, "rejected")] {
                    if count > 0 {
                        let _ = write!(what, "; {count} {label}");
                    }
                }
                put(out, "decode", &what);
                let rejects = line.batch.rejects.get(way.rejects.clone()).unwrap_or_default();
                for reject in rejects {
                    put(out, "", &format!("× {}", What(reject)));
                }
            }
            for index in way.records.clone() {
                let Some(record) = line.batch.records.get(index) else { continue };
                if !tap.is_record_meant(record, line.batch) {
                    continue;
                }
                if tap.shows(Stage::Normalise) {
                    put(out, "normalise", &one(record, line.batch));
                }
                if tap.shows(Stage::Detect) {
                    match line.seen.iter().find(|seen| seen.index == Some(index)) {
                        Some(seen) => detect(tap, seen, true, out),
                        None => put(out, "detect", "held: its other half is waited for"),
                    }
                }
            }
        }
        if tap.shows(Stage::Detect) {
            let others = line.seen.iter().filter(|seen| seen.index.is_none());
            others.for_each(|seen| detect(tap, seen, false, out));
        }
        if out.len() == head {
            out.clear();
        }
    }

    fn end(&self, tap: &Tap<'_>, seen: &[&Seen], out: &mut Vec<u8>) {
        if seen.is_empty() {
            return;
        }
        out.extend_from_slice(b"at the end\n");
        for seen in seen {
            detect(tap, seen, false, out);
        }
    }
}

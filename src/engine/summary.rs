//! The closing lines of a run: what was read, what became of it, what was found.

use super::totals::Totals;
use crate::detect::{self, Severity, Status};
use crate::record::Reason;
use std::fmt::Write;
use std::time::Duration;

/// The summary as text, several lines.
pub fn summary(totals: &Totals, took: Duration, peak_memory_bytes: Option<u64>) -> String {
    let mut text = String::new();
    let records = totals.records;
    let _ = writeln!(
        text,
        "read {} = {} processed + {} duplicate + {} late + {} rejected  ({}, {:.1} s{})",
        totals.read(),
        records.processed,
        records.duplicate,
        records.late,
        totals.rejected(),
        bytes(totals.bytes),
        took.as_secs_f64(),
        peak_memory_bytes.map_or_else(String::new, |bytes| format!(", {} MiB memory", bytes >> 20)),
    );
    let notes = [
        (
            totals.rejects_unkept,
            "rejects were only counted: too many of them in too little input to keep them all",
        ),
        (totals.failed_inputs, "of the inputs could not be read to the end"),
        (records.learned, "were history, learned from and not judged"),
        (records.conflicting, "had a request id that was used before with other content"),
        (records.untracked, "were of new keys for which there was no memory left (limits.state_bytes_max)"),
        (totals.foreign, "besides were events of something else than the use of a model"),
        (totals.joined.joined, "were joined to the request that they tell the cost of"),
        (totals.joined.alone, "tell the cost of a request that no log tells the key of"),
        (totals.opaque_addresses, "had a client address that is no IP address"),
        (totals.gauges.keys_evicted, "new keys gave way because memory was short (limits.state_bytes_max)"),
        (totals.gauges.dedup_forgotten, "requests were forgotten early (limits.dedup_entries_max)"),
    ];
    for (count, what) in notes.into_iter().filter(|(count, _)| *count > 0) {
        let _ = writeln!(text, "  {count} {what}");
    }
    let rejected: Vec<String> = Reason::ALL
        .iter()
        .zip(totals.rejected)
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| format!("{count} {}", reason.label()))
        .collect();
    if !rejected.is_empty() {
        let _ = writeln!(text, "rejected: {}", rejected.join(", "));
    }
    let keys = totals.gauges.keys;
    let _ = writeln!(text, "{keys} {}; {}", if keys == 1 { "key" } else { "keys" }, alerts(totals));
    text
}

/// `3 alerts: 1 critical (cost_spike), 2 high (…); 1 withdrawn`
fn alerts(totals: &Totals) -> String {
    // While windows are open an alert counts where it stands; once closed, by its last word.
    let finals = totals.alerts_with(Status::Final) + totals.alerts_with(Status::Withdrawn) > 0;
    let status = if finals { Status::Final } else { Status::Open };
    let mut parts = Vec::new();
    for severity in Severity::ALL.iter().rev() {
        let by_detector = detect::ALL.iter().zip(totals.alerts).filter_map(|(detector, counts)| {
            let count = counts[*severity as usize][status as usize];
            (count > 0).then(|| format!("{count} {} {}", severity.label(), detector.name))
        });
        parts.extend(by_detector);
    }
    let withdrawn = totals.alerts_with(Status::Withdrawn);
    let withdrawn = if withdrawn > 0 { format!("; {withdrawn} withdrawn") } else { String::new() };
    let so_far = if finals { "" } else { " so far, revisions included" };
    match totals.alerts_with(status) {
        0 => format!("no alerts{withdrawn}"),
        1 => format!("1 alert{so_far}: {}{withdrawn}", parts.join(", ")),
        count => format!("{count} alerts{so_far}: {}{withdrawn}", parts.join(", ")),
    }
}

#[allow(clippy::cast_precision_loss)]
fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} bytes"),
        10_000..10_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

//! The closing lines of a run: what was read, what became of it, what was found.

use super::totals::Totals;
use crate::detect::{self, Severity, Status};
use crate::encode::Visible;
use crate::money::NanoUsd;
use crate::record::{Action, CostSource, Reason};
use std::collections::BTreeMap;
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
        (totals.gauges.buckets_forgotten, "buckets were forgotten early (limits.bucket_entries_max)"),
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
    for line in [costs(totals), unknown_costs(totals), audits(totals)].into_iter().flatten() {
        let _ = writeln!(text, "{line}");
    }
    let _ = writeln!(text, "{}; {}", keys(totals.gauges.keys), alerts(totals));
    if let Some(line) = blind(totals) {
        let _ = writeln!(text, "{line}");
    }
    text
}

fn keys(count: u64) -> String {
    format!("{count} {}", if count == 1 { "key" } else { "keys" })
}

/// `blind: cost_spike, billing_threshold to 2 keys; unknown_source_ip to 1 key`: silence of these says nothing of them.
fn blind(totals: &Totals) -> Option<String> {
    let mut by_count: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for detector in detect::ALL {
        by_count.entry(totals.gauges.blind(detector.needs)).or_default().push(detector.name);
    }
    let counted = by_count.into_iter().rev().filter(|(count, _)| *count > 0);
    let parts: Vec<_> =
        counted.map(|(count, names)| format!("{} to {}", names.join(", "), keys(count))).collect();
    (!parts.is_empty()).then(|| format!("blind: {}", parts.join("; ")))
}

/// `cost: $1.50 reported + $20.10 computed; $22.00 invoiced for the same use`, where there is more than one kind.
fn costs(totals: &Totals) -> Option<String> {
    let of = |source: CostSource| {
        let amount = totals.records.cost[source as usize];
        (amount != NanoUsd::ZERO).then(|| format!("{amount} {}", source.label()))
    };
    let used = [CostSource::Reported, CostSource::Computed, CostSource::Partial].into_iter().filter_map(of);
    let used = used.collect::<Vec<_>>().join(" + ");
    match of(CostSource::Invoiced) {
        None if used.is_empty() => None,
        None => Some(format!("cost: {used}")),
        Some(invoiced) if used.is_empty() => Some(format!("cost: {invoiced}")),
        Some(invoiced) => Some(format!("cost: {used}; {invoiced} for the same use")),
    }
}

/// Models that are named in the summary.
const MODELS_NAMED: usize = 8;

/// `cost unknown for 12 requests of 2 models: acme-large, acme-small`
fn unknown_costs(totals: &Totals) -> Option<String> {
    let count = totals.records.requests[CostSource::Unknown as usize];
    if count <= 0 {
        return None;
    }
    let models = totals.unpriced.most();
    let unnamed = models.iter().any(|(name, _)| name.is_empty());
    let names: Vec<_> = models.iter().map(|(name, _)| *name).filter(|name| !name.is_empty()).collect();
    let mut shown: Vec<_> = names.iter().take(MODELS_NAMED).map(|name| Visible(name).to_string()).collect();
    if names.len() > MODELS_NAMED {
        shown.push("…".to_owned());
    }
    let requests = if count == 1 { "request" } else { "requests" };
    let of = match names.len() {
        0 if count == 1 => " that names no model".to_owned(),
        0 => " that name no model".to_owned(),
        1 => format!(" of 1 model: {}", shown.join(", ")),
        _ if totals.unpriced.overflowed => {
            format!(" of more than {} models: {}", names.len(), shown.join(", "))
        }
        several => format!(" of {several} models: {}", shown.join(", ")),
    };
    let and = if unnamed && !names.is_empty() { ", and of some that name no model" } else { "" };
    Some(format!("cost unknown for {count} {requests}{of}{and}"))
}

/// `audit: 2 key_created, 1 limit_removed`
fn audits(totals: &Totals) -> Option<String> {
    let counted = Action::ALL.iter().zip(totals.records.audits).filter(|(_, count)| *count > 0);
    let parts: Vec<_> = counted.map(|(action, count)| format!("{count} {}", action.label())).collect();
    (!parts.is_empty()).then(|| format!("audit: {}", parts.join(", ")))
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

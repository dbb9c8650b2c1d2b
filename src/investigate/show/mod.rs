//! The forms of a report.

mod charts;
mod html;
mod letter;
mod markdown;
mod misp;
mod rows;
mod sigma;
mod stix;
mod template;
mod text;
mod watch;

pub use html::html;
pub use letter::letter;
pub use markdown::markdown;
pub use misp::misp;
pub use rows::{csv, timesketch, timesketch_moments};
pub use sigma::sigma;
pub use stix::stix;
pub use template::template;
pub use text::text;
pub use watch::watch_list;

use super::report::{Indicator, Report};
use uuid::Uuid;

/// Under which names of ours are names of version 5: the same object has the same name wherever it is made.
const NAMESPACE: Uuid = Uuid::from_u128(0x6b65_7968_6f75_4e64_8a1d_2026_1129_0001);

/// A name of version 5.
fn name(parts: &[&str]) -> Uuid {
    Uuid::new_v5(&NAMESPACE, parts.join("\n").as_bytes())
}

/// When the report's facts were known last: reports of the same records are the same bytes.
fn as_of(report: &Report) -> String {
    let verdict = &report.verdict;
    let known = [&verdict.last_act, &verdict.revoked_at, &verdict.detected_at];
    known.into_iter().flatten().max().cloned().unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned())
}

/// Indicators of a kind.
fn of<'a>(report: &'a Report, kind: &'a str) -> impl Iterator<Item = &'a Indicator> {
    report.indicators.list.iter().filter(move |one| one.kind == kind)
}

/// The techniques that a stolen key comes to (MITRE ATT&CK), with their names.
const TECHNIQUES: [(&str, &str); 2] = [
    ("T1078.004", "Valid Accounts: Cloud Accounts"),
    ("T1496.004", "Resource Hijacking: Cloud Service Hijacking"),
];

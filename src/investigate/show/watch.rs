//! Indicators as a watch list that `keyhound run` reads.

use super::of;
use crate::encode::Visible;
use crate::investigate::report::{Indicator, Report};
use std::fmt::Write;

/// Shortest and longest part of a client's name that a list takes.
const CLIENT_BYTES: std::ops::RangeInclusive<usize> = 4..=200;

/// One entry a line; what is shared with others stands behind a `#`, so that it calls nobody.
pub fn watch_list(report: &Report) -> String {
    let mut text = format!(
        "# Seen with the stolen key {} ({}); in force with watch_list.files = [\"this file\"].\n\
         # What others use, too, is commented out: whoever comes from there may be anybody.\n",
        Visible(&report.key.prefix),
        report.key.id
    );
    for one in ["address", "network", "client"].into_iter().flat_map(|kind| of(report, kind)) {
        let Some(entry) = entry(one) else { continue };
        let off = if one.is_shared { "# " } else { "" };
        let about = if one.is_shared { &one.shared_because } else { &one.about };
        let about = if about.is_empty() { String::new() } else { format!("  # {}", Visible(about)) };
        let _ = writeln!(text, "{off}{entry}{about}");
    }
    text
}

fn entry(one: &Indicator) -> Option<String> {
    match one.kind {
        "client" => {
            // A list ends a name at these; what stands before is a part of the name as well.
            let name = one.value.split(['#', ',', '\t']).next().unwrap_or("").trim();
            CLIENT_BYTES.contains(&name.len()).then(|| format!("client:{}", Visible(name)))
        }
        "address" => one.value.parse::<std::net::IpAddr>().ok().map(|address| address.to_string()),
        _ => Some(one.value.clone()),
    }
}

//! Indicators as a Sigma rule over usage records with keyhound's own names of fields.

use super::{as_of, name, of};
use crate::encode::Visible;
use crate::investigate::report::Report;
use std::fmt::Write;

/// Values of a list.
const VALUES_MAX: usize = 200;

/// The rule.
pub fn sigma(report: &Report) -> String {
    let at = as_of(report);
    let addresses: Vec<&str> = of(report, "address")
        .filter(|one| !one.is_shared)
        .map(|one| one.value.as_str())
        .take(VALUES_MAX)
        .collect();
    let clients: Vec<&str> = of(report, "client")
        .filter(|one| !one.is_shared)
        .map(|one| one.value.as_str())
        .take(VALUES_MAX)
        .collect();
    let mut rule = format!(
        "title: {}\nid: {}\nstatus: experimental\ndescription: {}\nauthor: keyhound\ndate: {}\n\
         tags:\n    - attack.initial-access\n    - attack.impact\n    - attack.t1078.004\n    - attack.t1496.004\n\
         logsource:\n    category: application\n    product: llm_gateway\n    service: usage\ndetection:\n",
        quoted(&format!("Known thief of AI API key {}", report.key.prefix)),
        name(&["sigma", &report.key.id]),
        quoted(
            "A request from an address, or with a client, that a stolen key was used from or with, and nobody else."
        ),
        at.get(..10).unwrap_or("1970-01-01")
    );
    let mut names = Vec::new();
    for (title, field, values) in
        [("selection_address", "source_ip", addresses), ("selection_client", "user_agent", clients)]
    {
        if !values.is_empty() {
            let _ = writeln!(rule, "    {title}:\n        {field}:");
            for value in values {
                let _ = writeln!(rule, "            - {}", quoted(&literal(value)));
            }
            names.push(title);
        }
    }
    if names.is_empty() {
        // A rule without a condition is none: this key was, whoever it is.
        let _ = writeln!(
            rule,
            "    selection_key:\n        api_key_prefix: {}",
            quoted(&literal(&report.key.prefix))
        );
        names.push("selection_key");
    }
    let _ = write!(
        rule,
        "    condition: {}\nfalsepositives:\n    - {}\nlevel: high\n",
        names.join(" or "),
        quoted("Addresses are given to others in time: drop the rule after some weeks.")
    );
    rule
}

/// A value in which nothing is a wildcard.
fn literal(text: &str) -> String {
    text.replace('\\', "\\\\").replace('*', "\\*").replace('?', "\\?")
}

/// As YAML has a text that means itself.
fn quoted(text: &str) -> String {
    format!("'{}'", Visible(text).to_string().replace('\'', "''"))
}

//! Pages of the manual that are printed from the tables of the program.

use crate::config::DEFAULTS;
use crate::detect::{self, Detector};
use std::fmt::Write;

/// What stands above the detectors.
const HEAD: &str = "# Detectors, one by one

`keyhound detectors --markdown` prints this page from the table that the program itself uses. What an alert says and when it is
told again is in [alerts.md](alerts.md); how all of them are weighed together in [incidents.md](incidents.md).

";

/// All detectors, each with what it sees, what it needs, its settings and what to do.
pub fn detectors() -> String {
    let mut text = String::from(HEAD);
    text.push_str("| detector | class | it tells of |\n|---|---|---|\n");
    for Detector { name, class, summary, .. } in detect::ALL {
        let _ = writeln!(text, "| [`{name}`](#{name}) | {} | {summary} |", class.label());
    }
    for detector in detect::ALL {
        section(detector, &mut text);
    }
    text
}

fn section(detector: &Detector, text: &mut String) {
    let Detector { name, class, summary, pages, needs, attack, atlas, next_steps, .. } = detector;
    let _ = writeln!(text, "\n## {name}\n\n{}.\n", sentence(summary));
    let _ = writeln!(text, "- **Class:** {}.", class.label());
    if *pages {
        text.push_str("- **Calls a person:** where it is high or critical, it is an incident by itself.\n");
    }
    let needs = needs.names().collect::<Vec<_>>().join(", ");
    if !needs.is_empty() {
        let _ = writeln!(text, "- **Blind without:** {needs}.");
    }
    for (catalogue, place, ids) in [("ATT&CK", ATTACK, attack), ("ATLAS", ATLAS, atlas)] {
        let links: Vec<String> =
            ids.iter().map(|id| format!("[{id}]({place}{})", path(catalogue, id))).collect();
        if !links.is_empty() {
            let _ = writeln!(text, "- **{catalogue}:** {}.", links.join(", "));
        }
    }
    if !next_steps.is_empty() {
        text.push_str("- **What to do:**\n");
        for (number, step) in (1..).zip(*next_steps) {
            let _ = writeln!(text, "  {number}. {step}");
        }
    }
    let _ = writeln!(text, "\n```toml\n{}\n```", settings(name));
}

/// With a capital letter in front.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

const ATTACK: &str = "https://attack.mitre.org/techniques/";
const ATLAS: &str = "https://atlas.mitre.org/techniques/";

/// Where a technique is described: of ATT&CK, what stands behind the point is a folder.
fn path(catalogue: &str, id: &str) -> String {
    if catalogue == "ATLAS" { id.to_owned() } else { id.replace('.', "/") }
}

/// Its table in the defaults, with what stands there about each setting.
fn settings(name: &str) -> String {
    let head = format!("[detectors.{name}]");
    let lines = DEFAULTS.lines().skip_while(|line| *line != head);
    let own = lines.enumerate().take_while(|(at, line)| *at == 0 || !line.starts_with('['));
    own.map(|(_, line)| line).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

//! `keyhound formats` and `keyhound detectors`: printed from the tables that the program itself uses.

use crate::decode::Formats;
use crate::detect::Ruleset;
use crate::{detect, unwrap};
use std::fmt::Write;

/// Columns of a terminal that tables keep to.
const COLUMNS: usize = 100;

/// Formats and wrappers, with what they are.
pub fn formats(formats: &Formats) -> String {
    let width = name_width(formats);
    let mut text = String::from("Formats, recognised by themselves or named by --format:\n");
    for format in formats.iter() {
        row(&mut text, width, &format.name, &format.summary);
    }
    text.push_str("\nWrappers, taken off before (up to six, one inside the other):\n");
    for wrapper in unwrap::ALL {
        row(&mut text, width, wrapper.name, wrapper.summary);
    }
    text.push_str("\nFiles may be compressed with gz or zst, whatever they are called.\n");
    text.push_str("What each format can tell: `--long`. What is in a file of yours: `--detect FILE`.\n");
    text
}

/// What the records of each format can tell, and which detectors are blind with such a source alone.
pub fn carried(formats: &Formats, rules: &Ruleset) -> String {
    let width = name_width(formats);
    let heads = formats.iter().next().map(|format| format.carries.columns().map(|(head, _)| head));
    let mut text = format!("  {:<width$} {}  counts\n", "", heads.unwrap_or_default().join(" "));
    for format in formats.iter() {
        let marks = format.carries.columns().map(|(head, is_there)| {
            let mark = if is_there { "x" } else { "-" };
            format!("{mark:<head$}", head = head.len())
        });
        let counted = format.carries.counted();
        let _ = writeln!(text, "  {:<width$} {}  {counted}", format.name, marks.join(" "));
        let blind = rules.blind(format.carries.signals());
        if !blind.is_empty() {
            let blind = blind.join(", ");
            for line in wrapped(&format!("blind: {blind}"), COLUMNS - width - 3) {
                let _ = writeln!(text, "  {:<width$} {line}", "");
            }
        }
    }
    text.push_str(
        "\nx: its records can tell it, though not every record does; -: none ever does. Cost is computed\n",
    );
    text.push_str("from model and tokens where no record tells it. Halves tell together what both tell.\n");
    text
}

fn name_width(formats: &Formats) -> usize {
    let names = formats.iter().map(|format| &*format.name);
    names.chain(unwrap::ALL.iter().map(|wrapper| wrapper.name)).map(str::len).max().unwrap_or(0)
}

/// A name, and beside it what it is, on as many lines as that takes.
fn row(text: &mut String, width: usize, name: &str, summary: &str) {
    let mut name = name;
    for line in wrapped(summary, COLUMNS - width - 3) {
        let _ = writeln!(text, "  {name:<width$} {line}");
        name = "";
    }
}

/// A text in lines of at most `width` characters, cut between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Detectors with what they mean and what they are set to by default.
pub fn detectors() -> String {
    let mut text = String::new();
    for detector in detect::ALL {
        let _ = writeln!(text, "{}  ({})", detector.name, detector.class.label());
        let _ = writeln!(text, "  {}", detector.summary);
        let needs = detector.needs.names().collect::<Vec<_>>().join(", ");
        if !needs.is_empty() {
            let _ = writeln!(text, "  blind without: {needs}");
        }
        let settings = (detector.defaults)().unwrap_or_default();
        let settings: Vec<&str> = settings.lines().collect();
        if !settings.is_empty() {
            let _ = writeln!(text, "  settings: {}", settings.join(", "));
        }
        if detector.attack.is_empty() && detector.atlas.is_empty() {
            text.push('\n');
            continue;
        }
        let _ =
            writeln!(text, "  ATT&CK {}, ATLAS {}\n", detector.attack.join(" "), detector.atlas.join(" "));
    }
    text.push_str(
        "Change or switch off a detector in its own table of the configuration: [detectors.NAME].\n",
    );
    text
}

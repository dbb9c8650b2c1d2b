//! `keyhound formats` and `keyhound detectors`: printed from the tables that the program itself uses.

use crate::decode::Formats;
use crate::{detect, unwrap};
use std::fmt::Write;

/// Formats and wrappers, one a line.
pub fn formats(formats: &Formats) -> String {
    let names =
        formats.iter().map(|format| &*format.name).chain(unwrap::ALL.iter().map(|wrapper| wrapper.name));
    let width = names.map(str::len).max().unwrap_or(0);
    let mut text = String::from("Formats, recognised by themselves or named by --format:\n");
    for format in formats.iter() {
        let _ = writeln!(text, "  {:<width$} {}", format.name, format.summary);
    }
    text.push_str("\nWrappers, taken off before (up to six, one inside the other):\n");
    for wrapper in unwrap::ALL {
        let _ = writeln!(text, "  {:<width$} {}", wrapper.name, wrapper.summary);
    }
    text.push_str("\nFiles may be compressed with gz or zst, whatever they are called.\n");
    text
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
        let _ =
            writeln!(text, "  ATT&CK {}, ATLAS {}\n", detector.attack.join(" "), detector.atlas.join(" "));
    }
    text.push_str(
        "Change or switch off a detector in its own table of the configuration: [detectors.NAME].\n",
    );
    text
}

//! Real samples and those of specifications, where they are at hand (they are not ours to ship): each is read, and
//! read as `docs/formats.md` says.

use crate::support::{Ran, run_in};
use std::path::{Path, PathBuf};

/// Where samples may lie, beside the project.
const SAMPLES: &str = "../shared/samples";

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// The records of a file: of collections of test cases, what each case is about.
fn records(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    if path.extension().is_none_or(|kind| kind != "jsonl") {
        return text;
    }
    let cases = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    cases.map(|case| format!("{}\n", case.get("log").unwrap_or(&case))).collect()
}

#[test]
fn every_sample_is_read() {
    let mut read = 0;
    for path in files(Path::new(SAMPLES)) {
        // Parts of other programs' sources, and no records.
        if path.extension().is_none_or(|kind| kind != "json" && kind != "jsonl") {
            continue;
        }
        let dir = tempfile::tempdir().unwrap();
        let ran: Ran = run_in(dir.path(), &["run", "-"], records(&path).as_bytes());
        let accounting = ran.accounting();
        assert!(accounting.contains(" + 0 rejected"), "{}: {}", path.display(), ran.stderr);
        let is_told = !accounting.starts_with("read 0 ") || ran.stderr.contains("besides were events");
        assert!(is_told, "{}: {}", path.display(), ran.stderr);
        read += 1;
    }
    if read == 0 {
        eprintln!("skipped: no samples in {SAMPLES}");
    }
}

//! Real samples and those of specifications, where they are at hand (they are not ours to ship): each is read, and
//! read as `docs/formats.md` says. What is read of each stands in `tests/samples`; `KEYHOUND_BLESS=1` writes what comes
//! out, and `KEYHOUND_SAMPLES` names another folder to look for them.

use crate::formats::{compare, decode};
use crate::support::{Ran, run_in};
use std::path::{Path, PathBuf};

/// Where samples may lie, beside the project.
const SAMPLES: &str = "../shared/samples";

fn samples() -> PathBuf {
    std::env::var_os("KEYHOUND_SAMPLES").map_or_else(|| PathBuf::from(SAMPLES), PathBuf::from)
}

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
    let (mut read, samples) = (0, samples());
    for path in files(&samples) {
        // Parts of other programs' sources, and no records.
        if path.extension().is_none_or(|kind| kind != "json" && kind != "jsonl") {
            continue;
        }
        let name = path.strip_prefix(&samples).unwrap().with_extension("out");
        let (shown, rejects) = decode(records(&path).as_bytes());
        assert_eq!(rejects, "", "{}", path.display());
        let expected = Path::new("tests/samples").join(name);
        std::fs::create_dir_all(expected.parent().unwrap()).unwrap();
        compare(&expected, &shown);
        let dir = tempfile::tempdir().unwrap();
        let ran: Ran = run_in(dir.path(), &["run", "-"], records(&path).as_bytes());
        let accounting = ran.accounting();
        assert!(accounting.contains(" + 0 rejected"), "{}: {}", path.display(), ran.stderr);
        let is_told = !accounting.starts_with("read 0 ") || ran.stderr.contains("besides were events");
        assert!(is_told, "{}: {}", path.display(), ran.stderr);
        read += 1;
    }
    if read == 0 {
        eprintln!("skipped: no samples in {}", samples.display());
    }
}

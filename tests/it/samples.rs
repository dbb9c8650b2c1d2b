//! Real samples and those of specifications, where they are at hand (they are not ours to ship): each is read, and
//! read as `docs/formats.md` says. What is read of each stands in `tests/samples`; `KEYHOUND_BLESS=1` writes what comes
//! out, and `KEYHOUND_SAMPLES` names another folder to look for them.

use crate::formats::{compare, decode};
use crate::support::{Ran, run_in};
use keyhound::frame::shape::Shape;
use keyhound::unwrap;
use regex::{Captures, Regex};
use serde_json::Value;
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
    let cases = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    cases.map(|case| format!("{}\n", case.get("log").unwrap_or(&case))).collect()
}

#[test]
fn every_sample_is_read() {
    let (mut read, samples) = (0, samples());
    for path in files(&samples) {
        // Parts of other programs' sources, and no records: see below.
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

/// Envelopes out of another program's own tests: of each the wrapper, the line, and what that program finds in it.
fn envelopes(folder: &Path) -> Vec<(&'static str, String, Vec<String>)> {
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let mut envelopes = Vec::new();
    for (name, file) in [("cri", "cri_from_vector.txt"), ("docker", "dockerjson_from_vector.txt")] {
        let cases = spelled_out(&text(file));
        for case in cases.split("Bytes::from(").skip(1) {
            let (line, shown) = case.split_once("vec![").unwrap_or((case, ""));
            // What stands behind the last line may have been left out.
            let expected = shown.split_once("value!(").map(|(_, value)| value.split("\")").next().unwrap());
            let expected = expected.map(|value| literals(&format!("{value}\"")));
            envelopes.push((name, literals(line), expected.into_iter().collect()));
        }
    }
    let source = text("cloudwatch_subscription_from_vector_firehose_mod_rs.txt");
    let line = literals(source.split_once("const RECORD").unwrap().1);
    let parsed: Value = serde_json::from_str(&line).unwrap();
    let events = parsed["logEvents"].as_array().unwrap().iter();
    let messages = events.map(|event| event["message"].as_str().unwrap().to_owned()).collect();
    envelopes.push(("cloudwatch", line, messages));
    // Lines of a shell script in quotes, which puts braces around them.
    for line in text("vector_tests_data_journalctl.sh").lines().filter_map(|line| line.strip_prefix("  '\""))
    {
        let line = format!("{{\"{}}}", line.replace('\'', ""));
        let message = match &serde_json::from_str::<Value>(&line).unwrap()["MESSAGE"] {
            Value::String(text) => text.clone(),
            bytes => String::from_utf8(serde_json::from_value(bytes.clone()).unwrap()).unwrap(),
        };
        envelopes.push(("journald", line, vec![message]));
    }
    envelopes
}

/// Rust in which long texts stand as such, and not as calls of a function that repeats a short one.
fn spelled_out(source: &str) -> String {
    let call = Regex::new(r#"make_long_string\("([^"]*)", 16 \* 1024( - 1)?\)(\.as_str\(\))?"#).unwrap();
    let spell = |call: &Captures<'_>| {
        let length = 16 * 1024 - usize::from(call.get(2).is_some());
        format!("\"{}\"", call[1].chars().cycle().take(length).collect::<String>())
    };
    call.replace_all(source, spell).into_owned()
}

/// The texts in quotes of some Rust, one behind the other.
fn literals(source: &str) -> String {
    let literal = Regex::new(r##"r#"((?s:.*?))"#|r?"([^"]*)""##).unwrap();
    literal.captures_iter(source).map(|found| found.get(1).or(found.get(2)).unwrap().as_str()).collect()
}

#[test]
fn every_wrapper_of_the_samples_holds_what_another_program_finds_in_it() {
    let folder = samples().join("wrappers");
    if !folder.exists() {
        return eprintln!("skipped: no samples in {}", folder.display());
    }
    let envelopes = envelopes(&folder);
    for wrapper in ["cri", "docker", "cloudwatch", "journald"] {
        assert!(envelopes.iter().any(|(name, ..)| *name == wrapper), "{wrapper}");
    }
    for (name, line, expected) in envelopes {
        let shape = Shape::of(line.trim().as_bytes(), false).unwrap();
        let wrapper = unwrap::find(&shape).unwrap();
        assert_eq!(wrapper.name, name, "{line}");
        let mut found = Vec::new();
        let mut inner =
            |payload: &[u8]| found.push(String::from_utf8_lossy(payload).trim_end_matches('\n').to_owned());
        wrapper.peel_alone(&shape, &mut inner).unwrap();
        assert!(!found.is_empty() && (expected.is_empty() || found == expected), "{line}: {found:?}");
        // None of them is a record of use, and each is told as that and as nothing worse.
        let (records, rejects) = decode(line.replace('\n', " ").as_bytes());
        assert_eq!(records, "");
        assert!(rejects.lines().all(|reject| reject.contains(": unrecognised: ")), "{line}: {rejects}");
    }
}

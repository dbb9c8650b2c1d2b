//! Keys that are listed against keys that are used: cases as files, hostile ones among them.
//!
//! A case is a folder in `tests/inventory`: lists whose names begin with `keys`, records whose names begin with `logs` or
//! `usage`, `args` with further arguments, and `expected`, which is what is written to standard output, then the exit code,
//! then what is written to standard error. `KEYHOUND_BLESS=1` writes it.

use crate::provider::{Provider, Said};
use crate::pull::folder;
use crate::support::{Ran, hold_cases, run_in};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn inventory(dir: &Path, turned: bool, more: &[&str]) -> Ran {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    if turned {
        names.reverse();
    }
    let of = |starts: &[&str]| -> Vec<&str> {
        let is_meant = |name: &&String| starts.iter().any(|start| name.starts_with(start));
        names.iter().filter(is_meant).map(String::as_str).collect()
    };
    let args = fs::read_to_string(dir.join("args")).unwrap_or_default();
    let args: Vec<&str> = args.split_whitespace().collect();
    let (keys, records) = (of(&["keys"]), of(&["logs", "usage"]));
    let all =
        [&["inventory", "--color", "never", "--keys"], &keys[..], &args, more, &["--"], &records].concat();
    run_in(dir, &all, b"")
}

#[test]
fn each_case_is_told_as_expected_in_any_order_of_files() {
    hold_cases("tests/inventory", 11, |dir, turned| inventory(dir, turned, &[]));
}

/// What is written for other subcommands is read by them, and by this one: with it, every key is listed.
#[test]
fn the_file_of_keys_is_read_by_whoever_asks_for_one() {
    let dir = Path::new("tests/inventory/openai");
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name).display().to_string();
    let (own, ticket) = (at("own.toml"), at("ticket.md"));
    inventory(dir, false, &["--toml", &own, "--markdown", &ticket]);
    let text = fs::read_to_string(&ticket).unwrap();
    assert!(text.contains("- [ ] key\\_ghost"), "{text}");
    let usage = "tests/inventory/openai/usage.jsonl";
    let here = Path::new(".");
    let ran =
        run_in(here, &["inventory", "--keys", &own, "--json", "--as-of", "2026-06-22", "--", usage], b"");
    let rows: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let unlisted: Vec<&Value> = rows.iter().filter(|row| row["finding"] == "unlisted").collect();
    assert_eq!(unlisted.len(), 1, "{}", ran.stdout);
    assert_eq!(unlisted[0]["key"], "key_ghost");
    let ran = run_in(here, &["reconcile", "--keys", &own, "--logs", usage, "--usage", usage], b"");
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let ran = run_in(here, &["investigate", "--key", "key_left", "--inventory", &own, usage], b"");
    assert!(ran.stdout.contains("bob@example.com"), "{}{}", ran.stdout, ran.stderr);
}

/// Projects first, then of each its keys and its limit, or that there is none; the key goes to nobody else.
#[test]
fn lists_are_pulled_as_the_provider_documents_them() {
    let dir = folder();
    let provider = Provider::start(|asked| {
        let list = |data: Value, more: bool| {
            let last = data.as_array().and_then(|rows| rows.last()).map(|row| row["id"].clone());
            Said::Ok(json!({"object":"list","data":data,"last_id":last,"has_more":more}).to_string())
        };
        let key =
            |id: &str| json!({"object":"organization.project.api_key","id":id,"redacted_value":"sk-...0000"});
        match (asked.path().trim_start_matches("/v1/organization/"), asked.parameter("after")) {
            ("projects", None) => {
                list(json!([{"object":"organization.project","id":"proj_a","name":"a"}]), true)
            }
            ("projects", Some("proj_a")) => {
                list(json!([{"object":"organization.project","id":"proj/b","name":"b"}]), false)
            }
            ("projects/proj_a/api_keys", None) => list(json!([key("key_1"), key("key_2")]), true),
            ("projects/proj_a/api_keys", Some("key_2")) => list(json!([key("key_3")]), false),
            ("projects/proj%2Fb/api_keys", None) => list(json!([key("key_4")]), false),
            ("projects/proj_a/spend_limit", None) => {
                Said::Ok(json!({"object":"project.spend_limit","threshold_amount":5000}).to_string())
            }
            ("projects/proj%2Fb/spend_limit", None) => Said::Status(404, "", "{}".to_owned()),
            ("admin_api_keys", None) => list(json!([]), false),
            other => panic!("{other:?}"),
        }
    });
    let ran = run_in(dir.path(), &["pull", "openai_keys", "--key-file", "key", "--url", &provider.url], b"");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let rows: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |project: &str, name: &str, value: Value| {
        rows.iter().any(|row| row["project_id"] == project && row[name] == value)
    };
    assert_eq!(rows.len(), 8, "{}", ran.stdout);
    assert!(of("proj_a", "id", json!("key_3")) && of("proj/b", "id", json!("key_4")), "{}", ran.stdout);
    assert!(of("proj_a", "threshold_amount", json!(5000)), "{}", ran.stdout);
    assert!(ran.stdout.contains(r#"{"project_id":"proj/b","spend_limits":null}"#), "{}", ran.stdout);
    // And the inventory reads it.
    fs::write(dir.path().join("keys.jsonl"), &ran.stdout).unwrap();
    let used = br#"{"timestamp":"2026-06-01T00:00:00Z","api_key":"key_2","model":"gpt-4o","input_tokens":5}"#;
    let ran = run_in(dir.path(), &["inventory", "--keys", "keys.jsonl", "--", "-"], used);
    assert!(ran.stdout.contains("4 keys listed (openai 4), 1 of them used"), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("May spend without limit (1)"), "{}", ran.stdout);
}

/// Where one endpoint cannot be read, what depends on it is told to be missing, and what does not is there.
#[test]
fn a_list_that_is_not_whole_is_told() {
    let dir = folder();
    let provider = Provider::start(|asked| match asked.path() {
        "/v1/organization/projects" => Said::Status(403, "", "{}".to_owned()),
        _ => Said::Ok(
            json!({"data":[{"id":"key_a","object":"organization.admin_api_key"}],"has_more":false})
                .to_string(),
        ),
    });
    let ran = run_in(dir.path(), &["pull", "openai_keys", "--key-file", "key", "--url", &provider.url], b"");
    assert_eq!(ran.code, Some(69), "{}", ran.stderr);
    assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.stdout);
    for name in ["projects", "api_keys", "spend_limits"] {
        assert!(
            ran.stderr.contains(&format!("\n{name}: 0 rows, 0 repeated, not all that there is")),
            "{}",
            ran.stderr
        );
    }
    // No run can take them for records.
    let config =
        format!("[sources.keys]\ntype = \"openai_keys\"\nkey_file = \"key\"\nurl = \"{}\"\n", provider.url);
    fs::write(dir.path().join("keyhound.toml"), config).unwrap();
    let ran = run_in(dir.path(), &["check", "--config", "keyhound.toml"], b"");
    assert_eq!(ran.code, Some(78), "{}", ran.stderr);
    assert!(ran.stderr.contains("tells of keys and not of use"), "{}", ran.stderr);
}

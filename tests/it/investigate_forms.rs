//! What an investigation writes besides its report: indicators for others, pages, packs of evidence.

use crate::incidents::text;
use crate::investigate::{changed, investigate, log, sha256, thief, weeks};
use crate::support::run_in;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn what_is_shared_with_others_is_not_to_be_blocked_and_the_rest_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("log"), text()).unwrap();
    let report = investigate(dir, &["--key", "...key0", "-o", "case", "log"]);
    let list = std::fs::read_to_string(dir.join("case/indicators.watch.txt")).unwrap();
    assert!(list.contains("\n203.0.113.99"), "{list}");
    assert!(list.contains("\n# client:Python/3.12 aiohttp/3.10.1"), "libraries are many people's: {list}");
    // A run that reads the list finds the thief at the key that he hardly used.
    std::fs::write(dir.join("on.toml"), "[watch_list]\nfiles = [\"case/indicators.watch.txt\"]\n").unwrap();
    let ran = run_in(dir, &["run", "--quiet", "--config", "on.toml", "log"], b"");
    let found: BTreeSet<String> = ran
        .events()
        .iter()
        .filter(|event| event["alert_type"] == "watch_list")
        .map(|event| event["api_key_prefix"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(found, BTreeSet::from(["...key0".to_owned(), "...key1".to_owned()]));
    // Another key that he uses since is no reason to spare him.
    let address =
        report["indicators"]["list"].as_array().unwrap().iter().find(|one| one["kind"] == "address").unwrap();
    assert_eq!(address["is_shared"], false, "{address}");
    assert!(address["about"].as_str().unwrap().contains("the same thief"), "{address}");
}

#[test]
fn indicators_are_well_formed_wherever_they_go() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut lines = weeks(0);
    let hostile = "evil*?'\"\\ <script>alert(1)</script>\u{1b}[31m=cmd|'/c'!A1";
    lines.extend(
        thief().into_iter().map(|line| changed(line, |record| record["user_agent"] = json!(hostile))),
    );
    log(dir, "log", &mut lines);
    let _ = investigate(dir, &["--key", "...key0", "-o", "case", "log"]);
    let read = |name: &str| std::fs::read_to_string(dir.join("case").join(name)).unwrap();
    let bundle: Value = serde_json::from_str(&read("indicators.stix.json")).unwrap();
    let objects = bundle["objects"].as_array().unwrap();
    let ids: BTreeSet<&str> = objects.iter().map(|object| object["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), objects.len(), "each is there once");
    for object in objects {
        let kind = object["type"].as_str().unwrap();
        assert!(object["id"].as_str().unwrap().starts_with(&format!("{kind}--")), "{object}");
        for name in ["source_ref", "target_ref", "created_by_ref"] {
            assert!(object[name].as_str().is_none_or(|id| ids.contains(id)), "{name} of {object}");
        }
        for name in ["created", "modified", "valid_from"] {
            assert!(object[name].as_str().is_none_or(|at| at.len() == 24 && at.ends_with('Z')), "{object}");
        }
        if kind == "indicator" {
            let pattern = object["pattern"].as_str().unwrap();
            let quotes = pattern.replace("\\\\", "").replace("\\'", "").matches('\'').count();
            assert!(quotes.is_multiple_of(2), "{pattern}");
        }
    }
    let event: Value = serde_json::from_str(&read("indicators.misp.json")).unwrap();
    let kinds: BTreeSet<&str> = event["Event"]["Attribute"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, BTreeSet::from(["ip-src", "user-agent"]));
    assert!(read("indicators.csv").lines().all(|line| line.matches('"').count().is_multiple_of(2)));
    let sigma = read("indicators.sigma.yml");
    assert!(sigma.contains("- 'evil\\*\\?''\"\\\\ <script>"), "{sigma}");
    let page = read("report.html");
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;alert(1)"), "nothing acts in the page");
    for outside in ["src=", "href=", "url(", "@import", "javascript:"] {
        assert!(!page.contains(outside), "{outside}: a page that needs nothing from outside");
    }
    for name in
        ["report.txt", "report.md", "report.html", "indicators.sigma.yml", "indicators.csv", "letter.md"]
    {
        assert!(!read(name).contains('\u{1b}'), "{name}: no escape sequence");
    }
}

#[test]
fn a_pack_of_it_is_verified_and_fails_when_a_byte_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut lines = weeks(0);
    lines.extend(thief());
    log(dir, "log", &mut lines);
    let run = |args: &[&str]| run_in(dir, args, b"");
    assert_eq!(run(&["pack", "key", "pack.key"]).code, Some(0));
    let made =
        run(&["investigate", "-q", "--pack", "case.tar", "--sign-with", "pack.key", "-o", "case", "log"]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let sound = run(&["verify", "case.tar"]);
    assert_eq!(sound.code, Some(0), "{}{}", sound.stdout, sound.stderr);
    let mut bytes = std::fs::read(dir.join("case.tar")).unwrap();
    let rows = std::fs::read_to_string(dir.join("case/requests.jsonl")).unwrap();
    let row = rows.lines().nth(40).unwrap();
    let at =
        bytes.windows(row.len()).position(|window| window == row.as_bytes()).expect("the row is in the pack");
    bytes[at + row.len() - 3] ^= 1;
    std::fs::write(dir.join("changed.tar"), bytes).unwrap();
    assert_eq!(run(&["verify", "changed.tar"]).code, Some(1));
    // For the provider without addresses: still provable.
    let redacted =
        run(&["pack", "redact", "case.tar", "-o", "out.tar", "--field", "source_ip", "--drop", "report.txt"]);
    assert_eq!(redacted.code, Some(0), "{}", redacted.stderr);
    assert_eq!(run(&["verify", "out.tar", "--original", "case.tar"]).code, Some(0));
}

/// Rows of the attacker, each with where it was read and the hash of that.
fn rows(dir: &std::path::Path) -> Vec<Value> {
    let rows = std::fs::read_to_string(dir.join("requests.jsonl")).unwrap();
    rows.lines().map(|row| serde_json::from_str(row).unwrap()).collect()
}

#[test]
fn whoever_has_the_log_can_prove_each_request_and_finds_a_line_that_was_changed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut lines = weeks(0);
    lines.extend(thief());
    log(dir, "log", &mut lines);
    // His log is written by a container, by a printer of documents, and as it is.
    let his: BTreeSet<String> = thief().into_iter().map(|(_, line)| line).collect();
    let plain = std::fs::read_to_string(dir.join("log")).unwrap();
    let pretty: String = plain
        .lines()
        .map(|line| {
            if !his.contains(&format!("{line}\n")) {
                return format!("{line}\n");
            }
            let record: Value = serde_json::from_str(line).unwrap();
            format!("\n{}\n", serde_json::to_string_pretty(&record).unwrap())
        })
        .collect();
    let pieces: String = plain
        .lines()
        .map(|line| {
            let (one, two) = line.split_at(line.len() / 2);
            let piece =
                |text: &str, tag: char| format!("2026-07-07T12:00:00.000000000Z stdout {tag} {text}\n");
            piece(one, 'P') + &piece(two, 'F')
        })
        .collect();
    for (name, text, each) in [("plain", &plain, 1), ("pretty", &pretty, 11), ("pieces", &pieces, 2)] {
        let log = format!("{name}.log");
        std::fs::write(dir.join(&log), text).unwrap();
        let (pack, case) = (format!("{name}.tar"), format!("{name}.case"));
        let made =
            run_in(dir, &["investigate", "-q", "--key", "key0", "--pack", &pack, "-o", &case, &log], b"");
        assert_eq!(made.code, Some(0), "{name}: {}", made.stderr);
        let read: Vec<&str> = text.split('\n').collect();
        let rows = rows(&dir.join(&case));
        assert_eq!(rows.len(), his.len(), "{name}");
        for row in &rows {
            let (line, lines) = (row["line"].as_u64().unwrap(), row["lines"].as_u64().unwrap());
            assert_eq!(lines, each, "{name}: {row}");
            let (from, to) = (usize::try_from(line - lines).unwrap(), usize::try_from(line).unwrap());
            let stood = read[from..to].join("\n");
            assert_eq!(row["line_sha256"], sha256(stood.as_bytes()), "{name}: {stood}");
            if name != "pieces" {
                let record: Value = serde_json::from_str(&stood).unwrap();
                assert_eq!(record["request_id"], row["request_id"]);
            }
        }
        let proved = run_in(dir, &["verify", &pack, "--json", "--logs", &log], b"");
        let verdict: Value = serde_json::from_str(&proved.stdout).unwrap();
        assert_eq!((proved.code, &verdict["logs"]["proved"]), (Some(0), &json!(his.len())), "{verdict}");
        // A copy that is called otherwise, in which one digit is another.
        let ids = rows.iter().filter_map(|row| row["request_id"].as_str());
        let at = ids.filter_map(|id| text.find(id).map(|at| at + id.len() - 1)).next_back().unwrap();
        let mut changed = text.clone().into_bytes();
        changed[at] ^= 1;
        std::fs::write(dir.join("copy"), changed).unwrap();
        let copy = format!("{log}=copy");
        let refused = run_in(dir, &["verify", &pack, "--logs", &copy], b"");
        assert_eq!(refused.code, Some(1), "{name}: {}", refused.stdout);
        let told = format!("{} of {} requests stand", his.len() - 1, his.len());
        assert!(refused.stdout.contains(&told), "{name}: {}", refused.stdout);
        // Without its first line all stand elsewhere.
        let (_, less) = text.split_once('\n').unwrap();
        std::fs::write(dir.join("copy"), less).unwrap();
        let refused = run_in(dir, &["verify", &pack, "--logs", &copy], b"");
        assert_eq!(refused.code, Some(1), "{name}: {}", refused.stdout);
        assert!(refused.stdout.contains("does not stand in line"), "{}", refused.stdout);
    }
}

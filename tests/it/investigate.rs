//! From alert to answer: what an investigation says of a key, against what is known of the records.

use crate::incidents::{DAY, OWNER, START, THIEF, line, text};
use crate::support::run_in;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A log of a key of which each record is given a change, and a thief on the last day.
pub fn log(dir: &Path, name: &str, lines: &mut [(i64, String)]) {
    lines.sort();
    let text: String = lines.iter().map(|(_, line)| line.as_str()).collect();
    std::fs::write(dir.join(name), text).unwrap();
}

pub fn weeks(key: i64) -> Vec<(i64, String)> {
    let quarters = (0..37).flat_map(|day| (32..72).map(move |quarter| (day, quarter)));
    quarters
        .map(|(day, quarter)| START + day * DAY + quarter * 900 + (day * 37 + quarter * 61) % 300)
        .map(|at| line(key, at, &OWNER))
        .collect()
}

pub fn changed((at, line): (i64, String), change: impl Fn(&mut Value)) -> (i64, String) {
    let mut record: Value = serde_json::from_str(&line).unwrap();
    change(&mut record);
    (at, format!("{record}\n"))
}

pub fn thief() -> Vec<(i64, String)> {
    (0..90).map(|call| line(0, START + 36 * DAY + 11 * 3600 + call * 40, &THIEF)).collect()
}

pub fn investigate(dir: &Path, args: &[&str]) -> Value {
    let ran = run_in(dir, &[&["investigate", "--quiet", "--json"], args].concat(), b"");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{args:?}");
    serde_json::from_str(&ran.stdout).unwrap()
}

fn who<'a>(report: &'a Value, who: &'a str) -> impl Iterator<Item = &'a Value> {
    report["consumers"].as_array().unwrap().iter().filter(move |consumer| consumer["who"] == who)
}

/// Requests of all consumers that are taken for this.
pub fn requests(report: &Value, of: &str) -> u64 {
    who(report, of).map(|consumer| consumer["requests"].as_u64().unwrap()).sum()
}

#[test]
fn every_request_of_the_sample_is_whose_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().unwrap();
    let sample = root.join("config/examples/stolen-key.jsonl");
    let sample = sample.to_str().unwrap();
    let folder = dir.path().join("case");
    let report = investigate(dir.path(), &["-o", folder.to_str().unwrap(), sample]);
    let records = std::fs::read_to_string(sample).unwrap();
    let records = records.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let his: BTreeSet<String> = records
        .filter(|record| {
            record["user_agent"].as_str().is_some_and(|agent| agent.starts_with("python-requests"))
        })
        .map(|record| record["request_id"].as_str().unwrap().to_owned())
        .collect();
    let rows = std::fs::read_to_string(folder.join("requests.jsonl")).unwrap();
    let told: BTreeSet<String> = rows
        .lines()
        .map(|row| serde_json::from_str::<Value>(row).unwrap()["request_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, his);
    assert_eq!(report["money"]["requests"], his.len());
    assert_eq!(report["verdict"]["class"], "compromise");
    // What the report quotes is found again by its hash.
    let hashes: BTreeSet<String> = rows.lines().map(|row| hex(&Sha256::digest(row))).collect();
    for episode in report["timeline"]["episodes"].as_array().unwrap() {
        assert!(hashes.contains(episode["row_sha256"].as_str().unwrap()), "{episode}");
    }
    let by_day: f64 = report["money"]["by_day"]
        .as_array()
        .unwrap()
        .iter()
        .map(|day| day["cost_usd"].as_f64().unwrap())
        .sum();
    assert!((by_day - report["money"]["attacker_usd"][1].as_f64().unwrap()).abs() < 1e-4);
}

pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn behind_one_address_clients_tell_them_apart() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut lines = weeks(0);
    let mut his = thief();
    // He tries first what the key may do: a colleague with another program would not, and is not told.
    his.extend(["gpt-4.1", "o3", "gpt-5", "gpt-image-1"].iter().zip(0..).map(|(model, at)| {
        changed(line(0, START + 36 * DAY + 10 * 3600 + at, &THIEF), |record| {
            (record["model"], record["status_code"]) = (json!(model), json!(403));
            (record["input_tokens"], record["output_tokens"]) = (json!(0), json!(0));
        })
    }));
    let count = his.len() as u64;
    lines.extend(
        his.into_iter().map(|line| changed(line, |record| record["source_ip"] = json!(OWNER.address))),
    );
    log(dir, "log", &mut lines);
    let report = investigate(dir, &["--key", "key0", "log"]);
    assert_eq!(requests(&report, "attacker"), count);
    let address =
        report["indicators"]["list"].as_array().unwrap().iter().find(|one| one["kind"] == "address").unwrap();
    assert_eq!(address["is_shared"], true);
    let limits = report["limits"].to_string();
    assert!(limits.contains("share an address"), "{limits}");
}

/// The rule of the seed: what came after the start and not from a known address is the attacker's.
#[test]
fn where_the_owners_addresses_are_given_everybody_else_is_the_attacker() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut lines = weeks(0);
    let stranger = |at: i64| changed(line(0, at, &OWNER), |record| record["source_ip"] = json!("192.0.2.77"));
    let since = START + 20 * DAY;
    lines.extend((0..40).map(|day| stranger(START + day * DAY / 2 + 40_000)));
    lines.extend((0..10).map(|call| stranger(since + 1000 + call * 60)));
    log(dir, "log", &mut lines);
    std::fs::write(dir.join("ours"), format!("{}\n", OWNER.address)).unwrap();
    let at = "2026-06-21T00:00:00Z";
    let report =
        investigate(dir, &["--key", "key0", "--legitimate", "ours", "--since", at, "-o", "case", "log"]);
    let expected = lines.iter().filter(|(at, line)| *at >= since && line.contains("192.0.2.77")).count();
    assert_eq!(requests(&report, "attacker"), expected as u64);
    let phases: BTreeMap<&str, u64> = report["timeline"]["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|phase| (phase["phase"].as_str().unwrap(), phase["requests"].as_u64().unwrap()))
        .collect();
    assert_eq!(phases, BTreeMap::from([("reconnaissance", 3), ("exploitation", expected as u64 - 3)]));
    // The same list for the attacker.
    std::fs::write(dir.join("his"), "192.0.2.77\n").unwrap();
    let named = investigate(dir, &["--key", "key0", "--attacker", "his", "--since", at, "log"]);
    assert_eq!(requests(&named, "attacker"), expected as u64);
}

/// Every rule and finding of the seed's assessment of an OpenAI key.
#[test]
fn the_scope_of_an_openai_key_is_the_seeds() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let cases: [(&[&str], &str, &[&str]); 4] = [
        (&[], "low", &["model_access: gpt-4o, gpt-4o-mini"]),
        (&["/v1/files"], "high", &["model_access: gpt-4o, gpt-4o-mini", "file_upload"]),
        (&["/v1/threads/t1"], "high", &["model_access: gpt-4o, gpt-4o-mini", "assistants_api"]),
        (
            &["/v1/fine_tuning/jobs", "/v1/files/f1", "/v1/assistants"],
            "critical",
            &["model_access: gpt-4o, gpt-4o-mini", "fine_tuning", "file_upload", "assistants_api"],
        ),
    ];
    for (endpoints, risk, permissions) in cases {
        let mut lines = weeks(0);
        lines.extend(thief());
        for (place, endpoint) in endpoints.iter().enumerate() {
            let at = START + 36 * DAY + 12 * 3600 + i64::try_from(place).unwrap() * 60;
            lines.push(changed(line(0, at, &THIEF), |record| record["endpoint"] = json!(endpoint)));
        }
        log(dir, "log", &mut lines);
        for (limit, level) in [
            (None, "critical"),
            (Some("10001"), "critical"),
            (Some("1001"), "high"),
            (Some("1000"), "medium"),
        ] {
            let limit: Vec<&str> = limit.map_or_else(Vec::new, |limit| vec!["--limit", limit]);
            let report = investigate(dir, &[&["--key", "key0", "log"], &limit[..]].concat());
            let scope = &report["scope"];
            assert_eq!(
                (scope["provider"].as_str(), scope["data_exposure_risk"].as_str()),
                (Some("openai"), Some(risk))
            );
            assert_eq!(scope["permissions"], json!(permissions));
            assert_eq!(scope["financial_exposure"], level);
            let findings = scope["findings"].to_string();
            let is_said = |text: &str| findings.contains(text);
            assert_eq!(
                is_said(
                    "CRITICAL: Key has fine-tuning access. Attacker could create poisoned models in your organization."
                ),
                risk == "critical"
            );
            assert_eq!(
                is_said("Attacker could upload training data or access existing uploaded files."),
                endpoints.iter().any(|of| of.contains("/files"))
            );
            assert_eq!(
                is_said("Attacker could read existing thread histories containing user data."),
                permissions.contains(&"assistants_api")
            );
            assert_eq!(
                is_said("No monthly spend limit configured. Attacker has unlimited financial exposure."),
                limit.is_empty()
            );
        }
    }
}

#[test]
fn an_inventory_answers_the_three_questions() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut lines = weeks(0);
    lines.extend(thief());
    log(dir, "log", &mut lines);
    let inventory = r#"
        [[key]]
        key = "...key0"
        owner = "search team"
        environment = "production"
        used_by = ["search-api", "nightly workflow"]
        permissions = ["chat completions"]
        monthly_spend_limit = 100
        [[key.system]]
        name = "customer vectors"
        kind = "vector database"
        access = "admin"
    "#;
    std::fs::write(dir.join("keys.toml"), inventory).unwrap();
    let open = |report: &Value| {
        report["scope"]["questions"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|question| question["is_open"] == true)
            .count()
    };
    let without = investigate(dir, &["--key", "key0", "log"]);
    assert_eq!(open(&without), 3);
    let with = investigate(dir, &["--key", "key0", "--inventory", "keys.toml", "log"]);
    assert_eq!(open(&with), 0);
    assert_eq!(with["scope"]["data_exposure_risk"], "critical", "whoever reaches it can do everything there");
    let left = with["verdict"]["exposure"]["left_usd"].as_f64().unwrap();
    let spent = with["verdict"]["exposure"]["month_usd"].as_f64().unwrap();
    assert!((left + spent - 100.0).abs() < 1e-4 && left < 100.0, "{left} and {spent}");
}

#[test]
fn whether_a_key_is_dead_is_said_by_what_came_after() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let revoked = "2026-07-07T12:00:00Z";
    let later = |status: u16| {
        (0..5).map(move |call| {
            changed(line(0, START + 36 * DAY + 14 * 3600 + call * 60, &THIEF), |record| {
                record["status_code"] = json!(status);
                record["request_id"] = json!(format!("late_{status}_{call}"));
            })
        })
    };
    for (more, answer) in
        [(Vec::new(), "unknown"), (later(401).collect(), "no"), (later(200).collect::<Vec<_>>(), "yes")]
    {
        let mut lines: Vec<_> =
            weeks(0).into_iter().filter(|(at, _)| *at < START + 36 * DAY + 11 * 3600).collect();
        lines.extend(thief());
        lines.extend(more);
        log(dir, "log", &mut lines);
        let report = investigate(dir, &["--key", "key0", "--revoked", revoked, "log"]);
        assert_eq!(report["verdict"]["usable"]["answer"], answer, "{}", report["verdict"]["usable"]);
        // Said by an operator, it is the same.
        let said = run_in(dir, &["revoke", "--key", "...key0", "--at", revoked], b"");
        std::fs::write(dir.join("said"), said.stdout).unwrap();
        let told = investigate(dir, &["--key", "key0", "log", "said"]);
        assert_eq!(told["verdict"]["usable"]["answer"], answer, "{}", said.stderr);
    }
}

#[test]
fn deliveries_twice_and_out_of_order_change_nothing_but_the_limits() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut lines = weeks(0);
    lines.extend(thief());
    log(dir, "log", &mut lines);
    let once = investigate(dir, &["--key", "key0", "log"]);
    let text = std::fs::read_to_string(dir.join("log")).unwrap();
    std::fs::write(
        dir.join("log"),
        text.lines().flat_map(|line| [line, "\n", line, "\n"]).collect::<String>(),
    )
    .unwrap();
    let twice = investigate(dir, &["--key", "key0", "log"]);
    assert_eq!(twice["money"], once["money"]);
    assert!(
        twice["limits"].to_string().contains("deliveries of one that was there before"),
        "{}",
        twice["limits"]
    );
    // Pairs of neighbours change places.
    let all: Vec<&str> = text.lines().collect();
    let swapped: String =
        all.chunks(2).flat_map(|pair| pair.iter().rev().map(|line| format!("{line}\n"))).collect();
    std::fs::write(dir.join("log"), swapped).unwrap();
    let swapped = investigate(dir, &["--key", "key0", "log"]);
    assert_eq!(swapped["money"]["requests"], once["money"]["requests"]);
    assert!(swapped["limits"].to_string().contains("out of order"), "{}", swapped["limits"]);
}

#[test]
fn without_addresses_and_clients_it_says_what_it_does_not_know() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("log"), text()).unwrap();
    let report = investigate(dir, &["--key", "...bare0", "log"]);
    let limits = report["limits"].to_string();
    assert!(limits.contains("unknown_source_ip"), "{limits}");
    if report["verdict"]["class"] == "compromise" {
        assert!(limits.contains("by their size, model and time"), "{limits}");
    }
}

#[test]
fn what_no_record_tells_stands_in_the_timeline() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut lines = weeks(0);
    lines.extend(thief());
    log(dir, "log", &mut lines);
    let leak = json!({
        "event": "leak", "key_id": "00", "api_key_prefix": "...key0", "public_host": true,
        "places": [{ "path": "deploy/.env", "added": { "id": "0123456789abcdef", "author": "anna", "date": "2026-07-06T20:00:00+02:00" } }],
    });
    std::fs::write(dir.join("leaks"), format!("{leak}\n")).unwrap();
    let said = |args: &[&str]| {
        assert_eq!(run_in(dir, &[&["respond"], args].concat(), b"").code, Some(0), "{args:?}");
    };
    said(&["start", "-o", "list.md"]);
    said(&["done", "list.md", "4", "--by", "bo", "--at", "2026-07-07T12:00:00Z"]);
    let report = investigate(
        dir,
        &[
            "--leaks",
            "leaks",
            "--response",
            "list.md",
            "--moment",
            "2026-07-07T10:59:00Z a customer called",
            "log",
        ],
    );
    let moments = report["timeline"]["moments"].as_array().unwrap();
    let told = |at: &str, what: &str| {
        let is_it = |moment: &Value| moment["at"] == at && moment["what"].as_str().unwrap().starts_with(what);
        moments.iter().position(is_it).unwrap_or_else(|| panic!("{at} {what}: {moments:#?}"))
    };
    let order = [
        told("2026-07-06T18:00:00Z", "the key got into deploy/.env, pushed to a public host by anna"),
        told("2026-07-07T10:59:00Z", "a customer called"),
        told("2026-07-07T11:00:00Z", "first act of the attacker"),
        told("2026-07-07T12:00:00Z", "Revoke the old key (by bo)"),
    ];
    assert!(order.is_sorted(), "{order:?}");
    // A file of another key is no proof of anything.
    std::fs::write(dir.join("leaks"), leak.to_string().replace("key0", "key9")).unwrap();
    let ran = run_in(dir, &["investigate", "-q", "--leaks", "leaks", "log"], b"");
    assert_eq!(ran.code, Some(65), "{}", ran.stderr);
}

#[test]
fn the_key_is_found_by_an_incident_and_what_cannot_be_done_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut lines = weeks(0);
    lines.extend(thief());
    log(dir, "log", &mut lines);
    let by_key = investigate(dir, &["--key", "...key0", "log"]);
    let alone = investigate(dir, &["log"]);
    let id = by_key["verdict"]["incidents"][0]["incident_id"].as_str().unwrap();
    let by_id = investigate(dir, &["--incident", &id[..8], "log"]);
    assert_eq!((&alone, &by_id), (&by_key, &by_key));
    std::fs::create_dir(dir.join("full")).unwrap();
    std::fs::write(dir.join("full/there"), "").unwrap();
    std::fs::write(dir.join("bad"), "{{ nothing.there }}").unwrap();
    std::fs::write(dir.join("good"), "{{ key.prefix }}: {{ money.attacker_usd[1]|dollars }} USD\n").unwrap();
    let ran = run_in(dir, &["investigate", "-q", "--template", "good", "log"], b"");
    assert!(ran.stdout.starts_with("...key0: ") && ran.stdout.ends_with(" USD\n"), "{}", ran.stdout);
    let cases: [(&[&str], i32, &str); 7] = [
        (&["--key", "...none", "log"], 65, "no record is of a key named `...none`"),
        (&["--incident", "ffff", "log"], 65, "no incident has an id that begins with `ffff`"),
        (&["--key", "key0", "missing"], 66, "missing"),
        (&["--key", "key0", "--provider", "nobody", "log"], 2, "expected: openai, anthropic"),
        (&["--key", "key0", "-o", "full", "log"], 2, "evidence is not written over"),
        (&["--key", "key0", "--template", "bad", "log"], 78, "undefined"),
        (&["--key", "key0", "--since", "yesterday", "log"], 2, "--since"),
    ];
    for (args, code, told) in cases {
        let ran = run_in(dir, &[&["investigate", "-q"], args].concat(), b"");
        assert_eq!(ran.code, Some(code), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{args:?}: {}", ran.stderr);
    }
}

/// One day's log says little of its owner; the weeks before say it, and are in no sum.
#[test]
fn what_is_usual_is_learned_from_a_history_that_is_in_no_sum() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let cut = START + 36 * DAY;
    let mut before: Vec<_> = weeks(0).into_iter().filter(|(at, _)| *at < cut).collect();
    let mut today: Vec<_> = weeks(0).into_iter().filter(|(at, _)| *at >= cut).collect();
    let (owns, history) = (today.len() as u64, before.len() as u64);
    let his = thief();
    let count = his.len() as u64;
    today.extend(his);
    let mut all = [before.clone(), today.clone()].concat();
    log(dir, "before", &mut before);
    log(dir, "today", &mut today);
    log(dir, "all", &mut all);
    let whole = investigate(dir, &["--key", "key0", "all"]);
    let alone = investigate(dir, &["--key", "key0", "today"]);
    let with = investigate(dir, &["--key", "key0", "--history", "before", "today"]);
    assert_eq!(requests(&whole, "attacker"), count);
    assert_eq!(
        (requests(&with, "attacker"), requests(&with, "owner")),
        (count, owns),
        "nothing of the history counts"
    );
    assert_eq!(with["timeline"]["episodes"].to_string().matches("before:").count(), 0);
    let ledger = |report: &Value| report["verdict"]["ledger"].as_array().unwrap().len();
    assert!(ledger(&with) > ledger(&alone), "one day tells less: {}", alone["verdict"]);
    let score = |report: &Value| report["verdict"]["score"].as_f64().unwrap();
    assert!((score(&with) - score(&whole)).abs() < 1.5, "{} and {}", score(&with), score(&whole));
    let inputs: Vec<_> =
        with["inputs"].as_array().unwrap().iter().map(|input| input["is_history"].clone()).collect();
    assert_eq!(inputs, [json!(true), json!(false)]);
    assert_eq!(with["inputs"][0]["records"], history);
    // In the other order the last name is the log; an explicit log stands before.
    assert_eq!(investigate(dir, &["today", "--key", "key0", "--history", "before"]), with);
    // What is wrong with a history is said.
    let late = investigate(dir, &["today", "--key", "key0", "--history", "all"]);
    assert!(late["limits"].to_string().contains("goes on past"), "{}", late["limits"]);
    std::fs::write(dir.join("else"), line(1, START, &OWNER).1).unwrap();
    let other = investigate(dir, &["today", "--key", "key0", "--history", "else"]);
    assert!(other["limits"].to_string().contains("no record of the history"), "{}", other["limits"]);
    let missing = run_in(dir, &["investigate", "-q", "--key", "key0", "--history", "gone", "today"], b"");
    assert_eq!(missing.code, Some(66), "{}", missing.stderr);
    // An incident is found by its id in the log, and the first run learns, too.
    let by_incident = investigate(dir, &["today", "--history", "before"]);
    assert_eq!(by_incident["verdict"], with["verdict"]);
}

/// Who came in spring and who came in summer are two, unless somebody says that they are one.
#[test]
fn thefts_that_are_weeks_apart_are_two_cases() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut lines = weeks(0);
    let now = thief();
    let count = now.len() as u64;
    // The one before took less, from elsewhere and with other software.
    let before = (0..60).map(|call| line(0, START + 14 * DAY + 2 * 3600 + call * 40, &THIEF)).map(|line| {
        changed(line, |record| {
            (record["source_ip"], record["user_agent"]) = (json!("192.0.2.200"), json!("node-fetch/1.0"));
        })
    });
    lines.extend(now);
    lines.extend(before);
    log(dir, "log", &mut lines);
    let report = investigate(dir, &["--key", "key0", "log"]);
    let incidents = report["verdict"]["incidents"].as_array().unwrap();
    assert_eq!(incidents.len(), 2, "{incidents:?}");
    assert_eq!(
        (requests(&report, "attacker"), requests(&report, "unsure")),
        (count, 60),
        "{}",
        report["consumers"]
    );
    assert!(report["limits"].to_string().contains("1 other incidents"), "{}", report["limits"]);
    let first = incidents[0]["incident_id"].as_str().unwrap();
    let asked = investigate(dir, &["--incident", first, "log"]);
    assert_eq!(
        (requests(&asked, "attacker"), requests(&asked, "unsure")),
        (60, count),
        "{}",
        asked["consumers"]
    );
}

//! A theft as a provider's own usage report tells it: hours of tokens by key, asked for again and again while they
//! grow, without an address, a client, or a number of requests.

use crate::support::{Ran, run_in};
use serde_json::{Value, json};

const TEAM: &str = "apikey_01EXAMPLEteam";
const QUIET: &str = "apikey_01EXAMPLEquiet";
/// 2026-06-01, which is day nought.
const DAYS: [&str; 2] = ["2026-06", "2026-07"];
/// The hours of the night in which somebody else uses the key of the team, on day 30.
const STOLEN: std::ops::Range<u32> = 3..7;

fn hour(day: u32, hour: u32) -> String {
    let (day, hour) = (day + hour / 24, hour % 24);
    format!("{}-{:02}T{hour:02}:00:00Z", DAYS[day as usize / 30], day % 30 + 1)
}

/// A bucket of an hour; `part` of ten tenths of it have been counted so far.
fn bucket(day: u32, at: u32, part: u64) -> Value {
    let used = |key: &str, model: &str, input: u64, output: u64| {
        json!({
            "api_key_id": key, "workspace_id": "wrkspc_01EXAMPLE", "model": model, "service_tier": "standard",
            "context_window": "0-200k", "inference_geo": "global", "account_id": null, "service_account_id": null,
            "uncached_input_tokens": input * part / 10, "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": output * part / 10, "server_tool_use": {"web_search_requests": 0},
        })
    };
    let mut results = Vec::new();
    if (8..18).contains(&at) {
        // 60 and 30 cents an hour, 9 dollars a day.
        results.push(used(TEAM, "claude-sonnet-4-5", 200_000, 20_000));
        results.push(used(QUIET, "claude-sonnet-4-5", 20_000, 2000));
    }
    if day == 30 && STOLEN.contains(&at) {
        // 15 dollars an hour each.
        results.push(used(TEAM, "claude-sonnet-4-5", 0, 1_000_000));
        results.push(used(TEAM, "claude-opus-4-1", 0, 200_000));
    }
    json!({"starting_at": hour(day, at), "ending_at": hour(day, at + 1), "results": results})
}

/// What the API answers: over several lines, as it comes out of `curl | jq`.
fn page(buckets: &[Value]) -> String {
    format!("{:#}\n", json!({"data": buckets, "has_more": false, "next_page": null}))
}

/// The 30 days before, a page each.
fn history() -> String {
    (0..30).map(|day| page(&(0..24).map(|at| bucket(day, at, 10)).collect::<Vec<_>>())).collect()
}

/// The day of the theft, asked for every 20 minutes: the last three hours, of which the newest is not over.
fn polls(times: usize) -> String {
    let mut polls = String::new();
    for at in 0..24 {
        for part in [3, 7, 10] {
            let before = (at.max(2) - 2..at).map(|hour| bucket(30, hour, 10));
            let told = page(&before.chain([bucket(30, at, part)]).collect::<Vec<_>>());
            polls += &told.repeat(times);
        }
    }
    polls
}

fn run(polls: &str) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("history"), history()).unwrap();
    run_in(dir.path(), &["run", "--history", "history", "-"], polls.as_bytes())
}

#[test]
fn a_stolen_key_shows_in_the_reports_of_its_provider() {
    let ran = run(&polls(1));
    assert!(ran.accounting().contains(" + 0 late + 0 rejected"), "{ran:?}");
    let events = ran.events();
    assert!(events.iter().all(|event| event["api_key_prefix"] == TEAM), "{}", ran.stdout);
    // Within the first 20 minutes of the first hour, by the model; by the money in the second.
    let first = &events[0];
    assert_eq!((&first["alert_type"], &first["status"]), (&json!("unknown_model"), &json!("open")));
    assert_eq!(first["timestamp"], "2026-07-01T03:00:00Z");
    assert_eq!(first["cost_usd"], json!(9.0), "the three tenths of an hour that were known: {first}");
    let spike = |status: &str| {
        let found = events.iter().find(|e| e["alert_type"] == "cost_spike" && e["status"] == status);
        found.unwrap_or_else(|| panic!("{status}: {}", ran.stdout)).clone()
    };
    assert_eq!(spike("open")["detected_at"], "2026-07-01T04:00:00Z");
    // Four hours at 30 dollars and ten at 90 cents, however often each was told.
    assert_eq!(spike("final")["cost_usd"], json!(129.0));
    // Nobody can tell from such reports where a request came from, or how many there were.
    let blind: Vec<&str> =
        first["blind"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(blind, ["volume_spike", "unknown_source_ip", "off_hours_usage", "silence"]);
    assert!(first.get("requests").is_none(), "{first}");
}

#[test]
fn a_report_that_is_told_again_changes_nothing() {
    let once = run(&polls(1));
    let often = run(&polls(3));
    assert_eq!(once.stdout, often.stdout);
    assert_ne!(once.accounting(), often.accounting());
}

//! The rules of `tests/rules.toml`, each by itself.

use crate::support::decoded;
use keyhound::record::{Count, UsageRecord};
use serde::Deserialize;
use std::collections::BTreeSet;

const FILE: &str = include_str!("../rules.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    rule: u8,
    name: String,
    #[serde(default)]
    line: String,
    #[serde(default)]
    lines: Vec<String>,
    tokens: String,
    cost: String,
    input: Option<u64>,
    key: Option<String>,
    requests: Option<u32>,
    status: Option<u16>,
}

fn cases() -> Vec<Case> {
    toml::from_str::<File>(FILE).unwrap().case
}

/// The counts of a record by class.
fn classes(record: &UsageRecord) -> String {
    let tokens = &record.tokens;
    let classes = [
        tokens.input_uncached,
        tokens.cache_read,
        tokens.cache_write,
        tokens.cache_write_1h,
        tokens.output,
        tokens.reasoning,
    ];
    let shown = |count: Count| count.get().map_or("-".to_owned(), |count| count.to_string());
    classes.map(shown).join("/")
}

/// What a case has that was not expected.
fn wrong(case: &Case) -> Result<(), String> {
    let lines = if case.lines.is_empty() { std::slice::from_ref(&case.line) } else { &case.lines[..] };
    let mut identities = BTreeSet::new();
    let same = |expected: String, read: String| {
        if expected == read { Ok(()) } else { Err(format!("{read}, not {expected}")) }
    };
    for (at, line) in lines.iter().enumerate() {
        let batch = decoded(line);
        let [record] = &batch.records[..] else { return Err(format!("{:?}", batch.rejected)) };
        identities.insert(record.request_hash);
        if at + 1 < lines.len() {
            continue;
        }
        let cost = format!("${} {:?}", record.cost.usd(), record.cost_source);
        same(format!("{} {}", case.tokens, case.cost), format!("{} {cost}", classes(record)))?;
        if let Some(input) = case.input {
            same(format!("{input} in all"), format!("{} in all", record.tokens.input()))?;
        }
        if let Some(key) = &case.key {
            same(format!("of {key}"), format!("of {}", batch.text(record.key_hint)))?;
        }
        if let Some(requests) = case.requests {
            same(format!("{requests} requests"), format!("{} requests", record.requests))?;
        }
        if let Some(status) = case.status {
            same(format!("status {status}"), format!("status {}", record.status))?;
        }
    }
    same("1 identity".to_owned(), format!("{} identity", identities.len()))
}

#[test]
fn every_rule_holds() {
    let wrong = cases().into_iter().filter_map(|case| {
        let wrong = wrong(&case).err()?;
        Some(format!("rule {}: {}: {wrong}\n", case.rule, case.name))
    });
    let wrong: String = wrong.collect();
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_rule_of_the_list_has_cases_and_names_are_told_apart() {
    let cases = cases();
    let listed =
        FILE.lines().filter_map(|line| line.strip_prefix("# ")?.trim_start().split(' ').next()?.parse().ok());
    let listed: BTreeSet<u8> = listed.collect();
    assert_eq!(listed, (1..=11).collect());
    assert_eq!(listed, cases.iter().map(|case| case.rule).collect());
    assert_eq!(cases.iter().map(|case| &case.name).collect::<BTreeSet<_>>().len(), cases.len());
}

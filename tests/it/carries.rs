//! What every format says that its records can tell, held against what its fixture shows.

use keyhound::config::Plan;
use keyhound::decode::{Format, Formats};
use keyhound::detect::Ruleset;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// The field behind each name in `tests/formats/NAME/out`, where its value is one that the format gave.
fn field(record: &Value, name: &str) -> Option<&'static str> {
    let value = &record[name];
    let is_bucket = record["kind"] == "bucket";
    Some(match name {
        "time" => "timestamp",
        "key" if !["no-key", "no-workspace", "organization"].contains(&value.as_str()?) => "api_key",
        "alias" => "api_key_alias",
        "address" => "source_ip",
        "user_agent" => "user_agent",
        "model" => "model",
        "input_uncached" => "input_tokens",
        "cache_read" => "cached_input_tokens",
        "cache_write" => "cache_write_tokens",
        "cache_write_1h" => "cache_write_1h_tokens",
        "output" => "output_tokens",
        "reasoning" => "reasoning_tokens",
        "cost" if ["reported", "invoiced"].contains(&value.as_str()?) && record["cost_usd"] != 0.0 => {
            "cost_usd"
        }
        "requests" if value.as_u64().is_some_and(|count| is_bucket || count > 1) => "requests",
        "seconds" => "window_end",
        "endpoint" => "endpoint",
        "status" if value != 200 => "status_code",
        "request_id" => "request_id",
        _ => return None,
    })
}

/// What is declared and not shown, and why.
const UNSHOWN: &[(&str, &str, &str)] =
    &[("otel_metrics", "api_key_alias", "attributes of points are read as those of spans are")];

#[test]
fn formats_carry_what_their_fixtures_show() {
    let mut wrong = Vec::new();
    for format in Formats::builtin().iter() {
        // Its columns are the fields of `canonical`, read by the same function.
        if format.name == "csv" {
            continue;
        }
        let out = fs::read_to_string(format!("tests/formats/{}/out", format.name)).unwrap();
        let mut shown = BTreeSet::new();
        for line in out.lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            let names = record.as_object().unwrap().keys();
            shown.extend(names.filter_map(|name| field(&record, name)));
        }
        // Which service it was bought as shows in the price alone.
        let declared: BTreeSet<_> =
            format.carries.fields.names().filter(|name| *name != "service_tier").collect();
        for name in shown.difference(&declared) {
            wrong.push(format!("{} shows {name}", format.name));
        }
        let excused = |name: &str| UNSHOWN.iter().any(|(of, field, _)| *of == format.name && *field == name);
        for name in declared.difference(&shown).filter(|name| !excused(name)) {
            wrong.push(format!("{} declares {name}", format.name));
        }
        for (of, field, why) in UNSHOWN.iter().filter(|(of, ..)| *of == format.name) {
            assert!(declared.contains(field) && !shown.contains(field), "{of} {field}: {why}");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A row of the table in `docs/formats.md`, without its last cell.
fn row(format: &Format, rules: &Ruleset) -> String {
    let columns = format.carries.columns();
    let carried: Vec<_> = columns.iter().filter(|(_, is_there)| *is_there).map(|(name, _)| *name).collect();
    let blind = rules.blind(format.carries.signals()).join(", ");
    let blind = if blind.is_empty() { "–".to_owned() } else { blind };
    format!("| `{}` | {} | {} | {blind} |", format.name, carried.join(" "), format.carries.counted())
}

#[test]
fn the_reference_lists_every_format_and_wrapper() {
    let text = fs::read_to_string("docs/formats.md").unwrap();
    let rules = Plan::default_plan().unwrap().shard;
    let formats = Formats::builtin();
    let rows: Vec<_> = formats.iter().map(|format| row(format, &rules.rules)).collect();
    let table = text.split("## What each can tell").nth(1).unwrap().split("\n## ").next().unwrap();
    let listed: Vec<_> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_end_matches('|').rsplit_once('|').unwrap().0.to_owned() + "|")
        .collect();
    assert_eq!(listed, rows, "\n{}", rows.join(" … |\n"));
    let described = text.split("A test holds this table").nth(1).unwrap();
    for format in formats.iter() {
        assert!(described.contains(&format!("**`{}`**", format.name)), "{}", format.name);
    }
    for wrapper in keyhound::unwrap::ALL {
        let row = format!("| `{}` | {} |", wrapper.name, wrapper.summary.replace('|', "\\|"));
        assert!(text.contains(&row), "{row}");
    }
}

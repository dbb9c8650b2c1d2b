//! Own logs against usage against invoices: cases as files, hostile ones among them, and laws.
//!
//! A case is a folder in `tests/reconcile`: files whose names begin with `logs`, `usage` and `invoice`, `args` with further
//! arguments, and `expected`, which is what is written to standard output, then the exit code, then what is written to
//! standard error. `KEYHOUND_BLESS=1` writes it.

use crate::support::{Ran, hold_cases, run_in};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// The arguments of a case; `turned` with the files of each role in the other order.
fn arguments(dir: &Path, turned: bool) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    if turned {
        names.reverse();
    }
    let mut args = vec!["reconcile".to_owned(), "--color".to_owned(), "never".to_owned()];
    for role in ["logs", "usage", "invoice"] {
        let files = names.iter().filter(|name| name.starts_with(role)).cloned();
        let files: Vec<String> = files.collect();
        if !files.is_empty() {
            args.push(format!("--{role}"));
            args.extend(files);
        }
    }
    let more = fs::read_to_string(dir.join("args")).unwrap_or_default();
    args.extend(more.split_whitespace().map(str::to_owned));
    args
}

fn reconcile(dir: &Path, args: &[String]) -> Ran {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    run_in(dir, &args, b"")
}

#[test]
fn each_case_is_told_as_expected_in_any_order_of_files() {
    hold_cases("tests/reconcile", 20, |dir, turned| reconcile(dir, &arguments(dir, turned)));
}

/// One day's use of a key and a model, as logs and as the provider tell it.
#[derive(Clone, Debug)]
struct Use {
    day: u8,
    key: u8,
    model: u8,
    logged: u8,
    used: u8,
    micro_usd: i32,
}

fn uses() -> impl Strategy<Value = Vec<Use>> {
    let one = (0_u8..5, 0_u8..4, 0_u8..3, 0_u8..4, 0_u8..4, -3_000_000_i32..9_000_000);
    let one = one.prop_map(|(day, key, model, logged, used, micro_usd)| Use {
        day,
        key,
        model,
        logged,
        used,
        micro_usd,
    });
    prop::collection::vec(one, 1..40)
}

/// The lines of logs, usage and invoices.
fn lines(uses: &[Use]) -> [Vec<String>; 3] {
    let mut all = [const { Vec::new() }; 3];
    for (number, one) in uses.iter().enumerate() {
        let (day, key) = (format!("2026-06-0{}", one.day + 1), format!("...00{}a", one.key));
        let model = ["gpt-4o", "o3", "house-model"][usize::from(one.model)];
        for call in 0..one.logged {
            let mut record = json!({ "timestamp": format!("{day}T0{call}:00:00Z"), "api_key_prefix": key, "model": model, "input_tokens": 1000 + number, "output_tokens": 10 });
            if number % 3 > 0 {
                record["request_id"] = json!(format!("req_{number}_{call}"));
            }
            all[0].push(format!("{record}\n"));
        }
        let bucket = json!({ "timestamp": format!("{day}T00:00:00Z"), "window_end": format!("{day}T01:00:00Z"), "api_key_prefix": key, "model": model,
            "requests": one.used, "input_tokens": 1000 * u32::from(one.used), "output_tokens": 10, "user_agent": format!("u{number}") });
        all[1].push(format!("{bucket}\n"));
        let cost = json!({ "object": "organization.costs.result", "start_time": 1_780_272_000 + 86_400 * i64::from(one.day), "end_time": 1_780_358_400 + 86_400 * i64::from(one.day),
            "amount": { "value": format!("{:.6}", f64::from(one.micro_usd) / 1e6), "currency": "usd" }, "line_item": format!("{model}, {number}"), "api_key_id": key });
        all[2].push(format!("{cost}\n"));
    }
    all
}

/// Nano-dollars of an amount with all its digits.
fn nano(value: &Value) -> i128 {
    let text = value.as_str().unwrap();
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    sign * format!("{whole}{fraction:0<9}").parse::<i128>().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn residuals_add_up_and_order_does_not_matter(uses in uses(), turn in any::<bool>(), room in 1_usize..60) {
        let dir = tempfile::tempdir().unwrap();
        let mut all = lines(&uses);
        let room = room.to_string();
        let tell = |all: &[Vec<String>; 3], parts: bool| {
            let mut args = vec!["reconcile".to_owned(), "--json".to_owned(), "--quiet".to_owned(), "--cells-max".to_owned(), room.clone()];
            for (role, lines) in ["logs", "usage", "invoice"].iter().zip(all) {
                if lines.is_empty() {
                    continue;
                }
                args.push(format!("--{role}"));
                let middle = if parts { lines.len() / 2 } else { 0 };
                for (number, part) in [&lines[middle..], &lines[..middle]].into_iter().enumerate().filter(|(_, part)| !part.is_empty()) {
                    let name = format!("{role}{number}.jsonl");
                    fs::write(dir.path().join(&name), part.concat()).unwrap();
                    args.push(name);
                }
            }
            reconcile(dir.path(), &args)
        };
        let first = tell(&all, false);
        let mut sums = std::collections::BTreeMap::new();
        let mut comparisons = 0;
        for event in first.events() {
            let name = event["comparison"].as_str().unwrap().to_owned();
            if event["event"] == "row" {
                *sums.entry(name).or_insert(0) += nano(&event["residual_usd"]);
            } else {
                let (left, right) = name.split_once(':').unwrap();
                let residual = nano(&event["residual_usd"]);
                prop_assert_eq!(sums.get(&name).copied().unwrap_or(0), residual);
                prop_assert_eq!(nano(&event[right]["cost_usd"]) - nano(&event[left]["cost_usd"]), residual);
                comparisons += 1;
            }
        }
        prop_assert!(comparisons >= 1, "{}", first.stderr);
        for lines in &mut all {
            let middle = lines.len() / 3;
            if turn { lines.reverse() } else { lines.rotate_left(middle) }
        }
        prop_assert_eq!(&tell(&all, true).stdout, &first.stdout);
    }
}

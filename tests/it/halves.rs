//! Requests that two logs tell together: one whose key it was and from where, the other how much.

use crate::support::{Ran, run_in};
use serde_json::{Value, json};
use std::path::Path;

/// 2026-06-01T09:00:00Z.
const START: i64 = 1_780_304_400;

/// Two logs that tell of one request.
#[derive(Clone)]
struct Pair {
    /// The format of the half that tells who asked.
    identity: &'static str,
    /// The format of the half that tells what it took.
    usage: &'static str,
    /// Who asked, and whether it was refused.
    asked: fn(time: &str, request: &str, address: &str, refused: bool) -> Value,
    /// What it took.
    took: fn(time: &str, request: &str, input: u64, output: u64) -> Value,
    /// Another record of the first log, that has nothing to do with models.
    foreign: fn() -> Value,
    /// How the key is shown, and what its owner calls it.
    key: &'static str,
    alias: Value,
    /// Dollars of a million tokens in, and out.
    prices: (f64, f64),
}

fn pairs() -> Vec<Pair> {
    vec![aws(), azure(), apim(), google()]
}

fn aws() -> Pair {
    const MODEL: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
    Pair {
        identity: "cloudtrail",
        usage: "bedrock",
        asked: |time, request, address, refused| {
            json!({
                "eventVersion": "1.10", "eventTime": time, "eventSource": "bedrock.amazonaws.com",
                "eventName": "InvokeModel", "sourceIPAddress": address, "userAgent": "Boto3/1.34.162",
                "requestID": request, "requestParameters": {"modelId": MODEL},
                "errorCode": if refused { json!("AccessDenied") } else { Value::Null },
                "userIdentity": {"type": "IAMUser", "accessKeyId": "AKIAEXAMPLE000003F9C", "userName": "nightly"},
            })
        },
        took: |time, request, input, output| {
            json!({
                "schemaType": "ModelInvocationLog", "timestamp": time, "requestId": request, "modelId": MODEL,
                "identity": {"arn": "arn:aws:iam::111122223333:user/nightly"}, "operation": "InvokeModel",
                "input": {"inputTokenCount": input}, "output": {"outputTokenCount": output},
            })
        },
        foreign: || {
            json!({
                "eventTime": "2026-06-01T09:00:30Z", "eventSource": "s3.amazonaws.com", "eventName": "GetObject",
                "sourceIPAddress": "203.0.113.1", "requestID": "other",
                "userIdentity": {"accessKeyId": "AKIAEXAMPLE00000OTHR"},
            })
        },
        key: "...3F9C",
        alias: json!("nightly"),
        prices: (3.0, 15.0),
    }
}

fn azure() -> Pair {
    const ACCOUNT: &str = "/SUBSCRIPTIONS/1/PROVIDERS/MICROSOFT.COGNITIVESERVICES/ACCOUNTS/PILOT";
    Pair {
        identity: "azure_openai",
        usage: "azure_openai",
        asked: |time, request, address, refused| {
            json!({
                "time": time, "resourceId": ACCOUNT, "category": "RequestResponse", "correlationId": request,
                "operationName": "ChatCompletions_Create", "callerIpAddress": address, "durationMs": -1021,
                "resultSignature": if refused { "401" } else { "200" },
                "properties": {"objectId": "", "modelName": "gpt-4o"},
            })
        },
        took: |time, request, input, output| {
            let tokens = json!({"promptTokens": input, "completionTokens": output, "modelName": "gpt-4o"});
            json!({
                "time": time, "resourceId": ACCOUNT, "category": "AzureOpenAIRequestUsage",
                "correlationId": request, "properties": tokens.to_string(),
            })
        },
        foreign: || json!({"time": "2026-06-01T09:00:30Z", "resourceId": ACCOUNT, "category": "Trace"}),
        key: "PILOT",
        alias: Value::Null,
        prices: (2.5, 10.0),
    }
}

fn apim() -> Pair {
    const SERVICE: &str = "/SUBSCRIPTIONS/1/PROVIDERS/MICROSOFT.APIMANAGEMENT/SERVICE/GATEWAY";
    Pair {
        identity: "apim",
        usage: "apim",
        asked: |time, request, address, refused| {
            json!({
                "time": time, "resourceId": SERVICE, "category": "GatewayLogs", "correlationId": request,
                "callerIpAddress": address, "properties": {
                    "apimSubscriptionId": "team-search", "responseCode": if refused { 401 } else { 200 },
                    "url": "https://gateway.azure-api.net/openai/v1/chat/completions",
                },
            })
        },
        took: |time, request, input, output| {
            json!({
                "time": time, "resourceId": SERVICE, "category": "GatewayLlmLogs", "properties": {
                    "correlationId": request, "sequenceNumber": 0, "modelName": "gpt-4o",
                    "promptTokens": input, "completionTokens": output,
                },
            })
        },
        foreign: || {
            json!({
                "time": "2026-06-01T09:00:30Z", "resourceId": SERVICE, "category": "GatewayLlmLogs",
                "properties": {"correlationId": "req-0", "sequenceNumber": 1, "requestMessages": []},
            })
        },
        key: "team-search",
        alias: Value::Null,
        prices: (2.5, 10.0),
    }
}

fn google() -> Pair {
    const MODEL: &str = "projects/pilot/locations/us-central1/publishers/google/models/gemini-2.5-pro";
    Pair {
        identity: "gcp_audit",
        usage: "vertex_log",
        asked: |time, request, address, refused| {
            json!({
                "timestamp": time, "insertId": request, "logName": "data_access", "protoPayload": {
                    "serviceName": "aiplatform.googleapis.com", "resourceName": MODEL,
                    "methodName": "google.cloud.aiplatform.v1.PredictionService.GenerateContent",
                    "authenticationInfo": {"principalEmail": "nightly"}, "requestMetadata": {"callerIp": address},
                    "status": if refused { json!({"code": 7}) } else { json!({}) },
                },
            })
        },
        took: |time, request, input, output| {
            json!({
                "logging_time": time, "request_id": request, "api_method": "GenerateContent",
                "full_request": {"model": MODEL}, "model": "publishers/google/models/gemini-2.5-pro",
                "full_response": {"usage_metadata": {
                    "prompt_token_count": input, "candidates_token_count": output / 10,
                    "thoughts_token_count": output - output / 10,
                }},
            })
        },
        foreign: || {
            json!({
                "timestamp": "2026-06-01T09:00:30Z", "insertId": "other", "logName": "data_access",
                "protoPayload": {"serviceName": "storage.googleapis.com", "methodName": "storage.objects.get"},
            })
        },
        key: "nightly",
        alias: Value::Null,
        prices: (1.25, 10.0),
    }
}

/// The same numbers each time, far from each other.
struct Numbers(u64);

impl Numbers {
    /// The next one, in this range.
    fn within(&mut self, range: std::ops::Range<i64>) -> i64 {
        // Knuth's MMIX: its upper bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        range.start + i64::try_from(self.0 >> 33).unwrap() % (range.end - range.start)
    }
}

fn time(second: i64) -> String {
    jiff::Timestamp::from_second(START + second).unwrap().to_string()
}

impl Pair {
    fn asked(&self, second: i64, number: usize, address: &str) -> String {
        format!("{}\n", (self.asked)(&time(second), &format!("req-{number}"), address, false))
    }

    fn refused(&self, second: i64, number: usize) -> String {
        format!("{}\n", (self.asked)(&time(second), &format!("req-{number}"), "198.51.100.7", true))
    }

    fn took(&self, second: i64, number: usize, tokens: u64) -> String {
        format!("{}\n", (self.took)(&time(second), &format!("req-{number}"), tokens, tokens / 10))
    }

    /// Ten quiet days and a night of theft, as two files; a record of something else among them.
    fn write_logs(&self, dir: &Path) {
        let (mut asked, mut took) = (Vec::new(), Vec::new());
        let quiet = (0..10).flat_map(|day| (0..10).map(move |minute| day * 86400 + minute * 60));
        let calls = quiet.map(|second| (second, "198.51.100.7", 1000));
        let theft = (0..40).map(|call| (10 * 86400 + call * 10, "203.0.113.9", 200_000));
        for (number, (second, address, tokens)) in calls.chain(theft).enumerate() {
            asked.push(self.asked(second, number, address));
            took.push(self.took(second + 3, number, tokens));
        }
        asked.insert(1, format!("{}\n", (self.foreign)()));
        std::fs::write(dir.join("asked"), asked.concat()).unwrap();
        std::fs::write(dir.join("took"), took.concat()).unwrap();
    }

    fn check(&self, ran: &Ran, accounting: &str) {
        let name = (self.identity, self.usage);
        assert_eq!(ran.code, Some(0), "{name:?} {}", ran.stderr);
        assert!(ran.accounting().starts_with(accounting), "{name:?} {}", ran.stderr);
        for note in ["140 were joined to the request", "were events of something else", "1 key;"] {
            assert!(ran.stderr.contains(note), "{name:?} {note}: {}", ran.stderr);
        }
        let last = ran.last_revisions();
        let spike = last.iter().find(|alert| alert["alert_type"] == "cost_spike");
        let spike = spike.unwrap_or_else(|| panic!("{name:?} a cost spike: {}", ran.stdout));
        let cost = 40.0 * (0.2 * self.prices.0 + 0.02 * self.prices.1);
        let off = (spike["cost_usd"].as_f64().unwrap() - cost).abs();
        assert!(off < 1e-9, "{name:?} {cost} {}", spike["cost_usd"]);
        assert_eq!(spike["requests"], json!(40), "{name:?}");
        assert_eq!((&spike["api_key_prefix"], &spike["api_key_alias"]), (&json!(self.key), &self.alias));
        let address = last.iter().find(|alert| alert["alert_type"] == "unknown_source_ip");
        assert_eq!(address.expect("an address")["evidence"]["unknown_ips"], json!(["203.0.113.9"]));
    }

    /// Who asked stands in one log and what it took in the other: the thief is charged what he took.
    fn check_investigation(&self, dir: &Path) {
        std::fs::write(dir.join("ours"), "198.51.100.7\n").unwrap();
        let args =
            ["investigate", "-q", "--json", "--key", self.key, "--legitimate", "ours", "asked", "took"];
        let ran = run_in(dir, &args, b"");
        let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
        let cost = 40.0 * (0.2 * self.prices.0 + 0.02 * self.prices.1);
        let money = &report["money"];
        assert!(
            (money["attacker_usd"][0].as_f64().unwrap() - cost).abs() < 1e-5,
            "{} {money}",
            self.identity
        );
        assert_eq!(money["requests"], json!(40), "{}", self.identity);
        assert_eq!(report["indicators"]["list"][0]["value"], json!("203.0.113.9"), "{}", self.identity);
    }

    /// What comes of these lines, in their order.
    fn joined(&self, lines: &[String]) -> Ran {
        let dir = tempfile::tempdir().unwrap();
        let ran = run_in(dir.path(), &["run", "-"], lines.concat().as_bytes());
        assert!(ran.accounting().contains(" + 0 late + 0 rejected"), "{} {}", self.identity, ran.stderr);
        ran
    }
}

/// How many halves a run has joined.
fn joined(ran: &Ran) -> u64 {
    let words: Vec<&str> = ran.stderr.split_whitespace().collect();
    let at = words.windows(3).position(|three| three == ["were", "joined", "to"]);
    at.map_or(0, |at| words[at - 1].replace([',', '('], "").parse().unwrap())
}

#[test]
fn two_logs_tell_one_theft_whichever_is_named_first() {
    for pair in pairs() {
        let dir = tempfile::tempdir().unwrap();
        pair.write_logs(dir.path());
        let run = |args: &[&str]| run_in(dir.path(), &[&["run"], args].concat(), b"");
        let accounting = "read 280 = 280 processed + 0 duplicate + 0 late + 0 rejected";
        let merged = run(&["asked", "took"]);
        pair.check(&merged, accounting);
        let other_way = run(&["took", "asked"]);
        pair.check(&other_way, accounting);
        assert_eq!(merged.stdout, other_way.stdout);
        assert_eq!(merged.stdout, run(&["--threads", "8", "asked", "took"]).stdout);
        pair.check_investigation(dir.path());
        let twice = run(&["asked", "took", "asked", "took"]);
        assert_eq!(twice.stdout, merged.stdout, "a file named twice is read once");
    }
}

#[test]
fn halves_that_are_delivered_twice_count_once() {
    for pair in pairs() {
        let dir = tempfile::tempdir().unwrap();
        pair.write_logs(dir.path());
        for name in ["asked", "took"] {
            let text = std::fs::read_to_string(dir.path().join(name)).unwrap();
            let twice: String = text.lines().flat_map(|line| [line, "\n", line, "\n"]).collect();
            std::fs::write(dir.path().join(name), twice).unwrap();
        }
        let ran = run_in(dir.path(), &["run", "asked", "took"], b"");
        assert!(ran.accounting().starts_with("read 560 = 280 processed + 280 duplicate"), "{}", ran.stderr);
        let last = ran.last_revisions();
        let spike = last.iter().find(|alert| alert["alert_type"] == "cost_spike").expect("a cost spike");
        assert_eq!(spike["requests"], json!(40), "{}", pair.identity);
    }
}

/// Requests, seconds between two halves of one, and seconds by which records are delivered out of the order of
/// their times.
const APART: [(usize, i64, i64); 2] = [(10_000, 900, 1), (2000, 900, 60)];

#[test]
fn halves_up_to_fifteen_minutes_apart_are_joined_whichever_comes_first() {
    for (pair, (requests, apart, disorder)) in
        pairs().iter().flat_map(|pair| APART.map(|apart| (pair.clone(), apart)))
    {
        let mut numbers = Numbers(7);
        let mut lines: Vec<(i64, String)> = Vec::new();
        for request in 0..requests {
            let second = numbers.within(0..6 * 3600);
            let skewed = second + numbers.within(1 - apart..apart);
            lines.push((second, pair.asked(second, request, "198.51.100.7")));
            lines.push((skewed, pair.took(skewed, request, 1000)));
        }
        lines.sort_by_cached_key(|(second, _)| second + numbers.within(0..disorder));
        let lines: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
        let ran = pair.joined(&lines);
        assert_eq!(joined(&ran), requests as u64, "{} {disorder}: {}", pair.identity, ran.stderr);
        assert!(ran.stderr.contains("1 key;"), "{} {}", pair.identity, ran.stderr);
    }
}

/// Lines, how many of them are duplicates, how many are joined, how many keys there are.
type Case = (&'static str, fn(&Pair) -> Vec<String>, u64, u64, u64);

#[test]
fn what_has_no_partner_or_several_is_told_once() {
    const ADDRESS: &str = "198.51.100.7";
    let cases: &[Case] = &[
        ("who asked alone", |pair| vec![pair.asked(0, 1, ADDRESS)], 0, 0, 1),
        ("what it took alone", |pair| vec![pair.took(0, 1, 10)], 0, 0, 1),
        ("in order", |pair| vec![pair.asked(0, 1, ADDRESS), pair.took(9, 1, 10)], 0, 1, 1),
        ("the other way round", |pair| vec![pair.took(9, 1, 10), pair.asked(0, 1, ADDRESS)], 0, 1, 1),
        (
            "who asked twice",
            |pair| vec![pair.asked(0, 1, ADDRESS), pair.took(9, 1, 10), pair.asked(0, 1, ADDRESS)],
            1,
            1,
            1,
        ),
        (
            "what it took twice, before it is known who asked",
            |pair| vec![pair.took(9, 1, 10), pair.took(9, 1, 10), pair.asked(0, 1, ADDRESS)],
            1,
            2,
            1,
        ),
        ("what a refused request took", |pair| vec![pair.refused(0, 1), pair.took(1, 1, 0)], 0, 1, 1),
        ("the same the other way round", |pair| vec![pair.took(1, 1, 0), pair.refused(0, 1)], 0, 1, 1),
        ("of two requests", |pair| vec![pair.asked(0, 1, ADDRESS), pair.took(1, 2, 10)], 0, 0, 2),
        (
            "too far apart",
            |pair| vec![pair.asked(0, 1, ADDRESS), pair.asked(4000, 2, ADDRESS), pair.took(4001, 1, 10)],
            0,
            0,
            2,
        ),
    ];
    for pair in pairs() {
        for (name, lines, duplicates, expected, keys) in cases {
            // A row without tokens is none for API Management.
            if pair.usage == "apim" && (name.contains("refused") || name.contains("the same")) {
                continue;
            }
            let ran = pair.joined(&lines(&pair));
            let told = (joined(&ran), ran.stderr.contains(&format!("+ {duplicates} duplicate")));
            assert_eq!(told, (*expected, true), "{} {name}: {}", pair.identity, ran.stderr);
            // Where the two halves name the owner alike, one key is all there is.
            let keys = if matches!(pair.identity, "azure_openai") { 1 } else { *keys };
            let keys = if keys == 1 { "1 key;".to_owned() } else { format!("{keys} keys;") };
            assert!(ran.stderr.contains(&keys), "{} {name}, {keys}: {}", pair.identity, ran.stderr);
        }
    }
}

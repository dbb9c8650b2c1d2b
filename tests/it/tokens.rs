//! What a number means in each format: which input is counted in which, in what unit money is, and which buckets are
//! the same one told again. A mistake here makes every sum wrong and no record look odd.

use crate::support::decoded;
use keyhound::record::Kind;

/// What a bucket is of: the narrowest owner that it names. Null is "not grouped", which is no key.
#[test]
fn null_is_the_next_wider_owner() {
    for (line, key) in [
        (
            r#"{"api_key_id":"key_a","project_id":"proj_a","user_id":"user-a","organization_id":"org-a"}"#,
            "key_a",
        ),
        (
            r#"{"api_key_id":null,"project_id":"proj_a","user_id":"user-a","organization_id":"org-a"}"#,
            "proj_a",
        ),
        (r#"{"api_key_id":null,"project_id":null,"user_id":"user-a","organization_id":"org-a"}"#, "user-a"),
        (r#"{"api_key_id":null,"project_id":null,"user_id":null,"organization_id":"org-a"}"#, "org-a"),
        (r#"{"api_key_id":null,"project_id":null,"user_id":null}"#, "organization"),
        (
            r#"{"object":"organization.costs.result","amount":{"value":1,"currency":"usd"},"project_id":"proj_a"}"#,
            "proj_a",
        ),
        (r#"{"uncached_input_tokens":1,"api_key_id":"apikey_a","workspace_id":"wrkspc_a"}"#, "apikey_a"),
        (r#"{"uncached_input_tokens":1,"api_key_id":null,"workspace_id":"wrkspc_a"}"#, "wrkspc_a"),
        (r#"{"uncached_input_tokens":1,"api_key_id":null,"workspace_id":null}"#, "no-workspace"),
        (r#"{"amount":"1","currency":"USD","workspace_id":null}"#, "no-workspace"),
    ] {
        let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
        if record.get("object").is_none() {
            record["object"] = "organization.usage.completions.result".into();
        }
        for (name, time) in [("start_time", 1_780_272_000), ("end_time", 1_780_275_600)] {
            record[name] = time.into();
        }
        if record.get("uncached_input_tokens").is_some() || record["amount"].is_string() {
            record.as_object_mut().unwrap().retain(|name, _| !name.ends_with("_time") && name != "object");
            record["starting_at"] = "2026-06-01T00:00:00Z".into();
            record["ending_at"] = "2026-06-02T00:00:00Z".into();
        }
        let batch = decoded(&record.to_string());
        let [decoded] = &batch.records[..] else { panic!("{record}: {:?}", batch.rejects) };
        assert_eq!(batch.text(decoded.key_hint), key, "{record}");
    }
}

/// A bucket, changes to it, and whether it is the same bucket afterwards.
struct Retold {
    bucket: &'static str,
    change: &'static str,
    same: bool,
}

const fn retold(bucket: &'static str, change: &'static str, same: bool) -> Retold {
    Retold { bucket, change, same }
}

const USAGE: &str = r#"{"object":"organization.usage.completions.result","start_time":1780272000,"end_time":1780275600,"project_id":"proj_a","user_id":null,"api_key_id":"key_a","model":"gpt-4o","batch":false,"service_tier":"default","input_tokens":10,"output_tokens":1,"num_model_requests":1}"#;
const COSTS: &str = r#"{"object":"organization.costs.result","start_time":1780272000,"end_time":1780358400,"project_id":"proj_a","amount":{"value":"1.5","currency":"usd"},"line_item":"gpt-4o, input","quantity":"10.5"}"#;
const MESSAGES: &str = r#"{"starting_at":"2026-06-01T00:00:00Z","ending_at":"2026-06-01T01:00:00Z","api_key_id":"apikey_a","workspace_id":null,"model":"claude-haiku-4-5","service_tier":"standard","context_window":"0-200k","inference_geo":"global","uncached_input_tokens":10,"output_tokens":1,"server_tool_use":{"web_search_requests":0}}"#;
const COST: &str = r#"{"starting_at":"2026-06-01T00:00:00Z","ending_at":"2026-06-02T00:00:00Z","workspace_id":"wrkspc_a","amount":"123.45","list_amount":"200","currency":"USD","cost_type":"tokens","description":"A","token_type":"output_tokens","model":"claude-haiku-4-5"}"#;
const DAILY: &str = r#"{"id":"1","date":"2026-06-01","user_id":"a","api_key":"k","model":"gpt-4o","model_group":"m","custom_llm_provider":"openai","api_requests":3,"spend":0.5,"prompt_tokens":10,"completion_tokens":1,"updated_at":"2026-06-01T10:00:00Z"}"#;
const ACTIVITY: &str = r#"{"date":"2026-06-01","model":"x/y","model_permaslug":"x/y-1","endpoint_id":"e","provider_name":"p","usage":0.5,"requests":5,"prompt_tokens":50}"#;

const RETOLD: &[Retold] = &[
    retold(
        USAGE,
        r#"{"input_tokens":999,"output_tokens":9,"num_model_requests":7,"input_cached_tokens":3}"#,
        true,
    ),
    retold(USAGE, r#"{"input_tokens":"999"}"#, true),
    retold(USAGE, r#"{"start_time":1780275600,"end_time":1780279200}"#, false),
    retold(USAGE, r#"{"end_time":1780358400}"#, false),
    retold(USAGE, r#"{"api_key_id":"key_b"}"#, false),
    retold(USAGE, r#"{"project_id":"proj_b"}"#, false),
    retold(USAGE, r#"{"model":"gpt-4o-mini"}"#, false),
    retold(USAGE, r#"{"batch":true}"#, false),
    retold(USAGE, r#"{"service_tier":"flex"}"#, false),
    retold(USAGE, r#"{"user_id":"user-a"}"#, false),
    retold(USAGE, r#"{"object":"organization.usage.embeddings.result"}"#, false),
    retold(COSTS, r#"{"amount":{"value":"2.75","currency":"usd"},"quantity":"99.5"}"#, true),
    retold(COSTS, r#"{"amount":{"value":2.75,"currency":"usd"},"quantity":99}"#, true),
    retold(COSTS, r#"{"line_item":"gpt-4o, output"}"#, false),
    retold(COSTS, r#"{"project_id":"proj_b"}"#, false),
    retold(
        MESSAGES,
        r#"{"uncached_input_tokens":99,"output_tokens":9,"server_tool_use":{"web_search_requests":3}}"#,
        true,
    ),
    retold(MESSAGES, r#"{"requests":7}"#, true),
    retold(MESSAGES, r#"{"context_window":"200k-1M"}"#, false),
    retold(MESSAGES, r#"{"service_tier":"batch"}"#, false),
    retold(MESSAGES, r#"{"inference_geo":"us"}"#, false),
    retold(MESSAGES, r#"{"workspace_id":"wrkspc_a"}"#, false),
    retold(COST, r#"{"amount":"200.5","list_amount":"300"}"#, true),
    retold(COST, r#"{"token_type":"uncached_input_tokens"}"#, false),
    retold(COST, r#"{"description":"B"}"#, false),
    retold(
        DAILY,
        r#"{"id":"2","spend":0.75,"api_requests":9,"prompt_tokens":99,"updated_at":"2026-06-01T11:00:00Z","model_group":"n"}"#,
        true,
    ),
    retold(DAILY, r#"{"user_id":"b"}"#, false),
    retold(DAILY, r#"{"date":"2026-06-02"}"#, false),
    retold(DAILY, r#"{"custom_llm_provider":"azure"}"#, false),
    retold(ACTIVITY, r#"{"usage":0.75,"requests":9,"prompt_tokens":99}"#, true),
    retold(ACTIVITY, r#"{"endpoint_id":"f"}"#, false),
    retold(ACTIVITY, r#"{"provider_name":"q"}"#, false),
];

fn identity(line: &str) -> u64 {
    let batch = decoded(line);
    let [record] = &batch.records[..] else { panic!("{line}: {:?}", batch.rejects) };
    assert!(matches!(record.kind, Kind::Bucket | Kind::Invoice), "{line}");
    record.request_hash
}

#[test]
fn a_bucket_told_again_is_known() {
    for Retold { bucket, change, same } in RETOLD {
        let mut changed: serde_json::Value = serde_json::from_str(bucket).unwrap();
        let change: serde_json::Value = serde_json::from_str(change).unwrap();
        for (name, value) in change.as_object().unwrap() {
            changed[name] = value.clone();
        }
        assert_eq!(identity(bucket) == identity(&changed.to_string()), *same, "{bucket} {change}");
    }
}

/// A report read as it came, and read again as somebody flattened it, is counted once.
#[test]
fn a_result_is_the_same_within_its_bucket_and_by_itself() {
    for (flat, times) in [
        (USAGE, ["start_time", "end_time"]),
        (COSTS, ["start_time", "end_time"]),
        (MESSAGES, ["starting_at", "ending_at"]),
        (COST, ["starting_at", "ending_at"]),
    ] {
        let mut result: serde_json::Value = serde_json::from_str(flat).unwrap();
        let mut bucket = serde_json::json!({ "object": "bucket" });
        for time in times {
            bucket[time] = result.as_object_mut().unwrap().remove(time).unwrap();
        }
        bucket["results"] = [result].into();
        let page = serde_json::json!({ "object": "page", "data": [bucket], "has_more": false });
        assert_eq!(identity(flat), identity(&page.to_string()), "{flat}");
    }
}

/// What the same interfaces list besides is no use, and no mistake either.
#[test]
fn what_is_no_use_is_passed_over() {
    for (line, foreign) in [
        (
            r#"{"object":"list","data":[{"object":"organization.admin_api_key","id":"key_a"},{"object":"organization.project.api_key","id":"key_b"}],"has_more":false}"#,
            2,
        ),
        (r#"{"object":"organization.spend_alert","id":"alert_a","threshold_amount":1}"#, 1),
        (
            r#"{"id":"activity_1","created_at":"2026-06-01T10:00:00Z","organization_id":"org_a","type":"claude_file_viewed","actor":{"type":"user_actor","user_id":"user_a"}}"#,
            1,
        ),
        (r#"{"object":"bucket","start_time":1780272000,"end_time":1780275600,"results":[]}"#, 0),
        (r#"{"starting_at":"2026-06-01T00:00:00Z","ending_at":"2026-06-01T01:00:00Z","results":[]}"#, 0),
    ] {
        let batch = decoded(line);
        assert_eq!((batch.records.len(), batch.rejects.len()), (0, 0), "{line} {:?}", batch.rejects);
        assert_eq!(batch.foreign, foreign, "{line}");
    }
}

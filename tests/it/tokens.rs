//! What a number means in each format: which input is counted in which, in what unit money is, and which buckets are
//! the same one told again. A mistake here makes every sum wrong and no record look odd.

use crate::support::decoded;
use keyhound::record::{Count, Kind};

/// A record as it stands in a log, and `uncached/read/write/write 1h/output/reasoning cost source` of it.
struct Rule {
    name: &'static str,
    line: &'static str,
    means: &'static str,
}

const fn rule(name: &'static str, line: &'static str, means: &'static str) -> Rule {
    Rule { name, line, means }
}

const RULES: &[Rule] = &[
    rule(
        "OpenAI: input includes what was read from and written to a cache",
        r#"{"object":"organization.usage.completions.result","start_time":1780272000,"end_time":1780275600,"api_key_id":"key_a","model":"gpt-4o","input_tokens":1000,"input_cached_tokens":400,"input_cache_write_tokens":100,"output_tokens":200}"#,
        "500/400/100/-/200/- $0.004 Partial",
    ),
    rule(
        "OpenAI: the uncached part as told",
        r#"{"object":"organization.usage.completions.result","start_time":1780272000,"end_time":1780275600,"api_key_id":"key_a","model":"gpt-4o","input_tokens":1000,"input_uncached_tokens":600,"input_cached_tokens":400,"output_tokens":0}"#,
        "600/400/-/-/0/- $0.002 Computed",
    ),
    rule(
        "OpenAI: the sum counts where the parts told do not add up to it",
        r#"{"object":"organization.usage.completions.result","start_time":1780272000,"end_time":1780275600,"api_key_id":"key_a","model":"gpt-4o","input_tokens":1000,"input_uncached_tokens":600,"output_tokens":0}"#,
        "1000/-/-/-/0/- $0.0025 Computed",
    ),
    rule(
        "OpenAI: the uncached part without a sum",
        r#"{"object":"organization.usage.completions.result","start_time":1780272000,"end_time":1780275600,"api_key_id":"key_a","model":"gpt-4o","input_uncached_tokens":600,"input_cached_tokens":400,"output_tokens":0}"#,
        "600/400/-/-/0/- $0.002 Computed",
    ),
    rule(
        "OpenAI: sound is part of the input and has a price of its own",
        r#"{"object":"organization.usage.completions.result","start_time":1780272000,"end_time":1780275600,"api_key_id":"key_a","model":"gpt-4o","input_tokens":1000,"input_cached_tokens":400,"input_text_tokens":550,"input_audio_tokens":50,"output_tokens":0}"#,
        "600/400/-/-/0/- $0.002 Partial",
    ),
    rule(
        "OpenAI: pictures that were cached",
        r#"{"object":"organization.usage.completions.result","start_time":1780272000,"end_time":1780275600,"api_key_id":"key_a","model":"gpt-4o","input_tokens":1000,"input_cached_tokens":400,"input_cached_image_tokens":50,"output_image_tokens":0,"output_tokens":0}"#,
        "600/400/-/-/0/- $0.0020625 Partial",
    ),
    rule(
        "OpenAI: embeddings have no output",
        r#"{"object":"organization.usage.embeddings.result","start_time":1780272000,"end_time":1780275600,"model":"text-embedding-3-small","input_tokens":1000000}"#,
        "1000000/-/-/-/0/- $0.02 Computed",
    ),
    rule(
        "OpenAI: a batch costs half",
        r#"{"object":"organization.usage.completions.result","start_time":1780272000,"end_time":1780275600,"model":"gpt-4o","input_tokens":1000,"output_tokens":0,"batch":true,"service_tier":"priority"}"#,
        "1000/-/-/-/0/- $0.00125 Computed",
    ),
    rule(
        "OpenAI: what is counted in pictures has no price per token",
        r#"{"object":"organization.usage.images.result","start_time":1780272000,"end_time":1780275600,"model":"gpt-4o","images":3,"num_model_requests":2}"#,
        "-/-/-/-/-/- $0 Unknown",
    ),
    rule(
        "LiteLLM: prompt_tokens include what was cached",
        r#"{"id":"c-1","call_type":"acompletion","startTime":1780304400,"model":"gpt-4o","response_cost":0,"prompt_tokens":1000,"completion_tokens":0,"metadata":{"user_api_key_hash":"k","usage_object":{"prompt_tokens_details":{"cached_tokens":400}}}}"#,
        "600/400/-/-/0/- $0.002 Computed",
    ),
    rule(
        "LiteLLM: Anthropic's caches of five minutes and of an hour are one number and a part of it",
        r#"{"request_id":"c-1","api_key":"k","call_type":"acompletion","startTime":1780304400,"model":"claude-haiku-4-5","spend":0.5,"prompt_tokens":1000,"completion_tokens":0,"metadata":{"usage_object":{"cache_read_input_tokens":400,"cache_creation_input_tokens":300,"prompt_tokens_details":{"cache_creation_token_details":{"ephemeral_1h_input_tokens":100}}}}}"#,
        "300/400/200/100/0/- $0.5 Reported",
    ),
    rule(
        "LiteLLM's days: prompt_tokens include what was cached",
        r#"{"date":"2026-06-01","user_id":"a","api_key":"k","model":"gpt-4o","api_requests":3,"spend":0,"prompt_tokens":1000,"completion_tokens":0,"cache_read_input_tokens":400,"cache_creation_input_tokens":0}"#,
        "600/400/0/-/0/- $0.002 Computed",
    ),
    rule(
        "Kong: prompt_tokens include what was cached",
        r#"{"ai":{"proxy":{"usage":{"prompt_tokens":1000,"completion_tokens":60,"prompt_tokens_details":{"cached_tokens":400},"completion_tokens_details":{"reasoning_tokens":20}},"meta":{"request_model":"gpt-4o"}}},"started_at":1780304401000,"client_ip":"203.0.113.7","request":{"headers":{"apikey":"k"}},"response":{"status":200}}"#,
        "600/400/-/-/60/20 $0.0026 Computed",
    ),
    rule(
        "Portkey: input includes what was cached, and costs are cents",
        r#"{"id":"p-1","created_at":"2026-06-01T09:00:00Z","ai_org":"openai","ai_model":"gpt-4o-mini","req_units":1000,"res_units":60,"cost":123.45,"response":{"body":{"usage":{"prompt_tokens_details":{"cached_tokens":400}}}}}"#,
        "600/400/-/-/60/- $1.2345 Reported",
    ),
    rule(
        "OpenRouter: the tokens of the model are billed, not those of OpenRouter's own tokenizer",
        r#"{"id":"g-1","total_cost":0.0015,"usage":0.0015,"created_at":"2026-06-01T09:00:00Z","model":"x/y","tokens_prompt":900,"tokens_completion":90,"native_tokens_prompt":1000,"native_tokens_completion":100,"native_tokens_reasoning":40,"native_tokens_cached":300}"#,
        "700/300/-/-/100/40 $0.0015 Reported",
    ),
    rule(
        "OpenRouter: under a key of one's own the provider bills as well",
        r#"{"id":"g-1","total_cost":0.5,"upstream_inference_cost":9.5,"is_byok":true,"created_at":"2026-06-01T09:00:00Z","model":"x/y","native_tokens_prompt":1000}"#,
        "1000/-/-/-/-/- $10 Reported",
    ),
    rule(
        "OpenRouter's days: dollars, those billed by providers included",
        r#"{"date":"2026-06-01","model":"x/y","model_permaslug":"x/y-1","usage":0.5,"byok_usage_inference":9.5,"requests":5,"prompt_tokens":50,"completion_tokens":125,"reasoning_tokens":25}"#,
        "50/-/-/-/125/25 $10 Reported",
    ),
    rule(
        "Cloudflare: dollars",
        r#"{"id":"c-1","created_at":"2026-06-01T09:00:00Z","provider":"openai","model":"gpt-4o","tokens_in":1000,"tokens_out":50,"cost":1.5}"#,
        "1000/-/-/-/50/- $1.5 Reported",
    ),
    rule(
        "Anthropic: all classes of input are apart",
        r#"{"starting_at":"2026-06-01T00:00:00Z","ending_at":"2026-06-01T01:00:00Z","api_key_id":"apikey_a","model":"claude-haiku-4-5","uncached_input_tokens":1500,"cache_read_input_tokens":200,"cache_creation":{"ephemeral_1h_input_tokens":1000,"ephemeral_5m_input_tokens":500},"output_tokens":0}"#,
        "1500/200/500/1000/0/- $0.004145 Computed",
    ),
    rule(
        "Anthropic: a long context has its price, whatever the sum",
        r#"{"starting_at":"2026-06-01T00:00:00Z","ending_at":"2026-06-01T01:00:00Z","api_key_id":"apikey_a","model":"claude-sonnet-4","context_window":"200k-1M","uncached_input_tokens":1000,"output_tokens":0}"#,
        "1000/-/-/-/0/- $0.006 Computed",
    ),
    rule(
        "Anthropic: a short context has its price, whatever the sum",
        r#"{"starting_at":"2026-06-01T00:00:00Z","ending_at":"2026-06-01T01:00:00Z","api_key_id":"apikey_a","model":"claude-sonnet-4","context_window":"0-200k","uncached_input_tokens":1000000,"output_tokens":0}"#,
        "1000000/-/-/-/0/- $3 Computed",
    ),
    rule(
        "Anthropic: an unknown context costs at least the price of a short one",
        r#"{"starting_at":"2026-06-01T00:00:00Z","ending_at":"2026-06-01T01:00:00Z","api_key_id":"apikey_a","model":"claude-sonnet-4","context_window":null,"uncached_input_tokens":1000000,"output_tokens":0}"#,
        "1000000/-/-/-/0/- $3 Partial",
    ),
    rule(
        "Anthropic: searches are billed besides",
        r#"{"starting_at":"2026-06-01T00:00:00Z","ending_at":"2026-06-01T01:00:00Z","api_key_id":"apikey_a","model":"claude-haiku-4-5","uncached_input_tokens":1000,"server_tool_use":{"web_search_requests":1},"output_tokens":0}"#,
        "1000/-/-/-/0/- $0.001 Partial",
    ),
    rule(
        "Bedrock: input excludes what was cached",
        r#"{"schemaType":"ModelInvocationLog","timestamp":"2026-06-01T09:00:00Z","requestId":"r-1","accountId":"1","modelId":"anthropic.claude-3-haiku-20240307-v1:0","input":{"inputTokenCount":1000,"cacheReadInputTokenCount":400,"cacheWriteInputTokenCount":100},"output":{"outputTokenCount":0}}"#,
        "1000/400/100/-/0/- $0.000292 Computed",
    ),
    rule(
        "Bedrock: nought with a total is not free",
        r#"{"schemaType":"ModelInvocationLog","timestamp":"2026-06-01T09:00:00Z","requestId":"r-1","accountId":"1","modelId":"anthropic.claude-3-haiku-20240307-v1:0","input":{"inputTokenCount":0},"output":{"outputTokenCount":0,"outputBodyJson":{"usage":{"inputTokens":0,"outputTokens":0,"totalTokens":5000}}}}"#,
        "5000/-/-/-/-/- $0.00125 Partial",
    ),
    rule(
        "Bedrock: nought with a total of nought is free",
        r#"{"schemaType":"ModelInvocationLog","timestamp":"2026-06-01T09:00:00Z","requestId":"r-1","accountId":"1","modelId":"anthropic.claude-3-haiku-20240307-v1:0","input":{"inputTokenCount":0},"output":{"outputTokenCount":0,"outputBodyJson":{"usage":{"inputTokens":0,"outputTokens":0,"totalTokens":0}}}}"#,
        "0/-/-/-/0/- $0 Computed",
    ),
    rule(
        "Helicone: prompt_tokens exclude what was cached, and `cost` has another unit",
        r#"{"request_created_at":"2026-06-01T09:00:00Z","request_id":"h-1","response_status":200,"response_model":"gpt-4o","prompt_tokens":600,"prompt_cache_read_tokens":400,"completion_tokens":50,"reasoning_tokens":20,"cost":150000}"#,
        "600/400/-/-/50/20 $0.0025 Computed",
    ),
    rule(
        "Langfuse: the classes are apart, and reasoning stands beside the output",
        r#"{"id":"o-1","traceId":"t","type":"GENERATION","startTime":"2026-06-01T09:00:00Z","model":"gpt-4o","usage":{"input":1000,"output":60},"usageDetails":{"input":600,"input_cached_tokens":400,"output":40,"output_reasoning_tokens":20}}"#,
        "600/400/-/-/60/20 $0.0026 Computed",
    ),
    rule(
        "OpenTelemetry: input includes what was cached; numbers as texts",
        r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"1780304400000000000","attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},{"key":"gen_ai.request.model","value":{"stringValue":"gpt-4o"}},{"key":"gen_ai.usage.input_tokens","value":{"intValue":"1000"}},{"key":"gen_ai.usage.cache_read.input_tokens","value":{"intValue":"400"}},{"key":"gen_ai.usage.cache_write.input_tokens","value":{"intValue":"100"}},{"key":"gen_ai.usage.output_tokens","value":{"intValue":"60"}},{"key":"gen_ai.usage.reasoning.output_tokens","value":{"intValue":"20"}}]}]}]}]}"#,
        "500/400/100/-/60/20 $0.0026 Partial",
    ),
    rule(
        "OpenTelemetry: the same as numbers, with the earlier name of the cache's class",
        r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":1780304400000000000,"attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},{"key":"gen_ai.request.model","value":{"stringValue":"gpt-4o"}},{"key":"gen_ai.usage.input_tokens","value":{"intValue":1000}},{"key":"gen_ai.usage.cache_read.input_tokens","value":{"intValue":400}},{"key":"gen_ai.usage.cache_creation.input_tokens","value":{"intValue":100}},{"key":"gen_ai.usage.output_tokens","value":{"intValue":60}}]}]}]}]}"#,
        "500/400/100/-/60/- $0.0026 Partial",
    ),
    rule(
        "Envoy: input includes what was cached; numbers as texts",
        r#"{"start_time":"2026-06-01T09:00:00Z","response_code":200,"x-api-key":"k","gen_ai.request.model":"gpt-4o","gen_ai.usage.input_tokens":"1000","gen_ai.usage.cache_read.input_tokens":"400","gen_ai.usage.output_tokens":"0"}"#,
        "600/400/-/-/0/- $0.002 Computed",
    ),
    rule(
        "OpenAI's bills are dollars",
        r#"{"object":"organization.costs.result","start_time":1780272000,"end_time":1780358400,"amount":{"value":123.45,"currency":"usd"}}"#,
        "-/-/-/-/-/- $123.45 Invoiced",
    ),
    rule(
        "OpenAI's bills are dollars, as texts too",
        r#"{"object":"organization.costs.result","start_time":1780272000,"end_time":1780358400,"amount":{"value":"123.45000000000000000001","currency":"USD"}}"#,
        "-/-/-/-/-/- $123.45 Invoiced",
    ),
    rule(
        "Anthropic's bills are cents",
        r#"{"starting_at":"2026-06-01T00:00:00Z","ending_at":"2026-06-02T00:00:00Z","amount":"12345.00000000000000000001","list_amount":"99999","currency":"USD","cost_type":"tokens"}"#,
        "-/-/-/-/-/- $123.45 Invoiced",
    ),
    rule(
        "CloudTrail: a refused call is a record without a cost",
        r#"{"eventTime":"2026-06-01T09:00:00Z","eventSource":"bedrock.amazonaws.com","eventName":"InvokeModel","userIdentity":{"accessKeyId":"AKIAEXAMPLE000003F9C"},"sourceIPAddress":"198.51.100.7","errorCode":"AccessDenied","requestParameters":{"modelId":"anthropic.claude-3-haiku-20240307-v1:0"},"requestID":"r-1"}"#,
        "-/-/-/-/-/- $0 Reported",
    ),
];

#[test]
fn every_rule_holds() {
    for Rule { name, line, means } in RULES {
        let batch = decoded(line);
        let [record] = &batch.records[..] else { panic!("{name}: {:?}", batch.rejects) };
        let tokens = &record.tokens;
        let count = |count: Count| count.get().map_or("-".to_owned(), |count| count.to_string());
        let classes = [
            tokens.input_uncached,
            tokens.cache_read,
            tokens.cache_write,
            tokens.cache_write_1h,
            tokens.output,
            tokens.reasoning,
        ];
        let classes = classes.map(count).join("/");
        assert_eq!(format!("{classes} ${} {:?}", record.cost.usd(), record.cost_source), *means, "{name}");
    }
}

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

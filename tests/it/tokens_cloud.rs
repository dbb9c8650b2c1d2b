//! What the logs of clouds count as tokens, and in which notations: a small record for each rule, and what is read
//! of it.

use crate::support::{decoded, run_in};
use keyhound::config::Plan;
use keyhound::decode::{Decoder, Settings};
use keyhound::frame::Block;
use keyhound::record::{CostSource, Count, Part, UsageRecord};
use keyhound::time::Timestamp;
use serde_json::{Value, json};

/// The records of one line.
fn decode(line: &Value) -> Vec<UsageRecord> {
    let rulebook = Plan::default_plan().unwrap().rulebook;
    let settings = Settings { rulebook, format: None, frame_bytes_max: 1 << 20, keep_rejects: true };
    let block = Block { bytes: line.to_string().into(), ..Block::default() };
    let batch = Decoder::new(settings).block(&block, Timestamp::MAX);
    assert!(batch.rejects.is_empty(), "{line} {:?}", batch.rejects);
    batch.records
}

fn vertex(usage: &Value) -> Value {
    json!({
        "logging_time": "2026-06-01T09:00:00Z", "request_id": "r", "api_method": "GenerateContent",
        "model": "publishers/google/models/gemini-2.5-pro", "full_response": {"usage_metadata": usage},
    })
}

fn invocation(input: &Value, output: &Value) -> Value {
    json!({
        "schemaType": "ModelInvocationLog", "timestamp": "2026-06-01T09:00:00Z", "requestId": "r", "accountId": "1",
        "modelId": "anthropic.claude-sonnet-4-5-20250929-v1:0", "operation": "InvokeModelWithResponseStream",
        "input": input, "output": output,
    })
}

fn llm(model: &str, prompt: &Value, cached: &Value, output: &Value) -> Value {
    json!({
        "time": "2026-06-01T09:00:00Z", "resourceId": "/service/g", "category": "GatewayLlmLogs",
        "properties": {
            "correlationId": "r", "modelName": model, "promptTokens": prompt, "promptCachedTokens": cached,
            "completionTokens": output,
        },
    })
}

fn azure(properties: &Value) -> Value {
    json!({
        "time": "2026-06-01T09:00:00Z", "category": "AzureOpenAIRequestUsage", "correlationId": "r",
        "resourceId": "/providers/Microsoft.CognitiveServices/accounts/a", "properties": properties,
    })
}

/// Uncached input, input from a cache, output, reasoning; absent is not nought.
type Tokens = [Option<u64>; 4];

#[test]
fn tokens_are_counted_once_and_in_their_classes() {
    const NONE: Option<u64> = None;
    let cases: &[(&str, Value, Tokens)] = &[
        (
            "thoughts are output beside the candidates",
            vertex(
                &json!({"prompt_token_count": 3, "candidates_token_count": 29, "thoughts_token_count": 901, "total_token_count": 933}),
            ),
            [Some(3), NONE, Some(930), Some(901)],
        ),
        (
            "the prompt includes what was cached, and not what tools put in",
            vertex(
                &json!({"prompt_token_count": 1000, "cached_content_token_count": 400, "tool_use_prompt_token_count": 50, "candidates_token_count": 1}),
            ),
            [Some(650), Some(400), Some(1), NONE],
        ),
        (
            "64-bit numbers are texts",
            vertex(&json!({"prompt_token_count": "9007199254", "candidates_token_count": "1"})),
            [Some(9_007_199_254), NONE, Some(1), NONE],
        ),
        (
            "Claude's prompt excludes what was cached",
            llm("claude-sonnet-4-5", &json!(26), &json!(48854), &json!(121)),
            [Some(26), Some(48854), Some(121), NONE],
        ),
        (
            "also where it is the larger part",
            llm("claude-sonnet-4-5", &json!(500), &json!(100), &json!(1)),
            [Some(500), Some(100), Some(1), NONE],
        ),
        (
            "OpenAI's includes it",
            llm("gpt-4o", &json!(500), &json!(100), &json!(1)),
            [Some(400), Some(100), Some(1), NONE],
        ),
        (
            "what exceeds a prompt was not in it",
            llm("alias", &json!(5), &json!(100), &json!(1)),
            [Some(5), Some(100), Some(1), NONE],
        ),
        (
            "nothing but cached input is usage, too",
            llm("claude-opus-4-5", &json!(0), &json!("4460"), &json!(0)),
            [Some(0), Some(4460), Some(0), NONE],
        ),
    ];
    for (rule, line, expected) in cases {
        let records = decode(line);
        let [record] = records.as_slice() else { panic!("{rule}: {records:?}") };
        let tokens = record.tokens;
        let read = [tokens.input_uncached, tokens.cache_read, tokens.output, tokens.reasoning];
        assert_eq!(read.map(Count::get), *expected, "{rule}");
        assert_eq!(record.part, Part::Usage, "{rule}");
    }
}

/// Of requests that were answered together the counts stand in one list.
#[test]
fn azure_counts_in_lists_which_are_added_up() {
    for (properties, input, output) in [
        (json!("{\"promptTokens\":[12],\"completionTokens\":[\"3\"]}"), Some(12), Some(3)),
        (json!({"promptTokens": [100_000, 5], "completionTokens": ["1000", 2]}), Some(100_005), Some(1002)),
        (json!({"promptTokens": "[100,200]", "completionTokens": " [1, 2] "}), Some(300), Some(3)),
        (json!({"promptTokens": [], "completionTokens": "3"}), None, Some(3)),
    ] {
        let records = decode(&azure(&properties));
        let [record] = records.as_slice() else { panic!("{properties}: {records:?}") };
        let read = [record.tokens.input_uncached, record.tokens.output].map(Count::get);
        assert_eq!((read, record.part), ([input, output], Part::Usage), "{properties}");
    }
}

/// Whatever a body is counted in, noughts at the top do not hide it.
#[test]
fn bedrock_believes_a_nought_only_where_nothing_else_is_told() {
    let started =
        json!({"type": "message_start", "message": {"usage": {"input_tokens": 4000, "output_tokens": 1}}});
    let delta = |output: u64| json!({"type": "message_delta", "usage": {"output_tokens": output}});
    let metrics = |input: u64, output: u64| {
        json!({"type": "message_stop", "amazon-bedrock-invocationMetrics":
            {"inputTokenCount": input, "outputTokenCount": output}})
    };
    let usage = |input: u64, output: u64, total: u64| json!({"inputTokens": input, "outputTokens": output, "totalTokens": total});
    let none = json!(null);
    let split = [Some(4000), Some(1000)];
    for (rule, body, expected) in [
        ("events", json!([started, delta(10), delta(1000)]), split),
        ("events behind noughts", json!([started, delta(1000), metrics(0, 0)]), split),
        ("metrics", json!([metrics(4000, 1000)]), split),
        ("the last of a stream", json!([{"metadata": {"usage": usage(4000, 1000, 5000)}}]), split),
        ("usage", json!({"usage": usage(4000, 1000, 5000)}), split),
        ("the usage of Claude", json!({"usage": {"input_tokens": 4000, "output_tokens": 1000}}), split),
        (
            "that of OpenAI's models",
            json!({"usage": {"prompt_tokens": 4000, "completion_tokens": 1000}}),
            split,
        ),
        ("that of Llama", json!({"prompt_token_count": 4000, "generation_token_count": 1000}), split),
        ("a total alone", json!({"usage": usage(0, 0, 5000)}), [Some(5000), None]),
        ("one in a stream", json!([{"metadata": {"usage": usage(0, 0, 5000)}}]), [Some(5000), None]),
        ("noughts alone", json!({"usage": usage(0, 0, 0)}), [Some(0), Some(0)]),
    ] {
        for top in [&json!(0), &none] {
            let output = json!({"outputTokenCount": top, "outputBodyJson": body});
            let records = decode(&invocation(&json!({"inputTokenCount": top}), &output));
            let [record] = records.as_slice() else { panic!("{rule}: {records:?}") };
            assert_eq!(
                [record.tokens.input_uncached, record.tokens.output].map(Count::get),
                expected,
                "{rule}"
            );
        }
        // What is counted at the top is the count.
        let output = json!({"outputTokenCount": 2, "outputBodyJson": body});
        let records = decode(&invocation(&json!({"inputTokenCount": 7}), &output));
        assert_eq!(
            [records[0].tokens.input_uncached, records[0].tokens.output].map(Count::get),
            [Some(7), Some(2)]
        );
    }
}

#[test]
fn of_a_name_that_stands_twice_the_last_counts() {
    let twice = r#"{"schemaType":"ModelInvocationLog","timestamp":"2026-06-01T09:00:00Z","requestId":"r","accountId":"1","modelId":"m","input":{"inputTokenCount":1,"inputTokenCount":9},"output":{"outputTokenCount":1},"output":{"outputTokenCount":3},"modelId":"n"}"#;
    let batch = decoded(twice);
    let [record] = batch.records.as_slice() else { panic!("{batch:?}") };
    assert_eq!([record.tokens.input_uncached, record.tokens.output].map(Count::get), [Some(9), Some(3)]);
    assert_eq!(batch.text(record.model.name), "n");
}

#[test]
fn what_was_written_to_a_cache_is_missing_in_the_cost() {
    for (model, cached, source) in [
        ("claude-sonnet-4-5", json!(0), CostSource::Partial),
        ("claude-sonnet-4-5", json!(9), CostSource::Partial),
        ("gpt-4o", json!(9), CostSource::Partial),
        ("gpt-4o", Value::Null, CostSource::Computed),
    ] {
        let records = decode(&llm(model, &json!(500), &cached, &json!(1)));
        assert_eq!(records[0].cost_source, source, "{model} {cached}");
    }
}

#[test]
fn rows_that_hold_pieces_of_a_text_are_no_usage() {
    for (sequence, records) in
        [(Value::Null, 1), (json!(0), 1), (json!("0"), 1), (json!(1), 0), (json!("2"), 0)]
    {
        let mut row = llm("gpt-4o", &json!(500), &Value::Null, &json!(1));
        row["properties"]["sequenceNumber"] = sequence;
        assert_eq!(decode(&row).len(), records, "{row}");
    }
}

#[test]
fn times_and_durations_of_dot_net() {
    for (time, properties, read) in [
        (json!("2026-06-01T09:00:00.1234567Z"), json!({"requestTime": 1}), "2026-06-01T09:00:00.1234567Z"),
        (Value::Null, json!({"requestTime": 639_159_012_001_234_567_u64}), "2026-06-01T09:00:00.123456700Z"),
        (json!(""), json!({"requestTime": "639159012001234567"}), "2026-06-01T09:00:00.123456700Z"),
    ] {
        let records = decode(&json!({
            "time": time, "category": "RequestResponse", "durationMs": -1021, "resultSignature": "200",
            "resourceId": "/providers/Microsoft.CognitiveServices/accounts/a", "properties": properties,
        }));
        assert_eq!(records[0].time.to_string(), read);
        assert_eq!(records[0].part, Part::Identity);
    }
}

#[test]
fn buckets_of_input_and_output_count_each_request_once() {
    let point = |class: &str, sum: Value| {
        json!({
            "attributes": [{"key": "gen_ai.token.type", "value": {"stringValue": class}},
                {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o"}}],
            "startTimeUnixNano": "1780304400000000000", "timeUnixNano": "1780304460000000000",
            "count": "7", "sum": sum,
        })
    };
    let frame = |temporality: Value, sum: Value| {
        json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [{
            "name": "gen_ai.client.token.usage", "histogram": {
                "aggregationTemporality": temporality, "dataPoints": [point("input", sum), point("output", json!(70))],
            },
        }]}]}]})
    };
    for (temporality, sum) in
        [(json!(1), json!(2100.0)), (json!("AGGREGATION_TEMPORALITY_DELTA"), json!("2100"))]
    {
        let records = decode(&frame(temporality, sum));
        let read: Vec<_> =
            records.iter().map(|record| (record.requests, record.counted, record.width_s)).collect();
        assert_eq!(read, [(7, true, 60), (0, true, 60)]);
        assert_eq!(records[0].tokens.input_uncached.get(), Some(2100));
        assert_eq!(records[1].tokens.output.get(), Some(70));
        assert_ne!(records[0].request_hash, records[1].request_hash);
    }
    // A counter told again is the same bucket, however far it has come; stretches of time are buckets of their own.
    for (temporality, same) in [(json!(2), true), (json!(1), false)] {
        let mut later = frame(temporality.clone(), json!(4200));
        let points =
            &mut later["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["histogram"]["dataPoints"];
        points[0]["timeUnixNano"] = json!("1780304520000000000");
        let [first, second] =
            [&frame(temporality, json!(2100)), &later].map(|frame| decode(frame)[0].request_hash);
        assert_eq!(first == second, same);
    }
}

/// Whatever carries no line and tells of no model is counted, not lost.
#[test]
fn log_records_of_opentelemetry_are_all_accounted_for() {
    let record = |body: &Value| json!({"timeUnixNano": "1780304400000000000", "body": body});
    let line = r#"{"timestamp":"2026-06-05T04:06:35Z","api_key":"k","model":"gpt-4o"}"#;
    let said = |text: &str| record(&json!({"stringValue": text}));
    let message = json!({"eventName": "gen_ai.user.message", "body": {"kvlistValue": {"values": []}}});
    for (records, read, foreign) in [
        (vec![said(line), said("started"), said(line)], 2, 1),
        (vec![said("started"), said("stopped")], 0, 2),
        (vec![message.clone()], 0, 1),
        (vec![message, said(line)], 1, 1),
        (vec![record(&json!({"intValue": 7})), json!({})], 0, 2),
    ] {
        let frame = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]});
        let batch = decoded(&frame.to_string());
        assert_eq!((batch.records.len(), batch.foreign), (read, foreign), "{frame}");
        assert_eq!(batch.rejected.iter().sum::<u32>(), 0, "{frame}");
    }
}

#[test]
fn what_an_answer_took_counts_once_if_the_other_log_tells_it_as_well() {
    let log = |category: &str, properties: Value| {
        json!({
            "time": "2026-06-01T09:00:00Z", "resourceId": "/service/g", "category": category,
            "correlationId": "c1", "callerIpAddress": "203.0.113.5", "properties": properties,
        })
    };
    let body = json!({"model": "gpt-4o", "usage": {"prompt_tokens": 1_000_000, "completion_tokens": 1000}});
    let asked = log(
        "GatewayLogs",
        json!({"apimSubscriptionId": "team-a", "responseCode": 200, "responseBody": body.to_string()}),
    );
    let took = log(
        "GatewayLlmLogs",
        json!({"modelName": "gpt-4o", "promptTokens": 1_000_000, "completionTokens": 1000}),
    );
    let dir = tempfile::tempdir().unwrap();
    for (lines, processed, duplicates) in
        [(vec![&asked], 2, 0), (vec![&asked, &took], 2, 1), (vec![&took, &asked], 2, 1)]
    {
        let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let ran = run_in(dir.path(), &["run", "-"], input.as_bytes());
        let read = processed + duplicates;
        let expected =
            format!("read {read} = {processed} processed + {duplicates} duplicate + 0 late + 0 rejected");
        assert!(ran.accounting().starts_with(&expected), "{}", ran.stderr);
        assert!(ran.stderr.contains("joined"), "{}", ran.stderr);
    }
}

//! Logs of the size and shape that gateways and clouds write, of 31 days: most of a record is not
//! what keyhound reads.

use super::{CLIENTS, DAYS, ENDPOINTS, MODELS, Random, time};
use std::fmt::Write as _;
use std::io::{self, Write};

/// Of each key so many requests, as of those of `write_records`: there are few records where they are large.
const EACH: u64 = 1000;

/// One request, as every shape tells it in its own words.
struct Request {
    number: u64,
    millis: u64,
    key: u64,
    model: &'static str,
    client: &'static str,
    endpoint: &'static str,
    address: String,
    input: u64,
    output: u64,
}

impl Request {
    fn new(random: &mut Random, number: u64, count: u64, keys: u64) -> Self {
        let millis = 1_780_272_000_000 + DAYS * 86_400_000 / count * number;
        let key = random.below(keys);
        let mut own = Random(key);
        let models = [own.pick(&MODELS), own.pick(&MODELS)];
        let (client, endpoint, network) = (own.pick(&CLIENTS), own.pick(&ENDPOINTS), own.below(1 << 16));
        let address = format!("10.{}.{}.{}", network >> 8, network & 255, random.below(3));
        let model = models[usize::from(random.below(2) == 1)];
        let (input, output) = (100 + random.below(4000), 10 + random.below(2000));
        Self { number, millis, key, model, client, endpoint, address, input, output }
    }

    /// A hash as LiteLLM names keys by.
    fn hash(&self) -> String {
        format!("{:064x}", u128::from(self.key + 1) * 0x1f3d_5b79_97b5_d3f1_0123_4567_89ab_cdef)
    }

    fn microdollars(&self) -> u64 {
        (self.input * 2500 + self.output * 10_000) / 1000
    }
}

/// A shape: what it is called, and a log of so many requests in it.
pub type Shape = (&'static str, fn(&mut dyn Write, u64) -> io::Result<()>);

/// Every shape that is measured. The records of CloudTrail and the buckets are many to a document, on one line.
pub const SHAPES: &[Shape] = &[
    ("litellm_spend, 6 KB", litellm_spend),
    ("litellm, 6 KB", litellm),
    ("cloudtrail", cloudtrail),
    ("journald", journald),
    ("openai_usage", openai_usage),
];

/// Each of `count` requests; every `used`th is one that is read.
fn each(
    count: u64,
    used: u64,
    mut write: impl FnMut(&Request, &mut Random) -> io::Result<()>,
) -> io::Result<()> {
    let mut random = Random(11);
    for number in 0..count {
        let keys = (count / EACH / used).max(1);
        let request = Request::new(&mut random, number, count, keys);
        write(&request, &mut random)?;
    }
    Ok(())
}

/// What people and models write, of about so many bytes, with what JSON must escape. Words are made up of syllables:
/// they come again less often than they would from a list, and compress about as prose does.
fn prose(random: &mut Random, bytes: usize) -> String {
    const SYLLABLES: [&str; 32] = [
        "ta", "re", "in", "voi", "ce", "su", "ma", "ry", "the", "of", "cus", "to", "mer", "ble", "a", "pa",
        "th", "num", "ber", "ï", "be", "twe", "en", "an", "swer", "qu", "es", "ti", "on", "fi", "eld", "s",
    ];
    const MARKS: [&str; 12] = [" ", " ", " ", " ", " ", " ", " ", ", ", ". ", "\n", "\" ", " \""];
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        for _ in 0..=random.below(3) {
            text.push_str(random.pick(&SYLLABLES));
        }
        text.push_str(random.pick(&MARKS));
    }
    text
}

/// A conversation as it is asked and answered: the question, and the answer.
fn conversation(request: &Request, random: &mut Random) -> (serde_json::Value, serde_json::Value) {
    let asked = serde_json::json!([
        {"role": "system", "content": prose(random, 900)},
        {"role": "user", "content": prose(random, 1100)},
    ]);
    let answered = serde_json::json!({
        "id": format!("chatcmpl-{:032x}", request.number), "object": "chat.completion", "model": request.model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": prose(random, 1200),
            "tool_calls": null, "function_call": null}}],
        "usage": {"prompt_tokens": request.input, "completion_tokens": request.output,
            "total_tokens": request.input + request.output, "prompt_tokens_details": {"cached_tokens": 0}},
    });
    (asked, answered)
}

/// What LiteLLM keeps of a call beside its numbers.
fn metadata(request: &Request) -> serde_json::Value {
    serde_json::json!({
        "user_api_key": request.hash(), "user_api_key_hash": request.hash(), "user_api_key_alias": format!("service-{}", request.key),
        "user_api_key_team_id": format!("team-{}", request.key % 20), "user_api_key_org_id": null, "user_api_key_user_id": "default_user_id",
        "user_api_key_team_alias": null, "user_api_key_user_email": null, "user_api_key_end_user_id": null, "user_api_key_auth_metadata": {},
        "user_api_key_request_route": request.endpoint, "requester_ip_address": request.address, "user_agent": request.client,
        "spend_logs_metadata": null, "requester_metadata": {}, "requester_custom_headers": {}, "prompt_management_metadata": null,
        "mcp_tool_call_metadata": null, "vector_store_request_metadata": null, "guardrail_information": null, "applied_guardrails": [],
        "batch_models": null, "status": "success", "proxy_server_request": null, "error_information": null, "cold_storage_object_key": null,
        "usage_object": {"prompt_tokens": request.input, "completion_tokens": request.output, "total_tokens": request.input + request.output,
            "completion_tokens_details": {"accepted_prediction_tokens": 0, "audio_tokens": 0, "reasoning_tokens": 0, "rejected_prediction_tokens": 0},
            "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 0}},
        "model_map_information": {"model_map_key": request.model, "model_map_value": {"key": request.model, "max_tokens": 16384,
            "max_input_tokens": 128_000, "input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05, "mode": "chat",
            "supports_vision": true, "supports_function_calling": true, "tpm": null, "rpm": null}},
        "additional_usage_values": {"completion_tokens_details": null, "prompt_tokens_details": {"cached_tokens": 0}},
    })
}

fn litellm_spend(out: &mut dyn Write, count: u64) -> io::Result<()> {
    each(count, 1, |request, random| {
        let (asked, answered) = conversation(request, random);
        let at = time(request.millis).replace('Z', "000+00:00");
        let text = |value: &serde_json::Value| serde_json::to_string(&value.to_string()).unwrap();
        writeln!(
            out,
            "{{\"request_id\": \"chatcmpl-{:032x}\", \"call_type\": \"acompletion\", \"api_key\": \"{}\", \"spend\": 0.{:06}, \
             \"total_tokens\": {}, \"prompt_tokens\": {}, \"completion_tokens\": {}, \"startTime\": \"{at}\", \"endTime\": \"{at}\", \
             \"completionStartTime\": \"{at}\", \"model\": \"{}\", \"model_id\": \"{:064x}\", \"model_group\": \"{}\", \
             \"custom_llm_provider\": \"openai\", \"api_base\": \"https://gateway.internal/v1\", \"user\": \"default_user_id\", \
             \"metadata\": {}, \"cache_hit\": \"False\", \"cache_key\": \"Cache OFF\", \"request_tags\": [\"User-Agent: {}\"], \
             \"team_id\": \"team-{}\", \"end_user\": \"\", \"requester_ip_address\": \"{}\", \"messages\": {}, \"response\": {}, \
             \"proxy_server_request\": {}, \"session_id\": \"{:032x}\", \"status\": \"success\"}}",
            request.number,
            request.hash(),
            request.microdollars(),
            request.input + request.output,
            request.input,
            request.output,
            request.model,
            request.key,
            request.model,
            text(&metadata(request)),
            request.client,
            request.key % 20,
            request.address,
            asked,
            answered,
            text(&serde_json::json!({"model": request.model, "temperature": 0.2, "messages": []})),
            request.number,
        )
    })
}

#[allow(clippy::cast_precision_loss)]
fn litellm(out: &mut dyn Write, count: u64) -> io::Result<()> {
    each(count, 1, |request, random| {
        let (asked, answered) = conversation(request, random);
        let at = request.millis as f64 / 1000.0;
        let record = serde_json::json!({
            "id": format!("chatcmpl-{:032x}", request.number), "trace_id": format!("{:032x}", request.number), "call_type": "acompletion",
            "cache_hit": null, "stream": false, "status": "success", "custom_llm_provider": "openai", "saved_cache_cost": 0.0,
            "startTime": at, "endTime": at + 0.75, "completionStartTime": at + 0.75, "response_time": 0.75, "model": request.model,
            "metadata": metadata(request), "cache_key": null, "response_cost": request.microdollars() as f64 / 1e6,
            "cost_breakdown": {"input_cost": 0.1, "output_cost": 0.2, "total_cost": 0.3, "tool_usage_cost": 0.0},
            "total_tokens": request.input + request.output, "prompt_tokens": request.input, "completion_tokens": request.output,
            "request_tags": [format!("User-Agent: {}", request.client)], "end_user": "", "api_base": "https://gateway.internal/v1",
            "model_group": request.model, "model_id": format!("{:064x}", request.key), "requester_ip_address": request.address,
            "messages": asked, "response": answered, "model_parameters": {"temperature": 0.2, "stream": false, "max_tokens": 2048},
            "hidden_params": {"model_id": format!("{:064x}", request.key), "cache_key": null, "api_base": "https://gateway.internal/v1",
                "response_cost": 0.3, "litellm_overhead_time_ms": 2.3, "additional_headers": {"llm_provider-x-ratelimit-limit-requests": "10000",
                "llm_provider-x-ratelimit-remaining-requests": "9999", "llm_provider-openai-processing-ms": "412", "llm_provider-x-request-id": "r"}},
            "model_map_information": {"model_map_key": request.model, "model_map_value": null},
            "error_str": null, "error_information": {"error_code": "", "error_class": "", "traceback": "", "error_message": ""},
            "guardrail_information": null, "standard_built_in_tools_params": {"web_search_options": null, "file_search": null},
        });
        writeln!(out, "{record}")
    })
}

/// Files of CloudTrail, one to a line: of four events one is of Bedrock.
fn cloudtrail(out: &mut dyn Write, count: u64) -> io::Result<()> {
    let mut file = String::new();
    each(count, 4, |request, random| {
        let at = time(request.millis - request.millis % 1000);
        let id = random.next();
        let (source, name, asked) = if request.number % 4 == 0 {
            let model = "anthropic.claude-3-5-sonnet-20240620-v1:0";
            ("bedrock", "InvokeModel", format!(r#"{{"modelId":"{model}"}}"#))
        } else {
            let asked = format!(
                r#"{{"bucketName":"logs-{}","Host":"logs.s3.amazonaws.com","key":"a/b/{id:x}.json.gz","x-id":"GetObject"}}"#,
                request.key
            );
            ("s3", "GetObject", asked)
        };
        let _ = write!(
            file,
            "{}{{\"eventVersion\":\"1.11\",\"userIdentity\":{{\"type\":\"AssumedRole\",\"principalId\":\"AROAEXAMPLE{key:08}:i-0{key:016x}\",\
             \"arn\":\"arn:aws:sts::111122223333:assumed-role/service-{key}/i-0{key:016x}\",\"accountId\":\"111122223333\",\
             \"accessKeyId\":\"ASIAEXAMPLE{key:09}\",\"sessionContext\":{{\"sessionIssuer\":{{\"type\":\"Role\",\
             \"principalId\":\"AROAEXAMPLE{key:08}\",\"arn\":\"arn:aws:iam::111122223333:role/service-{key}\",\"accountId\":\"111122223333\",\
             \"userName\":\"service-{key}\"}},\"attributes\":{{\"creationDate\":\"{at}\",\"mfaAuthenticated\":\"false\"}},\
             \"ec2RoleDelivery\":\"2.0\"}}}},\"eventTime\":\"{at}\",\"eventSource\":\"{source}.amazonaws.com\",\"eventName\":\"{name}\",\
             \"awsRegion\":\"us-east-1\",\"sourceIPAddress\":\"{}\",\"userAgent\":\"Boto3/1.34.162 md/Botocore#1.34.162 ua/2.0 os/linux#6.1 lang/python#3.12.1\",\
             \"requestParameters\":{asked},\"responseElements\":null,\"additionalEventData\":{{\"SignatureVersion\":\"SigV4\",\
             \"CipherSuite\":\"TLS_AES_128_GCM_SHA256\",\"bytesTransferredIn\":0,\"bytesTransferredOut\":4096}},\"requestID\":\"{id:016x}-{n:08x}\",\
             \"eventID\":\"{id:08x}-{n:08x}\",\"readOnly\":true,\"eventType\":\"AwsApiCall\",\"managementEvent\":true,\
             \"recipientAccountId\":\"111122223333\",\"eventCategory\":\"Management\",\"tlsDetails\":{{\"tlsVersion\":\"TLSv1.3\",\
             \"cipherSuite\":\"TLS_AES_128_GCM_SHA256\",\"clientProvidedHostHeader\":\"{source}.us-east-1.amazonaws.com\"}}}}",
            if file.is_empty() { "{\"Records\":[" } else { "," },
            request.address,
            key = request.key,
            n = request.number,
        );
        if request.number % 500 == 499 || request.number + 1 == count {
            writeln!(out, "{file}]}}")?;
            file.clear();
        }
        Ok(())
    })
}

/// Our own records, as the journal has them of a gateway.
fn journald(out: &mut dyn Write, count: u64) -> io::Result<()> {
    let mut ours = Vec::new();
    super::write_records(&mut ours, count, (count / EACH).max(1))?;
    for record in std::str::from_utf8(&ours).unwrap().lines() {
        writeln!(out, "{}", super::wrapped::in_journal(record))?;
    }
    Ok(())
}

/// Pages of the usage of an hour, by key and model.
fn openai_usage(out: &mut dyn Write, count: u64) -> io::Result<()> {
    const RESULTS: u64 = 100;
    let start = 1_780_272_000;
    let (mut random, keys) = (Random(11), (count / DAYS / 24).max(RESULTS));
    for page in 0..count / RESULTS {
        let hour = page * RESULTS / keys;
        let (from, to) = (start + hour * 3600, start + hour * 3600 + 3600);
        let results: Vec<String> = (0..RESULTS)
            .map(|result| {
                let key = (page * RESULTS + result) % keys;
                let (model, requests) = (Random(key).pick(&MODELS), 1 + random.below(50));
                format!(
                    "{{\"object\":\"organization.usage.completions.result\",\"input_tokens\":{},\"output_tokens\":{},\
                     \"input_cached_tokens\":{},\"input_audio_tokens\":0,\"output_audio_tokens\":0,\"input_text_tokens\":0,\
                     \"output_text_tokens\":0,\"num_model_requests\":{requests},\"project_id\":\"proj_EXAMPLE{}\",\"user_id\":null,\
                     \"api_key_id\":\"key_EXAMPLE{key:012}\",\"model\":\"{model}\",\"batch\":false,\"service_tier\":\"default\"}}",
                    requests * (100 + random.below(2000)),
                    requests * (10 + random.below(500)),
                    requests * random.below(100),
                    key % 20,
                )
            })
            .collect();
        writeln!(
            out,
            "{{\"object\":\"page\",\"data\":[{{\"object\":\"bucket\",\"start_time\":{from},\"end_time\":{to},\"results\":[{}]}}],\
             \"has_more\":true,\"next_page\":\"page_{page}\"}}",
            results.join(",")
        )?;
    }
    Ok(())
}

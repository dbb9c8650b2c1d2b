//! The table of APIs that canary prompts are sent to: what is asked where, and how the answer is read. One row each.

use super::answer::{Answer, Missing, count, error, missing};
use serde_json::{Map, Value, json};

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The model.
    pub model: &'a str,
    /// The prompt.
    pub prompt: &'a str,
    /// Output tokens, at most.
    pub max_tokens: u32,
    /// The answer is to come as it is made.
    pub stream: bool,
    /// The provider itself is asked, not somebody who speaks like it.
    pub is_original: bool,
}

/// An API.
#[derive(Debug)]
pub struct Dialect {
    /// Its name: the `type` of a probe.
    pub name: &'static str,
    /// Where the provider has it.
    pub url: &'static str,
    /// The header with the key, and what stands before the key in it.
    pub key_header: &'static str,
    /// See there.
    pub key_scheme: &'static str,
    /// Further headers.
    pub headers: &'static [(&'static str, &'static str)],
    /// The version that stands before the paths, which may also stand in the address.
    pub version: &'static str,
    /// The path behind it.
    pub path: fn(&Question<'_>) -> String,
    /// The body.
    pub body: fn(&Question<'_>) -> Map<String, Value>,
    /// Where the text stands in an answer.
    pub text_at: &'static str,
    /// Takes an event of a stream, or a whole answer.
    pub take: fn(&mut Answer, &Value) -> Result<(), Missing>,
}

/// All of them.
pub const ALL: &[Dialect] = &[OPENAI, ANTHROPIC, GEMINI];

/// The one of this name.
pub fn find(name: &str) -> Option<&'static Dialect> {
    ALL.iter().find(|dialect| dialect.name == name)
}

const OPENAI: Dialect = Dialect {
    name: "openai",
    url: "https://api.openai.com",
    key_header: "authorization",
    key_scheme: "Bearer ",
    headers: &[],
    version: "/v1",
    path: |_| "/chat/completions".to_owned(),
    body: |question| {
        // The provider's newer models refuse the old name, and others do not all know the new one.
        let limit = if question.is_original { "max_completion_tokens" } else { "max_tokens" };
        let mut body = object(json!({
            "model": question.model,
            "messages": [{"role": "user", "content": question.prompt}],
        }));
        body.insert(limit.to_owned(), question.max_tokens.into());
        if question.stream {
            body.insert("stream".to_owned(), true.into());
            body.insert("stream_options".to_owned(), json!({"include_usage": true}));
        }
        body
    },
    text_at: "choices[0].delta.content",
    take: openai,
};

const ANTHROPIC: Dialect = Dialect {
    name: "anthropic",
    url: "https://api.anthropic.com",
    key_header: "x-api-key",
    key_scheme: "",
    headers: &[("anthropic-version", "2023-06-01")],
    version: "/v1",
    path: |_| "/messages".to_owned(),
    body: |question| {
        let mut body = object(json!({
            "model": question.model,
            "max_tokens": question.max_tokens,
            "messages": [{"role": "user", "content": question.prompt}],
        }));
        if question.stream {
            body.insert("stream".to_owned(), true.into());
        }
        body
    },
    text_at: "content[0].text",
    take: anthropic,
};

const GEMINI: Dialect = Dialect {
    name: "gemini",
    url: "https://generativelanguage.googleapis.com",
    key_header: "x-goog-api-key",
    key_scheme: "",
    headers: &[],
    version: "/v1beta",
    path: |question| {
        let mut path = "/models/".to_owned();
        crate::net::address::escape(question.model.trim_start_matches("models/"), &mut path);
        path + if question.stream { ":streamGenerateContent?alt=sse" } else { ":generateContent" }
    },
    body: |question| {
        object(json!({
            "contents": [{"role": "user", "parts": [{"text": question.prompt}]}],
            "generationConfig": {"maxOutputTokens": question.max_tokens},
        }))
    },
    text_at: "candidates[0].content.parts[0].text",
    take: gemini,
};

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// `chat.completion.chunk` and `chat.completion`.
fn openai(answer: &mut Answer, value: &Value) -> Result<(), Missing> {
    if let Some(error) = error(value) {
        answer.error = Some(error);
        return Ok(());
    }
    let choices = value.get("choices").and_then(Value::as_array).ok_or_else(|| missing("choices", value))?;
    Answer::set(&mut answer.id, &value["id"]);
    Answer::set(&mut answer.model, &value["model"]);
    if let Some(choice) = choices.first() {
        let said = choice.get("delta").or_else(|| choice.get("message"));
        let said = said.ok_or_else(|| missing("choices[0].delta", choice))?;
        answer.add(said["content"].as_str().unwrap_or_default());
        Answer::set(&mut answer.ended, &choice["finish_reason"]);
    }
    let usage = &value["usage"];
    answer.input_total = usage["prompt_tokens"].as_u64().or(answer.input_total);
    count(&usage["prompt_tokens_details"]["cached_tokens"], &mut answer.tokens.cache_read);
    count(&usage["completion_tokens"], &mut answer.tokens.output);
    count(&usage["completion_tokens_details"]["reasoning_tokens"], &mut answer.tokens.reasoning);
    Ok(())
}

/// Events of `messages`, and `message`.
fn anthropic(answer: &mut Answer, value: &Value) -> Result<(), Missing> {
    if let Some(error) = error(value) {
        answer.error = Some(error);
        return Ok(());
    }
    let kind = value.get("type").and_then(Value::as_str).ok_or_else(|| missing("type", value))?;
    match kind {
        "message" => {
            let content = value.get("content").and_then(Value::as_array);
            let content = content.ok_or_else(|| missing("content", value))?;
            for part in content {
                answer.add(part["text"].as_str().unwrap_or_default());
            }
            message(answer, value);
            Answer::set(&mut answer.ended, &value["stop_reason"]);
        }
        "message_start" => message(answer, value.get("message").ok_or_else(|| missing("message", value))?),
        "content_block_delta" => {
            let delta = value.get("delta").ok_or_else(|| missing("delta", value))?;
            answer.add(delta["text"].as_str().unwrap_or_default());
        }
        "message_delta" => {
            let delta = value.get("delta").ok_or_else(|| missing("delta", value))?;
            Answer::set(&mut answer.ended, &delta["stop_reason"]);
            anthropic_usage(answer, &value["usage"]);
        }
        // Pings, borders of blocks, and what there may be one day.
        _ => {}
    }
    Ok(())
}

fn message(answer: &mut Answer, message: &Value) {
    Answer::set(&mut answer.id, &message["id"]);
    Answer::set(&mut answer.model, &message["model"]);
    anthropic_usage(answer, &message["usage"]);
}

fn anthropic_usage(answer: &mut Answer, usage: &Value) {
    let tokens = &mut answer.tokens;
    count(&usage["input_tokens"], &mut tokens.input_uncached);
    count(&usage["cache_read_input_tokens"], &mut tokens.cache_read);
    count(&usage["cache_creation_input_tokens"], &mut tokens.cache_write);
    count(&usage["output_tokens"], &mut tokens.output);
}

/// `GenerateContentResponse`, of which a stream has several.
fn gemini(answer: &mut Answer, value: &Value) -> Result<(), Missing> {
    if let Some(error) = error(value) {
        answer.error = Some(error);
        return Ok(());
    }
    if ["candidates", "promptFeedback", "usageMetadata"].iter().all(|name| value.get(name).is_none()) {
        return Err(missing("candidates", value));
    }
    Answer::set(&mut answer.id, &value["responseId"]);
    Answer::set(&mut answer.model, &value["modelVersion"]);
    Answer::set(&mut answer.ended, &value["promptFeedback"]["blockReason"]);
    let candidate = &value["candidates"][0];
    for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
        // Thoughts are no part of what is said.
        if part["thought"] != Value::Bool(true) {
            answer.add(part["text"].as_str().unwrap_or_default());
        }
    }
    Answer::set(&mut answer.ended, &candidate["finishReason"]);
    let usage = &value["usageMetadata"];
    answer.input_total = usage["promptTokenCount"].as_u64().or(answer.input_total);
    count(&usage["cachedContentTokenCount"], &mut answer.tokens.cache_read);
    let (said, thought) = (usage["candidatesTokenCount"].as_u64(), usage["thoughtsTokenCount"].as_u64());
    if said.is_some() || thought.is_some() {
        answer.tokens.output =
            crate::record::Count::of(said.unwrap_or(0).saturating_add(thought.unwrap_or(0)));
    }
    count(&usage["thoughtsTokenCount"], &mut answer.tokens.reasoning);
    Ok(())
}

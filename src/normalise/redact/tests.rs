//! Secrets of all patterns in all encodings, and what must not be taken for one.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};

fn redactor() -> Redactor {
    Redactor::new(parse_patterns(BUILTIN).unwrap(), KeyNamer::new("")).unwrap()
}

#[test]
fn patterns_find_their_examples_and_nothing_else() {
    let redactor = redactor();
    redactor.check().unwrap();
    let patterns = parse_patterns(BUILTIN).unwrap();
    for pattern in &patterns {
        assert!(!pattern.examples.is_empty(), "{}: an example", pattern.name);
        for example in &pattern.examples {
            let regex = Regex::new(&pattern.regex).unwrap();
            assert!(regex.is_match(example.as_bytes()), "{}: {example}", pattern.name);
            let clean = redactor.clean(format!("before {example} after").as_bytes());
            assert!(clean.contains("[key:") && clean.contains("before "), "{}: {clean}", pattern.name);
            let secret =
                regex.captures(example.as_bytes()).map(|c| c.name("secret").unwrap_or(c.get(0).unwrap()));
            let secret = std::str::from_utf8(secret.unwrap().as_bytes()).unwrap();
            assert!(!clean.contains(secret), "{}: {clean}", pattern.name);
        }
        for counter in &pattern.counter_examples {
            assert_eq!(redactor.clean(counter.as_bytes()), *counter, "{}", pattern.name);
        }
    }
    let mut names: Vec<_> = patterns.iter().map(|pattern| &pattern.name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), patterns.len(), "names are unique");
}

#[test]
fn an_unmistakable_key_may_be_glued_to_a_letter() {
    let redactor = redactor();
    let glued = ["anthropic", "google_api_key", "openrouter", "groq", "xai", "bedrock_api_key"];
    let patterns = parse_patterns(BUILTIN).unwrap();
    let mut tried = 0;
    for pattern in patterns.iter().filter(|pattern| glued.contains(&&*pattern.name)) {
        for example in &pattern.examples {
            let clean = redactor.clean(format!("x{example}").as_bytes());
            assert!(clean.starts_with("x[key:"), "{}: {clean}", pattern.name);
            tried += 1;
        }
    }
    assert!(tried >= 6, "{tried}");
}

#[test]
fn a_name_beside_it_makes_hexadecimal_a_key() {
    let redactor = redactor();
    let hex = "0123456789abcdef0123456789abcdef";
    let key40 = "EXAMPLE0EXAMPLE0EXAMPLE0EXAMPLE0EXAMPLE0";
    for text in [
        format!("azure {hex} near myres.openai.azure.com"),
        format!("401 for {hex} from https://myres.openai.azure.com/openai/deployments/x"),
        format!("AssemblyAI says: bad key {hex}"),
        format!("cohere {key40}"),
        format!("deepgram: {hex}01234567"),
        format!("the azure key `{hex}` is wrong"),
        format!("key `{hex}`: no such deployment at azure"),
        format!("Deepgram%20{hex}01234567"),
    ] {
        let clean = redactor.clean(text.as_bytes());
        assert!(!clean.contains(&hex[..16]) && !clean.contains(&key40[..16]), "{clean}");
    }
    for text in [
        format!("request {hex}"),
        format!("azure request id {hex}, model gpt-4o"),
        format!("x-ms-client-request-id: {hex} myres.openai.azure.com"),
        format!("https://myres.openai.azure.com/openai/threads/{hex}/runs"),
        format!(r#"{{"provider":"azure","trace":"{hex}","span":"0123456789abcdef"}}"#),
        format!("azure{} {hex}", " far away".repeat(10)),
        format!("cohere {key40}0"),
        format!("azure digest {hex}{hex}"),
    ] {
        assert_eq!(redactor.clean(text.as_bytes()), text);
    }
}

#[test]
fn a_line_of_a_key_file_is_no_text_to_show() {
    let stray = |text: &str| redactor().clean_stray_part(text.as_bytes(), 0..text.len(), usize::MAX);
    let line = "MIIEvQexampleexampleexampleexampleexample0EXAMPLE/example+exampl";
    assert_eq!(stray(line), format!("[{} characters]", line.len()));
    for harmless in [
        "request 0b5c1c52-7a3b-4c1e-9d2f-0123456789ab failed at /v1/chat/completions",
        "9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f",
        "session opened for user root(uid=0)",
    ] {
        assert_eq!(stray(harmless), harmless);
    }
}

#[test]
fn a_secret_that_is_partly_shown_is_hidden_whole() {
    let key = "sk-proj-EXAMPLE0EXAMPLE0EXAMPLE0EXAMPLE0EXAMPLE0EXAMPLE0";
    let text = format!("before {key} after");
    let shown = |range| redactor().clean_stray_part(text.as_bytes(), range, 200);
    assert!(shown(0..20).starts_with("before [key:"), "{}", shown(0..20));
    assert!(shown(30..40).starts_with("[key:") && !shown(30..40).contains("EXAMPLE0E"), "{}", shown(30..40));
    assert_eq!((shown(0..4), shown(text.len() - 3..text.len())), ("befo".to_owned(), "ter".to_owned()));
    let word = format!("{{{}aB1}}", "aB1".repeat(20));
    assert_eq!(redactor().clean_stray_part(word.as_bytes(), 10..30, 200), "[63 characters]");
}

#[test]
fn what_is_clean_stays_as_it_is() {
    let redactor = redactor();
    for text in [
        "https://user:hunter2pw@example.org/v1",
        "://:x@",
        "password=\"hunter2pw\" sk-example0example0example0",
    ] {
        let clean = redactor.clean(text.as_bytes());
        assert!(!redactor.finds(clean.as_bytes()), "{clean}");
        assert_eq!(redactor.clean(clean.as_bytes()), clean);
    }
    // A hash in a key field is let through; cut off it would look like a key.
    let hash = format!("api_key={}", "0123456789abcdef".repeat(4));
    assert_eq!(redactor.clean(hash.as_bytes()), hash);
    assert!(redactor.clean_part(hash.as_bytes(), 0..40, 40).starts_with("api_key=[key:"));
}

#[test]
fn short_secrets_show_nothing_of_themselves() {
    let clean = redactor().clean(b"https://user:hunter2pw@example.org/v1");
    assert!(!clean.contains("hunter2pw") && !clean.contains("r2pw"), "{clean}");
    assert!(clean.starts_with("https://user:[key:"), "{clean}");
}

/// A text in every encoding that is seen through, with the encoding's name.
fn encodings(text: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut add = |name: &str, encoded: String| all.push((name.to_owned(), encoded));
    for shift in 0..3 {
        let shifted = format!("{}{text}{}", &"  \n"[..shift], &"\n  "[..shift]);
        for (name, engine) in [("base64", STANDARD), ("base64 without padding", STANDARD_NO_PAD)] {
            add(&format!("{name}, shifted by {shift}"), engine.encode(&shifted));
        }
        add(&format!("base64 for URLs, shifted by {shift}"), URL_SAFE.encode(&shifted));
        let lines = STANDARD.encode(format!("{}{shifted}", "Some words in front of it. ".repeat(4)));
        let lines: Vec<&str> =
            lines.as_bytes().chunks(76).map(|line| str::from_utf8(line).unwrap()).collect();
        add(&format!("base64 in lines, shifted by {shift}"), lines.join("\r\n"));
    }
    add("base64 twice", STANDARD.encode(STANDARD.encode(text)));
    add("base64 of JSON", STANDARD.encode(serde_json::json!({"a": ["b", text]}).to_string()));
    let percent = |text: &str, plain: fn(&u8) -> bool| {
        let encode = |byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        text.bytes().map(encode).collect::<String>()
    };
    let is_unreserved = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    add("percent", percent(text, |_| false));
    add("percent twice", percent(&percent(text, is_unreserved), is_unreserved));
    let thrice = percent(&percent(&percent(text, is_unreserved), is_unreserved), is_unreserved);
    add("base64 of percent thrice", STANDARD.encode(thrice));
    let json = (0..4).fold(text.to_owned(), |text, _| serde_json::json!({ "a": text }).to_string());
    add("JSON in JSON in JSON", json);
    add("percent of base64", percent(&STANDARD.encode(text), is_unreserved));
    let each = |write: fn(u8) -> String, between| text.bytes().map(write).collect::<Vec<_>>().join(between);
    add("escapes of JSON", each(|byte| format!("\\u{byte:04x}"), ""));
    add("escapes of JSON twice", each(|byte| format!("\\\\u{byte:04X}"), ""));
    add("escapes of Rust", each(|byte| format!("\\u{{{byte:x}}}"), ""));
    add("escapes of Python", each(|byte| format!("\\x{byte:02x}"), ""));
    add("hexadecimal", each(|byte| format!("{byte:02x}"), ""));
    add("capital hexadecimal", each(|byte| format!("{byte:02X}"), ""));
    add("list", each(|byte| byte.to_string(), ","));
    add("list with spaces", each(|byte| byte.to_string(), ", "));
    add("list without commas", format!("[{}]", each(|byte| byte.to_string(), " ")));
    add("list behind a number", format!("1.50 {}", each(|byte| byte.to_string(), ", ")));
    all
}

/// What can be searched for in every encoding: texts of more than eleven bytes.
fn long(texts: &[String]) -> impl Iterator<Item = &String> {
    texts.iter().filter(|text| text.len() >= 16)
}

#[test]
fn secrets_are_found_in_every_encoding() {
    let redactor = redactor();
    for pattern in parse_patterns(BUILTIN).unwrap() {
        for example in long(&pattern.examples) {
            for (encoding, text) in encodings(example) {
                let text = format!("before {text} after");
                let clean = redactor.clean(text.as_bytes());
                assert!(clean.contains("[key:"), "{}, {encoding}: {clean}", pattern.name);
                assert!(
                    clean.starts_with("before ") && clean.ends_with(" after"),
                    "{encoding}: {clean} of {text}"
                );
                assert!(!redactor.finds(clean.as_bytes()), "{}, {encoding}: {clean}", pattern.name);
            }
        }
    }
}

#[test]
fn what_is_no_secret_is_none_in_any_encoding() {
    let redactor = redactor();
    for pattern in parse_patterns(BUILTIN).unwrap() {
        for counter in &pattern.counter_examples {
            for (encoding, text) in encodings(counter) {
                assert_eq!(redactor.clean(text.as_bytes()), text, "{}, {encoding}: {counter}", pattern.name);
            }
        }
    }
}

#[test]
fn what_stands_around_it_hides_nothing() {
    let redactor = redactor();
    let key = "sk-proj-EXAMPLE0EXAMPLE0EXAMPLE0EXAMPLE0EXAMPLE0EXAMPLE0";
    let (base64, hex) =
        encodings(key).into_iter().fold((String::new(), String::new()), |found, (name, text)| match &*name {
            "base64 for URLs, shifted by 0" => (text, found.1),
            "hexadecimal" => (found.0, text),
            _ => found,
        });
    for front in [
        "",
        "a",
        "AB",
        "abc",
        "9f86",
        "/v1/keys/",
        "id_0b5c1c52-7a3b-",
        "Zm9vYmFyLWZvb2Jhci1mb29iYXIt",
        "n",
        "u0022",
    ] {
        for (text, body) in [(&base64, &base64[4..68]), (&hex, &hex[4..100])] {
            let clean = redactor.clean(format!("{front}{text}/more").as_bytes());
            assert!(clean.contains("[key:") && !clean.contains(body), "{front}: {clean}");
            assert!(
                clean.starts_with(front.get(..front.len() - front.len() % 4).unwrap()),
                "{front}: {clean}"
            );
        }
    }
}

#[test]
fn identifiers_and_data_stay_as_they_are() {
    let redactor = redactor();
    for text in [
        "0b5c1c52-7a3b-4c1e-9d2f-0123456789ab",
        "chatcmpl-BXq0vT7mZr3kLw9yHs2uCd8nEa5f",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "projects/123456789012/locations/us-central1/publishers/google/models/gemini-2.5-pro",
        "claude-sonnet-4-20250514",
        "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21&q=50%25%20off",
        "eyJ1c2VyIjoiYWxpY2UiLCJ0ZWFtIjoicmVzZWFyY2giLCJlbnYiOiJwcm9kIn0=",
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
        "[0, 12, 101, 1024, 3, 17, 99, 32, 45, 64, 77, 81, 99, 101, 45, 33]",
        r"C:\\new\\table\\users",
    ] {
        assert_eq!(redactor.clean(text.as_bytes()), text);
        assert_eq!(redactor.clean(STANDARD.encode(text).as_bytes()), STANDARD.encode(text));
    }
}

//! No output ever holds a key: keys of every known kind are planted everywhere and looked for in everything.

use crate::support::{keyhound, record};
use keyhound::config::Plan;
use keyhound::decode::{Decoder, Settings};
use keyhound::frame::Block;
use keyhound::normalise::redact::{BUILTIN, parse_patterns};
use keyhound::time::Timestamp;
use serde_json::json;

/// A key of every known kind, as its pattern's first example shows it.
fn planted() -> Vec<String> {
    let patterns = parse_patterns(BUILTIN).unwrap();
    let examples = patterns.into_iter().map(|pattern| {
        let regex = regex::Regex::new(&pattern.regex).unwrap();
        let captures = regex.captures(&pattern.examples[0]).unwrap();
        (
            pattern.examples[0].clone(),
            captures.name("secret").unwrap_or(captures.get(0).unwrap()).as_str().to_owned(),
        )
    });
    // What is searched for is the secret; what is planted is the text it stands in.
    examples.map(|(example, secret)| format!("{example}\u{0}{secret}")).collect()
}

/// The part of a secret that must not show: all but the last four characters.
fn body(secret: &str) -> &str {
    let end = secret.char_indices().rev().nth(3).map_or(0, |(at, _)| at);
    &secret[..end]
}

#[test]
fn a_key_shows_in_no_output() {
    let dir = tempfile::tempdir().unwrap();
    let mut input = String::new();
    let mut secrets = Vec::new();
    let history = record(&[("api_key_prefix", json!("...3f9c"))]);
    for (number, planted) in planted().into_iter().enumerate() {
        let (text, secret) = planted.split_once('\0').unwrap();
        let day = number % 28 + 1;
        let at = json!(format!("2026-07-{day:02}T09:00:00Z"));
        for field in ["model", "endpoint", "user_agent", "request_id", "source_ip", "api_key_alias"] {
            input += &record(&[("timestamp", at.clone()), (field, json!(text))]);
        }
        let full = record(&[("timestamp", at.clone()), ("api_key_prefix", json!(text))]);
        input += &full;
        // In rejects of several kinds, in wrappers, in what is no record at all.
        input += &record(&[("timestamp", json!(text))]);
        input += &record(&[("timestamp", at.clone()), ("input_tokens", json!(text))]);
        input += &record(&[("timestamp", at.clone()), ("model", json!([text]))]);
        input += &format!(
            "Authorization: {} and more\n{{\"broken\": \"{}\n",
            text.replace('\n', " "),
            text.replace(['"', '\n'], "")
        );
        input += &format!("{}\n", json!({"__REALTIME_TIMESTAMP": "1", "MESSAGE": format!("key {text}")}));
        input += &format!("{}\n", json!({"__REALTIME_TIMESTAMP": "1", "MESSAGE": full.trim_end()}));
        secrets.push(secret.to_owned());
    }
    std::fs::write(dir.path().join("history"), history).unwrap();
    std::fs::write(dir.path().join("input"), input).unwrap();
    for encoding in ["json", "text"] {
        let args =
            ["run", "--history", "history", "--encoding", encoding, "--rejects", "rejects", "--", "input"];
        let output = keyhound().current_dir(dir.path()).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let rejects = std::fs::read(dir.path().join("rejects")).unwrap();
        assert!(output.stdout.len() > 1000 && rejects.len() > 1000);
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr), ("rejects", &rejects)] {
            for secret in &secrets {
                let shows = memchr::memmem::find(bytes, body(secret).as_bytes());
                let near = shows.map(|at| {
                    String::from_utf8_lossy(&bytes[at.saturating_sub(100)..(at + 60).min(bytes.len())])
                });
                assert!(shows.is_none(), "{secret} in {name} ({encoding}): {}", near.unwrap_or_default());
            }
        }
    }
}

#[test]
fn what_was_encoded_is_kept_as_it_is_inside() {
    // In base64 or numbers, nobody would find a key.
    let line = r#"{"ackId":"a","message":{"data":"eyJhcGlfa2V5IjoieCJ9"}}"#;
    let rulebook = Plan::default_plan().unwrap().rulebook;
    let settings = Settings { rulebook, format: None, frame_bytes_max: 1000, keep_rejects: true };
    let mut decoder = Decoder::new(settings);
    let bytes = json!({"__REALTIME_TIMESTAMP": "1", "MESSAGE": br#"{"api_key":"y"}"#}).to_string();
    for (line, frame) in
        [(line, r#"{"api_key":"x"}"#), (&line.replace("J9", "J!"), ""), (&bytes, r#"{"api_key":"y"}"#)]
    {
        let block = Block { bytes: line.to_owned().into(), ..Block::default() };
        let batch = decoder.block(&block, Timestamp::MAX);
        assert_eq!(batch.rejects.iter().map(|reject| &*reject.frame).collect::<Vec<_>>(), [frame]);
    }
}

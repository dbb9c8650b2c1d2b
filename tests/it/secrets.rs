//! No output ever holds a key: keys of every known kind are planted everywhere, in every encoding, and looked for in
//! everything.

use crate::metrics::Served;
use crate::receiver::{Receiver, Reply, free_address, taken};
use crate::support::{keyhound, record};
use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use keyhound::config::Plan;
use keyhound::decode::{Decoder, Settings};
use keyhound::frame::Block;
use keyhound::normalise::redact::{BUILTIN, parse_patterns};
use keyhound::time::Timestamp;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;

/// So many characters of a secret must not show in a row; four of its end do on purpose.
const PIECE: usize = 9;

/// A secret in the text that makes it one.
struct Planted {
    text: String,
    secret: String,
}

/// Every example of every pattern.
fn planted() -> Vec<Planted> {
    let mut all = Vec::new();
    for pattern in parse_patterns(BUILTIN).unwrap() {
        let regex = regex::Regex::new(&pattern.regex).unwrap();
        for text in pattern.examples {
            // Noughts stand in many an identifier.
            let text = text.replace("0000", &format!("39{:02}", all.len() % 100));
            let captures = regex.captures(&text).unwrap();
            let secret = captures.name("secret").unwrap_or(captures.get(0).unwrap()).as_str().to_owned();
            all.push(Planted { text, secret });
        }
    }
    assert!(all.len() >= 60, "{} secrets", all.len());
    all
}

/// How every character of a text may be written for itself.
const ESCAPES: [fn(&str) -> String; 6] = [
    ToOwned::to_owned,
    |text| each(text, |byte| format!("%{byte:02X}")),
    |text| {
        each(text, |byte| {
            if byte.is_ascii_alphanumeric() { char::from(byte).into() } else { format!("%25{byte:02x}") }
        })
    },
    |text| each(text, |byte| format!("\\u{byte:04x}")),
    |text| each(text, |byte| format!("{byte:02x}")),
    |text| each(text, |byte| format!("{byte}, ")),
];

/// How a text may be written down. The first is: as it is.
fn encodings(text: &str) -> Vec<String> {
    let mut all: Vec<String> = ESCAPES.iter().map(|escape| escape(text)).collect();
    let json = json!({"headers": {"x": text}}).to_string();
    all.extend([STANDARD.encode(text), URL_SAFE_NO_PAD.encode(text), STANDARD.encode(json)]);
    all
}

fn each(text: &str, write: impl Fn(u8) -> String) -> String {
    text.bytes().map(write).collect()
}

/// What must not show of the secrets, in any encoding: pieces of [`PIECE`] characters, of which every run of a few
/// more has one.
fn pieces(planted: &[Planted]) -> Vec<String> {
    let mut pieces = Vec::new();
    for Planted { secret, .. } in planted {
        let body = secret.char_indices().rev().nth(3).map_or("", |(end, _)| &secret[..end]);
        let windows = |text: &str, length: usize| -> Vec<String> {
            let starts = (0..=text.len().saturating_sub(length)).step_by(length / 3);
            starts.filter_map(|at| text.get(at..at + length).map(ToOwned::to_owned)).collect()
        };
        for piece in windows(body, PIECE) {
            pieces.extend(ESCAPES.iter().map(|escape| escape(&piece)));
        }
        // Base64 looks different behind nought, one and two bytes.
        for text in (0..3).filter_map(|skipped| body.get(skipped..)) {
            for encoded in [STANDARD.encode(text), URL_SAFE_NO_PAD.encode(text)] {
                pieces.extend(windows(encoded.trim_end_matches('='), PIECE * 4 / 3));
            }
        }
    }
    pieces.sort();
    pieces.dedup();
    pieces
}

/// A field of a record, and how a text stands in it.
type Field = (&'static str, fn(&str) -> Value);

/// Where a text may stand in a sound record.
const FIELDS: [Field; 14] = [
    ("user_agent", |text| json!(text)),
    ("user_agent", |text| {
        json!(format!("curl/8.0 (H: {{\"x-api-key\": \"{text}\"}}) Authorization: Bearer {text}"))
    }),
    ("user_agent", |text| json!(json!({"headers": json!({"cookie": text}).to_string()}).to_string())),
    ("user_agent", |text| json!(format!("{}{text}", "long-client-name/1.0 ".repeat(24)))),
    ("endpoint", |text| json!(text)),
    ("endpoint", |text| json!(format!("https://gateway.example/v1/chat?stream=1&key={text}&alt=sse"))),
    ("endpoint", |text| json!(format!("/v1/models?api_key={text}"))),
    ("endpoint", |text| json!(format!("/v1/keys/{text}/usage"))),
    ("model", |text| json!(text)),
    ("model", |text| json!(format!("openai/gpt-4o {text}"))),
    ("request_id", |text| json!(text)),
    ("source_ip", |text| json!(text)),
    ("source_ip", |text| json!(format!("10.0.0.1, {text}"))),
    ("api_key_alias", |text| json!(text)),
];

/// What makes a record a reject, and the text stand in it.
const FAULTS: [Field; 6] = [
    ("timestamp", |text| json!(text)),
    ("input_tokens", |text| json!(text)),
    ("model", |text| json!([text])),
    ("api_key_prefix", |text| json!({"a": text})),
    ("status_code", |text| json!(format!("401 Incorrect API key provided: {text}"))),
    ("cost_usd", |text| json!(format!("a cost, {text}"))),
];

/// What may stand around a record or a text, and what is no record at all.
const AROUND: [fn(&str) -> String; 16] = [
    |text| json!({"__REALTIME_TIMESTAMP": "1", "MESSAGE": text}).to_string(),
    |text| json!({"__REALTIME_TIMESTAMP": "1", "MESSAGE": text.as_bytes()}).to_string(),
    |text| {
        json!({"log": format!("{text}\n"), "stream": "stdout", "time": "2026-06-02T09:00:00Z"}).to_string()
    },
    |text| format!("2026-06-02T09:00:00.123456789Z stdout F {text}"),
    |text| format!("<14>1 2026-06-02T09:00:00Z host app 1 - - {text}"),
    |text| json!({"message": {"data": STANDARD.encode(text)}, "subscription": "s"}).to_string(),
    |text| json!({"awslogs": {"data": STANDARD.encode(text)}}).to_string(),
    |text| {
        json!({"logEvents": [{"id": "1", "timestamp": 1, "message": text}], "logGroup": "g", "logStream": "s"}).to_string()
    },
    |text| json!({"event": text, "time": 1, "sourcetype": "_json"}).to_string(),
    // Wrappers that nobody knows.
    |text| json!({"blob": STANDARD.encode(text)}).to_string(),
    |text| json!({"payload": {"type": "Buffer", "data": text.as_bytes()}}).to_string(),
    |text| json!({"body": json!({"error": {"message": text}}).to_string()}).to_string(),
    |text| format!("{{\"broken\": \"{}", text.replace(['"', '\n'], "")),
    |text| format!("Authorization: {} and more", text.replace('\n', " ")),
    |text| format!("time,key\n{text}").replace('\n', " "),
    |text| format!("{} {text}", "x".repeat(4090)),
];

/// Records of other formats with the text in one of their texts, the `number`th of those there are.
fn in_other_formats(number: usize, text: &str) -> String {
    const FORMATS: [&str; 8] =
        ["litellm", "litellm_spend", "otel", "cloudtrail", "bedrock", "access_log", "langfuse", "cloudflare"];
    let format = FORMATS[number % FORMATS.len()];
    let fixture = std::fs::read_to_string(format!("tests/formats/{format}/in")).unwrap();
    let mut record: Value = serde_json::from_str(fixture.lines().next().unwrap()).unwrap();
    let count = texts(&mut record).len();
    *texts(&mut record)[number / FORMATS.len() % count] = json!(text);
    record.to_string()
}

/// All texts in a value.
fn texts(value: &mut Value) -> Vec<&mut Value> {
    match value {
        Value::String(_) => vec![value],
        Value::Array(values) => values.iter_mut().flat_map(texts).collect(),
        Value::Object(members) => members.values_mut().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// Lines with every secret in every encoding in some of the places, every one of which sees every encoding.
fn input(planted: &[Planted]) -> String {
    let mut input = String::new();
    let mut number = 0;
    for (at, Planted { text, .. }) in planted.iter().enumerate() {
        for (code, encoded) in encodings(text).into_iter().enumerate() {
            // Too short to be told from chance when it is encoded.
            if code > 0 && text.len() < 16 {
                continue;
            }
            for round in 0..if code == 0 { 6 } else { 1 } {
                number += 1;
                let turn = at + 3 * code + round;
                let minute = 10 * number;
                let time = format!(
                    "2026-06-{:02}T{:02}:{:02}:00Z",
                    2 + minute / 1440 % 28,
                    minute / 60 % 24,
                    minute % 60
                );
                let base =
                    [("timestamp", json!(time)), ("api_key_prefix", json!(format!("...{:04}", number % 20)))];
                let with =
                    |(field, write): Field| record(&[base.to_vec(), vec![(field, write(&encoded))]].concat());
                let whole = with(FIELDS[turn % FIELDS.len()]);
                input += &whole;
                input += &with(FAULTS[turn % FAULTS.len()]);
                input += &with(("api_key_prefix", |text| json!(text)));
                for line in [
                    AROUND[turn % AROUND.len()](&encoded),
                    AROUND[turn % 12](whole.trim_end()),
                    in_other_formats(number, &encoded),
                ] {
                    input += &format!("{}\n", line.replace('\n', " "));
                }
            }
        }
    }
    input
}

/// Looks for the pieces in what a program has written.
struct Search {
    pieces: Vec<String>,
    finder: AhoCorasick,
}

impl Search {
    fn new(planted: &[Planted]) -> Self {
        let pieces = pieces(planted);
        Self { finder: AhoCorasick::new(&pieces).unwrap(), pieces }
    }

    fn check(&self, place: &str, bytes: &[u8]) {
        let Some(found) = self.finder.find(bytes) else { return };
        let near = &bytes[found.start().saturating_sub(200)..(found.end() + 100).min(bytes.len())];
        let piece = &self.pieces[found.pattern().as_usize()];
        panic!("`{piece}` in {place}: {}", String::from_utf8_lossy(near));
    }

    fn check_output(&self, place: &str, output: &Output) {
        self.check(&format!("stdout, {place}"), &output.stdout);
        self.check(&format!("stderr, {place}"), &output.stderr);
    }
}

fn run(dir: &Path, args: &[&str]) -> Output {
    keyhound().current_dir(dir).env("RUST_LOG", "trace").args(args).output().unwrap()
}

#[test]
fn a_key_shows_in_no_output() {
    let dir = tempfile::tempdir().unwrap();
    let planted = planted();
    let search = Search::new(&planted);
    let history: String =
        (0..20).map(|number| record(&[("api_key_prefix", json!(format!("...{number:04}")))])).collect();
    std::fs::write(dir.path().join("history"), history).unwrap();
    // In the text for people, the same words stand.
    for (encoding, log, planted) in [("json", "json", &planted[..]), ("text", "text", &planted[..30])] {
        let input = input(planted);
        search.finder.find(input.as_bytes()).expect("what is planted is what is looked for");
        std::fs::write(dir.path().join("input"), input).unwrap();
        let args = ["run", "--history", "history", "--encoding", encoding, "--log-format", log];
        let output = run(dir.path(), &[&args[..], &["--rejects", "rejects", "--", "input"]].concat());
        assert_eq!(output.status.code(), Some(0));
        let rejects = std::fs::read(dir.path().join("rejects")).unwrap();
        for (place, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr), ("rejects", &rejects)]
        {
            let replaced = memchr::memmem::find_iter(bytes, b"[key:").count();
            assert!(replaced >= 5, "{replaced} in {place} ({encoding})");
        }
        search.check_output(encoding, &output);
        search.check("rejects", &rejects);
    }
}

/// Every file below a folder, with its name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    all
}

#[test]
fn a_key_is_neither_kept_nor_posted() {
    let dir = tempfile::tempdir().unwrap();
    let planted = planted();
    let search = Search::new(&planted);
    let config = "[incidents]\nenabled = true\n[detectors.billing_threshold]\namounts_usd = [0.0]\n\
                  [post]\nretry_max_ms = 20\ntimeout_ms = 5000\n";
    std::fs::write(dir.path().join("k.toml"), config).unwrap();
    std::fs::write(dir.path().join("input"), input(&planted)).unwrap();
    let run_to = |url: &str| {
        run(dir.path(), &["run", "-c", "k.toml", "--state", "state", "--post", url, "--", "input"])
    };
    // Nobody takes the alerts: they stay in the folder, beside the checkpoints.
    let away = run_to(&format!("http://{}/", free_address()));
    search.check_output("nobody takes it", &away);
    let kept = files(&dir.path().join("state"));
    for (name, bytes) in &kept {
        search.check(name, name.as_bytes());
        search.check(name, bytes);
    }
    let outbox = kept.iter().filter(|(name, _)| name.contains("outbox")).map(|(_, bytes)| bytes.len());
    assert!(outbox.sum::<usize>() > 10_000, "{}", String::from_utf8_lossy(&away.stderr));
    assert!(kept.iter().any(|(name, bytes)| !name.contains("outbox") && bytes.len() > 10_000));
    let receiver = Receiver::start(|_| Reply::Status(200));
    search.check_output("all is taken", &run_to(&receiver.url()));
    let posted = taken(&receiver.seen());
    assert!(posted.len() > 10, "{} alerts", posted.len());
    search.check("what is posted", posted.join("\n").as_bytes());
}

#[test]
fn a_key_shows_to_nobody_who_asks_what_a_file_holds() {
    let dir = tempfile::tempdir().unwrap();
    let planted = planted();
    let search = Search::new(&planted);
    std::fs::write(dir.path().join("input"), input(&planted[..40])).unwrap();
    for args in [
        &["formats", "--detect", "input"][..],
        &["formats", "--detect", "input", "--lines"],
        &["tap", "input"],
        &["tap", "input", "--encoding", "text"],
    ] {
        let output = run(dir.path(), args);
        assert!(output.stdout.len() > 1000, "{}", String::from_utf8_lossy(&output.stderr));
        search.check_output(&format!("{args:?}"), &output);
    }
}

#[test]
fn a_key_shows_on_no_page() {
    let planted = planted();
    let search = Search::new(&planted);
    let input = input(&planted[..20]);
    let mut served = Served::start();
    let page = served.feed(&input, &format!("keyhound_source_lines_total {}", input.lines().count()));
    search.check("/metrics", page.as_bytes());
    for path in ["/", "/healthz", "/readyz"] {
        search.check(path, served.get(path).1.as_bytes());
    }
    served.stop();
}

#[test]
fn a_key_in_a_name_or_a_setting_is_not_told() {
    let dir = tempfile::tempdir().unwrap();
    let planted = planted();
    let search = Search::new(&planted);
    for (turn, Planted { text, .. }) in planted.iter().step_by(2).enumerate() {
        let text = text.replace('\n', " ");
        // Nothing with a slash in it, or longer than this, is the name of a file.
        let name = format!("{text}.log");
        let name = if name.contains('/') || name.len() > 250 { "other.log" } else { &name };
        std::fs::write(dir.path().join(name), "nonsense\n").unwrap();
        std::fs::write(dir.path().join("k.toml"), format!("timezone = {text:?}\n")).unwrap();
        std::fs::write(dir.path().join("l.toml"), format!("{text:?} = 1\n")).unwrap();
        std::fs::write(dir.path().join("m.toml"), format!("[baseline]\ndays = {text}\n")).unwrap();
        let ways = [
            &["run", "--rejects", "rejects", "--", name][..],
            &["run", "--rejects", "rejects", "--log-format", "json", "--", name],
            &["run", &format!("{text}.missing")],
            &["run", "--format", &*text, "-"],
            &["run", "--threads", &*text, "-"],
            &["run", "--metrics", &*text, "-"],
            &[&*text],
            &["check", "--config", "k.toml"],
            &["check", "--config", "l.toml"],
            &["check", "--config", "m.toml"],
        ];
        let args = ways[turn % ways.len()];
        let output = run(dir.path(), args);
        search.check_output(&format!("{args:?}"), &output);
        search.check("rejects", &std::fs::read(dir.path().join("rejects")).unwrap_or_default());
        std::fs::remove_file(dir.path().join(name)).unwrap();
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

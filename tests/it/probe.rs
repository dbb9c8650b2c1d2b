//! `keyhound probe`: what the providers' published answers are read as, what is expected of them, and hostile ones.

use crate::provider::{Asked, Provider, Said};
use crate::pull::{folder, secret};
use crate::support::{Ran, run_in};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Each API: its type, a model, where it is asked, what its key stands in.
pub const APIS: [(&str, &str, &str, &str); 3] = [
    ("openai", "gpt-4o-mini", "/v1/chat/completions", "authorization: Bearer sk-"),
    ("anthropic", "claude-haiku-4-5", "/v1/messages", "x-api-key: sk-"),
    (
        "gemini",
        "gemini-2.5-flash",
        "/v1beta/models/gemini-2.5-flash:streamGenerateContent",
        "x-goog-api-key: sk-",
    ),
];

/// A published answer.
pub fn published(name: &str) -> String {
    fs::read_to_string(format!("tests/probes/{name}")).unwrap()
}

/// A configuration with one probe.
pub fn configure(dir: &Path, kind: &str, url: &str, more: &str) {
    let model = APIS.iter().find(|api| api.0 == kind).unwrap().1;
    let text = format!(
        "[probes.p]\ntype = \"{kind}\"\nmodel = \"{model}\"\nurl = \"{url}\"\nkey_file = \"key\"\n{more}\n"
    );
    fs::write(dir.join("k.toml"), text).unwrap();
}

/// Asks once, and gives the last line as well; the key is in none.
fn probed(dir: &Path, more: &[&str]) -> (Ran, Value) {
    let args = ["probe", "-c", "k.toml", "--format", "json"];
    let ran = run_in(dir, &[&args[..], more].concat(), b"");
    assert!(!ran.stdout.contains("Qx7") && !ran.stderr.contains("Qx7"), "{ran:?}");
    let last = ran.stdout.lines().last().map_or(Value::Null, |line| serde_json::from_str(line).unwrap());
    (ran, last)
}

/// What comes of one answer.
fn of(
    kind: &str,
    more: &str,
    answer: impl FnMut(&Asked) -> Said + Send + 'static,
) -> (Ran, Value, Vec<Asked>) {
    let dir = folder();
    let provider = Provider::start(answer);
    configure(dir.path(), kind, &provider.url, more);
    let (ran, last) = probed(dir.path(), &[]);
    (ran, last, provider.asked())
}

#[test]
fn published_answers_are_read_however_they_come() {
    for (kind, model, path, key) in APIS {
        let expect = "[probes.p.expect]\nequals = \"pong\"\ninput_tokens_max = 20\ninput_tokens_min = 20\noutput_tokens_max = 2\n";
        let expect = format!("{expect}model = \"{model}\"\nmodel_matches = \"^[a-z]+-\"");
        let mut seen = Vec::new();
        for size in [1, 7, 100, 100_000] {
            let answer = published(&format!("{kind}.sse"));
            let head = "x-request-id: req_EXAMPLE1\r\n";
            seen.push(of(kind, &expect, move |_| Said::Events(head, answer.clone(), size)));
        }
        let whole = published(&format!("{kind}.json"));
        let plain = format!("stream = false\n{expect}");
        seen.push(of(kind, &plain, move |_| {
            Said::Status(200, "x-request-id: req_EXAMPLE1\r\n", whole.clone())
        }));
        for (ran, told, asked) in &seen {
            assert_eq!((ran.code, &told["outcome"]), (Some(0), &json!("ok")), "{kind}: {ran:?}");
            let answered = &seen[0].1["model"];
            for (name, value) in [
                ("answer", &json!("pong")),
                ("status", &json!(200)),
                ("input_tokens", &json!(20)),
                ("output_tokens", &json!(2)),
                ("model", answered),
                ("model_asked", &json!(model)),
                ("cost_usd", &seen[0].1["cost_usd"]),
                ("request_ids", &seen[0].1["request_ids"]),
            ] {
                assert_eq!(&told[name], value, "{kind}: {told}");
            }
            assert!(told["cost_usd"].as_f64().unwrap() > 0.0 && told["first_token_ms"].is_u64(), "{told}");
            assert_eq!(told["request_ids"][0], "req_EXAMPLE1");
            assert!(told["request_ids"][1].as_str().unwrap().ends_with("EXAMPLE1"), "{told}");
            let [asked] = &asked[..] else { panic!("{asked:?}") };
            assert!(asked.head.contains(key) && !asked.target.contains("Qx7"), "{}", asked.head);
            let marker = told["marker"].as_str().unwrap();
            assert_eq!(asked.header("x-request-id"), Some(marker));
            let client = format!("keyhound-probe/{} ({marker})", env!("CARGO_PKG_VERSION"));
            assert_eq!(asked.header("user-agent"), Some(client.as_str()));
            let announced: Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
            assert_eq!((&announced["event"], &announced["marker"]), (&json!("asked"), &told["marker"]));
        }
        let (streamed, plain) = (&seen[0].2[0], &seen[4].2[0]);
        assert_eq!(streamed.path(), path);
        assert!(streamed.body.contains("pong") && streamed.body != plain.body || kind == "gemini");
        assert_ne!(seen[0].1["marker"], seen[1].1["marker"]);
    }
}

#[test]
fn what_is_not_as_expected_is_told_and_ends_with_1() {
    for (expect, told) in [
        ("equals = \"ping\"", "equals: `pong`; `ping` is expected"),
        ("matches = \"^p[ui]ng$\"", "matches: `pong`, which `^p[ui]ng$` does not fit"),
        #[cfg(feature = "schema")]
        ("json_schema = { type = \"object\" }", "json_schema: `pong` is no JSON"),
        ("model = \"gpt-4o\"", "model: `gpt-4o-mini-2024-07-18` answered; `gpt-4o` is expected"),
        (
            "model_matches = \"2025\"",
            "model_matches: `gpt-4o-mini-2024-07-18` answered, which `2025` does not fit",
        ),
        ("input_tokens_max = 19", "input_tokens: 20; 0 to 19 is expected"),
        ("output_tokens_min = 3", "output_tokens: 2; 3 or more is expected"),
        ("latency_ms_max = 1", "latency_ms_max: "),
        ("first_token_ms_max = 1", "ms to the first text; 1 is the limit"),
    ] {
        let answer = published("openai.sse");
        let (ran, last, _) = of("openai", &format!("[probes.p.expect]\n{expect}"), move |_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            Said::Events("", answer.clone(), 100)
        });
        assert_eq!((ran.code, &last["outcome"]), (Some(1), &json!("mismatch")), "{expect}: {ran:?}");
        assert!(last["failure"].as_str().unwrap().contains(told), "{expect}: {last}");
        assert_eq!(last["failed"].as_array().unwrap().len(), 1, "{last}");
    }
}

/// A whole answer of the first API with this text.
fn saying(text: &str, ended: &str, usage: &Value) -> Said {
    let choice = json!({"index":0,"message":{"role":"assistant","content":text},"finish_reason":ended});
    let answer = json!({"id":"chatcmpl-EXAMPLE1","model":"gpt-4o-mini","choices":[choice],"usage":usage});
    Said::Ok(answer.to_string())
}

#[cfg(feature = "schema")]
#[test]
fn answers_are_held_to_a_json_schema() {
    let schema = "[probes.p.expect]\njson_schema_file = \"schema.json\"";
    let dir = folder();
    let text = json!({"type":"object","required":["ok","words"],"additionalProperties":false,"properties":{
        "ok":{"const":true},"words":{"type":"array","maxItems":2,"items":{"type":"string","pattern":"^p"}}}});
    fs::write(dir.path().join("schema.json"), text.to_string()).unwrap();
    for (answer, told) in [
        (r#" {"ok":true,"words":["ping","pong"]}"#, ""),
        (r#"{"ok":true,"words":["pong"],"more":1}"#, "at ``: Additional properties"),
        (r#"{"ok":false,"words":["pong","x"]}"#, "at `/words/1`: "),
        (r#"{"words":[]}"#, "\"ok\" is a required property"),
        ("```json\n{}\n```", "is no JSON"),
    ] {
        let provider = Provider::start(move |_| saying(answer, "stop", &Value::Null));
        configure(dir.path(), "openai", &provider.url, schema);
        let (ran, last) = probed(dir.path(), &[]);
        let failure = last["failure"].as_str().unwrap_or_default();
        assert_eq!(ran.code, Some(i32::from(!told.is_empty())), "{answer}: {last}");
        assert!(failure.contains(told) && failure.is_empty() == told.is_empty(), "{answer}: {failure}");
    }
}

/// A hostile answer, and what is told of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hostile {
    how: String,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    head: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    times: Option<usize>,
    #[serde(default)]
    settings: String,
    outcome: String,
    told: String,
}

impl Hostile {
    fn said(&self) -> Said {
        let body = self.body.replace("KEY", &secret()).repeat(self.times.unwrap_or(1));
        let head: &'static str = if self.head.is_empty() { "" } else { format!("{}\r\n", self.head).leak() };
        let published = published("openai.sse");
        let before = if self.until.is_empty() { "" } else { published.split_once(&self.until).unwrap().0 };
        match self.how.as_str() {
            "whole" => Said::Status(self.status.unwrap_or(200), head, body),
            "events" => Said::Events(head, format!("{before}{body}"), 50),
            "drip" => Said::DripAfter(format!("{before}{body}")),
            "cut" => Said::Cut(body),
            how => panic!("{how}"),
        }
    }
}

#[test]
fn hostile_answers_are_told_for_what_they_are() {
    #[derive(Deserialize)]
    struct Cases {
        case: Vec<Hostile>,
    }
    let Cases { case: cases } = toml::from_str(&published("hostile.toml")).unwrap();
    assert!(cases.len() > 20);
    for case in cases {
        let Hostile { outcome, told, settings, .. } = &case;
        let (outcome, told, settings) = (outcome.clone(), told.clone(), settings.clone());
        let (ran, last, asked) = of("openai", &settings, move |_| case.said());
        let code = if outcome == "mismatch" { 1 } else { 69 };
        assert_eq!((ran.code, &last["outcome"]), (Some(code), &json!(outcome)), "{told}: {last}");
        assert!(last["failure"].as_str().unwrap().contains(&told), "{told}: {last}");
        assert_eq!(asked.len(), 1, "a canary is sent once: {told}");
    }
    let dir = folder();
    configure(dir.path(), "openai", "http://127.0.0.1:1", "");
    let (ran, last) = probed(dir.path(), &[]);
    assert_eq!((ran.code, &last["outcome"]), (Some(69), &json!("unreachable")), "{last}");
    fs::write(dir.path().join("key"), "\n").unwrap();
    assert!(probed(dir.path(), &[]).0.stderr.contains("`probes.p.key_file`: `key`: is empty"));
}

#[test]
fn an_answer_that_repeats_secrets_and_commands_a_terminal_is_shown_harmlessly() {
    let dir = folder();
    let other = format!("sk-ant-api03-{}", "Zz9".repeat(30));
    let said = format!("\u{1b}[31m\u{202e} {} and {other} {}", secret(), "long ".repeat(1000));
    let provider = Provider::start(move |_| saying(&said, "stop", &Value::Null));
    configure(dir.path(), "openai", &provider.url, "[probes.p.expect]\nequals = \"pong\"");
    let (ran, last) = probed(dir.path(), &[]);
    let text = run_in(dir.path(), &["probe", "-c", "k.toml"], b"");
    assert_eq!((ran.code, text.code), (Some(1), Some(1)));
    for shown in [&ran.stdout, &text.stdout] {
        assert!(!shown.contains("Zz9Zz9") && !shown.contains("Qx7"), "{shown}");
        assert_eq!(crate::support::line_that_acts(shown), None);
    }
    assert!(last["answer"].as_str().unwrap().chars().count() <= 120, "{last}");
    assert!(text.stdout.starts_with("probe  outcome   status  latency"), "{}", text.stdout);
    assert!(text.stdout.contains("\np: equals: "), "{}", text.stdout);
}

#[test]
fn a_cap_is_kept_over_runs_and_told() {
    let dir = folder();
    let usage = json!({"prompt_tokens": 20, "completion_tokens": 64});
    let provider = Provider::start(move |_| saying("pong", "stop", &usage));
    // What is left for one answer and not for another: 64 tokens of output cost $0.0000384.
    configure(dir.path(), "openai", &provider.url, "cost_cap_usd_per_day = 0.0001");
    for (number, asked) in [(0, 1), (1, 0), (2, 0)] {
        let (ran, last) = probed(dir.path(), &["--state", "state"]);
        assert_eq!((ran.code, provider.asked().len()), (Some(0), asked), "{number}: {ran:?}");
        assert_eq!(last.is_null(), asked == 0, "{last}");
        assert_eq!(ran.stderr.contains("`cost_cap_usd_per_day`"), asked == 0, "{}", ran.stderr);
    }
    // Without a memory each time is the first.
    assert_eq!((probed(dir.path(), &[]).0.code, provider.asked().len()), (Some(0), 1));
}

#[test]
fn slower_than_its_own_past_is_told_once_there_is_one() {
    let dir = folder();
    let mut number = 0;
    let provider = Provider::start(move |_| {
        number += 1;
        if number == 21 {
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
        saying("pong", "stop", &Value::Null)
    });
    configure(dir.path(), "openai", &provider.url, "[probes.p.expect]\nslower_than_p95_times = 1.0");
    // A past of twenty; of those too slow on a busy machine, none is told before.
    for number in 1..=20 {
        let (ran, last) = probed(dir.path(), &["--state", "state"]);
        assert_eq!((ran.code, &last["outcome"]), (Some(0), &json!("ok")), "{number}: {last}");
    }
    let path = dir.path().join("state/probes");
    let mut book: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(book["probes"]["p"]["latencies_ms"].as_array().unwrap().len(), 20);
    book["probes"]["p"]["latencies_ms"] = json!(vec![10; 20]);
    fs::write(&path, book.to_string()).unwrap();
    let (ran, last) = probed(dir.path(), &["--state", "state"]);
    assert_eq!(ran.code, Some(1), "{last}");
    let told = "95 of 100 answers took 10 ms or less before (of 20), and 1 times that is the limit";
    assert!(last["failure"].as_str().unwrap().contains(told), "{last}");
}

#[test]
fn one_is_described_on_the_command_line_and_names_are_checked() {
    let dir = folder();
    let answer = published("anthropic.sse");
    let provider = Provider::start(move |_| Said::Events("", answer.clone(), 100));
    let args =
        ["probe", "anthropic", "--model", "claude-haiku-4-5", "--key-file", "key", "--matches", "^pong$"];
    let ran = run_in(dir.path(), &[&args[..], &["--url", &provider.url]].concat(), b"");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.lines().nth(1).unwrap().starts_with("anthropic  ok       200"), "{}", ran.stdout);
    configure(dir.path(), "anthropic", &provider.url, "");
    for (args, code, told) in [
        (&["probe"][..], 2, "there is nobody to ask"),
        (&["probe", "openai"], 2, "--model is missing: which model of `openai` is asked?"),
        (&["probe", "q", "-c", "k.toml"], 2, "no probe is called `q`; the configuration has p"),
        (&["probe", "p", "-c", "k.toml", "--model", "x"], 2, "is a probe of the configuration"),
        (&["probe", "opena", "--model", "x"], 78, "did you mean `openai`?"),
        (&["probe", "openai", "--model", "x"], 78, "the provider answers nobody without a key"),
        (&["probe", "openai", "--url", "http://x"], 2, "--model"),
    ] {
        let ran = run_in(dir.path(), args, b"");
        assert_eq!(ran.code, Some(code), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{args:?}: {}", ran.stderr);
    }
    let (ran, _) = probed(dir.path(), &["p"]);
    assert_eq!(ran.code, Some(0));
}

/// Every configuration in the manual is one that is taken, but for keys that are not there, and every setting is described.
#[test]
fn what_the_manual_shows_is_sound() {
    let text = fs::read_to_string("docs/probe.md").unwrap();
    let blocks: Vec<&str> =
        text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    for block in &blocks {
        let config = keyhound::config::Config::parse("docs/probe.md", block)
            .map_err(|error| error.to_string())
            .unwrap();
        assert!(!config.probes.is_empty());
    }
    assert!(!blocks.is_empty());
    let schema = keyhound::config::Config::schema();
    let probe = schema["probes"]["*"].as_table().unwrap();
    for name in probe.keys().chain(probe["expect"].as_table().unwrap().keys()) {
        let is_told = text.contains(&format!("`{name}`"))
            || name.strip_suffix("_max").is_some_and(|start| text.contains(&format!("`{start}_min`")));
        assert!(is_told, "{name} is not in the manual");
    }
    // The lines of the example are read.
    let lines: String = text.split("```json\n").nth(1).unwrap().split("```").next().unwrap().to_owned();
    let ran = run_in(Path::new("."), &["run", "--encoding", "json"], lines.as_bytes());
    assert!(
        ran.accounting().contains("0 rejected") && !ran.accounting().starts_with("read 0"),
        "{}",
        ran.stderr
    );
}

//! `keyhound pull`: pages, storms, faults, and that the key is told to nobody but the provider.

use crate::provider::{Asked, Provider, Said};
use crate::support::{Ran, run_in};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Made here, so that nobody takes it for a real one.
pub fn secret() -> String {
    format!("sk-admin-{}", "Qx7".repeat(16))
}

pub fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("key"), secret() + "\n").unwrap();
    dir
}

fn pull(dir: &Path, provider: &str, url: &str, more: &[&str]) -> Ran {
    let args = ["pull", provider, "--since", "2026-06-01", "--until", "2026-06-03", "--key-file", "key"];
    run_in(dir, &[&args[..], &["--url", url], more].concat(), b"")
}

/// A bucket of the API of OpenAI.
pub fn bucket(start: i64, key: &str, model: &str, requests: u64) -> Value {
    let result = json!({"object":"organization.usage.completions.result","input_tokens":1000 * requests,
        "output_tokens":100 * requests,"input_cached_tokens":0,"num_model_requests":requests,
        "project_id":"proj_a","api_key_id":key,"model":model,"batch":false});
    json!({"object":"bucket","start_time":start,"end_time":start + 60,"results":[result]})
}

/// A page of it.
pub fn page(data: &[Value], next: Option<&str>) -> Said {
    Said::Ok(json!({"object":"page","data":data,"has_more":next.is_some(),"next_page":next}).to_string())
}

const JUNE: i64 = 1_780_272_000;
const ONE: &[&str] = &["--endpoint", "completions"];

#[test]
fn pages_are_followed_and_the_rows_are_what_the_provider_says() {
    let dir = folder();
    let provider = Provider::start(|asked| {
        let from = asked.number("start_time");
        let empty = json!({"object":"bucket","start_time":from,"end_time":from + 60,"results":[]});
        match asked.parameter("page") {
            None => page(&[bucket(from, "key_a", "gpt-4o", 1), empty], Some("a=1&b")),
            Some("a%3D1%26b") => page(&[bucket(from + 60, "key_b", "gpt-4o", 2)], None),
            Some(other) => panic!("{other}"),
        }
    });
    let ran = pull(dir.path(), "openai_usage", &provider.url, ONE);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let rows: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected: Vec<Value> = [JUNE, JUNE + 86_400]
        .iter()
        .flat_map(|day| [bucket(*day, "key_a", "gpt-4o", 1), bucket(day + 60, "key_b", "gpt-4o", 2)])
        .collect();
    assert_eq!(rows, expected);
    assert!(ran.stderr.contains("completions: 4 rows, 0 repeated"), "{}", ran.stderr);
    let asked = provider.asked();
    assert_eq!(asked.len(), 4);
    for one in &asked {
        assert_eq!(one.path(), "/v1/organization/usage/completions");
        assert!(one.target.contains("group_by=api_key_id") && one.target.contains("bucket_width=1m"));
        assert!(one.head.contains(&format!("authorization: Bearer {}", secret())), "{}", one.head);
        assert!(!one.target.contains("Qx7"));
    }
    // And keyhound reads it.
    let read = run_in(dir.path(), &["run", "--encoding", "json"], ran.stdout.as_bytes());
    assert!(read.accounting().starts_with("read 4 = 4 processed"), "{}", read.stderr);
}

/// What the formats are tested with, as the providers would answer it: what is pulled is read without a reject.
#[test]
fn what_each_provider_answers_is_read() {
    for (name, more) in [
        ("openai_usage", ONE),
        ("openai_costs", &[]),
        ("openai_audit", &[]),
        ("anthropic_usage", &[]),
        ("anthropic_cost", &[]),
        ("anthropic_activity", &[]),
        ("openrouter_activity", &["--since", "2d", "--until", "1d"]),
        ("litellm_spend", &[]),
        ("litellm_activity", &[]),
    ] {
        let dir = folder();
        let text = fs::read_to_string(format!("tests/formats/{name}/in")).unwrap();
        let mut first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        if name == "litellm_spend" {
            first = json!({"data":[first],"total":1,"page":1,"page_size":1000,"total_pages":1});
        }
        if first.get("has_more").is_some() {
            (first["has_more"], first["next_page"]) = (json!(false), Value::Null);
        }
        let provider = Provider::start(move |_| Said::Ok(first.to_string()));
        let mut args = vec!["pull", name, "--since", "2026-06-01", "--until", "2026-06-02"];
        if let [_, since, _, until] = more {
            (args[3], args[5]) = (since, until);
        } else {
            args.extend(more);
        }
        args.extend(["--key-file", "key", "--url", &provider.url]);
        let ran = run_in(dir.path(), &args, b"");
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.stderr);
        assert!(!ran.stdout.is_empty(), "{name}");
        let header =
            if name.starts_with("anthropic") { "x-api-key: sk-" } else { "authorization: Bearer sk-" };
        assert!(provider.asked().iter().all(|asked| asked.head.contains(header)), "{name}");
        fs::write(dir.path().join("usage.jsonl"), &ran.stdout).unwrap();
        let read = run_in(dir.path(), &["run", "--encoding", "json", "usage.jsonl"], b"");
        assert!(read.stderr.contains("0 rejected"), "{name}: {}", read.stderr);
        assert!(!read.stderr.contains("read 0 ="), "{name}: {}", read.stderr);
    }
}

/// A configuration with one source that loses patience soon.
fn impatient(dir: &Path, url: &str, more: &str) {
    let text = format!(
        "[sources.s]\ntype = \"openai_usage\"\nkey_file = \"key\"\nurl = \"{url}\"\nretry_max_ms = 2\nattempts_max = 4\n{more}\n"
    );
    fs::write(dir.join("k.toml"), text).unwrap();
}

fn pull_impatiently(answer: impl FnMut(&Asked) -> Said + Send + 'static, more: &str) -> (Ran, usize) {
    let dir = folder();
    let provider = Provider::start(answer);
    impatient(dir.path(), &provider.url, more);
    let args = ["pull", "s", "-c", "k.toml", "--since", "2026-06-01", "--until", "2026-06-02"];
    let ran = run_in(dir.path(), &[&args[..], ONE].concat(), b"");
    for text in [&ran.stdout, &ran.stderr] {
        assert!(!text.contains("Qx7"), "{text}");
    }
    (ran, provider.asked().len())
}

#[test]
fn storms_and_failures_that_pass_are_waited_for() {
    let mut number = 0;
    let (ran, asked) = pull_impatiently(
        move |asked| {
            number += 1;
            match number {
                1 => Said::Status(429, "retry-after: 0\r\n", String::new()),
                2 => Said::Status(503, "", "<html>".to_owned()),
                3 => Said::Cut(r#"{"object":"page","data":["#.to_owned()),
                _ => page(&[bucket(asked.number("start_time"), "key_a", "gpt-4o", 1)], None),
            }
        },
        "",
    );
    assert_eq!((ran.code, asked), (Some(0), 4), "{}", ran.stderr);
    assert_eq!(ran.stdout.lines().count(), 1);
}

#[test]
fn what_does_not_pass_is_told_with_endpoint_window_and_page() {
    let half = r#"{"object":"page","data":[{"object":"bucket","start_time":1"#;
    let huge = json!({"object":"page","data":["x".repeat(5000)],"has_more":false}).to_string();
    let echo = json!({"error":{"message":format!("Incorrect API key provided: {}", secret())}}).to_string();
    let said = |said: fn(&str) -> Said, text: &str| {
        let text = text.to_owned();
        Box::new(move |_: &Asked| said(&text)) as Box<dyn FnMut(&Asked) -> Said + Send>
    };
    let ok = |text: &str| Said::Ok(text.to_owned());
    for (answer, more, attempts, told) in [
        (
            said(|_| Said::Status(429, "", String::new()), ""),
            "",
            4,
            "page 1: answered 429 (others may use up",
        ),
        (
            said(|_| Said::Status(429, "retry-after: 99999\r\n", String::new()), ""),
            "attempts_ms = 1000",
            1,
            "answered 429",
        ),
        (
            said(|_| Said::Status(500, "", "{\"error\":\"boom\"}".to_owned()), ""),
            "",
            4,
            "answered 500: boom (4 attempts)",
        ),
        (
            said(|text| Said::Status(401, "", text.to_owned()), &echo),
            "",
            1,
            "answered 401: Incorrect API key provided: [the key] (is the key",
        ),
        (
            said(|_| Said::Status(302, "location: http://127.0.0.1:1/\r\n", String::new()), ""),
            "",
            1,
            "answered 302, a redirect, which is not followed",
        ),
        (said(ok, half), "", 4, "the answer is no whole JSON"),
        (said(|text| Said::Cut(text.to_owned()), half), "", 4, "(4 attempts)"),
        (
            said(ok, r#"{"object":"page","items":[],"has_more":false}"#),
            "",
            1,
            "no `data` in it; it has `object`, `items`, `has_more`",
        ),
        (said(ok, r#"{"object":"page","data":[]}"#), "", 1, "no `has_more` that is true or false"),
        (said(ok, &huge), "answer_bytes_max = 4096", 1, "more than 4096 bytes (`answer_bytes_max`)"),
        (said(|_| Said::Drip, ""), "timeout_ms = 200", 4, "was not there within 200 ms"),
        (said(ok, r#"{"data":[],"has_more":true,"next_page":"p"}"#), "", 2, "would never end"),
    ] {
        let (ran, asked) = pull_impatiently(answer, more);
        assert_eq!(ran.code, Some(69), "{told}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{told}: {}", ran.stderr);
        let place = "s: completions, 2026-06-01T00:00:00Z to 2026-06-02T00:00:00Z, page ";
        assert!(ran.stderr.contains(place), "{}", ran.stderr);
        assert_eq!(asked, attempts, "{told}");
    }
}

#[test]
fn one_endpoint_that_fails_does_not_hold_the_others() {
    let dir = folder();
    let provider = Provider::start(|asked| {
        if asked.path().ends_with("/embeddings") {
            return Said::Status(403, "", "{\"error\":{\"message\":\"no\"}}".to_owned());
        }
        page(&[bucket(asked.number("start_time"), "key_a", "gpt-4o", 1)], None)
    });
    let more = ["--endpoint", "completions,embeddings"];
    let ran = pull(dir.path(), "openai_usage", &provider.url, &more);
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(69), 2), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("embeddings, 2026-06-01T00:00:00Z") && ran.stderr.contains("answered 403: no")
    );
    assert!(ran.stderr.contains("embeddings: 0 rows, 0 repeated, not all that there is"), "{}", ran.stderr);
}

#[test]
fn a_redirect_brings_the_key_to_nobody() {
    let dir = folder();
    let other = Provider::start(|_| page(&[], None));
    let location: &'static str = format!("location: {}/x\r\n", other.url).leak();
    let provider = Provider::start(move |_| Said::Status(307, location, String::new()));
    let ran = pull(dir.path(), "openai_costs", &provider.url, &[]);
    assert_eq!(ran.code, Some(69));
    assert!(other.asked().is_empty());
    // Nor does a link to the next page.
    let described = "name = \"x\"\nsummary = \"x\"\nrows = \"rows\"\npaging = { by = \"link\", next = \"next\" }\n[time]\nfrom = \"since\"\n[[endpoint]]\nname = \"rows\"\npath = \"/rows\"\n";
    fs::write(dir.path().join("x.toml"), described).unwrap();
    let body = json!({"rows":[{"a":1}],"next":format!("{}/rows", other.url)}).to_string();
    let provider = Provider::start(move |_| Said::Ok(body.clone()));
    let ran = pull(dir.path(), "x.toml", &provider.url, &[]);
    assert!(ran.stderr.contains("page 2: the next page is on another host"), "{}", ran.stderr);
    assert!(other.asked().is_empty());
}

#[test]
fn keys_come_from_files_and_programs_and_from_nowhere_else() {
    let dir = folder();
    let provider = Provider::start(|_| page(&[], None));
    let asks = |more: &[&str]| {
        let args = ["pull", "openai_costs", "--since", "2026-06-01", "--url", &provider.url];
        run_in(dir.path(), &[&args[..], more].concat(), b"")
    };
    let ran = asks(&["--key-command", "cat key"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let asked = provider.asked();
    assert!(!asked.is_empty() && asked.iter().all(|asked| asked.head.contains(&secret())));
    for (more, code, told) in [
        (vec![], 78, "`pull.key_file`: is missing, and so is `key_command`"),
        (vec!["--key-command", "false"], 69, "the key cannot be read: false: ended with"),
        (vec!["--key-command", "true"], 69, "the key cannot be read: true: what it wrote is empty"),
        (vec!["--key-file", "none"], 78, "No such file"),
        (vec!["--key-file", "credential:x"], 78, "there are no credentials here"),
        (vec!["--key-file", "key", "--url", "http://192.0.2.1/"], 2, "cannot be used multiple times"),
    ] {
        let ran = asks(&more);
        assert_eq!(ran.code, Some(code), "{}", ran.stderr);
        assert!(ran.stderr.contains(told), "{told}: {}", ran.stderr);
    }
    assert!(provider.asked().is_empty());
    let unknown = run_in(dir.path(), &["pull", "openai_usag", "--since", "1d"], b"");
    assert!(unknown.code == Some(2) && unknown.stderr.contains("no provider is called `openai_usag`"));
}

#[test]
fn a_budget_is_kept() {
    let mut number = 0;
    let (ran, asked) = pull_impatiently(
        move |_| {
            number += 1;
            page(&[], Some(&number.to_string()))
        },
        "requests_per_hour_max = 3",
    );
    assert_eq!((ran.code, asked), (Some(69), 3), "{}", ran.stderr);
    assert!(ran.stderr.contains("3 requests within an hour are enough"), "{}", ran.stderr);
}

/// Every configuration and description in the manual is one that is taken.
#[test]
fn what_the_manual_shows_is_sound() {
    let text = fs::read_to_string("docs/pull.md").unwrap();
    let blocks: Vec<&str> =
        text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 3);
    for block in blocks {
        if block.starts_with("name = ") {
            keyhound::pull::Description::parse(block).map_err(|error| error.to_string()).unwrap();
        } else {
            keyhound::config::Config::parse("docs/pull.md", block)
                .map_err(|error| error.to_string())
                .unwrap();
        }
    }
    let lists = fs::read_to_string("docs/inventory.md").unwrap();
    for description in keyhound::pull::builtin().map_err(|error| error.to_string()).unwrap() {
        if description.tells == keyhound::pull::Tells::Keys {
            assert!(lists.contains(&format!("| `{}` |", description.name)), "{}", description.name);
            continue;
        }
        assert!(text.contains(&format!("| `{}` |", description.name)), "{}", description.name);
        assert!(
            description
                .endpoint
                .iter()
                .all(|one| text.contains(&one.path) || text.contains(&format!("`{}`", one.name)))
        );
    }
}

//! A look inside a run: `/api/v1`, asked as programs ask, and held against its own description.

use crate::serving::Serving;
use crate::support::record;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

/// A program that reads what it is fed and lets itself be looked into.
pub struct Looked(Serving);

impl Looked {
    pub fn start_in(dir: &Path, args: &[&str]) -> Self {
        let args = [&["--api", "127.0.0.1:0"], args].concat();
        Self(Serving::start(dir, &args, "a look inside at http://"))
    }

    pub fn feed(&mut self, lines: &str) {
        self.0.write(lines);
    }

    /// Waits until an answer is as it should be.
    pub fn until(&self, path: &str, is_right: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..600 {
            last = self.get(path).json();
            if is_right(&last) {
                return last;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{path} does not become right: {last:#}");
    }

    /// Waits until so many records are taken and keys have been looked at since.
    pub fn until_taken(&self, records: u64) {
        let taken = |input: &Value| {
            ["processed", "duplicate"].map(|name| input[name].as_u64().unwrap()).iter().sum::<u64>()
        };
        self.until("/api/v1/status", |status| taken(&status["input"]) == records);
        let taken = self.until("/api/v1/keys", |keys| keys["as_of"].is_string());
        let latest = self.get("/api/v1/status").json()["input"]["latest"].clone();
        if taken["as_of"] != latest {
            self.until("/api/v1/keys", |keys| keys["as_of"] == latest);
        }
    }

    pub fn stop(self) {
        self.0.stop();
    }
}

impl Deref for Looked {
    type Target = Serving;

    fn deref(&self) -> &Serving {
        &self.0
    }
}

const EXAMPLE: &str = "config/examples/stolen-key.jsonl";
const INCIDENTS: &str = "[incidents]\nenabled = true\n[api]\nrefresh_ms = 200\n";

fn example() -> (String, u64) {
    let text = fs::read_to_string(EXAMPLE).unwrap();
    let count = text.lines().count() as u64;
    (text, count)
}

/// Whether a value is what a schema says; every property that was seen with a value is noted.
fn check(value: &Value, schema: &Value, document: &Value, place: &str, seen: &mut BTreeSet<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/components/schemas/").unwrap();
        return check(value, &document["components"]["schemas"][name], document, name, seen);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let fitting = any.iter().find(|one| (one["type"] == "null") == value.is_null());
        return check(value, fitting.unwrap_or_else(|| panic!("{place}: {value}")), document, place, seen);
    }
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        name => panic!("{place}: no type {name}"),
    };
    let types: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().map(|name| name.as_str().unwrap()).collect(),
        _ => panic!("{place}: no type in {schema}"),
    };
    assert!(types.into_iter().any(is), "{place} is {value}, not {}", schema["type"]);
    if let Some(all) = schema["enum"].as_array() {
        assert!(all.contains(value), "{place} is {value}, none of {all:?}");
    }
    if schema["format"] == "date-time"
        && let Some(text) = value.as_str()
    {
        assert!(text.parse::<jiff::Timestamp>().is_ok(), "{place} is {text}");
    }
    if let Some(list) = value.as_array() {
        for one in list {
            check(one, &schema["items"], document, place, seen);
        }
    }
    let Some(members) = value.as_object() else { return };
    let empty = serde_json::Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(members.contains_key(name.as_str().unwrap()), "{place}.{name} is missing in {value}");
    }
    for (name, member) in members {
        match properties.get(name) {
            Some(schema) => {
                if !member.is_null() && *member != json!([]) {
                    seen.insert(format!("{place}.{name}"));
                }
                check(member, schema, document, &format!("{place}.{name}"), seen);
            }
            None => {
                assert!(schema["additionalProperties"] != json!(false), "{place}.{name} is not described");
            }
        }
    }
}

/// Checks the answer to a path; what it was.
fn hold(looked: &Looked, document: &Value, path: &str, template: &str, seen: &mut BTreeSet<String>) -> Value {
    let said = looked.get(path);
    let described = &document["paths"][template]["get"]["responses"][said.code.to_string()];
    let schema = &described["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "{path}: {} is not described: {}", said.code, said.body);
    check(&said.json(), schema, document, template, seen);
    said.json()
}

#[test]
fn the_description_is_what_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let config = format!(
        "{INCIDENTS}[sinks.copy]\ntype = \"file\"\npath = \"copy.jsonl\"\n[[key]]\nkey = \"...77e0\"\ncanary = true\n"
    );
    fs::write(dir.join("c.toml"), config).unwrap();
    let mut looked = Looked::start_in(dir, &["-c", "c.toml", "--state", "state", "-o", "alerts.jsonl"]);
    let (text, count) = example();
    looked.feed(&text);
    looked.feed("{\"timestamp\":\"never\",\"api_key_prefix\":\"...77e0\",\"model\":\"gpt-4o\",\"input_tokens\":1,\"output_tokens\":1,\"endpoint\":\"/v1/responses\"}\n");
    looked.until_taken(count);
    let document = looked.get("/api/v1/openapi.json").json();
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let (mut seen, mut paths) = (BTreeSet::new(), BTreeSet::new());
    let mut ask = |path: &str, template: &str| {
        paths.insert(template.to_owned());
        hold(&looked, &document, path, template, &mut seen)
    };
    let incidents = ask("/api/v1/incidents?status=open", "/api/v1/incidents");
    let alerts = ask("/api/v1/alerts?limit=5", "/api/v1/alerts");
    assert_eq!(alerts["events"].as_array().unwrap().len(), 5);
    let incident = &incidents["events"][0];
    let found =
        ask(&format!("/api/v1/incidents/{}", incident["id"].as_str().unwrap()), "/api/v1/incidents/{id}");
    // The sum of the ledger is the score, as it is everywhere.
    let nats = found["incident"]["ledger"].as_array().unwrap().iter();
    let sum: f64 = nats.map(|term| term["nats"].as_f64().unwrap()).sum();
    assert!((sum - found["incident"]["score"].as_f64().unwrap()).abs() < 1e-6);
    ask(&format!("/api/v1/alerts/{}", alerts["events"][0]["id"].as_str().unwrap()), "/api/v1/alerts/{id}");
    ask("/api/v1/keys", "/api/v1/keys");
    let keys = ask("/api/v1/keys?by=risk&limit=3", "/api/v1/keys");
    for row in keys["keys"].as_array().unwrap() {
        let key = ask(&format!("/api/v1/keys/{}", row["key_id"].as_str().unwrap()), "/api/v1/keys/{key_id}");
        assert_eq!(key["key"]["key_id"], row["key_id"]);
        let times = key["timeline"].as_array().unwrap().iter();
        let times: Vec<jiff::Timestamp> =
            times.map(|moment| moment["at"].as_str().unwrap().parse().unwrap()).collect();
        assert!(times.is_sorted(), "{times:?}");
    }
    ask("/api/v1/status", "/api/v1/status");
    ask("/api/v1/openapi.json", "/api/v1/openapi.json");
    for (path, template) in [
        ("/api/v1/keys?by=luck", "/api/v1/keys"),
        ("/api/v1/alerts?limit=0", "/api/v1/alerts"),
        ("/api/v1/keys/00000000000000000000000000000000", "/api/v1/keys/{key_id}"),
        ("/api/v1/keys/...77e0", "/api/v1/keys/{key_id}"),
        ("/api/v1/incidents/none", "/api/v1/incidents/{id}"),
    ] {
        let refused = ask(path, template);
        assert!(refused["error"].is_string(), "{refused}");
    }
    let described: BTreeSet<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(paths, described);
    // What is described is seen, but for what this run does not have.
    let absent = ["Status.kafka", "Key.revoked_at", "KeyRow.typical_day_cost_usd"];
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for property in schema["properties"].as_object().unwrap().keys() {
            let property = format!("{name}.{property}");
            // The others have runs of their own.
            let is_absent = absent.contains(&property.as_str())
                || property == "Status.sources"
                || ["Kafka", "Lag", "Source"].contains(&name.as_str());
            assert!(is_absent || seen.contains(&property), "{property} was never answered");
        }
    }
    looked.stop();
}

#[test]
fn sources_say_how_far_they_were_read() {
    let dir = crate::pull::folder();
    let provider = crate::provider::Provider::start(|asked| match asked.path() {
        "/v1/organization/usage/completions" => crate::pull::page(&[], None),
        _ => crate::provider::Said::Status(403, "", "{}".to_owned()),
    });
    let source = "type = \"openai_usage\"\nkey_file = \"key\"\nevery_seconds = 1\nbackfill_days = 0";
    let url = &provider.url;
    let config = format!(
        "[api]\nrefresh_ms = 200\n[sources.good]\n{source}\nurl = \"{url}\"\nendpoints = [\"completions\"]\n\
         [sources.bad]\n{source}\nurl = \"{url}\"\nendpoints = [\"embeddings\"]\n"
    );
    fs::write(dir.path().join("c.toml"), config).unwrap();
    let looked = Looked::start_in(dir.path(), &["-c", "c.toml"]);
    let told = |status: &Value| -> Option<bool> {
        let [bad, good] = status["sources"].as_array()?.as_slice() else { return None };
        Some(bad["failing"] == true && bad["lag_seconds"].is_null() && good["lag_seconds"].is_number())
    };
    looked.until("/api/v1/status", |status| told(status) == Some(true));
    let document = looked.get("/api/v1/openapi.json").json();
    let mut seen = BTreeSet::new();
    hold(&looked, &document, "/api/v1/status", "/api/v1/status", &mut seen);
    for property in document["components"]["schemas"]["Source"]["properties"].as_object().unwrap().keys() {
        assert!(seen.contains(&format!("Source.{property}")), "{property} was never answered");
    }
    // Sources never end by themselves.
    looked.signal("TERM");
    looked.stop();
}

/// Everything that can be seen of a run, without the times at which it was looked at.
fn everything(looked: &Looked) -> Vec<Value> {
    let mut all = Vec::new();
    let mut paths: Vec<String> =
        ["keys", "keys?by=risk", "incidents", "alerts"].map(|path| format!("/api/v1/{path}")).to_vec();
    let (keys, incidents) = (looked.get(&paths[1]).json(), looked.get(&paths[2]).json());
    let ids = |list: &Value, name: &str, path: &str| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|one| format!("/api/v1/{path}/{}", one[name].as_str().unwrap())).collect()
    };
    paths.extend(ids(&keys["keys"], "key_id", "keys"));
    paths.extend(ids(&incidents["events"], "id", "incidents"));
    for path in paths {
        let mut value = looked.get(&path).json();
        value.as_object_mut().unwrap().remove("looked_at");
        all.push(value);
    }
    all
}

#[test]
fn several_shards_say_what_one_says() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("c.toml"), INCIDENTS).unwrap();
    let (text, count) = example();
    let [one, many] = ["1", "12"].map(|threads| {
        let mut looked = Looked::start_in(dir.path(), &["-c", "c.toml", "--threads", threads]);
        looked.feed(&text);
        looked.until_taken(count);
        let all = everything(&looked);
        looked.stop();
        all
    });
    assert!(one.len() >= 8, "{}", one.len());
    assert_eq!(one, many);
}

/// What is open is told again by a process that takes up the state, for nobody has told it to this one.
#[test]
fn what_is_open_is_seen_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("c.toml"), INCIDENTS).unwrap();
    let args = ["-c", "c.toml", "--state", "state", "-o", "alerts.jsonl"];
    let open = |looked: &Looked| {
        let mut events =
            looked.until("/api/v1/incidents?status=open", |list| list["count"] != 0)["events"].clone();
        let alerts = looked.get("/api/v1/alerts?status=open").json()["events"].clone();
        events.as_array_mut().unwrap().extend(alerts.as_array().unwrap().clone());
        let names = ["id", "revision", "status", "severity", "key_id", "detected_at", "timestamp"];
        let told = events.as_array().unwrap().iter();
        told.map(|event| names.map(|name| event[name].to_string())).collect::<BTreeSet<_>>()
    };
    let mut looked = Looked::start_in(dir, &args);
    let (text, count) = example();
    looked.feed(&text);
    looked.until_taken(count);
    let before = open(&looked);
    looked.stop();
    let looked = Looked::start_in(dir, &args);
    let after = open(&looked);
    assert!(before.len() > 3, "{before:?}");
    assert_eq!(before, after);
    looked.stop();
}

#[test]
fn a_key_that_is_on_no_list_can_be_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("c.toml"), "[api]\nrefresh_ms = 200\nkeys_max = 1\n").unwrap();
    let mut looked = Looked::start_in(dir.path(), &["-c", "c.toml"]);
    let spent = |key: &str, usd: f64| record(&[("api_key_prefix", json!(key)), ("cost_usd", json!(usd))]);
    looked.feed(&format!("{}{}{}", spent("...aaaa", 9.0), spent("...bbbb", 1.5), spent("...bbbb", 0.25)));
    looked.until_taken(3);
    let listed = looked.get("/api/v1/keys").json();
    assert_eq!(listed["keys"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&listed["keys"][0]["api_key_prefix"], &listed["all"]["cost_usd"]),
        (&json!("...aaaa"), &json!(10.75))
    );
    // Its fingerprint is that of every run without a salt.
    let id = fingerprint(dir.path(), "...bbbb");
    let found = looked.get(&format!("/api/v1/keys/{id}")).json();
    assert_eq!((&found["key"]["cost_usd"], &found["key"]["hour_cost_usd"]), (&json!(1.75), &json!(1.75)));
    assert_eq!(found["days"][0]["requests"], 2);
    looked.stop();
}

fn fingerprint(dir: &Path, key: &str) -> String {
    let mut looked = Looked::start_in(dir, &["-c", "c.toml"]);
    looked.feed(&record(&[("api_key_prefix", json!(key))]));
    looked.until_taken(1);
    let id = looked.get("/api/v1/keys").json()["keys"][0]["key_id"].as_str().unwrap().to_owned();
    looked.stop();
    id
}

#[test]
fn nothing_can_be_changed_and_mistakes_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let looked = Looked::start_in(dir.path(), &[]);
    for (request, code, told) in [
        ("POST /api/v1/keys HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0", 405, "only GET"),
        ("DELETE /api/v1/incidents/1 HTTP/1.1\r\nHost: localhost", 405, "only GET"),
        ("GET /api/v2/keys HTTP/1.1\r\nHost: localhost", 404, "no such path"),
        ("GET /api/v1/keys?secret=1 HTTP/1.1\r\nHost: localhost", 400, "known here: by, limit"),
        ("GET /api/v1/keys?limit=1&limit=2 HTTP/1.1\r\nHost: localhost", 400, "twice"),
        ("GET /api/v1/keys HTTP/1.1\r\nHost: attacker.example", 403, "not one of this machine's own"),
        (
            "GET /api/v1/keys HTTP/1.1\r\nHost: localhost.attacker.example:80",
            403,
            "not one of this machine's own",
        ),
        ("GET /api/v1/keys HTTP/1.1\r\nHost: 192.0.2.1", 403, "not one of this machine's own"),
        ("GET /api/v1/keys HTTP/1.1\r\nHost: [::1]:80", 200, "looked_at"),
        ("GET /api/v1/keys HTTP/1.1\r\nHost: 127.0.0.1:80", 200, "looked_at"),
    ] {
        let said = looked.ask(&format!("{request}\r\nConnection: close\r\n\r\n"));
        assert!(said.code == code && said.body.contains(told), "{request}: {} {}", said.code, said.body);
        assert!(said.head.to_ascii_lowercase().contains("x-content-type-options: nosniff"), "{}", said.head);
    }
    looked.stop();
}

#[test]
fn a_token_is_asked_for_where_there_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let token: String = "obviously-no-secret-".to_owned() + "of-anybody";
    fs::write(dir.path().join("token"), format!("{token}\n")).unwrap();
    fs::write(dir.path().join("c.toml"), "[api]\ntoken_file = \"token\"\n").unwrap();
    let looked = Looked::start_in(dir.path(), &["-c", "c.toml"]);
    let with = |header: &str| {
        looked.ask(&format!(
            "GET /api/v1/status HTTP/1.1\r\nHost: any.example\r\n{header}Connection: close\r\n\r\n"
        ))
    };
    assert_eq!(with(&format!("Authorization: Bearer {token}\r\n")).code, 200);
    for wrong in [
        String::new(),
        "Authorization: Bearer \r\n".to_owned(),
        format!("Authorization: Basic {token}\r\n"),
        format!("Authorization: Bearer {token}x\r\n"),
    ] {
        let said = with(&wrong);
        assert!(
            said.code == 401 && said.head.to_ascii_lowercase().contains("www-authenticate: bearer"),
            "{wrong}{}",
            said.head
        );
        assert!(!said.body.contains(&token));
    }
    looked.stop();
    let ran = crate::support::run_in(dir.path(), &["run", "--api", "0.0.0.0:0"], b"");
    assert!(ran.code == Some(2) && ran.stderr.contains("set `api.token_file`"), "{}", ran.stderr);
}

/// Those who connect and say nothing give way to those who ask.
#[test]
fn whoever_is_silent_gives_way() {
    let dir = tempfile::tempdir().unwrap();
    let looked = Looked::start_in(dir.path(), &[]);
    let silent: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(&looked.address).unwrap()).collect();
    assert_eq!(looked.get("/api/v1/status").code, 200);
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(1 << 20));
    assert!(matches!(looked.ask(&long).code, 0 | 400..=431));
    assert_eq!(looked.get("/api/v1/status").code, 200);
    drop(silent);
    looked.stop();
}

/// The page is one file: it names no other place, and nothing but its own style and script may act in it.
#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let looked = Looked::start_in(dir.path(), &[]);
    let said = looked.get("/");
    let policy = said.head.lines().find_map(|line| line.strip_prefix("content-security-policy: ")).unwrap();
    for part in ["default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("script-src *"), "{policy}");
    let page = said.body.replace("http://www.w3.org/2000/svg", "");
    for elsewhere in
        ["http://", "https://", "src=\"", "@import", "url(", "innerHTML", "document.write", "eval("]
    {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
    looked.stop();
}

/// `keyhound top` shows the same of a file as of a running keyhound that has read it; where nobody looks, as a table.
#[test]
fn top_is_a_table_where_nobody_looks() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("c.toml"), INCIDENTS).unwrap();
    let (text, count) = example();
    fs::write(dir.path().join("log.jsonl"), &text).unwrap();
    let mut looked = Looked::start_in(dir.path(), &["-c", "c.toml"]);
    looked.feed(&text);
    looked.until_taken(count);
    let top = |args: &[&str]| crate::support::run_in(dir.path(), args, b"");
    let of_file = top(&["top", "log.jsonl"]);
    let of_api = top(&["top", "--url", &format!("http://{}", looked.address)]);
    assert_eq!((of_file.code, of_api.code), (Some(0), Some(0)), "{}{}", of_file.stderr, of_api.stderr);
    // How far the clock is ahead may have changed in between.
    let without_lag = |table: &str| table.split_once('\n').unwrap().1.to_owned();
    assert_eq!(without_lag(&of_file.stdout), without_lag(&of_api.stdout));
    assert!(of_file.stdout.contains("INCIDENTS (1)") && of_file.stdout.contains("anna-dev (...3f9c)"));
    looked.stop();
    let nobody = top(&["top", "--url", "http://127.0.0.1:1"]);
    assert!(nobody.code == Some(69) && nobody.stderr.contains("keyhound run --api"), "{}", nobody.stderr);
    assert_eq!(top(&["top", "--url", "https://127.0.0.1:1"]).code, Some(2));
}

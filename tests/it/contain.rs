//! `[[contain]]`: what a run does about a key by itself, against servers that answer as providers document.

use crate::provider::{Asked, Provider, Said};
use crate::pull::{folder, secret};
use crate::serving::Serving;
use crate::support::{record, run_in};
use keyhound::engine::clock::now;
use keyhound::time::{MINUTE, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Waits until it is so; a test that waits a minute has failed.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{what}");
}

/// What LiteLLM and OpenRouter call the keys of these tests.
pub fn hash(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// Keys that nobody may use, so that one use of each is an incident that is sure by itself.
const CANARIES: [&str; 7] =
    ["...aaaa", "...bbbb", "...cccc", "...dddd", "...eeee", "apikey_EXAMPLEa", "key_EXAMPLEa"];

/// A configuration with these rules.
pub fn configure(dir: &Path, rules: &str) {
    let mut text = "[incidents]\nenabled = true\n[checkpoint]\ninterval_ms = 50\n".to_owned();
    for key in CANARIES {
        text.push_str(&format!("[[key]]\nkey = \"{key}\"\ncanary = true\n"));
    }
    fs::write(dir.join("k.toml"), text + rules).unwrap();
}

/// A rule for real, that does not wait long between attempts.
pub fn rule(name: &str, action: &str, url: &str) -> String {
    format!(
        "[[contain]]\nname = \"{name}\"\naction = \"{action}\"\ndry_run = false\nurl = \"{url}\"\nkey_file = \"key\"\n\
         retry_max_ms = 5\nattempts_max = 3\n"
    )
}

/// One use of a key, so many minutes ago.
pub fn used(key: &str, minutes: i64) -> String {
    let at = Timestamp(now().0 - minutes * MINUTE).to_string();
    record(&[("api_key_prefix", json!(key)), ("timestamp", json!(at)), ("source_ip", json!("203.0.113.7"))])
}

pub const RUN: [&str; 8] =
    ["--config", "k.toml", "--state", "state", "--output", "alerts", "--metrics", "127.0.0.1:0"];

pub fn start(dir: &Path) -> Serving {
    Serving::start(dir, &RUN, "metrics on")
}

/// The steps of the journal that are told: status and rule.
pub fn steps(dir: &Path) -> Vec<(String, String)> {
    let of = |deed: &Value, name: &str| deed[name].as_str().unwrap().to_owned();
    deeds(dir).iter().map(|deed| (of(deed, "status"), of(deed, "rule"))).collect()
}

pub fn deeds(dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(dir.join("state/contain/journal.jsonl")).unwrap_or_default();
    let deeds = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    deeds.filter(|deed| deed["status"] != "noticed").collect()
}

/// Waits until a rule has come so far.
pub fn came_to(dir: &Path, status: &str, rule: &str) -> Value {
    let find = || deeds(dir).into_iter().rev().find(|deed| deed["status"] == status && deed["rule"] == rule);
    until(&format!("{rule} is {status}"), || find().is_some());
    find().unwrap()
}

/// A proxy as LiteLLM documents it, with these keys and what it knows of them.
pub fn litellm(mut keys: BTreeMap<String, Value>) -> impl FnMut(&Asked) -> Said + Send + 'static {
    move |asked| {
        let missing = || Said::Status(404, "", json!({"error": {"message": "Key not found."}}).to_string());
        let body = || if asked.body.is_empty() { Value::Null } else { asked.json() };
        let key = asked.parameter("key").map(str::to_owned).or(body()["key"].as_str().map(str::to_owned));
        let path = (asked.method.as_str(), asked.path());
        if path == ("GET", "/key/list") {
            let names: Vec<&String> = keys.keys().collect();
            let page = usize::try_from(asked.number("page")).unwrap();
            let of_page: Vec<&&String> = names.iter().skip((page - 1) * 2).take(2).collect();
            let pages = names.len().div_ceil(2);
            return Said::Ok(json!({"keys": of_page, "total_count": names.len(), "current_page": page, "total_pages": pages}).to_string());
        }
        let Some(known) = key.as_ref().and_then(|key| keys.get_mut(key)) else { return missing() };
        match path {
            ("GET", "/key/info") => return Said::Ok(json!({"key": key, "info": known}).to_string()),
            ("POST", "/key/block") => known["blocked"] = json!(true),
            ("POST", "/key/unblock") => known["blocked"] = json!(false),
            ("POST", "/key/update") => {
                known["max_budget"] = body()["max_budget"].clone();
                return Said::Ok(json!({"key": key, "max_budget": known["max_budget"]}).to_string());
            }
            _ => return Said::Status(405, "", String::new()),
        }
        let mut row = known.clone();
        row["token"] = json!(key);
        Said::Ok(row.to_string())
    }
}

pub fn keys() -> BTreeMap<String, Value> {
    let of = |name: &str| json!({"key_alias": name, "blocked": null, "max_budget": null, "spend": 3.5});
    "abcdef".chars().map(|digit| (hash(digit), of(&format!("key-{digit}")))).collect()
}

pub fn writes(asked: &[Asked]) -> Vec<String> {
    let told = |asked: &Asked| format!("{} {} {}", asked.method, asked.target, asked.body);
    asked.iter().filter(|asked| asked.method != "GET").map(told).collect()
}

#[test]
fn a_dry_run_says_what_it_would_do_and_changes_nothing() {
    let dir = folder();
    let proxy = Provider::start(litellm(keys()));
    configure(dir.path(), &rule("block", "litellm_block", &proxy.url).replace("dry_run = false\n", ""));
    let checked = run_in(dir.path(), &["check", "-c", "k.toml"], b"").stdout;
    let told = format!("containment: block (dry run: asks, changes nothing: litellm_block, {}, ", proxy.url);
    assert!(checked.contains(&told) && proxy.asked().is_empty(), "{checked}");
    let mut run = start(dir.path());
    run.write(&used(&hash('c'), 0));
    let would = came_to(dir.path(), "dry_run", "block");
    run.stop();
    assert_eq!(would["provider_key"], hash('c').as_str());
    assert_eq!((&would["dry_run"], &would["before"]["off"]), (&json!(true), &json!(false)));
    assert!(would["description"].as_str().unwrap().contains("would block the virtual key"), "{would}");
    assert_eq!(steps(dir.path()).len(), 1);
    let asked = proxy.asked();
    assert_eq!(writes(&asked), Vec::<String>::new());
    assert!(
        asked.iter().any(|asked| asked.target == "/key/list?page=2&size=100"),
        "found among all, by its fingerprint"
    );
}

#[test]
fn a_key_is_blocked_once_and_every_step_is_told() {
    let dir = folder();
    let proxy = Provider::start(litellm(keys()));
    let more = "[sinks.siem]\ntype = \"file\"\npath = \"siem\"\nevents = [\"containment\"]\n";
    configure(dir.path(), &(rule("block", "litellm_block", &proxy.url) + more));
    let mut run = start(dir.path());
    run.write(&used(&hash('a'), 0));
    let done = came_to(dir.path(), "done", "block");
    let counts = [
        "keyhound_contain_outcomes_total{action=\"litellm_block\",outcome=\"done\",rule=\"block\"} 1",
        "keyhound_contain_budget_actions 2",
    ];
    // It is written down before it is counted.
    until("counted", || counts.iter().all(|count| run.get("/metrics").body.contains(count)));
    // Further revisions of the incident ask nobody.
    for _ in 0..9 {
        run.write(&used(&hash('a'), 0));
    }
    let siem = || fs::read_to_string(dir.path().join("siem")).unwrap_or_default();
    until("told to the sink", || siem().lines().count() == 2);
    run.stop();
    let block = format!("POST /key/block {{\"key\":\"{}\"}}", hash('a'));
    assert_eq!(writes(&proxy.asked()), [block]);
    assert_eq!((&done["answer_status"], &done["statement"]), (&json!(200), &json!("revoke")));
    let alerts = fs::read_to_string(dir.path().join("alerts")).unwrap();
    let incident: Value = alerts
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .find(|event: &Value| event["event"] == "incident")
        .unwrap();
    assert_eq!(done["incident_id"], incident["id"]);
    assert!(!alerts.contains("containment"), "the usual output goes by records alone");
    let mut told: Vec<Value> = siem().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for deed in &mut told {
        let timestamp = deed.as_object_mut().unwrap().remove("timestamp");
        assert_eq!(timestamp.as_ref(), Some(&deed["at"]));
    }
    assert_eq!(told, deeds(dir.path()), "the sink is told what stands in the journal");
    assert_eq!(told.iter().map(|deed| deed["status"].clone()).collect::<Vec<_>>(), ["intended", "done"]);
    // Nor does another run.
    let mut run = start(dir.path());
    run.write(&used(&hash('a'), 0));
    run.stop();
    assert_eq!((steps(dir.path()).len(), writes(&proxy.asked()).len()), (2, 0));
}

/// What is told of records does not depend on what is done about them.
#[test]
fn the_usual_output_is_the_same_with_and_without() {
    let dir = folder();
    let proxy = Provider::start(litellm(keys()));
    let lines: String = ["...x", &hash('a'), "...y", &hash('b')].iter().map(|key| used(key, 1)).collect();
    let mut outputs = Vec::new();
    for (number, rules) in [String::new(), rule("block", "litellm_block", &proxy.url)].into_iter().enumerate()
    {
        configure(dir.path(), &rules);
        let (state, output) = (format!("state{number}"), format!("alerts{number}"));
        let args = ["--config", "k.toml", "--state", &state, "--output", &output, "--metrics", "127.0.0.1:0"];
        let mut run = Serving::start(dir.path(), &args, "metrics on");
        run.write(&lines);
        run.stop();
        outputs.push(fs::read_to_string(dir.path().join(output)).unwrap());
    }
    assert_eq!(outputs[0], outputs[1]);
    assert!(outputs[0].contains("\"incident\"") && writes(&proxy.asked()).len() == 2);
}

fn openai(asked: &Asked) -> Said {
    match (asked.method.as_str(), asked.path()) {
        ("GET", "/v1/organization/projects/proj_EXAMPLE/api_keys/key_EXAMPLEa") => {
            let key = json!({"object": "organization.project.api_key", "id": "key_EXAMPLEa", "name": "n"});
            Said::Ok(key.to_string())
        }
        ("DELETE", _) => {
            let gone = json!({"object": "organization.project.api_key.deleted", "id": "key_EXAMPLEa", "deleted": true});
            Said::Ok(gone.to_string())
        }
        _ => Said::Status(404, "", String::new()),
    }
}

fn anthropic(asked: &Asked) -> Said {
    let status = if asked.method == "POST" { asked.json()["status"].clone() } else { json!("active") };
    Said::Ok(json!({"type": "api_key", "id": "apikey_EXAMPLEa", "name": "Dev", "status": status}).to_string())
}

fn openrouter(asked: &Asked) -> Said {
    let mut key = json!({"hash": hash('a'), "name": "n", "label": "sk-or-v1-0e6...1c9", "disabled": false, "limit": 100.0});
    if asked.path() == "/api/v1/keys" {
        return Said::Ok(json!({ "data": [key] }).to_string());
    }
    if asked.method == "PATCH" {
        for (name, value) in asked.json().as_object().unwrap() {
            key[name] = value.clone();
        }
    }
    Said::Ok(json!({ "data": key }).to_string())
}

/// An action, who obeys, the key, more settings, and what is to be asked.
struct Case {
    action: &'static str,
    server: Provider,
    key: String,
    more: &'static str,
    expected: String,
}

fn cases() -> Vec<Case> {
    let hash = hash('a');
    let case = |action, server, key: &str, more, expected: String| {
        let key = key.to_owned();
        Case { action, server, key, more, expected }
    };
    vec![
        case(
            "anthropic_inactive",
            Provider::start(anthropic),
            "apikey_EXAMPLEa",
            "",
            "POST /v1/organizations/api_keys/apikey_EXAMPLEa {\"status\":\"inactive\"}".to_owned(),
        ),
        case(
            "openrouter_disable",
            Provider::start(openrouter),
            &hash,
            "",
            format!("PATCH /api/v1/keys/{hash} {{\"disabled\":true}}"),
        ),
        case(
            "openrouter_limit",
            Provider::start(openrouter),
            &hash,
            "limit_usd = 2.5\n",
            format!("PATCH /api/v1/keys/{hash} {{\"limit\":2.5}}"),
        ),
        case(
            "litellm_budget",
            Provider::start(litellm(keys())),
            &hash,
            "limit_usd = 5.0\n",
            format!("POST /key/update {{\"key\":\"{hash}\",\"max_budget\":5.0}}"),
        ),
        case(
            "openai_delete",
            Provider::start(openai),
            "key_EXAMPLEa",
            "irreversible = true\nproject = \"proj_EXAMPLE\"\n",
            "DELETE /v1/organization/projects/proj_EXAMPLE/api_keys/key_EXAMPLEa ".to_owned(),
        ),
    ]
}

/// What each provider is asked, in the words of its documentation.
#[test]
fn every_provider_is_asked_as_it_documents() {
    for Case { action, server, key, more, expected } in cases() {
        let dir = folder();
        configure(dir.path(), &(rule("one", action, &server.url) + more));
        let mut run = start(dir.path());
        run.write(&used(&key, 0));
        let done = came_to(dir.path(), "done", "one");
        run.stop();
        let asked = server.asked();
        assert_eq!(writes(&asked), [expected], "{action}");
        let only_limits = matches!(action, "openrouter_limit" | "litellm_budget");
        assert_eq!(done["statement"] == "revoke", !only_limits, "{done}");
        let head = asked.last().unwrap().head.to_ascii_lowercase();
        let header = if action == "anthropic_inactive" { "x-api-key: " } else { "authorization: bearer " };
        assert!(head.contains(&format!("{header}{}", secret().to_ascii_lowercase())), "{head}");
        assert_eq!(head.contains("anthropic-version: 2023-06-01"), action == "anthropic_inactive");
    }
}

#[test]
fn a_webhook_is_told_what_to_do_and_by_whom() {
    let dir = folder();
    let hook = Provider::start(|_| Said::Status(202, "", String::new()));
    let url = format!("{}/hook?x=1", hook.url);
    configure(dir.path(), &(rule("one", "webhook", &url) + "signature_file = \"key\"\n"));
    let mut run = start(dir.path());
    run.write(&used("...bbbb", 0));
    let done = came_to(dir.path(), "done", "one");
    run.stop();
    let asked = hook.asked();
    assert_eq!((asked.len(), asked[0].target.as_str(), done["statement"].is_null()), (1, "/hook?x=1", true));
    let body = asked[0].json();
    assert_eq!((&body["ask"], &body["api_key_prefix"]), (&json!("contain"), &json!("...bbbb")));
    let head = asked[0].head.to_ascii_lowercase();
    assert!(head.contains(&format!("idempotency-key: {}", done["id"].as_str().unwrap())), "{head}");
    let signed = head.lines().find_map(|line| line.strip_prefix("x-keyhound-signature: t=")).unwrap();
    let (seconds, digits) = signed.split_once(",v1=").unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret().as_bytes());
    let expected = ring::hmac::sign(&key, format!("{seconds}.{}", asked[0].body).as_bytes());
    let expected: String = expected.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digits, expected);
    assert!(
        !deeds(dir.path()).iter().any(|deed| deed.to_string().contains("/hook")),
        "its path may be a secret"
    );
}

#[test]
fn what_is_not_to_be_done_is_told_with_the_reason() {
    let dir = folder();
    let proxy = Provider::start(litellm(keys()));
    let rules = rule("block", "litellm_block", &proxy.url)
        + "[containment]\nactions_per_day_max = 1\nprotect = [\"KEY-b\", \"other*\"]\n";
    configure(dir.path(), &rules);
    let mut run = start(dir.path());
    let refused = |why: &str| came_to(dir.path(), "refused", "block")["refusal"] == why;
    // Of an hour ago; known to the proxy under a name that is protected; of no proxy; the first; one too many.
    run.write(&used(&hash('d'), 60));
    until("stale", || refused("stale"));
    run.write(&used(&hash('b'), 0));
    until("protected", || refused("protected"));
    run.write(&used("...cccc", 0));
    until("unknown", || refused("unknown_key"));
    run.write(&used(&hash('a'), 0));
    came_to(dir.path(), "done", "block");
    run.write(&used(&hash('c'), 0));
    until("too many", || refused("budget"));
    let counts = [
        "keyhound_contain_outcomes_total{action=\"litellm_block\",outcome=\"refused\",rule=\"block\"} 4",
        "keyhound_contain_budget_actions 0",
    ];
    until("counted", || counts.iter().all(|count| run.get("/metrics").body.contains(count)));
    run.stop();
    assert_eq!(writes(&proxy.asked()).len(), 1);
    // A restart gives nobody another day.
    let mut run = start(dir.path());
    run.write(&used(&hash('e'), 0));
    run.stop();
    assert_eq!(writes(&proxy.asked()), Vec::<String>::new());
}

#[test]
fn a_key_that_is_off_already_needs_nothing() {
    let dir = folder();
    let mut known = keys();
    known.get_mut(&hash('a')).unwrap()["blocked"] = json!(true);
    let proxy = Provider::start(litellm(known));
    configure(dir.path(), &rule("block", "litellm_block", &proxy.url));
    let mut run = start(dir.path());
    run.write(&used(&hash('a'), 0));
    let already = came_to(dir.path(), "already", "block");
    run.stop();
    assert_eq!((writes(&proxy.asked()).len(), steps(dir.path()).len()), (0, 1));
    assert!(already["statement"].is_null(), "nobody knows since when");
}

#[test]
fn what_lies_there_and_what_is_not_remembered_is_not_acted_upon() {
    let dir = folder();
    let proxy = Provider::start(litellm(keys()));
    configure(dir.path(), &rule("block", "litellm_block", &proxy.url));
    fs::write(dir.path().join("log"), used(&hash('a'), 0)).unwrap();
    let ran = run_in(dir.path(), &["run", "-c", "k.toml", "--state", "state", "log"], b"");
    assert!(ran.code == Some(0) && ran.stderr.contains("`[[contain]]` is not used: files"), "{}", ran.stderr);
    assert!(ran.stdout.contains("\"incident\""), "{}", ran.stdout);
    let ran = run_in(dir.path(), &["run", "-c", "k.toml"], b"");
    assert!(ran.code == Some(78) && ran.stderr.contains("there is no --state"), "{}", ran.stderr);
    #[cfg(feature = "kafka")]
    {
        let ran = run_in(dir.path(), &["run", "--kafka", "-c", "k.toml"], b"");
        assert!(
            ran.code == Some(78) && ran.stderr.contains("with --kafka nothing is contained"),
            "{}",
            ran.stderr
        );
    }
    let ran = run_in(dir.path(), &["backtest", "-c", "k.toml", "log"], b"");
    assert!(proxy.asked().is_empty() && !dir.path().join("state/contain").exists(), "{}", ran.stderr);
}

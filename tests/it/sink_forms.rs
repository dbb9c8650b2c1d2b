//! The whole request that each kind of receiver gets for one alert, as files in `tests/sinks`.

use crate::receiver::{Receiver, Reply, Seen};
use crate::support::{record, run_in};
use regex::Regex;
use serde_json::json;
use std::fs;
use std::path::Path;

/// Compares with a file, or writes it where `KEYHOUND_BLESS` is set.
pub fn compare(file: &str, got: &str) {
    if std::env::var_os("KEYHOUND_BLESS").is_some() {
        fs::create_dir_all(Path::new(file).parent().unwrap()).unwrap();
        fs::write(file, got).unwrap();
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    assert_eq!(got, expected, "{file}: KEYHOUND_BLESS=1 writes it anew");
}

/// One alert of one key, with a name that would like to be something else.
pub fn one_alert(dir: &Path, sinks: &str) {
    let config = format!("[detectors.billing_threshold]\namounts_usd = [0.0]\n{sinks}");
    fs::write(dir.join("k.toml"), config).unwrap();
    let alias = "**anna** <!channel> @everyone\nx=1|y";
    let line = record(&[
        ("api_key_prefix", json!("...3f9c")),
        ("api_key_alias", json!(alias)),
        ("cost_usd", json!(3.5)),
    ]);
    fs::write(dir.join("log"), line).unwrap();
}

/// A sink of each type to `ORIGIN`, with what its receiver answers.
const TYPES: &[(&str, &str, &str)] = &[
    (
        "http",
        "url = \"ORIGIN/in\"\nencoding = \"ocsf\"\ntoken_file = \"token\"\nsignature_file = \"token\"",
        "",
    ),
    ("alertmanager", "url = \"ORIGIN/prefix/\"\nbatch_alerts_max = 1", ""),
    (
        "splunk_hec",
        "url = \"ORIGIN\"\ntoken_file = \"token\"\nindex = \"security\"\nhostname = \"box\"\nack = false",
        r#"{"text":"Success","code":0}"#,
    ),
    (
        "elasticsearch",
        "url = \"ORIGIN\"\nindex = \"keyhound\"\ntoken_file = \"token\"",
        r#"{"errors":false}"#,
    ),
    ("otlp", "url = \"ORIGIN\"", r#"{"partialSuccess":{}}"#),
    ("slack", "url_file = \"hook\"\nhosts = [\"127.0.0.1\"]", "ok"),
    ("discord", "url_file = \"hook\"\nhosts = [\"127.0.0.1\"]", ""),
    (
        "telegram",
        "url = \"ORIGIN\"\nhosts = [\"127.0.0.1\"]\ntoken_file = \"token\"\nchat = \"-100123\"",
        r#"{"ok":true}"#,
    ),
    ("teams", "url_file = \"hook\"", ""),
    (
        "pagerduty",
        "url = \"ORIGIN\"\nhosts = [\"127.0.0.1\"]\ntoken_file = \"token\"",
        r#"{"status":"success"}"#,
    ),
];

pub fn secrets(dir: &Path, origin: &str) {
    fs::write(dir.join("token"), "EXAMPLE-token\n").unwrap();
    fs::write(dir.join("hook"), format!("{origin}/hook/EXAMPLE-secret\n")).unwrap();
}

/// A request as a text, without what differs from run to run.
fn shown(seen: &Seen) -> String {
    let mut text = format!("{} {}\n", seen.method, seen.path);
    for (name, value) in &seen.headers {
        text.push_str(&format!("{name}: {value}\n"));
    }
    let text = text + "\n" + &seen.body + "\n";
    let end = Regex::new(r#""endsAt":"[^"]*""#).unwrap();
    let signature = Regex::new("t=[0-9]+,v1=[0-9a-f]{64}").unwrap();
    let text = end.replace_all(&text, "\"endsAt\":\"LATER\"");
    let channel = Regex::new("channel: [0-9a-f-]{36}").unwrap();
    let text = channel.replace_all(&text, "channel: CHANNEL");
    signature.replace_all(&text, "t=NOW,v1=SIGNATURE").into_owned()
}

#[test]
fn each_receiver_is_asked_as_its_file_says() {
    for (kind, settings, answer) in TYPES {
        let dir = tempfile::tempdir().unwrap();
        let receiver = Receiver::start(|_| Reply::Body(200, (*answer).to_owned()));
        secrets(dir.path(), &receiver.origin());
        let sink = format!(
            "[sinks.x]\ntype = \"{kind}\"\nstatuses = [\"open\"]\n{}\n",
            settings.replace("ORIGIN", &receiver.origin())
        );
        one_alert(dir.path(), &sink);
        let ran = run_in(dir.path(), &["run", "-c", "k.toml", "log"], b"");
        assert_eq!(ran.code, Some(0), "{kind}: {}", ran.stderr);
        assert!(!ran.stderr.contains("EXAMPLE"), "{kind}: {}", ran.stderr);
        let seen = receiver.seen();
        // What is open at some has to be ended there.
        let times = if ["alertmanager", "pagerduty"].contains(kind) { 2 } else { 1 };
        assert_eq!(seen.len(), times, "{kind}: {seen:?}");
        compare(&format!("tests/sinks/{kind}"), &shown(&seen[0]));
    }
}

/// Whoever has the secret computes the same.
#[test]
fn a_signature_is_of_the_time_and_the_body() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_| Reply::Status(200));
    secrets(dir.path(), &receiver.origin());
    let sink =
        format!("[sinks.x]\ntype = \"http\"\nurl = \"{}\"\nsignature_file = \"token\"\n", receiver.origin());
    one_alert(dir.path(), &sink);
    assert_eq!(run_in(dir.path(), &["run", "-c", "k.toml", "log"], b"").code, Some(0));
    let seen = receiver.next();
    let header = seen.headers.iter().find(|(name, _)| name == "x-keyhound-signature").unwrap();
    let (time, hex) = header.1.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let signed = format!("{time}.{}", seen.body);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"EXAMPLE-token");
    let tag = ring::hmac::sign(&key, signed.as_bytes());
    let expected: Vec<String> = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected.concat());
}

#[test]
fn a_test_is_sent_and_what_came_of_it_told() {
    for (kind, settings, answer) in TYPES {
        let dir = tempfile::tempdir().unwrap();
        let receiver = Receiver::start(|_| Reply::Body(200, (*answer).to_owned()));
        secrets(dir.path(), &receiver.origin());
        let sink =
            format!("[sinks.x]\ntype = \"{kind}\"\n{}\n", settings.replace("ORIGIN", &receiver.origin()));
        one_alert(dir.path(), &sink);
        let ran = run_in(dir.path(), &["check", "-c", "k.toml", "--send-test"], b"");
        assert_eq!(ran.code, Some(0), "{kind}: {}{}", ran.stdout, ran.stderr);
        assert!(
            ran.stdout.contains("has taken the test") && !ran.stdout.contains("EXAMPLE"),
            "{}",
            ran.stdout
        );
        let seen = receiver.seen();
        let times = if ["alertmanager", "pagerduty"].contains(kind) { 2 } else { 1 };
        assert_eq!(seen.len(), times, "{kind}");
        assert!(seen.iter().all(|seen| seen.body.contains("TEST from keyhound")), "{kind}: {}", seen[0].body);
    }
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_| Reply::Body(403, r#"{"text":"Invalid token","code":4}"#.to_owned()));
    secrets(dir.path(), &receiver.origin());
    let sink = format!(
        "[sinks.splunk]\ntype = \"splunk_hec\"\nurl = \"{}\"\ntoken_file = \"token\"\n",
        receiver.origin()
    );
    one_alert(dir.path(), &sink);
    let ran = run_in(dir.path(), &["check", "-c", "k.toml", "--send-test", "splunk"], b"");
    assert_eq!(ran.code, Some(69), "{}", ran.stderr);
    let told = "answers 403 (`Invalid token`): the token is missing or wrong (`sinks.splunk.token_file`";
    assert!(ran.stdout.contains(told), "{}", ran.stdout);
    for (args, told) in [(&["elsewhere"][..], "no sink is called `elsewhere`; there are splunk"), (&[], "")] {
        let ran = run_in(dir.path(), &[&["check", "-c", "k.toml", "--send-test"], args].concat(), b"");
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    }
}

/// The documentation has all types and all that they can be told.
#[test]
fn the_documentation_has_every_type_and_setting() {
    let page = fs::read_to_string("docs/sinks.md").unwrap();
    for kind in keyhound::sink::kind::ALL {
        let row = page.lines().find(|line| {
            line.starts_with("| ") && line.split('|').nth(1).unwrap().contains(&format!("`{}`", kind.name))
        });
        let row = row.unwrap_or_else(|| panic!("{} has no row", kind.name));
        for name in kind.required.iter().flat_map(|names| names.split('|')) {
            assert!(row.contains(&format!("`{name}`")), "{}: {name}", kind.name);
        }
        for name in kind.settings.iter().chain(keyhound::sink::kind::COMMON) {
            assert!(*name == "type" || page.contains(&format!("`{name}`")), "{}: {name}", kind.name);
        }
    }
    let page = fs::read_to_string("docs/siem.md").unwrap();
    for encoding in keyhound::encode::ENCODINGS {
        assert!(page.contains(&format!("\n| {} | ", encoding.name)), "{}", encoding.name);
    }
}

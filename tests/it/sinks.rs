//! Sinks whose receivers fail, each in its own way; several at a time; and what is said of it.

use crate::post::{Running, records};
use crate::receiver::{Receiver, Reply, Seen, free_address};
use crate::sink_forms::{one_alert, secrets};
use crate::support::run_in;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

const CONFIG: &str = "[detectors.billing_threshold]\namounts_usd = [0.0]\n";

/// So many alerts, and sinks.
pub fn place(keys: usize, sinks: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("k.toml"), format!("{CONFIG}{sinks}")).unwrap();
    fs::write(dir.path().join("log"), records(0..keys)).unwrap();
    dir
}

fn run(dir: &Path, more: &[&str]) -> crate::support::Ran {
    run_in(dir, &[&["run", "-c", "k.toml"], more, &["log"]].concat(), b"")
}

fn name(document: &Value) -> String {
    format!("{}.{}", document["id"].as_str().unwrap(), document["revision"])
}

/// All that is written, by id and revision.
fn given(stdout: &str) -> Vec<String> {
    stdout.lines().map(|line| name(&serde_json::from_str(line).unwrap())).collect()
}

#[test]
fn of_a_bulk_only_what_is_not_there_is_sent_again() {
    let receiver = Receiver::start(|seen| {
        let statuses: &[u16] = match seen.number {
            0 => &[201, 429, 201, 201],
            1 => &[503],
            2 => &[400],
            _ => &[],
        };
        let items: Vec<Value> = (0..seen.lines.len() / 2)
            .map(|at| {
                let status = statuses.get(at).copied().unwrap_or(409);
                let error = (status == 400).then(|| json!({ "type": "mapper", "reason": "no such field" }));
                json!({ "create": { "status": status, "error": error } })
            })
            .collect();
        Reply::Body(200, json!({ "errors": !statuses.is_empty(), "items": items }).to_string())
    });
    let sink = format!(
        "[sinks.x]\ntype = \"elasticsearch\"\nurl = \"{}\"\nindex = \"k\"\nencoding = \"json\"\nretry_max_ms = 20\nbatch_alerts_max = 4\n",
        receiver.origin()
    );
    let dir = place(4, &sink);
    let ran = run(dir.path(), &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("answers 400 (`no such field`)"), "{}", ran.stderr);
    let seen = receiver.seen();
    let ids = |seen: &Seen| {
        let actions = seen.lines.iter().step_by(2).map(|line| serde_json::from_str::<Value>(line).unwrap());
        actions.map(|action| action["create"]["_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let given = given(&ran.stdout);
    assert!(given.len() >= 4);
    assert_eq!(ids(&seen[0])[0], given[0]);
    // The first was created; from the second on it is tried again.
    assert!(seen[1..4].iter().all(|seen| ids(seen)[0] == given[1]));
    let mut all: Vec<String> = seen.iter().flat_map(ids).collect();
    all.sort();
    all.dedup();
    let mut given = given;
    given.sort();
    assert_eq!(all, given);
    for seen in &seen {
        for pair in seen.lines.chunks(2) {
            let document: Value = serde_json::from_str(&pair[1]).unwrap();
            assert!(pair[0].contains(&name(&document)), "each under its own name");
        }
    }
}

#[test]
fn splunk_is_asked_until_it_has_what_it_was_sent() {
    // The first is never acknowledged, the second at the third question.
    let receiver = Receiver::start(|seen| {
        if seen.path.ends_with("/event") {
            return Reply::Body(
                200,
                json!({ "text": "Success", "code": 0, "ackId": seen.number }).to_string(),
            );
        }
        let asked: Value = serde_json::from_str(&seen.body).unwrap();
        let number = asked["acks"][0].as_u64().unwrap();
        Reply::Body(
            200,
            json!({ "acks": { (number.to_string()): number > 0 && seen.number > 4 } }).to_string(),
        )
    });
    let sink = format!(
        "[sinks.x]\ntype = \"splunk_hec\"\nurl = \"{}\"\ntoken_file = \"token\"\nack_timeout_ms = 700\nretry_max_ms = 20\nstatuses = [\"open\"]\n",
        receiver.origin()
    );
    let dir = tempfile::tempdir().unwrap();
    secrets(dir.path(), &receiver.origin());
    one_alert(dir.path(), &sink);
    let ran = run(dir.path(), &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("not acknowledged them within `sinks.x.ack_timeout_ms`"), "{}", ran.stderr);
    let seen = receiver.seen();
    let events: Vec<&Seen> = seen.iter().filter(|seen| seen.path.ends_with("/event")).collect();
    assert!(events.len() >= 2 && events.iter().all(|one| one.body == events[0].body), "the same again");
    let channel = |seen: &Seen| {
        seen.headers.iter().find(|(name, _)| name == "x-splunk-request-channel").unwrap().1.clone()
    };
    assert!(seen.iter().all(|one| channel(one) == channel(&seen[0])));
    assert!(seen.iter().all(|one| one.authorization == "Splunk EXAMPLE-token"));
    assert!(seen.last().unwrap().path.ends_with("/ack"));
}

#[test]
fn a_token_that_acknowledges_nothing_is_told() {
    let receiver = Receiver::start(|seen| {
        Reply::Body(
            200,
            if seen.number > 1 { r#"{"ackId":1,"acks":{"1":true}}"# } else { r#"{"text":"Success"}"# }
                .to_owned(),
        )
    });
    let sink = format!(
        "[sinks.x]\ntype = \"splunk_hec\"\nurl = \"{}\"\ntoken_file = \"token\"\nretry_max_ms = 20\nstatuses = [\"open\"]\n",
        receiver.origin()
    );
    let dir = tempfile::tempdir().unwrap();
    secrets(dir.path(), &receiver.origin());
    one_alert(dir.path(), &sink);
    let ran = run(dir.path(), &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("or set `ack = false`"), "{}", ran.stderr);
}

#[test]
fn each_receiver_says_in_its_way_that_it_wants_to_wait_or_something_else() {
    let body = |status, text: &str| Reply::Body(status, text.to_owned());
    let with = |status, name, value: &str| Reply::With(status, name, value.to_owned());
    let unknown = r#"{"message":"Unknown Webhook","code":10015}"#;
    let firsts = [
        ("slack", with(429, "retry-after", "1"), "answers 429"),
        ("slack", body(400, "invalid_payload"), "answers 400 (`invalid_payload`)"),
        (
            "slack",
            with(302, "location", "http://127.0.0.1:1/"),
            "answers 302, a redirect, which is not followed",
        ),
        ("discord", body(404, unknown), "answers 404 (`Unknown Webhook`)"),
        ("teams", Reply::Hang, "has not answered within `sinks.x.timeout_ms`"),
        ("teams", Reply::Cut, "cannot be reached"),
    ];
    for (kind, first, told) in firsts {
        let receiver =
            Receiver::start(move |seen| if seen.number == 0 { first.clone() } else { Reply::Status(200) });
        let dir = tempfile::tempdir().unwrap();
        secrets(dir.path(), &receiver.origin());
        let sink = format!(
            "[sinks.x]\ntype = \"{kind}\"\nurl_file = \"hook\"\nhosts = [\"127.0.0.1\"]\nretry_max_ms = 20\ntimeout_ms = 1500\nstatuses = [\"open\"]\n"
        );
        one_alert(dir.path(), &sink);
        let ran = run(dir.path(), &[]);
        assert_eq!(ran.code, Some(0), "{kind}: {}", ran.stderr);
        assert!(
            ran.stderr.contains(told) && ran.stderr.contains("takes alerts again"),
            "{told}: {}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("EXAMPLE"), "{}", ran.stderr);
        let seen = receiver.seen();
        assert_eq!((seen.len(), &seen[0].body), (2, &seen[1].body), "{kind}");
    }
}

#[test]
fn telegram_says_in_its_answer_how_long() {
    let receiver = Receiver::start(|seen| match seen.number {
        0 => Reply::Body(
            429,
            r#"{"ok":false,"description":"Too Many Requests","parameters":{"retry_after":1}}"#.to_owned(),
        ),
        1 => Reply::Body(404, r#"{"ok":false,"description":"Not Found"}"#.to_owned()),
        _ => Reply::Body(200, r#"{"ok":true}"#.to_owned()),
    });
    let dir = tempfile::tempdir().unwrap();
    secrets(dir.path(), &receiver.origin());
    let sink = format!(
        "[sinks.x]\ntype = \"telegram\"\nurl = \"{}\"\nhosts = [\"127.0.0.1\"]\ntoken_file = \"token\"\nchat = \"1\"\nretry_max_ms = 20\nstatuses = [\"open\"]\n",
        receiver.origin()
    );
    one_alert(dir.path(), &sink);
    let ran = run(dir.path(), &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("answers 401 (`Not Found`): the token is missing or wrong"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("EXAMPLE"), "{}", ran.stderr);
    assert_eq!(receiver.seen().len(), 3);
}

#[test]
fn log_records_that_a_collector_does_not_take_are_told() {
    let receiver = Receiver::start(|seen| {
        let refused = if seen.number == 0 { "2" } else { "0" };
        let partial = json!({ "rejectedLogRecords": refused, "errorMessage": "too old" });
        Reply::Body(200, json!({ "partialSuccess": partial }).to_string())
    });
    let sink = format!("[sinks.x]\ntype = \"otlp\"\nurl = \"{}\"\nretry_max_ms = 20\n", receiver.origin());
    let dir = place(3, &sink);
    let ran = run(dir.path(), &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("(`2 log records are not taken: too old`)"), "{}", ran.stderr);
}

/// An answer that comes byte by byte is no answer in time.
#[test]
fn a_slow_drip_is_too_late() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                for byte in
                    b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n".iter().chain([b'x'].iter().cycle())
                {
                    std::thread::sleep(Duration::from_millis(20));
                    if stream.write_all(&[*byte]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    let sink = format!(
        "[sinks.x]\ntype = \"otlp\"\nurl = \"http://{address}\"\nretry_max_ms = 20\ntimeout_ms = 300\n"
    );
    let dir = place(1, &sink);
    let mut running = Running::with(dir.path(), &["log"]);
    running.wait_for("has not answered within `sinks.x.timeout_ms`");
    running.terminate();
    assert_eq!(running.end().code, Some(74));
}

/// One is away, one takes what is bad, one everything: none waits for another, and each has what is its own.
#[test]
fn each_sink_has_an_outbox_of_its_own() {
    let away = free_address();
    let all = Receiver::start(|_| Reply::Status(200));
    let worst = Receiver::start(|_| Reply::Status(200));
    let sinks = format!(
        "[sinks.away]\ntype = \"http\"\nurl = \"http://{away}\"\nretry_max_ms = 20\n[sinks.all]\ntype = \"http\"\nurl = \"{}\"\n[sinks.worst]\ntype = \"http\"\nurl = \"{}\"\nseverity_min = \"critical\"\n[sinks.archive]\ntype = \"file\"\npath = \"archive\"\nencoding = \"ocsf\"\n",
        all.origin(),
        worst.origin()
    );
    let dir = place(20, &sinks);
    let ran = run(dir.path(), &["--state", "state"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let names =
        |receiver: &Receiver| receiver.seen().iter().flat_map(|seen| given(&seen.body)).collect::<Vec<_>>();
    let written = given(&ran.stdout);
    assert!(!written.is_empty());
    assert_eq!(names(&all), written);
    let is_worst = |line: &&str| line.contains("\"severity\":\"critical\"");
    let bad: String = ran.stdout.lines().filter(is_worst).map(|line| format!("{line}\n")).collect();
    assert_eq!(names(&worst), given(&bad));
    let archive = fs::read_to_string(dir.path().join("archive")).unwrap();
    let uids =
        archive.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["metadata"]["uid"].clone());
    assert_eq!(uids.collect::<Vec<_>>(), written);
    let told = format!("{} alerts could not be delivered to sink `away` yet", written.len());
    assert!(ran.stderr.contains(&told), "{}", ran.stderr);
    assert!(!ran.stderr.contains("to sink `all`") && dir.path().join("state/outbox/away").is_dir());
    // In another form they would be carried as what they are not.
    let config = fs::read_to_string(dir.path().join("k.toml")).unwrap();
    let changed = config.replace("[sinks.away]", "[sinks.away]\nencoding = \"cef\"");
    fs::write(dir.path().join("k.toml"), changed).unwrap();
    let refused = run(dir.path(), &["--state", "state"]);
    assert_eq!(refused.code, Some(78), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("wait for it as `http json`, and now it is `http cef`"),
        "{}",
        refused.stderr
    );
    fs::write(dir.path().join("k.toml"), &config).unwrap();
    let back = Receiver::at(away, None, |_| Reply::Status(200));
    let again = run(dir.path(), &["--state", "state"]);
    assert_eq!((again.code, again.stdout.as_str()), (Some(0), ""), "{}", again.stderr);
    assert_eq!((names(&back), names(&all).len()), (written, 0));
}

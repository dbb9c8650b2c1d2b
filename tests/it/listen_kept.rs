//! What an answer promises: over `kill -9`, on a run that ends, and where there is no room for more.

use crate::listen::Posted;
use crate::support::record;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

/// Bodies of a month of a key that is stolen in the end, with request ids, some of them with a line that is none.
fn bodies() -> Vec<String> {
    let example = fs::read_to_string("config/examples/stolen-key.jsonl").unwrap();
    let lines: Vec<&str> = example.lines().collect();
    let with_id = |(number, line): (usize, &&str)| {
        let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["request_id"] = json!(format!("r{number}"));
        value.to_string()
    };
    let lines: Vec<String> = lines.iter().enumerate().map(with_id).collect();
    lines.chunks(40).map(|chunk| chunk.join("\n") + "\n").collect()
}

const OUTPUTS: [&str; 6] = ["--state", "state", "--output", "alerts", "--rejects", "rejects"];

/// Everything that a run left behind.
fn left(dir: &Path) -> BTreeMap<&'static str, String> {
    ["alerts", "rejects"].map(|name| (name, fs::read_to_string(dir.join(name)).unwrap_or_default())).into()
}

#[test]
fn what_was_answered_is_there_once_however_often_the_run_is_killed() {
    let bodies = bodies();
    let config = "[checkpoint]\ninterval_ms = 40\n";
    let alone = tempfile::tempdir().unwrap();
    fs::write(alone.path().join("k.toml"), config).unwrap();
    let args = [&["--config", "k.toml"], &OUTPUTS[..]].concat();
    let posted = Posted::start(alone.path(), &args);
    for body in &bodies {
        assert_eq!(posted.post(body).0, 200);
    }
    assert_eq!(posted.stop().0, Some(0));
    let expected = left(alone.path());
    assert!(expected["alerts"].lines().count() > 5);

    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("k.toml"), config).unwrap();
    let mut posted = Posted::start(dir.path(), &args);
    let (mut kills, mut told) = (0, String::new());
    for (number, body) in bodies.iter().enumerate() {
        assert_eq!(posted.post(body).0, 200, "body {number}");
        // At once, so that most of it is in the spool only; the pauses between are those of the machine.
        if number % 7 == 3 {
            posted.signal("KILL");
            told += &posted.end().1;
            posted = Posted::start(dir.path(), &args);
            kills += 1;
            // Its answer might have been lost: whoever sends it again changes nothing. (Bodies of real senders hold minutes,
            // for which requests are remembered; of these, which hold hours, the newest record does.)
            assert_eq!(posted.post(body.lines().last().unwrap()).0, 200);
        }
    }
    let (code, last) = posted.stop();
    assert_eq!(code, Some(0), "{last}");
    let from_spool = (told + &last).matches("are taken from the spool").count();
    assert!(kills > 5 && from_spool > 0, "{from_spool} of {kills}");
    let found = left(dir.path());
    for (name, expected) in expected {
        for (found, expected) in found[name].lines().zip(expected.lines()) {
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(found[name].lines().count(), expected.lines().count(), "{name}");
    }
}

#[test]
fn no_key_is_in_the_spool_nor_anywhere_else() {
    let dir = tempfile::tempdir().unwrap();
    // Made here, so that nobody takes it for a real one.
    let secret = format!("sk-proj-{}", "Zq7".repeat(16));
    let body = record(&[("api_key_prefix", json!(secret))])
        + &record(&[("timestamp", json!("yesterday")), ("model", json!(secret))])
        + &format!("{{\"unknown\":\"{secret}\"}}\n{secret}\n");
    let posted = Posted::start(dir.path(), &OUTPUTS);
    let head = format!("POST /{secret} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Key: {secret}\r\n");
    let answers = [posted.post(&body), posted.send(&head, &body)];
    assert_eq!(answers.each_ref().map(|(status, _)| *status), [200, 404]);
    posted.signal("KILL");
    let (_, told) = posted.end();
    let mut files = vec![dir.path().to_owned()];
    let mut texts = vec![told, format!("{answers:?}")];
    let mut is_spooled = false;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        is_spooled |= path.to_string_lossy().contains("posted/segment-");
        texts.push(String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned());
    }
    assert!(is_spooled);
    for text in texts {
        assert!(!text.contains(&secret[8..20]), "{text}");
    }
}

#[test]
fn a_spool_that_is_full_waits_for_a_checkpoint_and_asks_for_one() {
    let dir = tempfile::tempdir().unwrap();
    // No checkpoint would come by itself before the test is over.
    let config = "[checkpoint]\ninterval_ms = 3600000\n[listen]\nspool_bytes_max = 1048576\n";
    fs::write(dir.path().join("k.toml"), config).unwrap();
    let posted = Posted::start(dir.path(), &[&["--config", "k.toml"], &OUTPUTS[..]].concat());
    let mut sent = 0;
    for round in 0..6 {
        let body: String = (0..1500)
            .map(|number| {
                record(&[
                    ("request_id", json!(format!("{round}-{number}"))),
                    ("endpoint", json!(format!("/{}", "x".repeat(120)))),
                ])
            })
            .collect();
        assert_eq!(posted.post(&body).0, 200, "round {round}");
        sent += 1500;
        assert!(posted.metric("keyhound_listen_spool_bytes") <= 1 << 20);
    }
    assert!(posted.metric("keyhound_checkpoints_total") >= 2);
    let (code, told) = posted.stop();
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains(&format!("read {sent} = {sent} processed")), "{told}");
}

#[test]
fn where_nobody_takes_alerts_senders_are_told_to_come_again_and_nothing_answered_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let config = "[listen]\nqueue_bytes_max = 65536\nbody_bytes_max = 32768\nrequest_ms = 500\n[detectors.unknown_model]\nenabled = true\n";
    fs::write(dir.path().join("k.toml"), config).unwrap();
    let history: String =
        (0..400).map(|key| record(&[("api_key_prefix", json!(format!("...{key:04}")))])).collect();
    fs::write(dir.path().join("history"), history).unwrap();
    let mut posted = Posted::start(dir.path(), &["--config", "k.toml", "--history", "history"]);
    let mut stdout = posted.stdout();
    // Each record is an alert, of which nobody reads any: the pipe is full soon.
    let mut answered = 0;
    let refused = (0..400).find_map(|round| {
        let body: String = (0..60)
            .map(|number| {
                let key = (round * 60 + number) % 400;
                record(&[
                    ("api_key_prefix", json!(format!("...{key:04}"))),
                    ("model", json!(format!("new-{round}"))),
                    ("timestamp", json!("2026-06-02T09:00:00Z")),
                    ("request_id", json!(format!("{round}-{number}"))),
                ])
            })
            .collect();
        let (status, told) = posted.post(&body);
        answered += if status == 200 { 60 } else { 0 };
        (status != 200).then_some((status, told))
    });
    let (status, told) = refused.expect("somebody is told to come again");
    assert!(status == 503 && told.contains("no room; come again"), "{status} {told}");
    assert!(posted.outcome("busy") > 0);
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).unwrap();
        text.lines().count()
    });
    let (code, told) = posted.stop();
    assert_eq!(code, Some(0), "{told}");
    assert!(reader.join().unwrap() > 0);
    let read: u64 =
        told.lines().find_map(|line| line.strip_prefix("read ")?.split(' ').next()?.parse().ok()).unwrap();
    // One that was under way when its sender lost patience may be there, too: it would count once by its request id.
    assert!(read == answered + 400 || read == answered + 460, "{read} of {answered}: {told}");
}

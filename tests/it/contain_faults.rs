//! Containment where whoever is to obey does not answer, answers badly, or says no; and where keyhound is killed meanwhile.

use crate::contain::{
    came_to, configure, deeds, hash, keys, litellm, rule, start, steps, until, used, writes,
};
use crate::provider::{Asked, Provider, Said};
use crate::pull::{folder, secret};
use keyhound::engine::clock::Arrival;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A proxy that answers to blocking so often like this, and then as it should.
fn faulty(times: u64, fault: fn() -> Said) -> Provider {
    let (mut proxy, mut left) = (litellm(keys()), times);
    Provider::start(move |asked| {
        if asked.path() == "/key/block" && left > 0 {
            left -= 1;
            return fault();
        }
        proxy(asked)
    })
}

fn words(dir: &Path, status: &str) -> String {
    came_to(dir, status, "block")["description"].as_str().unwrap().to_owned()
}

/// Its name, how often, what is answered, what is told, and how often it is asked in all.
type Fault = (&'static str, u64, fn() -> Said, &'static str, usize);

#[test]
fn what_may_pass_is_tried_again_and_what_may_not_is_told() {
    let cut = || Said::Cut("{\"token\":".to_owned());
    let whole = || Said::Ok("{\"token\":".to_owned());
    let elsewhere = || Said::Status(302, "location: http://127.0.0.1:1/\r\n", String::new());
    let cases: [Fault; 11] = [
        ("500 twice", 2, || Said::Status(500, "", "{\"error\":\"x\"}".to_owned()), "done", 3),
        ("500 for ever", 99, || Said::Status(500, "", String::new()), "answered 500 (3 attempts)", 3),
        ("429", 1, || Said::Status(429, "retry-after: 0\r\n", String::new()), "done", 2),
        ("429 for long", 99, || Said::Status(429, "retry-after: 3000\r\n", String::new()), "answered 429", 1),
        (
            "401",
            99,
            || Said::Status(401, "", json!({"error": {"message": format!("no: {}", secret())}}).to_string()),
            "answered 401: no: [the key] (is the key in `key_file` the right one",
            1,
        ),
        ("403", 99, || Said::Status(403, "", String::new()), "that key has no right to do this", 1),
        ("404", 99, || Said::Status(404, "", String::new()), "answered 404", 1),
        ("redirect", 99, elsewhere, "a redirect, which is not followed", 1),
        ("cut off", 1, cut, "done", 2),
        ("no JSON", 1, whole, "done", 2),
        (
            "another answer",
            99,
            || Said::Ok("{\"token\":\"x\"}".to_owned()),
            "answered 200, but the key stands as it did",
            1,
        ),
    ];
    for (name, times, fault, told, attempts) in cases {
        let dir = folder();
        let proxy = faulty(times, fault);
        configure(dir.path(), &(rule("block", "litellm_block", &proxy.url) + "attempts_ms = 20000\n"));
        let mut run = start(dir.path());
        run.write(&used(&hash('a'), 0));
        let status = if told == "done" { "done" } else { "failed" };
        let said = words(dir.path(), status);
        assert!(told == "done" || said.contains(told), "{name}: {said}");
        let failing = format!("keyhound_contain_failing{{rule=\"block\"}} {}", u8::from(told != "done"));
        // It is written down before it is counted.
        until(&format!("{name}: {failing}"), || run.get("/metrics").body.contains(&failing));
        run.stop();
        assert_eq!(writes(&proxy.asked()).len(), attempts, "{name}");
        let intents = steps(dir.path()).iter().filter(|(status, _)| status == "intended").count();
        assert_eq!((intents, steps(dir.path()).len()), (1, 2), "{name}");
    }
}

#[test]
fn an_answer_that_drips_is_not_waited_for_and_the_next_rule_follows() {
    let dir = folder();
    let mut proxy = litellm(keys());
    let slow =
        Provider::start(move |asked| if asked.path() == "/key/block" { Said::Drip } else { proxy(asked) });
    let hook = Provider::start(|_| Said::Ok(String::new()));
    let last = rule("last", "webhook", &hook.url) + "signature_file = \"key\"\nirreversible = true\n";
    let first = rule("block", "litellm_block", &slow.url) + "timeout_ms = 300\nattempts_max = 1\n";
    configure(dir.path(), &(last + &first.replace("attempts_max = 3\n", "")));
    let mut run = start(dir.path());
    run.write(&used(&hash('a'), 0));
    came_to(dir.path(), "done", "last");
    run.stop();
    let order: Vec<String> =
        steps(dir.path()).into_iter().map(|(status, rule)| format!("{rule} {status}")).collect();
    assert_eq!(order, ["block intended", "block failed", "last intended", "last done"]);
    assert!(words(dir.path(), "failed").contains("was not there within 300 ms"));
}

#[test]
fn what_can_be_undone_is_enough() {
    let dir = folder();
    let (proxy, hook) = (Provider::start(litellm(keys())), Provider::start(|_| Said::Ok(String::new())));
    let hooked = rule("hook", "webhook", &hook.url) + "signature_file = \"key\"\nirreversible = true\n";
    let dry = rule("dry", "litellm_budget", &proxy.url).replace("dry_run = false\n", "");
    configure(dir.path(), &(hooked + &dry + &rule("block", "litellm_block", &proxy.url)));
    let mut run = start(dir.path());
    run.write(&used(&hash('a'), 0));
    came_to(dir.path(), "done", "block");
    run.stop();
    let order: Vec<String> =
        steps(dir.path()).into_iter().map(|(status, rule)| format!("{rule} {status}")).collect();
    assert_eq!(order, ["dry dry_run", "block intended", "block done"], "a dry run holds up nobody");
    assert!(hook.asked().is_empty());
}

/// Killed between the intent and the answer, the next run finds out what came of it; it does not do it a second time where
/// it was done, and does it where it was not.
#[test]
fn a_kill_in_the_middle_is_made_up_for() {
    for was_done in [true, false] {
        let dir = folder();
        let stage = Arc::new(AtomicU64::new(0));
        let (told, mut proxy) = (Arc::clone(&stage), litellm(keys()));
        let server = Provider::start(move |asked: &Asked| {
            if asked.path() == "/key/block" && told.load(Ordering::Relaxed) == 0 {
                if was_done {
                    proxy(asked);
                }
                told.store(1, Ordering::Relaxed);
                // Until the program is killed, and not for ever.
                let started = Arrival::now();
                while told.load(Ordering::Relaxed) == 1 && started.elapsed().as_secs() < 60 {
                    std::thread::sleep(Duration::from_millis(5));
                }
                return Said::Status(500, "", String::new());
            }
            proxy(asked)
        });
        configure(dir.path(), &rule("block", "litellm_block", &server.url));
        let mut run = start(dir.path());
        run.write(&used(&hash('a'), 0));
        until("asked", || stage.load(Ordering::Relaxed) == 1);
        run.kill();
        stage.store(2, Ordering::Relaxed);
        assert_eq!(steps(dir.path()).len(), 1, "the intent stands there before anybody is asked");
        let run = start(dir.path());
        let done = came_to(dir.path(), "done", "block");
        run.stop();
        assert_eq!(writes(&server.asked()).len(), if was_done { 1 } else { 2 });
        assert_eq!(done["description"].as_str().unwrap().contains("it was done"), was_done, "{done}");
        assert_eq!((steps(dir.path()).len(), &done["statement"]), (2, &json!("revoke")));
        assert_eq!(done["before"]["off"], json!(false), "as it was before the first attempt");
    }
}

#[test]
fn no_secret_is_told_and_the_journal_is_for_its_owner() {
    let dir = folder();
    let proxy = Provider::start(|asked: &Asked| {
        let key = asked.head.lines().find(|line| line.starts_with("authorization")).unwrap();
        Said::Status(401, "", json!({ "error": key }).to_string())
    });
    configure(dir.path(), &rule("block", "litellm_block", &proxy.url));
    let mut run = start(dir.path());
    run.write(&used(&hash('a'), 0));
    came_to(dir.path(), "failed", "block");
    let page = run.get("/metrics").body;
    run.stop();
    let (mut folders, mut files) = (vec![dir.path().to_owned()], 0);
    while let Some(path) = folders.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("key") {
                files += 1;
                let text = fs::read(&path).unwrap();
                assert!(!String::from_utf8_lossy(&text).contains("Qx7"), "{}", path.display());
            }
        }
    }
    assert!(files > 2 && !page.contains("Qx7"));
    let journal = dir.path().join("state/contain/journal.jsonl");
    assert_eq!(fs::metadata(journal).unwrap().permissions().mode() & 0o777, 0o600);
    let failed: Vec<Value> = deeds(dir.path());
    assert_eq!(
        (failed.len(), &failed[0]["answer_status"]),
        (1, &json!(401)),
        "nothing was intended: it was not found"
    );
}

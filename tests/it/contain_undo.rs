//! `keyhound contain`: what was done is listed, and undone.

use crate::contain::{came_to, configure, hash, keys, litellm, rule, start, steps, until, used, writes};
use crate::provider::{Provider, Said};
use crate::pull::folder;
use crate::support::{Ran, run_in};
use serde_json::json;
use std::fs;
use std::path::Path;

fn contain(dir: &Path, args: &[&str]) -> Ran {
    run_in(dir, &[&["contain"], args].concat(), b"")
}

fn undo(dir: &Path, id: &str, more: &[&str]) -> Ran {
    contain(dir, &[&["undo", id, "-c", "k.toml", "--state", "state"], more].concat())
}

#[test]
fn a_key_is_switched_on_again_and_stays_on() {
    let dir = folder();
    let proxy = Provider::start(litellm(keys()));
    let more = "[sinks.siem]\ntype = \"file\"\npath = \"siem\"\n";
    configure(dir.path(), &(rule("block", "litellm_block", &proxy.url) + more));
    let listed = contain(dir.path(), &["list", "--state", "state"]);
    assert_eq!((listed.code, listed.stdout.as_str()), (Some(66), ""), "{}", listed.stderr);
    let mut run = start(dir.path());
    run.write(&used(&hash('a'), 0));
    let done = came_to(dir.path(), "done", "block");
    let id = &done["id"].as_str().unwrap()[..12];
    let listed = contain(dir.path(), &["list", "--state", "state"]).stdout;
    assert!(listed.starts_with(&format!("{id}  ")) && listed.contains("  done "), "{listed}");
    assert!(listed.contains("before: on, limit none"), "{listed}");
    let would = undo(dir.path(), id, &["--dry-run"]);
    assert!(
        would.code == Some(0) && would.stdout.starts_with("would switch ...aaaa on again at http://"),
        "{} {}",
        would.stdout,
        would.stderr
    );
    let asked = undo(dir.path(), id, &[]);
    assert!(asked.code == Some(2) && asked.stderr.contains("say --yes"), "{}", asked.stderr);
    assert_eq!(writes(&proxy.asked()).len(), 1, "only what contained it");
    let undone = undo(dir.path(), id, &["--yes"]);
    assert_eq!(
        (undone.code, undone.stdout.as_str()),
        (Some(0), "rule block: undone, answered 200\n"),
        "{}",
        undone.stderr
    );
    assert_eq!(writes(&proxy.asked()), [format!("POST /key/unblock {{\"key\":\"{}\"}}", hash('a'))]);
    // The run hears of it, tells its sinks, and does not do it again for the same incident.
    let siem = || fs::read_to_string(dir.path().join("siem")).unwrap_or_default();
    until("the sink is told", || siem().contains("\"status\":\"undone\""));
    run.stop();
    let mut run = start(dir.path());
    for _ in 0..9 {
        run.write(&used(&hash('a'), 0));
    }
    run.stop();
    assert_eq!(writes(&proxy.asked()), Vec::<String>::new());
    let order: Vec<String> = steps(dir.path()).into_iter().map(|(status, _)| status).collect();
    assert_eq!(order, ["intended", "done", "undo_intended", "undone"]);
    let again = undo(dir.path(), id, &["--yes"]);
    assert!(again.code == Some(65) && again.stderr.contains("its last step is `undone`"), "{}", again.stderr);
}

/// The journal says when the key was revoked, to whoever looks into it afterwards.
#[test]
fn the_journal_is_proof_of_revocation() {
    let dir = folder();
    let proxy = Provider::start(litellm(keys()));
    configure(dir.path(), &rule("block", "litellm_block", &proxy.url));
    let mut run = start(dir.path());
    let stolen = used(&hash('a'), 0);
    run.write(&stolen);
    let done = came_to(dir.path(), "done", "block");
    run.stop();
    fs::write(dir.path().join("log"), stolen).unwrap();
    let journal = "state/contain/journal.jsonl";
    let args = ["investigate", "--json", "-c", "k.toml", "--key", "...aaaa", "log", journal];
    let ran = run_in(dir.path(), &args, b"");
    let report: serde_json::Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
    assert_eq!(report["verdict"]["revoked_at"], done["at"], "{report}");
    assert!(!ran.stderr.contains("rejected"), "{}", ran.stderr);
}

#[test]
fn a_limit_becomes_what_it_was_unless_somebody_has_changed_it_since() {
    for (before, told, now) in [
        (json!(null), "take the limit of ...aaaa at", None),
        (json!(100.0), "set the limit of ...aaaa at", None),
        (json!(100.0), "somebody has changed it since", Some("50.0")),
        (json!(100.0), "somebody has undone it already", Some("100.0")),
    ] {
        let dir = folder();
        let mut known = keys();
        known.get_mut(&hash('a')).unwrap()["max_budget"] = before.clone();
        let mut proxy = litellm(known);
        let mut is_set = false;
        let server = Provider::start(move |asked| {
            let said = proxy(asked);
            is_set |= asked.path() == "/key/update";
            match (said, now) {
                // Somebody changes it after keyhound did.
                (Said::Ok(text), Some(now)) if is_set && asked.path() == "/key/info" => {
                    Said::Ok(text.replace("\"max_budget\":5.0", &format!("\"max_budget\":{now}")))
                }
                (said, _) => said,
            }
        });
        configure(dir.path(), &(rule("limit", "litellm_budget", &server.url) + "limit_usd = 5.0\n"));
        let mut run = start(dir.path());
        run.write(&used(&hash('a'), 0));
        let done = came_to(dir.path(), "done", "limit");
        run.stop();
        server.asked();
        let id = done["id"].as_str().unwrap();
        let undone = undo(dir.path(), id, &["--dry-run"]);
        assert!(
            (undone.stdout.clone() + &undone.stderr).contains(told),
            "{} {}",
            undone.stdout,
            undone.stderr
        );
        let undone = undo(dir.path(), id, &["--yes"]);
        let written = writes(&server.asked());
        match now {
            None => {
                assert_eq!(undone.code, Some(0), "{}", undone.stderr);
                assert_eq!(
                    written,
                    [format!("POST /key/update {{\"key\":\"{}\",\"max_budget\":{before}}}", hash('a'))]
                );
            }
            Some(limit) => {
                assert_eq!((undone.code, written.len()), (Some(if limit == "50.0" { 65 } else { 0 }), 0));
            }
        }
    }
}

#[test]
fn what_cannot_be_undone_is_told() {
    let dir = folder();
    let hook = Provider::start(|_| Said::Ok(String::new()));
    let hooked = rule("hook", "webhook", &hook.url) + "signature_file = \"key\"\nirreversible = true\n";
    configure(dir.path(), &hooked);
    let mut run = start(dir.path());
    run.write(&used("...bbbb", 0));
    let done = came_to(dir.path(), "done", "hook");
    run.stop();
    let id = done["id"].as_str().unwrap();
    for (id, rules, code, told) in [
        (id, hooked.clone(), 65, "what `webhook` does cannot be undone"),
        (
            id,
            hooked.replace("\"hook\"", "\"other\""),
            78,
            "rule `hook` with the action `webhook` is not in the configuration any more",
        ),
        (id, String::new(), 78, "there is no `[[contain]]`"),
        ("ffff", hooked.clone(), 2, "nothing that was done has an id that begins with `ffff`"),
    ] {
        configure(dir.path(), &rules);
        let undone = undo(dir.path(), id, &["--yes"]);
        assert!(
            undone.code == Some(code) && undone.stderr.contains(told),
            "{:?} {}",
            undone.code,
            undone.stderr
        );
    }
    assert_eq!(hook.asked().len(), 1);
    // A receiver that can undo is told to.
    configure(dir.path(), &hooked.replace("irreversible = true\n", ""));
    assert_eq!(undo(dir.path(), id, &["--yes"]).code, Some(0));
    assert_eq!(hook.asked()[0].json()["ask"], "undo");
}

#[test]
fn a_test_asks_for_what_changes_nothing() {
    let dir = folder();
    let proxy = Provider::start(litellm(keys()));
    let wrong = Provider::start(|_| Said::Status(401, "", String::new()));
    let hook = "[[contain]]\nname = \"hook\"\naction = \"webhook\"\nurl = \"http://127.0.0.1:1\"\nsignature_file = \"key\"\n";
    configure(
        dir.path(),
        &(rule("block", "litellm_block", &proxy.url)
            + &rule("other", "anthropic_inactive", &wrong.url)
            + hook),
    );
    let tested = contain(dir.path(), &["test", "-c", "k.toml"]);
    assert_eq!(tested.code, Some(69), "{}", tested.stderr);
    for told in [
        "answered 200 to what changes nothing",
        "answered 401 (is the key",
        "not asked: whatever it is asked, it does",
    ] {
        assert!(tested.stdout.contains(told), "{}", tested.stdout);
    }
    assert_eq!(contain(dir.path(), &["test", "block", "-c", "k.toml"]).code, Some(0));
    let none = contain(dir.path(), &["test", "x", "-c", "k.toml"]);
    assert!(none.code == Some(2) && none.stderr.contains("there are block, other, hook"), "{}", none.stderr);
    assert_eq!(
        (writes(&proxy.asked()).len(), wrong.asked()[0].target.as_str()),
        (0, "/v1/organizations/api_keys?limit=1")
    );
}

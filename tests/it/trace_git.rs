//! Keys in git: wherever history can hide one it is found, with the commits that brought it and took it out.

use crate::leaks::{Repo, aws, leaks, of, openai, openrouter, run};
use serde_json::json;
use std::fs;

#[test]
fn what_was_removed_is_still_in_history() {
    let Some(mut repo) = Repo::new(&[]) else { return };
    let (gone, moved, kept) = (openai(1), aws(2), openrouter(3));
    repo.write("app/config.py", format!("import os\nKEY = \"{gone}\"\n"));
    let first = repo.commit("first");
    repo.write("infra.tf", format!("access = \"{moved}\"\n"));
    let second = repo.commit("second");
    repo.write("app/config.py", "import os\nKEY = os.environ[\"KEY\"]\n");
    let third = repo.commit("third");
    repo.git(&["mv", "infra.tf", "main.tf"]);
    repo.write("deploy.env", format!("KEY={kept}\n"));
    let fourth = repo.commit("fourth");
    repo.git(&["tag", "-a", "v1", "-m", "release"]);
    repo.git(&["branch", "old", &first]);
    for _ in 0..2 {
        let told = repo.leaks(&[], &[&gone, &moved, &kept]);
        assert_eq!(told.len(), 3, "{told:#?}");
        // The most urgent comes first, then what is known longest.
        let types: Vec<&str> = told.iter().map(|leak| leak["secret_type"].as_str().unwrap()).collect();
        assert_eq!(types, ["cloud_provider_key", "ai_provider_key", "ai_provider_key"]);
        let leak = of(&told, &gone);
        assert_eq!(
            (&leak["at_head"], &leak["pushed"], &leak["confidence"]),
            (&json!(false), &json!(false), &json!("high"))
        );
        let place = &leak["places"][0];
        assert_eq!(place["path"], "app/config.py");
        assert_eq!((&place["line"], &place["offset"]), (&json!(2), &json!(17)));
        assert_eq!((&place["added"]["id"], &place["removed"]["id"]), (&json!(first), &json!(third)));
        assert_eq!(
            (&place["added"]["author"], &place["added"]["date"]),
            (&json!("Ada <ada@example.org>"), &json!("2023-11-14T23:14:20+01:00"))
        );
        assert_eq!(
            (&place["refs"], &place["shown_by"]),
            (&json!(["main", "old", "tag v1"]), &json!(["old"]))
        );
        let places = of(&told, &moved)["places"].as_array().unwrap();
        let story = |at: usize| {
            json!([
                places[at]["path"],
                places[at]["added"]["id"],
                places[at]["removed"]["id"],
                places[at]["at_head"]
            ])
        };
        assert_eq!(story(0), json!(["infra.tf", second, fourth, false]));
        assert_eq!(story(1), json!(["main.tf", fourth, null, true]));
        let place = &of(&told, &kept)["places"][0];
        assert_eq!(
            (&place["added"]["id"], &place["at_head"], place.get("removed")),
            (&json!(fourth), &json!(true), None)
        );
        // Loose first, then packed.
        repo.git(&["gc", "-q", "--aggressive", "--prune=now"]);
    }
}

#[test]
fn stashes_notes_messages_tags_logs_and_the_index_are_searched() {
    let Some(mut repo) = Repo::new(&[]) else { return };
    let keys: Vec<String> = (10..18).map(openrouter).collect();
    repo.write("a", "a\n");
    let first = repo.commit("first");
    for at in [0, 1] {
        repo.write("a", format!("stashed {}\n", keys[at]));
        repo.git(&["stash", "-q"]);
    }
    repo.git(&["notes", "add", "-m", &format!("used {}", keys[2]), &first]);
    repo.commit(&format!("message\n\nwith {}", keys[3]));
    repo.git(&["tag", "-a", "v1", "-m", &format!("tag {}", keys[4])]);
    repo.write("a", format!("reset {}\n", keys[5]));
    repo.commit("reset");
    repo.git(&["reset", "-q", "--hard", "HEAD~1"]);
    repo.write("b", format!("staged {}\n", keys[6]));
    repo.git(&["add", "b"]);
    let object = repo.write("c", format!("lost {}\n", keys[7]));
    repo.git(&["hash-object", "-w", object.to_str().unwrap()]);
    fs::remove_file(object).unwrap();
    let all: Vec<&str> = keys.iter().map(String::as_str).collect();
    let kinds = ["stash", "stash", "note", "commit_message", "tag", "reflog", "staged", "unreachable"];
    let told = repo.leaks(&["--unreachable"], &all);
    for (key, kind) in all.iter().zip(kinds) {
        assert_eq!(of(&told, key)["places"][0]["kind"], kind);
    }
    let ran = run(repo.path(), &["--json", "--no-files", "."], &all);
    assert_eq!(ran.events().len(), 7, "{}", ran.stdout);
    assert!(ran.stderr.contains("1 more stand only in objects to which nothing leads"), "{}", ran.stderr);
}

#[test]
fn merges_remove_only_what_no_side_had_removed() {
    let Some(mut repo) = Repo::new(&[]) else { return };
    let (ours, evil) = (openrouter(20), openrouter(21));
    repo.write("a", "a\n");
    repo.write("key", format!("{ours}\n"));
    let first = repo.commit("first");
    repo.git(&["checkout", "-q", "-b", "side"]);
    repo.write("key", "none\n");
    let removed = repo.commit("removed on one side");
    repo.git(&["checkout", "-q", "main"]);
    repo.write("b", "b\n");
    repo.commit("meanwhile");
    repo.git(&["merge", "-q", "--no-commit", "side"]);
    repo.write("evil", format!("{evil}\n"));
    let merge = repo.commit("merge");
    let told = repo.leaks(&[], &[&ours, &evil]);
    let place = &of(&told, &ours)["places"][0];
    assert_eq!((&place["added"]["id"], &place["removed"]["id"]), (&json!(first), &json!(removed)));
    // What a merge itself brought in is in no difference to both sides, which `git log -p` would show.
    let place = &of(&told, &evil)["places"][0];
    assert_eq!((&place["added"]["id"], &place["at_head"]), (&json!(merge), &json!(true)));
}

#[test]
fn what_was_pushed_is_told_by_remote() {
    let Some(mut repo) = Repo::new(&[]) else { return };
    let (pushed, local, inside) = (openrouter(30), openrouter(31), aws(32));
    repo.write("a", format!("{pushed}\n"));
    let first = repo.commit("first");
    repo.write("b", format!("{local}\n"));
    repo.commit("second");
    let token = crate::leaks::draw(33, crate::leaks::ALNUM, 24) + "9z";
    repo.git(&["remote", "add", "origin", &format!("https://ada:{token}@github.com/o/r.git")]);
    repo.git(&["update-ref", "refs/remotes/origin/main", &first]);
    repo.write(".git/hooks/pre-push", format!("#!/bin/sh\nexport KEY={inside}\n"));
    let told = repo.leaks(&[], &[&pushed, &local, &inside, &token]);
    let leak = of(&told, &pushed);
    assert_eq!((&leak["pushed"], &leak["public_host"]), (&json!(true), &json!(true)));
    let remote = json!([{"name": "origin", "address": "github.com/o/r.git", "public_host": true}]);
    assert_eq!(leak["places"][0]["pushed_to"], remote);
    assert_eq!(of(&told, &local)["pushed"], json!(false));
    // What lies beside the history: a hook, and the password in the address itself.
    assert_eq!(of(&told, &inside)["places"][0]["path"], ".git/hooks/pre-push");
    let place = &of(&told, &token)["places"][0];
    assert_eq!((&place["kind"], &place["path"]), (&json!("repository_file"), &json!(".git/config")));
}

#[test]
fn nothing_in_a_repository_is_ever_run() {
    let Some(mut repo) = Repo::new(&[]) else { return };
    let key = openrouter(40);
    let witness = repo.path().join("witness");
    let command = format!("touch {}; cat", witness.display());
    repo.write(".gitattributes", "* filter=evil diff=evil\n");
    repo.write("a", format!("{key}\n"));
    repo.commit("first");
    for name in [
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "diff.evil.textconv",
        "diff.evil.command",
        "diff.external",
    ] {
        repo.git(&["config", name, &command]);
    }
    for name in [
        "core.fsmonitor",
        "core.sshCommand",
        "core.editor",
        "core.pager",
        "core.gitProxy",
        "credential.helper",
        "gpg.program",
    ] {
        repo.git(&["config", name, &format!("touch {}", witness.display())]);
    }
    for hook in ["post-checkout", "pre-auto-gc", "reference-transaction", "fsmonitor-watchman"] {
        let path = repo.write(&format!(".git/hooks/{hook}"), format!("#!/bin/sh\n{command}\n"));
        #[cfg(unix)]
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    for args in [&["."][..], &[".", "--unreachable"], &[".", "--no-files"]] {
        let told = leaks(repo.path(), args, &[&key]);
        assert_eq!(told.len(), 1, "{told:#?}");
        assert!(!witness.exists(), "{args:?}");
    }
}

#[test]
fn odd_names_are_names() {
    let Some(mut repo) = Repo::new(&[]) else { return };
    let key = openrouter(50);
    let names = [
        "--upload-pack=touch witness",
        "-c",
        "a\nb",
        "\u{1b}[2Jclear",
        "\u{202e}fdp.exe",
        "-",
        "{}$(touch witness)`",
    ];
    for (at, name) in names.iter().enumerate() {
        repo.write(name, format!("{at}\n{key}\n"));
    }
    repo.commit("first");
    repo.git(&["update-ref", "refs/heads/--all", "HEAD"]);
    let told = repo.leaks(&[], &[&key]);
    let mut paths: Vec<&str> =
        told[0]["places"].as_array().unwrap().iter().map(|place| place["path"].as_str().unwrap()).collect();
    paths.sort_unstable();
    let mut expected = names.to_vec();
    expected.sort_unstable();
    assert_eq!(paths, expected);
    assert!(!repo.path().join("witness").exists());
    let ran = run(repo.path(), &["--", "."], &[&key]);
    assert_eq!(crate::support::line_that_acts(&ran.stdout), None);
    assert_eq!(crate::support::line_that_acts(&ran.stderr), None);
    // A folder that is called like an option.
    fs::create_dir(repo.path().join("-d")).unwrap();
    fs::write(repo.path().join("-d/x"), format!("{key}\n")).unwrap();
    assert_eq!(
        leaks(repo.path(), &["--no-history", "--", "-d"], &[&key])[0]["places"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn a_key_never_shows_even_where_names_hold_it() {
    let Some(repo) = Repo::new(&[]) else { return };
    let (known, odd) = (openrouter(60), "correct-horse-battery-staple".to_owned());
    for key in [&known, &odd] {
        repo.write(&format!("dir-{key}/{key}.txt"), format!("{key}\n"));
        repo.git(&["add", "-A"]);
        repo.git(&["commit", "-q", "--author", &format!("{key} <{key}@example.org>"), "-m", key]);
        repo.git(&["branch", &format!("b-{key}")]);
        repo.git(&["tag", "-a", &format!("t-{key}"), "-m", key]);
        repo.git(&["remote", "add", &format!("r-{key}"), &format!("https://{key}@example.org/{key}")]);
    }
    let key_file = repo
        .path()
        .parent()
        .unwrap()
        .join(format!("{}.keys", repo.path().file_name().unwrap().to_str().unwrap()));
    fs::write(&key_file, format!("{known}\r\n\n{odd}\n")).unwrap();
    let told = leaks(repo.path(), &[".", "--key-file", key_file.to_str().unwrap()], &[&known, &odd]);
    fs::remove_file(key_file).unwrap();
    assert_eq!(told.len(), 2, "{told:#?}");
    let ran = run(repo.path(), &["--min-confidence", "low", "."], &[&known]);
    assert_eq!(ran.code, Some(0));
    let told = of(&told, &known);
    assert_eq!((&told["confidence"], &told["pattern"]), (&json!("certain"), &json!("openrouter")));
}

#[test]
fn fingerprints_find_keys_of_any_form() {
    let Some(mut repo) = Repo::new(&[]) else { return };
    let (known, odd) = (openrouter(70), "correct-horse-battery-staple");
    repo.write("a", format!("a {known} b\n"));
    repo.write("b", format!("login({odd:?})\n"));
    repo.commit("first");
    let told = repo.leaks(&[], &[&known]);
    let id = told[0]["key_id"].as_str().unwrap();
    let told = repo.leaks(&["--fingerprint", id], &[&known, odd]);
    assert_eq!((told.len(), &told[0]["key_id"]), (1, &json!(id)));
    let hash_of = sha256(odd);
    let told = repo.leaks(&["--fingerprint", &hash_of], &[&known, odd]);
    assert_eq!((told.len(), &told[0]["places"][0]["path"]), (1, &json!("b")));
    let ran = run(repo.path(), &["--fingerprint", odd], &[odd]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

fn sha256(text: &str) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

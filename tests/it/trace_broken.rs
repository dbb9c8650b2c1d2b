//! Repositories that are damaged, cut short or of another make: what can be read is read, what cannot is told.

use crate::leaks::{ALNUM, Repo, draw, leaks, of, openrouter, run};
use crate::support::run_in;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[cfg(unix)]
fn overwrite(path: &Path, bytes: &[u8]) {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

#[cfg(unix)]
#[test]
fn damage_anywhere_is_told_and_the_rest_is_read() {
    let Some(mut repo) = Repo::new(&[]) else { return };
    let key = openrouter(1);
    for at in 0..3 {
        repo.write(&format!("dir{at}/a"), draw(at, ALNUM, 3000));
        repo.commit("more");
    }
    repo.write("key", format!("{key}\n"));
    repo.commit("key");
    let blob = repo.git(&["rev-parse", "HEAD:key"]);
    for packed in [false, true] {
        if packed {
            repo.git(&["gc", "-q", "--prune=now"]);
        }
        let mut all = Vec::new();
        files(&repo.path().join(".git/objects"), &mut all);
        let mut told = 0;
        for path in all {
            let whole = fs::read(&path).unwrap();
            let is_it = path.ends_with(format!("{}/{}", &blob[..2], &blob[2..]));
            let middle = whole.len() / 2;
            let flipped: Vec<u8> = whole
                .iter()
                .enumerate()
                .map(|(at, byte)| if at == middle { byte ^ 0x55 } else { *byte })
                .collect();
            for bytes in [&b""[..], &whole[..middle], b"rubbish rubbish rubbish rubbish rubbish", &flipped] {
                overwrite(&path, bytes);
                let ran = run_in(repo.path(), &["trace-leak", "--json", "--no-files", "."], b"");
                assert!(!ran.stdout.contains(&key[..20]) && !ran.stderr.contains(&key[..20]));
                assert!([Some(0), Some(65)].contains(&ran.code), "{}: {}", path.display(), ran.stderr);
                told += usize::from(ran.stderr.contains("not searched"));
                assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
                if !packed && !is_it {
                    assert_eq!(ran.events().len(), 1, "{}: {}", path.display(), ran.stderr);
                }
            }
            overwrite(&path, &whole);
        }
        assert!(told > 5, "{told} were told");
    }
}

#[test]
fn shallow_bare_borrowed_and_nested_repositories_are_read() {
    let Some(mut repo) = Repo::new(&[]) else { return };
    let (old, new) = (openrouter(10), openrouter(11));
    repo.write("a", format!("{old}\n"));
    repo.commit("first");
    repo.write("a", format!("{new}\n"));
    repo.commit("second");
    let outside = tempfile::tempdir().unwrap();
    let to = |name: &str| outside.path().join(name).to_str().unwrap().to_owned();
    let url = format!("file://{}", repo.path().display());
    repo.git(&["clone", "-q", "--depth", "1", &url, &to("shallow")]);
    repo.git(&["clone", "-q", "--bare", &url, &to("bare.git")]);
    repo.git(&["clone", "-q", "--shared", repo.path().to_str().unwrap(), &to("borrowed")]);
    repo.git(&["worktree", "add", "-q", &to("worktree"), "HEAD~1"]);
    let keys = [old.as_str(), new.as_str()];
    let leaks = |name: &str| run(outside.path(), &["--json", name], &keys);
    let ran = leaks("shallow");
    assert_eq!(ran.events().len(), 1);
    assert!(ran.stderr.contains("the clone is shallow"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("missing"), "{}", ran.stderr);
    for name in ["bare.git", "borrowed", "worktree"] {
        let ran = leaks(name);
        assert_eq!(ran.events().len(), 2, "{name}: {}", ran.stderr);
        assert!(!ran.stderr.contains("not searched"), "{name}: {}", ran.stderr);
    }
    let told = leaks("borrowed").events();
    assert_eq!(of(&told, &new)["pushed"], json!(true));
    // A folder with repositories in it: each is read, with its history.
    let told = leaks(".").events();
    assert_eq!(told.len(), 2);
    assert!(of(&told, &old)["places_total"].as_u64() >= Some(3), "{told:#?}");
}

#[test]
fn repositories_of_sha_256_are_read() {
    let Some(mut repo) = Repo::new(&["--object-format=sha256"]) else { return };
    let key = openrouter(20);
    repo.write("a", format!("{key}\n"));
    let first = repo.commit("first");
    assert_eq!(first.len(), 64);
    repo.write("a", "none\n");
    let second = repo.commit("second");
    for _ in 0..2 {
        let told = repo.leaks(&[], &[&key]);
        let place = &told[0]["places"][0];
        assert_eq!((&place["added"]["id"], &place["removed"]["id"]), (&json!(first), &json!(second)));
        repo.git(&["gc", "-q"]);
    }
}

#[test]
fn large_files_are_read_in_pieces() {
    let Some(mut repo) = Repo::new(&[]) else { return };
    let (in_front, at_end) = (openrouter(30), openrouter(31));
    let mut text = draw(32, ALNUM, 64).into_bytes();
    text.push(b'\n');
    let mut text = text.repeat(150_000);
    text.splice(0..0, format!("{in_front}\n").into_bytes());
    text.extend_from_slice(at_end.as_bytes());
    repo.write("large", &text);
    repo.commit("large");
    for _ in 0..2 {
        let told = repo.leaks(&[], &[&in_front, &at_end]);
        assert_eq!(of(&told, &in_front)["places"][0]["line"], 1);
        let place = &of(&told, &at_end)["places"][0];
        assert_eq!((&place["line"], &place["offset"]), (&json!(150_002), &json!(text.len() - at_end.len())));
        repo.git(&["gc", "-q"]);
    }
}

/// What a repository borrows from is named by a file of it: it may lead anywhere, or nowhere.
#[test]
fn what_is_borrowed_is_read_and_what_cannot_be_is_told() {
    let Some(mut repo) = Repo::new(&[]) else { return };
    let (old, new) = (openrouter(50), openrouter(51));
    repo.write("a", format!("{old}\n"));
    repo.commit("first");
    let outside = tempfile::tempdir().unwrap();
    let to = |name: &str| outside.path().join(name);
    let shared = to("shared");
    repo.git(&["clone", "-q", "--shared", repo.path().to_str().unwrap(), shared.to_str().unwrap()]);
    fs::write(shared.join("b"), format!("{new}\n")).unwrap();
    let list = shared.join(".git/objects/info/alternates");
    let own = fs::read_to_string(&list).unwrap();
    let keys = [old.as_str(), new.as_str()];
    let trace = |text: &[u8]| {
        let _ = fs::remove_file(&list);
        fs::write(&list, text).unwrap();
        run(outside.path(), &["--json", "--no-files", "shared"], &keys)
    };
    let objects = shared.join(".git/objects");
    let cases: [(Vec<u8>, i32, usize, &str); 7] = [
        (own.clone().into_bytes(), 0, 1, ""),
        (format!("# of the team\n\n\"{}\"\n", own.trim()).into_bytes(), 0, 1, ""),
        (format!("/nowhere/objects\n{own}").into_bytes(), 0, 1, "objects are borrowed from /nowhere/objects"),
        (b"../../nowhere\x1b[31m\n".to_vec(), 0, 0, "which is not there"),
        (format!("{}\n", objects.display()).into_bytes(), 65, 0, "leads in a circle"),
        (format!("{}\n", shared.join("b").display()).into_bytes(), 65, 0, "which is no folder"),
        (b"/nowhere\n".repeat(200_000), 65, 0, "is longer than"),
    ];
    for (text, code, count, told) in cases {
        let ran = trace(&text);
        assert_eq!((ran.code, ran.events().len()), (Some(code), count), "{told}: {}", ran.stderr);
        assert!(ran.stderr.contains(told) && !ran.stderr.contains('\u{1b}'), "{told}: {}", ran.stderr);
    }
    // Two that borrow from one another, and a link that never ends.
    let ring = repo.path().join(".git/objects/info/alternates");
    fs::write(&ring, format!("{}\n", objects.display())).unwrap();
    let ran = trace(own.as_bytes());
    assert_eq!(ran.code, Some(65));
    assert!(ran.stderr.contains("leads in a circle"), "{}", ran.stderr);
    fs::remove_file(&ring).unwrap();
    // Found in a folder, one that is refused does not keep the rest from being searched.
    fs::write(to("c"), format!("{new}\n")).unwrap();
    fs::write(&list, format!("{}\n", objects.display())).unwrap();
    let ran = run(outside.path(), &["--json", "."], &keys);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("leads in a circle") && !ran.events().is_empty(), "{}", ran.stderr);
}

#[test]
fn a_submodule_is_one_repository_however_it_is_found() {
    let Some(mut inner) = Repo::new(&[]) else { return };
    let key = openrouter(60);
    inner.write("a", format!("{key}\n"));
    inner.commit("in");
    inner.write("a", "gone\n");
    inner.commit("out");
    let Some(mut repo) = Repo::new(&[]) else { return };
    repo.git(&["submodule", "-q", "add", inner.path().to_str().unwrap(), "lib/sub"]);
    repo.commit("with a submodule");
    let linked = tempfile::tempdir().unwrap();
    let tree = linked.path().join("tree");
    repo.git(&["worktree", "add", "-q", tree.to_str().unwrap(), "-b", "side"]);
    for (dir, name) in [(repo.path(), "."), (linked.path(), "tree")] {
        let told = leaks(dir, &[name], &[&key]);
        assert_eq!(told.len(), 1, "{name}");
        assert_eq!(told[0]["places_total"], 1, "told once: {told:#?}");
        assert!(!told[0]["places"].to_string().contains(".."), "no detours: {told:#?}");
    }
    // A repository that is not where it is said to be is told, and the rest searched.
    fs::write(repo.path().join("lib/sub/.git"), "gitdir: /nowhere/at/all\n").unwrap();
    fs::write(repo.path().join("b"), format!("{key}\n")).unwrap();
    let ran = run(repo.path(), &["--json", "."], &[&key]);
    assert_eq!((ran.code, ran.events().len()), (Some(0), 1), "{}", ran.stderr);
    assert!(ran.stderr.contains("not a repository that can be read"), "{}", ran.stderr);
}

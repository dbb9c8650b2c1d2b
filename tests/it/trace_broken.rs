//! Repositories that are damaged, cut short or of another make: what can be read is read, what cannot is told.

use crate::leaks::{ALNUM, Repo, draw, of, openrouter, run};
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

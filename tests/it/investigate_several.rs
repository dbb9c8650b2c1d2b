//! Several keys that are looked into at once.

use crate::investigate::{investigate, log, requests, thief, weeks};
use crate::support::run_in;
use std::path::Path;

/// All files of a folder, those in the folders of it too.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap()))
        .collect();
    all.sort();
    all
}

#[test]
fn several_keys_at_once_are_each_as_if_it_were_alone() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let of = |key: i64| {
        let mut all = [weeks(0), thief()].concat();
        for one in &mut all {
            one.1 =
                one.1.replace("req_0_", &format!("req_{key}_")).replace("...key0", &format!("...key{key}"));
        }
        all
    };
    log(dir, "log", &mut [of(0), weeks(1), of(2)].concat());
    let keys = ["key0", "key1", "key2"];
    let many = [&["-o", "cases", "log"], &keys.map(|key| ["--key", key]).concat()[..]].concat();
    let ran = run_in(dir, &[&["investigate", "--quiet"], &many[..]].concat(), b"");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let mut cases: Vec<_> =
        std::fs::read_dir(dir.join("cases")).unwrap().map(|folder| folder.unwrap().path()).collect();
    cases.sort();
    assert_eq!(cases.len(), 3);
    for (key, case) in keys.iter().zip(&cases) {
        assert!(case.file_name().unwrap().to_str().unwrap().starts_with(key));
        let alone = investigate(dir, &["--key", key, "-o", key, "log"]);
        assert_eq!(requests(&alone, "attacker") > 0, *key != "key1");
        assert_eq!(files(case), files(&dir.join(key)), "{key}");
    }
}

#[test]
fn what_several_keys_cannot_have_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    log(dir, "log", &mut [weeks(0), weeks(1)].concat());
    for (args, code, said) in [
        (&["-k", "key0", "-k", "key1", "log"][..], 2, "--output"),
        (&["-k", "key0", "-k", "key1", "-o", "cases", "--pack", "case.tar", "log"], 2, "one --key at a time"),
        (&["-k", "key0", "-k", "...key0", "-o", "cases", "log"], 2, "`key0` and `...key0` are the same key"),
        (&["-k", "key0", "-k", "nobody", "-o", "cases", "log"], 65, "named `nobody`"),
    ] {
        let ran = run_in(dir, &[&["investigate", "--quiet"], args].concat(), b"");
        assert_eq!(ran.code, Some(code), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{args:?}: {}", ran.stderr);
        assert!(!dir.join("cases").exists(), "{args:?}");
    }
}

//! The house rules that clippy cannot hold.

use std::fs;
use std::path::PathBuf;

fn sources(dir: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut todo = vec![PathBuf::from(dir)];
    while let Some(path) = todo.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path.clone(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// What stands before the tests at the foot of a file.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}

#[test]
fn files_can_be_read_in_one_sitting_and_say_what_they_are() {
    for (path, text) in sources("src").into_iter().chain(sources("tests")) {
        assert!(text.starts_with("//! "), "{} opens with `//!`", path.display());
        let lines = text.lines().count();
        assert!(lines <= 500, "{} has {lines} lines", path.display());
    }
}

#[test]
fn the_middle_is_pure() {
    let pure = [
        "frame",
        "unwrap",
        "decode",
        "normalise",
        "networks",
        "incident",
        "join",
        "window",
        "baseline",
        "detect",
        "shard",
        "encode",
        "reconcile",
        "json",
        "time",
    ];
    let impure = [
        "std::fs",
        "std::env",
        "std::process",
        "std::thread",
        "std::time::",
        "SystemTime",
        "Instant",
        "std::io::stdin",
        "std::io::stdout",
        "TcpStream",
        "UdpSocket",
        "tokio::",
        "tracing::",
        "println!",
        "eprintln!",
        "rand::",
    ];
    for stage in pure {
        for (path, text) in sources(&format!("src/{stage}")) {
            for word in impure {
                // Framing implements a trait of tokio-util, which starts no task.
                assert!(!without_tests(&text).contains(word), "{} uses {word}", path.display());
            }
        }
    }
}

#[test]
fn modules_stand_in_the_order_of_the_flow() {
    let map = fs::read_to_string("src/lib.rs").unwrap();
    let order = [
        "frame",
        "unwrap",
        "decode",
        "normalise",
        "join",
        "window",
        "baseline",
        "detect",
        "shard",
        "encode",
        "sink",
        "engine",
        "cli",
    ];
    let places: Vec<_> =
        order.iter().map(|name| map.find(&format!("pub mod {name};")).expect(name)).collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string("Cargo.toml").unwrap();
    let section = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let comments = section.lines().filter(|line| line.starts_with('#')).count();
    assert!(comments >= 12, "{comments} reasons");
}

#[test]
fn shipped_texts_name_no_private_path() {
    let alone = ["README.md", "CHANGELOG.md", "config/keyhound.toml", "config/examples/stolen-key.jsonl"];
    let mut todo: Vec<PathBuf> = alone.into_iter().chain(["deploy"]).map(PathBuf::from).collect();
    let mut count = 0;
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let (name, text) = (path.display(), fs::read_to_string(&path).unwrap());
        assert!(!text.trim().is_empty(), "{name} is empty");
        for folder in ["home", "root", "work", "tmp"] {
            assert!(!text.contains(&format!("/{folder}/")), "{name} names a path under /{folder}");
        }
        count += 1;
    }
    assert!(count > alone.len() + 10, "{count} texts");
}

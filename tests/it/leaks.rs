//! Keys that never were, and repositories to plant them in.

use crate::support::{Ran, run_in};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// So many characters of a key must not show in a row.
const PIECE: usize = 9;

/// Characters that look drawn by chance, the same for the same number.
pub fn draw(seed: u64, alphabet: &str, count: usize) -> String {
    let alphabet: Vec<char> = alphabet.chars().collect();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        alphabet[usize::try_from(state >> 33).unwrap() % alphabet.len()]
    };
    (0..count).map(|_| next()).collect()
}

pub const HEX: &str = "0123456789abcdef";
pub const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A key in the form of one provider.
pub fn openrouter(seed: u64) -> String {
    format!("sk-{}-v1-{}", "or", draw(seed, HEX, 64))
}

/// In the form of another, with its mark.
pub fn openai(seed: u64) -> String {
    format!(
        "sk-{}-{}{}{}",
        "proj",
        draw(seed, ALNUM, 74),
        ["T3Blbk", "FJ"].concat(),
        draw(seed + 1, ALNUM, 74)
    )
}

/// Of a cloud.
pub fn aws(seed: u64) -> String {
    format!("{}{}", ["AK", "IA"].concat(), draw(seed, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16))
}

/// A repository.
pub struct Repo {
    dir: tempfile::TempDir,
    clock: u32,
}

impl Repo {
    /// An empty one; none where there is no git, which is said.
    pub fn new(args: &[&str]) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let repo = Self { dir, clock: 0 };
        if Command::new("git").arg("--version").stdout(Stdio::null()).status().is_err() {
            eprintln!("skipped: there is no git here");
            return None;
        }
        repo.git(&[&["init", "-q", "-b", "main"], args].concat());
        Some(repo)
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Runs git, and gives what it says.
    pub fn git(&self, args: &[&str]) -> String {
        let date = format!("{} +0100", 1_700_000_000 + u64::from(self.clock) * 60);
        let output = Command::new("git")
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date)
            .args([
                "-c",
                "user.name=Ada",
                "-c",
                "user.email=ada@example.org",
                "-c",
                "protocol.file.allow=always",
            ])
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Commits everything, a minute after the last commit, and gives the commit's name.
    pub fn commit(&mut self, message: &str) -> String {
        self.clock += 1;
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Looks for leaks in the history, and gives what is told.
    pub fn leaks(&self, args: &[&str], keys: &[&str]) -> Vec<Value> {
        leaks(self.path(), &[&[".", "--no-files"], args].concat(), keys)
    }
}

/// Looks for leaks, and gives what is told. None of the keys may show.
pub fn leaks(dir: &Path, args: &[&str], keys: &[&str]) -> Vec<Value> {
    let ran = run(dir, &[&["--json"], args].concat(), keys);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.events()
}

/// Runs the command twice, as text and as it was asked for. None of the keys may show.
pub fn run(dir: &Path, args: &[&str], keys: &[&str]) -> Ran {
    let words: Vec<&str> = args.iter().copied().filter(|arg| *arg != "--json").collect();
    for args in [&words[..], args] {
        let ran = run_in(dir, &[&["trace-leak"], args].concat(), b"");
        for key in keys {
            assert!(!shows(&ran.stdout, key) && !shows(&ran.stderr, key), "{args:?} shows a key");
        }
    }
    run_in(dir, &[&["trace-leak"], args].concat(), b"")
}

/// Whether a text shows so much of a key that it helps somebody.
fn shows(text: &str, key: &str) -> bool {
    let key: Vec<char> = key.chars().filter(|c| *c != '\n').collect();
    key.windows(PIECE).any(|piece| text.contains(&piece.iter().collect::<String>()))
}

/// The last four characters of a key, as they are shown.
pub fn hint(key: &str) -> String {
    format!("...{}", &key[key.len() - 4..])
}

/// What is told of one key.
pub fn of<'a>(leaks: &'a [Value], key: &str) -> &'a Value {
    let hint = hint(key);
    let found: Vec<&Value> = leaks.iter().filter(|leak| leak["api_key_prefix"] == hint.as_str()).collect();
    assert_eq!(found.len(), 1, "{hint} is told once: {leaks:#?}");
    found[0]
}

//! Secrets from files, read again with each attempt: whoever renews them tells nobody.

use crate::config::KeyFrom;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// Longer ones are none.
const BYTES_MAX: u64 = 16 << 10;

/// How long a program may take to tell a secret.
const COMMAND_WITHIN: Duration = Duration::from_secs(30);

/// What a key is now: whoever renews it tells nobody. `None` where nobody asks for one.
pub async fn key(from: &KeyFrom) -> Result<Option<String>, String> {
    match from {
        KeyFrom::Nowhere => Ok(None),
        KeyFrom::File(path) => read(path).await.map(Some),
        KeyFrom::Command(command) => ask(command).await.map(Some),
    }
}

/// A text of somebody else without the key, which he may have repeated.
pub fn without(text: &str, key: Option<&str>) -> String {
    match key {
        Some(key) if !key.is_empty() => text.replace(key, "[the key]"),
        _ => text.to_owned(),
    }
}

/// What a file holds now, without what surrounds it; else why there is no secret in it, and never the secret.
pub async fn read(path: &Path) -> Result<String, String> {
    let told = |why: &str| format!("{}: {why}", path.display());
    let read = async {
        let mut text = String::new();
        let file = tokio::fs::File::open(path).await?;
        file.take(BYTES_MAX).read_to_string(&mut text).await?;
        std::io::Result::Ok(text)
    };
    let text = read.await.map_err(|error| told(&error.to_string()))?;
    checked(&text).map_err(told)
}

/// What a program writes to its standard output, without what surrounds it. It is started as it is named, without a
/// shell; what it says on standard error is not shown, for it may say too much.
pub async fn ask(command: &[String]) -> Result<String, String> {
    let (name, args) = command.split_first().ok_or("names no program")?;
    let told = |why: &str| format!("{name}: {why}");
    let mut asked = tokio::process::Command::new(name);
    asked.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let asking = async {
        let mut child = asked.spawn()?;
        let mut text = String::new();
        if let Some(output) = child.stdout.take() {
            output.take(BYTES_MAX).read_to_string(&mut text).await?;
        }
        std::io::Result::Ok((text, child.wait().await?))
    };
    let Ok(answered) = tokio::time::timeout(COMMAND_WITHIN, asking).await else {
        return Err(told(&format!("did not end within {} seconds", COMMAND_WITHIN.as_secs())));
    };
    let (text, status) = answered.map_err(|error| told(&error.to_string()))?;
    if !status.success() {
        return Err(told(&format!("ended with {status}")));
    }
    checked(&text).map_err(|why| told(&format!("what it wrote {why}")))
}

fn checked(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty");
    }
    if text.chars().any(char::is_control) {
        return Err("holds something that cannot stand in a header");
    }
    Ok(text.to_owned())
}

//! Secrets from files, read again with each attempt: whoever renews them tells nobody.

use super::carrier::Answer;
use std::path::Path;
use tokio::io::AsyncReadExt;

/// Longer ones are none.
const BYTES_MAX: u64 = 16 << 10;

/// What a file holds now, without what surrounds it; `setting` is what names the file.
pub async fn read(setting: &'static str, path: &Path) -> Result<String, Answer> {
    let told = |why: &str| Answer::NoSecret(setting, format!("{}: {why}", path.display()));
    let read = async {
        let mut text = String::new();
        let file = tokio::fs::File::open(path).await?;
        file.take(BYTES_MAX).read_to_string(&mut text).await?;
        std::io::Result::Ok(text)
    };
    let text = read.await.map_err(|error| told(&error.to_string()))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(told("is empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(told("holds something that cannot stand in a header"));
    }
    Ok(text.to_owned())
}

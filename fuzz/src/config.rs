//! Configurations: whatever stands in them, the answer is a plan or an error that says where.

use keyhound::config::{Config, Plan};

/// Any text. Settings that name files are not followed: fuzzing opens nothing.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let config = match Config::parse("fuzz.toml", text) {
        Ok(config) => config,
        Err(error) => return told(&error.to_string()),
    };
    let names_files = [&config.fingerprint.salt_file, &config.prices.litellm_file];
    if !config.prices.files.is_empty() || names_files.iter().any(|path| !path.as_os_str().is_empty()) {
        return;
    }
    if let Err(error) = Plan::new(&config, "fuzz.toml", text) {
        told(&error.to_string());
    }
}

fn told(error: &str) {
    let what = error.strip_prefix("fuzz.toml:").expect("an error names the file");
    assert!(!what.trim().is_empty(), "an error says what is wrong: {error}");
}

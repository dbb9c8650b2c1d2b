//! What the system tells of this process (Linux).

use super::clock;
use std::sync::OnceLock;

/// Memory in use now.
pub fn resident_bytes() -> Option<u64> {
    status("VmRSS:")
}

/// The most memory that was in use.
pub fn peak_bytes() -> Option<u64> {
    status("VmHWM:")
}

/// When the process began, in seconds since 1970: when it was asked first, which a run does at once.
pub fn started_at() -> f64 {
    static STARTED: OnceLock<f64> = OnceLock::new();
    *STARTED.get_or_init(|| clock::now().as_secs_f64().floor())
}

fn status(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").trim().parse().ok()?;
    Some(kibibytes * 1024)
}

//! Memory of this process, where the system tells it (Linux).

/// Memory in use now.
pub fn resident_bytes() -> Option<u64> {
    status("VmRSS:")
}

/// The most memory that was in use.
pub fn peak_bytes() -> Option<u64> {
    status("VmHWM:")
}

fn status(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").trim().parse().ok()?;
    Some(kibibytes * 1024)
}

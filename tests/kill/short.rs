//! Writes that take less than they were given: where a file may grow no longer, a call writes what has room, and the next
//! one fails.

use super::faults::{Place, has_strace};
use std::fs;

/// Calls of which less came through than was asked for.
pub(super) fn short_writes(trace: &str) -> usize {
    let is_short = |line: &&str| {
        let (asked, done) = line.rsplit_once(") ")?.0.rsplit_once(", ").zip(line.rsplit_once("= "))?;
        let (asked, done): (u64, u64) = (asked.1.parse().ok()?, done.1.trim().parse().ok()?);
        (done < asked).then_some(())
    };
    trace.lines().filter_map(|line| is_short(&line)).count()
}

#[test]
fn a_write_that_was_cut_short_leaves_nothing_torn_behind() {
    if !has_strace() {
        return;
    }
    let place = Place::new(2500);
    let longest = fs::metadata(place.path("whole/alerts")).unwrap().len();
    let mut short = 0;
    // In blocks of 512 bytes; the odd step is there to fall into every file somewhere.
    for blocks in (1..=longest / 512).step_by(13) {
        let folder = format!("short-{blocks}");
        let limit = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let trace = place.path(&format!("{folder}.trace")).display().to_string();
        let files = ["alerts", "rejects", "state/unfinished"].map(|file| format!("{folder}/{file}"));
        let files = files.map(|file| place.path(&file).display().to_string());
        // The trace has a limit of its own: none.
        let mut around = vec!["strace", "-f", "-qq", "-s", "0", "-e", "trace=write", "-o", &trace];
        around.extend(files.iter().flat_map(|file| ["-P", file]));
        around.extend(["sh", "-c", &limit]);
        let ran = place.run(&around, &folder);
        let told = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(74), "{blocks} blocks: {told}");
        assert!(told.contains("File too large"), "{told}");
        short += short_writes(&fs::read_to_string(&trace).unwrap());
        let ran = place.run(&[], &folder);
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        place.expect_whole(&place.path(&folder), &format!("files of {blocks} blocks at most"));
    }
    println!("{short} writes were cut short");
    assert!(short > 5, "{short}");
}

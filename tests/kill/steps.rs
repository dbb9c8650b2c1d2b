//! Runs that end at a named step of writing outputs and checkpoints, again and again, and then go on.

use super::faults::Place;
use std::os::unix::process::ExitStatusExt;

/// The steps, as `fault::step` names them.
const STEPS: [&str; 10] = [
    "output_written",
    "output_compared",
    "checkpoint_begun",
    "outputs_forced",
    "checkpoint_opened",
    "checkpoint_written",
    "checkpoint_forced",
    "checkpoint_named",
    "folder_forced",
    "old_one_removed",
];

#[test]
fn a_run_may_end_at_any_step() {
    const SIGABRT: i32 = 6;
    let place = Place::new(6000);
    for step in STEPS {
        let mut ends = 0;
        for time in 1..=3 {
            let folder = format!("{step}-{time}");
            let last = format!("{step}:{time}");
            // First at one that leaves something to be compared.
            for last in ["output_written:2", &last, &last] {
                let ran = place.command(&[], &folder).env("KEYHOUND_CRASH_AT", last).output().unwrap();
                let ended = ran.status.signal() == Some(SIGABRT);
                assert!(ended || ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
                ends += u32::from(ended && last.starts_with(step));
            }
            let ran = place.run(&[], &folder);
            assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
            place.expect_whole(&place.path(&folder), &format!("ends at {step}, time {time}"));
        }
        println!("{step}: {ends} ends");
        assert!(ends > 0, "{step} is never reached");
    }
}

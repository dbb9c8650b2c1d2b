//! Runs that end at a named step of writing outputs and checkpoints, again and again, and then go on.

use super::faults::Place;
use super::post::{name, receiver};
use std::collections::BTreeSet;
use std::fs;
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

/// Those of what is to be posted.
const OUTBOX: [&str; 5] =
    ["outbox_begun", "outbox_written", "outbox_posted", "outbox_delivered", "outbox_removed"];

/// Alerts are posted in order, none is missing, and what comes again comes under the same name.
#[test]
fn a_run_that_posts_may_end_at_any_step() {
    const SIGABRT: i32 = 6;
    let place = Place::new(6000);
    for step in OUTBOX {
        let mut ends = 0;
        for time in 1..=3 {
            let folder = format!("{step}-{time}");
            let (address, names) = receiver(None);
            let run = |last: &str| {
                let mut command = place.command(&[], &folder);
                command.env("KEYHOUND_CRASH_AT", last).arg(format!("--post=http://{address}/"));
                command.output().unwrap()
            };
            let last = format!("{step}:{time}");
            for _ in 0..2 {
                let ran = run(&last);
                let ended = ran.status.signal() == Some(SIGABRT);
                assert!(ended || ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
                ends += u32::from(ended);
            }
            let ran = run("none:1");
            assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
            let about = format!("ends at {step}, time {time}");
            place.expect_whole(&place.path(&folder), &about);
            let alerts = fs::read_to_string(place.path(&folder).join("alerts")).unwrap();
            let (mut known, mut posted) = (BTreeSet::new(), Vec::new());
            for name in names.try_iter() {
                if known.insert(name.clone()) {
                    posted.push(name);
                }
            }
            assert!(posted == alerts.lines().map(name).collect::<Vec<_>>(), "posted differs after {about}");
        }
        println!("{step}: {ends} ends");
        assert!(ends > 0, "{step} is never reached");
    }
}

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

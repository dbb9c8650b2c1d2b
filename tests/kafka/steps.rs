//! Workers that end at a named step of committing, restoring and handing over, one step after the other: every alert is
//! there once. `cargo test --test kafka steps -- --nocapture`.

use crate::broker::Broker;
use crate::support::*;
use std::path::{Path, PathBuf};

const PARTITIONS: i32 = 6;
/// Each step is the last one at these times.
const TIMES: [u32; 2] = [1, 3];

/// Steps that every start comes to, as `fault::step` names them.
const STARTING: [&str; 6] = [
    "producer_renewed",
    "restore_begun",
    "changelog_settled",
    "changelog_read",
    "state_restored",
    "partitions_assigned",
];

/// Those that every commit comes to.
const COMMITTING: [&str; 7] = [
    "transaction_begun",
    "events_sent",
    "state_sent",
    "all_arrived",
    "positions_sent",
    "transaction_committed",
    "commit_counted",
];

/// Those of whoever gives partitions away.
const GOING: [&str; 2] = ["last_commit_made", "partitions_revoked"];

/// Two workers who keep their names, and a guest.
struct Scene {
    broker: Broker,
    dir: tempfile::TempDir,
    inputs: Vec<Input>,
    given: usize,
}

impl Scene {
    fn config(&self, name: &str, own: &str) -> PathBuf {
        let own = format!("commit_records = 50\ncommit_ms = 20\n{own}");
        config(self.dir.path(), &format!("{name}.toml"), &self.broker.address, &own, BUSY)
    }

    /// Gives some more records, but for those that end all days.
    fn give(&mut self, count: usize) {
        let rest = self.inputs.len() - usize::try_from(PARTITIONS).unwrap();
        let next = (self.given + count).min(rest);
        assert!(next > self.given, "there are more steps than records");
        produce(&self.broker.address, "usage", &self.inputs[self.given..next]);
        self.given = next;
    }

    fn is_done(&self) -> bool {
        lag(&self.broker.address, "keyhound", "usage", PARTITIONS) == 0
    }

    /// Lets the one of this configuration end at a step, and starts it again as it was.
    fn end_at(&mut self, config: &Path, step: &str, time: u32) {
        let last = format!("{step}:{time}");
        let mut dying = Worker::start_in(config, &[], &[("KEYHOUND_CRASH_AT", &last)]);
        let log = dying.log_path();
        let told = || format!("it ends at {last}\n{}", std::fs::read_to_string(&log).unwrap());
        let mut turn = 0;
        eventually_or(told, || {
            // Something to commit all the while.
            if turn % 10 == 0 {
                self.give(150);
            }
            turn += 1;
            !dying.is_running()
        });
        assert_eq!(dying.signal_it_ended_by(), Some(6), "{}", told());
    }
}

#[test]
fn a_worker_may_end_at_any_step() {
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    make_topic(&broker.address, "usage", PARTITIONS, &[]);
    let mut scene = Scene { broker, dir, inputs: traffic(300, 20, 16, PARTITIONS), given: 0 };
    let named = [0, 1].map(|number| {
        scene.config(&format!("worker-{number}"), &format!("instance_id = \"worker-{number}\""))
    });
    let guest = scene.config("guest", "");
    scene.give(500);
    let mut other = Worker::start(&named[1]);
    eventually("it has begun", || other.log().contains("restored"));
    for step in STARTING.into_iter().chain(COMMITTING) {
        // A start comes to its steps once.
        let times = if STARTING.contains(&step) { &TIMES[..1] } else { &TIMES[..] };
        for time in times {
            scene.end_at(&named[0], step, *time);
        }
        println!("{step}: {} ends", times.len());
    }
    let mut ends = 0;
    for step in GOING {
        // Whoever has all partitions gives some to whoever comes.
        assert_eq!(other.stop(), Some(0));
        let last = format!("{step}:1");
        let mut dying = Worker::start_in(&named[0], &[], &[("KEYHOUND_CRASH_AT", &last)]);
        scene.give(300);
        eventually("it has all partitions", || scene.is_done());
        scene.give(300);
        let came = Worker::start(&guest);
        let log = dying.log_path();
        eventually_or(
            || format!("{last}\n{}", std::fs::read_to_string(&log).unwrap()),
            || !dying.is_running(),
        );
        assert_eq!(dying.signal_it_ended_by(), Some(6));
        ends += 1;
        other = Worker::start(&named[1]);
        scene.give(300);
        eventually("it goes on", || scene.is_done());
        assert_eq!(came.stop(), Some(0));
        println!("{step}: 1 end");
    }
    assert_eq!(ends, GOING.len());
    let first = Worker::start(&named[0]);
    let ends = scene.inputs.split_off(scene.inputs.len() - usize::try_from(PARTITIONS).unwrap());
    scene.inputs.truncate(scene.given);
    produce(&scene.broker.address, "usage", &ends);
    scene.inputs.extend(ends);
    let told = || format!("everything is committed\n{}{}", first.log(), other.log());
    eventually_or(told, || scene.is_done());
    assert_eq!((first.stop(), other.stop()), (Some(0), Some(0)));
    let expected = expected(scene.dir.path(), &scene.inputs, BUSY);
    let found = values(&read_all(&scene.broker.address, "keyhound-alerts"));
    let (lost, twice) = differences(&found, &expected);
    println!("{} alerts, {} lost, {} twice", expected.len(), lost.len(), twice.len());
    assert_same(&found, &expected, "workers that end at steps");
}

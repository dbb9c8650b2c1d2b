//! Workers that sleep, come and go, and brokers that die: every alert is there once all the same.

use crate::broker::Broker;
use crate::support::*;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;

const PARTITIONS: i32 = 6;

/// A broker, records that are still to come, and what is expected of them.
struct Scene {
    broker: Broker,
    dir: TempDir,
    inputs: Vec<Input>,
    expected: Vec<String>,
}

impl Scene {
    fn new() -> Self {
        let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
        make_topic(&broker.address, "usage", PARTITIONS, &[]);
        let inputs = traffic(60, 8, 12, PARTITIONS);
        let expected = expected(dir.path(), &inputs, BUSY);
        Self { broker, dir, inputs, expected }
    }

    fn config(&self, name: &str, own: &str) -> PathBuf {
        let own = format!("commit_records = 200\ncommit_ms = 20\n{own}");
        config(self.dir.path(), &format!("{name}.toml"), &self.broker.address, &own, BUSY)
    }

    /// Gives a share of the records.
    fn give(&mut self, share: usize) {
        let rest = self.inputs.split_off((self.inputs.len()).min(share));
        produce(&self.broker.address, "usage", &std::mem::replace(&mut self.inputs, rest));
    }

    fn is_done(&self) -> bool {
        lag(&self.broker.address, "keyhound", "usage", PARTITIONS) == 0
    }

    /// Gives what is left, waits until it is committed, and compares.
    fn end(mut self, workers: Vec<Worker>, about: &str) {
        self.give(usize::MAX);
        let logs = || workers.iter().map(Worker::log).collect::<String>();
        eventually_or(|| format!("{about}\n{}", logs()), || self.is_done());
        let logs = logs();
        for worker in workers {
            assert_eq!(worker.stop(), Some(0), "{logs}");
        }
        let found = read_all(&self.broker.address, "keyhound-alerts");
        assert_same(&values(&found), &self.expected, &format!("{about}\n{logs}"));
    }
}

#[test]
fn a_worker_that_was_asleep_does_no_harm() {
    let mut scene = Scene::new();
    let configs =
        [0, 1].map(|number| scene.config(&format!("w{number}"), &format!("instance_id = \"w{number}\"")));
    let workers: Vec<Worker> = configs.iter().map(|config| Worker::start(config)).collect();
    scene.give(1000);
    eventually("both work", || scene.is_done());
    for sleeper in [&workers[0], &workers[1]] {
        scene.give(1500);
        sleep(Duration::from_millis(60));
        sleeper.signal("STOP");
        // Longer than its session, so that its partitions are the other's when it wakes up.
        sleep(Duration::from_secs(9));
        scene.give(500);
        sleeper.signal("CONT");
        sleep(Duration::from_millis(500));
    }
    scene.end(workers, "sleepers");
}

#[test]
fn brokers_may_die() {
    let mut scene = Scene::new();
    let workers = vec![Worker::start(&scene.config("w0", "")), Worker::start(&scene.config("w1", ""))];
    // Without a broker, a worker does not begin.
    eventually("both have begun", || workers.iter().all(|worker| worker.log().contains("restored")));
    for _ in 0..2 {
        scene.give(1500);
        sleep(Duration::from_millis(150));
        scene.broker.kill();
        sleep(Duration::from_secs(1));
        scene.broker.start_again();
    }
    scene.end(workers, "a broker that died twice");
}

#[test]
fn workers_may_come_and_go() {
    let mut scene = Scene::new();
    let configs: Vec<PathBuf> = (0..4).map(|number| scene.config(&format!("w{number}"), "")).collect();
    let mut workers = vec![Worker::start(&configs[0])];
    for (turn, count) in [4, 2, 3, 1, 2].into_iter().enumerate() {
        while workers.len() < count {
            workers.push(Worker::start(&configs[workers.len()]));
        }
        while workers.len() > count {
            let worker = workers.pop().unwrap();
            // One asks to go, another is not asked.
            if turn % 2 == 0 {
                worker.kill();
            } else {
                let log = worker.log_path();
                assert_eq!(worker.stop(), Some(0), "{}", std::fs::read_to_string(log).unwrap());
            }
        }
        scene.give(900);
        sleep(Duration::from_millis(1500));
    }
    scene.end(workers, "workers that come and go");
}

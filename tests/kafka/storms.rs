//! Workers that sleep, come and go, and brokers that die: every alert is there once all the same.

use crate::broker::Broker;
use crate::kills::Chance;
use crate::support::*;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;

const PARTITIONS: i32 = 6;

/// How many rounds there are, and what chance decides in them; both are printed.
fn chance(rounds: u64) -> (usize, Chance) {
    let (rounds, seed) = (setting("KAFKA_ROUNDS", rounds), setting("KAFKA_SEED", 1));
    println!("KAFKA_ROUNDS={rounds} KAFKA_SEED={seed}");
    (usize::try_from(rounds).unwrap(), Chance(seed))
}

/// A broker, records that are still to come, and what is expected of them.
struct Scene {
    broker: Broker,
    dir: TempDir,
    inputs: Vec<Input>,
    expected: Vec<String>,
}

impl Scene {
    /// With enough records for so many rounds.
    fn new(rounds: usize) -> Self {
        let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
        make_topic(&broker.address, "usage", PARTITIONS, &[]);
        let inputs = traffic(60, 8, 2 * rounds + 4, PARTITIONS);
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

    /// The same for one of the rounds that are left, and one more.
    fn give_for_round(&mut self, left: usize) {
        self.give(self.inputs.len() / (left + 1));
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
    let (rounds, mut chance) = chance(2);
    let mut scene = Scene::new(rounds);
    let configs =
        [0, 1].map(|number| scene.config(&format!("w{number}"), &format!("instance_id = \"w{number}\"")));
    let workers: Vec<Worker> = configs.iter().map(|config| Worker::start(config)).collect();
    scene.give(1000);
    eventually("both work", || scene.is_done());
    for round in 0..rounds {
        let sleeper = &workers[usize::try_from(chance.below(2)).unwrap()];
        scene.give_for_round(2 * (rounds - round));
        sleep(Duration::from_millis(chance.below(400)));
        sleeper.signal("STOP");
        // Most are longer than its session, so that its partitions are the other's when it wakes up.
        sleep(Duration::from_millis(4000 + chance.below(7000)));
        scene.give_for_round(2 * (rounds - round) - 1);
        sleeper.signal("CONT");
        sleep(Duration::from_millis(chance.below(1500)));
    }
    scene.end(workers, "sleepers");
}

#[test]
fn brokers_may_die() {
    let mut scene = Scene::new(4);
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
    let (rounds, mut chance) = chance(5);
    let mut scene = Scene::new(rounds);
    let configs: Vec<PathBuf> = (0..4).map(|number| scene.config(&format!("w{number}"), "")).collect();
    let mut workers = vec![Worker::start(&configs[0])];
    for round in 0..rounds {
        let count = 1 + usize::try_from(chance.below(4)).unwrap();
        while workers.len() < count {
            // One that has gone leaves its configuration, and any of them may go.
            let config = configs.iter().find(|config| {
                workers.iter().all(|worker| worker.log_path() != config.with_extension("log"))
            });
            workers.push(Worker::start(config.unwrap()));
        }
        while workers.len() > count {
            let worker = workers.remove(usize::try_from(chance.below(workers.len() as u64)).unwrap());
            // One asks to go, another is not asked.
            if chance.below(2) == 0 {
                worker.kill();
            } else {
                let log = worker.log_path();
                assert_eq!(worker.stop(), Some(0), "{}", std::fs::read_to_string(log).unwrap());
            }
        }
        scene.give_for_round(rounds - round);
        sleep(Duration::from_millis(chance.below(3000)));
    }
    scene.end(workers, "workers that come and go");
}

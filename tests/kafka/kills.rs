//! Workers and brokers that are killed, and alerts that are there once all the same.

use crate::broker::Broker;
use crate::support::*;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PARTITIONS: i32 = 6;
/// While fewer records than this wait in a partition, more are given.
const BACKLOG: i64 = 400;
/// So many at a time.
const GIVEN: usize = 3000;

/// A small generator of chance: the same numbers from the same seed.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A broker, two workers, and records of which there are always some to read.
struct Scene {
    broker: Broker,
    dir: TempDir,
    configs: Vec<PathBuf>,
    ports: Vec<u16>,
    workers: Vec<Option<Worker>>,
    inputs: Vec<Input>,
    given: usize,
    /// Workers that ended without being killed, as they do when brokers take them for somebody else.
    ended: usize,
}

/// What is promised; with `at-least-once`, that this fails shows that it can see what comes twice.
fn guarantee() -> String {
    std::env::var("KAFKA_GUARANTEE").unwrap_or_else(|_| "exactly-once".to_owned())
}

fn configs(dir: &Path, address: &str, own: &str) -> Vec<PathBuf> {
    let one = |number: usize| {
        let own = format!("instance_id = \"worker-{number}\"\nguarantee = \"{}\"\n{own}", guarantee());
        config(dir, &format!("worker-{number}.toml"), address, &own, BUSY)
    };
    (0..2).map(one).collect()
}

impl Scene {
    fn new(kills: usize) -> Self {
        let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
        make_topic(&broker.address, "usage", PARTITIONS, &[]);
        // Commits are small and full of alerts, so that a kill mostly falls into one.
        let configs = configs(dir.path(), &broker.address, "commit_records = 2\ncommit_ms = 20");
        let inputs = traffic(200 + kills * 50, 16, 3, PARTITIONS);
        let ports = vec![free_port(), free_port()];
        let mut scene = Self { broker, dir, configs, ports, workers: Vec::new(), inputs, given: 0, ended: 0 };
        scene.give();
        scene.workers = (0..2).map(|number| Some(scene.start(number))).collect();
        // A group that is still being made waits for its dead.
        eventually("both have begun", || scene.logs().matches("restored").count() >= 2);
        scene
    }

    fn start(&self, number: usize) -> Worker {
        let metrics = format!("127.0.0.1:{}", self.ports[number]);
        Worker::start_with(&self.configs[number], &["--metrics", &metrics])
    }

    fn lags(&self) -> Vec<i64> {
        lags(&self.broker.address, "keyhound", "usage", PARTITIONS)
    }

    fn give_if_few(&mut self) {
        if self.lags().iter().min() < Some(&BACKLOG) {
            self.give();
        }
    }

    /// Gives more records, but for those that end all days.
    fn give(&mut self) {
        let rest = self.inputs.len() - usize::try_from(PARTITIONS).unwrap();
        let next = (self.given + GIVEN).min(rest);
        produce(&self.broker.address, "usage", &self.inputs[self.given..next]);
        assert!(next > self.given, "there are more kills than records");
        self.given = next;
    }

    fn logs(&self) -> String {
        self.workers.iter().flatten().map(Worker::log).collect()
    }

    /// Waits until a worker has committed more often than so many times.
    fn commits_again(&mut self, number: usize, mut before: f64) {
        let log = self.configs[number].with_extension("log");
        let told = || format!("it commits again\n{}", std::fs::read_to_string(&log).unwrap());
        eventually_or(told, || {
            if self.revive(number) {
                before = 0.0;
            }
            metric(self.ports[number], "keyhound_kafka_commits_total").unwrap_or_default() > before
        });
    }

    /// Starts a worker again that brokers took for somebody else, as whoever manages services does.
    fn revive(&mut self, number: usize) -> bool {
        if self.workers[number].as_mut().unwrap().is_running() {
            return false;
        }
        let worker = self.workers[number].take().unwrap();
        assert!(worker.log().contains("FencedInstanceId"), "{}", worker.log());
        assert_eq!(worker.wait(), Some(69));
        self.workers[number] = Some(self.start(number));
        self.ended += 1;
        true
    }

    /// Kills a worker; how long a new one takes from its start to its first commit.
    fn kill_worker(&mut self, number: usize) -> Duration {
        self.workers[number].take().unwrap().kill();
        self.give_if_few();
        let began = Instant::now();
        self.workers[number] = Some(self.start(number));
        self.commits_again(number, 0.0);
        began.elapsed()
    }

    /// Kills the broker; how long both workers take from when it is back to their next commit.
    fn kill_broker(&mut self) -> Duration {
        self.give_if_few();
        self.broker.kill();
        let before: Vec<f64> = self
            .ports
            .iter()
            .map(|port| metric(*port, "keyhound_kafka_commits_total").unwrap_or_default())
            .collect();
        self.broker.start_again();
        let began = Instant::now();
        for (number, before) in before.into_iter().enumerate() {
            self.commits_again(number, before);
        }
        began.elapsed()
    }

    /// Ends all days, waits until everything is committed and stops; what was given is what is left.
    fn end(&mut self) {
        let logs = self.logs();
        for number in 0..2 {
            self.revive(number);
        }
        for worker in self.workers.drain(..).flatten() {
            assert_eq!(worker.stop(), Some(0), "{logs}");
        }
        // What has gathered is done at one go.
        self.configs = configs(self.dir.path(), &self.broker.address, "");
        self.workers = (0..2).map(|number| Some(self.start(number))).collect();
        let ends = self.inputs.split_off(self.inputs.len() - usize::try_from(PARTITIONS).unwrap());
        self.inputs.truncate(self.given);
        produce(&self.broker.address, "usage", &ends);
        self.inputs.extend(ends);
        let (address, ports) = (self.broker.address.clone(), [self.ports[0], self.ports[1]]);
        let logs = [0, 1].map(|number: usize| self.configs[number].with_extension("log"));
        let logs = || logs.iter().map(|log| std::fs::read_to_string(log).unwrap()).collect::<String>();
        eventually_or(
            || {
                let lags = lags(&address, "keyhound", "usage", PARTITIONS);
                let metrics = ports.map(|port| metrics(port, "keyhound_kafka")).concat();
                format!("everything is committed, but for {lags:?}\n{metrics}{}", logs())
            },
            || {
                (0..2).for_each(|number| _ = self.revive(number));
                self.lags().iter().all(|lag| *lag == 0)
            },
        );
        let logs = self.logs();
        for worker in self.workers.drain(..).flatten() {
            assert_eq!(worker.stop(), Some(0), "{logs}");
        }
    }
}

#[test]
fn every_alert_is_there_once_however_often_workers_and_brokers_are_killed() {
    let (kills, broker_kills) = (setting("KAFKA_KILLS", 8), setting("KAFKA_BROKER_KILLS", 1));
    let seed = setting("KAFKA_SEED", 1);
    println!("KAFKA_KILLS={kills} KAFKA_BROKER_KILLS={broker_kills} KAFKA_SEED={seed}");
    let mut chance = Chance(seed);
    let mut scene = Scene::new(usize::try_from(kills + 10 * broker_kills).unwrap());
    let (mut workers, mut brokers) = (Vec::new(), Vec::new());
    for kill in 0..kills {
        std::thread::sleep(Duration::from_millis(chance.below(250)));
        workers.push(scene.kill_worker(usize::try_from(chance.below(2)).unwrap()));
        if (kill + 1) * broker_kills / kills > kill * broker_kills / kills {
            std::thread::sleep(Duration::from_millis(chance.below(250)));
            brokers.push(scene.kill_broker());
        }
    }
    println!("recovery of workers: {}", spread(workers));
    println!("recovery after brokers: {}", spread(brokers));
    scene.end();
    let expected = expected(scene.dir.path(), &scene.inputs, BUSY);
    let found = values(&read_all(&scene.broker.address, "keyhound-alerts"));
    let (lost, twice) = differences(&found, &expected);
    println!(
        "kills: {kills} of workers, {broker_kills} of brokers, {} ended by themselves; seed {seed}, {} records, {} alerts, {} lost, {} twice",
        scene.ended,
        scene.inputs.len(),
        expected.len(),
        lost.len(),
        twice.len()
    );
    assert_same(&found, &expected, &format!("seed {seed}"));
}

//! Workers that are killed, and alerts that are there once all the same.

use crate::broker::Broker;
use crate::support::*;
use std::time::{Duration, Instant};

const PARTITIONS: i32 = 6;

/// A small generator of chance: the same numbers from the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect(name))
}

#[test]
fn every_alert_is_there_once_however_often_workers_are_killed() {
    let kills = setting("KAFKA_KILLS", 8);
    let seed = setting("KAFKA_SEED", 1);
    println!("KAFKA_KILLS={kills} KAFKA_SEED={seed}");
    let mut chance = Chance(seed);
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    let address = &broker.address;
    make_topic(address, "usage", PARTITIONS, &[]);
    // There is always something to do, and commits are small and full of alerts, so that a kill mostly falls into one.
    let keys = 60 + usize::try_from(kills).unwrap() * 60;
    let inputs = traffic(keys, 8, 3, PARTITIONS);
    produce(address, "usage", &inputs);
    let expected = expected(dir.path(), &inputs, BUSY);
    let configs: Vec<_> = (0..2)
        .map(|number| {
            let own = format!("instance_id = \"worker-{number}\"\ncommit_records = 2\ncommit_ms = 20");
            config(dir.path(), &format!("worker-{number}.toml"), address, &own, BUSY)
        })
        .collect();
    let ports = [free_port(), free_port()];
    let start = |number: usize| {
        Worker::start_with(&configs[number], &["--metrics", &format!("127.0.0.1:{}", ports[number])])
    };
    let mut workers: Vec<Option<Worker>> = (0..2).map(|number| Some(start(number))).collect();
    // A group that is still being made waits for its dead.
    eventually("both have begun", || {
        workers.iter().flatten().all(|worker| worker.log().contains("restored"))
    });
    let mut recoveries = Vec::new();
    while (recoveries.len() as u64) < kills {
        std::thread::sleep(Duration::from_millis(chance.below(250)));
        let victim = usize::try_from(chance.below(2)).unwrap();
        workers[victim].take().unwrap().kill();
        let began = Instant::now();
        if lag(address, "keyhound", "usage", PARTITIONS) == 0 {
            println!("everything was done after {} kills", recoveries.len());
            break;
        }
        workers[victim] = Some(start(victim));
        let log = workers[victim].as_ref().map(Worker::log_path).unwrap();
        let told = || format!("it commits again\n{}", std::fs::read_to_string(&log).unwrap());
        let commits = || metric(ports[victim], "keyhound_kafka_commits_total").unwrap_or_default();
        eventually_or(told, || commits() > 0.0);
        recoveries.push(began.elapsed());
    }
    let is_done = || lag(address, "keyhound", "usage", PARTITIONS) == 0;
    let logs = || workers.iter().flatten().map(Worker::log).collect::<String>();
    eventually_or(|| format!("everything is committed\n{}", logs()), is_done);
    let logs: String = workers.iter().flatten().map(Worker::log).collect();
    for worker in workers.into_iter().flatten() {
        assert_eq!(worker.stop(), Some(0), "{logs}");
    }
    recoveries.sort_unstable();
    println!(
        "{} kills, {} alerts; goes on after {:?} (median), {:?} (longest)",
        recoveries.len(),
        expected.len(),
        recoveries.get(recoveries.len() / 2),
        recoveries.last()
    );
    let found = read_all(address, "keyhound-alerts");
    assert_same(&values(&found), &expected, &format!("seed {seed}"));
}

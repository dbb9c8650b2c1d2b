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
    let inputs = traffic(120, 8, 12, PARTITIONS);
    let expected = expected(dir.path(), &inputs, BUSY);
    let configs: Vec<_> = (0..2)
        .map(|number| {
            let own = format!("instance_id = \"worker-{number}\"\ncommit_records = 200\ncommit_ms = 20");
            config(dir.path(), &format!("worker-{number}.toml"), address, &own, BUSY)
        })
        .collect();
    let mut workers: Vec<Option<Worker>> = configs.iter().map(|config| Some(Worker::start(config))).collect();
    // Records come as the killing goes on, so that there is always something to do.
    let share = inputs.len().div_ceil(usize::try_from(kills).unwrap() + 1);
    let mut recoveries = Vec::new();
    for some in inputs.chunks(share) {
        produce(address, "usage", some);
        if recoveries.len() as u64 >= kills {
            continue;
        }
        std::thread::sleep(Duration::from_millis(chance.below(700)));
        let victim = usize::try_from(chance.below(2)).unwrap();
        workers[victim].take().unwrap().kill();
        let began = Instant::now();
        let before = lag(address, "keyhound", "usage", PARTITIONS);
        workers[victim] = Some(Worker::start(&configs[victim]));
        eventually("work goes on", || {
            let now = lag(address, "keyhound", "usage", PARTITIONS);
            now == 0 || now < before
        });
        recoveries.push(began.elapsed());
    }
    eventually("everything is committed", || lag(address, "keyhound", "usage", PARTITIONS) == 0);
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

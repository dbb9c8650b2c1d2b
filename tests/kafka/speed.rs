//! What the promises cost, with `KAFKA_SPEED=1 tests/real/run kafka`. Only ratios within one run mean anything: broker,
//! producer and worker share the machine.

use crate::broker::Broker;
use crate::support::*;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

const PARTITIONS: i32 = 6;

fn bare(address: &str, count: usize) -> f64 {
    let consumer: BaseConsumer = client(address).set("group.id", "bare").create().unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset("usage", partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let (mut began, mut seen, mut bytes) = (Instant::now(), 0, 0);
    while seen < count {
        let message = consumer.poll(PATIENCE).unwrap().unwrap();
        bytes += message.payload_len();
        seen += 1;
        if seen == count / 10 {
            began = Instant::now();
        }
    }
    assert!(bytes > 0);
    (count - count / 10) as f64 / began.elapsed().as_secs_f64()
}

/// What a worker did, the first tenth of the records left out.
struct Pace {
    /// Records a second.
    records: f64,
    /// Records a second of its own processor time, which others on the machine do not take away.
    of_processor: f64,
    /// Commits in all.
    commits: f64,
}

fn worker(broker: &Broker, dir: &std::path::Path, guarantee: &str, turn: usize, count: usize) -> Pace {
    let port = free_port();
    let own = format!("group_id = \"{guarantee}-{turn}\"\nguarantee = \"{guarantee}\"");
    let config = config(dir, &format!("{guarantee}-{turn}.toml"), &broker.address, &own, BUSY);
    let worker = Worker::start_with(&config, &["--metrics", &format!("127.0.0.1:{port}")]);
    let lines = || metric(port, "keyhound_source_lines_total").unwrap_or(0.0);
    let wait = |least: f64| loop {
        let seen = lines();
        if seen >= least {
            return (Instant::now(), seen, worker.processor_s());
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let (began, before, had_taken) = wait(count as f64 / 10.0);
    let (ended, after, took) = wait(count as f64);
    let commits = metric(port, "keyhound_kafka_commits_total").unwrap();
    assert_eq!(worker.stop(), Some(0));
    Pace {
        records: (after - before) / (ended - began).as_secs_f64(),
        of_processor: (after - before) / (took - had_taken),
        commits,
    }
}

#[test]
fn speed_is_measured() {
    if !is_measured("speed") {
        return;
    }
    let a_day = usize::try_from(setting("KAFKA_SPEED_DAY", 250)).unwrap();
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    make_topic(&broker.address, "usage", PARTITIONS, &[]);
    let inputs = traffic(999, 4, a_day, PARTITIONS);
    produce(&broker.address, "usage", &inputs);
    let count = inputs.len();
    drop(inputs);
    for turn in 0..3 {
        let bare = bare(&broker.address, count);
        let least = worker(&broker, dir.path(), "at-least-once", turn, count);
        let exactly = worker(&broker, dir.path(), "exactly-once", turn, count);
        println!(
            "{count} records: bare consumer {bare:.0}/s, at least once {:.0}/s ({:.0} %), exactly once {:.0}/s \
             ({:.0} % of at least once, {} commits); by processor time {:.0}/s and {:.0}/s ({:.0} %)",
            least.records,
            100.0 * least.records / bare,
            exactly.records,
            100.0 * exactly.records / least.records,
            exactly.commits,
            least.of_processor,
            exactly.of_processor,
            100.0 * exactly.of_processor / least.of_processor
        );
    }
}

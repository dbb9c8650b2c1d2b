//! State in a form that this version does not know: nobody reads half of it, and nothing is written behind it.

use crate::broker::Broker;
use crate::support::*;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::fs;

const CHANGELOG: &str = "keyhound-usage-changelog";
/// The piece that ends a commit; it begins with the form and the version of the program.
const LAST: &[u8] = b"c";

/// The latest piece of a partition that ends a commit.
fn last_piece(address: &str, partition: i32) -> Vec<u8> {
    let consumer: BaseConsumer =
        client(address).set("group.id", "reader").set("enable.partition.eof", "true").create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(CHANGELOG, partition, Offset::Beginning).unwrap();
    consumer.assign(&list).unwrap();
    let mut last = Vec::new();
    while let Some(Ok(message)) = consumer.poll(PATIENCE) {
        if message.key() == Some(LAST) {
            last = message.payload().unwrap().to_vec();
        }
    }
    last
}

fn write_piece(address: &str, partition: i32, value: &[u8]) {
    let producer: BaseProducer = client(address).create().unwrap();
    producer.send(BaseRecord::to(CHANGELOG).partition(partition).key(LAST).payload(value)).unwrap();
    producer.flush(PATIENCE).unwrap();
}

/// How far the topics reach that are written to.
fn ends(address: &str) -> Vec<i64> {
    let consumer: BaseConsumer = client(address).set("group.id", "reader").create().unwrap();
    let places = [(CHANGELOG, 0), (CHANGELOG, 1), ("keyhound-alerts", 0)];
    places.map(|(topic, partition)| consumer.fetch_watermarks(topic, partition, PATIENCE).unwrap().1).into()
}

#[test]
fn state_of_another_version_is_refused_and_left_as_it_is() {
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    let address = &broker.address;
    make_topic(address, "usage", 2, &[]);
    let inputs = traffic(20, 6, 8, 2);
    let (before, after) = inputs.split_at(inputs.len() / 2);
    let config = config(dir.path(), "w.toml", address, "", BUSY);
    let done = || lag(address, "keyhound", "usage", 2) == 0;
    produce(address, "usage", before);
    let worker = Worker::start(&config);
    eventually("half of it is committed", done);
    assert_eq!(worker.stop(), Some(0));
    // As if a later version had had the second partition in between.
    let ours = last_piece(address, 1);
    let version = env!("CARGO_PKG_VERSION").as_bytes();
    let at = ours.windows(version.len()).position(|found| found == version).unwrap();
    let later = "9".repeat(version.len());
    let theirs = [&[99][..], &ours[1..at], later.as_bytes(), &ours[at + version.len()..]].concat();
    write_piece(address, 1, &theirs);
    produce(address, "usage", after);
    let (before, waiting) = (ends(address), lags(address, "keyhound", "usage", 2));
    for turn in 0..2 {
        let worker = Worker::start(&config);
        let log = worker.log_path();
        assert_eq!(worker.wait(), Some(65), "turn {turn}");
        let log = fs::read_to_string(log).unwrap();
        let writer = format!("written by keyhound {later}");
        assert!(log.contains("the changelog of usage[1] cannot be gone on with"), "{log}");
        assert!(log.contains(&writer) && log.contains("`kafka.changelog_prefix`"), "{log}");
    }
    assert_eq!(
        (ends(address), lags(address, "keyhound", "usage", 2)),
        (before, waiting),
        "something was written"
    );
    // Whoever knows the form goes on as if nothing had happened.
    write_piece(address, 1, &ours);
    let worker = Worker::start(&config);
    eventually("all of it is committed", done);
    assert_eq!(worker.stop(), Some(0));
    let found = read_all(address, "keyhound-alerts");
    assert_same(&values(&found), &expected(dir.path(), &inputs, BUSY), "after another version");
}

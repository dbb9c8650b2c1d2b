//! How long it takes from the record that makes an alert true until the alert can be read, at a steady rate, with
//! `KAFKA_SPEED=1 tests/real/run kafka`; `KAFKA_RATE` and `KAFKA_SECONDS` say how many records a second and how long.

use crate::broker::Broker;
use crate::support::*;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PARTITIONS: i32 = 6;
/// Keys to which nothing happens.
const QUIET_KEYS: u64 = 1000;
/// Alerts a second.
const ALERTS: u64 = 20;
/// While the broker warms up nothing is measured.
const WARM_UP_S: u64 = 5;

/// The record of this number; one of so many is expensive.
fn record(number: u64, one_of: u64) -> (String, String) {
    let is_expensive = number.is_multiple_of(one_of);
    let key = if is_expensive { format!("...a{number}") } else { format!("...q{}", number % QUIET_KEYS) };
    let cost = if is_expensive { "3.0" } else { "0.0000001" };
    let line = format!(
        r#"{{"timestamp":"2026-06-01T10:00:00Z","api_key_prefix":"{key}","model":"gpt-4o","input_tokens":1,"output_tokens":1,"cost_usd":{cost}}}"#
    );
    (key, line)
}

/// When each alert could be read first, by key; until nothing more is to come and has come.
fn alerts(address: &str, is_over: &AtomicBool, count: usize) -> BTreeMap<String, Instant> {
    let mut config = client(address);
    let consumer: BaseConsumer =
        config.set("group.id", "reader").set("isolation.level", "read_committed").create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset("keyhound-alerts", 0, Offset::Beginning).unwrap();
    consumer.assign(&list).unwrap();
    let (mut found, mut quiet) = (BTreeMap::new(), Instant::now());
    while found.len() < count && !(is_over.load(Ordering::Relaxed) && quiet.elapsed() > PATIENCE) {
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        quiet = Instant::now();
        let alert: serde_json::Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
        let key = alert["api_key_prefix"].as_str().unwrap().to_owned();
        assert!(found.insert(key, quiet).is_none(), "{alert} came twice");
    }
    found
}

/// Sends records at a steady rate; when those went that make an alert true.
fn send(address: &str, rate: u64, count: u64) -> BTreeMap<String, Instant> {
    let producer: BaseProducer = client(address).create().unwrap();
    let (began, mut sent) = (Instant::now(), BTreeMap::new());
    for number in 0..count {
        let due = began + Duration::from_nanos(number * 1_000_000_000 / rate);
        while let Some(early) = due.checked_duration_since(Instant::now()) {
            // To wait by polling would take a whole processor from those who are measured.
            std::thread::sleep(early.min(Duration::from_millis(1)));
            producer.poll(Duration::ZERO);
        }
        let (key, line) = record(number, rate / ALERTS);
        let partition = i32::try_from(number % QUIET_KEYS).unwrap() % PARTITIONS;
        producer.send(BaseRecord::to("usage").partition(partition).key(&key).payload(&line)).unwrap();
        if number.is_multiple_of(rate / ALERTS) {
            sent.insert(key, Instant::now());
        }
    }
    producer.flush(PATIENCE).unwrap();
    sent
}

#[test]
fn latency_is_measured() {
    if !is_measured("the latency of alerts") {
        return;
    }
    let (rate, seconds) = (setting("KAFKA_RATE", 5000), setting("KAFKA_SECONDS", 60) + WARM_UP_S);
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    let address = &broker.address;
    make_topic(address, "usage", PARTITIONS, &[]);
    let worker = Worker::start(&config(dir.path(), "w.toml", address, "", BUSY));
    eventually("it has begun", || worker.log().contains("restored"));
    let (is_over, count) = (AtomicBool::new(false), rate * seconds);
    let expected = usize::try_from(count / (rate / ALERTS)).unwrap();
    let (sent, found) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| alerts(address, &is_over, expected));
        let sent = send(address, rate, count);
        is_over.store(true, Ordering::Relaxed);
        (sent, reader.join().unwrap())
    });
    let log = worker.log();
    assert_eq!(worker.stop(), Some(0), "{log}");
    assert!(sent.keys().eq(found.keys()), "{} alerts of {}\n{log}", found.len(), sent.len());
    let began = *sent.values().min().unwrap();
    let measured = sent.iter().filter(|(_, at)| at.duration_since(began).as_secs() >= WARM_UP_S);
    let latencies = measured.map(|(key, at)| found[key].duration_since(*at)).collect();
    println!("latency of alerts at {rate} records a second: {}", spread(latencies));
}

//! Topics that are not what the state is of: refused or told, never passed over.

use crate::broker::Broker;
use crate::support::*;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{Offset, TopicPartitionList};

pub fn admin(address: &str) -> (AdminClient<DefaultClientContext>, tokio::runtime::Runtime) {
    (
        client(address).create().unwrap(),
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
    )
}

fn records(numbers: std::ops::Range<usize>) -> Vec<Input> {
    let one = |number: usize| {
        let line = format!(
            r#"{{"timestamp":"2026-06-01T10:00:00Z","api_key_prefix":"...k{number:03}","model":"m","input_tokens":1,"output_tokens":1,"cost_usd":3.0}}"#
        );
        Input { partition: i32::from(number % 2 == 1), key: String::new(), line }
    };
    numbers.map(one).collect()
}

#[test]
fn topics_that_are_not_there_or_do_not_fit_are_refused() {
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    let config = config(dir.path(), "w.toml", &broker.address, "", BUSY);
    let refused = |told: &str| {
        let worker = Worker::start(&config);
        let log = worker.log_path();
        assert_eq!(worker.wait(), Some(69));
        let log = std::fs::read_to_string(log).unwrap();
        assert!(log.contains(told), "{log}");
    };
    refused("topic `usage` is not there");
    make_topic(&broker.address, "usage", 2, &[]);
    make_topic(&broker.address, "keyhound-usage-changelog", 2, &[("cleanup.policy", "delete")]);
    refused("topic `keyhound-usage-changelog` has `cleanup.policy=delete`");
    let (admin, runtime) = admin(&broker.address);
    let more = [NewPartitions::new("usage", 3)];
    runtime.block_on(admin.create_partitions(&more, &AdminOptions::new())).unwrap();
    refused("has 3 partitions, but the state in `keyhound-usage-changelog` is of 2");
}

#[test]
fn records_that_are_gone_are_told_and_an_expired_position_is_none() {
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    let address = &broker.address;
    make_topic(address, "usage", 2, &[]);
    let config = config(dir.path(), "w.toml", address, "start = \"latest\"", BUSY);
    let done = || lag(address, "keyhound", "usage", 2) == 0;
    let worker = Worker::start(&config);
    eventually("it begins at the end", done);
    produce(address, "usage", &records(0..20));
    eventually("what came is committed", done);
    assert_eq!(worker.stop(), Some(0));
    let (admin, runtime) = admin(address);
    // As if the group had been away for so long that brokers have forgotten where it was.
    runtime.block_on(admin.delete_groups(&["keyhound"], &AdminOptions::new())).unwrap();
    produce(address, "usage", &records(20..40));
    let mut list = TopicPartitionList::new();
    // Of one partition some are gone, of the other all that were not read.
    list.add_partition_offset("usage", 0, Offset::Offset(13)).unwrap();
    list.add_partition_offset("usage", 1, Offset::Offset(20)).unwrap();
    runtime.block_on(admin.delete_records(&list, &AdminOptions::new())).unwrap();
    let port = free_port();
    let start = || Worker::start_with(&config, &["--metrics", &format!("127.0.0.1:{port}")]);
    let missing = || metric(port, "keyhound_kafka_records_missing_total");
    let worker = start();
    eventually("it goes on where the state says", done);
    eventually("what is missing is counted", || missing() == Some(13.0));
    let log = worker.log();
    assert_eq!(worker.stop(), Some(0));
    for told in ["usage[0]: records 10 to 12 are no more", "usage[1]: records 10 to 19 are no more"] {
        assert_eq!(log.matches(told).count(), 1, "{log}");
    }
    // Even of the partition to which nothing came it is known now.
    let worker = start();
    produce(address, "usage", &records(40..42));
    eventually("it goes on", || metric(port, "keyhound_source_lines_total") == Some(2.0));
    assert_eq!(missing(), Some(0.0));
    assert_eq!(worker.stop(), Some(0));
    // Of all keys but those whose records are gone there is the alert, once.
    let mut keys: Vec<String> = read_all(address, "keyhound-alerts")
        .iter()
        .map(|found| {
            serde_json::from_str::<serde_json::Value>(&found.value).unwrap()["api_key_prefix"].to_string()
        })
        .collect();
    keys.sort();
    let is_gone = |number: &usize| (20..40).contains(number) && (number % 2 == 1 || *number < 26);
    let expected = (0..42).filter(|number| !is_gone(number));
    assert_eq!(keys, expected.map(|number| format!("\"...k{number:03}\"")).collect::<Vec<_>>());
}

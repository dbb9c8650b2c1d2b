//! What brokers may answer to every call of a transaction, tried on the cluster that librdkafka mocks. It knows no
//! aborts, so alerts are counted by identifier here; that they come once is for the real broker to show.

use crate::support::*;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey as Call, RDKafkaRespErr as Answer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::Duration;

/// The calls of a transaction; the first is made for every new producer.
const CALLS: [Call; 6] = [
    Call::InitProducerId,
    Call::AddPartitionsToTxn,
    Call::Produce,
    Call::AddOffsetsToTxn,
    Call::TxnOffsetCommit,
    Call::EndTxn,
];

/// Answers: to try again, to give the transaction up, to give the producer up, and none.
const ANSWERS: [Answer; 17] = [
    Answer::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
    Answer::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
    Answer::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
    Answer::RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS,
    Answer::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    Answer::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
    Answer::RD_KAFKA_RESP_ERR__TRANSPORT,
    Answer::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
    Answer::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
    Answer::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
    Answer::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
    Answer::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    Answer::RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
    Answer::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING,
    Answer::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
    Answer::RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
    Answer::RD_KAFKA_RESP_ERR_INVALID_TXN_STATE,
];

/// Reads alerts as they come.
struct Alerts {
    consumer: BaseConsumer,
    /// How many of each key there were.
    keys: BTreeMap<String, u32>,
}

impl Alerts {
    fn of(address: &str) -> Self {
        let mut config: ClientConfig = client(address);
        let consumer: BaseConsumer = config.set("group.id", "reader").create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("keyhound-alerts", 0, Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        Self { consumer, keys: BTreeMap::new() }
    }

    fn has(&mut self, key: &str) -> bool {
        while let Some(Ok(message)) = self.consumer.poll(Duration::from_millis(20)) {
            let alert: serde_json::Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
            *self.keys.entry(alert["api_key_prefix"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        self.keys.contains_key(key)
    }
}

fn with_topics<'a>() -> (MockCluster<'a, impl rdkafka::client::ClientContext>, String) {
    let cluster = MockCluster::new(1).unwrap();
    let address = cluster.bootstrap_servers();
    for (topic, partitions) in
        [("usage", 2), ("keyhound-usage-changelog", 2), ("keyhound-alerts", 1), ("keyhound-rejects", 1)]
    {
        cluster.create_topic(topic, partitions, 1).unwrap();
    }
    (cluster, address)
}

/// A record without an identifier that is read again would count again.
#[test]
fn a_record_is_counted_once_over_restarts() {
    const AMOUNTS: &str = "[detectors.billing_threshold]\namounts_usd = [2.0, 5.0, 8.0, 11.0]\n";
    let (_cluster, address) = with_topics();
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), "mock.toml", &address, "commit_ms = 10\ninstance_id = \"w\"", AMOUNTS);
    let mut alerts = Alerts::of(&address);
    let keys: Vec<String> = (0..2).map(|turn| format!("...r{turn}")).collect();
    for key in &keys {
        let worker = Worker::start(&config);
        let line = format!(
            r#"{{"timestamp":"2026-06-01T10:00:00Z","api_key_prefix":"{key}","model":"m","input_tokens":1,"output_tokens":1,"cost_usd":3.0}}"#
        );
        produce(&address, "usage", &[Input { partition: 0, key: key.clone(), line }]);
        eventually("its alert comes", || alerts.has(key));
        let log = worker.log();
        assert_eq!(worker.stop(), Some(0), "{log}");
    }
    assert_eq!(alerts.keys, keys.into_iter().map(|key| (key, 1)).collect());
}

#[test]
fn whatever_brokers_answer_alerts_come() {
    let (cluster, address) = with_topics();
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), "mock.toml", &address, "commit_ms = 10", BUSY);
    let mut worker = Worker::start(&config);
    let mut alerts = Alerts::of(&address);
    let mut number = 0;
    for call in CALLS {
        for answer in ANSWERS {
            number += 1;
            let is_produce = call as i16 == Call::Produce as i16;
            // The record itself is to arrive.
            if !is_produce {
                cluster.request_errors(call, &[answer]);
            }
            if call as i16 == Call::InitProducerId as i16 {
                cluster.request_errors(Call::EndTxn, &[Answer::RD_KAFKA_RESP_ERR_PRODUCER_FENCED]);
            }
            let key = format!("...x{number:03}");
            let line = format!(
                r#"{{"timestamp":"2026-06-01T10:00:00Z","api_key_prefix":"{key}","model":"m","input_tokens":1,"output_tokens":1,"cost_usd":3.0}}"#
            );
            produce(&address, "usage", &[Input { partition: number % 2, key: key.clone(), line }]);
            if is_produce {
                cluster.request_errors(call, &[answer]);
            }
            let log = worker.log_path();
            let told = || {
                format!("an alert after {answer:?} to {call:?}\n{}", std::fs::read_to_string(&log).unwrap())
            };
            eventually_or(told, || {
                assert!(worker.is_running(), "{}", told());
                alerts.has(&key)
            });
            for call in CALLS {
                cluster.clear_request_errors(call);
            }
        }
    }
    let log = worker.log();
    let starts_over = log.matches("going back to what is committed").count();
    println!("{number} answers, {starts_over} of them sent the worker back");
    assert!(starts_over > 20, "{log}");
    assert_eq!(worker.stop(), Some(0), "{log}");
}

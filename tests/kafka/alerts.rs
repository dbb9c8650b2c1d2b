//! What comes out of topics is what comes out of files.

use crate::broker::Broker;
use crate::support::*;
use serde_json::Value;
use std::collections::BTreeMap;

fn ends(address: &str) -> bool {
    lag(address, "keyhound", "usage", 6) == 0
}

/// Whoever reads along has the revisions of an alert one after the other and, where all alerts are in one partition,
/// those of a partition of the input as its records stand there.
fn assert_in_order(found: &[Found], is_one_partition: bool) {
    let (mut revisions, mut offsets) = (BTreeMap::new(), BTreeMap::new());
    for alert in found {
        let value: Value = serde_json::from_str(&alert.value).unwrap();
        let next = revisions.entry(&alert.key).or_insert(0);
        assert_eq!(value["revision"].as_u64(), Some(*next), "{value}");
        *next += 1;
        let before = offsets.entry(alert.header("keyhound.source.partition")).or_insert(0);
        let offset: i64 = alert.header("keyhound.source.offset").parse().unwrap();
        assert!(!is_one_partition || *before <= offset, "{offset} after {before}");
        *before = offset;
    }
    assert!(revisions.values().any(|count| *count > 1) && offsets.len() == 6);
}

#[test]
fn alerts_are_those_of_a_run_from_a_file() {
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    let address = &broker.address;
    make_topic(address, "usage", 6, &[]);
    let mut inputs = traffic(60, 6, 8, 6);
    let expected = expected(dir.path(), &inputs, BUSY);
    assert!(expected.len() > 300, "{}", expected.len());
    // What cannot be read, and what is several lines long.
    let bad = Input {
        partition: 2,
        key: "x".to_owned(),
        line: "{\"timestamp\":\"yesterday\",\"api_key_prefix\":\"...bad1\",\"model\":\"m\"}".to_owned(),
    };
    let line = inputs[0].line.replace(',', ",\n");
    inputs[0].line = line;
    inputs.insert(2, bad);
    produce(address, "usage", &inputs);
    // Alerts may be in several partitions.
    make_topic(address, "alerts-at-least-once", 3, &[]);
    for guarantee in ["exactly-once", "at-least-once"] {
        let own = format!(
            "group_id = \"{guarantee}\"\nalerts_topic = \"alerts-{guarantee}\"\nrejects_topic = \"rejects-{guarantee}\"\nguarantee = \"{guarantee}\""
        );
        let config = config(dir.path(), &format!("{guarantee}.toml"), address, &own, BUSY);
        let worker = Worker::start(&config);
        eventually("everything is committed", || lag(address, guarantee, "usage", 6) == 0);
        let log = worker.log();
        assert_eq!(worker.stop(), Some(0), "{log}");
        let found = read_all(address, &format!("alerts-{guarantee}"));
        assert_same(&values(&found), &expected, guarantee);
        for alert in &found {
            let value: Value = serde_json::from_str(&alert.value).unwrap();
            assert_eq!(value["id"], alert.key.as_str());
            assert_eq!(alert.header("keyhound.source.topic"), "usage");
            assert_eq!(alert.header("keyhound.version"), env!("CARGO_PKG_VERSION"));
        }
        assert_in_order(&found, guarantee == "exactly-once");
        let rejects = read_all(address, &format!("rejects-{guarantee}"));
        assert_eq!(rejects.len(), 1, "{rejects:?}");
        let reject: Value = serde_json::from_str(&rejects[0].value).unwrap();
        assert_eq!(
            (reject["reason"].as_str(), reject["source"].as_str()),
            (Some("bad_time"), Some("usage[2]@0"))
        );
        let headers = ["reason", "source.topic", "source.partition", "source.offset"]
            .map(|name| rejects[0].header(&format!("keyhound.{name}")));
        assert_eq!(headers, ["bad_time", "usage", "2", "0"]);
    }
    assert!(!ends(address), "another group has read nothing");
}

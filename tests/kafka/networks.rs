//! Calls and answers that come late or not at all: every alert is there once all the same.

use crate::broker::Broker;
use crate::proxy::{Proxy, Trouble};
use crate::support::*;
use std::thread::sleep;
use std::time::Duration;

const PARTITIONS: i32 = 6;
const TROUBLES: [Trouble; 4] = [Trouble::HoldCall, Trouble::HoldAnswer, Trouble::CutAnswer, Trouble::Slow];

/// A broker that tells others to come through the proxy, and the address of that.
fn broker(proxy: &Proxy) -> (Broker, String) {
    let (port, through) = (free_ports(3), proxy.port());
    let extra = format!(
        "listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{},PROXIED://127.0.0.1:{}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port},PROXIED://127.0.0.1:{through}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT\n",
        port + 1,
        port + 2
    );
    let broker = Broker::start_with(&[("KAFKA_PORT", port.to_string()), ("KAFKA_EXTRA", extra)]);
    proxy.open(port + 2);
    (broker, format!("127.0.0.1:{through}"))
}

#[test]
fn every_alert_is_there_once_whatever_the_network_does() {
    let rounds = usize::try_from(setting("KAFKA_ROUNDS", 4)).unwrap();
    println!("KAFKA_ROUNDS={rounds}");
    let (proxy, dir) = (Proxy::new(), tempfile::tempdir().unwrap());
    let (broker, through) = broker(&proxy);
    make_topic(&broker.address, "usage", PARTITIONS, &[]);
    let inputs = traffic(60, 8, 2 * rounds + 4, PARTITIONS);
    let expected = expected(dir.path(), &inputs, BUSY);
    let port = free_port();
    let own = "instance_id = \"w\"\ncommit_records = 50\ncommit_ms = 20";
    let config = config(dir.path(), "w.toml", &through, own, BUSY);
    let worker = Worker::start_with(&config, &["--metrics", &format!("127.0.0.1:{port}")]);
    let log = worker.log_path();
    let log = || std::fs::read_to_string(&log).unwrap();
    let count = |name: &str| metric(port, name).unwrap_or_default();
    let (commits, starts_over) = ("keyhound_kafka_commits_total", "keyhound_kafka_starts_over_total");
    eventually_or(log, || count("keyhound_kafka_restores_total") >= 6.0 || log().contains("restored"));
    for (round, share) in inputs.chunks(inputs.len().div_ceil(rounds + 1)).enumerate() {
        produce(&broker.address, "usage", share);
        // What is given last meets no trouble.
        if round == rounds {
            break;
        }
        let trouble = TROUBLES[round % TROUBLES.len()];
        let (done, over) = (proxy.done(), count(starts_over));
        proxy.set(trouble);
        let told = || format!("round {round}, {trouble:?}\n{}", log());
        match trouble {
            Trouble::HoldCall | Trouble::HoldAnswer => {
                eventually_or(told, || proxy.done() > done && count(starts_over) > over);
                let before = count(commits);
                // The next transactions are made before the old one's end arrives.
                eventually_or(told, || count(commits) > before);
                proxy.let_go();
            }
            Trouble::CutAnswer => eventually_or(told, || proxy.done() > done),
            _ => sleep(Duration::from_secs(5)),
        }
        proxy.set(Trouble::None);
        proxy.let_go();
    }
    eventually_or(log, || lag(&broker.address, "keyhound", "usage", PARTITIONS) == 0);
    println!(
        "network: {rounds} troubles, everything went back to the last commit {} times",
        count(starts_over)
    );
    assert_eq!(worker.stop(), Some(0), "{}", log());
    let found = values(&read_all(&broker.address, "keyhound-alerts"));
    let (lost, twice) = differences(&found, &expected);
    println!("network: {} alerts, {} lost, {} twice", expected.len(), lost.len(), twice.len());
    assert_same(&found, &expected, &log());
}

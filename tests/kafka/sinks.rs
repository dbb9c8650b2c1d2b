//! Alerts that come to sinks whatever becomes of workers: each at least once under one name, and none that nobody has
//! committed.

use crate::broker::Broker;
use crate::kills::Chance;
use crate::receiver::{Receiver, Reply, Seen};
use crate::support::*;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const PARTITIONS: i32 = 6;

/// A broker, a receiver, and records of which some are still to be given.
struct Scene {
    broker: Broker,
    dir: tempfile::TempDir,
    inputs: Vec<Input>,
    receiver: Receiver,
    /// The receiver is not to be had.
    away: Arc<AtomicBool>,
    seen: Vec<Seen>,
}

/// Some requests fail, some after they were taken.
fn moody(seen: &Seen) -> Reply {
    match seen.number % 9 {
        3 => Reply::Status(503),
        5 => Reply::Cut,
        7 => Reply::Slow(60),
        _ => Reply::Status(200),
    }
}

impl Scene {
    fn new(a_day: usize, script: fn(&Seen) -> Reply) -> Self {
        let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
        make_topic(&broker.address, "usage", PARTITIONS, &[]);
        let away = Arc::new(AtomicBool::new(false));
        let is_away = Arc::clone(&away);
        let answer = move |seen: &Seen| {
            if is_away.load(Ordering::Relaxed) { Reply::Status(503) } else { script(seen) }
        };
        let receiver = Receiver::start(answer);
        let inputs = traffic(60, 8, a_day, PARTITIONS);
        Self { broker, dir, inputs, receiver, away, seen: Vec::new() }
    }

    fn config(&self, name: &str, own: &str, sinks: &str) -> PathBuf {
        let own = format!("commit_records = 100\ncommit_ms = 20\n{own}");
        let rest = format!("{BUSY}\n{sinks}");
        config(self.dir.path(), &format!("{name}.toml"), &self.broker.address, &own, &rest)
    }

    /// With a sink that posts a few at a time.
    fn posting(&self, name: &str, own: &str) -> PathBuf {
        let sinks = format!(
            "[sinks.posted]\ntype = \"http\"\nurl = \"{}\"\nretry_max_ms = 200\nbatch_alerts_max = 7\noutbox_bytes_max = 65536\n",
            self.receiver.url()
        );
        self.config(name, own, &sinks)
    }

    /// Gives so many more records.
    fn give(&mut self, count: usize) {
        let rest = self.inputs.split_off(self.inputs.len().min(count));
        produce(&self.broker.address, "usage", &std::mem::replace(&mut self.inputs, rest));
    }

    fn is_read(&self) -> bool {
        lag(&self.broker.address, "keyhound", "usage", PARTITIONS) == 0
    }

    /// What has come to the receiver so far, by name, with how often it was taken.
    fn posted(&mut self) -> BTreeMap<(String, u64), (BTreeSet<String>, usize)> {
        self.seen.extend(self.receiver.seen());
        let mut posted: BTreeMap<_, (BTreeSet<String>, usize)> = BTreeMap::new();
        for seen in &self.seen {
            for line in &seen.lines {
                let (texts, times) = posted.entry(name(line)).or_default();
                texts.insert(line.clone());
                *times += usize::from(seen.status == 200);
            }
        }
        posted
    }

    /// Waits until all alerts have come, and compares.
    fn end(&mut self, about: &str, log: impl Fn() -> String) {
        self.give(usize::MAX);
        eventually_or(|| format!("everything is read\n{}", log()), || self.is_read());
        let alerts = read_all(&self.broker.address, "keyhound-alerts");
        let alerts: BTreeMap<_, _> =
            alerts.into_iter().map(|found| (name(&found.value), found.value)).collect();
        assert!(alerts.len() > 300, "{}", alerts.len());
        eventually_or(
            || format!("all have come\n{}", log()),
            || {
                let posted = self.posted();
                alerts.keys().all(|name| posted.get(name).is_some_and(|(_, times)| *times > 0))
            },
        );
        let posted = self.posted();
        for (name, (texts, _)) in &posted {
            // Attempts that failed included: nothing has left that was not committed, and one name is one text.
            assert_eq!(texts.iter().collect::<Vec<_>>(), [&alerts[name]], "{name:?}");
        }
        let twice = posted.values().filter(|(_, times)| *times > 1).count();
        println!("{about}: {} alerts, all delivered, {twice} of them more than once", alerts.len());
        // An alert is first heard of in the order of its revisions.
        let mut revisions: BTreeMap<String, u64> = BTreeMap::new();
        for line in self.seen.iter().filter(|seen| seen.status == 200).flat_map(|seen| &seen.lines) {
            let (id, revision) = name(line);
            let next = revisions.entry(id).or_default();
            assert!(revision <= *next, "{line}");
            *next = (*next).max(revision + 1);
        }
    }
}

/// Its id and revision.
fn name(line: &str) -> (String, u64) {
    let alert: Value = serde_json::from_str(line).unwrap();
    (alert["id"].as_str().unwrap().to_owned(), alert["revision"].as_u64().unwrap())
}

#[test]
fn sinks_hear_every_alert_while_workers_die_and_come_and_go() {
    let (rounds, seed) = (setting("KAFKA_ROUNDS", 4), setting("KAFKA_SEED", 1));
    println!("KAFKA_ROUNDS={rounds} KAFKA_SEED={seed}");
    let mut chance = Chance(seed);
    let mut scene = Scene::new(2 * usize::try_from(rounds).unwrap() + 8, moody);
    let share = scene.inputs.len() / (usize::try_from(rounds).unwrap() + 2);
    let configs = [0, 1].map(|number| {
        scene.posting(&format!("worker-{number}"), &format!("instance_id = \"worker-{number}\""))
    });
    let guest = scene.posting("guest", "");
    let mut workers: Vec<_> = configs.iter().map(|config| Some(Worker::start(config))).collect();
    for _ in 0..rounds {
        scene.give(share);
        std::thread::sleep(Duration::from_millis(chance.below(700)));
        let number = usize::try_from(chance.below(2)).unwrap();
        if chance.below(3) == 0 {
            let came = Worker::start(&guest);
            std::thread::sleep(Duration::from_millis(500 + chance.below(2000)));
            let log = came.log();
            assert_eq!(came.stop(), Some(0), "{log}");
        } else {
            workers[number].take().unwrap().kill();
            workers[number] = Some(Worker::start(&configs[number]));
        }
    }
    let logs = || workers.iter().flatten().map(Worker::log).collect::<String>();
    scene.end(&format!("{rounds} rounds, seed {seed}"), logs);
    for worker in workers.into_iter().flatten() {
        let log = worker.log();
        assert_eq!(worker.stop(), Some(0), "{log}");
    }
}

/// One step after the other is the last of a worker.
#[cfg(debug_assertions)]
#[test]
fn sinks_hear_every_alert_whatever_step_is_the_last() {
    let mut scene = Scene::new(16, |_| Reply::Status(200));
    let config = scene.posting("worker", "instance_id = \"worker\"");
    let steps = [
        ("sink_taken_over", 1),
        ("events_sent", 3),
        ("transaction_committed", 2),
        ("sink_delivered", 1),
        ("sink_delivered", 4),
        ("sink_noted", 2),
        ("all_arrived", 4),
    ];
    let share = scene.inputs.len() / (steps.len() + 2);
    for (step, time) in steps {
        scene.give(share);
        let last = format!("{step}:{time}");
        let mut dying = Worker::start_in(&config, &[], &[("KEYHOUND_CRASH_AT", &last)]);
        let log = dying.log_path();
        let told = || format!("it ends at {last}\n{}", std::fs::read_to_string(&log).unwrap());
        eventually_or(told, || !dying.is_running());
        assert_eq!(dying.signal_it_ended_by(), Some(6), "{}", told());
    }
    // And one that is asked to end, as it gives its sink away.
    scene.give(share);
    let mut dying = Worker::start_in(&config, &[], &[("KEYHOUND_CRASH_AT", "sink_ended:1")]);
    eventually("it delivers", || scene.is_read());
    dying.signal("TERM");
    assert_eq!(dying.signal_it_ended_by(), Some(6), "{}", dying.log());
    let worker = Worker::start(&config);
    scene.end("steps", || worker.log());
    assert_eq!(worker.stop(), Some(0));
}

/// A message in a transaction that is aborted when it is there.
fn write_and_abort(address: &str, topic: &str, value: &str) {
    let producer: BaseProducer = client(address).set("transactional.id", "aborted").create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    producer.send(BaseRecord::to(topic).key("x").payload(value)).map_err(|(error, _)| error).unwrap();
    producer.flush(PATIENCE).unwrap();
    producer.abort_transaction(PATIENCE).unwrap();
}

#[test]
fn a_receiver_that_is_away_holds_up_nothing_and_misses_nothing() {
    let mut scene = Scene::new(12, |_| Reply::Status(200));
    scene.away.store(true, Ordering::Relaxed);
    let config = scene.posting("worker", "");
    let port = free_port();
    let metrics = format!("127.0.0.1:{port}");
    let worker = Worker::start_with(&config, &["--metrics", &metrics]);
    scene.give(scene.inputs.len() / 2);
    let gauge = |name: &str| metric(port, &format!("{name}{{sink=\"posted\"}}")).unwrap_or_default();
    eventually_or(|| format!("its room is full\n{}", worker.log()), || gauge("keyhound_outbox_full") > 0.0);
    eventually_or(|| format!("everything is read\n{}", worker.log()), || scene.is_read());
    assert!(gauge("keyhound_outbox_bytes") <= 65536.0);
    // Of a transaction that comes to nothing nobody hears, whatever stands in it.
    write_and_abort(&scene.broker.address, "keyhound-sink-posted", "never committed");
    let waiting = read_all(&scene.broker.address, "keyhound-sink-posted").len();
    eventually("what waits in the topic is told", || gauge("keyhound_outbox_entries") >= waiting as f64);
    // It comes back when another worker has the sink.
    worker.kill();
    scene.away.store(false, Ordering::Relaxed);
    let worker = Worker::start(&config);
    scene.end("away", || worker.log());
    assert_eq!(worker.stop(), Some(0));
}

/// What is open at Alertmanager is told again by whoever delivers next, who has not told it before.
#[test]
fn what_is_open_is_told_again_by_the_next_worker() {
    let mut scene = Scene::new(6, |_| Reply::Status(200));
    let sinks = format!(
        "[sinks.pager]\ntype = \"alertmanager\"\nurl = \"{}\"\nresend_ms = 1000\n",
        scene.receiver.origin()
    );
    let (one, other) = (scene.config("one", "", &sinks), scene.config("other", "", &sinks));
    // The last day is never over.
    scene.inputs.truncate(scene.inputs.len() - usize::try_from(PARTITIONS).unwrap());
    scene.give(usize::MAX);
    let open = |seen: &[Seen], mut open: BTreeSet<String>| {
        for seen in seen {
            let alerts: Vec<Value> = serde_json::from_str(&seen.body).unwrap();
            for alert in alerts {
                let id = alert["labels"]["event_id"].as_str().unwrap().to_owned();
                let is_open = alert["annotations"]["status"] == "open";
                if is_open {
                    open.insert(id)
                } else {
                    open.remove(&id)
                };
            }
        }
        open
    };
    let worker = Worker::start(&one);
    eventually("everything is read", || scene.is_read());
    let alerts = read_all(&scene.broker.address, "keyhound-alerts");
    let mut before = BTreeSet::new();
    let expected = alerts.iter().fold(BTreeMap::new(), |mut last, found| {
        let alert: Value = serde_json::from_str(&found.value).unwrap();
        last.insert(found.key.clone(), alert["status"] == "open");
        last
    });
    let expected: BTreeSet<String> =
        expected.into_iter().filter(|(_, is_open)| *is_open).map(|(id, _)| id).collect();
    eventually_or(
        || format!("what is open is told\n{}", worker.log()),
        || {
            before = open(&scene.receiver.seen(), std::mem::take(&mut before));
            before == expected
        },
    );
    assert!(!expected.is_empty() && expected.len() < alerts.len());
    assert_eq!(worker.stop(), Some(0));
    scene.receiver.seen();
    let worker = Worker::start(&other);
    let mut again = BTreeSet::new();
    eventually_or(
        || format!("it is told again\n{}", worker.log()),
        || {
            again = open(&scene.receiver.seen(), std::mem::take(&mut again));
            again == expected
        },
    );
    println!("{} of {} alerts are open and told again by another worker", expected.len(), alerts.len());
    assert_eq!(worker.stop(), Some(0));
}

#[test]
fn what_waits_in_another_form_is_refused() {
    let mut scene = Scene::new(4, |_| Reply::Status(200));
    scene.away.store(true, Ordering::Relaxed);
    let config = scene.posting("worker", "");
    scene.give(usize::MAX);
    let worker = Worker::start(&config);
    eventually("everything is read", || scene.is_read());
    assert_eq!(worker.stop(), Some(0));
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("type = \"http\"", "type = \"http\"\nencoding = \"cef\"")).unwrap();
    let worker = Worker::start(&config);
    let log = worker.log_path();
    assert_eq!(worker.wait(), Some(78));
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("waits there as `http json`, and the sink is `http cef` now"), "{log}");
    std::fs::write(&config, text).unwrap();
    scene.away.store(false, Ordering::Relaxed);
    let worker = Worker::start(&config);
    scene.end("another form", || worker.log());
    assert_eq!(worker.stop(), Some(0));
}

//! Records of a key in any partition, and halves of a request in two topics: what comes out is what files give.

use crate::broker::Broker;
use crate::support::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const PARTITIONS: i32 = 3;
const STAGED: &str = "repartition = true\n";

/// The request identifiers of all records that stand in the topic between the stages, sorted.
fn passed_on(address: &str, topic: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for parcel in read_all(address, topic) {
        let before = ids.len();
        let ends = parcel.value.split("<id:").skip(1);
        ids.extend(ends.filter_map(|rest| Some(rest.split_once('>')?.0.to_owned())));
        assert_eq!(parcel.header("keyhound.records"), (ids.len() - before).to_string());
    }
    ids.sort();
    ids
}

/// The same records with identifiers that can be found again.
fn marked(mut inputs: Vec<Input>) -> Vec<Input> {
    for (number, input) in inputs.iter_mut().enumerate() {
        let rest = input.line.strip_prefix('{').unwrap();
        let rest = rest
            .split_once(r#","request_id":""#)
            .map_or(rest.to_owned(), |(start, end)| format!("{start}{}", end.split_once('"').unwrap().1));
        input.line = format!(r#"{{"request_id":"<id:{number:06}>",{rest}"#);
    }
    inputs
}

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{number:06}")).collect()
}

/// Waits until as many alerts are there as there should be, and compares them.
fn compare(address: &str, topic: &str, expected: &[String], about: impl Fn() -> String) {
    let enough = || read_all(address, topic).len() >= expected.len();
    eventually_or(
        || format!("{}: {} alerts of {}", about(), read_all(address, topic).len(), expected.len()),
        enough,
    );
    assert_same(&values(&read_all(address, topic)), expected, &about());
}

#[test]
fn keys_in_any_partition_are_judged_as_those_in_one() {
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    let address = &broker.address;
    make_topic(address, "usage", PARTITIONS, &[]);
    make_topic(address, "keyed", PARTITIONS, &[]);
    let inputs = marked(traffic(40, 8, 8, PARTITIONS));
    let expected = expected(dir.path(), &inputs, BUSY);
    assert!(expected.len() > 300, "{}", expected.len());
    produce(address, "keyed", &inputs);
    let whole = "topics = [\"keyed\"]\ngroup_id = \"whole\"\nalerts_topic = \"alerts-whole\"";
    let text = std::fs::read_to_string(config(dir.path(), "whole.toml", address, "", BUSY)).unwrap();
    let whole_config = dir.path().join("whole.toml");
    std::fs::write(&whole_config, text.replace("topics = [\"usage\"]\n", "") + whole).unwrap();
    let worker = Worker::start(&whole_config);
    compare(address, "alerts-whole", &expected, || worker.log());
    assert_eq!(worker.stop(), Some(0));
    let configs: Vec<PathBuf> =
        (0..2).map(|number| config(dir.path(), &format!("w{number}.toml"), address, STAGED, BUSY)).collect();
    let workers: Vec<Worker> = configs.iter().map(|config| Worker::start(config)).collect();
    let logs = || workers.iter().map(Worker::log).collect::<String>();
    // Every day each key writes to another partition, and a day is written when the one before has been passed on: so
    // the records of a key have one order.
    let mut days: BTreeMap<String, Vec<Input>> = BTreeMap::new();
    for (number, input) in inputs.iter().enumerate() {
        let day = input.line.split_once("2026-06-").unwrap().1[..2].to_owned();
        let key = if input.key.starts_with("...end") {
            input.partition
        } else {
            i32::try_from(number % 40).unwrap()
        };
        let partition = (key + day.parse::<i32>().unwrap()) % PARTITIONS;
        days.entry(day).or_default().push(Input { partition, ..input.clone() });
    }
    for inputs in days.values() {
        produce(address, "usage", inputs);
        eventually_or(logs, || lag(address, "keyhound", "usage", PARTITIONS) == 0);
    }
    compare(address, "keyhound-alerts", &expected, logs);
    let found = read_all(address, "keyhound-alerts");
    assert!(found.iter().all(|alert| alert.header("keyhound.source.topic") == "usage"), "{}", logs());
    assert_eq!(passed_on(address, "keyhound-repartition"), ids(inputs.len()));
    let logs = logs();
    for worker in workers {
        assert_eq!(worker.stop(), Some(0), "{logs}");
    }
}

/// The last word on every alert, without what tells when it was first said. No word is missing and none said twice.
fn last_words(lines: &[String]) -> BTreeSet<String> {
    let mut words: BTreeMap<String, BTreeMap<u64, Value>> = BTreeMap::new();
    for line in lines {
        let alert: Value = serde_json::from_str(line).unwrap();
        let revisions = words.entry(alert["id"].to_string()).or_default();
        let twice = revisions.insert(alert["revision"].as_u64().unwrap(), alert);
        assert!(twice.is_none(), "said twice: {line}");
    }
    let last = |revisions: BTreeMap<u64, Value>| {
        let count = revisions.len() as u64;
        let (number, mut alert) = revisions.into_iter().next_back().unwrap();
        assert_eq!(number + 1, count, "a revision is missing: {alert}");
        for when in ["detected_at", "updated_at", "revision"] {
            alert[when] = Value::Null;
        }
        alert
    };
    let last = words.into_values().map(last).filter(|alert| alert["status"] == "final");
    last.map(|alert| alert.to_string()).collect()
}

/// Waits until the last words are these.
fn compare_last_words(address: &str, topic: &str, expected: &BTreeSet<String>, logs: impl Fn() -> String) {
    let found = || last_words(&values(&read_all(address, topic)));
    let told = || {
        let found = found();
        let missing: Vec<&String> = expected.difference(&found).take(3).collect();
        let more: Vec<&String> = found.difference(expected).take(3).collect();
        format!("{} of {}\nmissing {missing:?}\nmore {more:?}\n{}", found.len(), expected.len(), logs())
    };
    eventually_or(told, || found() == *expected);
}

#[test]
fn nothing_is_lost_or_twice_between_stages_however_often_workers_are_killed() {
    let kills: usize = std::env::var("KAFKA_KILLS").map_or(6, |text| text.parse().unwrap());
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    let address = &broker.address;
    make_topic(address, "usage", PARTITIONS, &[]);
    let inputs = marked(traffic(60 + 30 * kills, 8, 3, PARTITIONS));
    let expected = expected(dir.path(), &inputs, BUSY);
    let configs: Vec<PathBuf> = (0..2)
        .map(|number| {
            let own = format!("{STAGED}instance_id = \"w{number}\"\ncommit_records = 50\ncommit_ms = 20");
            config(dir.path(), &format!("w{number}.toml"), address, &own, BUSY)
        })
        .collect();
    let ports = [free_port(), free_port()];
    let start = |number: usize| {
        Worker::start_with(&configs[number], &["--metrics", &format!("127.0.0.1:{}", ports[number])])
    };
    let mut workers: Vec<Option<Worker>> = (0..2).map(|number| Some(start(number))).collect();
    eventually("both have begun", || {
        workers.iter().flatten().all(|worker| worker.log().contains("restored"))
    });
    // There is always something to do.
    let mut portions = inputs.chunks(inputs.len().div_ceil(kills + 1));
    for turn in 0..kills {
        produce(address, "usage", portions.next().unwrap_or_default());
        std::thread::sleep(Duration::from_millis(40 + 37 * (turn as u64 % 7)));
        let victim = turn % 2;
        workers[victim].take().unwrap().kill();
        workers[victim] = Some(start(victim));
        let log = workers[victim].as_ref().map(Worker::log_path).unwrap();
        let told = || format!("it commits again\n{}", std::fs::read_to_string(&log).unwrap());
        let commits = || metric(ports[victim], "keyhound_kafka_commits_total").unwrap_or_default();
        // Unless the other one has done it all by then.
        eventually_or(told, || commits() > 0.0 || lag(address, "keyhound", "usage", PARTITIONS) == 0);
    }
    portions.for_each(|portion| produce(address, "usage", portion));
    let logs = || workers.iter().flatten().map(Worker::log).collect::<String>();
    let left = || lag(address, "keyhound", "usage", PARTITIONS);
    eventually_or(|| format!("{} records are left\n{}", left(), logs()), || left() == 0);
    assert_eq!(passed_on(address, "keyhound-repartition"), ids(inputs.len()));
    compare(address, "keyhound-alerts", &expected, logs);
    println!("{kills} kills, {} records, {} alerts", inputs.len(), expected.len());
}

/// Puts records of each key into all partitions, but for those that let all days end.
fn scatter(inputs: &mut [Input]) {
    let of_keys = inputs.iter_mut().enumerate().filter(|(_, input)| !input.key.starts_with("...end"));
    for (number, input) in of_keys {
        input.partition = i32::try_from(number * number % 7).unwrap() % PARTITIONS;
    }
}

/// How many workers there are, turn by turn: with three and more, some read partitions of the input alone, and others none.
const TURNS: [usize; 6] = [1, 3, 2, 4, 3, 1];

#[test]
fn workers_may_come_and_go_while_records_of_a_key_are_everywhere() {
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    let address = &broker.address;
    make_topic(address, "usage", PARTITIONS, &[]);
    let mut inputs = marked(traffic(45, 8, 12, PARTITIONS));
    let expected = last_words(&expected(dir.path(), &inputs, BUSY));
    assert!(expected.len() > 50, "{}", expected.len());
    scatter(&mut inputs);
    let config_of = |number: usize| {
        config(
            dir.path(),
            &format!("w{number}.toml"),
            address,
            &format!("{STAGED}commit_records = 100"),
            BUSY,
        )
    };
    let mut workers = vec![Worker::start(&config_of(0))];
    for (turn, portion) in inputs.chunks(inputs.len().div_ceil(TURNS.len())).enumerate() {
        let count = TURNS[turn];
        while workers.len() < count {
            workers.push(Worker::start(&config_of(workers.len())));
        }
        while workers.len() > count {
            assert_eq!(workers.pop().unwrap().stop(), Some(0));
        }
        produce(address, "usage", portion);
        std::thread::sleep(Duration::from_millis(1500));
    }
    let logs = || workers.iter().map(Worker::log).collect::<String>();
    compare_last_words(address, "keyhound-alerts", &expected, logs);
    assert_eq!(passed_on(address, "keyhound-repartition"), ids(inputs.len()));
}

#[test]
fn any_number_of_workers_judge_a_backlog_as_one_does() {
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    let address = &broker.address;
    make_topic(address, "usage", PARTITIONS, &[]);
    let mut inputs = traffic(45, 8, 6, PARTITIONS);
    let expected = last_words(&expected(dir.path(), &inputs, BUSY));
    assert!(expected.len() > 50, "{}", expected.len());
    scatter(&mut inputs);
    produce(address, "usage", &inputs);
    // Each of nine has one partition: it reads the input, or passes on halves, or judges, and nothing else.
    for count in [3, 9] {
        let alerts = format!("alerts-{count}");
        let own =
            format!("{STAGED}group_id = \"of-{count}\"\nalerts_topic = \"{alerts}\"\ncommit_records = 100");
        let config_of =
            |number: usize| config(dir.path(), &format!("w{number}-of-{count}.toml"), address, &own, BUSY);
        let workers: Vec<Worker> = (0..count).map(|number| Worker::start(&config_of(number))).collect();
        eventually("all have begun", || workers.iter().all(|worker| worker.log().contains("restored")));
        compare_last_words(address, &alerts, &expected, || workers.iter().map(Worker::log).collect());
    }
}

/// As it is where a version that did not tell it has left the state behind.
#[test]
fn how_far_partitions_are_is_told_again_where_nobody_knows_it() {
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    let address = &broker.address;
    make_topic(address, "usage", PARTITIONS, &[]);
    let mut inputs = traffic(45, 8, 2, PARTITIONS);
    // The last partition has come to its end; the others have one more record, before which they are a little behind.
    let ends = inputs.len() - usize::try_from(PARTITIONS).unwrap();
    let (end, open) = (inputs.remove(inputs.len() - 1), inputs.split_off(ends));
    inputs.extend(open.iter().map(|end| {
        let line = end.line.replace("T12:00", "T06:00");
        Input { line, ..end.clone() }
    }));
    inputs.push(end);
    let all = [&inputs[..], &open].concat();
    let expected = last_words(&expected(dir.path(), &all, BUSY));
    scatter(&mut inputs);
    let config_of = |number: usize| config(dir.path(), &format!("w{number}.toml"), address, STAGED, BUSY);
    produce(address, "usage", &inputs);
    let worker = Worker::start(&config_of(0));
    eventually_or(|| worker.log(), || lag(address, "keyhound", "usage", PARTITIONS) == 0);
    assert_eq!(worker.stop(), Some(0));
    let (admin, runtime) = crate::positions::admin(address);
    let options = rdkafka::admin::AdminOptions::new();
    runtime.block_on(admin.delete_topics(&["keyhound-progress"], &options)).unwrap()[0].as_ref().unwrap();
    produce(address, "usage", &open);
    // Each has one partition, so that of the last one does nothing by itself.
    let workers: Vec<Worker> = (1..10).map(|number| Worker::start(&config_of(number))).collect();
    let logs = || workers.iter().map(Worker::log).collect::<String>();
    // That the last one is idle would be known after two minutes only.
    eventually_or(logs, || lag(address, "keyhound", "usage", PARTITIONS) == 0);
    compare_last_words(address, "keyhound-alerts", &expected, logs);
}

/// Who asked, and what it took, as two logs tell it.
fn halves() -> (Vec<Input>, Vec<Input>) {
    let quiet = (0..8).flat_map(|day| (0..24).map(move |call| (day * 86400 + call * 600, 1000)));
    let theft = (0..40).map(|call| (9 * 86400 + call * 600, 200_000));
    // At last something for each partition that lets all days end.
    let end = (0..PARTITIONS).map(|partition| (13 * 86400 + i64::from(partition), 1));
    let (mut asked, mut took) = (Vec::new(), Vec::new());
    for (number, (second, tokens)) in quiet.chain(theft).chain(end).enumerate() {
        let number = i32::try_from(number).unwrap();
        let time = |second: i64| jiff::Timestamp::from_second(1_780_272_000 + second).unwrap().to_string();
        let identity = json!({
            "eventVersion": "1.10", "eventTime": time(second), "eventSource": "bedrock.amazonaws.com",
            "eventName": "InvokeModel", "sourceIPAddress": "198.51.100.7", "requestID": format!("<id:{number:06}>"),
            "userIdentity": {"type": "IAMUser", "accessKeyId": format!("AKIAEXAMPLE00000000{}", number % 2)},
        });
        let usage = json!({
            "schemaType": "ModelInvocationLog", "timestamp": time(second + 3), "requestId": format!("<id:{number:06}>"),
            "modelId": "anthropic.claude-sonnet-4-5-20250929-v1:0",
            "input": {"inputTokenCount": tokens}, "output": {"outputTokenCount": tokens / 10},
        });
        let input =
            |partition: i32, line: Value| Input { partition, key: String::new(), line: line.to_string() };
        // Each half in a partition of its own.
        asked.push(input(number % PARTITIONS, identity));
        took.push(input((number / 3 + number) % PARTITIONS, usage));
    }
    // The last ones are of all partitions, in both logs.
    for (number, input) in took.iter_mut().rev().take(3).enumerate() {
        input.partition = i32::try_from(number).unwrap();
    }
    (asked, took)
}

fn run_on_files(dir: &Path, files: &[(&str, &[Input])]) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyhound"));
    std::fs::write(dir.join("files.toml"), BUSY).unwrap();
    command.args(["run", "--quiet", "--encoding", "json", "-c", "files.toml"]).current_dir(dir);
    for (name, inputs) in files {
        let text: String = inputs.iter().map(|input| input.line.clone() + "\n").collect();
        std::fs::write(dir.join(name), text).unwrap();
        command.arg(name);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn halves_in_two_topics_meet() {
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    let address = &broker.address;
    let (asked, took) = halves();
    let expected = last_words(&run_on_files(dir.path(), &[("asked", &asked), ("took", &took)]));
    assert!(expected.iter().any(|alert| alert.contains("cost_spike")), "{expected:?}");
    for topic in ["asked", "took"] {
        make_topic(address, topic, PARTITIONS, &[]);
    }
    let text = std::fs::read_to_string(config(dir.path(), "w.toml", address, STAGED, BUSY)).unwrap();
    let configs = ["w0.toml", "w1.toml"].map(|name| dir.path().join(name));
    for config in &configs {
        std::fs::write(config, text.replace("[\"usage\"]", "[\"asked\", \"took\"]")).unwrap();
    }
    // One log is a good deal ahead of the other.
    produce(address, "took", &took);
    produce(address, "asked", &asked[..5]);
    let workers = configs.each_ref().map(|config| Worker::start(config));
    eventually("what is there is read", || lag(address, "keyhound", "asked", PARTITIONS) == 0);
    produce(address, "asked", &asked[5..]);
    compare_last_words(address, "keyhound-alerts", &expected, || workers.iter().map(Worker::log).collect());
    let twice: Vec<String> = ids(asked.len()).into_iter().flat_map(|id| [id.clone(), id]).collect();
    assert_eq!(passed_on(address, "keyhound-halves"), twice);
    assert_eq!(passed_on(address, "keyhound-repartition"), twice);
}

#[test]
fn own_topics_that_do_not_fit_are_refused() {
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    let address = &broker.address;
    make_topic(address, "usage", PARTITIONS, &[]);
    let started = |own: &str| Worker::start(&config(dir.path(), "w.toml", address, own, BUSY));
    // A topic that does not fit is a service that does not (69); a state that does not is data that does not (65).
    let refused = |own: &str, code: i32, told: &str| {
        let worker = started(own);
        let log = worker.log_path();
        let ended = worker.wait();
        let log = std::fs::read_to_string(log).unwrap();
        assert!(ended == Some(code) && log.contains(told), "{told}: {ended:?} for {code}: {log}");
    };
    make_topic(address, "p-repartition", 2, &[]);
    let own = "repartition = true\nchangelog_prefix = \"p\"\nrepartition_partitions = 3";
    refused(own, 69, "topic `p-repartition` has 2 partitions, but `kafka.repartition_partitions` is 3");
    make_topic(address, "q-repartition", 2, &[("cleanup.policy", "compact")]);
    refused(
        "repartition = true\nchangelog_prefix = \"q\"",
        69,
        "`cleanup.policy=compact`; it needs `delete`",
    );
    let worker = started(STAGED);
    eventually("it has begun", || lag(address, "keyhound", "usage", PARTITIONS) == 0);
    assert_eq!(worker.stop(), Some(0));
    refused(
        "",
        65,
        "it holds the state of `input that is repartitioned`, and this is `input keyed by API key`",
    );
    let odd = Input { partition: 1, key: String::new(), line: "not ours".to_owned() };
    produce(address, "keyhound-repartition", &[odd]);
    refused(STAGED, 65, "keyhound-repartition[1]@0 cannot be gone on with: it was not written by keyhound");
    let (admin, runtime) = crate::positions::admin(address);
    let more = [rdkafka::admin::NewPartitions::new("keyhound-repartition", 4)];
    runtime.block_on(admin.create_partitions(&more, &rdkafka::admin::AdminOptions::new())).unwrap();
    refused(STAGED, 69, "has 4 partitions, but the state in `keyhound-repartition-changelog` is of 3");
}

/// Records a second that one worker judges, the first tenth left out.
fn speed_of(address: &str, dir: &Path, name: &str, own: &str, count: f64) -> f64 {
    let port = free_port();
    let own = format!("{own}group_id = \"{name}\"");
    let config = config(dir, &format!("{name}.toml"), address, &own, BUSY);
    let worker = Worker::start_with(&config, &["--metrics", &format!("127.0.0.1:{port}")]);
    let judged = || metric(port, "keyhound_records_total{outcome=\"processed\"}").unwrap_or(0.0);
    let wait = |least: f64| loop {
        let seen = judged();
        if seen >= least {
            return (Instant::now(), seen);
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let (began, before) = wait(count / 10.0);
    let (ended, after) = wait(count);
    assert_eq!(worker.stop(), Some(0));
    (after - before) / (ended - began).as_secs_f64()
}

#[test]
fn speed_of_repartitioning() {
    if !is_measured("speed of repartitioning") {
        return;
    }
    let a_day = usize::try_from(setting("KAFKA_SPEED_DAY", 250)).unwrap();
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    make_topic(&broker.address, "usage", PARTITIONS, &[]);
    let inputs = traffic(999, 4, a_day, PARTITIONS);
    produce(&broker.address, "usage", &inputs);
    let count = inputs.len() as f64;
    for turn in 0..2 {
        let whole = speed_of(&broker.address, dir.path(), &format!("whole{turn}"), "", count);
        let staged = speed_of(&broker.address, dir.path(), &format!("staged{turn}"), STAGED, count);
        println!(
            "{count} records: keyed {whole:.0}/s, repartitioned {staged:.0}/s ({:.0} %)",
            100.0 * staged / whole
        );
    }
}

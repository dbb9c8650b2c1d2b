//! Topics, records, workers, and what a run from files says of the same records.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A number from the environment.
pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect(name))
}

/// Whether to measure; says how where it is not asked for.
pub fn is_measured(what: &str) -> bool {
    let is_asked = setting("KAFKA_SPEED", 0) > 0;
    if !is_asked {
        println!(
            "skipped: {what} is measured with KAFKA_SPEED=1 tests/real/run kafka (a release build, minutes)"
        );
    }
    is_asked
}

/// The middle, the 99th of a hundred and the last of some durations.
pub fn spread(mut durations: Vec<Duration>) -> String {
    durations.sort_unstable();
    let at = |percent: usize| {
        durations
            .get((durations.len() * percent).div_ceil(100).saturating_sub(1))
            .copied()
            .unwrap_or_default()
    };
    format!("p50 {:.3?}, p99 {:.3?}, longest {:.3?} of {}", at(50), at(99), at(100), durations.len())
}

/// Long enough for any machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn client(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address);
    config
}

pub fn make_topic(address: &str, name: &str, partitions: i32, config: &[(&str, &str)]) {
    let admin: AdminClient<DefaultClientContext> = client(address).create().unwrap();
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for (key, value) in config {
        topic = topic.set(key, value);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for made in runtime.block_on(admin.create_topics(&[topic], &AdminOptions::new())).unwrap() {
        made.unwrap();
    }
}

/// A record on its way to a partition.
#[derive(Clone)]
pub struct Input {
    pub partition: i32,
    pub key: String,
    pub line: String,
}

pub fn produce(address: &str, topic: &str, inputs: &[Input]) {
    let producer: BaseProducer = client(address).set("linger.ms", "5").create().unwrap();
    for input in inputs {
        let mut record =
            BaseRecord::to(topic).partition(input.partition).key(&input.key).payload(&input.line);
        while let Err((KafkaError::MessageProduction(_), back)) = producer.send(record) {
            producer.poll(Duration::from_millis(10));
            record = back;
        }
    }
    producer.flush(PATIENCE).unwrap();
}

/// A message that was found.
#[derive(Clone, Debug)]
pub struct Found {
    pub partition: i32,
    pub key: String,
    pub value: String,
    pub headers: Vec<(String, String)>,
}

impl Found {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

/// Everything that is committed in a topic. It was seen once that a reader was not told anything for a minute; then another
/// one asks, and that is printed.
pub fn read_all(address: &str, topic: &str) -> Vec<Found> {
    let turn = |turn: u32| {
        let found = read_once(address, topic);
        if found.is_none() {
            println!("{topic} was not read in turn {turn}: {:?}", ends(address, topic));
        }
        found
    };
    (1..=4).find_map(turn).unwrap_or_else(|| panic!("{topic} cannot be read"))
}

/// Where its partitions begin and end.
fn ends(address: &str, topic: &str) -> Vec<Result<(i64, i64), KafkaError>> {
    let consumer: BaseConsumer = client(address).create().unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
    let partitions = metadata.topics()[0].partitions().iter();
    partitions.map(|one| consumer.fetch_watermarks(topic, one.id(), PATIENCE)).collect()
}

/// The same, unless brokers say nothing for a quarter of a minute.
fn read_once(address: &str, topic: &str) -> Option<Vec<Found>> {
    let mut config = client(address);
    config
        .set("group.id", "reader")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed");
    let consumer: BaseConsumer = config.create().unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
    let partitions = i32::try_from(metadata.topics()[0].partitions().len()).unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    // One may come to its end more than once, while somebody writes.
    let (mut found, mut open) = (Vec::new(), (0..partitions).collect::<Vec<_>>());
    while !open.is_empty() {
        match consumer.poll(PATIENCE / 4)? {
            Ok(message) => {
                let headers = message.headers().map(|headers| {
                    let one = |header: rdkafka::message::Header<'_, &[u8]>| {
                        let value = header.value.unwrap_or_default();
                        (header.key.to_owned(), String::from_utf8_lossy(value).into_owned())
                    };
                    headers.iter().map(one).collect()
                });
                found.push(Found {
                    partition: message.partition(),
                    key: String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned(),
                    value: String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned(),
                    headers: headers.unwrap_or_default(),
                });
            }
            Err(KafkaError::PartitionEOF(ended)) => open.retain(|partition| *partition != ended),
            Err(error) => panic!("{error}"),
        }
    }
    Some(found)
}

/// Records of the group that nobody has committed yet.
pub fn lag(address: &str, group: &str, topic: &str, partitions: i32) -> i64 {
    lags(address, group, topic, partitions).into_iter().fold(0, i64::saturating_add)
}

/// The same by partition.
pub fn lags(address: &str, group: &str, topic: &str, partitions: i32) -> Vec<i64> {
    let consumer: BaseConsumer = client(address).set("group.id", group).create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_range(topic, 0, partitions - 1);
    let Ok(committed) = consumer.committed_offsets(list, Duration::from_secs(10)) else {
        return vec![i64::MAX];
    };
    let of = |partition: i32| {
        let (low, high) =
            consumer.fetch_watermarks(topic, partition, Duration::from_secs(10)).unwrap_or((0, i64::MAX));
        let offset = committed.find_partition(topic, partition).map(|one| one.offset());
        match offset {
            Some(Offset::Offset(offset)) => high - offset,
            // Where it will begin is not known yet.
            _ => (high - low).max(1),
        }
    };
    (0..partitions).map(of).collect()
}

/// The value of a metric; nothing while nobody answers.
pub fn metric(port: u16, name: &str) -> Option<f64> {
    metrics(port, name).lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// All metrics of this beginning.
pub fn metrics(port: u16, prefix: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return String::new() };
    let mut page = String::new();
    let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let _ = stream.read_to_string(&mut page);
    page.lines().filter(|line| line.starts_with(prefix)).map(|line| format!("{line}\n")).collect()
}

/// A port on which nobody listens.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The first of so many ports on which nobody listens.
pub fn free_ports(count: usize) -> u16 {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (20_000..32_000)
        .step_by(16)
        .skip(std::process::id() as usize % 700)
        .find(|port| (*port..*port + u16::try_from(count).unwrap()).all(is_free))
        .unwrap()
}

/// Waits until something is so.
pub fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    eventually_or(|| what.to_owned(), is_so);
}

/// The same, with more to say where it is not.
pub fn eventually_or(what: impl Fn() -> String, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "in vain: {}", what());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A configuration, as `[kafka]` says and whatever else there is.
pub fn config(dir: &Path, name: &str, address: &str, kafka: &str, rest: &str) -> PathBuf {
    let path = dir.join(name);
    let text = format!(
        "{rest}\n[kafka]\nbootstrap_servers = \"{address}\"\ntopics = [\"usage\"]\nsession_timeout_ms = 6000\n\
         transaction_timeout_ms = 3000\n{kafka}\n"
    );
    fs::write(&path, text).unwrap();
    path
}

/// A worker that runs.
pub struct Worker {
    child: Child,
    log: PathBuf,
}

impl Worker {
    pub fn start(config: &Path) -> Self {
        Self::start_with(config, &[])
    }

    pub fn start_with(config: &Path, args: &[&str]) -> Self {
        Self::start_in(config, args, &[])
    }

    /// With variables and their values.
    pub fn start_in(config: &Path, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let log = config.with_extension("log");
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_keyhound"))
            .args(["run", "--kafka", "--config"])
            .arg(config)
            .args(args)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, log }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub fn log_path(&self) -> PathBuf {
        self.log.clone()
    }

    pub fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "{}", self.log());
    }

    /// Ends it as it should be ended; its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        self.child.wait().unwrap().code()
    }

    /// Its exit code when it ends by itself.
    pub fn wait(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// The signal that ended it.
    #[cfg(debug_assertions)]
    pub fn signal_it_ended_by(&mut self) -> Option<i32> {
        std::os::unix::process::ExitStatusExt::signal(&self.child.wait().unwrap())
    }

    /// Seconds of processor time that it has taken so far.
    pub fn processor_s(&self) -> f64 {
        // Linux counts in hundredths for everybody, whatever its own clock does.
        const A_SECOND: f64 = 100.0;
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields = stat.rsplit_once(") ").unwrap().1.split(' ').skip(11).take(2);
        fields.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / A_SECOND
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a run from a file says of these records, line by line, sorted.
pub fn expected(dir: &Path, inputs: &[Input], config: &str) -> Vec<String> {
    let (file, settings) = (dir.join("records.jsonl"), dir.join("file.toml"));
    fs::write(&file, inputs.iter().map(|input| input.line.clone() + "\n").collect::<String>()).unwrap();
    fs::write(&settings, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyhound"));
    let output = command
        .args(["run", "--quiet", "--encoding", "json", "-c"])
        .args([&settings, &file])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut lines: Vec<String> =
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The values of messages, sorted.
pub fn values(found: &[Found]) -> Vec<String> {
    let mut values: Vec<String> = found.iter().map(|found| found.value.clone()).collect();
    values.sort();
    values
}

/// What is expected and not found, or not so often, and what is found too often.
pub fn differences<'a>(got: &'a [String], expected: &'a [String]) -> (Vec<&'a String>, Vec<&'a String>) {
    let mut counts: BTreeMap<&String, i64> = BTreeMap::new();
    expected.iter().for_each(|line| *counts.entry(line).or_default() -= 1);
    got.iter().for_each(|line| *counts.entry(line).or_default() += 1);
    let of = |sign: i64| {
        counts.iter().filter(|(_, count)| count.signum() == sign).map(|(line, _)| *line).collect()
    };
    (of(-1), of(1))
}

/// That they are the same, told in few words where they are not.
pub fn assert_same(got: &[String], expected: &[String], about: &str) {
    let (lost, twice) = differences(got, expected);
    assert!(
        lost.is_empty() && twice.is_empty(),
        "{about}: {} expected, {} found, {} lost, {} too many\nlost: {:?}\ntoo many: {:?}",
        expected.len(),
        got.len(),
        lost.len(),
        twice.len(),
        lost.iter().take(3).collect::<Vec<_>>(),
        twice.iter().take(3).collect::<Vec<_>>()
    );
}

/// Records of many keys over some days, each key with alerts of its own, in order of time, and at last one record for
/// every partition that lets all days end.
pub fn traffic(keys: usize, days: usize, a_day: usize, partitions: i32) -> Vec<Input> {
    let mut inputs = Vec::new();
    for day in 1..=days {
        for turn in 0..a_day {
            for key in 0..keys {
                let second = (turn * keys + key) * 80_000 / (a_day * keys);
                let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
                let name = format!("...k{key:03}");
                let model = if day > days / 2 && turn > 1 && key % 3 == 0 { "o3" } else { "gpt-4o" };
                let line = format!(
                    r#"{{"timestamp":"2026-06-{day:02}T{hour:02}:{minute:02}:{second:02}Z","api_key_prefix":"{name}","model":"{model}","input_tokens":{},"output_tokens":{},"request_id":"{day}-{turn}-{key}","source_ip":"198.51.100.{}","cost_usd":0.{:03}}}"#,
                    100 + turn,
                    key + 1,
                    key % 250,
                    300 + (key * 7 + turn * 13) % 600
                );
                inputs.push(Input { partition: part(key, partitions), key: name, line });
            }
        }
    }
    for partition in 0..partitions {
        let name = format!("...end{partition}");
        let line = format!(
            r#"{{"timestamp":"2026-06-{:02}T12:00:00Z","api_key_prefix":"{name}","model":"gpt-4o","input_tokens":1,"output_tokens":1,"cost_usd":0.001}}"#,
            days + 3
        );
        inputs.push(Input { partition, key: name, line });
    }
    inputs
}

fn part(key: usize, partitions: i32) -> i32 {
    i32::try_from(key).unwrap() % partitions
}

/// Settings with which [`traffic`] has many alerts.
pub const BUSY: &str =
    "[baseline]\nlearning_days = 2\n[detectors.billing_threshold]\namounts_usd = [0.5, 2.0]\n";

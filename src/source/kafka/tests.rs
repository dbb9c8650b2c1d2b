//! What is read and when reading stops, the latter on the cluster that librdkafka mocks.

use super::*;
use rdkafka::client::DefaultClientContext;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::thread;

/// Reading goes on behind the last record, not at it.
#[test]
fn what_comes_next_stands_behind_what_was_fetched() {
    let place = Place { topic: 0, partition: 0 };
    let mut fetched = Fetched::new(place, 7, false);
    fetched.push(7, b"one");
    fetched.push(9, b"two");
    assert_eq!((&fetched.positions[..], fetched.next), (&[7, 9][..], 10));
}

const RECORDS_EACH: i64 = 5000;

fn produce(address: &str) {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", address).create().unwrap();
    for number in 0..RECORDS_EACH * 2 {
        let record = BaseRecord::<(), _>::to("usage").payload("{}").partition(i32::from(number % 2 == 1));
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}

/// Has both partitions be read from their start, then takes what comes as long as `goes_on` says of all positions so far.
fn listen(
    events: Receiver<Event>,
    goes_on: impl Fn(&BTreeMap<Place, Vec<i64>>) -> bool,
) -> (Receiver<Event>, BTreeMap<Place, Vec<i64>>) {
    let mut seen: BTreeMap<Place, Vec<i64>> = BTreeMap::new();
    while goes_on(&seen) {
        match events.recv_timeout(Duration::from_secs(60)).expect("nothing comes") {
            Event::Assigned(places, answer) => answer.send(vec![Some(0); places.len()]).unwrap(),
            Event::Fetched(_, fetched) => {
                for one in fetched {
                    seen.entry(one.place).or_default().extend(one.positions);
                }
            }
            Event::Failed(error) => panic!("{error}"),
            _ => {}
        }
    }
    (events, seen)
}

/// Where nobody takes what was fetched, the partitions are paused and no more is kept than fits into one message; when
/// there is room, everything comes, once and in order.
#[test]
fn without_room_the_partitions_are_paused() {
    const AT_ONCE: usize = 100;
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("usage", 2, 1).unwrap();
    let address = cluster.bootstrap_servers();
    produce(&address);
    let (events_in, events) = mpsc::sync_channel(1);
    let (_steers_in, steers) = mpsc::channel();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &address).set("group.id", "group").set("enable.auto.commit", "false");
    config.set("partition.assignment.strategy", "cooperative-sticky");
    let topics = Topics { names: ["usage".to_owned()].into(), inputs: 1 };
    let ways = (events_in, steers);
    let mut source = KafkaSource::subscribe(&config, DefaultClientContext, topics, ways, AT_ONCE).unwrap();

    let listener = thread::spawn(|| listen(events, BTreeMap::is_empty));
    while !listener.is_finished() {
        source.turn().unwrap();
    }
    let (events, mut seen) = listener.join().unwrap();
    let kept = |source: &KafkaSource<_>| source.fetched.iter().map(|one| one.positions.len()).sum::<usize>();
    for _ in 0..20 {
        source.turn().unwrap();
        assert!(kept(&source) <= AT_ONCE, "{}", kept(&source));
    }
    assert!(source.paused && kept(&source) > 0);

    let sofar: usize = seen.values().map(Vec::len).sum();
    let all = usize::try_from(RECORDS_EACH).unwrap() * 2;
    let listener = thread::spawn(move || {
        listen(events, |seen| seen.values().map(Vec::len).sum::<usize>() + sofar < all)
    });
    while !listener.is_finished() {
        source.turn().unwrap();
    }
    assert!(!source.paused);
    for (place, positions) in listener.join().unwrap().1 {
        seen.entry(place).or_default().extend(positions);
    }
    assert_eq!(seen.len(), 2);
    assert!(seen.values().all(|positions| positions.iter().copied().eq(0..RECORDS_EACH)));
}

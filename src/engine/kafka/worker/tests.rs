//! What the loop makes of what came of a commit, without a broker.

use super::*;
use crate::config::{Config, Plan};
use crate::decode::Settings;
use crate::engine::kafka::client::Clients;
use crate::engine::reload::Change;
use rdkafka::error::KafkaError;
use std::sync::mpsc;

/// A loop that nobody talks to but this test, with a commit under way, and the way on which its outcome comes.
fn waiting() -> (Worker, Sender<Done>) {
    let text = "[kafka]\nbootstrap_servers = \"127.0.0.1:1\"\ntopics = [\"usage\"]\n";
    let config = Config::parse("k.toml", text).unwrap();
    let plan = Plan::new(&config, "k.toml", text).unwrap();
    let kafka = plan.kafka.clone().unwrap();
    let (layout, stop) = (Arc::new(Layout::new(&kafka, vec![1])), CancellationToken::new());
    let clients = Arc::new(Clients::new(&kafka, "test"));
    let (done_in, done) = mpsc::channel();
    let rulebook = Arc::clone(&plan.rulebook);
    let settings = Settings { rulebook, format: None, frame_bytes_max: 1 << 20, keep_rejects: false };
    let mut state = super::super::state(&kafka, Totals::new());
    state.under_way = Some(Arc::new(Totals { lines: 7, ..(*state.committed).clone() }));
    let worker = Worker {
        fleet: None,
        progress: None,
        mould: Mould::new(&plan, Arc::clone(&layout)),
        changelog: Changelog::new(&clients, &kafka, &layout.topics, &stop).unwrap(),
        plan: kafka,
        layout,
        between: Between::new(&plan, None, Roster::new(&plan.metrics).1),
        roster: None,
        decoder: Decoder::new(settings),
        frame_bytes_max: 1 << 20,
        events: mpsc::channel().1,
        steers: mpsc::channel().0,
        orders: mpsc::channel().0,
        done,
        stop,
        published: watch::channel(Arc::default()).0,
        state,
    };
    (worker, done_in)
}

#[test]
fn another_configuration_is_taken_between_two_looks() {
    let (mut worker, _done) = waiting();
    let text = "[detectors.volume_spike]\nsigma = 9.0\n";
    let plan = Plan::new(&Config::parse("k.toml", text).unwrap(), "k.toml", text).unwrap();
    let (changes, receiver) = tokio::sync::mpsc::channel(1);
    worker.between = Between::new(&plan, Some(receiver), Roster::new(&plan.metrics).1);
    let place = Place { topic: 0, partition: 0 };
    worker.state.cells.insert(place, Cell::new(&worker.mould, place, 0, clock::now()));
    let (change, mut in_force) = Change::new(Arc::clone(&plan.shard), Vec::new());
    changes.try_send(change).map_err(|_| "full").unwrap();
    assert!(in_force.try_recv().is_err(), "not before the loop looks");
    worker.look_again();
    assert_eq!(in_force.try_recv(), Ok(()));
    assert!(!worker.state.committed.ready);
    worker.note_ready();
    assert!(worker.state.committed.ready);
}

#[test]
fn a_commit_counts_when_it_is_known_to_have_succeeded() {
    let (mut worker, done) = waiting();
    worker.settle(false).unwrap();
    assert!(worker.state.under_way.is_some() && worker.state.committed.lines == 0, "nothing is known yet");
    done.send(Ok(())).unwrap();
    worker.settle(false).unwrap();
    assert_eq!((worker.state.is_lost, worker.state.committed.lines), (false, 7));
}

/// Whatever the error, the transaction may have been committed or not.
#[test]
fn a_commit_of_unknown_outcome_sends_everything_back() {
    let failed = KafkaSinkError::Failed(KafkaError::Canceled);
    for error in [KafkaSinkError::Undelivered, failed] {
        let (mut worker, done) = waiting();
        done.send(Err(error)).unwrap();
        worker.settle(true).unwrap();
        assert_eq!((worker.state.is_lost, worker.state.committed.lines), (true, 0));
        assert!(worker.state.under_way.is_none());
    }
}

/// Which is sooner: so many records, or so long since the first of them.
#[test]
fn a_commit_is_due_by_its_records_or_by_time() {
    let (worker, _) = waiting();
    let (plan, mut outbox) = (worker.plan, worker.state.outbox);
    assert_eq!((plan.commit_records, plan.commit_within), (5000, Duration::from_millis(200)));
    let [at_once, late] = [Duration::ZERO, Duration::from_secs(3600)]
        .map(|commit_within| KafkaPlan { commit_within, ..plan.clone() });
    assert!(!outbox.is_due(&at_once), "nothing waits");
    outbox.touch();
    assert!(outbox.is_due(&at_once) && !outbox.is_due(&late));
    outbox.records = 4999;
    assert!(!outbox.is_due(&late));
    outbox.records = 5000;
    assert!(outbox.is_due(&late));
}

//! Small worlds: an owner at work for weeks, and what then comes.

use super::*;
use crate::config::Plan;
use crate::decode::{Decoder, Settings};
use crate::frame::Block;
use crate::record::Run;
use crate::shard::{Input, Shard};
use crate::time::Timestamp;
use proptest::prelude::*;
use std::fmt::Write;

/// Records of a world, by time.
#[derive(Default)]
struct World {
    lines: Vec<(i64, String)>,
}

/// Who calls.
#[derive(Clone, Copy)]
struct Caller {
    address: &'static str,
    client: &'static str,
    model: &'static str,
    tokens: (u64, u64),
}

const OWNER: Caller = Caller {
    address: "198.51.100.7",
    client: "OpenAI/Python 2.32.0",
    model: "gpt-4o-mini",
    tokens: (600, 120),
};
const THIEF: Caller = Caller {
    address: "203.0.113.99",
    client: "Python/3.12 aiohttp/3.10.1",
    model: "gpt-4o",
    tokens: (9000, 1500),
};
/// Whose records tell neither address nor client.
const BARE: Caller = Caller { address: "", client: "", ..OWNER };
const BARE_THIEF: Caller = Caller { address: "", client: "", ..THIEF };
/// The first of June 2026, a Monday.
const START: i64 = 1_780_272_000;
const DAY: i64 = 86_400;

impl World {
    fn call(&mut self, key: &str, at: i64, who: Caller) {
        let (number, (input, output)) = (self.lines.len(), who.tokens);
        let input = input + u64::try_from(at % 97).unwrap();
        let Caller { address, client, model, .. } = who;
        let sender = if address.is_empty() {
            String::new()
        } else {
            format!(r#""source_ip":"{address}","user_agent":"{client}","#)
        };
        let line = format!(
            r#"{{"timestamp":{at},"request_id":"req_{number}","api_key_prefix":"...{key}","model":"{model}","input_tokens":{input},"output_tokens":{output},"endpoint":"/v1/chat/completions",{sender}"status_code":200}}"#
        );
        self.lines.push((at, line));
    }

    /// A bucket of the calls of an hour, as it is told when that is over.
    fn sum(&mut self, key: &str, from: i64, requests: u64, who: Caller) {
        let (to, (input, output)) = (from + 3600, who.tokens);
        let line = format!(
            r#"{{"timestamp":{from},"window_end":{to},"api_key_prefix":"...{key}","model":"{}","requests":{requests},"input_tokens":{},"output_tokens":{},"cost_usd":{:.4},"endpoint":"/v1/chat/completions"}}"#,
            who.model,
            requests * (input + u64::try_from(from / 3600 % 97).unwrap()),
            requests * output,
            0.0004 * f64::from(u32::try_from(requests).unwrap()),
        );
        self.lines.push((to, line));
    }

    /// Calls every quarter of an hour from eight to eighteen o'clock.
    fn work(&mut self, key: &str, days: std::ops::Range<i64>, who: Caller) {
        for day in days {
            for quarter in 32..72 {
                self.call(key, START + day * DAY + quarter * 900 + (day * 37 + quarter * 61) % 300, who);
            }
        }
    }

    fn text(mut self) -> String {
        self.lines.sort();
        self.lines.into_iter().fold(String::new(), |mut text, (_, line)| {
            writeln!(text, "{line}").unwrap();
            text
        })
    }
}

fn plan() -> Plan {
    let text = "[incidents]\nenabled = true\n";
    let config = crate::config::Config::parse("t", text).unwrap();
    Plan::new(&config, "t", text).unwrap()
}

/// What is told of these records by a shard that is given them in blocks which end after these lines; after each it is
/// saved and another one goes on.
fn told(text: &str, ends: &[usize]) -> Vec<Incident> {
    let Plan { rulebook, shard: settings, .. } = plan();
    let mut decoder =
        Decoder::new(Settings { rulebook, format: None, frame_bytes_max: 1 << 20, keep_rejects: false });
    let fresh = || Shard::new(Arc::clone(&settings), 0, 1, false);
    let (mut shard, mut found) = (fresh(), Vec::new());
    let lines: Vec<&str> = text.lines().collect();
    let mut from = 0;
    for to in ends.iter().copied().chain([lines.len()]) {
        let to = to.clamp(from, lines.len());
        let block = Block { bytes: lines[from..to].join("\n").into(), ..Block::default() };
        let batch = Arc::new(decoder.block(&block, Timestamp::MAX));
        let runs = [Run { range: 0..batch.records.len(), batch }];
        found.extend(shard.apply(&Input::Records { runs: &runs, marks: &[] }).0);
        let saved = shard.save();
        shard = fresh();
        shard.restore([&saved[..]]).unwrap();
        assert!(shard.save() == saved, "the same state is the same bytes");
        from = to;
    }
    found.extend(shard.apply(&Input::End).0);
    found.into_iter().filter_map(|output| output.event.into_incident()).collect()
}

#[test]
fn a_thief_beside_the_owner_is_told_within_minutes_and_the_ledger_adds_up() {
    let mut world = World::default();
    world.work("a1", 0..40, OWNER);
    let stolen = START + 36 * DAY + 11 * 3600;
    for call in 0..120 {
        world.call("a1", stolen + call * 20, THIEF);
    }
    let incidents = told(&world.text(), &[]);
    assert_one_theft(&incidents, stolen);
    assert!(
        incidents
            .iter()
            .flat_map(|one| &one.ledger)
            .all(|term| TERMS.iter().any(|known| known.0 == term.name))
    );
}

/// That these tell of one theft of 120 requests, within minutes, each request once, with ledgers that add up.
#[track_caller]
fn assert_one_theft(incidents: &[Incident], stolen: i64) {
    let first = incidents.first().expect("an incident");
    assert!(first.detected_at.at.0 / 1_000_000_000 - stolen < 600, "{}", first.detected_at);
    assert!(incidents.iter().all(|incident| incident.id == first.id), "one theft is one incident");
    assert!((0..).zip(incidents).all(|(number, incident)| incident.revision == number));
    let told: usize = incidents.iter().map(|incident| incident.request_ids.len()).sum();
    assert_eq!(told, 120, "every request of the thief is told once");
    for incident in incidents {
        let sum: f64 = incident.ledger.iter().map(|term| term.nats).sum();
        assert!((sum - incident.score).abs() < 1e-9);
        assert!(incident.ledger.iter().all(|term| !term.meaning().is_empty()));
    }
}

/// A world of some keys whose records tell neither address nor client, so that it is known what anybody sends.
fn bare_world() -> World {
    let mut world = World::default();
    world.work("b1", 0..40, BARE);
    world.work("b2", 0..40, Caller { tokens: (6_000, 900), model: "gpt-4o", ..BARE });
    world.work("b3", 0..40, Caller { tokens: (12_000, 2_400), model: "gpt-4o", ..BARE });
    world
}

#[test]
fn a_thief_is_known_by_his_habits_where_records_tell_nothing_else() {
    let mut world = bare_world();
    let stolen = START + 36 * DAY + 3 * 3600;
    for call in 0..120 {
        world.call("b1", stolen + call * 20, BARE_THIEF);
    }
    let incidents = told(&world.text(), &[]);
    assert_one_theft(&incidents, stolen);
    assert_eq!(incidents.last().map(|last| last.requests), Some(120), "those told are those counted");
}

/// Some keys of which nothing is told but what they did in each hour, on the days up to this one.
fn summed_world(days: i64) -> World {
    let mut world = World::default();
    for (key, who) in [
        ("s1", OWNER),
        ("s2", Caller { tokens: (6_000, 900), model: "gpt-4o", ..OWNER }),
        ("s3", Caller { tokens: (12_000, 2_400), model: "gpt-4o", ..OWNER }),
    ] {
        for hour in (0..days).flat_map(|day| (8..18).map(move |hour| day * 24 + hour)) {
            world.sum(key, START + hour * 3600, 4 + u64::try_from(hour * 61 % 3).unwrap(), who);
        }
    }
    world
}

#[test]
fn a_thief_is_known_by_the_hour_where_only_sums_are_told() {
    let mut world = summed_world(38);
    let stolen = START + 36 * DAY + 3 * 3600;
    world.sum("s1", stolen, 90, THIEF);
    let mut incidents = told(&world.text(), &[]);
    let first = incidents.remove(0);
    assert_eq!((&*first.key_hint, first.requests), ("...s1", 90));
    assert_eq!(first.timestamp.at.0 / 1_000_000_000, stolen, "when it began");
    assert_eq!(
        first.detected_at.at.0 / 1_000_000_000,
        stolen + 3600,
        "before its end nobody knows what it holds"
    );
    assert_eq!(first.request_ids, [], "of a bucket nobody knows the requests");
    assert_eq!(
        first.buckets.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
        ["2026-07-07T03:00:00Z/2026-07-07T04:00:00Z gpt-4o"]
    );
    assert!(incidents.iter().all(|incident| incident.id == first.id), "{incidents:#?}");
}

#[test]
fn a_bucket_told_again_says_nothing_new_and_more_in_it_does() {
    let stolen = START + 36 * DAY + 3 * 3600;
    let tell = |parts: &[u64]| {
        let mut world = summed_world(36);
        let mut text = std::mem::take(&mut world).text();
        for requests in parts {
            let mut world = World::default();
            world.sum("s1", stolen, *requests, THIEF);
            text += &world.text();
        }
        told(&text, &[])
    };
    let whole = tell(&[90]);
    assert_eq!(whole.len(), 1, "{whole:#?}");
    assert_eq!(tell(&[90, 90, 90]), whole);
    let grown = tell(&[90, 400]);
    assert_eq!(grown.last().map(|last| (last.revision, last.requests)), Some((1, 400)), "{grown:#?}");
}

#[test]
fn sums_of_a_key_whose_requests_are_told_and_wide_ones_accuse_nobody() {
    let mut world = summed_world(38);
    world.work("s1", 0..38, BARE);
    world.sum("s1", START + 36 * DAY + 3 * 3600, 90, THIEF);
    let wide = format!(
        r#"{{"timestamp":{},"window_end":{},"api_key_prefix":"...s2","model":"o1","requests":900,"input_tokens":9000000,"output_tokens":1350000}}"#,
        START + 36 * DAY,
        START + 37 * DAY
    );
    world.lines.push((START + 37 * DAY, wide));
    assert_eq!(told(&world.text(), &[]), []);
}

#[test]
fn more_of_the_same_and_a_slow_drift_are_no_theft() {
    let mut world = bare_world();
    for day in 31..40 {
        for call in 0..360 {
            world.call("b1", START + day * DAY + 8 * 3600 + call * 100, BARE);
        }
    }
    world.work("b4", 0..20, BARE);
    for day in 20_i64..40 {
        let tokens = (600 + 60 * day.unsigned_abs(), 120 + 6 * day.unsigned_abs());
        world.work("b4", day..day + 1, Caller { tokens, ..BARE });
    }
    assert_eq!(told(&world.text(), &[]), []);
}

#[test]
fn probes_of_a_bare_key_are_told_at_once() {
    let mut world = bare_world();
    let stolen = START + 36 * DAY + 11 * 3600;
    for (call, model) in ["gpt-4o", "o1", "gpt-4-turbo", "gpt-4.1"].into_iter().enumerate() {
        let at = stolen + i64::try_from(call).unwrap();
        let line = format!(
            r#"{{"timestamp":{at},"request_id":"probe_{call}","api_key_prefix":"...b1","model":"{model}","input_tokens":4,"output_tokens":0,"endpoint":"/v1/chat/completions","status_code":400}}"#
        );
        world.lines.push((at, line));
    }
    let incidents = told(&world.text(), &[]);
    let first = incidents.first().expect("an incident");
    assert!(first.detected_at.at.0 / 1_000_000_000 - stolen < 5, "{}", first.detected_at);
    assert!(first.ledger.iter().any(|term| term.name == "probing" && term.nats > 1.0));
}

#[test]
fn an_owner_who_moves_is_no_thief() {
    let moved = Caller { address: "192.0.2.44", client: "OpenAI/Python 2.41.1", ..OWNER };
    let mut world = World::default();
    world.work("a1", 0..36, OWNER);
    world.work("a1", 36..50, moved);
    assert_eq!(told(&world.text(), &[]), []);
}

/// Somebody who moved has one place at a time; an owner who is here and there says nothing of a stranger who is, too.
#[test]
fn requests_from_one_place_and_the_next_count_where_the_owner_keeps_to_his() {
    let hops = |homes: [&'static str; 2], places: [&'static str; 2]| {
        let mut world = World::default();
        for (day, quarter) in (0..40).flat_map(|day| (32..72).map(move |quarter| (day, quarter))) {
            let address = homes[usize::from(quarter % 2 == 0)];
            let at = START + day * DAY + quarter * 900 + (day * 37 + quarter * 61) % 300;
            world.call("a1", at, Caller { address, ..OWNER });
        }
        for call in 0..120 {
            let address = places[usize::from(call % 2 == 0)];
            world.call("a1", START + 36 * DAY + 11 * 3600 + call * 20, Caller { address, ..THIEF });
        }
        let incidents = told(&world.text(), &[]);
        let last = incidents.last().expect("an incident");
        last.ledger.iter().any(|term| term.name == "hops" && term.nats > 1.0)
    };
    let [home, office] = ["198.51.100.7", "192.0.2.44"];
    let [one, other] = ["203.0.113.99", "100.64.9.1"];
    assert!(hops([home, home], [one, other]));
    assert!(!hops([home, home], [one, one]), "he keeps to one place");
    assert!(!hops([home, office], [one, other]), "the owner does so, too");
}

#[test]
fn a_key_that_is_new_is_not_told_at_its_first_records() {
    let mut world = World::default();
    world.work("a1", 0..3, THIEF);
    assert_eq!(told(&world.text(), &[]), []);
}

#[test]
fn second_deliveries_change_nothing() {
    let mut world = World::default();
    world.work("a1", 0..37, OWNER);
    for call in 0..60 {
        world.call("a1", START + 36 * DAY + 11 * 3600 + call * 20, THIEF);
    }
    let text = world.text();
    let doubled = text.lines().fold(String::new(), |mut doubled, line| {
        writeln!(doubled, "{line}\n{line}").unwrap();
        doubled
    });
    assert_eq!(told(&text, &[]), told(&doubled, &[]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Wherever it is stopped and taken up again, and however records come in blocks, the same is told.
    #[test]
    fn restarts_and_blocks_change_nothing(mut ends in prop::collection::vec(0_usize..3300, 0..6)) {
        let mut world = World::default();
        world.work("a1", 0..37, OWNER);
        for call in 0..150 {
            world.call("a1", START + 33 * DAY + 11 * 3600 + call * 700, THIEF);
            world.call("b1", START + 33 * DAY + 11 * 3600 + call * 700, BARE_THIEF);
        }
        world.work("b1", 0..37, BARE);
        let text = world.text();
        ends.sort_unstable();
        let whole = told(&text, &[]);
        prop_assert!(["...a1", "...b1"].iter().all(|key| whole.iter().any(|one| &*one.key_hint == *key)));
        prop_assert_eq!(told(&text, &ends), whole);
    }
}

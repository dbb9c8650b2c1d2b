//! Whose requests are whose, where several strangers use a key.

use crate::incidents::{Caller, DAY, OWNER, START, THIEF, line};
use crate::investigate::{changed, investigate, log, requests, thief, weeks};
use serde_json::{Value, json};

const COLLEAGUE: Caller =
    Caller { address: "192.0.2.44", client: "node/22 undici", model: "gpt-4o-mini", input: 700 };

/// Somebody tries what the key may do.
fn tries(who: &Caller, from: i64) -> Vec<(i64, String)> {
    let models = ["gpt-4.1", "o3", "gpt-5", "gpt-image-1"];
    let one = |(model, at): (&&str, i64)| {
        changed(line(0, from + at, who), |record| {
            (record["model"], record["status_code"]) = (json!(model), json!(403));
            (record["input_tokens"], record["output_tokens"]) = (json!(0), json!(0));
        })
    };
    models.iter().zip(0..).map(one).collect()
}

/// A colleague who is told of when he comes, for he tries what the key may do, and stays.
fn colleague(from: i64, input: i64) -> Vec<(i64, String)> {
    let who = Caller { input, ..COLLEAGUE };
    let days = (from..START + 37 * DAY).step_by(86_400);
    let works = days.flat_map(|day| (0..12).map(move |call| day + 100 + call * 611));
    tries(&who, from).into_iter().chain(works.map(|at| line(0, at, &who))).collect()
}

fn told(report: &Value) -> usize {
    report["verdict"]["incidents"].as_array().unwrap().len()
}

#[test]
fn who_was_there_for_weeks_when_a_thief_came_is_another_case() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let count = thief().len() as u64;
    // Who was there on the first day is not meant even where he spent most of all.
    for (from, input) in [(START + DAY + 40_000, 700), (START + 59_000, 40_000)] {
        let early = colleague(from, input);
        let owns = early.len() as u64;
        log(dir, "log", &mut [weeks(0), early.clone(), thief()].concat());
        let report = investigate(dir, &["--key", "key0", "log"]);
        assert_eq!(told(&report), 2, "both are told of: {}", report["verdict"]);
        let both = (requests(&report, "attacker"), requests(&report, "unsure"));
        assert_eq!(both, (count, owns), "{}", report["consumers"]);
        // Where nobody else is told of, he is who is meant; and where he is asked for by his incident.
        log(dir, "alone", &mut [weeks(0), early].concat());
        let alone = investigate(dir, &["--key", "key0", "alone"]);
        assert_eq!(requests(&alone, "attacker"), owns);
        let asked = alone["verdict"]["incidents"][0]["incident_id"].as_str().unwrap();
        let asked = investigate(dir, &["--incident", asked, "log"]);
        assert_eq!(requests(&asked, "attacker"), owns);
    }
}

/// Somebody with the owner's software who asks once, from an address of his own.
fn passer_by(number: i64, at: i64) -> (i64, String) {
    changed(line(0, at, &OWNER), |record| record["source_ip"] = json!(format!("{}.7.113.9", 60 + number)))
}

#[test]
fn newcomers_at_the_time_of_a_thief_are_his_where_hardly_any_come_by_chance() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    // He has the owner's software, and is told of at the one address that most of it comes from.
    let disguised = |one| changed(one, |record| record["user_agent"] = json!(OWNER.client));
    let begins = tries(&THIEF, START + 36 * DAY + 39_500);
    let his: Vec<_> = begins.into_iter().chain(thief()).map(disguised).collect();
    let count = his.len() as u64;
    let of = |others, beside: &[(i64, String)]| {
        let once = (0..others).map(|call| passer_by(call, START + 36 * DAY + 43_301 + call * 41));
        let lines = [weeks(0), his.clone(), once.collect(), beside.to_vec()].concat();
        log(dir, "log", &mut lines.clone());
        let report = investigate(dir, &["--key", "key0", "log"]);
        assert_eq!(told(&report), 1, "{}", report["verdict"]);
        (requests(&report, "attacker"), requests(&report, "unsure"), report)
    };
    let (all, unsure, report) = of(20, &[]);
    assert_eq!((all, unsure), (count + 20, 0), "{}", report["consumers"]);
    assert!(report["consumers"].to_string().contains("new with the attacker"), "{}", report["consumers"]);
    // Where somebody new comes every day, two more are no wonder.
    let daily: Vec<_> = (3..35).map(|day| passer_by(60 + day, START + day * DAY + 40_003)).collect();
    let (all, _, report) = of(2, &daily);
    assert_eq!(all, count, "{}", report["consumers"]);
}

/// What somebody did who came an hour after a thief.
struct Newcomer {
    who: Caller,
    calls: i64,
    /// Whether he is taken for the thief, and what is said of it.
    is_his: bool,
    why: &'static str,
}

#[test]
fn what_is_too_little_to_tell_of_may_be_enough_beside_a_thief() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    // The scores of all are near enough to what an incident takes.
    std::fs::write(dir.join("on.toml"), "[incidents]\nenabled = true\nthreshold_nats = 6.9\n").unwrap();
    // The thief has the owner's software. Somebody new comes now and then, so that number alone convicts nobody.
    let thief =
        thief().into_iter().map(|one| changed(one, |record| record["user_agent"] = json!(OWNER.client)));
    let now_and_then = [9, 13, 20].map(|day| passer_by(day, START + day * DAY + 40_003));
    let usual: Vec<_> = weeks(0).into_iter().chain(thief).chain(now_and_then).collect();
    let alike = |input| Caller { address: COLLEAGUE.address, input, ..OWNER };
    let behind = |input| Caller { address: THIEF.address, client: COLLEAGUE.client, input, ..OWNER };
    let [unsure, near, shared] = [
        "new, and neither accepted",
        "beside the attacker and by the same software: 6.1 nats",
        "from 203.0.113.99",
    ];
    for Newcomer { who, calls, is_his, why } in [
        Newcomer { who: alike(3_000), calls: 20, is_his: true, why: near },
        Newcomer { who: alike(3_000), calls: 2, is_his: false, why: unsure },
        Newcomer { who: behind(1_500), calls: 1, is_his: true, why: shared },
        // A colleague behind the same address looks like the owner.
        Newcomer { who: behind(600), calls: 6, is_his: false, why: unsure },
    ] {
        let his = (0..calls).map(|call| line(0, START + 36 * DAY + 43_207 + call * 61, &who));
        log(dir, "log", &mut usual.iter().cloned().chain(his).collect::<Vec<_>>());
        let report = investigate(dir, &["-c", "on.toml", "--key", "key0", "log"]);
        assert_eq!(told(&report), 1, "{}", report["verdict"]);
        let consumers = report["consumers"].as_array().unwrap();
        let one = consumers.iter().find(|consumer| consumer["requests"] == json!(calls)).unwrap();
        assert_eq!(one["who"], if is_his { "attacker" } else { "unsure" }, "{one}");
        assert!(one["why"].as_str().unwrap().starts_with(why), "{one}");
    }
}

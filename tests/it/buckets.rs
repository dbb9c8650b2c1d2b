//! Buckets, invoices and events of audit logs, as a shard takes them: told in any order and any number of times, each
//! counts once, and as it was told last.

use keyhound::config::{Config, Plan};
use keyhound::detect::{Alert, Class, Status};
use keyhound::key::KeyId;
use keyhound::money::NanoUsd;
use keyhound::record::{Action, Batch, CostSource, Kind, Mark, Model, Part, Run, Text, Tokens, UsageRecord};
use keyhound::shard::{Counts, Input, Output, Shard, ShardSettings};
use keyhound::time::{SECOND, Stamp, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// 2026-06-01T00:00:00Z.
const START: i64 = 1_780_272_000;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Every day that costs anything gives an alert, so that its sums can be read.
const TELL_ALL: &str = "[detectors.billing_threshold]\namounts_usd = [0.0]\n";

fn settings(text: &str) -> Arc<ShardSettings> {
    let config = Config::parse("test", &format!("{text}\n{TELL_ALL}")).unwrap();
    Plan::new(&config, "test", text).map_err(|error| error.to_string()).unwrap().shard
}

/// A record of a key that begins `start` seconds after the first of June.
fn record(kind: Kind, key: u8, start: i64, width: i64) -> UsageRecord {
    let identity = (u64::from(key) << 48) ^ (start.unsigned_abs() << 20) ^ width.unsigned_abs();
    UsageRecord {
        time: Stamp::utc(Timestamp((START + start) * SECOND)),
        key: KeyId([key.wrapping_mul(37); 16]),
        key_hint: Text::NONE,
        key_alias: Text::NONE,
        model: Model { id: 7, name: Text::NONE },
        tokens: Tokens::default(),
        requests: 0,
        width_s: u32::try_from(width).unwrap(),
        status: 200,
        kind,
        counted: false,
        part: Part::Whole,
        cost_source: if kind == Kind::Invoice { CostSource::Invoiced } else { CostSource::Reported },
        cost: NanoUsd::ZERO,
        address: None,
        endpoint: Text::NONE,
        user_agent: Text::NONE,
        request_id: Text::NONE,
        request_hash: if kind == Kind::Request {
            0
        } else {
            identity | 1 << 63 | u64::from(kind == Kind::Invoice) << 62
        },
        line: 0,
    }
}

fn bucket(key: u8, start: i64, width: i64, requests: u32, nano: i64) -> UsageRecord {
    UsageRecord { requests, counted: true, cost: NanoUsd(nano), ..record(Kind::Bucket, key, start, width) }
}

fn invoice(key: u8, start: i64, width: i64, nano: i64) -> UsageRecord {
    UsageRecord { cost: NanoUsd(nano), ..record(Kind::Invoice, key, start, width) }
}

fn request(key: u8, start: i64, nano: i64) -> UsageRecord {
    UsageRecord { requests: 1, counted: true, cost: NanoUsd(nano), ..record(Kind::Request, key, start, 0) }
}

/// Some shards, moved together.
struct Shards {
    each: Vec<Shard>,
    counts: Counts,
    alerts: Vec<Alert>,
}

impl Shards {
    fn new(settings: &Arc<ShardSettings>, count: usize, learning: bool) -> Self {
        let shard = |number| Shard::new(Arc::clone(settings), number, count, learning);
        Self { each: (0..count).map(shard).collect(), counts: Counts::default(), alerts: Vec::new() }
    }

    fn apply(&mut self, input: &Input<'_>) {
        let mut outputs: Vec<Output> = Vec::new();
        for shard in &mut self.each {
            let (given, counts) = shard.apply(input);
            outputs.extend(given);
            self.counts.add(&counts);
        }
        outputs.sort_by_key(|output| output.order);
        self.alerts.extend(outputs.into_iter().filter_map(|output| output.event.into_alert()));
    }

    /// Takes records, and after them a watermark of so many seconds after the first of June.
    fn take(&mut self, records: &[UsageRecord], watermark: Option<i64>) {
        let mut batch = Batch::default();
        batch.records.extend_from_slice(records);
        let batch = Arc::new(batch);
        let run = Run { range: 0..records.len(), batch };
        let at = u32::try_from(records.len()).unwrap();
        let marks = watermark.map(|seconds| Mark { at, watermark: Timestamp((START + seconds) * SECOND) });
        self.apply(&Input::Records { runs: &[run], marks: &Vec::from_iter(marks) });
    }

    fn end(mut self) -> Self {
        self.apply(&Input::End);
        self
    }

    /// Requests and money of each key and day, as the last alert of spending tells them.
    fn days(&self) -> BTreeMap<(u8, String), (Option<u64>, i64)> {
        let spending = self.alerts.iter().filter(|alert| alert.alert_type == "billing_threshold");
        let last = spending.filter(|alert| alert.status != Status::Open);
        last.map(|alert| ((alert.key.0[0] / 37, alert.day.to_string()), (alert.requests, alert.cost.0)))
            .collect()
    }

    /// The final alerts, without what tells when they were first true.
    fn finals(&self) -> Vec<String> {
        let finals = self.alerts.iter().filter(|alert| alert.status == Status::Final);
        let mut shown: Vec<_> = finals
            .map(|alert| {
                let still = Stamp::utc(Timestamp(0));
                format!("{:?}", Alert { revision: 0, detected_at: still, updated_at: still, ..alert.clone() })
            })
            .collect();
        shown.sort();
        shown
    }
}

/// What is told of one bucket, in order.
#[derive(Clone, Debug)]
struct Story {
    key: u8,
    start: i64,
    width: i64,
    invoice: bool,
    tellings: Vec<(u32, i64)>,
}

impl Story {
    fn tell(&self, (requests, nano): (u32, i64)) -> UsageRecord {
        // Tokens stay: something was used, whatever it came to.
        let mut told = if self.invoice {
            invoice(self.key, self.start, self.width, nano)
        } else {
            bucket(self.key, self.start, self.width, requests, nano)
        };
        told.tokens.output = keyhound::record::Count::of(1);
        told
    }

    fn last(&self) -> UsageRecord {
        self.tell(*self.tellings.last().unwrap())
    }
}

fn stories() -> impl Strategy<Value = Vec<Story>> {
    let width = prop::sample::select(vec![60, HOUR, 5 * HOUR, DAY, 3 * DAY]);
    let tellings = prop::collection::vec((0_u32..5000, 0_i64..90_000_000_000), 1..5);
    let story =
        (1_u8..5, 0_i64..40, width, 0_u8..4, tellings).prop_map(|(key, slot, width, kind, tellings)| Story {
            key,
            start: slot * 3 * HOUR,
            width,
            invoice: kind == 0,
            tellings,
        });
    prop::collection::vec(story, 1..30).prop_map(|mut stories| {
        let identity = |story: &Story| (story.key, story.start, story.width, story.invoice);
        stories.sort_by_key(identity);
        stories.dedup_by_key(|story| identity(story));
        stories
    })
}

/// Every telling of every story, those of one story in order, told again as `order` has it.
fn mixed(stories: &[Story], order: &[u16]) -> Vec<UsageRecord> {
    let mut left: Vec<_> = stories.iter().map(|story| (story, story.tellings.iter().peekable())).collect();
    let mut records = Vec::new();
    let mut order = order.iter();
    while !left.is_empty() {
        let pick = order.next().map_or(1, |pick| usize::from(*pick));
        let at = pick % left.len();
        let (story, tellings) = &mut left[at];
        records.push(story.tell(**tellings.peek().unwrap()));
        // Now and then the same is told twice or three times.
        if !pick.is_multiple_of(3) {
            tellings.next();
        }
        if tellings.peek().is_none() {
            drop(left.swap_remove(at));
        }
    }
    records
}

const ZONE: &str = "timezone = \"Asia/Kolkata\"\n[baseline]\nlearning_days = 2\nrebuild_days = 2\n";
const ZONE_HALF: &str = "timezone = \"Australia/Lord_Howe\"";

/// What is judged by the baselines that came of it.
fn afterwards(from_day: i64) -> Vec<UsageRecord> {
    (1..5)
        .flat_map(|key| {
            (0..4).map(move |n| bucket(key, from_day * DAY + n * 7 * HOUR, HOUR, 40_000, 300_000_000_000))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn order_and_repetition_leave_no_trace(
        stories in stories(),
        order in prop::collection::vec(any::<u16>(), 1..200),
        shards in 1_usize..5,
    ) {
        let settings = settings(ZONE);
        let judge = |records: &[UsageRecord], shards: usize| {
            let mut moved = Shards::new(&settings, shards, false);
            moved.take(records, Some(9 * DAY));
            moved.take(&afterwards(11), None);
            moved.end()
        };
        let once: Vec<_> = stories.iter().map(Story::last).collect();
        let told = mixed(&stories, &order);
        let (ours, theirs) = (judge(&told, shards), judge(&once, 1));
        prop_assert_eq!(ours.finals(), theirs.finals());
        prop_assert_eq!(ours.counts.cost, theirs.counts.cost);
        prop_assert_eq!(ours.counts.requests, theirs.counts.requests);
        prop_assert_eq!(ours.counts.processed + ours.counts.duplicate, (told.len() + 16) as u64);
        // Any number of shards gives the same alerts in the same order, revisions and all.
        prop_assert_eq!(ours.alerts, judge(&told, 4).alerts);
    }

    #[test]
    fn a_history_told_in_any_order_gives_the_same_baselines(
        stories in stories(),
        order in prop::collection::vec(any::<u16>(), 1..200),
    ) {
        let settings = settings(ZONE);
        let judge = |records: &[UsageRecord]| {
            let mut moved = Shards::new(&settings, 2, true);
            // The watermark of a history says nothing: its records come in any order.
            let (first, second) = records.split_at(records.len() / 2);
            moved.take(first, Some(40 * DAY));
            moved.take(second, Some(41 * DAY));
            moved.apply(&Input::EndOfHistory);
            moved.take(&afterwards(11), None);
            moved.end()
        };
        let once: Vec<_> = stories.iter().map(Story::last).collect();
        let (ours, theirs) = (judge(&mixed(&stories, &order)), judge(&once));
        prop_assert_eq!(ours.counts.late, 0);
        prop_assert_eq!(ours.alerts, theirs.alerts);
    }

    #[test]
    fn days_hold_exactly_what_was_told_last(stories in stories(), order in prop::collection::vec(any::<u16>(), 1..200)) {
        let mut moved = Shards::new(&settings(ZONE_HALF), 3, false);
        let stories: Vec<_> = stories.into_iter().filter(|story| !story.invoice).collect();
        moved.take(&mixed(&stories, &order), None);
        let moved = moved.end();
        for key in 1..5 {
            let of_key = || stories.iter().filter(|story| story.key == key).map(Story::last);
            let days = moved.days();
            let days = || days.iter().filter(|((of, _), _)| *of == key).map(|(_, sums)| sums);
            prop_assert_eq!(days().map(|sums| sums.1).sum::<i64>(), of_key().map(|told| told.cost.0).sum::<i64>());
            let requests: u64 = of_key().map(|told| u64::from(told.requests)).sum();
            // A day that costs nothing is not told.
            prop_assert!(days().map(|sums| sums.0.unwrap()).sum::<u64>() <= requests);
        }
    }
}

fn days(config: &str, records: &[UsageRecord]) -> Vec<(String, Option<u64>, i64)> {
    let mut moved = Shards::new(&settings(config), 1, false);
    moved.take(records, None);
    moved.end().days().into_iter().map(|((_, day), (requests, cost))| (day, requests, cost)).collect()
}

#[test]
fn a_bucket_told_a_hundred_times_counts_once() {
    let mut moved = Shards::new(&settings(""), 1, false);
    for _ in 0..100 {
        moved.take(&[bucket(1, 0, DAY, 100, 1000)], Some(HOUR));
    }
    for n in 0..100 {
        moved.take(&[bucket(2, 0, DAY, n, i64::from(n) * 1000)], Some(HOUR));
    }
    let moved = moved.end();
    let expected = [
        ((1, "2026-06-01".to_owned()), (Some(100), 1000)),
        ((2, "2026-06-01".to_owned()), (Some(99), 99_000)),
    ];
    assert_eq!(moved.days(), BTreeMap::from(expected));
    assert_eq!((moved.counts.processed, moved.counts.duplicate), (101, 99));
    assert_eq!(moved.counts.cost[CostSource::Reported as usize], NanoUsd(100_000));
}

#[test]
fn a_bucket_is_spread_over_the_days_of_its_zone() {
    let day = |day: &str, requests, cost| (day.to_owned(), Some(requests), cost);
    // 18.5 of 24 hours of the day of UTC are of the same day in India.
    assert_eq!(
        days("timezone = \"Asia/Kolkata\"", &[bucket(1, 0, DAY, 48, 4_800)]),
        [day("2026-06-01", 37, 3_700), day("2026-06-02", 11, 1_100)]
    );
    // The first of November is a day of 25 hours in New York, from 04:00 to 05:00 the day after.
    let from = (153 * 24 + 4) * HOUR;
    assert_eq!(
        days("timezone = \"America/New_York\"", &[bucket(1, from, 2 * DAY, 48, 480)]),
        [day("2026-11-01", 25, 250), day("2026-11-02", 23, 230)]
    );
    // What cannot be divided is rounded, and nothing of it is lost.
    let month = days("", &[bucket(1, 0, 30 * DAY, 100, 1_000)]);
    assert_eq!(month.len(), 30);
    assert_eq!(month.iter().map(|(_, requests, _)| requests.unwrap()).sum::<u64>(), 100);
    assert_eq!(month.iter().map(|(_, _, cost)| cost).sum::<i64>(), 1_000);
}

#[test]
fn what_is_billed_is_not_spent_a_second_time() {
    let dollars = |usd: i64| usd * 1_000_000_000;
    let day = |cost| [("2026-06-01".to_owned(), Some(1), dollars(cost))];
    let (used, billed) = (request(1, 9 * HOUR, dollars(3)), invoice(1, 0, DAY, dollars(4)));
    assert_eq!(days("", &[used, billed]), day(3));
    assert_eq!(days("", &[billed, used]), day(3));
    // Known from bills alone, it cost what was billed, as it was billed last.
    let again = invoice(1, 0, DAY, dollars(5));
    assert_eq!(days("", &[billed, again]), [("2026-06-01".to_owned(), None, dollars(5))]);
    let mut moved = Shards::new(&settings(""), 1, false);
    moved.take(&[used, billed, again], None);
    let moved = moved.end();
    let last = moved.alerts.last().unwrap();
    assert_eq!((last.cost.0, last.invoiced), (dollars(3), Some(NanoUsd(dollars(5)))));
    assert_eq!(last.timestamp, used.time, "a bill is no use");
    assert_eq!(moved.counts.cost[CostSource::Invoiced as usize].0, dollars(5));
    assert_eq!(moved.counts.cost[CostSource::Reported as usize].0, dollars(3));
}

#[test]
fn bills_alone_make_a_baseline() {
    let mut moved = Shards::new(&settings(""), 1, true);
    let bills: Vec<_> = (0..30).map(|day| invoice(1, day * DAY, DAY, 5_000_000_000)).collect();
    moved.take(&bills, None);
    moved.apply(&Input::EndOfHistory);
    moved.take(&[invoice(1, 30 * DAY, DAY, 60_000_000_000)], None);
    let moved = moved.end();
    let spike = moved.alerts.iter().find(|alert| alert.alert_type == "cost_spike").unwrap();
    assert_eq!((spike.typical_cost, spike.requests), (Some(NanoUsd(5_000_000_000)), None));
    let blind =
        ["volume_spike", "unknown_model", "unknown_source_ip", "off_hours_usage", "burn_rate", "silence"];
    assert_eq!(spike.blind, blind);
}

#[test]
fn days_without_a_count_are_not_days_without_requests() {
    let uncounted =
        |day: i64| UsageRecord { counted: false, requests: 0, ..bucket(1, day * DAY, DAY, 0, 2_000_000_000) };
    let counted = |day: i64, requests| bucket(1, day * DAY, DAY, requests, 2_000_000_000);
    let judge = |counted_days: i64| {
        let mut moved = Shards::new(&settings(""), 1, true);
        let history: Vec<_> = (0..30)
            .map(|day| {
                if day < counted_days {
                    counted(day, 100 + u32::try_from(day % 2).unwrap())
                } else {
                    uncounted(day)
                }
            })
            .collect();
        moved.take(&history, None);
        moved.apply(&Input::EndOfHistory);
        moved.take(&[counted(30, 102)], None);
        moved.end().alerts.iter().filter(|alert| alert.alert_type == "volume_spike").count()
    };
    // With nought requests on twenty days, 102 would be within three deviations, and with thirty a spike of nothing.
    assert_eq!((judge(30), judge(10), judge(0)), (0, 0, 0));
    let mut moved = Shards::new(&settings(""), 1, true);
    let history: Vec<_> = (0..30)
        .map(
            |day| if day < 10 { counted(day, 100 + u32::try_from(day % 2).unwrap()) } else { uncounted(day) },
        )
        .collect();
    moved.take(&history, None);
    moved.apply(&Input::EndOfHistory);
    moved.take(&[counted(30, 110)], None);
    let moved = moved.end();
    let spike = moved.alerts.iter().find(|alert| alert.alert_type == "volume_spike").unwrap();
    assert!(
        spike.description.contains("its average day of 100 ± 1") || spike.description.contains("101 ± 1"),
        "{}",
        spike.description
    );
}

#[test]
fn what_is_forgotten_is_late_and_not_counted_again() {
    let mut moved = Shards::new(&settings("[input]\nrestate_hours = 24"), 1, false);
    moved.take(&[bucket(1, 0, DAY, 10, 10)], Some(2 * DAY - 1));
    moved.take(&[bucket(1, 0, DAY, 12, 12)], Some(2 * DAY - 1));
    assert_eq!(moved.counts.cost[0], NanoUsd(12), "told again in time, though its day is closed");
    assert_eq!((moved.counts.processed, moved.counts.late), (1, 1));
    moved.take(&[], Some(2 * DAY));
    moved.take(&[bucket(1, 0, DAY, 14, 14), bucket(1, DAY - HOUR, HOUR, 14, 14)], None);
    assert_eq!((moved.counts.cost[0], moved.counts.late), (NanoUsd(12), 3));
    // Of another key nothing has been forgotten, and of this one nothing that ended later.
    moved.take(&[bucket(2, 0, DAY, 14, 14), bucket(1, DAY, HOUR, 14, 14)], None);
    assert_eq!(moved.counts.cost[0], NanoUsd(12 + 28));
}

#[test]
fn too_many_buckets_are_forgotten_early_and_counted_once_all_the_same() {
    let mut moved = Shards::new(&settings("[limits]\nbucket_entries_max = 1000"), 1, false);
    let told: Vec<_> = (0..3000).map(|minute| bucket(1, minute * 60, 60, 1, 1)).collect();
    moved.take(&told, None);
    moved.take(&told, None);
    let gauges = moved.each[0].gauges();
    assert_eq!((gauges.bucket_entries, gauges.buckets_forgotten), (1000, 2000));
    assert_eq!(
        (moved.counts.cost[0], moved.counts.duplicate, moved.counts.late),
        (NanoUsd(3000), 1000, 2000)
    );
}

#[test]
fn a_counter_that_goes_on_adds_what_it_gained_where_it_gained_it() {
    let counter =
        |width, requests, nano| UsageRecord { request_hash: 99, ..bucket(1, 0, width, requests, nano) };
    let told =
        [counter(DAY, 10, 100), counter(2 * DAY, 25, 250), counter(2 * DAY, 25, 250), counter(DAY, 10, 100)];
    let day = |day: &str, requests, cost| (day.to_owned(), Some(requests), cost);
    assert_eq!(days("", &told), [day("2026-06-01", 10, 100), day("2026-06-02", 15, 150)]);
}

#[test]
fn audit_events_are_no_use() {
    let event =
        |id: u64, action| UsageRecord { request_hash: id, ..record(Kind::Audit(action), 1, 9 * HOUR, 0) };
    let mut moved = Shards::new(&settings(""), 1, false);
    let used = UsageRecord { request_hash: 5, ..request(2, 9 * HOUR, 100) };
    moved.take(
        &[event(5, Action::KeyCreated), event(5, Action::KeyCreated), event(6, Action::LimitRemoved), used],
        None,
    );
    let Counts { processed, duplicate, conflicting, audits, requests, .. } = moved.counts;
    assert_eq!((processed, duplicate, conflicting), (3, 1, 0));
    assert_eq!((audits[Action::KeyCreated as usize], audits.iter().sum::<u64>()), (1, 2));
    assert_eq!(requests.iter().sum::<i64>(), 1);
    let told = moved.end().alerts;
    let of_acts: Vec<_> = told.iter().filter(|alert| alert.class == Class::Exposure).collect();
    // Told, told again for another kind of deed, and closed with its day; and nothing is known of the key's use.
    assert!(of_acts.len() == 3 && of_acts.iter().all(|alert| alert.requests.is_none()), "{of_acts:#?}");
}

#[test]
fn a_bucket_of_nothing_is_no_use() {
    let mut moved = Shards::new(&settings(""), 1, false);
    moved.take(&[bucket(1, 0, DAY, 0, 0)], None);
    assert_eq!((moved.counts.processed, moved.each[0].gauges().keys), (1, 0));
    moved.take(&[bucket(1, 0, DAY, 3, 0)], None);
    assert_eq!((moved.counts.processed, moved.each[0].gauges().keys), (2, 1));
    assert_eq!(moved.counts.requests[CostSource::Reported as usize], 3);
}

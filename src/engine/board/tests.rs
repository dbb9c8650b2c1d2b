//! What is kept and shown, and what gives way.

use super::*;
use crate::config::ApiConfig;
use crate::detect::{Alert, Severity, Status};
use crate::money::NanoUsd;
use crate::shard::{Gallery, Standing};
use crate::window::STEPS;

fn plan(alerts_max: u32, events_bytes_max: u32) -> ApiPlan {
    ApiConfig { alerts_max, events_bytes_max, ..ApiConfig::default() }.inside()
}

/// An alert of this number, told at this second.
fn alert(number: u8, second: i64, status: Status) -> Event {
    let at = Timestamp(second * SECOND);
    let key = KeyId([number; 16]);
    let test = Alert::test(Timestamp(i64::from(number) * crate::time::DAY));
    Event::Alert(Alert {
        key,
        status,
        updated_at: crate::time::Stamp::utc(at),
        severity: Severity::High,
        ..test
    })
}

fn shown(board: &mut Board, glass: &Glass) -> Vec<u8> {
    board.hurry();
    board.show();
    glass.seen().alerts.iter().map(|entry| entry.key.0[0]).collect()
}

#[test]
fn what_is_over_gives_way_first_and_then_the_oldest() {
    let (mut board, _, glass) = new(&plan(3, 1 << 20));
    for (number, second, status) in
        [(1, 10, Status::Open), (2, 20, Status::Final), (3, 30, Status::Open), (4, 40, Status::Open)]
    {
        board.hear(&alert(number, second, status));
    }
    assert_eq!(shown(&mut board, &glass), [4, 3, 1]);
    board.hear(&alert(5, 5, Status::Open));
    assert_eq!(shown(&mut board, &glass), [4, 3, 1], "older than all that is open");
    assert_eq!((board.held().alerts, board.held().dropped), (3, 2));
}

#[test]
fn bytes_are_bounded_whatever_comes() {
    let (mut board, _, _) = new(&plan(100_000, 100_000));
    for number in 0..=255 {
        board.hear(&alert(number, number.into(), Status::Open));
        assert!(board.held().bytes <= 100_000);
    }
    let held = board.held();
    assert!(held.alerts > 10 && held.dropped > 10, "{held:?}");
}

#[test]
fn revisions_take_the_place_of_those_before_and_are_remembered() {
    let (mut board, _, glass) = new(&plan(10, 1 << 20));
    for revision in [0, 1, 1, 3, 2] {
        let Event::Alert(alert) = alert(1, revision.into(), Status::Open) else { panic!() };
        board.hear(&Event::Alert(Alert { revision, ..alert }));
    }
    board.show();
    let seen = glass.seen();
    let [entry] = &seen.alerts[..] else { panic!("{}", seen.alerts.len()) };
    let revisions: Vec<u32> = entry.moments.iter().map(|moment| moment.revision).collect();
    assert_eq!((entry.revision, revisions), (3, vec![0, 1, 3]));
}

fn portrait(number: u8, day_cost: i64, incidents: u32) -> Portrait {
    let mut sums = Sums { cost: NanoUsd(day_cost), day_cost: NanoUsd(day_cost), ..Sums::default() };
    sums.open.incidents[0][Severity::High as usize] = incidents;
    let id = KeyId([number; 16]);
    let standing =
        Standing { id, hint: "...a".into(), is_named: false, sums, usual: None, last: Timestamp(0) };
    Portrait {
        standing,
        alias: "".into(),
        hour: [NanoUsd::ZERO; STEPS],
        days: Vec::new(),
        models: Vec::new(),
        addresses: 0,
        is_canary: false,
        revoked: None,
        owner: None,
        strangers: Vec::new(),
    }
}

fn census(portraits: &[Portrait]) -> Census {
    let gallery = Gallery { portraits: portraits.to_vec(), retold: Vec::new() };
    Census { gallery: Some(gallery), ..Census::default() }
}

#[test]
fn the_shards_of_a_run_are_shown_as_one_whatever_their_number() {
    let keys = [portrait(1, 5, 0), portrait(2, 9, 0), portrait(3, 5, 1), portrait(4, 1, 0)];
    let sitting = Sitting { top: 2, asked: vec![KeyId([4; 16]), KeyId([9; 16])], ..Sitting::default() };
    let looks = |counted: &[Census]| {
        let (mut board, _, glass) = new(&plan(1, 1 << 20));
        board.look(&sitting, counted, Duration::ZERO);
        board.show();
        let looks = Arc::clone(&glass.seen().looks);
        let first = |keys: &[KeyId]| keys.iter().map(|key| key.0[0]).collect::<Vec<u8>>();
        (
            first(&looks.by_spend),
            first(&looks.by_risk),
            looks.keys.keys().map(|key| key.0[0]).collect::<Vec<u8>>(),
        )
    };
    let whole = looks(&[census(&keys)]);
    // Of equals the lower fingerprint comes first.
    assert_eq!(whole, (vec![2, 1], vec![3, 2], vec![1, 2, 3, 4]));
    let [a, b, c, d] = keys.map(|key| census(&[key]));
    assert_eq!(looks(&[d, c, b, a]), whole);
}

#[tokio::test]
async fn whoever_asks_for_a_key_is_heard_and_the_list_is_bounded() {
    let (_board, mut curiosity, glass) = new(&plan(1, 1 << 20));
    assert!(curiosity.wants(true, false, None).is_some(), "the first look");
    assert!(curiosity.wants(true, false, None).is_none(), "too soon");
    for number in 0..100 {
        glass.seen_with(KeyId([number; 16]), Duration::ZERO).await;
    }
    let asked = curiosity.wants(false, true, None).map(|sitting| sitting.asked).unwrap();
    assert_eq!((asked.len(), asked.last().copied()), (ASKED_MAX, Some(KeyId([99; 16]))));
}

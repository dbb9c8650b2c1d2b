//! Whatever the order: every half comes out once, and what can be joined is.

use super::*;
use crate::config::Plan;
use crate::decode::{Decoder, Settings};
use crate::frame::Block;
use crate::normalise::Rulebook;
use crate::time::Timestamp;
use proptest::prelude::*;
use std::sync::LazyLock;

const SECOND: i64 = 1_000_000_000;

fn asked(second: i64, request: u32) -> String {
    let time = Timestamp((1_780_304_400 + second) * SECOND);
    format!(
        r#"{{"userIdentity":{{"accessKeyId":"AKIA{}"}},"eventTime":"{time}","eventSource":"bedrock.amazonaws.com","eventName":"InvokeModel","requestID":"r{request}"}}"#,
        request % 3
    )
}

fn took(second: i64, request: u32) -> String {
    let time = Timestamp((1_780_304_400 + second) * SECOND);
    format!(
        r#"{{"schemaType":"ModelInvocationLog","timestamp":"{time}","requestId":"r{request}","accountId":"1","modelId":"anthropic.claude-3-haiku-20240307-v1:0","input":{{"inputTokenCount":1000}},"output":{{"outputTokenCount":{request}}}}}"#
    )
}

/// What comes of these lines, one step a line: what is shown of the key, requests, output tokens.
fn join(lines: &[String], entries_max: usize) -> (Vec<(String, u32, Option<u64>)>, Joined) {
    static RULES: LazyLock<Arc<Rulebook>> = LazyLock::new(|| Plan::default_plan().unwrap().rulebook);
    let rulebook = Arc::clone(&RULES);
    let settings = Settings { rulebook, format: None, frame_bytes_max: 1 << 20, keep_rejects: true };
    let mut decoder = Decoder::new(settings);
    let settings = JoinSettings { apart_max: 15 * MINUTE, lateness: 45 * MINUTE, entries_max };
    let mut join = Join::new(settings);
    let mut out = Vec::new();
    let mut take = |runs: Vec<Run>| {
        for Run { batch, range } in runs {
            for record in &batch.records[range] {
                let key = batch.text(record.key_hint).to_owned();
                out.push((key, record.requests, record.tokens.output.get()));
            }
        }
    };
    let mut latest = i64::MIN;
    for line in lines {
        let block = Block { bytes: line.clone().into(), ..Block::default() };
        let batch = Arc::new(decoder.block(&block, Timestamp::MAX));
        assert_eq!(batch.records.len(), 1, "{line} {:?}", batch.rejects);
        latest = latest.max(batch.records[0].time.at.0);
        let mut runs = vec![Run { batch, range: 0..1 }];
        let mut marks = vec![Mark { at: 0, watermark: Timestamp(latest - 45 * MINUTE) }];
        join.step(&mut runs, &mut marks);
        assert_eq!(marks.len(), 1);
        assert!(
            join.entries <= entries_max
                && join.known.len() + join.held.values().map(Vec::len).sum::<usize>() == join.entries
        );
        let notes: usize = join.by_minute.values().map(Vec::len).sum();
        assert!(notes == join.notes && notes <= 2 * entries_max + 1, "{notes}");
        take(runs);
    }
    let mut runs = Vec::new();
    join.end(&mut runs);
    take(runs);
    assert_eq!((join.entries, join.known.len(), join.held.len(), join.notes), (0, 0, 0, 0));
    (out, join.take_counts())
}

#[test]
fn either_half_may_come_first() {
    let follows = ("AKIA1".to_owned(), 0, Some(1));
    let asks = ("AKIA1".to_owned(), 1, None);
    let both = Joined { joined: 1, alone: 0 };
    for lines in [[asked(0, 1), took(2, 1)], [took(2, 1), asked(0, 1)]] {
        assert_eq!(join(&lines, 10), (vec![asks.clone(), follows.clone()], both));
    }
}

#[test]
fn a_half_without_another_goes_on_as_what_it_is() {
    let lines = [took(0, 1), asked(14 * 60, 2), asked(17 * 60, 5)];
    let (out, joined) = join(&lines, 10);
    let key = |at: usize| out[at].0.as_str();
    assert_eq!((key(0), key(1), key(2)), ("AKIA2", "1", "AKIA2"));
    assert_eq!(joined, Joined { joined: 0, alone: 1 });
}

#[test]
fn what_is_told_twice_of_a_request_that_is_waited_for_is_not_lost() {
    let (out, joined) = join(&[took(0, 1), took(0, 1), took(1, 1)], 10);
    assert_eq!((out.len(), joined.alone), (3, 3));
    let (out, joined) = join(&[took(0, 1), took(0, 1), asked(1, 1), took(0, 1)], 10);
    assert_eq!((out.len(), joined.joined), (4, 3));
}

#[test]
fn no_more_is_held_than_allowed() {
    let lines: Vec<_> = (0..100).map(|n| took(i64::from(n), n)).collect();
    let (out, joined) = join(&lines, 10);
    assert_eq!((out.len(), joined.alone), (100, 100));
}

#[test]
fn what_is_told_again_and_again_takes_no_more_memory() {
    // The same half, and one of which the identifier is used again in other minutes.
    let again: Vec<_> = (0..1000).map(|n| asked(if n % 2 == 0 { 0 } else { i64::from(n % 7) }, 1)).collect();
    let (out, _) = join(&again, 4);
    assert_eq!(out.len(), 1000);
    let elsewhere: Vec<_> = (0..1000).map(|n| asked(i64::from(n % 5) * 60, 1)).collect();
    let (out, _) = join(&elsewhere, 4);
    assert_eq!(out.len(), 1000);
    // Halves that were held and found their other one leave their notes behind for a while.
    let pairs: Vec<_> = (0..200).flat_map(|n| [took(0, n), took(0, n), asked(1, n)]).collect();
    let (out, _) = join(&pairs, 4);
    assert_eq!(out.len(), 600);
}

proptest! {
    #[test]
    fn nothing_is_lost_or_given_twice(
        requests in prop::collection::vec((0_i64..300, -290_i64..290, any::<bool>(), any::<bool>()), 1..40),
        order in prop::collection::vec(any::<u32>(), 80),
    ) {
        let mut lines = Vec::new();
        let mut pairs = 0;
        for (number, (second, skew, has_asker, has_usage)) in (0_u32..).zip(&requests) {
            if *has_asker {
                lines.push(asked(*second, number));
            }
            if *has_usage {
                lines.push(took(*second + *skew, number));
            }
            pairs += u64::from(*has_asker && *has_usage);
        }
        let mut shuffled: Vec<_> = order.into_iter().zip(lines.iter().cloned()).collect();
        shuffled.sort();
        let shuffled: Vec<String> = shuffled.into_iter().map(|(_, line)| line).collect();
        let (mut out, joined) = join(&shuffled, 1000);
        let (mut ordered, _) = join(&lines, 1000);
        out.sort();
        ordered.sort();
        prop_assert_eq!(&out, &ordered);
        prop_assert_eq!(out.len(), lines.len());
        prop_assert_eq!(joined.joined, pairs);
        let follows = out.iter().filter(|(_, requests, _)| *requests == 0).count() as u64;
        prop_assert_eq!(follows, pairs);
    }
}

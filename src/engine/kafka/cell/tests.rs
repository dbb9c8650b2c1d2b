//! A cell that is taken apart into pieces and put together again goes on as if nothing had happened.

use super::saved::{CELL, FORM};
use super::*;
use crate::decode::{Decoder, Settings};
use crate::encode::write_event;
use crate::frame::Block;
use crate::save::Writer;
use crate::shard::Piece;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::LazyLock;

static PLAN: LazyLock<Plan> = LazyLock::new(|| {
    let text = "[baseline]\nlearning_days = 2\n[limits]\ndedup_entries_max = 40\n[detectors.billing_threshold]\namounts_usd = [1.0]\n";
    let config = crate::config::Config::parse("t", text).unwrap();
    Plan::new(&config, "t", text).unwrap()
});

/// A topic of three partitions, one of which is looked at.
const PLACE: Place = Place { topic: 0, partition: 1 };

fn mould(repartition: bool) -> Mould {
    let text =
        format!("[kafka]\nbootstrap_servers = \"b:1\"\ntopics = [\"usage\"]\nrepartition = {repartition}\n");
    let config = crate::config::Config::parse("t", &text).unwrap();
    let kafka = Plan::new(&config, "t", &text).unwrap().kafka.unwrap();
    Mould::new(&PLAN, Arc::new(Layout::new(&kafka, vec![3, 2, 2])))
}

/// One record, from a few numbers.
fn line((hour, key, kind, request): (u32, u8, u8, u16)) -> String {
    let (day, hour) = (1 + hour / 24, hour % 24);
    let time = format!("2026-06-{day:02}T{hour:02}:{:02}:00Z", request % 60);
    match kind {
        0 => format!(
            r#"{{"userIdentity":{{"accessKeyId":"AKIA{key}"}},"eventTime":"{time}","eventSource":"bedrock.amazonaws.com","eventName":"InvokeModel","requestID":"r{request}"}}"#
        ),
        1 => format!(
            r#"{{"schemaType":"ModelInvocationLog","timestamp":"{time}","requestId":"r{request}","accountId":"1","modelId":"anthropic.claude-3-haiku-20240307-v1:0","input":{{"inputTokenCount":1000}},"output":{{"outputTokenCount":{request}}}}}"#
        ),
        2 => format!(
            r#"{{"timestamp":"{time}","window_end":"2026-06-{:02}T00:00:00Z","api_key_prefix":"...b{key}","model":"gpt-4o","requests":{request},"cost_usd":{request}.5}}"#,
            day + 1
        ),
        _ => format!(
            r#"{{"timestamp":"{time}","api_key_prefix":"...k{key}","model":"m{}","input_tokens":{request},"output_tokens":10,"source_ip":"198.51.100.{key}","cost_usd":0.{request},"request_id":"q{request}"}}"#,
            request % 4
        ),
    }
}

struct Run {
    cell: Cell,
    decoder: Decoder,
    pieces: BTreeMap<Vec<u8>, Vec<u8>>,
    said: Vec<(i64, String)>,
    counts: Counts,
}

impl Run {
    fn new() -> Self {
        let rulebook = Arc::clone(&PLAN.rulebook);
        let settings = Settings { rulebook, format: None, frame_bytes_max: 1 << 20, keep_rejects: true };
        Self {
            cell: Cell::new(&mould(false), PLACE, 0, Timestamp::MIN),
            decoder: Decoder::new(settings),
            pieces: BTreeMap::new(),
            said: Vec::new(),
            counts: Counts::default(),
        }
    }

    fn take(&mut self, lines: &[String]) {
        let positions: Vec<i64> = (self.cell.next..).take(lines.len()).collect();
        let block = Block { bytes: lines.join("\n").into(), ..Block::default() };
        let batch = self.decoder.block(&block, Timestamp::MAX);
        assert_eq!(batch.rejected.iter().sum::<u32>(), 0, "{:?}", batch.rejects);
        let taken = self.cell.take(batch, &positions, Arrival::now());
        self.cell.next += i64::try_from(lines.len()).unwrap();
        self.counts.add(&taken.counts);
        for (output, source) in taken.outputs {
            let position = source.offset;
            assert!((0..self.cell.next).contains(&position), "{position}");
            let mut alert = Vec::new();
            write_event(&output.event, &mut alert);
            self.said.push((position, String::from_utf8(alert).unwrap()));
        }
    }

    fn commit(&mut self) {
        for (name, value) in self.cell.changes() {
            match value {
                Some(value) => self.pieces.insert(name, value),
                None => self.pieces.remove(&name),
            };
        }
    }

    /// Dies and comes back.
    fn restart(&mut self) {
        let restored = Cell::restore(&mould(false), PLACE, &self.pieces, Timestamp::MIN).unwrap();
        self.cell = restored.unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_is_different_after_a_restart(
        records in prop::collection::vec((0_u32..200, 0_u8..4, 0_u8..9, 0_u16..400), 1..250),
        batches in prop::collection::vec(1_usize..30, 1..20),
        late in 0_usize..20,
        least in 0_u8..3,
    ) {
        let mut records = records;
        for record in &mut records {
            record.2 = record.2.max(least);
        }
        records.sort_by_key(|(hour, ..)| *hour);
        let length = records.len();
        records.swap(late % length, (late * 7) % length);
        // What a half waits for may stand anywhere.
        let is_exact = records.iter().all(|(_, _, kind, _)| *kind > 1);
        let lines: Vec<String> = records.into_iter().map(line).collect();
        let mut whole = Run::new();
        whole.take(&lines);
        let mut broken = Run::new();
        let (mut at, mut turn) = (0, 0);
        while at < lines.len() {
            let end = (at + batches[turn % batches.len()]).min(lines.len());
            broken.take(&lines[at..end]);
            broken.commit();
            broken.restart();
            (at, turn) = (end, turn + 1);
        }
        prop_assert_eq!(&whole.counts, &broken.counts);
        prop_assert_eq!(whole.said.len(), broken.said.len());
        for (one, other) in whole.said.iter().zip(&broken.said) {
            prop_assert_eq!(&one.1, &other.1);
            prop_assert!(!is_exact || one.0 == other.0, "{} {}", one.0, other.0);
        }
        // The pieces of many commits are those of one.
        whole.commit();
        let names = |run: &BTreeMap<Vec<u8>, Vec<u8>>| -> Vec<Vec<u8>> {
            run.keys().filter(|name| matches!(name[0], b'k' | b'b')).cloned().collect()
        };
        prop_assert_eq!(names(&whole.pieces), names(&broken.pieces));
    }
}

#[test]
fn what_does_not_change_is_not_written_again() {
    let mut run = Run::new();
    run.take(&[line((5, 1, 8, 7)), line((7, 2, 8, 8)), line((7, 3, 2, 9))]);
    let first = run.cell.changes();
    let of = |pieces: &[Piece], letter: u8| pieces.iter().filter(|(name, _)| name[0] == letter).count();
    // Only the minutes that are within the lateness are remembered.
    assert_eq!((of(&first, b'k'), of(&first, b'b'), of(&first, b'd')), (3, 1, 1));
    assert!(run.cell.changes().is_empty());
    run.take(&[line((7, 2, 8, 10))]);
    let second = run.cell.changes();
    assert_eq!((of(&second, b'k'), of(&second, b'b'), of(&second, b'd')), (1, 0, 1));
    assert_eq!(second.last().unwrap().0, [CELL]);
    assert!(Cell::is_last(&second.last().unwrap().0));
}

#[test]
fn another_form_is_refused_by_the_name_of_its_writer() {
    let mut run = Run::new();
    run.take(&[line((5, 1, 8, 7))]);
    run.commit();
    let mut value = Writer::default();
    value.put(&(FORM + 7, "9.0.0"));
    run.pieces.insert(vec![CELL], value.into_bytes());
    let error = Cell::restore(&mould(false), PLACE, &run.pieces, Timestamp::MIN).err().unwrap();
    assert!(error.to_string().contains("keyhound 9.0.0"), "{error}");
}

#[test]
fn a_state_with_a_piece_that_is_damaged_is_refused() {
    let mut run = Run::new();
    run.take(&[line((5, 1, 8, 7)), line((6, 2, 2, 8))]);
    run.commit();
    for (name, value) in &run.pieces {
        // Nothing, and more than is understood.
        for damaged in [Vec::new(), [&value[..], &[0]].concat()] {
            let mut pieces = run.pieces.clone();
            pieces.insert(name.clone(), damaged);
            assert!(Cell::restore(&mould(false), PLACE, &pieces, Timestamp::MIN).is_err(), "{name:?}");
        }
    }
}

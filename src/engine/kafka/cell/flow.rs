//! Records of a key in any partition, through all stages in any order of turns, with cells that die in between: the last
//! words are those of one cell that reads everything in order.

use super::*;
use crate::decode::{Decoder, Settings};
use crate::detect::Status;
use crate::engine::kafka::bulletin;
use crate::engine::kafka::outcome::first_lines;
use crate::engine::kafka::progress::Known;
use crate::frame::Block;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

const INPUTS: u16 = 3;

static PLAN: LazyLock<Plan> = LazyLock::new(|| {
    let text = "[baseline]\nlearning_days = 2\n[detectors.billing_threshold]\namounts_usd = [1.0, 20.0]\n";
    let config = crate::config::Config::parse("t", text).unwrap();
    Plan::new(&config, "t", text).unwrap()
});

fn mould(repartition: bool) -> Mould {
    let text =
        format!("[kafka]\nbootstrap_servers = \"b:1\"\ntopics = [\"usage\"]\nrepartition = {repartition}\n");
    let config = crate::config::Config::parse("t", &text).unwrap();
    let kafka = Plan::new(&config, "t", &text).unwrap().kafka.unwrap();
    Mould::new(&PLAN, Arc::new(Layout::new(&kafka, vec![INPUTS.into(), 2, 2])))
}

fn decoder() -> Decoder {
    let rulebook = Arc::clone(&PLAN.rulebook);
    Decoder::new(Settings { rulebook, format: None, frame_bytes_max: 1 << 20, keep_rejects: true })
}

/// A record: its minute, its key, its kind, its amount, and in which partition it is.
type Sketch = (i64, u8, u8, u16, u16);

fn time(minute: i64) -> String {
    Timestamp(1_780_272_000 * crate::time::SECOND + minute * crate::time::MINUTE).to_string()
}

/// The lines of a record with where they are: one, or the two halves of a request in two partitions.
fn lines(number: usize, (minute, key, kind, amount, partition): Sketch) -> Vec<(i64, u16, String)> {
    if kind > 1 {
        let line = format!(
            r#"{{"timestamp":"{}","api_key_prefix":"...k{key}","model":"m{}","input_tokens":{amount},"output_tokens":10,"source_ip":"198.51.100.{}","cost_usd":0.{amount},"request_id":"q{number}"}}"#,
            time(minute),
            amount % 4,
            amount % 5
        );
        return vec![(minute, partition, line)];
    }
    let asked = format!(
        r#"{{"userIdentity":{{"accessKeyId":"AKIA{key}"}},"eventTime":"{}","eventSource":"bedrock.amazonaws.com","eventName":"InvokeModel","sourceIPAddress":"198.51.100.{}","requestID":"r{number}"}}"#,
        time(minute),
        amount % 5
    );
    let took = format!(
        r#"{{"schemaType":"ModelInvocationLog","timestamp":"{}","requestId":"r{number}","accountId":"1","modelId":"anthropic.claude-3-haiku-20240307-v1:0","input":{{"inputTokenCount":{amount}000}},"output":{{"outputTokenCount":{amount}}}}}"#,
        time(minute + 3)
    );
    vec![(minute, partition, asked), (minute + 3, (partition + u16::from(kind) + 1) % INPUTS, took)]
}

/// Everything that was said, by alert and revision.
#[derive(Default)]
struct Said(BTreeMap<String, BTreeMap<u64, Value>>);

impl Said {
    fn take(&mut self, taken: Taken) {
        for (output, _) in taken.outputs {
            let mut alert = Vec::new();
            crate::encode::write_event(&output.event, &mut alert);
            let alert: Value = serde_json::from_slice(&alert).unwrap();
            let revisions = self.0.entry(output.event.id()).or_default();
            assert!(revisions.insert(alert["revision"].as_u64().unwrap(), alert).is_none(), "said twice");
        }
    }

    fn last_words(&self) -> BTreeSet<String> {
        let last = self.0.values().filter_map(|revisions| revisions.values().next_back());
        let last = last.filter(|alert| alert["status"] == Status::Final.label()).map(|alert| {
            let mut alert = alert.clone();
            for when in ["detected_at", "updated_at", "revision"] {
                alert[when] = Value::Null;
            }
            alert.to_string()
        });
        last.collect()
    }
}

/// All cells of a run with what stands in their topics.
struct Flow {
    mould: Mould,
    decoder: Decoder,
    cells: BTreeMap<Place, Cell>,
    inputs: Vec<Vec<String>>,
    own: BTreeMap<Place, Vec<Vec<u8>>>,
    pieces: BTreeMap<Place, BTreeMap<Vec<u8>, Vec<u8>>>,
    known: Known,
    said: Said,
    late: u64,
}

impl Flow {
    fn new(mould: Mould, inputs: Vec<Vec<String>>) -> Self {
        let topics = [INPUTS, 2, 2];
        let places = topics.iter().enumerate().flat_map(|(topic, count)| {
            (0..i32::from(*count))
                .map(move |partition| Place { topic: u16::try_from(topic).unwrap(), partition })
        });
        let cells = places.map(|place| (place, Cell::new(&mould, place, 0, Timestamp::MIN))).collect();
        Self {
            known: Known::new(&mould.layout),
            mould,
            decoder: decoder(),
            cells,
            inputs,
            own: BTreeMap::new(),
            pieces: BTreeMap::new(),
            said: Said::default(),
            late: 0,
        }
    }

    /// Lets a cell take some of what it has not taken yet, and commits; whether there was anything.
    fn turn(&mut self, place: Place, count: usize, dies: bool) -> bool {
        let next = usize::try_from(self.cells[&place].next).unwrap();
        let taken =
            if place.topic == 0 { self.read(place, next, count) } else { self.receive(place, next, count) };
        let Some(cell) = self.cells.get_mut(&place) else { return false };
        for message in cell.passed_on() {
            if message.topic == self.mould.layout.progress {
                let (origin, progress) = bulletin::read(&message.value.unwrap()).unwrap().unwrap();
                self.known.hear(&origin, progress);
                continue;
            }
            let topic = u16::from(&*message.topic != "keyhound-repartition") + 1;
            let to = Place { topic, partition: message.partition.unwrap() };
            self.own.entry(to).or_default().push(message.value.unwrap());
        }
        let pieces = self.pieces.entry(place).or_default();
        for (name, value) in cell.changes() {
            match value {
                Some(value) => pieces.insert(name, value),
                None => pieces.remove(&name),
            };
        }
        if dies && let Some(restored) = Cell::restore(&self.mould, place, pieces, Timestamp::MIN).unwrap() {
            *cell = restored;
        }
        taken
    }

    fn read(&mut self, place: Place, next: usize, count: usize) -> bool {
        let left = &self.inputs[usize::try_from(place.partition).unwrap()][next..];
        let count = count.min(left.len());
        let block = Block { bytes: left[..count].join("\n").into(), ..Block::default() };
        let cell_next = self.cells[&place].next;
        let mut positions: Vec<i64> = (cell_next..).take(count).collect();
        let mut batch = self.decoder.block(&block, Timestamp::MAX);
        assert_eq!(batch.rejected.iter().sum::<u32>(), 0, "{:?}", batch.rejects);
        let limit = self.known.limit(&self.mould.layout.origin(place));
        let (cell, mut held) = (self.cells.get_mut(&place).unwrap(), None);
        if let Some((lines, minute)) = limit.and_then(|limit| limit.first_held(&batch, &positions)) {
            let is_news = cell.passage().reached() < minute;
            held = is_news.then_some(minute);
            positions.truncate(lines);
            batch = self.decoder.block(&first_lines(&block, lines), Timestamp::MAX);
        }
        if !positions.is_empty() {
            assert!(cell.take(batch, &positions, Arrival::now()).outputs.is_empty());
            cell.next += i64::try_from(positions.len()).unwrap();
        }
        if let Some(minute) = held {
            cell.foresee(minute, Timestamp::MIN);
        }
        !positions.is_empty() || held.is_some()
    }

    fn receive(&mut self, place: Place, next: usize, count: usize) -> bool {
        let own = self.own.get(&place).map(|own| &own[next..]).unwrap_or_default();
        let cell = self.cells.get_mut(&place).unwrap();
        for value in own.iter().take(count) {
            let taken = cell.receive(Parcel::read(value).unwrap(), Arrival::now());
            cell.next += 1;
            self.late += taken.counts.late;
            self.said.take(taken);
        }
        count.min(own.len()) > 0
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whose_turn_it_is_does_not_matter(
        sketches in prop::collection::vec((0_i64..9 * 1440, 0_u8..4, 0_u8..6, 1_u16..900, 0..INPUTS), 1..200),
        turns in prop::collection::vec((0_usize..7, 1_usize..20, any::<bool>()), 1..200),
    ) {
        let numbered = sketches.into_iter().enumerate();
        let mut all: Vec<_> = numbered.flat_map(|(number, sketch)| lines(number, sketch)).collect();
        all.sort_by_key(|(minute, ..)| *minute);
        // At last a record for every partition that lets all days end.
        for partition in 0..INPUTS {
            let line = lines(1000 + usize::from(partition), (13 * 1440, 9, 2, 1, partition)).remove(0);
            all.push(line);
        }
        let mut whole = Cell::new(&mould(false), Place { topic: 0, partition: 0 }, 0, Timestamp::MIN);
        let text: Vec<&str> = all.iter().map(|(_, _, line)| line.as_str()).collect();
        let block = Block { bytes: text.join("\n").into(), ..Block::default() };
        let positions: Vec<i64> = (0..).take(all.len()).collect();
        let mut expected = Said::default();
        expected.take(whole.take(decoder().block(&block, Timestamp::MAX), &positions, Arrival::now()));

        let mut inputs = vec![Vec::new(); INPUTS.into()];
        for (_, partition, line) in &all {
            inputs[usize::from(*partition)].push(line.clone());
        }
        let mut flow = Flow::new(mould(true), inputs);
        let places: Vec<Place> = flow.cells.keys().copied().collect();
        for (at, count, dies) in turns {
            flow.turn(places[at], count, dies);
        }
        while places.iter().fold(false, |any, place| flow.turn(*place, 7, false) | any) {}
        for (partition, input) in flow.inputs.iter().enumerate() {
            let place = Place { topic: 0, partition: i32::try_from(partition).unwrap() };
            prop_assert_eq!(flow.cells[&place].next, i64::try_from(input.len()).unwrap(), "it all was read");
        }
        prop_assert_eq!(flow.late, 0);
        let (ours, theirs) = (flow.said.last_words(), expected.last_words());
        let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
            one.difference(other).cloned().collect::<Vec<_>>().join("\n")
        };
        prop_assert_eq!(only(&ours, &theirs), only(&theirs, &ours));
    }
}
